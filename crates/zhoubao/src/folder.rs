//! The data folder: one hall's journal and read models, for its owner only.
//!
//! ```text
//!  zhoubao-data/
//!    hall             the hall's code: a folder belongs to one hall
//!    zhoubao.toml     settings, if any
//!    journal.db       the truth
//!    journal.db.restore
//!                     the same while it is restored
//!    read.db          may be deleted at any time
//!    files/           published files and attachments, by their SHA-256
//!    issues/          a folder for each published issue; may be deleted, the composer writes it again
//!    terminal-w01.db  the ledger of a terminal that runs here
//!    terminal-w01.key its secret key, which signs its events
//!    terminal-w01.nk  the seed of its NATS user
//!    terminal-w01.clerks  who may log in on it
//!    receipts/        how far each terminal's line is counted, signed; may be deleted at any time
//!    receipts.key     the secret key that signs them
//!    seal.key         the office's secret key, which seals issues and bundles
//!    watch.last       when `nats-watch` last told that it runs
//!    projector.lock   locked by the process that writes read.db
//!    projector.wanted locked by a rebuild that asks it to give way
//! ```

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, TerminalId};

use crate::failure::Failure;

/// A data folder, which need not be there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

/// A lock of a folder, such as the right to write its read models; given back when dropped or when the process ends.
#[derive(Debug)]
pub struct ProjectorLock(#[expect(dead_code, reason = "held, not read")] File);

impl Folder {
    /// The folder at a path.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.0.join("journal.db")
    }

    /// When `zhoubao nats-watch` last told that it runs.
    #[must_use]
    pub fn watch(&self) -> PathBuf {
        self.0.join("watch.last")
    }

    /// The read models.
    #[must_use]
    pub fn read_models(&self) -> PathBuf {
        self.0.join("read.db")
    }

    /// The passwords of the people at the pages.
    #[must_use]
    pub fn accounts(&self) -> PathBuf {
        self.0.join("accounts.json")
    }

    /// The store of files.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    /// The packages of published issues.
    #[must_use]
    pub fn issues(&self) -> PathBuf {
        self.0.join("issues")
    }

    /// The ledger of a terminal.
    #[must_use]
    pub fn ledger(&self, terminal: &TerminalId) -> PathBuf {
        self.0.join(format!("terminal-{terminal}.db"))
    }

    /// The terminals whose ledgers are in the folder, ascending; none where there is no folder.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn ledgers(&self) -> Result<Vec<TerminalId>, Failure> {
        let names = match std::fs::read_dir(&self.0) {
            Ok(names) => names,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(Failure::file(&self.0, &error)),
        };
        let mut found = Vec::new();
        for entry in names {
            let name = entry.map_err(|error| Failure::file(&self.0, &error))?.file_name();
            let name = name.to_string_lossy();
            let id = name.strip_prefix("terminal-").and_then(|it| it.strip_suffix(".db"));
            found.extend(id.and_then(|it| it.parse().ok()));
        }
        found.sort();
        Ok(found)
    }

    /// The secret key of a terminal, which signs its events.
    #[must_use]
    pub fn signing_key(&self, terminal: &TerminalId) -> PathBuf {
        self.0.join(format!("terminal-{terminal}.key"))
    }

    /// The secret key that signs the hall's receipts.
    #[must_use]
    pub fn receipts_key(&self) -> PathBuf {
        self.0.join("receipts.key")
    }

    /// The secret key with which the office seals its issues.
    #[must_use]
    pub fn seal_key(&self) -> PathBuf {
        self.0.join("seal.key")
    }

    /// The receipts of the hall's terminals, where the journal is a file.
    #[must_use]
    pub fn receipts(&self) -> PathBuf {
        self.0.join("receipts")
    }

    /// The seed of a terminal's NATS user.
    #[must_use]
    pub fn nats_key(&self, terminal: &TerminalId) -> PathBuf {
        self.0.join(format!("terminal-{terminal}.nk"))
    }

    /// A copy of the read models that is being built.
    #[must_use]
    pub fn rebuild(&self) -> PathBuf {
        self.0.join("read.db.rebuild")
    }

    fn hall_file(&self) -> PathBuf {
        self.0.join("hall")
    }

    /// The hall that the folder belongs to; `None` for a folder that is new.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read, or its note of the hall is no hall.
    pub fn hall(&self) -> Result<Option<HallCode>, Failure> {
        let path = self.hall_file();
        match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|error| {
                Failure::configuration(format!("`{}`: {error}", path.display()))
                    .with_next("write the six digits of the hall into the file, as in its journal")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::file(&path, &error)),
        }
    }

    /// Makes the folder, if it is not there, and makes it this hall's.
    ///
    /// # Errors
    ///
    /// E.780 for the folder of another hall; when the folder cannot be made.
    pub fn claim(&self, hall: &HallCode) -> Result<(), Failure> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|error| Failure::file(&self.0, &error))?;
        let path = self.hall_file();
        if self.hall()?.is_none() {
            // Written aside and linked, so that nobody ever reads half a code.
            let aside = self.0.join(format!("hall.{}", std::process::id()));
            let written = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&aside)
                .and_then(|mut file| {
                    writeln!(file, "{hall}")?;
                    file.sync_all()
                });
            written.map_err(|error| Failure::file(&aside, &error))?;
            let linked = std::fs::hard_link(&aside, &path);
            // Left over at worst, and never read.
            let _ = std::fs::remove_file(&aside);
            match linked {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(Failure::file(&path, &error));
                }
                _ => {}
            }
        }
        match self.hall()? {
            Some(own) if own != *hall => Err(Failure::coded(
                hall.apart(&own, Code::Configuration),
                format!("the folder `{}` belongs to hall {own}, not to {hall}", self.0.display()),
            )
            .with_next(format!(
                "leave --hall away, or give hall {hall} a folder of its own: --dir"
            ))),
            _ => Ok(()),
        }
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), Failure> {
        let path = self.0.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Failure::file(&path, &error))?;
        Ok((path, file))
    }

    /// Takes the right to write the read models; `None` while another process has it.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or locked.
    pub fn lock_projector(&self) -> Result<Option<ProjectorLock>, Failure> {
        self.lock("projector.lock")
    }

    /// Asks whoever has the right to write the read models to give way, for as long as the answer is held; `None`
    /// while another process asks.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or locked.
    pub fn want_projector(&self) -> Result<Option<ProjectorLock>, Failure> {
        self.lock("projector.wanted")
    }

    /// Whether somebody asks for the right to write the read models.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or locked.
    pub fn is_projector_wanted(&self) -> Result<bool, Failure> {
        let (path, file) = self.lock_file("projector.wanted")?;
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(Failure::file(&path, &error)),
        }
    }

    fn lock(&self, name: &str) -> Result<Option<ProjectorLock>, Failure> {
        let (path, file) = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(ProjectorLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Failure::file(&path, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_belongs_to_one_hall() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::new(scratch.path().join("new/folder"));
        assert_eq!(folder.hall().unwrap(), None);
        folder.claim(&"510000".parse().unwrap()).unwrap();
        folder.claim(&"510000".parse().unwrap()).unwrap();
        let refused = folder.claim(&"510100".parse().unwrap()).unwrap_err();
        assert_eq!(refused.exit.number(), 78);
        assert_eq!(folder.hall().unwrap().unwrap().as_str(), "510000");
        let mode = std::fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn one_process_writes_the_read_models() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::new(scratch.path());
        let held = folder.lock_projector().unwrap();
        assert!(held.is_some());
        assert!(folder.lock_projector().unwrap().is_none());
        drop(held);
        assert!(folder.lock_projector().unwrap().is_some());
        assert!(!folder.is_projector_wanted().unwrap());
        let wanted = folder.want_projector().unwrap();
        assert!(wanted.is_some() && folder.is_projector_wanted().unwrap());
        drop(wanted);
        assert!(!folder.is_projector_wanted().unwrap());
    }
}
