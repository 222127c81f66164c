//! A training hall (培训): what happens in it can never get into a real journal, and what it prints says so.

use std::process::Stdio;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;
use zhoubao::play::Player;
use zhoubao_application::journal::{Expectation, head_or_start};
use zhoubao_domain::id::{Stream, Subject};

use crate::hall::{COMMAND_MAX, Hall, consulted, sample};
use crate::nats::{configured, configured_of, enrol};
use crate::terminal::lines;

/// The training hall beside 510000.
const TRAINING: &str = "951000";

const RUN: [&str; 4] = ["terminal", "run", "w01", "--once"];

fn training_lines(keys: std::ops::Range<usize>) -> String {
    lines(keys).replace("hall.510000.", "hall.951000.")
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_folder_events_and_copies_stay_on_their_side() -> anyhow::Result<()> {
    let (real, training) = (Hall::in_files()?, Hall::in_files()?.of(TRAINING)?);
    for hall in [&real, &training] {
        hall.set_up().await?;
    }
    let said = training.run_with(&training_lines(0..3), &RUN).await?.ok();
    assert!(said.err.contains("培训大厅 951000"), "{said:?}");
    real.run_with(&lines(0..2), &RUN).await?.ok();
    let status = training.run(&["terminal", "status", "w01", "--json"]).await?.ok().json()?;
    assert_eq!((&status["training"], &status["hall"]), (&true.into(), &TRAINING.into()));
    let status = real.run(&["terminal", "status", "w01", "--json"]).await?.ok().json()?;
    assert_eq!(status["training"], false);
    let (real_last, training_last) = (real.last().await?, training.last().await?);
    let ledger = |hall: &Hall| hall.dir().join("terminal-w01.db").display().to_string();

    for (hall, other, events) in
        [(&real, &training, &training_lines(9..10)), (&training, &real, &lines(9..10))]
    {
        // The device's ledger, on the other hall's journal.
        let theirs = ledger(other);
        hall.run_with("", &[&RUN[..], &["--ledger", &theirs]].concat()).await?.fails(4, "E.119");
        // The folder with everything in it, under the other code.
        let folder = other.dir().display().to_string();
        hall.run(&["terminal", "run", "w01", "--once", "--dir", &folder]).await?.fails(4, "E.119");
        // Its events, to the device and to the office.
        let ran = hall.run_with(events, &RUN).await?;
        assert!(ran.exit == 4 && ran.err.contains("E.119"), "{ran:?}");
        let export = other.run(&["terminal", "export", "w01"]).await?.ok().text();
        hall.run_with(&export, &["emit", "-", "--anyway"]).await?.fails(4, "E.119");
        // Its copy, into a new folder of this hall.
        let archive = other.dir().with_file_name("archive").display().to_string();
        other.run(&["archive", "--to", &archive, "--once"]).await?.ok();
        let empty =
            Hall::in_files()?.of(if std::ptr::eq(hall, &real) { "510000" } else { TRAINING })?;
        empty.run(&["restore", &archive]).await?.fails(4, "E.119");
    }
    assert_eq!((real.last().await?, training.last().await?), (real_last, training_last));
    Ok(())
}

/// Somebody with all rights puts the bytes of a training event into the real journal: they say what they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_training_event_in_a_real_journal_counts_nothing() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let stream = Stream::Terminal("w01".parse()?);
    let real = Subject::new("510000".parse()?, stream.clone());
    let training = Subject::new(TRAINING.parse()?, stream);
    let journal = hall.context().open_journal().await?;
    let last = head_or_start(&*journal, &real).await?.last;
    let mut message = consulted(&training, 1, None)?;
    // A journal takes no subject of another hall …
    let expected = Expectation { subject: training, last };
    let refused = journal.append(std::slice::from_ref(&message), &[expected]).await;
    assert!(refused.is_err(), "{refused:?}");
    // … and under one of its own the source, which is part of the hash, is still the training hall's.
    message.subject = real.to_string();
    journal.append(&[message], &[Expectation { subject: real, last }]).await?;
    let counts = hall.counts().await?;
    assert_eq!((counts.quarantined, counts.flagged), (1, 0), "{counts:?}");
    assert_eq!(hall.amounts("2023-01-01", "2099-12-31").await?[0], 0);
    let seen = hall.run(&["doctor", "--json"]).await?.ok().json()?;
    crate::doctor::finds(&seen, "warning", "E.119", &["terminal.w01#1"]);
    Ok(())
}

/// The key of a training device gets into the register of the real hall, and the device is pointed at its server.
#[tokio::test(flavor = "multi_thread")]
async fn a_training_device_on_the_real_server_writes_nothing() -> anyhow::Result<()> {
    let (server, hall, out) = configured().await?;
    hall.set_up().await?;
    let training = Hall::in_files()?.of(TRAINING)?;
    let printed = training.run(&["terminal", "enroll", "w01"]).await?.ok().text();
    let key = training.dir().join("terminal-w01.nk");
    let last = hall.last().await?;
    let refused = async |why: &str| -> anyhow::Result<()> {
        let address = server.address();
        let mut agent = training.command(&["terminal", "run", "w01", "--journal", &address]);
        let mut agent = agent.env("ZHOUBAO_NATS_NKEY", &key).stdin(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(agent.stderr.take().context("no stderr")?).lines();
        let mut stdin = agent.stdin.take().context("no stdin")?;
        tokio::io::AsyncWriteExt::write_all(&mut stdin, training_lines(0..1).as_bytes()).await?;
        loop {
            let line = timeout(COMMAND_MAX, said.next_line()).await??.context("it ended early")?;
            if line.contains("the journal does not answer") {
                assert!(line.contains(why), "{line}");
                break;
            }
        }
        agent.start_kill()?;
        Ok(())
    };
    refused("does not let this user in").await?;

    // Taken for a device of the real hall, it has a right to a line of that hall, and asks for one of its own.
    let office = out.join("keys/office.nk");
    let file = hall.file("key.w01.json", &printed)?;
    hall.run_as(&office, "", &["setup", "apply", &file, "--by", "a01"]).await?.ok();
    enrol(&hall, &server, &out, "w02").await?;
    let accounts = std::fs::read_to_string(out.join("accounts.conf"))?;
    assert!(accounts.contains("# terminal w01\n") && !accounts.contains(TRAINING), "{accounts}");
    let registered = hall.last().await?;
    refused("the NATS user lacks a right").await?;
    assert!(server.log()?.contains("hall.951000.terminal.w01"), "{}", server.log()?);
    assert_eq!(hall.last().await?, registered);
    assert_eq!(registered, last + 2, "two keys and nothing else");
    Ok(())
}

/// A server for a training hall has no user who may do anything in a real one.
#[tokio::test(flavor = "multi_thread")]
async fn the_users_of_a_training_server_have_no_right_in_a_real_hall() -> anyhow::Result<()> {
    let (server, training, out) = configured_of(Hall::in_files()?.of(TRAINING)?).await?;
    training.set_up().await?;
    let w01 = enrol(&training, &server, &out, "w01").await?;
    let accounts = std::fs::read_to_string(out.join("accounts.conf"))?;
    assert!(accounts.contains("hall.951000.terminal.w01"), "{accounts}");
    assert!(!accounts.contains("510000"), "{accounts}");
    let last = training.last().await?;
    training.run_as(&w01, &training_lines(0..3), &RUN).await?.ok();
    assert_eq!(training.last().await?, last + 3);
    for (key, subject) in
        [(&w01, "hall.510000.terminal.w01"), (&out.join("keys/office.nk"), "hall.510000.issues")]
    {
        let refused = crate::nats::try_to_publish(&server, key, subject).await?;
        assert_eq!(refused, format!("Permissions Violation for Publish to \"{subject}\""));
    }
    Ok(())
}

/// Signed and sealed, an issue of a training hall says in every form what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_issue_of_a_training_hall_is_marked_in_every_form() -> anyhow::Result<()> {
    let (real, training) = (Hall::in_files()?, Hall::in_files()?.of(TRAINING)?);
    let sample = sample()?;
    for hall in [&real, &training] {
        let desk = hall.context().desk().await?;
        let mut player = Player::new(&desk, &sample, sample.acts(7)?);
        player.begin().await?;
        for week in &sample.weeks {
            player.week(week).await?;
            player.finish(week).await?;
        }
        desk.catch_up().await?;
    }
    for (form, mark) in [
        ("txt", "【培训】窗口工作周报\n"),
        ("html", "<p class=\"training\">培训，非正式文件</p>"),
        ("html", "<title>【培训】"),
        ("json", "\"training\":true"),
        ("csv", "\"【培训】日志第"),
    ] {
        let compose = ["compose", "2023-05", "--format", form];
        let printed = training.run(&compose).await?.ok().text();
        assert!(printed.contains(mark), "{form}: {printed}");
        let printed = real.run(&compose).await?.ok().text();
        assert!(!printed.contains("【培训】") && !printed.contains("非正式"), "{form}: {printed}");
    }
    // The sign-off names the digest of a text that has the mark in it: it is no other hall's.
    let shown = training.run(&["issue", "show", "2023-05", "--json"]).await?.ok().json()?;
    assert_eq!(shown["proposed"], false, "{shown}");
    Ok(())
}
