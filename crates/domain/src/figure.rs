//! Figures: what is printed, for which days, as of which position.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::calendar::{Period, days_outside};
use crate::event::{Kind, Tally};
use crate::id::words;
use crate::issue::Opening;
use crate::planted;

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
    /// 本周: the issue's period.
    Week,
    /// The part of the period that lies in the issue's year (differs from the week at New Year only).
    WeekOfYear,
    /// 期间外: days of the year between the previous period and this one.
    Outside,
    /// 期间外 of the year before: days between the two periods that lie before New Year; in no 累计.
    OutsideEarlier,
    /// 调整: later facts about days up to the previous period's end, since its freeze.
    Adjustment,
    /// 上期累计: the year-to-date figure that the previous issue carried, or the opening figure.
    Carried,
    /// 今年以来累计: 1 January to the period's end.
    Year,
}

impl Span {
    /// All spans.
    pub const ALL: [Self; 7] = [
        Self::Week,
        Self::WeekOfYear,
        Self::Outside,
        Self::OutsideEarlier,
        Self::Adjustment,
        Self::Carried,
        Self::Year,
    ];
}

words!(Span {
    Week => "week", WeekOfYear => "week-of-year", Outside => "outside", OutsideEarlier => "outside-earlier",
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

/// A later fact about a day of an already frozen period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Position at which it took effect.
    pub position: u64,
    /// The day that it is about.
    pub day: Date,
    /// What.
    pub kind: Kind,
    /// Change of the amount, negative for a voiding.
    pub amount: i64,
    /// Change of the number of events.
    pub events: i64,
    /// Why it came late.
    pub cause: Cause,
}

/// Why a fact about a frozen period came later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It arrived after the freeze (补计).
    Late,
    /// A correction (更正).
    Correction,
    /// A voiding (撤销).
    Voiding,
    /// A release of a flagged, held or quarantined event (放行).
    Release,
}

words!(Cause {
    Late => "late", Correction => "correction", Voiding => "voiding", Release => "release",
});

/// What the figures of an issue are computed from, all as of the freeze's cut.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Definitions in force.
    pub definitions: &'a [Definition],
    /// The issue's period.
    pub period: Period,
    /// Opening figures of the hall.
    pub opening: Option<&'a Opening>,
    /// Period end and frozen figures of the previous issue.
    pub previous: Option<(Date, &'a Figures)>,
    /// Sums of counted acts; at least every day from [`first_day`] to the period's end.
    pub cells: &'a BTreeMap<TallyCell, TallyValue>,
    /// Adjustments after the previous issue's cut and up to this one's.
    pub adjustments: &'a [Adjustment],
}

/// The first day whose sums [`take`] needs: 1 January of the issue's year or an earlier start of its period or
/// of the days outside before it. `previous_last`: the last day of the previous period, or that of the opening
/// figures.
#[must_use]
pub fn first_day(period: Period, previous_last: Option<Date>) -> Date {
    let new_year = Date::constant(period.year(), 1, 1);
    let outside = days_outside(previous_last, period.first()).next();
    [Some(new_year), Some(period.first()), outside].into_iter().flatten().min().unwrap_or(new_year)
}

/// Takes the figures of one issue.
///
/// 累计 is summed on its own from the days of the year; carried, outside, week and adjustment are summed apart
/// from it, so that [`crate::reconcile::chain`] compares two independent ways to one number. Only a definition
/// that the previous issue did not have yet has nothing to carry: what it would have carried is then what the
/// days up to the previous period's end come to without the adjustments.
#[must_use]
pub fn take(source: Source<'_>) -> Figures {
    let Source { definitions, period, opening, previous, cells, adjustments } = source;
    let year = period.year();
    // Days after opening figures of an earlier year are outside all periods too.
    let previous_last = previous.map(|(last, _)| last).or(opening.map(|it| it.through));
    let counted_from = counted_from(opening, year);
    let opening = opening.filter(|it| it.through.year() == year);
    let outside: Vec<Date> = days_outside(previous_last, period.first()).collect();
    let mut figures = Figures::new();
    for definition in definitions {
        let mut add = |span, partition, part: String, value: TallyValue| {
            let key = FigureKey { definition: definition.key.clone(), span, partition, part };
            let figure = figures.entry(key).or_default();
            figure.amount = figure.amount.saturating_add(value.amount);
            figure.events = figure.events.saturating_add(value.events);
        };
        for span in Span::ALL {
            add(span, Partition::Total, String::new(), TallyValue::default());
        }
        for (cell, value) in cells.iter().filter(|(cell, _)| definition.kinds.contains(&cell.kind))
        {
            let mut split = |span| {
                add(span, Partition::Total, String::new(), *value);
                add(span, Partition::Day, cell.day.to_string(), *value);
                if matches!(span, Span::Week | Span::Year) {
                    add(span, Partition::Window, cell.window.clone(), *value);
                    add(span, Partition::Department, cell.department.clone(), *value);
                }
            };
            let of_year = cell.day.year() == year && cell.day >= counted_from;
            if period.contains(cell.day) {
                split(Span::Week);
                if of_year {
                    split(Span::WeekOfYear);
                }
            }
            if of_year && cell.day <= period.last() {
                split(Span::Year);
            }
            if outside.contains(&cell.day) {
                split(if of_year { Span::Outside } else { Span::OutsideEarlier });
            }
        }
        if let Some(opening) = opening {
            let value = TallyValue { amount: amount(definition, &opening.year_to_date), events: 0 };
            for partition in
                [Partition::Total, Partition::Day, Partition::Window, Partition::Department]
            {
                let part = if partition == Partition::Total { "" } else { OPENING_PART };
                add(Span::Year, partition, part.to_owned(), value);
            }
            if previous.is_none_or(|(last, _)| last.year() != year) {
                add(Span::Carried, Partition::Total, String::new(), value);
            }
        }
        if let Some((last, carried)) = previous.filter(|(last, _)| last.year() == year) {
            let later: Vec<&Adjustment> = adjustments
                .iter()
                .filter(|it| {
                    definition.kinds.contains(&it.kind)
                        && it.day.year() == year
                        && it.day >= counted_from
                        && it.day <= last
                })
                .collect();
            for it in &later {
                let value = TallyValue { amount: it.amount, events: it.events };
                add(Span::Adjustment, Partition::Total, String::new(), value);
                add(Span::Adjustment, Partition::Day, it.day.to_string(), value);
            }
            let key = FigureKey {
                definition: definition.key.clone(),
                span: Span::Year,
                partition: Partition::Total,
                part: String::new(),
            };
            let mut carry = |amount, events| {
                let value = TallyValue { amount, events };
                add(Span::Carried, Partition::Total, String::new(), value);
            };
            if is_new(definition, carried) || planted!(CarriedAnew) {
                for (_, value) in cells.iter().filter(|(cell, _)| {
                    definition.kinds.contains(&cell.kind)
                        && (counted_from..=last).contains(&cell.day)
                }) {
                    carry(value.amount, value.events);
                }
                for it in later.into_iter().filter(|_| !planted!(CarriedAnew)) {
                    carry(it.amount.saturating_neg(), it.events.saturating_neg());
                }
                if let Some(opening) = opening {
                    carry(amount(definition, &opening.year_to_date), 0);
                }
            } else {
                let carried = carried.get(&key).copied().unwrap_or_default();
                carry(carried.amount, carried.events);
            }
        }
    }
    figures
}

/// Whether the previous issue did not have this definition yet. An issue without any figure is not that: its
/// figures are missing.
pub(crate) fn is_new(definition: &Definition, previous: &Figures) -> bool {
    !previous.is_empty() && previous.keys().all(|it| it.definition != definition.key)
}

/// What a tally comes to by a definition.
#[must_use]
pub fn amount(definition: &Definition, tally: &Tally) -> i64 {
    definition.kinds.iter().map(|kind| tally.get(*kind)).fold(0, i64::saturating_add)
}

/// The first day whose own acts are in a year's 累计: the one after the opening figures, if they are of that year.
#[must_use]
pub fn counted_from(opening: Option<&Opening>, year: i16) -> Date {
    opening
        .filter(|it| it.through.year() == year)
        .map_or(Date::constant(year, 1, 1), |it| it.through.tomorrow().unwrap_or(it.through))
}

/// What opening figures add to a year's 累计 by a definition.
#[must_use]
pub fn opening_of_year(definition: &Definition, opening: Option<&Opening>, year: i16) -> i64 {
    opening
        .filter(|it| it.through.year() == year)
        .map_or(0, |it| amount(definition, &it.year_to_date))
}

/// The part under which opening figures stand in every partition of the year.
pub const OPENING_PART: &str = "opening";

/// Part of what a span sums: the days, and only what took effect after a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// First day.
    pub first: Date,
    /// Last day.
    pub last: Date,
    /// Only entries after this position; 0 for all.
    pub after: u64,
}

impl Reach {
    /// Whether an entry of the record at `position` about `day` is summed.
    #[must_use]
    pub fn holds(&self, day: Date, position: u64) -> bool {
        (self.first..=self.last).contains(&day) && position > self.after
    }
}

/// Where the part of a span comes from that is not summed from the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// Nowhere: there is none.
    None,
    /// The opening figures.
    Opening,
    /// The year's figure of the previous issue (上期累计).
    Previous,
}

words!(Base { None => "none", Opening => "opening", Previous => "previous" });

/// The periods that a figure stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// The issue's period.
    pub period: Period,
    /// Last day of the opening figures.
    pub opening_through: Option<Date>,
    /// Last day of the previous period, and the cut of its freeze.
    pub previous: Option<(Date, u64)>,
}

impl Between {
    /// What of the record [`take`] sums for a span, and on what base; an entry counts once, even where two parts hold
    /// it. With `carry` the year is the previous issue's and what was added since, where there is one of the year;
    /// else every day of it.
    #[must_use]
    pub fn reaches(&self, span: Span, carry: bool) -> (Base, Vec<Reach>) {
        let (first, last, year) = (self.period.first(), self.period.last(), self.period.year());
        let after = |day: Date| day.tomorrow().unwrap_or(day);
        let before = |day: Date| day.yesterday().unwrap_or(day);
        let opening = self.opening_through.filter(|it| it.year() == year);
        let new_year = Date::constant(year, 1, 1);
        let counted_from = opening.map_or(new_year, after);
        let previous = self.previous.filter(|(last, _)| last.year() == year);
        let from_outside = self.previous.map(|(last, _)| last).or(self.opening_through).map(after);
        let from_outside = from_outside.unwrap_or(first.first_of_year());
        let all = |first, last| Reach { first, last, after: 0 };
        let outside = all(from_outside.max(counted_from), before(first));
        let week = all(first.max(counted_from), last);
        let adjustment =
            previous.map(|(last, cut)| Reach { first: counted_from, last, after: cut });
        let base = if previous.is_some() {
            Base::Previous
        } else if opening.is_some() {
            Base::Opening
        } else {
            Base::None
        };
        let (base, reaches) = match span {
            Span::Week => (Base::None, vec![all(first, last)]),
            Span::WeekOfYear => (Base::None, vec![week]),
            Span::Outside => (Base::None, vec![outside]),
            Span::OutsideEarlier => {
                let until = before(first).min(before(counted_from));
                (Base::None, vec![all(from_outside, until)])
            }
            Span::Adjustment => (Base::None, adjustment.into_iter().collect()),
            Span::Carried => (base, vec![]),
            Span::Year if carry && base == Base::Previous => {
                (base, [outside, week].into_iter().chain(adjustment).collect())
            }
            Span::Year => {
                let base = if opening.is_some() { Base::Opening } else { Base::None };
                (base, vec![all(counted_from, last)])
            }
        };
        (base, reaches.into_iter().filter(|it| it.first <= it.last).collect())
    }
}
