//! `zhoubao desk`: news of departments and inspection rounds, as the pages file them.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::json;
use zhoubao_application::blobs;
use zhoubao_application::desk::{self, Desk};
use zhoubao_application::known::{Filed, Known};
use zhoubao_application::weekly::News;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{
    ATTACHMENT_BYTES_MAX, Event, InspectionResult, Refusal, SUBMISSION_BYTES_MAX,
};
use zhoubao_domain::id::{DeskTopic, Digest, ObjectId, Stream};
use zhoubao_gateway::attachment::{self, AttachError, Kind};

use super::issue::{by, done};
use crate::cli::{ByArgs, DeskAction, DeskArgs};
use crate::failure::Failure;
use crate::files::{self, read, read_text};
use crate::output::Table;
use crate::wiring::Context;

/// Largest file of results that is read; an event takes 32 KB of it at most.
const RESULTS_BYTES_MAX: u64 = 1024 * 1024;

/// Runs the command.
///
/// # Errors
///
/// A refusal of the desk, a file that is not taken, or what keeps journal and read models from answering.
pub async fn run(ctx: &Context, args: DeskArgs) -> Result<(), Failure> {
    let desk = ctx.desk().await?;
    match args.action {
        DeskAction::List => {
            list(ctx, &desk.known().await?);
            Ok(())
        }
        DeskAction::File { section, department, text, attach, submission, late, by } => {
            let text = read_text(named(&text), SUBMISSION_BYTES_MAX as u64)?;
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            let attachments = attached(ctx, &attach, by.dry_run).await?;
            let news = News { section, department, text, attachments, late };
            let event = desk.news(news, &super::issue::by(&by)).await?;
            let id = submission.map_or_else(|| new_id(ctx, "n"), Ok)?;
            recorded(ctx, &desk, DeskTopic::Submission, id, event, &by).await
        }
        DeskAction::Return { submission, reason, by } => {
            let event = Event::SubmissionReturned { reason };
            recorded(ctx, &desk, DeskTopic::Submission, submission, event, &by).await
        }
        DeskAction::Attachments { submission, out } => {
            let known = desk.known().await?;
            save(ctx, filed(&known, &submission)?, &submission, &out).await
        }
        DeskAction::Inspect { day, results, by } => {
            let text = read_text(named(&results), RESULTS_BYTES_MAX)?;
            let read = serde_json::from_str::<Vec<ItemResult>>(&text).map_err(|error| {
                let message = format!("`{}`: {error}", results.display());
                Failure::coded(Code::Malformed, message)
            })?;
            let results = read.into_iter().map(|ItemResult { item, findings, remark }| {
                InspectionResult { item, findings, remark }
            });
            let event = desk.round(day, results.collect()).await?;
            recorded(ctx, &desk, DeskTopic::Inspection, new_id(ctx, "r")?, event, &by).await
        }
    }
}

/// One item of a file of results.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemResult {
    item: String,
    #[serde(default)]
    findings: Vec<String>,
    #[serde(default)]
    remark: Option<String>,
}

/// `-` is standard input.
fn named(path: &Path) -> &Path {
    if path == Path::new("-") { Path::new("/dev/stdin") } else { path }
}

/// The id of something new.
fn new_id(ctx: &Context, letter: &str) -> Result<ObjectId, Failure> {
    let text = format!("{letter}-{}", ctx.new_id());
    text.parse().map_err(|_| Failure::coded(Code::Malformed, text))
}

async fn recorded(
    ctx: &Context,
    desk: &Desk,
    topic: DeskTopic,
    id: ObjectId,
    event: Event,
    args: &ByArgs,
) -> Result<(), Failure> {
    let stream = Stream::Desk(topic, id);
    if args.dry_run {
        desk::check(&desk.known().await?, &stream, &event, args.by.as_ref())?;
        ctx.output.line(format!("{stream}（未写入 not written）"));
        return Ok(());
    }
    done(ctx, Some(desk.record(stream, event, by(args)).await?))
}

fn failed(path: &Path, error: AttachError) -> Failure {
    match error {
        AttachError::Refused(it) => {
            Failure::coded(it.code, format!("`{}`: {}", path.display(), it.detail))
        }
        AttachError::Blobs(it) => it.into(),
    }
}

/// Checks and keeps files for news that name them.
async fn attached(ctx: &Context, paths: &[PathBuf], dry_run: bool) -> Result<Vec<Digest>, Failure> {
    if paths.is_empty() {
        return Ok(vec![]);
    }
    let store = ctx.open_blobs().await?;
    let mut digests = vec![];
    for path in paths {
        let bytes = read(path, ATTACHMENT_BYTES_MAX as u64)?;
        let kept = if dry_run {
            let checked = attachment::check(&bytes).map_err(AttachError::from);
            checked.map(|_| blobs::digest(&bytes))
        } else {
            attachment::attach(&*store, bytes).await.map(|(digest, _)| digest)
        };
        digests.push(kept.map_err(|it| failed(path, it))?);
    }
    Ok(digests)
}

fn filed<'a>(known: &'a Known, id: &ObjectId) -> Result<&'a Filed, Refusal> {
    known.submissions.get(id).ok_or_else(|| {
        Refusal::new(Code::NotFound, format!("没有稿件 {id} there is no such submission"))
    })
}

/// Writes each attachment as `id-1.jpg`.
async fn save(ctx: &Context, it: &Filed, id: &ObjectId, out: &Path) -> Result<(), Failure> {
    let store = ctx.open_blobs().await?;
    std::fs::create_dir_all(out).map_err(|it| Failure::file(out, &it))?;
    for (place, digest) in (1..).zip(&it.attachments) {
        let bytes = store.get(digest).await?;
        let bytes = bytes.ok_or_else(|| {
            Failure::coded(
                Code::NotFound,
                format!("附件 attachment {digest} 不在文件库中 is missing"),
            )
        })?;
        let ending = attachment::kind(&bytes).map_or("bin", Kind::ending);
        let path = out.join(format!("{id}-{place}.{ending}"));
        files::replace(&path, &bytes, 0o644)?;
        ctx.output.line(path.display().to_string());
    }
    Ok(())
}

fn list(ctx: &Context, known: &Known) {
    let mut rows: Vec<_> = known.submissions.iter().collect();
    rows.sort_by_key(|(_, it)| std::cmp::Reverse(it.filed_at));
    let state = |id: &ObjectId, it: &Filed| match known.adopted_by(id) {
        _ if it.returned.is_some() => "returned".to_owned(),
        Some((issue, _)) => format!("adopted {issue}"),
        None => "filed".to_owned(),
    };
    if ctx.output.is_json() {
        let rows = rows.iter().map(|(id, it)| {
            json!({
                "submission": id.as_str(),
                "section": it.section,
                "department": it.department.as_str(),
                "text": it.text,
                "filed_at": it.filed_at.to_string(),
                "by": it.by.as_ref().map(ToString::to_string),
                "state": state(id, it),
                "reason": it.returned,
                "attachments": it.attachments.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        });
        ctx.output.value(&json!({ "submissions": rows.collect::<Vec<_>>() }));
        return;
    }
    let columns = [
        "稿件 submission",
        "栏目 section",
        "报送单位 department",
        "状态 state",
        "附件 attachments",
    ];
    let mut table = Table::new(columns);
    for (id, it) in rows {
        let department = known.registry.department_name(&it.department).to_owned();
        let count = it.attachments.len().to_string();
        table.row([id.to_string(), it.section.clone(), department, state(id, it), count]);
    }
    ctx.output.table(&table);
}
