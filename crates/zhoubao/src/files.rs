//! Files that are there whole or not at all, whenever the power goes.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zhoubao_domain::code::Code;

use crate::failure::Failure;

/// For its owner only.
pub const PRIVATE: u32 = 0o600;

/// The folder of a file.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the name of a file last.
///
/// # Errors
///
/// When its folder cannot be opened or synced.
pub fn sync_name(path: &Path) -> std::io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Reads a text of at most so many bytes, whatever is behind the name: a file, a pipe or a device without an end.
///
/// # Errors
///
/// E.121 where there is more of it; when it cannot be read or is not UTF-8.
pub fn read_text(path: &Path, max_bytes: u64) -> Result<String, Failure> {
    String::from_utf8(read(path, max_bytes)?).map_err(|_| {
        Failure::coded(Code::Malformed, format!("`{}` 不是 UTF-8 is not UTF-8", path.display()))
    })
}

/// Reads at most so many bytes.
///
/// # Errors
///
/// E.121 where there is more of it; when it cannot be read.
pub fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut bytes = vec![];
    File::open(path)
        .map_err(failed)?
        .take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > max_bytes {
        let message = format!("`{}` has more than {max_bytes} bytes", path.display());
        return Err(Failure::coded(Code::TooLarge, message));
    }
    Ok(bytes)
}

/// Puts a file in the place of the one before: nobody ever reads half of it.
///
/// # Errors
///
/// When it cannot be written; then the one before is as it was.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    replace_from(folder_of(path), path, bytes, mode)
}

/// The same for a file of a folder in which nothing else may ever be seen: until it is whole it is in `aside`, which is
/// on the same disk. Whoever is killed meanwhile leaves it there.
///
/// # Errors
///
/// As [`replace`].
pub fn replace_from(aside: &Path, path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut file = NamedTempFile::new_in(aside)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        sync_name(path)
    };
    write().map_err(|error| Failure::file(path, &error))
}

/// Writes a secret as a line of a file that was not there, for its owner only. Nobody's secret is ever written over.
///
/// # Errors
///
/// When there is a file already, or it cannot be written.
pub fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let aside = PathBuf::from(aside);
    let made = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&aside);
    let written = made.and_then(|mut file| {
        writeln!(file, "{text}")?;
        file.sync_all()
    });
    // A link fails where there is a file already.
    let linked = written.and_then(|()| std::fs::hard_link(&aside, path));
    let removed = std::fs::remove_file(&aside);
    linked.and(removed).map_err(failed)?;
    sync_name(path).map_err(failed)
}
