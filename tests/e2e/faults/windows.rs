//! Windows that record in bulk by the real agent, whatever happens to it.

use std::process::Stdio;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::hall::{COMMAND_MAX, Hall};

/// Working days of the two issues, in January 2023.
const DAYS: [u8; 9] = [3, 4, 5, 6, 9, 10, 11, 12, 13];

/// Days of the first and of the second issue.
pub(super) const PERIODS: [[&str; 2]; 2] =
    [["2023-01-03", "2023-01-06"], ["2023-01-09", "2023-01-13"]];

/// What a window has recorded: 咨询, 受理, 颁发, 流转, as `Hall::amounts` has them.
pub(super) type Sums = [i64; 4];

/// The event of a window under a key of its own, and what it adds: a consultation, then the three acts of a case.
fn event(terminal: &str, department: &str, key: usize) -> (String, Sums) {
    let case = json!({ "department": department, "case": format!("{terminal}-{}", key / 4) });
    let people = 1 + i64::try_from(key / 4 % 5).unwrap_or_default();
    let (kind, data, adds) = match key % 4 {
        0 => ("Consulted", json!({ "people": people }), [people, 0, 0, 0]),
        1 => ("Accepted", case, [0, 1, 0, 0]),
        2 => ("Transferred", case, [0, 0, 0, 1]),
        _ => ("Issued", case, [0, 0, 1, 0]),
    };
    let event = json!({
        "specversion": "1.0",
        "source": format!("hall.510000.terminal.{terminal}"),
        "type": format!("cn.zhoubao.{kind}.v1"),
        "time": format!("2023-01-{:02}T09:10:00+08:00", DAYS[key / 4 % DAYS.len()]),
        "command": format!("key-{key}"),
        "data": data,
    });
    (format!("{event}\n"), adds)
}

/// The agent of a window, while it runs.
#[derive(Debug)]
struct Agent {
    child: Child,
    stdin: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

/// A window, and what its agent has said is saved.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) terminal: String,
    department: String,
    saved: usize,
    /// Number of the last event that was called saved. Corrections that the agent makes by itself, when its clock is
    /// measured after the first events, take numbers too.
    last: u64,
    /// What its ledger holds at the end, those corrections included.
    pub(super) recorded: usize,
    /// Counted here, a third time, from what was given: neither by the product nor by `recount`.
    pub(super) sums: Sums,
    agent: Option<Agent>,
}

impl Window {
    pub(super) fn new(terminal: String, department: String) -> Self {
        Self { terminal, department, saved: 0, last: 0, recorded: 0, sums: [0; 4], agent: None }
    }

    /// How many events its agent has said are saved.
    pub(super) fn saved(&self) -> usize {
        self.saved
    }

    /// Starts the agent unless it runs; answers with its process.
    pub(super) fn start(&mut self, mut command: Command) -> anyhow::Result<u32> {
        if self.agent.is_none() {
            let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            let stdin = child.stdin.take().context("no stdin")?;
            let said = BufReader::new(child.stdout.take().context("no stdout")?).lines();
            self.agent = Some(Agent { child, stdin, said });
        }
        let agent = self.agent.as_ref().context("no agent")?;
        agent.child.id().context("the agent has ended")
    }

    /// Gives events up to this count to the agent, and hears what it has saved; what a killed agent did not answer is
    /// given again the next time. Answers with whether all was answered.
    pub(super) async fn record(&mut self, upto: usize) -> anyhow::Result<bool> {
        let Self { terminal, department, saved, last, sums, agent, .. } = self;
        let Agent { stdin, said, .. } = agent.as_mut().context("no agent")?;
        let (mut input, mut adds) = (String::new(), Vec::new());
        for key in *saved..upto {
            let (line, adding) = event(terminal, department, key);
            input.push_str(&line);
            adds.push(adding);
        }
        let first = *saved;
        let hear = async {
            while *saved < upto {
                // A killed agent may leave half a line.
                let line = timeout(COMMAND_MAX, said.next_line()).await.with_context(|| {
                    format!("{terminal} saves nothing behind {saved} of {upto}")
                })??;
                let whole = |it: &String| it.ends_with("saved") || it.ends_with("saved before");
                let Some(line) = line.filter(whole) else { break };
                let number = line
                    .strip_prefix(&format!("terminal.{terminal}#"))
                    .and_then(|it| it.split_once(" 已保存")?.0.parse().ok());
                let number = number.with_context(|| line.clone())?;
                ensure!(number > *last, "{line} behind {last}");
                *last = number;
                *saved += 1;
            }
            anyhow::Ok(())
        };
        // Who is killed does not read on.
        let (_, heard) = tokio::join!(stdin.write_all(input.as_bytes()), hear);
        heard?;
        for adding in &adds[..*saved - first] {
            for (sum, add) in sums.iter_mut().zip(adding) {
                *sum += add;
            }
        }
        Ok(*saved == upto)
    }

    /// Its agent was killed: the next one starts anew.
    pub(super) async fn ended(&mut self) -> anyhow::Result<()> {
        if let Some(mut agent) = self.agent.take() {
            timeout(COMMAND_MAX, agent.child.wait())
                .await
                .context("the agent was not killed")??;
        }
        Ok(())
    }

    /// Ends the agent with a kill.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(agent) = &mut self.agent {
            agent.child.start_kill()?;
        }
        self.ended().await
    }

    /// Records what is left up to this count and lets an agent send all that the ledger holds: what was called saved and
    /// nothing else, and the journal has all of it.
    pub(super) async fn drain(&mut self, hall: &Hall, upto: usize) -> anyhow::Result<()> {
        self.start(hall.command(&["terminal", "run", &self.terminal]))?;
        ensure!(self.record(upto).await?, "{self:?}");
        self.kill().await?;
        let ran = super::long(hall.command(&["terminal", "run", &self.terminal, "--once"])).await?;
        ran.ok();
        let status = ["terminal", "status", &self.terminal, "--json"];
        let status = hall.run(&status).await?.ok().json()?;
        let recorded = status["recorded"].as_u64().context("no number")?;
        self.recorded = usize::try_from(recorded)?;
        ensure!(
            status["stored"] == recorded && self.recorded >= self.saved,
            "{}: {} saved, {status}",
            self.terminal,
            self.saved
        );
        Ok(())
    }
}
