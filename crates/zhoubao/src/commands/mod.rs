//! One file a subcommand: `run(context, arguments)`.

pub mod config;
pub mod doctor;
pub mod emit;
pub mod explain;
pub mod project;
pub mod rebuild;
pub mod serve;
pub mod setup;
