//! Settings: defaults, then `zhoubao.toml`, then `ZHOUBAO_*` in the environment, then flags; the later wins.
//!
//! A key that nobody knows is an error that names the nearest known one (E.780), in the file and in the environment.
//! Addresses may hold passwords: they are printed only through [`redact`].

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use zhoubao_domain::event::TreeHash;
use zhoubao_domain::id::HallCode;
use zhoubao_gateway::codes::Codes;
use zhoubao_gateway::live::Limits;
use zhoubao_gateway::provider;

use crate::failure::Failure;
use crate::following::CollectorAt;

/// The data folder, where no other is named.
pub const DIR: &str = "./zhoubao-data";

/// Name of the file in the data folder.
pub const FILE: &str = "zhoubao.toml";

/// Where `--journal nats` without an address goes.
pub const NATS_URL: &str = "nats://127.0.0.1:4222";

/// Beyond this the readers of one board belong on several services: each takes memory and an open file.
const LIVE_READERS_MOST: usize = 20_000;

/// First part of the variables that are settings.
const PREFIX: &str = "ZHOUBAO_";

/// Variables with the prefix that are no settings: which file, and what tests and builds read.
const OTHER_VARIABLES: [&str; 6] =
    ["config", "nats_server", "pg_bin", "postgres_url", "sqlite_url", "test_child"];

/// Every setting: key, default as shown, and what it means.
pub const KEYS: &[(&str, &str, &str)] = &[
    ("dir", DIR, "数据目录 the data folder"),
    (
        "hall",
        "",
        "大厅代码 code of the hall, six digits (9…: a training hall); an existing folder knows its own",
    ),
    ("journal", "sqlite", "日志 the journal: `sqlite`, `nats` or `nats://…`"),
    ("store", "sqlite", "读模型 the read models: `sqlite` or `postgres://…`"),
    ("store_schema", "zhoubao", "PostgreSQL 模式 schema of the read models"),
    (
        "sys_url",
        "",
        "address of a `$SYS` user who may ask VARZ, to check that the broker writes before it answers",
    ),
    (
        "sys_nkey",
        "",
        "file with the nkey seed of the `$SYS` user; its address is that of the journal",
    ),
    ("accept_loss", "false", "accept that a power cut loses events that were already acknowledged"),
    ("nats_credentials", "", "`.creds` file of this program's NATS user"),
    ("nats_nkey", "", "file with the nkey seed of this program's NATS user"),
    ("nats_ca", "", "PEM file of the authority that signed the servers' certificates"),
    ("nats_certificate", "", "PEM file of this program's certificate, with `nats_key`"),
    ("nats_key", "", "PEM file of this program's key, with `nats_certificate`"),
    ("nats_inbox_prefix", "", "first part of the subjects for answers, instead of `_INBOX`"),
    ("journal_replicas", "1", "servers that keep a copy of the journal: 1, 3 or 5"),
    ("journal_bytes_max", "4294967296", "most bytes of a journal that is made on NATS"),
    (
        "archive",
        "",
        "存档目录 folder of the copy of the journal, on another disk; `serve` keeps it",
    ),
    (
        "issues",
        "",
        "期刊目录 folder of the packages of published issues; default `issues` in the data folder",
    ),
    (
        "listen",
        "127.0.0.1:8425",
        "address of the pages and the HTTP API of `serve` and `demo`; `none`: no pages",
    ),
    (
        "public_host",
        "",
        "host by which people call the pages, where a proxy that encrypts stands in front of them",
    ),
    (
        "totp",
        "enrolled",
        "动态码 one-time codes at sign-off: `off`, `enrolled` (from whoever has set up a device) or `required`",
    ),
    (
        "live_readers_max",
        "2000",
        "most readers of the live board at a time; one more is answered 503 with `Retry-After`",
    ),
    (
        "live_readers_session_max",
        "6",
        "most readers of the live board in one session, or of one wall screen",
    ),
    ("live_readers_address_max", "20", "most readers of the live board from one address"),
    (
        "oidc_issuer",
        "",
        "统一身份认证 address of the identity provider (OpenID Connect) where people log in, beside passwords of this system",
    ),
    ("oidc_client", "", "`client_id` by which the identity provider knows this hall"),
    ("oidc_secret", "", "`client_secret`, where the identity provider gave one"),
    (
        "oidc_claim",
        "preferred_username",
        "claim of the identity provider that holds the work number (工号)",
    ),
    (
        "oidc_ca",
        "",
        "file of certificates to trust the identity provider by, instead of the system's",
    ),
    ("fonts", "", "字体目录 folder of the fonts for PDF and OFD, instead of the system's"),
    (
        "tree_hash",
        "sha-256",
        "树的哈希算法 hash of the journal's tree in freezes: `sha-256` or `sm3`",
    ),
    (
        "otlp",
        "",
        "轨迹 collector of traces (OTLP/HTTP), such as `http://127.0.0.1:4318`; none: nobody follows events",
    ),
    (
        "log",
        "",
        "tracing filter such as `info` or `zhoubao=debug`; default `warn`, for serve and project `info`",
    ),
    ("log_format", "text", "form of the log: `text` or `json`"),
];

/// An address that may hold a password, shown only without it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The address of a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The address with its password, for connecting only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The same servers, without names and passwords of users.
    #[must_use]
    pub fn without_users(&self) -> String {
        let servers = self.0.split(',').map(|it| match it.split_once("://") {
            Some((scheme, rest)) => {
                let (_, host) = rest.rsplit_once('@').unwrap_or(("", rest));
                format!("{scheme}://{host}")
            }
            None => it.to_owned(),
        });
        servers.collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where the journal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalAt {
    /// `journal.db` in the data folder.
    Sqlite,
    /// A NATS server.
    Nats(Address),
}

impl FromStr for JournalAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "nats" => Ok(Self::Nats(Address::new(NATS_URL))),
            _ if text.starts_with("nats://") || text.starts_with("tls://") => {
                Ok(Self::Nats(Address::new(text)))
            }
            _ => Err(format!(
                "`{}` is no journal, expected `sqlite`, `nats` or `nats://host:4222`",
                redact(text)
            )),
        }
    }
}

impl fmt::Display for JournalAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
            Self::Nats(address) => address.fmt(f),
        }
    }
}

/// Where the read models are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAt {
    /// `read.db` in the data folder.
    Sqlite,
    /// A PostgreSQL database.
    Postgres(Address),
}

impl FromStr for StoreAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            _ if text.starts_with("postgres://") || text.starts_with("postgresql://") => {
                Ok(Self::Postgres(Address::new(text)))
            }
            _ => Err(format!(
                "`{}` is no store, expected `sqlite` or `postgres://user@host/database`",
                redact(text)
            )),
        }
    }
}

impl fmt::Display for StoreAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The data folder.
    pub dir: PathBuf,
    /// The hall, where one is named.
    pub hall: Option<HallCode>,
    /// The journal.
    pub journal: JournalAt,
    /// The read models.
    pub store: StoreAt,
    /// Schema of the read models in PostgreSQL.
    pub store_schema: String,
    /// Address of the `$SYS` user.
    pub sys_url: Option<Address>,
    /// Seed of the `$SYS` user.
    pub sys_nkey: Option<PathBuf>,
    /// Accepts that a power cut loses acknowledged events.
    pub accept_loss: bool,
    /// Credentials of the NATS user.
    pub nats_credentials: Option<PathBuf>,
    /// Seed of the NATS user.
    pub nats_nkey: Option<PathBuf>,
    /// Authority of the NATS servers.
    pub nats_ca: Option<PathBuf>,
    /// Certificate and key of this program.
    pub nats_client: Option<(PathBuf, PathBuf)>,
    /// First part of the subjects for answers.
    pub nats_inbox_prefix: Option<String>,
    /// Copies of the journal.
    pub journal_replicas: usize,
    /// Most bytes of a journal on NATS.
    pub journal_bytes_max: u64,
    /// Folder of the archive, where one is kept.
    pub archive: Option<PathBuf>,
    /// Folder of the packages of published issues, where not in the data folder.
    pub issues: Option<PathBuf>,
    /// Where the pages are, if there are any.
    pub listen: Option<SocketAddr>,
    /// The host by which a proxy in front of the pages is called.
    pub public_host: Option<String>,
    /// From whom a sign-off takes a one-time code.
    pub totp: Codes,
    /// Most readers of the live board at a time.
    pub live_readers: Limits,
    /// Where people log in elsewhere, if they do.
    pub oidc: Option<Oidc>,
    /// Folder of the fonts, where not the system's are used.
    pub fonts: Option<PathBuf>,
    /// How the tree that a freeze names is hashed.
    pub tree_hash: TreeHash,
    /// Who follows the ways of events, if anybody does.
    pub otlp: Option<CollectorAt>,
    /// The tracing filter, where one is set.
    pub log: Option<String>,
    /// The form of the log.
    pub log_format: LogFormat,
    /// Where each value came from, by key.
    pub sources: BTreeMap<&'static str, Setting>,
}

/// Where people log in elsewhere, and which certificates that is trusted by.
#[derive(Clone, PartialEq, Eq)]
pub struct Oidc {
    /// The provider.
    pub at: provider::At,
    /// File of certificates, where not the system's are trusted.
    pub authority: Option<PathBuf>,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("issuer", &self.at.issuer).finish_non_exhaustive()
    }
}

/// One setting as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value, without passwords.
    pub value: String,
    /// Where it came from.
    pub source: String,
}

/// What the settings are read from.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that was named; else [`FILE`] in the data folder, if it is there.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Flags by key.
    pub flags: BTreeMap<&'static str, String>,
}

/// Values of one source, under a name that leads back to it.
struct Layer {
    name: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

impl Sources {
    /// What this process was started with.
    #[must_use]
    pub fn of_process(flags: BTreeMap<&'static str, String>, file: Option<PathBuf>) -> Self {
        // A variable that is no Unicode cannot be a setting of ours.
        let environment = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect::<Vec<_>>();
        let file = file.or_else(|| {
            let named = environment.iter().find(|(key, _)| key == "ZHOUBAO_CONFIG");
            named.map(|(_, value)| PathBuf::from(value))
        });
        Self { file, environment, flags }
    }

    fn environment(&self) -> Result<Layer, Failure> {
        let mut values = Dict::new();
        for (variable, value) in &self.environment {
            let Some(key) = variable.strip_prefix(PREFIX).map(str::to_lowercase) else { continue };
            if OTHER_VARIABLES.contains(&key.as_str()) || value.is_empty() {
                continue;
            }
            if !is_known(&key) {
                let nearest = nearest(&key).map(|it| format!("{PREFIX}{}", it.to_uppercase()));
                return Err(unknown("环境变量 the environment", variable, nearest.as_deref()));
            }
            values.insert(key, Value::from(value.clone()));
        }
        Ok(Layer { name: "环境变量 environment".to_owned(), values })
    }

    fn flags(&self) -> Layer {
        let values =
            self.flags.iter().map(|(key, value)| ((*key).to_owned(), Value::from(value.clone())));
        Layer { name: "命令行 flag".to_owned(), values: values.collect() }
    }
}

fn defaults() -> Layer {
    let values = KEYS
        .iter()
        .filter(|(_, default, _)| !default.is_empty())
        .map(|(key, default, _)| ((*key).to_owned(), Value::from((*default).to_owned())));
    Layer { name: "默认 default".to_owned(), values: values.collect() }
}

fn file_layer(path: &Path, in_folder: bool) -> Result<Layer, Failure> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::configuration(format!("配置文件 the file `{place}`: {error}")))?;
    let data = Toml::string(&text).data().map_err(|error| {
        // The parser's message quotes the line, which may hold a password: only the place is told.
        let place_in_it = error.to_string().lines().next().unwrap_or_default().to_owned();
        Failure::configuration(format!("配置文件 the file `{place}` is no TOML: {place_in_it}"))
    })?;
    let values = data.into_values().next().unwrap_or_default();
    for key in values.keys() {
        if !is_known(key) {
            return Err(unknown(&format!("配置文件 the file `{place}`"), key, nearest(key)));
        }
        if in_folder && key == "dir" {
            return Err(Failure::configuration(format!(
                "`dir` cannot stand in `{place}`, which lies in the folder itself"
            ))
            .with_next("name the file with --config, or the folder with --dir or ZHOUBAO_DIR"));
        }
    }
    Ok(Layer { name: format!("文件 file {place}"), values })
}

fn is_known(key: &str) -> bool {
    KEYS.iter().any(|(known, _, _)| *known == key)
}

fn nearest(key: &str) -> Option<&'static str> {
    nearest_of(key, KEYS.iter().map(|(known, _, _)| *known))
}

/// The word that was probably meant.
pub(crate) fn nearest_of<'a>(
    word: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    /// Below this, two words have nothing to do with each other.
    const ALIKE_MIN: f64 = 0.5;
    let word = word.to_lowercase();
    words
        .into_iter()
        .map(|it| (strsim::normalized_damerau_levenshtein(&word, &it.to_lowercase()), it))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, it)| it)
}

fn unknown(place: &str, key: &str, nearest: Option<&str>) -> Failure {
    let mut message = format!("{place} has an unknown key `{}`", redact(key));
    match nearest {
        Some(it) => {
            message.push_str(&format!(" — did you mean `{it}`?"));
            Failure::configuration(message).with_next(format!("write `{it}`, or remove the key"))
        }
        None => Failure::configuration(message)
            .with_next("remove it; `zhoubao config check` lists every known key"),
    }
}

/// The text of a value; a hall's code may be written as a number.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text),
        Value::Num(_, number) => {
            let signed = || number.to_i128().map(|it| it.to_string());
            number.to_u128().map(|it| it.to_string()).or_else(signed)
        }
        Value::Bool(_, it) => Some(it.to_string()),
        _ => None,
    }
}

struct Values {
    figment: Figment,
}

impl Values {
    fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        if !self.figment.contains(key) {
            return Ok(None);
        }
        let text = self.figment.find_value(key).ok().and_then(text_of);
        let text = text.ok_or_else(|| self.wrong(key, "expected a text or a number"))?;
        Ok(Some(text).filter(|it| !it.is_empty()))
    }

    fn source(&self, key: &str) -> String {
        let name = self.figment.find_metadata(key).map_or("", |it| &it.name);
        match name {
            "环境变量 environment" => format!("{name} {PREFIX}{}", key.to_uppercase()),
            "命令行 flag" => format!("{name} --{}", key.replace('_', "-")),
            "" => "默认 default".to_owned(),
            name => name.to_owned(),
        }
    }

    fn wrong(&self, key: &str, why: &str) -> Failure {
        Failure::configuration(format!("`{key}` ({}): {why}", self.source(key)))
            .with_next(format!("correct `{key}`; see docs/configuration.md"))
    }

    /// The value of a key that is there or has a default.
    fn parse<T>(&self, key: &str) -> Result<Option<T>, Failure>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let Some(text) = self.get(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|error: T::Err| self.wrong(key, &error.to_string()))
    }

    fn required<T>(&self, key: &str) -> Result<T, Failure>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.parse(key)?.ok_or_else(|| self.wrong(key, "has no value"))
    }
}

/// A [`TreeHash`] as it is written in settings.
struct Hashing(TreeHash);

impl FromStr for Hashing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || format!("`{text}` is no hash, expected `sha-256` or `sm3`");
        TreeHash::from_word(text).map(Self).ok_or_else(unknown)
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}` is no form of the log, expected `text` or `json`")),
        }
    }
}

impl Config {
    /// Reads and checks all settings.
    ///
    /// # Errors
    ///
    /// E.780 for a file that cannot be read, an unknown key or an impossible value; the message names its source.
    pub fn load(sources: &Sources) -> Result<Self, Failure> {
        let named = match &sources.file {
            Some(path) => Some(file_layer(path, false)?),
            None => None,
        };
        let (environment, flags) = (sources.environment()?, sources.flags());
        let figment = |file: Option<Layer>| {
            let figment = Figment::from(defaults());
            let figment = match file {
                Some(file) => figment.merge(file),
                None => figment,
            };
            let layer = |it: &Layer| Layer { name: it.name.clone(), values: it.values.clone() };
            figment.merge(layer(&environment)).merge(layer(&flags))
        };
        let mut values = Values { figment: figment(named) };
        if sources.file.is_none() {
            let dir: PathBuf = values.required("dir")?;
            let path = dir.join(FILE);
            if path.exists() {
                values.figment = figment(Some(file_layer(&path, true)?));
            }
        }
        Self::read(&values)
    }

    fn read(values: &Values) -> Result<Self, Failure> {
        let certificate: Option<PathBuf> = values.parse("nats_certificate")?;
        let key: Option<PathBuf> = values.parse("nats_key")?;
        let nats_client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(values.wrong("nats_certificate", "needs `nats_key`")),
            (None, Some(_)) => return Err(values.wrong("nats_key", "needs `nats_certificate`")),
        };
        let journal_replicas = values.required("journal_replicas")?;
        if ![1, 3, 5].contains(&journal_replicas) {
            return Err(values.wrong("journal_replicas", "expected 1, 3 or 5"));
        }
        let readers = |key| {
            let readers: usize = values.required(key)?;
            let expected = format!("expected 1 to {LIVE_READERS_MOST}");
            let fits = (1..=LIVE_READERS_MOST).contains(&readers);
            if fits { Ok(readers) } else { Err(values.wrong(key, &expected)) }
        };
        let live_readers = Limits {
            all: readers("live_readers_max")?,
            session: readers("live_readers_session_max")?,
            address: readers("live_readers_address_max")?,
        };
        let oidc = match (values.get("oidc_issuer")?, values.get("oidc_client")?) {
            (None, _) => None,
            (Some(_), None) => return Err(values.wrong("oidc_issuer", "needs `oidc_client`")),
            (Some(issuer), Some(client)) => {
                if !provider::is_safe(&issuer) || issuer.contains(['?', '#']) {
                    let expected = "expected an address that begins with `https://`";
                    return Err(values.wrong("oidc_issuer", expected));
                }
                let secret = values.get("oidc_secret")?;
                let claim = values.required("oidc_claim")?;
                let at = provider::At { issuer, client, secret, claim };
                Some(Oidc { at, authority: values.parse("oidc_ca")? })
            }
        };
        let sys_url: Option<String> = values.get("sys_url")?;
        let mut config = Self {
            dir: values.required("dir")?,
            hall: values.parse("hall")?,
            journal: values.required("journal")?,
            store: values.required("store")?,
            store_schema: values.required("store_schema")?,
            sys_url: sys_url.map(Address::new),
            sys_nkey: values.parse("sys_nkey")?,
            accept_loss: values.required("accept_loss")?,
            nats_credentials: values.parse("nats_credentials")?,
            nats_nkey: values.parse("nats_nkey")?,
            nats_ca: values.parse("nats_ca")?,
            nats_client,
            nats_inbox_prefix: values.get("nats_inbox_prefix")?,
            journal_replicas,
            journal_bytes_max: values.required("journal_bytes_max")?,
            archive: values.parse("archive")?,
            issues: values.parse("issues")?,
            listen: match values.get("listen")?.as_deref() {
                Some("none") => None,
                _ => Some(values.required("listen")?),
            },
            public_host: values.get("public_host")?,
            totp: values.required("totp")?,
            live_readers,
            oidc,
            fonts: values.parse("fonts")?,
            otlp: values.parse("otlp")?,
            log: values.get("log")?,
            tree_hash: values.required::<Hashing>("tree_hash")?.0,
            log_format: values.required("log_format")?,
            sources: BTreeMap::new(),
        };
        if config.nats_credentials.is_some() && config.nats_nkey.is_some() {
            return Err(values.wrong("nats_nkey", "is set together with `nats_credentials`"));
        }
        for (key, _, _) in KEYS {
            let value = values.get(key)?.unwrap_or_default();
            let value = match *key {
                "oidc_secret" if !value.is_empty() => "***".to_owned(),
                _ => redact(&value),
            };
            config.sources.insert(key, Setting { value, source: values.source(key) });
        }
        Ok(config)
    }
}

impl Default for Config {
    /// The defaults, without a hall.
    fn default() -> Self {
        Self {
            dir: PathBuf::from(DIR),
            hall: None,
            journal: JournalAt::Sqlite,
            store: StoreAt::Sqlite,
            store_schema: "zhoubao".to_owned(),
            sys_url: None,
            sys_nkey: None,
            accept_loss: false,
            nats_credentials: None,
            nats_nkey: None,
            nats_ca: None,
            nats_client: None,
            nats_inbox_prefix: None,
            journal_replicas: 1,
            journal_bytes_max: 4 << 30,
            archive: None,
            issues: None,
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8425))),
            public_host: None,
            totp: Codes::default(),
            live_readers: Limits::default(),
            oidc: None,
            fonts: None,
            tree_hash: TreeHash::default(),
            otlp: None,
            log: None,
            log_format: LogFormat::Text,
            sources: BTreeMap::new(),
        }
    }
}

impl Address {
    /// The passwords and tokens in it, for finding them in texts of others.
    fn secrets(&self) -> Vec<String> {
        /// A shorter word would be found everywhere; it is still hidden inside addresses.
        const LENGTH_MIN: usize = 4;
        let mut secrets = Vec::new();
        for address in self.0.split(',') {
            let after = address.split_once("://").map_or(address, |(_, after)| after);
            if let Some((user, _)) = after.rsplit_once('@') {
                secrets.push(user.split_once(':').map_or(user, |(_, password)| password));
            }
            let query = address.split_once('?').map_or("", |(_, query)| query);
            secrets.extend(query.split('&').filter_map(|it| {
                let (key, value) = it.split_once('=')?;
                key.to_lowercase().ends_with("password").then_some(value)
            }));
        }
        let decoded = secrets.iter().map(|it| percent_decoded(it)).collect::<Vec<_>>();
        let both = secrets.into_iter().map(ToOwned::to_owned).chain(decoded);
        both.filter(|it| it.len() >= LENGTH_MIN).collect()
    }
}

/// A text with `%41` as `A`.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Config {
    /// Every password and token in the settings: what no log may show, in whatever form.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let journal = match &self.journal {
            JournalAt::Nats(address) => Some(address),
            JournalAt::Sqlite => None,
        };
        let store = match &self.store {
            StoreAt::Postgres(address) => Some(address),
            StoreAt::Sqlite => None,
        };
        let addresses = [journal, store, self.sys_url.as_ref()];
        let of_addresses = addresses.into_iter().flatten().flat_map(Address::secrets);
        let of_provider = self.oidc.as_ref().and_then(|it| it.at.secret.clone());
        of_addresses.chain(of_provider).collect()
    }
}

/// A text without the passwords and tokens of the addresses in it; the user's name stays where a password follows.
#[must_use]
pub fn redact(text: &str) -> String {
    let is_end = |it: char| it.is_whitespace() || "\"'`()<>，。；".contains(it);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.find(is_end).unwrap_or(rest.len());
        let (token, after) = rest.split_at(length);
        redact_list(token, &mut shown);
        let ends = after.find(|it| !is_end(it)).unwrap_or(after.len());
        shown.push_str(&after[..ends]);
        rest = &after[ends..];
    }
    shown
}

/// Several addresses, separated by commas.
fn redact_list(token: &str, shown: &mut String) {
    let next = token.match_indices(',').find(|(place, _)| {
        let scheme = token[place + 1..].split("://").next().unwrap_or_default();
        scheme.len() + place + 1 < token.len()
            && !scheme.is_empty()
            && scheme.bytes().all(|it| it.is_ascii_alphanumeric())
    });
    match next {
        Some((place, _)) => {
            redact_token(&token[..place], shown);
            shown.push(',');
            redact_list(&token[place + 1..], shown);
        }
        None => redact_token(token, shown),
    }
}

fn redact_token(token: &str, shown: &mut String) {
    // The last `@`: a password that was not escaped may hold another.
    let token = match token.rsplit_once('@') {
        Some((before, after)) => {
            let (scheme, user) = match before.split_once("://") {
                Some((scheme, user)) => (format!("{scheme}://"), user),
                None => (String::new(), before),
            };
            match user.split_once(':') {
                Some((name, _)) => shown.push_str(&format!("{scheme}{name}:***@")),
                None if scheme.is_empty() => shown.push_str(&format!("{before}@")),
                // A user without a password, or a token: nobody can tell.
                None => shown.push_str(&format!("{scheme}***@")),
            }
            after
        }
        None => token,
    };
    match token.to_lowercase().find("password=") {
        Some(place) => {
            let value = place + "password=".len();
            shown.push_str(&token[..value]);
            shown.push_str("***");
            if let Some(end) = token[value..].find('&') {
                redact_token(&token[value + end..], shown);
            }
        }
        None => shown.push_str(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        environment: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Result<Config, Failure> {
        Config::load(&Sources {
            file: None,
            environment: environment.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            flags: flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect(),
        })
    }

    #[test]
    fn the_flag_wins_over_the_environment() {
        let config = load(
            &[("ZHOUBAO_JOURNAL", "nats://a:4222"), ("ZHOUBAO_HALL", "510000"), ("HOME", "/")],
            &[("journal", "nats")],
        )
        .unwrap();
        assert_eq!(config.journal, JournalAt::Nats(Address::new(NATS_URL)));
        assert_eq!(config.hall.unwrap().as_str(), "510000");
        assert_eq!(config.sources["journal"].source, "命令行 flag --journal");
        assert_eq!(config.sources["hall"].source, "环境变量 environment ZHOUBAO_HALL");
        assert_eq!(config.sources["store"].source, "默认 default");
    }

    #[test]
    fn the_defaults_are_the_same_wherever_they_come_from() {
        let loaded = load(&[], &[("dir", "./zhoubao-data")]).unwrap();
        assert_eq!(Config { sources: BTreeMap::new(), ..loaded }, Config::default());
    }

    #[test]
    fn an_unknown_variable_names_the_nearest() {
        let failure = load(&[("ZHOUBAO_JURNAL", "nats")], &[]).unwrap_err();
        assert_eq!(failure.exit.number(), 78);
        assert!(failure.to_string().contains("`ZHOUBAO_JOURNAL`"), "{failure}");
    }

    #[test]
    fn a_file_is_read_and_its_unknown_key_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let dir = folder.path().to_string_lossy().into_owned();
        std::fs::write(&file, "hall = 510000\naccept_loss = true\n").unwrap();
        let config = load(&[], &[("dir", &dir)]).unwrap();
        assert!(config.accept_loss);
        assert_eq!(config.hall.unwrap().as_str(), "510000");
        std::fs::write(&file, "jurnal = \"nats\"\n").unwrap();
        let failure = load(&[], &[("dir", &dir)]).unwrap_err();
        assert!(failure.to_string().contains("did you mean `journal`?"), "{failure}");
    }

    #[test]
    fn a_wrong_value_names_its_source_and_no_password() {
        let failure = load(&[("ZHOUBAO_STORE", "mysql://hall:geheim@db/x")], &[]).unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("ZHOUBAO_STORE") && !text.contains("geheim"), "{text}");
    }

    #[test]
    fn secrets_are_hidden_however_they_are_written() {
        for (text, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("at nats://u:p@a:4222, then", "at nats://u:***@a:4222, then"),
            ("nats://u:p@a:1,nats://token@b:2", "nats://u:***@a:1,nats://***@b:2"),
            ("postgres://u:p@ss/w@h/db?x=1", "postgres://u:***@h/db?x=1"),
            ("postgres://h/db?user=u&password=p&x=1", "postgres://h/db?user=u&password=***&x=1"),
            ("`u:p@host`", "`u:***@host`"),
            ("周报 a@b", "周报 a@b"),
        ] {
            assert_eq!(redact(text), shown);
        }
        let address = Address::new("nats://u:geheim@a,nats://to%2Dken@b");
        assert_eq!(address.secrets(), ["geheim", "to%2Dken", "geheim", "to-ken"]);
        assert!(!format!("{address} {address:?}").contains("geheim"));
        assert_eq!(address.without_users(), "nats://a,nats://b");
    }
}
