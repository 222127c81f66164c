//! `zhoubao drill`: restores a copy in a temporary folder, and compares what comes of it with the live hall.
//!
//! ```text
//!  archive ─► every line checked ─► journal in a temporary folder ─► read models ─► issues
//!                 │ every event            the live journal's tail ─►──┘ every row    │ JSON and TXT
//!                 ▼ the same?                                            the same?    ▼ the same?
//!            live journal                                         live read models, live issues
//! ```

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use zhoubao_application::desk::facts;
use zhoubao_application::follow::Follower;
use zhoubao_application::journal::{Incarnation, Journal};
use zhoubao_application::store::ReadModels;
use zhoubao_application::weekly::{self, Weekly, WeeklyError};
use zhoubao_composer::{json as canonical, txt};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, ObjectId};
use zhoubao_store_sqlite::journal::{Settings, SqliteJournal};
use zhoubao_store_sqlite::read_models::SqliteReadModels;

use super::rebuild::{Found, fold, verify};
use super::restore::into_file;
use crate::archive::{Checked, Copy, check};
use crate::cli::DrillArgs;
use crate::failure::{Exit, Failure, chain};
use crate::wiring::Context;

/// Messages of one page of the comparison.
const PAGE_MESSAGES_MAX: usize = 5_000;

/// Longest wait for the next message of the live journal, which has it.
const WAIT: Duration = Duration::from_secs(2);

/// Pages without any message after which the journal counts as not answering.
const SILENT_PAGES_MAX: u32 = 15;

/// Tries to compare the issues while the live hall goes on.
const COMPARE_TRIES: u32 = 5;

/// Drills.
///
/// # Errors
///
/// E.708 for a damaged copy, E.703 and E.704 for one of another journal, E.302 if anything differs.
pub async fn run(ctx: &Context, args: DrillArgs) -> Result<(), Failure> {
    let from = args.from.clone().or_else(|| ctx.config.archive.clone()).ok_or_else(|| {
        Failure::usage("没有指定存档 no archive is named")
            .with_next("--from FOLDER|FILE, or the setting `archive`")
    })?;
    let Checked { end, files, .. } = check(&from)?;
    if !args.accept_missing_files {
        files.lost.refuse(&from)?;
    }
    let hall = ctx.hall()?;
    let live = ctx.open_journal_there(&hall).await?;
    let state = live.state().await?;
    if (&end.hall, end.incarnation.as_str()) != (&hall, state.incarnation.0.as_str()) {
        let message = format!(
            "`{}` is a copy of hall {}, journal {}; this is hall {hall}, journal {}",
            from.display(),
            end.hall,
            end.incarnation,
            state.incarnation.0
        );
        return Err(Failure::coded(Code::OtherJournal, message)
            .with_next("name the copy of this journal: --from"));
    }
    if state.last < end.position {
        let message = format!("the copy goes to {}, the journal to {}", end.position, state.last);
        return Err(Failure::coded(Code::JournalWentBack, message));
    }
    let scratch = tempfile::Builder::new().prefix("zhoubao-drill-").tempdir();
    let scratch =
        scratch.map_err(|error| Failure::unavailable(format!("no temporary folder: {error}")))?;
    let path = scratch.path().join("journal.db");
    into_file(ctx, &from, &end, path.clone()).await?;
    let settings = Settings {
        path,
        hall: hall.clone(),
        // There is one.
        incarnation_if_new: Incarnation(end.incarnation.clone()),
        quick_check: true,
    };
    let restored: Arc<dyn Journal> =
        Arc::new(SqliteJournal::open(settings, ctx.clock.clone()).await?);

    let mut differences =
        compare_events(live.clone(), Copy::open(&from)?.until(end.position)).await?;
    let events_differ = !differences.is_empty();
    let store = ctx.open_store().await?;
    let copy: Arc<dyn ReadModels> = Arc::new(open_copy(&scratch).await?);
    let mut found = Found::default();
    let mut issues = vec![];
    // Another event gives other rows: that is said once.
    if !events_differ {
        let known = store.checkpoint(&hall).await?.map_or(0, |it| it.sequence);
        fold(ctx, &hall, &restored, copy.clone(), known.min(end.position)).await?;
        let mut locks = None;
        for _ in 0..COMPARE_TRIES {
            found = verify(ctx, &hall, &live, &*store, copy.clone(), &mut locks).await?;
            let (same, differ) = compare_issues(&*store, &*copy, &hall).await?;
            issues = same;
            let moved = store.checkpoint(&hall).await? != copy.checkpoint(&hall).await?;
            if differ.is_empty() || !moved {
                differences = differ;
                break;
            }
        }
    }
    let behind = state.last - end.position;
    let count = found.count + differences.len() as u64;
    if ctx.output.is_json() {
        ctx.output.value(&json!({
            "hall": hall.as_str(), "incarnation": end.incarnation, "events": end.position,
            "chain": end.digest.to_string(), "behind": behind, "rows": found.rows, "issues": issues,
            "files": files.there.count(), "missing_files": files.lost.count(),
            "differences": count, "first": found.kept, "differ": differences,
        }));
    } else {
        differences.iter().for_each(|it| ctx.output.line(it));
        ctx.output.line(format!("事件 events   {}，落后 behind {behind}", end.position));
        ctx.output.line(format!("链 chain      {}", end.digest));
        ctx.output.line(format!("行 rows       {}，差异 differences {}", found.rows, found.count));
        ctx.output.line(format!("期 issues     {} 相同 the same", issues.len()));
        ctx.output.line(format!(
            "文件 files    {}，缺失 missing {}",
            files.there.count(),
            files.lost.count()
        ));
        let verdict = if count == 0 {
            "演练通过 the drill passed"
        } else {
            "演练未通过 the drill failed"
        };
        ctx.output.line(verdict);
    }
    if count == 0 {
        return Ok(());
    }
    let message = format!("{count} differences between what the copy gives and the live hall");
    Err(Failure { exit: Exit::Integrity, ..Failure::coded(Code::SumsDiffer, message) }.with_next(
        "see what differs; `zhoubao rebuild --verify` tells whether the live read models are wrong, and if they are not, make a new archive",
    ))
}

async fn open_copy(scratch: &TempDir) -> Result<SqliteReadModels, Failure> {
    Ok(SqliteReadModels::open(scratch.path().join("read.db")).await?)
}

/// Compares every event of the copy with the journal's; answers with the first that differs.
async fn compare_events(live: Arc<dyn Journal>, mut copy: Copy) -> Result<Vec<String>, Failure> {
    let mut follower = Follower::new(live, None);
    let mut silent = 0;
    loop {
        let mut ours = copy.page(PAGE_MESSAGES_MAX)?;
        if ours.is_empty() {
            return Ok(vec![]);
        }
        while !ours.is_empty() {
            let page = follower.next_page(ours.len(), WAIT).await?.messages;
            silent = if page.is_empty() { silent + 1 } else { 0 };
            if silent == SILENT_PAGES_MAX {
                return Err(Failure::unavailable("the journal does not answer"));
            }
            let pairs = ours.iter().zip(&page);
            let mut differ = pairs.filter(|(one, other)| one != other);
            if let Some((one, _)) = differ.next() {
                return Ok(vec![format!("序号 position {}: 事件不同 another event", one.position)]);
            }
            ours.drain(..page.len());
        }
    }
}

/// Composes every frozen issue from both, and answers with those that are the same and with what is not.
async fn compare_issues(
    live: &dyn ReadModels,
    copy: &dyn ReadModels,
    hall: &HallCode,
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let known = facts(live, hall).await?;
    let frozen: Vec<&ObjectId> =
        known.book.issues.iter().filter(|(_, it)| it.freeze.is_some()).map(|(id, _)| id).collect();
    let (mut same, mut differ) = (vec![], vec![]);
    for id in frozen {
        let one = documents(weekly::compose(live, hall, id, None).await)?;
        let other = documents(weekly::compose(copy, hall, id, None).await)?;
        if one == other {
            same.push(id.to_string());
        } else {
            differ.push(format!("期 issue {id}: 文件不同 another document"));
        }
    }
    Ok((same, differ))
}

/// Canonical issue and text, or why there is none: that must be the same, too.
fn documents(composed: Result<Weekly, WeeklyError>) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    match composed {
        Ok(weekly) => {
            let document = &weekly.composed.document;
            Ok((canonical::export(document), txt::export(document)))
        }
        Err(error) => {
            let text = chain(&error);
            let failure = Failure::from(error);
            if failure.exit == Exit::Unavailable { Err(failure) } else { Ok((text.into(), vec![])) }
        }
    }
}
