//! Publishing what was signed off: render it, keep its files, say so in the journal. Once, whoever does it and however
//! often it is begun.
//!
//! ```text
//!  SignedOff ──► compose as of the sign-off ──► every form ──► store of files ──► Published { files }
//!                (E.306 where it is not         (by the          (by SHA-256:       (one line with one head:
//!                 what was signed)               caller)          again is nothing)   of two composers one)
//! ```
//!
//! Nothing is published before all of its files are kept, and what was published is never rendered again. With the
//! journal on NATS the server itself repeats the event on `live.<code>.issue` when it is stored, so that the
//! announcement can neither be lost between two steps nor be made twice.

use serde_json::{Value, json};
use zhoubao_composer::changes;
use zhoubao_composer::document::{BlockKind, Document, Field, Inline};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{IssueFile, Refusal};
use zhoubao_domain::id::{Digest, ObjectId, UserId};
use zhoubao_domain::issue::{Command, Edition, Issue, Stage};

use crate::blobs::{BlobError, Blobs};
use crate::desk::{By, Desk, DeskError};
use crate::known::Known;
use crate::weekly::{self, Weekly};
use crate::writer::Receipt;

/// A file of an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Its name: `2023-05.pdf`.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Why an issue was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError<E> {
    /// It cannot be composed, or the rules forbid it, or journal or read models do not answer.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// Its files could not be kept.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// It could not be rendered.
    #[error("{0}")]
    Render(E),
}

/// What the names of an issue's files begin with: numbers and ids only, whatever the hall is called.
#[must_use]
pub fn name(series: Option<&ObjectId>, year: i16, number: u32, version: usize) -> String {
    let series = series.map_or(String::new(), |it| format!("{it}-"));
    let version = if version > 1 { format!("-v{version}") } else { String::new() };
    format!("{series}{year}-{number:02}{version}")
}

/// The same of a composed issue, which may be a draft with the number that it would get.
#[must_use]
pub fn name_of(series: Option<&ObjectId>, document: &Document) -> String {
    let metadata = &document.metadata;
    let version = metadata.amendment.as_ref().map_or(1, |it| it.version);
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    name(series, metadata.year, metadata.number, version)
}

/// The issues that are signed off and not yet published, in order of their numbers.
#[must_use]
pub fn due(known: &Known) -> Vec<ObjectId> {
    let signed = known.book.issues.iter().filter(|(_, it)| it.stage == Stage::SignedOff);
    let mut signed: Vec<_> = signed.map(|(id, it)| (it.numbers(), id.clone())).collect();
    signed.sort();
    signed.into_iter().map(|(_, id)| id).collect()
}

/// Publishes an issue that is signed off. None where it is published already.
///
/// `render` makes every form; the canonical issue must be among them. It is called once at most.
///
/// # Errors
///
/// E.306 where the journal does not give what was signed any more; whatever `render` says. Then nothing is published.
pub async fn publish<E>(
    desk: &Desk,
    blobs: &dyn Blobs,
    issue: &ObjectId,
    render: impl Fn(&Weekly) -> Result<Vec<Rendered>, E>,
) -> Result<Option<Receipt>, PublishError<E>> {
    let known = desk.known().await?;
    let found = find(&known, issue)?;
    if found.stage == Stage::Published {
        return Ok(None);
    }
    if found.stage != Stage::SignedOff {
        let word = found.stage.word();
        let detail = format!("期 {issue} 现为 {word} is {word}，尚未签发 not signed off");
        return Err(DeskError::from(Refusal::new(Code::IssueState, detail)).into());
    }
    let weekly = weekly::compose(&**desk.store(), desk.hall(), issue, None).await;
    let weekly = weekly.map_err(DeskError::from)?;
    let mut rendered = render(&weekly).map_err(PublishError::Render)?;
    rendered.push(checks(&weekly, found));
    rendered.push(distribution(&weekly.composed.document));
    if let Some(before) = found.editions.last() {
        rendered.extend(changes(blobs, before, &weekly.composed.document).await?);
    }
    let mut files = vec![];
    for Rendered { name, bytes } in rendered {
        let digest = blobs.put(&bytes).await?;
        files.push(IssueFile { name, bytes: bytes.len() as u64, digest });
    }
    files.sort();
    // A version is published once.
    let key = format!("publish {issue} {}", found.version());
    let by = By { command: Some(key), ..By::default() };
    let command = Command::Publish { issue: issue.clone(), files };
    let stored = desk
        .issue(by, async |known| {
            let found = find(known, issue)?;
            // Another composer was faster; its files stand.
            Ok(match found.stage {
                Stage::Published => {
                    Command::Publish { issue: issue.clone(), files: found.files.clone() }
                }
                _ => command.clone(),
            })
        })
        .await?;
    Ok(stored)
}

/// What the checks found when the issue was signed, and who accepted it with which reason.
fn checks(weekly: &Weekly, issue: &Issue) -> Rendered {
    let findings = weekly.findings().into_iter().map(|it| {
        let accepted = issue.acceptance_of(&it);
        let accepted = accepted
            .map(|it| json!({ "by": it.by.as_ref().map(UserId::as_str), "reason": it.reason }));
        json!({
            "code": it.code.text(), "place": it.place, "text": it.text, "accepted": accepted,
        })
    });
    let value = json!({ "findings": findings.collect::<Vec<_>>() });
    Rendered { name: "checks.json".to_owned(), bytes: canonical(&value) }
}

/// To whom the issue goes, and how many copies.
fn distribution(document: &Document) -> Rendered {
    let of = |kind| document.blocks.iter().filter(move |it| it.kind == kind);
    let lines = of(BlockKind::DistributionLine).map(|it| {
        let to: String = it.inlines.iter().map(Inline::text).collect();
        json!({ "kind": it.marker.trim_end_matches('：'), "to": to.trim_end_matches('。') })
    });
    let copies = of(BlockKind::PrintRun).flat_map(|it| &it.inlines).find_map(|it| match it {
        Inline::Field { field: Field::PrintRun, text } => text.parse::<u64>().ok(),
        _ => None,
    });
    let value = json!({ "lines": lines.collect::<Vec<_>>(), "copies": copies });
    Rendered { name: "distribution.json".to_owned(), bytes: canonical(&value) }
}

/// What differs from the version before, where that one was published.
async fn changes(
    blobs: &dyn Blobs,
    before: &Edition,
    after: &Document,
) -> Result<Option<Rendered>, BlobError> {
    let Some(before) = document(blobs, &before.sign_off.document).await? else { return Ok(None) };
    let value = serde_json::to_value(changes::between(&before, after)).unwrap_or_default();
    Ok(Some(Rendered { name: "changes.json".to_owned(), bytes: canonical(&value) }))
}

/// A canonical issue of the store of files.
///
/// # Errors
///
/// When the store does not answer, or what it holds is no issue.
pub async fn document(blobs: &dyn Blobs, digest: &Digest) -> Result<Option<Document>, BlobError> {
    let Some(bytes) = blobs.get(digest).await? else { return Ok(None) };
    zhoubao_composer::json::read(&bytes).map(Some).map_err(|_| BlobError::Damaged(*digest))
}

/// Keys in order, no white space, one line.
pub(crate) fn canonical(value: &Value) -> Vec<u8> {
    // `serde_json` keeps the keys of a map in order.
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

fn find<'a>(known: &'a Known, issue: &ObjectId) -> Result<&'a Issue, DeskError> {
    known.book.issues.get(issue).ok_or_else(|| {
        let detail = format!("没有期 {issue} there is no such issue");
        Refusal::new(Code::IssueState, detail).into()
    })
}
