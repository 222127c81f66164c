//! What programs ask beside the pages: sums of what counts, and the entries of the set-up.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use zhoubao_application::desk::DeskError;
use zhoubao_application::statistics::{StatisticsQuery, statistics};
use zhoubao_contract::event_to_json;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Kind};
use zhoubao_domain::figure::Partition;
use zhoubao_domain::id::{ObjectId, SetupTopic};
use zhoubao_domain::time::hall_day;

use crate::Gateway;
use crate::answers::{SetupEntry, SetupList, Sums, SumsRow};
use crate::commands::After;
use crate::extract::{Path, Query};
use crate::openapi::Day;
use crate::problem::Problem;

/// Which sums.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SumsQuery {
    /// First day; 1 January of the last one's year, where it is not given.
    #[schemars(with = "Option<Day>")]
    first: Option<Date>,
    /// Last day; today, where it is not given.
    #[schemars(with = "Option<Day>")]
    last: Option<Date>,
    /// `total`, `day`, `window` or `department`; `total`, where it is not given.
    by: Option<String>,
    /// Only what had taken effect at or before this position.
    position: Option<u64>,
    /// Position of what its reader has done before.
    after: Option<u64>,
}

/// `GET /v1/stats`: sums of what counts, along any part and as of any position.
pub(crate) async fn sums(
    State(gateway): State<Arc<Gateway>>,
    Query(asked): Query<SumsQuery>,
) -> Result<Json<Sums>, Problem> {
    // A position that the journal does not have yet is refused as well.
    After { after: asked.after.max(asked.position) }.wait(&gateway).await?;
    let wrong = |detail: String| Problem::coded(Code::Malformed, detail);
    let last = asked.last.unwrap_or_else(|| hall_day(gateway.clock.now()));
    let first = asked.first.unwrap_or_else(|| last.first_of_year());
    if last < first {
        return Err(wrong(format!("{first} 晚于 is after {last}")));
    }
    let by = match asked.by.as_deref() {
        None => Partition::Total,
        Some(word) => Partition::from_word(word)
            .ok_or_else(|| wrong(format!("by `{word}`: total, day, window or department")))?,
    };
    let query = StatisticsQuery { first, last, as_of: asked.position, by };
    let found = statistics(&**gateway.desk.store(), gateway.desk.hall(), query).await;
    let found = found.map_err(DeskError::from)?;
    let rows = found.rows.into_iter().map(|(part, row)| SumsRow {
        part,
        consulted: row.tally.get(Kind::Consulted),
        accepted: row.tally.get(Kind::Accepted),
        issued: row.tally.get(Kind::Issued),
        transferred: row.tally.get(Kind::Transferred),
        events: row.events,
    });
    Ok(Json(Sums {
        first: first.to_string(),
        last: last.to_string(),
        by: by.word(),
        position: found.position,
        rows: rows.collect(),
    }))
}

/// `GET /v1/setup`: every entry of the set-up, as it stands.
pub(crate) async fn entries(
    State(gateway): State<Arc<Gateway>>,
    Query(after): Query<After>,
) -> Result<Json<SetupList>, Problem> {
    after.wait(&gateway).await?;
    let known = gateway.desk.known().await?;
    let latest = known.setup.iter().filter_map(|(key, versions)| Some((key, versions.last()?)));
    let entries = latest.map(|((topic, id), it)| entry(*topic, id, it.position, &it.setup));
    Ok(Json(SetupList { entries: entries.collect() }))
}

/// `GET /v1/setup/{topic}/{id}`: one of them.
pub(crate) async fn entry_of(
    State(gateway): State<Arc<Gateway>>,
    Path((topic, id)): Path<(String, String)>,
    Query(after): Query<After>,
) -> Result<Json<SetupEntry>, Problem> {
    after.wait(&gateway).await?;
    let known = gateway.desk.known().await?;
    let key = SetupTopic::from_word(&topic).zip(id.parse::<ObjectId>().ok());
    let found = key.as_ref().and_then(|key| known.setup.get(key)?.last());
    match (key, found) {
        (Some((topic, id)), Some(it)) => Ok(Json(entry(topic, &id, it.position, &it.setup))),
        _ => Err(Problem::not_found("entry of the set-up")),
    }
}

fn entry(
    topic: SetupTopic,
    id: &ObjectId,
    position: u64,
    setup: &zhoubao_domain::event::Setup,
) -> SetupEntry {
    let (kind, body) = event_to_json(&Event::Setup(setup.clone()));
    SetupEntry {
        line: format!("setup.{}.{id}", topic.word()),
        position,
        kind,
        data: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}
