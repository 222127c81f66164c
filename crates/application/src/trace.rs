//! What stands behind a figure: the entries of the record that it sums, and what it begins with.

use std::collections::BTreeMap;

use zhoubao_composer::document::FigureSource;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Refusal};
use zhoubao_domain::figure::{
    Base, Between, Definition, Figure, FigureKey, Partition, Reach, Span,
};
use zhoubao_domain::id::{EventRef, HallCode, ObjectId, Stream};
use zhoubao_domain::issue::Issue;
use zhoubao_projections::entry::Entry;
use zhoubao_projections::recount;
use zhoubao_projections::rows::{ExceptionRow, Standing};

use crate::known::Known;
use crate::store::{ReadModels, SnapshotQuery, StoreError};
use crate::weekly::{Weekly, WeeklyError};

/// One entry of the record, with the line that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The event that it is an entry of: an act, or what corrects, voids or releases one.
    pub event: EventRef,
    /// The entry.
    pub entry: Entry,
}

/// Something of the record that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// Its position.
    pub position: u64,
    /// The line, as it was written.
    pub stream: String,
    /// The number in it, 0 where it could not be read.
    pub number: u64,
    /// Why.
    pub code: Code,
}

/// Everything behind a frozen figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The issue's id.
    pub id: ObjectId,
    /// The issue.
    pub issue: Issue,
    /// Which figure.
    pub key: FigureKey,
    /// Its definition.
    pub definition: Definition,
    /// What was frozen.
    pub figure: Figure,
    /// The periods that it stands between.
    pub between: Between,
    /// Whether the year is taken from the previous issue.
    pub carry: bool,
    /// What the sum begins with.
    pub base: Base,
    /// The amount that it begins with.
    pub base_amount: i64,
    /// The issue before, where there is one.
    pub previous: Option<ObjectId>,
    /// The days.
    pub reaches: Vec<Reach>,
    /// Every entry of the definition on these days, ascending by position; also those of other parts.
    pub entries: Vec<Counted>,
    /// What does not simply count, up to the cut, whatever its day.
    pub uncounted: Vec<Uncounted>,
    /// What the facts say.
    pub known: Known,
}

impl Trace {
    /// The position up to which the figure counts.
    #[must_use]
    pub fn cut(&self) -> u64 {
        self.issue.freeze.as_ref().map_or(0, |it| it.cut)
    }

    /// The entries of the figure's own part.
    pub fn own(&self) -> impl Iterator<Item = &Counted> {
        self.entries.iter().filter(|it| is_of(&it.entry, self.key.partition, &self.key.part))
    }
}

/// Whether an entry belongs to a part.
#[must_use]
pub fn is_of(entry: &Entry, partition: Partition, part: &str) -> bool {
    match partition {
        Partition::Total => true,
        Partition::Day => entry.day().to_string() == part,
        Partition::Window => entry.window.as_ref().is_some_and(|it| it.as_str() == part),
        Partition::Department => entry.department() == part,
    }
}

/// Words of print for spans.
const SPANS: [(&str, Span); 7] = [
    ("本周", Span::Week),
    ("本年本周", Span::WeekOfYear),
    ("期间外", Span::Outside),
    ("上年期间外", Span::OutsideEarlier),
    ("调整", Span::Adjustment),
    ("上期累计", Span::Carried),
    ("累计", Span::Year),
];

/// Reads the name of a figure: `受理.本周`, `accepted.week`, `受理.本周:window:w01`.
///
/// # Errors
///
/// E.307 with what there is.
pub fn figure_key(text: &str, definitions: &[Definition]) -> Result<FigureKey, Refusal> {
    let unknown = |what: &str, known: Vec<&str>| {
        let known = known.join(" ");
        let detail = format!("`{text}`：没有{what} is not there, only: {known}");
        Refusal::new(Code::NoFigure, detail)
    };
    let (name, part) = match text.split_once(':') {
        Some((name, part)) => (name, Some(part)),
        None => (text, None),
    };
    let (definition, span) = name.split_once('.').unwrap_or((name, ""));
    let found = definitions.iter().find(|it| it.key == definition || it.title == definition);
    let titles = || definitions.iter().map(|it| it.title.as_str()).collect();
    let definition = found.ok_or_else(|| unknown("这一指标 the figure", titles()))?;
    let word = SPANS.iter().find(|(word, it)| *word == span || it.word() == span);
    let spans = || SPANS.iter().map(|(word, _)| *word).collect();
    let (_, span) = word.ok_or_else(|| unknown("这一时段 the span", spans()))?;
    let (partition, part) = match part {
        None => (Partition::Total, String::new()),
        Some(part) => {
            let (word, part) = part.split_once(':').unwrap_or((part, ""));
            let partition = match word {
                "窗口" => Some(Partition::Window),
                "部门" => Some(Partition::Department),
                "日" => Some(Partition::Day),
                word => Partition::from_word(word).filter(|it| *it != Partition::Total),
            };
            let words = vec!["day", "window", "department"];
            (partition.ok_or_else(|| unknown("这一分项 the part", words))?, part.to_owned())
        }
    };
    Ok(FigureKey { definition: definition.key.clone(), span: *span, partition, part })
}

/// The name of a figure, as [`figure_key`] reads it.
#[must_use]
pub fn figure_name(key: &FigureKey, title: &str) -> String {
    let word = SPANS.iter().find(|(_, it)| *it == key.span).map_or("", |(word, _)| word);
    match key.partition {
        Partition::Total => format!("{title}.{word}"),
        partition => format!("{title}.{word}:{}:{}", partition.word(), key.part),
    }
}

/// Finds what stands behind a frozen figure, and counts it again.
///
/// With `carry` a year's figure begins with that of the previous issue; else it is every day of the year.
///
/// # Errors
///
/// E.307 where the issue has no such figure; E.302 where it is not the sum of what stands behind it.
pub async fn trace(
    store: &dyn ReadModels,
    hall: &HallCode,
    id: &ObjectId,
    weekly: &Weekly,
    key: FigureKey,
    carry: bool,
) -> Result<Trace, WeeklyError> {
    let missing = |detail: String| Refusal::new(Code::NoFigure, detail);
    let facts = store.snapshot(hall, &SnapshotQuery::facts()).await?.facts;
    let known = Known::from_facts(&facts, u64::MAX)?;
    let issue = known.book.issues.get(id).cloned();
    let issue = issue.ok_or_else(|| missing(format!("没有期 {id} there is no such issue")))?;
    let material = &weekly.material;
    let figure = material.figures.get(&key).copied();
    let definition = material.definitions.iter().find(|it| it.key == key.definition).cloned();
    let (Some(figure), Some(definition)) = (figure, definition) else {
        let name = figure_name(&key, &key.definition);
        return Err(missing(format!("{id} 没有 has no {name}")).into());
    };
    let cut = issue.freeze.as_ref().map_or(0, |it| it.cut);
    let previous = known.book.previous(issue.series.as_ref(), issue.period);
    let between = Between {
        period: issue.period,
        opening_through: known.book.opening.as_ref().map(|it| it.through),
        previous: previous
            .map(|(_, it)| (it.period.last(), it.freeze.as_ref().map_or(0, |freeze| freeze.cut))),
    };
    let previous = previous.map(|(id, _)| id.clone());
    let carry = carry && key.partition == Partition::Total && key.span == Span::Year;
    let (mut base, reaches) = between.reaches(key.span, carry);
    // Opening figures are a part of their own in every partition.
    let base_part = key.partition == Partition::Total
        || (base == Base::Opening && key.part == zhoubao_domain::figure::OPENING_PART);
    if !base_part {
        base = Base::None;
    }
    let query = SnapshotQuery {
        first: reaches.iter().map(|it| it.first).min().unwrap_or_default(),
        last: reaches.iter().map(|it| it.last).max().unwrap_or_default(),
        after: None,
        adjustments_after: None,
        issues: previous.iter().cloned().collect(),
        segments: true,
        facts: false,
    };
    let snapshot = store.snapshot(hall, &query).await?;
    let base_amount = match base {
        Base::None => 0,
        Base::Opening => {
            let tally = known.book.opening.as_ref().map(|it| it.year_to_date).unwrap_or_default();
            definition.kinds.iter().map(|it| tally.get(*it)).sum()
        }
        Base::Previous => {
            let of_year = FigureKey { span: Span::Year, ..key.clone() };
            let figures = previous.as_ref().and_then(|it| snapshot.figures.get(it));
            let found = figures.and_then(|it| it.get(&of_year)).map(|it| it.amount);
            found.ok_or_else(|| {
                missing("上期没有这一指标 the previous issue has no such figure".into())
            })?
        }
    };
    let mut entries = vec![];
    for row in &snapshot.segments {
        let stream: Stream =
            row.stream.parse().map_err(|_| StoreError::Damaged(row.stream.clone()))?;
        for entry in recount::entries(row) {
            let entry = entry.map_err(|it| StoreError::Damaged(it.to_string()))?;
            let is_kind = entry.act.as_ref().is_some_and(|it| definition.kinds.contains(&it.kind));
            let counts = entry.sign != 0 && entry.window.is_some() && entry.position <= cut;
            let day = entry.day();
            if is_kind && counts && reaches.iter().any(|it| it.holds(day, entry.position)) {
                let event = EventRef { stream: stream.clone(), number: entry.number };
                entries.push(Counted { event, entry });
            }
        }
    }
    entries.sort_by_key(|it| it.entry.position);
    let exceptions = store.exceptions(hall, false).await?;
    let uncounted = exceptions.iter().filter_map(|it| uncounted(it, cut)).collect();
    let trace = Trace {
        id: id.clone(),
        issue,
        key,
        definition,
        figure,
        between,
        carry,
        base,
        base_amount,
        previous,
        reaches,
        entries,
        uncounted,
        known,
    };
    let sum: i64 = trace.own().map(|it| it.entry.effect().0).sum::<i64>() + trace.base_amount;
    if sum != trace.figure.amount {
        let name = figure_name(&trace.key, &trace.definition.title);
        let detail = format!("{name}: 冻结 frozen {} ≠ 逐条 traced {sum}", trace.figure.amount);
        return Err(Refusal::new(Code::SumsDiffer, detail).into());
    }
    Ok(trace)
}

fn uncounted(row: &ExceptionRow, cut: u64) -> Option<Uncounted> {
    (row.standing != Standing::Warned && row.position <= cut).then(|| Uncounted {
        position: row.position,
        stream: row.stream.clone(),
        number: row.number,
        code: row.code,
    })
}

/// What stands behind a figure that is not counted from events, as far as the record knows: one line each.
#[must_use]
pub fn behind(source: &FigureSource, trace_of: &Known, cut: u64) -> Vec<String> {
    match source {
        FigureSource::Counted { definition, span, partition, part, title, .. } => {
            let key = FigureKey {
                definition: definition.clone(),
                span: *span,
                partition: *partition,
                part: part.clone(),
            };
            vec![figure_name(&key, title)]
        }
        FigureSource::Register { as_of, .. } => {
            let names: BTreeMap<_, _> = trace_of
                .register
                .authorised_on(*as_of)
                .into_iter()
                .map(|it| (it, trace_of.registry.department_name(it)))
                .collect();
            names.into_iter().map(|(id, name)| format!("{id} {name}")).collect()
        }
        FigureSource::Imported { platform, level, class, measure, first_day, last_day, value } => {
            let of = |it: &&crate::known::Import| {
                it.source == *platform
                    && it.level == *level
                    && (it.period.first(), it.period.last()) == (*first_day, *last_day)
                    && it.position <= cut
            };
            let import = trace_of.imports.iter().rev().find(of);
            let position = import.map_or_else(String::new, |it| format!("#{} ", it.position));
            vec![format!(
                "{position}导入 imported {platform} {level} {first_day}—{last_day} {class} {}: {value}",
                measure.title()
            )]
        }
        FigureSource::Cell { table, platform, row, column, position, value, .. } => {
            vec![format!("#{position} 导入表 table {table}（{platform}）{row} {column}: {value}")]
        }
        FigureSource::Cells { table, platform, column, position, cells, .. } => cells
            .iter()
            .map(|[row, value]| {
                format!("#{position} 导入表 table {table}（{platform}）{row} {column}: {value}")
            })
            .collect(),
        FigureSource::Entered { name, text } => {
            vec![format!("录入 entered {name}: {text}")]
        }
        FigureSource::Derived { formula, value, inputs } => {
            let inputs = inputs.iter().flat_map(|it| behind(it, trace_of, cut));
            std::iter::once(format!("{formula} = {value}"))
                .chain(inputs.map(|it| format!("  {it}")))
                .collect()
        }
    }
}

/// Whether an event can change what is summed: an act, or what corrects, voids or releases one.
#[must_use]
pub fn amends(event: &Event) -> Option<&EventRef> {
    match event {
        Event::Corrected { original, .. }
        | Event::Voided { original, .. }
        | Event::Released { original, .. } => Some(original),
        _ => None,
    }
}
