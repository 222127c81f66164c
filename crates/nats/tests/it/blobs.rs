//! The store of files in the JetStream object store.

use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;
use zhoubao_application::blobs::{BlobError, Blobs, digest};
use zhoubao_application::journal::Journal;
use zhoubao_conformance::blobs::{
    is_written_by_many_at_once, keeps_files, refuses_what_is_too_large,
};
use zhoubao_domain::id::{Stream, Subject};
use zhoubao_nats::{NatsBlobs, Options};
use zhoubao_test_support::NatsServer;

use crate::{at, client, event, hall, journal, terminal};

async fn blobs(server: &NatsServer) -> anyhow::Result<NatsBlobs> {
    Ok(NatsBlobs::connect(&Options::new(server.url(), hall())).await?)
}

#[tokio::test]
async fn a_bucket_keeps_files() -> anyhow::Result<()> {
    let (server, _journal) = journal().await?;
    let blobs = blobs(&server).await?;
    keeps_files(&blobs).await;
    refuses_what_is_too_large(&blobs).await;
    is_written_by_many_at_once(&blobs).await;
    Ok(())
}

#[tokio::test]
async fn a_hall_without_a_bucket_gets_one_with_its_first_file() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let blobs = blobs(&server).await?;
    assert_eq!(blobs.get(&digest(b"issue")).await?, None);
    let digest = blobs.put(b"issue").await?;
    // Anybody may read it with the client's own object store.
    let context = async_nats::jetstream::new(client(&server).await?);
    let store = context.get_object_store("FILES_510000").await?;
    let mut bytes = vec![];
    store.get(digest.to_string()).await?.read_to_end(&mut bytes).await?;
    assert_eq!(bytes, b"issue");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_down_is_told_and_waited_for() -> anyhow::Result<()> {
    let (server, _journal) = journal().await?;
    let blobs = blobs(&server).await?;
    let digest = blobs.put(b"issue").await?;
    let mut server = server;
    server.kill().await?;
    assert!(matches!(blobs.put(b"other").await, Err(BlobError::Unavailable(_))));
    server.restart().await?;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match blobs.get(&digest).await {
            Ok(found) => {
                assert_eq!(found.as_deref(), Some(b"issue".as_slice()));
                return Ok(());
            }
            Err(error) if tokio::time::Instant::now() >= deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}

#[tokio::test]
async fn each_step_of_an_issue_is_announced_once_and_nothing_else() -> anyhow::Result<()> {
    let (server, journal) = journal().await?;
    let mut heard = client(&server).await?.subscribe("live.510000.>").await?;
    let issues = Subject::new(hall(), Stream::Issues);
    let step = event(&issues, 1, None, "{\"issue\":\"a\"}");
    journal.append(&[step], &[at(&issues, 0)]).await?;
    let window = terminal("w01");
    journal.append(&[event(&window, 1, None, "{}")], &[at(&window, 0)]).await?;
    let step = event(&issues, 2, None, "{\"issue\":\"b\"}");
    journal.append(&[step], &[at(&issues, 1)]).await?;
    for (sequence, body) in [("1", "a"), ("3", "b")] {
        let message =
            tokio::time::timeout(std::time::Duration::from_secs(60), heard.next()).await?;
        let message = message.ok_or_else(|| anyhow::anyhow!("the subscription ended"))?;
        assert_eq!(message.subject.as_str(), "live.510000.issue");
        assert_eq!(message.payload, format!("{{\"issue\":\"{body}\"}}").as_bytes());
        let headers = message.headers.unwrap_or_default();
        assert_eq!(headers.get("Nats-Sequence").map(|it| it.as_str()), Some(sequence));
    }
    let more = tokio::time::timeout(std::time::Duration::from_millis(300), heard.next()).await;
    assert!(more.is_err(), "{more:?}");
    Ok(())
}
