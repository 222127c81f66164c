//! The stream of a hall: how it is made and what must be true of it.

use std::time::Duration;

use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, Republish, RetentionPolicy, StorageType,
};
use serde_json::Value;
use zhoubao_application::journal::{Incarnation, MESSAGE_BYTES_MAX};
use zhoubao_domain::id::{HallCode, Stream, Subject, TerminalId};

use crate::check::{Finding, Severity};

/// Key of the incarnation in the stream's metadata.
pub const INCARNATION_KEY: &str = "zhoubao-incarnation";

/// Most messages of one subject: a flood of one terminal does not fill the hall's journal.
pub const SUBJECT_MESSAGES_MAX: i64 = 2_000_000;

/// Most bytes of a message as the broker counts them: the largest event, and the broker's own headers around it
/// (expectation, batch id, number and commit are some 160 bytes, the frame 12 and 2 a header).
pub const WIRE_BYTES_MAX: usize = MESSAGE_BYTES_MAX + 1024;

/// Most bytes of all receipts: a thousand terminals have room for the largest.
const RECEIPTS_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// Settings that are the administrator's own: where the copies lie, and a note.
const HARMLESS: &[&str] = &["description", "placement"];

/// How a stream is made.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// A random id, new for every stream.
    pub incarnation: Incarnation,
    /// Most bytes of the stream; it refuses what exceeds them.
    pub bytes_max: u64,
}

/// Name of the stream of a hall.
#[must_use]
pub fn stream_name(hall: &HallCode) -> String {
    format!("HALL_{hall}")
}

/// Name of the stream of a hall's receipts.
#[must_use]
pub fn receipts_name(hall: &HallCode) -> String {
    format!("RECEIPTS_{hall}")
}

/// Where the receipt of a terminal lies.
#[must_use]
pub fn receipt_subject(hall: &HallCode, terminal: &TerminalId) -> String {
    format!("receipt.{hall}.{terminal}")
}

/// Where it is asked for.
pub(crate) fn receipt_request(hall: &HallCode, terminal: &TerminalId) -> String {
    let (stream, subject) = (receipts_name(hall), receipt_subject(hall, terminal));
    format!("$JS.API.DIRECT.GET.{stream}.{subject}")
}

/// The settings of the stream of receipts: the latest of each terminal. Losing it loses nothing, the projector writes
/// it again.
pub(crate) fn receipts_settings(hall: &HallCode, replicas: usize) -> Config {
    Config {
        name: receipts_name(hall),
        subjects: vec![format!("receipt.{hall}.*")],
        storage: StorageType::File,
        num_replicas: replicas,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_messages_per_subject: 1,
        max_messages: -1,
        max_consumers: -1,
        max_bytes: RECEIPTS_BYTES_MAX,
        max_message_size: i32::try_from(WIRE_BYTES_MAX).unwrap_or(i32::MAX),
        allow_direct: true,
        ..Config::default()
    }
}

/// Where the last message of a line is asked for: the line stands in the subject, so that a right can be given for it.
pub(crate) fn head_subject(line: &Subject) -> String {
    format!("$JS.API.DIRECT.GET.{}.{line}", stream_name(&line.hall))
}

/// Where every step in the life of the hall's issues is announced.
#[must_use]
pub fn live_issue(hall: &HallCode) -> String {
    format!("live.{hall}.issue")
}

/// Where what the hall's live board shows is told.
#[must_use]
pub fn live_board(hall: &HallCode) -> String {
    format!("live.{hall}.board")
}

/// First part of the subjects for the answers to one user.
#[must_use]
pub fn inbox(user: &str) -> String {
    format!("_INBOX.{user}")
}

/// The settings of a hall's stream.
pub(crate) fn settings(hall: &HallCode, replicas: usize, options: &StreamOptions) -> Config {
    Config {
        name: stream_name(hall),
        subjects: vec![format!("hall.{hall}.>")],
        storage: StorageType::File,
        num_replicas: replicas,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        discard_new_per_subject: true,
        max_age: Duration::ZERO,
        max_messages: -1,
        max_consumers: -1,
        max_bytes: i64::try_from(options.bytes_max).unwrap_or(i64::MAX),
        max_messages_per_subject: SUBJECT_MESSAGES_MAX,
        max_message_size: i32::try_from(WIRE_BYTES_MAX).unwrap_or(i32::MAX),
        duplicate_window: Duration::from_secs(120),
        deny_delete: true,
        deny_purge: true,
        allow_rollup: false,
        allow_message_ttl: false,
        allow_atomic_publish: true,
        allow_direct: true,
        mirror_direct: false,
        compression: Some(Compression::None),
        // The server repeats each step of an issue when it is stored: no program can forget to announce one, or do it
        // twice.
        republish: Some(Republish {
            source: Subject::new(hall.clone(), Stream::Issues).to_string(),
            destination: live_issue(hall),
            headers_only: false,
        }),
        metadata: [(INCARNATION_KEY.to_owned(), options.incarnation.0.clone())].into(),
        ..Config::default()
    }
}

/// Compares a stream's settings, as the server reports them, with those that it must have.
pub(crate) fn compare(hall: &HallCode, replicas: usize, found: &Value) -> Vec<Finding> {
    let options = StreamOptions { incarnation: Incarnation(String::new()), bytes_max: 0 };
    let wanted = serde_json::to_value(settings(hall, replicas, &options)).unwrap_or_default();
    let none = serde_json::Map::new();
    let (wanted, found) = (wanted.as_object().unwrap_or(&none), found.as_object().unwrap_or(&none));
    let name = stream_name(hall);
    let mut findings = Vec::new();
    for (field, value) in wanted {
        let is = found.get(field).unwrap_or(&Value::Null);
        if !matches!(field.as_str(), "max_bytes" | "metadata") && !same(is, value) {
            // One that was made before there were announcements keeps everything.
            let severity = match field.as_str() {
                "republish" if empty(is) => Severity::Warning,
                _ => Severity::Unsafe,
            };
            findings.push(Finding::new(
                severity,
                format!("stream {name} has `{field}: {is}`"),
                Some(format!("{field}: {value}")),
            ));
        }
    }
    // Fields that a hall's stream does not set, among them `mirror`, `sources`, `sealed`, `no_ack` and
    // `persist_mode`: each changes what is stored or when it is acknowledged.
    for (field, value) in found.iter().filter(|(field, _)| !wanted.contains_key(*field)) {
        if !empty(value) && !HARMLESS.contains(&field.as_str()) {
            findings.push(Finding::new(
                Severity::Unsafe,
                format!("stream {name} has `{field}: {value}`, which a hall's stream does not set"),
                value.is_boolean().then(|| format!("{field}: false")),
            ));
        }
    }
    if found.get("max_bytes").and_then(Value::as_i64).is_none_or(|it| it <= 0) {
        findings.push(Finding::new(
            Severity::Warning,
            format!("stream {name} has no limit of bytes, so nobody warns before the disk is full"),
            Some("max_bytes: 8589934592".to_owned()),
        ));
    }
    findings
}

/// The server leaves out what is false, zero or empty.
fn same(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let none = &Value::Null;
            found
                .keys()
                .chain(wanted.keys())
                .all(|it| same(found.get(it).unwrap_or(none), wanted.get(it).unwrap_or(none)))
        }
        _ => found == wanted || (empty(found) && empty(wanted)),
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(it) => !it,
        Value::Number(it) => it.as_i64() == Some(0),
        Value::String(it) => it.is_empty(),
        Value::Array(it) => it.is_empty(),
        Value::Object(it) => it.is_empty(),
    }
}
