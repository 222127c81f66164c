//! The pages: made on the server, readable without a script.

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod board;
mod chart;
pub(crate) mod desk;
pub(crate) mod health;
pub(crate) mod inspection;
pub(crate) mod issues;
pub(crate) mod login;
pub(crate) mod submissions;
pub(crate) mod verify;
pub(crate) mod window;
mod words;

use askama::Template;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{Html, IntoResponse as _, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zhoubao_application::known::Known;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Right;

use crate::Gateway;
use crate::access::Who;
use crate::commands::{Fields, field};
use crate::people::hex;
use crate::problem::Problem;

/// What every page has around its own part.
pub(crate) struct Frame {
    /// The name of the hall.
    pub(crate) hall: String,
    /// Who looks at it.
    pub(crate) user: String,
    /// What his forms hold.
    pub(crate) csrf: String,
    /// Places that he may go to: address and name.
    pub(crate) places: Vec<(&'static str, &'static str)>,
}

impl Frame {
    /// The frame of a person's pages.
    #[must_use]
    pub(crate) fn of(who: &Who, hall: &str) -> Self {
        let mut places = vec![];
        if who.user.is_some() {
            places.extend([("/board", "大屏"), ("/issues", "期刊"), ("/verify", "核验")]);
        }
        if who.may(Right::Record) {
            places.push(("/t", "窗口工作台"));
        }
        if who.may(Right::Edit) || who.may(Right::Sign) {
            places.push(("/desk", "编辑台"));
        }
        if who.may(Right::Submit) || who.may(Right::Edit) {
            places.push(("/submissions", "稿件"));
        }
        if who.may(Right::Inspect) {
            places.push(("/inspection", "巡查"));
        }
        if who.may(Right::Administer) || who.may(Right::Release) {
            places.push(("/admin", "运维"));
        }
        if who.user.is_some() {
            places.push(("/account", "本人"));
        }
        Self {
            hall: hall.to_owned(),
            user: who.user.as_ref().map(ToString::to_string).unwrap_or_default(),
            csrf: who.csrf.clone(),
            places,
        }
    }
}

/// The name of the hall, as pages show it.
pub(crate) fn hall_name(known: &Known) -> String {
    known.registry.hall.as_ref().map(|(name, _)| name.clone()).unwrap_or_default()
}

/// Where a command's form stands, and so where it leads when it is done or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The list of issues in work.
    Desk,
    /// One of them.
    Issue,
    /// Its sign-off.
    Sign,
    /// News.
    Submissions,
    /// Inspection rounds.
    Inspection,
    /// What waits for a person.
    Admin,
}

impl Place {
    /// The path of the page that follows.
    #[must_use]
    pub(crate) fn path(self, target: &str) -> String {
        match self {
            Self::Desk => "/desk".to_owned(),
            Self::Issue | Self::Sign => {
                format!("/desk/{}", utf8_percent_encode(target, PATH))
            }
            Self::Submissions => "/submissions".to_owned(),
            Self::Inspection => "/inspection".to_owned(),
            Self::Admin => "/admin".to_owned(),
        }
    }
}

/// What stands for itself in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// Leads to another page.
pub(crate) fn to(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, path.to_owned())]).into_response()
}

/// The page of a form whose command was refused, with why, and with what was filled in.
pub(crate) async fn refused(
    place: Place,
    gateway: &Gateway,
    who: &Who,
    target: &str,
    fields: &Fields,
    problem: Problem,
) -> Result<Response, Problem> {
    let status = problem.status;
    let error = Told::of(&problem);
    let mut response = match place {
        Place::Desk => desk::list_page(gateway, who, Some(error)).await,
        Place::Issue => desk::issue_page(gateway, who, target, fields, Some(error)).await,
        Place::Sign => {
            desk::sign_page(gateway, who, target, field(fields, "issued_on"), Some(error)).await
        }
        Place::Submissions => submissions::list_page(gateway, who, fields, Some(error)).await,
        Place::Inspection => inspection::form_page(gateway, who, fields, Some(error)).await,
        Place::Admin => admin::admin_page(gateway, who, fields, Some(error)).await,
    }?;
    *response.status_mut() = status;
    Ok(response)
}

/// What a person is told of a problem.
pub(crate) struct Told {
    pub(crate) detail: String,
    pub(crate) code: &'static str,
    pub(crate) title: String,
    pub(crate) next: &'static str,
}

impl Told {
    fn of(problem: &Problem) -> Self {
        Self {
            detail: problem.detail.clone(),
            code: problem.code.map_or("", Code::text),
            title: problem.title(),
            // What to type is no help to whoever has a page before him.
            next: problem.code.map(Code::fix).filter(|it| !it.contains("`zhoubao ")).unwrap_or(""),
        }
    }
}

/// A new idempotency key, so that a form that is sent twice does what it says once.
pub(crate) fn new_key(gateway: &Gateway) -> Result<String, Problem> {
    Ok(hex(&gateway.secret()?[..16]))
}

/// A page as an answer.
pub(crate) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => {
            Problem::of(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    title: String,
    code: &'static str,
    detail: String,
    next: &'static str,
}

/// A problem as a person sees it.
pub(crate) fn problem(problem: &Problem) -> Response {
    let template = ProblemPage {
        frame: Frame::of(&Who::default(), ""),
        title: problem.title(),
        code: problem.code.map_or("", |it| it.text()),
        detail: problem.detail.clone(),
        next: problem.code.map_or("", |it| it.fix_zh()),
    };
    let mut response = page(&template);
    *response.status_mut() = problem.status;
    response
}
