//! What the fold holds between two takes: lines, cases and sums, keyed for speed. Only [`Changes`] has an order.

use std::collections::HashMap;

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
}

impl Default for Cases {
    fn default() -> Self {
        Self {
            places: Map::default(),
            kept: Vec::new(),
            generation: 1,
            fresh: 0,
            touched: Vec::new(),
        }
    }
}

impl Cases {
    pub(crate) fn contains(&self, id: &CaseId) -> bool {
        self.places.contains_key(id)
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
        let mut cases = Cases::default();
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
        let mut cases = Cases::default();
        let event: EventRef = "terminal.w01#7".parse().unwrap();
        cases.touch(&id("old"), &event);
        cases.touch(&id("kept"), &event);
        for generation in 0..2 {
            for number in 0..=CASES_KEPT {
                cases.touch(&id(&format!("{generation}-{number}")), &event);
            }
            cases.take(&mut Changes::default());
            cases.supply(vec![]);
            assert!(cases.contains(&id("kept")), "generation {generation}");
            cases.touch(&id("kept"), &event);
        }
        assert!(!cases.contains(&id("old")));
        assert!(!cases.contains(&id("0-0")));
        assert!(cases.contains(&id("1-0")));
    }
}
