//! `zhoubao account`: how people come to a password for the pages.

use serde_json::json;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::UserId;

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
    match args.action {
        AccountAction::Link { user, url } => link(ctx, &user, url).await,
        AccountAction::Totp { user, remove } => totp(ctx, &user, remove),
        AccountAction::Screen { name: None, .. } => {
            let names = web::accounts(ctx).screens()?;
            if ctx.output.is_json() {
                ctx.output.value(&json!({ "screens": names }));
            }
            for name in names.iter().filter(|_| !ctx.output.is_json()) {
                ctx.output.line(name);
            }
            Ok(())
        }
        AccountAction::Screen { name: Some(name), remove: true, .. } => {
            if !web::accounts(ctx).remove_screen(&name)? {
                return Err(Failure::usage(format!("没有大屏 there is no screen `{name}`")));
            }
            ctx.output.note("已收回 taken back");
            Ok(())
        }
        AccountAction::Screen { name: Some(name), url, .. } => {
            let url = address(ctx, url)?;
            let link = web::screen(ctx, &name, &url)?;
            if ctx.output.is_json() {
                ctx.output.value(&json!({ "screen": name, "link": link }));
            } else {
                ctx.output.line(&link);
                ctx.output.note("在大屏上打开一次即可 open it once on the screen");
            }
            Ok(())
        }
    }
}

async fn link(ctx: &Context, user: &UserId, url: Option<String>) -> Result<(), Failure> {
    let known = ctx.desk_to_read().await?.known().await?;
    if !known.registry.users.get(user).is_some_and(|it| it.active) {
        let message = format!("{user} 不在册或已停用 is not of the hall, or not any more");
        return Err(Failure::coded(Code::NoRight, message)
            .with_next("enter the person first: zhoubao setup apply, or setup put user"));
    }
    let link = web::link(ctx, user, &address(ctx, url)?)?;
    if ctx.output.is_json() {
        ctx.output.value(&json!({ "user": user.as_str(), "link": link }));
    } else {
        ctx.output.line(&link);
        ctx.output.note("24 小时内有效，只能用一次 holds for 24 hours, once");
    }
    Ok(())
}

fn totp(ctx: &Context, user: &UserId, remove: bool) -> Result<(), Failure> {
    let accounts = web::accounts(ctx);
    if remove && !accounts.remove_device(user)? {
        let message = format!("{user} 未绑定 has no device for one-time codes");
        return Err(Failure::usage(message).with_next("see `zhoubao account totp USER`"));
    }
    let device = accounts.has_device(user)?;
    if ctx.output.is_json() {
        ctx.output.value(&json!({ "user": user.as_str(), "device": device }));
    } else if remove {
        ctx.output.note("已解除 forgotten");
    } else {
        ctx.output.line(if device { "已绑定 has a device" } else { "未绑定 has none" });
    }
    Ok(())
}

/// The address of the pages, as people call them.
fn address(ctx: &Context, url: Option<String>) -> Result<String, Failure> {
    match (url, &ctx.config.public_host, ctx.config.listen) {
        (Some(url), ..) => Ok(url.trim_end_matches('/').to_owned()),
        (None, Some(host), _) => Ok(format!("https://{host}")),
        (None, None, Some(address)) => Ok(format!("http://{address}")),
        (None, None, None) => {
            Err(Failure::usage("没有页面地址 no address of the pages: --url URL"))
        }
    }
}
