//! Journal, read models and the ledger of a terminal in SQLite.

mod busy;
pub mod journal;
pub mod ledger;
pub mod raw;
pub mod read_models;
pub mod restore;
