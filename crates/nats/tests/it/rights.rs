//! Who may do what: every role at every action, on a server with the configuration that the program writes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zhoubao_application::blobs::Blobs as _;
use zhoubao_application::journal::{Journal as _, Line as _};
use zhoubao_nats::config::{ACCOUNTS_FILE, Accounts, Server, Service, public_key, seed};
use zhoubao_nats::{Identity, NatsBlobs, NatsBoard, NatsJournal, NatsLine, Options};
use zhoubao_test_support::NatsServer;

use crate::raw::{Raw, publish};
use crate::{hall, line, stream_options, terminal};

/// Header that makes an append come to nothing: who has the right is told of the conflict.
const NOWHERE: (&str, &str) = ("Nats-Expected-Last-Subject-Sequence", "4611686018427387904");

const TERMINALS: [&str; 2] = ["w01", "w02"];
const W01: &[&str] = &["w01"];
const W02: &[&str] = &["w02"];
const READERS: &[&str] = &["projector", "office", "archive", "break-glass", "watch"];
const WATCH: &[&str] = &["watch"];
const LIVE: &[&str] = &["live"];
const PROJECTOR: &[&str] = &["projector"];
const WRITERS: &[&str] = &["office", "break-glass"];
const FILES: &[&str] = &["office", "archive", "break-glass"];
const BREAK_GLASS: &[&str] = &["break-glass"];
const CHECK: &[&str] = &["check"];
const NOBODY: &[&str] = &[];

/// A server as a hall has it, with two terminals, and the seeds of all its users.
struct Hall {
    server: NatsServer,
    seeds: BTreeMap<String, String>,
    // Removed with the value.
    _keys: KeyFolder,
}

/// A folder for seeds, as the product reads them.
struct KeyFolder(PathBuf);

impl Drop for KeyFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Hall {
    async fn start() -> anyhow::Result<Self> {
        let names = TERMINALS.into_iter().chain(Service::ALL.map(Service::name));
        let mut seeds = BTreeMap::new();
        for (name, byte) in names.zip(1..) {
            seeds.insert(name.to_owned(), seed([byte; 32])?);
        }
        let key = |name: &str| public_key(&seeds[name]);
        let mut accounts = Accounts { hall: hall(), terminals: vec![], services: vec![] };
        for name in TERMINALS {
            accounts.terminals.push((name.parse()?, key(name)?));
        }
        for service in Service::ALL {
            accounts.services.push((service, key(service.name())?));
        }
        let server = NatsServer::start_configured(async |dir, port| {
            let settings = Server {
                listen: format!("127.0.0.1:{port}"),
                name: "hall-test".into(),
                store_dir: dir.join("store").display().to_string(),
            };
            std::fs::write(dir.join(ACCOUNTS_FILE), accounts.to_string())?;
            let path = dir.join("nats-server.conf");
            std::fs::write(&path, settings.to_string())?;
            Ok(path)
        })
        .await?;
        let keys = server.store_dir().with_file_name("keys");
        std::fs::create_dir_all(&keys)?;
        for (name, seed) in &seeds {
            std::fs::write(keys.join(name), seed)?;
        }
        let hall = Self { server, seeds, _keys: KeyFolder(keys) };
        NatsJournal::create_stream(&hall.options("break-glass"), &stream_options()).await?;
        Ok(hall)
    }

    /// How the product connects as this user.
    fn options(&self, user: &str) -> Options {
        let key = |name: &str| self._keys.0.join(name);
        Options {
            identity: Some(Identity::Nkey(key(user))),
            sys_url: Some(self.server.address()),
            sys_nkey: Some(key("check")),
            appends: WRITERS.contains(&user),
            ..Options::new(self.server.address(), hall())
        }
    }

    async fn raw(&self, user: &str) -> anyhow::Result<Raw> {
        Raw::connect(self.server.port(), Some(&self.seeds[user])).await
    }

    /// Where answers to this user come.
    fn inbox(&self, user: &str) -> anyhow::Result<String> {
        Ok(match user {
            "w01" | "w02" => format!("_INBOX.{user}"),
            _ => format!("_INBOX.{}", public_key(&self.seeds[user])?),
        })
    }

    async fn line(&self, terminal: &str) -> anyhow::Result<NatsLine> {
        Ok(NatsLine::connect(&self.options(terminal), terminal.parse()?).await?)
    }
}

/// What is tried.
enum Action {
    /// An append that could be stored nowhere; who may, is told of the conflict.
    Append(&'static str),
    /// A question to the server; who may, is answered.
    Ask(&'static str, Value),
    /// A message that nobody answers.
    Publish(&'static str),
    /// To listen.
    Subscribe(&'static str),
}

fn actions() -> Vec<(Action, &'static [&'static str])> {
    use Action::{Append, Ask, Publish, Subscribe};
    let none = || json!({});
    let stream = json!({ "name": "HALL_510000", "subjects": ["hall.510000.>"] });
    let consumer = json!({ "stream_name": "HALL_510000", "config": {
        "ack_policy": "none", "mem_storage": true, "inactive_threshold": 1_000_000_000,
    }});
    vec![
        // Lines.
        (Append("hall.510000.terminal.w01"), &["w01", "break-glass"]),
        (Append("hall.510000.terminal.w02"), &["w02", "break-glass"]),
        (Append("hall.510000.terminal.w03"), BREAK_GLASS),
        (Append("hall.510000.desk.submission.s1"), WRITERS),
        (Append("hall.510000.authorization.d1"), WRITERS),
        (Append("hall.510000.issues"), WRITERS),
        (Append("hall.510000.setup.terminal.w01"), WRITERS),
        (Append("hall.510000.setup.key.w01"), WRITERS),
        (Append("hall.510000.quarantine"), WRITERS),
        (Append("hall.510000.audit"), &["office", "break-glass", "watch"]),
        (Publish("hall.510000.terminal.w01.below"), BREAK_GLASS),
        (Publish("hall.990000.terminal.w01"), NOBODY),
        (Append("receipt.510000.w01"), PROJECTOR),
        // Wildcards are no subjects; a right with a wildcard covers itself.
        (Publish("hall.510000.terminal.*"), BREAK_GLASS),
        (Publish("hall.510000.>"), BREAK_GLASS),
        (Publish("hall.*.terminal.w01"), NOBODY),
        (Publish(">"), NOBODY),
        // Reading.
        (
            Ask("$JS.API.DIRECT.GET.HALL_510000.hall.510000.terminal.w01", Value::Null),
            &["w01", "projector", "office", "archive", "break-glass", "watch"],
        ),
        (
            Ask("$JS.API.DIRECT.GET.HALL_510000.hall.510000.terminal.w02", Value::Null),
            &["w02", "projector", "office", "archive", "break-glass", "watch"],
        ),
        (Ask("$JS.API.DIRECT.GET.HALL_510000.hall.510000.issues", Value::Null), READERS),
        (Ask("$JS.API.DIRECT.GET.HALL_510000", json!({ "seq": 1 })), READERS),
        (Ask("$JS.API.STREAM.MSG.GET.HALL_510000", json!({ "seq": 1 })), READERS),
        (Ask("$JS.API.STREAM.INFO.HALL_510000", none()), READERS),
        (Ask("$JS.API.CONSUMER.CREATE.HALL_510000", consumer.clone()), READERS),
        (Publish("$JS.API.CONSUMER.MSG.NEXT.HALL_510000.x"), READERS),
        (Ask("$JS.API.CONSUMER.DELETE.HALL_510000.x", none()), READERS),
        (
            Ask("$JS.API.DIRECT.GET.RECEIPTS_510000.receipt.510000.w01", Value::Null),
            &["w01", "projector"],
        ),
        (
            Ask("$JS.API.DIRECT.GET.RECEIPTS_510000.receipt.510000.w02", Value::Null),
            &["w02", "projector"],
        ),
        (Publish("$JS.API.DIRECT.GET.RECEIPTS_510000"), NOBODY),
        // Files.
        (Append("$O.FILES_510000.C.x"), WRITERS),
        (Append("$O.FILES_510000.M.x"), WRITERS),
        (Ask("$JS.API.STREAM.INFO.OBJ_FILES_510000", none()), FILES),
        (Ask("$JS.API.DIRECT.GET.OBJ_FILES_510000.$O.FILES_510000.M.x", Value::Null), FILES),
        (Ask("$JS.API.DIRECT.GET.OBJ_FILES_510000", json!({ "seq": 1 })), FILES),
        (Ask("$JS.API.STREAM.UPDATE.OBJ_FILES_510000", json!("{")), BREAK_GLASS),
        (Publish("$JS.API.CONSUMER.CREATE.OBJ_FILES_510000"), NOBODY),
        (Publish("$JS.API.STREAM.PURGE.OBJ_FILES_510000"), NOBODY),
        (Publish("$JS.API.STREAM.DELETE.OBJ_FILES_510000"), NOBODY),
        (Publish("$O.FILES_990000.M.x"), NOBODY),
        // Streams. What is wrong in the request changes nothing.
        (Ask("$JS.API.STREAM.CREATE.HALL_510000", stream.clone()), BREAK_GLASS),
        (Ask("$JS.API.STREAM.UPDATE.HALL_510000", json!("{")), BREAK_GLASS),
        (Publish("$JS.API.STREAM.CREATE.OTHER"), NOBODY),
        (Publish("$JS.API.STREAM.PURGE.HALL_510000"), NOBODY),
        (Publish("$JS.API.STREAM.DELETE.HALL_510000"), NOBODY),
        (Publish("$JS.API.STREAM.MSG.DELETE.HALL_510000"), NOBODY),
        (Publish("$JS.API.STREAM.SNAPSHOT.HALL_510000"), NOBODY),
        (Publish("$JS.API.STREAM.RESTORE.HALL_510000"), NOBODY),
        (Publish("$JS.API.STREAM.LEADER.STEPDOWN.HALL_510000"), NOBODY),
        (Publish("$JS.API.STREAM.PEER.REMOVE.HALL_510000"), NOBODY),
        (Publish("$JS.API.STREAM.NAMES"), NOBODY),
        (Publish("$JS.API.STREAM.LIST"), NOBODY),
        (Publish("$JS.API.INFO"), NOBODY),
        (Publish("$JS.API.ACCOUNT.PURGE.HALL"), NOBODY),
        (Publish("$JS.API.SERVER.REMOVE"), NOBODY),
        (Publish("$JS.API.CONSUMER.CREATE.HALL_510000.named"), NOBODY),
        (Publish("$JS.API.CONSUMER.CREATE.HALL_510000.named.hall.510000.terminal.w01"), NOBODY),
        (Publish("$JS.API.CONSUMER.DURABLE.CREATE.HALL_510000.named"), NOBODY),
        (Publish("$JS.API.CONSUMER.RESET.HALL_510000.named"), NOBODY),
        // What is told live.
        (Publish("live.510000.board"), &["office"]),
        (Publish("live.510000.issue"), NOBODY),
        (Subscribe("live.510000.board"), LIVE),
        (Subscribe("live.510000.issue"), LIVE),
        (Subscribe("live.510000.*"), LIVE),
        (Subscribe("live.990000.board"), NOBODY),
        // Forgery.
        (Publish("$JS.ACK.HALL_510000.c.1.1.1.1790000000123456789.0"), NOBODY),
        (Publish("$JS.FC.HALL_510000.c.x"), NOBODY),
        (Publish("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.HALL_510000"), NOBODY),
        (Publish("_INBOX.w01.1"), NOBODY),
        (Publish("_INBOX.w02.1"), NOBODY),
        (Publish("_INBOX.somebody.1"), NOBODY),
        // Listening.
        (Subscribe(">"), NOBODY),
        (Subscribe("hall.510000.>"), NOBODY),
        (Subscribe("hall.510000.terminal.w01"), WATCH),
        (Subscribe("hall.510000.terminal.*"), WATCH),
        (Subscribe("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.HALL_510000"), WATCH),
        (Subscribe("$JS.EVENT.>"), NOBODY),
        (Subscribe("_INBOX.>"), NOBODY),
        (Subscribe("_INBOX.*.>"), NOBODY),
        (Subscribe("_INBOX.w01.>"), W01),
        (Subscribe("_INBOX.w02.>"), W02),
        (Subscribe("receipt.510000.w01"), W01),
        (Subscribe("receipt.510000.*"), NOBODY),
        (Subscribe("$JS.ACK.>"), NOBODY),
        (Subscribe("$JS.API.>"), NOBODY),
        (Subscribe("$SYS.>"), NOBODY),
        // The system.
        (Ask("$SYS.REQ.SERVER.PING.VARZ", Value::Null), CHECK),
        (Publish("$SYS.REQ.SERVER.PING.CONNZ"), NOBODY),
        (Publish("$SYS.REQ.SERVER.PING.JSZ"), NOBODY),
        (Publish("$SYS.REQ.ACCOUNT.HALL.CONNZ"), NOBODY),
        (Publish("$SYS.REQ.SERVER.x.RELOAD"), NOBODY),
        (Publish("$SYS.REQ.SERVER.x.KICK"), NOBODY),
        (Publish("$SYS.REQ.USER.INFO"), NOBODY),
    ]
}

/// Tries one action, and answers with what the server refused of it.
async fn attempt(raw: &mut Raw, inbox: &str, action: &Action) -> anyhow::Result<Vec<String>> {
    let body = |request: &Value| match request {
        Value::Null => String::new(),
        // What is no JSON.
        Value::String(text) => text.clone(),
        request => request.to_string(),
    };
    let reply = format!("{inbox}.answer");
    let (bytes, is_answered) = match action {
        Action::Append(subject) => (publish(subject, &reply, &[NOWHERE], "{}"), true),
        Action::Ask(subject, request) => (publish(subject, &reply, &[], &body(request)), true),
        Action::Publish(subject) => (publish(subject, "", &[], ""), false),
        Action::Subscribe(subject) => {
            (format!("SUB {subject} 7\r\nUNSUB 7\r\n").into_bytes(), false)
        }
    };
    let refused = raw.say(&bytes).await?;
    if refused.is_empty() && is_answered {
        let answer = raw.delivered(&reply).await?;
        anyhow::ensure!(!answer.headers.contains("503"), "{answer:?}: nobody is there to answer");
        if matches!(action, Action::Append(_)) {
            anyhow::ensure!(answer.body.contains("10071"), "{answer:?}: not a conflict");
        }
    }
    Ok(refused)
}

#[tokio::test]
async fn every_role_may_do_its_work_and_nothing_else() -> anyhow::Result<()> {
    let hall = Hall::start().await?;
    let office = NatsJournal::connect(hall.options("office")).await?;
    let first = line(&terminal("w01"), 1, 1, None);
    hall.line("w01").await?.append(&first, 0).await?;
    let before = office.broker_state().await?;
    assert_eq!(before.last, 1);

    let actions = actions();
    let mut wrong = Vec::new();
    let mut cells = [0, 0];
    for user in hall.seeds.keys() {
        let mut raw = hall.raw(user).await?;
        let inbox = hall.inbox(user)?;
        let refused = raw.say(format!("SUB {inbox}.> 1\r\n").as_bytes()).await?;
        assert!(refused.is_empty(), "{user} may not listen to its own inbox: {refused:?}");
        for (action, allowed) in &actions {
            let (what, subject) = match action {
                Action::Subscribe(subject) => ("Subscription", subject),
                Action::Append(subject) | Action::Ask(subject, _) | Action::Publish(subject) => {
                    ("Publish", subject)
                }
            };
            let is_allowed = allowed.contains(&user.as_str());
            let violation = format!("Permissions Violation for {what} to \"{subject}\"");
            let expected = if is_allowed { vec![] } else { vec![violation] };
            cells[usize::from(is_allowed)] += 1;
            match attempt(&mut raw, &inbox, action).await {
                Ok(found) if found == expected => {}
                found => wrong.push(format!("{user}: {found:?}, expected {expected:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cells[0] > 300 && cells[1] > 50, "{cells:?}");

    // And nobody without a key comes in at all.
    for unknown in [None, Some(seed([99; 32])?)] {
        let refused = Raw::connect(hall.server.port(), unknown.as_deref()).await.err();
        let refused = refused.map(|it| it.to_string()).unwrap_or_default();
        assert!(refused.contains("Authorization Violation"), "{refused}");
    }

    // The office keeps files, the archive takes them; a window has nothing to look for there.
    let blobs = NatsBlobs::connect(&hall.options("office")).await?;
    let file = vec![5; 500_000];
    let digest = blobs.put(&file).await?;
    assert_eq!(blobs.get(&digest).await?.as_ref(), Some(&file));
    let blobs = NatsBlobs::connect(&hall.options("archive")).await?;
    assert_eq!(blobs.get(&digest).await?, Some(file));
    let of_window = NatsBlobs::connect(&hall.options("w01")).await?;
    for refused in [
        blobs.put(b"x").await.map(drop),
        of_window.put(b"x").await.map(drop),
        of_window.get(&digest).await.map(drop),
    ] {
        let refused = format!("{refused:?}");
        assert!(refused.contains("Permissions Violation"), "{refused}");
    }

    // Nothing of all this has changed anything; the readers' consumers are their own.
    let after = office.broker_state().await?;
    assert_eq!(after.last, 4, "three are of whoever broke the glass: below a line, two wildcards");
    let mut cursor = office.open(1).await?;
    let mut subjects = Vec::new();
    while subjects.len() < 4 {
        let read = cursor.next(10, Duration::from_secs(10)).await?;
        anyhow::ensure!(!read.is_empty(), "{subjects:?}");
        subjects.extend(read.into_iter().map(|it| it.message.subject));
    }
    let odd = ["hall.510000.terminal.w01.below", "hall.510000.terminal.*", "hall.510000.>"];
    assert_eq!(subjects[1..], odd, "readers go on behind them");
    assert_eq!((after.incarnation, after.bytes_max), (before.incarnation, before.bytes_max));
    drop(cursor);
    assert_eq!(office.check().await?, []);
    Ok(())
}

#[tokio::test]
async fn the_body_of_a_question_does_not_widen_it() -> anyhow::Result<()> {
    let hall = Hall::start().await?;
    let other = line(&terminal("w02"), 1, 1, None);
    hall.line("w02").await?.append(&other, 0).await?;
    let mut raw = hall.raw("w01").await?;
    raw.say(b"SUB _INBOX.w01.> 1\r\n").await?;
    let own = "$JS.API.DIRECT.GET.HALL_510000.hall.510000.terminal.w01";
    for body in [
        json!({ "seq": 1 }),
        json!({ "last_by_subj": "hall.510000.terminal.w02" }),
        json!({ "seq": 1, "next_by_subj": "hall.510000.terminal.w02" }),
        json!({ "multi_last": ["hall.510000.>"] }),
    ] {
        let refused = raw.say(&publish(own, "_INBOX.w01.answer", &[], &body.to_string())).await?;
        assert!(refused.is_empty(), "{refused:?}");
        let answer = raw.delivered("_INBOX.w01.answer").await?;
        assert!(!answer.headers.contains("terminal.w02"), "{body}: {answer:?}");
        assert_eq!(answer.body, "", "{body}: {answer:?}");
    }
    // The owner is answered.
    let own = "$JS.API.DIRECT.GET.HALL_510000.hall.510000.terminal.w02";
    let mut raw = hall.raw("w02").await?;
    raw.say(b"SUB _INBOX.w02.> 1\r\n").await?;
    raw.say(&publish(own, "_INBOX.w02.answer", &[], "")).await?;
    let answer = raw.delivered("_INBOX.w02.answer").await?;
    assert_eq!(answer.body.as_bytes(), other[0].body, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn ids_that_another_terminal_sends_first_make_no_event_vanish() -> anyhow::Result<()> {
    let hall = Hall::start().await?;
    let messages = line(&terminal("w01"), 1, 6, None);
    // Whatever might be taken for the identity of an event of w01; the name space of ids is the whole stream.
    let mut poison = hall.raw("w02").await?;
    poison.say(b"SUB _INBOX.w02.> 1\r\n").await?;
    let mut poisoned = 0;
    for (number, message) in (1..).zip(&messages) {
        let hash = zhoubao_contract::hash(message).to_string();
        let ids = [
            number.to_string(),
            format!("terminal.w01#{number}"),
            format!("hall.510000.terminal.w01#{number}"),
            format!("hall.510000.terminal.w01/{number}"),
            hash,
        ];
        for id in ids {
            let subject = "hall.510000.terminal.w02";
            let bytes = publish(subject, "_INBOX.w02.answer", &[("Nats-Msg-Id", &id)], "{}");
            assert!(poison.say(&bytes).await?.is_empty());
            let answer: Value =
                serde_json::from_str(&poison.delivered("_INBOX.w02.answer").await?.body)?;
            poisoned = answer["seq"].as_u64().expect("stored");
        }
    }
    assert_eq!(poisoned, 30);
    let own = hall.line("w01").await?;
    assert_eq!(own.append(&messages[..1], 0).await?, [31]);
    assert_eq!(own.append(&messages[1..], 31).await?, [32, 33, 34, 35, 36]);
    let office = NatsJournal::connect(hall.options("office")).await?;
    for (position, message) in (31..).zip(&messages) {
        assert_eq!(office.get(position).await?.map(|it| it.message).as_ref(), Some(message));
    }
    Ok(())
}

#[tokio::test]
async fn a_reader_writes_nothing_through_a_consumer() -> anyhow::Result<()> {
    let hall = Hall::start().await?;
    hall.line("w01").await?.append(&line(&terminal("w01"), 1, 3, None), 0).await?;
    let mut raw = hall.raw("projector").await?;
    let inbox = hall.inbox("projector")?;
    raw.say(format!("SUB {inbox}.> 1\r\n").as_bytes()).await?;
    for to in ["hall.510000.terminal.w02", "hall.510000.issues", "hall.510000.audit"] {
        let request = json!({ "stream_name": "HALL_510000", "config": {
            "ack_policy": "none", "mem_storage": true, "inactive_threshold": 1_000_000_000,
            "deliver_subject": to,
        }});
        let subject = "$JS.API.CONSUMER.CREATE.HALL_510000";
        raw.say(&publish(subject, &format!("{inbox}.a"), &[], &request.to_string())).await?;
        let answer = raw.delivered(&format!("{inbox}.a")).await?;
        assert!(answer.body.contains("forms a cycle"), "{to}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_board_is_told_to_who_may_hear_it_and_it_is_known_whether_anybody_does()
-> anyhow::Result<()> {
    let hall = Hall::start().await?;
    let mut board = NatsBoard::connect(&hall.options("office")).await?;
    assert!(!board.tell_whole("1".into()).await?, "nothing was told before");
    // The server's word on each is there when the next has been sent and answered.
    let heard = async |board: &mut NatsBoard, text: &'static str| {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let heard = board.tell_whole(text.into()).await?;
            if heard == (text == "somebody") {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "{text}: {heard}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    heard(&mut board, "nobody").await?;

    let mut raw = hall.raw("live").await?;
    assert!(raw.say(b"SUB live.510000.* 1\r\n").await?.is_empty());
    heard(&mut board, "somebody").await?;
    board.tell("change".into()).await?;
    loop {
        let told = raw.delivered("live.510000.board").await?;
        if told.body == "change" {
            break;
        }
        assert_eq!(told.body, "somebody");
    }
    raw.say(b"UNSUB 1\r\n").await?;
    heard(&mut board, "nobody").await?;

    // Who may not tell learns it.
    let mut projector = NatsBoard::connect(&hall.options("projector")).await?;
    let deadline = Instant::now() + Duration::from_secs(20);
    let refused = loop {
        match projector.tell("forged".into()).await {
            Err(refused) => break refused,
            Ok(()) => assert!(Instant::now() < deadline, "it may"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(format!("{refused:?}").contains("Permissions Violation"), "{refused:?}");
    Ok(())
}
