//! The counting rule: each limit from both sides, the order of the rules, the severities.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use zhoubao_domain::authorization::{Entry, Register};
use zhoubao_domain::case::{Case, Illegal};
use zhoubao_domain::code::Code;
use zhoubao_domain::counting::{Candidate, Knowledge, Rules, Severity, Verdict, judge};
use zhoubao_domain::event::{Act, AuthorizationChange, Kind, Right, Setup};
use zhoubao_domain::id::{DepartmentId, EventRef, UserId};
use zhoubao_domain::registry::Registry;
use zhoubao_domain::time::rfc3339;

const COUNTED: Result<Option<Code>, Code> = Ok(None);

/// One act with everything that the rules look at; by default all is well.
#[derive(Clone)]
struct Scene {
    registry: Registry,
    register: Register,
    case: Option<Case>,
    opening_through: Option<Date>,
    act: Act,
    occurred_at: Timestamp,
    entered_at: Option<Timestamp>,
    recorded_at: Timestamp,
    clock_offset: Option<SignedDuration>,
    clock_unsure: Option<Timestamp>,
    actor: Option<UserId>,
    replaces: Option<EventRef>,
}

fn at(text: &str) -> Timestamp {
    format!("{text}+08:00").parse().unwrap()
}

fn event(number: u64) -> EventRef {
    EventRef { stream: "terminal.w01".parse().unwrap(), number }
}

fn user(rights: &[Right], active: bool) -> Setup {
    Setup::User { rights: rights.to_vec(), active }
}

fn accepted() -> Case {
    let mut case = Case::default();
    case.count(Kind::Accepted, &event(1), Some(&"tax".parse().unwrap()));
    case
}

fn scene(kind: Kind) -> Scene {
    let mut registry = Registry::default();
    let department = Setup::Department { name: "省税务局".into(), aliases: vec![] };
    registry.evolve(&"tax".parse().unwrap(), &department);
    let matter = Setup::Matter { name: "完税证明".into(), department: "tax".parse().unwrap() };
    registry.evolve(&"m1".parse().unwrap(), &matter);
    registry.evolve(&"u1".parse().unwrap(), &user(&[Right::Record], true));
    registry.evolve(&"u2".parse().unwrap(), &user(&[Right::LateEntry], true));
    registry.evolve(&"u3".parse().unwrap(), &user(&[Right::LateEntry], false));
    let mut register = Register::default();
    for (day, change) in [
        (1, AuthorizationChange::DepartmentAuthorised),
        (9, AuthorizationChange::DepartmentWithdrawn),
    ] {
        register.evolve(Entry {
            effective: date(2023, 2, day),
            position: 1,
            department: "tax".parse().unwrap(),
            change,
        });
    }
    let occurred_at = at("2023-02-06T09:10:00");
    Scene {
        registry,
        register,
        case: (kind != Kind::Accepted).then(accepted),
        opening_through: None,
        act: Act {
            kind,
            amount: 1,
            department: Some("tax".parse().unwrap()),
            matter: Some("m1".parse().unwrap()),
            case: (kind != Kind::Consulted).then(|| "2023-0001".parse().unwrap()),
        },
        occurred_at,
        entered_at: None,
        recorded_at: occurred_at,
        clock_offset: None,
        clock_unsure: None,
        actor: Some("u1".parse().unwrap()),
        replaces: None,
    }
}

impl Scene {
    fn judge(&self) -> Result<Option<Code>, Code> {
        let candidate = Candidate {
            act: &self.act,
            occurred_at: self.occurred_at,
            entered_at: self.entered_at,
            recorded_at: self.recorded_at,
            clock_offset: self.clock_offset,
            clock_unsure: self.clock_unsure,
            actor: self.actor.as_ref(),
            replaces: self.replaces.as_ref(),
        };
        let known = Knowledge {
            registry: &self.registry,
            register: &self.register,
            case: self.case.as_ref(),
            opening_through: self.opening_through,
        };
        match judge(candidate, known) {
            Verdict::Counted(warning) => Ok(warning),
            Verdict::Flagged(code, detail) => {
                assert!(!detail.is_empty());
                Err(code)
            }
        }
    }
}

fn changed(kind: Kind, change: impl FnOnce(&mut Scene)) -> Result<Option<Code>, Code> {
    let mut scene = scene(kind);
    change(&mut scene);
    scene.judge()
}

#[test]
fn a_clock_that_nobody_measured_is_believed_where_the_journal_says_the_same() {
    let with = |seconds, change: fn(&mut Scene)| {
        changed(Kind::Consulted, |it| {
            it.clock_unsure = Some(it.recorded_at + SignedDuration::from_secs(seconds));
            change(it);
        })
    };
    for seconds in [0, 30, -30] {
        assert_eq!(with(seconds, |_| ()), COUNTED, "{seconds}");
    }
    let unmeasured = Err(Code::ClockUnmeasured);
    for seconds in [31, -31, 3_600, -604_800] {
        assert_eq!(with(seconds, |_| ()), unmeasured, "{seconds}");
    }
    // Its time is what is in doubt, so nothing that depends on the day is said before.
    let tomorrow = |it: &mut Scene| it.occurred_at += SignedDuration::from_hours(24);
    assert_eq!(with(86_400, tomorrow), unmeasured);
    assert_eq!(with(-60, |it| it.act.department = Some("nobody".parse().unwrap())), unmeasured);
    // A person typed in when it was.
    assert_eq!(with(-604_800, |it| it.entered_at = Some(it.occurred_at)), COUNTED);
}

#[test]
fn an_act_of_a_clock_that_is_off_counts_with_a_warning_and_other_rules_come_first() {
    let with = |seconds, change: fn(&mut Scene)| {
        changed(Kind::Consulted, |it| {
            it.clock_offset = Some(SignedDuration::from_secs(seconds));
            change(it);
        })
    };
    for seconds in [0, 30, -30] {
        assert_eq!(with(seconds, |_| ()), COUNTED, "{seconds}");
    }
    for seconds in [31, -31, 600, -864_000] {
        assert_eq!(with(seconds, |_| ()), Ok(Some(Code::ClockSkew)), "{seconds}");
    }
    let unknown = with(600, |it| it.act.department = Some("nobody".parse().unwrap()));
    assert_eq!(unknown, Err(Code::UnknownReference));
}

#[test]
fn an_act_with_which_all_is_well_counts() {
    for kind in Kind::ALL {
        assert_eq!(scene(kind).judge(), COUNTED, "{kind:?}");
    }
}

#[test]
fn an_act_may_be_two_minutes_ahead_of_the_journal_and_no_nanosecond_more() {
    let limit = SignedDuration::from_secs(120);
    for kind in Kind::ALL {
        let ahead = |by: SignedDuration| changed(kind, |it| it.recorded_at = it.occurred_at - by);
        assert_eq!(ahead(limit), COUNTED);
        assert_eq!(ahead(limit + SignedDuration::from_nanos(1)), Err(Code::FutureTime));
        // However late it arrives: a terminal was offline for a year.
        assert_eq!(ahead(SignedDuration::from_hours(-24 * 365)), COUNTED);
    }
}

#[test]
fn typing_in_later_than_24_hours_needs_the_right_of_late_entry() {
    let limit = SignedDuration::from_hours(24);
    let more = limit + SignedDuration::from_nanos(1);
    let late = |by: SignedDuration, actor: Option<&str>| {
        changed(Kind::Accepted, |it| {
            it.entered_at = Some(it.occurred_at + by);
            it.recorded_at = it.occurred_at + by;
            it.actor = actor.map(|it| it.parse().unwrap());
        })
    };
    assert_eq!(late(limit, Some("u1")), COUNTED);
    assert_eq!(late(more, Some("u1")), Err(Code::BackDated));
    assert_eq!(late(more, Some("u2")), COUNTED);
    assert_eq!(late(more, Some("u3")), Err(Code::BackDated), "out of service");
    assert_eq!(late(more, Some("u404")), Err(Code::BackDated));
    assert_eq!(late(more, None), Err(Code::BackDated));
    // Arriving late is not typing in late.
    let arrived = changed(Kind::Accepted, |it| it.recorded_at = it.occurred_at + more);
    assert_eq!(arrived, COUNTED);
}

#[test]
fn limits_are_data_of_the_hall() {
    let rules = Rules { future_seconds_max: 0, late_entry_hours_max: 0, ..Rules::default() };
    let second = SignedDuration::from_secs(1);
    let strict = |change: &dyn Fn(&mut Scene)| {
        changed(Kind::Accepted, |it| {
            it.registry.evolve(&"hall".parse().unwrap(), &Setup::Rules(rules.clone()));
            change(it);
        })
    };
    assert_eq!(strict(&|_| {}), COUNTED);
    assert_eq!(strict(&|it| it.recorded_at = it.occurred_at - second), Err(Code::FutureTime));
    assert_eq!(strict(&|it| it.entered_at = Some(it.occurred_at)), COUNTED);
    assert_eq!(strict(&|it| it.entered_at = Some(it.occurred_at + second)), Err(Code::BackDated));
}

#[test]
fn days_of_the_opening_figures_are_counted_already() {
    for kind in Kind::ALL {
        let through = |day| changed(kind, |it| it.opening_through = Some(day));
        assert_eq!(through(date(2023, 2, 5)), COUNTED);
        assert_eq!(through(date(2023, 2, 6)), Err(Code::BackDated));
        assert_eq!(through(date(2023, 2, 7)), Err(Code::BackDated));
    }
}

#[test]
fn the_day_is_that_of_the_hall() {
    // 15:59 and 16:00 UTC are the two sides of midnight in Shanghai.
    let covered = |time: &str| {
        changed(Kind::Consulted, |it| {
            it.occurred_at = time.parse().unwrap();
            it.recorded_at = it.occurred_at;
            it.opening_through = Some(date(2023, 2, 6));
        })
    };
    assert_eq!(covered("2023-02-06T15:59:59.999Z"), Err(Code::BackDated));
    assert_eq!(covered("2023-02-06T16:00:00Z"), COUNTED);
}

#[test]
fn departments_and_matters_are_known() {
    for kind in Kind::ALL {
        let department = |id: Option<&str>| {
            changed(kind, |it| it.act.department = id.map(|it| it.parse().unwrap()))
        };
        assert_eq!(department(Some("d99")), Err(Code::UnknownReference));
        assert_eq!(department(None), COUNTED);
        let matter =
            |id: Option<&str>| changed(kind, |it| it.act.matter = id.map(|it| it.parse().unwrap()));
        assert_eq!(matter(Some("m99")), Err(Code::UnknownReference));
        assert_eq!(matter(None), COUNTED);
    }
}

#[test]
fn only_an_acceptance_needs_the_departments_authorization_on_its_day() {
    for kind in Kind::ALL {
        let on = |day: &str| {
            changed(kind, |it| {
                it.occurred_at = at(day);
                it.recorded_at = it.occurred_at;
            })
        };
        let refused = if kind == Kind::Accepted { Err(Code::NotAuthorised) } else { COUNTED };
        assert_eq!(on("2023-01-31T23:59:59"), refused);
        assert_eq!(on("2023-02-01T00:00:00"), COUNTED);
        assert_eq!(on("2023-02-08T23:59:59"), COUNTED);
        assert_eq!(on("2023-02-09T00:00:00"), refused);
    }
}

#[test]
fn an_acceptance_needs_its_matter_included_where_items_are_listed() {
    let listed = |matter: Option<&str>| {
        changed(Kind::Accepted, |it| {
            let other = Setup::Matter { name: "其它".into(), department: "tax".parse().unwrap() };
            it.registry.evolve(&"m2".parse().unwrap(), &other);
            it.register.evolve(Entry {
                effective: date(2023, 2, 6),
                position: 2,
                department: "tax".parse().unwrap(),
                change: AuthorizationChange::ItemsIncluded(vec!["m1".parse().unwrap()]),
            });
            it.act.matter = matter.map(|it| it.parse().unwrap());
        })
    };
    assert_eq!(listed(Some("m1")), COUNTED);
    assert_eq!(listed(Some("m2")), Err(Code::NotAuthorised));
    assert_eq!(listed(None), COUNTED);
}

#[test]
fn a_case_is_accepted_once_and_issued_once_and_handed_on_often() {
    let mut case = accepted();
    for number in 2..5 {
        case.count(Kind::Transferred, &event(number), None);
    }
    let with = |kind, case: &Case| changed(kind, |it| it.case = Some(case.clone()));
    assert_eq!(with(Kind::Transferred, &case), COUNTED);
    assert_eq!(with(Kind::Issued, &case), COUNTED);
    assert_eq!(with(Kind::Accepted, &case), Err(Code::IllegalTransition));
    case.count(Kind::Issued, &event(5), None);
    assert_eq!(with(Kind::Issued, &case), Err(Code::IllegalTransition));
    // Handing on after the result is out is no sum that must come out.
    assert_eq!(with(Kind::Transferred, &case), COUNTED);
    assert_eq!(with(Kind::Consulted, &case), COUNTED);
}

#[test]
fn an_event_that_is_judged_anew_does_not_stand_in_its_own_way() {
    let mut case = accepted();
    case.count(Kind::Issued, &event(2), None);
    let again = |kind, number| {
        changed(kind, |it| {
            it.case = Some(case.clone());
            it.replaces = Some(event(number));
        })
    };
    assert_eq!(again(Kind::Accepted, 1), COUNTED);
    assert_eq!(again(Kind::Issued, 2), COUNTED);
    assert_eq!(again(Kind::Accepted, 9), Err(Code::IllegalTransition));
    assert_eq!(again(Kind::Issued, 9), Err(Code::IllegalTransition));
}

#[test]
fn a_case_never_accepted_is_flagged_and_in_a_year_of_opening_figures_only_warned_of() {
    for kind in [Kind::Issued, Kind::Transferred] {
        let unknown = |case: Option<Case>, through: Option<Date>| {
            changed(kind, |it| {
                it.case = case;
                it.opening_through = through;
            })
        };
        let warned = Ok(Some(Code::UnknownCaseAllowed));
        for case in [None, Some(Case::default())] {
            assert_eq!(unknown(case.clone(), None), Err(Code::IllegalTransition));
            assert_eq!(unknown(case.clone(), Some(date(2023, 2, 3))), warned);
            assert_eq!(unknown(case.clone(), Some(date(2023, 1, 1))), warned);
            let before = Some(date(2022, 12, 31));
            assert_eq!(unknown(case, before), Err(Code::IllegalTransition), "of another year");
        }
        let known = unknown(Some(accepted()), Some(date(2023, 2, 3)));
        assert_eq!(known, COUNTED, "a known case is not warned of");
    }
    for kind in [Kind::Consulted, Kind::Accepted] {
        assert_eq!(changed(kind, |it| it.case = None), COUNTED);
    }
}

#[test]
fn severities_are_data_of_the_hall() {
    let verdict = |after_opening, otherwise, through| {
        changed(Kind::Issued, |it| {
            it.registry.rules = Rules {
                unknown_case_after_opening: after_opening,
                unknown_case: otherwise,
                ..Rules::default()
            };
            it.case = None;
            it.opening_through = through;
        })
    };
    let (flag, warn) = (Severity::Flag, Severity::Warn);
    let warned = Ok(Some(Code::UnknownCaseAllowed));
    let through = Some(date(2023, 1, 31));
    assert_eq!(verdict(flag, warn, None), warned);
    assert_eq!(verdict(flag, warn, through), Err(Code::IllegalTransition));
    assert_eq!(verdict(warn, flag, None), Err(Code::IllegalTransition));
    assert_eq!(verdict(warn, flag, through), warned);
    let defaults = Rules::default();
    assert_eq!((defaults.future_seconds_max, defaults.late_entry_hours_max), (120, 24));
    assert_eq!(defaults.unknown_case_after_opening, Severity::Warn);
    assert_eq!(defaults.unknown_case, Severity::Flag);
}

#[test]
fn a_second_acceptance_or_hand_out_is_flagged_whatever_the_severities() {
    for kind in [Kind::Accepted, Kind::Issued] {
        let verdict = changed(kind, |it| {
            it.registry.rules.unknown_case = Severity::Warn;
            it.registry.rules.unknown_case_after_opening = Severity::Warn;
            let mut case = accepted();
            case.count(Kind::Issued, &event(2), None);
            it.case = Some(case);
        });
        assert_eq!(verdict, Err(Code::IllegalTransition));
    }
    // Issued, though never accepted (released by a person): the second hand-out is still the second.
    let mut case = Case::default();
    case.count(Kind::Issued, &event(2), None);
    assert_eq!(case.illegal(Kind::Issued, None), Some(Illegal::IssuedTwice));
}

#[test]
fn of_several_faults_the_first_rule_speaks() {
    let mut scene = scene(Kind::Accepted);
    // Everything is wrong at once; mending the first fault lets the next one speak.
    scene.recorded_at = scene.occurred_at - SignedDuration::from_hours(1);
    scene.entered_at = Some(scene.occurred_at + SignedDuration::from_hours(25));
    scene.opening_through = Some(date(2023, 2, 6));
    scene.act.department = Some("d99".parse().unwrap());
    scene.act.matter = Some("m99".parse().unwrap());
    scene.register = Register::default();
    scene.case = Some(accepted());
    assert_eq!(scene.judge(), Err(Code::FutureTime));
    scene.recorded_at = scene.occurred_at;
    assert_eq!(scene.judge(), Err(Code::BackDated), "typed in late");
    scene.entered_at = None;
    assert_eq!(scene.judge(), Err(Code::BackDated), "opening figures");
    scene.opening_through = None;
    assert_eq!(scene.judge(), Err(Code::UnknownReference), "department");
    scene.act.department = Some("tax".parse().unwrap());
    assert_eq!(scene.judge(), Err(Code::UnknownReference), "matter");
    scene.act.matter = Some("m1".parse().unwrap());
    assert_eq!(scene.judge(), Err(Code::NotAuthorised));
    scene.register = self::scene(Kind::Accepted).register;
    assert_eq!(scene.judge(), Err(Code::IllegalTransition));
    scene.case = None;
    assert_eq!(scene.judge(), COUNTED);
}

// Cases.

#[test]
fn what_was_counted_for_a_case_can_be_taken_back() {
    let mut case = accepted();
    case.count(Kind::Issued, &event(2), None);
    case.count(Kind::Transferred, &event(3), None);
    let before = case.clone();
    // Somebody else's event takes nothing back.
    case.uncount(Kind::Accepted, &event(9));
    case.uncount(Kind::Issued, &event(9));
    case.uncount(Kind::Consulted, &event(1));
    assert_eq!(case, before);
    case.uncount(Kind::Transferred, &event(3));
    case.uncount(Kind::Issued, &event(2));
    case.uncount(Kind::Accepted, &event(1));
    assert_eq!(case, Case::default());
    case.uncount(Kind::Transferred, &event(3));
    assert_eq!(case.transferred, 0);
}

#[test]
fn a_voided_acceptance_makes_room_for_the_true_one() {
    let mut case = accepted();
    assert_eq!(case.illegal(Kind::Accepted, None), Some(Illegal::AcceptedTwice));
    case.uncount(Kind::Accepted, &event(1));
    assert_eq!(case.illegal(Kind::Accepted, None), None);
    assert_eq!(case.illegal(Kind::Issued, None), Some(Illegal::NeverAccepted));
    case.count(Kind::Accepted, &event(7), None);
    assert_eq!(case.accepted, Some(event(7)));
}

// Rights.

#[test]
fn a_hall_without_people_lets_everybody_until_the_first_is_entered() {
    let mut registry = Registry::default();
    let clerk: UserId = "u1".parse().unwrap();
    assert!(registry.may(None, Right::Administer) && registry.may(Some(&clerk), Right::Sign));
    registry.evolve(&"u1".parse().unwrap(), &user(&[Right::Record], true));
    assert!(!registry.may(None, Right::Record));
    assert!(registry.may(Some(&clerk), Right::Record));
    assert!(!registry.may(Some(&clerk), Right::Sign));
}

#[test]
fn a_department_is_found_by_its_name_and_its_aliases() {
    let mut registry = Registry::default();
    let aliases = vec!["税务局".to_owned(), "国税".to_owned()];
    let tax = Setup::Department { name: "省税务局".into(), aliases };
    registry.evolve(&"tax".parse().unwrap(), &tax);
    let named = |name| registry.department_named(name).map(|it| it.as_str());
    let names = ["省税务局", "税务局", "国税", "地税", "tax"];
    assert_eq!(names.map(named), [Some("tax"), Some("tax"), Some("tax"), None, None]);
    let (tax, never): (DepartmentId, DepartmentId) = ("tax".parse().unwrap(), "x".parse().unwrap());
    assert_eq!(registry.department_name(&tax), "省税务局");
    assert_eq!(registry.department_name(&never), "x");
}

#[test]
fn times_are_written_with_the_offset_of_the_hall() {
    assert_eq!(rfc3339(at("2023-02-06T09:10:00")), "2023-02-06T09:10:00+08:00");
    assert_eq!(rfc3339(at("2024-01-01T00:00:00.25")), "2024-01-01T00:00:00.25+08:00");
}

#[test]
fn a_case_counts_how_often_it_was_handed_on() {
    let mut case = accepted();
    for number in 5..8 {
        case.count(Kind::Transferred, &event(number), None);
    }
    assert_eq!(case.transferred, 3);
    case.uncount(Kind::Transferred, &event(5));
    assert_eq!(case.transferred, 2);
}

#[test]
fn kinds_have_the_words_and_units_of_print() {
    let print: Vec<_> = Kind::ALL.iter().map(|it| (it.title(), it.unit())).collect();
    let expected = [("咨询", "人次"), ("受理", "件"), ("颁发", "件"), ("流转", "件")];
    assert_eq!(print, expected);
}
