//! Following a journal: every message once, in order, for ever, or a clear reason why not.
//!
//! ```text
//!                 ┌────────────── any error, or 2 s of silence ◄─────────────┐
//!                 ▼                                                          │
//!   state: same incarnation? ──► open AT the checkpoint ──► first message ──►│ pages: each + 1
//!          last ≥ checkpoint?                               bears its hash?  │
//!                 │ no                                          │ no         │ no
//!                 ▼                                             ▼            ▼
//!           E.703 / E.704                                     E.704        E.702      final: a person must act
//! ```
//!
//! What passes (a server that is down) is waited for with capped, jittered pauses and without an end. What does
//! not pass is a [`FollowError`]: the reader stops rather than count from a journal that is not the one it knows.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use zhoubao_contract::{Stored, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::Digest;
use zhoubao_domain::planted;

use crate::journal::{Cursor, Incarnation, Journal, JournalError, JournalState};

/// Most messages of one page: what a projector folds in one transaction when it is behind.
pub const PAGE_MESSAGES_MAX: usize = 10_000;

/// Silence after which the cursor is made anew: a reader may be deaf without knowing (a server restarted).
const SILENCE_MAX: Duration = Duration::from_secs(2);

/// Longest collecting of one page.
const COLLECT_MAX: Duration = Duration::from_millis(20);

/// A page is handed out when nothing more came for so long.
const COLLECT_PAUSE: Duration = Duration::from_millis(2);

/// Longest wait for one answer; the server may be gone without a word.
const ANSWER_MAX: Duration = Duration::from_secs(2);

const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Caps the pause between two tries, so that reading goes on soon after the server is back.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// So many cursors in a row may stay silent although the journal has more, before the message itself is asked
/// for. Not at once: a replica that answers may lag.
const DEAF_MAX: u32 = 3;

/// How far a reader is: the last message it has dealt with. Kept with the reader's rows, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which journal.
    pub incarnation: Incarnation,
    /// Sequence of the message, ≥ 1.
    pub sequence: u64,
    /// Its hash.
    pub hash: Digest,
}

/// Messages in order, without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The messages; none when nothing came in time or the journal does not answer.
    pub messages: Vec<Stored>,
    /// The reader's checkpoint after this page; `None` before the first message of all.
    pub checkpoint: Option<Checkpoint>,
    /// Whether the journal had no further message when this page was closed.
    pub caught_up: bool,
}

/// Why following ended for good: somebody must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// A sequence is missing in a journal that never deletes.
    #[error(
        "sequence {expected} is missing in a journal that goes on to {found}; restore the journal from its archive, do not skip ({})",
        self.code()
    )]
    Gap {
        /// The sequence that should have come.
        expected: u64,
        /// The one that came in its place, or the journal's last if nothing comes.
        found: u64,
    },
    /// The journal is not the one of the checkpoint.
    #[error(
        "the journal is {}, the checkpoint belongs to {}; connect the right journal, or rebuild the read models from this one ({})",
        found.0, expected.0, self.code()
    )]
    OtherJournal {
        /// The checkpoint's incarnation.
        expected: Incarnation,
        /// The journal's.
        found: Incarnation,
    },
    /// The journal ends before the checkpoint, or has another message there: an older copy was restored.
    #[error(
        "the journal ends at {last} and does not hold the known message at checkpoint {checkpoint}; restore the newer journal or recover from the terminals, then rebuild ({})",
        self.code()
    )]
    WentBack {
        /// The checkpoint's sequence.
        checkpoint: u64,
        /// Last sequence of the journal.
        last: u64,
    },
    /// The adapter refuses the journal.
    #[error("{detail} ({code})")]
    Unsafe {
        /// E.701 to E.704.
        code: Code,
        /// What is wrong and what to do.
        detail: String,
    },
}

impl FollowError {
    /// The stable code of the error.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Gap { .. } => Code::JournalGap,
            Self::OtherJournal { .. } => Code::OtherJournal,
            Self::WentBack { .. } => Code::JournalWentBack,
            Self::Unsafe { code, .. } => *code,
        }
    }
}

/// What a [`Follower`] tells while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The journal does not answer; the next try comes after the pause.
    Unavailable {
        /// Why, with its causes.
        reason: String,
        /// The pause.
        retry_in: Duration,
    },
    /// It answers again.
    Available,
}

/// Reads a journal in order from a checkpoint on, across restarts of its server.
pub struct Follower {
    journal: Arc<dyn Journal>,
    /// The incarnation that was seen first, or the checkpoint's.
    incarnation: Option<Incarnation>,
    /// The last message handed out.
    last: Option<Last>,
    cursor: Option<Box<dyn Cursor>>,
    /// The journal's last sequence, as far as known.
    end: u64,
    /// How long nothing was heard while listening.
    silence: Duration,
    /// Cursors in a row that heard nothing although the journal has more.
    deaf: u32,
    trouble: Option<Trouble>,
    dice: u64,
    report: Box<dyn FnMut(Report) + Send>,
}

/// The last message that a reader has dealt with.
#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: u64,
    hash: Digest,
    /// When the journal took it, where that is known.
    recorded_at: Option<Timestamp>,
}

impl Last {
    /// Whether this is that message. A terminal sends again what a journal has lost: the same event may come to lie at
    /// the same sequence behind others than before, and is told by its time.
    fn is(&self, stored: &Stored) -> bool {
        let same_time = |it: Timestamp| it.as_microsecond() == stored.recorded_at.as_microsecond();
        hash(&stored.message) == self.hash && self.recorded_at.is_none_or(same_time)
    }
}

/// An outage that lasts.
struct Trouble {
    pause: Duration,
    retry_at: Instant,
}

/// What ends one attempt to read.
enum Interrupted {
    /// Try again later.
    Passing(JournalError),
    Final(FollowError),
}

impl From<JournalError> for Interrupted {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unsafe { code, detail } => {
                Self::Final(FollowError::Unsafe { code, detail })
            }
            passing @ JournalError::Unavailable(_) => Self::Passing(passing),
        }
    }
}

impl From<FollowError> for Interrupted {
    fn from(error: FollowError) -> Self {
        Self::Final(error)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("no answer within {ANSWER_MAX:?}")]
struct NoAnswer;

/// Cuts a call off that never comes back.
async fn answer<T>(call: impl Future<Output = Result<T, JournalError>>) -> Result<T, JournalError> {
    tokio::time::timeout(ANSWER_MAX, call)
        .await
        .unwrap_or_else(|_| Err(JournalError::Unavailable(Box::new(NoAnswer))))
}

impl Follower {
    /// A reader of everything after `from`; `None` reads from the first message on.
    #[must_use]
    pub fn new(journal: Arc<dyn Journal>, from: Option<Checkpoint>) -> Self {
        let (incarnation, last) = from
            .map(|it| {
                let last = Last { sequence: it.sequence, hash: it.hash, recorded_at: None };
                (it.incarnation, last)
            })
            .unzip();
        Self {
            journal,
            incarnation,
            last,
            cursor: None,
            end: 0,
            silence: Duration::ZERO,
            deaf: 0,
            trouble: None,
            dice: 0x9e37_79b9_7f4a_7c15,
            report: Box::new(|_| {}),
        }
    }

    /// Sets the start of the random numbers that spread the pauses of many readers.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.dice ^= seed;
        self
    }

    /// Sets when the journal took the message of the checkpoint, where the reader has kept that: another message with
    /// the same content is then not taken for it.
    #[must_use]
    pub fn with_recorded_at(mut self, recorded_at: Option<Timestamp>) -> Self {
        if let Some(last) = &mut self.last {
            last.recorded_at = recorded_at;
        }
        self
    }

    /// Sets who is told of outages and their end; they are traced in any case.
    #[must_use]
    pub fn with_report(mut self, report: impl FnMut(Report) + Send + 'static) -> Self {
        self.report = Box::new(report);
        self
    }

    /// How far this reader is; `None` before the first message.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let Last { sequence, hash, .. } = self.last?;
        Some(Checkpoint { incarnation: self.incarnation.clone()?, sequence, hash })
    }

    /// The next messages, at most `max`, or none after `wait`.
    ///
    /// An outage of the journal is an empty page, and the next call goes on trying. Opening the journal may take
    /// longer than `wait`. May be dropped at any point: what was not handed out is read again.
    ///
    /// # Errors
    ///
    /// A [`FollowError`] is final: the same call fails again until somebody has acted.
    pub async fn next_page(&mut self, max: usize, wait: Duration) -> Result<Page, FollowError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(trouble) = &self.trouble {
                if trouble.retry_at > deadline {
                    tokio::time::sleep_until(deadline).await;
                    return Ok(self.page(Vec::new(), false));
                }
                tokio::time::sleep_until(trouble.retry_at).await;
            }
            match self.read(max.max(1), deadline).await {
                Ok(page) => return Ok(page),
                Err(Interrupted::Final(error)) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "following the journal ends"
                    );
                    return Err(error);
                }
                Err(Interrupted::Passing(error)) => self.back_off(&error),
            }
        }
    }

    fn page(&self, messages: Vec<Stored>, caught_up: bool) -> Page {
        Page { messages, checkpoint: self.checkpoint(), caught_up }
    }

    /// One attempt. The cursor is out of `self` meanwhile, so a dropped attempt drops it, too.
    async fn read(&mut self, max: usize, deadline: Instant) -> Result<Page, Interrupted> {
        loop {
            let mut cursor = match self.cursor.take() {
                Some(cursor) if self.silence < SILENCE_MAX => cursor,
                _ => self.open().await?,
            };
            let asked_at = Instant::now();
            let wait = deadline
                .saturating_duration_since(asked_at)
                .min(SILENCE_MAX.saturating_sub(self.silence));
            let mut messages = Self::pull(&mut *cursor, max, wait).await?;
            if messages.is_empty() {
                self.silence += asked_at.elapsed();
                self.cursor = Some(cursor);
                if Instant::now() < deadline {
                    continue;
                }
                let caught_up = self.sequence() >= self.end;
                return Ok(self.page(messages, caught_up));
            }
            self.check(&messages, self.sequence())?;
            let collected_at = Instant::now() + COLLECT_MAX;
            while messages.len() < max {
                let wait =
                    collected_at.saturating_duration_since(Instant::now()).min(COLLECT_PAUSE);
                if wait.is_zero() {
                    break;
                }
                // An error is not lost: the cursor is dropped, and the attempt to open another meets it again.
                match Self::pull(&mut *cursor, max - messages.len(), wait).await {
                    Ok(more) if more.is_empty() => break,
                    Ok(more) => {
                        let previous = messages.last().map_or(0, |it| it.position);
                        self.check(&more, previous)?;
                        messages.extend(more);
                    }
                    Err(_) => return Ok(self.hand_out(messages, false)),
                }
            }
            let reached = messages.last().map_or(0, |it| it.position);
            if reached >= self.end {
                // The end has moved since, or the reader is live: one question a page.
                match answer(self.journal.state()).await {
                    Ok(state) => self.check_state(&state)?,
                    Err(_) => return Ok(self.hand_out(messages, false)),
                }
            }
            self.cursor = Some(cursor);
            let caught_up = reached >= self.end;
            return Ok(self.hand_out(messages, caught_up));
        }
    }

    async fn pull(
        cursor: &mut dyn Cursor,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Stored>, JournalError> {
        tokio::time::timeout(wait + ANSWER_MAX, cursor.next(max, wait))
            .await
            .unwrap_or_else(|_| Err(JournalError::Unavailable(Box::new(NoAnswer))))
    }

    fn hand_out(&mut self, messages: Vec<Stored>, caught_up: bool) -> Page {
        if let Some(last) = messages.last() {
            self.last = Some(Last {
                sequence: last.position,
                hash: hash(&last.message),
                recorded_at: Some(last.recorded_at),
            });
            self.silence = Duration::ZERO;
            self.deaf = 0;
        }
        self.page(messages, caught_up)
    }

    fn sequence(&self) -> u64 {
        self.last.map_or(0, |it| it.sequence)
    }

    /// Opens a cursor at the checkpoint itself and takes its message off.
    async fn open(&mut self) -> Result<Box<dyn Cursor>, Interrupted> {
        let was_deaf = self.silence >= SILENCE_MAX && self.end > self.sequence();
        let state = answer(self.journal.state()).await?;
        self.check_state(&state)?;
        if was_deaf {
            self.deaf += 1;
            let expected = self.sequence() + 1;
            // What was to come may be gone with the journal's end since: then nothing is missing before it.
            if expected <= self.end && self.is_missing(expected).await? {
                return Err(FollowError::Gap { expected, found: self.end }.into());
            }
        }
        let mut cursor = answer(self.journal.open(self.sequence().max(1))).await?;
        if let Some(known) = self.last {
            let checkpoint = known.sequence;
            let first = Self::pull(&mut *cursor, 1, SILENCE_MAX).await?;
            let Some(first) = first.first() else {
                self.deaf += 1;
                if self.is_missing(checkpoint).await? {
                    return Err(FollowError::WentBack { checkpoint, last: self.end }.into());
                }
                return Err(JournalError::Unavailable(Box::new(NoAnswer)).into());
            };
            if first.position != checkpoint {
                return Err(FollowError::Gap { expected: checkpoint, found: first.position }.into());
            }
            if !known.is(first) && !planted!(WentBackUnnoticed) {
                return Err(FollowError::WentBack { checkpoint, last: self.end }.into());
            }
        }
        self.silence = Duration::ZERO;
        if self.trouble.take().is_some() {
            tracing::info!(log.position = self.sequence(), "the journal answers again");
            (self.report)(Report::Available);
        }
        Ok(cursor)
    }

    /// Whether a message that should be there is not, asked only after several deaf cursors.
    async fn is_missing(&mut self, sequence: u64) -> Result<bool, JournalError> {
        Ok(self.deaf >= DEAF_MAX && answer(self.journal.get(sequence)).await?.is_none())
    }

    fn check_state(&mut self, state: &JournalState) -> Result<(), FollowError> {
        let incarnation = self.incarnation.get_or_insert_with(|| state.incarnation.clone());
        if *incarnation != state.incarnation {
            return Err(FollowError::OtherJournal {
                expected: incarnation.clone(),
                found: state.incarnation.clone(),
            });
        }
        let checkpoint = self.sequence();
        if state.last < checkpoint {
            return Err(FollowError::WentBack { checkpoint, last: state.last });
        }
        self.end = state.last;
        Ok(())
    }

    fn check(&self, messages: &[Stored], mut previous: u64) -> Result<(), FollowError> {
        for message in messages {
            if message.position != previous + 1 && !planted!(GapSkipped) {
                return Err(FollowError::Gap { expected: previous + 1, found: message.position });
            }
            previous = message.position;
        }
        Ok(())
    }

    fn back_off(&mut self, error: &JournalError) {
        let ceiling = self.trouble.as_ref().map_or(PAUSE_MIN, |it| (it.pause * 2).min(PAUSE_MAX));
        // Between half of the ceiling and all of it.
        let pause = ceiling.mul_f64(0.5 + 0.5 * self.roll());
        let reason = chain(error);
        if self.trouble.is_none() {
            tracing::warn!(reason, "the journal does not answer, trying on");
        }
        self.trouble = Some(Trouble { pause: ceiling, retry_at: Instant::now() + pause });
        (self.report)(Report::Unavailable { reason, retry_in: pause });
    }

    /// A number from 0 to 1 (SplitMix64).
    fn roll(&mut self) -> f64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(top) / f64::from(u32::MAX)
    }
}

/// An error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(it) = source {
        text.push_str(": ");
        text.push_str(&it.to_string());
        source = it.source();
    }
    text
}
