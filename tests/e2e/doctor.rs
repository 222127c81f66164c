//! What `zhoubao doctor` finds: each fault is made, and its answer is read.
//!
//! | fault | where |
//! |--|--|
//! | a server that does not write before it answers | here |
//! | a stream with wrong settings, and a gap in the journal | here |
//! | a terminal behind, by its silence and by its ledger | here |
//! | a gap in the numbers of a terminal | here |
//! | a clock that is off by ten minutes: a terminal's, this machine's | `terminal_clock`, here |
//! | a key that has expired, or soon will | here |
//! | an archive that lags, by events and by time | here, and while it is written in `archive` |

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use clap::Parser as _;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use zhoubao::cli::Cli;
use zhoubao::output::Output;
use zhoubao::wiring::Context;
use zhoubao_application::clock::{Clock as _, FixedClock, SystemClock};
use zhoubao_application::journal::Expectation;
use zhoubao_contract::hash;
use zhoubao_domain::id::{Stream, Subject};
use zhoubao_domain::time::hall_day;
use zhoubao_test_support::NatsServer;

use crate::hall::{Hall, Ran, code, consulted};
use crate::nats::{configured, enrol};
use crate::terminal::lines;

/// What a command printed in this process.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs a command by a clock that is this far ahead, and answers with its exit code and what it printed.
async fn run_ahead(
    hall: &Hall,
    ahead: SignedDuration,
    arguments: &[&str],
) -> anyhow::Result<(i32, String)> {
    run_in(context_ahead(hall, ahead), arguments).await
}

fn context_ahead(hall: &Hall, ahead: SignedDuration) -> Context {
    hall.context_at(Arc::new(FixedClock::new(SystemClock.now() + ahead)))
}

/// What the doctor of a hall with this archive finds by a clock that is so far ahead.
async fn archived_ahead(
    hall: &Hall,
    ahead: SignedDuration,
    archive: &str,
) -> anyhow::Result<(i32, Value)> {
    let mut ctx = context_ahead(hall, ahead);
    ctx.config.archive = Some(archive.into());
    let (exit, text) = run_in(ctx, &["doctor", "--json"]).await?;
    Ok((exit, serde_json::from_str(&text)?))
}

async fn run_in(mut ctx: Context, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let command = Cli::try_parse_from([&["zhoubao"], arguments].concat())?.command;
    let printed = Printed::default();
    let is_json = arguments.contains(&"--json");
    ctx.output = Output::to(Box::new(printed.clone()), Box::new(std::io::sink()), is_json, true);
    let exit = match zhoubao::dispatch(&ctx, command).await {
        Ok(()) => 0,
        Err(failure) => i32::from(failure.exit.number()),
    };
    let text = String::from_utf8(printed.0.lock().unwrap_or_else(PoisonError::into_inner).clone())?;
    Ok((exit, text))
}

/// The findings with this code: level, detail and what to do.
pub(crate) fn found(report: &Value, code: &str) -> Vec<(String, String, String)> {
    let text = |it: &Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let all = report["findings"].as_array().into_iter().flatten().filter(|it| it["code"] == code);
    all.map(|it| (text(it, "level"), text(it, "detail"), text(it, "next"))).collect()
}

/// There is a finding with this code and level that says these words, and what to do.
#[track_caller]
pub(crate) fn finds(report: &Value, level: &str, code: &str, words: &[&str]) {
    let found = found(report, code);
    let is_it = found.iter().any(|(of, detail, next)| {
        of == level && words.iter().all(|it| detail.contains(it)) && !next.is_empty()
    });
    assert!(is_it, "no {level} {code} with {words:?}: {report}");
}

/// What is found now; with `exit`, that is how it ends.
async fn report(hall: &Hall, exit: i32) -> anyhow::Result<Value> {
    report_of(hall.run(&["doctor", "--json"]).await?, exit)
}

fn report_of(ran: Ran, exit: i32) -> anyhow::Result<Value> {
    ensure!(ran.exit == exit, "{}\n{}", ran.text(), ran.err);
    ran.json()
}

/// A calendar with one holiday for this year and the next, whatever year it is.
async fn calendars(hall: &Hall, office: &Path) -> anyhow::Result<()> {
    let year = hall_day(SystemClock.now()).year();
    for year in [year, year + 1] {
        let new_year = json!({ "date": format!("{year}-01-01"), "name": "元旦" });
        let schedule = json!({ "year": year, "notice": "n", "off": [new_year], "work": [] });
        let file = hall.file(&format!("{year}.json"), &schedule.to_string())?;
        let put = ["setup", "put", "calendar", &year.to_string(), &file, "--by", "a01"];
        hall.run_as(office, "", &put).await?.ok();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_write_before_it_answers_is_found() -> anyhow::Result<()> {
    let server = NatsServer::builder().sync_always(false).start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    let ran = hall.run(&["doctor"]).await?.fails(78, "E.701");
    let text = ran.text();
    assert!(text.contains("✗ 消息服务器 broker  E.701"), "{text}");
    assert!(text.contains("what to do: put `jetstream { sync_interval: always }`"), "{text}");
    finds(&report(&hall, 78).await?, "error", "E.701", &["before they are on the disk"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_with_wrong_settings_and_the_gap_they_made_are_found() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    hall.set_up().await?;
    assert!(found(&report(&hall, 0).await?, "E.702").is_empty());

    // An administrator of the server limits the stream, which empties it from the front.
    let user = async_nats::ConnectOptions::with_user_and_password("hall".into(), "hall".into());
    let client = user.connect(server.address()).await?;
    let ask = async |what: &str, payload: String| -> anyhow::Result<Value> {
        let subject = format!("$JS.API.STREAM.{what}.HALL_510000");
        let answer = client.request(subject, payload.into()).await?;
        let answer: Value = serde_json::from_slice(&answer.payload)?;
        ensure!(answer["error"].is_null(), "{answer}");
        Ok(answer)
    };
    let mut config = ask("INFO", String::new()).await?["config"].take();
    config["max_msgs"] = json!(10);
    config["discard"] = json!("old");
    config["discard_new_per_subject"] = json!(false);
    ask("UPDATE", config.to_string()).await?;

    // A hole in the journal is worse than what made it.
    let report = report(&hall, 3).await?;
    finds(&report, "error", "E.701", &["max_msgs"]);
    finds(&report, "error", "E.701", &["discard"]);
    finds(&report, "error", "E.702", &["10 messages, but the last has number"]);
    let fix = |code: &str| found(&report, code).pop().map(|it| it.2).unwrap_or_default();
    assert!(fix("E.702").contains("zhoubao restore"), "{report}");
    Ok(())
}

/// Two windows and a third that was never used; the first two go home for good.
#[tokio::test(flavor = "multi_thread")]
async fn terminals_that_fall_silent_and_keys_that_expire_are_found() -> anyhow::Result<()> {
    let (server, hall, out) = configured().await?;
    hall.set_up().await?;
    let office = out.join("keys/office.nk");
    calendars(&hall, &office).await?;
    // Made three years ago, for two; the other is to be replaced in ten days.
    let (exit, old) =
        run_ahead(&hall, SignedDuration::from_hours(-3 * 365 * 24), &["terminal", "enroll", "w02"])
            .await?;
    ensure!(exit == 0, "{old}");
    let file = hall.file("key.w02.json", &old)?;
    hall.run_as(&office, "", &["setup", "apply", &file, "--by", "a01"]).await?.ok();
    let w01 = enrol(&hall, &server, &out, "w01").await?;
    let w02 = hall.dir().join("terminal-w02.nk");
    let soon = hall_day(SystemClock.now() + SignedDuration::from_hours(10 * 24)).to_string();
    let enrolled =
        hall.run(&["terminal", "enroll", "w01", "--valid-through", &soon]).await?.ok().text();
    let file = hall.file("key.w01.json", &enrolled)?;
    hall.run_as(&office, "", &["setup", "apply", &file, "--by", "a01"]).await?.ok();
    for (key, terminal) in [(&w01, "w01"), (&w02, "w02")] {
        let input = lines(0..5).replace("terminal.w01", &format!("terminal.{terminal}"));
        hall.run_as(key, &input, &["terminal", "run", terminal, "--once"]).await?.ok();
    }
    let projector = out.join("keys/projector.nk");
    hall.run_as(&projector, "", &["project", "--once"]).await?.ok();

    let now = hall.run_as(&office, "", &["doctor", "--json"]).await?;
    let now = report_of(now, 0)?;
    assert!(found(&now, "W.132").is_empty(), "{now}");
    finds(&now, "warning", "W.118", &["w02 已过期 expired", &format!("w01 将到期 expires {soon}")]);
    let text = hall.run_as(&office, "", &["doctor"]).await?.ok().text();
    assert!(text.contains("! 密钥 keys  W.118") && text.contains("terminal rekey"), "{text}");
    // An expired key signs on: what it signed counts.
    assert_eq!(now["counts"]["stored"], now["counts"]["counted"], "{now}");
    let lines = now["terminals"].as_array().into_iter().flatten();
    assert_eq!(lines.filter(|it| it["last_number"] == 5).count(), 2, "{now}");

    // A new key, and that is put right.
    let next = hall.run(&["terminal", "rekey", "w02"]).await?.ok().text();
    let file = hall.file("key.w02.json", &next)?;
    hall.run_as(&office, "", &["setup", "apply", &file, "--by", "a01"]).await?.ok();
    hall.run_as(&projector, "", &["project", "--once"]).await?.ok();
    let now = report_of(hall.run_as(&office, "", &["doctor", "--json"]).await?, 0)?;
    finds(&now, "warning", "W.118", &["w01 将到期"]);
    assert!(!found(&now, "W.118")[0].1.contains("w02"), "{now}");

    // A week later nobody has heard of them.
    let week = SignedDuration::from_hours(7 * 24);
    let (exit, later) = run_ahead(&hall, week, &["doctor", "--json"]).await?;
    let later: Value = serde_json::from_str(&later)?;
    assert_eq!(exit, 0, "{later}");
    finds(&later, "warning", "W.132", &["2 台", "w01（", "w02（"]);
    assert!(found(&later, "W.132")[0].2.contains("zhoubao terminal status"), "{later}");
    assert!(!found(&later, "W.132")[0].1.contains("w03"), "never used: {later}");
    // By then this machine's clock is a week ahead of the server's.
    finds(&later, "warning", "W.130", &["本机时钟", "快 604"]);

    // One is taken out of service.
    let entry = json!({ "window": "w02", "active": false });
    let file = hall.file("w02.json", &entry.to_string())?;
    let put = ["setup", "put", "terminal", "w02", &file, "--by", "a01"];
    hall.run_as(&office, "", &put).await?.ok();
    hall.run_as(&projector, "", &["project", "--once"]).await?.ok();
    let (_, later) = run_ahead(&hall, week, &["doctor", "--json"]).await?;
    let later: Value = serde_json::from_str(&later)?;
    finds(&later, "warning", "W.132", &["1 台", "w01（"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_a_ledger_a_gap_and_an_archive_that_lags_are_found() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    // An agent without a journal: nothing it saves is sent.
    let mut agent = hall.command(&["terminal", "run", "w01"]);
    let mut agent = agent.stdin(std::process::Stdio::piped()).spawn()?;
    let mut stdin = agent.stdin.take().context("no stdin")?;
    let mut said = BufReader::new(agent.stdout.take().context("no stdout")?).lines();
    stdin.write_all(lines(0..3).as_bytes()).await?;
    for _ in 0..3 {
        tokio::time::timeout(crate::hall::COMMAND_MAX, said.next_line()).await??;
    }
    agent.start_kill()?;
    agent.wait().await?;
    hall.set_up().await?;
    hall.run(&["project", "--once"]).await?.ok();
    assert!(found(&report(&hall, 0).await?, "W.132").is_empty(), "it may just be sending");
    let (exit, later) =
        run_ahead(&hall, SignedDuration::from_mins(11), &["doctor", "--json"]).await?;
    let later: Value = serde_json::from_str(&later)?;
    assert_eq!(exit, 0, "{later}");
    finds(&later, "warning", "W.132", &["w01: 3 条待发送 to send, 自 since"]);
    assert!(found(&later, "W.132")[0].2.contains("zhoubao terminal run w01"), "{later}");
    // This clock is set back by ten minutes: the journal has an event of the future.
    let (_, early) =
        run_ahead(&hall, SignedDuration::from_mins(-10), &["doctor", "--json"]).await?;
    finds(&serde_json::from_str(&early)?, "warning", "W.130", &["本机时钟", "慢"]);

    hall.run_with("", &["terminal", "run", "w01", "--once"]).await?.ok();
    let (_, later) = run_ahead(&hall, SignedDuration::from_mins(11), &["doctor", "--json"]).await?;
    assert!(found(&serde_json::from_str(&later)?, "W.132").is_empty(), "{later}");

    // The third of five events of another terminal is missing.
    let subject = Subject::new(code()?, Stream::Terminal("w02".parse()?));
    let (mut line, mut previous) = (Vec::new(), None);
    for number in 1..=5 {
        let message = consulted(&subject, number, previous)?;
        previous = Some(hash(&message));
        line.push(message);
    }
    line.remove(2);
    let journal = hall.context().open_journal().await?;
    journal.append(&line, &[Expectation { subject, last: 0 }]).await?;
    hall.run(&["project", "--once"]).await?.ok();
    let seen = report(&hall, 0).await?;
    finds(&seen, "warning", "E.107", &["terminal.w02: 缺 missing 3，2 条等待"]);

    // A copy that nobody goes on writing.
    let archive = hall.dir().with_file_name("archive").display().to_string();
    hall.run(&["archive", "--to", &archive, "--once"]).await?.ok();
    hall.run(&["emit", "consult", "--terminal", "w01", "--people", "1"]).await?.ok();
    let doctor = hall.command(&["doctor", "--json"]).env("ZHOUBAO_ARCHIVE", &archive).spawn()?;
    let seen = report_of(crate::hall::ended(doctor).await?, 0)?;
    finds(&seen, "warning", "E.707", &["落后 behind by 1"]);

    // Somebody keeps it: a moment is nothing, but after an hour he is stuck, though only one event waits.
    let keeper = std::fs::File::open(Path::new(&archive).join("archive.lock"))?;
    keeper.lock()?;
    let (_, seen) = archived_ahead(&hall, SignedDuration::ZERO, &archive).await?;
    assert!(found(&seen, "E.707").is_empty(), "{seen}");
    let (exit, seen) = archived_ahead(&hall, SignedDuration::from_hours(1), &archive).await?;
    assert_eq!(exit, 0, "{seen}");
    finds(&seen, "warning", "E.707", &["落后 behind by 1, 自 since "]);
    drop(keeper);
    hall.run(&["archive", "--to", &archive, "--once"]).await?.ok();
    let (_, seen) = archived_ahead(&hall, SignedDuration::from_hours(1), &archive).await?;
    assert!(
        found(&seen, "E.707").is_empty(),
        "an event that is archived waits for nothing: {seen}"
    );
    Ok(())
}
