//! Figures and the sums that must agree: the reference issue, New Year, opening figures, adjustments, and any
//! history at random.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use jiff::Span as Time;
use jiff::civil::{Date, date};
use proptest::prelude::*;
use zhoubao_domain::calendar::Period;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Kind, Tally};
use zhoubao_domain::figure::{
    Adjustment, Base, Between, Cause, Definition, Figure, FigureKey, Figures, OPENING_PART,
    Partition, Source, Span, TallyCell, TallyValue, counted_from, first_day, opening_of_year, take,
};
use zhoubao_domain::issue::Opening;
use zhoubao_domain::reconcile::{Mismatch, chain, partitions, same};

fn definition(key: &str, kinds: &[Kind]) -> Definition {
    Definition {
        key: key.to_owned(),
        title: key.to_owned(),
        unit: "件".to_owned(),
        meaning: String::new(),
        kinds: kinds.to_vec(),
    }
}

/// The four of print.
fn definitions() -> Vec<Definition> {
    Kind::ALL.iter().map(|it| definition(it.word(), &[*it])).collect()
}

fn period(first: Date, last: Date) -> Period {
    Period::new(first, last).unwrap()
}

/// What happened to a sum at a position.
#[derive(Debug, Clone)]
struct Effect {
    position: u64,
    cell: TallyCell,
    value: TallyValue,
    cause: Cause,
}

fn effect(position: u64, day: Date, kind: Kind, amount: i64) -> Effect {
    Effect {
        position,
        cell: TallyCell { day, window: "w01".into(), department: "tax".into(), kind },
        value: TallyValue { amount, events: amount.signum() },
        cause: Cause::Late,
    }
}

/// A tally of one day, each kind as one sum by itself.
fn day(position: u64, day: Date, amounts: [i64; 4]) -> Vec<Effect> {
    Kind::ALL.into_iter().zip(amounts).map(|(kind, it)| effect(position, day, kind, it)).collect()
}

#[derive(Debug, Clone)]
struct Frozen {
    period: Period,
    cut: u64,
    figures: Figures,
}

/// A hall whose issues are frozen one after the other.
#[derive(Debug, Clone, Default)]
struct Hall {
    definitions: Vec<Definition>,
    opening: Option<Opening>,
    effects: Vec<Effect>,
    issues: Vec<Frozen>,
}

impl Hall {
    fn new(effects: Vec<Effect>) -> Self {
        Self { definitions: definitions(), opening: None, effects, issues: vec![] }
    }

    fn cells(&self, cut: u64, of: impl Fn(Date) -> bool) -> BTreeMap<TallyCell, TallyValue> {
        let mut cells: BTreeMap<TallyCell, TallyValue> = BTreeMap::new();
        for it in self.effects.iter().filter(|it| it.position <= cut && of(it.cell.day)) {
            let value = cells.entry(it.cell.clone()).or_default();
            value.amount += it.value.amount;
            value.events += it.value.events;
        }
        cells
    }

    /// Everything later than the previous cut; whether it is about a day of that issue is for [`take`] to say.
    fn adjustments(&self, cut: u64) -> Vec<Adjustment> {
        let Some(previous) = self.issues.last() else { return vec![] };
        self.effects
            .iter()
            .filter(|it| it.position > previous.cut && it.position <= cut)
            .map(|it| Adjustment {
                position: it.position,
                day: it.cell.day,
                kind: it.cell.kind,
                amount: it.value.amount,
                events: it.value.events,
                cause: it.cause,
            })
            .collect()
    }

    fn previous_last(&self) -> Option<Date> {
        let last = self.issues.last().map(|it| it.period.last());
        last.or(self.opening.as_ref().map(|it| it.through))
    }

    fn take(&self, period: Period, cut: u64, all: bool) -> Figures {
        let first = first_day(period, self.previous_last());
        let cells = self.cells(cut, |day| all || (first..=period.last()).contains(&day));
        take(Source {
            definitions: &self.definitions,
            period,
            opening: self.opening.as_ref(),
            previous: self.issues.last().map(|it| (it.period.last(), &it.figures)),
            cells: &cells,
            adjustments: &self.adjustments(cut),
        })
    }

    fn freeze(&mut self, period: Period, cut: u64) -> &Frozen {
        let figures = self.take(period, cut, false);
        self.issues.push(Frozen { period, cut, figures });
        self.issues.last().unwrap()
    }

    /// The figures that the last issue carries: those of the issue before, if that is of the same year.
    fn carried(&self) -> Option<&Figures> {
        let [.., before, last] = &self.issues[..] else { return None };
        (before.period.year() == last.period.year()).then_some(&before.figures)
    }

    fn mismatches(&self, figures: &Figures) -> Vec<Mismatch> {
        let mut found = partitions(&self.definitions, figures);
        found.extend(chain(&self.definitions, figures, self.carried()));
        found
    }

    #[track_caller]
    fn comes_out(&self) {
        assert_eq!(self.mismatches(&self.issues.last().unwrap().figures), []);
    }
}

fn key(definition: &str, span: Span, partition: Partition, part: &str) -> FigureKey {
    let (definition, part) = (definition.to_owned(), part.to_owned());
    FigureKey { definition, span, partition, part }
}

fn total(figures: &Figures, definition: &str, span: Span) -> i64 {
    figures[&key(definition, span, Partition::Total, "")].amount
}

/// 咨询、受理、颁发、流转 in one span.
fn four(figures: &Figures, span: Span) -> [i64; 4] {
    Kind::ALL.map(|it| total(figures, it.word(), span))
}

fn opening(through: Date) -> Opening {
    let year_to_date = Tally { consulted: 671, accepted: 946, issued: 828, transferred: 1841 };
    Opening { through, year_to_date, last_number: 4, last_running_number: 424 }
}

// The reference issue.

const THIRD: (Date, Date) = (date(2023, 1, 16), date(2023, 1, 20));
const FOURTH: (Date, Date) = (date(2023, 1, 30), date(2023, 2, 3));
const FIFTH: (Date, Date) = (date(2023, 2, 6), date(2023, 2, 10));

/// Three weeks of January, the make-up weekend of 28 and 29 January, the fourth and the fifth week.
fn reference() -> Hall {
    let effects = [
        day(1, date(2023, 1, 4), [150, 200, 180, 400]),
        day(2, date(2023, 1, 12), [160, 240, 200, 450]),
        day(3, date(2023, 1, 20), [150, 230, 200, 460]),
        day(4, date(2023, 1, 28), [11, 26, 18, 31]),
        day(5, date(2023, 1, 29), [20, 20, 10, 40]),
        day(6, date(2023, 1, 30), [80, 130, 120, 260]),
        day(7, date(2023, 2, 3), [100, 100, 100, 200]),
        day(8, date(2023, 2, 6), [200, 40, 43, 100]),
        day(9, date(2023, 2, 10), [259, 54, 50, 119]),
    ];
    let mut hall = Hall::new(effects.concat());
    for ((first, last), cut) in [
        ((date(2023, 1, 3), date(2023, 1, 6)), 1),
        ((date(2023, 1, 9), date(2023, 1, 13)), 2),
        (THIRD, 3),
        (FOURTH, 7),
        (FIFTH, 9),
    ] {
        hall.freeze(period(first, last), cut);
        hall.comes_out();
    }
    hall
}

#[test]
fn the_reference_issue_comes_out() {
    let hall = reference();
    let [.., fourth, fifth] = &hall.issues[..] else { unreachable!() };
    assert_eq!(four(&fourth.figures, Span::Year), [671, 946, 828, 1841]);
    assert_eq!(four(&fourth.figures, Span::Outside), [31, 46, 28, 71]);
    let outside: Vec<_> = fourth
        .figures
        .iter()
        .filter(|(it, _)| it.definition == "accepted" && it.span == Span::Outside)
        .map(|(it, figure)| (it.partition, it.part.as_str(), figure.amount))
        .collect();
    assert_eq!(
        outside,
        [
            (Partition::Total, "", 46),
            (Partition::Day, "2023-01-28", 26),
            (Partition::Day, "2023-01-29", 20),
        ]
    );
    let five = &fifth.figures;
    assert_eq!(four(five, Span::Week), [459, 94, 93, 219]);
    assert_eq!(four(five, Span::WeekOfYear), [459, 94, 93, 219]);
    assert_eq!(four(five, Span::Carried), [671, 946, 828, 1841]);
    assert_eq!(four(five, Span::Outside), [0; 4]);
    assert_eq!(four(five, Span::Adjustment), [0; 4]);
    assert_eq!(four(five, Span::Year), [1130, 1040, 921, 2060]);
}

#[test]
fn the_reference_issue_comes_out_of_opening_figures_too() {
    let effects: Vec<_> = reference().effects.into_iter().filter(|it| it.position >= 8).collect();
    let mut hall = Hall { opening: Some(opening(FOURTH.1)), ..Hall::new(effects) };
    let figures = hall.freeze(period(FIFTH.0, FIFTH.1), 9).figures.clone();
    hall.comes_out();
    assert_eq!(four(&figures, Span::Carried), [671, 946, 828, 1841]);
    assert_eq!(four(&figures, Span::Year), [1130, 1040, 921, 2060]);
    for partition in [Partition::Day, Partition::Window, Partition::Department] {
        let part = figures[&key("consulted", Span::Year, partition, OPENING_PART)];
        assert_eq!(part, Figure { amount: 671, events: 0 });
    }
    let six = period(date(2023, 2, 13), date(2023, 2, 17));
    hall.effects.extend(day(10, date(2023, 2, 13), [1, 2, 3, 4]));
    hall.effects.extend(day(11, date(2023, 2, 12), [5, 5, 5, 5]));
    let figures = hall.freeze(six, 11).figures.clone();
    hall.comes_out();
    assert_eq!(four(&figures, Span::Carried), [1130, 1040, 921, 2060]);
    assert_eq!(four(&figures, Span::Outside), [5; 4]);
    assert_eq!(four(&figures, Span::Year), [1136, 1047, 929, 2069]);
}

#[test]
fn more_handed_on_or_out_than_accepted_is_legal() {
    let mut hall = Hall::new(day(1, FIFTH.0, [0, 1, 500, 9_000]));
    let figures = hall.freeze(period(FIFTH.0, FIFTH.1), 1).figures.clone();
    hall.comes_out();
    assert_eq!(four(&figures, Span::Week), [0, 1, 500, 9_000]);
}

#[test]
fn a_week_in_which_nothing_happened_has_figures_and_they_are_zero() {
    let mut hall = Hall::new(vec![]);
    let figures = hall.freeze(period(FIFTH.0, FIFTH.1), 1).figures.clone();
    hall.comes_out();
    assert_eq!(figures.len(), Span::ALL.len() * 4);
    assert!(figures.values().all(|it| *it == Figure::default()));
}

// New Year.

const ACROSS: (Date, Date) = (date(2025, 12, 29), date(2026, 1, 2));

fn new_year() -> Hall {
    let effects = [
        day(1, date(2025, 12, 23), [1, 1, 1, 1]),
        day(2, date(2025, 12, 27), [10, 10, 10, 10]),
        day(3, date(2025, 12, 30), [100, 100, 100, 100]),
        day(4, date(2026, 1, 2), [1000, 1000, 1000, 1000]),
    ];
    let mut hall = Hall::new(effects.concat());
    hall.freeze(period(date(2025, 12, 22), date(2025, 12, 26)), 1);
    hall
}

#[test]
fn a_period_across_new_year_carries_nothing_and_counts_its_days_of_the_new_year() {
    let mut hall = new_year();
    let figures = hall.freeze(period(ACROSS.0, ACROSS.1), 4).figures.clone();
    hall.comes_out();
    let of = |span| total(&figures, "accepted", span);
    assert_eq!(of(Span::Week), 1100);
    assert_eq!(of(Span::WeekOfYear), 1000);
    assert_eq!((of(Span::Outside), of(Span::OutsideEarlier)), (0, 10));
    assert_eq!((of(Span::Carried), of(Span::Adjustment)), (0, 0));
    assert_eq!(of(Span::Year), 1000);
    hall.effects.extend(day(5, date(2026, 1, 5), [7, 7, 7, 7]));
    hall.effects.extend(day(6, date(2026, 1, 2), [3, 3, 3, 3]));
    // About a day of the year before: in no 累计 of this one.
    hall.effects.extend(day(7, date(2025, 12, 30), [50, 50, 50, 50]));
    let figures = hall.freeze(period(date(2026, 1, 5), date(2026, 1, 9)), 7).figures.clone();
    hall.comes_out();
    let of = |span| total(&figures, "accepted", span);
    assert_eq!((of(Span::Carried), of(Span::Adjustment), of(Span::Year)), (1000, 3, 1010));
}

#[test]
fn days_between_the_years_are_told_apart() {
    let mut hall = new_year();
    let figures = hall.freeze(period(date(2026, 1, 5), date(2026, 1, 9)), 4).figures.clone();
    hall.comes_out();
    let of = |span| total(&figures, "accepted", span);
    assert_eq!((of(Span::Outside), of(Span::OutsideEarlier)), (1000, 110));
    assert_eq!((of(Span::Week), of(Span::Carried), of(Span::Year)), (0, 0, 1000));
}

#[test]
fn days_after_opening_figures_of_the_year_before_are_outside_too() {
    // 31 December 2022 is a Saturday after the last issue of the year.
    let effects = [day(1, date(2022, 12, 31), [5; 4]), day(2, date(2023, 1, 2), [7; 4])];
    let through = date(2022, 12, 30);
    let mut hall = Hall { opening: Some(opening(through)), ..Hall::new(effects.concat()) };
    let figures = hall.freeze(period(date(2023, 1, 3), date(2023, 1, 6)), 2).figures.clone();
    hall.comes_out();
    assert_eq!(four(&figures, Span::OutsideEarlier), [5; 4]);
    assert_eq!(four(&figures, Span::Outside), [7; 4]);
    assert_eq!(four(&figures, Span::Carried), [0; 4], "累计 begins again on 1 January");
    assert_eq!(four(&figures, Span::Year), [7; 4]);
}

#[test]
fn days_that_opening_figures_cover_are_in_them_only() {
    // Something of 20 January was recorded although the opening figures go up to the 27th.
    let effects = [day(1, date(2023, 1, 20), [9; 4]), day(2, date(2023, 1, 30), [1; 4])];
    let through = date(2023, 1, 27);
    let mut hall = Hall { opening: Some(opening(through)), ..Hall::new(effects.concat()) };
    let figures = hall.take(period(FOURTH.0, FOURTH.1), 2, true);
    assert_eq!(four(&figures, Span::Week), [1; 4]);
    assert_eq!(four(&figures, Span::Year), [672, 947, 829, 1842]);
    hall.freeze(period(FOURTH.0, FOURTH.1), 2);
    hall.comes_out();
}

#[test]
fn opening_figures_hold_in_their_own_year_only() {
    let it = opening(date(2023, 1, 27));
    let of = |year| {
        let amounts = definitions().iter().map(|of| opening_of_year(of, Some(&it), year)).collect();
        (counted_from(Some(&it), year), amounts)
    };
    assert_eq!(of(2023), (date(2023, 1, 28), vec![671, 946, 828, 1841]));
    assert_eq!(of(2024), (date(2024, 1, 1), vec![0; 4]));
    assert_eq!(opening_of_year(&definitions()[0], None, 2023), 0);
    assert_eq!(counted_from(None, 2023), date(2023, 1, 1));
}

#[test]
fn the_year_rests_on_the_issue_before_where_it_is_carried_and_there_is_one_of_the_year() {
    let bases = |previous: Option<(Date, u64)>, opening_through| {
        let between = Between { period: period(FIFTH.0, FIFTH.1), opening_through, previous };
        [true, false].map(|carry| between.reaches(Span::Year, carry).0)
    };
    let fourth = Some((FOURTH.1, 7));
    assert_eq!(bases(fourth, None), [Base::Previous, Base::None]);
    assert_eq!(bases(fourth, Some(THIRD.1)), [Base::Previous, Base::Opening]);
    assert_eq!(bases(None, Some(THIRD.1)), [Base::Opening, Base::Opening]);
    assert_eq!(bases(Some((date(2022, 12, 30), 7)), None), [Base::None, Base::None]);
}

#[test]
fn the_sums_begin_with_the_first_day_that_any_span_needs() {
    let week = period(FIFTH.0, FIFTH.1);
    let new_year = date(2023, 1, 1);
    assert_eq!(first_day(week, None), new_year);
    assert_eq!(first_day(week, Some(FOURTH.1)), new_year);
    assert_eq!(first_day(week, Some(date(2022, 12, 26))), date(2022, 12, 27));
    let across = period(ACROSS.0, ACROSS.1);
    assert_eq!(first_day(across, Some(date(2025, 12, 28))), ACROSS.0);
    assert_eq!(first_day(across, Some(date(2025, 12, 26))), date(2025, 12, 27));
    assert_eq!(first_day(across, None), date(2025, 1, 1));
}

// Adjustments.

#[test]
fn later_facts_of_every_cause_are_adjustments_of_the_next_issue() {
    let mut hall = reference();
    let before = hall.issues.last().unwrap().figures.clone();
    let mut later = vec![
        // Late, about the frozen week, an earlier one, and a day outside all periods.
        (effect(10, FIFTH.0, Kind::Accepted, 5), Cause::Late),
        (effect(11, date(2023, 1, 4), Kind::Accepted, 2), Cause::Late),
        (effect(12, date(2023, 1, 28), Kind::Accepted, 1), Cause::Late),
        // A correction takes back and puts in place, here on a day of the new week.
        (effect(13, date(2023, 2, 10), Kind::Accepted, -4), Cause::Correction),
        (effect(13, date(2023, 2, 13), Kind::Accepted, 4), Cause::Correction),
        (effect(14, FIFTH.1, Kind::Accepted, -1), Cause::Voiding),
        (effect(15, date(2023, 2, 8), Kind::Accepted, 1), Cause::Release),
    ];
    for (it, cause) in &mut later {
        it.cause = *cause;
    }
    hall.effects.extend(later.into_iter().map(|(it, _)| it));
    let six = period(date(2023, 2, 13), date(2023, 2, 17));
    let figures = hall.freeze(six, 15).figures.clone();
    hall.comes_out();
    let of = |span| total(&figures, "accepted", span);
    assert_eq!((of(Span::Carried), of(Span::Adjustment), of(Span::Week)), (1040, 4, 4));
    assert_eq!((of(Span::Outside), of(Span::Year)), (0, 1048));
    let part = |day: &str| figures[&key("accepted", Span::Adjustment, Partition::Day, day)].amount;
    assert_eq!(
        ["2023-01-04", "2023-01-28", "2023-02-06", "2023-02-08", "2023-02-10"].map(part),
        [2, 1, 5, 1, -5]
    );
    assert_eq!(hall.issues[hall.issues.len() - 2].figures, before, "what was frozen stays");
}

#[test]
fn an_adjustment_appears_once() {
    let mut hall = reference();
    hall.effects.push(effect(10, FIFTH.0, Kind::Issued, 6));
    hall.freeze(period(date(2023, 2, 13), date(2023, 2, 17)), 10);
    hall.comes_out();
    let figures = hall.freeze(period(date(2023, 2, 20), date(2023, 2, 24)), 11).figures.clone();
    hall.comes_out();
    assert_eq!(total(&figures, "issued", Span::Adjustment), 0);
    assert_eq!(total(&figures, "issued", Span::Carried), 927);
}

#[test]
fn an_adjustment_that_is_forgotten_breaks_the_chain() {
    let mut hall = reference();
    hall.effects.push(effect(10, FIFTH.0, Kind::Issued, 6));
    let next = period(date(2023, 2, 13), date(2023, 2, 17));
    let cells = hall.cells(10, |_| true);
    let previous = hall.issues.last().unwrap();
    let figures = take(Source {
        definitions: &hall.definitions,
        period: next,
        opening: None,
        previous: Some((previous.period.last(), &previous.figures)),
        cells: &cells,
        adjustments: &[],
    });
    assert_eq!(partitions(&hall.definitions, &figures), []);
    let found = chain(&hall.definitions, &figures, Some(&previous.figures));
    let codes: Vec<_> = found.iter().map(|it| it.code).collect();
    assert_eq!(codes, [Code::ChainBroken]);
    assert!(found[0].text.contains("927 ≠ 上期累计 921"), "{}", found[0].text);
}

// Definitions.

#[test]
fn a_definition_of_several_kinds_adds_them() {
    let mut hall = reference();
    hall.issues.clear();
    hall.opening = Some(opening(FOURTH.1));
    hall.effects.retain(|it| it.position >= 8);
    hall.definitions = vec![definition("handled", &[Kind::Accepted, Kind::Issued])];
    let figures = hall.freeze(period(FIFTH.0, FIFTH.1), 9).figures.clone();
    hall.comes_out();
    assert_eq!(total(&figures, "handled", Span::Week), 187);
    assert_eq!(total(&figures, "handled", Span::Carried), 1774);
    assert_eq!(total(&figures, "handled", Span::Year), 1961);
}

#[test]
fn a_definition_that_is_new_in_mid_year_carries_what_the_record_says() {
    for with_opening in [false, true] {
        let mut hall = reference();
        if with_opening {
            hall = Hall {
                opening: Some(opening(FOURTH.1)),
                ..Hall::new(hall.effects.into_iter().filter(|it| it.position >= 8).collect())
            };
            hall.freeze(period(FIFTH.0, FIFTH.1), 9);
        }
        hall.definitions.push(definition("handled", &[Kind::Accepted, Kind::Issued]));
        hall.effects.extend(day(10, date(2023, 2, 14), [1, 2, 3, 4]));
        hall.effects.extend(day(11, FIFTH.1, [10, 10, 10, 10]));
        let figures = hall.freeze(period(date(2023, 2, 13), date(2023, 2, 17)), 11).figures.clone();
        hall.comes_out();
        let of = |span| total(&figures, "handled", span);
        assert_eq!((of(Span::Carried), of(Span::Adjustment)), (1961, 20));
        assert_eq!((of(Span::Week), of(Span::Year)), (5, 1986));
        hall.freeze(period(date(2023, 2, 20), date(2023, 2, 24)), 12);
        hall.comes_out();
    }
}

#[test]
fn missing_figures_of_the_previous_issue_are_no_new_definitions() {
    let mut hall = reference();
    hall.issues.last_mut().unwrap().figures.clear();
    let next = period(date(2023, 2, 13), date(2023, 2, 17));
    let figures = hall.freeze(next, 12).figures.clone();
    assert_eq!(hall.mismatches(&figures).len(), 4);
}

// Any history.

const START: Date = date(2025, 11, 20);

fn any_cell(kinds: &'static [Kind]) -> impl Strategy<Value = TallyCell> {
    (0_i64..90, 0_u8..3, 0_u8..3, prop::sample::select(kinds)).prop_map(
        |(offset, window, department, kind)| TallyCell {
            day: START.saturating_add(Time::new().days(offset)),
            window: format!("w{window}"),
            department: if department == 0 { "-".into() } else { format!("d{department}") },
            kind,
        },
    )
}

/// What becomes of an act, and how many positions later.
#[derive(Debug, Clone)]
enum Fate {
    Stays,
    Voided(u64),
    Corrected(u64, TallyCell, i64),
}

fn any_fate() -> impl Strategy<Value = Fate> {
    let later = || 1_u64..40;
    prop_oneof![
        3 => Just(Fate::Stays),
        1 => later().prop_map(Fate::Voided),
        1 => (later(), any_cell(&Kind::ALL), 1_i64..50)
            .prop_map(|(later, cell, amount)| Fate::Corrected(later, cell, amount)),
    ]
}

fn any_hall() -> impl Strategy<Value = Hall> {
    let acts = prop::collection::vec((any_cell(&Kind::ALL), 1_i64..50, any_fate()), 0..60);
    let issues = prop::collection::vec((0_i64..9, 0_i64..8, 0_u64..25), 1..7);
    // Opening figures end before the first period; 42 days reach over New Year.
    let opening = prop::option::of((0_i64..9, 0_i64..1000));
    (acts, 0_i64..55, issues, opening).prop_map(|(acts, begin, issues, opening)| {
        let at = |offset| START.saturating_add(Time::new().days(offset));
        let opening = opening.map(|(gap, amount)| Opening {
            through: at(begin - 1 - gap),
            year_to_date: Tally {
                consulted: amount,
                accepted: amount / 2,
                issued: amount * 2,
                transferred: amount * 3,
            },
            last_number: 4,
            last_running_number: 424,
        });
        let mut effects = vec![];
        for (number, (cell, amount, fate)) in (1_u64..).zip(acts) {
            let mut add = |position, cell: &TallyCell, amount, events, cause| {
                let (cell, value) = (cell.clone(), TallyValue { amount, events });
                effects.push(Effect { position, cell, value, cause });
            };
            add(number, &cell, amount, 1, Cause::Late);
            match fate {
                Fate::Stays => {}
                Fate::Voided(later) => add(number + later, &cell, -amount, -1, Cause::Voiding),
                Fate::Corrected(later, other, people) => {
                    add(number + later, &cell, -amount, -1, Cause::Correction);
                    add(number + later, &other, people, 1, Cause::Correction);
                }
            }
        }
        // Facts about days of the opening figures are flagged and count nothing.
        let through = opening.as_ref().map(|it| it.through);
        effects.retain(|it| through.is_none_or(|through| it.cell.day > through));
        let mut definitions = definitions();
        definitions.push(definition("all", &Kind::ALL));
        let mut hall = Hall { definitions, opening, effects, issues: vec![] };
        let (mut first, mut cut) = (begin, 0);
        for (gap, length, positions) in issues {
            let last = first + length;
            cut += positions;
            hall.freeze(period(at(first), at(last)), cut);
            first = last + 1 + gap;
        }
        hall
    })
}

/// A sum over the record by its meaning, for one definition.
fn recount(hall: &Hall, definition: &Definition, cut: u64, of: impl Fn(Date) -> bool) -> i64 {
    let counted = hall.effects.iter().filter(|it| {
        it.position <= cut && definition.kinds.contains(&it.cell.kind) && of(it.cell.day)
    });
    counted.map(|it| it.value.amount).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn every_issue_of_any_consistent_history_comes_out(hall in any_hall()) {
        for number in 1..=hall.issues.len() {
            let then = Hall { issues: hall.issues[..number].to_vec(), ..hall.clone() };
            let it = then.issues.last().unwrap();
            prop_assert_eq!(then.mismatches(&it.figures), vec![]);
            let before = Hall { issues: hall.issues[..number - 1].to_vec(), ..hall.clone() };
            prop_assert_eq!(
                &before.take(it.period, it.cut, true), &it.figures, "sums of other days change nothing"
            );
            let year = it.period.year();
            let opening = hall.opening.as_ref().filter(|it| it.through.year() == year);
            let previous_last = before.previous_last();
            for definition in &hall.definitions {
                let of = |span| total(&it.figures, &definition.key, span);
                let count = |day: &dyn Fn(Date) -> bool| recount(&hall, definition, it.cut, day);
                let opened: i64 = opening.map_or(0, |it| {
                    definition.kinds.iter().map(|kind| it.year_to_date.get(*kind)).sum()
                });
                let last = it.period.last();
                prop_assert_eq!(of(Span::Week), count(&|day| it.period.contains(day)));
                prop_assert_eq!(
                    of(Span::Year), opened + count(&|day| day.year() == year && day <= last)
                );
                if let Some(previous_last) = previous_last {
                    let outside = |day| day > previous_last && day < it.period.first();
                    prop_assert_eq!(
                        of(Span::Outside) + of(Span::OutsideEarlier), count(&outside),
                        "no day between the periods is lost"
                    );
                    prop_assert_eq!(
                        of(Span::Outside), count(&|day| outside(day) && day.year() == year)
                    );
                }
            }
        }
    }

    #[test]
    fn every_span_is_its_base_and_what_its_reaches_hold(hall in any_hall()) {
        for number in 1..=hall.issues.len() {
            let it = &hall.issues[number - 1];
            let before = number.checked_sub(2).map(|at| &hall.issues[at]);
            let between = Between {
                period: it.period,
                opening_through: hall.opening.as_ref().map(|it| it.through),
                previous: before.map(|it| (it.period.last(), it.cut)),
            };
            for (definition, span, carry) in hall.definitions.iter().flat_map(|it| {
                Span::ALL.into_iter().flat_map(move |span| [(it, span, true), (it, span, false)])
            }) {
                let (base, reaches) = between.reaches(span, carry);
                let base = match (base, &hall.opening) {
                    (Base::Opening, Some(opening)) => {
                        definition.kinds.iter().map(|kind| opening.year_to_date.get(*kind)).sum()
                    }
                    (Base::Previous, _) => {
                        total(&before.unwrap().figures, &definition.key, Span::Year)
                    }
                    _ => 0,
                };
                let held: i64 = hall.effects.iter().filter(|effect| {
                    effect.position <= it.cut
                        && definition.kinds.contains(&effect.cell.kind)
                        && reaches.iter().any(|it| it.holds(effect.cell.day, effect.position))
                }).map(|it| it.value.amount).sum();
                prop_assert_eq!(
                    base + held, total(&it.figures, &definition.key, span), "{:?} {}", span, carry
                );
            }
        }
    }

    #[test]
    fn any_single_figure_that_is_changed_is_found(
        hall in any_hall(),
        index: prop::sample::Index,
        by in prop_oneof![Just(1_i64), Just(-1), any::<i64>()].prop_filter("a change", |it| *it != 0),
        in_events: bool,
    ) {
        let it = hall.issues.last().unwrap();
        let mut figures = it.figures.clone();
        let key = figures.keys().nth(index.index(figures.len())).unwrap().clone();
        let figure = figures.get_mut(&key).unwrap();
        if in_events {
            figure.events = figure.events.wrapping_add(by);
        } else {
            figure.amount = figure.amount.wrapping_add(by);
        }
        prop_assert_ne!(hall.mismatches(&figures), vec![], "{:?}", key);
        let before = Hall { issues: hall.issues[..hall.issues.len() - 1].to_vec(), ..hall.clone() };
        prop_assert_ne!(before.take(it.period, it.cut, false), figures);
    }

    #[test]
    fn any_single_figure_that_is_lost_is_found(hall in any_hall(), index: prop::sample::Index) {
        let it = hall.issues.last().unwrap();
        let mut figures = it.figures.clone();
        let key = figures.keys().nth(index.index(figures.len())).unwrap().clone();
        let lost = figures.remove(&key).unwrap();
        // A part of nothing changes no sum; only taking the figures again tells.
        if key.partition == Partition::Total || lost != Figure::default() {
            prop_assert_ne!(hall.mismatches(&figures), vec![], "{:?}", key);
        }
        let before = Hall { issues: hall.issues[..hall.issues.len() - 1].to_vec(), ..hall.clone() };
        prop_assert_ne!(before.take(it.period, it.cut, false), figures);
    }

    #[test]
    fn a_change_of_what_the_previous_issue_carried_is_found(
        hall in any_hall(),
        index in 0_usize..5,
        by in prop_oneof![-3_i64..=3, any::<i64>()].prop_filter("a change", |it| *it != 0),
    ) {
        let it = hall.issues.last().unwrap();
        let Some(carried) = hall.carried() else { return Ok(()) };
        let mut carried = carried.clone();
        let changed = key(&hall.definitions[index].key, Span::Year, Partition::Total, "");
        let figure = carried.get_mut(&changed).unwrap();
        figure.amount = figure.amount.wrapping_add(by);
        prop_assert_eq!(chain(&hall.definitions, &it.figures, Some(&carried)).len(), 1);
    }

    #[test]
    fn two_sums_are_the_same_or_every_difference_is_named(
        left in prop::collection::btree_map(0_u8..6, (-2_i64..3, -2_i64..3), 0..6),
        right in prop::collection::btree_map(0_u8..6, (-2_i64..3, -2_i64..3), 0..6),
    ) {
        let value = |(amount, events): (i64, i64)| TallyValue { amount, events };
        let left: BTreeMap<_, _> = left.into_iter().map(|(it, pair)| (it, value(pair))).collect();
        let right: BTreeMap<_, _> = right.into_iter().map(|(it, pair)| (it, value(pair))).collect();
        let of = |sums: &BTreeMap<u8, TallyValue>, key| sums.get(&key).copied().unwrap_or_default();
        let differences = (0..6).filter(|key| of(&left, *key) != of(&right, *key)).count();
        prop_assert_eq!(same("x", &left, &right).len(), differences);
        prop_assert_eq!(same("x", &right, &left).len(), differences);
        prop_assert_eq!(same("x", &left, &left), vec![]);
    }

    #[test]
    fn no_sum_is_too_large_to_be_refused_in_words(
        amounts in prop::collection::vec(any::<i64>(), 8),
        year_to_date in any::<i64>(),
    ) {
        // Amounts like these are in no honest record; they must not stop the projector.
        let effects: Vec<_> = (0_i64..)
            .zip(amounts)
            .map(|(it, amount)| {
                let day = FIFTH.0.saturating_add(Time::new().days(it - 4));
                effect(1, day, Kind::Accepted, amount)
            })
            .collect();
        let mut opening = opening(date(2023, 2, 1));
        opening.year_to_date.accepted = year_to_date;
        opening.year_to_date.add(Kind::Accepted, i64::MAX);
        let mut hall = Hall { opening: Some(opening), ..Hall::new(vec![]) };
        hall.definitions.push(definition("all", &Kind::ALL));
        let cells = effects.into_iter().map(|it| (it.cell, it.value)).collect();
        let figures = take(Source {
            definitions: &hall.definitions,
            period: period(FIFTH.0, FIFTH.1),
            opening: hall.opening.as_ref(),
            previous: None,
            cells: &cells,
            adjustments: &[],
        });
        let _ = hall.mismatches(&figures);
    }
}

#[test]
fn sums_that_do_not_come_out_say_by_how_much() {
    let mut hall = reference();
    let mut figures = hall.issues.pop().unwrap().figures;
    let changed = key("accepted", Span::Week, Partition::Window, "w01");
    figures.get_mut(&changed).unwrap().amount -= 1;
    let found = partitions(&hall.definitions, &figures);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].code, Code::SumsDiffer);
    assert!(found[0].text.contains("合计 94") && found[0].text.contains("Σwindow 93"), "{found:?}");
    assert!(found[0].text.ends_with("差 1"), "{found:?}");
}
