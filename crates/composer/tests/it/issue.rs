use jiff::civil::date;
use zhoubao_composer::document::{BlockKind, FigureSource, Inline, Origin};
use zhoubao_composer::material::{HolderChange, Scope, ScopeChange};
use zhoubao_composer::unbound_numbers;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Kind;
use zhoubao_domain::figure::{Adjustment, Cause, Figures, Span};

use crate::sample::*;

#[test]
fn an_issue_as_text() {
    insta::assert_snapshot!(text(&material()), @r"
    窗口工作周报
    2023年第5期（总第425期）
    四川省政府政务服务和公共资源交易服务中心
    2023年2月20日
    政务服务工作
    （2月6日—2月10日）
    一、综窗改革攻坚行动
    （一）省本级综窗办件情况
    本周，共计咨询459人次、受理94件、颁发93件、流转219件；今年以来，累计咨询1130人次、受理1040件、颁发921件、流转2060件。
    （二）省级部门（单位）事项纳入及授权情况
    本周无变化。
    （三）推进情况
    1.2月8日，协调处培训窗口人员14名。
    2.协调处走访了已授权的35个省级部门（单位）。
    3.经济和信息化厅、省税务局、省测绘地理信息局更换窗口首席事务代表后重新签定《四川省行政审批授权书》。
    二、省级政务服务事项受理办理情况
    据四川一体化政务服务平台数据统计，2023年1月1日至2023年2月10日，省本级行政许可事项受理53316件，办结54071件；公共服务事项受理419588件，办结408841件，其它九类行权事项受理4329件，累计办结4671件。
    三、窗口工作动态
    （一）优化营商环境工作开展情况
    近日，生态环境厅为44家企业开展“送策上门”。
    （二）窗口服务效能提升工作情况
    （1）商务厅窗口延时服务3次。
    （2）2月2日，省税务局开通专窗，本周受理94件中占2件。
    （三）厅（局）长进大厅
    （1）商务厅负责同志到大厅调研，提出：一、服务要细。二、审核要严。
    三、作风要实。
    （2）文旅厅负责同志到窗口值守。
    四、大厅巡查情况
    本周对各窗口开展了巡查，情况如下：
    （一）按时到岗情况。总体情况良好。
    （二）着装情况。总体情况良好。
    （三）大厅秩序。大厅人员有序，运行平稳。
    报：中心领导。
    送：各相关省级部门（单位），中心各处（室）、直属单位。
    发：各部门窗口。
    （共印80份）
    ");
}

#[test]
fn every_number_of_the_template_is_bound() {
    let document = composed(&material()).document;
    assert_eq!(unbound_numbers(&document), []);
    let counted: Vec<_> = document
        .figures()
        .filter_map(|(_, text, source)| match source {
            FigureSource::Counted { definition, span, value, events, position, .. } => {
                assert_eq!((text, *position), (value.to_string().as_str(), 51877));
                Some((definition.as_str(), *span, *value, *events))
            }
            _ => None,
        })
        .collect();
    assert_eq!(counted[0], ("consulted", Span::Week, 459, 229));
    assert_eq!(counted[7], ("transferred", Span::Year, 2060, 2060));
    assert_eq!(counted[8], ("accepted", Span::Week, 94, 94), "the token in a submission");
    assert_eq!(document.figures().count(), 8 + 1 + 1 + 6);
}

#[test]
fn the_numbers_of_a_department_stay_its_own() {
    let document = composed(&material()).document;
    let block = document.blocks.iter().find(|it| it.text().contains("44家企业")).unwrap();
    let origin = Origin::Submitted { id: "s3".into(), department: "生态环境厅".into() };
    assert_eq!(block.origin, origin);
    assert_eq!(block.inlines, [Inline::words("近日，生态环境厅为44家企业开展“送策上门”。")]);
}

#[test]
fn warnings_name_what_has_to_be_looked_at() {
    let warnings: Vec<_> = composed(&material())
        .warnings
        .into_iter()
        .map(|it| format!("{} {}: {}", it.code, it.place, it.text))
        .collect();
    insta::assert_snapshot!(warnings.join("\n"), @r"
    W.310 稿件 s1（政务一窗受理协调处）: 部门自报数字 the department's own: 14
    W.204 省级政务服务事项受理办理情况: 行政许可办结多于受理 755 件，含上期结转（需说明）
    W.204 省级政务服务事项受理办理情况: 其它九类行权办结多于受理 342 件，含上期结转（需说明）
    W.310 稿件 s3（生态环境厅）: 部门自报数字 the department's own: 44
    W.310 稿件 s4（商务厅）: 部门自报数字 the department's own: 3
    W.310 稿件 s5（省税务局）: 部门自报数字 the department's own: 2
    W.313 稿件 s5（省税务局）: 2月2日不在本期（2月6日—2月10日）lies outside the period
    W.601 窗口服务效能提升工作情况: 「（二）」下直接用「（1）」，跳级 a level is skipped
    W.601 厅（局）长进大厅: 「（三）」下直接用「（1）」，跳级 a level is skipped
    W.620 推进情况: 「签定」1 处，建议「签订」 suggested; 照原文刊印 printed as it is
    ");
}

#[test]
fn a_typed_number_that_contradicts_a_counted_one_is_named() {
    let mut material = material();
    material.submissions[0].text = "本周受理95件，累计受理1040件，受理3人次。".into();
    let warnings = composed(&material).warnings;
    let differing: Vec<_> =
        warnings.iter().filter(|it| it.code == Code::TypedNumberDiffers).collect();
    assert_eq!(differing.len(), 1);
    assert_eq!(differing[0].text, "稿件写受理95件，系统数为本周94、累计1040");
}

#[test]
fn an_issue_that_is_not_signed_off_says_so() {
    let signed = text(&material());
    let mut draft = material();
    (draft.proposed, draft.issued_on) = (true, None);
    let draft = text(&draft);
    assert!(draft.contains("2023年第5期（总第425期）（拟编号）\n"));
    assert!(!draft.contains("2023年2月20日"));
    assert_eq!(draft.lines().count() + 1, signed.lines().count());
}

#[test]
fn a_single_item_has_no_number_and_a_second_paragraph_none_of_its_own() {
    let mut material = material();
    material.submissions.retain(|it| it.id.as_str() == "s6");
    material.holder_changes.clear();
    let text = text(&material);
    insta::assert_snapshot!(part(&text, "三、窗口工作动态", "四、"), @r"
    三、窗口工作动态
    （一）厅（局）长进大厅
    商务厅负责同志到大厅调研，提出：一、服务要细。二、审核要严。
    三、作风要实。
    ");
    assert!(!text.contains("推进情况"), "an optional section without content is left out");
}

#[test]
fn sections_that_are_left_out_do_not_leave_a_gap_in_the_numbers() {
    let mut material = material();
    material.submissions.retain(|it| it.section == "leaders-at-hall");
    assert!(text(&material).contains("（一）厅（局）长进大厅\n（1）商务厅"));
}

#[test]
fn changes_of_holder_are_grouped_by_what_happened() {
    let letter =
        |department: &str| HolderChange { representative_replaced: false, ..replaced(department) };
    let mut material = material();
    material.submissions.clear();
    material.submissions.push(news("s6", "leaders-at-hall", "商务厅", "负责同志到大厅调研。"));
    material.holder_changes = vec![
        letter("公安厅"),
        replaced("省税务局"),
        replaced("商务厅"),
        letter("商务厅"),
        replaced("省税务局"),
    ];
    insta::assert_snapshot!(part(&text(&material), "（三）推进情况", "二、"), @r"
    （三）推进情况
    1.公安厅重新签定《四川省行政审批授权书》。
    2.省税务局、商务厅更换窗口首席事务代表后重新签定《四川省行政审批授权书》。
    ");
    let document = composed(&material).document;
    let item = document.blocks.iter().find(|it| it.marker == "1.").unwrap();
    assert_eq!((item.kind, &item.origin), (BlockKind::Item, &Origin::Computed));
}

#[test]
fn changes_of_scope_are_told_one_by_one() {
    let change = |department: &str, change| ScopeChange { department: department.into(), change };
    let mut material = material();
    material.scope_changes = vec![
        change("省消防救援总队", Scope::Authorised),
        change("商务厅", Scope::ItemsIncluded(vec!["对外贸易备案".into(), "12345热线转办".into()])),
        change("公安厅", Scope::ItemsRemoved(vec!["边境管理".into()])),
        change("省林草局", Scope::Withdrawn),
    ];
    insta::assert_snapshot!(part(&text(&material), "（二）省级", "（三）"), @r"
    （二）省级部门（单位）事项纳入及授权情况
    省消防救援总队新增授权。
    商务厅纳入事项：对外贸易备案、12345热线转办。
    公安厅移出事项：边境管理。
    省林草局取消授权。
    ");
    assert_eq!(unbound_numbers(&composed(&material).document), []);
}

#[test]
fn days_outside_and_adjustments_are_printed_so_that_a_reader_can_add_up() {
    let mut material = material();
    let previous = carried([671, 946, 828, 1841]);
    let late = |kind, amount, cause| Adjustment {
        position: 51000,
        day: date(2023, 1, 12),
        kind,
        amount,
        events: amount.signum(),
        cause,
    };
    material.adjustments = vec![
        late(Kind::Accepted, 1, Cause::Late),
        late(Kind::Accepted, 1, Cause::Late),
        late(Kind::Consulted, -3, Cause::Correction),
        late(Kind::Issued, -1, Cause::Voiding),
        late(Kind::Transferred, 1, Cause::Correction),
    ];
    material.previous_last = Some(date(2023, 1, 20));
    let days = [
        (date(2023, 1, 12), [668, 948, 827, 1842]),
        (date(2023, 1, 28), [12, 3, 0, 0]),
        (date(2023, 1, 29), [0, 1, 0, 2]),
        (date(2023, 2, 6), [459, 94, 93, 219]),
    ];
    material.figures = figures(
        material.period,
        Some((date(2023, 1, 20), &previous)),
        &days,
        &material.adjustments,
    );
    insta::assert_snapshot!(part(&text(&material), "（一）省本级", "（二）"), @r"
    （一）省本级综窗办件情况
    本周，共计咨询459人次、受理94件、颁发93件、流转219件；今年以来，累计咨询1139人次、受理1046件、颁发920件、流转2063件。
    期间外：1月28日咨询12人次、受理3件；1月29日受理1件、流转2件。
    调整：补计受理2件、更正咨询减3人次、更正流转增1件、撤销颁发1件。
    ");
    assert_eq!(unbound_numbers(&composed(&material).document), []);

    // Without the causes the amounts are printed all the same.
    material.adjustments.clear();
    assert!(text(&material).contains("调整：咨询减3人次、受理增2件、颁发减1件、流转增1件。"));
}

#[test]
fn a_week_across_new_year_prints_both_years() {
    let mut material = material();
    material.period = period(date(2022, 12, 29), date(2023, 1, 4));
    (material.year, material.number, material.running_number) = (2023, 1, 421);
    (material.previous_last, material.issued_on) =
        (Some(date(2022, 12, 23)), Some(date(2023, 1, 9)));
    let days = [
        (date(2022, 12, 26), [1, 1, 0, 0]),
        (date(2022, 12, 30), [5, 4, 3, 2]),
        (date(2023, 1, 3), [2, 2, 2, 2]),
    ];
    let previous: Figures = carried([9000, 9000, 9000, 9000]);
    material.figures = figures(material.period, Some((date(2022, 12, 23), &previous)), &days, &[]);
    if let Some(it) = &mut material.statistics {
        it.period = period(date(2023, 1, 1), date(2023, 1, 4));
    }
    insta::assert_snapshot!(part(&text(&material), "2023年第1期", "（二）省级"), @r"
    2023年第1期（总第421期）
    四川省政府政务服务和公共资源交易服务中心
    2023年1月9日
    政务服务工作
    （2022年12月29日—2023年1月4日）
    一、综窗改革攻坚行动
    （一）省本级综窗办件情况
    本周，共计咨询7人次、受理6件、颁发5件、流转4件；今年以来，累计咨询2人次、受理2件、颁发2件、流转2件。
    本周跨年度，其中2023年：咨询2人次、受理2件、颁发2件、流转2件。
    上年期间外（不计入今年累计）：2022年12月26日咨询1人次、受理1件。
    ");
}
