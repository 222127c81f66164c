//! The record-keeping backend of a government service hall: subcommands, configuration, wiring.
//!
//! The only crate that names concrete adapters. `src/main.rs` is one line; tests and the demo use the library.
//!
//! Read [`cli`] first, then [`wiring`]; each subcommand is a file in [`commands`]. Results go to stdout and
//! everything else to stderr ([`output`]); every error becomes a [`failure::Failure`], which is the exit code.

pub mod archive;
pub mod asking;
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
pub mod following;
pub mod fonts;
pub mod forms;
pub mod giving_way;
pub mod lines;
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
        Command::Explain(_) | Command::Api(_) => Config::default(),
        Command::Verify(args) if !args.with_journal => Config::default(),
        _ => {
            let mut flags = cli.global.settings();
            let pages = match &cli.command {
                Command::Serve(it) => it.pages.listen.as_ref(),
                Command::Demo(it) => it.pages.listen.as_ref(),
                _ => None,
            };
            flags.extend(pages.map(|it| ("listen", it.clone())));
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
    let following = telemetry::start(&config, default)?;
    let ctx = Context::new(config, Arc::new(SystemClock), output);
    let done = dispatch(&ctx, cli.command).await;
    if let Some(following) = following {
        following.end().await;
    }
    done
}

/// Runs one command in a context that is already made.
///
/// # Errors
///
/// Why it failed, and with which exit code.
pub async fn dispatch(ctx: &Context, command: Command) -> Result<(), Failure> {
    // Boxed: whoever waits for one of them need not have room for the largest.
    match command {
        Command::Demo(args) => Box::pin(commands::demo::run(ctx, args)).await,
        Command::Serve(args) => Box::pin(commands::serve::run(ctx, args)).await,
        Command::Project(args) => Box::pin(commands::project::run(ctx, args)).await,
        Command::Account(args) => Box::pin(commands::account::run(ctx, args)).await,
        Command::Setup(args) => Box::pin(commands::setup::run(ctx, args)).await,
        Command::Emit(args) => Box::pin(commands::emit::run(ctx, *args)).await,
        Command::Terminal(args) => Box::pin(commands::terminal::run(ctx, args)).await,
        Command::Compose(args) => Box::pin(commands::compose::run(ctx, args)).await,
        Command::Import(args) => Box::pin(commands::import::run(ctx, args)).await,
        Command::Desk(args) => Box::pin(commands::desk::run(ctx, args)).await,
        Command::Issue(args) => Box::pin(commands::issue::run(ctx, args)).await,
        Command::Stats(args) => Box::pin(commands::stats::run(ctx, args)).await,
        Command::Trace(args) => Box::pin(commands::trace::run(ctx, args)).await,
        Command::Seal(args) => commands::seal::run(ctx, args),
        Command::Verify(args) => commands::verify::run(ctx, &args).await,
        Command::Audit(args) => Box::pin(commands::audit::run(ctx, args)).await,
        Command::Rebuild(args) => Box::pin(commands::rebuild::run(ctx, args)).await,
        Command::Archive(args) => Box::pin(commands::archive::run(ctx, args)).await,
        Command::Backup(args) => Box::pin(commands::archive::backup(ctx, args)).await,
        Command::Restore(args) => Box::pin(commands::restore::run(ctx, args)).await,
        Command::Recover(args) => Box::pin(commands::recover::run(ctx, args)).await,
        Command::Drill(args) => Box::pin(commands::drill::run(ctx, args)).await,
        Command::Doctor(args) => Box::pin(commands::doctor::run(ctx, args)).await,
        Command::NatsConfig(args) => Box::pin(commands::nats_config::run(ctx, args)).await,
        Command::NatsWatch(args) => Box::pin(commands::nats_watch::run(ctx, args)).await,
        Command::Config(args) => Box::pin(commands::config::run(ctx, args)).await,
        Command::Api(args) => commands::api::run(ctx, &args),
        Command::Explain(args) => Box::pin(commands::explain::run(ctx, args)).await,
        Command::Bench(args) => Box::pin(commands::bench::run(ctx, args)).await,
        Command::Sim(args) => Box::pin(commands::sim::run(ctx, args)).await,
    }
}
