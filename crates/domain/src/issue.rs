//! The life of the hall's issues: what may happen ([`decide`]) and what it means ([`IssueBook::evolve`]).
//!
//! All issues of a hall share one stream, so one append decides: numbers are allotted once, at sign-off,
//! gapless and unique (design §3.7). A hall may have other bulletins beside its main one: each is a *series* with
//! numbers and periods of its own, so that a month may cover the weeks of the weekly.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::calendar::Period;
use crate::code::Code;
use crate::event::{IssueEvent, Kind, PARAMETERS_MAX, Refusal, Right, Tally, TerminalHead, Tree};
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
    /// The freeze, once there is one.
    pub freeze: Option<Freeze>,
    /// The sign-off, once there is one.
    pub sign_off: Option<SignOff>,
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
    Submit(ObjectId),
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
    },
    /// Put it out.
    Publish(ObjectId),
    /// Void it.
    Void(ObjectId, String),
}

/// Largest number that opening figures may name as the year's last: periods do not overlap and have a day at
/// least, so a year has no more issues than days.
pub const LAST_NUMBER_MAX: u32 = 366;

/// Largest running number that opening figures may name: a weekly reaches it after a thousand years.
pub const LAST_RUNNING_NUMBER_MAX: u32 = 99_999;

/// Decides what happens when `command` of `actor` meets the hall's issues. No event means: already so.
///
/// A command that is sent again is accepted silently as long as the issue still is as it says. [`Command::Return`]
/// leaves nothing to tell a repetition by; the idempotency key of its event does that (design §3.11).
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
        Command::EnterOpening(_) => Right::Administer,
        Command::SignOff { .. } | Command::Return(..) | Command::Void(..) => Right::Sign,
        Command::Open { .. }
        | Command::SetPeriod(..)
        | Command::Adopt { .. }
        | Command::Freeze { .. }
        | Command::Submit(_)
        | Command::Publish(_) => Right::Edit,
    };
    if !registry.may(actor, right) {
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
                **other != issue
                    && it.stage != Stage::Voided
                    && it.submissions.iter().any(|(_, taken)| *taken == submission)
            });
            if let Some((other, _)) = elsewhere {
                return Err(state(format!("稿件 {submission} 已用于 is already used in {other}")));
            }
            Ok(vec![IssueEvent::SubmissionAdopted { issue, submission, order }])
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
        Command::Submit(issue) => {
            let it = book.find_live(&issue)?;
            if it.stage == Stage::Submitted {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::Frozen])?;
            Ok(vec![IssueEvent::Submitted { issue }])
        }
        Command::Return(issue, reason) => {
            book.find(&issue)?.require(&issue, &[Stage::Submitted])?;
            Ok(vec![IssueEvent::Returned { issue, reason: required(reason)? }])
        }
        Command::SignOff { issue, issued_on, figures, document } => {
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
            let unsigned = book.of_series(it.series.as_ref()).find(|(_, other)| {
                other.period.last() < it.period.first() && other.sign_off.is_none()
            });
            if let Some((other, _)) = unsigned {
                return Err(Refusal::new(
                    Code::IssueOrder,
                    format!("前一期 {other} 尚未签发 is not signed off"),
                ));
            }
            if issued_on < it.period.last() {
                let detail =
                    format!("印发日期 {issued_on} 早于本期末 lies before the period's end");
                return Err(Refusal::new(Code::OutOfRange, detail));
            }
            let year = it.period.year();
            let (number, running_number) = book.next_numbers(it.series.as_ref(), year);
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
        Command::Publish(issue) => {
            let it = book.find_live(&issue)?;
            if it.stage == Stage::Published {
                return Ok(vec![]);
            }
            it.require(&issue, &[Stage::SignedOff])?;
            Ok(vec![IssueEvent::Published { issue }])
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
    fn require(&self, id: &ObjectId, stages: &[Stage]) -> Result<(), Refusal> {
        if stages.contains(&self.stage) {
            return Ok(());
        }
        Err(self.wrong_stage(id))
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

    /// The year's next number and the next running number of a series; numbers of voided issues stay taken.
    #[must_use]
    pub fn next_numbers(&self, series: Option<&ObjectId>, year: i16) -> (u32, u32) {
        let of_series = || self.issues.values().filter(|it| it.series.as_ref() == series);
        let signed = || of_series().filter_map(|it| it.sign_off.as_ref());
        // The last numbers before the first event are those of the main series.
        let opening = self.opening.as_ref().filter(|_| series.is_none());
        let number = signed()
            .filter(|it| it.year == year)
            .map(|it| it.number)
            .chain(opening.filter(|it| it.through.year() == year).map(|it| it.last_number))
            .max();
        let running = signed()
            .map(|it| it.running_number)
            .chain(opening.map(|it| it.last_running_number))
            .max();
        (number.unwrap_or(0).saturating_add(1), running.unwrap_or(0).saturating_add(1))
    }

    /// The numbers an issue has, or would get if everything before it were signed off in order (拟编号).
    #[must_use]
    pub fn proposed_numbers(&self, issue: &Issue) -> (i16, u32, u32) {
        if let Some(done) = &issue.sign_off {
            return (done.year, done.number, done.running_number);
        }
        let year = issue.period.year();
        let (number, running) = self.next_numbers(issue.series.as_ref(), year);
        let before = || {
            self.of_series(issue.series.as_ref())
                .filter(|(_, it)| it.sign_off.is_none() && it.period.last() < issue.period.first())
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
                    freeze: None,
                    sign_off: None,
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
            IssueEvent::Published { issue } => {
                self.change(issue, None, &[Stage::SignedOff], |it| it.stage = Stage::Published);
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
