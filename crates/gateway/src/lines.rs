//! A window's line for whoever cannot reach the journal himself: a browser that is a terminal of its own.
//!
//! The writer numbers, chains and signs; the gateway only passes on. What is appended at the same time by many goes into
//! one batch ([`zhoubao_application::committer`]), and the answer comes when it is on disk.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use zhoubao_application::journal::{AppendError, BATCH_MESSAGES_MAX, Expectation};
use zhoubao_application::receipts::counted_of;
use zhoubao_application::writer::WriteError;
use zhoubao_contract::structured;
use zhoubao_contract::{Message, Stored, hash};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{Stream, Subject, TerminalId};
use zhoubao_domain::time::hall_day;

use crate::Gateway;
use crate::access::Who;
use crate::answers::{Appended, LineEnd, LineState, Offered, OpenItem};
use crate::extract::{Path, Query};
use crate::problem::Problem;

/// Where the writer believes his line to end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Following {
    /// Position of its last message, 0 for none.
    last: u64,
}

fn line(gateway: &Gateway, terminal: &str) -> Result<Subject, Problem> {
    let id: TerminalId = terminal.parse().map_err(|_| {
        Problem::coded(Code::Malformed, format!("`{terminal}` 不是终端 is no terminal"))
    })?;
    Ok(Subject::new(gateway.desk.hall().clone(), Stream::Terminal(id)))
}

fn head_of(head: Option<&Stored>) -> LineEnd {
    let number = head.and_then(|it| it.message.attributes.id.as_deref()?.parse::<u64>().ok());
    LineEnd {
        number: number.unwrap_or(0),
        hash: head.map(|it| hash(&it.message).to_string()),
        position: head.map_or(0, |it| it.position),
    }
}

/// `GET /v1/lines/{terminal}`: where the line ends, how far it is counted, and with which key it is to be signed.
pub(crate) async fn head(
    State(gateway): State<Arc<Gateway>>,
    Path(terminal): Path<String>,
) -> Result<Json<LineState>, Problem> {
    let subject = line(&gateway, &terminal)?;
    let Stream::Terminal(id) = &subject.stream else {
        return Err(Problem::not_found("terminal"));
    };
    let known = gateway.known().await?;
    let counted = counted_of(&**gateway.desk.store(), &subject.hall, id).await?;
    let head = gateway.desk.journal().head(&subject).await?;
    let key = known.registry.keys.get(id).filter(|it| !it.latest.revoked);
    let open = counted.iter().flat_map(|it| &it.open).map(|it| {
        let code = Code::from_text(&it.code);
        OpenItem {
            number: it.number,
            position: it.position,
            code: it.code.clone(),
            detail: it.detail.clone(),
            title: code.map(Code::title),
            next: code.map(Code::fix),
        }
    });
    Ok(Json(LineState {
        end: head_of(head.as_ref()),
        active: known.registry.terminals.get(id).is_some_and(|it| it.active),
        key: key.map(|it| it.latest.signing.to_string()),
        counted: counted.as_ref().map_or(0, |it| it.number),
        open_count: counted.as_ref().map_or(0, |it| it.open_count),
        open: open.collect(),
    }))
}

/// `GET /v1/window`: what a window's page offers: the departments that are authorised today, and their matters.
pub(crate) async fn offered(State(gateway): State<Arc<Gateway>>) -> Result<Json<Offered>, Problem> {
    let known = gateway.known().await?;
    let today = hall_day(gateway.clock.now());
    let authorised = known.register.authorised_on(today);
    let departments = authorised.iter().filter_map(|id| {
        let department = known.registry.departments.get(*id)?;
        Some((id.to_string(), department.name.clone()))
    });
    let mut matters: Vec<_> = known
        .registry
        .matters
        .iter()
        .filter(|(_, department)| authorised.contains(department))
        .map(|(matter, department)| (matter.to_string(), department.to_string()))
        .collect();
    matters.sort_unstable();
    Ok(Json(Offered {
        hall: gateway.desk.hall().to_string(),
        departments: departments.collect(),
        matters,
    }))
}

/// `POST /v1/lines/{terminal}?last=N`: appends events of the line, one JSON a line of the body, after the message at N.
pub(crate) async fn append(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Path(terminal): Path<String>,
    Query(Following { last }): Query<Following>,
    body: String,
) -> Result<Json<Appended>, Problem> {
    let subject = line(&gateway, &terminal)?;
    let known = gateway.known().await?;
    let in_service = match &subject.stream {
        Stream::Terminal(id) => known.registry.terminals.get(id).is_some_and(|it| it.active),
        _ => false,
    };
    if !in_service {
        let detail = format!("{terminal} 不在册或已停用 is not of the hall, or out of service");
        return Err(Problem::coded(Code::UnknownTerminal, detail));
    }
    let messages = read(&body, &subject, &who)?;
    let expected = Expectation { subject: subject.clone(), last };
    match gateway.desk.journal().append(&messages, &[expected]).await {
        Ok(positions) => Ok(Json(Appended { positions })),
        Err(AppendError::Conflict) => {
            // The writer compares the end with his own record: sent before, another device, or an old copy.
            let head = gateway.desk.journal().head(&subject).await?;
            let end = serde_json::json!(head_of(head.as_ref()));
            let detail = format!("终端日志已到 the line ends at {end}");
            let mut problem = Problem::coded(Code::NumberCollision, detail);
            problem.status = StatusCode::CONFLICT;
            Err(problem)
        }
        Err(error) => Err(WriteError::Append(error).into()),
    }
}

/// The events of a body, as the writer made them.
fn read(body: &str, subject: &Subject, who: &Who) -> Result<Vec<Message>, Problem> {
    let mut messages = vec![];
    for text in body.lines().filter(|it| !it.trim().is_empty()) {
        if messages.len() == BATCH_MESSAGES_MAX {
            let detail = format!("一次最多 at most {BATCH_MESSAGES_MAX} 条 events");
            return Err(Problem::coded(Code::TooLarge, detail));
        }
        let event = structured::parse(text, &subject.hall)?;
        if event.subject != *subject {
            let detail = format!("`{}` 不是该终端 is not this terminal\'s line", event.subject);
            return Err(Problem::coded(Code::NoRight, detail));
        }
        if event.actor != who.user {
            let detail = "事件中的工号不是登录者 the event names another person";
            return Err(Problem::coded(Code::NoRight, detail));
        }
        let Some(number) = event.number else {
            return Err(Problem::coded(Code::Malformed, "缺少 `id` is missing"));
        };
        messages.push(event.message(number, event.previous));
    }
    if messages.is_empty() {
        return Err(Problem::coded(Code::Malformed, "没有事件 no event"));
    }
    Ok(messages)
}
