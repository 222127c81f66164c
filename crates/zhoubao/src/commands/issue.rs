//! `zhoubao issue`: the life of the hall's issues.

use std::io::IsTerminal as _;

use jiff::civil::Date;
use serde_json::json;
use zhoubao_application::desk::{By, Desk, DeskError};
use zhoubao_application::known::Known;
use zhoubao_application::package;
use zhoubao_application::publication;
use zhoubao_application::weekly::{self, NewIssue, Which};
use zhoubao_application::writer::Receipt;
use zhoubao_composer::Document;
use zhoubao_composer::changes::{self, Changes};
use zhoubao_domain::calendar::Period;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Refusal, SUBMISSION_BYTES_MAX, Tally};
use zhoubao_domain::finding::{Finding, Standing};
use zhoubao_domain::id::{ObjectId, UserId};
use zhoubao_domain::issue::{self, Command, Issue, Opening, Stage};
use zhoubao_domain::time::hall_day;
use zhoubao_gateway::codes::Codes;

use super::{archive, diff_formats, seal};
use crate::cli::{ByArgs, DecideArgs, IssueAction, IssueArgs};
use crate::composing;
use crate::failure::Failure;
use crate::files::read_text;
use crate::fonts;
use crate::output::Table;
use crate::wiring::Context;

/// Runs the command.
///
/// # Errors
///
/// A refusal of the issue's rules, or what keeps journal and read models from answering.
pub async fn run(ctx: &Context, args: IssueArgs) -> Result<(), Failure> {
    let desk = ctx.desk().await?;
    match args.action {
        IssueAction::DiffFormats { issue, from } => {
            diff_formats::run(ctx, &desk, &issue, from.as_deref()).await
        }
        IssueAction::List => list(ctx, &desk.known().await?),
        IssueAction::Show { issue } => show(ctx, &desk, &issue).await,
        IssueAction::Open { issue, from, to, series, set, decide } => {
            let period = from.zip(to).map(|(from, to)| period(from, to)).transpose()?;
            if decide.by.dry_run {
                let known = desk.known().await?;
                let period = match period {
                    Some(period) => period,
                    None => weekly::proposed_period(&known, series.as_ref())?,
                };
                ctx.output.line(format!("{issue} {period}（未写入 not written）"));
                return Ok(());
            }
            let parameters = set.into_iter().collect();
            let new = NewIssue { issue, period, series, parameters };
            let receipt = desk.open(new, by(&decide.by)).await?;
            done(ctx, receipt)
        }
        IssueAction::Period { issue, from, to, decide } => {
            let period = period(from, to)?;
            command(ctx, &desk, &issue, &decide, |id| Command::SetPeriod(id, period)).await
        }
        IssueAction::Adopt { issue, submission, order, decide } => {
            command(ctx, &desk, &issue, &decide, |issue| Command::Adopt {
                issue,
                submission: submission.clone(),
                order,
            })
            .await
        }
        IssueAction::Edit { issue, submission, file, reason, decide } => {
            let text = read_text(&file, SUBMISSION_BYTES_MAX as u64)?;
            let text = text.trim_end_matches(['\r', '\n']);
            decided(ctx, &desk, &decide, |known| {
                let (issue, submission) = (known.find_issue(&issue)?, submission.clone());
                weekly::edit(known, issue, submission, None, text.to_owned(), reason.clone())
            })
            .await
        }
        IssueAction::Freeze { issue, decide } => {
            let id = desk.known().await?.find_issue(&issue)?;
            if decide.by.dry_run {
                let cut = desk.catch_up().await?;
                ctx.output
                    .line(format!("{id} 将冻结于 would be frozen at {cut}（未写入 not written）"));
                return Ok(());
            }
            done(ctx, desk.freeze(id, by(&decide.by)).await?)
        }
        IssueAction::Submit { issue, decide } => {
            prepared(ctx, &desk, &issue, &decide, async |id| desk.submission(id).await).await
        }
        IssueAction::Check { issue } => check(ctx, &desk, &issue).await,
        IssueAction::Accept { issue, code, place, all, reason, decide } => {
            let unknown = || Failure::usage(format!("没有代码 there is no code `{code}`"));
            let code = Code::from_text(&code).ok_or_else(unknown)?;
            let which = match place {
                Some(place) => Which::At(place),
                None if all => Which::All,
                None => Which::Only,
            };
            prepared(ctx, &desk, &issue, &decide, async |id| {
                desk.acceptance(id, code, &which, &reason).await
            })
            .await
        }
        IssueAction::Return { issue, reason, decide } => {
            command(ctx, &desk, &issue, &decide, |id| Command::Return(id, reason.clone())).await
        }
        IssueAction::Sign { issue, on, code, decide } => {
            let id = desk.known().await?.find_issue(&issue)?;
            let on = on.unwrap_or_else(|| hall_day(ctx.clock.now()));
            let composed = weekly::compose(&**desk.store(), desk.hall(), &id, Some(on)).await;
            let composed = composed.map_err(Failure::from)?;
            let material = &composed.material;
            ctx.output.note(format!(
                "{}年第{}期（总第{}期），数据期 {}，冻结于 #{}，正文 {}",
                material.year,
                material.number,
                material.running_number,
                material.period,
                material.position,
                zhoubao_composer::json::digest(&composed.composed.document),
            ));
            for warning in &composed.composed.warnings {
                ctx.output.note(format!("{} {}: {}", warning.code, warning.place, warning.text));
            }
            if decide.by.dry_run {
                return Ok(());
            }
            confirmed(&decide, "签发 signing off")?;
            if let Some(user) = &decide.by.by {
                let purpose = decide.by.key.as_ref();
                let document = zhoubao_composer::json::digest(&composed.composed.document);
                let purpose = purpose.map(|key| format!("{id} {document} {key}"));
                one_time_code(ctx, user, code, purpose.as_deref())?;
            }
            let receipt = desk.sign_off(id, on, None, by(&decide.by)).await?;
            // A number is given once for ever: whoever hears of it, hears of what two disks hold.
            let position = match &receipt {
                Some(receipt) => receipt.position,
                None => desk.journal().state().await?.last,
            };
            archive::reaches(ctx, position).await?;
            done(ctx, receipt)
        }
        IssueAction::Publish { issue } => {
            let id = desk.known().await?.find_issue(&issue)?;
            let blobs = ctx.open_blobs().await?;
            let fonts = fonts::of(&ctx.config);
            done(ctx, composing::publish(ctx, &desk, &*blobs, &fonts, &id).await?)
        }
        IssueAction::Amend { issue, note, decide } => {
            command(ctx, &desk, &issue, &decide, |id| Command::Amend(id, note.clone())).await
        }
        IssueAction::Package { issue, edition, out } => {
            let known = desk.known().await?;
            let id = known.find_issue(&issue)?;
            let blobs = ctx.open_blobs().await?;
            let key = seal::key(ctx)?;
            let (hall, key) = (desk.hall(), key.as_ref());
            let package = package::package(&known, &*blobs, hall, &id, edition, key).await?;
            composing::write_package(&package, &out)?;
            let folder = out.join(&package.name);
            if ctx.output.is_json() {
                let files: Vec<_> = package.files.iter().map(|it| &it.name).collect();
                ctx.output.value(&json!({ "folder": folder, "files": files }));
            } else {
                ctx.output.line(folder.display());
            }
            Ok(())
        }
        IssueAction::Diff { issue, from, to } => diff(ctx, &desk, &issue, from, to).await,
        IssueAction::Void { issue, reason, decide } => {
            if !decide.by.dry_run {
                confirmed(&decide, "作废 voiding")?;
            }
            command(ctx, &desk, &issue, &decide, |id| Command::Void(id, reason.clone())).await
        }
        IssueAction::Opening {
            through,
            consulted,
            accepted,
            issued,
            transferred,
            last_number,
            last_running_number,
            decide,
        } => {
            let opening = Opening {
                through,
                year_to_date: Tally { consulted, accepted, issued, transferred },
                last_number,
                last_running_number,
            };
            decided(ctx, &desk, &decide, |_| Ok(Command::EnterOpening(opening.clone()))).await
        }
    }
}

/// Prints what differs between two versions.
async fn diff(
    ctx: &Context,
    desk: &Desk,
    issue: &str,
    from: Option<usize>,
    to: Option<usize>,
) -> Result<(), Failure> {
    let known = desk.known().await?;
    let id = known.find_issue(issue)?;
    let present = known.book.issues.get(&id).map_or(1, Issue::version);
    let to = to.unwrap_or(present);
    let from = from.unwrap_or(to.saturating_sub(1));
    let before = version_of(ctx, desk, &known, &id, from).await?;
    let after = version_of(ctx, desk, &known, &id, to).await?;
    let changes = changes::between(&before, &after);
    if ctx.output.is_json() {
        ctx.output.value(&json!({ "from": from, "to": to, "changes": changes }));
        return Ok(());
    }
    for it in &changes.figures {
        let or = |it: &Option<String>| it.clone().unwrap_or_else(|| "—".to_owned());
        let figure = serde_json::to_string(&it.figure).unwrap_or_default();
        ctx.output.line(format!(
            "{}: {} → {}  {figure}",
            it.section,
            or(&it.before),
            or(&it.after)
        ));
    }
    changes.removed.iter().for_each(|it| ctx.output.line(format!("- {it}")));
    changes.added.iter().for_each(|it| ctx.output.line(format!("+ {it}")));
    if changes == Changes::default() {
        ctx.output.line("没有差异 nothing differs");
    }
    Ok(())
}

/// A version's text: the published one where it is kept, else composed.
async fn version_of(
    ctx: &Context,
    desk: &Desk,
    known: &Known,
    id: &ObjectId,
    version: usize,
) -> Result<Document, Failure> {
    let issue = known.book.issues.get(id);
    let before =
        version.checked_sub(1).and_then(|it| Some(issue?.editions.get(it)?.sign_off.document));
    let present = issue.filter(|it| it.version() == version);
    let signed = before.or_else(|| Some(present?.sign_off.as_ref()?.document));
    if let Some(digest) = signed {
        let blobs = ctx.open_blobs().await?;
        if let Some(document) = publication::document(&*blobs, &digest).await? {
            return Ok(document);
        }
        let weekly = weekly::compose_version(&**desk.store(), desk.hall(), id, version).await?;
        return Ok(weekly.composed.document);
    }
    if present.is_none() {
        let detail = format!("期 {id} 没有第{version}版 has no version {version}");
        return Err(Refusal::new(Code::IssueState, detail).into());
    }
    let weekly = weekly::compose(&**desk.store(), desk.hall(), id, None).await?;
    Ok(weekly.composed.document)
}

/// Who, and under which key.
pub(crate) fn by(args: &ByArgs) -> By {
    By { actor: args.by.clone(), command: args.key.clone(), ..By::default() }
}

fn period(first: Date, last: Date) -> Result<Period, Failure> {
    Period::new(first, last).map_err(|it| Failure::coded(Code::Malformed, it.to_string()))
}

/// What cannot be undone needs `--yes`: a script must say so, and nobody is asked on a pipe.
fn confirmed(decide: &DecideArgs, what: &str) -> Result<(), Failure> {
    if decide.yes {
        return Ok(());
    }
    Err(Failure::usage(format!("{what} 不可撤回 cannot be undone"))
        .with_next("look at it with --dry-run, then repeat with --yes"))
}

/// Takes the one-time code of whoever signs off, where one is asked for; a person at a terminal types it in.
fn one_time_code(
    ctx: &Context,
    user: &UserId,
    code: Option<String>,
    purpose: Option<&str>,
) -> Result<(), Failure> {
    let accounts = crate::web::accounts(ctx);
    let mut code = code.unwrap_or_default();
    let asks = ctx.config.totp != Codes::Off && accounts.has_device(user)?;
    if asks && code.is_empty() && std::io::stdin().is_terminal() {
        ctx.output.note(format!("{user} 的动态码 the one-time code of {user}, then Enter:"));
        let read = std::io::stdin().read_line(&mut code);
        read.map_err(|error| Failure::unavailable(format!("standard input: {error}")))?;
    }
    let taken = accounts.take_code(ctx.config.totp, user, (&code, purpose), ctx.clock.now())?;
    Ok(taken?)
}

async fn command(
    ctx: &Context,
    desk: &Desk,
    issue: &str,
    decide: &DecideArgs,
    command: impl Fn(ObjectId) -> Command,
) -> Result<(), Failure> {
    decided(ctx, desk, decide, |known| Ok(command(known.find_issue(issue)?))).await
}

/// A command that is made from the composed issue.
async fn prepared(
    ctx: &Context,
    desk: &Desk,
    issue: &str,
    decide: &DecideArgs,
    command: impl AsyncFn(&ObjectId) -> Result<Command, DeskError>,
) -> Result<(), Failure> {
    let known = desk.known().await?;
    let id = known.find_issue(issue)?;
    if decide.by.dry_run {
        let command = command(&id).await?;
        return would_write(ctx, &known, command, decide);
    }
    let receipt = desk.issue(by(&decide.by), async |_| command(&id).await).await?;
    done(ctx, receipt)
}

fn would_write(
    ctx: &Context,
    known: &Known,
    command: Command,
    decide: &DecideArgs,
) -> Result<(), Failure> {
    let events = issue::decide(&known.book, &known.registry, command, decide.by.by.as_ref())?;
    ctx.output.line(format!("将写入 would write {} 条 events（未写入 not written）", events.len()));
    Ok(())
}

async fn decided(
    ctx: &Context,
    desk: &Desk,
    decide: &DecideArgs,
    command: impl Fn(&Known) -> Result<Command, Refusal>,
) -> Result<(), Failure> {
    if decide.by.dry_run {
        let known = desk.known().await?;
        return would_write(ctx, &known, command(&known)?, decide);
    }
    let receipt = desk.issue(by(&decide.by), async |known| Ok(command(known)?)).await?;
    done(ctx, receipt)
}

/// Lists what the checks find, also where it keeps the issue from being composed.
async fn check(ctx: &Context, desk: &Desk, text: &str) -> Result<(), Failure> {
    let known = desk.known().await?;
    let id = known.find_issue(text)?;
    let findings = desk.findings(&id).await?;
    // Composing has read the issue; it never goes away.
    let Some(it) = known.book.issues.get(&id) else { return Ok(()) };
    let open = findings.iter().filter(|found| it.is_open(found)).count();
    let blocking = findings.iter().filter(|it| it.standing() == Standing::Blocks).count();
    if ctx.output.is_json() {
        let rows: Vec<_> = findings.iter().map(|found| finding_value(it, found)).collect();
        ctx.output.value(&json!({
            "issue": id.as_str(), "findings": rows, "open": open, "blocking": blocking,
        }));
    } else {
        let mut table =
            Table::new(["代码 code", "位置 place", "内容 text", "确认 accepted", "原因 reason"]);
        for found in &findings {
            let acceptance = it.acceptance_of(found);
            let by = acceptance.and_then(|it| it.by.as_ref()).map(ToString::to_string);
            let who = match found.standing() {
                Standing::Blocks => "须改正 put right".to_owned(),
                Standing::Note => "提示 note".to_owned(),
                Standing::NeedsAcceptance => by.unwrap_or_else(|| "—".to_owned()),
            };
            let reason = acceptance.map_or_else(String::new, |it| it.reason.clone());
            let (place, text) = (found.place.clone(), found.text.clone());
            table.row([found.code.to_string(), place, text, who, reason]);
        }
        ctx.output.table(&table);
        ctx.output.line(format!("{} 项 found，{open} 项未处理 to settle", findings.len()));
    }
    if blocking > 0 {
        let detail = format!("期 {id} 有 {blocking} 项须改正 findings have to be put right");
        return Err(Failure::coded(Code::FindingsOpen, detail));
    }
    Ok(())
}

fn finding_value(issue: &Issue, found: &Finding) -> serde_json::Value {
    let accepted = issue
        .acceptance_of(found)
        .map(|it| json!({ "by": it.by.as_ref().map(UserId::as_str), "reason": it.reason }));
    json!({
        "code": found.code.text(),
        "place": found.place,
        "text": found.text,
        "finding": found.digest.to_string(),
        "standing": found.standing().word(),
        "open": issue.is_open(found),
        "accepted": accepted,
    })
}

pub(super) fn done(ctx: &Context, receipt: Option<Receipt>) -> Result<(), Failure> {
    match (receipt, ctx.output.is_json()) {
        (Some(it), true) => ctx.output.value(&json!({
            "position": it.position, "event": format!("{}#{}", it.stream, it.number),
        })),
        (Some(it), false) => ctx.output.line(format!("已入账，序号 {}", it.position)),
        (None, true) => ctx.output.value(&json!({ "position": null })),
        (None, false) => ctx.output.line("已是如此，未写入 already so, nothing written"),
    }
    Ok(())
}

fn numbers(known: &Known, it: &Issue) -> (i16, u32, u32, bool) {
    let (year, number, running) = known.book.proposed_numbers(it);
    (year, number, running, it.sign_off.is_none())
}

fn list(ctx: &Context, known: &Known) -> Result<(), Failure> {
    let mut issues: Vec<_> = known.book.issues.iter().collect();
    issues.sort_by_key(|(_, it)| it.period.first());
    if ctx.output.is_json() {
        let rows: Vec<_> = issues.iter().map(|(id, it)| value(known, id, it)).collect();
        ctx.output.value(&json!({ "issues": rows }));
        return Ok(());
    }
    let mut table =
        Table::new(["期 issue", "编号 number", "数据期 period", "状态 stage", "冻结 cut"]);
    for (id, it) in issues {
        let (year, number, running, proposed) = numbers(known, it);
        let mark = if it.stage == Stage::Voided && proposed {
            "—".to_owned()
        } else {
            let mark = if proposed { "拟 " } else { "" };
            let series = it.series.as_ref().map_or(String::new(), |it| format!("{it}/"));
            format!("{mark}{series}{year}-{number:02}（总{running}）")
        };
        let cut = it.freeze.as_ref().map_or_else(|| "—".to_owned(), |it| format!("#{}", it.cut));
        table.row([id.to_string(), mark, it.period.to_string(), it.stage.word().to_owned(), cut]);
    }
    ctx.output.table(&table);
    Ok(())
}

fn value(known: &Known, id: &ObjectId, it: &Issue) -> serde_json::Value {
    let (year, number, running, proposed) = numbers(known, it);
    json!({
        "issue": id.as_str(),
        "series": it.series.as_ref().map(ObjectId::as_str),
        "parameters": it.parameters,
        "year": year,
        "number": number,
        "running_number": running,
        "proposed": proposed,
        "first": it.period.first().to_string(),
        "last": it.period.last().to_string(),
        "stage": it.stage.word(),
        "cut": it.freeze.as_ref().map(|it| it.cut),
        "submissions": it.submissions.iter().map(|(_, it)| it.as_str()).collect::<Vec<_>>(),
        "issued_on": it.sign_off.as_ref().map(|it| it.issued_on.to_string()),
        "document": it.sign_off.as_ref().map(|it| it.document.to_string()),
    })
}

async fn show(ctx: &Context, desk: &Desk, text: &str) -> Result<(), Failure> {
    let known = desk.known().await?;
    let id = known.find_issue(text)?;
    let Some(it) = known.book.issues.get(&id) else { return Ok(()) };
    if ctx.output.is_json() {
        ctx.output.value(&value(&known, &id, it));
        return Ok(());
    }
    let (year, number, running, proposed) = numbers(&known, it);
    let mark = if proposed { "（拟编号）" } else { "" };
    ctx.output.line(format!("{year}年第{number}期（总第{running}期）{mark}  {id}"));
    ctx.output.line(format!("数据期 period   {}", it.period));
    ctx.output.line(format!("状态 stage      {}", it.stage.word()));
    if let Some(freeze) = &it.freeze {
        ctx.output.line(format!(
            "冻结 cut        #{}（{} 个终端 terminals）",
            freeze.cut,
            freeze.heads.len()
        ));
    }
    if let Some(series) = &it.series {
        ctx.output.line(format!("系列 series     {series}"));
    }
    for (name, value) in &it.parameters {
        ctx.output.line(format!("参数 parameter  {name} = {value}"));
    }
    for (order, submission) in &it.submissions {
        let filed = known.submissions.get(submission);
        let section = filed.map_or("—", |it| it.section.as_str());
        ctx.output.line(format!("稿件 submission {order:>3}  {submission}  {section}"));
    }
    if let Some(done) = &it.sign_off {
        ctx.output.line(format!("签发 signed     {} {}", done.issued_on, done.document));
    }
    Ok(())
}
