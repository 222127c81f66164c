//! `zhoubao verify`: bundles of figures and packages of issues, offline; with the hall's journal where it is asked for.

use std::path::{Path, PathBuf};

use jiff::civil::Date;
use serde_json::{Value, json};
use zhoubao_application::bundle::{self, Broken, FORMAT, Files, MANIFEST, SEAL, format_of};
use zhoubao_application::known::Known;
use zhoubao_application::package::{self, Checked, Now};
use zhoubao_application::seal::{self, SealError, Trusted};
use zhoubao_application::tree;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, ObjectId};

use crate::cli::{Format, VerifyArgs};
use crate::failure::Failure;
use crate::forms::FORMS;
use crate::numbers::{self, Order, Passage, Unreadable};
use crate::output::Output;
use crate::projecting::LiveDesk;
use crate::wiring::Context;
use crate::zipped::unpack;

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::coded(Code::Altered, format!("文件被改动 altered: {broken}"))
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Altered(_) => {
                Self::coded(Code::Altered, format!("文件被改动 altered: {SEAL}：{error}"))
            }
            SealError::Untrusted(_) => Self::coded(Code::UntrustedSeal, format!("{SEAL}：{error}")),
        }
    }
}

/// What somebody who has the journal knows.
struct Journal {
    desk: LiveDesk,
    known: Known,
}

/// What came of one bundle or package.
struct Told {
    text: String,
    value: Value,
    seal: Value,
    now: Now,
}

/// Runs the command. Nothing but the files that are named, and packages beside them, is read: no settings, no journal
/// unless `--with-journal` asks for it.
///
/// # Errors
///
/// E.320 with the place that was altered (exit 3), E.321 where the seal is not to be trusted (exit 5).
pub async fn run(ctx: &Context, args: &VerifyArgs) -> Result<(), Failure> {
    let trust = trust(args)?;
    let journal = if args.with_journal {
        let desk = ctx.desk_to_read().await?;
        let known = desk.known().await?;
        Some(Journal { desk, known })
    } else {
        None
    };
    for path in &args.paths {
        let place = place_of(path);
        let files = unpack(place)?;
        let told = match format_of(&files).as_deref() {
            Some(FORMAT) => of_bundle(&files, &trust, journal.as_ref()).await?,
            Some(package::FORMAT) => {
                let beside = beside(ctx, place, &args.paths);
                of_package(&files, &trust, journal.as_ref(), &beside)?
            }
            _ => {
                let detail = "既不是溯源包也不是期刊包 neither a bundle nor a package".to_owned();
                return Err(Broken { place: path.display().to_string(), detail }.into());
            }
        };
        show(&ctx.output, told);
    }
    Ok(())
}

fn trust(args: &VerifyArgs) -> Result<Vec<Trusted>, Failure> {
    let mut trust: Vec<Trusted> = vec![];
    for key in &args.key {
        let key = key.parse::<Trusted>();
        trust.push(key.map_err(|it| Failure::usage(it.to_string()))?);
    }
    let Some(path) = &args.trust else { return Ok(trust) };
    let text = std::fs::read_to_string(path).map_err(|it| Failure::file(path, &it))?;
    let keys = seal::trusted(&text).map_err(|line| {
        let path = path.display();
        Failure::usage(format!("`{path}` 第 {line} 行不是密钥 line {line} is no key"))
    })?;
    if keys.is_empty() {
        return Err(Failure::usage(format!("`{}` 没有密钥 names no key", path.display())));
    }
    trust.extend(keys);
    Ok(trust)
}

/// A single file is looked at with everything beside its manifest.
fn place_of(path: &Path) -> &Path {
    let beside = path.parent();
    let beside = beside.map(|it| if it.as_os_str().is_empty() { Path::new(".") } else { it });
    let is_zip = path.extension().is_some_and(|it| it == "zip");
    match beside {
        Some(beside) if path.is_file() && !is_zip && beside.join(MANIFEST).is_file() => beside,
        _ => path,
    }
}

async fn of_bundle(
    files: &Files,
    trust: &[Trusted],
    journal: Option<&Journal>,
) -> Result<Told, Failure> {
    let it = bundle::check(files)?;
    let seal = sealed(files, trust, None)?;
    let mut now = Now::Valid;
    if let Some(Journal { desk, known }) = journal {
        same_hall(&it.hall, desk.hall())?;
        let book = zhoubao_domain::issue::IssueBook::default();
        let (by, size) = (it.tree.hash, it.tree.size);
        let last = desk.journal().state().await?.last;
        let own = tree::tree(&**desk.journal(), &book, by, size.min(last)).await?;
        if own.root != it.tree.root {
            let place = format!("{MANIFEST} /tree/root");
            let detail = format!("日志前 {size} 条的树根为 that of the journal is {}", own.root);
            return Err(Broken { place, detail }.into());
        }
        let issue = it.issue.parse::<ObjectId>().ok();
        let issue = issue.and_then(|it| known.book.issues.get(&it));
        now = issue.map_or(Now::Valid, |issue| package::now(issue, it.version));
    }
    let signed = if it.signed { "" } else { "（未签发 not signed off）" };
    let (year, number, running) = it.number;
    let text = format!(
        "{} {year}年第{number}期（总第{running}期）{signed} {} = {} {}，{} 条逐条重算 entries recounted，{} 条消息 messages，树根 root {} {} {}",
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
        "hall": it.hall, "issue": it.issue, "version": it.version, "figure": it.figure,
        "value": it.value, "entries": it.entries, "messages": it.messages, "signed": it.signed,
        "root": it.tree.root.to_string(), "size": it.tree.size,
    });
    Ok(Told { text, value, seal, now })
}

fn same_hall(claimed: &str, own: &HallCode) -> Result<(), Broken> {
    if claimed == own.as_str() {
        return Ok(());
    }
    let detail = format!("是 {claimed} 的，日志是 is of another hall than the journal: {own}");
    Err(Broken { place: format!("{MANIFEST} /hall"), detail })
}

fn of_package(
    files: &Files,
    trust: &[Trusted],
    journal: Option<&Journal>,
    beside: &[Files],
) -> Result<Told, Failure> {
    let it = package::check(files)?;
    forms(files, &it)?;
    let seal = sealed(files, trust, it.signed_on)?;
    let mut now = match journal {
        Some(Journal { desk, known }) => package::compare(files, desk.hall(), known)?,
        None => Now::Valid,
    };
    if now == Now::Valid {
        // A newer one counts only if it is vouched for as this one is.
        let newer = beside.iter().filter_map(|files| {
            let other = package::check(files).ok()?;
            let same = (&other.hall, &other.issue) == (&it.hall, &it.issue);
            let key = sealed(files, trust, other.signed_on).ok()?;
            let vouched = seal.is_null() || !key.is_null() && (!trust.is_empty() || key == seal);
            (same && vouched && other.version > it.version).then_some(other.version)
        });
        if let Some(version) = newer.max() {
            now = Now::Corrected { version };
        }
    }
    let (year, number, running) = it.number;
    let text = format!(
        "{} {year}年第{number}期（总第{running}期） {} 第 {} 版 version，{} 个文件 files",
        it.hall, it.issue, it.version, it.files
    );
    let value = json!({
        "hall": it.hall, "issue": it.issue.as_str(), "version": it.version, "files": it.files,
    });
    Ok(Told { text, value, seal, now })
}

/// The packages beside one, and those that are named with it, of which any may be a newer version.
fn beside(ctx: &Context, place: &Path, named: &[PathBuf]) -> Vec<Files> {
    let name = place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let (parent, name) = (name.parent(), name.file_name().and_then(|it| it.to_str()));
    let (Some(parent), Some(name)) = (parent, name) else { return vec![] };
    let stem = name.strip_suffix(".zip").unwrap_or(name);
    let version = |text: &str| text.parse::<usize>().is_ok();
    let base = stem.rsplit_once("-v").filter(|(_, it)| version(it)).map_or(stem, |(it, _)| it);
    let is_version = |path: &Path| {
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let name = name.strip_suffix(".zip").unwrap_or(name);
        name.strip_prefix(base).and_then(|it| it.strip_prefix("-v")).is_some_and(version)
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let entries = entries.map(|it| it.path()).filter(|it| is_version(it));
    let others = entries.chain(named.iter().map(|it| place_of(it).to_owned()));
    let read = |path: PathBuf| {
        let files = unpack(&path);
        if let Err(failure) = &files {
            ctx.output.note(format!("未看 not looked at: {}: {failure}", path.display()));
        }
        files.ok().filter(|it| format_of(it).as_deref() == Some(package::FORMAT))
    };
    others.filter(|it| it != place).filter_map(read).collect()
}

/// Whether every form that this program reads by itself has the numbers of the canonical issue, in their order.
fn forms(files: &Files, package: &Checked) -> Result<(), Broken> {
    let document = &package.document;
    for (form, ending) in FORMS {
        let name = format!("{}.{ending}", package.name());
        let Some(bytes) = files.get(&name) else { continue };
        let order = |it| numbers::expected(document, it);
        let (expected, found): (Vec<Passage>, Result<Vec<String>, Unreadable>) = match form {
            Format::Html => (numbers::of_article(document), numbers::of_html(bytes)),
            Format::Csv => (numbers::values(document, Order::Lines), numbers::of_csv(bytes)),
            Format::Docx => (order(Order::Parts), numbers::of_docx(bytes)),
            Format::Ofd => (order(Order::Pages), numbers::of_ofd(bytes)),
            // Compared byte for byte, or only by digest.
            Format::Txt | Format::Json | Format::Pdf | Format::All => continue,
        };
        let found = found.map_err(|it| Broken { place: name.clone(), detail: it.to_string() })?;
        if let Some(first) = numbers::compare(&expected, &found).first {
            let detail =
                format!("正文为 the issue has {}，此处为 here {}", first.expected, first.found);
            return Err(Broken { place: format!("{name} {}", first.place), detail });
        }
    }
    Ok(())
}

fn show(output: &Output, told: Told) {
    let Told { text, mut value, seal, now } = told;
    let (word, verdict) = match now {
        Now::Valid => ("genuine", "真实有效 genuine".to_owned()),
        Now::Corrected { version } => {
            value["valid_version"] = version.into();
            let text =
                format!("此版已被更正，现行为更正版 corrected since, valid is version {version}");
            ("corrected", text)
        }
        Now::Voided => ("voided", "此期已作废 the issue was voided".to_owned()),
    };
    if output.is_json() {
        value["verdict"] = word.into();
        value["seal"] = seal;
        output.value(&value);
        return;
    }
    output.line(format!("{verdict}: {text}"));
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
