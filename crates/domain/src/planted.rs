//! Bugs that are compiled in on purpose, so that the simulator can show that it finds them.
//!
//! Only with the feature `planted-bugs`, which nothing but the simulator's own test turns on. Without it
//! [`planted!`](crate::planted!) is the word `false`, and nothing of this is in a build.

#[cfg(feature = "planted-bugs")]
use std::cell::Cell;

#[cfg(feature = "planted-bugs")]
macro_rules! bugs {
    ($($(#[doc = $what:literal])+ $bug:ident,)+) => {
        /// A bug that can be switched on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[doc = $what])+ $bug,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug,)+];

            /// What it does wrong.
            #[must_use]
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$bug => concat!($($what,)+),)+
                }
            }
        }
    };
}

#[cfg(feature = "planted-bugs")]
bugs! {
    /// The queue takes a batch without an answer for stored.
    StoredWithoutAnswer,
    /// The queue takes a conflict for a duplicate of what it sent.
    ConflictIsDuplicate,
    /// The queue does not rewind when the journal went back.
    NotRewound,
    /// The queue goes on after another content under one of its numbers.
    ForkUnnoticed,
    /// The queue goes on with a ledger that is behind the journal, and uses its numbers again.
    NumbersReused,
    /// The fold tells repeats from new events by the last three numbers only.
    DedupWindow,
    /// The fold compares numbers but not contents.
    ContentNotCompared,
    /// The fold does not compare the hash of the event before.
    ChainIgnored,
    /// The fold forgets what was held when the missing event comes.
    HeldForgotten,
    /// The follower goes on behind a gap.
    GapSkipped,
    /// The follower does not notice that its checkpoint's message is another one.
    WentBackUnnoticed,
    /// The store moves the checkpoint outside of the transaction of the rows.
    CheckpointApart,
    /// A freeze includes events after its cut.
    FreezeIncludesLater,
    /// A fact about a frozen period makes no adjustment.
    AdjustmentLost,
    /// Facts between a cut and its freeze make no adjustment.
    BetweenLost,
    /// What the issue before carried is summed anew.
    CarriedAnew,
    /// A release counts at the position of the original.
    ReleaseAtOldPosition,
    /// What is flagged counts all the same.
    FlaggedCounts,
    /// A second hand-out of a case counts.
    DoubleIssue,
    /// A correction counts beside what it corrects.
    CorrectionCountsTwice,
    /// A voiding takes nothing back.
    VoidIgnored,
    /// The offset of a device's clock is added where it should be taken away.
    ClockSign,
    /// Days begin at midnight of Greenwich.
    DayOfGreenwich,
    /// A withdrawn authorization still holds on its first day.
    WithdrawnTooLate,
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    static ON: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Switches one bug on in this thread, or all off.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<Bug>) {
    ON.set(bug);
}

/// Whether a bug is on in this thread.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn is_on(bug: Bug) -> bool {
    ON.get() == Some(bug)
}

/// Whether a planted bug is on.
#[cfg(feature = "planted-bugs")]
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        $crate::planted::is_on($crate::planted::Bug::$bug)
    };
}

/// Whether a planted bug is on: never, in this build.
#[cfg(not(feature = "planted-bugs"))]
#[macro_export]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}
