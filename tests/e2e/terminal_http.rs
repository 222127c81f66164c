//! The local port of a window's device: what it has answered is on disk, and it answers only this device.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use zhoubao_test_support::eventually;

use crate::hall::{COMMAND_MAX, Hall};
use crate::kills::Dice;

/// A consultation of one person on 6 February, under a key of its own.
pub(crate) fn consultation(key: &str) -> Value {
    json!({
        "specversion": "1.0",
        "source": "hall.510000.terminal.w01",
        "type": "cn.zhoubao.Consulted.v1",
        "time": "2023-02-06T09:10:00+08:00",
        "command": key,
        "data": { "people": 1 },
    })
}

/// An answer of the port.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// It was refused, with this status and code, and says what to do.
    #[track_caller]
    fn refuses(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert!(self.body["message"].is_string() && self.body["next"].is_string(), "{self:?}");
    }
}

/// Whoever calls the port.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

impl Caller {
    fn new(address: SocketAddr) -> Self {
        let headers = vec![("Host".to_owned(), address.to_string())];
        Self { address, headers }
    }

    /// The same with a header, in place of what it had before.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut caller = self.clone();
        caller.headers.retain(|(it, _)| it != name);
        caller.headers.push((name.to_owned(), value.to_owned()));
        caller
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += body;
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            // It may answer, and close, before it has read all of a body that it does not want.
            let written = stream.write_all(request.as_bytes()).await;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer).await;
            ensure!(!answer.is_empty(), "no answer: {written:?}, {read:?}");
            String::from_utf8(answer).context("not UTF-8")
        };
        let answer = timeout(COMMAND_MAX, exchange).await??;
        let (head, body) = answer.split_once("\r\n\r\n").context("no end of the head")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let head = head.to_ascii_lowercase();
        let length = format!("content-length: {}\r\n", body.len());
        let whole = status == 204 || (head.clone() + "\r\n").contains(&length);
        ensure!(whole, "cut off: {answer}");
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body)? };
        Ok(Answer { status, head, body })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call("GET", path, "").await
    }

    /// The same, logged in.
    async fn logged_in(&self, clerk: &str, pin: &str) -> anyhow::Result<Self> {
        let answer = self.post("/v1/login", &json!({ "clerk": clerk, "pin": pin })).await?;
        let token = answer.body["token"].as_str().with_context(|| format!("{answer:?}"))?;
        Ok(self.with("Authorization", &format!("Bearer {token}")))
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.with("Content-Type", "application/json").call("POST", path, &body.to_string()).await
    }
}

/// A running agent of w01 with a port.
pub(crate) struct Device {
    pub(crate) agent: Child,
    pub(crate) port: Caller,
}

impl Device {
    /// Starts it, and logs u100 in.
    pub(crate) async fn start(hall: &Hall) -> anyhow::Result<Self> {
        let command = hall.command(&["terminal", "run", "w01", "--listen", "127.0.0.1:0"]);
        Self::with_clerk(hall, command).await
    }

    async fn with_clerk(hall: &Hall, command: Command) -> anyhow::Result<Self> {
        if !hall.dir().join("terminal-w01.clerks").exists() {
            add(hall, "u100", PIN).await?;
        }
        let mut device = Self::of(command).await?;
        device.port = device.port.logged_in("u100", PIN).await?;
        Ok(device)
    }

    async fn of(mut command: Command) -> anyhow::Result<Self> {
        let mut agent = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(agent.stderr.take().context("no stderr")?).lines();
        let mut before = String::new();
        let address = loop {
            let line = timeout(COMMAND_MAX, said.next_line()).await??;
            let line = line.with_context(|| format!("it ended early: {before}"))?;
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().parse()?;
            }
            before += &line;
        };
        // A pipe that nobody reads fills up.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        Ok(Self { agent, port: Caller::new(address) })
    }

    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.agent.start_kill()?;
        timeout(COMMAND_MAX, self.agent.wait()).await??;
        Ok(())
    }
}

/// The PIN of u100.
const PIN: &str = "730194";

/// Sets the PIN of a clerk.
async fn add(hall: &Hall, clerk: &str, pin: &str) -> anyhow::Result<()> {
    let add = ["terminal", "clerk", "add", "w01", clerk];
    hall.run_with(&format!("{pin}\n"), &add).await?.ok();
    Ok(())
}

/// Number of each command in the ledger; a command that is there twice is an error.
async fn ledger(hall: &Hall) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut numbers = BTreeMap::new();
    for line in hall.run(&["terminal", "export", "w01"]).await?.ok().text().lines() {
        let event: Value = serde_json::from_str(line)?;
        let command = event["command"].as_str().context("no command")?.to_owned();
        let number = event["id"].as_str().context("no number")?.parse()?;
        ensure!(numbers.insert(command, number).is_none(), "twice: {line}");
    }
    Ok(numbers)
}

/// Waits until the journal has everything.
async fn sent(port: &Caller) -> anyhow::Result<()> {
    eventually("everything sent", COMMAND_MAX, async || {
        let status = port.get("/v1/status").await?.body;
        Ok((status["to_send"] == 0).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_port_answers_is_in_the_ledger_and_becomes_counted() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let device = Device::start(&hall).await?;
    let port = &device.port;
    let answer = port.post("/v1/events", &consultation("a")).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let saved =
        json!({ "stream": "terminal.w01", "number": 1, "state": "saved", "repeated": false });
    assert_eq!(answer.body, saved);
    assert!(answer.head.contains("cache-control: no-store"), "{answer:?}");
    assert!(
        !answer.head.contains("access-control"),
        "no page of another site may read: {answer:?}"
    );
    let again = port.post("/v1/events", &consultation("a")).await?;
    assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)), "{again:?}");

    // Many in each form; one that is wrong keeps nobody else from being saved.
    let mut changed = consultation("b");
    changed["data"]["people"] = json!(2);
    let many = json!([consultation("b"), { "specversion": "1.0" }, changed, consultation("c")]);
    let answer = port.post("/v1/events", &many).await?;
    assert_eq!(answer.status, 207, "{answer:?}");
    let results = answer.body["results"].as_array().context("no results")?;
    let of = |it: &Value| (it["number"].as_u64(), it["code"].as_str().map(str::to_owned));
    let code = |it: &str| (None, Some(it.to_owned()));
    let expected = [(Some(2), None), code("E.102"), code("E.104"), (Some(3), None)];
    assert_eq!(results.iter().map(of).collect::<Vec<_>>(), expected);
    let lines = format!("{}\n\n{}\n", consultation("d"), consultation("e"));
    let caller = port.with("Content-Type", "application/x-ndjson; charset=utf-8");
    let answer = caller.call("POST", "/v1/events", &lines).await?;
    assert_eq!((answer.status, &answer.body["results"][1]["number"]), (200, &json!(5)));

    // What does not count is not refused, and told of once the hall has looked at it.
    let mut flagged = consultation("f");
    flagged["type"] = json!("cn.zhoubao.Accepted.v1");
    flagged["data"] = json!({ "department": "d999", "case": "2023-0001", "matter": "m1" });
    let answer = port.post("/v1/events", &flagged).await?;
    assert_eq!(answer.status, 200, "{answer:?}");
    sent(port).await?;
    let status = port.get("/v1/status").await?.body;
    assert_eq!([&status["recorded"], &status["stored"]], [6, 6], "{status}");
    assert_eq!(status["online"], true, "{status}");
    assert_eq!((&status["counted"], &status["flagged"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&status["stopped"], &status["position"]),
        (&Value::Null, &json!(hall.last().await?))
    );
    let states = async || {
        let events = port.get("/v1/events?after=3").await?.body;
        let all = events["events"].as_array().context("no events")?.iter();
        let of = |it: &Value| (it["number"].as_u64(), it["label"].as_str().map(str::to_owned));
        anyhow::Ok((all.map(of).collect::<Vec<_>>(), events))
    };
    let label = |number, label: &str| (Some(number), Some(label.to_owned()));
    let stored = [4, 5, 6].map(|it| label(it, "已送达"));
    assert_eq!(states().await?.0, stored);
    hall.counts().await?;
    // The device asks again now and then.
    eventually("the receipt", COMMAND_MAX, async || {
        let status = port.get("/v1/status").await?.body;
        Ok((status["counted"] == 6).then_some(()))
    })
    .await?;
    let (labels, events) = states().await?;
    let expected = [label(4, "已入账"), label(5, "已入账"), label(6, "需处理")];
    assert_eq!(labels, expected, "{events}");
    assert_eq!((&events["last"], &events["more"]), (&json!(6), &json!(false)));
    let why = &events["events"][2];
    assert_eq!(why["code"], "E.101");
    assert!(why["reason"].is_string() && why["next"].is_string(), "{why}");
    let status = port.get("/v1/status").await?.body;
    assert_eq!((&status["flagged"][0]["number"], &status["flagged_count"]), (&json!(6), &json!(1)));
    assert!(status["flagged"][0]["reason"].is_null(), "nobody needs to be logged in for this");
    let text = hall.run(&["terminal", "status", "w01"]).await?.ok().text();
    assert!(
        text.contains("已入账 counted   6（") && text.contains("需处理 to look at 1"),
        "{text}"
    );

    // What the day comes to, for its closing; nobody is told who is not logged in.
    let day = port.get("/v1/day?day=2023-02-06").await?.body;
    let tally = json!({ "consulted": 5, "accepted": 1, "issued": 0, "transferred": 0 });
    assert_eq!(day, json!({ "day": "2023-02-06", "tally": tally }));
    let other = port.get("/v1/day?day=2023-02-07").await?.body;
    assert_eq!(other["tally"]["consulted"], 0, "{other}");
    port.get("/v1/day?day=30-February").await?.refuses(400, "E.102");
    Caller::new(port.address).get("/v1/day?day=2023-02-06").await?.refuses(401, "E.150");
    assert_eq!(events["events"][2]["data"]["case"], "2023-0001", "{events}");

    // Stopped, it finishes and ends well.
    let mut agent = device.agent;
    let id = agent.id().context("it has ended")?.to_string();
    Command::new("kill").args(["-TERM", &id]).status().await?;
    assert!(timeout(COMMAND_MAX, agent.wait()).await??.success());
    assert_eq!(ledger(&hall).await?.len(), 6);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_request_is_refused_with_what_to_do_and_records_nothing() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let run = ["terminal", "run", "w01", "--listen", "0.0.0.0:0"];
    let ran = hall.run(&run).await?.fails(78, "E.780");
    assert!(ran.err.contains("--listen-anywhere"), "{ran:?}");
    let anywhere = Device::of(hall.command(&[&run[..], &["--listen-anywhere"]].concat())).await?;
    let reached = SocketAddr::from(([127, 0, 0, 1], anywhere.port.address.port()));
    assert_eq!(Caller::new(reached).get("/v1/status").await?.status, 200);
    anywhere.kill().await?;

    let device = Device::start(&hall).await?;
    let port = &device.port;
    let taken = port.address.to_string();
    hall.run(&["terminal", "run", "w01", "--listen", &taken]).await?.fails(6, "E.705");

    // A page of another site: by its own name for this device, or from its own place.
    let event = consultation("a");
    let own = format!("http://{}", port.address);
    let rebound = format!("evil.example:{}", port.address.port());
    port.with("Host", &rebound).post("/v1/events", &event).await?.refuses(403, "E.153");
    port.with("Host", &rebound).get("/v1/status").await?.refuses(403, "E.153");
    let evil = port.with("Origin", "http://evil.example");
    evil.post("/v1/events", &event).await?.refuses(403, "E.153");
    port.with("Origin", "null").post("/v1/events", &event).await?.refuses(403, "E.153");
    let asked = evil.call("OPTIONS", "/v1/events", "").await?;
    assert!(asked.status >= 400 && !asked.head.contains("access-control"), "{asked:?}");
    // What a page can send without asking first is no JSON.
    let plain = port.with("Content-Type", "text/plain");
    assert_eq!(plain.call("POST", "/v1/events", &event.to_string()).await?.status, 415);
    assert_eq!(port.call("POST", "/v1/events", &event.to_string()).await?.status, 415);

    port.post("/v1/events", &json!({ "specversion": "1.0" })).await?.refuses(400, "E.102");
    port.post("/v1/events", &json!([])).await?.refuses(400, "E.102");
    port.with("Content-Type", "application/json")
        .call("POST", "/v1/events", "no event")
        .await?
        .refuses(400, "E.102");
    let mut foreign = event.clone();
    foreign["source"] = json!("hall.510000.terminal.w02");
    port.post("/v1/events", &foreign).await?.refuses(400, "E.102");
    let many: Vec<_> = (0..201).map(|it| consultation(&it.to_string())).collect();
    port.post("/v1/events", &json!(many)).await?.refuses(413, "E.121");
    let mut large = event.clone();
    large["data"]["people"] = json!("9".repeat(5 * 1024 * 1024));
    port.post("/v1/events", &large).await?.refuses(413, "E.121");
    let mut nobody = event.clone();
    nobody["data"]["people"] = json!(0);
    port.post("/v1/events", &nobody).await?.refuses(422, "E.114");
    port.get("/v1/events?before=1").await?.refuses(400, "E.102");
    assert_eq!(port.get("/v1/nothing").await?.status, 404);
    assert_eq!(port.call("DELETE", "/v1/events", "").await?.status, 405);

    let status = port.get("/v1/status").await?.body;
    assert_eq!((&status["recorded"], &status["flagged"]), (&json!(0), &Value::Null), "{status}");
    assert_eq!(status["online"], false, "there is no journal: {status}");
    // The same from the device's own page is recorded.
    assert_eq!(port.with("Origin", &own).post("/v1/events", &event).await?.status, 200);
    Ok(())
}

/// Killed while many post: what was answered is in the ledger under its number, and nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_answers_everything_answered_is_in_the_ledger_once() -> anyhow::Result<()> {
    const EVENTS: usize = 1_500;
    const KILLS: usize = 12;
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let mut dice = Dice(20_230_207);
    let mut answered: BTreeMap<String, u64> = BTreeMap::new();
    let mut unanswered = 0;
    for round in 0..=KILLS {
        let device = Device::start(&hall).await?;
        // What was not answered before is posted again, by eight at a time, each one after the other.
        let keys = (0..EVENTS).map(|it| format!("key-{it}"));
        let open: Vec<_> = keys.filter(|it| !answered.contains_key(it)).collect();
        let (tell, mut told) = mpsc::channel(EVENTS);
        let mut posting = JoinSet::new();
        for share in open.chunks(open.len().div_ceil(8)) {
            let (port, share, tell) = (device.port.clone(), share.to_vec(), tell.clone());
            posting.spawn(async move {
                for key in share {
                    let Ok(answer) = port.post("/v1/events", &consultation(&key)).await else {
                        return 1;
                    };
                    assert_eq!(answer.status, 200, "{answer:?}");
                    tell.send((key, answer.body["number"].as_u64().unwrap())).await.unwrap();
                }
                0
            });
        }
        drop(tell);
        // More are open than are waited for, so the kill hits those that are on their way.
        let upto = match round {
            KILLS => EVENTS,
            _ => answered.len() + usize::try_from(dice.below((EVENTS / (KILLS + 1)) as u64))?,
        };
        while answered.len() < upto {
            let told = timeout(COMMAND_MAX, told.recv()).await?;
            answered.extend([told.context("they ended early")?]);
        }
        device.kill().await?;
        unanswered += posting.join_all().await.into_iter().sum::<usize>();
        while let Some(late) = told.recv().await {
            answered.extend([late]);
        }
    }
    assert!(unanswered >= KILLS, "{unanswered} requests were hit by {KILLS} kills");
    assert_eq!(answered.len(), EVENTS);
    assert_eq!(ledger(&hall).await?, answered);
    hall.run(&["terminal", "run", "w01", "--once"]).await?.ok();
    hall.counts().await?;
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [EVENTS as i64, 0, 0, 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_answered_with_503_and_what_was_answered_before_is_kept()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let program = hall.command(&["terminal", "run", "w01", "--listen", "127.0.0.1:0"]);
    let mut limited = Command::new("bash");
    // No file may grow beyond so many blocks of 1024 bytes.
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""])
        .arg(program.as_std().get_program())
        .args(program.as_std().get_args())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let device = Device::with_clerk(&hall, limited).await?;
    let mut saved = 0;
    let refused = loop {
        let events: Vec<_> = (saved..saved + 50).map(|it| consultation(&it.to_string())).collect();
        let answer = device.port.post("/v1/events", &json!(events)).await?;
        if answer.status != 200 {
            break answer;
        }
        saved += 50;
        ensure!(saved < 5_000, "the disk does not fill up");
    };
    refused.refuses(503, "E.705");
    device.kill().await?;
    assert!(saved > 0);
    assert_eq!(ledger(&hall).await?.len(), saved);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_records_under_his_own_name_and_sees_nothing_of_the_others() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let device = Device::start(&hall).await?;
    let first = &device.port;
    let nobody = first.with("Authorization", "");
    for caller in [&nobody, &first.with("Authorization", &format!("Bearer {}", "0".repeat(64)))] {
        caller.post("/v1/events", &consultation("a")).await?.refuses(401, "E.150");
        caller.get("/v1/events").await?.refuses(401, "E.150");
        assert_eq!(caller.get("/v1/status").await?.body["recorded"], 0);
    }
    // Who is logged in is who did it; nobody does it for another.
    let mut named = consultation("b");
    named["actor"] = json!("u100");
    let mut of_another = consultation("c");
    of_another["actor"] = json!("u200");
    first.post("/v1/events", &of_another).await?.refuses(403, "E.111");
    let answer = first.post("/v1/events", &json!([consultation("a"), of_another, named])).await?;
    assert_eq!((answer.status, &answer.body["results"][1]["code"]), (207, &json!("E.111")));

    // The shift changes.
    add(&hall, "u200", "481516").await?;
    let second = first.logged_in("u200", "481516").await?;
    first.post("/v1/events", &consultation("d")).await?.refuses(401, "E.150");
    assert_eq!(second.post("/v1/events", &consultation("e")).await?.status, 200);
    let seen = second.get("/v1/events").await?.body;
    let commands: Vec<_> = seen["events"]
        .as_array()
        .context("no events")?
        .iter()
        .map(|it| it["command"].as_str())
        .collect();
    assert_eq!(commands, [Some("e")], "{seen}");
    assert_eq!(second.get("/v1/status").await?.body["to_send"], 3, "of everybody");
    assert_eq!(second.post("/v1/logout", &json!({})).await?.status, 204);
    second.get("/v1/events").await?.refuses(401, "E.150");

    // Another PIN, and none at all, end a login.
    let second = first.logged_in("u200", "481516").await?;
    add(&hall, "u200", "904132").await?;
    second.get("/v1/events").await?.refuses(401, "E.150");
    let second = first.logged_in("u200", "904132").await?;
    hall.run(&["terminal", "clerk", "remove", "w01", "u200"]).await?.ok();
    second.post("/v1/events", &consultation("f")).await?.refuses(401, "E.150");
    hall.run(&["terminal", "clerk", "remove", "w01", "u200"]).await?.fails(4, "E.112");
    let list = hall.run(&["terminal", "clerk", "list", "w01"]).await?.ok();
    assert_eq!(list.text(), "u100\n");
    // A file that somebody has spoilt lets nobody in, and is not taken for an empty one.
    std::fs::write(hall.dir().join("terminal-w01.clerks"), "{")?;
    second.post("/v1/events", &consultation("f")).await?.refuses(500, "E.780");
    let login = json!({ "clerk": "u100", "pin": PIN });
    first.post("/v1/login", &login).await?.refuses(500, "E.780");
    device.kill().await?;

    let export = hall.run(&["terminal", "export", "w01"]).await?.ok().text();
    let actors = export.lines().map(|it| {
        let event: Value = serde_json::from_str(it)?;
        Ok::<_, anyhow::Error>(event["actor"].as_str().unwrap_or_default().to_owned())
    });
    assert_eq!(actors.collect::<Result<Vec<_>, _>>()?, ["u100", "u100", "u200"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_is_waited_for_longer_each_time() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    for weak in ["", "12345", "123456", "111111", "abcdef"] {
        let add = ["terminal", "clerk", "add", "w01", "u100"];
        hall.run_with(&format!("{weak}\n"), &add).await?.fails(4, "E.152");
    }
    let device = Device::start(&hall).await?;
    add(&hall, "u200", "481516").await?;
    let port = device.port.with("Authorization", "");
    let login = async |clerk: &str, pin: &str| {
        port.post("/v1/login", &json!({ "clerk": clerk, "pin": pin })).await
    };
    let first = login("u200", "481517").await?;
    first.refuses(401, "E.151");
    assert!(first.head.contains("retry-after: 1\r\n"), "{first:?}");
    // Not even the right one is looked at before.
    login("u200", "481516").await?.refuses(429, "E.151");
    eventually("the pause to end", COMMAND_MAX, async || {
        let again = login("u200", "481518").await?;
        if again.status == 429 {
            return Ok(None);
        }
        again.refuses(401, "E.151");
        assert!(again.head.contains("retry-after: 2\r\n"), "{again:?}");
        Ok(Some(()))
    })
    .await?;
    // Another clerk does not wait, and neither does the one who is in.
    assert_eq!(login("u100", PIN).await?.status, 200);
    login("u999", PIN).await?.refuses(401, "E.151");
    login("u998", PIN).await?.refuses(429, "E.151");
    let bad = port.post("/v1/login", &json!({ "clerk": "u200", "pin": 481516 })).await?;
    bad.refuses(400, "E.102");
    assert!(!bad.body.to_string().contains("481516"), "{bad:?}");
    eventually("the right PIN to be looked at", COMMAND_MAX, async || {
        let again = login("u200", "481516").await?;
        Ok((again.status == 200).then_some(()))
    })
    .await?;
    // Neither PIN nor hash is in the ledger, of which copies are handed out.
    let ledger = std::fs::read(hall.dir().join("terminal-w01.db"))?;
    assert!(!ledger.windows(7).any(|it| it == b"argon2i"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_warns_of_what_the_device_knows_and_records_nothing() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let device = Device::start(&hall).await?;
    let port = &device.port;
    let of = |kind: &str, data: Value| {
        let mut event = consultation("");
        event["type"] = json!(format!("cn.zhoubao.{kind}.v1"));
        event["data"] = data;
        event.as_object_mut().map(|it| it.remove("command"));
        event
    };
    let people = |people: u32, time: &str| {
        let mut event = of("Consulted", json!({ "people": people }));
        event["time"] = json!(time);
        event
    };
    let reference = |number: u64| format!("terminal.w01#{number}");
    let day = "2023-02-06T10:00:00+08:00";
    let recorded = json!([
        people(3, day),
        people(4, day),
        people(5, day),
        people(7, "2023-02-07T10:00:00+08:00"),
        of("Corrected", json!({ "original": reference(1), "people": 30, "reason": "输入有误" })),
        of("Corrected", json!({ "original": reference(1), "people": 2, "reason": "输入有误" })),
        of("Voided", json!({ "original": reference(2), "reason": "重复" })),
    ]);
    let answer = port.post("/v1/events", &recorded).await?;
    assert_eq!(answer.status, 200, "{answer:?}");

    let codes = async |event: Value| {
        let answer = port.post("/v1/check", &event).await?;
        assert_eq!(answer.body["state"], "recordable", "{answer:?}");
        let warnings = answer.body["warnings"].as_array().context("no warnings")?;
        assert!(warnings.iter().all(|it| it["message"].is_string() && it["next"].is_string()));
        let codes = warnings.iter().map(|it| it["code"].as_str().unwrap_or_default().to_owned());
        anyhow::Ok(codes.collect::<Vec<_>>())
    };
    let closed = |consulted: u32| {
        let data = json!({ "day": "2023-02-06", "consulted": consulted, "accepted": 0, "issued": 0,
            "transferred": 0 });
        of("DayClosed", data)
    };
    // 2 as corrected, 4 voided, 5; and 7 of the day after.
    assert_eq!(codes(closed(7)).await?, [""; 0]);
    assert_eq!(codes(closed(12)).await?, ["W.140"]);
    assert_eq!(codes(people(1, day)).await?, [""; 0]);
    assert_eq!(codes(people(1, "2099-02-06T10:00:00+08:00")).await?, ["E.105"]);
    let mut late = people(1, day);
    late["enteredat"] = json!("2023-02-08T10:00:00+08:00");
    assert_eq!(codes(late).await?, ["E.106"]);
    let voided = of("Voided", json!({ "original": reference(99), "reason": "重复" }));
    assert_eq!(codes(voided).await?, ["E.112"]);

    // What would be refused is told as it would be; what is there, too.
    let answer = port.post("/v1/events", &consultation("a")).await?;
    assert_eq!(answer.body["number"], 8, "{answer:?}");
    let mut changed = consultation("a");
    changed["data"]["people"] = json!(2);
    let many = json!([consultation("a"), changed, {}, consultation("b")]);
    let answer = port.post("/v1/check", &many).await?;
    let results = answer.body["results"].as_array().context("no results")?;
    let states: Vec<_> =
        results.iter().map(|it| (it["state"].as_str(), it["code"].as_str())).collect();
    let refused = |code| (Some("refused"), Some(code));
    let expected =
        [(Some("saved"), None), refused("E.104"), refused("E.102"), (Some("recordable"), None)];
    assert_eq!((answer.status, states), (200, expected.to_vec()), "{answer:?}");
    port.with("Authorization", "").post("/v1/check", &many).await?.refuses(401, "E.150");
    assert_eq!(port.get("/v1/status").await?.body["recorded"], 8);
    Ok(())
}

/// At a terminal, which `script` plays: the PIN is asked twice, and not shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_not_shown_as_it_is_typed() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let program = hall.command(&["terminal", "clerk", "add", "w01", "u100"]);
    let words = std::iter::once(program.as_std().get_program()).chain(program.as_std().get_args());
    let words: Vec<String> = words.map(|it| format!("'{}'", it.to_string_lossy())).collect();
    for (second, exit) in [("730195", 2), (PIN, 0)] {
        let mut terminal = Command::new("script")
            .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut keys = terminal.stdin.take().context("no stdin")?;
        let mut screen = terminal.stdout.take().context("no stdout")?;
        let mut shown = Vec::new();
        for (prompt, typed) in [("then Enter:", PIN), ("once more:", second)] {
            while !String::from_utf8_lossy(&shown).contains(prompt) {
                ensure!(timeout(COMMAND_MAX, screen.read_buf(&mut shown)).await?? > 0, "{shown:?}");
            }
            keys.write_all(format!("{typed}\n").as_bytes()).await?;
        }
        timeout(COMMAND_MAX, screen.read_to_end(&mut shown)).await??;
        let status = timeout(COMMAND_MAX, terminal.wait()).await??;
        let shown = String::from_utf8_lossy(&shown);
        assert_eq!(status.code(), Some(exit), "{shown}");
        assert!(!shown.contains(PIN) && !shown.contains(second), "{shown}");
    }
    Device::start(&hall).await?.kill().await
}
