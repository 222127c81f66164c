//! What needs a look inside: a full disk, a held lock, the plans of statements.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tempfile::TempDir;
use zhoubao_application::store::{Commit, Epoch, ReadModels as _, StoreError};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Digest, HallCode};
use zhoubao_projections::rows::{Changes, Checkpoint, Counts, ExceptionRow, Standing};

use super::{Settings, SqliteReadModels};

fn hall() -> HallCode {
    "510000".parse().unwrap()
}

async fn store(dir: &TempDir) -> SqliteReadModels {
    SqliteReadModels::open(dir.path().join("read.db")).await.unwrap()
}

/// About 4 MB of rows.
fn much() -> Changes {
    let exceptions = (1..=1_000).map(|position| ExceptionRow {
        position,
        stream: "terminal.w01".to_owned(),
        number: position,
        standing: Standing::Flagged,
        code: Code::NotAuthorised,
        detail: "x".repeat(4_000),
        settled: None,
    });
    Changes { exceptions: exceptions.collect(), ..Changes::default() }
}

async fn commit(
    store: &SqliteReadModels,
    epoch: Epoch,
    changes: &Changes,
) -> Result<(), StoreError> {
    let to = Checkpoint {
        incarnation: "test".to_owned(),
        sequence: 1_000,
        hash: Digest::new([1; 32]),
        counts: Counts::default(),
    };
    store.prepare(&hall(), changes.clone()).commit(Commit { epoch, from: 0, to: &to }).await
}

async fn given_a_failed_commit_when_it_is_tried_again_then_it_is_written(
    store: &SqliteReadModels,
    epoch: Epoch,
) {
    assert_eq!(store.checkpoint(&hall()).await.unwrap(), None);
    assert!(store.exceptions(&hall(), false).await.unwrap().is_empty());
    commit(store, epoch, &much()).await.unwrap();
    assert_eq!(store.exceptions(&hall(), false).await.unwrap().len(), 1_000);
}

#[tokio::test]
async fn given_a_full_disk_when_committing_then_nothing_is_written_and_it_can_be_tried_again() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir).await;
    let epoch = store.claim(&hall()).await.unwrap();
    {
        // The limit is the connection's, which is closed after the error: as if space had been made.
        // Until it is closed it may hold the lock: the next commit waits for it as the product does.
        let mut writer = store.writer.acquire().await.unwrap();
        let limit = "pragma max_page_count = 100";
        let pages: i64 = sqlx::query_scalar(limit).fetch_one(&mut *writer).await.unwrap();
        assert_eq!(pages, 100);
    }
    let refused = commit(&store, epoch, &much()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    given_a_failed_commit_when_it_is_tried_again_then_it_is_written(&store, epoch).await;
}

#[tokio::test]
async fn given_a_held_lock_when_committing_then_nothing_is_written_and_it_can_be_tried_again() {
    let dir = TempDir::new().unwrap();
    let settings = Settings {
        busy_max: Duration::from_millis(20),
        ..Settings::new(dir.path().join("read.db"))
    };
    let store = SqliteReadModels::open_with(settings).await.unwrap();
    let epoch = store.claim(&hall()).await.unwrap();
    let address = format!("sqlite://{}", store.path().display());
    let mut other = sqlx::SqliteConnection::connect(&address).await.unwrap();
    let held = other.begin_with("begin immediate").await.unwrap();
    let refused = commit(&store, epoch, &much()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(matches!(store.claim(&hall()).await, Err(StoreError::Unavailable(_))));
    held.rollback().await.unwrap();
    given_a_failed_commit_when_it_is_tried_again_then_it_is_written(&store, epoch).await;
}

#[tokio::test]
async fn given_a_commit_when_its_future_is_dropped_then_the_store_stays_usable() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir).await;
    let epoch = store.claim(&hall()).await.unwrap();
    let changes = much();
    for polls in 1..30 {
        let mut committing = Box::pin(commit(&store, epoch, &changes));
        let mut left = polls;
        let done = std::future::poll_fn(|context| {
            left -= 1;
            match committing.as_mut().poll(context) {
                std::task::Poll::Ready(done) => std::task::Poll::Ready(Some(done)),
                std::task::Poll::Pending if left == 0 => std::task::Poll::Ready(None),
                std::task::Poll::Pending => std::task::Poll::Pending,
            }
        })
        .await;
        drop(committing);
        // Whatever became of it, rows and checkpoint belong together.
        let rows = store.exceptions(&hall(), false).await.unwrap().len();
        let checkpoint = store.checkpoint(&hall()).await.unwrap();
        assert!(
            matches!((rows, &checkpoint), (0, None) | (1_000, Some(_))),
            "{rows} {checkpoint:?}"
        );
        if done.is_some() || checkpoint.is_some() {
            return;
        }
    }
}

/// A statement that walks a whole table is fast in every test and slow in every hall.
#[tokio::test]
async fn given_any_statement_when_planned_then_it_searches_by_more_than_the_hall() {
    macro_rules! statements {
        ($($name:literal),+ $(,)?) => {
            [$(($name, include_str!(concat!("../../queries/read/", $name, ".sql")))),+]
        };
    }
    let statements = statements![
        "adjustments",
        "amendments_of",
        "case",
        "cases_known",
        "checkpoint",
        "checkpoint_advance",
        "command",
        "day_closes",
        "dump/adjustment",
        "dump/amendment",
        "dump/case_file",
        "dump/day_close",
        "dump/exception",
        "dump/fact",
        "dump/figure",
        "dump/head",
        "dump/segment",
        "dump/tally",
        "exception_settle",
        "figure_clear",
        "figures",
        "heads",
        "page_put",
        "positions_of",
        "segments",
        "segments_of",
        "tallies",
    ];
    let dir = TempDir::new().unwrap();
    let store = store(&dir).await;
    // An insert has its own key to search by.
    let searching = statements
        .iter()
        .flat_map(|(name, all)| all.split_terminator(";\n").map(move |it| (name, it)))
        .filter(|(_, it)| !it.contains("insert into"));
    for (name, sql) in searching {
        let rows = sqlx::query(AssertSqlSafe(format!("explain query plan\n{sql}")))
            .fetch_all(&store.writer)
            .await
            .unwrap();
        let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let mut searches = 0;
        for step in &steps {
            let walks = step.contains("(hall=?)") && !step.contains("tally_of_nothing");
            let scans = step.starts_with("SCAN ")
                && !["jsonb_each", "json_each", "asked", "by ", "found"]
                    .iter()
                    .any(|it| step.contains(it));
            assert!(!walks && !scans, "{name}: {steps:#?}");
            searches += usize::from(step.starts_with("SEARCH "));
        }
        assert!(searches > 0, "{name}: {steps:#?}");
    }
}
