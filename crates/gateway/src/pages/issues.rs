//! Published issues: the list, the reader, and the files.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH,
};
use axum::response::{IntoResponse as _, Response};
use zhoubao_application::desk::facts;
use zhoubao_application::known::Known;
use zhoubao_application::publication::{document, name};
use zhoubao_domain::event::{IssueFile, Outcome};
use zhoubao_domain::id::ObjectId;
use zhoubao_domain::issue::Issue;

use super::{Frame, hall_name, page as shown};
use crate::access::Who;
use crate::extract::Path;
use crate::problem::Problem;
use crate::{Gateway, answers};

/// One published version.
pub(super) struct Published<'a> {
    id: &'a ObjectId,
    pub(super) issue: &'a Issue,
    name: String,
    version: usize,
    /// Whether a later version is there.
    pub(super) amended: bool,
    pub(super) files: &'a [IssueFile],
}

/// Every published version, the latest issue first.
pub(super) fn published(known: &Known) -> Vec<Published<'_>> {
    let mut all = vec![];
    for (id, issue) in &known.book.issues {
        let Some((year, number, running)) = issue.numbers() else { continue };
        let before = issue.editions.iter().map(|it| it.files.as_slice());
        let versions: Vec<_> = (1..).zip(before.chain([issue.files.as_slice()])).collect();
        let last = versions.iter().rev().find(|(_, it)| !it.is_empty()).map_or(0, |(it, _)| *it);
        for (version, files) in versions.into_iter().filter(|(_, it)| !it.is_empty()) {
            let name = name(issue.series.as_ref(), year, number, version);
            let published = Published { id, issue, name, version, amended: version < last, files };
            all.push((running, version, published));
        }
    }
    all.sort_by_key(|(running, version, _)| std::cmp::Reverse((*running, *version)));
    all.into_iter().map(|(.., it)| it).collect()
}

pub(super) struct Row {
    name: String,
    pub(super) title: String,
    days: String,
    amended: bool,
}

pub(super) fn row(it: &Published<'_>) -> Row {
    let (year, number, running) = it.issue.numbers().unwrap_or_default();
    let period = it.issue.period;
    let day = |it: jiff::civil::Date| format!("{}月{}日", it.month(), it.day());
    let version = if it.version > 1 {
        format!("（更正版，第{}版）", it.version)
    } else {
        String::new()
    };
    let series = it.issue.series.as_ref().map(|it| format!("{it} ")).unwrap_or_default();
    Row {
        name: it.name.clone(),
        title: format!("{series}{year}年第{number}期（总第{running}期）{version}"),
        days: format!("{}年{}—{}", period.first().year(), day(period.first()), day(period.last())),
        amended: it.amended,
    }
}

#[derive(Template)]
#[template(path = "issues.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "reader.html")]
struct ReaderPage {
    title: String,
    name: String,
    files: Vec<(&'static str, String)>,
    /// The name of the version that is valid now.
    replaced_by: String,
    tables: bool,
    body: String,
}

/// `GET /`.
pub(crate) async fn home(
    state: State<Arc<Gateway>>,
    who: Extension<Who>,
) -> Result<Response, Problem> {
    list(state, who).await
}

/// `GET /issues`.
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
) -> Result<Response, Problem> {
    let known = facts(&**gateway.desk.store(), gateway.desk.hall()).await?;
    let rows = published(&known).iter().map(row).collect();
    Ok(shown(&ListPage { frame: Frame::of(&who, &hall_name(&known)), rows }))
}

/// `GET /v1/issues`.
pub(crate) async fn data(
    State(gateway): State<Arc<Gateway>>,
) -> Result<Json<answers::Published>, Problem> {
    let known = facts(&**gateway.desk.store(), gateway.desk.hall()).await?;
    let issues = published(&known).into_iter().map(|it| {
        let (year, number, running) = it.issue.numbers().unwrap_or_default();
        let files = it.files.iter().map(|file| answers::PublishedFile {
            name: file.name.clone(),
            bytes: file.bytes,
            sha256: file.digest.to_string(),
        });
        answers::PublishedIssue {
            issue: it.id.to_string(),
            files: files.collect(),
            name: it.name,
            version: it.version,
            series: it.issue.series.as_ref().map(ToString::to_string),
            year,
            number,
            running_number: running,
            first: it.issue.period.first().to_string(),
            last: it.issue.period.last().to_string(),
            current: !it.amended,
        }
    });
    Ok(Json(answers::Published { issues: issues.collect() }))
}

const FORMS: [(&str, &str); 7] = [
    ("pdf", "PDF"),
    ("ofd", "OFD"),
    ("docx", "Word"),
    ("html", "网页"),
    ("txt", "文本"),
    ("json", "数据 JSON"),
    ("csv", "数据 CSV"),
];

/// `GET /issues/{name}`: one issue with the sources of its numbers.
pub(crate) async fn reader(
    State(gateway): State<Arc<Gateway>>,
    Path(wanted): Path<String>,
) -> Result<Response, Problem> {
    let known = facts(&**gateway.desk.store(), gateway.desk.hall()).await?;
    let all = published(&known);
    let Some(it) = all.iter().find(|it| it.name == wanted) else {
        return Err(Problem::not_found(&format!("issue `{wanted}`")));
    };
    let canonical = it.files.iter().find(|file| file.name == format!("{wanted}.json"));
    let canonical = canonical.ok_or_else(|| Problem::not_found("canonical issue"))?;
    let found = document(&*gateway.blobs, &canonical.digest).await?;
    let found = found.ok_or_else(|| Problem::not_found("file of the issue"))?;
    let later = all.iter().find(|other| other.id == it.id && !other.amended && it.amended);
    let files = FORMS.iter().filter_map(|(ending, title)| {
        let name = format!("{wanted}.{ending}");
        it.files.iter().any(|file| file.name == name).then_some((*title, name))
    });
    Ok(shown(&ReaderPage {
        title: row(it).title,
        name: wanted.clone(),
        files: files.collect(),
        replaced_by: later.map(|it| it.name.clone()).unwrap_or_default(),
        tables: found.blocks.iter().any(|it| it.table.is_some()),
        body: zhoubao_composer::html::body(&found),
    }))
}

/// `GET /issues/{name}/{file}`: a published file, as it was signed.
pub(crate) async fn file(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Path((wanted, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let known = facts(&**gateway.desk.store(), gateway.desk.hall()).await?;
    let all = published(&known);
    let found = all.iter().filter(|it| it.name == wanted).flat_map(|it| it.files);
    let found = found.into_iter().find(|it| it.name == file);
    let found = found.ok_or_else(|| Problem::not_found(&format!("file `{file}`")))?;
    let tag = format!("\"{}\"", found.digest);
    if headers.get(IF_NONE_MATCH).is_some_and(|it| it.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let bytes = gateway.blobs.get(&found.digest).await?;
    let bytes = bytes.ok_or_else(|| Problem::not_found("file of the issue"))?;
    if let Some(user) = &who.user {
        gateway.note(user, format!("GET /issues/{wanted}/{file}"), Outcome::Downloaded);
    }
    let kind = match found.name.rsplit_once('.').map(|(_, it)| it) {
        Some("pdf") => "application/pdf",
        Some("ofd") => "application/ofd",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("html") => "text/html; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        Some("csv") => "text/csv; charset=utf-8",
        _ => "application/octet-stream",
    };
    // Nothing of a file is run by the browser as a page of ours: it is saved.
    let saved = format!("attachment; filename=\"{}\"", found.name);
    let headers = [
        (CONTENT_TYPE, kind.to_owned()),
        (CONTENT_DISPOSITION, saved),
        (CACHE_CONTROL, "private, no-cache".to_owned()),
        (ETAG, tag),
    ];
    Ok((headers, bytes).into_response())
}
