//! Tables as canonical text, page by page, for comparing two copies.
//!
//! A key is the row's columns of the primary key, separated by spaces, which no id has: so keys are ordered as text as
//! the rows are in the table, and the next page is found by the table's own order. The columns are one JSON array.

use sqlx::sqlite::SqliteConnection;
use zhoubao_application::store::StoreError;

use super::fault::fault;

struct Line {
    key: String,
    columns: String,
}

/// The text fields of the key after which a page begins; none at the beginning of the table.
///
/// The last fields are split off first: only the first may hold a space (the definition of a figure).
fn fields<const N: usize>(after: Option<&str>) -> Result<[&str; N], StoreError> {
    let Some(after) = after else { return Ok([""; N]) };
    let mut fields: Vec<&str> = after.rsplitn(N, ' ').collect();
    fields.reverse();
    fields.try_into().map_err(|_| no_key(after))
}

fn number(field: &str) -> Result<i64, StoreError> {
    // Before the beginning of the table.
    if field.is_empty() {
        return Ok(i64::MIN);
    }
    field.parse().map_err(|_| no_key(field))
}

fn no_key(after: &str) -> StoreError {
    StoreError::Damaged(format!("`{after}` is no key of the table"))
}

/// The page of a table after a key.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    hall: i64,
    table: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(String, String)>, StoreError> {
    macro_rules! lines {
        ($file:literal $(, $field:expr)* $(,)?) => {
            sqlx::query_file_as!(Line, $file, hall $(, $field)*, limit)
                .fetch_all(connection)
                .await
                .map_err(fault)?
        };
    }
    let lines = match table {
        "checkpoint" => lines!("queries/read/dump/checkpoint.sql", after.unwrap_or_default()),
        "head" => lines!("queries/read/dump/head.sql", after.unwrap_or_default()),
        "tally" => {
            let [day, window, department, kind] = fields(after)?;
            lines!("queries/read/dump/tally.sql", number(day)?, window, department, kind)
        }
        "segment" => {
            let [stream, segment] = fields(after)?;
            lines!("queries/read/dump/segment.sql", stream, number(segment)?)
        }
        "case_file" => lines!("queries/read/dump/case_file.sql", after.unwrap_or_default()),
        "day_close" => {
            let [day, window] = fields(after)?;
            lines!("queries/read/dump/day_close.sql", number(day)?, window)
        }
        "exception" => {
            let [position, place] = fields(after)?;
            lines!("queries/read/dump/exception.sql", number(position)?, number(place)?)
        }
        "fact" => lines!("queries/read/dump/fact.sql", number(after.unwrap_or_default())?),
        "amendment" => {
            let [stream, of] = fields(after)?;
            lines!("queries/read/dump/amendment.sql", stream, number(of)?)
        }
        "adjustment" => {
            let [position, place] = fields(after)?;
            lines!("queries/read/dump/adjustment.sql", number(position)?, number(place)?)
        }
        "figure" => {
            let [head, span, partition, part] = fields(after)?;
            // An issue's id has no space, a definition may.
            let (issue, definition) = head.split_once(' ').unwrap_or((head, ""));
            lines!("queries/read/dump/figure.sql", issue, definition, span, partition, part)
        }
        _ => return Err(StoreError::Damaged(format!("there is no table `{table}`"))),
    };
    Ok(lines.into_iter().map(|it| (it.key, it.columns)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_split_from_its_end() {
        assert_eq!(fields::<4>(None).unwrap(), [""; 4]);
        assert_eq!(fields::<2>(Some("20230206 w01")).unwrap(), ["20230206", "w01"]);
        let figure = fields::<4>(Some("i5 a b week total ")).unwrap();
        assert_eq!(figure, ["i5 a b", "week", "total", ""]);
        assert!(fields::<2>(Some("one")).is_err());
        assert!(number("x").is_err());
        assert_eq!(number("00000000000000000017").unwrap(), 17);
    }
}
