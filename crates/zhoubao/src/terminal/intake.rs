//! The way into the ledger: what an event of this device must be, and the queue to the recorder.

use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use zhoubao_contract::structured::{Incoming, parse};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, Subject};
use zhoubao_store_sqlite::ledger::Recorded;

use super::recorder::{Answer, Order};
use crate::commands::emit::LINE_BYTES_MAX;
use crate::failure::Failure;

/// Takes events of one terminal, from wherever they come.
#[derive(Debug, Clone)]
pub struct Intake {
    hall: HallCode,
    own: Subject,
    orders: mpsc::Sender<Order>,
}

impl Intake {
    /// Orders go to the recorder of the terminal whose line is `own`.
    #[must_use]
    pub fn new(hall: HallCode, own: Subject, orders: mpsc::Sender<Order>) -> Self {
        Self { hall, own, orders }
    }

    /// The line of the terminal.
    #[must_use]
    pub fn own(&self) -> &Subject {
        &self.own
    }

    /// Reads one event in JSON, which must be of this terminal and without a number.
    ///
    /// # Errors
    ///
    /// E.121 for too many bytes; the codes of [`parse`]; E.102 for another line's event, or one that is numbered.
    pub fn read(&self, text: &str) -> Result<Incoming, Failure> {
        if text.len() > LINE_BYTES_MAX {
            let message = format!("{} bytes, at most {LINE_BYTES_MAX}", text.len());
            return Err(Failure::coded(Code::TooLarge, message));
        }
        let event = parse(text, &self.hall)?;
        let own = &self.own;
        if event.subject != *own {
            let message = format!(
                "本机只录 {own} this device records in its own line, not in {}",
                event.subject
            );
            return Err(Failure::coded(Code::Malformed, message));
        }
        if event.number.is_some() {
            let message =
                "编号由台账给出 the ledger numbers: leave `id`, `prevhash` and `hash` away";
            return Err(Failure::coded(Code::Malformed, message));
        }
        if event.attributes.clockoffset.is_some() || event.attributes.clockunsure.is_some() {
            let message = "时钟偏差由本机测得 the device measures its clock: leave `clockoffset` and `clockunsure` away";
            return Err(Failure::coded(Code::Malformed, message));
        }
        Ok(event)
    }

    /// Hands events that came at `came` to the recorder, which records them in one transaction; what comes of it is heard
    /// by [`outcomes`].
    pub async fn order(&self, events: Vec<Incoming>, came: Instant) -> oneshot::Receiver<Answer> {
        let (answer, receiver) = oneshot::channel();
        // A recorder that has ended drops the order, which `outcomes` hears.
        let _ = self.orders.send(Order { events, answer, came }).await;
        receiver
    }
}

/// Waits until events are on disk, and answers of each; E.104 for a command that was recorded with another content.
///
/// # Errors
///
/// E.705 when nothing can be recorded: then none of them is.
pub async fn outcomes(
    receiver: oneshot::Receiver<Answer>,
) -> Result<Vec<Result<Recorded, Failure>>, Failure> {
    let answers = receiver.await;
    let answers =
        answers.unwrap_or_else(|_| Err(Failure::unavailable("the recorder has ended")))?;
    Ok(answers.into_iter().map(|it| it.map_err(Failure::from)).collect())
}
