//! CloudEvents in structured mode: one event a line of JSON, as `emit` reads it and exports write it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Refusal};
use zhoubao_domain::id::{Digest, HallCode, Subject, UserId};
use zhoubao_domain::time::rfc3339;

use crate::body;
use crate::codec::{Draft, encode, is_command, is_json, stream_of};
use crate::message::{
    Attributes, BODY_BYTES_MAX, CONTENT_TYPE, Message, PutError, SPEC_VERSION, Stored, hash, hex,
    is_attribute_name,
};
use crate::text;

/// What the journal says of an event, not its writer: written by exports, passed over when read.
const JOURNAL_ATTRIBUTES: [&str; 2] = ["sequence", "recordedtime"];

/// An event that came in, checked, before it has its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The exact subject, from `source`.
    pub subject: Subject,
    /// Its number, if the writer numbers; else the emitter does.
    pub number: Option<u64>,
    /// Hash of the event before it, if the writer chains.
    pub previous: Option<Digest>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was typed in, if that was not when it happened.
    pub entered_at: Option<Timestamp>,
    /// Who.
    pub actor: Option<UserId>,
    /// Idempotency key of the command.
    pub command: Option<String>,
    /// What happened.
    pub event: Event,
    /// The attributes as they came.
    pub attributes: Attributes,
    /// The body as it came, byte for byte.
    pub body: Vec<u8>,
}

impl Incoming {
    /// An event as a writer gives it whose ledger numbers and chains it: what the draft says of both is left away.
    #[must_use]
    pub fn new(draft: Draft) -> Self {
        let mut message = encode(&draft);
        let own = &mut message.attributes;
        (own.id, own.prevhash, own.hash) = (None, None, None);
        Self {
            subject: draft.subject,
            number: None,
            previous: None,
            occurred_at: draft.occurred_at,
            entered_at: draft.entered_at,
            actor: draft.actor,
            command: draft.command,
            event: draft.event,
            attributes: message.attributes,
            body: message.body,
        }
    }

    /// The message to append: attributes and body as they came, with this number, chain and their hash.
    ///
    /// For an event that came with its number, this number and [`Incoming::previous`] give it back as it was.
    #[must_use]
    pub fn message(&self, number: u64, previous: Option<Digest>) -> Message {
        let mut attributes = self.attributes.clone();
        attributes.id = Some(number.to_string());
        attributes.prevhash = previous.as_ref().map(hex);
        attributes.specversion = Some(SPEC_VERSION.to_owned());
        attributes.datacontenttype.get_or_insert_with(|| CONTENT_TYPE.to_owned());
        let mut message =
            Message { subject: self.subject.to_string(), attributes, body: self.body.clone() };
        message.attributes.hash = Some(hex(&hash(&message)));
        message
    }
}

/// Reads one line.
///
/// `source`, `type`, `time` and `data` (or `data_base64`) are required; `id` is given only by a writer that
/// numbers its own events, and then a `hash` must fit. Unknown attributes are kept; `sequence` and
/// `recordedtime`, which exports write, are not.
///
/// # Errors
///
/// [`Refusal`] with the codes of [`decode`](crate::decode()); repeated keys, bad attribute names and values that
/// are no texts are [`Code::Malformed`], a body beyond [`BODY_BYTES_MAX`] is [`Code::TooLarge`].
pub fn parse(line: &str, hall: &HallCode) -> Result<Incoming, Refusal> {
    let malformed = |detail: String| Refusal::new(Code::Malformed, detail);
    let Line { attributes, data } =
        serde_json::from_str(line).map_err(|error| malformed(error.to_string()))?;

    let source = required(&attributes.source, "source", Some)?;
    let stream = stream_of(source, hall)?;
    let kind = required(&attributes.kind, "type", |it| (!it.is_empty()).then_some(it))?;
    let occurred_at = required(&attributes.time, "time", text::instant)?;
    optional(&attributes.specversion, "specversion", |it| (it == SPEC_VERSION).then_some(()))?;
    optional(&attributes.datacontenttype, "datacontenttype", |it| is_json(it).then_some(()))?;
    let number = optional(&attributes.id, "id", text::number)?;
    let previous = optional(&attributes.prevhash, "prevhash", text::digest)?;
    let claimed = optional(&attributes.hash, "hash", text::digest)?;
    let entered_at = optional(&attributes.enteredat, "enteredat", text::instant)?;
    let actor = optional(&attributes.actor, "actor", |it| it.parse::<UserId>().ok())?;
    let command =
        optional(&attributes.command, "command", |it| is_command(it).then(|| it.to_owned()))?;

    let body = match data {
        Some(Data::Json(json)) => json.get().as_bytes().to_vec(),
        Some(Data::Base64(text)) => {
            BASE64.decode(text).map_err(|error| malformed(format!("`data_base64`: {error}")))?
        }
        None => return Err(malformed("`data` is missing".to_owned())),
    };
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::new(
            Code::TooLarge,
            format!("`data` has {} bytes, at most {BODY_BYTES_MAX}", body.len()),
        ));
    }
    let event = body::event_from_json(kind, &body, &stream)?;

    let incoming = Incoming {
        subject: Subject::new(hall.clone(), stream),
        number,
        previous,
        occurred_at,
        entered_at,
        actor,
        command,
        event,
        attributes,
        body,
    };
    match (number, claimed) {
        (Some(number), Some(claimed)) => {
            let message = incoming.message(number, previous);
            let computed = hash(&message);
            if computed != claimed {
                return Err(Refusal::new(
                    Code::BrokenChain,
                    format!("`hash` is {claimed}, but the event hashes to {computed}"),
                ));
            }
        }
        (None, Some(_)) => return Err(malformed("`hash` without `id`".to_owned())),
        (None, None) if previous.is_some() => {
            return Err(malformed("`prevhash` without `id`".to_owned()));
        }
        (_, None) => {}
    }
    Ok(incoming)
}

fn optional<'a, T>(
    value: &'a Option<String>,
    name: &str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| {
        Refusal::new(
            Code::Malformed,
            format!("`{name}` has the impossible value `{}`", text::excerpt(value)),
        )
    })
}

fn required<'a, T>(
    value: &'a Option<String>,
    name: &str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, Refusal> {
    optional(value, name, read)?
        .ok_or_else(|| Refusal::new(Code::Malformed, format!("`{name}` is missing")))
}

enum Data<'a> {
    Json(&'a RawValue),
    Base64(String),
}

/// A line taken apart: everything outside `data` is an attribute.
struct Line<'a> {
    attributes: Attributes,
    data: Option<Data<'a>>,
}

impl<'de> Deserialize<'de> for Line<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(LineVisitor)
    }
}

struct LineVisitor;

impl<'de> Visitor<'de> for LineVisitor {
    type Value = Line<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event, one JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Attributes::default();
        let mut data = None;
        // Keys whose value is not kept; they too may not stand twice.
        let mut passed_over: Vec<String> = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            let twice = || A::Error::custom(format_args!("key `{name}` stands twice"));
            if passed_over.contains(&name) {
                return Err(twice());
            }
            if name == "data" || name == "data_base64" {
                if data.is_some() {
                    return Err(A::Error::custom("`data` stands twice"));
                }
                data = Some(if name == "data" {
                    Data::Json(entries.next_value()?)
                } else {
                    Data::Base64(entries.next_value()?)
                });
                continue;
            }
            if !is_attribute_name(&name) {
                return Err(A::Error::custom(format_args!(
                    "`{}` is not a name of an attribute",
                    text::excerpt(&name)
                )));
            }
            let value: &RawValue = entries.next_value()?;
            let value = attribute(&name, value.get(), &mut attributes).map_err(A::Error::custom)?;
            match value {
                Some(value) if !JOURNAL_ATTRIBUTES.contains(&name.as_str()) => {
                    attributes.put(&name, value).map_err(|error| match error {
                        PutError::Repeated => twice(),
                        PutError::Name => A::Error::custom("not a name of an attribute"),
                    })?;
                }
                // JSON null is how CloudEvents spells an attribute that is not set.
                _ => {
                    let kept_before = attributes.iter().any(|(it, _)| it == name);
                    if kept_before {
                        return Err(twice());
                    }
                    passed_over.push(name);
                }
            }
        }
        Ok(Line { attributes, data })
    }
}

/// The text of an attribute: known ones are strings; others may be booleans or integers too (CloudEvents §3.1).
fn attribute(
    name: &str,
    json: &str,
    attributes: &mut Attributes,
) -> Result<Option<String>, String> {
    let wrong = || format!("attribute `{name}` is not a text");
    if json == "null" {
        return Ok(None);
    }
    if json.starts_with('"') {
        let value: String = serde_json::from_str(json).map_err(|error| error.to_string())?;
        return if value.chars().any(char::is_control) { Err(wrong()) } else { Ok(Some(value)) };
    }
    let plain = matches!(json, "true" | "false") || json.parse::<i32>().is_ok();
    if plain && attributes.slot(name).is_none() { Ok(Some(json.to_owned())) } else { Err(wrong()) }
}

/// Writes a stored event as one line, without a line feed, with its place in the journal as `sequence` and
/// `recordedtime`. [`parse`] gives back the same attributes and body.
///
/// A body that is not one line of JSON goes as `data_base64`: its bytes are hashed and must survive.
#[must_use]
pub fn to_structured(stored: &Stored) -> String {
    let message = &stored.message;
    let mut line = String::with_capacity(640 + message.body.len());
    let mut member = |name: &str, json: &str| {
        line.push(if line.is_empty() { '{' } else { ',' });
        line.push_str(&quoted(name));
        line.push(':');
        line.push_str(json);
    };
    for (name, value) in message.attributes.iter() {
        if !JOURNAL_ATTRIBUTES.contains(&name) {
            member(name, &quoted(value));
        }
    }
    member("sequence", &quoted(&stored.position.to_string()));
    member("recordedtime", &quoted(&rfc3339(stored.recorded_at)));
    match one_line_of_json(&message.body) {
        Some(json) => member("data", json),
        None => member("data_base64", &quoted(&BASE64.encode(&message.body))),
    }
    line.push('}');
    line
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn one_line_of_json(body: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(body).ok()?;
    let json: &RawValue = serde_json::from_str(text).ok()?;
    // `RawValue` leaves blanks around it out.
    (json.get() == text && !text.contains(['\n', '\r'])).then_some(text)
}
