//! A window that comes back after weeks without network, and what the other windows notice of it.
//!
//! ```text
//!  one window     ledger of 10,000 events ─► sender ─╮
//!  the others     an event now and then   ─► sender ─┼─► nats-server, each fsync 4 ms longer ─► projector
//!                 time from saved to stored          ╯
//!  run            idle ── drain ── idle ── drain …      both are measured in the same run
//! ```
//!
//! Everything is the product's own: ledger, rules of the queue, sender, line, projector. What is stored and counted at the
//! end is compared with what was recorded.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zhoubao_application::journal::{AppendError, JournalError, Line};
use zhoubao_application::projector::{Goal, project};
use zhoubao_contract::structured::Incoming;
use zhoubao_contract::{Draft, Message, Stored};
use zhoubao_domain::id::{HallCode, Stream, Subject, TerminalId};
use zhoubao_nats::NatsLine;
use zhoubao_outbox::BATCH_EVENTS_MAX;
use zhoubao_store_sqlite::ledger::{Ledger, Settings};

use super::journal::{fill, sample};
use super::{HALL, hall, percentile_ms};
use crate::broker::Broker;
use crate::cli::BenchArgs;
use crate::config::{Address, JournalAt};
use crate::failure::{Failure, chain};
use crate::sample::TerminalEvent;
use crate::terminal::clock::{Clocks, stamp};
use crate::terminal::sender::Sender;
use crate::wiring::Context;

/// Mean pause between two events of one of the other windows: many times as busy as a hall is.
const PAUSE: Duration = Duration::from_millis(500);

/// How long the hall is idle before each drain.
const IDLE: Duration = Duration::from_secs(5);

/// Longest wait for the projector at the end.
const COUNTED_MAX: Duration = Duration::from_secs(60);

/// When an event was saved, and how long it took from then until the journal had it.
type Latency = (Instant, Duration);

/// One run: idle until it began, then the drain.
struct Run {
    idle: Instant,
    began: Instant,
    ended: Instant,
}

/// What the windows' appends tell.
#[derive(Default)]
struct Watched {
    /// When the events were saved that the journal does not have yet.
    saved: Mutex<BTreeMap<(TerminalId, u64), Instant>>,
    latencies: Mutex<Vec<Latency>>,
}

fn locked<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line that notes when it was answered.
struct WatchedLine {
    line: NatsLine,
    terminal: TerminalId,
    watched: Arc<Watched>,
}

#[async_trait]
impl Line for WatchedLine {
    async fn head(&self) -> Result<Option<Stored>, JournalError> {
        self.line.head().await
    }

    async fn append(&self, messages: &[Message], last: u64) -> Result<Vec<u64>, AppendError> {
        let positions = self.line.append(messages, last).await?;
        for message in messages {
            let number = message.attributes.id.as_deref().and_then(|it| it.parse().ok());
            let key = (self.terminal.clone(), number.unwrap_or_default());
            // The window that drains waits for nothing.
            if let Some(saved) = locked(&self.watched.saved).remove(&key) {
                locked(&self.watched.latencies).push((saved, saved.elapsed()));
            }
        }
        Ok(positions)
    }

    async fn receipt(&self) -> Result<Option<String>, JournalError> {
        self.line.receipt().await
    }
}

/// A window's device.
struct Device {
    ctx: Context,
    address: Address,
    terminal: TerminalId,
    ledger: Arc<Ledger>,
    clocks: Arc<Clocks>,
    watched: Arc<Watched>,
    events: Box<dyn Iterator<Item = Incoming> + Send>,
}

impl Device {
    /// Its sender, which ends when the other end of `recorded` has gone and everything is stored.
    fn send(&self, recorded: watch::Receiver<u64>) -> JoinHandle<Result<(), Failure>> {
        let (ctx, address) = (self.ctx.clone(), self.address.clone());
        let (terminal, watched) = (self.terminal.clone(), self.watched.clone());
        let sender = Sender {
            ledger: self.ledger.clone(),
            clocks: self.clocks.clone(),
            key: None,
            open: {
                let hall = self.ledger.subject().hall.clone();
                async move || {
                    let options = ctx.nats_options(&address, hall.clone());
                    let line = NatsLine::connect(&options, terminal.clone()).await?;
                    let (terminal, watched) = (terminal.clone(), watched.clone());
                    Ok(Arc::new(WatchedLine { line, terminal, watched }) as Arc<dyn Line>)
                }
            },
            clock: self.ctx.clock.clone(),
            random: Context::random,
            receipt_at: self.ctx.clock.now(),
            recorded,
            trouble: None,
        };
        tokio::spawn(async move {
            match sender.run().await? {
                Some((code, number)) => {
                    Err(Failure::coded(code, format!("a window stopped before event {number}")))
                }
                None => Ok(()),
            }
        })
    }

    /// Records `count` events, and answers with the number of the last.
    async fn record(&mut self, count: u64) -> Result<u64, Failure> {
        let mut left = usize::try_from(count).unwrap_or(usize::MAX);
        let most = usize::try_from(BATCH_EVENTS_MAX).unwrap_or(usize::MAX);
        let mut last = 0;
        while left > 0 {
            let events: Vec<_> = self.events.by_ref().take(left.min(most)).collect();
            if events.is_empty() {
                return Err(Failure::integrity("the sample has no more acts"));
            }
            left -= events.len();
            let answers = self.ledger.record(&events, &stamp(&*self.ctx.clock)).await?;
            for answer in answers {
                last = last.max(answer?.number);
            }
        }
        Ok(last)
    }

    /// Records an event now and then until it is told to stop, and waits until everything is stored.
    async fn work(mut self, mut stop: watch::Receiver<bool>) -> Result<u64, Failure> {
        let (recorded, has_recorded) = watch::channel(0);
        let sender = self.send(has_recorded);
        loop {
            let pause = PAUSE * u32::from(Context::random()) / (u32::from(u16::MAX) / 2);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|it| *it) => break,
            }
            let number = self.record(1).await?;
            locked(&self.watched.saved).insert((self.terminal.clone(), number), Instant::now());
            recorded.send_replace(number);
        }
        let last = *recorded.borrow();
        drop(recorded);
        joined(sender.await)??;
        Ok(last)
    }
}

fn joined<T>(of: Result<T, tokio::task::JoinError>) -> Result<T, Failure> {
    of.map_err(|error| Failure::integrity(chain(&error)))
}

/// An act as a window's agent takes it.
fn incoming(hall: &HallCode, it: TerminalEvent) -> Incoming {
    let subject = Subject::new(hall.clone(), Stream::Terminal(it.terminal));
    Incoming::new(Draft {
        subject,
        number: 1,
        previous: None,
        occurred_at: it.occurred_at,
        entered_at: None,
        actor: Some(it.actor),
        command: None,
        event: it.event,
    })
}

/// Runs it and answers with what was measured. `broker` is the benchmark's own server, if it has one.
pub(crate) async fn measure(
    ctx: &Context,
    args: &BenchArgs,
    broker: Option<&Broker>,
) -> Result<Value, Failure> {
    let JournalAt::Nats(address) = &ctx.config.journal else {
        return Err(Failure::usage("a file has no other windows that could wait")
            .with_next("zhoubao bench drain --journal nats"));
    };
    fill(ctx, 0, args.seed).await?;
    let (sample, hall) = (sample()?, hall(HALL)?);
    let (journal, store) = (ctx.open_journal().await?, ctx.open_store().await?);
    let (counted, mut is_counted) = watch::channel(0);
    let projector = {
        let (journal, store, hall) = (journal.clone(), store.clone(), hall.clone());
        let told = move |it: zhoubao_application::projector::Progress| {
            counted.send_replace(it.sequence);
        };
        tokio::spawn(async move { project(journal, store, hall, Goal::Live, told).await })
    };
    // As many acts as the window that drains needs, with something to spare: the windows get about the same each.
    let windows = sample.desks.len() as u64;
    let acts = (args.events() * u64::from(args.runs()) + 1_000) * windows * 11 / 10;
    let watched = Arc::new(Watched::default());
    let mut devices = Vec::new();
    for desk in &sample.desks {
        let terminal = desk.terminal.clone();
        let settings = Settings {
            path: ctx.folder().path().join(format!("{terminal}.db")),
            hall: hall.clone(),
            terminal: terminal.clone(),
            now: ctx.clock.now(),
        };
        let own = (terminal.clone(), hall.clone());
        let events = sample.bulk(acts, args.seed).filter(move |it| it.terminal == own.0);
        let ledger = Arc::new(Ledger::open(settings).await?);
        devices.push(Device {
            ctx: ctx.clone(),
            address: address.clone(),
            terminal,
            clocks: Arc::new(Clocks::load(ledger.clone(), ctx.clock.clone()).await?),
            ledger,
            watched: watched.clone(),
            events: Box::new(events.map(move |it| incoming(&own.1, it))),
        });
    }
    let mut away = devices.pop().ok_or_else(|| Failure::integrity("the sample has no window"))?;
    let (stop, is_stopped) = watch::channel(false);
    let others: Vec<_> =
        devices.into_iter().map(|it| tokio::spawn(it.work(is_stopped.clone()))).collect();
    let bar = ctx.output.progress(u64::from(args.runs()), "补传 draining");
    let syncs_before = broker.and_then(Broker::syncs);
    let mut drains = Vec::new();
    let mut last = 0;
    for _ in 0..args.runs() {
        last = away.record(args.events()).await?;
        // Making the ledger longer is not idling.
        tokio::time::sleep(IDLE / 10).await;
        let idle = Instant::now();
        tokio::time::sleep(IDLE).await;
        let began = Instant::now();
        let (_, recorded) = watch::channel(last);
        joined(away.send(recorded).await)??;
        drains.push(Run { idle, began, ended: Instant::now() });
        bar.inc(1);
    }
    bar.finish_and_clear();
    let syncs = broker.and_then(Broker::syncs).zip(syncs_before).map(|(now, then)| now - then);
    stop.send_replace(true);
    let mut recorded = last;
    for other in others {
        recorded += joined(other.await)??;
    }
    let end = journal.state().await?.last;
    let waited = tokio::time::timeout(COUNTED_MAX, is_counted.wait_for(|it| *it >= end)).await;
    if !matches!(waited, Ok(Ok(_))) {
        let why = match projector.is_finished() {
            true => joined(projector.await)?.err().map(|error| chain(&error)),
            false => None,
        };
        return Err(Failure::integrity(format!("the projector stands still: {why:?}")));
    }
    projector.abort();
    let counts = store.checkpoint(&hall).await?.map(|it| it.counts).unwrap_or_default();
    let heads = store.heads(&hall, "terminal.").await?;
    let stored: u64 = heads.iter().map(|(_, it)| it.number).sum();
    if stored != recorded || counts.counted != end {
        return Err(Failure::integrity(format!(
            "{recorded} events recorded, {stored} stored; {end} in the journal, {} counted",
            counts.counted
        )));
    }
    let mut seconds: Vec<_> = drains.iter().map(|it| (it.ended - it.began).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let latencies = locked(&watched.latencies);
    let within = |part: fn(&Run) -> Range<Instant>| {
        let of = latencies.iter().filter(|(at, _)| drains.iter().any(|it| part(it).contains(at)));
        let mut times: Vec<Duration> = of.map(|it| it.1).collect();
        times.sort_unstable();
        json!({
            "events": times.len(), "p50_ms": percentile_ms(&times, 50),
            "p99_ms": percentile_ms(&times, 99), "max_ms": percentile_ms(&times, 100),
        })
    };
    Ok(json!({
        "events": args.events(), "runs": args.runs(), "windows": windows,
        "fsync_delay_ms": broker.map(|_| args.fsync_ms()), "fsyncs_delayed": syncs,
        "seconds": seconds,
        "idle": within(|it| it.idle..it.began),
        "draining": within(|it| it.began..it.ended),
        "recorded": recorded, "stored": stored, "counted": counts.counted, "journal": end,
    }))
}
