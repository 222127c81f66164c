//! The ledger of a terminal: numbers and chain, what nobody may change, strangers, damage.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _};
use tempfile::TempDir;
use zhoubao_conformance::journal::hall;
use zhoubao_contract::structured::{Incoming, parse};
use zhoubao_contract::{Stored, decode, hash};
use zhoubao_domain::code::Code;
use zhoubao_store_sqlite::ledger::{
    ClockNotes, Contact, Entry, Jump, Ledger, LedgerError, Recorded, Settings, Stamp,
};

fn settings(path: &Path, terminal: &str) -> Settings {
    Settings {
        path: path.to_owned(),
        hall: hall(),
        terminal: terminal.parse().unwrap(),
        now: Timestamp::UNIX_EPOCH,
    }
}

async fn open(path: &Path) -> Ledger {
    Ledger::open(settings(path, "w01")).await.unwrap()
}

fn stamp() -> Stamp {
    Stamp { wall: "2023-02-06T01:10:05Z".parse().unwrap(), monotonic_us: 7, boot: "b".to_owned() }
}

fn event(people: u32, command: Option<&str>) -> Incoming {
    let command = command.map_or_else(String::new, |it| format!(r#""command":"{it}","#));
    let line = format!(
        r#"{{"source":"hall.{}.terminal.w01","type":"cn.zhoubao.Consulted.v1",{command}
            "time":"2023-02-06T09:10:00+08:00","data":{{"people":{people}}}}}"#,
        hall()
    );
    parse(&line, &hall()).unwrap()
}

fn numbers(answers: Vec<Result<Recorded, impl std::fmt::Debug>>) -> Vec<(u64, bool)> {
    answers.into_iter().map(|it| it.unwrap()).map(|it| (it.number, it.repeated)).collect()
}

#[tokio::test]
async fn given_events_when_recorded_then_they_are_numbered_and_chained_whatever_is_restarted() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = open(&path).await;
    assert_eq!(ledger.standing().await.unwrap().recorded, 0);
    let first = ledger.record(&[event(1, None), event(2, None)], &stamp()).await.unwrap();
    assert_eq!(numbers(first), [(1, false), (2, false)]);
    ledger.close().await;
    let ledger = open(&path).await;
    assert_eq!(numbers(ledger.record(&[event(3, None)], &stamp()).await.unwrap()), [(3, false)]);

    let entries = ledger.entries(0, u64::MAX, 10).await.unwrap();
    let mut previous = None;
    for (entry, people) in entries.iter().zip(1..) {
        let stored =
            Stored { position: 1, recorded_at: entry.wall, message: entry.message.clone() };
        let read = decode(&stored, &hall()).unwrap();
        assert_eq!(read.identity.number, people);
        assert_eq!(read.previous, previous);
        previous = Some(hash(&entry.message));
        assert_eq!(ledger.hash_of(people).await.unwrap(), previous);
        assert_eq!((entry.wall, entry.position), (stamp().wall, None));
    }
    assert_eq!(entries.len(), 3);
    assert_eq!(ledger.hash_of(4).await.unwrap(), None);
    let some = ledger.entries(1, 3, 1).await.unwrap();
    assert_eq!(some.iter().map(|it| it.number).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn given_a_command_when_it_comes_again_then_it_is_the_same_event_and_never_another() {
    let dir = TempDir::new().unwrap();
    let ledger = open(&dir.path().join("ledger.db")).await;
    // Within one transaction, too.
    let twice = [event(1, Some("k1")), event(1, Some("k1")), event(1, Some("k2")), event(1, None)];
    let answers = ledger.record(&twice, &stamp()).await.unwrap();
    assert_eq!(numbers(answers), [(1, false), (1, true), (2, false), (3, false)]);
    let answers = ledger
        .record(&[event(1, Some("k2")), event(9, Some("k1")), event(1, None)], &stamp())
        .await
        .unwrap();
    assert_eq!(answers[0], Ok(Recorded { number: 2, repeated: true }));
    assert_eq!(answers[1].as_ref().unwrap_err().code, Code::Fork);
    assert_eq!(answers[2], Ok(Recorded { number: 4, repeated: false }), "the others are recorded");
    // The same is told without recording anything.
    let known = async |people, command| ledger.known(&event(people, command)).await.unwrap();
    assert_eq!(known(1, Some("k2")).await, Some(Ok(Recorded { number: 2, repeated: true })));
    assert_eq!(known(9, Some("k1")).await.unwrap().unwrap_err().code, Code::Fork);
    assert_eq!((known(1, Some("k3")).await, known(1, None).await), (None, None));
    assert_eq!(ledger.standing().await.unwrap().recorded, 4);
}

#[tokio::test]
async fn given_a_command_when_it_comes_again_400_days_later_then_it_has_its_first_number() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = open(&path).await;
    let first = ledger.record(&[event(1, Some("k1")), event(2, Some("k2"))], &stamp()).await;
    assert_eq!(numbers(first.unwrap()), [(1, false), (2, false)]);
    let entries = ledger.entries(0, 2, 9).await.unwrap();
    ledger.mark_stored(0, &[11, 12]).await.unwrap();
    // The clock is an argument: 400 days, other events, and the device switched off and on.
    let later = Stamp {
        wall: stamp().wall + SignedDuration::from_hours(400 * 24),
        monotonic_us: 3,
        boot: "c".to_owned(),
    };
    let others: Vec<_> = (0..500).map(|it| event(1, Some(&format!("other-{it}")))).collect();
    ledger.record(&others, &later).await.unwrap();
    ledger.close().await;
    let ledger = open(&path).await;
    let again = [event(2, Some("k2")), event(1, Some("k1")), event(1, None)];
    let answers = ledger.record(&again, &later).await.unwrap();
    assert_eq!(numbers(answers), [(2, true), (1, true), (503, false)]);
    let answers = ledger.record(&[event(9, Some("k1"))], &later).await.unwrap();
    assert_eq!(answers[0].as_ref().unwrap_err().code, Code::Fork);
    assert_eq!(ledger.standing().await.unwrap().recorded, 503);
    let unchanged = ledger.entries(0, 2, 9).await.unwrap();
    let of = |entries: &[Entry]| -> Vec<_> {
        entries.iter().map(|it| (it.number, it.message.clone(), it.wall)).collect()
    };
    assert_eq!(of(&unchanged), of(&entries), "what was written first stays");
}

#[tokio::test]
async fn given_many_at_once_when_recorded_then_no_number_is_missing_or_given_twice() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    // Two programs on one file, which nobody intends.
    let ledgers = [Arc::new(open(&path).await), Arc::new(open(&path).await)];
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let ledger = ledgers[task % 2].clone();
            tokio::spawn(async move {
                let mut got = Vec::new();
                for _ in 0..10 {
                    got.extend(numbers(ledger.record(&[event(1, None)], &stamp()).await.unwrap()));
                }
                got
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap().into_iter().map(|(number, _)| number));
    }
    all.sort_unstable();
    assert_eq!(all, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn given_what_the_journal_has_when_noted_then_it_is_told_and_taken_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = open(&path).await;
    let events: Vec<_> = (0..5).map(|_| event(1, None)).collect();
    ledger.record(&events, &stamp()).await.unwrap();
    ledger.mark_stored(0, &[11, 12, 15, 19]).await.unwrap();
    assert_eq!(ledger.standing().await.unwrap().stored, Some((4, 19)));
    // The journal lost its tail.
    ledger.mark_head(Some((2, 12))).await.unwrap();
    ledger.mark_stopped(Some((Code::Fork, 2))).await.unwrap();
    ledger.close().await;
    let ledger = open(&path).await;
    let standing = ledger.standing().await.unwrap();
    assert_eq!(standing.stored, Some((2, 12)));
    assert_eq!(standing.stopped, Some((Code::Fork, 2)));
    let positions = async || {
        let entries = ledger.entries(0, 9, 9).await.unwrap();
        entries.into_iter().map(|it| it.position).collect::<Vec<_>>()
    };
    assert_eq!(positions().await, [Some(11), Some(12), None, None, None]);
    ledger.mark_head(None).await.unwrap();
    ledger.mark_stopped(None).await.unwrap();
    assert_eq!(positions().await, [None; 5]);
    let standing = ledger.standing().await.unwrap();
    assert_eq!((standing.recorded, standing.stored, standing.stopped), (5, None, None));
}

#[tokio::test]
async fn given_what_is_known_of_the_clock_when_opened_again_then_it_is_there() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = open(&path).await;
    assert_eq!(ledger.clock().await.unwrap(), ClockNotes::default());
    assert_eq!(ledger.last_stamp().await.unwrap(), None);
    ledger.record(&[event(1, None)], &stamp()).await.unwrap();
    assert_eq!(ledger.last_stamp().await.unwrap(), Some(stamp()));
    let jump = Jump { by_us: -3_600_000_000, number: 1 };
    ledger.note_jump(jump).await.unwrap();
    let server = "2023-02-06T01:09:05Z".parse().unwrap();
    let contact = Contact { server, at: stamp(), uncertainty_us: 250 };
    let reopen = async |ledger: Ledger| {
        ledger.close().await;
        open(&path).await
    };
    let ledger = reopen(ledger).await;
    assert_eq!(ledger.clock().await.unwrap(), ClockNotes { contact: None, jump: Some(jump) });
    ledger.note_contact(&contact).await.unwrap();
    let ledger = reopen(ledger).await;
    let known = ClockNotes { contact: Some(contact), jump: None };
    assert_eq!(ledger.clock().await.unwrap(), known, "a contact makes the jump before it void");
    ledger.note_jump(jump).await.unwrap();
    let ledger = reopen(ledger).await;
    assert_eq!(ledger.clock().await.unwrap(), ClockNotes { jump: Some(jump), ..known });
}

#[tokio::test]
async fn given_a_ledger_of_the_first_version_when_opened_then_it_goes_on() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let mut raw = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    let first = sqlx::migrate::Migrator::with_migrations(
        sqlx::migrate!("migrations/ledger").iter().take(1).cloned().collect(),
    );
    first.run_direct(None, &mut raw, false).await.unwrap();
    drop(raw);
    let ledger = open(&path).await;
    assert_eq!(numbers(ledger.record(&[event(1, None)], &stamp()).await.unwrap()), [(1, false)]);
    assert_eq!(ledger.clock().await.unwrap(), ClockNotes::default());
}

#[tokio::test]
async fn given_a_ledger_when_somebody_would_change_it_then_the_file_refuses() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = open(&path).await;
    ledger.record(&[event(1, None), event(2, None)], &stamp()).await.unwrap();
    ledger.close().await;
    let mut raw = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    for statement in [
        "delete from ledger where number = 2",
        "update ledger set body = x'00' where number = 1",
        "update ledger set headers = '' where number = 1",
        "update ledger set hash = zeroblob(32)",
        "update ledger set wall = 0",
        "insert into ledger select 4, headers, body, hash, null, wall, monotonic, boot, null from ledger where number = 1",
        "update ledger_identity set terminal = 'w02'",
        "delete from ledger_identity",
    ] {
        assert!(raw.execute(statement).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn given_another_file_when_opened_then_it_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    open(&path).await.close().await;
    let refused = Ledger::open(settings(&path, "w02")).await.err().unwrap();
    assert!(matches!(&refused, LedgerError::Foreign { .. }), "{refused:?}");
    assert!(refused.to_string().contains("terminal w01"), "{refused}");

    let other = dir.path().join("other.db");
    let mut raw = SqliteConnectOptions::new()
        .filename(&other)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    raw.execute("create table mine (a)").await.unwrap();
    drop(raw);
    let refused = Ledger::open(settings(&other, "w01")).await.err().unwrap();
    assert!(matches!(refused, LedgerError::Foreign { .. }), "{refused:?}");

    let text = dir.path().join("text.db");
    let words = "not a database, but long enough to be looked at as one: ".repeat(20);
    std::fs::write(&text, &words).unwrap();
    let refused = Ledger::open(settings(&text, "w01")).await.err().unwrap();
    assert!(matches!(refused, LedgerError::Damaged { .. }), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&text).unwrap(), words);
}

/// Every file of the folder with what is in it, but for the index that SQLite makes to share a file.
fn contents(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> = files.filter(|it| !it.to_str().unwrap().ends_with("-shm")).collect();
    files.sort();
    let read = |it: std::path::PathBuf| (it.clone(), std::fs::read(it).unwrap());
    files.into_iter().map(read).filter(|(_, bytes)| !bytes.is_empty()).collect()
}

#[tokio::test]
async fn given_a_ledger_when_opened_to_read_then_it_is_read_and_nothing_can_be_written() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let missing = Ledger::open_to_read(settings(&path, "w01")).await.err().unwrap();
    assert!(matches!(missing, LedgerError::Unavailable { .. }), "{missing:?}");
    assert!(!path.exists(), "it was made");
    let agent = open(&path).await;
    agent.record(&[event(1, None), event(2, None)], &stamp()).await.unwrap();
    // While the agent runs, and after it has ended.
    for agent in [Some(agent), None] {
        let before = contents(dir.path());
        let read = Ledger::open_to_read(settings(&path, "w01")).await.unwrap();
        assert_eq!(read.standing().await.unwrap().recorded, 2);
        assert_eq!(read.entries(0, 9, 9).await.unwrap().len(), 2);
        let refused = read.record(&[event(3, None)], &stamp()).await;
        assert!(matches!(refused, Err(LedgerError::Unavailable { .. })), "{refused:?}");
        // The connection that is opened after an error writes no more than the first.
        let refused = read.record(&[event(3, None)], &stamp()).await;
        assert!(matches!(refused, Err(LedgerError::Unavailable { .. })), "{refused:?}");
        assert_eq!(read.standing().await.unwrap().recorded, 2);
        read.close().await;
        assert_eq!(contents(dir.path()), before);
        if let Some(agent) = agent {
            agent.close().await;
        }
    }
    let other = Ledger::open_to_read(settings(&path, "w02")).await.err().unwrap();
    assert!(other.to_string().contains("terminal w01"), "{other}");
}

#[tokio::test]
async fn given_a_ledger_of_another_version_when_opened_to_read_then_it_is_told_and_left_so() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    open(&path).await.close().await;
    let raw = async |statement: &'static str| {
        let mut raw = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        raw.execute(statement).await.unwrap();
        sqlx::Connection::close(raw).await.unwrap();
    };
    raw("create table kept as select * from _sqlx_migrations;
         delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)")
    .await;
    let before = contents(dir.path());
    let older = Ledger::open_to_read(settings(&path, "w01")).await.err().unwrap();
    assert!(matches!(older, LedgerError::Older { .. }), "{older:?}");
    assert_eq!(contents(dir.path()), before);
    raw("delete from _sqlx_migrations; insert into _sqlx_migrations select * from kept;
         update _sqlx_migrations set version = 99990101000000
          where version = (select max(version) from _sqlx_migrations)")
    .await;
    let newer = Ledger::open_to_read(settings(&path, "w01")).await.err().unwrap();
    assert!(newer.to_string().contains("newer version"), "{newer}");
}

#[tokio::test]
async fn given_a_damaged_page_when_opened_then_it_is_said_and_nothing_is_recorded() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = open(&path).await;
    let events: Vec<_> = (0..200).map(|_| event(1, None)).collect();
    ledger.record(&events, &stamp()).await.unwrap();
    ledger.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let refused = Ledger::open(settings(&path, "w01")).await.err().unwrap();
    assert!(matches!(refused, LedgerError::Damaged { .. }), "{refused:?}");
}

#[tokio::test]
async fn given_a_file_that_has_vanished_when_recorded_then_no_new_one_begins_at_number_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("ledger.db");
    let ledger = open(&path).await;
    ledger.record(&[event(1, None)], &stamp()).await.unwrap();
    ledger.close().await;
    for beside in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("ledger.db{beside}")));
    }
    let refused = ledger.record(&[event(1, None)], &stamp()).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable { .. })), "{refused:?}");
    assert!(!path.exists());
}
