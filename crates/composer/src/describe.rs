//! Sources in words of print, for readers of the HTML page and the table.

use zhoubao_domain::figure::{Cause, Partition, Span};

use crate::dates;
use crate::document::FigureSource;

pub(crate) fn span(span: Span) -> &'static str {
    match span {
        Span::Week => "本周",
        Span::WeekOfYear => "本周（本年部分）",
        Span::Outside => "期间外",
        Span::OutsideEarlier => "上年期间外",
        Span::Adjustment => "调整",
        Span::Carried => "上期累计",
        Span::Year => "今年以来累计",
    }
}

pub(crate) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Late => "补计",
        Cause::Correction => "更正",
        Cause::Voiding => "撤销",
        Cause::Release => "放行",
    }
}

pub(crate) fn partition(partition: Partition) -> &'static str {
    match partition {
        Partition::Total => "",
        Partition::Day => "日期",
        Partition::Window => "窗口",
        Partition::Department => "部门",
    }
}

/// What a number is: `受理（本周）`.
#[must_use]
pub fn title(source: &FigureSource) -> String {
    match source {
        FigureSource::Counted { title, span: of, partition: along, part, cause: why, .. } => {
            let mut qualifiers = vec![span(*of).to_owned()];
            if *along != Partition::Total {
                qualifiers.push(format!("{} {part}", partition(*along)));
            }
            if let Some(why) = why {
                qualifiers.push(
                    Cause::from_word(why).map_or_else(|| why.clone(), |it| cause(it).to_owned()),
                );
            }
            format!("{title}（{}）", qualifiers.join("，"))
        }
        FigureSource::Register { .. } => "已授权部门数".to_owned(),
        FigureSource::Imported { level, class, measure, .. } => {
            format!("{level}{class}{}（平台数据）", measure.title())
        }
        FigureSource::Cell { title, row, column, .. } => format!("{title}：{row} {column}（导入）"),
        FigureSource::Cells { title, column, .. } => format!("{title}：{column}（导入）"),
        FigureSource::Entered { name, .. } => format!("{name}（录入）"),
        FigureSource::Derived { formula, .. } => format!("计算：{formula}"),
    }
}

/// A number as it went into a computed one: `受理（本周）= 94`.
pub(crate) fn input(source: &FigureSource) -> String {
    let days = days(source);
    let days = if days.is_empty() { String::new() } else { format!("，{days}") };
    format!("{}{days} = {}", title(source), value(source))
}

/// A number as it is, before it is printed in some form.
pub(crate) fn value(source: &FigureSource) -> String {
    match source {
        FigureSource::Counted { value, .. } | FigureSource::Register { value, .. } => {
            value.to_string()
        }
        FigureSource::Imported { value, .. } => value.to_string(),
        FigureSource::Cells { cells, .. } => {
            let cells: Vec<_> = cells.iter().map(|[row, cell]| format!("{row} {cell}")).collect();
            cells.join("、")
        }
        FigureSource::Cell { value, .. }
        | FigureSource::Entered { text: value, .. }
        | FigureSource::Derived { value, .. } => value.clone(),
    }
}

/// The days that a number covers: `2023年2月6日至2023年2月10日`; empty where they are not known.
pub(crate) fn days(source: &FigureSource) -> String {
    let (first, last) = match source {
        FigureSource::Counted { first_day, last_day, .. } => match (first_day, last_day) {
            (Some(first), Some(last)) => (*first, *last),
            _ => return String::new(),
        },
        FigureSource::Register { as_of, .. } => (*as_of, *as_of),
        FigureSource::Imported { first_day, last_day, .. }
        | FigureSource::Cell { first_day, last_day, .. }
        | FigureSource::Cells { first_day, last_day, .. } => (*first_day, *last_day),
        FigureSource::Entered { .. } | FigureSource::Derived { .. } => return String::new(),
    };
    if first == last {
        dates::full(first)
    } else {
        format!("{}至{}", dates::full(first), dates::full(last))
    }
}
