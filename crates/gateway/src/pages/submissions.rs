//! News of the departments (稿件): filing them, and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Extension, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use zhoubao_application::known::{Filed, Known};
use zhoubao_application::weekly;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{ATTACHMENT_BYTES_MAX, ATTACHMENTS_MAX, Right, SUBMISSION_BYTES_MAX};
use zhoubao_domain::id::ObjectId;
use zhoubao_domain::time::hall_zone;

use super::words::{Run, changed};
use super::{Frame, Told, new_key, page as shown};
use crate::Gateway;
use crate::access::Who;
use crate::answers::{Attached, Edited, SubmissionList, SubmissionRow};
use crate::attachment;
use crate::commands::{After, Fields, field};
use crate::extract::{Path, Query};
use crate::problem::Problem;

struct Row {
    id: String,
    department: String,
    section: String,
    text: String,
    filed: String,
    by: String,
    state: &'static str,
    why: String,
    /// What the editor changed, and why.
    edited: Option<(Vec<Run>, String)>,
    /// Where each attachment is.
    attachments: Vec<String>,
    may_withdraw: bool,
    may_return: bool,
    key: String,
}

#[derive(Template)]
#[template(path = "submissions.html")]
struct ListPage {
    frame: Frame,
    error: Option<Told>,
    may_file: bool,
    /// The section takes no more for the issue in work: whether it is meant for the next one is asked.
    closed: bool,
    key: String,
    kilobytes_max: usize,
    attachments_max: usize,
    megabytes_max: usize,
    /// What was attached before the form was refused, as the form names it.
    attachments: String,
    sections: Vec<(String, String, bool)>,
    departments: Vec<(String, String, bool)>,
    text: String,
    rows: Vec<Row>,
}

/// A moment as people of the hall write it.
#[must_use]
pub(crate) fn moment(at: Timestamp) -> String {
    let it = hall_zone().to_datetime(at);
    let (month, day, hour, minute) = (it.month(), it.day(), it.hour(), it.minute());
    format!("{}年{month}月{day}日 {hour:02}:{minute:02}", it.year())
}

/// Where the attachments of news are.
pub(crate) fn places(id: &ObjectId, it: &Filed) -> Vec<String> {
    let place = |digest| format!("/v1/submissions/{id}/attachments/{digest}");
    it.attachments.iter().map(place).collect()
}

/// What became of news.
fn state(known: &Known, id: &ObjectId, it: &Filed) -> (&'static str, &'static str) {
    if it.returned.is_some() {
        ("已退回", "returned")
    } else if known.adopted_by(id).is_some() {
        ("已采用", "adopted")
    } else {
        ("已报送", "filed")
    }
}

/// What a person sees of all news, the latest first: an editor everything, everybody else his own.
fn visible<'a>(known: &'a Known, who: &Who) -> Vec<(&'a ObjectId, &'a Filed)> {
    let all = who.may(Right::Edit);
    let own = |it: &Filed| it.by.is_some() && it.by == who.user;
    let mut rows: Vec<_> = known.submissions.iter().filter(|(_, it)| all || own(it)).collect();
    rows.sort_by_key(|(_, it)| std::cmp::Reverse(it.filed_at));
    rows
}

/// `GET /submissions`.
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Query(after): Query<After>,
) -> Result<Response, Problem> {
    after.wait(&gateway).await?;
    list_page(&gateway, &who, &vec![], None).await
}

pub(crate) async fn list_page(
    gateway: &Gateway,
    who: &Who,
    fields: &Fields,
    error: Option<Told>,
) -> Result<Response, Problem> {
    let known = gateway.desk.known_so_far().await?;
    let sections = weekly::sections(&known);
    let headings: BTreeMap<_, _> = sections.iter().cloned().collect();
    let visible = visible(&known, who);
    // Whoever files again files for the same department.
    let own = visible.iter().find(|(_, it)| it.by == who.user);
    let department = match field(fields, "department") {
        "" => own.map_or("", |(_, it)| it.department.as_str()),
        chosen => chosen,
    };
    let mut rows = vec![];
    for (id, it) in &visible {
        let (state, word) = state(&known, id, it);
        let is_out = word == "returned";
        rows.push(Row {
            id: id.to_string(),
            department: known.registry.department_name(&it.department).to_owned(),
            section: headings.get(&it.section).unwrap_or(&it.section).clone(),
            text: it.text.clone(),
            filed: moment(it.filed_at),
            by: it.by.as_ref().map(ToString::to_string).unwrap_or_default(),
            state,
            why: it.returned.clone().unwrap_or_default(),
            edited: known
                .edit_of(id)
                .filter(|edit| edit.text != it.text)
                .map(|edit| (changed(&it.text, &edit.text), edit.reason.clone())),
            attachments: places(id, it),
            may_withdraw: word == "filed" && it.by == who.user && who.may(Right::Submit),
            may_return: !is_out && who.may(Right::Edit),
            key: new_key(gateway)?,
        });
    }
    let departments = known
        .registry
        .departments
        .iter()
        .map(|(id, it)| (id.to_string(), it.name.clone(), id.as_str() == department));
    let chosen = field(fields, "section").to_owned();
    let now = gateway.clock.now();
    let sections = sections.into_iter().map(|(key, heading)| {
        let until = weekly::filing(&known, &key, now);
        let until = until.map(|it| format!("（{}截稿）", moment(it.until))).unwrap_or_default();
        let is_chosen = key == chosen;
        (key, heading + &until, is_chosen)
    });
    let closed = error.as_ref().is_some_and(|it| it.code == Code::FilingClosed.text());
    let name = known.registry.hall.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
    Ok(shown(&ListPage {
        frame: Frame::of(who, &name),
        error,
        may_file: who.may(Right::Submit),
        closed,
        key: new_key(gateway)?,
        kilobytes_max: SUBMISSION_BYTES_MAX / 1024,
        attachments_max: ATTACHMENTS_MAX,
        megabytes_max: ATTACHMENT_BYTES_MAX / (1024 * 1024),
        attachments: field(fields, "attachments").to_owned(),
        sections: sections.collect(),
        departments: departments.collect(),
        text: field(fields, "text").to_owned(),
        rows,
    }))
}

/// `POST /v1/attachments`.
pub(crate) async fn attach(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Json<Attached>, Problem> {
    let bytes = to_bytes(request.into_body(), ATTACHMENT_BYTES_MAX).await.map_err(|_| {
        let detail = format!("附件过大 an attachment has at most {ATTACHMENT_BYTES_MAX} bytes");
        Problem::coded(Code::TooLarge, detail)
    })?;
    let (digest, kind) = attachment::attach(&*gateway.blobs, bytes.to_vec()).await?;
    Ok(Json(Attached { sha256: digest.to_string(), kind: kind.ending() }))
}

/// `GET /v1/submissions/{submission}/attachments/{sha256}`.
pub(crate) async fn attached(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Path((submission, wanted)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let known = gateway.desk.known_so_far().await?;
    let news = visible(&known, &who).into_iter().find(|(id, _)| id.as_str() == submission);
    let found = news.and_then(|(_, it)| it.attachments.iter().find(|it| it.to_string() == wanted));
    let found = found.ok_or_else(|| Problem::not_found("attachment"))?;
    let bytes = gateway.blobs.get(found).await?;
    let bytes = bytes.ok_or_else(|| Problem::not_found("file of the attachment"))?;
    let ending = attachment::kind(&bytes).map_or("bin", attachment::Kind::ending);
    // Nothing of it is run by the browser as a page of ours: it is saved.
    let saved = format!("attachment; filename=\"{}.{ending}\"", &wanted[..12.min(wanted.len())]);
    let headers =
        [(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, saved)];
    Ok((headers, bytes).into_response())
}

/// `GET /v1/submissions`.
pub(crate) async fn data(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Query(after): Query<After>,
) -> Result<Json<SubmissionList>, Problem> {
    after.wait(&gateway).await?;
    let known = gateway.desk.known_so_far().await?;
    let rows = visible(&known, &who).into_iter().map(|(id, it)| SubmissionRow {
        submission: id.to_string(),
        section: it.section.clone(),
        department: it.department.to_string(),
        text: it.text.clone(),
        filed_at: it.filed_at.to_string(),
        by: it.by.as_ref().map(ToString::to_string),
        state: state(&known, id, it).1,
        issue: known.adopted_by(id).map(|(issue, _)| issue.to_string()),
        reason: it.returned.clone(),
        edited: known
            .edit_of(id)
            .map(|it| Edited { text: it.text.clone(), reason: it.reason.clone() }),
        attachments: it.attachments.iter().map(ToString::to_string).collect(),
    });
    Ok(Json(SubmissionList { submissions: rows.collect() }))
}
