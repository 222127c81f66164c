//! A bulletin as data: order, headings and wording of an issue, written as TOML.
//!
//! How a template is written is described in `docs/templates.md`: the file, the sections and the language of wordings.
//! [`Template::parse`] checks the form, [`Template::check`] the names, functions, figures and tables; both name the
//! line of everything that is wrong. What only the material of an issue can show (a table that was not imported, a
//! comparison with nothing) is told when an issue is composed, with its line too.
//!
//! Every section has `key`, `heading`, `kind`, `required` (true unless said otherwise) and perhaps `when`, a
//! condition. A section whose condition does not hold, or that is not required and has nothing to print, is left out
//! with its heading, and the numbers close up.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::civil::Time;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;
use zhoubao_domain::figure::Definition;
use zhoubao_domain::id::Digest;

use crate::document::BlockKind;
use crate::language::check::{Checker, calls, names_in};
use crate::language::syntax::{self, Body, Expression, Fault, Form, may_be_name};
use crate::numbering::{NUMBER_MAX, Numbering};

/// Largest template, in bytes: it is stored in an event.
pub const TEMPLATE_BYTES_MAX: usize = 20 * 1024;

/// Largest wording of one paragraph, in bytes.
const WORDING_BYTES_MAX: usize = 4 * 1024;

/// Deepest nesting of sections: a level for each style of numbering.
const LEVELS_MAX: usize = Numbering::LEVELS.len();

/// A template whose form has been checked. Whether its figures exist is for [`Template::check`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(crate) title: String,
    pub(crate) part: String,
    pub(crate) print_run: Option<u32>,
    pub(crate) print_run_wording: Option<Body>,
    pub(crate) masthead: Vec<MastheadLine>,
    pub(crate) sections: Vec<Section>,
    pub(crate) distribution: Vec<Distribution>,
    /// Words that an issue may set otherwise.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Numbers that are entered by hand for an issue; empty: there is none.
    pub(crate) entered: BTreeMap<String, String>,
    pub(crate) lets: BTreeMap<String, Expression>,
    pub(crate) tables: BTreeMap<String, Declared>,
    /// Words that the hall does not want, with those it wants.
    pub(crate) terms: BTreeMap<String, String>,
    digest: Digest,
}

/// A table that must have been imported.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declared {
    pub(crate) title: String,
    /// Columns that are names; the first says what a row is called.
    pub(crate) text: Vec<String>,
    pub(crate) numbers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) key: String,
    pub(crate) heading: Body,
    /// As written in the template, for messages.
    pub(crate) title: String,
    pub(crate) required: bool,
    pub(crate) when: Option<Expression>,
    /// Until when on the last day of its period an issue takes news for it (截稿).
    pub(crate) file_until: Option<Time>,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Group(Vec<Section>),
    Text(Body),
    Figures {
        wording: Body,
        notes: Vec<Note>,
    },
    AuthorizationScope {
        unchanged: Body,
        authorised: Body,
        withdrawn: Body,
        items_included: Body,
        items_removed: Body,
    },
    Items {
        numbering: Numbering,
        holders: Option<HolderWordings>,
    },
    Statistics {
        classes: Vec<String>,
        wording: Body,
        line: usize,
    },
    Inspection {
        numbering: Numbering,
        line: Body,
        good: Body,
        not_inspected: Body,
        not_held: Body,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HolderWordings {
    pub(crate) replaced: Body,
    pub(crate) letter_signed: Body,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) when: When,
    pub(crate) wording: Body,
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

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MastheadLine {
    pub(crate) kind: MastheadKind,
    pub(crate) wording: Body,
    /// Printed instead while the issue is not signed off.
    pub(crate) pending: Option<Body>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Distribution {
    pub(crate) kind: String,
    pub(crate) to: String,
}

// The file.

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTemplate {
    title: Spanned<String>,
    part: Option<Spanned<String>>,
    print_run: Option<Spanned<u32>>,
    print_run_wording: Option<Spanned<String>>,
    masthead: Vec<RawMastheadLine>,
    #[serde(rename = "section")]
    sections: Vec<RawSection>,
    #[serde(default)]
    distribution: Vec<Distribution>,
    #[serde(default)]
    parameters: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    entered: BTreeMap<String, Spanned<String>>,
    #[serde(default, rename = "let")]
    lets: BTreeMap<String, Spanned<String>>,
    #[serde(default, rename = "table")]
    tables: BTreeMap<String, Spanned<Declared>>,
    #[serde(default)]
    terms: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMastheadLine {
    kind: MastheadKind,
    wording: Spanned<String>,
    pending: Option<Spanned<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawKind {
    Group,
    Text,
    Figures,
    AuthorizationScope,
    Items,
    Statistics,
    Inspection,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawNote {
    when: When,
    wording: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSection {
    key: Spanned<String>,
    heading: Spanned<String>,
    kind: RawKind,
    required: Option<bool>,
    when: Option<Spanned<String>>,
    file_until: Option<Spanned<String>>,
    #[serde(rename = "section")]
    sections: Option<Vec<RawSection>>,
    text: Option<Spanned<String>>,
    wording: Option<Spanned<String>>,
    #[serde(rename = "note")]
    notes: Option<Vec<RawNote>>,
    items: Option<Numbering>,
    classes: Option<Vec<String>>,
    unchanged: Option<Spanned<String>>,
    authorised: Option<Spanned<String>>,
    withdrawn: Option<Spanned<String>>,
    items_included: Option<Spanned<String>>,
    items_removed: Option<Spanned<String>>,
    replaced: Option<Spanned<String>>,
    letter_signed: Option<Spanned<String>>,
    line: Option<Spanned<String>>,
    good: Option<Spanned<String>>,
    not_inspected: Option<Spanned<String>>,
    not_held: Option<Spanned<String>>,
}

/// Reads the parts of a template and collects what is wrong, each with its line.
struct Reader<'a> {
    source: &'a str,
    wrong: Vec<Fault>,
    keys: BTreeSet<String>,
}

fn end(mut wrong: Vec<Fault>) -> Result<(), Refusal> {
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort_by_key(|it| it.line);
    let texts: Vec<_> = wrong.into_iter().map(|it| at_line(it.line, &it.text)).collect();
    Err(Refusal::new(Code::Template, texts.join("；")))
}

/// A message with its line; line 0 is none.
pub(crate) fn at_line(line: usize, text: &str) -> String {
    if line == 0 { text.to_owned() } else { format!("第 {line} 行 line {line}: {text}") }
}

impl Template {
    /// Reads a template and checks everything that can be checked without figure definitions.
    ///
    /// # Errors
    ///
    /// E.220 with the line of everything that is wrong.
    pub fn parse(source: &str) -> Result<Self, Refusal> {
        let refuse = |detail: String| Refusal::new(Code::Template, detail);
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(refuse(format!(
                "{} 字节，上限 larger than {TEMPLATE_BYTES_MAX} bytes",
                source.len()
            )));
        }
        let raw: RawTemplate = toml::from_str(source).map_err(|error| {
            let line = error.span().map_or(0, |it| line_of(source, it.start));
            refuse(at_line(line, &error.message().replace('\n', " ")))
        })?;
        let mut reader = Reader { source, wrong: vec![], keys: BTreeSet::new() };
        reader.plain("title", &raw.title);
        if let Some(part) = &raw.part {
            reader.plain("part", part);
        }
        if let Some(copies) = &raw.print_run
            && !(1..=1_000_000).contains(copies.get_ref())
        {
            let text = "print_run: 1 至 1000000 expected 1 to 1000000";
            reader.wrong(copies.span(), text);
        }
        let print_run_wording =
            raw.print_run_wording.map(|it| reader.wording("print_run_wording", &it));
        let line = |(index, it): (usize, RawMastheadLine)| {
            let place = format!("masthead[{index}]");
            let pending = it.pending.map(|it| reader.wording(&format!("{place} pending"), &it));
            MastheadLine { kind: it.kind, wording: reader.wording(&place, &it.wording), pending }
        };
        let masthead = raw.masthead.into_iter().enumerate().map(line).collect();
        for (index, it) in raw.distribution.iter().enumerate() {
            for (field, text) in [("kind", &it.kind), ("to", &it.to)] {
                let empty = text.trim().is_empty().then_some("不能为空 must not be empty");
                if let Some(what) = empty.or_else(|| plain_misfit(text)) {
                    let text = format!("distribution[{index}] {field}: {what}");
                    reader.wrong.push(Fault::new(0, text));
                }
            }
        }
        let parameters = reader.named("parameters", raw.parameters);
        let entered = reader.named("entered", raw.entered);
        let mut lets = BTreeMap::new();
        for (name, it) in raw.lets {
            reader.name("let", &name, it.span());
            if let Some(it) = reader.expression(&format!("let `{name}`"), &it) {
                lets.insert(name, it);
            }
        }
        let mut tables = BTreeMap::new();
        for (key, it) in raw.tables {
            reader.table(&key, &it);
            tables.insert(key, it.into_inner());
        }
        let mut terms = BTreeMap::new();
        for (word, it) in raw.terms {
            reader.term(&word, &it);
            terms.insert(word, it.into_inner());
        }
        let sections = reader.sections("section", raw.sections, 1);
        for name in lets.keys().chain(parameters.keys()).chain(entered.keys()) {
            let times = usize::from(lets.contains_key(name))
                + usize::from(parameters.contains_key(name))
                + usize::from(entered.contains_key(name));
            if times > 1 {
                let text = format!("名称 `{name}` 重复 is defined twice");
                reader.wrong.push(Fault::new(0, text));
                break;
            }
        }
        end(reader.wrong)?;
        Ok(Self {
            title: raw.title.into_inner(),
            part: raw.part.map(Spanned::into_inner).unwrap_or_default(),
            print_run: raw.print_run.map(Spanned::into_inner),
            print_run_wording,
            masthead,
            sections,
            distribution: raw.distribution,
            parameters,
            entered,
            lets,
            tables,
            terms,
            digest: Digest::new(Sha256::digest(source.as_bytes()).into()),
        })
    }

    /// Checks every expression against the known figures, and the names, functions and tables it uses.
    ///
    /// # Errors
    ///
    /// E.220 with the line of everything that is wrong.
    pub fn check(&self, definitions: &[Definition]) -> Result<(), Refusal> {
        let mut checker = Checker::new(self, definitions);
        checker.names();
        for it in self.lets.values() {
            checker.expression(it);
        }
        for line in &self.masthead {
            let names: &[&str] =
                if line.kind == MastheadKind::IssueDate { &["issued_on"] } else { &[] };
            checker.body(&line.wording, names);
            if let Some(pending) = &line.pending {
                checker.body(pending, &[]);
            }
        }
        if let Some(it) = &self.print_run_wording {
            checker.body(it, &[]);
        }
        let sections = self.all_sections();
        for section in &sections {
            if let Some(it) = &section.when {
                checker.expression(it);
            }
            checker.body(&section.heading, &[]);
            for (body, names) in section.bodies() {
                checker.body(body, names);
            }
        }
        let mut wrong = checker.faults;
        let taking = self.submission_sections();
        for section in sections {
            if section.file_until.is_some() && !taking.iter().any(|(key, _)| *key == section.key) {
                let text =
                    format!("栏目 `{}` 不收稿件，不能有 file_until takes no news", section.key);
                wrong.push(Fault::new(0, text));
            }
            if let Kind::Statistics { classes, wording, line } = &section.kind {
                let printed = calls(wording, "statistic");
                for (class, line) in &printed {
                    if !classes.iter().any(|it| it == class) {
                        let text = format!("未知类别 unknown class `{class}` here");
                        wrong.push(Fault::new(*line, text));
                    }
                }
                for class in classes {
                    if !printed.iter().any(|(it, _)| it == class) {
                        let text = format!("类别未印 the class `{class}` is not printed");
                        wrong.push(Fault::new(*line, text));
                    }
                }
            }
        }
        end(wrong)
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

    fn all_sections(&self) -> Vec<&Section> {
        fn walk<'a>(sections: &'a [Section], found: &mut Vec<&'a Section>) {
            for section in sections {
                found.push(section);
                if let Kind::Group(inner) = &section.kind {
                    walk(inner, found);
                }
            }
        }
        let mut found = vec![];
        walk(&self.sections, &mut found);
        found
    }

    /// Keys of all sections.
    pub(crate) fn all_keys(&self) -> Vec<&str> {
        self.all_sections().into_iter().map(|it| it.key.as_str()).collect()
    }

    /// Keys and headings of the sections that take submissions, in order of print.
    #[must_use]
    pub fn submission_sections(&self) -> Vec<(&str, &str)> {
        let sections = self.all_sections();
        let bodies = sections.iter().flat_map(|it| it.bodies());
        let asked: Vec<&str> = bodies
            .flat_map(|(body, _)| calls(body, "submissions"))
            .map(|(section, _)| section)
            .collect();
        sections
            .into_iter()
            .filter(|it| matches!(it.kind, Kind::Items { .. }) || asked.contains(&it.key.as_str()))
            .map(|it| (it.key.as_str(), it.title.as_str()))
            .collect()
    }

    /// Until when on the last day of its period an issue takes news for a section (截稿), in the hall's time.
    #[must_use]
    pub fn file_until(&self, section: &str) -> Option<Time> {
        self.all_sections().into_iter().find(|it| it.key == section)?.file_until
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

    /// Names that an issue may set: parameters and entered numbers, with what they are otherwise.
    #[must_use]
    pub fn settable(&self) -> BTreeMap<&str, &str> {
        let all = self.parameters.iter().chain(&self.entered);
        all.map(|(name, it)| (name.as_str(), it.as_str())).collect()
    }

    /// Keys of the tables that must be imported, with their titles.
    #[must_use]
    pub fn imports(&self) -> Vec<(&str, &str)> {
        self.tables.iter().map(|(key, it)| (key.as_str(), it.title.as_str())).collect()
    }

    /// An expression with the names of the template that it rests on: `a / b；a = sum(…)`.
    pub(crate) fn formula(&self, at: &Expression) -> String {
        let mut formula = at.source.clone();
        let mut next: Vec<&str> = names_in(&at.term);
        next.reverse();
        let mut seen = BTreeSet::new();
        while let Some(name) = next.pop() {
            if let (true, Some(it)) = (seen.insert(name), self.lets.get(name)) {
                formula.push_str(&format!("；{name} = {}", it.source));
                next.extend(names_in(&it.term).into_iter().rev());
            }
        }
        formula
    }
}

impl Section {
    /// Its wordings, with the names that each may use beside those of the template.
    fn bodies(&self) -> Vec<(&Body, &'static [&'static str])> {
        const PLATFORM: &[&str] = &["platform", "level", "data_first_day", "data_last_day"];
        const CHANGE: &[&str] = &["department", "items"];
        match &self.kind {
            Kind::Group(_) => vec![],
            Kind::Text(body) => vec![(body, &[])],
            Kind::Figures { wording, notes } => {
                let notes = notes.iter().map(|it| &it.wording);
                std::iter::once(wording).chain(notes).map(|it| (it, &[] as &[_])).collect()
            }
            Kind::AuthorizationScope {
                unchanged,
                authorised,
                withdrawn,
                items_included,
                items_removed,
            } => vec![
                (unchanged, &[]),
                (authorised, CHANGE),
                (withdrawn, CHANGE),
                (items_included, CHANGE),
                (items_removed, CHANGE),
            ],
            Kind::Items { holders, .. } => holders.as_ref().map_or_else(Vec::new, |it| {
                vec![
                    (&it.replaced, &["departments"] as &[_]),
                    (&it.letter_signed, &["departments"]),
                ]
            }),
            Kind::Statistics { wording, .. } => vec![(wording, PLATFORM)],
            Kind::Inspection { line, good, not_inspected, not_held, .. } => {
                vec![(line, &["item", "text"]), (good, &[]), (not_inspected, &[]), (not_held, &[])]
            }
        }
    }
}

fn line_of(source: &str, at: usize) -> usize {
    source.get(..at).unwrap_or(source).matches('\n').count() + 1
}

impl Reader<'_> {
    fn wrong(&mut self, span: Range<usize>, text: impl Into<String>) {
        self.wrong.push(Fault::new(line_of(self.source, span.start), text));
    }

    /// The line on which the text of a string begins.
    fn first_line(&self, span: Range<usize>) -> usize {
        let line = line_of(self.source, span.start);
        let written = self.source.get(span).unwrap_or_default();
        let opens = written.strip_prefix("\'\'\'").or_else(|| written.strip_prefix("\"\"\""));
        // The line break after the opening marks is not part of the text.
        line + usize::from(opens.is_some_and(|it| it.starts_with(['\n', '\r'])))
    }

    fn plain(&mut self, place: &str, text: &Spanned<String>) {
        if text.get_ref().trim().is_empty() {
            self.wrong(text.span(), format!("{place}: 不能为空 must not be empty"));
        }
        if let Some(what) = plain_misfit(text.get_ref()) {
            self.wrong(text.span(), format!("{place}: {what}"));
        }
    }

    /// One paragraph.
    fn wording(&mut self, place: &str, text: &Spanned<String>) -> Body {
        self.plain(place, text);
        if text.get_ref().len() > WORDING_BYTES_MAX {
            self.wrong(text.span(), format!("{place}: 过长 longer than 4 KB"));
        }
        self.body(place, text, Form::Wording)
    }

    fn body(&mut self, place: &str, text: &Spanned<String>, form: Form) -> Body {
        let line = self.first_line(text.span());
        syntax::body(text.get_ref(), line, form).unwrap_or_else(|fault| {
            self.wrong.push(Fault::new(fault.line, format!("{place}: {}", fault.text)));
            vec![]
        })
    }

    /// Paragraphs and blocks.
    fn text(&mut self, place: &str, text: &Spanned<String>) -> Body {
        let inner = text.get_ref();
        if inner.trim().is_empty() {
            self.wrong(text.span(), format!("{place}: 不能为空 must not be empty"));
        }
        let misfit = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || is_separator(c);
        if inner.contains(misfit) {
            self.wrong(text.span(), format!("{place}: 含控制符 contains a control character"));
        }
        self.body(place, text, Form::Paragraphs)
    }

    fn expression(&mut self, place: &str, text: &Spanned<String>) -> Option<Expression> {
        let line = self.first_line(text.span());
        match syntax::expression(text.get_ref(), line) {
            Ok(it) => Some(it),
            Err(fault) => {
                self.wrong.push(Fault::new(fault.line, format!("{place}: {}", fault.text)));
                None
            }
        }
    }

    fn time(&mut self, place: &str, text: &Spanned<String>) -> Option<Time> {
        // Hours and minutes, and nothing else that a time may be written with.
        let time = Some(text.get_ref()).filter(|it| it.len() == "17:30".len());
        let time = time.and_then(|it| it.parse().ok());
        if time.is_none() {
            self.wrong(
                text.span(),
                format!("{place}: 须为时刻，如 expected a time such as `17:30`"),
            );
        }
        time
    }

    fn name(&mut self, place: &str, name: &str, span: Range<usize>) {
        if !may_be_name(name) {
            let text = format!(
                "{place} `{name}`: 不能作名称 is no name: letters, digits and `_`, none of the language's words"
            );
            self.wrong(span, text);
        }
    }

    fn named(
        &mut self,
        place: &str,
        raw: BTreeMap<String, Spanned<String>>,
    ) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (name, it) in raw {
            self.name(place, &name, it.span());
            if let Some(what) = plain_misfit(it.get_ref()) {
                self.wrong(it.span(), format!("{place} `{name}`: {what}"));
            }
            all.insert(name, it.into_inner());
        }
        all
    }

    fn term(&mut self, word: &str, better: &Spanned<String>) {
        let place = format!("terms `{word}`");
        self.plain(&place, better);
        if word.trim().is_empty() || plain_misfit(word).is_some() {
            self.wrong(better.span(), format!("{place}: 不是词语 is no word"));
        } else if better.get_ref().contains(word) {
            // Else the right word would be named as well.
            let text = format!("{place}: 建议词含原词 the suggestion contains the word itself");
            self.wrong(better.span(), text);
        }
    }

    fn table(&mut self, key: &str, table: &Spanned<Declared>) {
        let place = format!("table `{key}`");
        let Declared { title, text, numbers } = table.get_ref();
        if !is_key(key) {
            let text = format!("{place}: 须为 expected 1 to 64 ASCII letters, digits, `-` or `_`");
            self.wrong(table.span(), text);
        }
        if title.trim().is_empty() || plain_misfit(title).is_some() {
            self.wrong(table.span(), format!("{place}: title 不能为空或换行 must be one line"));
        }
        if text.is_empty() {
            let text = format!("{place}: text 至少一栏 needs at least one column of names");
            self.wrong(table.span(), text);
        }
        let mut seen = BTreeSet::new();
        for column in text.iter().chain(numbers) {
            if !may_be_name(column) {
                let text =
                    format!("{place}: 栏名 `{column}` 不可用 cannot be the name of a column");
                self.wrong(table.span(), text);
            }
            if !seen.insert(column) {
                self.wrong(table.span(), format!("{place}: 栏 `{column}` 重复 stands twice"));
            }
        }
    }

    fn sections(&mut self, place: &str, raw: Vec<RawSection>, level: usize) -> Vec<Section> {
        if raw.is_empty() {
            self.wrong.push(Fault::new(0, format!("{place}: 没有栏目 no section")));
        }
        if raw.len() > NUMBER_MAX {
            self.wrong.push(Fault::new(0, format!("{place}: 栏目过多 more than 99 sections")));
        }
        if level > LEVELS_MAX {
            let text = format!("{place}: 层次过深 nested deeper than 4 levels");
            self.wrong.push(Fault::new(0, text));
            return vec![];
        }
        raw.into_iter().map(|it| self.section(it, level)).collect()
    }

    fn section(&mut self, mut raw: RawSection, level: usize) -> Section {
        let span = raw.key.span();
        let key = raw.key.into_inner();
        let place = format!("section `{key}`");
        if !is_key(&key) {
            let text = "key 须为 expected 1 to 64 ASCII letters, digits, `-` or `_`";
            self.wrong(span.clone(), format!("{place}: {text}"));
        }
        if !self.keys.insert(key.clone()) {
            self.wrong(span.clone(), format!("{place}: key 重复 used twice"));
        }
        let heading = self.wording(&format!("{place} heading"), &raw.heading);
        let when = raw.when.and_then(|it| self.expression(&format!("{place} when"), &it));
        let file_until =
            raw.file_until.and_then(|it| self.time(&format!("{place} file_until"), &it));

        let take = |reader: &mut Self, field: &str, value: &mut Option<Spanned<String>>| {
            let Some(wording) = value.take() else {
                reader.wrong(span.clone(), format!("{place}: 缺少 lacks `{field}`"));
                return vec![];
            };
            if field == "text" {
                return reader.text(&format!("{place} {field}"), &wording);
            }
            reader.wording(&format!("{place} {field}"), &wording)
        };
        let kind = match raw.kind {
            RawKind::Group => {
                let inner = raw.sections.take().unwrap_or_default();
                Kind::Group(self.sections(&place, inner, level + 1))
            }
            RawKind::Text => Kind::Text(take(self, "text", &mut raw.text)),
            RawKind::Figures => {
                let wording = take(self, "wording", &mut raw.wording);
                let notes = raw.notes.take().unwrap_or_default().into_iter().enumerate();
                let notes = notes.map(|(index, it)| Note {
                    when: it.when,
                    wording: self.wording(&format!("{place} note[{index}]"), &it.wording),
                });
                Kind::Figures { wording, notes: notes.collect() }
            }
            RawKind::AuthorizationScope => Kind::AuthorizationScope {
                unchanged: take(self, "unchanged", &mut raw.unchanged),
                authorised: take(self, "authorised", &mut raw.authorised),
                withdrawn: take(self, "withdrawn", &mut raw.withdrawn),
                items_included: take(self, "items_included", &mut raw.items_included),
                items_removed: take(self, "items_removed", &mut raw.items_removed),
            },
            RawKind::Items => {
                let given = raw.replaced.is_some() || raw.letter_signed.is_some();
                let holders = given.then(|| HolderWordings {
                    replaced: take(self, "replaced", &mut raw.replaced),
                    letter_signed: take(self, "letter_signed", &mut raw.letter_signed),
                });
                let numbering = self.numbering(&place, &span, raw.items.take());
                Kind::Items { numbering, holders }
            }
            RawKind::Statistics => {
                let line = raw.wording.as_ref().map_or(span.start, |it| it.span().start);
                let line = line_of(self.source, line);
                let wording = take(self, "wording", &mut raw.wording);
                let classes = raw.classes.take().unwrap_or_default();
                if classes.is_empty() {
                    self.wrong(span.clone(), format!("{place}: 缺少 lacks `classes`"));
                }
                if classes.iter().collect::<BTreeSet<_>>().len() != classes.len() {
                    let text = format!("{place}: classes 重复 a class stands twice");
                    self.wrong(span.clone(), text);
                }
                Kind::Statistics { classes, wording, line }
            }
            RawKind::Inspection => Kind::Inspection {
                line: take(self, "line", &mut raw.line),
                good: take(self, "good", &mut raw.good),
                not_inspected: take(self, "not_inspected", &mut raw.not_inspected),
                not_held: take(self, "not_held", &mut raw.not_held),
                numbering: self.numbering(&place, &span, raw.items.take()),
            },
        };
        // Every field that its kind did not take belongs to another kind.
        let left = [
            ("section", raw.sections.is_some()),
            ("text", raw.text.is_some()),
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
            let text = format!("{place}: `{field}` 不适用 does not belong to this kind of section");
            self.wrong(span.clone(), text);
        }
        let title = raw.heading.into_inner();
        let required = raw.required.unwrap_or(true);
        Section { key, heading, title, required, when, file_until, kind }
    }

    fn numbering(
        &mut self,
        place: &str,
        span: &Range<usize>,
        given: Option<Numbering>,
    ) -> Numbering {
        given.unwrap_or_else(|| {
            let text = format!("{place}: 缺少 lacks `items` (`一、`, `（一）`, `1.` or `（1）`)");
            self.wrong(span.clone(), text);
            Numbering::Arabic
        })
    }
}

/// Keys stand in subjects, files and links.
fn is_key(key: &str) -> bool {
    (1..=64).contains(&key.len())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Says what is wrong with a text of one line.
fn plain_misfit(text: &str) -> Option<&'static str> {
    let misfit = text.chars().any(|c| c.is_control() || is_separator(c));
    misfit.then_some("含控制符或换行 contains a line break or control character")
}
