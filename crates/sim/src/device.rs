//! A terminal: its ledger on a disk that keeps what it was given, and the product's queue over it.

use std::collections::HashMap;

use jiff::Timestamp;
use zhoubao_contract::{Draft, Message, encode, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Event;
use zhoubao_domain::id::{Digest, HallCode, Stream, Subject};
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
    pub(crate) message: Message,
    pub(crate) hash: Digest,
    pub(crate) content: String,
}

impl Recorded {
    pub(crate) fn of(message: Message) -> Self {
        let (hash, content) = (hash(&message), content_of(&message));
        Self { message, hash, content }
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
            message.attributes.hash = Some(hash(&message).to_string());
        }
        Some(Recorded::of(message))
    }

    /// The time that an event of now bears, put right as far as the device knows.
    pub(crate) fn time(&self, now: i64) -> i64 {
        if self.clock_known { now } else { now + self.clock_ms * 1_000 }
    }

    /// What an event of this device means.
    pub(crate) fn truth(&self, at: i64, may_correct: bool, deed: crate::oracle::Deed) -> Truth {
        Truth {
            name: (self.line.clone(), self.recorded() + 1),
            previous: self.ledger.last().map(|it| it.content.clone()),
            sound: true,
            at,
            window: Some(self.window.clone()),
            may_correct,
            deed,
        }
    }
}
