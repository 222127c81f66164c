//! The journal against a real server.

mod append;
mod blobs;
mod checks;
mod conformance;
mod line;
mod proxy;
mod raw;
mod read;
mod restore;
mod rights;

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use serde_json::{Value, json};
use zhoubao_application::journal::{Expectation, Incarnation};
use zhoubao_domain::id::Subject;
use zhoubao_nats::{NatsJournal, Options, StreamOptions};
use zhoubao_test_support::NatsServer;

pub(crate) use zhoubao_conformance::journal::{event, hall, line, terminal};

/// Bytes that the streams of the tests may take.
const BYTES_MAX: u64 = 1 << 30;

/// Options of production for a test server.
pub(crate) fn options(server: &NatsServer) -> Options {
    let sys_url = Some(server.sys_url());
    Options { sys_url, ..Options::new(server.url(), hall()) }
}

/// A new incarnation.
pub(crate) fn stream_options() -> StreamOptions {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    StreamOptions { incarnation: Incarnation(format!("journal-{number}")), bytes_max: BYTES_MAX }
}

/// A journal on a server of its own.
pub(crate) async fn journal() -> anyhow::Result<(NatsServer, NatsJournal)> {
    let server = NatsServer::start().await?;
    let journal = journal_on(&server).await?;
    Ok((server, journal))
}

/// A new journal on a server.
pub(crate) async fn journal_on(server: &NatsServer) -> anyhow::Result<NatsJournal> {
    let options = options(server);
    NatsJournal::create_stream(&options, &stream_options()).await?;
    Ok(NatsJournal::connect(options).await?)
}

/// The settings of a hall's stream, changed by `change`.
pub(crate) async fn create_changed_stream(
    server: &NatsServer,
    change: impl FnOnce(&mut Value),
) -> anyhow::Result<()> {
    // The server's own words for a right stream, taken from one that is given back.
    let options = options(server);
    NatsJournal::create_stream(&options, &stream_options()).await?;
    let mut config = api(server, "STREAM.INFO.HALL_510000", &json!({})).await?["config"].take();
    api(server, "STREAM.DELETE.HALL_510000", &json!({})).await?;
    change(&mut config);
    api(server, "STREAM.CREATE.HALL_510000", &config).await?;
    Ok(())
}

/// A plain client with all rights.
pub(crate) async fn client(server: &NatsServer) -> anyhow::Result<async_nats::Client> {
    let options = async_nats::ConnectOptions::with_user_and_password("hall".into(), "hall".into());
    Ok(options.connect(server.url()).await?)
}

/// Asks the JetStream API.
pub(crate) async fn api(
    server: &NatsServer,
    subject: &str,
    request: &Value,
) -> anyhow::Result<Value> {
    let client = client(server).await?;
    let answer = client.request(format!("$JS.API.{subject}"), request.to_string().into()).await?;
    let answer: Value = serde_json::from_slice(&answer.payload)?;
    anyhow::ensure!(answer.get("error").is_none(), "{answer}");
    Ok(answer)
}

/// The last sequence of the stream, by the server's own account.
pub(crate) async fn last(server: &NatsServer) -> anyhow::Result<u64> {
    let info = api(server, "STREAM.INFO.HALL_510000", &json!({})).await?;
    info["state"]["last_seq"].as_u64().context("no last sequence")
}

/// The expectation that `subject` ends at `last`.
pub(crate) fn at(subject: &Subject, last: u64) -> Expectation {
    Expectation { subject: subject.clone(), last }
}
