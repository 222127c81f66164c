//! The life of the hall's issues: what may happen ([`decide`]) and what it means ([`IssueBook::evolve`]).
//!
//! All issues of a hall share one stream, so one append decides: numbers are allotted once, at sign-off,
//! gapless and unique (design §3.7). A hall may have other bulletins beside its main one: each is a *series* with
//! numbers and periods of its own, so that a month may cover the weeks of the weekly.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::calendar::Period;
use crate::code::Code;
use crate::event::{
    FILES_MAX, IssueEvent, IssueFile, Kind, PARAMETERS_MAX, Refusal, Right, Tally, TerminalHead,
    Tree,
};
use crate::finding::{Acceptance, Finding, Standing};
use crate::id::{Digest, ObjectId, UserId};
use crate::registry::Registry;

/// Where an issue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Opened; submissions are collected, the period may change.
    Open,
    /// Figures are fixed.
    Frozen,
    /// Handed to the leader.
    Submitted,
    /// Approved and numbered.
    SignedOff,
    /// Rendered and out.
    Published,
    /// Voided; its number, if it has one, stays visible.
    Voided,
}

impl Stage {
    /// The word of people and rows.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Frozen => "frozen",
            Self::Submitted => "submitted",
            Self::SignedOff => "signed-off",
            Self::Published => "published",
            Self::Voided => "voided",
        }
    }
}

/// The figures of an issue are fixed: at which position, and how far each terminal had come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Position up to which everything counts.
    pub cut: u64,
    /// Last number of each terminal at the cut.
    pub heads: Vec<TerminalHead>,
    /// The tree over everything at or before the cut, where the freeze named one.
    pub tree: Option<Tree>,
}

/// Number and digests given at sign-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignOff {
    /// Year of the number.
    pub year: i16,
    /// 年第 N 期.
    pub number: u32,
    /// 总第 M 期.
    pub running_number: u32,
    /// Date of the masthead.
    pub issued_on: Date,
    /// Digest of the frozen figures.
    pub figures: Digest,
    /// Digest of the canonical issue.
    pub document: Digest,
    /// Who signed.
    pub by: Option<UserId>,
}

/// A version that was signed off before the present one was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// Its sign-off.
    pub sign_off: SignOff,
    /// Its files; empty where it was not published.
    pub files: Vec<IssueFile>,
    /// What it put right; none of the first version.
    pub note: Option<String>,
}

/// The words in which a submission is printed (改稿).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// SHA-256 of the text that the department filed.
    pub of: Digest,
    /// What is printed instead.
    pub text: String,
    /// Why, for the department.
    pub reason: String,
}

/// One issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Where it stands.
    pub stage: Stage,
    /// Its period.
    pub period: Period,
    /// Template in force.
    pub template: Digest,
    /// Checklist in force.
    pub checklist: Digest,
    /// Figure definitions in force.
    pub figures: Digest,
    /// Calendars in force.
    pub calendars: Vec<Digest>,
    /// The series; none for the hall's main one. Periods, numbers, order and what is carried are those of a series.
    pub series: Option<ObjectId>,
    /// What it sets of the template's parameters and entered numbers.
    pub parameters: BTreeMap<String, String>,
    /// Adopted submissions with their order.
    pub submissions: Vec<(u32, ObjectId)>,
    /// The words in which adopted submissions are printed, where the editor changed them.
    pub edits: BTreeMap<ObjectId, Edit>,
    /// The freeze, once there is one.
    pub freeze: Option<Freeze>,
    /// What was accepted of what the checks found, as recorded.
    pub acceptances: Vec<Acceptance>,
    /// The sign-off of the present version, once there is one.
    pub sign_off: Option<SignOff>,
    /// Files of the present version, once it is published.
    pub files: Vec<IssueFile>,
    /// What the present version puts right; none of the first.
    pub amendment: Option<String>,
    /// Versions before the present one, in order.
    pub editions: Vec<Edition>,
    /// Everybody who drafted: opened, set the period, adopted, froze or submitted.
    pub drafters: BTreeSet<UserId>,
}

/// Figures and numbers from before the first event (期初数).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Last day covered.
    pub through: Date,
    /// 累计 of that year up to that day.
    pub year_to_date: Tally,
    /// Number of that year's last issue.
    pub last_number: u32,
    /// Running number of the last issue.
    pub last_running_number: u32,
}

/// All issues of a hall.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssueBook {
    /// Opening figures, if the hall entered some.
    pub opening: Option<Opening>,
    /// The issues.
    pub issues: BTreeMap<ObjectId, Issue>,
}

/// What somebody at the desk wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Enter opening figures; only before the first issue.
    EnterOpening(Opening),
    /// Open an issue.
    Open {
        /// Its id.
        issue: ObjectId,
        /// Its period.
        period: Period,
        /// Template in force.
        template: Digest,
        /// Checklist in force.
        checklist: Digest,
        /// Figure definitions in force.
        figures: Digest,
        /// Calendars in force.
        calendars: Vec<Digest>,
        /// The series; none for the hall's main one.
        series: Option<ObjectId>,
        /// What it sets of the template's parameters and entered numbers.
        parameters: BTreeMap<String, String>,
    },
    /// Set another period.
    SetPeriod(ObjectId, Period),
    /// Take a submission in.
    Adopt {
        /// The issue.
        issue: ObjectId,
        /// The submission.
        submission: ObjectId,
        /// Place within its section.
        order: u32,
    },
    /// Print a submission that was taken in with other words.
    Edit {
        /// The issue.
        issue: ObjectId,
        /// The submission.
        submission: ObjectId,
        /// What is printed.
        edit: Edit,
    },
    /// Fix the figures.
    Freeze {
        /// The issue.
        issue: ObjectId,
        /// Up to where the read models have counted.
        cut: u64,
        /// Heads at that position.
        heads: Vec<TerminalHead>,
        /// The tree at that position.
        tree: Option<Tree>,
    },
    /// Hand the draft to the leader.
    Submit {
        /// The issue.
        issue: ObjectId,
        /// What the checks find in it now.
        findings: Vec<Finding>,
    },
    /// Accept what the checks found.
    Accept {
        /// The issue.
        issue: ObjectId,
        /// Which findings.
        findings: Vec<Finding>,
        /// Why.
        reason: String,
    },
    /// Hand it back.
    Return(ObjectId, String),
    /// Approve it.
    SignOff {
        /// The issue.
        issue: ObjectId,
        /// Date of the masthead.
        issued_on: Date,
        /// Digest of the frozen figures.
        figures: Digest,
        /// Digest of the canonical issue.
        document: Digest,
        /// What the checks find in it now.
        findings: Vec<Finding>,
    },
    /// Put it out: it was rendered, and its files are kept.
    Publish {
        /// The issue.
        issue: ObjectId,
        /// Its files, ascending by name; that of the canonical issue among them.
        files: Vec<IssueFile>,
    },
    /// Begin a new version of a signed issue, with what readers are told of it.
    Amend(ObjectId, String),
    /// Void it.
    Void(ObjectId, String),
}

impl Command {
    /// The issue that it is about; none for the opening figures.
    #[must_use]
    pub fn issue(&self) -> Option<&ObjectId> {
        match self {
            Self::EnterOpening(_) => None,
            Self::SetPeriod(issue, _)
            | Self::Return(issue, _)
            | Self::Amend(issue, _)
            | Self::Void(issue, _)
            | Self::Open { issue, .. }
            | Self::Adopt { issue, .. }
            | Self::Edit { issue, .. }
            | Self::Freeze { issue, .. }
            | Self::Submit { issue, .. }
            | Self::Accept { issue, .. }
            | Self::SignOff { issue, .. }
            | Self::Publish { issue, .. } => Some(issue),
        }
    }
}

/// Largest number that opening figures may name as the year's last: periods do not overlap and have a day at
/// least, so a year has no more issues than days.
pub const LAST_NUMBER_MAX: u32 = 366;

/// Largest running number that opening figures may name: a weekly reaches it after a thousand years.
pub const LAST_RUNNING_NUMBER_MAX: u32 = 99_999;

/// Most findings that a refusal names; `zhoubao issue check` lists them all.
const NAMED_MAX: usize = 3;

/// Decides what happens when `command` of `actor` meets the hall's issues. No event means: already so.
///
/// A command that is sent again is accepted silently as long as the issue still is as it says. [`Command::Return`]
/// and [`Command::Amend`] leave nothing to tell a repetition by; the idempotency key of their event does that (design
/// §3.11).
///
/// # Errors
///
/// A [`Refusal`] with its code; nothing is recorded.
pub fn decide(
    book: &IssueBook,
    registry: &Registry,
    command: Command,
    actor: Option<&UserId>,
) -> Result<Vec<IssueEvent>, Refusal> {
    let right = match &command {
        Command::EnterOpening(_) => Some(Right::Administer),
        Command::SignOff { .. } | Command::Return(..) | Command::Void(..) => Some(Right::Sign),
        // Either will do.
        Command::Accept { .. } if registry.may(actor, Right::Sign) => Some(Right::Sign),
        Command::Open { .. }
        | Command::SetPeriod(..)
        | Command::Adopt { .. }
        | Command::Edit { .. }
        | Command::Freeze { .. }
        | Command::Submit { .. }
        | Command::Accept { .. }
        | Command::Amend(..) => Some(Right::Edit),
        // Nobody decides it: it follows from the sign-off, and says what that was bound to.
        Command::Publish { .. } => None,
    };
    if let Some(right) = right
        && !registry.may(actor, right)
    {
        let who = actor.map_or("—", UserId::as_str);
        return Err(Refusal::new(
            Code::NoRight,
            format!("{who} 没有 {} 权限 lacks the right `{}`", right.word(), right.word()),
        ));
    }
    match command {
        Command::EnterOpening(opening) => {
            if book.opening.as_ref() == Some(&opening) {
                return Ok(vec![]);
            }
            if book.opening.is_some() || !book.issues.is_empty() {
                return Err(state(
                    "期初数只能在第一期之前录入一次 opening figures are entered once, before the first issue",
                ));
            }
            opening.check()?;
            Ok(vec![IssueEvent::OpeningFigures {
                through: opening.through,
                year_to_date: opening.year_to_date,
                last_number: opening.last_number,
                last_running_number: opening.last_running_number,
            }])
        }
        Command::Open {
            issue,
            period,
            template,
            checklist,
            figures,
            calendars,
            series,
            parameters,
        } => {
            if let Some(it) = book.issues.get(&issue) {
                let same = it.stage != Stage::Voided
                    && it.period == period
                    && it.template == template
                    && it.checklist == checklist
                    && it.figures == figures
                    && it.calendars == calendars
                    && it.series == series
                    && it.parameters == parameters;
                return if same {
                    Ok(vec![])
                } else {
                    Err(state(format!("期 {issue} 已开 is already opened")))
                };
            }
            if parameters.len() > PARAMETERS_MAX {
                let detail = format!("参数过多 more than {PARAMETERS_MAX} parameters");
                return Err(Refusal::new(Code::TooLarge, detail));
            }
            book.check_period(None, series.as_ref(), period)?;
            Ok(vec![IssueEvent::Opened {
                issue,
                period,
                template,
                checklist,
                figures,
                calendars,
                series,
                parameters,
            }])
        }
        Command::SetPeriod(issue, period) => {
            let it = book.find_live(&issue)?;
            if it.period == period {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::Open])?;
            book.check_period(Some(&issue), it.series.as_ref(), period)?;
            Ok(vec![IssueEvent::PeriodSet { issue, period }])
        }
        Command::Adopt { issue, submission, order } => {
            let it = book.find_live(&issue)?;
            if it.submissions.contains(&(order, submission.clone())) {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::Open, Stage::Frozen])?;
            let elsewhere = book.issues.iter().find(|(other, it)| {
                **other != issue && it.stage != Stage::Voided && it.has(&submission)
            });
            if let Some((other, _)) = elsewhere {
                return Err(state(format!("稿件 {submission} 已用于 is already used in {other}")));
            }
            Ok(vec![IssueEvent::SubmissionAdopted { issue, submission, order }])
        }
        Command::Edit { issue, submission, edit } => {
            let it = book.find_live(&issue)?;
            if it
                .edits
                .get(&submission)
                .is_some_and(|now| (now.of, &now.text) == (edit.of, &edit.text))
            {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::Open, Stage::Frozen])?;
            if !it.has(&submission) {
                return Err(state(format!("稿件 {submission} 未采用 is not adopted by {issue}")));
            }
            let Edit { of, text, reason } = edit;
            let reason = required(reason)?;
            Ok(vec![IssueEvent::SubmissionEdited { issue, submission, of, text, reason }])
        }
        Command::Freeze { issue, cut, heads, tree } => {
            let it = book.find_live(&issue)?;
            if it.freeze.as_ref().is_some_and(|freeze| freeze.cut == cut && freeze.heads == heads) {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::Open, Stage::Frozen])?;
            let mut cut_min = it.freeze.as_ref().map_or(0, |it| it.cut);
            if let Some((other, previous)) = book.previous(it.series.as_ref(), it.period) {
                let Some(freeze) = &previous.freeze else {
                    return Err(Refusal::new(
                        Code::ChainBroken,
                        format!("上期 {other} 尚未冻结 is not frozen"),
                    ));
                };
                cut_min = cut_min.max(freeze.cut);
            }
            book.refuse_later_frozen(it)?;
            // What the earlier freeze counted would be missing from the sums of this one.
            if cut < cut_min {
                let detail =
                    format!("冻结位置 {cut} 早于已冻结的 {cut_min} lies before an earlier freeze");
                return Err(Refusal::new(Code::HeadsDiffer, detail));
            }
            Ok(vec![IssueEvent::Frozen { issue, cut, heads, tree }])
        }
        Command::Submit { issue, findings } => {
            let it = book.find_live(&issue)?;
            if it.stage == Stage::Submitted {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::Frozen])?;
            it.require_settled(&findings)?;
            Ok(vec![IssueEvent::Submitted { issue }])
        }
        Command::Accept { issue, findings, reason } => {
            let it = book.find_live(&issue)?;
            let reason = required(reason)?;
            if actor.is_none() {
                let detail = "确认提示须具名 accepting a finding needs a named person";
                return Err(Refusal::new(Code::NoRight, detail));
            }
            let mut new: Vec<Finding> = vec![];
            for finding in findings {
                if finding.standing() != Standing::NeedsAcceptance {
                    let (code, place) = (finding.code, &finding.place);
                    let detail =
                        format!("{code} {place}：不能也不必确认 is not a matter of acceptance");
                    return Err(Refusal::new(Code::FindingsOpen, detail));
                }
                if it.acceptance_of(&finding).is_none() && !new.contains(&finding) {
                    new.push(finding);
                }
            }
            if new.is_empty() {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::Frozen, Stage::Submitted])?;
            Ok(new.into_iter().map(|it| it.accepted(issue.clone(), reason.clone())).collect())
        }
        Command::Return(issue, reason) => {
            book.find(&issue)?.require(&issue, &[Stage::Submitted])?;
            Ok(vec![IssueEvent::Returned { issue, reason: required(reason)? }])
        }
        Command::SignOff { issue, issued_on, figures, document, findings } => {
            let it = book.find_live(&issue)?;
            if it.sign_off.as_ref().is_some_and(|done| {
                done.issued_on == issued_on && done.figures == figures && done.document == document
            }) {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::Submitted])?;
            // Two people can be told apart only where both are named.
            if it.drafters.is_empty() || actor.is_none_or(|actor| it.drafters.contains(actor)) {
                return Err(Refusal::new(
                    Code::FourEyes,
                    "起草与签发须为两人 drafting and signing off are two people",
                ));
            }
            book.refuse_out_of_order(it)?;
            it.require_settled(&findings)?;
            if issued_on < it.period.last() {
                let detail =
                    format!("印发日期 {issued_on} 早于本期末 lies before the period's end");
                return Err(Refusal::new(Code::OutOfRange, detail));
            }
            // A new version keeps the numbers of the first.
            let (year, number, running_number) = it.numbers().unwrap_or_else(|| {
                let year = it.period.year();
                let (number, running_number) = book.next_numbers(it.series.as_ref(), year);
                (year, number, running_number)
            });
            Ok(vec![IssueEvent::SignedOff {
                issue,
                year,
                number,
                running_number,
                issued_on,
                figures,
                document,
            }])
        }
        Command::Publish { issue, files } => {
            let it = book.find_live(&issue)?;
            if it.stage == Stage::Published && it.files == files {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::SignedOff])?;
            let signed = it.sign_off.as_ref().map(|it| it.document);
            if !files.iter().any(|it| Some(it.digest) == signed) {
                let detail = "文件中没有签发的正文 none of the files is the text that was signed";
                return Err(Refusal::new(Code::SignedFiguresDiffer, detail));
            }
            if files.len() > FILES_MAX || files.windows(2).any(|it| it[0].name >= it[1].name) {
                let detail = "文件过多、重名或未排序 too many files, or not ascending by name";
                return Err(Refusal::new(Code::Malformed, detail));
            }
            Ok(vec![IssueEvent::Published { issue, files }])
        }
        Command::Amend(issue, note) => {
            book.find_live(&issue)?.require(&issue, &[Stage::SignedOff, Stage::Published])?;
            Ok(vec![IssueEvent::Amended { issue, note: required(note)? }])
        }
        Command::Void(issue, reason) => {
            let it = book.find(&issue)?;
            if it.stage == Stage::Voided {
                return Ok(vec![]);
            }
            // The later one carries its figures: without it, that one would never come out again.
            if it.freeze.is_some() {
                book.refuse_later_frozen(it)?;
            }
            Ok(vec![IssueEvent::Voided { issue, reason: required(reason)? }])
        }
    }
}

fn state(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::IssueState, detail)
}

fn required(reason: String) -> Result<String, Refusal> {
    if reason.trim().is_empty() {
        return Err(Refusal::new(Code::NoReason, "须填写原因 a reason is required"));
    }
    Ok(reason)
}

impl Issue {
    /// Whether a submission was taken in.
    #[must_use]
    pub fn has(&self, submission: &ObjectId) -> bool {
        self.submissions.iter().any(|(_, taken)| taken == submission)
    }

    /// How the editor changed a submission, of which the department filed a text with this SHA-256.
    #[must_use]
    pub fn edit_of(&self, submission: &ObjectId, filed: Digest) -> Option<&Edit> {
        self.edits.get(submission).filter(|it| it.of == filed)
    }

    /// Year, number of the year and running number, once they are allotted; every version has the same.
    #[must_use]
    pub fn numbers(&self) -> Option<(i16, u32, u32)> {
        let first = self.editions.first().map(|it| &it.sign_off);
        let signed = first.or(self.sign_off.as_ref())?;
        Some((signed.year, signed.number, signed.running_number))
    }

    /// Which version the present one is, from 1.
    #[must_use]
    pub fn version(&self) -> usize {
        self.editions.len() + 1
    }

    fn require(&self, id: &ObjectId, stages: &[Stage]) -> Result<(), Refusal> {
        if stages.contains(&self.stage) {
            return Ok(());
        }
        Err(self.wrong_stage(id))
    }

    /// Who accepted a finding and why, if anybody did.
    #[must_use]
    pub fn acceptance_of(&self, finding: &Finding) -> Option<&Acceptance> {
        self.acceptances.iter().find(|it| it.covers(finding))
    }

    /// Whether a finding keeps the issue from being submitted and signed.
    #[must_use]
    pub fn is_open(&self, finding: &Finding) -> bool {
        match finding.standing() {
            Standing::Blocks => true,
            Standing::NeedsAcceptance => self.acceptance_of(finding).is_none(),
            Standing::Note => false,
        }
    }

    fn require_settled(&self, findings: &[Finding]) -> Result<(), Refusal> {
        let mut open: Vec<_> = findings.iter().filter(|it| self.is_open(it)).collect();
        // What cannot be accepted comes first: it costs the most work.
        open.sort_by_key(|it| it.standing());
        if open.is_empty() {
            return Ok(());
        }
        let named = open.iter().take(NAMED_MAX);
        let named: Vec<_> =
            named.map(|it| format!("{} {}（{}）", it.code, it.place, it.text)).collect();
        let more = if open.len() > NAMED_MAX { " …" } else { "" };
        let (count, named) = (open.len(), named.join("；"));
        let detail = format!("{count} 项检查结果未处理 findings not settled: {named}{more}");
        Err(Refusal::new(Code::FindingsOpen, detail))
    }

    fn wrong_stage(&self, id: &ObjectId) -> Refusal {
        state(format!("期 {id} 现为 {} is {}", self.stage.word(), self.stage.word()))
    }
}

impl Opening {
    fn check(&self) -> Result<(), Refusal> {
        let wrong = |detail: String| Err(Refusal::new(Code::OutOfRange, detail));
        for kind in Kind::ALL {
            let amount = self.year_to_date.get(kind);
            // The wire form has 32 bits; a hall comes nowhere near.
            if u32::try_from(amount).is_err() {
                return wrong(format!(
                    "期初数 {} {amount} 超出范围 opening figure is out of range",
                    kind.title()
                ));
            }
        }
        if self.last_number > LAST_NUMBER_MAX || self.last_running_number > LAST_RUNNING_NUMBER_MAX
        {
            return wrong(format!(
                "期号 {} 或总期号 {} 过大 last number is too large",
                self.last_number, self.last_running_number
            ));
        }
        if self.last_number > self.last_running_number {
            return wrong(format!(
                "年期号 {} 大于总期号 {} number of the year exceeds the running number",
                self.last_number, self.last_running_number
            ));
        }
        Ok(())
    }
}

impl IssueBook {
    fn find(&self, issue: &ObjectId) -> Result<&Issue, Refusal> {
        self.issues
            .get(issue)
            .ok_or_else(|| state(format!("没有期 {issue} there is no such issue")))
    }

    fn find_live(&self, issue: &ObjectId) -> Result<&Issue, Refusal> {
        let it = self.find(issue)?;
        if it.stage == Stage::Voided { Err(it.wrong_stage(issue)) } else { Ok(it) }
    }

    fn refuse_later_frozen(&self, it: &Issue) -> Result<(), Refusal> {
        let later = self
            .of_series(it.series.as_ref())
            .find(|(_, other)| other.period.first() > it.period.last() && other.freeze.is_some());
        match later {
            Some((other, _)) => Err(Refusal::new(
                Code::IssueOrder,
                format!("后一期 {other} 已冻结 is already frozen"),
            )),
            None => Ok(()),
        }
    }

    /// Whether it is known where the numbers go on: opening figures say so, or an issue that was opened before.
    ///
    /// A journal that began anew after a loss looks like that of a new hall; only a person knows which it is.
    ///
    /// # Errors
    ///
    /// E.604.
    pub fn check_numbers_known(&self) -> Result<(), Refusal> {
        if self.opening.is_some() || !self.issues.is_empty() {
            return Ok(());
        }
        let detail =
            "请先录入期初数，新大厅录入零 enter the opening figures first; a new hall enters zeros";
        Err(Refusal::new(Code::NumbersUnknown, detail))
    }

    /// Issues that are not voided.
    pub fn live(&self) -> impl Iterator<Item = (&ObjectId, &Issue)> {
        self.issues.iter().filter(|(_, it)| it.stage != Stage::Voided)
    }

    /// Issues of a series that are not voided.
    pub fn of_series(
        &self,
        series: Option<&ObjectId>,
    ) -> impl Iterator<Item = (&ObjectId, &Issue)> {
        self.live().filter(move |(_, it)| it.series.as_ref() == series)
    }

    /// The live issue of a series before a period: the one whose period ends last before it begins.
    #[must_use]
    pub fn previous(
        &self,
        series: Option<&ObjectId>,
        period: Period,
    ) -> Option<(&ObjectId, &Issue)> {
        self.of_series(series)
            .filter(|(_, it)| it.period.last() < period.first())
            .max_by_key(|(_, it)| it.period.last())
    }

    /// End of the latest frozen period of any series, and the freeze's cut: later facts about days up to it are
    /// adjustments. Each series takes of them those since its own cut about its own days.
    #[must_use]
    pub fn last_frozen(&self) -> Option<(Date, u64)> {
        self.live().filter_map(|(_, it)| Some((it.period.last(), it.freeze.as_ref()?.cut))).max()
    }

    /// Refuses a sign-off before the issues of the series' earlier periods: the numbers ascend with the periods.
    ///
    /// # Errors
    ///
    /// E.603 with the issue that is not signed off.
    pub fn refuse_out_of_order(&self, issue: &Issue) -> Result<(), Refusal> {
        let unsigned = self.of_series(issue.series.as_ref()).find(|(_, other)| {
            other.period.last() < issue.period.first() && other.numbers().is_none()
        });
        unsigned.map_or(Ok(()), |(other, _)| {
            let detail = format!("前一期 {other} 尚未签发 is not signed off");
            Err(Refusal::new(Code::IssueOrder, detail))
        })
    }

    /// The year's next number and the next running number of a series; numbers of voided issues stay taken.
    #[must_use]
    pub fn next_numbers(&self, series: Option<&ObjectId>, year: i16) -> (u32, u32) {
        let of_series = || self.issues.values().filter(|it| it.series.as_ref() == series);
        let signed = || of_series().filter_map(Issue::numbers);
        // The last numbers before the first event are those of the main series.
        let opening = self.opening.as_ref().filter(|_| series.is_none());
        let number = signed()
            .filter(|(of, ..)| *of == year)
            .map(|(_, number, _)| number)
            .chain(opening.filter(|it| it.through.year() == year).map(|it| it.last_number))
            .max();
        let running = signed()
            .map(|(.., running)| running)
            .chain(opening.map(|it| it.last_running_number))
            .max();
        (number.unwrap_or(0).saturating_add(1), running.unwrap_or(0).saturating_add(1))
    }

    /// The numbers an issue has, or would get if everything before it were signed off in order (拟编号).
    #[must_use]
    pub fn proposed_numbers(&self, issue: &Issue) -> (i16, u32, u32) {
        if let Some(numbers) = issue.numbers() {
            return numbers;
        }
        let year = issue.period.year();
        let (number, running) = self.next_numbers(issue.series.as_ref(), year);
        let before = || {
            self.of_series(issue.series.as_ref())
                .filter(|(_, it)| it.numbers().is_none() && it.period.last() < issue.period.first())
        };
        let of_year = before().filter(|(_, it)| it.period.year() == year).count();
        let in_all = before().count();
        (
            year,
            number.saturating_add(u32::try_from(of_year).unwrap_or(u32::MAX)),
            running.saturating_add(u32::try_from(in_all).unwrap_or(u32::MAX)),
        )
    }

    fn check_period(
        &self,
        issue: Option<&ObjectId>,
        series: Option<&ObjectId>,
        period: Period,
    ) -> Result<(), Refusal> {
        let overlap = self.of_series(series).find(|(id, it)| {
            Some(*id) != issue
                && it.period.first() <= period.last()
                && period.first() <= it.period.last()
        });
        if let Some((other, it)) = overlap {
            let detail = format!("与 {other}（{}）重叠 overlaps it", it.period);
            return Err(Refusal::new(Code::NumberCollision, detail));
        }
        // An issue between or before frozen ones would change what they carry.
        let frozen = self.of_series(series).filter(|(_, it)| it.freeze.is_some());
        if let Some(last) = frozen.map(|(_, it)| it.period.last()).max()
            && period.first() <= last
        {
            let detail = format!("早于已冻结的 {last} lies before a frozen period");
            return Err(Refusal::new(Code::IssueOrder, detail));
        }
        if let Some(opening) = &self.opening
            && period.first() <= opening.through
        {
            let detail = format!("早于期初数 {} lies within the opening figures", opening.through);
            return Err(Refusal::new(Code::IssueOrder, detail));
        }
        Ok(())
    }

    /// Folds one event. Total: an event that does not fit changes nothing.
    pub fn evolve(&mut self, event: &IssueEvent, actor: Option<&UserId>) {
        let drafter = actor.cloned();
        match event {
            IssueEvent::OpeningFigures {
                through,
                year_to_date,
                last_number,
                last_running_number,
            } => {
                if self.opening.is_none() {
                    self.opening = Some(Opening {
                        through: *through,
                        year_to_date: *year_to_date,
                        last_number: *last_number,
                        last_running_number: *last_running_number,
                    });
                }
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
            } => {
                self.issues.entry(issue.clone()).or_insert_with(|| Issue {
                    stage: Stage::Open,
                    period: *period,
                    template: *template,
                    checklist: *checklist,
                    figures: *figures,
                    calendars: calendars.clone(),
                    series: series.clone(),
                    parameters: parameters.clone(),
                    submissions: vec![],
                    edits: BTreeMap::new(),
                    freeze: None,
                    acceptances: vec![],
                    sign_off: None,
                    files: vec![],
                    amendment: None,
                    editions: vec![],
                    drafters: drafter.into_iter().collect(),
                });
            }
            IssueEvent::PeriodSet { issue, period } => {
                self.change(issue, drafter, &[Stage::Open], |it| it.period = *period);
            }
            IssueEvent::SubmissionAdopted { issue, submission, order } => {
                self.change(issue, drafter, &[Stage::Open, Stage::Frozen], |it| {
                    it.submissions.retain(|(_, taken)| taken != submission);
                    it.submissions.push((*order, submission.clone()));
                    it.submissions.sort_by_key(|(order, _)| *order);
                });
            }
            IssueEvent::SubmissionEdited { issue, submission, of, text, reason } => {
                self.change(issue, drafter, &[Stage::Open, Stage::Frozen], |it| {
                    if it.has(submission) {
                        let edit = Edit { of: *of, text: text.clone(), reason: reason.clone() };
                        it.edits.insert(submission.clone(), edit);
                    }
                });
            }
            IssueEvent::Frozen { issue, cut, heads, tree } => {
                self.change(issue, drafter, &[Stage::Open, Stage::Frozen], |it| {
                    it.stage = Stage::Frozen;
                    it.freeze =
                        Some(Freeze { cut: *cut, heads: heads.clone(), tree: tree.clone() });
                });
            }
            IssueEvent::Submitted { issue } => {
                self.change(issue, drafter, &[Stage::Frozen], |it| it.stage = Stage::Submitted);
            }
            IssueEvent::Returned { issue, .. } => {
                self.change(issue, None, &[Stage::Submitted], |it| it.stage = Stage::Frozen);
            }
            IssueEvent::WarningAccepted { issue, code, place, finding, reason } => {
                // Nobody becomes a drafter by it: the leader may accept, and sign.
                self.change(issue, None, &[Stage::Frozen, Stage::Submitted], |it| {
                    it.acceptances.push(Acceptance {
                        code: *code,
                        place: place.clone(),
                        finding: *finding,
                        reason: reason.clone(),
                        by: drafter.clone(),
                    });
                });
            }
            IssueEvent::SignedOff {
                issue,
                year,
                number,
                running_number,
                issued_on,
                figures,
                document,
            } => self.change(issue, None, &[Stage::Submitted], |it| {
                it.stage = Stage::SignedOff;
                it.sign_off = Some(SignOff {
                    year: *year,
                    number: *number,
                    running_number: *running_number,
                    issued_on: *issued_on,
                    figures: *figures,
                    document: *document,
                    by: drafter.clone(),
                });
            }),
            IssueEvent::Published { issue, files } => {
                self.change(issue, None, &[Stage::SignedOff], |it| {
                    it.stage = Stage::Published;
                    it.files.clone_from(files);
                });
            }
            IssueEvent::Amended { issue, note } => {
                self.change(issue, drafter, &[Stage::SignedOff, Stage::Published], |it| {
                    // The figures stay as they are, unless the editor freezes them anew.
                    it.stage = Stage::Frozen;
                    let note = it.amendment.replace(note.clone());
                    let files = std::mem::take(&mut it.files);
                    let sign_off = it.sign_off.take();
                    it.editions.extend(sign_off.map(|sign_off| Edition { sign_off, files, note }));
                });
            }
            IssueEvent::Voided { issue, .. } => {
                let live = [
                    Stage::Open,
                    Stage::Frozen,
                    Stage::Submitted,
                    Stage::SignedOff,
                    Stage::Published,
                ];
                self.change(issue, None, &live, |it| it.stage = Stage::Voided);
            }
        }
    }

    /// Changes an issue that is in one of `stages`: a signed issue never changes, a voided one stays so.
    fn change(
        &mut self,
        id: &ObjectId,
        drafter: Option<UserId>,
        stages: &[Stage],
        change: impl FnOnce(&mut Issue),
    ) {
        if let Some(issue) = self.issues.get_mut(id)
            && stages.contains(&issue.stage)
        {
            issue.drafters.extend(drafter);
            change(issue);
        }
    }
}
