//! Reading.

use std::time::Duration;

use async_nats::HeaderMap;
use zhoubao_application::journal::Journal;

use crate::{at, client, event, journal, line, terminal};

const WAIT: Duration = Duration::from_secs(10);

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
    assert_eq!(page.iter().map(|it| it.position).collect::<Vec<_>>(), (161..=200).collect::<Vec<_>>());
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
    let seen: Vec<_> =
        page.iter().map(|it| (it.position, it.message.subject.as_str())).collect();
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
