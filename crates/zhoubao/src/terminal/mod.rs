//! The agent of a window's device: what it records is on its own disk first, and goes to the journal by itself.
//!
//! ```text
//!  standard input ─► recorder ─► ledger ◄─ sender ─► journal
//!                      │ "saved" │            ▲
//!                      ▼         └─ recorded ─┘
//!                    clerk
//! ```

pub mod recorder;
pub mod sender;
