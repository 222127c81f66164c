//! People log in at an identity provider, which is another site than the hall's pages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use fantoccini::Locator;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use zhoubao_application::clock::{Clock as _, SystemClock};
use zhoubao_gateway::server;
use zhoubao_test_support::eventually;

use crate::machine::{Browser, Hall, PASSWORD, Service, WAIT_MAX};

type Fields = HashMap<String, String>;

/// An identity provider that takes everybody's word for who he is, and is strict with the hall.
struct Provider {
    issuer: String,
    /// What each code stands for.
    codes: Mutex<HashMap<String, Fields>>,
}

impl Provider {
    /// It answers until the sender is told to stop.
    async fn start() -> anyhow::Result<(Arc<Self>, watch::Sender<bool>)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        // By this name it is another site than 127.0.0.1, whatever the port is.
        let issuer = format!("http://localhost:{}", listener.local_addr()?.port());
        let provider = Arc::new(Self { issuer, codes: Mutex::default() });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/authorize", get(authorize))
            .route("/allow", get(allow))
            .route("/token", post(token))
            .with_state(provider.clone());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server::serve(listener, app, 16, stopped));
        Ok((provider, stop))
    }
}

async fn metadata(State(provider): State<Arc<Provider>>) -> Json<Value> {
    let issuer = &provider.issuer;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "authorization_response_iss_parameter_supported": true,
    }))
}

/// The page on which a person says who he is.
async fn authorize(Query(asked): Query<Fields>) -> Html<String> {
    let query: String =
        asked.iter().map(|(k, v)| format!("&amp;{k}={}", v.replace(' ', "+"))).collect();
    let link =
        |user: &str| format!("<p><a id={user} href='/allow?user={user}{query}'>{user}</a></p>");
    let people: String = ["e01", "r01", "x99"].map(link).concat();
    Html(format!("<!doctype html><title>provider</title>{people}"))
}

async fn allow(State(provider): State<Arc<Provider>>, Query(mut asked): Query<Fields>) -> Response {
    let is = |name: &str, value: &str| asked.get(name).is_some_and(|it| it == value);
    let fits = is("response_type", "code")
        && is("client_id", "zhoubao")
        && is("code_challenge_method", "S256")
        && asked.get("scope").is_some_and(|it| it.split([' ', '+']).any(|it| it == "openid"));
    let (Some(back), Some(state), true) = (asked.get("redirect_uri"), asked.get("state"), fits)
    else {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    };
    let now = SystemClock.now();
    let code = format!("code-{}", now.as_nanosecond());
    let place = format!("{back}?code={code}&state={state}&iss={}", provider.issuer);
    asked.insert("auth_time".to_owned(), now.as_second().to_string());
    let mut codes = provider.codes.lock().unwrap_or_else(PoisonError::into_inner);
    codes.insert(code, asked);
    Redirect::to(&place).into_response()
}

async fn token(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    Form(given): Form<Fields>,
) -> Response {
    let refused =
        |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let basic = format!("Basic {}", BASE64_STANDARD.encode("zhoubao:geheim"));
    if headers.get(AUTHORIZATION).is_none_or(|it| *it != basic) {
        return refused("invalid_client");
    }
    let mut codes = provider.codes.lock().unwrap_or_else(PoisonError::into_inner);
    let field = |name: &str| given.get(name).cloned().unwrap_or_default();
    let Some(asked) = codes.remove(&field("code")) else { return refused("invalid_grant") };
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
    let fits = asked.get("code_challenge") == Some(&challenge)
        && asked.get("redirect_uri") == Some(&field("redirect_uri"))
        && field("grant_type") == "authorization_code";
    if !fits {
        return refused("invalid_grant");
    }
    let now = SystemClock.now().as_second();
    let mut claims = json!({
        "iss": provider.issuer, "aud": ["zhoubao"], "sub": asked.get("user"),
        "nonce": asked.get("nonce"), "iat": now, "exp": now + 300,
        "work_number": asked.get("user"),
    });
    if asked.contains_key("max_age") {
        claims["auth_time"] = json!(asked.get("auth_time").and_then(|it| it.parse::<i64>().ok()));
    }
    let part = |it: &Value| BASE64_URL_SAFE_NO_PAD.encode(it.to_string());
    let id_token = format!("{}.{}.none", part(&json!({ "alg": "RS256" })), part(&claims));
    Json(json!({ "access_token": "a", "token_type": "Bearer", "id_token": id_token }))
        .into_response()
}

/// A person at a browser, and the hall's pages.
struct Person {
    browser: Browser,
    hall: String,
}

impl Person {
    async fn goes(&self, path: &str) -> anyhow::Result<()> {
        Ok(self.browser.client.goto(&format!("{}{path}", self.hall)).await?)
    }

    async fn clicks(&self, css: &str) -> anyhow::Result<()> {
        Ok(self.browser.client.find(Locator::Css(css)).await?.click().await?)
    }

    /// Waits until the page has this text.
    async fn reads(&self, wanted: &str) -> anyhow::Result<()> {
        eventually(wanted, WAIT_MAX, async || {
            let text = self.browser.ask("return document.body.innerText").await;
            let text = text.ok().and_then(|it| it.as_str().map(str::to_owned));
            Ok(text.filter(|it| it.contains(wanted)).map(drop))
        })
        .await
    }

    async fn looks(&self, name: &str) -> anyhow::Result<()> {
        let barriers = self.browser.barriers().await?;
        ensure!(barriers.is_empty(), "{name}: {}", barriers.join("\n"));
        self.browser.picture(name).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_log_in_at_the_halls_identity_provider() -> anyhow::Result<()> {
    let (provider, stop) = Provider::start().await?;
    let hall = Hall::played().await?;
    let settings = format!(
        "oidc_issuer = \"{}\"\noidc_client = \"zhoubao\"\noidc_secret = \"geheim\"\noidc_claim = \"work_number\"\n",
        provider.issuer
    );
    std::fs::write(hall.dir().join("zhoubao.toml"), settings)?;
    let shown = hall.run(&["config", "check"]).await?;
    ensure!(shown.contains("***") && !shown.contains("geheim"), "{shown}");
    let nothing = hall.command(&["serve"]).env("ZHOUBAO_OIDC_CA", "/nonexistent").output();
    let nothing = timeout(WAIT_MAX, nothing).await??;
    let said = String::from_utf8_lossy(&nothing.stderr);
    ensure!(!nothing.status.success() && said.contains("E.780"), "{said}");
    let mut service = Service::start(&hall, 0, "").await?;
    let person =
        Person { browser: Browser::start().await?, hall: format!("http://{}", service.address) };
    let client = &person.browser.client;

    // Whoever is not logged in comes back to the page that he wanted.
    person.goes("/account").await?;
    person.looks("login-provider").await?;
    person.clicks("a[href^='/login/provider']").await?;
    person.clicks("#e01").await?;
    person.reads("工号 e01").await?;
    assert_eq!(client.current_url().await?.path(), "/account");

    // Where it matters he logs in anew, as the same person.
    person.reads("请先在统一身份认证处重新登录").await?;
    person.looks("account-again").await?;
    person.clicks("a[href*='again=1']").await?;
    person.clicks("#r01").await?;
    person.reads("E.156").await?;
    person.looks("provider-refused").await?;
    person.goes("/account").await?;
    person.clicks("a[href*='again=1']").await?;
    person.clicks("#e01").await?;
    person.reads("刚在统一身份认证处登录过").await?;
    person.looks("account-shown").await?;
    person.clicks("form[action='/account/device'] button").await?;
    person.reads("密钥只显示这一次").await?;

    // Whoever is not of the hall stays outside, wherever he is known.
    person.clicks("form[action='/logout'] button").await?;
    person.reads("统一身份认证登录").await?;
    person.clicks("a[href^='/login/provider']").await?;
    person.clicks("#x99").await?;
    person.reads("E.111").await?;

    // An answer to a login that this browser did not begin lets nobody in.
    person.goes("/login/provider/back?code=c&state=s").await?;
    person.reads("E.156").await?;

    // While the provider is away, passwords of this system let people in.
    stop.send(true)?;
    service.process.kill().await?;
    let _service = Service::start(&hall, service.address.port(), "").await?;
    person.goes("/login/provider").await?;
    person.reads("E.705").await?;
    let link = hall.run(&["account", "link", "e01", "--url", &person.hall]).await?;
    person.browser.welcome(link.trim()).await?;
    person.clicks("form[action='/logout'] button").await?;
    let field = async |css| client.find(Locator::Css(css)).await;
    field("#user").await?.send_keys("e01").await?;
    field("#password").await?.send_keys(PASSWORD).await?;
    person.clicks("form[action='/login'] button").await?;
    person.reads("工号 e01").await?;
    client.current_url().await.context("no page").map(drop)
}
