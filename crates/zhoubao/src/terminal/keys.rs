//! The secret keys of a device: files that only its owner can read, made on the device and never sent anywhere.
//!
//! ```text
//!  terminal-w01.key       32 bytes in hexadecimal; signs events
//!  terminal-w01.nk        the seed of the device's NATS user, as NATS writes seeds
//!  terminal-w01.key.next  ╮ what comes after them, until the hall has
//!  terminal-w01.nk.next   ╯ taken it into the register
//! ```

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zhoubao_contract::signature::SigningKey;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Digest, TerminalId};
use zhoubao_nats::config::{UserKey, public_key, seed};

use crate::failure::Failure;
use crate::files::{sync_name, write_secret};
use crate::folder::Folder;
use crate::wiring::Context;

/// The two keys of a device.
pub struct Keys {
    /// Signs events.
    pub signing: SigningKey,
    /// Public part of the NATS user.
    pub nats: UserKey,
}

/// Where the keys of a device are.
#[derive(Debug, Clone)]
pub struct KeyFiles {
    signing: PathBuf,
    nats: PathBuf,
}

impl KeyFiles {
    /// Those of a terminal in the data folder.
    #[must_use]
    pub fn of(folder: &Folder, terminal: &TerminalId) -> Self {
        Self { signing: folder.signing_key(terminal), nats: folder.nats_key(terminal) }
    }

    /// Those that come after them.
    #[must_use]
    pub fn next(&self) -> Self {
        let next = |path: &Path| {
            let mut path = path.as_os_str().to_owned();
            path.push(".next");
            PathBuf::from(path)
        };
        Self { signing: next(&self.signing), nats: next(&self.nats) }
    }

    /// The seed of the NATS user, where there is one.
    #[must_use]
    pub fn nats_seed(&self) -> Option<PathBuf> {
        self.nats.exists().then(|| self.nats.clone())
    }

    /// The key that signs, if the device has one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, holds no key, or others can read it.
    pub fn signing(&self) -> Result<Option<SigningKey>, Failure> {
        signing_key(&self.signing)
    }

    /// Both keys, if the device has them.
    ///
    /// # Errors
    ///
    /// As for [`KeyFiles::signing`], or when one of the two is missing.
    pub fn read(&self) -> Result<Option<Keys>, Failure> {
        let Some(signing) = self.signing()? else { return Ok(None) };
        let text = read(&self.nats)?.ok_or_else(|| no_key(&self.nats))?;
        let nats = public_key(&text).map_err(|_| no_key(&self.nats))?;
        Ok(Some(Keys { signing, nats }))
    }

    /// Both keys; makes them where they are missing.
    ///
    /// # Errors
    ///
    /// When they cannot be read or written.
    pub fn read_or_make(&self) -> Result<Keys, Failure> {
        if !self.nats.exists() {
            let seed = seed(Context::secret()?).map_err(|_| no_key(&self.nats))?;
            write_secret(&self.nats, &seed)?;
        }
        // Last, so that a device that has it has both.
        signing_key_or_new(&self.signing)?;
        self.read()?.ok_or_else(|| no_key(&self.signing))
    }

    /// Puts these files in the place of others.
    ///
    /// # Errors
    ///
    /// When they cannot be renamed.
    pub fn replace(&self, others: &Self) -> Result<(), Failure> {
        for (from, to) in [(&self.nats, &others.nats), (&self.signing, &others.signing)] {
            std::fs::rename(from, to).map_err(|error| Failure::file(from, &error))?;
        }
        sync_name(&others.signing).map_err(|error| Failure::file(&others.signing, &error))
    }
}

fn signing_key(path: &Path) -> Result<Option<SigningKey>, Failure> {
    let Some(text) = read(path)? else { return Ok(None) };
    // A seed is 32 bytes in hexadecimal, as a digest is.
    let seed: Digest = text.trim().parse().map_err(|_| no_key(path))?;
    Ok(Some(SigningKey::from_seed(seed.as_bytes())))
}

/// The signing key of a file; makes it where there is none.
///
/// # Errors
///
/// When the file cannot be read or written, holds no key, or others can read it.
pub fn signing_key_or_new(path: &Path) -> Result<SigningKey, Failure> {
    if !path.exists() {
        write_secret(path, &Digest::new(Context::secret()?).to_string())?;
    }
    signing_key(path)?.ok_or_else(|| no_key(path))
}

fn no_key(path: &Path) -> Failure {
    Failure::configuration(format!("`{}` 不是密钥 holds no key", path.display())).with_next(
        "put the file back from where it is kept; else remove it and enrol the device anew",
    )
}

/// The text of a file with a secret; none where there is no file.
///
/// # Errors
///
/// When it cannot be read, or others can read it.
pub fn secret(path: &Path) -> Result<Option<String>, Failure> {
    read(path)
}

fn read(path: &Path) -> Result<Option<String>, Failure> {
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mode = match std::fs::metadata(path) {
        Ok(it) => it.mode(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if mode & 0o077 != 0 {
        let message = format!("`{}` 他人可读 can be read by others", path.display());
        return Err(Failure::coded(Code::Configuration, message).with_next(format!(
            "chmod 600 {}; if anybody has seen it, enrol anew",
            path.display()
        )));
    }
    std::fs::read_to_string(path).map(Some).map_err(failed)
}
