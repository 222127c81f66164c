//! Receipts: what the hall tells each terminal of its line, once the read models have counted it.
//!
//! Two steps: *stored* is what the journal acknowledged, *counted* is what a receipt says. A terminal asks for its
//! receipt whenever it has the journal at hand, so nothing has to reach it.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use zhoubao_contract::receipt::{Open, Receipt};
use zhoubao_contract::signature::SigningKey;
use zhoubao_domain::id::{HallCode, Stream, Subject, TerminalId};
use zhoubao_projections::rows::{Checkpoint, ExceptionRow, Head, Standing};

use crate::journal::JournalError;
use crate::store::{ReadModels, StoreError};

/// Most events that a receipt names; it must fit into a message.
const OPEN_MAX: usize = 40;

/// Where receipts lie, the latest of each terminal.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Puts the receipt of a terminal in the place of the one before.
    async fn put(&self, terminal: &TerminalId, text: &str) -> Result<(), JournalError>;

    /// The receipt of a terminal.
    async fn get(&self, terminal: &TerminalId) -> Result<Option<String>, JournalError>;
}

/// Why receipts were not written; those that were, are.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptsError {
    /// The read models could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A receipt could not be put.
    #[error(transparent)]
    Put(#[from] JournalError),
}

/// Writes the receipts of one hall.
pub struct Writer {
    hall: HallCode,
    key: SigningKey,
    /// What each terminal was told last, without the time.
    told: HashMap<TerminalId, Receipt>,
}

impl Writer {
    /// Signs with the key.
    #[must_use]
    pub fn new(hall: HallCode, key: SigningKey) -> Self {
        Self { hall, key, told: HashMap::new() }
    }

    /// Tells every terminal of which something is new how far its line is counted.
    ///
    /// # Errors
    ///
    /// When the read models or the place of the receipts do not answer.
    pub async fn write(
        &mut self,
        store: &dyn ReadModels,
        receipts: &dyn Receipts,
        now: Timestamp,
    ) -> Result<(), ReceiptsError> {
        for (terminal, receipt) in counted(store, &self.hall).await? {
            if self.told.get(&terminal) == Some(&receipt) {
                continue;
            }
            let text = Receipt { at: now, ..receipt.clone() }.sign(&self.key);
            receipts.put(&terminal, &text).await?;
            self.told.insert(terminal, receipt);
        }
        Ok(())
    }
}

/// How far the line of one terminal is counted; none before anything of it was. Nobody has signed it.
///
/// # Errors
///
/// When the read models do not answer.
pub async fn counted_of(
    store: &dyn ReadModels,
    hall: &HallCode,
    terminal: &TerminalId,
) -> Result<Option<Receipt>, StoreError> {
    // Read first: what is said of the position must hold of what is read after it.
    let Some(checkpoint) = store.checkpoint(hall).await? else { return Ok(None) };
    let line = Stream::Terminal(terminal.clone());
    let heads = store.heads(hall, &line.to_string()).await?;
    // Others may begin with its name.
    let Some((_, head)) = heads.into_iter().find(|(it, _)| *it == line) else { return Ok(None) };
    let open = store.open_exceptions_of(hall, &line).await?;
    let rows: Vec<_> = open.iter().filter(|it| it.standing != Standing::Warned).collect();
    Ok(Some(receipt(hall, terminal, &checkpoint, &head, &rows)))
}

/// How far the line of each terminal is counted, as receipts without a time.
async fn counted(
    store: &dyn ReadModels,
    hall: &HallCode,
) -> Result<Vec<(TerminalId, Receipt)>, StoreError> {
    // Read first: what is said of the position must hold of what is read after it.
    let Some(checkpoint) = store.checkpoint(hall).await? else { return Ok(vec![]) };
    let heads = store.heads(hall, "terminal.").await?;
    let open = store.exceptions(hall, true).await?;
    let mut of_line: HashMap<&str, Vec<&ExceptionRow>> = HashMap::new();
    for it in open.iter().filter(|it| it.standing != Standing::Warned) {
        of_line.entry(&it.stream).or_default().push(it);
    }
    let receipts = heads.into_iter().filter_map(|(stream, head)| {
        let rows = of_line.remove(stream.to_string().as_str()).unwrap_or_default();
        let Stream::Terminal(terminal) = stream else { return None };
        let receipt = receipt(hall, &terminal, &checkpoint, &head, &rows);
        Some((terminal, receipt))
    });
    Ok(receipts.collect())
}

fn receipt(
    hall: &HallCode,
    terminal: &TerminalId,
    checkpoint: &Checkpoint,
    head: &Head,
    rows: &[&ExceptionRow],
) -> Receipt {
    Receipt {
        source: Subject::new(hall.clone(), Stream::Terminal(terminal.clone())).to_string(),
        number: head.number,
        hash: head.hash,
        incarnation: checkpoint.incarnation.clone(),
        position: head.position.max(rows.last().map_or(0, |it| it.position)),
        open: rows.iter().take(OPEN_MAX).map(|it| open_event(it)).collect(),
        open_count: rows.len() as u64,
        at: Timestamp::UNIX_EPOCH,
    }
}

fn open_event(it: &ExceptionRow) -> Open {
    Open {
        number: it.number,
        position: it.position,
        standing: it.standing.word().to_owned(),
        code: it.code.text().to_owned(),
        detail: it.detail.chars().take(120).collect(),
    }
}
