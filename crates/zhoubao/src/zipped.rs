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

/// The files of a folder or of a zip, which may hold them in one folder. A name stands for one file, and no file lies
/// deeper.
///
/// # Errors
///
/// When it cannot be read; E.320 for a zip that is damaged, and for what is no zip.
pub fn unpack(path: &Path) -> Result<Files, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let altered = |it: &dyn fmt::Display| {
        Failure::coded(Code::Altered, format!("文件被改动 altered: {}：{it}", path.display()))
    };
    let mut files = BTreeMap::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                return Err(altered(&format!("{name} 是目录 is a folder")));
            }
            files.insert(name, std::fs::read(entry.path()).map_err(failed)?);
        }
        return Ok(files);
    }
    let damaged =
        |it: &dyn fmt::Display| altered(&format!("不是完好的压缩包 is no sound zip: {it}"));
    let mut zip = zip::ZipArchive::new(std::fs::File::open(path).map_err(failed)?)
        .map_err(|it| damaged(&it))?;
    let mut left = BYTES_MAX;
    for index in 0..zip.len() {
        let file = zip.by_index(index).map_err(|it| damaged(&it))?;
        let name = file.name().map_err(|it| damaged(&it))?.into_owned();
        if file.is_dir() {
            continue;
        }
        let mut bytes = vec![];
        let read = file.take(left + 1).read_to_end(&mut bytes);
        read.map_err(|it| damaged(&format!("{name}: {it}")))?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(|| damaged(&"过大 too large"))?;
        if files.insert(name.clone(), bytes).is_some() {
            return Err(altered(&format!("{name} 重名 twice")));
        }
    }
    let folder = files.keys().next().and_then(|it| it.split_once('/')).map(|(it, _)| it.to_owned());
    let Some(folder) = folder else { return Ok(files) };
    let inner = |name: &str| name.strip_prefix(&folder)?.strip_prefix('/').map(ToOwned::to_owned);
    files
        .into_iter()
        .map(|(name, bytes)| Some((inner(&name)?, bytes)))
        .collect::<Option<Files>>()
        .ok_or_else(|| altered(&"文件在不同目录中 the files lie in different folders"))
}
