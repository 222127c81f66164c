//! The composer: publishes what was signed off, and keeps a package of every published issue in a folder.
//!
//! ```text
//!  line of the issues has a new head ──► every signed issue: render, keep, `Published` ──► every published version:
//!  (asked for once a second)             (what fails is told, and tried again)             its package in `issues/`
//! ```
//!
//! It remembers nothing: after a crash or an outage it finds in the journal what is left to do. Any number of them may
//! run; one line with one head decides whose files are published.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use zhoubao_application::blobs::Blobs;
use zhoubao_application::bundle::{MANIFEST, SEAL};
use zhoubao_application::known::Known;
use zhoubao_application::package::{self, Package};
use zhoubao_application::publication::{self, name};
use zhoubao_application::seal::SealKey;
use zhoubao_application::writer::Receipt;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{ObjectId, Stream, Subject};

use crate::commands::seal;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::fonts::{self, Fonts};
use crate::forms::Issue;
use crate::projecting::{LiveDesk, patiently, stopped};
use crate::wiring::Context;

/// How often the line of the issues is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long an issue that could not be published is left alone.
const AGAIN_AFTER: Duration = Duration::from_secs(20);

/// Publishes until it is told to stop, or, with `once`, what is signed off now.
///
/// # Errors
///
/// With `once` what kept an issue from being published; else what waiting does not mend.
pub async fn run(ctx: &Context, once: bool) -> Result<(), Failure> {
    if once {
        let fonts = fonts::of(&ctx.config);
        let done = pass(ctx, &fonts).await?;
        if done.published == 0 && done.failures.is_empty() && !ctx.output.is_json() {
            ctx.output.line("没有待发布的期 nothing is waiting to be published");
        }
        return done.failures.into_iter().next().map_or(Ok(()), Err);
    }
    tokio::select! {
        failure = keep(ctx) => Err(failure),
        () = stopped() => {
            ctx.output.note("已停止 stopped");
            Ok(())
        }
    }
}

/// Publishes for ever; ends only with what waiting does not mend.
pub(crate) async fn keep(ctx: &Context) -> Failure {
    let hall = match ctx.hall() {
        Ok(hall) => hall,
        Err(failure) => return failure,
    };
    let journal = match patiently(|| ctx.open_journal_to_read()).await {
        Ok(journal) => journal,
        Err(failure) => return failure,
    };
    let fonts = fonts::of(&ctx.config);
    let line = Subject::new(hall, Stream::Issues);
    let mut done_at = None;
    let mut again_at = None;
    loop {
        let head = match journal.head(&line).await {
            Ok(head) => head.map(|it| it.position),
            Err(error) => {
                let failure = Failure::from(error);
                if failure.exit != Exit::Unavailable {
                    return failure;
                }
                tracing::warn!(error = failure.message, "the journal does not answer, waiting");
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
        };
        let is_due = again_at.is_some_and(|it| Instant::now() >= it);
        if Some(head) != done_at || is_due {
            let failures = match pass(ctx, &fonts).await {
                Ok(done) => done.failures,
                Err(failure) => vec![failure],
            };
            for failure in &failures {
                let code = failure.code.map(Code::text);
                tracing::error!(code, error = failure.message, "an issue is not published");
            }
            done_at = Some(head);
            again_at = (!failures.is_empty()).then(|| Instant::now() + AGAIN_AFTER);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What one look came to.
#[derive(Default)]
struct Done {
    published: usize,
    failures: Vec<Failure>,
}

/// Publishes what is signed off, and writes the packages that are not there, or not sealed.
async fn pass(ctx: &Context, fonts: &Fonts) -> Result<Done, Failure> {
    let desk = ctx.desk().await?;
    let blobs = ctx.open_blobs().await?;
    let mut done = Done::default();
    for id in publication::due(&desk.known().await?) {
        match publish(ctx, &desk, &*blobs, fonts, &id).await {
            Ok(receipt) => {
                done.published += usize::from(receipt.is_some());
                if let Some(receipt) = receipt {
                    told(ctx, &id, &receipt);
                }
            }
            Err(failure) => done.failures.push(failure),
        }
    }
    let known = desk.known().await?;
    let key = seal::key(ctx)?;
    for (id, issue) in &known.book.issues {
        let Some((year, number, _)) = issue.numbers() else { continue };
        let before = issue.editions.iter().map(|it| &it.files);
        let versions = (1..).zip(before.chain([&issue.files]));
        for (version, _) in versions.filter(|(_, files)| !files.is_empty()) {
            let name = name(issue.series.as_ref(), year, number, version);
            let folder = ctx.issues_folder().join(name);
            let is_sealed = key.is_none() || folder.join(SEAL).exists();
            if !is_sealed || !folder.join(MANIFEST).exists() {
                let kept = keep_package(ctx, &known, &*blobs, id, version, key.as_ref()).await;
                done.failures.extend(kept.err());
            }
        }
    }
    Ok(done)
}

fn told(ctx: &Context, id: &ObjectId, receipt: &Receipt) {
    if ctx.output.is_json() {
        ctx.output.value(&json!({ "issue": id.as_str(), "position": receipt.position }));
    } else {
        ctx.output.line(format!("{id} 已发布 published，序号 {}", receipt.position));
    }
}

/// Publishes one issue; none where it is published already.
///
/// # Errors
///
/// What keeps it from being composed, rendered or kept.
pub(crate) async fn publish(
    ctx: &Context,
    desk: &LiveDesk,
    blobs: &dyn Blobs,
    fonts: &Fonts,
    id: &ObjectId,
) -> Result<Option<Receipt>, Failure> {
    let render = |weekly: &_| Issue::new(weekly, fonts, &ctx.output).rendered();
    let published = publication::publish(desk, blobs, id, render).await;
    published.map_err(|error| {
        let mut failure = Failure::from(error);
        failure.message = format!("期 {id}: {}", failure.message);
        failure
    })
}

async fn keep_package(
    ctx: &Context,
    known: &Known,
    blobs: &dyn Blobs,
    id: &ObjectId,
    version: usize,
    key: Option<&SealKey>,
) -> Result<(), Failure> {
    let package = package::package(known, blobs, &ctx.hall()?, id, Some(version), key).await?;
    write_package(&package, &ctx.issues_folder())
}

/// Writes a package as a folder of its name. The manifest comes last: where it is, everything is. Nothing else is ever in
/// the folder, not even when two composers write it at once and one of them is killed.
///
/// # Errors
///
/// When the folder cannot be written.
pub(crate) fn write_package(package: &Package, parent: &Path) -> Result<(), Failure> {
    let folder = parent.join(&package.name);
    std::fs::create_dir_all(&folder).map_err(|error| Failure::file(&folder, &error))?;
    let (manifest, others): (Vec<_>, Vec<_>) =
        package.files.iter().partition(|it| it.name == MANIFEST);
    for file in others.into_iter().chain(manifest) {
        let path = folder.join(&file.name);
        files::replace_from(parent, &path, &file.bytes, files::PRIVATE)?;
    }
    Ok(())
}
