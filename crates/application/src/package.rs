//! The archive package of a published issue (归档): its files as they were published, a manifest that names them,
//! who signed, and up to where the journal counts, and the office's seal over it. The same journal gives the same bytes.
//!
//! A package is checked by itself ([`check`]), by its seal ([`crate::seal`]), and against the journal ([`compare`]): the
//! first finds what does not fit together, the second also what was made to fit, the third needs no key.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use zhoubao_composer::document::Document;
use zhoubao_composer::{json as canonical_issue, txt};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{IssueFile, Refusal};
use zhoubao_domain::id::{Digest, HallCode, ObjectId};
use zhoubao_domain::issue::{Issue, SignOff, Stage};
use zhoubao_domain::time::hall_day;

use crate::blobs::{BlobError, Blobs};
use crate::bundle::{
    Broken, Claims, Files, MANIFEST, SEAL, broken, digests, file, manifest, sha256,
};
use crate::known::Known;
use crate::publication::{Rendered, canonical, document, name};
use crate::seal::{SealKey, sign};

/// Name and version of the form.
pub const FORMAT: &str = "zhoubao-issue/1";

/// What the names of an issue's forms end with; each package has them all.
const ENDINGS: [&str; 7] = ["txt", "html", "json", "csv", "docx", "pdf", "ofd"];

/// What else each package has.
const OTHERS: [&str; 3] = ["checks.json", "distribution.json", "rendering.json"];

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

/// The package of an issue; of the latest published version where none is asked for. It is sealed where there is a key.
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
    key: Option<&SealKey>,
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
    let manifest = canonical(&manifest);
    if let Some(key) = key {
        let seal = sign(key, &manifest).into_bytes();
        package.files.push(Rendered { name: SEAL.to_owned(), bytes: seal });
    }
    package.files.push(Rendered { name: MANIFEST.to_owned(), bytes: manifest });
    package.files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(package)
}

/// A published version with its sign-off and files.
fn published(issue: &Issue, version: Option<usize>) -> Option<(usize, &SignOff, &[IssueFile])> {
    let all = (1..).zip(signed(issue)).filter(|(_, (_, files))| !files.is_empty());
    let found = all.filter(|(number, _)| version.is_none_or(|it| it == *number)).last();
    found.map(|(number, (sign_off, files))| (number, sign_off, files))
}

/// Every version that was signed off, from the first on, with its files.
pub(crate) fn signed(issue: &Issue) -> impl Iterator<Item = (&SignOff, &[IssueFile])> {
    let before = issue.editions.iter().map(|it| (&it.sign_off, it.files.as_slice()));
    before.chain(issue.sign_off.as_ref().map(|it| (it, issue.files.as_slice())))
}

/// Every file that was published of an issue, of all its versions.
pub fn files_of(issue: &Issue) -> impl Iterator<Item = &IssueFile> {
    signed(issue).flat_map(|(_, files)| files)
}

// --- Checking one ---

/// What a package says that fits together.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The hall's code.
    pub hall: String,
    /// The issue's id.
    pub issue: ObjectId,
    /// The series; none for the main one.
    pub series: Option<ObjectId>,
    /// Year, number of the year and running number.
    pub number: (i16, u32, u32),
    /// Its version: a correction (更正) has a higher one.
    pub version: usize,
    /// The day of the sign-off in the hall's zone.
    pub signed_on: Option<Date>,
    /// The canonical issue, which the sign-off names.
    pub document: Document,
    /// Number of files that the manifest names.
    pub files: usize,
}

impl Checked {
    /// What the names of its files begin with: `2023-05-v2`.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.series.as_ref(), self.number.0, self.number.1, self.version)
    }

    /// The name of a version of the same issue.
    #[must_use]
    pub fn name_of_version(&self, version: usize) -> String {
        name(self.series.as_ref(), self.number.0, self.number.1, version)
    }
}

/// Checks a package by itself: its manifest, every file, that the canonical issue is the one that was signed and says of
/// itself what the manifest says, and the plain text, which follows from it byte for byte.
///
/// # Errors
///
/// The first place that is not what it was.
pub fn check(files: &Files) -> Result<Checked, Broken> {
    let value = manifest(files, FORMAT, &[SEAL])?;
    let claims = Claims { value: &value };
    digests(files, &value)?;
    let issue = claims.parsed("/issue")?;
    let series = match claims.at("/series")? {
        Value::Null => None,
        _ => Some(claims.parsed("/series")?),
    };
    let signed_at = match claims.at("/signed_at")? {
        Value::Null => None,
        _ => Some(claims.parsed::<Timestamp>("/signed_at")?),
    };
    claims.parsed::<Digest>("/figures")?;
    let (year, number) = (small(&claims, "/year")?, small(&claims, "/number")?);
    let (running, version) = (small(&claims, "/running_number")?, small(&claims, "/version")?);
    let name = name(series.as_ref(), year, number, version);
    for ending in ENDINGS {
        file(files, &format!("{name}.{ending}"))?;
    }
    for other in OTHERS {
        file(files, other)?;
    }
    let text = file(files, &format!("{name}.json"))?;
    if sha256(text) != claims.parsed::<Digest>("/document")? {
        let detail = "不是签发的正文 is not the issue that the manifest says was signed";
        return broken(format!("{name}.json"), detail);
    }
    let document = canonical_issue::read(text).ok();
    let document = document.filter(|it| canonical_issue::export(it) == text);
    let Some(document) = document else {
        return broken(format!("{name}.json"), "不是规范写法 is no issue in its canonical form");
    };
    let it = &document.metadata;
    let own = [
        ("/year", json!(it.year)),
        ("/number", json!(it.number)),
        ("/running_number", json!(it.running_number)),
        ("/position", json!(it.position)),
        ("/version", json!(it.amendment.as_ref().map_or(1, |it| it.version))),
    ];
    for (path, own) in own {
        if claims.at(path)? != &own {
            let detail = format!("与 {name}.json 不符 differs from it: {own}");
            return broken(format!("{MANIFEST} {path}"), detail);
        }
    }
    if it.proposed {
        return broken(format!("{name}.json"), "未签发 is not signed off");
    }
    if file(files, &format!("{name}.txt"))? != txt::export(&document) {
        let detail = format!("与 {name}.json 不符 is not the text of it");
        return broken(format!("{name}.txt"), detail);
    }
    Ok(Checked {
        hall: claims.parsed::<HallCode>("/hall")?.to_string(),
        issue,
        series,
        number: (year, number, running),
        version,
        signed_on: signed_at.map(hall_day),
        document,
        files: claims.list("/files")?.len(),
    })
}

fn small<T: TryFrom<i64>>(claims: &Claims<'_>, path: &str) -> Result<T, Broken> {
    let it = T::try_from(claims.number(path)?);
    it.or_else(|_| broken(format!("{MANIFEST} {path}"), "不在范围内 out of range"))
}

/// What the journal says of a version of an issue that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Now {
    /// It is the one that is valid.
    Valid,
    /// A later version was signed.
    Corrected {
        /// The one that is valid.
        version: usize,
    },
    /// The issue was voided; its number stays.
    Voided,
}

/// Whether a version of an issue is still the valid one.
#[must_use]
pub fn now(issue: &Issue, version: usize) -> Now {
    let latest = signed(issue).count();
    match () {
        () if issue.stage == Stage::Voided => Now::Voided,
        () if latest > version => Now::Corrected { version: latest },
        () => Now::Valid,
    }
}

/// Compares a checked package with the sign-off and the publication that the journal has.
///
/// # Errors
///
/// The first place that is not what was signed and published.
pub fn compare(files: &Files, hall: &HallCode, known: &Known) -> Result<Now, Broken> {
    let value = manifest(files, FORMAT, &[SEAL])?;
    let claims = Claims { value: &value };
    claims.same("/hall", &json!(hall.as_str()))?;
    let id: ObjectId = claims.parsed("/issue")?;
    let Some(issue) = known.book.issues.get(&id) else {
        let detail = format!("日志中没有期 {id} is not in the journal");
        return broken(format!("{MANIFEST} /issue"), detail);
    };
    let version: usize = small(&claims, "/version")?;
    let index = version.checked_sub(1);
    let Some((sign_off, published)) = index.and_then(|it| signed(issue).nth(it)) else {
        let detail = format!("日志中没有第 {version} 版 the journal has no version {version}");
        return broken(format!("{MANIFEST} /version"), detail);
    };
    let at = index.and_then(|it| known.signed.get(&id)?.get(it));
    let signed = [
        ("/series", json!(issue.series.as_ref().map(ObjectId::as_str))),
        ("/year", json!(sign_off.year)),
        ("/number", json!(sign_off.number)),
        ("/running_number", json!(sign_off.running_number)),
        ("/document", json!(sign_off.document.to_string())),
        ("/figures", json!(sign_off.figures.to_string())),
        ("/signed_by", json!(sign_off.by.as_ref().map(ToString::to_string))),
        ("/signed_at", json!(at.map(|it| it.at.to_string()))),
        ("/signed_position", json!(at.map(|it| it.position))),
    ];
    for (path, own) in &signed {
        claims.same(path, own)?;
    }
    for it in published {
        let bytes = file(files, &it.name)?;
        if sha256(bytes) != it.digest {
            return broken(&it.name, "与发布时不同 is not what was published");
        }
    }
    let named = claims.list("/files")?.iter().filter_map(|it| it.get("name")?.as_str());
    for name in named {
        if !published.iter().any(|it| it.name == name) {
            return broken(name, "未曾发布 was not published");
        }
    }
    Ok(now(issue, version))
}
