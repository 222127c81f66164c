//! The files that the events of a copy name: published issues and attachments.
//!
//! ```text
//!  archive/files/3f/3f0a…     one file a digest, on disk before the event that names it is promised
//!
//!  hall.backup                … lines of all events, then for each file
//!                             {"file":"3f0a…","bytes":12345}   and its bytes, and a line end
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zhoubao_application::blobs::{self, BLOB_BYTES_MAX, BlobError, Blobs};
use zhoubao_contract::Stored;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Digest, HallCode};

use super::damaged;
use crate::blobs::FolderBlobs;
use crate::failure::Failure;

/// Name of the folder with files in an archive.
const FOLDER: &str = "files";

/// Longest line before a file, in bytes.
const HEAD_BYTES_MAX: u64 = 256;

/// Files that are named in a refusal; of more only the number is said.
const NAMED_MAX: usize = 5;

/// The files in the folder of an archive.
pub(super) fn folder(archive: &Path) -> FolderBlobs {
    FolderBlobs::new(archive.join(FOLDER))
}

/// Which files are wanted, each with where it is named first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(BTreeMap<Digest, String>);

impl Named {
    /// Takes in what an event names.
    pub fn add(&mut self, stored: &Stored, hall: &HallCode) {
        for (digest, place) in blobs::named(stored, hall) {
            self.0.entry(digest).or_insert(place);
        }
    }

    /// Takes in what another list names.
    pub fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts the files into an archive's folder that are not there, or not whole. Answers with those that the store does
    /// not have whole either.
    ///
    /// # Errors
    ///
    /// E.705 when the store or the disk does not answer.
    pub async fn fetch(self, from: &dyn Blobs, into: &FolderBlobs) -> Result<Self, Failure> {
        let mut lost = Self::default();
        for (digest, place) in self.0 {
            if matches!(into.find(&digest), Ok(Some(_))) {
                continue;
            }
            match from.get(&digest).await {
                Ok(Some(bytes)) => {
                    into.put(&bytes).await?;
                }
                Ok(None) | Err(BlobError::Damaged(_)) => {
                    lost.0.insert(digest, place);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(lost)
    }

    /// Refuses a copy that does not have them.
    ///
    /// # Errors
    ///
    /// E.708 with the first of them.
    pub fn refuse(&self, path: &Path) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        let named = self.0.iter().take(NAMED_MAX);
        let named: Vec<_> = named.map(|(digest, place)| format!("{place} {digest}")).collect();
        let more = self.count().saturating_sub(NAMED_MAX);
        let more =
            if more > 0 { format!("，另有 {more} 个 and {more} more") } else { String::new() };
        let detail = format!(
            "{} 个文件缺失或被改动 files are missing or altered: {}{more}",
            self.count(),
            named.join("，")
        );
        Err(damaged(path, detail).with_next(
            "`zhoubao archive` takes them again from the hall's store of files while that has them; else use another copy, or go on without them: --accept-missing-files",
        ))
    }
}

/// Where the files of a copy are.
#[derive(Debug, Clone)]
enum Place {
    /// The folder of an archive.
    Folder(FolderBlobs),
    /// A backup: where the bytes of each begin, and how many there are.
    Backup(PathBuf, BTreeMap<Digest, (u64, u64)>),
}

/// The files of a copy.
#[derive(Debug, Clone)]
pub struct Files {
    place: Place,
    /// Those that its events name and that it has, whole.
    pub there: Named,
    /// Those that its events name and that it does not have, or not whole.
    pub lost: Named,
}

impl Files {
    /// Reads the files of an archive.
    pub(super) fn of_folder(archive: &Path, named: Named) -> Result<Self, Failure> {
        Self::sorted(Place::Folder(folder(archive)), named)
    }

    /// Finds the files of a backup, whose bytes were checked with all its others.
    pub(super) fn of_backup(
        file: &Path,
        places: BTreeMap<Digest, (u64, u64)>,
        named: Named,
    ) -> Result<Self, Failure> {
        Self::sorted(Place::Backup(file.to_owned(), places), named)
    }

    fn sorted(place: Place, named: Named) -> Result<Self, Failure> {
        let mut files = Self { place, there: Named::default(), lost: Named::default() };
        for (digest, at) in named.0 {
            let is_there = match files.find(&digest) {
                Ok(found) => found.is_some(),
                Err(BlobError::Damaged(_)) => false,
                Err(error) => return Err(error.into()),
            };
            let list = if is_there { &mut files.there } else { &mut files.lost };
            list.0.insert(digest, at);
        }
        Ok(files)
    }

    fn find(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
        let (path, places) = match &self.place {
            Place::Folder(folder) => return folder.find(digest),
            Place::Backup(path, places) => (path, places),
        };
        let Some((from, bytes)) = places.get(digest) else { return Ok(None) };
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(*from))?;
            let mut content = vec![];
            file.take(*bytes).read_to_end(&mut content)?;
            Ok(content)
        };
        let content = read().map_err(|error| BlobError::Unavailable(Box::new(error)))?;
        blobs::checked(digest, content).map(Some)
    }

    /// The files that are there, one after the other.
    fn each(&self) -> impl Iterator<Item = Result<(Digest, Vec<u8>), Failure>> {
        self.there.0.iter().map(|(digest, place)| match self.find(digest)? {
            Some(bytes) => Ok((*digest, bytes)),
            None => Err(Failure::coded(Code::ArchiveDamaged, format!("{place} {digest} is gone"))),
        })
    }

    /// Puts every file that is there into a store; answers with how many the store did not have.
    ///
    /// # Errors
    ///
    /// E.705 when the store does not answer, E.708 for a file that was altered meanwhile.
    pub async fn put_into(&self, store: &dyn Blobs) -> Result<usize, Failure> {
        let mut count = 0;
        for file in self.each() {
            let (digest, bytes) = file?;
            match store.get(&digest).await {
                Ok(Some(_)) => continue,
                Ok(None) | Err(BlobError::Damaged(_)) => {}
                Err(error) => return Err(error.into()),
            }
            store.put(&bytes).await?;
            count += 1;
        }
        Ok(count)
    }

    /// Writes every file that is there as a backup holds it.
    pub(super) fn write(&self, out: &mut impl Write) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::unavailable(error.to_string());
        for file in self.each() {
            let (digest, content) = file?;
            let head = Head { file: digest.to_string(), bytes: content.len() as u64 };
            let head = serde_json::to_string(&head).unwrap_or_default();
            writeln!(out, "{head}").map_err(failed)?;
            out.write_all(&content).map_err(failed)?;
            out.write_all(b"\n").map_err(failed)?;
        }
        Ok(())
    }
}

/// The line before a file in a backup.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    file: String,
    bytes: u64,
}

/// Reads what stands behind the lines of a backup: where each file is. `bytes` and `hasher` take in all of it; `start` is
/// where the file's first line behind the manifest is.
pub(super) fn read_places(
    path: &Path,
    input: &mut impl BufRead,
    start: u64,
    bytes: &mut u64,
    hasher: &mut Sha256,
) -> Result<BTreeMap<Digest, (u64, u64)>, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let altered = || damaged(path, "it goes on behind its end with what is no file");
    let mut places = BTreeMap::new();
    loop {
        let mut line = vec![];
        input.by_ref().take(HEAD_BYTES_MAX).read_until(b'\n', &mut line).map_err(failed)?;
        if line.is_empty() {
            return Ok(places);
        }
        let head: Head = serde_json::from_slice(&line).map_err(|_| altered())?;
        let digest: Digest = head.file.parse().map_err(|_| altered())?;
        if head.bytes > BLOB_BYTES_MAX as u64 {
            return Err(altered());
        }
        *bytes += line.len() as u64;
        hasher.update(&line);
        places.insert(digest, (start + *bytes, head.bytes));
        let mut content = vec![];
        input.by_ref().take(head.bytes + 1).read_to_end(&mut content).map_err(failed)?;
        if content.len() as u64 != head.bytes + 1 || content.last() != Some(&b'\n') {
            return Err(damaged(path, format!("the file {digest} is cut short")));
        }
        *bytes += head.bytes + 1;
        hasher.update(&content);
    }
}
