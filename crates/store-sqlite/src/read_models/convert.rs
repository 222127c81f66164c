//! Between columns and the domain.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use zhoubao_application::store::StoreError;
use zhoubao_domain::case::Case;
use zhoubao_domain::id::{Digest, HallCode};

/// A hall's code as a number.
pub(super) fn hall_number(hall: &HallCode) -> i64 {
    // Six ASCII digits.
    hall.as_str().bytes().fold(0, |number, digit| number * 10 + i64::from(digit & 0x0f))
}

/// A day as a number that is ordered as days are: 20230206.
pub(super) fn day_number(day: Date) -> i64 {
    i64::from(day.year()) * 10_000 + i64::from(day.month()) * 100 + i64::from(day.day())
}

/// The day of a number.
pub(super) fn day(number: i64) -> Result<Date, StoreError> {
    let part = |it: i64| i8::try_from(it).unwrap_or_default();
    i16::try_from(number.div_euclid(10_000))
        .ok()
        .and_then(|year| {
            let within = number.rem_euclid(10_000);
            Date::new(year, part(within / 100), part(within % 100)).ok()
        })
        .ok_or_else(|| damaged("day", number))
}

/// An id, word or entry of a text.
pub(super) fn parse<T: FromStr>(column: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| damaged(column, text))
}

/// An id of a text that may be absent.
pub(super) fn parse_or_none<T: FromStr>(
    column: &str,
    text: Option<String>,
) -> Result<Option<T>, StoreError> {
    text.map(|it| parse(column, &it)).transpose()
}

/// What a text means that is one of a few words.
pub(super) fn word<T>(
    column: &str,
    text: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, StoreError> {
    read(text).ok_or_else(|| damaged(column, text))
}

/// An instant as it is written: RFC 3339 in UTC, to the nanosecond.
pub(super) fn instant(column: &str, text: &str) -> Result<Timestamp, StoreError> {
    parse(column, text)
}

/// A digest of its 32 bytes.
pub(super) fn digest(column: &str, bytes: &[u8]) -> Result<Digest, StoreError> {
    bytes.try_into().map(Digest::new).map_err(|_| damaged(column, format!("{} bytes", bytes.len())))
}

/// A case of its columns.
pub(super) fn case(
    accepted: Option<String>,
    issued: Option<String>,
    transferred: i64,
    department: Option<String>,
) -> Result<Case, StoreError> {
    Ok(Case {
        accepted: parse_or_none("case_file.accepted", accepted)?,
        issued: parse_or_none("case_file.issued", issued)?,
        transferred: u32::try_from(transferred)
            .map_err(|_| damaged("case_file.transferred", transferred))?,
        department: parse_or_none("case_file.department", department)?,
    })
}

/// A value that this program never writes.
pub(super) fn damaged(column: &str, value: impl Display) -> StoreError {
    StoreError::Damaged(format!("{column} is `{value}`"))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn days_keep_their_order_as_numbers() {
        let days = [
            Date::MIN,
            date(-1, 12, 31),
            date(0, 1, 1),
            date(0, 12, 31),
            date(1, 1, 1),
            date(2023, 2, 6),
            date(2023, 2, 28),
            date(2024, 2, 29),
            Date::MAX,
        ];
        for (earlier, later) in days.iter().zip(&days[1..]) {
            assert!(day_number(*earlier) < day_number(*later), "{earlier} < {later}");
        }
        for it in days {
            assert_eq!(day(day_number(it)).unwrap(), it);
        }
        assert_eq!(day_number(date(2023, 2, 6)), 20_230_206);
        for it in [0, 20_230_230, 20_231_301, 99_999_999_999, i64::MIN, i64::MAX] {
            assert!(day(it).is_err(), "{it}");
        }
    }

    #[test]
    fn a_hall_that_begins_with_zero_keeps_its_place() {
        assert_eq!(hall_number(&"013100".parse().unwrap()), 13_100);
        assert_eq!(hall_number(&"510000".parse().unwrap()), 510_000);
    }
}
