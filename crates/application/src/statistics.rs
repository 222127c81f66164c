//! Sums of what counts, by any part and as of any position.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use zhoubao_domain::event::Tally;
use zhoubao_domain::figure::Partition;
use zhoubao_domain::id::HallCode;
use zhoubao_projections::recount;

use crate::journal::{Journal, JournalError};
use crate::store::{ReadModels, SnapshotQuery, StoreError};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticsQuery {
    /// First day.
    pub first: Date,
    /// Last day.
    pub last: Date,
    /// Only what had taken effect at or before this position; `None`: everything known.
    pub as_of: Option<u64>,
    /// Along what the sums are split.
    pub by: Partition,
}

/// One row of the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatisticsRow {
    /// Sums by kind.
    pub tally: Tally,
    /// Number of events that they sum.
    pub events: i64,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Position as of which the sums hold.
    pub position: u64,
    /// Rows by part; one row with an empty part where nothing is split.
    pub rows: BTreeMap<String, StatisticsRow>,
}

/// Sums the counted acts of the days asked for.
///
/// # Errors
///
/// When the store does not answer or is damaged.
pub async fn statistics(
    store: &dyn ReadModels,
    hall: &HallCode,
    query: StatisticsQuery,
) -> Result<Statistics, StoreError> {
    let snapshot = store
        .snapshot(
            hall,
            &SnapshotQuery {
                first: query.first,
                last: query.last,
                after: query.as_of,
                adjustments_after: None,
                issues: vec![],
                segments: false,
                facts: false,
            },
        )
        .await?;
    let head = snapshot.checkpoint.map_or(0, |it| it.sequence);
    let mut cells = snapshot.cells;
    if let Some(position) = query.as_of {
        cells = recount::rewind(cells, &snapshot.segments, position)
            .map_err(|it| StoreError::Damaged(it.to_string()))?;
    }
    let mut rows: BTreeMap<String, StatisticsRow> = BTreeMap::new();
    for (cell, value) in cells {
        if !(query.first..=query.last).contains(&cell.day) {
            continue;
        }
        let part = match query.by {
            Partition::Total => String::new(),
            Partition::Day => cell.day.to_string(),
            Partition::Window => cell.window,
            Partition::Department => cell.department,
        };
        let row = rows.entry(part).or_default();
        row.tally.add(cell.kind, value.amount);
        row.events += value.events;
    }
    if query.by == Partition::Total {
        rows.entry(String::new()).or_default();
    }
    let position = query.as_of.map_or(head, |it| it.min(head));
    Ok(Statistics { position, rows })
}

/// The last position that the journal had taken at `time`, 0 if none.
///
/// # Errors
///
/// When the journal does not answer.
pub async fn position_at(journal: &dyn Journal, time: Timestamp) -> Result<u64, JournalError> {
    let (mut known, mut beyond) = (0, journal.state().await?.last + 1);
    while beyond - known > 1 {
        let middle = known + (beyond - known) / 2;
        match journal.get(middle).await? {
            Some(stored) if stored.recorded_at <= time => known = middle,
            _ => beyond = middle,
        }
    }
    Ok(known)
}
