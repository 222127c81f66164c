//! How a terminal stands, and what became of its events, as far as this device can know.

use serde_json::{Value, json};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Subject, TerminalId};
use zhoubao_projections::rows::{ExceptionRow, Standing as Of};
use zhoubao_store_sqlite::ledger::{Entry, Standing};

use crate::config::StoreAt;
use crate::failure::Failure;
use crate::wiring::Context;

/// How a terminal stands, as one JSON object; `clock` is what is known of its clock.
#[must_use]
pub fn to_json(terminal: &TerminalId, standing: &Standing, clock: Value) -> Value {
    let (stored, position) = standing.stored.unwrap_or_default();
    let stopped = standing.stopped.map(|(code, number)| {
        json!({ "code": code.text(), "title": code.title(), "number": number, "next": code.fix() })
    });
    json!({
        "terminal": terminal.as_str(),
        "recorded": standing.recorded,
        "stored": stored,
        "position": (position > 0).then_some(position),
        "to_send": standing.recorded.saturating_sub(stored),
        "stopped": stopped,
        "clock": clock,
    })
}

/// What the hall's read models say of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    /// They have folded the journal up to here.
    upto: u64,
    /// What did not simply count and is not settled, ascending by position.
    exceptions: Vec<ExceptionRow>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// 待发送: on this device only.
    ToSend,
    /// 已送达: the journal has it.
    Stored,
    /// 已入账: it counts.
    Counted,
    /// 需处理: it does not count, and somebody has to look.
    NeedsAttention,
}

impl State {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ToSend => "to_send",
            Self::Stored => "stored",
            Self::Counted => "counted",
            Self::NeedsAttention => "needs_attention",
        }
    }

    /// The words on the screen.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ToSend => "待发送",
            Self::Stored => "已送达",
            Self::Counted => "已入账",
            Self::NeedsAttention => "需处理",
        }
    }
}

impl Counting {
    /// Reads it where the hall's read models are in this device's own data folder; `None` where they are elsewhere: a
    /// window's device has no right to read them, and then nothing is said of counting.
    ///
    /// # Errors
    ///
    /// When the read models are there and cannot be read.
    pub async fn of(ctx: &Context, line: &Subject) -> Result<Option<Self>, Failure> {
        if ctx.config.store != StoreAt::Sqlite || !ctx.folder().read_models().exists() {
            return Ok(None);
        }
        let store = ctx.open_store().await?;
        let Some(checkpoint) = store.checkpoint(&line.hall).await? else { return Ok(None) };
        let stream = line.stream.to_string();
        let mut exceptions = store.exceptions(&line.hall, true).await?;
        exceptions.retain(|it| it.stream == stream);
        Ok(Some(Self { upto: checkpoint.sequence, exceptions }))
    }

    fn of_position(&self, position: u64) -> Option<&ExceptionRow> {
        self.exceptions.iter().find(|it| it.position == position)
    }

    /// What somebody has to look at.
    pub fn needs_attention(&self) -> impl Iterator<Item = &ExceptionRow> {
        self.exceptions.iter().filter(|it| it.standing != Of::Warned)
    }
}

/// What became of an event of the ledger, and the exception that says why it did not simply count.
#[must_use]
pub fn state<'a>(
    entry: &Entry,
    counting: Option<&'a Counting>,
) -> (State, Option<&'a ExceptionRow>) {
    let Some(position) = entry.position else { return (State::ToSend, None) };
    let Some(counting) = counting.filter(|it| position <= it.upto) else {
        return (State::Stored, None);
    };
    match counting.of_position(position) {
        Some(it) if it.standing == Of::Warned => (State::Counted, Some(it)),
        Some(it) => (State::NeedsAttention, Some(it)),
        None => (State::Counted, None),
    }
}

/// Code, what it means, the sentence and what to do, as members of a JSON object.
#[must_use]
pub fn reason(code: Code, detail: &str) -> Value {
    json!({ "code": code.text(), "title": code.title(), "reason": detail, "next": code.fix() })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use zhoubao_contract::{Attributes, Message};

    use super::*;

    fn entry(position: Option<u64>) -> Entry {
        let message =
            Message { subject: String::new(), attributes: Attributes::default(), body: vec![] };
        Entry { number: 7, message, wall: Timestamp::UNIX_EPOCH, position }
    }

    fn exception(position: u64, standing: Of) -> ExceptionRow {
        ExceptionRow {
            position,
            stream: "terminal.w01".to_owned(),
            number: 7,
            standing,
            code: Code::NotAuthorised,
            detail: String::new(),
            settled: None,
        }
    }

    #[test]
    fn an_event_is_called_counted_only_where_the_read_models_have_folded_it() {
        let exceptions = vec![exception(5, Of::Flagged), exception(6, Of::Warned)];
        let counting = Counting { upto: 8, exceptions };
        let of = |position, counting| state(&entry(position), counting).0;
        assert_eq!(of(None, Some(&counting)), State::ToSend);
        assert_eq!(of(Some(4), None), State::Stored);
        assert_eq!(of(Some(4), Some(&counting)), State::Counted);
        assert_eq!(of(Some(5), Some(&counting)), State::NeedsAttention);
        assert_eq!(of(Some(6), Some(&counting)), State::Counted, "with a warning");
        assert_eq!(of(Some(9), Some(&counting)), State::Stored, "not folded yet");
        assert_eq!(counting.needs_attention().count(), 1);
    }
}
