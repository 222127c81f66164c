//! The agent of a window's device: what it records is on its own disk first, and goes to the journal by itself.
//!
//! ```text
//!  standard input ─┐
//!                  ├─► intake ─► recorder ─► ledger ◄─ sender ─► journal
//!  local port ─────┘               │ "saved" │            ▲
//!   (http)                         ▼         └─ recorded ─┘
//!                                clerk
//! ```

pub mod check;
pub mod clerks;
pub mod clock;
pub mod corrections;
pub mod door;
pub mod http;
pub mod intake;
pub mod keys;
pub mod recorder;
pub mod sender;
pub mod server;
pub mod standing;
