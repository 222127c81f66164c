//! 轨迹: the way of each event from the key press to the screen, told to whoever follows it.
//!
//! ```text
//!  window: record ──► send ──► journal ──► projector: count ──► board: show
//!  desk, browser:   append ──►
//! ```
//!
//! Each process tells its own part. Which trace a part belongs to follows from the event's name alone ([`trace`]), so
//! nothing travels with an event for its sake: the journal's bytes are the same whether somebody follows or not.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use zhoubao_contract::Message;

/// Target of the messages that [`tell`] writes; no log is meant to show them.
pub const TARGET: &str = "zhoubao_way";

/// Most events of one page or batch whose way is told: whoever catches up with a million is not followed.
pub const TOLD_MAX: usize = 100;

/// A part of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A window writes the event into its ledger: from the key press, as far as its page says when that was, or from when
    /// the event was handed in, until it is on disk.
    Recorded,
    /// A window sends it: from the first byte until the journal has acknowledged it.
    Sent,
    /// The service writes it into the journal for a page: from when it was handed in until it is on disk.
    Appended,
    /// The projector counts it: from when the journal took it until the read models have it on disk.
    Counted,
    /// The board shows it: from when the read models were looked at until it is handed to all readers, and the journal
    /// has said what it is called.
    Shown,
}

impl Part {
    /// Its name in a trace.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Recorded => "event.record",
            Self::Sent => "event.send",
            Self::Appended => "event.append",
            Self::Counted => "event.count",
            Self::Shown => "event.show",
        }
    }

    /// The part of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Recorded, Self::Sent, Self::Appended, Self::Counted, Self::Shown]
            .into_iter()
            .find(|it| it.name() == name)
    }

    /// Whether the event gets its number here: the other parts hang below it.
    #[must_use]
    pub fn is_first(self) -> bool {
        matches!(self, Self::Recorded | Self::Appended)
    }
}

/// When a part began; it ends when it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// Then, by the clock of the journal.
    At(Timestamp),
}

/// Whether anybody follows. Costs next to nothing where nobody does.
#[must_use]
pub fn is_followed() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::TRACE)
}

/// Tells that an event, named by its line and number, has passed a part of its way just now.
pub fn tell(part: Part, subject: &str, id: &str, position: Option<u64>, since: Since) {
    let (ago_us, at_us) = match since {
        Since::Ago(it) => (u64::try_from(it.as_micros()).ok(), None),
        Since::At(it) => (None, Some(it.as_microsecond())),
    };
    tracing::trace!(
        target: TARGET,
        part = part.name(),
        subject,
        id,
        position,
        ago_us,
        at_us,
    );
}

/// Tells it of messages and the positions that they got, if anybody follows.
pub fn tell_all(part: Part, messages: &[Message], positions: &[u64], since: Since) {
    if !is_followed() {
        return;
    }
    for (message, position) in messages.iter().zip(positions).take(TOLD_MAX) {
        if let Some(id) = &message.attributes.id {
            tell(part, &message.subject, id, Some(*position), since);
        }
    }
}

/// The trace of an event, and its first span: the first 16 and the next 8 bytes of SHA-256 over `subject#id`.
#[must_use]
pub fn trace(subject: &str, id: &str) -> ([u8; 16], [u8; 8]) {
    let digest = Sha256::digest(format!("{subject}#{id}"));
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&digest[..16]);
    span.copy_from_slice(&digest[16..24]);
    (trace, span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_by_its_name() {
        for part in [Part::Recorded, Part::Sent, Part::Appended, Part::Counted, Part::Shown] {
            assert_eq!(Part::named(part.name()), Some(part));
        }
        assert_eq!(Part::named("event.lost"), None);
    }

    #[test]
    fn a_trace_follows_from_the_name_alone() {
        // printf 'hall.510000.terminal.w01#17' | sha256sum
        let (trace, span) = trace("hall.510000.terminal.w01", "17");
        let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
        assert_eq!(hex(&trace), "0bb610e8ed95afaeee81a9fddb19ffed");
        assert_eq!(hex(&span), "2db53560b5141bcf");
    }
}
