//! `zhoubao audit`: the whole journal against what it says of itself.

use serde_json::json;
use zhoubao_application::audit::{Report, audit};
use zhoubao_application::blobs::{BlobError, Blobs};
use zhoubao_application::bundle::Broken;
use zhoubao_application::known::Known;
use zhoubao_application::package::files_of;
use zhoubao_domain::code::Code;

use crate::cli::{AuditAction, AuditArgs};
use crate::failure::Failure;
use crate::wiring::Context;

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
    let files = files(&*ctx.open_blobs().await?, &known, &mut report).await?;
    show(ctx, &report, files);
    let Some(first) = report.findings.first() else { return Ok(()) };
    let more = report.findings.len() - 1;
    let more =
        if more > 0 { format!("，另有 {more} 处 and {more} more") } else { String::new() };
    Err(Failure::coded(Code::TreeDiffers, format!("{first}{more}")))
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

fn show(ctx: &Context, report: &Report, files: usize) {
    let Report { messages, lines, signed, freezes, rooted, excused, findings } = report;
    if ctx.output.is_json() {
        let findings = findings.iter().map(|it| json!({ "place": it.place, "detail": it.detail }));
        ctx.output.value(&json!({
            "messages": messages, "lines": lines, "signed": signed, "freezes": freezes,
            "rooted": rooted, "excused": excused, "files": files,
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
    if *excused > 0 {
        ctx.output.line(format!("{excused} 条未直接计入（见例外）set aside: `zhoubao doctor`"));
    }
    match findings.as_slice() {
        [] => ctx.output.line("与写入时一致 as it was written"),
        all => all.iter().for_each(|it| ctx.output.line(format!("  {it}"))),
    }
}
