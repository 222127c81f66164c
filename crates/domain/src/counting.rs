//! The rule that says whether a recorded act counts: counted, counted with a warning, or flagged.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::authorization::Register;
use crate::case::{Case, Illegal};
use crate::code::Code;
use crate::event::{Act, Kind, Right};
use crate::id::{EventRef, UserId};
use crate::registry::Registry;
use crate::time::hall_day;

/// Limits and severities of the counting rules: data of the hall with sane defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How far an event may lie after the journal's clock, in seconds (E.105).
    pub future_seconds_max: u32,
    /// How long after it happened an event may be typed in without the right of late entry, in hours (E.106).
    pub late_entry_hours_max: u32,
    /// What 颁发 or 流转 for an unknown case is in a year that began with opening figures.
    pub unknown_case_after_opening: Severity,
    /// What it is in any other year.
    pub unknown_case: Severity,
}

/// Whether a broken rule flags or only warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Counts 0 until released.
    Flag,
    /// Counts, with a warning.
    Warn,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            future_seconds_max: 120,
            late_entry_hours_max: 24,
            unknown_case_after_opening: Severity::Warn,
            unknown_case: Severity::Flag,
        }
    }
}

/// What the rules say of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts, perhaps with a warning.
    Counted(Option<Code>),
    /// It is stored and counts 0 until a person releases it.
    Flagged(Code, String),
}

/// An act with its times, as the rules look at it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// What was done.
    pub act: &'a Act,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was typed in, if later.
    pub entered_at: Option<Timestamp>,
    /// When the journal took it.
    pub recorded_at: Timestamp,
    /// How far the device's clock was off; both times are put right already.
    pub clock_offset: Option<SignedDuration>,
    /// When it was written down, by a clock that nobody had measured.
    pub clock_unsure: Option<Timestamp>,
    /// Who typed it in.
    pub actor: Option<&'a UserId>,
    /// The event itself when it is judged anew (a correction): its own earlier effect is no obstacle.
    pub replaces: Option<&'a EventRef>,
}

/// From here on a clock that is off is shown (W.130); an event of it counts, at the time that is put right. One that nobody
/// had measured is believed where the journal took the event within this time of what the clock said (else E.131).
pub const CLOCK_OFFSET_MAX: SignedDuration = SignedDuration::from_secs(30);

/// What the record knows when an act is judged.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'a> {
    /// The hall's set-up.
    pub registry: &'a Registry,
    /// The authorization register.
    pub register: &'a Register,
    /// The case, if it is known.
    pub case: Option<&'a Case>,
    /// Last day of the opening figures, if the hall began with some.
    pub opening_through: Option<Date>,
}

/// Judges one act by the rules in force: times first, then names, authorization, and the case.
#[must_use]
pub fn judge(candidate: Candidate<'_>, known: Knowledge<'_>) -> Verdict {
    let is_off = candidate.clock_offset.is_some_and(|it| it.abs() > CLOCK_OFFSET_MAX);
    match by_rules(candidate, known) {
        Verdict::Counted(None) if is_off => Verdict::Counted(Some(Code::ClockSkew)),
        verdict => verdict,
    }
}

fn by_rules(candidate: Candidate<'_>, known: Knowledge<'_>) -> Verdict {
    let Candidate { act, occurred_at, recorded_at, .. } = candidate;
    let rules = &known.registry.rules;
    let day = hall_day(occurred_at);
    // A time that a person typed in owes nothing to the clock.
    if let (Some(written_at), None) = (candidate.clock_unsure, candidate.entered_at) {
        let waited = recorded_at.duration_since(written_at);
        if waited.abs() > CLOCK_OFFSET_MAX {
            let seconds = waited.as_secs();
            let detail = format!(
                "时钟未经核对，与系统相差 {seconds} 秒 the clock was not measured, {seconds} s from the journal's"
            );
            return Verdict::Flagged(Code::ClockUnmeasured, detail);
        }
    }
    let ahead = occurred_at.duration_since(recorded_at);
    if ahead > SignedDuration::from_secs(i64::from(rules.future_seconds_max)) {
        let detail = format!(
            "时间比系统快 {} 秒 {}s ahead of the journal",
            ahead.as_secs(),
            ahead.as_secs()
        );
        return Verdict::Flagged(Code::FutureTime, detail);
    }
    let late =
        candidate.entered_at.map_or(SignedDuration::ZERO, |it| it.duration_since(occurred_at));
    if late > SignedDuration::from_hours(i64::from(rules.late_entry_hours_max))
        && !known.registry.may(candidate.actor, Right::LateEntry)
    {
        let detail = format!("补录晚 {} 小时 typed in {} h late", late.as_hours(), late.as_hours());
        return Verdict::Flagged(Code::BackDated, detail);
    }
    if known.opening_through.is_some_and(|through| day <= through) {
        let detail = format!("{day} 已含在期初数中 is covered by the opening figures");
        return Verdict::Flagged(Code::BackDated, detail);
    }
    if let Some(department) = &act.department
        && !known.registry.departments.contains_key(department)
    {
        return Verdict::Flagged(
            Code::UnknownReference,
            format!("未知部门 unknown department `{department}`"),
        );
    }
    if let Some(matter) = &act.matter
        && !known.registry.matters.contains_key(matter)
    {
        return Verdict::Flagged(
            Code::UnknownReference,
            format!("未知事项 unknown matter `{matter}`"),
        );
    }
    if act.kind == Kind::Accepted
        && let Some(department) = &act.department
        && !known.register.may_take(department, act.matter.as_ref(), day)
    {
        let detail = format!("{day} 部门 `{department}` 未获授权 not authorised on that day");
        return Verdict::Flagged(Code::NotAuthorised, detail);
    }
    let unknown = Case::default();
    let Some(illegal) = known.case.unwrap_or(&unknown).illegal(act.kind, candidate.replaces) else {
        return Verdict::Counted(None);
    };
    let case = act.case.as_ref().map_or("", |it| it.as_str());
    match illegal {
        Illegal::AcceptedTwice => {
            Verdict::Flagged(Code::IllegalTransition, format!("件 {case} 已受理 already accepted"))
        }
        Illegal::IssuedTwice => {
            Verdict::Flagged(Code::IllegalTransition, format!("件 {case} 已颁发 already issued"))
        }
        Illegal::NeverAccepted => {
            let began_with_opening =
                known.opening_through.is_some_and(|through| through.year() == day.year());
            let severity = if began_with_opening {
                rules.unknown_case_after_opening
            } else {
                rules.unknown_case
            };
            match severity {
                Severity::Warn => Verdict::Counted(Some(Code::UnknownCaseAllowed)),
                Severity::Flag => Verdict::Flagged(
                    Code::IllegalTransition,
                    format!("件 {case} 尚未受理 never accepted"),
                ),
            }
        }
    }
}
