//! The ledger of a terminal in one SQLite file: what a window recorded, before anybody else has it.
//!
//! ```text
//!  clerk ─► record ─► one transaction, fsync ─► "saved"
//!                          │
//!                          └─► messages ─► sender ─► journal ─► mark_stored, mark_head
//! ```
//!
//! An event gets its number and the hash of the event before it in the transaction that stores it, so numbers have no
//! gap and the chain is whole whenever the power goes. Nothing is ever taken out; triggers refuse every other change.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex;
use zhoubao_contract::structured::Incoming;
use zhoubao_contract::{Attributes, Message, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;
use zhoubao_domain::id::{Digest, HallCode, Stream, Subject, TerminalId};

use crate::busy::{Patience, is_busy};
use crate::journal::{BUSY_MAX, DAMAGED, connect_options};

mod receipts;
mod to_read;

pub use receipts::Heard;

static MIGRATOR: Migrator = sqlx::migrate!("migrations/ledger");

/// Which file, and whose ledger it is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file; its folder must exist.
    pub path: PathBuf,
    /// The hall.
    pub hall: HallCode,
    /// The terminal.
    pub terminal: TerminalId,
    /// The time, noted in a file that is made now.
    pub now: Timestamp,
}

/// When an event was written down, by three clocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The clock of the wall, which may be wrong and may jump.
    pub wall: Timestamp,
    /// Microseconds since the machine was switched on: never jumps.
    pub monotonic_us: i64,
    /// Which time it was switched on.
    pub boot: String,
}

/// What time the journal had when the clocks of the device stood so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The time of the journal.
    pub server: Timestamp,
    /// The clocks of the device.
    pub at: Stamp,
    /// How far the two may be apart in truth, in microseconds.
    pub uncertainty_us: i64,
}

/// How far the clock of the wall has jumped since the last contact, or since ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// Forward, in microseconds.
    pub by_us: i64,
    /// The first event recorded after it.
    pub number: u64,
}

/// What a device knows of its own clock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockNotes {
    /// The last contact with the journal.
    pub contact: Option<Contact>,
    /// What it jumped since.
    pub jump: Option<Jump>,
}

/// An event in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its number.
    pub number: u64,
    /// Whether it was there before: the same command again.
    pub repeated: bool,
}

/// An event as the ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub number: u64,
    /// The message.
    pub message: Message,
    /// When it was written down, by the clock of the wall.
    pub wall: Timestamp,
    /// Where the journal has it, once that was heard.
    pub position: Option<u64>,
}

/// How a terminal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Number of the last event recorded, 0 for none.
    pub recorded: u64,
    /// Number and position of the last event that the journal has, as last heard.
    pub stored: Option<(u64, u64)>,
    /// Why nothing more is sent, and which event it is about.
    pub stopped: Option<(Code, u64)>,
}

/// Why the ledger was not read or written. Nothing was recorded then.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The disk is full, or the file cannot be opened: try again.
    #[error("cannot use the ledger `{}`", path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The file is damaged.
    #[error("the ledger `{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// An older program made the file, and it was opened only to be read.
    #[error("the ledger `{}` was made by an older version of the program", path.display())]
    Older {
        /// The file.
        path: PathBuf,
    },
    /// The file is another terminal's, or no ledger, or of a newer program.
    #[error("`{}` {detail}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        detail: String,
        /// E.119 where one is of a training hall and the other of a real one, else E.780.
        code: Code,
    },
}

/// The ledger of one terminal.
pub struct Ledger {
    settings: Settings,
    subject: Subject,
    /// How the file is opened again after an error.
    options: SqliteConnectOptions,
    /// Empty after an error: the next call opens another connection.
    connection: Mutex<Option<SqliteConnection>>,
}

fn fault(path: &Path, source: sqlx::Error) -> LedgerError {
    let path = path.to_owned();
    let code = source.as_database_error().and_then(|it| it.code());
    if code.is_some_and(|it| DAMAGED.contains(&it.as_ref())) {
        return LedgerError::Damaged { path, detail: source.to_string() };
    }
    LedgerError::Unavailable { path, source }
}

fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

fn time(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or_default()
}

fn foreign(path: &Path, detail: impl Into<String>) -> LedgerError {
    let (path, detail) = (path.to_owned(), detail.into());
    LedgerError::Foreign { path, detail, code: Code::Configuration }
}

fn newer(path: &Path, version: i64) -> LedgerError {
    foreign(
        path,
        format!(
            "was made by a newer version of the program (migration {version}); update the program"
        ),
    )
}

/// The file is a ledger, or will be one, and no page of it is damaged.
async fn check_file(path: &Path, connection: &mut SqliteConnection) -> Result<(), LedgerError> {
    let failed = |source| fault(path, source);
    let tables: Vec<String> =
        sqlx::query_scalar("select name from sqlite_schema where type = 'table'")
            .fetch_all(&mut *connection)
            .await
            .map_err(failed)?;
    let ours = tables.iter().any(|it| it == "ledger_identity");
    if !ours && tables.iter().any(|it| it != "_sqlx_migrations") {
        return Err(foreign(path, "is a database, but no ledger; name another file"));
    }
    let verdict: Vec<String> =
        sqlx::query_scalar("pragma quick_check(3)").fetch_all(connection).await.map_err(failed)?;
    if verdict != ["ok"] {
        return Err(LedgerError::Damaged { path: path.to_owned(), detail: verdict.join("; ") });
    }
    Ok(())
}

/// The ledger is this terminal's.
async fn check_owner(
    settings: &Settings,
    connection: &mut SqliteConnection,
) -> Result<(), LedgerError> {
    let path = &settings.path;
    let (hall, terminal) = (settings.hall.as_str(), settings.terminal.as_str());
    let identity = sqlx::query_file!("queries/ledger/identity.sql")
        .fetch_one(connection)
        .await
        .map_err(|source| fault(path, source))?;
    if (identity.hall.as_str(), identity.terminal.as_str()) != (hall, terminal) {
        let detail = format!(
            "is the ledger of terminal {} of hall {}, not of {terminal} of {hall}",
            identity.terminal, identity.hall
        );
        let other = identity.hall.parse::<HallCode>();
        let code = other
            .map_or(Code::Configuration, |other| settings.hall.apart(&other, Code::Configuration));
        return Err(LedgerError::Foreign { path: path.to_owned(), detail, code });
    }
    Ok(())
}

impl Ledger {
    /// Opens the ledger of a terminal, and makes it if the file is not there. A file is checked from end to end.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Foreign`] for the ledger of another terminal or hall, or another kind of file, which is left as it
    /// is; [`LedgerError::Damaged`]; [`LedgerError::Unavailable`] if it cannot be opened.
    pub async fn open(settings: Settings) -> Result<Self, LedgerError> {
        let patience = Patience::new(BUSY_MAX);
        loop {
            let opened = Self::open_once(&settings).await;
            let busy =
                matches!(&opened, Err(LedgerError::Unavailable { source, .. }) if is_busy(source));
            if !busy || !patience.pause().await {
                let options = connect_options(&settings.path);
                return Ok(Self::of(settings, options, opened?));
            }
        }
    }

    fn of(settings: Settings, options: SqliteConnectOptions, connection: SqliteConnection) -> Self {
        let stream = Stream::Terminal(settings.terminal.clone());
        let subject = Subject::new(settings.hall.clone(), stream);
        Self { settings, subject, options, connection: Mutex::new(Some(connection)) }
    }

    async fn open_once(settings: &Settings) -> Result<SqliteConnection, LedgerError> {
        let path = &settings.path;
        let failed = |source| fault(path, source);
        let there = path.exists();
        let mut connection =
            connect_options(path).create_if_missing(true).connect().await.map_err(failed)?;
        if there {
            check_file(path, &mut connection).await?;
        }
        MIGRATOR.run_direct(None, &mut connection, false).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => newer(path, version),
            MigrateError::Execute(source) => failed(source),
            other => failed(sqlx::Error::Migrate(Box::new(other))),
        })?;
        let (hall, terminal) = (settings.hall.as_str(), settings.terminal.as_str());
        sqlx::query_file!(
            "queries/ledger/claim.sql",
            hall,
            terminal,
            settings.now.as_microsecond()
        )
        .execute(&mut connection)
        .await
        .map_err(failed)?;
        check_owner(settings, &mut connection).await?;
        Ok(connection)
    }

    /// The line whose events these are.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Closes the file.
    pub async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // Every event was committed, whatever this answers.
            let _ = connection.close().await;
        }
    }

    /// Runs `work` on the connection; after an error the next call opens another one.
    async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, LedgerError> {
        let failed = |source| fault(&self.settings.path, source);
        let mut place = self.connection.lock().await;
        let mut connection = match place.take() {
            Some(connection) => connection,
            // A file that has vanished must not be made anew: its numbers would begin again.
            None => self.options.connect().await.map_err(failed)?,
        };
        let done = work(&mut connection).await.map_err(failed)?;
        *place = Some(connection);
        Ok(done)
    }

    /// Records events of this terminal, all in one transaction that is on disk when this answers.
    ///
    /// Each gets the next number and the hash of the one before it. A command that was recorded before is not
    /// recorded again, and answers with its number.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]: then none of them is recorded. Of a single event, [`Refusal`] with E.104 when its command was
    /// recorded before with another content.
    pub async fn record(
        &self,
        events: &[Incoming],
        stamp: &Stamp,
    ) -> Result<Vec<Result<Recorded, Refusal>>, LedgerError> {
        self.with(async |connection| {
            let mut transaction = connection.begin_with("begin immediate").await?;
            let last = sqlx::query_file!("queries/ledger/last.sql")
                .fetch_optional(&mut *transaction)
                .await?;
            let (mut recorded, mut previous) = match last {
                Some(last) => (number(last.number), digest(&last.hash)),
                None => (0, None),
            };
            let mut answers = Vec::with_capacity(events.len());
            for event in events {
                if let Some(command) = &event.command {
                    let known = sqlx::query_file!("queries/ledger/by_command.sql", command)
                        .fetch_optional(&mut *transaction)
                        .await?;
                    if let Some(known) = known {
                        answers.push(repeated(
                            event,
                            number(known.number),
                            &known.headers,
                            &known.body,
                        ));
                        continue;
                    }
                }
                recorded += 1;
                let message = event.message(recorded, previous);
                let own = hash(&message);
                sqlx::query_file!(
                    "queries/ledger/insert.sql",
                    sql(recorded),
                    message.attributes.to_block(),
                    message.body,
                    &own.as_bytes()[..],
                    event.command,
                    stamp.wall.as_microsecond(),
                    stamp.monotonic_us,
                    stamp.boot,
                )
                .execute(&mut *transaction)
                .await?;
                previous = Some(own);
                answers.push(Ok(Recorded { number: recorded, repeated: false }));
            }
            transaction.commit().await?;
            Ok(answers)
        })
        .await
    }

    /// What [`Ledger::record`] would answer to an event whose command was recorded before; `None`: it is new.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn known(
        &self,
        event: &Incoming,
    ) -> Result<Option<Result<Recorded, Refusal>>, LedgerError> {
        let Some(command) = &event.command else { return Ok(None) };
        self.with(async |connection| {
            let known = sqlx::query_file!("queries/ledger/by_command.sql", command)
                .fetch_optional(connection)
                .await?;
            Ok(known.map(|it| repeated(event, number(it.number), &it.headers, &it.body)))
        })
        .await
    }

    /// How the terminal stands.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn standing(&self) -> Result<Standing, LedgerError> {
        self.with(async |connection| {
            let identity = sqlx::query_file!("queries/ledger/identity.sql")
                .fetch_one(&mut *connection)
                .await?;
            let last =
                sqlx::query_file!("queries/ledger/last.sql").fetch_optional(connection).await?;
            let stored = (number(identity.stored_number), number(identity.stored_position));
            let code = identity.stop_code.as_deref().and_then(Code::from_text);
            Ok(Standing {
                recorded: last.map_or(0, |it| number(it.number)),
                stored: (stored.0 > 0).then_some(stored),
                stopped: code.zip(identity.stop_number.map(number)),
            })
        })
        .await
    }

    /// What the device knows of its own clock.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn clock(&self) -> Result<ClockNotes, LedgerError> {
        self.with(async |connection| {
            let row =
                sqlx::query_file!("queries/ledger/clock.sql").fetch_optional(connection).await?;
            let Some(row) = row else { return Ok(ClockNotes::default()) };
            let contact = match (row.server, row.wall, row.monotonic, row.boot, row.uncertainty) {
                (
                    Some(server),
                    Some(wall),
                    Some(monotonic_us),
                    Some(boot),
                    Some(uncertainty_us),
                ) => {
                    let at = Stamp { wall: time(wall), monotonic_us, boot };
                    Some(Contact { server: time(server), at, uncertainty_us })
                }
                _ => None,
            };
            let jump = row.jump.zip(row.jump_number);
            let jump = jump.map(|(by_us, of)| Jump { by_us, number: number(of) });
            Ok(ClockNotes { contact, jump })
        })
        .await
    }

    /// Notes what time the journal has; jumps before that are forgotten.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn note_contact(&self, contact: &Contact) -> Result<(), LedgerError> {
        let Contact { server, at, uncertainty_us } = contact;
        self.with(async |connection| {
            sqlx::query_file!(
                "queries/ledger/contact_put.sql",
                server.as_microsecond(),
                at.wall.as_microsecond(),
                at.monotonic_us,
                at.boot,
                *uncertainty_us,
            )
            .execute(connection)
            .await?;
            Ok(())
        })
        .await
    }

    /// Notes how far the clock of the wall has jumped in all since the last contact.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn note_jump(&self, jump: Jump) -> Result<(), LedgerError> {
        self.with(async |connection| {
            sqlx::query_file!("queries/ledger/jump_put.sql", jump.by_us, sql(jump.number))
                .execute(connection)
                .await?;
            Ok(())
        })
        .await
    }

    /// When the last event was recorded.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn last_stamp(&self) -> Result<Option<Stamp>, LedgerError> {
        self.with(async |connection| {
            let row = sqlx::query_file!("queries/ledger/last_stamp.sql")
                .fetch_optional(connection)
                .await?;
            Ok(row.map(|it| Stamp {
                wall: time(it.wall),
                monotonic_us: it.monotonic,
                boot: it.boot,
            }))
        })
        .await
    }

    /// The events of a boot after `after` that say that nobody had measured the clock, at most `max`, ascending, each with
    /// what the clock that never jumps said when it was written down, in microseconds.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn unmeasured(
        &self,
        boot: &str,
        after: u64,
        max: u32,
    ) -> Result<Vec<(Entry, i64)>, LedgerError> {
        let subject = self.subject.to_string();
        self.with(async |connection| {
            let rows = sqlx::query_file!("queries/ledger/unmeasured.sql", boot, sql(after), max)
                .fetch_all(connection)
                .await?;
            let entries = rows.into_iter().map(|row| {
                let attributes = Attributes::read_block(&row.headers);
                let entry = Entry {
                    number: number(row.number),
                    message: Message { subject: subject.clone(), attributes, body: row.body },
                    wall: time(row.wall),
                    position: row.position.map(number),
                };
                (entry, row.monotonic)
            });
            Ok(entries.collect())
        })
        .await
    }

    /// The hash under a number, if the ledger has it.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn hash_of(&self, number: u64) -> Result<Option<Digest>, LedgerError> {
        self.with(async |connection| {
            let row = sqlx::query_file!("queries/ledger/hash_of.sql", sql(number))
                .fetch_optional(connection)
                .await?;
            Ok(row.and_then(|it| digest(&it.hash)))
        })
        .await
    }

    /// The events after `after` up to `upto`, at most `max`, ascending.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn entries(
        &self,
        after: u64,
        upto: u64,
        max: u32,
    ) -> Result<Vec<Entry>, LedgerError> {
        let subject = self.subject.to_string();
        self.with(async |connection| {
            let rows = sqlx::query_file!("queries/ledger/page.sql", sql(after), sql(upto), max)
                .fetch_all(connection)
                .await?;
            let entries = rows.into_iter().map(|row| Entry {
                number: number(row.number),
                message: Message {
                    subject: subject.clone(),
                    attributes: Attributes::read_block(&row.headers),
                    body: row.body,
                },
                wall: time(row.wall),
                position: row.position.map(number),
            });
            Ok(entries.collect())
        })
        .await
    }

    /// Notes that the events after `after` are in the journal, at these positions, and the last of them is its last.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn mark_stored(&self, after: u64, positions: &[u64]) -> Result<(), LedgerError> {
        let Some(last) = positions.last().copied() else { return Ok(()) };
        let upto = after + positions.len() as u64;
        let positions = serde_json::Value::from(positions).to_string();
        self.with(async |connection| {
            let mut transaction = connection.begin_with("begin immediate").await?;
            sqlx::query_file!("queries/ledger/mark_positions.sql", sql(after), positions)
                .execute(&mut *transaction)
                .await?;
            sqlx::query_file!("queries/ledger/mark.sql", sql(upto), sql(last))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        })
        .await
    }

    /// Notes how far the journal has come, in number and position; it has nothing after that.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn mark_head(&self, head: Option<(u64, u64)>) -> Result<(), LedgerError> {
        let (upto, position) = head.unwrap_or((0, 0));
        self.with(async |connection| {
            let mut transaction = connection.begin_with("begin immediate").await?;
            sqlx::query_file!("queries/ledger/forget_positions.sql", sql(upto))
                .execute(&mut *transaction)
                .await?;
            sqlx::query_file!("queries/ledger/mark_position.sql", sql(upto), sql(position))
                .execute(&mut *transaction)
                .await?;
            sqlx::query_file!("queries/ledger/mark.sql", sql(upto), sql(position))
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        })
        .await
    }

    /// Notes why nothing more is sent, and which event it is about; `None`: sending goes on.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn mark_stopped(&self, stopped: Option<(Code, u64)>) -> Result<(), LedgerError> {
        let (code, of) =
            stopped.map_or((None, None), |(code, of)| (Some(code.text()), Some(sql(of))));
        self.with(async |connection| {
            sqlx::query_file!("queries/ledger/stop.sql", code, of).execute(connection).await?;
            Ok(())
        })
        .await
    }
}

fn digest(bytes: &[u8]) -> Option<Digest> {
    Some(Digest::new(bytes.try_into().ok()?))
}

/// The answer to a command that is in the ledger already.
fn repeated(
    event: &Incoming,
    number: u64,
    headers: &str,
    body: &[u8],
) -> Result<Recorded, Refusal> {
    let first = Attributes::read_block(headers);
    // The time of a repeat may be that of the second try.
    if first.kind == event.attributes.kind && body == event.body {
        return Ok(Recorded { number, repeated: true });
    }
    let command = event.command.as_deref().unwrap_or_default();
    let detail =
        format!("幂等键 `{command}` is the key of event {number}, which has another content");
    Err(Refusal::new(Code::Fork, detail))
}
