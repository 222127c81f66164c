//! Connections, schemas, and what is demanded of the server.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use zhoubao_application::store::{StoreError, TABLES};

use crate::fault::{Silent, store_error, unavailable};

/// Schema of the live read models, where nothing else is configured.
pub const SCHEMA: &str = "zhoubao";

/// Oldest server: `merge`, and statistics that do not get lost in a crash, came with it.
const VERSION_MIN: i32 = 150_000;

/// Connections of one process: a projector writes with one at a time, the others are for readers.
const CONNECTIONS_MAX: u32 = 8;

/// Longest wait for a connection of the pool; a caller retries with a pause of its own.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest that any call takes, longer than the server's own limit for a statement (60 s). A server that has vanished
/// without closing its connections is noticed by this only.
const PATIENCE: Duration = Duration::from_secs(90);

/// Longest wait for the answer of a connection that goes back to the pool.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of every session. A schema that is swapped in is waited for `lock_timeout`; statements of a rebuild's
/// pages take well under a second, those of a year's snapshot a few.
const SESSION: [(&str, &str); 6] = [
    ("synchronous_commit", "on"),
    ("lock_timeout", "3s"),
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("TimeZone", "UTC"),
    // Plans here are index scans; compiling one that looks dear takes longer than running it.
    ("jit", "off"),
];

/// Settings of the session that migrates: another process may be at it, and takes as long as it takes.
const MIGRATION_SESSION: [(&str, &str); 2] = [("lock_timeout", "60s"), ("statement_timeout", "0")];

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Where the read models are, and how they are reached.
#[derive(Clone)]
pub struct Settings {
    url: String,
    schema: String,
    accept_loss: bool,
    patience: Duration,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("Settings")
            .field("schema", &self.schema)
            .field("accept_loss", &self.accept_loss)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The live read models of a database, `postgres://user:password@host/database`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            schema: SCHEMA.to_owned(),
            accept_loss: false,
            patience: PATIENCE,
        }
    }

    /// Another schema: a copy that is being rebuilt.
    #[must_use]
    pub fn schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.schema);
        self
    }

    /// Takes a server that may lose or damage what it has confirmed, and only warns of it.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }

    /// Longest that any call takes before it is given up as unavailable.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// Why the read models cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address or the schema's name is not one.
    #[error("{0} (E.780)")]
    Configuration(String),
    /// The server is older than PostgreSQL 15.
    #[error("the server is PostgreSQL {found}, needed is 15 or later (E.780)")]
    TooOld {
        /// Its major version.
        found: i32,
    },
    /// A power cut or crash would damage the database unnoticed.
    #[error(
        "the server runs with `{setting} = off`: a power cut may damage the read models unnoticed; set \
         `{setting} = on` in postgresql.conf and restart it, or accept the loss in so many words (E.780)"
    )]
    Unsafe {
        /// The setting that is off.
        setting: &'static str,
    },
    /// The tables were made or changed by another version of this program, or from outside.
    #[error(
        "the tables in schema `{schema}` are not this version's; rebuild the read models (E.780)"
    )]
    Tables {
        /// The schema.
        schema: String,
        /// What differs.
        #[source]
        source: Box<MigrateError>,
    },
    /// The server does not answer. Try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why one copy of the read models does not take the place of another. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// The new copy lacks a hall, or is behind in it. Fold on and try again.
    #[error("hall {hall} is at {new} in the new copy and at {live} in the live one")]
    Behind {
        /// The hall.
        hall: String,
        /// Sequence of the new copy's checkpoint, 0 for none.
        new: i64,
        /// Sequence of the live copy's checkpoint.
        live: i64,
    },
    /// The new copy is not there.
    #[error("there is no schema `{0}`")]
    Missing(String),
    /// A name is not one of a schema.
    #[error("{0} (E.780)")]
    Configuration(String),
    /// The server does not answer, or a reader kept it busy too long. Try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The read models in one schema of a PostgreSQL database.
///
/// Clones share one pool of connections. Lost connections are made anew by the next call.
#[derive(Debug, Clone)]
pub struct PostgresReadModels {
    pub(crate) pool: PgPool,
    pub(crate) patience: Duration,
}

impl PostgresReadModels {
    /// Connects to the read models in `schema`, and makes or updates their tables.
    ///
    /// # Errors
    ///
    /// When the server does not answer, is too old or unsafe, or the tables are of another version.
    pub async fn connect(url: &str, schema: &str) -> Result<Self, ConnectError> {
        Self::connect_with(&Settings::new(url).schema(schema)).await
    }

    /// The same with more settings.
    ///
    /// # Errors
    ///
    /// As [`PostgresReadModels::connect`].
    #[tracing::instrument(name = "store.connect", skip_all, fields(store.schema = settings.schema))]
    pub async fn connect_with(settings: &Settings) -> Result<Self, ConnectError> {
        let schema = &settings.schema;
        check_schema(schema).map_err(ConnectError::Configuration)?;
        // The parser looks at everything but this.
        if !settings.url.starts_with("postgres://") && !settings.url.starts_with("postgresql://") {
            let expected = "the store's address is not of the form postgres://user@host/database";
            return Err(ConnectError::Configuration(expected.to_owned()));
        }
        let options = PgConnectOptions::from_str(&settings.url)
            .map_err(|error| ConnectError::Configuration(error.to_string()))?
            .application_name("zhoubao")
            .options(SESSION)
            .options([("search_path", schema.as_str())]);
        let migrating = options.clone().options(MIGRATION_SESSION);
        tokio::time::timeout(settings.patience, prepare(&migrating, settings))
            .await
            .map_err(|_| unavailable(Silent(settings.patience)))??;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_release(|connection, _| {
                Box::pin(async move {
                    // A silent server must not keep the connection's place in the pool.
                    let answered = tokio::time::timeout(RELEASE_TIMEOUT, connection.ping()).await;
                    Ok(matches!(answered, Ok(Ok(()))))
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, patience: settings.patience })
    }

    /// Drops a copy of the read models with everything in it; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or the copy is in use.
    pub async fn drop_schema(&self, schema: &str) -> Result<(), SwapError> {
        check_schema(schema).map_err(SwapError::Configuration)?;
        let statement = AssertSqlSafe(format!("drop schema if exists \"{schema}\" cascade"));
        self.pool.execute(statement).await.map_err(store_error)?;
        Ok(())
    }

    /// Puts the copy in schema `new` in the place of the one in `live`, which is afterwards found under `new`.
    ///
    /// Readers see one copy or the other, whole. Every claim on either copy is fenced, so a projector claims anew and
    /// goes on where the new copy is. Where there is no `live` yet, `new` is only renamed.
    ///
    /// # Errors
    ///
    /// When the new copy lacks a hall of the live one or is behind it on the same journal: nobody sees figures go
    /// back. To put an older copy in place all the same, drop the live one first.
    #[tracing::instrument(name = "store.swap", skip(self), err(level = "debug"))]
    pub async fn swap(&self, new: &str, live: &str) -> Result<(), SwapError> {
        for schema in [new, live] {
            check_schema(schema).map_err(SwapError::Configuration)?;
        }
        let mut transaction = self.pool.begin().await.map_err(store_error)?;
        let there: Vec<String> = sqlx::query_scalar(
            "select nspname::text from pg_namespace where nspname = any($1::text[])",
        )
        .bind([new, live])
        .fetch_all(&mut *transaction)
        .await
        .map_err(store_error)?;
        if !there.iter().any(|it| it == new) {
            return Err(SwapError::Missing(new.to_owned()));
        }
        if there.iter().any(|it| it == live) {
            exchange(&mut transaction, new, live).await?;
        } else {
            rename(&mut transaction, new, live).await?;
        }
        transaction.commit().await.map_err(store_error)?;
        tracing::info!(store.schema = live, "a rebuilt copy of the read models is live");
        Ok(())
    }

    /// Closes all connections; calls fail as unavailable from now on.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Waits for a call, but not for ever.
    pub(crate) async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.patience, call)
            .await
            .unwrap_or_else(|_| Err(unavailable(Silent(self.patience))))
    }
}

async fn exchange(connection: &mut PgConnection, new: &str, live: &str) -> Result<(), SwapError> {
    // The checkpoint first, as every other transaction does, so that nobody waits for each other in a circle.
    for schema in [live, new] {
        let tables: Vec<_> = TABLES.iter().map(|table| format!("\"{schema}\".{table}")).collect();
        let statement = format!("lock table {} in access exclusive mode", tables.join(", "));
        connection.execute(AssertSqlSafe(statement)).await.map_err(store_error)?;
    }
    let behind: Option<(String, i64, i64)> = sqlx::query_as(AssertSqlSafe(format!(
        "select lpad(live.hall::text, 6, '0'), coalesce(new.sequence, 0), live.sequence
           from \"{live}\".checkpoint as live
           left join \"{new}\".checkpoint as new on new.hall = live.hall and new.incarnation is not null
          where live.incarnation is not null
            and (new.hall is null or (new.incarnation = live.incarnation and new.sequence < live.sequence))
          order by live.hall
          limit 1"
    )))
    .fetch_optional(&mut *connection)
    .await
    .map_err(store_error)?;
    if let Some((hall, new, live)) = behind {
        return Err(SwapError::Behind { hall, new, live });
    }
    // Halls that only one copy knows as claimed are in both afterwards, or an old claim would be good again.
    connection
        .execute(AssertSqlSafe(format!(
            "insert into \"{new}\".checkpoint (hall, epoch) select hall, epoch from \"{live}\".checkpoint
                 on conflict (hall) do update set epoch = greatest(checkpoint.epoch, excluded.epoch);
             update \"{new}\".checkpoint set epoch = epoch + 1;
             insert into \"{live}\".checkpoint (hall, epoch) select hall, epoch from \"{new}\".checkpoint
                 on conflict (hall) do update set epoch = excluded.epoch"
        )))
        .await
        .map_err(store_error)?;
    let aside = format!("{live}_aside");
    rename(connection, live, &aside).await?;
    rename(connection, new, live).await?;
    rename(connection, &aside, new).await
}

async fn rename(connection: &mut PgConnection, from: &str, to: &str) -> Result<(), SwapError> {
    let statement = AssertSqlSafe(format!("alter schema \"{from}\" rename to \"{to}\""));
    connection.execute(statement).await.map_err(store_error)?;
    Ok(())
}

/// Checks the server, and makes schema and tables.
async fn prepare(options: &PgConnectOptions, settings: &Settings) -> Result<(), ConnectError> {
    let mut connection = options.connect().await.map_err(connect_error)?;
    check_server(&mut connection, settings.accept_loss).await?;
    let schema = &settings.schema;
    // Asked first, because whoever may only use an existing schema may not say `create schema if not exists`.
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_namespace where nspname = $1)")
            .bind(schema)
            .fetch_one(&mut connection)
            .await
            .map_err(store_error)?;
    if !there {
        let statement = AssertSqlSafe(format!("create schema if not exists \"{schema}\""));
        let made = connection.execute(statement).await;
        // Two processes that start together may both try; PostgreSQL reports the loser as a broken constraint.
        if let Err(error) = made
            && !error.as_database_error().is_some_and(|it| it.is_unique_violation())
        {
            return Err(store_error(error).into());
        }
    }
    MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            ConnectError::Store(store_error(error))
        }
        other => ConnectError::Tables { schema: schema.clone(), source: Box::new(other) },
    })?;
    connection.close().await.map_err(store_error)?;
    Ok(())
}

async fn check_server(
    connection: &mut PgConnection,
    accept_loss: bool,
) -> Result<(), ConnectError> {
    let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int")
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
    if version < VERSION_MIN {
        return Err(ConnectError::TooOld { found: version / 10_000 });
    }
    let server =
        sqlx::query_file!("queries/server.sql").fetch_one(connection).await.map_err(store_error)?;
    for (on, setting) in [(server.fsync, "fsync"), (server.full_page_writes, "full_page_writes")] {
        if on {
            continue;
        }
        if !accept_loss {
            return Err(ConnectError::Unsafe { setting });
        }
        tracing::warn!(
            server.setting = setting,
            "the server may damage the read models in a power cut; this was accepted",
        );
    }
    if !server.data_checksums {
        tracing::info!("the server keeps no data checksums; damaged blocks may go unnoticed");
    }
    Ok(())
}

/// An address that cannot be right is told apart from a server that does not answer.
fn connect_error(error: sqlx::Error) -> ConnectError {
    let refused = match &error {
        sqlx::Error::Configuration(_) => true,
        // Invalid authorization, invalid database.
        sqlx::Error::Database(it) => {
            it.code().is_some_and(|code| code.starts_with("28") || code.starts_with("3D"))
        }
        _ => false,
    };
    if refused {
        ConnectError::Configuration(error.to_string())
    } else {
        ConnectError::Store(store_error(error))
    }
}

/// Names are put into statements, so they are plain: nothing to quote.
fn check_schema(schema: &str) -> Result<(), String> {
    // PostgreSQL cuts names at 63 bytes; `_aside` is appended during a swap.
    let fits = (1..=56).contains(&schema.len())
        && schema.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
        && !schema.as_bytes()[0].is_ascii_digit()
        && !schema.starts_with("pg_");
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{schema}` is not a schema's name, expected 1 to 56 of a-z, 0-9 and _, no digit first"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::check_schema;

    #[test]
    fn a_schema_has_a_plain_name() {
        for good in ["zhoubao", "zhoubao_rebuild", "_2"] {
            assert_eq!(check_schema(good), Ok(()), "{good}");
        }
        for bad in ["", "Zhoubao", "2", "a b", "a\"b", "pg_x", "周报", "a;drop"] {
            assert!(check_schema(bad).is_err(), "{bad}");
        }
    }
}
