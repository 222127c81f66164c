//! What the simulator found, each by itself.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use zhoubao_application::clock::FixedClock;
use zhoubao_application::desk::{Desk, DeskError};
use zhoubao_application::follow::FollowError;
use zhoubao_application::journal::{Expectation, JournalError};
use zhoubao_application::memory::MemoryJournal;
use zhoubao_application::projector::{Goal, Progress, ProjectError, project};
use zhoubao_conformance::journal::{fresh_incarnation, hall, line, terminal};
use zhoubao_contract::{Message, hash};
use zhoubao_domain::code::Code;
use zhoubao_sim::store::MemoryStore;

struct Hall {
    clock: Arc<FixedClock>,
    journal: MemoryJournal,
    store: MemoryStore,
}

impl Hall {
    fn new() -> Self {
        let clock = Arc::new(FixedClock::new("2023-02-06T09:00:00+08:00".parse().unwrap()));
        let journal = MemoryJournal::new(hall(), fresh_incarnation(), clock.clone());
        Self { clock, journal, store: MemoryStore::default() }
    }

    fn append(&self, message: &Message) {
        let last = self.journal.look_at_head(&message.subject).map_or(0, |it| it.position);
        let expected = [Expectation { subject: message.subject.parse().unwrap(), last }];
        self.journal.append_once(std::slice::from_ref(message), &expected).unwrap();
    }

    fn projector(&self) -> JoinHandle<Result<Progress, ProjectError>> {
        let (journal, store) = (Arc::new(self.journal.clone()), Arc::new(self.store.clone()));
        tokio::spawn(project(journal, store, hall(), Goal::Live, |_| {}))
    }

    fn at(&self) -> u64 {
        self.store.look(&hall()).checkpoint.as_ref().map_or(0, |it| it.sequence)
    }

    async fn counted(&self, to: u64) {
        for _ in 0..100 {
            if self.at() == to {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("counted to {} of {to}", self.at());
    }
}

fn messages(name: &str, count: u64) -> Vec<Message> {
    line(&terminal(name), 1, count, None)
}

/// A hall that has counted three events, while its projector goes on.
async fn three_counted() -> (Hall, Vec<Message>, JoinHandle<Result<Progress, ProjectError>>) {
    let it = Hall::new();
    let sent = messages("w01", 3);
    sent.iter().for_each(|message| it.append(message));
    let projector = it.projector();
    it.counted(3).await;
    (it, sent, projector)
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_a_message_that_the_journal_lost_stops_the_projector() {
    let (it, sent, projector) = three_counted().await;
    it.journal.drop_sequence(1);
    it.append(&sent[0]);
    let stopped = projector.await.unwrap().unwrap_err();
    let gap = FollowError::Gap { expected: 1, found: 4 };
    assert!(matches!(&stopped, ProjectError::Follow(error) if *error == gap), "{stopped}");
    assert_eq!(it.at(), 3, "nothing is called a fork that cannot be compared");
}

/// Seed 9785: the message that a repeat is compared with was called missing "in a journal that goes on to" the one before.
#[tokio::test(start_paused = true)]
async fn a_tail_lost_while_a_repeat_waits_for_the_store_is_a_journal_that_went_back() {
    let (it, sent, projector) = three_counted().await;
    it.store.fail_calls(u32::MAX);
    it.append(&sent[2]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    it.journal.truncate(2);
    it.store.heal();
    let stopped = projector.await.unwrap().unwrap_err();
    let went_back = FollowError::WentBack { checkpoint: 3, last: 2 };
    assert!(matches!(&stopped, ProjectError::Follow(error) if *error == went_back), "{stopped}");
    assert_eq!(it.at(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_desk_decides_nothing_by_rows_of_messages_that_the_journal_lost() {
    let it = Hall::new();
    messages("w01", 3).iter().for_each(|message| it.append(message));
    let projector = it.projector();
    it.counted(3).await;
    projector.abort();
    it.journal.truncate(1);
    let (journal, store) = (Arc::new(it.journal.clone()), Arc::new(it.store.clone()));
    let desk = Desk::new(journal, store, hall(), it.clock.clone());
    // It ends before the checkpoint, then it has others there.
    for _ in 0..2 {
        let refused = desk.catch_up().await.unwrap_err();
        let went_back = matches!(
            &refused,
            DeskError::Journal(JournalError::Unsafe { code: Code::JournalWentBack, .. })
        );
        assert!(went_back, "{refused}");
        messages("w02", 2).iter().for_each(|message| it.append(message));
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_projector_notices_that_an_older_copy_took_the_place_of_the_store() {
    let it = Hall::new();
    let sent = messages("w01", 3);
    it.append(&sent[0]);
    let projector = it.projector();
    it.counted(1).await;
    let older = it.store.look(&hall());
    it.append(&sent[1]);
    it.counted(2).await;
    it.store.put_back(&hall(), &older);
    let stopped = projector.await.unwrap().unwrap_err();
    assert!(matches!(stopped, ProjectError::Fenced), "{stopped}");
    let _projector = it.projector();
    it.counted(2).await;
    let checkpoint = it.store.look(&hall()).checkpoint.clone().unwrap();
    assert_eq!(checkpoint.hash, hash(&sent[1]));
}
