//! Each check with an input that it names and one that it does not.

use jiff::civil::date;
use proptest::prelude::*;
use zhoubao_composer::checks::personal::{self, Kind};
use zhoubao_composer::material::{EarlierIssue, Material};
use zhoubao_composer::{Problem, Template, compose, submission};
use zhoubao_domain::code::Code;
use zhoubao_domain::figure::{Figure, FigureKey, Figures, Partition, Span};

use crate::sample::*;

/// What the checks of one code say, by place.
fn found(material: &Material, code: Code) -> Vec<String> {
    found_by(material, &weekly(), code)
}

fn found_by(material: &Material, template: &Template, code: Code) -> Vec<String> {
    let warnings = compose(material, template).unwrap().warnings;
    let of_code = warnings.into_iter().filter(|it| it.code == code);
    of_code.map(|it| format!("{}: {}", it.place, it.text)).collect()
}

fn with_text(text: &str) -> Material {
    let mut material = material();
    material.submissions[2].text = text.into();
    material
}

const PLACE: &str = "稿件 s3（生态环境厅）";

#[test]
fn a_finding_is_known_by_code_place_and_text() {
    let problem = |code, place: &str, text: &str| {
        Problem { code, place: place.into(), text: text.into() }.finding().digest
    };
    let it = problem(Code::UntracedNumber, "甲", "乙丙");
    assert_eq!(it, problem(Code::UntracedNumber, "甲", "乙丙"));
    for other in [
        problem(Code::TypedNumberDiffers, "甲", "乙丙"),
        problem(Code::UntracedNumber, "乙", "乙丙"),
        problem(Code::UntracedNumber, "甲", "乙丁"),
        // The parts are kept apart.
        problem(Code::UntracedNumber, "甲乙", "丙"),
    ] {
        assert_ne!(it, other);
    }
    // `printf 'W.310\0甲\0乙丙' | sha256sum`
    assert_eq!(it.to_string(), "c2ee5d42f696127bd283fd73e095c2dadd7a4c631ca042ab47b730d16a0e3792");
}

#[test]
fn a_skipped_level_is_named_once_a_section() {
    // Two items under （二） and （三） are numbered （1）; the one under （一） has no number.
    assert_eq!(
        found(&material(), Code::LevelSkipped),
        [
            "窗口服务效能提升工作情况: 「（二）」下直接用「（1）」，跳级 a level is skipped",
            "厅（局）长进大厅: 「（三）」下直接用「（1）」，跳级 a level is skipped",
        ]
    );
    let source = WEEKLY.replace("items = \"（1）\"", "items = \"1.\"");
    let template = Template::parse(&source).unwrap();
    assert_eq!(found_by(&material(), &template, Code::LevelSkipped), [""; 0]);
}

#[test]
fn a_skipped_level_within_a_submission_is_named() {
    let source = WEEKLY.replace("items = \"（1）\"", "items = \"1.\"");
    let template = Template::parse(&source).unwrap();
    for (text, named) in [
        ("要求：\n一、甲。\n（一）乙。\n1.丙。\n（1）丁。\n二、戊。\n（一）己。", None),
        ("（1）甲。\n（2）乙。", None),
        ("一、甲。\n1.5亿元已到位。\n2月2日再议。\n（二）续前。", None),
        ("一、甲。\n（一）乙。\n（二）丙。\n（1）丁。", Some("「（一）」下直接用「（1）」")),
        ("一、甲。\n1.乙。\n2.丙。", Some("「一、」下直接用「1.」")),
    ] {
        let found = found_by(&with_text(text), &template, Code::LevelSkipped);
        let expected = named.map(|it| format!("{PLACE}: {it}，跳级 a level is skipped"));
        assert_eq!(found, Vec::from_iter(expected), "{text}");
    }
}

#[test]
fn a_term_is_pointed_at_and_never_changed() {
    let written = "双方签定协议，再签定附件，并签订纪要。";
    let material = with_text(written);
    let hint = "「签定」2 处，建议「签订」 suggested; 照原文刊印 printed as it is";
    // The template's own wording of the third item has it too.
    let own = "推进情况: 「签定」1 处，建议「签订」 suggested; 照原文刊印 printed as it is";
    assert_eq!(found(&material, Code::TermHint), [own.to_owned(), format!("{PLACE}: {hint}")]);
    assert!(text(&material).contains(written));
    let mut right = with_text("双方签订协议。");
    right.holder_changes.clear();
    assert_eq!(found(&right, Code::TermHint), [""; 0]);
}

#[test]
fn a_list_of_terms_is_checked() {
    let with = |terms: &str| Template::parse(&format!("{WEEKLY}\n{terms}"));
    assert!(with("\"一网通\" = \"一网通办\"").is_err_and(|it| it.detail.contains("含原词")));
    assert!(with("\"其它\" = \"\"").is_err());
    assert!(with("\"\" = \"其他\"").is_err());
    assert!(with("\"其它\" = \"其他\"").is_ok());
}

const NEWS: &str = "近日，生态环境厅围绕重大项目环境影响评价审批，建好项目清单，主动对接行业主管部门，\
    对计划一季度开工的项目逐个明确环评类别、编制要求和报批时间，提醒建设单位同步开展现状监测。";

#[test]
fn news_that_were_printed_before_name_their_issue() {
    let changed = NEWS.replace("近日，", "近期，");
    let mut material = with_text(&changed);
    material.earlier_news = vec![
        ("2023年第2期".into(), news("s90", "business-environment", "商务厅", "别的事情。")),
        ("2023年第3期".into(), news("s91", "business-environment", "生态环境厅", NEWS)),
    ];
    let found_now = found(&material, Code::NearDuplicate);
    assert_eq!(found_now.len(), 1, "{found_now:?}");
    assert!(found_now[0].starts_with(PLACE), "{found_now:?}");
    assert!(found_now[0].contains("与2023年第3期 稿件 s91（生态环境厅）相似 9"), "{found_now:?}");
    // Blanks and punctuation make no other text.
    material.submissions[2].text = NEWS.replace('，', " 、 ");
    let same = found(&material, Code::NearDuplicate);
    assert!(same[0].ends_with("相似 100% alike"), "{same:?}");
    // A third of it is new.
    let half = NEWS.find("逐个").unwrap();
    material.submissions[2].text =
        format!("{}，其余工作按照年度计划有序推进，各处室各负其责。", &NEWS[..half]);
    assert_eq!(found(&material, Code::NearDuplicate), [""; 0]);
}

#[test]
fn news_twice_in_one_issue_are_named_once_and_short_ones_are_not() {
    let mut material = with_text(NEWS);
    material.submissions[3].text = NEWS.into();
    material.submissions[4].text = "本周无动态。".into();
    material.submissions[5].text = "本周无动态。".into();
    assert_eq!(
        found(&material, Code::NearDuplicate),
        ["稿件 s4（商务厅）: 与本期 this issue 稿件 s3（生态环境厅）相似 100% alike"]
    );
}

#[test]
fn many_long_texts_are_compared_in_time() {
    // Texts of the largest size: a comparison of every pair would look at 900 times 8,000 runs.
    let long = |seed: u32| -> String {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        (0..8_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from_u32(0x4e00 + (state >> 8) % 20_000).unwrap()
            })
            .collect()
    };
    let mut material = material();
    material.submissions = (0..20)
        .map(|it| news(&format!("s{it}"), "business-environment", "商务厅", &long(it)))
        .collect();
    material.earlier_news = (15..60)
        .map(|it| (format!("第{it}期"), news(&format!("e{it}"), "x", "商务厅", &long(it))))
        .collect();
    let found = found(&material, Code::NearDuplicate);
    assert_eq!(found.len(), 5);
    assert!(found[0].contains("s15") && found[0].contains("与第15期"), "{found:?}");
}

fn earlier(weeks: &[[i64; 4]]) -> Vec<EarlierIssue> {
    let kinds = zhoubao_domain::event::Kind::ALL;
    weeks
        .iter()
        .map(|amounts| EarlierIssue {
            period: period(date(2023, 1, 9), date(2023, 1, 13)),
            position: 100,
            figures: kinds
                .into_iter()
                .zip(amounts)
                .map(|(kind, amount)| {
                    let key = FigureKey {
                        definition: kind.word().into(),
                        span: Span::Week,
                        partition: Partition::Total,
                        part: String::new(),
                    };
                    (key, Figure { amount: *amount, events: *amount })
                })
                .collect::<Figures>(),
        })
        .collect()
}

#[test]
fn a_figure_far_from_the_issues_before_is_named() {
    let mut material = material();
    let weeks =
        [[142, 218, 141, 411], [188, 287, 246, 563], [121, 196, 224, 402], [189, 210, 196, 407]];
    material.earlier = earlier(&weeks);
    assert_eq!(
        found(&material, Code::Outlier),
        [
            "省本级综窗办件情况: 本期咨询459人次，前4期为121至189人次 far from the issues before",
            "省本级综窗办件情况: 本期受理94件，前4期为196至287件 far from the issues before",
        ]
    );
    // Three issues do not say what is usual, and usual figures are not named.
    material.earlier = earlier(&weeks[..3]);
    assert_eq!(found(&material, Code::Outlier), [""; 0]);
    material.earlier =
        earlier(&[[430, 90, 80, 200], [470, 100, 95, 230], [455, 88, 99, 215], [440, 97, 92, 220]]);
    assert_eq!(found(&material, Code::Outlier), [""; 0]);
}

#[test]
fn a_year_that_continues_nothing_is_named() {
    assert_eq!(found(&material(), Code::PreviousMissing), [""; 0]);
    let mut first = material();
    let week = first.period;
    first.previous_last = None;
    first.figures = figures(week, None, &[(date(2023, 2, 6), [1, 1, 1, 1])], &[]);
    let named = found(&first, Code::PreviousMissing);
    assert_eq!(named.len(), 1);
    assert!(named[0].starts_with("省本级综窗办件情况: 没有上期"), "{named:?}");

    // A make-up weekend lies in no issue, a week of work ought to.
    let outside = |days: i8| {
        let mut material = material();
        let last = date(2023, 1, 20);
        let carried = carried([100, 100, 100, 100]);
        let worked = (0..days).map(|it| (date(2023, 1, 28 - it), [2, 1, 1, 1]));
        let worked: Vec<_> = [(last, [100, 100, 100, 100])].into_iter().chain(worked).collect();
        material.previous_last = Some(last);
        material.figures = figures(material.period, Some((last, &carried)), &worked, &[]);
        found(&material, Code::PreviousMissing)
    };
    assert_eq!(outside(2), [""; 0]);
    assert_eq!(outside(4), [""; 0]);
    assert!(outside(5)[0].contains("有 5 个有业务的日子"), "{:?}", outside(5));
}

#[test]
fn numbers_of_persons_are_found_and_masked() {
    let identity = |masked: &str| Some((Kind::Identity, masked.to_owned()));
    let mobile = |masked: &str| Some((Kind::Mobile, masked.to_owned()));
    for (text, expected) in [
        // The example of GB 11643.
        ("身份证11010519491231002X。", identity("110*************2X")),
        ("身份证11010519491231002x", identity("110*************2X")),
        ("身份证440524188001010014号", identity("440*************14")),
        ("１１０１０５１９４９１２３１００２Ｘ", identity("110*************2X")),
        // A wrong check digit, a day that is none, a number too long, another beginning.
        ("110105194912310021", None),
        ("110105194902300023", None),
        ("11010519491231002X5", None),
        ("111010519491231002X", None),
        ("统一社会信用代码91510000MA62R5XP2X", None),
        ("电话13800000000。", mobile("138******00")),
        ("电话１３８００００００００", mobile("138******00")),
        ("电话138-0000-0000", mobile("138******00")),
        ("电话138 0000 0000转", mobile("138******00")),
        ("电话+8613800000000", mobile("861********00")),
        ("热线12345", None),
        ("座机028-86923333", None),
        ("12800000000", None),
        ("1380000000", None),
        ("138000000001", None),
        ("Tel13800000000", mobile("138******00")),
        ("13800000000and more", mobile("138******00")),
        ("受理13800000000件", mobile("138******00")),
        ("2023-02-06至2023-02-10", None),
    ] {
        let found = personal::find(text).into_iter().next().map(|it| (it.kind, it.masked));
        assert_eq!(found, expected, "{text}");
    }
    let two = personal::find("甲13800000000、乙13911111111");
    assert_eq!(two.len(), 2);
}

#[test]
fn personal_data_is_not_filed_and_what_was_filed_before_blocks() {
    let text = "联系人张某，身份证11010519491231002X，手机13800000000。";
    let refusal = submission::check(text, &definitions()).unwrap_err();
    assert_eq!(refusal.code, Code::PersonalData);
    for secret in ["11010519491231002", "13800000000", "4912", "0000"] {
        assert!(!refusal.detail.contains(secret), "{secret}: {}", refusal.detail);
    }
    assert!(submission::check("热线12345，受理94件。", &definitions()).is_ok());
    assert_eq!(
        found(&with_text(text), Code::PersonalData),
        [format!("{PLACE}: {}", refusal.detail)]
    );
    assert_eq!(found(&material(), Code::PersonalData), [""; 0]);
}

#[test]
fn a_typed_number_of_departments_is_compared_with_the_register() {
    let typed = |count: u32| {
        with_text(&format!("对已授权无差别综合窗口的{count}个省级部门（单位）的事项进行了梳理。"))
    };
    assert_eq!(found(&typed(35), Code::TypedNumberDiffers), [""; 0]);
    assert_eq!(
        found(&typed(36), Code::TypedNumberDiffers),
        [format!("{PLACE}: 稿件写已授权36个部门，授权台账为35个 the register has 35")]
    );
    let other = "已授权的事项已公布。会同3个省级部门调研，其中2个部门已整改。";
    assert_eq!(found(&with_text(other), Code::TypedNumberDiffers), [""; 0]);
}

proptest! {
    /// Whatever somebody writes, the checks come to an end, change nothing and give away no number of a person.
    #[test]
    fn any_text_is_checked(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "一、", "（一）", "1.", "（1）", "\n", "签定", "已授权的", "36个省级部门", "受理95件", "2月30日",
                "13800000000", "138-0000-0000", "11010519491231002X", "１３８", "X", "-", " ", "+86", "。", "件",
                "\u{202e}", "𬭎", "9223372036854775808",
            ]),
            0..40,
        ),
    ) {
        let text = parts.concat();
        let found = personal::find(&text);
        for number in ["13800000000", "11010519491231002X"] {
            prop_assert!(found.iter().all(|it| !it.masked.contains(number)));
        }
        let composed = compose(&with_text(&text), &weekly()).unwrap();
        let printed = zhoubao_composer::txt::export(&composed.document);
        prop_assert_eq!(text.contains("签定"), String::from_utf8(printed).unwrap().matches("签定").count() > 1);
        let blocks = composed.warnings.iter().any(|it| it.code == Code::PersonalData);
        prop_assert_eq!(blocks, !found.is_empty());
    }
}

#[test]
fn characters_that_nobody_sees_are_named_with_their_line_and_not_filed() {
    for wrong in
        ['\0', '\u{7}', '\u{1b}', '\u{7f}', '\u{85}', '\u{61c}', '\u{200e}', '\u{202e}', '\u{2066}']
    {
        let refusal = submission::check(&format!("一\n二{wrong}三"), &definitions()).unwrap_err();
        assert_eq!(refusal.code, Code::Malformed);
        let code = u32::from(wrong);
        assert!(refusal.detail.contains("第2行"), "{}", refusal.detail);
        assert!(refusal.detail.contains(&format!("U+{code:04X}")), "{}", refusal.detail);
    }
    assert!(submission::check("一\t二\r\n三，“四”", &definitions()).is_ok());
}
