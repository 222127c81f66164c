//! One line of the stream, with the few rights of the window's device that owns it.
//!
//! The device may publish to its own subject and ask for the last message there, and nothing else: no question about
//! the stream, no other message. So nothing is looked for behind a lost answer here; whoever appends, reads the head.

use async_trait::async_trait;
use zhoubao_application::journal::{AppendError, Expectation, JournalError, Line};
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::id::{Stream, Subject, TerminalId};

use crate::append::{Pace, Unacknowledged, send, unavailable};
use crate::check::{Severity, check_own_server};
use crate::connection::{ANSWER_WAIT, Connection, Options};
use crate::message::from_direct_get;
use crate::receipts;
use crate::stream::{head_subject, inbox};

/// A line on NATS JetStream.
#[derive(Debug)]
pub struct NatsLine {
    connection: Connection,
    subject: Subject,
}

impl NatsLine {
    /// Connects as `terminal`, whose answers come to an inbox of its own.
    ///
    /// Whether the server writes before it answers is not asked: a device has no right to, and sends again what a
    /// server has lost. The services of the hall ask.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsafe`] for a server that is too old or takes too small messages,
    /// [`JournalError::Unavailable`] when it cannot be reached or refuses the device.
    pub async fn connect(options: &Options, terminal: TerminalId) -> Result<Self, JournalError> {
        let prefix = options.inbox_prefix.clone().unwrap_or_else(|| inbox(terminal.as_str()));
        let options = Options { inbox_prefix: Some(prefix), ..options.clone() };
        let connection = Connection::open(&options).await?;
        let findings = check_own_server(&connection);
        match findings.into_iter().find(|it| it.severity == Severity::Unsafe) {
            Some(it) => Err(JournalError::Unsafe { code: it.code, detail: it.to_string() }),
            None => {
                let subject = Subject::new(options.hall, Stream::Terminal(terminal));
                Ok(Self { connection, subject })
            }
        }
    }
}

#[async_trait]
impl Line for NatsLine {
    /// A copy that lags behind may answer; an append at its head is then refused by the leader.
    async fn head(&self) -> Result<Option<Stored>, JournalError> {
        let subject = head_subject(&self.subject);
        let answer = self.connection.ask(&subject, None, "".into(), ANSWER_WAIT).await?;
        // When it was first recorded is nothing that the device asks.
        Ok(from_direct_get(&answer, 0)?)
    }

    async fn append(&self, messages: &[Message], last: u64) -> Result<Vec<u64>, AppendError> {
        let expected = [Expectation { subject: self.subject.clone(), last }];
        send(&self.connection, &self.subject.hall, messages, &expected, Pace::Yielding)
            .await
            .map_err(|it| match it {
                Unacknowledged::NotStored(error) => error,
                Unacknowledged::Conflict => AppendError::Conflict,
                Unacknowledged::Unclear(fault) => unavailable(fault),
            })
    }

    async fn receipt(&self) -> Result<Option<String>, JournalError> {
        match &self.subject.stream {
            Stream::Terminal(terminal) => {
                receipts::get(&self.connection, &self.subject.hall, terminal).await
            }
            _ => Ok(None),
        }
    }
}
