//! A journal in a file, made again from a copy.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use zhoubao_application::clock::FixedClock;
use zhoubao_application::journal::{Expectation, Incarnation, Journal, JournalError};
use zhoubao_conformance::journal::{event, hall, line, terminal};
use zhoubao_contract::Stored;
use zhoubao_domain::code::Code;
use zhoubao_store_sqlite::journal::{Settings, SqliteJournal};
use zhoubao_store_sqlite::restore::RestoredFile;

fn incarnation() -> Incarnation {
    Incarnation("1f2e".to_owned())
}

async fn open(path: &Path, clock: &Arc<FixedClock>) -> SqliteJournal {
    let settings = Settings {
        path: path.to_owned(),
        hall: hall(),
        incarnation_if_new: incarnation(),
        quick_check: true,
    };
    SqliteJournal::open(settings, clock.clone()).await.unwrap()
}

async fn begin(path: &Path) -> Result<RestoredFile, JournalError> {
    RestoredFile::begin(path.to_owned(), &hall(), &incarnation(), Timestamp::UNIX_EPOCH).await
}

async fn everything(journal: &SqliteJournal) -> Vec<Stored> {
    let mut cursor = Journal::open(journal, 1).await.unwrap();
    cursor.next(10_000, std::time::Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn every_message_is_at_its_place_with_its_time_and_a_cut_restore_leaves_no_journal() {
    let clock = Arc::new(FixedClock::new("2023-02-06T01:00:00.123456Z".parse().unwrap()));
    let dir = TempDir::new().unwrap();
    let first = open(&dir.path().join("first.db"), &clock).await;
    let (one, two) = (terminal("w01"), terminal("w02"));
    let at = |subject, last| Expectation { subject, last };
    first.append(&line(&one, 1, 150, None), &[at(one.clone(), 0)]).await.unwrap();
    clock.advance(SignedDuration::from_micros(1));
    let mut binary = event(&two, 1, None, "{}");
    binary.body = vec![0xff, 0x00];
    first.append(&[binary], &[at(two.clone(), 0)]).await.unwrap();
    let before = everything(&first).await;
    assert_eq!(before.len(), 151);

    let path = dir.path().join("journal.db");
    let mut cut = begin(&path).await.unwrap();
    cut.push(&before[..100]).await.unwrap();
    drop(cut);
    assert!(!path.exists());
    let mut restored = begin(&path).await.unwrap();
    restored.push(&before[..70]).await.unwrap();
    assert!(restored.push(&before[71..]).await.is_err(), "one is missing");
    restored.push(&before[70..]).await.unwrap();
    restored.finish().await.unwrap();
    assert!(!dir.path().join("journal.db.restore").exists());

    clock.set("2023-03-01T01:00:00Z".parse().unwrap());
    let again = open(&path, &clock).await;
    assert_eq!(again.state().await.unwrap(), first.state().await.unwrap());
    assert_eq!(everything(&again).await, before);
    let next = event(&two, 2, None, "{}");
    assert_eq!(again.append(&[next], &[at(two, 151)]).await.unwrap(), [152]);
}

#[tokio::test]
async fn a_journal_that_is_there_or_its_log_is_left_alone() {
    let clock = Arc::new(FixedClock::new(Timestamp::UNIX_EPOCH));
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("journal.db");
    let refused = |done: Result<RestoredFile, JournalError>| {
        matches!(done, Err(JournalError::Unsafe { code: Code::OtherJournal, .. }))
    };
    open(&path, &clock).await.close().await;
    let bytes = std::fs::read(&path).unwrap();
    assert!(refused(begin(&path).await), "even an empty one");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    // Made while another is restored.
    let other = dir.path().join("other.db");
    let restored = begin(&other).await.unwrap();
    open(&other, &clock).await.close().await;
    assert!(restored.finish().await.is_err());
    std::fs::remove_file(&path).unwrap();
    std::fs::write(dir.path().join("journal.db-wal"), b"frames").unwrap();
    assert!(refused(begin(&path).await), "the log would be played into the new file");
}
