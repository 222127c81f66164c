//! Reading.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use zhoubao_application::follow::Follower;
use zhoubao_application::journal::Journal;
use zhoubao_test_support::NatsServer;

use crate::{at, client, event, journal, line, terminal};

const WAIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_page_is_full_where_there_is_enough() -> anyhow::Result<()> {
    let (_server, journal) = journal().await?;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 200, None);
    journal.append(&messages, &[at(&subject, 0)]).await?;
    let mut cursor = Journal::open(&journal, 11).await?;
    let page = cursor.next(150, WAIT).await?;
    assert_eq!(page.len(), 150);
    assert_eq!(page[0].position, 11);
    assert_eq!(page[0].message, messages[10]);
    let page = cursor.next(150, WAIT).await?;
    assert_eq!(
        page.iter().map(|it| it.position).collect::<Vec<_>>(),
        (161..=200).collect::<Vec<_>>()
    );
    Ok(())
}

#[tokio::test]
async fn more_bytes_than_one_request_may_have_are_read() -> anyhow::Result<()> {
    let (_server, journal) = journal().await?;
    let subject = terminal("w01");
    let body = "x".repeat(30_000);
    let mut last = 0;
    // 45 MB: a pull ends at 16 MB.
    for chunk in 0..15 {
        let messages: Vec<_> =
            (1..=100).map(|it| event(&subject, chunk * 100 + it, None, &body)).collect();
        last = *journal.append(&messages, &[at(&subject, last)]).await?.last().expect("a sequence");
    }
    let mut cursor = Journal::open(&journal, 1).await?;
    let mut next = 1;
    while next <= last {
        for stored in cursor.next(10_000, WAIT).await? {
            assert_eq!(stored.position, next);
            next += 1;
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_others_wrote_is_read_as_it_is() -> anyhow::Result<()> {
    let (server, journal) = journal().await?;
    let client = client(&server).await?;
    // No headers, a subject that is no stream of a hall, headers that lie about the broker's own.
    client.request("hall.510000.terminal.w01", "plain".into()).await?;
    client.request("hall.510000.some.thing.else", "odd".into()).await?;
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Sequence", "77");
    headers.insert("Nats-Subject", "hall.510000.issues");
    headers.insert("ce-b", "2");
    headers.insert("ce-a", "%E5%A4%A7");
    client.request_with_headers("hall.510000.terminal.w02", headers, "lies".into()).await?;

    let mut cursor = Journal::open(&journal, 1).await?;
    let page = cursor.next(10, WAIT).await?;
    let seen: Vec<_> = page.iter().map(|it| (it.position, it.message.subject.as_str())).collect();
    assert_eq!(
        seen,
        [
            (1, "hall.510000.terminal.w01"),
            (2, "hall.510000.some.thing.else"),
            (3, "hall.510000.terminal.w02"),
        ]
    );
    let extra = [("a".to_owned(), "大".to_owned()), ("b".to_owned(), "2".to_owned())];
    assert_eq!(page[2].message.attributes.extra, extra);
    for stored in page {
        assert_eq!(journal.get(stored.position).await?, Some(stored));
    }
    Ok(())
}

#[tokio::test]
async fn the_state_of_the_broker_is_told() -> anyhow::Result<()> {
    let (_server, journal) = journal().await?;
    let subject = terminal("w01");
    journal.append(&line(&subject, 1, 20, None), &[at(&subject, 0)]).await?;
    let _cursor = Journal::open(&journal, 1).await?;
    let state = journal.broker_state().await?;
    assert_eq!((state.last, state.messages, state.replicas), (20, 20, 1));
    assert!(state.is_whole() && !state.is_filling());
    assert!(state.consumers >= 1);
    assert_eq!(state.bytes_max, Some(1 << 30));
    assert_eq!(state.filled_percent(), Some(0));
    Ok(())
}

/// Publishes bytes as they are, which no client does.
async fn publish_raw(server: &NatsServer, subject: &str, headers: &[u8]) -> anyhow::Result<()> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port())).await?;
    let connect = r#"CONNECT {"verbose":false,"headers":true,"user":"hall","pass":"hall"}"#;
    let length = headers.len();
    let mut text = format!("{connect}\r\nHPUB {subject} {length} {}\r\n", length + 2).into_bytes();
    text.extend_from_slice(headers);
    text.extend_from_slice(b"{}\r\nPING\r\n");
    stream.write_all(&text).await?;
    let mut answer = String::new();
    let mut stream = tokio::io::BufReader::new(stream);
    while answer != "PONG\r\n" {
        answer.clear();
        anyhow::ensure!(
            stream.read_line(&mut answer).await? > 0 && !answer.starts_with("-ERR"),
            "{answer}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn no_message_stops_the_readers() -> anyhow::Result<()> {
    let (server, journal) = journal().await?;
    let (good, bad) = (terminal("good"), terminal("bad"));
    let messages = line(&good, 1, 3, None);
    journal.append(&messages[..1], &[at(&good, 0)]).await?;
    let poisons: [&[u8]; 6] = [
        b"NATS/1.0\r\nno colon\r\nce-id: 7\r\n\r\n",
        b"NATS/1.0\r\nce-id: 8\xff\r\n\r\n",
        b"HTTP/1.1\r\nce-id: 9\r\n\r\n",
        b"NATS/1.0 100 Idle Heartbeat\r\nce-id: 10\r\n\r\n",
        b"NATS/1.0 503\r\nce-id: 11\r\n\r\n",
        b"NATS/1.0 999999 x\r\nce-id: 12\r\n\r\n",
    ];
    for poison in poisons {
        publish_raw(&server, &bad.to_string(), poison).await?;
    }
    journal.append(&messages[1..], &[at(&good, 1)]).await?;

    let journal = Arc::new(journal);
    let mut follower = Follower::new(journal.clone(), None);
    let mut seen = Vec::new();
    let deadline = Instant::now() + 3 * WAIT;
    while seen.len() < 9 {
        anyhow::ensure!(Instant::now() < deadline, "stopped at {}", seen.len());
        seen.extend(follower.next_page(10, Duration::from_millis(100)).await?.messages);
    }
    assert_eq!(seen.iter().map(|it| it.position).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    let good: Vec<_> =
        seen.iter().map(|it| &it.message).filter(|it| it.subject == messages[0].subject).collect();
    assert_eq!(good, messages.iter().collect::<Vec<_>>());
    let ids: Vec<_> = seen[1..7].iter().map(|it| it.message.attributes.id.as_deref()).collect();
    assert_eq!(ids[0], Some("7"));
    for stored in &seen {
        assert_eq!(journal.get(stored.position).await?.as_ref(), Some(stored));
    }
    assert_eq!(journal.head(&bad).await?.as_ref(), Some(&seen[6]));
    Ok(())
}
