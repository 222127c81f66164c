//! 核验: whether a file is one that was published, found out by the browser of whoever has it. Nothing is sent.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::header::CONTENT_DISPOSITION;
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

/// What was published, up to a moment.
struct Listing {
    /// Is taken along to where there is no network.
    alone: bool,
    as_of: String,
    position: u64,
    files: Vec<Listed>,
    /// The files once more, for the script.
    json: String,
}

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    frame: Frame,
    listing: Listing,
}

/// Has everything in itself.
#[derive(Template)]
#[template(path = "verify_alone.html")]
struct AlonePage {
    hall: String,
    script: &'static str,
    style: &'static str,
    listing: Listing,
}

/// The name of the hall, and what it has published.
async fn listing(gateway: &Gateway, alone: bool) -> Result<(String, Listing), Problem> {
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
    let listing = Listing {
        alone,
        as_of: moment(gateway.clock.now()),
        position: checkpoint.map_or(0, |it| it.sequence),
        // Within a page no text may end the element that it stands in.
        json: serde_json::to_string(&files).unwrap_or_default().replace('<', "\\u003c"),
        files,
    };
    Ok((hall_name(&known), listing))
}

/// `GET /verify`.
pub(crate) async fn page(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
) -> Result<Response, Problem> {
    let (hall, listing) = listing(&gateway, false).await?;
    Ok(shown(&VerifyPage { frame: Frame::of(&who, &hall), listing }))
}

/// `GET /verify/zhoubao-verify.html`: the same in one file.
pub(crate) async fn alone(State(gateway): State<Arc<Gateway>>) -> Result<Response, Problem> {
    let (hall, listing) = listing(&gateway, true).await?;
    let page = shown(&AlonePage { hall, script: SCRIPT, style: STYLE, listing });
    let saved = "attachment; filename=\"zhoubao-verify.html\"";
    Ok(([(CONTENT_DISPOSITION, saved)], page).into_response())
}
