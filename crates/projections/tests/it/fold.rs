//! Given a journal, when it is folded, then this counts and that does not.

use jiff::civil::{Date, date};
use zhoubao_contract::{Draft, encode, hash};
use zhoubao_domain::calendar::Period;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{
    Act, AuthorizationChange, Event, IssueEvent, Kind, Replacement, Setup, Tally, TerminalHead,
};
use zhoubao_domain::figure::{Cause, Definition, FigureKey, Figures, Partition, Span};
use zhoubao_domain::id::{Digest, EventRef, SetupTopic, Stream};
use zhoubao_projections::freeze::{AloneNeeds, FreezeFound, figures_digest};
use zhoubao_projections::model::{Incoming, Model};
use zhoubao_projections::rows::{Changes, Found, Standing};

use crate::journal::{Journal, at, hall};

use Kind::{Accepted, Consulted, Issued, Transferred};
use Standing::{Flagged, Held, Quarantined, Warned};

#[test]
fn a_case_is_accepted_handed_on_twice_and_issued() {
    let mut journal = Journal::new();
    for kind in [Consulted, Accepted, Transferred, Transferred, Issued] {
        journal.act("02-06T09:10", kind, "c1");
    }
    journal.check([1, 1, 1, 2], &[]);
    let (_, changes) = journal.fold();
    let case = changes.new_cases.first().unwrap();
    assert_eq!(case.case.transferred, 2);
    assert_eq!(case.events, "terminal.w01#2 terminal.w01#3 terminal.w01#4 terminal.w01#5 ");
}

#[test]
fn a_hand_out_of_a_case_never_accepted_is_flagged_and_counts_nothing() {
    let mut journal = Journal::new();
    journal.act("02-06T09:10", Issued, "c1");
    journal.act("02-06T09:11", Transferred, "c1");
    let flag = |event| (event, Flagged, Code::IllegalTransition);
    journal.check([0, 0, 0, 0], &[flag("terminal.w01#1"), flag("terminal.w01#2")]);
}

#[test]
fn of_two_acceptances_and_two_hand_outs_the_lower_position_counts() {
    let mut journal = Journal::new();
    journal.act("02-06T09:10", Accepted, "c1");
    journal.act_on("terminal.w02", "02-06T09:05", Accepted, "c1");
    journal.act_on("terminal.w02", "02-06T09:20", Issued, "c1");
    journal.act("02-06T09:15", Issued, "c1");
    let flag = |event| (event, Flagged, Code::IllegalTransition);
    journal.check([0, 1, 1, 0], &[flag("terminal.w02#1"), flag("terminal.w01#2")]);
}

#[test]
fn an_old_case_counts_with_a_warning_in_a_year_that_began_with_opening_figures() {
    let mut journal = Journal::new();
    let opening = IssueEvent::OpeningFigures {
        through: date(2023, 1, 31),
        year_to_date: Tally::default(),
        last_number: 4,
        last_running_number: 424,
    };
    journal.put("issues", "02-01T08:00", "office", Event::Issue(opening));
    journal.act("02-06T09:10", Issued, "old");
    journal.act("01-31T09:10", Consulted, "");
    journal.check(
        [0, 0, 1, 0],
        &[
            ("terminal.w01#1", Warned, Code::UnknownCaseAllowed),
            ("terminal.w01#2", Flagged, Code::BackDated),
        ],
    );
}

#[test]
fn a_time_in_the_future_is_flagged_and_counts_after_its_correction() {
    let mut journal = Journal::new();
    let early = journal.act("02-20T09:03", Consulted, "");
    journal.check([0; 4], &[("terminal.w01#1", Flagged, Code::FutureTime)]);
    let replacement =
        Replacement { occurred_at: Some(at("02-20T08:53")), ..Replacement::default() };
    let correction = Event::Corrected { original: early, replacement, reason: "校时".into() };
    journal.put("terminal.w01", "02-20T08:59", "clerk", correction);
    let (_, changes) = journal.fold();
    assert_eq!(changes.tallies.values().map(|it| it.amount).sum::<i64>(), 1);
    assert_eq!(changes.settled.len(), 1, "the flag is settled by the correction");
}

#[test]
fn the_time_of_an_event_whose_clock_nobody_measured_may_be_put_right_by_its_own_line_only() {
    let mut journal = Journal::new();
    let (department, matter, case) = ("tax".parse().ok(), None, None);
    let act = Act { kind: Consulted, amount: 1, department, matter, case };
    let draft = journal.draft("terminal.w01", at("02-13T09:00"), "clerk", Event::Act(act));
    let mut message = encode(&draft);
    message.attributes.clockunsure = Some("2023-02-13T09:00:00+08:00".to_owned());
    message.attributes.hash = None;
    let digest = hash(&message);
    journal.ends.insert("terminal.w01".parse().unwrap(), (1, Some(digest)));
    journal.store(message);
    let in_doubt = ("terminal.w01#1", Flagged, Code::ClockUnmeasured);
    journal.check([0; 4], &[in_doubt]);

    // The day is another one, and the clerk has no right to correct.
    let original: EventRef = "terminal.w01#1".parse().unwrap();
    let reason = || "校时".to_owned();
    let correct = |replacement| Event::Corrected {
        original: original.clone(),
        replacement,
        reason: reason(),
    };
    let right = || Replacement { occurred_at: Some(at("02-20T08:50")), ..Replacement::default() };
    let more = Replacement { people: Some(9), ..Replacement::default() };
    for (stream, event) in [
        ("terminal.w02", correct(right())),
        ("terminal.w01", correct(more)),
        ("terminal.w01", Event::Voided { original: original.clone(), reason: reason() }),
    ] {
        journal.put(stream, "02-20T08:59", "clerk", event);
        let (_, changes) = journal.fold();
        assert_eq!(changes.exceptions.last().unwrap().code, Code::NoRight, "{stream}");
        assert_eq!(changes.settled, []);
    }
    journal.put("terminal.w01", "02-20T08:59", "clerk", correct(right()));
    let (_, changes) = journal.fold();
    let days: Vec<_> = changes.tallies.iter().map(|(cell, it)| (cell.day, it.amount)).collect();
    assert_eq!(days, [(date(2023, 2, 20), 1)]);
    assert_eq!(changes.settled.len(), 1);
    // It is sure now: another day needs the right to correct, as ever.
    journal.put("terminal.w01", "02-19T08:59", "clerk", correct(right()));
    let (_, changes) = journal.fold();
    assert_eq!(changes.exceptions.last().unwrap().code, Code::NoRight);
}

#[test]
fn a_department_not_authorised_on_the_day_is_flagged() {
    let mut journal = Journal::new();
    let withdrawn = Event::AuthorizationChanged {
        department: "tax".parse().unwrap(),
        effective: date(2023, 2, 8),
        change: AuthorizationChange::DepartmentWithdrawn,
    };
    journal.put("authorization.tax", "02-07T08:00", "office", withdrawn);
    journal.act("02-07T09:00", Accepted, "before");
    journal.act("02-08T09:00", Accepted, "after");
    // What was accepted in time may still be finished.
    journal.act("02-09T09:00", Issued, "before");
    journal.check([0, 1, 1, 0], &[("terminal.w01#2", Flagged, Code::NotAuthorised)]);
}

#[test]
fn an_authorization_by_somebody_without_the_right_changes_nothing() {
    let mut journal = Journal::new();
    let withdrawn = Event::AuthorizationChanged {
        department: "tax".parse().unwrap(),
        effective: date(2023, 1, 1),
        change: AuthorizationChange::DepartmentWithdrawn,
    };
    journal.put("authorization.tax", "02-07T08:00", "clerk", withdrawn);
    journal.act("02-07T09:00", Accepted, "c1");
    journal.check([0, 1, 0, 0], &[("authorization.tax#2", Flagged, Code::NoRight)]);
}

#[test]
fn an_unknown_department_is_flagged_and_an_unknown_terminal_quarantined() {
    let mut journal = Journal::new();
    let act = Act {
        kind: Accepted,
        amount: 1,
        department: Some("nobody".parse().unwrap()),
        matter: None,
        case: Some("c1".parse().unwrap()),
    };
    journal.put("terminal.w01", "02-06T09:00", "clerk", Event::Act(act));
    journal.act_on("terminal.w77", "02-06T09:00", Consulted, "");
    journal.check(
        [0; 4],
        &[
            ("terminal.w01#1", Flagged, Code::UnknownReference),
            ("terminal.w77#1", Quarantined, Code::UnknownTerminal),
        ],
    );
}

#[test]
fn typed_in_late_needs_the_right_of_late_entry() {
    let mut journal = Journal::new();
    for actor in ["clerk", "office"] {
        let act = Act { kind: Consulted, amount: 3, department: None, matter: None, case: None };
        let draft = journal.draft("terminal.w01", at("02-06T09:00"), actor, Event::Act(act));
        journal.append(Draft { entered_at: Some(at("02-09T09:00")), ..draft });
    }
    journal.check([3, 0, 0, 0], &[("terminal.w01#1", Flagged, Code::BackDated)]);
}

#[test]
fn a_repeat_counts_once_and_another_content_under_the_number_is_a_fork() {
    let mut journal = Journal::new();
    journal.act("02-06T09:10", Consulted, "");
    journal.act("02-06T09:11", Consulted, "");
    let first = journal.messages[journal.messages.len() - 2].message.clone();
    journal.store(first.clone());
    journal.check([2, 0, 0, 0], &[]);
    let mut forged = first;
    forged.body = br#"{"people":7}"#.to_vec();
    forged.attributes.hash = None;
    journal.store(forged);
    journal.check([2, 0, 0, 0], &[("terminal.w01#1", Quarantined, Code::Fork)]);
}

#[test]
fn a_day_is_closed_by_its_end_and_the_last_close_says_what_was_counted() {
    let mut journal = Journal::new();
    // Everything here is recorded on the 20th.
    for (day, consulted) in [(6, 1), (6, 2), (20, 3), (21, 4)] {
        let tally = Tally { consulted, ..Tally::default() };
        let closed = Event::DayClosed { day: date(2023, 2, day), tally };
        journal.put("terminal.w01", "02-20T09:00", "clerk", closed);
    }
    let first = journal.position() - 3;
    journal.check([0, 0, 0, 0], &[("terminal.w01#4", Flagged, Code::FutureTime)]);
    let (model, changes) = journal.fold();
    let closes = changes
        .day_closes
        .iter()
        .map(|((window, day), it)| (window.to_string(), *day, it.tally.consulted, it.position));
    let mut closes: Vec<_> = closes.collect();
    closes.sort();
    let w01 = || "w01".to_owned();
    assert_eq!(
        closes,
        [(w01(), date(2023, 2, 6), 2, first), (w01(), date(2023, 2, 20), 3, first + 2)]
    );
    assert_eq!(model.checkpoint().unwrap().counts.flagged, 1);
}

#[test]
fn a_window_records_a_change_of_the_register_where_its_person_may() {
    let mut journal = Journal::new();
    let withdrawn = || Event::AuthorizationChanged {
        department: "tax".parse().unwrap(),
        effective: date(2023, 2, 8),
        change: AuthorizationChange::DepartmentWithdrawn,
    };
    journal.put("terminal.w01", "02-07T09:00", "clerk", withdrawn());
    journal.act("02-09T09:00", Accepted, "c1");
    journal.check([0, 1, 0, 0], &[("terminal.w01#1", Flagged, Code::NoRight)]);
    journal.put("terminal.w01", "02-07T09:01", "office", withdrawn());
    journal.act("02-09T09:01", Accepted, "c2");
    journal.check(
        [0, 1, 0, 0],
        &[
            ("terminal.w01#1", Flagged, Code::NoRight),
            ("terminal.w01#4", Flagged, Code::NotAuthorised),
        ],
    );
}

#[test]
fn a_register_is_corrected_by_a_new_change_only() {
    let mut journal = Journal::new();
    let (original, reason) =
        ("authorization.tax#1".parse::<EventRef>().unwrap(), "录错".to_owned());
    let voided = Event::Voided { original: original.clone(), reason: reason.clone() };
    journal.put("authorization.tax", "02-07T09:00", "office", voided);
    let replacement = Replacement::default();
    let corrected = Event::Corrected { original, replacement, reason };
    journal.put("authorization.tax", "02-07T09:01", "office", corrected);
    journal.check(
        [0, 0, 0, 0],
        &[
            ("authorization.tax#2", Flagged, Code::NotFound),
            ("authorization.tax#3", Flagged, Code::NotFound),
        ],
    );
}

#[test]
fn the_first_event_of_a_line_follows_nothing() {
    for (previous, standing) in [([0; 32], None), ([9; 32], Some(Quarantined))] {
        let mut journal = Journal::new();
        let stream: Stream = "terminal.w02".parse().unwrap();
        journal.ends.insert(stream, (0, Some(Digest::new(previous))));
        journal.act_on("terminal.w02", "02-06T09:10", Consulted, "");
        let found: Vec<_> =
            standing.map(|it| ("terminal.w02#1", it, Code::BrokenChain)).into_iter().collect();
        journal.check([i64::from(standing.is_none()), 0, 0, 0], &found);
    }
}

#[test]
fn a_gap_is_held_and_a_broken_chain_quarantined_while_the_rest_goes_on() {
    let mut journal = Journal::new();
    journal.act("02-06T09:10", Consulted, "");
    let act = Act { kind: Consulted, amount: 1, department: None, matter: None, case: None };
    let ahead = journal.draft("terminal.w01", at("02-06T09:20"), "clerk", Event::Act(act.clone()));
    journal.store(encode(&Draft { number: 4, ..ahead.clone() }));
    journal.store(encode(&Draft { previous: Some(Digest::new([9; 32])), ..ahead }));
    journal.act("02-06T09:30", Consulted, "");
    journal.check(
        [2, 0, 0, 0],
        &[
            ("terminal.w01#4", Held, Code::SequenceGap),
            ("terminal.w01#2", Quarantined, Code::BrokenChain),
        ],
    );
}

#[test]
fn what_is_not_understood_is_held_what_is_malformed_quarantined_and_the_line_goes_on() {
    let mut journal = Journal::new();
    let mut newer = encode(&journal.draft(
        "terminal.w01",
        at("02-06T09:00"),
        "clerk",
        Event::DayClosed { day: date(2023, 2, 6), tally: Tally::default() },
    ));
    newer.attributes.kind = Some("cn.zhoubao.Accepted.v9".into());
    newer.attributes.hash = None;
    let after = hash(&newer);
    journal.store(newer);
    journal.ends.insert("terminal.w01".parse().unwrap(), (1, Some(after)));
    let draft = journal.draft(
        "terminal.w01",
        at("02-06T09:01"),
        "clerk",
        Event::DayClosed { day: date(2023, 2, 6), tally: Tally::default() },
    );
    let mut broken = encode(&draft);
    broken.body = b"{".to_vec();
    broken.attributes.hash = None;
    let after = hash(&broken);
    journal.store(broken);
    journal.ends.insert("terminal.w01".parse().unwrap(), (2, Some(after)));
    journal.act("02-06T09:02", Consulted, "");
    journal.check(
        [1, 0, 0, 0],
        &[
            ("terminal.w01#1", Held, Code::UnknownKind),
            ("terminal.w01#2", Quarantined, Code::Malformed),
        ],
    );
}

#[test]
fn a_correction_moves_the_day_and_a_later_one_replaces_it() {
    let mut journal = Journal::new();
    let original = journal.act("02-06T09:00", Accepted, "c1");
    for (day, actor) in [("02-07T09:00", "office"), ("02-03T09:00", "office")] {
        let replacement = Replacement { occurred_at: Some(at(day)), ..Replacement::default() };
        let event =
            Event::Corrected { original: original.clone(), replacement, reason: "日期".into() };
        journal.put("terminal.w01", "02-09T09:00", actor, event);
    }
    journal.check([0, 1, 0, 0], &[]);
    let (_, changes) = journal.fold();
    let days: Vec<_> = changes
        .tallies
        .iter()
        .filter(|(_, value)| value.amount != 0)
        .map(|(cell, _)| cell.day)
        .collect();
    assert_eq!(days, [date(2023, 2, 3)]);
}

#[test]
fn a_voided_event_counts_no_more_and_its_case_may_be_accepted_again() {
    let mut journal = Journal::new();
    let original = journal.act("02-06T09:00", Accepted, "c1");
    let void = Event::Voided { original: original.clone(), reason: "录错".into() };
    journal.put("terminal.w01", "02-06T09:05", "clerk", void.clone());
    journal.check([0; 4], &[]);
    journal.act("02-06T09:10", Accepted, "c1");
    journal.put("terminal.w01", "02-06T09:15", "clerk", void);
    journal.check([0, 1, 0, 0], &[("terminal.w01#4", Flagged, Code::NotFound)]);
}

#[test]
fn another_day_or_window_is_corrected_only_by_who_holds_the_right() {
    let mut journal = Journal::new();
    let original = journal.act("02-06T09:00", Accepted, "c1");
    let void = Event::Voided { original, reason: "录错".into() };
    journal.put("terminal.w01", "02-07T09:00", "clerk", void.clone());
    journal.put("terminal.w02", "02-06T09:30", "clerk", void.clone());
    let flag = |event| (event, Flagged, Code::NoRight);
    journal.check([0, 1, 0, 0], &[flag("terminal.w01#2"), flag("terminal.w02#1")]);
    journal.put("terminal.w02", "02-07T09:30", "office", void);
    journal.check([0; 4], &[flag("terminal.w01#2"), flag("terminal.w02#1")]);
}

#[test]
fn a_correction_of_nothing_is_flagged() {
    let mut journal = Journal::new();
    let original = "terminal.w01#99".parse().unwrap();
    let void = Event::Voided { original, reason: "录错".into() };
    journal.put("terminal.w01", "02-06T09:05", "clerk", void);
    journal.check([0; 4], &[("terminal.w01#1", Flagged, Code::NotFound)]);
}

#[test]
fn a_flagged_event_counts_from_its_release_on() {
    let mut journal = Journal::new();
    let original = journal.act("02-06T09:00", Issued, "c1");
    let released =
        Event::Released { original: original.clone(), position: None, reason: "旧件".into() };
    journal.put("quarantine", "02-07T09:00", "clerk", released.clone());
    journal.put("quarantine", "02-07T09:01", "office", released);
    journal.check(
        [0, 0, 1, 0],
        &[
            ("terminal.w01#1", Flagged, Code::IllegalTransition),
            ("quarantine#1", Flagged, Code::NoRight),
        ],
    );
    let (_, changes) = journal.fold();
    let settled: Vec<_> = changes.settled.iter().map(|it| (it.number, it.by, it.message)).collect();
    assert_eq!(settled, [(1, journal.position(), None)]);
}

#[test]
fn the_record_says_of_every_effect_by_which_event_and_where_it_came() {
    let mut journal = Journal::new();
    let base = journal.position();
    let reason = || "核实".to_owned();
    let first = journal.act("02-06T09:00", Accepted, "c1");
    let replacement =
        Replacement { occurred_at: Some(at("02-06T10:00")), ..Replacement::default() };
    let corrected = Event::Corrected { original: first.clone(), replacement, reason: reason() };
    journal.put("terminal.w01", "02-06T11:00", "clerk", corrected);
    journal.put(
        "terminal.w01",
        "02-06T12:00",
        "clerk",
        Event::Voided { original: first.clone(), reason: reason() },
    );
    let flagged = journal.act("02-06T13:00", Issued, "c9");
    let release = |original: &EventRef| Event::Released {
        original: original.clone(),
        position: None,
        reason: reason(),
    };
    journal.put("quarantine", "02-07T09:00", "office", release(&flagged));
    let (_, changes) = journal.fold();
    let entries = changes.segments.values().map(|it| (it.stream.as_str(), it.entries.as_str()));
    let lines: Vec<_> = entries
        .flat_map(|(stream, all)| all.lines().map(move |it| (stream, it)))
        .map(|(stream, line)| {
            let fields: Vec<_> = line.split('\t').collect();
            let place = fields[1].parse::<u64>().unwrap() - base;
            let hour = (fields[2].parse::<i64>().unwrap() / 3_600_000_000 + 8) % 24;
            format!("{stream} {} +{place} {hour}h {}", fields[0], fields[3..].join(" "))
        })
        .collect();
    // Number, position, hour, kind, sign, amount, window, department, matter, case, code, what it amends.
    let expected = [
        "quarantine 1 +5 13h I 1 1 w01 tax  c9  terminal.w01#4",
        "terminal.w01 1 +1 9h A 1 1 w01 tax  c1  ",
        "terminal.w01 2 +2 9h A -1 1 w01 tax  c1  terminal.w01#1",
        "terminal.w01 2 +2 10h A 1 1 w01 tax  c1  terminal.w01#1",
        "terminal.w01 3 +3 10h A -1 1 w01 tax  c1  terminal.w01#1",
        "terminal.w01 3 +3 9h A 0 1 w01 tax  c1  terminal.w01#1",
        "terminal.w01 4 +4 13h I 0 1 w01 tax  c9 E.103 ",
    ];
    assert_eq!(lines, expected);
    let now = |it: &EventRef| {
        let it = &changes.amendments[it].current;
        (it.number, it.position - base, it.sign, it.amends.clone())
    };
    assert_eq!([now(&first), now(&flagged)], [(1, 3, 0, None), (4, 5, 1, None)]);
    // What counts, what was voided, and what never was an act are settled by nobody.
    let before = changes.tallies;
    let closed = Event::DayClosed { day: date(2023, 2, 21), tally: Tally::default() };
    let closed = journal.put("terminal.w01", "02-20T09:00", "clerk", closed);
    for original in [&flagged, &first, &closed] {
        journal.put("quarantine", "02-08T09:00", "office", release(original));
        let (_, changes) = journal.fold();
        assert_eq!(changes.exceptions.last().unwrap().code, Code::NotFound, "{original}");
        assert_eq!(changes.tallies, before, "{original}");
    }
}

/// Opens and freezes an issue for 6–10 February with everything so far.
fn freeze(journal: &mut Journal, cut: u64, number: u64) -> (Model, Changes) {
    freeze_naming(journal, cut, number, |number| number)
}

fn freeze_naming(
    journal: &mut Journal,
    cut: u64,
    number: u64,
    named: impl Fn(u64) -> u64,
) -> (Model, Changes) {
    if number == 1 {
        open(journal, "i5", (date(2023, 2, 6), date(2023, 2, 10)));
    }
    let frozen = frozen(journal, "i5", cut, named);
    journal.put("issues", "02-13T08:00", "office", frozen);
    fold_freeze(journal, cut)
}

/// Opens an issue whose figure is 受理.
fn open(journal: &mut Journal, issue: &str, (first, last): (Date, Date)) {
    let definitions = vec![Definition {
        key: "accepted".into(),
        title: "受理".into(),
        unit: "件".into(),
        meaning: "cases accepted".into(),
        kinds: vec![Accepted],
    }];
    journal.setup(SetupTopic::Figures, "standard", Setup::Figures { definitions });
    let body = journal.messages.last().unwrap().message.body.clone();
    use sha2::Digest as _;
    let figures = Digest::new(sha2::Sha256::digest(&body).into());
    let opened = IssueEvent::Opened {
        issue: issue.parse().unwrap(),
        period: Period::new(first, last).unwrap(),
        template: figures,
        checklist: figures,
        figures,
        calendars: vec![],
        series: None,
        parameters: std::collections::BTreeMap::new(),
    };
    journal.put("issues", "02-11T08:00", "office", Event::Issue(opened));
}

/// A freeze with the heads at its cut, which it names as `named` says.
fn frozen(journal: &Journal, issue: &str, cut: u64, named: impl Fn(u64) -> u64) -> Event {
    let heads = journal
        .messages
        .iter()
        .filter(|it| it.position <= cut)
        .filter_map(|it| {
            let stream = it.message.subject.strip_prefix("hall.510000.")?;
            match stream.parse().ok()? {
                Stream::Terminal(terminal) => {
                    let number = it.message.attributes.id.as_deref()?.parse().ok()?;
                    Some((terminal, number))
                }
                _ => None,
            }
        })
        .collect::<std::collections::BTreeMap<_, u64>>();
    let heads: Vec<_> = heads
        .into_iter()
        .map(|(terminal, number)| TerminalHead { terminal, number: named(number) })
        .collect();
    Event::Issue(IssueEvent::Frozen { issue: issue.parse().unwrap(), cut, heads, tree: None })
}

/// Folds everything before the last message, then that freeze by itself, as the projector does.
fn fold_freeze(journal: &mut Journal, cut: u64) -> (Model, Changes) {
    fold_freeze_after(journal, cut, Figures::new())
}

/// The same with the figures of the issue before.
fn fold_freeze_after(journal: &mut Journal, cut: u64, previous: Figures) -> (Model, Changes) {
    let last = journal.messages.pop().unwrap();
    let (mut model, changes) = journal.fold();
    let incoming = Incoming::read(last.clone(), &hall());
    journal.messages.push(last);
    assert!(incoming.stands_alone());
    let AloneNeeds::Freeze(needs) = model.alone_needs(&incoming) else { panic!("a freeze") };
    assert_eq!(needs.cut, cut);
    let found = FreezeFound {
        cells: changes.tallies.clone(),
        segments: changes.segments.values().cloned().collect(),
        previous,
        adjustments: changes.adjustments.iter().map(|(_, it)| it.clone()).collect(),
    };
    model.supply(Found::default());
    model.fold_freeze(incoming, "incarnation", found).unwrap();
    let (frozen, _) = model.take();
    (model, frozen)
}

fn accepted(changes: &Changes, span: Span) -> i64 {
    let key = FigureKey {
        definition: "accepted".into(),
        span,
        partition: Partition::Total,
        part: String::new(),
    };
    changes.figures[0].figures[&key].amount
}

#[test]
fn a_freeze_takes_the_figures_as_of_its_cut_and_later_facts_are_adjustments() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    journal.act("02-01T09:00", Accepted, "c0");
    let cut = journal.position();
    // Arrives between the cut and the freeze's own position.
    journal.act("02-07T09:00", Accepted, "c2");
    let (_, frozen) = freeze(&mut journal, cut, 1);
    assert_eq!(accepted(&frozen, Span::Week), 1);
    assert_eq!(accepted(&frozen, Span::Year), 2);
    assert_eq!(accepted(&frozen, Span::Outside), 1);
    assert_eq!(frozen.exceptions, []);
    let late: Vec<_> =
        frozen.adjustments.iter().map(|(_, it)| (it.day, it.amount, it.cause)).collect();
    assert_eq!(late, [(date(2023, 2, 7), 1, Cause::Late)]);
}

#[test]
fn a_second_freeze_takes_what_came_since_and_adjusts_nothing_twice() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let _ = freeze(&mut journal, cut, 1);
    let cut = journal.position();
    journal.act("02-07T09:00", Accepted, "c2");
    let again = journal.position();
    // The fold of everything before knows the first freeze, so the late act is an adjustment already.
    let (_, before) = journal.fold();
    assert_eq!(before.adjustments.len(), 1);
    let (_, frozen) = freeze(&mut journal, cut, 2);
    assert_eq!(accepted(&frozen, Span::Week), 1, "as of the older cut");
    assert_eq!(frozen.adjustments, [], "known already");
    journal.messages.pop();
    journal.ends.insert(
        Stream::Issues,
        (
            2,
            Some(hash(
                &journal.messages[journal
                    .messages
                    .iter()
                    .rposition(|it| it.message.subject.ends_with("issues"))
                    .unwrap()]
                .message,
            )),
        ),
    );
    let (_, frozen) = freeze(&mut journal, again, 2);
    assert_eq!(accepted(&frozen, Span::Week), 2);
}

#[test]
fn heads_that_the_journal_does_not_have_are_shown() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let (_, frozen) = freeze_naming(&mut journal, cut, 1, |number| number + 1);
    let found: Vec<_> = frozen.exceptions.iter().map(|it| (it.standing, it.code)).collect();
    assert_eq!(found, [(Warned, Code::HeadsDiffer)]);
}

#[test]
fn numbers_that_were_given_up_after_the_cut_are_not_those_of_the_cut() {
    // Also where the record goes on in another row, and where the line begins with what was given up.
    for taken in [1, 255, 256, 0] {
        let mut journal = Journal::new();
        for _ in 0..taken {
            journal.act("02-06T09:00", Consulted, "");
        }
        let cut = journal.position();
        for _ in 0..3 {
            journal.act("02-07T09:00", Consulted, "");
        }
        // Two are lost; a person lets the third in, and gives them up.
        let third = journal.messages.pop().unwrap().message;
        journal.messages.truncate(usize::try_from(cut).unwrap());
        journal.store(third);
        let released = Event::Released {
            original: format!("terminal.w01#{}", taken + 3).parse().unwrap(),
            position: Some(journal.position()),
            reason: "核实".to_owned(),
        };
        journal.put("quarantine", "02-10T09:00", "office", released);
        let (_, frozen) = freeze(&mut journal, cut, 1);
        assert_eq!(frozen.exceptions, [], "{taken}");
    }
}

#[test]
fn a_freeze_that_its_line_does_not_take_changes_no_figure() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let _ = freeze(&mut journal, cut, 1);
    journal.act("02-07T09:00", Accepted, "c2");
    let cut = journal.position();
    for (number, previous, standing, code) in [
        (2, Some(Digest::new([9; 32])), Quarantined, Code::BrokenChain),
        (9, None, Held, Code::SequenceGap),
    ] {
        journal.ends.insert(Stream::Issues, (number, previous));
        let (_, frozen) = freeze(&mut journal, cut, 2);
        assert_eq!((&frozen.figures, &frozen.adjustments), (&vec![], &vec![]), "{code}");
        let found: Vec<_> = frozen.exceptions.iter().map(|it| (it.standing, it.code)).collect();
        assert_eq!(found, [(standing, code)]);
        journal.messages.pop();
    }
}

#[test]
fn a_freeze_of_an_issue_that_is_signed_changes_no_figure() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let (_, frozen) = freeze(&mut journal, cut, 1);
    let (figures, document) = (figures_digest(&frozen.figures[0].figures), Digest::new([1; 32]));
    let issue = || "i5".parse().unwrap();
    let submitted = IssueEvent::Submitted { issue: issue() };
    journal.put("issues", "02-14T08:00", "office", Event::Issue(submitted));
    let signed = IssueEvent::SignedOff {
        issue: issue(),
        year: 2023,
        number: 1,
        running_number: 1,
        issued_on: date(2023, 2, 20),
        figures,
        document,
    };
    journal.put("issues", "02-20T08:00", "leader", Event::Issue(signed));
    journal.act("02-07T09:00", Accepted, "c2");
    let cut = journal.position();
    let (_, again) = freeze(&mut journal, cut, 2);
    assert_eq!((&again.figures, &again.exceptions), (&vec![], &vec![]));
}

#[test]
fn a_freeze_that_comes_again_or_after_the_issue_was_handed_on_changes_no_figure() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let _ = freeze(&mut journal, cut, 1);
    let nothing = |journal: &mut Journal, cut| {
        let (_, again) = fold_freeze(journal, cut);
        assert_eq!((&again.figures, &again.adjustments), (&vec![], &vec![]));
        assert_eq!(again.exceptions, []);
    };
    let message = journal.messages.last().unwrap().message.clone();
    journal.store(message);
    nothing(&mut journal, cut);
    // Once it is with the leader its figures stay.
    let submitted = IssueEvent::Submitted { issue: "i5".parse().unwrap() };
    journal.put("issues", "02-14T08:00", "office", Event::Issue(submitted));
    let same = frozen(&journal, "i5", cut, |number| number);
    journal.put("issues", "02-14T09:00", "office", same);
    nothing(&mut journal, cut);
}

#[test]
fn a_window_that_began_after_the_cut_has_no_head_at_it() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    journal.act_on("terminal.w02", "02-07T09:00", Accepted, "c2");
    let (_, frozen) = freeze(&mut journal, cut, 1);
    assert_eq!(frozen.exceptions, []);
}

#[test]
fn the_next_issue_takes_the_adjustments_up_to_its_cut_and_what_is_of_its_own_days_after_it() {
    let mut journal = Journal::new();
    journal.act("02-01T09:00", Accepted, "c1");
    let cut = journal.position();
    open(&mut journal, "i4", (date(2023, 1, 30), date(2023, 2, 3)));
    let first = frozen(&journal, "i4", cut, |number| number);
    journal.put("issues", "02-04T08:00", "office", first);
    let (_, fourth) = fold_freeze(&mut journal, cut);
    // Told late of the fourth, of the fifth itself, and after the cut of the fifth of both.
    journal.act("02-02T09:00", Accepted, "c2");
    journal.act("02-06T09:00", Accepted, "c3");
    let cut = journal.position();
    journal.act("02-03T09:00", Accepted, "c4");
    journal.act("02-03T10:00", Accepted, "c6");
    journal.act("02-07T09:00", Accepted, "c5");
    open(&mut journal, "i5", (date(2023, 2, 6), date(2023, 2, 10)));
    let second = frozen(&journal, "i5", cut, |number| number);
    journal.put("issues", "02-13T08:00", "office", second);
    let previous = fourth.figures[0].figures.clone();
    let (_, fifth) = fold_freeze_after(&mut journal, cut, previous);
    let of = |span| accepted(&fifth, span);
    assert_eq!((of(Span::Carried), of(Span::Adjustment), of(Span::Week)), (1, 1, 1));
    assert_eq!(of(Span::Year), 3);
    let late: Vec<_> = fifth.adjustments.iter().map(|(_, it)| (it.day, it.amount)).collect();
    assert_eq!(late, [(date(2023, 2, 7), 1)], "those of the fourth are adjustments already");
}

#[test]
fn a_correction_is_not_corrected_itself_but_its_original_again() {
    let mut journal = Journal::new();
    let original = journal.act("02-06T09:00", Accepted, "c1");
    let replacement =
        Replacement { occurred_at: Some(at("02-06T10:00")), ..Replacement::default() };
    let corrected = Event::Corrected { original, replacement, reason: "录错".to_owned() };
    let correction = journal.put("terminal.w01", "02-06T11:00", "clerk", corrected);
    let voided = Event::Voided { original: correction, reason: "录错".to_owned() };
    journal.put("terminal.w01", "02-06T12:00", "clerk", voided);
    journal.check([0, 1, 0, 0], &[("terminal.w01#3", Flagged, Code::NotFound)]);
}

#[test]
fn the_adjustments_of_one_event_have_places_of_their_own() {
    let mut journal = Journal::new();
    let first = journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let _ = freeze(&mut journal, cut, 1);
    let replacement =
        Replacement { occurred_at: Some(at("02-07T09:00")), ..Replacement::default() };
    let corrected = Event::Corrected { original: first, replacement, reason: "录错".to_owned() };
    journal.put("terminal.w01", "02-08T09:00", "office", corrected);
    journal.act("02-08T09:00", Accepted, "c2");
    let (_, changes) = journal.fold();
    let adjustments: Vec<_> =
        changes.adjustments.iter().map(|(place, it)| (*place, it.day, it.amount)).collect();
    let day = |day| date(2023, 2, day);
    assert_eq!(adjustments, [(0, day(6), -1), (1, day(7), 1), (0, day(8), 1)]);
}

#[test]
fn a_warning_is_of_the_event_and_not_of_its_voiding() {
    let mut journal = Journal::new();
    let opening = IssueEvent::OpeningFigures {
        through: date(2023, 1, 31),
        year_to_date: Tally::default(),
        last_number: 4,
        last_running_number: 424,
    };
    journal.put("issues", "02-01T08:00", "office", Event::Issue(opening));
    let original = journal.act("02-06T09:10", Issued, "old");
    let voided = Event::Voided { original, reason: "重复".to_owned() };
    journal.put("terminal.w01", "02-06T10:00", "clerk", voided);
    let (_, changes) = journal.fold();
    let row = changes.segments.values().find(|it| it.stream == "terminal.w01").unwrap();
    let codes: Vec<_> = row
        .entries
        .lines()
        .map(|it| {
            let fields: Vec<_> = it.split('\t').collect();
            (fields[4], fields[10])
        })
        .collect();
    assert_eq!(codes, [("1", Code::UnknownCaseAllowed.text()), ("-1", ""), ("0", "")]);
}

#[test]
fn what_was_voided_between_two_freezes_is_adjusted_once() {
    let mut journal = Journal::new();
    let first = journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let _ = freeze(&mut journal, cut, 1);
    let voided = Event::Voided { original: first, reason: "重复".to_owned() };
    journal.put("terminal.w01", "02-07T09:00", "office", voided);
    let (_, before) = journal.fold();
    let causes: Vec<_> = before.adjustments.iter().map(|(_, it)| it.cause).collect();
    assert_eq!(causes, [Cause::Voiding]);
    let (_, frozen) = freeze(&mut journal, cut, 2);
    assert_eq!((accepted(&frozen, Span::Week), frozen.adjustments), (1, vec![]));
}

#[test]
fn a_sign_off_of_other_figures_than_those_of_the_record_is_shown() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let (_, frozen) = freeze(&mut journal, cut, 1);
    let figures = frozen.figures[0].figures.clone();
    let issue = || "i5".parse().unwrap();
    let submitted = IssueEvent::Submitted { issue: issue() };
    journal.put("issues", "02-14T08:00", "office", Event::Issue(submitted));
    let signed = IssueEvent::SignedOff {
        issue: issue(),
        year: 2023,
        number: 1,
        running_number: 1,
        issued_on: date(2023, 2, 20),
        figures: figures_digest(&figures),
        document: Digest::new([1; 32]),
    };
    let (mut model, _) = journal.fold();
    let draft = journal.draft("issues", at("02-20T08:00"), "leader", Event::Issue(signed));
    let message = zhoubao_contract::encode(&draft);
    journal.store(message);
    let incoming = || Incoming::read(journal.messages.last().unwrap().clone(), &hall());
    assert_eq!(model.alone_needs(&incoming()), AloneNeeds::Figures(issue()));
    let mut fold = |figures: &Figures| {
        model.supply(Found::default());
        model.fold_sign_off(incoming(), "incarnation", figures);
        let found: Vec<_> =
            model.take().0.exceptions.iter().map(|it| (it.standing, it.code)).collect();
        found
    };
    let mut other = figures.clone();
    other.values_mut().next().unwrap().amount += 1;
    assert_eq!(fold(&other), [(Warned, Code::SignedFiguresDiffer)]);
    // A repeat says nothing, whatever the figures are by then.
    assert_eq!(fold(&other), []);
    let mut before = Journal::new();
    before.messages = journal.messages[..journal.messages.len() - 1].to_vec();
    let (mut model, _) = before.fold();
    model.supply(Found::default());
    model.fold_sign_off(incoming(), "incarnation", &figures);
    assert_eq!(model.take().0.exceptions, []);
}

#[test]
fn the_digest_of_figures_tells_any_change() {
    let mut journal = Journal::new();
    journal.act("02-06T09:00", Accepted, "c1");
    let cut = journal.position();
    let (_, frozen) = freeze(&mut journal, cut, 1);
    let figures = &frozen.figures[0].figures;
    let digest = figures_digest(figures);
    for key in figures.keys() {
        let mut changed = figures.clone();
        changed.get_mut(key).unwrap().amount += 1;
        assert_ne!(figures_digest(&changed), digest, "{key:?}");
    }
}
