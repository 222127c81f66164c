//! 核验: whether a file is one that was published, found out by the browser of whoever has it. Nothing is sent.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use zhoubao_application::desk::facts;
use zhoubao_domain::issue::Stage;

use super::issues::{published, row};
use super::submissions::moment;
use super::{Frame, hall_name, page as shown};
use crate::Gateway;
use crate::access::Who;
use crate::problem::Problem;

/// The page's script, which the file that is taken along has in itself.
const SCRIPT: &str = include_str!("../../assets/verify.js");

const STYLE: &str = include_str!("../../assets/page.css");

/// A published file.
#[derive(Serialize)]
struct Listed {
    file: String,
    sha256: String,
    issue: String,
    /// `valid`, `corrected` or `void`.
    standing: &'static str,
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    frame: Frame,
    /// Has everything in itself, to be taken where there is no network.
    alone: bool,
    script: &'static str,
    style: &'static str,
    as_of: String,
    position: u64,
    files: Vec<Listed>,
    /// The same for the script.
    register: String,
}

async fn verify_page(gateway: &Gateway, who: &Who, alone: bool) -> Result<Response, Problem> {
    let known = facts(&**gateway.desk.store(), gateway.desk.hall()).await?;
    let checkpoint = gateway.desk.store().checkpoint(gateway.desk.hall()).await?;
    let mut files = vec![];
    for it in published(&known) {
        let standing = match (it.issue.stage, it.amended) {
            (Stage::Voided, _) => "void",
            (_, true) => "corrected",
            (_, false) => "valid",
        };
        let issue = row(&it).title;
        files.extend(it.files.iter().map(|file| Listed {
            file: file.name.clone(),
            sha256: file.digest.to_string(),
            issue: issue.clone(),
            standing,
        }));
    }
    // Within a page no text may end the element that it stands in.
    let register = serde_json::to_string(&files).unwrap_or_default().replace('<', "\\u003c");
    Ok(shown(&VerifyPage {
        frame: if alone {
            Frame::of(&Who::default(), &hall_name(&known))
        } else {
            Frame::of(who, &hall_name(&known))
        },
        alone,
        script: SCRIPT,
        style: STYLE,
        as_of: moment(gateway.clock.now()),
        position: checkpoint.map_or(0, |it| it.sequence),
        files,
        register,
    }))
}

/// `GET /verify`.
pub(crate) async fn page(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
) -> Result<Response, Problem> {
    verify_page(&gateway, &who, false).await
}

/// `GET /verify/zhoubao-verify.html`: the same in one file.
pub(crate) async fn alone(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
) -> Result<Response, Problem> {
    let mut response = verify_page(&gateway, &who, true).await?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"zhoubao-verify.html\""),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
    }
    Ok(response.into_response())
}
