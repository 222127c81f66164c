//! The weekly as data: order, headings and wording of an issue, written as TOML.
//!
//! # Wordings
//!
//! A wording is one paragraph of text with expressions `{{ name }}` or `{{ function('word', 'word') }}`: no operators,
//! statements, filters or tests. Names are defined as the table says; an unknown one is an error.
//!
//! | name | value | where |
//! |--|--|--|
//! | `title`, `part`, `hall`, `publisher` | texts | everywhere |
//! | `year`, `number`, `running_number`, `print_run` | numbers of the issue | everywhere |
//! | `period` | `2月6日—2月10日` | everywhere |
//! | `first_day`, `last_day` | full dates of the period's ends | everywhere |
//! | `authorised_departments` | number of departments authorised, bound | everywhere |
//! | `issued_on` | full date of the masthead | the masthead line `issue-date` |
//! | `platform`, `level`, `data_first_day`, `data_last_day` | of the import | `statistics` |
//! | `department`, `items` | of one change of scope | `authorised`, `withdrawn`, `items_included`, `items_removed` |
//! | `departments` | names joined by 、 | `replaced`, `letter_signed` |
//! | `item`, `text` | of one line of the checklist | `line` |
//!
//! | function | prints |
//! |--|--|
//! | `figure('accepted', 'week')` | a bound figure: key of its definition, span (`week`, `week-of-year`, `outside`, `outside-earlier`, `adjustment`, `carried`, `year`) |
//! | `figure('accepted', 'week', 'window', 'w01')` | one part of it (`day`, `window`, `department`) |
//! | `amounts('week-of-year')` | every figure of the span that is not 0: 咨询12人次、受理3件 |
//! | `by_day('outside')` | the same, day by day: 1月28日咨询12人次；1月29日受理3件 |
//! | `adjustments()` | the adjustments by cause: 补计受理增3件、更正咨询减2人次 |
//! | `statistic('行政许可', 'accepted')` | a bound number of the import (`accepted`, `finished`); in `statistics` only |
//!
//! # Sections
//!
//! | kind | prints | keys of its own |
//! |--|--|--|
//! | `group` | its subsections | `section` |
//! | `figures` | one paragraph, then the notes whose condition holds | `wording`, `note` (`when`, `wording`) |
//! | `authorization-scope` | one sentence a change, or the claim that there was none | `unchanged`, `authorised`, `withdrawn`, `items_included`, `items_removed` |
//! | `items` | submissions, then sentences on changed holders if both wordings are given | `items`, `replaced`, `letter_signed` |
//! | `statistics` | one paragraph | `classes`, `wording` |
//! | `inspection` | the checklist's introduction, then one line an item | `items`, `line`, `good`, `not_inspected`, `not_held` |
//!
//! Every section has `key`, `heading`, `kind` and `required` (true unless said otherwise). A section that is not
//! required and has nothing to print is left out with its heading, and the numbers close up.

use std::collections::BTreeSet;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;
use zhoubao_domain::figure::Definition;
use zhoubao_domain::id::Digest;

use crate::document::{BlockKind, Inline};
use crate::numbering::{NUMBER_MAX, Numbering};
use crate::wording::{Call, Engine, Part, misfit, plain_misfit};

/// Largest template, in bytes: it is stored in an event.
pub const TEMPLATE_BYTES_MAX: usize = 20 * 1024;

/// Deepest nesting of sections: a level for each style of numbering.
const LEVELS_MAX: usize = Numbering::LEVELS.len();

/// A template whose form has been checked. Whether its figures exist is for [`Template::check`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(crate) title: String,
    pub(crate) part: String,
    pub(crate) print_run: u32,
    pub(crate) print_run_wording: String,
    pub(crate) masthead: Vec<MastheadLine>,
    pub(crate) sections: Vec<Section>,
    pub(crate) distribution: Vec<Distribution>,
    digest: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) key: String,
    pub(crate) heading: String,
    pub(crate) required: bool,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Group(Vec<Section>),
    Figures {
        wording: String,
        notes: Vec<Note>,
    },
    AuthorizationScope {
        unchanged: String,
        authorised: String,
        withdrawn: String,
        items_included: String,
        items_removed: String,
    },
    Items {
        numbering: Numbering,
        holders: Option<HolderWordings>,
    },
    Statistics {
        classes: Vec<String>,
        wording: String,
    },
    Inspection {
        numbering: Numbering,
        line: String,
        good: String,
        not_inspected: String,
        not_held: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HolderWordings {
    pub(crate) replaced: String,
    pub(crate) letter_signed: String,
}

/// A condition of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    /// Something was counted between the periods in the issue's year.
    Outside,
    /// The same, before New Year.
    OutsideEarlier,
    /// A figure was adjusted.
    Adjustment,
    /// The period crosses New Year.
    YearSplit,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    pub(crate) when: When,
    pub(crate) wording: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MastheadKind {
    Title,
    IssueNumber,
    Publisher,
    IssueDate,
    PartTitle,
    Period,
}

impl MastheadKind {
    pub(crate) fn block(self) -> BlockKind {
        match self {
            Self::Title => BlockKind::Title,
            Self::IssueNumber => BlockKind::IssueNumber,
            Self::Publisher => BlockKind::Publisher,
            Self::IssueDate => BlockKind::IssueDate,
            Self::PartTitle => BlockKind::PartTitle,
            Self::Period => BlockKind::Period,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MastheadLine {
    pub(crate) kind: MastheadKind,
    pub(crate) wording: String,
    /// Printed instead while the issue is not signed off.
    pub(crate) pending: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Distribution {
    pub(crate) kind: String,
    pub(crate) to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTemplate {
    title: String,
    part: String,
    print_run: u32,
    print_run_wording: String,
    masthead: Vec<MastheadLine>,
    #[serde(rename = "section")]
    sections: Vec<RawSection>,
    #[serde(default)]
    distribution: Vec<Distribution>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawKind {
    Group,
    Figures,
    AuthorizationScope,
    Items,
    Statistics,
    Inspection,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSection {
    key: String,
    heading: String,
    kind: RawKind,
    required: Option<bool>,
    #[serde(rename = "section")]
    sections: Option<Vec<RawSection>>,
    wording: Option<String>,
    #[serde(rename = "note")]
    notes: Option<Vec<Note>>,
    items: Option<Numbering>,
    classes: Option<Vec<String>>,
    unchanged: Option<String>,
    authorised: Option<String>,
    withdrawn: Option<String>,
    items_included: Option<String>,
    items_removed: Option<String>,
    replaced: Option<String>,
    letter_signed: Option<String>,
    line: Option<String>,
    good: Option<String>,
    not_inspected: Option<String>,
    not_held: Option<String>,
}

/// Collects what is wrong, each with its place.
#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    fn add(&mut self, place: &str, what: impl AsRef<str>) {
        self.0.push(format!("{place}: {}", what.as_ref()));
    }

    fn end(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Refusal::new(Code::Template, self.0.join("；")))
        }
    }
}

impl Template {
    /// Reads a template and checks everything that can be checked without figure definitions.
    ///
    /// # Errors
    ///
    /// E.220 with line or place of everything that is wrong.
    pub fn parse(source: &str) -> Result<Self, Refusal> {
        let refuse = |detail: String| Refusal::new(Code::Template, detail);
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(refuse(format!(
                "{} 字节，上限 larger than {TEMPLATE_BYTES_MAX} bytes",
                source.len()
            )));
        }
        let raw: RawTemplate = toml::from_str(source).map_err(|error| {
            let line = error
                .span()
                .map(|it| source[..it.start.min(source.len())].matches('\n').count() + 1);
            let place = line.map(|it| format!("第 {it} 行 line {it}: ")).unwrap_or_default();
            refuse(format!("{place}{}", error.message().replace('\n', " ")))
        })?;
        let mut report = Report::default();
        for (place, text) in [("title", &raw.title), ("part", &raw.part)] {
            plain(&mut report, place, text);
        }
        if !(1..=1_000_000).contains(&raw.print_run) {
            report.add("print_run", "1 至 1000000 expected 1 to 1000000");
        }
        worded(&mut report, "print_run_wording", &raw.print_run_wording);
        for (index, line) in raw.masthead.iter().enumerate() {
            let place = format!("masthead[{index}]");
            worded(&mut report, &place, &line.wording);
            if let Some(pending) = &line.pending {
                worded(&mut report, &format!("{place}.pending"), pending);
            }
        }
        for (index, it) in raw.distribution.iter().enumerate() {
            plain(&mut report, &format!("distribution[{index}].kind"), &it.kind);
            plain(&mut report, &format!("distribution[{index}].to"), &it.to);
        }
        let mut keys = BTreeSet::new();
        let sections = sections(&mut report, &mut keys, "section", raw.sections, 1);
        report.end()?;
        Ok(Self {
            title: raw.title,
            part: raw.part,
            print_run: raw.print_run,
            print_run_wording: raw.print_run_wording,
            masthead: raw.masthead,
            sections,
            distribution: raw.distribution,
            digest: Digest::new(Sha256::digest(source.as_bytes()).into()),
        })
    }

    /// Checks every wording against the known figures by rendering it.
    ///
    /// # Errors
    ///
    /// E.220 with the place of everything that is wrong.
    pub fn check(&self, definitions: &[Definition]) -> Result<(), Refusal> {
        let engine = Engine::new(definitions);
        let mut report = Report::default();
        let mut wordings =
            vec![("print_run_wording".to_owned(), self.print_run_wording.as_str(), Names::Issue)];
        for (index, line) in self.masthead.iter().enumerate() {
            let names =
                if line.kind == MastheadKind::IssueDate { Names::IssueDate } else { Names::Issue };
            wordings.push((format!("masthead[{index}]"), &line.wording, names));
            if let Some(pending) = &line.pending {
                wordings.push((format!("masthead[{index}].pending"), pending, Names::Issue));
            }
        }
        for section in &self.sections {
            section.wordings(&mut wordings);
        }
        for (place, wording, names) in wordings {
            match engine.render(wording, &names.dummies()) {
                Ok(parts) => {
                    let classes =
                        if let Names::Statistics(classes) = names { classes } else { &[] };
                    for part in &parts {
                        if let Part::Call(Call::Statistic { class, .. }) = part
                            && !classes.contains(class)
                        {
                            report.add(&place, format!("未知类别 unknown class `{class}` here"));
                        }
                    }
                    for class in classes {
                        let printed = parts.iter().any(|part| {
                            matches!(part, Part::Call(Call::Statistic { class: it, .. }) if it == class)
                        });
                        if !printed {
                            report.add(
                                &place,
                                format!("类别未印 the class `{class}` is not printed"),
                            );
                        }
                    }
                }
                Err(what) => report.add(&place, what),
            }
        }
        report.end()
    }

    /// SHA-256 of the template's source.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Title of the series.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Keys and headings of the sections that take submissions, in order of print.
    #[must_use]
    pub fn submission_sections(&self) -> Vec<(&str, &str)> {
        fn walk<'a>(sections: &'a [Section], found: &mut Vec<(&'a str, &'a str)>) {
            for section in sections {
                match &section.kind {
                    Kind::Items { .. } => found.push((&section.key, &section.heading)),
                    Kind::Group(inner) => walk(inner, found),
                    _ => {}
                }
            }
        }
        let mut found = vec![];
        walk(&self.sections, &mut found);
        found
    }

    /// The key of the section for submissions that has this key or heading.
    #[must_use]
    pub fn submission_section(&self, name: &str) -> Option<&str> {
        let sections = self.submission_sections();
        sections
            .into_iter()
            .find(|(key, heading)| *key == name || *heading == name)
            .map(|(key, _)| key)
    }
}

/// The names that a wording may use beside those of the issue.
#[derive(Clone, Copy)]
enum Names<'a> {
    Issue,
    IssueDate,
    Statistics(&'a [String]),
    Scope,
    Holders,
    Line,
}

/// Names that are defined in every wording.
pub(crate) const ISSUE_NAMES: [&str; 11] = [
    "title",
    "part",
    "hall",
    "publisher",
    "year",
    "number",
    "running_number",
    "print_run",
    "period",
    "first_day",
    "last_day",
];

impl Names<'_> {
    fn dummies(self) -> Vec<(&'static str, Vec<Inline>)> {
        let own: &[&'static str] = match self {
            Self::Issue => &[],
            Self::IssueDate => &["issued_on"],
            Self::Statistics(_) => &["platform", "level", "data_first_day", "data_last_day"],
            Self::Scope => &["department", "items"],
            Self::Holders => &["departments"],
            Self::Line => &["item", "text"],
        };
        ISSUE_NAMES.iter().chain(own).map(|it| (*it, vec![])).collect()
    }
}

impl Section {
    fn wordings<'a>(&'a self, into: &mut Vec<(String, &'a str, Names<'a>)>) {
        let mut add = |field: &str, wording: &'a str, names| {
            into.push((format!("section `{}` {field}", self.key), wording, names));
        };
        match &self.kind {
            Kind::Group(sections) => {
                for it in sections {
                    it.wordings(into);
                }
            }
            Kind::Figures { wording, notes } => {
                add("wording", wording, Names::Issue);
                for (index, note) in notes.iter().enumerate() {
                    add(&format!("note[{index}]"), &note.wording, Names::Issue);
                }
            }
            Kind::AuthorizationScope {
                unchanged,
                authorised,
                withdrawn,
                items_included,
                items_removed,
            } => {
                add("unchanged", unchanged, Names::Issue);
                add("authorised", authorised, Names::Scope);
                add("withdrawn", withdrawn, Names::Scope);
                add("items_included", items_included, Names::Scope);
                add("items_removed", items_removed, Names::Scope);
            }
            Kind::Items { holders, .. } => {
                if let Some(it) = holders {
                    add("replaced", &it.replaced, Names::Holders);
                    add("letter_signed", &it.letter_signed, Names::Holders);
                }
            }
            Kind::Statistics { classes, wording } => {
                add("wording", wording, Names::Statistics(classes))
            }
            Kind::Inspection { line, good, not_inspected, not_held, .. } => {
                add("line", line, Names::Line);
                add("good", good, Names::Issue);
                add("not_inspected", not_inspected, Names::Issue);
                add("not_held", not_held, Names::Issue);
            }
        }
    }
}

fn plain(report: &mut Report, place: &str, text: &str) {
    if text.trim().is_empty() {
        report.add(place, "不能为空 must not be empty");
    }
    if let Some(what) = plain_misfit(text) {
        report.add(place, what);
    }
}

fn worded(report: &mut Report, place: &str, wording: &str) {
    if wording.trim().is_empty() {
        report.add(place, "不能为空 must not be empty");
    }
    if let Some(what) = misfit(wording) {
        report.add(place, what);
    }
}

fn sections(
    report: &mut Report,
    keys: &mut BTreeSet<String>,
    place: &str,
    raw: Vec<RawSection>,
    level: usize,
) -> Vec<Section> {
    if raw.is_empty() {
        report.add(place, "没有栏目 no section");
    }
    if raw.len() > NUMBER_MAX {
        report.add(place, "栏目过多 more than 99 sections");
    }
    if level > LEVELS_MAX {
        report.add(place, "层次过深 nested deeper than 4 levels");
        return vec![];
    }
    raw.into_iter().filter_map(|it| section(report, keys, it, level)).collect()
}

fn section(
    report: &mut Report,
    keys: &mut BTreeSet<String>,
    mut raw: RawSection,
    level: usize,
) -> Option<Section> {
    let place = format!("section `{}`", raw.key);
    let valid = (1..=64).contains(&raw.key.len())
        && raw.key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !valid {
        report.add(&place, "key 须为 expected 1 to 64 ASCII letters, digits, `-` or `_`");
    }
    if !keys.insert(raw.key.clone()) {
        report.add(&place, "key 重复 used twice");
    }
    plain(report, &format!("{place} heading"), &raw.heading);

    let mut take = |field: &str, value: &mut Option<String>| {
        let Some(wording) = value.take() else {
            report.add(&place, format!("缺少 lacks `{field}`"));
            return String::new();
        };
        worded(report, &format!("{place} {field}"), &wording);
        wording
    };
    let kind = match raw.kind {
        RawKind::Group => {
            let inner = raw.sections.take().unwrap_or_default();
            Kind::Group(sections(report, keys, &place, inner, level + 1))
        }
        RawKind::Figures => {
            let wording = take("wording", &mut raw.wording);
            let notes = raw.notes.take().unwrap_or_default();
            for (index, note) in notes.iter().enumerate() {
                worded(report, &format!("{place} note[{index}]"), &note.wording);
            }
            Kind::Figures { wording, notes }
        }
        RawKind::AuthorizationScope => Kind::AuthorizationScope {
            unchanged: take("unchanged", &mut raw.unchanged),
            authorised: take("authorised", &mut raw.authorised),
            withdrawn: take("withdrawn", &mut raw.withdrawn),
            items_included: take("items_included", &mut raw.items_included),
            items_removed: take("items_removed", &mut raw.items_removed),
        },
        RawKind::Items => {
            let holders =
                (raw.replaced.is_some() || raw.letter_signed.is_some()).then(|| HolderWordings {
                    replaced: take("replaced", &mut raw.replaced),
                    letter_signed: take("letter_signed", &mut raw.letter_signed),
                });
            Kind::Items { numbering: numbering(report, &place, raw.items.take()), holders }
        }
        RawKind::Statistics => {
            let wording = take("wording", &mut raw.wording);
            let classes = raw.classes.take().unwrap_or_default();
            if classes.is_empty() {
                report.add(&place, "缺少 lacks `classes`");
            }
            if classes.iter().collect::<BTreeSet<_>>().len() != classes.len() {
                report.add(&place, "classes 重复 a class stands twice");
            }
            Kind::Statistics { classes, wording }
        }
        RawKind::Inspection => Kind::Inspection {
            line: take("line", &mut raw.line),
            good: take("good", &mut raw.good),
            not_inspected: take("not_inspected", &mut raw.not_inspected),
            not_held: take("not_held", &mut raw.not_held),
            numbering: numbering(report, &place, raw.items.take()),
        },
    };
    // Every field that its kind did not take belongs to another kind.
    let left = [
        ("section", raw.sections.is_some()),
        ("wording", raw.wording.is_some()),
        ("note", raw.notes.is_some()),
        ("items", raw.items.is_some()),
        ("classes", raw.classes.is_some()),
        ("unchanged", raw.unchanged.is_some()),
        ("authorised", raw.authorised.is_some()),
        ("withdrawn", raw.withdrawn.is_some()),
        ("items_included", raw.items_included.is_some()),
        ("items_removed", raw.items_removed.is_some()),
        ("replaced", raw.replaced.is_some()),
        ("letter_signed", raw.letter_signed.is_some()),
        ("line", raw.line.is_some()),
        ("good", raw.good.is_some()),
        ("not_inspected", raw.not_inspected.is_some()),
        ("not_held", raw.not_held.is_some()),
    ];
    for (field, _) in left.iter().filter(|(_, is_left)| *is_left) {
        report.add(&place, format!("`{field}` 不适用 does not belong to this kind of section"));
    }
    Some(Section {
        key: raw.key,
        heading: raw.heading,
        required: raw.required.unwrap_or(true),
        kind,
    })
}

fn numbering(report: &mut Report, place: &str, given: Option<Numbering>) -> Numbering {
    given.unwrap_or_else(|| {
        report.add(place, "缺少 lacks `items` (`一、`, `（一）`, `1.` or `（1）`)");
        Numbering::Arabic
    })
}
