//! The life of issues: every command in every stage, numbers, order, four eyes, and histories at random.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::slice;

use jiff::civil::{Date, date};
use proptest::prelude::*;
use zhoubao_domain::calendar::Period;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{
    FILES_MAX, IssueEvent, IssueFile, Kind, Right, Setup, Tally, TerminalHead,
};
use zhoubao_domain::finding::Finding;
use zhoubao_domain::id::{Digest, ObjectId, UserId};
use zhoubao_domain::issue::{
    Command, Edit, Issue, IssueBook, LAST_NUMBER_MAX, LAST_RUNNING_NUMBER_MAX, Opening, SignOff,
    Stage, decide,
};
use zhoubao_domain::registry::Registry;

const EDITOR: &str = "u100";
const SECOND_EDITOR: &str = "u101";
const LEADER: &str = "u200";
/// Holds every right of the desk.
const BOTH: &str = "u300";
const CLERK: &str = "u900";

type Fact = (IssueEvent, &'static str);

fn id(text: &str) -> ObjectId {
    text.parse().unwrap()
}

fn user(text: &str) -> UserId {
    text.parse().unwrap()
}

fn digest(byte: u8) -> Digest {
    Digest::new([byte; 32])
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    let people: [(&str, &[Right]); 5] = [
        (EDITOR, &[Right::Edit]),
        (SECOND_EDITOR, &[Right::Edit]),
        (LEADER, &[Right::Sign]),
        (BOTH, &[Right::Edit, Right::Sign, Right::Administer]),
        (CLERK, &[Right::Record]),
    ];
    for (who, rights) in people {
        registry.evolve(&id(who), &Setup::User { rights: rights.to_vec(), active: true });
    }
    registry
}

/// The k-th working week from Monday 18 December 2023 on; week 1 ends in 2023, week 2 (1–5 January) in 2024.
fn week(k: u8) -> Period {
    let monday = date(2023, 12, 18).saturating_add(jiff::Span::new().days(7 * i64::from(k)));
    Period::new(monday, monday.saturating_add(jiff::Span::new().days(4))).unwrap()
}

fn period(first: Date, last: Date) -> Period {
    Period::new(first, last).unwrap()
}

fn heads(number: u64) -> Vec<TerminalHead> {
    vec![TerminalHead { terminal: "w01".parse().unwrap(), number }]
}

// Facts.

fn opened(issue: &str, period: Period) -> Fact {
    let event = IssueEvent::Opened {
        issue: id(issue),
        period,
        template: digest(1),
        checklist: digest(2),
        figures: digest(3),
        calendars: vec![digest(4)],
        series: None,
        parameters: BTreeMap::new(),
    };
    (event, EDITOR)
}

fn period_set(issue: &str, period: Period) -> Fact {
    (IssueEvent::PeriodSet { issue: id(issue), period }, EDITOR)
}

fn adopted(issue: &str, submission: &str, order: u32) -> Fact {
    let (issue, submission) = (id(issue), id(submission));
    (IssueEvent::SubmissionAdopted { issue, submission, order }, EDITOR)
}

fn words(of: u8, text: &str) -> Edit {
    Edit { of: digest(of), text: text.into(), reason: "精简".into() }
}

fn edited(issue: &str, submission: &str, edit: Edit) -> Fact {
    let Edit { of, text, reason } = edit;
    let (issue, submission) = (id(issue), id(submission));
    (IssueEvent::SubmissionEdited { issue, submission, of, text, reason }, EDITOR)
}

fn frozen(issue: &str, cut: u64) -> Fact {
    (IssueEvent::Frozen { issue: id(issue), cut, heads: heads(cut), tree: None }, EDITOR)
}

fn submitted(issue: &str) -> Fact {
    (IssueEvent::Submitted { issue: id(issue) }, EDITOR)
}

fn accepted(issue: &str, it: &Finding) -> Fact {
    let event = IssueEvent::WarningAccepted {
        issue: id(issue),
        code: it.code,
        place: it.place.clone(),
        finding: it.digest,
        reason: "已核对".into(),
    };
    (event, EDITOR)
}

fn returned(issue: &str) -> Fact {
    (IssueEvent::Returned { issue: id(issue), reason: "错字".into() }, LEADER)
}

fn signed(issue: &str, year: i16, number: u32, running_number: u32) -> Fact {
    let event = IssueEvent::SignedOff {
        issue: id(issue),
        year,
        number,
        running_number,
        issued_on: ISSUED_ON,
        figures: digest(5),
        document: digest(6),
    };
    (event, LEADER)
}

fn published(issue: &str) -> Fact {
    (IssueEvent::Published { issue: id(issue), files: files() }, EDITOR)
}

fn amended(issue: &str) -> Fact {
    (IssueEvent::Amended { issue: id(issue), note: "更正一处".into() }, EDITOR)
}

/// Files of an issue that was signed as [`signed`] says.
fn files() -> Vec<IssueFile> {
    let file = |name: &str, byte| IssueFile { name: name.into(), bytes: 3, digest: digest(byte) };
    vec![file("2023-01.json", 6), file("2023-01.txt", 9)]
}

fn publish(issue: &str) -> Command {
    Command::Publish { issue: id(issue), files: files() }
}

fn voided(issue: &str) -> Fact {
    (IssueEvent::Voided { issue: id(issue), reason: "重复".into() }, LEADER)
}

fn opening_of(through: Date, last_number: u32, last_running_number: u32) -> Opening {
    let year_to_date = Tally { consulted: 671, accepted: 946, issued: 828, transferred: 1841 };
    Opening { through, year_to_date, last_number, last_running_number }
}

fn opening_entered(opening: &Opening) -> Fact {
    let event = IssueEvent::OpeningFigures {
        through: opening.through,
        year_to_date: opening.year_to_date,
        last_number: opening.last_number,
        last_running_number: opening.last_running_number,
    };
    (event, BOTH)
}

const ISSUED_ON: Date = date(2024, 2, 20);

// Commands.

fn open(issue: &str, period: Period) -> Command {
    Command::Open {
        issue: id(issue),
        period,
        template: digest(1),
        checklist: digest(2),
        figures: digest(3),
        calendars: vec![digest(4)],
        series: None,
        parameters: BTreeMap::new(),
    }
}

fn adopt(issue: &str, submission: &str, order: u32) -> Command {
    Command::Adopt { issue: id(issue), submission: id(submission), order }
}

fn edit(issue: &str, submission: &str, edit: Edit) -> Command {
    Command::Edit { issue: id(issue), submission: id(submission), edit }
}

fn freeze(issue: &str, cut: u64) -> Command {
    Command::Freeze { issue: id(issue), cut, heads: heads(cut), tree: None }
}

fn sign(issue: &str) -> Command {
    Command::SignOff {
        issue: id(issue),
        issued_on: ISSUED_ON,
        figures: digest(5),
        document: digest(6),
        findings: vec![],
    }
}

fn submit(issue: &str) -> Command {
    Command::Submit { issue: id(issue), findings: vec![] }
}

fn finding(code: Code, place: &str, text: u8) -> Finding {
    Finding { code, place: place.into(), text: format!("第{text}版"), digest: digest(text) }
}

fn own_numbers() -> Finding {
    finding(Code::UntracedNumber, "稿件 s1", 1)
}

fn accept(issue: &str, findings: &[Finding], reason: &str) -> Command {
    Command::Accept { issue: id(issue), findings: findings.to_vec(), reason: reason.into() }
}

fn return_(issue: &str) -> Command {
    Command::Return(id(issue), "错字".into())
}

fn void(issue: &str) -> Command {
    Command::Void(id(issue), "重复".into())
}

// Checks.

fn book(given: &[Fact]) -> IssueBook {
    let mut book = IssueBook::default();
    for (event, actor) in given {
        book.evolve(event, Some(&user(actor)));
    }
    book
}

#[track_caller]
fn check(given: &[Fact], when: (Command, &str), then: Result<&[Fact], Code>) {
    let (command, actor) = when;
    let decided = decide(&book(given), &registry(), command, Some(&user(actor)));
    let then = then.map(|facts| facts.iter().map(|(event, _)| event.clone()).collect::<Vec<_>>());
    assert_eq!(decided.map_err(|it| it.code), then);
}

fn joined(parts: &[&[Fact]]) -> Vec<Fact> {
    parts.concat()
}

/// One issue `a` of week 0 in every stage, with submission `s1` adopted and frozen at 10.
fn stages() -> Vec<(&'static str, Vec<Fact>)> {
    let mut history = vec![opened("a", week(0)), adopted("a", "s1", 1)];
    let mut stages = vec![("unopened", vec![]), ("open", history.clone())];
    for (name, fact) in [
        ("frozen", frozen("a", 10)),
        ("submitted", submitted("a")),
        ("signed off", signed("a", 2023, 1, 1)),
        ("published", published("a")),
        ("voided", voided("a")),
    ] {
        if name == "signed off" {
            stages.push(("returned", joined(&[&history, &[returned("a")]])));
        }
        history.push(fact);
        stages.push((name, history.clone()));
    }
    stages
}

#[test]
fn every_command_in_every_stage() {
    let state = || Err(Code::IssueState);
    // `yes`: an event; `-`: already so; `no`: E.500.
    #[rustfmt::skip]
    let table = [
        //                         unopened open   frozen submitted returned signed published voided
        ("open",                   ["yes",  "-",   "-",   "-",      "-",     "-",   "-",      "no"]),
        ("open otherwise",         ["yes",  "no",  "no",  "no",     "no",    "no",  "no",     "no"]),
        ("set the same period",    ["no",   "-",   "-",   "-",      "-",     "-",   "-",      "no"]),
        ("set another period",     ["no",   "yes", "no",  "no",     "no",    "no",  "no",     "no"]),
        ("adopt the same",         ["no",   "-",   "-",   "-",      "-",     "-",   "-",      "no"]),
        ("adopt another",          ["no",   "yes", "yes", "no",     "yes",   "no",  "no",     "no"]),
        ("adopt at another place", ["no",   "yes", "yes", "no",     "yes",   "no",  "no",     "no"]),
        ("edit",                   ["no",   "yes", "yes", "no",     "yes",   "no",  "no",     "no"]),
        ("freeze the same",        ["no",   "yes", "-",   "-",      "-",     "-",   "-",      "no"]),
        ("freeze anew",            ["no",   "yes", "yes", "no",     "yes",   "no",  "no",     "no"]),
        ("submit",                 ["no",   "no",  "yes", "-",      "yes",   "no",  "no",     "no"]),
        ("accept",                 ["no",   "no",  "yes", "yes",    "yes",   "no",  "no",     "no"]),
        ("return",                 ["no",   "no",  "no",  "yes",    "no",    "no",  "no",     "no"]),
        ("sign",                   ["no",   "no",  "no",  "yes",    "no",    "-",   "-",      "no"]),
        ("sign another text",      ["no",   "no",  "no",  "yes",    "no",    "no",  "no",     "no"]),
        ("publish",                ["no",   "no",  "no",  "no",     "no",    "yes", "-",      "no"]),
        ("amend",                  ["no",   "no",  "no",  "no",     "no",    "yes", "yes",    "no"]),
        ("void",                   ["no",   "yes", "yes", "yes",    "yes",   "yes", "yes",    "-"]),
    ];
    let other_text = || match sign("a") {
        Command::SignOff { issue, issued_on, figures, findings, .. } => {
            Command::SignOff { issue, issued_on, figures, document: digest(7), findings }
        }
        _ => unreachable!(),
    };
    for (what, row) in table {
        let (command, actor, event) = match what {
            "open" => (open("a", week(0)), EDITOR, opened("a", week(0))),
            "open otherwise" => (open("a", week(1)), EDITOR, opened("a", week(1))),
            "set the same period" => {
                (Command::SetPeriod(id("a"), week(0)), EDITOR, period_set("a", week(0)))
            }
            "set another period" => {
                (Command::SetPeriod(id("a"), week(1)), EDITOR, period_set("a", week(1)))
            }
            "adopt the same" => (adopt("a", "s1", 1), EDITOR, adopted("a", "s1", 1)),
            "adopt another" => (adopt("a", "s2", 1), EDITOR, adopted("a", "s2", 1)),
            "adopt at another place" => (adopt("a", "s1", 2), EDITOR, adopted("a", "s1", 2)),
            "edit" => (edit("a", "s1", words(8, "新")), EDITOR, edited("a", "s1", words(8, "新"))),
            "freeze the same" => (freeze("a", 10), EDITOR, frozen("a", 10)),
            "freeze anew" => (freeze("a", 20), EDITOR, frozen("a", 20)),
            "submit" => (submit("a"), EDITOR, submitted("a")),
            "accept" => {
                let it = own_numbers();
                (accept("a", slice::from_ref(&it), "已核对"), EDITOR, accepted("a", &it))
            }
            "return" => (return_("a"), LEADER, returned("a")),
            "sign" => (sign("a"), LEADER, signed("a", 2023, 1, 1)),
            "sign another text" => (other_text(), LEADER, signed("a", 2023, 1, 1)),
            "publish" => (publish("a"), EDITOR, published("a")),
            "amend" => (Command::Amend(id("a"), "更正一处".into()), EDITOR, amended("a")),
            _ => (void("a"), LEADER, voided("a")),
        };
        let mut event = event;
        if let (IssueEvent::SignedOff { document, .. }, "sign another text") = (&mut event.0, what)
        {
            *document = digest(7);
        }
        assert_eq!(command.issue(), Some(&id("a")));
        let events = [event];
        for ((stage, given), expected) in stages().into_iter().zip(row) {
            println!("{what} when {stage}: {expected}");
            let then = match expected {
                "yes" => Ok(&events[..]),
                "-" => Ok(&[][..]),
                _ => state(),
            };
            check(&given, (command.clone(), actor), then);
        }
    }
}

#[test]
fn a_new_version_keeps_the_numbers_and_the_version_before() {
    let given = [
        opened("a", week(0)),
        frozen("a", 10),
        submitted("a"),
        signed("a", 2023, 1, 1),
        published("a"),
        opened("b", week(1)),
        frozen("b", 20),
        submitted("b"),
        amended("a"),
    ];
    let now = book(&given);
    assert_eq!(now.issues[&id("a")].version(), 2);
    assert_eq!(now.issues[&id("a")].editions[0].files, files());
    assert_eq!(now.proposed_numbers(&now.issues[&id("a")]), (2023, 1, 1));
    // It neither holds up the next issue nor gives its number away, and its figures stay what that one carries.
    check(&given, (sign("b"), LEADER), Ok(&[signed("b", 2023, 2, 2)]));
    check(&given, (freeze("a", 30), EDITOR), Err(Code::IssueOrder));
    check(&given, (adopt("a", "s2", 1), EDITOR), Ok(&[adopted("a", "s2", 1)]));
    let submitted = joined(&[&given, &[submitted("a")]]);
    check(&submitted, (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 1)]));
    // Whoever began it drafted it.
    check(&submitted, (sign("a"), BOTH), Ok(&[signed("a", 2023, 1, 1)]));
    let by_both = (IssueEvent::Amended { issue: id("a"), note: "x".into() }, BOTH);
    let submitted = joined(&[&given[..8], &[by_both, submitted[9].clone()]]);
    check(&submitted, (sign("a"), BOTH), Err(Code::FourEyes));
}

#[test]
fn a_note_for_the_readers_is_required_of_a_new_version() {
    let given = [
        opened("a", week(0)),
        frozen("a", 10),
        submitted("a"),
        signed("a", 2023, 1, 1),
        published("a"),
    ];
    let amend = Command::Amend(id("a"), " ".into());
    check(&given, (amend, EDITOR), Err(Code::NoReason));
}

#[test]
fn what_is_published_holds_the_text_that_was_signed() {
    let given = [opened("a", week(0)), frozen("a", 10), submitted("a"), signed("a", 2023, 1, 1)];
    let publish = |files| Command::Publish { issue: id("a"), files };
    let only = |at: usize| vec![files()[at].clone()];
    check(&given, (publish(vec![]), EDITOR), Err(Code::SignedFiguresDiffer));
    check(&given, (publish(only(1)), EDITOR), Err(Code::SignedFiguresDiffer));
    let mut unsorted = files();
    unsorted.reverse();
    check(&given, (publish(unsorted), EDITOR), Err(Code::Malformed));
    let twice = publish([only(0), only(0)].concat());
    check(&given, (twice, EDITOR), Err(Code::Malformed));
    // At most so many.
    let many = |count: usize| {
        let of = |nth: usize| IssueFile { name: format!("z{nth:03}"), ..files()[1].clone() };
        only(0).into_iter().chain((1..count).map(of)).collect::<Vec<_>>()
    };
    let most = many(FILES_MAX);
    let event = IssueEvent::Published { issue: id("a"), files: most.clone() };
    check(&given, (publish(most), EDITOR), Ok(&[(event, EDITOR)]));
    check(&given, (publish(many(FILES_MAX + 1)), EDITOR), Err(Code::Malformed));
    // A machine does it: it needs nobody's right.
    let decided = decide(&book(&given), &registry(), publish(files()), None);
    assert_eq!(decided, Ok(vec![published("a").0]));
    // Other files than those that are out.
    let out = joined(&[&given, &[published("a")]]);
    check(&out, (publish(only(0)), EDITOR), Err(Code::IssueState));
}

#[test]
fn each_command_needs_its_right() {
    let given = [opened("a", week(0)), frozen("a", 1)];
    let commands = [
        (Command::EnterOpening(opening_of(date(2023, 12, 1), 1, 1)), Right::Administer),
        (open("b", week(1)), Right::Edit),
        (Command::SetPeriod(id("a"), week(2)), Right::Edit),
        (adopt("a", "s1", 1), Right::Edit),
        (freeze("a", 2), Right::Edit),
        (submit("a"), Right::Edit),
        (return_("a"), Right::Sign),
        (sign("a"), Right::Sign),
        (Command::Amend(id("a"), "更正".into()), Right::Edit),
        (void("a"), Right::Sign),
    ];
    for (command, right) in commands {
        for (who, held) in [(EDITOR, Right::Edit), (LEADER, Right::Sign)] {
            let decided = decide(&book(&given), &registry(), command.clone(), Some(&user(who)));
            let refused = decided.err().map(|it| it.code);
            assert_eq!(refused == Some(Code::NoRight), held != right, "{command:?} by {who}");
        }
        check(&given, (command.clone(), CLERK), Err(Code::NoRight));
        check(&given, (command.clone(), "u404"), Err(Code::NoRight));
        let nobody = decide(&book(&given), &registry(), command, None);
        assert_eq!(nobody.unwrap_err().code, Code::NoRight);
    }
}

#[test]
fn a_person_out_of_service_may_do_nothing() {
    let mut registry = registry();
    registry.evolve(&id(EDITOR), &Setup::User { rights: vec![Right::Edit], active: false });
    let decided = decide(&IssueBook::default(), &registry, open("a", week(0)), Some(&user(EDITOR)));
    assert_eq!(decided.unwrap_err().code, Code::NoRight);
}

// Opening figures.

#[test]
fn opening_figures_are_entered_once_and_before_the_first_issue() {
    let opening = opening_of(date(2023, 12, 15), 49, 470);
    let other = opening_of(date(2023, 12, 15), 50, 471);
    let entered = opening_entered(&opening);
    let given = [entered.clone()];
    check(&[], (Command::EnterOpening(opening.clone()), BOTH), Ok(&given));
    check(&given, (Command::EnterOpening(opening.clone()), BOTH), Ok(&[]));
    check(&given, (Command::EnterOpening(other), BOTH), Err(Code::IssueState));
    let late = [opened("a", week(0))];
    check(&late, (Command::EnterOpening(opening.clone()), BOTH), Err(Code::IssueState));
    let voided = [opened("a", week(0)), voided("a")];
    check(&voided, (Command::EnterOpening(opening), BOTH), Err(Code::IssueState));
}

#[test]
fn numbers_are_known_from_opening_figures_or_from_an_issue_even_a_voided_one() {
    let known = |given: &[Fact]| book(given).check_numbers_known().map_err(|it| it.code);
    assert_eq!(known(&[]), Err(Code::NumbersUnknown));
    assert_eq!(known(&[opening_entered(&opening_of(date(2023, 12, 15), 0, 0))]), Ok(()));
    assert_eq!(known(&[opened("a", week(0))]), Ok(()));
    assert_eq!(known(&[opened("a", week(0)), voided("a")]), Ok(()));
}

#[test]
fn opening_figures_that_cannot_be_are_refused() {
    let through = date(2023, 12, 15);
    let enter = |opening: Opening| {
        decide(
            &IssueBook::default(),
            &registry(),
            Command::EnterOpening(opening),
            Some(&user(BOTH)),
        )
        .map(|_| ())
        .map_err(|it| it.code)
    };
    for kind in Kind::ALL {
        for (amount, then) in [
            (-1, Err(Code::OutOfRange)),
            (0, Ok(())),
            (i64::from(u32::MAX), Ok(())),
            (i64::from(u32::MAX) + 1, Err(Code::OutOfRange)),
            (i64::MAX, Err(Code::OutOfRange)),
        ] {
            let mut opening =
                Opening { year_to_date: Tally::default(), ..opening_of(through, 1, 1) };
            opening.year_to_date.add(kind, amount);
            assert_eq!(enter(opening), then, "{kind:?} {amount}");
        }
    }
    for (last, running, then) in [
        (0, 0, Ok(())),
        (0, 420, Ok(())),
        (5, 425, Ok(())),
        (5, 5, Ok(())),
        (5, 4, Err(Code::OutOfRange)),
        (LAST_NUMBER_MAX, LAST_RUNNING_NUMBER_MAX, Ok(())),
        (LAST_NUMBER_MAX + 1, LAST_RUNNING_NUMBER_MAX, Err(Code::OutOfRange)),
        (1, LAST_RUNNING_NUMBER_MAX + 1, Err(Code::OutOfRange)),
        (u32::MAX, u32::MAX, Err(Code::OutOfRange)),
    ] {
        assert_eq!(enter(opening_of(through, last, running)), then, "{last} of {running}");
    }
}

#[test]
fn a_period_within_the_opening_figures_is_refused_and_the_next_day_is_not() {
    let given = [opening_entered(&opening_of(week(0).last(), 50, 470))];
    check(&given, (open("a", week(0)), EDITOR), Err(Code::IssueOrder));
    let next = period(date(2023, 12, 23), date(2023, 12, 29));
    check(&given, (open("a", next), EDITOR), Ok(&[opened("a", next)]));
}

// Periods.

#[test]
fn overlapping_periods_are_refused_and_touching_ones_are_not() {
    let given = [opened("a", week(1)), opened("b", week(3))];
    let (first, last) = (week(1).first(), week(1).last());
    let day = |it: Date, days: i64| it.saturating_add(jiff::Span::new().days(days));
    for (wanted, fits) in [
        (week(1), false),
        (period(first, first), false),
        (period(last, last), false),
        (period(day(first, 1), day(first, 2)), false),
        (period(day(first, -3), day(last, 3)), false),
        (period(day(first, -3), first), false),
        (period(last, day(last, 2)), false),
        (period(day(first, -3), day(first, -1)), true),
        (period(day(last, 1), day(last, 3)), true),
        (week(2), true),
    ] {
        let set = Command::SetPeriod(id("b"), wanted);
        if fits {
            check(&given, (open("c", wanted), EDITOR), Ok(&[opened("c", wanted)]));
            check(&given, (set, EDITOR), Ok(&[period_set("b", wanted)]));
        } else {
            check(&given, (open("c", wanted), EDITOR), Err(Code::NumberCollision));
            check(&given, (set, EDITOR), Err(Code::NumberCollision));
        }
    }
}

#[test]
fn a_period_may_be_set_over_its_own_earlier_one() {
    let longer = period(week(0).first(), date(2023, 12, 24));
    check(
        &[opened("a", week(0))],
        (Command::SetPeriod(id("a"), longer), EDITOR),
        Ok(&[period_set("a", longer)]),
    );
}

#[test]
fn no_period_comes_before_a_frozen_one() {
    let given = [opened("a", week(1)), frozen("a", 1), opened("b", week(3))];
    check(&given, (open("c", week(0)), EDITOR), Err(Code::IssueOrder));
    check(&given, (Command::SetPeriod(id("b"), week(0)), EDITOR), Err(Code::IssueOrder));
    check(&given, (open("c", week(2)), EDITOR), Ok(&[opened("c", week(2))]));
}

#[test]
fn the_period_of_a_voided_issue_is_free_again() {
    let given = [opened("a", week(0)), frozen("a", 1), voided("a")];
    check(&given, (open("b", week(0)), EDITOR), Ok(&[opened("b", week(0))]));
    check(&given, (open("a", week(0)), EDITOR), Err(Code::IssueState));
}

#[test]
fn standings_of_findings_have_their_words() {
    use zhoubao_domain::finding::Standing::{Blocks, NeedsAcceptance, Note};
    let words = [Blocks, NeedsAcceptance, Note].map(|it| it.word());
    assert_eq!(words, ["blocks", "needs-acceptance", "note"]);
}

#[test]
fn a_submission_has_at_most_24_kilobytes() {
    assert_eq!(zhoubao_domain::event::SUBMISSION_BYTES_MAX, 24_576);
}

#[test]
fn stages_have_their_words() {
    use Stage::{Frozen, Open, Published, SignedOff, Submitted, Voided};
    let words = [Open, Frozen, Submitted, SignedOff, Published, Voided].map(Stage::word);
    assert_eq!(words, ["open", "frozen", "submitted", "signed-off", "published", "voided"]);
}

#[test]
fn every_event_names_its_issue() {
    for (_, facts) in stages() {
        assert!(facts.iter().all(|(event, _)| event.issue() == Some(&id("a"))));
    }
    let edit = edited("a", "s1", words(8, "新"));
    assert_eq!(edit.0.issue(), Some(&id("a")));
    assert_eq!(opening_entered(&opening_of(date(2023, 1, 27), 4, 424)).0.issue(), None);
}

// Submissions.

#[test]
fn a_submission_is_in_one_issue_unless_that_is_voided() {
    let given = [opened("a", week(0)), adopted("a", "s1", 1), opened("b", week(1))];
    check(&given, (adopt("b", "s1", 1), EDITOR), Err(Code::IssueState));
    let given = joined(&[&given, &[voided("a")]]);
    check(&given, (adopt("b", "s1", 1), EDITOR), Ok(&[adopted("b", "s1", 1)]));
}

#[test]
fn submissions_stand_by_place_and_then_by_adoption() {
    let book = book(&[
        opened("a", week(0)),
        adopted("a", "s1", 2),
        adopted("a", "s2", 1),
        adopted("a", "s3", 2),
        adopted("a", "s1", 2),
        adopted("a", "s4", 1),
    ]);
    let order: Vec<_> =
        book.issues[&id("a")].submissions.iter().map(|(_, it)| it.as_str()).collect();
    assert_eq!(order, ["s2", "s4", "s3", "s1"]);
}

#[test]
fn an_edit_holds_for_the_text_that_it_was_made_of_in_the_issue_that_took_it() {
    let given = [opened("a", week(0)), adopted("a", "s1", 1)];
    let first = || words(8, "第一版");
    check(&given, (edit("a", "s1", first()), EDITOR), Ok(&[edited("a", "s1", first())]));
    check(&given, (edit("a", "s2", first()), EDITOR), Err(Code::IssueState));
    check(&given, (edit("a", "s1", first()), LEADER), Err(Code::NoRight));
    let silent = Edit { reason: " ".into(), ..first() };
    check(&given, (edit("a", "s1", silent), EDITOR), Err(Code::NoReason));
    let given = joined(&[&given, &[edited("a", "s1", first()), edited("a", "s9", first())]]);
    // The same words again are no event, whatever the reason; others are, and so are they of another text.
    let same = Edit { reason: "又".into(), ..first() };
    check(&given, (edit("a", "s1", same), EDITOR), Ok(&[]));
    let of_other = words(9, "第一版");
    check(&given, (edit("a", "s1", of_other.clone()), EDITOR), Ok(&[edited("a", "s1", of_other)]));
    let second = || words(8, "第二版");
    check(&given, (edit("a", "s1", second()), EDITOR), Ok(&[edited("a", "s1", second())]));
    let given = joined(&[&given, &[edited("a", "s1", second()), adopted("a", "s1", 5)]]);
    let it = &book(&given).issues[&id("a")];
    assert_eq!(it.edit_of(&id("s1"), digest(8)), Some(&second()));
    assert_eq!(it.edit_of(&id("s1"), digest(9)), None, "the department filed another text");
    assert_eq!(it.edit_of(&id("s9"), digest(8)), None, "it was never adopted");
}

#[test]
fn whoever_edits_does_not_sign() {
    let by_both = (edited("a", "s1", words(8, "新")).0, BOTH);
    let given =
        [opened("a", week(0)), adopted("a", "s1", 1), by_both, frozen("a", 5), submitted("a")];
    check(&given, (sign("a"), BOTH), Err(Code::FourEyes));
    check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 1)]));
}

// Freezing.

#[test]
fn an_issue_is_frozen_after_the_one_before_and_not_before_a_later_one() {
    let open_both = [opened("b", week(1)), opened("a", week(0))];
    check(&open_both, (freeze("b", 5), EDITOR), Err(Code::ChainBroken));
    let first = joined(&[&open_both, &[frozen("a", 5)]]);
    check(&first, (freeze("b", 6), EDITOR), Ok(&[frozen("b", 6)]));
    let both = joined(&[&first, &[frozen("b", 6)]]);
    check(&both, (freeze("a", 7), EDITOR), Err(Code::IssueOrder));
    check(&both, (freeze("a", 5), EDITOR), Ok(&[]));
    let without = joined(&[&open_both, &[voided("a")]]);
    check(&without, (freeze("b", 6), EDITOR), Ok(&[frozen("b", 6)]));
}

#[test]
fn a_freeze_is_the_same_by_its_cut_and_its_heads() {
    let given = [opened("a", week(0)), frozen("a", 10)];
    for (cut, head) in [(10, 11), (11, 10)] {
        let freeze = Command::Freeze { issue: id("a"), cut, heads: heads(head), tree: None };
        let event = IssueEvent::Frozen { issue: id("a"), cut, heads: heads(head), tree: None };
        check(&given, (freeze, EDITOR), Ok(&[(event, EDITOR)]));
    }
}

#[test]
fn an_issue_of_one_day_is_neither_before_nor_after_itself() {
    let day = period(date(2023, 2, 6), date(2023, 2, 6));
    check(&[opened("a", day)], (freeze("a", 10), EDITOR), Ok(&[frozen("a", 10)]));
    let given = [opened("a", day), frozen("a", 10)];
    check(&given, (freeze("a", 20), EDITOR), Ok(&[frozen("a", 20)]));
    let given = joined(&[&given, &[submitted("a")]]);
    check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 1)]));
}

#[test]
fn what_is_not_settled_is_counted_and_the_first_of_it_named() {
    let given = [opened("a", week(0)), frozen("a", 10)];
    let told = |count: u8| {
        let of = |nth: u8| finding(Code::UntracedNumber, &format!("稿件 s{nth}"), nth);
        let findings = (0..count).map(of).collect();
        let submit = Command::Submit { issue: id("a"), findings };
        decide(&book(&given), &registry(), submit, Some(&user(EDITOR))).unwrap_err().detail
    };
    let named = |count: u8| told(count).matches("稿件 s").count();
    assert!(told(3).starts_with("3 ") && named(3) == 3 && !told(3).ends_with('…'));
    assert!(told(20).starts_with("20 ") && named(20) < 20 && told(20).ends_with('…'));
    // All that are named are all there are, or there is a sign that there are more.
    for count in 1..20 {
        assert_eq!(named(count) == usize::from(count), !told(count).ends_with('…'), "{count}");
    }
}

#[test]
fn a_freeze_never_goes_back_behind_an_earlier_one() {
    let given = [opened("a", week(0)), frozen("a", 50)];
    check(&given, (freeze("a", 49), EDITOR), Err(Code::HeadsDiffer));
    check(&given, (freeze("a", 51), EDITOR), Ok(&[frozen("a", 51)]));
    let given = joined(&[&given, &[opened("b", week(1))]]);
    check(&given, (freeze("b", 49), EDITOR), Err(Code::HeadsDiffer));
    check(&given, (freeze("b", 50), EDITOR), Ok(&[frozen("b", 50)]));
}

#[test]
fn a_returned_issue_is_edited_and_frozen_again_but_keeps_its_period() {
    let given = [opened("a", week(0)), frozen("a", 5), submitted("a"), returned("a")];
    check(&given, (adopt("a", "s9", 1), EDITOR), Ok(&[adopted("a", "s9", 1)]));
    check(&given, (freeze("a", 8), EDITOR), Ok(&[frozen("a", 8)]));
    check(&given, (Command::SetPeriod(id("a"), week(1)), EDITOR), Err(Code::IssueState));
    check(&given, (sign("a"), LEADER), Err(Code::IssueState));
    let given = joined(&[&given, &[frozen("a", 8), submitted("a")]]);
    check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 1)]));
    assert_eq!(book(&given).issues[&id("a")].freeze.as_ref().unwrap().cut, 8);
}

// Signing off.

fn ready(issue: &str, k: u8) -> Vec<Fact> {
    vec![opened(issue, week(k)), frozen(issue, 10), submitted(issue)]
}

#[test]
fn issues_are_signed_in_order() {
    let both = joined(&[&ready("a", 0), &ready("b", 1)]);
    check(&both, (sign("b"), LEADER), Err(Code::IssueOrder));
    check(&both, (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 1)]));
    let given = joined(&[&both, &[signed("a", 2023, 1, 1)]]);
    check(&given, (sign("b"), LEADER), Ok(&[signed("b", 2023, 2, 2)]));
    // A voided issue holds nobody up.
    let given = joined(&[&ready("a", 0), &[voided("a")], &ready("b", 1)]);
    check(&given, (sign("b"), LEADER), Ok(&[signed("b", 2023, 1, 1)]));
}

#[test]
fn whoever_drafted_cannot_sign() {
    let steps = ready("a", 0);
    let set = (IssueEvent::PeriodSet { issue: id("a"), period: week(0) }, EDITOR);
    let steps = [steps[0].clone(), set, adopted("a", "s1", 1), steps[1].clone(), steps[2].clone()];
    for drafted in 0..steps.len() {
        let mut given = steps.clone();
        given[drafted].1 = BOTH;
        check(&given, (sign("a"), BOTH), Err(Code::FourEyes));
        check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 1)]));
        // A later draft by somebody else does not wash him clean.
        let given = joined(&[&given, &[returned("a"), frozen("a", 11), submitted("a")]]);
        check(&given, (sign("a"), BOTH), Err(Code::FourEyes));
    }
    check(&steps, (sign("a"), BOTH), Ok(&[signed("a", 2023, 1, 1)]));
}

#[test]
fn returning_is_not_drafting() {
    let given = joined(&[&ready("a", 0), &[returned("a"), submitted("a")]]);
    check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 1)]));
}

#[test]
fn two_people_are_named_even_in_a_hall_without_people() {
    let nobody = Registry::default();
    let book = book(&ready("a", 0));
    let by = |book: &IssueBook, who: Option<&str>| {
        let decided = decide(book, &nobody, sign("a"), who.map(user).as_ref());
        decided.map(|it| it.len()).map_err(|it| it.code)
    };
    assert_eq!(by(&book, None), Err(Code::FourEyes));
    assert_eq!(by(&book, Some(EDITOR)), Err(Code::FourEyes));
    assert_eq!(by(&book, Some(LEADER)), Ok(1));
    let mut unnamed = IssueBook::default();
    for (event, _) in ready("a", 0) {
        unnamed.evolve(&event, None);
    }
    assert_eq!(by(&unnamed, Some(LEADER)), Err(Code::FourEyes));
}

#[test]
fn an_issue_is_not_dated_before_its_period_ends() {
    let dated = |issued_on| Command::SignOff {
        issue: id("a"),
        issued_on,
        figures: digest(5),
        document: digest(6),
        findings: vec![],
    };
    let given = ready("a", 0);
    check(&given, (dated(week(0).last().yesterday().unwrap()), LEADER), Err(Code::OutOfRange));
    let decided = decide(&book(&given), &registry(), dated(week(0).last()), Some(&user(LEADER)));
    assert_eq!(decided.unwrap().len(), 1);
}

// What the checks found.

#[test]
fn what_the_checks_found_is_settled_before_an_issue_goes_on() {
    let blocks = finding(Code::EmptySection, "动态", 2);
    let numbers = own_numbers();
    let round = finding(Code::NoInspection, "巡查", 3);
    let rate = finding(Code::ImportedRate, "指标", 4);
    let frozen = [opened("a", week(0)), frozen("a", 10)];
    let with = |findings: &[&Finding]| -> Vec<Command> {
        let findings: Vec<_> = findings.iter().map(|it| (*it).clone()).collect();
        let sign = match sign("a") {
            Command::SignOff { issue, issued_on, figures, document, .. } => {
                let findings = findings.clone();
                Command::SignOff { issue, issued_on, figures, document, findings }
            }
            _ => unreachable!(),
        };
        vec![Command::Submit { issue: id("a"), findings }, sign]
    };
    // What is found, what of it was accepted, and whether the issue may go on.
    for (found, known, goes_on) in [
        (vec![], vec![], true),
        (vec![&rate], vec![], true),
        (vec![&numbers], vec![], false),
        (vec![&numbers, &rate], vec![&numbers], true),
        (vec![&numbers, &round], vec![&numbers], false),
        (vec![&numbers, &round], vec![&round, &numbers], true),
        (vec![&blocks], vec![], false),
        // Nobody can accept it, not even in a journal that says so.
        (vec![&blocks], vec![&blocks], false),
        (vec![], vec![&numbers], true),
    ] {
        let known: Vec<_> = known.into_iter().map(|it| accepted("a", it)).collect();
        let [submit, sign] = with(&found).try_into().unwrap();
        let given = joined(&[&frozen, &known]);
        let submitted = [submitted("a")];
        let then = if goes_on { Ok(&submitted[..]) } else { Err(Code::FindingsOpen) };
        check(&given, (submit, EDITOR), then);
        let given = joined(&[&frozen, &submitted, &known]);
        let signed = [signed("a", 2023, 1, 1)];
        let then = if goes_on { Ok(&signed[..]) } else { Err(Code::FindingsOpen) };
        check(&given, (sign, LEADER), then);
    }
}

#[test]
fn a_changed_finding_and_one_elsewhere_are_accepted_anew() {
    let numbers = own_numbers();
    let given = [opened("a", week(0)), frozen("a", 10), accepted("a", &numbers)];
    let changed = Finding { digest: digest(9), ..numbers.clone() };
    let elsewhere = Finding { place: "稿件 s2".into(), ..numbers.clone() };
    let other = Finding { code: Code::TypedNumberDiffers, ..numbers.clone() };
    for it in [changed, elsewhere, other] {
        let submit =
            Command::Submit { issue: id("a"), findings: vec![numbers.clone(), it.clone()] };
        check(&given, (submit, EDITOR), Err(Code::FindingsOpen));
        let then = [accepted("a", &it)];
        check(&given, (accept("a", &[numbers.clone(), it], "已核对"), EDITOR), Ok(&then));
    }
}

#[test]
fn a_named_person_accepts_with_a_reason_what_can_be_accepted() {
    let numbers = own_numbers();
    let given = [opened("a", week(0)), frozen("a", 10)];
    let all = |reason| accept("a", &[numbers.clone(), numbers.clone()], reason);
    let once = [accepted("a", &numbers)];
    check(&given, (all("已核对"), EDITOR), Ok(&once));
    check(&given, (all("已核对"), LEADER), Ok(&once));
    check(&given, (all("已核对"), CLERK), Err(Code::NoRight));
    for blank in ["", " \n　"] {
        check(&given, (all(blank), EDITOR), Err(Code::NoReason));
    }
    check(&joined(&[&given, &once]), (all("又核"), LEADER), Ok(&[]));
    for code in [Code::EmptySection, Code::ImportedRate] {
        let it = finding(code, "动态", 2);
        check(&given, (accept("a", &[it], "已核对"), EDITOR), Err(Code::FindingsOpen));
    }
    // In a hall that knows nobody everybody may do everything, but not without a name.
    let decided = decide(&book(&given), &Registry::default(), all("已核对"), None);
    assert_eq!(decided.unwrap_err().code, Code::NoRight);
}

#[test]
fn who_accepts_does_not_become_a_drafter() {
    let numbers = own_numbers();
    let mut book = book(&ready("a", 0));
    for event in decide(
        &book,
        &registry(),
        accept("a", slice::from_ref(&numbers), "已核对"),
        Some(&user(LEADER)),
    )
    .unwrap()
    {
        book.evolve(&event, Some(&user(LEADER)));
    }
    let acceptance = book.issues[&id("a")].acceptance_of(&numbers).unwrap();
    assert_eq!(acceptance.by, Some(user(LEADER)));
    assert!(decide(&book, &registry(), sign("a"), Some(&user(LEADER))).is_ok());
}

#[test]
fn a_refusal_names_the_worst_first_and_no_command_as_pages_have_none() {
    let given = [opened("a", week(0)), frozen("a", 10)];
    let told = |findings: Vec<Finding>| {
        let submit = Command::Submit { issue: id("a"), findings };
        decide(&book(&given), &registry(), submit, Some(&user(EDITOR))).unwrap_err().detail
    };
    let numbers = own_numbers();
    let detail = told(vec![numbers.clone()]);
    assert!(detail.contains("W.310 稿件 s1（第1版）"), "{detail}");
    assert!(!detail.contains("zhoubao"), "{detail}");
    assert!(Code::FindingsOpen.fix().contains("zhoubao issue accept"));
    let many = (1..=5).map(|it| finding(Code::UntracedNumber, "稿件 s1", it));
    let detail = told(many.chain([finding(Code::EmptySection, "动态", 9)]).collect());
    assert!(detail.starts_with("6 项检查结果未处理 findings not settled: E.301 动态"), "{detail}");
    assert!(!detail.contains("第3版"), "{detail}");
}

// Numbers.

#[test]
fn the_year_of_a_number_is_that_of_the_periods_last_day_whenever_it_is_signed() {
    // Week 1 ends on 29 December 2023 and is signed in February 2024.
    check(&ready("a", 1), (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 1)]));
    let across = period(date(2023, 12, 27), date(2024, 1, 2));
    let given = [opened("a", across), frozen("a", 1), submitted("a")];
    check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2024, 1, 1)]));
}

#[test]
fn the_years_number_begins_again_and_the_running_number_never_does() {
    let given = joined(&[
        &[opening_entered(&opening_of(date(2023, 12, 15), 49, 470))],
        &ready("a", 0),
        &ready("b", 1),
        &ready("c", 2),
    ]);
    check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2023, 50, 471)]));
    let given = joined(&[&given, &[signed("a", 2023, 50, 471)]]);
    check(&given, (sign("b"), LEADER), Ok(&[signed("b", 2023, 51, 472)]));
    let given = joined(&[&given, &[signed("b", 2023, 51, 472)]]);
    check(&given, (sign("c"), LEADER), Ok(&[signed("c", 2024, 1, 473)]));
}

#[test]
fn opening_figures_of_an_earlier_year_give_only_the_running_number() {
    let given =
        joined(&[&[opening_entered(&opening_of(date(2022, 12, 30), 50, 420))], &ready("a", 0)]);
    check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2023, 1, 421)]));
}

#[test]
fn a_voided_number_stays_visible_and_is_never_given_again() {
    let given = joined(&[
        &ready("a", 0),
        &[signed("a", 2023, 1, 1), published("a"), voided("a")],
        &ready("b", 0),
    ]);
    let voided = &book(&given).issues[&id("a")];
    assert_eq!(voided.stage, Stage::Voided);
    assert_eq!(voided.sign_off.as_ref().map(|it| (it.number, it.running_number)), Some((1, 1)));
    check(&given, (sign("b"), LEADER), Ok(&[signed("b", 2023, 2, 2)]));
}

// Voiding.

#[test]
fn voiding_returning_and_their_like_need_a_reason() {
    let given = ready("a", 0);
    for blank in ["", " ", "\u{3000}\t"] {
        check(&given, (Command::Void(id("a"), blank.into()), LEADER), Err(Code::NoReason));
        check(&given, (Command::Return(id("a"), blank.into()), LEADER), Err(Code::NoReason));
    }
}

#[test]
fn a_frozen_issue_that_a_later_one_carries_is_not_voided_before_it() {
    let given = [opened("a", week(0)), frozen("a", 1), opened("b", week(1))];
    check(&given, (void("a"), LEADER), Ok(&[voided("a")]));
    let given = joined(&[&given, &[frozen("b", 2)]]);
    check(&given, (void("a"), LEADER), Err(Code::IssueOrder));
    let given = joined(&[&given, &[voided("b")]]);
    check(&given, (void("a"), LEADER), Ok(&[voided("a")]));
}

// Series.

fn of_series(series: &str, issue: &str, period: Period) -> Fact {
    let (mut event, who) = opened(issue, period);
    if let IssueEvent::Opened { series: of, .. } = &mut event {
        *of = Some(id(series));
    }
    (event, who)
}

fn open_in(series: &str, issue: &str, period: Period) -> Command {
    let mut command = open(issue, period);
    if let Command::Open { series: of, .. } = &mut command {
        *of = Some(id(series));
    }
    command
}

fn january() -> Period {
    period(date(2024, 1, 1), date(2024, 1, 31))
}

#[test]
fn a_month_covers_weeks_but_no_month_twice() {
    let weekly = [opened("a", week(0)), frozen("a", 1), opened("b", week(2)), frozen("b", 2)];
    let month = of_series("monthly", "m1", january());
    check(&weekly, (open_in("monthly", "m1", january()), EDITOR), Ok(std::slice::from_ref(&month)));
    let both = joined(&[&weekly, &[month, frozen("m1", 3)]]);
    check(&both, (open("c", week(3)), EDITOR), Ok(&[opened("c", week(3))]));
    check(&both, (open("c", week(2)), EDITOR), Err(Code::NumberCollision));
    let late = period(date(2024, 1, 31), date(2024, 2, 29));
    check(&both, (open_in("monthly", "m2", late), EDITOR), Err(Code::NumberCollision));
    check(
        &both,
        (open_in("hotline", "h1", week(2)), EDITOR),
        Ok(&[of_series("hotline", "h1", week(2))]),
    );
    // The same id in another series is another issue, and the id is taken.
    check(&both, (open("m1", january()), EDITOR), Err(Code::IssueState));
}

#[test]
fn each_series_has_numbers_and_an_order_of_its_own() {
    let opening = opening_of(date(2023, 12, 15), 50, 420);
    let given = [
        opening_entered(&opening),
        opened("a", week(1)),
        of_series("monthly", "m1", january()),
        frozen("m1", 5),
        submitted("m1"),
    ];
    // The weekly before it is not signed off, which is no concern of the monthly; and its first number is 1.
    check(&given, (sign("m1"), LEADER), Ok(&[signed("m1", 2024, 1, 1)]));
    let given = joined(&[&given, &[signed("m1", 2024, 1, 1), frozen("a", 6), submitted("a")]]);
    check(&given, (sign("a"), LEADER), Ok(&[signed("a", 2023, 51, 421)]));
    // A later frozen issue of another series does not keep one from being frozen again or voided.
    let weekly = [opened("a", week(1)), frozen("a", 2)];
    let given = joined(&[&weekly, &[of_series("monthly", "m1", january()), frozen("m1", 5)]]);
    check(&given, (freeze("a", 3), EDITOR), Ok(&[frozen("a", 3)]));
    check(&given, (void("a"), LEADER), Ok(&[voided("a")]));
}

#[test]
fn an_issue_keeps_what_it_set_and_sets_a_bounded_number() {
    let set = |count: usize| {
        let mut command = open("a", week(0));
        if let Command::Open { parameters, .. } = &mut command {
            *parameters = (0..count).map(|it| (format!("p{it}"), "甲".to_owned())).collect();
        }
        decide(&IssueBook::default(), &registry(), command, Some(&user(EDITOR)))
    };
    let events = set(50).unwrap();
    let mut book = IssueBook::default();
    book.evolve(&events[0], None);
    assert_eq!(book.issues[&id("a")].parameters.len(), 50);
    assert_eq!(set(51).unwrap_err().code, Code::TooLarge);
}

proptest! {
    /// Whatever another series does in between, the main one goes as if it were alone.
    #[test]
    fn a_series_does_not_notice_the_others(steps in prop::collection::vec((any::<bool>(), 0_u8..4, 0_u8..5), 0..40)) {
        let (mut alone, mut both) = (IssueBook::default(), IssueBook::default());
        for (main, k, what) in steps {
            let name = if main { format!("w{k}") } else { format!("m{k}") };
            let command = match what {
                0 if main => open(&name, week(k)),
                0 => open_in("monthly", &name, week(k)),
                1 => freeze(&name, u64::from(k) + 1),
                2 => submit(&name),
                3 => sign(&name),
                _ => void(&name),
            };
            let actor = if what < 3 { EDITOR } else { LEADER };
            let of_both = decide(&both, &registry(), command.clone(), Some(&user(actor)));
            if main {
                let of_alone = decide(&alone, &registry(), command, Some(&user(actor)));
                prop_assert_eq!(&of_alone, &of_both);
                for event in of_alone.unwrap_or_default() {
                    alone.evolve(&event, Some(&user(actor)));
                }
            }
            for event in of_both.unwrap_or_default() {
                both.evolve(&event, Some(&user(actor)));
            }
        }
        let main: Vec<_> = both.of_series(None).collect();
        let known: Vec<_> = alone.live().collect();
        prop_assert_eq!(main, known);
    }
}

// What is proposed.

#[test]
fn the_latest_frozen_and_the_previous_issue_are_those_by_period() {
    let book = book(&[
        opened("z", week(0)),
        opened("b", week(2)),
        opened("a", week(1)),
        frozen("z", 3),
        frozen("a", 7),
    ]);
    assert_eq!(book.last_frozen(), Some((week(1).last(), 7)));
    assert_eq!(book.previous(None, week(2)).map(|(id, _)| id.as_str()), Some("a"));
    assert_eq!(book.previous(None, week(1)).map(|(id, _)| id.as_str()), Some("z"));
    assert_eq!(book.previous(None, week(0)), None);
}

proptest! {
    #[test]
    fn proposed_numbers_are_those_allotted_when_signed_in_order(
        order in Just([0_u8, 1, 2, 3, 4, 5]).prop_shuffle(),
        voided_too in prop::collection::vec(any::<bool>(), 6),
        signed_first in 0_usize..6,
        opening in prop::option::of((0_u32..60, 0_u32..500)),
    ) {
        let mut book = IssueBook::default();
        if let Some((last, more)) = opening {
            let opening = opening_of(date(2023, 12, 15), last, last + more);
            book.evolve(&opening_entered(&opening).0, None);
        }
        let name = |k: u8| format!("i{k}");
        for k in order {
            book.evolve(&opened(&name(k), week(k)).0, Some(&user(EDITOR)));
        }
        for k in (0..6).filter(|k| voided_too[usize::from(*k)]) {
            book.evolve(&voided(&name(k)).0, None);
        }
        let live: Vec<u8> = (0..6).filter(|k| !voided_too[usize::from(*k)]).collect();
        let proposals = |book: &IssueBook| -> Vec<_> {
            live.iter().map(|k| book.proposed_numbers(&book.issues[&id(&name(*k))])).collect()
        };
        let mut before = None;
        for (done, k) in live.iter().enumerate() {
            if done == signed_first.min(live.len() - 1) {
                before = Some(proposals(&book));
            }
            book.evolve(&frozen(&name(*k), 1).0, Some(&user(EDITOR)));
            book.evolve(&submitted(&name(*k)).0, Some(&user(EDITOR)));
            let decided = decide(&book, &registry(), sign(&name(*k)), Some(&user(LEADER))).unwrap();
            book.evolve(&decided[0], Some(&user(LEADER)));
        }
        if let Some(before) = before {
            prop_assert_eq!(proposals(&book), before);
        }
    }
}

// Histories at random.

const ISSUES: [&str; 6] = ["i0", "i1", "i2", "i3", "i4", "i5"];
const ACTORS: [&str; 5] = [EDITOR, SECOND_EDITOR, LEADER, BOTH, CLERK];

fn any_issue() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&ISSUES[..])
}

fn any_period() -> impl Strategy<Value = Period> {
    prop_oneof![
        6 => (0_u8..7).prop_map(week),
        1 => Just(period(date(2023, 12, 27), date(2024, 1, 2))),
        1 => (0_i64..45, 0_i64..9).prop_map(|(start, length)| {
            let first = date(2023, 12, 10).saturating_add(jiff::Span::new().days(start));
            period(first, first.saturating_add(jiff::Span::new().days(length)))
        }),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        (0_u32..60, 0_u32..60, 8_i8..20).prop_map(|(last, running, day)| {
            Command::EnterOpening(opening_of(date(2023, 12, day), last, running))
        }),
        (any_issue(), any_period()).prop_map(|(issue, period)| open(issue, period)),
        (any_issue(), any_period()).prop_map(|(issue, it)| Command::SetPeriod(id(issue), it)),
        (any_issue(), 0_u8..4, 0_u32..3).prop_map(|(issue, it, order)| adopt(
            issue,
            &format!("s{it}"),
            order
        )),
        (any_issue(), 0_u64..40).prop_map(|(issue, cut)| freeze(issue, cut)),
        any_issue().prop_map(submit),
        (any_issue(), "|改").prop_map(|(issue, why)| Command::Return(id(issue), why)),
        any_issue().prop_map(sign),
        any_issue().prop_map(publish),
        (any_issue(), "|改").prop_map(|(issue, why)| Command::Amend(id(issue), why)),
        (any_issue(), "|核").prop_map(|(issue, why)| accept(issue, &[own_numbers()], &why)),
        (any_issue(), "|错").prop_map(|(issue, why)| Command::Void(id(issue), why)),
    ]
}

/// Something that happens at the desk.
#[derive(Debug, Clone)]
enum Step {
    /// Any command by anybody.
    Any(Command, Option<&'static str>),
    /// The next step of an issue by who may do it, so that histories get somewhere.
    Advance(&'static str, Period),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (any_command(), prop::option::weighted(0.9, prop::sample::select(&ACTORS[..])))
            .prop_map(|(command, actor)| Step::Any(command, actor)),
        5 => (any_issue(), any_period()).prop_map(|(issue, it)| Step::Advance(issue, it)),
    ]
}

fn next_step(
    book: &IssueBook,
    issue: &'static str,
    period: Period,
    cut: u64,
) -> (Command, &'static str) {
    match book.issues.get(&id(issue)).map(|it| it.stage) {
        None => (open(issue, period), EDITOR),
        Some(Stage::Open) => (freeze(issue, cut), EDITOR),
        Some(Stage::Frozen) => (submit(issue), SECOND_EDITOR),
        Some(Stage::Submitted) => (sign(issue), LEADER),
        Some(Stage::SignedOff | Stage::Published | Stage::Voided) => (publish(issue), EDITOR),
    }
}

/// What a signed issue may never lose.
fn essence(it: &Issue) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        it.period,
        it.freeze.clone(),
        it.submissions.clone(),
        it.sign_off.clone(),
        it.drafters.clone(),
        it.acceptances.clone(),
    )
}

/// Every sign-off of an issue, in order: a new version takes nothing from the ones before.
fn sign_offs(it: &Issue) -> Vec<SignOff> {
    let before = it.editions.iter().map(|it| it.sign_off.clone());
    before.chain(it.sign_off.clone()).collect()
}

fn check_book(book: &IssueBook) -> Result<(), TestCaseError> {
    let mut live: Vec<_> = book.live().map(|(_, it)| it).collect();
    live.sort_by_key(|it| it.period);
    let mut thawed = false;
    let mut unsigned = false;
    let mut cut = 0;
    let mut running = 0;
    for (i, it) in live.iter().enumerate() {
        if let Some(next) = live.get(i + 1) {
            prop_assert!(it.period.last() < next.period.first(), "periods overlap");
        }
        match &it.freeze {
            Some(freeze) => {
                prop_assert!(!thawed, "frozen after one that is not");
                prop_assert!(freeze.cut >= cut, "a cut before the previous one");
                cut = freeze.cut;
            }
            None => thawed = true,
        }
        match &it.sign_off {
            Some(done) => {
                prop_assert!(!unsigned, "signed after one that is not");
                prop_assert!(done.running_number > running, "numbers follow the periods");
                running = done.running_number;
                prop_assert_eq!(done.year, it.period.year());
                let by = done.by.as_ref();
                prop_assert!(by.is_some_and(|by| !it.drafters.contains(by)), "four eyes");
                prop_assert!(!it.drafters.is_empty());
                prop_assert!(it.freeze.is_some());
            }
            // A new version of a numbered issue holds up nobody.
            None => unsigned |= it.numbers().is_none(),
        }
        if let Some(opening) = &book.opening {
            prop_assert!(it.period.first() > opening.through);
        }
    }
    Ok(())
}

/// All numbers ever allotted are gapless from the opening figures on, by year and in all.
fn check_numbers(book: &IssueBook, allotted: &[(i16, u32, u32)]) -> Result<(), TestCaseError> {
    let opening = book.opening.as_ref();
    let mut years: BTreeMap<i16, u32> = BTreeMap::new();
    if let Some(it) = opening {
        years.insert(it.through.year(), it.last_number);
    }
    let mut running = opening.map_or(0, |it| it.last_running_number);
    for (year, number, running_number) in allotted {
        let last = years.entry(*year).or_default();
        *last += 1;
        running += 1;
        prop_assert_eq!((*number, *running_number), (*last, running));
    }
    let mut kept: Vec<_> = book.issues.values().filter_map(Issue::numbers).collect();
    kept.sort_by_key(|it| it.2);
    prop_assert_eq!(&kept[..], allotted, "every number stays visible");
    Ok(())
}

fn run(steps: Vec<Step>) -> Result<usize, TestCaseError> {
    let registry = registry();
    let mut book = IssueBook::default();
    let mut allotted = vec![];
    for (position, step) in steps.into_iter().enumerate() {
        let (command, actor) = match step {
            Step::Any(command, actor) => (command, actor),
            Step::Advance(issue, period) => {
                let (command, actor) = next_step(&book, issue, period, position as u64);
                (command, Some(actor))
            }
        };
        let actor = actor.map(user);
        let Ok(events) = decide(&book, &registry, command.clone(), actor.as_ref()) else {
            continue;
        };
        let before = book.clone();
        for event in &events {
            if let IssueEvent::SignedOff { issue, year, number, running_number, .. } = event {
                let numbers = (*year, *number, *running_number);
                prop_assert_eq!(book.proposed_numbers(&book.issues[issue]), numbers);
                // A new version has the numbers of the first.
                if book.issues[issue].editions.is_empty() {
                    allotted.push(numbers);
                }
            }
            book.evolve(event, actor.as_ref());
        }
        prop_assert_eq!(events.is_empty(), book == before, "an event changes something");
        for (id, it) in &before.issues {
            let now = &book.issues[id];
            prop_assert!(sign_offs(now).starts_with(&sign_offs(it)), "nothing signed is lost");
            if it.sign_off.is_some() && it.editions.len() == now.editions.len() {
                prop_assert_eq!(essence(it), essence(now));
            }
        }
        check_book(&book)?;
        check_numbers(&book, &allotted)?;
        if !matches!(command, Command::Return(..) | Command::Amend(..)) {
            let again = decide(&book, &registry, command, actor.as_ref());
            prop_assert_eq!(again, Ok(vec![]), "sent again");
        }
    }
    Ok(allotted.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_commanded_numbers_stay_gapless_and_the_order_holds(
        steps in prop::collection::vec(any_step(), 1..90),
    ) {
        run(steps)?;
    }
}

#[test]
fn random_histories_do_sign_issues() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut signed = 0;
    for _ in 0..64 {
        let steps = prop::collection::vec(any_step(), 90).new_tree(&mut runner).unwrap().current();
        signed += run(steps).unwrap();
    }
    assert!(signed > 64, "only {signed} sign-offs in 64 histories: the property says little");
}

fn any_event() -> impl Strategy<Value = IssueEvent> {
    let number = || prop_oneof![0_u32..4, Just(u32::MAX - 1), Just(u32::MAX)];
    prop_oneof![
        (number(), number(), any::<i64>()).prop_map(|(last, running, amount)| {
            let mut opening = opening_of(date(2023, 12, 15), last, running);
            opening.year_to_date.accepted = amount;
            opening_entered(&opening).0
        }),
        (any_issue(), any_period()).prop_map(|(issue, it)| opened(issue, it).0),
        (any_issue(), any_period()).prop_map(|(issue, it)| period_set(issue, it).0),
        (any_issue(), 0_u8..4, number()).prop_map(|(issue, it, order)| adopted(
            issue,
            &format!("s{it}"),
            order
        )
        .0),
        (any_issue(), 0_u8..4, any::<u8>()).prop_map(|(issue, it, of)| edited(
            issue,
            &format!("s{it}"),
            words(of, "新")
        )
        .0),
        (any_issue(), any::<u64>()).prop_map(|(issue, cut)| frozen(issue, cut).0),
        any_issue().prop_map(|issue| submitted(issue).0),
        any_issue().prop_map(|issue| returned(issue).0),
        (any_issue(), any::<i16>(), number(), number())
            .prop_map(|(issue, year, number, running)| signed(issue, year, number, running).0),
        any_issue().prop_map(|issue| published(issue).0),
        any_issue().prop_map(|issue| amended(issue).0),
        any_issue().prop_map(|issue| voided(issue).0),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_history_folds_and_what_was_signed_or_voided_stays(
        events in prop::collection::vec(
            (any_event(), prop::option::of(prop::sample::select(&ACTORS[..]))), 0..80),
        commands in prop::collection::vec(any_command(), 0..8),
    ) {
        let mut book = IssueBook::default();
        for (event, actor) in events {
            let before = book.clone();
            book.evolve(&event, actor.map(user).as_ref());
            for (id, it) in &before.issues {
                let now = &book.issues[id];
                prop_assert!(sign_offs(now).starts_with(&sign_offs(it)));
                if it.sign_off.is_some() && it.editions.len() == now.editions.len() {
                    prop_assert_eq!(essence(it), essence(now));
                    prop_assert!(it.stage <= now.stage);
                }
                if it.stage == Stage::Voided {
                    prop_assert_eq!(it, now);
                }
            }
            if before.opening.is_some() {
                prop_assert_eq!(&before.opening, &book.opening);
            }
        }
        for issue in book.issues.values() {
            let _ = book.proposed_numbers(issue);
            let _ = book.previous(issue.series.as_ref(), issue.period);
        }
        let _ = book.last_frozen();
        for command in commands {
            let _ = decide(&book, &registry(), command, Some(&user(BOTH)));
        }
    }
}
