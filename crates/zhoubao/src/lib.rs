//! The record-keeping backend of a government service hall: subcommands, configuration, wiring.
//!
//! The only crate that names concrete adapters. `src/main.rs` is one line; tests and the demo use the library.
//!
//! Read [`cli`] first, then [`wiring`]; each subcommand is a file in [`commands`]. Results go to stdout and
//! everything else to stderr ([`output`]); every error becomes a [`failure::Failure`], which is the exit code.

pub mod archive;
pub mod bench;
pub mod blobs;
pub mod broker;
pub mod cli;
pub mod commands;
pub mod composing;
pub mod config;
pub mod failure;
pub mod files;
pub mod folder;
pub mod fonts;
pub mod forms;
pub mod giving_way;
pub mod numbers;
pub mod output;
pub mod play;
pub mod projecting;
pub mod receipts;
pub mod sample;
pub mod telemetry;
pub mod terminal;
pub mod upto;
pub mod web;
pub mod wiring;
pub mod zipped;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use clap::error::ErrorKind;
use zhoubao_application::clock::SystemClock;

use crate::cli::{Cli, Command};
use crate::config::{Config, Sources};
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::wiring::Context;

/// Runs the program on a command line, and answers with its exit code.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return refused(&error, &arguments),
    };
    let output = Output::standard(cli.global.json, cli.global.quiet);
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(run(cli, output.clone())));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

/// A command line that cannot be read: clap's own words, or one JSON object where JSON is asked for.
fn refused(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !is_help && arguments.iter().any(|it| it == "--json") {
        let text = error.to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = Failure::usage(message).with_next("see `zhoubao --help`");
        Output::standard(true, false).failure(&failure);
        return Exit::Usage.into();
    }
    // A closed pipe is no failure.
    let _ = error.print();
    if is_help { ExitCode::SUCCESS } else { Exit::Usage.into() }
}

/// Runs one command.
///
/// # Errors
///
/// Why it failed, and with which exit code.
pub async fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    // Explaining needs no settings, and E.780 is explained to those whose settings are wrong.
    let config = match &cli.command {
        Command::Explain(_) => Config::default(),
        Command::Verify(args) if !args.with_journal => Config::default(),
        _ => {
            let flags = cli.global.settings();
            Config::load(&Sources::of_process(flags, cli.global.config.clone()))?
        }
    };
    let default = match &cli.command {
        Command::Serve(_) => telemetry::SERVICE,
        Command::Project(it) if !it.once => telemetry::SERVICE,
        Command::Archive(it) if !it.once => telemetry::SERVICE,
        Command::NatsWatch(it) if !it.once => telemetry::SERVICE,
        Command::Compose(it) if it.issue.is_none() && !it.once => telemetry::SERVICE,
        Command::Terminal(it)
            if matches!(it.action, cli::TerminalAction::Run { once: false, .. }) =>
        {
            telemetry::SERVICE
        }
        _ => telemetry::QUIET,
    };
    telemetry::start(&config, default)?;
    let ctx = Context::new(config, Arc::new(SystemClock), output);
    dispatch(&ctx, cli.command).await
}

/// Runs one command in a context that is already made.
///
/// # Errors
///
/// Why it failed, and with which exit code.
pub async fn dispatch(ctx: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => commands::demo::run(ctx, args).await,
        Command::Serve(args) => commands::serve::run(ctx, args).await,
        Command::Project(args) => commands::project::run(ctx, args).await,
        Command::Account(args) => commands::account::run(ctx, args).await,
        Command::Setup(args) => commands::setup::run(ctx, args).await,
        Command::Emit(args) => commands::emit::run(ctx, *args).await,
        Command::Terminal(args) => commands::terminal::run(ctx, args).await,
        Command::Compose(args) => commands::compose::run(ctx, args).await,
        Command::Import(args) => commands::import::run(ctx, args).await,
        Command::Issue(args) => commands::issue::run(ctx, args).await,
        Command::Stats(args) => commands::stats::run(ctx, args).await,
        Command::Trace(args) => commands::trace::run(ctx, args).await,
        Command::Seal(args) => commands::seal::run(ctx, args),
        Command::Verify(args) => commands::verify::run(ctx, &args).await,
        Command::Audit(args) => commands::audit::run(ctx, args).await,
        Command::Rebuild(args) => commands::rebuild::run(ctx, args).await,
        Command::Archive(args) => commands::archive::run(ctx, args).await,
        Command::Backup(args) => commands::archive::backup(ctx, args).await,
        Command::Restore(args) => commands::restore::run(ctx, args).await,
        Command::Recover(args) => commands::recover::run(ctx, args).await,
        Command::Drill(args) => commands::drill::run(ctx, args).await,
        Command::Doctor(args) => commands::doctor::run(ctx, args).await,
        Command::NatsConfig(args) => commands::nats_config::run(ctx, args).await,
        Command::NatsWatch(args) => commands::nats_watch::run(ctx, args).await,
        Command::Config(args) => commands::config::run(ctx, args).await,
        Command::Explain(args) => commands::explain::run(ctx, args).await,
        Command::Bench(args) => commands::bench::run(ctx, args).await,
        Command::Sim(args) => commands::sim::run(ctx, args).await,
    }
}
