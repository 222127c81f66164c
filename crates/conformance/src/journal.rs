//! What every adapter of the journal port must do.
//!
//! An adapter implements [`Fixture`] for its journal and writes [`journal_conformance!`](crate::journal_conformance)
//! in its tests; each case becomes a test of its own. Every wait has a condition and a deadline.

use std::collections::HashSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};
use zhoubao_contract::{Attributes, Message, Stored, hash};
use zhoubao_domain::id::{Digest, HallCode, Stream, Subject};

use zhoubao_application::clock::{Clock, SystemClock};
use zhoubao_application::follow::{Checkpoint, FollowError, Follower, PAGE_MESSAGES_MAX};
use zhoubao_application::journal::{
    AppendError, BATCH_MESSAGES_MAX, Cursor, Expectation, Incarnation, Journal, JournalError,
    JournalState, MESSAGE_BYTES_MAX, append_in_order, head_or_start, size_bytes,
};

/// The hall of every fixture.
pub const HALL: &str = "510000";

/// Longest wait for what must happen; the machine may be busy compiling.
const PATIENCE: Duration = Duration::from_secs(120);

/// Longest time from the server's return to the next event at a reader, beyond what a new connection takes: on a busy
/// machine the server itself answers late.
const RECOVERY_MAX: Duration = Duration::from_secs(3);

/// A journal of its own for one test: empty at first, backed by a real server or folder that the fixture owns
/// and ends when it is dropped.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// A handle of its own (connection, pool) to the journal. It lives on through [`Self::kill`] and
    /// [`Self::start`]: meanwhile its calls fail as unavailable.
    async fn handle(&self) -> Arc<dyn Journal>;

    /// Ends what backs the journal without warning (`kill -9`); readers are cut off.
    async fn kill(&self);

    /// Starts it again on the same data, and returns when it takes connections.
    async fn start(&self);

    /// Lets the journal refuse batches from now on; `false` if this adapter never does.
    async fn refuse_batches(&self) -> bool {
        false
    }

    /// Destroys one message behind the adapter's back; `false` if the fixture cannot.
    async fn lose(&self, sequence: u64) -> bool {
        let _ = sequence;
        false
    }
}

/// Makes one test of each case: `journal_conformance!(make);` where `make` is an `async fn() -> impl Fixture`.
#[macro_export]
macro_rules! journal_conformance {
    ($make:path) => {
        $crate::journal_conformance! { @cases $make:
            an_append_at_the_expected_head_is_read_back,
            the_first_append_of_a_subject_expects_zero,
            a_stale_expectation_is_a_conflict,
            a_too_new_expectation_is_a_conflict,
            of_two_racing_writers_exactly_one_wins,
            a_batch_over_several_subjects_is_all_or_none,
            racing_batches_over_two_subjects_never_both_win,
            a_repeat_answers_with_the_same_sequences,
            a_repeat_with_other_content_is_a_conflict,
            a_partly_stored_batch_is_a_conflict,
            a_line_longer_than_a_batch_is_appended_in_order,
            a_line_goes_on_where_its_acknowledgement_was_lost,
            a_line_stops_at_the_first_conflict,
            a_refused_batch_falls_back_to_singles,
            the_largest_batch_is_taken_and_one_more_is_refused,
            an_oversize_message_is_refused_and_nothing_stored,
            a_malformed_append_is_refused,
            bytes_come_back_as_they_went_in,
            recorded_at_is_monotone_and_close_to_the_clock,
            a_reader_beyond_the_end_waits_and_gets_the_next,
            catch_up_then_live_without_gap_or_repeat_while_the_server_dies,
            a_restart_keeps_everything,
            two_journals_are_never_taken_for_each_other,
            a_journal_that_went_backwards_is_noticed,
            a_lost_message_is_noticed,
        }
    };
    (@cases $make:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                $crate::journal::$case(async || $make().await).await;
            }
        )+
    };
}

/// The hall of every fixture.
///
/// # Panics
///
/// Never: the code is valid.
#[must_use]
pub fn hall() -> HallCode {
    HALL.parse().expect("a hall code")
}

/// The subject of a terminal of the hall.
///
/// # Panics
///
/// If `terminal` is no terminal id.
#[must_use]
pub fn terminal(terminal: &str) -> Subject {
    Subject::new(hall(), Stream::Terminal(terminal.parse().expect("a terminal id")))
}

/// An event of a line.
#[must_use]
pub fn event(subject: &Subject, number: u64, previous: Option<Digest>, body: &str) -> Message {
    let attributes = Attributes {
        specversion: Some("1.0".to_owned()),
        id: Some(number.to_string()),
        source: Some(subject.to_string()),
        kind: Some("cn.zhoubao.Consulted.v1".to_owned()),
        time: Some("2023-02-06T09:00:00+08:00".to_owned()),
        datacontenttype: Some("application/json".to_owned()),
        prevhash: previous.map(|it| it.to_string()),
        ..Attributes::default()
    };
    Message { subject: subject.to_string(), attributes, body: body.as_bytes().to_vec() }
}

/// A chained line of `count` events from number `first` on.
#[must_use]
pub fn line(
    subject: &Subject,
    first: u64,
    count: u64,
    mut previous: Option<Digest>,
) -> Vec<Message> {
    (first..first + count)
        .map(|number| {
            let message = event(subject, number, previous, &format!(r#"{{"people":{number}}}"#));
            previous = Some(hash(&message));
            message
        })
        .collect()
}

fn at(subject: &Subject, last: u64) -> Expectation {
    Expectation { subject: subject.clone(), last }
}

async fn append_one(
    journal: &dyn Journal,
    subject: &Subject,
    message: &Message,
    last: u64,
) -> Result<u64, AppendError> {
    let sequences = journal.append(std::slice::from_ref(message), &[at(subject, last)]).await?;
    assert_eq!(sequences.len(), 1, "one message, one sequence");
    Ok(sequences[0])
}

async fn last(journal: &dyn Journal) -> u64 {
    journal.state().await.expect("a state").last
}

/// Reads everything from the beginning, in raw order.
async fn read_all(journal: &dyn Journal) -> Vec<Stored> {
    let end = last(journal).await;
    let mut cursor = journal.open(1).await.expect("a cursor");
    let mut messages: Vec<Stored> = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while messages.last().map_or(0, |it| it.position) < end {
        assert!(Instant::now() < deadline, "{} of {end} messages read", messages.len());
        messages.extend(cursor.next(1_000, Duration::from_secs(1)).await.expect("messages"));
    }
    messages
}

async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Head, single read and cursor show what was appended.
pub async fn an_append_at_the_expected_head_is_read_back<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    assert_eq!(last(&*journal).await, 0);
    assert_eq!(journal.head(&subject).await.expect("a head"), None);
    assert_eq!(journal.get(1).await.expect("an answer"), None);

    let messages = line(&subject, 1, 3, None);
    for (message, before) in messages.iter().zip(0..) {
        let stored = append_one(&*journal, &subject, message, before).await.expect("appended");
        assert_eq!(stored, before + 1);
    }

    assert_eq!(last(&*journal).await, 3);
    let head = journal.head(&subject).await.expect("a head").expect("a message");
    assert_eq!((head.position, &head.message), (3, &messages[2]));
    let second = journal.get(2).await.expect("an answer").expect("a message");
    assert_eq!((second.position, &second.message), (2, &messages[1]));
    let read = read_all(&*journal).await;
    assert_eq!(read.iter().map(|it| it.position).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(read.into_iter().map(|it| it.message).collect::<Vec<_>>(), messages);
    let end = head_or_start(&*journal, &subject).await.expect("a head");
    assert_eq!((end.next_number, end.previous, end.last), (4, Some(hash(&messages[2])), 3));
    let start = head_or_start(&*journal, &terminal("w02")).await.expect("a start");
    assert_eq!((start.next_number, start.previous, start.last), (1, None, 0));
}

/// Zero means "nothing yet" for each subject alone.
pub async fn the_first_append_of_a_subject_expects_zero<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    for name in ["w01", "w02", "w03"] {
        let subject = terminal(name);
        let message = event(&subject, 1, None, "{}");
        let early = append_one(&*journal, &subject, &message, 7).await;
        assert!(matches!(early, Err(AppendError::Conflict)), "{early:?}");
        append_one(&*journal, &subject, &message, 0).await.expect("appended");
    }
    assert_eq!(last(&*journal).await, 3);
}

/// Somebody else was first.
pub async fn a_stale_expectation_is_a_conflict<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let (mine, other) = (fixture.handle().await, fixture.handle().await);
    let subject = terminal("w01");
    append_one(&*other, &subject, &event(&subject, 1, None, "1"), 0).await.expect("appended");
    append_one(&*other, &subject, &event(&subject, 2, None, "2"), 1).await.expect("appended");
    for stale in [0, 1] {
        let late = append_one(&*mine, &subject, &event(&subject, 9, None, "late"), stale).await;
        assert!(matches!(late, Err(AppendError::Conflict)), "{late:?}");
    }
    assert_eq!(last(&*mine).await, 2);
}

/// The journal is not as far as the writer believes: it went back, or the writer is wrong.
pub async fn a_too_new_expectation_is_a_conflict<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let (subject, other) = (terminal("w01"), terminal("w02"));
    append_one(&*journal, &subject, &event(&subject, 1, None, "1"), 0).await.expect("appended");
    append_one(&*journal, &other, &event(&other, 1, None, "1"), 0).await.expect("appended");
    // 2 is another subject's, 3 nobody's yet.
    for too_new in [2, 3, 1_000] {
        let early = append_one(&*journal, &subject, &event(&subject, 2, None, "2"), too_new).await;
        assert!(matches!(early, Err(AppendError::Conflict)), "{early:?}");
    }
    assert_eq!(last(&*journal).await, 2);
}

/// Two writers at one head, 200 rounds.
pub async fn of_two_racing_writers_exactly_one_wins<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    const ROUNDS: u64 = 200;
    let fixture = make().await;
    let (one, two) = (fixture.handle().await, fixture.handle().await);
    let subject = terminal("w01");
    let mut previous = 0;
    for round in 1..=ROUNDS {
        let ours = event(&subject, round, None, "one");
        let theirs = event(&subject, round, None, "two");
        let (first, second) = tokio::join!(
            tokio::spawn({
                let (one, subject, ours) = (Arc::clone(&one), subject.clone(), ours.clone());
                async move { append_one(&*one, &subject, &ours, previous).await }
            }),
            tokio::spawn({
                let (two, subject, theirs) = (Arc::clone(&two), subject.clone(), theirs.clone());
                async move { append_one(&*two, &subject, &theirs, previous).await }
            }),
        );
        let (winner, sequence) = match (first.expect("no panic"), second.expect("no panic")) {
            (Ok(sequence), Err(AppendError::Conflict)) => (ours, sequence),
            (Err(AppendError::Conflict), Ok(sequence)) => (theirs, sequence),
            both => panic!("round {round}: exactly one must win: {both:?}"),
        };
        let head = one.head(&subject).await.expect("a head").expect("a message");
        assert_eq!((head.position, head.message), (sequence, winner), "round {round}");
        previous = sequence;
    }
    assert_eq!(last(&*one).await, ROUNDS);
}

/// One stale expectation, and nothing of the batch is stored.
pub async fn a_batch_over_several_subjects_is_all_or_none<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let (a, b, c) = (terminal("a"), terminal("b"), terminal("c"));
    let (line_a, line_b, line_c) =
        (line(&a, 1, 3, None), line(&b, 1, 2, None), line(&c, 1, 2, None));
    let batch = vec![
        line_a[0].clone(),
        line_b[0].clone(),
        line_a[1].clone(),
        line_c[0].clone(),
        line_b[1].clone(),
    ];
    let sequences =
        journal.append(&batch, &[at(&a, 0), at(&b, 0), at(&c, 0)]).await.expect("appended");
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    assert_eq!(
        read_all(&*journal).await.into_iter().map(|it| it.message).collect::<Vec<_>>(),
        batch
    );

    let next = [line_a[2].clone(), line_c[1].clone()];
    let stale = journal.append(&next, &[at(&a, 3), at(&c, 0)]).await;
    assert!(matches!(stale, Err(AppendError::Conflict)), "{stale:?}");
    assert_eq!(last(&*journal).await, 5);
    let head = journal.head(&a).await.expect("a head").expect("a message");
    assert_eq!(head.position, 3, "nothing of a refused batch is stored");
    let sequences = journal.append(&next, &[at(&a, 3), at(&c, 4)]).await.expect("appended");
    assert_eq!(sequences, [6, 7]);
}

/// Batches of several writers that share one subject: the shared head decides, and no batch is torn.
pub async fn racing_batches_over_two_subjects_never_both_win<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    const ROUNDS: u64 = 50;
    let fixture = make().await;
    let shared = terminal("shared");
    let (mut shared_last, mut own_last) = (0, [0, 0]);
    let handles = [fixture.handle().await, fixture.handle().await];
    for round in 1..=ROUNDS {
        let racers = [0, 1].map(|racer: usize| {
            let own = terminal(["one", "two"][racer]);
            let batch = [
                event(&own, round, None, &format!("{round}")),
                event(&shared, round, None, &format!("{racer}")),
            ];
            let expected = [at(&own, own_last[racer]), at(&shared, shared_last)];
            let journal = Arc::clone(&handles[racer]);
            tokio::spawn(async move { journal.append(&batch, &expected).await })
        });
        let [one, two] = racers;
        match (one.await.expect("no panic"), two.await.expect("no panic")) {
            (Ok(sequences), Err(AppendError::Conflict)) => {
                (own_last[0], shared_last) = (sequences[0], sequences[1]);
            }
            (Err(AppendError::Conflict), Ok(sequences)) => {
                (own_last[1], shared_last) = (sequences[0], sequences[1]);
            }
            both => panic!("round {round}: exactly one must win: {both:?}"),
        }
    }
    assert_eq!(last(&*handles[0]).await, 2 * ROUNDS);
}

/// An acknowledgement was lost: the writer sends the same again, at once or after others went on.
pub async fn a_repeat_answers_with_the_same_sequences<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let (journal, again) = (fixture.handle().await, fixture.handle().await);
    let (a, b) = (terminal("a"), terminal("b"));
    let line_a = line(&a, 1, 6, None);
    let line_b = line(&b, 1, 2, None);

    let single = append_one(&*journal, &a, &line_a[0], 0).await.expect("appended");
    assert_eq!(append_one(&*again, &a, &line_a[0], 0).await.expect("a repeat"), single);

    let batch = [line_a[1].clone(), line_b[0].clone(), line_a[2].clone()];
    let expected = [at(&a, single), at(&b, 0)];
    let sequences = journal.append(&batch, &expected).await.expect("appended");
    assert_eq!(again.append(&batch, &expected).await.expect("a repeat"), sequences);

    let one_subject = line_a[3..5].to_vec();
    let after = [at(&a, sequences[2])];
    let third = journal.append(&one_subject, &after).await.expect("appended");
    assert_eq!(again.append(&one_subject, &after).await.expect("a repeat"), third);

    // Both lines have gone on since.
    append_one(&*journal, &b, &line_b[1], sequences[1]).await.expect("appended");
    append_one(&*journal, &a, &line_a[5], third[1]).await.expect("appended");
    assert_eq!(append_one(&*again, &a, &line_a[0], 0).await.expect("a repeat"), single);
    assert_eq!(again.append(&batch, &expected).await.expect("a repeat"), sequences);
    assert_eq!(last(&*journal).await, 8, "a repeat stores nothing");
}

/// The same place, other bytes: somebody else was there.
pub async fn a_repeat_with_other_content_is_a_conflict<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 3, None);
    journal.append(&messages, &[at(&subject, 0)]).await.expect("appended");

    let mut single = messages[0].clone();
    single.body.push(b' ');
    let other = append_one(&*journal, &subject, &single, 0).await;
    assert!(matches!(other, Err(AppendError::Conflict)), "{other:?}");
    let mut batch = messages.clone();
    batch[1].body.push(b' ');
    let other = journal.append(&batch, &[at(&subject, 0)]).await;
    assert!(matches!(other, Err(AppendError::Conflict)), "{other:?}");
    let mut swapped = messages.clone();
    swapped.swap(1, 2);
    let other = journal.append(&swapped, &[at(&subject, 0)]).await;
    assert!(matches!(other, Err(AppendError::Conflict)), "{other:?}");
    assert_eq!(last(&*journal).await, 3);
}

/// The first half is there, the second is not: all or none means that this did not happen.
pub async fn a_partly_stored_batch_is_a_conflict<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let (a, b) = (terminal("a"), terminal("b"));
    let messages = line(&a, 1, 4, None);
    journal.append(&messages[..2], &[at(&a, 0)]).await.expect("appended");
    let partly = journal.append(&messages, &[at(&a, 0)]).await;
    assert!(matches!(partly, Err(AppendError::Conflict)), "{partly:?}");
    let two = [messages[0].clone(), event(&b, 1, None, "{}")];
    let partly = journal.append(&two, &[at(&a, 0), at(&b, 0)]).await;
    assert!(matches!(partly, Err(AppendError::Conflict)), "{partly:?}");
    assert_eq!(last(&*journal).await, 2);
    assert_eq!(journal.head(&b).await.expect("a head"), None);
}

/// More than one batch, one line.
pub async fn a_line_longer_than_a_batch_is_appended_in_order<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 2 * BATCH_MESSAGES_MAX as u64 + 17, None);
    let appended = append_in_order(&*journal, &subject, &messages, 0).await;
    assert!(appended.stopped.is_none(), "{:?}", appended.stopped);
    assert_eq!(appended.sequences, (1..=messages.len() as u64).collect::<Vec<_>>());
    let read = read_all(&*journal).await;
    assert_eq!(read.into_iter().map(|it| it.message).collect::<Vec<_>>(), messages);
}

/// The writer knows less than the journal: what is there counts as stored.
pub async fn a_line_goes_on_where_its_acknowledgement_was_lost<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 30, None);
    journal.append(&messages[..13], &[at(&subject, 0)]).await.expect("appended");
    let appended = append_in_order(&*journal, &subject, &messages, 0).await;
    assert!(appended.stopped.is_none(), "{:?}", appended.stopped);
    assert_eq!(appended.sequences, (1..=30).collect::<Vec<_>>());
    let again = append_in_order(&*journal, &subject, &messages, 0).await;
    assert_eq!(again.sequences, appended.sequences);
    assert_eq!(last(&*journal).await, 30);
}

/// A fork: another device has used the line.
pub async fn a_line_stops_at_the_first_conflict<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 10, None);
    journal.append(&messages[..4], &[at(&subject, 0)]).await.expect("appended");
    append_one(&*journal, &subject, &event(&subject, 5, None, "fork"), 4).await.expect("appended");
    let appended = append_in_order(&*journal, &subject, &messages, 0).await;
    assert!(matches!(appended.stopped, Some(AppendError::Conflict)), "{:?}", appended.stopped);
    assert_eq!(appended.sequences, [1, 2, 3, 4]);
    assert_eq!(last(&*journal).await, 5);
}

/// No batch can be opened: singles do.
pub async fn a_refused_batch_falls_back_to_singles<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 25, None);
    if fixture.refuse_batches().await {
        let refused = journal.append(&messages, &[at(&subject, 0)]).await;
        assert!(matches!(refused, Err(AppendError::BatchRefused)), "{refused:?}");
        assert_eq!(last(&*journal).await, 0);
    }
    let appended = append_in_order(&*journal, &subject, &messages, 0).await;
    assert!(appended.stopped.is_none(), "{:?}", appended.stopped);
    assert_eq!(appended.sequences, (1..=25).collect::<Vec<_>>());
    let read = read_all(&*journal).await;
    assert_eq!(read.into_iter().map(|it| it.message).collect::<Vec<_>>(), messages);
}

/// The limit is a limit, and an error.
pub async fn the_largest_batch_is_taken_and_one_more_is_refused<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let messages = line(&subject, 1, BATCH_MESSAGES_MAX as u64 + 1, None);
    let refused = journal.append(&messages, &[at(&subject, 0)]).await;
    assert!(matches!(refused, Err(AppendError::Invalid { .. })), "{refused:?}");
    assert_eq!(last(&*journal).await, 0);
    let taken = journal.append(&messages[..BATCH_MESSAGES_MAX], &[at(&subject, 0)]).await;
    assert_eq!(taken.expect("appended").len(), BATCH_MESSAGES_MAX);
    assert_eq!(last(&*journal).await, BATCH_MESSAGES_MAX as u64);
    let empty = journal.append(&[], &[]).await;
    assert!(matches!(empty, Err(AppendError::Invalid { .. })), "{empty:?}");
}

/// One byte too many, alone and within a batch; exactly the limit is taken.
pub async fn an_oversize_message_is_refused_and_nothing_stored<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let small = event(&subject, 1, None, "");
    let room = MESSAGE_BYTES_MAX - size_bytes(&small);
    let largest = event(&subject, 1, None, &"x".repeat(room));
    let oversize = event(&subject, 1, None, &"x".repeat(room + 1));
    let refused = append_one(&*journal, &subject, &oversize, 0).await;
    assert!(
        matches!(
            refused,
            Err(AppendError::TooLarge { size_bytes, limit_bytes })
                if size_bytes == limit_bytes + 1 && limit_bytes == MESSAGE_BYTES_MAX
        ),
        "{refused:?}"
    );
    let refused = journal.append(&[small, oversize], &[at(&subject, 0)]).await;
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })), "{refused:?}");
    assert_eq!(last(&*journal).await, 0);
    append_one(&*journal, &subject, &largest, 0).await.expect("appended");
    let head = journal.head(&subject).await.expect("a head").expect("a message");
    assert_eq!(head.message, largest);
}

/// Expectations and messages must match, and belong to this hall.
pub async fn a_malformed_append_is_refused<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let (a, b) = (terminal("a"), terminal("b"));
    let foreign = Subject::new("999999".parse().expect("a hall code"), Stream::Issues);
    let message = event(&a, 1, None, "{}");
    let one = std::slice::from_ref(&message);
    for expected in
        [vec![], vec![at(&b, 0)], vec![at(&a, 0), at(&a, 0)], vec![at(&a, 0), at(&b, 0)]]
    {
        let refused = journal.append(one, &expected).await;
        assert!(matches!(refused, Err(AppendError::Invalid { .. })), "{expected:?}: {refused:?}");
    }
    let refused = append_one(&*journal, &foreign, &event(&foreign, 1, None, "{}"), 0).await;
    assert!(matches!(refused, Err(AppendError::Invalid { .. })), "{refused:?}");
    assert_eq!(last(&*journal).await, 0);
}

/// CJK, percent signs, quotes, an empty body, bytes that are no text, attributes of a later version.
pub async fn bytes_come_back_as_they_went_in<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let bodies: Vec<Vec<u8>> = vec![
        Vec::new(),
        "{\"text\":\"窗口工作周报，100% “好”\"}".into(),
        b"{ \"a\" :1,\r\n\t\"a\":2 } ".to_vec(),
        b"%E5%91%A8%zz%".to_vec(),
        b"\0nul\0inside\0".to_vec(),
        vec![0xff, 0xfe, 0xc3, 0x28, 0x00],
        (0..=255).collect(),
        "𠮷\u{feff}\u{200b}\u{7f}".into(),
        b"null".to_vec(),
        b"007".to_vec(),
    ];
    let mut messages = Vec::new();
    for (body, number) in bodies.into_iter().zip(1..) {
        let mut message = event(&subject, number, None, "");
        message.body = body;
        message.attributes.actor = Some("工号 100%, \"甲\"".to_owned());
        message.attributes.extra = vec![
            ("futurething".to_owned(), "新属性 %41 ; a:b".to_owned()),
            ("a1".to_owned(), String::new()),
        ];
        messages.push(message);
    }
    append_one(&*journal, &subject, &messages[0], 0).await.expect("appended");
    journal.append(&messages[1..], &[at(&subject, 1)]).await.expect("appended");
    let read = read_all(&*journal).await;
    assert_eq!(read.len(), messages.len());
    for (stored, message) in read.iter().zip(&messages) {
        assert_eq!(stored.message, *message);
        assert_eq!(hash(&stored.message), hash(message));
        let got = journal.get(stored.position).await.expect("an answer");
        assert_eq!(got.as_ref(), Some(stored), "both ways of reading agree");
    }
}

/// The journal's own clock, in the order of the journal.
pub async fn recorded_at_is_monotone_and_close_to_the_clock<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    const NEAR_S: i64 = 5;
    let fixture = make().await;
    let handles = [fixture.handle().await, fixture.handle().await];
    let before = SystemClock.now();
    let (a, b) = (terminal("a"), terminal("b"));
    let (mut last_a, mut last_b) = (0, 0);
    for number in 1..=20_u64 {
        let journal = &*handles[usize::from(number % 2 == 0)];
        last_a = append_one(journal, &a, &event(&a, number, None, "{}"), last_a).await.expect("ok");
        let two = [event(&b, 2 * number - 1, None, "1"), event(&b, 2 * number, None, "2")];
        last_b = journal.append(&two, &[at(&b, last_b)]).await.expect("ok")[1];
    }
    let after = SystemClock.now();
    let read = read_all(&*handles[0]).await;
    assert!(read.is_sorted_by_key(|it| it.recorded_at), "never back in the order of the journal");
    let near = |a: Timestamp, b: Timestamp| a.duration_since(b).as_secs().abs() < NEAR_S;
    assert!(read.first().is_some_and(|it| near(it.recorded_at, before)));
    assert!(read.last().is_some_and(|it| near(it.recorded_at, after)));
}

/// A reader that is ahead gets nothing early, and the next message when it comes.
pub async fn a_reader_beyond_the_end_waits_and_gets_the_next<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    let fixture = make().await;
    let (writer, reader) = (fixture.handle().await, fixture.handle().await);
    let subject = terminal("w01");
    let messages = line(&subject, 1, 4, None);
    let mut empty = reader.open(1).await.expect("a cursor");
    assert_eq!(empty.next(10, Duration::ZERO).await.expect("no message"), []);
    assert_eq!(empty.next(10, Duration::from_millis(50)).await.expect("no message"), []);
    writer.append(&messages[..2], &[at(&subject, 0)]).await.expect("appended");
    let mut cursor = reader.open(4).await.expect("a cursor");
    let waiting = tokio::spawn(async move {
        let mut read = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while read.is_empty() && Instant::now() < deadline {
            read = cursor.next(10, Duration::from_secs(1)).await.expect("messages");
        }
        read
    });
    append_one(&*writer, &subject, &messages[2], 2).await.expect("appended");
    append_one(&*writer, &subject, &messages[3], 3).await.expect("appended");
    let read = waiting.await.expect("no panic");
    assert_eq!(read.iter().map(|it| it.position).collect::<Vec<_>>(), [4]);
    assert_eq!(read[0].message, messages[3]);
    // The first cursor sees all of it, in pieces of the size asked for.
    let mut pieces = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while pieces.len() < 4 && Instant::now() < deadline {
        let piece = empty.next(3, Duration::from_secs(1)).await.expect("messages");
        assert!(piece.len() <= 3);
        pieces.extend(piece);
    }
    assert_eq!(pieces.into_iter().map(|it| it.message).collect::<Vec<_>>(), messages);
}

/// Catch-up, then live, while three writers append and the server is killed five times.
pub async fn catch_up_then_live_without_gap_or_repeat_while_the_server_dies<F: Fixture>(
    make: impl AsyncFnOnce() -> F,
) {
    const WRITERS: usize = 3;
    const KILLS: usize = 5;
    const BEFORE: u64 = 1_500;
    let fixture = make().await;
    let started = fixture.handle().await;
    let old = terminal("old");
    let history = append_in_order(&*started, &old, &line(&old, 1, BEFORE, None), 0).await;
    assert!(history.stopped.is_none(), "{:?}", history.stopped);

    let done = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Vec::<(u64, Digest)>::new()));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let journal = fixture.handle().await;
        let (done, acknowledged) = (Arc::clone(&done), Arc::clone(&acknowledged));
        let subject = terminal(&format!("w{writer}"));
        writers.push(tokio::spawn(async move {
            let (mut number, mut previous, mut last) = (1, None, 0);
            while !done.load(Ordering::Relaxed) {
                let messages = line(&subject, number, 1 + number % 4, previous);
                // The same messages until they are in: what the outbox of a terminal does.
                let mut rest = &messages[..];
                while !rest.is_empty() {
                    let appended = append_in_order(&*journal, &subject, rest, last).await;
                    acknowledged
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(appended.sequences.iter().copied().zip(rest.iter().map(hash)));
                    last = appended.sequences.last().copied().unwrap_or(last);
                    rest = &rest[appended.sequences.len()..];
                    match appended.stopped {
                        None => {}
                        Some(AppendError::Unavailable(_)) => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                        Some(other) => panic!("{subject} at {last}: {other:?}"),
                    }
                }
                number += messages.len() as u64;
                previous = messages.last().map(hash);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            last
        }));
    }

    let seen = Arc::new(Mutex::new(Vec::<Stored>::new()));
    let reader = {
        let mut follower = Follower::new(fixture.handle().await, None);
        let (seen, done) = (Arc::clone(&seen), Arc::clone(&done));
        tokio::spawn(async move {
            loop {
                // Small pages, so that the kills come in the middle of the catch-up, too.
                let page = follower.next_page(100, Duration::from_millis(200)).await?;
                let stop =
                    page.caught_up && page.messages.is_empty() && done.load(Ordering::Relaxed);
                seen.lock().unwrap_or_else(PoisonError::into_inner).extend(page.messages);
                if stop {
                    return Ok::<_, FollowError>(());
                }
            }
        })
    };
    let reached = || seen.lock().unwrap_or_else(PoisonError::into_inner).len();
    for _ in 0..KILLS {
        let before = reached();
        eventually("the reader to read", || async { (reached() > before).then_some(()) }).await;
        fixture.kill().await;
        let down = reached();
        fixture.start().await;
        let back = Instant::now();
        let next = async {
            eventually("the next event", || async { (reached() > down).then_some(()) }).await;
            back.elapsed()
        };
        let anew = async {
            fixture.handle().await;
            back.elapsed()
        };
        let (deaf, anew) = tokio::join!(next, anew);
        assert!(deaf < RECOVERY_MAX + anew, "the next event {deaf:?}, a new connection {anew:?}");
    }
    eventually("the reader to be live", || async { (reached() > BEFORE as usize).then_some(()) })
        .await;
    done.store(true, Ordering::Relaxed);
    let mut heads = Vec::new();
    for writer in writers {
        heads.push(timeout(PATIENCE, writer).await.expect("writers end").expect("no panic"));
    }
    timeout(PATIENCE, reader).await.expect("the reader ends").expect("no panic").expect("no end");

    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    assert!(
        seen.iter().zip(1..).all(|(it, position)| it.position == position),
        "every position once and in order"
    );
    let all = read_all(&*started).await;
    assert_eq!(all.len(), seen.len());
    assert_eq!(seen, all, "what was followed is what the journal holds");
    assert_eq!(heads.iter().max().copied(), all.last().map(|it| it.position));
    let acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    for (sequence, known) in &*acknowledged {
        let stored = usize::try_from(sequence - 1).ok().and_then(|it| all.get(it));
        assert_eq!(stored.map(|it| hash(&it.message)), Some(*known), "acknowledged at {sequence}");
    }
    assert_eq!(acknowledged.len() + BEFORE as usize, all.len(), "nothing is stored twice");
    let identities: HashSet<_> =
        all.iter().map(|it| (&it.message.subject, &it.message.attributes.id)).collect();
    assert_eq!(identities.len(), all.len());
}

/// Messages, heads, times and the incarnation are there after a restart, and it goes on from there.
pub async fn a_restart_keeps_everything<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let (a, b) = (terminal("a"), terminal("b"));
    journal.append(&line(&a, 1, 20, None), &[at(&a, 0)]).await.expect("appended");
    append_one(&*journal, &b, &event(&b, 1, None, "{}"), 0).await.expect("appended");
    let (before, state) = (read_all(&*journal).await, journal.state().await.expect("a state"));

    fixture.kill().await;
    fixture.start().await;

    let fresh = fixture.handle().await;
    for journal in [&journal, &fresh] {
        let now =
            eventually("the journal to answer", || async { journal.state().await.ok() }).await;
        assert_eq!(now, state);
        assert_eq!(read_all(&**journal).await, before);
        let head = journal.head(&a).await.expect("a head");
        assert_eq!(head.as_ref(), before.get(19));
    }
    assert_eq!(append_one(&*fresh, &b, &event(&b, 2, None, "2"), 21).await.expect("appended"), 22);
}

/// A checkpoint of one journal is refused by another, empty or not.
pub async fn two_journals_are_never_taken_for_each_other<F: Fixture>(make: impl AsyncFn() -> F) {
    let (ours, theirs) = (make().await, make().await);
    let (journal, other) = (ours.handle().await, theirs.handle().await);
    let subject = terminal("w01");
    let messages = line(&subject, 1, 3, None);
    journal.append(&messages, &[at(&subject, 0)]).await.expect("appended");
    let mut follower = Follower::new(Arc::clone(&journal), None);
    let page = follower.next_page(PAGE_MESSAGES_MAX, PATIENCE).await.expect("a page");
    assert_eq!(page.messages.len(), 3);
    let checkpoint = page.checkpoint.expect("a checkpoint");
    for _ in 0..2 {
        let refused = Follower::new(Arc::clone(&other), Some(checkpoint.clone()))
            .next_page(10, PATIENCE)
            .await;
        let Err(FollowError::OtherJournal { expected, found }) = refused else {
            panic!("another journal was taken for this one: {refused:?}");
        };
        assert_eq!(expected, checkpoint.incarnation);
        assert_eq!(found, other.state().await.expect("a state").incarnation);
        // The same events, and still another journal.
        other.append(&messages, &[at(&subject, 0)]).await.expect("appended");
    }
}

/// The checkpoint lies beyond the journal's end, or another message lies there.
pub async fn a_journal_that_went_backwards_is_noticed<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 3, None);
    journal.append(&messages, &[at(&subject, 0)]).await.expect("appended");
    let incarnation = journal.state().await.expect("a state").incarnation;
    let follow = async |sequence, known: Digest| {
        let checkpoint = Checkpoint { incarnation: incarnation.clone(), sequence, hash: known };
        Follower::new(Arc::clone(&journal), Some(checkpoint))
            .next_page(10, Duration::from_millis(100))
            .await
    };
    assert_eq!(
        follow(4, hash(&messages[2])).await,
        Err(FollowError::WentBack { checkpoint: 4, last: 3 })
    );
    assert_eq!(
        follow(2, hash(&messages[2])).await,
        Err(FollowError::WentBack { checkpoint: 2, last: 3 })
    );
    let page = follow(2, hash(&messages[1])).await.expect("a page");
    assert_eq!(page.messages.iter().map(|it| it.position).collect::<Vec<_>>(), [3]);
    assert!(page.caught_up);
    let page = follow(3, hash(&messages[2])).await.expect("a page");
    assert!(page.caught_up && page.messages.is_empty());
}

/// A message vanished from the middle, or the head of the journal did.
pub async fn a_lost_message_is_noticed<F: Fixture>(make: impl AsyncFnOnce() -> F) {
    let fixture = make().await;
    let journal = fixture.handle().await;
    let subject = terminal("w01");
    let messages = line(&subject, 1, 9, None);
    journal.append(&messages, &[at(&subject, 0)]).await.expect("appended");
    if !fixture.lose(5).await {
        return;
    }
    let mut follower = Follower::new(Arc::clone(&journal), None);
    let page = follower.next_page(3, PATIENCE).await.expect("a page before the gap");
    assert_eq!(page.messages.len(), 3);
    for _ in 0..2 {
        let gap = follower.next_page(10, PATIENCE).await;
        assert_eq!(gap, Err(FollowError::Gap { expected: 5, found: 6 }), "and it stays an error");
    }
    assert!(fixture.lose(1).await);
    let gap = Follower::new(journal, None).next_page(10, PATIENCE).await;
    assert_eq!(gap, Err(FollowError::Gap { expected: 1, found: 2 }));
}

/// A handle that outlives the journal behind it: for fixtures of adapters without a server, where "kill" means
/// that the process with its connections is gone.
#[derive(Clone, Default)]
pub struct Revivable {
    behind: Arc<Mutex<Life>>,
}

#[derive(Default)]
struct Life {
    journal: Option<Arc<dyn Journal>>,
    generation: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("the process of the journal is gone")]
struct Gone;

impl Revivable {
    /// Puts a journal behind the handle.
    pub fn revive(&self, journal: Arc<dyn Journal>) {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).journal = Some(journal);
    }

    /// Takes it away; its cursors are cut off.
    pub fn kill(&self) -> Option<Arc<dyn Journal>> {
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.generation += 1;
        behind.journal.take()
    }

    fn generation(&self) -> u64 {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner).generation
    }

    fn get(&self) -> Result<(Arc<dyn Journal>, u64), JournalError> {
        let behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        let journal =
            behind.journal.clone().ok_or_else(|| JournalError::Unavailable(Box::new(Gone)))?;
        Ok((journal, behind.generation))
    }

    fn alive(&self, generation: u64) -> Result<(), JournalError> {
        if self.generation() == generation {
            Ok(())
        } else {
            Err(JournalError::Unavailable(Box::new(Gone)))
        }
    }
}

#[async_trait]
impl Journal for Revivable {
    async fn state(&self) -> Result<JournalState, JournalError> {
        self.get()?.0.state().await
    }

    async fn append(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError> {
        let gone = |_| AppendError::Unavailable(Box::new(Gone));
        let (journal, generation) = self.get().map_err(gone)?;
        let answer = journal.append(messages, expected).await;
        // Who dies before the answer is out, has not answered.
        self.alive(generation).map_err(gone)?;
        answer
    }

    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        self.get()?.0.head(subject).await
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        Self::get(self)?.0.get(sequence).await
    }

    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
        let (journal, generation) = Self::get(self)?;
        let cursor = journal.open(from).await?;
        Ok(Box::new(RevivableCursor { handle: self.clone(), generation, cursor }))
    }
}

struct RevivableCursor {
    handle: Revivable,
    generation: u64,
    cursor: Box<dyn Cursor>,
}

#[async_trait]
impl Cursor for RevivableCursor {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError> {
        self.handle.alive(self.generation)?;
        let answer = self.cursor.next(max, wait).await;
        self.handle.alive(self.generation)?;
        answer
    }
}

/// An incarnation that no other fixture of this process has.
#[must_use]
pub fn fresh_incarnation() -> Incarnation {
    static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    Incarnation(format!("test-{}-{made}", std::process::id()))
}
