//! The tree over a journal that grows, and over one that lacks a message.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Arc;

use zhoubao_application::clock::SystemClock;
use zhoubao_application::journal::{Journal, JournalError, append_in_order};
use zhoubao_application::memory::MemoryJournal;
use zhoubao_application::tree::tree;
use zhoubao_conformance::journal::{fresh_incarnation, hall, line, terminal};
use zhoubao_contract::archive::leaf_line;
use zhoubao_contract::merkle::{Peaks, leaf};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{IssueEvent, Tree, TreeHash};
use zhoubao_domain::issue::IssueBook;

const SIZE: u64 = 37;

async fn journal() -> MemoryJournal {
    let journal = MemoryJournal::new(hall(), fresh_incarnation(), Arc::new(SystemClock));
    let subject = terminal("w01");
    let appended = append_in_order(&journal, &subject, &line(&subject, 1, SIZE, None), 0).await;
    assert!(appended.stopped.is_none(), "{:?}", appended.stopped);
    journal
}

async fn expected(journal: &MemoryJournal, by: TreeHash, size: u64) -> Tree {
    let mut peaks = Peaks::new(by);
    for position in 1..=size {
        let stored = journal.get(position).await.unwrap().unwrap();
        peaks.push(leaf(by, leaf_line(&stored).as_bytes()));
    }
    peaks.tree()
}

/// A book with one issue that was frozen with this tree.
fn frozen(tree: Tree) -> IssueBook {
    let issue: zhoubao_domain::id::ObjectId = "i1".parse().unwrap();
    let day = jiff::civil::date(2023, 2, 6);
    let digest = zhoubao_domain::id::Digest::new([0; 32]);
    let mut book = IssueBook::default();
    book.evolve(
        &IssueEvent::Opened {
            issue: issue.clone(),
            period: zhoubao_domain::calendar::Period::new(day, day).unwrap(),
            template: digest,
            checklist: digest,
            figures: digest,
            calendars: vec![],
            series: None,
            parameters: Default::default(),
        },
        None,
    );
    let cut = tree.size;
    book.evolve(&IssueEvent::Frozen { issue, cut, heads: vec![], tree: Some(tree) }, None);
    book
}

#[tokio::test]
async fn the_tree_is_that_of_every_message_whatever_it_goes_on_from() {
    let journal = journal().await;
    for by in [TreeHash::Sha256, TreeHash::Sm3] {
        for size in [0, 1, 20, SIZE] {
            let whole = tree(&journal, &IssueBook::default(), by, size).await.unwrap();
            assert_eq!(whole, expected(&journal, by, size).await);
            for before in [1, 20, SIZE] {
                let book = frozen(expected(&journal, by, before).await);
                assert_eq!(tree(&journal, &book, by, size).await.unwrap(), whole, "{before}");
            }
            // The tree of another hash is no beginning.
            let other = if by == TreeHash::Sm3 { TreeHash::Sha256 } else { TreeHash::Sm3 };
            let book = frozen(expected(&journal, other, 20).await);
            assert_eq!(tree(&journal, &book, by, size).await.unwrap(), whole);
        }
    }
}

#[tokio::test]
async fn a_missing_message_is_named_and_what_is_known_is_not_read_again() {
    let journal = journal().await;
    let by = TreeHash::Sha256;
    let (before, whole) = (expected(&journal, by, 20).await, expected(&journal, by, SIZE).await);
    journal.drop_sequence(5);
    let error = tree(&journal, &IssueBook::default(), by, SIZE).await.unwrap_err();
    let JournalError::Unsafe { code, detail } = error else { panic!("{error}") };
    assert_eq!(code, Code::JournalGap);
    assert!(detail.contains("缺第 5 条"), "{detail}");
    assert_eq!(tree(&journal, &frozen(before), by, SIZE).await.unwrap(), whole);
}
