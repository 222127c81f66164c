//! What must come out, told a second time: plain loops over what people did, in the order of the journal.
//!
//! Nothing here calls the fold, the counting rules, the contract or the calendar of the product. Of a message the
//! oracle knows only what its writer meant ([`Truth`]); of the journal only the order and the time of taking.

use std::collections::{BTreeMap, HashMap};

use zhoubao_domain::event::Kind;

/// Microseconds since 1970.
pub type Micros = i64;

/// Days since 1970, in the hall's time zone.
pub type Day = i64;

/// The hall's day at a moment: eight hours east of Greenwich.
#[must_use]
pub fn day_of(at: Micros) -> Day {
    (at + 8 * 3_600_000_000).div_euclid(86_400_000_000)
}

/// The day of a civil date (Howard Hinnant, "chrono-compatible low-level date algorithms").
#[must_use]
pub fn day_of_date(year: i64, month: i64, day: i64) -> Day {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The writer of a line and the number in it.
pub type Name = (String, u64);

/// What a message meant when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// Line and number.
    pub name: Name,
    /// The content before it in the line, none where the writer named none.
    pub previous: Option<String>,
    /// Whether its bytes are what its writer made of them.
    pub sound: bool,
    /// When it truly happened, as far as its device can know.
    pub at: Micros,
    /// What its device's clock said, where nobody had measured it.
    pub unsure_at: Option<Micros>,
    /// The window, of a terminal in service.
    pub window: Option<String>,
    /// Whether its writer may correct everything.
    pub may_correct: bool,
    /// What was done.
    pub deed: Deed,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// A consultation, an acceptance, a hand-out, a handing on.
    Act(Act),
    /// A day was closed.
    Close(Day),
    /// An act was put right.
    Correct {
        /// Which.
        original: Name,
        /// The true number of people.
        people: Option<i64>,
        /// The true department.
        department: Option<String>,
        /// The true time.
        at: Option<Micros>,
    },
    /// An act was taken back.
    Void(Name),
    /// Bytes that nobody can read.
    Garbage,
    /// The office let a flagged act count.
    Release(Name),
    /// The office rejected one.
    Reject(Name),
    /// A department may take cases from a day on, or not any more.
    Authorize(String, Day, bool),
    /// The figures of an issue were fixed.
    Freeze {
        /// The issue.
        issue: String,
        /// First day of its period.
        first: Day,
        /// Last day.
        last: Day,
        /// First of January of its year.
        new_year: Day,
        /// Up to this position.
        cut: u64,
    },
    /// Something of the office that counts and changes no figure.
    Other,
}

/// An act of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Which of the four.
    pub kind: Kind,
    /// How many.
    pub amount: i64,
    /// The department, empty for none.
    pub department: String,
    /// The case, empty for none.
    pub case: String,
}

/// What became of everything, and the sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages.
    pub stored: u64,
    /// That took effect.
    pub counted: u64,
    /// That count nothing until somebody looks.
    pub flagged: u64,
    /// That are not to be trusted.
    pub quarantined: u64,
    /// That wait for others.
    pub held: u64,
    /// That came again.
    pub repeated: u64,
}

/// Day, window, department, kind.
pub type Cell = (Day, String, String, Kind);

/// One change of one sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Position from which it holds.
    pub at: u64,
    /// The sum.
    pub cell: Cell,
    /// Change of the amount.
    pub amount: i64,
    /// Change of the number of events.
    pub events: i64,
}

/// An issue's totals of one kind: amount and events.
pub type Sum = (i64, i64);

/// The totals of a frozen issue, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frozen {
    /// Last day of its period.
    pub last: Day,
    /// Its cut.
    pub cut: u64,
    /// First of January of its year.
    pub new_year: Day,
    /// The period.
    pub week: BTreeMap<Kind, Sum>,
    /// The part of the period in its year.
    pub week_of_year: BTreeMap<Kind, Sum>,
    /// Days between the periods.
    pub outside: BTreeMap<Kind, Sum>,
    /// Later facts about earlier periods.
    pub adjustment: BTreeMap<Kind, Sum>,
    /// What the issue before came to.
    pub carried: BTreeMap<Kind, Sum>,
    /// The year.
    pub year: BTreeMap<Kind, Sum>,
    /// The period by window.
    pub by_window: BTreeMap<(Kind, String), Sum>,
}

#[derive(Debug, Clone, Default)]
struct Line {
    taken: Vec<String>,
    held: BTreeMap<u64, Vec<(String, Micros)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Counts,
    Flagged,
    Void,
}

#[derive(Debug, Clone)]
struct Effect {
    window: Option<String>,
    first_at: Micros,
    first_act: Act,
    at: Micros,
    act: Act,
    standing: Standing,
    /// It counts nothing because nobody had measured the clock, and its own line may say when it was.
    in_doubt: bool,
}

#[derive(Debug, Clone, Default)]
struct Case {
    accepted: Option<Name>,
    issued: Option<Name>,
}

/// The whole hall up to a position.
#[derive(Debug, Clone, Default)]
pub struct Oracle {
    /// The last position that was told.
    pub position: u64,
    /// What became of everything.
    pub counts: Counts,
    /// All changes of sums.
    pub entries: Vec<Entry>,
    /// The sums.
    pub cells: BTreeMap<Cell, Sum>,
    /// Adjustments of frozen periods: position, day, kind, amount, events.
    pub adjustments: Vec<(u64, Day, Kind, i64, i64)>,
    /// Frozen issues.
    pub frozen: BTreeMap<String, Frozen>,
    lines: BTreeMap<String, Line>,
    effects: HashMap<Name, Effect>,
    cases: HashMap<String, Case>,
    register: HashMap<String, Vec<(Day, bool)>>,
}

impl Oracle {
    /// Last numbers of all lines.
    #[must_use]
    pub fn heads(&self) -> BTreeMap<&str, u64> {
        let lines = self.lines.iter().filter(|(_, line)| !line.taken.is_empty());
        lines.map(|(name, line)| (name.as_str(), line.taken.len() as u64)).collect()
    }

    /// The sums as they were at a position.
    #[must_use]
    pub fn cells_at(&self, cut: u64) -> BTreeMap<Cell, Sum> {
        let mut cells: BTreeMap<Cell, Sum> = BTreeMap::new();
        for it in self.entries.iter().filter(|it| it.at <= cut) {
            let sum = cells.entry(it.cell.clone()).or_default();
            sum.0 += it.amount;
            sum.1 += it.events;
        }
        cells.retain(|_, it| *it != (0, 0));
        cells
    }

    /// Acts that are flagged now.
    #[must_use]
    pub fn flagged(&self) -> Vec<Name> {
        let mut names: Vec<_> = self
            .effects
            .iter()
            .filter(|(_, it)| it.standing == Standing::Flagged)
            .map(|(name, _)| name.clone())
            .collect();
        names.sort();
        names
    }

    /// Tells the next message of the journal: its content, what it meant, and when the journal took it.
    pub fn tell(&mut self, content: &str, truths: &HashMap<String, Truth>, taken_at: Micros) {
        self.position += 1;
        self.counts.stored += 1;
        let Some(truth) = truths.get(content) else {
            self.counts.quarantined += 1;
            return;
        };
        let at = self.position;
        let (name, number) = &truth.name;
        let line = self.lines.entry(name.clone()).or_default();
        let head = line.taken.len() as u64;
        if *number <= head {
            let place = usize::try_from(number - 1).unwrap_or_default();
            if line.taken.get(place).is_some_and(|it| it == content) {
                self.counts.repeated += 1;
            } else {
                self.counts.quarantined += 1;
            }
            return;
        }
        if *number > head + 1 {
            self.counts.held += 1;
            line.held.entry(*number).or_default().push((content.to_owned(), taken_at));
            return;
        }
        if !truth.sound || !follows(truth, line) {
            self.counts.quarantined += 1;
            return;
        }
        self.take(content, truth, at, taken_at, true);
        // What waited for it counts from here on, one after the other.
        loop {
            let line = self.lines.entry(name.clone()).or_default();
            let next = line.taken.len() as u64 + 1;
            let Some(waiting) = line.held.get(&next) else { return };
            let fits = waiting.iter().find(|(it, _)| {
                truths.get(it).is_some_and(|truth| truth.sound && follows(truth, line))
            });
            let Some((content, taken_at)) = fits.cloned() else { return };
            if let Some(truth) = truths.get(&content) {
                self.take(&content, truth, at, taken_at, false);
            }
        }
    }

    fn take(&mut self, content: &str, truth: &Truth, at: u64, taken_at: Micros, first: bool) {
        let line = self.lines.entry(truth.name.0.clone()).or_default();
        line.taken.push(content.to_owned());
        let counts = self.counts;
        self.happen(truth, at, taken_at);
        if !first {
            self.counts = counts;
        }
    }

    fn happen(&mut self, truth: &Truth, at: u64, taken_at: Micros) {
        match &truth.deed {
            Deed::Other => self.counts.counted += 1,
            Deed::Garbage => self.counts.quarantined += 1,
            Deed::Authorize(department, day, may) => {
                self.register.entry(department.clone()).or_default().push((*day, *may));
                self.counts.counted += 1;
            }
            Deed::Act(act) => {
                let Some(window) = &truth.window else {
                    self.counts.quarantined += 1;
                    return;
                };
                // A clock that nobody measured is believed where the journal's says the same.
                let believed = truth.unsure_at.is_none_or(|it| (taken_at - it).abs() <= 30_000_000);
                let may = believed && self.may(act, truth.at, taken_at, None);
                self.count(may);
                let standing = if may { Standing::Counts } else { Standing::Flagged };
                let effect = Effect {
                    window: Some(window.clone()),
                    first_at: truth.at,
                    first_act: act.clone(),
                    at: truth.at,
                    act: act.clone(),
                    standing,
                    in_doubt: !believed,
                };
                if may {
                    self.add(&truth.name, &effect, at);
                }
                self.effects.insert(truth.name.clone(), effect);
            }
            Deed::Close(day) => self.count(*day <= day_of(taken_at)),
            Deed::Correct { original, people, department, at: when } => {
                let Some(mut effect) = self.amendable(truth, original) else { return };
                let mut act = effect.first_act.clone();
                if let Some(people) = people
                    && act.kind == Kind::Consulted
                {
                    act.amount = *people;
                }
                if let Some(department) = department {
                    act.department.clone_from(department);
                }
                let when = when.unwrap_or(effect.first_at);
                let may = self.may(&act, when, taken_at, Some(original));
                self.count(may);
                if effect.standing == Standing::Counts {
                    self.take_away(original, &effect, at);
                }
                (effect.act, effect.at, effect.in_doubt) = (act, when, false);
                effect.standing = if may { Standing::Counts } else { Standing::Flagged };
                if may {
                    self.add(original, &effect, at);
                }
                self.effects.insert(original.clone(), effect);
            }
            Deed::Void(original) => {
                let Some(mut effect) = self.amendable(truth, original) else { return };
                self.counts.counted += 1;
                if effect.standing == Standing::Counts {
                    self.take_away(original, &effect, at);
                }
                effect.standing = Standing::Void;
                self.effects.insert(original.clone(), effect);
            }
            Deed::Release(original) | Deed::Reject(original) => {
                let flagged = self.effects.get(original);
                let flagged = flagged.filter(|it| it.standing == Standing::Flagged).cloned();
                self.count(flagged.is_some());
                if let (Some(mut effect), Deed::Release(_)) = (flagged, &truth.deed) {
                    (effect.standing, effect.in_doubt) = (Standing::Counts, false);
                    self.add(original, &effect, at);
                    self.effects.insert(original.clone(), effect);
                }
            }
            Deed::Freeze { issue, first, last, new_year, cut } => {
                self.counts.counted += 1;
                self.freeze(issue, (*first, *last), *new_year, *cut, at);
            }
        }
    }

    fn count(&mut self, counts: bool) {
        if counts {
            self.counts.counted += 1;
        } else {
            self.counts.flagged += 1;
        }
    }

    /// The rules of the hall, in words: not in the future, a department that there is, an acceptance only while it is
    /// authorised, a case is accepted once, then handed on, and handed out once.
    fn may(&self, act: &Act, at: Micros, taken_at: Micros, except: Option<&Name>) -> bool {
        if at > taken_at + 120_000_000 {
            return false;
        }
        if !act.department.is_empty() {
            let Some(changes) = self.register.get(&act.department) else { return false };
            let mut allowed = false;
            let mut since = Day::MIN;
            for (day, may) in changes {
                if *day <= day_of(at) && *day >= since {
                    (since, allowed) = (*day, *may);
                }
            }
            if act.kind == Kind::Accepted && !allowed {
                return false;
            }
        }
        let unknown = Case::default();
        let case = self.cases.get(&act.case).unwrap_or(&unknown);
        let by_other = |it: &Option<Name>| it.is_some() && it.as_ref() != except;
        match act.kind {
            Kind::Consulted => true,
            Kind::Accepted => !by_other(&case.accepted),
            Kind::Issued => !by_other(&case.issued) && case.accepted.is_some(),
            Kind::Transferred => case.accepted.is_some(),
        }
    }

    /// What may be amended by whom: one's own window's act of the same day, the time of one's own that is in doubt, or
    /// anything with the right to.
    fn amendable(&mut self, truth: &Truth, original: &Name) -> Option<Effect> {
        let found = self.effects.get(original).filter(|it| {
            let says_when = matches!(&truth.deed, Deed::Correct { at: Some(_), .. });
            let in_doubt = it.in_doubt && says_when && original.0 == truth.name.0;
            let own =
                it.window == truth.window && (in_doubt || day_of(it.first_at) == day_of(truth.at));
            truth.window.is_some() && (own || truth.may_correct) && it.standing != Standing::Void
        });
        let found = found.cloned();
        if found.is_none() {
            if truth.window.is_some() {
                self.counts.flagged += 1;
            } else {
                self.counts.quarantined += 1;
            }
        }
        found
    }

    fn add(&mut self, name: &Name, effect: &Effect, at: u64) {
        let case = self.cases.entry(effect.act.case.clone()).or_default();
        match effect.act.kind {
            Kind::Accepted => case.accepted = Some(name.clone()),
            Kind::Issued => case.issued = Some(name.clone()),
            Kind::Consulted | Kind::Transferred => {}
        }
        self.enter(effect, at, 1);
    }

    fn take_away(&mut self, name: &Name, effect: &Effect, at: u64) {
        let case = self.cases.entry(effect.act.case.clone()).or_default();
        match effect.act.kind {
            Kind::Accepted if case.accepted.as_ref() == Some(name) => case.accepted = None,
            Kind::Issued if case.issued.as_ref() == Some(name) => case.issued = None,
            _ => {}
        }
        self.enter(effect, at, -1);
    }

    fn enter(&mut self, effect: &Effect, at: u64, sign: i64) {
        let Act { kind, amount, department, .. } = &effect.act;
        let department = if department.is_empty() { "-" } else { department };
        let day = day_of(effect.at);
        let window = effect.window.clone().unwrap_or_default();
        let cell = (day, window, department.to_owned(), *kind);
        let sum = self.cells.entry(cell.clone()).or_default();
        sum.0 += sign * amount;
        sum.1 += sign;
        if *sum == (0, 0) {
            self.cells.remove(&cell);
        }
        let latest = self.frozen.values().max_by_key(|it| it.last);
        if latest.is_some_and(|it| day <= it.last && at > it.cut) {
            self.adjustments.push((at, day, *kind, sign * amount, sign));
        }
        self.entries.push(Entry { at, cell, amount: sign * amount, events: sign });
    }

    fn freeze(
        &mut self,
        issue: &str,
        (first, last): (Day, Day),
        new_year: Day,
        cut: u64,
        position: u64,
    ) {
        let before = self.frozen.iter().filter(|(name, it)| *name != issue && it.last < first);
        let before = before.map(|(_, it)| it).max_by_key(|it| it.last).cloned();
        let mut frozen = Frozen { last, cut, new_year, ..Frozen::default() };
        let mut late = vec![];
        for it in &self.entries {
            let (day, window, _, kind) = &it.cell;
            let add = |sums: &mut BTreeMap<Kind, Sum>| {
                let sum = sums.entry(*kind).or_default();
                sum.0 += it.amount;
                sum.1 += it.events;
            };
            if it.at > cut {
                let known = before.as_ref().is_some_and(|before| *day <= before.last);
                if *day <= last && it.at < position && !known {
                    late.push((it.at, *day, *kind, it.amount, it.events));
                }
                continue;
            }
            if (first..=last).contains(day) {
                add(&mut frozen.week);
                let sum = frozen.by_window.entry((*kind, window.clone())).or_default();
                sum.0 += it.amount;
                sum.1 += it.events;
                if *day >= new_year {
                    add(&mut frozen.week_of_year);
                }
            }
            if (new_year..=last).contains(day) {
                add(&mut frozen.year);
                let after_last = before.as_ref().is_none_or(|before| *day > before.last);
                if *day < first && after_last {
                    add(&mut frozen.outside);
                }
            }
            if let Some(before) = before.as_ref().filter(|it| it.new_year == new_year)
                && *day >= new_year
                && *day <= before.last
                && it.at > before.cut
            {
                add(&mut frozen.adjustment);
            }
        }
        // An issue whose period lies in another year carries nothing.
        if let Some(before) = before.filter(|it| it.new_year == new_year) {
            frozen.carried = before.year;
        }
        self.adjustments.extend(late);
        self.frozen.insert(issue.to_owned(), frozen);
    }
}

fn follows(truth: &Truth, line: &Line) -> bool {
    match (&truth.previous, line.taken.last()) {
        (Some(previous), Some(last)) => previous == last,
        (Some(_), None) => false,
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_eight_hours_before_those_of_greenwich() {
        assert_eq!(day_of_date(1970, 1, 1), 0);
        assert_eq!(day_of_date(2024, 2, 29), 19_782);
        let day = 86_400_000_000;
        assert_eq!(day_of(19_782 * day - 8 * 3_600_000_000), 19_782);
        assert_eq!(day_of(19_782 * day - 8 * 3_600_000_000 - 1), 19_781);
    }
}
