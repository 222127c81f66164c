//! The language of templates, feature by feature: given a table and a text, this is printed.

use jiff::civil::date;
use proptest::prelude::*;
use zhoubao_composer::document::{Document, FigureSource};
use zhoubao_composer::material::{EarlierIssue, ImportedTable, Material};
use zhoubao_composer::{Composed, Problem, Template, compose, unbound_numbers};

use crate::sample::*;

/// A template of one section, whose text begins on line 14.
fn template(text: &str) -> String {
    format!(
        "title = \"试\"
[parameters]
word = \"本周\"
[entered]
goal = \"\"
[table.t]
title = \"表\"
text = [\"name\", \"area\"]
numbers = [\"n\", \"m\"]
[let]
rows = \"table('t')\"
{masthead}
text = '''
{text}
'''
",
        masthead = "masthead = []",
    )
    .replace("masthead = []\n", "")
    .replace("title = \"试\"", "title = \"试\"\nmasthead = []")
    .replace("\ntext = '''", "\n[[section]]\nkey = \"s\"\nheading = \"节\"\nkind = \"text\"\nrequired = false\ntext = '''")
}

/// The line of the template on which the text begins.
fn first_line(source: &str) -> usize {
    source.lines().position(|it| it == "text = '''").unwrap() + 2
}

fn given(rows: &[[&str; 4]]) -> Material {
    let mut material = material();
    let texts = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    material.tables = vec![ImportedTable {
        key: "t".into(),
        source: "平台".into(),
        period: material.period,
        columns: texts(&["name", "area", "n", "m"]),
        rows: rows.iter().map(|it| texts(it)).collect(),
        position: 7,
    }];
    material.submissions.clear();
    material
}

const ROWS: [[&str; 4]; 5] = [
    ["甲", "东", "30", "97.50%"],
    ["乙", "西", "10", "/"],
    ["丙", "东", "20", "100%"],
    ["丁", "西", "20", "88.00%"],
    ["戊", "东", "0", "5%"],
];

fn composed(material: &Material, text: &str) -> Result<Composed, Vec<Problem>> {
    let template = Template::parse(&template(text)).unwrap();
    template.check(&material.definitions).unwrap();
    compose(material, &template).map_err(|it| it.problems)
}

fn body(document: &Document) -> String {
    let blocks = document.blocks.iter().filter(|it| it.section == "s").skip(1);
    blocks.map(|it| it.text()).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn print(material: &Material, text: &str) -> String {
    match composed(material, text) {
        Ok(it) => body(&it.document),
        Err(problems) => panic!("{text}: {problems:?}"),
    }
}

/// Given the five rows, this text prints that.
#[track_caller]
fn check(text: &str, then: &str) {
    assert_eq!(print(&given(&ROWS), text), then, "{text}");
}

/// Given the five rows, this text is refused while composing.
#[track_caller]
fn refused_with(text: &str, then: &str) {
    let problems = composed(&given(&ROWS), text).unwrap_err();
    let texts: Vec<_> = problems.iter().map(|it| format!("{} {}", it.code, it.text)).collect();
    let line = format!(" line {}: ", first_line(&template(text)));
    assert!(texts.iter().all(|it| it.contains(&line)), "{texts:?}");
    assert!(texts.join("；").contains(then), "{texts:?}");
}

#[test]
fn counts_sums_and_differences() {
    check("{{ count(rows) }}", "5");
    check("{{ rows | count }}", "5");
    check("{{ sum(rows, n) }}", "80");
    check("{{ sum(rows, n) - count(rows) * 2 }}", "70");
    check("{{ sum(rows, n + 1) }}", "85");
    check("{{ max(rows, n) }}，{{ min(rows, n) }}", "30，0");
    check("{{ row(rows, '丙').n }}", "20");
    check("{{ figure('accepted', 'year') - figure('accepted', 'week') }}", "946");
    check("{{ statistic('行政许可', 'finished') - statistic('行政许可', 'accepted') }}", "755");
    check("{{ sum(statistics(), accepted) }}", "477233");
    check("{{ sum(parts('day', 'week'), consulted) }}", "459");
}

#[test]
fn shares_of_a_chosen_base() {
    let share =
        "{% for it in rows between '，' %}{{ it.n / sum(rows, n) * 100 | decimals(2) }}{% end %}";
    check(share, "37.50，12.50，25.00，25.00，0.00");
    let in_area = "{% for it in rows between '，' %}{{ it.n / sum(rows | where(area == it.area), n) * 100 | decimals(1) }}{% end %}";
    check(in_area, "60.0，33.3，40.0，66.7，0.0");
    // There is no share of nothing.
    let nothing = "{{ 1 / (sum(rows, n) - 80) | decimals(2) | or('/') }}";
    check(nothing, "/");
}

#[test]
fn decimals_are_chosen_at_each_place() {
    check("{{ 2 / 3 * count(rows) | decimals(2) }}", "3.33");
    check("{{ 8 / 3 * count(rows) | decimals(1) }}", "13.3");
    check("{{ 8 / 3 * count(rows) | decimals(1, 'cut') }}", "13.3");
    check(
        "{{ 7 / 3 * count(rows) | decimals(1) }}，{{ 7 / 3 * count(rows) | decimals(1, 'cut') }}",
        "11.7，11.6",
    );
    check(
        "{{ count(rows) / 2 | decimals(2) }}，{{ count(rows) / 2 | decimals(2, 'strip') }}",
        "2.50，2.5",
    );
    check(
        "{{ 0.1 + 0.2 == 0.3 }}".replace("{{", "{% if").replace("}}", "%}是{% end %}").as_str(),
        "是",
    );
    refused_with("{{ sum(rows, n) / 3 }}", "say how many decimals");
}

#[test]
fn wan_over_and_chinese_numerals() {
    check("{{ sum(rows, n) * 1543 | decimals(2, 'wan') }}件", "12.34万件");
    check("{{ sum(rows, n) * 1543 | decimals(1, 'wan', 'over') }}件", "12.3万余件");
    check("{{ sum(rows, n) * 14 + 3 | decimals(-2, 'over') }}件", "1100余件");
    check("{{ count(rows) | chinese }}个、{{ year | chinese('digits') }}年", "五个、二〇二三年");
    refused_with("{{ sum(rows, n) / 3 | chinese }}", "only whole numbers");
}

#[test]
fn daily_means_and_weeks() {
    check("{{ sum(rows, n) / period.days | decimals(1) }}", "16.0");
    check("{{ figure('consulted', 'week') / working_days | decimals(1) }}", "91.8");
    check("第{{ last_day.week }}周，{{ last_day | form('week') }}", "第6周，2023年第6周");
}

#[test]
fn dates_in_the_forms_of_offices() {
    check("{{ first_day }}、{{ first_day | form('short') }}", "2023年2月6日、2月6日");
    check("{{ last_day + 3 | form('chinese') }}", "二〇二三年二月十三日");
    check("{{ period }}，{{ period | form('range') }}", "2月6日—2月10日，2023年2月6日至10日");
    check("{{ rows.period | form('iso') }} {{ rows.source }}", "2023-02-06/2023-02-10 平台");
    check("{{ last_day - first_day }}天", "4天");
}

#[test]
fn figures_that_came_as_text_are_printed_so_and_still_ranked() {
    check("{% for it in rows between ' ' %}{{ it.m }}{% end %}", "97.50% / 100% 88.00% 5%");
    // What is no number has no rank and comes last.
    check(
        "{% for it in rows | order(-m) between ' ' %}{{ it.name }}{{ it.m }}{% end %}",
        "丙100% 甲97.50% 丁88.00% 戊5% 乙/",
    );
    check("{% for it in rows | order(m) between ' ' %}{{ it.name }}{% end %}", "戊 丁 甲 丙 乙");
    check("{{ count(rows | where(m != none and m < 90)) }}", "2");
    refused_with("{{ count(rows | where(m < 90)) }}", "no figure to compare");
}

#[test]
fn top_n_is_stable_and_has_its_own_rank_key() {
    let names =
        |rows: &str| format!("{{% for it in {rows} between '' %}}{{{{ it.name }}}}{{% end %}}");
    check(&names("rows | top(3, n)"), "甲丙丁");
    check(&names("rows | top(2, n, m)"), "甲丙");
    check(&names("rows | top(2, -n)"), "戊乙");
    check(&names("rows | top(9, n)"), "甲丙丁乙戊");
    check(&names("rows | order(area, -n)"), "甲丙戊丁乙");
    check(&names("rows"), "甲乙丙丁戊");
    check(&names("rows | arrange(name, '丁', '丙', '无')"), "丁丙甲乙戊");
    check(
        "{% for g in rows | group(area) between '；' %}{{ g.name }}：{% for it in g.rows | top(2, n) between '、' %}{{ it.name }}{{ it.n }}{% end %}{% end %}",
        "东：甲30、丙20；西：丁20、乙10",
    );
}

#[test]
fn lists_have_another_last_separator_and_other_words_for_the_ends() {
    check(
        "{% for it in rows between '、' last '和' %}{{ it.name }}{% end %}",
        "甲、乙、丙、丁和戊",
    );
    check("{% for it in rows | top(1, n) between '、' last '和' %}{{ it.name }}{% end %}", "甲");
    check(
        "{% for it in rows | top(2, n) between '、' last '和' %}{{ it.name }}{% end %}",
        "甲和丙",
    );
    let ends = "{% for it in rows | top(3, n) between '，' %}{% if loop.first %}最多的是{% elif loop.last %}末位{% end %}{{ loop.index }}{{ it.name }}{% end %}";
    check(ends, "最多的是1甲，2丙，末位3丁");
    let plural = |n: usize| {
        format!(
            "{{% let it = rows | top({n}, n) %}}{{% if count(it) > 1 %}}分别{{% end %}}为{{% for x in it between '、' %}}{{{{ x.n }}}}{{% end %}}"
        )
    };
    check(&plural(1), "为30");
    check(&plural(2), "分别为30、20");
}

#[test]
fn conditions_choose_sentences_paragraphs_and_items() {
    check(
        "{% if sum(rows, n) > 50 %}\n多。\n{% elif true %}\n中。\n{% else %}\n少。\n{% end %}",
        "多。",
    );
    check(
        "一。\n\n{% if count(rows | where(n > 99)) == 0 %}\n无一过百。\n{% end %}\n   二。",
        "一。\n无一过百。\n二。",
    );
    check("前{% if not (n_is) %}{% end %}后".replace("n_is", "true").as_str(), "前后");
    check("{{ '多' if sum(rows, n) > 50 else '少' }}", "多");
    let items = |limit: u32| {
        format!(
            "{{% items '（1）' %}}\n{{% for it in rows | where(n > {limit}) %}}\n{{{{ it.name }}}}。\n{{% end %}}\n{{% end %}}"
        )
    };
    check(&items(15), "（1）甲。\n（2）丙。\n（3）丁。");
    // One alone has no number; none leaves nothing.
    check(&items(25), "甲。");
    check(&format!("有。\n{}", items(99)), "有。");
    check("{# a note for whoever edits this #}\n正文{# and here #}。", "正文。");
}

#[test]
fn a_section_whose_condition_does_not_hold_leaves_no_gap_in_the_numbers() {
    let source = |limit: u32| {
        let text = template("甲。");
        format!(
            "{text}\n[[section]]\nkey = \"s2\"\nheading = \"{{{{ word }}}}二\"\nwhen = \"sum(rows, n) > {limit}\"\nkind = \"text\"\ntext = \"乙。\"\n[[section]]\nkey = \"s3\"\nheading = \"三\"\nkind = \"text\"\ntext = \"丙。\"\n"
        )
    };
    let print = |limit| {
        let template = Template::parse(&source(limit)).unwrap();
        template.check(&definitions()).unwrap();
        let document = compose(&given(&ROWS), &template).unwrap().document;
        document.blocks.iter().map(|it| it.text()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(print(50), "一、节 甲。 二、本周二 乙。 三、三 丙。");
    assert_eq!(print(80), "一、节 甲。 二、三 丙。");
}

#[test]
fn comparisons_with_earlier_periods() {
    let mut material = given(&ROWS);
    let before = |weeks: u32, n: &str| ImportedTable {
        period: material.period.before(weeks).unwrap(),
        rows: vec![vec!["甲".into(), "东".into(), n.into(), "90%".into()]],
        ..material.tables[0].clone()
    };
    let earlier = [before(1, "64"), before(2, "0")];
    material.tables.extend(earlier);
    let change = |before: &str| {
        format!(
            "{{% let d = (sum(rows, n) - sum({before}, n)) / sum({before}, n) * 100 %}}{{{{ d | direction('升', '降', '平') | or('无') }}}}{{{{ d | size | decimals(1) | suffix('%') | or('/') }}}}"
        )
    };
    assert_eq!(print(&material, &change("table('t', 1)")), "升25.0%");
    assert_eq!(print(&material, &change("table('t', 0)")), "平0.0%");
    // From nothing there is no change in per cent, and where there is no import none at all.
    assert_eq!(print(&material, &change("table('t', 2)")), "无/");
    assert_eq!(print(&material, &change("table('t', 3)")), "无/");
    assert_eq!(print(&material, &change("table('t', 'last-year')")), "无/");
    let absolute = "{{ sum(rows, n) - sum(table('t', 1), n) | decimals(0, 'sign') }}";
    assert_eq!(print(&material, absolute), "+16");
    let points =
        "{{ row(rows, '甲').m - row(table('t', 1), '甲').m | decimals(2, 'strip') }}个百分点";
    assert_eq!(print(&material, points), "7.5个百分点");
    let gone =
        "{{ row(table('t', 1), '乙').n | or('/') }}{{ row(table('t', 9), '乙').n | or('/') }}";
    assert_eq!(print(&material, gone), "//");
    // A figure has a period of its own.
    let own = "{{ table('t', 1).period }}，{{ period }}";
    assert_eq!(print(&material, own), "1月30日—2月3日，2月6日—2月10日");
}

#[test]
fn earlier_figures_come_from_earlier_issues_or_are_entered() {
    let mut material = given(&ROWS);
    let week = material.period.before(1).unwrap();
    let figures = figures(week, None, &[(week.first(), [9, 47, 7, 7])], &[]);
    material.earlier = vec![EarlierIssue { period: week, position: 40, figures }];
    let text = "{{ figure('accepted', 'week') / earlier(1, 'accepted', 'week') | decimals(2) | or('/') }}倍";
    assert_eq!(print(&material, text), "2.00倍");
    let composed = composed(&material, text).unwrap();
    let (_, _, FigureSource::Derived { inputs, .. }) = composed.document.figures().next().unwrap()
    else {
        panic!()
    };
    let FigureSource::Counted { position, first_day, value, .. } = &inputs[1] else { panic!() };
    assert_eq!((*position, *first_day, *value), (40, Some(date(2023, 1, 30)), 47));
    assert_eq!(print(&material, &text.replace("(1,", "(2,")), "/倍");

    let goal = "{{ sum(rows, n) / goal * 100 | decimals(0) | suffix('%') | or('/') }}";
    assert_eq!(print(&material, goal), "/");
    material.parameters.insert("goal".into(), "160".into());
    assert_eq!(print(&material, goal), "50%");
    assert_eq!(print(&material, "{{ word }}{{ goal }}"), "本周160");
}

#[test]
fn submissions_are_chosen_by_section_or_key() {
    let mut material = given(&ROWS);
    material.submissions = vec![
        news("a1", "s", "甲厅", "第一条，受理{{ figure:accepted:week }}件。"),
        news("a2", "s", "乙厅", "第二条。\n又一段。"),
        news("a3", "s", "甲厅", "第三条。"),
    ];
    let of = |rows: &str| format!("{{% submissions {rows} '1.' %}}");
    assert_eq!(
        print(&material, &of("submissions('s')")),
        "1.第一条，受理94件。\n2.第二条。\n又一段。\n3.第三条。"
    );
    assert_eq!(print(&material, &of("submissions('s') | where(key == 'a3')")), "第三条。");
    assert_eq!(
        print(&material, &of("submissions('s') | where(department == '甲厅')")),
        "1.第一条，受理94件。\n2.第三条。"
    );
    let template = Template::parse(&template(&of("submissions('s')"))).unwrap();
    assert_eq!(template.submission_sections(), [("s", "节")]);
}

#[test]
fn tables_have_spans_and_refuse_what_does_not_fit() {
    let table = |rows: &str| format!("{{% table '表' %}}\n{rows}\n{{% end %}}");
    check(&table("甲 | 乙\n{{ count(rows) }} | >"), "表\n甲\t乙\n5\t");
    check(&table("甲 | 乙 | >\n^ | ^ | >\n1 | 2 | 3"), "表\n甲\t乙\t\n\t\t\n1\t2\t3");
    refused_with(&table("甲 | 乙\n丙"), "has 1 cells");
    refused_with(&table("> | 乙"), "no cell on the left");
    refused_with(&table("甲 | 乙\n丙 | ^\n丁 | <").replace("丙 | ^", "^ | >"), "rectangle");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let wrong = |text: &str| {
        let source = template(text);
        let first = first_line(&source);
        let found = Template::parse(&source).and_then(|it| it.check(&definitions()));
        let detail = found.expect_err(text).detail;
        (1..100).fold(detail, |detail, line| {
            // Counted from the text's first line, so that the frame may change.
            let absolute = format!("第 {} 行 line {}: ", first + line - 1, first + line - 1);
            detail.replace(&absolute, &format!("[{line}] "))
        })
    };
    let found = [
        "甲\n{{ nothing }}",
        "甲\n乙\n{{ sum(rows) }}{{ totals(rows) }}",
        "{{ rows | where(nn > 1) }}",
        "{{ table('u') }}{{ row(rows, '甲').nn }}",
        "{{ figure('handled', 'week') }}{{ figure('accepted', 'month') }}",
        "甲\n{% if true %}\n乙",
        "甲\n{% end %}",
        "{% for it in rows %}{% else %}{% end %}",
        "{% for it rows %}{% end %}",
        "{% for it in rows between '、' %}\n甲\n{% end %}",
        "{{ 1 + }}",
        "{{ (1 + 2 }}",
        "{{ 'a }}",
        "{{ a；b }}",
        "甲\n{{ 1 +\n '二' }}",
        "{{ 1",
        "{% perhaps %}{% end %}",
        "{% items '①' %}{% end %}",
        "{% table '表' %}\n{% items '1.' %}\n{% end %}\n{% end %}",
        "{{ period | form('lunar') }}",
        "{{ goal | decimals(2, 'up') }}",
        "{{ submissions('sports') }}",
    ]
    .map(|text| format!("{text}\n    → {}", wrong(text)));
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn names_of_a_template_are_checked_with_their_lines() {
    let with = |from: &str, to: &str| {
        let source = template("甲").replacen(from, to, 1);
        let found = Template::parse(&source).and_then(|it| it.check(&definitions()));
        found.expect_err(to).detail
    };
    let rows = "rows = \"table('t')\"";
    assert!(with(rows, "rows = \"other\"\nother = \"rows\"").contains("depends on itself"));
    assert!(with(rows, "rows = \"table('t'\"").contains("let `rows`: 此处应为 expected"));
    assert!(with(rows, "if = \"1\"").contains("is no name"));
    assert!(with(rows, "word = \"1\"").contains("defined twice"));
    assert!(with("\"area\"", "\"name\"").contains("stands twice"));
    assert!(with("text = [\"name\", \"area\"]", "text = []").contains("at least one column"));
    for (from, to) in [(rows, "rows = \"x\""), ("kind = \"text\"", "kind = \"text\"\nwhen = \"x\"")]
    {
        assert!(with(from, to).contains(" line 1"), "{}", with(from, to));
    }
}

#[test]
fn mistakes_that_only_the_material_shows_name_their_line_too() {
    refused_with("{{ rows }}", "cannot be printed");
    refused_with("{{ row(rows, '无').n }}", "say what to print instead");
    refused_with("{{ sum(rows, m) }}", "say what to print instead");
    refused_with("{{ sum(rows, name) }}", "a number expected");
    refused_with(
        "{{ count(rows) * 1000000000000 * 1000000000000 * 1000000000000 * 1000000000000 }}",
        "too large",
    );
    // The smallest number that can be held has no opposite.
    let smallest = "((0 - 9223372036854775808) * 4294967296 * 4294967296)";
    let texts = [
        "{{ -N }}",
        "{{ N | size }}",
        "{{ N | round(0) }}",
        "{{ N | decimals(0, 'wan') }}",
        "{{ N - 1 }}",
        "{{ N * N }}",
        "{{ 7 / N }}",
        "{{ 1 / 3 / N }}",
        "{{ N + 1 / 3 }}",
    ];
    for text in texts {
        refused_with(&text.replace('N', smallest), "too large");
    }
    refused_with("{% if count(rows) %}甲{% end %}", "a condition expected");
    refused_with("{{ rows | order(rows) | count }}", "cannot order by");
    refused_with("{{ first_day + 99999999999 }}", "out of range");
    refused_with(&"{{ first_day - N }}".replace('N', smallest), "out of range");
}

#[test]
fn a_number_that_nothing_vouches_for_is_found() {
    let of = |text: &str| {
        let document = composed(&given(&ROWS), text).unwrap().document;
        unbound_numbers(&document).into_iter().map(|it| it.digits).collect::<Vec<_>>()
    };
    assert_eq!(of("共{{ 7 * 6 }}件"), ["42"]);
    assert_eq!(of("共42件"), ["42"]);
    assert_eq!(of("{% table '' %}\n共7件\n{% end %}"), ["7"]);
    assert_eq!(of("共{{ count(rows) * 6 }}件，第{{ last_day.week }}周"), [] as [&str; 0]);
}

#[test]
fn names_and_texts_of_others_are_never_read_as_a_template() {
    let hostile = [["{{ nothing }}", "東|西", "1", "{% end %}"], ["^", ">", "2", "\u{202E}3"]];
    let material = given(&hostile);
    let text = "{% table '' %}\n{% for it in rows %}\n{{ it.name }} | {{ it.area }} | {{ it.m }}\n{% end %}\n{% end %}";
    assert_eq!(print(&material, text), "{{ nothing }}\t東|西\t{% end %}\n^\t>\t3");
}

#[test]
fn work_is_bounded() {
    let rows: Vec<[&str; 4]> = (0..400).map(|_| ["甲", "东", "1", "1"]).collect();
    let material = given(&rows);
    let text = "{% for a in rows %}{% for b in rows %}{% for c in rows %}{{ c.n }}{% end %}{% end %}{% end %}";
    let problems = composed(&material, text).unwrap_err();
    let texts: Vec<_> = problems.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("more than 200000 figures"), "{texts:?}");
    assert!(texts[1].contains("too much work"), "{texts:?}");
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(200), ")".repeat(200));
    assert!(Template::parse(&template(&deep)).unwrap_err().detail.contains("too deep"));
    let minus = format!("{{{{ {}1 }}}}", "-".repeat(2000));
    assert!(Template::parse(&template(&minus)).unwrap_err().detail.contains("too deep"));
}

proptest! {
    /// Whatever is written into a template, it is read or refused, and never hangs or panics.
    #[test]
    fn any_text_is_read_or_refused(text in "[{}%|'a-z0-9 ().,+*/<>=\n甲—“-]{0,80}") {
        let text = text.replace("'''", "''");
        if let Ok(template) = Template::parse(&template(&text)) {
            let _ = template.check(&definitions());
            let _ = compose(&given(&ROWS), &template);
        }
    }

    /// What a template prints does not depend on anything but the material: twice the same bytes.
    #[test]
    fn the_same_material_gives_the_same_bytes(amounts in prop::collection::vec(0_u32..100_000, 1..12)) {
        let texts: Vec<String> = amounts.iter().map(u32::to_string).collect();
        let rows: Vec<[&str; 4]> = texts.iter().map(|n| ["甲", "东", n.as_str(), "/"]).collect();
        let material = given(&rows);
        let text = "{% for it in rows | top(5, n) between '、' %}{{ it.n }}（{{ it.n / sum(rows, n) * 100 | decimals(2) | suffix('%') | or('/') }}）{% end %}共{{ sum(rows, n) | decimals(1, 'wan', 'over') }}";
        let bytes = || zhoubao_composer::json::export(&composed(&material, text).unwrap().document);
        prop_assert_eq!(bytes(), bytes());
        let sum: u32 = amounts.iter().sum();
        let printed = print(&material, "{{ sum(rows, n) }}");
        prop_assert_eq!(printed, sum.to_string());
    }
}
