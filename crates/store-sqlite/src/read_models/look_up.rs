//! What a page of the journal needs to know before it is folded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::sqlite::SqliteConnection;
use zhoubao_application::store::StoreError;
use zhoubao_domain::case::Case;
use zhoubao_domain::id::{CaseId, EventRef, Stream};
use zhoubao_projections::entry::Entry;
use zhoubao_projections::rows::{Original, SEGMENT_NUMBERS};

use super::array::Rows;
use super::convert;
use super::fault::fault;

/// A row of the table `segment`: line and segment.
type Place = (String, u64);

fn place(stream: &Stream, number: u64) -> Place {
    (stream.to_string(), number.saturating_sub(1) / SEGMENT_NUMBERS)
}

pub(super) async fn cases(
    connection: &mut SqliteConnection,
    hall: i64,
    asked: &[CaseId],
) -> Result<Vec<(CaseId, Case)>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let asked = serde_json::Value::from_iter(asked.iter().map(CaseId::as_str)).to_string();
    let rows = sqlx::query_file!("queries/read/cases_known.sql", hall, asked)
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter()
        .map(|row| {
            let id = convert::parse("case_file.id", &row.id)?;
            let case = convert::case(row.accepted, row.issued, row.transferred, row.department)?;
            Ok((id, case))
        })
        .collect()
}

/// Originals as they were and as they are. A correction is none: its entries name what they amend.
pub(super) async fn originals(
    connection: &mut SqliteConnection,
    hall: i64,
    asked: &[EventRef],
) -> Result<Vec<(EventRef, Original)>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let asked: BTreeSet<&EventRef> = asked.iter().collect();
    let places = asked.iter().map(|it| place(&it.stream, it.number)).collect();
    let segments = segments(connection, hall, &places).await?;
    let mut amended = amendments(connection, hall, &asked).await?;
    let mut wanted: BTreeMap<Place, HashMap<u64, &EventRef>> = BTreeMap::new();
    for it in &asked {
        wanted.entry(place(&it.stream, it.number)).or_default().insert(it.number, it);
    }
    let mut found = Vec::with_capacity(asked.len());
    for (place, mut wanted) in wanted {
        let Some(text) = segments.get(&place) else { continue };
        for (number, line) in lines(text)? {
            // An original's own entry is the first under its number.
            let Some(original) = wanted.remove(&number) else { continue };
            let entry = entry(line)?;
            if entry.amends.is_none() {
                let current = amended.remove(original);
                found.push((original.clone(), Original { entry, current }));
            }
        }
    }
    Ok(found)
}

/// First positions: of an entry, else of a fact, else of what came under the number and was not taken.
pub(super) async fn positions(
    connection: &mut SqliteConnection,
    hall: i64,
    asked: &[(Stream, u64)],
) -> Result<Vec<Option<u64>>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let places: BTreeSet<Place> =
        asked.iter().map(|(stream, number)| place(stream, *number)).collect();
    let mut first: HashMap<(&str, u64), u64> = HashMap::new();
    let segments = segments(connection, hall, &places).await?;
    for ((stream, _), text) in &segments {
        for (number, line) in lines(text)? {
            let position = line.split('\t').nth(1).and_then(|it| it.parse().ok());
            let position = position.ok_or_else(|| convert::damaged("segment.entries", line))?;
            first.entry((stream, number)).or_insert(position);
        }
    }
    let mut answers = Vec::with_capacity(asked.len());
    let mut others = Rows::default();
    for (stream, number) in asked {
        let answer = first.get(&(stream.to_string().as_str(), *number)).copied();
        if answer.is_none() {
            others.row(|row| {
                row.id(stream).number(*number);
            });
        }
        answers.push(answer);
    }
    if !others.is_empty() {
        let rows = sqlx::query_file!("queries/read/positions_of.sql", hall, others.into_json())
            .fetch_all(connection)
            .await
            .map_err(fault)?;
        let open = answers.iter_mut().filter(|it| it.is_none());
        for (answer, row) in open.zip(rows) {
            *answer = row.position.map(i64::cast_unsigned);
        }
    }
    Ok(answers)
}

/// Entries of the rows at these places.
async fn segments(
    connection: &mut SqliteConnection,
    hall: i64,
    places: &BTreeSet<Place>,
) -> Result<BTreeMap<Place, String>, StoreError> {
    let mut asked = Rows::default();
    for (stream, segment) in places {
        asked.row(|row| {
            row.text(stream).number(*segment);
        });
    }
    let rows = sqlx::query_file!("queries/read/segments_of.sql", hall, asked.into_json())
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    Ok(rows.into_iter().map(|it| ((it.stream, it.segment.cast_unsigned()), it.entries)).collect())
}

async fn amendments(
    connection: &mut SqliteConnection,
    hall: i64,
    originals: &BTreeSet<&EventRef>,
) -> Result<HashMap<EventRef, Entry>, StoreError> {
    let mut asked = Rows::default();
    for it in originals {
        asked.row(|row| {
            row.id(&it.stream).number(it.number);
        });
    }
    let rows = sqlx::query_file!("queries/read/amendments_of.sql", hall, asked.into_json())
        .fetch_all(connection)
        .await
        .map_err(fault)?;
    rows.into_iter()
        .map(|row| {
            let stream = convert::parse("amendment.stream", &row.stream)?;
            let original = EventRef { stream, number: row.number.cast_unsigned() };
            Ok((original, entry(&row.current)?))
        })
        .collect()
}

/// Lines of a segment with the number of each.
fn lines(text: &str) -> Result<Vec<(u64, &str)>, StoreError> {
    text.split_terminator('\n')
        .map(|line| {
            let number = line.split('\t').next().and_then(|it| it.parse().ok());
            Ok((number.ok_or_else(|| convert::damaged("segment.entries", line))?, line))
        })
        .collect()
}

fn entry(line: &str) -> Result<Entry, StoreError> {
    Entry::parse(line).map_err(|error| StoreError::Damaged(error.to_string()))
}
