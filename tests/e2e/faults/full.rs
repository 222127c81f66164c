//! Disks without room, by real ENOSPC: that of a window's device, and that of the broker.

use anyhow::{Context as _, ensure};
use zhoubao_test_support::{NatsServer, eventually};

use super::disk::Disk;
use super::windows::{PERIODS, Window, given};
use super::{LONG, long};
use crate::hall::{COMMAND_MAX, Hall, sample};
use crate::recount::{is_right, is_right_within};
use crate::terminal::lines;

/// Nothing is called saved that is not; when there is room, the same events are recorded, once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: cargo xtask test --faults"]
async fn a_device_whose_disk_is_full_says_so_and_loses_nothing() -> anyhow::Result<()> {
    const GIVEN: usize = 20_000;
    let disk = Disk::small(6).await?;
    let hall = Hall::in_files()?;
    hall.set_up().await?;
    let ledger = disk.path().join("terminal-w01.db").display().to_string();
    let run = ["terminal", "run", "w01", "--ledger", &ledger, "--once"];
    let input = lines(0..GIVEN);
    let ran = hall.run_with(&input, &[&run[..], &["--json"]].concat()).await?;
    let said = ran.text();
    let saved = said.lines().filter(|it| it.contains(r#""state":"saved""#)).count();
    let refused = said.lines().filter(|it| it.contains("E.705")).count();
    println!("disk of a device full: {saved} saved, {refused} refused");
    ensure!(saved > 1_000 && refused > 1_000 && saved + refused == GIVEN, "{:?}", ran.err);

    let status = ["terminal", "status", "w01", "--ledger", &ledger, "--json"];
    disk.grow(200).await?;
    let before = hall.run(&status).await?.ok().json()?;
    assert_eq!(before["recorded"], saved, "what was called saved, and nothing else");
    hall.run_with(&input, &run).await?.ok();
    let after = hall.run(&status).await?.ok().json()?;
    assert_eq!([&after["recorded"], &after["stored"]], [GIVEN, GIVEN]);
    let counts = hall.counts().await?;
    assert_eq!(counts.counted, counts.stored, "{counts:?}");
    let folder = hall.dir().display().to_string();
    let counters = is_right(&["--hall", &folder, "--ledger", &ledger]).await?;
    assert_eq!(counters["acked"], GIVEN);
    Ok(())
}

/// Windows go on recording, no append is acknowledged that is not there, and with room and a restart all comes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: cargo xtask test --faults"]
async fn a_broker_whose_disk_is_full_acknowledges_nothing_that_it_has_not() -> anyhow::Result<()> {
    const GIVEN: usize = 10_000;
    let disk = Disk::small(8).await?;
    let mut nats = NatsServer::builder().store_dir(disk.path().join("store")).start().await?;
    let hall = Hall::in_files()?.with_nats(&nats);
    hall.set_up().await?;
    let department = sample()?.departments[0].department.as_str().to_owned();
    let mut windows = ["w01", "w02"].map(|it| Window::new(it.to_owned(), department.clone()));
    for window in &mut windows {
        window.start(hall.command(&["terminal", "run", &window.terminal]))?;
        ensure!(window.record(GIVEN).await?, "{window:?}");
    }
    eventually("the disk to be full", COMMAND_MAX, async || {
        Ok(nats.log()?.contains("no space left on device").then_some(()))
    })
    .await?;
    let stored = stored(&hall, &windows).await?;
    println!("disk of the broker full: {} recorded, {stored} acknowledged", 2 * GIVEN);
    ensure!(stored < 2 * GIVEN as u64, "it was not full");

    disk.grow(300).await?;
    nats.restart().await?;
    for window in &mut windows {
        window.drain(&hall, GIVEN).await?;
    }
    long(hall.command(&["project", "--once"])).await?.ok();
    let backup = hall.dir().with_file_name("hall.backup").display().to_string();
    long(hall.command(&["backup", &backup])).await?.ok();
    let folder = hall.dir().display().to_string();
    let counters = is_right_within(&["--hall", &folder, "--archive", &backup], LONG).await?;
    assert_eq!(counters["acked"], windows.iter().map(|it| it.recorded).sum::<usize>());
    // The ledgers may hold corrections of clocks beside what was given; nothing given counts twice.
    assert_eq!(hall.amounts(PERIODS[0][0], PERIODS[1][1]).await?, given(&windows));
    Ok(())
}

/// What the ledgers hold as acknowledged.
async fn stored(hall: &Hall, windows: &[Window]) -> anyhow::Result<u64> {
    let mut sum = 0;
    for Window { terminal, .. } in windows {
        let status = hall.run(&["terminal", "status", terminal, "--json"]).await?.ok().json()?;
        sum += status["stored"].as_u64().context("no number")?;
    }
    Ok(sum)
}
