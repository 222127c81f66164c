//! Making a stream again from a copy of the journal: every message at its sequence, under the old incarnation.
//!
//! ```text
//!  begin    stream HALL_<code> over restoring.<code>.>, stored as hall.<code>.>; no incarnation: nobody else uses it
//!  push     Nats-Expected-Last-Sequence, Zhoubao-Recorded-At
//!  finish   stream HALL_<code> over hall.<code>.>; incarnation, zhoubao-restored-through: <last>
//! ```
//!
//! The server stamps every message with the present time. So the old time travels as a header, and readers take it
//! from messages up to the mark in the stream's metadata only: what a writer puts there counts for nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::stream::SubjectTransform;
use async_nats::{HeaderName, HeaderValue};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use zhoubao_application::journal::{BATCH_MESSAGES_MAX, Incarnation, JournalError};
use zhoubao_contract::Stored;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::Digest;

use crate::append::{Outgoing, Pace, batch, single};
use crate::blobs;
use crate::check::{Severity, check_servers};
use crate::connection::{CHECK_WAIT, Connection, Options};
use crate::fault::Fault;
use crate::message::to_headers;
use crate::receipts;
use crate::stream::{StreamOptions, settings, stream_name};

/// Key of the last sequence that was restored, in the stream's metadata.
const THROUGH_KEY: &str = "zhoubao-restored-through";

/// Key of the copy that a stream is being restored from, in its metadata.
const RESTORING_KEY: &str = "zhoubao-restoring";

/// Header with the time at which the journal first took a restored message.
pub(crate) const RECORDED_AT_NAME: &str = "Zhoubao-Recorded-At";
const RECORDED_AT: HeaderName = HeaderName::from_static(RECORDED_AT_NAME);

const EXPECTATION: HeaderName = HeaderName::from_static("Nats-Expected-Last-Sequence");

/// Longest wait for a stream to be made or changed, on the disks of all its servers.
const STREAM_WAIT: Duration = Duration::from_secs(10);

/// Tries to store some messages while the server comes and goes, and the pause between two.
const TRIES_MAX: u32 = 20;
const TRY_PAUSE: Duration = Duration::from_millis(500);

/// JetStream's numbers: no such stream; and batches off, incomplete, too large, too many.
const NO_STREAM: u64 = 10059;
const NO_BATCH: [u64; 4] = [10174, 10176, 10199, 10210];

/// How far a stream was restored, as far as this program knows.
#[derive(Debug)]
pub(crate) struct Through(AtomicU64);

/// Nobody has looked.
const UNKNOWN: u64 = u64::MAX;

impl Default for Through {
    fn default() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }
}

impl Through {
    /// The last restored sequence, 0 for none; `None` while nobody has looked.
    pub(crate) fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|it| *it != UNKNOWN)
    }

    /// Takes note of what the stream's settings say, and answers with it.
    pub(crate) fn note(&self, config: &Value) -> u64 {
        let text = config["metadata"][THROUGH_KEY].as_str();
        let through = text.and_then(|it| it.parse().ok()).filter(|it| *it != UNKNOWN).unwrap_or(0);
        self.0.store(through, Ordering::Relaxed);
        through
    }
}

/// The time of a message: the server's, or where the message was restored, the one that came with it.
///
/// To the microsecond, as a journal in a file keeps it: a copy of the one is a copy of the other.
pub(crate) fn recorded_at(
    server: Timestamp,
    header: Option<&str>,
    position: u64,
    through: u64,
) -> Timestamp {
    let restored = header.filter(|_| position <= through).and_then(|it| it.parse().ok());
    let time: Timestamp = restored.unwrap_or(server);
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

/// A stream that is being made again.
#[derive(Debug)]
pub struct RestoredStream {
    connection: Connection,
    options: Options,
    stream: StreamOptions,
    /// Sequence of the last message in the stream.
    last: u64,
    /// Messages of one batch; one where the server takes no batches.
    together: usize,
}

impl RestoredStream {
    /// Makes the stream, or goes on with one that an interrupted restore of the same copy has left. `copy` is the end
    /// of the copy's chain, and `last` its last sequence.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsafe`] with E.703 if there is a stream with anything else, with E.701 if the servers would
    /// lose events; [`JournalError::Unavailable`] when the server cannot be reached or refuses.
    pub async fn begin(
        options: Options,
        stream: StreamOptions,
        copy: &Digest,
        last: u64,
    ) -> Result<Self, JournalError> {
        let connection = Connection::open(&options).await?;
        for finding in check_servers(&connection, &options, &[]).await? {
            let accepted = finding.severity == Severity::Warning
                || (finding.severity == Severity::Loss && options.accept_loss);
            if !accepted {
                let detail = finding.to_string();
                return Err(JournalError::Unsafe { code: finding.code, detail });
            }
        }
        let name = stream_name(&options.hall);
        let hall = &options.hall;
        let stored = match info(&connection, &name).await {
            Ok(found) if found["config"]["metadata"][RESTORING_KEY] == copy.to_string() => {
                found["state"]["last_seq"].as_u64().filter(|it| *it <= last)
            }
            Ok(_) => None,
            Err(Fault::Refused { code: NO_STREAM, .. }) => {
                receipts::make(&connection, hall, options.replicas).await?;
                blobs::make(&connection, hall, options.replicas).await?;
                let mut config = settings(hall, options.replicas, &stream);
                config.subjects = vec![format!("restoring.{hall}.>")];
                // What was announced once is not announced again.
                config.republish = None;
                config.subject_transform = Some(SubjectTransform {
                    source: format!("restoring.{hall}.>"),
                    destination: format!("hall.{hall}.>"),
                });
                config.metadata = [(RESTORING_KEY.to_owned(), copy.to_string())].into();
                let subject = format!("STREAM.CREATE.{name}");
                connection.api::<Value>(&subject, &config, STREAM_WAIT).await?;
                Some(0)
            }
            Err(fault) => return Err(fault.into()),
        };
        let Some(stored) = stored else {
            return Err(JournalError::Unsafe {
                code: Code::OtherJournal,
                detail: format!(
                    "stream {name} is there: a journal is restored only where there is none"
                ),
            });
        };
        Ok(Self { connection, options, stream, last: stored, together: BATCH_MESSAGES_MAX })
    }

    /// Sequence of the last message that is stored already.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Stores the next messages; those that are stored already are passed over.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsafe`] with E.703 if somebody else writes into the stream; [`JournalError::Unavailable`] when
    /// the server does not answer for long, or cannot take a message.
    pub async fn push(&mut self, messages: &[Stored]) -> Result<(), JournalError> {
        let mut tries = 0;
        loop {
            let left = messages.iter().filter(|it| it.position > self.last);
            let chunk: Vec<_> = left.take(self.together).collect();
            let Some(first) = chunk.first() else { return Ok(()) };
            if first.position != self.last + 1 {
                return Err(
                    Fault::Unexpected(format!("message {} is missing", self.last + 1)).into()
                );
            }
            match self.send(&chunk).await {
                Ok(last) => {
                    self.last = last;
                    tries = 0;
                    continue;
                }
                Err(Fault::Refused { code, .. })
                    if self.together > 1 && NO_BATCH.contains(&code) =>
                {
                    self.together = 1;
                    continue;
                }
                Err(fault) if tries == TRIES_MAX => return Err(fault.into()),
                Err(fault) => {
                    tracing::debug!(
                        error = &fault as &dyn std::error::Error,
                        "restoring, once more"
                    );
                }
            }
            tries += 1;
            tokio::time::sleep(TRY_PAUSE).await;
            // Whether the messages are there although nobody said so; only this program writes.
            let Ok(found) = info(&self.connection, &stream_name(&self.options.hall)).await else {
                continue;
            };
            let stored = found["state"]["last_seq"].as_u64().unwrap_or_default();
            let ours = self.last..=self.last + chunk.len() as u64;
            if !ours.contains(&stored) {
                let detail = format!(
                    "the stream goes to {stored} and should go to {} at most; delete it and restore again",
                    ours.end()
                );
                return Err(JournalError::Unsafe { code: Code::OtherJournal, detail });
            }
            self.last = stored;
        }
    }

    async fn send(&self, messages: &[&Stored]) -> Result<u64, Fault> {
        let hall = &self.options.hall;
        let mut outgoing = Vec::with_capacity(messages.len());
        for stored in messages {
            let message = &stored.message;
            let rest = message.subject.strip_prefix(&format!("hall.{hall}."));
            let mut headers =
                to_headers(message).map_err(|it| Fault::Unexpected(it.to_string()))?;
            headers.insert(RECORDED_AT, stored.recorded_at.to_string().as_str());
            if outgoing.is_empty() {
                headers.insert(EXPECTATION, HeaderValue::from(self.last));
            }
            let Some(rest) = rest else {
                let subject = &message.subject;
                return Err(Fault::Unexpected(format!(
                    "`{subject}` is not a subject of hall {hall}"
                )));
            };
            let subject = format!("restoring.{hall}.{rest}");
            outgoing.push(Outgoing { subject, headers, body: Bytes::from(message.body.clone()) });
        }
        self.connection.ready(CHECK_WAIT).await?;
        let stream = stream_name(hall);
        let sequences = if outgoing.len() == 1 {
            single(&self.connection, &stream, outgoing).await?
        } else {
            batch(&self.connection, &stream, outgoing, Pace::Fast).await?
        };
        sequences.last().copied().ok_or_else(|| Fault::Unexpected("nothing was stored".to_owned()))
    }

    /// Opens the stream for its hall.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] when the server cannot be reached or refuses.
    pub async fn finish(self) -> Result<Incarnation, JournalError> {
        let Options { hall, replicas, .. } = &self.options;
        let mut config = settings(hall, *replicas, &self.stream);
        config.metadata.insert(THROUGH_KEY.to_owned(), self.last.to_string());
        let subject = format!("STREAM.UPDATE.{}", stream_name(hall));
        self.connection.api::<Value>(&subject, &config, STREAM_WAIT).await?;
        Ok(self.stream.incarnation)
    }
}

async fn info(connection: &Connection, name: &str) -> Result<Value, Fault> {
    connection.check_api(&format!("STREAM.INFO.{name}"), &json!({})).await
}
