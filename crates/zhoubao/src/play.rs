//! Plays a hall's weeks through the real journal, projector and desk: for the demo and the tests.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use zhoubao_application::clock::Clock;
use zhoubao_application::desk::{By, Desk};
use zhoubao_application::weekly::{self, NewIssue, Weekly};
use zhoubao_application::writer::{Receipt, Unnumbered, Writer};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Refusal, Tally};
use zhoubao_domain::id::{ObjectId, SetupTopic, Stream, UserId};
use zhoubao_domain::issue::Command;
use zhoubao_domain::time::{hall_day, hall_zone};

use crate::failure::Failure;
use crate::sample::{Entry, Load, Plan, Sample, TerminalEvent, Week, acts};

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Events of windows written.
    pub window_events: u64,
    /// Writing them.
    pub writing: Duration,
    /// Set-up, register, news, inspections, imports.
    pub desk: Duration,
    /// Opening, freezing, composing and signing issues.
    pub issues: Duration,
}

/// A hall that is being played.
pub struct Player<'a> {
    desk: &'a Desk,
    sample: &'a Sample,
    writer: Writer,
    acts: VecDeque<TerminalEvent>,
    /// Where the time went so far.
    pub spent: Spent,
    /// Where each event of a window is now, in the order of writing.
    pub receipts: Vec<(TerminalEvent, Receipt)>,
}

impl<'a> Player<'a> {
    /// A player of these acts, which are in order of time.
    #[must_use]
    pub fn new(desk: &'a Desk, sample: &'a Sample, acts: Vec<TerminalEvent>) -> Self {
        let writer = Writer::new(desk.journal().clone(), desk.hall().clone());
        Self { desk, sample, writer, acts: acts.into(), spent: Spent::default(), receipts: vec![] }
    }

    /// Enters set-up, opening figures and the first authorizations.
    ///
    /// # Errors
    ///
    /// What keeps them from being recorded.
    pub async fn begin(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        let Sample { began_at, setup, opening, authorizations, people, .. } = self.sample;
        let setup = setup
            .iter()
            .map(|(topic, id, event)| (Stream::Setup(*topic, id.clone()), event.clone()))
            .collect();
        self.desk.record_all(setup, by(&people.administrator, *began_at)).await?;
        let command = Command::EnterOpening(opening.clone());
        self.desk
            .issue(by(&people.administrator, *began_at), async |_| Ok(command.clone()))
            .await?;
        let entries =
            authorizations.iter().map(|it| (it.stream.clone(), it.event.clone())).collect();
        self.desk.record_all(entries, by(&people.office, *began_at)).await?;
        self.spent.desk += started.elapsed();
        Ok(())
    }

    /// Plays one week up to the eve of its freeze: windows, register, news, inspection, import.
    ///
    /// # Errors
    ///
    /// What keeps them from being recorded.
    pub async fn week(&mut self, week: &Week) -> Result<(), Failure> {
        let people = &self.sample.people;
        let started = Instant::now();
        let first = at(week.period.first(), 8)?;
        let new = NewIssue {
            issue: week.issue.clone(),
            period: Some(week.period),
            series: None,
            parameters: BTreeMap::new(),
        };
        self.desk.open(new, by(&people.editor, first)).await?;
        self.spent.issues += started.elapsed();
        self.windows_until(week.period.last()).await?;
        let started = Instant::now();
        for entry in &week.authorizations {
            self.enter(entry).await?;
        }
        let known = self.desk.known().await?;
        let checklist = known
            .latest(SetupTopic::Checklist, None)
            .map(|it| it.digest)
            .ok_or_else(|| Refusal::new(Code::Setup, "缺少检查表 there is no checklist"))?;
        self.enter(&week.inspection.entry(checklist)).await?;
        self.enter(&week.statistics).await?;
        for (order, entry) in (1..).zip(&week.submissions) {
            self.enter(entry).await?;
            let Some(submission) = entry.desk_id().cloned() else { continue };
            let adopt = Command::Adopt { issue: week.issue.clone(), submission, order };
            self.desk
                .issue(by(&people.editor, entry.occurred_at), async |_| Ok(adopt.clone()))
                .await?;
        }
        self.spent.desk += started.elapsed();
        Ok(())
    }

    /// Writes what the windows recorded up to the end of a day.
    ///
    /// # Errors
    ///
    /// What keeps it from being written.
    pub async fn windows_until(&mut self, last: Date) -> Result<(), Failure> {
        let started = Instant::now();
        let count = self.acts.iter().take_while(|it| hall_day(it.occurred_at) <= last).count();
        let acts: Vec<TerminalEvent> = self.acts.drain(..count).collect();
        let events = acts
            .iter()
            .map(|it| Unnumbered {
                stream: Stream::Terminal(it.terminal.clone()),
                occurred_at: it.occurred_at,
                entered_at: None,
                actor: Some(it.actor.clone()),
                command: None,
                event: it.event.clone(),
            })
            .collect();
        let receipts = self.writer.write(events).await?;
        self.spent.window_events += receipts.len() as u64;
        self.receipts.extend(acts.into_iter().zip(receipts));
        self.spent.writing += started.elapsed();
        Ok(())
    }

    /// Freezes, accepts what the sample accepts, submits and signs off a week's issue, and answers with it.
    ///
    /// # Errors
    ///
    /// What keeps it from being composed or signed.
    pub async fn finish(&mut self, week: &Week) -> Result<Weekly, Failure> {
        let started = Instant::now();
        let people = &self.sample.people;
        let monday = at(week.period.last(), 9)?
            .checked_add(72.hours())
            .map_err(|error| Failure::usage(error.to_string()))?;
        let editor = by(&people.editor, monday);
        self.desk.freeze(week.issue.clone(), editor.clone()).await?;
        let found = self.compose(&week.issue).await?.findings();
        for (code, reason) in &self.sample.accepted {
            let findings: Vec<_> = found.iter().filter(|it| it.code == *code).cloned().collect();
            if findings.is_empty() {
                continue;
            }
            let (issue, reason) = (week.issue.clone(), reason.clone());
            let accept = Command::Accept { issue, findings, reason };
            self.desk.issue(editor.clone(), async |_| Ok(accept.clone())).await?;
        }
        self.desk.submit(week.issue.clone(), editor).await?;
        let leader = by(&people.leader, at(week.issued_on, 10)?);
        self.desk.sign_off(week.issue.clone(), week.issued_on, None, leader).await?;
        let weekly = self.compose(&week.issue).await?;
        self.spent.issues += started.elapsed();
        Ok(weekly)
    }

    /// Composes an issue as it is now.
    ///
    /// # Errors
    ///
    /// What keeps it from being composed.
    pub async fn compose(&self, issue: &ObjectId) -> Result<Weekly, Failure> {
        self.desk.catch_up().await?;
        Ok(weekly::compose(&**self.desk.store(), self.desk.hall(), issue, None).await?)
    }

    async fn enter(&self, entry: &Entry) -> Result<(), Failure> {
        let by = by(&entry.actor, entry.occurred_at);
        self.desk.record(entry.stream.clone(), entry.event.clone(), by).await?;
        Ok(())
    }
}

/// Plays windows at work from now on, one act after another, for ever.
///
/// # Errors
///
/// What keeps an act from being recorded.
pub async fn windows_live(
    desk: &Desk,
    sample: &Sample,
    seed: u64,
    every: Duration,
    clock: &dyn Clock,
) -> Result<Infallible, Failure> {
    let mut writer = Writer::new(desk.journal().clone(), desk.hall().clone());
    // A busy day; its case numbers are those of the day, so each batch is made for another one.
    let tally = Tally { consulted: 4_590, accepted: 940, issued: 930, transferred: 2_190 };
    for batch in 0_i32.. {
        let day = hall_day(clock.now()).saturating_add(batch.days());
        let plan = Plan {
            hall: &sample.hall,
            loads: &[Load { days: vec![day], tally }],
            desks: &sample.desks,
            departments: &sample.departments,
            seed: seed.wrapping_add(u64::from(batch.unsigned_abs())),
        };
        let acts = acts(&plan).map_err(|error| Failure::usage(error.to_string()))?;
        for act in acts.into_iter().filter(|it| matches!(it.event, Event::Act(_))) {
            tokio::time::sleep(every).await;
            let event = Unnumbered {
                stream: Stream::Terminal(act.terminal),
                occurred_at: clock.now(),
                entered_at: None,
                actor: Some(act.actor),
                command: None,
                event: act.event,
            };
            writer.write(vec![event]).await?;
        }
    }
    std::future::pending().await
}

fn by(actor: &UserId, at: Timestamp) -> By {
    By { actor: Some(actor.clone()), at: Some(at), ..By::default() }
}

fn at(day: Date, hour: i8) -> Result<Timestamp, Failure> {
    hall_zone()
        .to_timestamp(day.at(hour, 0, 0, 0))
        .map_err(|error| Failure::usage(error.to_string()))
}
