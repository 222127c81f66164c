//! Files in one file: a zip, the same bytes for the same files.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use zhoubao_application::bundle::Files;
use zhoubao_domain::code::Code;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::failure::Failure;

/// Most bytes that are unpacked, whatever a zip says of itself.
const BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// The zip of some files.
///
/// # Errors
///
/// When they are too large for one.
pub fn pack(files: &Files) -> Result<Vec<u8>, Failure> {
    let too_large = |it: &dyn fmt::Display| Failure::coded(Code::TooLarge, it.to_string());
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .last_modified_time(zip::DateTime::default());
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).map_err(|it| too_large(&it))?;
        zip.write_all(bytes).map_err(|it| too_large(&it))?;
    }
    Ok(zip.finish().map_err(|it| too_large(&it))?.into_inner())
}

/// The files of a folder or of a zip. A name stands for one file, and none lies in another folder.
///
/// # Errors
///
/// When it cannot be read; E.320 for a zip that is damaged.
pub fn unpack(path: &Path) -> Result<Files, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut files = BTreeMap::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(entry.path()).map_err(failed)?);
        }
        return Ok(files);
    }
    let altered = |it: &dyn fmt::Display| {
        Failure::coded(Code::Altered, format!("{}：压缩包已损坏 damaged zip: {it}", path.display()))
    };
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).map_err(failed)?)
        .map_err(|it| altered(&it))?;
    let mut left = BYTES_MAX;
    for index in 0..zip.len() {
        let file = zip.by_index(index).map_err(|it| altered(&it))?;
        let name = file.name().map_err(|it| altered(&it))?.into_owned();
        let mut bytes = vec![];
        file.take(left + 1).read_to_end(&mut bytes).map_err(|it| altered(&it))?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| altered(&"过大 too large"))?;
        if files.insert(name.clone(), bytes).is_some() {
            return Err(altered(&format!("{name} 重名 twice")));
        }
    }
    Ok(files)
}
