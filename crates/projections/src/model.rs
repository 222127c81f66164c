//! The fold of one hall: what the projector keeps in memory, and what each message changes.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use zhoubao_contract::{DecodeError, Stored};
use zhoubao_domain::authorization::{self, Register};
use zhoubao_domain::case::Case;
use zhoubao_domain::code::Code;
use zhoubao_domain::counting::{self, Candidate, Knowledge, Verdict};
use zhoubao_domain::event::{Act, Event, IssueEvent, Recorded, Refusal, Replacement, Right, Setup};
use zhoubao_domain::figure::{Adjustment, Cause, Definition};
use zhoubao_domain::id::{CaseId, Digest, EventRef, HallCode, Signature, Stream, UserId, WindowId};
use zhoubao_domain::issue::IssueBook;
use zhoubao_domain::planted;
use zhoubao_domain::registry::Registry;
use zhoubao_domain::time::hall_day;

use crate::early::Early;
use crate::entry::Entry;
use crate::rows::{
    AmendmentRow, Changes, Checkpoint, Counts, DayCloseRow, ExceptionRow, FactRow, Found, Head,
    Needs, Original, Settlement, Standing,
};
use crate::working::{Cases, Lines, Map, Sums};

/// A message as read: decoded once, by whoever has time for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its position.
    pub position: u64,
    /// When the journal took it.
    pub recorded_at: Timestamp,
    /// Its hash.
    pub hash: Digest,
    /// What it says, or why that cannot be told.
    pub outcome: Result<Box<Recorded>, Box<DecodeError>>,
    /// Type and body of an event outside the windows' lines.
    raw: Option<Box<Raw>>,
    /// The signature of its hash, where one can be read.
    pub(crate) signature: Option<Box<Signature>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Raw {
    kind: String,
    body: String,
    digest: Digest,
}

impl Incoming {
    /// Decodes a message of the journal of `hall`.
    #[must_use]
    pub fn read(stored: Stored, hall: &HallCode) -> Self {
        // Pages of thousands are moved from one vector to the next: in boxes, so that only pointers are.
        let outcome = zhoubao_contract::decode(&stored, hall).map(Box::new);
        let hash = match &outcome {
            Ok(recorded) => recorded.hash,
            Err(error) => error.hash.unwrap_or_else(|| zhoubao_contract::hash(&stored.message)),
        };
        let keeps_raw = outcome.as_ref().is_ok_and(|it| {
            !matches!(it.stream(), Stream::Terminal(_))
                || matches!(it.event, Event::AuthorizationChanged { .. })
        });
        let raw = keeps_raw.then(|| {
            Box::new(Raw {
                kind: stored.message.attributes.kind.clone().unwrap_or_default(),
                digest: Digest::new(Sha256::digest(&stored.message.body).into()),
                body: String::from_utf8_lossy(&stored.message.body).into_owned(),
            })
        });
        let signature = stored.message.attributes.signature.as_deref();
        let signature = signature.and_then(|it| it.parse().ok()).map(Box::new);
        let (position, recorded_at) = (stored.position, stored.recorded_at);
        Self { position, recorded_at, hash, outcome, raw, signature }
    }

    /// Line and number, where they can be read.
    #[must_use]
    pub fn identity(&self) -> Option<&EventRef> {
        match &self.outcome {
            Ok(recorded) => Some(&recorded.identity),
            Err(error) => error.identity.as_ref(),
        }
    }

    /// The hash of the event before it in its line, where the writer gave one.
    pub(crate) fn previous(&self) -> Option<Digest> {
        match &self.outcome {
            Ok(recorded) => recorded.previous,
            Err(error) => error.previous,
        }
    }

    /// Whether its bytes are not those that its writer hashed: its line does not take it, whenever it comes.
    pub(crate) fn is_altered(&self) -> bool {
        self.outcome.as_ref().err().is_some_and(|it| it.code == Code::BrokenChain)
    }

    /// Whether this message must be folded by itself, because figures are read with it ([`crate::freeze`]).
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        matches!(
            self.outcome.as_ref().map(|it| &it.event),
            Ok(Event::Issue(IssueEvent::Frozen { .. } | IssueEvent::SignedOff { .. }))
        )
    }
}

/// A fact in the store that cannot be read any more: the store was changed from outside.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the fact at position {position} cannot be read")]
pub struct SeedError {
    position: u64,
    source: Refusal,
}

/// Everything the fold of one hall knows.
#[derive(Debug)]
pub struct Model {
    hall: HallCode,
    /// The hall's set-up.
    pub registry: Registry,
    /// The authorization register.
    pub register: Register,
    /// The hall's issues.
    pub book: IssueBook,
    definitions: HashMap<Digest, Vec<Definition>>,
    lines: Lines,
    cases: Cases,
    sums: Sums,
    originals: HashMap<EventRef, Original>,
    hashes: HashMap<EventRef, Vec<Digest>>,
    wanted: HashSet<EventRef>,
    pub(crate) early: Early,
    checkpoint: Option<Checkpoint>,
    counts: Counts,
    pub(crate) changes: Changes,
}

impl Model {
    /// The state after everything up to `checkpoint`, from the facts and heads that the store kept.
    ///
    /// # Errors
    ///
    /// When a fact that once was read cannot be read any more: the store was changed from outside.
    pub fn seed(
        hall: HallCode,
        checkpoint: Option<Checkpoint>,
        facts: &[FactRow],
        heads: Vec<(Stream, Head)>,
    ) -> Result<Self, SeedError> {
        let counts = checkpoint.as_ref().map(|it| it.counts).unwrap_or_default();
        let mut model = Self {
            hall,
            registry: Registry::default(),
            register: Register::default(),
            book: IssueBook::default(),
            definitions: HashMap::new(),
            lines: Lines::new(heads),
            cases: Cases::new(checkpoint.is_some()),
            sums: Sums::default(),
            originals: HashMap::new(),
            hashes: HashMap::new(),
            wanted: HashSet::new(),
            early: Early::default(),
            checkpoint,
            counts,
            changes: Changes::default(),
        };
        for fact in facts.iter().filter(|it| it.counted) {
            let event =
                zhoubao_contract::event_from_json(&fact.kind, fact.body.as_bytes(), &fact.stream)
                    .map_err(|source| SeedError { position: fact.position, source })?;
            let actor = fact.actor.as_deref().and_then(|it| it.parse().ok());
            model.learn(&event, &fact.stream, fact.position, actor.as_ref(), fact.digest);
        }
        Ok(model)
    }

    /// How far the fold has come, changes not yet taken included.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }

    /// The hall whose journal is folded.
    #[must_use]
    pub fn hall(&self) -> &HallCode {
        &self.hall
    }

    /// The last event of a line.
    #[must_use]
    pub fn head(&self, stream: &Stream) -> Option<&Head> {
        self.lines.head(stream)
    }

    /// The heads of all terminals.
    pub fn terminal_heads(&self) -> impl Iterator<Item = (&zhoubao_domain::id::TerminalId, &Head)> {
        self.lines.heads().filter_map(|(stream, head)| match stream {
            Stream::Terminal(terminal) => Some((terminal, head)),
            _ => None,
        })
    }

    /// Figure definitions by digest.
    #[must_use]
    pub fn definitions(&self, digest: &Digest) -> Option<&[Definition]> {
        self.definitions.get(digest).map(Vec::as_slice)
    }

    /// What must be looked up before these messages can be folded.
    #[must_use]
    pub fn needs(&mut self, page: &[Incoming]) -> Needs {
        let mut needs = Needs::default();
        let mut cases: Map<&CaseId, ()> = Map::default();
        let mut ahead: Map<&Stream, u64> = Map::default();
        self.wanted.clear();
        let mut lines: HashSet<&Stream> = HashSet::new();
        for incoming in page {
            let Some(identity) = incoming.identity() else { continue };
            // The largest number so far: what comes again may have been held and taken within this page.
            let last = ahead
                .entry(&identity.stream)
                .or_insert_with(|| self.lines.head(&identity.stream).map_or(0, |it| it.number));
            if identity.number <= *last {
                self.wanted.insert(identity.clone());
                needs.repeats.push(identity.clone());
            } else {
                *last = identity.number;
                // It may be held, be taken with what closes the gap, and then come again.
                if self.early.is_held(&identity.stream) {
                    self.wanted.insert(identity.clone());
                }
            }
            if self.early.may_close(identity) && lines.insert(&identity.stream) {
                needs.messages.extend(self.early.of(&identity.stream));
            }
            let Ok(recorded) = &incoming.outcome else { continue };
            match &recorded.event {
                Event::Act(Act { case: Some(case), .. })
                    if self.cases.wants(case) && cases.insert(case, ()).is_none() =>
                {
                    needs.cases.push(case.clone());
                }
                Event::Corrected { original, .. } | Event::Voided { original, .. } => {
                    self.wanted.insert(original.clone());
                    needs.originals.push(original.clone());
                }
                Event::Released { original, position, .. }
                | Event::Rejected { original, position, .. } => {
                    self.wanted.insert(original.clone());
                    needs.originals.push(original.clone());
                    if let Some(position) = position {
                        needs.named.push(original.clone());
                        needs.messages.push(*position);
                        if lines.insert(&original.stream) {
                            needs.messages.extend(self.early.of(&original.stream));
                        }
                    }
                }
                _ => {}
            }
        }
        needs
    }

    /// What must be looked up before these messages, which came before, can be taken.
    #[must_use]
    pub fn needs_of_early(&mut self, messages: &[Incoming]) -> Needs {
        let mut needs = Needs::default();
        for recorded in messages.iter().filter_map(|it| it.outcome.as_ref().ok()) {
            match &recorded.event {
                Event::Act(Act { case: Some(case), .. }) if self.cases.wants(case) => {
                    needs.cases.push(case.clone());
                }
                Event::Corrected { original, .. } | Event::Voided { original, .. } => {
                    self.wanted.insert(original.clone());
                    needs.originals.push(original.clone());
                }
                _ => {}
            }
        }
        needs
    }

    /// Tells of messages that were held before the checkpoint because events before them were missing.
    pub fn hold(&mut self, held: impl IntoIterator<Item = (EventRef, u64)>) {
        for (identity, position) in held {
            self.early.hold(&identity, position);
        }
    }

    /// Cases that found originals name and that are not in memory: a second look-up.
    #[must_use]
    pub fn cases_of(&self, found: &Found) -> Vec<CaseId> {
        found
            .originals
            .iter()
            .filter_map(|(_, it)| it.entry.act.as_ref()?.case.clone())
            .filter(|it| self.cases.wants(it))
            .collect()
    }

    /// Takes what was found.
    pub fn supply(&mut self, found: Found) {
        self.cases.supply(found.cases);
        self.originals = found.originals.into_iter().collect();
        self.hashes.clear();
        for (event, hash) in found.hashes {
            self.hashes.entry(event).or_default().push(hash);
        }
        self.early.supply(found.messages, found.waiting);
    }

    /// The changes since the last take, with the checkpoint that they lead to.
    #[must_use]
    pub fn take(&mut self) -> (Changes, Option<Checkpoint>) {
        let mut changes = std::mem::take(&mut self.changes);
        self.lines.take(&mut changes);
        self.cases.take(&mut changes);
        self.sums.take(&mut changes);
        (changes, self.checkpoint.clone())
    }

    /// Folds messages that follow each other in the journal. Nothing is ever skipped: each counts, is flagged, held,
    /// quarantined, or repeats another.
    ///
    /// Of a terminal that has a key, events before a signed one are covered by it only within one run: what
    /// [`Model::open_tail`] tells must wait for the messages after it.
    pub fn fold_run(&mut self, run: Vec<Incoming>, incarnation: &str) {
        let mut covered = 0;
        for place in 0..run.len() {
            let mut cover = Ok(());
            if place >= covered {
                match self.cover(&run[place..]) {
                    Ok(count) => covered = place + count,
                    Err(code) => cover = Err(code),
                }
            }
            self.fold_covered(&run[place], cover, incarnation);
        }
    }

    /// Folds one message, which nothing after it covers.
    pub fn fold(&mut self, incoming: Incoming, incarnation: &str) {
        self.fold_run(vec![incoming], incarnation);
    }

    fn fold_covered(&mut self, incoming: &Incoming, cover: Result<(), Code>, incarnation: &str) {
        self.counts.stored += 1;
        let before = self.counts;
        self.place(incoming, cover);
        debug_assert_eq!(
            self.counts.stored,
            self.counts.counted
                + self.counts.flagged
                + self.counts.quarantined
                + self.counts.held
                + self.counts.repeated,
            "one message comes to exactly one thing: {before:?}"
        );
        let (sequence, hash, counts) = (incoming.position, incoming.hash, self.counts);
        match &mut self.checkpoint {
            Some(it) if it.incarnation == incarnation => {
                (it.sequence, it.hash, it.counts) = (sequence, hash, counts);
            }
            it => {
                let incarnation = incarnation.to_owned();
                *it = Some(Checkpoint { incarnation, sequence, hash, counts });
            }
        }
    }

    fn place(&mut self, incoming: &Incoming, cover: Result<(), Code>) {
        let Some(identity) = incoming.identity().cloned() else {
            let (code, detail) = trouble(incoming);
            self.exception(incoming.position, None, Standing::Quarantined, code, detail);
            return;
        };
        let last = self.lines.head(&identity.stream);
        let number = last.map_or(0, |it| it.number);
        if identity.number <= number {
            let known = self.hashes.get(&identity).is_some_and(|it| it.contains(&incoming.hash));
            let is_head =
                last.is_some_and(|it| (it.number, it.hash) == (identity.number, incoming.hash));
            if planted!(DedupWindow) && identity.number + 3 <= number {
                self.accept(incoming, &identity, incoming.position, Cause::Late);
            }
            if known || is_head || planted!(ContentNotCompared) {
                self.counts.repeated += 1;
            } else {
                let detail = format!("{identity} 已有另一内容 was used before with other content");
                self.exception(
                    incoming.position,
                    Some(&identity),
                    Standing::Quarantined,
                    Code::Fork,
                    detail,
                );
            }
            return;
        }
        if identity.number > number + 1 {
            let detail = format!(
                "{identity} 之前缺少 {} 条 events are missing",
                identity.number - number - 1
            );
            self.exception(
                incoming.position,
                Some(&identity),
                Standing::Held,
                Code::SequenceGap,
                detail,
            );
            self.early.keep(&identity, incoming);
            return;
        }
        if let Err(code) = cover {
            // The line stays where it is: the true event of this number may still come.
            let detail = format!("{identity} {}", code.title());
            self.exception(incoming.position, Some(&identity), Standing::Quarantined, code, detail);
            return;
        }
        let previous = incoming.previous();
        let breaks = match (previous, last) {
            (Some(previous), Some(last)) => previous != last.hash,
            (Some(previous), None) => previous != Digest::new([0; 32]),
            (None, _) => false,
        };
        if breaks && !planted!(ChainIgnored) || incoming.is_altered() {
            let detail = format!("{identity} 与前一条哈希不接 does not follow the event before it");
            self.exception(
                incoming.position,
                Some(&identity),
                Standing::Quarantined,
                Code::BrokenChain,
                detail,
            );
            return;
        }
        self.advance(incoming, &identity);
        match &incoming.outcome {
            Ok(recorded) => {
                self.apply(recorded, incoming.position, Cause::Late, incoming.raw.as_deref())
            }
            Err(error) => self.of_error(error, incoming, &identity, incoming.position),
        }
        self.drain(&identity.stream, incoming.position);
    }

    /// What cannot be read is a number of its line all the same.
    fn of_error(&mut self, error: &DecodeError, incoming: &Incoming, identity: &EventRef, at: u64) {
        let standing = if error.hold { Standing::Held } else { Standing::Quarantined };
        self.exception(at, Some(identity), standing, error.code, error.detail.clone());
        let entry = Entry {
            number: identity.number,
            position: at,
            occurred_at: incoming.recorded_at,
            act: None,
            window: None,
            sign: 0,
            code: Some(error.code),
            amends: None,
        };
        self.record(identity, entry, None);
    }

    /// The line takes a message that came before, which counts from position `at` on. What it came to when it came is
    /// told already, so no count changes.
    pub(crate) fn accept(
        &mut self,
        incoming: &Incoming,
        identity: &EventRef,
        at: u64,
        cause: Cause,
    ) {
        let counts = self.counts;
        self.advance(incoming, identity);
        match &incoming.outcome {
            Ok(recorded) => {
                let recorded = Recorded { position: at, ..Recorded::clone(recorded) };
                self.apply(&recorded, incoming.position, cause, incoming.raw.as_deref());
            }
            Err(error) => self.of_error(error, incoming, identity, at),
        }
        self.counts = counts;
    }

    /// A second content of a number counts under the release that lets it in.
    pub(crate) fn accept_under(&mut self, second: &Recorded, window: WindowId, release: &Recorded) {
        let counts = self.counts;
        let recorded = Recorded {
            position: release.position,
            identity: release.identity.clone(),
            ..second.clone()
        };
        self.of_window(&recorded, window, Cause::Release);
        self.counts = counts;
    }

    fn advance(&mut self, incoming: &Incoming, identity: &EventRef) {
        let head = Head {
            number: identity.number,
            hash: incoming.hash,
            position: incoming.position,
            recorded_at: incoming.recorded_at,
        };
        if self.wanted.contains(identity) {
            self.hashes.entry(identity.clone()).or_default().push(incoming.hash);
        }
        self.lines.advance(&identity.stream, head);
    }

    /// Lets an event that its line has taken do what it does. A message that came before counts from the position of
    /// what let it in (design §3.5), which `recorded` has then; `own` is its own.
    fn apply(&mut self, recorded: &Recorded, own: u64, cause: Cause, raw: Option<&Raw>) {
        let outcome = match (&recorded.event, recorded.stream()) {
            (_, Stream::Terminal(terminal)) => {
                let window = self
                    .registry
                    .terminals
                    .get(terminal)
                    .filter(|it| it.active)
                    .map(|it| it.window.clone());
                match window {
                    Some(window) => self.of_window(recorded, window, cause),
                    None => self.of_stranger(recorded),
                }
            }
            (Event::Released { original, position: Some(early), reason }, _) => {
                self.settle_early(recorded, original, *early, reason, true)
            }
            (Event::Rejected { original, position: Some(early), reason }, _) => {
                self.settle_early(recorded, original, *early, reason, false)
            }
            (
                Event::Released { original, reason, .. } | Event::Rejected { original, reason, .. },
                _,
            ) => self.settle(recorded, original, reason),
            (Event::Corrected { .. } | Event::Voided { .. }, _) => {
                let detail =
                    "登记以新的变更更正 a register is corrected by a new change".to_owned();
                self.flag(recorded, Code::NotFound, detail)
            }
            (Event::AuthorizationChanged { .. }, _)
                if !self.registry.may(recorded.actor.as_ref(), Right::Authorize) =>
            {
                self.flag(
                    recorded,
                    Code::NoRight,
                    "授权变更须由有权人员录入 needs the right `authorize`".into(),
                )
            }
            _ => {
                self.counts.counted += 1;
                true
            }
        };
        if let Some(raw) = raw {
            self.changes.facts.push(FactRow {
                position: own,
                stream: recorded.stream().clone(),
                number: recorded.identity.number,
                kind: raw.kind.clone(),
                occurred_at: recorded.occurred_at,
                recorded_at: recorded.recorded_at,
                actor: recorded.actor.as_ref().map(|it| it.as_str().to_owned()),
                command: recorded.command.clone(),
                counted: outcome,
                digest: raw.digest,
                body: raw.body.clone(),
            });
            if outcome {
                let event = &recorded.event;
                self.learn(event, recorded.stream(), own, recorded.actor.as_ref(), raw.digest);
            }
        }
    }

    /// Folds a fact into the set-up, the register and the issues.
    fn learn(
        &mut self,
        event: &Event,
        stream: &Stream,
        position: u64,
        actor: Option<&UserId>,
        digest: Digest,
    ) {
        match event {
            Event::Setup(setup) => {
                if let Stream::Setup(_, id) = stream {
                    self.registry.evolve(id, setup);
                }
                if let Setup::Figures { definitions } = setup {
                    self.definitions.insert(digest, definitions.clone());
                }
            }
            Event::AuthorizationChanged { department, effective, change } => {
                self.register.evolve(authorization::Entry {
                    effective: *effective,
                    position,
                    department: department.clone(),
                    change: change.clone(),
                });
            }
            Event::Issue(event) => self.book.evolve(event, actor),
            _ => {}
        }
    }

    fn of_stranger(&mut self, recorded: &Recorded) -> bool {
        let detail = format!("终端未登记或已停用 {} is not in service", recorded.identity.stream);
        self.exception(
            recorded.position,
            Some(&recorded.identity),
            Standing::Quarantined,
            Code::UnknownTerminal,
            detail,
        );
        let mut entry = marker(recorded);
        if let Event::Act(act) = &recorded.event {
            entry.act = Some(act.clone());
        }
        entry.code = Some(Code::UnknownTerminal);
        self.record(&recorded.identity, entry, None);
        false
    }

    fn of_window(&mut self, recorded: &Recorded, window: WindowId, cause: Cause) -> bool {
        match &recorded.event {
            Event::Act(act) => {
                let case = act.case.as_ref().and_then(|it| self.cases.get(it));
                let verdict = self.judge(
                    recorded,
                    act,
                    recorded.occurred_at,
                    recorded.entered_at,
                    case,
                    None,
                );
                let mut entry = marker(recorded);
                entry.act = Some(act.clone());
                entry.window = Some(window);
                let counts = self.pronounce(recorded, verdict, &mut entry);
                self.record(&recorded.identity, entry, Some(cause));
                counts
            }
            Event::DayClosed { day, tally } => {
                let mut entry = marker(recorded);
                entry.window = Some(window.clone());
                let today = hall_day(recorded.recorded_at);
                let counts = if *day > today {
                    entry.code = Some(Code::FutureTime);
                    self.flag(
                        recorded,
                        Code::FutureTime,
                        format!("{day} 尚未到来 is in the future"),
                    )
                } else {
                    let row = DayCloseRow {
                        window: window.clone(),
                        day: *day,
                        tally: *tally,
                        position: recorded.position,
                    };
                    // The first close makes the day closed, the last one says what the window counted.
                    self.changes
                        .day_closes
                        .entry((window, *day))
                        .and_modify(|it| it.tally = *tally)
                        .or_insert(row);
                    self.counts.counted += 1;
                    true
                };
                self.record(&recorded.identity, entry, None);
                counts
            }
            Event::Corrected { original, replacement, reason } => {
                self.amend(recorded, &window, original, Some(replacement), reason)
            }
            Event::Voided { original, reason } => {
                self.amend(recorded, &window, original, None, reason)
            }
            Event::AuthorizationChanged { .. } => {
                let mut entry = marker(recorded);
                entry.window = Some(window);
                let counts = self.registry.may(recorded.actor.as_ref(), Right::Authorize);
                if counts {
                    self.counts.counted += 1;
                } else {
                    entry.code = Some(Code::NoRight);
                    self.flag(
                        recorded,
                        Code::NoRight,
                        "授权变更须由有权人员录入 needs the right `authorize`".into(),
                    );
                }
                self.record(&recorded.identity, entry, None);
                counts
            }
            _ => {
                // The contract lets no other kind into a terminal's line; a newer one may.
                let mut entry = marker(recorded);
                entry.code = Some(Code::UnknownKind);
                let detail = "终端不能记录此类事件 not a window's kind of event".to_owned();
                self.exception(
                    recorded.position,
                    Some(&recorded.identity),
                    Standing::Held,
                    Code::UnknownKind,
                    detail,
                );
                self.record(&recorded.identity, entry, None);
                false
            }
        }
    }

    fn judge(
        &self,
        recorded: &Recorded,
        act: &Act,
        occurred_at: Timestamp,
        entered_at: Option<Timestamp>,
        case: Option<&Case>,
        replaces: Option<&EventRef>,
    ) -> Verdict {
        let candidate = Candidate {
            act,
            occurred_at,
            entered_at,
            recorded_at: recorded.recorded_at,
            // A correction says itself when it was.
            clock_offset: recorded.clock_offset.filter(|_| replaces.is_none()),
            clock_unsure: recorded.clock_unsure.filter(|_| replaces.is_none()),
            actor: recorded.actor.as_ref(),
            replaces,
        };
        let known = Knowledge {
            registry: &self.registry,
            register: &self.register,
            case,
            opening_through: self.book.opening.as_ref().map(|it| it.through),
        };
        counting::judge(candidate, known)
    }

    /// Writes the verdict into the entry and the exceptions; answers whether the event counts.
    fn pronounce(&mut self, recorded: &Recorded, verdict: Verdict, entry: &mut Entry) -> bool {
        match verdict {
            Verdict::Counted(warning) => {
                entry.sign = 1;
                entry.code = warning;
                self.counts.counted += 1;
                if let Some(code) = warning {
                    self.changes.exceptions.push(ExceptionRow {
                        position: recorded.position,
                        stream: recorded.identity.stream.to_string(),
                        number: recorded.identity.number,
                        standing: Standing::Warned,
                        code,
                        detail: code.title().to_owned(),
                        settled: None,
                    });
                }
                true
            }
            Verdict::Flagged(code, detail) => {
                if planted!(FlaggedCounts) {
                    entry.sign = 1;
                }
                entry.code = Some(code);
                self.flag(recorded, code, detail)
            }
        }
    }

    fn amend(
        &mut self,
        recorded: &Recorded,
        window: &WindowId,
        original: &EventRef,
        replacement: Option<&Replacement>,
        reason: &str,
    ) -> bool {
        let mut refused = marker(recorded);
        refused.window = Some(window.clone());
        refused.amends = Some(original.clone());
        let known = self.originals.get(original).cloned();
        let Some((known, act)) = known.and_then(|it| it.entry.act.clone().map(|act| (it, act)))
        else {
            return self.refuse(
                recorded,
                refused,
                Code::NotFound,
                format!("{original} 不存在或不能更改 cannot be amended"),
            );
        };
        let current = known.current.clone().unwrap_or_else(|| known.entry.clone());
        // What the hall holds back because of the clock, the device itself may put right: its day is what is in doubt.
        let in_doubt = current.code == Some(Code::ClockUnmeasured)
            && original.stream == recorded.identity.stream
            && replacement.is_some_and(|it| it.occurred_at.is_some());
        let own = known.entry.window.as_ref() == Some(window)
            && (in_doubt
                || hall_day(known.entry.occurred_at)
                    == hall_day(recorded.entered_at.unwrap_or(recorded.occurred_at)));
        if reason.trim().is_empty() {
            return self.refuse(
                recorded,
                refused,
                Code::NoReason,
                "更正须填写原因 a reason is required".into(),
            );
        }
        if !own && !self.registry.may(recorded.actor.as_ref(), Right::Correct) {
            let detail = format!("更正 {original} 须有更正权 needs the right `correct`");
            return self.refuse(recorded, refused, Code::NoRight, detail);
        }
        if current.sign == 0 && current.code.is_none() {
            return self.refuse(
                recorded,
                refused,
                Code::NotFound,
                format!("{original} 已撤销 is voided"),
            );
        }
        let mut next = Entry {
            number: recorded.identity.number,
            position: recorded.position,
            amends: Some(original.clone()),
            ..known.entry.clone()
        };
        next.sign = 0;
        next.code = None;
        let (cause, counts) = match replacement {
            None => {
                self.counts.counted += 1;
                (Cause::Voiding, true)
            }
            Some(replacement) => {
                let act = patched(act, replacement);
                next.occurred_at = replacement.occurred_at.unwrap_or(next.occurred_at);
                next.act = Some(act.clone());
                let case = act.case.as_ref().and_then(|it| self.cases.get(it));
                let verdict =
                    self.judge(recorded, &act, next.occurred_at, None, case, Some(original));
                (Cause::Correction, self.pronounce(recorded, verdict, &mut next))
            }
        };
        let taken_back = match cause {
            Cause::Correction => !planted!(CorrectionCountsTwice),
            _ => !planted!(VoidIgnored),
        };
        if current.sign == 1 && taken_back {
            let back = Entry {
                number: recorded.identity.number,
                position: recorded.position,
                sign: -1,
                code: None,
                amends: Some(original.clone()),
                ..current
            };
            self.record(&recorded.identity, back, Some(cause));
        }
        self.replace(original, &known, next.clone());
        self.record(&recorded.identity, next, Some(cause));
        self.settle_exceptions(original, recorded.position);
        counts
    }

    fn replace(&mut self, original: &EventRef, known: &Original, next: Entry) {
        let current = Entry { number: original.number, amends: None, ..next };
        self.changes.amendments.insert(
            original.clone(),
            AmendmentRow { original: original.clone(), current: current.clone() },
        );
        let replaced = Original { entry: known.entry.clone(), current: Some(current) };
        self.originals.insert(original.clone(), replaced);
    }

    pub(crate) fn count_one(&mut self) {
        self.counts.counted += 1;
    }

    /// Whether the person may settle exceptions, and says why.
    pub(crate) fn may_settle(&mut self, recorded: &Recorded, reason: &str) -> bool {
        if reason.trim().is_empty() {
            return self.flag(
                recorded,
                Code::NoReason,
                "放行或驳回须填写原因 a reason is required".into(),
            );
        }
        if !self.registry.may(recorded.actor.as_ref(), Right::Release) {
            return self.flag(
                recorded,
                Code::NoRight,
                "须有放行权 needs the right `release`".into(),
            );
        }
        true
    }

    pub(crate) fn settle(
        &mut self,
        recorded: &Recorded,
        original: &EventRef,
        reason: &str,
    ) -> bool {
        if !self.may_settle(recorded, reason) {
            return false;
        }
        let known = self.originals.get(original).cloned();
        let Some(known) = known.filter(|it| {
            let current = it.current.as_ref().unwrap_or(&it.entry);
            current.sign == 0 && current.code.is_some()
        }) else {
            let detail = format!("{original} 无待处理 is not waiting");
            return self.flag(recorded, Code::NotFound, detail);
        };
        let released = matches!(recorded.event, Event::Released { .. });
        if released && known.current.as_ref().unwrap_or(&known.entry).act.is_none() {
            return self.must_be_entered_anew(recorded, original);
        }
        self.counts.counted += 1;
        self.settle_exceptions(original, recorded.position);
        if released {
            let mut next = Entry {
                number: recorded.identity.number,
                position: match planted!(ReleaseAtOldPosition) {
                    true => known.entry.position,
                    false => recorded.position,
                },
                sign: 1,
                code: None,
                amends: Some(original.clone()),
                ..known.current.clone().unwrap_or_else(|| known.entry.clone())
            };
            if next.window.is_none()
                && let Stream::Terminal(terminal) = &original.stream
            {
                next.window = self.registry.terminals.get(terminal).map(|it| it.window.clone());
            }
            self.replace(original, &known, next.clone());
            self.record(&recorded.identity, next, Some(Cause::Release));
        }
        true
    }

    /// What no release makes count.
    pub(crate) fn must_be_entered_anew(
        &mut self,
        recorded: &Recorded,
        original: &EventRef,
    ) -> bool {
        let detail = format!("{original} 须重新录入 is to be entered anew");
        self.flag(recorded, Code::NotFound, detail)
    }

    /// Settles what is open of one message, or of all messages of a number.
    pub(crate) fn settle_message(&mut self, of: &EventRef, message: Option<u64>, by: u64) {
        let (stream, number) = (of.stream.to_string(), of.number);
        self.changes.settled.push(Settlement { stream, number, by, message });
    }

    fn settle_exceptions(&mut self, original: &EventRef, position: u64) {
        self.settle_message(original, None, position);
    }

    fn refuse(
        &mut self,
        recorded: &Recorded,
        mut entry: Entry,
        code: Code,
        detail: String,
    ) -> bool {
        entry.code = Some(code);
        self.record(&recorded.identity, entry, None);
        self.flag(recorded, code, detail)
    }

    pub(crate) fn flag(&mut self, recorded: &Recorded, code: Code, detail: String) -> bool {
        self.exception(
            recorded.position,
            Some(&recorded.identity),
            Standing::Flagged,
            code,
            detail,
        );
        false
    }

    fn exception(
        &mut self,
        position: u64,
        identity: Option<&EventRef>,
        standing: Standing,
        code: Code,
        detail: String,
    ) {
        match standing {
            Standing::Warned => {}
            Standing::Flagged => self.counts.flagged += 1,
            Standing::Held => self.counts.held += 1,
            Standing::Quarantined => self.counts.quarantined += 1,
        }
        self.changes.exceptions.push(ExceptionRow {
            position,
            stream: identity.map_or_else(String::new, |it| it.stream.to_string()),
            number: identity.map_or(0, |it| it.number),
            standing,
            code,
            detail,
            settled: None,
        });
    }

    /// The next free place among the adjustments at a position, of which those in `known` have rows. A message is never
    /// split between pages, so places do not depend on them.
    pub(crate) fn place_at(&self, position: u64, known: &[Adjustment]) -> u32 {
        let own = self.changes.adjustments.iter().rev().map(|(_, it)| it);
        let own = own.take_while(|it| it.position >= position);
        let count = own.chain(known).filter(|it| it.position == position).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Adds an entry to the record: to its segment, the sums, its case, and the adjustments of a frozen period.
    fn record(&mut self, identity: &EventRef, entry: Entry, cause: Option<Cause>) {
        if self.wanted.contains(identity) && entry.amends.is_none() {
            self.originals
                .insert(identity.clone(), Original { entry: entry.clone(), current: None });
        }
        let day = entry.day();
        if let Some(act) = &entry.act {
            if entry.sign != 0
                && let Some(window) = &entry.window
            {
                let (amount, events) = entry.effect();
                if let Some((last, cut)) = self.book.last_frozen()
                    && let Some(cause) = cause
                    && day <= last
                    && entry.position > cut
                    && !planted!(AdjustmentLost)
                {
                    let (position, kind) = (entry.position, act.kind);
                    let adjustment = Adjustment { position, day, kind, amount, events, cause };
                    let place = self.place_at(position, &[]);
                    self.changes.adjustments.push((place, adjustment));
                }
                let department = act.department.as_ref();
                self.sums.add(day, window, department, act.kind, (amount, events));
            }
            if let Some(id) = &act.case {
                let subject = entry.amends.as_ref().unwrap_or(identity);
                let case = self.cases.touch(id, identity);
                match entry.sign {
                    1 => case.count(act.kind, subject, act.department.as_ref()),
                    -1 => case.uncount(act.kind, subject),
                    _ => {}
                }
            }
        }
        self.lines.append(identity, day, &entry);
    }
}

fn trouble(incoming: &Incoming) -> (Code, String) {
    match &incoming.outcome {
        Ok(_) => (Code::Malformed, String::new()),
        Err(error) => (error.code, error.detail.clone()),
    }
}

fn marker(recorded: &Recorded) -> Entry {
    Entry {
        number: recorded.identity.number,
        position: recorded.position,
        occurred_at: recorded.occurred_at,
        act: None,
        window: None,
        sign: 0,
        code: None,
        amends: None,
    }
}

fn patched(mut act: Act, replacement: &Replacement) -> Act {
    if let Some(people) = replacement.people
        && act.kind == zhoubao_domain::event::Kind::Consulted
    {
        act.amount = people;
    }
    if let Some(department) = &replacement.department {
        act.department = Some(department.clone());
    }
    if let Some(matter) = &replacement.matter {
        act.matter = Some(matter.clone());
    }
    act
}
