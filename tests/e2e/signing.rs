//! Fifty issues opened, submitted and signed at once, at several desks over one journal: the numbers are consecutive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use zhoubao::failure::{Exit, Failure};
use zhoubao::projecting::LiveDesk;
use zhoubao_application::desk::{By, DeskError};
use zhoubao_application::weekly::NewIssue;
use zhoubao_application::writer::Receipt;
use zhoubao_domain::calendar::Period;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Setup};
use zhoubao_domain::id::{ObjectId, SetupTopic, Stream, UserId};
use zhoubao_test_support::{NatsServer, eventually};

use crate::hall::{Hall, sample};

/// Signed at once, by as many people as there are desks.
pub(crate) const ISSUES: usize = 50;
/// Each as in a process of its own.
const DESKS: usize = 5;
/// Of the weeks from 6 March 2023 on, so many end in that year.
const IN_THE_FIRST_YEAR: usize = 43;
/// Longest wait for one signature, on a busy machine and with a leader killed.
const LONG: Duration = Duration::from_secs(180);

/// A series whose issues are quickly composed, and in which the checks find nothing.
const BRIEF: &str = r#"
title = "简报"
[[masthead]]
kind = "issue-number"
wording = "{{ year }}年第{{ number }}期（总第{{ running_number }}期）"
[[section]]
key = "all"
heading = "总体情况"
kind = "text"
text = "本周窗口正常开放。"
"#;

fn by(actor: &UserId, key: String) -> By {
    By { actor: Some(actor.clone()), command: Some(key), ..By::default() }
}

/// Sends a command until it is answered, as a page does: under one key, so that it happens once.
async fn until_done(
    what: &str,
    send: impl AsyncFn() -> Result<Option<Receipt>, DeskError>,
) -> anyhow::Result<()> {
    eventually(what, LONG, async || match send().await {
        Ok(_) => Ok(Some(())),
        // The week before is not signed yet.
        Err(DeskError::Refused(it)) if it.code == Code::IssueOrder => Ok(None),
        Err(error) => {
            let failure = Failure::from(error);
            ensure!(failure.exit == Exit::Unavailable, "{what}: {failure:?}");
            Ok(None)
        }
    })
    .await
}

/// The issue of a week, its days, and the desk at which it is made.
struct Issue<'a> {
    id: ObjectId,
    days: [Date; 2],
    desk: &'a LiveDesk,
}

/// Brings fifty issues to their signatures and signs them all at once, while `strike` does its work; it is told how
/// many are signed.
pub(crate) async fn fifty_at_once(
    hall: &Hall,
    strike: impl AsyncFnOnce(Arc<AtomicUsize>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let people = sample()?.people;
    hall.set_up().await?;
    let mut desks = vec![];
    for _ in 0..DESKS {
        desks.push(hall.context().desk().await?);
    }
    let series: ObjectId = "brief".parse()?;
    let template = Event::Setup(Setup::Template { source: BRIEF.to_owned() });
    let stream = Stream::Setup(SetupTopic::Template, series.clone());
    let administrator = by(&people.administrator, "template".to_owned());
    desks[0].record(stream, template, administrator).await?;

    let mut issues = vec![];
    for (week, desk) in (0..ISSUES).zip(desks.iter().cycle()) {
        let monday = date(2023, 3, 6).checked_add(i64::try_from(week)?.weeks())?;
        let days = [monday, monday.checked_add(4.days())?];
        issues.push(Issue { id: format!("b{week:02}").parse()?, days, desk });
    }
    // All at once: more of them on one line than a command is decided anew after a conflict.
    let (editor, leader) = (&people.editor, &people.leader);
    try_join_all(issues.iter().map(async |it| {
        let period = Period::new(it.days[0], it.days[1])?;
        until_done("an issue to be opened", async || {
            let new = NewIssue {
                issue: it.id.clone(),
                period: Some(period),
                series: Some(series.clone()),
                parameters: std::collections::BTreeMap::new(),
            };
            it.desk.open(new, by(editor, format!("open {}", it.id))).await
        })
        .await
    }))
    .await?;
    // A week is frozen after the one before.
    for it in &issues {
        it.desk.freeze(it.id.clone(), by(editor, format!("freeze {}", it.id))).await?;
    }
    try_join_all(issues.iter().map(async |it| {
        until_done("an issue to be submitted", async || {
            it.desk.submit(it.id.clone(), by(editor, format!("submit {}", it.id))).await
        })
        .await
    }))
    .await?;
    let signed = Arc::new(AtomicUsize::new(0));
    let sign = try_join_all(issues.iter().map(async |it| {
        until_done("an issue to be signed", async || {
            let leader = by(leader, format!("sign {}", it.id));
            it.desk.sign_off(it.id.clone(), it.days[1], None, leader).await
        })
        .await?;
        signed.fetch_add(1, Ordering::Relaxed);
        anyhow::Ok(())
    }));
    let (struck, signed) = tokio::join!(strike(signed.clone()), sign);
    struck?;
    signed?;

    let known = desks[0].known().await?;
    for (place, it) in (1..).zip(&issues) {
        let number = if place > IN_THE_FIRST_YEAR { place - IN_THE_FIRST_YEAR } else { place };
        let expected = (it.days[1].year(), u32::try_from(number)?, u32::try_from(place)?);
        assert_eq!(known.book.issues[&it.id].numbers(), Some(expected), "{}", it.id);
        assert_eq!(known.signed[&it.id].len(), 1, "{} is signed once", it.id);
    }
    // What the book makes of the journal says nothing of a number that was given twice and overwritten.
    let positions: BTreeSet<_> = issues.iter().map(|it| known.signed[&it.id][0].position).collect();
    assert_eq!(positions.len(), ISSUES);
    assert!(desks[0].store().exceptions(desks[0].hall(), false).await?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_signatures_at_once_give_fifty_consecutive_numbers() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    fifty_at_once(&hall, async |_| Ok(())).await
}
