//! An issue after a long journal, and the same issue after a short one.
//!
//! ```text
//!  long    4,000 acts a working day up to the issue's week ─► five issues signed ─► the rest of --events, up to 2024
//!  short   2,000 acts in those weeks                       ─► five issues signed
//!  run     the fifth issue: compose, check every sum, all seven forms, by turns in one process
//! ```
//!
//! The issue is the sample's fifth, with its news, register, inspection and import. Everything is the product's own.
//! Before each run the typesetter forgets what it laid out, as if the issue were a new one; a second look at the same
//! issue is measured apart.

use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use tokio::time::Instant;
use zhoubao_application::desk::Desk;
use zhoubao_application::journal::BATCH_MESSAGES_MAX;
use zhoubao_application::store::ReadModels;
use zhoubao_application::weekly;
use zhoubao_application::writer::Writer;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Tally};
use zhoubao_domain::finding::Standing;
use zhoubao_domain::id::{HallCode, ObjectId, TerminalId};
use zhoubao_domain::time::{hall_day, hall_zone};

use super::journal::{sample, unnumbered};
use super::{HALL_OF_BASELINE, SCHEMA_OF_BASELINE, hall};
use crate::cli::BenchArgs;
use crate::failure::Failure;
use crate::fonts::{self, Fonts};
use crate::forms::{FORMS, Issue};
use crate::play::Player;
use crate::sample::{Bulk, Sample, TerminalEvent};
use crate::wiring::Context;

/// Acts of a working day up to the issue's week: a million a year.
const ACTS_A_DAY: u64 = 4_000;

/// Acts of the short journal.
const FEW: u64 = 2_000;

/// The first day of the sample's register; what is before it is in the opening figures.
const FIRST: Date = date(2023, 1, 1);

/// The last day on which something happens: every clock is past it.
const LAST: Date = date(2024, 12, 31);

/// Longest wait for the projector, whatever the journal's length.
const PROJECTED_MAX: Duration = Duration::from_secs(3_600);

/// A hall whose fifth issue is signed.
struct Hall {
    ctx: Context,
    hall: HallCode,
    store: Arc<dyn ReadModels>,
    fonts: Fonts,
    issue: ObjectId,
    events: u64,
}

/// Measures both halls by turns.
pub(crate) async fn measure(ctx: &Context, args: &BenchArgs) -> Result<Value, Failure> {
    let mut short = ctx.clone();
    short.config.dir = ctx.config.dir.join("short");
    short.config.hall = Some(hall(HALL_OF_BASELINE)?);
    short.config.store_schema = SCHEMA_OF_BASELINE.to_owned();
    ctx.output.note(format!("写入日志 making a journal of {} acts", args.events()));
    let long = Hall::make(ctx.clone(), args.events(), args.seed).await?;
    let short = Hall::make(short, FEW.min(args.events()), args.seed).await?;
    let (mut after_long, mut after_short) = (vec![], vec![]);
    for run in 0..=args.runs() {
        let times = [long.once().await?, short.once().await?];
        // The first of each reads its pages from the disk and the faces from their files.
        if run > 0 {
            let [of_long, of_short] = times;
            after_long.push(of_long);
            after_short.push(of_short);
        }
    }
    Ok(json!({
        "bench": "compose", "journal": ctx.config.journal.to_string(),
        "store": ctx.config.store.to_string(), "runs": args.runs(), "forms": FORMS.len(),
        "events": { "long": long.events, "short": short.events },
        "long": after_long, "short": after_short,
    }))
}

/// Writes the acts of these days, each with the close of every window, and waits until they are folded.
async fn write(
    desk: &Desk,
    sample: &Sample,
    acts: &mut Peekable<Bulk>,
    days: impl IntoIterator<Item = Date>,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    let mut writer = Writer::new(desk.journal().clone(), desk.hall().clone());
    for day in days {
        let mut sums: HashMap<TerminalId, Tally> = HashMap::new();
        loop {
            let of_day = |it: &TerminalEvent| hall_day(it.occurred_at) == day;
            let batch = std::iter::from_fn(|| acts.next_if(of_day)).take(BATCH_MESSAGES_MAX);
            let batch: Vec<_> = batch.collect();
            if batch.is_empty() {
                break;
            }
            for it in &batch {
                if let Event::Act(act) = &it.event {
                    let sum = sums.entry(it.terminal.clone()).or_default();
                    sum.add(act.kind, act.amount.into());
                }
            }
            bar.inc(batch.len() as u64);
            writer.write(batch.into_iter().map(unnumbered).collect()).await?;
        }
        let closed_at = hall_zone().to_timestamp(day.at(17, 30, 0, 0));
        let closed_at = closed_at.map_err(|it| Failure::integrity(it.to_string()))?;
        let closes = sample.desks.iter().map(|it| TerminalEvent {
            terminal: it.terminal.clone(),
            occurred_at: closed_at,
            actor: it.clerk.clone(),
            event: Event::DayClosed { day, tally: sums.remove(&it.terminal).unwrap_or_default() },
        });
        writer.write(closes.map(unnumbered).collect()).await?;
    }
    let written = desk.journal().state().await?.last;
    desk.reach(written, PROJECTED_MAX).await?;
    Ok(())
}

impl Hall {
    async fn make(ctx: Context, count: u64, seed: u64) -> Result<Self, Failure> {
        let mut sample = sample()?;
        sample.hall = ctx.hall()?;
        // What the checks say of made-up acts is not what is measured.
        let warnings =
            Code::ALL.iter().filter(|it| Standing::of(**it) == Standing::NeedsAcceptance);
        sample.accepted = warnings.map(|it| (*it, "测速 for a measurement".to_owned())).collect();
        let week = sample.weeks.last();
        let (issue, last) = week
            .map(|it| (it.issue.clone(), it.period.last()))
            .ok_or_else(|| Failure::integrity("the sample has no week"))?;

        let working = |days| sample.calendar.working_days(days).unwrap_or_default();
        let before = working(FIRST..=last);
        let in_time = count.min(ACTS_A_DAY * before.len() as u64);
        let after = working(last.saturating_add(1.day())..=LAST);

        let desk = ctx.desk().await?;
        let mut player = Player::new(&desk, &sample, vec![]);
        player.begin().await?;
        let bar = ctx.output.progress(count, "写入 filling");
        let mut acts = sample.bulk_on(before.clone(), in_time, seed).peekable();
        let mut due = before.iter().copied().peekable();
        for week in &sample.weeks {
            let last = week.period.last();
            let days = std::iter::from_fn(|| due.next_if(|it| *it <= last));
            write(&desk, &sample, &mut acts, days, &bar).await?;
            player.week(week).await?;
            player.finish(week).await?;
        }
        let mut acts = sample.bulk_on(after.clone(), count - in_time, seed).peekable();
        write(&desk, &sample, &mut acts, after, &bar).await?;
        bar.finish_and_clear();
        let events = desk.catch_up().await?;
        let checkpoint = desk.store().checkpoint(desk.hall()).await?;
        let counts = checkpoint.map(|it| it.counts).unwrap_or_default();
        if counts.counted != events || events < count {
            let message = format!("of {events} events only {} counted", counts.counted);
            return Err(Failure::integrity(message));
        }
        drop(player);
        drop(desk);
        let (hall, store, fonts) = (ctx.hall()?, ctx.open_store().await?, fonts::of(&ctx.config));
        Ok(Self { ctx, hall, store, fonts, issue, events })
    }

    /// Composes and renders it as if it were a new one, then once more.
    async fn once(&self) -> Result<Value, Failure> {
        let milliseconds = |it: Duration| it.as_secs_f64() * 1_000.0;
        zhoubao_typesetting::forget();
        let [composing, rendering] = self.issue().await?;
        let again: Duration = self.issue().await?.into_iter().sum();
        Ok(json!({
            "compose_ms": milliseconds(composing), "render_ms": milliseconds(rendering),
            "ms": milliseconds(composing + rendering), "again_ms": milliseconds(again),
        }))
    }

    /// The time of the composition and that of the forms.
    async fn issue(&self) -> Result<[Duration; 2], Failure> {
        let Self { ctx, store, fonts, hall, issue, .. } = self;
        let started = Instant::now();
        let weekly = weekly::compose(&**store, hall, issue, None).await?;
        let composing = started.elapsed();
        let forms = Issue::new(&weekly, fonts, &ctx.output).rendered()?;
        let rendering = started.elapsed() - composing;
        // The forms, and what made them.
        if forms.len() != FORMS.len() + 1 || forms.iter().any(|it| it.bytes.is_empty()) {
            return Err(Failure::integrity(format!("{} files of an issue", forms.len())));
        }
        Ok([composing, rendering])
    }
}
