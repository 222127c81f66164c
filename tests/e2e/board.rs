//! The board shows what the weekly prints: at any position, whichever way it came there.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use jiff::ToSpan as _;
use jiff::civil::Date;
use zhoubao::play::Player;
use zhoubao_application::board::{Board, LiveBoard, board_at};
use zhoubao_application::clock::SystemClock;
use zhoubao_application::desk::{Desk, facts};
use zhoubao_application::journal::{
    AppendError, Cursor, Expectation, Incarnation, Journal, JournalError, JournalState,
};
use zhoubao_application::known::Known;
use zhoubao_application::memory::MemoryJournal;
use zhoubao_application::projector::{Goal, project};
use zhoubao_application::store::{ReadModels, SnapshotQuery};
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::calendar::{Period, week_monday};
use zhoubao_domain::event::Setup;
use zhoubao_domain::figure::{self, Partition, Source, Span};
use zhoubao_domain::id::{SetupTopic, Subject};
use zhoubao_projections::recount;
use zhoubao_store_sqlite::read_models::SqliteReadModels;

use crate::hall::{code, sample};
use crate::kills::Dice;

/// A journal as it was when it ended at a position.
struct Earlier {
    journal: Arc<dyn Journal>,
    last: u64,
}

struct EarlierCursor(Box<dyn Cursor>, u64);

#[async_trait]
impl Cursor for EarlierCursor {
    async fn next(&mut self, max: usize, wait: Duration) -> Result<Vec<Stored>, JournalError> {
        let mut read = self.0.next(max, wait).await?;
        read.retain(|it| it.position <= self.1);
        Ok(read)
    }
}

#[async_trait]
impl Journal for Earlier {
    async fn state(&self) -> Result<JournalState, JournalError> {
        Ok(JournalState { last: self.last, ..self.journal.state().await? })
    }

    async fn append(&self, _: &[Message], _: &[Expectation]) -> Result<Vec<u64>, AppendError> {
        Err(AppendError::Conflict)
    }

    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        self.journal.head(subject).await
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        self.journal.get(sequence).await
    }

    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
        Ok(Box::new(EarlierCursor(self.journal.open(from).await?, self.last)))
    }
}

/// Positions at which the three are compared.
const POSITIONS: usize = 200;

/// What the weekly's own rules make of the record up to a position, for a day and for the week up to it.
async fn weekly(
    store: &dyn ReadModels,
    day: Date,
    position: u64,
) -> anyhow::Result<Vec<(String, [i64; 3])>> {
    let first = day.first_of_year().min(week_monday(day));
    let query = SnapshotQuery { first, last: day, segments: true, ..SnapshotQuery::facts() };
    let snapshot = store.snapshot(&code()?, &query).await?;
    let cells = recount::recount(&snapshot.segments, first, day, position)?;
    let known = Known::from_facts(&snapshot.facts, position)?;
    let definitions = match known.latest(SetupTopic::Figures, None).map(|it| &it.setup) {
        Some(Setup::Figures { definitions }) => definitions.clone(),
        _ => vec![],
    };
    let taken = |from| -> anyhow::Result<_> {
        Ok(figure::take(Source {
            definitions: &definitions,
            period: Period::of_figures(from, day)?,
            opening: known.book.opening.as_ref(),
            previous: None,
            cells: &cells,
            adjustments: &[],
        }))
    };
    let (today, week) = (taken(day)?, taken(week_monday(day))?);
    let of = |figures: &figure::Figures, definition: &str, span| {
        let total = figures.iter().find(|(key, _)| {
            key.definition == definition && key.span == span && key.partition == Partition::Total
        });
        total.map_or(0, |(_, it)| it.amount)
    };
    let row = |it: &figure::Definition| {
        let key = it.key.as_str();
        let amounts =
            [of(&today, key, Span::Week), of(&week, key, Span::Week), of(&today, key, Span::Year)];
        (it.key.clone(), amounts)
    };
    Ok(definitions.iter().map(row).collect())
}

fn shown(board: &Board) -> Vec<(String, [i64; 3])> {
    board.figures.iter().map(|it| (it.key.clone(), [it.today, it.week, it.year])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_the_weekly_and_the_record_agree_at_two_hundred_positions() -> anyhow::Result<()>
{
    let sample = sample()?;
    let hall = code()?;
    let clock = Arc::new(SystemClock);
    let journal: Arc<dyn Journal> =
        Arc::new(MemoryJournal::new(hall.clone(), Incarnation("board".to_owned()), clock.clone()));
    let folder = tempfile::tempdir()?;
    let open = async |name: &str| -> anyhow::Result<Arc<dyn ReadModels>> {
        let store: Arc<dyn ReadModels> =
            Arc::new(SqliteReadModels::open(folder.path().join(name)).await?);
        Ok(store)
    };
    let played = open("played.db").await?;
    let desk = Desk::new(journal.clone(), played.clone(), hall.clone(), clock);
    let projector = tokio::spawn({
        let (journal, hall) = (journal.clone(), hall.clone());
        async move { project(journal, played, hall, Goal::Live, |_| {}).await.map(|_| ()) }
    });
    let mut player = Player::new(&desk, &sample, sample.acts(7)?);
    player.begin().await?;
    for week in &sample.weeks {
        player.week(week).await?;
        player.finish(week).await?;
    }
    projector.abort();
    let last = journal.state().await?.last;
    let (begins, ends) = (
        sample.weeks.first().context("no week")?.period.first(),
        sample.weeks.last().context("no week")?.period.last(),
    );
    let days = (ends - begins).get_days() + 3;
    let mut dice = Dice(20_230_210);
    let mut positions: Vec<u64> = (0..POSITIONS).map(|_| 1 + dice.below(last)).collect();
    positions.push(last);
    positions.sort_unstable();
    positions.dedup();
    // Read models that are made anew, and stop at each position.
    let store = open("anew.db").await?;
    let followed = begins.checked_add(30.days())?;
    let mut live = LiveBoard::new(hall.clone(), followed);
    let mut compared = 0;
    for &position in &positions {
        let earlier = Arc::new(Earlier { journal: journal.clone(), last: position });
        project(earlier, store.clone(), hall.clone(), Goal::Sequence(position), |_| {}).await?;
        live.advance(&*store, followed).await?;
        let followed_board = live.board().context("no board")?;
        assert_eq!(followed_board.position, position);
        assert_eq!(shown(&followed_board), weekly(&*store, followed, position).await?);
        let day =
            begins.checked_add(i32::try_from(dice.below(days.unsigned_abs().into()))?.days())?;
        let board = board_at(&*store, &hall, day, position).await?.context("no board")?;
        assert_eq!(shown(&board), weekly(&*store, day, position).await?, "{day} at {position}");
        let windows: i64 = board.windows.iter().map(|it| it.tally.accepted).sum();
        let accepted = shown(&board).into_iter().find(|(key, _)| key == "accepted");
        assert_eq!(windows, accepted.map_or(0, |(_, it)| it[0]), "{day} at {position}");
        if compared % 10 == 0 {
            let asked = board_at(&*store, &hall, followed, position).await?.context("no board")?;
            assert_eq!(followed_board, asked, "followed and asked at {position}");
        }
        compared += 1;
    }
    // And long afterwards, from the whole of the record.
    for &position in positions.iter().step_by(10) {
        let then = board_at(&*store, &hall, followed, position).await?.context("no board")?;
        assert_eq!(shown(&then), weekly(&*store, followed, position).await?, "at {position}");
    }
    assert!(compared > POSITIONS * 9 / 10, "{compared}");
    assert_eq!(facts(&*store, &hall).await?.book.issues.len(), 5);
    Ok(())
}
