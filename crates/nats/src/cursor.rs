//! A reader's place: an ephemeral pull consumer without acknowledgements.
//!
//! ```text
//!  next(10,000) ─► pull 1 ████████████████ 10,000   each pull ends by its number of messages, by its bytes, or by
//!                  pull 2 ████████          5,000   time; the next is asked for when half of the last is read
//!  server       ─► message, message, … heartbeat every half second while there is nothing
//! ```
//!
//! Position and time of a message come from its reply subject, so nothing is asked a second time.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use futures_util::Stream as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast;
use tokio::time::Instant;
use zhoubao_application::journal::{Cursor, JournalError};
use zhoubao_contract::Stored;

use crate::connection::{ANSWER_WAIT, Connection, Signal, trouble};
use crate::fault::Fault;
use crate::journal::raw_get;
use crate::message::{Delivery, from_client, parse_delivery};

/// Messages of one pull.
const PULL_MESSAGES: usize = 10_000;

/// Bytes of one pull: two of them, decoded, are the most that a reader holds.
const PULL_BYTES: usize = 16 * 1024 * 1024;

/// How long a pull waits on the server.
const PULL_WAIT: Duration = Duration::from_secs(30);

/// How often the server says that it still waits.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Silence after which the consumer counts as lost: three heartbeats.
const SILENCE_MAX: Duration = Duration::from_millis(1600);

/// How long a page that is not full waits for messages that are on their way.
const FILL_WAIT: Duration = Duration::from_millis(50);

/// How long it lets them gather: to wake for each costs more than to read it.
const FILL_PAUSE: Duration = Duration::from_millis(1);

/// How long the server keeps a consumer that nobody pulls from.
const INACTIVE_MAX: Duration = Duration::from_secs(30);

/// How long to try while a server that has just started finds its streams again.
const OPEN_WAIT: Duration = Duration::from_secs(2);
const OPEN_PAUSE: Duration = Duration::from_millis(50);

/// Connections that may be lost at one message before it is read otherwise.
const CUTS_MAX: u32 = 2;

/// Places that are remembered.
const CUTS_KEPT_MAX: usize = 1000;

/// Most messages that are read one by one before such a message.
const SINGLES_MAX: u64 = 100;

/// A request for messages that the server has not yet fulfilled.
#[derive(Debug)]
struct Pull {
    id: u64,
    left: usize,
}

/// Where connections were lost, and how often: the message there may be what cuts them.
#[derive(Debug, Default)]
pub(crate) struct Cuts(Mutex<BTreeMap<u64, u32>>);

impl Cuts {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, next: u64) {
        let mut cuts = self.lock();
        *cuts.entry(next).or_default() += 1;
        if cuts.len() > CUTS_KEPT_MAX {
            cuts.pop_first();
        }
    }

    /// The last message that a reader from `from` on had better read by itself.
    fn suspect(&self, from: u64) -> Option<u64> {
        let cuts = self.lock();
        let near = cuts.range(from..from.saturating_add(SINGLES_MAX));
        near.rev().find(|(_, times)| **times >= CUTS_MAX).map(|(sequence, _)| *sequence)
    }
}

/// Reads the stream from a sequence on.
#[derive(Debug)]
pub(crate) struct NatsCursor {
    connection: Connection,
    signals: broadcast::Receiver<Signal>,
    incoming: Incoming,
    inbox: String,
    /// Where to ask for messages.
    next_subject: String,
    /// Where to give the consumer back.
    delete_subject: String,
    pull_id: u64,
    /// Messages that were read one by one, because one of them cuts the connection.
    singles: VecDeque<Stored>,
    cuts: Arc<Cuts>,
    /// The reason why nothing more will come.
    ended: Option<Fault>,
}

/// What the server sends.
#[derive(Debug)]
struct Incoming {
    answers: Subscriber,
    pulls: VecDeque<Pull>,
    /// Sequence of the next message.
    next: u64,
    /// Number of the last delivery.
    number: u64,
    /// Messages of the stream behind the last one that was read.
    pending: u64,
    /// The stream was restored up to here.
    through: u64,
    heard_at: Instant,
}

#[derive(Deserialize)]
struct Created {
    name: String,
}

/// Reads one by one up to a message at which the connection was lost again and again; the rest begins behind it.
async fn read_singles(
    connection: &Connection,
    stream: &str,
    from: u64,
    cuts: &Cuts,
    through: u64,
) -> Result<(VecDeque<Stored>, u64), Fault> {
    let mut singles = VecDeque::new();
    let mut next = from;
    while let Some(suspect) = cuts.suspect(next) {
        connection.ready(OPEN_WAIT).await?;
        match raw_get(connection, stream, &json!({ "seq": next }), through).await? {
            Some(stored) => singles.push_back(stored),
            // The end, or a gap that the reader sees.
            None => break,
        }
        if next == suspect {
            tracing::warn!(
                log.position = next,
                "a message that cuts connections was read by itself"
            );
        }
        next += 1;
    }
    Ok((singles, next))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl NatsCursor {
    pub(crate) async fn open(
        connection: &Connection,
        stream: &str,
        from: u64,
        cuts: &Arc<Cuts>,
        through: u64,
    ) -> Result<Self, Fault> {
        let (singles, from) = read_singles(connection, stream, from.max(1), cuts, through).await?;
        let deadline = Instant::now() + OPEN_WAIT;
        let request = json!({ "stream_name": stream, "config": {
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": from,
            "mem_storage": true,
            "num_replicas": 1,
            "inactive_threshold": nanoseconds(INACTIVE_MAX),
        }});
        loop {
            connection.ready(OPEN_WAIT).await?;
            let signals = connection.signals();
            let inbox = connection.client.new_inbox();
            let answers = connection.client.subscribe(format!("{inbox}.*")).await;
            let answers = answers.map_err(|_| Fault::Disconnected)?;
            let subject = format!("CONSUMER.CREATE.{stream}");
            match connection.api::<Created>(&subject, &request, ANSWER_WAIT).await {
                Ok(Created { name }) => {
                    return Ok(Self {
                        connection: connection.clone(),
                        signals,
                        incoming: Incoming {
                            answers,
                            pulls: VecDeque::new(),
                            next: from,
                            number: 0,
                            pending: 0,
                            through,
                            heard_at: Instant::now(),
                        },
                        inbox,
                        next_subject: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"),
                        delete_subject: format!("$JS.API.CONSUMER.DELETE.{stream}.{name}"),
                        pull_id: 0,
                        singles,
                        cuts: Arc::clone(cuts),
                        ended: None,
                    });
                }
                Err(Fault::NoResponders | Fault::Disconnected | Fault::Refused { .. })
                    if Instant::now() < deadline =>
                {
                    tokio::time::sleep(OPEN_PAUSE).await;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    /// Asks for more when half of what was asked for is read.
    async fn top_up(&mut self) -> Result<(), Fault> {
        if self.incoming.pulls.iter().map(|it| it.left).sum::<usize>() > PULL_MESSAGES / 2 {
            return Ok(());
        }
        self.pull_id += 1;
        let request = json!({
            "batch": PULL_MESSAGES,
            "max_bytes": PULL_BYTES,
            "expires": nanoseconds(PULL_WAIT),
            "idle_heartbeat": nanoseconds(HEARTBEAT),
        });
        let reply = format!("{}.{}", self.inbox, self.pull_id);
        let client = &self.connection.client;
        let sent =
            client.publish_with_reply(self.next_subject.clone(), reply, request.to_string().into());
        sent.await.map_err(|_| Fault::Disconnected)?;
        self.incoming.pulls.push_back(Pull { id: self.pull_id, left: PULL_MESSAGES });
        // The server has had nothing to say while nothing was asked.
        self.incoming.heard_at = Instant::now();
        Ok(())
    }

    fn end(&mut self, fault: Fault) {
        if fault == Fault::Disconnected {
            self.cuts.note(self.incoming.next);
        }
        self.ended = Some(fault);
    }

    async fn page(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, Fault> {
        let mut page = Vec::new();
        let mut deadline = Instant::now() + wait;
        while page.len() < max {
            self.top_up().await?;
            let was_empty = page.is_empty();
            let silent_at = self.incoming.heard_at + SILENCE_MAX;
            let wake_at = deadline.min(silent_at);
            let outcome = tokio::select! {
                biased;
                taken = self.incoming.take(&mut page, max) => Some(taken),
                fault = trouble(&mut self.signals, &self.next_subject) => Some(Err(fault)),
                () = tokio::time::sleep_until(wake_at) => None,
            };
            match outcome {
                Some(Ok(())) if page.is_empty() => {}
                // Live: nothing more is there.
                Some(Ok(())) if self.incoming.pending == 0 => break,
                Some(Ok(())) => {
                    if was_empty {
                        deadline = Instant::now() + FILL_WAIT;
                    }
                    if page.len() < max {
                        tokio::time::sleep(FILL_PAUSE).await;
                    }
                }
                // What came before the end is good.
                Some(Err(fault)) if !page.is_empty() => {
                    self.end(fault);
                    break;
                }
                Some(Err(fault)) => return Err(fault),
                None if Instant::now() >= silent_at => {
                    return Err(Fault::Timeout(SILENCE_MAX));
                }
                None => break,
            }
        }
        Ok(page)
    }
}

impl Incoming {
    /// Takes what has come, waiting only for the first; an empty answer to a heartbeat.
    async fn take(&mut self, page: &mut Vec<Stored>, max: usize) -> Result<(), Fault> {
        // One poll takes many messages. `unconstrained`: the runtime would otherwise end it after 128.
        let taken = tokio::task::unconstrained(std::future::poll_fn(|context| {
            let mut heard = false;
            while page.len() < max {
                match Pin::new(&mut self.answers).poll_next(context) {
                    Poll::Ready(Some(message)) => {
                        heard = true;
                        self.heard(&message, page)?;
                    }
                    Poll::Ready(None) => return Poll::Ready(Err(Fault::Disconnected)),
                    Poll::Pending if heard => break,
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(Ok(()))
        }));
        taken.await?;
        self.heard_at = Instant::now();
        Ok(())
    }

    fn heard(&mut self, message: &Message, page: &mut Vec<Stored>) -> Result<(), Fault> {
        // First of all: a stored message may have a status of its own.
        let reply = message.reply.as_deref().unwrap_or_default();
        let Some(delivery) = parse_delivery(reply) else {
            let status = message.status.map_or(0, |it| it.as_u16());
            return self.heard_status(status, message);
        };
        if delivery.number != self.number + 1 {
            // Lost on the way, which the journal must not be blamed for: it is read again by another consumer.
            return Err(Fault::Unexpected(format!(
                "delivery {} after {}",
                delivery.number, self.number
            )));
        }
        self.number = delivery.number;
        self.next = delivery.position + 1;
        self.pending = delivery.pending;
        if let Some(pull) = self.pulls.front_mut() {
            pull.left -= 1;
            if pull.left == 0 {
                self.pulls.pop_front();
            }
        }
        let subject = message.subject.to_string();
        let Delivery { position, recorded_at, .. } = delivery;
        page.push(from_client(position, recorded_at, subject, message, self.through));
        Ok(())
    }

    fn heard_status(&mut self, status: u16, message: &Message) -> Result<(), Fault> {
        let description = message.description.as_deref().unwrap_or_default();
        match (status, description) {
            // Idle heartbeat.
            (100, _) => Ok(()),
            // The pull has ended: by time, or because it has all that it may have.
            (404 | 408, _) | (409, "Message Size Exceeds MaxBytes" | "Batch Completed") => {
                let id = message.subject.rsplit('.').next().and_then(|it| it.parse::<u64>().ok());
                self.pulls.retain(|it| Some(it.id) != id);
                Ok(())
            }
            (503, _) => Err(Fault::NoResponders),
            // The consumer is gone or moves.
            _ => Err(Fault::Refused { code: status.into(), description: description.to_owned() }),
        }
    }
}

#[async_trait]
impl Cursor for NatsCursor {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError> {
        if let Some(fault) = &self.ended {
            return Err(fault.clone().into());
        }
        if !self.singles.is_empty() {
            return Ok(self.singles.drain(..max.min(self.singles.len())).collect());
        }
        self.page(max, wait).await.map_err(|fault| {
            self.end(fault.clone());
            fault.into()
        })
    }
}

impl Drop for NatsCursor {
    fn drop(&mut self) {
        // A courtesy: the server forgets the consumer by itself after `INACTIVE_MAX`.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let client = self.connection.client.clone();
            let subject = std::mem::take(&mut self.delete_subject);
            runtime.spawn(async move { client.publish(subject, "".into()).await });
        }
    }
}
