//! Bodies: proto3 JSON to and from the domain's events, one `ce-type` each.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use jiff::civil::Date;
use serde::de::DeserializeOwned;
use zhoubao_domain::calendar::{NamedDay, Period};
use zhoubao_domain::code::Code;
use zhoubao_domain::counting::{Rules, Severity};
use zhoubao_domain::event::{
    Act, Attempt, AuthorizationChange, ClassFigures, Endorsement, Event, FILES_MAX,
    InspectionResult, IssueEvent, IssueFile, Kind, Outcome, PARAMETERS_MAX, PEOPLE_MAX, Refusal,
    Replacement, Right, SUBMISSION_BYTES_MAX, Setup, TABLE_COLUMNS_MAX, TABLE_ROWS_MAX, Tally,
    TerminalHead, TerminalKey, Tree, TreeHash,
};
use zhoubao_domain::figure::Definition;
use zhoubao_domain::id::{DeskTopic, Digest, EventRef, ParseIdError, SetupTopic, Stream};

use crate::message::hex;
use crate::signature::{self, Verifier};
use crate::wire::{self, authorization_changed, figures_defined, rules_set, user_set};
use crate::{strict, text};

const PREFIX: &str = "cn.zhoubao.";

/// Why a body is not an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    /// A newer program may understand it.
    pub(crate) hold: bool,
    pub(crate) detail: String,
}

impl Fault {
    fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, hold: false, detail: detail.into() }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Code::Malformed, detail)
    }

    pub(crate) fn hold(detail: impl Into<String>) -> Self {
        Self { code: Code::UnknownKind, hold: true, detail: detail.into() }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::new(fault.code, fault.detail)
    }
}

type Converted = Result<Event, Fault>;

macro_rules! kinds {
    ($($message:ident in $streams:pat => $convert:expr;)+) => {
        /// Every `ce-type` that this version writes and reads.
        pub const TYPES: &[&str] =
            &[$(concat!("cn.zhoubao.", stringify!($message), ".v1")),+];

        /// Whether events of a name belong into a line.
        pub(crate) fn belongs(name: &str, stream: &Stream) -> bool {
            match name {
                $(stringify!($message) => matches!(stream, $streams),)+
                _ => false,
            }
        }

        /// Reads the body of one event of a stream.
        pub(crate) fn read(kind: &str, body: &[u8], stream: &Stream) -> Converted {
            let unknown = || Fault::hold(format!("type `{}` is not known", text::excerpt(kind)));
            let name = name_of(kind).ok_or_else(unknown)?;
            $(
                if name == stringify!($message) {
                    if !matches!(stream, $streams) {
                        return Err(Fault::malformed(
                            format!("{} does not belong into `{stream}`", stringify!($message)),
                        ));
                    }
                    let convert: fn(wire::$message) -> Converted = $convert;
                    return convert(parse(body)?);
                }
            )+
            Err(unknown())
        }
    };
}

/// `Accepted` of `cn.zhoubao.Accepted.v1`.
pub(crate) fn name_of(kind: &str) -> Option<&str> {
    kind.strip_prefix(PREFIX)?.strip_suffix(".v1")
}

// The four that windows write all day come first: they are looked for in this order.
kinds! {
    Accepted in Stream::Terminal(_) => |it| act(Kind::Accepted, it.department, it.matter, it.case);
    Consulted in Stream::Terminal(_) => consulted;
    Issued in Stream::Terminal(_) => |it| act(Kind::Issued, it.department, it.matter, it.case);
    Transferred in Stream::Terminal(_) => |it| act(Kind::Transferred, it.department, it.matter, it.case);
    DayClosed in Stream::Terminal(_) => day_closed;
    Corrected in Stream::Terminal(_) | Stream::Authorization(_) => corrected;
    Voided in Stream::Terminal(_) | Stream::Authorization(_) => voided;
    AuthorizationChanged in Stream::Terminal(_) | Stream::Authorization(_) => authorization_changed;
    SubmissionFiled in Stream::Desk(DeskTopic::Submission, _) => submission_filed;
    SubmissionReturned in Stream::Desk(DeskTopic::Submission, _) => submission_returned;
    InspectionHeld in Stream::Desk(DeskTopic::Inspection, _) => inspection_held;
    StatisticsImported in Stream::Desk(DeskTopic::Statistics, _) => statistics_imported;
    TableImported in Stream::Desk(DeskTopic::Statistics, _) => table_imported;
    OpeningFiguresRecorded in Stream::Issues => opening_figures;
    IssueOpened in Stream::Issues => issue_opened;
    IssueOpenedInSeries in Stream::Issues => issue_opened_in_series;
    IssuePeriodSet in Stream::Issues => issue_period_set;
    IssueSubmissionAdopted in Stream::Issues => issue_submission_adopted;
    IssueSubmissionEdited in Stream::Issues => issue_submission_edited;
    IssueFrozen in Stream::Issues => issue_frozen;
    IssueSubmitted in Stream::Issues => issue_submitted;
    IssueReturned in Stream::Issues => issue_returned;
    IssueWarningAccepted in Stream::Issues => issue_warning_accepted;
    IssueSignedOff in Stream::Issues => issue_signed_off;
    IssuePublished in Stream::Issues => issue_published;
    IssueAmended in Stream::Issues => issue_amended;
    IssueVoided in Stream::Issues => issue_voided;
    HallDescribed in Stream::Setup(SetupTopic::Hall, _) => hall_described;
    WindowSet in Stream::Setup(SetupTopic::Window, _) => window_set;
    TerminalSet in Stream::Setup(SetupTopic::Terminal, _) => terminal_set;
    DepartmentSet in Stream::Setup(SetupTopic::Department, _) => department_set;
    MatterSet in Stream::Setup(SetupTopic::Matter, _) => matter_set;
    ChecklistPublished in Stream::Setup(SetupTopic::Checklist, _) => checklist_published;
    TemplatePublished in Stream::Setup(SetupTopic::Template, _) => template_published;
    CalendarPublished in Stream::Setup(SetupTopic::Calendar, _) => calendar_published;
    UserSet in Stream::Setup(SetupTopic::User, _) => user_set;
    FiguresDefined in Stream::Setup(SetupTopic::Figures, _) => figures_defined;
    RulesSet in Stream::Setup(SetupTopic::Rules, _) => rules_set;
    TerminalKeySet in Stream::Setup(SetupTopic::Key, _) => terminal_key_set;
    Released in Stream::Quarantine => released;
    Rejected in Stream::Quarantine => rejected;
    AccessRefused in Stream::Audit => access_refused;
    RequestNoted in Stream::Audit => request_noted;
}

/// Reads a body at the edge: what a person, a form or an import gives, before it becomes a fact.
///
/// Stricter than reading the journal in one point: a repeated key is refused even where it is not known.
///
/// # Errors
///
/// A [`Refusal`] with the code and the field: [`Code::Malformed`], [`Code::UnknownKind`], [`Code::OutOfRange`],
/// [`Code::NoReason`], [`Code::TooLarge`].
pub fn event_from_json(kind: &str, body: &[u8], stream: &Stream) -> Result<Event, Refusal> {
    strict::no_repeated_key(body).map_err(|detail| Refusal::new(Code::Malformed, detail))?;
    Ok(event_in(kind, body, stream)?)
}

/// Reads a body and checks it against its stream.
pub(crate) fn event_in(kind: &str, body: &[u8], stream: &Stream) -> Converted {
    let event = read(kind, body, stream)?;
    if let (Stream::Authorization(of), Event::AuthorizationChanged { department, .. }) =
        (stream, &event)
        && of != department
    {
        return Err(Fault::malformed(format!(
            "field `department` is `{department}` in the stream of `{of}`"
        )));
    }
    Ok(event)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = error.to_string();
        // What the generated code says of an enum; fields never get here, unknown ones are ignored. Only the
        // beginning is looked at: the rest may quote the body. `tests/awkward.rs` holds both wordings.
        let unknown_value = detail.starts_with("unknown variant `")
            || (detail.starts_with("invalid value: integer `") && detail.contains("one of: ["));
        if unknown_value { Fault::hold(detail) } else { Fault::malformed(detail) }
    })
}

// --- Fields ---

fn need<T>(value: Option<T>, field: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::malformed(format!("field `{field}` is missing")))
}

fn wrong(field: &str, value: &str, expected: &str) -> Fault {
    Fault::malformed(format!("field `{field}` is `{}`, expected {expected}", text::excerpt(value)))
}

fn id<T: FromStr<Err = ParseIdError>>(value: Option<String>, field: &str) -> Result<T, Fault> {
    id_of(need(value, field)?, field)
}

fn id_of<T: FromStr<Err = ParseIdError>>(value: String, field: &str) -> Result<T, Fault> {
    value.parse().map_err(|error| Fault::malformed(format!("field `{field}`: {error}")))
}

fn id_or_none<T: FromStr<Err = ParseIdError>>(
    value: Option<String>,
    field: &str,
) -> Result<Option<T>, Fault> {
    value.map(|it| id_of(it, field)).transpose()
}

/// A text without NUL, which PostgreSQL cannot keep: one such event would stop every projector.
fn storable(value: String, field: &str) -> Result<String, Fault> {
    if value.contains('\0') {
        return Err(Fault::malformed(format!("field `{field}` contains U+0000")));
    }
    Ok(value)
}

/// A text that says something.
fn words(value: Option<String>, field: &str) -> Result<String, Fault> {
    let value = need(value, field)?;
    if value.trim().is_empty() {
        return Err(Fault::malformed(format!("field `{field}` is empty")));
    }
    storable(value, field)
}

fn all_words(values: Vec<String>, field: &str) -> Result<Vec<String>, Fault> {
    values.into_iter().map(|it| words(Some(it), field)).collect()
}

fn some<T>(values: Vec<T>, field: &str) -> Result<Vec<T>, Fault> {
    if values.is_empty() {
        return Err(Fault::malformed(format!("field `{field}` is empty")));
    }
    Ok(values)
}

fn reason(value: Option<String>) -> Result<String, Fault> {
    match value {
        Some(value) if !value.trim().is_empty() => storable(value, "reason"),
        _ => Err(Fault::new(Code::NoReason, "field `reason` is missing or empty")),
    }
}

fn people(value: u32) -> Result<u32, Fault> {
    if (1..=PEOPLE_MAX).contains(&value) {
        return Ok(value);
    }
    Err(Fault::new(
        Code::OutOfRange,
        format!("field `people` is {value}, expected 1 to {PEOPLE_MAX}"),
    ))
}

fn day(value: Option<String>, field: &str) -> Result<Date, Fault> {
    let value = need(value, field)?;
    text::day(&value).ok_or_else(|| wrong(field, &value, "a day such as 2023-02-06"))
}

fn digest(value: Option<String>, field: &str) -> Result<Digest, Fault> {
    let value = need(value, field)?;
    text::digest(&value)
        .ok_or_else(|| wrong(field, &value, "64 lower-case hexadecimal digits of a SHA-256"))
}

fn digests(values: Vec<String>, field: &str) -> Result<Vec<Digest>, Fault> {
    values.into_iter().map(|it| digest(Some(it), field)).collect()
}

fn original(value: Option<String>) -> Result<EventRef, Fault> {
    let value = need(value, "original")?;
    text::event(&value).ok_or_else(|| wrong("original", &value, "an event such as terminal.w01#17"))
}

fn period(first: Option<String>, last: Option<String>) -> Result<Period, Fault> {
    Period::new(day(first, "first")?, day(last, "last")?)
        .map_err(|error| Fault::malformed(error.to_string()))
}

/// The days of imported figures: a year to date is longer than an issue may be.
fn days_covered(first: Option<String>, last: Option<String>) -> Result<Period, Fault> {
    Period::of_figures(day(first, "first")?, day(last, "last")?)
        .map_err(|error| Fault::malformed(error.to_string()))
}

fn year(value: Option<i32>) -> Result<i16, Fault> {
    let value = need(value, "year")?;
    i16::try_from(value)
        .ok()
        .filter(|it| (1000..=9998).contains(it))
        .ok_or_else(|| wrong("year", &value.to_string(), "four digits such as 2023"))
}

fn from_one(value: Option<u32>, field: &str) -> Result<u32, Fault> {
    match need(value, field)? {
        0 => Err(wrong(field, "0", "1 or more")),
        value => Ok(value),
    }
}

fn tally(
    consulted: Option<u32>,
    accepted: Option<u32>,
    issued: Option<u32>,
    transferred: Option<u32>,
) -> Result<Tally, Fault> {
    Ok(Tally {
        consulted: need(consulted, "consulted")?.into(),
        accepted: need(accepted, "accepted")?.into(),
        issued: need(issued, "issued")?.into(),
        transferred: need(transferred, "transferred")?.into(),
    })
}

// --- From the wire ---

fn act(
    kind: Kind,
    department: Option<String>,
    matter: Option<String>,
    case: Option<String>,
) -> Converted {
    Ok(Event::Act(Act {
        kind,
        amount: 1,
        department: Some(id(department, "department")?),
        matter: id_or_none(matter, "matter")?,
        case: Some(id(case, "case")?),
    }))
}

fn consulted(it: wire::Consulted) -> Converted {
    Ok(Event::Act(Act {
        kind: Kind::Consulted,
        amount: people(need(it.people, "people")?)?,
        department: id_or_none(it.department, "department")?,
        matter: id_or_none(it.matter, "matter")?,
        case: None,
    }))
}

fn day_closed(it: wire::DayClosed) -> Converted {
    Ok(Event::DayClosed {
        day: day(it.day, "day")?,
        tally: tally(it.consulted, it.accepted, it.issued, it.transferred)?,
    })
}

fn corrected(it: wire::Corrected) -> Converted {
    let occurred_at = it
        .occurred_at
        .map(|value| {
            text::instant(&value).ok_or_else(|| wrong("occurredAt", &value, "an instant, RFC 3339"))
        })
        .transpose()?;
    Ok(Event::Corrected {
        original: original(it.original)?,
        replacement: Replacement {
            occurred_at,
            people: it.people.map(people).transpose()?,
            department: id_or_none(it.department, "department")?,
            matter: id_or_none(it.matter, "matter")?,
        },
        reason: reason(it.reason)?,
    })
}

fn voided(it: wire::Voided) -> Converted {
    Ok(Event::Voided { original: original(it.original)?, reason: reason(it.reason)? })
}

fn authorization_changed(it: wire::AuthorizationChanged) -> Converted {
    use authorization_changed::Change;

    let (items, representative, letter) = (it.items, it.representative, it.letter);
    let items = || {
        some(items, "items")?.into_iter().map(|item| id_of(item, "items")).collect::<Result<_, _>>()
    };
    let change = it.change.and_then(|it| Change::try_from(it).ok());
    Ok(Event::AuthorizationChanged {
        department: id(it.department, "department")?,
        effective: day(it.effective, "effective")?,
        change: match need(change, "change")? {
            Change::Unspecified => return Err(Fault::malformed("field `change` is missing")),
            Change::DepartmentAuthorised => AuthorizationChange::DepartmentAuthorised,
            Change::DepartmentWithdrawn => AuthorizationChange::DepartmentWithdrawn,
            Change::ItemsIncluded => AuthorizationChange::ItemsIncluded(items()?),
            Change::ItemsRemoved => AuthorizationChange::ItemsRemoved(items()?),
            Change::RepresentativeReplaced => AuthorizationChange::RepresentativeReplaced {
                representative: id(representative, "representative")?,
                letter: words(letter, "letter")?,
            },
            Change::LetterSigned => {
                AuthorizationChange::LetterSigned { letter: words(letter, "letter")? }
            }
        },
    })
}

/// The text of a submission.
fn news(text: Option<String>) -> Result<String, Fault> {
    let text = words(text, "text")?;
    if text.len() > SUBMISSION_BYTES_MAX {
        return Err(Fault::new(
            Code::TooLarge,
            format!("field `text` has {} bytes, at most {SUBMISSION_BYTES_MAX}", text.len()),
        ));
    }
    Ok(text)
}

fn submission_filed(it: wire::SubmissionFiled) -> Converted {
    Ok(Event::SubmissionFiled {
        section: words(it.section, "section")?,
        department: id(it.department, "department")?,
        text: news(it.text)?,
        attachments: digests(it.attachments, "attachments")?,
    })
}

fn submission_returned(it: wire::SubmissionReturned) -> Converted {
    Ok(Event::SubmissionReturned { reason: reason(it.reason)? })
}

fn inspection_held(it: wire::InspectionHeld) -> Converted {
    let results = some(it.results, "results")?.into_iter().map(|it| {
        Ok(InspectionResult {
            item: words(it.item, "item")?,
            findings: all_words(it.findings, "findings")?,
            remark: it.remark.map(|it| words(Some(it), "remark")).transpose()?,
        })
    });
    Ok(Event::InspectionHeld {
        day: day(it.day, "day")?,
        checklist: digest(it.checklist, "checklist")?,
        results: results.collect::<Result<_, Fault>>()?,
    })
}

fn statistics_imported(it: wire::StatisticsImported) -> Converted {
    let classes = some(it.classes, "classes")?.into_iter().map(|it| {
        Ok(ClassFigures {
            class: words(it.class, "class")?,
            accepted: need(it.accepted, "accepted")?.into(),
            finished: need(it.finished, "finished")?.into(),
        })
    });
    Ok(Event::StatisticsImported {
        source: words(it.source, "source")?,
        level: words(it.level, "level")?,
        period: days_covered(it.first, it.last)?,
        classes: classes.collect::<Result<_, Fault>>()?,
    })
}

fn table_imported(it: wire::TableImported) -> Converted {
    let columns = all_words(some(it.columns, "columns")?, "columns")?;
    let distinct: BTreeSet<&String> = columns.iter().collect();
    if distinct.len() < columns.len() {
        return Err(Fault::malformed("field `columns` names a column twice"));
    }
    if columns.len() > TABLE_COLUMNS_MAX || it.rows.len() > TABLE_ROWS_MAX {
        let detail = format!(
            "the table has {} columns and {} rows, at most {TABLE_COLUMNS_MAX} and {TABLE_ROWS_MAX}",
            columns.len(),
            it.rows.len()
        );
        return Err(Fault::new(Code::TooLarge, detail));
    }
    let row = |(index, row): (usize, wire::table_imported::Row)| {
        if row.cells.len() != columns.len() {
            return Err(Fault::malformed(format!(
                "row {} has {} cells, expected {}",
                index + 1,
                row.cells.len(),
                columns.len()
            )));
        }
        row.cells.into_iter().map(|it| storable(it, "cells")).collect()
    };
    let rows = it.rows.into_iter().enumerate().map(row).collect::<Result<_, Fault>>()?;
    Ok(Event::TableImported {
        source: words(it.source, "source")?,
        period: days_covered(it.first, it.last)?,
        columns,
        rows,
    })
}

fn opening_figures(it: wire::OpeningFiguresRecorded) -> Converted {
    Ok(Event::Issue(IssueEvent::OpeningFigures {
        through: day(it.through, "through")?,
        year_to_date: tally(it.consulted, it.accepted, it.issued, it.transferred)?,
        last_number: need(it.last_number, "lastNumber")?,
        last_running_number: need(it.last_running_number, "lastRunningNumber")?,
    }))
}

fn issue_opened(it: wire::IssueOpened) -> Converted {
    Ok(Event::Issue(IssueEvent::Opened {
        issue: id(it.issue, "issue")?,
        period: period(it.first, it.last)?,
        template: digest(it.template, "template")?,
        checklist: digest(it.checklist, "checklist")?,
        figures: digest(it.figures, "figures")?,
        calendars: digests(it.calendars, "calendars")?,
        series: None,
        parameters: BTreeMap::new(),
    }))
}

fn issue_opened_in_series(it: wire::IssueOpenedInSeries) -> Converted {
    if it.parameters.len() > PARAMETERS_MAX {
        let detail = format!("field `parameters` has more than {PARAMETERS_MAX} entries");
        return Err(Fault::new(Code::TooLarge, detail));
    }
    let parameter = |(name, value): (String, String)| {
        Ok((words(Some(name), "parameters")?, storable(value, "parameters")?))
    };
    Ok(Event::Issue(IssueEvent::Opened {
        issue: id(it.issue, "issue")?,
        period: period(it.first, it.last)?,
        template: digest(it.template, "template")?,
        checklist: digest(it.checklist, "checklist")?,
        figures: digest(it.figures, "figures")?,
        calendars: digests(it.calendars, "calendars")?,
        series: id_or_none(it.series, "series")?,
        parameters: it.parameters.into_iter().map(parameter).collect::<Result<_, Fault>>()?,
    }))
}

fn issue_period_set(it: wire::IssuePeriodSet) -> Converted {
    Ok(Event::Issue(IssueEvent::PeriodSet {
        issue: id(it.issue, "issue")?,
        period: period(it.first, it.last)?,
    }))
}

fn issue_submission_adopted(it: wire::IssueSubmissionAdopted) -> Converted {
    Ok(Event::Issue(IssueEvent::SubmissionAdopted {
        issue: id(it.issue, "issue")?,
        submission: id(it.submission, "submission")?,
        order: need(it.order, "order")?,
    }))
}

fn issue_submission_edited(it: wire::IssueSubmissionEdited) -> Converted {
    Ok(Event::Issue(IssueEvent::SubmissionEdited {
        issue: id(it.issue, "issue")?,
        submission: id(it.submission, "submission")?,
        of: digest(it.of, "of")?,
        text: news(it.text)?,
        reason: reason(it.reason)?,
    }))
}

fn issue_frozen(it: wire::IssueFrozen) -> Converted {
    let heads = it.heads.into_iter().map(|it| {
        Ok(TerminalHead {
            terminal: id(it.terminal, "terminal")?,
            number: need(it.number, "number")?,
        })
    });
    Ok(Event::Issue(IssueEvent::Frozen {
        issue: id(it.issue, "issue")?,
        cut: need(it.cut, "cut")?,
        heads: heads.collect::<Result<_, Fault>>()?,
        tree: it.tree.map(tree).transpose()?,
    }))
}

fn tree(it: wire::issue_frozen::Tree) -> Result<Tree, Fault> {
    let hash = words(it.hash, "hash")?;
    let hash = TreeHash::from_word(&hash).ok_or_else(|| {
        Fault::hold(format!("field `hash` is `{}`, which is not known", text::excerpt(&hash)))
    })?;
    let tree = Tree {
        hash,
        size: need(it.size, "size")?,
        root: digest(it.root, "root")?,
        peaks: digests(it.peaks, "peaks")?,
    };
    if tree.peaks.len() != tree.size.count_ones() as usize {
        return Err(Fault::malformed(format!(
            "field `peaks` has {} digests, which a tree of {} has not",
            tree.peaks.len(),
            tree.size
        )));
    }
    Ok(tree)
}

fn issue_submitted(it: wire::IssueSubmitted) -> Converted {
    Ok(Event::Issue(IssueEvent::Submitted { issue: id(it.issue, "issue")? }))
}

fn issue_returned(it: wire::IssueReturned) -> Converted {
    Ok(Event::Issue(IssueEvent::Returned {
        issue: id(it.issue, "issue")?,
        reason: reason(it.reason)?,
    }))
}

fn issue_warning_accepted(it: wire::IssueWarningAccepted) -> Converted {
    let code = words(it.code, "code")?;
    let known = Code::from_text(&code);
    let unknown = || Fault::hold(format!("code `{}` is not known", text::excerpt(&code)));
    Ok(Event::Issue(IssueEvent::WarningAccepted {
        issue: id(it.issue, "issue")?,
        code: known.ok_or_else(unknown)?,
        place: words(it.place, "place")?,
        finding: digest(it.finding, "finding")?,
        reason: reason(it.reason)?,
    }))
}

fn issue_signed_off(it: wire::IssueSignedOff) -> Converted {
    Ok(Event::Issue(IssueEvent::SignedOff {
        issue: id(it.issue, "issue")?,
        year: year(it.year)?,
        number: from_one(it.number, "number")?,
        running_number: from_one(it.running_number, "runningNumber")?,
        issued_on: day(it.issued_on, "issuedOn")?,
        figures: digest(it.figures, "figures")?,
        document: digest(it.document, "document")?,
    }))
}

fn issue_published(it: wire::IssuePublished) -> Converted {
    if it.files.len() > FILES_MAX {
        let detail = format!("field `files` has more than {FILES_MAX} entries");
        return Err(Fault::new(Code::TooLarge, detail));
    }
    let files = it.files.into_iter().map(|it| {
        Ok(IssueFile {
            name: words(it.name, "name")?,
            bytes: need(it.bytes, "bytes")?,
            digest: digest(it.sha256, "sha256")?,
        })
    });
    Ok(Event::Issue(IssueEvent::Published {
        issue: id(it.issue, "issue")?,
        files: files.collect::<Result<_, Fault>>()?,
    }))
}

fn issue_amended(it: wire::IssueAmended) -> Converted {
    Ok(Event::Issue(IssueEvent::Amended { issue: id(it.issue, "issue")?, note: reason(it.note)? }))
}

fn issue_voided(it: wire::IssueVoided) -> Converted {
    Ok(Event::Issue(IssueEvent::Voided {
        issue: id(it.issue, "issue")?,
        reason: reason(it.reason)?,
    }))
}

fn hall_described(it: wire::HallDescribed) -> Converted {
    Ok(Event::Setup(Setup::Hall {
        name: words(it.name, "name")?,
        publisher: words(it.publisher, "publisher")?,
    }))
}

fn window_set(it: wire::WindowSet) -> Converted {
    Ok(Event::Setup(Setup::Window { name: words(it.name, "name")?, open: need(it.open, "open")? }))
}

fn terminal_set(it: wire::TerminalSet) -> Converted {
    Ok(Event::Setup(Setup::Terminal {
        window: id(it.window, "window")?,
        active: need(it.active, "active")?,
    }))
}

fn terminal_key_set(it: wire::TerminalKeySet) -> Converted {
    let nats = need(it.nats, "nats")?;
    let plain = |it: u8| matches!(it, b'A'..=b'Z' | b'2'..=b'7');
    if nats.len() != 56 || !nats.starts_with('U') || !nats.bytes().all(plain) {
        return Err(wrong("nats", &nats, "the public nkey of a user, `U` and 55 characters"));
    }
    let key = TerminalKey {
        signing: id(it.signing, "signing")?,
        nats,
        valid_through: day(it.valid_through, "validThrough")?,
        endorsement: it
            .endorsement
            .map(|it| {
                Ok::<_, Fault>(Endorsement {
                    key: id(it.key, "endorsement.key")?,
                    signature: id(it.signature, "endorsement.signature")?,
                })
            })
            .transpose()?,
        revoked: need(it.revoked, "revoked")?,
    };
    if Verifier::new(&key.signing).is_none() {
        return Err(wrong("signing", &key.signing.to_string(), "an Ed25519 public key"));
    }
    if key.endorsement.as_ref().is_some_and(|it| !signature::vouches(it, &key)) {
        return Err(Fault::malformed(
            "field `endorsement`: 旧密钥未为新密钥背书 is not a signature of these keys by the earlier key".to_owned(),
        ));
    }
    Ok(Event::Setup(Setup::Key(key)))
}

fn department_set(it: wire::DepartmentSet) -> Converted {
    Ok(Event::Setup(Setup::Department {
        name: words(it.name, "name")?,
        aliases: all_words(it.aliases, "aliases")?,
    }))
}

fn matter_set(it: wire::MatterSet) -> Converted {
    Ok(Event::Setup(Setup::Matter {
        name: words(it.name, "name")?,
        department: id(it.department, "department")?,
    }))
}

fn checklist_published(it: wire::ChecklistPublished) -> Converted {
    Ok(Event::Setup(Setup::Checklist {
        introduction: storable(it.introduction.unwrap_or_default(), "introduction")?,
        items: all_words(some(it.items, "items")?, "items")?,
    }))
}

fn template_published(it: wire::TemplatePublished) -> Converted {
    Ok(Event::Setup(Setup::Template { source: words(it.source, "source")? }))
}

fn calendar_published(it: wire::CalendarPublished) -> Converted {
    // Whether the days make a calendar is the domain's to say (`Schedule::new`), at the edge.
    let days = |days: Vec<wire::calendar_published::Day>| {
        days.into_iter()
            .map(|it| {
                Ok(NamedDay {
                    date: day(it.date, "date")?,
                    name: storable(it.name.unwrap_or_default(), "name")?,
                })
            })
            .collect::<Result<Vec<_>, Fault>>()
    };
    Ok(Event::Setup(Setup::Calendar {
        year: year(it.year)?,
        notice: words(it.notice, "notice")?,
        off: days(some(it.off, "off")?)?,
        work: days(it.work)?,
    }))
}

fn user_set(it: wire::UserSet) -> Converted {
    use user_set::Right as Wire;

    let rights = it.rights.into_iter().map(|it| {
        Ok(match Wire::try_from(it).unwrap_or_default() {
            Wire::Unspecified => return Err(Fault::malformed("field `rights` names no right")),
            Wire::Record => Right::Record,
            Wire::Correct => Right::Correct,
            Wire::LateEntry => Right::LateEntry,
            Wire::Authorize => Right::Authorize,
            Wire::Submit => Right::Submit,
            Wire::Inspect => Right::Inspect,
            Wire::Edit => Right::Edit,
            Wire::Sign => Right::Sign,
            Wire::Administer => Right::Administer,
            Wire::Release => Right::Release,
        })
    });
    Ok(Event::Setup(Setup::User {
        rights: rights.collect::<Result<_, Fault>>()?,
        active: need(it.active, "active")?,
    }))
}

fn figures_defined(it: wire::FiguresDefined) -> Converted {
    use figures_defined::Kind as Wire;

    let kinds = |kinds: Vec<i32>| {
        some(kinds, "kinds")?
            .into_iter()
            .map(|it| {
                Ok(match Wire::try_from(it).unwrap_or_default() {
                    Wire::Unspecified => {
                        return Err(Fault::malformed("field `kinds` names no kind"));
                    }
                    Wire::Consulted => Kind::Consulted,
                    Wire::Accepted => Kind::Accepted,
                    Wire::Issued => Kind::Issued,
                    Wire::Transferred => Kind::Transferred,
                })
            })
            .collect::<Result<Vec<_>, Fault>>()
    };
    let definitions = some(it.definitions, "definitions")?.into_iter().map(|it| {
        Ok(Definition {
            key: words(it.key, "key")?,
            title: words(it.title, "title")?,
            unit: words(it.unit, "unit")?,
            meaning: words(it.meaning, "meaning")?,
            kinds: kinds(it.kinds)?,
        })
    });
    Ok(Event::Setup(Setup::Figures { definitions: definitions.collect::<Result<_, Fault>>()? }))
}

fn rules_set(it: wire::RulesSet) -> Converted {
    use rules_set::Severity as Wire;

    let severity = |value: Option<i32>, field: &str| {
        Ok(match Wire::try_from(need(value, field)?).unwrap_or_default() {
            Wire::Unspecified => {
                return Err(Fault::malformed(format!("field `{field}` is missing")));
            }
            Wire::Flag => Severity::Flag,
            Wire::Warn => Severity::Warn,
        })
    };
    Ok(Event::Setup(Setup::Rules(Rules {
        future_seconds_max: need(it.future_seconds_max, "futureSecondsMax")?,
        late_entry_hours_max: need(it.late_entry_hours_max, "lateEntryHoursMax")?,
        unknown_case_after_opening: severity(
            it.unknown_case_after_opening,
            "unknownCaseAfterOpening",
        )?,
        unknown_case: severity(it.unknown_case, "unknownCase")?,
    })))
}

fn released(it: wire::Released) -> Converted {
    Ok(Event::Released {
        original: original(it.original)?,
        position: it.position,
        reason: reason(it.reason)?,
    })
}

fn rejected(it: wire::Rejected) -> Converted {
    Ok(Event::Rejected {
        original: original(it.original)?,
        position: it.position,
        reason: reason(it.reason)?,
    })
}

fn access_refused(it: wire::AccessRefused) -> Converted {
    let attempt = words(it.attempt, "attempt")?;
    let attempt = Attempt::from_word(&attempt).ok_or_else(|| {
        Fault::hold(format!("field `attempt` is `{}`, which is not known", text::excerpt(&attempt)))
    })?;
    let times = need(it.times, "times")?;
    if times == 0 {
        return Err(Fault::malformed("field `times` is 0, expected at least 1"));
    }
    let (user, subject) = (words(it.user, "user")?, words(it.subject, "subject")?);
    Ok(Event::AccessRefused { user, attempt, subject, times })
}

fn request_noted(it: wire::RequestNoted) -> Converted {
    let outcome = words(it.outcome, "outcome")?;
    let outcome = Outcome::from_word(&outcome).ok_or_else(|| {
        Fault::hold(format!("field `outcome` is `{}`, which is not known", text::excerpt(&outcome)))
    })?;
    Ok(Event::RequestNoted { route: words(it.route, "route")?, outcome })
}

// --- To the wire ---

/// Writes an event: its `ce-type` and its body.
///
/// An amount that the wire cannot hold (negative, or 2³² and more) is left out, so that reading refuses the body
/// as incomplete instead of taking another amount for true. The domain makes none.
#[must_use]
pub fn event_to_json(event: &Event) -> (&'static str, Vec<u8>) {
    match event {
        Event::Act(act) => act_to_json(act),
        Event::DayClosed { day, tally } => {
            let [consulted, accepted, issued, transferred] = amounts(tally);
            let message = wire::DayClosed {
                day: Some(day.to_string()),
                consulted,
                accepted,
                issued,
                transferred,
            };
            ("cn.zhoubao.DayClosed.v1", json(&message))
        }
        Event::Corrected { original, replacement, reason } => {
            let Replacement { occurred_at, people, department, matter } = replacement;
            let message = wire::Corrected {
                original: Some(original.to_string()),
                occurred_at: occurred_at.map(zhoubao_domain::time::rfc3339),
                people: *people,
                department: department.as_ref().map(ToString::to_string),
                matter: matter.as_ref().map(ToString::to_string),
                reason: Some(reason.clone()),
            };
            ("cn.zhoubao.Corrected.v1", json(&message))
        }
        Event::Voided { original, reason } => {
            let message =
                wire::Voided { original: Some(original.to_string()), reason: Some(reason.clone()) };
            ("cn.zhoubao.Voided.v1", json(&message))
        }
        Event::AuthorizationChanged { department, effective, change } => {
            let message = authorization_to_wire(change, department.to_string(), *effective);
            ("cn.zhoubao.AuthorizationChanged.v1", json(&message))
        }
        Event::SubmissionFiled { section, department, text, attachments } => {
            let message = wire::SubmissionFiled {
                section: Some(section.clone()),
                department: Some(department.to_string()),
                text: Some(text.clone()),
                attachments: attachments.iter().map(hex).collect(),
            };
            ("cn.zhoubao.SubmissionFiled.v1", json(&message))
        }
        Event::SubmissionReturned { reason } => {
            let message = wire::SubmissionReturned { reason: Some(reason.clone()) };
            ("cn.zhoubao.SubmissionReturned.v1", json(&message))
        }
        Event::InspectionHeld { day, checklist, results } => {
            let result = |it: &InspectionResult| wire::inspection_held::Result {
                item: Some(it.item.clone()),
                findings: it.findings.clone(),
                remark: it.remark.clone(),
            };
            let message = wire::InspectionHeld {
                day: Some(day.to_string()),
                checklist: Some(hex(checklist)),
                results: results.iter().map(result).collect(),
            };
            ("cn.zhoubao.InspectionHeld.v1", json(&message))
        }
        Event::StatisticsImported { source, level, period, classes } => {
            let row = |it: &ClassFigures| wire::statistics_imported::ClassFigures {
                class: Some(it.class.clone()),
                accepted: u32::try_from(it.accepted).ok(),
                finished: u32::try_from(it.finished).ok(),
            };
            let message = wire::StatisticsImported {
                source: Some(source.clone()),
                level: Some(level.clone()),
                first: Some(period.first().to_string()),
                last: Some(period.last().to_string()),
                classes: classes.iter().map(row).collect(),
            };
            ("cn.zhoubao.StatisticsImported.v1", json(&message))
        }
        Event::TableImported { source, period, columns, rows } => {
            let row = |it: &Vec<String>| wire::table_imported::Row { cells: it.clone() };
            let message = wire::TableImported {
                source: Some(source.clone()),
                first: Some(period.first().to_string()),
                last: Some(period.last().to_string()),
                columns: columns.clone(),
                rows: rows.iter().map(row).collect(),
            };
            ("cn.zhoubao.TableImported.v1", json(&message))
        }
        Event::Issue(event) => issue_to_json(event),
        Event::Setup(setup) => setup_to_json(setup),
        Event::Released { original, position, reason } => {
            let message = wire::Released {
                original: Some(original.to_string()),
                position: *position,
                reason: Some(reason.clone()),
            };
            ("cn.zhoubao.Released.v1", json(&message))
        }
        Event::Rejected { original, position, reason } => {
            let message = wire::Rejected {
                original: Some(original.to_string()),
                position: *position,
                reason: Some(reason.clone()),
            };
            ("cn.zhoubao.Rejected.v1", json(&message))
        }
        Event::AccessRefused { user, attempt, subject, times } => {
            let message = wire::AccessRefused {
                user: Some(user.clone()),
                attempt: Some(attempt.word().to_owned()),
                subject: Some(subject.clone()),
                times: Some(*times),
            };
            ("cn.zhoubao.AccessRefused.v1", json(&message))
        }
        Event::RequestNoted { route, outcome } => {
            let message = wire::RequestNoted {
                route: Some(route.clone()),
                outcome: Some(outcome.word().to_owned()),
            };
            ("cn.zhoubao.RequestNoted.v1", json(&message))
        }
    }
}

fn json<T: serde::Serialize>(message: &T) -> Vec<u8> {
    // Generated serialisers fail only for an enum number without a name, and numbers here come from the enums.
    serde_json::to_vec(message).expect("a generated message has a JSON form")
}

fn amounts(tally: &Tally) -> [Option<u32>; 4] {
    [tally.consulted, tally.accepted, tally.issued, tally.transferred]
        .map(|it| u32::try_from(it).ok())
}

fn act_to_json(act: &Act) -> (&'static str, Vec<u8>) {
    let department = act.department.as_ref().map(ToString::to_string);
    let matter = act.matter.as_ref().map(ToString::to_string);
    let case = act.case.as_ref().map(ToString::to_string);
    match act.kind {
        Kind::Consulted => (
            "cn.zhoubao.Consulted.v1",
            json(&wire::Consulted { people: Some(act.amount), department, matter }),
        ),
        Kind::Accepted => {
            ("cn.zhoubao.Accepted.v1", json(&wire::Accepted { department, matter, case }))
        }
        Kind::Issued => ("cn.zhoubao.Issued.v1", json(&wire::Issued { department, matter, case })),
        Kind::Transferred => {
            ("cn.zhoubao.Transferred.v1", json(&wire::Transferred { department, matter, case }))
        }
    }
}

fn authorization_to_wire(
    change: &AuthorizationChange,
    department: String,
    effective: Date,
) -> wire::AuthorizationChanged {
    use authorization_changed::Change;

    let mut message = wire::AuthorizationChanged {
        department: Some(department),
        effective: Some(effective.to_string()),
        ..Default::default()
    };
    let kind = match change {
        AuthorizationChange::DepartmentAuthorised => Change::DepartmentAuthorised,
        AuthorizationChange::DepartmentWithdrawn => Change::DepartmentWithdrawn,
        AuthorizationChange::ItemsIncluded(items) => {
            message.items = items.iter().map(ToString::to_string).collect();
            Change::ItemsIncluded
        }
        AuthorizationChange::ItemsRemoved(items) => {
            message.items = items.iter().map(ToString::to_string).collect();
            Change::ItemsRemoved
        }
        AuthorizationChange::RepresentativeReplaced { representative, letter } => {
            message.representative = Some(representative.to_string());
            message.letter = Some(letter.clone());
            Change::RepresentativeReplaced
        }
        AuthorizationChange::LetterSigned { letter } => {
            message.letter = Some(letter.clone());
            Change::LetterSigned
        }
    };
    message.set_change(kind);
    message
}

fn issue_to_json(event: &IssueEvent) -> (&'static str, Vec<u8>) {
    match event {
        IssueEvent::OpeningFigures { through, year_to_date, last_number, last_running_number } => {
            let [consulted, accepted, issued, transferred] = amounts(year_to_date);
            let message = wire::OpeningFiguresRecorded {
                through: Some(through.to_string()),
                consulted,
                accepted,
                issued,
                transferred,
                last_number: Some(*last_number),
                last_running_number: Some(*last_running_number),
            };
            ("cn.zhoubao.OpeningFiguresRecorded.v1", json(&message))
        }
        IssueEvent::Opened {
            issue,
            period,
            template,
            checklist,
            figures,
            calendars,
            series,
            parameters,
        } if series.is_some() || !parameters.is_empty() => {
            let message = wire::IssueOpenedInSeries {
                issue: Some(issue.to_string()),
                first: Some(period.first().to_string()),
                last: Some(period.last().to_string()),
                template: Some(hex(template)),
                checklist: Some(hex(checklist)),
                figures: Some(hex(figures)),
                calendars: calendars.iter().map(hex).collect(),
                series: series.as_ref().map(ToString::to_string),
                parameters: parameters.clone().into_iter().collect(),
            };
            ("cn.zhoubao.IssueOpenedInSeries.v1", json(&message))
        }
        IssueEvent::Opened { issue, period, template, checklist, figures, calendars, .. } => {
            let message = wire::IssueOpened {
                issue: Some(issue.to_string()),
                first: Some(period.first().to_string()),
                last: Some(period.last().to_string()),
                template: Some(hex(template)),
                checklist: Some(hex(checklist)),
                figures: Some(hex(figures)),
                calendars: calendars.iter().map(hex).collect(),
            };
            ("cn.zhoubao.IssueOpened.v1", json(&message))
        }
        IssueEvent::PeriodSet { issue, period } => {
            let message = wire::IssuePeriodSet {
                issue: Some(issue.to_string()),
                first: Some(period.first().to_string()),
                last: Some(period.last().to_string()),
            };
            ("cn.zhoubao.IssuePeriodSet.v1", json(&message))
        }
        IssueEvent::SubmissionAdopted { issue, submission, order } => {
            let message = wire::IssueSubmissionAdopted {
                issue: Some(issue.to_string()),
                submission: Some(submission.to_string()),
                order: Some(*order),
            };
            ("cn.zhoubao.IssueSubmissionAdopted.v1", json(&message))
        }
        IssueEvent::SubmissionEdited { issue, submission, of, text, reason } => {
            let message = wire::IssueSubmissionEdited {
                issue: Some(issue.to_string()),
                submission: Some(submission.to_string()),
                of: Some(hex(of)),
                text: Some(text.clone()),
                reason: Some(reason.clone()),
            };
            ("cn.zhoubao.IssueSubmissionEdited.v1", json(&message))
        }
        IssueEvent::Frozen { issue, cut, heads, tree } => {
            let head = |it: &TerminalHead| wire::issue_frozen::Head {
                terminal: Some(it.terminal.to_string()),
                number: Some(it.number),
            };
            let message = wire::IssueFrozen {
                issue: Some(issue.to_string()),
                cut: Some(*cut),
                heads: heads.iter().map(head).collect(),
                tree: tree.as_ref().map(|it| wire::issue_frozen::Tree {
                    hash: Some(it.hash.word().to_owned()),
                    size: Some(it.size),
                    root: Some(hex(&it.root)),
                    peaks: it.peaks.iter().map(hex).collect(),
                }),
            };
            ("cn.zhoubao.IssueFrozen.v1", json(&message))
        }
        IssueEvent::Submitted { issue } => {
            let message = wire::IssueSubmitted { issue: Some(issue.to_string()) };
            ("cn.zhoubao.IssueSubmitted.v1", json(&message))
        }
        IssueEvent::Returned { issue, reason } => {
            let message = wire::IssueReturned {
                issue: Some(issue.to_string()),
                reason: Some(reason.clone()),
            };
            ("cn.zhoubao.IssueReturned.v1", json(&message))
        }
        IssueEvent::WarningAccepted { issue, code, place, finding, reason } => {
            let message = wire::IssueWarningAccepted {
                issue: Some(issue.to_string()),
                code: Some(code.text().to_owned()),
                place: Some(place.clone()),
                finding: Some(hex(finding)),
                reason: Some(reason.clone()),
            };
            ("cn.zhoubao.IssueWarningAccepted.v1", json(&message))
        }
        IssueEvent::SignedOff {
            issue,
            year,
            number,
            running_number,
            issued_on,
            figures,
            document,
        } => {
            let message = wire::IssueSignedOff {
                issue: Some(issue.to_string()),
                year: Some(i32::from(*year)),
                number: Some(*number),
                running_number: Some(*running_number),
                issued_on: Some(issued_on.to_string()),
                figures: Some(hex(figures)),
                document: Some(hex(document)),
            };
            ("cn.zhoubao.IssueSignedOff.v1", json(&message))
        }
        IssueEvent::Published { issue, files } => {
            let files = files.iter().map(|it| wire::issue_published::File {
                name: Some(it.name.clone()),
                bytes: Some(it.bytes),
                sha256: Some(hex(&it.digest)),
            });
            let message =
                wire::IssuePublished { issue: Some(issue.to_string()), files: files.collect() };
            ("cn.zhoubao.IssuePublished.v1", json(&message))
        }
        IssueEvent::Amended { issue, note } => {
            let message =
                wire::IssueAmended { issue: Some(issue.to_string()), note: Some(note.clone()) };
            ("cn.zhoubao.IssueAmended.v1", json(&message))
        }
        IssueEvent::Voided { issue, reason } => {
            let message =
                wire::IssueVoided { issue: Some(issue.to_string()), reason: Some(reason.clone()) };
            ("cn.zhoubao.IssueVoided.v1", json(&message))
        }
    }
}

fn setup_to_json(setup: &Setup) -> (&'static str, Vec<u8>) {
    match setup {
        Setup::Hall { name, publisher } => {
            let message = wire::HallDescribed {
                name: Some(name.clone()),
                publisher: Some(publisher.clone()),
            };
            ("cn.zhoubao.HallDescribed.v1", json(&message))
        }
        Setup::Window { name, open } => {
            let message = wire::WindowSet { name: Some(name.clone()), open: Some(*open) };
            ("cn.zhoubao.WindowSet.v1", json(&message))
        }
        Setup::Terminal { window, active } => {
            let message =
                wire::TerminalSet { window: Some(window.to_string()), active: Some(*active) };
            ("cn.zhoubao.TerminalSet.v1", json(&message))
        }
        Setup::Key(key) => {
            let endorsement =
                key.endorsement.as_ref().map(|it| wire::terminal_key_set::Endorsement {
                    key: Some(it.key.to_string()),
                    signature: Some(it.signature.to_string()),
                });
            let message = wire::TerminalKeySet {
                signing: Some(key.signing.to_string()),
                nats: Some(key.nats.clone()),
                valid_through: Some(key.valid_through.to_string()),
                endorsement,
                revoked: Some(key.revoked),
            };
            ("cn.zhoubao.TerminalKeySet.v1", json(&message))
        }
        Setup::Department { name, aliases } => {
            let message =
                wire::DepartmentSet { name: Some(name.clone()), aliases: aliases.clone() };
            ("cn.zhoubao.DepartmentSet.v1", json(&message))
        }
        Setup::Matter { name, department } => {
            let message = wire::MatterSet {
                name: Some(name.clone()),
                department: Some(department.to_string()),
            };
            ("cn.zhoubao.MatterSet.v1", json(&message))
        }
        Setup::Checklist { introduction, items } => {
            let message = wire::ChecklistPublished {
                introduction: Some(introduction.clone()),
                items: items.clone(),
            };
            ("cn.zhoubao.ChecklistPublished.v1", json(&message))
        }
        Setup::Template { source } => {
            let message = wire::TemplatePublished { source: Some(source.clone()) };
            ("cn.zhoubao.TemplatePublished.v1", json(&message))
        }
        Setup::Calendar { year, notice, off, work } => {
            let days = |days: &[NamedDay]| {
                days.iter()
                    .map(|it| wire::calendar_published::Day {
                        date: Some(it.date.to_string()),
                        name: Some(it.name.clone()),
                    })
                    .collect()
            };
            let message = wire::CalendarPublished {
                year: Some(i32::from(*year)),
                notice: Some(notice.clone()),
                off: days(off),
                work: days(work),
            };
            ("cn.zhoubao.CalendarPublished.v1", json(&message))
        }
        Setup::User { rights, active } => {
            let message = wire::UserSet {
                rights: rights.iter().map(|it| right_to_wire(*it).into()).collect(),
                active: Some(*active),
            };
            ("cn.zhoubao.UserSet.v1", json(&message))
        }
        Setup::Figures { definitions } => {
            let definition = |it: &Definition| figures_defined::Definition {
                key: Some(it.key.clone()),
                title: Some(it.title.clone()),
                unit: Some(it.unit.clone()),
                meaning: Some(it.meaning.clone()),
                kinds: it.kinds.iter().map(|it| kind_to_wire(*it).into()).collect(),
            };
            let message =
                wire::FiguresDefined { definitions: definitions.iter().map(definition).collect() };
            ("cn.zhoubao.FiguresDefined.v1", json(&message))
        }
        Setup::Rules(rules) => {
            let severity = |it: Severity| match it {
                Severity::Flag => rules_set::Severity::Flag.into(),
                Severity::Warn => rules_set::Severity::Warn.into(),
            };
            let message = wire::RulesSet {
                future_seconds_max: Some(rules.future_seconds_max),
                late_entry_hours_max: Some(rules.late_entry_hours_max),
                unknown_case_after_opening: Some(severity(rules.unknown_case_after_opening)),
                unknown_case: Some(severity(rules.unknown_case)),
            };
            ("cn.zhoubao.RulesSet.v1", json(&message))
        }
    }
}

fn right_to_wire(right: Right) -> user_set::Right {
    match right {
        Right::Record => user_set::Right::Record,
        Right::Correct => user_set::Right::Correct,
        Right::LateEntry => user_set::Right::LateEntry,
        Right::Authorize => user_set::Right::Authorize,
        Right::Submit => user_set::Right::Submit,
        Right::Inspect => user_set::Right::Inspect,
        Right::Edit => user_set::Right::Edit,
        Right::Sign => user_set::Right::Sign,
        Right::Administer => user_set::Right::Administer,
        Right::Release => user_set::Right::Release,
    }
}

fn kind_to_wire(kind: Kind) -> figures_defined::Kind {
    match kind {
        Kind::Consulted => figures_defined::Kind::Consulted,
        Kind::Accepted => figures_defined::Kind::Accepted,
        Kind::Issued => figures_defined::Kind::Issued,
        Kind::Transferred => figures_defined::Kind::Transferred,
    }
}
