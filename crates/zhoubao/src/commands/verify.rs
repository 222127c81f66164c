//! `zhoubao verify`: bundles of figures and packages of issues, offline.

use std::path::Path;

use jiff::civil::Date;
use serde_json::{Value, json};
use zhoubao_application::bundle::{
    Broken, FORMAT, Files, MANIFEST, PACKAGE_FORMAT, SEAL, check, check_package, format_of,
};
use zhoubao_application::seal::{self, SealError, Trusted};
use zhoubao_domain::code::Code;

use crate::cli::VerifyArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::zipped::unpack;

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::coded(Code::Altered, format!("文件被改动 altered: {broken}"))
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        let code = match &error {
            SealError::Altered(_) => Code::Altered,
            SealError::Untrusted(_) => Code::UntrustedSeal,
        };
        Self::coded(code, format!("{SEAL}：{error}"))
    }
}

/// Runs the command. Nothing but the files that are named is read: no settings, no journal.
///
/// # Errors
///
/// E.320 with the place that was altered (exit 3), E.321 where the seal is not to be trusted (exit 5).
pub fn run(output: &Output, args: &VerifyArgs) -> Result<(), Failure> {
    let mut trust: Vec<Trusted> = vec![];
    for key in &args.key {
        let key = key.parse::<Trusted>();
        trust.push(key.map_err(|it| Failure::usage(it.to_string()))?);
    }
    if let Some(path) = &args.trust {
        let text = std::fs::read_to_string(path).map_err(|it| Failure::file(path, &it))?;
        let keys = seal::trusted(&text).map_err(|line| {
            Failure::usage(format!(
                "`{}` 第 {line} 行不是密钥 line {line} is no key",
                path.display()
            ))
        })?;
        if keys.is_empty() {
            return Err(Failure::usage(format!("`{}` 没有密钥 names no key", path.display())));
        }
        trust.extend(keys);
    }
    args.paths.iter().try_for_each(|path| one(output, path, &trust))
}

fn one(output: &Output, path: &Path, trust: &[Trusted]) -> Result<(), Failure> {
    // A single file is looked at with everything beside its manifest.
    let beside =
        path.parent().map(|it| if it.as_os_str().is_empty() { Path::new(".") } else { it });
    let is_zip = path.extension().is_some_and(|it| it == "zip");
    let place = match beside {
        Some(beside) if path.is_file() && !is_zip && beside.join(MANIFEST).is_file() => beside,
        _ => path,
    };
    let files = unpack(place)?;
    let told = match format_of(&files).as_deref() {
        Some(FORMAT) => {
            let it = check(&files)?;
            let seal = sealed(&files, trust, None)?;
            let signed = if it.signed { "" } else { "（未签发 not signed off）" };
            let (year, number, running) = it.number;
            let text = format!(
                "真实有效 genuine: {} {year}年第{number}期（总第{running}期）{signed} {} = {} {}，{} 条逐条重算 entries recounted，{} 条消息 messages，树根 root {} {} {}",
                it.hall,
                it.figure,
                it.value,
                it.unit,
                it.entries,
                it.messages,
                it.tree.size,
                it.tree.hash.word(),
                it.tree.root,
            );
            let value = json!({
                "hall": it.hall, "issue": it.issue, "figure": it.figure, "value": it.value,
                "entries": it.entries, "messages": it.messages, "signed": it.signed,
                "root": it.tree.root.to_string(), "size": it.tree.size, "seal": seal,
            });
            (text, value, seal)
        }
        Some(PACKAGE_FORMAT) => {
            let it = check_package(&files)?;
            let seal = sealed(&files, trust, it.signed_on)?;
            let text = format!(
                "真实有效 genuine: {} {} 第 {} 版 version，{} 个文件 files",
                it.hall, it.issue, it.version, it.files
            );
            let value = json!({
                "hall": it.hall, "issue": it.issue, "version": it.version, "files": it.files,
                "seal": seal,
            });
            (text, value, seal)
        }
        _ => {
            let detail = "既不是溯源包也不是期刊包 neither a bundle nor a package".to_owned();
            return Err(Broken { place: path.display().to_string(), detail }.into());
        }
    };
    let (text, value, seal) = told;
    if output.is_json() {
        output.value(&value);
        return Ok(());
    }
    output.line(text);
    match seal.as_object() {
        None => output.line("  未盖章 not sealed"),
        Some(it) => {
            let word = |key: &str| it.get(key).and_then(Value::as_str).unwrap_or_default();
            let by = if it.get("trusted") == Some(&Value::Bool(true)) {
                "为所要求的密钥 by a key demanded"
            } else {
                "密钥未经核对 by a key that nobody vouches for"
            };
            output.line(format!("  印章 seal {} {}，{by}", word("algorithm"), word("key")));
        }
    }
    Ok(())
}

/// What the seal says; null where there is none and none is demanded.
fn sealed(files: &Files, trust: &[Trusted], day: Option<Date>) -> Result<Value, Failure> {
    let Some(seal) = files.get(SEAL) else {
        if trust.is_empty() {
            return Ok(Value::Null);
        }
        return Err(SealError::Untrusted("没有印章 there is none".to_owned()).into());
    };
    let manifest = files.get(MANIFEST).map(Vec::as_slice).unwrap_or_default();
    let it = seal::verify(manifest, seal, trust, day)?;
    Ok(json!({ "algorithm": it.algorithm, "key": it.key, "trusted": it.trusted }))
}
