//! The contract, seen from outside the crate.

#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of test functions")]

mod api;
mod archive;
mod awkward;
mod examples;
mod hash;
mod merkle;
mod roundtrip;
mod samples;
