//! Receipts in a stream of their own, the latest of each terminal.

use async_trait::async_trait;
use serde_json::Value;
use zhoubao_application::journal::JournalError;
use zhoubao_application::receipts::Receipts;
use zhoubao_domain::id::{HallCode, TerminalId};

use crate::connection::{ANSWER_WAIT, Connection, Options, acknowledged};
use crate::fault::Fault;
use crate::journal::STREAM_EXISTS;
use crate::message::text_of_direct_get;
use crate::stream::{receipt_request, receipt_subject, receipts_settings};

/// The hall's receipts on NATS JetStream.
#[derive(Debug)]
pub struct NatsReceipts {
    connection: Connection,
    hall: HallCode,
}

impl NatsReceipts {
    /// Connects. The stream is made with the hall's ([`NatsJournal::ensure_stream`](crate::NatsJournal::ensure_stream)).
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] when the server cannot be reached or refuses.
    pub async fn connect(options: &Options) -> Result<Self, JournalError> {
        let connection = Connection::open(options).await?;
        Ok(Self { connection, hall: options.hall.clone() })
    }
}

/// Makes the stream of receipts, if it is not there.
pub(crate) async fn make(
    connection: &Connection,
    hall: &HallCode,
    replicas: usize,
) -> Result<(), Fault> {
    let config = receipts_settings(hall, replicas);
    let subject = format!("STREAM.CREATE.{}", config.name);
    match connection.check_api::<Value>(&subject, &config).await {
        Ok(_) | Err(Fault::Refused { code: STREAM_EXISTS, .. }) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// The receipt of a terminal.
pub(crate) async fn get(
    connection: &Connection,
    hall: &HallCode,
    terminal: &TerminalId,
) -> Result<Option<String>, JournalError> {
    let request = receipt_request(hall, terminal);
    match connection.ask(&request, None, "".into(), ANSWER_WAIT).await {
        Ok(answer) => Ok(text_of_direct_get(&answer)?),
        // Nobody has made the stream yet.
        Err(Fault::NoResponders) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}

#[async_trait]
impl Receipts for NatsReceipts {
    async fn put(&self, terminal: &TerminalId, text: &str) -> Result<(), JournalError> {
        let subject = receipt_subject(&self.hall, terminal);
        let payload = text.to_owned().into();
        let answer = self.connection.ask(&subject, None, payload, ANSWER_WAIT).await?;
        acknowledged(&answer.payload)?;
        Ok(())
    }

    async fn get(&self, terminal: &TerminalId) -> Result<Option<String>, JournalError> {
        get(&self.connection, &self.hall, terminal).await
    }
}
