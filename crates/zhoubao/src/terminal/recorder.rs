//! Writes what comes in into the ledger, as many at a time as are waiting, and answers once it is on disk.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use zhoubao_application::clock::Clock;
use zhoubao_contract::structured::Incoming;
use zhoubao_domain::event::Refusal;
use zhoubao_store_sqlite::ledger::{Ledger, LedgerError, Recorded, Stamp};

use crate::failure::{Failure, chain};

/// Most events of one transaction.
const TOGETHER_MAX: usize = 200;

/// The answer to one event.
pub type Answer = Result<Result<Recorded, Refusal>, Failure>;

/// One event and who waits for it.
pub struct Order {
    /// The event.
    pub event: Incoming,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Answer>,
}

/// Records until nobody can order any more; tells `recorded` the last number after each transaction.
pub async fn record(
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    mut orders: mpsc::Receiver<Order>,
    recorded: watch::Sender<u64>,
) {
    let boot = boot_id();
    let mut together = Vec::with_capacity(TOGETHER_MAX);
    while orders.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let (events, waiting): (Vec<_>, Vec<_>) =
            together.drain(..).map(|it| (it.event, it.answer)).unzip();
        let stamp = Stamp { wall: clock.now(), monotonic_us: since_boot_us(), boot: boot.clone() };
        match ledger.record(&events, &stamp).await {
            Ok(answers) => {
                let last = answers.iter().flatten().map(|it| it.number).max();
                recorded.send_if_modified(|it| {
                    let before = *it;
                    *it = before.max(last.unwrap_or_default());
                    *it != before
                });
                for (waiting, answer) in waiting.into_iter().zip(answers) {
                    // Whoever has gone asks again by the same command.
                    let _ = waiting.send(Ok(answer));
                }
            }
            Err(error) => {
                let failure = Failure::from(error);
                tracing::error!(error = failure.message, "nothing was recorded");
                for waiting in waiting {
                    let _ = waiting.send(Err(failure.clone()));
                }
            }
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match &error {
            LedgerError::Unavailable { .. } => Self::unavailable(chain(&error)),
            LedgerError::Damaged { .. } => Self::integrity(chain(&error)).with_next(
                "keep the file; take the terminal out of service and enter another: what the journal has of it stays",
            ),
            LedgerError::Foreign { .. } => Self::configuration(chain(&error)),
        }
    }
}

/// Microseconds since the machine was switched on, sleep included.
fn since_boot_us() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1_000)
}

/// Which time the machine was switched on; empty where the system does not say.
fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
