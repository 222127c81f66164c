//! The pages over HTTP: who is let in, and what a board is told after its connection was cut.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_nats::ConnectOptions;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use tokio::time::timeout;
use zhoubao_application::clock::{Clock as _, SystemClock};
use zhoubao_application::store::SnapshotQuery;
use zhoubao_contract::structured::to_structured;
use zhoubao_contract::{Draft, Stored, encode, hash};
use zhoubao_domain::event::{Act, Event, Kind, Right};
use zhoubao_domain::id::{Digest, Stream};
use zhoubao_gateway::access::Access;
use zhoubao_gateway::routes::{Route, routes};
use zhoubao_projections::rows::FactRow;
use zhoubao_test_support::{NatsServer, eventually};

use crate::hall::{COMMAND_MAX, Hall, code};
use crate::kills::Dice;

pub(crate) const PASSWORD: &str = "horse battery 7 staple";

/// A running service with its pages.
pub(crate) struct Service {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

impl Service {
    /// Starts it on this port, 0 for any.
    pub(crate) async fn start(hall: &Hall, port: u16) -> anyhow::Result<Self> {
        let mut command = hall.command(&["serve", "--json"]);
        command.env("ZHOUBAO_LISTEN", format!("127.0.0.1:{port}"));
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut said = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        let line = timeout(COMMAND_MAX, said.next_line()).await??.context("it ended early")?;
        let value: Value = serde_json::from_str(&line)?;
        let url = value["url"].as_str().context("no url")?;
        let address = url.strip_prefix("http://").context("no http")?.parse()?;
        Ok(Self { process, address })
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|it| it.split_once(": "));
        lines.into_iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Whoever calls the pages.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    pub(crate) address: SocketAddr,
    headers: Vec<(String, String)>,
}

impl Visitor {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, headers: vec![("Host".to_owned(), address.to_string())] }
    }

    /// The same with a header, in place of what it had before.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut visitor = self.clone();
        visitor.headers.retain(|(it, _)| it != name);
        visitor.headers.push((name.to_owned(), value.to_owned()));
        visitor
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            request += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        request + "\r\n" + body
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> anyhow::Result<Answer> {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let written = stream.write_all(self.request(method, path, body).as_bytes()).await;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer).await;
            ensure!(!answer.is_empty(), "no answer: {written:?}, {read:?}");
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = timeout(COMMAND_MAX, exchange).await??;
        let (head, body) = answer.split_once("\r\n\r\n").context("no end of the head")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call("GET", path, "").await
    }

    /// Sends a form.
    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let escape = |text: &str| {
            text.bytes().fold(String::new(), |text, byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text + &char::from(byte).to_string(),
                _ => text + &format!("%{byte:02X}"),
            })
        };
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        self.with("Content-Type", "application/x-www-form-urlencoded")
            .call("POST", path, &pairs.join("&"))
            .await
    }

    /// The same person with the cookie of an answer.
    fn keeping(&self, answer: &Answer) -> anyhow::Result<Self> {
        let cookie = answer.header("set-cookie").with_context(|| format!("{answer:?}"))?;
        Ok(self.with("Cookie", cookie.split(';').next().unwrap_or_default()))
    }

    /// Sets a password by a one-time link, and is in.
    pub(crate) async fn welcomed(&self, hall: &Hall, user: &str) -> anyhow::Result<Self> {
        let made = hall.run(&["account", "link", user, "--json"]).await?.ok().json()?;
        let link = made["link"].as_str().context("no link")?;
        let (_, token) = link.split_once("link=").context("no token")?;
        let fields = [("link", token), ("password", PASSWORD), ("again", PASSWORD)];
        let answer = self.send("/welcome", &fields).await?;
        ensure!(answer.status == 303, "{answer:?}");
        self.keeping(&answer)
    }

    /// What the forms of this person hold.
    pub(crate) async fn csrf(&self) -> anyhow::Result<String> {
        let page = self.get("/issues").await?;
        let (_, rest) = page.body.split_once("name=\"csrf\" value=\"").context("no form")?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sets_a_password_once_and_is_let_in_by_it() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let mut service = Service::start(&hall, 0).await?;
    let visitor = Visitor::at(service.address);
    let made = hall.run(&["account", "link", "e01", "--json"]).await?.ok().json()?;
    let token = made["link"].as_str().and_then(|it| it.split("link=").nth(1)).context("no link")?;
    assert_eq!(visitor.get(&format!("/welcome?link={token}")).await?.status, 200);
    let weak = [("link", token), ("password", "e01e01e01e01"), ("again", "e01e01e01e01")];
    assert_eq!(visitor.send("/welcome", &weak).await?.status, 422);
    let differs = [("link", token), ("password", PASSWORD), ("again", "another one 12")];
    assert_eq!(visitor.send("/welcome", &differs).await?.status, 422);
    let good = [("link", token), ("password", PASSWORD), ("again", PASSWORD)];
    let foreign = visitor.with("Origin", "http://evil.example").send("/welcome", &good).await?;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    assert_eq!(visitor.send("/welcome", &good).await?.status, 303);
    assert_eq!(visitor.send("/welcome", &good).await?.status, 410, "once");

    let wrong = [("user", "e01"), ("password", "no, not this one"), ("next", "/issues")];
    assert_eq!(visitor.send("/login", &wrong).await?.status, 401);
    let right = [("user", "e01"), ("password", PASSWORD), ("next", "//evil.example")];
    let waits = visitor.send("/login", &right).await?;
    assert_eq!(waits.status, 429, "the right one has to wait, too: {waits:?}");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let entered = visitor.send("/login", &right).await?;
    assert_eq!((entered.status, entered.header("location")), (303, Some("/")), "{entered:?}");
    let cookie = entered.header("set-cookie").context("no cookie")?;
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let person = visitor.keeping(&entered)?;
    assert_eq!(person.get("/issues").await?.status, 200);

    // A page of others cannot act in his name, nor can a form that is not his.
    let csrf = person.csrf().await?;
    assert_eq!(person.send("/logout", &[("csrf", "0")]).await?.status, 403);
    assert_eq!(person.call("POST", "/logout", "").await?.status, 403);
    assert_eq!(person.get("/issues").await?.status, 200);
    assert_eq!(person.send("/logout", &[("csrf", &csrf)]).await?.status, 303);
    assert_eq!(person.get("/issues").await?.status, 401);

    // Who is taken out of the hall is out at once.
    let person = visitor.welcomed(&hall, "e01").await?;
    let file = hall.file("user.json", r#"{"rights":["EDIT"],"active":false}"#)?;
    hall.run(&["setup", "put", "user", "e01", &file, "--by", "a01"]).await?.ok();
    eventually("the person to be out", COMMAND_MAX, async || {
        Ok((person.get("/issues").await?.status == 401).then_some(()))
    })
    .await?;
    hall.run(&["account", "link", "e01"]).await?.fails(4, "E.111");
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_way_in_is_shown_to_strangers() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let mut service = Service::start(&hall, 0).await?;
    let visitor = Visitor::at(service.address);
    let page = visitor.with("Accept", "text/html");
    let clerk = visitor.welcomed(&hall, "c01").await?;
    for route in routes() {
        let path = path_of(&route);
        let answer = visitor.call(route.method.as_str(), &path, "").await?;
        let name = format!("{} {path}: {answer:?}", route.method);
        match route.access {
            Access::Open => assert!(![401, 403].contains(&answer.status), "{name}"),
            Access::Screen | Access::Person | Access::Right(_) => {
                assert_eq!(
                    (answer.status, answer.json()?["code"].as_str()),
                    (401, Some("E.150")),
                    "{name}"
                );
                assert_eq!(answer.header("content-type"), Some("application/problem+json"));
                let shown = page.call(route.method.as_str(), &path, "").await?;
                assert_eq!(shown.status, 303, "{name}");
                assert!(shown.header("location").is_some_and(|it| it.starts_with("/login?next=")));
            }
        }
        assert!(answer.status < 500, "{name}");
        let policy = answer.header("content-security-policy");
        assert!(policy.is_some_and(|it| it.contains("default-src 'none'")), "{name}");
    }
    let rebound = visitor.with("Host", "hall.example:80").get("/livez").await?;
    assert_eq!((rebound.status, rebound.json()?["code"].as_str()), (403, Some("E.153")));
    for path in ["/assets/../Cargo.toml", "/issues/..%2f..%2fjournal.db/x", "/%00", "/v1/nothing"] {
        let answer = clerk.get(path).await?;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
    }
    // What cannot be read is a problem as every other one, for a program and for a person.
    for path in ["/v1/board?position=AAA", "/board?day=2023-02-30", "/board?at=%FF", "/issues/%FF"]
    {
        let answer = clerk.get(path).await?;
        assert_eq!(
            (answer.status, answer.json()?["code"].as_str()),
            (400, Some("E.102")),
            "{path}"
        );
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let shown = clerk.with("Accept", "text/html").get(path).await?;
        assert!(shown.status == 400 && shown.body.contains("E.102"), "{path}: {shown:?}");
    }
    let plain = visitor.with("Content-Type", "text/plain").call("POST", "/login", "x").await?;
    assert_eq!((plain.status, plain.json()?["code"].as_str()), (415, Some("E.102")), "{plain:?}");
    service.process.kill().await?;
    Ok(())
}

/// The path of a route with something for its variables.
fn path_of(route: &Route) -> String {
    let values = [
        ("{name}", "2023-05"),
        ("{file}", "2023-05.txt"),
        ("{issue}", "x"),
        ("{submission}", "x"),
        ("{terminal}", "w01"),
    ];
    values.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_opens_its_own_routes_and_no_others() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    for right in Right::ALL {
        let name = format!("only-{}", right.word());
        let rights = right.word().replace('-', "_").to_uppercase();
        let file = hall.file(&name, &format!(r#"{{"rights":["{rights}"],"active":true}}"#))?;
        hall.run(&["setup", "put", "user", &name, &file, "--by", "a01"]).await?.ok();
    }
    hall.run(&["project", "--once"]).await?.ok();
    let mut service = Service::start(&hall, 0).await?;
    let visitor = Visitor::at(service.address);
    let (mut tried, mut refused) = (0, 0);
    for right in Right::ALL {
        let person = visitor.welcomed(&hall, &format!("only-{}", right.word())).await?;
        let me = person.get("/v1/me").await?.json()?;
        assert_eq!(me["rights"], serde_json::json!([right.word()]));
        let person = person.with("X-CSRF-Token", me["csrf"].as_str().context("no csrf")?);
        for route in routes() {
            let Access::Right(any) = route.access else { continue };
            let answer = person.call(route.method.as_str(), &path_of(&route), "").await?;
            let name = format!("{right:?} {} {}: {answer:?}", route.method, route.path);
            if any.contains(&right) {
                assert!(![401, 403].contains(&answer.status) && answer.status < 500, "{name}");
            } else {
                assert_eq!(
                    (answer.status, answer.json()?["code"].as_str()),
                    (403, Some("E.111")),
                    "{name}"
                );
                refused += 1;
            }
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");

    // Each refusal is in the audit line, with who it was; the same again within a minute is not.
    let person = visitor.welcomed(&hall, "only-record").await?;
    assert_eq!(person.get("/desk").await?.status, 403);
    let noted = async || {
        let store = hall.context().open_store().await?;
        let facts = store.snapshot(&code()?, &SnapshotQuery::facts()).await?.facts;
        let of_pages = |it: &&FactRow| it.kind == "cn.zhoubao.RequestNoted.v1";
        anyhow::Ok(facts.iter().filter(of_pages).cloned().collect::<Vec<_>>())
    };
    let rows = eventually("the refusals to be noted", COMMAND_MAX, async || {
        Ok(Some(noted().await?).filter(|it| it.len() >= refused))
    })
    .await?;
    assert_eq!(rows.len(), refused);
    let is_own = |it: &FactRow| {
        it.actor.as_deref() == Some("only-record")
            && it.body.contains(r#""route":"GET /desk""#)
            && it.body.contains(r#""outcome":"refused""#)
    };
    assert_eq!(rows.iter().filter(|it| is_own(it)).count(), 1);
    assert!(rows.iter().all(|it| it.counted && it.stream == Stream::Audit), "{rows:?}");
    service.process.kill().await?;
    Ok(())
}

/// A board that is told what changes.
struct Watcher {
    visitor: Visitor,
    last: Option<String>,
    tiles: BTreeMap<String, Value>,
    position: u64,
    resets: u32,
}

impl Watcher {
    /// Listens for this long, or until it has this position; the connection is then cut.
    async fn listen(&mut self, time: Duration, until: Option<u64>) -> anyhow::Result<()> {
        let mut visitor = self.visitor.with("Accept", "text/event-stream");
        if let Some(last) = &self.last {
            visitor = visitor.with("Last-Event-ID", last);
        }
        let mut stream = TcpStream::connect(visitor.address).await?;
        stream.write_all(visitor.request("GET", "/v1/board/live", "").as_bytes()).await?;
        let mut lines = BufReader::new(stream).lines();
        let (mut id, mut kind) = (None, String::new());
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(it) = line.strip_prefix("id: ") {
                    id = Some(it.to_owned());
                } else if let Some(it) = line.strip_prefix("event: ") {
                    it.clone_into(&mut kind);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    self.told(&kind, id.take(), &serde_json::from_str(data)?)?;
                    if until.is_some_and(|it| self.position >= it) {
                        return Ok(());
                    }
                }
            }
            anyhow::Ok(())
        };
        match timeout(time, listening).await {
            Ok(ended) => ended,
            Err(_) => Ok(()),
        }
    }

    fn told(&mut self, kind: &str, id: Option<String>, data: &Value) -> anyhow::Result<()> {
        match kind {
            "reset" => {
                self.resets += 1;
                self.tiles.clear();
                self.position = 0;
                return Ok(());
            }
            "snapshot" => self.tiles.clear(),
            "change" => {
                let position = data["position"].as_u64().context("no position")?;
                ensure!(position > self.position, "told again: {position} after {}", self.position);
            }
            "pulse" => return Ok(()),
            other => anyhow::bail!("unknown event {other}"),
        }
        self.position = data["position"].as_u64().context("no position")?;
        self.last = id;
        for (key, value) in data["tiles"].as_object().context("no tiles")? {
            self.tiles.insert(key.clone(), value.clone());
        }
        for key in data["gone"].as_array().into_iter().flatten() {
            self.tiles.remove(key.as_str().unwrap_or_default());
        }
        Ok(())
    }
}

/// A board that a program keeps by what it hears on the broker.
#[derive(Default)]
struct Hearer {
    id: String,
    position: u64,
    tiles: BTreeMap<String, Value>,
    /// How many of each were taken.
    snapshots: u32,
    changes: u32,
}

impl Hearer {
    /// As docs/nats.md says.
    fn hear(&mut self, told: &Value) -> anyhow::Result<()> {
        let text = |key: &str| told[key].as_str().with_context(|| format!("no {key}: {told}"));
        match text("event")? {
            "snapshot" => {
                self.tiles.clear();
                self.snapshots += 1;
            }
            "change" if text("before")? == self.id => self.changes += 1,
            "change" => return Ok(()),
            other => anyhow::bail!("unknown event {other}"),
        }
        text("id")?.clone_into(&mut self.id);
        self.position = told["position"].as_u64().context("no position")?;
        for (key, value) in told["tiles"].as_object().context("no tiles")? {
            self.tiles.insert(key.clone(), value.clone());
        }
        for key in told["gone"].as_array().into_iter().flatten() {
            self.tiles.remove(key.as_str().unwrap_or_default());
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_on_the_broker_keeps_the_board_by_what_it_hears() -> anyhow::Result<()> {
    let mut server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    hall.set_up().await?;
    let mut service = Service::start(&hall, 0).await?;
    let visitor = Visitor::at(service.address).welcomed(&hall, "e01").await?;
    let login = ConnectOptions::with_user_and_password("hall".into(), "hall".into());
    let client = login.connect(server.url()).await?;
    let mut heard = client.subscribe("live.510000.board").await?;
    let mut hearer = Hearer::default();
    let mut listen = async |hearer: &mut Hearer, until: u64| {
        let listening = async {
            while hearer.position < until {
                let message = heard.next().await.context("the subscription ended")?;
                hearer.hear(&serde_json::from_slice(&message.payload)?)?;
            }
            anyhow::Ok(())
        };
        timeout(COMMAND_MAX, listening).await?
    };
    listen(&mut hearer, 1).await?;
    let first = hearer.id.clone();
    for terminal in ["w01", "w02", "w03", "w01"] {
        hall.run(&["emit", "consult", "--terminal", terminal, "--by", "c01"]).await?.ok();
        listen(&mut hearer, hall.last().await?).await?;
    }
    // The broker is away for a moment; the next whole board makes up for what was not told.
    server.kill().await?;
    server.restart().await?;
    hall.run(&["emit", "consult", "--terminal", "w02", "--by", "c01"]).await?.ok();
    let last = hall.last().await?;
    listen(&mut hearer, last).await?;
    let shown = visitor.get("/v1/board").await?.json()?;
    assert_eq!((&shown["position"], hearer.position), (&json!(last), last));
    let tiles: BTreeMap<String, Value> = serde_json::from_value(shown["tiles"].clone())?;
    assert_eq!(hearer.tiles, tiles);
    assert_eq!(tiles["figure.consulted.today"], 5);
    assert!(hearer.snapshots > 0 && hearer.id != first, "{first}");
    // Who begins later needs nothing but to wait.
    let mut later = Hearer::default();
    listen(&mut later, last).await?;
    assert_eq!((later.snapshots, later.tiles), (1, tiles));
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_board_that_was_cut_off_twenty_times_shows_what_is_there() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let mut service = Service::start(&hall, 0).await?;
    let port = service.address.port();
    let visitor = Visitor::at(service.address).welcomed(&hall, "e01").await?;
    let mut watcher = Watcher {
        visitor: visitor.clone(),
        last: None,
        tiles: BTreeMap::new(),
        position: 0,
        resets: 0,
    };
    let mut dice = Dice(4);
    let now = SystemClock.now();
    for round in 0..20_u64 {
        if round == 11 {
            service.process.kill().await?;
            service = Service::start(&hall, port).await?;
            // Who was in has to come in again.
            watcher.visitor = Visitor::at(service.address).welcomed(&hall, "e01").await?;
        }
        let terminal = format!("w{:02}", 1 + round % 5);
        let lines: String = (0..5)
            .map(|nth| {
                let at = now + jiff::SignedDuration::from_millis(i64::try_from(round * 5 + nth).unwrap_or(0));
                format!("{{\"specversion\":\"1.0\",\"source\":\"hall.510000.terminal.{terminal}\",\"type\":\"cn.zhoubao.Consulted.v1\",\"time\":\"{at}\",\"actor\":\"c01\",\"data\":{{\"people\":1}}}}\n")
            })
            .collect();
        let sent = hall.run_with(&lines, &["emit", "-", "--anyway"]);
        let cut = Duration::from_millis(20 + dice.below(500));
        let (sent, listened) = tokio::join!(sent, watcher.listen(cut, None));
        sent?.ok();
        listened?;
    }
    // A rebuild in between is not noticed either: the pages let go of the file that it replaces.
    hall.run(&["rebuild", "--verify"]).await?.ok();
    hall.run(&["emit", "consult", "--terminal", "w01", "--by", "c01"]).await?.ok();
    let last = hall.last().await?;
    watcher.listen(COMMAND_MAX, Some(last)).await?;
    let shown = watcher.visitor.get("/v1/board").await?.json()?;
    assert_eq!(shown["position"], last);
    assert_eq!(watcher.position, last);
    let tiles: BTreeMap<String, Value> = serde_json::from_value(shown["tiles"].clone())?;
    assert_eq!(watcher.tiles, tiles);
    assert_eq!(tiles["figure.consulted.today"], 101);
    assert!(watcher.resets <= 1, "only the restart is a reset: {}", watcher.resets);

    // What nobody knows is a reset, not an error.
    for id in ["garbage", "999999-00000000-2023-02-10", "", "1", "\u{2603}"] {
        let mut lost = Watcher {
            visitor: watcher.visitor.clone(),
            last: Some(id.to_owned()),
            tiles: BTreeMap::new(),
            position: 0,
            resets: 0,
        };
        lost.listen(COMMAND_MAX, Some(last)).await?;
        assert_eq!((lost.resets, &lost.tiles), (1, &tiles), "{id}");
    }
    service.process.kill().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_appends_to_its_own_line_and_to_no_other() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let mut service = Service::start(&hall, 0).await?;
    let visitor = Visitor::at(service.address);
    let clerk = visitor.welcomed(&hall, "c01").await?;
    let csrf = clerk.csrf().await?;
    let clerk = clerk.with("X-CSRF-Token", &csrf);
    let event = |terminal: &str, number: u64, previous: Option<Digest>, actor: &str| {
        let message = encode(&Draft {
            subject: format!("hall.510000.terminal.{terminal}").parse()?,
            number,
            previous,
            occurred_at: SystemClock.now(),
            entered_at: None,
            actor: Some(actor.parse()?),
            command: None,
            event: Event::Act(Act {
                kind: Kind::Consulted,
                amount: 1,
                department: None,
                matter: None,
                case: None,
            }),
        });
        let stored = Stored { position: 0, recorded_at: SystemClock.now(), message };
        anyhow::Ok((to_structured(&stored), hash(&stored.message)))
    };
    let end = clerk.get("/v1/lines/w01").await?.json()?;
    assert_eq!((&end["number"], &end["position"]), (&json!(0), &json!(0)));
    let (first, digest) = event("w01", 1, None, "c01")?;
    let (second, _) = event("w01", 2, Some(digest), "c01")?;
    let sent = clerk.call("POST", "/v1/lines/w01?last=0", &first).await?;
    assert_eq!(sent.status, 200, "{sent:?}");
    let at = sent.json()?["positions"][0].as_u64().context("no position")?;
    // The answer was lost, and it sends again: the same position.
    let again = clerk.call("POST", "/v1/lines/w01?last=0", &first).await?.json()?;
    assert_eq!(again["positions"][0], at);
    let stale = clerk.call("POST", "/v1/lines/w01?last=0", &second).await?;
    assert_eq!((stale.status, stale.json()?["code"].as_str()), (409, Some("E.601")));
    let sent = clerk.call("POST", &format!("/v1/lines/w01?last={at}"), &second).await?;
    assert_eq!(sent.status, 200, "{sent:?}");

    for (path, body, status, code) in [
        ("/v1/lines/w02?last=0", event("w01", 3, None, "c01")?.0, 403, "E.111"),
        ("/v1/lines/w02?last=0", event("w02", 1, None, "c02")?.0, 403, "E.111"),
        ("/v1/lines/w77?last=0", event("w77", 1, None, "c01")?.0, 422, "E.109"),
        ("/v1/lines/w02?last=0", String::new(), 400, "E.102"),
        ("/v1/lines/w02?last=0", "{".to_owned(), 400, "E.102"),
        ("/v1/lines/w.x?last=0", first.clone(), 400, "E.102"),
        ("/v1/lines/w02?last=0", first.replace("510000", "440000"), 400, "E.100"),
    ] {
        let answer = clerk.call("POST", path, &body).await?;
        let told = (answer.status, answer.json()?["code"].as_str().map(ToOwned::to_owned));
        assert_eq!(told, (status, Some(code.to_owned())), "{path} {body} {answer:?}");
    }
    let stranger = clerk.with("X-CSRF-Token", "0");
    let foreign = stranger.call("POST", "/v1/lines/w02?last=0", &first);
    assert_eq!(foreign.await?.status, 403);
    let large = clerk.call("POST", "/v1/lines/w01?last=0", &"x".repeat(300_000)).await?;
    assert_eq!(large.status, 413, "{}", large.head);
    // What was refused is noted of him, and nothing of it is stored.
    let lines = hall.context().open_store().await?.heads(&code()?, "terminal.").await?;
    let own: Vec<_> = lines.iter().map(|(line, head)| (line.to_string(), head.number)).collect();
    assert_eq!(own, [("terminal.w01".to_owned(), 2)], "nothing but the two was stored");
    service.process.kill().await?;
    Ok(())
}
