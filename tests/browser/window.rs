//! The window's page over a device's agent: by keys alone, and never more than the ledger has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Child;
use tokio::time::timeout;
use zhoubao_application::clock::{Clock as _, SystemClock};
use zhoubao_contract::{Attributes, Message, hash};
use zhoubao_domain::time::hall_day;
use zhoubao_test_support::eventually;

use crate::machine::{Browser, Cable, Hall, Service, WAIT_MAX};

const ENTER: char = '\u{E007}';
const SHIFT: char = '\u{E008}';
const ESCAPE: char = '\u{E00C}';
const DOWN: char = '\u{E015}';
const TAB: char = '\u{E004}';

/// Longest wait for what the page does by itself.
const SOON: Duration = Duration::from_secs(90);

/// A running agent with a port.
struct Agent {
    _process: Child,
    address: SocketAddr,
}

impl Agent {
    async fn start(hall: &Hall, terminal: &str) -> anyhow::Result<Self> {
        let listen = ["terminal", "run", terminal, "--listen", "127.0.0.1:0"];
        // With its standard input at an end it goes on: it has a port.
        let mut process = hall.command(&listen).stdout(Stdio::null()).spawn()?;
        let mut said = BufReader::new(process.stderr.take().context("no stderr")?).lines();
        let address = loop {
            let line = timeout(WAIT_MAX, said.next_line()).await??.context("it ended early")?;
            if let Some((_, address)) = line.split_once("listening on http://") {
                break address.trim().parse()?;
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        Ok(Self { _process: process, address })
    }
}

/// Sets the PIN of a clerk.
async fn add_clerk(hall: &Hall, terminal: &str, clerk: &str, pin: &str) -> anyhow::Result<()> {
    let mut command = hall.command(&["terminal", "clerk", "add", terminal, clerk]);
    let mut adding = command.stdin(Stdio::piped()).spawn()?;
    let mut stdin = adding.stdin.take().context("no stdin")?;
    stdin.write_all(format!("{pin}\n").as_bytes()).await?;
    drop(stdin);
    ensure!(timeout(WAIT_MAX, adding.wait()).await??.success());
    Ok(())
}

/// Presses keys wherever the focus is.
async fn press(browser: &Browser, keys: &str) -> anyhow::Result<()> {
    Ok(browser.client.active_element().await?.send_keys(keys).await?)
}

async fn text(browser: &Browser, id: &str) -> anyhow::Result<String> {
    let asked = browser.ask(&format!("return document.getElementById('{id}').textContent")).await?;
    Ok(asked.as_str().context("no text")?.to_owned())
}

async fn wait_for(browser: &Browser, what: &str, script: &str) -> anyhow::Result<()> {
    let script = format!("return Boolean({script})");
    let waited = eventually(what, SOON, async || {
        Ok((browser.ask(&script).await? == json!(true)).then_some(()))
    });
    match waited.await {
        Ok(()) => Ok(()),
        Err(error) => {
            browser.picture("window-failed").await?;
            let page = browser.ask("return document.getElementById('main').innerText").await?;
            Err(error.context(format!("{page}")))
        }
    }
}

/// Presses keys, and waits until the page says that event `number` is saved.
async fn saves(browser: &Browser, keys: &str, number: u64) -> anyhow::Result<()> {
    for it in keys.split('|') {
        press(browser, it).await?;
    }
    let script =
        format!("document.getElementById('told').textContent.startsWith('已保存 #{number} ')");
    wait_for(browser, &format!("event {number} to be saved"), &script).await
}

async fn no_barriers(browser: &Browser, name: &str) -> anyhow::Result<()> {
    let found = browser.barriers().await?;
    ensure!(found.is_empty(), "{name}: {}", found.join("\n"));
    Ok(())
}

/// What stands in the list: number, state, words.
async fn listed(browser: &Browser) -> anyhow::Result<Vec<(u64, String, String)>> {
    let script = "return [...document.querySelectorAll('#events li')].map(it => \
                  [it.value, it.dataset.state, it.querySelector('.what').textContent])";
    Ok(serde_json::from_value(browser.ask(script).await?)?)
}

/// What stands in the tally of today.
async fn tally(browser: &Browser, id: &str) -> anyhow::Result<Value> {
    let script = format!(
        "return Object.fromEntries([...document.querySelectorAll('#{id} output')].map(it => [it.dataset.kind, Number(it.textContent)]))"
    );
    browser.ask(&script).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shift_by_keys_alone() -> anyhow::Result<()> {
    let hall = Hall::played().await?;
    add_clerk(&hall, "w40", "c01", "730194").await?;
    let rights = r#"{"rights":["RECORD","CORRECT","LATE_ENTRY"],"active":true}"#;
    hall.put("user", "c01", rights).await?;
    hall.put("terminal", "w40", r#"{"window":"w01","active":true}"#).await?;
    let service = Service::start(&hall, 0, "127.0.0.1").await?;
    let agent = Agent::start(&hall, "w40").await?;
    let browser = Browser::start().await?;
    browser.client.goto(&format!("http://{}/", agent.address)).await?;
    wait_for(&browser, "the login", "document.activeElement.name === 'clerk'").await?;
    no_barriers(&browser, "login").await?;
    browser.picture("window-login-1920").await?;
    press(&browser, &format!("c01{TAB}")).await?;
    press(&browser, &format!("730195{ENTER}")).await?;
    wait_for(&browser, "a wrong PIN to be told", "document.activeElement.id === 'errors'").await?;
    ensure!(text(&browser, "errors").await?.contains("E.151"));
    // The pause of a wrong PIN; the work number stays.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    press(&browser, &TAB.to_string()).await?;
    press(&browser, &TAB.to_string()).await?;
    press(&browser, &format!("730194{ENTER}")).await?;
    wait_for(&browser, "the clerk to be in", "document.activeElement.id === 'keys'").await?;
    no_barriers(&browser, "empty").await?;

    // Two keys for a consultation.
    let begun = Instant::now();
    saves(&browser, &format!("1|{ENTER}"), 1).await?;
    saves(&browser, &format!("2|2026-0001{ENTER}|development{ENTER}|{ENTER}"), 2).await?;
    saves(&browser, &format!("4|2026-0001{ENTER}|{ENTER}|{ENTER}"), 3).await?;
    saves(&browser, &format!("3|2026-0001{SHIFT}{ENTER}"), 4).await?;
    saves(&browser, &format!("1|12{ENTER}"), 5).await?;
    for number in 6..=15 {
        match number % 2 {
            0 => saves(&browser, &format!("1|{ENTER}"), number).await?,
            _ => saves(&browser, &format!("2|2026-{number:04}{SHIFT}{ENTER}"), number).await?,
        }
    }
    // 12 people were 2; one case was entered twice; 更正 stands on the number first, then on what it says now.
    saves(&browser, &format!("5|5{ENTER}|2{ENTER}|{ENTER}|{ENTER}|录错人次{ENTER}"), 16).await?;
    saves(&browser, &format!("6|15{ENTER}|重复录入{ENTER}"), 17).await?;
    saves(&browser, &format!("1|3{ENTER}"), 18).await?;
    saves(&browser, &format!("2|2026-0019{SHIFT}{ENTER}"), 19).await?;
    let expected = json!({ "consulted": 11, "accepted": 6, "issued": 1, "transferred": 1 });
    wait_for(&browser, "the last one", "document.querySelector('#events li')?.value === 19")
        .await?;
    assert_eq!(tally(&browser, "day").await?, expected);
    press(&browser, "0").await?;
    wait_for(
        &browser,
        "the tally to close",
        "document.querySelector('#closing output').textContent === '11'",
    )
    .await?;
    assert_eq!(tally(&browser, "closing").await?, expected);
    saves(&browser, &ENTER.to_string(), 20).await?;
    let took = begun.elapsed();
    println!("20 events by keys: {:.1} s", took.as_secs_f64());
    ensure!(took < WAIT_MAX, "{took:?}");
    wait_for(
        &browser,
        "all to be counted",
        "document.querySelectorAll('#events li[data-state=counted]').length === 20",
    )
    .await?;
    let events = listed(&browser).await?;
    assert_eq!(
        events.iter().map(|it| it.0).collect::<Vec<_>>(),
        (1..=20).rev().collect::<Vec<_>>()
    );
    assert_eq!(events[15].2, "咨询 2 人次", "{events:?}");
    no_barriers(&browser, "list").await?;
    browser.picture("window-1920").await?;

    // What is wrong is not sent, and the keys go on working where the error is told.
    press(&browser, "1").await?;
    press(&browser, &format!("0{ENTER}")).await?;
    wait_for(&browser, "the error", "document.activeElement.id === 'errors'").await?;
    no_barriers(&browser, "error").await?;
    browser.picture("window-error-1920").await?;
    press(&browser, "6").await?;
    wait_for(&browser, "another form", "document.activeElement.name === 'number'").await?;
    press(&browser, &format!("1{DOWN}")).await?;
    press(&browser, &ENTER.to_string()).await?;
    wait_for(&browser, "the reason to be asked for", "document.activeElement.id === 'errors'")
        .await?;
    ensure!(text(&browser, "errors").await?.contains("E.120"));
    press(&browser, &ESCAPE.to_string()).await?;
    press(&browser, &ESCAPE.to_string()).await?;

    // What the hall flags stays in sight, with code and reason.
    saves(&browser, &format!("2|2026-0099{ENTER}|nobody{ENTER}|{ENTER}"), 21).await?;
    wait_for(
        &browser,
        "the flag",
        "document.querySelector('#events li[data-state=needs_attention] .why')",
    )
    .await?;
    let why = browser.ask("return document.querySelector('#events .why').textContent").await?;
    ensure!(why.as_str().is_some_and(|it| it.contains("E.101")), "{why}");
    press(&browser, "0").await?;
    wait_for(
        &browser,
        "the tally",
        "document.querySelector('#closing output').textContent === '11'",
    )
    .await?;
    browser.picture("window-close-1920").await?;
    no_barriers(&browser, "close").await?;
    press(&browser, &ESCAPE.to_string()).await?;
    // A warning of the device is told before anything is saved; it is saved when that is asked for.
    for keys in [
        "5".to_owned(),
        format!("900{ENTER}"),
        ENTER.to_string(),
        ENTER.to_string(),
        format!("试{ENTER}"),
    ] {
        press(&browser, &keys).await?;
    }
    wait_for(&browser, "the warning", "document.getElementById('errors').dataset.anyway === 'yes'")
        .await?;
    ensure!(text(&browser, "errors").await?.contains("900"));
    browser.picture("window-warning-1920").await?;
    no_barriers(&browser, "warning").await?;
    ensure!(listed(&browser).await?[0].0 == 21, "nothing was saved yet");
    saves(&browser, &format!("{SHIFT}{ENTER}"), 22).await?;

    // Nothing comes from elsewhere, and nothing may.
    let foreign = "return performance.getEntriesByType('resource').filter(it => !it.name.startsWith(location.origin)).length";
    assert_eq!(browser.ask(foreign).await?, json!(0));
    let policy = "const done = arguments[arguments.length - 1]; \
                  fetch('/').then(it => it.headers.get('content-security-policy')).then(done, () => done(null))";
    let policy = browser.client.execute_async(policy, vec![]).await?;
    ensure!(policy.as_str().is_some_and(|it| it.contains("default-src 'none'")), "{policy}");
    browser.size(390, 844).await?;
    browser.picture("window-390").await?;
    no_barriers(&browser, "small").await?;
    press(&browser, "2").await?;
    browser.picture("window-form-390").await?;
    no_barriers(&browser, "small form").await?;
    drop(service);
    Ok(())
}

/// An event with everything that is hashed, and texts that are no ASCII.
fn vector() -> Message {
    let attributes = Attributes {
        id: Some("18446744073709551615".to_owned()),
        source: Some("hall.510000.terminal.p01".to_owned()),
        kind: Some("cn.zhoubao.Voided.v1".to_owned()),
        time: Some("2023-02-06T09:10:00+08:00".to_owned()),
        enteredat: Some("2023-02-07T09:10:00.5+08:00".to_owned()),
        actor: Some("c01".to_owned()),
        command: Some("命令 1".to_owned()),
        prevhash: Some("ab".repeat(32)),
        clockoffset: Some("-31000".to_owned()),
        clockunsure: Some("2023-02-07T09:09:29.5Z".to_owned()),
        ..Attributes::default()
    };
    let body = r#"{"original":"terminal.p01#1","reason":"录错 \"人次\" 𠮷"}"#;
    Message { subject: "hall.510000.terminal.p01".to_owned(), attributes, body: body.into() }
}

/// The browser makes the same hash of the same event.
async fn hashes_alike(browser: &Browser, message: &Message) -> anyhow::Result<()> {
    let mut event: BTreeMap<&str, Value> =
        message.attributes.iter().map(|(name, value)| (name, json!(value))).collect();
    event.insert("body", json!(String::from_utf8(message.body.clone())?));
    let script = "const done = arguments[arguments.length - 1]; \
                  import('/assets/chain.js').then(it => it.hash(arguments[0])).then(done, it => done(String(it)))";
    let made = browser.client.execute_async(script, vec![json!(event)]).await?;
    assert_eq!(made, json!(hash(message).to_string()));
    Ok(())
}

/// The clock of a browser is known from an answer of the server on, until it jumps or the device sleeps.
async fn measures_its_clock(browser: &Browser) -> anyhow::Result<()> {
    let script = "const done = arguments[arguments.length - 1]; \
        import('/assets/clock.js').then(({ Clock }) => { \
          let [wall, run] = [1_000_000_000_000, 0]; \
          const clock = new Clock(() => wall, () => run); \
          const pass = (ms, asleep) => { wall += ms; run += asleep ? 0 : ms; }; \
          const said = ms => new Date(wall - ms).toUTCString(); \
          const found = [clock.mark(clock.now())]; \
          clock.heard(clock.now(), said(47_000)); \
          found.push(clock.mark(clock.now())); \
          pass(3_600_000, false); \
          found.push(clock.mark(clock.now())); \
          pass(3_600_000, true); \
          found.push(clock.mark(clock.now())); \
          const asked = clock.now(); \
          pass(11_000, false); \
          clock.heard(asked, said(47_000)); \
          found.push(clock.ahead()); \
          clock.heard(clock.now(), said(20_000)); \
          found.push(clock.mark(clock.now())); \
          return found; \
        }).then(done, it => done(String(it)))";
    let found = browser.client.execute_async(script, vec![]).await?;
    assert_eq!(
        found,
        json!([
            { "clockunsure": "2001-09-09T01:46:40.000Z" },
            { "clockoffset": "46500" },
            { "clockoffset": "46500" },
            { "clockunsure": "2001-09-09T03:46:40.000Z" },
            null,
            {},
        ])
    );
    Ok(())
}

/// Logs in by password, by keys only.
async fn log_in(browser: &Browser, user: &str) -> anyhow::Result<()> {
    press(browser, &format!("{user}{TAB}")).await?;
    press(browser, &format!("horse battery 7 staple{ENTER}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_events_without_a_network_survive_the_browser() -> anyhow::Result<()> {
    let hall = Hall::played().await?;
    hall.put("terminal", "p01", r#"{"window":"w01","active":true}"#).await?;
    let cable = Cable::lay().await?;
    let service = Service::start(&hall, 0, &cable.address.to_string()).await?;
    cable.plug(Some(service.address));
    let browser = Browser::start().await?;
    let made = hall.run(&["account", "link", "c01", "--url", &cable.url("")]).await?;
    browser.welcome(made.trim()).await?;
    browser.client.goto(&cable.url("/t")).await?;
    wait_for(&browser, "the enrolment", "document.activeElement.name === 'terminal'").await?;
    no_barriers(&browser, "enrolment").await?;
    browser.picture("phone-enrol-1920").await?;
    hashes_alike(&browser, &vector()).await?;
    let plain = Message {
        attributes: Attributes { id: Some("1".to_owned()), ..Attributes::default() },
        ..vector()
    };
    hashes_alike(&browser, &plain).await?;
    let mut sure = vector();
    sure.attributes.clockunsure = None;
    hashes_alike(&browser, &sure).await?;
    measures_its_clock(&browser).await?;

    // What is recorded before the administrator has approved waits.
    press(&browser, &format!("p01{ENTER}")).await?;
    wait_for(&browser, "the key", "document.activeElement.id === 'keys'").await?;
    saves(&browser, &format!("1|{ENTER}"), 1).await?;
    wait_for(&browser, "the entry", "!document.getElementById('approval').hidden").await?;
    no_barriers(&browser, "approval").await?;
    browser.picture("phone-approval-1920").await?;
    let entry = text(&browser, "entry-text").await?;
    hall.put("key", "p01", &entry).await?;
    wait_for(&browser, "it to count", "document.querySelector('#events li[data-state=counted]')")
        .await?;
    ensure!(browser.ask("return document.getElementById('approval').hidden").await? == json!(true));

    cable.plug(None);
    cable.cut();
    wait_for(
        &browser,
        "the page to notice",
        "document.getElementById('link').className === 'offline'",
    )
    .await?;
    for number in 2..=51 {
        saves(&browser, &format!("1|{ENTER}"), number).await?;
    }
    wait_for(&browser, "them to wait", "document.getElementById('to-send').textContent === '50'")
        .await?;
    browser.picture("phone-offline-1920").await?;

    // Killed, and opened again where there is still no network.
    let browser = browser.killed().await?;
    browser.client.goto(&cable.url("/t")).await?;
    wait_for(
        &browser,
        "what it had saved",
        "document.getElementById('to-send').textContent === '50'",
    )
    .await?;
    ensure!(text(&browser, "band").await?.contains("已保存 50 条"));
    browser.size(390, 844).await?;
    browser.picture("phone-offline-390").await?;
    no_barriers(&browser, "offline").await?;

    // A login may end with the browser, and may not: without one, what is saved waits.
    browser.client.delete_all_cookies().await?;
    cable.plug(Some(service.address));
    wait_for(&browser, "the login to be asked for", "!document.getElementById('sign-in').hidden")
        .await?;
    browser.picture("phone-login-390").await?;
    no_barriers(&browser, "sign in").await?;
    browser.client.goto(&cable.url("/login?next=/t")).await?;
    log_in(&browser, "c01").await?;
    wait_for(
        &browser,
        "the page again",
        "location.pathname === '/t' && document.getElementById('to-send')",
    )
    .await?;
    // An answer that is lost here and there costs nothing.
    for _ in 0..5 {
        cable.cut();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    wait_for(&browser, "all to be counted", "document.getElementById('to-send')?.textContent === '0' && document.getElementById('counted').textContent === '#51'").await?;
    let events = listed(&browser).await?;
    assert_eq!(events.len(), 51);
    ensure!(events.iter().all(|it| it.1 == "counted"), "{events:?}");
    browser.picture("phone-390").await?;
    no_barriers(&browser, "phone").await?;

    // The hall has each of them once.
    let read = "const done = arguments[arguments.length - 1]; \
                fetch('/v1/lines/p01').then(it => it.json()).then(done, () => done(null))";
    let line = browser.client.execute_async(read, vec![]).await?;
    assert_eq!([&line["number"], &line["counted"], &line["open_count"]], [51, 51, 0], "{line}");
    let days = browser.ask("return [...document.querySelectorAll('#events .time')].map(it => it.dateTime.slice(0, 10))").await?;
    let days: BTreeSet<String> = serde_json::from_value(days)?;
    let mut people = 0;
    for day in &days {
        let stats = hall.run(&["stats", "--json", "--from", day, "--to", day]).await?;
        let stats: Value = serde_json::from_str(&stats)?;
        let rows = stats["rows"].as_array().context("no rows")?;
        people += rows.iter().filter_map(|it| it["consulted"].as_i64()).sum::<i64>();
    }
    assert_eq!(people, 51, "{days:?}");

    // Set back by a week where nobody could tell: the true time is recorded once the server has said what time it is.
    cable.plug(None);
    cable.cut();
    let offline = "document.getElementById('link').className === 'offline'";
    wait_for(&browser, "the page to notice again", offline).await?;
    browser.ask("const now = Date.now; Date.now = () => now() - 7 * 86_400_000; return 0").await?;
    saves(&browser, &format!("1|{ENTER}"), 52).await?;
    cable.plug(Some(service.address));
    let counted =
        |number: u64| format!("document.getElementById('counted').textContent === '#{number}'");
    wait_for(&browser, "the time to be put right", &counted(53)).await?;
    saves(&browser, &format!("1|{ENTER}"), 54).await?;
    wait_for(&browser, "the last one to be counted", &counted(54)).await?;
    let told = text(&browser, "clock").await?;
    ensure!(told.starts_with("本机时钟慢 6047") || told.starts_with("本机时钟慢 6048"), "{told}");
    let line = browser.client.execute_async(read, vec![]).await?;
    assert_eq!([&line["number"], &line["open_count"]], [54, 0], "{line}");
    let today = hall_day(SystemClock.now()).to_string();
    let first = days.first().context("no day")?;
    let stats = hall.run(&["stats", "--json", "--from", first, "--to", &today]).await?;
    let stats: Value = serde_json::from_str(&stats)?;
    let rows = stats["rows"].as_array().context("no rows")?;
    let people: i64 = rows.iter().filter_map(|it| it["consulted"].as_i64()).sum();
    assert_eq!(people, 53, "{stats}");
    Ok(())
}
