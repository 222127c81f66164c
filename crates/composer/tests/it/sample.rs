//! The material of an issue with the figures, dates and departments of a published one, and news made up for it.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use zhoubao_composer::material::{Checklist, HolderChange, Material, Statistics, Submission};
use zhoubao_composer::{Composed, Problem, Template, compose};
use zhoubao_domain::calendar::Period;
use zhoubao_domain::event::{ClassFigures, InspectionResult, Kind};
use zhoubao_domain::figure::{
    Adjustment, Definition, Figure, FigureKey, Figures, Partition, Source, Span, TallyCell,
    TallyValue, take,
};
use zhoubao_domain::id::Digest;

pub(crate) const WEEKLY: &str = include_str!("../../../../data/templates/weekly.toml");

pub(crate) fn weekly() -> Template {
    Template::parse(WEEKLY).unwrap()
}

pub(crate) fn definitions() -> Vec<Definition> {
    let definition = |kind: Kind| Definition {
        key: kind.word().into(),
        title: kind.title().into(),
        unit: kind.unit().into(),
        meaning: format!("窗口记录的{}，按发生日期计。", kind.title()),
        kinds: vec![kind],
    };
    Kind::ALL.map(definition).into()
}

/// Two people a consultation.
fn events(kind: Kind, amount: i64) -> i64 {
    if kind == Kind::Consulted { amount / 2 } else { amount }
}

/// Sums of counted acts: day, then 咨询, 受理, 颁发 and 流转.
pub(crate) fn cells(days: &[(Date, [i64; 4])]) -> BTreeMap<TallyCell, TallyValue> {
    let mut cells = BTreeMap::new();
    for (day, amounts) in days {
        for (kind, amount) in Kind::ALL.into_iter().zip(amounts).filter(|(_, amount)| **amount != 0)
        {
            let cell = TallyCell { day: *day, window: "w01".into(), department: "-".into(), kind };
            cells.insert(cell, TallyValue { amount: *amount, events: events(kind, *amount) });
        }
    }
    cells
}

/// Frozen figures that carry these 累计.
pub(crate) fn carried(amounts: [i64; 4]) -> Figures {
    let key = |kind: Kind| FigureKey {
        definition: kind.word().into(),
        span: Span::Year,
        partition: Partition::Total,
        part: String::new(),
    };
    Kind::ALL
        .into_iter()
        .zip(amounts)
        .map(|(kind, amount)| (key(kind), Figure { amount, events: events(kind, amount) }))
        .collect()
}

pub(crate) fn figures(
    period: Period,
    previous: Option<(Date, &Figures)>,
    days: &[(Date, [i64; 4])],
    adjustments: &[Adjustment],
) -> Figures {
    let (definitions, cells) = (definitions(), cells(days));
    take(Source {
        definitions: &definitions,
        period,
        opening: None,
        previous,
        cells: &cells,
        adjustments,
    })
}

pub(crate) fn period(first: Date, last: Date) -> Period {
    Period::new(first, last).unwrap()
}

pub(crate) fn news(id: &str, section: &str, department: &str, text: &str) -> Submission {
    Submission {
        id: id.parse().unwrap(),
        section: section.into(),
        department: department.into(),
        text: text.into(),
    }
}

pub(crate) fn replaced(department: &str) -> HolderChange {
    HolderChange {
        department: department.into(),
        representative_replaced: true,
        letter: "2023-1".into(),
    }
}

pub(crate) fn good(item: &str) -> InspectionResult {
    InspectionResult { item: item.into(), findings: vec![], remark: None }
}

/// Issue 5 of 2023 with its figures, and sample news.
pub(crate) fn material() -> Material {
    let week = period(date(2023, 2, 6), date(2023, 2, 10));
    let previous = carried([671, 946, 828, 1841]);
    let days = [
        (date(2023, 2, 3), [671, 946, 828, 1841]),
        (date(2023, 2, 6), [400, 90, 90, 200]),
        (date(2023, 2, 10), [59, 4, 3, 19]),
    ];
    let class =
        |class: &str, accepted, finished| ClassFigures { class: class.into(), accepted, finished };
    let items = ["按时到岗情况", "着装情况", "大厅秩序"];
    let mut results: Vec<_> = items.iter().map(|it| good(it)).collect();
    results[2].remark = Some("大厅人员有序，运行平稳。".into());
    Material {
        hall: "四川省政务服务大厅".into(),
        training: false,
        publisher: "四川省政府政务服务和公共资源交易服务中心".into(),
        year: 2023,
        number: 5,
        running_number: 425,
        proposed: false,
        issued_on: Some(date(2023, 2, 20)),
        period: week,
        previous_last: Some(date(2023, 2, 5)),
        position: 51877,
        tree: None,
        heads: vec![],
        definitions: definitions(),
        definitions_digest: Digest::new([0xd1; 32]),
        figures: figures(week, Some((date(2023, 2, 5), &previous)), &days, &[]),
        adjustments: vec![],
        authorised_departments: 35,
        authorised_as_of: date(2023, 2, 10),
        scope_changes: vec![],
        holder_changes: ["经济和信息化厅", "省税务局", "省测绘地理信息局"].map(replaced).into(),
        statistics: Some(Statistics {
            source: "四川一体化政务服务平台".into(),
            level: "省本级".into(),
            period: period(date(2023, 1, 1), date(2023, 2, 10)),
            classes: vec![
                class("行政许可", 53316, 54071),
                class("公共服务", 419588, 408841),
                class("其它九类行权", 4329, 4671),
            ],
        }),
        submissions: vec![
            news("s1", "progress", "政务一窗受理协调处", "2月8日，协调处培训窗口人员14名。"),
            news(
                "s2",
                "progress",
                "政务一窗受理协调处",
                "协调处走访了已授权的{{ authorised_departments }}个省级部门（单位）。",
            ),
            news(
                "s3",
                "business-environment",
                "生态环境厅",
                "近日，生态环境厅为44家企业开展“送策上门”。",
            ),
            news("s4", "window-service", "商务厅", "商务厅窗口延时服务3次。"),
            news(
                "s5",
                "window-service",
                "省税务局",
                "2月2日，省税务局开通专窗，本周受理{{ figure:accepted:week }}件中占2件。",
            ),
            news(
                "s6",
                "leaders-at-hall",
                "商务厅",
                "商务厅负责同志到大厅调研，提出：一、服务要细。二、审核要严。\n三、作风要实。",
            ),
            news("s7", "leaders-at-hall", "文化和旅游厅", "文旅厅负责同志到窗口值守。"),
        ],
        checklist: Checklist {
            introduction: "本周对各窗口开展了巡查，情况如下：".into(),
            items: items.map(str::to_owned).into(),
        },
        inspection: Some(results),
        coverage_holes: vec![],
        print_run: None,
        working_days: Some(5),
        part_names: BTreeMap::new(),
        tables: vec![],
        earlier: vec![],
        earlier_news: vec![],
        parameters: BTreeMap::new(),
        amendment: None,
    }
}

pub(crate) fn composed(material: &Material) -> Composed {
    compose(material, &weekly()).unwrap()
}

pub(crate) fn text(material: &Material) -> String {
    String::from_utf8(zhoubao_composer::txt::export(&composed(material).document)).unwrap()
}

/// The lines from a heading up to the next one that is not below it.
pub(crate) fn part(text: &str, from: &str, to: &str) -> String {
    let start = text.find(from).unwrap();
    let end = text[start..].find(to).map_or(text.len(), |it| start + it);
    text[start..end].to_owned()
}

pub(crate) fn codes(problems: &[Problem]) -> Vec<&str> {
    problems.iter().map(|it| it.code.text()).collect()
}

pub(crate) fn refused(material: &Material) -> Vec<Problem> {
    compose(material, &weekly()).unwrap_err().problems
}
