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

use std::time::Duration;

use async_trait::async_trait;
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::Subject;

/// Most messages of one [`Journal::append`]: what the broker takes in one atomic batch with our settings.
pub const BATCH_MESSAGES_MAX: usize = 200;

/// Most bytes of one message, headers included.
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
        /// E.701 to E.704.
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
    /// comes after the messages are on disk. A lost acknowledgement is resolved here, by reading the head back
    /// and comparing hashes: repeating an append that did happen answers with its sequences.
    async fn append(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError>;

    /// The last message of a subject.
    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError>;

    /// The message at a sequence.
    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError>;

    /// Reads from `from` on (a sequence ≥ 1; it may lie beyond the end).
    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError>;
}

/// A reader's place in a journal.
#[async_trait]
pub trait Cursor: Send {
    /// The next messages in order, at most `max`; an empty answer after `wait` without any.
    ///
    /// The raw order of the journal: whoever reads, checks that no sequence is missing
    /// ([`crate::follow::Follower`]).
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError>;
}
