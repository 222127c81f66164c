//! Reading rows back.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;
use zhoubao_application::store::{Snapshot, SnapshotQuery, StoreError};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Kind, Tally};
use zhoubao_domain::figure::{
    Adjustment, Cause, Figure, FigureKey, Figures, Partition, Span, TallyCell, TallyValue,
};
use zhoubao_domain::id::{CaseId, ObjectId, Stream};
use zhoubao_projections::rows::{
    CaseRow, Checkpoint, Counts, DayCloseRow, ExceptionRow, FactRow, Head, SegmentRow, Standing,
};

use super::array::Rows;
use super::convert::{self, day_number};
use super::fault::fault;

pub(super) async fn checkpoint(
    connection: &mut SqliteConnection,
    hall: i64,
) -> Result<Option<Checkpoint>, StoreError> {
    let row = sqlx::query_file!("queries/read/checkpoint.sql", hall)
        .fetch_optional(connection)
        .await
        .map_err(fault)?;
    row.map(|row| {
        Ok(Checkpoint {
            incarnation: row.incarnation,
            sequence: row.sequence.cast_unsigned(),
            hash: convert::digest("checkpoint.hash", &row.hash)?,
            counts: Counts {
                stored: row.stored.cast_unsigned(),
                counted: row.counted.cast_unsigned(),
                flagged: row.flagged.cast_unsigned(),
                quarantined: row.quarantined.cast_unsigned(),
                held: row.held.cast_unsigned(),
                repeated: row.repeated.cast_unsigned(),
            },
        })
    })
    .transpose()
}

/// Columns of a fact.
struct Fact {
    position: i64,
    stream: String,
    number: i64,
    kind: String,
    occurred_at: String,
    recorded_at: String,
    actor: Option<String>,
    command: Option<String>,
    counted: i64,
    digest: Vec<u8>,
    body: String,
}

fn fact(row: Fact) -> Result<FactRow, StoreError> {
    Ok(FactRow {
        position: row.position.cast_unsigned(),
        stream: convert::parse("fact.stream", &row.stream)?,
        number: row.number.cast_unsigned(),
        kind: row.kind,
        occurred_at: convert::instant("fact.occurred_at", &row.occurred_at)?,
        recorded_at: convert::instant("fact.recorded_at", &row.recorded_at)?,
        actor: row.actor,
        command: row.command,
        counted: row.counted != 0,
        digest: convert::digest("fact.digest", &row.digest)?,
        body: row.body,
    })
}

pub(super) async fn facts_of_seed(
    connection: &mut SqliteConnection,
    hall: i64,
) -> Result<Vec<FactRow>, StoreError> {
    let rows = sqlx::query_file_as!(Fact, "queries/read/facts_of_seed.sql", hall)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter().map(fact).collect()
}

async fn facts(connection: &mut SqliteConnection, hall: i64) -> Result<Vec<FactRow>, StoreError> {
    let rows = sqlx::query_file_as!(Fact, "queries/read/facts.sql", hall)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter().map(fact).collect()
}

pub(super) async fn heads(
    connection: &mut SqliteConnection,
    hall: i64,
    prefix: &str,
) -> Result<Vec<(Stream, Head)>, StoreError> {
    let rows = sqlx::query_file!("queries/read/heads.sql", hall, prefix)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter()
        .map(|row| {
            let head = Head {
                number: row.number.cast_unsigned(),
                hash: convert::digest("head.hash", &row.hash)?,
                position: row.position.cast_unsigned(),
                recorded_at: convert::instant("head.recorded_at", &row.recorded_at)?,
            };
            Ok((convert::parse("head.stream", &row.stream)?, head))
        })
        .collect()
}

/// Everything that the query asks for, as of one moment if the connection is in a transaction.
pub(super) async fn snapshot(
    connection: &mut SqliteConnection,
    hall: i64,
    query: &SnapshotQuery,
) -> Result<Snapshot, StoreError> {
    let (first, last) = (day_number(query.first), day_number(query.last));
    Ok(Snapshot {
        checkpoint: checkpoint(&mut *connection, hall).await?,
        cells: tallies(&mut *connection, hall, first, last).await?,
        segments: segments(&mut *connection, hall, query).await?,
        figures: figures(&mut *connection, hall, &query.issues).await?,
        adjustments: match query.adjustments_after {
            Some(position) => adjustments(&mut *connection, hall, position).await?,
            None => Vec::new(),
        },
        day_closes: day_closes(&mut *connection, hall, first, last).await?,
        facts: if query.facts { facts(&mut *connection, hall).await? } else { Vec::new() },
    })
}

fn kind(column: &str, text: &str) -> Result<Kind, StoreError> {
    convert::word(column, text, Kind::from_word)
}

async fn tallies(
    connection: &mut SqliteConnection,
    hall: i64,
    first: i64,
    last: i64,
) -> Result<BTreeMap<TallyCell, TallyValue>, StoreError> {
    let rows = sqlx::query_file!("queries/read/tallies.sql", hall, first, last)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter()
        .map(|row| {
            let cell = TallyCell {
                day: convert::day(row.day)?,
                window: row.window,
                department: row.department,
                kind: kind("tally.kind", &row.kind)?,
            };
            Ok((cell, TallyValue { amount: row.amount, events: row.events }))
        })
        .collect()
}

async fn segments(
    connection: &mut SqliteConnection,
    hall: i64,
    query: &SnapshotQuery,
) -> Result<Vec<SegmentRow>, StoreError> {
    if !query.segments && query.after.is_none() {
        return Ok(Vec::new());
    }
    let (first, last) = if query.segments {
        (day_number(query.first), day_number(query.last))
    } else {
        (i64::MAX, i64::MIN)
    };
    let after = query.after.map_or(i64::MAX, u64::cast_signed);
    let rows = sqlx::query_file!("queries/read/segments.sql", hall, first, last, after)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    let mut rows = rows
        .into_iter()
        .map(|row| {
            Ok(SegmentRow {
                stream: row.stream,
                segment: row.segment.cast_unsigned(),
                first_position: row.first_position.cast_unsigned(),
                last_position: row.last_position.cast_unsigned(),
                first_day: convert::day(row.first_day)?,
                last_day: convert::day(row.last_day)?,
                entries: row.entries,
            })
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    rows.sort_unstable_by(|a, b| (&a.stream, a.segment).cmp(&(&b.stream, b.segment)));
    Ok(rows)
}

async fn figures(
    connection: &mut SqliteConnection,
    hall: i64,
    issues: &[ObjectId],
) -> Result<BTreeMap<ObjectId, Figures>, StoreError> {
    let mut figures: BTreeMap<ObjectId, Figures> = BTreeMap::new();
    if issues.is_empty() {
        return Ok(figures);
    }
    let issues = serde_json::Value::from_iter(issues.iter().map(ObjectId::as_str)).to_string();
    let rows = sqlx::query_file!("queries/read/figures.sql", hall, issues)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    for row in rows {
        let issue = convert::parse("figure.issue", &row.issue)?;
        let key = FigureKey {
            definition: row.definition,
            span: convert::word("figure.span", &row.span, Span::from_word)?,
            partition: convert::word("figure.partition", &row.partition, Partition::from_word)?,
            part: row.part,
        };
        let figure = Figure { amount: row.amount, events: row.events };
        figures.entry(issue).or_default().insert(key, figure);
    }
    Ok(figures)
}

async fn adjustments(
    connection: &mut SqliteConnection,
    hall: i64,
    after: u64,
) -> Result<Vec<Adjustment>, StoreError> {
    let rows = sqlx::query_file!("queries/read/adjustments.sql", hall, after.cast_signed())
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter()
        .map(|row| {
            Ok(Adjustment {
                position: row.position.cast_unsigned(),
                day: convert::day(row.day)?,
                kind: kind("adjustment.kind", &row.kind)?,
                amount: row.amount,
                events: row.events,
                cause: convert::word("adjustment.cause", &row.cause, Cause::from_word)?,
            })
        })
        .collect()
}

async fn day_closes(
    connection: &mut SqliteConnection,
    hall: i64,
    first: i64,
    last: i64,
) -> Result<Vec<DayCloseRow>, StoreError> {
    let rows = sqlx::query_file!("queries/read/day_closes.sql", hall, first, last)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter()
        .map(|row| {
            Ok(DayCloseRow {
                window: convert::parse("day_close.window", &row.window)?,
                day: convert::day(row.day)?,
                tally: Tally {
                    consulted: row.consulted,
                    accepted: row.accepted,
                    issued: row.issued,
                    transferred: row.transferred,
                },
                position: row.position.cast_unsigned(),
            })
        })
        .collect()
}

pub(super) async fn exceptions(
    connection: &mut SqliteConnection,
    hall: i64,
    open: bool,
) -> Result<Vec<ExceptionRow>, StoreError> {
    let rows = sqlx::query_file_as!(ExceptionText, "queries/read/exceptions.sql", hall, open)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter().map(ExceptionText::read).collect()
}

pub(super) async fn exceptions_of(
    connection: &mut SqliteConnection,
    hall: i64,
    asked: &[(Stream, u64)],
) -> Result<Vec<ExceptionRow>, StoreError> {
    let mut numbers = Rows::default();
    for (stream, number) in asked {
        numbers.row(|row| {
            row.id(stream).number(*number);
        });
    }
    let numbers = numbers.into_json();
    let rows = sqlx::query_file_as!(
        ExceptionText,
        "queries/read/exceptions_of_numbers.sql",
        hall,
        numbers
    )
    .fetch_all(connection)
    .await
    .map_err(fault)?;
    rows.into_iter().map(ExceptionText::read).collect()
}

pub(super) async fn open_exceptions_of(
    connection: &mut SqliteConnection,
    hall: i64,
    line: &Stream,
) -> Result<Vec<ExceptionRow>, StoreError> {
    let line = line.to_string();
    let rows =
        sqlx::query_file_as!(ExceptionText, "queries/read/exceptions_of_line.sql", hall, line)
            .fetch_all(connection)
            .await
            .map_err(fault)?;
    rows.into_iter().map(ExceptionText::read).collect()
}

/// A row of the table of exceptions.
struct ExceptionText {
    position: i64,
    stream: String,
    number: i64,
    standing: String,
    code: String,
    detail: String,
    settled: Option<i64>,
}

impl ExceptionText {
    fn read(self) -> Result<ExceptionRow, StoreError> {
        Ok(ExceptionRow {
            position: self.position.cast_unsigned(),
            stream: self.stream,
            number: self.number.cast_unsigned(),
            standing: convert::word("exception.standing", &self.standing, Standing::from_word)?,
            code: convert::word("exception.code", &self.code, Code::from_text)?,
            detail: self.detail,
            settled: self.settled.map(i64::cast_unsigned),
        })
    }
}

pub(super) async fn case(
    connection: &mut SqliteConnection,
    hall: i64,
    id: &CaseId,
) -> Result<Option<CaseRow>, StoreError> {
    let row = sqlx::query_file!("queries/read/case.sql", hall, id.as_str())
        .fetch_optional(connection)
        .await
        .map_err(fault)?;
    row.map(|row| {
        let case = convert::case(row.accepted, row.issued, row.transferred, row.department)?;
        Ok(CaseRow { id: id.clone(), case, events: row.events })
    })
    .transpose()
}

pub(super) async fn command(
    connection: &mut SqliteConnection,
    hall: i64,
    key: &str,
) -> Result<Option<u64>, StoreError> {
    let row = sqlx::query_file!("queries/read/command.sql", hall, key)
        .fetch_one(connection)
        .await
        .map_err(fault)?;
    Ok(row.position.map(i64::cast_unsigned))
}
