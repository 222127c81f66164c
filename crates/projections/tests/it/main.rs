//! The fold, event by event.

#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod cover;
mod early;
mod fold;
mod journal;
mod needs;
mod rows;
