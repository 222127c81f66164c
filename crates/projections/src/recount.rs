//! Sums recounted from the record, as of any position.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::civil::Date;
use zhoubao_domain::figure::{TallyCell, TallyValue};

use crate::entry::{Entry, ParseEntryError};
use crate::rows::SegmentRow;

/// All entries of a segment row.
///
/// # Errors
///
/// When a line is not an entry.
pub fn entries(row: &SegmentRow) -> impl Iterator<Item = Result<Entry, ParseEntryError>> + use<'_> {
    row.entries.split_terminator('\n').map(Entry::parse)
}

/// The cell under which an entry counts, if it is an act with a window.
#[must_use]
pub fn cell(entry: &Entry) -> Option<TallyCell> {
    let kind = entry.act.as_ref()?.kind;
    let window = entry.window.as_ref()?.as_str().to_owned();
    Some(TallyCell { day: entry.day(), window, department: entry.department().to_owned(), kind })
}

/// Tells of every entry that counts and whose day is one of these, with the cell under which it does.
///
/// # Errors
///
/// When a line is not an entry.
pub fn each(
    rows: &[SegmentRow],
    days: &RangeInclusive<Date>,
    mut tell: impl FnMut(&Entry, TallyCell),
) -> Result<(), ParseEntryError> {
    for row in rows {
        for entry in entries(row) {
            let entry = entry?;
            if entry.sign != 0
                && let Some(cell) = cell(&entry).filter(|it| days.contains(&it.day))
            {
                tell(&entry, cell);
            }
        }
    }
    Ok(())
}

/// Adds entries at or before `cut` with a day in `first..=last` to sums by cell.
///
/// # Errors
///
/// When a line is not an entry.
pub fn recount(
    rows: &[SegmentRow],
    first: Date,
    last: Date,
    cut: u64,
) -> Result<BTreeMap<TallyCell, TallyValue>, ParseEntryError> {
    let mut cells = BTreeMap::new();
    each(rows, &(first..=last), |entry, cell| {
        if entry.position <= cut {
            add(&mut cells, cell, entry.effect());
        }
    })?;
    cells.retain(|_, it| *it != TallyValue::default());
    Ok(cells)
}

/// Takes the entries after `cut` away from sums of now, which gives the sums at the cut.
///
/// # Errors
///
/// When a line is not an entry.
pub fn rewind(
    mut cells: BTreeMap<TallyCell, TallyValue>,
    rows: &[SegmentRow],
    cut: u64,
) -> Result<BTreeMap<TallyCell, TallyValue>, ParseEntryError> {
    for row in rows.iter().filter(|row| row.last_position > cut) {
        for entry in entries(row) {
            let entry = entry?;
            if entry.sign != 0
                && entry.position > cut
                && let Some(cell) = cell(&entry)
            {
                let (amount, events) = entry.effect();
                add(&mut cells, cell, (-amount, -events));
            }
        }
    }
    cells.retain(|_, it| *it != TallyValue::default());
    Ok(cells)
}

/// Adds an amount and a number of events to a sum.
pub fn add(
    cells: &mut BTreeMap<TallyCell, TallyValue>,
    cell: TallyCell,
    (amount, events): (i64, i64),
) {
    let value = cells.entry(cell).or_default();
    value.amount += amount;
    value.events += events;
}
