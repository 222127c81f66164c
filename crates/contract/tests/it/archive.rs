//! The copy of a journal in files: what is written is what is read, and nothing else is read.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use zhoubao_contract::archive::{Chain, Manifest};
use zhoubao_contract::{Attributes, Message, Stored, encode};
use zhoubao_domain::id::Digest;

use crate::roundtrip::attributes;
use crate::samples::{self, hall};

fn start() -> Chain {
    Chain::start(hall(), "1f2e".to_owned())
}

fn stored(position: u64, message: Message) -> Stored {
    let recorded_at = Timestamp::from_nanosecond(1_675_645_800_123_456_789).unwrap();
    Stored { position, recorded_at, message }
}

/// Every line of a copy in two files, and the chain at its end.
fn copy(messages: &[Stored]) -> (Vec<String>, Chain) {
    let mut chain = start();
    let mut lines = vec![chain.head_line()];
    for (place, it) in messages.iter().enumerate() {
        if place == messages.len() / 2 && place > 0 {
            lines.push(chain.head_line());
        }
        lines.push(chain.message_line(it));
    }
    (lines, chain)
}

fn read(bytes: &[u8]) -> Result<(Vec<Stored>, Chain), String> {
    let mut chain = start();
    let mut messages = vec![];
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|it| *it == b'\n').ok_or("a torn line")?;
        messages.extend(chain.read(&rest[..end]).map_err(|it| it.to_string())?);
        rest = &rest[end + 1..];
    }
    Ok((messages, chain))
}

fn three() -> Vec<Stored> {
    let drafts = samples::all();
    let mut messages: Vec<_> =
        (1..).zip(&drafts).take(2).map(|(at, (_, draft))| stored(at, encode(draft))).collect();
    let awkward = Message {
        subject: "hall.510000.terminal.w01".to_owned(),
        attributes: Attributes::read_block("ce-id:1\nce-id:2\nce-x:%zz"),
        body: vec![0xff, 0x00, b'\n', b'"'],
    };
    messages.push(stored(3, awkward));
    messages
}

#[test]
fn any_bit_that_flips_anywhere_is_found() {
    let messages = three();
    let (lines, end) = copy(&messages);
    let bytes = lines.concat().into_bytes();
    let (found, chain) = read(&bytes).unwrap();
    assert_eq!((&found, &chain), (&messages, &end));
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut altered = bytes.clone();
            altered[place] ^= 1 << bit;
            // What is read up to there is good; that it is too little, the manifest says.
            let found = read(&altered);
            assert!(found.is_err(), "byte {place}, bit {bit}: {found:?}");
        }
    }
    let content = Some((bytes.len() as u64, Digest::new([7; 32])));
    for content in [None, content] {
        let manifest = Manifest { end: end.clone(), content };
        let line = manifest.to_line().into_bytes();
        assert_eq!(Manifest::parse(&line).unwrap(), manifest);
        for place in 0..line.len() {
            for bit in 0..8 {
                let mut altered = line.clone();
                altered[place] ^= 1 << bit;
                // A digit may become another, which then does not fit what the lines say.
                let same = Manifest::parse(&altered).is_ok_and(|it| it == manifest);
                assert!(!same, "byte {place}, bit {bit}");
            }
        }
    }
}

#[test]
fn lines_that_are_missing_twice_or_of_another_journal_are_found() {
    let (lines, _) = copy(&three());
    for place in 0..lines.len() - 1 {
        let mut fewer = lines.clone();
        fewer.remove(place);
        assert!(read(fewer.concat().as_bytes()).is_err(), "without line {place}");
        let mut more = lines.clone();
        more.insert(place, lines[place].clone());
        assert!(read(more.concat().as_bytes()).is_err(), "line {place} twice");
        let mut swapped = lines.clone();
        swapped.swap(place, place + 1);
        assert!(read(swapped.concat().as_bytes()).is_err(), "line {place} after the next");
    }
    let mut other = Chain::start(hall(), "another".to_owned());
    assert!(other.read(lines[0].trim_end().as_bytes()).is_err());
    assert_eq!(other, Chain::start(hall(), "another".to_owned()), "it stays where it was");
}

proptest! {
    #[test]
    fn every_message_comes_back_byte_for_byte(
        attributes in attributes(),
        bodies in vec(vec(any::<u8>(), 0..64), 1..6),
        at in 0_i64..4_102_444_800_000_000_000,
    ) {
        let recorded_at = Timestamp::from_nanosecond(at.into()).unwrap();
        let messages: Vec<_> = (1..)
            .zip(bodies)
            .map(|(position, body)| {
                let (subject, attributes) = ("hall.510000.issues".to_owned(), attributes.clone());
                Stored { position, recorded_at, message: Message { subject, attributes, body } }
            })
            .collect();
        let (lines, _) = copy(&messages);
        prop_assert!(lines.iter().all(|it| it.trim_end().len() + 1 == it.len()));
        let (found, _) = read(lines.concat().as_bytes()).unwrap();
        prop_assert_eq!(found, messages);
    }
}
