//! Every route, with who may use it: the router is made from this table and from nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use schemars::JsonSchema;
use zhoubao_domain::event::Right;

use crate::access::{Access, BODY_BYTES_MAX, check, guard};
use crate::commands::{
    Accept, Adopt, After, Amend, Deed, EditNews, File, Freeze, Inspect, OpenIssue, Record, Reject,
    Release, Return, ReturnSubmission, SetPeriod, Sign, Submit, Void, Withdraw, form, json,
};
use crate::openapi::{self, Operation};
use crate::pages::{
    account, admin, board, desk, health, inspection, issues, login, submissions, verify, window,
};
use crate::problem::Problem;
use crate::{Gateway, answers, assets, lines, queries};

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with its variables in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// What it is for a program; none for a page.
    pub(crate) operation: Option<Operation>,
    handler: MethodRouter<Arc<Gateway>>,
}

impl Route {
    fn described(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }
}

/// A command of a person, for programs.
fn command<D: Deed>(path: &'static str, access: Access) -> Route {
    let operation = Some(Operation::command::<D, answers::Done>());
    Route { method: Method::POST, path, access, operation, handler: post(json::<D>) }
}

const EDIT: Access = Access::Right(&[Right::Edit]);
const SIGN: Access = Access::Right(&[Right::Sign]);
const SUBMIT: Access = Access::Right(&[Right::Submit]);
const INSPECT: Access = Access::Right(&[Right::Inspect]);
/// Drafting and signing look at the same pages.
const DESK: Access = Access::Right(&[Right::Edit, Right::Sign]);
const RELEASE: Access = Access::Right(&[Right::Release]);
/// Whoever keeps the hall's set-up, and whoever settles what waits.
const ADMIN: Access = Access::Right(&[Right::Administer, Right::Release]);
const ADMINISTER: Access = Access::Right(&[Right::Administer]);
/// Whoever records facts that have no page; which of them, the rules of each decide.
const OFFICE: Access = Access::Right(&[Right::Administer, Right::Authorize, Right::Edit]);
/// Whoever files news, and whoever makes an issue of them.
const NEWS: Access = Access::Right(&[Right::Submit, Right::Edit]);

fn says<A: JsonSchema>(summary: &'static str) -> Operation {
    Operation::answers::<A>(summary)
}

/// The table.
#[must_use]
pub fn routes() -> Vec<Route> {
    use Access::{Open, Person, Screen};
    let row = |method: Method, path, access, handler| Route {
        method,
        path,
        access,
        operation: None,
        handler,
    };
    let shown = |path, access, handler| row(Method::GET, path, access, handler);
    let done = |path, access, handler| row(Method::POST, path, access, handler);
    vec![
        shown("/v1/openapi.json", Open, get(openapi::served))
            .described(Operation::answers_with("本接口的说明 this document", "application/json")),
        shown("/livez", Open, get(health::live))
            .described(says::<answers::Live>("进程在运行 the process answers")),
        shown("/readyz", Open, get(health::ready)).described(says::<answers::Ready>(
            "能否办理，不能则说明原因 whether requests can be done, and if not, why",
        )),
        shown("/metrics", Open, get(health::metrics))
            .described(Operation::answers_with("指标 numbers for Prometheus", "text/plain")),
        shown("/assets/{name}", Open, get(assets::asset)),
        shown("/login", Open, get(login::page)),
        done("/login", Open, post(login::login)),
        shown("/login/provider", Open, get(login::begin)),
        shown("/login/provider/back", Open, get(login::end)),
        done("/logout", Person, post(login::logout)),
        shown("/welcome", Open, get(login::welcome)),
        done("/welcome", Open, post(login::set_password)),
        shown("/", Person, get(issues::home)),
        shown("/screen", Open, get(login::screen)),
        shown("/account", Person, get(account::page)),
        done("/account/device", Person, post(account::begin)),
        done("/account/device/confirm", Person, post(account::confirm)),
        done("/account/device/remove", Person, post(account::remove)),
        shown("/board", Screen, get(board::page)),
        shown("/board/curve.svg", Screen, get(board::curve)),
        shown("/v1/board", Screen, get(board::snapshot))
            .described(says::<answers::Board>("看板 every tile of the board").asked::<board::At>()),
        shown("/v1/lines/{terminal}", Access::Right(&[Right::Record]), get(lines::head)).described(
            says::<answers::LineState>(
                "终端日志的末尾和入账 where a terminal's line ends, and how far it counts",
            ),
        ),
        done("/v1/lines/{terminal}", Access::Right(&[Right::Record]), post(lines::append))
            .described(
                says::<answers::Appended>("追加事件 appends events of the line")
                    .asked::<lines::Following>()
                    .with_events(),
            ),
        shown("/v1/window", Access::Right(&[Right::Record]), get(lines::offered)).described(
            says::<answers::Offered>("窗口可办的单位和事项 what a window's page offers today"),
        ),
        shown("/t", Open, get(window::page)),
        shown("/t/worker.js", Open, get(window::worker)),
        shown("/v1/board/live", Screen, get(board::live)).described(Operation::answers_with(
            "看板的变化 what changes on the board",
            "text/event-stream",
        )),
        shown("/issues", Person, get(issues::list)),
        shown("/v1/issues", Person, get(issues::data)).described(says::<answers::Published>(
            "已刊发的各期 published issues with the digests of their files",
        )),
        shown("/issues/{name}", Person, get(issues::reader)),
        shown("/issues/{name}/{file}", Person, get(issues::file)),
        shown("/verify", Person, get(verify::page)),
        shown("/verify/zhoubao-verify.html", Person, get(verify::alone)),
        shown("/v1/me", Person, get(desk::me))
            .described(says::<answers::Me>("本人和权限 who asks, and what he may do")),
        // The desk.
        shown("/desk", DESK, get(desk::list)),
        done("/desk", EDIT, post(form::<OpenIssue>)),
        shown("/desk/{issue}", DESK, get(desk::issue)),
        done("/desk/{issue}/period", EDIT, post(form::<SetPeriod>)),
        done("/desk/{issue}/adopt", EDIT, post(form::<Adopt>)),
        done("/desk/{issue}/edit", EDIT, post(form::<EditNews>)),
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
        shown("/admin", ADMIN, get(admin::page)),
        done("/admin/release", RELEASE, post(form::<Release>)),
        done("/admin/reject", RELEASE, post(form::<Reject>)),
        // The same for programs.
        shown("/v1/desk", DESK, get(desk::data)).described(
            says::<answers::DeskList>("各期现状 every issue as it stands").asked::<After>(),
        ),
        command::<OpenIssue>("/v1/desk", EDIT),
        shown("/v1/desk/{issue}", DESK, get(desk::draft)).described(
            says::<answers::DraftAnswer>(
                "一期的文本和检查结果 an issue with its text and findings",
            )
            .asked::<desk::DraftQuery>(),
        ),
        command::<SetPeriod>("/v1/desk/{issue}/period", EDIT),
        command::<Adopt>("/v1/desk/{issue}/adopt", EDIT),
        command::<EditNews>("/v1/desk/{issue}/edit", EDIT),
        command::<Freeze>("/v1/desk/{issue}/freeze", EDIT),
        command::<Accept>("/v1/desk/{issue}/accept", DESK),
        command::<Submit>("/v1/desk/{issue}/submit", EDIT),
        command::<Return>("/v1/desk/{issue}/return", SIGN),
        command::<Sign>("/v1/desk/{issue}/sign", SIGN),
        command::<Amend>("/v1/desk/{issue}/amend", EDIT),
        command::<Void>("/v1/desk/{issue}/void", SIGN),
        shown("/v1/submissions", NEWS, get(submissions::data))
            .described(says::<answers::SubmissionList>("报送 news").asked::<After>()),
        command::<File>("/v1/submissions", SUBMIT),
        done("/v1/attachments", SUBMIT, post(submissions::attach)).described(
            says::<answers::Attached>(
                "附件 checks and keeps a file, for news that name it afterwards",
            )
            .with_file(),
        ),
        shown(
            "/v1/submissions/{submission}/attachments/{sha256}",
            NEWS,
            get(submissions::attached),
        )
        .described(Operation::answers_with("一份附件 an attachment", "application/octet-stream")),
        command::<Withdraw>("/v1/submissions/{submission}/withdraw", SUBMIT),
        command::<ReturnSubmission>("/v1/submissions/{submission}/return", EDIT),
        command::<Inspect>("/v1/inspections", INSPECT),
        shown("/v1/admin", ADMIN, get(admin::data)).described(
            says::<answers::AdminState>(
                "大厅现状和待处理的事件 how the hall stands, and what waits for a person",
            )
            .asked::<After>(),
        ),
        shown("/v1/stats", Person, get(queries::sums)).described(
            says::<answers::Sums>(
                "合计 sums of what counts, along any part and as of any position",
            )
            .asked::<queries::SumsQuery>(),
        ),
        shown("/v1/setup", ADMINISTER, get(queries::entries)).described(
            says::<answers::SetupList>("设置 every entry of the set-up").asked::<After>(),
        ),
        shown("/v1/setup/{topic}/{id}", ADMINISTER, get(queries::entry_of)).described(
            says::<answers::SetupEntry>("一项设置 an entry of the set-up").asked::<After>(),
        ),
        command::<Record>("/v1/facts", OFFICE),
        command::<Release>("/v1/admin/release", RELEASE),
        command::<Reject>("/v1/admin/reject", RELEASE),
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
