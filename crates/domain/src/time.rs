//! Days of the hall: Asia/Shanghai.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{self, TimeZone};

use crate::planted;

/// China has kept one zone without summer time since 1992 (TZDB `Asia/Shanghai`); the fixed offset is
/// exact for every year the product records and needs no zone database.
const OFFSET: tz::Offset = tz::offset(8);

/// The civil day of the hall on which `at` falls.
#[must_use]
pub fn hall_day(at: Timestamp) -> Date {
    let offset = if planted!(DayOfGreenwich) { tz::offset(0) } else { OFFSET };
    offset.to_datetime(at).date()
}

/// The time zone of every hall.
#[must_use]
pub fn hall_zone() -> TimeZone {
    TimeZone::fixed(OFFSET)
}

/// `at` as RFC 3339 with the hall's offset, seconds or finer as needed: `2023-02-06T09:10:00+08:00`.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    at.display_with_offset(OFFSET).to_string()
}
