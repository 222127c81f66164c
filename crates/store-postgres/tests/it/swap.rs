//! A rebuilt copy takes the place of the live one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use zhoubao_application::store::{Commit, ReadModels as _, StoreError};
use zhoubao_domain::figure::TallyValue;
use zhoubao_domain::id::HallCode;
use zhoubao_projections::rows::Checkpoint;
use zhoubao_store_postgres::{PostgresReadModels, SCHEMA, SwapError};
use zhoubao_test_support::{Postgres, eventually};

use crate::{commit, everything, hall, page};

const COPY: &str = "zhoubao_rebuild";

/// Longest wait for a condition; the machine may be busy compiling.
const LIMIT: Duration = Duration::from_secs(120);

async fn database() -> String {
    Postgres::shared().await.unwrap().create_database().await.unwrap()
}

/// Commits pages up to `last`, each with an amount that tells the copies apart.
async fn fill(store: &PostgresReadModels, hall: &HallCode, last: u64, amount: i64) {
    let epoch = store.claim(hall).await.unwrap();
    let from = store.checkpoint(hall).await.unwrap().map_or(0, |it| it.sequence);
    for at in from + 1..=last {
        let (to, changes) = page(at, amount);
        // Copies of different journals may take each other's place in both directions.
        let to = Checkpoint { incarnation: format!("journal of {amount}"), ..to };
        let commit = Commit { epoch, from: at - 1, to: &to };
        store.prepare(hall, changes).commit(commit).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_busy_readers_when_copies_are_swapped_then_each_sees_one_copy_whole()
-> anyhow::Result<()> {
    let url = database().await;
    let live = PostgresReadModels::connect(&url, SCHEMA).await?;
    // The live copy has 3 pages of 1, the other 5 of 10: no mixture comes to either.
    fill(&live, &hall(), 3, 1).await;
    let copy = PostgresReadModels::connect(&url, COPY).await?;
    fill(&copy, &hall(), 5, 10).await;
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (live, stop, seen) = (live.clone(), stop.clone(), seen.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Acquire) {
                    let snapshot = match live.snapshot(&hall(), &everything()).await {
                        Ok(snapshot) => snapshot,
                        // A swap may keep a reader waiting; it asks again.
                        Err(StoreError::Unavailable(_)) => continue,
                        Err(error) => panic!("{error}"),
                    };
                    let sequence = snapshot.checkpoint.unwrap().sequence;
                    let values: Vec<_> = snapshot.cells.into_values().collect();
                    let lines = snapshot.segments[0].entries.lines().count();
                    match sequence {
                        3 => assert_eq!(values, [TallyValue { amount: 3, events: 3 }]),
                        5 => assert_eq!(values, [TallyValue { amount: 50, events: 5 }]),
                        other => panic!("no copy has {other}"),
                    }
                    assert_eq!(u64::try_from(lines).unwrap(), sequence);
                    seen[usize::from(sequence == 5)].fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for _ in 0..20 {
        loop {
            match live.swap(COPY, SCHEMA).await {
                // Readers may keep the swap waiting too long; it is tried again.
                Err(SwapError::Store(StoreError::Unavailable(_))) => {}
                other => break other?,
            }
        }
        // Readers get to see this copy before it goes.
        let sequence = live.checkpoint(&hall()).await?.unwrap().sequence;
        let seen = &seen[usize::from(sequence == 5)];
        let before = seen.load(Ordering::Relaxed);
        eventually("a reader of the new copy", LIMIT, async || {
            Ok((seen.load(Ordering::Relaxed) > before).then_some(()))
        })
        .await?;
    }
    stop.store(true, Ordering::Release);
    for reader in readers {
        reader.await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_claims_when_copies_are_swapped_then_all_are_fenced() -> anyhow::Result<()> {
    let url = database().await;
    let live = PostgresReadModels::connect(&url, SCHEMA).await?;
    let old = live.claim(&hall()).await?;
    commit(&live, old, 0).await?;
    let copy = PostgresReadModels::connect(&url, COPY).await?;
    let rebuilding = copy.claim(&hall()).await?;
    assert_eq!(old, rebuilding, "equal claims, which must not be taken for each other");
    commit(&copy, rebuilding, 0).await?;
    live.swap(COPY, SCHEMA).await?;
    for store in [&live, &copy] {
        let refused = commit(store, old, 1).await;
        assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    }
    let new = live.claim(&hall()).await?;
    assert!(new > old);
    commit(&live, new, 1).await?;
    live.drop_schema(COPY).await?;
    live.drop_schema(COPY).await?;
    crate::assert_each_page_once(&live, 2).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_copy_that_is_not_as_far_when_swapped_then_it_is_refused() -> anyhow::Result<()> {
    let url = database().await;
    let live = PostgresReadModels::connect(&url, SCHEMA).await?;
    let other: HallCode = "013100".parse()?;
    fill(&live, &hall(), 3, 1).await;
    fill(&live, &other, 1, 1).await;
    let missing = live.swap(COPY, SCHEMA).await;
    assert!(matches!(missing, Err(SwapError::Missing(_))), "{missing:?}");
    let copy = PostgresReadModels::connect(&url, COPY).await?;
    fill(&copy, &hall(), 3, 1).await;
    let refused = live.swap(COPY, SCHEMA).await;
    let Err(SwapError::Behind { hall: of, new: 0, live: 1 }) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(*of, other.to_string());
    fill(&copy, &other, 1, 1).await;
    fill(&live, &hall(), 4, 1).await;
    let refused = live.swap(COPY, SCHEMA).await;
    assert!(matches!(refused, Err(SwapError::Behind { new: 3, live: 4, .. })), "{refused:?}");
    fill(&copy, &hall(), 4, 1).await;
    live.swap(COPY, SCHEMA).await?;
    crate::assert_each_page_once(&live, 4).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn given_no_live_copy_when_swapped_then_the_new_one_is_only_renamed() -> anyhow::Result<()> {
    let url = database().await;
    let copy = PostgresReadModels::connect(&url, COPY).await?;
    fill(&copy, &hall(), 2, 1).await;
    copy.swap(COPY, SCHEMA).await?;
    let live = PostgresReadModels::connect(&url, SCHEMA).await?;
    crate::assert_each_page_once(&live, 2).await;
    Ok(())
}
