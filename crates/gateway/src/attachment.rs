//! Attachments of news (附件): pictures and scans that a department files beside its text.
//!
//! What one is, is decided by its bytes and never by its name. It is read to its end before it is kept: a picture is
//! decoded, an office document unpacked, both within limits.

use std::io::{self, Cursor, Read as _};

use image::{ImageFormat, ImageReader, Limits};
use tokio::sync::Semaphore;
use zhoubao_application::blobs::{BlobError, Blobs};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{ATTACHMENT_BYTES_MAX, Refusal};
use zhoubao_domain::id::Digest;
use zip::ZipArchive;

/// Most dots of a picture: that of a large camera.
const DOTS_MAX: u64 = 50_000_000;
/// Memory in which a picture is decoded.
const DECODED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most entries of an office document, and what they all have when they are unpacked.
const ENTRIES_MAX: usize = 2_000;
const UNPACKED_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// How far from its end a PDF says that it ends.
const PDF_END: usize = 1_024;

/// What an attachment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A picture.
    Png,
    /// A photograph.
    Jpeg,
    /// A scan, or anything printed.
    Pdf,
    /// A document of Word, ECMA-376.
    Docx,
    /// A table of Excel, ECMA-376.
    Xlsx,
    /// A document of GB/T 33190.
    Ofd,
}

impl Kind {
    /// What its file name ends with.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Xlsx => "xlsx",
            Self::Ofd => "ofd",
        }
    }
}

fn refused(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::Attachment, detail)
}

/// Reads a file to its end and says what it is.
///
/// # Errors
///
/// E.121 above [`ATTACHMENT_BYTES_MAX`]; E.123 where it is of no kind that is taken, is broken, or is larger than it
/// looks.
pub fn check(bytes: &[u8]) -> Result<Kind, Refusal> {
    if bytes.len() > ATTACHMENT_BYTES_MAX {
        let detail = format!("附件 {} 字节 bytes, at most {ATTACHMENT_BYTES_MAX}", bytes.len());
        return Err(Refusal::new(Code::TooLarge, detail));
    }
    match kind(bytes) {
        Some(Kind::Png) => picture(bytes, ImageFormat::Png)?,
        Some(Kind::Jpeg) => picture(bytes, ImageFormat::Jpeg)?,
        Some(Kind::Pdf) => {
            let end = &bytes[bytes.len().saturating_sub(PDF_END)..];
            if !end.windows(5).any(|it| it == b"%%EOF") {
                return Err(refused("PDF 不完整 the PDF has no end"));
            }
        }
        Some(Kind::Docx | Kind::Xlsx | Kind::Ofd) => document(bytes)?,
        None => {}
    }
    kind(bytes).ok_or_else(|| refused("只收 taken are PNG, JPEG, PDF, DOCX, XLSX, OFD"))
}

/// What a file begins as, or, of an office document, what its list of files says.
#[must_use]
pub fn kind(bytes: &[u8]) -> Option<Kind> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some(Kind::Png),
        [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some(Kind::Pdf),
        [b'P', b'K', 3, 4, ..] => {
            let archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
            let parts = [
                ("word/document.xml", Kind::Docx),
                ("xl/workbook.xml", Kind::Xlsx),
                ("OFD.xml", Kind::Ofd),
            ];
            let part = parts.iter().find(|(name, _)| archive.index_for_name(name).is_some());
            part.map(|(_, kind)| *kind)
        }
        _ => None,
    }
}

fn picture(bytes: &[u8], format: ImageFormat) -> Result<(), Refusal> {
    let broken = |error: image::ImageError| refused(format!("图片损坏 a broken picture: {error}"));
    let reader = || ImageReader::with_format(Cursor::new(bytes), format);
    let (width, height) = reader().into_dimensions().map_err(broken)?;
    if u64::from(width) * u64::from(height) > DOTS_MAX {
        let detail = format!("图片 {width} × {height} 点 dots, at most {DOTS_MAX} in all");
        return Err(refused(detail));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODED_BYTES_MAX);
    let mut reader = reader();
    reader.limits(limits);
    reader.decode().map(drop).map_err(broken)
}

fn document(bytes: &[u8]) -> Result<(), Refusal> {
    let broken =
        |error: &dyn std::fmt::Display| refused(format!("文件损坏 a broken file: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|it| broken(&it))?;
    let count = archive.len();
    if count > ENTRIES_MAX {
        return Err(refused(format!("内含 {count} 个文件 files within, at most {ENTRIES_MAX}")));
    }
    let mut left = UNPACKED_BYTES_MAX;
    for place in 0..count {
        let entry = archive.by_index(place).map_err(|it| broken(&it))?;
        if entry.enclosed_name().is_none() {
            return Err(refused("内含文件的名称指向外面 the name of a file within leads outside"));
        }
        // What its head says of its size proves nothing.
        let read = io::copy(&mut entry.take(left + 1), &mut io::sink());
        left = left.checked_sub(read.map_err(|it| broken(&it))?).ok_or_else(|| {
            refused(format!("解压后过大 more than {UNPACKED_BYTES_MAX} bytes when it is unpacked"))
        })?;
    }
    Ok(())
}

/// Why a file was not taken as an attachment.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// It is none.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store of files did not keep or find it.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// One is looked at at a time: a picture may take 256 MiB.
static LOOKING: Semaphore = Semaphore::const_new(1);

async fn looked_at(bytes: Vec<u8>) -> Result<(Kind, Vec<u8>), Refusal> {
    let _one = LOOKING.acquire().await;
    let looking = tokio::task::spawn_blocking(move || Ok((check(&bytes)?, bytes)));
    looking.await.unwrap_or_else(|it| Err(refused(it.to_string())))
}

/// Checks a file and keeps it, for news that name it afterwards.
///
/// # Errors
///
/// Those of [`check`]; of the store of files.
pub async fn attach(blobs: &dyn Blobs, bytes: Vec<u8>) -> Result<(Digest, Kind), AttachError> {
    let (kind, bytes) = looked_at(bytes).await?;
    Ok((blobs.put(&bytes).await?, kind))
}

/// Whether each of these is kept, and may be an attachment; it was read to its end when it was kept.
///
/// # Errors
///
/// E.123 for one that is not there, or is something else; of the store of files.
pub async fn are_kept(blobs: &dyn Blobs, digests: &[Digest]) -> Result<(), AttachError> {
    for digest in digests {
        let bytes = blobs.get(digest).await?;
        if bytes.is_none_or(|it| kind(&it).is_none()) {
            return Err(refused(format!("没有 there is no attachment {digest}")).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use image::{DynamicImage, ImageFormat};
    use zhoubao_domain::code::Code;
    use zhoubao_domain::event::ATTACHMENT_BYTES_MAX;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::{Kind, check};

    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(vec![]);
        DynamicImage::new_luma8(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn packed(entries: &[(&str, usize)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(vec![]));
        for (name, length) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(&vec![b' '; *length]).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn code(bytes: &[u8]) -> Code {
        check(bytes).unwrap_err().code
    }

    #[test]
    fn what_a_file_is_is_told_by_its_bytes() {
        assert_eq!(check(&picture(3, 2, ImageFormat::Png)).unwrap(), Kind::Png);
        assert_eq!(check(&picture(3, 2, ImageFormat::Jpeg)).unwrap(), Kind::Jpeg);
        assert_eq!(check(b"%PDF-1.7\n1 0 obj\n%%EOF\n").unwrap(), Kind::Pdf);
        for (name, kind) in [
            ("word/document.xml", Kind::Docx),
            ("xl/workbook.xml", Kind::Xlsx),
            ("OFD.xml", Kind::Ofd),
        ] {
            assert_eq!(check(&packed(&[("a.xml", 9), (name, 9)])).unwrap(), kind);
        }
    }

    #[test]
    fn what_is_broken_or_something_else_is_refused() {
        let (png, jpeg) = (picture(40, 40, ImageFormat::Png), picture(40, 40, ImageFormat::Jpeg));
        for bytes in [
            &b""[..],
            b"MZ\x90\0",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"GIF89a",
            b"%PDF-1.7 cut off",
            &png[..png.len() / 2],
            &jpeg[..30],
            &packed(&[("evil.exe", 9)]),
            &packed(&[("word/document.xml", 9)])[..40],
            &packed(&[("../word/document.xml", 9), ("word/document.xml", 9)]),
        ] {
            assert_eq!(code(bytes), Code::Attachment, "{:?}", &bytes[..bytes.len().min(20)]);
        }
        let mut altered = png.clone();
        let middle = altered.len() / 2;
        altered[middle] ^= 1;
        assert_eq!(code(&altered), Code::Attachment);
        assert_eq!(code(&vec![0; ATTACHMENT_BYTES_MAX + 1]), Code::TooLarge);
    }

    #[test]
    fn what_is_larger_than_it_looks_is_refused() {
        // A megabyte or less each.
        let wide = picture(60_000, 1_000, ImageFormat::Png);
        let bomb = packed(&[("word/document.xml", 140_000_000)]);
        let many: Vec<_> = (0..2_001).map(|it| format!("{it}.xml")).collect();
        let many: Vec<_> = many.iter().map(|it| (it.as_str(), 1)).collect();
        for bytes in [&wide, &bomb, &packed(&many)] {
            assert!(bytes.len() < 1_000_000, "{}", bytes.len());
            assert_eq!(code(bytes), Code::Attachment);
        }
        // A head that promises little: the size of the only entry, in its own head and in the directory.
        let mut lies = bomb;
        let size = 140_000_000_u32.to_le_bytes();
        let places: Vec<_> = (0..lies.len() - 4).filter(|it| lies[*it..*it + 4] == size).collect();
        assert!(!places.is_empty());
        for place in places {
            lies[place..place + 4].copy_from_slice(&9_u32.to_le_bytes());
        }
        assert_eq!(code(&lies), Code::Attachment);
    }
}
