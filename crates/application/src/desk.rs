//! The desk's use cases: load, decide, append, retry, answer with the position.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zhoubao_composer::{Template, submission};
use zhoubao_contract::hash;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{
    ATTACHMENTS_MAX, Event, Refusal, Right, SUBMISSION_BYTES_MAX, Setup, TreeHash,
};
use zhoubao_domain::figure::Definition;
use zhoubao_domain::id::{Digest, HallCode, ObjectId, SetupTopic, Stream, UserId};
use zhoubao_domain::issue::{self, Command, Stage};
use zhoubao_projections::cover::COVERED_MAX;
use zhoubao_projections::model::{Incoming, Model};
use zhoubao_projections::rows::Checkpoint;

use crate::clock::Clock;
use crate::journal::{AppendError, BATCH_MESSAGES_MAX, Journal, JournalError, JournalState};
use crate::known::{self, Filed, Known};
use crate::store::{ReadModels, SnapshotQuery, StoreError};
use crate::writer::{Receipt, Unnumbered, WriteError, Writer};

/// Longest wait for the read models to reach the journal's end before a command is decided.
const CATCH_UP_MAX: Duration = Duration::from_secs(30);

/// Longest pause between two looks at them.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// How often a fact is checked anew after a conflict.
const TRIES_MAX: usize = 8;

/// How often a command on an issue is decided anew after a conflict. All issues of a hall are on one line, and each
/// conflict is the success of somebody else, of another process: this one's own commands take turns.
const ISSUE_TRIES_MAX: usize = 100;

/// Why a command did not happen.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// A rule forbids it; nothing was stored.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The journal did not take it.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The journal could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The read models could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The read models do not reach the journal's end: no projector runs, or it has stopped.
    #[error("the read models are at {at}, the journal at {goal}; is a projector running? (E.705)")]
    Behind {
        /// Where the read models are.
        at: u64,
        /// Where the journal ends.
        goal: u64,
    },
}

/// Who does something, when, and under which key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct By {
    /// Work number.
    pub actor: Option<UserId>,
    /// When; the clock's time where absent.
    pub at: Option<Timestamp>,
    /// Idempotency key: the same key again answers with the first position.
    pub command: Option<String>,
    /// Position of the last event of the issue that he had before him; none: whatever it is.
    pub seen: Option<u64>,
}

/// The desk of one hall.
#[derive(Clone)]
pub struct Desk {
    journal: Arc<dyn Journal>,
    store: Arc<dyn ReadModels>,
    hall: HallCode,
    clock: Arc<dyn Clock>,
    tree_hash: TreeHash,
    /// Held by the command on an issue that is being decided: of any number at once all get through, in the order in
    /// which they came, and none composes an issue in vain.
    turn: Arc<Mutex<()>>,
}

impl Desk {
    /// A desk over a journal and its read models. Somebody else projects.
    #[must_use]
    pub fn new(
        journal: Arc<dyn Journal>,
        store: Arc<dyn ReadModels>,
        hall: HallCode,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { journal, store, hall, clock, tree_hash: TreeHash::default(), turn: Arc::default() }
    }

    /// The same desk, whose freezes name a tree that is hashed like this.
    #[must_use]
    pub fn with_tree_hash(self, tree_hash: TreeHash) -> Self {
        Self { tree_hash, ..self }
    }

    /// How the tree of a freeze is hashed.
    #[must_use]
    pub fn tree_hash(&self) -> TreeHash {
        self.tree_hash
    }

    /// Waits until the read models have reached what the journal held when this was called.
    ///
    /// # Errors
    ///
    /// [`DeskError::Behind`] after 30 s; [`JournalError::Unsafe`] where the read models were made of another journal,
    /// or of messages that this one has lost: nothing may be decided by them.
    pub async fn catch_up(&self) -> Result<u64, DeskError> {
        let goal = self.journal.state().await?;
        self.reach_state(goal, CATCH_UP_MAX).await
    }

    /// Waits until the read models have reached a position.
    ///
    /// # Errors
    ///
    /// As [`Desk::catch_up`], after `wait_max`.
    pub async fn reach(&self, goal: u64, wait_max: Duration) -> Result<u64, DeskError> {
        let journal = self.journal.state().await?;
        self.reach_state(JournalState { last: goal, ..journal }, wait_max).await
    }

    async fn reach_state(&self, goal: JournalState, wait_max: Duration) -> Result<u64, DeskError> {
        let deadline = Instant::now() + wait_max;
        let mut pause = Duration::from_millis(2);
        loop {
            let checkpoint = self.store.checkpoint(&self.hall).await?;
            let at = checkpoint.as_ref().map_or(0, |it| it.sequence);
            let reached = at >= goal.last;
            if reached && self.is_of_journal(checkpoint.as_ref(), &goal).await? {
                return Ok(at);
            }
            if Instant::now() >= deadline {
                return Err(match reached {
                    true => went_back(at, goal.last).into(),
                    false => DeskError::Behind { at, goal: goal.last },
                });
            }
            tokio::time::sleep(pause).await;
            if pause == PAUSE_MAX && !reached && self.is_open(at, goal.last).await? {
                return Ok(at);
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Whether the message of the checkpoint is in the journal. A replica that lags does not have it yet.
    async fn is_of_journal(
        &self,
        checkpoint: Option<&Checkpoint>,
        journal: &JournalState,
    ) -> Result<bool, DeskError> {
        let Some(checkpoint) = checkpoint else { return Ok(true) };
        let Some(stored) = self.journal.get(checkpoint.sequence).await? else { return Ok(false) };
        if checkpoint.incarnation == journal.incarnation.0
            && hash(&stored.message) == checkpoint.hash
        {
            return Ok(true);
        }
        Err(went_back(checkpoint.sequence, journal.last).into())
    }

    /// Whether all that the projector has not folded are events that the next message of their terminal may cover: it
    /// waits for that message, and nobody should wait for the projector.
    async fn is_open(&self, at: u64, goal: u64) -> Result<bool, DeskError> {
        if goal - at >= COVERED_MAX as u64 {
            return Ok(false);
        }
        let mut rest = Vec::new();
        for position in at + 1..=goal {
            let Some(stored) = self.journal.get(position).await? else { return Ok(false) };
            rest.push(Incoming::read(stored, &self.hall));
        }
        let seed = self.store.seed(&self.hall).await?;
        let model = Model::seed(self.hall.clone(), seed.checkpoint, &seed.facts, seed.heads);
        Ok(model.is_ok_and(|it| it.open_tail(&rest) == rest.len()))
    }

    /// What the facts say now.
    ///
    /// # Errors
    ///
    /// When journal or store do not answer.
    pub async fn known(&self) -> Result<Known, DeskError> {
        self.catch_up().await?;
        facts(&*self.store, &self.hall).await
    }

    /// Records one fact of the desk, the register or the set-up after checking it.
    ///
    /// # Errors
    ///
    /// A refusal with its code; nothing is stored.
    pub async fn record(&self, stream: Stream, event: Event, by: By) -> Result<Receipt, DeskError> {
        let mut receipts = self.record_all(vec![(stream, event)], by).await?;
        receipts.pop().ok_or_else(|| Refusal::new(Code::Malformed, "nothing to record").into())
    }

    /// Records several facts in order; each is checked against the ones before it.
    ///
    /// # Errors
    ///
    /// A refusal with its code; then nothing of this call is stored.
    pub async fn record_all(
        &self,
        events: Vec<(Stream, Event)>,
        by: By,
    ) -> Result<Vec<Receipt>, DeskError> {
        let mut tries = 0;
        loop {
            let mut writer = Writer::new(self.journal.clone(), self.hall.clone());
            // The ends are read first: if anybody appends after it, the append below conflicts, so that a command that
            // is sent twice at once is stored once.
            for (stream, _) in &events {
                writer.end(stream).await?;
            }
            let mut known = self.known().await?;
            if let Some(receipt) =
                self.done_before(&by, events.first().map(|(stream, _)| stream)).await?
            {
                return Ok(vec![receipt]);
            }
            for (stream, event) in &events {
                check(&known, stream, event, by.actor.as_ref())?;
                self.would_settle(event, &by).await?;
                if let (Event::Setup(setup), Stream::Setup(topic, id)) = (event, stream) {
                    known.foresee(*topic, id, setup);
                }
            }
            let at = by.at.unwrap_or_else(|| self.clock.now());
            let unnumbered = events
                .iter()
                .map(|(stream, event)| Unnumbered {
                    stream: stream.clone(),
                    occurred_at: at,
                    entered_at: None,
                    actor: by.actor.clone(),
                    command: by.command.clone(),
                    event: event.clone(),
                })
                .collect();
            match writer.write(unnumbered).await {
                // Several chunks: what a first chunk stored must not be stored again.
                Err(WriteError::Append(AppendError::Conflict))
                    if events.len() <= BATCH_MESSAGES_MAX && tries < TRIES_MAX =>
                {
                    tries += 1;
                }
                done => return Ok(done?),
            }
        }
    }

    /// Decides a command on the hall's issues and appends what follows from it.
    ///
    /// `prepare` is called with what is known at each try and makes the command, so that figures and heads in
    /// it are those of the decision.
    ///
    /// # Errors
    ///
    /// A refusal with its code; nothing is stored.
    pub async fn issue(
        &self,
        by: By,
        mut prepare: impl AsyncFnMut(&Known) -> Result<Command, DeskError>,
    ) -> Result<Option<Receipt>, DeskError> {
        let _turn = self.turn.lock().await;
        let mut tries = 0;
        loop {
            let mut writer = Writer::new(self.journal.clone(), self.hall.clone());
            // The end is read first: if anybody appends after it, the append below conflicts.
            writer.end(&Stream::Issues).await?;
            let known = self.known().await?;
            if let Some(receipt) = self.done_before(&by, Some(&Stream::Issues)).await? {
                return Ok(Some(receipt));
            }
            let command = prepare(&known).await?;
            known.unchanged(&command, by.seen)?;
            if let Command::Adopt { submission, .. } = &command {
                adoptable(&known, submission)?;
            }
            let decided = issue::decide(&known.book, &known.registry, command, by.actor.as_ref())?;
            if decided.is_empty() {
                return Ok(None);
            }
            let at = by.at.unwrap_or_else(|| self.clock.now());
            let events = decided
                .into_iter()
                .map(|event| Unnumbered {
                    stream: Stream::Issues,
                    occurred_at: at,
                    entered_at: None,
                    actor: by.actor.clone(),
                    command: by.command.clone(),
                    event: Event::Issue(event),
                })
                .collect();
            match writer.write(events).await {
                Ok(receipts) => return Ok(receipts.into_iter().next_back()),
                Err(WriteError::Append(AppendError::Conflict)) if tries < ISSUE_TRIES_MAX => {
                    tries += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn done_before(
        &self,
        by: &By,
        stream: Option<&Stream>,
    ) -> Result<Option<Receipt>, DeskError> {
        let (Some(key), Some(stream)) = (&by.command, stream) else { return Ok(None) };
        let Some(position) = self.store.command(&self.hall, key).await? else { return Ok(None) };
        let stored = self.journal.get(position).await?;
        let number =
            stored.and_then(|it| it.message.attributes.id?.parse().ok()).unwrap_or_default();
        Ok(Some(Receipt { stream: stream.clone(), number, position }))
    }

    /// The journal.
    #[must_use]
    pub fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// The read models.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ReadModels> {
        &self.store
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The hall.
    #[must_use]
    pub fn hall(&self) -> &HallCode {
        &self.hall
    }
}

fn went_back(at: u64, last: u64) -> JournalError {
    let detail = format!(
        "读模型到 {at}，日志到 {last}，其中没有读模型最后一条 the read models go to {at}, the journal to {last}, and does not hold their last message; `zhoubao rebuild`"
    );
    JournalError::Unsafe { code: Code::JournalWentBack, detail }
}

/// What the facts in the read models say.
///
/// # Errors
///
/// When the store does not answer, or a fact in it cannot be read.
pub async fn facts(store: &dyn ReadModels, hall: &HallCode) -> Result<Known, DeskError> {
    let snapshot = store.snapshot(hall, &SnapshotQuery::facts()).await?;
    Ok(Known::from_facts(&snapshot.facts, u64::MAX)?)
}

/// What the desk refuses before it is a fact.
///
/// # Errors
///
/// A refusal with its code.
pub fn check(
    known: &Known,
    stream: &Stream,
    event: &Event,
    actor: Option<&UserId>,
) -> Result<(), Refusal> {
    let right = match event {
        Event::Setup(_) => Some(Right::Administer),
        Event::AuthorizationChanged { .. } => Some(Right::Authorize),
        Event::SubmissionFiled { .. } => Some(Right::Submit),
        Event::StatisticsImported { .. } | Event::TableImported { .. } => Some(Right::Edit),
        Event::InspectionHeld { .. } => Some(Right::Inspect),
        Event::Released { .. } | Event::Rejected { .. } => Some(Right::Release),
        // By the editor, or by whoever filed it; see below.
        Event::SubmissionReturned { .. }
        | Event::Issue(_)
        | Event::Act(_)
        | Event::DayClosed { .. }
        | Event::Corrected { .. }
        | Event::Voided { .. }
        | Event::AccessRefused { .. }
        | Event::RequestNoted { .. } => None,
    };
    if let Some(right) = right
        && !known.registry.may(actor, right)
    {
        let who = actor.map_or("—", UserId::as_str);
        let detail = format!("{who} 没有 {} 权限 lacks the right `{}`", right.word(), right.word());
        return Err(Refusal::new(Code::NoRight, detail));
    }
    match (event, stream) {
        (Event::Setup(setup), Stream::Setup(topic, id)) if setup.topic() == *topic => {
            check_setup(known, id, setup)
        }
        (Event::AuthorizationChanged { department, .. }, _) => known_department(known, department),
        (Event::SubmissionFiled { department, text, section, attachments }, _) => {
            known_department(known, department)?;
            if section.trim().is_empty() {
                return Err(Refusal::new(Code::Malformed, "稿件须有栏目 a section is required"));
            }
            check_attachments(attachments)?;
            check_news(known, text)
        }
        (
            Event::SubmissionReturned { reason }
            | Event::Released { reason, .. }
            | Event::Rejected { reason, .. },
            _,
        ) if reason.trim().is_empty() => {
            Err(Refusal::new(Code::NoReason, "须填写原因 a reason is required"))
        }
        (Event::SubmissionReturned { .. }, Stream::Desk(_, id)) => returnable(known, id, actor),
        (Event::InspectionHeld { checklist, results, .. }, _) => {
            let Some(version) = known.with_digest(SetupTopic::Checklist, checklist) else {
                return Err(Refusal::new(
                    Code::Setup,
                    format!("未知检查表 unknown checklist {checklist}"),
                ));
            };
            let Setup::Checklist { items, .. } = &version.setup else { return Ok(()) };
            match results.iter().find(|it| !items.contains(&it.item)) {
                Some(it) => Err(Refusal::new(
                    Code::Setup,
                    format!("检查表没有此项 no such item: {}", it.item),
                )),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// What the text of a submission must be, whoever wrote it.
pub(crate) fn check_news(known: &Known, text: &str) -> Result<(), Refusal> {
    if text.len() > SUBMISSION_BYTES_MAX {
        let detail = format!("稿件 {} 字节 bytes, at most {SUBMISSION_BYTES_MAX}", text.len());
        return Err(Refusal::new(Code::TooLarge, detail));
    }
    if text.trim().is_empty() {
        return Err(Refusal::new(Code::Malformed, "稿件须有正文 a text is required"));
    }
    submission::check(text, definitions(known))
}

/// How many attachments there may be, each once.
fn check_attachments(attachments: &[Digest]) -> Result<(), Refusal> {
    let refused = |detail| Err(Refusal::new(Code::Attachment, detail));
    if attachments.len() > ATTACHMENTS_MAX {
        let count = attachments.len();
        return refused(format!("附件 {count} 个 attachments, at most {ATTACHMENTS_MAX}"));
    }
    let mut seen = BTreeSet::new();
    match attachments.iter().find(|it| !seen.insert(*it)) {
        Some(twice) => refused(format!("附件重复 the attachment {twice} is named twice")),
        None => Ok(()),
    }
}

pub(crate) fn filed<'a>(known: &'a Known, id: &ObjectId) -> Result<&'a Filed, Refusal> {
    known.submissions.get(id).ok_or_else(|| {
        Refusal::new(Code::NotFound, format!("没有稿件 {id} there is no such submission"))
    })
}

/// The editor returns what is not handed to the leader yet; whoever filed it takes it back before it is adopted.
fn returnable(known: &Known, id: &ObjectId, actor: Option<&UserId>) -> Result<(), Refusal> {
    let it = filed(known, id)?;
    if let Some(reason) = &it.returned {
        let detail = format!("稿件 {id} 已退回 is returned already: {reason}");
        return Err(Refusal::new(Code::IssueState, detail));
    }
    let adopted = known.adopted_by(id);
    if known.registry.may(actor, Right::Edit) {
        return match adopted {
            Some((issue, it)) if !matches!(it.stage, Stage::Open | Stage::Frozen) => {
                let detail = format!("稿件 {id} 已在期 {issue} 中送审 is in an issue handed on");
                Err(Refusal::new(Code::IssueState, detail))
            }
            _ => Ok(()),
        };
    }
    if !known.registry.may(actor, Right::Submit) || it.by.as_ref() != actor {
        let detail = format!("稿件 {id} 不是本人报送 was filed by somebody else");
        return Err(Refusal::new(Code::NoRight, detail));
    }
    match adopted {
        Some((issue, _)) => {
            let detail = format!("稿件 {id} 已被期 {issue} 采用 is adopted, ask the editor");
            Err(Refusal::new(Code::IssueState, detail))
        }
        None => Ok(()),
    }
}

fn adoptable(known: &Known, id: &ObjectId) -> Result<(), Refusal> {
    match &filed(known, id)?.returned {
        Some(reason) => {
            let detail = format!("稿件 {id} 已退回 was returned: {reason}");
            Err(Refusal::new(Code::IssueState, detail))
        }
        None => Ok(()),
    }
}

fn known_department(
    known: &Known,
    department: &zhoubao_domain::id::DepartmentId,
) -> Result<(), Refusal> {
    if known.registry.departments.contains_key(department) {
        return Ok(());
    }
    Err(Refusal::new(Code::UnknownReference, format!("未知部门 unknown department `{department}`")))
}

fn definitions(known: &Known) -> &[Definition] {
    match known.latest(SetupTopic::Figures, None).map(|it| &it.setup) {
        Some(Setup::Figures { definitions }) => definitions,
        _ => &[],
    }
}

fn check_setup(known: &Known, id: &ObjectId, setup: &Setup) -> Result<(), Refusal> {
    let wrong = |detail: String| Err(Refusal::new(Code::Setup, detail));
    match setup {
        Setup::Calendar { .. } => known::schedule(setup).map(|_| ()),
        Setup::Template { source } => Template::parse(source)?.check(definitions(known)),
        Setup::Terminal { window, .. } if !known.registry.windows.contains_key(window) => {
            wrong(format!("未知窗口 unknown window `{window}`"))
        }
        Setup::Key(_)
            if !id.as_str().parse().is_ok_and(|it| known.registry.terminals.contains_key(&it)) =>
        {
            wrong(format!("未知终端 unknown terminal `{id}`"))
        }
        Setup::Matter { department, .. } => known_department(known, department),
        Setup::Figures { definitions } => {
            let mut keys: Vec<_> = definitions.iter().map(|it| &it.key).collect();
            keys.sort();
            keys.dedup();
            if keys.len() != definitions.len() || definitions.is_empty() {
                return wrong("指标定义为空或重复 definitions are empty or named twice".into());
            }
            match definitions.iter().find(|it| it.kinds.is_empty()) {
                Some(it) => wrong(format!("指标 {} 未含事项 counts nothing", it.key)),
                None => Ok(()),
            }
        }
        Setup::Checklist { items, .. } if items.is_empty() => wrong("检查表为空 no items".into()),
        Setup::Hall { name, publisher }
            if name.trim().is_empty() || publisher.trim().is_empty() =>
        {
            wrong("大厅须有名称和印发机关 name and publisher are required".into())
        }
        _ => Ok(()),
    }
}
