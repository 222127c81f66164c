//! Every route, with who may use it: the router is made from this table and from nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use zhoubao_domain::event::Right;

use crate::access::{Access, BODY_BYTES_MAX, check, guard};
use crate::commands::{
    Accept, Adopt, Amend, File, Freeze, Inspect, OpenIssue, Return, ReturnSubmission, SetPeriod,
    Sign, Submit, Void, Withdraw, form, json,
};
use crate::pages::{board, desk, health, inspection, issues, login, submissions, window};
use crate::problem::Problem;
use crate::{Gateway, assets, lines};

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with its variables in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    handler: MethodRouter<Arc<Gateway>>,
}

const EDIT: Access = Access::Right(&[Right::Edit]);
const SIGN: Access = Access::Right(&[Right::Sign]);
const SUBMIT: Access = Access::Right(&[Right::Submit]);
const INSPECT: Access = Access::Right(&[Right::Inspect]);
/// Drafting and signing look at the same pages.
const DESK: Access = Access::Right(&[Right::Edit, Right::Sign]);
/// Whoever files news, and whoever makes an issue of them.
const NEWS: Access = Access::Right(&[Right::Submit, Right::Edit]);

/// The table.
#[must_use]
pub fn routes() -> Vec<Route> {
    use Access::{Open, Person, Screen};
    let row = |method: Method, path, access, handler| Route { method, path, access, handler };
    let shown = |path, access, handler| row(Method::GET, path, access, handler);
    let done = |path, access, handler| row(Method::POST, path, access, handler);
    vec![
        shown("/livez", Open, get(health::live)),
        shown("/readyz", Open, get(health::ready)),
        shown("/metrics", Open, get(health::metrics)),
        shown("/assets/{name}", Open, get(assets::asset)),
        shown("/login", Open, get(login::page)),
        done("/login", Open, post(login::login)),
        done("/logout", Person, post(login::logout)),
        shown("/welcome", Open, get(login::welcome)),
        done("/welcome", Open, post(login::set_password)),
        shown("/", Person, get(issues::home)),
        shown("/screen", Open, get(login::screen)),
        shown("/board", Screen, get(board::page)),
        shown("/board/curve.svg", Screen, get(board::curve)),
        shown("/v1/board", Screen, get(board::snapshot)),
        shown("/v1/lines/{terminal}", Access::Right(&[Right::Record]), get(lines::head)),
        done("/v1/lines/{terminal}", Access::Right(&[Right::Record]), post(lines::append)),
        shown("/v1/window", Access::Right(&[Right::Record]), get(lines::offered)),
        shown("/t", Open, get(window::page)),
        shown("/t/worker.js", Open, get(window::worker)),
        shown("/v1/board/live", Screen, get(board::live)),
        shown("/issues", Person, get(issues::list)),
        shown("/v1/issues", Person, get(issues::data)),
        shown("/issues/{name}", Person, get(issues::reader)),
        shown("/issues/{name}/{file}", Person, get(issues::file)),
        shown("/v1/me", Person, get(desk::me)),
        // The desk.
        shown("/desk", DESK, get(desk::list)),
        done("/desk", EDIT, post(form::<OpenIssue>)),
        shown("/desk/{issue}", DESK, get(desk::issue)),
        done("/desk/{issue}/period", EDIT, post(form::<SetPeriod>)),
        done("/desk/{issue}/adopt", EDIT, post(form::<Adopt>)),
        done("/desk/{issue}/freeze", EDIT, post(form::<Freeze>)),
        done("/desk/{issue}/accept", DESK, post(form::<Accept>)),
        done("/desk/{issue}/submit", EDIT, post(form::<Submit>)),
        done("/desk/{issue}/return", SIGN, post(form::<Return>)),
        shown("/desk/{issue}/sign", SIGN, get(desk::sign)),
        done("/desk/{issue}/sign", SIGN, post(form::<Sign>)),
        done("/desk/{issue}/amend", EDIT, post(form::<Amend>)),
        done("/desk/{issue}/void", SIGN, post(form::<Void>)),
        shown("/submissions", NEWS, get(submissions::list)),
        done("/submissions", SUBMIT, post(form::<File>)),
        done("/submissions/{submission}/withdraw", SUBMIT, post(form::<Withdraw>)),
        done("/submissions/{submission}/return", EDIT, post(form::<ReturnSubmission>)),
        shown("/inspection", INSPECT, get(inspection::form)),
        done("/inspection", INSPECT, post(form::<Inspect>)),
        // The same for programs.
        shown("/v1/desk", DESK, get(desk::data)),
        done("/v1/desk", EDIT, post(json::<OpenIssue>)),
        shown("/v1/desk/{issue}", DESK, get(desk::draft)),
        done("/v1/desk/{issue}/period", EDIT, post(json::<SetPeriod>)),
        done("/v1/desk/{issue}/adopt", EDIT, post(json::<Adopt>)),
        done("/v1/desk/{issue}/freeze", EDIT, post(json::<Freeze>)),
        done("/v1/desk/{issue}/accept", DESK, post(json::<Accept>)),
        done("/v1/desk/{issue}/submit", EDIT, post(json::<Submit>)),
        done("/v1/desk/{issue}/return", SIGN, post(json::<Return>)),
        done("/v1/desk/{issue}/sign", SIGN, post(json::<Sign>)),
        done("/v1/desk/{issue}/amend", EDIT, post(json::<Amend>)),
        done("/v1/desk/{issue}/void", SIGN, post(json::<Void>)),
        shown("/v1/submissions", NEWS, get(submissions::data)),
        done("/v1/submissions", SUBMIT, post(json::<File>)),
        done("/v1/submissions/{submission}/withdraw", SUBMIT, post(json::<Withdraw>)),
        done("/v1/submissions/{submission}/return", EDIT, post(json::<ReturnSubmission>)),
        done("/v1/inspections", INSPECT, post(json::<Inspect>)),
    ]
}

/// The router of the table.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    for Route { path, access, handler, .. } in routes() {
        let layer = from_fn_with_state((gateway.clone(), access), check);
        router = router.route(path, handler.route_layer(layer));
    }
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(other_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(gateway.clone(), guard))
        .with_state(gateway)
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::not_found(&format!("page `{}`", uri.path()))
}

async fn other_method(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` 不支持 does not know {method}", uri.path());
    Problem::of(StatusCode::METHOD_NOT_ALLOWED, detail)
}
