//! The journal of one hall on its stream.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use zhoubao_application::journal::{
    AppendError, Cursor, Expectation, Incarnation, Journal, JournalError, JournalState,
};
use zhoubao_contract::{Message, Stored};
use zhoubao_domain::code::Code;
use zhoubao_domain::id::{HallCode, Subject};

use crate::append;
use crate::blobs;
use crate::check::{Finding, Severity, check_excess, check_rights, check_servers};
use crate::connection::{ANSWER_WAIT, Connection, Options};
use crate::cursor::{Cuts, NatsCursor};
use crate::fault::Fault;
use crate::message::{RawMessage, from_direct_get, says_when};
use crate::receipts;
use crate::restore::Through;
use crate::stream::{INCARNATION_KEY, StreamOptions, compare, head_subject, settings, stream_name};

/// Longest wait for a stream to be made, on the disks of all its servers.
const CREATE_WAIT: Duration = Duration::from_secs(10);

/// Share of the byte limit, in percent, from which on the journal counts as filling up.
const FILLING_PERCENT: u64 = 70;

/// JetStream's number for a stream that does not exist.
const NO_STREAM: u64 = 10059;

/// JetStream's number for a message that does not exist.
const NO_MESSAGE: u64 = 10037;

/// JetStream's number for a stream that exists with other settings.
pub(crate) const STREAM_EXISTS: u64 = 10058;

/// The journal of one hall on NATS JetStream.
#[derive(Debug)]
pub struct NatsJournal {
    pub(crate) connection: Connection,
    pub(crate) stream: String,
    pub(crate) replicas: usize,
    /// The connection of the readers, made for the first: what they read does not hold up acknowledgements, and what
    /// cuts them off does not touch the writers.
    reading: OnceCell<Connection>,
    /// Where readers were cut off.
    cuts: Arc<Cuts>,
    /// How far the stream was restored from a copy.
    through: Through,
    options: Options,
}

/// How the journal does, for whoever keeps it running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerState {
    /// Which journal this is.
    pub incarnation: Incarnation,
    /// Sequence of its last message, 0 when empty.
    pub last: u64,
    /// Messages in the stream; fewer than `last` means that some are lost.
    pub messages: u64,
    /// Bytes in the stream.
    pub bytes: u64,
    /// Most bytes that it takes, if there is a limit.
    pub bytes_max: Option<u64>,
    /// Readers.
    pub consumers: u64,
    /// Copies.
    pub replicas: usize,
    /// What time the server had when it answered, if it says so.
    pub now: Option<Timestamp>,
}

impl BrokerState {
    /// Bytes as a percentage of their limit; `None` without a limit.
    #[must_use]
    pub fn filled_percent(&self) -> Option<u64> {
        let percent = u128::from(self.bytes) * 100 / u128::from(self.bytes_max?.max(1));
        Some(u64::try_from(percent).unwrap_or(u64::MAX))
    }

    /// Whether it is time to give the journal more room.
    #[must_use]
    pub fn is_filling(&self) -> bool {
        self.filled_percent().is_some_and(|it| it >= FILLING_PERCENT)
    }

    /// Whether every sequence up to the last has its message.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.messages == self.last
    }
}

/// The parts of `STREAM.INFO` that are looked at.
#[derive(Debug, Deserialize)]
struct StreamInfo {
    config: Value,
    state: StreamState,
    #[serde(default)]
    cluster: Cluster,
    /// When it was answered, RFC 3339.
    #[serde(default)]
    ts: String,
}

#[derive(Debug, Deserialize)]
struct StreamState {
    messages: u64,
    bytes: u64,
    last_seq: u64,
    #[serde(default)]
    consumer_count: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Cluster {
    #[serde(default)]
    leader: Option<String>,
    #[serde(default)]
    replicas: Vec<Replica>,
}

#[derive(Debug, Deserialize)]
struct Replica {
    name: String,
}

impl StreamInfo {
    fn incarnation(&self) -> Option<Incarnation> {
        let text = self.config["metadata"][INCARNATION_KEY].as_str()?;
        (!text.is_empty()).then(|| Incarnation(text.to_owned()))
    }

    /// Names of the servers that hold the stream.
    fn holders(&self) -> Vec<String> {
        let replicas = self.cluster.replicas.iter().map(|it| &it.name);
        self.cluster.leader.iter().chain(replicas).cloned().collect()
    }
}

impl NatsJournal {
    /// Connects to the stream of a hall, which must exist, and refuses a server that is not safe.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsafe`] with every reason and the line that mends it; [`JournalError::Unavailable`] when the
    /// server cannot be reached.
    pub async fn connect(options: Options) -> Result<Self, JournalError> {
        let journal = Self::open(options).await?;
        let mut refused = Vec::new();
        for finding in journal.find().await? {
            let accepted = match finding.severity {
                Severity::Warning => true,
                Severity::Loss => journal.options.accept_loss,
                Severity::Unsafe => false,
            };
            if accepted {
                tracing::warn!(hall.code = %journal.options.hall, "{finding}");
            } else {
                refused.push(finding);
            }
        }
        match refused.first() {
            None => Ok(journal),
            Some(first) => Err(JournalError::Unsafe {
                code: first.code,
                detail: refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
            }),
        }
    }

    /// Connects without any check, for `zhoubao doctor`, which shows what [`check`](Self::check) finds.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] when the server cannot be reached.
    pub async fn open(options: Options) -> Result<Self, JournalError> {
        let connection = Connection::open(&options).await?;
        let stream = stream_name(&options.hall);
        Ok(Self {
            connection,
            stream,
            replicas: options.replicas,
            reading: OnceCell::new(),
            cuts: Arc::default(),
            through: Through::default(),
            options,
        })
    }

    /// Makes the stream of a hall.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsafe`] when it exists with another incarnation or other settings.
    pub async fn create_stream(
        options: &Options,
        stream: &StreamOptions,
    ) -> Result<(), JournalError> {
        match Self::create(options, stream).await {
            Err(Fault::Refused { code: STREAM_EXISTS, .. }) => Err(JournalError::Unsafe {
                code: Code::OtherJournal,
                detail: format!("stream {} exists already", stream_name(&options.hall)),
            }),
            other => Ok(other?),
        }
    }

    /// Makes the stream of a hall unless there is one already.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unsafe`] when the user has no right to; [`JournalError::Unavailable`] when the server cannot be reached or refuses.
    pub async fn ensure_stream(
        options: &Options,
        stream: &StreamOptions,
    ) -> Result<(), JournalError> {
        match Self::create(options, stream).await {
            Err(Fault::Refused { code: STREAM_EXISTS, .. }) => Ok(()),
            // Waiting gives nobody a right.
            Err(Fault::NotPermitted(_)) => Err(JournalError::Unsafe {
                code: Code::UnsafeBroker,
                detail: format!(
                    "there is no stream {} yet, and this NATS user may not make it: make it once with the key of the \
                     break-glass user, see docs/nats.md",
                    stream_name(&options.hall)
                ),
            }),
            other => Ok(other?),
        }
    }

    async fn create(options: &Options, stream: &StreamOptions) -> Result<(), Fault> {
        let connection = Connection::open(options).await?;
        let config = settings(&options.hall, options.replicas, stream);
        let subject = format!("STREAM.CREATE.{}", stream_name(&options.hall));
        // The receipts first: where the hall's stream is, they have one.
        receipts::make(&connection, &options.hall, options.replicas).await?;
        blobs::make(&connection, &options.hall, options.replicas).await?;
        connection.api::<Value>(&subject, &config, CREATE_WAIT).await.map(drop)
    }

    /// The hall whose journal this is.
    #[must_use]
    pub fn hall(&self) -> &HallCode {
        &self.options.hall
    }

    /// Looks at servers, stream and rights, and answers with everything that is not as it should be.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] when the server stops answering.
    pub async fn check(&self) -> Result<Vec<Finding>, JournalError> {
        let mut findings = self.find().await?;
        if findings.iter().all(|it| it.severity < Severity::Unsafe) {
            findings.extend(check_excess(&self.connection, &self.options).await);
        }
        Ok(findings)
    }

    async fn find(&self) -> Result<Vec<Finding>, JournalError> {
        let subject = format!("STREAM.INFO.{}", self.stream);
        let info: StreamInfo = match self.connection.check_api(&subject, &json!({})).await {
            Ok(info) => info,
            Err(Fault::Refused { code: NO_STREAM, .. }) => {
                let detail = format!(
                    "stream {} does not exist: make it first, and only for a hall that never had one",
                    self.stream
                );
                let mut findings = check_servers(&self.connection, &self.options, &[]).await?;
                findings.push(Finding::new(Severity::Unsafe, detail, None));
                return Ok(findings);
            }
            Err(fault @ Fault::NotPermitted(_)) => {
                return Ok(vec![Finding::new(
                    Severity::Unsafe,
                    fault.to_string(),
                    Some(format!(
                        "publish: {{ allow: [\"$JS.API.STREAM.INFO.{}\"] }}",
                        self.stream
                    )),
                )]);
            }
            Err(fault) => return Err(fault.into()),
        };
        let mut findings = check_servers(&self.connection, &self.options, &info.holders()).await?;
        findings.extend(compare(&self.options.hall, self.options.replicas, &info.config));
        if info.incarnation().is_none() {
            findings.push(Finding {
                code: Code::OtherJournal,
                severity: Severity::Unsafe,
                detail: self.no_incarnation(),
                line: None,
            });
        }
        // A stream that is set up wrongly does not answer as it should.
        if findings.iter().all(|it| it.severity < Severity::Unsafe) {
            findings.extend(check_rights(&self.connection, &self.options).await?);
        }
        Ok(findings)
    }

    /// How full the journal is and who reads it.
    ///
    /// # Errors
    ///
    /// As for [`Journal::state`].
    pub async fn broker_state(&self) -> Result<BrokerState, JournalError> {
        let info = self.known_info().await?;
        let bytes_max = info.config["max_bytes"].as_i64();
        Ok(BrokerState {
            incarnation: info.incarnation().ok_or_else(|| self.other_journal())?,
            last: info.state.last_seq,
            messages: info.state.messages,
            bytes: info.state.bytes,
            bytes_max: bytes_max.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0),
            consumers: info.state.consumer_count,
            replicas: info.cluster.replicas.len() + 1,
            now: info.ts.parse().ok(),
        })
    }

    fn no_incarnation(&self) -> String {
        format!("stream {} has no `{INCARNATION_KEY}` in its metadata", self.stream)
    }

    fn other_journal(&self) -> JournalError {
        JournalError::Unsafe { code: Code::OtherJournal, detail: self.no_incarnation() }
    }

    async fn info(&self) -> Result<StreamInfo, Fault> {
        let subject = format!("STREAM.INFO.{}", self.stream);
        self.connection.api(&subject, &json!({}), ANSWER_WAIT).await
    }

    async fn known_info(&self) -> Result<StreamInfo, JournalError> {
        match self.info().await {
            Err(Fault::Refused { code: NO_STREAM, .. }) => Err(JournalError::Unsafe {
                code: Code::OtherJournal,
                detail: format!("stream {} is gone", self.stream),
            }),
            other => Ok(other?),
        }
    }

    /// The first message of a subject from a sequence on.
    pub(crate) async fn next_on(&self, subject: &str, from: u64) -> Result<Option<Stored>, Fault> {
        self.direct_get(&json!({ "seq": from, "next_by_subj": subject })).await
    }

    async fn direct_get(&self, request: &Value) -> Result<Option<Stored>, Fault> {
        let subject = format!("$JS.API.DIRECT.GET.{}", self.stream);
        let payload = request.to_string().into();
        match self.connection.ask(&subject, None, payload, ANSWER_WAIT).await {
            Ok(answer) => self.read_direct_get(&answer).await,
            Err(fault) => self.instead(fault, request).await,
        }
    }

    async fn read_direct_get(&self, answer: &async_nats::Message) -> Result<Option<Stored>, Fault> {
        let through = match says_when(answer) {
            false => 0,
            true => match self.restored_through().await {
                // A terminal's user may not look at the stream, and needs no time.
                Err(Fault::NotPermitted(_)) => 0,
                through => through?,
            },
        };
        from_direct_get(answer, through)
    }

    /// How far the stream was restored from a copy.
    async fn restored_through(&self) -> Result<u64, Fault> {
        match self.through.get() {
            Some(through) => Ok(through),
            None => Ok(self.through.note(&self.info().await?.config)),
        }
    }

    /// Reads otherwise what could not be read by a direct get, if it is the message that cut the connection.
    async fn instead(&self, fault: Fault, request: &Value) -> Result<Option<Stored>, Fault> {
        if !matches!(fault, Fault::Disconnected | Fault::NoResponders) {
            return Err(fault);
        }
        let through = self.restored_through().await.unwrap_or_default();
        match raw_get(&self.connection, &self.stream, request, through).await {
            // A user without this right, or a server that is really away.
            Err(_) => Err(fault),
            read => read,
        }
    }
}

/// Reads one message as `request` says, in a form in which no message can cut the connection.
pub(crate) async fn raw_get(
    connection: &Connection,
    stream: &str,
    request: &Value,
    through: u64,
) -> Result<Option<Stored>, Fault> {
    #[derive(Deserialize)]
    struct Answer {
        message: RawMessage,
    }
    let subject = format!("STREAM.MSG.GET.{stream}");
    match connection.api::<Answer>(&subject, request, ANSWER_WAIT).await {
        Ok(Answer { message }) => message.into_stored(through).map(Some),
        Err(Fault::Refused { code: NO_MESSAGE, .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

#[async_trait]
impl Journal for NatsJournal {
    async fn state(&self) -> Result<JournalState, JournalError> {
        let info = self.known_info().await?;
        let incarnation = info.incarnation().ok_or_else(|| self.other_journal())?;
        self.through.note(&info.config);
        Ok(JournalState { incarnation, last: info.state.last_seq })
    }

    async fn append(
        &self,
        messages: &[Message],
        expected: &[Expectation],
    ) -> Result<Vec<u64>, AppendError> {
        append::append(self, messages, expected).await
    }

    /// A copy that lags behind may answer; an append at its head is then refused by the leader.
    async fn head(&self, subject: &Subject) -> Result<Option<Stored>, JournalError> {
        let request = json!({ "last_by_subj": subject.to_string() });
        let subject = head_subject(subject);
        Ok(match self.connection.ask(&subject, None, "".into(), ANSWER_WAIT).await {
            Ok(answer) => self.read_direct_get(&answer).await?,
            Err(fault) => self.instead(fault, &request).await?,
        })
    }

    async fn get(&self, sequence: u64) -> Result<Option<Stored>, JournalError> {
        Ok(self.direct_get(&json!({ "seq": sequence })).await?)
    }

    async fn open(&self, from: u64) -> Result<Box<dyn Cursor>, JournalError> {
        let make = || Connection::open(&self.options);
        let reading = self.reading.get_or_try_init(make).await?;
        let through = self.restored_through().await?;
        Ok(Box::new(NatsCursor::open(reading, &self.stream, from, &self.cuts, through).await?))
    }
}
