//! Messages that their line did not take when they came, and what lets them in later.
//!
//! ```text
//!  #17   #19 held   #20 held   #18 arrives ─► #18, #19, #20 count, from the position of #18
//!  #17   #19 held   a person releases #19  ─► #19 counts, from the position of the release; #18 is given up
//!  #17   #17 with another content          ─► a person releases it: it counts beside the first, under the release
//! ```

use std::collections::{BTreeMap, HashMap};

use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Recorded};
use zhoubao_domain::figure::Cause;
use zhoubao_domain::id::{Digest, EventRef, Stream};
use zhoubao_domain::planted;

use crate::model::{Incoming, Model};
use crate::rows::{ExceptionRow, Standing};

/// Whether a line does not take a message of which this was said: its number stays free for the true one.
#[must_use]
pub fn passes_over(code: Code) -> bool {
    matches!(
        code,
        Code::Fork | Code::SequenceGap | Code::BrokenChain | Code::BadSignature | Code::KeyRevoked
    )
}

/// What is held, and the messages that may be taken now.
#[derive(Debug, Default)]
pub(crate) struct Early {
    /// Positions of held messages by line and number; of one number the first that came is first.
    held: HashMap<Stream, BTreeMap<u64, Vec<u64>>>,
    /// Messages that were looked up, and those that were held in this run.
    messages: HashMap<u64, Incoming>,
    /// What was open at the positions that a person names.
    waiting: Vec<ExceptionRow>,
}

impl Early {
    pub(crate) fn is_held(&self, stream: &Stream) -> bool {
        self.held.contains_key(stream)
    }

    /// Whether something held may follow the event.
    pub(crate) fn may_close(&self, identity: &EventRef) -> bool {
        let line = self.held.get(&identity.stream);
        line.and_then(BTreeMap::last_key_value).is_some_and(|(last, _)| identity.number <= *last)
    }

    /// Positions of everything held of a line.
    pub(crate) fn of(&self, stream: &Stream) -> impl Iterator<Item = u64> {
        self.held.get(stream).into_iter().flat_map(BTreeMap::values).flatten().copied()
    }

    pub(crate) fn hold(&mut self, identity: &EventRef, position: u64) {
        let line = self.held.entry(identity.stream.clone()).or_default();
        line.entry(identity.number).or_default().push(position);
    }

    /// Holds a message of the present run.
    pub(crate) fn keep(&mut self, identity: &EventRef, incoming: &Incoming) {
        self.hold(identity, incoming.position);
        self.messages.insert(incoming.position, incoming.clone());
    }

    pub(crate) fn supply(&mut self, messages: Vec<Incoming>, waiting: Vec<ExceptionRow>) {
        self.messages = messages.into_iter().map(|it| (it.position, it)).collect();
        self.waiting = waiting;
    }

    /// Positions of what is held under a number with this very content, which its line has taken now.
    fn same(&self, identity: &EventRef, hash: Digest) -> Vec<u64> {
        let positions = self.held.get(&identity.stream).and_then(|it| it.get(&identity.number));
        let same = |it: &&u64| self.messages.get(it).is_some_and(|it| it.hash == hash);
        positions.into_iter().flatten().filter(same).copied().collect()
    }

    /// A message waits no more.
    fn forget(&mut self, identity: &EventRef, position: u64) {
        if let Some(line) = self.held.get_mut(&identity.stream) {
            if let Some(positions) = line.get_mut(&identity.number) {
                positions.retain(|it| *it != position);
                if positions.is_empty() {
                    line.remove(&identity.number);
                }
            }
            if line.is_empty() {
                self.held.remove(&identity.stream);
            }
        }
    }

    /// The held messages of a line from a number on, of which each follows the one before, the first of them `hash`; of
    /// several contents of a number the first that does.
    fn following(&self, stream: &Stream, number: u64, mut hash: Digest) -> Vec<Incoming> {
        let Some(line) = self.held.get(stream) else { return Vec::new() };
        let numbers = (number..).map_while(|it| line.get(&it));
        numbers
            .map_while(|positions| {
                let mut known = positions.iter().filter_map(|it| self.messages.get(it));
                let next = known.find(|it| {
                    !it.is_altered() && it.previous().is_none_or(|before| before == hash)
                })?;
                hash = next.hash;
                Some(next.clone())
            })
            .collect()
    }
}

impl Model {
    /// Takes what was held and follows the line's head now, from position `at` on.
    pub(crate) fn drain(&mut self, stream: &Stream, at: u64) {
        if !self.early.is_held(stream) || planted!(HeldForgotten) {
            return;
        }
        let Some(head) = self.head(stream) else { return };
        let (number, hash) = (head.number, head.hash);
        // It was held, and has come again in its turn.
        let taken = EventRef { stream: stream.clone(), number };
        for position in self.early.same(&taken, hash) {
            self.early.forget(&taken, position);
            self.settle_message(&taken, Some(position), at);
        }
        let run = self.early.following(stream, number + 1, hash);
        let mut covered = 0;
        for (place, incoming) in run.iter().enumerate() {
            if place >= covered {
                // What is not covered stays held, and with it what comes after.
                let Ok(count) = self.cover(&run[place..]) else { return };
                covered = place + count;
            }
            let Some(identity) = incoming.identity().cloned() else { return };
            self.take_early(incoming, &identity, at, Cause::Late);
        }
    }

    /// A person lets in what is held or quarantined at a position, or rejects it for good.
    pub(crate) fn settle_early(
        &mut self,
        recorded: &Recorded,
        original: &EventRef,
        position: u64,
        reason: &str,
        release: bool,
    ) -> bool {
        if !self.may_settle(recorded, reason) {
            return false;
        }
        let Some(code) = self.waits(original, position) else {
            let detail = format!("{original} @{position} 无待处理 is not waiting");
            return self.flag(recorded, Code::NotFound, detail);
        };
        if !release {
            self.early.forget(original, position);
            self.settle_message(original, Some(position), recorded.position);
            self.count_one();
            return true;
        }
        if !passes_over(code) {
            // Its line took it, so it is the event of its number.
            return self.settle(recorded, original, reason);
        }
        let message = self.early.messages.get(&position).cloned();
        let Some(message) = message.filter(|it| it.outcome.is_ok()) else {
            let detail =
                format!("{original} @{position} 无法读出 cannot be read, so it cannot count");
            return self.flag(recorded, Code::Malformed, detail);
        };
        let number = self.head(&original.stream).map_or(0, |it| it.number);
        match (&message.outcome, &original.stream) {
            (Ok(second), Stream::Terminal(terminal)) if original.number <= number => {
                // Its number is taken.
                let window = self.registry.terminals.get(terminal).map(|it| it.window.clone());
                let is_fact = matches!(second.event, Event::AuthorizationChanged { .. });
                let Some(window) = window.filter(|_| !is_fact) else {
                    return self.must_be_entered_anew(recorded, original);
                };
                self.settle_message(original, Some(position), recorded.position);
                self.accept_under(second, window, recorded);
            }
            (_, Stream::Terminal(_)) => {
                // What is missing before it is given up.
                self.take_early(&message, original, recorded.position, Cause::Release);
                self.drain(&original.stream, recorded.position);
            }
            _ => return self.must_be_entered_anew(recorded, original),
        }
        self.count_one();
        true
    }

    /// What was said of an event that still waits at a position.
    fn waits(&self, original: &EventRef, position: u64) -> Option<Code> {
        let stream = original.stream.to_string();
        let rows = self.early.waiting.iter().chain(&self.changes.exceptions);
        let mut open = rows.filter(|row| {
            row.position == position
                && row.number == original.number
                && row.stream == stream
                && matches!(row.standing, Standing::Held | Standing::Quarantined)
                && !self.changes.settled.iter().any(|it| it.settles(row))
        });
        open.next().map(|it| it.code)
    }

    /// The line takes a message that came before. What it came to then is told already, so no count changes.
    fn take_early(&mut self, incoming: &Incoming, identity: &EventRef, at: u64, cause: Cause) {
        self.early.forget(identity, incoming.position);
        self.settle_message(identity, Some(incoming.position), at);
        self.accept(incoming, identity, at, cause);
    }
}
