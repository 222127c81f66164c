//! The working calendar against the committed holiday notices of 2022 to 2026.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use jiff::civil::{Date, Weekday, date};
use proptest::prelude::*;
use zhoubao_domain::calendar::{
    Calendar, NamedDay, NoSchedule, PERIOD_DAYS_MAX, Period, PeriodError, Schedule, ScheduleError,
    days_outside, week_monday,
};
use zhoubao_domain::code::Code;

const FILES: [(i16, &str); 5] = [
    (2022, include_str!("../../../data/calendars/2022.json")),
    (2023, include_str!("../../../data/calendars/2023.json")),
    (2024, include_str!("../../../data/calendars/2024.json")),
    (2025, include_str!("../../../data/calendars/2025.json")),
    (2026, include_str!("../../../data/calendars/2026.json")),
];

const FIRST_DAY: Date = date(2022, 1, 1);
const LAST_DAY: Date = date(2026, 12, 31);

/// Reads a committed file, which has one field or one day a line. This crate knows no JSON.
fn read(year: i16, text: &str) -> Result<Schedule, ScheduleError> {
    let (mut notice, mut off, mut work) = (None, Vec::new(), Vec::new());
    let mut list: Option<&mut Vec<NamedDay>> = None;
    for line in text.lines() {
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        match quoted[..] {
            ["year"] => assert_eq!(line, format!("  \"year\": {year},")),
            ["notice", text] => notice = Some(text.to_owned()),
            ["off"] => list = Some(&mut off),
            ["work"] => list = Some(&mut work),
            ["date", date, "name", name] => {
                let day = NamedDay { date: date.parse().unwrap(), name: name.to_owned() };
                list.as_mut().unwrap().push(day);
            }
            [] => {}
            _ => panic!("unexpected line {line:?}"),
        }
    }
    Schedule::new(year, notice.unwrap(), off, work)
}

fn calendar() -> Calendar {
    FILES.into_iter().map(|(year, text)| read(year, text).unwrap()).collect()
}

/// The calendar of some of the committed years only.
fn calendar_of(years: &[i16]) -> Calendar {
    calendar().iter().filter(|schedule| years.contains(&schedule.year())).cloned().collect()
}

fn day(date: Date) -> NamedDay {
    NamedDay { date, name: "元旦".to_owned() }
}

fn period(first: Date, last: Date) -> Period {
    Period::new(first, last).unwrap()
}

fn days(first: Date, last: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.tomorrow().ok())
        .take_while(move |day| *day <= last)
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// Every default period of the committed years, week by week. The last week is left out: 2027
/// decides where it ends.
fn all_periods(calendar: &Calendar) -> Vec<Period> {
    days(date(2022, 1, 3), date(2026, 12, 21))
        .step_by(7)
        .filter_map(|monday| calendar.default_period_of_week(monday).unwrap())
        .collect()
}

// Schedules.

#[track_caller]
fn refused(
    year: i16,
    notice: &str,
    off: &[Date],
    work: &[Date],
    expected: ScheduleError,
    text: &str,
) {
    let named = |dates: &[Date]| dates.iter().copied().map(day).collect();
    let error = Schedule::new(year, notice.to_owned(), named(off), named(work)).unwrap_err();
    assert_eq!(error, expected);
    assert_eq!(error.code(), Code::Schedule);
    assert_eq!(error.to_string(), text);
}

#[test]
fn the_committed_schedules_name_their_notice_and_their_days() {
    let calendar = calendar();
    let counts: Vec<_> =
        calendar.iter().map(|it| (it.year(), it.off().len(), it.work().len())).collect();
    assert_eq!(counts, [(2022, 32, 7), (2023, 26, 7), (2024, 28, 8), (2025, 28, 5), (2026, 33, 6)]);
    for schedule in calendar.iter() {
        assert!(schedule.notice().starts_with("国"), "{}", schedule.notice());
    }
    assert!(calendar.schedule(2023).unwrap().notice().starts_with("国办发明电〔2022〕16号"));
}

#[test]
fn the_committed_schedule_of_2023_says_what_the_notice_of_2022_no_16_says() {
    let schedule = calendar().schedule(2023).unwrap().clone();
    let off: Vec<Date> = schedule.off().iter().map(|day| day.date).collect();
    let notice: Vec<Date> = [
        days(date(2023, 1, 1), date(2023, 1, 2)),
        days(date(2023, 1, 21), date(2023, 1, 27)),
        days(date(2023, 4, 5), date(2023, 4, 5)),
        days(date(2023, 4, 29), date(2023, 5, 3)),
        days(date(2023, 6, 22), date(2023, 6, 24)),
        days(date(2023, 9, 29), date(2023, 10, 6)),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert_eq!(off, notice);
    let work: Vec<String> = schedule.work().iter().map(|day| day.date.to_string()).collect();
    assert_eq!(
        work,
        [
            "2023-01-28",
            "2023-01-29",
            "2023-04-23",
            "2023-05-06",
            "2023-06-25",
            "2023-10-07",
            "2023-10-08"
        ]
    );
}

#[test]
fn a_day_that_the_notice_of_the_next_year_names_stands_in_the_schedule_of_its_own_year() {
    let calendar = calendar();
    let last = calendar.schedule(2022).unwrap().off().last().unwrap().clone();
    assert_eq!(last, day(date(2022, 12, 31)));
}

#[test]
fn a_schedule_does_not_depend_on_the_order_of_its_days() {
    let (first, second) = (day(date(2023, 1, 1)), day(date(2023, 1, 2)));
    let make = |off| Schedule::new(2023, "notice".to_owned(), off, vec![]).unwrap();
    let schedule = make(vec![second.clone(), first.clone()]);
    assert_eq!(schedule.off(), [first.clone(), second.clone()]);
    assert_eq!(schedule, make(vec![first, second]));
}

#[test]
fn a_schedule_without_a_usable_year_is_refused() {
    for year in [i16::MIN, -2023, 0, 23, 999, 9999, i16::MAX] {
        refused(
            year,
            "notice",
            &[date(2023, 1, 1)],
            &[],
            ScheduleError::YearOutOfRange { year },
            &format!(
                "{year} is not a year of a holiday calendar, expected four digits such as 2023"
            ),
        );
    }
}

#[test]
fn a_schedule_without_provenance_is_refused() {
    for notice in ["", " \n", "\u{3000}"] {
        refused(
            2023,
            notice,
            &[date(2023, 1, 1)],
            &[],
            ScheduleError::EmptyNotice { year: 2023 },
            "the holiday calendar of 2023 does not say which notice it comes from",
        );
    }
}

#[test]
fn a_schedule_without_a_day_off_is_refused() {
    refused(
        2023,
        "notice",
        &[],
        &[date(2023, 1, 28)],
        ScheduleError::NoDaysOff { year: 2023 },
        "the holiday calendar of 2023 lists no day off",
    );
}

#[test]
fn a_day_of_another_year_is_refused_in_both_lists() {
    let error = |date| ScheduleError::DateOfAnotherYear { year: 2023, date };
    refused(
        2023,
        "notice",
        &[date(2023, 1, 1), date(2022, 12, 31)],
        &[],
        error(date(2022, 12, 31)),
        "2022-12-31 is not a day of 2023: list it in the holiday calendar of its own year",
    );
    refused(
        2023,
        "notice",
        &[date(2023, 1, 1)],
        &[date(2024, 2, 4)],
        error(date(2024, 2, 4)),
        "2024-02-04 is not a day of 2023: list it in the holiday calendar of its own year",
    );
}

#[test]
fn a_day_listed_twice_is_refused_within_a_list_and_across_both() {
    let (off, saturday) = (date(2023, 1, 1), date(2023, 1, 28));
    let text = |date| format!("{date} is listed twice: a day is either off or working, once");
    let error = |date| ScheduleError::ListedTwice { date };
    refused(2023, "notice", &[off, off], &[], error(off), &text(off));
    refused(2023, "notice", &[off], &[saturday, saturday], error(saturday), &text(saturday));
    refused(2023, "notice", &[off, saturday], &[saturday], error(saturday), &text(saturday));
}

#[test]
fn a_make_up_day_on_a_monday_to_friday_is_refused() {
    for weekday in days(date(2023, 2, 6), date(2023, 2, 10)) {
        refused(
            2023,
            "notice",
            &[date(2023, 1, 1)],
            &[date(2023, 1, 28), weekday],
            ScheduleError::WorkOnWeekday { date: weekday },
            &format!(
                "{weekday} is not a Saturday or Sunday, so it cannot be a make-up working day"
            ),
        );
    }
}

#[test]
fn a_schedule_published_again_replaces_that_of_its_year() {
    let mut calendar = calendar();
    let amended =
        Schedule::new(2023, "amended".to_owned(), vec![day(date(2023, 2, 6))], vec![]).unwrap();
    let replaced = calendar.insert(amended.clone()).unwrap();
    assert_eq!(replaced.off().len(), 26);
    assert_eq!(calendar.schedule(2023), Ok(&amended));
    assert_eq!(calendar.is_working(date(2023, 2, 6)), Ok(false));
    assert_eq!(calendar.iter().count(), 5);
}

// Days.

#[test]
fn holidays_and_make_up_days_override_the_weekday() {
    let calendar = calendar();
    let table = [
        (date(2023, 1, 2), false),   // Monday, 元旦
        (date(2023, 1, 20), true),   // Friday before 春节
        (date(2023, 1, 21), false),  // Saturday, 春节
        (date(2023, 1, 27), false),  // Friday, 春节
        (date(2023, 1, 28), true),   // Saturday, made up
        (date(2023, 1, 29), true),   // Sunday, made up
        (date(2023, 1, 30), true),   // Monday
        (date(2023, 2, 4), false),   // Saturday
        (date(2023, 2, 5), false),   // Sunday
        (date(2022, 12, 31), false), // Saturday, 元旦
        (date(2024, 12, 31), true),  // Tuesday
        (date(2026, 1, 4), true),    // Sunday, made up
    ];
    for (date, working) in table {
        assert_eq!(calendar.is_working(date), Ok(working), "{date}");
    }
}

#[test]
fn a_year_without_a_schedule_is_refused_and_the_sentence_says_what_to_do() {
    let calendar = calendar();
    for date in [date(2027, 1, 1), date(2027, 6, 12), date(2021, 12, 31), date(2021, 6, 1)] {
        assert_eq!(calendar.is_working(date), Err(NoSchedule { year: date.year() }));
    }
    let error = calendar.is_working(date(2027, 3, 1)).unwrap_err();
    assert_eq!(error.code(), Code::NoSchedule);
    assert_eq!(
        error.to_string(),
        "there is no working calendar for 2027: publish the calendar of that year from the State \
         Council's holiday notice, then try again"
    );
}

#[test]
fn working_days_include_make_up_weekends() {
    let calendar = calendar();
    assert_eq!(
        calendar.working_days(date(2023, 1, 20)..=date(2023, 1, 30)),
        Ok(vec![date(2023, 1, 20), date(2023, 1, 28), date(2023, 1, 29), date(2023, 1, 30)])
    );
    assert_eq!(calendar.working_days(date(2023, 1, 21)..=date(2023, 1, 27)), Ok(vec![]));
}

#[test]
fn working_days_of_an_empty_range_are_none_and_need_no_schedule() {
    let backwards = date(2031, 1, 30)..=date(2031, 1, 20);
    assert_eq!(calendar().working_days(backwards), Ok(vec![]));
}

#[test]
fn working_days_that_touch_a_year_without_a_schedule_are_refused() {
    let calendar = calendar();
    assert_eq!(
        calendar.working_days(date(2026, 12, 1)..=date(2027, 1, 1)),
        Err(NoSchedule { year: 2027 })
    );
    assert_eq!(
        calendar.working_days(date(2021, 12, 31)..=date(2022, 1, 7)),
        Err(NoSchedule { year: 2021 })
    );
}

#[test]
fn the_years_have_as_many_working_days_as_their_notices_leave() {
    let calendar = calendar();
    let count = |year| {
        let year = date(year, 1, 1)..=date(year, 12, 31);
        calendar.working_days(year).unwrap().len()
    };
    assert_eq!([2022, 2023, 2024, 2025, 2026].map(count), [249, 249, 251, 248, 248]);
}

#[test]
fn the_reference_issue_is_dated_six_working_days_after_its_period() {
    let calendar = calendar();
    assert_eq!(calendar.add_working_days(date(2023, 2, 10), 6), Ok(date(2023, 2, 20)));
}

#[test]
fn the_day_of_the_cause_does_not_count_in_a_statutory_clock() {
    let calendar = calendar();
    // On a working day, on a holiday, and across the Spring Festival with its make-up days.
    assert_eq!(calendar.add_working_days(date(2023, 2, 6), 5), Ok(date(2023, 2, 13)));
    assert_eq!(calendar.add_working_days(date(2023, 2, 5), 5), Ok(date(2023, 2, 10)));
    assert_eq!(calendar.add_working_days(date(2023, 1, 19), 5), Ok(date(2023, 1, 31)));
    assert_eq!(calendar.add_working_days(date(2023, 1, 21), 0), Ok(date(2023, 1, 21)));
}

#[test]
fn a_clock_that_runs_into_a_year_without_a_schedule_is_refused() {
    let calendar = calendar();
    assert_eq!(calendar.add_working_days(date(2026, 12, 30), 1), Ok(date(2026, 12, 31)));
    assert_eq!(calendar.add_working_days(date(2026, 12, 30), 2), Err(NoSchedule { year: 2027 }));
    assert_eq!(
        calendar.add_working_days(date(2026, 12, 30), u32::MAX),
        Err(NoSchedule { year: 2027 })
    );
}

#[test]
fn a_clock_may_start_on_the_eve_of_the_first_schedule() {
    // Only the days after the cause are asked for.
    assert_eq!(calendar().next_working_day(date(2021, 12, 31)), Ok(date(2022, 1, 4)));
    assert_eq!(calendar().next_working_day(date(2021, 12, 30)), Err(NoSchedule { year: 2021 }));
}

#[test]
fn the_ends_of_time_are_refused_like_any_year_without_a_schedule() {
    let calendar = calendar();
    for (after, year) in [(Date::MIN, -9999), (Date::MAX, 10000), (date(9999, 12, 30), 9999)] {
        let refused = NoSchedule { year };
        assert_eq!(calendar.next_working_day(after), Err(refused));
        assert_eq!(calendar.next_default_period(after), Err(refused));
    }
    for year in [i16::MIN, -9999, 9999, i16::MAX] {
        assert_eq!(calendar.default_periods(year), Err(NoSchedule { year }));
    }
    assert!(days_outside(Some(Date::MAX), Date::MAX).next().is_none());
    assert!(week_monday(Date::MIN) <= week_monday(Date::MAX));
}

// Periods.

#[test]
fn a_period_is_written_with_both_ends() {
    let period = period(date(2023, 2, 6), date(2023, 2, 10));
    assert_eq!(period.to_string(), "2023-02-06..2023-02-10");
    assert_eq!((period.first(), period.last()), (date(2023, 2, 6), date(2023, 2, 10)));
    assert_eq!(period.days().count(), 5);
    assert!(period.days().all(|day| period.contains(day)));
    assert!(!period.contains(date(2023, 2, 5)) && !period.contains(date(2023, 2, 11)));
}

#[test]
fn a_period_belongs_to_the_year_of_its_last_day() {
    assert_eq!(period(date(2024, 12, 30), date(2025, 1, 3)).year(), 2025);
    assert_eq!(period(date(2025, 12, 29), date(2025, 12, 31)).year(), 2025);
}

#[test]
fn figures_from_outside_may_cover_a_year() {
    let year = Period::of_figures(date(2023, 1, 1), date(2023, 12, 31)).unwrap();
    assert_eq!(year.days().count(), 365);
    let (first, last) = (date(2023, 2, 2), date(2023, 2, 1));
    assert_eq!(Period::of_figures(first, last), Err(PeriodError::Reversed { first, last }));
}

#[test]
fn the_period_before_is_of_the_same_kind() {
    let text = |it: Option<Period>| it.map(|it| it.to_string()).unwrap_or_default();
    let february = period(date(2023, 2, 1), date(2023, 2, 28));
    assert_eq!(text(february.before(0)), "2023-02-01..2023-02-28");
    assert_eq!(text(february.before(1)), "2023-01-01..2023-01-31");
    assert_eq!(text(february.before(2)), "2022-12-01..2022-12-31");
    let week = period(date(2023, 2, 6), date(2023, 2, 10));
    assert_eq!(text(week.before(1)), "2023-01-30..2023-02-03");
    let whole_week = period(date(2023, 2, 6), date(2023, 2, 12));
    assert_eq!(text(whole_week.before(6)), "2022-12-26..2023-01-01");
    let ten_days = period(date(2023, 2, 11), date(2023, 2, 20));
    assert_eq!(text(ten_days.before(1)), "2023-02-01..2023-02-10");
    // Half of a month is none, whichever half.
    let first_half = period(date(2023, 2, 1), date(2023, 2, 10));
    assert_eq!(text(first_half.before(1)), "2023-01-22..2023-01-31");
    let second_half = period(date(2023, 2, 19), date(2023, 2, 28));
    assert_eq!(text(second_half.before(1)), "2023-02-09..2023-02-18");
    assert_eq!(february.before(u32::MAX), None);
    assert_eq!(week.before(u32::MAX), None);
}

#[test]
fn the_same_period_a_year_before() {
    let text = |it: Period| it.a_year_before().unwrap().to_string();
    // 2024 is a leap year: a month stays whole both ways.
    assert_eq!(text(period(date(2024, 2, 1), date(2024, 2, 29))), "2023-02-01..2023-02-28");
    assert_eq!(text(period(date(2025, 2, 1), date(2025, 2, 28))), "2024-02-01..2024-02-29");
    assert_eq!(text(period(date(2023, 2, 11), date(2023, 2, 20))), "2022-02-11..2022-02-20");
    // A week is compared with a week, Monday with Monday.
    assert_eq!(text(period(date(2023, 2, 6), date(2023, 2, 12))), "2022-02-07..2022-02-13");
}

#[test]
fn a_period_has_one_to_sixty_two_days() {
    let first = date(2023, 7, 1);
    assert_eq!(period(first, first).days().count(), 1);
    let longest = period(first, date(2023, 8, 31));
    assert_eq!(longest.days().count(), PERIOD_DAYS_MAX);

    let last = date(2023, 9, 1);
    let error = Period::new(first, last).unwrap_err();
    assert_eq!(error, PeriodError::TooLong { first, last });
    assert_eq!(error.code(), Code::Malformed);
    assert_eq!(
        error.to_string(),
        "2023-07-01 to 2023-09-01 is longer than 62 days, the most that one issue covers"
    );
}

#[test]
fn a_period_that_ends_before_it_begins_is_refused() {
    let (first, last) = (date(2023, 2, 10), date(2023, 2, 6));
    let error = Period::new(first, last).unwrap_err();
    assert_eq!(error, PeriodError::Reversed { first, last });
    assert_eq!(error.code(), Code::Malformed);
    assert_eq!(
        error.to_string(),
        "a period cannot end on 2023-02-06, before it begins on 2023-02-10"
    );
}

#[test]
fn the_fifth_period_of_2023_is_that_of_the_reference_issue() {
    let periods = calendar().default_periods(2023).unwrap();
    let first: Vec<String> = periods.iter().take(5).map(Period::to_string).collect();
    assert_eq!(
        first,
        [
            "2023-01-03..2023-01-06",
            "2023-01-09..2023-01-13",
            "2023-01-16..2023-01-20",
            "2023-01-30..2023-02-03",
            "2023-02-06..2023-02-10",
        ]
    );
}

#[test]
fn a_week_with_make_up_days_only_earns_no_period() {
    let calendar = calendar();
    for day in days(date(2023, 1, 23), date(2023, 1, 29)) {
        assert_eq!(calendar.default_period_of_week(day), Ok(None));
    }
    assert_eq!(calendar.is_working(date(2023, 1, 28)), Ok(true));
}

#[test]
fn a_holiday_inside_a_week_does_not_split_its_period() {
    // Wednesday 5 April 2023 was 清明.
    assert_eq!(
        calendar().default_period_of_week(date(2023, 4, 5)),
        Ok(Some(period(date(2023, 4, 3), date(2023, 4, 7))))
    );
}

#[test]
fn a_single_working_weekday_before_a_holiday_earns_a_period() {
    // Monday before 国庆节 2024 and before 春节 2025.
    for monday in [date(2024, 9, 30), date(2025, 1, 27)] {
        let of_week = calendar().default_period_of_week(monday);
        assert_eq!(of_week, Ok(Some(period(monday, monday))));
    }
}

#[test]
fn a_week_that_crosses_new_year_belongs_to_the_year_of_its_last_working_weekday() {
    let calendar = calendar();
    let into_2025 = period(date(2024, 12, 30), date(2025, 1, 3));
    assert_eq!(calendar.default_period_of_week(date(2025, 1, 1)), Ok(Some(into_2025)));
    assert_eq!(calendar.default_periods(2025).unwrap().first(), Some(&into_2025));
    assert_ne!(calendar.default_periods(2024).unwrap().last(), Some(&into_2025));

    // Thursday and Friday, 1 and 2 January 2026, are off: the week ends in 2025.
    let in_2025 = period(date(2025, 12, 29), date(2025, 12, 31));
    assert_eq!(calendar.default_periods(2025).unwrap().last(), Some(&in_2025));
}

#[test]
fn a_week_that_crosses_new_year_needs_the_schedules_of_both_years() {
    let only_2024 = calendar_of(&[2024]);
    let refused = NoSchedule { year: 2025 };
    assert_eq!(only_2024.default_period_of_week(date(2024, 12, 30)), Err(refused));
    assert_eq!(only_2024.default_periods(2024), Err(refused));

    let only_2025 = calendar_of(&[2025]);
    let refused = NoSchedule { year: 2024 };
    assert_eq!(only_2025.default_period_of_week(date(2025, 1, 3)), Err(refused));
    assert_eq!(only_2025.default_periods(2025), Err(refused));
}

#[test]
fn a_neighbouring_year_is_not_asked_for_without_need() {
    // 1 and 2 January 2022 are a weekend, and so is 31 December 2022 with 1 January 2023.
    let only_2022 = calendar_of(&[2022]);
    assert_eq!(only_2022.default_periods(2022), calendar().default_periods(2022));
    assert_eq!(
        only_2022.default_period_of_week(date(2023, 1, 1)),
        Ok(Some(period(date(2022, 12, 26), date(2022, 12, 30))))
    );
    // 1 and 2 January 2026 are off, so the week that holds them cannot end in 2026.
    let from_2026 = calendar_of(&[2026]);
    assert_eq!(from_2026.default_periods(2026), Err(NoSchedule { year: 2027 }));
    let mut with_2027 = from_2026;
    with_2027.insert(
        Schedule::new(2027, "notice".to_owned(), vec![day(date(2027, 1, 1))], vec![]).unwrap(),
    );
    let periods = with_2027.default_periods(2026).unwrap();
    assert_eq!(periods.first(), Some(&period(date(2026, 1, 5), date(2026, 1, 9))));
    assert_eq!(periods.last(), Some(&period(date(2026, 12, 28), date(2026, 12, 31))));
}

#[test]
fn years_without_a_schedule_have_no_periods_to_tell() {
    let calendar = calendar();
    for year in [2021, 2027] {
        assert_eq!(calendar.default_periods(year), Err(NoSchedule { year }));
    }
    assert_eq!(
        calendar.default_periods(2026),
        Err(NoSchedule { year: 2027 }),
        "Friday 1 January 2027 decides where the last period of 2026 ends"
    );
    assert_eq!(calendar.next_default_period(date(2026, 12, 21)), Err(NoSchedule { year: 2027 }));
    assert_eq!(calendar.default_period_of_week(date(2021, 12, 31)), Err(NoSchedule { year: 2021 }));
}

#[test]
fn the_next_default_period_begins_after_the_day_asked_for() {
    let calendar = calendar();
    let table = [
        // Strictly after: from its own first day one gets the following one.
        (date(2023, 2, 5), date(2023, 2, 6)),
        (date(2023, 2, 6), date(2023, 2, 13)),
        (date(2023, 2, 10), date(2023, 2, 13)),
        (date(2023, 2, 11), date(2023, 2, 13)),
        // The week of the Spring Festival is skipped, make-up weekend and all.
        (date(2023, 1, 16), date(2023, 1, 30)),
        (date(2023, 1, 29), date(2023, 1, 30)),
        // Monday 2 January 2023 is off, the period of its week is still to come.
        (date(2023, 1, 1), date(2023, 1, 3)),
        (date(2023, 1, 2), date(2023, 1, 3)),
        (date(2023, 1, 3), date(2023, 1, 9)),
    ];
    for (after, first) in table {
        assert_eq!(calendar.next_default_period(after).unwrap().first(), first, "after {after}");
    }
}

#[test]
fn the_next_default_period_does_not_ask_for_the_year_of_a_week_that_is_over() {
    // Friday 31 December 2021 is the last weekday of its week.
    for after in [date(2021, 12, 31), date(2022, 1, 1), date(2022, 1, 2)] {
        let next = calendar().next_default_period(after);
        assert_eq!(next, Ok(period(date(2022, 1, 4), date(2022, 1, 7))));
    }
    let thursday = date(2021, 12, 30);
    assert_eq!(calendar().next_default_period(thursday), Err(NoSchedule { year: 2021 }));
}

#[test]
fn walking_from_period_to_period_gives_the_periods_of_all_weeks() {
    let calendar = calendar();
    let mut walked = Vec::new();
    let mut after = date(2021, 12, 31);
    let end = loop {
        match calendar.next_default_period(after) {
            Ok(period) => {
                after = period.first();
                walked.push(period);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(end, NoSchedule { year: 2027 });
    assert_eq!(walked, all_periods(&calendar));
}

#[test]
fn the_periods_of_the_years_are_those_of_all_weeks() {
    let calendar = calendar();
    let periods = all_periods(&calendar);
    for (year, count) in [(2022, 50), (2023, 50), (2024, 51), (2025, 53)] {
        let of_year: Vec<Period> =
            periods.iter().filter(|period| period.year() == year).copied().collect();
        assert_eq!(calendar.default_periods(year), Ok(of_year.clone()));
        assert_eq!(of_year.len(), count, "{year}");
    }
}

#[test]
fn periods_are_disjoint_and_in_order_and_each_lies_within_one_week() {
    let periods = all_periods(&calendar());
    assert!(periods.windows(2).all(|pair| pair[0].last() < pair[1].first()));
    for period in periods {
        assert_eq!(week_monday(period.first()), week_monday(period.last()), "{period}");
        assert!(!period.days().any(is_weekend), "{period}");
    }
}

#[test]
fn every_working_weekday_lies_in_one_period_and_make_up_days_lie_in_none() {
    let calendar = calendar();
    let periods = all_periods(&calendar);
    let mut make_up_days = 0;
    for day in days(FIRST_DAY, date(2026, 12, 27)) {
        let periods = periods.iter().filter(|period| period.contains(day)).count();
        let working = calendar.is_working(day).unwrap();
        if is_weekend(day) {
            assert_eq!(periods, 0, "{day}");
            make_up_days += usize::from(working);
        } else if working {
            assert_eq!(periods, 1, "{day}");
        }
    }
    assert_eq!(make_up_days, 7 + 7 + 8 + 5 + 6);
}

#[test]
fn a_period_begins_and_ends_on_a_working_day() {
    let calendar = calendar();
    for period in all_periods(&calendar) {
        assert_eq!(calendar.is_working(period.first()), Ok(true), "{period}");
        assert_eq!(calendar.is_working(period.last()), Ok(true), "{period}");
    }
}

// Days outside of periods.

#[track_caller]
fn outside(previous_last: Option<Date>, next_first: Date, expected: &[Date]) {
    let days: Vec<Date> = days_outside(previous_last, next_first).collect();
    assert_eq!(days, expected);
}

#[test]
fn the_days_between_two_periods_are_outside() {
    outside(Some(date(2023, 2, 3)), date(2023, 2, 6), &[date(2023, 2, 4), date(2023, 2, 5)]);
    let spring_festival: Vec<Date> = days(date(2023, 1, 21), date(2023, 1, 29)).collect();
    assert!(spring_festival.contains(&date(2023, 1, 28)));
    outside(Some(date(2023, 1, 20)), date(2023, 1, 30), &spring_festival);
}

#[test]
fn the_days_before_the_first_period_are_outside_from_new_year_on() {
    outside(None, date(2023, 1, 3), &[date(2023, 1, 1), date(2023, 1, 2)]);
    outside(None, date(2023, 1, 1), &[]);
}

#[test]
fn the_days_outside_cross_new_year() {
    outside(
        Some(date(2022, 12, 30)),
        date(2023, 1, 3),
        &[date(2022, 12, 31), date(2023, 1, 1), date(2023, 1, 2)],
    );
}

#[test]
fn periods_that_touch_or_overlap_leave_no_day_outside() {
    outside(Some(date(2023, 2, 5)), date(2023, 2, 6), &[]);
    outside(Some(date(2023, 2, 6)), date(2023, 2, 6), &[]);
    outside(Some(date(2023, 2, 10)), date(2023, 2, 6), &[]);
}

#[test]
fn periods_and_days_outside_cover_every_day_once() {
    let calendar = calendar();
    let mut covered = Vec::new();
    let mut previous = None;
    for period in all_periods(&calendar) {
        covered.extend(days_outside(previous, period.first()));
        covered.extend(period.days());
        previous = Some(period.last());
    }
    let expected: Vec<Date> = days(FIRST_DAY, date(2026, 12, 25)).collect();
    assert_eq!(covered, expected);
}

#[test]
fn the_week_begins_on_monday() {
    for day in days(date(2023, 2, 6), date(2023, 2, 12)) {
        assert_eq!(week_monday(day), date(2023, 2, 6));
    }
    assert_eq!(week_monday(date(2023, 1, 1)), date(2022, 12, 26));
}

// Properties.

/// A day of the committed years.
fn any_day() -> impl Strategy<Value = Date> {
    let count = days(FIRST_DAY, LAST_DAY).count();
    (0..count).prop_map(|n| days(FIRST_DAY, LAST_DAY).nth(n).unwrap())
}

proptest! {
    #[test]
    fn a_clock_of_n_days_ends_on_the_nth_working_day_after_its_cause(
        start in any_day(),
        n in 1u32..80,
    ) {
        let calendar = calendar();
        match calendar.add_working_days(start, n) {
            Ok(end) => {
                let counted = calendar.working_days(start.tomorrow().unwrap()..=end).unwrap();
                prop_assert_eq!(counted.len(), n as usize);
                prop_assert_eq!(counted.last(), Some(&end));
            }
            Err(refused) => {
                // There are not enough working days left in the last year.
                prop_assert_eq!(refused, NoSchedule { year: 2027 });
                let left = calendar.working_days(start..=LAST_DAY).unwrap();
                let left = left.into_iter().filter(|day| *day > start).count();
                prop_assert!(left < n as usize);
            }
        }
    }

    #[test]
    fn clocks_add_up(start in any_day(), a in 0u32..40, b in 0u32..40) {
        let calendar = calendar();
        let in_two_steps =
            calendar.add_working_days(start, a).and_then(|day| calendar.add_working_days(day, b));
        prop_assert_eq!(in_two_steps, calendar.add_working_days(start, a + b));
    }

    #[test]
    fn a_later_start_never_ends_a_clock_earlier(x in any_day(), y in any_day(), n in 0u32..40) {
        let calendar = calendar();
        let (earlier, later) = (x.min(y), x.max(y));
        match (calendar.add_working_days(earlier, n), calendar.add_working_days(later, n)) {
            (Ok(earlier), Ok(later)) => prop_assert!(earlier <= later),
            (Err(_), Ok(_)) => prop_assert!(false, "the earlier clock was refused"),
            (_, Err(refused)) => prop_assert_eq!(refused, NoSchedule { year: 2027 }),
        }
    }

    #[test]
    fn a_period_knows_its_days(
        start in any_day(),
        count in 1usize..=PERIOD_DAYS_MAX,
        probe in any_day(),
    ) {
        let expected: Vec<Date> = days(start, Date::MAX).take(count).collect();
        let period = period(start, *expected.last().unwrap());
        prop_assert_eq!(period.contains(probe), expected.contains(&probe));
        prop_assert_eq!(period.days().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn days_outside_lie_strictly_between(x in any_day(), y in any_day()) {
        let (last, first) = (x.min(y), x.max(y));
        let outside: Vec<Date> = days_outside(Some(last), first).collect();
        let expected: Vec<Date> =
            days(last, first).filter(|day| *day > last && *day < first).collect();
        prop_assert_eq!(outside, expected);
    }
}
