//! The read-models port: what the projector writes and everybody else reads. One store holds many halls.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::civil::Date;
use zhoubao_domain::figure::{Adjustment, Figures, TallyCell, TallyValue};
use zhoubao_domain::id::{CaseId, HallCode, ObjectId, Stream};
use zhoubao_projections::rows::{
    CaseRow, Changes, Checkpoint, DayCloseRow, ExceptionRow, FactRow, Found, Head, Needs,
    SegmentRow,
};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another projector has taken the hall over, or the checkpoint is not where this one left it. Nothing was
    /// written; seed anew or stop.
    #[error("the checkpoint was moved by another projector (E.706)")]
    Fenced,
    /// The store does not answer, or its disk is full; nothing was written. Try again.
    #[error("the store does not answer (E.705)")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A row holds what this program never writes: changed from outside, or of another version.
    #[error("the read models hold a damaged row: {0}; run `zhoubao rebuild --verify`")]
    Damaged(String),
}

/// A projector's claim on a hall: whoever claims later fences this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub i64);

/// What a projector starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// How far the read models have come.
    pub checkpoint: Option<Checkpoint>,
    /// Facts of the lines `setup.*`, `authorization.*`, `issues` and authorization facts of terminals, ascending.
    pub facts: Vec<FactRow>,
    /// Heads of all lines.
    pub heads: Vec<(Stream, Head)>,
}

/// One transaction of the projector.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The claim.
    pub epoch: Epoch,
    /// Sequence of the checkpoint before, 0 for none.
    pub from: u64,
    /// The checkpoint after.
    pub to: &'a Checkpoint,
}

/// What a page changes, as the store takes it.
#[async_trait]
pub trait Page: Send + Sync {
    /// Writes all rows and the checkpoint, or nothing; then it may be tried again.
    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError>;
}

/// Everything that composing an issue reads, as of one moment of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// How far the read models had come.
    pub checkpoint: Option<Checkpoint>,
    /// Sums of the days asked for.
    pub cells: BTreeMap<TallyCell, TallyValue>,
    /// Segments with an entry on one of the days, or after the position asked for.
    pub segments: Vec<SegmentRow>,
    /// Frozen figures of the issues asked for.
    pub figures: BTreeMap<ObjectId, Figures>,
    /// Adjustments after a position.
    pub adjustments: Vec<Adjustment>,
    /// Days closed among the days asked for.
    pub day_closes: Vec<DayCloseRow>,
    /// All facts but those of the windows' lines, ascending.
    pub facts: Vec<FactRow>,
}

/// What a [`Snapshot`] should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotQuery {
    /// First day of sums, segments and day closes.
    pub first: Date,
    /// Last day.
    pub last: Date,
    /// Segments with entries after this position are in it whatever their days, and before one that has no others the
    /// segment with the line's head at the position; `None`: not asked for.
    pub after: Option<u64>,
    /// Adjustments after this position; `None`: not asked for.
    pub adjustments_after: Option<u64>,
    /// Issues whose figures are wanted.
    pub issues: Vec<ObjectId>,
    /// Whether the segments are wanted at all.
    pub segments: bool,
    /// Whether the facts are wanted.
    pub facts: bool,
}

impl SnapshotQuery {
    /// All facts, and nothing else.
    #[must_use]
    pub fn facts() -> Self {
        Self {
            first: Date::ZERO,
            last: Date::ZERO,
            after: None,
            adjustments_after: None,
            issues: vec![],
            segments: false,
            facts: true,
        }
    }
}

/// The read models.
///
/// Writes are fenced: [`Page::commit`] succeeds only for the latest claim and from the checkpoint that it
/// names, so what a projector looked up before is still true when it commits.
#[async_trait]
pub trait ReadModels: Send + Sync {
    /// Claims a hall for projecting; every earlier claim is fenced from now on.
    async fn claim(&self, hall: &HallCode) -> Result<Epoch, StoreError>;

    /// What a projector starts from.
    async fn seed(&self, hall: &HallCode) -> Result<Seed, StoreError>;

    /// Looks up cases and originals; `needs.repeats` is answered from the journal by [`ReadModels::positions`].
    async fn lookup(&self, hall: &HallCode, needs: &Needs) -> Result<Found, StoreError>;

    /// The position of the first content under each (line, number), where known.
    async fn positions(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<Option<u64>>, StoreError>;

    /// Brings changes of a hall into the form in which they are written. It waits for nothing, so it can be done
    /// while the page before commits.
    fn prepare(&self, hall: &HallCode, changes: Changes) -> Box<dyn Page>;

    /// How far the read models have come.
    async fn checkpoint(&self, hall: &HallCode) -> Result<Option<Checkpoint>, StoreError>;

    /// A consistent view for composing, statistics and freezes: one read transaction.
    async fn snapshot(
        &self,
        hall: &HallCode,
        query: &SnapshotQuery,
    ) -> Result<Snapshot, StoreError>;

    /// Heads of all lines whose name begins with `prefix`, ascending by name.
    async fn heads(&self, hall: &HallCode, prefix: &str)
    -> Result<Vec<(Stream, Head)>, StoreError>;

    /// Events that did not simply count, ascending by position; `open` leaves out those that are settled.
    async fn exceptions(
        &self,
        hall: &HallCode,
        open: bool,
    ) -> Result<Vec<ExceptionRow>, StoreError>;

    /// Those under these numbers, ascending by position.
    async fn exceptions_of(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<ExceptionRow>, StoreError>;

    /// Those of one line that are not settled, ascending by position.
    async fn open_exceptions_of(
        &self,
        hall: &HallCode,
        line: &Stream,
    ) -> Result<Vec<ExceptionRow>, StoreError>;

    /// One case with its events.
    async fn case(&self, hall: &HallCode, case: &CaseId) -> Result<Option<CaseRow>, StoreError>;

    /// Position of the first fact that bears an idempotency key.
    async fn command(&self, hall: &HallCode, key: &str) -> Result<Option<u64>, StoreError>;

    /// All rows of one table as canonical text lines `key<TAB>columns…` in key order, from after `after`, at most
    /// `limit`: for comparing two copies. Tables are [`TABLES`]; the checkpoint's epoch and update time are left out.
    async fn dump(
        &self,
        hall: &HallCode,
        table: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError>;
}

/// The tables of the read models, for [`ReadModels::dump`].
pub const TABLES: &[&str] = &[
    "checkpoint",
    "head",
    "tally",
    "segment",
    "case_file",
    "day_close",
    "exception",
    "fact",
    "amendment",
    "adjustment",
    "figure",
];
