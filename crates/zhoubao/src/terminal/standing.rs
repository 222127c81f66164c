//! How a terminal stands, and what became of its events, as far as this device was told.

use serde_json::{Value, json};
use zhoubao_contract::receipt::{Open, Receipt};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, TerminalId};
use zhoubao_domain::time::rfc3339;
use zhoubao_store_sqlite::ledger::{Entry, Standing};

/// How a terminal stands, as one JSON object; `clock` is what is known of its clock.
#[must_use]
pub fn to_json(
    hall: &HallCode,
    terminal: &TerminalId,
    standing: &Standing,
    receipt: Option<&Receipt>,
    clock: Value,
) -> Value {
    let (stored, position) = standing.stored.unwrap_or_default();
    let stopped = standing.stopped.map(|(code, number)| {
        json!({ "code": code.text(), "title": code.title(), "number": number, "next": code.fix() })
    });
    // Neither sentence nor position: who is not logged in may see this.
    let flagged = receipt.map(|it| {
        let of = |it: &Open| {
            let title = Code::from_text(&it.code).map(Code::title);
            json!({ "number": it.number, "code": it.code, "title": title })
        };
        it.open.iter().map(of).collect::<Vec<_>>()
    });
    json!({
        "terminal": terminal.as_str(),
        "hall": hall.as_str(),
        "training": hall.is_training(),
        "recorded": standing.recorded,
        "stored": stored,
        "position": (position > 0).then_some(position),
        "to_send": standing.recorded.saturating_sub(stored),
        "counted": receipt.map(|it| it.number),
        "counted_as_of": receipt.map(|it| rfc3339(it.at)),
        "flagged": flagged,
        "flagged_count": receipt.map(|it| it.open_count),
        "stopped": stopped,
        "clock": clock,
    })
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

/// What became of an event of the ledger, and why it does not count, as the hall's last receipt says.
#[must_use]
pub fn state<'a>(entry: &Entry, receipt: Option<&'a Receipt>) -> (State, Option<&'a Open>) {
    let Some(position) = entry.position else { return (State::ToSend, None) };
    let Some(receipt) = receipt else { return (State::Stored, None) };
    if let Some(open) = receipt.open.iter().find(|it| it.position == position) {
        return (State::NeedsAttention, Some(open));
    }
    // Of many that wait the receipt names the first, and of those after them nothing is known.
    let is_named = receipt.open_count == receipt.open.len() as u64
        || receipt.open.last().is_some_and(|it| position < it.position);
    if entry.number <= receipt.number && is_named {
        (State::Counted, None)
    } else {
        (State::Stored, None)
    }
}

/// Code, what it means, the sentence and what to do, as members of a JSON object.
#[must_use]
pub fn reason(open: &Open) -> Value {
    let code = Code::from_text(&open.code);
    json!({
        "code": open.code, "title": code.map(Code::title), "reason": open.detail, "next": code.map(Code::fix),
    })
}

/// An event that needs attention: number, position, standing, code, what it means, the sentence, and what to do.
#[must_use]
pub fn open_json(open: &Open) -> Value {
    let mut value = reason(open);
    value["number"] = json!(open.number);
    value["position"] = json!(open.position);
    value["standing"] = json!(open.standing);
    value
}

/// The events that need attention, for a person, and how many more there are.
#[must_use]
pub fn open_lines(receipt: &Receipt) -> Vec<String> {
    let mut lines = Vec::new();
    for Open { number, code, detail, .. } in &receipt.open {
        let known = Code::from_text(code);
        let title = known.map_or("", Code::title);
        lines.push(format!("  需处理 #{number}  {code} {title}：{detail}"));
        lines.extend(known.map(|it| format!("    怎么办 what to do: {}", it.fix())));
    }
    let more = receipt.open_count.saturating_sub(receipt.open.len() as u64);
    if more > 0 {
        lines.push(format!(
            "  另有 {more} 件 more: settle these first, or see `zhoubao trace` in the office"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use zhoubao_contract::{Attributes, Message};
    use zhoubao_domain::id::Digest;

    use super::*;

    fn entry(number: u64, position: Option<u64>) -> Entry {
        let message =
            Message { subject: String::new(), attributes: Attributes::default(), body: vec![] };
        Entry { number, message, wall: Timestamp::UNIX_EPOCH, position }
    }

    fn receipt(number: u64, open: &[(u64, u64)], open_count: u64) -> Receipt {
        let open = open.iter().map(|(number, position)| Open {
            number: *number,
            position: *position,
            standing: "flagged".to_owned(),
            code: "E.110".to_owned(),
            detail: String::new(),
        });
        Receipt {
            source: String::new(),
            number,
            hash: Digest::new([0; 32]),
            incarnation: String::new(),
            position: 0,
            open: open.collect(),
            open_count,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_needs_attention_is_told_with_its_reason_and_what_to_do() {
        let told = receipt(7, &[(5, 15)], 3);
        let lines = open_lines(&told).join("\n");
        assert!(
            lines.contains("#5  E.110") && lines.contains("怎么办") && lines.contains("另有 2 件"),
            "{lines}"
        );
        assert!(open_lines(&receipt(7, &[], 0)).is_empty());
        let value = open_json(&told.open[0]);
        assert_eq!((&value["number"], &value["position"]), (&json!(5), &json!(15)));
        assert_eq!(value["next"], Code::NotAuthorised.fix());
    }

    #[test]
    fn an_event_is_called_counted_only_where_the_hall_has_said_so() {
        fn of(number: u64, position: Option<u64>, receipt: Option<&Receipt>) -> State {
            state(&entry(number, position), receipt).0
        }
        let told = receipt(7, &[(5, 15)], 1);
        assert_eq!(of(8, None, Some(&told)), State::ToSend);
        assert_eq!(of(4, Some(14), None), State::Stored, "nothing was heard yet");
        assert_eq!(of(4, Some(14), Some(&told)), State::Counted);
        assert_eq!(of(5, Some(15), Some(&told)), State::NeedsAttention);
        assert_eq!(of(7, Some(17), Some(&told)), State::Counted);
        assert_eq!(of(8, Some(18), Some(&told)), State::Stored, "not looked at yet");
        // It is settled.
        assert_eq!(of(5, Some(15), Some(&receipt(7, &[], 0))), State::Counted);
        // More wait than it names.
        let many = receipt(7, &[(3, 13), (5, 15)], 3);
        assert_eq!(of(4, Some(14), Some(&many)), State::Counted);
        assert_eq!(of(6, Some(16), Some(&many)), State::Stored);
        // What waits for an earlier number is beyond the line's head, and somebody has to look.
        assert_eq!(of(9, Some(19), Some(&receipt(7, &[(9, 19)], 1))), State::NeedsAttention);
    }
}
