//! The pages: made on the server, readable without a script.

pub(crate) mod board;
mod chart;
pub(crate) mod health;
pub(crate) mod issues;
pub(crate) mod login;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

use crate::access::Who;
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
            places.extend([("/board", "大屏"), ("/issues", "期刊")]);
        }
        Self {
            hall: hall.to_owned(),
            user: who.user.as_ref().map(ToString::to_string).unwrap_or_default(),
            csrf: who.csrf.clone(),
            places,
        }
    }
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
        next: problem.code.map_or("", |it| it.fix()),
    };
    let mut response = page(&template);
    *response.status_mut() = problem.status;
    response
}
