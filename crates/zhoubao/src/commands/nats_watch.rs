//! `zhoubao nats-watch`: who tries what he may not, into the log and the journal's audit line.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;
use zhoubao_application::journal::Journal;
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_contract::Stored;
use zhoubao_domain::event::{Attempt, Event};
use zhoubao_domain::id::{HallCode, Stream, Subject};
use zhoubao_domain::time::rfc3339;
use zhoubao_nats::config::ACCOUNTS_FILE;
use zhoubao_nats::watch::{Incident, LeftBatches, names, read_log_line};

use crate::cli::NatsWatchArgs;
use crate::config::JournalAt;
use crate::failure::Failure;
use crate::files;
use crate::projecting::{patiently, stopped};
use crate::wiring::Context;

/// How often the log is looked at, and what was found written: an alarm comes within a minute.
const ROUND: Duration = Duration::from_secs(5);

/// How often it tells `zhoubao doctor` that it runs.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Batches that one terminal leaves in a round before it is an incident: a device that loses its power leaves one.
const LEFT_MIN: u32 = 10;

/// Entries of one round; the rest of a flood is told in the log only.
const ENTRIES_MAX: usize = 20;

/// Bytes of the log that are read at once; a flood does not fill the memory.
const READ_MAX: u64 = 8 * 1024 * 1024;

/// Longest subject that is kept.
const SUBJECT_CHARS_MAX: usize = 200;

/// The `ce-type` of its entries; the pages write others into the same line.
const ACCESS_REFUSED: &str = "cn.zhoubao.AccessRefused.v1";

/// Messages of one look for the last entry, and how long it waits for them.
const PAGE_MESSAGES_MAX: usize = 5_000;
const PAGE_WAIT: Duration = Duration::from_millis(500);

/// What one user did in one round: how often, and when last.
type Round = BTreeMap<(String, Attempt, String), (u32, Timestamp)>;

/// Runs the command.
///
/// # Errors
///
/// When the log cannot be read, or what waiting does not mend.
pub async fn run(ctx: &Context, args: NatsWatchArgs) -> Result<(), Failure> {
    let hall = ctx.hall()?;
    let JournalAt::Nats(address) = &ctx.config.journal else {
        return Err(Failure::configuration("日志不在 NATS the journal is not on a NATS server")
            .with_next("name it: --journal nats://host:4222"));
    };
    let journal = patiently(|| ctx.open_journal_to_read()).await?;
    let mut writer = Writer::new(journal.clone(), hall.clone());
    let mut log = Log { path: args.log, read: 0, since: last_entry(&*journal, &hall).await? };
    let accounts = args.out.join(ACCOUNTS_FILE);
    let mut round = Round::new();
    if args.once {
        log.read(&hall, &accounts, &mut round)?;
        write(ctx, &mut writer, &mut round).await?;
        tell(ctx);
        return Ok(());
    }
    let mut told: Option<Instant> = None;
    let mut left = LeftBatches::listen(&ctx.nats_options(address, hall.clone())).await?;
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let watching = async {
        loop {
            tokio::select! {
                incident = left.next() => match incident {
                    Some(incident) => note(&mut round, incident),
                    None => return Err(Failure::unavailable("the NATS connection has ended")),
                },
                _ = rounds.tick() => {
                    log.read(&hall, &accounts, &mut round)?;
                    if let Err(failure) = write(ctx, &mut writer, &mut round).await {
                        // What was found is kept for the next round.
                        tracing::warn!(error = failure.message, "nothing was written, trying on");
                    } else if told.is_none_or(|it| it.elapsed() >= TELL_EVERY) {
                        tell(ctx);
                        told = Some(Instant::now());
                    }
                }
            }
        }
    };
    tokio::select! {
        ended = watching => ended,
        () = stopped() => {
            ctx.output.note("已停止 stopped");
            Ok(())
        }
    }
}

/// Notes in the data folder that the log was read and what was found was written.
fn tell(ctx: &Context) {
    let now = format!("{}\n", rfc3339(ctx.clock.now()));
    let told = ctx
        .claim_folder()
        .and_then(|_| files::replace(&ctx.folder().watch(), now.as_bytes(), files::PRIVATE));
    if let Err(failure) = told {
        tracing::warn!(error = failure.message, "the doctor is not told that the watch runs");
    }
}

/// When a watch last told that it runs; none where it never did.
///
/// # Errors
///
/// When the file cannot be read.
pub(crate) fn told_at(path: &Path) -> Result<Option<Timestamp>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(path, &error)),
    }
}

/// When the latest try happened that is recorded: lines of the log up to it were read before.
async fn last_entry(journal: &dyn Journal, hall: &HallCode) -> Result<Option<Timestamp>, Failure> {
    let subject = Subject::new(hall.clone(), Stream::Audit);
    let time = |it: &Stored| it.message.attributes.time.as_deref()?.parse::<Timestamp>().ok();
    let Some(head) = journal.head(&subject).await? else { return Ok(None) };
    if head.message.attributes.kind.as_deref() == Some(ACCESS_REFUSED) {
        return Ok(time(&head));
    }
    // What the pages noted came after it: the whole journal is looked through, once, at the start.
    let (subject, mut last) = (subject.to_string(), None);
    let mut cursor = journal.open(1).await?;
    let mut at = 0;
    while at < head.position {
        let page = cursor.next(PAGE_MESSAGES_MAX, PAGE_WAIT).await?;
        for it in &page {
            at = it.position;
            let is_own = it.message.subject == subject
                && it.message.attributes.kind.as_deref() == Some(ACCESS_REFUSED);
            last = if is_own { time(it) } else { None }.or(last);
        }
    }
    Ok(last)
}

fn note(round: &mut Round, incident: Incident) {
    let Incident { at, user, attempt, subject } = incident;
    let subject = subject.chars().take(SUBJECT_CHARS_MAX).collect();
    let (times, last) = round.entry((user, attempt, subject)).or_insert((0, at));
    *times = times.saturating_add(1);
    *last = (*last).max(at);
}

/// The server's log, as far as it was read.
struct Log {
    path: PathBuf,
    read: u64,
    since: Option<Timestamp>,
}

impl Log {
    /// Notes what is new in the log. A file that is shorter than before was begun anew.
    fn read(&mut self, hall: &HallCode, accounts: &Path, round: &mut Round) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::file(&self.path, &error);
        let mut file = std::fs::File::open(&self.path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < self.read {
            self.read = 0;
        }
        // Anew each time: a terminal may have been enrolled.
        let names = std::fs::read_to_string(accounts).map(|it| names(&it));
        let names = names.map_err(|error| Failure::file(accounts, &error))?;
        loop {
            file.seek(SeekFrom::Start(self.read)).map_err(failed)?;
            let mut bytes = Vec::new();
            (&file).take(READ_MAX).read_to_end(&mut bytes).map_err(failed)?;
            // A line that is not whole yet is read next time.
            let Some(whole) = bytes.iter().rposition(|it| *it == b'\n') else { return Ok(()) };
            for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
                let Some(mut incident) = read_log_line(line, hall) else { continue };
                if self.since.is_some_and(|since| incident.at <= since) {
                    continue;
                }
                if let Some(name) = names.get(&incident.user) {
                    incident.user.clone_from(name);
                }
                note(round, incident);
            }
            self.read += whole as u64 + 1;
        }
    }
}

/// Raises the alarm and appends what was found, in the order of time.
async fn write(ctx: &Context, writer: &mut Writer, round: &mut Round) -> Result<(), Failure> {
    round.retain(|(_, attempt, _), (times, _)| {
        *attempt != Attempt::LeaveBatches || *times >= LEFT_MIN
    });
    let mut found: Vec<_> = round.iter().map(|(key, it)| (key.clone(), *it)).collect();
    found.sort_by_key(|(_, (_, last))| *last);
    for ((user, attempt, subject), (times, last)) in &found {
        if ctx.output.is_json() {
            ctx.output.value(&json!({
                "user": user, "attempt": attempt.word(), "subject": subject, "times": times,
                "last": last.to_string(),
            }));
        } else {
            ctx.output.line(format!(
                "⚠ {user}: {}  {subject}  {times} 次 times, {last}",
                title(*attempt)
            ));
        }
        tracing::error!(
            user,
            attempt = attempt.word(),
            subject,
            times,
            "somebody tries what he may not"
        );
    }
    // The latest are kept: by their time it is known how far the log was read.
    let skipped = found.len().saturating_sub(ENTRIES_MAX);
    if skipped > 0 {
        tracing::warn!(skipped, "a flood; only the latest entries are recorded");
    }
    let events =
        found.into_iter().skip(skipped).map(|((user, attempt, subject), (times, last))| {
            Unnumbered {
                stream: Stream::Audit,
                occurred_at: last,
                entered_at: None,
                actor: None,
                command: None,
                event: Event::AccessRefused { user, attempt, subject, times },
            }
        });
    let events: Vec<_> = events.collect();
    if !events.is_empty() {
        writer.write(events).await?;
    }
    round.clear();
    Ok(())
}

/// What was tried, for people.
pub(crate) fn title(attempt: Attempt) -> &'static str {
    match attempt {
        Attempt::Publish => "越权写入 wrote where it may not",
        Attempt::Subscribe => "越权订阅 listened where it may not",
        Attempt::LeaveBatches => "开批不交 opened batches and left them",
    }
}
