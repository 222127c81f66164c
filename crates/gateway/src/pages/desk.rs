//! The editor's desk (编辑台): issues in work, and one of them with everything that keeps it from being signed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse as _, Response};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use zhoubao_application::desk::DeskError;
use zhoubao_application::known::Known;
use zhoubao_application::weekly::{self, Weekly, WeeklyError};
use zhoubao_composer::document::{Block, BlockKind, Document, Inline};
use zhoubao_domain::event::Right;
use zhoubao_domain::figure::{Definition, FigureKey, Figures, Partition, Span};
use zhoubao_domain::finding::{Finding, Standing};
use zhoubao_domain::id::{ObjectId, UserId};
use zhoubao_domain::issue::{Issue, Stage};
use zhoubao_domain::time::hall_day;

use super::words::{Run, changed};
use super::{Frame, Place, Told, hall_name, new_key, page as shown};
use crate::Gateway;
use crate::access::{Again, Who};
use crate::answers::{
    AcceptedBy, DeskIssue, DeskList, DraftAnswer, FoundRow, Me, Placed, Proposal,
};
use crate::codes::Codes;
use crate::commands::{After, Fields, field};
use crate::extract::{Path, Query};
use crate::openapi::Day;
use crate::problem::Problem;

fn stage_word(stage: Stage) -> &'static str {
    match stage {
        Stage::Open => "组稿中",
        Stage::Frozen => "草稿（已冻结）",
        Stage::Submitted => "待签发",
        Stage::SignedOff => "已签发，发布中",
        Stage::Published => "已发布",
        Stage::Voided => "已作废",
    }
}

fn days(it: zhoubao_domain::calendar::Period) -> String {
    let day = |it: Date| format!("{}月{}日", it.month(), it.day());
    format!("{}年{}—{}", it.first().year(), day(it.first()), day(it.last()))
}

fn title(known: &Known, it: &Issue) -> String {
    let (year, number, running) = known.book.proposed_numbers(it);
    let series = it.series.as_ref().map(|it| format!("{it} ")).unwrap_or_default();
    let version = match it.version() {
        1 => String::new(),
        version => format!("（更正版，第{version}版）"),
    };
    let proposed = if it.numbers().is_none() { "（拟编号）" } else { "" };
    format!("{series}{year}年第{number}期（总第{running}期）{version}{proposed}")
}

struct Row {
    id: String,
    title: String,
    days: String,
    stage: &'static str,
    cut: String,
}

#[derive(Template)]
#[template(path = "desk.html")]
struct ListPage {
    frame: Frame,
    error: Option<Told>,
    rows: Vec<Row>,
    may_open: bool,
    key: String,
    proposed: String,
    first: String,
    last: String,
    no_proposal: String,
}

/// `GET /desk`.
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Query(after): Query<After>,
) -> Result<Response, Problem> {
    after.wait(&gateway).await?;
    list_page(&gateway, &who, None).await
}

pub(crate) async fn list_page(
    gateway: &Gateway,
    who: &Who,
    error: Option<Told>,
) -> Result<Response, Problem> {
    let known = gateway.desk.known_so_far().await?;
    let mut issues: Vec<_> = known.book.issues.iter().collect();
    issues.sort_by_key(|(_, it)| std::cmp::Reverse(it.period.last()));
    let rows = issues.into_iter().map(|(id, it)| Row {
        id: id.to_string(),
        title: title(&known, it),
        days: days(it.period),
        stage: stage_word(it.stage),
        cut: it.freeze.as_ref().map_or_else(|| "—".to_owned(), |it| format!("#{}", it.cut)),
    });
    let proposal = weekly::proposal(&known, None);
    let (proposed, first, last, no_proposal) = match proposal {
        Ok((id, period)) => {
            let (first, last) = (period.first().to_string(), period.last().to_string());
            (id.to_string(), first, last, String::new())
        }
        Err(refusal) => {
            let none = String::new;
            (none(), none(), none(), format!("{}（{}）", refusal.detail, refusal.code))
        }
    };
    Ok(shown(&ListPage {
        frame: Frame::of(who, &hall_name(&known)),
        error,
        rows: rows.collect(),
        may_open: who.may(Right::Edit),
        key: new_key(gateway)?,
        proposed,
        first,
        last,
        no_proposal,
    }))
}

/// A section of the draft with what was found in it.
struct Heading {
    level: u8,
    key: String,
    text: String,
    errors: usize,
    warnings: usize,
}

/// A finding as the panel shows it.
struct Found {
    code: &'static str,
    title: &'static str,
    /// The section of the draft that it is in, where it names one.
    section: String,
    place: String,
    text: String,
    fix: &'static str,
    digest: String,
    /// Nobody can accept it.
    blocks: bool,
    /// A person has to accept it still.
    open: bool,
    /// Who accepted it, and why.
    accepted: Option<(String, String)>,
    key: String,
}

/// 累计 of one figure, and what it is made of.
struct Bridge {
    title: String,
    unit: String,
    carried: i64,
    outside: i64,
    week: i64,
    adjustment: i64,
    year: i64,
    comes_out: bool,
}

/// News in the tray.
struct News {
    id: String,
    department: String,
    section: String,
    characters: usize,
    text: String,
    filed: String,
    /// It was filed when the issue took no more for the section.
    late: bool,
    /// Its place in this issue, where it is adopted.
    order: Option<u32>,
    next_order: u32,
    /// What the editor changed in this issue, and why.
    edited: Option<(Vec<Run>, String)>,
    /// Where each attachment is.
    attachments: Vec<String>,
    /// SHA-256 of the filed text.
    of: String,
    /// What stands in the form for other words, with its reason; and whether it was just refused.
    words: String,
    reason: String,
    refused: bool,
    keys: [String; 3],
}

#[derive(Template)]
#[template(path = "desk_issue.html")]
struct IssuePage {
    frame: Frame,
    error: Option<Told>,
    id: String,
    title: String,
    days: String,
    cut: String,
    stage: &'static str,
    seen: u64,
    version: usize,
    handed_back: String,
    outline: Vec<Heading>,
    body: String,
    /// What keeps the draft from being composed.
    lacking: Vec<String>,
    found: Vec<Found>,
    blocking: usize,
    open: usize,
    bridge: Vec<Bridge>,
    tray: Vec<News>,
    can: Can,
    keys: [String; 6],
    published: String,
}

/// What this person may do with the issue as it stands.
#[derive(Default)]
struct Can {
    adopt: bool,
    freeze: bool,
    submit: bool,
    give_back: bool,
    sign: bool,
    amend: bool,
    void: bool,
    accept: bool,
}

impl Can {
    fn of(who: &Who, it: &Issue) -> Self {
        let (edit, sign) = (who.may(Right::Edit), who.may(Right::Sign));
        let drafts = matches!(it.stage, Stage::Open | Stage::Frozen);
        Self {
            adopt: edit && drafts,
            freeze: edit && drafts,
            submit: edit && it.stage == Stage::Frozen,
            give_back: sign && it.stage == Stage::Submitted,
            sign: sign && it.stage == Stage::Submitted,
            amend: edit && matches!(it.stage, Stage::SignedOff | Stage::Published),
            void: sign && it.stage != Stage::Voided,
            accept: (edit || sign) && matches!(it.stage, Stage::Frozen | Stage::Submitted),
        }
    }
}

/// An issue as it can be composed now.
struct Draft {
    weekly: Option<Weekly>,
    findings: Vec<Finding>,
    lacking: Vec<String>,
}

impl Draft {
    async fn of(
        gateway: &Gateway,
        id: &ObjectId,
        it: &Issue,
        issued_on: Option<Date>,
    ) -> Result<Self, Problem> {
        if it.freeze.is_none() {
            let lacking = vec!["尚未冻结，冻结后可预览和检查".to_owned()];
            return Ok(Self { weekly: None, findings: vec![], lacking });
        }
        let desk = &gateway.desk;
        let composed = weekly::compose(&**desk.store(), desk.hall(), id, issued_on).await;
        let none = |findings, lacking| Self { weekly: None, findings, lacking };
        Ok(match composed {
            Ok(weekly) => {
                let findings = weekly.findings();
                Self { weekly: Some(weekly), findings, lacking: vec![] }
            }
            Err(WeeklyError::Compose(error)) => none(error.findings(), vec![]),
            Err(WeeklyError::Sums(sums)) => {
                let texts = sums.into_iter().map(|it| format!("{}（{}）", it.text, it.code));
                none(vec![], texts.collect())
            }
            Err(WeeklyError::Refused(refusal)) => {
                none(vec![], vec![format!("{}（{}）", refusal.detail, refusal.code)])
            }
            Err(error @ WeeklyError::Store(_)) => return Err(DeskError::from(error).into()),
        })
    }
}

fn find<'a>(known: &'a Known, text: &str) -> Result<(ObjectId, &'a Issue), Problem> {
    let missing = || Problem::not_found(&format!("issue `{text}`"));
    let id = known.find_issue(text).map_err(|_| missing())?;
    let issue = known.book.issues.get(&id).ok_or_else(missing)?;
    Ok((id, issue))
}

/// `GET /desk/{issue}`.
pub(crate) async fn issue(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Path(wanted): Path<String>,
    Query(after): Query<After>,
) -> Result<Response, Problem> {
    after.wait(&gateway).await?;
    issue_page(&gateway, &who, &wanted, &vec![], None).await
}

pub(crate) async fn issue_page(
    gateway: &Gateway,
    who: &Who,
    wanted: &str,
    fields: &Fields,
    error: Option<Told>,
) -> Result<Response, Problem> {
    let known = gateway.desk.known_so_far().await?;
    let (id, it) = find(&known, wanted)?;
    let draft = Draft::of(gateway, &id, it, None).await?;
    let can = Can::of(who, it);
    let found = found(gateway, it, &draft)?;
    let Draft { weekly, findings, lacking } = draft;
    let (mut outline, mut body, mut bridge) = (vec![], String::new(), vec![]);
    if let Some(weekly) = &weekly {
        let document = &weekly.composed.document;
        outline = headings(&known, document, it, &findings);
        body = zhoubao_composer::html::body(document);
        bridge = bridges(&weekly.material.definitions, &weekly.material.figures);
    }
    let published = it.numbers().filter(|_| it.stage == Stage::Published);
    let published = published.map(|(year, number, _)| {
        zhoubao_application::publication::name(it.series.as_ref(), year, number, it.version())
    });
    let new_keys = || -> Result<[String; 6], Problem> {
        let key = || new_key(gateway);
        Ok([key()?, key()?, key()?, key()?, key()?, key()?])
    };
    Ok(shown(&IssuePage {
        frame: Frame::of(who, &hall_name(&known)),
        error,
        id: id.to_string(),
        title: title(&known, it),
        days: days(it.period),
        cut: it.freeze.as_ref().map(|it| it.cut.to_string()).unwrap_or_default(),
        stage: stage_word(it.stage),
        seen: known.touched.get(&id).copied().unwrap_or_default(),
        version: it.version(),
        handed_back: known.handed_back.get(&id).cloned().unwrap_or_default(),
        outline,
        body,
        lacking,
        blocking: found.iter().filter(|it| it.blocks).count(),
        open: found.iter().filter(|it| it.open).count(),
        found,
        bridge,
        tray: if can.adopt { tray(gateway, &known, &id, it, fields)? } else { vec![] },
        can,
        keys: new_keys()?,
        published: published.unwrap_or_default(),
    }))
}

/// What was found: what has to be put right first, then what has to be accepted, then the rest.
fn found(gateway: &Gateway, it: &Issue, draft: &Draft) -> Result<Vec<Found>, Problem> {
    let document = draft.weekly.as_ref().map(|it| &it.composed.document);
    let headings = document.into_iter().flat_map(|it| &it.blocks);
    let headings = headings.filter(|it| matches!(it.kind, BlockKind::Heading { .. }));
    let sections: BTreeMap<_, _> = headings.map(|it| (text(it), it.section.clone())).collect();
    let findings = &draft.findings;
    let mut findings: Vec<_> = findings.iter().collect();
    findings.sort_by_key(|found| (found.standing(), !it.is_open(found)));
    let rows = findings.into_iter().map(|found| {
        let accepted = it.acceptance_of(found).map(|it| {
            let by = it.by.as_ref().map_or("—", UserId::as_str);
            (by.to_owned(), it.reason.clone())
        });
        Ok(Found {
            code: found.code.text(),
            title: found.code.title(),
            section: sections.get(&found.place).cloned().unwrap_or_default(),
            place: found.place.clone(),
            text: found.text.clone(),
            fix: found.code.fix_zh(),
            digest: found.digest.to_string(),
            blocks: found.standing() == Standing::Blocks,
            open: found.standing() == Standing::NeedsAcceptance && accepted.is_none(),
            accepted,
            key: new_key(gateway)?,
        })
    });
    rows.collect()
}

fn text(block: &Block) -> String {
    block.inlines.iter().map(Inline::text).collect()
}

/// The headings of the draft, each with the findings in its section.
fn headings(
    known: &Known,
    document: &Document,
    issue: &Issue,
    findings: &[Finding],
) -> Vec<Heading> {
    // A finding names the heading, or news by its id, which belongs to a section.
    let sections: BTreeMap<String, &str> = issue
        .submissions
        .iter()
        .filter_map(|(_, id)| Some((id.to_string(), known.submissions.get(id)?.section.as_str())))
        .collect();
    let is_of = |found: &Finding, section: &str, heading: &str| {
        let words =
            found.place.split(|it: char| !it.is_ascii_alphanumeric() && it != '-' && it != '_');
        found.place == heading
            || words.into_iter().any(|it| sections.get(it).is_some_and(|it| *it == section))
    };
    let mut headings = vec![];
    for block in &document.blocks {
        let BlockKind::Heading { level } = block.kind else { continue };
        let heading = text(block);
        let own = findings.iter().filter(|it| is_of(it, &block.section, &heading));
        let own: Vec<_> = own.filter(|it| issue.is_open(it)).collect();
        let errors = own.iter().filter(|it| it.standing() == Standing::Blocks).count();
        headings.push(Heading {
            level,
            key: block.section.clone(),
            text: format!("{}{heading}", block.marker),
            errors,
            warnings: own.len() - errors,
        });
    }
    headings
}

fn bridges(definitions: &[Definition], figures: &Figures) -> Vec<Bridge> {
    let bridges = definitions.iter().map(|it| {
        let amount = |span| {
            let (definition, partition) = (it.key.clone(), Partition::Total);
            let key = FigureKey { definition, span, partition, part: String::new() };
            figures.get(&key).map_or(0, |it| it.amount)
        };
        let (carried, outside) = (amount(Span::Carried), amount(Span::Outside));
        let (week, adjustment) = (amount(Span::WeekOfYear), amount(Span::Adjustment));
        let year = amount(Span::Year);
        let sum = [outside, week, adjustment].into_iter().fold(carried, i64::saturating_add);
        Bridge {
            title: it.title.clone(),
            unit: it.unit.clone(),
            carried,
            outside,
            week,
            adjustment,
            year,
            comes_out: sum == year,
        }
    });
    bridges.collect()
}

/// News that this issue has or may take: neither returned nor in another issue.
fn tray(
    gateway: &Gateway,
    known: &Known,
    id: &ObjectId,
    issue: &Issue,
    fields: &Fields,
) -> Result<Vec<News>, Problem> {
    let headings: BTreeMap<_, _> = weekly::sections(known).into_iter().collect();
    let taken: BTreeSet<_> = known
        .book
        .live()
        .filter(|(other, _)| *other != id)
        .flat_map(|(_, it)| &it.submissions)
        .map(|(_, it)| it)
        .collect();
    let next_order = issue.submissions.iter().map(|(order, _)| *order).max().unwrap_or(0);
    let until = weekly::filing_until(known, issue);
    let mut tray = vec![];
    for (id, it) in &known.submissions {
        if it.returned.is_some() || taken.contains(id) {
            continue;
        }
        let edit = issue.edit_of(id, it.digest());
        let shown = edit.filter(|edit| edit.text != it.text);
        let refused =
            field(fields, "submission") == id.as_str() && !field(fields, "text").is_empty();
        let (words, reason) = match edit {
            _ if refused => (field(fields, "text"), field(fields, "reason")),
            Some(edit) => (edit.text.as_str(), edit.reason.as_str()),
            None => (it.text.as_str(), ""),
        };
        tray.push(News {
            id: id.to_string(),
            department: known.registry.department_name(&it.department).to_owned(),
            section: headings.get(&it.section).unwrap_or(&it.section).clone(),
            characters: it.text.chars().count(),
            text: it.text.clone(),
            filed: super::submissions::moment(it.filed_at),
            late: until(&it.section).is_some_and(|until| until < it.filed_at),
            order: issue.submissions.iter().find(|(_, own)| own == id).map(|(order, _)| *order),
            next_order: next_order.saturating_add(1),
            edited: shown.map(|edit| (changed(&it.text, &edit.text), edit.reason.clone())),
            attachments: super::submissions::places(id, it),
            of: it.digest().to_string(),
            words: words.to_owned(),
            reason: reason.to_owned(),
            refused,
            keys: [new_key(gateway)?, new_key(gateway)?, new_key(gateway)?],
        });
    }
    // What waits comes first, then what is in, in its order.
    tray.sort_by_key(|it| (it.order.is_some(), it.order, it.id.clone()));
    Ok(tray)
}

#[derive(Template)]
#[template(path = "desk_sign.html")]
struct SignPage {
    frame: Frame,
    error: Option<Told>,
    id: String,
    title: String,
    days: String,
    cut: String,
    issued_on: String,
    document: String,
    figures: String,
    accepted: Vec<Found>,
    open: usize,
    /// A one-time code is asked for.
    code: bool,
    /// One would be, and he has no device.
    no_device: bool,
    again: Again,
    /// The address of this page.
    here: String,
    lacking: Vec<String>,
    /// He drafted it himself.
    drafted: bool,
    /// It is not with the leader.
    elsewhere: &'static str,
    seen: u64,
    key: String,
}

/// The date in the masthead.
#[derive(Deserialize)]
pub(crate) struct On {
    #[serde(default)]
    on: String,
}

/// `GET /desk/{issue}/sign`: what is signed, before it is.
pub(crate) async fn sign(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Path(wanted): Path<String>,
    Query(On { on }): Query<On>,
) -> Result<Response, Problem> {
    sign_page(&gateway, &who, &wanted, &on, None).await
}

pub(crate) async fn sign_page(
    gateway: &Gateway,
    who: &Who,
    wanted: &str,
    on: &str,
    error: Option<Told>,
) -> Result<Response, Problem> {
    let known = gateway.desk.known_so_far().await?;
    let (id, it) = find(&known, wanted)?;
    let today = hall_day(gateway.clock.now());
    let issued_on: Date = on.parse().unwrap_or(today);
    let draft = Draft::of(gateway, &id, it, Some(issued_on)).await?;
    let all = found(gateway, it, &draft)?;
    let Draft { weekly, lacking, .. } = draft;
    let digest = |it: &Weekly| zhoubao_composer::json::digest(&it.composed.document).to_string();
    let drafted = who.user.as_ref().is_none_or(|user| it.drafters.contains(user));
    let device = match &who.user {
        Some(user) => gateway.accounts.has_device(user)?,
        None => false,
    };
    Ok(shown(&SignPage {
        frame: Frame::of(who, &hall_name(&known)),
        error,
        id: id.to_string(),
        title: title(&known, it),
        days: days(it.period),
        cut: it.freeze.as_ref().map(|it| it.cut.to_string()).unwrap_or_default(),
        issued_on: issued_on.to_string(),
        document: weekly.as_ref().map(digest).unwrap_or_default(),
        figures: weekly.as_ref().map(|it| it.figures.to_string()).unwrap_or_default(),
        open: all.iter().filter(|it| it.open || it.blocks).count(),
        accepted: all.into_iter().filter(|it| it.accepted.is_some()).collect(),
        code: device && gateway.codes != Codes::Off,
        no_device: !device && gateway.codes == Codes::Required,
        again: who.again,
        here: format!("{}/sign?on={issued_on}", Place::Sign.path(wanted)),
        lacking,
        drafted,
        elsewhere: if it.stage == Stage::Submitted { "" } else { stage_word(it.stage) },
        seen: known.touched.get(&id).copied().unwrap_or_default(),
        key: new_key(gateway)?,
    }))
}

fn standing(known: &Known, id: &ObjectId, it: &Issue) -> DeskIssue {
    let (year, number, running) = known.book.proposed_numbers(it);
    let placed = it.submissions.iter();
    DeskIssue {
        issue: id.to_string(),
        series: it.series.as_ref().map(ToString::to_string),
        parameters: it.parameters.clone(),
        year,
        number,
        running_number: running,
        proposed: it.numbers().is_none(),
        version: it.version(),
        first: it.period.first().to_string(),
        last: it.period.last().to_string(),
        stage: it.stage.word(),
        cut: it.freeze.as_ref().map(|it| it.cut),
        submissions: placed
            .map(|(order, id)| Placed { submission: id.to_string(), order: *order })
            .collect(),
        handed_back: known.handed_back.get(id).cloned(),
        position: known.touched.get(id).copied(),
    }
}

/// `GET /v1/desk`: every issue as it stands.
pub(crate) async fn data(
    State(gateway): State<Arc<Gateway>>,
    Query(after): Query<After>,
) -> Result<Json<DeskList>, Problem> {
    after.wait(&gateway).await?;
    let known = gateway.desk.known_so_far().await?;
    let issues = known.book.issues.iter().map(|(id, it)| standing(&known, id, it)).collect();
    let next = weekly::proposal(&known, None).ok().map(|(id, period)| Proposal {
        issue: id.to_string(),
        first: period.first().to_string(),
        last: period.last().to_string(),
    });
    Ok(Json(DeskList { issues, next }))
}

/// What a draft is asked for.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct DraftQuery {
    after: Option<u64>,
    /// The date in the masthead: the digest is then the one that is signed.
    #[schemars(with = "Option<Day>")]
    on: Option<Date>,
}

/// `GET /v1/desk/{issue}`: an issue as it stands, its text, and what the checks find.
pub(crate) async fn draft(
    State(gateway): State<Arc<Gateway>>,
    Path(wanted): Path<String>,
    Query(DraftQuery { after, on }): Query<DraftQuery>,
) -> Result<Response, Problem> {
    After { after }.wait(&gateway).await?;
    let known = gateway.desk.known_so_far().await?;
    let (id, it) = find(&known, &wanted)?;
    let Draft { weekly, findings, lacking } = Draft::of(&gateway, &id, it, on).await?;
    let rows = findings.iter().map(|found| {
        let accepted = it.acceptance_of(found).map(|it| AcceptedBy {
            by: it.by.as_ref().map(ToString::to_string),
            reason: it.reason.clone(),
        });
        FoundRow {
            code: found.code.text(),
            place: found.place.clone(),
            text: found.text.clone(),
            finding: found.digest.to_string(),
            standing: found.standing().word(),
            open: it.is_open(found),
            accepted,
        }
    });
    let document = weekly.as_ref().map(|it| &it.composed.document);
    let value = DraftAnswer {
        issue: standing(&known, &id, it),
        findings: rows.collect(),
        lacking,
        document: document.map(|it| zhoubao_composer::json::digest(it).to_string()),
        figures: weekly.as_ref().map(|it| it.figures.to_string()),
        text: document
            .map(serde_json::to_value)
            .transpose()
            .map_err(|error| Problem::of(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?,
    };
    let tag = format!("\"{}\"", known.touched.get(&id).copied().unwrap_or_default());
    Ok(([(ETAG, tag)], Json(value)).into_response())
}

/// `GET /v1/me`: who asks, what he may do, and what his requests have to hold.
pub(crate) async fn me(Extension(who): Extension<Who>) -> Json<Me> {
    let rights = who.rights.iter().map(|it| it.word()).collect();
    Json(Me { user: who.user.as_ref().map(ToString::to_string), rights, csrf: who.csrf })
}
