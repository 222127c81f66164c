//! The journal of a hall on NATS JetStream.
//!
//! ```text
//!  append ──► hall.<code>.terminal.w01 ──► stream HALL_<code> ──► ephemeral pull consumer ──► Cursor
//!             expectation on the exact      file, never deletes,    from any sequence,
//!             subject, no message id        fsync per append        ack none
//! ```
//!
//! # Rules of this crate
//!
//! - It is the only one that knows async-nats.
//! - An append is acknowledged by the server or found in the stream; nothing else counts as stored. What could
//!   not be found out is [`Unavailable`](zhoubao_application::journal::AppendError::Unavailable).
//! - No request goes out while the connection is down: a publish that waits in a buffer would be stored after
//!   its writer was told that nobody answered.
//! - A server that would lose acknowledged events is refused at [`NatsJournal::connect`], with the line that
//!   mends its configuration.
//!
//! Read [`journal`] first, then `append` and `cursor`; [`check`] says what a safe server is, [`stream`] what a
//! safe stream.

pub mod journal;
mod append;
mod cursor;
pub mod check;
pub mod stream;
mod message;
pub mod connection;
pub mod fault;

pub use check::{Finding, Severity};
pub use connection::{Identity, Options, Tls};
pub use fault::Fault;
pub use journal::{BrokerState, NatsJournal};
pub use stream::StreamOptions;
