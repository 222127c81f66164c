//! Corrects what was recorded before anybody had measured the clock, once somebody has.

use jiff::Timestamp;
use zhoubao_contract::structured::Incoming;
use zhoubao_contract::{Draft, Stored, decode};
use zhoubao_domain::event::{Event, Replacement};
use zhoubao_domain::id::Subject;
use zhoubao_outbox::clock::{Measured, Unmeasured};
use zhoubao_store_sqlite::ledger::{Entry, Ledger, LedgerError};

use super::clock::{Clocks, is_measured, mark};

/// Events that are looked at, and corrections that are recorded, in one transaction.
const TOGETHER_MAX: u32 = 200;

/// Why the device corrects, as the event says.
const REASON: &str = "时钟补测 the clock was measured after it was recorded";

/// Records a correction for each event of this boot whose time nobody could vouch for; `None` while nobody can yet.
/// Answers with the number of the last one recorded, 0 for none.
///
/// # Errors
///
/// When the ledger cannot be read or written; what was recorded until then stays, and is not recorded again.
pub async fn correct(ledger: &Ledger, clocks: &Clocks) -> Result<Option<u64>, LedgerError> {
    let (notes, now) = (clocks.notes(), clocks.stamp());
    let Some(contact) = notes.contact.clone().filter(|_| is_measured(&notes, &now)) else {
        return Ok(None);
    };
    let measured = Measured { server: contact.server, monotonic_us: contact.at.monotonic_us };
    let (mut after, mut last) = (0, 0);
    loop {
        let rows = ledger.unmeasured(&now.boot, after, TOGETHER_MAX).await?;
        let Some((entry, _)) = rows.last() else { return Ok(Some(last)) };
        after = entry.number;
        let events = rows.into_iter().filter_map(|(entry, monotonic_us)| {
            correction(ledger.subject(), &measured, entry, monotonic_us, now.wall)
        });
        let mut events: Vec<Incoming> = events.collect();
        mark(&mut events, &notes, &now);
        // One that was corrected before another start of the agent is repeated, or refused for another time.
        let recorded = ledger.record(&events, &now).await?;
        last = recorded.iter().flatten().map(|it| it.number).fold(last, u64::max);
    }
}

/// The correction of an act whose time was the clock's, not a person's, if it needs one.
fn correction(
    subject: &Subject,
    measured: &Measured,
    Entry { number, message, wall, .. }: Entry,
    monotonic_us: i64,
    now: Timestamp,
) -> Option<Incoming> {
    let stored = Stored { position: number, recorded_at: wall, message };
    // What cannot be read back is quarantined by the hall, whatever its time is.
    let read = decode(&stored, &subject.hall).ok()?;
    if !matches!(read.event, Event::Act(_)) || read.entered_at.is_some() {
        return None;
    }
    let carried = read.clock_offset.unwrap_or_default();
    let time = read.occurred_at.saturating_add(carried).ok()?;
    let occurred_at = measured.correction(&Unmeasured { time, wall, monotonic_us, carried })?;
    let replacement = Replacement { occurred_at: Some(occurred_at), ..Replacement::default() };
    Some(Incoming::new(Draft {
        subject: subject.clone(),
        number,
        previous: None,
        occurred_at: now,
        entered_at: None,
        actor: None,
        // An event has one true time, so it has one such correction.
        command: Some(format!("clock-{number}")),
        event: Event::Corrected { original: read.identity, replacement, reason: REASON.to_owned() },
    }))
}
