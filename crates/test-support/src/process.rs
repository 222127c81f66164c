use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use anyhow::{Context as _, anyhow, bail};

use crate::until;

/// Signal that ends a server with its test process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    /// Nothing is left to do for the server.
    Kill,
    /// The server removes what the system would keep of it (shared memory of PostgreSQL), and saves nothing.
    Quit,
}

impl Ending {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Quit => "QUIT",
        }
    }
}

/// User that a server runs as, where that is not the user of the tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// A running server that ends with its value, and with the test process however that ends.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    ending: Ending,
    log: PathBuf,
}

impl Process {
    /// Starts `program`; what it prints is appended to `log`.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        account: Option<Account>,
        ending: Ending,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", ending.name()]);
        if let Some(Account { uid, gid }) = account {
            command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}"));
            command.arg("--clear-groups");
        }
        command
            .arg("--")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = spawn(command).with_context(|| {
            format!("cannot run `{}` through `setpriv` (package util-linux)", program.display())
        })?;
        Ok(Self { child, ending, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails with the end of the log when the server has ended.
    pub(crate) fn check_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the server ended ({status}):\n{}", tail(&self.log)),
        }
    }

    /// Sends a signal by name, without waiting for what it does.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        // The `kill` of the shell is there even where the program of that name is not installed.
        let status = Command::new("sh")
            .args(["-c", r#"kill -s "$1" "$2""#, "sh", name, &self.pid().to_string()])
            .status()?;
        if !status.success() {
            bail!("cannot send {name} to process {}", self.pid());
        }
        Ok(())
    }

    /// Waits until the server has ended by itself or by a signal.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let child = &mut self.child;
        until("a server to end", || Ok(child.try_wait()?)).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let asked = match self.ending {
            Ending::Kill => self.child.kill().is_ok(),
            Ending::Quit => self.signal(self.ending.name()).is_ok(),
        };
        if asked {
            // Only a stuck system keeps a server alive after these signals, and then there is nobody to tell.
            let _ = self.child.wait();
        }
    }
}

/// Whether the tests run as root, which PostgreSQL refuses.
pub(crate) fn is_root() -> anyhow::Result<bool> {
    Ok(std::fs::metadata("/proc/self")?.uid() == 0)
}

/// Runs `program` to its end and gives its standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run `{name}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{name}` failed ({}):\n{}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Last lines of a log, for an error.
fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

type Order = (Command, SyncSender<io::Result<Child>>);

/// Spawns from a thread that lives as long as the process.
///
/// The parent-death signal belongs to the *thread* that spawns. The thread of a test ends with its test, and would
/// take a server with it that other tests share.
fn spawn(command: Command) -> anyhow::Result<Child> {
    static SPAWNER: OnceLock<SyncSender<Order>> = OnceLock::new();

    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = sync_channel::<Order>(0);
        thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Whoever asked waits for the answer; if it is gone, so is the need for the server.
                let _ = answer.send(command.spawn());
            }
        });
        orders
    });
    let (answer, child) = sync_channel(1);
    spawner.send((command, answer)).map_err(|_| anyhow!("the spawning thread is gone"))?;
    Ok(child.recv()??)
}
