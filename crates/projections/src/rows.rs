//! The rows of the read models, and what a page changes in them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use zhoubao_domain::case::Case;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Tally;
use zhoubao_domain::figure::{Adjustment, Figures, TallyCell, TallyValue};
use zhoubao_domain::id::{CaseId, Digest, EventRef, ObjectId, Stream, WindowId};

use crate::early::passes_over;
use crate::entry::Entry;
use crate::model::Incoming;

/// Entries of one line that share a row: a row is appended to until it has this many numbers.
pub const SEGMENT_NUMBERS: u64 = 256;

/// How many events came to what. `stored = counted + flagged + quarantined + held + repeated`, always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages in the journal up to the checkpoint.
    pub stored: u64,
    /// Took effect, perhaps with a warning.
    pub counted: u64,
    /// Stored with an `E.` code, count 0.
    pub flagged: u64,
    /// Bytes or identity not to be trusted.
    pub quarantined: u64,
    /// Not understood yet, or waiting for earlier numbers.
    pub held: u64,
    /// Stored again: the same number with the same content.
    pub repeated: u64,
}

/// How far the read models of a hall have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Incarnation of the journal.
    pub incarnation: String,
    /// Sequence of the last message folded.
    pub sequence: u64,
    /// Its hash.
    pub hash: Digest,
    /// What became of everything up to it.
    pub counts: Counts,
}

/// The last event of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Digest,
    /// Its position.
    pub position: u64,
    /// When the journal took it.
    pub recorded_at: Timestamp,
}

/// Entries of one line, appended to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// The line.
    pub stream: String,
    /// `(number − 1) / SEGMENT_NUMBERS`.
    pub segment: u64,
    /// Smallest position among the entries.
    pub first_position: u64,
    /// Largest position among the entries.
    pub last_position: u64,
    /// Earliest day of an entry.
    pub first_day: Date,
    /// Latest day of an entry.
    pub last_day: Date,
    /// The lines ([`Entry::write`]).
    pub entries: String,
}

/// A case and the events that touched it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRow {
    /// The case number.
    pub id: CaseId,
    /// What has counted.
    pub case: Case,
    /// Events that name it, each followed by a space; a page's are appended.
    pub events: String,
}

/// A day closed by a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCloseRow {
    /// The window.
    pub window: WindowId,
    /// The day.
    pub day: Date,
    /// What the window counted itself, by its latest close of the day.
    pub tally: Tally,
    /// Position of the first close of the day; a later close keeps it.
    pub position: u64,
}

/// What became of an event that did not simply count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Counts, with a warning.
    Warned,
    /// Counts 0 until released.
    Flagged,
    /// Waits to be understood, or for earlier numbers.
    Held,
    /// Not to be trusted.
    Quarantined,
}

impl Standing {
    /// The word in rows and on screens.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Warned => "warned",
            Self::Flagged => "flagged",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
        }
    }

    /// The standing of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Warned, Self::Flagged, Self::Held, Self::Quarantined]
            .into_iter()
            .find(|it| it.word() == word)
    }
}

/// An event that did not simply count; the checkpoint passes it, the row stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionRow {
    /// Its position.
    pub position: u64,
    /// The line it came in.
    pub stream: String,
    /// Its number, 0 where it could not be read.
    pub number: u64,
    /// What became of it.
    pub standing: Standing,
    /// Why.
    pub code: Code,
    /// One sentence.
    pub detail: String,
    /// Position of the release, rejection or repeat that settled it.
    pub settled: Option<u64>,
}

/// Open exceptions that are settled, each by the first settlement after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The line.
    pub stream: String,
    /// The number.
    pub number: u64,
    /// Position of what settles them.
    pub by: u64,
    /// The one message whose exceptions these are; `None`: all of the number that are not of a message that its line
    /// passed over ([`passes_over`]). Another content under the number waits for a person, whatever becomes of the event.
    pub message: Option<u64>,
}

impl Settlement {
    /// Whether an exception is one of these.
    #[must_use]
    pub fn settles(&self, row: &ExceptionRow) -> bool {
        let is_meant = match self.message {
            Some(position) => position == row.position,
            None => !passes_over(row.code),
        };
        is_meant && row.position < self.by && row.number == self.number && row.stream == self.stream
    }
}

/// An event outside the windows' lines, kept as it is: set-up, authorizations, desk, issues, releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactRow {
    /// Its position.
    pub position: u64,
    /// The line.
    pub stream: Stream,
    /// The number in it.
    pub number: u64,
    /// The `ce-type`.
    pub kind: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When the journal took it.
    pub recorded_at: Timestamp,
    /// Who.
    pub actor: Option<String>,
    /// Idempotency key of its command.
    pub command: Option<String>,
    /// Whether it took effect; false: flagged.
    pub counted: bool,
    /// SHA-256 of the body, by which an issue names templates, checklists, calendars and definitions.
    pub digest: Digest,
    /// The body as stored.
    pub body: String,
}

/// The effect an amended original has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmendmentRow {
    /// The original.
    pub original: EventRef,
    /// Its effect now: an entry with the original's number; sign 0 without a code means voided.
    pub current: Entry,
}

/// Frozen figures of one issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiguresRow {
    /// The issue.
    pub issue: ObjectId,
    /// Its figures; they replace those of an earlier freeze.
    pub figures: Figures,
}

/// What a page changes, keyed so that each row is written once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Lines that moved.
    pub heads: BTreeMap<String, Head>,
    /// Differences of the sums.
    pub tallies: BTreeMap<TallyCell, TallyValue>,
    /// Entries to append, by line and segment.
    pub segments: BTreeMap<(String, u64), SegmentRow>,
    /// Cases as they are now, ascending by id; `events` is what to append.
    pub cases: Vec<CaseRow>,
    /// Cases that were looked up and have no row yet, ascending by id.
    pub new_cases: Vec<CaseRow>,
    /// Days closed; a later close of the same day replaces the tally and keeps the position.
    pub day_closes: BTreeMap<(WindowId, Date), DayCloseRow>,
    /// Exceptions to insert.
    pub exceptions: Vec<ExceptionRow>,
    /// Exceptions that are settled.
    pub settled: Vec<Settlement>,
    /// Facts to insert.
    pub facts: Vec<FactRow>,
    /// Amended originals as they are now.
    pub amendments: BTreeMap<EventRef, AmendmentRow>,
    /// Adjustments to insert; the key is (position, place within it).
    pub adjustments: Vec<(u32, Adjustment)>,
    /// Figures to put in place.
    pub figures: Vec<FiguresRow>,
}

/// What must be looked up before a page can be folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Cases that are not in memory.
    pub cases: Vec<CaseId>,
    /// Originals of corrections, voidings and releases.
    pub originals: Vec<EventRef>,
    /// Numbers at or before a head, whose first content must be compared.
    pub repeats: Vec<EventRef>,
    /// Positions of messages that came before and may be taken now: held ones whose time has come, and those that a
    /// person names.
    pub messages: Vec<u64>,
    /// Events of which a person names a message: whether it still waits must be known.
    pub named: Vec<EventRef>,
}

impl Needs {
    /// Whether nothing has to be looked up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
            && self.originals.is_empty()
            && self.repeats.is_empty()
            && self.messages.is_empty()
    }
}

/// The effect of an original, as it was and as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The entry of the event itself.
    pub entry: Entry,
    /// Its effect now, where it was amended.
    pub current: Option<Entry>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Known cases.
    pub cases: Vec<(CaseId, Case)>,
    /// Known originals.
    pub originals: Vec<(EventRef, Original)>,
    /// Hashes of the first content under a number.
    pub hashes: Vec<(EventRef, Digest)>,
    /// Messages that came before.
    pub messages: Vec<Incoming>,
    /// What is open of the events that a person names by position.
    pub waiting: Vec<ExceptionRow>,
}
