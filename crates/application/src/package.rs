//! The archive package of a published issue (归档): its files as they were published, and a manifest that names them,
//! who signed, and up to where the journal counts. The same journal gives the same bytes.

use serde_json::json;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{IssueFile, Refusal};
use zhoubao_domain::id::{Digest, HallCode, ObjectId};
use zhoubao_domain::issue::{Issue, SignOff};

use crate::blobs::{BlobError, Blobs};
use crate::known::Known;
use crate::publication::{Rendered, canonical, document, name};

/// Name and version of the form.
pub const FORMAT: &str = "zhoubao-issue/1";

/// File name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// There is no such issue or version, or it is not published.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store of files did not give what it holds.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The store of files does not have it.
    #[error("{name}（{digest}）不在文件库中 is not in the store of files")]
    Missing {
        /// Its name.
        name: String,
        /// Its digest.
        digest: Digest,
    },
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The name of its folder: `2023-05`.
    pub name: String,
    /// Its files, ascending by name.
    pub files: Vec<Rendered>,
}

/// The package of an issue; of the latest published version where none is asked for.
///
/// # Errors
///
/// E.500 where it is not published; a file that is missing or damaged.
pub async fn package(
    known: &Known,
    blobs: &dyn Blobs,
    hall: &HallCode,
    id: &ObjectId,
    version: Option<usize>,
) -> Result<Package, PackageError> {
    let issue = known.book.issues.get(id).ok_or_else(|| {
        Refusal::new(Code::IssueState, format!("没有期 {id} there is no such issue"))
    })?;
    let (version, sign_off, files) = published(issue, version).ok_or_else(|| {
        Refusal::new(Code::IssueState, format!("期 {id} 尚未发布 that version is not published"))
    })?;
    let missing =
        |name: &str, digest: Digest| PackageError::Missing { name: name.to_owned(), digest };
    let issue_of = document(blobs, &sign_off.document).await?;
    let issue_of = issue_of.ok_or_else(|| missing("json", sign_off.document))?;
    let signed = known.signed.get(id).and_then(|it| it.get(version - 1));
    let (year, number) = (sign_off.year, sign_off.number);
    let name = name(issue.series.as_ref(), year, number, version);
    let mut package = Package { name, files: vec![] };
    let manifest = json!({
        "format": FORMAT,
        "hall": hall.as_str(),
        "issue": id.as_str(),
        "series": issue.series.as_ref().map(ObjectId::as_str),
        "year": year,
        "number": number,
        "running_number": sign_off.running_number,
        "version": version,
        "position": issue_of.metadata.position,
        "document": sign_off.document.to_string(),
        "figures": sign_off.figures.to_string(),
        "signed_by": sign_off.by.as_ref().map(ToString::to_string),
        "signed_at": signed.map(|it| it.at.to_string()),
        "signed_position": signed.map(|it| it.position),
        "files": files
            .iter()
            .map(|it| json!({ "name": it.name, "bytes": it.bytes, "sha256": it.digest.to_string() }))
            .collect::<Vec<_>>(),
    });
    for IssueFile { name, digest, .. } in files {
        let bytes = blobs.get(digest).await?.ok_or_else(|| missing(name, *digest))?;
        package.files.push(Rendered { name: name.clone(), bytes });
    }
    package.files.push(Rendered { name: MANIFEST.to_owned(), bytes: canonical(&manifest) });
    package.files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(package)
}

/// A published version with its sign-off and files.
fn published(issue: &Issue, version: Option<usize>) -> Option<(usize, &SignOff, &[IssueFile])> {
    let before = issue.editions.iter().map(|it| (&it.sign_off, it.files.as_slice()));
    let all = before.chain(issue.sign_off.as_ref().map(|it| (it, issue.files.as_slice())));
    let all = (1..).zip(all).filter(|(_, (_, files))| !files.is_empty());
    let found = all.filter(|(number, _)| version.is_none_or(|it| it == *number)).last();
    found.map(|(number, (sign_off, files))| (number, sign_off, files))
}
