//! Journal and read models in SQLite.

pub mod journal;
