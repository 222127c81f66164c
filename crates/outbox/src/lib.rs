//! The rules of a terminal's queue, without any I/O: when to send, when to ask, when to rest, when to stop.
//!
//! ```text
//!             ┌────────────── all stored ──────────────┐
//!             ▼                                        │
//!  start ─► asking ─► idle ── something to send ─► sending ── fork, too large ─► stopped
//!             ▲ ▲                             ▲        │
//!             │ │                             └ yielding ◄── a full batch is stored, and there is more
//!             │ └──────────── conflict ────────────────┤
//!             └─ resting ◄──── no answer ──────────────┘
//! ```
//!
//! The ledger on the terminal's disk holds every event with its number and chain. The journal's last message on the
//! terminal's own subject says how far it has come. Whatever is in doubt is settled by reading that message, never by
//! remembering: a batch whose answer was lost, a ledger that was restored from an old copy, a second device with the
//! same ledger, a journal that lost its tail, also while there is nothing to send. One batch is in flight at a time, so the order of the line is kept. Whoever
//! has much to send leaves the journal to the others for most of the time.
//!
//! ```
//! use jiff::Timestamp;
//! use zhoubao_outbox::{Effect, Input, Outbox};
//!
//! let mut outbox = Outbox::new(2, None);
//! let now = Timestamp::UNIX_EPOCH;
//! assert_eq!(outbox.step(Input::Start, now, 0), [Effect::Ask]);
//! // The journal has nothing of this terminal yet.
//! let effects = outbox.step(Input::Head(None), now, 0);
//! assert_eq!(effects, [Effect::Send { after: 0, upto: 2, expected: 0 }]);
//! ```

pub mod clock;
pub mod receipt;

use jiff::{SignedDuration, Timestamp};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::Digest;
use zhoubao_domain::planted;

/// Most events in flight: what the journal takes in one atomic batch.
pub const BATCH_EVENTS_MAX: u64 = 200;

/// First pause after a call that was not answered.
const REST_MIN: SignedDuration = SignedDuration::from_millis(200);

/// Longest pause: a terminal is heard of again this soon after the network is back.
const REST_MAX: SignedDuration = SignedDuration::from_secs(10);

/// How many times as long as a full batch took the journal is left to others before the next one: a terminal that was
/// away for weeks takes at most a quarter of its time, however slow its disk is.
const YIELD: i32 = 3;

/// Longest time for which it is left to others.
const YIELD_MAX: SignedDuration = SignedDuration::from_secs(1);

/// How far the line has come in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Number of the last event stored.
    pub number: u64,
    /// Its position.
    pub position: u64,
}

/// The last message on the terminal's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: Digest,
    /// Its position.
    pub position: u64,
    /// The hash that the ledger has under this number, if it has the number.
    pub own: Option<Digest>,
}

/// Why events were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The subject is not where it was expected.
    Conflict,
    /// No batch can be opened now; single appends still work.
    BatchRefused,
    /// One of them can never be stored, with the reason.
    Impossible(Code),
    /// It is not known what became of them.
    NoAnswer,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The terminal was switched on.
    Start,
    /// The ledger has events up to this number.
    Recorded(u64),
    /// The events sent are stored, at these positions.
    Stored(Vec<u64>),
    /// They are not, or nobody knows.
    Refused(Refusal),
    /// What [`Effect::Ask`] asked for: the last message of the line, if it has one.
    Head(Option<Head>),
    /// The journal did not say.
    NoHead,
    /// The time that [`Effect::Rest`] named has come.
    Woken,
    /// It is time to look whether the journal still has what it had, though there is nothing to send.
    Look,
}

/// What is to be done. Each answer is an [`Input`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Append the events after `after` up to `upto`, the last message of the subject being at `expected`.
    Send {
        /// Number before the first.
        after: u64,
        /// Number of the last.
        upto: u64,
        /// Position of the last message of the subject, 0 for none.
        expected: u64,
    },
    /// Read the last message of the subject.
    Ask,
    /// Come back with [`Input::Woken`] at this time.
    Rest(Timestamp),
    /// The events after `after` are stored at these positions.
    MarkStored {
        /// Number before the first.
        after: u64,
        /// Their positions.
        positions: Vec<u64>,
    },
    /// Everything up to the mark is stored, and nothing after it; `None`: nothing at all.
    MarkHead(Option<Mark>),
    /// The journal had acknowledged these numbers, lost them, and has them again.
    Restored {
        /// First number that had been lost.
        first: u64,
        /// Last one.
        last: u64,
    },
    /// Nothing more is sent until a person has looked.
    Stop {
        /// Why.
        code: Code,
        /// The number that it is about.
        number: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Idle,
    Asking,
    Sending {
        upto: u64,
        since: Timestamp,
    },
    /// Something is in doubt or was refused; afterwards the journal is asked.
    Resting {
        until: Timestamp,
    },
    /// Nothing is in doubt; afterwards the next batch is sent.
    Yielding {
        until: Timestamp,
    },
    Stopped,
}

/// The state of one terminal's queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbox {
    /// Last number in the ledger.
    recorded: u64,
    stored: Option<Mark>,
    /// The numbers, first and last, that were acknowledged and that the journal does not have any more.
    lost: Option<(u64, u64)>,
    work: Work,
    /// Calls in a row that did not help.
    failures: u32,
    /// Events still to be sent one by one before a batch is tried again.
    singles: u64,
}

impl Outbox {
    /// A queue over a ledger with `recorded` events, of which those up to `stored` were acknowledged.
    #[must_use]
    pub fn new(recorded: u64, stored: Option<Mark>) -> Self {
        Self { recorded, stored, lost: None, work: Work::Idle, failures: 0, singles: 0 }
    }

    /// How far the journal has come, as last heard.
    #[must_use]
    pub fn stored(&self) -> Option<Mark> {
        self.stored
    }

    /// Whether everything recorded is stored.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.work == Work::Idle && self.number() == self.recorded
    }

    fn number(&self) -> u64 {
        self.stored.map_or(0, |it| it.number)
    }

    /// Takes what happened at `now` and answers with what is to be done, in this order.
    ///
    /// `jitter` is random: it spreads the pauses of many terminals over half of their length, so that they do not all
    /// come back in the same moment.
    #[must_use]
    pub fn step(&mut self, input: Input, now: Timestamp, jitter: u16) -> Vec<Effect> {
        if self.work == Work::Stopped {
            if let Input::Recorded(number) = input {
                self.recorded = self.recorded.max(number);
            }
            return Vec::new();
        }
        match input {
            Input::Start => self.ask(),
            Input::Recorded(number) => {
                self.recorded = self.recorded.max(number);
                if self.work == Work::Idle { self.go_on(now) } else { Vec::new() }
            }
            Input::Woken => match self.work {
                Work::Resting { until } if now >= until => self.ask(),
                Work::Yielding { until } if now >= until => self.go_on(now),
                Work::Resting { until } | Work::Yielding { until } => vec![Effect::Rest(until)],
                _ => Vec::new(),
            },
            Input::Look if self.work == Work::Idle => self.ask(),
            Input::Look => Vec::new(),
            Input::Stored(positions) => self.stored_at(positions, now),
            Input::Refused(refusal) => self.refused(refusal, now, jitter),
            Input::Head(head) => self.head(head, now),
            Input::NoHead => self.rest(now, jitter),
        }
    }

    fn ask(&mut self) -> Vec<Effect> {
        self.work = Work::Asking;
        vec![Effect::Ask]
    }

    fn rest(&mut self, now: Timestamp, jitter: u16) -> Vec<Effect> {
        let pause = REST_MIN.saturating_mul(1 << self.failures.min(16)).min(REST_MAX);
        self.failures = self.failures.saturating_add(1);
        let half = pause / 2;
        let spread = half.as_millis() * i128::from(jitter) / i128::from(u16::MAX);
        // At most REST_MAX / 2.
        let spread = SignedDuration::from_millis(i64::try_from(spread).unwrap_or_default());
        let until = now.saturating_add(half + spread).unwrap_or(now);
        self.work = Work::Resting { until };
        vec![Effect::Rest(until)]
    }

    fn go_on(&mut self, now: Timestamp) -> Vec<Effect> {
        let after = self.number();
        if after >= self.recorded {
            self.work = Work::Idle;
            return Vec::new();
        }
        let most = if self.singles > 0 { 1 } else { BATCH_EVENTS_MAX };
        let upto = self.recorded.min(after + most);
        self.work = Work::Sending { upto, since: now };
        vec![Effect::Send { after, upto, expected: self.stored.map_or(0, |it| it.position) }]
    }

    fn stop(&mut self, code: Code, number: u64) -> Vec<Effect> {
        self.work = Work::Stopped;
        vec![Effect::Stop { code, number }]
    }

    fn stored_at(&mut self, positions: Vec<u64>, now: Timestamp) -> Vec<Effect> {
        let Work::Sending { since, .. } = self.work else { return Vec::new() };
        let after = self.number();
        let Some(position) = positions.last().copied() else { return self.ask() };
        let number = after + positions.len() as u64;
        self.stored = Some(Mark { number, position });
        self.failures = 0;
        self.singles = self.singles.saturating_sub(positions.len() as u64);
        let is_full = positions.len() as u64 == BATCH_EVENTS_MAX;
        let mut effects = vec![Effect::MarkStored { after, positions }];
        if let Some((first, last)) = self.lost.filter(|(_, last)| number >= *last) {
            effects.push(Effect::Restored { first, last });
            self.lost = None;
        }
        // Not positive where the clock was set back meanwhile: then it says nothing of how long the batch took.
        let pause = now.duration_since(since).saturating_mul(YIELD).min(YIELD_MAX);
        if is_full && self.recorded > number && pause.is_positive() {
            let until = now.saturating_add(pause).unwrap_or(now);
            self.work = Work::Yielding { until };
            effects.push(Effect::Rest(until));
        } else {
            effects.extend(self.go_on(now));
        }
        effects
    }

    fn refused(&mut self, refusal: Refusal, now: Timestamp, jitter: u16) -> Vec<Effect> {
        let Work::Sending { upto, .. } = self.work else { return Vec::new() };
        let single = upto == self.number() + 1;
        match refusal {
            Refusal::NoAnswer if planted!(StoredWithoutAnswer) => self.believe(upto, now),
            Refusal::Conflict if planted!(ConflictIsDuplicate) => self.believe(upto, now),
            Refusal::NoAnswer => self.rest(now, jitter),
            // The first time the line tells at once what is there; after that somebody else is at work on it.
            Refusal::Conflict if self.failures == 0 => {
                self.failures = 1;
                self.ask()
            }
            Refusal::Conflict => self.rest(now, jitter),
            Refusal::BatchRefused | Refusal::Impossible(_) if !single => {
                self.singles = BATCH_EVENTS_MAX;
                self.go_on(now)
            }
            Refusal::BatchRefused => self.rest(now, jitter),
            // Nothing may overtake it: the order of the line is part of what it says.
            Refusal::Impossible(code) => self.stop(code, upto),
        }
    }

    /// What two of the planted bugs do: the events are taken for stored, though nobody said so.
    fn believe(&mut self, upto: u64, now: Timestamp) -> Vec<Effect> {
        let before = self.stored.map_or(0, |it| it.position);
        self.stored_at((self.number() + 1..=upto).map(|it| before + it).collect(), now)
    }

    fn head(&mut self, head: Option<Head>, now: Timestamp) -> Vec<Effect> {
        let Work::Asking = self.work else { return Vec::new() };
        let number = head.map_or(0, |it| it.number);
        if let Some(head) = head {
            match head.own {
                Some(own) if own == head.hash => {}
                Some(_) if planted!(ForkUnnoticed) => {}
                None if planted!(NumbersReused) => {}
                Some(_) => return self.stop(Code::Fork, number),
                None => return self.stop(Code::LedgerBehind, number),
            }
        }
        let before = self.number();
        let is_rewound = number < before;
        if is_rewound && planted!(NotRewound) {
            return self.go_on(now);
        }
        self.stored = head.map(|it| Mark { number: it.number, position: it.position });
        if number > before {
            self.failures = 0;
        }
        let mut effects = Vec::new();
        if number != before {
            effects.push(Effect::MarkHead(self.stored));
        }
        if is_rewound {
            let (_, last) = self.lost.unwrap_or((0, before));
            self.lost = Some((number + 1, last.max(before)));
        } else if self.lost.is_some_and(|(_, last)| number >= last) {
            // It was the old answer of a server that lagged.
            self.lost = None;
        }
        effects.extend(self.go_on(now));
        effects
    }
}
