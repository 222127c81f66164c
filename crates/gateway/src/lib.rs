//! What people and programs see of a hall over HTTP: live boards, issues, the desk.
//!
//! One table ([`routes`]) says which route there is and who may use it; the router and its checks are made from it, so
//! a route without a row cannot be. Handlers call the use cases of `application` and nothing else; what the command line
//! does and what a page does is the same function.

pub mod access;
mod answers;
mod assets;
pub mod asyncapi;
pub mod attachment;
mod audit;
pub mod codes;
mod commands;
mod extract;
mod lines;
pub mod live;
pub mod openapi;
mod pages;
pub mod people;
mod problem;
pub mod provider;
mod queries;
pub mod routes;
pub mod server;

use std::sync::Arc;

use axum::Router;
use futures_util::future::BoxFuture;
use zhoubao_application::blobs::Blobs;
use zhoubao_application::clock::Clock;
use zhoubao_application::desk::Desk;
use zhoubao_domain::code::Code;

pub use assets::asset;
pub use audit::Noted;
use live::Live;
pub use pages::window::{Ledger, window};
use people::{Accounts, Sessions};
pub use problem::Problem;
use provider::Provider;

/// Random bytes of the system.
pub type Random = fn() -> Option<[u8; 32]>;

/// Waits until a second copy has a position.
pub type Copied = Box<dyn Fn(u64) -> BoxFuture<'static, Result<(), Problem>> + Send + Sync>;

/// What the handlers work with.
pub struct Gateway {
    /// The hall's desk: journal, read models, rules.
    pub desk: Desk,
    /// Published files.
    pub blobs: Arc<dyn Blobs>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
    /// The live board.
    pub live: Arc<Live>,
    /// Passwords.
    pub accounts: Accounts,
    /// Who is logged in.
    pub sessions: Sessions,
    /// Where people log in elsewhere, if they do.
    pub provider: Option<Provider>,
    /// From whom a sign-off takes a one-time code.
    pub codes: codes::Codes,
    /// The port that is listened on.
    pub port: u16,
    /// Names by which the machine is called, beside its addresses; with one, pages come encrypted through a proxy.
    pub names: Vec<String>,
    /// One password is looked at at a time: each takes 19 MiB.
    pub looking: tokio::sync::Mutex<()>,
    /// Waits until the second copy of the journal, where one is kept, has a position.
    pub copied: Copied,
    /// What was noted of requests lately.
    pub noted: Noted,
}

impl Gateway {
    /// Bytes that nobody can guess.
    ///
    /// # Errors
    ///
    /// E.705 when the system has none.
    pub(crate) fn secret(&self) -> Result<[u8; 32], Problem> {
        (self.random)().ok_or_else(|| Problem::coded(Code::Unavailable, "no random bytes"))
    }
}

/// The routes of a hall.
pub fn router(gateway: Arc<Gateway>) -> Router {
    routes::router(gateway)
}
