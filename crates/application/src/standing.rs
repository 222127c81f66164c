//! How a hall stands: what `zhoubao doctor` and the administration page say of its terminals.

use std::collections::BTreeMap;

use jiff::civil::Date;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{SetupTopic, Stream, WindowId};
use zhoubao_domain::time::hall_day;
use zhoubao_projections::rows::{DayCloseRow, ExceptionRow, FactRow, Head};

use crate::known::Known;

/// Days back over which the windows' day closes are looked at.
pub const CLOSED_DAYS: i32 = 31;

/// Numbers of a line that are missing, and how many messages wait for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The line.
    pub stream: String,
    /// First missing number.
    pub first: u64,
    /// Last missing number before the first that waits.
    pub last: u64,
    /// Messages that wait.
    pub waiting: usize,
}

/// The first gap of every line that has one.
#[must_use]
pub fn gaps(heads: &[(Stream, Head)], exceptions: &[ExceptionRow]) -> Vec<Gap> {
    let mut waiting: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for it in exceptions.iter().filter(|it| it.code == Code::SequenceGap) {
        waiting.entry(&it.stream).or_default().push(it.number);
    }
    let heads: BTreeMap<String, u64> =
        heads.iter().map(|(stream, head)| (stream.to_string(), head.number)).collect();
    let gaps = waiting.into_iter().map(|(stream, numbers)| {
        let first = heads.get(stream).copied().unwrap_or_default() + 1;
        let waits = numbers.iter().min().copied().unwrap_or_default();
        let last = waits.saturating_sub(1).max(first);
        Gap { stream: stream.to_owned(), first, last, waiting: numbers.len() }
    });
    gaps.collect()
}

/// Which days are not closed (未日结).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenDays {
    /// Working days that were looked at.
    pub working_days: usize,
    /// Of each open window that has one: the days, ascending.
    pub windows: BTreeMap<WindowId, Vec<Date>>,
}

/// The working days from `first` to before `today` on which an open window did not close its day; none from before the
/// window was set up. Nothing can be said where a calendar is missing.
#[must_use]
pub fn open_days(
    known: &Known,
    facts: &[FactRow],
    closes: &[DayCloseRow],
    first: Date,
    today: Date,
) -> Option<OpenDays> {
    let days = known.calendar().ok()?.working_days(first..=today).ok()?;
    // Today is not over.
    let days: Vec<_> = days.into_iter().filter(|it| *it < today).collect();
    let mut windows = BTreeMap::new();
    for (id, _) in known.registry.windows.iter().filter(|(_, it)| it.open) {
        let is_of = |it: &&FactRow| matches!(&it.stream, Stream::Setup(SetupTopic::Window, of) if of.as_str() == id.as_str());
        let since = facts.iter().filter(is_of).map(|it| hall_day(it.occurred_at)).min();
        let open = days.iter().copied().filter(|day| {
            since.is_none_or(|since| *day >= since)
                && !closes.iter().any(|it| it.window == *id && it.day == *day)
        });
        let open: Vec<_> = open.collect();
        if !open.is_empty() {
            windows.insert(id.clone(), open);
        }
    }
    Some(OpenDays { working_days: days.len(), windows })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use zhoubao_domain::id::Digest;
    use zhoubao_projections::rows::Standing;

    use super::*;

    fn held(stream: &str, number: u64, code: Code) -> ExceptionRow {
        ExceptionRow {
            position: number,
            stream: stream.to_owned(),
            number,
            standing: Standing::Held,
            code,
            detail: String::new(),
            settled: None,
        }
    }

    #[test]
    fn a_gap_goes_from_the_head_to_the_first_that_waits() {
        let head = Head {
            number: 4,
            hash: Digest::new([0; 32]),
            position: 9,
            recorded_at: Timestamp::UNIX_EPOCH,
        };
        let heads = [("terminal.w01".parse().unwrap(), head)];
        let exceptions = [
            held("terminal.w01", 9, Code::SequenceGap),
            held("terminal.w01", 8, Code::SequenceGap),
            held("terminal.w01", 5, Code::Fork),
            held("terminal.w02", 2, Code::SequenceGap),
        ];
        let gaps: Vec<_> = gaps(&heads, &exceptions)
            .into_iter()
            .map(|it| (it.stream, it.first, it.last, it.waiting))
            .collect();
        let expected = [("terminal.w01".to_owned(), 5, 7, 2), ("terminal.w02".to_owned(), 1, 1, 1)];
        assert_eq!(gaps, expected);
    }
}
