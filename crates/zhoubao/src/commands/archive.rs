//! `zhoubao archive` and `zhoubao backup`: a copy of every event on another disk, and one that is carried away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use zhoubao_application::blobs::Blobs;
use zhoubao_application::follow::{FollowError, Follower};
use zhoubao_domain::code::Code;

use crate::archive::{self, FILE_BYTES_MAX, Keeper, Named};
use crate::blobs::FolderBlobs;
use crate::cli::{ArchiveArgs, BackupArgs};
use crate::failure::{Failure, chain};
use crate::files::folder_of;
use crate::projecting::{patiently, stopped};
use crate::wiring::Context;

/// Messages of one write: some megabytes when it is behind.
const PAGE_MESSAGES_MAX: usize = 5_000;

/// Longest wait for the next message, so that a page without any comes often enough to end on.
const WAIT: Duration = Duration::from_millis(200);

/// How often the store is asked again for files that it did not have.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Longest wait for whoever keeps the archive, and how often to look.
const REACH_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Keeps the archive, up to the journal's end or for ever.
///
/// # Errors
///
/// E.703 and E.704 where journal and archive do not belong together, E.708 for a damaged archive.
pub async fn run(ctx: &Context, args: ArchiveArgs) -> Result<(), Failure> {
    let folder = args.to.or_else(|| ctx.config.archive.clone()).ok_or_else(|| {
        Failure::usage("没有指定存档目录 no folder is named").with_next(
            "--to FOLDER, or the setting `archive`; take another disk than the journal's",
        )
    })?;
    if args.once {
        let (position, lost) = follow(ctx, &folder, true).await?;
        if ctx.output.is_json() {
            let lost = lost.count();
            ctx.output
                .value(&json!({ "archive": folder, "position": position, "missing_files": lost }));
        } else {
            ctx.output.line(format!("已存档到 archived to {position}"));
        }
        return lost.refuse(&folder);
    }
    tokio::select! {
        failure = keep(ctx, &folder) => Err(failure),
        () = stopped() => {
            ctx.output.note("已停止 stopped; the next run goes on from there");
            Ok(())
        }
    }
}

/// Keeps an archive for ever; ends only with what waiting does not mend.
pub(crate) async fn keep(ctx: &Context, folder: &Path) -> Failure {
    match patiently(|| follow(ctx, folder, false)).await {
        Err(failure) => failure,
        // Without an end, which `follow` has only when it is asked for.
        Ok(_) => Failure::unavailable("the archive ended"),
    }
}

/// Follows the journal into the archive, with the files that its events name. Answers with the last position once it has
/// all, if that is asked for, and with the files that the store does not have: they keep no event out of the archive.
async fn follow(ctx: &Context, folder: &Path, once: bool) -> Result<(u64, Named), Failure> {
    let hall = ctx.hall()?;
    let journal = ctx.open_journal_there(&hall).await?;
    let blobs = ctx.open_blobs().await?;
    let state = journal.state().await?;
    let bar = ctx.output.progress(state.last, "存档 archiving");
    let mut keeper = {
        let (folder, hall) = (folder.to_owned(), hall.clone());
        blocking(move || Keeper::open(&folder, &hall, &state.incarnation, FILE_BYTES_MAX)).await?
    };
    tracing::info!(log.position = keeper.position(), "the archive is whole and goes on from here");
    let files = keeper.files();
    let mut lost = fetch(&*blobs, &files, std::mem::take(&mut keeper.lost)).await?;
    let mut asked_at = Instant::now();
    let mut follower = Follower::new(journal, keeper.checkpoint());
    loop {
        let page = follower.next_page(PAGE_MESSAGES_MAX, WAIT).await;
        let page = page.map_err(|error| refused(&error, folder))?;
        let mut named = Named::default();
        page.messages.iter().for_each(|it| named.add(it, &hall));
        if !lost.is_empty() && asked_at.elapsed() > AGAIN_AFTER {
            asked_at = Instant::now();
            named.append(std::mem::take(&mut lost));
        }
        lost.append(fetch(&*blobs, &files, named).await?);
        if !page.messages.is_empty() {
            keeper = blocking(move || {
                keeper.append(&page.messages)?;
                Ok(keeper)
            })
            .await?;
            bar.set_position(keeper.position());
        }
        if once && page.caught_up {
            bar.finish_and_clear();
            return Ok((keeper.position(), lost));
        }
    }
}

/// Takes files out of the store into the archive; answers with those that are not in the store, and says so.
async fn fetch(blobs: &dyn Blobs, files: &FolderBlobs, named: Named) -> Result<Named, Failure> {
    let lost = named.fetch(blobs, files).await?;
    if !lost.is_empty() {
        tracing::warn!(
            files = lost.count(),
            "files that events name are not in the store, or not whole: the archive goes on without them"
        );
    }
    Ok(lost)
}

/// Waits until the archive, where one is kept, has the event at a position; brings it there if nobody else does.
///
/// # Errors
///
/// E.707 when it does not get there: the event is in the journal all the same.
pub(crate) async fn reaches(ctx: &Context, position: u64) -> Result<(), Failure> {
    let Some(folder) = &ctx.config.archive else { return Ok(()) };
    let lags = |why: String| {
        let message = format!("event {position} is in the journal, but not in the archive: {why}");
        Failure::coded(Code::ArchiveLags, message)
            .with_next("mend the archive (`zhoubao doctor`), then repeat the command: it answers with the same event")
    };
    let started = Instant::now();
    loop {
        let end = archive::promised(folder).map_err(|it| lags(it.message))?;
        let at = end.map_or(0, |it| it.position);
        if at >= position {
            return Ok(());
        }
        if started.elapsed() > REACH_MAX {
            return Err(lags(format!("it is at {at}")));
        }
        if archive::is_kept(folder) {
            tokio::time::sleep(LOOK_EVERY).await;
        } else if let Err(failure) = follow(ctx, folder, true).await
            // Somebody else has just begun to write it.
            && !archive::is_kept(folder)
        {
            return Err(lags(failure.message));
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::unavailable(chain(&error))))
}

/// The journal is not the one that the archive is a copy of.
fn refused(error: &FollowError, folder: &Path) -> Failure {
    let (code, folder) = (error.code(), folder.display());
    let message = match error {
        FollowError::WentBack { checkpoint, last } => format!(
            "the journal ends at {last}, or holds another event at {checkpoint}, up to where `{folder}` is a copy of it"
        ),
        error => chain(error).replace(&format!(" ({code})"), ""),
    };
    let next = match error {
        FollowError::WentBack { .. } => format!(
            "the archive has more than the journal: restore it in the journal's place, `zhoubao restore {folder}`; or keep it and name another folder"
        ),
        FollowError::OtherJournal { .. } => {
            "connect the journal of this archive, or name another folder".to_owned()
        }
        _ => code.fix().to_owned(),
    };
    Failure::coded(code, message).with_next(next)
}

/// Writes a backup.
///
/// # Errors
///
/// E.708 for a damaged archive; E.705 if the file is there already.
pub async fn backup(ctx: &Context, args: BackupArgs) -> Result<(), Failure> {
    let BackupArgs { file, from, accept_missing_files } = args;
    if file.exists() {
        let message = format!("`{}` 已存在 is there already", file.display());
        return Err(Failure::usage(message).with_next("name another file"));
    }
    // An archive of its own, beside the file, where there is room for the file.
    let (from, _aside) = match from {
        Some(from) => (from, None),
        None => {
            let beside = folder_of(&file);
            let aside = tempfile::tempdir_in(beside);
            let aside = aside.map_err(|error| Failure::file(beside, &error))?;
            let folder: PathBuf = aside.path().join("archive");
            follow(ctx, &folder, true).await?;
            (folder, Some(aside))
        }
    };
    let path = file.clone();
    let written = blocking(move || archive::write_backup(&from, &path, accept_missing_files));
    let (manifest, files) = written.await?;
    let (end, files) = (&manifest.end, files.there.count());
    if ctx.output.is_json() {
        ctx.output.value(&json!({
            "backup": file, "hall": end.hall.as_str(), "incarnation": end.incarnation, "position": end.position,
            "files": files, "chain": end.digest.to_string(), "sha256": manifest.content.map(|(_, it)| it.to_string()),
        }));
    } else {
        ctx.output.line(format!(
            "已备份 backed up to {}: `{}`，{files} 个文件 files，链 chain {}",
            end.position,
            file.display(),
            end.digest
        ));
    }
    Ok(())
}
