//! What each event does to each read model. Pure: messages in, row changes out.
//!
//! A page of the journal goes through three steps: [`Model::needs`] names the rows that must be known, the store
//! looks them up, and [`Model::fold_run`] turns each message into changes of memory and of rows. All changes of a
//! page are committed with the checkpoint in one transaction. Memory is ahead of the store by what is being committed;
//! when that fails, the [`Model`] is dropped and seeded anew.
//!
//! The record of what counts is the list of [`entry::Entry`]: every act and every amendment of it, with sign, day
//! and amount. Tallies are its sums; any figure can be recounted from it as of any position.
//!
//! Read [`entry`] first, then [`rows`], [`model`] and [`cover`].

pub mod cover;
pub mod early;
pub mod entry;
pub mod freeze;
pub mod model;
pub mod recount;
pub mod rows;
mod working;

pub use model::Model;
