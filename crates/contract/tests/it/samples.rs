//! One event of every type, and strategies for any.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use zhoubao_contract::Draft;
use zhoubao_contract::signature::SigningKey;
use zhoubao_domain::calendar::{NamedDay, Period};
use zhoubao_domain::code::Code;
use zhoubao_domain::counting::{Rules, Severity};
use zhoubao_domain::event::{
    Act, Attempt, AuthorizationChange, ClassFigures, Event, InspectionResult, IssueEvent,
    IssueFile, Kind, Outcome, PEOPLE_MAX, Replacement, Right, Setup, Tally, TerminalHead,
    TerminalKey, Tree, TreeHash,
};
use zhoubao_domain::figure::Definition;
use zhoubao_domain::id::{
    CaseId, DepartmentId, DeskTopic, Digest, EventRef, HallCode, MatterId, ObjectId, SetupTopic,
    Stream, Subject, TerminalId, UserId,
};

pub(crate) fn hall() -> HallCode {
    "510000".parse().unwrap()
}

fn id<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

fn digest(byte: u8) -> Digest {
    Digest::new([byte; 32])
}

fn day(date: Date, name: &str) -> NamedDay {
    NamedDay { date, name: name.to_owned() }
}

fn week() -> Period {
    Period::new(date(2023, 2, 6), date(2023, 2, 10)).unwrap()
}

/// One event of every type with the stream it stands in; the committed examples hold exactly these. A sample is
/// never changed: what was written once is read for ever. A new version gets a new one.
pub(crate) fn all() -> Vec<(&'static str, Draft)> {
    let act = |kind, amount, matter: Option<&str>, case: Option<&str>| {
        Event::Act(Act {
            kind,
            amount,
            department: Some(id("d01")),
            matter: matter.map(id),
            case: case.map(id),
        })
    };
    let tally = Tally { consulted: 12, accepted: 5, issued: 3, transferred: 7 };
    let issue = || id::<ObjectId>("0186312a-7c00-7000-8000-000000000005");
    let reason = || "录入时选错部门".to_owned();
    let consultation =
        |amount| Act { kind: Kind::Consulted, amount, department: None, matter: None, case: None };
    let change = |change| Event::AuthorizationChanged {
        department: id("d01"),
        effective: date(2023, 2, 8),
        change,
    };
    vec![
        ("terminal.w01", act(Kind::Consulted, 3, Some("m-0001"), None)),
        ("terminal.w01", act(Kind::Accepted, 1, Some("m-0001"), Some("川2023-0001（补）"))),
        ("terminal.w01", act(Kind::Transferred, 1, None, Some("2023-0001"))),
        ("terminal.w01", act(Kind::Issued, 1, Some("m-0001"), Some("2022-9999"))),
        ("terminal.w01", Event::DayClosed { day: date(2023, 2, 6), tally }),
        (
            "terminal.w01",
            Event::Corrected {
                original: id("terminal.w02#17"),
                replacement: Replacement {
                    occurred_at: Some(id("2023-02-06T09:05:00+08:00")),
                    people: Some(4),
                    department: Some(id("d02")),
                    matter: Some(id("m-0002")),
                },
                reason: reason(),
            },
        ),
        ("terminal.w01", Event::Voided { original: id("terminal.w01#16"), reason: reason() }),
        (
            "authorization.d01",
            Event::AuthorizationChanged {
                department: id("d01"),
                effective: date(2023, 2, 8),
                change: AuthorizationChange::RepresentativeReplaced {
                    representative: id("u207"),
                    letter: "授权书〔2023〕7号".to_owned(),
                },
            },
        ),
        (
            "desk.submission.0186312a-7c00-7000-8000-0000000000a1",
            Event::SubmissionFiled {
                section: "news".to_owned(),
                department: id("d01"),
                text: "2月8日，\"一窗通办\"上线。\n办理时限压缩30%。".to_owned(),
                attachments: vec![digest(0xa1)],
            },
        ),
        (
            "desk.submission.0186312a-7c00-7000-8000-0000000000a1",
            Event::SubmissionReturned { reason: "请补充数据来源".to_owned() },
        ),
        (
            "desk.inspection.0186312a-7c00-7000-8000-0000000000b1",
            Event::InspectionHeld {
                day: date(2023, 2, 7),
                checklist: digest(0xc1),
                results: vec![
                    InspectionResult {
                        item: "着装".to_owned(),
                        findings: vec!["窗口3一人未佩戴工牌".to_owned()],
                        remark: None,
                    },
                    InspectionResult {
                        item: "卫生".to_owned(),
                        findings: vec![],
                        remark: Some("整洁".to_owned()),
                    },
                ],
            },
        ),
        (
            "desk.statistics.0186312a-7c00-7000-8000-0000000000c1",
            Event::StatisticsImported {
                source: "省一体化政务服务平台".to_owned(),
                level: "省本级".to_owned(),
                period: week(),
                classes: vec![
                    ClassFigures { class: "行政许可".to_owned(), accepted: 120, finished: 131 },
                    ClassFigures { class: "公共服务".to_owned(), accepted: 0, finished: 2 },
                ],
            },
        ),
        (
            "issues",
            Event::Issue(IssueEvent::OpeningFigures {
                through: date(2023, 1, 31),
                year_to_date: Tally { consulted: 946, accepted: 310, issued: 288, transferred: 0 },
                last_number: 3,
                last_running_number: 147,
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::Opened {
                issue: issue(),
                period: week(),
                template: digest(1),
                checklist: digest(2),
                figures: digest(3),
                calendars: vec![digest(4), digest(5)],
                series: None,
                parameters: BTreeMap::new(),
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::PeriodSet {
                issue: issue(),
                period: Period::new(date(2023, 2, 4), date(2023, 2, 10)).unwrap(),
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::SubmissionAdopted {
                issue: issue(),
                submission: id("0186312a-7c00-7000-8000-0000000000a1"),
                order: 0,
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::Frozen {
                issue: issue(),
                cut: 9_007_199_254_740_993,
                heads: vec![
                    TerminalHead { terminal: id("w01"), number: 18 },
                    TerminalHead { terminal: id("w02"), number: 0 },
                ],
                tree: None,
            }),
        ),
        ("issues", Event::Issue(IssueEvent::Submitted { issue: issue() })),
        (
            "issues",
            Event::Issue(IssueEvent::Returned {
                issue: issue(), reason: "标题有误".to_owned()
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::SignedOff {
                issue: issue(),
                year: 2023,
                number: 5,
                running_number: 149,
                issued_on: date(2023, 2, 10),
                figures: digest(6),
                document: digest(7),
            }),
        ),
        ("issues", Event::Issue(IssueEvent::Published { issue: issue(), files: vec![] })),
        (
            "issues",
            Event::Issue(IssueEvent::Voided { issue: issue(), reason: "重复编印".to_owned() }),
        ),
        (
            "setup.hall.510000",
            Event::Setup(Setup::Hall {
                name: "四川省政务服务大厅".to_owned(),
                publisher: "四川省政务服务和公共资源交易服务中心".to_owned(),
            }),
        ),
        (
            "setup.window.w12",
            Event::Setup(Setup::Window { name: "窗口12".to_owned(), open: false }),
        ),
        ("setup.terminal.w01", Event::Setup(Setup::Terminal { window: id("w12"), active: true })),
        (
            "setup.department.d01",
            Event::Setup(Setup::Department {
                name: "文化和旅游厅".to_owned(),
                aliases: vec!["文旅厅".to_owned()],
            }),
        ),
        (
            "setup.matter.m-0001",
            Event::Setup(Setup::Matter {
                name: "导游证核发".to_owned(), department: id("d01")
            }),
        ),
        (
            "setup.checklist.hall",
            Event::Setup(Setup::Checklist {
                introduction: String::new(),
                items: vec!["着装".to_owned(), "卫生".to_owned()],
            }),
        ),
        (
            "setup.template.weekly",
            Event::Setup(Setup::Template {
                source: "title = \"窗口工作周报\"\n# 100 %\n".to_owned(),
            }),
        ),
        (
            "setup.calendar.2023",
            Event::Setup(Setup::Calendar {
                year: 2023,
                notice: "国办发明电〔2022〕16号".to_owned(),
                off: vec![day(date(2023, 1, 2), "元旦"), day(date(2023, 1, 23), "春节")],
                work: vec![day(date(2023, 1, 28), "春节")],
            }),
        ),
        (
            "setup.user.u100",
            Event::Setup(Setup::User {
                rights: vec![
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
                ],
                active: true,
            }),
        ),
        (
            "setup.figures.standard",
            Event::Setup(Setup::Figures {
                definitions: vec![Definition {
                    key: "handled".to_owned(),
                    title: "办理".to_owned(),
                    unit: "件".to_owned(),
                    meaning: "受理、颁发与流转之和".to_owned(),
                    kinds: vec![Kind::Accepted, Kind::Issued, Kind::Transferred],
                }],
            }),
        ),
        ("setup.rules.standard", Event::Setup(Setup::Rules(Rules::default()))),
        (
            "quarantine",
            Event::Released { original: id("terminal.w03#17"), position: None, reason: reason() },
        ),
        (
            "quarantine",
            Event::Rejected { original: id("issues#3"), position: None, reason: reason() },
        ),
        // More of a type, where one does not show every value: behind the last, so that numbers stay; so are new types.
        ("terminal.w01", Event::Act(consultation(1))),
        ("terminal.w01", change(AuthorizationChange::DepartmentAuthorised)),
        ("terminal.w01", change(AuthorizationChange::DepartmentWithdrawn)),
        (
            "terminal.w01",
            change(AuthorizationChange::ItemsIncluded(vec![id("m-0001"), id("m-0002")])),
        ),
        ("terminal.w01", change(AuthorizationChange::ItemsRemoved(vec![id("m-0001")]))),
        ("terminal.w01", change(AuthorizationChange::LetterSigned { letter: "8号".to_owned() })),
        (
            "terminal.w01",
            Event::Corrected {
                original: id("terminal.w01#17"),
                replacement: Replacement::default(),
                reason: reason(),
            },
        ),
        (
            "setup.figures.standard",
            Event::Setup(Setup::Figures {
                definitions: vec![Definition {
                    key: "consulted".to_owned(),
                    title: "咨询".to_owned(),
                    unit: "人次".to_owned(),
                    meaning: "窗口接受咨询的人次".to_owned(),
                    kinds: vec![Kind::Consulted],
                }],
            }),
        ),
        ("setup.key.w01", Event::Setup(Setup::Key(key(None, false)))),
        (
            "setup.key.w02",
            Event::Setup(Setup::Key(key(Some(SigningKey::from_seed(&[1; 32])), true))),
        ),
        (
            "quarantine",
            Event::Released {
                original: id("terminal.w03#17"),
                position: Some(4711),
                reason: reason(),
            },
        ),
        (
            "quarantine",
            Event::Rejected {
                original: id("terminal.w03#17"),
                position: Some(4711),
                reason: reason(),
            },
        ),
        (
            "audit",
            Event::AccessRefused {
                user: "terminal w02".to_owned(),
                attempt: Attempt::Publish,
                subject: "hall.510000.terminal.w01".to_owned(),
                times: 3,
            },
        ),
        (
            "desk.statistics.places",
            Event::TableImported {
                source: "省一体化政务服务平台".to_owned(),
                period: Period::of_figures(date(2023, 1, 1), date(2023, 3, 31)).unwrap(),
                columns: vec!["place".to_owned(), "受理".to_owned(), "rate".to_owned()],
                rows: vec![
                    vec!["甲市".to_owned(), "1,024".to_owned(), "97.50%".to_owned()],
                    vec!["乙市".to_owned(), "0".to_owned(), String::new()],
                ],
            },
        ),
        (
            "issues",
            Event::Issue(IssueEvent::Opened {
                issue: issue(),
                period: Period::new(date(2023, 2, 1), date(2023, 2, 28)).unwrap(),
                template: digest(1),
                checklist: digest(2),
                figures: digest(3),
                calendars: vec![digest(4)],
                series: Some(id("monthly")),
                parameters: BTreeMap::from([
                    ("deadline".to_owned(), "三月中旬前".to_owned()),
                    ("去年同月受理".to_owned(), String::new()),
                ]),
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::Published {
                issue: issue(),
                files: vec![
                    IssueFile { name: "2023-05.json".to_owned(), bytes: 51_234, digest: digest(7) },
                    IssueFile { name: "2023-05.pdf".to_owned(), bytes: 178_901, digest: digest(8) },
                ],
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::Amended {
                issue: issue(),
                note: "第二部分中“签定”更正为“签订”".to_owned(),
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::WarningAccepted {
                issue: issue(),
                code: Code::UntracedNumber,
                place: "稿件 s5-3（生态环境厅）".to_owned(),
                finding: digest(8),
                reason: "已与该厅核对".to_owned(),
            }),
        ),
        (
            "issues",
            Event::Issue(IssueEvent::Frozen {
                issue: issue(),
                cut: 5,
                heads: vec![TerminalHead { terminal: id("w01"), number: 3 }],
                tree: Some(Tree {
                    hash: TreeHash::Sm3,
                    size: 5,
                    root: digest(1),
                    peaks: vec![digest(2), digest(3)],
                }),
            }),
        ),
        (
            "audit",
            Event::RequestNoted {
                route: "POST /desk/{issue}/sign".to_owned(),
                outcome: Outcome::Refused,
            },
        ),
        (
            "issues",
            Event::Issue(IssueEvent::SubmissionEdited {
                issue: issue(),
                submission: id("0186312a-7c00-7000-8000-0000000000a1"),
                of: digest(6),
                text: "窗口增设 “潮汐岗位”。".to_owned(),
                reason: "文字精简".to_owned(),
            }),
        ),
    ]
    .into_iter()
    .enumerate()
    .map(|(index, (stream, event))| {
        // Every second one carries the optional attributes.
        let full = index % 2 == 1;
        let draft = Draft {
            subject: Subject::new(hall(), id(stream)),
            number: index as u64 + 1,
            previous: full.then(|| digest(0x5e)),
            occurred_at: id("2023-02-06T09:10:00+08:00"),
            entered_at: full.then(|| id("2023-02-07T08:30:00.25+08:00")),
            actor: full.then(|| id("u100")),
            command: full.then(|| "补录 100% \"甲\"".to_owned()),
            event,
        };
        (zhoubao_contract::event_to_json(&draft.event).0, draft)
    })
    .collect()
}

// --- Any event ---

fn token(length_max: usize) -> impl Strategy<Value = String> {
    vec(prop::char::ranges(TOKEN.into()).prop_map(|it| it), 1..=length_max)
        .prop_map(|it| it.into_iter().collect())
}

const TOKEN: &[std::ops::RangeInclusive<char>] =
    &['a'..='z', 'A'..='Z', '0'..='9', '-'..='-', '_'..='_'];

/// Characters that forms and encodings trip over.
pub(crate) fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        prop::char::range('a', 'z'),
        prop::char::range('一', '龥'),
        prop::sample::select(vec![
            '"', '%', '\'', '\\', '/', '<', '&', ':', ',', '{', ' ', '　', '，', '〔', '𠮷',
            '\u{feff}', '2', '0',
        ]),
        any::<char>().prop_filter("no control characters", |it| !it.is_control()),
    ]
}

/// A text that says something, on one line.
pub(crate) fn words() -> impl Strategy<Value = String> {
    (vec(character(), 0..12), prop::char::range('一', '龥'), vec(character(), 0..12)).prop_map(
        |(before, middle, after)| before.into_iter().chain([middle]).chain(after).collect(),
    )
}

fn text() -> impl Strategy<Value = String> {
    vec(words(), 1..4).prop_map(|it| it.join("\r\n\t"))
}

macro_rules! ids {
    ($($name:ident: $type:ty = $length:literal;)+) => {
        $(fn $name() -> impl Strategy<Value = $type> {
            token($length).prop_map(|it| it.parse().unwrap())
        })+
    };
}

ids! {
    terminal: TerminalId = 32;
    department: DepartmentId = 32;
    matter: MatterId = 64;
    user: UserId = 32;
    object: ObjectId = 64;
}

fn case() -> impl Strategy<Value = CaseId> {
    // The domain says which characters a case number may have.
    let visible = character()
        .prop_filter("not of a case number", |it| it.to_string().parse::<CaseId>().is_ok());
    vec(visible, 1..=64).prop_map(|it| it.into_iter().collect::<String>().parse().unwrap())
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::new)
}

fn any_day() -> impl Strategy<Value = Date> {
    (1990_i16..2100, 1_i8..=12, 1_i8..=28).prop_map(|(year, month, day)| date(year, month, day))
}

fn any_period() -> impl Strategy<Value = Period> {
    (any_day(), 0_i64..62).prop_map(|(first, days)| {
        let last = first.checked_add(jiff::Span::new().days(days)).unwrap();
        Period::new(first, last).unwrap()
    })
}

fn instant() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        (0_i64..4_000_000_000).prop_map(|it| Timestamp::from_second(it).unwrap()),
        (0_i64..4_000_000_000, 0_i32..1_000_000_000)
            .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).unwrap()),
    ]
}

fn any_stream() -> impl Strategy<Value = Stream> {
    prop_oneof![
        terminal().prop_map(Stream::Terminal),
        department().prop_map(Stream::Authorization),
        object().prop_map(|it| Stream::Desk(DeskTopic::Submission, it)),
        object().prop_map(|it| Stream::Setup(SetupTopic::Window, it)),
        Just(Stream::Issues),
        Just(Stream::Quarantine),
        Just(Stream::Audit),
    ]
}

fn original() -> impl Strategy<Value = EventRef> {
    (any_stream(), 1..=u64::MAX).prop_map(|(stream, number)| EventRef { stream, number })
}

fn any_tally() -> impl Strategy<Value = Tally> {
    any::<[u32; 4]>().prop_map(|[consulted, accepted, issued, transferred]| Tally {
        consulted: consulted.into(),
        accepted: accepted.into(),
        issued: issued.into(),
        transferred: transferred.into(),
    })
}

fn change() -> impl Strategy<Value = AuthorizationChange> {
    prop_oneof![
        Just(AuthorizationChange::DepartmentAuthorised),
        Just(AuthorizationChange::DepartmentWithdrawn),
        vec(matter(), 1..4).prop_map(AuthorizationChange::ItemsIncluded),
        vec(matter(), 1..4).prop_map(AuthorizationChange::ItemsRemoved),
        (user(), words()).prop_map(|(representative, letter)| {
            AuthorizationChange::RepresentativeReplaced { representative, letter }
        }),
        words().prop_map(|letter| AuthorizationChange::LetterSigned { letter }),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let consulted = (1..=PEOPLE_MAX, option::of(department()), option::of(matter())).prop_map(
        |(amount, department, matter)| Act {
            kind: Kind::Consulted,
            amount,
            department,
            matter,
            case: None,
        },
    );
    let other = (
        prop::sample::select(vec![Kind::Accepted, Kind::Issued, Kind::Transferred]),
        department(),
        option::of(matter()),
        case(),
    )
        .prop_map(|(kind, department, matter, case)| Act {
            kind,
            amount: 1,
            department: Some(department),
            matter,
            case: Some(case),
        });
    prop_oneof![consulted, other]
}

fn replacement() -> impl Strategy<Value = Replacement> {
    (
        option::of(instant()),
        option::of(1..=PEOPLE_MAX),
        option::of(department()),
        option::of(matter()),
    )
        .prop_map(|(occurred_at, people, department, matter)| Replacement {
            occurred_at,
            people,
            department,
            matter,
        })
}

fn terminal_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => act().prop_map(Event::Act),
        1 => (any_day(), any_tally()).prop_map(|(day, tally)| Event::DayClosed { day, tally }),
        1 => (original(), replacement(), words()).prop_map(|(original, replacement, reason)| {
            Event::Corrected { original, replacement, reason }
        }),
        1 => (original(), words())
            .prop_map(|(original, reason)| Event::Voided { original, reason }),
        1 => (department(), any_day(), change()).prop_map(|(department, effective, change)| {
            Event::AuthorizationChanged { department, effective, change }
        }),
    ]
}

fn inspection() -> impl Strategy<Value = Event> {
    let result = (words(), vec(words(), 0..3), option::of(words()))
        .prop_map(|(item, findings, remark)| InspectionResult { item, findings, remark });
    (any_day(), any_digest(), vec(result, 1..4))
        .prop_map(|(day, checklist, results)| Event::InspectionHeld { day, checklist, results })
}

fn statistics() -> impl Strategy<Value = Event> {
    let row = (words(), any::<u32>(), any::<u32>()).prop_map(|(class, accepted, finished)| {
        ClassFigures { class, accepted: accepted.into(), finished: finished.into() }
    });
    (words(), words(), any_period(), vec(row, 1..4)).prop_map(|(source, level, period, classes)| {
        Event::StatisticsImported { source, level, period, classes }
    })
}

fn table() -> impl Strategy<Value = Event> {
    let columns = prop::collection::btree_set(words(), 1..4);
    let rows = columns.prop_flat_map(|columns| {
        let row = vec(prop_oneof![words(), Just(String::new())], columns.len());
        (Just(columns), vec(row, 0..4))
    });
    (words(), any_day(), 0_i32..400, rows).prop_map(|(source, first, days, (columns, rows))| {
        let last = first.saturating_add(jiff::Span::new().days(days));
        let period = Period::of_figures(first, last).unwrap();
        Event::TableImported { source, period, columns: columns.into_iter().collect(), rows }
    })
}

fn issue_event() -> impl Strategy<Value = IssueEvent> {
    let head =
        (terminal(), any::<u64>()).prop_map(|(terminal, number)| TerminalHead { terminal, number });
    prop_oneof![
        (any_day(), any_tally(), any::<u32>(), any::<u32>()).prop_map(
            |(through, year_to_date, last_number, last_running_number)| {
                IssueEvent::OpeningFigures {
                    through,
                    year_to_date,
                    last_number,
                    last_running_number,
                }
            }
        ),
        (
            object(),
            any_period(),
            any::<[[u8; 32]; 3]>(),
            vec(any_digest(), 0..3),
            option::of(object()),
            prop::collection::btree_map(words(), words(), 0..3)
        )
            .prop_map(
                |(issue, period, [template, checklist, figures], calendars, series, parameters)| {
                    IssueEvent::Opened {
                        issue,
                        period,
                        template: Digest::new(template),
                        checklist: Digest::new(checklist),
                        figures: Digest::new(figures),
                        calendars,
                        series,
                        parameters,
                    }
                }
            ),
        (object(), any_period())
            .prop_map(|(issue, period)| IssueEvent::PeriodSet { issue, period }),
        (object(), object(), any::<u32>()).prop_map(|(issue, submission, order)| {
            IssueEvent::SubmissionAdopted { issue, submission, order }
        }),
        (object(), object(), any_digest(), words(), words()).prop_map(
            |(issue, submission, of, text, reason)| IssueEvent::SubmissionEdited {
                issue,
                submission,
                of,
                text,
                reason,
            }
        ),
        (object(), any::<u64>(), vec(head, 0..4), option::of(any_tree()))
            .prop_map(|(issue, cut, heads, tree)| IssueEvent::Frozen { issue, cut, heads, tree }),
        object().prop_map(|issue| IssueEvent::Submitted { issue }),
        (object(), words()).prop_map(|(issue, reason)| IssueEvent::Returned { issue, reason }),
        (object(), prop::sample::select(Code::ALL), words(), any_digest(), words()).prop_map(
            |(issue, code, place, finding, reason)| IssueEvent::WarningAccepted {
                issue,
                code,
                place,
                finding,
                reason
            }
        ),
        (
            object(),
            1990_i16..2100,
            1..=u32::MAX,
            1..=u32::MAX,
            any_day(),
            any_digest(),
            any_digest()
        )
            .prop_map(
                |(issue, year, number, running_number, issued_on, figures, document)| {
                    IssueEvent::SignedOff {
                        issue,
                        year,
                        number,
                        running_number,
                        issued_on,
                        figures,
                        document,
                    }
                }
            ),
        (object(), vec((words(), any::<u64>(), any_digest()), 0..4)).prop_map(|(issue, files)| {
            let file = |(name, bytes, digest)| IssueFile { name, bytes, digest };
            IssueEvent::Published { issue, files: files.into_iter().map(file).collect() }
        }),
        (object(), words()).prop_map(|(issue, note)| IssueEvent::Amended { issue, note }),
        (object(), words()).prop_map(|(issue, reason)| IssueEvent::Voided { issue, reason }),
    ]
}

fn key(old: Option<SigningKey>, revoked: bool) -> TerminalKey {
    let signing = SigningKey::from_seed(&[7; 32]).public_key();
    let nats = "UCNGL4W5QX66CFX6A6DCBVDH5VOHMI7B2UZZU7TXAUQQSI2JPHULCKBR".to_owned();
    TerminalKey {
        signing,
        endorsement: old.map(|it| it.endorse(&signing, &nats)),
        nats,
        valid_through: date(2024, 2, 29),
        revoked,
    }
}

fn setup() -> impl Strategy<Value = Setup> {
    let named_day = || (any_day(), words()).prop_map(|(date, name)| NamedDay { date, name });
    let right = prop::sample::select(vec![
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
    ]);
    let kinds = vec(prop::sample::select(Kind::ALL.to_vec()), 1..4);
    let definition = (words(), words(), words(), words(), kinds).prop_map(
        |(key, title, unit, meaning, kinds)| Definition { key, title, unit, meaning, kinds },
    );
    let severity = || prop::sample::select(vec![Severity::Flag, Severity::Warn]);
    prop_oneof![
        (words(), words()).prop_map(|(name, publisher)| Setup::Hall { name, publisher }),
        (words(), any::<bool>()).prop_map(|(name, open)| Setup::Window { name, open }),
        (token(32), any::<bool>()).prop_map(|(window, active)| Setup::Terminal {
            window: window.parse().unwrap(),
            active,
        }),
        (words(), vec(words(), 0..3))
            .prop_map(|(name, aliases)| Setup::Department { name, aliases }),
        (words(), department()).prop_map(|(name, department)| Setup::Matter { name, department }),
        (text(), vec(words(), 1..4))
            .prop_map(|(introduction, items)| Setup::Checklist { introduction, items }),
        text().prop_map(|source| Setup::Template { source }),
        (option::of(any::<[u8; 32]>()), any::<bool>()).prop_map(|(old, revoked)| {
            Setup::Key(key(old.map(|it| SigningKey::from_seed(&it)), revoked))
        }),
        (1990_i16..2100, words(), vec(named_day(), 1..4), vec(named_day(), 0..3))
            .prop_map(|(year, notice, off, work)| Setup::Calendar { year, notice, off, work }),
        (vec(right, 0..4), any::<bool>())
            .prop_map(|(rights, active)| Setup::User { rights, active }),
        vec(definition, 1..4).prop_map(|definitions| Setup::Figures { definitions }),
        (any::<u32>(), any::<u32>(), severity(), severity()).prop_map(
            |(
                future_seconds_max,
                late_entry_hours_max,
                unknown_case_after_opening,
                unknown_case,
            )| {
                Setup::Rules(Rules {
                    future_seconds_max,
                    late_entry_hours_max,
                    unknown_case_after_opening,
                    unknown_case,
                })
            }
        ),
    ]
}

/// An event in a stream where it belongs.
fn placed() -> impl Strategy<Value = (Stream, Event)> {
    prop_oneof![
        4 => (terminal(), terminal_event()).prop_map(|(it, event)| (Stream::Terminal(it), event)),
        1 => (department(), any_day(), change()).prop_map(|(department, effective, change)| {
            let stream = Stream::Authorization(department.clone());
            (stream, Event::AuthorizationChanged { department, effective, change })
        }),
        1 => (object(), token(16), department(), text(), vec(any_digest(), 0..3)).prop_map(
            |(object, section, department, text, attachments)| {
                let event = Event::SubmissionFiled { section, department, text, attachments };
                (Stream::Desk(DeskTopic::Submission, object), event)
            }
        ),
        1 => (object(), words()).prop_map(|(object, reason)| {
            (Stream::Desk(DeskTopic::Submission, object), Event::SubmissionReturned { reason })
        }),
        1 => (object(), inspection())
            .prop_map(|(object, event)| (Stream::Desk(DeskTopic::Inspection, object), event)),
        1 => (object(), prop_oneof![statistics(), table()])
            .prop_map(|(object, event)| (Stream::Desk(DeskTopic::Statistics, object), event)),
        3 => issue_event().prop_map(|event| (Stream::Issues, Event::Issue(event))),
        3 => (object(), setup()).prop_map(|(object, setup)| {
            (Stream::Setup(setup.topic(), object), Event::Setup(setup))
        }),
        1 => (original(), option::of(any::<u64>()), words()).prop_map(|(original, position, reason)| {
            (Stream::Quarantine, Event::Released { original, position, reason })
        }),
        1 => (original(), option::of(any::<u64>()), words()).prop_map(|(original, position, reason)| {
            (Stream::Quarantine, Event::Rejected { original, position, reason })
        }),
        1 => (words(), attempt(), words(), 1..=u32::MAX).prop_map(
            |(user, attempt, subject, times)| {
                (Stream::Audit, Event::AccessRefused { user, attempt, subject, times })
            }
        ),
        1 => (words(), prop_oneof![Just(Outcome::Refused), Just(Outcome::Downloaded)]).prop_map(
            |(route, outcome)| (Stream::Audit, Event::RequestNoted { route, outcome })
        ),
    ]
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let hash = prop_oneof![Just(TreeHash::Sha256), Just(TreeHash::Sm3)];
    (hash, any::<u64>(), any_digest()).prop_map(|(hash, size, root)| Tree {
        hash,
        size,
        root,
        peaks: vec![root; size.count_ones() as usize],
    })
}

fn attempt() -> impl Strategy<Value = Attempt> {
    prop_oneof![Just(Attempt::Publish), Just(Attempt::Subscribe), Just(Attempt::LeaveBatches)]
}

/// Any draft that the domain can make.
pub(crate) fn draft() -> impl Strategy<Value = Draft> {
    (
        placed(),
        1..=u64::MAX,
        option::of(any_digest()),
        instant(),
        option::of(instant()),
        option::of(user()),
        option::of(words()),
    )
        .prop_map(
            |((stream, event), number, previous, occurred_at, entered_at, actor, command)| Draft {
                subject: Subject::new(hall(), stream),
                number,
                previous,
                occurred_at,
                entered_at,
                actor,
                command,
                event,
            },
        )
}
