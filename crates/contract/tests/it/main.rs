//! The contract, seen from outside the crate.

mod hash;
