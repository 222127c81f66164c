//! `zhoubao import`: a table of figures from outside becomes an event, each cell as it came.

use zhoubao_application::desk;
use zhoubao_domain::calendar::Period;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, TABLE_COLUMNS_MAX, TABLE_ROWS_MAX};
use zhoubao_domain::id::{DeskTopic, Stream};

use super::issue::by;
use crate::cli::ImportArgs;
use crate::failure::Failure;
use crate::files;
use crate::wiring::Context;

/// Largest file that is read; an event takes 32 KB of it at most.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Runs the command.
///
/// # Errors
///
/// A file that is no table, or a refusal of the desk; then nothing is recorded.
pub async fn run(ctx: &Context, args: ImportArgs) -> Result<(), Failure> {
    let period = Period::of_figures(args.from, args.to)
        .map_err(|it| Failure::coded(Code::Malformed, it.to_string()))?;
    let (columns, rows) = table(&args)?;
    let summary = format!(
        "{} {period}：{} 行 rows，栏 columns {}",
        args.table,
        rows.len(),
        columns.join("、")
    );
    let event = Event::TableImported { source: args.source.clone(), period, columns, rows };
    let stream = Stream::Desk(DeskTopic::Statistics, args.table);
    // What is stored is what would be read back, so the wire form has the last word on it.
    let (kind, body) = zhoubao_contract::event_to_json(&event);
    zhoubao_contract::event_from_json(kind, &body, &stream)?;
    let desk = ctx.desk().await?;
    if args.by.dry_run {
        desk::check(&desk.known().await?, &stream, &event, args.by.by.as_ref())?;
        ctx.output.line(format!("{summary}（未写入 not written）"));
        return Ok(());
    }
    let receipt = desk.record(stream, event, by(&args.by)).await?;
    if ctx.output.is_json() {
        ctx.output.value(&serde_json::json!({
            "position": receipt.position, "event": format!("{}#{}", receipt.stream, receipt.number),
        }));
    } else {
        ctx.output.line(format!("{summary}，已入账，序号 {}", receipt.position));
    }
    Ok(())
}

/// The columns and rows of the file. Spaces around a cell are no part of it.
fn table(args: &ImportArgs) -> Result<(Vec<String>, Vec<Vec<String>>), Failure> {
    let path = &args.file;
    let text = files::read_text(path, FILE_BYTES_MAX).map_err(|it| match it.code {
        Some(Code::Malformed) => it.with_next("另存为“CSV UTF-8” save it as CSV UTF-8"),
        _ => it,
    })?;
    let wrong = |line: u64, what: String| {
        let message = format!("`{}` 第 {line} 行 line {line}: {what}", path.display());
        Failure::coded(Code::Malformed, message)
    };
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let texts = |it: &csv::StringRecord| it.iter().map(str::to_owned).collect::<Vec<_>>();
    let columns = texts(reader.headers().map_err(|it| wrong(1, it.to_string()))?);
    if columns.is_empty()
        || columns.iter().any(String::is_empty)
        || columns.len() > TABLE_COLUMNS_MAX
    {
        let what = format!("第一行须为栏名 names 1 to {TABLE_COLUMNS_MAX} columns, none empty");
        return Err(wrong(1, what));
    }
    let mut rows = vec![];
    for record in reader.records() {
        let record = record.map_err(|it| {
            let line = it.position().map_or(0, csv::Position::line);
            wrong(line, it.to_string())
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        // A line of separators only is what a spreadsheet leaves below a table.
        if record.iter().all(str::is_empty) {
            continue;
        }
        if record.len() != columns.len() {
            let what = format!("{} 格 cells, expected {}", record.len(), columns.len());
            return Err(wrong(line, what));
        }
        if rows.len() == TABLE_ROWS_MAX {
            return Err(wrong(line, format!("超过 {TABLE_ROWS_MAX} 行 more than that many rows")));
        }
        rows.push(texts(&record));
    }
    Ok((columns, rows))
}
