//! Keeping the read models up to date, in turns with other processes.
//!
//! ```text
//!   read.db in the folder:  wait for `projector.lock` ──► open, claim, project ──► wanted: give the lock back, wait
//!   PostgreSQL:             claim, project ──► fenced: stand by until the other one stands still
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zhoubao_application::desk::Desk;
use zhoubao_application::journal::Journal;
use zhoubao_application::projector::{Goal, Progress, ProjectError, project};
use zhoubao_application::store::ReadModels;
use zhoubao_contract::hash;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::HallCode;
use zhoubao_projections::rows::Checkpoint;

use crate::config::StoreAt;
use crate::failure::{Exit, Failure};
use crate::folder::ProjectorLock;
use crate::receipts;
use crate::wiring::Context;

/// How often somebody who waits for his turn looks again.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Looks for a message that must be there.
const LOOKS_MAX: u32 = 10;

/// A projector that has not moved for so long, although the journal has more, is taken for dead.
const STANDSTILL: Duration = Duration::from_secs(5);

/// Longest pause between two tries to reach journal and store at the start of a service.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The right to project, where the read models are a file that only one process may write.
enum Turn {
    Free,
    Locked(#[expect(dead_code, reason = "held, not read")] ProjectorLock),
}

async fn take_turn(ctx: &Context) -> Result<Turn, Failure> {
    if ctx.config.store != StoreAt::Sqlite {
        return Ok(Turn::Free);
    }
    ctx.claim_folder()?;
    let mut told = false;
    loop {
        if !ctx.folder().is_projector_wanted()?
            && let Some(lock) = ctx.folder().lock_projector()?
        {
            return Ok(Turn::Locked(lock));
        }
        if !told {
            tracing::info!(
                "another process keeps the read models of this folder up to date, standing by"
            );
            told = true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Projects the hall for ever, in turns with others; ends only with what waiting does not mend.
///
/// # Errors
///
/// Always: why it ended.
pub async fn keep(
    ctx: &Context,
    journal: Arc<dyn Journal>,
    mut report: impl FnMut(Progress) + Send,
) -> Failure {
    let hall = match ctx.hall() {
        Ok(hall) => hall,
        Err(failure) => return failure,
    };
    loop {
        let turn = match take_turn(ctx).await {
            Ok(turn) => turn,
            Err(failure) => return failure,
        };
        // Opened anew at each turn: a rebuild may have put another copy in place.
        let store = match patiently(|| ctx.open_store()).await {
            Ok(store) => store,
            Err(failure) => return failure,
        };
        let (counted, is_counted) = watch::channel(0);
        let told = |it: Progress| {
            report(it);
            if it.caught_up {
                counted.send_replace(it.sequence);
            }
        };
        let work = project(journal.clone(), store.clone(), hall.clone(), Goal::Live, told);
        let ended = tokio::select! {
            ended = work => ended,
            never = receipts::keep(ctx, &*store, &hall, is_counted) => match never {},
            failure = wanted(ctx) => match failure {
                Some(failure) => return failure,
                None => {
                    tracing::info!("a rebuild asks for the read models, giving way");
                    Ok(Progress::default())
                }
            },
        };
        // The file is closed before the lock is given back.
        match ended {
            Ok(_) => drop(store),
            Err(ProjectError::Fenced) => {
                tracing::warn!(hall.code = %hall, "another projector took over (E.706), standing by");
                match turn {
                    Turn::Free => stand_by(&*journal, &*store, &hall).await,
                    // Nobody fences whoever has the lock, but a program that does not ask for it.
                    Turn::Locked(_) => tokio::time::sleep(STANDSTILL).await,
                }
            }
            Err(error) => return error.into(),
        }
        drop(turn);
    }
}

/// Ends when somebody asks for the read models of the folder, or when that cannot be known.
async fn wanted(ctx: &Context) -> Option<Failure> {
    if ctx.config.store != StoreAt::Sqlite {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match ctx.folder().is_projector_wanted() {
            Ok(false) => {}
            Ok(true) => return None,
            Err(failure) => return Some(failure),
        }
    }
}

/// Waits until nobody moves the checkpoint although the journal has more.
async fn stand_by(journal: &dyn Journal, store: &dyn ReadModels, hall: &HallCode) {
    let mut seen = None;
    let mut since = Instant::now();
    while since.elapsed() < STANDSTILL {
        tokio::time::sleep(LOOK_EVERY).await;
        let (Ok(state), Ok(checkpoint)) = (journal.state().await, store.checkpoint(hall).await)
        else {
            since = Instant::now();
            continue;
        };
        let at = checkpoint.map_or(0, |it| it.sequence);
        if at >= state.last || seen != Some(at) {
            seen = Some(at);
            since = Instant::now();
        }
    }
}

/// Tries again while a server does not answer; whatever else is wrong ends it.
///
/// # Errors
///
/// What waiting does not mend.
pub async fn patiently<T, F>(mut open: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut pause = Duration::from_millis(100);
    loop {
        match open().await {
            Err(failure) if failure.exit == Exit::Unavailable => {
                tracing::warn!(error = failure.message, "not reachable, trying on");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
            done => return done,
        }
    }
}

/// Folds up to what the journal holds now.
///
/// # Errors
///
/// What keeps the journal from being folded.
pub async fn to_the_end(ctx: &Context) -> Result<Progress, Failure> {
    let journal = ctx.open_journal_to_read().await?;
    let turn = take_turn(ctx).await?;
    let store = ctx.open_store().await?;
    // A journal that ends before the checkpoint is not read, so nothing else would notice.
    if let Some(at) = store.checkpoint(&ctx.hall()?).await? {
        same_journal(&*journal, &at).await?;
    }
    let done = fold(ctx, journal, store.clone()).await?;
    // They only tell terminals; whoever asked for the figures has them.
    if let Err(failure) = receipts::write_once(ctx, &*store, &ctx.hall()?).await {
        tracing::warn!(error = failure.message, "no receipts were written");
    }
    drop(turn);
    Ok(done)
}

/// Whether a checkpoint is one of this journal: what comes after another one says nothing.
///
/// # Errors
///
/// E.703 for another journal, E.704 for one that went back.
pub(crate) async fn same_journal(journal: &dyn Journal, at: &Checkpoint) -> Result<(), Failure> {
    let next = "if this is the right journal, let the terminals send what they have, then build the read models from it: `zhoubao rebuild`";
    let state = journal.state().await?;
    if state.incarnation.0 != at.incarnation {
        let message = format!(
            "the read models belong to journal {}, this one is {}",
            at.incarnation, state.incarnation.0
        );
        return Err(Failure::coded(Code::OtherJournal, message).with_next(next));
    }
    let there = match at.sequence {
        0 => return Ok(()),
        sequence if sequence > state.last => None,
        sequence => {
            let mut there = journal.get(sequence).await?;
            // A replica that answers may lag behind.
            for _ in 0..LOOKS_MAX {
                if there.is_some() {
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
                there = journal.get(sequence).await?;
            }
            there
        }
    };
    if there.is_none_or(|it| hash(&it.message) != at.hash) {
        let message = format!(
            "the read models are at {}; the journal ends at {} or holds another event there",
            at.sequence, state.last
        );
        return Err(Failure::coded(Code::JournalWentBack, message).with_next(next));
    }
    Ok(())
}

async fn fold(
    ctx: &Context,
    journal: Arc<dyn Journal>,
    store: Arc<dyn ReadModels>,
) -> Result<Progress, Failure> {
    let hall = ctx.hall()?;
    let last = journal.state().await?.last;
    let bar = ctx.output.progress(last, "投影 projecting");
    let done = project(journal, store, hall, Goal::Sequence(last), |it| {
        bar.set_position(it.sequence);
    })
    .await;
    bar.finish_and_clear();
    Ok(done?)
}

/// A desk whose read models follow the journal: by another process, or by this one while the desk lives.
pub struct LiveDesk {
    desk: Desk,
    projector: JoinHandle<()>,
}

impl std::ops::Deref for LiveDesk {
    type Target = Desk;

    fn deref(&self) -> &Desk {
        &self.desk
    }
}

impl Drop for LiveDesk {
    fn drop(&mut self) {
        self.projector.abort();
    }
}

impl Context {
    /// The desk of the hall, for commands.
    ///
    /// Where the read models are a file that no running service keeps up to date, this process does while the desk
    /// lives. With PostgreSQL it does so when nobody else moves the checkpoint.
    ///
    /// # Errors
    ///
    /// When journal or read models cannot be opened, or the journal cannot be folded.
    pub async fn desk(&self) -> Result<LiveDesk, Failure> {
        self.desk_on(self.open_journal().await?).await
    }

    /// The same for whoever only asks: no right to append is needed.
    ///
    /// # Errors
    ///
    /// As [`Context::desk`].
    pub async fn desk_to_read(&self) -> Result<LiveDesk, Failure> {
        self.desk_on(self.open_journal_to_read().await?).await
    }

    async fn desk_on(&self, journal: Arc<dyn Journal>) -> Result<LiveDesk, Failure> {
        let hall = self.hall()?;
        let store = self.open_store().await?;
        if let Some(at) = store.checkpoint(&hall).await? {
            same_journal(&*journal, &at).await?;
        }
        let desk = Desk::new(journal.clone(), store.clone(), hall.clone(), self.clock.clone())
            .with_tree_hash(self.config.tree_hash);
        let turn = match &self.config.store {
            StoreAt::Sqlite => self.folder().lock_projector()?.map(Turn::Locked),
            StoreAt::Postgres(_) => Some(Turn::Free),
        };
        if matches!(turn, Some(Turn::Locked(_))) {
            // In the foreground, so that whatever is wrong is told, and a long journal shows its progress.
            fold(self, journal.clone(), store.clone()).await?;
        }
        let ctx = self.clone();
        let projector = tokio::spawn(async move {
            // Somebody else may have the lock now and end before this command does.
            let turn = match turn {
                Some(turn) => Ok(turn),
                None => take_turn(&ctx).await,
            };
            let ended = match turn {
                Ok(turn) => follow(turn, journal, store, hall).await,
                Err(failure) => failure,
            };
            // The command itself ends with E.705 when it waits in vain.
            tracing::error!(error = ended.message, "projecting ends");
        });
        Ok(LiveDesk { desk, projector })
    }
}

/// Projects while a command lasts.
async fn follow(
    turn: Turn,
    journal: Arc<dyn Journal>,
    store: Arc<dyn ReadModels>,
    hall: HallCode,
) -> Failure {
    loop {
        if matches!(turn, Turn::Free) {
            stand_by(&*journal, &*store, &hall).await;
        }
        match project(journal.clone(), store.clone(), hall.clone(), Goal::Live, |_| {}).await {
            Ok(_) | Err(ProjectError::Fenced) => {}
            Err(error) => return error.into(),
        }
    }
}

/// Ends with Ctrl-C or SIGTERM.
pub async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        // Without a handler SIGTERM ends the process at once, which harms nothing either.
        Err(_) => {
            let _ = interrupted.await;
        }
    }
}
