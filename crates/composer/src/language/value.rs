//! Values of a template, each number with what it was read from.

use std::rc::Rc;

use jiff::civil::Date;
use zhoubao_domain::calendar::Period;

use super::number::Exact;
use crate::document::{Field, FigureSource, Inline};

/// What a number was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaf {
    Figure(Rc<FigureSource>),
    Field(Field),
}

/// Everything that went into a value, in the order in which it was read.
pub(crate) type Trace = Vec<Leaf>;

#[derive(Debug, Clone)]
pub(crate) struct Number {
    /// None: there is no figure (nothing to compare with, a division by zero, `/` in an import).
    pub(crate) value: Option<Exact>,
    /// As it came or as it was asked to be printed.
    pub(crate) printed: Option<String>,
    pub(crate) trace: Trace,
    /// One figure as it stands, not computed with.
    pub(crate) direct: bool,
}

impl Number {
    pub(crate) fn none() -> Self {
        Self { value: None, printed: None, trace: vec![], direct: false }
    }

    /// A number that nothing vouches for: a literal.
    pub(crate) fn literal(value: Exact) -> Self {
        Self { value: Some(value), ..Self::none() }
    }

    pub(crate) fn field(value: i64, field: Field) -> Self {
        Self {
            value: Some(Exact::from_integer(value.into())),
            trace: vec![Leaf::Field(field)],
            ..Self::none()
        }
    }

    /// A figure as it stands.
    pub(crate) fn figure(value: Option<Exact>, text: String, source: FigureSource) -> Self {
        Self {
            value,
            printed: Some(text),
            trace: vec![Leaf::Figure(Rc::new(source))],
            direct: true,
        }
    }

    pub(crate) fn computed(value: Option<Exact>, trace: Trace) -> Self {
        Self { value, printed: None, trace, direct: false }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) text: String,
    /// A name of the hall's set-up or of an import.
    pub(crate) name: bool,
}

#[derive(Debug)]
pub(crate) struct Row {
    /// What it is called: the first text of its table.
    pub(crate) label: String,
    pub(crate) fields: Vec<(String, Value)>,
    /// The submission that this row stands for, as its place in the material.
    pub(crate) submission: Option<usize>,
}

impl Row {
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(it, _)| it == name).map(|(_, value)| value)
    }

    /// The first figure of the row: it vouches for the row's existence.
    pub(crate) fn witness(&self) -> Option<Leaf> {
        self.fields.iter().find_map(|(_, value)| match value {
            Value::Number(it) => it.trace.first().cloned(),
            _ => None,
        })
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Rc<Row>>,
    /// The table is not there: sums and counts over it are no figures.
    pub(crate) missing: bool,
    /// What decided which rows are in.
    pub(crate) trace: Trace,
    /// Of an import: whose it is and for which days.
    pub(crate) origin: Option<(String, Period)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Number(Number),
    Text(Text),
    Date(Date),
    Period(Period),
    Truth(bool, Trace),
    Row(Rc<Row>),
    Rows(Rows),
    /// Only to be printed.
    Inlines(Vec<Inline>),
}

impl Value {
    pub(crate) fn none() -> Self {
        Self::Number(Number::none())
    }

    pub(crate) fn name(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), name: true })
    }

    pub(crate) fn words(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), name: false })
    }

    /// What it is, for an error.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "数 a number",
            Self::Text(_) => "文字 a text",
            Self::Date(_) => "日期 a date",
            Self::Period(_) => "数据期 a period",
            Self::Truth(..) => "真假 true or false",
            Self::Row(_) => "一行 a row",
            Self::Rows(_) => "多行 rows",
            Self::Inlines(_) => "现成的文字 finished text",
        }
    }
}
