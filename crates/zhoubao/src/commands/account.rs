//! `zhoubao account`: how people come to a password for the pages.

use serde_json::json;
use zhoubao_domain::code::Code;

use crate::cli::{AccountAction, AccountArgs};
use crate::failure::Failure;
use crate::web;
use crate::wiring::Context;

/// Runs the command.
///
/// # Errors
///
/// A person who is not of the hall, or a file that cannot be written.
pub async fn run(ctx: &Context, args: AccountArgs) -> Result<(), Failure> {
    let AccountAction::Link { user, url } = args.action;
    let known = ctx.desk_to_read().await?.known().await?;
    if !known.registry.users.get(&user).is_some_and(|it| it.active) {
        let message = format!("{user} 不在册或已停用 is not of the hall, or not any more");
        return Err(Failure::coded(Code::NoRight, message)
            .with_next("enter the person first: zhoubao setup apply, or setup put user"));
    }
    let url = match (url, &ctx.config.public_host, ctx.config.listen) {
        (Some(url), ..) => url.trim_end_matches('/').to_owned(),
        (None, Some(host), _) => format!("https://{host}"),
        (None, None, Some(address)) => format!("http://{address}"),
        (None, None, None) => {
            return Err(Failure::usage("没有页面地址 no address of the pages: --url URL"));
        }
    };
    let link = web::link(ctx, &user, &url)?;
    if ctx.output.is_json() {
        ctx.output.value(&json!({ "user": user.as_str(), "link": link }));
    } else {
        ctx.output.line(&link);
        ctx.output.note("24 小时内有效，只能用一次 holds for 24 hours, once");
    }
    Ok(())
}
