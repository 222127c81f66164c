//! `zhoubao recover`: a new journal where the old one is lost and no copy of it is left.
//!
//! Only what the windows' devices hold comes back. The new journal begins with the last numbers and sums that were
//! printed, in the step that makes it: so no issue can ever get a number that an issue has already.

use std::path::Path;

use serde_json::{Value, json};
use zhoubao_application::desk::facts;
use zhoubao_contract::archive::Chain;
use zhoubao_contract::{Draft, Stored, encode};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Tally};
use zhoubao_domain::id::{HallCode, Stream, Subject};
use zhoubao_domain::issue::{Command, IssueBook, Opening, decide};
use zhoubao_domain::registry::Registry;

use super::restore::begin;
use crate::archive;
use crate::cli::RecoverArgs;
use crate::config::StoreAt;
use crate::failure::Failure;
use crate::wiring::Context;

/// What must be done next, in this order.
const STEPS: [&str; 4] = [
    "zhoubao rebuild",
    "录入大厅设置 enter the set-up: zhoubao setup apply …",
    "录入授权 enter the authorizations: zhoubao emit authz …",
    "再启动终端，自行补发 then start the terminals, which send all that they hold: zhoubao terminal run …",
];

/// What the read models that are left know of the lost journal.
#[derive(Default)]
struct Lost {
    /// What does not come back, each with a count.
    missing: Vec<(&'static str, usize)>,
    /// Numbers of the issues: year, number of the year, running number.
    issues: Vec<(i16, u32, u32)>,
    /// What the devices have to send again: line, and the last number that was known.
    terminals: Vec<(String, u64)>,
}

/// Makes the new journal.
///
/// # Errors
///
/// E.703 where a journal or a whole archive is, E.601 for numbers below those of an issue that is known, E.114 for
/// numbers that cannot be.
pub async fn run(ctx: &Context, args: RecoverArgs) -> Result<(), Failure> {
    let hall = ctx.hall()?;
    if ctx.open_journal_there(&hall).await.is_ok() {
        return Err(Failure::coded(Code::OtherJournal, "日志还在 the journal is there")
            .with_next("nothing is lost; `zhoubao doctor` says how it does"));
    }
    if let Some(folder) = ctx.config.archive.as_deref().filter(|it| archive::is_there(it)) {
        refuse_whole(folder)?;
    }
    let opening = Opening {
        through: args.through,
        year_to_date: Tally {
            consulted: args.consulted,
            accepted: args.accepted,
            issued: args.issued,
            transferred: args.transferred,
        },
        last_number: args.last_number,
        last_running_number: args.last_running_number,
    };
    let lost = look(ctx, &hall).await?;
    refuse_taken(&opening, lost.as_ref())?;
    let (book, registry) = (IssueBook::default(), Registry::default());
    let command = Command::EnterOpening(opening);
    let events = decide(&book, &registry, command, args.by.by.as_ref())?;
    print_lost(ctx, lost.as_ref());
    if args.by.dry_run {
        if ctx.output.is_json() {
            ctx.output.value(&json!({ "position": null, "missing": to_json(lost.as_ref()) }));
        } else {
            ctx.output.line("未写入 nothing was written");
        }
        return Ok(());
    }
    if !args.yes {
        return Err(Failure::usage("新日志不可撤回 a new journal cannot be undone").with_next(
            "look for every copy of the old one first (`zhoubao restore`), then repeat with --yes",
        ));
    }
    let (now, subject) = (ctx.clock.now(), Subject::new(hall.clone(), Stream::Issues));
    let first = (1..).zip(events).map(|(number, event)| Stored {
        position: number,
        recorded_at: now,
        message: encode(&Draft {
            subject: subject.clone(),
            number,
            previous: None,
            occurred_at: now,
            entered_at: None,
            actor: args.by.by.clone(),
            command: args.by.key.clone(),
            event: Event::Issue(event),
        }),
    });
    let first: Vec<_> = first.collect();
    let mut end = Chain::start(hall, ctx.new_id());
    for stored in &first {
        // The lines themselves are nobody's; their chain tells this new journal from another.
        let _ = end.message_line(stored);
    }
    let mut target = begin(ctx, &end).await?;
    target.push(&first).await?;
    target.finish().await?;
    if ctx.output.is_json() {
        ctx.output.value(&json!({
            "hall": end.hall.as_str(), "incarnation": end.incarnation, "position": end.position,
            "missing": to_json(lost.as_ref()), "next": STEPS,
        }));
        return Ok(());
    }
    ctx.output.line(format!("新日志 new journal: incarnation {}", end.incarnation));
    ctx.output.line("接着 next, in this order:");
    for (number, step) in (1..).zip(STEPS) {
        ctx.output.line(format!("  {number}. {step}"));
    }
    Ok(())
}

/// Whoever has a copy that can be used does not begin anew.
fn refuse_whole(folder: &Path) -> Result<(), Failure> {
    let Ok(checked) = archive::check(folder) else { return Ok(()) };
    let folder = folder.display();
    let message = format!("`{folder}` 存档完好 is a whole archive, up to {}", checked.end.position);
    Err(Failure::coded(Code::OtherJournal, message)
        .with_next(format!("restore it: zhoubao restore {folder}")))
}

/// The read models may be all that is left of the numbers.
fn refuse_taken(opening: &Opening, lost: Option<&Lost>) -> Result<(), Failure> {
    let year = opening.through.year();
    let taken = lost.iter().flat_map(|it| &it.issues).find(|(of, number, running)| {
        *running > opening.last_running_number
            || (*of == year && *number > opening.last_number)
            || *of > year
    });
    let Some((year, number, running)) = taken else { return Ok(()) };
    let message = format!(
        "{year} 年第 {number} 期（总第 {running} 期）已签发 is signed already: the last numbers are not below its"
    );
    Err(Failure::coded(Code::NumberCollision, message)
        .with_next("enter the figures and numbers of the last issue that was signed"))
}

async fn look(ctx: &Context, hall: &HallCode) -> Result<Option<Lost>, Failure> {
    if ctx.config.store == StoreAt::Sqlite && !ctx.folder().read_models().exists() {
        return Ok(None);
    }
    let store = ctx.open_store().await?;
    if store.checkpoint(hall).await?.is_none() {
        return Ok(None);
    }
    let known = facts(&*store, hall).await?;
    let count = async |prefix: &str| Ok::<_, Failure>(store.heads(hall, prefix).await?.len());
    let signed = known.book.issues.values().filter_map(|it| it.sign_off.as_ref());
    let issues: Vec<_> = signed.map(|it| (it.year, it.number, it.running_number)).collect();
    let terminals = store.heads(hall, "terminal.").await?.into_iter();
    Ok(Some(Lost {
        missing: vec![
            ("期 issues", known.book.issues.len()),
            ("设置 entries of the set-up", known.setup.len()),
            ("授权 authorizations, by department", count("authorization.").await?),
            ("稿件 submissions", known.submissions.len()),
            ("巡查 inspections", known.rounds.len()),
            ("平台数据 imported figures", known.imports.len()),
        ],
        issues,
        terminals: terminals.map(|(stream, head)| (stream.to_string(), head.number)).collect(),
    }))
}

fn print_lost(ctx: &Context, lost: Option<&Lost>) {
    if ctx.output.is_json() {
        return;
    }
    let Some(lost) = lost else {
        ctx.output.line(
            "不会恢复 does not come back: 各期与期号 issues and their numbers、设置 set-up、授权 authorizations、\
             稿件 submissions、巡查 inspections、平台数据 imported figures",
        );
        ctx.output.line("由终端补发 comes back from the terminals: what their ledgers hold");
        return;
    };
    ctx.output.line("不会恢复 does not come back:");
    for (what, count) in &lost.missing {
        ctx.output.line(format!("  {what}: {count}"));
    }
    for (year, number, running) in &lost.issues {
        ctx.output.line(format!("    {year} 年第 {number} 期，总第 {running} 期"));
    }
    ctx.output.line("由终端补发 comes back from the terminals, if their ledgers hold it:");
    for (line, number) in &lost.terminals {
        ctx.output.line(format!("  {line}#1–{number}"));
    }
}

fn to_json(lost: Option<&Lost>) -> Value {
    let Some(lost) = lost else { return Value::Null };
    let named = |(what, count): &(&str, usize)| json!({ "what": what, "count": count });
    let issue = |(year, number, running): &(i16, u32, u32)| json!({ "year": year, "number": number, "running_number": running });
    let line = |(line, number): &(String, u64)| json!({ "line": line, "last_number": number });
    json!({
        "lost": lost.missing.iter().map(named).collect::<Vec<_>>(),
        "issues": lost.issues.iter().map(issue).collect::<Vec<_>>(),
        "terminals": lost.terminals.iter().map(line).collect::<Vec<_>>(),
    })
}
