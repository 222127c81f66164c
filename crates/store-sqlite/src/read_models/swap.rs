//! A second copy beside the live one, for `zhoubao rebuild`, and how it takes the live one's place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use zhoubao_application::store::StoreError;

use super::fault::fault;
use super::{Settings, SqliteReadModels};
use crate::busy::{Patience, is_busy};

/// Longest wait for whoever still has one of the files open.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// What SQLite keeps beside a file: the log, and the index of it.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

impl SqliteReadModels {
    /// The file in which the read models of `live` are built anew: `read.db.rebuild`.
    #[must_use]
    pub fn rebuild_path(live: &Path) -> PathBuf {
        suffixed(live, ".rebuild")
    }

    /// Opens an empty second copy beside the live one; what an earlier rebuild has left there is removed.
    ///
    /// # Errors
    ///
    /// As for [`SqliteReadModels::open`].
    pub async fn open_rebuild(live: &Path) -> Result<Self, StoreError> {
        let path = Self::rebuild_path(live);
        remove(&path).map_err(|error| io_fault(&path, error))?;
        for beside in BESIDE {
            remove(&suffixed(&path, beside)).map_err(|error| io_fault(&path, error))?;
        }
        Self::open_with(Settings::new(path)).await
    }

    /// Puts the read models of the file `new` in the place of `live`, in one step: whoever opens `live` finds the
    /// one or the other, whole, whenever the machine stops.
    ///
    /// Both must be closed; the live one need not exist, and may be damaged.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] while somebody still has one of the files open, or the disk fails; the live copy is
    /// as it was, but for a damaged one. [`StoreError::Damaged`] if `new` is no sound copy.
    pub async fn replace(live: &Path, new: &Path) -> Result<(), StoreError> {
        to_one_file(new, Check::Whole).await?;
        sync(new).map_err(|error| io_fault(new, error))?;
        // A log beside the live name would be taken for the new file's. It goes into the file that it belongs to,
        // which keeps that one whole until it is replaced.
        if exists(live)? {
            match to_one_file(live, Check::None).await {
                Ok(()) => {}
                Err(StoreError::Damaged(detail)) => {
                    tracing::warn!(detail, "the read models that are replaced were damaged");
                    // Without its file a log is never applied: SQLite removes it.
                    remove(live).map_err(|error| io_fault(live, error))?;
                }
                Err(error) => return Err(error),
            }
        }
        for beside in BESIDE {
            remove(&suffixed(live, beside)).map_err(|error| io_fault(live, error))?;
        }
        fs::rename(new, live).map_err(|error| io_fault(live, error))?;
        let folder = live.parent().filter(|it| !it.as_os_str().is_empty());
        sync(folder.unwrap_or(Path::new("."))).map_err(|error| io_fault(live, error))
    }
}

/// How much of a file is looked at before its log goes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    None,
    Whole,
}

/// Moves the log into the file and removes it. Waits for whoever has the file open, and fails when he stays.
async fn to_one_file(path: &Path, check: Check) -> Result<(), StoreError> {
    let held = |error: &StoreError| match error {
        StoreError::Unavailable(it) => {
            it.downcast_ref().is_some_and(is_busy)
                || it
                    .downcast_ref::<io::Error>()
                    .is_some_and(|it| it.kind() == io::ErrorKind::ResourceBusy)
        }
        _ => false,
    };
    let patience = Patience::new(BUSY_MAX);
    loop {
        let moved = try_to_one_file(path, check).await;
        if !moved.as_ref().is_err_and(held) || !patience.pause().await {
            return moved;
        }
    }
}

async fn try_to_one_file(path: &Path, check: Check) -> Result<(), StoreError> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_MAX)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(fault)?;
    let moved = leave_wal(&mut connection, check).await;
    connection.close().await.map_err(fault)?;
    moved
}

async fn leave_wal(
    connection: &mut sqlx::SqliteConnection,
    check: Check,
) -> Result<(), StoreError> {
    if check == Check::Whole {
        let told = sqlx::query_scalar::<_, String>("pragma quick_check(1)")
            .fetch_one(&mut *connection)
            .await
            .map_err(fault)?;
        if told != "ok" {
            return Err(StoreError::Damaged(told));
        }
    }
    let mode = sqlx::query_scalar::<_, String>("pragma journal_mode = delete")
        .fetch_one(&mut *connection)
        .await
        .map_err(fault)?;
    if mode != "delete" {
        let held = io::Error::new(io::ErrorKind::ResourceBusy, "the file is still open elsewhere");
        return Err(StoreError::Unavailable(Box::new(held)));
    }
    Ok(())
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|error| io_fault(path, error))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// An error of the disk with the file it is about.
#[derive(Debug, thiserror::Error)]
#[error("cannot replace the read models `{}`", path.display())]
struct Fault {
    path: PathBuf,
    source: io::Error,
}

fn io_fault(path: &Path, source: io::Error) -> StoreError {
    StoreError::Unavailable(Box::new(Fault { path: path.to_owned(), source }))
}
