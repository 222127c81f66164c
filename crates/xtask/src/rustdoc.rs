//! Documents what the examples are taken from.
//!
//! `cargo doc` compiles every dependency once more, only to look at links. `cargo test --doc` has them already, and names
//! them to rustdoc; so this program stands in for rustdoc there, and lets it write the pages before it runs the examples.

use std::path::Path;
use std::process::Command;

use crate::run::{Result, at, root, run};

/// Set where this program stands in for rustdoc.
const STANDING_IN: &str = "XTASK_RUSTDOC";

/// Arguments that rustdoc takes with `--test` only, and whether a value follows them.
const OF_TESTS: [(&str, bool); 3] =
    [("--test", false), ("--test-run-directory", true), ("--test-args", true)];

/// Lets a `cargo test --doc` write the pages, too.
pub(crate) fn documenting(examples: &mut Command) -> Result<&mut Command> {
    let this = at(Path::new("xtask"), std::env::current_exe())?;
    Ok(examples.env("RUSTDOC", this).env(STANDING_IN, "1"))
}

/// Whether this run stands in for rustdoc.
pub(crate) fn stands_in() -> bool {
    std::env::var_os(STANDING_IN).is_some()
}

/// Writes the pages and runs the examples; whatever else is asked goes to rustdoc as it is.
pub(crate) fn stand_in(arguments: &[&str]) -> Result<()> {
    if arguments.contains(&"--test") {
        let pages = root().join("target/doc");
        run(rustdoc(&of_pages(arguments))
            .args(["--document-private-items", "-Dwarnings", "--out-dir"])
            .arg(pages))?;
    }
    run(&mut rustdoc(arguments))
}

fn rustdoc(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustdoc");
    command.args(arguments).env_remove(STANDING_IN);
    command
}

/// The arguments without those that only examples have.
fn of_pages<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut rest = arguments.iter();
    let mut kept = Vec::new();
    while let Some(argument) = rest.next() {
        match OF_TESTS.iter().find(|(name, _)| name == argument) {
            Some((_, true)) => drop(rest.next()),
            Some((_, false)) => {}
            None => kept.push(*argument),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::of_pages;

    #[test]
    fn pages_are_written_without_what_only_examples_take() {
        let asked = ["--crate-name", "a", "--test", "src/lib.rs", "--test-run-directory", "/a"];
        assert_eq!(of_pages(&asked), ["--crate-name", "a", "src/lib.rs"]);
    }
}
