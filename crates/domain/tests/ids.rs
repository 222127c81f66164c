//! One spelling each: ids, subjects, references, digests, words, and the catalogue of codes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use jiff::civil::date;
use proptest::prelude::*;
use zhoubao_domain::calendar::{NamedDay, NoSchedule, Period, Schedule};
use zhoubao_domain::code::{Code, Weight};
use zhoubao_domain::event::{Kind, Right};
use zhoubao_domain::figure::{Cause, Partition, Span};
use zhoubao_domain::id::{
    CaseId, DepartmentId, DeskTopic, Digest, EventRef, HallCode, MatterId, ObjectId, SetupTopic,
    Stream, Subject, TerminalId, UserId, WindowId,
};

#[track_caller]
fn kept<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug,
{
    assert_eq!(text.parse::<T>().unwrap().to_string(), text);
}

#[track_caller]
fn refused<T: FromStr + Debug>(text: &str)
where
    T::Err: Display,
{
    let error = text.parse::<T>().unwrap_err().to_string();
    assert!(error.contains(" is not "), "{error}");
}

#[test]
fn a_hall_code_is_six_digits() {
    for text in ["510000", "000000", "999999"] {
        kept::<HallCode>(text);
    }
    for text in [
        "",
        "51000",
        "5100000",
        "51000a",
        "+10000",
        " 51000",
        "510000 ",
        "５１００００",
        "51.000",
        "五一零零零零",
    ] {
        refused::<HallCode>(text);
    }
}

#[test]
fn a_training_hall_is_told_by_its_code_and_kept_apart_from_real_ones() {
    let code = |text: &str| text.parse::<HallCode>().unwrap();
    for (text, is_training) in [("510000", false), ("820000", false), ("951000", true)] {
        assert_eq!(code(text).is_training(), is_training, "{text}");
    }
    let apart = |one: &str, other: &str| code(one).apart(&code(other), Code::UnknownHall);
    assert_eq!(apart("510000", "951000"), Code::TrainingHall);
    assert_eq!(apart("951000", "510000"), Code::TrainingHall);
    assert_eq!(apart("510000", "510100"), Code::UnknownHall);
    assert_eq!(apart("951000", "951010"), Code::UnknownHall);
}

fn tokens<T: FromStr + Display + PartialEq + Debug>(length_max: usize)
where
    T::Err: Debug + Display,
{
    for text in ["a", "w01", "W-01_b", "-", "0", &"x".repeat(length_max)] {
        kept::<T>(text);
    }
    for text in [
        "",
        " ",
        "a b",
        "a.b",
        "a*",
        "a>",
        "a/b",
        "a#1",
        "é",
        "窗口",
        "a\n",
        "a\0",
        &"x".repeat(length_max + 1),
    ] {
        refused::<T>(text);
    }
}

#[test]
fn tokens_are_short_ascii_and_safe_in_subjects() {
    tokens::<TerminalId>(32);
    tokens::<WindowId>(32);
    tokens::<DepartmentId>(32);
    tokens::<UserId>(32);
    tokens::<MatterId>(64);
    tokens::<ObjectId>(64);
}

#[test]
fn a_case_number_is_any_visible_text() {
    for text in [
        "1",
        "2023-0001",
        "川政务〔2023〕12号",
        "a.b/c#1",
        "焜",
        &"件".repeat(64),
        &"𠮷".repeat(64),
    ] {
        kept::<CaseId>(text);
    }
    for text in
        ["", " ", "a b", "a\tb", "a\u{3000}b", "a\u{a0}", "a\u{7f}", "a\0", &"件".repeat(65)]
    {
        refused::<CaseId>(text);
    }
    // What a paste brings along unseen would give one case two names that look alike.
    for invisible in
        ["\u{feff}", "\u{200b}", "\u{200e}", "\u{202a}", "\u{202e}", "\u{2060}", "\u{ad}"]
    {
        refused::<CaseId>(&format!("{invisible}2023-0001"));
        refused::<CaseId>(&format!("2023-0001{invisible}"));
    }
}

#[test]
fn streams_and_subjects_have_one_spelling() {
    for text in [
        "terminal.w01",
        "authorization.tax",
        "desk.submission.s1",
        "desk.inspection.i1",
        "desk.statistics.p1",
        "issues",
        "setup.window.w1",
        "setup.rules.hall",
        "quarantine",
        "audit",
    ] {
        kept::<Stream>(text);
        kept::<Subject>(&format!("hall.510000.{text}"));
        kept::<EventRef>(&format!("{text}#1"));
    }
    for text in [
        "",
        ".",
        "terminal",
        "terminal.",
        "terminal.w01.x",
        "terminal.*",
        "terminal.>",
        "Terminal.w01",
        "authorization",
        "desk.submission",
        "desk.news.s1",
        "desk.submission.s1.x",
        "issues.",
        "issues.x",
        "setup.window",
        "setup.door.w1",
        "quarantine.x",
        "audit.x",
        "receipt.w01",
        " issues",
        "issues ",
    ] {
        refused::<Stream>(text);
        refused::<Subject>(&format!("hall.510000.{text}"));
        refused::<EventRef>(&format!("{text}#1"));
    }
    for text in [
        "",
        "hall",
        "hall.",
        "hall.510000",
        "hall.510000.",
        "hall..issues",
        "hall.51000.issues",
        "HALL.510000.issues",
        "510000.issues",
        "hall.510000issues",
        "hall.510000.issues\n",
        ".hall.510000.issues",
    ] {
        refused::<Subject>(text);
    }
}

#[test]
fn a_reference_names_its_number_in_one_way() {
    for text in ["terminal.w01#1", "terminal.w01#17", "issues#18446744073709551615"] {
        kept::<EventRef>(text);
    }
    for number in [
        "",
        "0",
        "017",
        "00",
        "+17",
        "-1",
        "1.0",
        "1e3",
        " 1",
        "1 ",
        "１",
        "1#1",
        "#1",
        "18446744073709551616",
    ] {
        refused::<EventRef>(&format!("terminal.w01#{number}"));
    }
    refused::<EventRef>("terminal.w01");
}

#[test]
fn a_digest_is_64_lower_case_hexadecimal_digits() {
    let text = "0123456789abcdef".repeat(4);
    kept::<Digest>(&text);
    assert_eq!(
        text.parse::<Digest>().unwrap().as_bytes()[..8],
        [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]
    );
    assert_eq!(format!("{:?}", Digest::new([0xab; 32])), format!("Digest({})", "ab".repeat(32)));
    refused::<Digest>("");
    refused::<Digest>(&text[1..]);
    refused::<Digest>(&format!("{text}0"));
    refused::<Digest>(&text.to_uppercase());
    for wrong in ["g", " ", "+", "/", ":", "`"] {
        refused::<Digest>(&text.replacen('0', wrong, 1));
    }
    // As many bytes, but not as many characters.
    refused::<Digest>(&format!("{}é", &text[2..]));
}

fn any_stream() -> impl Strategy<Value = Stream> {
    let token = || "[A-Za-z0-9_-]{1,32}";
    let topic = prop::sample::select(vec![
        DeskTopic::Submission,
        DeskTopic::Inspection,
        DeskTopic::Statistics,
    ]);
    let setup = prop::sample::select(SETUP_TOPICS.to_vec());
    prop_oneof![
        token().prop_map(|it| Stream::Terminal(it.parse().unwrap())),
        token().prop_map(|it| Stream::Authorization(it.parse().unwrap())),
        (topic, token()).prop_map(|(topic, it)| Stream::Desk(topic, it.parse().unwrap())),
        (setup, token()).prop_map(|(topic, it)| Stream::Setup(topic, it.parse().unwrap())),
        Just(Stream::Issues),
        Just(Stream::Quarantine),
        Just(Stream::Audit),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(stream in any_stream(), number in 1_u64.., bytes: [u8; 32]) {
        let subject = Subject::new("510000".parse().unwrap(), stream.clone());
        prop_assert_eq!(subject.to_string().parse::<Subject>().unwrap(), subject);
        let event = EventRef { stream, number };
        let mut written = "x ".to_owned();
        event.write(&mut written);
        prop_assert_eq!(written, format!("x {event}"));
        prop_assert_eq!(event.to_string().parse::<EventRef>().unwrap(), event);
        let digest = Digest::new(bytes);
        prop_assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn whatever_is_read_is_written_back_as_it_was(
        text in prop_oneof![
            ".{0,40}",
            "(hall\\.510000\\.)?(terminal|desk|setup|issues|audit)?[.a-z0-9#+ -]{0,20}",
        ],
    ) {
        macro_rules! one_spelling {
            ($($type:ty),+) => {$(
                if let Ok(it) = text.parse::<$type>() {
                    prop_assert_eq!(it.to_string(), text.clone());
                }
            )+};
        }
        one_spelling!(
            HallCode, TerminalId, WindowId, DepartmentId, MatterId, UserId, ObjectId, CaseId, Stream, Subject,
            EventRef, Digest
        );
    }
}

const SETUP_TOPICS: [SetupTopic; 11] = [
    SetupTopic::Hall,
    SetupTopic::Window,
    SetupTopic::Terminal,
    SetupTopic::Department,
    SetupTopic::Matter,
    SetupTopic::Checklist,
    SetupTopic::Template,
    SetupTopic::Calendar,
    SetupTopic::User,
    SetupTopic::Figures,
    SetupTopic::Rules,
];

const RIGHTS: [Right; 10] = [
    Right::Record,
    Right::Correct,
    Right::LateEntry,
    Right::Authorize,
    Right::Submit,
    Right::Inspect,
    Right::Edit,
    Right::Sign,
    Right::Administer,
    Right::Release,
];

#[test]
fn every_word_is_its_own() {
    macro_rules! words {
        ($type:ident, $all:expr) => {
            let words: BTreeSet<&str> = $all.iter().map(|it| it.word()).collect();
            assert_eq!(words.len(), $all.len(), stringify!($type));
            for it in $all {
                assert_eq!($type::from_word(it.word()), Some(it));
            }
            assert_eq!($type::from_word(""), None);
            assert_eq!($type::from_word("Hall"), None);
        };
    }
    words!(SetupTopic, SETUP_TOPICS);
    words!(DeskTopic, [DeskTopic::Submission, DeskTopic::Inspection, DeskTopic::Statistics]);
    words!(Right, RIGHTS);
    words!(Kind, Kind::ALL);
    words!(Span, Span::ALL);
    words!(Partition, [Partition::Total, Partition::Day, Partition::Window, Partition::Department]);
    words!(Cause, [Cause::Late, Cause::Correction, Cause::Voiding, Cause::Release]);
}

#[test]
fn every_code_is_unique_ascending_in_its_family_and_explained() {
    let texts: BTreeSet<&str> = Code::ALL.iter().map(|it| it.text()).collect();
    assert_eq!(texts.len(), Code::ALL.len());
    let titles: BTreeSet<&str> = Code::ALL.iter().map(|it| it.title()).collect();
    assert_eq!(titles.len(), Code::ALL.len());
    for code in Code::ALL {
        assert_eq!(Code::from_text(code.text()), Some(*code));
        assert_eq!(code.to_string(), code.text());
        let (family, number) = code.text().split_once('.').unwrap();
        assert!(number.len() == 3 && number.bytes().all(|it| it.is_ascii_digit()), "{code}");
        assert_eq!(code.weight() == Weight::Warning, family == "W", "{code}");
        assert!(["E", "W"].contains(&family), "{code}");
        for field in [code.title(), code.cause(), code.fix(), code.example()] {
            assert!(!field.trim().is_empty(), "{code}");
        }
        assert!(code.cause().ends_with('.') && code.fix().ends_with('.'), "{code}");
    }
    for text in ["", "E.", "E.1", "e.101", "E.999", "E.101 ", "101"] {
        assert_eq!(Code::from_text(text), None);
    }
}

#[test]
fn errors_of_the_calendar_have_codes_of_the_catalogue() {
    let schedule = Schedule::new(2023, "国办".into(), vec![], vec![]).unwrap_err();
    assert_eq!(schedule.code(), Code::Schedule);
    let stray = NamedDay { date: date(2022, 12, 31), name: "元旦".into() };
    let schedule = Schedule::new(2023, "国办".into(), vec![stray], vec![]).unwrap_err();
    assert_eq!(schedule.code(), Code::Schedule);
    assert_eq!(NoSchedule { year: 2027 }.code(), Code::NoSchedule);
    let reversed = Period::new(date(2023, 2, 10), date(2023, 2, 6)).unwrap_err();
    assert_eq!(reversed.code(), Code::Malformed);
    let long = Period::new(date(2023, 1, 1), date(2023, 12, 31)).unwrap_err();
    assert_eq!(long.code(), Code::Malformed);
}
