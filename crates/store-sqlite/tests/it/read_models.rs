//! The read models in a file: the suite of the port, then what is particular to files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use zhoubao_application::store::{Commit, ReadModels, StoreError};
use zhoubao_conformance::store::{History, OTHER_HALL, Pages, StoreFactory, dump, hall, project};
use zhoubao_conformance::store_conformance;
use zhoubao_domain::id::Digest;
use zhoubao_projections::rows::{Changes, Checkpoint, Counts};
use zhoubao_store_sqlite::read_models::SqliteReadModels;

/// Files in one folder, one for each store.
struct Files {
    dir: TempDir,
    made: Mutex<u32>,
}

impl Files {
    fn path(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("read-{number}.db"))
    }
}

async fn files() -> Files {
    Files { dir: TempDir::new().unwrap(), made: Mutex::new(0) }
}

#[async_trait]
impl StoreFactory for Files {
    async fn fresh(&self) -> Arc<dyn ReadModels> {
        let number = {
            let mut made = self.made.lock().unwrap();
            *made += 1;
            *made
        };
        Arc::new(SqliteReadModels::open(self.path(number)).await.unwrap())
    }

    async fn reopen(&self) -> Arc<dyn ReadModels> {
        let number = *self.made.lock().unwrap();
        Arc::new(SqliteReadModels::open(self.path(number)).await.unwrap())
    }
}

store_conformance!(files);

// --- A second copy, and its swap ---

fn week() -> History {
    History::typical(&hall(), 21, 200)
}

fn longer_week() -> History {
    History::typical(&hall(), 22, 260)
}

async fn built(store: &SqliteReadModels, history: &History) -> Vec<String> {
    project(store, history, Pages { size: 50, restarts: false }).await;
    dump(store, &hall(), 1_000).await
}

async fn rows_of(path: &Path) -> Vec<String> {
    let store = SqliteReadModels::open(path).await.unwrap();
    let rows = dump(&store, &hall(), 1_000).await;
    store.close().await;
    rows
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Copies file and log as a process leaves them that was killed.
fn copy_as_killed(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        fs::copy(beside(from, suffix), beside(to, suffix)).unwrap();
    }
    assert!(fs::metadata(beside(to, "-wal")).unwrap().len() > 0, "there is a log to fall for");
}

#[tokio::test]
async fn given_a_rebuilt_copy_when_it_replaces_the_live_one_then_its_rows_are_there() {
    let dir = TempDir::new().unwrap();
    let (elsewhere, live) = (dir.path().join("killed.db"), dir.path().join("read.db"));
    let killed = SqliteReadModels::open(&elsewhere).await.unwrap();
    let old_rows = built(&killed, &week()).await;
    copy_as_killed(&elsewhere, &live);

    // What an earlier rebuild has left is not built upon.
    fs::write(SqliteReadModels::rebuild_path(&live), "left over").unwrap();
    let new = SqliteReadModels::open_rebuild(&live).await.unwrap();
    assert_eq!(new.path(), SqliteReadModels::rebuild_path(&live));
    let new_rows = built(&new, &longer_week()).await;
    assert_ne!(old_rows, new_rows);
    new.close().await;

    SqliteReadModels::replace(&live, new.path()).await.unwrap();
    assert!(!new.path().exists() && !beside(&live, "-wal").exists());
    assert_eq!(rows_of(&live).await, new_rows);
}

#[tokio::test]
async fn given_an_open_live_copy_when_it_would_be_replaced_then_it_stays() {
    let dir = TempDir::new().unwrap();
    let live = dir.path().join("read.db");
    let store = SqliteReadModels::open(&live).await.unwrap();
    let rows = built(&store, &week()).await;
    let new = SqliteReadModels::open_rebuild(&live).await.unwrap();
    new.close().await;
    let refused = SqliteReadModels::replace(&live, new.path()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!(dump(&store, &hall(), 1_000).await, rows);
    // Who is about to let go of it is waited for.
    let letting_go = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        store.close().await;
    };
    let (replaced, ()) = tokio::join!(SqliteReadModels::replace(&live, new.path()), letting_go);
    replaced.unwrap();
    assert!(rows_of(&live).await.is_empty());
}

#[tokio::test]
async fn given_a_damaged_live_copy_when_replaced_then_neither_it_nor_its_log_is_seen_again() {
    let dir = TempDir::new().unwrap();
    let live = dir.path().join("read.db");
    let elsewhere = dir.path().join("killed.db");
    let killed = SqliteReadModels::open(&elsewhere).await.unwrap();
    built(&killed, &week()).await;
    for damage in ["garbage", "gone"] {
        copy_as_killed(&elsewhere, &live);
        if damage == "gone" {
            fs::remove_file(&live).unwrap();
        } else {
            fs::write(&live, "no database at all, but long enough to look at".repeat(100)).unwrap();
            fs::remove_file(beside(&live, "-wal")).unwrap();
        }
        let new = SqliteReadModels::open_rebuild(&live).await.unwrap();
        let rows = built(&new, &longer_week()).await;
        new.close().await;
        SqliteReadModels::replace(&live, new.path()).await.unwrap();
        assert_eq!(rows_of(&live).await, rows, "{damage}");
    }
}

#[tokio::test]
async fn given_a_log_without_its_file_when_opened_then_it_is_not_applied() {
    let dir = TempDir::new().unwrap();
    let (elsewhere, live) = (dir.path().join("killed.db"), dir.path().join("read.db"));
    let killed = SqliteReadModels::open(&elsewhere).await.unwrap();
    built(&killed, &week()).await;
    copy_as_killed(&elsewhere, &live);
    fs::remove_file(&live).unwrap();
    assert!(rows_of(&live).await.is_empty());
}

#[tokio::test]
async fn given_a_damaged_new_copy_when_it_would_replace_then_the_live_one_stays() {
    let dir = TempDir::new().unwrap();
    let live = dir.path().join("read.db");
    let store = SqliteReadModels::open(&live).await.unwrap();
    let rows = built(&store, &week()).await;
    store.close().await;
    let new = SqliteReadModels::open_rebuild(&live).await.unwrap();
    built(&new, &longer_week()).await;
    new.close().await;
    let mut bytes = fs::read(new.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0x5a);
    fs::write(new.path(), bytes).unwrap();
    let refused = SqliteReadModels::replace(&live, new.path()).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    assert_eq!(rows_of(&live).await, rows);
}

// --- Files that are not ours, halls that go ---

#[tokio::test]
async fn given_a_strange_file_when_opened_then_it_is_refused_and_left_as_it_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("read.db");
    let text = "no database at all, but long enough to look at".repeat(100);
    fs::write(&path, &text).unwrap();
    let refused = SqliteReadModels::open(&path).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let nowhere = SqliteReadModels::open(dir.path().join("no/such/folder/read.db")).await;
    assert!(matches!(nowhere, Err(StoreError::Unavailable(_))), "{nowhere:?}");
}

#[tokio::test]
async fn given_read_models_of_a_newer_program_when_opened_then_they_are_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("read.db");
    SqliteReadModels::open(&path).await.unwrap().close().await;
    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query("update _sqlx_migrations set version = version + 1")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    let refused = SqliteReadModels::open(&path).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_new_file_when_many_open_it_at_once_then_all_can_use_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("read.db");
    let opening: Vec<_> =
        (0..6).map(|_| tokio::spawn(SqliteReadModels::open(path.clone()))).collect();
    let mut epochs = BTreeSet::new();
    for opened in opening {
        let store = opened.await.unwrap().unwrap();
        epochs.insert(store.claim(&hall()).await.unwrap());
    }
    assert_eq!(epochs.len(), 6, "every claim is another");
}

#[tokio::test]
async fn given_a_hall_when_removed_then_only_its_rows_go_and_its_projector_is_fenced() {
    let dir = TempDir::new().unwrap();
    let store = SqliteReadModels::open(dir.path().join("read.db")).await.unwrap();
    let other = OTHER_HALL.parse().unwrap();
    let pages = Pages { size: 50, restarts: false };
    let rows = built(&store, &week()).await;
    project(&store, &History::typical(&other, 23, 100), pages).await;
    let rows_of_other = dump(&store, &other, 1_000).await;
    let epoch = store.claim(&hall()).await.unwrap();
    store.remove_hall(&hall()).await.unwrap();
    assert!(dump(&store, &hall(), 1_000).await.is_empty());
    assert_eq!(dump(&store, &other, 1_000).await, rows_of_other);
    let to = Checkpoint {
        incarnation: "test".to_owned(),
        sequence: 1,
        hash: Digest::new([1; 32]),
        counts: Counts::default(),
    };
    let page = store.prepare(&hall(), Changes::default());
    let refused = page.commit(Commit { epoch, from: 0, to: &to }).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert_eq!(built(&store, &week()).await, rows, "folded again");
}
