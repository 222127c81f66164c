//! What a template may call, and the names that are defined everywhere.

use std::cmp::Ordering;
use std::rc::Rc;

use jiff::civil::Date;
use num_traits::{CheckedAdd as _, Signed as _, Zero as _};
use zhoubao_domain::calendar::Period;
use zhoubao_domain::figure::{Partition, Span};

use super::evaluate::{Evaluator, Failure, Scope, number, rows, truth};
use super::number::{
    DECIMALS_MAX, Exact, Style, chinese, chinese_digits, printed, read, rounded, size,
};
use super::syntax::Term;
use super::value::{Number, Row, Rows, Text, Value};
use crate::dates;
use crate::document::{Field, FigureSource, Inline, Measure};
use crate::figures;
use crate::material::{ImportedTable, Material};
use crate::submission;

/// A function: its name, and the least and most arguments.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) arguments: (usize, usize),
    /// Arguments from here on are worked out for each row, with its columns as names.
    pub(super) by_row_from: Option<usize>,
}

const fn function(name: &'static str, least: usize, most: usize) -> Function {
    Function { name, arguments: (least, most), by_row_from: None }
}

const fn by_row(name: &'static str, least: usize, most: usize, from: usize) -> Function {
    Function { name, arguments: (least, most), by_row_from: Some(from) }
}

/// All functions.
pub(super) const FUNCTIONS: &[Function] = &[
    // What there is.
    function("figure", 2, 4),
    function("earlier", 3, 3),
    function("parts", 2, 2),
    function("table", 1, 2),
    function("statistic", 2, 2),
    function("statistics", 0, 0),
    function("submissions", 1, 1),
    function("amounts", 1, 1),
    function("by_day", 1, 1),
    function("adjustments", 0, 0),
    // Rows.
    by_row("where", 2, 2, 1),
    by_row("order", 2, 5, 1),
    by_row("arrange", 3, 40, 1),
    by_row("top", 3, 6, 2),
    by_row("group", 2, 2, 1),
    function("row", 2, 2),
    function("count", 1, 1),
    by_row("sum", 2, 2, 1),
    by_row("min", 2, 2, 1),
    by_row("max", 2, 2, 1),
    // Numbers.
    function("decimals", 2, 7),
    function("round", 2, 3),
    function("size", 1, 1),
    function("direction", 4, 4),
    function("chinese", 1, 2),
    function("suffix", 2, 2),
    function("or", 2, 2),
    // Dates.
    function("form", 2, 2),
];

/// Names that are defined in every wording.
pub(super) const ISSUE_NAMES: [&str; 14] = [
    "title",
    "part",
    "hall",
    "publisher",
    "year",
    "number",
    "running_number",
    "print_run",
    "period",
    "first_day",
    "last_day",
    "days",
    "working_days",
    "authorised_departments",
];

/// The forms of dates and periods, each with an example.
pub(super) const FORMS: [&str; 9] =
    ["full", "short", "month", "range", "dotted", "iso", "week", "chinese", "numeral"];

/// The earlier import that `table('x', …)` may ask for by a word.
pub(super) const LAST_YEAR: &str = "last-year";

type Evaluated = Result<Value, Failure>;

impl Evaluator<'_> {
    pub(super) fn issue_name(&self, name: &str) -> Evaluated {
        let material = self.material;
        if let Some(it) = self.template.parameters.get(name) {
            let given = material.parameters.get(name);
            return Ok(Value::words(given.unwrap_or(it)));
        }
        if let Some(it) = self.template.entered.get(name) {
            let text = material.parameters.get(name).unwrap_or(it).trim();
            if text.is_empty() {
                return Ok(Value::none());
            }
            let source = FigureSource::Entered { name: name.to_owned(), text: text.to_owned() };
            return Ok(Value::Number(Number::figure(read(text), text.to_owned(), source)));
        }
        let field = |it: i64, field| Value::Number(Number::field(it, field));
        Ok(match name {
            "title" => Value::name(&self.template.title),
            "part" => Value::name(&self.template.part),
            "hall" => Value::name(&material.hall),
            "publisher" => Value::name(&material.publisher),
            "year" => field(material.year.into(), Field::Year),
            "number" => field(material.number.into(), Field::Number),
            "running_number" => field(material.running_number.into(), Field::RunningNumber),
            "print_run" => {
                let copies = material.print_run.or(self.template.print_run);
                copies.map_or_else(Value::none, |it| field(it.into(), Field::PrintRun))
            }
            "period" => Value::Period(material.period),
            "first_day" => Value::Date(material.period.first()),
            "last_day" => Value::Date(material.period.last()),
            "days" => field(material.period.length(), Field::Date),
            "working_days" => {
                material.working_days.map_or_else(Value::none, |it| field(it.into(), Field::Date))
            }
            "authorised_departments" => {
                let value = Exact::from_integer(material.authorised_departments.into());
                bound(value, figures::register(material))
            }
            _ => return Err(Failure::new(format!("未知名称 unknown name `{name}`"))),
        })
    }

    pub(super) fn call(&self, name: &str, arguments: &[Term], scope: &Scope) -> Evaluated {
        let Some(function) = FUNCTIONS.iter().find(|it| it.name == name) else {
            return Err(Failure::new(format!("未知函数 unknown function `{name}`")));
        };
        let (least, most) = function.arguments;
        if !(least..=most).contains(&arguments.len()) {
            return Err(Failure::new(format!(
                "`{name}` 的参数个数不对 takes {least} to {most} arguments, found {}",
                arguments.len()
            )));
        }
        let plain = function.by_row_from.unwrap_or(arguments.len());
        let values: Vec<Value> = arguments
            .iter()
            .take(plain)
            .map(|it| self.value(it, scope))
            .collect::<Result<_, _>>()?;
        let lazy = arguments.get(plain..).unwrap_or_default();
        let given = Given { name, values: &values };
        match name {
            "figure" => self.figure(&given),
            "earlier" => self.earlier(&given),
            "parts" => self.parts(&given),
            "table" => self.imported(&given),
            "statistic" => self.statistic(&given),
            "statistics" => Ok(self.statistics()),
            "submissions" => self.submissions(&given),
            "amounts" => Ok(Value::Inlines(figures::amounts(
                self.material,
                given.span(0)?,
                Partition::Total,
                "",
            ))),
            "by_day" => Ok(Value::Inlines(figures::by_day(self.material, given.span(0)?))),
            "adjustments" => Ok(Value::Inlines(figures::adjustments(self.material))),
            "where" => self.filtered(given.rows(0)?, lazy, scope),
            "order" => Ok(Value::Rows(self.sorted(given.rows(0)?, lazy, scope, false)?)),
            "arrange" => self.arranged(given.rows(0)?, lazy, scope),
            "top" => {
                let mut rows = self.sorted(given.rows(0)?, lazy, scope, true)?;
                rows.rows.truncate(given.whole(1)?.try_into().unwrap_or(usize::MAX));
                Ok(Value::Rows(rows))
            }
            "group" => self.grouped(given.rows(0)?, lazy, scope),
            "row" => {
                let (rows, label) = (given.rows(0)?, given.text(1)?);
                let found = rows.rows.iter().find(|it| it.label == label);
                Ok(found.map_or_else(Value::none, |it| Value::Row(Rc::clone(it))))
            }
            "count" => Ok(Value::Number(count(&given.rows(0)?))),
            "sum" => self.sum(given.rows(0)?, lazy, scope),
            "min" => self.extreme(given.rows(0)?, lazy, scope, Ordering::Less),
            "max" => self.extreme(given.rows(0)?, lazy, scope, Ordering::Greater),
            "decimals" => decimals(&given),
            "round" => {
                let (mut it, digits) = (given.number(0)?, given.digits(1)?);
                let cut = match values.get(2) {
                    None => false,
                    Some(_) => match given.text(2)? {
                        "cut" => true,
                        "half-up" => false,
                        word => {
                            return Err(given.wrong(format!(
                                "未知取舍 unknown word `{word}`, expected half-up or cut"
                            )));
                        }
                    },
                };
                it.value = match it.value {
                    None => None,
                    Some(value) => Some(rounded(value, digits, cut).ok_or_else(too_large)?),
                };
                Ok(Value::Number(Number::computed(it.value, it.trace)))
            }
            "size" => {
                let it = given.number(0)?;
                let value = it.value.map(|it| size(it).ok_or_else(too_large)).transpose()?;
                Ok(Value::Number(Number::computed(value, it.trace)))
            }
            "direction" => {
                let it = given.number(0)?;
                Ok(match it.value {
                    None => Value::none(),
                    Some(value) => Value::words(given.text(match value.cmp(&Exact::zero()) {
                        Ordering::Greater => 1,
                        Ordering::Less => 2,
                        Ordering::Equal => 3,
                    })?),
                })
            }
            "chinese" => {
                let mut it = given.number(0)?;
                let digits = values.len() > 1;
                if digits && given.text(1)? != "digits" {
                    return Err(given.wrong("第二个参数只能是 expected 'digits'".to_owned()));
                }
                let Some(value) = it.value else { return Ok(Value::none()) };
                let whole = value.is_integer().then(|| value.to_integer()).filter(|it| *it >= 0);
                let text = whole
                    .and_then(|it| if digits { Some(chinese_digits(it)) } else { chinese(it) });
                let text = text.ok_or_else(|| {
                    given.wrong("只写非负整数 only whole numbers from 0 are written so".to_owned())
                })?;
                (it.printed, it.direct) = (Some(text), false);
                Ok(Value::Number(it))
            }
            "suffix" => {
                let (mut it, suffix) = (given.number(0)?, given.text(1)?);
                let text = match (&it.printed, it.value) {
                    (_, None) => return Ok(Value::Number(it)),
                    (Some(text), _) => text.clone(),
                    (None, Some(value)) if value.is_integer() => value.to_integer().to_string(),
                    (None, Some(_)) => {
                        return Err(
                            given.wrong("先写明小数位 say how many decimals first".to_owned())
                        );
                    }
                };
                (it.printed, it.direct) = (Some(format!("{text}{suffix}")), false);
                Ok(Value::Number(it))
            }
            "or" => {
                let is_nothing =
                    matches!(values.first(), Some(Value::Number(it)) if it.value.is_none());
                let value = values.get(usize::from(is_nothing));
                Ok(value.cloned().unwrap_or_else(Value::none))
            }
            _ => form(&given),
        }
    }

    // What there is.

    fn figure(&self, given: &Given<'_>) -> Evaluated {
        let material = self.material;
        let key = given.text(0)?;
        let span = given.span(1)?;
        let partition = if given.values.len() > 2 { given.partition(2)? } else { Partition::Total };
        let part = if given.values.len() > 3 { given.text(3)? } else { "" };
        if (partition == Partition::Total) != part.is_empty() {
            let form = "figure('accepted', 'week') or figure('accepted', 'week', 'window', 'w01')";
            return Err(given.wrong(format!("分项须写明 a partition needs its part: {form}")));
        }
        let Some(definition) = material.definitions.iter().find(|it| it.key == key) else {
            return Err(given.wrong(format!("未知指标 unknown figure `{key}`")));
        };
        let found = material.figure(key, span, partition, part);
        if found.is_none() && partition == Partition::Total {
            // The sums do not come out then, which has been reported.
            return Ok(Value::Inlines(vec![]));
        }
        // A part without a row counted nothing: the parts are known to sum to the total.
        let found = found.unwrap_or_default();
        let inline = figures::counted(material, definition, span, partition, part, found, None);
        Ok(bound(Exact::from_integer(found.amount.into()), inline))
    }

    fn earlier(&self, given: &Given<'_>) -> Evaluated {
        let (number, key, span) = (given.whole(0)?, given.text(1)?, given.span(2)?);
        let Some(definition) = self.material.definitions.iter().find(|it| it.key == key) else {
            return Err(given.wrong(format!("未知指标 unknown figure `{key}`")));
        };
        let issue = usize::try_from(number).ok().and_then(|it| it.checked_sub(1));
        let issue = issue.and_then(|it| self.material.earlier.get(it));
        let found = issue.and_then(|issue| {
            let inline = figures::counted_earlier(issue, definition, span)?;
            Some(bound(Exact::from_integer(inline.0.into()), inline.1))
        });
        Ok(found.unwrap_or_else(Value::none))
    }

    /// One row for each part of the figures.
    fn parts(&self, given: &Given<'_>) -> Evaluated {
        let material = self.material;
        let (partition, span) = (given.partition(0)?, given.span(1)?);
        let mut parts: Vec<&str> = material
            .figures
            .keys()
            .filter(|it| {
                it.span == span && it.partition == partition && partition != Partition::Total
            })
            .map(|it| it.part.as_str())
            .collect();
        parts.sort_unstable();
        parts.dedup();
        let row = |part: &str| {
            let name = material.part_names.get(&(partition, part.to_owned()));
            let day = (partition == Partition::Day).then(|| part.parse::<Date>().ok()).flatten();
            let name = match day {
                Some(day) => dates::short_in(day, material.year),
                None => name.cloned().unwrap_or_else(|| part.to_owned()),
            };
            let mut fields = vec![
                ("key".to_owned(), Value::name(part)),
                ("name".to_owned(), Value::name(&name)),
            ];
            if let Some(day) = day {
                fields.push(("date".to_owned(), Value::Date(day)));
            }
            for definition in &material.definitions {
                let found =
                    material.figure(&definition.key, span, partition, part).unwrap_or_default();
                let inline =
                    figures::counted(material, definition, span, partition, part, found, None);
                let value = bound(Exact::from_integer(found.amount.into()), inline);
                fields.push((definition.key.clone(), value));
            }
            Rc::new(Row { label: name, fields, submission: None })
        };
        Ok(Value::Rows(Rows { rows: parts.into_iter().map(row).collect(), ..Rows::default() }))
    }

    fn imported(&self, given: &Given<'_>) -> Evaluated {
        let key = given.text(0)?;
        let Some(declared) = self.template.tables.get(key) else {
            return Err(given.wrong(format!("未声明的表 the table `{key}` is not declared")));
        };
        let own = self.material.period;
        let period = match given.values.get(1) {
            None => Some(own),
            Some(Value::Text(it)) if it.text == LAST_YEAR => own.a_year_before(),
            Some(_) => own.before(u32::try_from(given.whole(1)?).unwrap_or(u32::MAX)),
        };
        let Some(table) = period.and_then(|it| import_of(self.material, key, it)) else {
            if period != Some(own) {
                return Ok(Value::Rows(Rows { missing: true, ..Rows::default() }));
            }
            return Err(Failure::missing(format!(
                "没有导入本期的 {}（{key}）no `{key}` was imported whose last day lies in {own}",
                declared.title
            )));
        };
        let column = |name: &String| {
            table.columns.iter().position(|it| it == name).ok_or_else(|| {
                Failure::missing(format!(
                    "导入的表 {key} 缺少栏 the import lacks the column `{name}`"
                ))
            })
        };
        let texts: Vec<_> =
            declared.text.iter().map(|it| Ok((it, column(it)?))).collect::<Result<_, Failure>>()?;
        let numbers: Vec<_> = declared
            .numbers
            .iter()
            .map(|it| Ok((it, column(it)?)))
            .collect::<Result<_, Failure>>()?;
        let row = |cells: &Vec<String>| {
            let cell =
                |index: usize| submission::one_line(cells.get(index).map_or("", String::as_str));
            let label = texts.first().map_or_else(String::new, |(_, index)| cell(*index));
            let mut fields: Vec<(String, Value)> = texts
                .iter()
                .map(|(name, index)| ((*name).clone(), Value::name(cell(*index))))
                .collect();
            for (name, index) in &numbers {
                let text = cell(*index);
                let source = FigureSource::Cell {
                    table: key.to_owned(),
                    title: declared.title.clone(),
                    platform: table.source.clone(),
                    row: label.clone(),
                    column: (*name).clone(),
                    first_day: table.period.first(),
                    last_day: table.period.last(),
                    position: table.position,
                    value: text.clone(),
                };
                let mut value = Number::figure(read(&text), text.clone(), source);
                if text.is_empty() {
                    value.printed = None;
                }
                fields.push(((*name).clone(), Value::Number(value)));
            }
            Rc::new(Row { label, fields, submission: None })
        };
        Ok(Value::Rows(Rows {
            rows: table.rows.iter().map(row).collect(),
            origin: Some((table.source.clone(), table.period)),
            ..Rows::default()
        }))
    }

    fn statistic(&self, given: &Given<'_>) -> Evaluated {
        let class = given.text(0)?;
        let measure = given.measure(1)?;
        let inline = figures::statistic(self.material, class, measure).ok_or_else(|| {
            Failure::missing(format!("平台数据缺少类别 no imported figures of `{class}`"))
        })?;
        Ok(bound(Exact::from_integer(inline.0.into()), inline.1))
    }

    fn statistics(&self) -> Value {
        let Some(statistics) = &self.material.statistics else {
            return Value::Rows(Rows { missing: true, ..Rows::default() });
        };
        let row = |class: &String| {
            let mut fields = vec![("class".to_owned(), Value::name(class))];
            for measure in [Measure::Accepted, Measure::Finished] {
                if let Some((value, inline)) = figures::statistic(self.material, class, measure) {
                    let value = bound(Exact::from_integer(value.into()), inline);
                    fields.push((measure.word().to_owned(), value));
                }
            }
            Rc::new(Row { label: class.clone(), fields, submission: None })
        };
        Value::Rows(Rows {
            rows: statistics.classes.iter().map(|it| row(&it.class)).collect(),
            origin: Some((statistics.source.clone(), statistics.period)),
            ..Rows::default()
        })
    }

    fn submissions(&self, given: &Given<'_>) -> Evaluated {
        let section = given.text(0)?;
        let submissions = self.material.submissions.iter().enumerate();
        let of_section = submissions.filter(|(_, it)| it.section == section);
        let row = |(place, it): (usize, &crate::material::Submission)| {
            let fields = vec![
                ("key".to_owned(), Value::name(it.id.as_str())),
                ("department".to_owned(), Value::name(&it.department)),
            ];
            Rc::new(Row { label: it.department.clone(), fields, submission: Some(place) })
        };
        Ok(Value::Rows(Rows { rows: of_section.map(row).collect(), ..Rows::default() }))
    }

    // Rows.

    fn by_row(&self, lazy: &[Term], index: usize, row: &Rc<Row>, scope: &Scope) -> Evaluated {
        match lazy.get(index) {
            Some(term) => self.value(term, &scope.of_row(row)),
            None => Ok(Value::none()),
        }
    }

    fn filtered(&self, mut rows: Rows, lazy: &[Term], scope: &Scope) -> Evaluated {
        let mut kept = vec![];
        for row in std::mem::take(&mut rows.rows) {
            let (holds, trace) = truth(&self.by_row(lazy, 0, &row, scope)?)?;
            rows.trace.extend(trace);
            if holds {
                kept.push(row);
            }
        }
        rows.rows = kept;
        Ok(Value::Rows(rows))
    }

    /// Smallest or `largest` first. Stable: rows of equal rank keep their order. What has no rank comes last.
    fn sorted(
        &self,
        mut rows: Rows,
        lazy: &[Term],
        scope: &Scope,
        largest: bool,
    ) -> Result<Rows, Failure> {
        let mut keyed = vec![];
        for row in std::mem::take(&mut rows.rows) {
            let keys = (0..lazy.len()).map(|it| rank(&self.by_row(lazy, it, &row, scope)?));
            keyed.push((keys.collect::<Result<Vec<_>, _>>()?, row));
        }
        keyed.sort_by(|(a, _), (b, _)| {
            let by_key = a.iter().zip(b).map(|(a, b)| match (a, b) {
                (Rank::None, Rank::None) => Ordering::Equal,
                (Rank::None, _) => Ordering::Greater,
                (_, Rank::None) => Ordering::Less,
                (a, b) if largest => b.cmp(a),
                (a, b) => a.cmp(b),
            });
            by_key.fold(Ordering::Equal, Ordering::then)
        });
        rows.rows = keyed.into_iter().map(|(_, row)| row).collect();
        Ok(rows)
    }

    /// In the order of the texts given; what is not among them follows as it came.
    fn arranged(&self, mut rows: Rows, lazy: &[Term], scope: &Scope) -> Evaluated {
        let texts: Vec<String> = lazy
            .iter()
            .skip(1)
            .map(|it| match self.value(it, scope)? {
                Value::Text(it) => Ok(it.text),
                it => {
                    Err(Failure::new(format!("此处应为文字 a text expected, found {}", it.kind())))
                }
            })
            .collect::<Result<_, _>>()?;
        let mut placed = vec![];
        for row in std::mem::take(&mut rows.rows) {
            let Value::Text(it) = self.by_row(lazy, 0, &row, scope)? else {
                return Err(Failure::new("arrange 按文字排 arranges by a text"));
            };
            let place = texts.iter().position(|text| *text == it.text).unwrap_or(texts.len());
            placed.push((place, row));
        }
        placed.sort_by_key(|(place, _)| *place);
        rows.rows = placed.into_iter().map(|(_, row)| row).collect();
        Ok(Value::Rows(rows))
    }

    /// One row for each different text, in order of first appearance.
    fn grouped(&self, rows: Rows, lazy: &[Term], scope: &Scope) -> Evaluated {
        let mut groups: Vec<(Text, Vec<Rc<Row>>)> = vec![];
        for row in &rows.rows {
            let Value::Text(key) = self.by_row(lazy, 0, row, scope)? else {
                return Err(Failure::new("group 按文字分组 groups by a text"));
            };
            match groups.iter_mut().find(|(it, _)| it.text == key.text) {
                Some((_, of_group)) => of_group.push(Rc::clone(row)),
                None => groups.push((key, vec![Rc::clone(row)])),
            }
        }
        let group = |(key, of_group): (Text, Vec<Rc<Row>>)| {
            let label = key.text.clone();
            let own = Rows { rows: of_group, ..rows.clone() };
            let fields =
                vec![("name".to_owned(), Value::Text(key)), ("rows".to_owned(), Value::Rows(own))];
            Rc::new(Row { label, fields, submission: None })
        };
        let groups = groups.into_iter().map(group).collect();
        Ok(Value::Rows(Rows { rows: groups, ..rows.clone() }))
    }

    fn sum(&self, rows: Rows, lazy: &[Term], scope: &Scope) -> Evaluated {
        let mut trace = rows.trace;
        let mut sum = (!rows.missing).then(Exact::zero);
        for row in &rows.rows {
            let it = number(&self.by_row(lazy, 0, row, scope)?)?;
            trace.extend(it.trace);
            // A sum with a gap would say less than there is.
            sum = match (sum, it.value) {
                (Some(sum), Some(value)) => Some(sum.checked_add(&value).ok_or_else(too_large)?),
                _ => None,
            };
        }
        Ok(Value::Number(Number::computed(sum, trace)))
    }

    /// The first of the smallest or largest, as it stands.
    fn extreme(&self, rows: Rows, lazy: &[Term], scope: &Scope, wanted: Ordering) -> Evaluated {
        let mut found = Number::none();
        for row in &rows.rows {
            let it = number(&self.by_row(lazy, 0, row, scope)?)?;
            let better = match (it.value, found.value) {
                (Some(it), Some(found)) => it.cmp(&found) == wanted,
                (it, None) => it.is_some(),
                _ => false,
            };
            if better {
                found = it;
            }
        }
        Ok(Value::Number(found))
    }
}

/// What a row is ordered by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Number(Exact),
    Date(Date),
    Text(String),
    None,
}

fn rank(value: &Value) -> Result<Rank, Failure> {
    Ok(match value {
        Value::Number(it) => it.value.map_or(Rank::None, Rank::Number),
        Value::Date(it) => Rank::Date(*it),
        Value::Text(it) => Rank::Text(it.text.clone()),
        it => return Err(Failure::new(format!("不能按此排序 cannot order by {}", it.kind()))),
    })
}

/// The number of rows; what decided them and the first figure of each vouch for it.
fn count(rows: &Rows) -> Number {
    let mut trace = rows.trace.clone();
    trace.extend(rows.rows.iter().filter_map(|it| it.witness()));
    let count = (!rows.missing).then_some(rows.rows.len());
    let count = count.and_then(|it| i128::try_from(it).ok()).map(Exact::from_integer);
    Number::computed(count, trace)
}

/// The import of a table for a period: its last day lies within it; the latest such, in its latest version.
fn import_of<'a>(material: &'a Material, key: &str, period: Period) -> Option<&'a ImportedTable> {
    let tables = material.tables.iter().filter(|it| it.key == key);
    tables
        .filter(|it| period.contains(it.period.last()))
        .max_by_key(|it| (it.period.last(), it.position))
}

fn bound(value: Exact, inline: Inline) -> Value {
    match inline {
        Inline::Figure { text, source } => Value::Number(Number::figure(Some(value), text, source)),
        it => Value::Inlines(vec![it]),
    }
}

pub(super) fn too_large() -> Failure {
    Failure::new("数过大 the number is too large")
}

fn decimals(given: &Given<'_>) -> Evaluated {
    let it = given.number(0)?;
    let mut style = Style { decimals: given.digits(1)?, ..Style::default() };
    for index in 2..given.values.len() {
        let word = given.text(index)?;
        if !style.set(word) {
            return Err(given.wrong(format!(
                "未知写法 unknown word `{word}`, expected one of {}",
                Style::WORDS
            )));
        }
    }
    let Some(value) = it.value else { return Ok(Value::Number(it)) };
    let (text, shown) = printed(value, style).ok_or_else(too_large)?;
    let number = Number { printed: Some(text), ..Number::computed(Some(shown), it.trace) };
    Ok(Value::Number(number))
}

fn form(given: &Given<'_>) -> Evaluated {
    let form = given.text(1)?;
    let unknown = || {
        given.wrong(format!("未知形式 unknown form `{form}`, expected one of {}", FORMS.join(", ")))
    };
    let text = match given.values.first() {
        Some(Value::Date(it)) => dates::date_as(*it, form),
        Some(Value::Period(it)) => dates::period_as(*it, form),
        Some(Value::Number(it)) if it.value.is_none() => return Ok(Value::none()),
        Some(it) => {
            return Err(
                given.wrong(format!("此处应为日期 a date or period expected, found {}", it.kind()))
            );
        }
        None => None,
    };
    let text = text.ok_or_else(unknown)?;
    Ok(Value::Inlines(vec![Inline::Field { field: Field::Date, text }]))
}

/// The arguments of a call.
struct Given<'a> {
    name: &'a str,
    values: &'a [Value],
}

impl Given<'_> {
    fn wrong(&self, text: String) -> Failure {
        Failure::new(format!("{}: {text}", self.name))
    }

    fn value(&self, index: usize) -> Result<&Value, Failure> {
        self.values.get(index).ok_or_else(|| self.wrong("缺少参数 an argument is missing".into()))
    }

    fn text(&self, index: usize) -> Result<&str, Failure> {
        match self.value(index)? {
            Value::Text(it) => Ok(&it.text),
            it => Err(self.wrong(format!(
                "第 {} 个参数应为文字 argument {} must be a text, found {}",
                index + 1,
                index + 1,
                it.kind()
            ))),
        }
    }

    fn number(&self, index: usize) -> Result<Number, Failure> {
        number(self.value(index)?).map_err(|it| self.wrong(it.text))
    }

    fn rows(&self, index: usize) -> Result<Rows, Failure> {
        rows(self.value(index)?).map_err(|it| self.wrong(it.text))
    }

    fn whole(&self, index: usize) -> Result<i128, Failure> {
        let value = self.number(index)?.value.filter(|it| it.is_integer() && !it.is_negative());
        value
            .map(|it| it.to_integer())
            .ok_or_else(|| self.wrong("应为非负整数 a whole number from 0 expected".to_owned()))
    }

    fn digits(&self, index: usize) -> Result<i32, Failure> {
        let value = self.number(index)?.value.filter(Exact::is_integer).map(|it| it.to_integer());
        value
            .filter(|it| it.unsigned_abs() <= u128::from(DECIMALS_MAX))
            .and_then(|it| i32::try_from(it).ok())
            .ok_or_else(|| self.wrong("小数位为 expected -12 to 12 decimals".to_owned()))
    }

    fn span(&self, index: usize) -> Result<Span, Failure> {
        let word = self.text(index)?;
        Span::from_word(word).ok_or_else(|| self.wrong(format!("未知范围 unknown span `{word}`")))
    }

    fn partition(&self, index: usize) -> Result<Partition, Failure> {
        let word = self.text(index)?;
        Partition::from_word(word)
            .ok_or_else(|| self.wrong(format!("未知分项 unknown partition `{word}`")))
    }

    fn measure(&self, index: usize) -> Result<Measure, Failure> {
        let word = self.text(index)?;
        Measure::from_word(word)
            .ok_or_else(|| self.wrong(format!("未知数值 unknown measure `{word}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_knows_every_function_name_and_form() {
        const PAGE: &str = include_str!("../../../../docs/templates.md");
        for it in FUNCTIONS {
            assert!(
                PAGE.contains(&format!("{}(", it.name)) || PAGE.contains(&format!("`{}`", it.name)),
                "{}",
                it.name
            );
        }
        for name in ISSUE_NAMES.iter().chain(&FORMS) {
            assert!(PAGE.contains(&format!("`{name}`")), "{name}");
        }
        for word in Style::WORDS.split(", ").filter(|it| *it != "half-up") {
            assert!(PAGE.contains(&format!("`'{word}'`")), "{word}");
        }
        assert!(PAGE.contains(&format!("`'{LAST_YEAR}'`")));
    }
}
