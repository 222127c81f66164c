//! Given messages that their line did not take when they came, when their time comes or a person lets them in, then
//! they count, from that position on.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use zhoubao_contract::Message;
use zhoubao_contract::signature::SigningKey;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Kind, Setup, TerminalKey};
use zhoubao_domain::id::{EventRef, SetupTopic};
use zhoubao_projections::Model;
use zhoubao_projections::model::Incoming;
use zhoubao_projections::rows::{Changes, Counts, Found, Standing};

use crate::journal::{Journal, hall};

fn event(text: &str) -> EventRef {
    text.parse().unwrap()
}

impl Journal {
    /// So many acts of w01, stored in this order of theirs.
    fn in_order(&mut self, order: &[usize]) {
        let before = self.messages.len();
        for _ in 0..order.iter().copied().max().unwrap_or_default() {
            self.act("02-06T09:10", Kind::Consulted, "");
        }
        let acts = self.messages.split_off(before);
        for place in order {
            self.store(acts[*place - 1].message.clone());
        }
    }

    fn settle(&mut self, original: &str, position: u64, released: bool, actor: &str) {
        let (original, position, reason) = (event(original), Some(position), "核实".to_owned());
        let event = match released {
            true => Event::Released { original, position, reason },
            false => Event::Rejected { original, position, reason },
        };
        self.put("quarantine", "02-10T09:00", actor, event);
    }

    /// Another content under a number that is taken, by somebody who copied the ledger.
    fn fork(&mut self, number: u64) -> u64 {
        let ends = self.ends.clone();
        let stream = "terminal.w01".parse().unwrap();
        let before = self.messages.iter().find(|it| {
            it.message.subject.ends_with("terminal.w01")
                && it.message.attributes.id == Some((number - 1).to_string())
        });
        let previous = before.map(|it| zhoubao_contract::hash(&it.message));
        self.ends.insert(stream, (number - 1, previous));
        self.act("02-07T10:00", Kind::Accepted, "c-fork");
        self.ends = ends;
        self.position()
    }
}

fn registered(key: &SigningKey) -> TerminalKey {
    TerminalKey {
        signing: key.public_key(),
        nats: "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR".to_owned(),
        valid_through: jiff::civil::date(2024, 12, 31),
        endorsement: None,
        revoked: false,
    }
}

/// 咨询 and 受理 that count, and what became of the messages.
fn outcome(journal: &Journal) -> (i64, i64, Counts, Changes) {
    let (model, changes) = journal.fold();
    let sum = |kind| {
        changes.tallies.iter().filter(|(cell, _)| cell.kind == kind).map(|(_, it)| it.amount).sum()
    };
    let (consulted, accepted) = (sum(Kind::Consulted), sum(Kind::Accepted));
    (consulted, accepted, model.checkpoint().unwrap().counts, changes)
}

#[test]
fn what_was_held_counts_as_soon_as_the_gap_closes() {
    let mut journal = Journal::new();
    let first = journal.position() + 1;
    journal.in_order(&[1, 3, 4, 2, 5]);
    let (consulted, _, counts, changes) = outcome(&journal);
    assert_eq!((consulted, counts.held), (5, 2));
    let closing = first + 3;
    let settled: Vec<_> = changes.settled.iter().map(|it| (it.number, it.by, it.message)).collect();
    assert_eq!(settled, [(3, closing, Some(first + 1)), (4, closing, Some(first + 2))]);
    // In the order of their numbers, from the position of what let them in.
    let entries = &changes.segments.values().next().unwrap().entries;
    let positions: Vec<_> = entries
        .lines()
        .map(|it| it.split('\t').take(2).map(|it| it.parse().unwrap()).collect::<Vec<u64>>())
        .collect();
    let expected =
        [[1, first], [2, closing], [3, closing], [4, closing], [5, first + 4]].map(Vec::from);
    assert_eq!(positions, expected);
    assert_eq!(changes.heads["terminal.w01"].number, 5);
}

#[test]
fn an_event_that_was_altered_on_its_way_leaves_its_number_to_the_true_one_also_when_it_came_early()
{
    let mut journal = Journal::new();
    journal.in_order(&[1, 2, 3]);
    let rest = journal.messages.split_off(journal.messages.len() - 2);
    let (second, third) = (rest[0].message.clone(), rest[1].message.clone());
    let mut altered = third.clone();
    altered.body.push(b' ');
    for message in [altered, second, third] {
        journal.store(message);
    }
    let (consulted, _, counts, changes) = outcome(&journal);
    assert_eq!((consulted, counts.held, counts.quarantined), (3, 1, 0));
    assert_eq!(changes.heads["terminal.w01"].number, 3);
}

#[test]
fn what_was_held_on_an_earlier_page_and_comes_again_behind_what_closes_the_gap_is_a_repeat() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 3, 4, 2, 3, 5]);
    let page: Vec<_> =
        journal.messages.iter().map(|it| Incoming::read(it.clone(), &hall())).collect();
    let mut model = Model::seed(hall(), None, &[], vec![]).unwrap();
    let second = page.len() - 3;
    for page in [&page[..second], &page[second..]] {
        let needs = model.needs(page);
        let at = |it: &u64| journal.messages[usize::try_from(it - 1).unwrap()].clone();
        let messages = needs.messages.iter().map(|it| Incoming::read(at(it), &hall())).collect();
        model.supply(Found { messages, ..Found::default() });
        model.fold_run(page.to_vec(), "incarnation");
    }
    let counts = model.checkpoint().unwrap().counts;
    assert_eq!((counts.held, counts.repeated, counts.quarantined), (2, 1, 0));
}

#[test]
fn what_was_held_on_an_earlier_page_counts_when_a_later_page_closes_the_gap() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 3, 4, 2]);
    let page: Vec<_> =
        journal.messages.iter().map(|it| Incoming::read(it.clone(), &hall())).collect();
    let (before, closing) = page.split_at(page.len() - 1);
    let mut model = Model::seed(hall(), None, &[], vec![]).unwrap();
    model.supply(Found::default());
    model.fold_run(before.to_vec(), "incarnation");
    let held = [closing[0].position - 2, closing[0].position - 1];
    assert_eq!(model.needs(closing).messages, held);
    let messages = before[before.len() - 2..].to_vec();
    model.supply(Found { messages, ..Found::default() });
    model.fold_run(closing.to_vec(), "incarnation");
    assert_eq!(model.head(&"terminal.w01".parse().unwrap()).unwrap().number, 4);
}

#[test]
fn a_held_event_that_no_signature_covers_is_settled_by_its_signed_copy_and_no_other() {
    let key = SigningKey::from_seed(&[1; 32]);
    let mut journal = Journal::new();
    journal.setup(SetupTopic::Key, "w01", Setup::Key(registered(&key)));
    journal.in_order(&[1, 2, 3]);
    let acts = journal.messages.split_off(journal.messages.len() - 3);
    let signed = |place: usize| {
        let mut message = acts[place - 1].message.clone();
        message.attributes.signature =
            Some(key.sign(&zhoubao_contract::hash(&message)).to_string());
        message
    };
    let third = acts[2].message.clone();
    let mut stray = third.clone();
    stray.attributes.prevhash = Some("ab".repeat(32));
    stray.attributes.hash = Some(zhoubao_contract::hash(&stray).to_string());
    for message in [signed(1), stray, third, signed(2), signed(3)] {
        journal.store(message);
    }
    let last = journal.position();
    let (model, changes) = journal.fold();
    assert_eq!(changes.heads["terminal.w01"].number, 3);
    let settled: Vec<_> = changes.settled.iter().map(|it| (it.number, it.by, it.message)).collect();
    assert_eq!(settled, [(3, last, Some(last - 2))]);
    // The other one still waits.
    let mut model = model;
    let again = Incoming::read(journal.messages.last().unwrap().clone(), &hall());
    assert_eq!(model.needs(&[again]).messages, [last - 3]);
}

#[test]
fn two_events_of_a_line_are_let_in_one_after_the_other() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 3, 5]);
    let last = journal.position();
    journal.settle("terminal.w01#3", last - 1, true, "office");
    journal.settle("terminal.w01#5", last, true, "office");
    let (consulted, _, counts, _) = outcome(&journal);
    assert_eq!((consulted, counts.held, counts.flagged), (3, 2, 0));
}

#[test]
fn a_held_event_is_let_in_after_a_flagged_one_was() {
    let mut journal = Journal::new();
    let flagged = journal.act("02-06T09:10", Kind::Issued, "c9");
    journal.act("02-06T09:11", Kind::Consulted, "");
    let lost = journal.messages.pop();
    assert!(lost.is_some());
    journal.act("02-06T09:12", Kind::Consulted, "");
    let held = journal.position();
    let released =
        Event::Released { original: flagged, position: None, reason: "核实".to_owned() };
    journal.put("quarantine", "02-10T09:00", "office", released);
    journal.settle("terminal.w01#3", held, true, "office");
    let (consulted, _, counts, _) = outcome(&journal);
    assert_eq!((consulted, counts.held, counts.flagged), (1, 1, 1));
}

#[test]
fn of_two_held_contents_the_one_that_follows_is_taken() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 2, 3]);
    let rest = journal.messages.split_off(journal.messages.len() - 2);
    let (second, third) = (rest[0].message.clone(), rest[1].message.clone());
    let mut stray = third.clone();
    stray.attributes.prevhash = Some("ab".repeat(32));
    stray.attributes.hash = Some(zhoubao_contract::hash(&stray).to_string());
    for message in [stray, third, second] {
        journal.store(message);
    }
    let (consulted, _, counts, changes) = outcome(&journal);
    assert_eq!((consulted, counts.held), (3, 2));
    assert_eq!(changes.heads["terminal.w01"].number, 3);
}

#[test]
fn the_sums_are_those_of_a_run_that_never_failed() {
    let (mut whole, mut torn) = (Journal::new(), Journal::new());
    whole.in_order(&[1, 2, 3, 4, 5, 6]);
    torn.in_order(&[2, 6, 4, 1, 5, 3]);
    assert_eq!(outcome(&torn).3.tallies, outcome(&whole).3.tallies);
    assert_eq!(
        outcome(&torn).3.heads["terminal.w01"].hash,
        outcome(&whole).3.heads["terminal.w01"].hash
    );
}

#[test]
fn a_held_event_that_comes_again_in_its_turn_counts_once() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 3, 2, 3]);
    let (consulted, _, counts, _) = outcome(&journal);
    assert_eq!((consulted, counts.held, counts.repeated), (3, 1, 1));
}

#[test]
fn a_person_gives_up_what_is_missing_and_what_comes_after_all_is_let_in_beside() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 3, 4]);
    let held = journal.position() - 1;
    journal.settle("terminal.w01#3", held, true, "office");
    assert_eq!(outcome(&journal).0, 3, "#4 follows the one released");
    // #2 has come to light.
    let late = journal.fork(2);
    let (_, accepted, _, changes) = outcome(&journal);
    assert_eq!(accepted, 0);
    assert_eq!(changes.exceptions.last().unwrap().code, Code::Fork);
    journal.settle("terminal.w01#2", late, true, "office");
    let (consulted, accepted, _, changes) = outcome(&journal);
    assert_eq!((consulted, accepted), (3, 1));
    let case = changes.new_cases.first().unwrap();
    assert_eq!(case.events, "quarantine#2 ", "it counts under the release");
}

#[test]
fn of_two_contents_of_a_number_a_person_lets_the_second_count_beside_the_first() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 2]);
    let (one, other) = (journal.fork(2), journal.fork(2));
    journal.settle("terminal.w01#2", one, true, "office");
    let (consulted, accepted, _, changes) = outcome(&journal);
    assert_eq!((consulted, accepted), (2, 1));
    let open: Vec<_> = changes.settled.iter().map(|it| it.message).collect();
    assert_eq!(open, [Some(one)], "the other one still waits");
    // In the record it stands where the release does.
    let row = changes.segments.values().find(|it| it.stream == "quarantine").unwrap();
    let start = format!("1\t{}\t", journal.position());
    assert!(row.entries.starts_with(&start), "{}", row.entries);
    journal.settle("terminal.w01#2", other, false, "office");
    assert_eq!(outcome(&journal).1, 1);
}

#[test]
fn another_content_waits_when_the_event_of_its_number_was_let_in_on_the_same_page() {
    let mut journal = Journal::new();
    journal.in_order(&[1]);
    let flagged = journal.act("02-06T09:10", Kind::Issued, "c9");
    let fork = journal.fork(flagged.number);
    let released =
        Event::Released { original: flagged, position: None, reason: "核实".to_owned() };
    journal.put("quarantine", "02-10T09:00", "office", released);
    let before = outcome(&journal);
    assert_eq!((before.1, before.2.flagged, before.2.quarantined), (0, 1, 1));
    journal.settle("terminal.w01#2", fork, true, "office");
    let (_, accepted, counts, _) = outcome(&journal);
    assert_eq!((accepted, counts.flagged), (1, 1));
}

#[test]
fn what_cannot_be_read_and_came_early_is_rejected_where_its_line_took_it() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 2, 3]);
    let third = journal.messages.pop().unwrap();
    let second = journal.messages.pop().unwrap();
    let mut unread = third.message;
    unread.body = b"{\"department\":\"tax\",\"people\":0}".to_vec();
    unread.attributes.hash = Some(zhoubao_contract::hash(&unread).to_string());
    journal.store(unread);
    let held = journal.position();
    journal.store(second.message);
    let taken = journal.position();
    let (consulted, _, counts, changes) = outcome(&journal);
    let last = changes.exceptions.last().unwrap();
    assert_eq!((last.position, last.number, last.standing), (taken, 3, Standing::Quarantined));
    assert_eq!((consulted, counts.held), (2, 1));
    // Neither does it count, nor once more what stands at that position itself.
    for (number, position) in [(3, held), (3, taken), (2, taken)] {
        journal.settle(&format!("terminal.w01#{number}"), position, true, "office");
        let (consulted, _, _, changes) = outcome(&journal);
        let last = changes.exceptions.last().unwrap();
        assert_eq!((consulted, last.code), (2, Code::NotFound), "#{number} @{position}");
    }
    journal.settle("terminal.w01#3", taken, false, "office");
    let settled = outcome(&journal).3.settled;
    let settled: Vec<_> = settled.iter().map(|it| (it.number, it.message)).collect();
    assert_eq!(settled, [(3, Some(held)), (3, Some(taken))]);
}

#[test]
fn a_change_of_authorization_that_was_flagged_is_rejected_and_never_released() {
    let mut journal = Journal::new();
    let change = Event::AuthorizationChanged {
        department: "tax".parse().unwrap(),
        effective: jiff::civil::date(2023, 2, 6),
        change: zhoubao_domain::event::AuthorizationChange::DepartmentWithdrawn,
    };
    let original = journal.put("terminal.w01", "02-06T09:10", "clerk", change);
    let mut settle = |release: bool| {
        let (original, reason) = (original.clone(), "核实".to_owned());
        let event = match release {
            true => Event::Released { original, position: None, reason },
            false => Event::Rejected { original, position: None, reason },
        };
        journal.put("quarantine", "02-10T09:00", "office", event);
        let (_, _, counts, changes) = outcome(&journal);
        (counts.flagged, changes.settled.len())
    };
    assert_eq!(settle(true), (2, 0));
    assert_eq!(settle(false), (2, 1));
}

#[test]
fn what_does_not_wait_is_not_settled() {
    let mut journal = Journal::new();
    journal.in_order(&[1, 2]);
    let fork = journal.fork(2);
    let before = outcome(&journal).3.tallies;
    let mut refused = |event: &str, position, actor, code| {
        journal.settle(event, position, true, actor);
        let (_, _, _, changes) = outcome(&journal);
        assert_eq!(changes.exceptions.last().unwrap().code, code, "{event} {position}");
        assert_eq!(changes.tallies, before, "{event} {position}");
    };
    refused("terminal.w01#2", fork, "clerk", Code::NoRight);
    refused("terminal.w01#2", fork - 1, "office", Code::NotFound);
    refused("terminal.w01#3", fork, "office", Code::NotFound);
    refused("terminal.w01#2", 9_999, "office", Code::NotFound);
    journal.settle("terminal.w01#2", fork, false, "office");
    journal.settle("terminal.w01#2", fork, true, "office");
    let (_, accepted, _, changes) = outcome(&journal);
    assert_eq!((accepted, changes.exceptions.last().unwrap().code), (0, Code::NotFound));
}

#[test]
fn a_person_vouches_for_an_event_that_no_signature_covers() {
    let mut journal = Journal::new();
    let key = registered(&SigningKey::from_seed(&[1; 32]));
    journal.setup(SetupTopic::Key, "w01", Setup::Key(key));
    journal.in_order(&[1]);
    let position = journal.position();
    assert_eq!(outcome(&journal).3.exceptions[0].code, Code::BadSignature);
    journal.settle("terminal.w01#1", position, true, "office");
    let (consulted, _, counts, changes) = outcome(&journal);
    assert_eq!((consulted, counts.quarantined), (1, 1));
    assert_eq!(changes.heads["terminal.w01"].number, 1);
}

/// What a window does: a kind, and which case it is about.
fn acts() -> impl Strategy<Value = Vec<(Kind, u8)>> {
    let kind = prop::sample::select(vec![
        Kind::Consulted,
        Kind::Accepted,
        Kind::Accepted,
        Kind::Transferred,
        Kind::Issued,
    ]);
    vec((kind, 0..4_u8), 2..12)
}

/// How the hall stands, whenever it came to know it: sums, cases, heads, and what is flagged.
fn state(journal: &Journal) -> impl PartialEq + std::fmt::Debug + use<> {
    let (_, _, _, changes) = outcome(journal);
    let heads = ["terminal.w01", "terminal.w02"]
        .map(|it| changes.heads.get(it).map(|head| (head.number, head.hash)));
    let cases: BTreeMap<_, _> =
        changes.new_cases.into_iter().map(|it| (it.id, (it.case, it.events))).collect();
    let flagged = changes.exceptions.iter().filter(|it| it.standing == Standing::Flagged);
    let flagged: BTreeSet<_> = flagged.map(|it| (it.stream.clone(), it.number, it.code)).collect();
    (changes.tallies, cases, heads, flagged)
}

/// Nothing waits for anybody but what is flagged.
fn open(journal: &Journal) -> usize {
    let (_, _, _, changes) = outcome(journal);
    let waits = changes.exceptions.iter().filter(|it| {
        let is_settled = changes.settled.iter().any(|by| {
            (&by.stream, by.number) == (&it.stream, it.number)
                && by.message.is_none_or(|message| message == it.position)
        });
        matches!(it.standing, Standing::Held | Standing::Quarantined) && !is_settled
    });
    waits.count()
}

/// The messages of w01, in order, each signed where it says so.
fn messages(acts: &[(Kind, u8)], key: &SigningKey) -> (Journal, Vec<Message>) {
    let mut journal = Journal::new();
    journal.setup(SetupTopic::Key, "w01", Setup::Key(registered(key)));
    let before = journal.messages.len();
    for (place, (kind, case)) in acts.iter().enumerate() {
        let time = format!("02-{:02}T09:10", 6 + place % 5);
        journal.act(&time, *kind, &format!("c{case}"));
    }
    let sent = journal.messages.split_off(before).into_iter().map(|it| {
        let mut message = it.message;
        let signature = key.sign(&zhoubao_contract::hash(&message));
        message.attributes.signature = Some(signature.to_string());
        message
    });
    let sent = sent.collect();
    (journal, sent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No freeze lies between.
    #[test]
    fn what_came_in_any_order_is_in_the_end_as_if_nothing_had_been_late(
        (acts, order) in acts().prop_flat_map(|it| {
            let order: Vec<usize> = (0..it.len()).collect();
            (Just(it), Just(order).prop_shuffle())
        }),
    ) {
        let (mut whole, sent) = messages(&acts, &SigningKey::from_seed(&[1; 32]));
        let (mut torn, _) = messages(&acts, &SigningKey::from_seed(&[1; 32]));
        sent.iter().for_each(|it| whole.store(it.clone()));
        order.iter().for_each(|it| torn.store(sent[*it].clone()));
        prop_assert_eq!(open(&torn), 0);
        prop_assert_eq!(state(&torn), state(&whole));
    }

    /// Those whose signature was lost are quarantined, and what follows them is held, until a person lets them in.
    #[test]
    fn what_a_person_lets_in_is_in_the_end_as_if_nothing_had_been_wrong(
        (acts, lost) in acts().prop_flat_map(|it| {
            let length = it.len();
            (Just(it), vec(any::<bool>(), length))
        }),
    ) {
        let (mut whole, sent) = messages(&acts, &SigningKey::from_seed(&[1; 32]));
        let (mut torn, _) = messages(&acts, &SigningKey::from_seed(&[1; 32]));
        let mut releases = vec![];
        for (place, (message, is_lost)) in sent.into_iter().zip(&lost).enumerate() {
            whole.store(message.clone());
            let mut message = message;
            if *is_lost {
                message.attributes.signature = None;
                releases.push((place + 1, torn.position() + 1));
            }
            torn.store(message);
            // Another window comes between, so no later signature covers it.
            for journal in [&mut whole, &mut torn] {
                journal.act_on("terminal.w02", "02-06T10:00", Kind::Consulted, "");
            }
        }
        prop_assert_eq!(open(&torn) > 0, !releases.is_empty());
        for (number, position) in releases {
            torn.settle(&format!("terminal.w01#{number}"), position, true, "office");
        }
        prop_assert_eq!(open(&torn), 0);
        prop_assert_eq!(state(&torn), state(&whole));
    }
}
