//! The servers start, restart where they were, and leave nothing behind.

mod client;
mod nats;
mod postgres;

use std::path::Path;
use std::time::Duration;

use zhoubao_test_support::eventually;

/// Longest wait for a condition in these tests.
const LIMIT: Duration = Duration::from_secs(60);

/// Variable that turns a test into the child process of another one.
const CHILD: &str = "ZHOUBAO_TEST_CHILD";

/// Kills a process that has started a server, and waits until the server and its folder are gone.
async fn assert_server_ends_with_its_process(test: &str) -> anyhow::Result<()> {
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir()?;
    let announced = dir.path().join("server");
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, &announced)
        .stdout(Stdio::null())
        .spawn()?;
    let (pid, store) = eventually("the child to start its server", LIMIT, async || {
        assert_eq!(child.try_wait()?, None, "the child ended");
        let text = std::fs::read_to_string(&announced).unwrap_or_default();
        // The line break comes last: a half-written file means "not yet".
        let line = text.strip_suffix('\n').and_then(|line| line.split_once(' '));
        Ok(line.map(|(pid, store)| (pid.to_owned(), store.to_owned())))
    })
    .await?;
    child.kill()?;
    child.wait()?;
    eventually("the server and its folder to go", LIMIT, async || {
        let gone = !is_running(&pid) && !Path::new(&store).exists();
        Ok(gone.then_some(()))
    })
    .await
}

/// Whether a process exists and has not just ended, with nobody to collect its status.
fn is_running(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Tells the parent about the server, and waits to be killed.
async fn announce_and_wait(to: &std::ffi::OsStr, line: String) -> anyhow::Result<()> {
    std::fs::write(to, line)?;
    std::future::pending().await
}

#[tokio::test]
async fn servers_start_side_by_side_from_tasks() -> anyhow::Result<()> {
    let nats = tokio::spawn(zhoubao_test_support::NatsServer::start());
    let other = tokio::spawn(zhoubao_test_support::NatsServer::start());
    let postgres = tokio::spawn(zhoubao_test_support::Postgres::start());
    let (mut nats, other, mut postgres) = (nats.await??, other.await??, postgres.await??);
    assert_ne!(nats.port(), other.port());
    tokio::spawn(async move {
        nats.restart().await?;
        postgres.restart().await
    })
    .await?
}
