//! The canonical form of an issue.
//!
//! One JSON object without white space, keys of every object in ascending order of their code points, UTF-8, no
//! number with a fraction: equal documents have equal bytes, and [`digest`] of them is what a sign-off names.
//!
//! | key | value |
//! |--|--|
//! | `schema` | [`SCHEMA`] |
//! | `metadata` | `title`, `hall`, `training` (true, or left out), `publisher`, `year`, `number`, `running_number`, `amendment` (`version` from 2 and `note`, or left out), `proposed`, `issued_on` (date or null), `first_day`, `last_day`, `position`, `definitions` and `template` (SHA-256), `tree` (`hash`, `size`, `root`; left out where the freeze names none), `heads` (of `terminal` and `number`; left out with it) |
//! | `blocks` | in order of print |
//!
//! A block has `kind` (`title`, `issue-number`, `publisher`, `issue-date`, `part-title`, `period`, `heading` with
//! `level`, `paragraph`, `item`, `table`, `distribution-line`, `print-run`), `section`, `marker`, `origin` (`by`: `template`,
//! `computed`, `submitted` with `id` and `department`, `import` with `source`, `inspection`) and `inlines`. The
//! paragraph as printed is the marker followed by the `text` of every inline. A `table` also has `table`: `caption`
//! (inlines), `head` (number of rows) and `rows` of cells (`inlines`, `columns` and `rows` covered); other blocks have
//! no such key.
//!
//! An inline has `inline` (`text`, `field`, `figure`) and `text`; a field also `field` (`year`, `number`,
//! `running-number`, `date`, `print-run`, `name`, `ordinal`); a figure also `source`, an object whose own `source` is `counted`
//! (`definition`, `title`, `meaning`, `span`, `partition`, `part`, `cause`, `first_day`, `last_day`, `position`,
//! `events`, `value`, `unit`), `register` (`as_of`, `position`, `value`), `imported` (`platform`, `level`, `class`,
//! `measure`, `first_day`, `last_day`, `value`), `cell` (`table`, `title`, `platform`, `row`, `column`, `first_day`,
//! `last_day`, `position`, `value` as it came), `cells` (as `cell`, with `cells`: pairs of row and value), `entered` (`name`, `text`) or `derived` (`formula`, `value` as an exact
//! fraction, `inputs`: the sources of all figures that went into it). Dates are `2023-02-10`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zhoubao_domain::id::Digest;

use crate::document::{Block, Document, Metadata};

/// Name and version of the form.
pub const SCHEMA: &str = "zhoubao.issue.v1";

#[derive(Serialize)]
struct Canonical<'a> {
    schema: &'a str,
    metadata: &'a Metadata,
    blocks: &'a [Block],
}

#[derive(Deserialize)]
struct Stored {
    schema: String,
    metadata: Metadata,
    blocks: Vec<Block>,
}

/// Bytes that are not a canonical issue.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not JSON, or not of this form.
    #[error("the canonical issue cannot be read")]
    Json(#[from] serde_json::Error),
    /// Another version.
    #[error("the issue is of the form `{0}`, expected `{SCHEMA}`")]
    Schema(String),
}

/// The canonical bytes of a document.
#[must_use]
pub fn export(document: &Document) -> Vec<u8> {
    let canonical =
        Canonical { schema: SCHEMA, metadata: &document.metadata, blocks: &document.blocks };
    // Every key is a string and no value can fail to serialise, so this is never `Null`.
    let value = serde_json::to_value(&canonical).unwrap_or_default();
    text(&value).into_bytes()
}

/// SHA-256 of the canonical bytes.
#[must_use]
pub fn digest(document: &Document) -> Digest {
    Digest::new(Sha256::digest(export(document)).into())
}

/// Reads canonical bytes back.
///
/// # Errors
///
/// [`ReadError`] if they are not an issue of this form.
pub fn read(bytes: &[u8]) -> Result<Document, ReadError> {
    let stored: Stored = serde_json::from_slice(bytes)?;
    if stored.schema != SCHEMA {
        return Err(ReadError::Schema(stored.schema));
    }
    Ok(Document { metadata: stored.metadata, blocks: stored.blocks })
}

/// Any JSON in the form of the canonical issue: no white space, keys in ascending order.
#[must_use]
pub fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

/// Writes sorted keys whatever order the map keeps: a feature of `serde_json` elsewhere in the build changes that.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(values) => {
            text.push('[');
            for (index, it) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(it, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (index, (key, it)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(&Value::String(key.clone()), text);
                text.push(':');
                write(it, text);
            }
            text.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            text.push_str(&value.to_string());
        }
    }
}
