//! `zhoubao doctor`: looks at everything and changes nothing. Each finding says what to do.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use zhoubao_application::journal::{Journal, JournalError, JournalState};
use zhoubao_application::known::Known;
use zhoubao_application::store::{ReadModels, Snapshot, SnapshotQuery};
use zhoubao_contract::{event_from_json, hash};
use zhoubao_domain::code::{Code, Weight};
use zhoubao_domain::event::Event;
use zhoubao_domain::id::{HallCode, SetupTopic, Stream, TerminalId};
use zhoubao_domain::time::{hall_day, rfc3339};
use zhoubao_nats::stream::stream_name;
use zhoubao_nats::watch::DOCTOR;
use zhoubao_nats::{NatsJournal, Options, Severity};
use zhoubao_projections::rows::{Checkpoint, ExceptionRow, FactRow, Head, Standing};

use super::nats_watch::title;
use crate::archive::{self, Checked};
use crate::cli::DoctorArgs;
use crate::config::{Address, JournalAt, StoreAt};
use crate::failure::{Exit, Failure};
use crate::fonts;
use crate::output::Table;
use crate::receipts::public_key;
use crate::wiring::{Access, Context, Whole};

/// Free space below which somebody should look.
const FREE_BYTES_LOW: u64 = 1 << 30;

/// Free space below which the journal may stop any day.
const FREE_BYTES_MIN: u64 = 100 << 20;

/// Days back over which the windows' day closes are looked at.
const CLOSED_DAYS: i32 = 31;

/// Month from which on the next year's calendar is missed: the notice comes in November.
const NEXT_YEAR_FROM: i8 = 11;

/// Events that an archive may be behind while it is being written.
const ARCHIVE_BEHIND_MAX: u64 = 10_000;

/// Gaps, days and the like of one finding that are named; the rest is counted.
const NAMED_MAX: usize = 5;

/// Days back over which entries of the audit line are shown.
const AUDIT_DAYS: i32 = 7;

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
    findings.ok("大厅 hall", hall.to_string());
    let journal = journal(ctx, &hall, findings).await;
    archive(ctx, journal.as_deref(), findings).await;
    receipts(ctx, findings);
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
        terminals(&known, heads, &exceptions, findings);
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

/// The copy of the journal on another disk, where one is kept.
async fn archive(ctx: &Context, journal: Option<&dyn Journal>, findings: &mut Findings) {
    let subject = "存档 archive";
    let Some(folder) = &ctx.config.archive else { return };
    if !archive::is_there(folder) {
        let detail = format!("`{}` 尚无存档 there is none yet", folder.display());
        return findings.warn(subject, detail, Some(Code::ArchiveLags), Code::ArchiveLags.fix());
    }
    let Checked { end, .. } = match archive::check(folder) {
        Ok(checked) => checked,
        Err(failure) => return findings.fail(subject, failure),
    };
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
    let detail =
        format!("`{}` 到 up to {}，落后 behind by {behind}", folder.display(), end.position);
    let is_kept = archive::is_kept(folder);
    if behind == 0 || (is_kept && behind <= ARCHIVE_BEHIND_MAX) {
        findings.ok(subject, detail);
    } else {
        findings.warn(subject, detail, Some(Code::ArchiveLags), Code::ArchiveLags.fix());
    }
}

async fn store(ctx: &Context, findings: &mut Findings) -> Option<Arc<dyn ReadModels>> {
    let subject = "读模型 read models";
    if ctx.config.store == StoreAt::Sqlite && !ctx.folder().read_models().exists() {
        findings.warn(subject, "尚无读模型 there are none yet", None, "zhoubao project --once");
        return None;
    }
    match ctx.open_store().await {
        Ok(store) => Some(store),
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

fn terminals(
    known: &Known,
    heads: Vec<(Stream, Head)>,
    exceptions: &[ExceptionRow],
    findings: &mut Findings,
) {
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
            head,
            id,
        });
    }
    let mut waiting: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for it in exceptions.iter().filter(|it| it.code == Code::SequenceGap) {
        waiting.entry(&it.stream).or_default().push(it.number);
    }
    for (stream, mut numbers) in waiting {
        numbers.sort_unstable();
        let head = findings
            .terminals
            .iter()
            .find(|it| stream == format!("terminal.{}", it.id))
            .and_then(|it| it.head.as_ref())
            .map_or(0, |it| it.number);
        let first = numbers.first().copied().unwrap_or_default();
        let missing = match first.checked_sub(1) {
            Some(last) if last > head => format!("{}–{last}", head + 1),
            _ => format!("{}", head + 1),
        };
        findings.warn(
            subject,
            format!("{stream}: 缺 missing {missing}，{} 条等待 wait for it", numbers.len()),
            Some(Code::SequenceGap),
            "connect the terminal, so that it sends what it still has",
        );
    }
    let silent = findings.terminals.iter().filter(|it| it.active && it.head.is_none()).count();
    let active = findings.terminals.iter().filter(|it| it.active).count();
    findings.ok(subject, format!("{active} 在用 in service, {silent} 未用过 never used"));
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
    let Ok(calendar) = known.calendar() else { return };
    let days = match calendar.working_days(query.first..=today) {
        Ok(days) => days,
        // Said above.
        Err(_) => return,
    };
    // Today is not over.
    let days: Vec<_> = days.into_iter().filter(|it| *it < today).collect();
    let mut holes = 0;
    let mut windows = Vec::new();
    for (id, window) in known.registry.windows.iter().filter(|(_, it)| it.open) {
        let since = snapshot
            .facts
            .iter()
            .filter(|it| matches!(&it.stream, Stream::Setup(SetupTopic::Window, of) if of.as_str() == id.as_str()))
            .map(|it| hall_day(it.occurred_at))
            .min();
        let open: Vec<_> = days
            .iter()
            .filter(|day| since.is_none_or(|since| **day >= since))
            .filter(|day| !snapshot.day_closes.iter().any(|it| it.window == *id && it.day == **day))
            .collect();
        if let (Some(first), Some(last)) = (open.first(), open.last()) {
            holes += open.len();
            let range = if first == last { first.to_string() } else { format!("{first}…{last}") };
            windows.push(format!("{} {range} ({})", window.name, open.len()));
        }
    }
    if windows.is_empty() {
        findings
            .ok(subject, format!("近 {} 个工作日均已日结 every working day is closed", days.len()));
        return;
    }
    let more = if windows.len() > NAMED_MAX { "；…" } else { "" };
    windows.truncate(NAMED_MAX);
    findings.warn(
        subject,
        format!("{holes} 天未日结 days are not closed: {}{more}", windows.join("；")),
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
                    "last_seen": it.head.as_ref().map(|it| time(it.recorded_at)),
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
            it.head.as_ref().map_or_else(|| "—".to_owned(), |it| time(it.recorded_at)),
        ]);
    }
    ctx.output.line("");
    ctx.output.table(&table);
}
