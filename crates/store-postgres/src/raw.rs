//! The baseline of `zhoubao bench rebuild` over PostgreSQL: plain statements on bare tables. The product does not use
//! it.
//!
//! The same rows as the product's, without a hall in each key, without fence and rules; the same room in the blocks
//! and the same compression, so that neither has an advantage there.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use zhoubao_application::store::StoreError;

use crate::fault::store_error;

const TABLES: &str = r#"
create table checkpoint (id integer primary key, sequence bigint not null) with (fillfactor = 20);
insert into checkpoint values (1, 0);
create table head (stream text collate "C" primary key, number bigint not null, hash text not null,
    position bigint not null, recorded_at text not null) with (fillfactor = 20);
create table tally (day date not null, window_id text collate "C" not null, department text collate "C" not null,
    kind text collate "C" not null, amount bigint not null, events bigint not null,
    primary key (day, window_id, department, kind)) with (fillfactor = 70);
create table segment (stream text collate "C" not null, segment bigint not null, first_position bigint not null,
    last_position bigint not null, first_day date not null, last_day date not null, entries text not null,
    primary key (stream, segment)) with (fillfactor = 50);
create table case_file (id text collate "C" primary key, accepted text, issued text, transferred bigint not null,
    department text, events text not null) with (fillfactor = 70);"#;

const HEADS: &str = "
insert into head select * from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[])
    on conflict (stream) do update set number = excluded.number, hash = excluded.hash, position = excluded.position,
        recorded_at = excluded.recorded_at";

const TALLIES: &str = "
insert into tally
select date '1970-01-01' + it.day, window_id, department, kind, amount, events
  from unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
       as it (day, window_id, department, kind, amount, events)
    on conflict (day, window_id, department, kind) do update
   set amount = tally.amount + excluded.amount, events = tally.events + excluded.events";

const SEGMENTS: &str = "
insert into segment
select stream, segment, first_position, last_position, date '1970-01-01' + it.first_day,
       date '1970-01-01' + it.last_day, entries
  from unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::int[], $6::int[], $7::text[])
       as it (stream, segment, first_position, last_position, first_day, last_day, entries)
    on conflict (stream, segment) do update
   set last_position = excluded.last_position, first_day = least(segment.first_day, excluded.first_day),
       last_day = greatest(segment.last_day, excluded.last_day), entries = segment.entries || excluded.entries";

const CASES: &str = "
insert into case_file select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])
    on conflict (id) do update
   set accepted = coalesce(case_file.accepted, excluded.accepted),
       issued = coalesce(case_file.issued, excluded.issued),
       transferred = case_file.transferred + excluded.transferred,
       department = coalesce(case_file.department, excluded.department),
       events = case_file.events || excluded.events";

/// Columns of the lines.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the column of its name")]
pub struct Heads {
    pub streams: Vec<String>,
    pub numbers: Vec<i64>,
    pub hashes: Vec<String>,
    pub positions: Vec<i64>,
    pub recorded_at: Vec<String>,
}

/// Columns of the sums; days since 1970.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the column of its name")]
pub struct Tallies {
    pub days: Vec<i32>,
    pub windows: Vec<String>,
    pub departments: Vec<String>,
    pub kinds: Vec<String>,
    pub amounts: Vec<i64>,
    pub events: Vec<i64>,
}

/// Columns of the record; days since 1970.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the column of its name")]
pub struct Segments {
    pub streams: Vec<String>,
    pub segments: Vec<i64>,
    pub first_positions: Vec<i64>,
    pub last_positions: Vec<i64>,
    pub first_days: Vec<i32>,
    pub last_days: Vec<i32>,
    pub entries: Vec<String>,
}

/// Columns of the cases.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the column of its name")]
pub struct Cases {
    pub ids: Vec<String>,
    pub accepted: Vec<Option<String>>,
    pub issued: Vec<Option<String>>,
    pub transferred: Vec<i64>,
    pub departments: Vec<Option<String>>,
    pub events: Vec<String>,
}

/// A page's rows as columns.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the table of its name")]
pub struct RawPage {
    pub heads: Heads,
    pub tallies: Tallies,
    pub segments: Segments,
    pub cases: Cases,
}

/// Read models without promises.
#[derive(Debug)]
pub struct RawReadModels(PgConnection);

impl RawReadModels {
    /// Makes them in a schema of a benchmark; what is there is dropped.
    ///
    /// # Errors
    ///
    /// When the server does not answer or refuses.
    pub async fn create(url: &str, schema: &'static str) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse().map_err(store_error)?;
        let options = options.options([("search_path", schema), ("jit", "off")]);
        let mut connection = options.connect().await.map_err(store_error)?;
        let fresh = format!("drop schema if exists {schema} cascade; create schema {schema}");
        connection.execute(AssertSqlSafe(fresh)).await.map_err(store_error)?;
        connection.execute(TABLES).await.map_err(store_error)?;
        let lz4 =
            connection.execute("alter table segment alter column entries set compression lz4");
        if lz4.await.is_err() {
            // A server built without it.
            let plain = "alter table segment alter column entries set storage external";
            connection.execute(plain).await.map_err(store_error)?;
        }
        Ok(Self(connection))
    }

    /// Writes a page and the checkpoint in one transaction.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn commit(&mut self, sequence: u64, page: RawPage) -> Result<(), StoreError> {
        let mut transaction = self.0.begin().await.map_err(store_error)?;
        let RawPage { heads: h, tallies: t, segments: s, cases: c } = page;
        let heads = sqlx::query(HEADS)
            .bind(h.streams)
            .bind(h.numbers)
            .bind(h.hashes)
            .bind(h.positions)
            .bind(h.recorded_at);
        let tallies = sqlx::query(TALLIES)
            .bind(t.days)
            .bind(t.windows)
            .bind(t.departments)
            .bind(t.kinds)
            .bind(t.amounts)
            .bind(t.events);
        let segments = sqlx::query(SEGMENTS)
            .bind(s.streams)
            .bind(s.segments)
            .bind(s.first_positions)
            .bind(s.last_positions)
            .bind(s.first_days)
            .bind(s.last_days)
            .bind(s.entries);
        let cases = sqlx::query(CASES)
            .bind(c.ids)
            .bind(c.accepted)
            .bind(c.issued)
            .bind(c.transferred)
            .bind(c.departments)
            .bind(c.events);
        let moved = sqlx::query("update checkpoint set sequence = $1").bind(sequence.cast_signed());
        for statement in [heads, tallies, segments, cases, moved] {
            statement.execute(&mut *transaction).await.map_err(store_error)?;
        }
        transaction.commit().await.map_err(store_error)
    }

    /// How many sums there are, and what they add up to: amounts and events.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn sums(&mut self) -> Result<(i64, i64, i64), StoreError> {
        let query = "select count(*), sum(amount)::bigint, sum(events)::bigint from tally";
        sqlx::query_as(query).fetch_one(&mut self.0).await.map_err(store_error)
    }
}
