//! The working calendar: which days a hall works, and which period an issue covers.
//!
//! The days come from the yearly holiday notice of the State Council's General Office
//! (国务院办公厅), which names the days off and the weekend days that work instead (调休). Nothing
//! about a year can be told before its notice is out, so a question that touches a year without a
//! [`Schedule`] is refused with [`NoSchedule`], and never answered by weekday alone.
//!
//! Two kinds of rules live here. *Days*: [`Calendar::is_working`] and the statutory clocks on top
//! of it ([`Calendar::add_working_days`]). *Periods* (design §2, 期 and 期间外): each week from
//! Monday to Sunday that has at least one working Monday to Friday earns one issue, whose period
//! runs from the first to the last of these days. Make-up weekend days work, but they belong to no
//! period: they are [`days_outside`], listed by day in the next issue.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::fmt;
use std::iter::successors;
use std::ops::RangeInclusive;

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

use crate::code::Code;

/// Longest period of an issue, in days: two months. A longer one is a typing error in a date.
pub const PERIOD_DAYS_MAX: usize = 62;

/// Years a schedule can be for. Four digits, so that a missing year (0) or `23` for 2023 is
/// refused, and one year short of the last date there is, so that a calendar always ends before
/// dates do.
const SCHEDULE_YEARS: RangeInclusive<i16> = 1000..=9998;

/// A day that a holiday notice names, with the holiday that it belongs to (元旦, 春节, …).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedDay {
    /// The day, in Asia/Shanghai.
    pub date: Date,
    /// Name of the holiday, for people. No rule reads it.
    pub name: String,
}

/// The holiday notice of one year: its days off and its weekend days that work.
///
/// Invariant, held by [`Schedule::new`]: the days are of [`Schedule::year`], each is listed once,
/// days that work are Saturdays or Sundays, there is at least one day off, and the notice is named.
/// Days are kept in order of date, so two schedules that say the same are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    year: i16,
    notice: String,
    off: Vec<NamedDay>,
    work: Vec<NamedDay>,
}

/// A malformed schedule. It is refused as a whole, before anything counts by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The year has not four digits; 0 is what a missing field reads as.
    #[error("{year} is not a year of a holiday calendar, expected four digits such as 2023")]
    YearOutOfRange {
        /// The year as given.
        year: i16,
    },
    /// The notice is empty or blank.
    #[error("the holiday calendar of {year} does not say which notice it comes from")]
    EmptyNotice {
        /// Year of the schedule.
        year: i16,
    },
    /// No day is off. Every year has holidays, so this is not the file of a year.
    #[error("the holiday calendar of {year} lists no day off")]
    NoDaysOff {
        /// Year of the schedule.
        year: i16,
    },
    /// A day of another year. A notice may name one (2022-12-31 is in the notice for 2023), but it
    /// is listed by its date.
    #[error("{date} is not a day of {year}: list it in the holiday calendar of its own year")]
    DateOfAnotherYear {
        /// Year of the schedule.
        year: i16,
        /// The stray day.
        date: Date,
    },
    /// A day that is listed twice, or both as off and as working.
    #[error("{date} is listed twice: a day is either off or working, once")]
    ListedTwice {
        /// The repeated day.
        date: Date,
    },
    /// A working day that is a Monday to Friday. These work anyhow, so the date is wrong.
    #[error("{date} is not a Saturday or Sunday, so it cannot be a make-up working day")]
    WorkOnWeekday {
        /// The day that cannot be a make-up day.
        date: Date,
    },
}

impl ScheduleError {
    /// Stable code of every malformed schedule.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::Schedule
    }
}

impl Schedule {
    /// Makes the schedule of one year from the days that the holiday notice names, in any order.
    ///
    /// `notice` is the provenance: number and date of the notice of the General Office of the State
    /// Council.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`], one variant for each way a schedule can be malformed.
    pub fn new(
        year: i16,
        notice: String,
        mut off: Vec<NamedDay>,
        mut work: Vec<NamedDay>,
    ) -> Result<Self, ScheduleError> {
        if !SCHEDULE_YEARS.contains(&year) {
            return Err(ScheduleError::YearOutOfRange { year });
        }
        if notice.trim().is_empty() {
            return Err(ScheduleError::EmptyNotice { year });
        }
        if off.is_empty() {
            return Err(ScheduleError::NoDaysOff { year });
        }
        let mut listed = BTreeSet::new();
        for &NamedDay { date, .. } in off.iter().chain(&work) {
            if date.year() != year {
                return Err(ScheduleError::DateOfAnotherYear { year, date });
            }
            if !listed.insert(date) {
                return Err(ScheduleError::ListedTwice { date });
            }
        }
        if let Some(day) = work.iter().find(|day| is_weekday(day.date)) {
            return Err(ScheduleError::WorkOnWeekday { date: day.date });
        }
        off.sort();
        work.sort();
        Ok(Self { year, notice, off, work })
    }

    /// The year whose days this schedule decides.
    pub fn year(&self) -> i16 {
        self.year
    }

    /// Provenance: the notice that the days come from.
    pub fn notice(&self) -> &str {
        &self.notice
    }

    /// Days off, in order. Weekend days inside a holiday are among them.
    pub fn off(&self) -> &[NamedDay] {
        &self.off
    }

    /// Saturdays and Sundays that work (调休上班), in order.
    pub fn work(&self) -> &[NamedDay] {
        &self.work
    }

    /// Says whether a day of this year works.
    fn is_working(&self, date: Date) -> bool {
        let lists = |days: &[NamedDay]| days.binary_search_by_key(&date, |day| day.date).is_ok();
        if is_weekday(date) { !lists(&self.off) } else { lists(&self.work) }
    }
}

/// A question about a year whose holiday schedule is not there. It is never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no working calendar for {year}: \
     publish the calendar of that year from the State Council's holiday notice, then try again"
)]
pub struct NoSchedule {
    /// The year that is missing.
    pub year: i16,
}

impl NoSchedule {
    /// Stable code of a missing calendar.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::NoSchedule
    }
}

/// The schedules that a hall has published, one a year.
///
/// Every question is answered only from the schedules of the years that it touches; see
/// [`NoSchedule`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    by_year: BTreeMap<i16, Schedule>,
}

impl Calendar {
    /// Adds the schedule of a year and returns the one it replaces.
    ///
    /// A year is replaced when its notice is amended (the Spring Festival of 2020 was prolonged in
    /// this way), or when the notice of the next year names days of its December (31 December 2018,
    /// a Monday, was off by the notice for 2019).
    pub fn insert(&mut self, schedule: Schedule) -> Option<Schedule> {
        self.by_year.insert(schedule.year, schedule)
    }

    /// The schedule of a year.
    ///
    /// # Errors
    ///
    /// [`NoSchedule`] if none was published.
    pub fn schedule(&self, year: i16) -> Result<&Schedule, NoSchedule> {
        self.by_year.get(&year).ok_or(NoSchedule { year })
    }

    /// Iterates over the schedules in order of year.
    pub fn iter(&self) -> btree_map::Values<'_, i16, Schedule> {
        self.by_year.values()
    }

    /// Says whether the hall works on `date`: Monday to Friday unless off, Saturday and Sunday only
    /// if made up for.
    ///
    /// # Errors
    ///
    /// [`NoSchedule`] if the year of `date` has no schedule, for weekends too.
    pub fn is_working(&self, date: Date) -> Result<bool, NoSchedule> {
        Ok(self.schedule(date.year())?.is_working(date))
    }

    /// Lists the working days of a range, make-up weekend days included. An empty range has none.
    ///
    /// # Errors
    ///
    /// [`NoSchedule`] if a year that the range touches has no schedule.
    pub fn working_days(&self, range: RangeInclusive<Date>) -> Result<Vec<Date>, NoSchedule> {
        let mut working = Vec::new();
        for date in dates(*range.start(), *range.end()) {
            if self.is_working(date)? {
                working.push(date);
            }
        }
        Ok(working)
    }

    /// The first working day after `date`, make-up weekend days included.
    ///
    /// # Errors
    ///
    /// [`NoSchedule`] if a year between the day after `date` and the answer has no schedule.
    pub fn next_working_day(&self, date: Date) -> Result<Date, NoSchedule> {
        let mut day = day_after(date)?;
        while !self.is_working(day)? {
            day = day_after(day)?;
        }
        Ok(day)
    }

    /// The last day of a statutory clock of `n` working days that starts by what happened on
    /// `date`.
    ///
    /// The day itself does not count, whether it works or not; the first working day after it is
    /// the first of the clock. With `n` = 0 the answer is `date`.
    ///
    /// # Errors
    ///
    /// [`NoSchedule`] if the clock runs into a year without a schedule.
    pub fn add_working_days(&self, date: Date, n: u32) -> Result<Date, NoSchedule> {
        (0..n).try_fold(date, |day, _| self.next_working_day(day))
    }

    /// The default period of the week (Monday to Sunday) that `date` lies in; none if no Monday to
    /// Friday of it works.
    ///
    /// # Errors
    ///
    /// [`NoSchedule`] if a Monday to Friday of the week is of a year without a schedule. A week
    /// around New Year needs both years only if both have such a day in it: Saturday and Sunday
    /// never belong to a period.
    pub fn default_period_of_week(&self, date: Date) -> Result<Option<Period>, NoSchedule> {
        let mut period = None;
        for day in weekdays_of_week(week_monday(date)) {
            if self.is_working(day)? {
                let first = period.map_or(day, |period: Period| period.first);
                period = Some(Period { first, last: day });
            }
        }
        Ok(period)
    }

    /// The first default period whose first day is after `after`. Weeks without a working Monday to
    /// Friday are skipped.
    ///
    /// # Errors
    ///
    /// [`NoSchedule`] if a week that has to be looked at has a Monday to Friday in a year without a
    /// schedule.
    pub fn next_default_period(&self, after: Date) -> Result<Period, NoSchedule> {
        let earliest = day_after(after)?;
        // A week with nothing left of it but Saturday and Sunday cannot answer, and must not ask
        // for its year.
        let mut monday = match earliest.weekday() {
            Weekday::Saturday | Weekday::Sunday => next_monday(earliest),
            _ => week_monday(earliest),
        };
        // Ends where the schedules end at the latest.
        loop {
            match self.default_period_of_week(monday)? {
                Some(period) if period.first > after => return Ok(period),
                _ => monday = next_monday(monday),
            }
        }
    }

    /// All default periods of `year` in order. The k-th is that of 第k期, as long as the desk sets no
    /// other period.
    ///
    /// The year of a period is the year of its last day, so the first may begin in the December
    /// before.
    ///
    /// # Errors
    ///
    /// [`NoSchedule`] if `year` has no schedule, or if a neighbour has none that shares a week with
    /// a working Monday to Friday of `year`. So the list of 2026 cannot be made before the schedule
    /// of 2027 is there: Friday 1 January 2027 decides where the last period ends. Use
    /// [`Calendar::next_default_period`] to go on week by week until then.
    pub fn default_periods(&self, year: i16) -> Result<Vec<Period>, NoSchedule> {
        let schedule = self.schedule(year)?;
        let new_year = Date::new(year, 1, 1).map_err(|_| NoSchedule { year })?;
        let mut periods = Vec::new();
        let mut monday = week_monday(new_year);
        while monday.year() <= year {
            // A week in which no day of this year works cannot end in it, so its other year is not
            // asked for.
            let works_in_year =
                weekdays_of_week(monday).any(|day| day.year() == year && schedule.is_working(day));
            if works_in_year {
                let period = self.default_period_of_week(monday)?;
                periods.extend(period.filter(|period| period.year() == year));
            }
            monday = next_monday(monday);
        }
        Ok(periods)
    }
}

impl FromIterator<Schedule> for Calendar {
    /// Of two schedules of one year the later in the sequence stays.
    fn from_iter<I: IntoIterator<Item = Schedule>>(schedules: I) -> Self {
        let by_year = schedules.into_iter().map(|schedule| (schedule.year, schedule)).collect();
        Self { by_year }
    }
}

/// The days that an issue covers, first and last included, written `2023-02-06..2023-02-10`.
///
/// Invariant: 1 to [`PERIOD_DAYS_MAX`] days, or as many as [`Period::of_figures`] allows for what
/// is imported. The default period of a week is a proposal of the [`Calendar`]; the desk may set
/// another one, so a period need not end on working days nor lie within one week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    first: Date,
    last: Date,
}

/// Two days that do not make a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    /// The last day is before the first.
    #[error("a period cannot end on {last}, before it begins on {first}")]
    Reversed {
        /// First day as given.
        first: Date,
        /// Last day as given.
        last: Date,
    },
    /// More than [`PERIOD_DAYS_MAX`] days.
    #[error(
        "{first} to {last} is longer than {PERIOD_DAYS_MAX} days, the most that one issue covers"
    )]
    TooLong {
        /// First day as given.
        first: Date,
        /// Last day as given.
        last: Date,
    },
}

impl PeriodError {
    /// Stable code of every malformed period: that of an impossible value.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::Malformed
    }
}

impl Period {
    /// Makes the period from `first` to `last`, both included.
    ///
    /// # Errors
    ///
    /// [`PeriodError`] if `last` is before `first` or the period has more than [`PERIOD_DAYS_MAX`]
    /// days.
    pub fn new(first: Date, last: Date) -> Result<Self, PeriodError> {
        let period = Self::of_figures(first, last)?;
        if dates(first, last).nth(PERIOD_DAYS_MAX).is_some() {
            return Err(PeriodError::TooLong { first, last });
        }
        Ok(period)
    }

    /// Makes the period that figures from outside cover, both days included: a year to date is
    /// longer than any issue.
    ///
    /// # Errors
    ///
    /// [`PeriodError::Reversed`] if `last` is before `first`.
    pub fn of_figures(first: Date, last: Date) -> Result<Self, PeriodError> {
        if last < first {
            return Err(PeriodError::Reversed { first, last });
        }
        Ok(Self { first, last })
    }

    /// Whether an issue of this period tells what is of `day` and was recorded at `position`: what is of a day after
    /// the issue before (a day between the periods included), and what was recorded after its cut, even where it is
    /// of an earlier day.
    ///
    /// `previous`: last day and cut of the issue before; without one, what is of the period itself is told.
    #[must_use]
    pub fn tells(&self, previous: Option<(Date, u64)>, day: Date, position: u64) -> bool {
        let is_new = match previous {
            Some((last, cut)) => day > last || position > cut,
            None => day >= self.first,
        };
        is_new && day <= self.last
    }

    /// Whether this is one whole month of the calendar.
    fn is_month(&self) -> bool {
        self.first.first_of_month() == self.first && self.first.last_of_month() == self.last
    }

    /// The period `n` before this one, for comparisons: of a whole month the `n`th month before, of
    /// up to seven days the same days `n` weeks before, of any other the days right before, as many
    /// as it has. None before there are dates.
    pub fn before(&self, n: u32) -> Option<Self> {
        if self.is_month() {
            let back = jiff::Span::new().try_months(n).ok()?;
            let month = self.first.checked_sub(back).ok()?;
            return Some(Self { first: month, last: month.last_of_month() });
        }
        let length = self.length();
        let step = if length <= 7 { 7 } else { length };
        let back = jiff::Span::new().try_days(step.checked_mul(n.into())?).ok()?;
        let (first, last) = (self.first.checked_sub(back).ok()?, self.last.checked_sub(back).ok()?);
        Some(Self { first, last })
    }

    /// The same period a year before (同期): of up to seven days the same days of the week 52 weeks
    /// before, of any other the same dates, the last day of a month staying that.
    pub fn a_year_before(&self) -> Option<Self> {
        if self.length() <= 7 {
            return self.before(52);
        }
        let first = self.first.checked_sub(1.year()).ok()?;
        let last = self.last.checked_sub(1.year()).ok()?;
        let ends_a_month = self.last.last_of_month() == self.last;
        Some(Self { first, last: if ends_a_month { last.last_of_month() } else { last } })
    }

    /// First day of the period.
    pub fn first(&self) -> Date {
        self.first
    }

    /// Last day of the period.
    pub fn last(&self) -> Date {
        self.last
    }

    /// The year that the issue is numbered in: that of the last day, whenever the issue is signed
    /// (design §2, 期).
    pub fn year(&self) -> i16 {
        self.last.year()
    }

    /// Says whether `date` lies in the period.
    pub fn contains(&self, date: Date) -> bool {
        self.first <= date && date <= self.last
    }

    /// Number of days of the period, first and last included.
    pub fn length(&self) -> i64 {
        // Two dates are never too far apart.
        self.first.until(self.last).map_or(0, |it| i64::from(it.get_days())) + 1
    }

    /// Iterates over all days of the period, working or not.
    pub fn days(&self) -> impl Iterator<Item = Date> + use<> {
        dates(self.first, self.last)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

/// The days strictly between the end of the previous period and the start of the next (期间外), in
/// order.
///
/// Without a previous period of the hall they begin on 1 January of the year of `next_first`. None
/// if the periods touch or overlap. Across New Year the days of both years are listed: only those
/// of the year of `next_first` belong to its 累计 (今年以来).
pub fn days_outside(
    previous_last: Option<Date>,
    next_first: Date,
) -> impl Iterator<Item = Date> + use<> {
    let first = match previous_last {
        Some(last) => last.tomorrow().ok(),
        None => Some(next_first.first_of_year()),
    };
    days_from(first).take_while(move |day| *day < next_first)
}

/// The Monday of the week, Monday to Sunday, that `date` lies in.
pub fn week_monday(date: Date) -> Date {
    date.saturating_sub(date.weekday().to_monday_zero_offset().days())
}

fn next_monday(date: Date) -> Date {
    week_monday(date).saturating_add(7.days())
}

fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn weekdays_of_week(monday: Date) -> impl Iterator<Item = Date> + use<> {
    dates(monday, monday.saturating_add(4.days()))
}

/// The next day; the day after the last date there is lies in a year that has no schedule.
fn day_after(date: Date) -> Result<Date, NoSchedule> {
    date.tomorrow().map_err(|_| NoSchedule { year: date.year() + 1 })
}

fn dates(first: Date, last: Date) -> impl Iterator<Item = Date> + use<> {
    days_from(Some(first)).take_while(move |day| *day <= last)
}

fn days_from(first: Option<Date>) -> impl Iterator<Item = Date> + use<> {
    successors(first, |day| day.tomorrow().ok())
}
