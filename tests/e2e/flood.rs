//! A device that opens batches and leaves them, for a minute, on a server with the shipped settings: it stops nobody and
//! is named.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;
use tokio::time::{Instant, sleep, sleep_until};
use zhoubao_application::clock::{Clock as _, SystemClock};
use zhoubao_domain::time::hall_day;
use zhoubao_test_support::NatsServer;

use crate::hall::{COMMAND_MAX, Hall};
use crate::nats::{client, configured, enrol};
use crate::terminal::lines;

const FLOOD: Duration = Duration::from_secs(60);

/// Batches opened at a time and the pause after them: many times as many in two seconds, in which the server gives one
/// up, as it lets be open.
const AT_A_TIME: usize = 500;
const PAUSE: Duration = Duration::from_millis(500);

/// What a window records at a time, and how often: enough for a batch, and busier than any window.
const BURST: usize = 40;
const BURSTS: usize = 29;
const BETWEEN: Duration = Duration::from_secs(2);

/// Events that a terminal sends one by one after a batch was refused.
const AFTER_REFUSAL: usize = 200;

const WINDOWS: [&str; 3] = ["w01", "w02", "w03"];
const ABUSER: &str = "w04";

/// Opens batches and leaves them until the time is over, whatever is answered; says how many were opened, and how many
/// of these the server had no place for.
async fn flood(client: async_nats::Client, until: Instant) -> anyhow::Result<(usize, usize)> {
    let inbox = format!("_INBOX.{ABUSER}.flood");
    let answers = client.subscribe(inbox.clone()).await?;
    let mut opened = 0;
    let opening = async {
        while Instant::now() < until {
            for _ in 0..AT_A_TIME {
                opened += 1;
                let mut headers = async_nats::HeaderMap::new();
                headers.insert("Nats-Batch-Id", format!("left-{opened}"));
                headers.insert("Nats-Batch-Sequence", "1");
                let subject = format!("hall.510000.terminal.{ABUSER}");
                let reply = inbox.clone();
                client.publish_with_reply_and_headers(subject, reply, headers, "{}".into()).await?;
            }
            client.flush().await?;
            sleep(PAUSE).await;
        }
        Ok::<_, anyhow::Error>(())
    };
    let hearing = answers
        .take_until(sleep_until(until))
        .filter(|it| std::future::ready(String::from_utf8_lossy(&it.payload).contains("10210")))
        .count();
    let (ended, full) = tokio::join!(opening, hearing);
    ended?;
    Ok((opened, full))
}

/// A window's device, which records bursts until the flood is nearly over, and ends when all is stored.
async fn window(mut agent: Child, terminal: &str, started: Instant) -> anyhow::Result<()> {
    let mut stdin = agent.stdin.take().context("no stdin")?;
    for burst in 0..BURSTS {
        let input = lines(burst * BURST..(burst + 1) * BURST)
            .replace("terminal.w01", &format!("terminal.{terminal}"));
        stdin.write_all(input.as_bytes()).await?;
        sleep_until(started + BETWEEN * u32::try_from(burst + 1)?).await;
    }
    drop(stdin);
    let ran = crate::hall::ended(agent).await?.ok();
    ensure!(ran.text().lines().count() == BURSTS * BURST, "{ran:?}");
    Ok(())
}

/// How many events of a window are in the journal, and how many of them went in one by one: each of what is sent at
/// once bears one signature.
async fn stored(hall: &Hall, terminal: &str) -> anyhow::Result<(usize, usize)> {
    let journal = hall.context().open_journal().await?;
    let (last, mut at) = (journal.state().await?.last, 0);
    let mut cursor = journal.open(1).await?;
    let (mut events, mut singles, mut before) = (0, 0, true);
    let subject = format!("hall.510000.terminal.{terminal}");
    while at < last {
        for it in cursor.next(1_000, COMMAND_MAX).await? {
            at = it.position;
            if it.message.subject == subject {
                let is_signed = it.message.attributes.signature.is_some();
                events += 1;
                singles += usize::from(is_signed && before);
                before = is_signed;
            }
        }
    }
    Ok((events, singles))
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_opened_and_left_for_a_minute_stop_nobody_and_are_named()
-> anyhow::Result<()> {
    let (server, hall, out): (NatsServer, _, _) = configured().await?;
    let settings = std::fs::read_to_string(out.join("nats-server.conf"))?;
    assert!(settings.contains("max_inflight_per_stream: 50, timeout: \"2s\""), "as shipped");
    hall.set_up().await?;
    let mut keys = Vec::new();
    for terminal in WINDOWS {
        keys.push(enrol(&hall, &server, &out, terminal).await?);
    }
    let abuser = enrol(&hall, &server, &out, ABUSER).await?;

    let (watch, log) = (out.join("keys/watch.nk"), server.log_path().display().to_string());
    let folder = out.display().to_string();
    let watching = ["nats-watch", "--out", &folder, "--log", &log];
    let mut watching = hall.command_as(&watch, &watching);
    let watching = watching.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;

    let started = Instant::now();
    let flooding = tokio::spawn(flood(client(&server, &abuser).await?, started + FLOOD));
    let mut windows = Vec::new();
    for (key, terminal) in keys.iter().zip(WINDOWS) {
        let mut agent = hall.command_as(key, &["terminal", "run", terminal, "--once"]);
        let agent = agent.stdin(Stdio::piped()).spawn()?;
        windows.push(tokio::spawn(window(agent, terminal, started)));
    }
    for window in windows {
        window.await??;
    }
    let (opened, full) = flooding.await??;
    assert!(started.elapsed() >= FLOOD);
    assert!(full > opened / 10, "no flood: {opened} opened, {full} beyond what the server lets");

    // What the windows recorded is stored, one by one where no batch was taken.
    let expected = BURSTS * BURST;
    for terminal in WINDOWS {
        let (events, singles) = stored(&hall, terminal).await?;
        println!(
            "{terminal}: {events} stored, {singles} one by one; {opened} opened, {full} beyond"
        );
        assert_eq!(events, expected, "{terminal}");
        assert!(singles >= AFTER_REFUSAL, "{terminal} was not held up: {singles} of {expected}");
    }
    assert_eq!(stored(&hall, ABUSER).await?.0, 0);
    // And counted.
    let projector = out.join("keys/projector.nk");
    let office = out.join("keys/office.nk");
    hall.run_as(&projector, "", &["project", "--once"]).await?.ok();
    let today = hall_day(SystemClock.now()).to_string();
    let stats = ["stats", "--json", "--from", "2023-01-01", "--to", &today];
    let stats = hall.run_as(&projector, "", &stats).await?.ok().json()?;
    let rows = stats["rows"].as_array().context("no rows")?;
    let consulted: i64 = rows.iter().filter_map(|it| it["consulted"].as_i64()).sum();
    assert_eq!(usize::try_from(consulted)?, expected * WINDOWS.len(), "{stats}");

    // The alarm names the one device, and the doctor what to do.
    let seen = zhoubao_test_support::eventually("the alarm", COMMAND_MAX, async || {
        hall.run_as(&projector, "", &["project", "--once"]).await?.ok();
        let seen = hall.run_as(&office, "", &["doctor", "--json"]).await?.ok().json()?;
        Ok(audited(&seen).iter().any(|it| it.starts_with("terminal w04: ")).then_some(seen))
    })
    .await?;
    let audited = audited(&seen);
    assert_eq!(audited.len(), 1, "{audited:?}");
    assert!(audited[0].contains("开批不交") && audited[0].contains("revoke w04"), "{audited:?}");
    let counts = &seen["counts"];
    assert_eq!(counts["stored"], counts["counted"], "{counts}");
    drop(watching);
    Ok(())
}

/// What the doctor says of the audit line, and what to do.
fn audited(report: &Value) -> Vec<String> {
    let all = report["findings"].as_array().into_iter().flatten();
    let all = all.filter(|it| it["subject"] == "审计 audit" && it["level"] != "ok");
    all.map(|it| format!("{} {}", it["detail"], it["next"]).replace('"', "")).collect()
}
