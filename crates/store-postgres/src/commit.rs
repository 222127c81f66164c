//! Writes a page: one transaction, one statement a table, rows as arrays.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sqlx::PgConnection;
use zhoubao_application::store::{Commit, StoreError};
use zhoubao_domain::figure::TallyValue;
use zhoubao_domain::id::{EventRef, HallCode};
use zhoubao_projections::rows::{CaseRow, Changes};

use crate::connection::PostgresReadModels;
use crate::convert::{big, days, hall_number, text};
use crate::fault::store_error;

/// Runs a statement, and gathers the next one's rows while the server is at it.
async fn meanwhile<T, R>(running: impl Future<Output = T>, next: impl FnOnce() -> R) -> (T, R) {
    tokio::join!(biased; running, async { next() })
}

/// Writes all rows and the checkpoint, or nothing.
pub(crate) async fn commit(
    store: &PostgresReadModels,
    hall: &HallCode,
    changes: &Changes,
    commit: Commit<'_>,
) -> Result<(), StoreError> {
    let hall = hall_number(hall);
    let mut transaction = store.pool.begin().await.map_err(store_error)?;
    advance(&mut transaction, hall, &commit).await?;
    let newest = newest(&mut transaction, hall).await?;
    let tallies = Tallies::of(changes, |day| newest.is_some_and(|it| day <= it));
    let (added, new_tallies) = meanwhile(tallies.add(&mut transaction, hall), || {
        Tallies::of(changes, |day| newest.is_none_or(|it| day > it))
    })
    .await;
    added?;
    let (inserted, cases) =
        meanwhile(new_tallies.insert(&mut transaction, hall), || Cases::of(&changes.cases)).await;
    inserted?;
    let (put, new_cases) =
        meanwhile(cases.put(&mut transaction, hall), || Cases::of(&changes.new_cases)).await;
    put?;
    let (inserted, segments) =
        meanwhile(new_cases.insert(&mut transaction, hall), || Segments::of(changes)).await;
    inserted?;
    segments.append(&mut transaction, hall).await?;
    heads(&mut transaction, hall, changes).await?;
    day_closes(&mut transaction, hall, changes).await?;
    exceptions(&mut transaction, hall, changes).await?;
    facts(&mut transaction, hall, changes).await?;
    amendments(&mut transaction, hall, changes).await?;
    adjustments(&mut transaction, hall, changes).await?;
    figures(&mut transaction, hall, changes).await?;
    transaction.commit().await.map_err(store_error)
}

/// The fence: whoever is not the latest claimant, or not where the checkpoint is, stops here.
async fn advance(
    connection: &mut PgConnection,
    hall: i32,
    commit: &Commit<'_>,
) -> Result<(), StoreError> {
    let to = commit.to;
    let counts = to.counts;
    let advanced = sqlx::query_file!(
        "queries/checkpoint_advance.sql",
        hall,
        commit.epoch.0,
        big(commit.from),
        to.incarnation,
        big(to.sequence),
        to.hash.as_bytes(),
        big(counts.stored),
        big(counts.counted),
        big(counts.flagged),
        big(counts.quarantined),
        big(counts.held),
        big(counts.repeated),
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    if advanced.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Fenced) }
}

async fn heads(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.heads.is_empty() {
        return Ok(());
    }
    let mut streams = Vec::new();
    let mut numbers = Vec::new();
    let mut hashes = Vec::new();
    let mut positions = Vec::new();
    let mut recorded = Vec::new();
    for (stream, head) in &changes.heads {
        streams.push(stream.as_str());
        numbers.push(big(head.number));
        hashes.push(head.hash.as_bytes().as_slice());
        positions.push(big(head.position));
        recorded.push(head.recorded_at.to_string());
    }
    sqlx::query_file!(
        "queries/head_upsert.sql",
        hall,
        streams.as_slice() as &[&str],
        &numbers,
        hashes.as_slice() as &[&[u8]],
        &positions,
        &recorded,
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

/// The latest day, since 1970, with a sum; those of later days are new. Nobody else writes the hall's while this
/// transaction holds its checkpoint.
async fn newest(connection: &mut PgConnection, hall: i32) -> Result<Option<i32>, StoreError> {
    let newest = sqlx::query_file!("queries/tally_newest.sql", hall).fetch_one(connection).await;
    Ok(newest.map_err(store_error)?.day)
}

#[derive(Default)]
struct Tallies<'a> {
    days: Vec<i32>,
    windows: Vec<&'a str>,
    departments: Vec<&'a str>,
    kinds: Vec<&'a str>,
    amounts: Vec<i64>,
    events: Vec<i64>,
}

impl<'a> Tallies<'a> {
    /// Of the days (since 1970) that are wanted.
    fn of(changes: &'a Changes, wanted: impl Fn(i32) -> bool) -> Self {
        let mut all = Self::default();
        for (cell, value) in &changes.tallies {
            let day = days(cell.day);
            // What was added and taken back within the page must not make a cell.
            if *value == TallyValue::default() || !wanted(day) {
                continue;
            }
            all.days.push(day);
            all.windows.push(&cell.window);
            all.departments.push(&cell.department);
            all.kinds.push(cell.kind.word());
            all.amounts.push(value.amount);
            all.events.push(value.events);
        }
        all
    }

    async fn add(self, connection: &mut PgConnection, hall: i32) -> Result<(), StoreError> {
        if self.days.is_empty() {
            return Ok(());
        }
        let added = sqlx::query_file!(
            "queries/tally_add.sql",
            hall,
            &self.days,
            self.windows.as_slice() as &[&str],
            self.departments.as_slice() as &[&str],
            self.kinds.as_slice() as &[&str],
            &self.amounts,
            &self.events,
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
        if added.empty > 0 {
            sqlx::query_file!(
                "queries/tally_clear.sql",
                hall,
                &self.days,
                self.windows.as_slice() as &[&str],
                self.departments.as_slice() as &[&str],
                self.kinds.as_slice() as &[&str],
            )
            .execute(connection)
            .await
            .map_err(store_error)?;
        }
        Ok(())
    }

    /// Of days that have no sums yet.
    async fn insert(self, connection: &mut PgConnection, hall: i32) -> Result<(), StoreError> {
        if self.days.is_empty() {
            return Ok(());
        }
        sqlx::query_file!(
            "queries/tally_insert.sql",
            hall,
            &self.days,
            self.windows.as_slice() as &[&str],
            self.departments.as_slice() as &[&str],
            self.kinds.as_slice() as &[&str],
            &self.amounts,
            &self.events,
        )
        .execute(connection)
        .await
        .map_err(store_error)?;
        Ok(())
    }
}

#[derive(Default)]
struct Segments<'a> {
    streams: Vec<&'a str>,
    segments: Vec<i64>,
    first_positions: Vec<i64>,
    last_positions: Vec<i64>,
    first_days: Vec<i32>,
    last_days: Vec<i32>,
    entries: Vec<&'a str>,
}

impl<'a> Segments<'a> {
    fn of(changes: &'a Changes) -> Self {
        let mut all = Self::default();
        for ((stream, segment), row) in &changes.segments {
            all.streams.push(stream);
            all.segments.push(big(*segment));
            all.first_positions.push(big(row.first_position));
            all.last_positions.push(big(row.last_position));
            all.first_days.push(days(row.first_day));
            all.last_days.push(days(row.last_day));
            all.entries.push(&row.entries);
        }
        all
    }

    async fn append(self, connection: &mut PgConnection, hall: i32) -> Result<(), StoreError> {
        if self.streams.is_empty() {
            return Ok(());
        }
        sqlx::query_file!(
            "queries/segment_append.sql",
            hall,
            self.streams.as_slice() as &[&str],
            &self.segments,
            &self.first_positions,
            &self.last_positions,
            &self.first_days,
            &self.last_days,
            self.entries.as_slice() as &[&str],
        )
        .execute(connection)
        .await
        .map_err(store_error)?;
        Ok(())
    }
}

#[derive(Default)]
struct Cases<'a> {
    ids: Vec<&'a str>,
    accepted: Vec<Option<String>>,
    issued: Vec<Option<String>>,
    transferred: Vec<i64>,
    departments: Vec<Option<&'a str>>,
    events: Vec<&'a str>,
}

impl<'a> Cases<'a> {
    fn of(rows: &'a [CaseRow]) -> Self {
        let written = |it: &EventRef| {
            let mut text = String::new();
            it.write(&mut text);
            text
        };
        let mut all = Self::default();
        for CaseRow { id, case, events } in rows {
            all.ids.push(id.as_str());
            all.accepted.push(case.accepted.as_ref().map(written));
            all.issued.push(case.issued.as_ref().map(written));
            all.transferred.push(i64::from(case.transferred));
            all.departments.push(case.department.as_ref().map(|it| it.as_str()));
            all.events.push(events);
        }
        all
    }

    async fn put(self, connection: &mut PgConnection, hall: i32) -> Result<(), StoreError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        sqlx::query_file!(
            "queries/case_upsert.sql",
            hall,
            self.ids.as_slice() as &[&str],
            self.accepted.as_slice() as &[Option<String>],
            self.issued.as_slice() as &[Option<String>],
            &self.transferred,
            self.departments.as_slice() as &[Option<&str>],
            self.events.as_slice() as &[&str],
        )
        .execute(connection)
        .await
        .map_err(store_error)?;
        Ok(())
    }

    /// Those that have no row yet.
    async fn insert(self, connection: &mut PgConnection, hall: i32) -> Result<(), StoreError> {
        if self.ids.is_empty() {
            return Ok(());
        }
        sqlx::query_file!(
            "queries/case_insert.sql",
            hall,
            self.ids.as_slice() as &[&str],
            self.accepted.as_slice() as &[Option<String>],
            self.issued.as_slice() as &[Option<String>],
            &self.transferred,
            self.departments.as_slice() as &[Option<&str>],
            self.events.as_slice() as &[&str],
        )
        .execute(connection)
        .await
        .map_err(store_error)?;
        Ok(())
    }
}

async fn day_closes(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.day_closes.is_empty() {
        return Ok(());
    }
    let mut windows = Vec::new();
    let mut closed = Vec::new();
    let mut consulted = Vec::new();
    let mut accepted = Vec::new();
    let mut issued = Vec::new();
    let mut transferred = Vec::new();
    let mut positions = Vec::new();
    for row in changes.day_closes.values() {
        windows.push(row.window.as_str());
        closed.push(days(row.day));
        consulted.push(row.tally.consulted);
        accepted.push(row.tally.accepted);
        issued.push(row.tally.issued);
        transferred.push(row.tally.transferred);
        positions.push(big(row.position));
    }
    sqlx::query_file!(
        "queries/day_close_upsert.sql",
        hall,
        windows.as_slice() as &[&str],
        &closed,
        &consulted,
        &accepted,
        &issued,
        &transferred,
        &positions,
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

async fn exceptions(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if !changes.exceptions.is_empty() {
        let mut positions = Vec::new();
        let mut places = Vec::new();
        let mut streams = Vec::new();
        let mut numbers = Vec::new();
        let mut standings = Vec::new();
        let mut codes = Vec::new();
        let mut details = Vec::new();
        let mut settled = Vec::new();
        // An event is folded within one page, so counting its exceptions there gives each the same place always.
        let mut next: BTreeMap<u64, i64> = BTreeMap::new();
        for row in &changes.exceptions {
            let place = next.entry(row.position).or_default();
            positions.push(big(row.position));
            places.push(*place);
            *place += 1;
            streams.push(row.stream.as_str());
            numbers.push(big(row.number));
            standings.push(row.standing.word());
            codes.push(row.code.text());
            details.push(text(&row.detail));
            settled.push(row.settled.map(big));
        }
        sqlx::query_file!(
            "queries/exception_insert.sql",
            hall,
            &positions,
            &places,
            streams.as_slice() as &[&str],
            &numbers,
            standings.as_slice() as &[&str],
            codes.as_slice() as &[&str],
            details.as_slice() as &[Cow<'_, str>],
            settled.as_slice() as &[Option<i64>],
        )
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    }
    if !changes.settled.is_empty() {
        let mut streams = Vec::new();
        let mut numbers = Vec::new();
        let mut positions = Vec::new();
        let mut messages = Vec::new();
        for it in &changes.settled {
            streams.push(it.stream.as_str());
            numbers.push(big(it.number));
            positions.push(big(it.by));
            messages.push(big(it.message.unwrap_or_default()));
        }
        sqlx::query_file!(
            "queries/exception_settle.sql",
            hall,
            streams.as_slice() as &[&str],
            &numbers,
            &positions,
            &messages,
        )
        .execute(connection)
        .await
        .map_err(store_error)?;
    }
    Ok(())
}

async fn facts(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.facts.is_empty() {
        return Ok(());
    }
    let mut positions = Vec::new();
    let mut streams = Vec::new();
    let mut numbers = Vec::new();
    let mut kinds = Vec::new();
    let mut occurred = Vec::new();
    let mut recorded = Vec::new();
    let mut actors = Vec::new();
    let mut commands = Vec::new();
    let mut counted = Vec::new();
    let mut digests = Vec::new();
    let mut bodies = Vec::new();
    for row in &changes.facts {
        positions.push(big(row.position));
        streams.push(row.stream.to_string());
        numbers.push(big(row.number));
        kinds.push(row.kind.as_str());
        occurred.push(row.occurred_at.to_string());
        recorded.push(row.recorded_at.to_string());
        actors.push(row.actor.as_deref());
        commands.push(row.command.as_deref().map(text));
        counted.push(row.counted);
        digests.push(row.digest.as_bytes().as_slice());
        bodies.push(text(&row.body));
    }
    sqlx::query_file!(
        "queries/fact_insert.sql",
        hall,
        &positions,
        &streams,
        &numbers,
        kinds.as_slice() as &[&str],
        &occurred,
        &recorded,
        actors.as_slice() as &[Option<&str>],
        commands.as_slice() as &[Option<Cow<'_, str>>],
        &counted,
        digests.as_slice() as &[&[u8]],
        bodies.as_slice() as &[Cow<'_, str>],
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

async fn amendments(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.amendments.is_empty() {
        return Ok(());
    }
    let mut streams = Vec::new();
    let mut numbers = Vec::new();
    let mut currents = Vec::new();
    for row in changes.amendments.values() {
        streams.push(row.original.stream.to_string());
        numbers.push(big(row.original.number));
        let mut line = String::new();
        row.current.write(&mut line);
        line.truncate(line.trim_end_matches('\n').len());
        currents.push(line);
    }
    sqlx::query_file!("queries/amendment_upsert.sql", hall, &streams, &numbers, &currents)
        .execute(connection)
        .await
        .map_err(store_error)?;
    Ok(())
}

async fn adjustments(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.adjustments.is_empty() {
        return Ok(());
    }
    let mut positions = Vec::new();
    let mut places = Vec::new();
    let mut on = Vec::new();
    let mut kinds = Vec::new();
    let mut amounts = Vec::new();
    let mut events = Vec::new();
    let mut causes = Vec::new();
    for (place, row) in &changes.adjustments {
        positions.push(big(row.position));
        places.push(i64::from(*place));
        on.push(days(row.day));
        kinds.push(row.kind.word());
        amounts.push(row.amount);
        events.push(row.events);
        causes.push(row.cause.word());
    }
    sqlx::query_file!(
        "queries/adjustment_insert.sql",
        hall,
        &positions,
        &places,
        &on,
        kinds.as_slice() as &[&str],
        &amounts,
        &events,
        causes.as_slice() as &[&str],
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

async fn figures(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.figures.is_empty() {
        return Ok(());
    }
    // An issue that was frozen twice has the figures of the last freeze.
    let latest: BTreeMap<_, _> =
        changes.figures.iter().map(|row| (row.issue.as_str(), &row.figures)).collect();
    let issues: Vec<_> = latest.keys().copied().collect();
    sqlx::query_file!("queries/figure_delete.sql", hall, issues.as_slice() as &[&str])
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    let mut of = Vec::new();
    let mut definitions = Vec::new();
    let mut spans = Vec::new();
    let mut partitions = Vec::new();
    let mut parts = Vec::new();
    let mut amounts = Vec::new();
    let mut events = Vec::new();
    for (issue, figures) in &latest {
        for (key, figure) in *figures {
            of.push(*issue);
            definitions.push(text(&key.definition));
            spans.push(key.span.word());
            partitions.push(key.partition.word());
            parts.push(text(&key.part));
            amounts.push(figure.amount);
            events.push(figure.events);
        }
    }
    sqlx::query_file!(
        "queries/figure_insert.sql",
        hall,
        of.as_slice() as &[&str],
        definitions.as_slice() as &[Cow<'_, str>],
        spans.as_slice() as &[&str],
        partitions.as_slice() as &[&str],
        parts.as_slice() as &[Cow<'_, str>],
        &amounts,
        &events,
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}
