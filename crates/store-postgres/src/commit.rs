//! Writes a page: one transaction, one statement a table, rows as arrays.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sqlx::PgConnection;
use zhoubao_application::store::{Commit, StoreError};
use zhoubao_domain::figure::TallyValue;
use zhoubao_domain::id::HallCode;
use zhoubao_projections::rows::Changes;

use crate::connection::PostgresReadModels;
use crate::convert::{big, days, hall_number, text};
use crate::fault::store_error;

/// Writes all rows and the checkpoint, or nothing.
pub(crate) async fn commit(
    store: &PostgresReadModels,
    hall: &HallCode,
    commit: Commit<'_>,
) -> Result<(), StoreError> {
    let hall = hall_number(hall);
    let mut transaction = store.pool.begin().await.map_err(store_error)?;
    advance(&mut transaction, hall, &commit).await?;
    let changes = commit.changes;
    heads(&mut transaction, hall, changes).await?;
    tallies(&mut transaction, hall, changes).await?;
    segments(&mut transaction, hall, changes).await?;
    cases(&mut transaction, hall, changes).await?;
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

async fn tallies(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    let mut of_days = Vec::new();
    let mut windows = Vec::new();
    let mut departments = Vec::new();
    let mut kinds = Vec::new();
    let mut amounts = Vec::new();
    let mut events = Vec::new();
    for (cell, value) in &changes.tallies {
        // What was added and taken back within the page must not make a cell.
        if *value == TallyValue::default() {
            continue;
        }
        of_days.push(days(cell.day));
        windows.push(cell.window.as_str());
        departments.push(cell.department.as_str());
        kinds.push(cell.kind.word());
        amounts.push(value.amount);
        events.push(value.events);
    }
    if of_days.is_empty() {
        return Ok(());
    }
    let added = sqlx::query_file!(
        "queries/tally_add.sql",
        hall,
        &of_days,
        windows.as_slice() as &[&str],
        departments.as_slice() as &[&str],
        kinds.as_slice() as &[&str],
        &amounts,
        &events,
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(store_error)?;
    if added.empty > 0 {
        sqlx::query_file!(
            "queries/tally_clear.sql",
            hall,
            &of_days,
            windows.as_slice() as &[&str],
            departments.as_slice() as &[&str],
            kinds.as_slice() as &[&str],
        )
        .execute(connection)
        .await
        .map_err(store_error)?;
    }
    Ok(())
}

async fn segments(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.segments.is_empty() {
        return Ok(());
    }
    let mut streams = Vec::new();
    let mut segments = Vec::new();
    let mut first_positions = Vec::new();
    let mut last_positions = Vec::new();
    let mut first_days = Vec::new();
    let mut last_days = Vec::new();
    let mut entries = Vec::new();
    for ((stream, segment), row) in &changes.segments {
        streams.push(stream.as_str());
        segments.push(big(*segment));
        first_positions.push(big(row.first_position));
        last_positions.push(big(row.last_position));
        first_days.push(days(row.first_day));
        last_days.push(days(row.last_day));
        entries.push(row.entries.as_str());
    }
    sqlx::query_file!(
        "queries/segment_append.sql",
        hall,
        streams.as_slice() as &[&str],
        &segments,
        &first_positions,
        &last_positions,
        &first_days,
        &last_days,
        entries.as_slice() as &[&str],
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
}

async fn cases(
    connection: &mut PgConnection,
    hall: i32,
    changes: &Changes,
) -> Result<(), StoreError> {
    if changes.cases.is_empty() {
        return Ok(());
    }
    let len = changes.cases.len();
    let mut ids = Vec::with_capacity(len);
    let mut accepted = Vec::with_capacity(len);
    let mut issued = Vec::with_capacity(len);
    let mut transferred = Vec::with_capacity(len);
    let mut departments = Vec::with_capacity(len);
    let mut events = Vec::with_capacity(len);
    for (id, row) in &changes.cases {
        let case = &row.case;
        ids.push(id.as_str());
        accepted.push(case.accepted.as_ref().map(ToString::to_string));
        issued.push(case.issued.as_ref().map(ToString::to_string));
        transferred.push(i64::from(case.transferred));
        departments.push(case.department.as_ref().map(|it| it.as_str()));
        events.push(row.events.as_str());
    }
    sqlx::query_file!(
        "queries/case_upsert.sql",
        hall,
        ids.as_slice() as &[&str],
        accepted.as_slice() as &[Option<String>],
        issued.as_slice() as &[Option<String>],
        &transferred,
        departments.as_slice() as &[Option<&str>],
        events.as_slice() as &[&str],
    )
    .execute(connection)
    .await
    .map_err(store_error)?;
    Ok(())
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
        for (stream, number, position) in &changes.settled {
            streams.push(stream.as_str());
            numbers.push(big(*number));
            positions.push(big(*position));
        }
        sqlx::query_file!(
            "queries/exception_settle.sql",
            hall,
            streams.as_slice() as &[&str],
            &numbers,
            &positions,
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
