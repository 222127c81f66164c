//! Given messages, before they are folded, then exactly what they need is looked up.

use zhoubao_domain::case::Case;
use zhoubao_domain::event::{Event, Kind, Replacement};
use zhoubao_domain::id::{CaseId, EventRef};
use zhoubao_projections::model::{Incoming, Model};
use zhoubao_projections::rows::Found;

use crate::journal::{Journal, hall};

fn event(text: &str) -> EventRef {
    text.parse().unwrap()
}

fn read(journal: &Journal, positions: &[u64]) -> Vec<Incoming> {
    let at = |it: &u64| journal.messages[usize::try_from(it - 1).unwrap()].clone();
    positions.iter().map(|it| Incoming::read(at(it), &hall())).collect()
}

/// Folds all but so many of the last messages; answers with their positions.
fn before(journal: &Journal, last: usize) -> (Model, Vec<u64>) {
    let mut known = Journal::new();
    known.messages = journal.messages[..journal.messages.len() - last].to_vec();
    let first = known.position() + 1;
    (known.fold().0, (first..=journal.position()).collect())
}

#[test]
fn a_number_that_is_taken_is_a_repeat_and_the_next_is_none() {
    let mut journal = Journal::new();
    let head = journal.act("02-06T09:10", Kind::Consulted, "");
    let again = journal.messages.last().unwrap().message.clone();
    journal.act("02-06T09:11", Kind::Consulted, "");
    journal.store(again);
    let (mut model, rest) = before(&journal, 2);
    assert_eq!(model.needs(&read(&journal, &rest[..1])).repeats, []);
    assert_eq!(model.needs(&read(&journal, &rest[1..])).repeats, [head]);
}

#[test]
fn an_old_repeat_and_one_of_the_head_count_once() {
    let mut journal = Journal::new();
    for _ in 0..6 {
        journal.act("02-06T09:10", Kind::Consulted, "");
    }
    let of = |back: usize| journal.messages[journal.messages.len() - back].clone();
    let (head, old) = (of(1), of(6));
    let (mut model, _) = journal.fold();
    let sums = |model: &mut Model| model.take().0.tallies.len();
    // The head is known without a look; what is older is looked up.
    model.supply(Found::default());
    model.fold_run(vec![Incoming::read(head, &hall())], "incarnation");
    assert_eq!((model.checkpoint().unwrap().counts.repeated, sums(&mut model)), (1, 0));
    let old = Incoming::read(old, &hall());
    let known = (event("terminal.w01#1"), old.hash);
    let _ = model.needs(std::slice::from_ref(&old));
    model.supply(Found { hashes: vec![known], ..Found::default() });
    model.fold_run(vec![old], "incarnation");
    assert_eq!((model.checkpoint().unwrap().counts.repeated, sums(&mut model)), (2, 0));
}

#[test]
fn what_is_held_of_a_line_is_read_once_and_only_where_a_message_may_close_its_gap() {
    let mut journal = Journal::new();
    for _ in 0..5 {
        journal.act("02-06T09:10", Kind::Consulted, "");
    }
    let (mut model, rest) = before(&journal, 4);
    model.hold([(event("terminal.w01#4"), 4711), (event("terminal.w01#4"), 4712)]);
    let needs = |model: &mut Model, which: &[u64]| model.needs(&read(&journal, which)).messages;
    assert_eq!(needs(&mut model, &rest[..2]), [4711, 4712]);
    assert_eq!(needs(&mut model, &rest[3..]), [] as [u64; 0], "#5 is behind all that is held");
}

#[test]
fn a_case_is_looked_up_once_and_not_where_it_is_known() {
    let mut journal = Journal::new();
    journal.act("02-06T09:10", Kind::Accepted, "c1");
    journal.act("02-06T09:11", Kind::Transferred, "c1");
    journal.act("02-06T09:12", Kind::Accepted, "c2");
    journal.act("02-06T09:13", Kind::Transferred, "c2");
    let (model, rest) = before(&journal, 3);
    let page = read(&journal, &rest);
    // As after a start: there are rows, and none is in memory.
    let checkpoint = model.checkpoint().cloned();
    let mut model = Model::seed(hall(), checkpoint, &[], vec![]).unwrap();
    let (c1, c2): (CaseId, CaseId) = ("c1".parse().unwrap(), "c2".parse().unwrap());
    assert_eq!(model.needs(&page).cases, [c1.clone(), c2.clone()]);
    model.supply(Found { cases: vec![(c1, Case::default())], ..Found::default() });
    assert_eq!(model.needs(&page).cases, std::slice::from_ref(&c2));
    let early = model.needs_of_early(&page);
    assert_eq!((early.cases, early.originals), (vec![c2.clone(), c2], vec![]));
}

#[test]
fn what_a_correction_and_a_voiding_name_is_looked_up_also_where_they_were_held() {
    let mut journal = Journal::new();
    let first = journal.act("02-06T09:10", Kind::Consulted, "");
    let second = journal.act("02-06T09:11", Kind::Consulted, "");
    let replacement = Replacement::default();
    let (original, reason) = (first.clone(), "录错".to_owned());
    let corrected = Event::Corrected { original, replacement, reason: reason.clone() };
    journal.put("terminal.w01", "02-06T10:00", "clerk", corrected);
    let voided = Event::Voided { original: second.clone(), reason };
    journal.put("terminal.w01", "02-06T10:01", "clerk", voided);
    let (mut model, rest) = before(&journal, 2);
    let page = read(&journal, &rest);
    let named = [first, second];
    assert_eq!(model.needs(&page).originals, named);
    assert_eq!(model.needs_of_early(&page).originals, named);
}

#[test]
fn the_checkpoint_is_of_the_journal_that_was_read_last() {
    let mut journal = Journal::new();
    journal.act("02-06T09:10", Kind::Consulted, "");
    let (mut model, rest) = before(&journal, 1);
    assert_eq!(model.checkpoint().unwrap().incarnation, "incarnation");
    model.supply(Found::default());
    model.fold_run(read(&journal, &rest), "another");
    let now = model.checkpoint().unwrap();
    assert_eq!((now.incarnation.as_str(), now.sequence), ("another", rest[0]));
}
