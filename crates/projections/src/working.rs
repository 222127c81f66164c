//! What the fold holds between two takes: lines, cases and sums, keyed for speed. Only [`Changes`] has an order.

use std::collections::HashMap;
use std::hash::BuildHasher as _;

use jiff::civil::Date;
use zhoubao_domain::case::Case;
use zhoubao_domain::event::Kind;
use zhoubao_domain::figure::{TallyCell, TallyValue};
use zhoubao_domain::id::{CaseId, DepartmentId, EventRef, Stream, WindowId};

use crate::entry::{Entry, NO_DEPARTMENT};
use crate::rows::{CaseRow, Changes, Head, SEGMENT_NUMBERS, SegmentRow};

/// A map whose order nobody sees.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// Cases kept in memory: two generations of this many, so that memory does not grow with the journal.
const CASES_KEPT: usize = 40_000;

/// Room for the entries of a segment that one page usually brings.
const SEGMENT_BYTES: usize = 8 * 1024;

#[derive(Debug, Default)]
struct Line {
    head: Option<Head>,
    moved: bool,
    segments: Vec<SegmentRow>,
}

/// All lines of the hall.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    known: Map<Stream, Line>,
    moved: Vec<Stream>,
}

impl Lines {
    pub(crate) fn new(heads: Vec<(Stream, Head)>) -> Self {
        let line = |head| Line { head: Some(head), ..Line::default() };
        Self {
            known: heads.into_iter().map(|(stream, head)| (stream, line(head))).collect(),
            moved: Vec::new(),
        }
    }

    pub(crate) fn head(&self, stream: &Stream) -> Option<&Head> {
        self.known.get(stream)?.head.as_ref()
    }

    pub(crate) fn heads(&self) -> impl Iterator<Item = (&Stream, &Head)> {
        self.known.iter().filter_map(|(stream, line)| Some((stream, line.head.as_ref()?)))
    }

    pub(crate) fn advance(&mut self, stream: &Stream, head: Head) {
        let line = self.known.entry(stream.clone()).or_default();
        line.head = Some(head);
        if !line.moved {
            line.moved = true;
            self.moved.push(stream.clone());
        }
    }

    /// Appends to the record of a line that has moved; numbers never fall.
    pub(crate) fn append(&mut self, identity: &EventRef, day: Date, entry: &Entry) {
        let segment = (identity.number - 1) / SEGMENT_NUMBERS;
        let Some(line) = self.known.get_mut(&identity.stream) else { return };
        if line.segments.last().is_none_or(|it| it.segment != segment) {
            line.segments.push(SegmentRow {
                stream: identity.stream.to_string(),
                segment,
                first_position: entry.position,
                last_position: entry.position,
                first_day: day,
                last_day: day,
                entries: String::with_capacity(SEGMENT_BYTES),
            });
        }
        let Some(row) = line.segments.last_mut() else { return };
        row.last_position = row.last_position.max(entry.position);
        row.first_day = row.first_day.min(day);
        row.last_day = row.last_day.max(day);
        entry.write(&mut row.entries);
    }

    pub(crate) fn take(&mut self, changes: &mut Changes) {
        for stream in self.moved.drain(..) {
            let Some(line) = self.known.get_mut(&stream) else { continue };
            line.moved = false;
            changes.heads.extend(line.head.clone().map(|head| (stream.to_string(), head)));
            let rows = line.segments.drain(..).map(|it| ((it.stream.clone(), it.segment), it));
            changes.segments.extend(rows);
        }
    }
}

/// The cases that were made since the journal's beginning, as a Bloom filter: one that is not among them is new, and nobody
/// need look for its row. It does not grow; of two million cases about one new in eighty is looked for in vain.
#[derive(Debug)]
struct Made(Vec<u64>);

impl Made {
    /// Places of bits have so many bits: 4 MiB.
    const WIDTH: u32 = 25;

    fn none() -> Self {
        Self(vec![0; 1 << (Self::WIDTH - u64::BITS.ilog2())])
    }

    /// The words of its two bits, and the bits in them.
    fn places(id: &CaseId) -> [(usize, u64); 2] {
        let hash = foldhash::fast::FixedState::default().hash_one(id);
        [hash, hash >> Self::WIDTH].map(|it| {
            let place = it & ((1 << Self::WIDTH) - 1);
            let word = usize::try_from(place / u64::from(u64::BITS)).unwrap_or(0);
            (word, 1 << (place % u64::from(u64::BITS)))
        })
    }

    fn insert(&mut self, id: &CaseId) {
        for (word, bit) in Self::places(id) {
            self.0[word] |= bit;
        }
    }

    fn may_hold(&self, id: &CaseId) -> bool {
        Self::places(id).iter().all(|(word, bit)| self.0[*word] & bit != 0)
    }
}

#[derive(Debug)]
struct Kept {
    id: CaseId,
    case: Case,
    /// The last one in which it was touched; 0 for one that was just made.
    generation: u64,
    /// Whether it has a row, or one in the changes that were taken.
    has_row: bool,
    /// Events since the last take that name it, each followed by a space.
    events: String,
}

/// The cases that were touched or looked up last.
#[derive(Debug)]
pub(crate) struct Cases {
    /// Places in `kept`. Apart from it, because three look-ups an event in one large table miss the processor's cache.
    places: Map<CaseId, usize>,
    kept: Vec<Kept>,
    /// From 1.
    generation: u64,
    /// How many are of the present generation.
    fresh: usize,
    /// Places of those with events since the last take.
    touched: Vec<usize>,
    /// All that have a row; none where there were rows before.
    made: Option<Made>,
}

impl Cases {
    /// With or without rows in the store.
    pub(crate) fn new(has_rows: bool) -> Self {
        Self {
            places: Map::default(),
            kept: Vec::new(),
            generation: 1,
            fresh: 0,
            touched: Vec::new(),
            made: (!has_rows).then(Made::none),
        }
    }

    /// Whether its row, if there is one, must be looked up before it is touched.
    pub(crate) fn wants(&self, id: &CaseId) -> bool {
        !self.places.contains_key(id) && self.made.as_ref().is_none_or(|it| it.may_hold(id))
    }

    pub(crate) fn get(&self, id: &CaseId) -> Option<&Case> {
        self.places.get(id).map(|it| &self.kept[*it].case)
    }

    fn keep(&mut self, kept: Kept) -> usize {
        let place = self.kept.len();
        self.places.insert(kept.id.clone(), place);
        self.kept.push(kept);
        place
    }

    /// The case, to be changed by an event that names it.
    pub(crate) fn touch(&mut self, id: &CaseId, event: &EventRef) -> &mut Case {
        let place = self.places.get(id).copied().unwrap_or_else(|| {
            if let Some(made) = &mut self.made {
                made.insert(id);
            }
            self.keep(Kept {
                id: id.clone(),
                case: Case::default(),
                generation: 0,
                has_row: false,
                events: String::new(),
            })
        });
        let kept = &mut self.kept[place];
        if kept.generation != self.generation {
            kept.generation = self.generation;
            self.fresh += 1;
        }
        if kept.events.is_empty() {
            self.touched.push(place);
        }
        event.write(&mut kept.events);
        kept.events.push(' ');
        &mut kept.case
    }

    /// Takes what was looked up. Not between a touch and the take of it.
    pub(crate) fn supply(&mut self, found: Vec<(CaseId, Case)>) {
        if self.fresh > CASES_KEPT {
            self.kept.retain(|it| it.generation == self.generation);
            self.places.clear();
            let places = self.kept.iter().enumerate().map(|(place, it)| (it.id.clone(), place));
            self.places.extend(places);
            self.generation += 1;
            self.fresh = 0;
        }
        self.fresh += found.len();
        let generation = self.generation;
        for (id, case) in found {
            // What is in memory is newer than its row.
            if !self.places.contains_key(&id) {
                let events = String::new();
                self.keep(Kept { id, case, generation, has_row: true, events });
            }
        }
    }

    pub(crate) fn take(&mut self, changes: &mut Changes) {
        self.touched.sort_unstable_by(|left, right| self.kept[*left].id.cmp(&self.kept[*right].id));
        for place in self.touched.drain(..) {
            let kept = &mut self.kept[place];
            let rows = if kept.has_row { &mut changes.cases } else { &mut changes.new_cases };
            kept.has_row = true;
            rows.push(CaseRow {
                id: kept.id.clone(),
                case: kept.case.clone(),
                events: std::mem::take(&mut kept.events),
            });
        }
    }
}

/// Differences of the sums.
#[derive(Debug, Default)]
pub(crate) struct Sums(Map<(Date, WindowId, Option<DepartmentId>, Kind), TallyValue>);

impl Sums {
    /// Adds what an act of `kind` at `window` does to its day.
    pub(crate) fn add(
        &mut self,
        day: Date,
        window: &WindowId,
        department: Option<&DepartmentId>,
        kind: Kind,
        (amount, events): (i64, i64),
    ) {
        let value = self.0.entry((day, window.clone(), department.cloned(), kind)).or_default();
        value.amount += amount;
        value.events += events;
    }

    pub(crate) fn take(&mut self, changes: &mut Changes) {
        let cells = self.0.drain().map(|((day, window, department, kind), value)| {
            let department = department.as_ref().map_or(NO_DEPARTMENT, |it| it.as_str());
            let (window, department) = (window.as_str().to_owned(), department.to_owned());
            (TallyCell { day, window, department, kind }, value)
        });
        for (cell, value) in cells {
            // A department may be called as none is.
            let sum = changes.tallies.entry(cell).or_default();
            sum.amount += value.amount;
            sum.events += value.events;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CaseId {
        text.parse().unwrap()
    }

    fn taken(cases: &mut Cases) -> (Vec<String>, Vec<String>) {
        let mut changes = Changes::default();
        cases.take(&mut changes);
        let events = |rows: Vec<CaseRow>| {
            rows.into_iter().map(|it| format!("{} {}", it.id, it.events.trim_end())).collect()
        };
        (events(changes.new_cases), events(changes.cases))
    }

    #[test]
    fn a_case_is_new_once_and_one_that_was_found_never() {
        let mut cases = Cases::new(true);
        let event: EventRef = "terminal.w01#7".parse().unwrap();
        cases.supply(vec![(id("found"), Case::default())]);
        for case in ["found", "new", "new"] {
            cases.touch(&id(case), &event);
        }
        let (new, known) = taken(&mut cases);
        assert_eq!(new, ["new terminal.w01#7 terminal.w01#7"]);
        assert_eq!(known, ["found terminal.w01#7"]);
        cases.touch(&id("new"), &event);
        assert_eq!(taken(&mut cases), (vec![], vec!["new terminal.w01#7".to_owned()]));
    }

    #[test]
    fn cases_of_the_last_generation_stay_and_older_ones_go() {
        let mut cases = Cases::new(false);
        let event: EventRef = "terminal.w01#7".parse().unwrap();
        cases.touch(&id("old"), &event);
        cases.touch(&id("kept"), &event);
        for generation in 0..2 {
            for number in 0..=CASES_KEPT {
                cases.touch(&id(&format!("{generation}-{number}")), &event);
            }
            cases.take(&mut Changes::default());
            cases.supply(vec![]);
            assert!(!cases.wants(&id("kept")), "generation {generation}");
            cases.touch(&id("kept"), &event);
        }
        assert!(cases.wants(&id("old")));
        assert!(cases.wants(&id("0-0")));
        assert!(!cases.wants(&id("1-0")));
    }

    #[test]
    fn a_row_is_looked_for_unless_it_is_known_that_there_is_none() {
        let event: EventRef = "terminal.w01#7".parse().unwrap();
        assert!(Cases::new(true).wants(&id("new")));
        let mut cases = Cases::new(false);
        let made: Vec<_> = (0..50_000).map(|it| id(&format!("c{it}"))).collect();
        for it in &made {
            cases.touch(it, &event);
        }
        let filter = cases.made.as_ref().unwrap();
        assert!(made.iter().all(|it| filter.may_hold(it)));
        let vain = (0..50_000).filter(|it| filter.may_hold(&id(&format!("d{it}")))).count();
        assert!(vain < 50, "{vain}");
        assert!(!cases.wants(&id("new")));
    }
}
