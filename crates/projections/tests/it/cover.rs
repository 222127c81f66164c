//! Given a terminal with a key, when events come signed, unsigned and forged, then only covered ones count.

use std::collections::HashMap;

use jiff::civil::date;
use proptest::prelude::*;
use zhoubao_contract::signature::SigningKey;
use zhoubao_contract::{Message, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Kind, Setup, TerminalKey};
use zhoubao_domain::id::{Digest, EventRef, SetupTopic, Stream};
use zhoubao_projections::cover::COVERED_MAX;
use zhoubao_projections::model::{Incoming, Model};
use zhoubao_projections::rows::{Changes, Checkpoint, Found, Standing};

use crate::journal::{Journal, hall};

const NATS: &str = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn entry(key: &SigningKey, before: Option<&SigningKey>) -> TerminalKey {
    TerminalKey {
        signing: key.public_key(),
        nats: NATS.to_owned(),
        valid_through: date(2024, 12, 31),
        endorsement: before.map(|it| it.endorse(&key.public_key(), NATS)),
        revoked: false,
    }
}

/// A hall in which w01 has key 1.
fn keyed() -> Journal {
    let mut journal = Journal::new();
    journal.setup(SetupTopic::Key, "w01", Setup::Key(entry(&key(1), None)));
    journal
}

fn sign(message: &mut Message, key: &SigningKey) {
    message.attributes.signature = Some(key.sign(&hash(message)).to_string());
}

impl Journal {
    /// So many consultations in one go, the last one signed.
    fn batch(&mut self, count: usize, key: Option<&SigningKey>) {
        for _ in 0..count {
            self.act("02-06T09:10", Kind::Consulted, "");
        }
        if let (Some(key), Some(last)) = (key, self.messages.last_mut()) {
            sign(&mut last.message, key);
        }
    }

    /// Takes the last message for one that never came from the terminal: its line goes on without it.
    fn forget(&mut self, count: u64) {
        let stream: Stream = "terminal.w01".parse().unwrap();
        let (number, _) = self.ends[&stream];
        let before = self.messages.iter().rev().map(|it| &it.message).find(|it| {
            it.subject.ends_with("terminal.w01")
                && it.attributes.id == Some((number - count).to_string())
        });
        let previous = before.map(hash);
        self.ends.insert(stream, (number - count, previous));
    }
}

const BAD: (Standing, Code) = (Standing::Quarantined, Code::BadSignature);

#[test]
fn a_terminal_without_a_key_signs_nothing() {
    let mut journal = keyed();
    journal.act_on("terminal.w02", "02-06T09:10", Kind::Consulted, "");
    journal.check([1, 0, 0, 0], &[]);
}

#[test]
fn one_signature_covers_what_was_sent_with_it() {
    let mut journal = keyed();
    journal.batch(1, Some(&key(1)));
    journal.batch(COVERED_MAX, Some(&key(1)));
    journal.check([201, 0, 0, 0], &[]);
}

#[test]
fn one_signature_covers_no_more_than_a_batch() {
    let mut journal = keyed();
    journal.batch(COVERED_MAX + 1, Some(&key(1)));
    let (model, changes) = journal.fold();
    // The first one is not covered, so the line waits for it.
    assert_eq!(changes.exceptions[0].code, Code::BadSignature);
    assert!(changes.exceptions[1..].iter().all(|it| it.code == Code::SequenceGap));
    assert_eq!(model.head(&"terminal.w01".parse().unwrap()), None);
}

#[test]
fn what_is_not_covered_is_quarantined_and_the_true_event_of_the_number_still_counts() {
    let mut journal = keyed();
    journal.batch(1, None);
    journal.forget(1);
    journal.batch(1, Some(&key(2)));
    journal.forget(1);
    journal.batch(1, Some(&key(1)));
    let (standing, code) = BAD;
    let one = ("terminal.w01#1", standing, code);
    journal.check([1, 0, 0, 0], &[one, one]);
}

#[test]
fn a_signature_after_another_line_covers_nothing_before_it() {
    let mut journal = keyed();
    journal.batch(1, None);
    journal.act_on("terminal.w02", "02-06T09:10", Kind::Consulted, "");
    journal.batch(1, Some(&key(1)));
    let (standing, code) = BAD;
    journal.check(
        [1, 0, 0, 0],
        &[
            ("terminal.w01#1", standing, code),
            ("terminal.w01#2", Standing::Held, Code::SequenceGap),
        ],
    );
}

#[test]
fn a_signature_of_another_event_or_one_that_cannot_be_read_is_none() {
    let mut journal = keyed();
    journal.batch(1, Some(&key(1)));
    let stolen = journal.messages.last().unwrap().message.attributes.signature.clone();
    for forged in [stolen, Some("00".repeat(64)), Some("not hexadecimal".to_owned())] {
        journal.batch(1, None);
        journal.messages.last_mut().unwrap().message.attributes.signature = forged;
        journal.forget(1);
    }
    let (standing, code) = BAD;
    journal.check([1, 0, 0, 0], &[("terminal.w01#2", standing, code); 3]);
}

#[test]
fn changed_bytes_are_not_covered() {
    let mut journal = keyed();
    journal.batch(2, Some(&key(1)));
    let place = journal.messages.len() - 2;
    journal.messages[place].message.body = br#"{"people":9}"#.to_vec();
    journal.messages[place].message.attributes.hash = None;
    let (_, changes) = journal.fold();
    assert_eq!((changes.exceptions[0].standing, changes.exceptions[0].code), BAD);
    assert!(changes.tallies.is_empty());
}

#[test]
fn after_a_key_is_replaced_the_one_before_still_signs_what_was_recorded_with_it() {
    let mut journal = keyed();
    journal.batch(1, Some(&key(1)));
    journal.setup(SetupTopic::Key, "w01", Setup::Key(entry(&key(2), Some(&key(1)))));
    journal.batch(1, Some(&key(1)));
    journal.batch(1, Some(&key(2)));
    journal.check([3, 0, 0, 0], &[]);
}

#[test]
fn after_a_key_is_revoked_what_it_signed_before_stays_and_what_comes_is_quarantined() {
    let mut journal = keyed();
    journal.batch(1, Some(&key(1)));
    let revoked = TerminalKey { revoked: true, ..entry(&key(1), None) };
    journal.setup(SetupTopic::Key, "w01", Setup::Key(revoked));
    journal.batch(2, Some(&key(1)));
    let gone = (Standing::Quarantined, Code::KeyRevoked);
    journal.check(
        [1, 0, 0, 0],
        &[
            ("terminal.w01#2", gone.0, gone.1),
            // Nothing of the line is taken before #2 is settled.
            ("terminal.w01#3", Standing::Held, Code::SequenceGap),
        ],
    );
}

#[test]
fn what_came_before_the_first_key_needs_no_signature() {
    let mut journal = Journal::new();
    journal.batch(2, None);
    journal.setup(SetupTopic::Key, "w01", Setup::Key(entry(&key(1), None)));
    journal.batch(1, Some(&key(1)));
    journal.check([3, 0, 0, 0], &[]);
}

#[test]
fn an_unsigned_event_sent_again_after_the_key_came_is_a_repeat() {
    let mut journal = Journal::new();
    journal.batch(1, None);
    journal.setup(SetupTopic::Key, "w01", Setup::Key(entry(&key(1), None)));
    let again = journal.messages[journal.messages.len() - 2].message.clone();
    journal.store(again);
    let (model, changes) = journal.fold();
    assert!(changes.exceptions.is_empty());
    assert_eq!(model.checkpoint().unwrap().counts.repeated, 1);
}

#[test]
fn only_a_line_with_a_key_waits_for_its_signature() {
    let key_of = |terminal: &str, journal: &mut Journal| {
        journal.setup(SetupTopic::Key, terminal, Setup::Key(entry(&key(1), None)));
    };
    let open = |journal: &Journal| {
        let model = Model::seed(hall(), None, &[], vec![]).unwrap();
        let run = journal.messages.iter().map(|it| Incoming::read(it.clone(), &hall()));
        model.open_tail(&run.collect::<Vec<_>>())
    };
    // Neither another terminal's key nor another fact of the terminal itself is its key.
    let mut journal = Journal::new();
    key_of("w02", &mut journal);
    journal.batch(2, None);
    assert_eq!(open(&journal), 0);
    // Its own one is, also where both come at once.
    let mut journal = Journal::new();
    key_of("w01", &mut journal);
    journal.batch(2, None);
    assert_eq!(open(&journal), 2);
    journal.batch(1, Some(&key(1)));
    assert_eq!(open(&journal), 0);
    journal.batch(COVERED_MAX + 1, None);
    assert_eq!(open(&journal), COVERED_MAX - 1);
}

/// Folds as the projector does: in pages that end where `cuts` say, what is open at the end of a page waits.
fn folded(
    journal: &Journal,
    cuts: &[usize],
    first: &HashMap<EventRef, Digest>,
) -> (Changes, Option<Checkpoint>, usize) {
    let mut model = Model::seed(hall(), None, &[], vec![]).unwrap();
    let mut rest = journal.messages.iter();
    let mut waiting: Vec<Incoming> = Vec::new();
    for size in cuts.iter().copied().chain([usize::MAX]) {
        let page = rest.by_ref().take(size).map(|it| Incoming::read(it.clone(), &hall()));
        let mut run = std::mem::take(&mut waiting);
        run.extend(page);
        waiting = run.split_off(run.len() - model.open_tail(&run));
        let needs = model.needs(&run);
        let hashes = needs.repeats.into_iter();
        let hashes = hashes.filter_map(|it| Some((it.clone(), *first.get(&it)?))).collect();
        // What is held on an earlier page and may be taken now.
        let messages =
            needs.messages.into_iter().map(|it| journal.messages[it as usize - 1].clone());
        let messages = messages.map(|it| Incoming::read(it, &hall())).collect();
        model.supply(Found { hashes, messages, ..Found::default() });
        model.fold_run(run, "incarnation");
    }
    let (changes, checkpoint) = model.take();
    (changes, checkpoint, waiting.len())
}

#[derive(Debug, Clone)]
enum Step {
    Batch { count: usize, seed: Option<u8> },
    Other,
    NewKey { seed: u8, vouched: bool },
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..5_usize).prop_map(|count| Step::Batch { count, seed: Some(1) }),
        2 => (1..4_usize, prop::option::of(1..4_u8))
            .prop_map(|(count, seed)| Step::Batch { count, seed }),
        1 => Just(Step::Other),
        1 => (1..4_u8, any::<bool>()).prop_map(|(seed, vouched)| Step::NewKey { seed, vouched }),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_counts_does_not_depend_on_pages(
        steps in prop::collection::vec(step(), 1..20),
        cuts in prop::collection::vec(1..9_usize, 0..20),
    ) {
        let mut journal = Journal::new();
        for step in steps {
            match step {
                Step::Batch { count, seed } => journal.batch(count, seed.map(key).as_ref()),
                Step::Other => {
                    journal.act_on("terminal.w02", "02-06T09:10", Kind::Consulted, "");
                }
                Step::NewKey { seed, vouched } => {
                    let before = key(1);
                    let entry = entry(&key(seed), vouched.then_some(&before));
                    journal.setup(SetupTopic::Key, "w01", Setup::Key(entry));
                }
                Step::Forget => {
                    let stream: Stream = "terminal.w01".parse().unwrap();
                    if journal.ends.get(&stream).is_some_and(|it| it.0 > 0) {
                        journal.forget(1);
                    }
                }
            }
        }
        let whole = folded(&journal, &[], &HashMap::new());
        // What a store would find for a number that comes again: its first entry.
        let mut first = HashMap::new();
        for segment in whole.0.segments.values() {
            for line in segment.entries.lines() {
                let mut fields = line.split('\t').map(|it| it.parse::<u64>().unwrap());
                let (number, position) = (fields.next().unwrap(), fields.next().unwrap());
                let stream = segment.stream.parse().unwrap();
                let message = &journal.messages[position as usize - 1].message;
                first.insert(EventRef { stream, number }, hash(message));
            }
        }
        prop_assert_eq!(folded(&journal, &cuts, &first), whole);
    }
}
