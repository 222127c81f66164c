//! `zhoubao terminal enroll | rekey | revoke`: how a device's keys come into the hall's register and out of it.
//!
//! ```text
//!  device: enroll ─► key.w01.json ─► office: compare the fingerprint, setup apply ─► in force
//!  device: rekey  ─► key.w01.json, vouched for by the key before ─► setup apply ─► device: rekey --approved
//!  office: revoke ─► nothing that any key of the device signs is taken any more
//! ```

use jiff::ToSpan as _;
use jiff::civil::Date;
use sha2::{Digest as _, Sha256};
use zhoubao_contract::event_to_json;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Setup, TerminalKey};
use zhoubao_domain::id::{Digest, ObjectId, SetupTopic, Stream, TerminalId};
use zhoubao_domain::time::hall_day;

use crate::cli::ByArgs;
use crate::config::JournalAt;
use crate::failure::Failure;
use crate::terminal::keys::{KeyFiles, Keys};
use crate::wiring::Context;

/// Makes keys where there are none, and prints the public ones as an entry of the set-up.
///
/// # Errors
///
/// When they cannot be read or written.
pub fn enrol(
    ctx: &Context,
    terminal: &TerminalId,
    valid_through: Option<Date>,
) -> Result<(), Failure> {
    let keys = KeyFiles::of(&ctx.folder(), terminal).read_or_make()?;
    print(ctx, terminal, &entry(ctx, &keys, valid_through)?);
    Ok(())
}

/// Makes the keys that come after the present ones, and prints them.
///
/// # Errors
///
/// When the device has no keys, or they cannot be written.
pub fn rekey(
    ctx: &Context,
    terminal: &TerminalId,
    valid_through: Option<Date>,
) -> Result<(), Failure> {
    let files = KeyFiles::of(&ctx.folder(), terminal);
    let present = files.read()?.ok_or_else(|| not_enrolled(terminal))?;
    let next = files.next().read_or_make()?;
    let mut entry = entry(ctx, &next, valid_through)?;
    entry.endorsement = Some(present.signing.endorse(&entry.signing, &entry.nats));
    print(ctx, terminal, &entry);
    Ok(())
}

/// Uses the keys that [`rekey`] made from now on.
///
/// # Errors
///
/// When there are none.
pub fn approved(ctx: &Context, terminal: &TerminalId) -> Result<(), Failure> {
    let files = KeyFiles::of(&ctx.folder(), terminal);
    if files.next().read()?.is_none() {
        let message = format!("终端 {terminal} 没有新密钥 there are no new keys");
        return Err(Failure::coded(Code::NotFound, message)
            .with_next(format!("make them first: `zhoubao terminal rekey {terminal}`")));
    }
    files.next().replace(&files)?;
    ctx.output.note("已换用新密钥 the new keys are in use: restart the agent");
    Ok(())
}

/// Records that the keys of a device are not taken any more.
///
/// # Errors
///
/// When it has none in the register, or whoever asks may not.
pub async fn revoke(ctx: &Context, terminal: &TerminalId, by: &ByArgs) -> Result<(), Failure> {
    let desk = ctx.desk().await?;
    let known = desk.known().await?;
    let Some(keys) = known.registry.keys.get(terminal) else {
        return Err(not_enrolled(terminal));
    };
    if keys.latest.revoked {
        ctx.output.note(format!("{terminal} 已吊销 is revoked already"));
        cut_off(ctx);
        return Ok(());
    }
    let id: ObjectId = terminal.as_str().parse()?;
    let stream = Stream::Setup(SetupTopic::Key, id);
    let key = TerminalKey { revoked: true, endorsement: None, ..keys.latest.clone() };
    let event = Event::Setup(Setup::Key(key));
    if by.dry_run {
        zhoubao_application::desk::check(&known, &stream, &event, by.by.as_ref())?;
        ctx.output.note("将录入 would record 1");
        return Ok(());
    }
    let by = super::issue::by(by);
    let receipt = desk.record(stream, event, by).await?;
    ctx.output.line(format!("{terminal} 已吊销 revoked，序号 position {}", receipt.position));
    cut_off(ctx);
    Ok(())
}

/// A broker lets a revoked device in until it has the new list of users.
fn cut_off(ctx: &Context) {
    if matches!(ctx.config.journal, JournalAt::Nats(_)) {
        ctx.output.note(
            "尚未断开 it is not cut off yet; on the server: zhoubao nats-config --out <folder> && nats-server --signal \
             reload",
        );
    }
}

fn not_enrolled(terminal: &TerminalId) -> Failure {
    Failure::coded(Code::NotFound, format!("终端 {terminal} 未登记密钥 has no keys"))
        .with_next(format!("on the device: `zhoubao terminal enroll {terminal}`"))
}

fn entry(ctx: &Context, keys: &Keys, valid_through: Option<Date>) -> Result<TerminalKey, Failure> {
    let today = hall_day(ctx.clock.now());
    let valid_through = match valid_through {
        Some(date) if date < today => {
            return Err(Failure::usage(format!("{date} 已过 is in the past")));
        }
        Some(date) => date,
        None => today.saturating_add(2.years()),
    };
    Ok(TerminalKey {
        signing: keys.signing.public_key(),
        nats: keys.nats.to_string(),
        valid_through,
        endorsement: None,
        revoked: false,
    })
}

fn print(ctx: &Context, terminal: &TerminalId, entry: &TerminalKey) {
    let print = fingerprint(entry);
    let (_, body) = event_to_json(&Event::Setup(Setup::Key(entry.clone())));
    ctx.output.raw(&body);
    ctx.output.raw(b"\n");
    ctx.output.note(format!(
        "指纹 fingerprint {print}\n请在办公室核对指纹后入册 in the office, compare the fingerprint, then: \
         zhoubao setup apply key.{terminal}.json --by <工号>"
    ));
}

/// What two people compare by telephone: 80 bits of the SHA-256 of both public keys, in groups.
#[must_use]
pub fn fingerprint(key: &TerminalKey) -> String {
    let mut both = key.signing.as_bytes().to_vec();
    both.extend_from_slice(key.nats.as_bytes());
    let digest = Digest::new(Sha256::digest(&both).into()).to_string();
    let groups: Vec<_> = (0..5).map(|it| &digest[it * 4..it * 4 + 4]).collect();
    groups.join("-")
}
