//! The clock of a window's device, which is wrong or jumps: measured, told, and nothing is lost or kept back.

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use zhoubao::terminal::clock::{self, Clocks, Timed, offset, warning};
use zhoubao::terminal::intake::{Intake, outcomes};
use zhoubao::terminal::recorder::record;
use zhoubao::terminal::sender::Sender;
use zhoubao_application::clock::{Clock, SystemClock};
use zhoubao_application::journal::Line;
use zhoubao_domain::id::HallCode;
use zhoubao_nats::{NatsLine, Options};
use zhoubao_store_sqlite::ledger::{Contact, Ledger, Settings, Stamp};
use zhoubao_test_support::NatsServer;

use crate::doctor::finds;
use crate::hall::{Hall, code};
use crate::terminal_http::{Device, consultation};

/// A clock that is ahead of the true one.
struct Ahead(SignedDuration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + self.0
    }
}

async fn ledger(hall: &Hall, code: &HallCode) -> anyhow::Result<Arc<Ledger>> {
    std::fs::create_dir_all(hall.dir())?;
    let settings = Settings {
        path: hall.dir().join("terminal-w01.db"),
        hall: code.clone(),
        terminal: "w01".parse()?,
        now: SystemClock.now(),
    };
    Ok(Arc::new(Ledger::open(settings).await?))
}

/// Attribute of each event of the ledger that says how wrong the clock was.
async fn offsets(hall: &Hall) -> anyhow::Result<Vec<Option<i64>>> {
    let export = hall.run(&["terminal", "export", "w01"]).await?.ok().text();
    let of = |line: &str| {
        let event: Value = serde_json::from_str(line)?;
        Ok(event["clockoffset"].as_str().map(str::parse).transpose()?)
    };
    export.lines().map(of).collect()
}

/// Agent and broker on one machine, of which the agent believes it is ten minutes later.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ten_minutes_fast_is_measured_by_what_is_sent() -> anyhow::Result<()> {
    let nats = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&nats);
    hall.set_up().await?;
    let code = code()?;
    let ledger = ledger(&hall, &code).await?;
    let fast: Arc<dyn Clock> = Arc::new(Ahead(SignedDuration::from_mins(10)));
    let clocks = Arc::new(Clocks::load(ledger.clone(), fast.clone()).await?);
    let (recorded, has_recorded) = watch::channel(0);
    let (orders, waiting) = mpsc::channel(8);
    let intake = Intake::new(code.clone(), ledger.subject().clone(), orders);
    let sender = Sender {
        ledger: ledger.clone(),
        clocks: clocks.clone(),
        key: None,
        open: {
            let (clocks, url) = (clocks.clone(), nats.url());
            async move || {
                let options = Options::new(&url, code.clone());
                let line = NatsLine::connect(&options, "w01".parse()?).await?;
                Ok(Arc::new(Timed::new(Arc::new(line), clocks.clone(), watch::Sender::new(None)))
                    as Arc<dyn Line>)
            }
        },
        clock: fast,
        random: || 0,
        receipt_at: SystemClock.now(),
        recorded: has_recorded,
        trouble: None,
    };
    let works = async {
        let post = async |key: &str| {
            let event = intake.read(&consultation(key).to_string())?;
            Ok::<_, anyhow::Error>(outcomes(intake.order(vec![event], Instant::now()).await).await?)
        };
        post("before").await?;
        // Nothing is known before the first contact.
        zhoubao_test_support::eventually("a contact", crate::hall::COMMAND_MAX, async || {
            Ok(clocks.notes().contact)
        })
        .await?;
        let now = clocks.stamp();
        let measured = offset(&clocks.notes(), &now).unwrap_or_default();
        let wrong = (measured - SignedDuration::from_mins(10)).abs();
        assert!(wrong < SignedDuration::from_secs(10), "{measured:?}");
        let told = warning(&clocks.notes(), &now).unwrap_or_default();
        assert!(told.contains("s fast"), "{told}");
        post("after").await?;
        drop(intake);
        Ok::<_, anyhow::Error>(())
    };
    let recorder = record(ledger.clone(), clocks.clone(), waiting, recorded);
    let (worked, (), sent) = tokio::join!(works, recorder, sender.run());
    worked?;
    assert_eq!(sent?, None);
    ledger.close().await;
    let said = offsets(&hall).await?;
    // The first one was corrected.
    assert_eq!((said.len(), said[0]), (3, None));
    let is_known = |it: &Option<i64>| it.is_some_and(|it| (590_000..610_000).contains(&it));
    assert!(said[1..].iter().all(is_known), "{said:?}");
    hall.counts().await?;
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [2, 0, 0, 0]);
    // The hall hears of it: the last event of the line says how wrong the clock was.
    let report = hall.run(&["doctor", "--json"]).await?.ok().json()?;
    finds(&report, "warning", "W.130", &["w01 快 ", "s fast（截至 as of "]);
    let ahead = report["terminals"][0]["clock_ahead_ms"].as_i64();
    assert_eq!((&report["terminals"][0]["terminal"], ahead), (&json!("w01"), said[2]), "{report}");
    let text = hall.run(&["doctor"]).await?.ok().text();
    assert!(
        text.contains("! 终端 terminals  W.130 w01") && text.contains("Set the clock"),
        "{text}"
    );
    // The program on the same machine has the true time, so by now the clock is right.
    let status = hall.run(&["terminal", "status", "w01", "--json"]).await?.ok().json()?;
    let millis = status["clock"]["offset_ms"].as_i64().unwrap_or(i64::MAX);
    assert!(millis.abs() < 10_000 && status["clock"]["warning"].is_null(), "{status}");
    Ok(())
}

/// What the device measured before it was switched off holds until it has contact again.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_told_by_port_and_status_until_the_next_contact() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let ledger = ledger(&hall, &code()?).await?;
    let now = SystemClock.now();
    let at = Stamp { wall: now, monotonic_us: 1, boot: "the one before".to_owned() };
    let server = now - SignedDuration::from_secs(47);
    ledger.note_contact(&Contact { server, at, uncertainty_us: 1_000 }).await?;
    ledger.close().await;
    let device = Device::start(&hall).await?;
    let answer = device.port.post("/v1/events", &consultation("a")).await?;
    assert_eq!((answer.status, &answer.body["state"]), (200, &json!("saved")), "{answer:?}");
    assert_eq!(answer.body["warning"]["code"], "W.130", "{answer:?}");
    let status = device.port.get("/v1/status").await?.body;
    assert_eq!(status["clock"]["offset_ms"], 47_000, "{status}");
    let text = hall.run(&["terminal", "status", "w01"]).await?.ok().text();
    assert!(text.contains("+47.0 秒") && text.contains("W.130"), "{text}");
    assert_eq!(offsets(&hall).await?, [Some(47_000)]);
    let mut claimed = consultation("b");
    claimed["clockoffset"] = json!(0);
    let refused = device.port.post("/v1/events", &claimed).await?;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!("E.102")), "{refused:?}");

    // The journal is this machine's own: its clock is the same.
    hall.set_up().await?;
    zhoubao_test_support::eventually("a contact", crate::hall::COMMAND_MAX, async || {
        let status = device.port.get("/v1/status").await?.body;
        Ok(status["clock"]["warning"].is_null().then_some(()))
    })
    .await?;
    let answer = device.port.post("/v1/events", &consultation("b")).await?;
    assert!(answer.status == 200 && answer.body["warning"].is_null(), "{answer:?}");
    // One of them corrects the first, some time after the contact.
    zhoubao_test_support::eventually("the correction", crate::hall::COMMAND_MAX, async || {
        let status = device.port.get("/v1/status").await?.body;
        Ok((status["recorded"] == 3).then_some(()))
    })
    .await?;
    device.kill().await?;
    assert_eq!(offsets(&hall).await?, [Some(47_000), None, None]);
    Ok(())
}

/// Somebody sets the clock back by an hour while the machine runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_jump_of_the_clock_is_seen_and_nothing_is_kept_back() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let code = code()?;
    let ledger = ledger(&hall, &code).await?;
    let first = zhoubao_contract::structured::parse(&consultation("a").to_string(), &code)?;
    let before = clock::stamp(&Ahead(SignedDuration::from_hours(1)));
    ledger.record(&[first], &before).await?;
    ledger.close().await;
    let device = Device::start(&hall).await?;
    for key in ["b", "c"] {
        let answer = device.port.post("/v1/events", &consultation(key)).await?;
        assert_eq!((answer.status, &answer.body["warning"]["code"]), (200, &json!("W.130")));
    }
    device.kill().await?;
    let status = hall.run(&["terminal", "status", "w01", "--json"]).await?.ok().json()?;
    assert_eq!((&status["recorded"], &status["clock"]["jump_number"]), (&json!(3), &json!(2)));
    let jump = status["clock"]["jump_ms"].as_i64().unwrap_or_default();
    assert!((-3_600_000..-3_570_000).contains(&jump), "{status}");
    let text = hall.run(&["terminal", "status", "w01"]).await?.ok().text();
    assert!(text.contains("未知 unknown") && text.contains("W.130"), "{text}");
    Ok(())
}
