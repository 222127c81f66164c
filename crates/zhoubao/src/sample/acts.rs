//! What the windows record, made from the totals of days and weeks.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use zhoubao_domain::event::{Act, Event, Kind, Tally};
use zhoubao_domain::id::{
    CaseId, DepartmentId, HallCode, MatterId, ParseIdError, TerminalId, UserId,
};
use zhoubao_domain::time::hall_zone;

use super::random::Random;

/// One event of a window, not yet numbered or chained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TerminalEvent {
    /// The device on which it is typed in.
    pub terminal: TerminalId,
    /// When it happens.
    pub occurred_at: Timestamp,
    /// Who types it in.
    pub actor: UserId,
    /// What happens: an act, or the close of the day.
    pub event: Event,
}

/// A total that is spread over days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The days, ascending.
    pub days: Vec<Date>,
    /// What all of them together come to.
    pub tally: Tally,
}

/// A device and who sits at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// The device.
    pub terminal: TerminalId,
    /// The clerk.
    pub clerk: UserId,
}

/// A department for which the windows work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The department.
    pub department: DepartmentId,
    /// Its matters; may be empty.
    pub matters: Vec<MatterId>,
    /// How many of the acts concern it, against the others.
    pub weight: u32,
}

/// From what [`acts`] are made.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The hall; its code begins every case number.
    pub hall: &'a HallCode,
    /// Totals, their days ascending throughout.
    pub loads: &'a [Load],
    /// The windows.
    pub desks: &'a [Desk],
    /// The departments, all authorised on all days.
    pub departments: &'a [Client],
    /// Same seed, same events.
    pub seed: u64,
}

/// Why totals cannot be spread.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpreadError {
    /// Something to spread, and no day, window or department to spread it over.
    #[error("there is no {missing} to spread the totals over")]
    Nothing {
        /// What is missing.
        missing: &'static str,
    },
    /// A day that is not after the one before it.
    #[error("{day} is listed twice or out of order")]
    DayOrder {
        /// The day.
        day: Date,
    },
    /// A day so far away that it has no instants.
    #[error("{day} is out of range")]
    DayRange {
        /// The day.
        day: Date,
    },
    /// A total below 0.
    #[error("the total of {} before {through} is negative", kind.word())]
    Negative {
        /// Of what.
        kind: Kind,
        /// Last day of its load.
        through: Date,
    },
    /// More hand-outs than acceptances, or a hand-over before the first acceptance: no case to name.
    #[error("up to {through} there are too few accepted cases for {}", kind.word())]
    TooFewCases {
        /// Of what there is too much.
        kind: Kind,
        /// Last day of its load.
        through: Date,
    },
}

const HOUR_MS: i64 = 3_600_000;

/// The windows open, in milliseconds of the day.
const OPEN_MS: i64 = 9 * HOUR_MS;

/// The last act is drawn a minute before the windows close at 17:00, so that moving one of two acts of the same
/// instant cannot push it past that.
const LAST_DRAW_MS: i64 = 17 * HOUR_MS - 60_000;

/// The day is closed, in milliseconds of the day.
const CLOSE_MS: i64 = 17 * HOUR_MS + HOUR_MS / 2;

/// Open cases from which on one is handed on while there are more to accept: a case rests a while before it moves.
const CASES_TO_TRANSFER: usize = 4;

/// Open cases from which on one is issued while there are more to accept.
const CASES_TO_ISSUE: usize = 12;

/// How busy each hour is, from 9 o'clock on.
const RHYTHM: [u64; 8] = [5, 6, 5, 1, 3, 5, 5, 3];

/// Spreads totals over days, hours, windows and departments.
///
/// - The totals come out exactly, load by load and kind by kind. Most 咨询 are one person, some two or three.
/// - Acts lie between 9:00 and 17:00, no two at one instant; every window closes every day of a load at 17:30 with
///   its true tally, also a day of nothing. The events are returned in order of time.
/// - Nothing of a case precedes its 受理, and it is issued at most once. 流转 follows 颁发 only where a load leaves
///   no case to choose.
/// - The acts of one case on one day lie on one terminal. So a caller may append in order of time, or the days one
///   after the other and each day terminal by terminal: a case is accepted first in either order.
///
/// # Errors
///
/// [`SpreadError`] where the totals contradict each other or the days do.
pub fn acts(plan: &Plan<'_>) -> Result<Vec<TerminalEvent>, SpreadError> {
    let mut random = Random::new(plan.seed);
    let days = spread(plan.loads, &mut random)?;
    if !days.is_empty() && plan.desks.is_empty() {
        return Err(SpreadError::Nothing { missing: "window" });
    }
    if !days.is_empty() && plan.departments.is_empty() {
        return Err(SpreadError::Nothing { missing: "department" });
    }
    let busy = plan.desks.iter().map(|_| 70 + random.below(60)).collect();
    let mut hall = Hall { plan: *plan, random, busy, open: vec![], done: vec![], events: vec![] };
    for (day, tally) in days {
        hall.work(day, tally)?;
    }
    Ok(hall.events)
}

/// The number of a case: hall, day of acceptance, number within the day.
pub(super) fn case_id(hall: &HallCode, day: Date, number: u64) -> Result<CaseId, ParseIdError> {
    let (year, month, day) = (day.year(), day.month(), day.day());
    format!("{hall}-{year:04}{month:02}{day:02}-{number:04}").parse()
}

/// The tally of each day.
fn spread(loads: &[Load], random: &mut Random) -> Result<BTreeMap<Date, Tally>, SpreadError> {
    let mut days: BTreeMap<Date, Tally> = BTreeMap::new();
    let (mut accepted, mut issued) = (0, 0);
    for load in loads {
        let Some(through) = load.days.last().copied() else {
            if load.tally == Tally::default() {
                continue;
            }
            return Err(SpreadError::Nothing { missing: "day" });
        };
        for kind in Kind::ALL {
            if load.tally.get(kind) < 0 {
                return Err(SpreadError::Negative { kind, through });
            }
        }
        for day in &load.days {
            if days.last_key_value().is_some_and(|(last, _)| last >= day) {
                return Err(SpreadError::DayOrder { day: *day });
            }
            days.insert(*day, Tally::default());
        }
        let mut shares = vec![Tally::default(); load.days.len()];
        for kind in Kind::ALL {
            let weights: Vec<u64> = load.days.iter().map(|_| 70 + random.below(60)).collect();
            for _ in 0..load.tally.get(kind) {
                shares[random.weighted(weights.iter().copied())].add(kind, 1);
            }
        }
        // What has no case yet waits for the next day of the load.
        let (mut waiting_issued, mut waiting_transferred) = (0, 0);
        for (day, mut share) in load.days.iter().zip(shares) {
            accepted += share.accepted;
            let wanted = share.issued + waiting_issued;
            share.issued = wanted.min(accepted - issued);
            waiting_issued = wanted - share.issued;
            share.transferred += waiting_transferred;
            let has_case = accepted > issued || (*day == through && accepted > 0);
            waiting_transferred = if has_case { 0 } else { std::mem::take(&mut share.transferred) };
            issued += share.issued;
            days.insert(*day, share);
        }
        if waiting_issued > 0 {
            return Err(SpreadError::TooFewCases { kind: Kind::Issued, through });
        }
        if waiting_transferred > 0 {
            return Err(SpreadError::TooFewCases { kind: Kind::Transferred, through });
        }
    }
    Ok(days)
}

struct OpenCase {
    id: CaseId,
    department: DepartmentId,
    matter: Option<MatterId>,
    transferred: u32,
    /// Where and when it was last dealt with.
    desk: usize,
    day: Date,
}

struct Hall<'a> {
    plan: Plan<'a>,
    random: Random,
    /// How busy each desk is.
    busy: Vec<u64>,
    /// Accepted and not issued, in the order of acceptance.
    open: Vec<OpenCase>,
    /// Issued.
    done: Vec<OpenCase>,
    events: Vec<TerminalEvent>,
}

impl Hall<'_> {
    fn work(&mut self, day: Date, tally: Tally) -> Result<(), SpreadError> {
        let midnight = hall_zone()
            .to_timestamp(day.at(0, 0, 0, 0))
            .map_err(|_| SpreadError::DayRange { day })?;
        let at = |ms| {
            midnight
                .checked_add(SignedDuration::from_millis(ms))
                .map_err(|_| SpreadError::DayRange { day })
        };
        let sizes = self.consultations(tally.consulted);
        let mut left = tally;
        left.consulted = i64::try_from(sizes.len()).unwrap_or(i64::MAX);
        let count = Kind::ALL.iter().map(|kind| left.get(*kind)).sum::<i64>();
        let mut sizes = sizes.into_iter();
        let mut tallies = vec![Tally::default(); self.plan.desks.len()];
        let mut number = 0;
        for ms in self.instants(count) {
            let kind = self.next_kind(&left);
            left.add(kind, -1);
            let (desk, act) = match kind {
                Kind::Consulted => self.consult(sizes.next().unwrap_or(1)),
                Kind::Accepted => {
                    number += 1;
                    self.accept(day, number)?
                }
                Kind::Transferred => self.transfer(day),
                Kind::Issued => self.issue(day),
            };
            tallies[desk].add(kind, i64::from(act.amount));
            self.record(desk, at(ms)?, Event::Act(act));
        }
        for (desk, tally) in tallies.into_iter().enumerate() {
            self.record(desk, at(CLOSE_MS)?, Event::DayClosed { day, tally });
        }
        Ok(())
    }

    fn record(&mut self, desk: usize, occurred_at: Timestamp, event: Event) {
        let Desk { terminal, clerk } = &self.plan.desks[desk];
        let (terminal, actor) = (terminal.clone(), clerk.clone());
        self.events.push(TerminalEvent { terminal, occurred_at, actor, event });
    }

    /// The people of each consultation.
    fn consultations(&mut self, people: i64) -> Vec<u32> {
        let mut left = u64::try_from(people).unwrap_or(0);
        let mut sizes = vec![];
        while left > 0 {
            let size = [1, 2, 3][self.random.weighted([85, 11, 4].into_iter())].min(left);
            left -= size;
            sizes.push(u32::try_from(size).unwrap_or(1));
        }
        sizes
    }

    /// Instants of a day in milliseconds, ascending, each once.
    fn instants(&mut self, count: i64) -> Vec<i64> {
        let mut instants: Vec<i64> = (0..count)
            .map(|_| {
                let hour = i64::try_from(self.random.weighted(RHYTHM.into_iter())).unwrap_or(0);
                let within = i64::try_from(self.random.below(HOUR_MS.unsigned_abs())).unwrap_or(0);
                (OPEN_MS + hour * HOUR_MS + within).min(LAST_DRAW_MS)
            })
            .collect();
        instants.sort_unstable();
        for place in 1..instants.len() {
            instants[place] = instants[place].max(instants[place - 1] + 1);
        }
        instants
    }

    /// One of the kinds that are left and have a case to name.
    fn next_kind(&mut self, left: &Tally) -> Kind {
        let cases = self.open.len();
        // The last open case is not issued while it is the only one left to hand on.
        let last_to_transfer = cases == 1 && left.transferred > 0 && left.accepted == 0;
        let weight = |kind: Kind| {
            let possible = match kind {
                Kind::Consulted | Kind::Accepted => true,
                Kind::Transferred => cases >= CASES_TO_TRANSFER || left.accepted == 0,
                Kind::Issued if left.accepted > 0 => cases >= CASES_TO_ISSUE,
                Kind::Issued => cases > 0 && !last_to_transfer,
            };
            if possible { left.get(kind).unsigned_abs() } else { 0 }
        };
        Kind::ALL[self.random.weighted(Kind::ALL.into_iter().map(weight))]
    }

    fn any_desk(&mut self) -> usize {
        self.random.weighted(self.busy.iter().copied())
    }

    fn any_client(&mut self) -> (DepartmentId, Option<MatterId>) {
        let departments = self.plan.departments;
        let weights = departments.iter().map(|it| u64::from(it.weight));
        let client = &departments[self.random.weighted(weights)];
        let known = !client.matters.is_empty() && self.random.chance(85);
        let matter = known.then(|| client.matters[self.random.place(client.matters.len())].clone());
        (client.department.clone(), matter)
    }

    fn consult(&mut self, people: u32) -> (usize, Act) {
        let desk = self.any_desk();
        // The rest asks the general desk: where, how long, which papers.
        let client = if self.random.chance(75) { Some(self.any_client()) } else { None };
        let (department, matter) = client.map_or((None, None), |(it, matter)| (Some(it), matter));
        (desk, Act { kind: Kind::Consulted, amount: people, department, matter, case: None })
    }

    fn accept(&mut self, day: Date, number: u64) -> Result<(usize, Act), SpreadError> {
        let desk = self.any_desk();
        let (department, matter) = self.any_client();
        let case = OpenCase {
            id: case_id(self.plan.hall, day, number).map_err(|_| SpreadError::DayRange { day })?,
            department,
            matter,
            transferred: 0,
            desk,
            day,
        };
        let act = case.act(Kind::Accepted);
        self.open.push(case);
        Ok((desk, act))
    }

    fn transfer(&mut self, day: Date) -> (usize, Act) {
        let issued = self.open.is_empty();
        let cases = if issued { &self.done } else { &self.open };
        // Of three, the one that was handed on least: cases move evenly.
        let chosen =
            (0..3).map(|_| self.random.place(cases.len())).min_by_key(|it| cases[*it].transferred);
        let place = chosen.unwrap_or(0);
        let elsewhere = self.any_desk();
        let stays = self.random.chance(60);
        let case = if issued { &mut self.done[place] } else { &mut self.open[place] };
        case.move_to(elsewhere, day, stays);
        case.transferred += 1;
        (case.desk, case.act(Kind::Transferred))
    }

    fn issue(&mut self, day: Date) -> (usize, Act) {
        // Of three of the older half, the one that was handed on most, then the oldest: that one is ready first.
        let older = self.open.len().div_ceil(2);
        let chosen = (0..3)
            .map(|_| self.random.place(older))
            .min_by_key(|it| (std::cmp::Reverse(self.open[*it].transferred), *it));
        let mut case = self.open.remove(chosen.unwrap_or(0));
        let elsewhere = self.any_desk();
        let stays = self.random.chance(60);
        case.move_to(elsewhere, day, stays);
        let (desk, act) = (case.desk, case.act(Kind::Issued));
        self.done.push(case);
        (desk, act)
    }
}

impl OpenCase {
    fn act(&self, kind: Kind) -> Act {
        Act {
            kind,
            amount: 1,
            department: Some(self.department.clone()),
            matter: self.matter.clone(),
            case: Some(self.id.clone()),
        }
    }

    /// The desk of this day: that of the day's first act, else the old one or another.
    fn move_to(&mut self, elsewhere: usize, day: Date, stays: bool) {
        if self.day != day && !stays {
            self.desk = elsewhere;
        }
        self.day = day;
    }
}
