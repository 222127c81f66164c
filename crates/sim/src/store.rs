//! Read models in memory: the port's semantics without a database, and a database's faults on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::civil::Date;
use zhoubao_application::store::{
    Commit, Epoch, Page, ReadModels, Seed, Snapshot, SnapshotQuery, StoreError,
};
use zhoubao_domain::figure::{Adjustment, Figures, TallyCell, TallyValue};
use zhoubao_domain::id::{CaseId, EventRef, HallCode, ObjectId, Stream};
use zhoubao_domain::planted;
use zhoubao_projections::entry::Entry;
use zhoubao_projections::rows::{
    AmendmentRow, CaseRow, Changes, Checkpoint, DayCloseRow, ExceptionRow, FactRow, Found, Head,
    Needs, Original, SegmentRow,
};

/// The rows of one hall.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The latest claim.
    pub epoch: i64,
    /// How far they have come.
    pub checkpoint: Option<Checkpoint>,
    /// The last event of each line, by its name.
    pub heads: BTreeMap<String, (Stream, Head)>,
    /// Sums.
    pub cells: BTreeMap<TallyCell, TallyValue>,
    /// The record.
    pub segments: BTreeMap<(String, u64), SegmentRow>,
    /// Cases.
    pub cases: BTreeMap<CaseId, CaseRow>,
    /// Days closed.
    pub day_closes: BTreeMap<(Date, String), DayCloseRow>,
    /// What did not simply count, by position and place.
    pub exceptions: BTreeMap<(u64, u32), ExceptionRow>,
    /// Facts by position.
    pub facts: BTreeMap<u64, FactRow>,
    /// Amended originals.
    pub amendments: BTreeMap<(String, u64), AmendmentRow>,
    /// Adjustments by position and place.
    pub adjustments: BTreeMap<(u64, u32), Adjustment>,
    /// Frozen figures.
    pub figures: BTreeMap<ObjectId, Figures>,
}

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// The database is gone before anything is written.
    Before,
    /// Everything is written, and nobody hears of it.
    After,
}

#[derive(Debug, Default)]
struct Inner {
    halls: BTreeMap<HallCode, Arc<Rows>>,
    /// Commits that were written.
    version: u64,
    commit_fault: Option<CommitFault>,
    calls_to_fail: u32,
}

/// A store of many halls in memory; clones are handles to the same one.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Inner>>);

/// A planted fault of the store.
#[derive(Debug, thiserror::Error)]
#[error("planted fault: {0}")]
struct Planted(&'static str);

fn unavailable(why: &'static str) -> StoreError {
    StoreError::Unavailable(Box::new(Planted(why)))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the commits that were written.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// The rows of a hall as they are now, whatever faults are planted.
    #[must_use]
    pub fn look(&self, hall: &HallCode) -> Arc<Rows> {
        self.lock().halls.get(hall).cloned().unwrap_or_default()
    }

    /// Fault: what becomes of the next commit.
    pub fn fail_commit(&self, fault: CommitFault) {
        self.lock().commit_fault = Some(fault);
    }

    /// Fault: the next `count` calls are not answered.
    pub fn fail_calls(&self, count: u32) {
        self.lock().calls_to_fail = count;
    }

    /// Ends all faults.
    pub fn heal(&self) {
        let mut inner = self.lock();
        inner.commit_fault = None;
        inner.calls_to_fail = 0;
    }

    /// Fault: an older copy takes the place of the rows, as after a failover to a replica that lagged. Claims are not
    /// older: whoever was fenced stays fenced.
    pub fn put_back(&self, hall: &HallCode, older: &Rows) {
        let mut inner = self.lock();
        let rows = inner.halls.entry(hall.clone()).or_default();
        let epoch = rows.epoch;
        *rows = Arc::new(Rows { epoch: epoch + 1, ..older.clone() });
        inner.version += 1;
    }

    /// Removes the rows of a hall and fences whoever projects it, as a rebuild does.
    pub fn clear(&self, hall: &HallCode) {
        self.put_back(hall, &Rows::default());
    }

    fn read<T>(
        &self,
        hall: &HallCode,
        read: impl FnOnce(&Rows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut inner = self.lock();
        inner.answer()?;
        match inner.halls.get(hall) {
            Some(rows) => read(rows),
            None => read(&Rows::default()),
        }
    }
}

impl Inner {
    fn answer(&mut self) -> Result<(), StoreError> {
        if self.calls_to_fail > 0 {
            self.calls_to_fail -= 1;
            return Err(unavailable("the store does not answer"));
        }
        Ok(())
    }
}

struct MemoryPage {
    store: MemoryStore,
    hall: HallCode,
    changes: Changes,
}

#[async_trait]
impl Page for MemoryPage {
    async fn commit(&self, commit: Commit<'_>) -> Result<(), StoreError> {
        let mut inner = self.store.lock();
        inner.answer()?;
        let fault = inner.commit_fault.take();
        let Some(rows) = inner.halls.get_mut(&self.hall) else { return Err(StoreError::Fenced) };
        let rows = Arc::make_mut(rows);
        let from = rows.checkpoint.as_ref().map_or(0, |it| it.sequence);
        if rows.epoch != commit.epoch.0 || from != commit.from {
            return Err(StoreError::Fenced);
        }
        if fault == Some(CommitFault::Before) {
            if planted!(CheckpointApart) {
                rows.checkpoint = Some(commit.to.clone());
            }
            return Err(unavailable("the commit was lost"));
        }
        let mut facts = BTreeSet::new();
        if !self.changes.facts.iter().all(|it| facts.insert(it.position)) {
            return Err(damaged("two facts at one position"));
        }
        rows.apply(&self.changes, commit.to);
        inner.version += 1;
        match fault {
            Some(_) => Err(unavailable("the answer to the commit was lost")),
            None => Ok(()),
        }
    }
}

impl Rows {
    fn apply(&mut self, changes: &Changes, to: &Checkpoint) {
        self.checkpoint = Some(to.clone());
        for (name, head) in &changes.heads {
            if let Ok(stream) = name.parse() {
                self.heads.insert(name.clone(), (stream, head.clone()));
            }
        }
        for (cell, change) in &changes.tallies {
            let value = self.cells.entry(cell.clone()).or_default();
            value.amount += change.amount;
            value.events += change.events;
            if *value == TallyValue::default() {
                self.cells.remove(cell);
            }
        }
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
            let events = self.cases.get(&row.id).map_or("", |it| it.events.as_str());
            let row = CaseRow { events: format!("{events}{}", row.events), ..row.clone() };
            self.cases.insert(row.id.clone(), row);
        }
        for ((window, day), row) in &changes.day_closes {
            self.day_closes
                .entry((*day, window.to_string()))
                .and_modify(|it| it.tally = row.tally)
                .or_insert_with(|| row.clone());
        }
        for row in &changes.exceptions {
            let place = self.exceptions.range((row.position, 0)..=(row.position, u32::MAX)).count();
            let place = u32::try_from(place).unwrap_or(u32::MAX);
            self.exceptions.insert((row.position, place), row.clone());
        }
        let mut settled: Vec<_> = changes.settled.iter().collect();
        settled.sort_by_key(|it| it.by);
        for it in settled {
            for row in self.exceptions.values_mut().filter(|row| it.settles(row)) {
                row.settled = row.settled.or(Some(it.by));
            }
        }
        self.facts.extend(changes.facts.iter().map(|it| (it.position, it.clone())));
        for (original, row) in &changes.amendments {
            self.amendments.insert((original.stream.to_string(), original.number), row.clone());
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

    fn segments_of<'a>(&'a self, stream: &str) -> impl Iterator<Item = &'a SegmentRow> {
        let (first, last) = ((stream.to_owned(), 0), (stream.to_owned(), u64::MAX));
        self.segments.range(first..=last).map(|(_, row)| row)
    }

    /// The first entry of a line under a number, in the order of writing.
    fn first_entry(&self, stream: &str, number: u64) -> Result<Option<Entry>, StoreError> {
        for row in self.segments_of(stream) {
            for line in row.entries.split_terminator('\n') {
                let entry = Entry::parse(line).map_err(|_| damaged(line))?;
                if entry.number == number {
                    return Ok(Some(entry));
                }
            }
        }
        Ok(None)
    }

    fn original(&self, event: &EventRef) -> Result<Option<Original>, StoreError> {
        let stream = event.stream.to_string();
        let entry = self.first_entry(&stream, event.number)?.filter(|it| it.amends.is_none());
        let current = self.amendments.get(&(stream, event.number)).map(|it| it.current.clone());
        Ok(entry.map(|entry| Original { entry, current }))
    }

    fn position(&self, stream: &str, number: u64) -> Result<Option<u64>, StoreError> {
        if let Some(entry) = self.first_entry(stream, number)? {
            return Ok(Some(entry.position));
        }
        let fact = self
            .facts
            .values()
            .find(|it| it.number == number && it.stream.to_string() == stream)
            .map(|it| it.position);
        let exception =
            self.exceptions.values().find(|it| it.number == number && it.stream == stream);
        Ok(fact.or(exception.map(|it| it.position)))
    }

    fn snapshot(&self, query: &SnapshotQuery) -> Snapshot {
        let days = query.first..=query.last;
        // The one before a segment that begins after the position holds the line's head at it.
        let is_before = |row: &SegmentRow, after: u64| {
            let mut later = self.segments_of(&row.stream).filter(|it| it.segment > row.segment);
            later.next().is_some_and(|it| it.first_position > after)
        };
        let of_day = |row: &&SegmentRow| {
            (row.last_day >= query.first && row.first_day <= query.last && query.segments)
                || query.after.is_some_and(|it| row.last_position > it || is_before(row, it))
        };
        Snapshot {
            checkpoint: self.checkpoint.clone(),
            cells: self
                .cells
                .iter()
                .filter(|(cell, _)| days.contains(&cell.day))
                .map(|(cell, value)| (cell.clone(), *value))
                .collect(),
            segments: self.segments.values().filter(of_day).cloned().collect(),
            figures: query
                .issues
                .iter()
                .filter_map(|it| Some((it.clone(), self.figures.get(it)?.clone())))
                .collect(),
            adjustments: match query.adjustments_after {
                Some(after) => {
                    self.adjustments.range((after + 1, 0)..).map(|(_, it)| it.clone()).collect()
                }
                None => vec![],
            },
            day_closes: self
                .day_closes
                .values()
                .filter(|it| days.contains(&it.day))
                .cloned()
                .collect(),
            facts: if query.facts {
                let outside = |it: &&FactRow| !matches!(it.stream, Stream::Terminal(_));
                self.facts.values().filter(outside).cloned().collect()
            } else {
                vec![]
            },
        }
    }

    /// Lines `key → columns` of a table, in no particular order.
    fn table(&self, table: &str) -> Option<Vec<(String, String)>> {
        let mut lines = vec![];
        let mut line = |key: String, columns: &dyn std::fmt::Debug| {
            let mut text = String::new();
            // Cannot fail: the text is written into a `String`.
            let _ = write!(text, "{columns:?}");
            lines.push((key, text));
        };
        match table {
            "checkpoint" => {
                self.checkpoint.iter().for_each(|it| line("checkpoint".to_owned(), it));
            }
            "head" => self.heads.iter().for_each(|(key, (_, it))| line(key.clone(), it)),
            "tally" => self.cells.iter().for_each(|(cell, it)| {
                let (window, department) = (&cell.window, &cell.department);
                line(format!("{} {window} {department} {}", cell.day, cell.kind.title()), it);
            }),
            "segment" => self
                .segments
                .iter()
                .for_each(|((stream, segment), it)| line(format!("{stream} {segment:020}"), it)),
            "case_file" => self.cases.iter().for_each(|(id, it)| line(id.to_string(), it)),
            "day_close" => self
                .day_closes
                .iter()
                .for_each(|((day, window), it)| line(format!("{day} {window}"), it)),
            "exception" => self
                .exceptions
                .iter()
                .for_each(|((at, place), it)| line(format!("{at:020} {place:010}"), it)),
            "fact" => self.facts.iter().for_each(|(at, it)| line(format!("{at:020}"), it)),
            "amendment" => self
                .amendments
                .iter()
                .for_each(|((stream, number), it)| line(format!("{stream} {number:020}"), it)),
            "adjustment" => self
                .adjustments
                .iter()
                .for_each(|((at, place), it)| line(format!("{at:020} {place:010}"), it)),
            "figure" => {
                for (issue, figures) in &self.figures {
                    for (key, it) in figures {
                        let (span, partition) = (key.span.word(), key.partition.word());
                        let (definition, part) = (&key.definition, &key.part);
                        line(format!("{issue} {definition} {span} {partition} {part}"), it);
                    }
                }
            }
            _ => return None,
        }
        Some(lines)
    }
}

#[async_trait]
impl ReadModels for MemoryStore {
    async fn claim(&self, hall: &HallCode) -> Result<Epoch, StoreError> {
        let mut inner = self.lock();
        inner.answer()?;
        let rows = Arc::make_mut(inner.halls.entry(hall.clone()).or_default());
        rows.epoch += 1;
        Ok(Epoch(rows.epoch))
    }

    async fn seed(&self, hall: &HallCode) -> Result<Seed, StoreError> {
        self.read(hall, |rows| {
            let of_state = |it: &&FactRow| {
                !matches!(it.stream, Stream::Desk(..) | Stream::Quarantine | Stream::Audit)
            };
            Ok(Seed {
                checkpoint: rows.checkpoint.clone(),
                facts: rows.facts.values().filter(of_state).cloned().collect(),
                heads: rows.heads.values().cloned().collect(),
            })
        })
    }

    async fn lookup(&self, hall: &HallCode, needs: &Needs) -> Result<Found, StoreError> {
        self.read(hall, |rows| {
            let cases = needs.cases.iter();
            let mut found = Found {
                cases: cases
                    .filter_map(|it| Some((it.clone(), rows.cases.get(it)?.case.clone())))
                    .collect(),
                ..Found::default()
            };
            for event in &needs.originals {
                if let Some(original) = rows.original(event)? {
                    found.originals.push((event.clone(), original));
                }
            }
            Ok(found)
        })
    }

    async fn positions(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<Option<u64>>, StoreError> {
        self.read(hall, |rows| {
            events
                .iter()
                .map(|(stream, number)| rows.position(&stream.to_string(), *number))
                .collect()
        })
    }

    fn prepare(&self, hall: &HallCode, changes: Changes) -> Box<dyn Page> {
        Box::new(MemoryPage { store: self.clone(), hall: hall.clone(), changes })
    }

    async fn checkpoint(&self, hall: &HallCode) -> Result<Option<Checkpoint>, StoreError> {
        self.read(hall, |rows| Ok(rows.checkpoint.clone()))
    }

    async fn snapshot(
        &self,
        hall: &HallCode,
        query: &SnapshotQuery,
    ) -> Result<Snapshot, StoreError> {
        self.read(hall, |rows| Ok(rows.snapshot(query)))
    }

    async fn heads(
        &self,
        hall: &HallCode,
        prefix: &str,
    ) -> Result<Vec<(Stream, Head)>, StoreError> {
        self.read(hall, |rows| {
            let of = rows.heads.iter().filter(|(name, _)| name.starts_with(prefix));
            Ok(of.map(|(_, it)| it.clone()).collect())
        })
    }

    async fn exceptions(
        &self,
        hall: &HallCode,
        open: bool,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        self.read(hall, |rows| {
            let asked = rows.exceptions.values().filter(|it| !open || it.settled.is_none());
            Ok(asked.cloned().collect())
        })
    }

    async fn exceptions_of(
        &self,
        hall: &HallCode,
        events: &[(Stream, u64)],
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        let asked: Vec<_> =
            events.iter().map(|(line, number)| (line.to_string(), *number)).collect();
        let mut rows = self.exceptions(hall, false).await?;
        rows.retain(|it| {
            asked.iter().any(|(line, number)| it.number == *number && it.stream == *line)
        });
        Ok(rows)
    }

    async fn open_exceptions_of(
        &self,
        hall: &HallCode,
        line: &Stream,
    ) -> Result<Vec<ExceptionRow>, StoreError> {
        let line = line.to_string();
        let mut open = self.exceptions(hall, true).await?;
        open.retain(|it| it.stream == line);
        Ok(open)
    }

    async fn case(&self, hall: &HallCode, case: &CaseId) -> Result<Option<CaseRow>, StoreError> {
        self.read(hall, |rows| Ok(rows.cases.get(case).cloned()))
    }

    async fn command(&self, hall: &HallCode, key: &str) -> Result<Option<u64>, StoreError> {
        self.read(hall, |rows| {
            let of = |it: &&FactRow| it.command.as_deref() == Some(key);
            Ok(rows.facts.values().find(of).map(|it| it.position))
        })
    }

    async fn dump(
        &self,
        hall: &HallCode,
        table: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.read(hall, |rows| {
            let mut lines = rows
                .table(table)
                .ok_or_else(|| StoreError::Damaged(format!("no table `{table}`")))?;
            lines.sort();
            let later = lines.into_iter().filter(|(key, _)| after.is_none_or(|it| &**key > it));
            Ok(later.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
        })
    }
}
