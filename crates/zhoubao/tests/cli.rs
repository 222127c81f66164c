//! The command line as a user meets it: the real program, real folders, exit codes and output.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use clap::CommandFactory as _;
use serde_json::Value;
use zhoubao::cli::Cli;
use zhoubao_application::store::{Commit, ReadModels as _};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Kind;
use zhoubao_domain::figure::{TallyCell, TallyValue};
use zhoubao_domain::id::HallCode;
use zhoubao_projections::rows::Changes;
use zhoubao_store_sqlite::read_models::SqliteReadModels;
use zhoubao_test_support::{NatsServer, Postgres};

/// Longest wait for a running program; the machine may be busy compiling.
const PATIENCE: Duration = Duration::from_secs(60);

struct Zhoubao {
    folder: tempfile::TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Zhoubao {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: vec![] }
    }

    fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((variable, value.into()));
        self
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn dir(&self) -> std::path::PathBuf {
        self.path().join("hall")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zhoubao"));
        for (key, _) in std::env::vars_os() {
            // The fonts of the tests are those of the program.
            if key.to_string_lossy().starts_with("ZHOUBAO_") && key != "ZHOUBAO_FONTS" {
                command.env_remove(key);
            }
        }
        // Any free port.
        command.env("ZHOUBAO_LISTEN", "127.0.0.1:0");
        command.args(arguments).env("ZHOUBAO_DIR", self.dir()).current_dir(self.path());
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        Ran::new(arguments, output)
    }

    #[track_caller]
    fn feed(&self, arguments: &[&str], input: &str) -> Ran {
        use std::io::Write as _;
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::new(arguments, child.wait_with_output().unwrap())
    }

    /// Waits until the read models are at `goal`.
    #[track_caller]
    fn reaches(&self, goal: u64) {
        let started = Instant::now();
        loop {
            let report = self.run(&["doctor", "--json"]).exits(0).json();
            if report["counts"]["sequence"].as_u64() == Some(goal) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "the service does not reach {goal}: {report}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A hall with a window, a terminal and a department.
    #[track_caller]
    fn with_hall(self) -> Self {
        let file = self.path().join("hall.toml");
        std::fs::write(
            &file,
            r#"
            [hall.main]
            name = "测试大厅"
            publisher = "测试中心"
            [window.w01]
            name = "窗口1"
            open = true
            [terminal.w01]
            window = "w01"
            active = true
            [department.d01]
            name = "文化和旅游厅"
            aliases = ["文旅厅"]
            "#,
        )
        .unwrap();
        let file = file.to_string_lossy().into_owned();
        self.run(&["setup", "apply", &file, "--hall", "510000"]).exits(0);
        self
    }
}

struct Ran {
    arguments: String,
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn new(arguments: &[&str], output: Output) -> Self {
        Self {
            arguments: arguments.join(" "),
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        let Self { arguments, out, err, .. } = &self;
        assert_eq!(self.code, Some(code), "zhoubao {arguments}\nstdout: {out}\nstderr: {err}");
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        let Self { arguments, out, err, .. } = &self;
        assert!(
            out.contains(text) || err.contains(text),
            "zhoubao {arguments}: no `{text}` in\nstdout: {out}\nstderr: {err}"
        );
        self
    }

    #[track_caller]
    fn never_says(self, text: &str) -> Self {
        let Self { arguments, out, err, .. } = &self;
        assert!(
            !out.contains(text) && !err.contains(text),
            "zhoubao {arguments}: `{text}` in\nstdout: {out}\nstderr: {err}"
        );
        self
    }

    /// The result as JSON.
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|it| panic!("zhoubao {}: {it}: {}", self.arguments, self.out))
    }

    /// The error as JSON, the last line of stderr.
    #[track_caller]
    fn error(&self) -> Value {
        let last = self.err.lines().last().unwrap_or_default();
        serde_json::from_str(last)
            .unwrap_or_else(|it| panic!("zhoubao {}: {it}: {}", self.arguments, self.err))
    }
}

/// A program that is ended with the test.
struct Running(Child);

impl Running {
    fn terminate(&mut self) -> Option<i32> {
        let told = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(told.success());
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the program does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, where the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_help_of_every_command_shows_an_example() {
    fn walk(command: &clap::Command, path: &str) {
        for it in command.get_subcommands().filter(|it| it.get_name() != "help") {
            let path = format!("{path} {}", it.get_name());
            let about = it.get_about().map(ToString::to_string).unwrap_or_default();
            let help = it.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("例 example"), "{path} has no example");
            assert!(help.contains(path.trim()), "the example of {path} is of another command");
            assert!(
                !about.is_ascii() && about.split(' ').count() > 2,
                "{path} is not told in Chinese and English: {about}"
            );
            walk(it, &path);
        }
    }
    let command = Cli::command();
    command.clone().debug_assert();
    walk(&command, "zhoubao");
    for flag in ["--dir", "--journal", "--store", "--json", "--accept-loss"] {
        Zhoubao::new().run(&["serve", "--help"]).exits(0).says(flag);
    }
}

#[test]
fn the_accepted_loss_is_told_in_so_many_words() {
    Zhoubao::new()
        .run(&["serve", "--help"])
        .exits(0)
        .says("断电会丢失已确认的事件")
        .says("events that were already");
}

#[test]
fn a_wrong_command_line_exits_2() {
    let zhoubao = Zhoubao::new();
    zhoubao.run(&[]).exits(2);
    zhoubao.run(&["servе"]).exits(2);
    zhoubao.run(&["emit", "咨询", "--people", "three"]).exits(2);
    zhoubao.run(&["emit", "咨询", "--hall", "510000"]).exits(2).says("--terminal");
    zhoubao.run(&["rebuild", "--dry-run", "--hall", "510000"]).exits(2);
    let error = zhoubao.run(&["project", "--nonsense", "--json"]).exits(2).error();
    assert_eq!(error["exit"], 2);
    assert_eq!(error["code"], Value::Null);
}

#[test]
fn an_unknown_setting_names_the_nearest_and_exits_78() {
    let zhoubao = Zhoubao::new().with("ZHOUBAO_JURNAL", "nats");
    let ran = zhoubao.run(&["project", "--once", "--json"]).exits(78);
    let error = ran.error();
    assert_eq!(error["code"], "E.780");
    assert_eq!(error["exit"], 78);
    assert!(error["message"].as_str().unwrap().contains("`ZHOUBAO_JOURNAL`"), "{error}");

    let zhoubao = Zhoubao::new();
    let file = zhoubao.path().join("other.toml");
    std::fs::write(&file, "stor = \"sqlite\"\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    zhoubao.run(&["config", "check", "--config", &file]).exits(78).says("`store`");
    std::fs::write(&file, "store = sqlite\n").unwrap();
    zhoubao.run(&["config", "check", "--config", &file]).exits(78).says("E.780");
    // Whoever has a wrong setting must be able to read what that means.
    let zhoubao = Zhoubao::new().with("ZHOUBAO_JURNAL", "nats");
    zhoubao.run(&["explain", "E.780"]).exits(0);
}

#[test]
fn the_settings_in_force_are_shown_with_their_source() {
    let zhoubao = Zhoubao::new().with("ZHOUBAO_HALL", "510000");
    let shown = zhoubao.run(&["config", "check", "--json", "--journal", "nats"]).exits(0).json();
    assert_eq!(shown["journal"]["source"], "命令行 flag --journal");
    assert_eq!(shown["hall"]["source"], "环境变量 environment ZHOUBAO_HALL");
    assert_eq!(shown["store"]["source"], "默认 default");
    zhoubao.run(&["config", "check"]).exits(0).says("ZHOUBAO_HALL");
}

#[test]
fn every_code_is_explained() {
    let zhoubao = Zhoubao::new();
    let all = zhoubao.run(&["explain", "--json"]).exits(0).json();
    assert_eq!(all.as_array().unwrap().len(), Code::ALL.len());
    for code in all.as_array().unwrap() {
        for field in ["title", "cause", "fix", "example"] {
            assert!(!code[field].as_str().unwrap().is_empty(), "{code}");
        }
    }
    for code in Code::ALL {
        assert!(zhoubao.run(&["explain", code.text()]).exits(0).out.contains(code.fix()));
    }
    zhoubao.run(&["explain", "e.103"]).exits(0).says("E.103");
    zhoubao.run(&["explain", "E.1O3"]).exits(2).says("E.103");
}

#[test]
fn passwords_are_never_printed() {
    let zhoubao = Zhoubao::new()
        .with("ZHOUBAO_JOURNAL", "nats://hall:geheim@127.0.0.1:1")
        .with("ZHOUBAO_STORE", "postgres://hall:geheim@127.0.0.1:1/zhoubao?password=geheim")
        .with("ZHOUBAO_SYS_URL", "nats://geheim@127.0.0.1:1")
        .with("ZHOUBAO_LOG", "trace");
    for arguments in [
        &["config", "check", "--hall", "510000"] as &[_],
        &["config", "check", "--json"],
        &["doctor", "--hall", "510000"],
        &["doctor", "--hall", "510000", "--json"],
        &["project", "--once", "--hall", "510000"],
        &["setup", "list", "--hall", "510000", "--json"],
    ] {
        zhoubao.run(arguments).never_says("geheim");
    }
    let zhoubao = Zhoubao::new().with("ZHOUBAO_JOURNAL", "hall:geheim@127.0.0.1");
    zhoubao.run(&["project", "--once"]).exits(78).never_says("geheim");
    let file = zhoubao.path().join("broken.toml");
    std::fs::write(&file, "journal = \"nats://hall:geheim@127.0.0.1\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    Zhoubao::new().run(&["config", "check", "--config", &file]).exits(78).never_says("geheim");
}

#[test]
fn a_server_that_does_not_answer_exits_6() {
    let zhoubao = Zhoubao::new();
    let nats =
        ["project", "--once", "--json", "--hall", "510000", "--journal", "nats://127.0.0.1:1"];
    let error = zhoubao.run(&nats).exits(6).error();
    assert_eq!(error["code"], "E.705");
    let store = [
        "project",
        "--once",
        "--json",
        "--hall",
        "510000",
        "--store",
        "postgres://127.0.0.1:1/none",
    ];
    assert_eq!(zhoubao.run(&store).exits(6).error()["exit"], 6);
}

#[test]
fn a_folder_belongs_to_one_hall() {
    let zhoubao = Zhoubao::new();
    zhoubao.run(&["project", "--once"]).exits(78).says("--hall");
    zhoubao.run(&["project", "--once", "--hall", "51000"]).exits(2);
    zhoubao.run(&["project", "--once", "--hall", "510000"]).exits(0);
    zhoubao.run(&["project", "--once"]).exits(0);
    zhoubao.run(&["project", "--once", "--hall", "510100"]).exits(78).says("510000");
}

#[test]
fn what_is_set_up_is_shown_and_not_recorded_twice() {
    let zhoubao = Zhoubao::new().with_hall();
    let file = zhoubao.path().join("hall.toml").to_string_lossy().into_owned();
    let again = zhoubao.run(&["setup", "apply", &file, "--json"]).exits(0).json();
    assert_eq!(again["unchanged"], 4);
    assert_eq!(again["recorded"], Value::Array(vec![]));
    let listed = zhoubao.run(&["setup", "list", "--json"]).exits(0).json();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    let shown = zhoubao.run(&["setup", "show", "department", "d01", "--json"]).exits(0).json();
    assert_eq!(shown["body"]["name"], "文化和旅游厅");
    zhoubao.run(&["setup", "show", "departement", "d01"]).exits(2).says("`department`");

    let wrong = zhoubao.path().join("matter.m9.json");
    std::fs::write(&wrong, r#"{"name": "许可", "department": "d99"}"#).unwrap();
    let wrong = wrong.to_string_lossy().into_owned();
    let error = zhoubao.run(&["setup", "apply", &wrong, "--json"]).exits(4).error();
    assert_eq!(error["code"], "E.101");
    zhoubao.run(&["setup", "apply", &wrong, "--dry-run"]).exits(4).says("E.101");
}

#[test]
fn an_event_is_recorded_once_and_what_would_not_count_is_shown_first() {
    let zhoubao = Zhoubao::new().with_hall();
    let consulted = ["emit", "咨询", "--terminal", "w01", "--people", "3", "--json"];
    let first = zhoubao.run(&consulted).exits(0).json();
    assert_eq!(first["stream"], "terminal.w01");
    assert_eq!(first["number"], 1);
    assert_eq!(first["standing"], "counted");

    let numbered = ["emit", "consult", "--terminal", "w01", "--number", "1", "--json"];
    let again = zhoubao.run(&[&numbered[..], &["--people", "3"]].concat()).exits(0).json();
    assert_eq!(again["repeated"], true);
    assert_eq!(again["position"], first["position"]);
    let fork = zhoubao.run(&[&numbered[..], &["--people", "4"]].concat()).exits(4).error();
    assert_eq!(fork["code"], "E.104");
    let keyed = ["emit", "consult", "--terminal", "w01", "--id", "key-1", "--json"];
    let once = zhoubao.run(&keyed).exits(0).json();
    let twice = zhoubao.run(&keyed).exits(0).json();
    assert_eq!((&twice["number"], &twice["repeated"]), (&once["number"], &Value::Bool(true)));

    let unknown_case =
        ["emit", "颁发", "--terminal", "w01", "--department", "d01", "--case", "c-1", "--json"];
    let refused = zhoubao.run(&unknown_case).exits(4).error();
    assert_eq!(refused["code"], "E.103");
    let recorded = zhoubao.run(&[&unknown_case[..], &["--anyway"]].concat()).exits(0).json();
    assert_eq!(recorded["standing"], "flagged");
    assert_eq!(recorded["number"], 3);
    let nobody = ["emit", "consult", "--terminal", "w01", "--people", "0", "--json"];
    assert_eq!(zhoubao.run(&nobody).exits(4).error()["code"], "E.114");
    let dry = zhoubao.run(&["emit", "consult", "--terminal", "w01", "--dry-run", "--json"]);
    assert_eq!(dry.exits(0).json()["position"], Value::Null);
}

#[test]
fn lines_are_recorded_in_order_and_a_wrong_one_is_named() {
    let zhoubao = Zhoubao::new().with_hall();
    let line = |case: u32| {
        serde_json::json!({
            "source": "hall.510000.terminal.w01", "type": "cn.zhoubao.Accepted.v1",
            "time": "2023-02-06T09:00:00+08:00",
            "data": { "department": "d01", "case": format!("c-{case}") },
        })
        .to_string()
    };
    let lines: Vec<_> = (0..250).map(line).collect();
    let ran = zhoubao.feed(&["emit", "-", "--anyway", "--json"], &lines.join("\n")).exits(0);
    let receipts: Vec<Value> =
        ran.out.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(receipts.len(), 250);
    assert_eq!(receipts[249]["number"], 250);
    let wrong = format!("{}\n{{\"source\": 1}}\n", line(900));
    let ran = zhoubao.feed(&["emit", "-", "--anyway", "--json"], &wrong).exits(4);
    let error = ran.error();
    assert_eq!(error["code"], "E.102");
    assert!(error["message"].as_str().unwrap().contains("line 2"), "{error}");
}

#[test]
fn the_doctor_finds_what_is_and_what_is_not() {
    let zhoubao = Zhoubao::new();
    let report = zhoubao.run(&["doctor", "--hall", "510000", "--json"]).exits(0).json();
    assert!(report["findings"].as_array().unwrap().iter().all(|it| it["level"] != "error"));
    assert!(!zhoubao.dir().exists(), "looking makes nothing");

    let zhoubao = Zhoubao::new().with_hall();
    zhoubao.run(&["emit", "consult", "--terminal", "w01"]).exits(0);
    let flagged =
        ["emit", "issue", "--terminal", "w01", "--department", "d01", "--case", "x", "--anyway"];
    zhoubao.run(&flagged).exits(0);
    zhoubao.run(&["project", "--once"]).exits(0);
    let report = zhoubao.run(&["doctor", "--json"]).exits(0).json();
    let counts = &report["counts"];
    assert_eq!(counts["stored"], 6);
    assert_eq!(counts["flagged"], 1);
    assert_eq!(report["terminals"][0]["last_number"], 2);
    let coded =
        |code: &str| report["findings"].as_array().unwrap().iter().any(|it| it["code"] == code);
    assert!(coded("E.103") && coded("E.211"), "{report}");
    zhoubao.run(&["doctor"]).exits(0).says("w01");
}

/// Changes a sum behind the program's back.
fn tamper(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let hall: HallCode = "510000".parse().unwrap();
        let store = SqliteReadModels::open(folder.join("read.db")).await.unwrap();
        let at = store.checkpoint(&hall).await.unwrap().unwrap();
        let cell = TallyCell {
            day: "2023-02-06".parse().unwrap(),
            window: "w01".into(),
            department: "d01".into(),
            kind: Kind::Accepted,
        };
        let mut changes = Changes::default();
        changes.tallies.insert(cell, TallyValue { amount: 1, events: 1 });
        let epoch = store.claim(&hall).await.unwrap();
        let commit = Commit { epoch, from: at.sequence, to: &at };
        store.prepare(&hall, changes).commit(commit).await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_rebuild_finds_a_changed_row_and_mends_it() {
    let zhoubao = Zhoubao::new().with_hall();
    zhoubao.run(&["emit", "consult", "--terminal", "w01"]).exits(0);
    let same = zhoubao.run(&["rebuild", "--verify", "--json"]).exits(0).json();
    assert_eq!(same["differences"], 0);
    assert!(same["rows"].as_u64().unwrap() > 5, "{same}");

    tamper(&zhoubao.dir());
    let dry = zhoubao.run(&["rebuild", "--verify", "--dry-run", "--json"]).exits(3);
    assert_eq!(dry.json()["first"][0]["table"], "tally");
    assert_eq!(dry.json()["swapped"], false);
    assert_eq!(dry.error()["code"], "E.302");
    zhoubao.run(&["rebuild", "--verify"]).exits(3).says("tally").says("已替换");
    zhoubao.run(&["rebuild", "--verify"]).exits(0);
    // Without read models at all, and with damaged ones.
    std::fs::remove_file(zhoubao.dir().join("read.db")).unwrap();
    zhoubao.run(&["rebuild"]).exits(0);
    zhoubao.run(&["rebuild", "--verify"]).exits(0);
    std::fs::write(zhoubao.dir().join("read.db"), "this is no database, whatever its name")
        .unwrap();
    zhoubao.run(&["rebuild", "--verify"]).exits(0);
    zhoubao.run(&["rebuild", "--verify", "--dry-run"]).exits(0);
}

#[test]
fn a_service_goes_on_after_a_rebuild_and_stops_cleanly() {
    let zhoubao = Zhoubao::new().with_hall();
    let mut serve = zhoubao
        .command(&["serve"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Running)
        .unwrap();
    zhoubao.reaches(4);
    zhoubao.run(&["emit", "consult", "--terminal", "w01"]).exits(0);
    zhoubao.reaches(5);
    zhoubao.run(&["rebuild", "--verify"]).exits(0);
    zhoubao.run(&["emit", "consult", "--terminal", "w01"]).exits(0);
    zhoubao.reaches(6);
    assert_eq!(serve.terminate(), Some(0));
}

#[test]
fn every_setting_is_in_the_documentation() {
    let page = include_str!("../../../docs/configuration.md");
    for (key, ..) in zhoubao::config::KEYS {
        assert!(page.contains(&format!("`{key}`")), "docs/configuration.md does not name {key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsafe_broker_is_refused_unless_the_loss_is_accepted() -> anyhow::Result<()> {
    let server = NatsServer::builder().sync_always(false).start().await?;
    let zhoubao = Zhoubao::new()
        .with("ZHOUBAO_JOURNAL", server.url())
        .with("ZHOUBAO_SYS_URL", server.sys_url())
        .with("ZHOUBAO_HALL", "510000");
    let error = zhoubao.run(&["project", "--once", "--json"]).exits(78).error();
    assert_eq!(error["code"], "E.701");
    assert!(error["message"].as_str().unwrap_or_default().contains("sync_interval: always"));
    zhoubao.run(&["doctor"]).exits(78).says("sync_interval: always");
    zhoubao.run(&["project", "--once", "--accept-loss"]).exits(0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hall_lives_on_nats_and_postgresql() -> anyhow::Result<()> {
    let server = NatsServer::start().await?;
    let database = Postgres::shared().await?.create_database().await?;
    let zhoubao = Zhoubao::new()
        .with("ZHOUBAO_JOURNAL", server.url())
        .with("ZHOUBAO_SYS_URL", server.sys_url())
        .with("ZHOUBAO_STORE", database)
        .with("ZHOUBAO_HALL", "510000")
        .with_hall();
    let mut serve = zhoubao
        .command(&["serve"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Running)?;
    zhoubao.reaches(4);
    let emitted = ["emit", "consult", "--terminal", "w01", "--json"];
    assert_eq!(zhoubao.run(&emitted).exits(0).json()["position"], 5);
    zhoubao.reaches(5);
    let rebuilt = zhoubao.run(&["rebuild", "--verify", "--json"]).exits(0).json();
    assert_eq!(rebuilt["differences"], 0);
    zhoubao.run(&emitted).exits(0);
    zhoubao.reaches(6);
    zhoubao.run(&["rebuild", "--verify"]).exits(0);
    assert_eq!(serve.terminate(), Some(0));
    zhoubao.run(&["doctor"]).exits(0).says("在末尾");
    // Nothing is in the folder, so none is made.
    assert!(!zhoubao.dir().exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_stream_is_not_made_anew() -> anyhow::Result<()> {
    let first = NatsServer::start().await?;
    let zhoubao = |server: &NatsServer, folder: tempfile::TempDir| Zhoubao {
        folder,
        environment: vec![("ZHOUBAO_JOURNAL", server.url()), ("ZHOUBAO_SYS_URL", server.sys_url())],
    };
    let hall = zhoubao(&first, tempfile::tempdir()?);
    hall.run(&["doctor", "--hall", "510000"]).exits(0).says("尚无日志");
    let hall = hall.with_hall();
    hall.run(&["project", "--once"]).exits(0);
    let second = NatsServer::start().await?;
    let hall = zhoubao(&second, hall.folder);
    hall.run(&["project", "--once"]).exits(78).says("does not exist");
    hall.run(&["doctor"]).exits(3).says("does not exist");
    Ok(())
}
