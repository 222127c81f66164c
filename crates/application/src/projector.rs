//! The projector: follows a hall's journal and keeps its read models, each page and its checkpoint in one
//! transaction.
//!
//! ```text
//!  journal ──► Follower ──► decode ──╮ a page ahead, on another core
//!                                    ▼
//!                        look up ──► fold ──╮ one page ahead
//!                                           ▼
//!                                         commit (rows + checkpoint, fenced by the claim)
//! ```
//!
//! A page is looked up, folded and prepared while the page before it commits. That is safe for cases: those that the
//! page before touched are in memory, the others are not in its rows. Whatever else is looked up waits for the commit.
//!
//! It may be killed at any moment: the rows and the checkpoint are one transaction. A commit whose outcome is
//! unknown is resolved by reading the checkpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::Instrument as _;
use zhoubao_contract::Stored;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Digest, EventRef, HallCode, Stream, Subject};
use zhoubao_projections::early::passes_over;
use zhoubao_projections::entry::ParseEntryError;
use zhoubao_projections::freeze::{AloneNeeds, FreezeFound};
use zhoubao_projections::model::{Incoming, Model, SeedError};
use zhoubao_projections::rows::{Checkpoint, ExceptionRow, Found, Needs, Standing};

use crate::follow::{self, FollowError, Follower, PAGE_MESSAGES_MAX};
use crate::journal::{Incarnation, Journal, JournalError};
use crate::store::{Commit, Epoch, Page, ReadModels, Seed, SnapshotQuery, StoreError};
use crate::way::{self, Part, Since};

/// Longest time that a live event waits for others to share its transaction.
const LIVE_WAIT: Duration = Duration::from_millis(20);

/// Pages decoded ahead of the one that is being committed.
const PAGES_AHEAD: usize = 1;

/// Longest pause between two tries while the store does not answer.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Why projecting ended.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The journal must not be followed any further.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// Another projector has taken over.
    #[error("another projector took this hall over (E.706)")]
    Fenced,
    /// The read models were changed from outside.
    #[error("the read models are damaged; run `zhoubao rebuild`")]
    Seed(#[from] SeedError),
    /// The record was changed from outside.
    #[error("the record in the read models is damaged; run `zhoubao rebuild`")]
    Entry(#[from] ParseEntryError),
    /// The store refuses for a reason that waiting does not mend.
    #[error(transparent)]
    Store(StoreError),
}

/// How far the projector is, after each page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sequence of the checkpoint.
    pub sequence: u64,
    /// Whether the journal had nothing more.
    pub caught_up: bool,
    /// Time spent waiting for decoded pages, or with nothing to do.
    pub reading: Duration,
    /// Time spent looking up rows.
    pub looking_up: Duration,
    /// Time spent folding.
    pub folding: Duration,
    /// Time spent in commits, of which most passes while the next page is folded.
    pub committing: Duration,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// When the checkpoint has reached this sequence.
    Sequence(u64),
    /// Never.
    Live,
}

/// How often an idle projector looks whether the store is where it left it.
const LOOK_AFTER: Duration = Duration::from_secs(5);

/// How often a message is asked for that must be there.
const MISSING_TRIES: u32 = 6;

struct DecodedPage {
    messages: Vec<Incoming>,
    incarnation: Option<Incarnation>,
    caught_up: bool,
}

/// Projects one hall until the goal is reached.
///
/// While journal or store do not answer it waits and tries again; nothing is skipped.
///
/// # Errors
///
/// [`ProjectError`]: what waiting does not mend.
pub async fn project(
    journal: Arc<dyn Journal>,
    store: Arc<dyn ReadModels>,
    hall: HallCode,
    goal: Goal,
    mut report: impl FnMut(Progress) + Send,
) -> Result<Progress, ProjectError> {
    let epoch = retry(|| store.claim(&hall)).await?;
    let seed = retry(|| store.seed(&hall)).await?;
    let from = seed.checkpoint.as_ref().map(|it| follow::Checkpoint {
        incarnation: Incarnation(it.incarnation.clone()),
        sequence: it.sequence,
        hash: it.hash,
    });
    let recorded_at = last_taken_at(&*journal, &seed).await?;
    let mut model = Model::seed(hall.clone(), seed.checkpoint, &seed.facts, seed.heads)?;
    let open = retry(|| store.exceptions(&hall, true)).await?;
    model.hold(open.into_iter().filter_map(held));
    let sequence = model.checkpoint().map_or(0, |it| it.sequence);
    let progress = Progress { sequence, ..Progress::default() };
    if matches!(goal, Goal::Sequence(goal) if goal <= sequence) {
        return Ok(progress);
    }
    let (sender, mut pages) = mpsc::channel(PAGES_AHEAD);
    let follower = Follower::new(journal.clone(), from).with_recorded_at(recorded_at);
    let reader = tokio::spawn(read(follower, hall.clone(), sender));
    let _reader = AbortOnDrop(reader);
    let mut fold = Fold {
        journal,
        store,
        hall,
        epoch,
        model,
        progress,
        caught_up: false,
        flying: None,
        waiting: Vec::new(),
        followed: Vec::new(),
        looked_at: tokio::time::Instant::now(),
        is_live: goal == Goal::Live,
    };
    loop {
        let waited = Instant::now();
        tokio::select! {
            biased;
            landed = fold.landed(), if fold.flying.is_some() => {
                landed?;
                fold.progress.caught_up = fold.caught_up;
            }
            page = pages.recv() => {
                fold.progress.reading += waited.elapsed();
                match page {
                    Some(page) => {
                        let page = page?;
                        let is_idle = page.messages.is_empty();
                        fold.page(page).await?;
                        if is_idle {
                            fold.look_after_store().await?;
                        }
                    }
                    // The reader sends its error before it ends.
                    None => return Err(ProjectError::Fenced),
                }
                fold.progress.caught_up = fold.caught_up && fold.flying.is_none();
            }
        }
        report(fold.progress);
        let reached = fold.reached();
        if matches!(goal, Goal::Sequence(goal) if reached >= goal) {
            return Ok(fold.progress);
        }
    }
}

/// When the journal took the message of the checkpoint, if a line ends there. Where none does, the last line's end must
/// be in the journal as it was.
async fn last_taken_at(
    journal: &dyn Journal,
    seed: &Seed,
) -> Result<Option<Timestamp>, ProjectError> {
    let Some(checkpoint) = &seed.checkpoint else { return Ok(None) };
    let latest = seed.heads.iter().map(|(_, head)| head).max_by_key(|it| it.position);
    let Some(latest) = latest else { return Ok(None) };
    if latest.position == checkpoint.sequence {
        return Ok(Some(latest.recorded_at));
    }
    let Some(stored) = message_at(journal, latest.position).await? else { return Ok(None) };
    if stored.recorded_at.as_microsecond() == latest.recorded_at.as_microsecond() {
        return Ok(None);
    }
    let last = journal.state().await.map_or(latest.position, |it| it.last);
    Err(FollowError::WentBack { checkpoint: checkpoint.sequence, last }.into())
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read(
    mut follower: Follower,
    hall: HallCode,
    pages: mpsc::Sender<Result<DecodedPage, FollowError>>,
) {
    loop {
        let page = match follower.next_page(PAGE_MESSAGES_MAX, LIVE_WAIT).await {
            Ok(page) => page,
            Err(error) => {
                // Nobody listens any more: then nobody needs the error either.
                let _ = pages.send(Err(error)).await;
                return;
            }
        };
        let decoded = DecodedPage {
            messages: page.messages.into_iter().map(|it| Incoming::read(it, &hall)).collect(),
            incarnation: page.checkpoint.map(|it| it.incarnation),
            caught_up: page.caught_up,
        };
        if pages.send(Ok(decoded)).await.is_err() {
            return;
        }
    }
}

struct Fold {
    journal: Arc<dyn Journal>,
    store: Arc<dyn ReadModels>,
    hall: HallCode,
    epoch: Epoch,
    model: Model,
    progress: Progress,
    /// Whether the journal had nothing more after the page that was folded last.
    caught_up: bool,
    flying: Option<Flying>,
    /// Messages at the end of the journal that a later one may still cover by its signature: they are not folded before
    /// that is known, so what they come to does not depend on when they were read.
    waiting: Vec<Incoming>,
    /// Events of the page whose way is followed, and when the journal took them.
    followed: Vec<(EventRef, u64, Timestamp)>,
    /// Whether it is the hall's own projector, and no copy that is made anew.
    is_live: bool,
    /// When the store was last asked whether it is where this projector left it.
    looked_at: tokio::time::Instant,
}

/// Most alarms of one page that are raised one by one; the rest is counted.
const ALARMS_MAX: usize = 20;

/// What of a page is not to be trusted or not understood: somebody has to look at it, and soon (guarantees §1).
#[derive(Default)]
struct Alarms {
    first: Vec<ExceptionRow>,
    all: usize,
}

impl Alarms {
    fn of(exceptions: &[ExceptionRow]) -> Self {
        let alarms = exceptions
            .iter()
            .filter(|it| matches!(it.standing, Standing::Held | Standing::Quarantined));
        Self { first: alarms.clone().take(ALARMS_MAX).cloned().collect(), all: alarms.count() }
    }

    fn raise(&self) {
        for it in &self.first {
            tracing::error!(
                code = it.code.text(),
                log.position = it.position,
                line = %it.stream,
                number = it.number,
                detail = it.detail,
                "alarm: an event is {}, {}",
                it.standing.word(),
                it.code.title()
            );
        }
        if self.all > self.first.len() {
            tracing::error!(more = self.all - self.first.len(), "alarm: more such events");
        }
    }
}

/// A commit on its way.
struct Flying {
    to: u64,
    task: AbortOnDrop<Result<Duration, ProjectError>>,
}

impl Fold {
    #[tracing::instrument(
        name = "projector.page",
        level = "debug",
        skip_all,
        fields(hall.code = %self.hall, log.position = self.progress.sequence, page.messages = page.messages.len()),
    )]
    async fn page(&mut self, page: DecodedPage) -> Result<(), ProjectError> {
        let incarnation = page.incarnation.map(|it| it.0).unwrap_or_default();
        let mut run = std::mem::take(&mut self.waiting);
        if run.is_empty() {
            run = page.messages;
        } else {
            run.extend(page.messages);
        }
        while let Some(place) = run.iter().position(Incoming::stands_alone) {
            let mut rest = run.split_off(place).into_iter();
            self.run(run, &incarnation).await?;
            if let Some(incoming) = rest.next() {
                self.alone(incoming, &incarnation).await?;
            }
            run = rest.collect();
        }
        self.waiting = run.split_off(run.len() - self.model.open_tail(&run));
        self.run(run, &incarnation).await?;
        self.caught_up = page.caught_up;
        Ok(())
    }

    async fn run(&mut self, run: Vec<Incoming>, incarnation: &str) -> Result<(), ProjectError> {
        if run.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let needs = self.model.needs(&run);
        if !needs.originals.is_empty() || !needs.repeats.is_empty() || !needs.messages.is_empty() {
            self.landed().await?;
        }
        let found =
            look_up(&*self.journal, &*self.store, &self.hall, &mut self.model, needs).await?;
        self.model.supply(found);
        self.follow(&run);
        let looked_up = Instant::now();
        self.model.fold_run(run, incarnation);
        let folded = Instant::now();
        self.progress.looking_up += looked_up - started;
        self.progress.folding += folded - looked_up;
        self.commit().await
    }

    async fn alone(&mut self, incoming: Incoming, incarnation: &str) -> Result<(), ProjectError> {
        self.landed().await?;
        let needs = self.model.needs(std::slice::from_ref(&incoming));
        let found =
            look_up(&*self.journal, &*self.store, &self.hall, &mut self.model, needs).await?;
        self.model.supply(found);
        self.follow(std::slice::from_ref(&incoming));
        match self.model.alone_needs(&incoming) {
            AloneNeeds::Freeze(needs) => {
                let issue = needs.previous.as_ref().map(|(issue, _)| issue.clone());
                let query = SnapshotQuery {
                    first: needs.first,
                    last: needs.last,
                    after: Some(needs.cut),
                    adjustments_after: Some(needs.previous.as_ref().map_or(0, |(_, cut)| *cut)),
                    issues: issue.clone().into_iter().collect(),
                    segments: false,
                    facts: false,
                };
                let mut snapshot = retry(|| self.store.snapshot(&self.hall, &query)).await?;
                let previous =
                    issue.and_then(|it| snapshot.figures.remove(&it)).unwrap_or_default();
                let found = FreezeFound {
                    cells: snapshot.cells,
                    segments: snapshot.segments,
                    previous,
                    adjustments: snapshot.adjustments,
                };
                self.model.fold_freeze(incoming, incarnation, found)?;
            }
            AloneNeeds::Figures(issue) => {
                let day = jiff::civil::Date::ZERO;
                let query = SnapshotQuery {
                    first: day,
                    last: day,
                    after: None,
                    adjustments_after: None,
                    issues: vec![issue.clone()],
                    segments: false,
                    facts: false,
                };
                let mut snapshot = retry(|| self.store.snapshot(&self.hall, &query)).await?;
                let figures = snapshot.figures.remove(&issue).unwrap_or_default();
                self.model.fold_sign_off(incoming, incarnation, &figures);
            }
            AloneNeeds::Nothing => self.model.fold(incoming, incarnation),
        }
        self.commit().await
    }

    /// Remembers whose way is told once they are counted.
    fn follow(&mut self, run: &[Incoming]) {
        if self.is_live && way::is_followed() {
            let named = run
                .iter()
                .filter_map(|it| Some((it.identity()?.clone(), it.position, it.recorded_at)));
            self.followed.extend(named.take(way::TOLD_MAX));
        }
    }

    /// Sequence up to which everything is committed, or waits for messages that the journal does not have yet.
    fn reached(&self) -> u64 {
        match self.waiting.last() {
            Some(last) if self.progress.caught_up => last.position,
            _ => self.progress.sequence,
        }
    }

    /// Notices, while there is nothing to write, that the store is not where it was left: an older copy took its place.
    async fn look_after_store(&mut self) -> Result<(), ProjectError> {
        if self.flying.is_some() || self.looked_at.elapsed() < LOOK_AFTER {
            return Ok(());
        }
        self.looked_at = tokio::time::Instant::now();
        match self.store.checkpoint(&self.hall).await {
            Ok(it) if it.as_ref().map_or(0, |it| it.sequence) != self.progress.sequence => {
                Err(ProjectError::Fenced)
            }
            Ok(_) => Ok(()),
            // The next look or the next commit tells.
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "store not answering");
                Ok(())
            }
        }
    }

    /// Sends the changes off, after the commit before.
    async fn commit(&mut self) -> Result<(), ProjectError> {
        let (changes, to) = self.model.take();
        let Some(to) = to else { return Ok(()) };
        let alarms = if self.is_live { Alarms::of(&changes.exceptions) } else { Alarms::default() };
        let page = self.store.prepare(&self.hall, changes);
        self.landed().await?;
        let (store, hall, epoch) = (self.store.clone(), self.hall.clone(), self.epoch);
        let (from, sequence) = (self.progress.sequence, to.sequence);
        let followed = std::mem::take(&mut self.followed);
        let task = async move {
            let started = Instant::now();
            commit_until_known(&*store, &*page, &hall, epoch, from, &to).await?;
            let spent = started.elapsed();
            alarms.raise();
            for (EventRef { stream, number }, position, recorded_at) in followed {
                let subject = Subject::new(hall.clone(), stream).to_string();
                let since = Since::At(recorded_at);
                way::tell(Part::Counted, &subject, &number.to_string(), Some(position), since);
            }
            Ok(spent)
        };
        let task = tokio::spawn(task.in_current_span());
        self.flying = Some(Flying { to: sequence, task: AbortOnDrop(task) });
        Ok(())
    }

    /// Waits for the commit on its way, if there is one. Whoever stops waiting may wait again.
    async fn landed(&mut self) -> Result<(), ProjectError> {
        let Some(flying) = &mut self.flying else { return Ok(()) };
        let done = (&mut flying.task.0).await;
        let to = flying.to;
        self.flying = None;
        match done {
            Ok(spent) => self.progress.committing += spent?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Only this aborts the task, and the runtime when it ends.
            Err(_) => return Err(ProjectError::Fenced),
        }
        self.progress.sequence = to;
        Ok(())
    }
}

async fn commit_until_known(
    store: &dyn ReadModels,
    page: &dyn Page,
    hall: &HallCode,
    epoch: Epoch,
    from: u64,
    to: &Checkpoint,
) -> Result<(), ProjectError> {
    let mut pause = Duration::from_millis(20);
    loop {
        tracing::debug!(log.from = from, log.position = to.sequence, "commit begins");
        let done = page.commit(Commit { epoch, from, to }).await;
        tracing::debug!(log.position = to.sequence, "commit ends");
        match done {
            Ok(()) => return Ok(()),
            Err(StoreError::Fenced) => return Err(ProjectError::Fenced),
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(error = &*error as &dyn std::error::Error, "commit not answered");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
                // It may have been committed: then another projector or this one moved the checkpoint.
                let now = retry(|| store.checkpoint(hall)).await?;
                if now.as_ref() == Some(to) {
                    return Ok(());
                }
            }
            Err(error @ StoreError::Damaged(_)) => return Err(ProjectError::Store(error)),
        }
    }
}

/// Looks up what a run of messages needs ([`Model::needs`]), the journal's part included.
pub async fn look_up(
    journal: &dyn Journal,
    store: &dyn ReadModels,
    hall: &HallCode,
    model: &mut Model,
    needs: Needs,
) -> Result<Found, ProjectError> {
    if needs.is_empty() {
        return Ok(Found::default());
    }
    let mut found = if needs.cases.is_empty() && needs.originals.is_empty() {
        Found::default()
    } else {
        retry(|| store.lookup(hall, &needs)).await?
    };
    if !needs.messages.is_empty() {
        let mut positions = needs.messages.clone();
        positions.sort_unstable();
        positions.dedup();
        for position in positions {
            // What a person names need not be there; what was folded must be.
            let folded = model.checkpoint().is_some_and(|it| position <= it.sequence);
            let stored = match folded {
                true => Some(folded_message_at(journal, position).await?),
                false => message_at(journal, position).await?,
            };
            found.messages.extend(stored.map(|it| Incoming::read(it, hall)));
        }
        if !needs.named.is_empty() {
            let named = keys(&needs.named);
            found.waiting = retry(|| store.exceptions_of(hall, &named)).await?;
            found.waiting.retain(|it| it.settled.is_none());
        }
        let more = model.needs_of_early(&found.messages);
        if !more.is_empty() {
            let more = retry(|| store.lookup(hall, &more)).await?;
            found.cases.extend(more.cases);
            found.originals.extend(more.originals);
        }
    }
    let more = model.cases_of(&found);
    if !more.is_empty() {
        let needs = Needs { cases: more, ..Needs::default() };
        found.cases.extend(retry(|| store.lookup(hall, &needs)).await?.cases);
    }
    if !needs.repeats.is_empty() {
        found.hashes = first_hashes(journal, store, hall, needs.repeats).await?;
    }
    Ok(found)
}

fn keys(events: &[EventRef]) -> Vec<(Stream, u64)> {
    events.iter().map(|it| (it.stream.clone(), it.number)).collect()
}

async fn first_hashes(
    journal: &dyn Journal,
    store: &dyn ReadModels,
    hall: &HallCode,
    repeats: Vec<EventRef>,
) -> Result<Vec<(EventRef, Digest)>, ProjectError> {
    let keys = keys(&repeats);
    let positions = retry(|| store.positions(hall, &keys)).await?;
    let exceptions = retry(|| store.exceptions_of(hall, &keys)).await?;
    let mut passed_over: HashMap<(&str, u64), Vec<&ExceptionRow>> = HashMap::new();
    for it in exceptions.iter().filter(|it| passes_over(it.code)) {
        passed_over.entry((&it.stream, it.number)).or_default().push(it);
    }
    let mut hashes = Vec::with_capacity(repeats.len());
    for (event, position) in repeats.into_iter().zip(positions) {
        let Some(position) = position else { continue };
        let key = (&*event.stream.to_string(), event.number);
        let of_event = passed_over.get(&key).map(Vec::as_slice).unwrap_or_default();
        if of_event.iter().any(|it| it.position == position) {
            // Nothing was ever taken under the number: it was given up.
            continue;
        }
        let own = Incoming::read(folded_message_at(journal, position).await?, hall);
        if own.identity() == Some(&event) {
            hashes.push((event, own.hash));
            continue;
        }
        // It counts from the position of what let it in: the message itself came before, and was an exception then.
        for row in of_event.iter().filter(|it| it.settled == Some(position)) {
            let stored = folded_message_at(journal, row.position).await?;
            hashes.push((event.clone(), zhoubao_contract::hash(&stored.message)));
        }
    }
    Ok(hashes)
}

/// A held message of an exception row.
pub fn held(row: ExceptionRow) -> Option<(EventRef, u64)> {
    let stream = row.stream.parse().ok().filter(|_| row.code == Code::SequenceGap)?;
    Some((EventRef { stream, number: row.number }, row.position))
}

/// The message at a position, when the journal answers.
async fn message_at(journal: &dyn Journal, position: u64) -> Result<Option<Stored>, ProjectError> {
    let mut pause = Duration::from_millis(20);
    loop {
        match journal.get(position).await {
            Ok(stored) => return Ok(stored),
            Err(JournalError::Unavailable(error)) => {
                tracing::warn!(error = &*error as &dyn std::error::Error, "journal not answering");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
            Err(JournalError::Unsafe { code, detail }) => {
                return Err(FollowError::Unsafe { code, detail }.into());
            }
        }
    }
}

/// A message that was folded before: where it is missing now the journal has a gap behind the checkpoint, and what
/// hangs on it would come to something else. A replica that lags is asked again for a while.
async fn folded_message_at(journal: &dyn Journal, position: u64) -> Result<Stored, ProjectError> {
    let mut pause = Duration::from_millis(20);
    for _ in 0..MISSING_TRIES {
        if let Some(stored) = message_at(journal, position).await? {
            return Ok(stored);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    let last = journal.state().await.map_or(position, |it| it.last);
    Err(if last < position {
        FollowError::WentBack { checkpoint: position, last }.into()
    } else {
        FollowError::Gap { expected: position, found: last }.into()
    })
}

/// Asks the store until it answers.
async fn retry<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ProjectError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = Duration::from_millis(20);
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(StoreError::Fenced) => return Err(ProjectError::Fenced),
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(error = &*error as &dyn std::error::Error, "store not answering");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
            Err(error @ StoreError::Damaged(_)) => return Err(ProjectError::Store(error)),
        }
    }
}
