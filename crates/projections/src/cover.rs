//! Which events of a terminal are covered by a signature.
//!
//! ```text
//!  one atomic batch of w03:   #17 ◄─ #18 ◄─ #19 ◄─ … ◄─ #216 signed
//!                              each names the hash of the one before: the last signature covers them all
//! ```
//!
//! A terminal signs the last event of what it sends at once. What is sent at once lies side by side in the journal, so
//! whether an event is covered is decided by the messages directly after it, and by nothing else: it does not depend
//! on how the journal was read.

use zhoubao_contract::signature::Verifier;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Setup};
use zhoubao_domain::id::{SetupTopic, Stream, TerminalId};
use zhoubao_domain::registry::Keys;

use crate::model::{Incoming, Model};

/// Most events that one signature covers: what the journal takes in one atomic batch.
pub const COVERED_MAX: usize = 200;

/// Whether `next` lies directly after `before` in the journal, and in its line.
fn follows(before: &Incoming, next: &Incoming) -> bool {
    let (Some(one), Some(other)) = (before.identity(), next.identity()) else { return false };
    next.position == before.position + 1
        && one.stream == other.stream
        && one.number.checked_add(1) == Some(other.number)
        && next.previous() == Some(before.hash)
}

/// Whether it may put a key of the terminal in force.
fn enters_key(incoming: &Incoming, terminal: &TerminalId) -> bool {
    matches!(&incoming.outcome, Ok(it) if matches!(it.event, Event::Setup(Setup::Key(_)))
        && matches!(it.stream(), Stream::Setup(SetupTopic::Key, id) if id.as_str() == terminal.as_str()))
}

impl Model {
    /// How many messages of the run, from its first one on, are covered by one signature; 1 for one that needs none.
    ///
    /// # Errors
    ///
    /// Why the first one is not covered.
    pub(crate) fn cover(&self, run: &[Incoming]) -> Result<usize, Code> {
        let Some(keys) = run.first().and_then(|it| self.keys_of(it)) else { return Ok(1) };
        let mut before: Option<&Incoming> = None;
        for (count, incoming) in (1..=COVERED_MAX).zip(run) {
            if before.is_some_and(|it| !follows(it, incoming)) {
                break;
            }
            before = Some(incoming);
            let Some(signature) = &incoming.signature else { continue };
            let signed_by =
                |key| Verifier::new(key).is_some_and(|it| it.verifies(&incoming.hash, signature));
            // The latest key first: nearly every signature is its.
            if keys.valid.iter().rev().any(signed_by) {
                return Ok(count);
            }
            if keys.revoked.iter().any(signed_by) {
                return Err(Code::KeyRevoked);
            }
            break;
        }
        Err(Code::BadSignature)
    }

    /// How many messages at the end of the run a later one may still cover: they must be folded together with those
    /// after them.
    #[must_use]
    pub fn open_tail(&self, run: &[Incoming]) -> usize {
        let unsigned = run.iter().rev().take_while(|it| it.signature.is_none()).count();
        let tail = &run[run.len() - unsigned..];
        let Some(Stream::Terminal(terminal)) =
            tail.last().and_then(|it| Some(&it.identity()?.stream))
        else {
            return 0;
        };
        let has_key = self.registry.keys.contains_key(terminal);
        if !has_key && !run.iter().any(|it| enters_key(it, terminal)) {
            return 0;
        }
        let joined = tail.windows(2).rev().take_while(|pair| follows(&pair[0], &pair[1])).count();
        // One more would be one too many for any signature.
        (1 + joined).min(COVERED_MAX - 1)
    }

    fn keys_of(&self, incoming: &Incoming) -> Option<&Keys> {
        if self.registry.keys.is_empty() {
            return None;
        }
        match &incoming.identity()?.stream {
            Stream::Terminal(terminal) => self.registry.keys.get(terminal),
            _ => None,
        }
    }
}
