//! An inspection round (巡查): one choice for each item of the checklist.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, State};
use axum::response::Response;
use zhoubao_application::weekly;
use zhoubao_domain::time::hall_day;

use super::{Frame, Told, new_key, page as shown};
use crate::Gateway;
use crate::access::Who;
use crate::commands::{After, Fields, field};
use crate::extract::Query;
use crate::problem::Problem;

struct Item {
    nth: usize,
    name: String,
    result: String,
    findings: String,
    remark: String,
}

#[derive(Template)]
#[template(path = "inspection.html")]
struct FormPage {
    frame: Frame,
    error: Option<Told>,
    /// Rounds of this day that are recorded.
    done: usize,
    day: String,
    key: String,
    items: Vec<Item>,
}

/// `GET /inspection`.
pub(crate) async fn form(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Query(after): Query<After>,
) -> Result<Response, Problem> {
    after.wait(&gateway).await?;
    form_page(&gateway, &who, &vec![], None).await
}

pub(crate) async fn form_page(
    gateway: &Gateway,
    who: &Who,
    fields: &Fields,
    error: Option<Told>,
) -> Result<Response, Problem> {
    let known = gateway.desk.known_so_far().await?;
    let (_, items) = weekly::checklist(&known)?;
    let today = hall_day(gateway.clock.now());
    let day = match field(fields, "day") {
        "" => today.to_string(),
        day => day.to_owned(),
    };
    let items = items.iter().enumerate().map(|(nth, name)| {
        let of = |what: &str| field(fields, &format!("{what}.{nth}")).to_owned();
        let (result, findings, remark) = (of("result"), of("findings"), of("remark"));
        Item { nth, name: name.clone(), result, findings, remark }
    });
    let name = known.registry.hall.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
    Ok(shown(&FormPage {
        frame: Frame::of(who, &name),
        error,
        done: known.rounds.iter().filter(|it| it.day.to_string() == day).count(),
        day,
        key: new_key(gateway)?,
        items: items.collect(),
    }))
}
