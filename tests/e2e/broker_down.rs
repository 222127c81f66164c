//! The broker goes away while the program works: said clearly, waited out, nothing lost and nothing twice.

use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use zhoubao_contract::{Stored, hash, to_structured};
use zhoubao_domain::id::{Stream, Subject};
use zhoubao_test_support::{NatsServer, eventually};

use crate::hall::{COMMAND_MAX, Hall, assert_adds_up, code, consulted, ended};

/// Longest time in which the projector reads on after the server is back.
const BACK_MAX: Duration = Duration::from_secs(90);

/// Lines of one batch of `emit -`.
const BATCH: usize = 200;

/// Consultations of one person in the line of `w01`, numbered and chained as a terminal does.
fn lines(count: u64) -> anyhow::Result<Vec<String>> {
    let mut previous = None;
    let line = |number| {
        let subject = Subject::new(code()?, Stream::Terminal("w01".parse()?));
        let message = consulted(&subject, number, previous)?;
        previous = Some(hash(&message));
        Ok(to_structured(&Stored { position: 0, recorded_at: Timestamp::UNIX_EPOCH, message }))
    };
    (1..=count).map(line).collect()
}

/// Waits until the projector that runs has folded the whole journal.
async fn folded(hall: &Hall) -> anyhow::Result<()> {
    eventually("the projector", BACK_MAX, async || {
        let last = hall.last().await?;
        Ok(hall.checkpoint().await.is_ok_and(|(at, _)| at == last).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_is_waited_out_and_nothing_is_lost() -> anyhow::Result<()> {
    let mut nats = NatsServer::start().await?;
    let hall = Hall::in_files()?.with_nats(&nats);
    hall.set_up().await?;
    let began_at = hall.last().await?;
    let mut projector =
        hall.command(&["project"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    folded(&hall).await?;

    // One batch is answered, then the server goes, and the next batch finds nobody.
    let lines = lines(2 * BATCH as u64)?;
    let mut emit = hall.command(&["emit", "-"]).stdin(Stdio::piped()).spawn()?;
    let mut stdin = emit.stdin.take().context("no stdin")?;
    let mut receipts = BufReader::new(emit.stdout.take().context("no stdout")?).lines();
    stdin.write_all((lines[..BATCH].join("\n") + "\n").as_bytes()).await?;
    for number in 1..=BATCH {
        let receipt = timeout(COMMAND_MAX, receipts.next_line()).await??;
        let receipt = receipt.context("it ended early")?;
        assert!(receipt.starts_with(&format!("terminal.w01#{number} ")), "{receipt}");
    }
    nats.stop().await?;
    stdin.write_all((lines[BATCH..].join("\n") + "\n").as_bytes()).await?;
    drop(stdin);
    let refused = ended(emit).await?.fails(6, "E.705");
    assert!(refused.err.contains(&format!("第 {} 行", BATCH + 1)), "{}", refused.err);
    assert!(refused.err.contains(&format!("recorded before it: {BATCH}")), "{}", refused.err);
    hall.run(&["emit", "consult", "--terminal", "w02"]).await?.fails(6, "E.705");
    assert!(projector.try_wait()?.is_none(), "the projector must wait");

    // The terminal sends everything again; what is there already is not recorded twice.
    nats.restart().await?;
    let again = hall.run_with(&(lines.join("\n") + "\n"), &["emit", "-", "--json"]).await?.ok();
    let text = again.text();
    let repeated = text.lines().filter(|it| it.contains(r#""repeated":true"#)).count();
    assert_eq!((text.lines().count(), repeated), (2 * BATCH, BATCH), "{text}");
    assert_eq!(hall.last().await?, began_at + 2 * BATCH as u64);
    folded(&hall).await?;
    assert!(projector.try_wait()?.is_none(), "the projector goes on by itself");
    let (at, counts) = hall.checkpoint().await?;
    assert_adds_up(at, counts);
    assert_eq!(counts.counted, counts.stored, "{counts:?}");
    assert_eq!(hall.amounts("2023-02-06", "2023-02-06").await?, [2 * BATCH as i64, 0, 0, 0]);

    // Asked to end, it ends in order.
    let pid = projector.id().context("it has ended")?.to_string();
    Command::new("sh").args(["-c", r#"kill -s TERM "$1""#, "sh", &pid]).status().await?;
    assert!(timeout(COMMAND_MAX, projector.wait()).await??.success());
    Ok(())
}
