//! Numbers, chains and appends events: what everything that writes to the journal shares.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use zhoubao_contract::{Draft, Message, encode, hash};
use zhoubao_domain::event::Event;
use zhoubao_domain::id::{HallCode, Stream, Subject, UserId};

use crate::journal::{
    AppendError, BATCH_MESSAGES_MAX, Expectation, Journal, JournalError, LineEnd, head_or_start,
};

/// An event that has no number yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnumbered {
    /// Its line.
    pub stream: Stream,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was typed in, if that was not when it happened.
    pub entered_at: Option<Timestamp>,
    /// Who.
    pub actor: Option<UserId>,
    /// Idempotency key of the command.
    pub command: Option<String>,
    /// What happened.
    pub event: Event,
}

/// Where an event is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its line.
    pub stream: Stream,
    /// Its number in the line.
    pub number: u64,
    /// Its position in the journal.
    pub position: u64,
}

/// Why nothing more was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The journal did not take an append.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The end of a line could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Writes to one hall's journal, at the ends of the lines as it knows them.
///
/// Several lines share a batch, so that a mixed stream keeps its order and costs one fsync a batch; where the
/// journal takes no batch, single appends keep the same order.
pub struct Writer {
    journal: Arc<dyn Journal>,
    hall: HallCode,
    ends: HashMap<Stream, LineEnd>,
}

impl Writer {
    /// A writer that knows no line yet.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, hall: HallCode) -> Self {
        Self { journal, hall, ends: HashMap::new() }
    }

    /// The end of a line, read once.
    ///
    /// # Errors
    ///
    /// When the journal does not answer or the line has no readable end.
    pub async fn end(&mut self, stream: &Stream) -> Result<LineEnd, JournalError> {
        if let Some(end) = self.ends.get(stream) {
            return Ok(end.clone());
        }
        let subject = Subject::new(self.hall.clone(), stream.clone());
        let end = head_or_start(&*self.journal, &subject).await?;
        self.ends.insert(stream.clone(), end.clone());
        Ok(end)
    }

    /// Forgets the ends of all lines: after a conflict they are read anew.
    pub fn forget(&mut self) {
        self.ends.clear();
    }

    /// Writes all events in order and answers with their receipts.
    ///
    /// # Errors
    ///
    /// The first append that was not taken; what came before it is stored. The writer has forgotten the ends.
    pub async fn write(&mut self, events: Vec<Unnumbered>) -> Result<Vec<Receipt>, WriteError> {
        let mut receipts = Vec::with_capacity(events.len());
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let chunk: Vec<_> = events.by_ref().take(BATCH_MESSAGES_MAX).collect();
            match self.chunk(chunk).await {
                Ok(written) => receipts.extend(written),
                Err(error) => {
                    self.forget();
                    return Err(error);
                }
            }
        }
        Ok(receipts)
    }

    async fn chunk(&mut self, chunk: Vec<Unnumbered>) -> Result<Vec<Receipt>, WriteError> {
        let mut expected: Vec<Expectation> = vec![];
        let mut messages: Vec<Message> = Vec::with_capacity(chunk.len());
        let mut identities = Vec::with_capacity(chunk.len());
        let mut ends: HashMap<Stream, LineEnd> = HashMap::new();
        for it in chunk {
            let end = match ends.get(&it.stream) {
                Some(end) => end.clone(),
                None => {
                    let end = self.end(&it.stream).await?;
                    let subject = Subject::new(self.hall.clone(), it.stream.clone());
                    expected.push(Expectation { subject, last: end.last });
                    end
                }
            };
            let message = encode(&Draft {
                subject: Subject::new(self.hall.clone(), it.stream.clone()),
                number: end.next_number,
                previous: end.previous,
                occurred_at: it.occurred_at,
                entered_at: it.entered_at,
                actor: it.actor,
                command: it.command,
                event: it.event,
            });
            let next = LineEnd {
                next_number: end.next_number + 1,
                previous: Some(hash(&message)),
                last: end.last,
            };
            identities.push((it.stream.clone(), end.next_number));
            messages.push(message);
            ends.insert(it.stream, next);
        }
        let positions = match self.journal.append(&messages, &expected).await {
            Err(AppendError::BatchRefused) => {
                self.singles(&messages, &identities, expected).await?
            }
            other => other?,
        };
        let mut receipts = Vec::with_capacity(positions.len());
        for ((stream, number), position) in identities.into_iter().zip(positions) {
            if let Some(end) = ends.get_mut(&stream) {
                end.last = position;
            }
            receipts.push(Receipt { stream, number, position });
        }
        self.ends.extend(ends);
        Ok(receipts)
    }

    async fn singles(
        &self,
        messages: &[Message],
        identities: &[(Stream, u64)],
        mut expected: Vec<Expectation>,
    ) -> Result<Vec<u64>, AppendError> {
        let mut positions = Vec::with_capacity(messages.len());
        for (message, (stream, _)) in messages.iter().zip(identities) {
            let Some(expectation) = expected.iter_mut().find(|it| it.subject.stream == *stream)
            else {
                return Err(AppendError::Invalid { detail: format!("no end of {stream}") });
            };
            let stored = self
                .journal
                .append(std::slice::from_ref(message), std::slice::from_ref(expectation))
                .await?;
            for position in stored {
                expectation.last = position;
                positions.push(position);
            }
        }
        Ok(positions)
    }
}
