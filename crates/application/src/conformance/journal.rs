//! What every adapter of the journal port must do.
