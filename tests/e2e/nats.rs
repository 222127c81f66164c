//! A server configured from the register: every user has the rights of its role, and a terminal loses them when its key
//! is revoked.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::time::timeout;
use zhoubao_test_support::NatsServer;

use crate::hall::{COMMAND_MAX, Hall};
use crate::terminal::lines;

/// Longest time from the reload to the refusal of a revoked terminal.
const REVOKED_WITHIN: Duration = Duration::from_secs(60);

/// A hall whose server is configured by the program, and the folder of the configuration.
pub(crate) async fn configured() -> anyhow::Result<(NatsServer, Hall, PathBuf)> {
    configured_of(Hall::in_files()?).await
}

/// The same for another hall.
pub(crate) async fn configured_of(hall: Hall) -> anyhow::Result<(NatsServer, Hall, PathBuf)> {
    let out = hall.dir().with_file_name("nats");
    let server = NatsServer::start_configured(async |dir, port| {
        let file = out.join("nats-server.conf");
        if file.exists() {
            std::fs::remove_file(&file)?;
        }
        let (listen, store) = (format!("127.0.0.1:{port}"), dir.join("store"));
        let arguments = ["nats-config", "--out", path(&out)?, "--listen", &listen];
        let ran = hall.run(&[&arguments[..], &["--store-dir", path(&store)?]].concat()).await?;
        let ran = ran.ok();
        assert!(ran.text().contains("终端 terminals  0"), "{ran:?}");
        NatsServer::check_config(&file)?;
        Ok(file)
    })
    .await?;
    let hall = hall.with_keys(&server.address(), &out.join("keys"));
    Ok((server, hall, out))
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a path in UTF-8")
}

/// Takes the keys of a terminal into the register and lets the server know; answers with the file of its seed.
pub(crate) async fn enrol(
    hall: &Hall,
    server: &NatsServer,
    out: &Path,
    terminal: &str,
) -> anyhow::Result<PathBuf> {
    let printed = hall.run(&["terminal", "enroll", terminal]).await?.ok();
    let file = hall.file(&format!("key.{terminal}.json"), &printed.text())?;
    let office = out.join("keys/office.nk");
    hall.run_as(&office, "", &["setup", "apply", &file, "--by", "a01"]).await?.ok();
    configure(hall, out).await?;
    server.reload().await?;
    Ok(hall.dir().join(format!("terminal-{terminal}.nk")))
}

/// Writes the configuration anew.
async fn configure(hall: &Hall, out: &Path) -> anyhow::Result<()> {
    let office = out.join("keys/office.nk");
    hall.run_as(&office, "", &["nats-config", "--out", path(out)?]).await?.ok();
    NatsServer::check_config(&out.join("nats-server.conf"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hall_starts_with_its_server_and_each_user_does_what_it_may() -> anyhow::Result<()> {
    let (mut server, hall, out) = configured().await?;
    let keys = out.join("keys");
    let seed = |name: &str| std::fs::read_to_string(keys.join(format!("{name}.nk")));
    let names = ["projector", "office", "archive", "break-glass", "watch", "live", "check"];
    let before = names.map(|it| seed(it).expect("a seed"));
    for name in names {
        let mode = std::fs::metadata(keys.join(format!("{name}.nk")))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::metadata(&keys)?.permissions().mode() & 0o777, 0o700);

    // A service makes no stream; whoever breaks the glass does, once.
    let (office, projector) = (keys.join("office.nk"), keys.join("projector.nk"));
    let ran = hall.run_as(&office, "", &["setup", "list"]).await?.fails(78, "E.701");
    assert!(ran.err.contains("break-glass"), "{ran:?}");
    hall.set_up().await?;
    let w01 = enrol(&hall, &server, &out, "w01").await?;
    assert_eq!(names.map(|it| seed(it).expect("a seed")), before, "keys are made once");
    let accounts = std::fs::read_to_string(out.join("accounts.conf"))?;
    assert!(accounts.contains("# terminal w01\n") && !accounts.contains("# terminal w02\n"));

    let last = hall.last().await?;
    let logged = server.log()?.len();
    let run = ["terminal", "run", "w01", "--once"];
    hall.run_as(&w01, &lines(0..300), &run).await?.ok();
    assert_eq!(hall.last().await?, last + 300);
    hall.run_as(&projector, "", &["project", "--once"]).await?.ok();
    hall.run_as(&office, "", &["setup", "list", "terminal"]).await?.ok();
    let log = server.log()?;
    assert!(!log[logged..].contains("Violation"), "{}", &log[logged..]);

    // The office writes no terminal's line, a terminal no line of another, the projector none.
    let consult = ["emit", "consult", "--terminal", "w01", "--people", "1", "--anyway"];
    let ran = hall.run_as(&office, "", &consult).await?;
    assert!(ran.exit != 0 && ran.err.contains("hall.510000.terminal.w01"), "{ran:?}");
    let open = ["issue", "open", "2023-w06", "--by", "a01"];
    let ran = hall.run_as(&projector, "", &open).await?.fails(78, "E.701");
    assert!(ran.err.contains("may not write to `hall.510000.issues`"), "{ran:?}");
    let w02 = ["terminal", "run", "w02"];
    let mut agent = hall.command_as(&w01, &w02).stdin(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(agent.stderr.take().context("no stderr")?).lines();
    loop {
        let line = timeout(COMMAND_MAX, said.next_line()).await??.context("it ended early")?;
        if line.contains("the journal does not answer") {
            assert!(line.contains("the NATS user lacks a right"), "{line}");
            break;
        }
    }
    agent.start_kill()?;
    assert_eq!(hall.last().await?, last + 300);

    // A server that does not start for want of this file cannot be asked who is to stand in it.
    server.kill().await?;
    std::fs::remove_file(out.join("accounts.conf"))?;
    let again = ["nats-config", "--out", path(&out)?];
    let ran = hall.run_as(&office, "", &again).await?.ok();
    assert!(ran.err.contains("may be older"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(out.join("accounts.conf"))?, accounts);
    Ok(())
}

/// A client with this key.
pub(crate) async fn client(server: &NatsServer, nkey: &Path) -> anyhow::Result<async_nats::Client> {
    let seed = std::fs::read_to_string(nkey)?.trim().to_owned();
    Ok(async_nats::ConnectOptions::with_nkey(seed).connect(server.address()).await?)
}

/// A client with this key, and what the server refuses it.
async fn intruder(
    server: &NatsServer,
    nkey: &Path,
) -> anyhow::Result<(async_nats::Client, mpsc::Receiver<String>)> {
    let (refused, heard) = mpsc::channel(100);
    let seed = std::fs::read_to_string(nkey)?.trim().to_owned();
    let options = async_nats::ConnectOptions::with_nkey(seed).event_callback(move |event| {
        if let async_nats::Event::ServerError(async_nats::ServerError::Other(text)) = event {
            let _ = refused.try_send(text);
        }
        std::future::ready(())
    });
    Ok((options.connect(server.address()).await?, heard))
}

pub(crate) async fn try_to_publish(
    server: &NatsServer,
    nkey: &Path,
    to: &str,
) -> anyhow::Result<String> {
    let (client, mut refused) = intruder(server, nkey).await?;
    client.publish(to.to_owned(), "{}".into()).await?;
    client.flush().await?;
    timeout(COMMAND_MAX, refused.recv()).await?.context("nothing was refused")
}

async fn try_to_listen(
    server: &NatsServer,
    nkey: &Path,
    to: &'static str,
) -> anyhow::Result<String> {
    let (client, mut refused) = intruder(server, nkey).await?;
    let _subscriber = client.subscribe(to).await?;
    client.flush().await?;
    timeout(COMMAND_MAX, refused.recv()).await?.context("nothing was refused")
}

async fn leave_batches(server: &NatsServer, nkey: &Path, terminal: &str) -> anyhow::Result<()> {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let client = client(server, nkey).await?;
    for _ in 0..20 {
        let mut headers = async_nats::HeaderMap::new();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        headers.insert("Nats-Batch-Id", format!("left-{number}"));
        headers.insert("Nats-Batch-Sequence", "1");
        let subject = format!("hall.510000.terminal.{terminal}");
        client.publish_with_headers(subject, headers, "{}".into()).await?;
    }
    Ok(client.flush().await?)
}

/// What the watch has recorded: who, what, where, how often.
async fn recorded(hall: &Hall) -> anyhow::Result<Vec<(String, String, String, u64)>> {
    let journal = hall.context().open_journal().await?;
    let mut cursor = journal.open(1).await?;
    let (mut found, mut at) = (Vec::new(), 0);
    let last = journal.state().await?.last;
    while at < last {
        for it in cursor.next(1_000, COMMAND_MAX).await? {
            at = it.position;
            if it.message.subject == "hall.510000.audit" {
                let body: Value = serde_json::from_slice(&it.message.body)?;
                let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
                let times = body["times"].as_u64().unwrap_or_default();
                found.push((text("user"), text("attempt"), text("subject"), times));
            }
        }
    }
    Ok(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_what_he_may_not_is_named_and_recorded_once() -> anyhow::Result<()> {
    let (server, hall, out) = configured().await?;
    hall.set_up().await?;
    let w02 = enrol(&hall, &server, &out, "w02").await?;
    let (watch, office) = (out.join("keys/watch.nk"), out.join("keys/office.nk"));
    let log = server.log_path().display().to_string();
    let once = ["nats-watch", "--out", path(&out)?, "--log", &log, "--once"];
    // Nobody watches yet, and later nobody does any more.
    let warns = async |word: &str| {
        let seen = hall.run_as(&office, "", &["doctor", "--json"]).await?.ok().json()?;
        let found = seen["findings"].as_array().context("no findings")?;
        let found = found.iter().find(|it| it["subject"] == "看守 watch").context("no watch")?;
        assert_eq!(found["level"], "warning", "{found}");
        assert!(found["detail"].as_str().is_some_and(|it| it.contains(word)), "{found}");
        assert!(found["next"].as_str().is_some_and(|it| it.contains("nats-watch")), "{found}");
        anyhow::Ok(())
    };
    warns("never ran").await?;
    std::fs::write(hall.dir().join("watch.last"), "2023-02-06T09:00:00+08:00\n")?;
    warns("silent since 2023-02-06").await?;
    hall.run_as(&watch, "", &once).await?.ok();
    let before = recorded(&hall).await?;

    // As another terminal, and as the office that changes the stream.
    for (key, subject) in [
        (&w02, "hall.510000.terminal.w01"),
        (&w02, "hall.510000.terminal.w01"),
        (&w02, "hall.510000.terminal.*"),
        (&w02, "$JS.API.STREAM.PURGE.HALL_510000"),
        // For another's reader, and into another's answers.
        (&w02, "$JS.ACK.HALL_510000.reader.1.1.1.1.0"),
        (&w02, "_INBOX.w01.1"),
        (&office, "$JS.API.STREAM.UPDATE.HALL_510000"),
    ] {
        let refused = try_to_publish(&server, key, subject).await?;
        assert_eq!(refused, format!("Permissions Violation for Publish to \"{subject}\""));
    }
    // And what others write, or are answered.
    for subject in ["hall.510000.terminal.w01", "_INBOX.w01.>", "$JS.API.>"] {
        let refused = try_to_listen(&server, &w02, subject).await?;
        assert_eq!(refused, format!("Permissions Violation for Subscription to \"{subject}\""));
    }
    // The doctor asks the same as the office did, and is no intruder.
    let seen = hall.run_as(&office, "", &["doctor"]).await?.ok().text();
    assert!(seen.contains("✓ 看守 watch  运行中"), "{seen}");

    let ran = hall.run_as(&watch, "", &once).await?.ok();
    assert!(ran.text().contains("terminal w02: 越权写入"), "{ran:?}");
    let found = recorded(&hall).await?;
    let entry = |user: &str, subject: &str, times| {
        (user.to_owned(), "publish".to_owned(), subject.to_owned(), times)
    };
    let listened =
        |subject: &str| ("terminal w02".to_owned(), "subscribe".to_owned(), subject.to_owned(), 1);
    let mut new = found[before.len()..].to_vec();
    new.sort();
    assert_eq!(
        new,
        [
            entry("office", "$JS.API.STREAM.UPDATE.HALL_510000", 1),
            entry("terminal w02", "$JS.ACK.HALL_510000.reader.1.1.1.1.0", 1),
            entry("terminal w02", "$JS.API.STREAM.PURGE.HALL_510000", 1),
            entry("terminal w02", "_INBOX.w01.1", 1),
            entry("terminal w02", "hall.510000.terminal.*", 1),
            entry("terminal w02", "hall.510000.terminal.w01", 2),
            listened("$JS.API.>"),
            listened("_INBOX.w01.>"),
            listened("hall.510000.terminal.w01"),
        ]
    );
    // What was read is not recorded again, and the hall's people see it.
    hall.run_as(&watch, "", &once).await?.ok();
    assert_eq!(recorded(&hall).await?, found);
    hall.run_as(&out.join("keys/projector.nk"), "", &["project", "--once"]).await?.ok();
    let seen = hall.run_as(&office, "", &["doctor"]).await?.ok().text();
    assert!(seen.contains("审计 audit  terminal w02: ") && seen.contains("revoke w02"), "{seen}");

    // Batches that are opened and left name nobody in the log; whoever listens hears whose they are.
    let arguments = ["nats-watch", "--out", path(&out)?, "--log", &log];
    let mut command = hall.command_as(&watch, &arguments);
    let mut watching = command.stderr(Stdio::null()).spawn()?;
    let mut said = BufReader::new(watching.stdout.take().context("no stdout")?).lines();
    let line = loop {
        leave_batches(&server, &w02, "w02").await?;
        if let Ok(line) = timeout(Duration::from_secs(8), said.next_line()).await {
            break line?.context("it ended early")?;
        }
    };
    assert!(line.contains("terminal w02: 开批不交"), "{line}");
    // The alarm comes first, the entry right after it.
    zhoubao_test_support::eventually("the entry", COMMAND_MAX, async || {
        let last = recorded(&hall).await?.pop();
        let left = |it: &(String, String, String, u64)| {
            it.0 == "terminal w02" && it.1 == "leave-batches" && it.3 >= 10
        };
        Ok(last.filter(left).map(drop))
    })
    .await?;
    watching.start_kill()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_terminal_is_shut_out_within_a_minute() -> anyhow::Result<()> {
    let (server, hall, out) = configured().await?;
    hall.set_up().await?;
    let w01 = enrol(&hall, &server, &out, "w01").await?;
    let mut agent = hall.command_as(&w01, &["terminal", "run", "w01"]);
    let mut agent = agent.stdin(Stdio::piped()).spawn()?;
    let mut stdin = agent.stdin.take().context("no stdin")?;
    let mut said = BufReader::new(agent.stderr.take().context("no stderr")?).lines();
    let mut saved = BufReader::new(agent.stdout.take().context("no stdout")?).lines();
    let before = hall.last().await?;
    stdin.write_all(lines(0..3).as_bytes()).await?;
    zhoubao_test_support::eventually("three events to arrive", COMMAND_MAX, async || {
        Ok((hall.last().await? == before + 3).then_some(()))
    })
    .await?;

    let office = out.join("keys/office.nk");
    let revoke = ["terminal", "revoke", "w01", "--by", "a01"];
    let revoked = hall.run_as(&office, "", &revoke).await?.ok();
    let next = "zhoubao nats-config --out <folder> && nats-server --signal reload";
    assert!(revoked.err.contains(next), "{revoked:?}");
    configure(&hall, &out).await?;
    let last = hall.last().await?;
    let revoked_at = Instant::now();
    server.reload().await?;
    stdin.write_all(lines(3..6).as_bytes()).await?;
    loop {
        let line = timeout(REVOKED_WITHIN, said.next_line()).await??.context("it ended early")?;
        if line.contains("does not let this user in") {
            break;
        }
    }
    assert!(revoked_at.elapsed() < REVOKED_WITHIN, "{:?}", revoked_at.elapsed());
    // What a clerk records is kept all the same; nothing of it is taken.
    for number in 1..=6 {
        let line = timeout(COMMAND_MAX, saved.next_line()).await??.context("it ended early")?;
        assert_eq!(line, format!("terminal.w01#{number} 已保存 saved"));
    }
    assert_eq!(hall.last().await?, last);
    agent.start_kill()?;
    Ok(())
}
