//! The window's page (窗口工作台): the same page over a device's agent, and in a browser that is a terminal of its own.
//!
//! It holds nothing of anybody: who works, and what he recorded, is asked for by the script. So it may be kept by the
//! browser for when there is no network.

use std::fmt::Write as _;

use askama::Template;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};

use super::{Frame, page as shown};
use crate::access::{POLICY, Who};
use crate::assets::ASSETS;

/// Where the page's events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ledger {
    /// Into the ledger of the device's agent, whose line this is.
    Agent {
        /// `hall.510000.terminal.w01`.
        source: String,
        /// The terminal.
        terminal: String,
        /// Whether nothing of it is real.
        training: bool,
    },
    /// Into one that the browser keeps itself.
    Browser,
}

/// A kind that has a case: one form serves all three.
struct CaseForm {
    key: char,
    word: &'static str,
    title: &'static str,
}

const CASE_FORMS: [CaseForm; 3] = [
    CaseForm { key: '2', word: "Accepted", title: "受理" },
    CaseForm { key: '3', word: "Issued", title: "颁发" },
    CaseForm { key: '4', word: "Transferred", title: "流转" },
];

#[derive(Template)]
#[template(path = "window.html")]
struct WindowPage {
    frame: Frame,
    cases: &'static [CaseForm],
    ledger: Ledger,
}

impl WindowPage {
    fn is_browser(&self) -> bool {
        self.ledger == Ledger::Browser
    }
}

/// The page, with the head that keeps everything foreign out.
#[must_use]
pub fn window(ledger: Ledger) -> Response {
    let frame = Frame::of(&Who::default(), "窗口工作台");
    let mut response = shown(&WindowPage { frame, cases: &CASE_FORMS, ledger });
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response
}

/// `GET /t`: the page of a browser that is a terminal of its own.
pub(crate) async fn page() -> Response {
    window(Ledger::Browser)
}

/// What the page consists of beside itself.
const PARTS: [&str; 9] = [
    "page.css",
    "window.css",
    "seal.svg",
    "window.js",
    "window-list.js",
    "window-browser.js",
    "ledger.js",
    "chain.js",
    "clock.js",
];

/// `GET /t/worker.js`: keeps the page for when there is no network.
///
/// Its text names the digest of everything that it keeps, so that a new version of the program brings a new worker.
pub(crate) async fn worker() -> Response {
    let mut all = Sha256::new();
    let page = WindowPage {
        frame: Frame::of(&Who::default(), "窗口工作台"),
        cases: &CASE_FORMS,
        ledger: Ledger::Browser,
    };
    all.update(page.render().unwrap_or_default());
    let mut paths = vec!["/t".to_owned()];
    for (name, _, text) in ASSETS.iter().filter(|(name, ..)| PARTS.contains(name)) {
        all.update(text);
        paths.push(format!("/assets/{name}"));
    }
    let mut version = String::new();
    for byte in &all.finalize()[..8] {
        let _infallible = write!(version, "{byte:02x}");
    }
    let head = format!(
        "const VERSION = \"window-{version}\";\nconst PATHS = {};\n",
        serde_json::json!(paths)
    );
    let text = head + include_str!("../../assets/worker.js");
    let kind = [(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, "no-cache")];
    (kind, [("service-worker-allowed", "/t")], text).into_response()
}
