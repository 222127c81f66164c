//! Releasing and rejecting (放行、驳回): what does not wait is refused before it is a fact.

use zhoubao_contract::{Draft, encode};
use zhoubao_domain::code::Weight;
use zhoubao_domain::event::{Event, Refusal};
use zhoubao_domain::id::{Stream, Subject};

use crate::desk::{By, Desk, DeskError};
use crate::emit::preview;
use crate::journal::head_or_start;
use crate::projector::ProjectError;
use crate::store::StoreError;

impl Desk {
    /// Refuses a release or a rejection that would come to nothing; other events pass. The projector's own fold says so,
    /// run dry: it is the same rule.
    ///
    /// # Errors
    ///
    /// E.112 for what does not wait, and whatever else the fold would flag it for; nothing is stored.
    pub async fn would_settle(&self, event: &Event, by: &By) -> Result<(), DeskError> {
        if !matches!(event, Event::Released { .. } | Event::Rejected { .. }) {
            return Ok(());
        }
        let subject = Subject::new(self.hall().clone(), Stream::Quarantine);
        let end = head_or_start(&**self.journal(), &subject).await?;
        let at = by.at.unwrap_or_else(|| self.now());
        let message = encode(&Draft {
            subject,
            number: end.next_number,
            previous: end.previous,
            occurred_at: at,
            entered_at: None,
            actor: by.actor.clone(),
            command: by.command.clone(),
            event: event.clone(),
        });
        let messages = std::slice::from_ref(&message);
        let said = preview(&**self.journal(), &**self.store(), self.hall(), messages, at).await;
        let said = said.map_err(|error| match error {
            ProjectError::Store(error) => DeskError::Store(error),
            error => DeskError::Store(StoreError::Damaged(error.to_string())),
        })?;
        match said.into_iter().flatten().next() {
            Some(it) if it.code.weight() == Weight::Error => {
                Err(Refusal::new(it.code, it.detail).into())
            }
            _ => Ok(()),
        }
    }
}
