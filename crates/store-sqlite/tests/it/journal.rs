//! The journal in a file: the suite of the port, then damage, strangers, several processes and `kill -9`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use zhoubao_application::clock::{Clock, FixedClock, SystemClock};
use zhoubao_application::follow::{FollowError, Follower};
use zhoubao_application::journal::{
    AppendError, Expectation, Journal, JournalError, append_in_order, head_or_start,
};
use zhoubao_conformance::journal::{
    Fixture, Revivable, event, fresh_incarnation, hall, line, terminal,
};
use zhoubao_conformance::journal_conformance;
use zhoubao_contract::hash;
use zhoubao_domain::code::Code;
use zhoubao_store_sqlite::journal::{Settings, SqliteJournal};

fn settings(path: &Path) -> Settings {
    Settings {
        path: path.to_owned(),
        hall: hall(),
        incarnation_if_new: fresh_incarnation(),
        quick_check: true,
    }
}

async fn open(path: &Path) -> Result<SqliteJournal, JournalError> {
    SqliteJournal::open(settings(path), Arc::new(SystemClock)).await
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

fn at(terminal_id: &str, last: u64) -> [Expectation; 1] {
    [Expectation { subject: terminal(terminal_id), last }]
}

/// A folder with a journal, and the handles to it.
struct Folder {
    dir: TempDir,
    handles: Mutex<Vec<Revivable>>,
}

impl Folder {
    fn path(&self) -> PathBuf {
        self.dir.path().join("journal.db")
    }

    fn handles(&self) -> Vec<Revivable> {
        self.handles.lock().unwrap().clone()
    }
}

async fn folder() -> Folder {
    Folder { dir: TempDir::new().unwrap(), handles: Mutex::default() }
}

#[async_trait]
impl Fixture for Folder {
    async fn handle(&self) -> Arc<dyn Journal> {
        let handle = Revivable::default();
        handle.revive(Arc::new(open(&self.path()).await.unwrap()));
        self.handles.lock().unwrap().push(handle.clone());
        Arc::new(handle)
    }

    async fn kill(&self) {
        for handle in self.handles() {
            drop(handle.kill());
        }
    }

    async fn start(&self) {
        for handle in self.handles() {
            handle.revive(Arc::new(open(&self.path()).await.unwrap()));
        }
    }

    async fn lose(&self, sequence: u64) -> bool {
        let mut file = raw(&self.path()).await;
        let vandalism = format!(
            "drop trigger if exists journal_never_shrinks; delete from journal where sequence = {sequence}"
        );
        sqlx::raw_sql(AssertSqlSafe(vandalism)).execute(&mut file).await.unwrap();
        true
    }
}

journal_conformance!(folder);

#[tokio::test]
async fn nothing_in_the_file_can_be_changed_or_removed() {
    let folder = folder().await;
    let journal = open(&folder.path()).await.unwrap();
    journal.append(&line(&terminal("w01"), 1, 3, None), &at("w01", 0)).await.unwrap();
    let mut file = raw(&folder.path()).await;
    for vandalism in [
        "update journal set body = x'00' where sequence = 2",
        "delete from journal where sequence = 3",
        "delete from journal",
        "update journal_identity set incarnation = 'x'",
        "delete from journal_identity",
        "insert or replace into journal select * from journal where sequence = 2",
        "insert into journal select 5, subject, recorded_at, headers, body from journal where sequence = 2",
        "insert into journal select null, subject, recorded_at, headers, body from journal where sequence = 2",
        "insert or replace into journal_identity values (1, 'x', '510000', 0)",
    ] {
        let refused = sqlx::query(vandalism).execute(&mut file).await;
        assert!(refused.is_err(), "{vandalism}");
    }
    assert_eq!(journal.state().await.unwrap().last, 3);
}

#[tokio::test]
async fn another_halls_journal_is_refused_with_e_703() {
    let folder = folder().await;
    open(&folder.path()).await.unwrap().close().await;
    let other = Settings { hall: "320000".parse().unwrap(), ..settings(&folder.path()) };
    let refused = SqliteJournal::open(other, Arc::new(SystemClock)).await.err().unwrap();
    assert!(
        matches!(refused, JournalError::Unsafe { code: Code::OtherJournal, .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("hall 510000"), "{refused}");
    assert!(refused.to_string().contains("E.703"), "{refused}");
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let text = dir.path().join("journal.txt");
    std::fs::write(&text, "窗口工作周报\n".repeat(1_000)).unwrap();
    let database = dir.path().join("other.db");
    let mut other = SqliteConnectOptions::new()
        .filename(&database)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql("create table cases (id integer)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    for (path, code) in [(text, Code::JournalGap), (database, Code::OtherJournal)] {
        let before = std::fs::read(&path).unwrap();
        let refused = open(&path).await.err().unwrap();
        assert!(
            matches!(refused, JournalError::Unsafe { code: it, .. } if it == code),
            "{refused:?}"
        );
        assert!(refused.to_string().contains(path.to_str().unwrap()), "{refused}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    let nowhere = open(&dir.path().join("missing/journal.db")).await.err().unwrap();
    assert!(matches!(nowhere, JournalError::Unavailable(_)), "{nowhere:?}");
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused() {
    let folder = folder().await;
    open(&folder.path()).await.unwrap().close().await;
    let mut file = raw(&folder.path()).await;
    sqlx::raw_sql(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (99990101000000, 'later', 1, x'00', 0)",
    )
    .execute(&mut file)
    .await
    .unwrap();
    let refused = open(&folder.path()).await.err().unwrap();
    assert!(refused.to_string().contains("newer version"), "{refused}");
}

#[tokio::test]
async fn a_damaged_file_is_found_at_the_start() {
    use std::os::unix::fs::FileExt as _;

    let folder = folder().await;
    let journal = open(&folder.path()).await.unwrap();
    let subject = terminal("w01");
    let appended = append_in_order(&journal, &subject, &line(&subject, 1, 400, None), 0).await;
    assert!(appended.stopped.is_none());
    journal.close().await;
    let mut file = raw(&folder.path()).await;
    sqlx::raw_sql("pragma wal_checkpoint(truncate)").execute(&mut file).await.unwrap();
    file.close().await.unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(folder.path()).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    for page in pages / 2..pages / 2 + 4 {
        file.write_all_at(&[0xa5; 4096], page * 4096).unwrap();
    }
    drop(file);
    let refused = open(&folder.path()).await.err().unwrap();
    assert!(matches!(refused, JournalError::Unsafe { code: Code::JournalGap, .. }), "{refused:?}");
    assert!(refused.to_string().contains("archive"), "{refused}");
}

#[tokio::test]
async fn an_older_copy_put_back_is_noticed() {
    let folder = folder().await;
    let handle = Revivable::default();
    let subject = terminal("w01");
    let messages = line(&subject, 1, 20, None);
    let first = open(&folder.path()).await.unwrap();
    first.append(&messages[..10], &at("w01", 0)).await.unwrap();
    first.close().await;
    let copy = folder.dir.path().join("copy.db");
    std::fs::copy(folder.path(), &copy).unwrap();

    handle.revive(Arc::new(open(&folder.path()).await.unwrap()));
    handle.append(&messages[10..], &at("w01", 10)).await.unwrap();
    let mut follower = Follower::new(Arc::new(handle.clone()), None);
    let page = follower.next_page(100, Duration::from_secs(10)).await.unwrap();
    assert_eq!((page.messages.len(), page.caught_up), (20, true));

    drop(handle.kill());
    for name in ["journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(folder.dir.path().join(name));
    }
    std::fs::remove_file(folder.path()).unwrap();
    std::fs::copy(&copy, folder.path()).unwrap();
    let journal = open(&folder.path()).await.unwrap();
    journal.append(&[event(&subject, 11, None, "another history")], &at("w01", 10)).await.unwrap();
    handle.revive(Arc::new(journal));
    let end = follower.next_page(100, Duration::from_secs(10)).await;
    assert_eq!(end, Err(FollowError::WentBack { checkpoint: 20, last: 11 }));

    // It grows past the checkpoint, and is still another history.
    let later = line(&subject, 12, 20, None);
    handle.append(&later, &at("w01", 11)).await.unwrap();
    let end = follower.next_page(100, Duration::from_secs(10)).await;
    assert_eq!(end, Err(FollowError::WentBack { checkpoint: 20, last: 31 }));
}

#[tokio::test]
async fn recorded_at_never_goes_back_with_the_clock() {
    let folder = folder().await;
    let noon: Timestamp = "2023-02-06T12:00:00.123456789+08:00".parse().unwrap();
    let clock = Arc::new(FixedClock::new(noon));
    let journal =
        SqliteJournal::open(settings(&folder.path()), Arc::clone(&clock) as Arc<dyn Clock>)
            .await
            .unwrap();
    let messages = line(&terminal("w01"), 1, 3, None);
    for (message, last) in messages.iter().zip(0..) {
        journal.append(std::slice::from_ref(message), &at("w01", last)).await.unwrap();
        clock.advance(SignedDuration::from_secs(if last == 0 { -3_600 } else { 7_200 }));
    }
    let mut times = Vec::new();
    for sequence in 1..=3 {
        times.push(journal.get(sequence).await.unwrap().unwrap().recorded_at);
    }
    let noon: Timestamp = "2023-02-06T12:00:00.123456+08:00".parse().unwrap();
    assert_eq!(times, [noon, noon, noon + SignedDuration::from_secs(3_600)]);
}

#[tokio::test]
async fn a_page_and_a_single_read_agree_on_every_time() {
    let folder = folder().await;
    let clock = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
    let journal =
        SqliteJournal::open(settings(&folder.path()), Arc::clone(&clock) as Arc<dyn Clock>)
            .await
            .unwrap();
    let parts = [0, 1, 0x7f, 0x80, 0x7ff, 0x800, 0xd800, 0xdfff, 0xffff, 0x10000, 0xfffff];
    let mut times: Vec<i64> =
        parts.iter().flat_map(|high| parts.map(|low| (1_600 << 40) | (high << 20) | low)).collect();
    times.insert(0, 0);
    let messages = line(&terminal("w01"), 1, times.len() as u64, None);
    for ((message, time), last) in messages.iter().zip(&times).zip(0..) {
        clock.set(Timestamp::from_microsecond(*time).unwrap());
        journal.append(std::slice::from_ref(message), &at("w01", last)).await.unwrap();
    }
    let read = journal.open(1).await.unwrap().next(1_000, Duration::ZERO).await.unwrap();
    assert_eq!(read.iter().map(|it| it.recorded_at.as_microsecond()).collect::<Vec<_>>(), times);
    for stored in read {
        assert_eq!(journal.get(stored.position).await.unwrap(), Some(stored));
    }
}

#[tokio::test]
async fn a_gap_wider_than_a_page_is_read_across() {
    let folder = folder().await;
    let journal = open(&folder.path()).await.unwrap();
    journal.append(&line(&terminal("w01"), 1, 20, None), &at("w01", 0)).await.unwrap();
    for sequence in 3..=15 {
        folder.lose(sequence).await;
    }
    let mut cursor = journal.open(1).await.unwrap();
    let mut read = Vec::new();
    while read.last() != Some(&20) {
        let page = cursor.next(2, Duration::ZERO).await.unwrap();
        assert!((1..=2).contains(&page.len()));
        read.extend(page.iter().map(|it| it.position));
    }
    assert_eq!(read, [1, 2, 16, 17, 18, 19, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_file_is_waited_for_and_then_unavailable() {
    let folder = folder().await;
    let journal = Arc::new(open(&folder.path()).await.unwrap());
    let messages = line(&terminal("w01"), 1, 2, None);

    let mut other = raw(&folder.path()).await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let waiting = tokio::spawn({
        let (journal, message) = (Arc::clone(&journal), messages[0].clone());
        async move { journal.append(&[message], &at("w01", 0)).await }
    });
    // Readers go on meanwhile.
    assert_eq!(journal.state().await.unwrap().last, 0);
    lock.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), [1]);

    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = journal.append(&messages[1..], &at("w01", 1)).await;
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    lock.rollback().await.unwrap();
    assert_eq!(journal.append(&messages[1..], &at("w01", 1)).await.unwrap(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_given_up_in_the_middle_leaves_no_lock_and_no_half() {
    let folder = folder().await;
    let journal = Arc::new(open(&folder.path()).await.unwrap());
    let subject = terminal("w01");
    let mut last = 0;
    for round in 0..50_u64 {
        let end = head_or_start(&*journal, &subject).await.unwrap();
        assert!(end.last == last || end.last == last + 20, "all or none: {end:?}");
        last = end.last;
        let messages = line(&subject, end.next_number, 20, end.previous);
        let expected = at("w01", last);
        let limit = Duration::from_micros(round * 100);
        if let Ok(answer) = tokio::time::timeout(limit, journal.append(&messages, &expected)).await
        {
            last = *answer.unwrap().last().unwrap();
        } else {
            // Repeated until it is answered, as every writer does.
            last = *journal.append(&messages, &expected).await.unwrap().last().unwrap();
        }
    }
    assert_eq!(last, 1_000);
}

#[tokio::test]
async fn heads_and_pages_are_found_without_reading_the_whole_file() {
    let folder = folder().await;
    open(&folder.path()).await.unwrap().close().await;
    let mut file = raw(&folder.path()).await;
    for (name, sql) in [
        ("following", include_str!("../../queries/journal/following.sql")),
        ("get", include_str!("../../queries/journal/get.sql")),
        ("head", include_str!("../../queries/journal/head.sql")),
        ("heads", include_str!("../../queries/journal/heads.sql")),
        ("first", include_str!("../../queries/journal/first.sql")),
        ("page", include_str!("../../queries/journal/page.sql")),
    ] {
        let sql = format!("explain query plan {sql}");
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut file).await.unwrap();
        let steps: Vec<_> = plan.into_iter().map(|it| it.3).collect();
        assert!(
            !steps.iter().any(|it| it.contains("TEMP B-TREE") && name != "heads"),
            "{name}: {steps:?}"
        );
        assert!(!steps.iter().any(|it| it.starts_with("SCAN journal")), "{name}: {steps:?}");
    }
}

/// Name of the variable that turns this program into a writer: `path terminal`.
const CHILD: &str = "ZHOUBAO_TEST_JOURNAL_WRITER";

/// Not a test of its own: the process that the tests below start and kill. It appends to one line for ever and
/// says `sequence hash` of each message when it is acknowledged.
#[tokio::test]
async fn writer_process() {
    let Ok(job) = std::env::var(CHILD) else { return };
    let (path, name) = job.split_once(' ').unwrap();
    let journal = open(Path::new(path)).await.unwrap();
    let subject = terminal(name);
    let mut end = head_or_start(&journal, &subject).await.unwrap();
    loop {
        let messages = line(&subject, end.next_number, 1 + end.next_number % 5, end.previous);
        let appended = append_in_order(&journal, &subject, &messages, end.last).await;
        let mut out = std::io::stdout().lock();
        for (sequence, message) in appended.sequences.iter().zip(&messages) {
            writeln!(out, "ack {sequence} {}", hash(message)).unwrap();
        }
        out.flush().unwrap();
        if let Some(error) = appended.stopped {
            writeln!(out, "stopped {error:?}").unwrap();
            return;
        }
        drop(out);
        end.next_number += messages.len() as u64;
        end.previous = messages.last().map(hash);
        end.last = appended.sequences.last().copied().unwrap();
    }
}

/// A writer that ends with the test.
struct Writer(Child);

impl Writer {
    /// Starts one; `prelude` is shell to run before it.
    fn start(path: &Path, name: &str, prelude: &str) -> Self {
        let test = "journal::writer_process";
        let program = std::env::current_exe().unwrap();
        let child = Command::new("sh")
            .args(["-c", &format!("{prelude} exec \"$0\" \"$@\"")])
            .arg(program)
            .args([test, "--exact", "--nocapture"])
            .env(CHILD, format!("{} {name}", path.display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Its acknowledgements: the first `count`, or all until it ends.
    fn acknowledged(&mut self, count: usize) -> Vec<(u64, String)> {
        let out = BufReader::new(self.0.stdout.as_mut().unwrap());
        // The test harness writes before the first and after the last line.
        out.lines()
            .map_while(Result::ok)
            .filter_map(|line| {
                let (sequence, hash) = line[line.find("ack ")? + 4..].split_once(' ')?;
                Some((sequence.parse().ok()?, hash.to_owned()))
            })
            .take(count)
            .collect()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn assert_stored(journal: &SqliteJournal, acknowledged: &[(u64, String)]) {
    for (sequence, known) in acknowledged {
        let stored = journal.get(*sequence).await.unwrap().map(|it| hash(&it.message).to_string());
        assert_eq!(stored.as_ref(), Some(known), "acknowledged at {sequence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_killed_at_any_time_lose_nothing_acknowledged() {
    let folder = folder().await;
    let path = folder.path();
    let mut all = Vec::new();
    for round in 0..6 {
        let mut writers = ["w01", "w02"].map(|it| Writer::start(&path, it, ""));
        for writer in &mut writers {
            let acknowledged = writer.acknowledged(40 + 25 * round);
            assert!(!acknowledged.is_empty(), "the writer writes");
            all.extend(acknowledged);
        }
        // Dropping kills both in the middle of whatever they do.
    }
    let journal = Arc::new(open(&path).await.unwrap());
    assert_stored(&journal, &all).await;
    let last = journal.state().await.unwrap().last;
    let mut follower = Follower::new(journal, None);
    let mut seen = 0;
    while seen < last {
        seen +=
            follower.next_page(1_000, Duration::from_secs(10)).await.unwrap().messages.len() as u64;
    }
    assert!(last >= all.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_writer_and_loses_nothing_acknowledged() {
    let folder = folder().await;
    let path = folder.path();
    open(&path).await.unwrap().close().await;
    // No file of this process may grow beyond 600 KB: a write fails as on a full disk.
    let mut writer = Writer::start(&path, "w01", "trap '' XFSZ; ulimit -f 1200;");
    let acknowledged = writer.acknowledged(usize::MAX);
    assert!(acknowledged.len() > 100, "{} written before", acknowledged.len());
    drop(writer);
    let journal = open(&path).await.unwrap();
    assert_stored(&journal, &acknowledged).await;
    let end = head_or_start(&journal, &terminal("w01")).await.unwrap();
    assert_eq!(acknowledged.last().map(|it| it.0), Some(end.last), "and nothing else is stored");
    let next = line(&terminal("w01"), end.next_number, 1, end.previous);
    journal.append(&next, &at("w01", end.last)).await.unwrap();
}
