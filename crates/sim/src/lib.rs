//! A whole hall in one thread: terminals, network, journal, projector, read store and desk under seeded faults.
//!
//! ```text
//!             one scheduler, one clock, one seed
//!   clerks ─► ledger ─► outbox::step ─► network ─► journal ─► Follower ─► Model::fold ─► store
//!             model     product         model      model      product     product        model
//!                                                    ▲           desk, issues: product
//!                                                    └── oracle: plain loops over what people did ──► must be equal
//! ```
//!
//! What decides is the product's own code: the queue's rules, the follower, the projector with its fold, the desk.
//! What they stand on are models with faults: a memory journal and a memory store that pass the suites of their ports,
//! a disk, a network, clocks. Waiting costs nothing: the runtime's time moves only when everybody waits.
//!
//! - *Safety*: after every step the rows equal what the [`oracle`] says of exactly the messages up to the checkpoint.
//! - *Liveness*: then everything is healed, and all must come to an end: ledgers empty, everything counted once.
//! - *Replay*: the same seed gives the same [`Outcome::trace`]; a [`Failure`] names the seed and the step.
//!
//! Each seed draws which kinds of faults it has, how many terminals and how much work (swarm testing). How well the
//! simulator sees is tested itself: with the feature `planted-bugs` every bug of `zhoubao_domain::planted` must be
//! found. Read [`oracle`] first, then [`world`].

mod device;
pub mod dice;
pub mod fault;
mod office;
pub mod oracle;
pub mod store;
mod verdict;
pub mod world;

pub use world::{Failure, Outcome, Settings, run};
