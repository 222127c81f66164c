//! Administration (运维): how the hall stands, and what waits for a person.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Extension, State};
use axum::response::Response;
use jiff::ToSpan as _;
use jiff::civil::Date;
use zhoubao_application::desk::DeskError;
use zhoubao_application::journal::JournalState;
use zhoubao_application::known::Known;
use zhoubao_application::standing::{self, CLOSED_DAYS, Gap, OpenDays};
use zhoubao_application::store::SnapshotQuery;
use zhoubao_domain::event::Right;
use zhoubao_domain::id::{Stream, TerminalId, UserId};
use zhoubao_domain::registry::User;
use zhoubao_domain::time::{hall_day, rfc3339};
use zhoubao_projections::rows::{Checkpoint, ExceptionRow, Head, Standing};

use super::submissions::moment;
use super::{Frame, Told, new_key, page as shown};
use crate::Gateway;
use crate::access::Who;
use crate::answers::{AdminCounts, AdminState, AdminTerminal, AdminUser, Waiting};
use crate::commands::{After, Fields, field};
use crate::extract::Query;
use crate::people;
use crate::problem::Problem;

/// Most events of the list on the page; `GET /v1/admin` has all.
const ROWS_MAX: usize = 100;

/// Most bytes of a message that the page shows.
const RAW_BYTES_MAX: usize = 2_048;

/// Seconds after which read models that do not reach the journal's end are called behind.
const STALE_SECONDS: i64 = 30;

/// What is read for the page and for programs alike.
struct Looked {
    /// None where the journal does not answer.
    journal: Option<JournalState>,
    checkpoint: Option<Checkpoint>,
    known: Known,
    terminals: Vec<Terminal>,
    /// What waits for a person or for an earlier number, the oldest first.
    waiting: Vec<ExceptionRow>,
    open: OpenDays,
}

/// A person of the register.
struct Person<'a> {
    id: &'a UserId,
    entry: &'a User,
    standing: people::Standing,
    sessions: usize,
}

/// Everybody of the hall, by work number.
fn everybody<'a>(gateway: &Gateway, known: &'a Known) -> Result<Vec<Person<'a>>, Problem> {
    let now = gateway.clock.now();
    let mut all: Vec<_> = known.registry.users.iter().collect();
    all.sort_by_key(|(id, _)| *id);
    let all = all.into_iter().map(|(id, entry)| {
        let standing = gateway.accounts.standing(id, now)?;
        Ok(Person { id, entry, standing, sessions: gateway.sessions.of(id, now) })
    });
    all.collect()
}

/// A terminal of the register or of the journal.
struct Terminal {
    id: TerminalId,
    /// None for one that the register does not have.
    active: Option<bool>,
    window: Option<String>,
    head: Option<Head>,
    gap: Option<Gap>,
    open_days: Vec<Date>,
}

async fn look(gateway: &Gateway) -> Result<Looked, Problem> {
    let (store, hall) = (gateway.desk.store(), gateway.desk.hall());
    let journal = gateway.desk.journal().state().await.ok();
    let today = hall_day(gateway.clock.now());
    let first = today.saturating_sub(CLOSED_DAYS.days());
    let query = SnapshotQuery { first, last: today, ..SnapshotQuery::facts() };
    let snapshot = store.snapshot(hall, &query).await.map_err(DeskError::from)?;
    let known = Known::from_facts(&snapshot.facts, u64::MAX).map_err(DeskError::from)?;
    let heads = store.heads(hall, "terminal.").await.map_err(DeskError::from)?;
    let mut waiting = store.exceptions(hall, true).await.map_err(DeskError::from)?;
    waiting.retain(|it| it.standing != Standing::Warned);
    let closes = &snapshot.day_closes;
    // Where a calendar is missing nothing can be said of days.
    let open = standing::open_days(&known, &snapshot.facts, closes, first, today);
    let open = open.unwrap_or_default();
    let gaps = standing::gaps(&heads, &waiting);
    let terminals = terminals(&known, heads, gaps, &open);
    Ok(Looked { journal, checkpoint: snapshot.checkpoint, known, terminals, waiting, open })
}

fn terminals(
    known: &Known,
    heads: Vec<(Stream, Head)>,
    gaps: Vec<Gap>,
    open: &OpenDays,
) -> Vec<Terminal> {
    let mut gaps: BTreeMap<String, Gap> =
        gaps.into_iter().map(|it| (it.stream.clone(), it)).collect();
    let heads = heads.into_iter().filter_map(|(stream, head)| match stream {
        Stream::Terminal(id) => Some((id, head)),
        _ => None,
    });
    let mut heads: BTreeMap<TerminalId, Head> = heads.collect();
    let registry = &known.registry;
    let mut ids: Vec<_> = registry.terminals.keys().chain(heads.keys()).cloned().collect();
    ids.sort();
    ids.dedup();
    let all = ids.into_iter().map(|id| {
        let entry = registry.terminals.get(&id);
        let window = entry.map(|it| &it.window);
        let name =
            |id| registry.windows.get(id).map_or_else(|| id.to_string(), |it| it.name.clone());
        Terminal {
            active: entry.map(|it| it.active),
            window: window.map(name),
            head: heads.remove(&id),
            gap: gaps.remove(&Stream::Terminal(id.clone()).to_string()),
            open_days: window.and_then(|it| open.windows.get(it)).cloned().unwrap_or_default(),
            id,
        }
    });
    all.collect()
}

impl Looked {
    fn lag(&self) -> Option<u64> {
        let at = self.checkpoint.as_ref().map_or(0, |it| it.sequence);
        self.journal.as_ref().map(|it| it.last.saturating_sub(at))
    }
}

/// `GET /v1/admin`: how the hall stands, and every event that waits.
pub(crate) async fn data(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Query(after): Query<After>,
) -> Result<Json<AdminState>, Problem> {
    after.wait(&gateway).await?;
    let looked = look(&gateway).await?;
    let users = if who.may(Right::Administer) {
        let people = everybody(&gateway, &looked.known)?.into_iter().map(|it| AdminUser {
            user: it.id.to_string(),
            rights: it.entry.rights.iter().map(|it| it.word()).collect(),
            active: it.entry.active,
            password: it.standing.password,
            link_until: it.standing.link.map(rfc3339),
            device: it.standing.device,
            sessions: it.sessions,
        });
        Some(people.collect())
    } else {
        None
    };
    let lag = looked.lag();
    let counts = looked.checkpoint.as_ref().map(|it| AdminCounts {
        stored: it.counts.stored,
        counted: it.counts.counted,
        flagged: it.counts.flagged,
        quarantined: it.counts.quarantined,
        held: it.counts.held,
        repeated: it.counts.repeated,
    });
    let terminals = looked.terminals.iter().map(|it| AdminTerminal {
        terminal: it.id.to_string(),
        window: it.window.clone(),
        active: it.active.unwrap_or(false),
        number: it.head.as_ref().map(|it| it.number),
        last_seen: it.head.as_ref().map(|it| rfc3339(it.recorded_at)),
        missing_first: it.gap.as_ref().map(|it| it.first),
        missing_last: it.gap.as_ref().map(|it| it.last),
        open_days: it.open_days.iter().map(ToString::to_string).collect(),
    });
    let waiting = looked.waiting.iter().map(|it| Waiting {
        position: it.position,
        event: name(it),
        standing: it.standing.word(),
        code: it.code.text(),
        title: it.code.title(),
        detail: it.detail.clone(),
        next: it.code.fix(),
        by_position: is_by_position(it),
    });
    Ok(Json(AdminState {
        journal: looked.journal.as_ref().map(|it| it.last),
        projected: looked.checkpoint.as_ref().map(|it| it.sequence),
        lag,
        as_of: gateway.live.now().as_of.map(rfc3339),
        counts,
        terminals: terminals.collect(),
        users,
        waiting: waiting.collect(),
    }))
}

/// The event; none where line or number could not be read.
fn name(it: &ExceptionRow) -> Option<String> {
    (!it.stream.is_empty() && it.number > 0).then(|| format!("{}#{}", it.stream, it.number))
}

/// Whether a person who settles it has to say which message of the number he means.
fn is_by_position(it: &ExceptionRow) -> bool {
    matches!(it.standing, Standing::Held | Standing::Quarantined)
}

/// One thing that is well or not.
struct Card {
    title: &'static str,
    /// 正常, 降级 or 停止.
    state: &'static str,
    text: String,
    /// What to type.
    next: &'static str,
}

const WELL: &str = "正常";
const WORSE: &str = "降级";
const STOPPED: &str = "停止";

struct TerminalRow {
    id: String,
    window: String,
    state: &'static str,
    number: String,
    seen: String,
    missing: String,
    open_days: String,
}

struct UserRow {
    id: String,
    rights: String,
    state: &'static str,
    password: String,
    device: &'static str,
    sessions: usize,
}

struct Row {
    position: u64,
    event: String,
    standing: &'static str,
    code: &'static str,
    title: &'static str,
    detail: String,
    fix: &'static str,
    /// What the journal holds, where it is not understood or not trusted.
    raw: String,
    by_position: bool,
    may: bool,
    /// What was filled in before it was refused.
    reason: String,
    key: String,
}

#[derive(Template)]
#[template(path = "admin.html")]
struct AdminPage {
    frame: Frame,
    error: Option<Told>,
    as_of: String,
    cards: Vec<Card>,
    terminals: Vec<TerminalRow>,
    /// None for whoever may not administer.
    users: Option<Vec<UserRow>>,
    rows: Vec<Row>,
    more: usize,
}

/// `GET /admin`.
pub(crate) async fn page(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Query(after): Query<After>,
) -> Result<Response, Problem> {
    after.wait(&gateway).await?;
    admin_page(&gateway, &who, &vec![], None).await
}

pub(crate) async fn admin_page(
    gateway: &Gateway,
    who: &Who,
    fields: &Fields,
    error: Option<Told>,
) -> Result<Response, Problem> {
    let looked = look(gateway).await?;
    let mut rows = vec![];
    for it in looked.waiting.iter().take(ROWS_MAX) {
        rows.push(row(gateway, who, fields, it).await?);
    }
    let users = if who.may(Right::Administer) {
        let elsewhere = gateway.provider.is_some();
        let people = everybody(gateway, &looked.known)?;
        Some(people.iter().map(|it| user_row(it, elsewhere)).collect())
    } else {
        None
    };
    let hall = looked.known.registry.hall.as_ref().map(|(name, _)| name.clone());
    let as_of = gateway.live.now().as_of.map(moment);
    let position = looked.checkpoint.as_ref().map_or(0, |it| it.sequence);
    Ok(shown(&AdminPage {
        frame: Frame::of(who, &hall.unwrap_or_default()),
        error,
        as_of: format!("{} · #{position}", as_of.unwrap_or_else(|| "—".to_owned())),
        cards: cards(gateway, &looked),
        terminals: looked.terminals.iter().map(terminal_row).collect(),
        users,
        more: looked.waiting.len() - rows.len(),
        rows,
    }))
}

fn terminal_row(it: &Terminal) -> TerminalRow {
    let dash = || "—".to_owned();
    let missing = it.gap.as_ref().map(|it| {
        let Gap { first, last, waiting, .. } = it;
        let numbers = if first == last { first.to_string() } else { format!("{first}—{last}") };
        format!("缺 {numbers}，{waiting} 条等待")
    });
    let open_days = match &it.open_days[..] {
        [] => dash(),
        [day] => format!("1 天（{}）", day_of(*day)),
        [first, .., last] => {
            format!("{} 天（{}—{}）", it.open_days.len(), day_of(*first), day_of(*last))
        }
    };
    TerminalRow {
        id: it.id.to_string(),
        window: it.window.clone().unwrap_or_else(dash),
        state: match it.active {
            Some(true) => "在用",
            Some(false) => "停用",
            None => "未登记",
        },
        number: it.head.as_ref().map_or_else(dash, |it| it.number.to_string()),
        seen: it.head.as_ref().map_or_else(|| "未用过".to_owned(), |it| moment(it.recorded_at)),
        missing: missing.unwrap_or_else(dash),
        open_days,
    }
}

fn user_row(it: &Person<'_>, elsewhere: bool) -> UserRow {
    let people::Standing { password, link, device } = it.standing;
    let password = match (password, link) {
        (true, None) => "已设".to_owned(),
        (true, Some(until)) => format!("已设；重设链接至 {}", moment(until)),
        (false, Some(until)) => format!("未设；链接至 {}", moment(until)),
        (false, None) if elsewhere => "统一身份认证".to_owned(),
        (false, None) => "未设".to_owned(),
    };
    let rights: Vec<_> = it.entry.rights.iter().map(|it| title(*it)).collect();
    UserRow {
        id: it.id.to_string(),
        rights: rights.join("、"),
        state: if it.entry.active { "在用" } else { "停用" },
        password,
        device: if device { "已绑定" } else { "—" },
        sessions: it.sessions,
    }
}

/// A right in the words of the pages.
fn title(right: Right) -> &'static str {
    match right {
        Right::Record => "窗口录入",
        Right::Correct => "更正",
        Right::LateEntry => "补录",
        Right::Authorize => "授权变更",
        Right::Submit => "报送",
        Right::Inspect => "巡查",
        Right::Edit => "编辑",
        Right::Sign => "签发",
        Right::Administer => "管理",
        Right::Release => "放行",
    }
}

fn day_of(it: Date) -> String {
    format!("{}月{}日", it.month(), it.day())
}

async fn row(
    gateway: &Gateway,
    who: &Who,
    fields: &Fields,
    it: &ExceptionRow,
) -> Result<Row, Problem> {
    let by_position = is_by_position(it);
    let event = name(it);
    // What does not count as an event of a terminal is entered anew; what was not taken can be given up.
    let may = event.is_some() && (by_position || it.stream.starts_with("terminal."));
    let raw = if by_position { raw(gateway, it.position).await } else { String::new() };
    let is_refused = field(fields, "event") == event.as_deref().unwrap_or_default()
        && (!by_position || field(fields, "position") == it.position.to_string());
    Ok(Row {
        position: it.position,
        event: event.unwrap_or_else(|| "身份无法读出".to_owned()),
        standing: match it.standing {
            Standing::Flagged => "存疑",
            Standing::Held => "暂存",
            Standing::Quarantined => "隔离",
            Standing::Warned => "提示",
        },
        code: it.code.text(),
        title: it.code.title(),
        detail: it.detail.clone(),
        fix: it.code.fix_zh(),
        raw,
        by_position,
        may: may && who.may(Right::Release),
        reason: if is_refused { field(fields, "reason").to_owned() } else { String::new() },
        key: new_key(gateway)?,
    })
}

/// The message at a position as text; bytes that are none, and controls, as `\x1b`.
async fn raw(gateway: &Gateway, position: u64) -> String {
    let Ok(Some(stored)) = gateway.desk.journal().get(position).await else {
        return String::new();
    };
    let message = stored.message;
    let whole = [
        message.subject.as_bytes(),
        b"\n",
        message.attributes.to_block().as_bytes(),
        b"\n\n",
        &message.body,
    ]
    .concat();
    let start = whole.get(..RAW_BYTES_MAX).unwrap_or(&whole);
    let mut text = String::new();
    for chunk in start.utf8_chunks() {
        for it in chunk.valid().chars() {
            if it.is_control() && it != '\n' {
                text.extend(it.escape_default());
            } else {
                text.push(it);
            }
        }
        text.extend(chunk.invalid().iter().map(|it| format!("\\x{it:02x}")));
    }
    if whole.len() > start.len() { text + "…" } else { text }
}

fn cards(gateway: &Gateway, looked: &Looked) -> Vec<Card> {
    let mut cards = vec![journal_card(looked), projection_card(gateway, looked)];
    if let Some(it) = &looked.checkpoint {
        let it = &it.counts;
        let sum = it.counted + it.flagged + it.quarantined + it.held + it.repeated;
        cards.push(Card {
            title: "勾稽",
            state: if it.stored == sum { WELL } else { STOPPED },
            text: format!(
                "存 {} = 计 {} + 疑 {} + 隔离 {} + 暂存 {} + 重复 {}",
                it.stored, it.counted, it.flagged, it.quarantined, it.held, it.repeated
            ),
            next: "zhoubao rebuild --verify",
        });
    }
    let active = looked.terminals.iter().filter(|it| it.active == Some(true)).count();
    let gaps = looked.terminals.iter().filter(|it| it.gap.is_some()).count();
    cards.push(Card {
        title: "终端",
        state: if gaps == 0 { WELL } else { WORSE },
        text: format!("{active} 台在用，{gaps} 台缺号"),
        next: "zhoubao terminal status w01",
    });
    let open: usize = looked.open.windows.values().map(Vec::len).sum();
    cards.push(Card {
        title: "日结",
        state: if open == 0 { WELL } else { WORSE },
        text: format!(
            "近 {} 个工作日，{} 个窗口共 {open} 天未日结",
            looked.open.working_days,
            looked.open.windows.len()
        ),
        next: "zhoubao doctor",
    });
    let of = |standing| looked.waiting.iter().filter(|it| it.standing == standing).count();
    let oldest = looked.waiting.first().map(|it| format!("，最早 #{}", it.position));
    cards.push(Card {
        title: "待处理",
        state: if looked.waiting.is_empty() { WELL } else { WORSE },
        text: format!(
            "存疑 {}，隔离 {}，暂存 {}{}",
            of(Standing::Flagged),
            of(Standing::Quarantined),
            of(Standing::Held),
            oldest.unwrap_or_default()
        ),
        next: "见下表",
    });
    cards
}

fn journal_card(looked: &Looked) -> Card {
    let (state, text) = match &looked.journal {
        Some(it) => (WELL, format!("序号 #{}，化身 {}", it.last, it.incarnation.0)),
        None => (STOPPED, "日志不应答".to_owned()),
    };
    Card { title: "事件流", state, text, next: "zhoubao doctor" }
}

fn projection_card(gateway: &Gateway, looked: &Looked) -> Card {
    let next = "zhoubao doctor";
    let Some(checkpoint) = &looked.checkpoint else {
        return Card { title: "投影", state: STOPPED, text: "尚无读模型".to_owned(), next };
    };
    let is_other =
        looked.journal.as_ref().is_some_and(|it| it.incarnation.0 != checkpoint.incarnation);
    if is_other {
        let text = "读模型属于另一日志".to_owned();
        return Card { title: "投影", state: STOPPED, text, next };
    }
    let now = gateway.clock.now();
    let age = gateway.live.now().as_of.map(|it| now.duration_since(it).as_secs());
    let stale = age.is_none_or(|it| it > STALE_SECONDS);
    let lag = looked.lag().unwrap_or_default();
    let state = if lag > 0 && stale { WORSE } else { WELL };
    let text = format!("到 #{}，落后 {lag} 条", checkpoint.sequence);
    Card { title: "投影", state, text, next }
}
