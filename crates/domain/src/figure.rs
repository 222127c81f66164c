//! Figures: what is printed, for which days, as of which position.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::event::Kind;
use crate::id::words;

/// The definition of a printed figure. Definitions are data of the hall, versioned by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Key in templates and rows: `consulted`.
    pub key: String,
    /// Word of print: 咨询.
    pub title: String,
    /// Unit of print: 人次.
    pub unit: String,
    /// What is counted, in one sentence, for whoever asks what the number means.
    pub meaning: String,
    /// The kinds whose amounts are added.
    pub kinds: Vec<Kind>,
}

/// The span of a frozen figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// 本周: the period.
    Week,
    /// The part of the period that lies in the year (differs from the week at New Year only).
    WeekOfYear,
    /// 期间外: days of the year between the previous period and this one.
    Outside,
    /// 调整: later facts about days up to the previous period's end, since its freeze.
    Adjustment,
    /// 上期累计: the year-to-date figure that the previous issue carried, or the opening figure.
    Carried,
    /// 今年以来累计: 1 January to the period's end.
    Year,
}

words!(Span {
    Week => "week", WeekOfYear => "week-of-year", Outside => "outside",
    Adjustment => "adjustment", Carried => "carried", Year => "year",
});

/// Along what a figure is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// Not split.
    Total,
    /// By day; the key is the date, or `opening`.
    Day,
    /// By window.
    Window,
    /// By department; an act without one is under `-`.
    Department,
}

words!(Partition {
    Total => "total", Day => "day", Window => "window", Department => "department",
});

/// The key of one frozen figure of an issue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FigureKey {
    /// The definition's key.
    pub definition: String,
    /// For which days.
    pub span: Span,
    /// Along what.
    pub partition: Partition,
    /// The part; empty for [`Partition::Total`].
    pub part: String,
}

/// A frozen figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figure {
    /// The amount in the definition's unit.
    pub amount: i64,
    /// Number of events that it sums; 0 for carried and opening parts.
    pub events: i64,
}

/// All frozen figures of one issue.
pub type Figures = BTreeMap<FigureKey, Figure>;

/// A sum of counted acts of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TallyCell {
    /// The day on which they happened.
    pub day: Date,
    /// The window.
    pub window: String,
    /// The department, `-` for none.
    pub department: String,
    /// What.
    pub kind: Kind,
}

/// Amount and number of events of a [`TallyCell`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TallyValue {
    /// Sum of the amounts.
    pub amount: i64,
    /// Number of events (a voiding takes one away).
    pub events: i64,
}
