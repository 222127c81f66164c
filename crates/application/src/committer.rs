//! Group commit: appends that are asked for at the same time go into one batch, and one write to the disk.
//!
//! ```text
//!  request ─┐                    ┌─ stored: everybody has his sequences
//!  request ─┼─► waiting ─► batch ┤
//!  request ─┘   (one batch       └─ conflict: heads are read; who is stale appends alone, the rest once more
//!                in flight)
//! ```
//!
//! A journal in front of a journal. Whoever appends is answered when his messages are on disk, never before. While a
//! batch is written the next one gathers, so nobody waits for a timer. Two requests for one subject never share a batch:
//! the second expects what the first has not stored yet.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::id::{HallCode, Subject};

use crate::journal::{
    AppendError, BATCH_MESSAGES_MAX, Cursor, Expectation, Journal, JournalError, JournalState,
    check_append,
};
use crate::way::{self, Part, Since};

/// Requests that wait; whoever comes beyond them waits to be taken.
const WAITING_MAX: usize = 1024;

struct Request {
    messages: Vec<Message>,
    expected: Vec<Expectation>,
    answer: oneshot::Sender<Result<Vec<u64>, AppendError>>,
    /// When it was handed in.
    came: Instant,
}

impl Request {
    fn answer(self, result: Result<Vec<u64>, AppendError>) {
        if let Ok(positions) = &result {
            let since = Since::Ago(self.came.elapsed());
            way::tell_all(Part::Appended, &self.messages, positions, since);
        }
        // Whoever has gone may ask again.
        let _gone = self.answer.send(result);
    }
}

/// A journal that gathers what is appended at the same time.
pub struct Committer {
    journal: Arc<dyn Journal>,
    hall: HallCode,
    requests: mpsc::Sender<Request>,
}

impl Committer {
    /// Puts itself in front of a journal. Must be called within a runtime; its work ends with it.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, hall: HallCode) -> Self {
        let (requests, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(work(journal.clone(), waiting));
        Self { journal, hall, requests }
    }
}

#[async_trait]
impl Journal for Committer {
    async fn state(&self) -> Result<JournalState, JournalError> {
        self.journal.state().await
    }

    async fn append(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError> {
        // A batch with a message that nobody takes would be refused whole.
        check_append(&self.hall, messages, expected)?;
        let (answer, answered) = oneshot::channel();
        let request = Request {
            messages: messages.to_vec(),
            expected: expected.to_vec(),
            answer,
            came: Instant::now(),
        };
        let gone = || AppendError::Unavailable("the committer has ended".into());
        self.requests.send(request).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        self.journal.head(subject).await
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        self.journal.get(sequence).await
    }

    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
        self.journal.open(from).await
    }
}

async fn work(journal: Arc<dyn Journal>, mut waiting: mpsc::Receiver<Request>) {
    // What does not fit into a batch is the first of the next.
    let mut left: Vec<Request> = Vec::new();
    loop {
        if left.is_empty() {
            let Some(request) = waiting.recv().await else { return };
            left.push(request);
        }
        while left.len() < WAITING_MAX
            && let Ok(request) = waiting.try_recv()
        {
            left.push(request);
        }
        let (group, rest) = group(left);
        left = rest;
        commit(&journal, group, true).await;
    }
}

/// The requests that go together, in their order, and the rest.
fn group(requests: Vec<Request>) -> (Vec<Request>, Vec<Request>) {
    let mut subjects = HashSet::new();
    let (mut together, mut rest) = (Vec::new(), Vec::new());
    let mut messages = 0;
    for request in requests {
        let named: Vec<String> = request.expected.iter().map(|it| it.subject.to_string()).collect();
        let fits = messages + request.messages.len() <= BATCH_MESSAGES_MAX
            && named.iter().all(|it| !subjects.contains(it));
        // One that has to wait keeps its place before the later ones of its subjects.
        subjects.extend(named);
        if fits {
            messages += request.messages.len();
            together.push(request);
        } else {
            rest.push(request);
        }
    }
    (together, rest)
}

/// Appends requests with different subjects; `looks`: after a conflict it is asked who is stale.
async fn commit(journal: &Arc<dyn Journal>, mut group: Vec<Request>, looks: bool) {
    // Each round has fewer requests, or ends.
    let mut looks = looks;
    let mut halves: Vec<Vec<Request>> = Vec::new();
    loop {
        if group.len() <= 1 {
            alone(journal, group).await;
        } else {
            let messages: Vec<Message> =
                group.iter().flat_map(|it| it.messages.iter().cloned()).collect();
            let expected: Vec<Expectation> =
                group.iter().flat_map(|it| it.expected.iter().cloned()).collect();
            match journal.append(&messages, &expected).await {
                Ok(sequences) => stored(group, &sequences),
                Err(AppendError::Conflict) if looks => {
                    looks = false;
                    let (fresh, stale) = look(journal, group).await;
                    halves.push(fresh);
                    // Who is stale may have been answered already, when an acknowledgement was lost: his own append
                    // tells.
                    alone(journal, stale).await;
                }
                Err(AppendError::Conflict) => {
                    let second = group.split_off(group.len() / 2);
                    halves.push(second);
                    halves.push(group);
                }
                Err(AppendError::Unavailable(error)) => {
                    // Each may ask again: what did happen is answered as if it happened then.
                    let text = error.to_string();
                    for request in group {
                        request.answer(Err(AppendError::Unavailable(text.clone().into())));
                    }
                }
                // No batch can be opened now, or this one is none: each by itself.
                Err(
                    AppendError::BatchRefused
                    | AppendError::TooLarge { .. }
                    | AppendError::Invalid { .. },
                ) => alone(journal, group).await,
            }
        }
        match halves.pop() {
            Some(next) => group = next,
            None => return,
        }
    }
}

fn stored(group: Vec<Request>, sequences: &[u64]) {
    let mut rest = sequences;
    for request in group {
        let (own, after) = rest.split_at(request.messages.len().min(rest.len()));
        rest = after;
        request.answer(Ok(own.to_vec()));
    }
}

/// Those whose subjects are as they expect, and the others.
async fn look(journal: &Arc<dyn Journal>, group: Vec<Request>) -> (Vec<Request>, Vec<Request>) {
    let mut reads = JoinSet::new();
    for (nth, request) in group.iter().enumerate() {
        for it in request.expected.clone() {
            let journal = journal.clone();
            reads.spawn(async move {
                let head = journal.head(&it.subject).await;
                let last = head.ok()?.map_or(0, |head| head.position);
                (last != it.last).then_some(nth)
            });
        }
    }
    let stale: HashSet<usize> = reads.join_all().await.into_iter().flatten().collect();
    let (mut fresh, mut others) = (Vec::new(), Vec::new());
    for (nth, request) in group.into_iter().enumerate() {
        if stale.contains(&nth) { others.push(request) } else { fresh.push(request) }
    }
    (fresh, others)
}

/// Appends each request by itself, all at the same time.
async fn alone(journal: &Arc<dyn Journal>, requests: Vec<Request>) {
    let mut appends = JoinSet::new();
    for request in requests {
        let journal = journal.clone();
        appends.spawn(async move {
            let result = journal.append(&request.messages, &request.expected).await;
            request.answer(result);
        });
    }
    appends.join_all().await;
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use zhoubao_contract::Attributes;

    use super::*;
    use crate::clock::SystemClock;
    use crate::journal::Incarnation;
    use crate::memory::MemoryJournal;

    fn hall() -> HallCode {
        "510000".parse().unwrap()
    }

    fn subject(terminal: &str) -> Subject {
        format!("hall.510000.terminal.{terminal}").parse().unwrap()
    }

    fn message(terminal: &str, body: &str) -> Message {
        let subject = subject(terminal).to_string();
        Message { subject, attributes: Attributes::default(), body: body.as_bytes().to_vec() }
    }

    /// Counts the appends that reach it.
    struct Counted {
        journal: MemoryJournal,
        sizes: Mutex<Vec<usize>>,
        slow: bool,
    }

    #[async_trait]
    impl Journal for Counted {
        async fn state(&self) -> Result<JournalState, JournalError> {
            self.journal.state().await
        }

        async fn append(
            &self,
            messages: &[Message],
            expected: &[Expectation],
        ) -> Result<Vec<u64>, AppendError> {
            self.sizes.lock().unwrap().push(messages.len());
            if self.slow {
                tokio::time::sleep(std::time::Duration::from_millis(4)).await;
            }
            self.journal.append(messages, expected).await
        }

        async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
            self.journal.head(subject).await
        }

        async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
            self.journal.get(sequence).await
        }

        async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
            self.journal.open(from).await
        }
    }

    fn counted() -> Arc<Counted> {
        let incarnation = Incarnation("test".to_owned());
        let journal = MemoryJournal::new(hall(), incarnation, Arc::new(SystemClock));
        Arc::new(Counted { journal, sizes: Mutex::default(), slow: true })
    }

    /// 64 people append at once; the one at `stale` expects what is not so.
    async fn together(journal: &Arc<Counted>, stale: usize) -> Vec<Result<Vec<u64>, AppendError>> {
        let committer = Arc::new(Committer::new(journal.clone(), hall()));
        let mut all = JoinSet::new();
        for nth in 0..64 {
            let committer = committer.clone();
            all.spawn(async move {
                let terminal = format!("w{nth:02}");
                let last = if nth == stale { 99 } else { 0 };
                let expected = Expectation { subject: subject(&terminal), last };
                (nth, committer.append(&[message(&terminal, "{}")], &[expected]).await)
            });
        }
        let mut answers = all.join_all().await;
        answers.sort_by_key(|(nth, _)| *nth);
        answers.into_iter().map(|(_, it)| it).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_of_one_moment_share_a_batch() {
        let journal = counted();
        let answers = together(&journal, 64).await;
        let mut sequences: Vec<u64> = answers.into_iter().flat_map(Result::unwrap).collect();
        sequences.sort_unstable();
        assert_eq!(sequences, (1..=64).collect::<Vec<_>>());
        let sizes = journal.sizes.lock().unwrap().clone();
        assert!(sizes.len() <= 3 && sizes.iter().sum::<usize>() == 64, "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_stale_request_costs_the_others_one_retry() {
        let journal = counted();
        let answers = together(&journal, 17).await;
        for (nth, answer) in answers.into_iter().enumerate() {
            if nth == 17 {
                assert!(matches!(answer, Err(AppendError::Conflict)), "{answer:?}");
            } else {
                assert!(answer.is_ok(), "{nth}: {answer:?}");
            }
        }
        // Nobody else's message was offered more than twice, and the stale one was asked alone.
        let sizes = journal.sizes.lock().unwrap().clone();
        assert!(sizes.contains(&1) && sizes.iter().sum::<usize>() <= 64 + 63 + 1, "{sizes:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_places_for_batches_it_goes_on_one_by_one() {
        let journal = counted();
        journal.journal.refuse_batches(true);
        let answers = together(&journal, 64).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(journal.journal.state().await.unwrap().last, 64);
    }

    #[tokio::test(start_paused = true)]
    async fn two_requests_for_one_subject_are_decided_one_after_the_other() {
        let journal = counted();
        let committer = Arc::new(Committer::new(journal.clone(), hall()));
        let mut all = JoinSet::new();
        for nth in 0..8 {
            let committer = committer.clone();
            all.spawn(async move {
                let expected = Expectation { subject: subject("w01"), last: 0 };
                committer.append(&[message("w01", &format!("{{\"n\":{nth}}}"))], &[expected]).await
            });
        }
        let answers = all.join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 7));
        assert!(lost.iter().all(|it| matches!(it, Err(AppendError::Conflict))), "{lost:?}");
    }
}
