//! The store of files: rendered issues and attachments, found by their SHA-256.

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use zhoubao_contract::{Stored, decode};
use zhoubao_domain::event::{Event, IssueEvent};
use zhoubao_domain::id::{Digest, HallCode};

/// Longest file that is kept, 64 MiB.
pub const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why a file was not kept or not found.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The store does not answer, or its disk is full. Try again.
    #[error("the store of files does not answer (E.705)")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is kept under the name has other bytes.
    #[error("the file {0} in the store is damaged (E.708)")]
    Damaged(Digest),
    /// Longer than [`BLOB_BYTES_MAX`].
    #[error("the file is too large: {0} bytes, at most {BLOB_BYTES_MAX} (E.121)")]
    TooLarge(usize),
}

/// A store of files. What is in it never changes.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps a file; afterwards it survives a power cut. One that is kept already stays as it is.
    async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError>;

    /// The file with this digest; its bytes are checked.
    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError>;
}

/// The name of a file.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    Digest::new(Sha256::digest(bytes).into())
}

/// What an adapter does before it keeps a file.
///
/// # Errors
///
/// [`BlobError::TooLarge`].
pub fn check(bytes: &[u8]) -> Result<Digest, BlobError> {
    if bytes.len() > BLOB_BYTES_MAX {
        return Err(BlobError::TooLarge(bytes.len()));
    }
    Ok(digest(bytes))
}

/// What an adapter does with a file that it found.
///
/// # Errors
///
/// [`BlobError::Damaged`].
pub fn checked(wanted: &Digest, bytes: Vec<u8>) -> Result<Vec<u8>, BlobError> {
    if digest(&bytes) == *wanted { Ok(bytes) } else { Err(BlobError::Damaged(*wanted)) }
}

/// The files that an event names: those of a published issue, and attachments of news. Each with where it is named.
#[must_use]
pub fn named(stored: &Stored, hall: &HallCode) -> Vec<(Digest, String)> {
    let subject = &stored.message.subject;
    // Few of all events: the others are not read for it.
    if !subject.ends_with(".issues") && !subject.contains(".desk.submission.") {
        return vec![];
    }
    let at = stored.position;
    match decode(stored, hall).map(|it| it.event) {
        Ok(Event::Issue(IssueEvent::Published { files, .. })) => {
            files.into_iter().map(|it| (it.digest, format!("{} #{at}", it.name))).collect()
        }
        Ok(Event::SubmissionFiled { attachments, .. }) => {
            attachments.into_iter().map(|it| (it, format!("附件 attachment #{at}"))).collect()
        }
        _ => vec![],
    }
}
