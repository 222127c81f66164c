//! `zhoubao seal`: the office's key.

use serde_json::json;
use zhoubao_application::seal::{Algorithm, SealKey};
use zhoubao_domain::id::Digest;

use crate::cli::{SealAction, SealAlgorithm, SealArgs};
use crate::failure::Failure;
use crate::files::write_secret;
use crate::terminal::keys::secret;
use crate::wiring::Context;

/// Runs the command.
///
/// # Errors
///
/// When there is a key already, or none, or its file cannot be read or written.
pub fn run(ctx: &Context, args: SealArgs) -> Result<(), Failure> {
    let path = ctx.folder().seal_key();
    if let SealAction::New { algorithm } = args.action {
        if path.exists() {
            let message = format!("`{}` 已有印章密钥 there is a key already", path.display());
            return Err(Failure::configuration(message).with_next("zhoubao seal show"));
        }
        let algorithm = match algorithm {
            SealAlgorithm::Ed25519 => Algorithm::Ed25519,
            SealAlgorithm::Sm2 => Algorithm::Sm2,
        };
        let mut seed = Context::secret()?;
        // All but one of 2³² seeds are keys of SM2.
        while SealKey::from_seed(algorithm, &seed).is_none() {
            seed = Context::secret()?;
        }
        ctx.folder().claim(&ctx.hall()?)?;
        write_secret(&path, &format!("{} {}", algorithm.word(), Digest::new(seed)))?;
    }
    let key = key(ctx)?.ok_or_else(|| {
        let message = format!("`{}` 尚无印章密钥 there is no key yet", path.display());
        Failure::configuration(message).with_next("zhoubao seal new")
    })?;
    let (algorithm, public) = (key.algorithm().word(), key.public());
    if ctx.output.is_json() {
        ctx.output.value(&json!({ "algorithm": algorithm, "key": public }));
    } else {
        ctx.output.line(format!("{algorithm} {public}"));
    }
    Ok(())
}

/// The office's key, if the folder has one.
///
/// # Errors
///
/// When its file cannot be read, holds no key, or others can read it.
pub fn key(ctx: &Context) -> Result<Option<SealKey>, Failure> {
    let path = ctx.folder().seal_key();
    let Some(text) = secret(&path)? else { return Ok(None) };
    let read = text.trim().split_once(' ').and_then(|(word, seed)| {
        let algorithm = [Algorithm::Ed25519, Algorithm::Sm2];
        let algorithm = algorithm.into_iter().find(|it| it.word() == word)?;
        SealKey::from_seed(algorithm, seed.parse::<Digest>().ok()?.as_bytes())
    });
    let wrong = || Failure::configuration(format!("`{}` 不是密钥 holds no key", path.display()));
    read.map(Some).ok_or_else(wrong)
}
