//! The agent of a window's device: what it has said is saved survives whatever is killed, and is counted once.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::watch;
use tokio::time::timeout;
use zhoubao_test_support::{NatsServer, Postgres};

use crate::hall::{COMMAND_MAX, Hall};
use crate::kills::{Dice, Life, projector};

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

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Agent,
    Broker,
    Database,
    Projector,
}

/// The agent of the window, and what it has said is saved.
struct Agent {
    child: Child,
    stdin: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Agent {
    fn start(hall: &Hall) -> anyhow::Result<Self> {
        let mut command = hall.command(&["terminal", "run", "w01"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdin = child.stdin.take().context("no stdin")?;
        let said = BufReader::new(child.stdout.take().context("no stdout")?).lines();
        Ok(Self { child, stdin, said })
    }

    /// Reads on until it has said of `upto` events that they are saved, or has ended; answers with how many it has said.
    async fn read(&mut self, mut saved: usize, upto: usize) -> anyhow::Result<usize> {
        while saved < upto {
            let Some(line) = timeout(COMMAND_MAX, self.said.next_line()).await?? else { break };
            saved += 1;
            assert!(line.starts_with(&format!("terminal.w01#{saved} 已保存")), "{line}");
        }
        Ok(saved)
    }
}

/// A projector, and what its log says as it grows.
struct Projector {
    child: Child,
    life: watch::Receiver<Life>,
}

impl Projector {
    fn start(hall: &Hall) -> anyhow::Result<Self> {
        let mut child = projector(hall).spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let (tell, life) = watch::channel(Life::default());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                tell.send_modify(|it| {
                    it.read(&line);
                });
            }
        });
        Ok(Self { child, life })
    }

    /// Waits until it is inside a transaction, or a moment for it to be in one.
    async fn inside(&mut self) {
        let begins = self.life.wait_for(Life::is_inside);
        // Where nothing is left to fold, no transaction begins.
        let _ = timeout(Duration::from_secs(1), begins).await;
    }
}

/// Agent, broker, database and projector are killed at random while a window records that is enrolled: nothing of its
/// line counts that no signature covers.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_everything_saved_is_counted_once() -> anyhow::Result<()> {
    const EVENTS: usize = 4_000;
    const EACH: usize = 6;
    const KILLS: usize = 4 * EACH;
    let (mut nats, mut postgres) = tokio::try_join!(NatsServer::start(), Postgres::start())?;
    let hall = Hall::in_files()?.with_nats(&nats).with_postgres(&postgres.create_database().await?);
    hall.set_up().await?;
    let key = hall.run(&["terminal", "enroll", "w01"]).await?.ok();
    let key = hall.file("key.w01.json", &key.text())?;
    hall.run(&["setup", "apply", &key, "--by", "a01"]).await?.ok();

    let mut dice = Dice(20_230_206);
    let mut victims: Vec<Victim> =
        [Victim::Agent, Victim::Broker, Victim::Database, Victim::Projector].repeat(EACH);
    let (mut agent, mut projector) = (None, None);
    let (mut saved, mut inside, mut waiting) = (0, 0, 0);
    for kill in 0..KILLS {
        let victim = victims.swap_remove(usize::try_from(dice.below(victims.len() as u64))?);
        let device = match &mut agent {
            Some(agent) => agent,
            None => agent.insert(Agent::start(&hall)?),
        };
        let folding = match &mut projector {
            Some(projector) => projector,
            None => projector.insert(Projector::start(&hall)?),
        };
        // What was not answered before is given again.
        let share = EVENTS / KILLS;
        let upto = EVENTS.min(saved + share / 2 + usize::try_from(dice.below(share as u64))?);
        assert!(saved < upto, "all was recorded before kill {kill}");
        let given = lines(saved..upto);
        timeout(COMMAND_MAX, device.stdin.write_all(given.as_bytes())).await??;
        let commits = matches!(victim, Victim::Database | Victim::Projector);
        if commits && kill % 3 > 0 {
            folding.inside().await;
        } else {
            tokio::time::sleep(Duration::from_millis(dice.below(60))).await;
        }
        match victim {
            Victim::Agent => {
                device.child.start_kill()?;
                timeout(COMMAND_MAX, device.child.wait()).await??;
            }
            Victim::Broker => nats.kill().await?,
            Victim::Database => postgres.kill().await?,
            Victim::Projector => {
                folding.child.start_kill()?;
                timeout(COMMAND_MAX, folding.child.wait()).await??;
            }
        }
        inside += usize::from(commits && folding.life.borrow().is_inside());
        tokio::time::sleep(Duration::from_millis(dice.below(150))).await;
        match victim {
            Victim::Broker => nats.restart().await?,
            Victim::Database => postgres.restart().await?,
            Victim::Projector => projector = None,
            Victim::Agent => {}
        }
        // Nobody else's death keeps the window from recording.
        let said = device.read(saved, upto).await?;
        waiting += usize::from(said < upto);
        assert!(said == upto || victim == Victim::Agent, "{victim:?}: {said} of {upto}");
        saved = said;
        if victim == Victim::Agent {
            agent = None;
        }
    }
    assert_eq!(victims, [], "each of the four as often");
    eprintln!(
        "{KILLS} kills: {inside} inside a transaction, {waiting} before all was answered; {saved} answered"
    );
    assert!(inside >= 2, "only {inside} kills fell inside a transaction");
    assert!(waiting >= 1, "no kill left anything to be given again");
    drop((agent, projector));

    let ran = hall.run_with(&lines(saved..EVENTS), &["terminal", "run", "w01", "--once"]).await?;
    ran.ok();
    let end = status(&hall).await?;
    assert_eq!([&end["recorded"], &end["stored"]], [EVENTS, EVENTS], "{saved} were answered");
    let counts = hall.counts().await?;
    assert_eq!((counts.flagged, counts.quarantined, counts.held, counts.repeated), (0, 0, 0, 0));
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [EVENTS as i64, 0, 0, 0]);
    let verified = hall.run(&["rebuild", "--verify", "--dry-run", "--json"]).await?.ok().json()?;
    assert_eq!(verified["differences"], 0, "{verified}");
    Ok(())
}

/// What a hall does not count is told on the device with its reason, also where the device is run by the hour.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_device_names_what_needs_attention_and_what_to_do() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let run = ["terminal", "run", "w01", "--once"];
    let unknown = consultation(1).replace("\"people\"", "\"department\":\"nobody\",\"people\"");
    hall.run_with(&(consultation(0) + &unknown + &consultation(2)), &run).await?.ok();
    hall.run(&["project", "--once"]).await?.ok();
    assert_eq!(status(&hall).await?["counted"], Value::Null, "nobody has told it yet");
    // It hears the receipt before it ends, though it has nothing to send.
    hall.run(&run).await?.ok();

    let told = status(&hall).await?;
    assert_eq!((&told["counted"], &told["flagged_count"]), (&json!(3), &json!(1)), "{told}");
    let flagged = &told["flagged"][0];
    assert_eq!(
        (&flagged["number"], &flagged["code"], &flagged["standing"]),
        (&json!(2), &json!("E.101"), &json!("flagged")),
        "{told}"
    );
    assert!(flagged["reason"].as_str().is_some_and(|it| it.contains("nobody")), "{told}");
    assert!(flagged["next"].as_str().is_some_and(|it| it.contains("zhoubao setup")), "{told}");
    let text = hall.run(&["terminal", "status", "w01"]).await?.ok().text();
    for part in
        ["需处理 #2  E.101", "unknown department `nobody`", "怎么办 what to do: 用 `zhoubao setup`"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    Ok(())
}
