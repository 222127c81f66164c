//! What every adapter of the read-models port must do.
//!
//! An adapter implements [`StoreFactory`] and writes [`store_conformance!`](crate::store_conformance) in its tests;
//! each case becomes a test of its own.
//!
//! The cases fold a journal made by [`History`]: it holds every outcome that the fold knows, so that each table gets
//! rows. [`project`] is the smallest projector that is right; [`Expected`] says in memory what the tables must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;
use zhoubao_contract::{Draft, Message, Stored, encode, hash};
use zhoubao_domain::calendar::Period;
use zhoubao_domain::case::Case;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{
    Act, AuthorizationChange, Event, IssueEvent, Kind, Replacement, Right, Setup, Tally,
    TerminalHead,
};
use zhoubao_domain::figure::{
    Adjustment, Cause, Definition, Figure, FigureKey, Figures, Partition, Span, TallyCell,
    TallyValue,
};
use zhoubao_domain::id::{
    CaseId, DeskTopic, Digest, EventRef, HallCode, ObjectId, Stream, Subject,
};
use zhoubao_domain::time::{hall_day, hall_zone};
use zhoubao_projections::Model;
use zhoubao_projections::early::passes_over;
use zhoubao_projections::entry::Entry;
use zhoubao_projections::freeze::{AloneNeeds, FreezeFound};
use zhoubao_projections::model::Incoming;
use zhoubao_projections::recount;
use zhoubao_projections::rows::{
    AmendmentRow, CaseRow, Changes, Checkpoint, Counts, DayCloseRow, ExceptionRow, FactRow,
    FiguresRow, Head, Needs, SEGMENT_NUMBERS, SegmentRow, Settlement, Standing,
};

use zhoubao_application::journal::{
    AppendError, Cursor, Expectation, Incarnation, Journal, JournalError, JournalState,
};
use zhoubao_application::projector::{held, look_up};
use zhoubao_application::store::{
    Commit, Epoch, ReadModels, Seed, Snapshot, SnapshotQuery, StoreError, TABLES,
};

/// The hall of most cases.
pub const HALL: &str = "510000";

/// Another hall in the same store; its code begins with a zero.
pub const OTHER_HALL: &str = "013100";

/// Incarnation of the histories' journals.
const INCARNATION: &str = "conformance";

/// Longest wait for what must happen; the machine may be busy compiling.
const PATIENCE: Duration = Duration::from_secs(120);

/// Stores of its own for one test, removed when the factory is dropped.
#[async_trait]
pub trait StoreFactory: Send + Sync {
    /// A store without any hall, apart from all earlier ones.
    async fn fresh(&self) -> Arc<dyn ReadModels>;

    /// Opens the store of the last [`StoreFactory::fresh`] again, by a handle (connection, pool) of its own, as
    /// another process would. Earlier handles stay as they are.
    async fn reopen(&self) -> Arc<dyn ReadModels>;
}

/// Makes one test of each case: `store_conformance!(make);` where `make` is an `async fn() -> impl StoreFactory`.
#[macro_export]
macro_rules! store_conformance {
    ($make:path) => {
        $crate::store_conformance! { @cases $make:
            given_an_empty_store_when_read_then_everything_is_empty,
            given_no_claim_when_committing_then_it_is_fenced,
            given_a_claim_when_another_claims_then_the_first_writes_nothing_more,
            given_a_wrong_checkpoint_when_committing_then_nothing_is_written,
            given_a_commit_when_it_is_repeated_then_it_is_fenced_and_the_checkpoint_tells,
            given_two_racing_commits_when_both_run_then_exactly_one_wins,
            given_an_error_late_in_a_commit_when_it_fails_then_nothing_of_it_is_there,
            given_only_repeats_when_committed_then_the_checkpoint_moves_alone,
            given_a_history_when_read_then_all_rows_are_what_was_committed,
            given_a_history_when_cut_into_other_pages_then_all_rows_are_equal,
            given_a_history_when_the_projector_restarts_then_all_rows_are_equal,
            given_a_number_that_was_given_up_when_it_comes_twice_then_pages_do_not_matter,
            given_a_history_when_reopened_then_nothing_is_missing,
            given_facts_when_seeded_then_the_lines_of_the_desk_are_left_out,
            given_cases_when_looked_up_then_only_known_ones_are_found,
            given_amended_originals_when_looked_up_then_both_effects_are_found,
            given_numbers_of_any_line_when_asked_then_their_first_position_is_told,
            given_a_history_when_snapped_then_the_sums_are_those_of_the_record,
            given_a_position_when_snapped_then_later_segments_are_in_it,
            given_running_commits_when_snapped_then_each_snapshot_is_of_one_moment,
            given_busy_readers_when_committing_then_the_writer_gets_through,
            given_exceptions_when_settled_then_only_earlier_ones_are,
            given_a_second_freeze_when_committed_then_its_figures_replace_the_first,
            given_an_adjustment_when_it_comes_again_then_the_first_stays,
            given_a_cell_when_it_sinks_to_zero_then_its_row_is_gone,
            given_a_day_closed_twice_when_read_then_it_is_the_first_with_the_later_tally,
            given_a_segment_when_appended_to_then_its_bounds_grow,
            given_two_halls_when_both_are_projected_then_they_do_not_mix,
            given_a_command_when_asked_by_key_then_its_first_position_is_told,
            given_heads_when_asked_by_prefix_then_they_come_in_order_of_name,
            given_awkward_texts_when_committed_then_they_come_back_as_they_were,
            given_a_number_beyond_all_bounds_when_committed_then_it_comes_back,
            given_a_detail_with_a_nul_when_committed_then_it_stops_nothing,
            given_a_table_when_dumped_in_pages_then_they_are_the_whole,
            given_an_unknown_table_when_dumped_then_it_is_refused,
            given_ten_thousand_events_when_committed_as_one_page_then_all_are_there,
        }
    };
    (@cases $make:path: $($case:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                $crate::store::$case(&$make().await).await;
            }
        )+
    };
}

// --- A journal ---

/// A journal made by hand, event after event, together with what its lines' heads are.
#[derive(Debug, Clone)]
pub struct History {
    hall: HallCode,
    /// The journal.
    pub stored: Vec<Stored>,
    heads: BTreeMap<Stream, (u64, Digest)>,
    recorded_at: Timestamp,
    seed: u64,
}

impl History {
    /// An empty journal; histories of one seed are equal.
    #[must_use]
    pub fn new(hall: &HallCode, seed: u64) -> Self {
        Self {
            hall: hall.clone(),
            stored: Vec::new(),
            heads: BTreeMap::new(),
            recorded_at: time("2023-01-01T08:00:00+08:00"),
            seed,
        }
    }

    /// A journal with about `acts` acts of a week around every other outcome that there is: two freezes of one
    /// issue, its sign-off, the freeze of the next, late facts in between.
    #[must_use]
    pub fn typical(hall: &HallCode, seed: u64, acts: usize) -> Self {
        let mut history = Self::new(hall, seed);
        let definitions = history.set_up();
        let week =
            |first: &str, last: &str| Period::new(date(first), date(last)).expect("a period");
        history.opened("i5", week("2023-02-06", "2023-02-10"), definitions);
        history.acts(date("2023-02-06"), acts * 6 / 10);
        history.desk();
        let cut = history.position();
        // Recorded between the cut and the freeze: adjustments that only the freeze can see.
        history.acts(date("2023-02-08"), 12);
        history.frozen("i5", cut);
        history.acts(date("2023-02-09"), acts / 10);
        let cut = history.position();
        history.frozen("i5", cut);
        history.issue(IssueEvent::Submitted { issue: object("i5") }, "editor");
        history.issue(
            IssueEvent::SignedOff {
                issue: object("i5"),
                year: 2023,
                number: 1,
                running_number: 1,
                issued_on: date("2023-02-13"),
                figures: Digest::new([7; 32]),
                document: Digest::new([8; 32]),
            },
            "leader",
        );
        history.opened("i6", week("2023-02-13", "2023-02-17"), definitions);
        history.acts(date("2023-02-09"), acts / 10);
        history.acts(date("2023-02-13"), acts * 2 / 10);
        let cut = history.position();
        history.frozen("i6", cut);
        history.acts(date("2023-02-16"), 12);
        history
    }

    /// The last position, 0 for none.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.stored.len() as u64
    }

    fn random(&mut self, below: u64) -> u64 {
        // Knuth's MMIX generator: the same numbers on every machine.
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn draft(&self, stream: &Stream, occurred_at: Timestamp, actor: &str, event: Event) -> Draft {
        let head = self.heads.get(stream);
        Draft {
            subject: Subject::new(self.hall.clone(), stream.clone()),
            number: head.map_or(0, |it| it.0) + 1,
            previous: head.map(|it| it.1),
            occurred_at,
            entered_at: None,
            actor: Some(actor.parse().expect("a work number")),
            command: None,
            event,
        }
    }

    /// Appends a message as it is; the line's head stays.
    pub fn push(&mut self, message: Message, occurred_at: Timestamp) -> u64 {
        let after = self.recorded_at + SignedDuration::from_millis(1);
        self.recorded_at = after.max(occurred_at + SignedDuration::from_secs(1));
        let position = self.position() + 1;
        self.stored.push(Stored { position, recorded_at: self.recorded_at, message });
        position
    }

    /// Appends an event at the head of its line.
    pub fn event(
        &mut self,
        stream: &Stream,
        occurred_at: Timestamp,
        actor: &str,
        event: Event,
    ) -> EventRef {
        let draft = self.draft(stream, occurred_at, actor, event);
        self.append(stream, draft)
    }

    fn append(&mut self, stream: &Stream, draft: Draft) -> EventRef {
        let message = encode(&draft);
        self.heads.insert(stream.clone(), (draft.number, hash(&message)));
        self.push(message, draft.occurred_at);
        EventRef { stream: stream.clone(), number: draft.number }
    }

    fn setup(&mut self, id: &str, setup: Setup) {
        let stream = Stream::Setup(setup.topic(), object(id));
        self.event(&stream, time("2023-01-01T09:00:00+08:00"), "u1", Event::Setup(setup));
    }

    /// Windows, terminals, departments, matters, people, rules; answers with the digest of the definitions.
    fn set_up(&mut self) -> Digest {
        let text = str::to_owned;
        for window in ["w01", "w02", "w03"] {
            self.setup(window, Setup::Window { name: format!("窗口{window}"), open: true });
        }
        for (terminal, window) in [("t01", "w01"), ("t02", "w02"), ("t03", "w03"), ("t04", "w01")] {
            let window = window.parse().expect("a window");
            self.setup(terminal, Setup::Terminal { window, active: true });
        }
        for department in ["tax", "health", "culture"] {
            self.setup(department, Setup::Department { name: text(department), aliases: vec![] });
            let id = department.parse().expect("a department");
            self.setup(
                &format!("{department}-m1"),
                Setup::Matter { name: text("事项"), department: id },
            );
            if department == "culture" {
                continue;
            }
            let id: zhoubao_domain::id::DepartmentId = department.parse().expect("a department");
            self.event(
                &Stream::Authorization(id.clone()),
                time("2023-01-01T10:00:00+08:00"),
                "office",
                Event::AuthorizationChanged {
                    department: id,
                    effective: date("2023-01-01"),
                    change: AuthorizationChange::DepartmentAuthorised,
                },
            );
        }
        let kinds = [
            ("consulted", Kind::Consulted),
            ("accepted", Kind::Accepted),
            ("issued", Kind::Issued),
            ("transferred", Kind::Transferred),
        ];
        let definitions = kinds
            .map(|(key, kind)| Definition {
                key: text(key),
                title: text(kind.title()),
                unit: text(kind.unit()),
                meaning: text("all of them"),
                kinds: vec![kind],
            })
            .to_vec();
        self.setup("figures", Setup::Figures { definitions });
        let digest = self.fact_of_last().digest;
        let rights = |rights: &[Right]| Setup::User { rights: rights.to_vec(), active: true };
        self.setup("u1", rights(&[Right::Administer]));
        self.setup("clerk", rights(&[Right::Record]));
        self.setup(
            "office",
            rights(&[Right::Record, Right::Correct, Right::Authorize, Right::Release]),
        );
        self.setup("editor", rights(&[Right::Edit]));
        self.setup("leader", rights(&[Right::Sign]));
        digest
    }

    fn fact_of_last(&self) -> FactRow {
        let mut model = Model::seed(self.hall.clone(), None, &[], vec![]).expect("no facts");
        let stored = self.stored.last().expect("a message").clone();
        model.fold(Incoming::read(stored, &self.hall), INCARNATION);
        model.take().0.facts.pop().expect("a fact")
    }

    fn issue(&mut self, event: IssueEvent, actor: &str) {
        self.event(&Stream::Issues, self.recorded_at, actor, Event::Issue(event));
    }

    fn opened(&mut self, issue: &str, period: Period, figures: Digest) {
        let event = IssueEvent::Opened {
            issue: object(issue),
            period,
            template: Digest::new([1; 32]),
            checklist: Digest::new([2; 32]),
            figures,
            calendars: vec![Digest::new([3; 32])],
            series: None,
            parameters: BTreeMap::new(),
        };
        let mut draft =
            self.draft(&Stream::Issues, self.recorded_at, "editor", Event::Issue(event));
        draft.command = Some(format!("open-{issue}"));
        self.append(&Stream::Issues, draft);
    }

    fn frozen(&mut self, issue: &str, cut: u64) {
        let heads = self
            .heads
            .iter()
            .filter_map(|(stream, (number, _))| match stream {
                Stream::Terminal(terminal) => {
                    Some(TerminalHead { terminal: terminal.clone(), number: *number })
                }
                _ => None,
            })
            .collect();
        self.issue(IssueEvent::Frozen { issue: object(issue), cut, heads, tree: None }, "editor");
    }

    fn desk(&mut self) {
        let department = "tax".parse().expect("a department");
        let filed = Event::SubmissionFiled {
            section: "news".to_owned(),
            department,
            text: "税务窗口\t开展\n“便民办税”\\活动 🙂".to_owned(),
            attachments: vec![Digest::new([9; 32])],
        };
        self.event(
            &Stream::Desk(DeskTopic::Submission, object("s1")),
            self.recorded_at,
            "office",
            filed,
        );
        let held = Event::InspectionHeld {
            day: date("2023-02-08"),
            checklist: Digest::new([2; 32]),
            results: vec![],
        };
        self.event(
            &Stream::Desk(DeskTopic::Inspection, object("n1")),
            self.recorded_at,
            "office",
            held,
        );
    }

    /// `count` events of the windows on `first` and the three days after it.
    pub fn acts(&mut self, first: Date, count: usize) {
        let terminals: Vec<Stream> = ["t01", "t02", "t03", "t04", "t09"]
            .map(|it| Stream::Terminal(it.parse().expect("a terminal")))
            .to_vec();
        let departments = ["tax", "health", "tax", "health", "culture", "nobody"];
        let days = 4;
        for step in 0..count {
            let day = step * days / count.max(1);
            let start = first
                .checked_add(jiff::Span::new().days(i64::try_from(day).expect("few days")))
                .expect("a day")
                .at(9, 0, 0, 0);
            let start = hall_zone().to_timestamp(start).expect("a time");
            let within = i64::try_from(step % 3000).expect("few seconds") * 7 + 1;
            let at = start + SignedDuration::from_secs(within);
            // The last terminal was never set up, and seldom speaks.
            let terminal = if self.random(25) == 0 { 4 } else { self.random(4) };
            let stream = terminals[usize::try_from(terminal).expect("a place")].clone();
            let department = departments[usize::try_from(self.random(6)).expect("a place")];
            self.step(&stream, at, department);
        }
    }

    fn step(&mut self, stream: &Stream, at: Timestamp, department: &str) {
        let department = Some(department.parse().expect("a department"));
        let act = |kind, amount, case: Option<String>| {
            let case = case.map(|it| it.parse().expect("a case"));
            Event::Act(Act { kind, amount, department: department.clone(), matter: None, case })
        };
        let made = self.position();
        let a_case = |history: &mut Self| {
            let of = history.random(made.max(4) / 4);
            format!("川2023-{of:05}")
        };
        let event = match self.random(40) {
            0..=9 => act(Kind::Consulted, u32::try_from(1 + self.random(9)).expect("few"), None),
            10..=19 => act(Kind::Accepted, 1, Some(format!("川2023-{:05}", made / 4))),
            20..=24 => act(Kind::Transferred, 1, Some(a_case(self))),
            25..=28 => act(Kind::Issued, 1, Some(a_case(self))),
            29 => Event::DayClosed {
                day: hall_day(at),
                tally: Tally { consulted: 3, accepted: 1, issued: 0, transferred: 2 },
            },
            30 => Event::AuthorizationChanged {
                department: "health".parse().expect("a department"),
                effective: date("2023-02-01"),
                change: AuthorizationChange::LetterSigned { letter: format!("L{made}") },
            },
            31 | 32 => {
                let original = self.earlier(stream);
                let replacement = match self.random(3) {
                    0 => Replacement { people: Some(7), ..Replacement::default() },
                    1 => Replacement { department: "tax".parse().ok(), ..Replacement::default() },
                    _ => Replacement {
                        occurred_at: Some(at - SignedDuration::from_hours(24)),
                        ..Replacement::default()
                    },
                };
                Event::Corrected { original, replacement, reason: "录入有误".to_owned() }
            }
            33 | 34 => {
                Event::Voided { original: self.earlier(stream), reason: "重复".to_owned() }
            }
            35 => {
                let original = self.earlier(stream);
                let reason = "核实".to_owned();
                let event = if self.random(3) == 0 {
                    Event::Rejected { original, position: None, reason }
                } else {
                    Event::Released { original, position: None, reason }
                };
                self.event(&Stream::Quarantine, at, "office", event);
                return;
            }
            _ => return self.trouble(stream, at, act(Kind::Consulted, 2, None)),
        };
        let actor = if self.random(8) == 0 { "clerk" } else { "office" };
        self.event(stream, at, actor, event);
    }

    fn earlier(&mut self, stream: &Stream) -> EventRef {
        let last = self.heads.get(stream).map_or(0, |it| it.0);
        // One beyond the head: not there yet.
        EventRef { stream: stream.clone(), number: 1 + self.random(last + 1) }
    }

    fn trouble(&mut self, stream: &Stream, at: Timestamp, event: Event) {
        let draft = self.draft(stream, at, "office", event);
        match self.random(8) {
            // A repeat of anything.
            0 if !self.stored.is_empty() => {
                let of = usize::try_from(self.random(self.position())).expect("a place");
                let message = self.stored[of].message.clone();
                self.push(message, at);
            }
            // A fork, where the line has begun.
            1 if draft.number > 1 => {
                let number = 1 + self.random(draft.number - 1);
                self.push(encode(&Draft { number, ..draft }), at);
            }
            // A gap.
            2 => {
                let number = draft.number + 1 + self.random(2);
                self.push(encode(&Draft { number, ..draft }), at);
            }
            // Two of a line in the wrong order: the first is held until the second comes.
            6 => {
                let first = encode(&draft);
                let (number, previous) = (draft.number + 1, Some(hash(&first)));
                let second = encode(&Draft { number, previous, ..draft });
                self.heads.insert(stream.clone(), (number, hash(&second)));
                self.push(second, at);
                self.push(first, at);
            }
            // Somebody settles a message by its position, whatever it came to.
            7 if !self.stored.is_empty() => {
                let position = 1 + self.random(self.position());
                let original = self.read(position).identity().cloned();
                let original = original.unwrap_or_else(|| self.earlier(stream));
                let (position, reason) = (Some(position), "核实".to_owned());
                let event = if self.random(3) == 0 {
                    Event::Rejected { original, position, reason }
                } else {
                    Event::Released { original, position, reason }
                };
                self.event(&Stream::Quarantine, at, "office", event);
            }
            // Another past.
            3 => {
                let previous = Some(Digest::new([0xab; 32]));
                self.push(encode(&Draft { previous, ..draft }), at);
            }
            // A newer program's event: the line goes on.
            4 => {
                let mut message = encode(&draft);
                message.attributes.kind = Some("cn.zhoubao.Consulted.v9".to_owned());
                message.attributes.hash = None;
                self.heads.insert(stream.clone(), (draft.number, hash(&message)));
                self.push(message, at);
            }
            // No identity.
            _ => {
                let mut message = encode(&draft);
                message.attributes.id = Some("seventeen".to_owned());
                self.push(message, at);
            }
        }
    }

    /// Decodes the message at a position, counted from 1.
    fn read(&self, position: u64) -> Incoming {
        let place = usize::try_from(position - 1).expect("a place");
        Incoming::read(self.stored[place].clone(), &self.hall)
    }
}

/// The history as the journal that a projector reads single messages from.
#[async_trait]
impl Journal for History {
    async fn state(&self) -> Result<JournalState, JournalError> {
        let incarnation = Incarnation(INCARNATION.to_owned());
        Ok(JournalState { incarnation, last: self.position() })
    }

    async fn append(&self, _: &[Message], _: &[Expectation]) -> Result<Vec<u64>, AppendError> {
        Err(AppendError::Invalid { detail: "a history is written".to_owned() })
    }

    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        let subject = subject.to_string();
        Ok(self.stored.iter().rev().find(|it| it.message.subject == subject).cloned())
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        let place = usize::try_from(sequence).ok().and_then(|it| it.checked_sub(1));
        Ok(place.and_then(|it| self.stored.get(it)).cloned())
    }

    async fn open(&self, _: u64) -> Result<Box<dyn Cursor>, JournalError> {
        Err(JournalError::Unavailable("a history is read by position".into()))
    }
}

// --- A projector ---

/// How a history is projected.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    /// Most events of a page.
    pub size: usize,
    /// Whether the model is thrown away after each page and seeded anew.
    pub restarts: bool,
}

/// Folds everything after the checkpoint: the smallest projector that is right.
pub async fn project(store: &dyn ReadModels, history: &History, pages: Pages) -> Expected {
    let hall = &history.hall;
    let epoch = store.claim(hall).await.expect("claimed");
    let mut expected = Expected::default();
    let mut model = seeded(store, hall).await;
    loop {
        let done = model.checkpoint().map_or(0, |it| it.sequence);
        let page = next_page(history, done, pages.size);
        if page.is_empty() {
            return expected;
        }
        let (changes, to) = fold(store, &mut model, page, history).await;
        let page = store.prepare(hall, changes.clone());
        page.commit(Commit { epoch, from: done, to: &to }).await.expect("committed");
        expected.apply(&changes, &to);
        if pages.restarts {
            model = seeded(store, hall).await;
        }
    }
}

async fn seeded(store: &dyn ReadModels, hall: &HallCode) -> Model {
    let seed = store.seed(hall).await.expect("seeded");
    let mut model = Model::seed(hall.clone(), seed.checkpoint, &seed.facts, seed.heads)
        .expect("readable facts");
    let open = store.exceptions(hall, true).await.expect("read");
    model.hold(open.into_iter().filter_map(held));
    model
}

/// The next events after `done`; one that stands alone is a page of its own.
fn next_page(history: &History, done: u64, size: usize) -> Vec<Incoming> {
    let mut page = Vec::new();
    for position in done + 1..=history.position() {
        let incoming = history.read(position);
        if incoming.stands_alone() {
            if page.is_empty() {
                page.push(incoming);
            }
            break;
        }
        page.push(incoming);
        if page.len() == size {
            break;
        }
    }
    page
}

async fn fold(
    store: &dyn ReadModels,
    model: &mut Model,
    page: Vec<Incoming>,
    history: &History,
) -> (Changes, Checkpoint) {
    let hall = &history.hall;
    let needs = model.needs(&page);
    let found = look_up(history, store, hall, model, needs).await.expect("looked up");
    model.supply(found);
    for incoming in page {
        if !incoming.stands_alone() {
            model.fold(incoming, INCARNATION);
            continue;
        }
        match model.alone_needs(&incoming) {
            AloneNeeds::Freeze(needs) => {
                let (previous, cut) = needs.previous.clone().unzip();
                let query = SnapshotQuery {
                    first: needs.first,
                    last: needs.last,
                    after: Some(needs.cut),
                    adjustments_after: Some(cut.unwrap_or(0)),
                    issues: previous.clone().into_iter().collect(),
                    segments: false,
                    facts: false,
                };
                let mut snapshot = store.snapshot(hall, &query).await.expect("a snapshot");
                let found = FreezeFound {
                    cells: snapshot.cells,
                    segments: snapshot.segments,
                    previous: previous
                        .and_then(|it| snapshot.figures.remove(&it))
                        .unwrap_or_default(),
                    adjustments: snapshot.adjustments,
                };
                model.fold_freeze(incoming, INCARNATION, found).expect("readable entries");
            }
            AloneNeeds::Figures(issue) => {
                let query = SnapshotQuery { issues: vec![issue.clone()], ..nothing() };
                let mut snapshot = store.snapshot(hall, &query).await.expect("a snapshot");
                let figures = snapshot.figures.remove(&issue).unwrap_or_default();
                model.fold_sign_off(incoming, INCARNATION, &figures);
            }
            AloneNeeds::Nothing => model.fold(incoming, INCARNATION),
        }
    }
    let (changes, checkpoint) = model.take();
    (changes, checkpoint.expect("something was folded"))
}

// --- What must be there ---

/// What the tables must hold, kept in memory.
#[derive(Debug, Default)]
pub struct Expected {
    checkpoint: Option<Checkpoint>,
    heads: BTreeMap<String, Head>,
    cells: BTreeMap<TallyCell, TallyValue>,
    segments: BTreeMap<(String, u64), SegmentRow>,
    cases: BTreeMap<CaseId, CaseRow>,
    day_closes: BTreeMap<(String, Date), DayCloseRow>,
    exceptions: Vec<ExceptionRow>,
    facts: Vec<FactRow>,
    amendments: BTreeMap<EventRef, AmendmentRow>,
    adjustments: BTreeMap<(u64, u32), Adjustment>,
    figures: BTreeMap<ObjectId, Figures>,
}

impl Expected {
    fn apply(&mut self, changes: &Changes, to: &Checkpoint) {
        self.checkpoint = Some(to.clone());
        self.heads.extend(changes.heads.iter().map(|(name, head)| (name.clone(), head.clone())));
        for (cell, change) in &changes.tallies {
            let value = self.cells.entry(cell.clone()).or_default();
            value.amount += change.amount;
            value.events += change.events;
        }
        self.cells.retain(|_, it| *it != TallyValue::default());
        for (key, row) in &changes.segments {
            let kept = self
                .segments
                .entry(key.clone())
                .or_insert_with(|| SegmentRow { entries: String::new(), ..row.clone() });
            kept.first_position = kept.first_position.min(row.first_position);
            kept.last_position = kept.last_position.max(row.last_position);
            kept.first_day = kept.first_day.min(row.first_day);
            kept.last_day = kept.last_day.max(row.last_day);
            kept.entries.push_str(&row.entries);
        }
        for row in changes.cases.iter().chain(&changes.new_cases) {
            let events = self.cases.get(&row.id).map_or("", |it| it.events.as_str()).to_owned();
            let row = CaseRow { events: events + &row.events, ..row.clone() };
            self.cases.insert(row.id.clone(), row);
        }
        for ((window, day), row) in &changes.day_closes {
            self.day_closes
                .entry((window.to_string(), *day))
                .and_modify(|it| it.tally = row.tally)
                .or_insert_with(|| row.clone());
        }
        self.exceptions.extend(changes.exceptions.iter().cloned());
        for it in &changes.settled {
            for row in self.exceptions.iter_mut().filter(|row| it.settles(row)) {
                row.settled = row.settled.or(Some(it.by));
            }
        }
        self.facts.extend(changes.facts.iter().cloned());
        for (original, row) in &changes.amendments {
            self.amendments.insert(original.clone(), row.clone());
        }
        for (place, adjustment) in &changes.adjustments {
            self.adjustments
                .entry((adjustment.position, *place))
                .or_insert_with(|| adjustment.clone());
        }
        for row in &changes.figures {
            self.figures.insert(row.issue.clone(), row.figures.clone());
        }
    }

    fn heads(&self) -> Vec<(Stream, Head)> {
        self.heads.iter().map(|(name, it)| (name.parse().expect("a line"), it.clone())).collect()
    }
}

// --- Small things ---

/// The hall of most cases.
///
/// # Panics
///
/// Never: the code is valid.
#[must_use]
pub fn hall() -> HallCode {
    HALL.parse().expect("a hall code")
}

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn object(text: &str) -> ObjectId {
    text.parse().expect("an id")
}

fn event(text: &str) -> EventRef {
    text.parse().expect("an event")
}

fn whole(size: usize) -> Pages {
    Pages { size, restarts: false }
}

/// A query for nothing but the checkpoint.
fn nothing() -> SnapshotQuery {
    SnapshotQuery {
        first: date("1900-01-01"),
        last: date("1900-01-01"),
        after: None,
        adjustments_after: None,
        issues: vec![],
        segments: false,
        facts: false,
    }
}

/// A query for everything there is.
fn everything() -> SnapshotQuery {
    SnapshotQuery {
        first: date("1900-01-01"),
        last: date("2100-12-31"),
        after: Some(0),
        adjustments_after: Some(0),
        issues: ["i5", "i6", "none"].map(object).to_vec(),
        segments: true,
        facts: true,
    }
}

/// All rows of all tables, table by table, read in pages of `limit`.
pub async fn dump(store: &dyn ReadModels, hall: &HallCode, limit: u32) -> Vec<String> {
    let mut lines = Vec::new();
    for table in TABLES {
        let mut after: Option<String> = None;
        loop {
            let page = store.dump(hall, table, after.as_deref(), limit).await.expect("dumped");
            assert!(page.len() <= limit as usize, "{table}: more rows than asked for");
            let full = page.len() == limit as usize;
            for (key, columns) in &page {
                assert!(after.as_deref() != Some(key), "{table}: `{key}` comes twice");
                assert!(!columns.contains('\n'), "{table}: a row is one line, not {columns}");
                lines.push(format!("{table}\t{key}\t{columns}"));
            }
            after = page.into_iter().next_back().map(|(key, _)| key);
            if !full {
                break;
            }
        }
    }
    lines
}

/// The same rows in two dumps, with the first difference in the message.
fn assert_same_rows(left: &[String], right: &[String], what: &str) {
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left, right, "{what}");
    }
    assert_eq!(left.len(), right.len(), "{what}: rows are missing");
}

/// A projector that commits what a case gives it.
struct Writer<'a> {
    store: &'a dyn ReadModels,
    hall: HallCode,
    epoch: Epoch,
    at: u64,
}

impl<'a> Writer<'a> {
    async fn claim(store: &'a dyn ReadModels) -> Self {
        let hall = hall();
        let epoch = store.claim(&hall).await.expect("claimed");
        let at = store.checkpoint(&hall).await.expect("read").map_or(0, |it| it.sequence);
        Self { store, hall, epoch, at }
    }

    async fn try_commit(&self, from: u64, to: u64, changes: &Changes) -> Result<(), StoreError> {
        let to = checkpoint_at(to);
        let page = self.store.prepare(&self.hall, changes.clone());
        page.commit(Commit { epoch: self.epoch, from, to: &to }).await
    }

    async fn commit(&mut self, to: u64, changes: &Changes) {
        self.try_commit(self.at, to, changes).await.expect("committed");
        self.at = to;
    }
}

fn checkpoint_at(sequence: u64) -> Checkpoint {
    Checkpoint {
        incarnation: INCARNATION.to_owned(),
        sequence,
        hash: Digest::new([u8::try_from(sequence % 251).expect("a byte"); 32]),
        counts: Counts { stored: sequence, counted: sequence, ..Counts::default() },
    }
}

fn exception(position: u64, number: u64) -> ExceptionRow {
    ExceptionRow {
        position,
        stream: "terminal.t01".to_owned(),
        number,
        standing: Standing::Flagged,
        code: Code::NotAuthorised,
        detail: format!("at {position}"),
        settled: None,
    }
}

fn fact(position: u64, stream: &str, number: u64) -> FactRow {
    FactRow {
        position,
        stream: stream.parse().expect("a line"),
        number,
        kind: "cn.zhoubao.Test.v1".to_owned(),
        occurred_at: time("2023-02-06T01:02:03.000000004Z"),
        recorded_at: time("2023-02-06T01:02:04Z"),
        actor: None,
        command: None,
        counted: true,
        digest: Digest::new([5; 32]),
        body: "{}".to_owned(),
    }
}

fn head(number: u64, position: u64) -> Head {
    Head {
        number,
        hash: Digest::new([6; 32]),
        position,
        recorded_at: time("2023-02-06T09:10:11.123456+08:00"),
    }
}

fn cell(day: &str, kind: Kind) -> TallyCell {
    TallyCell { day: date(day), window: "w01".to_owned(), department: "-".to_owned(), kind }
}

fn entry(number: u64, position: u64, sign: i8, amount: u32) -> Entry {
    Entry {
        number,
        position,
        occurred_at: time("2023-02-06T09:00:00+08:00"),
        act: Some(Act {
            kind: Kind::Consulted,
            amount,
            department: None,
            matter: None,
            case: None,
        }),
        window: "w01".parse().ok(),
        sign,
        code: None,
        amends: None,
    }
}

fn segment(stream: &str, entries: &[Entry]) -> ((String, u64), SegmentRow) {
    let number = entries.first().expect("an entry").number;
    let mut text = String::new();
    for entry in entries {
        entry.write(&mut text);
    }
    let positions = || entries.iter().map(|it| it.position);
    let days = || entries.iter().map(Entry::day);
    let row = SegmentRow {
        stream: stream.to_owned(),
        segment: (number - 1) / SEGMENT_NUMBERS,
        first_position: positions().min().expect("an entry"),
        last_position: positions().max().expect("an entry"),
        first_day: days().min().expect("an entry"),
        last_day: days().max().expect("an entry"),
        entries: text,
    };
    ((row.stream.clone(), row.segment), row)
}

fn figures(amount: i64, parts: &[&str]) -> Figures {
    parts
        .iter()
        .map(|part| {
            let key = FigureKey {
                definition: "consulted".to_owned(),
                span: Span::Week,
                partition: Partition::Window,
                part: (*part).to_owned(),
            };
            (key, Figure { amount, events: 1 })
        })
        .collect()
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

// --- The cases ---

/// A hall that nobody has projected yet is empty, not an error.
pub async fn given_an_empty_store_when_read_then_everything_is_empty(stores: &impl StoreFactory) {
    let store = stores.fresh().await;
    let hall = hall();
    assert_eq!(store.checkpoint(&hall).await.expect("read"), None);
    let seed = store.seed(&hall).await.expect("read");
    assert_eq!(seed, Seed { checkpoint: None, facts: vec![], heads: vec![] });
    let needs = Needs {
        cases: vec!["川1".parse().expect("a case")],
        originals: vec![event("terminal.t01#1")],
        ..Needs::default()
    };
    let found = store.lookup(&hall, &needs).await.expect("read");
    assert!(found.cases.is_empty() && found.originals.is_empty() && found.hashes.is_empty());
    let asked = [("terminal.t01".parse().expect("a line"), 1), (Stream::Issues, 2)];
    assert_eq!(store.positions(&hall, &asked).await.expect("read"), [None, None]);
    assert!(store.positions(&hall, &[]).await.expect("read").is_empty());
    let snapshot = store.snapshot(&hall, &everything()).await.expect("read");
    let empty = Snapshot {
        checkpoint: None,
        cells: BTreeMap::new(),
        segments: vec![],
        figures: BTreeMap::new(),
        adjustments: vec![],
        day_closes: vec![],
        facts: vec![],
    };
    assert_eq!(snapshot, empty);
    assert!(store.heads(&hall, "").await.expect("read").is_empty());
    assert!(store.exceptions(&hall, false).await.expect("read").is_empty());
    assert_eq!(store.case(&hall, &needs.cases[0]).await.expect("read"), None);
    assert_eq!(store.command(&hall, "k").await.expect("read"), None);
    store.claim(&hall).await.expect("claimed");
    assert_eq!(store.checkpoint(&hall).await.expect("read"), None, "a claim is no checkpoint");
}

/// Whoever has not claimed the hall writes nothing.
pub async fn given_no_claim_when_committing_then_it_is_fenced(stores: &impl StoreFactory) {
    let store = stores.fresh().await;
    for epoch in [0, 1] {
        let writer = Writer { store: &*store, hall: hall(), epoch: Epoch(epoch), at: 0 };
        let refused = writer.try_commit(0, 1, &Changes::default()).await;
        assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    }
    assert_eq!(store.checkpoint(&hall()).await.expect("read"), None);
}

/// A later claim, by whatever handle, fences all earlier ones.
pub async fn given_a_claim_when_another_claims_then_the_first_writes_nothing_more(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut first = Writer::claim(&*store).await;
    let changes = Changes { exceptions: vec![exception(1, 1)], ..Changes::default() };
    first.commit(1, &changes).await;
    let other = stores.reopen().await;
    let mut second = Writer::claim(&*other).await;
    assert!(second.epoch > first.epoch);
    assert_eq!(second.at, 1, "the other handle sees what was committed");
    let before = dump(&*store, &first.hall, 100).await;
    let changes = Changes { exceptions: vec![exception(2, 2)], ..Changes::default() };
    let refused = first.try_commit(1, 2, &changes).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert_same_rows(
        &before,
        &dump(&*store, &first.hall, 100).await,
        "a fenced commit writes nothing",
    );
    second.commit(2, &changes).await;
    let refused = first.try_commit(2, 3, &Changes::default()).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
}

/// A commit names the checkpoint that it was folded from.
pub async fn given_a_wrong_checkpoint_when_committing_then_nothing_is_written(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let changes = Changes { exceptions: vec![exception(1, 1)], ..Changes::default() };
    let refused = writer.try_commit(3, 4, &changes).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "before the first commit: {refused:?}");
    writer.commit(5, &changes).await;
    let before = dump(&*store, &writer.hall, 100).await;
    for from in [0, 4, 6] {
        let changes = Changes { exceptions: vec![exception(7, 1)], ..Changes::default() };
        let refused = writer.try_commit(from, 7, &changes).await;
        assert!(matches!(refused, Err(StoreError::Fenced)), "from {from}: {refused:?}");
    }
    assert_same_rows(&before, &dump(&*store, &writer.hall, 100).await, "nothing is written");
    writer.commit(7, &Changes::default()).await;
}

/// After a lost answer the checkpoint tells whether the commit happened.
pub async fn given_a_commit_when_it_is_repeated_then_it_is_fenced_and_the_checkpoint_tells(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let cells = BTreeMap::from([(
        cell("2023-02-06", Kind::Consulted),
        TallyValue { amount: 3, events: 1 },
    )]);
    let changes = Changes { tallies: cells.clone(), ..Changes::default() };
    writer.commit(9, &changes).await;
    let repeated = writer.try_commit(0, 9, &changes).await;
    assert!(matches!(repeated, Err(StoreError::Fenced)), "{repeated:?}");
    let checkpoint = store.checkpoint(&writer.hall).await.expect("read");
    assert_eq!(checkpoint, Some(checkpoint_at(9)));
    let snapshot = store.snapshot(&writer.hall, &everything()).await.expect("read");
    assert_eq!(snapshot.cells, cells, "added once");
}

/// Two commits of one claim from one checkpoint: one happens, the other is fenced.
pub async fn given_two_racing_commits_when_both_run_then_exactly_one_wins(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let other = stores.reopen().await;
    let writer = Writer::claim(&*store).await;
    let rival = Writer { store: &*other, hall: writer.hall.clone(), epoch: writer.epoch, at: 0 };
    for round in 0..20 {
        let changes = Changes { exceptions: vec![exception(round + 1, 1)], ..Changes::default() };
        let (one, two) = in_time("two commits", async {
            tokio::join!(
                writer.try_commit(round, round + 1, &changes),
                rival.try_commit(round, round + 1, &changes),
            )
        })
        .await;
        let fenced = |it: &Result<(), StoreError>| matches!(it, Err(StoreError::Fenced));
        let one_wins = (one.is_ok() && fenced(&two)) || (two.is_ok() && fenced(&one));
        assert!(one_wins, "round {round}: {one:?} and {two:?}");
    }
    assert_eq!(store.exceptions(&writer.hall, false).await.expect("read").len(), 20);
}

/// Heads, sums, segments and cases are written before the facts; two facts at one position cannot be.
pub async fn given_an_error_late_in_a_commit_when_it_fails_then_nothing_of_it_is_there(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let history = History::typical(&hall, 11, 200);
    project(&*store, &history, whole(100)).await;
    let before = dump(&*store, &hall, 500).await;
    let mut writer = Writer::claim(&*store).await;
    let (at, next) = (writer.at, writer.at + 1);
    let case: CaseId = "川2023-99999".parse().expect("a case");
    let changes = Changes {
        heads: BTreeMap::from([("terminal.t01".to_owned(), head(9999, next))]),
        tallies: BTreeMap::from([(
            cell("2023-02-06", Kind::Issued),
            TallyValue { amount: 5, events: 5 },
        )]),
        segments: BTreeMap::from([segment("terminal.t01", &[entry(1, next, 1, 4)])]),
        cases: vec![CaseRow {
            id: case.clone(),
            case: Case::default(),
            events: "terminal.t01#1 ".to_owned(),
        }],
        exceptions: vec![exception(next, 3)],
        facts: vec![fact(next, "issues", 900), fact(next, "issues", 901)],
        ..Changes::default()
    };
    let refused = writer.try_commit(at, next, &changes).await;
    assert!(matches!(&refused, Err(it) if !matches!(it, StoreError::Fenced)), "{refused:?}");
    assert_same_rows(&before, &dump(&*store, &hall, 500).await, "a failed commit writes nothing");
    let sound = Changes { facts: vec![fact(next, "issues", 900)], ..changes };
    writer.commit(next, &sound).await;
    assert!(store.case(&hall, &case).await.expect("read").is_some(), "the store is in order again");
}

/// A page of repeats changes nothing but the checkpoint.
pub async fn given_only_repeats_when_committed_then_the_checkpoint_moves_alone(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    writer.commit(4, &Changes::default()).await;
    writer.commit(5, &Changes::default()).await;
    assert_eq!(store.checkpoint(&writer.hall).await.expect("read"), Some(checkpoint_at(5)));
    let lines = dump(&*store, &writer.hall, 100).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// What is read is what was committed, table by table.
pub async fn given_a_history_when_read_then_all_rows_are_what_was_committed(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let history = History::typical(&hall, 1, 900);
    let expected = project(&*store, &history, whole(50)).await;
    // The history is worth its name.
    let counts = expected.checkpoint.as_ref().expect("a checkpoint").counts;
    for (what, count) in [
        ("counted", counts.counted),
        ("flagged", counts.flagged),
        ("quarantined", counts.quarantined),
        ("held", counts.held),
        ("repeated", counts.repeated),
        ("settled", expected.exceptions.iter().filter(|it| it.settled.is_some()).count() as u64),
        ("amended", expected.amendments.len() as u64),
        ("adjustments", expected.adjustments.len() as u64),
        ("figures", expected.figures.len() as u64),
        ("day closes", expected.day_closes.len() as u64),
    ] {
        assert!(count > 1, "the history has no {what}");
    }

    assert_eq!(store.checkpoint(&hall).await.expect("read"), expected.checkpoint);
    assert_eq!(store.heads(&hall, "").await.expect("read"), expected.heads());
    let snapshot = store.snapshot(&hall, &everything()).await.expect("read");
    assert_eq!(snapshot.checkpoint, expected.checkpoint);
    assert_eq!(snapshot.cells, expected.cells);
    let segments: BTreeMap<_, _> =
        snapshot.segments.into_iter().map(|it| ((it.stream.clone(), it.segment), it)).collect();
    assert_eq!(segments, expected.segments);
    assert_eq!(snapshot.figures, expected.figures);
    let adjustments: Vec<_> = expected.adjustments.values().cloned().collect();
    assert_eq!(snapshot.adjustments, adjustments);
    let closes: BTreeMap<_, _> =
        snapshot.day_closes.into_iter().map(|it| ((it.window.to_string(), it.day), it)).collect();
    assert_eq!(closes, expected.day_closes);
    let of_windows = |it: &FactRow| matches!(it.stream, Stream::Terminal(_));
    let facts: Vec<_> = expected.facts.iter().filter(|it| !of_windows(it)).cloned().collect();
    assert!(expected.facts.iter().any(of_windows));
    assert_eq!(snapshot.facts, facts);
    assert_eq!(store.exceptions(&hall, false).await.expect("read"), expected.exceptions);
    let open: Vec<_> =
        expected.exceptions.iter().filter(|it| it.settled.is_none()).cloned().collect();
    assert_eq!(store.exceptions(&hall, true).await.expect("read"), open);
    let lines: BTreeSet<&str> = open.iter().map(|it| it.stream.as_str()).collect();
    for line in lines {
        let of_line: Vec<_> = open.iter().filter(|it| it.stream == line).cloned().collect();
        let Ok(line) = line.parse() else { continue };
        assert_eq!(store.open_exceptions_of(&hall, &line).await.expect("read"), of_line);
    }
    // Under every third number, and one of which nothing was said.
    let named = expected.exceptions.iter().step_by(3);
    let named = named.filter_map(|it| Some((it.stream.parse().ok()?, it.number)));
    let asked: Vec<(Stream, u64)> = named.chain([(Stream::Issues, 9_999)]).collect();
    let mut under = expected.exceptions.clone();
    under.retain(|it| {
        asked.iter().any(|of| (of.0.to_string(), of.1) == (it.stream.clone(), it.number))
    });
    assert!(!under.is_empty() && under.len() < expected.exceptions.len());
    assert_eq!(store.exceptions_of(&hall, &asked).await.expect("read"), under);
    assert_eq!(store.exceptions_of(&hall, &[]).await.expect("read"), []);
    for (id, row) in &expected.cases {
        assert_eq!(store.case(&hall, id).await.expect("read").as_ref(), Some(row));
    }
}

/// Rows do not depend on where the journal was cut into pages.
pub async fn given_a_history_when_cut_into_other_pages_then_all_rows_are_equal(
    stores: &impl StoreFactory,
) {
    let hall = hall();
    let history = History::typical(&hall, 2, 700);
    let mut first: Option<Vec<String>> = None;
    for size in [10_000, 1, 7, 100] {
        let store = stores.fresh().await;
        project(&*store, &history, whole(size)).await;
        let lines = dump(&*store, &hall, 500).await;
        for table in TABLES {
            assert!(
                lines.iter().any(|it| it.starts_with(&format!("{table}\t"))),
                "{table} is empty"
            );
        }
        match &first {
            None => first = Some(lines),
            Some(first) => assert_same_rows(first, &lines, &format!("pages of {size}")),
        }
    }
}

/// A person lets #3 in although #2 is missing. When #2 comes after all, twice, each is an exception of its own.
pub async fn given_a_number_that_was_given_up_when_it_comes_twice_then_pages_do_not_matter(
    stores: &impl StoreFactory,
) {
    let hall = hall();
    let mut history = History::new(&hall, 5);
    history.set_up();
    let (line, at) = (event("terminal.t01#1").stream, time("2023-02-06T09:10:00+08:00"));
    let consulted = |history: &mut History| {
        let act =
            Act { kind: Kind::Consulted, amount: 1, department: None, matter: None, case: None };
        history.event(&line, at, "clerk", Event::Act(act));
        history.stored.pop().expect("an event").message
    };
    let [first, second, third] = [(); 3].map(|()| consulted(&mut history));
    history.push(first, at);
    history.push(third, at);
    let released = Event::Released {
        original: event("terminal.t01#3"),
        position: Some(history.position()),
        reason: "核实".to_owned(),
    };
    history.event(&Stream::Quarantine, at, "office", released);
    history.push(second.clone(), at);
    history.push(second, at);
    let mut dumps = vec![];
    for size in [10_000, 1] {
        let store = stores.fresh().await;
        project(&*store, &history, whole(size)).await;
        let counts = store.checkpoint(&hall).await.expect("read").expect("folded").counts;
        assert_eq!((counts.quarantined, counts.repeated), (2, 0), "pages of {size}");
        dumps.push(dump(&*store, &hall, 500).await);
    }
    assert_same_rows(&dumps[0], &dumps[1], "pages of 1");
}

/// Rows do not depend on what the projector has in memory.
pub async fn given_a_history_when_the_projector_restarts_then_all_rows_are_equal(
    stores: &impl StoreFactory,
) {
    let hall = hall();
    let history = History::typical(&hall, 3, 700);
    let store = stores.fresh().await;
    project(&*store, &history, whole(10_000)).await;
    let first = dump(&*store, &hall, 500).await;
    for size in [13, 60] {
        let store = stores.fresh().await;
        project(&*store, &history, Pages { size, restarts: true }).await;
        let lines = dump(&*store, &hall, 500).await;
        assert_same_rows(&first, &lines, &format!("restarts after every {size}"));
    }
}

/// What is committed is there for whoever opens the store next, and the projector goes on.
pub async fn given_a_history_when_reopened_then_nothing_is_missing(stores: &impl StoreFactory) {
    let hall = hall();
    let history = History::typical(&hall, 4, 300);
    let mut half = history.clone();
    half.stored.truncate(history.stored.len() / 2);
    let store = stores.fresh().await;
    project(&*store, &half, whole(40)).await;
    let before = dump(&*store, &hall, 100).await;
    drop(store);
    let store = stores.reopen().await;
    assert_same_rows(&before, &dump(&*store, &hall, 100).await, "after reopening");
    project(&*store, &history, whole(40)).await;
    let gone_on = dump(&*store, &hall, 100).await;
    let store = stores.fresh().await;
    project(&*store, &history, whole(40)).await;
    assert_same_rows(&dump(&*store, &hall, 100).await, &gone_on, "after going on");
}

/// A projector starts from what evolves its state, and from all heads.
pub async fn given_facts_when_seeded_then_the_lines_of_the_desk_are_left_out(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let history = History::typical(&hall, 5, 500);
    let expected = project(&*store, &history, whole(100)).await;
    let seed = store.seed(&hall).await.expect("seeded");
    assert_eq!(seed.checkpoint, expected.checkpoint);
    let heads: BTreeMap<_, _> = seed.heads.into_iter().collect();
    assert_eq!(heads, expected.heads().into_iter().collect());
    let wanted = |it: &&FactRow| match it.stream {
        Stream::Setup(..) | Stream::Authorization(_) | Stream::Issues | Stream::Terminal(_) => true,
        Stream::Desk(..) | Stream::Quarantine | Stream::Audit => false,
    };
    let facts: Vec<_> = expected.facts.iter().filter(wanted).cloned().collect();
    assert!(facts.len() < expected.facts.len());
    assert_eq!(seed.facts, facts);
}

/// Cases come back as they stand; unknown ones and repeated questions are no error.
pub async fn given_cases_when_looked_up_then_only_known_ones_are_found(stores: &impl StoreFactory) {
    let store = stores.fresh().await;
    let hall = hall();
    let expected = project(&*store, &History::typical(&hall, 6, 800), whole(90)).await;
    let mut cases: Vec<CaseId> = expected.cases.keys().cloned().collect();
    cases.push("未知-1".parse().expect("a case"));
    cases.push(cases[0].clone());
    let needs = Needs { cases, ..Needs::default() };
    let found = store.lookup(&hall, &needs).await.expect("looked up");
    let found: BTreeMap<CaseId, Case> = found.cases.into_iter().collect();
    let known = expected.cases.iter().map(|(id, it)| (id.clone(), it.case.clone())).collect();
    assert_eq!(found, known);
}

/// An original is found with the effect it had and the effect it has; a correction is no original.
pub async fn given_amended_originals_when_looked_up_then_both_effects_are_found(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let expected = project(&*store, &History::typical(&hall, 7, 900), whole(90)).await;
    let mut known = BTreeMap::new();
    let mut asked = Vec::new();
    for row in expected.segments.values() {
        for entry in recount::entries(row) {
            let entry = entry.expect("an entry");
            let stream = row.stream.parse().expect("a line");
            let original = EventRef { stream, number: entry.number };
            asked.push(original.clone());
            if entry.amends.is_none() {
                known.entry(original).or_insert(entry);
            }
        }
    }
    assert!(
        known.len() < asked.iter().collect::<BTreeSet<_>>().len(),
        "corrections are among them"
    );
    asked.extend(["terminal.t01#999999", "terminal.t77#1", "issues#1"].map(event));
    let needs = Needs { originals: asked, ..Needs::default() };
    let found = store.lookup(&hall, &needs).await.expect("looked up");
    let found: BTreeMap<_, _> = found.originals.into_iter().collect();
    assert_eq!(found.len(), known.len());
    for (original, entry) in known {
        let it = &found[&original];
        assert_eq!(it.entry, entry, "{original}");
        let current = expected.amendments.get(&original).map(|it| &it.current);
        assert_eq!(it.current.as_ref(), current, "{original}");
    }
}

/// Every number that a line has taken is found: acts, corrections, facts, and what could not be read.
pub async fn given_numbers_of_any_line_when_asked_then_their_first_position_is_told(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let history = History::typical(&hall, 8, 900);
    let expected = project(&*store, &history, whole(90)).await;
    let mut first: BTreeMap<(Stream, u64), u64> = BTreeMap::new();
    for row in expected.segments.values() {
        for entry in recount::entries(row) {
            let entry = entry.expect("an entry");
            let stream: Stream = row.stream.parse().expect("a line");
            first.entry((stream, entry.number)).or_insert(entry.position);
        }
    }
    for fact in &expected.facts {
        first.entry((fact.stream.clone(), fact.number)).or_insert(fact.position);
    }
    for (stream, head) in expected.heads() {
        for number in 1..=head.number {
            assert!(first.contains_key(&(stream.clone(), number)), "{stream}#{number} is nowhere");
        }
    }
    let mut asked: Vec<_> = first.keys().cloned().collect();
    asked.reverse();
    asked.push((Stream::Audit, 1));
    asked.push(asked[0].clone());
    let answers = store.positions(&hall, &asked).await.expect("answered");
    assert_eq!(answers.len(), asked.len());
    for (asked, answer) in asked.iter().zip(answers) {
        assert_eq!(answer, first.get(asked).copied(), "{}#{}", asked.0, asked.1);
    }
}

/// The sums are those of the record, for any days.
pub async fn given_a_history_when_snapped_then_the_sums_are_those_of_the_record(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let expected = project(&*store, &History::typical(&hall, 9, 800), whole(90)).await;
    for (first, last) in [
        ("2023-02-06", "2023-02-10"),
        ("2023-02-07", "2023-02-07"),
        ("2023-01-01", "2023-12-31"),
        ("2022-01-01", "2022-12-31"),
    ] {
        let (first, last) = (date(first), date(last));
        let query = SnapshotQuery { first, last, segments: true, ..nothing() };
        let snapshot = store.snapshot(&hall, &query).await.expect("read");
        let sums = recount::recount(&snapshot.segments, first, last, u64::MAX).expect("entries");
        assert_eq!(snapshot.cells, sums, "{first} to {last}");
        let closes: BTreeSet<_> = snapshot.day_closes.iter().map(|it| it.day).collect();
        assert!(closes.iter().all(|day| (first..=last).contains(day)));
        let within = expected.day_closes.values().filter(|it| (first..=last).contains(&it.day));
        assert_eq!(snapshot.day_closes.len(), within.count());
        let touching = |it: &&SegmentRow| it.last_day >= first && it.first_day <= last;
        assert_eq!(snapshot.segments.len(), expected.segments.values().filter(touching).count());
        assert!(
            snapshot.facts.is_empty()
                && snapshot.figures.is_empty()
                && snapshot.adjustments.is_empty()
        );
    }
}

/// With a position, segments with later entries are there whatever their days, `segments` or not.
pub async fn given_a_position_when_snapped_then_later_segments_are_in_it(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let history = History::typical(&hall, 10, 2_000);
    let expected = project(&*store, &history, whole(90)).await;
    let key = |it: &SegmentRow| (it.stream.clone(), it.segment);
    let segments = || expected.segments.values();
    let pairs =
        || segments().zip(segments().skip(1)).filter(|(one, next)| one.stream == next.stream);
    // Where a line begins a row.
    let border = pairs().next().expect("a long line").1.first_position - 1;
    for cut in [0, history.position() / 2, border, history.position() - 5, history.position()] {
        let query = SnapshotQuery { after: Some(cut), adjustments_after: Some(cut), ..nothing() };
        let snapshot = store.snapshot(&hall, &query).await.expect("read");
        let found: BTreeSet<_> = snapshot.segments.iter().map(key).collect();
        let mut asked: BTreeSet<_> =
            segments().filter(|it| it.last_position > cut).map(key).collect();
        // And where a line had its head.
        let heads = pairs().filter(|(_, next)| next.first_position > cut);
        asked.extend(heads.map(|(one, _)| key(one)));
        assert_eq!(found, asked, "after {cut}");
        let later = expected.adjustments.values().filter(|it| it.position > cut);
        assert_eq!(snapshot.adjustments, later.cloned().collect::<Vec<_>>(), "after {cut}");
        // Sums of now, less what came after the cut, are the sums at the cut.
        let (first, last) = (date("2023-02-06"), date("2023-02-10"));
        let query = SnapshotQuery { first, last, segments: true, after: Some(cut), ..nothing() };
        let snapshot = store.snapshot(&hall, &query).await.expect("read");
        let then = recount::recount(&snapshot.segments, first, last, cut).expect("entries");
        let mut rewound =
            recount::rewind(snapshot.cells, &snapshot.segments, cut).expect("entries");
        rewound.retain(|it, _| (first..=last).contains(&it.day));
        assert_eq!(rewound, then, "at {cut}");
    }
    let snapshot = store.snapshot(&hall, &nothing()).await.expect("read");
    assert!(
        snapshot.segments.is_empty()
            && snapshot.cells.is_empty()
            && snapshot.adjustments.is_empty()
    );
    assert_eq!(snapshot.checkpoint, expected.checkpoint);
}

/// Checkpoint, sums and record of one snapshot belong together although the projector goes on meanwhile.
pub async fn given_running_commits_when_snapped_then_each_snapshot_is_of_one_moment(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let history = History::typical(&hall, 12, 900);
    let finished = Arc::new(AtomicBool::new(false));
    let projecting = {
        let (store, history, finished) = (store.clone(), history.clone(), finished.clone());
        tokio::spawn(async move {
            project(&*store, &history, whole(5)).await;
            finished.store(true, Ordering::Release);
        })
    };
    let mut moments = BTreeSet::new();
    in_time("a projection that is read meanwhile", async {
        loop {
            let last_round = finished.load(Ordering::Acquire);
            let snapshot = store.snapshot(&hall, &everything()).await.expect("read");
            let sums = recount::recount(
                &snapshot.segments,
                everything().first,
                everything().last,
                u64::MAX,
            );
            assert_eq!(snapshot.cells, sums.expect("entries"));
            let reached = snapshot.checkpoint.as_ref().map_or(0, |it| it.sequence);
            let last = snapshot.segments.iter().map(|it| it.last_position).max().unwrap_or(0);
            let last = last.max(snapshot.facts.last().map_or(0, |it| it.position));
            assert!(last <= reached, "rows of {last} with the checkpoint {reached}");
            moments.insert(reached);
            if last_round || projecting.is_finished() {
                break;
            }
        }
    })
    .await;
    projecting.await.expect("projected");
    assert!(!moments.is_empty());
}

/// Readers that never rest do not keep the projector from writing.
pub async fn given_busy_readers_when_committing_then_the_writer_gets_through(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let history = History::typical(&hall, 13, 400);
    let finished = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (store, hall, finished) = (store.clone(), hall.clone(), finished.clone());
            tokio::spawn(async move {
                while !finished.load(Ordering::Acquire) {
                    store.snapshot(&hall, &everything()).await.expect("read");
                    store.exceptions(&hall, true).await.expect("read");
                }
            })
        })
        .collect();
    in_time("a projection beside busy readers", project(&*store, &history, whole(10))).await;
    finished.store(true, Ordering::Release);
    for reader in readers {
        reader.await.expect("read to the end");
    }
    let checkpoint = store.checkpoint(&hall).await.expect("read").expect("a checkpoint");
    assert_eq!(checkpoint.sequence, history.position());
}

/// What settles an event settles what was wrong with it before, once, and nothing that comes after.
pub async fn given_exceptions_when_settled_then_only_earlier_ones_are(stores: &impl StoreFactory) {
    let settled = |rows: &[ExceptionRow]| -> Vec<(u64, Option<u64>)> {
        rows.iter().map(|it| (it.position, it.settled)).collect()
    };
    let by =
        |number, by| Settlement { stream: "terminal.t01".to_owned(), number, by, message: None };
    // The same in one commit and in four.
    let rows = [exception(5, 3), exception(6, 4), exception(9, 3), exception(12, 3)];
    let expected = [(5, Some(10)), (6, None), (9, Some(10)), (12, Some(20))];
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let changes = Changes {
        exceptions: rows.to_vec(),
        settled: vec![by(3, 20), by(3, 10), by(3, 11)],
        ..Changes::default()
    };
    writer.commit(20, &changes).await;
    let found = store.exceptions(&writer.hall, false).await.expect("read");
    assert_eq!(settled(&found), expected);

    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let first = Changes { exceptions: rows[..3].to_vec(), ..Changes::default() };
    writer.commit(9, &first).await;
    let open = store.exceptions(&writer.hall, true).await.expect("read");
    assert_eq!(open, rows[..3]);
    let second = Changes { settled: vec![by(3, 10)], ..Changes::default() };
    writer.commit(10, &second).await;
    let third = Changes {
        exceptions: vec![rows[3].clone()],
        settled: vec![by(3, 11)],
        ..Changes::default()
    };
    writer.commit(12, &third).await;
    let fourth = Changes { settled: vec![by(3, 20), by(99, 20)], ..Changes::default() };
    writer.commit(20, &fourth).await;
    let found = store.exceptions(&writer.hall, false).await.expect("read");
    assert_eq!(settled(&found), expected);
    let open = store.exceptions(&writer.hall, true).await.expect("read");
    assert_eq!(settled(&open), [(6, None)]);

    // Of one message only.
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let one = Settlement { message: Some(9), ..by(3, 20) };
    let changes = Changes {
        exceptions: rows[..3].to_vec(),
        settled: vec![one, Settlement { message: Some(7), ..by(3, 20) }],
        ..Changes::default()
    };
    writer.commit(20, &changes).await;
    let found = store.exceptions(&writer.hall, false).await.expect("read");
    assert_eq!(settled(&found), [(5, None), (6, None), (9, Some(20))]);

    // What is of a message that its line passed over is settled by naming it, and not by what becomes of the event that
    // has the number.
    let positions = 1..;
    let rows =
        positions.zip(Code::ALL).map(|(at, code)| ExceptionRow { code: *code, ..exception(at, 3) });
    let rows: Vec<_> = rows.collect();
    let passed_over: Vec<_> = rows.iter().filter(|it| passes_over(it.code)).cloned().collect();
    let end = rows.len() as u64 + 1;
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let changes = Changes { exceptions: rows, settled: vec![by(3, end)], ..Changes::default() };
    writer.commit(end, &changes).await;
    assert_eq!(store.exceptions(&writer.hall, true).await.expect("read"), passed_over);
    let named = |it: &ExceptionRow| Settlement { message: Some(it.position), ..by(3, end + 1) };
    let settled = passed_over.iter().map(named).collect();
    writer.commit(end + 1, &Changes { settled, ..Changes::default() }).await;
    assert_eq!(store.exceptions(&writer.hall, true).await.expect("read"), []);
}

/// Of two freezes of an issue the second's figures are there, and nothing of the first's.
pub async fn given_a_second_freeze_when_committed_then_its_figures_replace_the_first(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let row = |issue: &str, figures| FiguresRow { issue: object(issue), figures };
    let (first, second) = (figures(3, &["w01", "w02"]), figures(4, &["w02", "w03"]));
    let both = vec![row("i5", first.clone()), row("i6", first.clone())];
    writer.commit(1, &Changes { figures: both, ..Changes::default() }).await;
    let again = vec![row("i5", second.clone())];
    writer.commit(2, &Changes { figures: again, ..Changes::default() }).await;
    let snapshot = store.snapshot(&writer.hall, &everything()).await.expect("read");
    let expected = BTreeMap::from([(object("i5"), second), (object("i6"), first.clone())]);
    assert_eq!(snapshot.figures, expected);
    let query = SnapshotQuery { issues: vec![object("i6")], ..nothing() };
    let snapshot = store.snapshot(&writer.hall, &query).await.expect("read");
    assert_eq!(snapshot.figures, BTreeMap::from([(object("i6"), first)]));
}

/// An adjustment is known by position and place; a second freeze may find it again with another cause.
pub async fn given_an_adjustment_when_it_comes_again_then_the_first_stays(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let adjustment = |position, amount, cause| Adjustment {
        position,
        day: date("2023-02-07"),
        kind: Kind::Consulted,
        amount,
        events: amount.signum(),
        cause,
    };
    let back = adjustment(7, -5, Cause::Correction);
    let adds = adjustment(7, 3, Cause::Correction);
    let late = adjustment(3, 2, Cause::Late);
    let first = vec![(1, adds.clone()), (0, back.clone()), (1, late.clone())];
    writer.commit(8, &Changes { adjustments: first, ..Changes::default() }).await;
    let again = vec![(1, adjustment(7, 3, Cause::Release)), (0, back.clone())];
    writer.commit(9, &Changes { adjustments: again, ..Changes::default() }).await;
    let after = async |position| {
        let query = SnapshotQuery { adjustments_after: Some(position), ..nothing() };
        store.snapshot(&hall(), &query).await.expect("read").adjustments
    };
    assert_eq!(after(0).await, [late, back.clone(), adds.clone()]);
    assert_eq!(after(3).await, [back, adds]);
    assert_eq!(after(7).await, []);
}

/// A sum that is taken back leaves no row, whether in one page or in two.
pub async fn given_a_cell_when_it_sinks_to_zero_then_its_row_is_gone(stores: &impl StoreFactory) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let add = |amount, events| {
        let key = cell("2023-02-06", Kind::Consulted);
        Changes {
            tallies: BTreeMap::from([(key, TallyValue { amount, events })]),
            ..Changes::default()
        }
    };
    let cells = async || {
        let lines = store.dump(&hall(), "tally", None, 10).await.expect("dumped");
        let snapshot = store.snapshot(&hall(), &everything()).await.expect("read");
        assert_eq!(lines.len(), snapshot.cells.len());
        snapshot.cells.into_values().collect::<Vec<_>>()
    };
    writer.commit(1, &add(0, 0)).await;
    assert_eq!(cells().await, []);
    writer.commit(2, &add(5, 1)).await;
    writer.commit(3, &add(-2, 0)).await;
    assert_eq!(cells().await, [TallyValue { amount: 3, events: 1 }]);
    writer.commit(4, &add(-3, -1)).await;
    assert_eq!(cells().await, []);
    // Less than nothing is a row: the sum of the record is whatever it is.
    writer.commit(5, &add(-3, -1)).await;
    assert_eq!(cells().await, [TallyValue { amount: -3, events: -1 }]);
    writer.commit(6, &add(3, 1)).await;
    assert_eq!(cells().await, []);
}

/// The first close makes the day closed, the last one says what the window counted.
pub async fn given_a_day_closed_twice_when_read_then_it_is_the_first_with_the_later_tally(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let close = |position, consulted| {
        let row = DayCloseRow {
            window: "w01".parse().expect("a window"),
            day: date("2023-02-06"),
            tally: Tally { consulted, accepted: 2, issued: 3, transferred: 4 },
            position,
        };
        let key = (row.window.clone(), row.day);
        let changes =
            Changes { day_closes: BTreeMap::from([(key, row.clone())]), ..Changes::default() };
        (row, changes)
    };
    let ((row, first), (later, second)) = (close(1, 1), close(2, 9));
    writer.commit(1, &first).await;
    writer.commit(2, &second).await;
    let snapshot = store.snapshot(&writer.hall, &everything()).await.expect("read");
    assert_eq!(snapshot.day_closes, [DayCloseRow { tally: later.tally, ..row }]);
}

/// Entries are appended in order; bounds only widen.
pub async fn given_a_segment_when_appended_to_then_its_bounds_grow(stores: &impl StoreFactory) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let earlier = Entry { occurred_at: time("2023-01-05T09:00:00+08:00"), ..entry(2, 8, 1, 2) };
    let all = [entry(1, 5, 1, 3), earlier, entry(3, 9, 0, 1)];
    for (at, entry) in [5, 8, 9].into_iter().zip(&all) {
        let segments = BTreeMap::from([segment("terminal.t01", std::slice::from_ref(entry))]);
        writer.commit(at, &Changes { segments, ..Changes::default() }).await;
    }
    let next = entry(SEGMENT_NUMBERS + 1, 10, 1, 1);
    let segments = BTreeMap::from([segment("terminal.t01", std::slice::from_ref(&next))]);
    writer.commit(10, &Changes { segments, ..Changes::default() }).await;
    let mut snapshot = store.snapshot(&writer.hall, &everything()).await.expect("read");
    snapshot.segments.sort_by_key(|it| it.segment);
    let expected = [segment("terminal.t01", &all).1, segment("terminal.t01", &[next]).1];
    assert_eq!(snapshot.segments, expected);
    let january = SnapshotQuery {
        first: date("2023-01-05"),
        last: date("2023-01-05"),
        segments: true,
        ..nothing()
    };
    let snapshot = store.snapshot(&writer.hall, &january).await.expect("read");
    assert_eq!(snapshot.segments, expected[..1]);
}

/// Every row belongs to one hall.
pub async fn given_two_halls_when_both_are_projected_then_they_do_not_mix(
    stores: &impl StoreFactory,
) {
    let (one, two) = (hall(), OTHER_HALL.parse().expect("a hall code"));
    let (first, second) = (History::typical(&one, 14, 300), History::typical(&two, 15, 400));
    let alone = stores.fresh().await;
    project(&*alone, &first, whole(70)).await;
    let expected_one = dump(&*alone, &one, 200).await;
    let alone = stores.fresh().await;
    project(&*alone, &second, whole(70)).await;
    let expected_two = dump(&*alone, &two, 200).await;
    assert!(dump(&*alone, &one, 200).await.is_empty());

    let store = stores.fresh().await;
    let (of_one, of_two) = in_time("two projections at once", async {
        tokio::join!(project(&*store, &first, whole(70)), project(&*store, &second, whole(70)))
    })
    .await;
    assert_same_rows(&expected_one, &dump(&*store, &one, 200).await, "the one");
    assert_same_rows(&expected_two, &dump(&*store, &two, 200).await, "the other");
    let snapshot = store.snapshot(&two, &everything()).await.expect("read");
    assert_eq!(snapshot.cells, of_two.cells);
    assert_eq!(store.heads(&one, "").await.expect("read"), of_one.heads());
    assert_eq!(store.exceptions(&two, false).await.expect("read"), of_two.exceptions);
    store.claim(&one).await.expect("claimed");
    let mut history = second.clone();
    history.acts(date("2023-02-20"), 10);
    let from = second.position();
    let epoch_two = store.claim(&two).await.expect("claimed");
    let to = Checkpoint { sequence: history.position(), ..checkpoint_at(1) };
    let page = store.prepare(&two, Changes::default());
    let commit = Commit { epoch: epoch_two, from, to: &to };
    page.commit(commit).await.expect("a claim of one hall does not fence the other");
}

/// An idempotency key leads to the first position that bears it.
pub async fn given_a_command_when_asked_by_key_then_its_first_position_is_told(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let with = |position, number, key: &str| FactRow {
        command: Some(key.to_owned()),
        ..fact(position, "issues", number)
    };
    let facts = vec![with(4, 1, "k-1"), with(5, 2, "k-2")];
    writer.commit(5, &Changes { facts, ..Changes::default() }).await;
    let facts = vec![with(9, 3, "k-1"), fact(10, "issues", 4)];
    writer.commit(10, &Changes { facts, ..Changes::default() }).await;
    for (key, position) in
        [("k-1", Some(4)), ("k-2", Some(5)), ("k", None), ("K-1", None), ("", None)]
    {
        assert_eq!(store.command(&writer.hall, key).await.expect("read"), position, "{key}");
    }
    let other: HallCode = OTHER_HALL.parse().expect("a hall code");
    assert_eq!(store.command(&other, "k-1").await.expect("read"), None);
}

/// Heads come by the beginning of their names, in the order of bytes; nothing in a prefix is a wildcard.
pub async fn given_heads_when_asked_by_prefix_then_they_come_in_order_of_name(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let names =
        ["issues", "setup.user.u1", "terminal.T1", "terminal.a_1", "terminal.ab1", "terminal.b-1"];
    let heads: BTreeMap<String, Head> =
        names.iter().zip(1..).map(|(name, at)| ((*name).to_owned(), head(at, at))).collect();
    writer.commit(6, &Changes { heads, ..Changes::default() }).await;
    let moved = BTreeMap::from([("terminal.T1".to_owned(), head(40, 70))]);
    writer.commit(70, &Changes { heads: moved, ..Changes::default() }).await;
    let by = async |prefix: &str| -> Vec<(String, u64)> {
        let heads = store.heads(&hall(), prefix).await.expect("read");
        heads.into_iter().map(|(stream, head)| (stream.to_string(), head.number)).collect()
    };
    let named = |names: &[(&str, u64)]| -> Vec<(String, u64)> {
        names.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
    };
    let terminals = named(&[
        ("terminal.T1", 40),
        ("terminal.a_1", 4),
        ("terminal.ab1", 5),
        ("terminal.b-1", 6),
    ]);
    assert_eq!(by("terminal.").await, terminals);
    assert_eq!(by("terminal.a_").await, named(&[("terminal.a_1", 4)]));
    assert_eq!(by("terminal.T1").await, named(&[("terminal.T1", 40)]));
    assert_eq!(by("%").await, []);
    assert_eq!(by("").await.len(), names.len());
    let heads = store.heads(&hall(), "terminal.T1").await.expect("read");
    assert_eq!(heads[0].1, head(40, 70), "all columns");
}

/// Texts that a careless statement would break.
pub async fn given_awkward_texts_when_committed_then_they_come_back_as_they_were(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let awkward = [
        "'); drop table fact; --",
        "\"quoted\" \\back\\slash \\u0000 \\\\",
        "tab\there\nline\r\nfeed",
        "{\"a\":[1,2,{\"b\":null}]}",
        "川A·12345🙂e\u{301}\u{200b}",
        "\u{1}\u{7f}\u{2028}\u{feff}",
        "null",
        "12345678901234567890.50",
        "{1,2}",
        " leading and trailing ",
        "",
    ];
    let mut changes = Changes::default();
    for (text, position) in awkward.iter().zip(1..) {
        changes
            .exceptions
            .push(ExceptionRow { detail: (*text).to_owned(), ..exception(position, position) });
        changes.facts.push(FactRow {
            body: (*text).to_owned(),
            kind: (*text).to_owned(),
            actor: (position % 2 == 0).then(|| "u-1".to_owned()),
            command: Some(format!("key {text}")),
            counted: position % 2 == 0,
            ..fact(position, "issues", position)
        });
        let name: String =
            text.chars().filter(|it| !it.is_whitespace() && !it.is_control()).collect();
        if let Ok(id) = name.parse::<CaseId>() {
            let case = Case {
                accepted: Some(event("terminal.t01#1")),
                issued: (position % 2 == 0).then(|| event("terminal.t02#18446744073709551")),
                transferred: u32::MAX,
                department: (position % 3 == 0).then(|| "tax".parse().expect("a department")),
            };
            let events = format!("terminal.t01#{position} ");
            changes.cases.push(CaseRow { id, case, events });
        }
    }
    writer.commit(99, &changes).await;
    let exceptions = store.exceptions(&writer.hall, false).await.expect("read");
    assert_eq!(exceptions, changes.exceptions);
    let snapshot = store.snapshot(&writer.hall, &everything()).await.expect("read");
    assert_eq!(snapshot.facts, changes.facts);
    for (text, position) in awkward.iter().zip(1..) {
        let found = store.command(&writer.hall, &format!("key {text}")).await.expect("read");
        assert_eq!(found, Some(position), "{text}");
    }
    let cases = changes.cases.iter().map(|it| it.id.clone()).collect();
    let needs = Needs { cases, ..Needs::default() };
    let found: BTreeMap<_, _> =
        store.lookup(&writer.hall, &needs).await.expect("read").cases.into_iter().collect();
    for row in changes.cases.iter().chain(&changes.new_cases) {
        assert_eq!(store.case(&writer.hall, &row.id).await.expect("read").as_ref(), Some(row));
        assert_eq!(found.get(&row.id), Some(&row.case));
    }
    let lines = dump(&*store, &writer.hall, 2).await;
    assert_eq!(lines.len(), 1 + changes.cases.len() + 2 * awkward.len());
}

/// An event may claim any number of 64 bits; it is held or quarantined, and must not stop the projector.
pub async fn given_a_number_beyond_all_bounds_when_committed_then_it_comes_back(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let numbers = [0, 1, i64::MAX.cast_unsigned(), i64::MAX.cast_unsigned() + 1, u64::MAX];
    let exceptions: Vec<_> = numbers.iter().zip(1..).map(|(it, at)| exception(at, *it)).collect();
    writer.commit(5, &Changes { exceptions: exceptions.clone(), ..Changes::default() }).await;
    assert_eq!(store.exceptions(&writer.hall, false).await.expect("read"), exceptions);
    let terminal: Stream = "terminal.t01".parse().expect("a line");
    let asked: Vec<_> = numbers[1..].iter().map(|it| (terminal.clone(), *it)).collect();
    let positions = store.positions(&writer.hall, &asked).await.expect("answered");
    assert_eq!(positions, [Some(2), Some(3), Some(4), Some(5)], "of what came and was not taken");
    let originals =
        asked.iter().map(|(stream, number)| EventRef { stream: stream.clone(), number: *number });
    let needs = Needs { originals: originals.collect(), ..Needs::default() };
    let found = store.lookup(&writer.hall, &needs).await.expect("looked up");
    assert!(found.originals.is_empty());
    let stream = "terminal.t01".to_owned();
    let settled = vec![Settlement { stream, number: u64::MAX, by: 9, message: None }];
    writer.commit(9, &Changes { settled, ..Changes::default() }).await;
    let rows = store.exceptions(&writer.hall, false).await.expect("read");
    assert_eq!(rows[4].settled, Some(9));
    assert_eq!(dump(&*store, &writer.hall, 2).await.len(), 1 + numbers.len());
}

/// A detail quotes what an event said, and an attribute may say NUL; a store that cannot keep it keeps another
/// character.
pub async fn given_a_detail_with_a_nul_when_committed_then_it_stops_nothing(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let mut writer = Writer::claim(&*store).await;
    let row = ExceptionRow { detail: "a\u{0}b".to_owned(), ..exception(1, 1) };
    writer.commit(1, &Changes { exceptions: vec![row], ..Changes::default() }).await;
    let rows = store.exceptions(&writer.hall, false).await.expect("read");
    assert!(
        rows[0].detail.starts_with('a') && rows[0].detail.ends_with('b'),
        "{:?}",
        rows[0].detail
    );
    assert_eq!(dump(&*store, &writer.hall, 9).await.len(), 2);
}

/// Pages of a dump are the whole, whatever their size, and in order.
pub async fn given_a_table_when_dumped_in_pages_then_they_are_the_whole(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    project(&*store, &History::typical(&hall, 16, 200), whole(100)).await;
    let all = dump(&*store, &hall, 100_000).await;
    for limit in [1, 7] {
        assert_same_rows(&all, &dump(&*store, &hall, limit).await, &format!("pages of {limit}"));
    }
    // A claim changes no row that is compared.
    store.claim(&hall).await.expect("claimed");
    assert_same_rows(&all, &dump(&*store, &hall, 100_000).await, "after a claim");
}

/// Only the tables of the port are dumped.
pub async fn given_an_unknown_table_when_dumped_then_it_is_refused(stores: &impl StoreFactory) {
    let store = stores.fresh().await;
    for table in ["sqlite_master", "pg_class", "", "fact; drop table fact", "FACT"] {
        assert!(store.dump(&hall(), table, None, 10).await.is_err(), "{table}");
    }
}

/// The largest page that the projector makes.
pub async fn given_ten_thousand_events_when_committed_as_one_page_then_all_are_there(
    stores: &impl StoreFactory,
) {
    let store = stores.fresh().await;
    let hall = hall();
    let mut history = History::new(&hall, 17);
    history.set_up();
    let set_up = history.position();
    history.acts(date("2023-02-06"), 11_000);
    history.stored.truncate(usize::try_from(set_up).expect("few") + 10_000);
    let expected = project(&*store, &history, whole(10_000)).await;
    let snapshot = store.snapshot(&hall, &everything()).await.expect("read");
    assert_eq!(snapshot.checkpoint.as_ref().map(|it| it.sequence), Some(set_up + 10_000));
    assert_eq!(snapshot.cells, expected.cells);
    let entries =
        |rows: &[SegmentRow]| rows.iter().map(|it| it.entries.lines().count()).sum::<usize>();
    let committed: Vec<_> = expected.segments.values().cloned().collect();
    assert_eq!(entries(&snapshot.segments), entries(&committed));
    let needs = Needs { cases: expected.cases.keys().cloned().collect(), ..Needs::default() };
    assert!(needs.cases.len() > 1_000);
    let found = store.lookup(&hall, &needs).await.expect("read");
    assert_eq!(found.cases.len(), needs.cases.len());
}
