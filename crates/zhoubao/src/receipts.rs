//! Receipts on both sides: the projector's process writes them, a terminal hears them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use zhoubao_application::journal::JournalError;
use zhoubao_application::receipts::{Receipts, Writer};
use zhoubao_application::store::ReadModels;
use zhoubao_contract::receipt::Receipt;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, TerminalId};
use zhoubao_nats::NatsReceipts;
use zhoubao_outbox::receipt::{Counted, check};
use zhoubao_store_sqlite::ledger::{Heard, Ledger, LedgerError};

use crate::config::JournalAt;
use crate::failure::Failure;
use crate::terminal::keys::signing_key_or_new;
use crate::wiring::Context;

/// Shortest time between two rounds of receipts: what is counted in a second shares one.
const ROUND: Duration = Duration::from_secs(1);

/// Pause after a round that failed.
const RETRY: Duration = Duration::from_secs(5);

/// Receipts as files of a folder, for a hall whose journal is a file.
struct FolderReceipts(PathBuf);

#[async_trait]
impl Receipts for FolderReceipts {
    async fn put(&self, terminal: &TerminalId, text: &str) -> Result<(), JournalError> {
        let (path, aside) = (self.path(terminal), self.0.join(format!("{terminal}.new")));
        let write = async {
            tokio::fs::create_dir_all(&self.0).await?;
            tokio::fs::write(&aside, text).await?;
            // Whole or not at all. Not synced: one that is lost is written again.
            tokio::fs::rename(&aside, &path).await
        };
        write.await.map_err(|error| JournalError::Unavailable(error.into()))
    }

    async fn get(&self, terminal: &TerminalId) -> Result<Option<String>, JournalError> {
        match tokio::fs::read_to_string(self.path(terminal)).await {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(JournalError::Unavailable(error.into())),
        }
    }
}

impl FolderReceipts {
    fn path(&self, terminal: &TerminalId) -> PathBuf {
        self.0.join(format!("{terminal}.json"))
    }
}

impl Context {
    /// Where the hall's receipts lie.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached.
    pub async fn open_receipts(&self, hall: &HallCode) -> Result<Arc<dyn Receipts>, Failure> {
        match &self.config.journal {
            JournalAt::Sqlite => Ok(Arc::new(FolderReceipts(self.folder().receipts()))),
            JournalAt::Nats(address) => {
                let options = self.nats_options(address, hall.clone());
                Ok(Arc::new(NatsReceipts::connect(&options).await?))
            }
        }
    }
}

/// Writes receipts once, of everything that is counted now.
///
/// # Errors
///
/// When read models or receipts do not answer.
pub async fn write_once(
    ctx: &Context,
    store: &dyn ReadModels,
    hall: &HallCode,
) -> Result<(), Failure> {
    let key = signing_key_or_new(&ctx.folder().receipts_key())?;
    let receipts = ctx.open_receipts(hall).await?;
    let mut writer = Writer::new(hall.clone(), key);
    Ok(writer.write(store, &*receipts, ctx.clock.now()).await?)
}

/// Writes receipts whenever the read models have reached the end of the journal, for ever. Whatever fails is tried
/// again: counting never waits for it.
pub async fn keep(
    ctx: &Context,
    store: &dyn ReadModels,
    hall: &HallCode,
    mut counted: watch::Receiver<u64>,
) -> std::convert::Infallible {
    let mut told = false;
    let mut opened: Option<(Writer, Arc<dyn Receipts>)> = None;
    loop {
        if counted.changed().await.is_err() {
            // Nobody counts any more, and whoever waits for this has gone.
            return std::future::pending().await;
        }
        let round = async {
            let (writer, receipts) = match &mut opened {
                Some(opened) => opened,
                None => {
                    let key = signing_key_or_new(&ctx.folder().receipts_key())?;
                    let receipts = ctx.open_receipts(hall).await?;
                    opened.insert((Writer::new(hall.clone(), key), receipts))
                }
            };
            Ok::<_, Failure>(writer.write(store, &**receipts, ctx.clock.now()).await?)
        };
        match round.await {
            Ok(()) => {
                told = false;
                tokio::time::sleep(ROUND).await;
            }
            Err(failure) => {
                if !told {
                    tracing::warn!(
                        error = failure.message,
                        "no receipts can be written, trying on"
                    );
                    told = true;
                }
                counted.mark_changed();
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Takes what the hall says of the line, if it is to be believed.
///
/// # Errors
///
/// [`HearError`].
pub async fn hear(ledger: &Ledger, text: String) -> Result<(), HearError> {
    let (receipt, key) =
        Receipt::verify(&text).map_err(|_| HearError::Refused(Code::ReceiptKey))?;
    if receipt.source != ledger.subject().to_string() {
        return Err(HearError::Refused(Code::ReceiptKey));
    }
    let before = ledger.heard().await?;
    if before.as_ref().is_some_and(|it| it.text.as_ref() == Some(&text)) {
        return Ok(());
    }
    let own = ledger.hash_of(receipt.number).await?;
    let counted = Counted { number: receipt.number, hash: receipt.hash, key };
    check(&counted, before.map(|it| it.key), own).map_err(HearError::Refused)?;
    Ok(ledger.hear(&Heard { key, text: Some(text) }).await?)
}

/// Why a receipt was not taken.
#[derive(Debug, thiserror::Error)]
pub enum HearError {
    /// It is not believed.
    #[error("{} ({})", .0.title(), .0)]
    Refused(Code),
    /// The ledger does not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The last receipt that the ledger has.
///
/// # Errors
///
/// When the ledger cannot be read.
pub async fn heard(ledger: &Ledger) -> Result<Option<Receipt>, LedgerError> {
    let text = ledger.heard().await?.and_then(|it| it.text);
    Ok(text.and_then(|it| Receipt::verify(&it).ok()).map(|(receipt, _)| receipt))
}

/// The public key of the receipts that this folder writes, if it has written any.
///
/// # Errors
///
/// When its file cannot be read.
pub fn public_key(path: &Path) -> Result<Option<String>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(signing_key_or_new(path)?.public_key().to_string()))
}
