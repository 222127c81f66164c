//! 统一身份认证: people log in at the hall's identity provider (OpenID Connect Core 1.0, the code flow of §3.1, with PKCE,
//! RFC 7636).
//!
//! ```text
//!  browser ── /login/provider ──────► state, nonce, verifier are kept here ──► 303 to the provider
//!  browser ── /login/provider/back ─► code, verifier ──► provider's token endpoint ──► ID token ──► work number
//! ```
//!
//! The ID token comes from the provider itself, over a connection whose certificate was checked; so its signature need
//! not be (Core §3.1.3.7, 6), and no key of the provider has to be fetched, kept and renewed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Request, Response, Uri};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::UserId;

use crate::people::hex;
use crate::problem::Problem;

/// Asks a server of others; answers with what it says, or with why nobody knows.
pub type Ask = Box<
    dyn Fn(Request<String>) -> BoxFuture<'static, Result<Response<Bytes>, String>> + Send + Sync,
>;

/// How long a person may take at the provider.
pub(crate) const BEGUN_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Most logins that have begun and not ended; beyond them the oldest is forgotten.
const BEGUN_COUNT_MAX: usize = 1_000;

/// How long what the provider says of itself holds.
const METADATA_MAX: SignedDuration = SignedDuration::from_hours(1);

/// How far the provider's clock may be from ours.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(60);

/// What stands for itself in `application/x-www-form-urlencoded`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Where the provider is, and what it knows this hall by.
#[derive(Clone, PartialEq, Eq)]
pub struct At {
    /// Its issuer identifier: an address without query.
    pub issuer: String,
    /// `client_id`.
    pub client: String,
    /// `client_secret`, where it gave one.
    pub secret: Option<String>,
    /// The claim that holds the work number.
    pub claim: String,
}

/// The hall's identity provider.
pub struct Provider {
    at: At,
    ask: Ask,
    metadata: tokio::sync::Mutex<Option<(Timestamp, Arc<Metadata>)>>,
    begun: Mutex<HashMap<String, Begun>>,
}

/// What the provider says of itself (OpenID Connect Discovery 1.0 §3).
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    /// Where absent, only `client_secret_basic`.
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207 §3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// A login that has begun.
#[derive(Debug, Clone)]
struct Begun {
    nonce: String,
    verifier: String,
    back: String,
    next: String,
    again: Option<Again>,
    at: Timestamp,
}

/// Somebody who is logged in and shows once more who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) user: UserId,
    /// Of his session.
    pub(crate) token: String,
}

/// What the provider sends a browser back with (Core §3.1.2.5, §3.1.2.6).
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    state: String,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Who logged in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) user: UserId,
    pub(crate) next: String,
    pub(crate) again: Option<Again>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
}

/// An issuer identifier, and every other address of a provider: encrypted, unless it is on this machine.
#[must_use]
pub fn is_safe(address: &str) -> bool {
    let Ok(uri) = address.parse::<Uri>() else { return false };
    let Some(authority) = uri.authority().filter(|it| !it.as_str().contains('@')) else {
        return false;
    };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => {
            let host = authority.host().trim_matches(['[', ']']);
            host == "localhost" || host.parse().is_ok_and(|it: std::net::IpAddr| it.is_loopback())
        }
        _ => false,
    }
}

fn refused(detail: impl std::fmt::Display) -> Problem {
    Problem::coded(
        Code::ProviderRefused,
        format!("统一身份认证未通过 not logged in there: {detail}"),
    )
}

fn unreachable(detail: impl std::fmt::Display) -> Problem {
    let detail = format!("统一身份认证不可用 the identity provider does not answer: {detail}");
    Problem::coded(Code::Unavailable, detail)
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    let pair =
        |(name, value): &(&str, &str)| format!("{name}={}", utf8_percent_encode(value, PLAIN));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

/// A line of the provider's, for a person: without control characters, and not longer than it helps.
fn told(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(200).collect()
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl Provider {
    /// A provider that is asked by `ask`.
    #[must_use]
    pub fn new(at: At, ask: Ask) -> Self {
        Self { at, ask, metadata: tokio::sync::Mutex::default(), begun: Mutex::default() }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<String, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a login that comes back to the address `back`, and then leads to the page `next`. Answers with its state,
    /// which the browser keeps, and with the address at the provider.
    ///
    /// # Errors
    ///
    /// E.705 when the provider does not answer, E.156 when what it says of itself cannot be used.
    pub(crate) async fn begin(
        &self,
        secrets: [[u8; 32]; 3],
        (back, next): (String, String),
        again: Option<Again>,
        now: Timestamp,
    ) -> Result<(String, String), Problem> {
        let metadata = self.metadata(now).await?;
        let [state, nonce, verifier] = secrets.map(|it| hex(&it));
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&verifier));
        let mut query = encoded(&[
            ("response_type", "code"),
            ("scope", "openid profile"),
            ("client_id", &self.at.client),
            ("redirect_uri", &back),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        if again.is_some() {
            query += "&prompt=login&max_age=0";
        }
        let endpoint = &metadata.authorization_endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        let address = format!("{endpoint}{joint}{query}");
        let mut begun = self.begun();
        begun.retain(|_, it| now.duration_since(it.at) < BEGUN_MAX);
        if begun.len() >= BEGUN_COUNT_MAX
            && let Some(oldest) = begun.iter().min_by_key(|(_, it)| it.at).map(|(k, _)| k.clone())
        {
            begun.remove(&oldest);
        }
        begun.insert(state.clone(), Begun { nonce, verifier, back, next, again, at: now });
        Ok((state, address))
    }

    /// Ends a login; `state` is what the browser kept.
    ///
    /// # Errors
    ///
    /// E.156 when nobody logged in, or the answer is not one to a login that this browser began; E.705 when the
    /// provider does not answer.
    pub(crate) async fn end(
        &self,
        state: Option<&str>,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Ended, Problem> {
        let own = state.filter(|it| *it == answer.state);
        let begun = own.and_then(|it| self.begun().remove(it));
        let begun = begun.filter(|it| now.duration_since(it.at) < BEGUN_MAX);
        let begun = begun.ok_or_else(|| {
            refused("此次登录不是本浏览器发起的，或已过期 this browser began no such login, or it is over")
        })?;
        if let Some(error) = &answer.error {
            let described = answer.error_description.as_deref().unwrap_or_default();
            return Err(refused(format!("{} {}", told(error), told(described)).trim_end()));
        }
        let metadata = self.metadata(now).await?;
        let iss_fits = match &answer.iss {
            Some(iss) => *iss == metadata.issuer,
            None => !metadata.authorization_response_iss_parameter_supported,
        };
        if !iss_fits {
            return Err(refused("another provider answered (RFC 9207)"));
        }
        let code = answer.code.ok_or_else(|| refused("there is no code"))?;
        let tokens = self.tokens(&metadata, &code, &begun).await?;
        let id_token = tokens.id_token.ok_or_else(|| refused("there is no ID token"))?;
        let claims = claims_of(&id_token).map_err(refused)?;
        check(&claims, &metadata.issuer, &self.at.client, &begun, now).map_err(refused)?;
        let work_number = match text(&claims, &self.at.claim) {
            Some(it) => it.to_owned(),
            None => self.of_userinfo(&metadata, &claims, tokens.access_token).await?,
        };
        let user: UserId = work_number
            .trim()
            .parse()
            .map_err(|_| refused(format!("`{}` 不是工号 is no work number", told(&work_number))))?;
        if begun.again.as_ref().is_some_and(|it| it.user != user) {
            return Err(refused(format!("登录的是另一人 it is another person, {user}")));
        }
        Ok(Ended { user, next: begun.next, again: begun.again })
    }

    /// What the provider says of itself.
    async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, Problem> {
        let mut kept = self.metadata.lock().await;
        let fresh = kept.as_ref().filter(|(at, _)| now.duration_since(*at) < METADATA_MAX);
        if let Some((_, metadata)) = fresh {
            return Ok(metadata.clone());
        }
        let issuer = &self.at.issuer;
        // Discovery §4.1: a slash at the end is taken off before the path is put there.
        let place = issuer.trim_end_matches('/');
        let request = Request::get(format!("{place}/.well-known/openid-configuration"));
        let metadata: Metadata = self.asked(request.body(String::new())).await?;
        if metadata.issuer != *issuer {
            let detail = format!("it calls itself `{}`, not `{issuer}`", told(&metadata.issuer));
            return Err(refused(detail));
        }
        let mut all = vec![&metadata.authorization_endpoint, &metadata.token_endpoint];
        all.extend(&metadata.userinfo_endpoint);
        if let Some(it) = all.iter().find(|it| !is_safe(it)) {
            return Err(refused(format!("its address `{}` is not encrypted", told(it))));
        }
        let metadata = Arc::new(metadata);
        *kept = Some((now, metadata.clone()));
        Ok(metadata)
    }

    /// The tokens for a code (Core §3.1.3).
    async fn tokens(
        &self,
        metadata: &Metadata,
        code: &str,
        begun: &Begun,
    ) -> Result<Tokens, Problem> {
        let At { client, secret, .. } = &self.at;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &begun.back),
            ("code_verifier", &begun.verifier),
        ];
        let mut request = Request::post(&metadata.token_endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        let takes = |name: &str| methods.is_none_or(|all| all.iter().any(|it| it == name));
        match secret {
            Some(secret) if takes("client_secret_basic") => {
                // RFC 6749 §2.3.1: both are encoded as in a form first.
                let [client, secret] = [client, secret].map(|it| utf8_percent_encode(it, PLAIN));
                let both = BASE64_STANDARD.encode(format!("{client}:{secret}"));
                request = request.header(AUTHORIZATION, format!("Basic {both}"));
            }
            Some(secret) => {
                fields.extend([("client_id", client.as_str()), ("client_secret", secret)])
            }
            None => fields.push(("client_id", client)),
        }
        self.asked(request.body(encoded(&fields))).await
    }

    /// The work number that the ID token does not hold (Core §5.3).
    async fn of_userinfo(
        &self,
        metadata: &Metadata,
        claims: &Value,
        access_token: Option<String>,
    ) -> Result<String, Problem> {
        let claim = &self.at.claim;
        let lacking =
            || refused(format!("it does not tell `{claim}`, which holds the work number"));
        let endpoint = metadata.userinfo_endpoint.as_ref().ok_or_else(lacking)?;
        let token = access_token.ok_or_else(lacking)?;
        let request = Request::get(endpoint).header(AUTHORIZATION, format!("Bearer {token}"));
        let told: Value = self.asked(request.body(String::new())).await?;
        if text(&told, "sub") != text(claims, "sub") {
            return Err(refused("it told of another person (Core §5.3.2)"));
        }
        text(&told, claim).map(str::to_owned).ok_or_else(lacking)
    }

    async fn asked<T: DeserializeOwned>(
        &self,
        request: Result<Request<String>, axum::http::Error>,
    ) -> Result<T, Problem> {
        let mut request = request.map_err(refused)?;
        request
            .headers_mut()
            .insert(ACCEPT, axum::http::HeaderValue::from_static("application/json"));
        let place = request.uri().path().to_owned();
        let answer = (self.ask)(request).await.map_err(unreachable)?;
        let (status, body) = (answer.status(), answer.into_body());
        if status.is_server_error() {
            return Err(unreachable(format!("{place}: {status}")));
        }
        if !status.is_success() {
            // RFC 6749 §5.2: why, for whoever set the client up.
            let error: Option<Value> = serde_json::from_slice(&body).ok();
            let error = error.as_ref().and_then(|it| text(it, "error")).map(told);
            return Err(refused(format!("{place}: {status} {}", error.unwrap_or_default())));
        }
        serde_json::from_slice(&body).map_err(|error| refused(format!("{place}: {error}")))
    }
}

fn text<'a>(claims: &'a Value, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|it| !it.is_empty())
}

/// The claims of an ID token: the middle one of its three parts (RFC 7515 §7.1).
fn claims_of(token: &str) -> Result<Value, &'static str> {
    let parts: Vec<_> = token.split('.').collect();
    let [_, payload, _] = parts[..] else { return Err("the ID token is no signed one") };
    let bytes =
        BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(|_| "the ID token is no base64url")?;
    serde_json::from_slice(&bytes).map_err(|_| "the ID token is no JSON")
}

/// Whether the claims are this provider's, for us, for this login, and of now (Core §3.1.3.7).
fn check(
    claims: &Value,
    issuer: &str,
    client: &str,
    begun: &Begun,
    now: Timestamp,
) -> Result<(), &'static str> {
    let moment = |name: &str| {
        let seconds = claims.get(name).and_then(Value::as_f64)?;
        // The fraction that some write does not matter here.
        Timestamp::from_second(seconds as i64).ok()
    };
    if text(claims, "iss") != Some(issuer) {
        return Err("the ID token is another issuer's");
    }
    let audience: Vec<_> = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        other => other.and_then(Value::as_str).into_iter().collect(),
    };
    let party = text(claims, "azp");
    if !audience.contains(&client) || party.is_some_and(|it| it != client) {
        return Err("the ID token is for another client");
    }
    if audience.len() > 1 && party.is_none() {
        return Err("the ID token is for several clients and does not say for which (azp)");
    }
    if text(claims, "nonce") != Some(&begun.nonce) {
        return Err("the ID token is of another login");
    }
    if text(claims, "sub").is_none() {
        return Err("the ID token names nobody");
    }
    if moment("exp").is_none_or(|it| now.duration_since(it) >= SKEW_MAX) {
        return Err("the ID token is over");
    }
    if moment("iat").is_none_or(|it| it.duration_since(now) >= SKEW_MAX) {
        return Err("the ID token is of a later time: is one of the clocks wrong?");
    }
    if begun.again.is_some()
        && moment("auth_time").is_none_or(|it| begun.at.duration_since(it) >= SKEW_MAX)
    {
        return Err("nobody logged in anew there");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.hall.example/realm";
    const BACK: &str = "https://zhoubao.hall.example/login/provider/back";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn claims() -> Value {
        json!({
            "iss": ISSUER, "aud": "zhoubao", "sub": "8c1f", "nonce": hex(&[2; 32]),
            "iat": 1_700_000_010, "exp": 1_700_000_310, "preferred_username": "u100",
        })
    }

    /// A provider that answers every code with these claims, and `/userinfo` with those.
    fn provider(claims: &Value, info: &Value) -> Provider {
        let metadata = json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/authorize?kind=person"),
            "token_endpoint": format!("{ISSUER}/token"),
            "userinfo_endpoint": format!("{ISSUER}/userinfo"),
            "authorization_response_iss_parameter_supported": true,
        });
        let id_token = format!("e30.{}.x", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
        let info = info.clone();
        let ask = move |request: Request<String>| -> BoxFuture<'static, _> {
            let head = request.headers().get(AUTHORIZATION).map(|it| it.to_str().unwrap());
            let answer = match (request.uri().path(), head) {
                ("/realm/.well-known/openid-configuration", None) => metadata.clone(),
                ("/realm/token", Some(head)) => {
                    assert_eq!(
                        head,
                        format!("Basic {}", BASE64_STANDARD.encode("zhoubao:ge%2Bheim"))
                    );
                    let fields = encoded(&[
                        ("grant_type", "authorization_code"),
                        ("code", "c 1"),
                        ("redirect_uri", BACK),
                        ("code_verifier", &hex(&[3; 32])),
                    ]);
                    assert_eq!(request.body(), &fields);
                    json!({ "id_token": id_token, "access_token": "a" })
                }
                ("/realm/userinfo", Some("Bearer a")) => info.clone(),
                other => panic!("{other:?}"),
            };
            let answer = Response::new(Bytes::from(answer.to_string()));
            Box::pin(async { Ok(answer) })
        };
        let at = At {
            issuer: ISSUER.to_owned(),
            client: "zhoubao".to_owned(),
            secret: Some("ge+heim".to_owned()),
            claim: "preferred_username".to_owned(),
        };
        Provider::new(at, Box::new(ask))
    }

    async fn begin(provider: &Provider, again: Option<Again>) -> (String, String) {
        let secrets = [[1; 32], [2; 32], [3; 32]];
        let ways = (BACK.to_owned(), "/desk".to_owned());
        provider.begin(secrets, ways, again, at(0)).await.unwrap()
    }

    fn answer(state: &str) -> Answer {
        Answer {
            state: state.to_owned(),
            code: Some("c 1".to_owned()),
            iss: Some(ISSUER.to_owned()),
            ..Answer::default()
        }
    }

    async fn ended(claims: &Value, again: Option<Again>) -> Result<Ended, Problem> {
        let provider = provider(claims, &json!({}));
        let (state, _) = begin(&provider, again).await;
        provider.end(Some(&state), answer(&state), at(20)).await
    }

    fn u100() -> Again {
        Again { user: "u100".parse().unwrap(), token: "t".to_owned() }
    }

    #[tokio::test]
    async fn whoever_logs_in_there_is_known_here_by_his_work_number() {
        let provider = provider(&claims(), &json!({}));
        let (state, address) = begin(&provider, None).await;
        // The challenge is that of RFC 7636 §4.2, computed with another program.
        let expected = format!(
            "{ISSUER}/authorize?kind=person&response_type=code&scope=openid%20profile&client_id=zhoubao\
             &redirect_uri=https%3A%2F%2Fzhoubao.hall.example%2Flogin%2Fprovider%2Fback&state={state}&nonce={}\
             &code_challenge=g6U43wcEb0QwMD-vCenGkzMGtef0FXtcDNw10W8PkDM&code_challenge_method=S256",
            hex(&[2; 32])
        );
        assert_eq!(address, expected);
        let done = provider.end(Some(&state), answer(&state), at(20)).await.unwrap();
        let user = "u100".parse().unwrap();
        assert_eq!(done, Ended { user, next: "/desk".to_owned(), again: None });
        let twice = provider.end(Some(&state), answer(&state), at(21)).await.unwrap_err();
        assert_eq!(twice.code, Some(Code::ProviderRefused), "an answer is taken once");
    }

    #[tokio::test]
    async fn an_answer_is_of_this_browsers_login_of_this_provider_and_of_now() {
        let one = async |change: &dyn Fn(&mut Answer), kept: Option<&str>, seconds| {
            let provider = provider(&claims(), &json!({}));
            let (state, _) = begin(&provider, None).await;
            let mut answer = answer(&state);
            change(&mut answer);
            provider.end(Some(kept.unwrap_or(&state)), answer, at(seconds)).await.is_ok()
        };
        assert!(one(&|_| {}, None, 300).await);
        assert!(!one(&|_| {}, None, 600).await, "too late");
        assert!(!one(&|_| {}, Some("another"), 20).await, "another browser");
        assert!(!one(&|it| it.state = "another".to_owned(), None, 20).await);
        assert!(!one(&|it| it.iss = None, None, 20).await, "it says that it names itself");
        assert!(!one(&|it| it.iss = Some("https://evil.example".to_owned()), None, 20).await);
        assert!(!one(&|it| it.error = Some("access_denied".to_owned()), None, 20).await);
        assert!(!one(&|it| it.code = None, None, 20).await);
    }

    #[tokio::test]
    async fn a_token_of_others_for_others_or_of_another_time_lets_nobody_in() {
        assert!(ended(&claims(), None).await.is_ok());
        let wrong: &[(&str, Value)] = &[
            ("iss", json!("https://id.hall.example")),
            ("iss", json!(null)),
            ("aud", json!("other")),
            ("aud", json!(["zhoubao", "other"])),
            ("aud", json!([])),
            ("azp", json!("other")),
            ("nonce", json!(hex(&[9; 32]))),
            ("nonce", json!(null)),
            ("sub", json!("")),
            ("exp", json!(1_700_000_020 - 60)),
            ("exp", json!(null)),
            ("exp", json!("1700000310")),
            ("iat", json!(1_700_000_020 + 60)),
            ("iat", json!(null)),
            ("preferred_username", json!("张三 的工号")),
        ];
        for (name, value) in wrong {
            let mut claims = claims();
            claims[*name] = value.clone();
            let refused = ended(&claims, None).await.unwrap_err();
            assert_eq!(refused.code, Some(Code::ProviderRefused), "{name} {value}");
        }
        let fine: &[(&str, Value)] = &[
            ("aud", json!(["zhoubao"])),
            ("azp", json!("zhoubao")),
            ("exp", json!(1_700_000_020 - 59)),
            ("iat", json!(1_700_000_020 + 59)),
        ];
        for (name, value) in fine {
            let mut claims = claims();
            claims[*name] = value.clone();
            assert!(ended(&claims, None).await.is_ok(), "{name} {value}");
        }
    }

    #[tokio::test]
    async fn whoever_shows_again_who_he_is_has_logged_in_anew_and_is_the_same() {
        assert!(ended(&claims(), Some(u100())).await.is_err(), "it does not say when");
        let mut claims = claims();
        claims["auth_time"] = json!(1_700_000_000 - 60);
        assert!(ended(&claims, Some(u100())).await.is_err(), "he logged in before");
        claims["auth_time"] = json!(1_700_000_015);
        assert_eq!(ended(&claims, Some(u100())).await.unwrap().again, Some(u100()));
        let other = Again { user: "u200".parse().unwrap(), ..u100() };
        assert!(ended(&claims, Some(other)).await.is_err());
    }

    #[tokio::test]
    async fn a_work_number_that_the_token_does_not_hold_is_asked_for() {
        let mut claims = claims();
        claims["preferred_username"] = json!(null);
        for (info, user) in [
            (json!({ "sub": "8c1f", "preferred_username": "u100" }), Some("u100")),
            (json!({ "sub": "another", "preferred_username": "u100" }), None),
            (json!({ "sub": "8c1f" }), None),
        ] {
            let provider = provider(&claims, &info);
            let (state, _) = begin(&provider, None).await;
            let ended = provider.end(Some(&state), answer(&state), at(20)).await;
            assert_eq!(ended.ok().map(|it| it.user.to_string()).as_deref(), user, "{info}");
        }
    }

    #[tokio::test]
    async fn a_provider_that_is_away_or_is_another_one_is_told_apart() {
        let asked = async |status: StatusCode, body: &'static str| {
            let ask = move |_| -> BoxFuture<'static, _> {
                let mut answer = Response::new(Bytes::from_static(body.as_bytes()));
                *answer.status_mut() = status;
                Box::pin(async { Ok(answer) })
            };
            let place = At {
                issuer: ISSUER.to_owned(),
                client: "zhoubao".to_owned(),
                secret: None,
                claim: "sub".to_owned(),
            };
            let provider = Provider::new(place, Box::new(ask));
            let ways = (BACK.to_owned(), "/".to_owned());
            provider.begin([[1; 32]; 3], ways, None, at(0)).await.unwrap_err().code
        };
        assert_eq!(asked(StatusCode::BAD_GATEWAY, "").await, Some(Code::Unavailable));
        assert_eq!(asked(StatusCode::NOT_FOUND, "").await, Some(Code::ProviderRefused));
        assert_eq!(asked(StatusCode::OK, "<html>").await, Some(Code::ProviderRefused));
        let other = r#"{"issuer":"https://evil.example","authorization_endpoint":"https://a","token_endpoint":"https://b"}"#;
        assert_eq!(asked(StatusCode::OK, other).await, Some(Code::ProviderRefused));
        let plain = r#"{"issuer":"https://id.hall.example/realm","authorization_endpoint":"https://a","token_endpoint":"http://b"}"#;
        assert_eq!(asked(StatusCode::OK, plain).await, Some(Code::ProviderRefused));
    }

    #[test]
    fn an_address_is_encrypted_or_on_this_machine() {
        for fine in ["https://id.hall.example/realm", "http://127.0.0.1:9000", "http://[::1]:9000"]
        {
            assert!(is_safe(fine), "{fine}");
        }
        for unsafe_one in
            ["http://id.hall.example", "https://u:p@id.hall.example", "ftp://127.0.0.1", "/a", ""]
        {
            assert!(!is_safe(unsafe_one), "{unsafe_one}");
        }
    }
}
