//! A nats-server of the demo's own, or of a benchmark's: started on a free port in its folder, stopped with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use zhoubao_nats::config::{ACCOUNTS_FILE, Server};

use crate::failure::Failure;

/// Longest wait for the server to listen.
const START_MAX: Duration = Duration::from_secs(15);

/// Users of a server that nobody else reaches and that ends with the demo.
const ACCOUNTS: &str = r#"accounts {
  HALL { jetstream: enabled, users: [ { user: hall, password: demo } ] }
  $SYS { users: [ { user: check, password: demo, permissions: {
    publish: { allow: ["$SYS.REQ.SERVER.PING.VARZ"] }, subscribe: { allow: ["_INBOX.>"] }
  } } ] }
}
"#;

/// What makes a disk slower than it is.
const TRACER: &str = "strace";

/// A running server; it ends with this value.
pub struct Broker {
    port: u16,
    /// Where each fsync that took longer is noted.
    trace: Option<PathBuf>,
    _process: Child,
}

impl Broker {
    /// Starts one that syncs before it answers, with the settings of `deploy/nats-server.conf`, on a disk of which each
    /// fsync takes `longer` than it does.
    ///
    /// # Errors
    ///
    /// When there is no `nats-server`, or no `strace` to make the disk slower, or it does not listen in time.
    pub async fn start(folder: &Path, longer: Duration) -> Result<Self, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file(folder, &error))?;
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|it| it.local_addr())
            .map_err(|error| Failure::unavailable(format!("no free port: {error}")))?
            .port();
        let server = Server {
            listen: format!("127.0.0.1:{port}"),
            name: "zhoubao-demo".to_owned(),
            store_dir: folder.join("store").display().to_string(),
        };
        let config = folder.join("nats.conf");
        for (path, text) in
            [(&config, server.to_string()), (&folder.join(ACCOUNTS_FILE), ACCOUNTS.to_owned())]
        {
            std::fs::write(path, text).map_err(|error| Failure::file(path, &error))?;
        }
        let program = std::env::var_os("ZHOUBAO_NATS_SERVER")
            .map_or_else(|| PathBuf::from("nats-server"), PathBuf::from);
        let trace = (!longer.is_zero()).then(|| folder.join("fsync.trace"));
        let mut command = match &trace {
            // As a grandchild, so that this process starts and stops the server itself.
            Some(trace) => {
                let delay = format!("inject=fsync,fdatasync:delay_exit={}", longer.as_micros());
                let mut command = Command::new(TRACER);
                command.args(["-D", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-o"]);
                command.arg(trace).args(["-e", "trace=fsync,fdatasync", "-e", &delay]);
                command.arg(&program);
                command
            }
            None => Command::new(&program),
        };
        let process = command
            .arg("--config")
            .arg(&config)
            .arg("--log")
            .arg(folder.join("nats.log"))
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match &trace {
                Some(_) => Failure::unavailable(format!("`{TRACER}`: {error}"))
                    .with_next("install it: apt-get install strace; or measure this disk as it is: --fsync-ms 0"),
                None => Failure::unavailable(format!("`{}`: {error}", program.display()))
                    .with_next("install it: cargo xtask setup nats"),
            })?;
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if Instant::now() > deadline {
                let log = folder.join("nats.log");
                return Err(Failure::unavailable(format!(
                    "nats-server does not listen, see `{}`",
                    log.display()
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { port, trace, _process: process })
    }

    /// How many times it has waited for the disk so far, where that took longer.
    #[must_use]
    pub fn syncs(&self) -> Option<usize> {
        let trace = std::fs::read_to_string(self.trace.as_ref()?).ok()?;
        Some(trace.lines().filter(|it| it.contains("(DELAYED)")).count())
    }

    /// Address of the hall's user.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://hall:demo@127.0.0.1:{}", self.port)
    }

    /// Address of the user that may ask how the server syncs.
    #[must_use]
    pub fn sys_url(&self) -> String {
        format!("nats://check:demo@127.0.0.1:{}", self.port)
    }
}
