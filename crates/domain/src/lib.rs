//! The rules of a service hall (政务服务大厅) and of its weekly issue, and nothing else.
//!
//! Windows record what happens ([`event`]); the rules say what of it counts ([`counting`]); once a week the
//! figures ([`figure`]) are frozen, checked ([`reconcile`]) and printed in a numbered issue ([`issue`]).
//!
//! # Rules of this crate
//!
//! - No I/O, clock, randomness or async. Time and ids arrive as arguments.
//! - No `serde`. Stored and sent forms live in `contract`.
//! - `evolve` is total: history is never refused. Only `decide` refuses.
//!
//! Read [`event`] first, then [`counting`] and [`issue`].

pub mod authorization;
pub mod calendar;
pub mod case;
pub mod code;
pub mod counting;
pub mod event;
pub mod figure;
pub mod finding;
pub mod id;
pub mod issue;
pub mod planted;
pub mod reconcile;
pub mod registry;
pub mod time;
