//! What a device, a form or a program sends as one line of JSON is an event, or is refused.

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use zhoubao_contract::structured::parse;
use zhoubao_contract::{Stored, decode, to_structured};
use zhoubao_domain::id::HallCode;

fuzz_target!(|text: &str| {
    let hall: HallCode = "510000".parse().expect("a code");
    let Ok(incoming) = parse(text, &hall) else { return };
    let number = incoming.number.unwrap_or(1);
    let event = incoming.event.clone();
    let message = incoming.message(number, incoming.previous);
    let stored = Stored { position: 1, recorded_at: Timestamp::UNIX_EPOCH, message };
    // What was let in at the edge is read back from the journal, and from an export of it.
    let read = decode(&stored, &hall).expect("what was let in is read");
    assert_eq!(read.event, event);
    let again = parse(&to_structured(&stored), &hall).expect("what was exported is let in");
    assert_eq!(again.event, event);
});
