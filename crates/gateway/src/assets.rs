//! Styles and scripts of the pages, as they stand in the program. Nothing is loaded from elsewhere.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};

use crate::problem::Problem;

/// Name, type and text of each.
pub(crate) const ASSETS: &[(&str, &str, &str)] = &[
    ("page.css", "text/css; charset=utf-8", include_str!("../assets/page.css")),
    ("board.css", "text/css; charset=utf-8", include_str!("../assets/board.css")),
    ("desk.css", "text/css; charset=utf-8", include_str!("../assets/desk.css")),
    ("board.js", "text/javascript; charset=utf-8", include_str!("../assets/board.js")),
    ("verify.js", "text/javascript; charset=utf-8", include_str!("../assets/verify.js")),
    ("attach.js", "text/javascript; charset=utf-8", include_str!("../assets/attach.js")),
    ("keys.js", "text/javascript; charset=utf-8", include_str!("../assets/keys.js")),
    ("seal.svg", "image/svg+xml", include_str!("../assets/seal.svg")),
    ("replay.js", "text/javascript; charset=utf-8", include_str!("../assets/replay.js")),
    ("window.css", "text/css; charset=utf-8", include_str!("../assets/window.css")),
    ("window.js", "text/javascript; charset=utf-8", include_str!("../assets/window.js")),
    ("window-list.js", "text/javascript; charset=utf-8", include_str!("../assets/window-list.js")),
    (
        "window-agent.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/window-agent.js"),
    ),
    (
        "window-browser.js",
        "text/javascript; charset=utf-8",
        include_str!("../assets/window-browser.js"),
    ),
    ("ledger.js", "text/javascript; charset=utf-8", include_str!("../assets/ledger.js")),
    ("chain.js", "text/javascript; charset=utf-8", include_str!("../assets/chain.js")),
    ("clock.js", "text/javascript; charset=utf-8", include_str!("../assets/clock.js")),
    ("issue.css", "text/css; charset=utf-8", zhoubao_composer::html::STYLE),
    ("table.css", "text/css; charset=utf-8", zhoubao_composer::html::TABLE_STYLE),
    ("reader.css", "text/css; charset=utf-8", include_str!("../assets/reader.css")),
];

/// The style of an issue for a part of a page, so that nothing of it reaches the rest.
static PAPER: LazyLock<String> = LazyLock::new(|| {
    let style = [zhoubao_composer::html::STYLE, zhoubao_composer::html::TABLE_STYLE].concat();
    // What it says of the whole page goes for the part.
    let style = style.replace(":root {", ":scope {").replace("\nbody {", "\n:scope {");
    format!("@scope (.paper) {{\n{style}\n}}\n.paper .skip {{ display: none; }}\n")
});

/// `GET /assets/{name}`.
pub async fn asset(Path(name): Path<String>) -> Result<Response, Problem> {
    let (kind, text) = match ASSETS.iter().find(|(it, ..)| *it == name) {
        Some((_, kind, text)) => (*kind, *text),
        None if name == "paper.css" => ("text/css; charset=utf-8", PAPER.as_str()),
        None => return Err(Problem::not_found("asset")),
    };
    // With a new program come new ones; they are small.
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text).into_response())
}
