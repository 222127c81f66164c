//! `zhoubao trace`: the events behind a figure.

use serde_json::{Value, json};
use zhoubao_application::bundle;
use zhoubao_application::seal::sign;
use zhoubao_application::trace::{Counted, Trace, behind, figure_key, figure_name, trace};
use zhoubao_application::weekly::{self, Weekly};
use zhoubao_composer::describe;
use zhoubao_composer::document::FigureSource;
use zhoubao_domain::figure::{Base, FigureKey};
use zhoubao_domain::time::rfc3339;

use crate::cli::TraceArgs;
use crate::commands::seal;
use crate::failure::Failure;
use crate::files;
use crate::output::Table;
use crate::wiring::Context;
use crate::zipped::pack;

/// Runs the command.
///
/// # Errors
///
/// E.307 for a figure that the issue has not; what keeps the issue from being composed.
pub async fn run(ctx: &Context, args: TraceArgs) -> Result<(), Failure> {
    let desk = ctx.desk_to_read().await?;
    let (issue, figure) = match args.figure.split_once('#') {
        Some((issue, figure)) => (issue, Some(figure)),
        None => (args.figure.as_str(), None),
    };
    let known = desk.known().await?;
    let id = known.find_issue(issue)?;
    let weekly = weekly::compose(&**desk.store(), desk.hall(), &id, None).await?;
    let sources = sources(&weekly);
    let Some(figure) = figure else {
        list(ctx, &sources);
        return Ok(());
    };
    let numbered = figure.parse::<usize>().ok().and_then(|it| it.checked_sub(1));
    let key = match numbered.and_then(|it| sources.get(it)) {
        Some((_, source)) => match key_of(source) {
            Some(key) => key,
            None => {
                tell(ctx, source, &behind(source, &known, weekly.material.position));
                return Ok(());
            }
        },
        None => figure_key(figure, &weekly.material.definitions)?,
    };
    let found = trace(&**desk.store(), desk.hall(), &id, &weekly, key, args.carried).await?;
    if let Some(path) = &args.bundle {
        let mut files =
            bundle::make(&**desk.journal(), &**desk.store(), desk.hall(), &found, &weekly).await?;
        if let Some(key) = seal::key(ctx)?
            && let Some(manifest) = files.get(bundle::MANIFEST)
        {
            let seal = sign(&key, manifest).into_bytes();
            files.insert(bundle::SEAL.to_owned(), seal);
        }
        files::replace(path, &pack(&files)?, files::PRIVATE)?;
        ctx.output.note(format!("溯源包 bundle: {}", path.display()));
    }
    show(ctx, &found);
    Ok(())
}

/// The different sources of the printed numbers, each with its first print; the HTML page numbers them alike.
fn sources(weekly: &Weekly) -> Vec<(&str, &FigureSource)> {
    let mut sources: Vec<(&str, &FigureSource)> = vec![];
    for (_, text, source) in weekly.composed.document.figures() {
        if !sources.iter().any(|(_, it)| *it == source) {
            sources.push((text, source));
        }
    }
    sources
}

fn key_of(source: &FigureSource) -> Option<FigureKey> {
    match source {
        FigureSource::Counted { definition, span, partition, part, .. } => Some(FigureKey {
            definition: definition.clone(),
            span: *span,
            partition: *partition,
            part: part.clone(),
        }),
        _ => None,
    }
}

fn name_of(source: &FigureSource) -> Option<String> {
    match source {
        FigureSource::Counted { title, .. } => Some(figure_name(&key_of(source)?, title)),
        _ => None,
    }
}

fn list(ctx: &Context, sources: &[(&str, &FigureSource)]) {
    if ctx.output.is_json() {
        let figures = sources.iter().enumerate().map(|(index, (text, source))| {
            json!({ "number": index + 1, "text": text, "name": name_of(source),
                "title": describe::title(source) })
        });
        ctx.output.value(&figures.collect());
        return;
    }
    let mut table = Table::new(["#", "数字 number", "名称 name", "说明 what it is"]);
    for (index, (text, source)) in sources.iter().enumerate() {
        let name = name_of(source).unwrap_or_default();
        table.row([(index + 1).to_string(), (*text).to_owned(), name, describe::title(source)]);
    }
    ctx.output.table(&table);
}

fn tell(ctx: &Context, source: &FigureSource, behind: &[String]) {
    if ctx.output.is_json() {
        ctx.output.value(&json!({ "source": source, "behind": behind }));
        return;
    }
    ctx.output.line(describe::title(source));
    behind.iter().for_each(|it| ctx.output.line(format!("  {it}")));
}

fn show(ctx: &Context, trace: &Trace) {
    let name = figure_name(&trace.key, &trace.definition.title);
    let base = match (trace.base, &trace.previous) {
        (Base::Opening, _) => Some("期初数 opening figures".to_owned()),
        (Base::Previous, Some(previous)) => Some(format!("上期累计 of {previous}")),
        _ => None,
    };
    if ctx.output.is_json() {
        let days = trace.reaches.iter().map(|it| {
            json!({ "first": it.first.to_string(), "last": it.last.to_string(), "after": it.after })
        });
        ctx.output.value(&json!({
            "issue": trace.id.as_str(), "figure": name, "value": trace.figure.amount,
            "unit": trace.definition.unit, "position": trace.cut(),
            "base": base.as_ref().map(|_| json!({ "from": trace.base.word(), "value": trace.base_amount })),
            "days": days.collect::<Vec<_>>(),
            "events": trace.own().map(row).collect::<Vec<_>>(),
        }));
        return;
    }
    let mut table = Table::new([
        "序号 position",
        "事件 event",
        "时间 when",
        "窗口",
        "部门",
        "数量",
        "更改 amends",
    ]);
    for Counted { event, entry } in trace.own() {
        table.row([
            entry.position.to_string(),
            event.to_string(),
            rfc3339(entry.occurred_at),
            entry.window.as_ref().map_or_else(String::new, ToString::to_string),
            entry.department().to_owned(),
            format!("{:+}", entry.effect().0),
            entry.amends.as_ref().map_or_else(String::new, ToString::to_string),
        ]);
    }
    ctx.output.table(&table);
    let (sum, count) =
        trace.own().fold((0, 0), |(sum, count), it| (sum + it.entry.effect().0, count + 1));
    let base = base.map_or_else(String::new, |it| format!("{it} {} + ", trace.base_amount));
    ctx.output.line(format!(
        "{name} = {base}{sum}（{count} 条 entries）= {} {}，数据截至 as of #{}",
        trace.figure.amount,
        trace.definition.unit,
        trace.cut(),
    ));
}

fn row(it: &Counted) -> Value {
    let Counted { event, entry } = it;
    json!({
        "position": entry.position, "event": event.to_string(),
        "occurred_at": rfc3339(entry.occurred_at),
        "window": entry.window.as_ref().map(ToString::to_string),
        "department": entry.department(), "amount": entry.effect().0,
        "amends": entry.amends.as_ref().map(ToString::to_string),
    })
}
