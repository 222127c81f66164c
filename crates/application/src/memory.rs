//! The ports in memory, for tests and the simulator: real semantics, and faults on demand.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use zhoubao_contract::{Message, Stored, hash};
use zhoubao_domain::id::{Digest, HallCode, Subject};

use crate::blobs::{self, BlobError, Blobs};
use crate::clock::Clock;
use crate::journal::{
    AppendError, Cursor, Expectation, Incarnation, Journal, JournalError, JournalState,
    check_append,
};

/// A journal in memory; clones are handles to the same one.
#[derive(Clone)]
pub struct MemoryJournal {
    hall: HallCode,
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
    /// Counts changes; readers wait on it.
    changed: Arc<watch::Sender<u64>>,
}

/// A store of files in memory; clones are handles to the same one.
#[derive(Clone, Default)]
pub struct MemoryBlobs(Arc<Mutex<BTreeMap<Digest, Vec<u8>>>>);

impl MemoryBlobs {
    fn files(&self) -> MutexGuard<'_, BTreeMap<Digest, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        let digest = blobs::check(bytes)?;
        self.files().entry(digest).or_insert_with(|| bytes.to_vec());
        Ok(digest)
    }

    async fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, BlobError> {
        let found = self.files().get(digest).cloned();
        found.map(|it| blobs::checked(digest, it)).transpose()
    }
}

/// When the acknowledgement of an append gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The messages never arrived.
    BeforeStoring,
    /// The messages are stored, the writer does not know.
    AfterStoring,
}

/// The fault of a planted error.
#[derive(Debug, thiserror::Error)]
#[error("planted fault: {0}")]
struct Planted(&'static str);

struct Inner {
    incarnation: Incarnation,
    messages: BTreeMap<u64, Stored>,
    /// Sequences of each subject, ascending.
    lines: HashMap<String, Vec<u64>>,
    last: u64,
    /// Cursors of an older generation are broken.
    generation: u64,
    /// Cursors of an older generation hear nothing and see no error.
    hearing: u64,
    down: bool,
    reads_to_fail: usize,
    lose: Option<Lost>,
    batches_refused: bool,
    full: bool,
}

impl Inner {
    fn reading(&mut self) -> Result<(), JournalError> {
        if self.down {
            return Err(JournalError::Unavailable(Box::new(Planted("the journal is down"))));
        }
        if self.reads_to_fail > 0 {
            self.reads_to_fail -= 1;
            return Err(JournalError::Unavailable(Box::new(Planted("a failing read"))));
        }
        Ok(())
    }

    fn head(&self, subject: &str) -> u64 {
        self.lines.get(subject).and_then(|it| it.last()).copied().unwrap_or(0)
    }

    /// The sequences of `messages`, if they directly follow the expected heads already.
    fn repeat(&self, messages: &[Message], expected: &[Expectation]) -> Option<Vec<u64>> {
        let mut following: HashMap<String, &[u64]> = HashMap::new();
        for it in expected {
            let subject = it.subject.to_string();
            let line = self.lines.get(&subject)?;
            following.insert(subject, &line[line.partition_point(|s| *s <= it.last)..]);
        }
        let mut sequences = Vec::with_capacity(messages.len());
        for message in messages {
            let rest = following.get_mut(&message.subject)?;
            let (first, after) = rest.split_first()?;
            if hash(&self.messages.get(first)?.message) != hash(message) {
                return None;
            }
            sequences.push(*first);
            *rest = after;
        }
        Some(sequences)
    }

    fn store(&mut self, messages: &[Message], now: jiff::Timestamp) -> Vec<u64> {
        let previous = self.messages.last_key_value().map(|(_, it)| it.recorded_at);
        let recorded_at = previous.map_or(now, |it| it.max(now));
        messages
            .iter()
            .map(|message| {
                self.last += 1;
                let position = self.last;
                self.lines.entry(message.subject.clone()).or_default().push(position);
                self.messages
                    .insert(position, Stored { position, recorded_at, message: message.clone() });
                position
            })
            .collect()
    }
}

impl MemoryJournal {
    /// An empty journal of one hall.
    #[must_use]
    pub fn new(hall: HallCode, incarnation: Incarnation, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            incarnation,
            messages: BTreeMap::new(),
            lines: HashMap::new(),
            last: 0,
            generation: 0,
            hearing: 0,
            down: false,
            reads_to_fail: 0,
            lose: None,
            batches_refused: false,
            full: false,
        };
        Self {
            hall,
            clock,
            inner: Arc::new(Mutex::new(inner)),
            changed: Arc::new(watch::channel(0).0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let answer = change(&mut self.lock());
        self.changed.send_modify(|it| *it += 1);
        answer
    }

    fn append_by(
        &self,
        messages: &[Message],
        expected: &[Expectation],
        resolve: bool,
    ) -> Result<Vec<u64>, AppendError> {
        check_append(&self.hall, messages, expected)?;
        let now = self.clock.now();
        self.change(|inner| {
            let lost = |why| Err(AppendError::Unavailable(Box::new(Planted(why))));
            if inner.down {
                return lost("the journal is down");
            }
            if inner.full {
                return lost("the disk is full");
            }
            if messages.len() > 1 && inner.batches_refused {
                return Err(AppendError::BatchRefused);
            }
            let lose = inner.lose.take();
            if lose == Some(Lost::BeforeStoring) {
                return lost("the append was lost");
            }
            let sequences =
                if expected.iter().all(|it| inner.head(&it.subject.to_string()) == it.last) {
                    inner.store(messages, now)
                } else if !resolve {
                    return Err(AppendError::Conflict);
                } else {
                    inner.repeat(messages, expected).ok_or(AppendError::Conflict)?
                };
            if lose == Some(Lost::AfterStoring) {
                return lost("the acknowledgement was lost");
            }
            Ok(sequences)
        })
    }

    /// Appends as the broker itself does, and as a window's device meets it: a repeat is a conflict.
    ///
    /// # Errors
    ///
    /// As [`crate::journal::Line::append`].
    pub fn append_once(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError> {
        self.append_by(messages, expected, false)
    }

    /// Fault: the disk is full, or has room again. Appends are not answered, as the broker does it.
    pub fn fill(&self, full: bool) {
        self.change(|inner| inner.full = full);
    }

    /// Fault: the journal loses one message and keeps the sequences of the others.
    pub fn drop_sequence(&self, sequence: u64) {
        self.change(|inner| {
            inner.messages.remove(&sequence);
            inner.lines.values_mut().for_each(|line| line.retain(|it| *it != sequence));
        });
    }

    /// Ends [`Self::drop_sequence`]: the message is there again.
    pub fn put_back(&self, stored: Stored) {
        self.change(|inner| {
            let line = inner.lines.entry(stored.message.subject.clone()).or_default();
            line.insert(line.partition_point(|it| *it < stored.position), stored.position);
            inner.messages.insert(stored.position, stored);
        });
    }

    /// Looks at the messages from a sequence on, whatever faults are planted.
    #[must_use]
    pub fn look(&self, from: u64) -> Vec<Stored> {
        self.lock().messages.range(from..).map(|(_, it)| it.clone()).collect()
    }

    /// Its last sequence, whatever faults are planted.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.lock().last
    }

    /// Looks at the last message of a subject, whatever faults are planted.
    #[must_use]
    pub fn look_at_head(&self, subject: &str) -> Option<Stored> {
        let inner = self.lock();
        inner.messages.get(&inner.head(subject)).cloned()
    }

    /// Fault: another journal, with its own incarnation, takes this one's place. Readers are cut off.
    pub fn replace(&self, by: &Self) {
        let (incarnation, messages, lines, last) = {
            let by = by.lock();
            (by.incarnation.clone(), by.messages.clone(), by.lines.clone(), by.last)
        };
        self.change(|inner| {
            inner.incarnation = incarnation;
            inner.messages = messages;
            inner.lines = lines;
            inner.last = last;
            inner.generation += 1;
        });
    }

    /// Fault: an older copy of this journal, which ends at `last`, takes its place. Readers are cut off.
    pub fn truncate(&self, last: u64) {
        self.change(|inner| {
            inner.messages.retain(|sequence, _| *sequence <= last);
            inner.lines.values_mut().for_each(|line| line.retain(|it| *it <= last));
            inner.last = inner.last.min(last);
            inner.generation += 1;
        });
    }

    /// Fault: the next `count` reads of any kind fail as unavailable.
    pub fn fail_reads(&self, count: usize) {
        self.change(|inner| inner.reads_to_fail = count);
    }

    /// Whether it is down.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.lock().down
    }

    /// Whether its disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.lock().full
    }

    /// Ends all faults that a call may still meet.
    pub fn heal(&self) {
        self.change(|inner| {
            inner.down = false;
            inner.reads_to_fail = 0;
            inner.lose = None;
            inner.batches_refused = false;
            inner.full = false;
        });
    }

    /// Fault: the next append does not come back.
    pub fn lose_acknowledgement(&self, lost: Lost) {
        self.change(|inner| inner.lose = Some(lost));
    }

    /// Fault: appends of more than one message are refused, or taken again.
    pub fn refuse_batches(&self, refused: bool) {
        self.change(|inner| inner.batches_refused = refused);
    }

    /// Fault: open cursors hear nothing any more, without an error.
    pub fn deafen(&self) {
        self.change(|inner| inner.hearing += 1);
    }

    /// Fault: the journal goes down and cuts its readers off, until [`Self::start`].
    pub fn stop(&self) {
        self.change(|inner| {
            inner.down = true;
            inner.generation += 1;
        });
    }

    /// Ends [`Self::stop`].
    pub fn start(&self) {
        self.change(|inner| inner.down = false);
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn state(&self) -> Result<JournalState, JournalError> {
        let mut inner = self.lock();
        inner.reading()?;
        Ok(JournalState { incarnation: inner.incarnation.clone(), last: inner.last })
    }

    async fn append(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError> {
        self.append_by(messages, expected, true)
    }

    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        let mut inner = self.lock();
        inner.reading()?;
        Ok(inner.messages.get(&inner.head(&subject.to_string())).cloned())
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        let mut inner = self.lock();
        inner.reading()?;
        Ok(inner.messages.get(&sequence).cloned())
    }

    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
        let changed = self.changed.subscribe();
        let mut inner = self.lock();
        inner.reading()?;
        Ok(Box::new(MemoryCursor {
            inner: Arc::clone(&self.inner),
            changed,
            generation: inner.generation,
            hearing: inner.hearing,
            next: from.max(1),
        }))
    }
}

struct MemoryCursor {
    inner: Arc<Mutex<Inner>>,
    changed: watch::Receiver<u64>,
    generation: u64,
    hearing: u64,
    next: u64,
}

impl MemoryCursor {
    fn read(&mut self, max: usize) -> Result<Vec<Stored>, JournalError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.generation != self.generation {
            return Err(JournalError::Unavailable(Box::new(Planted("the reader was cut off"))));
        }
        if inner.hearing != self.hearing {
            return Ok(Vec::new());
        }
        inner.reading()?;
        let messages: Vec<_> =
            inner.messages.range(self.next..).take(max).map(|(_, it)| it.clone()).collect();
        if let Some(last) = messages.last() {
            self.next = last.position + 1;
        }
        Ok(messages)
    }
}

#[async_trait]
impl Cursor for MemoryCursor {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError> {
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            self.changed.mark_unchanged();
            let messages = self.read(max)?;
            if !messages.is_empty() {
                return Ok(messages);
            }
            match tokio::time::timeout_at(deadline, self.changed.changed()).await {
                Ok(Ok(())) => {}
                // Nothing came, or nobody is left who could append.
                Ok(Err(_)) | Err(_) => {
                    tokio::time::sleep_until(deadline).await;
                    return Ok(Vec::new());
                }
            }
        }
    }
}
