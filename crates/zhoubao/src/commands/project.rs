//! `zhoubao project`: folds the journal into the read models.

use serde_json::json;

use crate::cli::ProjectArgs;
use crate::failure::Failure;

use crate::projecting::{keep, patiently, stopped, to_the_end};
use crate::wiring::Context;

/// Projects up to the journal's end, or for ever.
///
/// # Errors
///
/// What keeps the journal from being folded.
pub async fn run(ctx: &Context, args: ProjectArgs) -> Result<(), Failure> {
    if args.once {
        let done = tokio::select! {
            done = to_the_end(ctx) => done?,
            () = stopped() => {
                ctx.output.note("已停止 stopped; the next run goes on from there");
                return Ok(());
            }
        };
        if ctx.output.is_json() {
            ctx.output.value(&json!({ "sequence": done.sequence }));
        } else {
            ctx.output.line(format!("已投影到 projected to {}", done.sequence));
        }
        return Ok(());
    }
    follow(ctx).await
}

/// Projects until it is told to stop.
pub(crate) async fn follow(ctx: &Context) -> Result<(), Failure> {
    let work = async {
        let journal = match patiently(|| ctx.open_checked_journal()).await {
            Ok(journal) => journal,
            Err(failure) => return failure,
        };
        let bar = ctx.output.progress(0, "投影 projecting");
        let mut behind = true;
        keep(ctx, journal, |it| {
            bar.set_length(it.sequence.max(bar.length().unwrap_or(0)));
            bar.set_position(it.sequence);
            if behind && it.caught_up {
                behind = false;
                tracing::info!(log.position = it.sequence, "the read models are up to date");
            }
        })
        .await
    };
    tokio::select! {
        failure = work => Err(failure),
        () = stopped() => {
            ctx.output.note("已停止 stopped");
            Ok(())
        }
    }
}
