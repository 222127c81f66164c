//! A browser, a service, and a cable between them that can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use zhoubao_test_support::eventually;

/// Longest wait for what must happen; the machine may be busy compiling.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(90);

/// Everybody's password.
pub(crate) const PASSWORD: &str = "horse battery 7 staple";

/// A hall in a folder of its own.
pub(crate) struct Hall(TempDir);

impl Hall {
    /// A hall of which nothing is there yet.
    pub(crate) fn empty() -> anyhow::Result<Self> {
        Ok(Self(tempfile::Builder::new().prefix("zhoubao-browser-").tempdir()?))
    }

    /// Its data folder.
    pub(crate) fn dir(&self) -> PathBuf {
        self.0.path().join("hall")
    }

    /// The sample hall at work for five weeks, with five published issues.
    pub(crate) async fn played() -> anyhow::Result<Self> {
        let hall = Self::empty()?;
        hall.run(&["demo", "--once"]).await?;
        Ok(hall)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zhoubao"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ZHOUBAO_") && name != "ZHOUBAO_FONTS" {
                command.env_remove(name);
            }
        }
        command
            .env("ZHOUBAO_LISTEN", "127.0.0.1:0")
            .arg("--dir")
            .arg(self.dir())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs the program to its end; answers with what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let done = timeout(WAIT_MAX, self.command(arguments).output()).await??;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "{arguments:?}: {said}");
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

impl Hall {
    /// Puts an entry of the set-up.
    pub(crate) async fn put(&self, topic: &str, id: &str, body: &str) -> anyhow::Result<()> {
        let path = self.0.path().join(format!("{topic}-{id}.json"));
        std::fs::write(&path, body)?;
        let path = path.to_str().context("not UTF-8")?;
        self.run(&["setup", "put", topic, id, path, "--by", "a01"]).await?;
        Ok(())
    }
}

/// A running service with pages.
pub(crate) struct Service {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

impl Service {
    pub(crate) async fn start(hall: &Hall, port: u16, host: &str) -> anyhow::Result<Self> {
        let mut command = hall.command(&["serve", "--json"]);
        command.env("ZHOUBAO_LISTEN", format!("127.0.0.1:{port}"));
        command.env("ZHOUBAO_PUBLIC_HOST", host).stderr(Stdio::null());
        let mut process = command.spawn()?;
        let mut said = BufReader::new(process.stdout.take().context("no stdout")?).lines();
        let line = timeout(WAIT_MAX, said.next_line()).await??.context("it ended early")?;
        let value: Value = serde_json::from_str(&line)?;
        let url = value["url"].as_str().context("no url")?;
        let address = url.strip_prefix("http://").context("no http")?.parse()?;
        Ok(Self { process, address })
    }
}

/// A cable from the browser to the service.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    cuts: watch::Sender<u64>,
    to: watch::Sender<Option<SocketAddr>>,
}

impl Cable {
    pub(crate) async fn lay() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (cuts, cut) = watch::channel(0);
        let (to, plug) = watch::channel(None);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut cut, plug) = (cut.clone(), plug.clone());
                tokio::spawn(async move {
                    cut.mark_unchanged();
                    let Some(address) = *plug.borrow() else { return };
                    let Ok(mut far) = TcpStream::connect(address).await else { return };
                    // Small pieces, as those of a live board, go on as they come.
                    if near.set_nodelay(true).and_then(|()| far.set_nodelay(true)).is_err() {
                        return;
                    }
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Ok(Self { address, cuts, to })
    }

    /// Leads to this service from now on; `None`: nowhere.
    pub(crate) fn plug(&self, address: Option<SocketAddr>) {
        self.to.send_replace(address);
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|it| *it += 1);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// The processes of a browser. They do not end with their driver, so they are found by the profile that they use.
struct Running {
    _driver: Child,
    mark: String,
}

impl Running {
    /// Kills them; answers with how many there were.
    fn end(&self) -> usize {
        let mut ended = 0;
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let own = line.split(|it| *it == 0).any(|it| it == self.mark.as_bytes());
            let kill =
                || std::process::Command::new("kill").arg("-KILL").arg(entry.file_name()).status();
            if own && kill().is_ok_and(|it| it.success()) {
                ended += 1;
            }
        }
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// A browser without a window.
pub(crate) struct Browser {
    // Dropped first: what it runs on goes after it.
    running: Running,
    /// What it keeps between two starts.
    profile: TempDir,
    pub(crate) client: Client,
}

impl Browser {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When Chromium is missing: `cargo xtask setup browser`.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::with(tempfile::Builder::new().prefix("zhoubao-profile-").tempdir()?).await
    }

    /// Kills it as a power cut would, and starts it again with what it had kept.
    pub(crate) async fn killed(self) -> anyhow::Result<Self> {
        let Self { running, profile, .. } = self;
        ensure!(running.end() > 0, "no browser of {}", running.mark);
        drop(running);
        // It takes another's lock for its own machine's, and waits for whoever is gone.
        for name in ["SingletonLock", "SingletonCookie", "SingletonSocket"] {
            let _absent = std::fs::remove_file(profile.path().join(name));
        }
        Self::with(profile).await
    }

    async fn with(profile: TempDir) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .env("TMPDIR", profile.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("no chromedriver: cargo xtask setup browser")?;
        let mark = format!("--user-data-dir={}", profile.path().display());
        let running = Running { _driver: driver, mark };
        let capabilities = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--window-size=1920,1080", "--force-prefers-reduced-motion",
                running.mark,
            ] },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities = capabilities.as_object().cloned().context("no capabilities")?;
        let client = eventually("the browser to start", WAIT_MAX, async || {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities.clone());
            Ok(builder.connect(&format!("http://127.0.0.1:{port}")).await.ok())
        })
        .await?;
        Ok(Self { running, profile, client })
    }

    /// The size of the screen, in pixels.
    pub(crate) async fn size(&self, width: u32, height: u32) -> anyhow::Result<()> {
        Ok(self.client.set_window_size(width, height).await?)
    }

    /// Answers with what a script returns.
    pub(crate) async fn ask(&self, script: &str) -> anyhow::Result<Value> {
        Ok(self.client.execute(script, vec![]).await?)
    }

    /// Writes what is seen into a file of the target folder, for people to look at.
    pub(crate) async fn picture(&self, name: &str) -> anyhow::Result<()> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await?)?)
    }

    /// What axe-core finds wrong with the page, by the rules of WCAG 2.2 A and AA.
    pub(crate) async fn barriers(&self) -> anyhow::Result<Vec<String>> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.tools/axe.min.js");
        let axe = std::fs::read_to_string(&path)
            .with_context(|| format!("no {}: cargo xtask setup axe", path.display()))?;
        self.client.execute(&axe, vec![]).await?;
        let run = "const done = arguments[arguments.length - 1]; \
                   axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }) \
                      .then(it => done([it.passes.length, it.violations]), error => done([0, String(error)]));";
        let found = self.client.execute_async(run, vec![]).await?;
        // A page on which no rule holds was not looked at.
        ensure!(found[0].as_u64().is_some_and(|it| it > 5), "{found}");
        let found = found[1].as_array().cloned().unwrap_or_default();
        Ok(found.iter().map(|it| format!("{}: {}", it["id"], it["nodes"])).collect())
    }

    /// Sets a password by a one-time link, by keys only, and is in.
    pub(crate) async fn welcome(&self, link: &str) -> anyhow::Result<()> {
        self.client.goto(link).await?;
        // The first field has the focus; tabulator leads to the next, Enter sends the form.
        let field = self.client.active_element().await?;
        field.send_keys(&format!("{PASSWORD}\u{E004}")).await?;
        let field = self.client.active_element().await?;
        field.send_keys(&format!("{PASSWORD}\u{E007}")).await?;
        eventually("the person to be in", WAIT_MAX, async || {
            let url = self.client.current_url().await?;
            Ok((!url.path().starts_with("/welcome")).then_some(()))
        })
        .await
    }
}
