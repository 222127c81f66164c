//! One file a subcommand: `run(context, arguments)`.

pub mod archive;
pub mod bench;
pub mod compose;
pub mod config;
pub mod demo;
mod diff_formats;
pub mod doctor;
pub mod drill;
pub mod emit;
pub mod enrol;
pub mod explain;
pub mod import;
pub mod issue;
pub mod nats_config;
pub mod nats_watch;
pub mod project;
pub mod rebuild;
pub mod recover;
pub mod restore;
pub mod serve;
pub mod setup;
pub mod sim;
pub mod stats;
pub mod terminal;
