//! The composed issue: blocks of inline text, every computed number bound to its source.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use zhoubao_domain::figure::{Partition, Span};
use zhoubao_domain::id::Digest;

/// A composed issue. Its canonical form is [`crate::json`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What the issue is.
    pub metadata: Metadata,
    /// Its paragraphs in order of print.
    pub blocks: Vec<Block>,
}

/// What the issue is, apart from its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Title of the series.
    pub title: String,
    /// Display name of the hall.
    pub hall: String,
    /// A training hall's (培训): nothing of it is real.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub training: bool,
    /// Issuing body.
    pub publisher: String,
    /// Year of the number.
    pub year: i16,
    /// 年第 N 期.
    pub number: u32,
    /// 总第 M 期.
    pub running_number: u32,
    /// What a version after the first puts right; left out in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amendment: Option<Amendment>,
    /// Not yet signed off.
    pub proposed: bool,
    /// Date of the masthead.
    #[serde(with = "text::optional")]
    pub issued_on: Option<Date>,
    /// First day of the period.
    #[serde(with = "text")]
    pub first_day: Date,
    /// Last day of the period.
    #[serde(with = "text")]
    pub last_day: Date,
    /// Position in the journal up to which everything counts.
    pub position: u64,
    /// Digest of the figure definitions.
    #[serde(with = "text")]
    pub definitions: Digest,
    /// Digest of the template's source.
    #[serde(with = "text")]
    pub template: Digest,
    /// The Merkle tree over the messages that the figures rest on; with it every figure can be checked offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeRoot>,
    /// How far each terminal had come, beside the tree; ascending by terminal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<LineHead>,
}

/// The root of a tree over the first messages of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRoot {
    /// `sha-256` or `sm3`.
    pub hash: String,
    /// Number of messages.
    pub size: u64,
    /// The root.
    #[serde(with = "text")]
    pub root: Digest,
}

/// What the printed line of the root begins with.
pub const ROOT_MARK: &str = "核验";

/// How far a terminal had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineHead {
    /// The terminal.
    pub terminal: String,
    /// Number of its last event.
    pub number: u64,
}

impl TreeRoot {
    /// The line of print: `核验 4711 sha-256 6f0a…`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{ROOT_MARK} {} {} {}", self.size, self.hash, self.root)
    }
}

/// A new version of an issue that was signed before (更正).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    /// Which version this is, from 2.
    pub version: u32,
    /// What it puts right, as readers are told.
    pub note: String,
}

impl Metadata {
    /// What stands at the head of every page of an issue that is not to be taken for a published one.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let training = self.training.then_some("培训，非正式文件");
        let draft = self.proposed.then_some("未签发稿，期号为拟编号");
        let notices: Vec<_> = training.into_iter().chain(draft).collect();
        (!notices.is_empty()).then(|| notices.join("　"))
    }
}

/// One paragraph of print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// What it is.
    #[serde(flatten)]
    pub kind: BlockKind,
    /// Key of its section in the template; empty in masthead and imprint.
    pub section: String,
    /// What stands before the text: the number of a heading or item (`一、`, `（一）`, `1.`) or the word of a
    /// distribution line (`报：`); may be empty.
    pub marker: String,
    /// Its text.
    pub inlines: Vec<Inline>,
    /// Where its wording comes from.
    pub origin: Origin,
    /// Of a [`BlockKind::Table`]: its rows. Such a block has no inlines of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,
}

/// A table. Every place of the grid belongs to exactly one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Printed above it; may be empty.
    pub caption: Vec<Inline>,
    /// Number of rows, from the top, that are the head.
    pub head: usize,
    /// Rows from the top. A place that a cell reaches into from the left or from above has no cell of its own.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Its text; may be empty.
    pub inlines: Vec<Inline>,
    /// Columns that it covers, at least 1.
    pub columns: u32,
    /// Rows that it covers, at least 1.
    pub rows: u32,
}

impl Cell {
    /// Its text as printed.
    #[must_use]
    pub fn text(&self) -> String {
        self.inlines.iter().map(Inline::text).collect()
    }
}

impl Table {
    /// Number of columns of the grid.
    #[must_use]
    pub fn width(&self) -> usize {
        self.grid().first().map_or(0, Vec::len)
    }

    /// For every place of the grid its cell, or none where one reaches in from the left or from above.
    #[must_use]
    pub fn grid(&self) -> Vec<Vec<Option<&Cell>>> {
        let mut grid: Vec<Vec<Option<&Cell>>> = vec![];
        // For each column, rows that a cell from above still covers.
        let mut covered: Vec<u32> = vec![];
        for row in &self.rows {
            let mut places = vec![];
            let mut cells = row.iter();
            loop {
                if let Some(rows) = covered.get_mut(places.len()).filter(|it| **it > 0) {
                    *rows -= 1;
                    places.push(None);
                    continue;
                }
                let Some(cell) = cells.next() else { break };
                for column in 0..cell.columns.max(1) {
                    match covered.get_mut(places.len()) {
                        Some(rows) => *rows = cell.rows.max(1) - 1,
                        None => covered.push(cell.rows.max(1) - 1),
                    }
                    places.push((column == 0).then_some(cell));
                }
            }
            grid.push(places);
        }
        grid
    }

    /// Every inline in order of print.
    fn inlines(&self) -> impl Iterator<Item = &Inline> {
        let cells = self.rows.iter().flatten().flat_map(|it| &it.inlines);
        self.caption.iter().chain(cells)
    }
}

/// The kind of a [`Block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BlockKind {
    /// Title of the series.
    Title,
    /// 2023年第5期（总第425期）
    IssueNumber,
    /// Issuing body.
    Publisher,
    /// Date of the masthead.
    IssueDate,
    /// Title of the part.
    PartTitle,
    /// The period.
    Period,
    /// Heading of a section.
    Heading {
        /// 1 for 一、, 2 for （一）.
        level: u8,
    },
    /// A paragraph.
    Paragraph,
    /// First paragraph of an item of a list; further ones are [`BlockKind::Paragraph`].
    Item,
    /// A table, see [`Block::table`].
    Table,
    /// 报, 送 or 发.
    DistributionLine,
    /// （共印80份）
    PrintRun,
}

impl BlockKind {
    /// Stands in 报头, wherever the template has it.
    #[must_use]
    pub fn is_masthead(self) -> bool {
        matches!(self, Self::Title | Self::IssueNumber | Self::Publisher | Self::IssueDate)
    }

    /// Stands in 版记.
    #[must_use]
    pub fn is_imprint(self) -> bool {
        matches!(self, Self::DistributionLine | Self::PrintRun)
    }
}

/// Where the wording of a block comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Origin {
    /// Fixed wording and fields of the issue.
    Template,
    /// Wording of the template around figures and the register.
    Computed,
    /// A department; numbers that are not bound are its own (部门自报).
    Submitted {
        /// The submission.
        id: String,
        /// Name of print of the department.
        department: String,
    },
    /// An import.
    Import {
        /// Name of the platform.
        source: String,
    },
    /// The inspectors and their checklist.
    Inspection,
}

/// A run of text in a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "inline", rename_all = "kebab-case")]
pub enum Inline {
    /// Words.
    Text {
        /// As printed.
        text: String,
    },
    /// A number or name that belongs to the issue or the hall's set-up and not to the record of events.
    Field {
        /// Which.
        field: Field,
        /// As printed.
        text: String,
    },
    /// A number of the record.
    Figure {
        /// As printed. Of an adjustment it is the amount without its sign, which is printed as a word (增, 减).
        text: String,
        /// What it means.
        source: FigureSource,
    },
}

/// What an [`Inline::Field`] is: the complete list of numbers that may be printed without a source in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// Year of the issue's number.
    Year,
    /// Number of the year.
    Number,
    /// Running number.
    RunningNumber,
    /// A date or period.
    Date,
    /// Number of copies.
    PrintRun,
    /// A name of the hall's set-up or of an import: publisher, department, matter, platform.
    Name,
    /// Number of a row in a list.
    Ordinal,
}

/// What a printed number means and what it was computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case")]
pub enum FigureSource {
    /// Counted from the events of the journal.
    Counted {
        /// Key of the definition.
        definition: String,
        /// Its word of print.
        title: String,
        /// What is counted, in one sentence.
        meaning: String,
        /// The span.
        #[serde(with = "text::span")]
        span: Span,
        /// Along what it is split.
        #[serde(with = "text::partition")]
        partition: Partition,
        /// The part; empty for the total.
        part: String,
        /// For a part of an adjustment: why it came late (`late`, `correction`, `voiding`, `release`).
        cause: Option<String>,
        /// First day.
        #[serde(with = "text::optional")]
        first_day: Option<Date>,
        /// Last day.
        #[serde(with = "text::optional")]
        last_day: Option<Date>,
        /// Position in the journal up to which it counts.
        position: u64,
        /// Number of events summed.
        events: i64,
        /// The amount, with its sign.
        value: i64,
        /// Unit of print.
        unit: String,
    },
    /// Taken from the authorization register (departments authorised).
    Register {
        /// The day.
        #[serde(with = "text")]
        as_of: Date,
        /// Position in the journal up to which the register goes.
        position: u64,
        /// The number.
        value: i64,
    },
    /// Imported from a platform.
    Imported {
        /// Name of the platform.
        platform: String,
        /// Level of government.
        level: String,
        /// The class.
        class: String,
        /// 受理 or 办结.
        measure: Measure,
        /// First day.
        #[serde(with = "text")]
        first_day: Date,
        /// Last day, the cut-off.
        #[serde(with = "text")]
        last_day: Date,
        /// The number, 件.
        value: u64,
    },
    /// A cell of an imported table.
    Cell {
        /// Key of the table.
        table: String,
        /// Its title.
        title: String,
        /// Whose figures they are.
        platform: String,
        /// What the row is called.
        row: String,
        /// Name of the column.
        column: String,
        /// First day.
        #[serde(with = "text")]
        first_day: Date,
        /// Last day, the cut-off.
        #[serde(with = "text")]
        last_day: Date,
        /// Position of the import in the journal.
        position: u64,
        /// As it came.
        value: String,
    },
    /// Several cells of one column of an imported table, as they went into a computed number.
    Cells {
        /// Key of the table.
        table: String,
        /// Its title.
        title: String,
        /// Whose figures they are.
        platform: String,
        /// Name of the column.
        column: String,
        /// First day.
        #[serde(with = "text")]
        first_day: Date,
        /// Last day, the cut-off.
        #[serde(with = "text")]
        last_day: Date,
        /// Position of the import in the journal.
        position: u64,
        /// What each row is called, with its cell as it came.
        cells: Vec<[String; 2]>,
    },
    /// Entered by hand for the issue.
    Entered {
        /// Its name in the template.
        name: String,
        /// As entered.
        text: String,
    },
    /// Computed from other figures.
    Derived {
        /// The expression of the template, with the names it rests on: `a / b；a = sum(…)`.
        formula: String,
        /// The exact number: `94`, `-7/3`; empty where there is none.
        value: String,
        /// Every figure that went into it, each once, in the order in which it was read; cells of one column stand
        /// together.
        inputs: Vec<FigureSource>,
    },
}

/// A column of imported figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// 受理.
    Accepted,
    /// 办结.
    Finished,
}

impl Measure {
    /// The word of print.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Accepted => "受理",
            Self::Finished => "办结",
        }
    }

    /// The measure of a word in templates.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Accepted, Self::Finished].into_iter().find(|it| it.word() == word)
    }

    /// The word in templates.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Finished => "finished",
        }
    }
}

impl Inline {
    /// Words without a binding.
    #[must_use]
    pub fn words(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// As printed.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text { text } | Self::Field { text, .. } | Self::Figure { text, .. } => text,
        }
    }
}

impl Block {
    /// A block that is no table.
    #[must_use]
    pub fn new(
        kind: BlockKind,
        section: impl Into<String>,
        marker: impl Into<String>,
        inlines: Vec<Inline>,
        origin: Origin,
    ) -> Self {
        let (section, marker) = (section.into(), marker.into());
        Self { kind, section, marker, inlines, origin, table: None }
    }

    /// The paragraph as printed, marker included. Of a table: its caption, then a line a row with a tab between
    /// the places of the grid.
    #[must_use]
    pub fn text(&self) -> String {
        if let Some(table) = &self.table {
            let caption: String = table.caption.iter().map(Inline::text).collect();
            let rows = table.grid().into_iter().map(|row| {
                let cells = row.into_iter().map(|it| it.map_or_else(String::new, Cell::text));
                cells.collect::<Vec<_>>().join("\t")
            });
            let lines = Some(caption).filter(|it| !it.is_empty()).into_iter().chain(rows);
            return lines.collect::<Vec<_>>().join("\n");
        }
        let texts = self.inlines.iter().map(Inline::text);
        std::iter::once(self.marker.as_str()).chain(texts).collect()
    }

    /// Every inline in order of print, those of a table's cells included.
    pub fn all_inlines(&self) -> impl Iterator<Item = &Inline> {
        self.inlines.iter().chain(self.table.iter().flat_map(Table::inlines))
    }
}

impl Document {
    /// Every bound number in order of print, with the index of its block.
    pub fn figures(&self) -> impl Iterator<Item = (usize, &str, &FigureSource)> {
        self.blocks.iter().enumerate().flat_map(|(index, block)| {
            block.all_inlines().filter_map(move |it| match it {
                Inline::Figure { text, source } => Some((index, text.as_str(), source)),
                Inline::Text { .. } | Inline::Field { .. } => None,
            })
        })
    }
}

/// A number of the template's or computed text that is bound to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnboundNumber {
    /// Index of the block.
    pub block: usize,
    /// The digits.
    pub digits: String,
    /// The paragraph.
    pub paragraph: String,
}

/// Lists the numbers that are neither bound to a source, nor a field of the issue ([`Field`]), nor the own words of
/// a department or an inspector. Empty for a sound template.
#[must_use]
pub fn unbound_numbers(document: &Document) -> Vec<UnboundNumber> {
    let mut found = vec![];
    for (index, block) in document.blocks.iter().enumerate() {
        if matches!(block.origin, Origin::Submitted { .. } | Origin::Inspection) {
            continue;
        }
        let texts = block.all_inlines().filter_map(|it| match it {
            Inline::Text { text } => Some(text),
            Inline::Field { .. } | Inline::Figure { .. } => None,
        });
        for digits in texts.flat_map(|text| digit_runs(text)) {
            let digits = digits.digits.to_owned();
            found.push(UnboundNumber { block: index, digits, paragraph: block.text() });
        }
    }
    found
}

/// A run of digits in a text.
pub(crate) struct DigitRun<'a> {
    pub(crate) digits: &'a str,
    /// What follows it.
    pub(crate) rest: &'a str,
}

/// Runs of decimal digits, ASCII or full-width.
pub(crate) fn digit_runs(text: &str) -> Vec<DigitRun<'_>> {
    let is_digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let mut runs = vec![];
    let mut rest = text;
    while let Some(start) = rest.find(is_digit) {
        let from = &rest[start..];
        let end = from.find(|c| !is_digit(c)).unwrap_or(from.len());
        rest = &from[end..];
        runs.push(DigitRun { digits: &from[..end], rest });
    }
    runs
}

/// Dates, digests and words of the domain as text.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(it: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(it)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }

    pub(super) mod optional {
        use super::*;

        pub(in super::super) fn serialize<T: Display, S: Serializer>(
            it: &Option<T>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match it {
                Some(it) => to.collect_str(it),
                None => to.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
        where
            T: FromStr<Err: Display>,
            D: Deserializer<'de>,
        {
            let text = Option::<String>::deserialize(from)?;
            text.map(|it| it.parse().map_err(D::Error::custom)).transpose()
        }
    }

    macro_rules! word {
        ($module:ident, $type:ident) => {
            pub(super) mod $module {
                use serde::de::Error as _;
                use serde::{Deserialize, Deserializer, Serializer};
                use zhoubao_domain::figure::$type;

                pub(in super::super) fn serialize<S: Serializer>(
                    it: &$type,
                    to: S,
                ) -> Result<S::Ok, S::Error> {
                    to.serialize_str(it.word())
                }

                pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
                    from: D,
                ) -> Result<$type, D::Error> {
                    let word = String::deserialize(from)?;
                    $type::from_word(&word)
                        .ok_or_else(|| D::Error::custom(format!("unknown word `{word}`")))
                }
            }
        };
    }

    word!(span, Span);
    word!(partition, Partition);
}
