use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::civil::date;
use zhoubao_contract::{Draft, Stored, decode, encode};
use zhoubao_domain::authorization::{self, Register};
use zhoubao_domain::calendar::days_outside;
use zhoubao_domain::case::Case;
use zhoubao_domain::counting::{Candidate, Knowledge, Verdict, judge};
use zhoubao_domain::event::{Act, IssueEvent, Kind, Right, SUBMISSION_BYTES_MAX, Setup};
use zhoubao_domain::id::{
    CaseId, DepartmentId, DeskTopic, EventRef, MatterId, Subject, TerminalId,
};
use zhoubao_domain::registry::Registry;
use zhoubao_domain::time::hall_day;

use super::random::Random;
use super::*;

const SEEDS: u64 = 12;

fn sample() -> Sample {
    Sample::load().unwrap()
}

fn tally(consulted: i64, accepted: i64, issued: i64, transferred: i64) -> Tally {
    Tally { consulted, accepted, issued, transferred }
}

fn total<'a>(events: impl IntoIterator<Item = &'a TerminalEvent>) -> Tally {
    let mut total = Tally::default();
    for it in events {
        if let Event::Act(act) = &it.event {
            total.add(act.kind, i64::from(act.amount));
        }
    }
    total
}

fn on(day: Date) -> impl Fn(&&TerminalEvent) -> bool {
    move |it| hall_day(it.occurred_at) == day
}

fn registry(sample: &Sample) -> Registry {
    let mut registry = Registry::default();
    for (_, id, event) in &sample.setup {
        let Event::Setup(setup) = event else { panic!("{event:?} is no set-up") };
        registry.evolve(id, setup);
    }
    registry
}

fn register(sample: &Sample) -> Register {
    let mut register = Register::default();
    let later = sample.weeks.iter().flat_map(|it| &it.authorizations);
    for (position, it) in (1..).zip(sample.authorizations.iter().chain(later)) {
        let Event::AuthorizationChanged { department, effective, change } = &it.event else {
            panic!("{it:?} is no change of authorization");
        };
        assert_eq!(it.stream, Stream::Authorization(department.clone()));
        register.evolve(authorization::Entry {
            effective: *effective,
            position,
            department: department.clone(),
            change: change.clone(),
        });
    }
    register
}

/// Judges every act in the given order by the rules of the hall: none may be flagged or only warned about.
fn count_all<'a>(sample: &Sample, events: impl IntoIterator<Item = &'a TerminalEvent>) {
    let (registry, register) = (registry(sample), register(sample));
    let mut cases: HashMap<CaseId, Case> = HashMap::new();
    let mut numbers: HashMap<TerminalId, u64> = HashMap::new();
    for it in events {
        let number = numbers.entry(it.terminal.clone()).or_default();
        *number += 1;
        assert!(registry.terminals.contains_key(&it.terminal));
        assert!(registry.may(Some(&it.actor), Right::Record));
        let Event::Act(act) = &it.event else { continue };
        let candidate = Candidate {
            act,
            occurred_at: it.occurred_at,
            entered_at: None,
            recorded_at: it.occurred_at,
            clock_offset: None,
            clock_unsure: None,
            actor: Some(&it.actor),
            replaces: None,
        };
        let known = Knowledge {
            registry: &registry,
            register: &register,
            case: act.case.as_ref().and_then(|case| cases.get(case)),
            opening_through: Some(sample.opening.through),
        };
        assert_eq!(judge(candidate, known), Verdict::Counted(None), "{it:?}");
        if let Some(matter) = &act.matter {
            assert_eq!(registry.matters.get(matter), act.department.as_ref());
        }
        if let Some(case) = &act.case {
            let stream = Stream::Terminal(it.terminal.clone());
            let case = cases.entry(case.clone()).or_default();
            assert!(
                case.department.is_none() || case.department == act.department,
                "a case stays with its department"
            );
            case.count(act.kind, &EventRef { stream, number: *number }, act.department.as_ref());
        }
    }
}

fn by_day_and_terminal(events: &[TerminalEvent]) -> Vec<&TerminalEvent> {
    let mut events: Vec<_> = events.iter().collect();
    events.sort_by_key(|it| (hall_day(it.occurred_at), it.terminal.clone()));
    events
}

#[test]
fn the_totals_of_every_week_and_outside_day_come_out_for_every_seed() {
    let sample = sample();
    for seed in 0..SEEDS {
        let events = sample.acts(seed).unwrap();
        for week in &sample.weeks {
            let of_week = events.iter().filter(|it| week.period.contains(hall_day(it.occurred_at)));
            assert_eq!(total(of_week), week.tally, "{} seed {seed}", week.issue);
            for (day, tally) in &week.outside {
                assert_eq!(total(events.iter().filter(on(*day))), *tally, "{day} seed {seed}");
            }
        }
        assert_eq!(total(&events), tally(1130, 1040, 921, 2060), "seed {seed}");
    }
}

#[test]
fn the_figures_are_those_of_the_published_issue() {
    let sample = sample();
    let [.., last] = &sample.weeks[..] else { panic!("there are no weeks") };
    assert_eq!(last.tally, tally(459, 94, 93, 219));
    let mut before = Tally::default();
    for load in sample.loads().iter().filter(|it| it.days[0] < last.period.first()) {
        for kind in Kind::ALL {
            before.add(kind, load.tally.get(kind));
        }
    }
    assert_eq!(before, tally(671, 946, 828, 1841));
    let Event::StatisticsImported { period, classes, .. } = &last.statistics.event else {
        panic!("no import");
    };
    assert_eq!((period.first(), period.last()), (date(2023, 1, 1), date(2023, 2, 10)));
    let figures: Vec<_> = classes.iter().map(|it| (it.accepted, it.finished)).collect();
    assert_eq!(figures, [(53_316, 54_071), (419_588, 408_841), (4_329, 4_671)]);
    let replaced: Vec<_> = last.authorizations.iter().map(|it| it.stream.to_string()).collect();
    let streams = ["authorization.industry", "authorization.tax", "authorization.mapping"];
    assert_eq!(replaced, streams);
    assert_eq!(register(&sample).authorised_on(last.period.last()).len(), 35);
    assert_eq!((sample.opening.last_number, sample.opening.last_running_number), (50, 420));
    assert_eq!(last.issued_on, date(2023, 2, 20));
}

#[test]
fn imported_figures_grow_and_end_with_their_week() {
    let mut before = BTreeMap::new();
    for week in sample().weeks {
        let Event::StatisticsImported { period, classes, .. } = week.statistics.event else {
            panic!("no import");
        };
        assert_eq!(period.last(), week.period.last());
        assert!(week.issued_on > week.period.last());
        assert_eq!(classes.len(), 3);
        for it in classes {
            let now = (it.accepted, it.finished);
            let earlier = before.insert(it.class, now).unwrap_or_default();
            assert!(now.0 > earlier.0 && now.1 > earlier.1, "{}", week.issue);
        }
    }
}

#[test]
fn every_act_counts_in_order_of_time_and_day_by_day_terminal_by_terminal() {
    let sample = sample();
    for seed in 0..SEEDS {
        let events = sample.acts(seed).unwrap();
        count_all(&sample, &events);
        count_all(&sample, by_day_and_terminal(&events));
    }
}

#[test]
fn nothing_of_a_case_follows_its_hand_out() {
    let mut issued = BTreeSet::new();
    for it in sample().acts(3).unwrap() {
        let Event::Act(Act { kind, case: Some(case), .. }) = it.event else { continue };
        assert!(!issued.contains(&case), "{case}");
        if kind == Kind::Issued {
            issued.insert(case);
        }
    }
    assert_eq!(issued.len(), 921);
}

#[test]
fn the_same_seed_makes_the_same_events_and_another_seed_others() {
    let sample = sample();
    let events = sample.acts(7).unwrap();
    assert_eq!(events, Sample::load().unwrap().acts(7).unwrap());
    assert_ne!(events, sample.acts(8).unwrap());
}

#[test]
fn events_lie_in_office_hours_and_no_two_acts_at_one_instant() {
    let events = sample().acts(5).unwrap();
    assert!(events.is_sorted_by_key(|it| it.occurred_at));
    let mut last = None;
    for it in &events {
        let time = hall_zone().to_datetime(it.occurred_at);
        if matches!(it.event, Event::DayClosed { .. }) {
            assert_eq!((time.hour(), time.minute(), time.second()), (17, 30, 0));
        } else {
            assert!((9..17).contains(&time.hour()), "{time}");
            assert!(last < Some(it.occurred_at), "{time}");
            last = Some(it.occurred_at);
        }
    }
}

#[test]
fn every_window_closes_every_working_day_with_its_true_tally() {
    let sample = sample();
    let events = sample.acts(11).unwrap();
    let mut open: BTreeMap<(Date, &TerminalId), Tally> = BTreeMap::new();
    let mut closed = BTreeSet::new();
    for it in &events {
        let key = (hall_day(it.occurred_at), &it.terminal);
        match &it.event {
            Event::Act(act) => open.entry(key).or_default().add(act.kind, i64::from(act.amount)),
            Event::DayClosed { day, tally } => {
                assert_eq!(*day, key.0);
                assert_eq!(*tally, open.remove(&key).unwrap_or_default());
                assert!(closed.insert(key));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_empty());
    let range = date(2023, 1, 1)..=date(2023, 2, 10);
    let days = sample.calendar.working_days(range).unwrap();
    assert_eq!(days.len(), 26);
    assert_eq!(closed.len(), days.len() * 12);
    assert!(
        days.iter().all(|day| sample.desks.iter().all(|it| closed.contains(&(*day, &it.terminal))))
    );
}

#[test]
fn the_weeks_are_the_default_periods_and_the_outside_days_the_make_up_days() {
    let sample = sample();
    let mut last = sample.opening.through;
    for week in &sample.weeks {
        assert_eq!(Ok(week.period), sample.calendar.next_default_period(last));
        let worked = days_outside(Some(last), week.period.first())
            .filter(|day| sample.calendar.is_working(*day).unwrap());
        assert!(worked.eq(week.outside.iter().map(|(day, _)| *day)), "{}", week.issue);
        last = week.period.last();
    }
    let [.., fourth, _] = &sample.weeks[..] else { panic!("too few weeks") };
    let days: Vec<_> = fourth.outside.iter().map(|(day, _)| *day).collect();
    assert_eq!(days, [date(2023, 1, 28), date(2023, 1, 29)]);
}

#[test]
fn set_up_names_only_what_came_before_and_its_writer_may_always_write() {
    let sample = sample();
    let mut registry = Registry::default();
    let mut seen = BTreeSet::new();
    for (topic, id, event) in &sample.setup {
        let administrator = Some(&sample.people.administrator);
        assert!(registry.may(administrator, Right::Administer), "{id}");
        let Event::Setup(setup) = event else { panic!("{event:?} is no set-up") };
        assert_eq!(setup.topic(), *topic);
        match setup {
            Setup::Matter { department, .. } => {
                assert!(registry.departments.contains_key(department));
            }
            Setup::Terminal { window, .. } => assert!(registry.windows.contains_key(window)),
            _ => {}
        }
        registry.evolve(id, setup);
        assert!(seen.insert((*topic, id.clone())), "{id} twice");
    }
    let of = |topic| seen.iter().filter(|(it, _)| *it == topic).count();
    assert_eq!([of(SetupTopic::Window), of(SetupTopic::Terminal)], [12, 12]);
    assert_eq!(of(SetupTopic::Calendar), 5);
    assert_eq!(of(SetupTopic::Department), 35 + 2);
    let names: Vec<&String> = registry
        .departments
        .values()
        .flat_map(|it| std::iter::once(&it.name).chain(&it.aliases))
        .collect();
    assert_eq!(
        names.iter().collect::<BTreeSet<_>>().len(),
        names.len(),
        "a name means one department"
    );
    let culture = registry.department_named("文旅厅").unwrap();
    assert_eq!(registry.department_name(culture), "文化和旅游厅");
}

#[test]
fn everybody_may_do_what_the_sample_lets_him_do() {
    let sample = sample();
    let registry = registry(&sample);
    let may =
        |actor: &UserId, right| assert!(registry.may(Some(actor), right), "{actor} {right:?}");
    for it in &sample.authorizations {
        may(&it.actor, Right::Authorize);
    }
    for week in &sample.weeks {
        week.authorizations.iter().for_each(|it| may(&it.actor, Right::Authorize));
        week.submissions.iter().for_each(|it| may(&it.actor, Right::Submit));
        may(&week.inspection.actor, Right::Inspect);
        may(&week.statistics.actor, Right::Edit);
    }
    let people = &sample.people;
    may(&people.editor, Right::Edit);
    may(&people.leader, Right::Sign);
    may(&people.reviser, Right::Correct);
    may(&people.reviser, Right::Release);
    assert!(
        !registry.may(Some(&people.leader), Right::Edit),
        "drafting and signing are two people"
    );
    assert!(!registry.may(Some(&people.editor), Right::Sign));
}

#[test]
fn every_representative_of_a_change_is_a_person_of_the_hall() {
    let sample = sample();
    let registry = registry(&sample);
    for it in sample.weeks.iter().flat_map(|it| &it.authorizations) {
        let Event::AuthorizationChanged { change, .. } = &it.event else { panic!("{it:?}") };
        let zhoubao_domain::event::AuthorizationChange::RepresentativeReplaced {
            representative,
            ..
        } = change
        else {
            panic!("{change:?} is a change of scope")
        };
        assert!(registry.users.contains_key(representative));
    }
}

#[test]
fn news_fits_the_template_and_the_limit() {
    let sample = sample();
    let registry = registry(&sample);
    let template = sample.setup.iter().find_map(|(_, _, event)| match event {
        Event::Setup(Setup::Template { source }) => Some(source),
        _ => None,
    });
    let template: toml::Table = template.unwrap().parse().unwrap();
    fn sections(of: &toml::Table, into: &mut BTreeSet<String>) {
        for it in of.get("section").and_then(|it| it.as_array()).into_iter().flatten() {
            let it = it.as_table().unwrap();
            if it["kind"].as_str() == Some("items") {
                into.insert(it["key"].as_str().unwrap().to_owned());
            }
            sections(it, into);
        }
    }
    let mut keys = BTreeSet::new();
    sections(&template, &mut keys);
    let mut ids = BTreeSet::new();
    let (mut texts, mut tokens) = (String::new(), 0);
    for week in &sample.weeks {
        let mut news: BTreeMap<&str, usize> = BTreeMap::new();
        for it in &week.submissions {
            assert!(ids.insert(it.desk_id().unwrap()));
            let Event::SubmissionFiled { section, department, text, attachments } = &it.event
            else {
                panic!("{it:?} is no submission");
            };
            assert!(keys.contains(section), "{section}");
            assert!(registry.departments.contains_key(department));
            assert!(attachments.is_empty());
            assert!((60..=SUBMISSION_BYTES_MAX).contains(&text.len()));
            assert!(text.ends_with('。') && !text.starts_with('\n'), "{text}");
            assert_eq!(text.matches('“').count(), text.matches('”').count(), "{text}");
            let filed = hall_day(it.occurred_at);
            assert!(week.period.contains(filed), "{filed}");
            *news.entry(section).or_default() += 1;
            tokens += text.matches("{{ authorised_departments }}").count();
            texts.push_str(text);
        }
        assert_eq!(news.len(), keys.len(), "{}: every section has news", week.issue);
        assert!(news.values().all(|count| (2..=4).contains(count)), "{}: {news:?}", week.issue);
    }
    assert_eq!(tokens, 1);
    assert_eq!(texts.matches("{{").count(), 1);
    for needle in ["\n二、", "“", "𬭎", "䶮", "APP"] {
        assert!(texts.contains(needle), "{needle}");
    }
}

#[test]
fn one_week_has_findings_and_every_round_covers_the_checklist() {
    let sample = sample();
    let items = sample.setup.iter().find_map(|(_, _, event)| match event {
        Event::Setup(Setup::Checklist { items, introduction }) if !introduction.is_empty() => {
            Some(items)
        }
        _ => None,
    });
    let items = items.unwrap();
    let mut weeks_with_findings = 0;
    for week in &sample.weeks {
        let round = &week.inspection;
        assert!(week.period.contains(round.day));
        assert!(round.results.iter().map(|it| &it.item).eq(items));
        assert_eq!(round.results.iter().filter(|it| it.remark.is_some()).count(), 1);
        weeks_with_findings += usize::from(round.results.iter().any(|it| !it.findings.is_empty()));
    }
    assert_eq!(weeks_with_findings, 1);
}

/// Writes and reads an event as the journal would.
#[track_caller]
fn travels(sample: &Sample, stream: Stream, occurred_at: Timestamp, actor: &UserId, event: &Event) {
    let draft = Draft {
        subject: Subject::new(sample.hall.clone(), stream),
        number: 1,
        previous: None,
        occurred_at,
        entered_at: None,
        actor: Some(actor.clone()),
        command: None,
        event: event.clone(),
    };
    let stored = Stored { position: 1, recorded_at: occurred_at, message: encode(&draft) };
    let recorded = decode(&stored, &sample.hall).unwrap();
    assert_eq!(recorded.event, *event);
    assert_eq!(recorded.occurred_at, occurred_at);
}

#[test]
fn every_event_of_the_sample_travels() {
    let sample = sample();
    for (topic, id, event) in &sample.setup {
        let stream = Stream::Setup(*topic, id.clone());
        travels(&sample, stream, sample.began_at, &sample.people.administrator, event);
    }
    let Opening { through, year_to_date, last_number, last_running_number } =
        sample.opening.clone();
    let opening =
        IssueEvent::OpeningFigures { through, year_to_date, last_number, last_running_number };
    let administrator = &sample.people.administrator;
    travels(&sample, Stream::Issues, sample.began_at, administrator, &Event::Issue(opening));
    let mut entries = sample.authorizations.clone();
    for week in &sample.weeks {
        entries.extend(week.authorizations.iter().chain(&week.submissions).cloned());
        entries.push(week.inspection.entry(Digest::new([7; 32])));
        entries.push(week.statistics.clone());
    }
    assert!(entries.iter().any(|it| matches!(it.stream, Stream::Desk(DeskTopic::Inspection, _))));
    for it in entries {
        travels(&sample, it.stream, it.occurred_at, &it.actor, &it.event);
    }
    for it in sample.acts(2).unwrap() {
        let stream = Stream::Terminal(it.terminal);
        travels(&sample, stream, it.occurred_at, &it.actor, &it.event);
    }
}

#[test]
fn every_department_is_in_the_acts_and_case_numbers_say_their_day() {
    let sample = sample();
    let mut departments = BTreeSet::new();
    for it in sample.acts(1).unwrap() {
        let Event::Act(act) = it.event else { continue };
        if let (Kind::Accepted, Some(case)) = (act.kind, &act.case) {
            let day = hall_day(it.occurred_at).strftime("510000-%Y%m%d-").to_string();
            assert!(case.as_str().starts_with(&day), "{case}");
        }
        departments.extend(act.department);
    }
    assert_eq!(departments.len(), 35);
}

/// Spreads loads that are drawn from a seed over two windows and one department.
fn drawn(seed: u64) -> (Vec<Load>, Result<Vec<TerminalEvent>, SpreadError>) {
    let mut random = Random::new(seed);
    let mut day = date(2023, 3, 1);
    let mut loads = vec![];
    for _ in 0..1 + random.below(4) {
        let mut days = vec![];
        for _ in 0..1 + random.below(5) {
            days.push(day);
            day = day.tomorrow().unwrap();
        }
        let mut tally = Tally::default();
        for kind in Kind::ALL {
            let most = [0, 1, 3, 40][random.place(4)];
            tally.add(kind, i64::try_from(random.below(most + 1)).unwrap());
        }
        loads.push(Load { days, tally });
    }
    let events = spread(&loads, seed);
    (loads, events)
}

fn spread(loads: &[Load], seed: u64) -> Result<Vec<TerminalEvent>, SpreadError> {
    let desk = |id: &str| Desk { terminal: id.parse().unwrap(), clerk: id.parse().unwrap() };
    let client = Client { department: "tax".parse().unwrap(), matters: vec![], weight: 1 };
    acts(&Plan {
        hall: &"510000".parse().unwrap(),
        loads,
        desks: &[desk("w01"), desk("w02")],
        departments: &[client],
        seed,
    })
}

#[test]
fn any_totals_come_out_exactly_unless_they_contradict_each_other() {
    let mut spread = 0;
    for seed in 0..3_000 {
        let (loads, events) = drawn(seed);
        let (mut accepted, mut possible) = (0, true);
        let mut issued = 0;
        for load in &loads {
            accepted += load.tally.accepted;
            issued += load.tally.issued;
            possible &= issued <= accepted && (load.tally.transferred == 0 || accepted > 0);
        }
        assert_eq!(events.is_ok(), possible, "seed {seed}: {events:?}");
        let Ok(events) = events else { continue };
        spread += 1;
        for load in &loads {
            let of_load = events.iter().filter(|it| load.days.contains(&hall_day(it.occurred_at)));
            assert_eq!(total(of_load), load.tally, "seed {seed}");
        }
        for events in [events.iter().collect(), by_day_and_terminal(&events)] {
            let mut cases: HashMap<&CaseId, Case> = HashMap::new();
            for it in events {
                let Event::Act(Act { kind, case: Some(case), .. }) = &it.event else { continue };
                let case = cases.entry(case).or_default();
                assert_eq!(case.illegal(*kind, None), None, "seed {seed}");
                let stream = Stream::Terminal(it.terminal.clone());
                case.count(*kind, &EventRef { stream, number: 1 }, None);
            }
        }
    }
    assert!(spread > 300, "only {spread} of the drawn totals were possible");
}

#[test]
fn totals_that_cannot_be_are_refused() {
    let first = date(2023, 3, 1);
    let load = |days: &[Date], tally| Load { days: days.to_vec(), tally };
    #[track_caller]
    fn check(loads: &[Load], expected: SpreadError) {
        assert_eq!(spread(loads, 1), Err(expected));
    }
    check(&[load(&[], tally(1, 0, 0, 0))], SpreadError::Nothing { missing: "day" });
    let twice = [load(&[first], tally(1, 0, 0, 0)), load(&[first], tally(1, 0, 0, 0))];
    check(&twice, SpreadError::DayOrder { day: first });
    let negative = SpreadError::Negative { kind: Kind::Consulted, through: first };
    check(&[load(&[first], tally(-1, 0, 0, 0))], negative);
    let few = |kind| SpreadError::TooFewCases { kind, through: first };
    check(&[load(&[first], tally(0, 1, 2, 0))], few(Kind::Issued));
    check(&[load(&[first], tally(0, 0, 0, 1))], few(Kind::Transferred));
    assert_eq!(spread(&[load(&[], tally(0, 0, 0, 0))], 1), Ok(vec![]));
    assert_eq!(spread(&[load(&[first], tally(0, 0, 0, 0))], 1).unwrap().len(), 2, "zero reports");
}

#[test]
fn bulk_acts_count_in_order_of_time_and_terminal_by_terminal() {
    let sample = sample();
    for count in [0, 1, 7, 400, 30_000] {
        let events: Vec<_> = sample.bulk(count, 9).collect();
        assert_eq!(u64::try_from(events.len()).unwrap(), count);
        assert!(events.is_sorted_by_key(|it| it.occurred_at));
        count_all(&sample, &events);
        let mut events: Vec<_> = events.iter().collect();
        events.sort_by_key(|it| it.terminal.clone());
        count_all(&sample, events);
    }
}

#[test]
fn bulk_spreads_over_the_hall_and_the_year() {
    const COUNT: u64 = 100_000;
    let events: Vec<_> = bulk(COUNT, 1).unwrap().collect();
    assert_eq!(bulk(COUNT, 1).unwrap().size_hint(), (events.len(), Some(events.len())));
    assert!(bulk(COUNT, 1).unwrap().eq(events.iter().cloned()));
    let mut cases: BTreeMap<&CaseId, [u32; 4]> = BTreeMap::new();
    let mut departments: BTreeSet<&DepartmentId> = BTreeSet::new();
    let mut matters: BTreeSet<&MatterId> = BTreeSet::new();
    for it in &events {
        let Event::Act(act) = &it.event else { panic!("{it:?} is no act") };
        departments.extend(&act.department);
        matters.extend(&act.matter);
        if let Some(case) = &act.case {
            let place = Kind::ALL.iter().position(|kind| *kind == act.kind).unwrap();
            cases.entry(case).or_default()[place] += 1;
        }
    }
    assert_eq!(cases.len(), 20_000);
    assert!(cases.values().all(|it| it[1] == 1 && it[2] <= 1));
    let issued = cases.values().filter(|it| it[2] == 1).count();
    assert!(issued > 17_000, "{issued}");
    assert_eq!(departments.len(), 35);
    assert!(matters.len() > 60, "{}", matters.len());
    let terminals: BTreeSet<_> = events.iter().map(|it| &it.terminal).collect();
    assert_eq!(terminals.len(), 12);
    let days: BTreeSet<_> = events.iter().map(|it| hall_day(it.occurred_at)).collect();
    assert!(days.len() > 240, "{}", days.len());
    assert!(days.iter().all(|day| day.year() == 2023));
}
