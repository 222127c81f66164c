//! The record-keeping backend of a government service hall.
fn main() {}
