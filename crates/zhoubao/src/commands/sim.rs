//! `zhoubao sim`: whole halls under seeded faults.

use std::collections::BTreeSet;

use serde_json::json;
use zhoubao_sim::fault::Fault;
use zhoubao_sim::{Settings, run as run_seed};

use crate::cli::SimArgs;
use crate::failure::Failure;
use crate::output::Table;
use crate::wiring::Context;

/// Runs the seeds until one breaks a promise.
///
/// # Errors
///
/// Usage for a kind of fault that there is not; an integrity failure with seed and step otherwise.
pub async fn run(ctx: &Context, args: SimArgs) -> Result<(), Failure> {
    let faults = faults(&args.faults)?;
    let mut table =
        Table::new(["种子 seed", "步 steps", "事件 events", "期 issues", "trace SHA-256"]);
    for seed in args.seed..args.seed.saturating_add(args.seeds) {
        let faults = faults.clone();
        let settings = Settings { seed, weeks: args.weeks, faults, verbose: args.trace };
        // It has a runtime of its own, whose time is not the machine's; what it warns of are the faults of the run.
        let silent = tracing::subscriber::NoSubscriber::default();
        let seed_run = move || tracing::subscriber::with_default(silent, || run_seed(&settings));
        let done = tokio::task::spawn_blocking(seed_run).await;
        let done = done.map_err(|error| Failure::integrity(format!("SEED={seed}: {error}")))?;
        let (lines, outcome) = match done {
            Ok(outcome) => (outcome.lines.clone(), Ok(outcome)),
            Err(failure) => (failure.last.clone(), Err(failure)),
        };
        if !ctx.output.is_json() && (args.trace || outcome.is_err()) {
            lines.into_iter().for_each(|it| ctx.output.line(it));
        }
        let outcome = outcome.map_err(|it| {
            let next = format!("zhoubao sim --seed {seed} --weeks {} --trace", args.weeks);
            Failure::integrity(it.to_string()).with_next(next)
        })?;
        if ctx.output.is_json() {
            ctx.output.value(&json!({
                "seed": seed,
                "steps": outcome.steps,
                "events": outcome.recorded,
                "issues": outcome.frozen,
                "trace": outcome.trace,
            }));
        } else {
            let (steps, events) = (outcome.steps.to_string(), outcome.recorded.to_string());
            let (seed, issues) = (seed.to_string(), outcome.frozen.to_string());
            table.row([&seed, &steps, &events, &issues, &outcome.trace]);
        }
    }
    if !ctx.output.is_json() {
        ctx.output.table(&table);
    }
    Ok(())
}

fn faults(words: &[String]) -> Result<BTreeSet<Fault>, Failure> {
    if words.is_empty() {
        return Ok(Fault::ALL.into());
    }
    let known = || Fault::ALL.map(Fault::word).join(", ");
    words
        .iter()
        .map(|word| {
            Fault::from_word(word).ok_or_else(|| {
                Failure::usage(format!(
                    "没有此种故障 no kind of fault `{word}`; there are {}",
                    known()
                ))
            })
        })
        .collect()
}
