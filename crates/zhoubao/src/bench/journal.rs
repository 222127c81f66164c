//! What is measured on: the sample hall's set-up, then as many acts as wanted.

use zhoubao_application::journal::BATCH_MESSAGES_MAX;
use zhoubao_application::writer::{Unnumbered, Writer};
use zhoubao_domain::id::Stream;

use super::{HALL, hall};
use crate::failure::{Failure, chain};
use crate::sample::{Sample, TerminalEvent};
use crate::wiring::Context;

/// The sample under the benchmark's code.
pub(crate) fn sample() -> Result<Sample, Failure> {
    let mut sample = Sample::load().map_err(|error| Failure::integrity(chain(&error)))?;
    sample.hall = hall(HALL)?;
    Ok(sample)
}

/// An act that is ready to be written.
pub(crate) fn unnumbered(it: TerminalEvent) -> Unnumbered {
    Unnumbered {
        stream: Stream::Terminal(it.terminal),
        occurred_at: it.occurred_at,
        entered_at: None,
        actor: Some(it.actor),
        command: None,
        event: it.event,
    }
}

/// Writes set-up, authorizations and `count` acts, and answers with the journal's last sequence.
pub(crate) async fn fill(ctx: &Context, count: u64, seed: u64) -> Result<u64, Failure> {
    let sample = sample()?;
    let journal = ctx.open_journal().await?;
    if journal.state().await?.last != 0 {
        return Err(Failure::usage("the benchmark's journal is not empty"));
    }
    let mut writer = Writer::new(journal.clone(), sample.hall.clone());
    let setup = sample.setup.iter().map(|(topic, id, event)| Unnumbered {
        stream: Stream::Setup(*topic, id.clone()),
        occurred_at: sample.began_at,
        entered_at: None,
        actor: Some(sample.people.administrator.clone()),
        command: None,
        event: event.clone(),
    });
    let register = sample.authorizations.iter().map(|it| Unnumbered {
        stream: it.stream.clone(),
        occurred_at: it.occurred_at,
        entered_at: None,
        actor: Some(it.actor.clone()),
        command: None,
        event: it.event.clone(),
    });
    writer.write(setup.chain(register).collect()).await?;
    let bar = ctx.output.progress(count, "写入 filling");
    let mut acts = sample.bulk(count, seed).map(unnumbered).peekable();
    while acts.peek().is_some() {
        let batch: Vec<_> = acts.by_ref().take(BATCH_MESSAGES_MAX).collect();
        bar.inc(batch.len() as u64);
        writer.write(batch).await?;
    }
    bar.finish_and_clear();
    Ok(journal.state().await?.last)
}
