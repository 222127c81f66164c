//! What is taken out of a request; what cannot be read is refused as every other problem is.

use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use zhoubao_domain::code::Code;

use crate::problem::Problem;

/// The parameters behind the question mark.
pub(crate) struct Query<T>(pub(crate) T);

/// The variables of the path.
pub(crate) struct Path<T>(pub(crate) T);

/// The fields of a form.
pub(crate) struct Form<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = extract::Query::from_request_parts(parts, state).await;
        read.map(|extract::Query(it)| Self(it))
            .map_err(|it: QueryRejection| unread(it.status(), it.body_text()))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = extract::Path::from_request_parts(parts, state).await;
        read.map(|extract::Path(it)| Self(it))
            .map_err(|it: PathRejection| unread(it.status(), it.body_text()))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = extract::Form::from_request(request, state).await;
        read.map(|extract::Form(it)| Self(it))
            .map_err(|it: FormRejection| unread(it.status(), it.body_text()))
    }
}

fn unread(status: StatusCode, detail: String) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::coded(Code::TooLarge, detail),
        // A server error is ours, not the sender's: the route and its handler do not fit.
        status if status.is_server_error() => Problem::of(status, detail),
        status => Problem { status, ..Problem::coded(Code::Malformed, detail) },
    }
}
