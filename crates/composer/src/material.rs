//! Everything that one issue is made of, as plain data.

use std::collections::BTreeMap;

use jiff::civil::Date;
use zhoubao_domain::calendar::Period;
use zhoubao_domain::event::{ClassFigures, InspectionResult, TerminalHead, Tree};
use zhoubao_domain::figure::{Adjustment, Definition, Figure, FigureKey, Figures, Partition, Span};
use zhoubao_domain::id::{Digest, ObjectId};

use crate::document::Amendment;

/// Everything that one issue is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// Display name of the hall.
    pub hall: String,
    /// A training hall's (培训): the issue says so wherever it is read.
    pub training: bool,
    /// Issuing body printed in the masthead.
    pub publisher: String,
    /// Year of the number: that of the period's last day.
    pub year: i16,
    /// 年第 N 期.
    pub number: u32,
    /// 总第 M 期.
    pub running_number: u32,
    /// Not yet signed off: the numbers are those that the issue would get (拟编号).
    pub proposed: bool,
    /// The date of the masthead; none before the sign-off.
    pub issued_on: Option<Date>,
    /// The period.
    pub period: Period,
    /// Last day of the previous period, or of the opening figures; none for the first issue ever.
    pub previous_last: Option<Date>,
    /// The cut of the freeze: position in the journal up to which everything counts.
    pub position: u64,
    /// The Merkle tree over everything up to the position, where the freeze names one.
    pub tree: Option<Tree>,
    /// Last number of each terminal at the position.
    pub heads: Vec<TerminalHead>,
    /// Definitions of the figures, in order of print.
    pub definitions: Vec<Definition>,
    /// Digest of the definitions.
    pub definitions_digest: Digest,
    /// The frozen figures.
    pub figures: Figures,
    /// The later facts that the figures of [`Span::Adjustment`] sum, for their causes. Where they do not add up
    /// to those figures (or are left out), the adjustment is printed without causes.
    pub adjustments: Vec<Adjustment>,
    /// Number of departments authorised on [`Material::authorised_as_of`].
    pub authorised_departments: i64,
    /// The day of the register that the number is about.
    pub authorised_as_of: Date,
    /// Changes of scope in the period, as recorded.
    pub scope_changes: Vec<ScopeChange>,
    /// Changes of holder in the period, as recorded.
    pub holder_changes: Vec<HolderChange>,
    /// Imported platform figures.
    pub statistics: Option<Statistics>,
    /// Adopted submissions, in order of print within their section.
    pub submissions: Vec<Submission>,
    /// The checklist in force.
    pub checklist: Checklist,
    /// Results of the period's rounds, all rounds together; none: no round was held.
    pub inspection: Option<Vec<InspectionResult>>,
    /// Working days of the period that a window did not close.
    pub coverage_holes: Vec<CoverageHole>,
    /// Number of copies, where it differs from the template's.
    pub print_run: Option<u32>,
    /// Working days of the period; none where its calendar is not known.
    pub working_days: Option<u32>,
    /// Names of print of windows and departments, by their keys in the figures.
    pub part_names: BTreeMap<(Partition, String), String>,
    /// Imported tables, of this period and of others.
    pub tables: Vec<ImportedTable>,
    /// Earlier issues of the series, the latest first.
    pub earlier: Vec<EarlierIssue>,
    /// News of earlier issues of the series, each with the number of its issue.
    pub earlier_news: Vec<(String, Submission)>,
    /// What this issue sets of the template's parameters and entered numbers.
    pub parameters: BTreeMap<String, String>,
    /// Of a version after the first: which, and what it puts right.
    pub amendment: Option<Amendment>,
}

/// A table of figures from outside (导入表), its cells as they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedTable {
    /// The key under which templates ask for it.
    pub key: String,
    /// Whose figures they are.
    pub source: String,
    /// The days they cover; the last one is the cut-off.
    pub period: Period,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows in the order entered, a cell for each column.
    pub rows: Vec<Vec<String>>,
    /// Position of the import in the journal; of two for the same days the later one holds.
    pub position: u64,
}

/// An earlier issue of the series, for comparisons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierIssue {
    /// Its period.
    pub period: Period,
    /// The cut of its freeze.
    pub position: u64,
    /// Its frozen figures.
    pub figures: Figures,
}

/// A change of scope: which departments and matters the comprehensive windows may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeChange {
    /// Name of print of the department.
    pub department: String,
    /// What changed.
    pub change: Scope,
}

/// What changed in the scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The department is authorised.
    Authorised,
    /// The department is withdrawn.
    Withdrawn,
    /// Matters (by name) are included.
    ItemsIncluded(Vec<String>),
    /// Matters (by name) are removed.
    ItemsRemoved(Vec<String>),
}

/// A change of holder: the chief representative (首席事务代表) or only the letter (授权书).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HolderChange {
    /// Name of print of the department.
    pub department: String,
    /// True: the representative was replaced and the letter signed again. False: only the letter was signed again.
    pub representative_replaced: bool,
    /// Number of the letter.
    pub letter: String,
}

/// Imported platform figures (一体化平台数据).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Name of the platform.
    pub source: String,
    /// Level of government, such as 省本级.
    pub level: String,
    /// The days they cover; the last one is the cut-off.
    pub period: Period,
    /// One row a class.
    pub classes: Vec<ClassFigures>,
}

/// News of a department, adopted for this issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The submission.
    pub id: ObjectId,
    /// Key of its section in the template.
    pub section: String,
    /// Name of print of the department.
    pub department: String,
    /// The text as submitted; a line is a paragraph.
    pub text: String,
}

/// An inspection checklist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checklist {
    /// Standing text before the items.
    pub introduction: String,
    /// Items in order.
    pub items: Vec<String>,
}

/// A working day that a window did not close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageHole {
    /// Display name of the window.
    pub window: String,
    /// The day.
    pub day: Date,
}

impl Material {
    /// One frozen figure, if there is one.
    #[must_use]
    pub fn figure(
        &self,
        definition: &str,
        span: Span,
        partition: Partition,
        part: &str,
    ) -> Option<Figure> {
        let key =
            FigureKey { definition: definition.to_owned(), span, partition, part: part.to_owned() };
        self.figures.get(&key).copied()
    }

    /// First and last day that a span covers; none where the span is empty or its start is not known.
    #[must_use]
    pub fn days(&self, span: Span) -> Option<(Date, Date)> {
        let (first, last) = (self.period.first(), self.period.last());
        let new_year = Date::new(self.year, 1, 1).ok()?;
        let after_previous = self.previous_last.and_then(|it| it.tomorrow().ok());
        let days = match span {
            Span::Week => (first, last),
            Span::WeekOfYear => (first.max(new_year), last),
            Span::Year => (new_year, last),
            Span::Carried | Span::Adjustment => (new_year, self.previous_last?),
            Span::Outside => {
                (after_previous.unwrap_or(new_year).max(new_year), first.yesterday().ok()?)
            }
            Span::OutsideEarlier => {
                (after_previous?, new_year.yesterday().ok()?.min(first.yesterday().ok()?))
            }
        };
        (days.0 <= days.1).then_some(days)
    }
}
