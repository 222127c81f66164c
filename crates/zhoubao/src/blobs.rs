//! The store of files in a folder: `files/3f/3f0a…`, one file a digest.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use zhoubao_application::blobs::{self, BlobError, Blobs};
use zhoubao_domain::id::Digest;

use crate::failure::Failure;
use crate::files;

/// Files of one hall in a folder.
#[derive(Debug, Clone)]
pub struct FolderBlobs(PathBuf);

impl FolderBlobs {
    /// The store in this folder, which need not be there yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The file with this digest; its bytes are checked.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or has other bytes.
    pub fn find(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
        let found = read(&self.path(digest)).map_err(unavailable)?;
        found.map(|it| blobs::checked(digest, it)).transpose()
    }

    /// Keeps a file; what a disk has spoilt is written again.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or is too large.
    pub fn keep(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let digest = blobs::check(bytes)?;
        if !matches!(self.find(&digest), Ok(Some(_))) {
            write(&self.path(&digest), bytes).map_err(unavailable)?;
        }
        Ok(digest)
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.0.join(name.get(..2).unwrap_or_default()).join(name)
    }
}

fn unavailable(error: Failure) -> BlobError {
    BlobError::Unavailable(Box::new(error))
}

/// None where there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file(path, &error)),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = files::folder_of(path);
    if !folder.is_dir() {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        files::sync_name(folder).map_err(|error| Failure::file(folder, &error))?;
    }
    files::replace(path, bytes, files::PRIVATE)
}

#[async_trait]
impl Blobs for FolderBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        self.keep(bytes)
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
        self.find(digest)
    }
}

#[cfg(test)]
mod tests {
    use zhoubao_conformance::blobs::{
        is_written_by_many_at_once, keeps_files, refuses_what_is_too_large,
    };

    use super::*;

    #[tokio::test]
    async fn a_folder_keeps_files() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::new(folder.path().join("files"));
        keeps_files(&blobs).await;
        refuses_what_is_too_large(&blobs).await;
        is_written_by_many_at_once(&blobs).await;
    }

    #[tokio::test]
    async fn what_a_disk_has_spoilt_is_told_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FolderBlobs::new(folder.path());
        let digest = blobs.put(b"issue").await.unwrap();
        std::fs::write(blobs.path(&digest), b"issuf").unwrap();
        assert!(matches!(blobs.get(&digest).await, Err(BlobError::Damaged(it)) if it == digest));
        blobs.put(b"issue").await.unwrap();
        assert_eq!(blobs.get(&digest).await.unwrap().unwrap(), b"issue");
    }
}
