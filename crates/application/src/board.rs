//! The hall's board: the figures of today, this week and this year, the windows, and the day's curve, as of a position.
//!
//! ```text
//!  load:     sums of the year + today's record ──► position p
//!  advance:  entries of the record after p ──────► position q     what changed is added, nothing is summed again
//! ```
//!
//! Both come to the same board at the same position: an entry of the record is exactly what it does to the sums. A board
//! is a map of tiles, each with a key; what two boards differ in are the tiles that changed between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::ToSpan as _;
use jiff::civil::Date;
use zhoubao_domain::calendar::week_monday;
use zhoubao_domain::event::{Kind, Setup, Tally};
use zhoubao_domain::figure::{self, Definition};
use zhoubao_domain::id::{HallCode, SetupTopic, WindowId};
use zhoubao_domain::time::hall_zone;
use zhoubao_projections::entry::{Entry, ParseEntryError};
use zhoubao_projections::recount;
use zhoubao_projections::rows::{Checkpoint, Counts, DayCloseRow};

use crate::desk::DeskError;
use crate::known::Known;
use crate::store::{ReadModels, Snapshot, SnapshotQuery, StoreError};

/// Minutes of one step of the day's curve.
pub const CURVE_MINUTES: u16 = 5;

/// Most windows whose missing day closes are told one by one.
const UNREPORTED_MAX: usize = 200;

/// What stands in a tile. A true zero is `Number(0)`; the others are different marks, and none is ever shown as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tile {
    /// A counted amount.
    Number(i64),
    /// 未报: a known window from which nothing has come.
    Unreported,
    /// 不适用: a window that is closed for good.
    NotApplicable,
    /// How a window stands.
    State(WindowState),
}

impl Tile {
    /// As a screen shows it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Unreported => "未报".to_owned(),
            Self::NotApplicable => "—".to_owned(),
            Self::State(state) => state.title().to_owned(),
        }
    }

    /// The word of the mark in data; none for what is no mark.
    #[must_use]
    pub fn mark(&self) -> Option<&'static str> {
        match self {
            Self::Number(_) | Self::State(_) => None,
            Self::Unreported => Some("unreported"),
            Self::NotApplicable => Some("not-applicable"),
        }
    }
}

/// A printed figure over three spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardFigure {
    /// Key of its definition.
    pub key: String,
    /// Word of print.
    pub title: String,
    /// Unit of print.
    pub unit: String,
    /// 今日.
    pub today: i64,
    /// 本周, from Monday on.
    pub week: i64,
    /// 今年以来, with opening figures.
    pub year: i64,
}

/// How a window stands today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowState {
    /// Something has come from it today.
    Working,
    /// It has closed its day.
    DayClosed,
    /// Nothing has come from it today.
    Unreported,
    /// It is closed for good.
    NotApplicable,
}

impl WindowState {
    /// As a screen shows it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Working => "办理",
            Self::DayClosed => "已日结",
            Self::Unreported => "未报",
            Self::NotApplicable => "停用",
        }
    }

    /// Its word in data.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::DayClosed => "day-closed",
            Self::Unreported => "unreported",
            Self::NotApplicable => "not-applicable",
        }
    }
}

/// A window's day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardWindow {
    /// Its id.
    pub id: WindowId,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: WindowState,
    /// What it has counted today.
    pub tally: Tally,
}

impl BoardWindow {
    /// What stands in the tile of a kind.
    #[must_use]
    pub fn tile(&self, kind: Kind) -> Tile {
        match self.state {
            WindowState::Working | WindowState::DayClosed => Tile::Number(self.tally.get(kind)),
            WindowState::Unreported => Tile::Unreported,
            WindowState::NotApplicable => Tile::NotApplicable,
        }
    }
}

/// A working day of the week that a window did not close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreported {
    /// The window.
    pub window: WindowId,
    /// The day.
    pub day: Date,
}

/// The board of a day as of a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// As of which position it holds.
    pub position: u64,
    /// The day that is today on it.
    pub day: Date,
    /// Name of the hall; empty before it is entered.
    pub hall: String,
    /// Figures in the order of their definitions.
    pub figures: Vec<BoardFigure>,
    /// Windows by id.
    pub windows: Vec<BoardWindow>,
    /// Amounts of all kinds by five minutes since midnight; a step in which nothing happened is not in it.
    pub curve: BTreeMap<u16, i64>,
    /// Working days before today, of this week, that a window in use did not close; none where the calendar of the
    /// year is missing.
    pub unreported: Option<Vec<Unreported>>,
    /// What became of everything up to the position; none for a position of the past.
    pub counts: Option<Counts>,
}

impl Board {
    /// Every number by the key of its tile, for comparing two boards and for changing one into the other.
    #[must_use]
    pub fn tiles(&self) -> BTreeMap<String, Tile> {
        let mut tiles = BTreeMap::new();
        for it in &self.figures {
            for (span, amount) in [("today", it.today), ("week", it.week), ("year", it.year)] {
                tiles.insert(format!("figure.{}.{span}", it.key), Tile::Number(amount));
            }
        }
        for window in &self.windows {
            tiles.insert(format!("window.{}.state", window.id), Tile::State(window.state));
            for kind in Kind::ALL {
                tiles.insert(format!("window.{}.{}", window.id, kind.word()), window.tile(kind));
            }
        }
        for (step, amount) in &self.curve {
            tiles.insert(format!("curve.{step}"), Tile::Number(*amount));
        }
        if let Some(unreported) = &self.unreported {
            tiles.insert("unreported".to_owned(), Tile::Number(count(unreported.len())));
        }
        if let Some(it) = self.counts {
            for (word, amount) in [
                ("stored", it.stored),
                ("counted", it.counted),
                ("flagged", it.flagged),
                ("quarantined", it.quarantined),
                ("held", it.held),
                ("repeated", it.repeated),
            ] {
                tiles.insert(format!("counts.{word}"), Tile::Number(count(amount)));
            }
        }
        tiles
    }
}

fn count<T: TryInto<i64>>(amount: T) -> i64 {
    amount.try_into().unwrap_or(i64::MAX)
}

/// Everything that a board is made of.
#[derive(Debug, Clone)]
struct Sums {
    checkpoint: Checkpoint,
    known: Arc<Known>,
    /// Sums by day of the year, and of this week where it began in the year before.
    days: BTreeMap<Date, Tally>,
    /// Today's sums by window.
    windows: BTreeMap<String, Tally>,
    /// Windows from which something came today, whether it counts or not.
    heard: BTreeSet<String>,
    curve: BTreeMap<u16, i64>,
    closes: Vec<DayCloseRow>,
}

/// A board that follows the read models of a hall.
#[derive(Debug, Clone)]
pub struct LiveBoard {
    hall: HallCode,
    day: Date,
    sums: Option<Sums>,
}

impl LiveBoard {
    /// A board of a day on which nothing stands yet.
    #[must_use]
    pub fn new(hall: HallCode, day: Date) -> Self {
        Self { hall, day, sums: None }
    }

    /// Goes on to where the read models are; `day` is today. Answers whether it moved.
    ///
    /// # Errors
    ///
    /// When the store does not answer or is damaged; the board stays as it is.
    pub async fn advance(&mut self, store: &dyn ReadModels, day: Date) -> Result<bool, DeskError> {
        let Some(at) = store.checkpoint(&self.hall).await? else { return Ok(false) };
        if let Some(sums) = self.sums.as_mut().filter(|_| self.day == day) {
            let same = sums.checkpoint.incarnation == at.incarnation;
            if same && sums.checkpoint.sequence == at.sequence {
                return Ok(false);
            }
            if same && sums.checkpoint.sequence < at.sequence {
                // What is half added is not kept.
                let mut next = sums.clone();
                if next.advance(store, &self.hall, day).await? {
                    *sums = next;
                    return Ok(true);
                }
            }
        }
        self.sums = Some(Sums::load(store, &self.hall, day).await?);
        self.day = day;
        Ok(true)
    }

    /// The board, once there is something on it.
    #[must_use]
    pub fn board(&self) -> Option<Board> {
        self.sums.as_ref().map(|it| it.board(self.day))
    }

    /// What the facts say there.
    #[must_use]
    pub fn known(&self) -> Option<Arc<Known>> {
        self.sums.as_ref().map(|it| it.known.clone())
    }

    /// How far it has come.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.sums.as_ref().map(|it| &it.checkpoint)
    }
}

/// The board of a day as it was, or would have been, at a position.
///
/// # Errors
///
/// When the store does not answer or is damaged.
pub async fn board_at(
    store: &dyn ReadModels,
    hall: &HallCode,
    day: Date,
    position: u64,
) -> Result<Option<Board>, DeskError> {
    let query = SnapshotQuery {
        first: first_day(day),
        last: day,
        after: Some(position),
        adjustments_after: None,
        issues: vec![],
        segments: false,
        facts: true,
    };
    let snapshot = store.snapshot(hall, &query).await?;
    let Some(mut checkpoint) = snapshot.checkpoint.clone() else { return Ok(None) };
    let cells = recount::rewind(snapshot.cells.clone(), &snapshot.segments, position);
    let cells = cells.map_err(damaged)?;
    checkpoint.sequence = checkpoint.sequence.min(position);
    let mut sums = Sums {
        known: Arc::new(Known::from_facts(&snapshot.facts, checkpoint.sequence)?),
        days: BTreeMap::new(),
        windows: BTreeMap::new(),
        heard: BTreeSet::new(),
        curve: BTreeMap::new(),
        closes: snapshot.day_closes,
        checkpoint,
    };
    sums.closes.retain(|it| it.position <= position);
    for (cell, value) in cells.into_iter().filter(|(cell, _)| cell.day <= day) {
        sums.days.entry(cell.day).or_default().add(cell.kind, value.amount);
    }
    let query = SnapshotQuery { first: day, after: None, segments: true, facts: false, ..query };
    let record = store.snapshot(hall, &query).await?.segments;
    for row in &record {
        for entry in recount::entries(row) {
            let entry = entry.map_err(damaged)?;
            if entry.position <= position {
                sums.add_to_day(&entry, day);
            }
        }
    }
    let mut board = sums.board(day);
    board.counts = board.counts.filter(|it| it.stored == position);
    Ok(Some(board))
}

fn damaged(error: ParseEntryError) -> StoreError {
    StoreError::Damaged(error.to_string())
}

/// The first day whose sums a board needs.
fn first_day(day: Date) -> Date {
    day.first_of_year().min(week_monday(day))
}

/// The step of the curve in which an entry falls.
fn step(entry: &Entry) -> u16 {
    let time = hall_zone().to_datetime(entry.occurred_at).time();
    let minutes =
        u16::from(time.hour().unsigned_abs()) * 60 + u16::from(time.minute().unsigned_abs());
    minutes / CURVE_MINUTES
}

impl Sums {
    async fn load(store: &dyn ReadModels, hall: &HallCode, day: Date) -> Result<Self, DeskError> {
        let query = SnapshotQuery {
            first: first_day(day),
            last: day,
            after: None,
            adjustments_after: None,
            issues: vec![],
            segments: false,
            facts: true,
        };
        let year = store.snapshot(hall, &query).await?;
        let none = || StoreError::Damaged("the checkpoint is gone".to_owned());
        let checkpoint = year.checkpoint.ok_or_else(none)?;
        let at = checkpoint.sequence;
        let mut sums = Self {
            known: Arc::new(Known::from_facts(&year.facts, at)?),
            days: BTreeMap::new(),
            windows: BTreeMap::new(),
            heard: BTreeSet::new(),
            curve: BTreeMap::new(),
            closes: year.day_closes,
            checkpoint,
        };
        for (cell, value) in year.cells {
            sums.days.entry(cell.day).or_default().add(cell.kind, value.amount);
        }
        let query = SnapshotQuery { first: day, segments: true, facts: false, ..query };
        for row in &store.snapshot(hall, &query).await?.segments {
            for entry in recount::entries(row) {
                let entry = entry.map_err(damaged)?;
                if entry.position <= at {
                    sums.add_to_day(&entry, day);
                }
            }
        }
        Ok(sums)
    }

    /// Adds what came after. Answers false where that cannot be told from the record, and everything is to be loaded.
    async fn advance(
        &mut self,
        store: &dyn ReadModels,
        hall: &HallCode,
        day: Date,
    ) -> Result<bool, DeskError> {
        let from = self.checkpoint.sequence;
        let query = SnapshotQuery {
            first: week_monday(day),
            last: day,
            after: Some(from),
            adjustments_after: None,
            issues: vec![],
            segments: false,
            facts: false,
        };
        let Snapshot { checkpoint, segments, day_closes, .. } =
            store.snapshot(hall, &query).await?;
        let Some(checkpoint) = checkpoint
            .filter(|it| it.incarnation == self.checkpoint.incarnation && it.sequence >= from)
        else {
            return Ok(false);
        };
        let mut positions = BTreeSet::new();
        for row in &segments {
            // Appended in the order of positions: what is new stands at the end.
            for line in row.entries.rsplit_terminator('\n') {
                let entry = Entry::parse(line).map_err(damaged)?;
                if entry.position <= from {
                    break;
                }
                positions.insert(entry.position);
                self.add(&entry, day);
            }
        }
        self.closes = day_closes;
        let messages = checkpoint.sequence - from;
        self.checkpoint = checkpoint;
        if (positions.len() as u64) < messages {
            // A message that is no event of a window: set-up, perhaps, or opening figures.
            let facts = store.snapshot(hall, &SnapshotQuery::facts()).await?.facts;
            self.known = Arc::new(Known::from_facts(&facts, self.checkpoint.sequence)?);
        }
        Ok(true)
    }

    fn add(&mut self, entry: &Entry, day: Date) {
        let (amount, _) = entry.effect();
        let of = entry.day();
        if let Some(act) = entry.act.as_ref().filter(|_| amount != 0 && entry.window.is_some())
            && (first_day(day)..=day).contains(&of)
        {
            self.days.entry(of).or_default().add(act.kind, amount);
        }
        self.add_to_day(entry, day);
    }

    /// What an entry is to the day's windows and curve.
    fn add_to_day(&mut self, entry: &Entry, day: Date) {
        let Some(window) = entry.window.as_ref().filter(|_| entry.day() == day) else { return };
        self.heard.insert(window.as_str().to_owned());
        let (amount, _) = entry.effect();
        if let Some(act) = entry.act.as_ref().filter(|_| amount != 0) {
            self.windows.entry(window.as_str().to_owned()).or_default().add(act.kind, amount);
            *self.curve.entry(step(entry)).or_default() += amount;
        }
    }

    fn board(&self, day: Date) -> Board {
        let registry = &self.known.registry;
        let monday = week_monday(day);
        let opening = self.known.book.opening.as_ref();
        let counted_from = figure::counted_from(opening, day.year());
        let sum = |from: Date, definition: &Definition| -> i64 {
            let days = self.days.iter().filter(|(it, _)| (from..=day).contains(*it));
            days.map(|(_, tally)| figure::amount(definition, tally)).sum()
        };
        let figures = match self.known.latest(SetupTopic::Figures, None).map(|it| &it.setup) {
            Some(Setup::Figures { definitions }) => definitions.as_slice(),
            _ => &[],
        };
        let figures = figures.iter().map(|it| BoardFigure {
            key: it.key.clone(),
            title: it.title.clone(),
            unit: it.unit.clone(),
            today: sum(day, it),
            week: sum(monday, it),
            year: sum(counted_from, it).saturating_add(figure::opening_of_year(
                it,
                opening,
                day.year(),
            )),
        });
        let closed = |id: &WindowId, of: Date| {
            let at = self.checkpoint.sequence;
            self.closes.iter().any(|it| it.window == *id && it.day == of && it.position <= at)
        };
        let windows = registry.windows.iter().map(|(id, window)| BoardWindow {
            id: id.clone(),
            name: window.name.clone(),
            state: if closed(id, day) {
                WindowState::DayClosed
            } else if self.heard.contains(id.as_str()) {
                WindowState::Working
            } else if window.open {
                WindowState::Unreported
            } else {
                WindowState::NotApplicable
            },
            tally: self.windows.get(id.as_str()).copied().unwrap_or_default(),
        });
        let before = day.checked_sub(1.day()).ok().filter(|it| *it >= monday);
        let due = self.known.calendar().ok().and_then(|calendar| match before {
            Some(before) => calendar.working_days(monday..=before).ok(),
            None => Some(vec![]),
        });
        let unreported = due.map(|days| {
            let open = || registry.windows.iter().filter(|(_, it)| it.open);
            let all = days.iter().flat_map(|day| open().map(move |(id, _)| (id, *day)));
            all.filter(|(id, day)| !closed(id, *day))
                .map(|(window, day)| Unreported { window: window.clone(), day })
                .take(UNREPORTED_MAX)
                .collect()
        });
        Board {
            position: self.checkpoint.sequence,
            day,
            hall: registry.hall.as_ref().map(|(name, _)| name.clone()).unwrap_or_default(),
            figures: figures.collect(),
            windows: windows.collect(),
            // A step whose acts were all taken back is as if nothing had happened.
            curve: self.curve.iter().filter(|(_, it)| **it != 0).map(|(k, v)| (*k, *v)).collect(),
            unreported,
            counts: Some(self.checkpoint.counts),
        }
    }
}
