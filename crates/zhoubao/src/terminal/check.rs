//! What a device can say of an event before it is saved, with no network: less than the hall, and nothing that it does
//! not know.
//!
//! It knows its own clock, its own ledger and the usual limits. It does not know who is authorised for what, the cases
//! of other windows, or limits that the hall has set otherwise: an event without a warning here may still be flagged.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use zhoubao_contract::structured::Incoming;
use zhoubao_contract::{Stored, decode};
use zhoubao_domain::code::Code;
use zhoubao_domain::counting::Rules;
use zhoubao_domain::event::{Act, Event, Kind, Refusal, Tally};
use zhoubao_domain::id::{Stream, Subject};
use zhoubao_domain::time::{hall_day, hall_zone};
use zhoubao_store_sqlite::ledger::{Entry, Ledger, LedgerError};

/// Events of one read of the ledger, from its end on.
const PAGE: u32 = 1_000;

/// Most reads for one day's tally; whoever records more in a day is not told of it.
const PAGES_MAX: usize = 10;

/// How long before a day its first event may have been written, by a clock that was wrong.
const CLOCK_MARGIN: SignedDuration = SignedDuration::from_hours(24);

/// What the device would warn of; `now` is the time by its clock, put right by the offset as far as it is known.
///
/// # Errors
///
/// When the ledger cannot be read.
pub async fn warnings(
    event: &Incoming,
    ledger: &Ledger,
    now: Timestamp,
) -> Result<Vec<Refusal>, LedgerError> {
    let mut found = times(event, now);
    let own = ledger.subject();
    match &event.event {
        Event::Corrected { original, .. } | Event::Voided { original, .. } => {
            let recorded = ledger.standing().await?.recorded;
            if original.stream == own.stream && original.number > recorded {
                let detail =
                    format!("{original} 尚未录入 was never recorded here, the last is {recorded}");
                found.push(Refusal::new(Code::NotFound, detail));
            }
        }
        Event::DayClosed { day, tally } => {
            if let Some(counted) = tally_of(ledger, *day).await? {
                found.extend(tally_differs(*day, tally, &counted));
            }
        }
        _ => {}
    }
    Ok(found)
}

fn times(event: &Incoming, now: Timestamp) -> Vec<Refusal> {
    let rules = Rules::default();
    let mut found = Vec::new();
    let ahead = event.occurred_at.duration_since(now);
    if ahead > SignedDuration::from_secs(i64::from(rules.future_seconds_max)) {
        let seconds = ahead.as_secs();
        let detail = format!("时间在 {seconds} 秒之后 {seconds} s from now");
        found.push(Refusal::new(Code::FutureTime, detail));
    }
    let late =
        event.entered_at.map_or(SignedDuration::ZERO, |it| it.duration_since(event.occurred_at));
    if late > SignedDuration::from_hours(i64::from(rules.late_entry_hours_max)) {
        let hours = late.as_hours();
        let detail = format!("补录晚 {hours} 小时 typed in {hours} h late");
        found.push(Refusal::new(Code::BackDated, detail));
    }
    found
}

fn tally_differs(day: Date, given: &Tally, counted: &Tally) -> Option<Refusal> {
    let differing: Vec<String> = Kind::ALL
        .into_iter()
        .filter(|it| given.get(*it) != counted.get(*it))
        .map(|it| format!("{} {} ≠ {}", it.title(), given.get(it), counted.get(it)))
        .collect();
    (!differing.is_empty()).then(|| {
        let differing = differing.join("，");
        let detail =
            format!("{day} 日结与本机台账不符 differs from what this device recorded: {differing}");
        Refusal::new(Code::DayTallyDiffers, detail)
    })
}

/// What the ledger has of a day, as corrected and without what was voided; `None` if that is too much to read.
///
/// # Errors
///
/// When the ledger cannot be read.
pub async fn tally_of(ledger: &Ledger, day: Date) -> Result<Option<Tally>, LedgerError> {
    let Ok(midnight) = hall_zone().to_timestamp(day.at(0, 0, 0, 0)) else { return Ok(None) };
    let first = midnight.saturating_sub(CLOCK_MARGIN).unwrap_or(Timestamp::MIN);
    let mut upto = ledger.standing().await?.recorded;
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..PAGES_MAX {
        let after = upto.saturating_sub(u64::from(PAGE));
        let page = ledger.entries(after, upto, PAGE).await?;
        let older = page.iter().all(|it| it.wall < first);
        entries.extend(page);
        upto = after;
        if older || upto == 0 {
            return Ok(Some(tally(ledger.subject(), entries, day)));
        }
    }
    Ok(None)
}

fn tally(own: &Subject, mut entries: Vec<Entry>, day: Date) -> Tally {
    entries.sort_by_key(|it| it.number);
    let mut acts: BTreeMap<u64, (Act, Timestamp)> = BTreeMap::new();
    let mut now: BTreeMap<u64, (Kind, i64, Date)> = BTreeMap::new();
    let ours = |stream: &Stream| *stream == own.stream;
    for entry in entries {
        let stored = Stored { position: 0, recorded_at: entry.wall, message: entry.message };
        // The device read it before it was recorded.
        let Ok(recorded) = decode(&stored, &own.hall) else { continue };
        match recorded.event {
            Event::Act(act) => {
                let number = entry.number;
                now.insert(
                    number,
                    (act.kind, i64::from(act.amount), hall_day(recorded.occurred_at)),
                );
                acts.insert(number, (act, recorded.occurred_at));
            }
            Event::Corrected { original, replacement, .. } if ours(&original.stream) => {
                // A correction names the original, and replaces the corrections before.
                let (Some((act, occurred_at)), Some(now)) =
                    (acts.get(&original.number), now.get_mut(&original.number))
                else {
                    continue;
                };
                let people = replacement.people.filter(|_| act.kind == Kind::Consulted);
                let occurred_at = replacement.occurred_at.unwrap_or(*occurred_at);
                *now = (act.kind, i64::from(people.unwrap_or(act.amount)), hall_day(occurred_at));
            }
            Event::Voided { original, .. } if ours(&original.stream) => {
                now.remove(&original.number);
            }
            _ => {}
        }
    }
    let mut tally = Tally::default();
    for (kind, amount, _) in now.into_values().filter(|(_, _, of)| *of == day) {
        tally.add(kind, amount);
    }
    tally
}
