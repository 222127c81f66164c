//! Set-up, demo and test runs on a bare machine.
//!
//! `cargo xtask help` lists the commands. The only things needed beforehand are a Rust toolchain, `python3` and, where
//! PostgreSQL is not installed, the right to install it.
//!
//! # Rules of this crate
//!
//! - No dependencies: this is built before everything else, and must be ready in seconds.
//! - What is there already is used as it is; only what is missing is fetched, at a fixed version and checksum.
//! - Progress goes to standard error, one line a step; results go to standard output.
#![expect(clippy::print_stdout, reason = "a command line tool prints its results")]

mod api;
mod demo;
mod run;
mod rustdoc;
mod setup;
mod sqlx;
mod test;

use std::process::ExitCode;

use crate::run::Result;

const HELP: &str = "\
Set-up, demo and test runs.

Usage: cargo xtask <command>

  setup [nats|postgres|fonts|poppler|libreoffice|browser|axe]
                         find or install what tests and demo need
  demo [arguments…]      run the demo; the arguments are those of `zhoubao demo`
  test [--fast]          everything that CI checks; --fast runs the tests only
  test --faults          kills, power cuts (as root) and broken connections under 200,000 events
  api [arguments…]       send a service what its API's document allows and what it does not, as each role (schemathesis);
                         the arguments are those of tests/api/run.py, such as --role editor
  bugs                   compile bugs in on purpose, and see that the simulator finds each
  lint                   formatting and clippy
  sqlx                   write the checked queries' data anew
  help                   this text";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = if rustdoc::stands_in() { rustdoc::stand_in(&words) } else { dispatch(&words) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[&str]) -> Result<()> {
    match words {
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        ["setup"] => setup::all(),
        ["setup", "nats"] => setup::nats().map(drop),
        ["setup", "postgres"] => setup::postgres().map(drop),
        ["setup", "fonts"] => setup::fonts(),
        ["setup", "poppler"] => setup::poppler(),
        ["setup", "libreoffice"] => setup::libreoffice(),
        ["setup", "browser"] => setup::browser(),
        ["setup", "axe"] => setup::axe(),
        ["demo", arguments @ ..] => demo::run(arguments),
        ["test"] => test::all(),
        ["test", "--fast"] => test::fast(),
        ["test", "--faults"] => test::faults(),
        ["api", arguments @ ..] => api::run_all(arguments),
        ["bugs"] => test::bugs(),
        ["lint"] => test::lint(),
        ["sqlx"] => sqlx::write(),
        _ => Err(format!("unknown command `{}`\n\n{HELP}", words.join(" "))),
    }
}
