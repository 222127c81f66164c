//! Events that are stored again 400 days later change nothing.
//!
//! How the days pass: a journal in a file notes the time of the clock that it was opened with, and that one is set on.
//! A broker notes its own time, so everybody who reads its journal here reads it through [`Later`], which adds the
//! days. For the broker itself all this falls within its duplicate window; what it does beyond that is tested where
//! the window can be made short (`zhoubao-nats`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use zhoubao::play::Player;
use zhoubao_application::clock::FixedClock;
use zhoubao_application::journal::{
    AppendError, Cursor, Expectation, Journal, JournalError, JournalState, append_in_order,
};
use zhoubao_application::projector::{Goal, project};
use zhoubao_application::store::{ReadModels, TABLES};
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::event::{Act, Event, Kind};
use zhoubao_domain::id::{Stream, Subject};
use zhoubao_projections::rows::Counts;
use zhoubao_test_support::{NatsServer, Postgres};

use crate::hall::{COMMAND_MAX, Hall, assert_adds_up, code, sample};

const LATER: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Repeats after which a projector of its own folds what there is.
const LIFE: usize = 1_500;

/// A journal in which everything after `from` was recorded 400 days later than the broker says.
struct Later {
    journal: Arc<dyn Journal>,
    from: u64,
}

fn shift(from: u64, mut stored: Stored) -> Stored {
    if stored.position > from {
        stored.recorded_at += LATER;
    }
    stored
}

#[async_trait]
impl Journal for Later {
    async fn state(&self) -> Result<JournalState, JournalError> {
        self.journal.state().await
    }

    async fn append(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError> {
        self.journal.append(messages, expected).await
    }

    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        Ok(self.journal.head(subject).await?.map(|it| shift(self.from, it)))
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        Ok(self.journal.get(sequence).await?.map(|it| shift(self.from, it)))
    }

    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
        Ok(Box::new(LaterCursor { cursor: self.journal.open(from).await?, from: self.from }))
    }
}

struct LaterCursor {
    cursor: Box<dyn Cursor>,
    from: u64,
}

#[async_trait]
impl Cursor for LaterCursor {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError> {
        let messages = self.cursor.next(max, wait).await?;
        Ok(messages.into_iter().map(|it| shift(self.from, it)).collect())
    }
}

/// Every row of every table but the checkpoint, whose position and counts go on.
async fn rows(store: &dyn ReadModels) -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    for table in TABLES.iter().filter(|it| **it != "checkpoint") {
        let found = store.dump(&code()?, table, None, u32::MAX).await?;
        rows.extend(found.into_iter().map(|(key, columns)| format!("{table}\t{key}\t{columns}")));
    }
    Ok(rows)
}

/// All messages from a position on.
async fn read(journal: &dyn Journal, from: u64) -> anyhow::Result<Vec<Stored>> {
    let last = journal.state().await?.last;
    let mut cursor = journal.open(from).await?;
    let mut messages: Vec<Stored> = Vec::new();
    while messages.last().is_none_or(|it| it.position < last) {
        messages.extend(cursor.next(1_000, COMMAND_MAX).await?);
    }
    Ok(messages)
}

#[track_caller]
fn assert_same(before: &[String], after: &[String], what: &str) {
    for (before, after) in before.iter().zip(after) {
        assert_eq!(before, after, "{what}");
    }
    assert_eq!(before.len(), after.len(), "{what}");
}

/// Opens the read models, folds the whole journal, and leaves.
async fn fold(hall: &Hall, journal: &Arc<dyn Journal>) -> anyhow::Result<(Vec<String>, Counts)> {
    let store = hall.context().open_store().await?;
    let last = journal.state().await?.last;
    project(journal.clone(), store.clone(), code()?, Goal::Sequence(last), |_| {}).await?;
    let at = store.checkpoint(&code()?).await?.context("nothing is folded")?;
    assert_adds_up(last, at.counts);
    Ok((rows(&*store).await?, at.counts))
}

/// A consultation of one person at w02.
fn consultation(at: Timestamp) -> anyhow::Result<Unnumbered> {
    let act = Act { kind: Kind::Consulted, amount: 1, department: None, matter: None, case: None };
    Ok(Unnumbered {
        stream: Stream::Terminal("w02".parse()?),
        occurred_at: at,
        entered_at: None,
        actor: None,
        command: None,
        event: Event::Act(act),
    })
}

async fn nothing_changes(hall: Hall, broker: bool) -> anyhow::Result<()> {
    // A whole hall: set-up, register, windows, news, an inspection, three issues frozen and signed.
    let sample = sample()?;
    let first = sample.weeks.last().context("no week")?.period.last();
    let clock = Arc::new(FixedClock::new("2023-02-14T02:00:00Z".parse()?));
    let ctx = hall.context_at(clock.clone());
    {
        let desk = ctx.desk().await?;
        let mut player = Player::new(&desk, &sample, sample.acts(7)?);
        player.begin().await?;
        for week in &sample.weeks {
            player.week(week).await?;
            player.finish(week).await?;
        }
        desk.catch_up().await?;
    }
    let issue = ["compose", "2023-05", "--format", "json"];
    let printed = hall.run(&issue).await?.ok().out;
    let day = first.to_string();
    let amounts = hall.amounts("2023-01-01", &day).await?;

    // 400 days pass, and windows work on.
    let journal = ctx.open_journal().await?;
    let count = journal.state().await?.last;
    clock.advance(LATER);
    let journal: Arc<dyn Journal> =
        if broker { Arc::new(Later { journal, from: count }) } else { journal };
    let mut writer = Writer::new(journal.clone(), code()?);
    let later: Timestamp = "2024-03-18T02:00:00Z".parse()?;
    let others = (0..50).map(|_| consultation(later)).collect::<anyhow::Result<_>>()?;
    writer.write(others).await?;
    let (before, counts) = fold(&hall, &journal).await?;
    assert_eq!(counts.repeated, 0);

    // Every event of every line comes again: the same bytes in batches …
    let all = read(&*journal, 1).await?;
    let mut lines: BTreeMap<&str, Vec<Message>> = BTreeMap::new();
    for Stored { message, .. } in &all {
        lines.entry(&message.subject).or_default().push(message.clone());
    }
    let (mut again, mut life) = (0, 0);
    for (subject, line) in &lines {
        let subject: Subject = subject.parse()?;
        let end = journal.head(&subject).await?.context("no head")?.position;
        let appended = append_in_order(&*journal, &subject, line, end).await;
        assert!(appended.stopped.is_none(), "{:?}", appended.stopped);
        again += line.len() as u64;
        life += line.len();
        if life >= LIFE {
            life = 0;
            let (rows, counts) = fold(&hall, &journal).await?;
            assert_eq!(counts.repeated, again);
            assert_same(&before, &rows, "after a part of the repeats");
        }
    }
    assert_eq!(again, all.len() as u64);
    let first = all.last().context("no event")?.position + 1;
    for second in read(&*journal, first).await? {
        let message = lines[&*second.message.subject].iter().find(|it| **it == second.message);
        assert!(message.is_some(), "{second:?} has other bytes");
        // The first of it was recorded before the clock was set on.
        assert!(second.recorded_at >= all[0].recorded_at + LATER);
    }
    // … and the same content in appends of its own, newest first, by somebody who adds attributes of his.
    let line = lines.get("hall.510000.terminal.w01").context("no line of w01")?;
    for (attempt, message) in line.iter().rev().take(20).enumerate() {
        let mut message = message.clone();
        message.attributes.extra.push(("attempt".to_owned(), attempt.to_string()));
        let subject: Subject = message.subject.parse()?;
        let last = journal.head(&subject).await?.context("no head")?.position;
        journal.append(&[message], &[Expectation { subject, last }]).await?;
        again += 1;
    }

    let (rows, after) = fold(&hall, &journal).await?;
    let expected = Counts { stored: counts.stored + again, repeated: again, ..counts };
    assert_eq!(after, expected, "each is a repeat and nothing else");
    assert_same(&before, &rows, "after the repeats");
    assert_eq!(hall.amounts("2023-01-01", &day).await?, amounts);
    assert!(hall.run(&issue).await?.ok().out == printed, "the issue is another");

    // Built anew from nothing, and a life later.
    let other = Hall::in_files()?;
    let (rebuilt, counts) = fold(&other, &journal).await?;
    assert_eq!(counts, expected);
    assert_same(&before, &rebuilt, "built anew");

    // What follows the repeats counts.
    let mut writer = Writer::new(journal.clone(), code()?);
    writer.write(vec![consultation(later)?]).await?;
    let (_, next) = fold(&hall, &journal).await?;
    assert_eq!((next.counted, next.repeated), (expected.counted + 1, again), "{next:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stored_again_400_days_later_changes_nothing_in_files() -> anyhow::Result<()> {
    nothing_changes(Hall::in_files()?, false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stored_again_400_days_later_changes_nothing_on_servers() -> anyhow::Result<()> {
    let nats = NatsServer::start().await?;
    let url = Postgres::shared().await?.create_database().await?;
    nothing_changes(Hall::in_files()?.with_nats(&nats).with_postgres(&url), true).await
}
