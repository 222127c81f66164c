//! The composer publishes what was signed off: once, with every file, whoever is killed meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_nats::ConnectOptions;
use futures_util::StreamExt as _;
use jiff::civil::Date;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};
use zhoubao::play::Player;
use zhoubao::projecting::LiveDesk;
use zhoubao_application::desk::By;
use zhoubao_application::weekly;
use zhoubao_composer::txt;
use zhoubao_contract::decode;
use zhoubao_domain::event::{AuthorizationChange, Event, InspectionResult, IssueEvent};
use zhoubao_domain::id::{DepartmentId, ObjectId, Stream};
use zhoubao_domain::time::hall_zone;
use zhoubao_test_support::NatsServer;

use crate::hall::{COMMAND_MAX, Hall, code, sample};

/// Every file of a package, but those of an amendment.
const FILES: [&str; 11] = [
    "checks.json",
    "distribution.json",
    "manifest.json",
    "rendering.json",
    "csv",
    "docx",
    "html",
    "json",
    "ofd",
    "pdf",
    "txt",
];

fn files_of(folder: &Path) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files = entries.map(|it| {
        let path = it?.path();
        let name = path.file_name().context("no name")?.to_string_lossy().into_owned();
        Ok((name, std::fs::read(&path)?))
    });
    files.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// The files of a package, which are those that its manifest names.
fn package(folder: &Path, name: &str) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let files = files_of(&folder.join(name))?;
    let manifest: Value = serde_json::from_slice(&files["manifest.json"])?;
    let named = manifest["files"].as_array().context("no files")?;
    ensure!(named.len() + 1 == files.len(), "{manifest}");
    for it in named {
        let bytes = &files[it["name"].as_str().context("no name")?];
        ensure!(it["bytes"] == bytes.len(), "{it}");
        ensure!(it["sha256"] == hex(&Sha256::digest(bytes)), "{it}");
    }
    ensure!(manifest["document"] == hex(&Sha256::digest(&files[&format!("{name}.json")])));
    Ok(files)
}

/// Plays the first weeks of the sample up to the sign-off of each.
async fn signed(desk: &LiveDesk, weeks: usize) -> anyhow::Result<()> {
    let sample = sample()?;
    let mut player = Player::new(desk, &sample, sample.acts(7)?);
    player.begin().await?;
    for week in &sample.weeks[..weeks] {
        player.week(week).await?;
        player.finish(week).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_published_with_every_file_and_put_right_by_a_new_version()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    signed(&hall.context().desk().await?, 1).await?;
    let issues = hall.dir().join("issues");
    let published = hall.run(&["compose", "--once"]).await?.ok().text();
    assert!(published.contains("已发布 published"), "{published}");
    let first = package(&issues, "2023-01")?;
    let wanted = FILES.map(|it| if it.contains('.') { it.into() } else { format!("2023-01.{it}") });
    assert_eq!(first.keys().cloned().collect::<Vec<_>>(), {
        let mut wanted = wanted.to_vec();
        wanted.sort();
        wanted
    });
    let again = hall.run(&["compose", "--once"]).await?.ok().text();
    assert!(again.contains("没有待发布的期"), "{again}");
    hall.run(&["issue", "publish", "2023-01"]).await?.ok();

    // A package that was lost is written again from the files that were published.
    std::fs::remove_dir_all(&issues)?;
    hall.run(&["compose", "--once"]).await?.ok();
    assert_eq!(package(&issues, "2023-01")?, first);

    let people = sample()?.people;
    let (editor, leader) = (people.editor.to_string(), people.leader.to_string());
    let amend = ["issue", "amend", "2023-01", "--by", &editor, "--note"];
    hall.run(&[&amend[..], &[" "]].concat()).await?.fails(4, "E.120");
    hall.run(&[&amend[..], &["标题更正"]].concat()).await?.ok();
    // Before it is signed anew there is nothing to publish, and the first version is what is out.
    hall.run(&["issue", "publish", "2023-01"]).await?.fails(4, "E.500");
    hall.run(&["issue", "submit", "2023-01", "--by", &editor]).await?.ok();
    let sign = ["issue", "sign", "2023-01", "--on", "2023-01-20", "--yes", "--by"];
    hall.run(&[&sign[..], &[&editor]].concat()).await?.fails(4, "E.111");
    hall.run(&[&sign[..], &[&leader]].concat()).await?.ok();
    hall.run(&["compose", "--once"]).await?.ok();
    let second = package(&issues, "2023-01-v2")?;
    let manifest: Value = serde_json::from_slice(&second["manifest.json"])?;
    assert_eq!((&manifest["version"], &manifest["number"]), (&2.into(), &1.into()));
    let changes: Value = serde_json::from_slice(&second["changes.json"])?;
    assert_eq!(changes["figures"], serde_json::json!([]));
    assert!(changes["added"].to_string().contains("（更正版）"), "{changes}");
    let told = hall.run(&["issue", "diff", "2023-01"]).await?.ok().text();
    assert!(told.contains("+ 2023年第1期（总第421期）（更正版）"), "{told}");
    assert!(String::from_utf8_lossy(&second["2023-01-v2.html"]).contains("标题更正"));

    // Both stay within reach.
    let out = hall.dir().join("out").display().to_string();
    hall.run(&["issue", "package", "2023-01", "--edition", "1", "--out", &out]).await?.ok();
    hall.run(&["issue", "package", "2023-01", "--out", &out]).await?.ok();
    assert_eq!(package(Path::new(&out), "2023-01")?, first);
    assert_eq!(package(Path::new(&out), "2023-01-v2")?, second);
    let of_first = hall.run(&["compose", "2023-01", "--edition", "1"]).await?.ok().out;
    assert!(of_first == first["2023-01.txt"]);
    hall.run(&["compose", "2023-01", "--edition", "3"]).await?.fails(4, "E.500");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_register_and_a_finding_are_printed_once_whenever_they_are_recorded()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    let sample = sample()?;
    let desk = hall.context().desk().await?;
    let mut player = Player::new(&desk, &sample, sample.acts(7)?);
    player.begin().await?;
    let [first, second, third, ..] = &sample.weeks[..] else { bail!("weeks") };
    let record = async |department: &str, effective: Date, change: AuthorizationChange, day| {
        let department: DepartmentId = department.parse()?;
        let stream = Stream::Authorization(department.clone());
        let at = Some(hall_zone().to_timestamp(Date::at(day, 9, 0, 0, 0))?);
        let by = By { actor: Some(sample.people.office.clone()), at, ..By::default() };
        let event = Event::AuthorizationChanged { department, effective, change };
        desk.record(stream, event, by).await.map_err(anyhow::Error::from)
    };
    let signed = |letter: &str| AuthorizationChange::LetterSigned { letter: letter.into() };

    player.week(first).await?;
    player.finish(first).await?;
    let printed = async |issue: &ObjectId| -> anyhow::Result<String> {
        desk.catch_up().await?;
        let weekly = weekly::compose(&**desk.store(), desk.hall(), issue, None).await?;
        Ok(String::from_utf8(txt::export(&weekly.composed.document))?)
    };
    let of_first = printed(&first.issue).await?;
    // From a day of the first issue on, told after it was signed; on the days off between the two; within the second.
    let between = first.period.last().tomorrow()?;
    ensure!(between < second.period.first(), "no day between");
    record("education", first.period.last(), signed("2023-31"), between).await?;
    record("science", between, AuthorizationChange::DepartmentAuthorised, between).await?;
    record("civil", second.period.first(), signed("2023-32"), second.period.first()).await?;
    // An inspector typed in a round of the first issue's last day when it was signed, and went round on a day off.
    let items: Vec<_> = first.inspection.results.iter().map(|it| it.item.clone()).collect();
    for (id, day, finding) in [
        ("round-late", first.period.last(), "咨询台无人值守。"),
        ("round-off", between, "大门未锁。"),
    ] {
        let result = |(nth, item): (usize, &String)| InspectionResult {
            item: item.clone(),
            findings: if nth == 0 { vec![finding.to_owned()] } else { vec![] },
            remark: None,
        };
        let results = items.iter().enumerate().map(result).collect();
        let at = Some(hall_zone().to_timestamp(Date::at(between, 10, 0, 0, 0))?);
        let by = By { actor: Some(sample.people.inspector.clone()), at, ..By::default() };
        desk.inspect(id.parse()?, day, results, by).await?;
    }
    assert_eq!(printed(&first.issue).await?, of_first);
    player.week(second).await?;
    player.finish(second).await?;
    player.week(third).await?;
    player.finish(third).await?;
    let (of_second, of_third) = (printed(&second.issue).await?, printed(&third.issue).await?);
    let dated = |day: Date, finding: &str| format!("{}月{}日{finding}", day.month(), day.day());
    for told in [
        "科技厅新增授权。",
        "教育厅、民政厅重新签定《四川省行政审批授权书》。",
        &dated(first.period.last(), "咨询台无人值守"),
        &dated(between, "大门未锁"),
    ] {
        assert!(of_second.contains(told) && !of_third.contains(told), "{of_second}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_fonts_nothing_is_published_and_afterwards_everything() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    signed(&hall.context().desk().await?, 1).await?;
    let empty = tempfile::tempdir()?;
    let mut command = hall.command(&["compose", "--once"]);
    command.env("ZHOUBAO_FONTS", empty.path());
    let refused = crate::hall::ended(command.spawn()?).await?.fails(78, "E.331");
    assert!(refused.err.contains("期 "), "{}", refused.err);
    assert!(!hall.dir().join("issues").exists());
    let shown = hall.run(&["issue", "list"]).await?.ok().text();
    assert!(shown.contains("signed-off"), "{shown}");
    hall.run(&["compose", "--once"]).await?.ok();
    package(&hall.dir().join("issues"), "2023-01")?;
    Ok(())
}

/// The composer as a service.
fn composer(hall: &Hall) -> anyhow::Result<Child> {
    let mut command = hall.command(&["compose"]);
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

/// How often each issue was published, by the journal.
async fn published(hall: &Hall) -> anyhow::Result<BTreeMap<String, usize>> {
    let journal = hall.context().open_journal().await?;
    let mut times = BTreeMap::new();
    for position in 1..=journal.state().await?.last {
        let stored = journal.get(position).await?.context("a gap")?;
        if let Ok(recorded) = decode(&stored, &code()?)
            && let Event::Issue(IssueEvent::Published { issue, .. }) = recorded.event
        {
            *times.entry(issue.to_string()).or_default() += 1;
        }
    }
    Ok(times)
}

#[tokio::test(flavor = "multi_thread")]
async fn composers_that_are_killed_publish_and_announce_each_issue_once() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    let desk = hall.context().desk().await?;
    let login = ConnectOptions::with_user_and_password("hall".into(), "hall".into());
    let client = login.connect(server.url()).await?;
    let mut announced = client.subscribe("live.510000.issue").await?;
    client.flush().await?;

    signed(&desk, 3).await?;
    // Two at a time, killed later and later: before they have read anything, while they render, while they store.
    for round in 0..6_u64 {
        let mut pair = [composer(&hall)?, composer(&hall)?];
        sleep(Duration::from_millis(150 + 350 * round)).await;
        for it in &mut pair {
            it.kill().await?;
        }
    }
    let _pair = [composer(&hall)?, composer(&hall)?];
    let deadline = Instant::now() + COMMAND_MAX;
    let weeks = ["2023-01", "2023-02", "2023-03"];
    let there = |it: &&str| hall.dir().join("issues").join(it).join("manifest.json").exists();
    while !weeks.iter().all(there) {
        ensure!(Instant::now() < deadline, "not published within {COMMAND_MAX:?}");
        sleep(Duration::from_millis(100)).await;
    }
    for name in weeks {
        package(&hall.dir().join("issues"), name)?;
    }
    let times = published(&hall).await?;
    assert_eq!(times.values().copied().collect::<Vec<_>>(), [1, 1, 1], "{times:?}");

    let mut heard = 0;
    while heard < 3 {
        let message = timeout(COMMAND_MAX, announced.next()).await?.context("unsubscribed")?;
        let kind = message.headers.as_ref().and_then(|it| it.get("ce-type"));
        if kind.is_some_and(|it| it.as_str().contains("IssuePublished")) {
            let body: Value = serde_json::from_slice(&message.payload)?;
            assert_eq!(body["files"].as_array().map(Vec::len), Some(FILES.len() - 1), "{body}");
            heard += 1;
        }
    }
    let more = timeout(Duration::from_millis(500), announced.next()).await;
    assert!(more.is_err(), "announced again: {more:?}");
    Ok(())
}
