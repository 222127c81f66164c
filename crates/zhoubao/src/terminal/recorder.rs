//! Writes what comes in into the ledger, as many at a time as are waiting, and answers once it is on disk.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};
use zhoubao_application::way::{self, Part, Since};
use zhoubao_contract::structured::Incoming;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;
use zhoubao_store_sqlite::ledger::{Ledger, LedgerError, Recorded};

use super::clock::{Clocks, mark};
use crate::failure::{Failure, chain};

/// Most events of one transaction, unless one order has more.
const TOGETHER_MAX: usize = 200;

/// The answer to each event of an order, or why none of them was recorded.
pub type Answer = Result<Vec<Result<Recorded, Refusal>>, Failure>;

/// Events that are recorded in one transaction, and who waits for them.
#[derive(Debug)]
pub struct Order {
    /// The events.
    pub events: Vec<Incoming>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Answer>,
    /// When the key was pressed, as far as the page says so; else when they were handed in.
    pub came: Instant,
}

/// Records until nobody can order any more; tells `recorded` the last number after each transaction.
///
/// A clock that is wrong keeps nothing from being recorded: the event says how wrong it was, and a jump is noted.
pub async fn record(
    ledger: Arc<Ledger>,
    clocks: Arc<Clocks>,
    mut orders: mpsc::Receiver<Order>,
    recorded: watch::Sender<u64>,
) {
    let mut there = Vec::with_capacity(TOGETHER_MAX);
    while !there.is_empty() || orders.recv_many(&mut there, TOGETHER_MAX).await > 0 {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        for order in there.drain(..together(&there)) {
            waiting.push((order.events.len(), order.answer, order.came));
            events.extend(order.events);
        }
        let stamp = clocks.stamp();
        mark(&mut events, &clocks.notes(), &stamp);
        match ledger.record(&events, &stamp).await {
            Ok(answers) => {
                let last = answers.iter().flatten().map(|it| it.number).max();
                let new = answers.iter().flatten().find(|it| !it.repeated);
                if let Some(new) = new {
                    clocks.recorded(new.number, stamp).await;
                }
                recorded.send_if_modified(|it| {
                    let before = *it;
                    *it = before.max(last.unwrap_or_default());
                    *it != before
                });
                let mut answers = answers.into_iter();
                let mut told = events.iter();
                for (count, waiting, came) in waiting {
                    let answers: Vec<_> = answers.by_ref().take(count).collect();
                    if way::is_followed() {
                        tell(told.by_ref().take(count), &answers, came);
                    }
                    // Whoever has gone asks again by the same command.
                    let _ = waiting.send(Ok(answers));
                }
            }
            Err(error) => {
                let failure = Failure::from(error);
                tracing::error!(error = failure.message, "nothing was recorded");
                for (_, waiting, _) in waiting {
                    let _ = waiting.send(Err(failure.clone()));
                }
            }
        }
    }
}

/// Tells of the events that were new.
fn tell<'a>(
    events: impl Iterator<Item = &'a Incoming>,
    answers: &[Result<Recorded, Refusal>],
    came: Instant,
) {
    for (event, answer) in events.zip(answers).take(way::TOLD_MAX) {
        if let Ok(Recorded { number, repeated: false }) = answer {
            let (subject, since) = (event.subject.to_string(), Since::Ago(came.elapsed()));
            way::tell(Part::Recorded, &subject, &number.to_string(), None, since);
        }
    }
}

/// How many of the orders that are there go into one transaction: at least one, and each as a whole.
fn together(there: &[Order]) -> usize {
    let mut events = 0;
    let fit = there.iter().take_while(|it| {
        events += it.events.len();
        events <= TOGETHER_MAX
    });
    fit.count().max(1).min(there.len())
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match &error {
            LedgerError::Unavailable { .. } => Self::unavailable(chain(&error)),
            LedgerError::Damaged { .. } => Self::integrity(chain(&error)).with_next(
                "keep the file; take the terminal out of service and enter another: what the journal has of it stays",
            ),
            LedgerError::Older { .. } => Self::coded(Code::Configuration, chain(&error))
                .with_next("start the terminal's agent once: it brings its ledger up to date"),
            LedgerError::Foreign { code, .. } => Self::coded(*code, chain(&error)),
        }
    }
}
