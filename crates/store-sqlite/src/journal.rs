//! The journal in one SQLite file: a hall without a broker.
//!
//! ```text
//!  append ─► one writer connection, BEGIN IMMEDIATE ─► journal.db (WAL, fsync at each commit)
//!                │                                         ▲        ▲
//!                └─ wakes ─► cursors, each on a connection ┘        └─ pool for head, get, state
//! ```
//!
//! Several processes may open one file: SQLite's lock orders their appends, and cursors look at the file every
//! `POLL_EVERY` for what others have appended. Triggers refuse every change but an append at the next sequence.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, QueryBuilder};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout_at};
use zhoubao_application::clock::Clock;
use zhoubao_application::journal::{
    AppendError, Cursor, Expectation, Incarnation, Journal, JournalError, JournalState,
    check_append,
};
use zhoubao_contract::{Attributes, Message, Stored, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, Subject};

use crate::busy::{Patience, is_busy};

static MIGRATOR: Migrator = sqlx::migrate!("migrations/journal");

/// Longest time until a cursor sees what another process has appended.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Longest wait for another process's transaction.
pub(crate) const BUSY_MAX: Duration = Duration::from_secs(5);

/// Messages that come out of SQLite in one piece.
const SPAN: usize = 256;

/// Most messages of one page, whatever the reader asks for: of 300 bytes each, usually.
const PAGE_MESSAGES_MAX: usize = 10_000;

/// Connections for single reads; cursors have their own.
const READERS_MAX: u32 = 4;

/// Tries to set a new file up while another process does the same.
const SETUP_TRIES: u32 = 20;

/// SQLite's result codes that mean a file is damaged or no database.
pub(crate) const DAMAGED: [&str; 2] = ["11", "26"];

/// Which file, and whose journal it is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file, `journal.db`; its folder must exist.
    pub path: PathBuf,
    /// The hall whose journal it is.
    pub hall: HallCode,
    /// The incarnation of the journal if the file is made now: a new random id.
    pub incarnation_if_new: Incarnation,
    /// Whether the whole file is checked when it is opened. Turn it off only for short commands: a damaged page is
    /// otherwise found when it is read.
    pub quick_check: bool,
}

/// The journal of one hall in one SQLite file.
pub struct SqliteJournal {
    settings: Settings,
    incarnation: Incarnation,
    clock: Arc<dyn Clock>,
    /// Empty after an error: the next append opens another connection.
    writer: Mutex<Option<SqliteConnection>>,
    readers: SqlitePool,
    /// Last sequence appended by this process.
    appended: watch::Sender<u64>,
}

/// An error of SQLite with the file it is about.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the journal `{}`", path.display())]
struct Fault {
    path: PathBuf,
    source: sqlx::Error,
}

/// One row of the journal.
struct Row {
    sequence: i64,
    subject: String,
    recorded_at: i64,
    headers: String,
    body: Vec<u8>,
}

impl From<Row> for Stored {
    fn from(row: Row) -> Self {
        Self {
            position: u64::try_from(row.sequence).unwrap_or_default(),
            recorded_at: Timestamp::from_microsecond(row.recorded_at).unwrap_or_default(),
            message: Message {
                subject: row.subject,
                attributes: Attributes::read_block(&row.headers),
                body: row.body,
            },
        }
    }
}

/// A sequence as SQLite counts: no file holds more than this many rows.
pub(crate) fn sql(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// How a file is opened that must not lose what was committed.
pub(crate) fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_MAX)
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .pragma("wal_autocheckpoint", "1000")
        .pragma("journal_size_limit", "67108864")
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .disable_statement_logging()
}

fn read_options(path: &Path) -> SqliteConnectOptions {
    connect_options(path).pragma("query_only", "ON")
}

pub(crate) fn fault(path: &Path, source: sqlx::Error) -> JournalError {
    let damaged = source
        .as_database_error()
        .and_then(|it| it.code())
        .is_some_and(|it| DAMAGED.contains(&it.as_ref()));
    if damaged {
        return JournalError::Unsafe {
            code: Code::JournalGap,
            detail: format!(
                "`{}` is damaged or no SQLite file: {source}; restore it from the archive",
                path.display()
            ),
        };
    }
    JournalError::Unavailable(Box::new(Fault { path: path.to_owned(), source }))
}

impl SqliteJournal {
    /// Opens the journal of a hall, and makes it if the file is not there.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsafe`] with E.703 if the file is another hall's journal or none of ours (it is left as it
    /// is), with E.702 if it is damaged; [`JournalError::Unavailable`] if it cannot be opened.
    pub async fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let busy = |error: &JournalError| match error {
            JournalError::Unavailable(it) => {
                it.downcast_ref().is_some_and(|it: &Fault| is_busy(&it.source))
            }
            JournalError::Unsafe { .. } => false,
        };
        let patience = Patience::new(BUSY_MAX);
        loop {
            let opened = Self::open_once(settings.clone(), clock.clone()).await;
            if !opened.as_ref().is_err_and(busy) || !patience.pause().await {
                return opened;
            }
        }
    }

    async fn open_once(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let path = settings.path.clone();
        let failed = |source| fault(&path, source);
        Self::recognise(&path).await?;

        let mut writer =
            connect_options(&path).create_if_missing(true).connect().await.map_err(failed)?;
        Self::set_up(&path, &mut writer).await?;
        let now = clock.now().as_microsecond();
        let hall = settings.hall.as_str();
        sqlx::query_file!("queries/journal/claim.sql", settings.incarnation_if_new.0, hall, now)
            .execute(&mut writer)
            .await
            .map_err(failed)?;
        let identity = sqlx::query_file!("queries/journal/identity.sql")
            .fetch_one(&mut writer)
            .await
            .map_err(failed)?;
        if identity.hall != hall {
            return Err(JournalError::Unsafe {
                code: Code::OtherJournal,
                detail: format!(
                    "`{}` is the journal of hall {}, not of hall {hall}; give each hall a folder of its own",
                    path.display(),
                    identity.hall
                ),
            });
        }
        if settings.quick_check {
            Self::quick_check(&path, &mut writer).await?;
        }
        let last = sqlx::query_file!("queries/journal/last.sql")
            .fetch_one(&mut writer)
            .await
            .map_err(failed)?
            .last;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_lazy_with(read_options(&path));
        Ok(Self {
            settings,
            incarnation: Incarnation(identity.incarnation),
            clock,
            writer: Mutex::new(Some(writer)),
            readers,
            appended: watch::Sender::new(u64::try_from(last).unwrap_or_default()),
        })
    }

    /// Refuses a file of somebody else before anything in it is changed.
    async fn recognise(path: &Path) -> Result<(), JournalError> {
        if !path.exists() {
            return Ok(());
        }
        let failed = |source| fault(path, source);
        let mut look = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_MAX)
            .pragma("query_only", "ON")
            .disable_statement_logging()
            .connect()
            .await
            .map_err(failed)?;
        let tables: Vec<String> =
            sqlx::query_scalar("select name from sqlite_schema where type = 'table'")
                .fetch_all(&mut look)
                .await
                .map_err(failed)?;
        look.close().await.map_err(failed)?;
        let ours = tables.iter().any(|it| it == "journal_identity");
        // A new file of ours, whose making was cut short, has the table of migrations and nothing else.
        let new = tables.iter().all(|it| it == "_sqlx_migrations");
        if ours || new {
            return Ok(());
        }
        Err(JournalError::Unsafe {
            code: Code::OtherJournal,
            detail: format!(
                "`{}` is a database, but not a journal; name another file",
                path.display()
            ),
        })
    }

    pub(crate) async fn set_up(
        path: &Path,
        writer: &mut SqliteConnection,
    ) -> Result<(), JournalError> {
        let mut tries = 1;
        loop {
            match MIGRATOR.run_direct(None, writer, false).await {
                Ok(()) => return Ok(()),
                Err(MigrateError::VersionMissing(version)) => {
                    return Err(JournalError::Unsafe {
                        code: Code::OtherJournal,
                        detail: format!(
                            "`{}` was made by a newer version of the program (migration {version}); update the program",
                            path.display()
                        ),
                    });
                }
                Err(error) if tries == SETUP_TRIES => {
                    return Err(JournalError::Unavailable(Box::new(error)));
                }
                // Another process is making the same file: its tables are there already, or not all of them yet.
                Err(error) => {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "journal set-up tried again"
                    );
                    tries += 1;
                    tokio::time::sleep(POLL_EVERY).await;
                }
            }
        }
    }

    async fn quick_check(path: &Path, writer: &mut SqliteConnection) -> Result<(), JournalError> {
        let verdict: Vec<String> = sqlx::query_scalar("pragma quick_check(3)")
            .fetch_all(writer)
            .await
            .map_err(|source| fault(path, source))?;
        if verdict == ["ok"] {
            return Ok(());
        }
        Err(JournalError::Unsafe {
            code: Code::JournalGap,
            detail: format!(
                "`{}` is damaged ({}); restore it from the archive",
                path.display(),
                verdict.join("; ")
            ),
        })
    }

    /// Closes all connections and waits for it. Dropping does the same without waiting.
    pub async fn close(&self) {
        if let Some(writer) = self.writer.lock().await.take() {
            // The file is safe whatever this answers: every append was committed.
            let _ = writer.close().await;
        }
        self.readers.close().await;
    }

    fn failed(&self, source: sqlx::Error) -> JournalError {
        fault(&self.settings.path, source)
    }

    /// One append as a transaction; `None` is a conflict.
    async fn store(
        &self,
        writer: &mut SqliteConnection,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Option<Vec<u64>>, sqlx::Error> {
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        let subjects: Vec<_> = expected.iter().map(|it| it.subject.to_string()).collect();
        let subjects = serde_json::Value::from(subjects).to_string();
        let heads = sqlx::query_file!("queries/journal/heads.sql", subjects)
            .fetch_all(&mut *transaction)
            .await?;
        let as_expected = heads.iter().map(|it| it.last).eq(expected.iter().map(|it| sql(it.last)));
        if !as_expected {
            let repeat = Self::repeat(&mut transaction, messages, expected).await?;
            transaction.rollback().await?;
            return Ok(repeat);
        }
        // Every batch expects something of at least one line, so there is a row: `check_append`.
        let (last, before) = heads.first().map_or((0, 0), |it| (it.end, it.recorded_at));
        let recorded_at = self.clock.now().as_microsecond().max(before);
        let first = last + 1;
        insert(&mut transaction, first, recorded_at, messages.iter()).await?;
        transaction.commit().await?;
        let first = u64::try_from(first).unwrap_or_default();
        Ok(Some((first..).take(messages.len()).collect()))
    }

    /// The sequences of `messages`, if they directly follow the expected heads already.
    async fn repeat(
        connection: &mut SqliteConnection,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Option<Vec<u64>>, sqlx::Error> {
        let mut sequences = vec![0; messages.len()];
        for it in expected {
            let subject = it.subject.to_string();
            let own = || messages.iter().enumerate().filter(|(_, it)| it.subject == subject);
            let (after, count) = (sql(it.last), sql(own().count()));
            let stored =
                sqlx::query_file_as!(Row, "queries/journal/following.sql", subject, after, count)
                    .fetch_all(&mut *connection)
                    .await?;
            if stored.len() < own().count() {
                return Ok(None);
            }
            for ((index, message), row) in own().zip(stored) {
                let stored = Stored::from(row);
                if hash(&stored.message) != hash(message) {
                    return Ok(None);
                }
                sequences[index] = stored.position;
            }
        }
        Ok(Some(sequences))
    }
}

/// Stores messages from sequence `first` on, all recorded at the same time.
///
/// One statement of as many rows as there are messages: the text of it depends on their number, so it is no file.
/// A checked statement would take them as one JSON array, and parsing that costs more than storing them.
pub(crate) async fn insert<'a>(
    connection: &mut SqliteConnection,
    first: i64,
    recorded_at: i64,
    messages: impl Iterator<Item = &'a Message>,
) -> Result<(), sqlx::Error> {
    let mut insert =
        QueryBuilder::new("insert into journal (sequence, subject, recorded_at, headers, body) ");
    insert.push_values((first..).zip(messages), |mut row, (sequence, message)| {
        row.push_bind(sequence)
            .push_bind(message.subject.as_str())
            .push_bind(recorded_at)
            .push_bind(message.attributes.to_block())
            .push_bind(message.body.as_slice());
    });
    insert.build().execute(connection).await?;
    Ok(())
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn state(&self) -> Result<JournalState, JournalError> {
        let last = sqlx::query_file!("queries/journal/last.sql")
            .fetch_one(&self.readers)
            .await
            .map_err(|it| self.failed(it))?
            .last;
        Ok(JournalState {
            incarnation: self.incarnation.clone(),
            last: u64::try_from(last).unwrap_or_default(),
        })
    }

    async fn append(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError> {
        check_append(&self.settings.hall, messages, expected)?;
        let unavailable = |source| {
            AppendError::Unavailable(Box::new(Fault { path: self.settings.path.clone(), source }))
        };
        let mut slot = self.writer.lock().await;
        // Out of its place meanwhile: after an error, or when the caller goes away in the middle, the connection
        // is dropped, which rolls its transaction back.
        let mut writer = match slot.take() {
            Some(writer) => writer,
            None => connect_options(&self.settings.path).connect().await.map_err(unavailable)?,
        };
        let stored = self.store(&mut writer, messages, expected).await.map_err(unavailable)?;
        *slot = Some(writer);
        drop(slot);
        let sequences = stored.ok_or(AppendError::Conflict)?;
        let last = sequences.iter().copied().max().unwrap_or_default();
        self.appended.send_if_modified(|it| {
            let further = last > *it;
            *it = last.max(*it);
            further
        });
        Ok(sequences)
    }

    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        let subject = subject.to_string();
        let row = sqlx::query_file_as!(Row, "queries/journal/head.sql", subject)
            .fetch_optional(&self.readers)
            .await
            .map_err(|it| self.failed(it))?;
        Ok(row.map(Stored::from))
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        let sequence = sql(sequence);
        let row = sqlx::query_file_as!(Row, "queries/journal/get.sql", sequence)
            .fetch_optional(&self.readers)
            .await
            .map_err(|it| self.failed(it))?;
        Ok(row.map(Stored::from))
    }

    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
        let connection =
            read_options(&self.settings.path).connect().await.map_err(|it| self.failed(it))?;
        Ok(Box::new(SqliteCursor {
            connection,
            path: self.settings.path.clone(),
            appended: self.appended.subscribe(),
            next: from.max(1),
        }))
    }
}

struct SqliteCursor {
    connection: SqliteConnection,
    path: PathBuf,
    appended: watch::Receiver<u64>,
    next: u64,
}

impl SqliteCursor {
    async fn page(&mut self, max: usize) -> Result<Vec<Stored>, JournalError> {
        let mut messages = self.spans(max).await?;
        if messages.is_empty() {
            let from = sql(self.next);
            let first = sqlx::query_file_scalar!("queries/journal/first.sql", from)
                .fetch_optional(&mut self.connection)
                .await
                .map_err(|it| fault(&self.path, it))?;
            // A gap wider than the page, which a reader must see as one; or appended just now.
            if let Some(first) = first {
                self.next = u64::try_from(first).unwrap_or_default();
                messages = self.spans(max).await?;
            }
        }
        if let Some(last) = messages.last() {
            self.next = last.position + 1;
        }
        Ok(messages)
    }

    async fn spans(&mut self, max: usize) -> Result<Vec<Stored>, JournalError> {
        let max = max.min(PAGE_MESSAGES_MAX);
        let last = self.next.saturating_add(max as u64) - 1;
        let starts: Vec<_> = (self.next..=last).step_by(SPAN).collect();
        let (starts, length, last) =
            (serde_json::Value::from(starts).to_string(), sql(SPAN - 1), sql(last));
        let path = &self.path;
        let mut messages = Vec::with_capacity(max.min(SPAN));
        let mut rows = sqlx::query_file!("queries/journal/page.sql", starts, length, last)
            .fetch(&mut self.connection);
        // Taken apart while SQLite packs the next span on its own thread.
        while let Some(row) = rows.try_next().await.map_err(|it| fault(path, it))? {
            let first = u64::try_from(row.first).unwrap_or_default();
            let mut packed = row.packed.as_deref().unwrap_or_default();
            while !packed.is_empty() {
                let message = unpack(&mut packed, first).ok_or_else(|| JournalError::Unsafe {
                    code: Code::JournalGap,
                    detail: format!(
                        "`{}` is damaged after message {}; restore it from the archive",
                        path.display(),
                        messages.last().map_or(first - 1, |it: &Stored| it.position)
                    ),
                })?;
                if messages.len() == SPAN {
                    // More than live events: then a whole page is likely.
                    messages.reserve(max - SPAN);
                }
                messages.push(message);
            }
        }
        drop(rows);
        if !messages.is_sorted_by_key(|it| it.position) {
            messages.sort_by_key(|it| it.position);
        }
        Ok(messages)
    }
}

/// Takes the next message off a span that `page.sql` has packed; `None` if that is no such thing.
fn unpack(packed: &mut &[u8], first: u64) -> Option<Stored> {
    let place = u64::from(character(packed)?.checked_sub(1)?);
    let time = [character(packed)?, character(packed)?, character(packed)?];
    let time = time.into_iter().fold(0, |time, part| time << 20 | i64::from(part));
    let subject = character(packed)?;
    let headers = character(packed)?.checked_sub(1)?;
    let body = character(packed)?.checked_sub(1)?;
    Some(Stored {
        position: first + place,
        recorded_at: Timestamp::from_microsecond(time).ok()?,
        message: Message {
            subject: std::str::from_utf8(cut(packed, subject)?).ok()?.to_owned(),
            attributes: Attributes::read_block(std::str::from_utf8(cut(packed, headers)?).ok()?),
            body: cut(packed, body)?.to_vec(),
        },
    })
}

fn cut<'a>(packed: &mut &'a [u8], length: u32) -> Option<&'a [u8]> {
    let (front, rest) = packed.split_at_checked(usize::try_from(length).ok()?)?;
    *packed = rest;
    Some(front)
}

/// Takes the number off that SQLite's `char` has written: UTF-8, and surrogates alike.
fn character(packed: &mut &[u8]) -> Option<u32> {
    let lead = *packed.first()?;
    let (length, top) = match lead {
        0x00..=0x7f => (1, lead),
        0xc0..=0xdf => (2, lead & 0x1f),
        0xe0..=0xef => (3, lead & 0x0f),
        0xf0..=0xf7 => (4, lead & 0x07),
        _ => return None,
    };
    let (front, rest) = packed.split_at_checked(length)?;
    *packed = rest;
    Some(front[1..].iter().fold(u32::from(top), |it, byte| it << 6 | u32::from(byte & 0x3f)))
}

#[async_trait]
impl Cursor for SqliteCursor {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError> {
        let deadline = Instant::now() + wait;
        loop {
            self.appended.mark_unchanged();
            let messages = self.page(max).await?;
            let now = Instant::now();
            if !messages.is_empty() || now >= deadline {
                return Ok(messages);
            }
            let look_again = deadline.min(now + POLL_EVERY);
            // Nobody appends any more in this process: others still may.
            if let Ok(Err(_)) = timeout_at(look_again, self.appended.changed()).await {
                tokio::time::sleep_until(look_again).await;
            }
        }
    }
}
