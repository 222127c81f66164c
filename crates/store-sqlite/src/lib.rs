//! Journal and read models in SQLite.
