//! The port: what is asked, and rows back into values of the domain.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use sqlx::{PgConnection, Postgres, Transaction};
use zhoubao_application::store::{
    Commit, Epoch, Page, ReadModels, Seed, Snapshot, SnapshotQuery, StoreError,
};
use zhoubao_domain::case::Case;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Kind, Tally};
use zhoubao_domain::figure::{
    Adjustment, Cause, Figure, FigureKey, Figures, Partition, Span, TallyCell, TallyValue,
};
use zhoubao_domain::id::{CaseId, EventRef, HallCode, ObjectId, Stream};
use zhoubao_projections::entry::Entry;
use zhoubao_projections::rows::{
    CaseRow, Changes, Checkpoint, Counts, DayCloseRow, ExceptionRow, FactRow, Found, Head, Needs,
    Original, SEGMENT_NUMBERS, SegmentRow, Standing,
};

use crate::connection::PostgresReadModels;
use crate::convert::{big, count, damaged, day, days, digest, hall_number, parsed, worded};
use crate::fault::store_error;

/// What a page changes, and where to write it.
struct PostgresPage {
    hall: HallCode,
    changes: Changes,
    store: PostgresReadModels,
}

#[async_trait]
impl Page for PostgresPage {
    #[tracing::instrument(
        name = "store.commit",
        skip_all,
        fields(hall = %self.hall, log.position = commit.to.sequence),
        err(level = "debug"),
    )]
    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        self.store
            .within(crate::commit::commit(&self.store, &self.hall, &self.changes, commit))
            .await
    }
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
            position: count(self.position),
            stream: self.stream,
            number: count(self.number),
            standing: worded(Standing::from_word, &self.standing, "standing")?,
            code: worded(Code::from_text, &self.code, "code")?,
            detail: self.detail,
            settled: self.settled.map(count),
        })
    }
}

#[async_trait]
impl ReadModels for PostgresReadModels {
    async fn claim(&self, hall: &HallCode) -> Result<Epoch, StoreError> {
        self.within(async {
            let row = sqlx::query_file!("queries/claim.sql", hall_number(hall))
                .fetch_one(&self.pool)
                .await
                .map_err(store_error)?;
            Ok(Epoch(row.epoch))
        })
        .await
    }

    async fn seed(&self, hall: &HallCode) -> Result<Seed, StoreError> {
        self.within(async {
            let mut view = self.view().await?;
            Ok(Seed {
                checkpoint: checkpoint(&mut view, hall).await?,
                facts: facts_of_seed(&mut view, hall).await?,
                heads: heads(&mut view, hall, "").await?,
            })
        })
        .await
    }

    async fn lookup(&self, hall: &HallCode, needs: &Needs) -> Result<Found, StoreError> {
        self.within(async {
            let mut found = Found::default();
            if needs.cases.is_empty() && needs.originals.is_empty() {
                return Ok(found);
            }
            let mut view = self.view().await?;
            found.cases = cases(&mut view, hall, &needs.cases).await?;
            found.originals = originals(&mut view, hall, &needs.originals).await?;
            Ok(found)
        })
        .await
    }

    async fn positions(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<Option<u64>>, StoreError> {
        self.within(async {
            if events.is_empty() {
                return Ok(Vec::new());
            }
            let mut view = self.view().await?;
            positions(&mut view, hall, events).await
        })
        .await
    }

    fn prepare(&self, hall: &HallCode, changes: Changes) -> Box<dyn Page> {
        Box::new(PostgresPage { hall: hall.clone(), changes, store: self.clone() })
    }

    async fn checkpoint(&self, hall: &HallCode) -> Result<Option<Checkpoint>, StoreError> {
        self.within(async {
            let mut connection = self.pool.acquire().await.map_err(store_error)?;
            checkpoint(&mut connection, hall).await
        })
        .await
    }

    async fn snapshot(
        &self,
        hall: &HallCode,
        query: &SnapshotQuery,
    ) -> Result<Snapshot, StoreError> {
        self.within(async {
            let mut view = self.view().await?;
            let segments = if query.segments || query.after.is_some() {
                segments(&mut view, hall, query).await?
            } else {
                Vec::new()
            };
            let adjustments = match query.adjustments_after {
                Some(after) => adjustments(&mut view, hall, after).await?,
                None => Vec::new(),
            };
            Ok(Snapshot {
                checkpoint: checkpoint(&mut view, hall).await?,
                cells: cells(&mut view, hall, query).await?,
                segments,
                figures: figures(&mut view, hall, &query.issues).await?,
                adjustments,
                day_closes: day_closes(&mut view, hall, query).await?,
                facts: if query.facts {
                    facts_of_snapshot(&mut view, hall).await?
                } else {
                    Vec::new()
                },
            })
        })
        .await
    }

    async fn heads(
        &self,
        hall: &HallCode,
        prefix: &str,
    ) -> Result<Vec<(Stream, Head)>, StoreError> {
        self.within(async {
            let mut connection = self.pool.acquire().await.map_err(store_error)?;
            heads(&mut connection, hall, prefix).await
        })
        .await
    }

    async fn exceptions(
        &self,
        hall: &HallCode,
        open: bool,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        self.within(async {
            let rows = sqlx::query_file_as!(
                ExceptionText,
                "queries/exceptions.sql",
                hall_number(hall),
                open
            )
            .fetch_all(&self.pool)
            .await
            .map_err(store_error)?;
            rows.into_iter().map(ExceptionText::read).collect()
        })
        .await
    }

    async fn exceptions_of(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        let streams: Vec<_> = events.iter().map(|(stream, _)| stream.to_string()).collect();
        let numbers: Vec<_> = events.iter().map(|(_, number)| big(*number)).collect();
        self.within(async {
            let rows = sqlx::query_file_as!(
                ExceptionText,
                "queries/exceptions_of_numbers.sql",
                hall_number(hall),
                &streams,
                &numbers
            )
            .fetch_all(&self.pool)
            .await
            .map_err(store_error)?;
            rows.into_iter().map(ExceptionText::read).collect()
        })
        .await
    }

    async fn open_exceptions_of(
        &self,
        hall: &HallCode,
        line: &Stream,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        self.within(async {
            let rows = sqlx::query_file_as!(
                ExceptionText,
                "queries/exceptions_of_line.sql",
                hall_number(hall),
                line.to_string()
            )
            .fetch_all(&self.pool)
            .await
            .map_err(store_error)?;
            rows.into_iter().map(ExceptionText::read).collect()
        })
        .await
    }

    async fn case(&self, hall: &HallCode, case: &CaseId) -> Result<Option<CaseRow>, StoreError> {
        self.within(async {
            let row = sqlx::query_file!("queries/case.sql", hall_number(hall), case.as_str())
                .fetch_optional(&self.pool)
                .await
                .map_err(store_error)?;
            let Some(row) = row else { return Ok(None) };
            let state = to_case(row.accepted, row.issued, row.transferred, row.department)?;
            Ok(Some(CaseRow { id: case.clone(), case: state, events: row.events }))
        })
        .await
    }

    async fn command(&self, hall: &HallCode, key: &str) -> Result<Option<u64>, StoreError> {
        self.within(async {
            let key = crate::convert::text(key);
            let row = sqlx::query_file!("queries/command.sql", hall_number(hall), key.as_ref())
                .fetch_one(&self.pool)
                .await
                .map_err(store_error)?;
            Ok(row.position.map(count))
        })
        .await
    }

    async fn dump(
        &self,
        hall: &HallCode,
        table: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.within(crate::dump::dump(self, hall, table, after, limit)).await
    }
}

impl PostgresReadModels {
    /// Opens a consistent view: one moment of one copy of the read models.
    ///
    /// The lock comes before the first query, and with it the moment: a swap that was waited for is over then.
    async fn view(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        self.pool
            .begin_with(
                "begin isolation level repeatable read read only; \
                 lock table checkpoint in access share mode",
            )
            .await
            .map_err(store_error)
    }
}

async fn checkpoint(
    connection: &mut PgConnection,
    hall: &HallCode,
) -> Result<Option<Checkpoint>, StoreError> {
    let row = sqlx::query_file!("queries/checkpoint.sql", hall_number(hall))
        .fetch_optional(connection)
        .await
        .map_err(store_error)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Checkpoint {
        incarnation: row.incarnation,
        sequence: count(row.sequence),
        hash: digest(&row.hash, "hash")?,
        counts: Counts {
            stored: count(row.stored),
            counted: count(row.counted),
            flagged: count(row.flagged),
            quarantined: count(row.quarantined),
            held: count(row.held),
            repeated: count(row.repeated),
        },
    }))
}

async fn heads(
    connection: &mut PgConnection,
    hall: &HallCode,
    prefix: &str,
) -> Result<Vec<(Stream, Head)>, StoreError> {
    let rows = sqlx::query_file!("queries/heads.sql", hall_number(hall), prefix)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            let head = Head {
                number: count(row.number),
                hash: digest(&row.hash, "hash")?,
                position: count(row.position),
                recorded_at: parsed(&row.recorded_at, "time")?,
            };
            Ok((parsed(&row.stream, "line")?, head))
        })
        .collect()
}

async fn cases(
    connection: &mut PgConnection,
    hall: &HallCode,
    cases: &[CaseId],
) -> Result<Vec<(CaseId, Case)>, StoreError> {
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    // Neighbours of the index are read together.
    let mut ids: Vec<_> = cases.iter().map(CaseId::as_str).collect();
    ids.sort_unstable();
    let rows = sqlx::query_file!("queries/cases.sql", hall_number(hall), ids.as_slice() as &[&str])
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            let case = to_case(row.accepted, row.issued, row.transferred, row.department)?;
            Ok((row.id.parse().map_err(|it| damaged("case", it))?, case))
        })
        .collect()
}

fn to_case(
    accepted: Option<String>,
    issued: Option<String>,
    transferred: i64,
    department: Option<String>,
) -> Result<Case, StoreError> {
    let event = |it: Option<String>| it.map(|it| parsed(&it, "event")).transpose();
    Ok(Case {
        accepted: event(accepted)?,
        issued: event(issued)?,
        transferred: u32::try_from(transferred).map_err(|_| damaged("count", transferred))?,
        department: department.map(|it| parsed(&it, "department")).transpose()?,
    })
}

/// Entries of the segments in which the named numbers are, by line and segment.
async fn segments_of(
    connection: &mut PgConnection,
    hall: &HallCode,
    events: impl Iterator<Item = (&Stream, u64)> + Send,
) -> Result<HashMap<(String, u64), String>, StoreError> {
    let wanted: BTreeSet<_> = events
        // Nothing has the number 0.
        .filter(|(_, number)| *number > 0)
        .map(|(stream, number)| (stream.to_string(), (number - 1) / SEGMENT_NUMBERS))
        .collect();
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let mut streams = Vec::with_capacity(wanted.len());
    let mut numbers = Vec::with_capacity(wanted.len());
    for (stream, segment) in wanted {
        streams.push(stream);
        numbers.push(big(segment));
    }
    let rows =
        sqlx::query_file!("queries/segments_named.sql", hall_number(hall), &streams, &numbers)
            .fetch_all(connection)
            .await
            .map_err(store_error)?;
    rows.into_iter().map(|row| Ok(((row.stream, count(row.segment)), row.entries))).collect()
}

/// The lines of a segment with one number. Cheaper than reading all 256 of them.
fn lines_of(entries: &str, number: u64) -> impl Iterator<Item = Result<Entry, StoreError>> + '_ {
    let prefix = format!("{number}\t");
    entries
        .split_terminator('\n')
        .filter(move |line| line.starts_with(&prefix))
        .map(|line| Entry::parse(line).map_err(|error| StoreError::Damaged(error.to_string())))
}

async fn originals(
    connection: &mut PgConnection,
    hall: &HallCode,
    events: &[EventRef],
) -> Result<Vec<(EventRef, Original)>, StoreError> {
    let events: BTreeSet<_> = events.iter().collect();
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let of_events = events.iter().map(|it| (&it.stream, it.number));
    let segments = segments_of(connection, hall, of_events).await?;
    let mut streams = Vec::with_capacity(events.len());
    let mut numbers = Vec::with_capacity(events.len());
    for event in &events {
        streams.push(event.stream.to_string());
        numbers.push(big(event.number));
    }
    let rows =
        sqlx::query_file!("queries/amendments_named.sql", hall_number(hall), &streams, &numbers)
            .fetch_all(connection)
            .await
            .map_err(store_error)?;
    let mut amended = HashMap::new();
    for row in rows {
        let current = Entry::parse(&row.current).map_err(|it| damaged("amendment", it))?;
        amended.insert((row.stream, count(row.number)), current);
    }
    let mut found = Vec::new();
    for (event, stream) in events.into_iter().zip(streams) {
        let Some(segment) = event.number.checked_sub(1).map(|it| it / SEGMENT_NUMBERS) else {
            continue;
        };
        let key = (stream, segment);
        let Some(entries) = segments.get(&key) else { continue };
        for entry in lines_of(entries, event.number) {
            let entry = entry?;
            // An amendment cannot be amended itself.
            if entry.amends.is_none() {
                let current = amended.remove(&(key.0, event.number));
                found.push((event.clone(), Original { entry, current }));
                break;
            }
        }
    }
    Ok(found)
}

/// First positions: of an entry, else of a fact, else of what came under the number and was not taken.
async fn positions(
    connection: &mut PgConnection,
    hall: &HallCode,
    events: &[(Stream, u64)],
) -> Result<Vec<Option<u64>>, StoreError> {
    let of_events = events.iter().map(|(stream, number)| (stream, *number));
    let segments = segments_of(connection, hall, of_events).await?;
    let mut positions = Vec::with_capacity(events.len());
    let mut streams = Vec::new();
    let mut numbers = Vec::new();
    for (stream, number) in events {
        let stream = stream.to_string();
        let segment = number.checked_sub(1).map(|it| it / SEGMENT_NUMBERS);
        let key = (stream, segment.unwrap_or(u64::MAX));
        let first = segments.get(&key).and_then(|it| lines_of(it, *number).next());
        let position = first.transpose()?.map(|it| it.position);
        if position.is_none() {
            streams.push(key.0);
            numbers.push(big(*number));
        }
        positions.push(position);
    }
    if streams.is_empty() {
        return Ok(positions);
    }
    let others =
        sqlx::query_file!("queries/positions_of_others.sql", hall_number(hall), &streams, &numbers)
            .fetch_all(connection)
            .await
            .map_err(store_error)?;
    let unknown = positions.iter_mut().filter(|it| it.is_none());
    for (position, other) in unknown.zip(others) {
        *position = other.position.map(count);
    }
    Ok(positions)
}

async fn cells(
    connection: &mut PgConnection,
    hall: &HallCode,
    query: &SnapshotQuery,
) -> Result<BTreeMap<TallyCell, TallyValue>, StoreError> {
    let (first, last) = (days(query.first), days(query.last));
    let rows = sqlx::query_file!("queries/tally_of_days.sql", hall_number(hall), first, last)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            let cell = TallyCell {
                day: day(row.day, "day")?,
                window: row.window_id,
                department: row.department,
                kind: worded(Kind::from_word, &row.kind, "kind")?,
            };
            Ok((cell, TallyValue { amount: row.amount, events: row.events }))
        })
        .collect()
}

async fn segments(
    connection: &mut PgConnection,
    hall: &HallCode,
    query: &SnapshotQuery,
) -> Result<Vec<SegmentRow>, StoreError> {
    let rows = sqlx::query_file!(
        "queries/segments_of_days.sql",
        hall_number(hall),
        query.segments.then(|| days(query.first)) as Option<i32>,
        query.segments.then(|| days(query.last)) as Option<i32>,
        query.after.map(big) as Option<i64>,
    )
    .fetch_all(connection)
    .await
    .map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            Ok(SegmentRow {
                stream: row.stream,
                segment: count(row.segment),
                first_position: count(row.first_position),
                last_position: count(row.last_position),
                first_day: day(row.first_day, "day")?,
                last_day: day(row.last_day, "day")?,
                entries: row.entries,
            })
        })
        .collect()
}

async fn figures(
    connection: &mut PgConnection,
    hall: &HallCode,
    issues: &[ObjectId],
) -> Result<BTreeMap<ObjectId, Figures>, StoreError> {
    let mut figures: BTreeMap<ObjectId, Figures> = BTreeMap::new();
    if issues.is_empty() {
        return Ok(figures);
    }
    let issues: Vec<_> = issues.iter().map(ObjectId::as_str).collect();
    let rows =
        sqlx::query_file!("queries/figures.sql", hall_number(hall), issues.as_slice() as &[&str])
            .fetch_all(connection)
            .await
            .map_err(store_error)?;
    for row in rows {
        let key = FigureKey {
            definition: row.definition,
            span: worded(Span::from_word, &row.span, "span")?,
            partition: worded(Partition::from_word, &row.partition_by, "partition")?,
            part: row.part,
        };
        let figure = Figure { amount: row.amount, events: row.events };
        figures.entry(parsed(&row.issue, "issue")?).or_default().insert(key, figure);
    }
    Ok(figures)
}

async fn adjustments(
    connection: &mut PgConnection,
    hall: &HallCode,
    after: u64,
) -> Result<Vec<Adjustment>, StoreError> {
    let rows = sqlx::query_file!("queries/adjustments.sql", hall_number(hall), big(after))
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            Ok(Adjustment {
                position: count(row.position),
                day: day(row.day, "day")?,
                kind: worded(Kind::from_word, &row.kind, "kind")?,
                amount: row.amount,
                events: row.events,
                cause: worded(Cause::from_word, &row.cause, "cause")?,
            })
        })
        .collect()
}

async fn day_closes(
    connection: &mut PgConnection,
    hall: &HallCode,
    query: &SnapshotQuery,
) -> Result<Vec<DayCloseRow>, StoreError> {
    let (first, last) = (days(query.first), days(query.last));
    let rows = sqlx::query_file!("queries/day_closes.sql", hall_number(hall), first, last)
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.into_iter()
        .map(|row| {
            Ok(DayCloseRow {
                window: parsed(&row.window_id, "window")?,
                day: day(row.day, "day")?,
                tally: Tally {
                    consulted: row.consulted,
                    accepted: row.accepted,
                    issued: row.issued,
                    transferred: row.transferred,
                },
                position: count(row.position),
            })
        })
        .collect()
}

/// A fact as the queries return it.
struct FactColumns {
    position: i64,
    stream: String,
    number: i64,
    kind: String,
    occurred_at: String,
    recorded_at: String,
    actor: Option<String>,
    command: Option<String>,
    counted: bool,
    digest: Vec<u8>,
    body: String,
}

impl TryFrom<FactColumns> for FactRow {
    type Error = StoreError;

    fn try_from(row: FactColumns) -> Result<Self, StoreError> {
        Ok(Self {
            position: count(row.position),
            stream: parsed(&row.stream, "line")?,
            number: count(row.number),
            kind: row.kind,
            occurred_at: parsed(&row.occurred_at, "time")?,
            recorded_at: parsed(&row.recorded_at, "time")?,
            actor: row.actor,
            command: row.command,
            counted: row.counted,
            digest: digest(&row.digest, "digest")?,
            body: row.body,
        })
    }
}

async fn facts_of_seed(
    connection: &mut PgConnection,
    hall: &HallCode,
) -> Result<Vec<FactRow>, StoreError> {
    let rows = sqlx::query_file_as!(FactColumns, "queries/facts_of_seed.sql", hall_number(hall))
        .fetch_all(connection)
        .await
        .map_err(store_error)?;
    rows.into_iter().map(FactRow::try_from).collect()
}

async fn facts_of_snapshot(
    connection: &mut PgConnection,
    hall: &HallCode,
) -> Result<Vec<FactRow>, StoreError> {
    let rows =
        sqlx::query_file_as!(FactColumns, "queries/facts_of_snapshot.sql", hall_number(hall))
            .fetch_all(connection)
            .await
            .map_err(store_error)?;
    rows.into_iter().map(FactRow::try_from).collect()
}
