//! The wire form of every event: CloudEvents 1.0 attributes around a proto3 JSON body.
//!
//! Terminals, the gateway and imports write [`Message`]s; the journal keeps them as they came; [`decode`] turns
//! what it kept into the domain's [`Recorded`](zhoubao_domain::event::Recorded). The contract itself is
//! `proto/zhoubao/v1/*.proto`, one message a `ce-type`.
//!
//! # Rules of this crate
//!
//! - Stored bytes are hashed, never re-serialised JSON ([`hash()`]): a program that knows nothing of the bodies
//!   can check a chain.
//! - [`decode`] never loses an identity that could be read: the head of a line moves even past an event that
//!   nobody understands yet.
//! - What was decoded once is decoded for ever: `examples/v1` holds one of each type, and stays.
//! - No I/O and no clock.
//!
//! Read [`message`] first, then [`decode`], [`body`] and [`structured`]; [`archive`] is a journal's copy in files,
//! [`asyncapi`] describes it to other programs.

pub mod archive;
pub mod asyncapi;
pub mod body;
pub mod codec;
pub mod merkle;
pub mod message;
pub mod receipt;
pub mod signature;
pub mod structured;

mod strict;
mod text;
mod wire;

pub use body::{event_from_json, event_to_json};
pub use codec::{DecodeError, Draft, decode, encode};
pub use message::{Attributes, Message, Stored, hash};
pub use structured::{Incoming, to_structured};
