//! The monthly and the hotline bulletin of the repository, from fixed imports.

use jiff::civil::{Date, date};
use zhoubao_composer::document::{FigureSource, Inline};
use zhoubao_composer::material::{ImportedTable, Material};
use zhoubao_composer::{Composed, Template, compose, unbound_numbers};
use zhoubao_domain::code::Code;

use crate::sample::*;

pub(crate) const MONTHLY: &str = include_str!("../../../../data/templates/monthly.toml");
const HOTLINE: &str = include_str!("../../../../data/templates/hotline.toml");

fn import(
    key: &str,
    source: &str,
    days: (Date, Date),
    columns: &[&str],
    rows: &[&[&str]],
) -> ImportedTable {
    let texts = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    ImportedTable {
        key: key.into(),
        source: source.into(),
        period: period(days.0, days.1),
        columns: texts(columns),
        rows: rows.iter().map(|it| texts(it)).collect(),
        position: 900,
    }
}

fn bulletin(first: Date, last: Date, tables: Vec<ImportedTable>) -> Material {
    let period = period(first, last);
    Material {
        number: 2,
        running_number: 14,
        proposed: true,
        issued_on: None,
        period,
        previous_last: None,
        figures: figures(period, None, &[], &[]),
        statistics: None,
        submissions: vec![],
        inspection: None,
        tables,
        ..material()
    }
}

const FEBRUARY: (Date, Date) = (date(2023, 2, 1), date(2023, 2, 28));

fn places(days: (Date, Date), rows: &[&[&str]]) -> ImportedTable {
    let columns = ["place", "region", "accepted", "finished", "rate"];
    import("places", "四川一体化政务服务平台", days, &columns, rows)
}

fn overdue(rows: &[&[&str]]) -> ImportedTable {
    import("overdue", "电子监察系统", FEBRUARY, &["department", "cases", "days"], rows)
}

pub(crate) fn monthly() -> Material {
    let february = places(
        FEBRUARY,
        &[
            &["攀枝花市", "攀西经济区", "8040", "7101", "88.32%"],
            &["成都市", "成都平原经济区", "118230", "117904", "99.72%"],
            &["绵阳市", "成都平原经济区", "30518", "30011", "98.34%"],
            &["凉山州", "攀西经济区", "12077", "10700", "88.60%"],
            &["阿坝州", "川西北生态示范区", "0", "0", "/"],
        ],
    );
    let january = places(
        (date(2023, 1, 1), date(2023, 1, 31)),
        &[
            &["成都市", "成都平原经济区", "104210", "101000", "96.92%"],
            &["绵阳市", "成都平原经济区", "31000", "30510", "98.42%"],
            &["攀枝花市", "攀西经济区", "8040", "7700", "95.77%"],
        ],
    );
    let overdue =
        overdue(&[&["省自然资源厅", "3", "7"], &["省水利厅", "1", "12"], &["省林草局", "2", "7"]]);
    bulletin(FEBRUARY.0, FEBRUARY.1, vec![january, february, overdue])
}

pub(crate) fn of(template: &str, material: &Material) -> Composed {
    compose(material, &Template::parse(template).unwrap()).unwrap()
}

fn print(composed: &Composed) -> String {
    String::from_utf8(zhoubao_composer::txt::export(&composed.document)).unwrap()
}

#[test]
fn the_templates_of_the_repository_are_sound() {
    for source in [MONTHLY, HOTLINE] {
        Template::parse(source).unwrap().check(&definitions()).unwrap();
    }
}

#[test]
fn a_monthly_bulletin() {
    let composed = of(MONTHLY, &monthly());
    insta::assert_snapshot!(print(&composed));
    assert_eq!(unbound_numbers(&composed.document), [] as [_; 0]);
}

#[test]
fn a_month_without_overdue_cases_has_no_such_section_and_says_so() {
    let mut material = monthly();
    material.tables[2].rows.clear();
    // Nobody stays behind either.
    material.tables[1].rows.retain(|it| it[0] != "攀枝花市" && it[0] != "凉山州");
    material.submissions = vec![news("n1", "news", "省司法厅", "开展培训。")];
    let text = print(&of(MONTHLY, &material));
    assert!(text.contains("全省无超期办件。\n"), "{text}");
    assert!(text.contains("\n（一）办件数量\n") && !text.contains("办结率偏低"), "{text}");
    assert!(text.contains("\n三、工作动态\n开展培训。\n"), "{text}");
    assert!(!text.contains("超期办件情况"), "{text}");
}

#[test]
fn an_issue_sets_parameters_and_enters_numbers() {
    let mut material = monthly();
    material.parameters.insert("deadline".into(), "三月中旬前".into());
    material.parameters.insert("去年同月受理".into(), "168865".into());
    let composed = of(MONTHLY, &material);
    let text = print(&composed);
    assert!(text.contains("请上述各部门于三月中旬前办结"), "{text}");
    assert!(text.contains("受理量较去年同月持平。"), "{text}");
    material.parameters.insert("去年同月受理".into(), "160000".into());
    assert!(print(&of(MONTHLY, &material)).contains("受理量较去年同月增长5.5%。"));

    material.parameters.insert("dedline".into(), "明天".into());
    let error = compose(&material, &Template::parse(MONTHLY).unwrap()).unwrap_err();
    assert_eq!(codes(&error.problems), ["E.220"]);
    assert!(error.problems[0].text.contains("`dedline`"), "{error}");
}

#[test]
fn a_month_without_its_import_is_refused_by_the_name_of_the_table() {
    let mut material = monthly();
    material.tables.remove(1);
    let error = compose(&material, &Template::parse(MONTHLY).unwrap()).unwrap_err();
    assert!(error.problems.iter().all(|it| it.code == Code::EmptySection), "{error}");
    assert!(error.to_string().contains("no `places` was imported"), "{error}");
    assert!(error.to_string().contains(" line "), "{error}");
}

#[test]
fn every_number_of_a_bulletin_is_traced_to_its_imports() {
    let composed = of(MONTHLY, &monthly());
    let of_text = |text: &str| {
        let found = composed.document.figures().find(|(_, it, _)| *it == text);
        found.map(|(_, _, source)| source.clone()).unwrap_or_else(|| panic!("{text}"))
    };
    // 165,716 of 168,865.
    let FigureSource::Derived { formula, value, inputs } = of_text("98.14") else { panic!() };
    assert_eq!(value, "4907/50");
    assert!(
        formula
            .starts_with("all_rate | decimals(2)；all_rate = all_finished / all_accepted * 100；")
    );
    assert_eq!(inputs.len(), 2);
    let FigureSource::Cells { table, column, cells, .. } = &inputs[0] else { panic!() };
    assert_eq!((table.as_str(), column.as_str(), cells.len()), ("places", "finished", 5));
    assert_eq!(cells[0], ["攀枝花市", "7101"]);
    // A rate stays as it came, and its own.
    let FigureSource::Cell { column, value, .. } = of_text("99.72%") else { panic!() };
    assert_eq!((column.as_str(), value.as_str()), ("rate", "99.72%"));
    // A count names the rows that it counts.
    let FigureSource::Derived { inputs, .. } = of_text("3") else { panic!() };
    let [FigureSource::Cells { table, cells, .. }] = inputs.as_slice() else { panic!() };
    assert_eq!((table.as_str(), cells.len()), ("overdue", 3));
}

#[test]
fn a_table_with_totals_and_spans() {
    let composed = of(MONTHLY, &monthly());
    let table = composed.document.blocks.iter().find_map(|it| it.table.as_ref()).unwrap();
    assert_eq!((table.head, table.width(), table.rows.len()), (2, 6, 8));
    let spans: Vec<_> = table.rows[0].iter().map(|it| (it.columns, it.rows)).collect();
    assert_eq!(spans, [(1, 2), (1, 2), (2, 1), (1, 2), (1, 2)]);
    assert_eq!(table.rows[1].len(), 2);
    assert_eq!(table.rows[7][0].columns, 2);
    assert!(table.grid().iter().all(|it| it.len() == 6));
    assert!(matches!(table.rows[2][2].inlines.as_slice(), [Inline::Figure { .. }]));

    let html = String::from_utf8(zhoubao_composer::html::export(&composed.document)).unwrap();
    assert!(html.contains("<caption>各市（州）办件情况表</caption>"));
    assert!(html.contains("<th rowspan=\"2\">序号</th>") && html.contains("<th colspan=\"2\">"));
    // Read back, the canonical form is the same document.
    let bytes = zhoubao_composer::json::export(&composed.document);
    assert_eq!(zhoubao_composer::json::read(&bytes).unwrap(), composed.document);
}

fn calls(days: (Date, Date), rows: &[&[&str]]) -> ImportedTable {
    import("calls", "热线平台", days, &["class", "received", "settled", "satisfaction"], rows)
}

#[test]
fn rates_that_are_printed_as_imported_are_noted_once_a_column() {
    let found = |composed: Composed| -> Vec<String> {
        let rates = composed.warnings.into_iter().filter(|it| it.code == Code::ImportedRate);
        rates.map(|it| format!("{}: {}", it.place, it.text)).collect()
    };
    let template = |text: &str| {
        let source = format!(
            "title = \"通报\"\n[[masthead]]\nkind = \"title\"\nwording = \"{{{{ title }}}}\"\n\
             [table.places]\ntitle = \"各地办件\"\ntext = [\"place\", \"region\"]\n\
             numbers = [\"accepted\", \"finished\", \"rate\"]\n\
             [[section]]\nkey = \"a\"\nheading = \"办结\"\nkind = \"text\"\ntext = '{text}'\n"
        );
        Template::parse(&source).unwrap()
    };
    let printed = template(
        "{% for it in table(\"places\") %}{{ it.place }}办结{{ it.finished }}件，率{{ it.rate }}。{% end %}",
    );
    let composed = |it: &Template| compose(&monthly(), it).unwrap();
    assert_eq!(found(composed(&printed)), ["办结: 各地办件「rate」照印导入数 printed as imported"]);
    let computed = template(
        "率{{ sum(table(\"places\"), finished) / sum(table(\"places\"), accepted) * 100 | decimals(2) }}%。",
    );
    assert_eq!(found(composed(&computed)), [""; 0]);
}

fn hotline() -> Material {
    let week = (date(2023, 2, 6), date(2023, 2, 12));
    let of_week = |days: (Date, Date), amounts: [&str; 4]| {
        let classes = ["咨询", "投诉", "求助", "建议"];
        let rows: Vec<_> = classes.iter().zip(amounts).map(|(c, n)| [*c, n, n, "95%"]).collect();
        let rows: Vec<&[&str]> = rows.iter().map(|it| it.as_slice()).collect();
        calls(days, &rows)
    };
    let this_week = calls(
        week,
        &[
            &["咨询", "5120", "5120", "99.1%"],
            &["投诉", "801", "640", "82.5%"],
            &["求助", "1333", "1200", "89.99%"],
            &["建议", "77", "70", "—"],
        ],
    );
    let tables = vec![
        of_week((date(2023, 1, 16), date(2023, 1, 22)), ["4000", "700", "1000", "60"]),
        of_week((date(2023, 1, 23), date(2023, 1, 29)), ["900", "100", "300", "10"]),
        of_week((date(2023, 1, 30), date(2023, 2, 5)), ["5125", "790", "1333", "70"]),
        this_week,
        of_week((date(2022, 2, 7), date(2022, 2, 13)), ["4800", "820", "1201", "90"]),
    ];
    bulletin(week.0, week.1, tables)
}

#[test]
fn a_hotline_bulletin() {
    let composed = of(HOTLINE, &hotline());
    insta::assert_snapshot!(print(&composed));
    assert_eq!(unbound_numbers(&composed.document), [] as [_; 0]);
}

#[test]
fn the_first_hotline_bulletin_has_nothing_to_compare_with() {
    let mut material = hotline();
    material.tables.retain(|it| it.period == material.period);
    let text = print(&of(HOTLINE, &material));
    assert!(text.contains("日均1047.3件，上周无统计。\n"), "{text}");
    assert!(text.contains("\n咨询\t5120\t/\t/\t69.84\t5120\t99.1%\n"), "{text}");
    assert!(text.contains("\n合计\t7331\t/\t/\t100.00\t7030\t/\n"), "{text}");
    assert!(!text.contains("近四周") && !text.contains("去年同期"), "{text}");
}

#[test]
fn a_week_without_calls_is_said_in_a_sentence() {
    let mut material = hotline();
    for row in &mut material.tables[3].rows {
        *row = vec![row[0].clone(), "0".into(), "0".into(), "—".into()];
    }
    let text = print(&of(HOTLINE, &material));
    assert!(text.contains("二、诉求分类\n本周未受理群众诉求。\n"), "{text}");
    assert!(text.contains("日均0.0件，较上周下降100.00%（-7318件）。"), "{text}");
}

#[test]
fn of_two_imports_for_the_same_days_the_later_one_holds() {
    let mut material = hotline();
    let mut corrected = material.tables[3].clone();
    corrected.position += 1;
    corrected.rows[0][1] = "5121".into();
    material.tables.insert(0, corrected);
    assert!(print(&of(HOTLINE, &material)).contains("共受理群众诉求7332件"));
}
