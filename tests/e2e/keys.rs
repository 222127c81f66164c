//! A device's keys: made on it, taken into the register by the office, replaced, revoked; and whoever writes under its
//! name without them.

use anyhow::Context as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr};
use tokio::time::timeout;
use zhoubao_test_support::eventually;

use crate::hall::{COMMAND_MAX, Hall};
use crate::terminal::lines;

const RUN: [&str; 4] = ["terminal", "run", "w01", "--once"];

/// Takes what the device printed into the register.
async fn register(hall: &Hall, printed: &[u8]) -> anyhow::Result<Value> {
    let file = hall.file("key.w01.json", std::str::from_utf8(printed)?)?;
    hall.run(&["setup", "apply", &file, "--by", "a01"]).await?.ok();
    Ok(serde_json::from_slice(printed)?)
}

/// Codes of what awaits somebody, in the order of the journal.
async fn codes(hall: &Hall) -> anyhow::Result<Vec<String>> {
    hall.run(&["project", "--once"]).await?.ok();
    let store = hall.context().open_store().await?;
    let rows = store.exceptions(&"510000".parse()?, true).await?;
    Ok(rows.iter().map(|it| it.code.text().to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolled_signed_replaced_and_revoked() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    // Before it has a key, a device sends unsigned events, and they count.
    hall.run_with(&lines(0..3), &RUN).await?.ok();
    hall.run(&["terminal", "rekey", "w01"]).await?.fails(4, "E.112");
    hall.run(&["terminal", "revoke", "w01", "--by", "a01"]).await?.fails(4, "E.112");

    let first = hall.run(&["terminal", "enroll", "w01"]).await?.ok();
    let again = hall.run(&["terminal", "enroll", "w01"]).await?.ok();
    assert_eq!(first.out, again.out, "a device makes its keys once");
    assert!(first.err.contains("fingerprint"), "{first:?}");
    // Somebody who may not keep the register does not get a key in.
    let file = hall.file("key.w01.json", &first.text())?;
    hall.run(&["setup", "apply", &file, "--by", "c01"]).await?.fails(4, "E.111");
    let first = register(&hall, &first.out).await?;
    hall.run_with(&lines(3..250), &RUN).await?.ok();
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [250, 0, 0, 0]);

    // The new key is used as soon as it is made known; what the old one signs still counts.
    let second = hall.run(&["terminal", "rekey", "w01"]).await?.ok();
    let second = register(&hall, &second.out).await?;
    assert_eq!(second["endorsement"]["key"], first["signing"]);
    hall.run_with(&lines(250..260), &RUN).await?.ok();
    hall.run(&["terminal", "rekey", "w01", "--approved"]).await?.ok();
    hall.run(&["terminal", "rekey", "w01", "--approved"]).await?.fails(4, "E.112");
    hall.run_with(&lines(260..270), &RUN).await?.ok();
    let enrolled = hall.run(&["terminal", "enroll", "w01"]).await?.ok().json()?;
    assert_eq!(enrolled["signing"], second["signing"]);
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [270, 0, 0, 0]);
    assert_eq!(codes(&hall).await?, [""; 0]);

    // An endorsement that was changed on the way is refused.
    let mut forged = second.clone();
    forged["endorsement"]["key"] = forged["signing"].clone();
    let file = hall.file("key.w01.json", &forged.to_string())?;
    hall.run(&["setup", "apply", &file, "--by", "a01"]).await?.fails(4, "E.102");

    hall.run(&["terminal", "revoke", "w01", "--by", "c01"]).await?.fails(4, "E.111");
    hall.run(&["terminal", "revoke", "w01", "--by", "a01"]).await?.ok();
    hall.run(&["terminal", "revoke", "w01", "--by", "a01"]).await?.ok();
    hall.run_with(&lines(270..271), &RUN).await?.ok();
    assert_eq!(codes(&hall).await?, ["E.116"]);
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [270, 0, 0, 0]);
    Ok(())
}

/// A device without a network: what it recorded is carried to the office on a stick.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_enrolled_device_exports_is_signed_and_counts_where_it_is_let_in()
-> anyhow::Result<()> {
    let (office, device) = (Hall::in_files()?, Hall::in_files()?);
    office.set_up().await?;
    let enrolled = device.run(&["terminal", "enroll", "w01"]).await?.ok();
    register(&office, &enrolled.out).await?;
    let ledger = crate::terminal_unmeasured::ledger(&device).await?;
    let now = zhoubao::terminal::clock::stamp(&zhoubao_application::clock::SystemClock);
    let code = crate::hall::code()?;
    let events = lines(0..450);
    let events = events.lines().map(|it| zhoubao_contract::structured::parse(it, &code));
    ledger.record(&events.collect::<Result<Vec<_>, _>>()?, &now).await?;
    ledger.close().await;

    let export = device.run(&["terminal", "export", "w01"]).await?.ok().text();
    let signed = export.lines().map(|it| it.contains("\"signature\":"));
    let signed: Vec<_> = signed.enumerate().filter(|it| it.1).map(|it| it.0 + 1).collect();
    assert_eq!(signed, [200, 400, 450]);
    // Lines of others before it do not part what is signed from its signature.
    let consultation = lines(900..901);
    let others: String = (0..50)
        .map(|it| {
            let other = consultation.replace("terminal.w01", "terminal.w02");
            other.replace("key-900", &format!("other-{it}"))
        })
        .collect();
    office.run_with(&(others + &export), &["emit", "-"]).await?.ok();
    assert_eq!(codes(&office).await?, [""; 0]);
    assert_eq!(office.amounts("2023-02-06", "2023-02-06").await?, [500, 0, 0, 0]);
    // A part of it, and again: what is there is not stored twice.
    let last = office.last().await?;
    let part = device.run(&["terminal", "export", "w01", "--after", "330"]).await?.ok().text();
    office.run_with(&part, &["emit", "-"]).await?.ok();
    assert_eq!(office.last().await?, last);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_under_its_name_without_its_key_is_found_and_stops_nobody() -> anyhow::Result<()>
{
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let enrolled = hall.run(&["terminal", "enroll", "w01"]).await?.ok();
    register(&hall, &enrolled.out).await?;
    hall.run_with(&lines(0..3), &RUN).await?.ok();
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [3, 0, 0, 0]);

    // The line looks right in everything but the signature, and nothing comes after it in the journal.
    let act = ["emit", "consult", "--terminal", "w01", "--people", "1", "--by", "c01"];
    hall.run(&act).await?.fails(4, "E.115");
    hall.run_with(&lines(90..91), &["emit", "-", "--anyway"]).await?.ok();
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [3, 0, 0, 0]);
    // The next message of anybody decides it.
    hall.run(&["setup", "list"]).await?.ok();
    let other = hall.run(&["terminal", "enroll", "w02"]).await?.ok();
    let file = hall.file("key.w02.json", &other.text())?;
    hall.run(&["setup", "apply", &file, "--by", "a01"]).await?.ok();
    let counts = hall.counts().await?;
    assert_eq!((counts.quarantined, counts.held), (1, 0));
    assert_eq!(codes(&hall).await?, ["E.115"]);
    // The device itself sees that somebody else has written.
    hall.run_with(&lines(3..4), &RUN).await?.fails(4, "E.104");
    Ok(())
}

/// Positions of what waits for somebody, by the number of the event.
async fn waiting(hall: &Hall) -> anyhow::Result<Vec<(u64, u64)>> {
    hall.run(&["project", "--once"]).await?.ok();
    let rows = hall.context().open_store().await?.exceptions(&crate::hall::code()?, true).await?;
    Ok(rows.iter().map(|it| (it.number, it.position)).collect())
}

/// What is quarantined and what is held are let in by a person, who says which of the messages of a number he means.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_lets_in_by_its_position_what_is_quarantined_or_held() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let enrolled = hall.run(&["terminal", "enroll", "w01"]).await?.ok();
    register(&hall, &enrolled.out).await?;
    hall.run_with(&lines(0..2), &RUN).await?.ok();
    // Unsigned, and behind it another window's, so no signature covers it; what follows it is held.
    let anyway = ["emit", "-", "--anyway"];
    hall.run_with(&lines(2..3), &anyway).await?.ok();
    let other = |key| lines(key..key + 1).replace("terminal.w01", "terminal.w02");
    hall.run_with(&other(90), &anyway).await?.ok();
    hall.run_with(&lines(3..4), &anyway).await?.ok();
    hall.run_with(&other(91), &anyway).await?.ok();
    let [(3, third), (4, fourth)] = waiting(&hall).await?[..] else {
        anyhow::bail!("{:?}", waiting(&hall).await?)
    };
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [4, 0, 0, 0]);

    let (office, reviser) = {
        let people = crate::hall::sample()?.people;
        (people.office.to_string(), people.reviser.to_string())
    };
    let settle = async |what: &str, number: u64, position: u64, by: &str| {
        let (event, position) = (format!("terminal.w01#{number}"), position.to_string());
        let of = ["emit", what, "--event", &event, "--position", &position];
        hall.run(&[&of[..], &["--reason", "与台账核对一致", "--by", by]].concat()).await
    };
    settle("release", 3, third, &office).await?.fails(4, "E.111");
    // One message of another number is not meant: refused, and nothing is recorded.
    let last = hall.last().await?;
    settle("release", 3, fourth, &reviser).await?.fails(4, "E.112");
    settle("reject", 4, third, &reviser).await?.fails(4, "E.112");
    assert_eq!(hall.last().await?, last);
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [4, 0, 0, 0]);
    settle("release", 3, third, &reviser).await?.ok();
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [5, 0, 0, 0]);
    settle("release", 3, third, &reviser).await?.fails(4, "E.112");
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [5, 0, 0, 0]);
    settle("reject", 4, fourth, &reviser).await?.ok();
    settle("reject", 4, fourth, &reviser).await?.fails(4, "E.112");
    assert_eq!(codes(&hall).await?, Vec::<String>::new());
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [5, 0, 0, 0]);
    // Kept for ever: a rebuild comes to the same.
    let counts = hall.counts().await?;
    hall.run(&["rebuild", "--verify"]).await?.ok();
    assert_eq!(hall.counts().await?, counts);
    Ok(())
}

/// The agent, and what it logs.
fn agent(hall: &Hall) -> anyhow::Result<(Child, Lines<BufReader<ChildStderr>>)> {
    let mut child = hall.command(&["terminal", "run", "w01"]).spawn()?;
    let log = BufReader::new(child.stderr.take().context("no stderr")?).lines();
    Ok((child, log))
}

async fn until_counted(hall: &Hall, number: u64) -> anyhow::Result<()> {
    eventually("the receipt", COMMAND_MAX, async || {
        let status = hall.run(&["terminal", "status", "w01", "--json"]).await?.ok().json()?;
        Ok((status["counted"] == number).then_some(()))
    })
    .await
}

/// The hall's receipt key, as `doctor` shows it.
async fn receipt_key(hall: &Hall) -> anyhow::Result<Option<String>> {
    let text = hall.run(&["doctor"]).await?.text();
    let key = text.split("公钥 key ").nth(1).and_then(|it| it.split_whitespace().next());
    Ok(key.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_another_key_are_taken_once_the_device_trusts_it() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    assert_eq!(receipt_key(&hall).await?, None, "nothing was signed yet");
    hall.run_with(&lines(0..3), &RUN).await?.ok();
    hall.run(&["project", "--once"]).await?.ok();
    let (first_agent, _log) = agent(&hall)?;
    until_counted(&hall, 3).await?;
    let first = receipt_key(&hall).await?.context("no key")?;
    drop(first_agent);

    // The key is lost, and receipts are signed by another.
    std::fs::remove_file(hall.dir().join("receipts.key"))?;
    hall.run_with(&lines(3..5), &RUN).await?.ok();
    hall.run(&["project", "--once"]).await?.ok();
    let second = receipt_key(&hall).await?.context("no key")?;
    assert_ne!(first, second);
    let (second_agent, mut log) = agent(&hall)?;
    loop {
        let line = timeout(COMMAND_MAX, log.next_line()).await??.context("it ended early")?;
        if line.contains("E.117") {
            break;
        }
    }
    until_counted(&hall, 3).await?;
    drop(second_agent);

    hall.run(&["terminal", "trust", "w01", &second]).await?.ok();
    let _agent = agent(&hall)?;
    until_counted(&hall, 5).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_others_can_read_is_not_used() -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    hall.run(&["terminal", "enroll", "w01"]).await?.ok();
    let key = hall.dir().join("terminal-w01.key");
    assert_eq!(std::fs::metadata(&key)?.permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640))?;
    hall.run_with(&lines(0..1), &RUN).await?.fails(78, "E.780");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    std::fs::write(&key, "00\n")?;
    let ran = hall.run_with(&lines(0..1), &RUN).await?;
    assert_eq!(ran.exit, 78, "{ran:?}");
    Ok(())
}
