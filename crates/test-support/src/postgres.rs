use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail};
use tokio::sync::OnceCell;

use crate::process::{Account, Ending, Process, is_root, output};
use crate::scratch::Scratch;
use crate::{port, until};

/// Oldest server that the product supports.
const OLDEST: u32 = 15;

/// Variable that names the folder of another server's programs than the installed one.
const BIN_VARIABLE: &str = "ZHOUBAO_PG_BIN";

/// Where Debian keeps the programs of each version.
const DEBIAN_ROOT: &str = "/usr/lib/postgresql";

/// User that runs the server when the tests run as root.
const SERVER_USER: &str = "postgres";

/// Ports tried for one server before giving up.
const PORTS_TRIED: usize = 5;

/// Settings, beyond those of `initdb`.
///
/// Connections: many tests of one process share a cluster, each with a pool. Shared memory in files, so that a cluster
/// that dies with its test leaves nothing behind outside its folder. `fsync` stays on, as in production. After a crash
/// one call syncs the file system, where the default opens and syncs each of a thousand files.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
max_connections = 200
shared_buffers = 32MB
dynamic_shared_memory_type = mmap
log_min_messages = warning
recovery_init_sync_method = syncfs
timezone = 'UTC'
";

/// A real PostgreSQL cluster, on its own port and folder; everybody on this machine may connect.
#[derive(Debug)]
pub struct Postgres {
    // Fields drop in this order: the server ends before its folder goes.
    process: Option<Process>,
    bin: PathBuf,
    account: Option<Account>,
    port: u16,
    databases: AtomicU32,
    scratch: Scratch,
}

impl Postgres {
    /// The cluster that the tests of one process share; each takes a database of its own.
    pub async fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Makes and starts a cluster of its own, for a test that kills it.
    pub async fn start() -> anyhow::Result<Self> {
        let bin = find_bin()?;
        let scratch = Scratch::new()?;
        let account = if is_root()? {
            let account = server_account()?;
            chown(scratch.path(), Some(account.uid), Some(account.gid))?;
            Some(account)
        } else {
            None
        };
        let databases = AtomicU32::new(0);
        let mut server = Self { process: None, bin, account, port: 0, databases, scratch };
        server.init().await?;
        let mut last = None;
        for _ in 0..PORTS_TRIED {
            server.port = port::free()?;
            match server.launch().await {
                Ok(()) => return Ok(server),
                // Somebody else may have taken the port in the meantime.
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no port was tried")?.context("cannot start PostgreSQL"))
    }

    /// Makes an empty database and gives its address.
    pub async fn create_database(&self) -> anyhow::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut psql = Command::new(self.bin.join("psql"));
        // `template0`, because nobody may be connected to the template, and nobody can be to that one.
        psql.args(["--no-psqlrc", "--quiet", "--dbname", &self.url("postgres")])
            .args(["--command", &format!("create database {name} template template0")]);
        tokio::task::spawn_blocking(move || output(&mut psql)).await??;
        Ok(self.url(&name))
    }

    /// Port on the loopback address, the same after every restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Process id of the server, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Kills the server as a crash does (SIGKILL) and waits until the next start may use the folder.
    ///
    /// The processes of the connections live on until they see that the server is gone, and may finish what they are
    /// about: a commit of those last milliseconds may be there and its answer not.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let memory = shared_memory(&self.data_dir());
        self.end("KILL").await?;
        // What the next start itself looks at before it takes the folder.
        until("the processes of PostgreSQL's connections to end", || {
            let attached = memory.as_deref().and_then(attached);
            Ok(attached.is_none_or(|it| it == 0).then_some(()))
        })
        .await
    }

    /// Ends the server in order, cutting off its clients.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.end("INT").await
    }

    /// Starts the server again on the same folder and port, stopping it first if it still runs.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.launch().await.context("cannot restart PostgreSQL")
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://{SERVER_USER}@127.0.0.1:{}/{database}", self.port)
    }

    async fn init(&self) -> anyhow::Result<()> {
        let data = self.data_dir().display().to_string();
        let arguments = ["--pgdata", &data, "--username", SERVER_USER, "--auth", "trust"]
            .into_iter()
            .chain(["--encoding", "UTF8", "--no-locale", "--no-sync"])
            .map(str::to_owned)
            .collect::<Vec<_>>();
        let initdb = self.bin.join("initdb");
        let log = self.log_path();
        let mut process = Process::start(&initdb, &arguments, self.account, Ending::Kill, &log)?;
        if !process.ended().await?.success() {
            bail!("`initdb` failed:\n{}", std::fs::read_to_string(log)?);
        }
        let config = self.data_dir().join("postgresql.conf");
        let mut settings = std::fs::read_to_string(&config)?;
        settings.push_str(SETTINGS);
        Ok(std::fs::write(config, settings)?)
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let data = self.data_dir();
        let arguments = [
            "-D".to_owned(),
            data.display().to_string(),
            "-p".to_owned(),
            self.port.to_string(),
            "-k".to_owned(),
            self.scratch.path().display().to_string(),
        ];
        let postgres = self.bin.join("postgres");
        let log = self.log_path();
        let mut process = Process::start(&postgres, &arguments, self.account, Ending::Quit, &log)?;
        // A connection would prove less: somebody else might have answered it.
        until("PostgreSQL to start", || {
            process.check_running()?;
            Ok(is_ready(&data, process.pid()).then_some(()))
        })
        .await?;
        self.process = Some(process);
        Ok(())
    }

    async fn end(&mut self, signal: &str) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(signal)?;
            process.ended().await?;
        }
        Ok(())
    }

    fn data_dir(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.scratch.path().join("server.log")
    }
}

/// Reads the state that the server writes into line 8 of its pid file, after its process id in line 1.
fn is_ready(data_dir: &Path, pid: u32) -> bool {
    let text = std::fs::read_to_string(data_dir.join("postmaster.pid")).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

/// Id of the server's shared memory, the second number of line 7 of its pid file.
fn shared_memory(data_dir: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data_dir.join("postmaster.pid")).ok()?;
    text.lines().nth(6)?.split_whitespace().nth(1).map(str::to_owned)
}

/// How many processes use a shared memory of this id; none if there is no such memory.
fn attached(id: &str) -> Option<u32> {
    let text = std::fs::read_to_string("/proc/sysvipc/shm").ok()?;
    // key, shmid, perms, size, cpid, lpid, nattch, …
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|columns| columns.get(1) == Some(&id))?
        .get(6)?
        .parse()
        .ok()
}

/// Looks up the user that runs the server in place of root.
fn server_account() -> anyhow::Result<Account> {
    let id = |flag| -> anyhow::Result<u32> {
        let number = output(Command::new("id").args([flag, SERVER_USER]));
        Ok(number
            .with_context(|| {
                format!(
                    "PostgreSQL refuses to run as root and there is no user `{SERVER_USER}`: \
                     run `cargo xtask setup postgres`"
                )
            })?
            .parse()?)
    };
    Ok(Account { uid: id("-u")?, gid: id("-g")? })
}

/// Finds the folder of the server's programs: by variable, as Debian installs it, or by `pg_config`.
fn find_bin() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(BIN_VARIABLE) {
        let named = PathBuf::from(named);
        return match version(&named) {
            Some(found) if found >= OLDEST => Ok(named),
            Some(found) => bail!("{BIN_VARIABLE} names PostgreSQL {found}, needed is {OLDEST}"),
            None => bail!("{BIN_VARIABLE} names `{}`, no PostgreSQL", named.display()),
        };
    }
    let debian = std::fs::read_dir(DEBIAN_ROOT).into_iter().flatten().flatten();
    let configured = output(Command::new("pg_config").arg("--bindir")).ok().map(PathBuf::from);
    debian
        .map(|entry| entry.path().join("bin"))
        .chain(configured)
        .filter_map(|bin| Some((version(&bin)?, bin)))
        .filter(|(found, _)| *found >= OLDEST)
        .max()
        .map(|(_, bin)| bin)
        .with_context(|| {
            format!("no PostgreSQL of version {OLDEST} or later: run `cargo xtask setup postgres`")
        })
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian …)` as 15 and `19beta1` as 19; a folder without a server has none.
fn version(bin: &Path) -> Option<u32> {
    let text = output(Command::new(bin.join("postgres")).arg("--version")).ok()?;
    text.split_whitespace().nth(2)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
