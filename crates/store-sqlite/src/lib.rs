//! Journal and read models in SQLite.

mod busy;
pub mod journal;
pub mod raw;
pub mod read_models;
