//! One turn in a process of its own: the product's, or the baseline's.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::civil::date;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use zhoubao_application::journal::{Expectation, Incarnation};
use zhoubao_application::projector::{Goal, project};
use zhoubao_application::store::SnapshotQuery;
use zhoubao_contract::{Draft, Message, encode, hash};
use zhoubao_domain::event::{Event, Setup};
use zhoubao_domain::id::{Digest, HallCode, Stream, Subject};
use zhoubao_nats::{StreamOptions, raw};
use zhoubao_store_postgres::PostgresReadModels;
use zhoubao_store_sqlite::raw::{RawJournal, RawPage, RawReadModels};

use super::journal::{sample, unnumbered};
use super::{
    HALL, HALL_OF_BASELINE, SCHEMA, SCHEMA_OF_BASELINE, baseline, hall, peak_kib, percentile_ms,
};
use crate::cli::{BenchArgs, BenchKind, BenchTurn};
use crate::config::{Address, JournalAt, StoreAt};
use crate::failure::{Failure, chain};
use crate::sample::{Bulk, TerminalEvent};
use crate::wiring::Context;

/// Pages that may wait for the baseline's commits, as in the product.
const PAGES_AHEAD: usize = 1;

/// Takes the turn and answers with what came of it.
pub(crate) async fn take(
    ctx: &Context,
    args: &BenchArgs,
    turn: BenchTurn,
) -> Result<Value, Failure> {
    match (args.kind, turn) {
        (_, BenchTurn::Fill) => {
            let started = Instant::now();
            let last = super::journal::fill(ctx, args.events(), args.seed).await?;
            Ok(json!({ "events": last, "seconds": started.elapsed().as_secs_f64() }))
        }
        (BenchKind::Rebuild, BenchTurn::Product) => rebuild(ctx).await,
        (BenchKind::Rebuild, BenchTurn::Baseline) => {
            rebuild_by_hand(ctx, args.page_of_rebuild()).await
        }
        (BenchKind::Append, BenchTurn::Product) => append(ctx, args).await,
        (BenchKind::Append, BenchTurn::Baseline) => append_by_hand(ctx, args).await,
        (
            BenchKind::Drain
            | BenchKind::Ingest
            | BenchKind::Live
            | BenchKind::Readers
            | BenchKind::Compose,
            _,
        ) => Err(Failure::usage("it has no turns")),
    }
}

/// Removes a file of SQLite with what lies beside it.
fn remove(path: &Path) -> Result<(), Failure> {
    for beside in ["", "-wal", "-shm"] {
        let mut path = path.as_os_str().to_owned();
        path.push(beside);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::file(Path::new(&path), &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn dropping(error: impl std::error::Error) -> Failure {
    Failure::unavailable(chain(&error))
}

/// Removes the benchmark's schemas.
pub(crate) async fn drop_schemas(ctx: &Context, address: &Address) -> Result<(), Failure> {
    let store: PostgresReadModels = ctx.open_schema(address, SCHEMA).await?;
    for schema in [SCHEMA, SCHEMA_OF_BASELINE] {
        store.drop_schema(schema).await.map_err(dropping)?;
    }
    store.close().await;
    Ok(())
}

async fn rebuild(ctx: &Context) -> Result<Value, Failure> {
    match &ctx.config.store {
        StoreAt::Sqlite => remove(&ctx.folder().read_models())?,
        StoreAt::Postgres(address) => drop_schemas(ctx, address).await?,
    }
    let hall = ctx.hall()?;
    let journal = ctx.open_journal().await?;
    let store = ctx.open_store().await?;
    let last = journal.state().await?.last;
    let started = Instant::now();
    let done = project(journal, store.clone(), hall.clone(), Goal::Sequence(last), |_| {}).await?;
    let seconds = started.elapsed().as_secs_f64();
    let peak = peak_kib();
    let counts = store.checkpoint(&hall).await?.map(|it| it.counts).unwrap_or_default();
    let query = SnapshotQuery {
        first: date(2023, 1, 1),
        last: date(2023, 12, 31),
        after: None,
        adjustments_after: None,
        issues: Vec::new(),
        segments: false,
        facts: false,
    };
    let cells = store.snapshot(&hall, &query).await?.cells;
    let amount: i64 = cells.values().map(|it| it.amount).sum();
    let events: i64 = cells.values().map(|it| it.events).sum();
    Ok(json!({
        "events": last, "seconds": seconds, "peak_kib": peak, "counted": counts.counted,
        "sums": [cells.len(), amount, events],
        "split": {
            "reading": done.reading.as_secs_f64(), "looking_up": done.looking_up.as_secs_f64(),
            "folding": done.folding.as_secs_f64(), "committing": done.committing.as_secs_f64(),
        },
    }))
}

/// Where the baseline's rows go.
enum Tables {
    Sqlite(RawReadModels),
    Postgres(zhoubao_store_postgres::raw::RawReadModels),
}

enum Rows {
    Json(RawPage),
    Columns(Box<zhoubao_store_postgres::raw::RawPage>),
}

async fn rebuild_by_hand(ctx: &Context, size: usize) -> Result<Value, Failure> {
    let mut tables = match &ctx.config.store {
        StoreAt::Sqlite => {
            let path = ctx.folder().path().join("raw.db");
            remove(&path)?;
            Tables::Sqlite(RawReadModels::create(&path).await?)
        }
        StoreAt::Postgres(address) => {
            use zhoubao_store_postgres::raw::RawReadModels;
            Tables::Postgres(RawReadModels::create(address.expose(), SCHEMA_OF_BASELINE).await?)
        }
    };
    let windows: HashMap<String, String> = sample()?
        .setup
        .iter()
        .filter_map(|(_, id, event)| match event {
            Event::Setup(Setup::Terminal { window, .. }) => {
                Some((id.to_string(), window.to_string()))
            }
            _ => None,
        })
        .collect();
    let journal = ctx.open_journal().await?;
    let last = journal.state().await?.last;
    let as_json = matches!(tables, Tables::Sqlite(_));
    let started = Instant::now();
    let (sender, mut pages) = mpsc::channel(PAGES_AHEAD);
    let mut cursor = journal.open(1).await?;
    let reader = tokio::spawn(async move {
        let mut at = 0;
        while at < last {
            let messages = baseline::page(&mut *cursor, size, last).await?;
            at = messages.last().map_or(last, |it| it.position);
            let folded = baseline::fold(&messages, &windows)?;
            let rows = match as_json {
                true => Rows::Json(folded.into_json()),
                false => Rows::Columns(Box::new(folded.into_columns())),
            };
            if sender.send((at, rows)).await.is_err() {
                break;
            }
        }
        Ok::<_, Failure>(())
    });
    let mut committing = Duration::ZERO;
    while let Some((at, rows)) = pages.recv().await {
        let began = Instant::now();
        match (&mut tables, rows) {
            (Tables::Sqlite(tables), Rows::Json(rows)) => tables.commit(at, rows).await?,
            (Tables::Postgres(tables), Rows::Columns(rows)) => tables.commit(at, *rows).await?,
            _ => return Err(Failure::integrity("rows of another store")),
        }
        committing += began.elapsed();
    }
    reader.await.map_err(|error| Failure::integrity(chain(&error)))??;
    let seconds = started.elapsed().as_secs_f64();
    let peak = peak_kib();
    let (rows, amount, events) = match &mut tables {
        Tables::Sqlite(tables) => tables.sums().await?,
        Tables::Postgres(tables) => tables.sums().await?,
    };
    Ok(json!({
        "events": last, "seconds": seconds, "peak_kib": peak, "sums": [rows, amount, events],
        "split": { "committing": committing.as_secs_f64() },
    }))
}

/// Times of appends, one by one.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn report(mut self, events: u64) -> Value {
        self.0.sort_unstable();
        let at = |percent| percentile_ms(&self.0, percent);
        let seconds: f64 = self.0.iter().map(Duration::as_secs_f64).sum();
        json!({
            "events": events, "seconds": seconds, "peak_kib": peak_kib(),
            "p50_ms": at(50), "p99_ms": at(99),
        })
    }
}

/// Ready messages in batches, the same on both sides and made before the clock runs.
struct Batches {
    acts: std::iter::Peekable<Bulk>,
    hall: HallCode,
    ends: HashMap<Stream, (u64, Option<Digest>)>,
    size: usize,
}

impl Batches {
    fn new(args: &BenchArgs, hall: &HallCode) -> Result<Self, Failure> {
        let acts = sample()?.bulk(args.events(), args.seed).peekable();
        Ok(Self { acts, hall: hall.clone(), ends: HashMap::new(), size: args.page_of_append() })
    }

    fn message(&mut self, act: TerminalEvent) -> Message {
        let it = unnumbered(act);
        let (number, previous) = self.ends.entry(it.stream.clone()).or_default();
        *number += 1;
        let message = encode(&Draft {
            subject: Subject::new(self.hall.clone(), it.stream),
            number: *number,
            previous: *previous,
            occurred_at: it.occurred_at,
            entered_at: None,
            actor: it.actor,
            command: None,
            event: it.event,
        });
        *previous = Some(hash(&message));
        message
    }
}

impl Iterator for Batches {
    type Item = Vec<Message>;

    fn next(&mut self) -> Option<Vec<Message>> {
        self.acts.peek()?;
        let acts: Vec<_> = self.acts.by_ref().take(self.size).collect();
        Some(acts.into_iter().map(|it| self.message(it)).collect())
    }
}

/// Through the port: each line's expected end, all or none, and what became of it.
async fn append(ctx: &Context, args: &BenchArgs) -> Result<Value, Failure> {
    match &ctx.config.journal {
        JournalAt::Sqlite => remove(&ctx.folder().journal())?,
        JournalAt::Nats(address) => raw::delete(&ctx.nats_options(address, ctx.hall()?)).await?,
    }
    let journal = ctx.open_journal().await?;
    let hall = hall(HALL)?;
    let mut ends: HashMap<String, Expectation> = HashMap::new();
    let mut times = Times::default();
    for batch in Batches::new(args, &hall)? {
        let started = Instant::now();
        let mut expected: HashMap<&str, Expectation> = HashMap::new();
        for message in &batch {
            let subject = message.subject.as_str();
            if expected.contains_key(subject) {
                continue;
            }
            let expectation = match ends.get(subject) {
                Some(it) => it.clone(),
                None => Expectation { subject: subject.parse()?, last: 0 },
            };
            expected.insert(subject, expectation);
        }
        let expected: Vec<_> = expected.into_values().collect();
        let sequences = journal.append(&batch, &expected).await?;
        for expectation in expected {
            ends.insert(expectation.subject.to_string(), expectation);
        }
        for (message, sequence) in batch.iter().zip(sequences) {
            if let Some(end) = ends.get_mut(&message.subject) {
                end.last = sequence;
            }
        }
        times.0.push(started.elapsed());
    }
    Ok(times.report(args.events()))
}

async fn append_by_hand(ctx: &Context, args: &BenchArgs) -> Result<Value, Failure> {
    enum Log {
        Sqlite(RawJournal),
        Nats(raw::RawStream),
    }
    let hall = hall(HALL_OF_BASELINE)?;
    let mut log = match &ctx.config.journal {
        JournalAt::Sqlite => {
            let path = ctx.folder().path().join("raw-journal.db");
            remove(&path)?;
            Log::Sqlite(RawJournal::create(&path).await?)
        }
        JournalAt::Nats(address) => {
            let options = ctx.nats_options(address, hall.clone());
            raw::delete(&options).await?;
            let stream = StreamOptions {
                incarnation: Incarnation(ctx.new_id()),
                bytes_max: ctx.config.journal_bytes_max,
            };
            Log::Nats(raw::RawStream::create(&options, &stream).await?)
        }
    };
    let mut times = Times::default();
    for batch in Batches::new(args, &hall)? {
        let now = ctx.clock.now().as_microsecond();
        let started = Instant::now();
        match &mut log {
            Log::Sqlite(log) => log.append(&batch, now).await?,
            Log::Nats(log) => log.append(&batch).await?,
        }
        times.0.push(started.elapsed());
    }
    Ok(times.report(args.events()))
}
