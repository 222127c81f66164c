//! `tests/recount`, which shares no code with the product: it agrees on every figure and row, and reports every planted
//! corruption.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;
use zhoubao::play::Player;
use zhoubao::sample::{Sample, Week};
use zhoubao_application::desk::By;
use zhoubao_domain::event::{Event, Setup, Tally};
use zhoubao_domain::id::{SetupTopic, Stream};
use zhoubao_domain::time::hall_day;
use zhoubao_test_support::{NatsServer, Postgres};

use crate::hall::{COMMAND_MAX, Hall, Ran, sample};
use crate::terminal::lines;

/// Counters that say that something is wrong.
const WRONG: [&str; 11] = [
    "lost",
    "double_counted",
    "forks",
    "gaps",
    "order_inversions",
    "figures_wrong",
    "hashes_wrong",
    "signatures_wrong",
    "rows_wrong",
    "numbers_wrong",
    "files_wrong",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recount")
}

/// Runs a program of `tests/recount`.
async fn python(arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Ran> {
    python_within(arguments, variables, COMMAND_MAX).await
}

async fn python_within(
    arguments: &[&str],
    variables: &[(&str, &str)],
    limit: Duration,
) -> anyhow::Result<Ran> {
    let mut command = Command::new("python3");
    command
        .args(arguments)
        .envs(variables.iter().copied())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(folder())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(limit, command.output()).await.context("recount runs too long")??;
    Ok(Ran {
        exit: output.status.code().unwrap_or(-1),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Counts again what these flags name, and answers with the counters.
async fn recount(flags: &[&str], limit: Duration) -> anyhow::Result<Ran> {
    python_within(&[&["-m", "recount", "--json"], flags].concat(), &[], limit).await
}

/// It is right, and looked at something.
pub(crate) async fn is_right(flags: &[&str]) -> anyhow::Result<Value> {
    is_right_within(flags, COMMAND_MAX).await
}

/// The same of a hall that takes so long to count.
pub(crate) async fn is_right_within(flags: &[&str], limit: Duration) -> anyhow::Result<Value> {
    let ran = recount(flags, limit).await?;
    ensure!(ran.exit == 0, "{}\n{}", ran.text(), ran.err);
    let counters = ran.json()?["counters"].clone();
    for name in WRONG {
        ensure!(counters[name] == 0, "{name}: {counters}");
    }
    Ok(counters)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A week with few acts.
fn quiet(mut week: Week) -> Week {
    week.tally = Tally { consulted: 9, accepted: 12, issued: 7, transferred: 15 };
    week
}

/// The first weeks of the sample with few acts, so that a checker in Python reads them many times.
fn small() -> anyhow::Result<Sample> {
    let mut sample = sample()?;
    sample.weeks = sample.weeks.into_iter().take(3).map(quiet).collect();
    Ok(sample)
}

/// Plays weeks up to their sign-off; the first of all begins the hall.
async fn play(hall: &Hall, sample: &Sample, weeks: std::ops::Range<usize>) -> anyhow::Result<()> {
    let desk = hall.context().desk().await?;
    let mut acts = sample.acts(7)?;
    if let Some(before) = weeks.start.checked_sub(1) {
        acts.retain(|it| hall_day(it.occurred_at) > sample.weeks[before].period.last());
    }
    let mut player = Player::new(&desk, sample, acts);
    if weeks.start == 0 {
        player.begin().await?;
        // A window of its own, whose device keeps a ledger.
        let by = || By { actor: Some(sample.people.administrator.clone()), ..By::default() };
        let window = Setup::Window { name: "窗口13".to_owned(), open: false };
        let terminal = Setup::Terminal { window: "w13".parse()?, active: true };
        for (topic, setup) in [(SetupTopic::Window, window), (SetupTopic::Terminal, terminal)] {
            desk.record(Stream::Setup(topic, "w13".parse()?), Event::Setup(setup), by()).await?;
        }
    }
    for week in &sample.weeks[weeks] {
        player.week(week).await?;
        player.finish(week).await?;
    }
    desk.catch_up().await?;
    Ok(())
}

fn line(kind: &str, time: &str, actor: &str, data: &Value) -> String {
    let event = json!({
        "specversion": "1.0",
        "source": "hall.510000.terminal.w13",
        "type": format!("cn.zhoubao.{kind}.v1"),
        "time": format!("2023-01-{time}+08:00"),
        "actor": actor,
        "command": format!("{kind}-{time}"),
        "data": data,
    });
    format!("{event}\n")
}

/// A hall with three published issues; a device with a ledger and keys; late, corrected, voided, flagged and released
/// events; and an archive beside it.
async fn lived_in(hall: &Hall) -> anyhow::Result<PathBuf> {
    let sample = small()?;
    play(hall, &sample, 0..2).await?;
    let department = sample.departments[0].department.as_str();
    let reviser = sample.people.reviser.as_str();
    let printed = hall.run(&["terminal", "enroll", "w13"]).await?.ok().text();
    let key = hall.file("key.w13.json", &printed)?;
    let administrator = sample.people.administrator.as_str();
    hall.run(&["setup", "apply", &key, "--by", administrator]).await?.ok();

    let case = json!({ "department": department, "case": "c-1" });
    let run = ["terminal", "run", "w13", "--once"];
    // Days of the first two weeks, which are frozen: adjustments of the third issue.
    let first = [
        line("Consulted", "05T09:00:00", "c01", &json!({ "people": 3 })),
        line("Consulted", "12T09:00:00", "c01", &json!({ "people": 2 })),
        line("Consulted", "12T09:30:00", "c01", &json!({ "people": 1 })),
        line("Accepted", "16T09:00:00", "c01", &case),
        line("Transferred", "16T10:00:00", "c01", &case),
        line("Issued", "17T09:00:00", "c01", &case),
        // A second hand-out of one case, and a department that nobody authorised: flagged.
        line("Issued", "17T11:00:00", "c01", &case),
        line("Accepted", "17T12:00:00", "c01", &json!({ "department": "nobody", "case": "c-2" })),
        line(
            "Transferred",
            "17T13:00:00",
            "c01",
            &json!({ "department": department, "case": "c-3" }),
        ),
    ];
    hall.run_with(&first.concat(), &run).await?.ok();
    let wrong = json!({ "original": "terminal.w13#1", "people": 4, "reason": "看错" });
    let void = json!({ "original": "terminal.w13#3", "reason": "重复录入" });
    let second = [
        line("Corrected", "18T09:00:00", reviser, &wrong),
        line("Voided", "18T10:00:00", reviser, &void),
        line(
            "DayClosed",
            "18T17:00:00",
            "c01",
            &json!({
                "day": "2023-01-18", "consulted": 0, "accepted": 0, "issued": 0, "transferred": 0,
            }),
        ),
    ];
    hall.run_with(&second.concat(), &run).await?.ok();
    hall.run(&["project", "--once"]).await?.ok();
    let release = ["emit", "release", "--event", "terminal.w13#9", "--reason", "纸质受理"];
    hall.run(&[&release[..], &["--by", reviser]].concat()).await?.ok();

    play(hall, &sample, 2..3).await?;
    hall.run(&["compose", "--once"]).await?.ok();
    // Recorded after the last issue.
    let late = line("Consulted", "19T09:00:00", "c01", &json!({ "people": 5 }));
    hall.run_with(&late, &run).await?.ok();
    let reject = ["emit", "reject", "--event", "terminal.w13#8", "--reason", "无此部门"];
    hall.run(&[&reject[..], &["--by", reviser]].concat()).await?.ok();
    hall.run(&["project", "--once"]).await?.ok();
    let archive = hall.dir().with_file_name("archive");
    hall.run(&["archive", "--to", &text(&archive), "--once"]).await?.ok();
    Ok(archive)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_agrees_on_a_hall_and_reports_every_planted_corruption() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let archive = lived_in(&hall).await?;
    let counters = is_right(&["--hall", &text(hall.dir()), "--archive", &text(&archive)]).await?;
    let at_least = |name: &str, least: u64| {
        assert!(counters[name].as_u64() >= Some(least), "{name}: {counters}");
    };
    assert_eq!(counters["acked"], 13);
    at_least("figures", 300);
    at_least("rows", 700);
    at_least("signatures", 3);
    at_least("files", 30);

    let variables = [("RECOUNT_HALL", &*text(hall.dir())), ("RECOUNT_ARCHIVE", &*text(&archive))];
    let ran = python(&["-m", "unittest", "-v", "test_recount"], &variables).await?;
    // Shown with `--nocapture`: what was planted, and what was found.
    eprintln!("{}{}", ran.text(), ran.err);
    assert_eq!(ran.exit, 0, "{}\n{}", ran.text(), ran.err);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_the_journal_of_a_broker_from_its_archive() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    hall.set_up().await?;
    hall.run_with(&lines(0..40), &["terminal", "run", "w01", "--once"]).await?.ok();
    hall.run(&["project", "--once"]).await?.ok();
    let backup = text(&hall.dir().with_file_name("hall.backup"));
    hall.run(&["backup", &backup]).await?.ok();
    let counters = is_right(&["--hall", &text(hall.dir()), "--archive", &backup]).await?;
    assert_eq!(counters["acked"], 40);
    assert!(counters["rows"].as_u64() > Some(300), "{counters}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_the_read_models_of_postgresql() -> anyhow::Result<()> {
    let database = Postgres::shared().await?.create_database().await?;
    let hall = Hall::in_files()?.with_postgres(&database);
    hall.set_up().await?;
    hall.run_with(&lines(0..40), &["terminal", "run", "w01", "--once"]).await?.ok();
    hall.run(&["project", "--once"]).await?.ok();
    let (folder, editor) = (text(hall.dir()), sample()?.people.editor);
    let by = ["--by", editor.as_str()];
    let open = ["issue", "open", "w6", "--from", "2023-02-06", "--to", "2023-02-10"];
    hall.run(&[&open[..], &by].concat()).await?.ok();
    hall.run(&[&["issue", "freeze", "w6"][..], &by].concat()).await?.ok();
    hall.run(&["project", "--once"]).await?.ok();
    let flags = ["--hall", &folder, "--postgres", &database];
    let counters = is_right(&flags).await?;
    assert_eq!(counters["acked"], 40);
    assert!(counters["rows"].as_u64() > Some(300), "{counters}");
    assert!(counters["figures"].as_u64() > Some(10), "{counters}");

    // What is altered there is found, by its counter.
    for (alter, counter) in [
        (
            "update zhoubao.figure set amount = amount + 1 where part = '' and amount = 40",
            "figures_wrong",
        ),
        ("update zhoubao.tally set amount = amount + 1 where kind = 'consulted'", "rows_wrong"),
        ("update zhoubao.segment set entries = entries || entries", "double_counted"),
    ] {
        let altered = ["--no-psqlrc", "--dbname", &database, "--command", alter];
        let altered = Command::new("psql").args(altered).output().await?;
        assert!(altered.status.success(), "{altered:?}");
        let ran = recount(&flags, COMMAND_MAX).await?;
        let counters = ran.json()?["counters"].clone();
        assert!(ran.exit == 1 && counters[counter].as_u64() > Some(0), "{alter}: {counters}");
    }
    Ok(())
}

/// Weeks in which whatever can go wrong does: events that are lost, late, altered, repeated, out of order, signed by
/// others, corrected, voided, flagged and released, and a set-up that changes meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn it_agrees_on_weeks_in_which_everything_goes_wrong() -> anyhow::Result<()> {
    for seed in ["2", "3"] {
        let hall = Hall::in_files()?;
        hall.set_up().await?;
        let journal = text(&hall.dir().join("journal.db"));
        let simulate = ["simulate.py", &journal, "--weeks", "9", "--seed", seed];
        let simulated = python(&simulate, &[]).await?.ok().json()?;
        for kind in ["flagged", "quarantined", "held", "repeated"] {
            assert!(simulated[kind].as_u64() > Some(5), "seed {seed}: {simulated}");
        }
        hall.counts().await?;
        let ran = recount(&["--hall", &text(hall.dir())], COMMAND_MAX).await?;
        let found = ran.json()?;
        let counters = &found["counters"];
        // What went wrong stays to be seen …
        assert_eq!(ran.exit, 1, "{counters}");
        assert!(counters["gaps"].as_u64() > Some(0), "{counters}");
        // … and the product and the checker say the same of it.
        for name in ["lost", "double_counted", "figures_wrong", "rows_wrong", "numbers_wrong"] {
            assert_eq!(counters[name], 0, "seed {seed}: {found}");
        }
        assert!(counters["figures"].as_u64() > Some(1_000), "{counters}");
    }
    Ok(())
}
