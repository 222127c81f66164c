//! Opening a file that another process is opening, recovering or closing.
//!
//! SQLite's own wait (`busy_timeout`) does not cover these moments: a change to the write-ahead log, its recovery after
//! a crash and the last close answer "busy" at once.

use std::time::Duration;

use tokio::time::Instant;

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Primary result code of a file in use.
const BUSY: i64 = 5;

/// Whether another connection is in the way.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|it| it.code()?.parse::<i64>().ok());
    // The low byte of an extended code is the primary one.
    code.is_some_and(|it| it & 0xff == BUSY)
}

/// How long opening goes on.
pub(crate) struct Patience(Instant);

impl Patience {
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// Waits a little; false when it is over.
    pub(crate) async fn pause(&self) -> bool {
        tokio::time::sleep(PAUSE).await;
        Instant::now() < self.0
    }
}
