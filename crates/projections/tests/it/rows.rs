//! What is read out of the record, and the words and conditions of rows.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Kind, Replacement};
use zhoubao_domain::figure::{TallyCell, TallyValue};
use zhoubao_projections::early::passes_over;
use zhoubao_projections::recount::{recount, rewind};
use zhoubao_projections::rows::{ExceptionRow, Needs, SegmentRow, Settlement, Standing};

use crate::journal::Journal;

const DAY: Date = date(2023, 2, 6);

/// The record of w01: 3 people, a flagged event, one that is taken back, 4 people.
fn record() -> Vec<SegmentRow> {
    let entry = |number: u64, position: u64, sign: i8, amount: u32| {
        format!("{number}\t{position}\t1675645800000000\tC\t{sign}\t{amount}\tw01\ttax\t\t\t\t\n")
    };
    vec![SegmentRow {
        stream: "terminal.w01".into(),
        segment: 0,
        first_position: 5,
        last_position: 9,
        first_day: DAY,
        last_day: DAY,
        entries: [entry(1, 5, 1, 3), entry(2, 6, 0, 9), entry(3, 8, -1, 1), entry(4, 9, 1, 4)]
            .concat(),
    }]
}

fn sums(amount: i64, events: i64) -> BTreeMap<TallyCell, TallyValue> {
    let (window, department) = ("w01".into(), "tax".into());
    let cell = TallyCell { day: DAY, window, department, kind: Kind::Consulted };
    BTreeMap::from([(cell, TallyValue { amount, events })])
}

#[test]
fn the_record_is_recounted_up_to_any_position() {
    let rows = record();
    for (cut, expected) in [
        (4, BTreeMap::new()),
        (5, sums(3, 1)),
        (7, sums(3, 1)),
        (8, sums(2, 0)),
        (9, sums(6, 1)),
        (u64::MAX, sums(6, 1)),
    ] {
        assert_eq!(recount(&rows, DAY, DAY, cut).unwrap(), expected, "{cut}");
        assert_eq!(rewind(sums(6, 1), &rows, cut).unwrap(), expected, "{cut}");
    }
    let other = date(2023, 2, 7);
    assert_eq!(recount(&rows, other, other, 9).unwrap(), BTreeMap::new());
}

#[test]
fn a_segment_of_the_record_holds_256_numbers() {
    let mut journal = Journal::new();
    for _ in 0..257 {
        journal.act("02-06T09:00", Kind::Consulted, "");
    }
    let (_, changes) = journal.fold();
    let segments: Vec<_> =
        changes.segments.values().map(|it| (it.segment, it.entries.lines().count())).collect();
    assert_eq!(segments, [(0, 256), (1, 1)]);
}

#[test]
fn standings_have_words_and_words_have_standings() {
    use Standing::{Flagged, Held, Quarantined, Warned};
    let all = [Warned, Flagged, Held, Quarantined];
    assert_eq!(all.map(Standing::word), ["warned", "flagged", "held", "quarantined"]);
    for it in all {
        assert_eq!(Standing::from_word(it.word()), Some(it));
    }
    assert_eq!(Standing::from_word("counted"), None);
}

#[test]
fn a_settlement_is_of_one_message_or_of_what_the_event_itself_came_to() {
    let row = |position, code| ExceptionRow {
        position,
        stream: "terminal.w01".into(),
        number: 1,
        standing: Standing::Held,
        code,
        detail: String::new(),
        settled: None,
    };
    let of = |message| Settlement { stream: "terminal.w01".into(), number: 1, by: 99, message };
    for code in Code::ALL.iter().copied() {
        assert!(of(Some(7)).settles(&row(7, code)) && !of(Some(7)).settles(&row(8, code)));
        assert_eq!(of(None).settles(&row(7, code)), !passes_over(code), "{code}");
    }
    assert!(passes_over(Code::Fork) && !passes_over(Code::NotAuthorised));
    // What comes with it or after it, and what is of another event, is none of its.
    let it = row(98, Code::NotAuthorised);
    assert!(of(None).settles(&it));
    for other in [
        row(99, Code::NotAuthorised),
        ExceptionRow { number: 2, ..it.clone() },
        ExceptionRow { stream: "terminal.w02".into(), ..it.clone() },
    ] {
        assert!(!of(None).settles(&other), "{other:?}");
    }
}

#[test]
fn nothing_is_needed_where_nothing_is_to_be_looked_up() {
    assert!(Needs::default().is_empty());
    let event = || "terminal.w01#1".parse().unwrap();
    for needs in [
        Needs { cases: vec!["c1".parse().unwrap()], ..Needs::default() },
        Needs { originals: vec![event()], ..Needs::default() },
        Needs { repeats: vec![event()], ..Needs::default() },
        Needs { messages: vec![7], ..Needs::default() },
    ] {
        assert!(!needs.is_empty(), "{needs:?}");
    }
}

#[test]
fn sums_hold_amounts_and_events_also_after_a_correction_of_people() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Kind::Consulted, "");
    let second = journal.act("02-06T09:01", Kind::Consulted, "");
    assert_eq!(journal.fold().1.tallies, sums(2, 2));
    let replacement = Replacement { people: Some(5), ..Replacement::default() };
    let corrected = Event::Corrected { original: second, replacement, reason: "录错".into() };
    journal.put("terminal.w01", "02-06T10:00", "clerk", corrected);
    assert_eq!(journal.fold().1.tallies, sums(6, 2));
    // A case is one, whatever somebody types.
    let case = journal.act("02-06T09:02", Kind::Accepted, "c1");
    let replacement = Replacement { people: Some(5), ..Replacement::default() };
    let corrected = Event::Corrected { original: case, replacement, reason: "录错".into() };
    journal.put("terminal.w01", "02-06T10:01", "clerk", corrected);
    let (_, changes) = journal.fold();
    let accepted = changes.tallies.iter().find(|(cell, _)| cell.kind == Kind::Accepted);
    assert_eq!(accepted.unwrap().1, &TallyValue { amount: 1, events: 1 });
}
