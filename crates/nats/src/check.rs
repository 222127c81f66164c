//! What a safe server is.
//!
//! Whether a server writes before it acknowledges is told neither by JetStream's API nor by the stream: only a
//! `$SYS` user reads it, in the answer of *every* server to `$SYS.REQ.SERVER.PING.VARZ` (`sync_always`). The same
//! answer tells the server's limits of atomic batches (`max_batch_size`, left out at its default of 1,000).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use zhoubao_application::journal::BATCH_MESSAGES_MAX;
use zhoubao_domain::code::Code;

use crate::append;
use crate::connection::{ANSWER_WAIT, CHECK_WAIT, Connection, Options};
use crate::fault::Fault;
use crate::stream::{WIRE_BYTES_MAX, stream_name};

/// Oldest server: 2.15 writes an append once on three copies and keeps `always` through compaction.
pub const OLDEST: (u64, u64) = (2, 15);

/// The line that makes a server write before it acknowledges.
pub const SYNC_LINE: &str = "jetstream { sync_interval: always }";

/// The server's default for `max_batch_size`, which its answer leaves out.
const BATCH_SIZE_DEFAULT: u64 = 1000;

/// How long to listen on after the servers that are known have answered, for others.
const LINGER: Duration = Duration::from_millis(100);

/// What a finding means for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Works, with less.
    Warning,
    /// A power cut would lose acknowledged events; refused unless that is accepted in so many words.
    Loss,
    /// The journal must not be used.
    Unsafe,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its code.
    pub code: Code,
    /// What it means.
    pub severity: Severity,
    /// What is wrong, naming server or stream.
    pub detail: String,
    /// What to put into the configuration.
    pub line: Option<String>,
}

impl Finding {
    pub(crate) fn new(severity: Severity, detail: String, line: Option<String>) -> Self {
        Self { code: Code::UnsafeBroker, severity, detail, line }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        self.line.iter().try_for_each(|line| write!(f, "; put `{line}` into the configuration"))
    }
}

#[derive(Debug, Deserialize)]
struct Varz {
    data: Server,
}

/// What one server says of itself.
#[derive(Debug, Deserialize)]
struct Server {
    server_id: String,
    server_name: String,
    version: String,
    #[serde(default)]
    max_payload: usize,
    #[serde(default)]
    jetstream: JetStream,
}

#[derive(Debug, Default, Deserialize)]
struct JetStream {
    /// Absent where JetStream is off: such a server stores nothing.
    config: Option<JetStreamConfig>,
    meta: Option<Meta>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Debug, Deserialize)]
struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
}

#[derive(Debug, Deserialize)]
struct Meta {
    cluster_size: usize,
}

#[derive(Debug, Default, Deserialize)]
struct Limits {
    max_batch_size: Option<u64>,
}

/// Every server's answer, by id.
async fn servers(
    options: &Options,
    sys_url: &str,
    holders: &[String],
) -> Result<BTreeMap<String, Server>, Fault> {
    let connection = Connection::open_sys(options, sys_url).await?;
    let mut signals = connection.signals();
    let inbox = connection.client.new_inbox();
    let gone = |_| Fault::Disconnected;
    let mut answers =
        connection.client.subscribe(inbox.clone()).await.map_err(|_| Fault::Disconnected)?;
    let question = "$SYS.REQ.SERVER.PING.VARZ";
    let asked = connection.client.publish_with_reply(question, inbox, "".into()).await;
    asked.map_err(gone)?;

    let mut servers = BTreeMap::new();
    let mut deadline = Instant::now() + CHECK_WAIT;
    loop {
        let message = tokio::select! {
            biased;
            message = answers.next() => message.ok_or(Fault::Disconnected)?,
            fault = crate::connection::trouble(&mut signals, question) => return Err(fault),
            () = tokio::time::sleep_until(deadline) => return Ok(servers),
        };
        let server = serde_json::from_slice::<Varz>(&message.payload);
        let server = server.map_err(|it| Fault::Unexpected(it.to_string()))?.data;
        servers.insert(server.server_id.clone(), server);
        match missing(&servers, holders) {
            it if it.names.is_empty() => deadline = Instant::now() + LINGER,
            // One that is down never answers.
            it if it.is_minority => deadline = deadline.min(Instant::now() + ANSWER_WAIT),
            _ => {}
        }
    }
}

/// Servers that must answer and did not.
struct Missing {
    /// Each by name or as a number.
    names: Vec<String>,
    /// Whether most of those that hold the stream answered, and most of the cluster: whatever is acknowledged is then on
    /// one that answered, and a hall starts while one server of three is down.
    is_minority: bool,
}

fn missing(servers: &BTreeMap<String, Server>, holders: &[String]) -> Missing {
    let mut names: Vec<_> = holders
        .iter()
        .filter(|name| servers.values().all(|it| it.server_name != **name))
        .cloned()
        .collect();
    let storing = servers.values().filter(|it| it.jetstream.config.is_some()).count();
    // The servers of INFO's `connect_urls` are not counted: one server may have several addresses there.
    let size = servers.values().filter_map(|it| it.jetstream.meta.as_ref());
    let size = size.map(|it| it.cluster_size).max().unwrap_or(1);
    let is_minority = (names.is_empty() || names.len() * 2 < holders.len()) && size < storing * 2;
    if storing + names.len() < size {
        names.push(format!("{} of {size} servers of the cluster", size - storing));
    }
    Missing { names, is_minority }
}

/// Checks version, synchronisation and limits of every server that holds the stream or could.
pub(crate) async fn check_servers(
    connection: &Connection,
    options: &Options,
    holders: &[String],
) -> Result<Vec<Finding>, Fault> {
    let mut findings = Vec::new();
    let Some(sys_url) = &options.sys_url else {
        findings.extend(check_own_server(connection));
        findings.push(Finding::new(
            Severity::Loss,
            "no `$SYS` user is configured, so it is not known whether the servers write before they acknowledge"
                .to_owned(),
            Some(SYNC_LINE.to_owned()),
        ));
        return Ok(findings);
    };
    let servers = match servers(options, sys_url, holders).await {
        Ok(servers) => servers,
        // A server that went away is waited for: nobody knows its settings to be unsafe.
        Err(fault @ Fault::Disconnected) if !options.accept_loss => return Err(fault),
        Err(fault) => {
            findings.push(Finding::new(
                Severity::Loss,
                format!("the `$SYS` user learns nothing of the servers: {fault}"),
                Some(
                    "$SYS { users: [ { user: …, permissions: { publish: { allow: \
                     [\"$SYS.REQ.SERVER.PING.VARZ\"] }, subscribe: { allow: [\"_INBOX.>\"] } } } ] }"
                        .to_owned(),
                ),
            ));
            findings.extend(check_own_server(connection));
            return Ok(findings);
        }
    };
    let own = connection.client.server_info();
    if !servers.contains_key(&own.server_id) {
        findings.push(Finding::new(
            Severity::Loss,
            format!(
                "server {} of the journal is not among those that the `$SYS` user sees",
                own.server_name
            ),
            None,
        ));
    }
    let Missing { names, is_minority } = missing(&servers, holders);
    for name in names {
        findings.push(Finding::new(
            if is_minority { Severity::Warning } else { Severity::Loss },
            format!(
                "{name} did not answer, so it is not known whether it writes before it acknowledges"
            ),
            Some(SYNC_LINE.to_owned()),
        ));
    }
    for server in servers.values() {
        let name = &server.server_name;
        check_version(name, &server.version, &mut findings);
        check_payload(name, server.max_payload, &mut findings);
        let Some(config) = &server.jetstream.config else { continue };
        if !config.sync_always {
            findings.push(Finding::new(
                Severity::Loss,
                format!("server {name} acknowledges events before they are on the disk"),
                Some(SYNC_LINE.to_owned()),
            ));
        }
        let batch = server.jetstream.limits.max_batch_size.unwrap_or(BATCH_SIZE_DEFAULT);
        if batch < BATCH_MESSAGES_MAX as u64 {
            findings.push(Finding::new(
                Severity::Warning,
                format!(
                    "server {name} takes batches of {batch} messages, so larger ones are appended one by one"
                ),
                Some(format!("jetstream {{ limits {{ batch {{ max_msgs: {BATCH_MESSAGES_MAX} }} }} }}")),
            ));
        }
    }
    Ok(findings)
}

/// Checks what the server at the other end says of itself to whoever connects.
pub(crate) fn check_own_server(connection: &Connection) -> Vec<Finding> {
    let own = connection.client.server_info();
    let mut findings = Vec::new();
    check_version(&own.server_name, &own.version, &mut findings);
    check_payload(&own.server_name, own.max_payload, &mut findings);
    findings
}

fn check_version(name: &str, version: &str, findings: &mut Vec<Finding>) {
    let mut numbers = version.split(['.', '-']).map_while(|it| it.parse::<u64>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if found < OLDEST {
        let (major, minor) = OLDEST;
        findings.push(Finding::new(
            Severity::Unsafe,
            format!("server {name} is nats-server {version}; {major}.{minor} or later is needed"),
            None,
        ));
    }
}

fn check_payload(name: &str, max_payload: usize, findings: &mut Vec<Finding>) {
    if max_payload < WIRE_BYTES_MAX {
        findings.push(Finding::new(
            Severity::Unsafe,
            format!("server {name} takes messages of {max_payload} bytes, too few for an event"),
            Some("max_payload: 64KB".to_owned()),
        ));
    }
}

/// Checks what the journal's user may do, without storing anything.
pub(crate) async fn check_rights(
    connection: &Connection,
    options: &Options,
) -> Result<Vec<Finding>, Fault> {
    let hall = &options.hall;
    let stream = stream_name(hall);
    let mut findings = Vec::new();
    let lacks = |what: &str, subject: &str| {
        Finding::new(
            Severity::Unsafe,
            format!("the NATS user may not {what}"),
            Some(format!("publish: {{ allow: [\"{subject}\"] }}")),
        )
    };

    // An append at an impossible position: a user with the right is told of the conflict. Not to a terminal's line,
    // which is the terminal's alone.
    for line in ["issues", "audit", "quarantine", "setup.hall.zhoubao-check"] {
        if !options.appends {
            break;
        }
        let subject = format!("hall.{hall}.{line}");
        let headers = append::expectation(u64::MAX >> 1);
        match connection.check(&subject, Some(headers), "".into()).await {
            Ok(_) => {}
            Err(Fault::NotPermitted(_)) => {
                findings.push(lacks(&format!("write to `{subject}`"), &subject));
                break;
            }
            Err(fault) => return Err(fault),
        }
    }

    let subject = format!("$JS.API.DIRECT.GET.{stream}");
    match connection.check(&subject, None, r#"{"seq":1}"#.into()).await {
        Ok(_) => {}
        Err(Fault::NotPermitted(_)) => {
            findings.push(lacks("read single events", &format!("{subject}.>")))
        }
        Err(fault) => return Err(fault),
    }

    // A consumer that the server forgets within a second.
    let request = json!({ "stream_name": stream, "config": {
        "ack_policy": "none", "deliver_policy": "new", "mem_storage": true, "num_replicas": 1,
        "inactive_threshold": 1_000_000_000,
    }});
    let subject = format!("CONSUMER.CREATE.{stream}");
    match connection.check_api::<Value>(&subject, &request).await {
        Ok(consumer) => {
            let consumer = consumer["name"].as_str().unwrap_or_default();
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
            let request = r#"{"batch":1,"no_wait":true}"#;
            match connection.check(&subject, None, request.into()).await {
                // On a slow machine the server may have forgotten it already, which is no refusal either.
                Ok(_) | Err(Fault::NoResponders) => {}
                Err(Fault::NotPermitted(_)) => {
                    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.>");
                    findings.push(lacks("read the journal", &subject));
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(Fault::NotPermitted(_)) => {
            findings.push(lacks("make a reader", &format!("$JS.API.{subject}")));
        }
        Err(fault) => return Err(fault),
    }

    Ok(findings)
}

/// Whether the journal's user may do more than a service needs. The question is a violation where it is answered as it
/// should be, and stands in the server's log: so only `zhoubao doctor` asks.
pub(crate) async fn check_excess(connection: &Connection, options: &Options) -> Vec<Finding> {
    let stream = stream_name(&options.hall);
    let mut findings = Vec::new();
    // A body that is no JSON changes nothing, whoever sends it.
    let subject = format!("$JS.API.STREAM.UPDATE.{stream}");
    if connection.check(&subject, None, "{".into()).await.is_ok() {
        findings.push(Finding::new(
            Severity::Warning,
            format!(
                "the NATS user may change the settings of stream {stream}, by which an intruder could empty it"
            ),
            Some(format!("publish: {{ deny: [\"{subject}\", \"$JS.API.STREAM.DELETE.>\"] }}")),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{BTreeMap, Server, missing};

    /// Names that are missing, and whether they are a minority.
    fn missed(answers: &[&str], size: usize, holders: &[&str]) -> (Vec<String>, bool) {
        let server = |name: &&str| -> Server {
            serde_json::from_value(
                json!({ "server_id": name, "server_name": name, "version": "2.15.1",
                "jetstream": { "config": {}, "meta": { "cluster_size": size } } }),
            )
            .expect("a server")
        };
        let servers: BTreeMap<_, _> =
            answers.iter().map(|it| ((*it).to_owned(), server(it))).collect();
        let holders: Vec<_> = holders.iter().map(|it| (*it).to_owned()).collect();
        let missing = missing(&servers, &holders);
        (missing.names, missing.is_minority)
    }

    #[test]
    fn given_a_cluster_when_one_of_three_is_down_then_the_others_do() {
        let all = ["a", "b", "c"];
        assert_eq!(missed(&all, 3, &all), (vec![], true));
        assert_eq!(missed(&["a", "c"], 3, &all), (vec!["b".to_owned()], true));
        assert_eq!(missed(&["b"], 3, &all), (vec!["a".to_owned(), "c".to_owned()], false));
        assert_eq!(missed(&[], 3, &["a"]), (vec!["a".to_owned()], false));
    }

    #[test]
    fn given_a_stream_on_fewer_servers_when_another_is_down_then_it_is_told_as_a_number() {
        let of_three = vec!["1 of 3 servers of the cluster".to_owned()];
        assert_eq!(missed(&["a", "b"], 3, &["a"]), (of_three.clone(), true));
        // Half of the copies is no majority.
        assert_eq!(missed(&["a", "c"], 3, &["a", "b"]), (vec!["b".to_owned()], false));
        assert_eq!(
            missed(&["a"], 3, &["a"]),
            (vec!["2 of 3 servers of the cluster".to_owned()], false)
        );
        assert_eq!(missed(&["a", "b"], 3, &[]), (of_three, true));
    }
}
