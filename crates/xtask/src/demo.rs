//! Runs the demo with the fonts of its pages and the servers that its arguments ask for.

use std::os::unix::process::CommandExt as _;

use crate::run::{Result, cargo, say};
use crate::setup;

/// Replaces this process by the demo, so that its terminal, signals and exit code are the caller's own.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    // Without fonts the demo still prints its issue, and says what the pages lack.
    if let Err(error) = setup::fonts() {
        say(&error);
    }
    let mut demo = cargo(&["run", "--locked", "--package", "zhoubao", "--", "demo"]);
    demo.args(arguments);
    // What would make a second build faster makes this one slower, and for most people it is the only one.
    demo.env("CARGO_INCREMENTAL", "0");
    if needs_nats(arguments) {
        demo.env("ZHOUBAO_NATS_SERVER", setup::nats()?);
    }
    say("building and starting the demo (the first build takes minutes)");
    Err(format!("cannot run cargo: {}", demo.exec()))
}

/// Whether the arguments ask for a journal on NATS; the embedded demo needs no server.
fn needs_nats(arguments: &[&str]) -> bool {
    let mut words = arguments.iter().flat_map(|word| word.split('=')).peekable();
    while let Some(word) = words.next() {
        let asks = word == "--journal" && words.peek() == Some(&"nats");
        if asks || word.starts_with("nats://") {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::needs_nats;

    #[test]
    fn only_a_journal_on_nats_needs_the_server() {
        for arguments in [&[] as &[_], &["--once"], &["--journal", "file"], &["--title", "nats"]] {
            assert!(!needs_nats(arguments), "{arguments:?}");
        }
        for arguments in [
            &["--journal", "nats"] as &[_],
            &["--once", "--journal=nats"],
            &["--journal", "nats://127.0.0.1:4222"],
            &["--journal=nats://127.0.0.1:4222"],
        ] {
            assert!(needs_nats(arguments), "{arguments:?}");
        }
    }
}
