//! The rules of the hall through the program: who signs, who may take a case, one number with two contents, and what
//! must never be validated away.

use std::slice;

use anyhow::Context as _;

use jiff::civil::DateTime;
use serde_json::json;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;
use zhoubao::play::Player;
use zhoubao_application::desk::By;
use zhoubao_application::journal::{Expectation, head_or_start};
use zhoubao_contract::{Draft, encode};
use zhoubao_domain::event::{Act, Event, Kind, Right, Setup};
use zhoubao_domain::id::{SetupTopic, Stream, Subject};
use zhoubao_domain::time::hall_zone;

use crate::hall::{COMMAND_MAX, Hall, code, sample};

/// A numbered consultation, issue, … as a line for `emit -`.
fn case_line(kind: &str, case: &str, department: &str, time: &str) -> String {
    let event = json!({
        "specversion": "1.0",
        "source": "hall.510000.terminal.w01",
        "type": format!("cn.zhoubao.{kind}.v1"),
        "time": time,
        "data": { "case": case, "department": department },
    });
    format!("{event}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_flags_are_refused_and_nothing_is_stored() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let last = hall.last().await?;
    let consult = ["emit", "咨询", "--terminal", "w01"];
    for people in ["0", "10000000"] {
        hall.run(&[&consult[..], &["--people", people]].concat()).await?.fails(4, "E.114");
        // What cannot be a fact is not made one by asking again.
        let anyway = [&consult[..], &["--people", people, "--anyway"]].concat();
        hall.run(&anyway).await?.fails(4, "E.114");
    }
    // A flag that cannot be read is a wrong command line.
    for flag in [["--time", "2023-02-30T09:10+08:00"], ["--day", "2023-02-30"]] {
        let ran = hall.run(&[&consult[..], &flag].concat()).await?;
        assert_eq!(ran.exit, 2, "{ran:?}");
        assert!(ran.err.contains("2023-02-30"), "{ran:?}");
    }
    assert_eq!(hall.last().await?, last, "nothing was stored");
    hall.run(&consult).await?.ok();
    assert_eq!(hall.last().await?, last + 1, "the same words with nothing wrong are recorded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_that_is_not_authorised_counts_only_when_released() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let sample = sample()?;
    let department = sample.departments[0].department.as_str();
    let day_before = case_line("Accepted", "c1", department, "2023-02-07T16:00:00+08:00");
    let same_day = case_line("Accepted", "c2", department, "2023-02-08T09:00:00+08:00");
    let withdrawn = ["emit", "authz", "--department", department, "--change", "withdrawn"];
    let by = ["--day", "2023-02-08", "--by", sample.people.office.as_str()];
    hall.run(&[&withdrawn[..], &by].concat()).await?.ok();

    let last = hall.last().await?;
    hall.run_with(&same_day, &["emit", "-"]).await?.fails(4, "E.110");
    assert_eq!(hall.last().await?, last, "only with --anyway");
    hall.run_with(&day_before, &["emit", "-"]).await?.ok();
    hall.run_with(&same_day, &["emit", "-", "--anyway"]).await?.ok();
    assert_eq!(hall.last().await?, last + 2);
    assert_eq!(hall.counts().await?.flagged, 1);
    assert_eq!(hall.amounts("2023-02-07", "2023-02-08").await?, [0, 1, 0, 0]);

    let release = ["emit", "release", "--event", "terminal.w01#2", "--reason", "窗口未及通知"];
    hall.run(&[&release[..], &["--by", sample.people.office.as_str()]].concat())
        .await?
        .fails(4, "E.111");
    hall.run(&[&release[..], &["--by", sample.people.reviser.as_str()]].concat()).await?.ok();
    assert_eq!(hall.amounts("2023-02-07", "2023-02-08").await?, [0, 2, 0, 0]);
    hall.counts().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_number_with_two_contents_is_quarantined() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let consult = ["emit", "咨询", "--terminal", "w01", "--number", "1", "--people"];
    hall.run(&[&consult[..], &["3"]].concat()).await?.ok();
    let last = hall.last().await?;
    // The program itself does not write a fork …
    hall.run(&[&consult[..], &["4"]].concat()).await?.fails(4, "E.104");
    assert_eq!(hall.last().await?, last);
    // … but a second device with the same identity can.
    let subject = Subject::new(code()?, Stream::Terminal("w01".parse()?));
    let journal = hall.context().open_journal().await?;
    let end = head_or_start(&*journal, &subject).await?;
    let fork = encode(&Draft {
        subject: subject.clone(),
        number: 1,
        previous: None,
        occurred_at: hall_zone().to_timestamp("2023-02-06T09:10".parse::<DateTime>()?)?,
        entered_at: None,
        actor: None,
        command: None,
        event: Event::Act(Act {
            kind: Kind::Consulted,
            amount: 4,
            department: None,
            matter: None,
            case: None,
        }),
    });
    let expected = Expectation { subject, last: end.last };
    let mut projector = crate::kills::projector(&hall).spawn()?;
    let position = journal.append(slice::from_ref(&fork), slice::from_ref(&expected)).await?;
    // Whoever watches the log of the service is told at once, and by name.
    let mut said = BufReader::new(projector.stderr.take().context("no stderr")?).lines();
    let alarm = timeout(COMMAND_MAX, async {
        loop {
            let line = said.next_line().await?.context("the projector ended")?;
            if line.contains("alarm") {
                return anyhow::Ok(line);
            }
        }
    })
    .await??;
    for word in ["ERROR", "E.104", "terminal.w01", &position[0].to_string()] {
        assert!(alarm.contains(word), "no {word} in {alarm}");
    }
    projector.kill().await?;
    let counts = hall.counts().await?;
    assert_eq!((counts.quarantined, counts.flagged, counts.held), (1, 0, 0), "{counts:?}");
    assert_eq!(counts.counted, counts.stored - 1, "{counts:?}");
    assert_eq!(hall.amounts("2023-01-01", "2099-12-31").await?[0], 3);

    let path = format!("sqlite://{}", hall.dir().join("read.db").display());
    let mut rows = SqliteConnection::connect(&path).await?;
    let found =
        sqlx::query("select position, standing, code from exception").fetch_all(&mut rows).await?;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].get::<i64, _>(0), i64::try_from(position[0])?);
    assert_eq!(found[0].get::<String, _>(1), "quarantined");
    assert_eq!(found[0].get::<String, _>(2), "E.104");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_drafted_an_issue_does_not_sign_it() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let sample = sample()?;
    let week = &sample.weeks[0];
    let (editor, leader) = (sample.people.editor.as_str(), sample.people.leader.as_str());
    {
        let desk = hall.context().desk().await?;
        let mut player = Player::new(&desk, &sample, sample.acts(7)?);
        player.begin().await?;
        player.week(week).await?;
        // He has every right, and still may not.
        let rights = vec![Right::Edit, Right::Submit, Right::Sign];
        let by = By { actor: Some(sample.people.administrator.clone()), ..By::default() };
        let stream = Stream::Setup(SetupTopic::User, editor.parse()?);
        desk.record(stream, Event::Setup(Setup::User { rights, active: true }), by).await?;
        desk.catch_up().await?;
    }
    let issue = week.issue.as_str();
    let on = week.issued_on.to_string();
    let sign = ["issue", "sign", issue, "--on", &on, "--yes", "--by"];
    hall.run(&["issue", "freeze", issue, "--by", editor]).await?.ok();
    let last = hall.last().await?;
    hall.run(&[&sign[..], &[leader]].concat()).await?.fails(4, "E.500");
    assert_eq!(hall.last().await?, last, "not submitted yet");
    hall.accept(issue, editor).await?;
    hall.run(&["issue", "submit", issue, "--by", editor]).await?.ok();

    let last = hall.last().await?;
    hall.run(&[&sign[..], &[editor]].concat()).await?.fails(4, "E.501");
    // Nobody in particular is not another person.
    let unnamed = hall.run(&sign[..sign.len() - 1]).await?;
    assert_eq!(unnamed.exit, 4, "{unnamed:?}");
    assert_eq!(hall.last().await?, last, "nothing was stored");
    hall.run(&[&sign[..], &[leader]].concat()).await?.ok();
    let signed = hall.run(&["issue", "show", issue, "--json"]).await?.ok().json()?;
    assert_eq!(signed["stage"], "signed-off", "{signed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_issued_and_transferred_than_accepted_is_fine() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let sample = sample()?;
    let department = sample.departments[0].department.as_str();
    let friday = "2023-02-03T10:00:00+08:00";
    let monday = "2023-02-06T10:00:00+08:00";
    let mut lines = String::new();
    for case in ["c1", "c2", "c3"] {
        lines += &case_line("Accepted", case, department, friday);
    }
    lines += &case_line("Accepted", "c4", department, monday);
    for case in ["c1", "c2", "c3", "c1", "c4"] {
        lines += &case_line("Transferred", case, department, monday);
    }
    for case in ["c1", "c2", "c3"] {
        lines += &case_line("Issued", case, department, monday);
    }
    let ran = hall.run_with(&lines, &["emit", "-", "--json"]).await?.ok();
    for receipt in ran.text().lines() {
        let receipt: serde_json::Value = serde_json::from_str(receipt)?;
        assert_eq!((&receipt["standing"], &receipt["code"]), (&json!("counted"), &json!(null)));
    }
    let counts = hall.counts().await?;
    assert_eq!(counts.counted, counts.stored, "{counts:?}");
    assert_eq!(hall.amounts("2023-02-06", "2023-02-10").await?, [0, 1, 3, 5]);
    Ok(())
}
