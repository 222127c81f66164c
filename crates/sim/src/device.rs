//! A terminal: its ledger on a disk that keeps what it was given, and the product's queue over it.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use zhoubao_contract::{Draft, Message, encode, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Event;
use zhoubao_domain::id::{Digest, HallCode, Stream, Subject};
use zhoubao_domain::time::rfc3339;
use zhoubao_outbox::clock::{Measured, Unmeasured};
use zhoubao_outbox::{Mark, Outbox};

use crate::oracle::Truth;

/// What tells one content from another.
pub(crate) fn content_of(message: &Message) -> String {
    let hash = message.attributes.hash.as_deref().unwrap_or_default();
    let id = message.attributes.id.as_deref().unwrap_or_default();
    format!("{} {id} {hash} {}", message.subject, String::from_utf8_lossy(&message.body))
}

/// An event in a ledger.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    /// When, by the clock that never jumps.
    pub(crate) run: i64,
    pub(crate) message: Message,
    pub(crate) hash: Digest,
    pub(crate) content: String,
}

impl Recorded {
    pub(crate) fn of(message: Message, run: i64) -> Self {
        let (hash, content) = (hash(&message), content_of(&message));
        Self { run, message, hash, content }
    }
}

/// A device.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) subject: Subject,
    /// `terminal.w01`
    pub(crate) line: String,
    pub(crate) window: String,
    pub(crate) ledger: Vec<Recorded>,
    /// What the ledger has noted of the journal.
    pub(crate) stored: Option<Mark>,
    /// None while it is switched off.
    pub(crate) outbox: Option<Outbox>,
    /// Answers to what was asked before it was switched off are for nobody.
    pub(crate) session: u64,
    /// The call that is waited for.
    pub(crate) pending: u64,
    pub(crate) stopped: Option<Code>,
    pub(crate) offline_until: i64,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) clock_ms: i64,
    /// Whether the journal has told it so.
    pub(crate) clock_known: bool,
    /// How many events the ledger had when it was switched on.
    pub(crate) before_boot: usize,
    /// Acknowledged contents by number.
    pub(crate) acknowledged: HashMap<u64, String>,
    /// It was taken away.
    pub(crate) retired: bool,
    pub(crate) is_clone: bool,
}

impl Device {
    pub(crate) fn new(hall: &HallCode, name: &str, window: &str) -> Option<Self> {
        let stream = Stream::Terminal(name.parse().ok()?);
        Some(Self {
            line: stream.to_string(),
            subject: Subject::new(hall.clone(), stream),
            window: window.to_owned(),
            ledger: vec![],
            stored: None,
            outbox: None,
            session: 0,
            pending: 0,
            stopped: None,
            offline_until: i64::MIN,
            clock_ms: 0,
            clock_known: false,
            before_boot: 0,
            acknowledged: HashMap::new(),
            retired: false,
            is_clone: false,
        })
    }

    pub(crate) fn recorded(&self) -> u64 {
        self.ledger.len() as u64
    }

    pub(crate) fn hash_of(&self, number: u64) -> Option<Digest> {
        let place = usize::try_from(number.checked_sub(1)?).ok()?;
        self.ledger.get(place).map(|it| it.hash)
    }

    /// Numbers and chains an event, as the ledger does in its transaction.
    pub(crate) fn draft(&self, now: i64, actor: &str, event: Event) -> Option<Recorded> {
        let wall = Timestamp::from_microsecond(now + self.clock_ms * 1_000).ok()?;
        let mut message = encode(&Draft {
            subject: self.subject.clone(),
            number: self.recorded() + 1,
            previous: self.ledger.last().map(|it| it.hash),
            occurred_at: wall,
            entered_at: None,
            actor: actor.parse().ok(),
            command: None,
            event,
        });
        if self.clock_known {
            message.attributes.clockoffset = Some(self.clock_ms.to_string());
        } else {
            message.attributes.clockunsure = Some(rfc3339(wall));
        }
        message.attributes.hash = Some(hash(&message).to_string());
        Some(Recorded::of(message, now))
    }

    /// The time that an event of now bears, put right as far as the device knows.
    pub(crate) fn time(&self, now: i64) -> i64 {
        if self.clock_known { now } else { now + self.clock_ms * 1_000 }
    }

    /// What was recorded before the first contact of this boot, and when each truly happened, where it must be said.
    pub(crate) fn to_correct(&self, now: i64) -> Vec<(u64, Timestamp)> {
        let server = Timestamp::from_microsecond(now).unwrap_or_default();
        let measured = Measured { server, monotonic_us: now };
        let rows = self.ledger.iter().enumerate().skip(self.before_boot);
        let of = |(place, it): (usize, &Recorded)| {
            let attributes = &it.message.attributes;
            let kind = attributes.kind.as_deref()?.strip_prefix("cn.zhoubao.")?;
            let is_act = ["Consulted", "Accepted", "Issued", "Transferred"]
                .iter()
                .any(|it| kind.starts_with(it));
            let wall = attributes.clockunsure.as_ref().filter(|_| is_act)?.parse().ok()?;
            let carried = SignedDuration::ZERO;
            let of = Unmeasured { time: wall, wall, monotonic_us: it.run, carried };
            measured.correction(&of).map(|it| (place as u64 + 1, it))
        };
        rows.filter_map(of).collect()
    }

    /// What an event of this device means.
    pub(crate) fn truth(&self, at: i64, may_correct: bool, deed: crate::oracle::Deed) -> Truth {
        Truth {
            name: (self.line.clone(), self.recorded() + 1),
            previous: self.ledger.last().map(|it| it.content.clone()),
            sound: true,
            at,
            unsure_at: (!self.clock_known).then_some(at),
            window: Some(self.window.clone()),
            may_correct,
            deed,
        }
    }
}
