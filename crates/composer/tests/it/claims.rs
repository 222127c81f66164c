use jiff::civil::date;
use zhoubao_composer::compose;
use zhoubao_composer::material::{CoverageHole, Scope, ScopeChange};
use zhoubao_domain::event::InspectionResult;
use zhoubao_domain::figure::{FigureKey, Partition, Span};

use crate::sample::*;

fn hole(window: &str, day: i8) -> CoverageHole {
    CoverageHole { window: window.into(), day: date(2023, 2, day) }
}

#[test]
fn no_change_is_not_claimed_over_days_that_were_not_closed() {
    let mut material = material();
    material.coverage_holes = vec![hole("窗口7", 9), hole("窗口3", 6), hole("窗口7", 8)];
    let problems = refused(&material);
    assert_eq!(codes(&problems), ["E.305", "E.305"]);
    assert_eq!(problems[0].text, "窗口7 本周 2 天未日结（2月8日、2月9日），不能写“无变化”");

    // With a change there is no claim, but the holes still have to be accepted.
    material.scope_changes =
        vec![ScopeChange { department: "公安厅".into(), change: Scope::Authorised }];
    assert_eq!(codes(&composed(&material).warnings).iter().filter(|it| **it == "E.305").count(), 2);
}

#[test]
fn without_a_round_the_issue_says_so() {
    let mut material = material();
    material.inspection = None;
    let text = text(&material);
    assert!(text.contains("四、大厅巡查情况\n本周未开展巡查。\n报："));
    assert!(!text.contains("良好"));
    assert!(codes(&composed(&material).warnings).contains(&"E.401"));
}

#[test]
fn good_is_printed_only_for_what_was_looked_at_and_found_in_order() {
    let finding = |item: &str, findings: &[&str], remark: Option<&str>| InspectionResult {
        item: item.into(),
        findings: findings.iter().map(|it| (*it).to_owned()).collect(),
        remark: remark.map(str::to_owned),
    };
    let mut material = material();
    material.inspection = Some(vec![
        finding("按时到岗情况", &["3号窗口迟到1人。", "5号窗口\n空岗"], Some("总体情况良好。")),
        finding("按时到岗情况", &["3号窗口迟到1人"], None),
        finding("大厅秩序", &[], None),
        finding("旧事项", &["地面湿滑"], None),
    ]);
    insta::assert_snapshot!(part(&text(&material), "四、大厅巡查情况", "报："), @r"
    四、大厅巡查情况
    本周对各窗口开展了巡查，情况如下：
    （一）按时到岗情况。3号窗口迟到1人；5号窗口空岗。
    （二）着装情况。本周未检查。
    （三）大厅秩序。总体情况良好。
    （四）旧事项。地面湿滑。
    ");
    assert!(codes(&composed(&material).warnings).contains(&"E.401"));
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut material = material();
    material.coverage_holes = vec![hole("窗口7", 9)];
    material.submissions = vec![
        news("s1", "progress", "商务厅", "{{ figure:handled:week }}"),
        news("s2", "sports", "商务厅", "运动会。"),
        news("s3", "window-service", "商务厅", "\n　\n"),
    ];
    if let Some(it) = &mut material.statistics {
        it.period = period(date(2023, 1, 1), date(2023, 2, 9));
        it.classes.remove(1);
        it.classes[0].class = "行政处罚".into();
    }
    let problems = refused(&material);
    let problems: Vec<_> =
        problems.iter().map(|it| format!("{} {}: {}", it.code, it.place, it.text)).collect();
    insta::assert_snapshot!(problems.join("\n"), @r"
    E.220 稿件 s2（商务厅）: 模板没有栏目 the template has no section `sports` for news
    E.305 省级部门（单位）事项纳入及授权情况: 窗口7 本周 1 天未日结（2月9日），不能写“无变化”
    E.220 稿件 s1（商务厅）: 未知引用 unknown token `{{ figure:handled:week }}`, see the known ones with a submission
    E.302 省级政务服务事项受理办理情况: 平台数据截至2023年2月9日，本期末为2023年2月10日 cut-off and period end differ
    E.220 省级政务服务事项受理办理情况: 模板不印类别 the template does not print the class `行政处罚`
    E.301 省级政务服务事项受理办理情况: 第 88 行 line 88: 平台数据缺少类别 no imported figures of `行政许可`
    E.301 省级政务服务事项受理办理情况: 第 88 行 line 88: 平台数据缺少类别 no imported figures of `公共服务`
    E.301 窗口工作动态: 「窗口工作动态」没有内容 has nothing to print
    ");
}

#[test]
fn a_required_section_without_content_is_refused() {
    let mut material = material();
    material.statistics = None;
    material.submissions.retain(|it| it.section == "progress");
    let problems = refused(&material);
    assert_eq!(codes(&problems), ["E.301", "E.301"]);
    assert_eq!(problems[1].place, "窗口工作动态");
}

#[test]
fn sums_that_do_not_come_out_are_refused() {
    let key = |span, partition, part: &str| FigureKey {
        definition: "accepted".into(),
        span,
        partition,
        part: part.into(),
    };
    let mut material = material();
    let week = material.figures.get_mut(&key(Span::Week, Partition::Total, "")).unwrap();
    week.amount += 1;
    assert!(codes(&refused(&material)).contains(&"E.302"));

    let mut material = self::material();
    material.figures.get_mut(&key(Span::Carried, Partition::Total, "")).unwrap().amount += 1;
    assert_eq!(codes(&refused(&material)), ["E.303"]);

    let mut material = self::material();
    material.figures.remove(&key(Span::Week, Partition::Total, ""));
    assert!(codes(&refused(&material)).contains(&"E.302"), "a missing figure is not 0");
}

#[test]
fn a_figure_that_the_definitions_do_not_have_is_refused() {
    let mut material = material();
    material.definitions.pop();
    let error = compose(&material, &weekly()).unwrap_err();
    assert_eq!(codes(&error.problems), ["E.220"]);
    assert!(error.problems[0].text.contains("transferred"), "{error}");
}
