//! The bound numbers of an issue as a table: one row a printed number.
//!
//! UTF-8 with a byte order mark and CRLF, as the spreadsheets of an office expect it. Every cell is quoted. A text
//! that a spreadsheet would take for a formula gets an apostrophe in front.

use crate::describe;
use crate::document::{Document, FigureSource};
use crate::language::number::read;

const HEADER: [&str; 13] = [
    "序号",
    "栏目",
    "指标",
    "名称",
    "范围",
    "分项",
    "原因",
    "起",
    "止",
    "数值",
    "单位",
    "记录数",
    "来源",
];

/// The numbers of the document as CSV.
#[must_use]
pub fn export(document: &Document) -> Vec<u8> {
    let mut table = String::from('\u{FEFF}');
    row(&mut table, &HEADER.map(text));
    for (index, (block, _, source)) in document.figures().enumerate() {
        let section = document.blocks.get(block).map_or("", |it| it.section.as_str());
        let mut cells = vec![(index + 1).to_string(), text(section)];
        cells.extend(describe(source));
        if let Some(origin) = cells.last_mut().filter(|_| document.metadata.training) {
            origin.insert_str(0, "【培训】");
        }
        row(&mut table, &cells);
    }
    table.into_bytes()
}

fn describe(source: &FigureSource) -> Vec<String> {
    let day = |it: &Option<_>| {
        it.as_ref().map(|it: &jiff::civil::Date| it.to_string()).unwrap_or_default()
    };
    match source {
        FigureSource::Counted {
            definition,
            title,
            span,
            partition,
            part,
            cause,
            first_day,
            last_day,
            position,
            events,
            value,
            unit,
            ..
        } => vec![
            text(definition),
            text(title),
            text(describe::span(*span)),
            text(&format!(
                "{}{}{part}",
                describe::partition(*partition),
                if part.is_empty() { "" } else { " " }
            )),
            text(cause.as_deref().unwrap_or_default()),
            day(first_day),
            day(last_day),
            value.to_string(),
            text(unit),
            events.to_string(),
            format!("日志第{position}号"),
        ],
        FigureSource::Register { as_of, position, value } => vec![
            "authorised_departments".to_owned(),
            text(&describe::title(source)),
            String::new(),
            String::new(),
            String::new(),
            as_of.to_string(),
            as_of.to_string(),
            value.to_string(),
            "个".to_owned(),
            String::new(),
            format!("授权登记，日志第{position}号"),
        ],
        FigureSource::Imported { platform, level, class, measure, first_day, last_day, value } => {
            vec![
                text(measure.word()),
                text(&format!("{class}{}", measure.title())),
                text(level),
                text(class),
                String::new(),
                first_day.to_string(),
                last_day.to_string(),
                value.to_string(),
                "件".to_owned(),
                String::new(),
                text(platform),
            ]
        }
        FigureSource::Cells { table, platform, .. } => {
            let mut cells = vec![text(table), text(&describe::title(source))];
            cells.extend(std::iter::repeat_n(String::new(), 5));
            cells.push(text(&describe::value(source)));
            cells.extend([String::new(), String::new(), text(platform)]);
            cells
        }
        FigureSource::Cell {
            table,
            title,
            platform,
            row,
            column,
            first_day,
            last_day,
            position,
            value,
        } => vec![
            text(table),
            text(&format!("{title} {column}")),
            String::new(),
            text(row),
            String::new(),
            first_day.to_string(),
            last_day.to_string(),
            number(value),
            String::new(),
            String::new(),
            text(&format!("{platform}，日志第{position}号")),
        ],
        FigureSource::Entered { name, text: value } => {
            let mut cells = vec![text(name), text(&describe::title(source))];
            cells.extend(std::iter::repeat_n(String::new(), 5));
            cells.extend([number(value), String::new(), String::new(), "录入".to_owned()]);
            cells
        }
        FigureSource::Derived { formula, value, inputs } => {
            let mut cells = vec![text(formula), "计算".to_owned()];
            cells.extend(std::iter::repeat_n(String::new(), 5));
            let inputs: Vec<_> = inputs.iter().map(describe::input).collect();
            let inputs = text(&inputs.join("；"));
            cells.extend([number(value), String::new(), String::new(), inputs]);
            cells
        }
    }
}

/// A number as it is; what only came as text, or is a fraction such as 7/3, is a text, lest it become a date.
fn number(value: &str) -> String {
    let is_number = read(value).is_some() || value.is_empty();
    if is_number { value.to_owned() } else { format!("'{value}") }
}

/// A text that no spreadsheet takes for a formula. Numbers of our own keep their minus sign.
fn text(text: &str) -> String {
    let dangerous = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠', '−'];
    let first = text.trim_start_matches(' ');
    if text.starts_with(dangerous) || first.starts_with(dangerous) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn row(table: &mut String, cells: &[String]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            table.push(',');
        }
        table.push('"');
        table.push_str(&cell.replace('"', "\"\""));
        table.push('"');
    }
    table.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_a_formula() {
        for hostile in [
            "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x",
            " =1",
        ] {
            assert!(text(hostile).starts_with('\''), "{hostile:?}");
        }
        assert_eq!(text("咨询"), "咨询");
        let mut table = String::new();
        row(&mut table, &[text("a\"b,c"), "-3".into()]);
        assert_eq!(table, "\"a\"\"b,c\",\"-3\"\r\n");
    }
}
