//! The baseline of `zhoubao bench append`: atomic batches and nothing else. The product does not use it.
//!
//! No expectation, no repeat after a lost answer, no look for what became of an append. It is what a program comes to
//! that needs none of the journal's promises.

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;
use zhoubao_application::journal::{AppendError, JournalError};
use zhoubao_contract::Message;

use crate::connection::{Connection, Options};
use crate::fault::Fault;
use crate::message::to_headers;
use crate::stream::{StreamOptions, stream_name};

/// Longest wait for the server's answer to a request about a stream.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// A stream that takes plain batches.
#[derive(Debug)]
pub struct RawStream(Client);

impl RawStream {
    /// Makes the stream with the settings of a hall's.
    ///
    /// # Errors
    ///
    /// As [`NatsJournal::create_stream`](crate::NatsJournal::create_stream).
    pub async fn create(options: &Options, stream: &StreamOptions) -> Result<Self, JournalError> {
        crate::NatsJournal::create_stream(options, stream).await?;
        Ok(Self(Connection::open(options).await?.client))
    }

    /// Publishes all messages as one atomic batch and waits for the acknowledgement.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection is lost.
    #[expect(clippy::disallowed_methods, reason = "never stored as an identity")]
    pub async fn append(&self, messages: &[Message]) -> Result<(), AppendError> {
        let lost = |fault: Fault| AppendError::Unavailable(Box::new(fault));
        let id = Uuid::new_v4().simple().to_string();
        let last = messages.len();
        for (number, message) in (1..).zip(messages) {
            let mut headers: HeaderMap = to_headers(message)?;
            headers.insert("Nats-Batch-Id", id.as_str());
            headers.insert("Nats-Batch-Sequence", number.to_string().as_str());
            let (subject, body) = (message.subject.clone(), Bytes::from(message.body.clone()));
            if number < last {
                let sent = self.0.publish_with_headers(subject, headers, body).await;
                sent.map_err(|it| lost(Fault::Unexpected(it.to_string())))?;
                continue;
            }
            headers.insert("Nats-Batch-Commit", "1");
            let answer = self.0.request_with_headers(subject, headers, body).await;
            let answer = answer.map_err(|it| lost(Fault::Unexpected(it.to_string())))?;
            let ack: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
            if ack["count"].as_u64() != u64::try_from(last).ok() {
                return Err(lost(Fault::Unexpected(ack.to_string())));
            }
        }
        Ok(())
    }
}

/// Whether there is a stream of this hall.
///
/// # Errors
///
/// When the server does not answer.
pub async fn exists(options: &Options) -> Result<bool, JournalError> {
    let connection = Connection::open(options).await?;
    let subject = format!("STREAM.INFO.{}", stream_name(&options.hall));
    match connection.api::<Value>(&subject, &json!({}), ANSWER_WAIT).await {
        Ok(_) => Ok(true),
        Err(Fault::Refused { code: 10059, .. }) => Ok(false),
        Err(fault) => Err(fault.into()),
    }
}

/// Deletes the stream of a benchmark's hall with everything in it; one that is not there is no error.
///
/// # Errors
///
/// When the server does not answer or refuses.
pub async fn delete(options: &Options) -> Result<(), JournalError> {
    let connection = Connection::open(options).await?;
    let subject = format!("STREAM.DELETE.{}", stream_name(&options.hall));
    match connection.api::<Value>(&subject, &json!({}), ANSWER_WAIT).await {
        Ok(_) | Err(Fault::Refused { code: 10059, .. }) => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}
