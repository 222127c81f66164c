//! Composing an issue from read models and set-up events: gather, check every sum, compose.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use zhoubao_composer::document::Amendment;
use zhoubao_composer::material::{
    Checklist, CoverageHole, EarlierIssue, HolderChange, Scope, ScopeChange, Statistics, Submission,
};
use zhoubao_composer::{ComposeError, Composed, Material, Problem, Template};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{
    AuthorizationChange, Event, InspectionResult, Refusal, Setup, TerminalHead,
};
use zhoubao_domain::figure::{self, Adjustment, Figures, Partition, Source, TallyCell, TallyValue};
use zhoubao_domain::finding::Finding;
use zhoubao_domain::id::{DeskTopic, Digest, HallCode, ObjectId, SetupTopic, Stream};
use zhoubao_domain::issue::{Command, Edit, Issue, Stage};
use zhoubao_domain::reconcile::{self, Mismatch};
use zhoubao_domain::time::{hall_zone, rfc3339};
use zhoubao_projections::entry::ParseEntryError;
use zhoubao_projections::freeze::figures_digest;
use zhoubao_projections::recount;

use crate::desk::{By, Desk, DeskError, check_news, facts, filed};
use crate::known::{Known, Round, Version};
use crate::store::{ReadModels, Snapshot, SnapshotQuery, StoreError};
use crate::tree;
use crate::writer::Receipt;

/// Why an issue cannot be composed.
#[derive(Debug, thiserror::Error)]
pub enum WeeklyError {
    /// The issue is not there, not frozen, or its set-up cannot be read.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Sums that must agree do not; nothing is composed.
    #[error("{} sums do not come out", .0.len())]
    Sums(Vec<Mismatch>),
    /// The template's conditions are not met.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The read models could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WeeklyError> for DeskError {
    fn from(error: WeeklyError) -> Self {
        match error {
            WeeklyError::Refused(refusal) => refusal.into(),
            WeeklyError::Store(error) => error.into(),
            WeeklyError::Sums(sums) => {
                let code = sums.first().map_or(Code::SumsDiffer, |it| it.code);
                let texts: Vec<_> = sums.into_iter().map(|it| it.text).collect();
                Refusal::new(code, texts.join("；")).into()
            }
            WeeklyError::Compose(error) => {
                let code = error.problems.first().map_or(Code::Template, |it| it.code);
                Refusal::new(code, error.to_string()).into()
            }
        }
    }
}

/// Most earlier issues that one may be compared with: a year of months.
const EARLIER_ISSUES_MAX: usize = 12;

/// A template that is tried on an issue which names another.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The template.
    pub template: Template,
    /// What is set of its parameters.
    pub parameters: BTreeMap<String, String>,
}

/// An issue that is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIssue {
    /// Its id.
    pub issue: ObjectId,
    /// Its period; none: the next default one.
    pub period: Option<zhoubao_domain::calendar::Period>,
    /// Its series, named as the template; none for the hall's main one.
    pub series: Option<ObjectId>,
    /// What it sets of the template's parameters and entered numbers.
    pub parameters: BTreeMap<String, String>,
}

/// A composed issue with what it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Weekly {
    /// The document and the warnings.
    pub composed: Composed,
    /// What it was made of.
    pub material: Material,
    /// Digest of the frozen figures.
    pub figures: Digest,
    /// Its series; none for the hall's main one.
    pub series: Option<ObjectId>,
}

impl Weekly {
    /// What the checks found in it, in order of print.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.composed.warnings.iter().map(Problem::finding).collect()
    }
}

/// Which findings of a code somebody accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The only one.
    Only,
    /// Those whose place contains these words, such as the id of a submission.
    At(String),
    /// The one with this digest.
    Finding(Digest),
    /// All of them.
    All,
}

impl Which {
    /// The findings of a code that are meant.
    ///
    /// # Errors
    ///
    /// E.502 where there is none, or several and nobody said which.
    pub fn of(&self, code: Code, findings: &[Finding]) -> Result<Vec<Finding>, Refusal> {
        let all = || findings.iter().filter(|it| it.code == code);
        let chosen: Vec<_> = match self {
            Self::At(words) => all().filter(|it| it.place.contains(words)).cloned().collect(),
            Self::Finding(digest) => all().filter(|it| it.digest == *digest).cloned().collect(),
            Self::Only | Self::All => all().cloned().collect(),
        };
        let places = |of: &mut dyn Iterator<Item = &Finding>| {
            of.map(|it| it.place.as_str()).collect::<Vec<_>>().join("、")
        };
        if chosen.is_empty() {
            let places = places(&mut all());
            let detail = format!("没有这样的 {code} there is no such finding; 现有 at: {places}");
            return Err(Refusal::new(Code::FindingsOpen, detail));
        }
        if *self == Self::Only && chosen.len() > 1 {
            let (count, places) = (chosen.len(), places(&mut chosen.iter()));
            let detail =
                format!("{code} 有 {count} 处，用 --place 或 --all 指明 name one: {places}");
            return Err(Refusal::new(Code::FindingsOpen, detail));
        }
        Ok(chosen)
    }
}

/// Composes one issue. Reads nothing but read models and set-up events.
///
/// `issued_on` is the masthead's date before the sign-off; afterwards the signed date is printed.
///
/// # Errors
///
/// All sums that do not come out at once, or the conditions of the template.
pub async fn compose(
    store: &dyn ReadModels,
    hall: &HallCode,
    id: &ObjectId,
    issued_on: Option<Date>,
) -> Result<Weekly, WeeklyError> {
    compose_by(store, hall, id, What::Present(issued_on)).await
}

/// Composes a version of an issue that was signed off, from 1, as it was signed.
///
/// # Errors
///
/// As [`compose`]; E.500 where there is no such version, or where a later one was frozen anew: its figures are in its
/// published files only.
pub async fn compose_version(
    store: &dyn ReadModels,
    hall: &HallCode,
    id: &ObjectId,
    version: usize,
) -> Result<Weekly, WeeklyError> {
    compose_by(store, hall, id, What::Version(version)).await
}

/// Which version of an issue is composed.
enum What {
    /// The present one; before its sign-off with this date in its masthead.
    Present(Option<Date>),
    /// One that was signed off, from 1.
    Version(usize),
    /// A draft by another template.
    Trial(Box<Trial>),
}

/// Composes the figures of an issue by another template, as a draft that nobody signed.
///
/// # Errors
///
/// As [`compose`].
pub async fn try_template(
    store: &dyn ReadModels,
    hall: &HallCode,
    id: &ObjectId,
    trial: Trial,
) -> Result<Weekly, WeeklyError> {
    compose_by(store, hall, id, What::Trial(Box::new(trial))).await
}

async fn compose_by(
    store: &dyn ReadModels,
    hall: &HallCode,
    id: &ObjectId,
    what: What,
) -> Result<Weekly, WeeklyError> {
    let facts = store.snapshot(hall, &SnapshotQuery::facts()).await?.facts;
    let present = Known::from_facts(&facts, u64::MAX)?;
    let as_of = as_of(&present, id, &what)?;
    let cut_now = find(&present, id)?.freeze.as_ref().map(|it| it.cut);
    // What was signed is made of what was recorded before: news that are filed anew change nothing of it.
    let known = if as_of == u64::MAX { present } else { Known::from_facts(&facts, as_of)? };
    let issue = find(&known, id)?;
    let previous = known.book.previous(issue.series.as_ref(), issue.period);
    let earlier = earlier(&known, issue);
    let opening = known.book.opening.as_ref();
    let previous_last = previous.map(|(_, it)| it.period.last()).or(opening.map(|it| it.through));
    let cut =
        issue.freeze.as_ref().map(|it| it.cut).ok_or_else(|| {
            Refusal::new(Code::IssueState, format!("期 {id} 尚未冻结 is not frozen"))
        })?;
    if cut_now != Some(cut) {
        let detail = format!(
            "此版之后数据重新冻结，请取已发布的文件 the figures were frozen anew after this version of {id}: take its published files"
        );
        return Err(Refusal::new(Code::IssueState, detail).into());
    }
    let previous_cut = previous.and_then(|(_, it)| Some(it.freeze.as_ref()?.cut)).unwrap_or(0);
    // Before the first issue nobody waits for what was recorded late: only the day tells then.
    let reported =
        previous_last.map(|last| (last, if previous_cut == 0 { u64::MAX } else { previous_cut }));
    let query = SnapshotQuery {
        first: figure::first_day(issue.period, previous_last),
        last: issue.period.last(),
        // What came after the cut is wound back for the days of the issue only, so an issue of long ago is composed in
        // the time of a new one.
        after: None,
        adjustments_after: Some(previous_cut),
        issues: std::iter::once(id)
            .chain(previous.map(|(id, _)| id))
            .chain(earlier.iter().map(|(id, ..)| *id))
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        segments: true,
        facts: true,
    };
    // One transaction, so that the sums compared below are of one moment.
    let snapshot = store.snapshot(hall, &query).await?;
    let now = Known::from_facts(&snapshot.facts, as_of)?;
    let then = Known::from_facts(&snapshot.facts, cut)?;
    let issue = find(&now, id)?;
    let figures = snapshot.figures.get(id).cloned().unwrap_or_default();
    let Some(Setup::Figures { definitions }) =
        now.with_digest(SetupTopic::Figures, &issue.figures).map(|it| &it.setup)
    else {
        return Err(
            Refusal::new(Code::Setup, "缺少指标定义 the figure definitions are missing").into()
        );
    };
    let carried = previous.map(|(before, it)| {
        (it.period.last(), snapshot.figures.get(before).cloned().unwrap_or_default())
    });
    let check = Check {
        snapshot: &snapshot,
        query: &query,
        cut,
        previous_cut,
        figures: &figures,
        previous: carried.as_ref().map(|(last, figures)| (*last, figures)),
    };
    let mismatches = check.mismatches(Source {
        definitions,
        period: issue.period,
        opening,
        previous: carried.as_ref().map(|(last, figures)| (*last, figures)),
        cells: &BTreeMap::new(),
        adjustments: &[],
    })?;
    if !mismatches.is_empty() {
        return Err(WeeklyError::Sums(mismatches));
    }
    let digest = figures_digest(&figures);
    if let Some(signed) = issue.sign_off.as_ref().filter(|it| it.figures != digest) {
        let detail = format!("签发 signed {} ≠ 现 now {digest}", signed.figures);
        return Err(Refusal::new(Code::SignedFiguresDiffer, detail).into());
    }
    let (issued_on, trial) = match what {
        What::Present(issued_on) => (issued_on, None),
        What::Version(_) => (None, None),
        What::Trial(trial) => (None, Some(trial)),
    };
    let gathered =
        Gather { hall, now: &now, then: &then, issue, id, snapshot: &snapshot, cut, reported };
    let mut material =
        gathered.material(definitions, figures, previous_last, previous_cut, issued_on)?;
    material.earlier = earlier
        .iter()
        .filter_map(|(id, period, position)| {
            let (period, position) = (*period, *position);
            Some(EarlierIssue { period, position, figures: snapshot.figures.get(id)?.clone() })
        })
        .collect();
    if let Some(trial) = trial {
        let Trial { template, parameters } = *trial;
        template.check(definitions)?;
        material.parameters = parameters;
        (material.proposed, material.issued_on) = (true, None);
        let composed = zhoubao_composer::compose(&material, &template)?;
        let series = issue.series.clone();
        return Ok(Weekly { composed, material, figures: digest, series });
    }
    let template = gathered.template()?;
    let composed = zhoubao_composer::compose(&material, &template)?;
    let document = zhoubao_composer::json::digest(&composed.document);
    if let Some(signed) = issue.sign_off.as_ref().filter(|it| it.document != document) {
        let detail = format!("签发的正文 signed text {} ≠ 现 now {document}", signed.document);
        return Err(Refusal::new(Code::SignedFiguresDiffer, detail).into());
    }
    Ok(Weekly { composed, material, figures: digest, series: issue.series.clone() })
}

/// The frozen issues of a series before one, the latest first: id, period and cut.
fn earlier<'a>(
    known: &'a Known,
    issue: &Issue,
) -> Vec<(&'a ObjectId, zhoubao_domain::calendar::Period, u64)> {
    let mut earlier: Vec<_> = known
        .book
        .of_series(issue.series.as_ref())
        .filter(|(_, it)| it.period.last() < issue.period.first())
        .filter_map(|(id, it)| Some((id, it.period, it.freeze.as_ref()?.cut)))
        .collect();
    earlier.sort_by_key(|(_, period, _)| std::cmp::Reverse(period.last()));
    earlier.truncate(EARLIER_ISSUES_MAX);
    earlier
}

/// The position up to which the facts of a version count.
fn as_of(present: &Known, id: &ObjectId, what: &What) -> Result<u64, Refusal> {
    let issue = find(present, id)?;
    let signed = present.signed.get(id).map_or(&[][..], Vec::as_slice);
    match what {
        What::Trial(_) => Ok(u64::MAX),
        What::Present(_) if issue.sign_off.is_none() => Ok(u64::MAX),
        What::Present(_) => Ok(signed.last().map_or(u64::MAX, |it| it.position)),
        What::Version(version) => {
            let position = version.checked_sub(1).and_then(|it| signed.get(it));
            position.map(|it| it.position).ok_or_else(|| {
                let detail = format!("期 {id} 没有第{version}版 has no version {version}");
                Refusal::new(Code::IssueState, detail)
            })
        }
    }
}

fn find<'a>(known: &'a Known, id: &ObjectId) -> Result<&'a Issue, Refusal> {
    known.book.issues.get(id).ok_or_else(|| {
        Refusal::new(Code::IssueState, format!("没有期 {id} there is no such issue"))
    })
}

struct Check<'a> {
    snapshot: &'a Snapshot,
    query: &'a SnapshotQuery,
    cut: u64,
    previous_cut: u64,
    figures: &'a Figures,
    previous: Option<(Date, &'a Figures)>,
}

impl Check<'_> {
    /// Every way to the same number: parts and totals, the chain from the issue before, the live sums wound back
    /// to the cut, and the record recounted up to it.
    fn mismatches(&self, source: Source<'_>) -> Result<Vec<Mismatch>, StoreError> {
        let damaged = |it: ParseEntryError| StoreError::Damaged(it.to_string());
        let Check { snapshot, query, cut, figures, .. } = self;
        let of_year = self.previous.filter(|(last, _)| last.year() == source.period.year());
        let mut mismatches = reconcile::partitions(source.definitions, figures);
        mismatches.extend(reconcile::chain(source.definitions, figures, of_year.map(|(_, it)| it)));
        let in_range = |day: Date| (query.first..=query.last).contains(&day);
        let mut live =
            recount::rewind(snapshot.cells.clone(), &snapshot.segments, *cut).map_err(damaged)?;
        live.retain(|cell, _| in_range(cell.day));
        let last = self.previous.map(|(last, _)| last);
        let Recounted { cells: recounted, later } = self.recounted(last).map_err(damaged)?;
        mismatches.extend(reconcile::same("汇总与逐条重算 tally and record", &live, &recounted));
        let kept = sums(snapshot.adjustments.iter().filter(|it| {
            it.position <= *cut && last.is_some_and(|last| it.day <= last) && in_range(it.day)
        }));
        mismatches.extend(reconcile::same("调整与逐条重算 adjustments and record", &kept, &later));
        let adjustments: Vec<Adjustment> =
            snapshot.adjustments.iter().filter(|it| it.position <= *cut).cloned().collect();
        let again = figure::take(Source { cells: &recounted, adjustments: &adjustments, ..source });
        let keys = figures.keys().chain(again.keys().filter(|it| !figures.contains_key(it)));
        for key in keys {
            let (kept, own) = (figures.get(key), again.get(key));
            if kept != own {
                let amount = |it: Option<&figure::Figure>| {
                    it.map_or_else(|| "—".to_owned(), |it| it.amount.to_string())
                };
                mismatches.push(Mismatch {
                    code: Code::SumsDiffer,
                    text: format!(
                        "{} {} {} {}: 冻结 frozen {} ≠ 重算 recounted {}",
                        key.definition,
                        key.span.word(),
                        key.partition.word(),
                        key.part,
                        amount(kept),
                        amount(own),
                    ),
                });
            }
        }
        Ok(mismatches)
    }

    /// The record is read once for both: an issue late in the year has a year of it.
    fn recounted(&self, previous_last: Option<Date>) -> Result<Recounted, ParseEntryError> {
        let Check { query, cut, previous_cut, .. } = self;
        let days = query.first..=previous_last.map_or(query.last, |it| it.max(query.last));
        let (mut cells, mut later) = (BTreeMap::new(), BTreeMap::new());
        recount::each(&self.snapshot.segments, &days, |entry, cell| {
            let (amount, events) = entry.effect();
            let counted = |cut: u64| i64::from(entry.position <= cut);
            let since = counted(*cut) - counted(*previous_cut);
            if since != 0 && previous_last.is_some_and(|it| cell.day <= it) {
                let bare = bare(cell.day, cell.kind);
                recount::add(&mut later, bare, (since * amount, since * events));
            }
            if entry.position <= *cut && cell.day <= query.last {
                recount::add(&mut cells, cell, (amount, events));
            }
        })?;
        cells.retain(|_, it| *it != TallyValue::default());
        later.retain(|_, it| *it != TallyValue::default());
        Ok(Recounted { cells, later })
    }
}

/// What the record says.
struct Recounted {
    /// The sums at the cut.
    cells: BTreeMap<TallyCell, TallyValue>,
    /// What came after the cut of the issue before for its days and earlier ones, by day and kind.
    later: BTreeMap<TallyCell, TallyValue>,
}

fn bare(day: Date, kind: zhoubao_domain::event::Kind) -> TallyCell {
    TallyCell { day, window: String::new(), department: String::new(), kind }
}

fn sums<'a>(adjustments: impl Iterator<Item = &'a Adjustment>) -> BTreeMap<TallyCell, TallyValue> {
    let mut sums: BTreeMap<TallyCell, TallyValue> = BTreeMap::new();
    for it in adjustments {
        let sum = sums.entry(bare(it.day, it.kind)).or_default();
        sum.amount += it.amount;
        sum.events += it.events;
    }
    sums.retain(|_, it| *it != TallyValue::default());
    sums
}

struct Gather<'a> {
    hall: &'a HallCode,
    now: &'a Known,
    then: &'a Known,
    issue: &'a Issue,
    id: &'a ObjectId,
    snapshot: &'a Snapshot,
    cut: u64,
    /// Last day and cut of what the issue before has reported.
    reported: Option<(Date, u64)>,
}

impl Gather<'_> {
    fn template(&self) -> Result<Template, Refusal> {
        match self.now.with_digest(SetupTopic::Template, &self.issue.template).map(|it| &it.setup) {
            Some(Setup::Template { source }) => Template::parse(source),
            _ => Err(Refusal::new(
                Code::Template,
                format!("期 {} 的模板不存在 the template is missing", self.id),
            )),
        }
    }

    fn material(
        &self,
        definitions: &[figure::Definition],
        figures: Figures,
        previous_last: Option<Date>,
        previous_cut: u64,
        issued_on: Option<Date>,
    ) -> Result<Material, Refusal> {
        let Gather { hall: code, now, then, issue, snapshot, cut, .. } = self;
        let period = issue.period;
        let (year, number, running_number) = now.book.proposed_numbers(issue);
        let (hall, publisher) = then.registry.hall.clone().ok_or_else(|| {
            Refusal::new(Code::Setup, "大厅名称尚未设置 the hall's names are not set up")
        })?;
        let signed = issue.sign_off.as_ref();
        let checklist = match now
            .with_digest(SetupTopic::Checklist, &issue.checklist)
            .map(|it| &it.setup)
        {
            Some(Setup::Checklist { introduction, items }) => {
                Checklist { introduction: introduction.clone(), items: items.clone() }
            }
            _ => return Err(Refusal::new(Code::Setup, "检查表不存在 the checklist is missing")),
        };
        let adjustments = snapshot
            .adjustments
            .iter()
            .filter(|it| {
                it.position > previous_cut
                    && it.position <= *cut
                    && previous_last.is_some_and(|last| it.day <= last)
                    && it.day.year() == year
            })
            .cloned()
            .collect();
        Ok(Material {
            hall,
            training: code.is_training(),
            publisher,
            year,
            number,
            running_number,
            proposed: signed.is_none() && issued_on.is_none(),
            issued_on: signed.map(|it| it.issued_on).or(issued_on),
            period,
            previous_last,
            position: *cut,
            tree: issue.freeze.as_ref().and_then(|it| it.tree.clone()),
            heads: issue.freeze.as_ref().map(|it| it.heads.clone()).unwrap_or_default(),
            definitions: definitions.to_vec(),
            definitions_digest: issue.figures,
            figures,
            adjustments,
            authorised_departments: i64::try_from(then.register.authorised_on(period.last()).len())
                .unwrap_or(i64::MAX),
            authorised_as_of: period.last(),
            scope_changes: self.scope_changes(),
            holder_changes: self.holder_changes(),
            statistics: self.statistics(),
            submissions: self.submissions(),
            checklist,
            inspection: self.inspection(),
            coverage_holes: self.coverage_holes()?,
            print_run: None,
            working_days: self.working_days(),
            part_names: self.part_names(),
            tables: then.tables.clone(),
            earlier: vec![],
            earlier_news: self.earlier_news(),
            parameters: issue.parameters.clone(),
            amendment: issue.amendment.clone().map(|note| Amendment {
                version: u32::try_from(issue.version()).unwrap_or(u32::MAX),
                note,
            }),
        })
    }

    /// None where a calendar is missing: only a template that asks for them needs it.
    fn working_days(&self) -> Option<u32> {
        let period = self.issue.period;
        let days = self.then.calendar().ok()?.working_days(period.first()..=period.last()).ok()?;
        u32::try_from(days.len()).ok()
    }

    fn part_names(&self) -> BTreeMap<(Partition, String), String> {
        let registry = &self.then.registry;
        let windows = registry
            .windows
            .iter()
            .map(|(id, it)| ((Partition::Window, id.to_string()), it.name.clone()));
        let departments = registry
            .departments
            .iter()
            .map(|(id, it)| ((Partition::Department, id.to_string()), it.name.clone()));
        windows.chain(departments).collect()
    }

    fn scope_changes(&self) -> Vec<ScopeChange> {
        let names = |items: &[zhoubao_domain::id::MatterId]| -> Vec<String> {
            items.iter().map(|it| self.matter_name(it)).collect()
        };
        let changes = self.then.register.changes_since(self.reported, self.issue.period);
        changes
            .into_iter()
            .filter_map(|it| {
                let change = match &it.change {
                    AuthorizationChange::DepartmentAuthorised => Scope::Authorised,
                    AuthorizationChange::DepartmentWithdrawn => Scope::Withdrawn,
                    AuthorizationChange::ItemsIncluded(items) => Scope::ItemsIncluded(names(items)),
                    AuthorizationChange::ItemsRemoved(items) => Scope::ItemsRemoved(names(items)),
                    AuthorizationChange::RepresentativeReplaced { .. }
                    | AuthorizationChange::LetterSigned { .. } => return None,
                };
                let department = self.then.registry.department_name(&it.department).to_owned();
                Some(ScopeChange { department, change })
            })
            .collect()
    }

    fn matter_name(&self, id: &zhoubao_domain::id::MatterId) -> String {
        let entry =
            id.as_str().parse().ok().and_then(|id| self.then.latest(SetupTopic::Matter, Some(&id)));
        match entry.map(|it| &it.setup) {
            Some(Setup::Matter { name, .. }) => name.clone(),
            _ => id.to_string(),
        }
    }

    fn holder_changes(&self) -> Vec<HolderChange> {
        let changes = self.then.register.changes_since(self.reported, self.issue.period);
        changes
            .into_iter()
            .filter_map(|it| {
                let (representative_replaced, letter) = match &it.change {
                    AuthorizationChange::RepresentativeReplaced { letter, .. } => {
                        (true, letter.clone())
                    }
                    AuthorizationChange::LetterSigned { letter } => (false, letter.clone()),
                    _ => return None,
                };
                let department = self.then.registry.department_name(&it.department).to_owned();
                Some(HolderChange { department, representative_replaced, letter })
            })
            .collect()
    }

    fn statistics(&self) -> Option<Statistics> {
        // The latest import that does not go beyond the period; a cut-off before its end is refused by the composer.
        let import = self
            .then
            .imports
            .iter()
            .rev()
            .filter(|it| it.period.last() <= self.issue.period.last())
            .max_by_key(|it| it.period.last())?;
        let best =
            self.then.imports.iter().rev().find(|it| it.period.last() == import.period.last());
        let import = best.unwrap_or(import);
        Some(Statistics {
            source: import.source.clone(),
            level: import.level.clone(),
            period: import.period,
            classes: import.classes.clone(),
        })
    }

    fn submissions(&self) -> Vec<Submission> {
        self.adopted(self.issue).collect()
    }

    fn adopted(&self, issue: &Issue) -> impl Iterator<Item = Submission> {
        issue.submissions.iter().filter_map(|(_, id)| {
            let filed = self.now.submissions.get(id).filter(|it| it.returned.is_none())?;
            let edit = issue.edit_of(id, filed.digest());
            Some(Submission {
                id: id.clone(),
                section: filed.section.clone(),
                department: self.now.registry.department_name(&filed.department).to_owned(),
                text: edit.map_or(&filed.text, |it| &it.text).clone(),
            })
        })
    }

    /// News of the series' issues before this one, the earliest first.
    fn earlier_news(&self) -> Vec<(String, Submission)> {
        let book = &self.now.book;
        let mut earlier: Vec<_> = book
            .of_series(self.issue.series.as_ref())
            .filter(|(_, it)| it.period.last() < self.issue.period.first())
            .collect();
        earlier.sort_by_key(|(_, it)| it.period.last());
        let news = earlier.into_iter().flat_map(|(_, it)| {
            let (year, number, _) = book.proposed_numbers(it);
            self.adopted(it).map(move |news| (format!("{year}年第{number}期"), news))
        });
        news.collect()
    }

    /// What the rounds of the period say; and of earlier ones that no issue has told of what they found, with the day.
    /// That all is well is said by a round of the period only.
    fn inspection(&self) -> Option<Vec<InspectionResult>> {
        let period = self.issue.period;
        let told = |it: &&Round| period.tells(self.reported, it.day, it.position);
        let mut held = false;
        let mut results: Vec<InspectionResult> = vec![];
        for round in self.then.rounds.iter().filter(told) {
            let is_earlier = !period.contains(round.day);
            held |= !is_earlier;
            for result in &round.results {
                let mut result = result.clone();
                if is_earlier {
                    let (month, day) = (round.day.month(), round.day.day());
                    for it in &mut result.findings {
                        *it = format!("{month}月{day}日{it}");
                    }
                    if result.findings.is_empty() {
                        continue;
                    }
                    result.remark = None;
                }
                match results.iter_mut().find(|it| it.item == result.item) {
                    Some(it) => {
                        it.findings.append(&mut result.findings);
                        it.remark = result.remark.or(it.remark.take());
                    }
                    None => results.push(result),
                }
            }
        }
        (held || !results.is_empty()).then_some(results)
    }

    fn coverage_holes(&self) -> Result<Vec<CoverageHole>, Refusal> {
        let calendar = self.then.calendar()?;
        let period = self.issue.period;
        let days = calendar
            .working_days(period.first()..=period.last())
            .map_err(|it| Refusal::new(Code::NoSchedule, it.to_string()))?;
        let mut holes = vec![];
        for (id, window) in self.then.registry.windows.iter().filter(|(_, it)| it.open) {
            for day in &days {
                let closed = self
                    .snapshot
                    .day_closes
                    .iter()
                    .any(|it| it.window == *id && it.day == *day && it.position <= self.cut);
                if !closed {
                    holes.push(CoverageHole { window: window.name.clone(), day: *day });
                }
            }
        }
        Ok(holes)
    }
}

/// News of a department, to be filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The section, by key or heading.
    pub section: String,
    /// The department, by id, name or alias.
    pub department: String,
    /// The text.
    pub text: String,
    /// Attachments, which the store of files has.
    pub attachments: Vec<Digest>,
    /// Also where the issue in work takes no more.
    pub late: bool,
}

impl Desk {
    /// Freezes an issue at the position that the read models have reached.
    ///
    /// # Errors
    ///
    /// A refusal of the issue's rules.
    pub async fn freeze(&self, issue: ObjectId, by: By) -> Result<Option<Receipt>, DeskError> {
        self.issue(by, async |known| {
            let (cut, heads) = self.heads().await?;
            let tree = tree::tree(&**self.journal(), &known.book, self.tree_hash(), cut).await?;
            Ok(Command::Freeze { issue: issue.clone(), cut, heads, tree: Some(tree) })
        })
        .await
    }

    /// The position of the read models and each terminal's last number there.
    async fn heads(&self) -> Result<(u64, Vec<TerminalHead>), DeskError> {
        loop {
            let before = self.store().checkpoint(self.hall()).await?.map_or(0, |it| it.sequence);
            let heads = self.store().heads(self.hall(), "terminal.").await?;
            let after = self.store().checkpoint(self.hall()).await?.map_or(0, |it| it.sequence);
            // Heads of one moment: nothing was committed in between.
            if before == after {
                let heads = heads
                    .into_iter()
                    .filter_map(|(stream, head)| match stream {
                        Stream::Terminal(terminal) => {
                            Some(TerminalHead { terminal, number: head.number })
                        }
                        _ => None,
                    })
                    .collect();
                return Ok((before, heads));
            }
        }
    }

    /// Signs an issue off: composes it, and binds the digests of its figures and of its text.
    ///
    /// # Errors
    ///
    /// Whatever keeps the issue from being composed, or a refusal of the issue's rules; E.503 where the text is not the
    /// one with the digest `read`.
    pub async fn sign_off(
        &self,
        issue: ObjectId,
        issued_on: Date,
        read: Option<Digest>,
        by: By,
    ) -> Result<Option<Receipt>, DeskError> {
        self.issue(by, async |known| {
            let found = find(known, &issue)?;
            if found.stage == Stage::Submitted {
                // Before it is composed: whoever is too early comes again.
                known.book.refuse_out_of_order(found)?;
            }
            let weekly = compose(&**self.store(), self.hall(), &issue, Some(issued_on)).await?;
            let document = zhoubao_composer::json::digest(&weekly.composed.document);
            if let Some(read) = read.filter(|it| *it != document) {
                let detail = format!("所阅正文 read {read} ≠ 现 now {document}");
                return Err(Refusal::new(Code::IssueChanged, detail).into());
            }
            Ok(Command::SignOff {
                issue: issue.clone(),
                issued_on,
                figures: weekly.figures,
                document,
                findings: weekly.findings(),
            })
        })
        .await
    }

    /// Hands an issue to the leader: composes it, and lets nothing through that a check found and nobody settled.
    ///
    /// # Errors
    ///
    /// Whatever keeps the issue from being composed, or a refusal of the issue's rules.
    pub async fn submit(&self, issue: ObjectId, by: By) -> Result<Option<Receipt>, DeskError> {
        self.issue(by, async |_| self.submission(&issue).await).await
    }

    /// The command that hands an issue to the leader, with what the checks find in it now.
    ///
    /// # Errors
    ///
    /// Whatever keeps the issue from being composed.
    pub async fn submission(&self, issue: &ObjectId) -> Result<Command, DeskError> {
        let weekly = compose(&**self.store(), self.hall(), issue, None).await?;
        Ok(Command::Submit { issue: issue.clone(), findings: weekly.findings() })
    }

    /// What the checks find in an issue, also where it keeps the issue from being composed.
    ///
    /// # Errors
    ///
    /// What else keeps it from being composed: it is not frozen, or its sums do not come out.
    pub async fn findings(&self, issue: &ObjectId) -> Result<Vec<Finding>, WeeklyError> {
        match compose(&**self.store(), self.hall(), issue, None).await {
            Ok(weekly) => Ok(weekly.findings()),
            Err(WeeklyError::Compose(error)) => Ok(error.findings()),
            Err(error) => Err(error),
        }
    }

    /// The command by which somebody accepts what the checks find in an issue now.
    ///
    /// # Errors
    ///
    /// Whatever keeps the issue from being composed; E.502 where nothing like it is found.
    pub async fn acceptance(
        &self,
        issue: &ObjectId,
        code: Code,
        which: &Which,
        reason: &str,
    ) -> Result<Command, DeskError> {
        let weekly = compose(&**self.store(), self.hall(), issue, None).await?;
        let findings = which.of(code, &weekly.findings())?;
        Ok(Command::Accept { issue: issue.clone(), findings, reason: reason.to_owned() })
    }

    /// Opens an issue for a period, with the set-up in force.
    ///
    /// # Errors
    ///
    /// E.604 before the last numbers are entered; E.221 where template, checklist or definitions are missing; a refusal of
    /// the issue's rules.
    pub async fn open(&self, new: NewIssue, by: By) -> Result<Option<Receipt>, DeskError> {
        let NewIssue { issue, period, series, parameters } = new;
        self.issue(by, async |known| {
            known.book.check_numbers_known()?;
            let period = match period {
                Some(period) => period,
                None => proposed_period(known, series.as_ref())?,
            };
            let template = template_of(known, series.as_ref())?;
            if let Setup::Template { source } = &template.setup {
                settable(&Template::parse(source)?, &parameters)?;
            }
            let digest = |topic: SetupTopic| {
                known.latest(topic, None).map(|it| it.digest).ok_or_else(|| {
                    Refusal::new(
                        Code::Setup,
                        format!("缺少设置 there is no {} in the set-up", topic.word()),
                    )
                })
            };
            Ok(Command::Open {
                issue: issue.clone(),
                period,
                template: template.digest,
                checklist: digest(SetupTopic::Checklist)?,
                figures: digest(SetupTopic::Figures)?,
                calendars: known.calendar_digests(),
                series: series.clone(),
                parameters: parameters.clone(),
            })
        })
        .await
    }

    /// Files news of a department.
    ///
    /// # Errors
    ///
    /// Those of [`news`](Self::news); a refusal of the desk, such as E.122, or E.123 above eight attachments.
    pub async fn file(&self, id: ObjectId, news: News, by: By) -> Result<Receipt, DeskError> {
        let event = self.news(news, &by).await?;
        self.record(Stream::Desk(DeskTopic::Submission, id), event, by).await
    }

    /// The event of news that are filed now.
    ///
    /// # Errors
    ///
    /// E.101 where no template has such a section, or nobody knows the department; E.504.
    pub async fn news(&self, news: News, by: &By) -> Result<Event, DeskError> {
        let News { section, department, text, attachments, late } = news;
        let known = self.known().await?;
        let named = known.registry.department_named(&department).cloned();
        let unknown = |_| {
            let detail = format!("没有部门 there is no department `{department}`");
            Refusal::new(Code::UnknownReference, detail)
        };
        let department = named.map_or_else(|| department.parse().map_err(unknown), Ok)?;
        let sections = sections(&known);
        let found = sections.iter().find(|(key, heading)| *key == section || *heading == section);
        let Some((section, _)) = found.cloned() else {
            let there: Vec<_> = sections.iter().map(|(key, _)| key.as_str()).collect();
            let there = there.join(", ");
            let detail = format!("没有栏目 there is no section `{section}`, only: {there}");
            return Err(Refusal::new(Code::UnknownReference, detail).into());
        };
        let now = by.at.unwrap_or_else(|| self.now());
        if let Some(Filing { issue, until }) = filing(&known, &section, now)
            && until < now
            && !late
        {
            let until = rfc3339(until);
            let detail = format!("期 {issue} 已于 {until} 截稿 took no more news from then on");
            return Err(Refusal::new(Code::FilingClosed, detail).into());
        }
        Ok(Event::SubmissionFiled { section, department, text, attachments })
    }

    /// Records an inspection round over the checklist in force.
    ///
    /// # Errors
    ///
    /// Those of [`round`](Self::round); a refusal of the desk.
    pub async fn inspect(
        &self,
        id: ObjectId,
        day: Date,
        results: Vec<InspectionResult>,
        by: By,
    ) -> Result<Receipt, DeskError> {
        let event = self.round(day, results).await?;
        self.record(Stream::Desk(DeskTopic::Inspection, id), event, by).await
    }

    /// The event of an inspection round over the checklist in force.
    ///
    /// # Errors
    ///
    /// E.102 where an item has no result or two.
    pub async fn round(
        &self,
        day: Date,
        results: Vec<InspectionResult>,
    ) -> Result<Event, DeskError> {
        let known = self.known().await?;
        let (checklist, items) = checklist(&known)?;
        for item in items {
            if results.iter().filter(|it| it.item == *item).count() != 1 {
                let detail = format!("“{item}”须有一个结果 needs one result");
                return Err(Refusal::new(Code::Malformed, detail).into());
            }
        }
        Ok(Event::InspectionHeld { day, checklist, results })
    }

    /// The facts without waiting for the journal's end.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn known_so_far(&self) -> Result<Known, DeskError> {
        facts(&**self.store(), self.hall()).await
    }
}

/// The command that prints a submission which an issue has taken in with other words (改稿).
///
/// `seen`: SHA-256 of the filed text that the editor had before him, if that is to be compared.
///
/// # Errors
///
/// E.503 where the department has filed another text since; what no department may file either, such as E.121 and E.122.
pub fn edit(
    known: &Known,
    issue: ObjectId,
    submission: ObjectId,
    seen: Option<Digest>,
    text: String,
    reason: String,
) -> Result<Command, Refusal> {
    let of = filed(known, &submission)?.digest();
    if let Some(seen) = seen.filter(|it| *it != of) {
        let detail = format!("稿件 {submission} 已重报 was filed anew: {seen} ≠ {of}");
        return Err(Refusal::new(Code::IssueChanged, detail));
    }
    check_news(known, &text)?;
    Ok(Command::Edit { issue, submission, edit: Edit { of, text, reason } })
}

/// The checklist in force: its digest and items.
///
/// # Errors
///
/// E.221 where there is none.
pub fn checklist(known: &Known) -> Result<(Digest, &[String]), Refusal> {
    match known.latest(SetupTopic::Checklist, None).map(|it| (it.digest, &it.setup)) {
        Some((digest, Setup::Checklist { items, .. })) => Ok((digest, items)),
        _ => Err(Refusal::new(Code::Setup, "检查表不存在 the checklist is missing")),
    }
}

/// Until when an issue takes news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filing {
    /// The issue.
    pub issue: ObjectId,
    /// The moment (截稿时间).
    pub until: Timestamp,
}

/// Until when an issue takes news for a section, where its template says so.
pub fn filing_until(known: &Known, issue: &Issue) -> impl Fn(&str) -> Option<Timestamp> {
    let version = known.with_digest(SetupTopic::Template, &issue.template);
    let template = match version.map(|it| &it.setup) {
        Some(Setup::Template { source }) => Template::parse(source).ok(),
        _ => None,
    };
    let last = issue.period.last();
    move |section| {
        let time = template.as_ref()?.file_until(section)?;
        hall_zone().to_timestamp(last.to_datetime(time)).ok()
    }
}

/// The issue for which news of a section are filed now: of those in work the first that takes some still, or else the
/// last that did. None where no issue in work has an end to it.
#[must_use]
pub fn filing(known: &Known, section: &str, now: Timestamp) -> Option<Filing> {
    let in_work = |it: &Issue| matches!(it.stage, Stage::Open | Stage::Frozen | Stage::Submitted);
    let issues = known.book.live().filter(|(_, it)| in_work(it));
    let mut all: Vec<_> = issues
        .filter_map(|(id, it)| {
            Some(Filing { issue: id.clone(), until: filing_until(known, it)(section)? })
        })
        .collect();
    all.sort_by_key(|it| it.until);
    all.iter().find(|it| it.until >= now).or(all.last()).cloned()
}

/// Keys and headings of the sections that take news, over the latest version of every template; the main one first.
#[must_use]
pub fn sections(known: &Known) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = vec![];
    let main = template_of(known, None).ok();
    let all = known.setup.iter().filter(|((topic, _), _)| *topic == SetupTopic::Template);
    for version in main.into_iter().chain(all.filter_map(|(_, versions)| versions.last())) {
        let Setup::Template { source } = &version.setup else { continue };
        let Ok(template) = Template::parse(source) else { continue };
        for (key, heading) in template.submission_sections() {
            if !sections.iter().any(|(it, _)| it == key) {
                sections.push((key.to_owned(), heading.to_owned()));
            }
        }
    }
    sections
}

/// The id and the period that the next issue of a series is opened with where nobody says otherwise.
///
/// # Errors
///
/// As [`proposed_period`].
pub fn proposal(
    known: &Known,
    series: Option<&ObjectId>,
) -> Result<(ObjectId, zhoubao_domain::calendar::Period), Refusal> {
    let period = proposed_period(known, series)?;
    let year = period.year();
    let of_year = known.book.of_series(series).map(|(_, it)| known.book.proposed_numbers(it));
    let last = of_year.filter(|(it, ..)| *it == year).map(|(_, number, _)| number).max();
    let (next, _) = known.book.next_numbers(series, year);
    let number = last.map_or(next, |it| it.saturating_add(1).max(next));
    let name = crate::publication::name(series, year, number, 1);
    // An issue that was voided before it had a number keeps its id.
    let ids = (1_u32..).map(|nth| if nth == 1 { name.clone() } else { format!("{name}-{nth}") });
    let id = ids
        .filter_map(|it| it.parse::<ObjectId>().ok())
        .find(|it| !known.book.issues.contains_key(it));
    let id = id.ok_or_else(|| Refusal::new(Code::NumberCollision, name))?;
    Ok((id, period))
}

/// Id of the main series' template in a hall that has several and no issue yet.
const MAIN_TEMPLATE: &str = "weekly";

/// The template that a new issue of a series is opened with: the latest version of the series' own; in the main
/// series that of the template of the issue before, and before there is any that of `weekly`, or of the only one.
///
/// # Errors
///
/// E.221 where there is none.
fn template_of<'a>(known: &'a Known, series: Option<&ObjectId>) -> Result<&'a Version, Refusal> {
    let topic = SetupTopic::Template;
    let ids = || known.setup.keys().filter(|(it, _)| *it == topic).map(|(_, id)| id);
    let latest = |id: &ObjectId| known.latest(topic, Some(id));
    let found = match series {
        Some(series) => latest(series),
        None => {
            let before = known.book.of_series(None).max_by_key(|(_, it)| it.period.last());
            let of_before = before.and_then(|(_, it)| {
                ids().find(|id| {
                    let versions = known.setup.get(&(topic, (*id).clone()));
                    versions.is_some_and(|all| all.iter().any(|one| one.digest == it.template))
                })
            });
            let main = || ids().find(|it| it.as_str() == MAIN_TEMPLATE);
            match of_before.or_else(main) {
                Some(id) => latest(id),
                None => known.latest(topic, None),
            }
        }
    };
    found.ok_or_else(|| {
        let name = series.map_or(String::new(), |it| format!(" `{it}`"));
        Refusal::new(
            Code::Setup,
            format!(
                "缺少模板 there is no template{name} in the set-up: zhoubao setup put template"
            ),
        )
    })
}

/// What an issue sets must be something that its template asks for.
fn settable(template: &Template, parameters: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let known = template.settable();
    match parameters.keys().find(|it| !known.contains_key(it.as_str())) {
        None => Ok(()),
        Some(name) => {
            let known = known.into_keys().collect::<Vec<_>>().join(", ");
            let detail = format!("模板没有参数 the template has no `{name}` to set, only: {known}");
            Err(Refusal::new(Code::Template, detail))
        }
    }
}

/// The next default period after the latest issue of a series or the opening figures.
///
/// # Errors
///
/// E.211 where the calendar of the year is missing; E.221 where nothing says when the hall began.
pub fn proposed_period(
    known: &Known,
    series: Option<&ObjectId>,
) -> Result<zhoubao_domain::calendar::Period, Refusal> {
    let latest = known.book.of_series(series).map(|(_, it)| it.period.last()).max();
    let after = latest.or(known.book.opening.as_ref().map(|it| it.through)).ok_or_else(|| {
        Refusal::new(
            Code::Setup,
            "请先录入期初数或给出数据期 enter opening figures or give a period",
        )
    })?;
    let calendar = known.calendar()?;
    calendar.next_default_period(after).map_err(|it| Refusal::new(Code::NoSchedule, it.to_string()))
}
