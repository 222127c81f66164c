//! Read models in PostgreSQL.
//!
//! One database holds the read models of many halls, all in one schema ([`SCHEMA`]). Nothing here is the truth: the
//! schema can be dropped at any time and folded again from the journal. A rebuild writes a second copy into another
//! schema and takes the live one's place in one transaction ([`PostgresReadModels::swap`]).
//!
//! # Rules of this crate
//!
//! - A page is one transaction: first the guarded checkpoint, then one statement a table, whatever the page's size.
//! - A transaction of several statements begins with the checkpoint, by lock or by row: [`PostgresReadModels::swap`]
//!   locks it too, so no transaction sees tables of two copies.
//! - Nothing is retried here. Whoever gets [`StoreError::Unavailable`] reads the checkpoint again and goes on from it;
//!   that also resolves a commit whose outcome nobody heard.
//! - SQL is in `queries/`, checked at compile time; only the dump puts statements together, from constants.
//!
//! Read [`connection`] first, then `commit` and `read_models`.
//!
//! [`StoreError::Unavailable`]: zhoubao_application::store::StoreError::Unavailable

mod commit;
pub mod connection;
mod convert;
mod dump;
mod fault;
pub mod raw;
mod read_models;

pub use connection::{ConnectError, PostgresReadModels, SCHEMA, Settings, SwapError};
