//! Every route, with who may use it: the router is made from this table and from nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};

use zhoubao_domain::event::Right;

use crate::access::{Access, BODY_BYTES_MAX, check, guard};
use crate::pages::{board, health, issues, login};
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
        shown("/v1/board/live", Screen, get(board::live)),
        shown("/issues", Person, get(issues::list)),
        shown("/v1/issues", Person, get(issues::data)),
        shown("/issues/{name}", Person, get(issues::reader)),
        shown("/issues/{name}/{file}", Person, get(issues::file)),
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
