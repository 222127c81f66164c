//! Logging in, and setting a password by a one-time link.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, State};
use axum::http::header::{HOST, HeaderMap, REFRESH, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use zhoubao_domain::code::Code;
use zhoubao_domain::id::UserId;

use super::{Frame, page as shown, to};
use crate::Gateway;
use crate::access::{Again, Who, begun_cookie, begun_of, cookie, screen_cookie};
use crate::extract::{Form, Query};
use crate::people::{AccountsError, LetInBy, hash_password, is_password, weakness};
use crate::problem::Problem;
use crate::provider::{self, Provider};

/// Whoever has no account shares one place among those who must wait.
const STRANGER: &str = "-";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    error: String,
    user: String,
    next: String,
    /// There is a provider, too.
    provider: bool,
}

#[derive(Template)]
#[template(path = "let_in.html")]
struct LetInPage {
    frame: Frame,
    next: String,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage {
    frame: Frame,
    error: String,
    user: String,
    link: String,
}

#[derive(Deserialize)]
pub(crate) struct NextQuery {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(crate) struct BeginQuery {
    #[serde(default)]
    next: String,
    /// Anything: whoever is logged in shows once more who he is.
    again: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct LinkQuery {
    #[serde(default)]
    link: String,
}

#[derive(Deserialize)]
pub(crate) struct DeviceQuery {
    #[serde(default)]
    device: String,
}

#[derive(Deserialize)]
pub(crate) struct LoginForm {
    user: String,
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(crate) struct PasswordForm {
    link: String,
    password: String,
    again: String,
}

impl From<AccountsError> for Problem {
    fn from(error: AccountsError) -> Self {
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// A page of this machine, and nothing else.
fn own_path(next: &str) -> &str {
    let own = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    let plain = next.bytes().all(|it| it.is_ascii_graphic());
    if own && plain { next } else { "/" }
}

/// `GET /login`.
pub(crate) async fn page(
    State(gateway): State<Arc<Gateway>>,
    Query(NextQuery { next }): Query<NextQuery>,
    Extension(who): Extension<Who>,
) -> Response {
    if who.user.is_some() {
        return to(own_path(&next));
    }
    let frame = Frame::of(&who, "");
    let provider = gateway.provider.is_some();
    shown(&LoginPage { frame, error: String::new(), user: String::new(), next, provider })
}

/// `POST /login`.
pub(crate) async fn login(
    State(gateway): State<Arc<Gateway>>,
    Form(form): Form<LoginForm>,
) -> Result<Response, Problem> {
    let refused = |status, error: String| {
        let frame = Frame::of(&Who::default(), "");
        let (user, next) = (form.user.clone(), form.next.clone());
        let provider = gateway.provider.is_some();
        let mut response = shown(&LoginPage { frame, error, user, next, provider });
        *response.status_mut() = status;
        response
    };
    let user: Option<UserId> = form.user.trim().parse().ok();
    let (user, hash) = match gateway.proven(user.as_ref(), form.password.clone()).await {
        Ok(proven) => proven,
        Err(problem) if problem.code == Some(Code::WrongPin) => {
            return Ok(refused(
                problem.status,
                format!("{}（{}）", problem.detail, Code::WrongPin),
            ));
        }
        Err(problem) => return Err(problem),
    };
    if gateway.user(&user).await?.is_none() {
        let error = format!("此工号已停用（{}）", Code::NoRight);
        return Ok(refused(StatusCode::FORBIDDEN, error));
    }
    opened(&gateway, user, LetInBy::Password(hash), to(own_path(&form.next)))
}

impl Gateway {
    /// Whether it is still the person who is logged in: by his password, or by the provider where he has just been.
    ///
    /// # Errors
    ///
    /// As [`Gateway::proven`]; E.156 where he has to log in at the provider first.
    pub(crate) async fn shown_again(&self, who: &Who, password: String) -> Result<UserId, Problem> {
        match (who.again, &who.user) {
            (Again::Shown, Some(user)) => Ok(user.clone()),
            (Again::AtProvider, Some(_)) => {
                let detail = "请在统一身份认证处重新登录 log in at the identity provider once more";
                Err(Problem::coded(Code::ProviderRefused, detail))
            }
            _ => Ok(self.proven(who.user.as_ref(), password).await?.0),
        }
    }

    /// Whether it is this person: answers with him and the hash of his password.
    ///
    /// # Errors
    ///
    /// E.151: 401, or 429 while he has to wait after a wrong password.
    pub(crate) async fn proven(
        &self,
        user: Option<&UserId>,
        password: String,
    ) -> Result<(UserId, String), Problem> {
        let _one_at_a_time = self.looking.lock().await;
        let hash = user.map(|it| self.accounts.password(it)).transpose()?.flatten();
        let place = user.filter(|_| hash.is_some()).map_or(STRANGER, |it| it.as_str());
        if let Some(seconds) = self.sessions.pause(place, self.clock.now()) {
            let detail = format!("请等 {seconds} 秒再试");
            let status = StatusCode::TOO_MANY_REQUESTS;
            return Err(Problem { status, ..Problem::coded(Code::WrongPin, detail) });
        }
        // For somebody without an account it takes as long.
        let against = hash.clone();
        let right = tokio::task::spawn_blocking(move || match against {
            Some(hash) => is_password(&password, &hash),
            None => {
                let _as_long = hash_password(&password, &[0; 16]);
                false
            }
        });
        let right = right.await.unwrap_or(false);
        match (right, user, hash) {
            (true, Some(user), Some(hash)) => {
                self.sessions.forgive(user.as_str());
                Ok((user.clone(), hash))
            }
            _ => {
                let seconds = self.sessions.miss(place, self.clock.now());
                tracing::warn!(user = place, "a wrong password");
                let detail = format!("工号或口令不对，{seconds} 秒后可再试");
                Err(Problem::coded(Code::WrongPin, detail))
            }
        }
    }
}

/// Opens a session, with this answer.
fn opened(
    gateway: &Gateway,
    user: UserId,
    by: LetInBy,
    mut response: Response,
) -> Result<Response, Problem> {
    let secrets = [gateway.secret()?, gateway.secret()?];
    let token = gateway.sessions.open(user, by, secrets, gateway.clock.now());
    response.headers_mut().append(SET_COOKIE, cookie(&token));
    Ok(response)
}

fn provider_of(gateway: &Gateway) -> Result<&Provider, Problem> {
    let none = || Problem::not_found("identity provider (`oidc_issuer`)");
    gateway.provider.as_ref().ok_or_else(none)
}

/// `GET /login/provider`: leads to the hall's identity provider.
pub(crate) async fn begin(
    State(gateway): State<Arc<Gateway>>,
    Query(BeginQuery { next, again }): Query<BeginQuery>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let provider = provider_of(&gateway)?;
    let again = again.and_then(|_| {
        let user = who.user.filter(|_| who.again != Again::Password)?;
        Some(provider::Again { user, token: who.token })
    });
    let secrets = [gateway.secret()?, gateway.secret()?, gateway.secret()?];
    // That it is one of ours was looked at before.
    let host = headers.get(HOST).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let back = match gateway.names.first() {
        Some(name) => format!("https://{name}{BACK}"),
        None => format!("http://{host}{BACK}"),
    };
    let ways = (back, own_path(&next).to_owned());
    let (state, place) = provider.begin(secrets, ways, again, gateway.clock.now()).await?;
    let mut response = to(&place);
    response.headers_mut().insert(SET_COOKIE, begun_cookie(&state));
    Ok(response)
}

/// Where the provider sends a browser back to.
const BACK: &str = "/login/provider/back";

/// `GET /login/provider/back`: whoever logged in there is let in.
pub(crate) async fn end(
    State(gateway): State<Arc<Gateway>>,
    Query(answer): Query<provider::Answer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let provider = provider_of(&gateway)?;
    let now = gateway.clock.now();
    let ended = provider.end(begun_of(&headers), answer, now).await?;
    if gateway.user(&ended.user).await?.is_none() {
        let detail = format!("工号 `{}` 未登记或已停用 is not of this hall", ended.user);
        return Err(Problem::coded(Code::NoRight, detail));
    }
    // A browser sends the cookie of the session along to our own pages only. One that follows a `Location` still comes
    // from the provider; from here on it comes from us.
    let (frame, next) = (Frame::of(&Who::default(), ""), ended.next);
    let refresh = HeaderValue::from_str(&format!("0; url={next}"));
    let mut response = shown(&LetInPage { frame, next });
    let headers = response.headers_mut();
    headers.insert(REFRESH, refresh.unwrap_or(HeaderValue::from_static("0; url=/")));
    headers.append(SET_COOKIE, begun_cookie(""));
    match ended.again {
        Some(again) => {
            gateway.sessions.shown(&again.token, now);
            Ok(response)
        }
        None => opened(&gateway, ended.user, LetInBy::Provider, response),
    }
}

/// `POST /logout`.
pub(crate) async fn logout(
    State(gateway): State<Arc<Gateway>>,
    Extension(who): Extension<Who>,
) -> Response {
    gateway.sessions.close(&who.token);
    let mut response = to("/login");
    response.headers_mut().insert(SET_COOKIE, cookie(""));
    response
}

/// `GET /screen?device=…`: what a wall screen opens first, and never has to again.
pub(crate) async fn screen(
    State(gateway): State<Arc<Gateway>>,
    Query(DeviceQuery { device }): Query<DeviceQuery>,
) -> Result<Response, Problem> {
    if gateway.accounts.of_screen(&device)?.is_none() {
        let detail = "大屏未授权，请管理员运行 zhoubao account screen the screen is not known";
        return Err(Problem::of(StatusCode::GONE, detail));
    }
    let mut response = to("/board");
    response.headers_mut().insert(SET_COOKIE, screen_cookie(&device));
    Ok(response)
}

/// `GET /welcome?link=…`: where a one-time link leads.
pub(crate) async fn welcome(
    State(gateway): State<Arc<Gateway>>,
    Query(LinkQuery { link }): Query<LinkQuery>,
) -> Result<Response, Problem> {
    let user = gateway.accounts.of_link(&link, gateway.clock.now())?.ok_or_else(over)?;
    let frame = Frame::of(&Who::default(), "");
    Ok(shown(&WelcomePage { frame, error: String::new(), user: user.to_string(), link }))
}

fn over() -> Problem {
    let detail =
        "此链接已用过或已过期，请向管理员另取 the link was used or is over, ask for another";
    Problem::of(StatusCode::GONE, detail)
}

/// `POST /welcome`: sets the password and lets the person in.
pub(crate) async fn set_password(
    State(gateway): State<Arc<Gateway>>,
    Form(form): Form<PasswordForm>,
) -> Result<Response, Problem> {
    let now = gateway.clock.now();
    let user = gateway.accounts.of_link(&form.link, now)?.ok_or_else(over)?;
    let differs = (form.password != form.again).then(|| "两次输入不一致 the two differ".to_owned());
    if let Some(error) = differs.or_else(|| weakness(&form.password, &user)) {
        let frame = Frame::of(&Who::default(), "");
        let page = WelcomePage { frame, error, user: user.to_string(), link: form.link };
        let mut response = shown(&page);
        *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(response);
    }
    let random = gateway.secret()?;
    let mut salt = [0; 16];
    salt.copy_from_slice(&random[..16]);
    let _one_at_a_time = gateway.looking.lock().await;
    let password = form.password;
    let hash = tokio::task::spawn_blocking(move || hash_password(&password, &salt)).await;
    let hash = hash.ok().flatten();
    let hash = hash.ok_or_else(|| Problem::coded(Code::Unavailable, "no memory for argon2"))?;
    let user = gateway.accounts.set(&form.link, hash.clone(), now)?.ok_or_else(over)?;
    opened(&gateway, user, LetInBy::Password(hash), to("/"))
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn after_logging_in_nobody_is_sent_elsewhere() {
        assert_eq!(own_path("/issues/2023-05"), "/issues/2023-05");
        for foreign in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb"]
        {
            assert_eq!(own_path(foreign), "/", "{foreign}");
        }
    }
}
