//! What CI checks, in the order in which mistakes are cheapest to find.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::run::{Result, cargo, run, say};
use crate::{rustdoc, setup};

type Step = (&'static str, fn() -> Result<()>);

const SETUP: Step = ("setup", setup::all);
const FORMAT: Step = ("fmt", || run(&mut cargo_test(&["fmt", "--all", "--check"])));
const CLIPPY: Step = ("clippy", || {
    let targets = ["clippy", "--workspace", "--all-targets", "--locked"];
    run(cargo_test(&targets).args(["--", "-D", "warnings"]))
});
const BUILD: Step =
    ("build", || run(&mut linting(&["test", "--workspace", "--no-run", "--locked"])));
const DOC: Step = ("doc", || {
    let mut examples = linting(&["test", "--doc", "--workspace", "--locked"]);
    run(rustdoc::documenting(&mut examples)?)
});
const TEST: Step = ("test", || {
    let all = ["test", "--workspace", "--lib", "--bins", "--tests", "--locked"];
    run(&mut linting(&all))
});
const FAULTS: Step = ("faults", || {
    // One after another: each has the machine's two cores to itself.
    let suite = ["test", "--workspace", "--test", "e2e", "--locked", "--", "faults::", "flood::"];
    run(linting(&suite).args(["--include-ignored", "--nocapture", "--test-threads", "1"]))
});
const BUGS: Step = ("bugs", || {
    // Of the whole workspace, so that dependencies have the features with which they were built already.
    let planted = ["test", "--workspace", "--features", "zhoubao-sim/planted-bugs"];
    run(linting(&planted).args(["--test", "bugs", "--locked", "--", "--nocapture"]))
});

/// Runs everything and prints how long each step took.
pub(crate) fn all() -> Result<()> {
    steps(&[SETUP, FORMAT, BUILD, DOC, TEST, BUGS])
}

/// Runs the tests only; a server that is missing fails the test that needs it.
pub(crate) fn fast() -> Result<()> {
    steps(&[BUILD, TEST])
}

/// Breaks real processes, disks and connections while 200,000 events are recorded; needs root for the power cuts.
pub(crate) fn faults() -> Result<()> {
    steps(&[FAULTS])
}

/// Compiles bugs in on purpose; the simulator must find each.
pub(crate) fn bugs() -> Result<()> {
    steps(&[BUGS])
}

/// Checks formatting and lints.
pub(crate) fn lint() -> Result<()> {
    steps(&[FORMAT, CLIPPY])
}

/// Runs steps until one fails.
fn steps(steps: &[Step]) -> Result<()> {
    let mut times = Vec::new();
    for (name, step) in steps {
        say(&format!("── {name}"));
        let started = Instant::now();
        let result = step();
        times.push((*name, started.elapsed()));
        if let Err(error) = result {
            println!("{}", table(&times, "failed"));
            return Err(format!("{name}: {error}"));
        }
    }
    println!("{}", table(&times, "ok"));
    Ok(())
}

/// One line a step; `last` says how the last one went, all others went well.
fn table(times: &[(&str, Duration)], last: &str) -> String {
    let mut text = String::new();
    for (index, (name, time)) in times.iter().enumerate() {
        let result = if index + 1 == times.len() { last } else { "ok" };
        // Cannot fail: the text is written into a `String`.
        let _ = writeln!(text, "{name:<8}{:>8.1} s  {result}", time.as_secs_f64());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    let _ = write!(text, "{:<8}{:>8.1} s", "total", total.as_secs_f64());
    text
}

/// A cargo command of a test run.
fn cargo_test(arguments: &[&str]) -> Command {
    let mut command = cargo(arguments);
    // CI builds once and throws away: what incremental builds write would never be read.
    if std::env::var_os("CI").is_some() {
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

/// A cargo command that lints what it builds of the project: dependencies are compiled once for lints, tests and examples
/// alike, where `cargo clippy` would compile them a second time.
fn linting(arguments: &[&str]) -> Command {
    let mut command = cargo_test(arguments);
    command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    // As `cargo clippy -- -D warnings` hands it on.
    command.env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
    command
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::table;

    #[test]
    fn the_table_marks_the_step_that_failed() {
        let times = [("fmt", Duration::from_millis(1_250)), ("clippy", Duration::from_secs(83))];
        let expected = "\
fmt          1.2 s  ok
clippy      83.0 s  failed
total       84.2 s";
        assert_eq!(table(&times, "failed"), expected);
    }
}
