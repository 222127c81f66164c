//! Measures the product beside a hand-written program that does the same without its promises.
//!
//! ```text
//!  bench ──► fill       makes the journal, not timed with the rest
//!        ──► product    the product's projector or writer  ╮ by turns, as often as --runs says,
//!        ──► baseline   the hand-written one               ╯ each turn in a process of its own
//! ```
//!
//! Each turn is this program again with hidden flags: so its peak of memory is its own, and no turn finds the caches
//! of an allocator that another has filled. A turn answers with one JSON object on stdout.
//!
//! [`web`] measures both sides in one process, by turns.
//!
//! [`readers`] has the service in a process of its own, and no baseline but the same without them.
//! [`compose`] measures the same issue twice, in a hall with a long journal and in one with a short one.
//!
//! [`drain`] has no baseline but the same hall while it is idle, and no turns.
//!
//! Read [`turn`] first, then [`baseline`].

pub mod baseline;
pub mod compose;
pub mod drain;
pub mod journal;
pub mod readers;
pub mod turn;
pub mod web;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zhoubao_domain::id::{HallCode, ParseIdError};

use crate::config::{Address, JournalAt};
use crate::failure::Failure;
use crate::wiring::Context;

/// The benchmark's hall: no place in China has this code, so its stream is nobody's.
pub const HALL: &str = "990000";

/// The hall of the baseline's own stream.
pub const HALL_OF_BASELINE: &str = "990001";

/// Schema of the product's read models.
pub const SCHEMA: &str = "zhoubao_bench";

/// Schema of the baseline's.
pub const SCHEMA_OF_BASELINE: &str = "zhoubao_bench_raw";

/// Name of the file in which a turn finds [`Own`].
const OWN: &str = "bench.json";

/// A broker of the benchmark's own, told to the turns in a file that only this user can read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Own {
    /// Address of the hall's user.
    pub url: String,
    /// Address of the user that may ask how the server syncs.
    pub sys_url: String,
}

impl Own {
    /// Leaves it for the turns.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn leave(&self, folder: &Path) -> Result<(), Failure> {
        let path = folder.join(OWN);
        let text = serde_json::to_vec(self).unwrap_or_default();
        std::fs::write(&path, text).map_err(|error| Failure::file(&path, &error))
    }

    fn found(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(OWN)).ok()?).ok()
    }
}

/// The hall of a code above.
pub(crate) fn hall(code: &str) -> Result<HallCode, Failure> {
    Ok(code.parse().map_err(|error: ParseIdError| error)?)
}

/// The context of the benchmark's hall in its folder.
pub(crate) fn context(ctx: &Context, folder: &Path) -> Result<Context, Failure> {
    let mut ctx = ctx.clone();
    ctx.config.dir = folder.to_owned();
    ctx.config.hall = Some(hall(HALL)?);
    ctx.config.store_schema = SCHEMA.to_owned();
    if let Some(own) = Own::found(folder) {
        ctx.config.journal = JournalAt::Nats(Address::new(own.url));
        ctx.config.sys_url = Some(Address::new(own.sys_url));
    }
    Ok(ctx)
}

/// The largest resident size of this process so far, in KiB, where the system tells.
#[must_use]
pub fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The time, in milliseconds, within which `percent` of 100 were done; 0 where there were none.
fn percentile_ms(ascending: &[Duration], percent: usize) -> f64 {
    let place = (ascending.len() * percent / 100).min(ascending.len().saturating_sub(1));
    ascending.get(place).map_or(0.0, |it| it.as_secs_f64() * 1000.0)
}
