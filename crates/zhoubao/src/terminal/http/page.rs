//! The window's page over the device's ledger, and what only it asks for.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::HeaderMap;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Value, json};
use zhoubao_domain::event::Kind;
use zhoubao_gateway::{Ledger, window};

use super::{Agent, Refused, check, malformed};
use crate::failure::Failure;

/// `GET /`: the window's page, over this device's ledger.
pub(super) async fn page(State(agent): State<Arc<Agent>>) -> Response {
    let own = agent.ledger.subject();
    window(Ledger::Agent {
        source: own.to_string(),
        terminal: agent.terminal.to_string(),
        training: own.hall.is_training(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Day {
    day: String,
}

/// `GET /v1/day?day=…`: what the device recorded on a day, as corrected and without what was voided.
pub(super) async fn day(
    State(agent): State<Arc<Agent>>,
    headers: HeaderMap,
    day: Result<Query<Day>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    agent.clerk(&headers, false)?;
    let Query(Day { day }) = day.map_err(|it| malformed(it.body_text()))?;
    let day: Date = day.parse().map_err(|_| malformed(format!("`{day}` is no day")))?;
    let tally = check::tally_of(&agent.ledger, day).await.map_err(Failure::from)?;
    let tally = tally.map(|it| {
        let of = Kind::ALL.map(|kind| (kind.word().to_owned(), json!(it.get(kind))));
        Value::Object(of.into_iter().collect())
    });
    Ok(Json(json!({ "day": day.to_string(), "tally": tally })))
}
