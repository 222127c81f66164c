//! The baseline of `zhoubao bench append`: atomic batches and nothing else. The product does not use it.
//!
//! No expectation, no repeat after a lost answer, no look for what became of an append. It is what a program comes to
//! that needs none of the journal's promises.

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use futures_util::StreamExt as _;
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

/// Publishes `count` small messages, one each `pause`, to this many subscribers with connections of their own, without a
/// stream; answers with the time from publishing to each subscriber's reading.
///
/// # Errors
///
/// When the server does not answer, or a message does not arrive within a minute.
pub async fn publish_to_subscribe(
    options: &Options,
    subscribers: usize,
    count: u64,
    pause: Duration,
) -> Result<Vec<Duration>, JournalError> {
    let unexpected = |it: String| JournalError::from(Fault::Unexpected(it));
    // Outside of every hall's subjects: a stream would take them, and a projector call them malformed.
    let subject = format!("bench.{}", options.hall);
    let mut readers = tokio::task::JoinSet::new();
    let mut connections = Vec::new();
    for _ in 0..subscribers {
        let client = Connection::open(options).await?.client;
        let mut messages =
            client.subscribe(subject.clone()).await.map_err(|it| unexpected(it.to_string()))?;
        client.flush().await.map_err(|it| unexpected(it.to_string()))?;
        connections.push(client);
        readers.spawn(async move {
            let mut seen = Vec::new();
            while (seen.len() as u64) < count {
                if messages.next().await.is_none() {
                    break;
                }
                seen.push(tokio::time::Instant::now());
            }
            seen
        });
    }
    let client = Connection::open(options).await?.client;
    let body = Bytes::from_static(&[b'x'; 287]);
    let mut sent = Vec::new();
    let mut due = tokio::time::interval(pause);
    for _ in 0..count {
        due.tick().await;
        sent.push(tokio::time::Instant::now());
        let published = client.publish(subject.clone(), body.clone()).await;
        published.map_err(|it| unexpected(it.to_string()))?;
        client.flush().await.map_err(|it| unexpected(it.to_string()))?;
    }
    let all = tokio::time::timeout(Duration::from_secs(60), readers.join_all()).await;
    let all = all.map_err(|_| unexpected("messages did not arrive".to_owned()))?;
    let times = all.iter().flat_map(|seen| sent.iter().zip(seen));
    Ok(times.map(|(sent, seen)| seen.saturating_duration_since(*sent)).collect())
}
