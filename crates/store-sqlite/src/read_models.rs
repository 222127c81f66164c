//! The read models in one SQLite file: many halls, one writer, readers apart.
//!
//! ```text
//!  claim, commit ─► one writer connection, BEGIN IMMEDIATE ─► read.db (WAL)
//!                                                                 ▲
//!  everything else ─► a pool of readers, one transaction a call ──┘
//! ```
//!
//! Nothing here is the truth: the file may be deleted at any time and is folded again from the journal. So commits
//! wait for no fsync (`synchronous=NORMAL`): a power cut may take the last ones, rows and checkpoint together.
//!
//! # Rules
//!
//! - A page is one transaction: first the guarded checkpoint, then one statement a table, whatever the page's size.
//! - Rows do not depend on where the journal was cut into pages.
//! - Nothing but opening is retried here. Whoever gets [`StoreError::Unavailable`] reads the checkpoint and goes on from it; that
//!   also resolves a commit whose outcome nobody heard.
//! - A connection on which a commit failed is closed: SQLite may have rolled back by itself.
//!
//! SQL is in `queries/read`, checked at compile time. Read `commit`, `look_up`, `view` and `dump` for the statements,
//! [`swap`] for how a rebuilt copy takes the place of the live one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _};
use zhoubao_application::store::{
    Commit, Epoch, Page, ReadModels, Seed, Snapshot, SnapshotQuery, StoreError,
};
use zhoubao_domain::id::{CaseId, HallCode, Stream};
use zhoubao_projections::rows::{CaseRow, Changes, Checkpoint, ExceptionRow, Found, Head, Needs};

mod array;
mod commit;
mod convert;
mod dump;
mod fault;
mod look_up;
pub mod swap;
#[cfg(test)]
mod tests;
mod to_read;
mod view;

use self::commit::Prepared;
use crate::busy::{Patience, is_busy};
use convert::hall_number;
use fault::fault;

static MIGRATOR: Migrator = sqlx::migrate!("migrations/read");

/// Tries to set a new file up while another process does the same.
const SETUP_TRIES: u32 = 20;

/// Size of the writer's page cache in KiB: the tables' upper levels and the rows of some pages.
const WRITER_CACHE_KIB: u32 = 32 * 1024;

/// Size of a reader's page cache in KiB.
const READER_CACHE_KIB: u32 = 4 * 1024;

/// Size of the file's pages: a rebuild takes a fifth less time than with SQLite's 4 KiB.
pub(crate) const PAGE_BYTES: u32 = 8 * 1024;

/// Pages after which a commit moves the log into the file; a journal page of 10,000 events writes some hundred.
const WAL_PAGES: u32 = 4_000;

/// Size to which the log is cut after it was moved.
const WAL_BYTES: u32 = 64 * 1024 * 1024;

/// How the file is used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file, `read.db`; its folder must exist.
    pub path: PathBuf,
    /// Most connections for reading at one time; more readers wait.
    pub readers_max: u32,
    /// Longest wait for another process's transaction.
    pub busy_max: Duration,
}

impl Settings {
    /// The usual ones.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers_max: 4, busy_max: Duration::from_secs(5) }
    }
}

/// The read models of many halls in one SQLite file.
#[derive(Debug)]
pub struct SqliteReadModels {
    path: PathBuf,
    /// One connection, opened again after an error.
    writer: SqlitePool,
    readers: SqlitePool,
}

fn connect_options(settings: &Settings, cache_kib: u32) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&settings.path)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(settings.busy_max)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("wal_autocheckpoint", WAL_PAGES.to_string())
        .pragma("journal_size_limit", WAL_BYTES.to_string())
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .pragma("cache_size", format!("-{cache_kib}"))
        .disable_statement_logging()
}

impl SqliteReadModels {
    /// Opens the read models, and makes the file if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the file is damaged, no SQLite file, or of another version of this program;
    /// [`StoreError::Unavailable`] if it cannot be opened.
    pub async fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::open_with(Settings::new(path)).await
    }

    /// Opens the read models with settings.
    ///
    /// # Errors
    ///
    /// As for [`SqliteReadModels::open`].
    pub async fn open_with(settings: Settings) -> Result<Self, StoreError> {
        let busy = |error: &StoreError| match error {
            StoreError::Unavailable(it) => it.downcast_ref().is_some_and(is_busy),
            _ => false,
        };
        let patience = Patience::new(settings.busy_max);
        loop {
            let opened = Self::open_once(settings.clone()).await;
            if !opened.as_ref().is_err_and(busy) || !patience.pause().await {
                return opened;
            }
        }
    }

    async fn open_once(settings: Settings) -> Result<Self, StoreError> {
        let mut first = connect_options(&settings, READER_CACHE_KIB)
            .create_if_missing(true)
            .page_size(PAGE_BYTES)
            .journal_mode(SqliteJournalMode::Wal)
            .connect()
            .await
            .map_err(fault)?;
        set_up(&settings.path, &mut first).await?;
        let pool = |connections, cache_kib, query_only: &'static str| {
            // Neither makes a new file where this one has vanished: its tables would be missing.
            let options = connect_options(&settings, cache_kib).pragma("query_only", query_only);
            SqlitePoolOptions::new()
                .max_connections(connections)
                // A file does not hang up; asking before each use costs as much as a small query.
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(options)
        };
        let writer = pool(1, WRITER_CACHE_KIB, "OFF");
        let readers = pool(settings.readers_max.max(1), READER_CACHE_KIB, "ON");
        // Kept open until here, so that the log is not moved and removed in between.
        writer.acquire().await.map_err(fault)?;
        first.close().await.map_err(fault)?;
        Ok(Self { path: settings.path, writer, readers })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes all connections; whoever is last moves the log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Removes all rows of a hall in one transaction and fences whoever projects it.
    ///
    /// # Errors
    ///
    /// As for [`Page::commit`]; nothing was removed then.
    pub async fn remove_hall(&self, hall: &HallCode) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await.map_err(fault)?;
        let removed = commit::remove(&mut connection, hall_number(hall)).await;
        if removed.is_err() {
            connection.close_on_drop();
        }
        removed
    }
}

/// Brings the tables up to date; several processes may do so at once.
async fn set_up(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match MIGRATOR.run_direct(None, connection, false).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..))
                if tries < SETUP_TRIES =>
            {
                // Another process was faster: its migrations are there now, or its lock is still held.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                return Err(fault(error));
            }
            Err(error) => {
                let detail = format!("`{}` is of another version ({error})", path.display());
                return Err(StoreError::Damaged(detail));
            }
        }
    }
}

/// The rows of a page as text, and where to write them.
struct SqlitePage {
    hall: HallCode,
    rows: Prepared,
    writer: SqlitePool,
}

#[async_trait]
impl Page for SqlitePage {
    #[tracing::instrument(
        name = "store.commit",
        level = "debug",
        skip_all,
        fields(hall.code = %self.hall, log.position = commit.to.sequence),
    )]
    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await.map_err(fault)?;
        let committed = self.rows.write(&mut connection, &commit).await;
        if matches!(committed, Err(StoreError::Unavailable(_) | StoreError::Damaged(_))) {
            connection.close_on_drop();
        }
        committed
    }
}

#[async_trait]
impl ReadModels for SqliteReadModels {
    async fn claim(&self, hall: &HallCode) -> Result<Epoch, StoreError> {
        let claimed = sqlx::query_file!("queries/read/claim.sql", hall_number(hall))
            .fetch_one(&self.writer)
            .await
            .map_err(fault)?;
        Ok(Epoch(claimed.epoch))
    }

    async fn seed(&self, hall: &HallCode) -> Result<Seed, StoreError> {
        let mut transaction = self.readers.begin().await.map_err(fault)?;
        let hall = hall_number(hall);
        Ok(Seed {
            checkpoint: view::checkpoint(&mut transaction, hall).await?,
            facts: view::facts_of_seed(&mut transaction, hall).await?,
            heads: view::heads(&mut transaction, hall, "").await?,
        })
    }

    async fn lookup(&self, hall: &HallCode, needs: &Needs) -> Result<Found, StoreError> {
        let mut transaction = self.readers.begin().await.map_err(fault)?;
        let hall = hall_number(hall);
        Ok(Found {
            cases: look_up::cases(&mut transaction, hall, &needs.cases).await?,
            originals: look_up::originals(&mut transaction, hall, &needs.originals).await?,
            ..Found::default()
        })
    }

    async fn positions(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<Option<u64>>, StoreError> {
        let mut transaction = self.readers.begin().await.map_err(fault)?;
        look_up::positions(&mut transaction, hall_number(hall), events).await
    }

    fn prepare(&self, hall: &HallCode, changes: Changes) -> Box<dyn Page> {
        let rows = Prepared::of(hall_number(hall), &changes);
        Box::new(SqlitePage { hall: hall.clone(), rows, writer: self.writer.clone() })
    }

    async fn checkpoint(&self, hall: &HallCode) -> Result<Option<Checkpoint>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        view::checkpoint(&mut connection, hall_number(hall)).await
    }

    async fn snapshot(
        &self,
        hall: &HallCode,
        query: &SnapshotQuery,
    ) -> Result<Snapshot, StoreError> {
        let mut transaction = self.readers.begin().await.map_err(fault)?;
        view::snapshot(&mut transaction, hall_number(hall), query).await
    }

    async fn heads(
        &self,
        hall: &HallCode,
        prefix: &str,
    ) -> Result<Vec<(Stream, Head)>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        view::heads(&mut connection, hall_number(hall), prefix).await
    }

    async fn exceptions(
        &self,
        hall: &HallCode,
        open: bool,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        view::exceptions(&mut connection, hall_number(hall), open).await
    }

    async fn exceptions_of(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        view::exceptions_of(&mut connection, hall_number(hall), events).await
    }

    async fn open_exceptions_of(
        &self,
        hall: &HallCode,
        line: &Stream,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        view::open_exceptions_of(&mut connection, hall_number(hall), line).await
    }

    async fn case(&self, hall: &HallCode, case: &CaseId) -> Result<Option<CaseRow>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        view::case(&mut connection, hall_number(hall), case).await
    }

    async fn command(&self, hall: &HallCode, key: &str) -> Result<Option<u64>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        view::command(&mut connection, hall_number(hall), key).await
    }

    async fn dump(
        &self,
        hall: &HallCode,
        table: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        dump::page(&mut connection, hall_number(hall), table, after, limit).await
    }
}

/// Begins the only kind of transaction that writes: it waits for the lock before it reads.
async fn begin(
    connection: &mut SqliteConnection,
) -> Result<sqlx::Transaction<'_, sqlx::Sqlite>, StoreError> {
    connection.begin_with("begin immediate").await.map_err(fault)
}
