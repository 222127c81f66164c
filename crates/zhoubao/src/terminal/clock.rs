//! How wrong the clock of a device is: measured at each contact with the journal, carried on by the clock that never
//! jumps, and told where it matters.
//!
//! ```text
//!  append ─► acknowledged      server time lies in between, the head of the line says what it was
//!  │  ◄──── round trip ────►│
//!  device clocks              offset = wall - server        later in the same boot: wall - (server + time run since)
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::sync::watch;
use zhoubao_application::clock::Clock;
use zhoubao_application::journal::{AppendError, JournalError, Line};
use zhoubao_contract::structured::Incoming;
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::code::Code;
use zhoubao_domain::counting::CLOCK_OFFSET_MAX;
use zhoubao_domain::time::rfc3339;
use zhoubao_store_sqlite::ledger::{ClockNotes, Contact, Jump, Ledger, LedgerError, Stamp};

use crate::failure::chain;

/// Pause between two measurements while one append follows the other: the clock that never jumps carries on.
const MEASURE_PAUSE_US: i64 = 60_000_000;

/// Longest round trip that still tells the time well enough.
const ROUND_TRIP_MAX_US: i64 = 10_000_000;

/// How far the clock of the device is ahead of the journal's at `now`; `None` where it was never measured.
#[must_use]
pub fn offset(notes: &ClockNotes, now: &Stamp) -> Option<SignedDuration> {
    let Contact { server, at, .. } = notes.contact.as_ref()?;
    if at.boot == now.boot {
        let run = SignedDuration::from_micros(now.monotonic_us.saturating_sub(at.monotonic_us));
        // Whatever the clock of the wall did meanwhile is in it.
        return Some(now.wall.duration_since(*server).saturating_sub(run));
    }
    // The machine was off, so the clock of the wall is all there is, with what it is known to have jumped.
    let jumped = notes.jump.map_or(0, |it| it.by_us);
    Some(at.wall.duration_since(*server).saturating_add(SignedDuration::from_micros(jumped)))
}

/// How far the clock of the wall has jumped between two moments, if it did: it ran on by other than the clock that
/// never jumps. Between two boots nobody can tell.
#[must_use]
pub fn jump(before: &Stamp, now: &Stamp) -> Option<SignedDuration> {
    if before.boot != now.boot || now.boot.is_empty() {
        return None;
    }
    let run = SignedDuration::from_micros(now.monotonic_us.saturating_sub(before.monotonic_us));
    let by = now.wall.duration_since(before.wall).saturating_sub(run);
    (by.abs() > CLOCK_OFFSET_MAX).then_some(by)
}

/// Whether the clock was measured in this boot, so that [`offset`] is exact and not merely carried on.
#[must_use]
pub fn is_measured(notes: &ClockNotes, now: &Stamp) -> bool {
    notes.contact.as_ref().is_some_and(|it| it.at.boot == now.boot && !now.boot.is_empty())
}

/// Writes into events that are recorded now what is known of the clock.
pub fn mark(events: &mut [Incoming], notes: &ClockNotes, now: &Stamp) {
    let offset = offset(notes, now).filter(|it| it.abs() > CLOCK_OFFSET_MAX);
    let said = (!is_measured(notes, now)).then(|| rfc3339(now.wall));
    for event in events {
        event.attributes.clockoffset = offset.map(|it| it.as_millis().to_string());
        event.attributes.clockunsure.clone_from(&said);
    }
}

/// Which way a clock is wrong that is ahead by so much, in Chinese and English.
#[must_use]
pub fn off_by(offset: SignedDuration) -> (&'static str, &'static str) {
    if offset.is_positive() { ("快", "fast") } else { ("慢", "slow") }
}

/// What is wrong with the clock, for a person; `None` where nothing is.
#[must_use]
pub fn warning(notes: &ClockNotes, now: &Stamp) -> Option<String> {
    let offset = offset(notes, now);
    if let Some(offset) = offset.filter(|it| it.abs() > CLOCK_OFFSET_MAX) {
        let (word, english) = off_by(offset);
        let seconds = offset.abs().as_secs();
        return Some(format!(
            "终端时钟{word} {seconds} 秒，请校时 the clock of the terminal is {seconds} s {english}: set it"
        ));
    }
    // Where the offset is known, and small, a jump has set the clock right.
    let jump = notes.jump.filter(|_| offset.is_none())?;
    let seconds = jump.by_us / 1_000_000;
    Some(format!(
        "终端时钟跳变 {seconds:+} 秒，请核对时间 the clock of the terminal jumped by {seconds:+} s before event {}: \
         check it",
        jump.number
    ))
}

/// A warning as the port tells it.
#[must_use]
pub fn warning_json(message: &str) -> Value {
    let code = Code::ClockSkew;
    json!({ "code": code.text(), "title": code.title(), "message": message, "next": code.fix() })
}

/// What is known of the clock, as a member of the terminal's standing.
#[must_use]
pub fn to_json(notes: &ClockNotes, now: &Stamp) -> Value {
    let millis = |us: i64| us / 1_000;
    json!({
        "offset_ms": offset(notes, now).map(|it| it.as_millis()).and_then(|it| i64::try_from(it).ok()),
        "uncertainty_ms": notes.contact.as_ref().map(|it| millis(it.uncertainty_us)),
        "measured_at": notes.contact.as_ref().map(|it| rfc3339(it.server)),
        "jump_ms": notes.jump.map(|it| millis(it.by_us)),
        "jump_number": notes.jump.map(|it| it.number),
        "warning": warning(notes, now),
    })
}

/// The three clocks of this machine at this moment.
#[must_use]
pub fn stamp(wall: &dyn Clock) -> Stamp {
    // The boot is read each time: it is one small read, and nobody has to hand it on.
    Stamp { wall: wall.now(), monotonic_us: since_boot_us(), boot: boot_id() }
}

/// Microseconds since the machine was switched on, sleep included.
pub(super) fn since_boot_us() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}

/// Which time the machine was switched on; empty where the system does not say.
fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// What one device knows of its clock, shared by whoever records, sends and tells.
pub struct Clocks {
    ledger: Arc<Ledger>,
    wall: Arc<dyn Clock>,
    notes: Mutex<ClockNotes>,
    recorded: Mutex<Option<Stamp>>,
}

impl Clocks {
    /// What the ledger says of it.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read.
    pub async fn load(ledger: Arc<Ledger>, wall: Arc<dyn Clock>) -> Result<Self, LedgerError> {
        let notes = Mutex::new(ledger.clock().await?);
        let recorded = Mutex::new(ledger.last_stamp().await?);
        Ok(Self { ledger, wall, notes, recorded })
    }

    /// The three clocks at this moment.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        stamp(&*self.wall)
    }

    /// What is known.
    #[must_use]
    pub fn notes(&self) -> ClockNotes {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut ClockNotes)) {
        change(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes a measurement, and says so when the clock has become wrong.
    pub async fn measured(&self, contact: Contact) {
        let is_told = warning(&self.notes(), &self.stamp()).is_some();
        let noted = self.ledger.note_contact(&contact).await;
        self.change(|it| *it = ClockNotes { contact: Some(contact), jump: None });
        self.not_noted(noted);
        match (is_told, warning(&self.notes(), &self.stamp())) {
            (false, Some(message)) => tracing::warn!(code = Code::ClockSkew.text(), "{message}"),
            (true, None) => tracing::info!("the clock of the terminal is right again"),
            _ => {}
        }
    }

    /// Notes when an event was recorded, and says so when the clock of the wall has jumped since the one before.
    pub async fn recorded(&self, number: u64, now: Stamp) {
        let before =
            self.recorded.lock().unwrap_or_else(PoisonError::into_inner).replace(now.clone());
        let Some(by) = before.and_then(|it| jump(&it, &now)) else { return };
        let seconds = by.as_secs();
        tracing::warn!(
            code = Code::ClockSkew.text(),
            number,
            "终端时钟跳变 {seconds:+} 秒 the clock of the terminal jumped by {seconds:+} s"
        );
        let before = self.notes().jump;
        let by_us = i64::try_from(by.as_micros()).unwrap_or_default();
        let jump = Jump {
            by_us: before.map_or(0, |it| it.by_us).saturating_add(by_us),
            number: before.map_or(number, |it| it.number),
        };
        let noted = self.ledger.note_jump(jump).await;
        self.change(|it| it.jump = Some(jump));
        self.not_noted(noted);
    }

    /// A disk that is full keeps nobody from recording what still fits, and nothing from being sent.
    fn not_noted(&self, noted: Result<(), LedgerError>) {
        if let Err(error) = noted {
            tracing::warn!(error = chain(&error), "cannot note in the ledger how the clock stands");
        }
    }
}

/// A line of the journal by which the clock is measured, and which tells whether the journal answers.
///
/// An append that was just acknowledged happened between the call and its answer, and the message says what time the
/// journal had. It is the one thing about time that a device may ask: the head of its own line.
pub struct Timed {
    line: Arc<dyn Line>,
    clocks: Arc<Clocks>,
    /// Whether the journal answered when it was last called.
    online: watch::Sender<Option<bool>>,
    /// Not before this moment is measured again.
    due_us: Mutex<i64>,
}

impl Timed {
    /// Measures at the first append, and then at most once a minute.
    #[must_use]
    pub fn new(
        line: Arc<dyn Line>,
        clocks: Arc<Clocks>,
        online: watch::Sender<Option<bool>>,
    ) -> Self {
        Self { line, clocks, online, due_us: Mutex::new(i64::MIN) }
    }

    /// Whether it is time to measure; then it is not for a while.
    fn is_due(&self, now_us: i64) -> bool {
        let mut due_us = self.due_us.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = now_us >= *due_us;
        if is_due {
            *due_us = now_us.saturating_add(MEASURE_PAUSE_US);
        }
        is_due
    }

    async fn measure(&self, before: Stamp, after_us: i64, last: u64) {
        let round_trip_us = after_us.saturating_sub(before.monotonic_us);
        if !(0..=ROUND_TRIP_MAX_US).contains(&round_trip_us) || !self.is_due(after_us) {
            return;
        }
        let head = match self.line.head().await {
            // A copy that lags behind may answer with an earlier one, whose time was not now.
            Ok(Some(head)) if head.position == last => head,
            Ok(_) => return,
            Err(error) => {
                tracing::debug!(error = chain(&error), "the clock was not measured");
                return;
            }
        };
        let half = round_trip_us / 2;
        let at = Stamp {
            wall: before
                .wall
                .saturating_add(SignedDuration::from_micros(half))
                .unwrap_or(before.wall),
            monotonic_us: before.monotonic_us.saturating_add(half),
            boot: before.boot,
        };
        let contact = Contact { server: head.recorded_at, at, uncertainty_us: half.max(1) };
        self.clocks.measured(contact).await;
    }
}

#[async_trait]
impl Line for Timed {
    async fn head(&self) -> Result<Option<Stored>, JournalError> {
        let head = self.line.head().await;
        self.online.send_replace(Some(!matches!(head, Err(JournalError::Unavailable(_)))));
        head
    }

    async fn append(&self, messages: &[Message], last: u64) -> Result<Vec<u64>, AppendError> {
        let before = self.clocks.stamp();
        let appended = self.line.append(messages, last).await;
        self.online.send_replace(Some(!matches!(appended, Err(AppendError::Unavailable(_)))));
        let positions = appended?;
        if let Some(last) = positions.last() {
            self.measure(before, since_boot_us(), *last).await;
        }
        Ok(positions)
    }

    async fn receipt(&self) -> Result<Option<String>, JournalError> {
        self.line.receipt().await
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const SECOND: i64 = 1_000_000;

    fn at(seconds: i64, run: i64, boot: &str) -> Stamp {
        let wall = Timestamp::from_second(seconds).unwrap();
        Stamp { wall, monotonic_us: run * SECOND, boot: boot.to_owned() }
    }

    /// At second 1,000 of the journal the device, which had run 10 s in boot `a`, was `ahead` seconds ahead.
    fn notes(ahead: i64, jump: Option<i64>) -> ClockNotes {
        let server = Timestamp::from_second(1_000).unwrap();
        let contact = Contact { server, at: at(1_000 + ahead, 10, "a"), uncertainty_us: 1 };
        let jump = jump.map(|it| Jump { by_us: it * SECOND, number: 5 });
        ClockNotes { contact: Some(contact), jump }
    }

    fn seconds(notes: &ClockNotes, now: &Stamp) -> Option<i64> {
        offset(notes, now).map(|it| it.as_secs())
    }

    #[test]
    fn the_offset_is_carried_on_by_the_clock_that_never_jumps() {
        assert_eq!(seconds(&ClockNotes::default(), &at(9, 9, "a")), None);
        let known = notes(47, None);
        // A hundred seconds later, as it was.
        assert_eq!(seconds(&known, &at(1_147, 110, "a")), Some(47));
        // Somebody set the clock right, or wrong by an hour.
        assert_eq!(seconds(&known, &at(1_100, 110, "a")), Some(0));
        assert_eq!(seconds(&known, &at(1_147 - 3_600, 110, "a")), Some(47 - 3_600));
        // Switched off and on: what was measured is all there is, and what jumped since.
        assert_eq!(seconds(&known, &at(9_999, 3, "b")), Some(47));
        assert_eq!(seconds(&notes(47, Some(-3_600)), &at(9_999, 3, "b")), Some(47 - 3_600));
    }

    #[test]
    fn a_jump_is_seen_within_one_boot_only_and_slow_drift_is_none() {
        let before = at(1_000, 10, "a");
        let by = |now: Stamp| jump(&before, &now).map(|it| it.as_secs());
        assert_eq!(by(at(1_100, 110, "a")), None);
        assert_eq!(by(at(1_130, 110, "a")), None, "just within");
        assert_eq!(by(at(1_131, 110, "a")), Some(31));
        assert_eq!(by(at(900, 110, "a")), Some(-200), "back");
        assert_eq!(by(at(500, 1, "b")), None);
        assert_eq!(jump(&at(1, 1, ""), &at(900, 2, "")), None, "nobody knows the boot");
    }

    #[test]
    fn the_warning_says_which_way_and_how_much_and_ends_when_the_clock_is_right() {
        let now = at(1_100, 110, "a");
        assert_eq!(warning(&notes(0, None), &now), None);
        assert_eq!(warning(&ClockNotes::default(), &now), None, "nothing is known");
        let fast = warning(&notes(47, None), &at(1_147, 110, "a")).unwrap();
        assert!(fast.contains("快 47 秒") && fast.contains("47 s fast"), "{fast}");
        let slow = warning(&notes(0, None), &at(1_000, 110, "a")).unwrap();
        assert!(slow.contains("慢 100 秒") && slow.contains("100 s slow"), "{slow}");
        let jump = notes(0, Some(-3_600)).jump;
        let unmeasured = ClockNotes { contact: None, jump };
        let jumped = warning(&unmeasured, &now).unwrap();
        assert!(jumped.contains("-3600") && jumped.contains("event 5"), "{jumped}");
        // It jumped, and is right now.
        assert_eq!(warning(&notes(0, Some(100)), &now), None);
    }
}
