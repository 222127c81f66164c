//! `zhoubao restore`: the journal again, from an archive or a backup, where there is none.
//!
//! ```text
//!  check every line ─► make the journal, nobody can ─► files ─► every event at its position ─► open it
//!  and file: E.708      use it yet; E.703 where there           same time, same incarnation
//!                       is one
//! ```

use std::path::{Path, PathBuf};

use serde_json::json;
use zhoubao_application::journal::{Incarnation, JournalError};
use zhoubao_contract::Stored;
use zhoubao_contract::archive::Chain;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::HallCode;
use zhoubao_nats::StreamOptions;
use zhoubao_nats::restore::RestoredStream;
use zhoubao_store_sqlite::restore::RestoredFile;

use crate::archive::{Checked, Copy, Files, check};
use crate::cli::RestoreArgs;
use crate::config::{JournalAt, StoreAt};
use crate::failure::Failure;
use crate::wiring::{Access, Context, Whole};

/// Messages of one transaction.
const PAGE_MESSAGES_MAX: usize = 5_000;

/// A journal that is being made again.
pub(crate) enum Target {
    File(RestoredFile),
    Stream(Box<RestoredStream>),
}

impl Target {
    pub(crate) async fn push(&mut self, messages: &[Stored]) -> Result<(), JournalError> {
        match self {
            Self::File(file) => file.push(messages).await,
            Self::Stream(stream) => stream.push(messages).await,
        }
    }

    pub(crate) async fn finish(self) -> Result<(), JournalError> {
        match self {
            Self::File(file) => file.finish().await,
            Self::Stream(stream) => stream.finish().await.map(drop),
        }
    }
}

/// Restores the journal.
///
/// # Errors
///
/// E.708 for a damaged copy, before anything is written; E.703 where a journal is, or for another hall's copy.
pub async fn run(ctx: &Context, args: RestoreArgs) -> Result<(), Failure> {
    let Checked { end, last, files, .. } = check(&args.from)?;
    if !args.accept_missing_files {
        files.lost.refuse(&args.from)?;
    }
    let named = match &ctx.config.hall {
        Some(hall) => Some(hall.clone()),
        None => ctx.folder().hall()?,
    };
    if let Some(hall) = named.filter(|it| *it != end.hall) {
        let message = format!("this is a copy of hall {}, not of hall {hall}", end.hall);
        return Err(Failure::coded(hall.apart(&end.hall, Code::OtherJournal), message)
            .with_next("name the right copy, or another folder: --dir"));
    }
    let mut ctx = ctx.clone();
    ctx.config.hall = Some(end.hall.clone());
    if args.files {
        return put_back(&ctx, &end, &files).await;
    }
    let target = begin(&ctx, &end).await?;
    // Before anybody can use the journal that names them.
    files.put_into(&*ctx.open_blobs().await?).await?;
    fill(&ctx, target, &args.from, &end).await?;

    let journal = ctx.open_journal_of(&end.hall, Whole::Checked, Access::Read).await?;
    let state = journal.state().await?;
    let there = journal.get(end.position.max(1)).await?.map(|it| it.message);
    let is_same = state.incarnation.0 == end.incarnation
        && state.last >= end.position
        && there == last.map(|it| it.message);
    if !is_same {
        let message = "the restored journal does not end as its copy does";
        return Err(Failure::coded(Code::JournalWentBack, message));
    }
    let ahead = read_models_ahead(&ctx, &end.hall, end.position).await?;
    if ctx.output.is_json() {
        ctx.output.value(&json!({
            "hall": end.hall.as_str(), "incarnation": end.incarnation, "position": end.position,
            "files": files.there.count(), "missing_files": files.lost.count(), "read_models": ahead,
        }));
        return Ok(());
    }
    ctx.output.line(format!(
        "已恢复 restored: 大厅 hall {}，{} 条 events，{} 个文件 files，incarnation {}",
        end.hall,
        end.position,
        files.there.count(),
        end.incarnation
    ));
    ctx.output.line(
        "  终端会自行补发其后的事件 the terminals send by themselves what they hold beyond it",
    );
    if let Some(at) = ahead {
        ctx.output.line(format!(
            "  读模型在 the read models are at {at}：补发之后 after that, run `zhoubao rebuild`"
        ));
    }
    Ok(())
}

/// Puts back the files that the store does not have; the journal is there and stays as it is.
async fn put_back(ctx: &Context, end: &Chain, files: &Files) -> Result<(), Failure> {
    let state = ctx.open_journal_there(&end.hall).await?.state().await?;
    if state.incarnation.0 != end.incarnation {
        let message = "the copy is of another journal than the one that is there";
        return Err(Failure::coded(Code::OtherJournal, message).with_next("name the right copy"));
    }
    let put = files.put_into(&*ctx.open_blobs().await?).await?;
    if ctx.output.is_json() {
        let (there, lost) = (files.there.count(), files.lost.count());
        ctx.output.value(&json!({
            "hall": end.hall.as_str(), "files": there, "missing_files": lost, "put_back": put,
        }));
    } else {
        ctx.output.line(format!(
            "放回 put back: {put} 个文件 files；{} 个在存档中 are in the copy",
            files.there.count()
        ));
    }
    Ok(())
}

/// Begins a journal where there is none.
///
/// # Errors
///
/// E.703 where one is.
pub(crate) async fn begin(ctx: &Context, end: &Chain) -> Result<Target, Failure> {
    let incarnation = Incarnation(end.incarnation.clone());
    let refused = |error: JournalError| match error {
        JournalError::Unsafe { code: Code::OtherJournal, detail } => Failure::coded(
            Code::OtherJournal,
            detail,
        )
        .with_next(
            "stop whatever uses it, look at what it holds, and move it away; then restore again",
        ),
        error => error.into(),
    };
    Ok(match &ctx.config.journal {
        JournalAt::Sqlite => {
            ctx.claim_folder()?;
            let path = ctx.folder().journal();
            let file = RestoredFile::begin(path, &end.hall, &incarnation, ctx.clock.now()).await;
            Target::File(file.map_err(refused)?)
        }
        JournalAt::Nats(address) => {
            let options = ctx.nats_options(address, end.hall.clone());
            let bytes_max = ctx.config.journal_bytes_max;
            let stream = StreamOptions { incarnation, bytes_max };
            let begun = RestoredStream::begin(options, stream, &end.digest, end.position).await;
            let stream = begun.map_err(refused)?;
            if stream.last() > 0 {
                ctx.output.note(format!("从中断处继续 going on after {}", stream.last()));
            }
            Target::Stream(Box::new(stream))
        }
    })
}

async fn fill(ctx: &Context, mut target: Target, from: &Path, end: &Chain) -> Result<(), Failure> {
    let mut copy = Copy::open(from)?.until(end.position);
    let bar = ctx.output.progress(end.position, "恢复 restoring");
    loop {
        let page = copy.page(PAGE_MESSAGES_MAX)?;
        let Some(last) = page.last() else { break };
        target.push(&page).await?;
        bar.set_position(last.position);
    }
    bar.finish_and_clear();
    Ok(target.finish().await?)
}

/// Where the read models are, if they know more than the journal has now.
async fn read_models_ahead(
    ctx: &Context,
    hall: &HallCode,
    last: u64,
) -> Result<Option<u64>, Failure> {
    if ctx.config.store == StoreAt::Sqlite && !ctx.folder().read_models().exists() {
        return Ok(None);
    }
    let checkpoint = ctx.open_store().await?.checkpoint(hall).await?;
    Ok(checkpoint.map(|it| it.sequence).filter(|it| *it > last))
}

/// Makes the journal of a copy in a file.
///
/// # Errors
///
/// As [`run`].
pub(crate) async fn into_file(
    ctx: &Context,
    from: &Path,
    end: &Chain,
    path: PathBuf,
) -> Result<(), Failure> {
    let incarnation = Incarnation(end.incarnation.clone());
    let file = RestoredFile::begin(path, &end.hall, &incarnation, ctx.clock.now()).await?;
    fill(ctx, Target::File(file), from, end).await
}
