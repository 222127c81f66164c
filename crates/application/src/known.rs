//! What the facts say: set-up, register, issues, news, inspections and imports, as of a position.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use zhoubao_composer::material::ImportedTable;
use zhoubao_domain::authorization::{self, Register};
use zhoubao_domain::calendar::{Calendar, Period, Schedule};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{ClassFigures, Event, InspectionResult, IssueEvent, Refusal, Setup};
use zhoubao_domain::id::{DepartmentId, DeskTopic, Digest, ObjectId, SetupTopic, Stream, UserId};
use zhoubao_domain::issue::{Command, Edit, Issue, IssueBook, Stage};
use zhoubao_domain::registry::Registry;
use zhoubao_projections::rows::FactRow;

use crate::blobs;

/// News as filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// Key of the section.
    pub section: String,
    /// The department.
    pub department: DepartmentId,
    /// The text.
    pub text: String,
    /// Attachments in the store of files.
    pub attachments: Vec<Digest>,
    /// When it was filed.
    pub filed_at: Timestamp,
    /// By whom.
    pub by: Option<UserId>,
    /// Why it was returned, if it was.
    pub returned: Option<String>,
}

impl Filed {
    /// SHA-256 of the text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        blobs::digest(self.text.as_bytes())
    }
}

/// An inspection round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Its position.
    pub position: u64,
    /// Its day.
    pub day: Date,
    /// Results by item.
    pub results: Vec<InspectionResult>,
}

/// Imported platform figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its position.
    pub position: u64,
    /// The platform.
    pub source: String,
    /// Level of government.
    pub level: String,
    /// Days covered.
    pub period: Period,
    /// Rows by class.
    pub classes: Vec<ClassFigures>,
}

/// When a version of an issue was signed off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed {
    /// Position of the event.
    pub position: u64,
    /// The time it names.
    pub at: Timestamp,
}

/// One version of a set-up entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Position of its event.
    pub position: u64,
    /// Digest of its body.
    pub digest: Digest,
    /// What it says.
    pub setup: Setup,
}

/// Everything that the facts say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Set-up for the counting rules.
    pub registry: Registry,
    /// Authorization register.
    pub register: Register,
    /// Issues.
    pub book: IssueBook,
    /// Position of each issue's last event.
    pub touched: BTreeMap<ObjectId, u64>,
    /// Why an issue was handed back, until it is submitted again.
    pub handed_back: BTreeMap<ObjectId, String>,
    /// When the versions of an issue were signed off, in order.
    pub signed: BTreeMap<ObjectId, Vec<Signed>>,
    /// Every version of every set-up entry, ascending.
    pub setup: BTreeMap<(SetupTopic, ObjectId), Vec<Version>>,
    /// News by id.
    pub submissions: BTreeMap<ObjectId, Filed>,
    /// Inspection rounds, as recorded.
    pub rounds: Vec<Round>,
    /// Imports, as recorded.
    pub imports: Vec<Import>,
    /// Imported tables, as recorded.
    pub tables: Vec<ImportedTable>,
}

impl Known {
    /// Folds the facts at or before `up_to`.
    ///
    /// # Errors
    ///
    /// When a fact that once was read cannot be read any more.
    pub fn from_facts(facts: &[FactRow], up_to: u64) -> Result<Self, Refusal> {
        let mut known = Self::default();
        for fact in facts.iter().filter(|it| it.counted && it.position <= up_to) {
            let event =
                zhoubao_contract::event_from_json(&fact.kind, fact.body.as_bytes(), &fact.stream)?;
            known.learn(fact, event);
        }
        Ok(known)
    }

    fn learn(&mut self, fact: &FactRow, event: Event) {
        match (event, &fact.stream) {
            (Event::Setup(setup), Stream::Setup(topic, id)) => {
                self.registry.evolve(id, &setup);
                let version = Version { position: fact.position, digest: fact.digest, setup };
                self.setup.entry((*topic, id.clone())).or_default().push(version);
            }
            (Event::AuthorizationChanged { department, effective, change }, _) => {
                self.register.evolve(authorization::Entry {
                    effective,
                    position: fact.position,
                    department,
                    change,
                });
            }
            (Event::Issue(event), _) => {
                let actor = fact.actor.as_deref().and_then(|it| it.parse().ok());
                let of = |book: &IssueBook, id| {
                    book.issues.get(id).is_some_and(|it| it.stage == Stage::SignedOff)
                };
                match &event {
                    IssueEvent::Returned { issue, reason } => {
                        self.handed_back.insert(issue.clone(), reason.clone());
                    }
                    IssueEvent::Submitted { issue } => {
                        self.handed_back.remove(issue);
                    }
                    _ => {}
                }
                let signed = match &event {
                    IssueEvent::SignedOff { issue, .. } if !of(&self.book, issue) => Some(issue),
                    _ => None,
                };
                self.book.evolve(&event, actor.as_ref());
                if let Some(issue) = event.issue() {
                    self.touched.insert(issue.clone(), fact.position);
                }
                if let Some(issue) = signed.filter(|it| of(&self.book, it)) {
                    let signed = Signed { position: fact.position, at: fact.occurred_at };
                    self.signed.entry(issue.clone()).or_default().push(signed);
                }
            }
            (
                Event::SubmissionFiled { section, department, text, attachments },
                Stream::Desk(DeskTopic::Submission, id),
            ) => {
                let filed_at = fact.occurred_at;
                let by = fact.actor.as_deref().and_then(|it| it.parse().ok());
                let filed =
                    Filed { section, department, text, attachments, filed_at, by, returned: None };
                self.submissions.insert(id.clone(), filed);
            }
            (Event::SubmissionReturned { reason }, Stream::Desk(_, id)) => {
                if let Some(filed) = self.submissions.get_mut(id) {
                    filed.returned = Some(reason);
                }
            }
            (Event::InspectionHeld { day, results, .. }, _) => {
                self.rounds.push(Round { position: fact.position, day, results });
            }
            (Event::StatisticsImported { source, level, period, classes }, _) => {
                let position = fact.position;
                self.imports.push(Import { position, source, level, period, classes });
            }
            (Event::TableImported { source, period, columns, rows }, Stream::Desk(_, key)) => {
                let (key, position) = (key.as_str().to_owned(), fact.position);
                self.tables.push(ImportedTable { key, source, period, columns, rows, position });
            }
            _ => {}
        }
    }

    /// Takes a set-up entry that is about to be recorded, so that what follows it can be checked against it.
    pub(crate) fn foresee(&mut self, topic: SetupTopic, id: &ObjectId, setup: &Setup) {
        self.registry.evolve(id, setup);
        let version =
            Version { position: u64::MAX, digest: Digest::new([0; 32]), setup: setup.clone() };
        self.setup.entry((topic, id.clone())).or_default().push(version);
    }

    /// The issue of an id, of a year and number (`2023-05`, `2023-5`), or of a running number (`总425`); in another
    /// series than the main one with the series before them (`monthly/2023-02`).
    ///
    /// # Errors
    ///
    /// E.500 with what there is.
    pub fn find_issue(&self, text: &str) -> Result<ObjectId, Refusal> {
        if let Ok(id) = text.parse::<ObjectId>()
            && self.book.issues.contains_key(&id)
        {
            return Ok(id);
        }
        let (series, text) = match text.split_once('/') {
            Some((series, text)) => (Some(series), text),
            None => (None, text),
        };
        let by_number = |it: &Issue| {
            if it.series.as_ref().map(ObjectId::as_str) != series {
                return false;
            }
            let (year, number, running) = self.book.proposed_numbers(it);
            let same = text
                .split_once('-')
                .is_some_and(|(y, n)| y.parse() == Ok(year) && n.parse() == Ok(number));
            same || text.strip_prefix('总').is_some_and(|it| it.parse() == Ok(running))
        };
        if let Some((id, _)) = self.book.live().find(|(_, it)| by_number(it)) {
            return Ok(id.clone());
        }
        let ids: Vec<_> = self.book.issues.keys().map(ObjectId::as_str).collect();
        let there =
            if ids.is_empty() { "没有任何期 there is none".to_owned() } else { ids.join(" ") };
        Err(Refusal::new(Code::IssueState, format!("没有期 no issue `{text}`; {there}")))
    }

    /// The live issue that adopted a submission.
    #[must_use]
    pub fn adopted_by(&self, submission: &ObjectId) -> Option<(&ObjectId, &Issue)> {
        self.book.live().find(|(_, it)| it.has(submission))
    }

    /// How the editor changed the text of a submission that is in a live issue.
    #[must_use]
    pub fn edit_of(&self, submission: &ObjectId) -> Option<&Edit> {
        let (_, issue) = self.adopted_by(submission)?;
        issue.edit_of(submission, self.submissions.get(submission)?.digest())
    }

    /// Whether the issue of a command still is as somebody had it before him.
    ///
    /// # Errors
    ///
    /// E.503 where something happened to it since.
    pub(crate) fn unchanged(&self, command: &Command, seen: Option<u64>) -> Result<(), Refusal> {
        let (Some(seen), Some(issue)) = (seen, command.issue()) else { return Ok(()) };
        match self.touched.get(issue) {
            Some(last) if *last != seen => {
                let detail = format!("期 {issue} 已变至 #{last} has changed since #{seen}");
                Err(Refusal::new(Code::IssueChanged, detail))
            }
            _ => Ok(()),
        }
    }

    /// The latest version of a topic's only or given entry.
    #[must_use]
    pub fn latest(&self, topic: SetupTopic, id: Option<&ObjectId>) -> Option<&Version> {
        self.setup
            .iter()
            .filter(|((of, entry), _)| *of == topic && id.is_none_or(|id| id == entry))
            .filter_map(|(_, versions)| versions.last())
            .max_by_key(|it| it.position)
    }

    /// The version with this digest.
    #[must_use]
    pub fn with_digest(&self, topic: SetupTopic, digest: &Digest) -> Option<&Version> {
        self.setup
            .iter()
            .filter(|((of, _), _)| *of == topic)
            .flat_map(|(_, versions)| versions)
            .find(|it| it.digest == *digest)
    }

    /// The working calendar: the latest schedule of each year.
    ///
    /// # Errors
    ///
    /// E.210 where a schedule is wrong; the edge refuses those, so it came past the edge.
    pub fn calendar(&self) -> Result<Calendar, Refusal> {
        let versions = self
            .setup
            .iter()
            .filter(|((topic, _), _)| *topic == SetupTopic::Calendar)
            .filter_map(|(_, versions)| versions.last());
        versions.map(|it| schedule(&it.setup)).filter_map(Result::transpose).collect()
    }

    /// Digests of the calendars in force, by year.
    #[must_use]
    pub fn calendar_digests(&self) -> Vec<Digest> {
        self.setup
            .iter()
            .filter(|((topic, _), _)| *topic == SetupTopic::Calendar)
            .filter_map(|(_, versions)| Some(versions.last()?.digest))
            .collect()
    }
}

/// The schedule of a calendar entry, checked; `None` for another kind of set-up.
///
/// # Errors
///
/// E.210 with the wrong date.
pub fn schedule(setup: &Setup) -> Result<Option<Schedule>, Refusal> {
    let Setup::Calendar { year, notice, off, work } = setup else { return Ok(None) };
    Schedule::new(*year, notice.clone(), off.clone(), work.clone())
        .map(Some)
        .map_err(|it| Refusal::new(zhoubao_domain::code::Code::Schedule, it.to_string()))
}
