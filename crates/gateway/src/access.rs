//! Who may use a route, and what every request and answer has to have.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zhoubao_application::desk::facts;
use zhoubao_application::known::Known;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Outcome, Right};
use zhoubao_domain::id::UserId;

use crate::people::LetInBy;
use crate::problem::Problem;
use crate::provider::BEGUN_MAX;
use crate::server::from_here;
use crate::{Gateway, pages};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody who reaches the port: logging in, health, styles.
    Open,
    /// Everybody who is logged in, and the wall screens: boards.
    Screen,
    /// Everybody who is logged in: published issues.
    Person,
    /// Whoever holds one of these rights.
    Right(&'static [Right]),
}

/// Who made a request.
#[derive(Debug, Clone, Default)]
pub struct Who {
    /// The person, if one is logged in.
    pub user: Option<UserId>,
    /// The rights that he has now.
    pub rights: Vec<Right>,
    /// What his forms hold.
    pub csrf: String,
    /// The token of his session.
    pub token: String,
    /// How he shows once more who he is.
    pub again: Again,
    /// The wall screen, where it is one.
    pub screen: Option<String>,
}

/// How a person shows once more who he is, where that is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Again {
    /// By his password.
    #[default]
    Password,
    /// By logging in at the hall's identity provider.
    AtProvider,
    /// He has just logged in there.
    Shown,
}

impl Who {
    /// Whether he holds a right.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}

/// Most bytes of a form or a request in JSON.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;

/// No script, style or picture but our own, and no page around ours.
pub(crate) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; \
     require-trusted-types-for 'script'",
);

/// The name of the cookie of a session. Browsers take it from this machine itself and over TLS only.
const COOKIE_NAME: &str = "__Host-zhoubao";

/// The cookie that opens a session; with an empty token it ends it.
#[must_use]
pub(crate) fn cookie(token: &str) -> HeaderValue {
    let age = if token.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{COOKIE_NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Strict{age}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The name of the cookie of a wall screen.
const SCREEN_NAME: &str = "__Host-zhoubao-screen";

/// The cookie by which a wall screen is known; browsers keep it for 400 days after each visit.
#[must_use]
pub(crate) fn screen_cookie(token: &str) -> HeaderValue {
    let age = 400 * 24 * 60 * 60;
    let text =
        format!("{SCREEN_NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={age}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The name of the cookie of a login at the provider that has begun.
const BEGUN_NAME: &str = "__Host-zhoubao-login";

/// The cookie by which a browser knows the login again that it began; with an empty state it ends it. It comes along
/// when the provider sends the browser back, so it cannot be `Strict`.
#[must_use]
pub(crate) fn begun_cookie(state: &str) -> HeaderValue {
    let age = if state.is_empty() { 0 } else { BEGUN_MAX.as_secs() };
    let text =
        format!("{BEGUN_NAME}={state}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={age}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The state of the login that this browser began.
pub(crate) fn begun_of(headers: &HeaderMap) -> Option<&str> {
    cookie_of(headers, BEGUN_NAME)
}

fn cookie_of<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut pairs = cookies.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value).filter(|it| !it.is_empty())
}

/// The outermost layer: from whom requests are taken, and what every answer says.
pub(crate) async fn guard(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
    next: Next,
) -> Response {
    let wants_page = wants_page(request.headers());
    let path = request.uri().path().to_owned();
    let mut response = match from_here(request.headers(), gateway.port, &gateway.names) {
        Ok(()) => next.run(request).await,
        Err((what, value)) => {
            let detail = format!("拒绝 `{value}` refused: the {what} is not this machine's");
            Problem::coded(Code::ForeignPage, detail).into_response()
        }
    };
    // A person sees a page, a program the problem itself.
    if let Some(problem) = response.extensions_mut().remove::<Problem>().filter(|_| wants_page) {
        if problem.status == StatusCode::UNAUTHORIZED && path != "/login" {
            let next = utf8_percent_encode(&path, NON_ALPHANUMERIC);
            let place = HeaderValue::from_str(&format!("/login?next={next}"));
            response = StatusCode::SEE_OTHER.into_response();
            response
                .headers_mut()
                .insert(LOCATION, place.unwrap_or(HeaderValue::from_static("/login")));
        } else {
            let headers = response.headers().clone();
            response = pages::problem(&problem);
            for (name, value) in &headers {
                if *name != CONTENT_TYPE {
                    response.headers_mut().entry(name).or_insert(value.clone());
                }
            }
        }
    }
    let headers = response.headers_mut();
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(POLICY);
    let mut say = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    say(X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(X_FRAME_OPTIONS, "DENY");
    // With `no-referrer` a browser hides from us, too, that a form is one of our own pages.
    say(REFERRER_POLICY, "same-origin");
    say(CACHE_CONTROL, "no-store");
    response
}

/// Whether a browser asks for a page.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get("accept").and_then(|it| it.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

/// The layer of one route: who it is, whether he may, and whether the request is of one of his own pages.
pub(crate) async fn check(
    State((gateway, access)): State<(Arc<Gateway>, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let who = match gateway.who(request.headers(), changes).await {
        Ok(who) => who,
        Err(problem) => return problem.into_response(),
    };
    let allowed = match access {
        Access::Open => Ok(()),
        Access::Screen if who.screen.is_some() => Ok(()),
        _ if who.user.is_none() => Err(Problem::coded(Code::NotLoggedIn, "请登录 log in first")),
        Access::Screen | Access::Person => Ok(()),
        Access::Right(any) if any.iter().any(|it| who.may(*it)) => Ok(()),
        Access::Right(_) => Err(Problem::coded(Code::NoRight, "无此权限 you may not do this")),
    };
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let route = format!("{} {path}", request.method());
    let user = who.user.clone();
    let answered = async {
        allowed?;
        if changes && who.user.is_some() {
            request = own(request, &who.csrf).await?;
        }
        request.extensions_mut().insert(who);
        Ok(next.run(request).await)
    };
    let response = answered.await.unwrap_or_else(Problem::into_response);
    let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&response.status());
    if let Some(user) = user.filter(|_| refused) {
        gateway.note(&user, route, Outcome::Refused);
    }
    response
}

/// Lets a request through that holds what only the person's own pages know: in its head, or in its form.
async fn own(request: Request, csrf: &str) -> Result<Request, Problem> {
    let foreign = || {
        let detail = "此页已失效，请刷新后再试 the page is no longer valid, load it again";
        Problem::coded(Code::ForeignPage, detail)
    };
    if let Some(given) = request.headers().get("x-csrf-token") {
        return if given.as_bytes() == csrf.as_bytes() { Ok(request) } else { Err(foreign()) };
    }
    let kind = request.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if !kind.is_some_and(|it| it.starts_with("application/x-www-form-urlencoded")) {
        return Err(foreign());
    }
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| {
        Problem::coded(Code::TooLarge, format!("请求过大 more than {BODY_BYTES_MAX} bytes"))
    })?;
    let given = body.split(|it| *it == b'&').find_map(|it| it.strip_prefix(b"csrf="));
    let given = given.and_then(|it| std::str::from_utf8(it).ok());
    let given = given.map(|it| percent_decode_str(it).decode_utf8_lossy().into_owned());
    if given.as_deref() == Some(csrf) {
        Ok(Request::from_parts(head, Body::from(body)))
    } else {
        Err(foreign())
    }
}

impl Gateway {
    /// Who made a request.
    pub(crate) async fn who(&self, headers: &HeaderMap, active: bool) -> Result<Who, Problem> {
        let screen = match cookie_of(headers, SCREEN_NAME) {
            Some(token) => self.accounts.of_screen(token)?,
            None => None,
        };
        let nobody = || Who { screen: screen.clone(), ..Who::default() };
        let Some(token) = cookie_of(headers, COOKIE_NAME) else { return Ok(nobody()) };
        // A page that only watches, such as a board, does not keep the session alive.
        let watches = headers.get("accept").is_some_and(|it| it == "text/event-stream");
        let active = active || (wants_page(headers) && !watches);
        let now = self.clock.now();
        let Some(session) = self.sessions.pass(token, active, now) else {
            return Ok(nobody());
        };
        let password = self
            .accounts
            .password(&session.user)
            .map_err(|error| Problem::of(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        if !session.is_of(password.as_deref()) {
            self.sessions.close(token);
            return Ok(nobody());
        }
        let user = self.user(&session.user).await?;
        let Some(rights) = user else { return Ok(nobody()) };
        let again = match session.by {
            LetInBy::Password(_) => Again::Password,
            LetInBy::Provider if session.is_shown(now) => Again::Shown,
            LetInBy::Provider => Again::AtProvider,
        };
        Ok(Who {
            again,
            user: Some(session.user),
            rights,
            csrf: session.csrf,
            token: token.to_owned(),
            screen,
        })
    }

    /// What the facts say, as of half a second ago at most.
    pub(crate) async fn known(&self) -> Result<Arc<Known>, Problem> {
        if let Some(frame) = self.live.now().frame {
            return Ok(frame.known.clone());
        }
        Ok(Arc::new(facts(&**self.desk.store(), self.desk.hall()).await?))
    }

    /// The rights that a person has now; none for one who is not of the hall, or not any more.
    pub(crate) async fn user(&self, id: &UserId) -> Result<Option<Vec<Right>>, Problem> {
        let known = self.known().await?;
        let user = known.registry.users.get(id).filter(|it| it.active);
        Ok(user.map(|it| it.rights.clone()))
    }
}
