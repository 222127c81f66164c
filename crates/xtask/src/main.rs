//! Set-up, demo and test runs on a bare machine.
fn main() {}
