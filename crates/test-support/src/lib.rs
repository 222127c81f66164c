//! Real servers for tests: a `nats-server` with JetStream, a PostgreSQL cluster; the fonts of pages; and whether a
//! description of an interface breaks those who use it.
//!
//! Each server has a port and a temporary directory of its own. It ends when its value is dropped, and also when the
//! test process ends in any other way: a `static` is never dropped, and a killed test drops nothing.
//!
//! # Rules of this crate
//!
//! - A missing server is an error that names the command to run, never a skipped test.
//! - Nothing sleeps to be on the safe side: every wait has a condition and a deadline.
//! - A port outlives the server that listens on it, so that clients may reconnect after [`NatsServer::restart`].
//!
//! Read [`NatsServer`] and [`Postgres`] first; `process` and `scratch` say how nothing is left behind.

mod api;
mod fonts;
mod nats;
mod port;
mod postgres;
mod process;
mod queries;
mod scratch;

use std::time::{Duration, Instant};

use anyhow::bail;

pub use api::{breaks_of_asyncapi, breaks_of_openapi};
pub use fonts::{FONTS, fonts};
pub use nats::{NatsServer, NatsServerBuilder, NatsUser};
pub use postgres::Postgres;
pub use queries::{files_below, queries_are_as_described};

/// Longest wait for a server to start or to end; the machine may be busy compiling.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `condition` gives a value, and fails with `what` in the message after `limit`.
///
/// For the test itself: where the future must be [`Send`], the compiler may not see that one with such a closure is.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut condition: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await? {
            return Ok(value);
        }
        if started.elapsed() > limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The same for a condition that needs no waiting of its own; its future is [`Send`].
async fn until<T>(
    what: &str,
    mut condition: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if started.elapsed() > PATIENCE {
            bail!("waited {PATIENCE:?} in vain for {what}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
