//! The projector is killed again and again while it folds, and nothing is lost or counted twice.
//!
//! The killer reads the projector's log. In half of the rounds it strikes right after `commit begins`, else at a
//! moment drawn before the round. A kill fell inside a transaction where `commit ends` never came.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout, timeout_at};
use zhoubao::sample::{Bulk, TerminalEvent, bulk};
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_domain::event::{Event, Kind};
use zhoubao_domain::id::Stream;
use zhoubao_test_support::{NatsServer, Postgres};

use crate::hall::{COMMAND_MAX, Hall, assert_adds_up, code};

/// What is killed how often, over how many events.
struct Plan {
    kills: u32,
    /// Kills that must have been seen to fall inside a transaction.
    inside_min: u32,
    /// Events of windows before the first kill.
    before: usize,
    /// Events that come in before each next kill, so that there is always something to fold.
    each: usize,
}

/// What the log of one life of the projector says.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Life {
    /// Where the first commit started from.
    from: Option<u64>,
    /// The last commit that began.
    begun: Option<u64>,
    /// The last commit that ended.
    ended: Option<u64>,
}

impl Life {
    /// Takes in one line of the log; whether a commit begins with it.
    pub(crate) fn read(&mut self, line: &str) -> bool {
        let Ok(line) = serde_json::from_str::<Value>(line) else { return false };
        let to = line["fields"]["log.position"].as_u64();
        match line["fields"]["message"].as_str() {
            Some("commit begins") => {
                if self.begun.is_none() {
                    self.from = line["fields"]["log.from"].as_u64();
                }
                self.begun = to;
                true
            }
            Some("commit ends") => {
                self.ended = to;
                false
            }
            _ => false,
        }
    }

    pub(crate) fn is_inside(&self) -> bool {
        self.begun.is_some() && self.begun != self.ended
    }
}

/// When to strike.
#[derive(Debug, Clone, Copy)]
enum Strike {
    /// Right after so many commits have begun.
    Commit(u32),
    /// After so much time, wherever it is.
    After(Duration),
}

/// Splitmix64: moments that are the same at every run of the test.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// The projector, which logs what [`Life::read`] understands.
pub(crate) fn projector(hall: &Hall) -> Command {
    let mut command = hall.command(&["project"]);
    command
        .env("ZHOUBAO_LOG", "zhoubao_application=debug")
        .env("ZHOUBAO_LOG_FORMAT", "json")
        .stdout(Stdio::null());
    command
}

async fn one_life(hall: &Hall, strike: Strike) -> anyhow::Result<Life> {
    let mut child = projector(hall).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
    let (mut life, mut said) = (Life::default(), String::new());
    let strike_at = match strike {
        Strike::Commit(_) => Instant::now() + COMMAND_MAX,
        Strike::After(delay) => Instant::now() + delay,
    };
    let mut begun = 0;
    loop {
        match (timeout_at(strike_at, lines.next_line()).await, strike) {
            (Ok(Ok(Some(line))), _) => {
                begun += u32::from(life.read(&line));
                said.push_str(&line);
                said.push('\n');
                if matches!(strike, Strike::Commit(wanted) if wanted == begun) {
                    break;
                }
            }
            (Ok(ended), _) => bail!("the projector ended by itself ({ended:?}):\n{said}"),
            (Err(_), Strike::After(_)) => break,
            (Err(_), Strike::Commit(_)) => bail!("no commit in {COMMAND_MAX:?}:\n{said}"),
        }
    }
    // SIGKILL.
    child.start_kill()?;
    timeout(COMMAND_MAX, child.wait()).await??;
    // What it had written before it died.
    while let Some(line) = timeout(COMMAND_MAX, lines.next_line()).await?.unwrap_or(None) {
        life.read(&line);
    }
    Ok(life)
}

/// Appends the next events of the windows and adds them to the sums.
async fn append(
    writer: &mut Writer,
    acts: &mut Bulk,
    count: usize,
    sums: &mut [i64; 4],
) -> anyhow::Result<()> {
    let mut events = Vec::with_capacity(count);
    for TerminalEvent { terminal, occurred_at, actor, event } in acts.by_ref().take(count) {
        if let Event::Act(act) = &event {
            let place = Kind::ALL.iter().position(|it| *it == act.kind).context("no kind")?;
            sums[place] += i64::from(act.amount);
        }
        events.push(Unnumbered {
            stream: Stream::Terminal(terminal),
            occurred_at,
            entered_at: None,
            actor: Some(actor),
            command: None,
            event,
        });
    }
    ensure!(events.len() == count, "the record is over before the kills are");
    writer.write(events).await?;
    Ok(())
}

async fn survives(hall: &Hall, plan: Plan) -> anyhow::Result<()> {
    hall.set_up().await?;
    let all = plan.before + plan.kills as usize * plan.each;
    let mut acts = bulk(all as u64, 7)?;
    let mut writer = Writer::new(hall.context().open_journal().await?, code()?);
    let mut sums = [0; 4];
    append(&mut writer, &mut acts, plan.before, &mut sums).await?;
    let began_at = hall.checkpoint().await?.0;

    let mut dice = Dice(20_230_210);
    let (mut inside, mut during_fold) = (0, 0);
    // The checkpoints at which the next life may start: known to be committed, or perhaps committed.
    let (mut committed, mut perhaps) = (began_at, None);
    for round in 0..plan.kills {
        append(&mut writer, &mut acts, plan.each, &mut sums).await?;
        let strike = match round % 2 {
            0 => Strike::Commit(1 + u32::from(dice.below(3) == 0)),
            _ => Strike::After(Duration::from_millis(20 + dice.below(250))),
        };
        let life = one_life(hall, strike).await?;
        if let Some(from) = life.from {
            during_fold += 1;
            assert!(
                from == committed || Some(from) == perhaps,
                "life {round} started from {from}, committed was {committed}, perhaps {perhaps:?}"
            );
            committed = life.ended.unwrap_or(from);
            perhaps = life.begun.filter(|_| life.is_inside());
        }
        inside += u32::from(life.is_inside());
        assert!(committed < writer_end(hall).await?, "round {round} had nothing left to fold");
    }
    eprintln!("{} kills, {during_fold} after a commit began, {inside} inside one", plan.kills);
    assert!(inside >= plan.inside_min, "only {inside} kills fell inside a transaction");
    assert!(during_fold >= plan.kills / 2, "only {during_fold} kills found it folding");

    let (reached, counts) = hall.checkpoint().await?;
    assert_adds_up(reached, counts);
    let counts = hall.counts().await?;
    assert!(counts.stored > began_at + all as u64 - 1, "{counts:?}");
    assert_eq!(counts.counted, counts.stored, "every event of this record counts: {counts:?}");
    assert_eq!(hall.amounts("2023-01-01", "2023-12-31").await?, sums);
    let verified = hall.run(&["rebuild", "--verify", "--dry-run", "--json"]).await?.ok().json()?;
    assert_eq!(verified["differences"], 0, "{verified}");
    // Every case has a row, and every message of a window stands in the record.
    assert!(verified["rows"].as_u64() > Some(all as u64 / 5), "{verified}");
    Ok(())
}

async fn writer_end(hall: &Hall) -> anyhow::Result<u64> {
    hall.last().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_killed_thirty_times_counts_everything_once() -> anyhow::Result<()> {
    let hall = Hall::in_files()?;
    survives(&hall, Plan { kills: 36, inside_min: 5, before: 40_000, each: 5_000 }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_on_nats_and_postgresql() -> anyhow::Result<()> {
    let (nats, postgres) = tokio::try_join!(NatsServer::start(), Postgres::start())?;
    let hall = Hall::in_files()?.with_nats(&nats).with_postgres(&postgres.create_database().await?);
    survives(&hall, Plan { kills: 12, inside_min: 3, before: 20_000, each: 5_000 }).await
}
