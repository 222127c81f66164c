//! The live board, for programs that listen to the broker: told, and not kept.

use std::time::Duration;

use async_nats::{StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::broadcast::Receiver;
use zhoubao_application::journal::JournalError;

use crate::connection::{Connection, Options, Signal, concerns};
use crate::fault::Fault;
use crate::stream::live_board;

/// Tells what the live board of a hall shows.
#[derive(Debug)]
pub struct NatsBoard {
    connection: Connection,
    subject: String,
    /// Where the server says that nobody listens.
    inbox: String,
    unheard: Subscriber,
    signals: Receiver<Signal>,
    asked: bool,
}

impl NatsBoard {
    /// Connects.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] when the server cannot be reached or refuses.
    pub async fn connect(options: &Options) -> Result<Self, JournalError> {
        let connection = Connection::open(options).await?;
        let inbox = connection.client.new_inbox();
        let unheard = connection.client.subscribe(inbox.clone()).await;
        Ok(Self {
            unheard: unheard.map_err(|_| Fault::Disconnected)?,
            signals: connection.signals(),
            subject: live_board(&options.hall),
            connection,
            inbox,
            asked: false,
        })
    }

    /// Tells of a change. One that cannot be sent now is gone: a later one, or the whole board, makes up for it.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] when the server refused an earlier one.
    pub async fn tell(&mut self, text: Bytes) -> Result<(), JournalError> {
        Ok(self.send(text, None).await?)
    }

    /// Tells the whole board. Answers whether somebody listened the last time.
    ///
    /// # Errors
    ///
    /// As [`Self::tell`].
    pub async fn tell_whole(&mut self, text: Bytes) -> Result<bool, JournalError> {
        let mut listened = self.asked;
        while let Some(Some(answer)) = self.unheard.next().now_or_never() {
            listened &= answer.status != Some(StatusCode::NO_RESPONDERS);
        }
        self.send(text, Some(self.inbox.clone())).await?;
        self.asked = true;
        Ok(listened)
    }

    async fn send(&mut self, text: Bytes, reply: Option<String>) -> Result<(), Fault> {
        while let Ok(signal) = self.signals.try_recv() {
            if let Signal::Refused(words) = signal
                && concerns(&words, &self.subject)
            {
                return Err(Fault::NotPermitted(words.to_string()));
            }
        }
        // What waits for a connection would be told too late.
        if self.connection.ready(Duration::ZERO).await.is_err() {
            return Ok(());
        }
        let (client, subject) = (&self.connection.client, self.subject.clone());
        let sent = match reply {
            Some(reply) => client.publish_with_reply(subject, reply, text).await,
            None => client.publish(subject, text).await,
        };
        sent.map_err(|error| Fault::Unexpected(error.to_string()))
    }
}
