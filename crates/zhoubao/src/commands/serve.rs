//! `zhoubao serve`: every role in one process.

use serde_json::json;
use zhoubao_domain::code::Code;

use crate::cli::ServeArgs;
use crate::commands::{archive, project};
use crate::composing;
use crate::failure::Failure;
use crate::wiring::Context;

/// Serves until it is told to stop.
///
/// # Errors
///
/// What waiting does not mend; servers that are down are waited for.
pub async fn run(ctx: &Context, _args: ServeArgs) -> Result<(), Failure> {
    let hall = ctx.hall()?;
    let config = &ctx.config;
    let mut roles = vec!["projector", "composer"];
    if config.archive.is_some() {
        roles.push("archive");
    }
    if ctx.output.is_json() {
        ctx.output.value(&json!({
            "hall": hall.as_str(),
            "dir": config.dir,
            "journal": config.journal.to_string(),
            "store": config.store.to_string(),
            "roles": roles,
        }));
    } else {
        ctx.output.line(format!("周报 zhoubao {}，大厅 hall {hall}", env!("CARGO_PKG_VERSION")));
        ctx.output.line(format!("  日志 journal      {}", config.journal));
        ctx.output.line(format!("  读模型 store      {}", config.store));
        ctx.output.line(format!("  数据目录 folder   {}", config.dir.display()));
        let archive = if config.archive.is_some() { "，存档 archive" } else { "" };
        ctx.output.line(format!("  角色 roles        投影 projector，编报 composer{archive}"));
        ctx.output.line("  Ctrl-C 停止 stops");
    }
    if config.accept_loss {
        ctx.output.note("⚠ 已接受断电丢失 a power cut may lose acknowledged events (E.701)");
    }
    let archiving = async {
        let Some(folder) = &config.archive else { return };
        // The hall goes on without: `zhoubao doctor` says what is wrong with it.
        let failure = archive::keep(ctx, folder).await;
        tracing::error!(
            code = failure.code.map(Code::text),
            error = failure.message,
            "archiving ends, the journal has no second copy from here on"
        );
    };
    let composing = async {
        let failure = composing::keep(ctx).await;
        tracing::error!(
            code = failure.code.map(Code::text),
            error = failure.message,
            "composing ends, what is signed off is not published from here on"
        );
    };
    let never = async {
        tokio::join!(archiving, composing);
        std::future::pending().await
    };
    tokio::select! {
        done = project::follow(ctx) => done,
        done = never => done,
    }
}
