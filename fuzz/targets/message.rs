//! Whatever stands in the journal is read, or refused with a code; its identity and its bytes are kept.

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use zhoubao_contract::{Attributes, Message, Stored, decode, hash};
use zhoubao_domain::id::HallCode;

const SUBJECTS: [&str; 10] = [
    "hall.510000.terminal.w01",
    "hall.510000.authorization.labour",
    "hall.510000.issues",
    "hall.510000.quarantine",
    "hall.510000.audit",
    "hall.510000.desk.submission.n1",
    "hall.510000.desk.statistics.s1",
    "hall.510000.setup.user.u1",
    "hall.510000.setup.rules.r1",
    "hall.951000.terminal.w01",
];

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else { return };
    // Headers and body, parted by an empty line as in HTTP.
    let cut = rest.windows(2).position(|it| it == b"\n\n").unwrap_or(rest.len());
    let (headers, body) = rest.split_at(cut);
    let headers = String::from_utf8_lossy(headers);
    let subject = SUBJECTS[usize::from(which) % SUBJECTS.len()].to_owned();
    let body = body.get(2..).unwrap_or_default().to_vec();
    let attributes = Attributes::read_block(&headers);
    // A copy of a copy is the copy.
    assert_eq!(Attributes::read_block(&attributes.to_block()), attributes);
    assert_eq!(attributes.block_len(), attributes.to_block().len());
    let message = Message { subject, attributes, body };
    let stored = Stored { position: 1, recorded_at: Timestamp::UNIX_EPOCH, message };
    let hall: HallCode = "510000".parse().expect("a code");
    match decode(&stored, &hall) {
        Ok(read) => assert_eq!(read.hash, hash(&stored.message)),
        Err(refused) => assert!(!refused.detail.is_empty()),
    }
});
