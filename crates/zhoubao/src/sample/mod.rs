//! The sample hall: what `zhoubao demo`, the tests and the benchmarks run on.
//!
//! Five weeks of one hall, from its set-up and opening figures on 30 December 2022 to the issue of 6 to 10 February
//! 2023. News, inspections, imports and totals are files under `data/sample`; what the windows record is made from
//! the totals and a seed ([`Sample::acts`]). Nothing here asks a clock, reads a disk or draws a true random number:
//! the same program and seed make the same events.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sample = zhoubao::sample::Sample::load()?;
//! let events = sample.acts(1)?;
//! assert!(events.is_sorted_by_key(|it| it.occurred_at));
//! # Ok(())
//! # }
//! ```
//!
//! Append in this order: `setup` (by `people.administrator`), `opening`, `authorizations`, then week by week the
//! windows' events and the entries of the desk.
//!
//! Read [`Sample`] first, then [`acts()`].

mod acts;
mod bulk;
mod files;
mod random;
#[cfg(test)]
mod tests;

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use zhoubao_domain::calendar::{Calendar, Period};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, InspectionResult, Tally};
use zhoubao_domain::id::{Digest, HallCode, ObjectId, SetupTopic, Stream, UserId};
use zhoubao_domain::issue::Opening;
use zhoubao_domain::time::hall_zone;

pub use acts::{Client, Desk, Load, Plan, SpreadError, TerminalEvent, acts};
pub use bulk::Bulk;

/// The sample hall with everything that its people enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The hall's code.
    pub hall: HallCode,
    /// When the hall began to use the product: the set-up is entered from here on.
    pub began_at: Timestamp,
    /// Set-up in an order that makes sense: each entry finds what it names, and people come last.
    pub setup: Vec<(SetupTopic, ObjectId, Event)>,
    /// Figures and numbers from before.
    pub opening: Opening,
    /// The authorizations of all departments, in force from the first day of 2023.
    pub authorizations: Vec<Entry>,
    /// The weeks, ascending.
    pub weeks: Vec<Week>,
    /// Why the editor accepts what the checks find, by code; what is not here keeps an issue from being signed.
    pub accepted: Vec<(Code, String)>,
    /// Who does what in the hall.
    pub people: People,
    /// The windows' devices and who sits at them.
    pub desks: Vec<Desk>,
    /// The authorised departments.
    pub departments: Vec<Client>,
    /// The working calendar of the years in the set-up.
    pub calendar: Calendar,
}

/// Work numbers of the people of the hall, other than clerks and representatives of departments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct People {
    /// Keeps the set-up and enters the opening figures.
    pub administrator: UserId,
    /// The office: records authorizations.
    pub office: UserId,
    /// Drafts the issues and imports figures.
    pub editor: UserId,
    /// Signs the issues off.
    pub leader: UserId,
    /// Holds the rounds.
    pub inspector: UserId,
    /// Corrects, enters late and releases.
    pub reviser: UserId,
}

/// One week, which makes one issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Week {
    /// The issue.
    pub issue: ObjectId,
    /// Its period, the default one of the calendar.
    pub period: Period,
    /// What the windows do in the period.
    pub tally: Tally,
    /// Days before the period that belong to no issue (期间外), with what the windows do on them.
    pub outside: Vec<(Date, Tally)>,
    /// Changes of authorization in the week.
    pub authorizations: Vec<Entry>,
    /// News, in the order in which it is adopted.
    pub submissions: Vec<Entry>,
    /// The inspection round.
    pub inspection: Round,
    /// The import of the platform's figures, up to the period's last day.
    pub statistics: Entry,
    /// The date of the masthead.
    pub issued_on: Date,
}

/// An event that does not come from a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it belongs.
    pub stream: Stream,
    /// When it is entered.
    pub occurred_at: Timestamp,
    /// By whom.
    pub actor: UserId,
    /// What it says.
    pub event: Event,
}

impl Entry {
    /// The id of a submission, an inspection or an import.
    #[must_use]
    pub fn desk_id(&self) -> Option<&ObjectId> {
        match &self.stream {
            Stream::Desk(_, id) => Some(id),
            _ => None,
        }
    }
}

/// An inspection round. It names the checklist by the digest of its event, which only the journal knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Where it belongs.
    pub stream: Stream,
    /// When it is entered.
    pub occurred_at: Timestamp,
    /// The inspector.
    pub actor: UserId,
    /// The day of the round.
    pub day: Date,
    /// One for each item of the checklist.
    pub results: Vec<InspectionResult>,
}

impl Round {
    /// The round over the checklist whose event's body has this digest.
    #[must_use]
    pub fn entry(&self, checklist: Digest) -> Entry {
        let results = self.results.clone();
        Entry {
            stream: self.stream.clone(),
            occurred_at: self.occurred_at,
            actor: self.actor.clone(),
            event: Event::InspectionHeld { day: self.day, checklist, results },
        }
    }
}

/// A file of the sample that this program cannot read: a fault of the program itself.
#[derive(Debug, thiserror::Error)]
#[error("the built-in file `{file}` cannot be read")]
pub struct SampleError {
    file: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Sample {
    /// Reads the sample that is built into the program.
    ///
    /// # Errors
    ///
    /// [`SampleError`] where a built-in file is wrong; the tests hold that none is.
    pub fn load() -> Result<Self, SampleError> {
        files::load()
    }

    /// The totals of all weeks and of the days outside, by time.
    #[must_use]
    pub fn loads(&self) -> Vec<Load> {
        self.weeks.iter().flat_map(|week| self.loads_of(week)).collect()
    }

    /// The totals of one week: the days outside before it, one by one, then its working days.
    #[must_use]
    pub fn loads_of(&self, week: &Week) -> Vec<Load> {
        let outside =
            week.outside.iter().map(|(day, tally)| Load { days: vec![*day], tally: *tally });
        // A year without a calendar has no working days; `acts` then refuses the totals.
        let range = week.period.first()..=week.period.last();
        let days = self.calendar.working_days(range).unwrap_or_default();
        outside.chain([Load { days, tally: week.tally }]).collect()
    }

    /// What the windows record in all weeks, day closes included; see [`acts()`].
    ///
    /// # Errors
    ///
    /// None for the built-in sample; [`SpreadError`] where its public fields were changed to something impossible.
    pub fn acts(&self, seed: u64) -> Result<Vec<TerminalEvent>, SpreadError> {
        acts(&Plan {
            hall: &self.hall,
            loads: &self.loads(),
            desks: &self.desks,
            departments: &self.departments,
            seed,
        })
    }

    /// Makes `count` acts over the working days of 2023; see [`bulk()`].
    #[must_use]
    pub fn bulk(&self, count: u64, seed: u64) -> Bulk {
        let year = date(2023, 1, 1)..=date(2023, 12, 31);
        self.bulk_on(self.calendar.working_days(year).unwrap_or_default(), count, seed)
    }

    /// Makes `count` acts over these days, which ascend; see [`bulk()`].
    #[must_use]
    pub fn bulk_on(&self, days: Vec<Date>, count: u64, seed: u64) -> Bulk {
        let opens = |day: Date| hall_zone().to_timestamp(day.at(9, 0, 0, 0)).ok();
        let days: Vec<_> = days.into_iter().filter_map(|day| Some((day, opens(day)?))).collect();
        let nowhere = days.is_empty() || self.desks.is_empty() || self.departments.is_empty();
        Bulk {
            hall: self.hall.clone(),
            desks: self.desks.clone(),
            departments: self.departments.clone(),
            days,
            count: if nowhere { 0 } else { count },
            seed,
            block: bulk::block(count),
            next: 0,
        }
    }
}

/// Makes `count` acts for measurements: in order of time, over all working days of 2023, on the sample's windows and
/// for its departments.
///
/// Of five acts one accepts a new case: 200,000 cases a million. Day closes are not among them. All acts of one case
/// lie on one terminal, so terminals may be appended in any order or at the same time and every act still counts.
/// Nothing is kept between acts, however many there are.
///
/// # Errors
///
/// [`SampleError`] as for [`Sample::load`].
pub fn bulk(count: u64, seed: u64) -> Result<Bulk, SampleError> {
    Ok(Sample::load()?.bulk(count, seed))
}

/// `at` and so many minutes more; the same instant where that is out of range.
fn minutes_after(at: Timestamp, minutes: usize) -> Timestamp {
    let minutes = i64::try_from(minutes).unwrap_or(0);
    at.checked_add(SignedDuration::from_mins(minutes)).unwrap_or(at)
}
