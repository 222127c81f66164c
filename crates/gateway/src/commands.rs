//! What people and programs want of the desk: one function for each command, behind a form and behind JSON.
//!
//! ```text
//!  POST /v1/…  JSON, Idempotency-Key, If-Match ──┐
//!                                                ├─► Deed::done ─► a use case of `application` ─► position
//!  POST /…     form with `key` and `seen` ───────┘
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, IF_MATCH};
use axum::response::Response;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use zhoubao_application::desk::By;
use zhoubao_application::known::Known;
use zhoubao_application::weekly::{self, NewIssue, News, Which};
use zhoubao_application::writer::Receipt;
use zhoubao_composer::submission::check_characters;
use zhoubao_contract::event_from_json;
use zhoubao_domain::calendar::Period;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, InspectionResult, IssueEvent};
use zhoubao_domain::id::{DeskTopic, Digest, EventRef, ObjectId, Stream};
use zhoubao_domain::issue::{Command, Opening};
use zhoubao_domain::time::hall_day;

use crate::Gateway;
use crate::access::{BODY_BYTES_MAX, Who};
use crate::answers::Done;
use crate::attachment;
use crate::extract::{Form, Path};
use crate::openapi::Day;
use crate::pages::{self, Place};
use crate::people::hex;
use crate::problem::Problem;

/// Longest idempotency key, as the journal takes it.
const KEY_BYTES_MAX: usize = 128;

/// Longest wait of a page for the read models to have what its reader has just done.
const AFTER_MAX: Duration = Duration::from_secs(5);

/// The fields of a form, in order.
pub(crate) type Fields = Vec<(String, String)>;

/// The value of a field of a form; empty where it is not there.
pub(crate) fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
}

/// Something that a person wants to happen.
pub(crate) trait Deed: DeserializeOwned + JsonSchema + Send + 'static {
    /// The page that its form stands on.
    const PLACE: Place;

    /// What is looked at beside his rights, before it is done.
    async fn allowed(
        &self,
        _gateway: &Gateway,
        _who: &Who,
        _target: &str,
        _by: &By,
    ) -> Result<(), Problem> {
        Ok(())
    }

    /// Does it; `target` is the issue or submission of the path, empty where there is none.
    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem>;

    /// The deed of a form: a field that is left empty is not set.
    fn of_form(fields: &Fields) -> Result<Self, Problem> {
        let own = |it: &str| matches!(it, "csrf" | "key" | "seen");
        let set = fields.iter().filter(|(name, value)| !value.is_empty() && !own(name));
        // Browsers send other line ends than people write.
        let texts = set.map(|(name, it)| (name.clone(), Value::from(it.replace("\r\n", "\n"))));
        read(Value::Object(texts.collect::<Map<_, _>>()))
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    plain(&value)?;
    serde_json::from_value(value).map_err(|it| malformed(it.to_string()))
}

/// No text of a person holds control characters, apart from those of its layout, or marks of the writing direction.
fn plain(value: &Value) -> Result<(), Problem> {
    match value {
        Value::String(it) => check_characters(it).map_err(|it| malformed(it.detail)),
        Value::Array(all) => all.iter().try_for_each(plain),
        Value::Object(all) => all.values().try_for_each(plain),
        _ => Ok(()),
    }
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::coded(Code::Malformed, detail)
}

fn id<T: std::str::FromStr<Err = impl ToString>>(text: &str) -> Result<T, Problem> {
    text.trim().parse().map_err(|it: T::Err| malformed(it.to_string()))
}

/// The id of something new: the same for whoever sends the same again.
fn new_id(letter: char, by: &By) -> Result<ObjectId, Problem> {
    let actor = by.actor.as_ref().map(ToString::to_string).unwrap_or_default();
    let key = by.command.as_deref().unwrap_or_default();
    let digest = hex(&Sha256::digest(format!("{actor}\0{key}")));
    id(&format!("{letter}-{}", digest.get(..20).unwrap_or_default()))
}

fn key(text: Option<&str>) -> Result<String, Problem> {
    let fine =
        |it: &&str| (1..=KEY_BYTES_MAX).contains(&it.len()) && !it.chars().any(char::is_control);
    text.filter(fine).map(str::to_owned).ok_or_else(|| {
        let detail = format!("须有 Idempotency-Key is required, 1 to {KEY_BYTES_MAX} characters");
        malformed(detail)
    })
}

fn of_head(who: &Who, headers: &HeaderMap) -> Result<By, Problem> {
    let text = |it: &axum::http::HeaderValue| it.to_str().map(str::to_owned).ok();
    let key = key(headers.get("idempotency-key").and_then(text).as_deref())?;
    let seen = headers.get(IF_MATCH).map(|it| {
        let it = text(it).unwrap_or_default();
        let plain = it.trim_matches('"');
        plain.parse().map_err(|_| malformed(format!("If-Match `{it}`, expected a position")))
    });
    Ok(By { actor: who.user.clone(), at: None, command: Some(key), seen: seen.transpose()? })
}

fn of_fields(who: &Who, fields: &Fields) -> Result<By, Problem> {
    let seen = Some(field(fields, "seen")).filter(|it| !it.is_empty());
    let seen = seen.map(|it| it.parse().map_err(|_| malformed(format!("seen `{it}`"))));
    let key = key(Some(field(fields, "key")))?;
    Ok(By { actor: who.user.clone(), at: None, command: Some(key), seen: seen.transpose()? })
}

fn target(path: &HashMap<String, String>) -> &str {
    path.values().next().map_or("", String::as_str)
}

/// Does it on a thread of its own: it goes on to its end also when nobody waits for the answer any more, and the
/// futures of the use cases stay where they began.
async fn run<D: Deed>(
    gateway: &Arc<Gateway>,
    who: &Who,
    deed: D,
    target: &str,
    by: By,
) -> Result<(u64, Option<Receipt>), Problem> {
    let (gateway, who, target) = (gateway.clone(), who.clone(), target.to_owned());
    let runtime = tokio::runtime::Handle::current();
    let work = move || {
        runtime.block_on(async {
            deed.allowed(&gateway, &who, &target, &by).await?;
            let receipt = deed.done(&gateway, &target, by).await?;
            Ok((position(&gateway, receipt.as_ref()).await?, receipt))
        })
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(Problem::of(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    })
}

/// A command in JSON; the answer names the position of its event.
pub(crate) async fn json<D: Deed>(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Path(path): Path<HashMap<String, String>>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let by = of_head(&who, request.headers())?;
    let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| {
        Problem::coded(Code::TooLarge, format!("请求过大 more than {BODY_BYTES_MAX} bytes"))
    })?;
    let value = if bytes.is_empty() { Ok(json!({})) } else { serde_json::from_slice(&bytes) };
    let deed: D = read(value.map_err(|it| malformed(it.to_string()))?)?;
    let (position, receipt) = run(&gateway, &who, deed, target(&path), by).await?;
    let event = receipt.map(|it| format!("{}#{}", it.stream, it.number));
    Ok(Json(Done { position, event }))
}

/// A command of a form; a page follows.
pub(crate) async fn form<D: Deed>(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Path(path): Path<HashMap<String, String>>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let target = target(&path);
    let done = async {
        let by = of_fields(&who, &fields)?;
        let (position, _) = run(&gateway, &who, D::of_form(&fields)?, target, by).await?;
        Ok(position)
    };
    match done.await {
        Ok(position) => Ok(pages::to(&format!("{}?after={position}", D::PLACE.path(target)))),
        Err(problem) => pages::refused(D::PLACE, &gateway, &who, target, &fields, problem).await,
    }
}

/// Where the event is; for what was so already, where the read models are.
async fn position(gateway: &Gateway, receipt: Option<&Receipt>) -> Result<u64, Problem> {
    match receipt {
        Some(it) => Ok(it.position),
        None => Ok(gateway.desk.catch_up().await?),
    }
}

/// What a reader has done before he reads.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct After {
    /// The position of it.
    pub(crate) after: Option<u64>,
}

impl After {
    /// Waits until the read models have it.
    pub(crate) async fn wait(&self, gateway: &Gateway) -> Result<(), Problem> {
        if let Some(after) = self.after {
            let last = gateway.desk.journal().state().await?.last;
            if after > last {
                let detail = format!("日志只到 the journal ends at {last}, there is no {after}");
                return Err(malformed(detail));
            }
            gateway.desk.reach(after, AFTER_MAX).await?;
        }
        Ok(())
    }
}

async fn find(gateway: &Gateway, text: &str) -> Result<ObjectId, Problem> {
    let known = gateway.desk.known().await?;
    let found = known.find_issue(text);
    found.map_err(|it| Problem { status: StatusCode::NOT_FOUND, ..it.into() })
}

/// Does what needs nothing but the issue.
async fn plainly(
    gateway: &Gateway,
    target: &str,
    by: By,
    command: impl FnOnce(ObjectId) -> Command,
) -> Result<Option<Receipt>, Problem> {
    let command = command(find(gateway, target).await?);
    Ok(gateway.desk.issue(by, async |_| Ok(command.clone())).await?)
}

/// Opens an issue (开期).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenIssue {
    issue: Option<String>,
    series: Option<String>,
    #[schemars(with = "Option<Day>")]
    first: Option<Date>,
    #[schemars(with = "Option<Day>")]
    last: Option<Date>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

impl Deed for OpenIssue {
    const PLACE: Place = Place::Desk;

    async fn done(
        self,
        gateway: &Gateway,
        _target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let series = self.series.as_deref().map(id).transpose()?;
        let period = match (self.first, self.last) {
            (None, None) => None,
            (Some(first), Some(last)) => Some(period(first, last)?),
            _ => return Err(malformed("首日和末日须同时给出 first and last go together")),
        };
        let issue = match &self.issue {
            Some(text) => id(text)?,
            None => weekly::proposal(&gateway.desk.known().await?, series.as_ref())?.0,
        };
        let new = NewIssue { issue, period, series, parameters: self.parameters };
        Ok(gateway.desk.open(new, by).await?)
    }
}

fn period(first: Date, last: Date) -> Result<Period, Problem> {
    Period::new(first, last).map_err(|it| malformed(it.to_string()))
}

/// Sets another period.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPeriod {
    #[schemars(with = "Day")]
    first: Date,
    #[schemars(with = "Day")]
    last: Date,
}

impl Deed for SetPeriod {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let period = period(self.first, self.last)?;
        plainly(gateway, target, by, |it| Command::SetPeriod(it, period)).await
    }
}

/// Takes news in, or gives it another place (采用).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adopt {
    submission: String,
    /// The higher, the later in its section.
    #[serde(deserialize_with = "number")]
    #[schemars(with = "u32")]
    order: u32,
}

/// A number, which a form sends as a text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = Value::deserialize(deserializer)?;
    parsed(&value)
}

/// The same of a number that may be missing.
fn number_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        value => parsed(&value).map(Some),
    }
}

/// Yes or no, which a form says by a field that is there.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Bool(it) => Ok(it),
        Value::String(it) if it == "true" => Ok(true),
        other => Err(D::Error::custom(format!("`{other}` is neither true nor false"))),
    }
}

/// A list of words, which a form says as one text.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(it) => Ok(it.split_whitespace().map(str::to_owned).collect()),
        other => serde_json::from_value(other).map_err(D::Error::custom),
    }
}

fn parsed<T: std::str::FromStr, E: serde::de::Error>(value: &Value) -> Result<T, E> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.trim().parse().map_err(|_| E::custom(format!("`{text}` is no number")))
}

impl Deed for Adopt {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let (submission, order) = (id(&self.submission)?, self.order);
        plainly(gateway, target, by, |issue| Command::Adopt { issue, submission, order }).await
    }
}

/// Changes the words in which adopted news are printed (改稿).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EditNews {
    submission: String,
    /// SHA-256 of the filed text that the editor had before him; where another one was filed since, nothing is changed.
    of: Option<String>,
    #[serde(default)]
    text: String,
    /// For the department.
    #[serde(default)]
    reason: String,
}

impl Deed for EditNews {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let issue = find(gateway, target).await?;
        let submission: ObjectId = id(&self.submission)?;
        let of = self.of.as_deref().map(id).transpose()?;
        let Self { text, reason, .. } = self;
        let command = async |known: &Known| {
            let (issue, submission) = (issue.clone(), submission.clone());
            Ok(weekly::edit(known, issue, submission, of, text.clone(), reason.clone())?)
        };
        Ok(gateway.desk.issue(by, command).await?)
    }
}

/// Fixes the figures (冻结).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Freeze {}

impl Deed for Freeze {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let issue = find(gateway, target).await?;
        Ok(gateway.desk.freeze(issue, by).await?)
    }
}

/// Accepts what the checks found (接受并说明).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accept {
    code: String,
    /// Words of the place.
    place: Option<String>,
    /// The digest of one finding.
    finding: Option<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    reason: String,
}

impl Deed for Accept {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let code = Code::from_text(&self.code);
        let code = code.ok_or_else(|| malformed(format!("没有代码 no code `{}`", self.code)))?;
        let which = match (self.finding, self.place) {
            (Some(digest), _) => Which::Finding(id::<Digest>(&digest)?),
            (None, Some(place)) => Which::At(place),
            (None, None) if self.all => Which::All,
            (None, None) => Which::Only,
        };
        let (issue, reason) = (find(gateway, target).await?, self.reason);
        let desk = &gateway.desk;
        let accept = async |_: &_| desk.acceptance(&issue, code, &which, &reason).await;
        Ok(desk.issue(by, accept).await?)
    }
}

/// Hands the draft to the leader (提交审核).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submit {}

impl Deed for Submit {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let issue = find(gateway, target).await?;
        Ok(gateway.desk.submit(issue, by).await?)
    }
}

/// Hands the draft back (退回).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Return {
    #[serde(default)]
    reason: String,
}

impl Deed for Return {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        plainly(gateway, target, by, |it| Command::Return(it, self.reason)).await
    }
}

/// Signs off exactly the text that was read, by a person who shows once more who he is (签发).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sign {
    /// The digest of the canonical issue.
    document: String,
    #[schemars(with = "Option<Day>")]
    issued_on: Option<Date>,
    #[serde(default)]
    password: String,
    /// The one-time code of his device, where he has set one up (E.154).
    #[serde(default)]
    code: String,
}

impl Deed for Sign {
    const PLACE: Place = Place::Sign;

    async fn allowed(
        &self,
        gateway: &Gateway,
        who: &Who,
        target: &str,
        by: &By,
    ) -> Result<(), Problem> {
        let read = id::<Digest>(&self.document)?;
        let issue = find(gateway, target).await?;
        let user = gateway.shown_again(who, self.password.clone()).await?;
        let purpose = by.command.as_ref().map(|key| format!("{issue} {read} {key}"));
        gateway.take_code(&user, self.code.trim(), purpose.as_deref())
    }

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let read = id::<Digest>(&self.document)?;
        let issue = find(gateway, target).await?;
        let on = self.issued_on.unwrap_or_else(|| hall_day(gateway.clock.now()));
        let receipt = gateway.desk.sign_off(issue, on, Some(read), by).await?;
        // A number is given once for ever: whoever hears of it, hears of what two disks hold.
        let position = position(gateway, receipt.as_ref()).await?;
        (gateway.copied)(position).await?;
        Ok(receipt)
    }
}

/// Begins a new version of a signed issue (更正).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amend {
    #[serde(default)]
    note: String,
}

impl Deed for Amend {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        plainly(gateway, target, by, |it| Command::Amend(it, self.note)).await
    }
}

/// Voids an issue (作废).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Void {
    #[serde(default)]
    reason: String,
}

impl Deed for Void {
    const PLACE: Place = Place::Issue;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        plainly(gateway, target, by, |it| Command::Void(it, self.reason)).await
    }
}

/// Files news of a department (报送).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    section: String,
    department: String,
    #[serde(default)]
    text: String,
    /// SHA-256 of what was attached before, in the order in which it is shown.
    #[serde(default, deserialize_with = "words")]
    #[schemars(with = "Vec<String>")]
    attachments: Vec<String>,
    /// For the next issue, where the one in work takes no more (E.504).
    #[serde(default, deserialize_with = "flag")]
    late: bool,
}

impl Deed for File {
    const PLACE: Place = Place::Submissions;

    async fn done(
        self,
        gateway: &Gateway,
        _target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let new = new_id('n', &by)?;
        let Self { section, department, text, late, .. } = self;
        let attachments: Vec<Digest> =
            self.attachments.iter().map(|it| id(it)).collect::<Result<_, _>>()?;
        attachment::are_kept(&*gateway.blobs, &attachments).await?;
        let news = News { section, department, text, attachments, late };
        Ok(Some(gateway.desk.file(new, news, by).await?))
    }
}

async fn returned(
    gateway: &Gateway,
    target: &str,
    reason: String,
    by: By,
) -> Result<Option<Receipt>, Problem> {
    let stream = Stream::Desk(DeskTopic::Submission, id(target)?);
    let event = Event::SubmissionReturned { reason };
    Ok(Some(gateway.desk.record(stream, event, by).await?))
}

/// Takes one's own news back (撤回).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdraw {}

impl Deed for Withdraw {
    const PLACE: Place = Place::Submissions;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        returned(gateway, target, "报送人撤回".to_owned(), by).await
    }
}

/// Returns news to whoever filed it (退回稿件).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReturnSubmission {
    #[serde(default)]
    reason: String,
}

impl Deed for ReturnSubmission {
    const PLACE: Place = Place::Submissions;

    async fn done(
        self,
        gateway: &Gateway,
        target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        returned(gateway, target, self.reason, by).await
    }
}

async fn settled(
    gateway: &Gateway,
    event: impl FnOnce(EventRef) -> Event,
    original: &str,
    by: By,
) -> Result<Option<Receipt>, Problem> {
    let event = event(id(original)?);
    Ok(Some(gateway.desk.record(Stream::Quarantine, event, by).await?))
}

/// Lets what was flagged, held or quarantined count (放行).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Release {
    /// Such as `terminal.w01#17`.
    event: String,
    /// The message that is meant, of what is held or quarantined.
    #[serde(default, deserialize_with = "number_if_any")]
    #[schemars(with = "Option<u64>")]
    position: Option<u64>,
    #[serde(default)]
    reason: String,
}

impl Deed for Release {
    const PLACE: Place = Place::Admin;

    async fn done(
        self,
        gateway: &Gateway,
        _target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let Self { event, position, reason } = self;
        settled(gateway, |original| Event::Released { original, position, reason }, &event, by)
            .await
    }
}

/// Rules that what was flagged, held or quarantined never counts (驳回).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reject {
    /// Such as `terminal.w01#17`.
    event: String,
    /// The message that is meant, of what is held or quarantined.
    #[serde(default, deserialize_with = "number_if_any")]
    #[schemars(with = "Option<u64>")]
    position: Option<u64>,
    #[serde(default)]
    reason: String,
}

impl Deed for Reject {
    const PLACE: Place = Place::Admin;

    async fn done(
        self,
        gateway: &Gateway,
        _target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let Self { event, position, reason } = self;
        settled(gateway, |original| Event::Rejected { original, position, reason }, &event, by)
            .await
    }
}

/// Records a fact of the office that has no page of its own: an entry of the set-up, a change of authorization, imported
/// figures, opening figures.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Its line: `setup.window.w13`, `authorization.labour`, `desk.statistics.2023-w06`, `issues` for opening figures.
    line: String,
    /// Its kind: `cn.zhoubao.WindowSet.v1`.
    #[serde(rename = "type")]
    kind: String,
    /// Its body, as asyncapi.json describes it.
    data: Map<String, Value>,
}

impl Deed for Record {
    const PLACE: Place = Place::Admin;

    async fn done(
        self,
        gateway: &Gateway,
        _target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let line: Stream = id(&self.line)?;
        let event = event_from_json(&self.kind, json!(self.data).to_string().as_bytes(), &line)?;
        match (&line, event) {
            (
                Stream::Setup(..)
                | Stream::Authorization(_)
                | Stream::Desk(DeskTopic::Statistics, _),
                event,
            ) => Ok(Some(gateway.desk.record(line, event, by).await?)),
            (
                Stream::Issues,
                Event::Issue(IssueEvent::OpeningFigures {
                    through,
                    year_to_date,
                    last_number,
                    last_running_number,
                }),
            ) => {
                let opening = Opening { through, year_to_date, last_number, last_running_number };
                let command = Command::EnterOpening(opening);
                Ok(gateway.desk.issue(by, async |_| Ok(command.clone())).await?)
            }
            _ => Err(malformed(format!("{line} 另有专门的请求 has requests of its own"))),
        }
    }
}

/// Records an inspection round (巡查).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inspect {
    #[schemars(with = "Option<Day>")]
    day: Option<Date>,
    results: Vec<ItemResult>,
}

/// What was found at one item.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ItemResult {
    item: String,
    #[serde(default)]
    findings: Vec<String>,
    remark: Option<String>,
}

impl Deed for Inspect {
    const PLACE: Place = Place::Inspection;

    async fn done(
        self,
        gateway: &Gateway,
        _target: &str,
        by: By,
    ) -> Result<Option<Receipt>, Problem> {
        let new = new_id('i', &by)?;
        let day = self.day.unwrap_or_else(|| hall_day(gateway.clock.now()));
        let results = self.results.into_iter().map(|ItemResult { item, findings, remark }| {
            InspectionResult { item, findings, remark }
        });
        Ok(Some(gateway.desk.inspect(new, day, results.collect(), by).await?))
    }

    /// Fields `item.0`, `result.0` (`fine` or `wrong`), `findings.0` (one a line) and `remark.0`, and so on.
    fn of_form(fields: &Fields) -> Result<Self, Problem> {
        let mut results = vec![];
        for (name, item) in fields {
            let Some(nth) = name.strip_prefix("item.") else { continue };
            let of = |what: &str| field(fields, &format!("{what}.{nth}")).trim().to_owned();
            let lines = of("findings");
            let lines = lines.lines().map(str::trim).filter(|it| !it.is_empty());
            let findings: Vec<_> = lines.collect();
            match of("result").as_str() {
                "fine" if findings.is_empty() => {}
                "wrong" if !findings.is_empty() => {}
                "fine" => return Err(malformed(format!("“{item}”选了正常，却写了问题"))),
                "wrong" => return Err(malformed(format!("“{item}”有问题，请写明"))),
                _ => return Err(malformed(format!("“{item}”未选择结果"))),
            }
            let remark = Some(of("remark")).filter(|it| !it.is_empty());
            results.push(json!({ "item": item, "findings": findings, "remark": remark }));
        }
        let day = Some(field(fields, "day")).filter(|it| !it.is_empty());
        read(json!({ "day": day, "results": results }))
    }
}
