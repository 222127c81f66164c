//! `zhoubao setup`: the hall's windows, terminals, departments, people, calendars and templates.
//!
//! Files are only how entries come in; from then on the journal decides. `apply` records what differs from what is in
//! force, in an order in which each entry finds what it names: departments before matters, people last.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zhoubao_application::known::Known;
use zhoubao_contract::{event_from_json, event_to_json};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Setup};
use zhoubao_domain::id::{Digest, ObjectId, SetupTopic, Stream};

use super::enrol::fingerprint;
use crate::cli::{ByArgs, SetupAction, SetupArgs};
use crate::config::nearest_of;
use crate::failure::Failure;
use crate::files;
use crate::output::Table;
use crate::wiring::Context;

/// Every topic with its event, in the order in which entries are recorded.
const TOPICS: [(SetupTopic, &str); 12] = [
    (SetupTopic::Hall, "HallDescribed"),
    (SetupTopic::Rules, "RulesSet"),
    (SetupTopic::Figures, "FiguresDefined"),
    (SetupTopic::Calendar, "CalendarPublished"),
    (SetupTopic::Department, "DepartmentSet"),
    (SetupTopic::Matter, "MatterSet"),
    (SetupTopic::Window, "WindowSet"),
    (SetupTopic::Terminal, "TerminalSet"),
    (SetupTopic::Key, "TerminalKeySet"),
    (SetupTopic::Checklist, "ChecklistPublished"),
    (SetupTopic::Template, "TemplatePublished"),
    // Last: once there are people, only an administrator may do the rest.
    (SetupTopic::User, "UserSet"),
];

/// Id of an entry of which a hall has one, where the file's name gives none.
const STANDARD: &str = "standard";

/// Largest file that is read; an entry itself is at most 32 KB.
pub(crate) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Deepest folder that is looked into.
const DEPTH_MAX: usize = 8;

/// One entry of a file.
struct Entry {
    place: String,
    topic: SetupTopic,
    id: ObjectId,
    event: Event,
    digest: Digest,
}

/// Runs the command.
///
/// # Errors
///
/// A file that cannot be read, or a refusal of the rules; then nothing is recorded.
pub async fn run(ctx: &Context, args: SetupArgs) -> Result<(), Failure> {
    match args.action {
        SetupAction::Apply { paths, by } => {
            let mut entries = Vec::new();
            for path in &paths {
                read_path(path, 0, &mut entries)?;
            }
            if entries.is_empty() {
                return Err(Failure::usage("没有设置文件 no set-up files were found"));
            }
            record(ctx, entries, &by).await
        }
        SetupAction::Put { topic, id, file, by } => {
            let topic = topic_of(&topic)?;
            let text = read_file(&file)?;
            let entry = match (topic, file.extension().and_then(|it| it.to_str())) {
                (SetupTopic::Template, Some("toml")) => template(&file, id, text)?,
                _ => entry(file.display().to_string(), topic, id, text.as_bytes())?,
            };
            record(ctx, vec![entry], &by).await
        }
        SetupAction::List { topic } => {
            let topic = topic.as_deref().map(topic_of).transpose()?;
            let known = ctx.desk_to_read().await?.known().await?;
            list(ctx, &known, topic);
            Ok(())
        }
        SetupAction::Show { topic, id } => {
            let topic = topic_of(&topic)?;
            let known = ctx.desk_to_read().await?.known().await?;
            show(ctx, &known, topic, &id)
        }
    }
}

async fn record(ctx: &Context, mut entries: Vec<Entry>, by: &ByArgs) -> Result<(), Failure> {
    let place = |topic: SetupTopic| TOPICS.iter().position(|(it, _)| *it == topic);
    entries.sort_by_key(|it| place(it.topic));
    if let Some([one, other]) = entries
        .array_windows()
        .find(|[one, other]| (one.topic, &one.id) == (other.topic, &other.id))
    {
        return Err(Failure::usage(format!(
            "{} {} 重复 stands twice: in {} and {}",
            one.topic.word(),
            one.id,
            one.place,
            other.place
        )));
    }
    let desk = ctx.desk().await?;
    let known = desk.known().await?;
    let is_new = |it: &Entry| {
        let latest = known.setup.get(&(it.topic, it.id.clone())).and_then(|it| it.last());
        latest.is_none_or(|latest| latest.digest != it.digest)
    };
    let (changed, same): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_new);
    let names: Vec<_> = changed.iter().map(|it| (it.topic, it.id.clone())).collect();
    let mut positions = vec![None; names.len()];
    if by.dry_run {
        let mut learned = known.clone();
        for it in &changed {
            let stream = Stream::Setup(it.topic, it.id.clone());
            zhoubao_application::desk::check(&learned, &stream, &it.event, by.by.as_ref())
                .map_err(|refusal| at(&it.place, refusal.into()))?;
            if let Event::Setup(setup) = &it.event {
                learned.registry.evolve(&it.id, setup);
            }
        }
    } else if !changed.is_empty() {
        let events =
            changed.into_iter().map(|it| (Stream::Setup(it.topic, it.id), it.event)).collect();
        let by = super::issue::by(by);
        let receipts = desk.record_all(events, by).await?;
        for (position, receipt) in positions.iter_mut().zip(&receipts) {
            *position = Some(receipt.position);
        }
    }
    if ctx.output.is_json() {
        let recorded: Vec<_> = names
            .iter()
            .zip(&positions)
            .map(|((topic, id), position)| {
                json!({ "topic": topic.word(), "id": id.as_str(), "position": position })
            })
            .collect();
        let unchanged = same.len();
        ctx.output
            .value(&json!({ "recorded": recorded, "unchanged": unchanged, "dry_run": by.dry_run }));
        return Ok(());
    }
    for ((topic, id), position) in names.iter().zip(&positions) {
        let position = position.map_or_else(|| "—".to_owned(), |it| it.to_string());
        ctx.output.line(format!("{} {id}  已入账，序号 {position}", topic.word()));
    }
    let done = if by.dry_run { "将录入 would record" } else { "已录入 recorded" };
    ctx.output.note(format!("{done} {}，未变 unchanged {}", names.len(), same.len()));
    Ok(())
}

fn list(ctx: &Context, known: &Known, only: Option<SetupTopic>) {
    let entries = known.setup.iter().filter(|((topic, _), _)| only.is_none_or(|it| it == *topic));
    let latest =
        entries.filter_map(|(key, versions)| Some((key, versions.last()?, versions.len())));
    if ctx.output.is_json() {
        let entries: Vec<_> = latest
            .map(|((topic, id), it, versions)| {
                json!({
                    "topic": topic.word(), "id": id.as_str(), "position": it.position,
                    "digest": it.digest.to_string(), "versions": versions, "title": title(&it.setup),
                })
            })
            .collect();
        ctx.output.value(&Value::from(entries));
        return;
    }
    let mut table =
        Table::new(["主题 topic", "编号 id", "名称 title", "版次 versions", "序号 position"]);
    for ((topic, id), it, versions) in latest {
        table.row([
            topic.word().to_owned(),
            id.to_string(),
            title(&it.setup),
            versions.to_string(),
            it.position.to_string(),
        ]);
    }
    ctx.output.table(&table);
}

/// A few words on an entry.
fn title(setup: &Setup) -> String {
    match setup {
        Setup::Hall { name, .. } | Setup::Department { name, .. } => name.clone(),
        Setup::Window { name, open } => {
            if *open {
                name.clone()
            } else {
                format!("{name}（已撤 closed）")
            }
        }
        Setup::Terminal { window, active } => {
            if *active {
                format!("→ {window}")
            } else {
                format!("→ {window}（停用 out of service）")
            }
        }
        Setup::Matter { name, department } => format!("{name}（{department}）"),
        Setup::Checklist { items, .. } => format!("{} 项 items", items.len()),
        Setup::Template { source } => format!("{} 字节 bytes", source.len()),
        Setup::Calendar { notice, .. } => notice.clone(),
        Setup::User { rights, active } => {
            let rights: Vec<_> = rights.iter().map(|it| it.word()).collect();
            let ended = if *active { "" } else { "（停用 ended）" };
            format!("{}{ended}", rights.join(" "))
        }
        Setup::Figures { definitions } => {
            definitions.iter().map(|it| it.title.as_str()).collect::<Vec<_>>().join("、")
        }
        Setup::Rules(_) => String::new(),
        Setup::Key(key) if key.revoked => "已吊销 revoked".to_owned(),
        Setup::Key(key) => {
            format!("{} 有效至 through {}", fingerprint(key), key.valid_through)
        }
    }
}

fn show(ctx: &Context, known: &Known, topic: SetupTopic, id: &ObjectId) -> Result<(), Failure> {
    let version =
        known.setup.get(&(topic, id.clone())).and_then(|it| it.last()).ok_or_else(|| {
            Failure::coded(Code::NotFound, format!("没有 there is no {} `{id}`", topic.word()))
                .with_next(format!("`zhoubao setup list {}` shows what there is", topic.word()))
        })?;
    match &version.setup {
        Setup::Template { source } if !ctx.output.is_json() => ctx.output.raw(source.as_bytes()),
        setup => {
            let (kind, body) = event_to_json(&Event::Setup(setup.clone()));
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            if ctx.output.is_json() {
                ctx.output.value(&json!({
                    "topic": topic.word(), "id": id.as_str(), "type": kind,
                    "position": version.position, "digest": version.digest.to_string(), "body": body,
                }));
            } else {
                ctx.output.line(format!("{body:#}"));
            }
        }
    }
    Ok(())
}

fn topic_of(text: &str) -> Result<SetupTopic, Failure> {
    SetupTopic::from_word(text).ok_or_else(|| {
        let words = TOPICS.iter().map(|(it, _)| it.word());
        let failure = Failure::usage(format!("`{text}` is no topic of the set-up"));
        match nearest_of(text, words.clone()) {
            Some(nearest) => failure.with_next(format!("did you mean `{nearest}`?")),
            None => failure.with_next(words.collect::<Vec<_>>().join(", ")),
        }
    })
}

fn at(place: &str, failure: Failure) -> Failure {
    Failure { message: format!("{place}: {}", failure.message), ..failure }
}

fn read_file(path: &Path) -> Result<String, Failure> {
    files::read_text(path, FILE_BYTES_MAX)
}

/// Reads a file, or every JSON and TOML file of a folder, by name.
fn read_path(path: &Path, depth: usize, entries: &mut Vec<Entry>) -> Result<(), Failure> {
    if !path.is_dir() {
        return read_entries(path, entries);
    }
    if depth == DEPTH_MAX {
        return Err(Failure::usage(format!("`{}` lies too deep", path.display())));
    }
    let failed = |error: std::io::Error| Failure::file(path, &error);
    let mut inside: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(failed)?
        .map(|it| it.map(|it| it.path()))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    inside.sort();
    for path in inside {
        let ending = path.extension().and_then(|it| it.to_str());
        if path.is_dir() || matches!(ending, Some("json" | "toml")) {
            read_path(&path, depth + 1, entries)?;
        }
    }
    Ok(())
}

fn read_entries(path: &Path, entries: &mut Vec<Entry>) -> Result<(), Failure> {
    let text = read_file(path)?;
    let place = path.display().to_string();
    let stem = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
    if path.extension().and_then(|it| it.to_str()) == Some("toml") {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            at(&place, Failure::coded(Code::Setup, error.message().to_owned()))
        })?;
        // A set-up file has nothing but topics at its top; anything else is a template.
        let topics = table.keys().map(|it| SetupTopic::from_word(it)).collect::<Option<Vec<_>>>();
        match topics {
            Some(topics) if !topics.is_empty() => {
                for (topic, (_, of_topic)) in topics.into_iter().zip(table) {
                    read_topic(&place, topic, of_topic, entries)?;
                }
            }
            _ => entries.push(template(path, id_of(stem)?, text)?),
        }
        return Ok(());
    }
    let (topic, id) = match stem.split_once('.') {
        Some((topic, id)) => (topic_of(topic).map_err(|it| at(&place, it))?, id),
        None if is_year(stem) => (SetupTopic::Calendar, stem),
        None => match SetupTopic::from_word(stem) {
            Some(topic) => (topic, STANDARD),
            None => {
                return Err(Failure::usage(format!("`{place}` does not say which entry it is"))
                    .with_next(
                        "name it <topic>.<id>.json, or use `zhoubao setup put TOPIC ID FILE`",
                    ));
            }
        },
    };
    entries.push(entry(place, topic, id_of(id)?, text.as_bytes())?);
    Ok(())
}

/// The entries of one topic in a TOML file: `[window.w01]`.
fn read_topic(
    place: &str,
    topic: SetupTopic,
    of_topic: toml::Value,
    entries: &mut Vec<Entry>,
) -> Result<(), Failure> {
    let toml::Value::Table(of_topic) = of_topic else {
        let message = format!("`{}` is no table of entries", topic.word());
        return Err(at(place, Failure::coded(Code::Setup, message)));
    };
    for (id, body) in of_topic {
        let place = format!("{place}: [{}.{id}]", topic.word());
        let body = serde_json::to_vec(&body)
            .map_err(|error| at(&place, Failure::coded(Code::Setup, error.to_string())))?;
        entries.push(entry(place, topic, id_of(&id)?, &body)?);
    }
    Ok(())
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|it| it.is_ascii_digit())
}

fn id_of(text: &str) -> Result<ObjectId, Failure> {
    Ok(text.parse::<ObjectId>()?)
}

fn template(path: &Path, id: ObjectId, source: String) -> Result<Entry, Failure> {
    let event = Event::Setup(Setup::Template { source });
    checked(path.display().to_string(), SetupTopic::Template, id, event)
}

fn entry(place: String, topic: SetupTopic, id: ObjectId, body: &[u8]) -> Result<Entry, Failure> {
    let name = TOPICS.iter().find(|(it, _)| *it == topic).map_or("", |(_, name)| name);
    let stream = Stream::Setup(topic, id.clone());
    let event = event_from_json(&format!("cn.zhoubao.{name}.v1"), body, &stream)
        .map_err(|refusal| at(&place, refusal.into()))?;
    checked(place, topic, id, event)
}

fn checked(place: String, topic: SetupTopic, id: ObjectId, event: Event) -> Result<Entry, Failure> {
    // The digest of what will be stored, so that what is in force already is known again.
    let (_, body) = event_to_json(&event);
    let digest = Digest::new(Sha256::digest(&body).into());
    Ok(Entry { place, topic, id, event, digest })
}
