//! One connection: how it is made, and requests that end as soon as it is known that no answer can come.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{
    Client, ClientError, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, Request,
    ServerAddr, ServerError, StatusCode,
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use zhoubao_domain::id::HallCode;

use crate::config::public_key;
use crate::fault::Fault;
use crate::stream::inbox;

/// Longest wait for an answer that is not an acknowledgement.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Longest wait for an answer of the checks at start: nobody waits for the next event then, and a server whose disk is
/// busy with others' appends answers late.
pub(crate) const CHECK_WAIT: Duration = Duration::from_secs(30);

/// Longest pause between two attempts to connect: the next event must arrive within three seconds after the server
/// is back.
const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(250);

/// Messages that may wait for one reader. The client drops what exceeds it, so it must hold everything that a cursor
/// has asked for.
pub(crate) const SUBSCRIPTION_CAPACITY: usize = 32 * 1024;

/// Signals that may wait for one request; whoever misses some takes the connection for lost.
const SIGNALS: usize = 64;

/// How the journal is reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the servers, separated by commas: `nats://user:password@host:4222`, or `tls://…`.
    pub url: String,
    /// The hall whose journal this is.
    pub hall: HallCode,
    /// Address of a `$SYS` user who may ask `$SYS.REQ.SERVER.PING.VARZ`; without it nobody knows whether the servers
    /// write before they acknowledge.
    pub sys_url: Option<String>,
    /// Accepts that a power cut loses acknowledged events: servers without `sync_interval: always`, or of which it is
    /// not known, are used all the same.
    pub accept_loss: bool,
    /// Name of this program in the server's lists.
    pub client_name: String,
    /// Who this program is, where the address does not say it.
    pub identity: Option<Identity>,
    /// File with the seed of the `$SYS` user, where its address does not say who it is.
    pub sys_nkey: Option<PathBuf>,
    /// Whether this program appends. One that only reads needs no right to, and is not asked for it.
    pub appends: bool,
    /// Certificates, where the public ones do not do.
    pub tls: Option<Tls>,
    /// First part of the subjects for answers; `None` for `_INBOX`, and the public key of an nkey behind it.
    pub inbox_prefix: Option<String>,
    /// How many servers keep a copy: 1, 3 or 5.
    pub replicas: usize,
}

impl Options {
    /// One copy at `url`, with no `$SYS` user, identity or certificates.
    #[must_use]
    pub fn new(url: impl Into<String>, hall: HallCode) -> Self {
        Self {
            url: url.into(),
            hall,
            sys_url: None,
            accept_loss: false,
            client_name: "zhoubao".to_owned(),
            identity: None,
            sys_nkey: None,
            appends: true,
            tls: None,
            inbox_prefix: None,
            replicas: 1,
        }
    }
}

/// Who a client is.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A `.creds` file: JWT and seed.
    Credentials(PathBuf),
    /// A file with the seed of an nkey.
    Nkey(PathBuf),
}

/// Certificates in PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The authority that signed the servers' certificates.
    pub authority: PathBuf,
    /// Certificate and key of this program, where the servers ask for one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What the connection says without being asked.
#[derive(Debug, Clone)]
pub(crate) enum Signal {
    /// The connection is lost: no answer to anything sent before will come.
    Lost,
    /// The server refused something that was sent.
    Refused(Arc<str>),
}

#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    signals: broadcast::Sender<Signal>,
    link: watch::Receiver<Link>,
}

/// How the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Up,
    Down,
    /// The server is there and does not let this user in: it was taken out of service.
    Denied,
}

/// JetStream's error object.
#[derive(Debug, Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    pub(crate) err_code: u64,
    #[serde(default)]
    pub(crate) description: String,
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::Refused { code: error.err_code, description: error.description }
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: ApiError,
}

impl Connection {
    /// Connects as the journal's user.
    pub(crate) async fn open(options: &Options) -> Result<Self, Fault> {
        let prefix = options.inbox_prefix.as_deref();
        Self::connect(options, &options.url, options.identity.as_ref(), prefix).await
    }

    /// Connects as the `$SYS` user at `url`.
    pub(crate) async fn open_sys(options: &Options, url: &str) -> Result<Self, Fault> {
        let identity = options.sys_nkey.clone().map(Identity::Nkey);
        Self::connect(options, url, identity.as_ref(), None).await
    }

    async fn connect(
        options: &Options,
        url: &str,
        identity: Option<&Identity>,
        inbox_prefix: Option<&str>,
    ) -> Result<Self, Fault> {
        let (signals, _) = broadcast::channel(SIGNALS);
        let (link, link_seen) = watch::channel(Link::Up);
        let mut connect = ConnectOptions::new()
            .name(&options.client_name)
            .connection_timeout(ANSWER_WAIT)
            .request_timeout(None)
            .ping_interval(ANSWER_WAIT)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_delay)
            .event_callback({
                let signals = signals.clone();
                move |event| {
                    react(&event, &signals, &link);
                    std::future::ready(())
                }
            });
        if let Some(prefix) = inbox_prefix {
            connect = connect.custom_inbox_prefix(prefix);
        }
        if let Some(Tls { authority, client }) = &options.tls {
            connect = connect.add_root_certificates(authority.clone()).require_tls(true);
            if let Some((certificate, key)) = client {
                connect = connect.add_client_certificate(certificate.clone(), key.clone());
            }
        }
        match identity {
            Some(Identity::Credentials(path)) => {
                connect =
                    connect.credentials_file(path).await.map_err(|it| unreadable(path, &it))?;
            }
            Some(Identity::Nkey(path)) => {
                let seed = tokio::fs::read_to_string(path).await;
                let seed = seed.map_err(|it| unreadable(path, &it))?;
                let key = public_key(&seed)
                    .map_err(|it| Fault::Options(format!("{}: {it}", path.display())))?;
                connect = connect.nkey(seed.trim().to_owned());
                if inbox_prefix.is_none() {
                    connect = connect.custom_inbox_prefix(inbox(&key.to_string()));
                }
            }
            None => {}
        }
        let addresses = url
            .split(',')
            .map(|it| it.trim().parse::<ServerAddr>())
            .collect::<Result<Vec<_>, _>>()
            // The text of the address may hold a password, so it is not repeated.
            .map_err(|_| Fault::Options("an address is not of the form nats://host:4222".into()))?;
        // The client knows the names in addresses and does not send them.
        if let Some(user) = addresses.iter().find_map(|it| it.username().map(decoded)) {
            connect = match addresses.iter().find_map(|it| it.password().map(decoded)) {
                Some(password) => connect.user_and_password(user, password),
                None => connect.token(user),
            };
        }
        let client = connect.connect(addresses).await.map_err(|error| {
            tracing::debug!(error = &error as &dyn std::error::Error, "cannot connect to NATS");
            match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                    denied()
                }
                ConnectErrorKind::ServerParse => Fault::Options(error.to_string()),
                _ => Fault::Disconnected,
            }
        })?;
        Ok(Self { client, signals, link: link_seen })
    }

    /// Signals from now on.
    pub(crate) fn signals(&self) -> broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// Waits until the connection stands.
    pub(crate) async fn ready(&self, wait: Duration) -> Result<(), Fault> {
        let mut link = self.link.clone();
        match tokio::time::timeout(wait, link.wait_for(|it| *it == Link::Up)).await {
            Ok(Ok(_)) if self.client.connection_state() == State::Connected => Ok(()),
            _ if *self.link.borrow() == Link::Denied => Err(denied()),
            _ => Err(Fault::Disconnected),
        }
    }

    /// Sends one message and waits for one answer.
    pub(crate) async fn ask(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: Bytes,
        wait: Duration,
    ) -> Result<Message, Fault> {
        let deadline = Instant::now() + wait;
        let mut signals = self.signals();
        self.ready(wait).await?;
        let mut request = Request::new().payload(payload).timeout(None);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let answer = self.client.send_request(subject.to_owned(), request);
        tokio::select! {
            biased;
            answer = answer => match answer {
                Ok(message) if message.status == Some(StatusCode::NO_RESPONDERS) => {
                    Err(Fault::NoResponders)
                }
                Ok(message) => Ok(message),
                Err(error) => Err(match error.kind() {
                    async_nats::RequestErrorKind::NoResponders => Fault::NoResponders,
                    async_nats::RequestErrorKind::TimedOut => Fault::Timeout(wait),
                    _ => Fault::Unexpected(error.to_string()),
                }),
            },
            fault = trouble(&mut signals, subject) => Err(fault),
            () = tokio::time::sleep_until(deadline) => Err(Fault::Timeout(wait)),
        }
    }

    /// Asks what may be asked twice for [`CHECK_WAIT`]: again when no answer comes, because nobody answers what was asked
    /// while a cluster chose its leader; with more and more patience, because a busy server answers late.
    pub(crate) async fn check(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, Fault> {
        let deadline = Instant::now() + CHECK_WAIT;
        let mut wait = ANSWER_WAIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ask(subject, headers.clone(), payload.clone(), wait.min(left)).await {
                Err(Fault::Timeout(_)) if wait < left => wait *= 2,
                Err(Fault::Timeout(_)) => return Err(Fault::Timeout(CHECK_WAIT)),
                answered => return answered,
            }
        }
    }

    /// Asks the JetStream API; `subject` without its prefix.
    pub(crate) async fn api<T: DeserializeOwned>(
        &self,
        subject: &str,
        request: &impl Serialize,
        wait: Duration,
    ) -> Result<T, Fault> {
        let subject = format!("$JS.API.{subject}");
        read(&self.ask(&subject, None, written(request)?, wait).await?.payload)
    }

    /// As [`Self::api`], for what may be asked twice ([`Self::check`]).
    pub(crate) async fn check_api<T: DeserializeOwned>(
        &self,
        subject: &str,
        request: &impl Serialize,
    ) -> Result<T, Fault> {
        let subject = format!("$JS.API.{subject}");
        read(&self.check(&subject, None, written(request)?).await?.payload)
    }
}

fn written(request: &impl Serialize) -> Result<Bytes, Fault> {
    Ok(serde_json::to_vec(request).map_err(|it| Fault::Unexpected(it.to_string()))?.into())
}

fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T, Fault> {
    acknowledged(answer)?;
    serde_json::from_slice(answer).map_err(|it| Fault::Unexpected(it.to_string()))
}

/// Whether an answer of JetStream is no refusal.
pub(crate) fn acknowledged(answer: &[u8]) -> Result<(), Fault> {
    match serde_json::from_slice(answer) {
        Ok(Refusal { error }) => Err(error.into()),
        Err(_) => Ok(()),
    }
}

/// Ends when it is known that what was sent to `subject` gets no answer.
pub(crate) async fn trouble(signals: &mut broadcast::Receiver<Signal>, subject: &str) -> Fault {
    trouble_of(signals, |words| concerns(words, subject)).await
}

/// The same of whatever the server's words are about.
pub(crate) async fn trouble_of(
    signals: &mut broadcast::Receiver<Signal>,
    is_own: impl Fn(&str) -> bool,
) -> Fault {
    loop {
        match signals.recv().await {
            Ok(Signal::Refused(text)) if is_own(&text) => {
                return Fault::NotPermitted(text.to_string());
            }
            Ok(Signal::Refused(_)) => {}
            Ok(Signal::Lost) | Err(_) => return Fault::Disconnected,
        }
    }
}

/// Whether a refusal is about publishing to `subject`, or about listening to answers.
pub(crate) fn concerns(text: &str, subject: &str) -> bool {
    text.contains("Subscription") || text.contains(&format!("\"{subject}\""))
}

fn denied() -> Fault {
    Fault::NotPermitted("the server does not let this user in".into())
}

fn react(event: &Event, signals: &broadcast::Sender<Signal>, link: &watch::Sender<Link>) {
    // Nobody may be listening, which is fine.
    match event {
        Event::Connected => drop(link.send_replace(Link::Up)),
        Event::Disconnected | Event::Closed => {
            link.send_replace(Link::Down);
            drop(signals.send(Signal::Lost));
        }
        // The client has no event of its own for this, only its words.
        Event::ClientError(ClientError::Other(text))
            if *text == ConnectErrorKind::AuthorizationViolation.to_string() =>
        {
            link.send_replace(Link::Denied);
        }
        Event::ServerError(ServerError::Other(text)) => {
            tracing::debug!(nats.error = %text, "the NATS server refused something");
            drop(signals.send(Signal::Refused(text.as_str().into())));
        }
        // Messages were dropped: whoever reads starts anew.
        Event::SlowConsumer(_) => drop(signals.send(Signal::Lost)),
        _ => {}
    }
}

/// Doubles from 10 ms and varies, so that a hall's services do not come all at once.
fn reconnect_delay(attempts: usize) -> Duration {
    let step = Duration::from_millis(10) * (1 << attempts.min(5));
    let step = step.min(RECONNECT_DELAY_MAX);
    // Every `RandomState` has other keys, which is all the randomness that is needed here.
    let random = RandomState::new().hash_one(attempts) % 1000;
    step / 2 + step.mul_f64(random as f64 / 2000.0)
}

/// A name or password in an address may be percent-encoded.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Fault {
    Fault::Options(format!("cannot read {}: {error}", path.display()))
}
