//! Why a request was not done, as RFC 9457 problem details: a stable code, a sentence, and what to do.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use zhoubao_application::blobs::BlobError;
use zhoubao_application::desk::DeskError;
use zhoubao_application::journal::{AppendError, JournalError};
use zhoubao_application::store::StoreError;
use zhoubao_application::weekly::WeeklyError;
use zhoubao_application::writer::WriteError;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::Refusal;

use crate::answers::ProblemDetails;
use crate::attachment::AttachError;

/// A request that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// The stable code, where there is one.
    pub code: Option<Code>,
    /// What is wrong.
    pub detail: String,
    /// After how many seconds it may be tried again.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem with a code; the status is the code's.
    #[must_use]
    pub fn coded(code: Code, detail: impl Into<String>) -> Self {
        let retry_after = (status_of(code) == StatusCode::SERVICE_UNAVAILABLE).then_some(2);
        Self { status: status_of(code), code: Some(code), detail: detail.into(), retry_after }
    }

    /// A problem of the request alone.
    #[must_use]
    pub fn of(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, code: None, detail: detail.into(), retry_after: None }
    }

    /// What is asked for is not there.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::of(StatusCode::NOT_FOUND, format!("没有 there is no {what}"))
    }

    /// One line for a person.
    #[must_use]
    pub fn title(&self) -> String {
        match self.code {
            Some(code) => code.title().to_owned(),
            None => self.status.canonical_reason().unwrap_or("error").to_owned(),
        }
    }
}

fn status_of(code: Code) -> StatusCode {
    match code {
        Code::NotLoggedIn | Code::WrongPin | Code::WrongOneTimeCode => StatusCode::UNAUTHORIZED,
        Code::NoRight
        | Code::ForeignPage
        | Code::FourEyes
        | Code::NoDevice
        | Code::ProviderRefused => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Malformed | Code::UnknownHall | Code::TrainingHall => StatusCode::BAD_REQUEST,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::IssueChanged => StatusCode::PRECONDITION_FAILED,
        Code::IssueState
        | Code::IssueOrder
        | Code::NumberCollision
        | Code::NumbersUnknown
        | Code::FindingsOpen
        | Code::FilingClosed
        | Code::Fork => StatusCode::CONFLICT,
        Code::Unavailable | Code::Fenced | Code::ArchiveLags => StatusCode::SERVICE_UNAVAILABLE,
        Code::Configuration
        | Code::JournalGap
        | Code::OtherJournal
        | Code::JournalWentBack
        | Code::ArchiveDamaged
        | Code::UnsafeBroker => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(code = self.code.map(Code::text), error = self.detail, "not done");
        }
        let kind = self.code.map_or("about:blank".to_owned(), |it| format!("urn:zhoubao:{it}"));
        let details = ProblemDetails {
            kind,
            title: self.title(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.map(Code::text),
            next: self.code.map(Code::fix),
        };
        let mut response = (self.status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::coded(refusal.code, refusal.detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced => Self::coded(Code::Fenced, "读模型已被他处接管 taken over"),
            StoreError::Unavailable(_) => {
                Self::coded(Code::Unavailable, "读模型不可用 the read models do not answer")
            }
            StoreError::Damaged(detail) => Self::of(StatusCode::INTERNAL_SERVER_ERROR, detail),
        }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Unavailable(_) => {
                Self::coded(Code::Unavailable, "日志不可用 the journal does not answer")
            }
            JournalError::Unsafe { code, detail } => Self::coded(code, detail),
        }
    }
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Journal(error) => error.into(),
            WriteError::Append(error) => match &error {
                AppendError::Conflict => Self::coded(Code::NumberCollision, error.to_string()),
                AppendError::TooLarge { .. } => Self::coded(Code::TooLarge, error.to_string()),
                AppendError::Invalid { .. } => Self::coded(Code::Malformed, error.to_string()),
                AppendError::BatchRefused | AppendError::Unavailable(_) => {
                    Self::coded(Code::Unavailable, "日志不可用 the journal does not answer")
                }
            },
        }
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Refused(refusal) => refusal.into(),
            DeskError::Write(error) => error.into(),
            DeskError::Journal(error) => error.into(),
            DeskError::Store(error) => error.into(),
            error @ DeskError::Behind { .. } => Self::coded(Code::Unavailable, error.to_string()),
        }
    }
}

impl From<WeeklyError> for Problem {
    fn from(error: WeeklyError) -> Self {
        DeskError::from(error).into()
    }
}

impl From<AttachError> for Problem {
    fn from(error: AttachError) -> Self {
        match error {
            AttachError::Refused(it) => it.into(),
            AttachError::Blobs(it) => it.into(),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match &error {
            BlobError::Unavailable(_) => {
                Self::coded(Code::Unavailable, "文件库不可用 the store of files does not answer")
            }
            BlobError::Damaged(_) => Self::coded(Code::ArchiveDamaged, error.to_string()),
            BlobError::TooLarge(_) => Self::coded(Code::TooLarge, error.to_string()),
        }
    }
}
