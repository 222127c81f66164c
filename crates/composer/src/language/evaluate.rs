//! Evaluation: a body and the material become paragraphs of inline text.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::Span;
use num_traits::{CheckedAdd as _, CheckedDiv as _, CheckedMul as _, CheckedSub as _, Zero as _};
use zhoubao_domain::code::Code;

use super::functions::too_large;
use super::number::{Exact, exactly, opposite};
use super::syntax::{Body, Expression, Loop, Node, Operator, TableBody, Term};
use super::value::{Leaf, Number, Row, Rows, Trace, Value};
use crate::compose::merged;
use crate::dates;
use crate::document::{Cell as TableCell, Field, FigureSource, Inline, Table};
use crate::material::Material;
use crate::numbering::Numbering;
use crate::template::Template;

/// Steps that the wordings of one issue may take: five hundred rows, each compared with five hundred, and more.
const STEPS_MAX: u64 = 2_000_000;

/// Paragraphs, rows of tables and items that one section may print.
const PRINTED_MAX: usize = 5_000;

/// Figures that computed numbers of one issue may name: a share of 200 rows for each of them, several times.
const INPUTS_MAX: usize = 200_000;

/// What kept a part of a template from being printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { code: Code::Template, text: text.into() }
    }

    pub(crate) fn missing(text: impl Into<String>) -> Self {
        Self { code: Code::EmptySection, text: text.into() }
    }
}

/// A [`Failure`] with its line in the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) line: usize,
    pub(crate) failure: Failure,
}

/// What a body prints, in order.
#[derive(Debug)]
pub(crate) enum Printed {
    Paragraph(Vec<Inline>),
    /// With its marker.
    Item(String, Vec<Inline>),
    Table(Table),
    /// Places in the material's submissions.
    Submissions(Vec<usize>, Numbering),
}

/// Names of a place, from the outside in.
#[derive(Clone, Default)]
pub(crate) struct Scope(Vec<Frame>);

#[derive(Clone)]
enum Frame {
    Value(String, Value),
    /// A row whose columns are names.
    Row(Rc<Row>),
}

impl Scope {
    pub(crate) fn with(names: Vec<(&'static str, Vec<Inline>)>) -> Self {
        let frame =
            |(name, it): (&str, Vec<Inline>)| Frame::Value(name.to_owned(), Value::Inlines(it));
        Self(names.into_iter().map(frame).collect())
    }

    fn push(&mut self, name: &str, value: Value) {
        self.0.push(Frame::Value(name.to_owned(), value));
    }

    pub(crate) fn of_row(&self, row: &Rc<Row>) -> Self {
        let mut scope = self.clone();
        scope.0.push(Frame::Row(Rc::clone(row)));
        scope
    }

    fn find(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find_map(|frame| match frame {
            Frame::Value(it, value) if it == name => Some(value),
            Frame::Value(..) => None,
            Frame::Row(row) => row.field(name),
        })
    }
}

/// Evaluates the wordings of one issue.
pub(crate) struct Evaluator<'a> {
    pub(crate) material: &'a Material,
    pub(crate) template: &'a Template,
    named: RefCell<BTreeMap<String, Result<Value, Failure>>>,
    /// Names whose value is being worked out.
    open: RefCell<BTreeSet<String>>,
    steps: Cell<u64>,
    inputs: Cell<usize>,
}

type Evaluated = Result<Value, Failure>;

impl<'a> Evaluator<'a> {
    pub(crate) fn new(material: &'a Material, template: &'a Template) -> Self {
        let (named, open, steps, inputs) = Default::default();
        Self { material, template, named, open, steps, inputs }
    }

    // Bodies.

    /// Prints a body as one paragraph.
    pub(crate) fn wording(&self, body: &Body, scope: Scope) -> (Vec<Inline>, Vec<Failed>) {
        let mut page = Page::default();
        self.nodes(body, &mut scope.clone(), &mut page);
        (merged(page.current), page.failed)
    }

    /// Prints a body.
    pub(crate) fn paragraphs(&self, body: &Body) -> (Vec<Printed>, Vec<Failed>) {
        let mut page = Page::default();
        self.nodes(body, &mut Scope::default(), &mut page);
        page.end_paragraph();
        (page.printed, page.failed)
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, condition: &Expression) -> Result<bool, Failed> {
        self.condition(condition, &Scope::default())
    }

    fn condition(&self, condition: &Expression, scope: &Scope) -> Result<bool, Failed> {
        let found = self.value(&condition.term, scope).and_then(|it| truth(&it));
        found.map(|it| it.0).map_err(|failure| Failed { line: condition.line, failure })
    }

    fn nodes(&self, body: &Body, scope: &mut Scope, page: &mut Page) {
        let depth = scope.0.len();
        for node in body {
            if !page.stopped {
                self.node(node, scope, page);
            }
        }
        // A `let` holds to the end of its block.
        scope.0.truncate(depth);
    }

    fn node(&self, node: &Node, scope: &mut Scope, page: &mut Page) {
        match node {
            Node::Text(text) => page.current.push(Inline::words(text)),
            Node::Break => page.end_paragraph(),
            Node::Cell => page.end_cell(),
            Node::Print(it) => {
                let found = self.value(&it.term, scope).and_then(|value| self.printed(value, it));
                match found {
                    Ok(inlines) => page.current.extend(inlines),
                    Err(failure) => page.failed.push(Failed { line: it.line, failure }),
                }
            }
            Node::Let(name, it) => match self.value(&it.term, scope) {
                Ok(value) => scope.push(name, value),
                Err(failure) => {
                    page.failed.push(Failed { line: it.line, failure });
                    // What follows rests on it and would only repeat the failure in other words.
                    page.stopped = true;
                }
            },
            Node::If(branches) => {
                for (condition, body) in branches {
                    let holds = condition.as_ref().map_or(Ok(true), |it| self.condition(it, scope));
                    match holds {
                        Ok(false) => {}
                        Ok(true) => return self.nodes(body, scope, page),
                        Err(failed) => return page.failed.push(failed),
                    }
                }
            }
            Node::For(it) => self.repeat(it, scope, page),
            Node::Items(numbering, body) => {
                let mut inner = Page::default();
                self.nodes(body, scope, &mut inner);
                inner.end_paragraph();
                let alone = inner.printed.len() == 1;
                page.end_paragraph();
                page.failed.append(&mut inner.failed);
                for (index, printed) in inner.printed.into_iter().enumerate() {
                    let Printed::Paragraph(inlines) = printed else { continue };
                    let marker =
                        if alone { Some(String::new()) } else { numbering.marker(index + 1) };
                    match marker {
                        Some(marker) => page.printed.push(Printed::Item(marker, inlines)),
                        None => return page.fail(0, "条目超过 99 more than 99 items"),
                    }
                }
            }
            Node::Table(it) => self.table(it, scope, page),
            Node::Submissions(it, numbering) => {
                page.end_paragraph();
                match self.value(&it.term, scope).and_then(|it| rows(&it)) {
                    Ok(rows) => {
                        let places = rows.rows.iter().filter_map(|it| it.submission).collect();
                        page.printed.push(Printed::Submissions(places, *numbering));
                    }
                    Err(failure) => page.failed.push(Failed { line: it.line, failure }),
                }
            }
        }
        if page.printed.len() > PRINTED_MAX {
            page.printed.clear();
            page.fail(0, "印出的段落过多 prints more than 5000 paragraphs");
        }
    }

    fn repeat(&self, it: &Loop, scope: &mut Scope, page: &mut Page) {
        let line = it.rows.line;
        let rows = match self.value(&it.rows.term, scope).and_then(|it| rows(&it)) {
            Ok(rows) => rows.rows,
            Err(failure) => return page.failed.push(Failed { line, failure }),
        };
        let count = rows.len();
        for (index, row) in rows.into_iter().enumerate() {
            if let Err(failure) = self.step() {
                return page.failed.push(Failed { line, failure });
            }
            let last = index + 1 == count;
            if let (true, Some(between)) = (index > 0, &it.between) {
                let word = it.before_last.as_ref().filter(|_| last).unwrap_or(between);
                page.current.push(Inline::words(word));
            }
            let ordinal = i64::try_from(index + 1).unwrap_or(i64::MAX);
            let fields = vec![
                ("index".to_owned(), Value::Number(Number::field(ordinal, Field::Ordinal))),
                ("first".to_owned(), Value::Truth(index == 0, vec![])),
                ("last".to_owned(), Value::Truth(last, vec![])),
            ];
            let around = Row { label: String::new(), fields, submission: None };
            let depth = scope.0.len();
            scope.push("loop", Value::Row(Rc::new(around)));
            scope.push(&it.name, Value::Row(row));
            self.nodes(&it.body, scope, page);
            scope.0.truncate(depth);
        }
    }

    fn table(&self, it: &TableBody, scope: &mut Scope, page: &mut Page) {
        page.end_paragraph();
        let mut inner = Page { cells: Some(vec![]), ..Page::default() };
        self.nodes(&it.rows, scope, &mut inner);
        inner.end_paragraph();
        page.failed.append(&mut inner.failed);
        let caption = match &it.caption {
            None => vec![],
            Some(caption) => {
                let found = self.value(&caption.term, scope);
                match found.and_then(|value| self.printed(value, caption)) {
                    Ok(inlines) => inlines,
                    Err(failure) => {
                        return page.failed.push(Failed { line: caption.line, failure });
                    }
                }
            }
        };
        match spanned(inner.rows) {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => {
                let head = it.head.min(rows.len());
                page.printed.push(Printed::Table(Table { caption, head, rows }));
            }
            Err(text) => page.fail(it.line, text),
        }
    }

    // Printing.

    fn printed(&self, value: Value, at: &Expression) -> Result<Vec<Inline>, Failure> {
        Ok(vec![match value {
            Value::Inlines(inlines) => return Ok(inlines),
            Value::Text(it) if it.name => {
                Inline::Field { field: Field::Name, text: crate::submission::one_line(&it.text) }
            }
            Value::Text(it) => Inline::words(crate::submission::one_line(&it.text)),
            Value::Date(it) => Inline::Field { field: Field::Date, text: dates::full(it) },
            Value::Period(it) => Inline::Field { field: Field::Date, text: dates::period(it) },
            Value::Number(it) => self.number(it, at)?,
            Value::Truth(..) | Value::Row(_) | Value::Rows(_) => {
                return Err(Failure::new(format!(
                    "`{}` 是{}, which cannot be printed",
                    at.source,
                    value.kind()
                )));
            }
        }])
    }

    fn number(&self, number: Number, at: &Expression) -> Result<Inline, Failure> {
        let text = match (number.printed, number.value) {
            (Some(text), _) => text,
            (None, Some(value)) if value.is_integer() => value.to_integer().to_string(),
            (None, Some(_)) => {
                return Err(Failure::new(format!(
                    "`{}` 不是整数，须写明小数位 is no whole number: say how many decimals, such as | decimals(2)",
                    at.source
                )));
            }
            (None, None) => {
                return Err(Failure::new(format!(
                    "`{}` 没有数 there is no figure: say what to print instead, such as | or('/')",
                    at.source
                )));
            }
        };
        let mut inputs: Vec<FigureSource> = vec![];
        // Figures are made once for each time they are read, so that most repetitions are told by their place.
        let mut seen: BTreeSet<*const FigureSource> = BTreeSet::new();
        let mut field = None;
        for leaf in &number.trace {
            match leaf {
                Leaf::Figure(it) if seen.insert(Rc::as_ptr(it)) => gather(&mut inputs, it),
                Leaf::Figure(_) => {}
                Leaf::Field(it) => field = Some(*it),
            }
        }
        let size = |it: &FigureSource| match it {
            FigureSource::Cells { cells, .. } => cells.len(),
            _ => 1,
        };
        self.inputs.set(self.inputs.get() + inputs.iter().map(size).sum::<usize>());
        if self.inputs.get() > INPUTS_MAX {
            return Err(Failure::new(format!(
                "所据数字过多 the numbers of the issue rest on more than {INPUTS_MAX} figures"
            )));
        }
        if number.direct
            && let [source] = inputs.as_slice()
        {
            return Ok(Inline::Figure { text, source: source.clone() });
        }
        Ok(match (inputs.is_empty(), field) {
            (true, Some(field)) => Inline::Field { field, text },
            // Nothing vouches for it: it is words, and found as a number without a source.
            (true, None) => Inline::words(text),
            (false, _) => {
                let value = number.value.map(exactly).unwrap_or_default();
                let formula = self.template.formula(at);
                Inline::Figure { text, source: FigureSource::Derived { formula, value, inputs } }
            }
        })
    }

    // Expressions.

    pub(crate) fn step(&self) -> Result<(), Failure> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > STEPS_MAX {
            return Err(Failure::new("计算量过大 the template asks for too much work"));
        }
        Ok(())
    }

    pub(crate) fn value(&self, term: &Term, scope: &Scope) -> Evaluated {
        self.step()?;
        Ok(match term {
            Term::Number(it) => Value::Number(Number::literal(*it)),
            Term::Text(it) => Value::words(it),
            Term::Truth(it) => Value::Truth(*it, vec![]),
            Term::Nothing => Value::none(),
            Term::Name(name) => match scope.find(name) {
                Some(value) => value.clone(),
                None => self.named(name)?,
            },
            Term::Field(of, column) => self.column(&self.value(of, scope)?, column)?,
            Term::Call(name, arguments) => self.call(name, arguments, scope)?,
            Term::Minus(of) => {
                let mut it = number(&self.value(of, scope)?)?;
                let value = it.value.map(|it| opposite(it).ok_or_else(too_large));
                it.value = value.transpose()?;
                (it.printed, it.direct) = (None, false);
                Value::Number(it)
            }
            Term::Not(of) => {
                let (holds, trace) = truth(&self.value(of, scope)?)?;
                Value::Truth(!holds, trace)
            }
            Term::Choice(value, condition, other) => {
                let (holds, _) = truth(&self.value(condition, scope)?)?;
                self.value(if holds { value } else { other }, scope)?
            }
            Term::Binary(operator, left, right) => {
                let left = self.value(left, scope)?;
                match operator {
                    Operator::And | Operator::Or => {
                        let (mut holds, mut trace) = truth(&left)?;
                        if holds == (*operator == Operator::And) {
                            let (other, more) = truth(&self.value(right, scope)?)?;
                            holds = other;
                            trace.extend(more);
                        }
                        Value::Truth(holds, trace)
                    }
                    _ => combined(*operator, left, self.value(right, scope)?)?,
                }
            }
        })
    }

    /// The value of a name of the template, or of one that is defined everywhere.
    fn named(&self, name: &str) -> Evaluated {
        if let Some(known) = self.named.borrow().get(name) {
            return known.clone();
        }
        let Some(it) = self.template.lets.get(name) else { return self.issue_name(name) };
        if !self.open.borrow_mut().insert(name.to_owned()) {
            return Err(Failure::new(format!("`{name}` 用到自身 depends on itself")));
        }
        let value = self.value(&it.term, &Scope::default());
        self.open.borrow_mut().remove(name);
        self.named.borrow_mut().insert(name.to_owned(), value.clone());
        value
    }

    fn column(&self, of: &Value, column: &str) -> Evaluated {
        let days = |it: i64| Value::Number(Number::field(it, Field::Date));
        let unknown = || Failure::new(format!("没有栏 `{column}` there is no such column here"));
        Ok(match (of, column) {
            (Value::Row(row), _) => row.field(column).cloned().ok_or_else(unknown)?,
            // What is not there has no columns either.
            (Value::Number(it), _) if it.value.is_none() => Value::none(),
            (Value::Date(it), "year") => days(it.year().into()),
            (Value::Date(it), "month") => days(it.month().into()),
            (Value::Date(it), "day") => days(it.day().into()),
            (Value::Date(it), "week") => days(it.iso_week_date().week().into()),
            (Value::Date(it), "week_year") => days(it.iso_week_date().year().into()),
            (Value::Period(it), "first") => Value::Date(it.first()),
            (Value::Period(it), "last") => Value::Date(it.last()),
            (Value::Period(it), "days") => days(it.length()),
            (Value::Rows(it), "source") => {
                it.origin.as_ref().map_or_else(Value::none, |it| Value::name(&it.0))
            }
            (Value::Rows(it), "period") => {
                it.origin.as_ref().map_or_else(Value::none, |it| Value::Period(it.1))
            }
            _ => return Err(unknown()),
        })
    }
}

/// Adds a figure to those that a number rests on, each once; cells of one column stand together.
fn gather(inputs: &mut Vec<FigureSource>, figure: &FigureSource) {
    let FigureSource::Cell {
        table,
        title,
        platform,
        row,
        column,
        first_day,
        last_day,
        position,
        value,
    } = figure
    else {
        if !inputs.contains(figure) {
            inputs.push(figure.clone());
        }
        return;
    };
    let cell = || [row.clone(), value.clone()];
    for it in inputs.iter_mut() {
        match it {
            FigureSource::Cells { table: t, column: c, position: p, cells, .. }
                if (&*t, &*c, &*p) == (table, column, position) =>
            {
                if !cells.iter().any(|[r, v]| r == row && v == value) {
                    cells.push(cell());
                }
                return;
            }
            FigureSource::Cell { table: t, column: c, position: p, row: r, value: v, .. }
                if (&*t, &*c, &*p) == (table, column, position) =>
            {
                if (&*r, &*v) != (row, value) {
                    *it = FigureSource::Cells {
                        table: table.clone(),
                        title: title.clone(),
                        platform: platform.clone(),
                        column: column.clone(),
                        first_day: *first_day,
                        last_day: *last_day,
                        position: *position,
                        cells: vec![[r.clone(), v.clone()], cell()],
                    };
                }
                return;
            }
            _ => {}
        }
    }
    inputs.push(figure.clone());
}

/// Paragraphs being printed.
#[derive(Default)]
struct Page {
    current: Vec<Inline>,
    printed: Vec<Printed>,
    failed: Vec<Failed>,
    /// Finished cells of the current row, within a table.
    cells: Option<Vec<Vec<Inline>>>,
    rows: Vec<Vec<Vec<Inline>>>,
    /// Nothing more can be printed.
    stopped: bool,
}

impl Page {
    fn fail(&mut self, line: usize, text: impl Into<String>) {
        self.failed.push(Failed { line, failure: Failure::new(text) });
    }

    fn end_cell(&mut self) {
        let cell = merged(std::mem::take(&mut self.current));
        self.cells.get_or_insert_default().push(cell);
    }

    fn end_paragraph(&mut self) {
        if self.cells.is_some() {
            let is_empty =
                self.current.is_empty() && self.cells.as_ref().is_some_and(Vec::is_empty);
            if !is_empty {
                self.end_cell();
                self.rows.extend(self.cells.replace(vec![]));
            }
            return;
        }
        let inlines = merged(std::mem::take(&mut self.current));
        if !inlines.is_empty() {
            self.printed.push(Printed::Paragraph(inlines));
        }
    }
}

/// Puts cells together: `>` belongs to the cell on its left, `^` to the one above.
fn spanned(rows: Vec<Vec<Vec<Inline>>>) -> Result<Vec<Vec<TableCell>>, String> {
    let width = rows.first().map_or(0, Vec::len);
    if let Some((index, row)) = rows.iter().enumerate().find(|(_, it)| it.len() != width) {
        return Err(format!(
            "表的第 {} 行有 {} 格，第 1 行有 {width} 格 row {} has {} cells, the first has {width}",
            index + 1,
            row.len(),
            index + 1,
            row.len(),
        ));
    }
    let mark = |cell: &[Inline]| match cell {
        [Inline::Text { text }] => match text.trim() {
            ">" => Some('>'),
            "^" => Some('^'),
            _ => None,
        },
        _ => None,
    };
    // For each place the place of the cell that it belongs to.
    let mut owners: Vec<Vec<(usize, usize)>> = vec![];
    for (r, row) in rows.iter().enumerate() {
        let mut owner: Vec<(usize, usize)> = vec![];
        for (c, cell) in row.iter().enumerate() {
            let left = c.checked_sub(1).and_then(|c| owner.get(c));
            let above = r.checked_sub(1).and_then(|r| owners.get(r)).and_then(|it| it.get(c));
            let of = match mark(cell) {
                None => Some((r, c)),
                Some('>') => left.copied(),
                Some(_) => above.copied(),
            };
            owner.push(of.ok_or("> 左侧或 ^ 上方没有格 no cell on the left of `>` or above `^`")?);
        }
        owners.push(owner);
    }
    let mut cells = vec![];
    for (r, row) in rows.into_iter().enumerate() {
        let mut of_row = vec![];
        for (c, inlines) in row.into_iter().enumerate() {
            let owned =
                |r: usize, c: usize| owners.get(r).and_then(|it| it.get(c)) == Some(&(r, c));
            if !owned(r, c) {
                continue;
            }
            let is_own =
                |at: (usize, usize)| owners.get(at.0).and_then(|it| it.get(at.1)) == Some(&(r, c));
            let columns = (c..width).take_while(|it| is_own((r, *it))).count();
            let spanned_rows = (r..owners.len()).take_while(|it| is_own((*it, c))).count();
            let whole = owners.iter().flatten().filter(|it| **it == (r, c)).count();
            if whole != columns * spanned_rows {
                return Err("合并的格须成矩形 merged cells must be a rectangle".to_owned());
            }
            of_row.push(TableCell {
                inlines: trimmed(inlines),
                columns: u32::try_from(columns).unwrap_or(u32::MAX),
                rows: u32::try_from(spanned_rows).unwrap_or(u32::MAX),
            });
        }
        cells.push(of_row);
    }
    Ok(cells)
}

/// Without the spaces around a cell, which only line up the template.
fn trimmed(mut inlines: Vec<Inline>) -> Vec<Inline> {
    if let Some(Inline::Text { text }) = inlines.first_mut() {
        *text = text.trim_start().to_owned();
    }
    if let Some(Inline::Text { text }) = inlines.last_mut() {
        text.truncate(text.trim_end().len());
    }
    merged(inlines)
}

// Conversions.

fn wrong(expected: &str, found: &Value) -> Failure {
    Failure::new(format!("此处应为{expected} expected, found {}", found.kind()))
}

pub(crate) fn number(value: &Value) -> Result<Number, Failure> {
    match value {
        Value::Number(it) => Ok(it.clone()),
        it => Err(wrong("数 a number", it)),
    }
}

pub(crate) fn truth(value: &Value) -> Result<(bool, Trace), Failure> {
    match value {
        Value::Truth(it, trace) => Ok((*it, trace.clone())),
        it => Err(wrong("条件 a condition", it)),
    }
}

pub(crate) fn rows(value: &Value) -> Result<Rows, Failure> {
    match value {
        Value::Rows(it) => Ok(it.clone()),
        // The rows of what is not there.
        Value::Number(it) if it.value.is_none() => Ok(Rows { missing: true, ..Rows::default() }),
        it => Err(wrong("多行 rows", it)),
    }
}

fn combined(operator: Operator, left: Value, right: Value) -> Evaluated {
    let arithmetic = matches!(
        operator,
        Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide
    );
    if !arithmetic {
        return compared(operator, &left, &right);
    }
    match (&left, &right) {
        (Value::Date(from), Value::Date(to)) if operator == Operator::Subtract => {
            let days = to.until(*from).map_or(0, |it| i64::from(it.get_days()));
            return Ok(Value::Number(Number::field(days, Field::Date)));
        }
        (Value::Date(date), Value::Number(it))
            if matches!(operator, Operator::Add | Operator::Subtract) =>
        {
            let days = it.value.filter(Exact::is_integer).map(|it| it.to_integer());
            let moved = days
                .and_then(|it| i64::try_from(it).ok())
                .and_then(|it| if operator == Operator::Add { Some(it) } else { it.checked_neg() })
                .and_then(|it| Span::new().try_days(it).ok())
                .and_then(|it| date.checked_add(it).ok());
            return moved
                .map(Value::Date)
                .ok_or_else(|| Failure::new("日期超出范围 the date is out of range"));
        }
        _ => {}
    }
    let (left, right) = (number(&left)?, number(&right)?);
    let mut trace = left.trace;
    trace.extend(right.trace);
    let (Some(a), Some(b)) = (left.value, right.value) else {
        return Ok(Value::Number(Number::computed(None, trace)));
    };
    let value = match operator {
        Operator::Add => a.checked_add(&b),
        Operator::Subtract => a.checked_sub(&b),
        Operator::Multiply => a.checked_mul(&b),
        // There is no share of nothing, and no change from nothing in per cent.
        _ if b.is_zero() => return Ok(Value::Number(Number::computed(None, trace))),
        _ => a.checked_div(&b),
    };
    let value = value.ok_or_else(too_large)?;
    Ok(Value::Number(Number::computed(Some(value), trace)))
}

fn compared(operator: Operator, left: &Value, right: &Value) -> Evaluated {
    let trace = [left, right].into_iter().flat_map(|it| match it {
        Value::Number(it) => it.trace.clone(),
        _ => vec![],
    });
    let trace: Trace = trace.collect();
    let order = match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.value, b.value) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            (None, None) => Some(Ordering::Equal),
            _ if matches!(operator, Operator::Equal | Operator::Unequal) => None,
            _ => {
                return Err(Failure::new(
                    "没有数可比 there is no figure to compare: ask with `!= none` first",
                ));
            }
        },
        (Value::Text(a), Value::Text(b)) => Some(a.text.cmp(&b.text)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        // Whether something is there can be asked of everything.
        (Value::Number(it), _) | (_, Value::Number(it))
            if it.value.is_none() && matches!(operator, Operator::Equal | Operator::Unequal) =>
        {
            None
        }
        (a, b) => {
            return Err(Failure::new(format!(
                "不能比较 cannot compare {} and {}",
                a.kind(),
                b.kind()
            )));
        }
    };
    let holds = match operator {
        Operator::Equal => order == Some(Ordering::Equal),
        Operator::Unequal => order != Some(Ordering::Equal),
        Operator::Less => order == Some(Ordering::Less),
        Operator::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Operator::Greater => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    };
    Ok(Value::Truth(holds, trace))
}
