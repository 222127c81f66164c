//! The hand-written fold: serde, hash maps, one upsert a table and page. No rule is asked and nothing is checked.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::Hash;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use zhoubao_application::journal::Cursor;
use zhoubao_contract::Stored;
use zhoubao_domain::time::hall_day;
use zhoubao_store_postgres::raw as postgres;
use zhoubao_store_sqlite::raw as sqlite;

use crate::failure::Failure;

/// Numbers of one line in a row of the record, as in the product.
const SEGMENT_NUMBERS: u64 = 256;

/// Longest wait for messages that are known to be there.
const WAIT: Duration = Duration::from_secs(10);

/// What an act's body says.
#[derive(Debug, Default, Deserialize)]
struct Body<'a> {
    people: Option<i64>,
    department: Option<&'a str>,
    matter: Option<&'a str>,
    case: Option<&'a str>,
}

#[derive(Debug)]
struct Head<'a> {
    number: u64,
    hash: &'a str,
    position: u64,
    recorded_at: Timestamp,
}

#[derive(Debug)]
struct Segment {
    first_position: u64,
    last_position: u64,
    first_day: Date,
    last_day: Date,
    entries: String,
}

#[derive(Debug, Default)]
struct Case<'a> {
    accepted: Option<String>,
    issued: Option<String>,
    transferred: i64,
    department: Option<&'a str>,
    events: String,
}

/// What a page comes to.
#[derive(Debug, Default)]
pub(crate) struct Folded<'a> {
    heads: HashMap<&'a str, Head<'a>>,
    tallies: HashMap<(Date, &'a str, &'a str, &'static str), (i64, i64)>,
    segments: HashMap<(&'a str, u64), Segment>,
    cases: HashMap<&'a str, Case<'a>>,
}

/// Reads the next page: `size` messages, or what is left up to `last`.
pub(crate) async fn page(
    cursor: &mut dyn Cursor,
    size: usize,
    last: u64,
) -> Result<Vec<Stored>, Failure> {
    let mut messages: Vec<Stored> = Vec::with_capacity(size);
    while messages.len() < size && messages.last().is_none_or(|it| it.position < last) {
        let more = cursor.next(size - messages.len(), WAIT).await?;
        if more.is_empty() {
            return Err(Failure::unavailable("the journal goes silent before its end"));
        }
        messages.extend(more);
    }
    Ok(messages)
}

/// Folds a page. `windows` says at which window each terminal stands.
pub(crate) fn fold<'a>(
    messages: &'a [Stored],
    windows: &'a HashMap<String, String>,
) -> Result<Folded<'a>, Failure> {
    let mut folded = Folded::default();
    for Stored { position, recorded_at, message } in messages {
        let wrong = || Failure::integrity(format!("message {position} cannot be read"));
        let attributes = &message.attributes;
        let stream = message.subject.splitn(3, '.').nth(2).ok_or_else(wrong)?;
        let number: u64 =
            attributes.id.as_deref().and_then(|it| it.parse().ok()).ok_or_else(wrong)?;
        let time = attributes.time.as_deref().ok_or_else(wrong)?;
        let at: Timestamp = time.parse().map_err(|_| wrong())?;
        let head = Head {
            number,
            hash: attributes.hash.as_deref().unwrap_or_default(),
            position: *position,
            recorded_at: *recorded_at,
        };
        folded.heads.insert(stream, head);
        let Some(terminal) = stream.strip_prefix("terminal.") else { continue };
        let kind = attributes.kind.as_deref().unwrap_or_default();
        let (letter, word) = match kind {
            "cn.zhoubao.Consulted.v1" => ("C", "consulted"),
            "cn.zhoubao.Accepted.v1" => ("A", "accepted"),
            "cn.zhoubao.Issued.v1" => ("I", "issued"),
            "cn.zhoubao.Transferred.v1" => ("T", "transferred"),
            _ => continue,
        };
        let body: Body<'_> = serde_json::from_slice(&message.body).map_err(|_| wrong())?;
        let window = windows.get(terminal).ok_or_else(wrong)?;
        let day = hall_day(at);
        let amount = body.people.unwrap_or(1);
        let key = (day, window.as_str(), body.department.unwrap_or("-"), word);
        let sum = folded.tallies.entry(key).or_default();
        sum.0 += amount;
        sum.1 += 1;
        if let Some(id) = body.case {
            let case = folded.cases.entry(id).or_default();
            match letter {
                "A" => case.accepted = Some(format!("{stream}#{number}")),
                "I" => case.issued = Some(format!("{stream}#{number}")),
                _ => case.transferred += 1,
            }
            case.department = case.department.or(body.department);
            let _ = write!(case.events, "{stream}#{number} ");
        }
        let segment = (number - 1) / SEGMENT_NUMBERS;
        let segment = folded.segments.entry((stream, segment)).or_insert_with(|| Segment {
            first_position: *position,
            last_position: *position,
            first_day: day,
            last_day: day,
            entries: String::new(),
        });
        segment.last_position = *position;
        segment.first_day = segment.first_day.min(day);
        segment.last_day = segment.last_day.max(day);
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            segment.entries,
            "{number}\t{position}\t{}\t{letter}\t1\t{amount}\t{window}\t{}\t{}\t{}\t\t",
            at.as_microsecond(),
            body.department.unwrap_or_default(),
            body.matter.unwrap_or_default(),
            body.case.unwrap_or_default(),
        );
    }
    Ok(folded)
}

/// Rows in the order of their keys, which an index takes faster.
fn sorted<K: Ord + Hash, V>(rows: HashMap<K, V>) -> Vec<(K, V)> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    rows
}

fn json(rows: &impl serde::Serialize) -> String {
    serde_json::to_string(rows).unwrap_or_default()
}

impl Folded<'_> {
    /// The rows as JSON texts.
    pub(crate) fn into_json(self) -> sqlite::RawPage {
        let number = |it: Date| {
            i64::from(it.year()) * 10_000 + i64::from(it.month()) * 100 + i64::from(it.day())
        };
        let heads: Vec<_> = sorted(self.heads)
            .into_iter()
            .map(|(stream, it)| {
                (stream, it.number, it.hash, it.position, it.recorded_at.to_string())
            })
            .collect();
        let tallies: Vec<_> = sorted(self.tallies)
            .into_iter()
            .map(|((day, window, department, kind), (amount, events))| {
                (number(day), window, department, kind, amount, events)
            })
            .collect();
        let segments: Vec<_> = sorted(self.segments)
            .into_iter()
            .map(|((stream, segment), it)| {
                let (first, last) = (number(it.first_day), number(it.last_day));
                (stream, segment, it.first_position, it.last_position, first, last, it.entries)
            })
            .collect();
        let cases: Vec<_> = sorted(self.cases)
            .into_iter()
            .map(|(id, it)| (id, it.accepted, it.issued, it.transferred, it.department, it.events))
            .collect();
        sqlite::RawPage {
            heads: json(&heads),
            tallies: json(&tallies),
            segments: json(&segments),
            cases: json(&cases),
        }
    }

    /// The rows as columns.
    pub(crate) fn into_columns(self) -> postgres::RawPage {
        let epoch = jiff::civil::date(1970, 1, 1);
        let days = |it: Date| (it - epoch).get_days();
        let big = |it: u64| it.cast_signed();
        let mut page = postgres::RawPage::default();
        for (stream, it) in sorted(self.heads) {
            page.heads.streams.push(stream.to_owned());
            page.heads.numbers.push(big(it.number));
            page.heads.hashes.push(it.hash.to_owned());
            page.heads.positions.push(big(it.position));
            page.heads.recorded_at.push(it.recorded_at.to_string());
        }
        for ((day, window, department, kind), (amount, events)) in sorted(self.tallies) {
            page.tallies.days.push(days(day));
            page.tallies.windows.push(window.to_owned());
            page.tallies.departments.push(department.to_owned());
            page.tallies.kinds.push(kind.to_owned());
            page.tallies.amounts.push(amount);
            page.tallies.events.push(events);
        }
        for ((stream, segment), it) in sorted(self.segments) {
            page.segments.streams.push(stream.to_owned());
            page.segments.segments.push(big(segment));
            page.segments.first_positions.push(big(it.first_position));
            page.segments.last_positions.push(big(it.last_position));
            page.segments.first_days.push(days(it.first_day));
            page.segments.last_days.push(days(it.last_day));
            page.segments.entries.push(it.entries);
        }
        for (id, it) in sorted(self.cases) {
            page.cases.ids.push(id.to_owned());
            page.cases.accepted.push(it.accepted);
            page.cases.issued.push(it.issued);
            page.cases.transferred.push(it.transferred);
            page.cases.departments.push(it.department.map(str::to_owned));
            page.cases.events.push(it.events);
        }
        page
    }
}
