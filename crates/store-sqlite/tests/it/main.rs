//! The SQLite adapters against the suites of their ports, and what is particular to files.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod journal;
mod ledger;
mod queries;
mod read_models;
mod restore;
