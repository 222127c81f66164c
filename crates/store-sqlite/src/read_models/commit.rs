//! One page: the guarded checkpoint, then one statement a table, those that nearly every page needs in one go.

use sqlx::Arguments as _;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use zhoubao_application::store::{Commit, StoreError};
use zhoubao_projections::rows::{Changes, ExceptionRow, FactRow, SegmentRow};

use super::array::Rows;
use super::fault::fault;

fn heads(changes: &Changes) -> Rows {
    let mut rows = Rows::with_capacity(changes.heads.len(), 160);
    for (stream, head) in &changes.heads {
        rows.row(|row| {
            row.text(stream)
                .number(head.number)
                .digest(&head.hash)
                .number(head.position)
                .id(&head.recorded_at);
        });
    }
    rows
}

fn tallies(changes: &Changes) -> Rows {
    let mut rows = Rows::with_capacity(changes.tallies.len(), 64);
    for (cell, value) in &changes.tallies {
        if value.amount == 0 && value.events == 0 {
            continue;
        }
        rows.row(|row| {
            row.day(cell.day)
                .text(&cell.window)
                .text(&cell.department)
                .text(cell.kind.word())
                .signed(value.amount)
                .signed(value.events);
        });
    }
    rows
}

fn segments(changes: &Changes) -> (Rows, Vec<u8>) {
    let mut rows = Rows::with_capacity(changes.segments.len(), 96);
    let mut entries =
        Vec::with_capacity(changes.segments.values().map(|it| it.entries.len()).sum());
    for row_changes in changes.segments.values() {
        let SegmentRow {
            stream,
            segment,
            first_position,
            last_position,
            first_day,
            last_day,
            entries: lines,
        } = row_changes;
        rows.row(|row| {
            row.text(stream)
                .number(*segment)
                .number(*first_position)
                .number(*last_position)
                .day(*first_day)
                .day(*last_day)
                .number(entries.len() as u64)
                .number(lines.len() as u64);
        });
        entries.extend_from_slice(lines.as_bytes());
    }
    (rows, entries)
}

fn cases(changes: &Changes) -> Rows {
    let mut rows = Rows::with_capacity(changes.cases.len() + changes.new_cases.len(), 128);
    for it in changes.cases.iter().chain(&changes.new_cases) {
        rows.row(|row| {
            row.text(it.id.as_str())
                .event_or_null(it.case.accepted.as_ref())
                .event_or_null(it.case.issued.as_ref())
                .number(u64::from(it.case.transferred))
                .text_or_null(it.case.department.as_ref().map(|it| it.as_str()))
                .text(&it.events);
        });
    }
    rows
}

fn day_closes(changes: &Changes) -> Rows {
    let mut rows = Rows::default();
    for ((window, day), it) in &changes.day_closes {
        rows.row(|row| {
            row.day(*day)
                .id(window)
                .signed(it.tally.consulted)
                .signed(it.tally.accepted)
                .signed(it.tally.issued)
                .signed(it.tally.transferred)
                .number(it.position);
        });
    }
    rows
}

fn exceptions(exceptions: &[ExceptionRow]) -> Rows {
    let mut rows = Rows::with_capacity(exceptions.len(), 160);
    let mut last = None;
    for it in exceptions {
        // A message is never split between pages, so its exceptions follow each other.
        let place = match last {
            Some((position, place)) if position == it.position => place + 1,
            _ => 0,
        };
        last = Some((it.position, place));
        rows.row(|row| {
            row.number(it.position)
                .number(place)
                .text(&it.stream)
                .number(it.number)
                .text(it.standing.word())
                .text(it.code.text())
                .text(&it.detail);
            match it.settled {
                Some(position) => row.number(position),
                None => row.text_or_null(None),
            };
        });
    }
    rows
}

fn settled(changes: &Changes) -> Rows {
    let mut rows = Rows::default();
    for it in &changes.settled {
        rows.row(|row| {
            row.text(&it.stream)
                .number(it.number)
                .number(it.by)
                .number(it.message.unwrap_or_default());
        });
    }
    rows
}

fn facts(facts: &[FactRow]) -> (Rows, Vec<u8>) {
    let mut rows = Rows::with_capacity(facts.len(), 320);
    let mut bodies = Vec::with_capacity(facts.iter().map(|it| it.body.len()).sum());
    for it in facts {
        rows.row(|row| {
            row.number(it.position)
                .id(&it.stream)
                .number(it.number)
                .text(&it.kind)
                .id(&it.occurred_at)
                .id(&it.recorded_at)
                .text_or_null(it.actor.as_deref())
                .text_or_null(it.command.as_deref())
                .signed(i64::from(it.counted))
                .digest(&it.digest)
                .number(bodies.len() as u64)
                .number(it.body.len() as u64);
        });
        bodies.extend_from_slice(it.body.as_bytes());
    }
    (rows, bodies)
}

fn amendments(changes: &Changes) -> Rows {
    let mut rows = Rows::default();
    let mut line = String::new();
    for (original, it) in &changes.amendments {
        line.clear();
        it.current.write(&mut line);
        rows.row(|row| {
            row.id(&original.stream).number(original.number).text(line.trim_end_matches('\n'));
        });
    }
    rows
}

fn adjustments(changes: &Changes) -> Rows {
    let mut rows = Rows::default();
    for (place, it) in &changes.adjustments {
        rows.row(|row| {
            row.number(it.position)
                .number(u64::from(*place))
                .day(it.day)
                .text(it.kind.word())
                .signed(it.amount)
                .signed(it.events)
                .text(it.cause.word());
        });
    }
    rows
}

fn figures(changes: &Changes) -> Rows {
    let mut rows = Rows::default();
    for (place, it) in changes.figures.iter().enumerate() {
        if changes.figures[place + 1..].iter().any(|later| later.issue == it.issue) {
            continue;
        }
        for (key, figure) in &it.figures {
            rows.row(|row| {
                row.id(&it.issue)
                    .text(&key.definition)
                    .text(key.span.word())
                    .text(key.partition.word())
                    .text(&key.part)
                    .signed(figure.amount)
                    .signed(figure.events);
            });
        }
    }
    rows
}

/// The rows of a page, for each statement.
pub(super) struct Prepared {
    hall: i64,
    /// What nearly every page changes, bound already: megabytes that SQLite's thread need not wait for.
    most: SqliteArguments,
    day_closes: Option<String>,
    exceptions: Option<String>,
    settled: Option<String>,
    facts: Option<String>,
    bodies: Vec<u8>,
    amendments: Option<String>,
    adjustments: Option<String>,
    /// Issues whose figures are replaced.
    frozen: Option<String>,
    figures: Option<String>,
}

impl Prepared {
    pub(super) fn of(hall: i64, changes: &Changes) -> Self {
        let (segments, entries) = segments(changes);
        let mut most = SqliteArguments::default();
        let bound: Result<(), sqlx::error::BoxDynError> = (|| {
            most.add(hall)?;
            most.add(tallies(changes).into_json())?;
            most.add(hall)?;
            most.add(hall)?;
            most.add(cases(changes).into_json())?;
            most.add(hall)?;
            most.add(entries)?;
            most.add(segments.into_json())?;
            most.add(hall)?;
            most.add(heads(changes).into_json())
        })();
        debug_assert!(bound.is_ok(), "texts, bytes and numbers are always bound: {bound:?}");
        let (facts, bodies) = facts(&changes.facts);
        let frozen = changes.figures.iter().map(|it| it.issue.as_str());
        Self {
            hall,
            most,
            day_closes: day_closes(changes).into_json_if_any(),
            exceptions: exceptions(&changes.exceptions).into_json_if_any(),
            settled: settled(changes).into_json_if_any(),
            facts: facts.into_json_if_any(),
            bodies,
            amendments: amendments(changes).into_json_if_any(),
            adjustments: adjustments(changes).into_json_if_any(),
            frozen: (!changes.figures.is_empty())
                .then(|| serde_json::Value::from_iter(frozen).to_string()),
            figures: figures(changes).into_json_if_any(),
        }
    }

    /// Writes all rows and the checkpoint, or nothing.
    pub(super) async fn write(
        &self,
        connection: &mut SqliteConnection,
        commit: &Commit<'_>,
    ) -> Result<(), StoreError> {
        let (hall, to) = (self.hall, commit.to);
        let mut transaction = super::begin(connection).await?;
        let advanced = sqlx::query_file!(
            "queries/read/checkpoint_advance.sql",
            hall,
            commit.epoch.0,
            commit.from.cast_signed(),
            to.incarnation,
            to.sequence.cast_signed(),
            &to.hash.as_bytes()[..],
            to.counts.stored.cast_signed(),
            to.counts.counted.cast_signed(),
            to.counts.flagged.cast_signed(),
            to.counts.quarantined.cast_signed(),
            to.counts.held.cast_signed(),
            to.counts.repeated.cast_signed(),
        )
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
        if advanced.rows_affected() != 1 {
            transaction.rollback().await.map_err(fault)?;
            return Err(StoreError::Fenced);
        }
        // Not a checked query, because those copy what they bind.
        sqlx::query_with(include_str!("../../queries/read/page_put.sql"), self.most.clone())
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        macro_rules! run {
            ($file:literal, $rows:expr $(, $more:expr)?) => {
                if let Some(rows) = &$rows {
                    sqlx::query_file!($file, hall, rows $(, $more)?)
                        .execute(&mut *transaction)
                        .await
                        .map_err(fault)?;
                }
            };
        }
        run!("queries/read/day_close_put.sql", self.day_closes);
        run!("queries/read/exception_insert.sql", self.exceptions);
        run!("queries/read/exception_settle.sql", self.settled);
        run!("queries/read/fact_insert.sql", self.facts, self.bodies);
        run!("queries/read/amendment_put.sql", self.amendments);
        run!("queries/read/adjustment_insert.sql", self.adjustments);
        run!("queries/read/figure_clear.sql", self.frozen);
        run!("queries/read/figure_insert.sql", self.figures);
        transaction.commit().await.map_err(fault)
    }
}

/// Removes all rows of a hall, and fences its projector.
pub(super) async fn remove(connection: &mut SqliteConnection, hall: i64) -> Result<(), StoreError> {
    let mut transaction = super::begin(connection).await?;
    macro_rules! clear {
        ($($statement:literal),+ $(,)?) => {
            $(
                sqlx::query!($statement, hall).execute(&mut *transaction).await.map_err(fault)?;
            )+
        };
    }
    clear!(
        "delete from head where hall = ?1",
        "delete from tally where hall = ?1",
        "delete from segment where hall = ?1",
        "delete from case_file where hall = ?1",
        "delete from day_close where hall = ?1",
        "delete from exception where hall = ?1",
        "delete from fact where hall = ?1",
        "delete from amendment where hall = ?1",
        "delete from adjustment where hall = ?1",
        "delete from figure where hall = ?1",
    );
    sqlx::query_file!("queries/read/hall_release.sql", hall)
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
    transaction.commit().await.map_err(fault)
}
