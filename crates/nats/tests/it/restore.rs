//! A stream that is made again from a copy.

use std::time::Duration;

use async_nats::HeaderMap;
use serde_json::json;
use zhoubao_application::journal::{AppendError, Journal, JournalError};
use zhoubao_contract::Stored;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::Digest;
use zhoubao_nats::restore::RestoredStream;
use zhoubao_nats::{NatsJournal, StreamOptions};
use zhoubao_test_support::NatsServer;

use crate::{api, at, client, event, journal, line, options, stream_options, terminal};

const WAIT: Duration = Duration::from_secs(60);

const COPY: Digest = Digest::new([7; 32]);

async fn everything(journal: &NatsJournal) -> anyhow::Result<Vec<Stored>> {
    let last = journal.state().await?.last;
    let mut cursor = journal.open(1).await?;
    let mut all = vec![];
    while (all.len() as u64) < last {
        all.extend(cursor.next(10_000, WAIT).await?);
    }
    Ok(all)
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(done: Result<T, JournalError>, code: Code) {
    match done {
        Err(JournalError::Unsafe { code: found, .. }) if found == code => {}
        other => panic!("{other:?}"),
    }
}

async fn begin(server: &NatsServer, stream: &StreamOptions) -> anyhow::Result<RestoredStream> {
    Ok(RestoredStream::begin(options(server), stream.clone(), &COPY, 452).await?)
}

#[tokio::test]
async fn every_message_is_at_its_place_with_its_time_and_nobody_writes_meanwhile()
-> anyhow::Result<()> {
    let (server, journal) = journal().await?;
    let (one, two) = (terminal("w01"), terminal("w02"));
    let messages = line(&one, 1, 450, None);
    let mut last = 0;
    for chunk in messages.chunks(150) {
        last = *journal.append(chunk, &[at(&one, last)]).await?.last().expect("a sequence");
    }
    journal.append(&[event(&two, 1, None, "{}")], &[at(&two, 0)]).await?;
    // What no writer of ours would have sent.
    let mut headers = HeaderMap::new();
    headers.append("ce-id", "7");
    headers.append("ce-id", "8");
    headers.append("ce-zebra", "1");
    headers.append("ce-ant", "2");
    headers.append("Zhoubao-Recorded-At", "1999-01-01T00:00:00Z");
    let client = client(&server).await?;
    let subject = "hall.510000.terminal.w03";
    client.request_with_headers(subject, headers.clone(), vec![0xff, 0x00].into()).await?;
    let before = everything(&journal).await?;
    assert_eq!(before.len(), 452);
    assert!(before.iter().all(|it| it.recorded_at.to_string().as_str() > "2020"));

    let stream =
        StreamOptions { incarnation: journal.state().await?.incarnation, ..stream_options() };
    assert_refused(
        RestoredStream::begin(options(&server), stream.clone(), &COPY, 452).await,
        Code::OtherJournal,
    );
    api(&server, "STREAM.DELETE.HALL_510000", &json!({})).await?;

    // Cut short, and gone on with.
    let mut restored = begin(&server, &stream).await?;
    restored.push(&before[..300]).await?;
    drop(restored);
    // Whoever is connected still cannot write, and nobody new begins to.
    let refused = journal.append(&[event(&two, 1, None, "{}")], &[at(&two, 0)]).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    assert!(NatsJournal::connect(options(&server)).await.is_err());
    assert_refused(journal.state().await, Code::OtherJournal);
    let other = Digest::new([8; 32]);
    assert_refused(
        RestoredStream::begin(options(&server), stream.clone(), &other, 452).await,
        Code::OtherJournal,
    );
    let mut restored = begin(&server, &stream).await?;
    assert_eq!(restored.last(), 300);
    restored.push(&before[..400]).await?;
    restored.push(&before[400..]).await?;
    assert_eq!(restored.finish().await?, stream.incarnation);
    assert!(RestoredStream::begin(options(&server), stream.clone(), &COPY, 452).await.is_err());

    let again = NatsJournal::connect(options(&server)).await?;
    assert!(again.check().await?.iter().all(|it| it.severity == zhoubao_nats::Severity::Warning));
    for journal in [&again, &journal] {
        assert_eq!(journal.state().await?.incarnation, stream.incarnation);
        assert_eq!(everything(journal).await?, before);
        assert_eq!(journal.get(17).await?.as_ref(), before.get(16));
        assert_eq!(journal.head(&one).await?.as_ref(), before.get(449));
    }

    // Writing goes on, and nobody gives his event another time than the server's.
    let positions = journal.append(&[event(&two, 2, None, "{}")], &[at(&two, 451)]).await?;
    assert_eq!(positions, [453]);
    client.request_with_headers(subject, headers, "".into()).await?;
    let forged = again.get(454).await?.expect("it is there");
    assert!(forged.recorded_at > before[451].recorded_at, "{forged:?}");
    assert_eq!(everything(&again).await?[453], forged);
    Ok(())
}

#[tokio::test]
async fn a_restore_that_a_stranger_wrote_into_ends() -> anyhow::Result<()> {
    let (server, journal) = journal().await?;
    let subject = terminal("w01");
    journal.append(&line(&subject, 1, 20, None), &[at(&subject, 0)]).await?;
    let before = everything(&journal).await?;
    let stream =
        StreamOptions { incarnation: journal.state().await?.incarnation, ..stream_options() };
    api(&server, "STREAM.DELETE.HALL_510000", &json!({})).await?;
    let mut restored = RestoredStream::begin(options(&server), stream, &COPY, 20).await?;
    restored.push(&before[..10]).await?;
    let client = client(&server).await?;
    for _ in 0..30 {
        client.request("restoring.510000.terminal.w09", "{}".into()).await?;
    }
    assert_refused(restored.push(&before[10..]).await, Code::OtherJournal);
    Ok(())
}
