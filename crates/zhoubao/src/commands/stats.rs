//! `zhoubao stats`: what counts, by any part and as of any position.

use jiff::civil::{Date, ISOWeekDate, Weekday};
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;
use zhoubao_application::statistics::{StatisticsQuery, position_at, statistics};
use zhoubao_domain::event::Kind;
use zhoubao_domain::figure::Partition;
use zhoubao_domain::time::{hall_day, hall_zone, rfc3339};

use crate::cli::{By, StatsArgs};
use crate::failure::Failure;
use crate::output::Table;
use crate::wiring::Context;

/// Runs the command.
///
/// # Errors
///
/// A time or week that cannot be read, or what keeps journal and read models from answering.
pub async fn run(ctx: &Context, args: StatsArgs) -> Result<(), Failure> {
    let desk = ctx.desk_to_read().await?;
    let head = desk.catch_up().await?;
    let today = hall_day(ctx.clock.now());
    let (first, last) = match (&args.week, args.from, args.to) {
        (Some(week), ..) => iso_week(week)?,
        (None, from, to) => {
            let last = to.unwrap_or(today);
            (from.unwrap_or(Date::constant(last.year(), 1, 1)), last)
        }
    };
    if last < first {
        return Err(Failure::usage(format!("{first} 晚于 is after {last}")));
    }
    let as_of = match &args.as_of {
        None => None,
        Some(text) => match text.trim_start_matches('#').parse::<u64>() {
            Ok(position) if position > head => {
                return Err(Failure::usage(format!("日志只到 the journal ends at {head}")));
            }
            Ok(position) => Some(position),
            Err(_) => Some(position_at(&**desk.journal(), end_of(text, ctx.clock.now())?).await?),
        },
    };
    let by = match args.by {
        By::Day => Partition::Day,
        By::Window => Partition::Window,
        By::Department => Partition::Department,
        By::Kind => Partition::Total,
    };
    let query = StatisticsQuery { first, last, as_of, by };
    let found = statistics(&**desk.store(), desk.hall(), query).await?;
    if ctx.output.is_json() {
        let rows: Vec<_> = found
            .rows
            .iter()
            .map(|(part, row)| {
                let mut value = json!({ "part": part, "events": row.events });
                for kind in Kind::ALL {
                    value[kind.word()] = row.tally.get(kind).into();
                }
                value
            })
            .collect();
        ctx.output.value(&json!({
            "first": first.to_string(), "last": last.to_string(), "position": found.position,
            "by": by.word(), "rows": rows,
        }));
        return Ok(());
    }
    let mut table;
    if args.by == By::Kind {
        table = Table::new(["", "数量 amount", "单位 unit"]);
        for kind in Kind::ALL {
            let sum: i64 = found.rows.values().map(|it| it.tally.get(kind)).sum();
            table.row([kind.title().to_owned(), sum.to_string(), kind.unit().to_owned()]);
        }
    } else {
        let known = desk.known().await?;
        table = Table::new(["", "咨询", "受理", "颁发", "流转", "事件 events"]);
        for (part, row) in &found.rows {
            let name = match args.by {
                By::Window => part
                    .parse()
                    .ok()
                    .and_then(|id| known.registry.windows.get(&id))
                    .map_or(part.clone(), |it| format!("{part} {}", it.name)),
                By::Department => part
                    .parse()
                    .ok()
                    .and_then(|id| known.registry.departments.get(&id))
                    .map_or(part.clone(), |it| it.name.clone()),
                By::Day | By::Kind => part.clone(),
            };
            let amounts = Kind::ALL.map(|kind| row.tally.get(kind).to_string());
            table.row([vec![name], amounts.to_vec(), vec![row.events.to_string()]].concat());
        }
    }
    ctx.output.table(&table);
    ctx.output.note(format!(
        "{first}—{last}，数据截至 as of #{}（{}）",
        found.position,
        rfc3339(ctx.clock.now()),
    ));
    Ok(())
}

/// The Monday and Sunday of a week such as `2023-W06` (ISO 8601).
fn iso_week(text: &str) -> Result<(Date, Date), Failure> {
    let wrong =
        || Failure::usage(format!("`{text}` 不是周 is no week, expected the form 2023-W06"));
    let (year, week) = text.split_once("-W").ok_or_else(wrong)?;
    let (year, week) = (year.parse().map_err(|_| wrong())?, week.parse().map_err(|_| wrong())?);
    let monday = ISOWeekDate::new(year, week, Weekday::Monday).map_err(|_| wrong())?.date();
    let sunday = monday.checked_add(6.days()).map_err(|_| wrong())?;
    Ok((monday, sunday))
}

/// A time, or the end of a whole local day; nothing in the future.
fn end_of(text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    let wrong = || {
        Failure::usage(format!("`{text}` 不是位置或时间 is no position or time")).with_next(
            "a position such as 4711, a day such as 2023-02-10, or 2023-02-10T17:00+08:00",
        )
    };
    let time = match text.parse::<Date>() {
        Ok(day) if !text.contains('T') => {
            let next = day.tomorrow().map_err(|_| wrong())?;
            hall_zone().to_timestamp(next.at(0, 0, 0, 0)).map_err(|_| wrong())?
        }
        _ => text.parse().map_err(|_| wrong())?,
    };
    if time > now && hall_day(time) > hall_day(now).tomorrow().map_err(|_| wrong())? {
        return Err(Failure::usage(format!("{text} 尚未到来 is in the future")));
    }
    Ok(time)
}
