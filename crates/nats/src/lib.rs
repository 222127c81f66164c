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
//! - No request goes out while the connection is known to be down: a publish that waits in a buffer would be stored
//!   after its writer was told that nobody answered.
//! - No stored bytes stop a reader: the client cuts the connection at headers that are not well formed, so such a
//!   message is read by itself, in another form.
//! - A server that would lose acknowledged events is refused at [`NatsJournal::connect`], with the line that
//!   mends its configuration.
//!
//! Read [`journal`] first, then `append` and `cursor`; [`check`] says what a safe server is, [`stream`] what a
//! safe stream, [`config`] who may do what.

mod append;
pub mod blobs;
pub mod board;
pub mod check;
pub mod config;
pub mod connection;
mod cursor;
pub mod fault;
pub mod journal;
pub mod line;
mod message;
pub mod raw;
pub mod receipts;
pub mod restore;
pub mod stream;
pub mod watch;

pub use blobs::NatsBlobs;
pub use board::NatsBoard;
pub use check::{Finding, Severity};
pub use connection::{Identity, Options, Tls};
pub use fault::Fault;
pub use journal::{BrokerState, NatsJournal};
pub use line::NatsLine;
pub use receipts::NatsReceipts;
pub use stream::StreamOptions;
