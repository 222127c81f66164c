//! The journal port: an append-only, totally ordered record of one hall.
//!
//! ```text
//!  sequence    1     2     3     4     5     6   …   last
//!            ┌─────┬─────┬─────┬─────┬─────┬─────┬───┬─────┐
//!            │ w01 │ w02 │ w01 │issue│ w01 │ w02 │   │     │   one total order, no sequence ever missing
//!            └─────┴─────┴─────┴─────┴─────┴─────┴───┴─────┘
//!              ▲           ▲           ▲
//!              └───────────┴───────────┘  the line of one subject; its last message is its head
//! ```
//!
//! A writer appends at the head it expects; a reader follows from a position. A position is (incarnation,
//! sequence): the incarnation is a random id written when the journal is made, so another or shorter journal
//! is never taken for this one.
//!
//! Adapters: [`crate::memory::MemoryJournal`], SQLite and NATS; all pass `zhoubao_conformance::journal`. Readers use
//! [`crate::follow::Follower`], writers of long lines [`append_in_order`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zhoubao_contract::{Message, Stored, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Digest, HallCode, Stream, Subject};

use crate::receipts::Receipts;

/// Most messages of one [`Journal::append`]: what the broker takes in one atomic batch with our settings.
pub const BATCH_MESSAGES_MAX: usize = 200;

/// Most bytes of one message, subject and headers included ([`size_bytes`]).
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024;

/// The random id written when a journal is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub String);

/// Which journal this is and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalState {
    /// The journal's incarnation.
    pub incarnation: Incarnation,
    /// Sequence of its last message, 0 when empty.
    pub last: u64,
}

/// What a writer believes to be the last sequence on a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The exact subject, never a wildcard.
    pub subject: Subject,
    /// Sequence of its last message, 0 for none.
    pub last: u64,
}

/// Why an append did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else wrote to one of the subjects first. Read the head, decide again, retry.
    #[error("the subject has changed since the expected position")]
    Conflict,
    /// A message is larger than the journal takes.
    #[error("a message has {size_bytes} bytes, the journal takes at most {limit_bytes}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// No batch can be opened now; single appends still work.
    #[error("the journal takes no batch now")]
    BatchRefused,
    /// The call itself is wrong ([`check_append`]): too many messages, a subject of another hall, an
    /// expectation missing. Nothing was stored, and no repeat will help.
    #[error("the append is malformed: {detail}")]
    Invalid {
        /// What is wrong with it.
        detail: String,
    },
    /// It is not known whether the append happened, or it is known that the journal does not answer.
    /// The same append may be tried again: an append that did happen answers as if it happened now.
    #[error("the journal does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal does not answer; try again.
    #[error("the journal does not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The journal must not be used: see the code.
    #[error("{detail} ({code})")]
    Unsafe {
        /// E.701 to E.704, or E.102.
        code: Code,
        /// What is wrong and the line to put in the configuration.
        detail: String,
    },
}

/// The journal of one hall.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Which journal this is and how far it goes.
    async fn state(&self) -> Result<JournalState, JournalError>;

    /// Appends all messages or none, each subject at its expected head, and answers with their sequences.
    ///
    /// At most [`BATCH_MESSAGES_MAX`] messages; `expected` names every subject of `messages` once. The answer
    /// comes after the messages are on disk. A lost acknowledgement is resolved here, by reading the line back
    /// and comparing hashes: an append whose messages directly follow the expected head of every subject did
    /// happen, and is answered with its sequences, even if others have appended since.
    async fn append(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError>;

    /// The last message of a subject.
    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError>;

    /// The message at a sequence.
    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError>;

    /// Reads from `from` on (a sequence ≥ 1; it may lie beyond the end: the reader then waits for it).
    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError>;
}

/// One line of a journal, as whoever owns it and nothing else reaches it: a window's device.
///
/// A lost acknowledgement is *not* resolved here. After [`AppendError::Conflict`] and [`AppendError::Unavailable`] the
/// messages may be stored; the head tells.
#[async_trait]
pub trait Line: Send + Sync {
    /// The last message of the line.
    async fn head(&self) -> Result<Option<Stored>, JournalError>;

    /// Appends all messages or none after the message at `last` (0 for none), and answers with their sequences.
    async fn append(&self, messages: &[Message], last: u64) -> Result<Vec<u64>, AppendError>;

    /// What the hall has said last of the line ([`crate::receipts`]).
    async fn receipt(&self) -> Result<Option<String>, JournalError>;
}

/// A line of a journal to which somebody has all rights.
pub struct OwnLine {
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// The line, of a terminal.
    pub subject: Subject,
    /// Where its receipts lie.
    pub receipts: Arc<dyn Receipts>,
}

#[async_trait]
impl Line for OwnLine {
    async fn head(&self) -> Result<Option<Stored>, JournalError> {
        self.journal.head(&self.subject).await
    }

    async fn append(&self, messages: &[Message], last: u64) -> Result<Vec<u64>, AppendError> {
        let expected = Expectation { subject: self.subject.clone(), last };
        self.journal.append(messages, &[expected]).await
    }

    async fn receipt(&self) -> Result<Option<String>, JournalError> {
        match &self.subject.stream {
            Stream::Terminal(terminal) => self.receipts.get(terminal).await,
            _ => Ok(None),
        }
    }
}

/// A reader's place in a journal.
#[async_trait]
pub trait Cursor: Send {
    /// The next messages in order, at most `max`; an empty answer after `wait` without any.
    ///
    /// What is there is answered at once, even if it is less than `max`; `wait` may be zero. After an error, or
    /// when the future was dropped, the place is lost: open another cursor. The raw order of the journal:
    /// whoever reads, checks that no sequence is missing ([`crate::follow::Follower`]).
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError>;
}

/// The size of a message against [`MESSAGE_BYTES_MAX`].
#[must_use]
pub fn size_bytes(message: &Message) -> usize {
    message.subject.len() + message.attributes.block_len() + message.body.len()
}

/// Checks the form of an append; every adapter calls it first, so that all refuse alike.
///
/// # Errors
///
/// [`AppendError::TooLarge`], or [`AppendError::Invalid`] for no message or more than [`BATCH_MESSAGES_MAX`], a
/// subject of another hall, or `expected` not naming every subject of `messages` exactly once.
pub fn check_append(
    hall: &HallCode,
    messages: &[Message],
    expected: &[Expectation],
) -> Result<(), AppendError> {
    let invalid = |detail: String| Err(AppendError::Invalid { detail });
    if messages.is_empty() || messages.len() > BATCH_MESSAGES_MAX {
        return invalid(format!("{} messages, expected 1 to {BATCH_MESSAGES_MAX}", messages.len()));
    }
    let mut unused = HashSet::new();
    for it in expected {
        if it.subject.hall != *hall {
            return invalid(format!("`{}` is not a subject of hall {hall}", it.subject));
        }
        if !unused.insert(it.subject.to_string()) {
            return invalid(format!("two expectations for `{}`", it.subject));
        }
    }
    let named = unused.clone();
    for message in messages {
        if !named.contains(&message.subject) {
            return invalid(format!("no expectation for `{}`", message.subject));
        }
        unused.remove(&message.subject);
        let size_bytes = size_bytes(message);
        if size_bytes > MESSAGE_BYTES_MAX {
            return Err(AppendError::TooLarge { size_bytes, limit_bytes: MESSAGE_BYTES_MAX });
        }
    }
    match unused.into_iter().next() {
        Some(subject) => invalid(format!("an expectation for `{subject}`, but no message")),
        None => Ok(()),
    }
}

/// Where a line of one subject goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineEnd {
    /// The number (`ce-id`) of the next event.
    pub next_number: u64,
    /// Hash of the last event, none for an empty line.
    pub previous: Option<Digest>,
    /// What [`Expectation::last`] is for the next append.
    pub last: u64,
}

/// Where the line of `subject` goes on: number 1 and no previous hash if nothing is there yet.
///
/// # Errors
///
/// As [`Journal::head`]; [`JournalError::Unsafe`] if the last message has no number that can be read.
pub async fn head_or_start(
    journal: &dyn Journal,
    subject: &Subject,
) -> Result<LineEnd, JournalError> {
    let Some(head) = journal.head(subject).await? else {
        return Ok(LineEnd { next_number: 1, previous: None, last: 0 });
    };
    let number = head.message.attributes.id.as_deref().and_then(|it| it.parse::<u64>().ok());
    let Some(next_number) = number.and_then(|it| it.checked_add(1)) else {
        return Err(JournalError::Unsafe {
            code: Code::Malformed,
            detail: format!(
                "the last message of `{subject}`, at {}, has no readable number; nothing can be appended after it",
                head.position
            ),
        });
    };
    Ok(LineEnd { next_number, previous: Some(hash(&head.message)), last: head.position })
}

/// How far [`append_in_order`] came.
#[derive(Debug)]
pub struct Appended {
    /// Sequences of the messages that are stored: the first so many of those given.
    pub sequences: Vec<u64>,
    /// Why the next one is not stored; `None` when all are. After [`AppendError::Unavailable`] it may be stored.
    pub stopped: Option<AppendError>,
}

/// Appends the messages of one subject in their order, after the message at `expected_last` (0 for none).
///
/// In batches where the journal takes them, else one by one; stops at the first message that cannot be stored.
/// Messages that are there already, because an acknowledgement was lost, count as stored.
pub async fn append_in_order(
    journal: &dyn Journal,
    subject: &Subject,
    messages: &[Message],
    expected_last: u64,
) -> Appended {
    let mut sequences: Vec<u64> = Vec::with_capacity(messages.len());
    // Asked anew for each chunk: a refusal passes, and batches are the only fast way.
    for chunk in messages.chunks(BATCH_MESSAGES_MAX) {
        let last = sequences.last().copied().unwrap_or(expected_last);
        let expectation = Expectation { subject: subject.clone(), last };
        match journal.append(chunk, &[expectation]).await {
            Ok(stored) => sequences.extend(stored),
            Err(stopped) if chunk.len() == 1 => {
                return Appended { sequences, stopped: Some(stopped) };
            }
            // A conflict of a batch may mean that its first messages are stored already: singles tell. So do
            // they for a message that is too large: those before it go in.
            Err(
                AppendError::BatchRefused | AppendError::Conflict | AppendError::TooLarge { .. },
            ) => {
                for message in chunk {
                    let last = sequences.last().copied().unwrap_or(expected_last);
                    let expectation = Expectation { subject: subject.clone(), last };
                    match journal.append(std::slice::from_ref(message), &[expectation]).await {
                        Ok(stored) => sequences.extend(stored),
                        Err(stopped) => return Appended { sequences, stopped: Some(stopped) },
                    }
                }
            }
            Err(stopped @ (AppendError::Invalid { .. } | AppendError::Unavailable(_))) => {
                return Appended { sequences, stopped: Some(stopped) };
            }
        }
    }
    Appended { sequences, stopped: None }
}
