//! Between values of the domain and columns.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use zhoubao_application::store::StoreError;
use zhoubao_domain::id::{Digest, HallCode};

const EPOCH: Date = date(1970, 1, 1);

/// A hall's code as a number.
pub(crate) fn hall_number(hall: &HallCode) -> i32 {
    // Six ASCII digits.
    hall.as_str().bytes().fold(0, |number, digit| number * 10 + i32::from(digit & 0x0f))
}

/// A position, number or count as a column holds it.
///
/// What a message claims as its number may be beyond 2^63 − 1. It is kept as a negative number and read back as it
/// was: nothing that anybody sends may stop the hall.
pub(crate) fn big(value: u64) -> i64 {
    value.cast_signed()
}

/// A position, number or count from a column.
pub(crate) fn count(value: i64) -> u64 {
    value.cast_unsigned()
}

/// Days since 1970, as dates go to and from the server.
pub(crate) fn days(day: Date) -> i32 {
    // Days of a civil date, at most four million, always fit.
    (day - EPOCH).get_days()
}

/// The date that is so many days after 1 January 1970.
pub(crate) fn day(days: i32, what: &str) -> Result<Date, StoreError> {
    EPOCH.checked_add(days.days()).map_err(|_| damaged(what, days))
}

/// A digest from its 32 bytes.
pub(crate) fn digest(bytes: &[u8], what: &str) -> Result<Digest, StoreError> {
    let bytes = <[u8; 32]>::try_from(bytes)
        .map_err(|_| damaged(what, format_args!("{} bytes", bytes.len())))?;
    Ok(Digest::new(bytes))
}

/// A value from its text.
pub(crate) fn parsed<T: FromStr>(text: &str, what: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| damaged(what, text))
}

/// A value from one of its words.
pub(crate) fn worded<T>(
    from_word: impl Fn(&str) -> Option<T>,
    word: &str,
    what: &str,
) -> Result<T, StoreError> {
    from_word(word).ok_or_else(|| damaged(what, word))
}

/// A text without the one character that PostgreSQL's texts cannot hold.
///
/// Texts that quote what somebody sent may have one; without this, one such message would stop the hall for good.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// A column holds what this program never writes.
pub(crate) fn damaged(what: &str, value: impl Display) -> StoreError {
    StoreError::Damaged(format!("{what} `{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hall_is_a_number() {
        assert_eq!(hall_number(&"013100".parse().unwrap()), 13_100);
        assert_eq!(hall_number(&"990000".parse().unwrap()), 990_000);
    }

    #[test]
    fn numbers_read_back_as_they_were_written() {
        for it in [0, 1, 1 << 62, u64::MAX] {
            assert_eq!(count(big(it)), it);
        }
    }

    #[test]
    fn days_read_back_as_they_were_written() {
        for it in [EPOCH, date(2023, 2, 6), date(1, 1, 1), date(9999, 12, 31)] {
            assert_eq!(day(days(it), "day").unwrap(), it);
        }
        assert_eq!(days(date(1970, 1, 2)), 1);
    }
}
