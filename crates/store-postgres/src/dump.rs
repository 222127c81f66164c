//! All rows as canonical text, to compare two copies; the same text as from SQLite for the same rows.
//!
//! A key is the row's primary key without the hall, its columns separated by spaces, which no id has. The other
//! columns are one JSON array.

use sqlx::AssertSqlSafe;
use zhoubao_application::store::StoreError;
use zhoubao_domain::id::HallCode;

use crate::connection::PostgresReadModels;
use crate::convert::{damaged, hall_number};
use crate::fault::store_error;

/// How a column is written, in a key and among the columns, which are one JSON array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it is; a JSON string.
    Text,
    /// Decimal; in a key with leading zeros to 20 digits, so that keys are ordered as texts.
    Number,
    /// A number told apart by a few: in a key with leading zeros to 3 digits.
    Place,
    /// The number 20230206; in a key with leading zeros to 8 digits.
    Day,
    /// Hexadecimal, lower case; a JSON string.
    Bytes,
    /// 0 or 1.
    Flag,
}

/// A table, its key after the hall, and its other columns.
struct Table {
    name: &'static str,
    key: &'static [(&'static str, Form)],
    columns: &'static [(&'static str, Form)],
    /// Rows that are none to anybody else.
    only: &'static str,
}

const CASES: &[(&str, Form)] = &[
    ("accepted", Form::Text),
    ("issued", Form::Text),
    ("transferred", Form::Number),
    ("department", Form::Text),
    ("events", Form::Text),
];

/// Every table of [`zhoubao_application::store::TABLES`]; columns in the order of the fields of its row.
const DUMPED: &[Table] = &[
    Table {
        name: "checkpoint",
        key: &[("sequence", Form::Number)],
        columns: &[
            ("incarnation", Form::Text),
            ("hash", Form::Bytes),
            ("stored", Form::Number),
            ("counted", Form::Number),
            ("flagged", Form::Number),
            ("quarantined", Form::Number),
            ("held", Form::Number),
            ("repeated", Form::Number),
        ],
        only: "incarnation is not null",
    },
    Table {
        name: "head",
        key: &[("stream", Form::Text)],
        columns: &[
            ("number", Form::Number),
            ("hash", Form::Bytes),
            ("position", Form::Number),
            ("recorded_at", Form::Text),
        ],
        only: "true",
    },
    Table {
        name: "tally",
        key: &[
            ("day", Form::Day),
            ("window_id", Form::Text),
            ("department", Form::Text),
            ("kind", Form::Text),
        ],
        columns: &[("amount", Form::Number), ("events", Form::Number)],
        only: "true",
    },
    Table {
        name: "segment",
        key: &[("stream", Form::Text), ("segment", Form::Number)],
        columns: &[
            ("first_position", Form::Number),
            ("last_position", Form::Number),
            ("first_day", Form::Day),
            ("last_day", Form::Day),
            ("entries", Form::Text),
        ],
        only: "true",
    },
    Table { name: "case_file", key: &[("id", Form::Text)], columns: CASES, only: "true" },
    Table {
        name: "day_close",
        key: &[("day", Form::Day), ("window_id", Form::Text)],
        columns: &[
            ("consulted", Form::Number),
            ("accepted", Form::Number),
            ("issued", Form::Number),
            ("transferred", Form::Number),
            ("position", Form::Number),
        ],
        only: "true",
    },
    Table {
        name: "exception",
        key: &[("position", Form::Number), ("place", Form::Place)],
        columns: &[
            ("stream", Form::Text),
            ("number", Form::Number),
            ("standing", Form::Text),
            ("code", Form::Text),
            ("detail", Form::Text),
            ("settled", Form::Number),
        ],
        only: "true",
    },
    Table {
        name: "fact",
        key: &[("position", Form::Number)],
        columns: &[
            ("stream", Form::Text),
            ("number", Form::Number),
            ("kind", Form::Text),
            ("occurred_at", Form::Text),
            ("recorded_at", Form::Text),
            ("actor", Form::Text),
            ("command", Form::Text),
            ("counted", Form::Flag),
            ("digest", Form::Bytes),
            ("body", Form::Text),
        ],
        only: "true",
    },
    Table {
        name: "amendment",
        key: &[("stream", Form::Text), ("number", Form::Number)],
        columns: &[("current", Form::Text)],
        only: "true",
    },
    Table {
        name: "adjustment",
        key: &[("position", Form::Number), ("place", Form::Place)],
        columns: &[
            ("day", Form::Day),
            ("kind", Form::Text),
            ("amount", Form::Number),
            ("events", Form::Number),
            ("cause", Form::Text),
        ],
        only: "true",
    },
    Table {
        name: "figure",
        key: &[
            ("issue", Form::Text),
            ("definition", Form::Text),
            ("span", Form::Text),
            ("partition_by", Form::Text),
            ("part", Form::Text),
        ],
        columns: &[("amount", Form::Number), ("events", Form::Number)],
        only: "true",
    },
];

/// All rows of a table from after a key on, in key order.
pub(crate) async fn dump(
    store: &PostgresReadModels,
    hall: &HallCode,
    table: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<(String, String)>, StoreError> {
    let table = DUMPED
        .iter()
        .find(|it| it.name == table)
        .ok_or_else(|| damaged("there is no table", table))?;
    let after = after.map(|key| parts(table, key)).transpose()?;
    let rows: Vec<(Vec<String>, Vec<Option<String>>)> =
        sqlx::query_as(AssertSqlSafe(statement(table)))
            .bind(hall_number(hall))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&store.pool)
            .await
            .map_err(store_error)?;
    Ok(rows.into_iter().map(|(key, columns)| (key.join(" "), array(table, &columns))).collect())
}

/// The columns of a key. Only the definition of a figure may have spaces.
fn parts(table: &Table, key: &str) -> Result<Vec<String>, StoreError> {
    let wanted = table.key.len();
    let mut parts: Vec<String> = key.split(' ').map(str::to_owned).collect();
    if let Some(place) = table.key.iter().position(|(name, _)| *name == "definition")
        && parts.len() > wanted
    {
        let rest = parts.split_off(place);
        let (definition, after) = rest.split_at(rest.len() - (wanted - place - 1));
        parts.push(definition.join(" "));
        parts.extend_from_slice(after);
    }
    if parts.len() == wanted { Ok(parts) } else { Err(damaged("no key of the table:", key)) }
}

/// The columns as a JSON array, written as SQLite writes it: without spaces.
fn array(table: &Table, columns: &[Option<String>]) -> String {
    let columns: Vec<_> = table
        .columns
        .iter()
        .zip(columns)
        .map(|((_, form), column)| match (form, column) {
            (_, None) => "null".to_owned(),
            (Form::Text | Form::Bytes, Some(text)) => {
                serde_json::Value::from(text.as_str()).to_string()
            }
            (_, Some(number)) => number.clone(),
        })
        .collect();
    format!("[{}]", columns.join(","))
}

/// `$1` is the hall, `$2` the columns of the key after which to begin, or null, `$3` the limit.
fn statement(table: &Table) -> String {
    let list = |of: &[(&str, Form)], write: fn(&str, Form) -> String| {
        of.iter().map(|(name, form)| write(name, *form)).collect::<Vec<_>>().join(", ")
    };
    let after: Vec<_> = table
        .key
        .iter()
        .zip(1..)
        .map(|((_, form), part)| match form {
            Form::Number | Form::Place => format!("($2::text[])[{part}]::bigint"),
            Form::Day => format!("to_date(($2::text[])[{part}], 'YYYYMMDD')"),
            Form::Text | Form::Bytes | Form::Flag => format!("($2::text[])[{part}]"),
        })
        .collect();
    let names: Vec<_> = table.key.iter().map(|(name, _)| *name).collect();
    format!(
        "select array[{key}]::text[], array[{columns}]::text[] from {name} \
         where hall = $1 and {only} and ($2::text[] is null or ({names}) > ({after})) \
         order by {names} limit $3",
        key = list(table.key, in_key),
        columns = list(table.columns, in_column),
        name = table.name,
        only = table.only,
        names = names.join(", "),
        after = after.join(", "),
    )
}

fn in_key(name: &str, form: Form) -> String {
    let plain = in_column(name, form);
    match form {
        // The one row of the checkpoint needs no order.
        Form::Number if name == "sequence" => plain,
        Form::Number => format!("lpad({plain}, 20, '0')"),
        Form::Place => format!("lpad({plain}, 3, '0')"),
        Form::Day => format!("lpad({plain}, 8, '0')"),
        Form::Text | Form::Bytes | Form::Flag => plain,
    }
}

fn in_column(name: &str, form: Form) -> String {
    match form {
        Form::Text => name.to_owned(),
        Form::Number | Form::Place => format!("{name}::text"),
        Form::Day => format!("(to_char({name}, 'YYYYMMDD')::bigint)::text"),
        Form::Bytes => format!("encode({name}, 'hex')"),
        Form::Flag => format!("({name}::int)::text"),
    }
}

#[cfg(test)]
mod tests {
    use zhoubao_application::store::TABLES;

    use super::*;

    #[test]
    fn every_table_is_dumped_and_no_other() {
        assert_eq!(DUMPED.iter().map(|it| it.name).collect::<Vec<_>>(), TABLES);
    }

    #[test]
    fn a_key_is_split_into_its_columns() {
        let table = |name: &str| DUMPED.iter().find(|it| it.name == name).unwrap();
        assert_eq!(parts(table("head"), "issues").unwrap(), ["issues"]);
        assert_eq!(
            parts(table("figure"), "i5 a week total ").unwrap(),
            ["i5", "a", "week", "total", ""]
        );
        let spaced = parts(table("figure"), "i5 a b c week day 2023-02-06").unwrap();
        assert_eq!(spaced, ["i5", "a b c", "week", "day", "2023-02-06"]);
        assert!(parts(table("tally"), "20230206 w01").is_err());
        assert!(parts(table("head"), "a b").is_err());
    }

    #[test]
    fn columns_are_written_as_sqlite_writes_them() {
        let table = DUMPED.iter().find(|it| it.name == "amendment").unwrap();
        let line = "1\t\"\\\n\u{1}\u{7f}/川".to_owned();
        assert_eq!(array(table, &[Some(line)]), r#"["1\t\"\\\n\u0001"#.to_owned() + "\u{7f}/川\"]");
        assert_eq!(array(table, &[None]), "[null]");
    }
}
