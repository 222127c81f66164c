//! Styles and scripts of the pages, as they stand in the program. Nothing is loaded from elsewhere.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

const ASSETS: &[(&str, &str, &str)] = &[
    ("page.css", "text/css; charset=utf-8", include_str!("../assets/page.css")),
    ("board.css", "text/css; charset=utf-8", include_str!("../assets/board.css")),
    ("board.js", "text/javascript; charset=utf-8", include_str!("../assets/board.js")),
    ("seal.svg", "image/svg+xml", include_str!("../assets/seal.svg")),
    ("replay.js", "text/javascript; charset=utf-8", include_str!("../assets/replay.js")),
    ("issue.css", "text/css; charset=utf-8", zhoubao_composer::html::STYLE),
    ("table.css", "text/css; charset=utf-8", zhoubao_composer::html::TABLE_STYLE),
    ("reader.css", "text/css; charset=utf-8", include_str!("../assets/reader.css")),
];

/// `GET /assets/{name}`.
pub(crate) async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = ASSETS.iter().find(|(it, ..)| *it == name);
    let (_, kind, text) = found.ok_or_else(|| Problem::not_found("asset"))?;
    // With a new program come new ones; they are small.
    Ok(([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "no-cache")], *text).into_response())
}
