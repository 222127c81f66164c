//! A hall in a folder of its own, and the program run on it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use zhoubao::config::{Address, Config, JournalAt, StoreAt};
use zhoubao::output::Output;
use zhoubao::play::Player;
use zhoubao::sample::{Sample, SampleError};
use zhoubao::wiring::Context;
use zhoubao_application::clock::{Clock, SystemClock};
use zhoubao_contract::{Draft, Message, encode};
use zhoubao_domain::event::{Act, Event, Kind};
use zhoubao_domain::id::{Digest, HallCode, Subject};
use zhoubao_projections::rows::Counts;

/// Longest run of one command; the machine may be busy compiling.
pub(crate) const COMMAND_MAX: Duration = Duration::from_secs(240);

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// The one JSON value that was printed.
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.out).with_context(|| format!("no JSON: {self:?}"))
    }

    /// It succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.exit, 0, "{}\n{}", self.text(), self.err);
        self
    }

    /// It failed with this exit code and names this code on stderr.
    #[track_caller]
    pub(crate) fn fails(self, exit: i32, code: &str) -> Self {
        assert_eq!(self.exit, exit, "{}\n{}", self.text(), self.err);
        assert!(
            self.err.contains(&format!("错误 error {code} ")),
            "{code} is missing: {}",
            self.err
        );
        self
    }
}

impl Ran {
    /// It failed with this exit code and says this on stderr, without a code.
    #[track_caller]
    pub(crate) fn fails_plainly(self, exit: i32, text: &str) -> Self {
        assert_eq!(self.exit, exit, "{}\n{}", self.text(), self.err);
        assert!(self.err.contains(text), "{text} is missing: {}", self.err);
        self
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// A hall: where its journal and read models are.
pub(crate) struct Hall {
    folder: TempDir,
    flags: Vec<String>,
    config: Config,
}

impl Hall {
    /// A hall in a new folder, with journal and read models in files.
    pub(crate) fn in_files() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("zhoubao-e2e-").tempdir()?;
        let config = Config {
            dir: folder.path().join("hall"),
            hall: Some(sample()?.hall),
            ..Config::default()
        };
        Ok(Self { folder, flags: vec![], config })
    }

    /// The same with the five issues of `demo --once`, which are made once and copied.
    pub(crate) async fn with_issues() -> anyhow::Result<Self> {
        static MADE: OnceCell<PathBuf> = OnceCell::const_new();
        let make = async || {
            let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("with-issues");
            if made.exists() {
                std::fs::remove_dir_all(&made)?;
            }
            let hall = Self::in_files()?;
            hall.run(&["demo", "--once"]).await?.ok();
            copy(hall.dir(), &made)?;
            anyhow::Ok(made)
        };
        let hall = Self::in_files()?;
        copy(MADE.get_or_try_init(make).await?, hall.dir())?;
        Ok(hall)
    }

    /// It has this code instead of the sample's.
    pub(crate) fn of(mut self, code: &str) -> anyhow::Result<Self> {
        self.config.hall = Some(code.parse()?);
        Ok(self)
    }

    /// The journal is on this server.
    pub(crate) fn with_nats(self, server: &zhoubao_test_support::NatsServer) -> Self {
        self.with_broker(server.url(), server.sys_url())
    }

    /// The journal is at this address, and its servers can be asked for their settings at the other.
    pub(crate) fn with_broker(mut self, url: String, sys_url: String) -> Self {
        self.flags.extend(["--journal", &url, "--sys-url", &sys_url].map(str::to_owned));
        self.config.journal = JournalAt::Nats(Address::new(url));
        self.config.sys_url = Some(Address::new(sys_url));
        self
    }

    /// The journal has so many copies.
    pub(crate) fn with_copies(mut self, copies: usize) -> Self {
        self.config.journal_replicas = copies;
        self
    }

    /// The journal is on the server at `address`, and whoever runs a command says with which key.
    pub(crate) fn with_keys(mut self, address: &str, keys: &Path) -> Self {
        self.flags.extend(["--journal", address].map(str::to_owned));
        self.config.journal = JournalAt::Nats(Address::new(address));
        self.config.nats_nkey = Some(keys.join("break-glass.nk"));
        self.config.sys_nkey = Some(keys.join("check.nk"));
        self
    }

    /// The read models are in this database.
    pub(crate) fn with_postgres(mut self, url: &str) -> Self {
        self.flags.extend(["--store", url].map(str::to_owned));
        self.config.store = StoreAt::Postgres(Address::new(url));
        self
    }

    /// The data folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.config.dir
    }

    /// A file beside the data folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// The library on the same journal and read models.
    pub(crate) fn context(&self) -> Context {
        self.context_at(Arc::new(SystemClock))
    }

    /// The same by another clock.
    pub(crate) fn context_at(&self, clock: Arc<dyn Clock>) -> Context {
        let output = Output::to(Box::new(std::io::sink()), Box::new(std::io::sink()), false, true);
        Context::new(self.config.clone(), clock, output)
    }

    /// Enters set-up, opening figures and authorizations.
    pub(crate) async fn set_up(&self) -> anyhow::Result<()> {
        let sample = sample()?;
        let desk = self.context().desk().await?;
        Player::new(&desk, &sample, vec![]).begin().await?;
        desk.catch_up().await?;
        Ok(())
    }

    /// A command of the program on this hall, without settings of whoever runs the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zhoubao"));
        for (name, _) in std::env::vars_os() {
            // The fonts of the tests are those of the program.
            if name.to_string_lossy().starts_with("ZHOUBAO_") && name != "ZHOUBAO_FONTS" {
                command.env_remove(name);
            }
        }
        command
            // Any free port.
            .env("ZHOUBAO_LISTEN", "127.0.0.1:0")
            .env("ZHOUBAO_JOURNAL_REPLICAS", self.config.journal_replicas.to_string())
            .arg("--dir")
            .arg(self.dir())
            .args(&self.flags)
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(hall) = &self.config.hall {
            command.args(["--hall", hall.as_str()]);
        }
        command
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<Ran> {
        ended(self.command(arguments).spawn()?).await
    }

    /// The same with lines on standard input.
    pub(crate) async fn run_with(&self, input: &str, arguments: &[&str]) -> anyhow::Result<Ran> {
        feed(input, self.command(arguments)).await
    }

    /// The same as the user of the broker with this key.
    pub(crate) async fn run_as(
        &self,
        nkey: &Path,
        input: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Ran> {
        feed(input, self.command_as(nkey, arguments)).await
    }

    /// A command as the user of the broker with this key.
    pub(crate) fn command_as(&self, nkey: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("ZHOUBAO_NATS_NKEY", nkey);
        command.envs(self.config.sys_nkey.as_ref().map(|it| ("ZHOUBAO_SYS_NKEY", it)));
        command
    }

    /// Accepts what the checks find in a frozen issue, with the sample's reasons and no others.
    pub(crate) async fn accept(&self, issue: &str, editor: &str) -> anyhow::Result<()> {
        let found = self.run(&["issue", "check", issue, "--json"]).await?.ok().json()?;
        let found = found["findings"].as_array().context("no findings")?;
        for (code, reason) in sample()?.accepted {
            if found.iter().any(|it| it["code"] == code.text()) {
                let accept = ["issue", "accept", issue, code.text(), "--all", "--by", editor];
                self.run(&[&accept[..], &["--reason", &reason]].concat()).await?.ok();
            }
        }
        Ok(())
    }

    /// Last sequence of the journal.
    pub(crate) async fn last(&self) -> anyhow::Result<u64> {
        Ok(self.context().open_journal().await?.state().await?.last)
    }

    /// Sequence and counts of the checkpoint.
    pub(crate) async fn checkpoint(&self) -> anyhow::Result<(u64, Counts)> {
        let store = self.context().open_store().await?;
        let at = store.checkpoint(&code()?).await?.context("nothing is folded yet")?;
        Ok((at.sequence, at.counts))
    }

    /// Folds what there is and answers with the counts; they add up.
    pub(crate) async fn counts(&self) -> anyhow::Result<Counts> {
        self.run(&["project", "--once"]).await?.ok();
        let (sequence, counts) = self.checkpoint().await?;
        ensure!(sequence == self.last().await?, "the projector stopped early at {sequence}");
        assert_adds_up(sequence, counts);
        Ok(counts)
    }

    /// Sums by kind of some days: 咨询, 受理, 颁发, 流转.
    pub(crate) async fn amounts(&self, from: &str, to: &str) -> anyhow::Result<[i64; 4]> {
        let ran = self.run(&["stats", "--json", "--from", from, "--to", to]).await?.ok().json()?;
        let rows = ran["rows"].as_array().context("no rows")?;
        let sum = |kind: &str| rows.iter().filter_map(|it| it[kind].as_i64()).sum();
        Ok(["consulted", "accepted", "issued", "transferred"].map(sum))
    }
}

/// stored = counted + flagged + quarantined + held + repeated.
#[track_caller]
pub(crate) fn assert_adds_up(sequence: u64, counts: Counts) {
    let Counts { stored, counted, flagged, quarantined, held, repeated } = counts;
    assert_eq!(stored, sequence, "{counts:?}");
    assert_eq!(stored, counted + flagged + quarantined + held + repeated, "{counts:?}");
}

/// Runs a command on lines of standard input.
async fn feed(input: &str, mut command: Command) -> anyhow::Result<Ran> {
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    let write = async move {
        // A program that has refused the first line does not read the rest.
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    let (ran, ()) = tokio::join!(ended(child), write);
    ran
}

/// Waits for a program to end.
pub(crate) async fn ended(child: Child) -> anyhow::Result<Ran> {
    let done = tokio::time::timeout(COMMAND_MAX, child.wait_with_output()).await;
    let output = done.with_context(|| format!("it ran for more than {COMMAND_MAX:?}"))??;
    Ok(Ran {
        exit: output.status.code().unwrap_or(-1),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The sample, which is read once.
pub(crate) fn sample() -> anyhow::Result<Sample> {
    static SAMPLE: LazyLock<Result<Sample, SampleError>> = LazyLock::new(Sample::load);
    SAMPLE.as_ref().cloned().map_err(|error| anyhow::anyhow!("{error:?}"))
}

/// A consultation of one person under a number of a terminal's line.
pub(crate) fn consulted(
    subject: &Subject,
    number: u64,
    previous: Option<Digest>,
) -> anyhow::Result<Message> {
    Ok(encode(&Draft {
        subject: subject.clone(),
        number,
        previous,
        occurred_at: "2023-02-06T01:10:00Z".parse()?,
        entered_at: None,
        actor: None,
        command: None,
        event: Event::Act(Act {
            kind: Kind::Consulted,
            amount: 1,
            department: None,
            matter: None,
            case: None,
        }),
    }))
}

/// The hall of the sample.
pub(crate) fn code() -> anyhow::Result<HallCode> {
    Ok(sample()?.hall)
}
