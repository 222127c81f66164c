use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::process::{Ending, Process, output};
use crate::scratch::Scratch;
use crate::{port, until};

/// Oldest server that the product supports: its fsync per append is cheap on three nodes.
const OLDEST: (u32, u32) = (2, 15);

/// Variable that names another server than the installed one.
const BINARY_VARIABLE: &str = "ZHOUBAO_NATS_SERVER";

/// Folder of the streams, in the server's own.
const STORE: &str = "store";

/// Ports tried for one server before giving up.
const PORTS_TRIED: usize = 5;

/// A real `nats-server` with JetStream, on its own port and folder.
///
/// Two accounts as in production: `HALL` with the user of [`url`](Self::url), and `$SYS` with the user of
/// [`sys_url`](Self::sys_url), who may ask every server for its settings and nothing else.
#[derive(Debug)]
pub struct NatsServer {
    // Fields drop in this order: the server ends before its folder goes.
    process: Option<Process>,
    binary: PathBuf,
    port: u16,
    config: PathBuf,
    users: Vec<NatsUser>,
    store: PathBuf,
    scratch: Scratch,
}

/// One more user of the account `HALL`.
#[derive(Debug, Clone)]
pub struct NatsUser {
    /// Name, in ASCII letters and digits.
    pub name: String,
    /// Password, in ASCII letters and digits.
    pub password: String,
    /// Subjects that the user may publish to; all others are refused.
    pub publish: Vec<String>,
    /// Subjects that the user may subscribe to; all others are refused.
    pub subscribe: Vec<String>,
}

/// Settings of a [`NatsServer`]; the defaults are those of production.
#[derive(Debug, Clone)]
pub struct NatsServerBuilder {
    sync_always: bool,
    batch_max_msgs: u32,
    batch_max_inflight: u32,
    batch_timeout: Duration,
    users: Vec<NatsUser>,
    store: Option<PathBuf>,
}

impl Default for NatsServerBuilder {
    fn default() -> Self {
        Self {
            sync_always: true,
            batch_max_msgs: 200,
            batch_max_inflight: 50,
            batch_timeout: Duration::from_secs(2),
            users: Vec::new(),
            store: None,
        }
    }
}

impl NatsServerBuilder {
    /// Whether an append is on the disk before it is acknowledged; `false` is the server's own unsafe default.
    #[must_use]
    pub fn sync_always(mut self, sync_always: bool) -> Self {
        self.sync_always = sync_always;
        self
    }

    /// Most messages in one atomic batch.
    #[must_use]
    pub fn batch_max_msgs(mut self, messages: u32) -> Self {
        self.batch_max_msgs = messages;
        self
    }

    /// Most atomic batches open at one time in one stream.
    #[must_use]
    pub fn batch_max_inflight(mut self, batches: u32) -> Self {
        self.batch_max_inflight = batches;
        self
    }

    /// Time after which an open batch is given up.
    #[must_use]
    pub fn batch_timeout(mut self, timeout: Duration) -> Self {
        self.batch_timeout = timeout;
        self
    }

    /// Adds a user with these rights to the account `HALL`.
    #[must_use]
    pub fn user(mut self, user: NatsUser) -> Self {
        self.users.push(user);
        self
    }

    /// Keeps the streams in this folder instead of one of its own.
    #[must_use]
    pub fn store_dir(mut self, folder: PathBuf) -> Self {
        self.store = Some(folder);
        self
    }

    /// Starts the server and waits until it takes connections.
    pub async fn start(self) -> anyhow::Result<NatsServer> {
        let (users, store) = (self.users.clone(), self.store.clone());
        NatsServer::start_on(users, store.clone(), async move |dir, port| {
            let path = dir.join("nats.conf");
            let store = store.clone().unwrap_or_else(|| dir.join(STORE));
            std::fs::write(&path, self.config(port, &store))?;
            Ok(path)
        })
        .await
    }

    fn config(&self, port: u16, store_dir: &Path) -> String {
        let sync = if self.sync_always { "sync_interval: always" } else { "" };
        let store_dir = store_dir.display();
        let Self { batch_max_msgs, batch_max_inflight, .. } = self;
        let batch_timeout_ms = self.batch_timeout.as_millis();
        let mut users = String::new();
        for NatsUser { name, password, publish, subscribe } in &self.users {
            // Cannot fail: the text is written into a `String`.
            let _ = writeln!(
                users,
                "{{ user: {name:?}, password: {password:?}, permissions: {{ \
                 publish: {{ allow: {publish:?} }}, subscribe: {{ allow: {subscribe:?} }} }} }}"
            );
        }
        format!(
            r#"
listen: "127.0.0.1:{port}"
server_name: "hall-test"
max_payload: 64KB
write_deadline: "5s"
jetstream {{
  store_dir: "{store_dir}"
  {sync}
  strict: true
  max_file_store: 20GB
  max_memory_store: 64MB
  limits {{ batch {{
    max_inflight_per_stream: {batch_max_inflight}
    timeout: "{batch_timeout_ms}ms"
    max_msgs: {batch_max_msgs}
  }} }}
}}
accounts {{
  HALL {{
    jetstream: enabled
    users: [
      {{ user: "hall", password: "hall" }}
      {users}
    ]
  }}
  $SYS {{
    users: [
      {{ user: "check", password: "check", permissions: {{
        publish: {{ allow: ["$SYS.REQ.SERVER.PING.VARZ"] }}
        subscribe: {{ allow: ["_INBOX.>"] }}
      }} }}
    ]
  }}
}}
"#
        )
    }
}

impl NatsServer {
    /// Starts a server with the settings of production.
    pub async fn start() -> anyhow::Result<Self> {
        Self::builder().start().await
    }

    /// Starts a server on a configuration file of the caller's, who writes it into the folder (the first argument) for
    /// the port (the second) and answers with its path. The streams belong into `store` in the folder.
    ///
    /// [`url`](Self::url) and [`sys_url`](Self::sys_url) are those of users whom such a file does not have.
    pub async fn start_configured(
        write: impl AsyncFn(&Path, u16) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<Self> {
        Self::start_on(Vec::new(), None, write).await
    }

    async fn start_on(
        users: Vec<NatsUser>,
        store: Option<PathBuf>,
        write: impl AsyncFn(&Path, u16) -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<Self> {
        let (binary, scratch) = (find_binary()?, Scratch::new()?);
        let store = store.unwrap_or_else(|| scratch.path().join(STORE));
        let config = PathBuf::new();
        let mut server = Self { process: None, binary, port: 0, config, users, store, scratch };
        let mut last = None;
        for _ in 0..PORTS_TRIED {
            server.port = port::free()?;
            server.config = write(server.scratch.path(), server.port).await?;
            match server.launch().await {
                Ok(()) => return Ok(server),
                // Somebody else may have taken the port in the meantime.
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no port was tried")?.context("cannot start nats-server"))
    }

    /// Makes a server with other settings.
    #[must_use]
    pub fn builder() -> NatsServerBuilder {
        NatsServerBuilder::default()
    }

    /// Address with name and password of a user with all rights in the account `HALL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://hall:hall@127.0.0.1:{}", self.port)
    }

    /// Address with name and password of the user who may ask for the servers' settings, and read its inbox.
    #[must_use]
    pub fn sys_url(&self) -> String {
        format!("nats://check:check@127.0.0.1:{}", self.port)
    }

    /// Address with name and password of a user added by [`NatsServerBuilder::user`].
    pub fn url_of(&self, name: &str) -> anyhow::Result<String> {
        let user = self.users.iter().find(|user| user.name == name);
        let NatsUser { password, .. } = user.with_context(|| format!("no user `{name}`"))?;
        Ok(format!("nats://{name}:{password}@127.0.0.1:{}", self.port))
    }

    /// Port on the loopback address, the same after every restart.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Folder of the streams.
    #[must_use]
    pub fn store_dir(&self) -> PathBuf {
        self.store.clone()
    }

    /// What the server has logged since its folder was made.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.log_path())?)
    }

    /// Where the server logs.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.scratch.path().join("server.log")
    }

    /// Process id, while the server runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Kills the server as a crash does (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.end("KILL").await
    }

    /// Asks the server to end (SIGTERM) and waits until it is gone.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.end("TERM").await
    }

    /// Lets the server read its configuration again (SIGHUP) and waits until it has.
    pub async fn reload(&self) -> anyhow::Result<()> {
        const DONE: &str = "Reloaded server configuration";
        let process = self.process.as_ref().context("the server does not run")?;
        let before = self.log()?.matches(DONE).count();
        process.signal("HUP")?;
        until("nats-server to read its configuration again", || {
            Ok((self.log()?.matches(DONE).count() > before).then_some(()))
        })
        .await
    }

    /// Address without a user.
    #[must_use]
    pub fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts the server again on the same folder and port, stopping it first if it still runs.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.launch().await.context("cannot restart nats-server")
    }

    async fn end(&mut self, signal: &str) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(signal)?;
            process.ended().await?;
        }
        Ok(())
    }

    async fn launch(&mut self) -> anyhow::Result<()> {
        let dir = self.scratch.path();
        let arguments = [
            "--config".to_owned(),
            self.config.display().to_string(),
            "--ports_file_dir".to_owned(),
            dir.display().to_string(),
        ];
        let log = self.log_path();
        let mut process = Process::start(&self.binary, &arguments, None, Ending::Kill, &log)?;
        // The server writes this file when its streams are recovered and it listens. A connection would prove less:
        // somebody else might have answered it.
        let suffix = format!("_{}.ports", process.pid());
        until("nats-server to start", || {
            process.check_running()?;
            let mut entries = std::fs::read_dir(dir)?;
            let announced = entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().ends_with(&suffix))
            });
            Ok(announced.then_some(()))
        })
        .await?;
        self.process = Some(process);
        Ok(())
    }

    /// The installed server, for a program under test that starts one itself.
    pub fn program() -> anyhow::Result<PathBuf> {
        find_binary()
    }

    /// Checks that the installed server accepts a configuration file, without starting it.
    pub fn check_config(path: &Path) -> anyhow::Result<()> {
        output(Command::new(find_binary()?).arg("--config").arg(path).arg("-t")).map(drop)
    }
}

/// Finds the server: by variable, as set up in the workspace, or on the path.
fn find_binary() -> anyhow::Result<PathBuf> {
    let [major, minor] = [OLDEST.0, OLDEST.1];
    if let Some(named) = std::env::var_os(BINARY_VARIABLE) {
        let named = PathBuf::from(named);
        return match version(&named) {
            Some(found) if found >= OLDEST => Ok(named),
            Some((found_major, found_minor)) => bail!(
                "{BINARY_VARIABLE} names nats-server {found_major}.{found_minor}, needed is {major}.{minor}"
            ),
            None => bail!("{BINARY_VARIABLE} names `{}`, no nats-server", named.display()),
        };
    }
    let installed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|dir| dir.join(".tools/nats-server"))
        .find(|binary| binary.is_file());
    [installed, Some(PathBuf::from("nats-server"))]
        .into_iter()
        .flatten()
        .find(|binary| version(binary).is_some_and(|found| found >= OLDEST))
        .with_context(|| {
            format!(
                "no nats-server of version {major}.{minor} or later: run `cargo xtask setup nats`"
            )
        })
}

/// Reads `nats-server: v2.15.1` as (2, 15).
fn version(binary: &Path) -> Option<(u32, u32)> {
    let text = output(Command::new(binary).arg("--version")).ok()?;
    let mut numbers = text.rsplit_once('v')?.1.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
