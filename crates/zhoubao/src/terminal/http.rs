//! What the local port answers: one route, one function.
//!
//! | route | what |
//! |--|--|
//! | `POST /v1/login` | work number and PIN, for a token; `POST /v1/logout` gives it back |
//! | `POST /v1/events` | records one event, or at most 200; answers once they are on disk |
//! | `POST /v1/check` | what the device would warn of; records nothing |
//! | `GET /v1/events?after=N` | what became of the clerk's own events after number N |
//! | `GET /v1/day?day=2023-02-06` | what the device recorded on a day, for its closing |
//! | `GET /` | the window's page |
//! | `GET /v1/status` | how the terminal stands, for anybody at the device |

mod page;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Query, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;
use zhoubao_contract::structured::Incoming;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{TerminalId, UserId};
use zhoubao_gateway::asset;
use zhoubao_store_sqlite::ledger::{Entry, Ledger, Recorded};

use super::check;
use super::clerks::{Clerks, is_pin};
use super::clock::{self, Clocks, since_boot_us};
use super::door::{Door, IDLE_MAX, SESSION_MAX};
use super::intake::{Intake, outcomes};
use super::server::guard;
use super::standing::{self, state};
use crate::failure::{Exit, Failure};
use crate::receipts::heard;
use crate::wiring::Context;

/// Most bytes of one request: 200 events of a window, which have some 300 bytes, with much room.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest wait for a body.
const BODY_MAX: Duration = Duration::from_secs(10);

/// Says how long ago the key was pressed, in milliseconds.
const PRESSED: &str = "pressed-ms";

/// Longest time that is believed.
const PRESSED_MAX: Duration = Duration::from_secs(60);

/// Most events of one request, and of one answer: what the ledger takes in one transaction.
const EVENTS_MAX: usize = 200;

/// What the handlers work with.
pub struct Agent {
    /// The terminal.
    terminal: TerminalId,
    /// Its ledger.
    ledger: Arc<Ledger>,
    /// The way into the ledger.
    intake: Intake,
    /// What is known of its clock.
    clocks: Arc<Clocks>,
    /// Whether the journal answered when it was last called.
    online: watch::Receiver<Option<bool>>,
    /// Who may log in.
    clerks: Clerks,
    /// Who has.
    door: Mutex<Door>,
    /// One PIN is looked at at a time: each takes 19 MiB.
    looking: tokio::sync::Mutex<()>,
}

/// The routes; `port` is the one that is listened on.
pub fn routes(agent: Arc<Agent>, port: u16) -> Router {
    Router::new()
        .route("/v1/login", post(login))
        .route("/v1/logout", post(logout))
        .route("/v1/events", post(record).get(events))
        .route("/v1/check", post(checked))
        .route("/v1/day", get(page::day))
        .route("/v1/status", get(status))
        .route("/", get(page::page))
        .route("/assets/{name}", get(asset))
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(port, guard))
        .with_state(agent)
}

/// Why a request was not done, with its status.
pub(super) struct Refused {
    status: StatusCode,
    failure: Failure,
    /// How long to wait before it is asked again.
    pause: Option<Duration>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { status: status_of(&failure), failure, pause: None }
    }
}

impl Refused {
    fn with(status: StatusCode, message: impl Into<String>, next: &str) -> Self {
        Self { status, failure: Failure::usage(message).with_next(next), pause: None }
    }

    /// A wrong PIN, or one that is not looked at yet.
    fn wait(status: StatusCode, pause: Duration) -> Self {
        // What is left of a second is waited for, too.
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        let message = format!("请等 {seconds} 秒再试 wait {seconds} s and try again");
        let failure = Failure::coded(Code::WrongPin, message);
        Self { status, failure, pause: Some(Duration::from_secs(seconds)) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = self.failure.message, "a file of the device cannot be used");
        }
        let mut response = (self.status, Json(told(&self.failure))).into_response();
        if let Some(pause) = self.pause {
            response.headers_mut().insert(RETRY_AFTER, pause.as_secs().into());
        }
        response
    }
}

fn status_of(failure: &Failure) -> StatusCode {
    match failure.code {
        Some(Code::Malformed | Code::UnknownHall | Code::TrainingHall) => StatusCode::BAD_REQUEST,
        None if failure.exit == Exit::Usage => StatusCode::BAD_REQUEST,
        // A damaged file of the device is nobody's request.
        Some(Code::Configuration) | None => StatusCode::INTERNAL_SERVER_ERROR,
        Some(Code::NotLoggedIn | Code::WrongPin) => StatusCode::UNAUTHORIZED,
        Some(Code::ForeignPage | Code::NoRight) => StatusCode::FORBIDDEN,
        Some(Code::Fork) => StatusCode::CONFLICT,
        Some(Code::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
        Some(Code::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// A failure as the port tells it: the exit code is for shells.
fn told(failure: &Failure) -> Value {
    let mut value = failure.to_json();
    if let Some(members) = value.as_object_mut() {
        members.remove("exit");
    }
    value
}

async fn nothing_here(uri: Uri) -> Refused {
    let message = format!("没有 `{}` there is no such path", uri.path());
    Refused::with(StatusCode::NOT_FOUND, message, "the paths are in docs/terminal.md")
}

async fn other_method(method: Method, uri: Uri) -> Refused {
    let message = format!("`{}` 不支持 does not know {method}", uri.path());
    Refused::with(StatusCode::METHOD_NOT_ALLOWED, message, "the methods are in docs/terminal.md")
}

/// The body of a request, of JSON.
///
/// Only a page of this device can send one with such a type: for another the browser asks first, and gets no leave.
async fn body(request: Request, types: &[&str]) -> Result<(String, String), Refused> {
    let kind = media_type(request.headers());
    if !types.contains(&kind.as_str()) {
        return Err(Refused::with(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("`Content-Type: {kind}` 不支持 is not known here"),
            &format!("send one of {}", types.join(", ")),
        ));
    }
    let read = tokio::time::timeout(BODY_MAX, Bytes::from_request(request, &())).await;
    let read = read.map_err(|_| {
        let message = "请求未传完 the body did not come in time";
        Refused::with(StatusCode::REQUEST_TIMEOUT, message, "send it again")
    })?;
    let bytes = read.map_err(|rejection: BytesRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("请求过大 the request has more than {BODY_BYTES_MAX} bytes");
            Refused::from(Failure::coded(Code::TooLarge, message))
        }
        status => Refused::with(status, rejection.body_text(), "send it again"),
    })?;
    let text = String::from_utf8(bytes.into());
    let text = text.map_err(|error| malformed(format!("not UTF-8: {error}")))?;
    Ok((kind, text))
}

fn media_type(headers: &HeaderMap) -> String {
    let whole = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn malformed(detail: impl Into<String>) -> Refused {
    Failure::coded(Code::Malformed, detail).into()
}

const JSON: &str = "application/json";
const CLOUD_EVENT: &str = "application/cloudevents+json";
const CLOUD_EVENTS: &str = "application/cloudevents-batch+json";
const LINES: &str = "application/x-ndjson";

/// The events of a body, each in JSON, and whether it was one that came by itself.
fn split(kind: &str, text: &str) -> Result<(Vec<String>, bool), Refused> {
    let events: Vec<String> = if kind == LINES {
        text.lines().filter(|it| !it.trim().is_empty()).map(str::to_owned).collect()
    } else if kind == CLOUD_EVENTS || (kind == JSON && text.trim_start().starts_with('[')) {
        let all: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        all.into_iter().map(|it| it.get().to_owned()).collect()
    } else {
        return Ok((vec![text.to_owned()], true));
    };
    match events.len() {
        0 => Err(malformed("没有事件 no event")),
        1..=EVENTS_MAX => Ok((events, false)),
        many => {
            let message = format!("{many} 条 events, at most {EVENTS_MAX} at a time");
            Err(Failure::coded(Code::TooLarge, message).with_next("send them in parts").into())
        }
    }
}

/// What a clerk logs in with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    clerk: String,
    pin: String,
}

/// `POST /v1/login`: lets a clerk in, and whoever was in before out.
async fn login(State(agent): State<Arc<Agent>>, request: Request) -> Result<Response, Refused> {
    let (_, text) = body(request, &[JSON]).await?;
    let Login { clerk, pin } = serde_json::from_str(&text).map_err(|error| {
        // The text of such an error would repeat what was typed.
        malformed(format!("expected clerk and pin as texts, line {}", error.line()))
    })?;
    let _one_at_a_time = agent.looking.lock().await;
    let mut clerks = agent.clerks.all()?;
    let known = clerks.remove_entry(&clerk);
    let known = known.and_then(|(clerk, hash)| Some((clerk.parse::<UserId>().ok()?, hash)));
    let account = known.as_ref().map(|(clerk, _)| clerk);
    if let Some(pause) = agent.door().pause(account, now()) {
        return Err(Refused::wait(StatusCode::TOO_MANY_REQUESTS, pause));
    }
    // For somebody who is no clerk it takes as long: another's hash is compared, which fits by chance at most.
    let hash = known.as_ref().map(|(_, hash)| hash).or(clerks.values().next()).cloned();
    let looked = tokio::task::spawn_blocking(move || hash.is_some_and(|it| is_pin(&pin, &it)));
    let right = looked.await.map_err(|error| Failure::unavailable(error.to_string()))?;
    let (true, Some((clerk, hash))) = (right, known.clone()) else {
        let pause = agent.door().miss(account, now());
        tracing::warn!(clerk = account.map(UserId::as_str), "a wrong PIN");
        return Err(Refused::wait(StatusCode::UNAUTHORIZED, pause));
    };
    let token = agent.door().open(clerk.clone(), hash, &Context::secret()?, now());
    let value = json!({
        "clerk": clerk.as_str(), "token": token,
        "idle_seconds": IDLE_MAX.as_secs(), "seconds": SESSION_MAX.as_secs(),
    });
    Ok(Json(value).into_response())
}

/// `POST /v1/logout`: the clerk goes.
async fn logout(
    State(agent): State<Arc<Agent>>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    agent.clerk(&headers, true)?;
    agent.door().close();
    Ok(StatusCode::NO_CONTENT)
}

/// The present moment of the door.
fn now() -> Duration {
    Duration::from_micros(since_boot_us().unsigned_abs())
}

/// How long before it sent the request the page saw the key press, as it says itself. For 轨迹 only.
fn pressed(headers: &HeaderMap) -> Duration {
    let said = headers.get(PRESSED).and_then(|it| it.to_str().ok()?.parse().ok());
    Duration::from_millis(said.unwrap_or(0)).min(PRESSED_MAX)
}

/// `POST /v1/events`: records, and answers of each event once it is on disk.
async fn record(State(agent): State<Arc<Agent>>, request: Request) -> Result<Response, Refused> {
    let came = Instant::now();
    let came = came.checked_sub(pressed(request.headers())).unwrap_or(came);
    let (read, alone) = agent.read(request).await?;
    // What can be recorded goes into one transaction: all of it is saved, or nothing.
    let mut fit = Vec::with_capacity(read.len());
    let mut refused = Vec::with_capacity(read.len());
    for it in read {
        match it {
            Ok(event) => {
                fit.push(event);
                refused.push(None);
            }
            Err(failure) => refused.push(Some(failure)),
        }
    }
    let mut recorded = Vec::new().into_iter();
    if !fit.is_empty() {
        recorded = outcomes(agent.intake.order(fit, came).await).await?.into_iter();
    }
    let lost = || Err(Failure::unavailable("the recorder answered too little"));
    let answers: Vec<_> = refused
        .into_iter()
        .map(|it| it.map_or_else(|| recorded.next().unwrap_or_else(lost), Err))
        .collect();
    // Saved all: 200; some of them: 207, and each says of itself; none: as the first of them.
    let first = answers.iter().find_map(|it| it.as_ref().err());
    let status = match first {
        None => StatusCode::OK,
        Some(_) if answers.iter().any(Result::is_ok) => StatusCode::MULTI_STATUS,
        Some(failure) => status_of(failure),
    };
    let results = answers.iter().map(|it| match it {
        Ok(it) => agent.saved(*it),
        Err(failure) => refused_event(failure),
    });
    Ok(agent.answered(status, results.collect(), alone))
}

/// `POST /v1/check`: what the device would say of each event, which is not recorded.
async fn checked(State(agent): State<Arc<Agent>>, request: Request) -> Result<Response, Refused> {
    let (read, alone) = agent.read(request).await?;
    let mut results = Vec::with_capacity(read.len());
    for it in read {
        results.push(match it {
            Ok(event) => agent.checked(&event).await?,
            Err(failure) => refused_event(&failure),
        });
    }
    Ok(agent.answered(StatusCode::OK, results, alone))
}

fn refused_event(failure: &Failure) -> Value {
    let mut value = told(failure);
    value["state"] = json!("refused");
    value
}

/// The event as an act of the clerk who is logged in.
fn by(mut event: Incoming, clerk: &UserId) -> Result<Incoming, Failure> {
    if let Some(other) = event.actor.as_ref().filter(|it| *it != clerk) {
        let message = format!("登录者为 {clerk} {clerk} is logged in, the event names {other}");
        return Err(Failure::coded(Code::NoRight, message)
            .with_next("let the clerk whom the event names log in, and send it again"));
    }
    event.attributes.actor = Some(clerk.to_string());
    event.actor = Some(clerk.clone());
    Ok(event)
}

impl Agent {
    /// What the handlers work with, nobody being logged in.
    #[must_use]
    pub fn new(
        terminal: TerminalId,
        ledger: Arc<Ledger>,
        intake: Intake,
        clocks: Arc<Clocks>,
        online: watch::Receiver<Option<bool>>,
        clerks: Clerks,
    ) -> Self {
        let (door, looking) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { terminal, ledger, intake, clocks, online, clerks, door, looking }
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is logged in and sent this request; `active`: by hand, which keeps the login alive.
    fn clerk(&self, headers: &HeaderMap, active: bool) -> Result<UserId, Failure> {
        let token = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
        let token = token.and_then(|it| it.strip_prefix("Bearer ")).unwrap_or_default();
        let mut clerks = self.clerks.all()?;
        let clerk = self.door().pass(token, |it| clerks.remove(it.as_str()), active, now());
        clerk
            .ok_or_else(|| Failure::coded(Code::NotLoggedIn, "请登录 log in first: POST /v1/login"))
    }

    /// The events of a request, each as an act of the clerk who sent it, and whether it was one by itself.
    async fn read(
        &self,
        request: Request,
    ) -> Result<(Vec<Result<Incoming, Failure>>, bool), Refused> {
        let clerk = self.clerk(request.headers(), true)?;
        let (kind, text) = body(request, &[JSON, CLOUD_EVENT, CLOUD_EVENTS, LINES]).await?;
        let (events, alone) = split(&kind, &text)?;
        let read = events.iter().map(|it| self.intake.read(it).and_then(|it| by(it, &clerk)));
        Ok((read.collect(), alone))
    }

    fn saved(&self, Recorded { number, repeated }: Recorded) -> Value {
        json!({
            "stream": self.intake.own().stream.to_string(), "number": number, "state": "saved",
            "repeated": repeated,
        })
    }

    async fn checked(&self, event: &Incoming) -> Result<Value, Failure> {
        match self.ledger.known(event).await? {
            Some(Ok(it)) => return Ok(self.saved(it)),
            Some(Err(refusal)) => return Ok(refused_event(&refusal.into())),
            None => {}
        }
        let stamp = self.clocks.stamp();
        let offset = clock::offset(&self.clocks.notes(), &stamp).unwrap_or_default();
        let now = stamp.wall.saturating_sub(offset).unwrap_or(stamp.wall);
        let found = check::warnings(event, &self.ledger, now).await?;
        let found: Vec<Value> =
            found.into_iter().map(|it| told(&Failure::coded(it.code, it.detail))).collect();
        Ok(json!({ "state": "recordable", "warnings": found }))
    }

    fn answered(&self, status: StatusCode, results: Vec<Value>, alone: bool) -> Response {
        let mut results = results.into_iter();
        let mut value = match (alone, results.next()) {
            (true, Some(only)) => only,
            (_, first) => {
                json!({ "results": first.into_iter().chain(results).collect::<Vec<_>>() })
            }
        };
        // Saved all the same; the clerk is told while he can still set the clock.
        if let Some(message) = clock::warning(&self.clocks.notes(), &self.clocks.stamp()) {
            value["warning"] = clock::warning_json(&message);
        }
        (status, Json(value)).into_response()
    }
}

/// `GET /v1/status`: how the terminal stands, and nothing of what anybody recorded.
async fn status(State(agent): State<Arc<Agent>>) -> Result<Json<Value>, Refused> {
    let standing = agent.ledger.standing().await.map_err(Failure::from)?;
    let receipt = heard(&agent.ledger).await.map_err(Failure::from)?;
    let clock = clock::to_json(&agent.clocks.notes(), &agent.clocks.stamp());
    let mut value = standing::to_json(
        &agent.ledger.subject().hall,
        &agent.terminal,
        &standing,
        receipt.as_ref(),
        clock,
    );
    value["online"] = json!(*agent.online.borrow());
    Ok(Json(value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
}

/// `GET /v1/events?after=N`: what became of the clerk's own events among the 200 after number N.
async fn events(
    State(agent): State<Arc<Agent>>,
    headers: HeaderMap,
    after: Result<Query<After>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let clerk = agent.clerk(&headers, false)?;
    let Query(After { after }) = after.map_err(|it| malformed(it.body_text()))?;
    let most = u32::try_from(EVENTS_MAX).unwrap_or(u32::MAX);
    let entries = agent.ledger.entries(after, u64::MAX, most).await.map_err(Failure::from)?;
    let receipt = heard(&agent.ledger).await.map_err(Failure::from)?;
    let last = entries.last().map_or(after, |it| it.number);
    let full = entries.len() == EVENTS_MAX;
    let own = |it: &&Entry| it.message.attributes.actor.as_deref() == Some(clerk.as_str());
    let events = entries.iter().filter(own).map(|entry| {
        let (state, open) = state(entry, receipt.as_ref());
        let mut value = open.map_or_else(|| json!({}), standing::reason);
        let attributes = &entry.message.attributes;
        value["number"] = json!(entry.number);
        value["state"] = json!(state.word());
        value["label"] = json!(state.label());
        value["position"] = json!(entry.position);
        value["type"] = json!(attributes.kind);
        value["time"] = json!(attributes.time);
        value["entered"] = json!(attributes.enteredat);
        value["command"] = json!(attributes.command);
        // The device read it before it was recorded.
        value["data"] = serde_json::from_slice(&entry.message.body).unwrap_or_default();
        value
    });
    let events: Vec<Value> = events.collect();
    Ok(Json(json!({ "events": events, "last": last, "more": full })))
}
