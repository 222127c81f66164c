//! `zhoubao doctor`: looks at everything and changes nothing. Each finding says what to do.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Value, json};
use zhoubao_application::journal::{Journal, JournalError, JournalState};
use zhoubao_application::known::Known;
use zhoubao_application::standing::{self, CLOSED_DAYS, Gap, OpenDays};
use zhoubao_application::store::{ReadModels, Snapshot, SnapshotQuery};
use zhoubao_contract::{Stored, event_from_json, hash};
use zhoubao_domain::code::{Code, Weight};
use zhoubao_domain::counting::CLOCK_OFFSET_MAX;
use zhoubao_domain::event::Event;
use zhoubao_domain::id::{HallCode, Stream, Subject, TerminalId};
use zhoubao_domain::time::{hall_day, rfc3339};
use zhoubao_nats::stream::stream_name;
use zhoubao_nats::watch::DOCTOR;
use zhoubao_nats::{NatsJournal, Options, Severity};
use zhoubao_projections::rows::{Checkpoint, ExceptionRow, FactRow, Head, Standing};
use zhoubao_store_sqlite::ledger::{Ledger, LedgerError, Settings};
use zhoubao_store_sqlite::read_models::SqliteReadModels;

use super::nats_watch::{title, told_at};
use crate::archive::{self, Checked};
use crate::cli::DoctorArgs;
use crate::config::{Address, JournalAt, StoreAt};
use crate::failure::{Exit, Failure};
use crate::fonts;
use crate::output::Table;
use crate::receipts::public_key;
use crate::terminal::clock;
use crate::wiring::{Access, Context, Whole};

/// Silence of the watch after which it counts as stopped: it tells each minute.
const WATCH_SILENT_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Free space below which somebody should look.
const FREE_BYTES_LOW: u64 = 1 << 30;

/// Free space below which the journal may stop any day.
const FREE_BYTES_MIN: u64 = 100 << 20;

/// Month from which on the next year's calendar is missed: the notice comes in November.
const NEXT_YEAR_FROM: i8 = 11;

/// Events that an archive may be behind while it is being written.
const ARCHIVE_BEHIND_MAX: u64 = 10_000;

/// How long an event may wait for the archive while that is being written: who keeps it needs seconds.
const ARCHIVE_WAITING_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Gaps, days and the like of one finding that are named; the rest is counted.
const NAMED_MAX: usize = 5;

/// Days back over which entries of the audit line are shown.
const AUDIT_DAYS: i32 = 7;

/// Working days without a message after which a terminal that has sent before is behind. One may be a day off.
const SILENT_DAYS_MAX: usize = 2;

/// How long an event may wait in a ledger of this folder: an agent that runs and reaches the journal needs seconds.
const WAITING_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Days before the last day of a key from which on a new one is asked for.
const KEY_DAYS_AHEAD: i32 = 30;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warning,
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Ok => "✓",
            Self::Warning => "!",
            Self::Error => "✗",
        }
    }
}

/// One thing that was looked at.
struct Finding {
    level: Level,
    subject: &'static str,
    detail: String,
    code: Option<Code>,
    exit: Option<Exit>,
    next: Option<String>,
}

/// A terminal as it is known.
struct TerminalState {
    id: TerminalId,
    window: Option<String>,
    active: bool,
    head: Option<Head>,
    /// When the journal took its last event.
    seen: Option<Timestamp>,
    /// How far its clock was ahead of the journal's when it recorded its last event, in milliseconds.
    ahead_ms: Option<i64>,
}

#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    terminals: Vec<TerminalState>,
    counts: Option<Checkpoint>,
    journal: Option<JournalState>,
}

impl Findings {
    fn ok(&mut self, subject: &'static str, detail: impl Into<String>) {
        let detail = detail.into();
        self.all.push(Finding {
            level: Level::Ok,
            subject,
            detail,
            code: None,
            exit: None,
            next: None,
        });
    }

    fn warn(
        &mut self,
        subject: &'static str,
        detail: impl Into<String>,
        code: Option<Code>,
        next: impl Into<String>,
    ) {
        let (detail, next) = (detail.into(), Some(next.into()));
        self.all.push(Finding { level: Level::Warning, subject, detail, code, exit: None, next });
    }

    fn fail(&mut self, subject: &'static str, failure: Failure) {
        self.all.push(Finding {
            level: Level::Error,
            subject,
            detail: failure.message,
            code: failure.code,
            exit: Some(failure.exit),
            next: failure.next,
        });
    }
}

/// Looks at everything.
///
/// # Errors
///
/// The worst of what was found, for the exit code.
pub async fn run(ctx: &Context, _args: DoctorArgs) -> Result<(), Failure> {
    let mut findings = Findings::default();
    look(ctx, &mut findings).await;
    print(ctx, &findings);
    let broken: Vec<_> = findings.all.iter().filter(|it| it.level == Level::Error).collect();
    let Some(worst) = broken.iter().max_by_key(|it| it.exit) else { return Ok(()) };
    Err(Failure {
        code: worst.code,
        exit: worst.exit.unwrap_or(Exit::Unavailable),
        message: format!("{} 处需要处理 findings need somebody: {}", broken.len(), worst.detail),
        next: worst.next.clone(),
    })
}

async fn look(ctx: &Context, findings: &mut Findings) {
    findings.ok(
        "配置 configuration",
        format!("journal {}, store {}", ctx.config.journal, ctx.config.store),
    );
    folder(ctx, findings);
    fonts(ctx, findings);
    let hall = match ctx.hall() {
        Ok(hall) => hall,
        Err(failure) => return findings.fail("大厅 hall", failure),
    };
    let training = if hall.is_training() { " 培训 training" } else { "" };
    findings.ok("大厅 hall", format!("{hall}{training}"));
    let journal = journal(ctx, &hall, findings).await;
    if let (Some(journal), Some(state)) = (&journal, findings.journal.clone()) {
        own_clock(ctx, &**journal, state.last, findings).await;
    }
    archive(ctx, journal.as_deref(), findings).await;
    watch(ctx, findings);
    receipts(ctx, findings);
    ledgers(ctx, &hall, findings).await;
    let Some(store) = store(ctx, findings).await else { return };
    let read = async {
        let checkpoint = store.checkpoint(&hall).await?;
        if let Some(checkpoint) = &checkpoint {
            counts(checkpoint, findings);
        }
        if let (Some(journal), Some(state)) = (&journal, findings.journal.clone()) {
            agreement(&**journal, &state, checkpoint.as_ref(), findings).await?;
        }
        findings.counts = checkpoint;
        let exceptions = store.exceptions(&hall, true).await?;
        let today = hall_day(ctx.clock.now());
        let query = SnapshotQuery {
            first: today.saturating_sub(CLOSED_DAYS.days()),
            last: today,
            after: None,
            adjustments_after: None,
            issues: vec![],
            segments: false,
            facts: true,
        };
        let snapshot = store.snapshot(&hall, &query).await?;
        let known = Known::from_facts(&snapshot.facts, u64::MAX)?;
        open_exceptions(&exceptions, findings);
        audit(&snapshot.facts, today, findings);
        let heads = store.heads(&hall, "terminal.").await?;
        let gaps = standing::gaps(&heads, &exceptions);
        terminals(&known, heads, gaps, findings);
        if let Some(journal) = &journal {
            last_events(&**journal, &hall, findings).await?;
        }
        behind(&known, today, findings);
        keys(&known, today, findings);
        calendars(&known, today, findings);
        days_closed(&known, &snapshot, &query, today, findings);
        Ok::<_, Failure>(())
    };
    if let Err(failure) = read.await {
        findings.fail("读模型 read models", failure);
    }
}

fn folder(ctx: &Context, findings: &mut Findings) {
    let dir = &ctx.config.dir;
    let embedded = ctx.config.journal == JournalAt::Sqlite || ctx.config.store == StoreAt::Sqlite;
    if !embedded {
        return;
    }
    let metadata = match std::fs::metadata(dir) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let detail = format!("`{}` 尚未建立 is not there yet", dir.display());
            return findings.warn(
                "数据目录 folder",
                detail,
                None,
                "the first command that writes makes it",
            );
        }
        Err(error) => return findings.fail("数据目录 folder", Failure::file(dir, &error)),
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        findings.ok("数据目录 folder", format!("`{}`", dir.display()));
    } else {
        findings.warn(
            "数据目录 folder",
            format!("`{}` 可被他人读取 is open to others (mode {mode:o})", dir.display()),
            None,
            format!("chmod 700 {}", dir.display()),
        );
    }
    disk(dir, findings);
}

/// Fonts may be missing where no issue is printed.
fn fonts(ctx: &Context, findings: &mut Findings) {
    let subject = "字体 fonts";
    match fonts::names(&ctx.config) {
        Ok(names) => {
            let names: Vec<_> = names.iter().map(|(role, name)| format!("{role} {name}")).collect();
            findings.ok(subject, names.join("，"));
        }
        Err(failure) => {
            let next = failure.next.unwrap_or_default();
            findings.warn(subject, failure.message, failure.code, next);
        }
    }
}

fn disk(dir: &Path, findings: &mut Findings) {
    let space = match rustix::fs::statvfs(dir) {
        Ok(space) => space,
        Err(error) => {
            return findings.fail("磁盘 disk", Failure::file(dir, &std::io::Error::from(error)));
        }
    };
    let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
    let (free, all) = (bytes(space.f_bavail), bytes(space.f_blocks).max(1));
    let detail =
        format!("{} MB 可用 free, {}%", free >> 20, u128::from(free) * 100 / u128::from(all));
    if free < FREE_BYTES_MIN {
        let next = "free space, or move the folder to a larger disk; nothing is lost meanwhile";
        findings.fail("磁盘 disk", Failure::unavailable(detail).with_next(next));
    } else if free < FREE_BYTES_LOW {
        findings.warn("磁盘 disk", detail, None, "free space, or move the folder to a larger disk");
    } else {
        findings.ok("磁盘 disk", detail);
    }
}

async fn journal(
    ctx: &Context,
    hall: &HallCode,
    findings: &mut Findings,
) -> Option<Arc<dyn Journal>> {
    let subject = "日志 journal";
    let none_yet = |findings: &mut Findings| {
        let next = "the first command that writes makes it";
        findings.warn(subject, "尚无日志 there is none yet", None, next);
    };
    let opened = match &ctx.config.journal {
        // Opened where it is lost, too: that says what to do.
        JournalAt::Sqlite
            if !ctx.folder().journal().exists()
                && matches!(ctx.had_a_journal(hall).await, Ok(false)) =>
        {
            none_yet(findings);
            return None;
        }
        JournalAt::Sqlite => ctx.open_journal_of(hall, Whole::Checked, Access::Read).await,
        JournalAt::Nats(address) => match broker(ctx, address, hall, findings).await {
            Ok(None) => {
                none_yet(findings);
                return None;
            }
            Ok(Some(journal)) => Ok(journal),
            Err(failure) => Err(failure),
        },
    };
    let state = match opened {
        Ok(journal) => match journal.state().await {
            Ok(state) => Ok((journal, state)),
            Err(error) => Err(error.into()),
        },
        Err(failure) => Err(failure),
    };
    match state {
        Ok((journal, state)) => {
            let JournalState { incarnation, last } = &state;
            findings.ok(subject, format!("{last} 条 events, incarnation {}", incarnation.0));
            findings.journal = Some(state);
            Some(journal)
        }
        Err(failure) => {
            findings.fail(subject, failure);
            None
        }
    }
}

async fn broker(
    ctx: &Context,
    address: &Address,
    hall: &HallCode,
    findings: &mut Findings,
) -> Result<Option<Arc<dyn Journal>>, Failure> {
    let subject = "消息服务器 broker";
    // Which service's key this is, is not known here: that it may read is all that is asked.
    let client_name = DOCTOR.to_owned();
    let options =
        Options { appends: false, client_name, ..ctx.nats_options(address, hall.clone()) };
    let journal = NatsJournal::open(options).await?;
    let is_missing =
        matches!(journal.state().await, Err(JournalError::Unsafe { code: Code::OtherJournal, .. }));
    // A hall that never had one gets its stream with the first command; any other has lost it.
    let is_new = is_missing && !ctx.had_a_journal(hall).await?;
    let mut found = journal.check().await?;
    if is_new {
        let stream = format!("stream {} does not exist", stream_name(hall));
        found.retain(|it| !it.detail.starts_with(&stream));
    }
    if found.is_empty() {
        findings.ok(subject, "安全 writes before it answers, never deletes");
    }
    for it in found {
        let next =
            it.line.as_ref().map(|line| format!("put `{line}` into the server's configuration"));
        let next = next.unwrap_or_else(|| it.code.fix().to_owned());
        let accepted = it.severity == Severity::Warning
            || (it.severity == Severity::Loss && ctx.config.accept_loss);
        if accepted {
            findings.warn(subject, it.detail, Some(it.code), next);
        } else {
            findings.fail(subject, Failure::coded(it.code, it.detail).with_next(next));
        }
    }
    if is_new {
        return Ok(None);
    }
    if let Ok(state) = journal.broker_state().await {
        if let Some(server) = state.now {
            own_offset(ctx.clock.now().duration_since(server), findings);
        }
        if !state.is_whole() {
            let detail =
                format!("{} messages, but the last has number {}", state.messages, state.last);
            findings.fail(subject, Failure::coded(Code::JournalGap, detail));
        }
        let filled =
            state.filled_percent().map_or_else(String::new, |it| format!(", {it}% of the limit"));
        let detail = format!("{} MB{filled}, {} copies", state.bytes >> 20, state.replicas);
        if state.is_filling() {
            findings.warn(subject, detail, None, "raise `max_bytes` of the stream");
        } else {
            findings.ok(subject, detail);
        }
    }
    Ok(Some(Arc::new(journal)))
}

/// How far the clock of this machine is ahead of the journal's.
fn own_offset(offset: SignedDuration, findings: &mut Findings) {
    let subject = "时钟 clock";
    if offset.abs() <= CLOCK_OFFSET_MAX {
        return findings.ok(subject, "与日志一致 that of this machine agrees with the journal's");
    }
    let detail = format!("本机时钟 the clock of this machine is {}", off_by(offset));
    findings.warn(subject, detail, Some(Code::ClockSkew), Code::ClockSkew.fix());
}

/// `快 600 秒 600 s fast`.
fn off_by(offset: SignedDuration) -> String {
    let (word, english) = clock::off_by(offset);
    let seconds = offset.abs().as_secs();
    format!("{word} {seconds} 秒 {seconds} s {english}")
}

/// A journal that took its last event later than now says that this clock is slow, whoever keeps the journal's.
async fn own_clock(ctx: &Context, journal: &dyn Journal, last: u64, findings: &mut Findings) {
    // A server says what time it is; a file has only its events.
    if last == 0 || ctx.config.journal != JournalAt::Sqlite {
        return;
    }
    // What cannot be read is found where it is looked for.
    let Ok(Some(stored)) = journal.get(last).await else { return };
    let behind = ctx.clock.now().duration_since(stored.recorded_at);
    if behind.is_negative() {
        own_offset(behind, findings);
    }
}

/// The ledgers of the devices that run on this folder: what waits in them, and whether their clocks are right.
async fn ledgers(ctx: &Context, hall: &HallCode, findings: &mut Findings) {
    let subject = "台账 ledger";
    let terminals = match ctx.folder().ledgers() {
        Ok(terminals) => terminals,
        Err(failure) => return findings.fail(subject, failure),
    };
    for terminal in terminals {
        let look = async {
            let now = ctx.clock.now();
            let path = ctx.folder().ledger(&terminal);
            let settings = Settings { path, hall: hall.clone(), terminal: terminal.clone(), now };
            let ledger = match Ledger::open_to_read(settings).await {
                Ok(ledger) => ledger,
                // An upgrade of the program, and the agent has not been started since.
                Err(LedgerError::Older { .. }) => return Ok::<_, Failure>(None),
                Err(error) => return Err(error.into()),
            };
            let (standing, notes) = (ledger.standing().await?, ledger.clock().await?);
            let stored = standing.stored.map_or(0, |(number, _)| number);
            let waiting = ledger.entries(stored, u64::MAX, 1).await?.pop();
            ledger.close().await;
            Ok(Some((standing, notes, stored, waiting)))
        };
        let (standing, notes, stored, waiting) = match look.await {
            Ok(Some(found)) => found,
            Ok(None) => {
                let detail = format!("{terminal}: 旧版台账 of an older version of the program");
                let next = format!(
                    "start the agent, which brings it up to date: zhoubao terminal run {terminal}"
                );
                findings.warn(subject, detail, None, next);
                continue;
            }
            Err(failure) => {
                findings.fail(subject, failure);
                continue;
            }
        };
        if let Some((code, number)) = standing.stopped {
            let detail = format!("{terminal}: 已停发 nothing is sent from {number} on");
            findings.fail(subject, Failure::coded(code, detail));
        }
        if let Some(warning) = clock::warning(&notes, &clock::stamp(&*ctx.clock)) {
            let detail = format!("{terminal}: {warning}");
            findings.warn(subject, detail, Some(Code::ClockSkew), Code::ClockSkew.fix());
        }
        let to_send = standing.recorded.saturating_sub(stored);
        let detail = format!("{terminal}: {to_send} 条待发送 to send");
        match waiting.filter(|it| ctx.clock.now().duration_since(it.wall) > WAITING_MAX) {
            Some(first) => {
                let detail = format!("{detail}, 自 since {}", rfc3339(first.wall));
                let next = format!(
                    "start the agent, or see why it does not send: zhoubao terminal run {terminal}"
                );
                findings.warn(subject, detail, Some(Code::TerminalBehind), next);
            }
            None => findings.ok(subject, detail),
        }
    }
}

/// The copy of the journal on another disk, where one is kept.
async fn archive(ctx: &Context, journal: Option<&dyn Journal>, findings: &mut Findings) {
    let subject = "存档 archive";
    let Some(folder) = &ctx.config.archive else { return };
    if !archive::is_there(folder) {
        let detail = format!("`{}` 尚无存档 there is none yet", folder.display());
        return findings.warn(subject, detail, Some(Code::ArchiveLags), Code::ArchiveLags.fix());
    }
    let Checked { end, files, .. } = match archive::check(folder) {
        Ok(checked) => checked,
        Err(failure) => return findings.fail(subject, failure),
    };
    if let Err(failure) = files.lost.refuse(folder) {
        findings.fail("存档文件 archived files", failure);
    }
    // Asked after the archive was read, which goes on meanwhile.
    let Some(journal) = journal else { return };
    let state = match journal.state().await {
        Ok(state) => state,
        Err(error) => return findings.fail(subject, error.into()),
    };
    if end.incarnation != state.incarnation.0 {
        let detail = format!(
            "the archive is of journal {}, this one is {}",
            end.incarnation, state.incarnation.0
        );
        return findings.fail(
            subject,
            Failure::coded(Code::OtherJournal, detail).with_next(
                "connect the right journal, or name another folder for the archive of this one",
            ),
        );
    }
    let Some(behind) = state.last.checked_sub(end.position) else {
        let detail = format!("the archive goes to {}, the journal to {}", end.position, state.last);
        let next =
            format!("restore it in the journal's place: zhoubao restore {}", folder.display());
        return findings
            .fail(subject, Failure::coded(Code::JournalWentBack, detail).with_next(next));
    };
    let mut detail =
        format!("`{}` 到 up to {}，落后 behind by {behind}", folder.display(), end.position);
    if files.there.count() > 0 {
        detail = format!("{detail}，{} 个文件 files", files.there.count());
    }
    if behind == 0 {
        return findings.ok(subject, detail);
    }
    let first = match journal.get(end.position + 1).await {
        Ok(first) => first,
        Err(error) => return findings.fail(subject, error.into()),
    };
    let since = first.map(|it| it.recorded_at);
    // Who keeps it may be stuck, however few events have come since.
    let waits = since.is_some_and(|it| ctx.clock.now().duration_since(it) > ARCHIVE_WAITING_MAX);
    if let Some(since) = since.filter(|_| waits) {
        detail = format!("{detail}, 自 since {}", rfc3339(since));
    }
    if archive::is_kept(folder) && behind <= ARCHIVE_BEHIND_MAX && !waits {
        findings.ok(subject, detail);
    } else {
        findings.warn(subject, detail, Some(Code::ArchiveLags), Code::ArchiveLags.fix());
    }
}

/// Whether `zhoubao nats-watch` runs, where the users of the broker have rights that somebody may overstep.
fn watch(ctx: &Context, findings: &mut Findings) {
    let subject = "看守 watch";
    let is_on_nats = matches!(ctx.config.journal, JournalAt::Nats(_));
    if !is_on_nats || ctx.config.nats_nkey.is_none() {
        return;
    }
    let next = "start it, with this data folder: systemctl enable --now zhoubao-nats-watch (docs/nats.md); if it runs, look at its log";
    match told_at(&ctx.folder().watch()) {
        Err(failure) => findings.fail(subject, failure),
        Ok(None) => {
            let detail = "从未运行 it never ran: nobody sees who tries what he may not";
            findings.warn(subject, detail, None, next);
        }
        Ok(Some(at)) if ctx.clock.now().duration_since(at) > WATCH_SILENT_MAX => {
            let detail = format!("无消息 silent since {}", rfc3339(at));
            findings.warn(subject, detail, None, next);
        }
        Ok(Some(at)) => findings.ok(subject, format!("运行中 it runs, {}", rfc3339(at))),
    }
}

async fn store(ctx: &Context, findings: &mut Findings) -> Option<Arc<dyn ReadModels>> {
    let subject = "读模型 read models";
    if ctx.config.store == StoreAt::Sqlite && !ctx.folder().read_models().exists() {
        findings.warn(subject, "尚无读模型 there are none yet", None, "zhoubao project --once");
        return None;
    }
    let opened = match &ctx.config.store {
        StoreAt::Sqlite => {
            let read = SqliteReadModels::open_to_read(ctx.folder().read_models()).await;
            read.map(|it| it.map(|it| Arc::new(it) as Arc<dyn ReadModels>)).map_err(Failure::from)
        }
        StoreAt::Postgres(_) => ctx.open_store().await.map(Some),
    };
    match opened {
        Ok(None) => {
            let detail = "是旧版本的 of an older version of the program";
            let next = "start the program, which brings them up to date: zhoubao serve, or zhoubao project --once";
            findings.warn(subject, detail, None, next);
            None
        }
        Ok(store) => store,
        Err(failure) => {
            findings.fail(subject, failure);
            None
        }
    }
}

fn counts(checkpoint: &Checkpoint, findings: &mut Findings) {
    let it = &checkpoint.counts;
    let sum = it.counted + it.flagged + it.quarantined + it.held + it.repeated;
    let detail = format!(
        "{} 存 stored = {} 计 counted + {} 疑 flagged + {} 隔离 quarantined + {} 暂存 held + {} 重复 repeated",
        it.stored, it.counted, it.flagged, it.quarantined, it.held, it.repeated
    );
    if it.stored == sum && it.stored == checkpoint.sequence {
        findings.ok("计数 counts", detail);
    } else {
        let detail =
            format!("{detail}（合计 sum {sum}，检查点 checkpoint {}）", checkpoint.sequence);
        findings.fail("计数 counts", Failure::coded(Code::SumsDiffer, detail));
    }
}

async fn agreement(
    journal: &dyn Journal,
    state: &JournalState,
    checkpoint: Option<&Checkpoint>,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let subject = "投影 projection";
    let at = checkpoint.map_or(0, |it| it.sequence);
    if let Some(checkpoint) = checkpoint {
        if checkpoint.incarnation != state.incarnation.0 {
            let detail = format!(
                "the read models belong to journal {}, this one is {}",
                checkpoint.incarnation, state.incarnation.0
            );
            findings.fail(subject, Failure::coded(Code::OtherJournal, detail));
            return Ok(());
        }
        let there = match at <= state.last {
            true => journal.get(at).await?,
            false => None,
        };
        if there.is_none_or(|it| hash(&it.message) != checkpoint.hash) {
            let detail = format!(
                "checkpoint {at}, journal ends at {} or holds another event there",
                state.last
            );
            findings.fail(subject, Failure::coded(Code::JournalWentBack, detail));
            return Ok(());
        }
    }
    let lag = state.last.saturating_sub(at);
    if lag == 0 {
        findings.ok(subject, format!("在末尾 at the end, {at}"));
    } else {
        findings.warn(
            subject,
            format!("落后 behind by {lag}: {at} of {}", state.last),
            None,
            "run `zhoubao serve`, or `zhoubao project --once`; if one runs, look at its log",
        );
    }
    Ok(())
}

/// The key of the receipts that the projector of this folder has signed: what a device that trusts another is told.
fn receipts(ctx: &Context, findings: &mut Findings) {
    let subject = "回执 receipts";
    match public_key(&ctx.folder().receipts_key()) {
        Ok(Some(key)) => findings.ok(subject, format!("公钥 key {key}")),
        Ok(None) => {}
        Err(failure) => findings.fail(subject, failure),
    }
}

/// The event, and where a person who settles it has to say which message he means.
fn named(it: &&ExceptionRow) -> String {
    match it.standing {
        Standing::Held | Standing::Quarantined => {
            format!("{}#{} @{}", it.stream, it.number, it.position)
        }
        Standing::Warned | Standing::Flagged => format!("{}#{}", it.stream, it.number),
    }
}

fn open_exceptions(exceptions: &[ExceptionRow], findings: &mut Findings) {
    let subject = "异常 exceptions";
    let mut by_code: BTreeMap<Code, Vec<&ExceptionRow>> = BTreeMap::new();
    for it in exceptions {
        by_code.entry(it.code).or_default().push(it);
    }
    if !by_code.keys().any(|it| it.weight() == Weight::Error) {
        findings.ok(subject, "没有待处理的 none is open");
    }
    for (code, rows) in by_code {
        let named: Vec<_> = rows.iter().take(NAMED_MAX).map(named).collect();
        let more = if rows.len() > NAMED_MAX { ", …" } else { "" };
        let detail = format!("{} {}: {}{more}", rows.len(), code.title(), named.join(", "));
        match code.weight() {
            Weight::Error => findings.warn(subject, detail, Some(code), code.fix()),
            Weight::Warning => findings.ok(subject, format!("{code} {detail}")),
        }
    }
}

/// What `zhoubao nats-watch` has recorded lately, a finding for each who tried.
fn audit(facts: &[FactRow], today: Date, findings: &mut Findings) {
    let subject = "审计 audit";
    let since = today.saturating_sub(AUDIT_DAYS.days());
    let mut by_user: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for fact in facts.iter().filter(|it| it.stream == Stream::Audit) {
        let event = event_from_json(&fact.kind, fact.body.as_bytes(), &fact.stream);
        let Ok(Event::AccessRefused { user, attempt, subject, times }) = event else { continue };
        if hall_day(fact.occurred_at) >= since {
            let what = format!("{} {subject} ×{times}", title(attempt));
            by_user.entry(user).or_default().push(what);
        }
    }
    if by_user.is_empty() {
        findings.ok(
            subject,
            format!("近 {AUDIT_DAYS} 天无越权 nobody tried what he may not, or nobody watches"),
        );
    }
    for (user, tries) in by_user {
        let named: Vec<_> = tries.iter().rev().take(NAMED_MAX).map(String::as_str).collect();
        let more = if tries.len() > NAMED_MAX { "；…" } else { "" };
        let next = match user.strip_prefix("terminal ") {
            Some(terminal) => format!(
                "look at what runs on the device; if it was stolen: zhoubao terminal revoke {terminal}, and \
                 zhoubao nats-config"
            ),
            None => "look at what runs under this key; if somebody else has it, make a new one: docs/nats.md"
                .to_owned(),
        };
        findings.warn(subject, format!("{user}: {}{more}", named.join("；")), None, next);
    }
}

fn terminals(known: &Known, heads: Vec<(Stream, Head)>, gaps: Vec<Gap>, findings: &mut Findings) {
    let subject = "终端 terminals";
    let mut heads: BTreeMap<TerminalId, Head> = heads
        .into_iter()
        .filter_map(|(stream, head)| match stream {
            Stream::Terminal(id) => Some((id, head)),
            _ => None,
        })
        .collect();
    let mut ids: Vec<_> = known.registry.terminals.keys().chain(heads.keys()).cloned().collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        let entry = known.registry.terminals.get(&id);
        let window = entry.map(|it| {
            let name = known.registry.windows.get(&it.window).map(|it| it.name.clone());
            name.unwrap_or_else(|| it.window.to_string())
        });
        let head = heads.remove(&id);
        findings.terminals.push(TerminalState {
            window,
            active: entry.is_some_and(|it| it.active),
            seen: head.as_ref().map(|it| it.recorded_at),
            head,
            ahead_ms: None,
            id,
        });
    }
    for Gap { stream, first, last, waiting } in gaps {
        let missing = if first == last { first.to_string() } else { format!("{first}–{last}") };
        findings.warn(
            subject,
            format!("{stream}: 缺 missing {missing}，{waiting} 条等待 wait for it"),
            Some(Code::SequenceGap),
            "connect the terminal, so that it sends what it still has",
        );
    }
    let silent = findings.terminals.iter().filter(|it| it.active && it.head.is_none()).count();
    let active = findings.terminals.iter().filter(|it| it.active).count();
    findings.ok(subject, format!("{active} 在用 in service, {silent} 未用过 never used"));
}

/// When the terminals sent their last events, and how wrong their clocks were then: the events say so.
async fn last_events(
    journal: &dyn Journal,
    hall: &HallCode,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for it in findings.terminals.iter_mut().filter(|it| it.active) {
        let subject = Subject::new(hall.clone(), Stream::Terminal(it.id.clone()));
        let Some(Stored { message, recorded_at, .. }) = journal.head(&subject).await? else {
            continue;
        };
        it.seen = Some(recorded_at);
        it.ahead_ms = message.attributes.clockoffset.as_deref().and_then(|it| it.parse().ok());
        let offset = SignedDuration::from_millis(it.ahead_ms.unwrap_or_default());
        if offset.abs() > CLOCK_OFFSET_MAX {
            let at = rfc3339(recorded_at);
            wrong.push(format!("{} {}（截至 as of {at}）", it.id, off_by(offset)));
        }
    }
    if !wrong.is_empty() {
        let next = Code::ClockSkew.fix();
        findings.warn("终端 terminals", listed(wrong), Some(Code::ClockSkew), next);
    }
    Ok(())
}

/// The first few, and that there are more.
fn listed(mut all: Vec<String>) -> String {
    let more = if all.len() > NAMED_MAX { "；…" } else { "" };
    all.truncate(NAMED_MAX);
    format!("{}{more}", all.join("；"))
}

/// Terminals in service that have sent before, and have sent nothing on the last working days.
fn behind(known: &Known, today: Date, findings: &mut Findings) {
    // Said of the calendars.
    let Ok(calendar) = known.calendar() else { return };
    let is_open = |it: &TerminalState| {
        let window = known.registry.terminals.get(&it.id).map(|it| &it.window);
        window.and_then(|it| known.registry.windows.get(it)).is_none_or(|it| it.open)
    };
    let mut silent = Vec::new();
    for it in findings.terminals.iter().filter(|it| it.active && is_open(it)) {
        let Some(last) = it.seen.map(hall_day) else { continue };
        // Further back one calendar more would be needed, and it changes nothing.
        let first = last.max(today.saturating_sub(CLOSED_DAYS.days()));
        let Ok(days) = calendar.working_days(first..=today) else { continue };
        // Today is not over.
        let days = days.iter().filter(|day| last < **day && **day < today).count();
        if days >= SILENT_DAYS_MAX {
            let window = it.window.as_deref().unwrap_or("—");
            silent.push(format!("{}（{window}）最后 last {last}", it.id));
        }
    }
    if !silent.is_empty() {
        let detail = format!("{} 台久无消息 send nothing: {}", silent.len(), listed(silent));
        let code = Code::TerminalBehind;
        findings.warn("终端 terminals", detail, Some(code), code.fix());
    }
}

/// Keys of the terminals in service that are to be replaced, or soon.
fn keys(known: &Known, today: Date, findings: &mut Findings) {
    let subject = "密钥 keys";
    let soon = today.saturating_add(KEY_DAYS_AHEAD.days());
    let (mut due, mut good) = (Vec::new(), 0);
    for it in findings.terminals.iter().filter(|it| it.active) {
        let Some(keys) = known.registry.keys.get(&it.id).filter(|it| !it.latest.revoked) else {
            continue;
        };
        let through = keys.latest.valid_through;
        match through {
            _ if through < today => due.push(format!("{} 已过期 expired {through}", it.id)),
            _ if through <= soon => due.push(format!("{} 将到期 expires {through}", it.id)),
            _ => good += 1,
        }
    }
    if !due.is_empty() {
        findings.warn(subject, listed(due), Some(Code::KeyExpired), Code::KeyExpired.fix());
    }
    findings.ok(subject, format!("{good} 台有效 terminals have one that is good for a month"));
}

fn calendars(known: &Known, today: Date, findings: &mut Findings) {
    let subject = "日历 calendars";
    let calendar = match known.calendar() {
        Ok(calendar) => calendar,
        Err(refusal) => return findings.fail(subject, refusal.into()),
    };
    let next = |year: i16| {
        format!(
            "publish it: zhoubao setup put calendar {year} {year}.json (the notice of the State Council office)"
        )
    };
    let year = today.year();
    if calendar.schedule(year).is_err() {
        let detail = format!("缺少本年 the calendar of this year is missing: {year}");
        findings.warn(subject, detail, Some(Code::NoSchedule), next(year));
    } else {
        findings.ok(subject, format!("{year}"));
    }
    let following = year + 1;
    if calendar.schedule(following).is_ok() {
        findings.ok(subject, format!("{following}"));
    } else if today.month() >= NEXT_YEAR_FROM {
        let detail = format!("缺少下年 the calendar of next year is missing: {following}");
        findings.warn(subject, detail, Some(Code::NoSchedule), next(following));
    } else {
        findings.ok(subject, format!("{following} 尚未公布 comes in November"));
    }
}

fn days_closed(
    known: &Known,
    snapshot: &Snapshot,
    query: &SnapshotQuery,
    today: Date,
    findings: &mut Findings,
) {
    let subject = "日结 day closes";
    let open =
        standing::open_days(known, &snapshot.facts, &snapshot.day_closes, query.first, today);
    // A calendar that is missing is said above.
    let Some(OpenDays { working_days, windows }) = open else { return };
    let holes: usize = windows.values().map(Vec::len).sum();
    let windows = windows.iter().filter_map(|(id, days)| {
        let (first, last) = (days.first()?, days.last()?);
        let range = if first == last { first.to_string() } else { format!("{first}…{last}") };
        let name = known.registry.windows.get(id).map_or(id.as_str(), |it| &it.name);
        Some(format!("{name} {range} ({})", days.len()))
    });
    let windows: Vec<_> = windows.collect();
    if windows.is_empty() {
        findings.ok(
            subject,
            format!("近 {} 个工作日均已日结 every working day is closed", working_days),
        );
        return;
    }
    findings.warn(
        subject,
        format!("{holes} 天未日结 days are not closed: {}", listed(windows)),
        Some(Code::CoverageHole),
        Code::CoverageHole.fix(),
    );
}

fn print(ctx: &Context, findings: &Findings) {
    let time = |at: Timestamp| rfc3339(at);
    if ctx.output.is_json() {
        let all: Vec<_> = findings
            .all
            .iter()
            .map(|it| {
                json!({
                    "level": it.level.word(), "subject": it.subject, "detail": crate::config::redact(&it.detail),
                    "code": it.code.map(Code::text), "next": it.next,
                })
            })
            .collect();
        let terminals: Vec<_> = findings
            .terminals
            .iter()
            .map(|it| {
                json!({
                    "terminal": it.id.as_str(), "window": it.window, "active": it.active,
                    "last_number": it.head.as_ref().map(|it| it.number),
                    "last_position": it.head.as_ref().map(|it| it.position),
                    "last_seen": it.seen.map(time),
                    "clock_ahead_ms": it.ahead_ms,
                })
            })
            .collect();
        let counts = findings.counts.as_ref().map(|it| {
            let counts = &it.counts;
            json!({
                "sequence": it.sequence, "stored": counts.stored, "counted": counts.counted,
                "flagged": counts.flagged, "quarantined": counts.quarantined, "held": counts.held,
                "repeated": counts.repeated,
            })
        });
        let journal = findings
            .journal
            .as_ref()
            .map(|it| json!({ "incarnation": it.incarnation.0, "last": it.last }));
        ctx.output.value(&json!({
            "findings": Value::from(all), "terminals": terminals, "counts": counts, "journal": journal,
        }));
        return;
    }
    for it in &findings.all {
        let code = it.code.map_or_else(String::new, |it| format!("{it} "));
        let detail = crate::config::redact(&it.detail);
        ctx.output.line(format!("{} {}  {code}{detail}", it.level.mark(), it.subject));
        if let Some(next) = it.next.as_ref().filter(|_| it.level != Level::Ok) {
            ctx.output.line(format!("    怎么办 what to do: {}", crate::config::redact(next)));
        }
    }
    if findings.terminals.is_empty() {
        return;
    }
    let mut table =
        Table::new(["终端 terminal", "窗口 window", "最后序号 last", "最后收到 last seen"]);
    for it in &findings.terminals {
        let window = it.window.clone().unwrap_or_else(|| "—".to_owned());
        let window =
            if it.active { window } else { format!("{window}（停用 out of service）") };
        table.row([
            it.id.to_string(),
            window,
            it.head.as_ref().map_or_else(|| "—".to_owned(), |it| it.number.to_string()),
            it.seen.map_or_else(|| "—".to_owned(), time),
        ]);
    }
    ctx.output.line("");
    ctx.output.table(&table);
}
