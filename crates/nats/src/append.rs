//! One append: a plain publish, or an atomic batch by hand.
//!
//! ```text
//!  1     Nats-Batch-Id: <random>  Nats-Batch-Sequence: 1  Nats-Expected-…: 41   reply ─► empty, or 10210
//!  2     Nats-Batch-Id: <random>  Nats-Batch-Sequence: 2                        no reply
//!  n     Nats-Batch-Id: <random>  Nats-Batch-Sequence: n  Nats-Batch-Commit: 1  reply ─► {seq, count} or an error
//! ```
//!
//! The expectation goes on the first message of each subject and on no other (10164). All are sent without waiting
//! for the first answer, which only tells early that no batch can be opened.
//!
//! Unless whoever appends is to leave room for others ([`Pace::Yielding`]): a server that syncs always waits for its disk twice
//! when a batch is opened and twice when it is committed, and takes what comes in in its order. So it is asked for
//! an answer at either end and before the commit, and whatever others have sent meanwhile goes first.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::{HeaderMap, HeaderName, HeaderValue, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::time::Instant;
use uuid::Uuid;
use zhoubao_application::journal::{
    AppendError, Expectation, MESSAGE_BYTES_MAX, check_append, size_bytes,
};
use zhoubao_contract::{Message, hash};
use zhoubao_domain::id::HallCode;

use crate::connection::{ApiError, Connection, trouble};
use crate::fault::Fault;
use crate::journal::NatsJournal;
use crate::message::to_headers;
use crate::stream::stream_name;

/// Longest wait for an acknowledgement; the server writes to its disk before it answers.
const ACK_WAIT: Duration = Duration::from_secs(5);

/// Longest wait for a connection before anything is sent.
const CONNECT_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for the connection to come back, to find out what became of an append.
const PROBE_WAIT: Duration = Duration::from_secs(3);

/// How often a copy that may lag behind the leader is asked again, and how long after.
const PROBES_MAX: u32 = 5;
const PROBE_PAUSE: Duration = Duration::from_millis(50);

const EXPECTATION: HeaderName = HeaderName::from_static("Nats-Expected-Last-Subject-Sequence");
const BATCH_ID: HeaderName = HeaderName::from_static("Nats-Batch-Id");
const BATCH_SEQUENCE: HeaderName = HeaderName::from_static("Nats-Batch-Sequence");
const BATCH_COMMIT: HeaderName = HeaderName::from_static("Nats-Batch-Commit");

/// The header that makes the server refuse an append unless `last` is the last sequence of the subject.
pub(crate) fn expectation(last: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(EXPECTATION, HeaderValue::from(last));
    headers
}

/// The acknowledgement of a publish.
#[derive(Debug, Deserialize)]
struct Ack {
    error: Option<ApiError>,
    #[serde(default)]
    stream: String,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    count: u64,
    #[serde(default)]
    duplicate: bool,
}

/// A message ready to be sent.
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What lies where an append would have put its messages.
enum Found {
    Ours(Vec<u64>),
    Others,
    Nothing,
}

/// Why an append was not acknowledged.
pub(crate) enum Unacknowledged {
    /// Nothing of it is stored, and nothing has to be found out.
    NotStored(AppendError),
    /// The line does not end where it was expected: perhaps because this very append is there already.
    Conflict,
    /// Refused for another reason, or not answered.
    Unclear(Fault),
}

/// How fast the messages of a batch follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// At once.
    Fast,
    /// So that the messages of others find their way in between.
    Yielding,
}

/// Sends all `messages` once.
pub(crate) async fn send(
    connection: &Connection,
    hall: &HallCode,
    messages: &[Message],
    expected: &[Expectation],
    pace: Pace,
) -> Result<Vec<u64>, Unacknowledged> {
    let not_stored = Unacknowledged::NotStored;
    check_append(hall, messages, expected).map_err(not_stored)?;
    let mut outgoing = Vec::with_capacity(messages.len());
    let mut expectations: HashMap<String, u64> =
        expected.iter().map(|it| (it.subject.to_string(), it.last)).collect();
    for message in messages {
        let mut headers = to_headers(message).map_err(not_stored)?;
        if let Some(last) = expectations.remove(&message.subject) {
            headers.insert(EXPECTATION, HeaderValue::from(last));
        }
        let (subject, body) = (message.subject.clone(), Bytes::from(message.body.clone()));
        outgoing.push(Outgoing { subject, headers, body });
    }

    // Nothing was sent, so there is nothing to be found out.
    connection.ready(CONNECT_WAIT).await.map_err(|it| not_stored(unavailable(it)))?;
    let stream = stream_name(hall);
    let sent = if outgoing.len() == 1 {
        single(connection, &stream, outgoing).await
    } else {
        batch(connection, &stream, outgoing, pace).await
    };
    let fault = match sent {
        Ok(sequences) => return Ok(sequences),
        Err(fault) => fault,
    };
    let Fault::Refused { code, .. } = fault else { return Err(Unacknowledged::Unclear(fault)) };
    Err(match code {
        // Wrong last sequence; the second also when a rival is on its way.
        10071 | 10164 => Unacknowledged::Conflict,
        // Batches off, incomplete, too large, too many.
        10174 | 10176 | 10199 | 10210 => not_stored(AppendError::BatchRefused),
        // The frame of thousands of headers: `check_append` does not count it.
        10054 => not_stored(AppendError::TooLarge {
            size_bytes: messages.iter().map(size_bytes).max().unwrap_or(0),
            limit_bytes: MESSAGE_BYTES_MAX,
        }),
        // 10077 subject full, 10023 and 10047 no resources, and whatever else there may be.
        _ => Unacknowledged::Unclear(fault),
    })
}

/// Appends all `messages` or none; see [`Journal::append`](zhoubao_application::journal::Journal::append).
pub(crate) async fn append(
    journal: &NatsJournal,
    messages: &[Message],
    expected: &[Expectation],
) -> Result<Vec<u64>, AppendError> {
    match send(&journal.connection, journal.hall(), messages, expected, Pace::Fast).await {
        Ok(sequences) => Ok(sequences),
        Err(Unacknowledged::NotStored(error)) => Err(error),
        Err(Unacknowledged::Conflict) => match probe(journal, messages, expected, true).await {
            Ok(Found::Ours(sequences)) => Ok(sequences),
            Ok(Found::Others | Found::Nothing) => Err(AppendError::Conflict),
            Err(fault) => Err(unavailable(fault)),
        },
        // Where one right is missing, the right to look is no help.
        Err(Unacknowledged::Unclear(fault @ Fault::NotPermitted(_))) => Err(unavailable(fault)),
        Err(Unacknowledged::Unclear(fault)) => {
            match probe(journal, messages, expected, false).await {
                Ok(Found::Ours(sequences)) => Ok(sequences),
                Ok(Found::Others) => Err(AppendError::Conflict),
                Ok(Found::Nothing) | Err(_) => Err(unavailable(fault)),
            }
        }
    }
}

pub(crate) fn unavailable(fault: Fault) -> AppendError {
    AppendError::Unavailable(Box::new(fault))
}

pub(crate) async fn single(
    connection: &Connection,
    stream: &str,
    outgoing: Vec<Outgoing>,
) -> Result<Vec<u64>, Fault> {
    let mut sequences = Vec::with_capacity(1);
    for Outgoing { subject, headers, body } in outgoing {
        let answer = connection.ask(&subject, Some(headers), body, ACK_WAIT).await?;
        sequences.extend(read_ack(&answer.payload, stream, 1)?);
    }
    Ok(sequences)
}

pub(crate) async fn batch(
    connection: &Connection,
    stream: &str,
    outgoing: Vec<Outgoing>,
    pace: Pace,
) -> Result<Vec<u64>, Fault> {
    let deadline = Instant::now() + ACK_WAIT;
    let mut signals = connection.signals();
    let client = &connection.client;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|_| Fault::Disconnected)?;

    let id = HeaderValue::from(batch_id());
    let count = outgoing.len();
    let subject = outgoing.first().map(|it| it.subject.clone()).unwrap_or_default();
    let mut answer = async |answers: &mut Subscriber| {
        let answer = tokio::select! {
            biased;
            answer = answers.next() => answer.ok_or(Fault::Disconnected)?,
            fault = trouble(&mut signals, &subject) => return Err(fault),
            () = tokio::time::sleep_until(deadline) => return Err(Fault::Timeout(ACK_WAIT)),
        };
        match answer.status {
            Some(StatusCode::NO_RESPONDERS) => Err(Fault::NoResponders),
            _ => Ok(answer),
        }
    };
    for (number, Outgoing { subject, mut headers, body }) in (1..).zip(outgoing) {
        headers.insert(BATCH_ID, id.clone());
        headers.insert(BATCH_SEQUENCE, HeaderValue::from(number));
        if number == count {
            headers.insert(BATCH_COMMIT, "1");
        }
        let waits = pace == Pace::Yielding && (number == 1 || number + 1 == count);
        let sent = if number == 1 || number == count || waits {
            client.publish_with_reply_and_headers(subject, inbox.clone(), headers, body).await
        } else {
            client.publish_with_headers(subject, headers, body).await
        };
        sent.map_err(|it| Fault::Unexpected(it.to_string()))?;
        if waits {
            let answer = answer(&mut answers).await?;
            if !answer.payload.is_empty() {
                // It was refused.
                return read_ack(&answer.payload, stream, count);
            }
        }
    }
    loop {
        let answer = answer(&mut answers).await?;
        // The first message of a batch that was opened is answered with nothing.
        if !answer.payload.is_empty() {
            return read_ack(&answer.payload, stream, count);
        }
    }
}

/// 128 random bits: who knows another's batch id can commit or break the batch.
#[expect(
    clippy::disallowed_methods,
    reason = "never stored as an identity; only has to be unguessable"
)]
fn batch_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn read_ack(payload: &[u8], stream: &str, count: usize) -> Result<Vec<u64>, Fault> {
    let unexpected =
        || Fault::Unexpected(format!("acknowledgement `{}`", String::from_utf8_lossy(payload)));
    let ack: Ack = serde_json::from_slice(payload).map_err(|_| unexpected())?;
    if let Some(error) = ack.error {
        return Err(error.into());
    }
    let wanted = count as u64;
    // A single publish is acknowledged without a count.
    if ack.stream != stream || ack.duplicate || ack.seq < wanted || ack.count.max(1) != wanted {
        return Err(unexpected());
    }
    Ok((ack.seq + 1 - wanted..=ack.seq).collect())
}

/// Looks for `messages` where this append would have put them: in the line of each subject, directly after the
/// sequence that was expected.
///
/// More than the head is compared. The head alone would take an append of which only the beginning is there (it was
/// sent again one by one, and cut) for none, and one that others have written behind for a conflict.
async fn probe(
    journal: &NatsJournal,
    messages: &[Message],
    expected: &[Expectation],
    refused: bool,
) -> Result<Found, Fault> {
    journal.connection.ready(PROBE_WAIT).await?;
    let mut following: HashMap<String, u64> =
        expected.iter().map(|it| (it.subject.to_string(), it.last.saturating_add(1))).collect();
    let mut sequences = Vec::with_capacity(messages.len());
    for message in messages {
        let from = following.entry(message.subject.clone()).or_insert(1);
        let mut stored = journal.next_on(&message.subject, *from).await?;
        if stored.is_none() && sequences.is_empty() && refused && journal.replicas > 1 {
            // The leader knows of a message that the copy which answered may not have yet.
            for _ in 0..PROBES_MAX {
                tokio::time::sleep(PROBE_PAUSE).await;
                stored = journal.next_on(&message.subject, *from).await?;
                if stored.is_some() {
                    break;
                }
            }
        }
        match stored {
            Some(stored) if hash(&stored.message) == hash(message) => {
                *from = stored.position + 1;
                sequences.push(stored.position);
            }
            None if sequences.is_empty() => return Ok(Found::Nothing),
            _ => return Ok(Found::Others),
        }
    }
    Ok(Found::Ours(sequences))
}
