//! The baselines of `zhoubao bench` over SQLite: plain statements on bare tables. The product does not use it.
//!
//! The same rows as the product's, without a hall in each key, without fence, rules and second indexes; the same
//! pragmas, so that both wait for the disk alike.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, QueryBuilder};
use zhoubao_application::store::StoreError;
use zhoubao_contract::Message;

use crate::read_models::PAGE_BYTES;

const TABLES: &str = "
create table checkpoint (id integer primary key, sequence integer not null) strict;
insert into checkpoint values (1, 0);
create table head (stream text primary key, number integer not null, hash text not null, position integer not null,
    recorded_at text not null) strict, without rowid;
create table tally (day integer not null, window text not null, department text not null, kind text not null,
    amount integer not null, events integer not null,
    primary key (day, window, department, kind)) strict, without rowid;
create table segment (stream text not null, segment integer not null, first_position integer not null,
    last_position integer not null, first_day integer not null, last_day integer not null, entries text not null,
    primary key (stream, segment)) strict;
create table case_file (id text primary key, accepted text, issued text, transferred integer not null,
    department text, events text not null) strict, without rowid;";

const HEADS: &str = "
insert into head select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 from jsonb_each(?1) where true
    on conflict do update set number = excluded.number, hash = excluded.hash, position = excluded.position,
        recorded_at = excluded.recorded_at";

const TALLIES: &str = "
insert into tally select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
    from jsonb_each(?1) where true
    on conflict do update set amount = amount + excluded.amount, events = events + excluded.events";

const SEGMENTS: &str = "
insert into segment select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6
    from jsonb_each(?1) where true
    on conflict do update set last_position = excluded.last_position, first_day = min(first_day, excluded.first_day),
        last_day = max(last_day, excluded.last_day), entries = entries || excluded.entries";

const CASES: &str = "
insert into case_file select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
    from jsonb_each(?1) where true
    on conflict do update set accepted = coalesce(accepted, excluded.accepted),
        issued = coalesce(issued, excluded.issued), transferred = transferred + excluded.transferred,
        department = coalesce(department, excluded.department), events = events || excluded.events";

const JOURNAL: &str = "
create table journal (sequence integer primary key, subject text not null, recorded_at integer not null,
    headers text not null, body blob not null) strict;
create index journal_by_subject on journal (subject);";

fn fault(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(Box::new(error))
}

async fn open(options: SqliteConnectOptions, path: &Path) -> Result<SqliteConnection, StoreError> {
    options
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(fault)
}

/// A page's rows: for each table a JSON array of arrays.
#[derive(Debug, Default)]
pub struct RawPage {
    /// `[stream, number, hash, position, recorded_at]`
    pub heads: String,
    /// `[day, window, department, kind, amount, events]`
    pub tallies: String,
    /// `[stream, segment, first_position, last_position, first_day, last_day, entries]`
    pub segments: String,
    /// `[id, accepted, issued, transferred, department, events]`
    pub cases: String,
}

/// Read models without promises.
#[derive(Debug)]
pub struct RawReadModels(SqliteConnection);

impl RawReadModels {
    /// Makes them in a new file.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .synchronous(SqliteSynchronous::Normal)
            .page_size(PAGE_BYTES);
        let mut connection = open(options, path).await?;
        for pragma in ["pragma cache_size = -32768", "pragma wal_autocheckpoint = 4000"] {
            connection.execute(pragma).await.map_err(fault)?;
        }
        connection.execute(TABLES).await.map_err(fault)?;
        Ok(Self(connection))
    }

    /// Writes a page and the checkpoint in one transaction.
    ///
    /// # Errors
    ///
    /// When the file does not take it.
    pub async fn commit(&mut self, sequence: u64, page: RawPage) -> Result<(), StoreError> {
        let mut transaction = self.0.begin_with("begin immediate").await.map_err(fault)?;
        let RawPage { heads, tallies, segments, cases } = page;
        let statements = [(HEADS, heads), (TALLIES, tallies), (SEGMENTS, segments), (CASES, cases)];
        for (statement, rows) in statements {
            let query = sqlx::query(statement).bind(rows);
            query.execute(&mut *transaction).await.map_err(fault)?;
        }
        let moved = sqlx::query("update checkpoint set sequence = ?1").bind(sequence.cast_signed());
        moved.execute(&mut *transaction).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    /// How many sums there are, and what they add up to: amounts and events.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub async fn sums(&mut self) -> Result<(i64, i64, i64), StoreError> {
        let query = "select count(*), sum(amount), sum(events) from tally";
        sqlx::query_as(query).fetch_one(&mut self.0).await.map_err(fault)
    }
}

/// A journal without promises.
#[derive(Debug)]
pub struct RawJournal {
    connection: SqliteConnection,
    last: i64,
}

impl RawJournal {
    /// Makes it in a new file, with an fsync at each commit.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub async fn create(path: &Path) -> Result<Self, StoreError> {
        let mut connection =
            open(SqliteConnectOptions::new().synchronous(SqliteSynchronous::Full), path).await?;
        connection.execute(JOURNAL).await.map_err(fault)?;
        Ok(Self { connection, last: 0 })
    }

    /// Stores all messages with one statement of many rows, in one transaction.
    ///
    /// # Errors
    ///
    /// When the file does not take them.
    pub async fn append(&mut self, messages: &[Message], now: i64) -> Result<(), StoreError> {
        let mut insert = QueryBuilder::new(
            "insert into journal (sequence, subject, recorded_at, headers, body) ",
        );
        insert.push_values((self.last + 1..).zip(messages), |mut row, (sequence, message)| {
            row.push_bind(sequence)
                .push_bind(message.subject.as_str())
                .push_bind(now)
                .push_bind(message.attributes.to_block())
                .push_bind(message.body.as_slice());
        });
        insert.build().execute(&mut self.connection).await.map_err(fault)?;
        self.last += i64::try_from(messages.len()).unwrap_or(0);
        Ok(())
    }
}
