//! Journal and read models in SQLite.

pub mod journal;
pub mod read_models;
