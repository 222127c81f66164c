//! The second copy of the journal: kept, carried away, and made a journal again.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tokio::io::AsyncWriteExt as _;
use zhoubao::play::Player;
use zhoubao_application::desk::By;
use zhoubao_domain::id::Stream;
use zhoubao_test_support::{NatsServer, Postgres, eventually};

use crate::hall::{COMMAND_MAX, Hall, sample};

pub(crate) fn lines(keys: std::ops::Range<usize>) -> String {
    keys.map(|key| {
        let event = json!({
            "specversion": "1.0",
            "source": "hall.510000.terminal.w01",
            "type": "cn.zhoubao.Consulted.v1",
            "time": "2023-02-06T09:10:00+08:00",
            "command": format!("key-{key}"),
            "data": { "people": 1 + key % 3 },
        });
        format!("{event}\n")
    })
    .collect()
}

const RUN: [&str; 4] = ["terminal", "run", "w01", "--once"];

/// A path beside the hall's folder.
pub(crate) fn beside(hall: &Hall, name: &str) -> anyhow::Result<PathBuf> {
    Ok(hall.dir().parent().context("no folder")?.join(name))
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The journal in the folder is gone.
pub(crate) fn lose_file(hall: &Hall) -> anyhow::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        match std::fs::remove_file(hall.dir().join(format!("journal.db{ending}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// The server has lost its disk.
pub(crate) async fn lose_stream(server: &mut NatsServer) -> anyhow::Result<()> {
    server.kill().await?;
    std::fs::remove_dir_all(server.store_dir())?;
    server.restart().await
}

/// The program of docs/archive.md on a copy.
async fn python(hall: &Hall, copy: &str) -> anyhow::Result<std::process::Output> {
    let page = include_str!("../../docs/archive.md");
    let program = page.split("```python\n").nth(1).and_then(|it| it.split("```").next());
    let file = hall.file("check.py", program.context("no program on the page")?)?;
    let run = tokio::process::Command::new("python3").args([&file, copy]).output();
    Ok(tokio::time::timeout(COMMAND_MAX, run).await??)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_goes_on_where_it_was_and_knows_its_journal() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let folder = beside(&hall, "archive")?;
    let to = text(&folder);
    let once = ["archive", "--to", &to, "--once"];
    let archive = ["archive", "--to", &to, "--once", "--json"];
    hall.run_with(&lines(0..50), &RUN).await?.ok();
    let old = std::fs::read(hall.dir().join("journal.db"))?;
    let last = hall.last().await?;
    assert_eq!(hall.run(&archive).await?.ok().json()?["position"], last);
    assert_eq!(hall.run(&archive).await?.ok().json()?["position"], last);

    // The power went in the middle of a line.
    let file = folder.join("00000000000000000001.ndjson");
    let whole = std::fs::read(&file)?;
    std::fs::write(&file, [&whole[..], b"{\"position\":99,\"recorded_at\":\"2023"].concat())?;
    let copy = beside(&hall, "torn.backup")?;
    hall.run(&["backup", "--from", &to, &text(&copy)]).await?.ok();
    hall.run_with(&lines(50..60), &RUN).await?.ok();
    assert_eq!(hall.run(&archive).await?.ok().json()?["position"], last + 10);
    let longer = std::fs::read(&file)?;
    assert!(longer.starts_with(&whole) && longer.len() > whole.len());

    // The program of the documentation finds it whole, and altered when it is.
    let backup = text(&beside(&hall, "hall.backup")?);
    hall.run(&["backup", &backup]).await?.ok();
    assert_eq!(hall.run(&["backup", &backup]).await?.exit, 2, "it is there already");
    for copy in [&to, &backup] {
        let checked = python(&hall, copy).await?;
        ensure!(checked.status.success(), "{checked:?}");
        assert!(checked.stdout.starts_with(format!("{} ", last + 10).as_bytes()));
    }
    let from_archive = text(&beside(&hall, "again.backup")?);
    hall.run(&["backup", "--from", &to, &from_archive]).await?.ok();
    assert_eq!(std::fs::read(&from_archive)?, std::fs::read(&backup)?);
    let mut altered = longer.clone();
    altered[longer.len() / 2] ^= 1;
    std::fs::write(&file, &altered)?;
    ensure!(!python(&hall, &to).await?.status.success());

    // Nothing is done with a damaged copy.
    let elsewhere = Hall::in_files()?;
    for damage in [altered, longer[..longer.len() - 1].to_vec(), longer[..whole.len()].to_vec()] {
        std::fs::write(&file, damage)?;
        hall.run(&once).await?.fails(3, "E.708");
        hall.run(&["backup", "--from", &to, &text(&beside(&hall, "no.backup")?)])
            .await?
            .fails(3, "E.708");
        hall.run(&["drill", "--from", &to]).await?.fails(3, "E.708");
        elsewhere.run(&["restore", &to]).await?.fails(3, "E.708");
        assert!(!elsewhere.dir().exists(), "nothing was written");
        let doctor = hall.command(&["doctor"]).env("ZHOUBAO_ARCHIVE", &to).spawn()?;
        crate::hall::ended(doctor).await?.fails(3, "E.708");
    }
    assert!(!beside(&hall, "no.backup")?.exists());
    std::fs::write(&file, &longer)?;
    hall.run(&archive).await?.ok();

    // A journal that is there, one that went back, and another one.
    hall.run(&["restore", &to]).await?.fails(3, "E.703");
    assert_eq!(hall.last().await?, last + 10);
    lose_file(&hall)?;
    std::fs::write(hall.dir().join("journal.db"), old)?;
    hall.run(&once).await?.fails(3, "E.704");
    hall.run(&["drill", "--from", &to]).await?.fails(3, "E.704");
    let other = Hall::in_files()?;
    other.set_up().await?;
    other.run(&once).await?.fails(3, "E.703");
    other.run(&["drill", "--from", &to]).await?.fails(3, "E.703");
    Ok(())
}

/// 500 acknowledged events are wiped: an older archive and the ledger of the terminal bring them back.
async fn wiped(hall: &Hall, nats: Option<&mut NatsServer>) -> anyhow::Result<()> {
    hall.set_up().await?;
    let to = text(&beside(hall, "archive")?);
    hall.run_with(&lines(0..300), &RUN).await?.ok();
    hall.run(&["archive", "--to", &to, "--once"]).await?.ok();
    let archived = hall.last().await?;
    hall.run_with(&lines(300..800), &RUN).await?.ok();
    let (counts, last) = (hall.counts().await?, hall.last().await?);
    let amounts = hall.amounts("2023-02-06", "2023-02-06").await?;
    let ledger = hall.run(&["terminal", "export", "w01"]).await?.ok().out;
    assert_eq!(last, archived + 500);

    match nats {
        None => lose_file(hall)?,
        Some(server) => lose_stream(server).await?,
    }
    // Nobody makes a new journal where one was lost.
    let emit = hall.run(&["emit", "咨询", "--terminal", "w02"]).await?;
    assert!(emit.exit != 0, "{emit:?}");
    let restored = hall.run(&["restore", &to, "--json"]).await?.ok().json()?;
    assert_eq!(
        (&restored["position"], &restored["read_models"]),
        (&json!(archived), &json!(last)),
        "{restored}"
    );
    assert_eq!(hall.last().await?, archived);
    hall.run(&["restore", &to]).await?.fails(3, "E.703");
    hall.run(&["project", "--once"]).await?.fails(3, "E.704");

    // The terminal asks, finds the journal behind, and sends again.
    hall.run_with("", &RUN).await?.ok();
    assert_eq!(hall.last().await?, last);
    assert_eq!(hall.run(&["terminal", "export", "w01"]).await?.ok().out, ledger);
    hall.run(&["rebuild"]).await?.ok();
    assert_eq!(hall.counts().await?, counts);
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, amounts);
    // The archive goes on, and gives the same hall.
    hall.run(&["archive", "--to", &to, "--once"]).await?.ok();
    let drilled = hall.run(&["drill", "--from", &to, "--json"]).await?.ok().json()?;
    assert_eq!((&drilled["events"], &drilled["behind"]), (&json!(last), &json!(0)), "{drilled}");
    Ok(())
}

/// A device that runs and has nothing to send finds by itself that the journal has lost what it had.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_with_nothing_to_send_finds_that_the_journal_lost_its_tail() -> anyhow::Result<()>
{
    let mut server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    hall.set_up().await?;
    let to = text(&beside(&hall, "archive")?);
    hall.run_with(&lines(0..10), &RUN).await?.ok();
    hall.run(&["archive", "--to", &to, "--once"]).await?.ok();
    let archived = hall.last().await?;
    let mut agent = hall.command(&["terminal", "run", "w01"]);
    // Open until the test ends: somebody might still record.
    let mut agent = agent.stdin(std::process::Stdio::piped()).spawn()?;
    let stdin = agent.stdin.as_mut().context("no stdin")?;
    stdin.write_all(lines(10..40).as_bytes()).await?;
    let last = archived + 30;
    zhoubao_test_support::eventually("the first time", COMMAND_MAX, async || {
        Ok((hall.last().await? == last).then_some(()))
    })
    .await?;
    lose_stream(&mut server).await?;
    let restored = hall.run(&["restore", &to, "--json"]).await?.ok().json()?;
    assert_eq!(restored["position"], json!(archived), "{restored}");
    zhoubao_test_support::eventually("the lost events", COMMAND_MAX, async || {
        Ok((hall.last().await? == last).then_some(()))
    })
    .await?;
    drop(agent);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wiped_events_come_back_from_an_old_archive_and_the_ledger_in_files() -> anyhow::Result<()>
{
    wiped(&Hall::in_files()?, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn wiped_events_come_back_from_an_old_archive_and_the_ledger_on_nats() -> anyhow::Result<()> {
    let mut server = NatsServer::start().await?;
    wiped(&Hall::in_files()?.with_nats(&server), Some(&mut server)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_that_goes_on_meanwhile_sends_again_with_its_next_event() -> anyhow::Result<()> {
    let mut server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    hall.set_up().await?;
    let to = text(&beside(&hall, "archive")?);
    hall.run(&["archive", "--to", &to, "--once"]).await?.ok();
    let archived = hall.last().await?;
    let mut agent = hall
        .command(&["terminal", "run", "w01"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = agent.stdin.take().context("no stdin")?;
    let reaches = async |goal: u64| {
        eventually("the terminal to send", COMMAND_MAX, async || {
            // The server may be coming back.
            Ok(hall.last().await.ok().filter(|it| *it == goal))
        })
        .await
    };
    stdin.write_all(lines(0..500).as_bytes()).await?;
    reaches(archived + 500).await?;
    lose_stream(&mut server).await?;
    // What happens while there is no journal is saved all the same.
    stdin.write_all(lines(500..510).as_bytes()).await?;
    hall.run(&["restore", &to]).await?.ok();
    stdin.write_all(lines(510..511).as_bytes()).await?;
    reaches(archived + 511).await?;
    agent.start_kill()?;
    tokio::time::timeout(COMMAND_MAX, agent.wait()).await??;
    let counts = hall.counts().await?;
    assert_eq!((counts.flagged, counts.quarantined, counts.held, counts.repeated), (0, 0, 0, 0));
    let people: i64 = (0..511).map(|key| 1 + key % 3).sum();
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [people, 0, 0, 0]);
    Ok(())
}

/// TXT and JSON of the issues of the demo.
async fn issues(hall: &Hall) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = vec![];
    for issue in ["2023-01", "2023-03", "2023-05"] {
        for format in ["txt", "json"] {
            all.push(hall.run(&["compose", issue, "--format", format]).await?.ok().out);
        }
    }
    Ok(all)
}

/// How many files are published; each is in the store, whole.
async fn published_files(hall: &Hall) -> anyhow::Result<u64> {
    let report = hall.run(&["audit", "verify", "--json"]).await?.ok().json()?;
    let files = report["files"].as_u64().context("no number")?;
    assert!(files > 10, "{report}");
    Ok(files)
}

/// Journal, files and read models are gone: a backup brings the same issues.
async fn deleted_whole(hall: &Hall, nats: Option<&mut NatsServer>) -> anyhow::Result<()> {
    let before = issues(hall).await?;
    let backup = text(&beside(hall, "hall.backup")?);
    hall.run(&["backup", &backup]).await?.ok();
    let drilled = hall.run(&["drill", "--from", &backup, "--json"]).await?.ok().json()?;
    assert_eq!(drilled["events"], hall.last().await?);
    assert!(drilled["rows"].as_u64() > Some(1000), "{drilled}");
    assert_eq!(drilled["issues"].as_array().map(Vec::len), Some(5), "{drilled}");
    let files = published_files(hall).await?;
    // Some of them have the same content.
    let copied = drilled["files"].as_u64().context("no number")?;
    assert!((10..=files).contains(&copied), "{drilled}");
    assert_eq!(drilled["missing_files"], 0, "{drilled}");

    match nats {
        None => {
            lose_file(hall)?;
            std::fs::remove_dir_all(hall.dir().join("files"))?;
        }
        Some(server) => lose_stream(server).await?,
    }
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(hall.dir().join(format!("read.db{ending}")));
    }
    hall.run(&["restore", &backup]).await?.ok();
    hall.counts().await?;
    assert_eq!(issues(hall).await?, before);
    assert_eq!(published_files(hall).await?, files);
    // What is archived of the restored journal is what was archived of the first.
    let again = text(&beside(hall, "again.backup")?);
    hall.run(&["backup", &again]).await?.ok();
    assert_eq!(std::fs::read(&again)?, std::fs::read(&backup)?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_deleted_whole_gives_the_same_issues_again_in_files() -> anyhow::Result<()> {
    let hall = Hall::with_issues().await?;
    deleted_whole(&hall, None).await?;
    // A difference is found by the drill, and named.
    let backup = text(&beside(&hall, "hall.backup")?);
    let path = hall.dir().join("read.db");
    let mut rows = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await?;
    let planted =
        "update case_file set transferred = 99 where id = (select id from case_file limit 1)";
    assert_eq!(sqlx::raw_sql(planted).execute(&mut rows).await?.rows_affected(), 1);
    rows.close().await?;
    let failed = hall.run(&["drill", "--from", &backup]).await?.fails(3, "E.302");
    assert!(failed.text().contains("case_file"), "{failed:?}");
    Ok(())
}

/// The files of a folder of files, in order.
fn kept(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = vec![];
    for folder in std::fs::read_dir(folder)? {
        for file in std::fs::read_dir(folder?.path())? {
            all.push(file?.path());
        }
    }
    all.sort();
    Ok(all)
}

/// Loses or alters a file here and there: each copy says so before anything is written, and takes it from the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_published_file_that_is_missing_or_altered_is_named_and_taken_from_the_other_copy()
-> anyhow::Result<()> {
    let hall = Hall::with_issues().await?;
    let folder = beside(&hall, "archive")?;
    let to = text(&folder);
    let archive = ["archive", "--to", &to, "--once"];
    hall.run(&archive).await?.ok();
    let (in_archive, in_store) = (folder.join("files"), hall.dir().join("files"));
    let archived = kept(&in_archive)?;
    assert!(archived.len() > 10);
    let (missing, altered) = (&archived[0], &archived[1]);
    let name = |path: &Path| path.file_name().map(|it| it.to_string_lossy().into_owned());
    let (first, second) = (name(missing).context("no")?, name(altered).context("no")?);
    let in_store = |digest: &str| in_store.join(&digest[..2]).join(digest);
    let whole = std::fs::read(altered)?;
    let spoil = |path: &Path| -> anyhow::Result<()> {
        let mut bytes = whole.clone();
        bytes[whole.len() / 2] ^= 1;
        Ok(std::fs::write(path, bytes)?)
    };

    // In the archive: named, and refused before any write.
    std::fs::remove_file(missing)?;
    spoil(altered)?;
    let elsewhere = Hall::in_files()?;
    let no_backup = text(&beside(&hall, "no.backup")?);
    for ran in [
        elsewhere.run(&["restore", &to]).await?,
        hall.run(&["backup", "--from", &to, &no_backup]).await?,
        hall.run(&["drill", "--from", &to]).await?,
        crate::hall::ended(hall.command(&["doctor"]).env("ZHOUBAO_ARCHIVE", &to).spawn()?).await?,
    ] {
        assert_eq!(ran.exit, 3, "{ran:?}");
        let said = format!("{}{}", ran.text(), ran.err);
        for it in ["E.708", &first, &second] {
            assert!(said.contains(it), "{it}: {said}");
        }
    }
    assert!(!elsewhere.dir().exists() && !Path::new(&no_backup).exists());
    let python = |copy: String| python_says(&hall, copy);
    assert!(!python(to.clone()).await?, "the program of the documentation sees it, too");
    // The store has them.
    hall.run(&archive).await?.ok();
    assert_eq!((kept(&in_archive)?, &std::fs::read(altered)?), (archived.clone(), &whole));
    assert!(python(to.clone()).await?);

    // In the store: put back from the archive, and nothing else is touched.
    std::fs::remove_file(in_store(&first))?;
    spoil(&in_store(&second))?;
    hall.run(&["audit", "verify"]).await?.fails(3, "E.322");
    let last = hall.last().await?;
    let back = hall.run(&["restore", &to, "--files", "--json"]).await?.ok().json()?;
    assert_eq!((&back["put_back"], &back["files"]), (&json!(2), &json!(archived.len())), "{back}");
    published_files(&hall).await?;
    assert_eq!(hall.last().await?, last);

    // In a backup every byte counts, those of files, too.
    let backup = beside(&hall, "hall.backup")?;
    hall.run(&["backup", &text(&backup)]).await?.ok();
    assert!(python(text(&backup)).await?);
    let bytes = std::fs::read(&backup)?;
    for damage in [bytes.len() - 2, bytes.len() - 1] {
        let mut other = bytes.clone();
        other[damage] ^= 1;
        std::fs::write(&backup, other)?;
        elsewhere.run(&["restore", &text(&backup)]).await?.fails(3, "E.708");
        assert!(!python(text(&backup)).await?);
    }

    // Lost everywhere: the events are archived all the same, and whoever restores says that he knows.
    std::fs::remove_file(missing)?;
    std::fs::remove_file(in_store(&first))?;
    hall.run(&["emit", "咨询", "--terminal", "w01", "--anyway"]).await?.ok();
    let lost = hall.run(&archive).await?.fails(3, "E.708");
    assert!(lost.err.contains(&first) && lost.text().contains(&(last + 1).to_string()), "{lost:?}");
    elsewhere.run(&["restore", &to]).await?.fails(3, "E.708");
    let restore = ["restore", &to, "--accept-missing-files", "--json"];
    let restored = elsewhere.run(&restore).await?.ok().json()?;
    assert_eq!(
        (&restored["position"], &restored["missing_files"]),
        (&json!(last + 1), &json!(1)),
        "{restored}"
    );
    assert_eq!(kept(&elsewhere.dir().join("files"))?.len(), archived.len() - 1);
    // Files of another journal are not put into this one.
    let other = Hall::in_files()?;
    other.set_up().await?;
    let other = other.run(&["restore", &to, "--files", "--accept-missing-files"]).await?;
    other.fails(3, "E.703");
    Ok(())
}

/// Whether the program of docs/archive.md finds a copy whole.
async fn python_says(hall: &Hall, copy: String) -> anyhow::Result<bool> {
    Ok(python(hall, &copy).await?.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_deleted_whole_gives_the_same_issues_again_on_nats() -> anyhow::Result<()> {
    let mut server = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&server);
    hall.run(&["demo", "--once"]).await?.ok();
    deleted_whole(&hall, Some(&mut server)).await?;
    // The same backup as a file: a hall that gives its server up.
    let in_file = Hall::in_files()?;
    in_file.run(&["restore", &text(&beside(&hall, "hall.backup")?)]).await?.ok();
    assert_eq!(issues(&in_file).await?, issues(&hall).await?);
    assert_eq!(published_files(&in_file).await?, published_files(&hall).await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_keeps_the_archive_and_the_doctor_sees_it() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let to = text(&beside(&hall, "archive")?);
    let seen = async || -> anyhow::Result<Value> {
        let doctor = hall.command(&["doctor", "--json"]).env("ZHOUBAO_ARCHIVE", &to).spawn()?;
        let report = crate::hall::ended(doctor).await?.ok().json()?;
        let all = report["findings"].as_array().context("no findings")?;
        Ok(all.iter().find(|it| it["subject"] == "存档 archive").context("no archive")?.clone())
    };
    assert_eq!(seen().await?["code"], "E.707", "there is none yet");
    let serve = || -> anyhow::Result<tokio::process::Child> {
        let mut command = hall.command(&["serve"]);
        Ok(command
            .env("ZHOUBAO_ARCHIVE", &to)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?)
    };
    for round in 0..3 {
        let mut service = serve()?;
        hall.run_with(&lines(round * 200..round * 200 + 200), &RUN).await?.ok();
        let last = hall.last().await?;
        eventually("the archive to follow", COMMAND_MAX, async || {
            let found = seen().await?;
            let detail = found["detail"].as_str().unwrap_or_default();
            let is_there = detail.contains(&format!("up to {last}，")) && found["level"] == "ok";
            Ok(is_there.then_some(()))
        })
        .await?;
        // In the middle of whatever it does.
        hall.run_with(&lines(round * 200 + 200..round * 200 + 230), &RUN).await?.ok();
        service.start_kill()?;
        tokio::time::timeout(COMMAND_MAX, service.wait()).await??;
    }
    hall.run_with(&lines(900..910), &RUN).await?.ok();
    assert_eq!(seen().await?["code"], "E.707", "nobody writes it");
    hall.run(&["archive", "--to", &to, "--once"]).await?.ok();
    assert_eq!(seen().await?["level"], "ok");
    // The journal is lost, and the doctor says what to do.
    lose_file(&hall)?;
    let doctor = hall.command(&["doctor"]).env("ZHOUBAO_ARCHIVE", &to).spawn()?;
    let report = crate::hall::ended(doctor).await?.fails(3, "E.703");
    assert!(report.text().contains("zhoubao restore"), "{report:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_compares_with_read_models_in_postgresql() -> anyhow::Result<()> {
    let postgres = Postgres::start().await?;
    let hall = Hall::in_files()?.with_postgres(&postgres.create_database().await?);
    hall.set_up().await?;
    hall.run_with(&lines(0..100), &RUN).await?.ok();
    let to = text(&beside(&hall, "archive")?);
    hall.run(&["archive", "--to", &to, "--once"]).await?.ok();
    // The live hall has gone on since.
    hall.run_with(&lines(100..120), &RUN).await?.ok();
    hall.counts().await?;
    let drilled = hall.run(&["drill", "--from", &to, "--json"]).await?.ok().json()?;
    assert_eq!((&drilled["behind"], &drilled["differences"]), (&json!(20), &json!(0)), "{drilled}");
    assert!(drilled["rows"].as_u64() > Some(100), "{drilled}");
    Ok(())
}

/// The arguments of `recover` with these last numbers.
fn recover<'a>(number: &'a str, running: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["recover", "--through", "2022-12-31"];
    for kind in ["--consulted", "--accepted", "--issued", "--transferred"] {
        arguments.extend([kind, "0"]);
    }
    arguments.extend(["--last-number", number, "--last-running-number", running]);
    arguments.extend(more);
    arguments
}

/// No copy is left: the windows' events come back, and issues go on from the numbers that were entered.
async fn recovered(hall: &Hall, nats: Option<&mut NatsServer>) -> anyhow::Result<()> {
    hall.set_up().await?;
    let sample = sample()?;
    let opening = &sample.opening;
    let numbers = [opening.last_number.to_string(), opening.last_running_number.to_string()];
    let mut tally: Vec<String> = vec!["recover".into(), "--through".into()];
    tally.push(opening.through.to_string());
    for (flag, amount) in [
        ("--consulted", opening.year_to_date.consulted),
        ("--accepted", opening.year_to_date.accepted),
        ("--issued", opening.year_to_date.issued),
        ("--transferred", opening.year_to_date.transferred),
    ] {
        tally.extend([flag.to_owned(), amount.to_string()]);
    }
    tally.extend(["--last-number".into(), numbers[0].clone()]);
    tally.extend(["--last-running-number".into(), numbers[1].clone()]);
    let tally: Vec<&str> = tally.iter().map(String::as_str).collect();

    hall.run_with(&lines(0..40), &RUN).await?.ok();
    let amounts = hall.amounts("2023-02-06", "2023-02-06").await?;
    assert!(amounts[0] > 40);
    let ledger = hall.run(&["terminal", "export", "w01"]).await?.ok().out;
    hall.run(&[&tally[..], &["--yes"]].concat()).await?.fails(3, "E.703");
    match nats {
        None => lose_file(hall)?,
        Some(server) => lose_stream(server).await?,
    }
    let said = hall.run(&[&tally[..], &["--dry-run"]].concat()).await?.ok().text();
    for word in ["authorizations", "terminal.w01#1–40", "entries of the set-up"] {
        assert!(said.contains(word), "{said}");
    }
    assert_eq!(hall.run(&tally).await?.exit, 2, "it asks to be sure");
    assert_ne!(hall.run(&["project", "--once"]).await?.exit, 0, "there is still no journal");
    hall.run(&[&tally[..], &["--yes"]].concat()).await?.ok();
    assert_eq!(hall.last().await?, 1);
    hall.run(&[&tally[..], &["--yes"]].concat()).await?.fails(3, "E.703");
    hall.run(&["project", "--once"]).await?.fails(3, "E.703");

    hall.run(&["rebuild"]).await?.ok();
    hall.set_up().await?;
    hall.run_with("", &RUN).await?.ok();
    let counts = hall.counts().await?;
    assert_eq!((counts.flagged, counts.quarantined, counts.held, counts.repeated), (0, 0, 0, 0));
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, amounts);
    let identity = |line: &str| -> anyhow::Result<Value> {
        let mut event: Value = serde_json::from_str(line)?;
        let event = event.as_object_mut().context("no object")?;
        // The place is the journal's, everything else the terminal's.
        event.remove("sequence");
        Ok(Value::from(event.clone()))
    };
    let again = hall.run(&["terminal", "export", "w01"]).await?.ok().text();
    let before = String::from_utf8(ledger)?;
    assert_eq!(again.lines().count(), 40);
    for (one, other) in again.lines().zip(before.lines()) {
        assert_eq!(identity(one)?, identity(other)?);
    }

    // The next issue has the number after the one that was entered.
    let week = &sample.weeks[0];
    {
        let desk = hall.context().desk().await?;
        Player::new(&desk, &sample, sample.acts(7)?).week(week).await?;
    }
    let (issue, on) = (week.issue.as_str(), week.issued_on.to_string());
    let (editor, leader) = (sample.people.editor.as_str(), sample.people.leader.as_str());
    hall.run(&["issue", "freeze", issue, "--by", editor]).await?.ok();
    hall.accept(issue, editor).await?;
    hall.run(&["issue", "submit", issue, "--by", editor]).await?.ok();
    // Signed, and said so only when the second copy has it.
    let sign = ["issue", "sign", issue, "--on", &on, "--yes", "--by", leader];
    let broken = hall.file("no-folder", "")?;
    let signed = async |to: &str| -> anyhow::Result<_> {
        crate::hall::ended(hall.command(&sign).env("ZHOUBAO_ARCHIVE", to).spawn()?).await
    };
    signed(&broken).await?.fails(6, "E.707");
    let last = hall.last().await?;
    let to = text(&beside(hall, "archive")?);
    signed(&to).await?.ok();
    assert_eq!(hall.last().await?, last, "it was signed already");
    let text = hall.run(&["compose", issue]).await?.ok().text();
    let running = format!("总第{}期", opening.last_running_number + 1);
    assert!(text.replace(' ', "").contains(&running), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_copy_the_windows_events_come_back_in_files() -> anyhow::Result<()> {
    recovered(&Hall::in_files()?, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_copy_the_windows_events_come_back_on_nats() -> anyhow::Result<()> {
    let mut server = NatsServer::start().await?;
    recovered(&Hall::in_files()?.with_nats(&server), Some(&mut server)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_began_anew_without_recover_gives_no_number_before_the_last_is_entered()
-> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    // Everything is lost, nobody says so, and the office enters its set-up again.
    std::fs::remove_dir_all(hall.dir())?;
    let sample = sample()?;
    let administrator = &sample.people.administrator;
    let desk = hall.context().desk().await?;
    let setup = sample.setup.iter();
    let setup = setup
        .map(|(topic, id, event)| (Stream::Setup(*topic, id.clone()), event.clone()))
        .collect();
    let by = By { actor: Some(administrator.clone()), at: Some(sample.began_at), ..By::default() };
    desk.record_all(setup, by).await?;
    desk.catch_up().await?;
    drop(desk);
    let last = hall.last().await?;
    let (editor, administrator) = (sample.people.editor.as_str(), administrator.as_str());
    let open =
        ["issue", "open", "w6", "--from", "2023-02-06", "--to", "2023-02-10", "--by", editor];
    let refused = hall.run(&open).await?.fails(4, "E.604");
    assert!(refused.err.contains("zhoubao issue opening"), "{refused:?}");
    assert_eq!(hall.last().await?, last, "nothing was written");
    let mut enter = recover("4", "424", &["--by", administrator]);
    enter.splice(0..3, ["issue", "opening", "--through", "2023-02-05"]);
    hall.run(&enter).await?.ok();
    hall.run(&open).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_was_signed_is_never_below_the_last_and_a_whole_archive_is_not_passed_over()
-> anyhow::Result<()> {
    let hall = Hall::with_issues().await?;
    let to = text(&beside(&hall, "archive")?);
    hall.run(&["archive", "--to", &to, "--once"]).await?.ok();
    lose_file(&hall)?;
    // Five issues of 2023, the last is the 425th.
    hall.run(&recover("5", "424", &["--yes"])).await?.fails(4, "E.601");
    hall.run(&recover("5", "425", &["--yes"])).await?.fails(4, "E.601");
    assert!(!hall.dir().join("journal.db").exists());
    let mut right = recover("5", "425", &["--dry-run", "--json"]);
    right[2] = "2023-02-10";
    hall.run(&right).await?.ok();
    let archived = hall.command(&right).env("ZHOUBAO_ARCHIVE", &to).spawn()?;
    let refused = crate::hall::ended(archived).await?;
    assert_eq!(refused.exit, 3, "{refused:?}");
    assert!(refused.err.contains("zhoubao restore"), "{refused:?}");
    right.truncate(right.len() - 2);
    right.push("--yes");
    hall.run(&right).await?.ok();
    assert_eq!(hall.last().await?, 1);

    // What happened on days of the sums that were entered is in those sums.
    hall.run(&["rebuild"]).await?.ok();
    let windows = "[window.w01]\nname = \"窗口1\"\nopen = true\n[terminal.w01]\nwindow = \"w01\"\nactive = true\n";
    let windows = hall.file("windows.toml", windows)?;
    hall.run(&["setup", "apply", &windows]).await?.ok();
    let on = |day: &str| lines(0..1).replace("2023-02-06", day);
    hall.run_with(&on("2023-02-06"), &["emit", "-"]).await?.fails(4, "E.106");
    hall.run_with(&on("2023-02-06"), &["emit", "-", "--anyway"]).await?.ok();
    hall.run_with(&on("2023-02-13").replace("key-0", "key-1"), &["emit", "-"]).await?.ok();
    assert_eq!(hall.counts().await?.flagged, 1);
    assert_eq!(hall.amounts("2023-02-01", "2023-02-28").await?, [1, 0, 0, 0]);
    Ok(())
}
