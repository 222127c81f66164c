//! Very many acts, cheaply, for measurements.

use std::iter::FusedIterator;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use zhoubao_domain::event::{Act, Event, Kind};
use zhoubao_domain::id::{HallCode, ParseIdError};

use super::acts::{Client, Desk, TerminalEvent, case_id};
use super::random::Random;

/// Five acts make a round: 咨询, 受理 of a new case, two 流转 and one 颁发 of earlier ones.
const ROUND: u64 = 5;

/// The windows are open for eight hours.
const OPEN_MS: u64 = 8 * 3_600_000;

/// Blocks of cases back from the current one for the first 流转, the second, and the 颁发.
const LAGS: [u64; 3] = [1, 2, 4];

/// Tells cases apart. Not the step of the generator, which would make neighbours share their numbers.
const SCATTER: u64 = 0xD1B5_4A32_D192_ED03;

/// The acts of [`super::bulk()`].
#[derive(Debug, Clone)]
pub struct Bulk {
    pub(super) hall: HallCode,
    pub(super) desks: Vec<Desk>,
    pub(super) departments: Vec<Client>,
    /// Days with the instant at which the windows open.
    pub(super) days: Vec<(Date, Timestamp)>,
    pub(super) count: u64,
    pub(super) seed: u64,
    /// Cases of one block, a power of two: within it the order of a step is mixed.
    pub(super) block: u64,
    pub(super) next: u64,
}

/// Cases of one block for `count` acts: large halls hand out weeks after the acceptance, and a small run still sees
/// every step.
pub(super) fn block(count: u64) -> u64 {
    (count / ROUND / 64).next_power_of_two().clamp(16, 4_096)
}

impl Bulk {
    fn days(&self) -> u64 {
        u64::try_from(self.days.len()).unwrap_or(u64::MAX)
    }

    /// The day of an act.
    fn day_of(&self, act: u64) -> u64 {
        act * self.days() / self.count
    }

    /// The first act of a day.
    fn first_of(&self, day: u64) -> u64 {
        (day * self.count).div_ceil(self.days())
    }

    fn day(&self, day: u64) -> Option<(Date, Timestamp)> {
        self.days.get(usize::try_from(day).ok()?).copied()
    }

    /// The case that a step takes in this round: each case once a step, and only after its acceptance.
    fn case_of(&self, round: u64, lag: u64) -> Option<u64> {
        let block = (round / self.block).checked_sub(lag)?;
        let within = (round.wrapping_mul(2 * lag + 1).wrapping_add(self.seed)) & (self.block - 1);
        Some(block * self.block + within)
    }

    fn number_in_day(&self, case: u64) -> u64 {
        let accepted = |case| case * ROUND + 1;
        let first_act = self.first_of(self.day_of(accepted(case)));
        let first_case = first_act.saturating_sub(1).div_ceil(ROUND);
        case - first_case + 1
    }

    fn act(&self, number: u64) -> Result<(usize, Act), ParseIdError> {
        let round = number / ROUND;
        let (kind, case) = match number % ROUND {
            0 => (Kind::Consulted, None),
            1 => (Kind::Accepted, Some(round)),
            // A hall without enough cases yet hands on the one that it has just accepted.
            2 => (Kind::Transferred, Some(self.case_of(round, LAGS[0]).unwrap_or(round))),
            3 => (Kind::Transferred, Some(self.case_of(round, LAGS[1]).unwrap_or(round))),
            _ => match self.case_of(round, LAGS[2]) {
                Some(case) => (Kind::Issued, Some(case)),
                None => (Kind::Transferred, Some(round)),
            },
        };
        // What is always the same about a case is drawn from its number, so nothing has to be remembered.
        let of = case.unwrap_or(u64::MAX - number);
        let mut random = Random::new(self.seed ^ of.wrapping_mul(SCATTER));
        let desk = random.place(self.desks.len());
        let client = &self.departments[random.place(self.departments.len())];
        let matter = client.matters.get(random.place(client.matters.len() + 1)).cloned();
        let amount = if kind == Kind::Consulted && random.chance(12) { 2 } else { 1 };
        let case = match case {
            Some(case) => {
                let day =
                    self.day(self.day_of(case * ROUND + 1)).map_or(Date::ZERO, |(day, _)| day);
                Some(case_id(&self.hall, day, self.number_in_day(case))?)
            }
            None => None,
        };
        let act = Act { kind, amount, department: Some(client.department.clone()), matter, case };
        Ok((desk, act))
    }
}

impl Iterator for Bulk {
    type Item = TerminalEvent;

    fn next(&mut self) -> Option<TerminalEvent> {
        if self.next >= self.count {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let day = self.day_of(number);
        let (_, opens) = self.day(day)?;
        let first = self.first_of(day);
        let within = (number - first) * OPEN_MS / (self.first_of(day + 1) - first).max(1);
        let within = SignedDuration::from_millis(i64::try_from(within).ok()?);
        let (desk, act) = self.act(number).ok()?;
        let Desk { terminal, clerk } = &self.desks[desk];
        Some(TerminalEvent {
            terminal: terminal.clone(),
            occurred_at: opens.checked_add(within).ok()?,
            actor: clerk.clone(),
            event: Event::Act(act),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.count - self.next).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

impl FusedIterator for Bulk {}
