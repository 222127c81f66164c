//! The log: to stderr, without secrets.

use std::io::{self, Write};
use std::sync::Arc;

use tracing::Metadata;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use zhoubao_application::way;

use crate::config::{Config, LogFormat, redact};
use crate::failure::Failure;
use crate::following::Following;

/// What a short command logs where nothing is set: what somebody must know.
pub const QUIET: &str = "warn";

/// What a running service logs where nothing is set.
pub const SERVICE: &str = "info,async_nats=warn,sqlx=warn";

/// Turns the log on for this process, and the following of events where a collector is set; a second call changes nothing.
///
/// # Errors
///
/// E.780 for a filter that cannot be read.
pub fn start(config: &Config, default: &str) -> Result<Option<Following>, Failure> {
    let filter = config.log.as_deref().unwrap_or(default);
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::configuration(format!("`log` is no filter: {error}"))
            .with_next("write a level such as `info`, or `zhoubao=debug,warn`")
    })?;
    let log = tracing_subscriber::fmt::layer().with_writer(Redacting(config.secrets().into()));
    let log = match config.log_format {
        LogFormat::Json => log.json().boxed(),
        LogFormat::Text => log.with_ansi(false).with_target(false).boxed(),
    };
    let is_of_way = |it: &Metadata<'_>| it.target() == way::TARGET;
    let not_of_way = filter_fn(move |it| !is_of_way(it));
    let log = tracing_subscriber::registry().with(log.with_filter(filter.and(not_of_way)));
    // Somebody else's log is on already where the library is used in a test: then that one stays.
    let Some(collector) = &config.otlp else {
        let _ = log.try_init();
        return Ok(None);
    };
    let (following, ways) = Following::start(collector)?;
    let _ = log.with(ways.with_filter(filter_fn(is_of_way))).try_init();
    Ok(Some(following))
}

/// Writes whole lines to stderr, without the passwords in them: a client may log its address in any form.
struct Redacting(Arc<[String]>);

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Line;

    fn make_writer(&'a self) -> Self::Writer {
        Line { bytes: Vec::new(), secrets: self.0.clone() }
    }
}

/// One line of the log, written when it is dropped.
struct Line {
    bytes: Vec<u8>,
    secrets: Arc<[String]>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            let mut line = redact(&String::from_utf8_lossy(&self.bytes));
            for secret in &*self.secrets {
                line = line.replace(secret, "***");
            }
            // There is nowhere left to say that the log cannot be written.
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }
}
