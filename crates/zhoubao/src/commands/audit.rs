//! `zhoubao audit`: the whole journal against what it says of itself.

use serde_json::json;
use zhoubao_application::audit::{Report, audit};
use zhoubao_application::blobs::{BlobError, Blobs};
use zhoubao_application::bundle::Broken;
use zhoubao_application::journal::Journal;
use zhoubao_application::known::Known;
use zhoubao_application::package::files_of;
use zhoubao_application::tree;
use zhoubao_domain::code::Code;

use crate::archive;
use crate::cli::{AuditAction, AuditArgs};
use crate::failure::Failure;
use crate::wiring::Context;

/// Messages of the archive that are read at once.
const PAGE: usize = 1_000;

/// Most messages that are named as not those of the archive.
const FINDINGS_MAX: usize = 100;

/// Runs the command.
///
/// # Errors
///
/// E.322 with every place that is not as it was written.
pub async fn run(ctx: &Context, args: AuditArgs) -> Result<(), Failure> {
    let AuditAction::Verify = args.action;
    let desk = ctx.desk_to_read().await?;
    let known = desk.known().await?;
    let exceptions = desk.store().exceptions(desk.hall(), false).await?;
    let mut report = audit(&**desk.journal(), desk.hall(), &exceptions).await?;
    let archived = compare(ctx, &**desk.journal(), &mut report).await?;
    let files = files(&*ctx.open_blobs().await?, &known, &mut report).await?;
    show(ctx, &report, archived, files);
    let Some(first) = report.findings.first() else { return Ok(()) };
    let more = report.findings.len() - 1;
    let more =
        if more > 0 { format!("，另有 {more} 处 and {more} more") } else { String::new() };
    Err(Failure::coded(Code::TreeDiffers, format!("{first}{more}")))
}

/// Holds each message against the archive, where the settings name one: it tells the very message that a root only tells
/// to be among some. Answers with how many it has.
async fn compare(
    ctx: &Context,
    journal: &dyn Journal,
    report: &mut Report,
) -> Result<Option<u64>, Failure> {
    let Some(folder) = &ctx.config.archive else { return Ok(None) };
    let Some(end) = archive::promised(folder)? else { return Ok(None) };
    let state = journal.state().await?;
    if end.incarnation != state.incarnation.0 {
        let detail = format!("`{}` 是另一日志的存档 is of another journal", folder.display());
        return Err(Failure::coded(Code::OtherJournal, detail));
    }
    let last = end.position.min(state.last);
    let mut copy = archive::Copy::open(folder)?.until(last);
    let (mut page, mut found) = (vec![].into_iter(), vec![]);
    tree::read::<Failure>(journal, 1, last, |stored| {
        if page.len() == 0 {
            page = copy.page(PAGE)?.into_iter();
        }
        if page.next().as_ref() != Some(&stored) && found.len() < FINDINGS_MAX {
            let place = format!("#{} {}", stored.position, stored.message.subject);
            let detail = "与存档不同 is not what the archive has".to_owned();
            found.push(Broken { place, detail });
        }
        Ok(())
    })
    .await?;
    if end.position > state.last {
        let place = format!("#{}", state.last + 1);
        let detail = format!(
            "存档至 the archive has messages up to #{}，日志已无 the journal not",
            end.position
        );
        found.push(Broken { place, detail });
    }
    // The most exact ones first.
    found.append(&mut report.findings);
    report.findings = found;
    Ok(Some(last))
}

/// Reads every published file; the store holds it against its digest. Answers with how many there are.
async fn files(blobs: &dyn Blobs, known: &Known, report: &mut Report) -> Result<usize, Failure> {
    let mut count = 0;
    for (id, issue) in &known.book.issues {
        for file in files_of(issue) {
            count += 1;
            let detail = match blobs.get(&file.digest).await {
                Ok(Some(_)) => continue,
                Ok(None) => "不在文件库中 is not in the store of files".to_owned(),
                Err(error @ BlobError::Damaged(_)) => error.to_string(),
                Err(error) => return Err(error.into()),
            };
            report.findings.push(Broken { place: format!("{id} {}", file.name), detail });
        }
    }
    Ok(count)
}

fn show(ctx: &Context, report: &Report, archived: Option<u64>, files: usize) {
    let Report { messages, lines, signed, freezes, rooted, excused, findings } = report;
    if ctx.output.is_json() {
        let findings = findings.iter().map(|it| json!({ "place": it.place, "detail": it.detail }));
        ctx.output.value(&json!({
            "messages": messages, "lines": lines, "signed": signed, "freezes": freezes,
            "rooted": rooted, "excused": excused, "archived": archived, "files": files,
            "findings": findings.collect::<Vec<_>>(),
        }));
        return;
    }
    ctx.output.line(format!(
        "{messages} 条消息 messages，{lines} 条链 chains，{signed} 条有签名 covered by signatures，{freezes} 次冻结 freezes，{files} 个发布文件 published files"
    ));
    ctx.output.line(format!(
        "树根覆盖至 roots hold up to #{rooted}；其后由链与签名守护 what came later is held by chains and signatures"
    ));
    if let Some(archived) = archived {
        ctx.output.line(format!("{archived} 条与存档比对 compared with the archive"));
    }
    if *excused > 0 {
        ctx.output.line(format!("{excused} 条未直接计入（见例外）set aside: `zhoubao doctor`"));
    }
    match findings.as_slice() {
        [] => ctx.output.line("与写入时一致 as it was written"),
        all => all.iter().for_each(|it| ctx.output.line(format!("  {it}"))),
    }
}
