//! What every store of files must do.

use zhoubao_application::blobs::{BLOB_BYTES_MAX, BlobError, Blobs, digest};

/// A file comes back as it was put, as often as it is asked for; what was never put is not there.
///
/// # Panics
///
/// When the store does otherwise.
pub async fn keeps_files(blobs: &dyn Blobs) {
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let files = [b"".as_slice(), b"\0", "窗口工作周报".as_bytes(), &large];
    for file in files {
        assert_eq!(blobs.get(&digest(file)).await.expect("an answer"), None);
        assert_eq!(blobs.put(file).await.expect("an answer"), digest(file));
    }
    for file in files {
        // Put again by somebody who does not know.
        assert_eq!(blobs.put(file).await.expect("an answer"), digest(file));
        assert_eq!(blobs.get(&digest(file)).await.expect("an answer").as_deref(), Some(file));
    }
    assert_eq!(blobs.get(&digest(b"never put")).await.expect("an answer"), None);
}

/// What is too large is refused, and nothing of it is kept.
///
/// # Panics
///
/// When the store does otherwise.
pub async fn refuses_what_is_too_large(blobs: &dyn Blobs) {
    let file = vec![7; BLOB_BYTES_MAX + 1];
    assert!(matches!(blobs.put(&file).await, Err(BlobError::TooLarge(_))));
    assert_eq!(blobs.get(&digest(&file)).await.expect("an answer"), None);
}

/// Many writers of the same file at once do not disturb each other.
///
/// # Panics
///
/// When the store does otherwise.
pub async fn is_written_by_many_at_once(blobs: &dyn Blobs) {
    let file = vec![42; 700_000];
    let put = || blobs.put(&file);
    let puts = tokio::join!(put(), put(), put(), put(), put(), put());
    for it in [puts.0, puts.1, puts.2, puts.3, puts.4, puts.5] {
        assert_eq!(it.expect("an answer"), digest(&file));
    }
    assert_eq!(blobs.get(&digest(&file)).await.expect("an answer"), Some(file));
}
