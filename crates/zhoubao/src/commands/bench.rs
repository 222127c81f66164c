//! `zhoubao bench`: the product's speed beside that of a hand-written program, in the same run.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use zhoubao_nats::raw;

use crate::bench::{
    HALL, HALL_OF_BASELINE, Own, compose, context, drain, hall, readers, turn, web,
};
use crate::broker::Broker;
use crate::cli::{BenchArgs, BenchKind, BenchTurn};
use crate::config::{JournalAt, NATS_URL, StoreAt};
use crate::failure::Failure;
use crate::output::Table;
use crate::wiring::Context;

/// Runs the command.
///
/// # Errors
///
/// Where there is a stream of the benchmark's hall already, or whatever keeps a turn from ending.
pub async fn run(ctx: &Context, args: BenchArgs) -> Result<(), Failure> {
    if let (Some(turn), Some(folder)) = (args.turn, &args.inside) {
        let ctx = context(ctx, folder)?;
        ctx.output.value(&turn::take(&ctx, &args, turn).await?);
        return Ok(());
    }
    let failed = |error: std::io::Error| Failure::unavailable(format!("no folder: {error}"));
    let folder = tempfile::Builder::new().prefix("zhoubao-bench").tempdir().map_err(failed)?;
    // A server of the benchmark's own ends with this function.
    let broker = match &ctx.config.journal {
        JournalAt::Nats(address) if address.expose() == NATS_URL => {
            let longer = Duration::from_millis(args.fsync_ms().into());
            if !longer.is_zero() {
                ctx.output.note(format!("磁盘 each fsync of the server takes {longer:?} longer"));
            }
            let broker = Broker::start(&folder.path().join("nats"), longer).await?;
            Own { url: broker.url(), sys_url: broker.sys_url() }.leave(folder.path())?;
            Some(broker)
        }
        _ => None,
    };
    let inner = context(ctx, folder.path())?;
    if let JournalAt::Nats(address) = &inner.config.journal {
        for code in [HALL, HALL_OF_BASELINE] {
            if raw::exists(&inner.nats_options(address, hall(code)?)).await? {
                return Err(Failure::usage(format!("there is a stream HALL_{code} on the server"))
                    .with_next(format!(
                        "if a benchmark left it there: nats stream rm HALL_{code}"
                    )));
            }
        }
    }
    if args.kind == BenchKind::Drain {
        let measured = drain::measure(&inner, &args, broker.as_ref()).await;
        clean_up(&inner).await?;
        print_drain(ctx, &measured?);
        return Ok(());
    }
    if args.kind == BenchKind::Readers {
        let measured = readers::measure(&inner, &args).await;
        clean_up(&inner).await?;
        print_readers(ctx, &measured?);
        return Ok(());
    }
    if args.kind == BenchKind::Compose {
        let measured = compose::measure(&inner, &args).await;
        clean_up(&inner).await?;
        print_compose(ctx, &measured?);
        return Ok(());
    }
    if matches!(args.kind, BenchKind::Ingest | BenchKind::Live) {
        let measured = match args.kind {
            BenchKind::Ingest => web::ingest(&inner, &args).await,
            _ => web::live(&inner, &args).await,
        };
        clean_up(&inner).await?;
        print_web(ctx, &args, &measured?);
        return Ok(());
    }
    let measured = measure(ctx, &args, folder.path()).await;
    clean_up(&inner).await?;
    print(ctx, &args, &measured?);
    Ok(())
}

/// Removes what is not in the folder.
async fn clean_up(ctx: &Context) -> Result<(), Failure> {
    if let JournalAt::Nats(address) = &ctx.config.journal {
        for code in [HALL, HALL_OF_BASELINE] {
            raw::delete(&ctx.nats_options(address, hall(code)?)).await?;
        }
    }
    if let StoreAt::Postgres(address) = &ctx.config.store {
        turn::drop_schemas(ctx, address).await?;
    }
    Ok(())
}

struct Measured {
    fill: Option<Value>,
    product: Vec<Value>,
    baseline: Vec<Value>,
}

async fn measure(ctx: &Context, args: &BenchArgs, folder: &Path) -> Result<Measured, Failure> {
    let mut measured = Measured { fill: None, product: vec![], baseline: vec![] };
    if args.kind == BenchKind::Rebuild {
        ctx.output.note(format!("写入日志 making a journal of {} acts", args.events()));
        measured.fill = Some(spawn(BenchTurn::Fill, folder).await?);
    }
    for number in 1..=args.runs() {
        for turn in [BenchTurn::Product, BenchTurn::Baseline] {
            let done = spawn(turn, folder).await?;
            ctx.output.note(format!("{number} {}: {:.0}/s", turn.word(), per_second(&done)));
            match turn {
                BenchTurn::Baseline => measured.baseline.push(done),
                _ => measured.product.push(done),
            }
        }
    }
    for (product, baseline) in measured.product.iter().zip(&measured.baseline) {
        if product["sums"] != baseline["sums"] {
            return Err(Failure::integrity(format!(
                "the product's sums are {}, the baseline's {}",
                product["sums"], baseline["sums"]
            )));
        }
    }
    let events = measured.product.first().filter(|it| it["counted"].is_u64());
    if let Some(it) = events.filter(|it| it["counted"] != it["events"]) {
        let message = format!("of {} events only {} counted", it["events"], it["counted"]);
        return Err(Failure::integrity(message));
    }
    Ok(measured)
}

/// This program again, with the same arguments and the turn's.
async fn spawn(turn: BenchTurn, folder: &Path) -> Result<Value, Failure> {
    let failed = |error: std::io::Error| Failure::unavailable(format!("no turn: {error}"));
    let done = tokio::process::Command::new(std::env::current_exe().map_err(failed)?)
        .args(std::env::args_os().skip(1))
        .args(["--turn", turn.word(), "--inside"])
        .arg(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(failed)?;
    if !done.status.success() {
        return Err(Failure::unavailable(format!("the turn `{}` failed", turn.word())));
    }
    serde_json::from_slice(&done.stdout)
        .map_err(|error| Failure::integrity(format!("the turn `{}`: {error}", turn.word())))
}

fn per_second(turn: &Value) -> f64 {
    turn["events"].as_f64().unwrap_or(0.0) / turn["seconds"].as_f64().unwrap_or(f64::NAN)
}

/// Median, smallest and largest.
fn middle(turns: &[Value], of: impl Fn(&Value) -> f64) -> (f64, f64, f64) {
    let mut numbers: Vec<f64> = turns.iter().map(of).filter(|it| it.is_finite()).collect();
    numbers.sort_by(f64::total_cmp);
    let last = numbers.len().saturating_sub(1);
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0.0);
    // Of an even number the lower and the upper middle, halved.
    ((at(last / 2) + at(last.div_ceil(2))) / 2.0, at(0), at(last))
}

fn print(ctx: &Context, args: &BenchArgs, measured: &Measured) {
    let Measured { fill, product, baseline } = measured;
    let number = |key: &'static str| move |it: &Value| it[key].as_f64().unwrap_or(f64::NAN);
    let peak = |turns: &[Value]| middle(turns, number("peak_kib")).2 / 1024.0;
    let ratio = middle(product, per_second).0 / middle(baseline, per_second).0;
    let split = |key: &str| middle(product, |it| it["split"][key].as_f64().unwrap_or(0.0)).0;
    let parts = ["reading", "looking_up", "folding", "committing"];
    if ctx.output.is_json() {
        let side = |turns: &[Value]| {
            let (median, min, max) = middle(turns, per_second);
            json!({ "events_per_second": { "median": median, "min": min, "max": max },
                "peak_mib": peak(turns), "turns": turns })
        };
        let kind = if args.kind == BenchKind::Append { "append" } else { "rebuild" };
        ctx.output.value(&json!({
            "bench": kind, "journal": ctx.config.journal.to_string(),
            "store": ctx.config.store.to_string(), "events": args.events(), "runs": product.len(),
            "fill": fill, "product": side(product), "baseline": side(baseline), "ratio": ratio,
        }));
        return;
    }
    let mut table = Table::new(["", "条/秒 events/s", "最低 min", "最高 max", "内存峰值 peak MiB"]);
    for (name, turns) in [("产品 product", product), ("对照 baseline", baseline)] {
        let (median, min, max) = middle(turns, per_second);
        let rates = [median, min, max].map(|it| format!("{it:.0}"));
        let [median, min, max] = rates;
        table.row([name.to_owned(), median, min, max, format!("{:.1}", peak(turns))]);
    }
    ctx.output.table(&table);
    ctx.output.line(format!("比 ratio {ratio:.2}"));
    match args.kind {
        BenchKind::Drain
        | BenchKind::Ingest
        | BenchKind::Live
        | BenchKind::Readers
        | BenchKind::Compose => {}
        BenchKind::Append => {
            for (name, turns) in [("产品 product", product), ("对照 baseline", baseline)] {
                let (p50, p99) =
                    (middle(turns, number("p50_ms")).0, middle(turns, number("p99_ms")).0);
                ctx.output.line(format!("{name}: 一批 a batch p50 {p50:.1} ms, p99 {p99:.1} ms"));
            }
        }
        BenchKind::Rebuild => {
            let parts: Vec<_> = parts.iter().map(|it| format!("{it} {:.2} s", split(it))).collect();
            ctx.output.line(format!("产品用时 the product's time: {}", parts.join(", ")));
        }
    }
    if let Some(fill) = fill {
        let seconds = fill["seconds"].as_f64().unwrap_or(0.0);
        ctx.output
            .line(format!("日志 making the journal: {seconds:.1} s, not timed with the rest"));
    }
}

fn print_web(ctx: &Context, args: &BenchArgs, measured: &Value) {
    let runs = |of: &Value| of.as_array().cloned().unwrap_or_default();
    let sides: Vec<(&str, Vec<Value>)> = match args.kind {
        BenchKind::Ingest => vec![
            ("成批 group commit", runs(&measured["grouped"])),
            ("逐条 one append a request", runs(&measured["single"])),
        ],
        _ => {
            let of = |key: &str| runs(&measured["runs"]).iter().map(|it| it[key].clone()).collect();
            vec![("大屏 screens", of("screens")), ("消息 broker alone", of("broker"))]
        }
    };
    if ctx.output.is_json() {
        ctx.output.value(measured);
        return;
    }
    let number = |key: &'static str| move |it: &Value| it[key].as_f64().unwrap_or(f64::NAN);
    let mut table = Table::new(["", "每秒 per second", "p50 ms", "p99 ms (range)", "最大 max ms"]);
    for (name, runs) in &sides {
        let (rate, ..) = middle(runs, number("per_second"));
        let (p50, ..) = middle(runs, number("p50_ms"));
        let (p99, least, most) = middle(runs, number("p99_ms"));
        let (max, ..) = middle(runs, number("max_ms"));
        table.row([
            (*name).to_owned(),
            if rate > 0.0 { format!("{rate:.0}") } else { String::new() },
            format!("{p50:.1}"),
            format!("{p99:.1} ({least:.1} - {most:.1})"),
            format!("{max:.1}"),
        ]);
    }
    ctx.output.table(&table);
    if args.kind == BenchKind::Ingest {
        let [grouped, single] =
            [&sides[0].1, &sides[1].1].map(|it| middle(it, number("per_second")).0);
        ctx.output.line(format!("{:.2} 倍 times as many", grouped / single));
    }
}

fn print_readers(ctx: &Context, measured: &Value) {
    if ctx.output.is_json() {
        ctx.output.value(measured);
        return;
    }
    let number = |of: &Value| of.as_f64().unwrap_or(f64::NAN);
    let memory = &measured["memory_kib"];
    ctx.output.line(format!(
        "{} 名观看者 readers: {:.1} MiB → {:.1} MiB，每名 each {:.1} KiB",
        measured["readers"],
        number(&memory["before"]) / 1024.0,
        number(&memory["with"]) / 1024.0,
        number(&memory["each"]),
    ));
    let beyond = &measured["beyond"];
    ctx.output.line(format!(
        "再多一名 one more: {}，Retry-After {} s",
        beyond["status"], beyond["retry_after_seconds"]
    ));
    let runs = measured["runs"].as_array().cloned().unwrap_or_default();
    let mut table = Table::new(["", "p50 ms", "p99 ms (range)", "最大 max ms"]);
    for (name, key) in
        [("人人读取 all read", "without"), ("一名从不读取 one never reads", "beside")]
    {
        let of = |what: &'static str| middle(&runs, move |it| number(&it[key][what]));
        let ((p50, ..), (p99, least, most), (max, ..)) = (of("p50_ms"), of("p99_ms"), of("max_ms"));
        table.row([
            name.to_owned(),
            format!("{p50:.1}"),
            format!("{p99:.1} ({least:.1} - {most:.1})"),
            format!("{max:.1}"),
        ]);
    }
    ctx.output.table(&table);
    let (after, ..) = middle(&runs, |it| number(&it["cut_off_after_seconds"]));
    ctx.output.line(format!("从不读取者 {after:.0} 秒后断开 cut off after {after:.0} s"));
}

fn print_compose(ctx: &Context, measured: &Value) {
    let sides = ["long", "short"].map(|it| measured[it].as_array().cloned().unwrap_or_default());
    let number = |key: &'static str| move |it: &Value| it[key].as_f64().unwrap_or(f64::NAN);
    let ratio = middle(&sides[0], number("ms")).0 / middle(&sides[1], number("ms")).0;
    if ctx.output.is_json() {
        let mut measured = measured.clone();
        measured["ratio"] = json!(ratio);
        ctx.output.value(&measured);
        return;
    }
    let events = |of: &str| measured["events"][of].to_string();
    let mut table = Table::new([
        "",
        "日志 events",
        "编成 compose ms",
        "七种格式 seven forms ms",
        "合计 all ms (range)",
        "再次 again ms",
    ]);
    for (name, of, runs) in [("长 long", "long", &sides[0]), ("短 short", "short", &sides[1])] {
        let part = |key: &'static str| format!("{:.1}", middle(runs, number(key)).0);
        let (all, least, most) = middle(runs, number("ms"));
        table.row([
            name.to_owned(),
            events(of),
            part("compose_ms"),
            part("render_ms"),
            format!("{all:.1} ({least:.1} - {most:.1})"),
            part("again_ms"),
        ]);
    }
    ctx.output.table(&table);
    ctx.output.line(format!("比 ratio {ratio:.2}"));
}

fn print_drain(ctx: &Context, measured: &Value) {
    let number = |of: &Value| of.as_f64().unwrap_or(0.0);
    let (idle, draining) = (&measured["idle"], &measured["draining"]);
    let ratio = number(&draining["p99_ms"]) / number(&idle["p99_ms"]);
    if ctx.output.is_json() {
        let mut measured = measured.clone();
        measured["ratio"] = json!(ratio);
        ctx.output.value(&measured);
        return;
    }
    let seconds: Vec<f64> =
        measured["seconds"].as_array().into_iter().flatten().map(number).collect();
    let at = |place: usize| seconds.get(place).copied().unwrap_or(0.0);
    let last = seconds.len().saturating_sub(1);
    ctx.output.line(format!(
        "补传 {} events drained in {:.2} s ({:.2} - {:.2}), {} times",
        measured["events"],
        at(last / 2),
        at(0),
        at(last),
        measured["runs"]
    ));
    let mut table =
        Table::new(["其他窗口 other windows", "事件 events", "p50 ms", "p99 ms", "最大 max ms"]);
    for (name, it) in [("空闲 idle", idle), ("补传时 draining", draining)] {
        let [p50, p99, max] =
            ["p50_ms", "p99_ms", "max_ms"].map(|key| format!("{:.1}", number(&it[key])));
        table.row([name.to_owned(), it["events"].to_string(), p50, p99, max]);
    }
    ctx.output.table(&table);
    ctx.output.line(format!("p99 之比 ratio {ratio:.2}"));
    if let Some(syncs) = measured["fsyncs_delayed"].as_u64() {
        let delay = &measured["fsync_delay_ms"];
        ctx.output.line(format!("磁盘 {syncs} fsyncs of the server took {delay} ms longer each"));
    }
    ctx.output.line(format!(
        "{} 条已录入 events recorded, {} 条在日志 stored, all counted",
        measured["recorded"], measured["stored"]
    ));
}
