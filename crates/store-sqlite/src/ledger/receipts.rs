//! What the hall has said of the line.

use zhoubao_domain::id::PublicKey;

use super::{Ledger, LedgerError};

/// The last receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The key that its signature must be of.
    pub key: PublicKey,
    /// The signed text; none yet where only a key is trusted.
    pub text: Option<String>,
}

impl Ledger {
    /// What was heard last.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn heard(&self) -> Result<Option<Heard>, LedgerError> {
        let row = self
            .with(async |connection| {
                sqlx::query_file!("queries/ledger/receipt.sql").fetch_optional(connection).await
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        // Written by `hear` only; a file that somebody has changed is as good as one without.
        Ok(row
            .key
            .parse()
            .ok()
            .map(|key| Heard { key, text: (!row.text.is_empty()).then_some(row.text) }))
    }

    /// Notes what was heard.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn hear(&self, heard: &Heard) -> Result<(), LedgerError> {
        let key = heard.key.to_string();
        let text = heard.text.as_deref().unwrap_or_default();
        self.with(async |connection| {
            sqlx::query_file!("queries/ledger/receipt_put.sql", key, text)
                .execute(connection)
                .await?;
            Ok(())
        })
        .await
    }
}
