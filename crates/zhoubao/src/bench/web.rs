//! The gateway under load: many writers over HTTP, and many screens that watch.
//!
//! ```text
//!  ingest   64 connections ─► gateway ─► group commit ─► journal     beside the same without group commit
//!  live     writer, 500 a second ─► journal ─► projector ─► board ─► 200 screens
//!           time from durable to seen                                 beside messages of the broker alone
//! ```
//!
//! Everything is the product's own and in one process, over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use zhoubao_application::committer::Committer;
use zhoubao_application::desk::Desk;
use zhoubao_application::journal::Journal;
use zhoubao_application::projector::{Goal, project};
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_contract::structured::to_structured;
use zhoubao_contract::{Draft, Stored, encode, hash};
use zhoubao_domain::event::{Act, Event, Kind, Setup};
use zhoubao_domain::id::{SetupTopic, Stream, Subject, TerminalId, UserId};
use zhoubao_gateway::live::{Limits, Live};
use zhoubao_gateway::people::{Accounts, LetInBy, Sessions};
use zhoubao_gateway::{Gateway, Noted, router, server};
use zhoubao_nats::raw;

use super::journal::{fill, sample};
use super::{HALL, hall, percentile_ms};
use crate::cli::BenchArgs;
use crate::config::JournalAt;
use crate::failure::{Failure, chain};
use crate::wiring::Context;

/// Writers at a time.
const WRITERS: usize = 64;

/// Screens that watch.
const SCREENS: usize = 200;

/// Events a second while they watch.
const RATE: u64 = 500;

/// Longest wait for the projector or for the last screen.
const WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) fn lost(error: impl std::error::Error) -> Failure {
    Failure::unavailable(chain(&error))
}

fn joined<T>(of: Result<T, tokio::task::JoinError>) -> Result<T, Failure> {
    of.map_err(|error| Failure::integrity(chain(&error)))
}

/// A gateway on a port of its own, and one person who is logged in.
struct Web {
    address: SocketAddr,
    cookie: String,
    clerk: UserId,
    work: Vec<JoinHandle<()>>,
}

impl Drop for Web {
    fn drop(&mut self) {
        for it in &self.work {
            it.abort();
        }
    }
}

impl Web {
    async fn start(ctx: &Context, journal: Arc<dyn Journal>) -> Result<(Self, String), Failure> {
        let store = ctx.open_store().await?;
        let clerk = clerk()?;
        let desk = Desk::new(journal.clone(), store.clone(), hall(HALL)?, ctx.clock.clone());
        let projector = project(journal, store, hall(HALL)?, Goal::Live, |_| {});
        let projector = tokio::spawn(async move {
            if let Err(error) = projector.await {
                tracing::error!(error = %error, "the projector ended");
            }
        });
        desk.catch_up().await?;
        // All watch in one session, from here.
        let readers_max = Limits::default().all;
        let limits = Limits { all: readers_max, session: readers_max, address: readers_max };
        let (live, keep) = Live::new(desk.clone(), ctx.clock.clone(), limits);
        let keep = tokio::spawn(async move { match keep.await {} });
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(lost)?;
        let address = listener.local_addr().map_err(lost)?;
        let accounts = Accounts::new(ctx.folder().path().join("accounts.json"));
        let link = accounts.link(&clerk, &Context::secret()?, ctx.clock.now())?;
        accounts.set(&link, "none".to_owned(), ctx.clock.now())?;
        let sessions = Sessions::default();
        let secrets = [Context::secret()?, Context::secret()?];
        let by = LetInBy::Password("none".to_owned());
        let token = sessions.open(clerk.clone(), by, secrets, ctx.clock.now());
        let csrf = sessions.pass(&token, true, ctx.clock.now()).map(|it| it.csrf);
        let gateway = Gateway {
            desk,
            blobs: ctx.open_blobs().await?,
            clock: ctx.clock.clone(),
            random: || Context::secret().ok(),
            live,
            accounts,
            sessions,
            provider: None,
            codes: ctx.config.totp,
            port: address.port(),
            names: vec![],
            looking: tokio::sync::Mutex::default(),
            copied: Box::new(|_| Box::pin(async { Ok(()) })),
            noted: Noted::default(),
        };
        let routes = router(Arc::new(gateway));
        let (going, stop) = watch::channel(false);
        let answer = tokio::spawn(async move {
            server::serve(listener, routes, readers_max + 512, stop).await;
            drop(going);
        });
        let cookie = format!("__Host-zhoubao={token}");
        let web = Self { address, cookie, clerk, work: vec![projector, keep, answer] };
        Ok((web, csrf.unwrap_or_default()))
    }
}

/// Somebody who may record.
pub(super) fn clerk() -> Result<UserId, Failure> {
    let clerk = sample()?.desks.first().map(|it| it.clerk.clone());
    clerk.ok_or_else(|| Failure::integrity("the sample has no clerk"))
}

/// The journal of the benchmark with terminals for all writers.
pub(super) async fn prepare(
    ctx: &Context,
    seed: u64,
) -> Result<(Arc<dyn Journal>, Vec<TerminalId>), Failure> {
    fill(ctx, 0, seed).await?;
    let sample = sample()?;
    let window = sample.setup.iter().find_map(|(topic, id, _)| {
        if *topic == SetupTopic::Window { id.as_str().parse().ok() } else { None }
    });
    let window: zhoubao_domain::id::WindowId =
        window.ok_or_else(|| Failure::integrity("the sample has no window"))?;
    let journal = ctx.open_journal().await?;
    let mut terminals = vec![];
    let mut entries = vec![];
    for nth in 0..WRITERS {
        let id = format!("b{nth:03}");
        entries.push(Unnumbered {
            stream: Stream::Setup(SetupTopic::Terminal, id.parse()?),
            occurred_at: sample.began_at,
            entered_at: None,
            actor: Some(sample.people.administrator.clone()),
            command: None,
            event: Event::Setup(Setup::Terminal { window: window.clone(), active: true }),
        });
        terminals.push(id.parse()?);
    }
    Writer::new(journal.clone(), hall(HALL)?).write(entries).await?;
    Ok((journal, terminals))
}

/// A consultation of one person now.
fn consultation(
    subject: &Subject,
    clerk: &UserId,
    number: u64,
    previous: Option<zhoubao_domain::id::Digest>,
    now: jiff::Timestamp,
) -> zhoubao_contract::Message {
    encode(&Draft {
        subject: subject.clone(),
        number,
        previous,
        occurred_at: now,
        entered_at: None,
        actor: Some(clerk.clone()),
        command: None,
        event: Event::Act(Act {
            kind: Kind::Consulted,
            amount: 1,
            department: None,
            matter: None,
            case: None,
        }),
    })
}

/// Appends events one by one over a connection that stays open; answers with how long each took.
async fn write(
    web: (SocketAddr, String, String, UserId),
    terminal: TerminalId,
    count: u64,
    from: (u64, Option<zhoubao_domain::id::Digest>, u64),
    ctx: Context,
) -> Result<Vec<Duration>, Failure> {
    let (address, cookie, csrf, clerk) = web;
    let subject = Subject::new(hall(HALL)?, Stream::Terminal(terminal.clone()));
    let stream = TcpStream::connect(address).await.map_err(lost)?;
    stream.set_nodelay(true).map_err(lost)?;
    let mut stream = BufReader::new(stream);
    let (mut number, mut previous, mut last) = from;
    let mut times = Vec::new();
    for _ in 0..count {
        number += 1;
        let message = consultation(&subject, &clerk, number, previous, ctx.clock.now());
        previous = Some(hash(&message));
        let stored = Stored { position: 0, recorded_at: ctx.clock.now(), message };
        let body = to_structured(&stored);
        let request = format!(
            "POST /v1/lines/{terminal}?last={last} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\
             X-CSRF-Token: {csrf}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await.map_err(lost)?;
        let answer = answer(&mut stream).await?;
        times.push(began.elapsed());
        let value: Value = serde_json::from_str(&answer).unwrap_or_default();
        last = value["positions"][0]
            .as_u64()
            .ok_or_else(|| Failure::integrity(format!("an append was refused: {answer}")))?;
    }
    Ok(times)
}

async fn answer(stream: &mut BufReader<TcpStream>) -> Result<String, Failure> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.map_err(lost)? == 0 {
            return Err(Failure::unavailable("the connection was closed"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.map_err(lost)?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

pub(super) fn summary(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    json!({
        "count": times.len(), "p50_ms": percentile_ms(&times, 50),
        "p99_ms": percentile_ms(&times, 99), "max_ms": percentile_ms(&times, 100),
    })
}

/// `bench ingest`: with group commit and without, by turns in the same run.
pub(crate) async fn ingest(ctx: &Context, args: &BenchArgs) -> Result<Value, Failure> {
    let (journal, terminals) = prepare(ctx, args.seed).await?;
    let each = args.events().div_ceil(WRITERS as u64);
    let mut runs: [Vec<Value>; 2] = [vec![], vec![]];
    for _ in 0..args.runs() {
        for (side, runs) in runs.iter_mut().enumerate() {
            let grouped: Arc<dyn Journal> = Arc::new(Committer::new(journal.clone(), hall(HALL)?));
            let behind = if side == 0 { grouped } else { journal.clone() };
            let (web, csrf) = Web::start(ctx, behind).await?;
            let mut writers = JoinSet::new();
            let mut from = vec![];
            for terminal in &terminals {
                let subject = Subject::new(hall(HALL)?, Stream::Terminal(terminal.clone()));
                let end = zhoubao_application::journal::head_or_start(&*journal, &subject).await?;
                from.push((end.next_number - 1, end.previous, end.last));
            }
            let before = journal.state().await?.last;
            let began = Instant::now();
            for (terminal, from) in terminals.iter().zip(from) {
                let of = (web.address, web.cookie.clone(), csrf.clone(), web.clerk.clone());
                writers.spawn(write(of, terminal.clone(), each, from, ctx.clone()));
            }
            let mut times = vec![];
            while let Some(done) = writers.join_next().await {
                times.extend(joined(done)??);
            }
            let seconds = began.elapsed().as_secs_f64();
            let stored = journal.state().await?.last - before;
            if stored != each * WRITERS as u64 {
                return Err(Failure::integrity(format!("{stored} of {} stored", times.len())));
            }
            let mut measured = summary(times);
            measured["events"] = json!(stored);
            measured["seconds"] = json!(seconds);
            #[expect(clippy::cast_precision_loss, reason = "a rate")]
            let rate = stored as f64 / seconds;
            measured["per_second"] = json!(rate);
            runs.push(measured);
        }
    }
    let [grouped, single] = runs;
    Ok(json!({ "writers": WRITERS, "grouped": grouped, "single": single }))
}

/// One screen: notes when it first had each position.
async fn watch_board(
    address: SocketAddr,
    cookie: String,
    until: u64,
) -> Result<Vec<(u64, Instant)>, Failure> {
    let mut stream = TcpStream::connect(address).await.map_err(lost)?;
    let request = format!(
        "GET /v1/board/live HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\nCookie: {cookie}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    let mut lines = BufReader::new(stream).lines();
    let mut seen = vec![];
    while let Some(line) = lines.next_line().await.map_err(lost)? {
        let Some(id) = line.strip_prefix("id: ") else { continue };
        let position = id.split('-').next().and_then(|it| it.parse().ok()).unwrap_or(0);
        seen.push((position, Instant::now()));
        if position >= until {
            return Ok(seen);
        }
    }
    Err(Failure::unavailable("a screen was cut off"))
}

/// `bench live`: from durable to seen on every screen, beside the broker's own publish to subscribe.
pub(crate) async fn live(ctx: &Context, args: &BenchArgs) -> Result<Value, Failure> {
    let JournalAt::Nats(address) = &ctx.config.journal else {
        return Err(Failure::usage("there is no broker to compare with")
            .with_next("zhoubao bench live --journal nats"));
    };
    let (journal, terminals) = prepare(ctx, args.seed).await?;
    let options = ctx.nats_options(address, hall(HALL)?);
    let count = args.events();
    let pause = Duration::from_secs(1) / u32::try_from(RATE).unwrap_or(1);
    let mut runs = vec![];
    for _ in 0..args.runs() {
        let baseline = raw::publish_to_subscribe(&options, SCREENS, count, pause).await?;
        let (web, _) = Web::start(ctx, journal.clone()).await?;
        let first = journal.state().await?.last;
        let until = first + count;
        let mut screens = JoinSet::new();
        for _ in 0..SCREENS {
            screens.spawn(watch_board(web.address, web.cookie.clone(), until));
        }
        // Everybody has his first picture.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let durable = publish(ctx, &journal, &terminals, &web.clerk, count, pause).await?;
        let mut times = vec![];
        while let Some(seen) = tokio::time::timeout(WAIT_MAX, screens.join_next())
            .await
            .map_err(|_| Failure::integrity("a screen did not get everything"))?
        {
            let seen = joined(seen)??;
            let mut next = seen.iter().peekable();
            for (position, at) in &durable {
                while next.peek().is_some_and(|(it, _)| it < position) {
                    next.next();
                }
                if let Some((_, shown)) = next.peek() {
                    times.push(shown.saturating_duration_since(*at));
                }
            }
        }
        let wanted = usize::try_from(count).unwrap_or(0) * SCREENS;
        if times.len() != wanted {
            return Err(Failure::integrity(format!("{} of {wanted} seen", times.len())));
        }
        runs.push(json!({ "screens": summary(times), "broker": summary(baseline) }));
    }
    Ok(json!({ "screens": SCREENS, "rate": RATE, "events": count, "runs": runs }))
}

/// Appends single events at the rate, and answers when each was on disk, by position.
pub(super) async fn publish(
    ctx: &Context,
    journal: &Arc<dyn Journal>,
    terminals: &[TerminalId],
    clerk: &UserId,
    count: u64,
    pause: Duration,
) -> Result<Vec<(u64, Instant)>, Failure> {
    let committer: Arc<dyn Journal> = Arc::new(Committer::new(journal.clone(), hall(HALL)?));
    let mut lines = vec![];
    for terminal in terminals {
        let subject = Subject::new(hall(HALL)?, Stream::Terminal(terminal.clone()));
        let end = zhoubao_application::journal::head_or_start(&**journal, &subject).await?;
        lines.push((subject, end));
    }
    let mut appends = JoinSet::new();
    let began = Instant::now();
    // Each line appends its own events one after the other; together they keep the rate.
    let every = pause * u32::try_from(lines.len()).unwrap_or(1);
    let each = count / lines.len() as u64;
    let rest = count % lines.len() as u64;
    for (nth, (subject, mut end)) in lines.into_iter().enumerate() {
        let (committer, clerk, clock) = (committer.clone(), clerk.clone(), ctx.clock.clone());
        let own = each + u64::from((nth as u64) < rest);
        appends.spawn(async move {
            let mut durable = vec![];
            for step in 0..own {
                let due = pause * u32::try_from(nth).unwrap_or(0)
                    + every * u32::try_from(step).unwrap_or(0);
                tokio::time::sleep_until(began + due).await;
                let message =
                    consultation(&subject, &clerk, end.next_number, end.previous, clock.now());
                end.next_number += 1;
                end.previous = Some(hash(&message));
                let expected = zhoubao_application::journal::Expectation {
                    subject: subject.clone(),
                    last: end.last,
                };
                let stored = committer.append(&[message], &[expected]).await?;
                end.last = stored.first().copied().unwrap_or(0);
                durable.push((end.last, Instant::now()));
            }
            Ok::<_, Failure>(durable)
        });
    }
    let mut durable = vec![];
    while let Some(done) = appends.join_next().await {
        durable.extend(joined(done)??);
    }
    durable.sort_unstable_by_key(|(position, _)| *position);
    Ok(durable)
}
