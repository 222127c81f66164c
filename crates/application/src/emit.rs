//! What an event would come to, before it is saved: the projector's own fold, run dry.

use jiff::Timestamp;
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::code::Weight;
use zhoubao_domain::id::HallCode;
use zhoubao_projections::model::{Incoming, Model};
use zhoubao_projections::rows::ExceptionRow;

use crate::journal::Journal;
use crate::projector::{ProjectError, look_up};
use crate::store::ReadModels;

/// What the fold would say of each message if they were appended now, in order: nothing, or why it would be
/// warned of, flagged, held or quarantined.
///
/// # Errors
///
/// When journal or store do not answer or are damaged.
pub async fn preview(
    journal: &dyn Journal,
    store: &dyn ReadModels,
    hall: &HallCode,
    messages: &[Message],
    now: Timestamp,
) -> Result<Vec<Option<ExceptionRow>>, ProjectError> {
    let seed = store.seed(hall).await.map_err(ProjectError::Store)?;
    let after = seed.checkpoint.as_ref().map_or(0, |it| it.sequence);
    let mut model = Model::seed(hall.clone(), seed.checkpoint, &seed.facts, seed.heads)?;
    let run: Vec<Incoming> = messages
        .iter()
        .zip(after + 1..)
        .map(|(message, position)| {
            let stored = Stored { position, recorded_at: now, message: message.clone() };
            Incoming::read(stored, hall)
        })
        .collect();
    let needs = model.needs(&run);
    let found = look_up(journal, store, hall, &mut model, needs).await?;
    model.supply(found);
    model.fold_run(run, "");
    let (changes, _) = model.take();
    let mut said = vec![None; messages.len()];
    for exception in changes.exceptions {
        let place = usize::try_from(exception.position - after - 1).unwrap_or(usize::MAX);
        if let Some(said) = said.get_mut(place)
            && (said.is_none() || exception.code.weight() == Weight::Error)
        {
            *said = Some(exception);
        }
    }
    Ok(said)
}
