//! A person's own page (本人): the device that makes his one-time codes.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use qrcode::QrCode;
use qrcode::render::svg;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::UserId;

use super::{Frame, Told, hall_name, page as shown, to};
use crate::Gateway;
use crate::access::{Again, Who};
use crate::codes::{Codes, Handover};
use crate::commands::{Fields, field};
use crate::extract::Form;
use crate::problem::Problem;

/// Where the page is.
const PATH: &str = "/account";

/// Smallest side of the square that a device scans, in pixels of the page.
const SQUARE: u32 = 240;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    error: Option<Told>,
    /// Whether his sign-offs take a code.
    device: bool,
    /// What he signs nothing without.
    required: bool,
    again: Again,
    /// What his new device needs; it is not shown again.
    handover: Option<Handover>,
    /// The same as a square, drawn by this program.
    square: String,
}

fn nobody() -> Problem {
    Problem::coded(Code::NotLoggedIn, "请登录 log in first")
}

impl Gateway {
    /// Takes the one-time code of whoever signs off, where one is asked for; `purpose` is what it is for.
    ///
    /// # Errors
    ///
    /// E.154: 401, or 429 while he has to wait after a wrong one; E.155.
    pub(crate) fn take_code(
        &self,
        user: &UserId,
        code: &str,
        purpose: Option<&str>,
    ) -> Result<(), Problem> {
        let now = self.clock.now();
        // Apart from his passwords: a right one is no excuse for trying codes.
        let place = format!("{user} code");
        if let Some(seconds) = self.sessions.pause(&place, now) {
            let detail = format!("动态码：请等 {seconds} 秒再试 wait {seconds} s");
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(Problem { status, ..Problem::coded(Code::WrongOneTimeCode, detail) });
        }
        match self.accounts.take_code(self.codes, user, (code, purpose), now)? {
            Ok(()) => {
                self.sessions.forgive(&place);
                Ok(())
            }
            Err(refusal) => {
                if refusal.code == Code::WrongOneTimeCode && !code.is_empty() {
                    self.sessions.miss(&place, now);
                    tracing::warn!(user = user.as_str(), "a wrong one-time code");
                }
                Err(refusal.into())
            }
        }
    }
}

async fn account_page(
    gateway: &Gateway,
    who: &Who,
    handover: Option<Handover>,
    problem: Option<&Problem>,
) -> Result<Response, Problem> {
    let user = who.user.as_ref().ok_or_else(nobody)?;
    let square = match &handover {
        Some(it) => square(&it.address)?,
        None => String::new(),
    };
    let known = gateway.known().await?;
    let mut response = shown(&AccountPage {
        frame: Frame::of(who, &hall_name(&known)),
        error: problem.map(Told::of),
        device: gateway.accounts.has_device(user)?,
        required: gateway.codes == Codes::Required,
        again: who.again,
        handover,
        square,
    });
    if let Some(problem) = problem {
        *response.status_mut() = problem.status;
    }
    Ok(response)
}

/// A QR code as a part of a page.
fn square(text: &str) -> Result<String, Problem> {
    let failed =
        |it: qrcode::types::QrError| Problem::of(StatusCode::INTERNAL_SERVER_ERROR, it.to_string());
    let code = QrCode::new(text).map_err(failed)?;
    let image = code.render::<svg::Color<'_>>().min_dimensions(SQUARE, SQUARE).build();
    // The head of a file does not belong into a page.
    let begins = image.find("<svg").unwrap_or(0);
    Ok(image.get(begins..).unwrap_or_default().to_owned())
}

/// `GET /account`.
pub(crate) async fn page(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
) -> Result<Response, Problem> {
    account_page(&gateway, &who, None, None).await
}

/// `POST /account/device`: makes a secret, and shows it once to whoever gives his password again.
pub(crate) async fn begin(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let begun = async {
        let password = field(&fields, "password").to_owned();
        let user = gateway.shown_again(&who, password).await?;
        let random = gateway.secret()?;
        let handover = gateway.accounts.begin_device(gateway.desk.hall(), &user, &random)?;
        handover.ok_or_else(|| {
            Problem::of(StatusCode::CONFLICT, "已绑定，请先解除 there is a device already")
        })
    };
    match begun.await {
        Ok(handover) => account_page(&gateway, &who, Some(handover), None).await,
        Err(problem) => account_page(&gateway, &who, None, Some(&problem)).await,
    }
}

/// `POST /account/device/confirm`: from its first code on, the device is asked for at every sign-off.
pub(crate) async fn confirm(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let user = who.user.as_ref().ok_or_else(nobody)?;
    let now = gateway.clock.now();
    let problem = match gateway.accounts.confirm_device(user, field(&fields, "code"), now)? {
        Some(true) => return Ok(to(PATH)),
        Some(false) => Problem::coded(
            Code::WrongOneTimeCode,
            "动态码不对，设备时间准吗？请再输入，或重新绑定 wrong code; is the clock of the device right?",
        ),
        None => Problem::of(StatusCode::CONFLICT, "没有待确认的设备 there is nothing to confirm"),
    };
    account_page(&gateway, &who, None, Some(&problem)).await
}

/// `POST /account/device/remove`: forgets the device of whoever gives his password and a code of it.
pub(crate) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let removed = async {
        let password = field(&fields, "password").to_owned();
        let user = gateway.shown_again(&who, password).await?;
        gateway.take_code(&user, field(&fields, "code"), None)?;
        gateway.accounts.remove_device(&user)?;
        Ok(())
    };
    match removed.await {
        Ok(()) => Ok(to(PATH)),
        Err(problem) => account_page(&gateway, &who, None, Some(&problem)).await,
    }
}

#[cfg(test)]
mod tests {
    use super::square;

    #[test]
    fn a_square_is_a_picture_that_loads_nothing() {
        let address =
            "otpauth://totp/zhoubao%20510000:u100?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let picture = square(address).unwrap();
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>"), "{picture}");
        assert!(!picture.contains("href") && !picture.contains("style"), "{picture}");
    }
}
