//! Ports, use cases and the loops of projector and composer: what HTTP and the command line both call.
//!
//! Ports are traits with an in-memory adapter here and a suite each in `zhoubao-conformance`;
//! real adapters are crates of their own and never depend on each other.

pub mod audit;
pub mod blobs;
pub mod board;
pub mod bundle;
pub mod clock;
pub mod committer;
pub mod desk;
pub mod emit;
pub mod follow;
pub mod journal;
pub mod known;
pub mod memory;
pub mod package;
pub mod projector;
pub mod publication;
pub mod receipts;
pub mod seal;
mod settling;
pub mod standing;
pub mod statistics;
pub mod store;
pub mod trace;
pub mod tree;
pub mod way;
pub mod weekly;
pub mod writer;
