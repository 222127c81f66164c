//! The rows of one statement as a JSON array of arrays, which SQLite unpacks with `jsonb_each`.
//!
//! Written by hand: a page has tens of thousands of short fields, and building values first costs more than SQLite
//! needs to parse the text.

use std::fmt::{Display, Write as _};

use jiff::civil::Date;
use zhoubao_domain::id::{Digest, EventRef};

use super::convert::day_number;

/// Rows that are written field by field.
#[derive(Debug, Default)]
pub(super) struct Rows {
    json: String,
    rows: usize,
}

impl Rows {
    pub(super) fn with_capacity(rows: usize, bytes_of_row: usize) -> Self {
        Self { json: String::with_capacity(2 + rows * bytes_of_row), rows: 0 }
    }

    /// Adds a row with the fields that `write` writes.
    pub(super) fn row(&mut self, write: impl FnOnce(&mut Row<'_>)) {
        self.json.push(if self.rows == 0 { '[' } else { ',' });
        self.rows += 1;
        self.json.push('[');
        write(&mut Row { json: &mut self.json, first: true });
        self.json.push(']');
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) fn into_json(mut self) -> String {
        self.json.push_str(if self.rows == 0 { "[]" } else { "]" });
        self.json
    }

    pub(super) fn into_json_if_any(self) -> Option<String> {
        (!self.is_empty()).then(|| self.into_json())
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Row<'a> {
    json: &'a mut String,
    first: bool,
}

impl Row<'_> {
    fn comma(&mut self) {
        if !self.first {
            self.json.push(',');
        }
        self.first = false;
    }

    /// Any text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.comma();
        push_text(self.json, text);
        self
    }

    /// Any text, or none.
    pub(super) fn text_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    /// An id, which is made of characters that need no escaping.
    pub(super) fn id(&mut self, id: &impl Display) -> &mut Self {
        self.comma();
        // Writing to a `String` cannot fail.
        let _ = write!(self.json, "\"{id}\"");
        self
    }

    /// An event such as `terminal.w01#17`, or none.
    pub(super) fn event_or_null(&mut self, event: Option<&EventRef>) -> &mut Self {
        let Some(event) = event else { return self.null() };
        self.comma();
        self.json.push('"');
        event.write(self.json);
        self.json.push('"');
        self
    }

    fn null(&mut self) -> &mut Self {
        self.comma();
        self.json.push_str("null");
        self
    }

    pub(super) fn signed(&mut self, number: i64) -> &mut Self {
        self.comma();
        self.json.push_str(itoa::Buffer::new().format(number));
        self
    }

    /// A position or number; see the migration for those beyond 2^63 − 1.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.signed(number.cast_signed())
    }

    pub(super) fn day(&mut self, day: Date) -> &mut Self {
        self.signed(day_number(day))
    }

    /// A digest, in hexadecimal: JSON has no bytes.
    pub(super) fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.id(digest)
    }
}

fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn push_text(json: &mut String, text: &str) {
    json.push('"');
    let mut rest = text;
    // Nearly every text needs no escape, and a look at all of its bytes takes less time than stopping at one.
    if !text.bytes().fold(false, |any, it| any | must_escape(it)) {
        json.push_str(text);
        rest = "";
    }
    while let Some(at) = rest.bytes().position(must_escape) {
        // What is escaped is ASCII, so both sides are whole characters.
        let (before, after) = rest.split_at(at);
        json.push_str(before);
        match after.as_bytes()[0] {
            b'"' => json.push_str("\\\""),
            b'\\' => json.push_str("\\\\"),
            b'\n' => json.push_str("\\n"),
            b'\t' => json.push_str("\\t"),
            byte => {
                // Writing to a `String` cannot fail.
                let _ = write!(json, "\\u{byte:04x}");
            }
        }
        rest = &after[1..];
    }
    json.push_str(rest);
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_read_back_by_another_reader_of_json() {
        for text in
            ["", "川2023", "a\"b\\c\n\t\r\u{0}\u{1}\u{1f}\u{7f}", "\\", "\"", "\\u0000", "🙂\n"]
        {
            let mut rows = Rows::default();
            rows.row(|row| {
                row.text(text).text_or_null(None).number(u64::MAX).signed(-7);
            });
            rows.row(|row| {
                row.text("next").id(&17);
            });
            let read: serde_json::Value = serde_json::from_str(&rows.into_json()).unwrap();
            assert_eq!(read, serde_json::json!([[text, null, -1, -7], ["next", "17"]]));
        }
        assert_eq!(Rows::default().into_json(), "[]");
    }

    #[test]
    fn numbers_and_events_are_written_as_the_standard_library_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 4711, i64::MAX, -1, -10, i64::MIN] {
            let mut rows = Rows::default();
            rows.row(|row| {
                row.signed(number);
            });
            assert_eq!(rows.into_json(), format!("[[{number}]]"));
        }
        for text in ["terminal.w01#1", "quarantine#18446744073709551615", "desk.submission.s-1#20"]
        {
            let event: EventRef = text.parse().unwrap();
            let mut rows = Rows::default();
            rows.row(|row| {
                row.event_or_null(Some(&event)).event_or_null(None);
            });
            assert_eq!(rows.into_json(), format!("[[\"{text}\",null]]"));
        }
    }
}
