//! What a device puts right once it knows how wrong its clock was: the events that it wrote down before the first contact
//! of the boot.
//!
//! Their bytes stand, so the time of each is corrected by an event of its own. The hall holds such an event back unless
//! the journal took it within [`CLOCK_OFFSET_MAX`] of what the clock said (E.131); a correction lets it count.

use jiff::{SignedDuration, Timestamp};
use zhoubao_domain::counting::CLOCK_OFFSET_MAX;

/// What was sent so shortly after it was written down was surely taken in time; what waited longer may not have been.
const TAKEN_SOON: SignedDuration = SignedDuration::from_secs(20);

/// An event that was written down before the first contact of its boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmeasured {
    /// When it happened, as the clock of the wall gave it.
    pub time: Timestamp,
    /// What the clock of the wall said when it was written down.
    pub wall: Timestamp,
    /// What the clock that never jumps said then, in microseconds.
    pub monotonic_us: i64,
    /// By how much the event says that the wall's was ahead: an offset carried from an earlier boot.
    pub carried: SignedDuration,
}

/// What time the journal had at the first contact, and what the clock that never jumps said then, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The time of the journal.
    pub server: Timestamp,
    /// The clock of the same boot.
    pub monotonic_us: i64,
}

impl Measured {
    /// When the event truly happened; `None` where what it says of that is right, and believed by the hall.
    ///
    /// A correction too many changes nothing: it says the same time again.
    #[must_use]
    pub fn correction(&self, of: &Unmeasured) -> Option<Timestamp> {
        let since = SignedDuration::from_micros(self.monotonic_us.saturating_sub(of.monotonic_us));
        let written_at = self.server.saturating_sub(since).ok()?;
        let ahead = of.wall.duration_since(written_at);
        let is_right = ahead.saturating_sub(of.carried).abs() <= CLOCK_OFFSET_MAX;
        let said = of.wall.saturating_sub(of.carried).ok()?;
        if is_right && self.server.duration_since(said).abs() <= TAKEN_SOON {
            return None;
        }
        of.time.saturating_sub(ahead).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn second(of: i64) -> Timestamp {
        Timestamp::from_second(of).unwrap()
    }

    /// Contact was at second 10,000 of the journal, 500 s after the machine was switched on.
    fn corrected(run: i64, wall: i64, carried: i64) -> Option<i64> {
        let measured = Measured { server: second(10_000), monotonic_us: 500 * SECOND };
        let of = Unmeasured {
            // The page wrote it a second before the ledger did.
            time: second(wall - 1),
            wall: second(wall),
            monotonic_us: run * SECOND,
            carried: SignedDuration::from_secs(carried),
        };
        measured.correction(&of).map(Timestamp::as_second)
    }

    #[test]
    fn what_was_written_down_before_the_first_contact_gets_its_true_time() {
        // Sent at once by a right clock: the journal itself says so.
        assert_eq!(corrected(499, 9_999, 0), None);
        // By a right clock, but it waited: the hall cannot know, so the device says it.
        assert_eq!(corrected(400, 9_900, 0), Some(9_899));
        // The clock stood at the day it was switched off, a week ago.
        assert_eq!(corrected(499, 9_999 - 604_800, 0), Some(9_998));
        assert_eq!(corrected(100, 9_600 - 604_800, 0), Some(9_599));
        // It was fast by just as long as the event waited, which the journal cannot tell from a right clock.
        assert_eq!(corrected(100, 10_000, 0), Some(9_599));
        // Somebody set it between the two.
        assert_eq!(corrected(200, 9_700 + 3_600, 0), Some(9_699));
        // What was carried from the boot before is right, or is not any more.
        assert_eq!(corrected(499, 9_999 + 47, 47), None);
        assert_eq!(corrected(499, 9_999, 47), Some(9_998));
        assert_eq!(corrected(400, 9_900 + 47, 47), Some(9_899));
    }
}
