//! `zhoubao demo`: five weeks of a hall, through the real journal and projector, to the fifth issue of 2023.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use zhoubao_application::package;
use zhoubao_application::publication::name_of;
use zhoubao_composer::txt;
use zhoubao_domain::code::Code;
use zhoubao_domain::figure::{Partition, Span};

use crate::broker::Broker;
use crate::cli::DemoArgs;
use crate::composing;
use crate::config::{Address, JournalAt};
use crate::failure::Failure;
use crate::fonts;
use crate::forms::Issue;
use crate::play::{Player, windows_live};
use crate::projecting::stopped;
use crate::sample::Sample;
use crate::web::{self, Port};
use crate::wiring::Context;

/// The folder of the demo, where no other is named.
const FOLDER: &str = "zhoubao-demo";

/// How often a window of the live demo does something.
const ACT_EVERY: Duration = Duration::from_millis(900);

/// Marks a folder that a demo may replace.
const MARK: &str = ".zhoubao-demo";

/// Runs the command.
///
/// # Errors
///
/// Where the folder holds something else, or whatever keeps the hall from being played.
pub async fn run(ctx: &Context, args: DemoArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let sample =
        Sample::load().map_err(|error| Failure::integrity(crate::failure::chain(&error)))?;
    let mut ctx = ctx.clone();
    if ctx.config.dir == Path::new(crate::config::DIR) {
        ctx.config.dir = FOLDER.into();
    }
    ctx.config.hall = Some(sample.hall.clone());
    fresh(&ctx.config.dir)?;
    let folder = ctx.config.dir.clone();
    // `--journal nats` without an address: a server of the demo's own, in the demo's folder.
    // Told at the start, not after all the work, that the port is taken.
    let port = if args.once { None } else { Port::open(&ctx).await? };
    let _broker = match &ctx.config.journal {
        JournalAt::Nats(address) if address.expose() == crate::config::NATS_URL => {
            let broker = Broker::start(&folder.join("nats"), Duration::ZERO).await?;
            ctx.config.journal = JournalAt::Nats(Address::new(broker.url()));
            ctx.config.sys_url = Some(Address::new(broker.sys_url()));
            Some(broker)
        }
        _ => None,
    };
    let desk = ctx.desk().await?;
    let ready = began.elapsed();
    let acts = sample.acts(args.seed).map_err(|error| Failure::usage(error.to_string()))?;
    let mut player = Player::new(&desk, &sample, acts);
    let bar = ctx.output.progress(sample.weeks.len() as u64, "周 weeks");
    player.begin().await?;
    let mut last = None;
    let mut lacking = None;
    let fonts = fonts::of(&ctx.config);
    let blobs = ctx.open_blobs().await?;
    let mut rendering = Duration::ZERO;
    for week in &sample.weeks {
        player.week(week).await?;
        let weekly = player.finish(week).await?;
        let started = Instant::now();
        match composing::publish(&ctx, &desk, &*blobs, &fonts, &week.issue).await {
            Ok(_) => {
                let known = desk.known().await?;
                let hall = desk.hall();
                let package =
                    package::package(&known, &*blobs, hall, &week.issue, None, None).await?;
                composing::write_package(&package, &ctx.issues_folder())?;
            }
            // The demo goes on without fonts: everything else is there, and the issue waits to be published.
            Err(failure) if failure.code == Some(Code::MissingFont) => {
                let name = name_of(weekly.series.as_ref(), &weekly.composed.document);
                let folder = ctx.issues_folder().join(name);
                Issue::new(&weekly, &fonts, &ctx.output).write_all(&folder)?;
                lacking = Some(failure);
            }
            Err(failure) => return Err(failure),
        }
        rendering += started.elapsed();
        bar.inc(1);
        last = Some((week, weekly));
    }
    bar.finish_and_clear();
    let Some((week, _)) = last else { return Ok(()) };
    let started = Instant::now();
    // What is printed is composed once more from the read models as they are now.
    let weekly = player.compose(&week.issue).await?;
    let composing = started.elapsed();
    let spent = player.spent;
    let checkpoint = desk.store().checkpoint(desk.hall()).await?;
    let counts = checkpoint.map(|it| it.counts).unwrap_or_default();
    let seconds = |it: Duration| (it.as_secs_f64() * 1000.0).round() / 1000.0;
    if ctx.output.is_json() {
        let figure = |definition: &str, span| {
            weekly.material.figure(definition, span, Partition::Total, "").map(|it| it.amount)
        };
        let figures: serde_json::Map<_, _> = weekly
            .material
            .definitions
            .iter()
            .map(|it| {
                let value = json!({
                    "week": figure(&it.key, Span::Week),
                    "year": figure(&it.key, Span::Year),
                    "carried": figure(&it.key, Span::Carried),
                });
                (it.key.clone(), value)
            })
            .collect();
        ctx.output.value(&json!({
            "issue": week.issue.as_str(),
            "figures": figures,
            "document": zhoubao_composer::json::digest(&weekly.composed.document).to_string(),
            "folder": folder.display().to_string(),
            "events": { "stored": counts.stored, "counted": counts.counted, "flagged": counts.flagged,
                "quarantined": counts.quarantined, "held": counts.held, "repeated": counts.repeated },
            "seconds": { "ready": seconds(ready), "windows": seconds(spent.writing), "desk": seconds(spent.desk),
                "issues": seconds(spent.issues), "rendering": seconds(rendering), "composing": seconds(composing),
                "all": seconds(began.elapsed()) },
        }));
    } else {
        ctx.output.raw(&txt::export(&weekly.composed.document));
    }
    ctx.output.note(format!(
        "\n入账 stored {} = 计数 counted {} + 待核 flagged {} + 隔离 quarantined {} + 暂存 held {} + 重复 repeated {}",
        counts.stored, counts.counted, counts.flagged, counts.quarantined, counts.held, counts.repeated,
    ));
    ctx.output.note(format!(
        "用时 time: 启动 start {:.2} s，窗口 {} 条 window events {:.2} s，编辑台 desk {:.2} s，期刊 issues {:.2} s，输出 rendering {:.2} s，末次编排 one composition {:.3} s，共 all {:.2} s",
        ready.as_secs_f64(),
        spent.window_events,
        spent.writing.as_secs_f64(),
        spent.desk.as_secs_f64(),
        spent.issues.as_secs_f64(),
        rendering.as_secs_f64(),
        composing.as_secs_f64(),
        began.elapsed().as_secs_f64(),
    ));
    ctx.output.note(format!("各期文件 files: {}", ctx.issues_folder().display()));
    match lacking {
        Some(failure) => ctx.output.note(format!("没有 PDF without PDF: {failure}")),
        None => {
            let name = name_of(weekly.series.as_ref(), &weekly.composed.document);
            let pdf = ctx.issues_folder().join(&name).join(format!("{name}.pdf"));
            ctx.output.note(format!("末期 PDF: {}", pdf.display()));
        }
    }
    if args.once {
        return Ok(());
    }
    ctx.output.note(format!(
        "继续运行，Ctrl-C 结束。另开终端试 it goes on until Ctrl-C; in another terminal: zhoubao --dir {} stats --by window --week 2023-W06",
        folder.display(),
    ));
    let answering = async {
        let Some(port) = port else { return std::future::pending().await };
        let url = port.url();
        ctx.output.note(format!("页面 pages: {url}，首次进入请设置口令 set a password first:"));
        let people = &sample.people;
        for (title, user) in [
            ("管理员 administrator", &people.administrator),
            ("编辑 editor", &people.editor),
            ("领导 leader", &people.leader),
        ] {
            let link = web::link(&ctx, user, &url)?;
            ctx.output.note(format!("  {title} {user}: {link}"));
        }
        let link = web::screen(&ctx, "演示大屏", &url)?;
        ctx.output.note(format!("  大屏 wall screen: {link}"));
        port.answer(&ctx, desk.clone()).await
    };
    let windows = windows_live(&desk, &sample, args.seed, ACT_EVERY, &*ctx.clock);
    tokio::select! {
        done = answering => done,
        failed = windows => failed.map(|never| match never {}),
        () = stopped() => Ok(()),
    }
}

/// An empty folder with the demo's mark; an earlier demo in it is removed, anything else is left alone.
fn fresh(folder: &Path) -> Result<(), Failure> {
    let wrong = |error: &std::io::Error| Failure::file(folder, error);
    if folder.exists() {
        let mut entries = std::fs::read_dir(folder).map_err(|error| wrong(&error))?;
        if folder.join(MARK).exists() {
            std::fs::remove_dir_all(folder).map_err(|error| wrong(&error))?;
        } else if entries.next().is_some() {
            return Err(Failure::usage(format!(
                "`{}` 不是演示目录 holds something else than a demo",
                folder.display()
            ))
            .with_next("name another folder: --dir FOLDER"));
        }
    }
    std::fs::create_dir_all(folder).map_err(|error| wrong(&error))?;
    std::fs::write(folder.join(MARK), "made by `zhoubao demo`, replaced by the next one\n")
        .map_err(|error| wrong(&error))
}
