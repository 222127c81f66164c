//! What becomes of an append.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_nats::HeaderMap;
use futures_util::StreamExt as _;
use serde_json::json;
use zhoubao_application::journal::{AppendError, Journal as _, append_in_order};
use zhoubao_nats::{Fault, NatsJournal, Options};
use zhoubao_test_support::{NatsServer, NatsUser, eventually};

use crate::proxy::Proxy;
use crate::{
    at, client, create_changed_stream, event, hall, journal, journal_on, last, line, options,
    terminal,
};

/// Opens `count` batches and leaves them; they stay open as long as the server allows.
pub(crate) async fn hold_batches(
    server: &NatsServer,
    count: u32,
) -> anyhow::Result<async_nats::Client> {
    let client = client(server).await?;
    for number in 0..count {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", format!("held-{number}"));
        headers.insert("Nats-Batch-Sequence", "1");
        let subject = "hall.510000.terminal.holder";
        let opened = client.request_with_headers(subject, headers, "{}".into()).await?;
        anyhow::ensure!(opened.payload.is_empty(), "batch {number}: {:?}", opened.payload);
    }
    Ok(client)
}

/// The innermost cause of an append that is not known to have happened.
#[track_caller]
pub(crate) fn fault(error: &AppendError) -> &Fault {
    let AppendError::Unavailable(source) = error else { panic!("{error:?}") };
    source.downcast_ref().expect("a fault")
}

#[tokio::test]
async fn open_batches_of_another_client_are_no_hindrance() -> anyhow::Result<()> {
    // The server's own defaults.
    let server = NatsServer::builder()
        .batch_max_inflight(50)
        .batch_timeout(Duration::from_secs(600))
        .start()
        .await?;
    let journal = journal_on(&server).await?;
    let _holder = hold_batches(&server, 50).await?;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 250, None);

    let refused = journal.append(&messages[..200], &[at(&subject, 0)]).await;
    assert!(matches!(refused, Err(AppendError::BatchRefused)), "{refused:?}");
    assert_eq!(last(&server).await?, 0);

    let appended = append_in_order(&journal, &subject, &messages, 0).await;
    assert!(appended.stopped.is_none(), "{:?}", appended.stopped);
    assert_eq!(appended.sequences, (1..=250).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn a_server_with_small_batches_takes_singles() -> anyhow::Result<()> {
    let server = NatsServer::builder().batch_max_msgs(10).start().await?;
    let journal = journal_on(&server).await?;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 30, None);

    let refused = journal.append(&messages, &[at(&subject, 0)]).await;
    assert!(matches!(refused, Err(AppendError::BatchRefused)), "{refused:?}");
    assert_eq!(last(&server).await?, 0);

    let appended = append_in_order(&journal, &subject, &messages, 0).await;
    assert!(appended.stopped.is_none(), "{:?}", appended.stopped);
    assert_eq!(appended.sequences, (1..=30).collect::<Vec<_>>());
    let findings = journal.check().await?;
    assert_eq!(findings.iter().filter(|it| it.to_string().contains("max_msgs: 200")).count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_lost_acknowledgement_is_found_in_the_journal() -> anyhow::Result<()> {
    let (server, direct) = journal().await?;
    let proxy = Proxy::start(server.port()).await?;
    let journal =
        NatsJournal::connect(Options { url: proxy.url(&server.url()), ..options(&server) }).await?;
    let (a, b) = (terminal("a"), terminal("b"));
    let messages = line(&a, 1, 5, None);

    proxy.swallow_acknowledgement();
    assert_eq!(journal.append(&messages[..1], &[at(&a, 0)]).await?, [1]);
    assert!(proxy.has_swallowed());

    proxy.swallow_acknowledgement();
    assert_eq!(journal.append(&messages[1..4], &[at(&a, 1)]).await?, [2, 3, 4]);
    assert!(proxy.has_swallowed());

    let two = [messages[4].clone(), event(&b, 1, None, "{}")];
    proxy.swallow_acknowledgement();
    assert_eq!(journal.append(&two, &[at(&a, 4), at(&b, 0)]).await?, [5, 6]);
    assert!(proxy.has_swallowed());

    // And once more by somebody who never heard of it.
    assert_eq!(direct.append(&messages[1..4], &[at(&a, 1)]).await?, [2, 3, 4]);
    assert_eq!(last(&server).await?, 6);
    Ok(())
}

#[tokio::test]
async fn a_rival_behind_a_lost_acknowledgement_changes_nothing() -> anyhow::Result<()> {
    let (_server, journal) = journal().await?;
    let a = terminal("a");
    let messages = line(&a, 1, 3, None);
    journal.append(&messages[..2], &[at(&a, 0)]).await?;
    journal.append(&messages[2..], &[at(&a, 2)]).await?;
    // The head is no longer ours, but what we sent is where it belongs.
    assert_eq!(journal.append(&messages[..2], &[at(&a, 0)]).await?, [1, 2]);
    Ok(())
}

/// Whether the server knows the id of a message that somebody else sent before; from this call on it does.
async fn knows_the_probe(server: &NatsServer) -> anyhow::Result<bool> {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "probe");
    let probe = "hall.510000.terminal.probe";
    let answer = client(server).await?.request_with_headers(probe, headers, "{}".into()).await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer.payload)?;
    anyhow::ensure!(answer["seq"].is_u64(), "{answer}");
    Ok(answer["duplicate"] == true)
}

/// The window forgets, so nothing may rest on it: the journal stores a repeat, and whoever folds it tells.
#[tokio::test]
async fn the_same_event_is_stored_again_within_the_duplicate_window_and_beyond_it()
-> anyhow::Result<()> {
    let subject = terminal("w01");
    let message = line(&subject, 1, 1, None);
    let stored_twice = async |journal: &NatsJournal, first: u64, second: u64| {
        assert!(first < second);
        for position in [first, second] {
            let stored = journal.get(position).await?.context("it is stored")?;
            assert_eq!(stored.message, message[0]);
        }
        anyhow::Ok(())
    };

    let (server, journal) = journal().await?;
    assert!(!knows_the_probe(&server).await?);
    let first = journal.append(&message, &[at(&subject, 0)]).await?[0];
    let second = journal.append(&message, &[at(&subject, first)]).await?[0];
    assert!(knows_the_probe(&server).await?, "the window is open");
    stored_twice(&journal, first, second).await?;

    // A stream of its own: told of a shorter window, a server may keep to the old one.
    let server = NatsServer::start().await?;
    let window = json!(Duration::from_millis(100).as_nanos());
    create_changed_stream(&server, |it| it["duplicate_window"] = window).await?;
    let journal = NatsJournal::open(options(&server)).await?;
    let first = journal.append(&message, &[at(&subject, 0)]).await?[0];
    assert!(!knows_the_probe(&server).await?);
    eventually("the window to close", Duration::from_secs(60), async || {
        Ok((!knows_the_probe(&server).await?).then_some(()))
    })
    .await?;
    let second = journal.append(&message, &[at(&subject, first)]).await?[0];
    stored_twice(&journal, first, second).await
}

#[tokio::test]
async fn a_server_that_is_down_is_told_soon_and_stores_nothing_later() -> anyhow::Result<()> {
    let (mut server, journal) = journal().await?;
    let subject = terminal("w01");
    server.kill().await?;
    // From here on the loss is known.
    assert!(journal.state().await.is_err());
    let asked_at = Instant::now();
    let refused = journal.append(&line(&subject, 1, 3, None), &[at(&subject, 0)]).await;
    assert_eq!(fault(&refused.unwrap_err()), &Fault::Disconnected);
    assert!(asked_at.elapsed() < Duration::from_secs(5));
    server.restart().await?;
    // What was told to have failed does not come late out of a buffer.
    journal.append(&line(&subject, 1, 1, None), &[at(&subject, 0)]).await?;
    assert_eq!(last(&server).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_full_subject_is_told_and_the_others_go_on() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    create_changed_stream(&server, |it| it["max_msgs_per_subject"] = 3.into()).await?;
    let journal = NatsJournal::open(options(&server)).await?;
    let (a, b) = (terminal("a"), terminal("b"));
    let messages = line(&a, 1, 4, None);
    journal.append(&messages[..3], &[at(&a, 0)]).await?;
    let refused = journal.append(&messages[3..], &[at(&a, 3)]).await.unwrap_err();
    assert!(matches!(fault(&refused), Fault::Refused { code: 10077, .. }), "{refused:?}");
    assert_eq!(journal.append(&[event(&b, 1, None, "{}")], &[at(&b, 0)]).await?, [4]);
    Ok(())
}

#[tokio::test]
async fn a_user_without_the_right_is_told_so_at_once() -> anyhow::Result<()> {
    let server = NatsServer::builder()
        .user(NatsUser {
            name: "reader".into(),
            password: "reader".into(),
            publish: vec!["$JS.API.>".into()],
            subscribe: vec!["_INBOX.>".into()],
        })
        .start()
        .await?;
    let options = Options { url: server.url_of("reader")?, ..options(&server) };
    NatsJournal::create_stream(&options, &crate::stream_options()).await?;
    let refused = NatsJournal::connect(options.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("may not write to `hall.510000."), "{refused}");
    assert!(refused.contains("E.701"), "{refused}");

    let journal = NatsJournal::open(options).await?;
    let subject = terminal("w01");
    for count in [1, 3] {
        let asked_at = Instant::now();
        let refused = journal.append(&line(&subject, 1, count, None), &[at(&subject, 0)]).await;
        let refused = refused.unwrap_err();
        assert!(matches!(fault(&refused), Fault::NotPermitted(_)), "{refused:?}");
        assert!(fault(&refused).to_string().contains("hall.510000.terminal.w01"), "{refused:?}");
        assert!(asked_at.elapsed() < Duration::from_secs(3));
    }
    Ok(())
}

#[tokio::test]
async fn appends_carry_an_expectation_and_no_message_id() -> anyhow::Result<()> {
    let (server, journal) = journal().await?;
    let client = client(&server).await?;
    let mut wire = client.subscribe(format!("hall.{}.>", hall())).await?;
    // The server answers in order: from here on it knows of the subscription.
    client.request("$JS.API.INFO", "".into()).await?;
    let (a, b) = (terminal("a"), terminal("b"));
    let messages = line(&a, 1, 3, None);
    journal.append(&messages[..1], &[at(&a, 0)]).await?;
    let batch = [messages[1].clone(), event(&b, 1, None, "{}"), messages[2].clone()];
    journal.append(&batch, &[at(&a, 1), at(&b, 0)]).await?;

    let mut seen = Vec::new();
    while seen.len() < 4 {
        let message = tokio::time::timeout(Duration::from_secs(60), wire.next()).await?;
        let message = message.expect("a message");
        let headers = message.headers.expect("headers");
        let header = |name| headers.get(name).map(|it| it.as_str().to_owned());
        assert_eq!(header("Nats-Msg-Id"), None);
        seen.push((
            header("Nats-Expected-Last-Subject-Sequence"),
            header("Nats-Batch-Id").map(|it| it.len()),
            header("Nats-Batch-Sequence"),
            header("Nats-Batch-Commit"),
            message.reply.is_some(),
        ));
    }
    let text = |it: &str| Some(it.to_owned());
    assert_eq!(
        seen,
        [
            (text("0"), None, None, None, true),
            (text("1"), Some(32), text("1"), None, true),
            (text("0"), Some(32), text("2"), None, false),
            (None, Some(32), text("3"), text("1"), true),
        ]
    );
    Ok(())
}
