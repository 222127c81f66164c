//! What can go wrong between this program and the server.

use std::time::Duration;

use zhoubao_application::journal::JournalError;

/// Why the server did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The connection was lost or could not be made.
    #[error("there is no connection to the NATS server")]
    Disconnected,
    /// The server took the request and was silent.
    #[error("the NATS server gave no answer within {0:?}")]
    Timeout(Duration),
    /// No stream takes the subject: it does not exist, or its server is still starting.
    #[error("no stream answers on the NATS server")]
    NoResponders,
    /// The server's own words, `Permissions Violation for Publish to "…"`.
    #[error("the NATS user lacks a right: {0}")]
    NotPermitted(String),
    /// JetStream refused.
    #[error("JetStream answers {code}: {description}")]
    Refused {
        /// JetStream's own number, such as 10071.
        code: u64,
        /// Its words.
        description: String,
    },
    /// An answer that this program does not understand.
    #[error("unexpected answer of the NATS server: {0}")]
    Unexpected(String),
    /// The options do not make a connection.
    #[error("cannot use the NATS options: {0}")]
    Options(String),
}

impl From<Fault> for JournalError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(Box::new(fault))
    }
}
