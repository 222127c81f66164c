//! The scheduler, and everybody in the hall.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;
use zhoubao_application::clock::FixedClock;
use zhoubao_application::follow::FollowError;
use zhoubao_application::journal::{AppendError, Expectation, Incarnation};
use zhoubao_application::memory::{Lost, MemoryJournal};
use zhoubao_application::projector::{Goal, Progress, ProjectError, project};
use zhoubao_contract::{Message, Stored, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Act as WindowAct, Event, Kind, Replacement, Tally};
use zhoubao_domain::figure::Figures;
use zhoubao_domain::id::{Digest, EventRef, HallCode, ObjectId};
use zhoubao_outbox::{BATCH_EVENTS_MAX, Effect, Head, Input, Outbox, Refusal};

use crate::device::{Device, Recorded, content_of};
use crate::dice::Dice;
use crate::fault::Fault;
use crate::oracle::{Act, Deed, Micros, Name, Oracle, Truth, day_of, day_of_date};
use crate::store::{CommitFault, MemoryStore, Rows};

const SECOND: Micros = 1_000_000;
const MINUTE: Micros = 60 * SECOND;
const HOUR: Micros = 60 * MINUTE;
const DAY: Micros = 24 * HOUR;
const WEEK: Micros = 7 * DAY;

/// How long a terminal waits for an answer.
const PATIENCE: Micros = 5 * SECOND;

/// Rounds after which a healed hall must have come to rest.
const ROUNDS_MAX: u32 = 40;

/// Actions of one round of healing at most.
const ACTIONS_MAX: u32 = 20_000;

/// Steps of a run at most: most have some hundred.
const STEPS_MAX: u64 = 50_000;

/// Departments with an authorization at the start, and one that nobody knows.
const DEPARTMENTS: [&str; 3] = ["tax", "land", "labour"];

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Everything follows from it.
    pub seed: u64,
    /// Weeks that the hall works, each with an issue.
    pub weeks: u32,
    /// Kinds of faults of which each seed draws some.
    pub faults: BTreeSet<Fault>,
    /// Keep the trace for printing.
    pub verbose: bool,
}

impl Settings {
    /// A seed with all kinds of faults.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self { seed, weeks: 2, faults: Fault::ALL.into(), verbose: false }
    }
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// SHA-256 of everything that happened.
    pub trace: String,
    /// Steps of the scheduler.
    pub steps: u64,
    /// Events that people recorded.
    pub recorded: u64,
    /// Messages in the journal at the end.
    pub stored: u64,
    /// Commits of the projector, each compared with the oracle.
    pub commits: u64,
    /// Issues that were frozen.
    pub frozen: u64,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// The lines of the trace, if they were asked for.
    pub lines: Vec<String>,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SEED={seed} 第 {step} 步 step {step} at {at}: {what}")]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step of the scheduler.
    pub step: u64,
    /// The time in the hall.
    pub at: String,
    /// What does not hold.
    pub what: String,
    /// The last lines of the trace.
    pub last: Vec<String>,
}

/// Runs one seed to its end.
///
/// # Errors
///
/// [`Failure`]: what does not hold, and where.
pub fn run(settings: &Settings) -> Result<Outcome, Failure> {
    let mut world = World::new(settings.clone());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = match builder.enable_time().start_paused(true).build() {
        Ok(runtime) => runtime,
        Err(error) => return Err(world.failure(error.to_string())),
    };
    match runtime.block_on(world.live()) {
        Ok(()) => Ok(world.outcome()),
        Err(what) => Err(world.failure(what)),
    }
}

/// A message that the journal once had.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) stored: Stored,
    pub(crate) hash: Digest,
    pub(crate) content: Rc<str>,
}

/// What happens at a time.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Act(usize),
    Start(usize),
    Request { device: usize, session: u64, call: u64, messages: Vec<Message>, expected: u64 },
    Question { device: usize, session: u64, call: u64 },
    Answer { device: usize, session: u64, call: u64, input: Input },
    Woken { device: usize, session: u64 },
    Recover(usize),
    Rogue,
    RogueSends(Message),
    Office(u32),
    Release,
    Authorize,
    Strike(Fault),
    ServerUp,
    PutBack(Stored),
    StartProjector,
    CopyStore,
    RestoreStore,
}

/// The device that does everything wrong.
#[derive(Debug, Default)]
struct RogueLine {
    device: Option<Device>,
    sent: Vec<Message>,
}

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) hall: HallCode,
    pub(crate) dice: Dice,
    pub(crate) now: Micros,
    pub(crate) first_monday: Micros,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) journal: MemoryJournal,
    pub(crate) store: MemoryStore,
    pub(crate) faults: BTreeSet<Fault>,
    /// No more faults.
    pub(crate) healed: bool,
    queue: BTreeMap<(Micros, u64), Action>,
    next: u64,
    pub(crate) devices: Vec<Device>,
    rogue: RogueLine,
    cases: Vec<String>,
    projectors: Vec<JoinHandle<Result<Progress, ProjectError>>>,
    copy: Option<Arc<Rows>>,
    pub(crate) hole: Option<Stored>,
    pub(crate) tail_lost: bool,
    /// A message that the journal once held by each content.
    pub(crate) truths: HashMap<String, Truth>,
    /// What each command of the office means, and the content that bears it.
    pub(crate) commands: HashMap<String, (Deed, Option<String>)>,
    pub(crate) cut: Rc<Cell<u64>>,
    /// The journal as it ever was: a new one begins where it lost its tail.
    pub(crate) histories: Vec<Vec<Past>>,
    pub(crate) oracle: Oracle,
    /// What the oracle was told.
    pub(crate) told: Vec<Rc<str>>,
    pub(crate) version: u64,
    /// Figures of frozen issues when they were first seen.
    pub(crate) figures: BTreeMap<ObjectId, Figures>,
    /// Weeks whose issue is frozen.
    pub(crate) issues: BTreeMap<u32, u32>,
    trace: Sha256,
    lines: Vec<String>,
    pub(crate) out: Outcome,
}

fn micros(day: Date) -> Micros {
    day_of_date(day.year().into(), day.month().into(), day.day().into()) * DAY - 8 * HOUR
}

pub(crate) fn timestamp(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap_or_default()
}

impl World {
    fn new(settings: Settings) -> Self {
        let mut dice = Dice::new(settings.seed);
        let mondays = [date(2023, 2, 6), date(2023, 12, 18), date(2024, 2, 26), date(2024, 12, 23)];
        let first_monday = micros(*dice.pick(&mondays).unwrap_or(&mondays[0]));
        let hall: HallCode = "510000".parse().unwrap_or_else(|_| unreachable!("a hall code"));
        let clock = Arc::new(FixedClock::new(timestamp(first_monday)));
        let incarnation = Incarnation("sim".to_owned());
        let journal = MemoryJournal::new(hall.clone(), incarnation, clock.clone());
        let mut faults: BTreeSet<Fault> = settings.faults.iter().copied().collect();
        faults.retain(|_| dice.chance(35));
        // Where journal and ledger are lost at the same time, so is what only they had: nobody promises more.
        if faults.contains(&Fault::Tail) || faults.contains(&Fault::Hole) {
            faults.remove(&Fault::OldLedger);
            faults.remove(&Fault::Clone);
        }
        Self {
            now: first_monday,
            first_monday,
            clock,
            journal,
            hall,
            dice,
            faults,
            settings,
            healed: false,
            store: MemoryStore::default(),
            queue: BTreeMap::new(),
            next: 0,
            devices: vec![],
            rogue: RogueLine::default(),
            cases: vec![],
            projectors: vec![],
            copy: None,
            hole: None,
            tail_lost: false,
            truths: HashMap::new(),
            commands: HashMap::new(),
            cut: Rc::new(Cell::new(0)),
            histories: vec![vec![]],
            oracle: Oracle::default(),
            told: vec![],
            version: 0,
            figures: BTreeMap::new(),
            issues: BTreeMap::new(),
            trace: Sha256::new(),
            lines: vec![],
            out: Outcome::default(),
        }
    }

    fn outcome(&mut self) -> Outcome {
        let mut out = std::mem::take(&mut self.out);
        out.trace = Digest::new(std::mem::take(&mut self.trace).finalize().into()).to_string();
        out.stored = self.histories.last().map_or(0, |it| it.len() as u64);
        out.frozen = self.figures.len() as u64;
        if self.settings.verbose {
            out.lines = std::mem::take(&mut self.lines);
        }
        out
    }

    fn failure(&mut self, what: String) -> Failure {
        let skip =
            self.lines.len().saturating_sub(if self.settings.verbose { usize::MAX } else { 40 });
        Failure {
            seed: self.settings.seed,
            step: self.out.steps,
            at: timestamp(self.now).to_string(),
            what,
            last: self.lines.split_off(skip),
        }
    }

    /// A line of the trace.
    pub(crate) fn say(&mut self, line: impl std::fmt::Display) {
        let mut text = String::new();
        // Cannot fail: the text is written into a `String`.
        let _ = write!(text, "{} {} {line}", self.out.steps, self.now);
        self.trace.update(text.as_bytes());
        self.trace.update(b"\n");
        if !self.settings.verbose && self.lines.len() >= 400 {
            self.lines.drain(..200);
        }
        self.lines.push(text);
    }

    pub(crate) fn later(&mut self, at: Micros, action: Action) {
        self.next += 1;
        self.queue.insert((at.max(self.now), self.next), action);
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        !self.healed && self.faults.contains(&fault)
    }

    fn strikes(&mut self, fault: Fault) {
        *self.out.faults.entry(fault).or_default() += 1;
    }

    async fn live(&mut self) -> Result<(), String> {
        self.set_up().await?;
        self.plan();
        while let Some(((at, _), action)) = self.queue.pop_first() {
            if at > self.end() {
                self.later(at, action);
                break;
            }
            self.step(at, action).await?;
        }
        self.heal().await
    }

    fn end(&self) -> Micros {
        self.first_monday + Micros::from(self.settings.weeks) * WEEK + 2 * DAY
    }

    async fn step(&mut self, at: Micros, action: Action) -> Result<(), String> {
        self.out.steps += 1;
        if self.out.steps > STEPS_MAX {
            return Err("nobody comes to rest".to_owned());
        }
        self.now = self.now.max(at);
        self.clock.set(timestamp(self.now));
        self.happen(action).await?;
        self.settle().await
    }

    /// Lets the projector run for a while, and looks at what it has done.
    async fn settle(&mut self) -> Result<(), String> {
        let pause = match self.dice.below(100) {
            0..60 => 0,
            60..90 => self.dice.between(1, 6),
            90..99 => self.dice.between(7, 60),
            _ => 2_300,
        };
        self.rest(pause).await
    }

    pub(crate) async fn rest(&mut self, milliseconds: u64) -> Result<(), String> {
        if milliseconds > 0 {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        } else {
            tokio::task::yield_now().await;
        }
        self.look()?;
        self.reap().await
    }

    /// Draws who works when, and what goes wrong when.
    fn plan(&mut self) {
        let weeks = u64::from(self.settings.weeks);
        let count = self.dice.between(1, 4);
        for number in 1..=count {
            let name = format!("w{number:02}");
            let Some(mut device) = Device::new(&self.hall, &name, &name) else { continue };
            if self.has(Fault::Clock) && self.dice.chance(70) {
                device.clock_ms = self.clock_error();
            }
            self.devices.push(device);
            let at = self.devices.len() - 1;
            self.later(self.first_monday + 6 * HOUR, Action::Start(at));
            for _ in 0..self.dice.between(2, 14 * weeks) {
                let when = self.moment();
                self.later(when, Action::Act(at));
            }
        }
        if self.has(Fault::Rogue) {
            self.rogue.device = Device::new(&self.hall, "w90", "w90");
            // So that what it holds back still counts.
            self.rogue.device.iter_mut().for_each(|it| it.clock_known = true);
            for _ in 0..self.dice.between(4, 10 * weeks) {
                let when = self.moment();
                self.later(when, Action::Rogue);
            }
        }
        for week in 0..self.settings.weeks {
            let at = self.first_monday + Micros::from(week + 1) * WEEK + 9 * HOUR;
            let at = at + self.delay(6 * HOUR);
            self.later(at, Action::Office(week));
        }
        for _ in 0..self.dice.between(0, 2 * weeks) {
            let when = self.moment();
            self.later(when, Action::Release);
        }
        for _ in 0..self.dice.below(3) {
            let when = self.moment();
            self.later(when, Action::Authorize);
        }
        for fault in self.faults.clone() {
            for _ in 0..self.dice.between(1, 2 * weeks) {
                let when = self.moment();
                self.later(when, Action::Strike(fault));
            }
        }
        self.later(self.now, Action::StartProjector);
    }

    /// A moment of work: any day, from six in the morning to ten at night.
    fn moment(&mut self) -> Micros {
        let days = 7 * u64::from(self.settings.weeks);
        let day = self.dice.below(days);
        let second = self.dice.between(6 * 3_600, 22 * 3_600);
        self.first_monday + day.cast_signed() * DAY + second.cast_signed() * SECOND
    }

    fn delay(&mut self, most: Micros) -> Micros {
        self.dice.below(most.max(1).cast_unsigned()).cast_signed()
    }

    fn clock_error(&mut self) -> i64 {
        let most = *self.dice.pick(&[10_000, 600_000, 90_000_000]).unwrap_or(&0);
        self.delay(2 * most) - most
    }

    async fn happen(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Act(at) => self.act(at),
            Action::Start(at) => self.start(at),
            Action::Request { device, session, call, messages, expected } => {
                self.request(device, session, call, &messages, expected);
            }
            Action::Question { device, session, call } => self.question(device, session, call),
            Action::Answer { device, session, call, input } => {
                let it = &mut self.devices[device];
                if it.session == session && it.pending == call {
                    it.pending = 0;
                    self.tell(device, input);
                }
            }
            Action::Woken { device, session } => {
                if self.devices[device].session == session {
                    self.tell(device, Input::Woken);
                }
            }
            Action::Recover(at) => self.recover(at),
            Action::Rogue => self.rogue(),
            Action::RogueSends(message) => self.rogue_sends(message),
            Action::Office(week) => self.office(week).await?,
            Action::Release => self.release().await?,
            Action::Authorize => self.authorize().await?,
            Action::Strike(fault) => self.strike(fault),
            Action::ServerUp => {
                self.say("server is well");
                self.journal.heal();
            }
            Action::PutBack(stored) => self.put_back(stored),
            Action::StartProjector => self.start_projector(),
            Action::CopyStore => {
                self.copy = Some(self.store.look(&self.hall));
            }
            Action::RestoreStore => {
                if let Some(copy) = self.copy.take() {
                    let at = copy.checkpoint.as_ref().map_or(0, |it| it.sequence);
                    self.say(format_args!("store goes back to {at}"));
                    self.store.put_back(&self.hall, &copy);
                    self.forget();
                }
            }
        }
        Ok(())
    }

    // --- Windows ---

    fn act(&mut self, at: usize) {
        if self.devices[at].retired || self.devices[at].outbox.is_none() {
            return;
        }
        let now = self.now;
        let when = self.devices[at].time(now);
        let (event, deed) =
            self.deed(&self.devices[at].line.clone(), when, self.devices[at].recorded());
        let may_correct = self.dice.chance(50);
        let actor = if may_correct { "office" } else { "clerk" };
        let device = &mut self.devices[at];
        let Some(recorded) = device.draft(now, actor, event) else { return };
        let truth = device.truth(when, may_correct, deed);
        let number = device.recorded() + 1;
        self.truths.insert(recorded.content.clone(), truth);
        device.ledger.push(recorded);
        self.out.recorded += 1;
        let line = self.devices[at].line.clone();
        self.say(format_args!("{line}#{number} recorded on {at}"));
        self.tell(at, Input::Recorded(number));
    }

    /// What somebody does at a window, and what it means.
    fn deed(&mut self, line: &str, when: Micros, recorded: u64) -> (Event, Deed) {
        let choice = self.dice.below(100);
        let kind = match choice {
            0..30 => Kind::Consulted,
            30..52 => Kind::Accepted,
            52..68 => Kind::Issued,
            68..78 => Kind::Transferred,
            78..90 if recorded > 0 => return self.amendment(line, when, recorded),
            _ => {
                let back = self.dice.below(3).cast_signed();
                let day = day_of(when) - back;
                let date = date(1970, 1, 1).saturating_add(jiff::Span::new().days(day));
                return (Event::DayClosed { day: date, tally: Tally::default() }, Deed::Close(day));
            }
        };
        let department = match self.dice.below(20) {
            0 => "nobody",
            _ => self.dice.pick(&DEPARTMENTS).copied().unwrap_or("tax"),
        };
        let department =
            if kind == Kind::Consulted && self.dice.chance(40) { "" } else { department };
        let case = match kind {
            Kind::Consulted => String::new(),
            Kind::Accepted if self.cases.is_empty() || self.dice.chance(85) => {
                let case = format!("c{}", self.cases.len() + 1);
                self.cases.push(case.clone());
                case
            }
            _ => self.dice.pick(&self.cases).cloned().unwrap_or_else(|| "c0".to_owned()),
        };
        let amount = if kind == Kind::Consulted { self.dice.between(1, 5) } else { 1 };
        let amount = u32::try_from(amount).unwrap_or(1);
        let act = WindowAct {
            kind,
            amount,
            department: department.parse().ok(),
            matter: None,
            case: case.parse().ok(),
        };
        let deed = Act { kind, amount: amount.into(), department: department.to_owned(), case };
        (Event::Act(act), Deed::Act(deed))
    }

    fn amendment(&mut self, line: &str, when: Micros, recorded: u64) -> (Event, Deed) {
        let latest = recorded.saturating_sub(3).max(1);
        let first = if self.dice.chance(60) { latest } else { 1 };
        let mut name: Name = (line.to_owned(), self.dice.between(first, recorded));
        if self.dice.chance(10)
            && let Some(other) = self.dice.pick(&self.devices)
            && other.recorded() > 0
        {
            name = (other.line.clone(), 1 + name.1 % other.recorded());
        }
        let Ok(stream) = name.0.parse() else { return (Event::Act(nothing()), Deed::Garbage) };
        let original = EventRef { stream, number: name.1 };
        let reason = "录入有误".to_owned();
        if self.dice.chance(40) {
            return (Event::Voided { original, reason }, Deed::Void(name));
        }
        let people = self.dice.between(1, 9);
        let (mut replacement, mut people_now, mut department, mut at) =
            (Replacement::default(), None, None, None);
        match self.dice.below(3) {
            0 => {
                let to = self.dice.pick(&DEPARTMENTS).copied().unwrap_or("tax");
                replacement.department = to.parse().ok();
                department = Some(to.to_owned());
            }
            1 => {
                let to = when - self.dice.between(1, 60).cast_signed() * HOUR;
                replacement.occurred_at = Some(timestamp(to));
                at = Some(to);
            }
            _ => {
                replacement.people = u32::try_from(people).ok();
                people_now = Some(people.cast_signed());
            }
        }
        let deed = Deed::Correct { original: name, people: people_now, department, at };
        (Event::Corrected { original, replacement, reason }, deed)
    }

    pub(crate) fn start(&mut self, at: usize) {
        let device = &mut self.devices[at];
        if device.retired || device.outbox.is_some() {
            return;
        }
        device.session += 1;
        device.pending = 0;
        device.stopped = None;
        device.outbox = Some(Outbox::new(device.recorded(), device.stored));
        let line = device.line.clone();
        self.say(format_args!("{line} on {at} is switched on"));
        self.tell(at, Input::Start);
    }

    /// Gives the queue what happened, and carries out what it says, as the terminal's sender does.
    fn tell(&mut self, at: usize, input: Input) {
        let jitter = self.dice.jitter();
        let now = timestamp(self.now);
        let Some(outbox) = &mut self.devices[at].outbox else { return };
        let effects = outbox.step(input, now, jitter);
        for effect in effects {
            self.carry_out(at, effect);
        }
    }

    fn carry_out(&mut self, at: usize, effect: Effect) {
        let line = self.devices[at].line.clone();
        match effect {
            Effect::Ask => {
                let call = self.call(at);
                let session = self.devices[at].session;
                for arrival in self.way(at) {
                    self.later(arrival, Action::Question { device: at, session, call });
                }
                self.give_up(at, call, Input::NoHead);
            }
            Effect::Send { after, upto, expected } => {
                self.say(format_args!(
                    "{line} on {at} sends {} to {upto} after @{expected}",
                    after + 1
                ));
                let call = self.call(at);
                let device = &self.devices[at];
                let session = device.session;
                let places = usize::try_from(after).unwrap_or(usize::MAX)
                    ..usize::try_from(upto).unwrap_or(usize::MAX);
                let messages: Vec<_> = device
                    .ledger
                    .get(places)
                    .unwrap_or_default()
                    .iter()
                    .map(|it| it.message.clone())
                    .collect();
                for arrival in self.way(at) {
                    let messages = messages.clone();
                    let action = Action::Request { device: at, session, call, messages, expected };
                    self.later(arrival, action);
                }
                self.give_up(at, call, Input::Refused(Refusal::NoAnswer));
            }
            Effect::Rest(until) => {
                let session = self.devices[at].session;
                let mut when = until.as_microsecond();
                // A device that hears nothing may as well sleep for a while: it may wake up late, never early.
                let offline = self.devices[at].offline_until;
                if !self.healed && offline > when {
                    when = offline.min(when + self.delay(2 * DAY));
                } else if !self.healed && (self.journal.is_down() || self.journal.is_full()) {
                    when += self.delay(HOUR);
                }
                self.later(when, Action::Woken { device: at, session });
            }
            Effect::MarkStored { after, positions } => {
                let device = &mut self.devices[at];
                device.stored = device.outbox.as_ref().and_then(Outbox::stored);
                let first = usize::try_from(after).unwrap_or(usize::MAX);
                let stored = device.ledger.iter().skip(first).take(positions.len());
                for (number, it) in (after + 1..).zip(stored) {
                    device.acknowledged.insert(number, it.content.clone());
                }
                self.say(format_args!("{line} on {at} stored @{positions:?}"));
            }
            Effect::MarkHead(mark) => {
                self.devices[at].stored = mark;
                self.say(format_args!("{line} on {at} stands at {mark:?}"));
            }
            Effect::Restored { first, last } => {
                self.say(format_args!("{line} on {at} had lost {first} to {last}"));
            }
            Effect::Stop { code, number } => {
                self.devices[at].stopped = Some(code);
                self.say(format_args!("{line} on {at} stops at {number}: {code}"));
                let when = self.now + MINUTE + self.delay(8 * HOUR);
                self.later(when, Action::Recover(at));
            }
        }
    }

    fn call(&mut self, at: usize) -> u64 {
        self.next += 1;
        self.devices[at].pending = self.next;
        self.next
    }

    fn give_up(&mut self, at: usize, call: u64, input: Input) {
        let session = self.devices[at].session;
        self.later(self.now + PATIENCE, Action::Answer { device: at, session, call, input });
    }

    /// When what is sent now arrives: never, once, or twice.
    fn way(&mut self, at: usize) -> Vec<Micros> {
        let now = self.now;
        if self.devices[at].offline_until > now && !self.healed {
            return vec![];
        }
        let mut arrivals = vec![now + 1_000 + self.delay(40_000)];
        if self.has(Fault::Network) {
            match self.dice.below(100) {
                0..10 => arrivals.clear(),
                10..20 => arrivals = vec![now + self.delay(30 * SECOND)],
                20..30 => arrivals.push(now + self.delay(20 * SECOND)),
                _ => return arrivals,
            }
            self.strikes(Fault::Network);
        }
        arrivals
    }

    fn request(&mut self, at: usize, session: u64, call: u64, messages: &[Message], expected: u64) {
        let subject = self.devices[at].subject.clone();
        let answer = self.journal.append_once(messages, &[Expectation { subject, last: expected }]);
        let line = self.devices[at].line.clone();
        let answer = match answer {
            Ok(positions) => Input::Stored(positions),
            Err(AppendError::Conflict) => Input::Refused(Refusal::Conflict),
            Err(AppendError::BatchRefused) => Input::Refused(Refusal::BatchRefused),
            Err(AppendError::TooLarge { .. }) => {
                Input::Refused(Refusal::Impossible(Code::TooLarge))
            }
            Err(AppendError::Invalid { .. }) => {
                Input::Refused(Refusal::Impossible(Code::Malformed))
            }
            // Nobody says anything.
            Err(AppendError::Unavailable(_)) => return,
        };
        self.say(format_args!("journal says to {line} on {at}: {answer:?}"));
        if matches!(answer, Input::Stored(_)) && !self.devices[at].clock_known {
            self.devices[at].clock_known = true;
            self.correct_times(at);
        }
        self.answer(at, session, call, answer);
    }

    /// What the device does at the first contact of a boot.
    fn correct_times(&mut self, at: usize) {
        let now = self.now;
        for (number, right) in self.devices[at].to_correct(now) {
            let device = &mut self.devices[at];
            let stream = device.subject.stream.clone();
            let replacement = Replacement { occurred_at: Some(right), ..Replacement::default() };
            let event = Event::Corrected {
                original: EventRef { stream, number },
                replacement,
                reason: "时钟补测".to_owned(),
            };
            let Some(recorded) = device.draft(now, "clerk", event) else { return };
            let deed = Deed::Correct {
                original: (device.line.clone(), number),
                people: None,
                department: None,
                at: Some(right.as_microsecond()),
            };
            let truth = device.truth(now, false, deed);
            let last = device.recorded() + 1;
            self.truths.insert(recorded.content.clone(), truth);
            device.ledger.push(recorded);
            self.out.recorded += 1;
            self.say(format_args!("{at} says when its #{number} was"));
            self.tell(at, Input::Recorded(last));
        }
    }

    fn answer(&mut self, at: usize, session: u64, call: u64, input: Input) {
        for arrival in self.way(at) {
            let input = input.clone();
            self.later(arrival, Action::Answer { device: at, session, call, input });
        }
    }

    fn question(&mut self, at: usize, session: u64, call: u64) {
        let subject = self.devices[at].subject.to_string();
        let Some(head) = self.head(&subject) else { return };
        let head = head.map(|stored| {
            let number = stored.message.attributes.id.as_deref().and_then(|it| it.parse().ok());
            let number: u64 = number.unwrap_or_default();
            let own = self.devices[at].hash_of(number);
            Head { number, hash: hash(&stored.message), position: stored.position, own }
        });
        self.answer(at, session, call, Input::Head(head));
    }

    /// The last message of a subject, where the server answers; sometimes from a replica that lags.
    fn head(&mut self, subject: &str) -> Option<Option<Stored>> {
        if self.journal.is_down() {
            return None;
        }
        let Some(head) = self.journal.look_at_head(subject) else { return Some(None) };
        if self.has(Fault::Server) && self.dice.chance(10) {
            self.strikes(Fault::Server);
            let line = self.journal.look(1).into_iter().filter(|it| it.message.subject == subject);
            let line: Vec<_> = line.collect();
            return Some(line.len().checked_sub(2).and_then(|it| line.get(it).cloned()));
        }
        Some(Some(head))
    }

    /// A person puts a stopped device right: a second device is taken away, a ledger is read back from the journal.
    fn recover(&mut self, at: usize) {
        if self.devices[at].stopped.is_none() || self.journal.is_down() || self.hole.is_some() {
            let when = self.now + HOUR;
            if self.devices[at].stopped.is_some() {
                self.later(when, Action::Recover(at));
            }
            return;
        }
        let subject = self.devices[at].subject.to_string();
        let mut ledger: Vec<Recorded> = vec![];
        for stored in self.journal.look(1).into_iter().filter(|it| it.message.subject == subject) {
            let recorded = Recorded::of(stored.message, self.now);
            if !ledger.iter().any(|it| it.content == recorded.content) {
                ledger.push(recorded);
            }
        }
        let device = &mut self.devices[at];
        device.outbox = None;
        device.stored = None;
        device.stopped = None;
        if device.is_clone {
            device.retired = true;
        } else {
            (device.before_boot, device.ledger) = (ledger.len(), ledger);
        }
        let line = device.line.clone();
        self.say(format_args!("{line} on {at} is put right"));
        self.start(at);
    }

    // --- A device whose program is wrong ---

    fn rogue(&mut self) {
        let now = self.now;
        let Some(device) = self.rogue.device.take() else { return };
        let (mut device, sent) = (device, self.rogue.sent.len() as u64);
        let new = |world: &mut Self, device: &mut Device| -> Option<Message> {
            let line = device.line.clone();
            let (event, deed) = world.deed(&line, now, device.recorded());
            let recorded = device.draft(now, "office", event)?;
            let truth = device.truth(now, true, deed);
            world.truths.insert(recorded.content.clone(), truth);
            let message = recorded.message.clone();
            device.ledger.push(recorded);
            Some(message)
        };
        let choice = if self.healed { 0 } else { self.dice.below(100) };
        match choice {
            0..30 => {
                if let Some(message) = new(self, &mut device) {
                    self.rogue_sends(message);
                }
            }
            // The second before the first.
            30..50 => {
                let (first, second) = (new(self, &mut device), new(self, &mut device));
                if let (Some(first), Some(second)) = (first, second) {
                    self.rogue_sends(second);
                    let when = now + self.delay(3 * DAY);
                    self.later(when.min(self.end()), Action::RogueSends(first));
                }
            }
            50..70 if sent > 0 => {
                if let Some(message) = self.dice.pick(&self.rogue.sent).cloned() {
                    self.rogue_sends(message);
                }
            }
            // Another content under an old number.
            70..80 if device.recorded() > 0 => {
                let number = self.dice.between(1, device.recorded());
                let keep = usize::try_from(number - 1).unwrap_or_default();
                let ledger = device.ledger.clone();
                device.ledger.truncate(keep);
                if let Some(message) = new(self, &mut device) {
                    self.rogue_sends(message);
                }
                device.ledger = ledger;
            }
            // Another past.
            80..88 if device.recorded() > 1 => {
                let ledger = device.ledger.clone();
                let length = device.ledger.len();
                device.ledger.swap(length - 1, length - 2);
                if let Some(message) = new(self, &mut device) {
                    self.rogue_sends(message);
                }
                device.ledger = ledger;
            }
            // Bytes that changed on the way.
            88..94 => {
                let ledger = device.ledger.clone();
                let ahead = self.dice.chance(50);
                if ahead {
                    // One that is sent later is before it.
                    if let Some(first) = new(self, &mut device) {
                        let when = now + self.delay(DAY);
                        self.later(when.min(self.end()), Action::RogueSends(first));
                    }
                }
                let keep = device.ledger.clone();
                if let Some(mut message) = new(self, &mut device) {
                    let mut truth = device.truth(now, true, Deed::Garbage);
                    truth.name.1 -= 1;
                    truth.previous = keep.last().map(|it| it.content.clone());
                    truth.sound = false;
                    message.body.push(b' ');
                    self.truths.insert(content_of(&message), truth);
                    self.rogue_sends(message);
                }
                device.ledger = if ahead { keep } else { ledger };
            }
            // Bytes that nobody can read, with a right hash.
            _ => {
                if let Some(mut message) = new(self, &mut device) {
                    device.ledger.pop();
                    message.body = b"{".to_vec();
                    message.attributes.hash = Some(hash(&message).to_string());
                    let truth = device.truth(now, true, Deed::Garbage);
                    let recorded = Recorded::of(message.clone(), now);
                    self.truths.insert(recorded.content.clone(), truth);
                    device.ledger.push(recorded);
                    self.rogue_sends(message);
                }
            }
        }
        if choice >= 30 {
            self.strikes(Fault::Rogue);
        }
        self.rogue.device = Some(device);
    }

    /// Sends whatever it is after whatever is there.
    fn rogue_sends(&mut self, message: Message) {
        let Ok(subject) = message.subject.parse() else { return };
        let last = self.journal.look_at_head(&message.subject).map_or(0, |it| it.position);
        let expected = [Expectation { subject, last }];
        let id = message.attributes.id.clone().unwrap_or_default();
        match self.journal.append_once(std::slice::from_ref(&message), &expected) {
            Ok(positions) => self.say(format_args!("rogue #{id} stored @{positions:?}")),
            Err(_) => self.say(format_args!("rogue #{id} not stored")),
        }
        self.rogue.sent.push(message);
    }

    /// Events that come between a cut and its freeze.
    pub(crate) fn between(&mut self) -> Vec<Message> {
        let Some(mut device) = self.rogue.device.take() else { return vec![] };
        let mut messages = vec![];
        for _ in 0..self.dice.below(4) {
            // About the week that is frozen.
            let when = self.now - self.dice.between(2, 7).cast_signed() * DAY;
            let (event, deed) = self.deed(&device.line.clone(), when, 0);
            let Some(recorded) = device.draft(when, "office", event) else { continue };
            let truth = device.truth(when, true, deed);
            self.truths.insert(recorded.content.clone(), truth);
            messages.push(recorded.message.clone());
            device.ledger.push(recorded);
        }
        self.rogue.sent.extend(messages.iter().cloned());
        self.rogue.device = Some(device);
        messages
    }

    // --- Faults ---

    fn strike(&mut self, fault: Fault) {
        if self.healed {
            return;
        }
        let device = usize::try_from(self.dice.below(self.devices.len() as u64)).unwrap_or(0);
        self.say(format_args!("fault {} on {device}", fault.word()));
        self.strikes(fault);
        let soon = self.now + self.delay(4 * HOUR);
        match fault {
            Fault::Network | Fault::Rogue => {}
            Fault::Offline => {
                let until = self.now + self.delay(21 * DAY);
                self.devices[device].offline_until = until;
            }
            Fault::Crash => {
                self.devices[device].outbox = None;
                self.devices[device].session += 1;
                self.later(soon, Action::Start(device));
            }
            Fault::Clock => {
                let error = self.clock_error();
                let it = &mut self.devices[device];
                it.clock_ms = error;
                if it.clock_known && self.dice.chance(50) {
                    // It was switched off and on.
                    (it.clock_known, it.before_boot) = (false, it.ledger.len());
                }
            }
            Fault::OldLedger => {
                let keep = self.dice.below(self.devices[device].recorded() + 1);
                let it = &mut self.devices[device];
                it.ledger.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
                it.before_boot = it.before_boot.min(it.ledger.len());
                it.stored = it.stored.filter(|it| it.number <= keep);
                it.outbox = None;
                it.session += 1;
                self.later(soon, Action::Start(device));
            }
            Fault::Clone => self.clone_device(device),
            Fault::Server => {
                match self.dice.below(4) {
                    0 => self.journal.stop(),
                    1 => self.journal.refuse_batches(true),
                    2 => self.journal.fail_reads(3),
                    _ => self.journal.lose_acknowledgement(Lost::AfterStoring),
                }
                self.later(soon, Action::ServerUp);
            }
            Fault::Full => {
                self.journal.fill(true);
                self.later(soon, Action::ServerUp);
            }
            Fault::Tail => self.lose_tail(),
            Fault::Hole => self.lose_one(),
            Fault::Deaf => {
                if self.dice.chance(50) {
                    self.journal.deafen();
                } else {
                    self.journal.fail_reads(4);
                }
            }
            Fault::Projector => {
                if self.dice.chance(70) {
                    for it in self.projectors.drain(..) {
                        it.abort();
                    }
                    if self.dice.chance(40) {
                        self.store.fail_commit(CommitFault::After);
                    }
                }
                self.later(soon, Action::StartProjector);
            }
            Fault::Store => match self.dice.below(4) {
                0 => self.store.fail_commit(CommitFault::Before),
                1 => self.store.fail_commit(CommitFault::After),
                2 => self.store.fail_calls(3),
                _ => {
                    self.later(self.now, Action::CopyStore);
                    let when = self.now + self.delay(2 * DAY);
                    self.later(when, Action::RestoreStore);
                }
            },
            Fault::Office => {
                let lost = [Lost::BeforeStoring, Lost::AfterStoring];
                let lost = self.dice.pick(&lost).copied().unwrap_or(Lost::BeforeStoring);
                self.journal.lose_acknowledgement(lost);
            }
        }
    }

    fn clone_device(&mut self, of: usize) {
        let original = &self.devices[of];
        if original.is_clone || self.devices.len() >= 8 {
            return;
        }
        let (line, window) = (original.line.clone(), original.window.clone());
        let ledger = original.ledger.clone();
        let stored = original.stored;
        let Some(name) = line.strip_prefix("terminal.") else { return };
        let Some(mut device) = Device::new(&self.hall, name, &window) else { return };
        (device.ledger, device.stored, device.is_clone) = (ledger, stored, true);
        self.devices.push(device);
        let at = self.devices.len() - 1;
        let when = self.now + self.delay(DAY);
        self.later(when, Action::Start(at));
        for _ in 0..self.dice.between(0, 4) {
            let when = when + self.delay(2 * DAY);
            self.later(when, Action::Act(at));
        }
    }

    /// The journal comes back as it was a while ago. What only the journal had, the archive has kept.
    fn lose_tail(&mut self) {
        if self.hole.is_some() || self.journal.is_down() {
            return;
        }
        self.follow_history();
        let Some(history) = self.histories.last() else { return };
        let last = history.len() as u64;
        let ours = |it: &&Past| {
            self.devices.iter().any(|d| d.subject.to_string() == it.stored.message.subject)
        };
        let kept = history.iter().rev().find(|it| !ours(it)).map_or(0, |it| it.stored.position);
        let keep = self.dice.between(kept, last);
        if keep == last {
            return;
        }
        let history = history[..usize::try_from(keep).unwrap_or_default()].to_vec();
        self.histories.push(history);
        self.say(format_args!("journal lost {} to {last}", keep + 1));
        self.journal.truncate(keep);
        self.tail_lost = true;
    }

    fn lose_one(&mut self) {
        if self.hole.is_some() || self.journal.is_down() {
            return;
        }
        self.follow_history();
        let Some(history) = self.histories.last() else { return };
        // Half of the time one that nobody has read yet, if there is one.
        let read = usize::try_from(self.oracle.position).unwrap_or(usize::MAX);
        let unread = history.get(read..).filter(|it| !it.is_empty() && self.dice.chance(50));
        let Some(Past { stored, .. }) = self.dice.pick(unread.unwrap_or(history)).cloned() else {
            return;
        };
        // The office goes on writing behind a lost end of its own line: see docs/reliability.md, what is open.
        if !stored.message.subject.contains(".terminal.") {
            return;
        }
        self.say(format_args!("journal lost @{}", stored.position));
        self.journal.drop_sequence(stored.position);
        self.hole = Some(stored.clone());
        let when = self.now + self.delay(DAY);
        self.later(when, Action::PutBack(stored));
    }

    fn put_back(&mut self, stored: Stored) {
        if self.hole.take().is_some() {
            self.say(format_args!("journal has @{} again", stored.position));
            self.journal.put_back(stored);
        }
    }

    /// The rows begin anew, and the oracle with them.
    fn forget(&mut self) {
        self.oracle = Oracle::default();
        self.told.clear();
    }

    // --- The projector ---

    fn start_projector(&mut self) {
        self.say("projector starts");
        let (journal, store) = (Arc::new(self.journal.clone()), Arc::new(self.store.clone()));
        let task = project(journal, store, self.hall.clone(), Goal::Live, |_| {});
        self.projectors.push(tokio::spawn(task));
    }

    /// Looks after projectors that have ended.
    async fn reap(&mut self) -> Result<(), String> {
        let ended: Vec<_> = {
            let (ended, running) = std::mem::take(&mut self.projectors)
                .into_iter()
                .partition::<Vec<_>, _>(JoinHandle::is_finished);
            self.projectors = running;
            ended
        };
        for it in ended {
            let why = match it.await {
                Ok(Ok(_)) => return Err("the projector ended by itself".to_owned()),
                Ok(Err(error)) => error,
                Err(error) if error.is_panic() => {
                    return Err(format!("the projector panics: {error}"));
                }
                Err(_) => continue,
            };
            self.say(format_args!("projector stops: {why}"));
            match why {
                ProjectError::Fenced if !self.projectors.is_empty() => {}
                ProjectError::Fenced => {
                    let when = self.now + self.delay(MINUTE);
                    self.later(when, Action::StartProjector);
                }
                ProjectError::Follow(FollowError::Gap { .. }) if self.hole.is_some() => {
                    let when = self.now + HOUR;
                    self.later(when, Action::StartProjector);
                }
                ProjectError::Follow(FollowError::WentBack { .. })
                    if self.tail_lost || self.hole.is_some() =>
                {
                    // A person looks: what the rows were made of is not in the journal as it was.
                    if self.hole.is_none() {
                        self.say("read models are made anew");
                        self.store.clear(&self.hall);
                        self.forget();
                    }
                    let when = self.now + self.delay(HOUR);
                    self.later(when, Action::StartProjector);
                }
                other => return Err(format!("the projector stops without a cause: {other}")),
            }
        }
        Ok(())
    }

    // --- The end ---

    async fn heal(&mut self) -> Result<(), String> {
        self.healed = true;
        self.say("everything is healed");
        if let Some(stored) = self.hole.take() {
            self.journal.put_back(stored);
        }
        self.journal.heal();
        self.store.heal();
        self.queue.retain(|_, it| {
            matches!(
                it,
                Action::Office(_)
                    | Action::Recover(_)
                    | Action::RogueSends(_)
                    | Action::StartProjector
            )
        });
        self.rogue();
        for round in 0..ROUNDS_MAX {
            // In the morning every device is switched on.
            for at in 0..self.devices.len() {
                if self.devices[at].stopped.is_none() {
                    self.devices[at].outbox = None;
                    self.start(at);
                }
            }
            if self.projectors.is_empty() {
                self.start_projector();
            }
            let until = self.now + DAY;
            let mut actions = 0;
            while let Some(((at, _), action)) = self.queue.pop_first() {
                if at > until {
                    self.later(at, action);
                    break;
                }
                self.step(at, action).await?;
                actions += 1;
                if actions > ACTIONS_MAX {
                    return Err("healed, and nobody comes to rest".to_owned());
                }
            }
            self.now = until;
            self.clock.set(timestamp(self.now));
            for pause in [10, 30, 100, 700, 2_300, 5_000] {
                self.rest(pause).await?;
                if self.is_counted() {
                    break;
                }
            }
            if round > 0 && self.is_at_rest() {
                return self.judge().await;
            }
        }
        Err(self.unrest())
    }

    /// Whether all devices have sent all, the office has done its work, and everything is counted.
    fn is_at_rest(&self) -> bool {
        let drained = |it: &Device| {
            it.retired
                || (it.stopped.is_none() && it.outbox.as_ref().is_some_and(Outbox::is_drained))
        };
        self.devices.iter().all(drained)
            && self.is_counted()
            && self.issues.len() as u32 == self.settings.weeks
            && self.queue.values().all(|it| !matches!(it, Action::Office(_) | Action::Recover(_)))
    }

    fn is_counted(&self) -> bool {
        let last = self.histories.last().map_or(0, |it| it.len() as u64);
        let at = self.store.look(&self.hall).checkpoint.as_ref().map(|it| it.sequence);
        at.unwrap_or(0) == last && !self.projectors.is_empty()
    }

    fn unrest(&self) -> String {
        let mut text = "healed, and not at rest:".to_owned();
        for (at, it) in self.devices.iter().enumerate() {
            let stored = it.outbox.as_ref().and_then(Outbox::stored).map_or(0, |it| it.number);
            let _ =
                write!(text, " {} on {at} {stored}/{} {:?};", it.line, it.recorded(), it.stopped);
        }
        let at = self.store.look(&self.hall).checkpoint.as_ref().map(|it| it.sequence);
        let last = self.histories.last().map_or(0, Vec::len);
        let _ = write!(text, " counted {at:?} of {last}, {} issues", self.issues.len());
        text
    }
}

fn nothing() -> WindowAct {
    WindowAct { kind: Kind::Consulted, amount: 1, department: None, matter: None, case: None }
}

/// What the queue sends at once fits into what the journal takes at once.
const _: () = assert!(BATCH_EVENTS_MAX == zhoubao_application::journal::BATCH_MESSAGES_MAX as u64);
