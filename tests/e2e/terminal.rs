//! The agent of a window's device: what it has said is saved survives whatever is killed, and is counted once.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;
use zhoubao_test_support::NatsServer;

use crate::hall::{COMMAND_MAX, Hall};
use crate::kills::Dice;

/// A consultation of one person on 6 February, under a key of its own.
fn consultation(key: usize) -> String {
    let event = json!({
        "specversion": "1.0",
        "source": "hall.510000.terminal.w01",
        "type": "cn.zhoubao.Consulted.v1",
        "time": "2023-02-06T09:10:00+08:00",
        "command": format!("key-{key}"),
        "data": { "people": 1 },
    });
    format!("{event}\n")
}

pub(crate) fn lines(keys: std::ops::Range<usize>) -> String {
    keys.map(consultation).collect()
}

async fn status(hall: &Hall) -> anyhow::Result<Value> {
    hall.run(&["terminal", "status", "w01", "--json"]).await?.ok().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_saved_without_a_journal_and_sent_when_there_is_one() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.run(&["terminal", "status", "w01"]).await?.fails(4, "E.112");

    // No journal is there, and none is made.
    let mut agent = hall.command(&["terminal", "run", "w01"]).stdin(Stdio::piped()).spawn()?;
    let mut stdin = agent.stdin.take().context("no stdin")?;
    let mut said = BufReader::new(agent.stdout.take().context("no stdout")?).lines();
    stdin.write_all(lines(0..300).as_bytes()).await?;
    for number in 1..=300 {
        let line = timeout(COMMAND_MAX, said.next_line()).await??.context("it ended early")?;
        assert_eq!(line, format!("terminal.w01#{number} 已保存 saved"));
    }
    agent.start_kill()?;
    timeout(COMMAND_MAX, agent.wait()).await??;
    assert!(!hall.dir().join("journal.db").exists());
    let before = status(&hall).await?;
    assert_eq!([&before["recorded"], &before["stored"], &before["to_send"]], [300, 0, 300]);

    // The same commands again are the same events; a wrong line keeps nobody else from being saved.
    hall.set_up().await?;
    let wrong = "{\"specversion\":\"1.0\"}\nno event\n";
    let foreign = consultation(7).replace("terminal.w01", "terminal.w02");
    let numbered = consultation(8).replace("\"specversion\"", "\"id\":\"8\",\"specversion\"");
    let changed = consultation(9).replace("\"people\":1", "\"people\":2");
    let input = lines(290..310) + wrong + &foreign + &numbered + &changed + &lines(310..320);
    let ran = hall.run_with(&input, &["terminal", "run", "w01", "--once", "--json"]).await?;
    assert_eq!(ran.exit, 4, "{ran:?}");
    let said: Vec<Value> =
        ran.text().lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let of = |state: &str, repeated: bool| {
        said.iter().filter(|it| it["state"] == state && it["repeated"] == json!(repeated)).count()
    };
    assert_eq!((of("saved", true), of("saved", false)), (10, 20));
    let refused: Vec<_> = said
        .iter()
        .filter(|it| it["state"] == "refused")
        .map(|it| (it["line"].as_u64().unwrap_or_default(), it["code"].as_str().unwrap_or("")))
        .collect();
    let expected = [(21, "E.102"), (22, "E.102"), (23, "E.102"), (24, "E.102"), (25, "E.104")];
    assert_eq!(refused, expected);

    let after = status(&hall).await?;
    assert_eq!([&after["recorded"], &after["stored"], &after["to_send"]], [320, 320, 0]);
    assert_eq!(after["position"], hall.last().await?);
    let counts = hall.counts().await?;
    assert_eq!((counts.flagged, counts.quarantined, counts.held, counts.repeated), (0, 0, 0, 0));
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [320, 0, 0, 0]);

    // What is exported is what was sent: entered again it is known.
    let export = hall.run(&["terminal", "export", "w01"]).await?.ok().text();
    assert_eq!(export.lines().count(), 320);
    let again = hall.run_with(&export, &["emit", "-"]).await?.ok();
    assert!(again.err.contains("重复 repeated 320"), "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_an_old_copy_and_a_copied_ledger_are_found() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let run = ["terminal", "run", "w01", "--once"];
    let ledger = hall.dir().join("terminal-w01.db");
    hall.run_with(&lines(0..5), &run).await?.ok();
    let copy = hall.dir().join("copy.db");
    std::fs::copy(&ledger, &copy)?;
    hall.run_with(&lines(5..9), &run).await?.ok();
    let last = hall.last().await?;

    // The old copy: the journal has more of the terminal than its own ledger.
    let old = copy.display().to_string();
    let on_copy = ["terminal", "run", "w01", "--ledger", &old, "--once"];
    let ran = hall.run_with("", &on_copy).await?;
    let ran = ran.fails(4, "E.113");
    assert!(ran.err.contains("terminal.w01#9"), "{ran:?}");
    // A clone that goes its own way: another content under a number.
    hall.run_with(&lines(100..106), &on_copy).await?.fails(4, "E.104");
    let status = hall.run(&["terminal", "status", "w01", "--ledger", &old, "--json"]).await?;
    let status = status.ok().json()?;
    assert_eq!(status["stopped"]["code"], "E.104");
    assert_eq!(status["recorded"], 11, "what was recorded is kept");
    assert_eq!(hall.last().await?, last, "nothing of it was sent");

    // The true one goes on.
    hall.run_with(&lines(9..12), &run).await?.ok();
    assert_eq!(hall.last().await?, last + 3);
    // Another terminal, another hall, another file.
    let ran = hall.run(&["terminal", "status", "w02", "--ledger", &old]).await?;
    ran.fails(78, "E.780");
    let journal = hall.dir().join("journal.db").display().to_string();
    let ran = hall.run(&["terminal", "status", "w01", "--ledger", &journal]).await?;
    ran.fails(78, "E.780");
    Ok(())
}

/// A disk that is full: refused before the clerk is told that it is saved, and recorded when there is room again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_before_anything_is_called_saved() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let run = ["terminal", "run", "w01", "--once", "--json"];
    hall.run_with(&lines(0..5), &run).await?.ok();
    // No file may grow beyond so many blocks of 1024 bytes: neither the ledger nor the journal.
    let program = hall.command(&["terminal", "run", "w01", "--json"]);
    let mut limited = tokio::process::Command::new("bash");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""])
        .arg(program.as_std().get_program())
        .args(program.as_std().get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut agent = limited.spawn()?;
    let mut stdin = agent.stdin.take().context("no stdin")?;
    let mut answers = BufReader::new(agent.stdout.take().context("no stdout")?).lines();
    let feed = tokio::spawn(async move { stdin.write_all(lines(5..3_000).as_bytes()).await });
    let mut said: Vec<Value> = Vec::new();
    while said.len() < 2_995 {
        let line = timeout(COMMAND_MAX, answers.next_line()).await??.context("it ended early")?;
        said.push(serde_json::from_str(&line)?);
    }
    feed.await??;
    agent.start_kill()?;
    timeout(COMMAND_MAX, agent.wait()).await??;
    let saved = said.iter().filter(|it| it["state"] == "saved").count();
    let refused: Vec<_> = said.iter().filter(|it| it["state"] == "refused").collect();
    assert!(!refused.is_empty() && saved > 0, "{saved} saved, {} refused", refused.len());
    assert!(refused.iter().all(|it| it["code"] == "E.705" && it["next"].is_string()));
    let recorded = status(&hall).await?["recorded"].as_u64().context("no number")?;
    assert_eq!(recorded, 5 + saved as u64, "what was called saved, and nothing else");

    hall.run_with(&lines(0..3_000), &run).await?.ok();
    let end = status(&hall).await?;
    assert_eq!([&end["recorded"], &end["stored"]], [3_000, 3_000]);
    hall.counts().await?;
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [3_000, 0, 0, 0]);
    Ok(())
}

/// Agent, broker and projector are killed at random while a window records.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_everything_saved_is_counted_once() -> anyhow::Result<()> {
    const EVENTS: usize = 4_000;
    const KILLS: u64 = 24;
    let mut nats = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&nats);
    hall.set_up().await?;
    let mut dice = Dice(20_230_206);
    let mut projector = None;
    let (mut saved, mut killed) = (0, [0; 3]);
    for kill in 0..KILLS {
        if projector.is_none() {
            let mut command = hall.command(&["project"]);
            projector = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
        }
        let mut agent = hall
            .command(&["terminal", "run", "w01"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdin = agent.stdin.take().context("no stdin")?;
        let mut said = BufReader::new(agent.stdout.take().context("no stdout")?).lines();
        // What was not answered before is given again.
        let input = lines(saved..EVENTS);
        let feed = tokio::spawn(async move {
            // The agent is killed while it reads.
            let _ = stdin.write_all(input.as_bytes()).await;
            std::future::pending::<()>().await;
        });
        let share = EVENTS / usize::try_from(KILLS)?;
        let upto = (saved + usize::try_from(dice.below(2 * share as u64))?).min(EVENTS);
        while saved < upto {
            let line = timeout(COMMAND_MAX, said.next_line()).await??.context("it ended early")?;
            saved += 1;
            assert!(line.starts_with(&format!("terminal.w01#{saved} 已保存")), "{line}");
        }
        tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        let victim = usize::try_from(kill % 3)?;
        killed[victim] += 1;
        match victim {
            0 => {}
            1 => {
                nats.kill().await?;
                tokio::time::sleep(Duration::from_millis(dice.below(100))).await;
                nats.restart().await?;
            }
            _ => {
                let mut projector = projector.take().context("a projector")?;
                projector.start_kill()?;
                timeout(COMMAND_MAX, projector.wait()).await??;
            }
        }
        // The agent goes each time: it has no other way of ending.
        agent.start_kill()?;
        timeout(COMMAND_MAX, agent.wait()).await??;
        feed.abort();
    }
    assert_eq!(killed, [8; 3]);
    let ran = hall.run_with(&lines(saved..EVENTS), &["terminal", "run", "w01", "--once"]).await?;
    ran.ok();
    drop(projector);
    let end = status(&hall).await?;
    assert_eq!([&end["recorded"], &end["stored"]], [EVENTS, EVENTS], "{saved} were answered");
    let counts = hall.counts().await?;
    assert_eq!((counts.flagged, counts.quarantined, counts.held, counts.repeated), (0, 0, 0, 0));
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [EVENTS as i64, 0, 0, 0]);
    Ok(())
}
