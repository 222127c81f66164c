//! What the local port answers: one route, one function.
//!
//! | route | what |
//! |--|--|
//! | `POST /v1/events` | records one event, or at most 200; answers once they are on disk |
//! | `GET /v1/events?after=N` | what became of the events after number N |
//! | `GET /v1/status` | how the terminal stands |

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Query, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, TerminalId};
use zhoubao_store_sqlite::ledger::{Ledger, Recorded};

use super::intake::{Intake, answer};
use super::server::guard;
use super::standing::{self, Counting, state};
use crate::failure::Failure;
use crate::wiring::Context;

/// Most bytes of one request: 200 events of a window, which have some 300 bytes, with much room.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest wait for a body.
const BODY_MAX: Duration = Duration::from_secs(10);

/// Most events of one request, and of one answer: what the ledger takes in one transaction.
const EVENTS_MAX: usize = 200;

/// Longest wait for the hall's read models; without them nothing is said of counting.
const COUNTING_MAX: Duration = Duration::from_secs(2);

/// What the handlers work with.
pub struct Agent {
    /// Settings and folder of the device.
    pub ctx: Context,
    /// The hall.
    pub hall: HallCode,
    /// The terminal.
    pub terminal: TerminalId,
    /// Its ledger.
    pub ledger: Arc<Ledger>,
    /// The way into the ledger.
    pub intake: Intake,
}

/// The routes; `port` is the one that is listened on.
pub fn routes(agent: Arc<Agent>, port: u16) -> Router {
    Router::new()
        .route("/v1/events", post(record).get(events))
        .route("/v1/status", get(status))
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
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { status: status_of(&failure), failure }
    }
}

impl Refused {
    fn with(status: StatusCode, message: impl Into<String>, next: &str) -> Self {
        Self { status, failure: Failure::usage(message).with_next(next) }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(told(&self.failure))).into_response()
    }
}

fn status_of(failure: &Failure) -> StatusCode {
    match failure.code {
        Some(Code::Malformed | Code::UnknownHall) | None => StatusCode::BAD_REQUEST,
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

/// `POST /v1/events`: records, and answers of each event once it is on disk.
async fn record(State(agent): State<Arc<Agent>>, request: Request) -> Result<Response, Refused> {
    let (kind, text) = body(request, &[JSON, CLOUD_EVENT, CLOUD_EVENTS, LINES]).await?;
    let (events, alone) = split(&kind, &text)?;
    let mut waiting = Vec::with_capacity(events.len());
    for text in events {
        // All are ordered before any is waited for: they share one transaction.
        waiting.push(match agent.intake.read(&text) {
            Ok(event) => Ok(agent.intake.order(event).await),
            Err(failure) => Err(failure),
        });
    }
    let mut answers = Vec::with_capacity(waiting.len());
    for it in waiting {
        answers.push(match it {
            Ok(receiver) => answer(receiver).await,
            Err(failure) => Err(failure),
        });
    }
    Ok(agent.answered(&answers, alone))
}

impl Agent {
    fn answered(&self, answers: &[Result<Recorded, Failure>], alone: bool) -> Response {
        // Saved all: 200; some of them: 207, and each says of itself; none: as the first of them.
        let first = answers.iter().find_map(|it| it.as_ref().err());
        let status = match first {
            None => StatusCode::OK,
            Some(_) if answers.iter().any(Result::is_ok) => StatusCode::MULTI_STATUS,
            Some(failure) => status_of(failure),
        };
        let mut results = answers.iter().map(|it| match it {
            Ok(Recorded { number, repeated }) => json!({
                "stream": self.intake.own().stream.to_string(), "number": number, "state": "saved",
                "repeated": repeated,
            }),
            Err(failure) => {
                let mut value = told(failure);
                value["state"] = json!("refused");
                value
            }
        });
        let value = match (alone, results.next()) {
            (true, Some(only)) => only,
            (_, first) => {
                json!({ "results": first.into_iter().chain(results).collect::<Vec<_>>() })
            }
        };
        (status, Json(value)).into_response()
    }

    /// What the hall's read models say, where they are on this device and answer soon.
    async fn counting(&self) -> Option<Counting> {
        let read = Counting::of(&self.ctx, &self.hall, self.intake.own());
        match tokio::time::timeout(COUNTING_MAX, read).await {
            Ok(Ok(counting)) => counting,
            Ok(Err(failure)) => {
                tracing::warn!(error = failure.message, "cannot tell what counts");
                None
            }
            Err(_) => None,
        }
    }
}

/// `GET /v1/status`: how the terminal stands; nothing of what was recorded.
async fn status(State(agent): State<Arc<Agent>>) -> Result<Json<Value>, Refused> {
    let standing = agent.ledger.standing().await.map_err(Failure::from)?;
    let mut value = standing::to_json(&agent.terminal, &standing);
    let counting = agent.counting().await;
    value["flagged"] = match &counting {
        Some(counting) => counting
            .needs_attention()
            .take(EVENTS_MAX)
            .map(|it| {
                let mut value = standing::reason(it.code, &it.detail);
                value["number"] = json!(it.number);
                value["position"] = json!(it.position);
                value
            })
            .collect(),
        None => Value::Null,
    };
    Ok(Json(value))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
}

/// `GET /v1/events?after=N`: at most 200 events after number N, and what became of each.
async fn events(
    State(agent): State<Arc<Agent>>,
    after: Result<Query<After>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let Query(After { after }) = after.map_err(|it| malformed(it.body_text()))?;
    let most = u32::try_from(EVENTS_MAX).unwrap_or(u32::MAX);
    let entries = agent.ledger.entries(after, u64::MAX, most).await.map_err(Failure::from)?;
    let counting = agent.counting().await;
    let last = entries.last().map_or(after, |it| it.number);
    let events = entries.iter().map(|entry| {
        let (state, exception) = state(entry, counting.as_ref());
        let mut value = match exception {
            Some(it) => standing::reason(it.code, &it.detail),
            None => json!({}),
        };
        let attributes = &entry.message.attributes;
        value["number"] = json!(entry.number);
        value["state"] = json!(state.word());
        value["label"] = json!(state.label());
        value["position"] = json!(entry.position);
        value["type"] = json!(attributes.kind);
        value["time"] = json!(attributes.time);
        value["command"] = json!(attributes.command);
        value
    });
    let events: Vec<Value> = events.collect();
    let full = events.len() == EVENTS_MAX;
    Ok(Json(json!({ "events": events, "last": last, "more": full })))
}
