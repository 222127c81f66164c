//! What CI checks, in the order in which mistakes are cheapest to find.

use std::fmt::Write as _;
use std::panic::resume_unwind;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::run::{Result, cargo, output, run, say};
use crate::{rustdoc, setup};

type Step = (&'static str, fn() -> Result<()>);

/// The name of a step that was run, how long it took, and how it went.
type Done = (&'static str, Duration, Result<()>);

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
    // It has company; what it says is of interest when it fails.
    output(rustdoc::documenting(&mut examples)?).map(drop)
});
const TEST: Step = ("test", || {
    let all = ["test", "--workspace", "--lib", "--bins", "--tests", "--locked"];
    // Most tests wait for a disk, a server or a browser now and then: two for each core keep it busy.
    let threads = 2 * std::thread::available_parallelism().map_or(1, usize::from);
    run(linting(&all).env("RUST_TEST_THREADS", threads.to_string()))
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
    // What waits for the network, a disk or a browser has something that computes beside it.
    steps(&[&[&[FORMAT]], &[&[SETUP], &[BUILD]], &[&[TEST], &[DOC, BUGS]]])
}

/// Runs the tests only; a server that is missing fails the test that needs it.
pub(crate) fn fast() -> Result<()> {
    steps(&[&[&[BUILD, TEST]]])
}

/// Breaks real processes, disks and connections while 200,000 events are recorded; needs root for the power cuts.
pub(crate) fn faults() -> Result<()> {
    steps(&[&[&[FAULTS]]])
}

/// Compiles bugs in on purpose; the simulator must find each.
pub(crate) fn bugs() -> Result<()> {
    steps(&[&[&[BUGS]]])
}

/// Checks formatting and lints.
pub(crate) fn lint() -> Result<()> {
    steps(&[&[&[FORMAT, CLIPPY]]])
}

/// Runs groups of steps, one group after the other, until a step fails. The rows of a group run side by side, the steps
/// of a row one after the other.
fn steps(groups: &[&[&[Step]]]) -> Result<()> {
    let started = Instant::now();
    let mut done = Vec::new();
    for group in groups {
        let of_group: Vec<Vec<Done>> = std::thread::scope(|scope| {
            let running: Vec<_> = group.iter().map(|row| scope.spawn(|| in_turn(row))).collect();
            running.into_iter().map(|it| it.join().unwrap_or_else(|it| resume_unwind(it))).collect()
        });
        let of_group: Vec<Done> = of_group.into_iter().flatten().collect();
        let failed: Vec<_> = of_group
            .iter()
            .filter_map(|(name, _, result)| Some(format!("{name}: {}", result.as_ref().err()?)))
            .collect();
        done.extend(of_group);
        if !failed.is_empty() {
            println!("{}", table(&done, started.elapsed()));
            return Err(failed.join("\n"));
        }
    }
    println!("{}", table(&done, started.elapsed()));
    Ok(())
}

/// Runs steps until one fails.
fn in_turn(steps: &[Step]) -> Vec<Done> {
    let mut done = Vec::new();
    for step in steps {
        done.push(timed(step));
        if done.last().is_some_and(|(_, _, result)| result.is_err()) {
            break;
        }
    }
    done
}

fn timed((name, step): &Step) -> Done {
    say(&format!("── {name}"));
    let started = Instant::now();
    let result = step();
    (name, started.elapsed(), result)
}

/// One line a step.
fn table(done: &[Done], total: Duration) -> String {
    let mut text = String::new();
    for (name, time, result) in done {
        let result = if result.is_ok() { "ok" } else { "failed" };
        // Cannot fail: the text is written into a `String`.
        let _ = writeln!(text, "{name:<8}{:>8.1} s  {result}", time.as_secs_f64());
    }
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
        let done = [
            ("fmt", Duration::from_millis(1_250), Ok(())),
            ("clippy", Duration::from_secs(83), Err("one lint".to_owned())),
        ];
        let expected = "\
fmt          1.2 s  ok
clippy      83.0 s  failed
total       84.5 s";
        assert_eq!(table(&done, Duration::from_millis(84_500)), expected);
    }
}
