//! The follower over a journal with planted faults; time stands still but for the waiting.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use zhoubao_application::clock::{FixedClock, SystemClock};
use zhoubao_application::follow::{Checkpoint, FollowError, Follower, Page, Report};
use zhoubao_application::journal::{
    AppendError, Expectation, Journal, append_in_order, head_or_start,
};
use zhoubao_application::memory::{Lost, MemoryJournal};
use zhoubao_conformance::journal::{fresh_incarnation, hall, line, terminal};
use zhoubao_contract::hash;
use zhoubao_domain::code::Code;

const SOON: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(3_600);

fn journal() -> MemoryJournal {
    MemoryJournal::new(hall(), fresh_incarnation(), Arc::new(SystemClock))
}

/// Lets the line of `w01` grow to `to` events.
async fn grow(journal: &MemoryJournal, to: u64) {
    let subject = terminal("w01");
    let end = head_or_start(journal, &subject).await.unwrap();
    let messages = line(&subject, end.next_number, to + 1 - end.next_number, end.previous);
    let appended = append_in_order(journal, &subject, &messages, end.last).await;
    assert!(appended.stopped.is_none(), "{:?}", appended.stopped);
}

fn follow(journal: &MemoryJournal, from: Option<Checkpoint>) -> Follower {
    Follower::new(Arc::new(journal.clone()), from)
}

fn positions(page: &Page) -> Vec<u64> {
    page.messages.iter().map(|it| it.position).collect()
}

#[tokio::test(start_paused = true)]
async fn reads_on_after_its_checkpoint() {
    let journal = journal();
    grow(&journal, 5).await;
    let mut follower = follow(&journal, None);
    assert_eq!(follower.checkpoint(), None);
    let page = follower.next_page(2, SOON).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![1, 2], false));
    let checkpoint = page.checkpoint.clone().unwrap();
    assert_eq!(checkpoint.sequence, 2);
    assert_eq!(checkpoint.hash, hash(&page.messages[1].message));
    assert_eq!(follower.checkpoint(), page.checkpoint);

    let mut again = follow(&journal, Some(checkpoint));
    let page = again.next_page(100, SOON).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![3, 4, 5], true));
}

#[tokio::test(start_paused = true)]
async fn an_idle_journal_is_an_empty_page_after_the_wait() {
    let journal = journal();
    let mut follower = follow(&journal, None);
    for wait in [Duration::ZERO, Duration::from_millis(1), SOON, Duration::from_secs(60)] {
        let asked = Instant::now();
        let page = follower.next_page(10, wait).await.unwrap();
        assert_eq!((positions(&page), page.caught_up, page.checkpoint), (vec![], true, None));
        assert!(asked.elapsed() >= wait && asked.elapsed() < wait + Duration::from_millis(50));
    }
}

#[tokio::test(start_paused = true)]
async fn a_live_message_comes_at_once() {
    let journal = journal();
    grow(&journal, 1).await;
    let mut follower = follow(&journal, None);
    follower.next_page(10, SOON).await.unwrap();
    let writer = tokio::spawn({
        let journal = journal.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            grow(&journal, 2).await;
        }
    });
    let asked = Instant::now();
    let page = follower.next_page(10, LONG).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![2], true));
    assert!(asked.elapsed() < Duration::from_millis(525), "{:?}", asked.elapsed());
    writer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn collects_for_20_ms_at_most() {
    let journal = journal();
    let writer = tokio::spawn({
        let journal = journal.clone();
        async move {
            for to in 1..=200 {
                grow(&journal, to).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let mut follower = follow(&journal, None);
    let (mut seen, mut pages) = (0, 0);
    while seen < 200 {
        let asked = Instant::now();
        let page = follower.next_page(10_000, LONG).await.unwrap();
        assert!(asked.elapsed() <= Duration::from_millis(25), "{:?}", asked.elapsed());
        seen += page.messages.len();
        pages += 1;
    }
    assert!((8..=25).contains(&pages), "{pages} pages");
    writer.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_reported_once_each_try_and_waited_for() {
    let journal = journal();
    grow(&journal, 3).await;
    let reports = Arc::new(Mutex::new(Vec::new()));
    let mut follower = follow(&journal, None).with_seed(7).with_report({
        let reports = Arc::clone(&reports);
        move |it| reports.lock().unwrap().push(it)
    });
    follower.next_page(10, SOON).await.unwrap();
    journal.stop();
    let asked = Instant::now();
    let page = follower.next_page(10, Duration::from_secs(60)).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![], false));
    assert_eq!(asked.elapsed().as_secs(), 60, "the page comes when it was asked for");

    let taken = std::mem::take(&mut *reports.lock().unwrap());
    assert!((100..250).contains(&taken.len()), "{} tries in a minute", taken.len());
    let pauses: Vec<_> = taken
        .iter()
        .map(|it| match it {
            Report::Unavailable { retry_in, reason } => {
                assert!(reason.contains("planted"), "the cause is told: {reason}");
                *retry_in
            }
            Report::Available => panic!("the journal is down"),
        })
        .collect();
    assert!(pauses[0] <= Duration::from_millis(50));
    assert!(pauses.iter().all(|it| *it <= Duration::from_millis(500)));
    assert!(pauses.iter().collect::<std::collections::HashSet<_>>().len() > 50, "jittered");

    journal.start();
    grow(&journal, 4).await;
    let asked = Instant::now();
    let page = follower.next_page(10, LONG).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![4], true));
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(reports.lock().unwrap().last(), Some(&Report::Available));
}

#[tokio::test(start_paused = true)]
async fn failing_reads_lose_and_repeat_nothing() {
    let journal = journal();
    grow(&journal, 200).await;
    let mut follower = follow(&journal, None);
    let mut seen = Vec::new();
    let mut round = 0;
    while seen.len() < 200 {
        journal.fail_reads(round % 5);
        round += 1;
        seen.extend(positions(&follower.next_page(7, SOON).await.unwrap()));
    }
    assert_eq!(seen, (1..=200).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_deaf_cursor_is_replaced_after_two_seconds() {
    let journal = journal();
    grow(&journal, 1).await;
    let mut follower = follow(&journal, None);
    follower.next_page(10, SOON).await.unwrap();
    journal.deafen();
    grow(&journal, 2).await;
    let asked = Instant::now();
    let page = follower.next_page(10, LONG).await.unwrap();
    assert_eq!(positions(&page), [2]);
    assert!(asked.elapsed() <= Duration::from_millis(2_100), "{:?}", asked.elapsed());

    // Silence adds up over short waits.
    journal.deafen();
    grow(&journal, 3).await;
    let asked = Instant::now();
    loop {
        let page = follower.next_page(10, Duration::from_millis(30)).await.unwrap();
        if !page.messages.is_empty() {
            break;
        }
    }
    assert!(asked.elapsed() <= Duration::from_millis(2_100), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_loses_nothing() {
    let journal = journal();
    let mut follower = follow(&journal, None);
    let mut seen = Vec::new();
    for to in 1..=100 {
        let half = tokio::time::timeout(
            Duration::from_micros(to * 40),
            follower.next_page(10, Duration::from_millis(1)),
        );
        let (page, ()) = tokio::join!(half, grow(&journal, to));
        if let Ok(page) = page {
            seen.extend(positions(&page.unwrap()));
        }
    }
    while seen.len() < 100 {
        seen.extend(positions(&follower.next_page(10, SOON).await.unwrap()));
    }
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_final_wherever_it_is() {
    for (lost, end) in [(1, 2), (4, 5), (9, 10)] {
        let journal = journal();
        grow(&journal, 10).await;
        journal.drop_sequence(lost);
        let mut follower = follow(&journal, None);
        let gap = loop {
            match follower.next_page(1, LONG).await {
                Ok(page) => assert!(page.messages.iter().all(|it| it.position < lost)),
                Err(error) => break error,
            }
        };
        assert_eq!(gap, FollowError::Gap { expected: lost, found: end });
        assert_eq!(gap.code(), Code::JournalGap);
        assert!(gap.to_string().contains("E.702"), "{gap}");
        assert_eq!(follower.next_page(1, SOON).await, Err(gap), "it stays so");
    }
}

/// A journal of five messages that lacks the last two, and who has read the three before.
async fn before_a_lost_tail() -> (MemoryJournal, Follower) {
    let journal = journal();
    grow(&journal, 5).await;
    journal.drop_sequence(4);
    journal.drop_sequence(5);
    let mut follower = follow(&journal, None);
    let page = follower.next_page(10, SOON).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![1, 2, 3], false));
    (journal, follower)
}

#[tokio::test(start_paused = true)]
async fn a_lost_tail_is_a_gap_too() {
    let (_journal, mut follower) = before_a_lost_tail().await;
    let asked = Instant::now();
    let gap = follower.next_page(10, LONG).await;
    assert_eq!(gap, Err(FollowError::Gap { expected: 4, found: 5 }));
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_missing_before_an_end_that_was_lost_meanwhile() {
    let (journal, mut follower) = before_a_lost_tail().await;
    // As long as can be before 4 is called missing: it is asked for next, and by then there is no such end any more.
    let page = follower.next_page(10, Duration::from_secs(6)).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![], false));
    journal.truncate(3);
    let page = follower.next_page(10, LONG).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![], true));
    grow(&journal, 4).await;
    let page = follower.next_page(10, LONG).await.unwrap();
    assert_eq!((positions(&page), page.caught_up), (vec![4], true));
}

#[tokio::test(start_paused = true)]
async fn a_lost_checkpoint_is_noticed() {
    for (lost, expected) in [
        (vec![3], FollowError::Gap { expected: 3, found: 4 }),
        (vec![3, 4, 5], FollowError::WentBack { checkpoint: 3, last: 5 }),
    ] {
        let journal = journal();
        grow(&journal, 5).await;
        let checkpoint = follow(&journal, None).next_page(3, SOON).await.unwrap().checkpoint;
        lost.into_iter().for_each(|it| journal.drop_sequence(it));
        let mut follower = follow(&journal, checkpoint);
        assert_eq!(follower.next_page(10, LONG).await, Err(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn another_journal_in_its_place_is_noticed_while_following() {
    let (ours, theirs) = (journal(), journal());
    grow(&ours, 5).await;
    grow(&theirs, 9).await;
    let mut follower = follow(&ours, None);
    follower.next_page(10, SOON).await.unwrap();
    let (expected, found) =
        (ours.state().await.unwrap().incarnation, theirs.state().await.unwrap().incarnation);
    ours.replace(&theirs);
    let other = follower.next_page(10, LONG).await.unwrap_err();
    assert_eq!(other, FollowError::OtherJournal { expected, found });
    assert_eq!(other.code(), Code::OtherJournal);
    assert!(other.to_string().contains("E.703"), "{other}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_journal_in_its_place_is_noticed_even_before_the_first_message() {
    let (ours, theirs) = (journal(), journal());
    let mut follower = follow(&ours, None);
    follower.next_page(10, SOON).await.unwrap();
    ours.replace(&theirs);
    let other = follower.next_page(10, LONG).await;
    assert!(matches!(other, Err(FollowError::OtherJournal { .. })), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_journal_is_noticed_while_following() {
    let journal = journal();
    grow(&journal, 5).await;
    let mut follower = follow(&journal, None);
    follower.next_page(10, SOON).await.unwrap();
    journal.truncate(4);
    let back = follower.next_page(10, LONG).await.unwrap_err();
    assert_eq!(back, FollowError::WentBack { checkpoint: 5, last: 4 });
    assert_eq!(back.code(), Code::JournalWentBack);
    assert!(back.to_string().contains("E.704"), "{back}");
}

#[tokio::test(start_paused = true)]
async fn a_shorter_journal_that_grew_again_is_noticed_by_the_hash() {
    let journal = journal();
    grow(&journal, 5).await;
    let mut follower = follow(&journal, None);
    follower.next_page(10, SOON).await.unwrap();
    journal.truncate(4);
    let subject = terminal("w02");
    let other = line(&subject, 1, 3, None);
    journal.append(&other, &[Expectation { subject, last: 0 }]).await.unwrap();
    let back = follower.next_page(10, LONG).await;
    assert_eq!(back, Err(FollowError::WentBack { checkpoint: 5, last: 7 }));
}

#[tokio::test]
async fn a_lost_acknowledgement_is_found_by_appending_again() {
    let subject = terminal("w01");
    let messages = line(&subject, 1, 3, None);
    for (lost, stored) in [(Lost::BeforeStoring, 0), (Lost::AfterStoring, 3)] {
        let journal = journal();
        journal.lose_acknowledgement(lost);
        let appended = append_in_order(&journal, &subject, &messages, 0).await;
        assert!(appended.sequences.is_empty());
        assert!(matches!(appended.stopped, Some(AppendError::Unavailable(_))));
        assert_eq!(journal.state().await.unwrap().last, stored);
        let appended = append_in_order(&journal, &subject, &messages, 0).await;
        assert!(appended.stopped.is_none());
        assert_eq!(appended.sequences, [1, 2, 3]);
        assert_eq!(journal.state().await.unwrap().last, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_event_at_the_same_sequence_behind_others_is_a_journal_that_went_back() {
    let clock = Arc::new(FixedClock::new("2023-02-06T09:00:00+08:00".parse().unwrap()));
    let journal = MemoryJournal::new(hall(), fresh_incarnation(), clock.clone());
    let append = async |name: &str, last: u64, place: usize| {
        let subject = terminal(name);
        let message = line(&subject, 1, 2, None)[place].clone();
        clock.advance(jiff::SignedDuration::from_secs(1));
        journal.append(&[message], &[Expectation { subject, last }]).await.unwrap();
    };
    append("w01", 0, 0).await;
    append("w02", 0, 0).await;
    append("w01", 1, 1).await;
    let mut follower = follow(&journal, None);
    assert_eq!(positions(&follower.next_page(10, SOON).await.unwrap()), [1, 2, 3]);
    // The tail is lost, another terminal is faster, and the last event is sent again to where it was.
    journal.truncate(1);
    append("w03", 0, 0).await;
    append("w01", 1, 1).await;
    append("w02", 0, 0).await;
    let refused = follower.next_page(10, SOON).await.unwrap_err();
    assert_eq!(refused, FollowError::WentBack { checkpoint: 3, last: 4 });
}
