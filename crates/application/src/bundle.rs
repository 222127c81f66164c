//! The bundle behind a figure: everything that a program without the journal needs to count it again.
//!
//! ```text
//!  manifest.json     what is claimed: figure, days, entries, tree
//!  messages.ndjson   every message from a position to the cut, one leaf of the tree a line
//!  leaves.txt        the first 8 digits of each of their hashes: says which line was changed, proves nothing
//!  issues.ndjson     the line of the hall's issues from its first event to the sign-off, chained
//!  earlier.ndjson    single messages from before them, each with its proof in the manifest
//!  definitions.json  what the figures count        ╮
//!  figures.txt       the issue's frozen figures    │ each named by its SHA-256 in the line of the issues
//!  previous.txt      those of the issue before     │
//!  issue.json        the canonical issue           ╯
//! ```
//!
//! Complete because contiguous: the tree's peaks before the first message and every message after it give the root that
//! the freeze names, so none can be missing; and the first message was recorded before the first day began. What of
//! them counts, the manifest says: [`check`] finds the event behind each entry, an entry or a code for each event, and
//! the sum. The format for other programs: `docs/verify.md`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::{Value, json};
use zhoubao_composer::json as canonical;
use zhoubao_contract::archive::{leaf_line, read_leaf_line};
use zhoubao_contract::merkle::{self, Peaks, inclusion};
use zhoubao_contract::{Stored, decode, event_from_json};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Kind, Recorded, Refusal, Setup, Tree, TreeHash};
use zhoubao_domain::figure::{Base, Between, Definition, FigureKey, Partition, Reach, Span};
use zhoubao_domain::id::{Digest, EventRef, HallCode, ObjectId, Stream, Subject};
use zhoubao_domain::issue::{Issue, IssueBook};
use zhoubao_domain::time::{hall_day, hall_zone};
use zhoubao_projections::freeze::figures_text;

use crate::desk::DeskError;
use crate::journal::{Journal, JournalError};
use crate::statistics::position_at;
use crate::store::{ReadModels, SnapshotQuery};
use crate::trace::{Counted, Trace, amends, figure_name};
use crate::tree;
use crate::weekly::Weekly;

/// Name and version of the form.
pub const FORMAT: &str = "zhoubao-trace/1";

/// The file that says what the others are.
pub const MANIFEST: &str = "manifest.json";

/// Digits of a leaf's hash that name the line which was changed.
const MARK_DIGITS: usize = 8;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Something is not what it was when it was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}：{detail}")]
pub struct Broken {
    /// Where: a file, a message, an entry.
    pub place: String,
    /// What is wrong.
    pub detail: String,
}

/// A [`Broken`] as a result.
pub(crate) fn broken<T>(place: impl Into<String>, detail: impl Into<String>) -> Result<T, Broken> {
    Err(Broken { place: place.into(), detail: detail.into() })
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    merkle::hash(TreeHash::Sha256, &[bytes])
}

// --- Making one ---

/// Makes the bundle of a traced figure.
///
/// # Errors
///
/// Where the freeze names no tree (it is of an earlier version), or the journal is not what was frozen (E.322).
pub async fn make(
    journal: &dyn Journal,
    store: &dyn ReadModels,
    hall: &HallCode,
    trace: &Trace,
    weekly: &Weekly,
) -> Result<Files, DeskError> {
    let frozen = trace.issue.freeze.as_ref().and_then(|it| it.tree.clone()).ok_or_else(|| {
        let detail = "冻结时尚无树根，请重新冻结 the freeze names no tree: freeze the issue again";
        Refusal::new(Code::IssueState, detail)
    })?;
    let first = first_position(journal, trace).await?;
    let before = tree::tree(journal, &trace.known.book, frozen.hash, first - 1).await?;
    let mut peaks = Peaks::from_parts(frozen.hash, before.size, before.peaks.clone())
        .unwrap_or_else(|| Peaks::new(frozen.hash));
    let (mut messages, mut marks) = (vec![], String::new());
    tree::read::<JournalError>(journal, first, frozen.size, |stored| {
        let leaf = merkle::leaf(frozen.hash, leaf_line(&stored).as_bytes());
        marks.extend(leaf.to_string().chars().take(MARK_DIGITS).chain(['\n']));
        peaks.push(leaf);
        messages.push(stored);
        Ok(())
    })
    .await?;
    if peaks.root() != frozen.root {
        let detail =
            format!("{} 冻结的树根 root {} ≠ 现 now {}", trace.id, frozen.root, peaks.root());
        return Err(Refusal::new(Code::TreeDiffers, detail).into());
    }
    let facts = store.snapshot(hall, &SnapshotQuery::facts()).await?.facts;
    let issues = issues_line(journal, trace, &facts).await?;
    let earlier = earlier(journal, store, hall, trace, &messages, &issues, first).await?;
    let definitions = facts.iter().find(|it| it.digest == trace.issue.figures);
    let missing = || Refusal::new(Code::Setup, "缺少指标定义 the figure definitions are missing");
    let definitions = definitions.ok_or_else(missing)?.body.clone().into_bytes();
    let lines = |all: &[Stored]| -> Vec<u8> {
        all.iter().flat_map(|it| (leaf_line(it) + "\n").into_bytes()).collect()
    };
    let mut files = Files::from([
        ("messages.ndjson".to_owned(), lines(&messages)),
        ("leaves.txt".to_owned(), marks.into_bytes()),
        ("issues.ndjson".to_owned(), lines(&issues)),
        ("definitions.json".to_owned(), definitions),
        ("figures.txt".to_owned(), figures_text(&weekly.material.figures).into_bytes()),
        ("issue.json".to_owned(), canonical::export(&weekly.composed.document)),
    ]);
    if trace.base == Base::Previous
        && let Some(previous) = &trace.previous
    {
        let query = SnapshotQuery { issues: vec![previous.clone()], ..SnapshotQuery::facts() };
        let figures = store.snapshot(hall, &query).await?.figures;
        let text = figures.get(previous).map(figures_text).unwrap_or_default();
        files.insert("previous.txt".to_owned(), text.into_bytes());
    }
    let mut proofs = vec![];
    if !earlier.is_empty() {
        files.insert("earlier.ndjson".to_owned(), lines(&earlier));
        let mut leaves = vec![];
        tree::read::<JournalError>(journal, 1, frozen.size, |stored| {
            leaves.push(merkle::leaf(frozen.hash, leaf_line(&stored).as_bytes()));
            Ok(())
        })
        .await?;
        for stored in &earlier {
            let index = usize::try_from(stored.position - 1).unwrap_or(usize::MAX);
            let proof = inclusion(frozen.hash, &leaves, index).unwrap_or_default();
            let proof: Vec<_> = proof.iter().map(Digest::to_string).collect();
            proofs.push(json!({ "position": stored.position, "proof": proof }));
        }
    }
    let heads = trace.issue.freeze.iter().flat_map(|it| &it.heads);
    let heads: Vec<_> =
        heads.map(|it| json!({ "terminal": it.terminal.as_str(), "number": it.number })).collect();
    let without = without(hall, trace, &messages, &earlier)?;
    let manifest = json!({
        "format": FORMAT,
        "hall": hall.as_str(),
        "issue": trace.id.as_str(),
        "definition": trace.key.definition,
        "span": trace.key.span.word(),
        "partition": trace.key.partition.word(),
        "part": trace.key.part,
        "carried": trace.carry,
        "value": trace.figure.amount,
        "events": trace.figure.events,
        "base": { "from": trace.base.word(), "value": trace.base_amount },
        "between": between_json(&trace.between, trace.previous.as_ref()),
        "reaches": trace.reaches.iter().map(reach_json).collect::<Vec<_>>(),
        "tree": { "hash": frozen.hash.word(), "size": frozen.size, "root": frozen.root.to_string() },
        "before": {
            "size": before.size,
            "peaks": before.peaks.iter().map(Digest::to_string).collect::<Vec<_>>(),
        },
        "heads": heads,
        "entries": trace.entries.iter().map(entry_json).collect::<Vec<_>>(),
        "without": without,
        "earlier": proofs,
        "files": files_json(&files),
    });
    files.insert(MANIFEST.to_owned(), (canonical::text(&manifest) + "\n").into_bytes());
    // What is handed out passes the same check as what is handed in.
    match check(&files) {
        Ok(_) => Ok(files),
        Err(it) => {
            let detail = format!("所成溯源包不能自证 the bundle does not stand: {it}");
            Err(Refusal::new(Code::SumsDiffer, detail).into())
        }
    }
}

/// Names, sizes and digests of files.
#[must_use]
pub fn files_json(files: &Files) -> Vec<Value> {
    let file = |(name, bytes): (&String, &Vec<u8>)| json!({ "name": name, "bytes": bytes.len(), "sha256": sha256(bytes).to_string() });
    files.iter().map(file).collect()
}

fn between_json(between: &Between, previous: Option<&ObjectId>) -> Value {
    json!({
        "first_day": between.period.first().to_string(),
        "last_day": between.period.last().to_string(),
        "opening_through": between.opening_through.map(|it| it.to_string()),
        "previous": between.previous.zip(previous).map(|((last, cut), id)| {
            json!({ "issue": id.as_str(), "last_day": last.to_string(), "cut": cut })
        }),
    })
}

fn reach_json(it: &Reach) -> Value {
    json!({ "first": it.first.to_string(), "last": it.last.to_string(), "after": it.after })
}

fn entry_json(it: &Counted) -> Value {
    let Counted { event, entry } = it;
    json!({
        "event": event.to_string(),
        "position": entry.position,
        "kind": entry.act.as_ref().map(|it| it.kind.word()),
        "day": entry.day().to_string(),
        "sign": entry.sign,
        "amount": entry.act.as_ref().map_or(0, |it| it.amount),
        "window": entry.window.as_ref().map(ToString::to_string),
        "department": entry.department(),
        "amends": entry.amends.as_ref().map(ToString::to_string),
    })
}

/// The first message of a bundle: the last one that was recorded before the first day began, or an earlier one that an
/// entry needs. For days of which only later facts are summed it is the first of these.
async fn first_position(journal: &dyn Journal, trace: &Trace) -> Result<u64, JournalError> {
    let mut first = trace.cut();
    for reach in &trace.reaches {
        let position = if reach.after > 0 {
            reach.after
        } else {
            position_at(journal, begin_of(reach.first)).await?
        };
        first = first.min(position);
    }
    let own = trace.entries.iter().map(|it| it.entry.position.saturating_sub(1));
    Ok(own.fold(first, u64::min).max(1))
}

/// The last instant before a day.
fn begin_of(day: Date) -> jiff::Timestamp {
    let begin = hall_zone().to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(jiff::Timestamp::MIN);
    begin.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(begin)
}

/// The line of the issues up to what the bundle rests on.
async fn issues_line(
    journal: &dyn Journal,
    trace: &Trace,
    facts: &[zhoubao_projections::rows::FactRow],
) -> Result<Vec<Stored>, DeskError> {
    let line = || facts.iter().filter(|it| it.stream == Stream::Issues);
    let is_of = |fact: &zhoubao_projections::rows::FactRow, kind: &str| {
        fact.kind == format!("cn.zhoubao.{kind}.v1") && fact.body.contains(trace.id.as_str())
    };
    let kinds = ["IssueFrozen", "IssueSignedOff", "IssueAmended"];
    let ends = line().filter(|it| kinds.iter().any(|kind| is_of(it, kind)));
    let end = ends.map(|it| it.position).max().unwrap_or_default();
    let mut issues = vec![];
    for fact in line().filter(|it| it.position <= end) {
        issues.extend(journal.get(fact.position).await?);
    }
    Ok(issues)
}

/// Messages from before the first: originals of what amends them, and the last of the issues' line in the tree.
async fn earlier(
    journal: &dyn Journal,
    store: &dyn ReadModels,
    hall: &HallCode,
    trace: &Trace,
    messages: &[Stored],
    issues: &[Stored],
    first: u64,
) -> Result<Vec<Stored>, DeskError> {
    let mut originals = BTreeSet::new();
    for stored in messages {
        if let Ok(recorded) = decode(stored, hall)
            && let Some(original) = amends(&recorded.event)
        {
            originals.insert((original.stream.clone(), original.number));
        }
    }
    let originals: Vec<_> = originals.into_iter().collect();
    let found = store.positions(hall, &originals).await?;
    let last_issue = issues.iter().map(|it| it.position).rfind(|it| *it <= trace.cut());
    let positions: BTreeSet<u64> =
        found.into_iter().flatten().chain(last_issue).filter(|it| *it < first).collect();
    let mut earlier = vec![];
    for position in positions {
        earlier.extend(journal.get(position).await?);
    }
    Ok(earlier)
}

/// The code of each event of the kinds and days that does not count.
fn without(
    hall: &HallCode,
    trace: &Trace,
    messages: &[Stored],
    earlier: &[Stored],
) -> Result<Vec<Value>, Refusal> {
    let codes: BTreeMap<u64, Code> =
        trace.uncounted.iter().map(|it| (it.position, it.code)).collect();
    let entries = trace.entries.iter().map(|it| it.event.clone()).collect();
    let mut due = Due::new(hall, &trace.definition, &trace.reaches, earlier);
    let mut without = vec![];
    for stored in messages {
        let excluded = codes.get(&stored.position);
        if due.is_due(stored, excluded.is_some(), &entries) {
            let code = excluded.ok_or_else(|| {
                let detail =
                    format!("#{} 未计也无代码 neither counts nor has a code", stored.position);
                Refusal::new(Code::SumsDiffer, detail)
            })?;
            without.push(json!({ "position": stored.position, "code": code.text() }));
        }
    }
    Ok(without)
}

/// Which messages need an entry, or a code that says why they have none.
struct Due<'a> {
    hall: &'a HallCode,
    definition: &'a Definition,
    reaches: &'a [Reach],
    /// Where each act of the kinds stands now: its day, and whether it counts.
    acts: BTreeMap<EventRef, (Date, bool)>,
    seen: BTreeMap<EventRef, Digest>,
}

impl<'a> Due<'a> {
    fn new(
        hall: &'a HallCode,
        definition: &'a Definition,
        reaches: &'a [Reach],
        earlier: &[Stored],
    ) -> Self {
        let seen = earlier.iter().filter_map(|it| decode(it, hall).ok());
        let seen = seen.map(|it| (it.identity, it.hash)).collect();
        Self { hall, definition, reaches, acts: BTreeMap::new(), seen }
    }

    fn holds(&self, day: Date, position: u64) -> bool {
        self.reaches.iter().any(|it| it.holds(day, position))
    }

    /// Whether this message needs a code: it would change what is summed, and no entry is of it.
    fn is_due(&mut self, stored: &Stored, excluded: bool, entries: &BTreeSet<EventRef>) -> bool {
        let Ok(recorded) = decode(stored, self.hall) else { return false };
        let Recorded { position, identity, hash, event, occurred_at, .. } = recorded;
        // The same event once more.
        if self.seen.get(&identity) == Some(&hash) {
            return false;
        }
        self.seen.entry(identity.clone()).or_insert(hash);
        let has_entry = entries.contains(&identity);
        match &event {
            Event::Act(act) if self.definition.kinds.contains(&act.kind) => {
                let day = hall_day(occurred_at);
                self.acts.insert(identity, (day, !excluded));
                self.holds(day, position) && (excluded || !has_entry)
            }
            Event::Corrected { original, replacement, .. } => {
                let Some((day, counts)) = self.acts.get(original).copied() else { return false };
                let to = replacement.occurred_at.map_or(day, hall_day);
                if !excluded {
                    self.acts.insert(original.clone(), (to, true));
                }
                (self.holds(to, position) || (counts && self.holds(day, position))) && !has_entry
            }
            Event::Voided { original, .. } => {
                let Some((day, counts)) = self.acts.get(original).copied() else { return false };
                if !excluded {
                    self.acts.insert(original.clone(), (day, false));
                }
                counts && self.holds(day, position) && !has_entry
            }
            Event::Released { original, .. } => {
                let Some((day, counts)) = self.acts.get(original).copied() else { return false };
                if !excluded {
                    self.acts.insert(original.clone(), (day, true));
                }
                !counts && self.holds(day, position) && !has_entry
            }
            _ => false,
        }
    }
}

// --- Checking one ---

/// What a sound bundle says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The hall.
    pub hall: String,
    /// The issue's id.
    pub issue: String,
    /// Year, number of the year and running number.
    pub number: (i16, u32, u32),
    /// The figure's name.
    pub figure: String,
    /// Its value, recounted.
    pub value: i64,
    /// Its unit.
    pub unit: String,
    /// Entries that it sums.
    pub entries: usize,
    /// Messages that were looked at.
    pub messages: usize,
    /// The tree, to compare with the printed issue.
    pub tree: Tree,
    /// Whether the issue is signed off.
    pub signed: bool,
    /// The version of the issue.
    pub version: usize,
}

/// The manifest, read by name.
pub(crate) struct Claims<'a> {
    pub(crate) value: &'a Value,
}

impl Claims<'_> {
    pub(crate) fn at(&self, path: &str) -> Result<&Value, Broken> {
        self.value
            .pointer(path)
            .map_or_else(|| broken(format!("{MANIFEST} {path}"), "缺 missing"), Ok)
    }

    pub(crate) fn text(&self, path: &str) -> Result<&str, Broken> {
        let it = self.at(path)?.as_str();
        it.map_or_else(|| broken(format!("{MANIFEST} {path}"), "不是文字 no text"), Ok)
    }

    pub(crate) fn number(&self, path: &str) -> Result<i64, Broken> {
        let it = self.at(path)?.as_i64();
        it.map_or_else(|| broken(format!("{MANIFEST} {path}"), "不是数 no number"), Ok)
    }

    pub(crate) fn list(&self, path: &str) -> Result<&[Value], Broken> {
        let it = self.at(path)?.as_array();
        it.map_or_else(
            || broken(format!("{MANIFEST} {path}"), "不是列表 no list"),
            |it| Ok(it.as_slice()),
        )
    }

    pub(crate) fn parsed<T: std::str::FromStr>(&self, path: &str) -> Result<T, Broken> {
        let it = self.text(path)?.parse();
        it.or_else(|_| broken(format!("{MANIFEST} {path}"), "不能读 cannot be read"))
    }

    pub(crate) fn same(&self, path: &str, own: &Value) -> Result<(), Broken> {
        let it = self.at(path)?;
        if it == own {
            return Ok(());
        }
        let detail = format!("所称 {it} ≠ 由事件得出 what follows from the events: {own}");
        broken(format!("{MANIFEST} {path}"), detail)
    }
}

fn word<T>(claims: &Claims<'_>, path: &str, of: impl Fn(&str) -> Option<T>) -> Result<T, Broken> {
    let word = claims.text(path)?;
    of(word).map_or_else(|| broken(format!("{MANIFEST} {path}"), format!("`{word}`")), Ok)
}

pub(crate) fn file<'a>(files: &'a Files, name: &str) -> Result<&'a [u8], Broken> {
    files
        .get(name)
        .map_or_else(|| broken(name, "缺文件 the file is missing"), |it| Ok(it.as_slice()))
}

/// Reads the lines of a file of messages.
fn messages(files: &Files, name: &str) -> Result<Vec<(Stored, Vec<u8>)>, Broken> {
    let bytes = file(files, name)?;
    let mut messages = vec![];
    for (index, line) in bytes.split_inclusive(|it| *it == b'\n').enumerate() {
        let place = || format!("{name} 第 {} 行 line {0}", index + 1);
        let Some(line) = line.strip_suffix(b"\n") else {
            return broken(place(), "被截断 cut short");
        };
        let Some(stored) = read_leaf_line(line) else {
            return broken(place(), "不是一条消息 is no message as it was written");
        };
        messages.push((stored, line.to_vec()));
    }
    Ok(messages)
}

/// Checks a manifest's own form and the list of its files; answers with what it says.
pub(crate) fn manifest(files: &Files, format: &str, beside: &[&str]) -> Result<Value, Broken> {
    let bytes = file(files, MANIFEST)?;
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return broken(MANIFEST, "不是 JSON is no JSON");
    };
    if (canonical::text(&value) + "\n").as_bytes() != bytes {
        return broken(MANIFEST, "不是规范写法 is not in its canonical form");
    }
    let claims = Claims { value: &value };
    if claims.text("/format")? != format {
        return broken(format!("{MANIFEST} /format"), format!("须为 expected `{format}`"));
    }
    let named: BTreeSet<&str> =
        claims.list("/files")?.iter().filter_map(|it| it.get("name")?.as_str()).collect();
    if named.len() != claims.list("/files")?.len() {
        return broken(format!("{MANIFEST} /files"), "重名 a name twice, or none");
    }
    for name in files.keys().filter(|it| *it != MANIFEST && !beside.contains(&it.as_str())) {
        if !named.contains(name.as_str()) {
            return broken(name, "不在清单中 is not in the manifest");
        }
    }
    for name in named {
        file(files, name)?;
    }
    Ok(value)
}

/// Compares every file with the manifest's list.
pub(crate) fn digests(files: &Files, manifest: &Value) -> Result<(), Broken> {
    for it in (Claims { value: manifest }).list("/files")? {
        let name = it.get("name").and_then(Value::as_str).unwrap_or_default();
        let bytes = file(files, name)?;
        if it.get("bytes").and_then(Value::as_u64) != Some(bytes.len() as u64) {
            return broken(name, format!("长度 {} 字节与清单不符 bytes differ", bytes.len()));
        }
        if it.get("sha256").and_then(Value::as_str) != Some(&sha256(bytes).to_string()) {
            return broken(name, "SHA-256 与清单不符 differs from the manifest's");
        }
    }
    Ok(())
}

/// The seal's file, which may stand beside a manifest.
pub const SEAL: &str = "manifest.seal.json";

/// Checks a bundle by itself: nothing but its files is read.
///
/// # Errors
///
/// The first place that is not what it was.
pub fn check(files: &Files) -> Result<Checked, Broken> {
    let value = manifest(files, FORMAT, &[SEAL])?;
    let claims = Claims { value: &value };
    let hall: HallCode = claims.parsed("/hall")?;
    let messages = self::messages(files, "messages.ndjson")?;
    let tree = root(files, &claims, &messages)?;
    let earlier = proven(files, &claims, &tree)?;
    let line = issues(files, &hall, &tree, &messages, &earlier)?;
    let (issue, number) = frozen(files, &claims, &line, &tree)?;
    let recount = Recount::read(files, &claims, &line, &issue)?;
    begins_before(&claims, &recount.reaches, &messages)?;
    let entries = recount.entries(&claims)?;
    recount.justify(&hall, &entries, &messages, &earlier)?;
    recount.complete(&hall, &claims, &entries, &messages, &earlier)?;
    recount.sum(files, &claims, &entries)?;
    printed(files, &recount, &tree, &issue)?;
    digests(files, &value)?;
    Ok(Checked {
        hall: hall.to_string(),
        issue: claims.text("/issue")?.to_owned(),
        number,
        figure: figure_name(&recount.key, &recount.definition.title),
        value: claims.number("/value")?,
        unit: recount.definition.unit.clone(),
        entries: entries.iter().filter(|it| it.is_of(&recount.key)).count(),
        messages: messages.len(),
        tree,
        signed: issue.sign_off.is_some(),
        version: issue.version(),
    })
}

/// Positions without a gap, and the root over them: none is missing, changed, moved or more.
fn root(
    files: &Files,
    claims: &Claims<'_>,
    messages: &[(Stored, Vec<u8>)],
) -> Result<Tree, Broken> {
    let hash = word(claims, "/tree/hash", TreeHash::from_word)?;
    let size = claims.number("/tree/size")?.unsigned_abs();
    let claimed: Digest = claims.parsed("/tree/root")?;
    let before = claims.number("/before/size")?.unsigned_abs();
    let peaks = claims.list("/before/peaks")?.iter().map(|it| it.as_str()?.parse().ok());
    let peaks = peaks.collect::<Option<Vec<Digest>>>();
    let peaks = peaks.and_then(|it| Peaks::from_parts(hash, before, it));
    let Some(mut peaks) = peaks else {
        return broken(format!("{MANIFEST} /before"), "不成树 no tree");
    };
    let marks = String::from_utf8_lossy(file(files, "leaves.txt")?).into_owned();
    let mut marks = marks.lines();
    for (stored, line) in messages {
        let (due, place) = (peaks.size() + 1, stored.position);
        if place != due {
            let what = if place > due {
                "缺失 is missing"
            } else {
                "重复或乱序 repeated or out of order"
            };
            return broken(
                format!("#{}", due.min(place)),
                format!("{what}（其处为 there: #{place}）"),
            );
        }
        let leaf = merkle::leaf(hash, line);
        if marks.next() != leaf.to_string().get(..MARK_DIGITS) {
            return broken(format!("#{place} {}", stored.message.subject), "被改动 was changed");
        }
        peaks.push(leaf);
    }
    if peaks.size() != size {
        let at = peaks.size() + 1;
        return broken(
            format!("#{}", at.min(size + 1)),
            format!("应到 should go to #{size}，止于 ends at #{}", at - 1),
        );
    }
    if marks.next().is_some() {
        return broken("leaves.txt", "行数过多 more lines than messages");
    }
    if peaks.root() != claimed {
        return broken(
            format!("{MANIFEST} /tree/root"),
            format!("所称 {claimed} ≠ 由消息算出 computed {}", peaks.root()),
        );
    }
    Ok(peaks.tree())
}

/// The messages from before, each proven.
fn proven(
    files: &Files,
    claims: &Claims<'_>,
    tree: &Tree,
) -> Result<Vec<(Stored, Vec<u8>)>, Broken> {
    let proofs = claims.list("/earlier")?;
    if proofs.is_empty() && !files.contains_key("earlier.ndjson") {
        return Ok(vec![]);
    }
    let earlier = messages(files, "earlier.ndjson")?;
    if earlier.len() != proofs.len() {
        return broken("earlier.ndjson", "与证明数不符 not as many as there are proofs");
    }
    for ((stored, line), proof) in earlier.iter().zip(proofs) {
        let hashes = proof.get("proof").and_then(Value::as_array).into_iter().flatten();
        let hashes: Option<Vec<Digest>> = hashes.map(|it| it.as_str()?.parse().ok()).collect();
        let leaf = merkle::leaf(tree.hash, line);
        let is_in = proof.get("position").and_then(Value::as_u64) == Some(stored.position)
            && hashes.is_some_and(|it| merkle::includes(tree, stored.position - 1, &leaf, &it));
        if !is_in {
            return broken(
                format!("#{} {}", stored.position, stored.message.subject),
                "不在树中 is not in the tree",
            );
        }
    }
    Ok(earlier)
}

/// What the line of the issues says, each event following from the one before; its part up to the cut is in the tree.
fn issues(
    files: &Files,
    hall: &HallCode,
    tree: &Tree,
    all: &[(Stored, Vec<u8>)],
    earlier: &[(Stored, Vec<u8>)],
) -> Result<IssueBook, Broken> {
    let line = messages(files, "issues.ndjson")?;
    let subject = Subject::new(hall.clone(), Stream::Issues).to_string();
    let (mut book, mut previous) = (IssueBook::default(), None);
    for ((stored, _), due) in line.iter().zip(1_u64..) {
        let place = || format!("issues.ndjson #{} issues#{due}", stored.position);
        let attributes = &stored.message.attributes;
        if stored.message.subject != subject || attributes.id.as_deref() != Some(&due.to_string()) {
            return broken(place(), "缺失、重复或乱序 missing, repeated or out of order");
        }
        let names: Option<Digest> = attributes.prevhash.as_deref().and_then(|it| it.parse().ok());
        if names.filter(|it| *it != Digest::new([0; 32])) != previous {
            return broken(place(), "与前一条不接 does not follow the event before it");
        }
        previous = Some(zhoubao_contract::hash(&stored.message));
        match decode(stored, hall) {
            Ok(Recorded { event: Event::Issue(event), actor, .. }) => {
                book.evolve(&event, actor.as_ref());
            }
            _ => return broken(place(), "不能读 cannot be read"),
        }
    }
    let Some((anchor, bytes)) = line.iter().rfind(|(it, _)| it.position <= tree.size) else {
        return broken("issues.ndjson", "冻结前无事件 nothing from before the freeze");
    };
    let in_tree =
        all.iter().chain(earlier).any(|(it, own)| it.position == anchor.position && own == bytes);
    if !in_tree {
        return broken(
            format!("issues.ndjson #{}", anchor.position),
            "不在树中 is not in the tree",
        );
    }
    Ok(book)
}

/// The issue whose figure it is, as its events have it.
fn frozen(
    files: &Files,
    claims: &Claims<'_>,
    book: &IssueBook,
    tree: &Tree,
) -> Result<(Issue, (i16, u32, u32)), Broken> {
    let id: ObjectId = claims.parsed("/issue")?;
    let Some(issue) = book.issues.get(&id).cloned() else {
        return broken(
            format!("{MANIFEST} /issue"),
            format!("没有期 {id} is not in the line of the issues"),
        );
    };
    let Some(freeze) = &issue.freeze else {
        return broken(format!("{id}"), "尚未冻结 is not frozen");
    };
    let named = freeze.tree.as_ref();
    if named != Some(tree) {
        let named = named.map_or_else(String::new, |it| format!("{} {}", it.size, it.root));
        return broken(
            format!("{MANIFEST} /tree"),
            format!("与冻结所载不符 the freeze names {named}"),
        );
    }
    let heads = freeze.heads.iter();
    let heads: Vec<_> =
        heads.map(|it| json!({ "terminal": it.terminal.as_str(), "number": it.number })).collect();
    claims.same("/heads", &Value::Array(heads))?;
    let figures = file(files, "figures.txt")?;
    let document = file(files, "issue.json")?;
    let printed: Value = serde_json::from_slice(document).unwrap_or_default();
    if issue.sign_off.is_none() && printed["metadata"]["proposed"] != Value::Bool(true) {
        return broken("issues.ndjson", "缺少签发 the sign-off of the issue is missing");
    }
    if let Some(signed) = &issue.sign_off {
        if sha256(figures) != signed.figures {
            return broken(
                "figures.txt",
                format!("与签发所载不符 the sign-off names {}", signed.figures),
            );
        }
        if sha256(document) != signed.document {
            return broken(
                "issue.json",
                format!("与签发所载不符 the sign-off names {}", signed.document),
            );
        }
    }
    let number = book.proposed_numbers(&issue);
    Ok((issue, number))
}

/// The first message was recorded before the first day began, so nothing of these days lies before it.
fn begins_before(
    claims: &Claims<'_>,
    reaches: &[Reach],
    messages: &[(Stored, Vec<u8>)],
) -> Result<(), Broken> {
    let before = claims.number("/before/size")?.unsigned_abs();
    let Some((first, _)) = messages.first().filter(|_| before > 0) else { return Ok(()) };
    for reach in reaches {
        let whole = if reach.after > 0 {
            first.position <= reach.after + 1
        } else {
            first.recorded_at <= begin_of(reach.first)
        };
        if !whole {
            let detail = format!(
                "{} 之前的消息不全 messages of {} may lie before it",
                reach.first, reach.first
            );
            return broken(format!("messages.ndjson #{}", first.position), detail);
        }
    }
    Ok(())
}

/// An entry as the manifest has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    event: EventRef,
    position: u64,
    kind: Kind,
    day: Date,
    sign: i64,
    amount: i64,
    window: String,
    department: String,
    amends: Option<EventRef>,
}

impl Entry {
    fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let entry = Self {
            event: text("event")?.parse().ok()?,
            position: value.get("position")?.as_u64()?,
            kind: Kind::from_word(text("kind")?)?,
            day: text("day")?.parse().ok()?,
            sign: value.get("sign")?.as_i64().filter(|it| it.abs() == 1)?,
            amount: value.get("amount")?.as_i64().filter(|it| *it >= 0)?,
            window: text("window")?.to_owned(),
            department: text("department")?.to_owned(),
            amends: match value.get("amends")? {
                Value::Null => None,
                it => Some(it.as_str()?.parse().ok()?),
            },
        };
        (value.as_object()?.len() == 9).then_some(entry)
    }

    fn part(&self, partition: Partition) -> String {
        match partition {
            Partition::Total => String::new(),
            Partition::Day => self.day.to_string(),
            Partition::Window => self.window.clone(),
            Partition::Department => self.department.clone(),
        }
    }

    fn is_of(&self, key: &FigureKey) -> bool {
        self.part(key.partition) == key.part
    }
}

/// What is counted again.
struct Recount {
    key: FigureKey,
    definition: Definition,
    carry: bool,
    base_amount: i64,
    reaches: Vec<Reach>,
    cut: u64,
}

impl Recount {
    /// Days and base as they follow from the line of the issues; the manifest must say the same.
    fn read(
        files: &Files,
        claims: &Claims<'_>,
        book: &IssueBook,
        issue: &Issue,
    ) -> Result<Self, Broken> {
        let body = file(files, "definitions.json")?;
        if sha256(body) != issue.figures {
            return broken(
                "definitions.json",
                format!("与开期所载不符 the issue was opened with {}", issue.figures),
            );
        }
        let read = "setup.figures.standard".parse::<Stream>().ok();
        let read = read.map(|it| event_from_json("cn.zhoubao.FiguresDefined.v1", body, &it));
        let Some(Ok(Event::Setup(Setup::Figures { definitions }))) = read else {
            return broken("definitions.json", "不能读 cannot be read");
        };
        let key = FigureKey {
            definition: claims.text("/definition")?.to_owned(),
            span: word(claims, "/span", Span::from_word)?,
            partition: word(claims, "/partition", Partition::from_word)?,
            part: claims.text("/part")?.to_owned(),
        };
        let Some(definition) = definitions.into_iter().find(|it| it.key == key.definition) else {
            return broken(format!("{MANIFEST} /definition"), "没有这一指标 no such figure");
        };
        let previous = book.previous(issue.series.as_ref(), issue.period);
        let between = Between {
            period: issue.period,
            opening_through: book.opening.as_ref().map(|it| it.through),
            previous: previous.map(|(_, it)| {
                (it.period.last(), it.freeze.as_ref().map_or(0, |freeze| freeze.cut))
            }),
        };
        claims.same("/between", &between_json(&between, previous.map(|(id, _)| id)))?;
        let carry = claims.at("/carried")?.as_bool();
        let is_year = key.span == Span::Year && key.partition == Partition::Total;
        let Some(carry) = carry.filter(|it| !it || is_year) else {
            return broken(format!("{MANIFEST} /carried"), "不适用 does not apply");
        };
        let (mut base, reaches) = between.reaches(key.span, carry);
        let has_base = key.partition == Partition::Total
            || (base == Base::Opening && key.part == zhoubao_domain::figure::OPENING_PART);
        if !has_base {
            base = Base::None;
        }
        let base_amount = match base {
            Base::None => 0,
            Base::Opening => {
                let tally = book.opening.as_ref().map(|it| it.year_to_date).unwrap_or_default();
                definition.kinds.iter().map(|it| tally.get(*it)).sum()
            }
            Base::Previous => {
                let text = file(files, "previous.txt")?;
                let signed = previous.and_then(|(_, it)| it.sign_off.as_ref());
                if signed.is_none_or(|it| it.figures != sha256(text)) {
                    return broken(
                        "previous.txt",
                        "不是上期签发的数据 not what the previous issue was signed with",
                    );
                }
                let year = FigureKey {
                    span: Span::Year,
                    partition: Partition::Total,
                    part: String::new(),
                    ..key.clone()
                };
                lines(text).get(&name(&year)).map_or_else(
                    || broken("previous.txt", "没有这一指标 no such figure"),
                    |(amount, _)| Ok(*amount),
                )?
            }
        };
        claims.same("/base", &json!({ "from": base.word(), "value": base_amount }))?;
        claims.same("/reaches", &reaches.iter().map(reach_json).collect())?;
        let cut = issue.freeze.as_ref().map_or(0, |it| it.cut);
        Ok(Self { key, definition, carry, base_amount, reaches, cut })
    }

    fn entries(&self, claims: &Claims<'_>) -> Result<Vec<Entry>, Broken> {
        let mut entries: Vec<Entry> = vec![];
        for (index, value) in claims.list("/entries")?.iter().enumerate() {
            let place = format!("{MANIFEST} /entries/{index}");
            let Some(entry) = Entry::read(value) else {
                return broken(place, "不能读 cannot be read");
            };
            let held = self.definition.kinds.contains(&entry.kind)
                && entry.position <= self.cut
                && self.reaches.iter().any(|it| it.holds(entry.day, entry.position));
            if !held {
                return broken(
                    place,
                    format!("{} 不属于这一数据 does not belong to the figure", entry.event),
                );
            }
            if entries.last().is_some_and(|it| it.position > entry.position) {
                return broken(place, "乱序 out of order");
            }
            let twice = |it: &Entry| it.event == entry.event && it.sign == entry.sign;
            if entries.iter().rev().take_while(|it| it.position == entry.position).any(twice) {
                return broken(place, format!("{} 重复 twice", entry.event));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Each entry has its event: an act of this kind, day, amount and department, or what amends one.
    fn justify(
        &self,
        hall: &HallCode,
        entries: &[Entry],
        messages: &[(Stored, Vec<u8>)],
        earlier: &[(Stored, Vec<u8>)],
    ) -> Result<(), Broken> {
        let mut known: BTreeMap<EventRef, Recorded> = BTreeMap::new();
        for (stored, _) in earlier.iter().chain(messages) {
            if let Ok(recorded) = decode(stored, hall) {
                known.entry(recorded.identity.clone()).or_insert(recorded);
            }
        }
        let mut counted = BTreeSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("{MANIFEST} /entries/{index} {}", entry.event);
            let Some(recorded) = known.get(&entry.event) else {
                return broken(place, "没有这一事件 there is no such event");
            };
            let differs = match (&recorded.event, &entry.amends) {
                (Event::Act(act), None) => {
                    if !counted.insert(&entry.event) {
                        return broken(place, "重复 twice");
                    }
                    let department = act.department.as_ref().map_or("-", |it| it.as_str());
                    entry.sign != 1
                        || act.kind != entry.kind
                        || i64::from(act.amount) != entry.amount
                        || hall_day(recorded.occurred_at) != entry.day
                        || department != entry.department
                        || recorded.position > entry.position
                }
                (Event::Corrected { original, replacement, .. }, Some(amended)) => {
                    let people = replacement.people.map(i64::from);
                    let put = entry.sign == 1 && entry.kind == Kind::Consulted;
                    let to = replacement.occurred_at.map(hall_day);
                    original != amended
                        || put && people.is_some_and(|it| it != entry.amount)
                        || entry.sign == 1 && to.is_some_and(|it| it != entry.day)
                        || entry.kind != Kind::Consulted && entry.amount != 1
                        || recorded.position > entry.position
                }
                (Event::Voided { original, .. }, Some(amended)) => {
                    original != amended
                        || entry.sign != -1
                        || entry.kind != Kind::Consulted && entry.amount != 1
                        || recorded.position > entry.position
                }
                (Event::Released { original, .. }, amended) => {
                    amended.as_ref().is_some_and(|it| it != original) || entry.sign != 1
                }
                _ => true,
            };
            if differs {
                return broken(place, "与事件不符 is not what the event says");
            }
        }
        Ok(())
    }

    /// Each event of the kinds and days has an entry, or a code that says why it has none.
    fn complete(
        &self,
        hall: &HallCode,
        claims: &Claims<'_>,
        entries: &[Entry],
        messages: &[(Stored, Vec<u8>)],
        earlier: &[(Stored, Vec<u8>)],
    ) -> Result<(), Broken> {
        let mut codes = BTreeMap::new();
        for (index, it) in claims.list("/without")?.iter().enumerate() {
            let position = it.get("position").and_then(Value::as_u64);
            let code = it.get("code").and_then(Value::as_str).and_then(Code::from_text);
            let (Some(position), Some(_)) = (position, code) else {
                return broken(format!("{MANIFEST} /without/{index}"), "不能读 cannot be read");
            };
            codes.insert(position, index);
        }
        let entries = entries.iter().map(|it| it.event.clone()).collect();
        let earlier: Vec<_> = earlier.iter().map(|(it, _)| it.clone()).collect();
        let mut due = Due::new(hall, &self.definition, &self.reaches, &earlier);
        for (stored, _) in messages {
            let excluded = codes.contains_key(&stored.position);
            if due.is_due(stored, excluded, &entries) && codes.remove(&stored.position).is_none() {
                let place = format!("#{} {}", stored.position, stored.message.subject);
                return broken(place, "应计而未计 would count, and neither does nor has a code");
            }
        }
        match codes.first_key_value() {
            None => Ok(()),
            Some((position, index)) => {
                let place = format!("{MANIFEST} /without/{index}");
                broken(place, format!("#{position} 不属于这一数据 does not belong to the figure"))
            }
        }
    }

    /// The sums, of the figure and of every part of its span, are those that were frozen.
    fn sum(&self, files: &Files, claims: &Claims<'_>, entries: &[Entry]) -> Result<(), Broken> {
        let frozen = lines(file(files, "figures.txt")?);
        let partitions = match self.key.span {
            _ if self.carry => vec![Partition::Total],
            Span::Week | Span::Year => {
                vec![Partition::Total, Partition::Day, Partition::Window, Partition::Department]
            }
            Span::Carried => vec![Partition::Total],
            _ => vec![Partition::Total, Partition::Day],
        };
        for partition in partitions {
            let mut sums: BTreeMap<String, i64> = BTreeMap::new();
            for entry in entries {
                *sums.entry(entry.part(partition)).or_default() += entry.sign * entry.amount;
            }
            let of = |part: &str| {
                let key = FigureKey { partition, part: part.to_owned(), ..self.key.clone() };
                frozen.get(&name(&key)).map_or(0, |(amount, _)| *amount)
            };
            for (part, sum) in sums {
                let base = if partition == Partition::Total { self.base_amount } else { 0 };
                if base + sum != of(&part) {
                    let place = format!("figures.txt {} {part}", partition.word());
                    return broken(
                        place,
                        format!("冻结 frozen {} ≠ 逐条 recounted {}", of(&part), base + sum),
                    );
                }
            }
        }
        let own: i64 =
            entries.iter().filter(|it| it.is_of(&self.key)).map(|it| it.sign * it.amount).sum();
        let value = self.base_amount + own;
        if claims.number("/value")? != value {
            let detail =
                format!("所称 claimed {} ≠ 逐条 recounted {value}", claims.number("/value")?);
            return broken(format!("{MANIFEST} /value"), detail);
        }
        let Some(kept) = frozen.get(&name(&self.key)) else {
            return broken("figures.txt", "没有这一数据 no such figure");
        };
        if *kept != (value, claims.number("/events")?) {
            return broken("figures.txt", format!("{} ≠ {value}", kept.0));
        }
        Ok(())
    }
}

/// What the issue prints: the tree, and the figure wherever it stands.
fn printed(files: &Files, recount: &Recount, tree: &Tree, issue: &Issue) -> Result<(), Broken> {
    use zhoubao_composer::document::FigureSource;
    let Ok(document) = canonical::read(file(files, "issue.json")?) else {
        return broken("issue.json", "不能读 cannot be read");
    };
    let named = document.metadata.tree.as_ref().map(|it| (it.size, it.root));
    if named != Some((tree.size, tree.root)) {
        return broken("issue.json tree", "与冻结所载不符 is not that of the freeze");
    }
    if (document.metadata.first_day, document.metadata.last_day)
        != (issue.period.first(), issue.period.last())
    {
        return broken("issue.json", "数据期不符 another period");
    }
    let frozen = lines(file(files, "figures.txt")?);
    let key = &recount.key;
    let (amount, _) = frozen.get(&name(key)).copied().unwrap_or_default();
    for (_, text, source) in document.figures() {
        if let FigureSource::Counted {
            definition, span, partition, part, cause: None, value, ..
        } = source
            && (definition, span, partition, part)
                == (&key.definition, &key.span, &key.partition, &key.part)
            && *value != amount
        {
            return broken("issue.json", format!("印 printed {text} ≠ {amount}"));
        }
    }
    Ok(())
}

fn name(key: &FigureKey) -> String {
    format!("{}\t{}\t{}\t{}", key.definition, key.span.word(), key.partition.word(), key.part)
}

/// Amount and number of events of each figure, by its name.
fn lines(text: &[u8]) -> BTreeMap<String, (i64, i64)> {
    let text = String::from_utf8_lossy(text);
    let line = |line: &str| {
        let (rest, events) = line.rsplit_once('\t')?;
        let (name, amount) = rest.rsplit_once('\t')?;
        Some((name.to_owned(), (amount.parse().ok()?, events.parse().ok()?)))
    };
    text.lines().filter_map(line).collect()
}

/// The form that a manifest names.
#[must_use]
pub fn format_of(files: &Files) -> Option<String> {
    let value: Value = serde_json::from_slice(files.get(MANIFEST)?).ok()?;
    Some(value.get("format")?.as_str()?.to_owned())
}
