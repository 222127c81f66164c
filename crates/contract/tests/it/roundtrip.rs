//! What is written is what is read.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use zhoubao_contract::structured::parse;
use zhoubao_contract::{Attributes, Draft, Stored, decode, encode, hash, to_structured};
use zhoubao_domain::event::Recorded;
use zhoubao_domain::id::EventRef;

use crate::samples::{self, hall};

fn recorded(draft: &Draft, stored: &Stored) -> Recorded {
    let draft = draft.clone();
    Recorded {
        position: stored.position,
        recorded_at: stored.recorded_at,
        identity: EventRef { stream: draft.subject.stream, number: draft.number },
        hash: hash(&stored.message),
        previous: draft.previous,
        occurred_at: draft.occurred_at,
        entered_at: draft.entered_at,
        clock_offset: None,
        clock_unsure: None,
        actor: draft.actor,
        command: draft.command,
        event: draft.event,
    }
}

pub(crate) fn attributes() -> impl Strategy<Value = Attributes> {
    let value = || prop::option::of(samples::words());
    let extra = vec(("x[a-z0-9]{1,19}", samples::words()), 0..4).prop_map(|mut it| {
        it.sort();
        it.dedup_by(|a, b| a.0 == b.0);
        it
    });
    (prop::array::uniform13(value()), prop::option::of("[ -~]{1,40}"), extra).prop_map(
        |(values, datacontenttype, extra)| {
            let [
                specversion,
                id,
                source,
                kind,
                time,
                prevhash,
                hash,
                signature,
                actor,
                command,
                enteredat,
                clockoffset,
                clockunsure,
            ] = values;
            Attributes {
                specversion,
                id,
                source,
                kind,
                time,
                datacontenttype,
                prevhash,
                hash,
                signature,
                actor,
                command,
                enteredat,
                clockoffset,
                clockunsure,
                extra,
                unreadable: Vec::new(),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn decoding_gives_what_was_encoded(draft in samples::draft(), position in 1..=u64::MAX) {
        let message = encode(&draft);
        let stored = Stored { position, recorded_at: Timestamp::UNIX_EPOCH, message };
        let expected = recorded(&draft, &stored);
        prop_assert_eq!(decode(&stored, &hall()), Ok(expected));
        prop_assert_eq!(encode(&draft), stored.message);
    }

    #[test]
    fn a_line_gives_the_message_that_was_exported(draft in samples::draft()) {
        let message = encode(&draft);
        let line = to_structured(&Stored {
            position: 1,
            recorded_at: Timestamp::UNIX_EPOCH,
            message: message.clone(),
        });
        prop_assert!(!line.contains(['\n', '\r']));
        let incoming = parse(&line, &hall()).map_err(|it| TestCaseError::fail(it.to_string()))?;
        prop_assert_eq!(incoming.number, Some(draft.number));
        prop_assert_eq!(incoming.message(draft.number, incoming.previous), message);
        prop_assert_eq!(incoming.event, draft.event);
    }

    #[test]
    fn headers_and_blocks_carry_every_attribute(attributes in attributes()) {
        let headers: Vec<_> = attributes.headers().collect();
        for (name, value) in &headers {
            prop_assert!(value.bytes().all(|it| (b' '..=b'~').contains(&it)), "{}: {}", name, value);
        }
        prop_assert_eq!(Attributes::from_headers(headers.iter().cloned()), Ok(attributes.clone()));
        let upper = headers.iter().map(|(name, value)| (name.to_uppercase(), value));
        prop_assert_eq!(Attributes::from_headers(upper), Ok(attributes.clone()));
        prop_assert_eq!(attributes.block_len(), attributes.to_block().len());
        prop_assert_eq!(Attributes::from_block(&attributes.to_block()), Ok(attributes));
    }

    #[test]
    fn whatever_a_journal_holds_is_read_and_copied_the_same(
        headers in vec(("(ce-|CE-)?(id|type|time|x|data|content-type|Content-Type|é)", "[ -~é%0-9A-F]{0,8}"), 0..8),
        subject in "(hall\\.510000\\.)?(terminal\\.w01|issues|setup\\.x|.{0,8})",
        body in vec(any::<u8>(), 0..40),
    ) {
        let attributes = Attributes::read_headers(headers);
        let copy = Attributes::read_block(&attributes.to_block());
        prop_assert_eq!(&copy, &attributes);
        prop_assert_eq!(Attributes::from_headers(attributes.headers()).is_ok(), attributes.unreadable.is_empty());
        let message = zhoubao_contract::Message { subject, attributes, body };
        let stored = Stored { position: 1, recorded_at: Timestamp::UNIX_EPOCH, message };
        let _ = decode(&stored, &hall());
        prop_assert!(!to_structured(&stored).contains('\n'));
    }
}
