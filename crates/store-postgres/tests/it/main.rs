//! The adapter against a real server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod faults;
mod queries;
mod swap;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use zhoubao_application::store::{Commit, Epoch, ReadModels, SnapshotQuery, StoreError};
use zhoubao_conformance::store::StoreFactory;
use zhoubao_domain::case::Case;
use zhoubao_domain::event::Kind;
use zhoubao_domain::figure::{TallyCell, TallyValue};
use zhoubao_domain::id::{Digest, HallCode};
use zhoubao_projections::rows::{CaseRow, Changes, Checkpoint, Counts, SegmentRow};
use zhoubao_store_postgres::{PostgresReadModels, SCHEMA};
use zhoubao_test_support::Postgres;

/// Databases of a server that all tests share.
#[derive(Default)]
struct Databases {
    last: Mutex<Option<String>>,
}

impl Databases {
    async fn open(url: &str) -> Arc<dyn ReadModels> {
        Arc::new(PostgresReadModels::connect(url, SCHEMA).await.unwrap())
    }
}

#[async_trait]
impl StoreFactory for Databases {
    async fn fresh(&self) -> Arc<dyn ReadModels> {
        let url = Postgres::shared().await.unwrap().create_database().await.unwrap();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.clone());
        Self::open(&url).await
    }

    async fn reopen(&self) -> Arc<dyn ReadModels> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self::open(&last.unwrap()).await
    }
}

mod conformance {
    async fn databases() -> super::Databases {
        super::Databases::default()
    }

    zhoubao_conformance::store_conformance!(databases);
}

fn hall() -> HallCode {
    "510000".parse().unwrap()
}

/// What one page adds in every store of these tests, so that a page applied twice or half shows.
fn page(at: u64, amount: i64) -> (Checkpoint, Changes) {
    let day = "2023-02-06".parse().unwrap();
    let cell = TallyCell {
        day,
        window: "w01".to_owned(),
        department: "-".to_owned(),
        kind: Kind::Consulted,
    };
    let id: zhoubao_domain::id::CaseId = "川2023-00001".parse().unwrap();
    let segment = SegmentRow {
        stream: "terminal.t01".to_owned(),
        segment: 0,
        first_position: at,
        last_position: at,
        first_day: day,
        last_day: day,
        entries: format!("{at}\t{at}\t0\t-\t0\t0\t\t\t\t\t\t\n"),
    };
    let changes = Changes {
        tallies: BTreeMap::from([(cell, TallyValue { amount, events: 1 })]),
        segments: BTreeMap::from([(("terminal.t01".to_owned(), 0), segment)]),
        cases: vec![CaseRow { id, case: Case::default(), events: format!("terminal.t01#{at} ") }],
        ..Changes::default()
    };
    let to = Checkpoint {
        incarnation: "test".to_owned(),
        sequence: at,
        hash: Digest::new([u8::try_from(at % 251).unwrap(); 32]),
        counts: Counts { stored: at, counted: at, ..Counts::default() },
    };
    (to, changes)
}

/// Commits the page after `from`.
async fn commit(store: &PostgresReadModels, epoch: Epoch, from: u64) -> Result<(), StoreError> {
    let (to, changes) = page(from + 1, 1);
    store.prepare(&hall(), changes).commit(Commit { epoch, from, to: &to }).await
}

/// All that the pages write.
fn everything() -> SnapshotQuery {
    SnapshotQuery {
        first: "2023-01-01".parse().unwrap(),
        last: "2023-12-31".parse().unwrap(),
        after: None,
        adjustments_after: Some(0),
        issues: vec![],
        segments: true,
        facts: true,
    }
}

/// Asserts that the pages up to `last` were applied, each once and in order.
async fn assert_each_page_once(store: &PostgresReadModels, last: u64) {
    let snapshot = store.snapshot(&hall(), &everything()).await.unwrap();
    assert_eq!(snapshot.checkpoint.unwrap().sequence, last);
    let values: Vec<_> = snapshot.cells.into_values().collect();
    let sum = i64::try_from(last).unwrap();
    assert_eq!(values, [TallyValue { amount: sum, events: sum }]);
    let lines: Vec<u64> = snapshot
        .segments
        .iter()
        .flat_map(|it| it.entries.lines())
        .map(|it| it.split('\t').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(lines, (1..=last).collect::<Vec<_>>());
    let case = store.case(&hall(), &"川2023-00001".parse().unwrap()).await.unwrap().unwrap();
    let events: String = (1..=last).map(|it| format!("terminal.t01#{it} ")).collect();
    assert_eq!(case.events, events);
}
