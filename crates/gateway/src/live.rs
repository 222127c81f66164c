//! What changes on the board, to everybody who watches: server-sent events whose id is the position.
//!
//! ```text
//!  read models ──► LiveBoard ──► Frame ──► one slot, the latest wins ──► each reader: what differs from what it has
//! ```
//!
//! A reader is never behind by more than one frame: what it missed is in the difference to the latest. So nothing is
//! kept for a slow one, and a gap or a repeat cannot be seen. `Last-Event-ID` names a frame; whoever names one that is
//! not known any more begins anew, after `reset`. Programs on the broker are told the same ([`Live::teller`]).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::hash::Hash;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use zhoubao_application::board::{Board, LiveBoard, Tile};
use zhoubao_application::clock::Clock;
use zhoubao_application::desk::Desk;
use zhoubao_application::journal::Journal;
use zhoubao_application::known::Known;
use zhoubao_application::way::{self, Part, Since};
use zhoubao_domain::time::{hall_day, rfc3339};

use crate::answers::{self, BoardChange, BoardTold};

/// Most readers at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of all.
    pub all: usize,
    /// Of one session, or of one wall screen.
    pub session: usize,
    /// From one address.
    pub address: usize,
}

impl Default for Limits {
    /// Where nothing else is set (guarantees §6).
    fn default() -> Self {
        Self { all: 2_000, session: 6, address: 20 }
    }
}

/// Who wants to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// By what his session or his screen is told from others.
    pub session: Arc<str>,
    /// From where he comes.
    pub address: IpAddr,
}

/// Why there is no place for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// All are taken.
    All,
    /// His session has as many as one may have.
    Session,
    /// His address has.
    Address,
}

/// After how long a reader that was refused may try again, seconds.
pub const RETRY_SECONDS: u64 = 5;

/// Frames that a reader may go on from.
const FRAMES_MAX: usize = 256;

/// How often the read models are looked at while somebody watches.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How often while nobody does.
const REST_EVERY: Duration = Duration::from_millis(500);

/// How often it is confirmed that the read models have all that the journal has.
const CONFIRM_EVERY: Duration = Duration::from_secs(1);

/// How often a reader hears that there was nothing new.
const PULSE_EVERY: Duration = Duration::from_secs(2);

/// The board as of one position, and how it is told.
#[derive(Debug)]
pub struct Frame {
    /// The id of its event: the position, which journal it is a position of, and which day was today.
    pub id: String,
    /// The board.
    pub board: Board,
    /// What the facts say there.
    pub known: Arc<Known>,
    tiles: BTreeMap<String, Tile>,
    /// What the page's own parts are; a page of others is loaded anew.
    pub layout: String,
    /// The id of the frame before, to which `change` is the difference.
    before: String,
    change: Bytes,
}

/// What readers are told of.
#[derive(Debug, Clone)]
pub struct Now {
    /// The latest frame; none before there is anything in the read models.
    pub frame: Option<Arc<Frame>>,
    /// When it was last known to be all that the journal has.
    pub as_of: Option<Timestamp>,
    /// Counts pulses.
    pulse: u64,
}

/// The live board of a hall.
pub struct Live {
    now: watch::Receiver<Now>,
    frames: Mutex<VecDeque<Arc<Frame>>>,
    places: Mutex<Places>,
    limits: Limits,
    /// Whether programs on the broker listen.
    listened: AtomicBool,
}

/// What programs on the broker are told, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The whole board.
    Snapshot(Bytes),
    /// What changed.
    Change(Bytes),
}

/// The places that are taken.
#[derive(Default)]
struct Places {
    all: usize,
    sessions: HashMap<Arc<str>, usize>,
    addresses: HashMap<IpAddr, usize>,
}

impl Places {
    fn take(&mut self, watcher: &Watcher, limits: Limits) -> Result<(), Full> {
        let of_session = self.sessions.get(&watcher.session).copied().unwrap_or(0);
        let of_address = self.addresses.get(&watcher.address).copied().unwrap_or(0);
        // The narrowest first: it is what he himself can do something about.
        if of_session >= limits.session {
            return Err(Full::Session);
        }
        if of_address >= limits.address {
            return Err(Full::Address);
        }
        if self.all >= limits.all {
            return Err(Full::All);
        }
        self.all += 1;
        self.sessions.insert(watcher.session.clone(), of_session + 1);
        self.addresses.insert(watcher.address, of_address + 1);
        Ok(())
    }

    fn give_back(&mut self, watcher: &Watcher) {
        self.all -= 1;
        one_less(&mut self.sessions, &watcher.session);
        one_less(&mut self.addresses, &watcher.address);
    }
}

fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    let left = counts.get_mut(key).map(|it| {
        *it -= 1;
        *it
    });
    if left == Some(0) {
        counts.remove(key);
    }
}

/// A reader's place; it is given back when dropped.
struct Place(Arc<Live>, Watcher);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places().give_back(&self.1);
    }
}

impl Live {
    /// A live board, and the work that keeps it: it never ends.
    pub fn new(
        desk: Desk,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> (Arc<Self>, impl Future<Output = Infallible> + Send) {
        let (sender, now) = watch::channel(Now { frame: None, as_of: None, pulse: 0 });
        let live = Arc::new(Self {
            now,
            frames: Mutex::default(),
            places: Mutex::default(),
            limits,
            listened: AtomicBool::new(false),
        });
        let work = keep(live.clone(), sender, desk, clock);
        (live, work)
    }

    /// What is known now.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now.borrow().clone()
    }

    /// How many read.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.places().all
    }

    /// The events for a reader that last had `last`.
    ///
    /// # Errors
    ///
    /// [`Full`] when there is no place for him.
    pub fn read(
        self: &Arc<Self>,
        watcher: Watcher,
        last: Option<&str>,
    ) -> Result<impl Stream<Item = Bytes> + use<>, Full> {
        self.places().take(&watcher, self.limits)?;
        let place = Place(self.clone(), watcher);
        let has = last.and_then(|last| self.frame(last));
        let reader = Reader {
            now: self.now.clone(),
            unknown: last.is_some() && has.is_none(),
            has,
            begun: false,
            _place: place,
        };
        Ok(stream::unfold(reader, async |mut reader| {
            let next = reader.next().await?;
            Some((next, reader))
        }))
    }

    /// What programs on the broker are told.
    #[must_use]
    pub fn teller(&self) -> Teller {
        Teller { now: self.now.clone(), has: None, pulse: 0 }
    }

    /// Says whether programs on the broker listen: while nobody watches, the read models are looked at less often.
    pub fn listened(&self, by_somebody: bool) {
        self.listened.store(by_somebody, Ordering::Relaxed);
    }

    fn is_watched(&self) -> bool {
        self.readers() > 0 || self.listened.load(Ordering::Relaxed)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn frame(&self, id: &str) -> Option<Arc<Frame>> {
        let frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.iter().rev().find(|it| it.id == id).cloned()
    }
}

struct Reader {
    now: watch::Receiver<Now>,
    /// What it has.
    has: Option<Arc<Frame>>,
    /// Whether it named a frame that is not known.
    unknown: bool,
    begun: bool,
    _place: Place,
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.begun {
            self.begun = true;
            let now = self.now.borrow_and_update().clone();
            let mut text = format!("retry: {}\n\n", retry_ms(&now));
            if self.unknown {
                text.push_str("event: reset\ndata: {\"reason\":\"unknown-id\"}\n\n");
            }
            let told = self.told(&now);
            text.push_str(std::str::from_utf8(&told).unwrap_or_default());
            return Some(text.into());
        }
        self.now.changed().await.ok()?;
        let now = self.now.borrow_and_update().clone();
        Some(self.told(&now))
    }

    /// What there is to tell.
    fn told(&mut self, now: &Now) -> Bytes {
        let Some(frame) = now.frame.clone() else { return pulse(now) };
        match self.has.replace(frame.clone()) {
            Some(has) if has.id == frame.id => pulse(now),
            Some(has) if has.id == frame.before => frame.change.clone(),
            Some(has) => event("change", &frame, &change(&has, &frame)),
            None => event("snapshot", &frame, &snapshot(&frame, now.as_of)),
        }
    }
}

/// What programs on the broker are told: the whole board at every pulse, and each change in between.
pub struct Teller {
    now: watch::Receiver<Now>,
    /// What was told last.
    has: Option<Arc<Frame>>,
    /// The pulse at which the whole board was told.
    pulse: u64,
}

impl Teller {
    /// The next there is to tell; none when the board is kept no more.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            self.now.changed().await.ok()?;
            let now = self.now.borrow_and_update().clone();
            let Some(frame) = now.frame else { continue };
            let id = frame.id.clone();
            match self.has.replace(frame.clone()) {
                Some(has) if now.pulse == self.pulse => {
                    if has.id != id {
                        let change = change(&has, &frame);
                        let before = has.id.clone();
                        return Some(Told::Change(text(&BoardTold::Change { id, before, change })));
                    }
                }
                _ => {
                    self.pulse = now.pulse;
                    let board = snapshot(&frame, now.as_of);
                    return Some(Told::Snapshot(text(&BoardTold::Snapshot { id, board })));
                }
            }
        }
    }
}

fn text(told: &BoardTold) -> Bytes {
    json!(told).to_string().into()
}

/// Spread over five seconds, so that not all readers come back in one moment.
fn retry_ms(now: &Now) -> u64 {
    let mixed = now.pulse.wrapping_mul(2_654_435_761)
        ^ now.as_of.map_or(0, |it| it.as_nanosecond().unsigned_abs() as u64);
    1_000 + mixed % 4_000
}

fn event(kind: &str, frame: &Frame, data: &impl Serialize) -> Bytes {
    let data = json!(data);
    let mut text = String::new();
    let _infallible = write!(text, "id: {}\nevent: {kind}\ndata: {data}\n\n", frame.id);
    text.into()
}

fn pulse(now: &Now) -> Bytes {
    let position = now.frame.as_ref().map(|it| it.board.position);
    let data = json!({ "position": position, "as_of": now.as_of.map(rfc3339) });
    format!("event: pulse\ndata: {data}\n\n").into()
}

pub(crate) fn tile(tile: &Tile) -> answers::Tile {
    match tile {
        Tile::Number(number) => answers::Tile::Number(*number),
        Tile::State(state) => answers::Tile::State { state: state.word() },
        mark => answers::Tile::Mark { mark: mark.mark().unwrap_or_default() },
    }
}

/// The whole board in data.
pub(crate) fn snapshot(frame: &Frame, as_of: Option<Timestamp>) -> answers::Board {
    answers::Board {
        position: frame.board.position,
        as_of: as_of.map(rfc3339),
        day: frame.board.day.to_string(),
        layout: Some(frame.layout.clone()),
        tiles: frame.tiles.iter().map(|(key, it)| (key.clone(), tile(it))).collect(),
    }
}

/// What differs between two frames.
fn change(from: &Frame, to: &Frame) -> BoardChange {
    let tiles = to.tiles.iter().filter(|(key, it)| from.tiles.get(*key) != Some(*it));
    let gone = from.tiles.keys().filter(|it| !to.tiles.contains_key(*it));
    BoardChange {
        position: to.board.position,
        layout: to.layout.clone(),
        tiles: tiles.map(|(key, it)| (key.clone(), tile(it))).collect(),
        gone: gone.cloned().collect(),
    }
}

/// What a page of this board is built of; changes of numbers leave it as it is.
fn layout(board: &Board) -> String {
    use sha2::Digest as _;
    let mut text = format!("{}\n{}\n", board.day, board.hall);
    for it in &board.figures {
        let _infallible = writeln!(text, "{} {} {}", it.key, it.title, it.unit);
    }
    for it in &board.windows {
        let _infallible = writeln!(text, "{} {}", it.id, it.name);
    }
    let digest = sha2::Sha256::digest(text.as_bytes());
    digest.iter().take(6).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A frame after another one.
fn frame_of(
    (board, known): (Board, Arc<Known>),
    incarnation: &str,
    before: Option<&Frame>,
) -> Frame {
    let journal: String = incarnation.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    let mut frame = Frame {
        id: format!("{}-{journal}-{}", board.position, board.day),
        tiles: board.tiles(),
        layout: layout(&board),
        board,
        known,
        before: String::new(),
        change: Bytes::new(),
    };
    if let Some(before) = before {
        frame.before.clone_from(&before.id);
        frame.change = event("change", &frame, &change(before, &frame));
    }
    frame
}

async fn keep(
    live: Arc<Live>,
    sender: watch::Sender<Now>,
    desk: Desk,
    clock: Arc<dyn Clock>,
) -> Infallible {
    let mut board = LiveBoard::new(desk.hall().clone(), hall_day(clock.now()));
    let mut confirm_at = Instant::now();
    let mut pulse_at = Instant::now() + PULSE_EVERY;
    loop {
        let (now, looked) = (clock.now(), Instant::now());
        match board.advance(&**desk.store(), hall_day(now)).await {
            Ok(true) => {
                let made = board.board().zip(board.known()).zip(board.checkpoint());
                if let Some((made, checkpoint)) = made {
                    let before = sender.borrow().frame.clone();
                    let frame = frame_of(made, &checkpoint.incarnation, before.as_deref());
                    let new = before.map(|it| it.board.position + 1..=frame.board.position);
                    live.keep(Arc::new(frame), &sender);
                    if let Some(new) = new.filter(|_| way::is_followed()) {
                        tokio::spawn(tell_shown(desk.journal().clone(), new, looked.elapsed()));
                    }
                }
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(error = %error, "the board stands still"),
        }
        if Instant::now() >= confirm_at {
            confirm_at = Instant::now() + CONFIRM_EVERY;
            let at = board.checkpoint().map(|it| it.sequence);
            let all = desk.journal().state().await.is_ok_and(|it| Some(it.last) <= at);
            if all {
                sender.send_if_modified(|it| {
                    it.as_of = Some(now);
                    false
                });
            }
        }
        if Instant::now() >= pulse_at {
            pulse_at = Instant::now() + PULSE_EVERY;
            sender.send_modify(|it| it.pulse += 1);
        }
        let pause = if live.is_watched() { LOOK_EVERY } else { REST_EVERY };
        tokio::time::sleep(pause).await;
    }
}

/// Tells of the events that a frame was the first to show. The read models know positions only, so the journal is asked
/// for their names, and only while somebody follows.
async fn tell_shown(journal: Arc<dyn Journal>, new: RangeInclusive<u64>, took: Duration) {
    let read_at = Instant::now();
    for position in new.take(way::TOLD_MAX) {
        let Ok(Some(stored)) = journal.get(position).await else { continue };
        let since = Since::Ago(took + read_at.elapsed());
        way::tell_all(Part::Shown, &[stored.message], &[position], since);
    }
}

impl Live {
    fn keep(&self, frame: Arc<Frame>, sender: &watch::Sender<Now>) {
        {
            let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
            if frames.len() >= FRAMES_MAX {
                frames.pop_front();
            }
            frames.push_back(frame.clone());
        }
        sender.send_modify(|it| it.frame = Some(frame));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watcher(session: &str, address: [u8; 4]) -> Watcher {
        Watcher { session: session.into(), address: address.into() }
    }

    #[test]
    fn no_session_and_no_address_takes_all_places() {
        let limits = Limits { all: 5, session: 2, address: 3 };
        let mut places = Places::default();
        let [a1, b1, c1, c2, d3] = [("a", 1), ("b", 1), ("c", 1), ("c", 2), ("d", 3)]
            .map(|(session, last)| watcher(session, [10, 0, 0, last]));
        assert_eq!(places.take(&a1, limits), Ok(()));
        assert_eq!(places.take(&a1, limits), Ok(()));
        assert_eq!(places.take(&a1, limits), Err(Full::Session));
        assert_eq!(places.take(&b1, limits), Ok(()));
        assert_eq!(places.take(&c1, limits), Err(Full::Address));
        assert_eq!(places.take(&c2, limits), Ok(()));
        assert_eq!(places.take(&d3, limits), Ok(()));
        assert_eq!(places.take(&d3, limits), Err(Full::All));

        places.give_back(&a1);
        assert_eq!(places.take(&c1, limits), Ok(()), "a place that was given back is free");
        for it in [&a1, &b1, &c2, &d3, &c1] {
            places.give_back(it);
        }
        assert_eq!(places.all, 0);
        assert!(places.sessions.is_empty() && places.addresses.is_empty(), "nothing is kept");
    }
}
