//! A journal deleted whole comes back from the archive and the terminals: with the same issues, and with the next.

use serde_json::json;
use zhoubao::play::Player;
use zhoubao_domain::time::hall_day;
use zhoubao_test_support::NatsServer;

use crate::archive::{beside, lines, lose_file, lose_stream, text};
use crate::hall::{Hall, sample};

/// A device that the sample does not use: its ledger has its whole line.
const RUN: [&str; 4] = ["terminal", "run", "w77", "--once"];

fn events(keys: std::ops::Range<usize>) -> String {
    lines(keys).replace("terminal.w01", "terminal.w77")
}

/// TXT and JSON of an issue.
async fn forms(hall: &Hall, issue: &str) -> anyhow::Result<[Vec<u8>; 2]> {
    let txt = hall.run(&["compose", issue, "--format", "txt"]).await?.ok().out;
    Ok([txt, hall.run(&["compose", issue, "--format", "json"]).await?.ok().out])
}

async fn archive_and_terminals(hall: &Hall, nats: Option<&mut NatsServer>) -> anyhow::Result<()> {
    let sample = sample()?;
    hall.set_up().await?;
    let entry = hall.file("w77.json", &json!({ "window": "w01", "active": true }).to_string())?;
    let administrator = sample.people.administrator.as_str();
    let put = ["setup", "put", "terminal", "w77", &entry, "--by", administrator];
    hall.run(&put).await?.ok();
    let [first, second] = [&sample.weeks[0], &sample.weeks[1]];
    {
        let desk = hall.context().desk().await?;
        let mut player = Player::new(&desk, &sample, sample.acts(7)?);
        player.week(first).await?;
        player.finish(first).await?;
    }
    let issue = first.issue.as_str();
    hall.run(&["issue", "publish", issue]).await?.ok();
    hall.run_with(&events(0..100), &RUN).await?.ok();
    let to = text(&beside(hall, "archive")?);
    hall.run(&["archive", "--to", &to, "--once"]).await?.ok();
    let archived = hall.last().await?;
    hall.run_with(&events(100..300), &RUN).await?.ok();
    let (counts, last) = (hall.counts().await?, hall.last().await?);
    assert_eq!(last, archived + 200);
    let amounts = hall.amounts("2023-02-06", "2023-02-06").await?;
    let before = forms(hall, issue).await?;

    // Journal and read models are gone.
    match nats {
        None => lose_file(hall)?,
        Some(server) => lose_stream(server).await?,
    }
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(hall.dir().join(format!("read.db{ending}")));
    }
    hall.run(&["restore", &to]).await?.ok();
    assert_eq!(hall.last().await?, archived);
    hall.run_with("", &RUN).await?.ok();
    assert_eq!(hall.last().await?, last);
    assert_eq!(hall.counts().await?, counts);
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, amounts);
    assert_eq!(forms(hall, issue).await?, before);

    // The next issue carries on with its numbers.
    {
        let desk = hall.context().desk().await?;
        let later = sample.acts(7)?.into_iter();
        let later = later.filter(|it| hall_day(it.occurred_at) > first.period.last()).collect();
        let mut player = Player::new(&desk, &sample, later);
        player.week(second).await?;
        player.finish(second).await?;
    }
    let [txt, _] = forms(hall, second.issue.as_str()).await?;
    let printed = String::from_utf8(txt)?.replace(' ', "");
    let running = format!("总第{}期", sample.opening.last_running_number + 2);
    assert!(printed.contains(&running), "{printed}");
    assert_eq!(forms(hall, issue).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_and_terminals_bring_back_the_issues_in_files() -> anyhow::Result<()> {
    archive_and_terminals(&Hall::in_files()?, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_and_terminals_bring_back_the_issues_on_nats() -> anyhow::Result<()> {
    let mut server = NatsServer::start().await?;
    archive_and_terminals(&Hall::in_files()?.with_nats(&server), Some(&mut server)).await
}
