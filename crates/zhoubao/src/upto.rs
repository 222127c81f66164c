//! A journal as it was at one position: what a rebuild reads, so that it ends exactly where the live copy is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zhoubao_application::journal::{
    AppendError, Cursor, Expectation, Journal, JournalError, JournalState,
};
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::id::Subject;

/// The first `last` messages of a journal, for reading only.
pub struct UpTo {
    journal: Arc<dyn Journal>,
    last: u64,
}

impl UpTo {
    /// The journal up to and including `last`.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, last: u64) -> Self {
        Self { journal, last }
    }
}

#[async_trait]
impl Journal for UpTo {
    async fn state(&self) -> Result<JournalState, JournalError> {
        let state = self.journal.state().await?;
        Ok(JournalState { last: state.last.min(self.last), ..state })
    }

    async fn append(
        &self,
        _messages: &[Message],
        _expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError> {
        Err(AppendError::Invalid { detail: "this copy of the journal is for reading".to_owned() })
    }

    /// The last message of a subject in the whole journal: a projector never asks.
    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        self.journal.head(subject).await
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        if sequence > self.last { Ok(None) } else { self.journal.get(sequence).await }
    }

    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
        let cursor = self.journal.open(from).await?;
        Ok(Box::new(UpToCursor { cursor, last: self.last, next: from }))
    }
}

struct UpToCursor {
    cursor: Box<dyn Cursor>,
    last: u64,
    next: u64,
}

#[async_trait]
impl Cursor for UpToCursor {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError> {
        if self.next > self.last {
            tokio::time::sleep(wait).await;
            return Ok(Vec::new());
        }
        let mut messages = self.cursor.next(max, wait).await?;
        messages.retain(|it| it.position <= self.last);
        if let Some(it) = messages.last() {
            self.next = it.position + 1;
        }
        Ok(messages)
    }
}
