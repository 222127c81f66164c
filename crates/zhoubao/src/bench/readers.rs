//! What readers of the live board cost the service, which runs in a process of its own.
//!
//! ```text
//!  zhoubao serve ◄── readers, all the limit lets in     its memory before and with them
//!                ◄── one more                           503 with Retry-After, or the command fails
//!                ◄── one that never reads, by turns     the others' time from durable to seen with and without it,
//!                                                       and how long until it is cut off
//! ```

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use zhoubao_application::journal::Journal;
use zhoubao_domain::id::{TerminalId, UserId};

use super::HALL;
use super::web::{lost, prepare, publish, summary};
use crate::cli::BenchArgs;
use crate::config::{JournalAt, StoreAt};
use crate::failure::Failure;
use crate::web;
use crate::wiring::Context;

/// Changes a second to all readers together, which leaves two cores room for both ends.
const TOLD_A_SECOND: usize = 50_000;

/// Most events a second.
const RATE_MAX: usize = 100;

/// Events before anything is measured: the service then keeps as many frames as it ever does.
const WARM_EVENTS: u64 = 300;

/// Longest wait for the service, for what it shows, and for it to cut off whoever never reads.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How often it is asked whether it is so far.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Quiet time before memory is looked at.
const SETTLED: Duration = Duration::from_secs(3);

/// What the reader that never reads lets its own system take for it, in bytes.
const NEVER_BUFFER_BYTES: u32 = 4 * 1024;

/// Positions and when they were first seen.
type Seen = Arc<Mutex<Vec<(u64, Instant)>>>;

/// The product's own service in a process of its own.
struct Service {
    process: Child,
    address: SocketAddr,
    cookie: String,
}

impl Service {
    async fn start(ctx: &Context, readers_max: usize) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::unavailable(format!("no service: {error}"));
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        for (name, _) in std::env::vars_os() {
            // Nothing of the hall whose settings these are: neither its archive nor its broker.
            if name.to_string_lossy().starts_with("ZHOUBAO_") {
                command.env_remove(name);
            }
        }
        command
            .arg("--dir")
            .arg(&ctx.config.dir)
            .args(["--hall", HALL, "--json", "serve"])
            .env("ZHOUBAO_LISTEN", "127.0.0.1:0")
            .env("ZHOUBAO_LOG", "warn")
            .env("ZHOUBAO_LIVE_READERS_MAX", readers_max.to_string())
            .env("ZHOUBAO_LIVE_READERS_SESSION_MAX", readers_max.to_string())
            .env("ZHOUBAO_LIVE_READERS_ADDRESS_MAX", readers_max.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().map_err(failed)?;
        let silent = || Failure::unavailable("the service does not say where it is");
        let stdout = process.stdout.take().ok_or_else(silent)?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(WAIT_MAX, lines.next_line()).await;
        let line = line.ok().and_then(Result::ok).flatten().ok_or_else(silent)?;
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        let url = said["url"].as_str().and_then(|it| it.strip_prefix("http://"));
        let address = url.and_then(|it| it.parse().ok()).ok_or_else(silent)?;
        let token = web::accounts(ctx).screen("bench", &Context::secret()?)?;
        Ok(Self { process, address, cookie: format!("__Host-zhoubao-screen={token}") })
    }

    /// Memory that is resident now, in KiB.
    fn resident_kib(&self) -> Result<u64, Failure> {
        let untold = || Failure::unavailable("the system does not tell the memory of the service");
        let path = format!("/proc/{}/status", self.process.id().ok_or_else(untold)?);
        let status = std::fs::read_to_string(path).map_err(|_| untold())?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).ok_or_else(untold)?;
        line.trim().trim_end_matches("kB").trim().parse().map_err(|_| untold())
    }

    fn request(&self, path: &str) -> String {
        let Self { address, cookie, .. } = self;
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n")
    }

    /// A request whose answer ends.
    async fn ask(&self, path: &str) -> Result<String, Failure> {
        let mut stream = TcpStream::connect(self.address).await.map_err(lost)?;
        let request = self.request(path) + "Connection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.map_err(lost)?;
        let mut answer = String::new();
        let read = timeout(WAIT_MAX, stream.read_to_string(&mut answer)).await;
        read.map_err(|_| Failure::unavailable("the service does not answer"))?.map_err(lost)?;
        Ok(answer)
    }

    /// How many read now, by its own count.
    async fn readers(&self) -> Result<usize, Failure> {
        let metrics = self.ask("/metrics").await?;
        let line = metrics.lines().find(|it| it.starts_with("zhoubao_live_readers{"));
        let count = line.and_then(|it| it.rsplit(' ').next()).and_then(|it| it.parse().ok());
        count.ok_or_else(|| Failure::unavailable("the service does not count its readers"))
    }

    /// Waits until so many read.
    async fn has_readers(&self, wanted: usize) -> Result<(), Failure> {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let count = self.readers().await?;
            if count == wanted {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(Failure::integrity(format!("{count} readers, not {wanted}")));
            }
            sleep(ASK_EVERY).await;
        }
    }
}

/// A reader; its connection ends with it.
struct Reader {
    seen: Seen,
    work: JoinHandle<()>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Reader {
    /// One that has its first picture.
    async fn start(service: &Service) -> Result<Self, Failure> {
        let cut_off = || Failure::unavailable("a reader was cut off");
        let mut stream = TcpStream::connect(service.address).await.map_err(lost)?;
        let request = service.request("/v1/board/live") + "Accept: text/event-stream\r\n\r\n";
        stream.write_all(request.as_bytes()).await.map_err(lost)?;
        let mut lines = BufReader::with_capacity(2 * 1024, stream).lines();
        loop {
            let line = timeout(WAIT_MAX, lines.next_line()).await.map_err(|_| cut_off())?;
            let line = line.map_err(lost)?.ok_or_else(cut_off)?;
            if line == "event: snapshot" {
                break;
            }
        }
        let seen = Seen::default();
        let kept = seen.clone();
        let work = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let Some(id) = line.strip_prefix("id: ") else { continue };
                let position = id.split('-').next().and_then(|it| it.parse().ok()).unwrap_or(0);
                kept.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((position, Instant::now()));
            }
        });
        Ok(Self { seen, work })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Instant)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has the last of these, and answers with how long each took.
    async fn times(&self, durable: &[(u64, Instant)]) -> Result<Vec<Duration>, Failure> {
        let last = durable.last().map_or(0, |(position, _)| *position);
        let until = Instant::now() + WAIT_MAX;
        while self.seen().last().is_none_or(|(position, _)| *position < last) {
            if Instant::now() > until || self.work.is_finished() {
                return Err(Failure::integrity("a reader did not get everything"));
            }
            sleep(ASK_EVERY).await;
        }
        let seen = std::mem::take(&mut *self.seen());
        let mut next = seen.iter().peekable();
        let mut times = Vec::with_capacity(durable.len());
        for (position, at) in durable {
            while next.peek().is_some_and(|(it, _)| it < position) {
                next.next();
            }
            if let Some((_, shown)) = next.peek() {
                times.push(shown.saturating_duration_since(*at));
            }
        }
        Ok(times)
    }
}

/// A reader that asks and never reads.
async fn never(service: &Service) -> Result<TcpStream, Failure> {
    let socket = TcpSocket::new_v4().map_err(lost)?;
    socket.set_recv_buffer_size(NEVER_BUFFER_BYTES).map_err(lost)?;
    let mut stream = socket.connect(service.address).await.map_err(lost)?;
    let request = service.request("/v1/board/live") + "Accept: text/event-stream\r\n\r\n";
    stream.write_all(request.as_bytes()).await.map_err(lost)?;
    Ok(stream)
}

/// Who writes, and how fast.
struct Source {
    journal: Arc<dyn Journal>,
    terminals: Vec<TerminalId>,
    clerk: UserId,
    pause: Duration,
}

impl Source {
    /// Writes events at the rate; answers with how long they took to each reader.
    async fn told(
        &self,
        ctx: &Context,
        count: u64,
        readers: &[Reader],
    ) -> Result<Vec<Duration>, Failure> {
        for it in readers {
            it.seen().clear();
        }
        let Self { journal, terminals, clerk, pause } = self;
        let durable = publish(ctx, journal, terminals, clerk, count, *pause).await?;
        let mut times = vec![];
        for it in readers {
            times.extend(it.times(&durable).await?);
        }
        let wanted = usize::try_from(count).unwrap_or(0) * readers.len();
        if times.len() != wanted {
            return Err(Failure::integrity(format!("{} of {wanted} seen", times.len())));
        }
        Ok(times)
    }
}

/// `bench readers`.
pub(crate) async fn measure(ctx: &Context, args: &BenchArgs) -> Result<Value, Failure> {
    if ctx.config.journal != JournalAt::Sqlite || ctx.config.store != StoreAt::Sqlite {
        return Err(Failure::usage("readers are measured on files: what they cost is the same")
            .with_next("zhoubao bench readers"));
    }
    let count = args.readers;
    let (journal, terminals) = prepare(ctx, args.seed).await?;
    let clerk = super::web::clerk()?;
    web::make_room(count);
    let service = Service::start(ctx, count).await?;
    let rate = (TOLD_A_SECOND / count).clamp(1, RATE_MAX);
    let pause = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(1);
    let source = Source { journal, terminals, clerk, pause };

    let first = Reader::start(&service).await?;
    let warm = Source { pause: Duration::from_secs(1) / RATE_MAX as u32, ..source };
    warm.told(ctx, WARM_EVENTS, std::slice::from_ref(&first)).await?;
    let source = Source { pause, ..warm };
    drop(first);
    service.has_readers(0).await?;
    sleep(SETTLED).await;
    let before = service.resident_kib()?;

    ctx.output.note(format!("打开 opening {count} readers"));
    let mut readers = Vec::with_capacity(count);
    for _ in 0..count {
        readers.push(Reader::start(&service).await?);
    }
    service.has_readers(count).await?;
    // All of them have had changes, too: what they need for these is part of what they cost.
    source.told(ctx, u64::try_from(rate).unwrap_or(1), &readers).await?;
    sleep(SETTLED).await;
    let with = service.resident_kib()?;

    let refused = service.ask("/v1/board/live").await?;
    let (head, _) = refused.split_once("\r\n\r\n").unwrap_or((&refused, ""));
    let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let retry = head.lines().filter_map(|it| it.split_once(": "));
    let retry = retry.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let Some((_, retry_after)) = retry.filter(|_| status == "503") else {
        return Err(Failure::integrity(format!("the reader beyond the limit got {head}")));
    };
    let beyond = json!({ "status": 503, "retry_after_seconds": retry_after.parse::<u64>().ok() });

    let mut runs = vec![];
    for _ in 0..args.runs() {
        let last = readers.pop();
        let without = source.told(ctx, args.events(), &readers).await?;
        // It takes the place of one that reads.
        drop(last);
        service.has_readers(count - 1).await?;
        let began = Instant::now();
        let silent = never(&service).await?;
        service.has_readers(count).await?;
        let beside = source.told(ctx, args.events(), &readers).await?;
        let resident = service.resident_kib()?;
        // Goes on until it is cut off: only what cannot be sent tells that nobody reads.
        while service.readers().await? == count {
            if began.elapsed() > WAIT_MAX {
                return Err(Failure::integrity("who never reads is not cut off"));
            }
            source.told(ctx, u64::try_from(rate).unwrap_or(1), &readers).await?;
        }
        let cut_off = began.elapsed();
        drop(silent);
        readers.push(Reader::start(&service).await?);
        runs.push(json!({
            "without": summary(without), "beside": summary(beside), "resident_kib": resident,
            "cut_off_after_seconds": cut_off.as_secs_f64(),
        }));
    }
    #[expect(clippy::cast_precision_loss, reason = "an average")]
    let each = with.saturating_sub(before) as f64 / count as f64;
    Ok(json!({
        "readers": count, "rate": rate, "events": args.events(), "beyond": beyond,
        "memory_kib": { "before": before, "with": with, "each": each }, "runs": runs,
    }))
}
