//! Messages to and from the domain.

use jiff::{SignedDuration, Timestamp};
use zhoubao_domain::code::Code;
use zhoubao_domain::event::{Event, Recorded};
use zhoubao_domain::id::{Digest, EventRef, HallCode, Stream, Subject, UserId};
use zhoubao_domain::planted;
use zhoubao_domain::time::rfc3339;

use crate::body::{self, Fault};
use crate::message::{Attributes, CONTENT_TYPE, Message, SPEC_VERSION, Stored, hash, hex};
use crate::text;

/// Longest idempotency key, in bytes.
pub const COMMAND_BYTES_MAX: usize = 128;

/// An event that is to be written, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The exact subject.
    pub subject: Subject,
    /// Its number in the line, from 1.
    pub number: u64,
    /// Hash of the event before it in its line.
    pub previous: Option<Digest>,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// When it was typed in, if that was not when it happened.
    pub entered_at: Option<Timestamp>,
    /// Who.
    pub actor: Option<UserId>,
    /// Idempotency key of the command; not empty, no control characters, at most [`COMMAND_BYTES_MAX`].
    pub command: Option<String>,
    /// What happened.
    pub event: Event,
}

/// Writes an event with all its attributes, its hash among them.
///
/// What the domain made is read back by [`decode`] as it was. What the domain refuses (an acceptance without a
/// case, a negative tally, an empty reason) is written as it is, and refused when read.
#[must_use]
pub fn encode(draft: &Draft) -> Message {
    let (kind, body) = body::event_to_json(&draft.event);
    let subject = draft.subject.to_string();
    let attributes = Attributes {
        specversion: Some(SPEC_VERSION.to_owned()),
        id: Some(draft.number.to_string()),
        source: Some(subject.clone()),
        kind: Some(kind.to_owned()),
        time: Some(rfc3339(draft.occurred_at)),
        datacontenttype: Some(CONTENT_TYPE.to_owned()),
        prevhash: draft.previous.as_ref().map(hex),
        actor: draft.actor.as_ref().map(ToString::to_string),
        command: draft.command.clone(),
        enteredat: draft.entered_at.map(rfc3339),
        ..Attributes::default()
    };
    let mut message = Message { subject, attributes, body };
    message.attributes.hash = Some(hex(&hash(&message)));
    message
}

/// Why a stored message is no event that counts, and what could be read of it all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail} ({code})")]
pub struct DecodeError {
    /// The stable code.
    pub code: Code,
    /// True: kept for a newer program ([`Code::UnknownKind`]); false: quarantined.
    pub hold: bool,
    /// One sentence with the offending value.
    pub detail: String,
    /// Line and number, where the subject is one of this hall and `ce-id` a number.
    pub identity: Option<EventRef>,
    /// The computed hash, where there is an identity. Equal to what the next event of the line should name.
    pub hash: Option<Digest>,
    /// Hash of the event before it in its line, where the writer gave one.
    pub previous: Option<Digest>,
    /// When it happened, where that could be read.
    pub occurred_at: Option<Timestamp>,
}

/// Reads a message of the journal.
///
/// # Errors
///
/// [`DecodeError`]: `UnknownKind` (to be held), `Malformed`, `UnknownHall`, `TrainingHall`, `OutOfRange`, `TooLarge`,
/// `NoReason`, and `BrokenChain` for a `ce-hash` that is not the hash of the bytes.
pub fn decode(stored: &Stored, hall: &HallCode) -> Result<Recorded, Box<DecodeError>> {
    let message = &stored.message;
    let attributes = &message.attributes;

    // Identity first, whatever else is wrong: the head of the line must move.
    let known = Known {
        number: attributes.id.as_deref().and_then(text::number),
        hash: hash(message),
        previous: attributes.prevhash.as_deref().and_then(text::digest),
        occurred_at: attributes.time.as_deref().and_then(text::instant),
    };
    let fail = |fault: Fault, stream: Option<Stream>| {
        let identity = stream.zip(known.number).map(|(stream, number)| EventRef { stream, number });
        Box::new(DecodeError {
            code: fault.code,
            hold: fault.hold,
            detail: fault.detail,
            hash: identity.as_ref().map(|_| known.hash),
            identity,
            previous: known.previous,
            occurred_at: known.occurred_at,
        })
    };
    let stream = match stream_of(&message.subject, hall) {
        Ok(stream) => stream,
        Err(fault) => return Err(fail(fault, None)),
    };
    match read(stored, hall, &stream, &known) {
        Ok(fields) => Ok(Recorded {
            position: stored.position,
            recorded_at: stored.recorded_at,
            identity: EventRef { stream, number: fields.number },
            hash: known.hash,
            previous: known.previous,
            occurred_at: fields.occurred_at,
            entered_at: fields.entered_at,
            clock_offset: fields.clock_offset,
            clock_unsure: fields.clock_unsure,
            actor: fields.actor,
            command: fields.command,
            event: fields.event,
        }),
        Err(fault) => Err(fail(fault, Some(stream))),
    }
}

/// What can be read of a message by itself, valid or not.
struct Known {
    number: Option<u64>,
    hash: Digest,
    previous: Option<Digest>,
    occurred_at: Option<Timestamp>,
}

/// What only a valid message has.
struct Fields {
    number: u64,
    occurred_at: Timestamp,
    entered_at: Option<Timestamp>,
    clock_offset: Option<SignedDuration>,
    clock_unsure: Option<Timestamp>,
    actor: Option<UserId>,
    command: Option<String>,
    event: Event,
}

/// A time of a clock that was ahead by `offset`.
fn right(time: Timestamp, offset: SignedDuration) -> Result<Timestamp, Fault> {
    let offset = if planted!(ClockSign) { -offset } else { offset };
    let right = time.saturating_sub(offset);
    right.map_err(|_| Fault::malformed(format!("`clockoffset` leads beyond all times from {time}")))
}

fn read(stored: &Stored, hall: &HallCode, stream: &Stream, known: &Known) -> Result<Fields, Fault> {
    let message = &stored.message;
    let attributes = &message.attributes;

    if let Some(detail) = attributes.fault() {
        return Err(Fault::malformed(detail));
    }
    require(&attributes.specversion, "specversion", |it| (it == SPEC_VERSION).then_some(()))?;
    let number = require(&attributes.id, "id", |_| known.number)?;
    let source = require(&attributes.source, "source", Some)?;
    if *source != message.subject {
        return Err(wrong_source(source, &message.subject, hall));
    }
    let kind = require(&attributes.kind, "type", |it| (!it.is_empty()).then_some(it))?;
    let occurred_at = require(&attributes.time, "time", |_| known.occurred_at)?;
    allow(&attributes.datacontenttype, "datacontenttype", |it| is_json(it).then_some(()))?;
    allow(&attributes.prevhash, "prevhash", |_| known.previous)?;
    let entered_at = allow(&attributes.enteredat, "enteredat", text::instant)?;
    let clock_offset = allow(&attributes.clockoffset, "clockoffset", text::offset)?;
    // A time that was typed in is a person's; what a clock gave is put right by what is known of the clock.
    let (occurred_at, entered_at) = match (clock_offset, entered_at) {
        (Some(offset), Some(entered_at)) => (occurred_at, Some(right(entered_at, offset)?)),
        (Some(offset), None) => (right(occurred_at, offset)?, None),
        (None, entered_at) => (occurred_at, entered_at),
    };
    let clock_unsure =
        match (allow(&attributes.clockunsure, "clockunsure", text::instant)?, clock_offset) {
            (Some(written_at), Some(offset)) => Some(right(written_at, offset)?),
            (written_at, _) => written_at,
        };
    let actor = allow(&attributes.actor, "actor", |it| it.parse::<UserId>().ok())?;
    let command =
        allow(&attributes.command, "command", |it| is_command(it).then(|| it.to_owned()))?;

    if let Some(claimed) = &attributes.hash
        && text::digest(claimed) != Some(known.hash)
    {
        return Err(Fault {
            code: Code::BrokenChain,
            hold: false,
            detail: format!(
                "attribute `hash` is `{}`, but the event hashes to {}",
                text::excerpt(claimed),
                known.hash
            ),
        });
    }

    let event = body::event_in(kind, &message.body, stream)?;
    Ok(Fields {
        number,
        occurred_at,
        entered_at,
        clock_offset,
        clock_unsure,
        actor,
        command,
        event,
    })
}

/// The stream of a subject of this hall.
pub(crate) fn stream_of(subject: &str, hall: &HallCode) -> Result<Stream, Fault> {
    let parts = subject.strip_prefix("hall.").and_then(|it| it.split_once('.'));
    match parts {
        Some((code, stream)) if code == hall.as_str() => stream
            .parse()
            .map_err(|error| Fault::malformed(format!("subject `{subject}`: {error}"))),
        _ => match subject.parse::<Subject>() {
            Ok(other) => Err(other_hall(&other, hall)),
            Err(error) => Err(Fault::malformed(error.to_string())),
        },
    }
}

fn other_hall(subject: &Subject, hall: &HallCode) -> Fault {
    Fault {
        code: hall.apart(&subject.hall, Code::UnknownHall),
        hold: false,
        detail: format!("`{subject}` is of another hall, this is {hall}"),
    }
}

fn wrong_source(source: &str, subject: &str, hall: &HallCode) -> Fault {
    match source.parse::<Subject>() {
        Ok(other) if other.hall != *hall => other_hall(&other, hall),
        _ => Fault::malformed(format!(
            "attribute `source` is `{}`, but the subject is `{subject}`",
            text::excerpt(source)
        )),
    }
}

fn allow<'a, T>(
    value: &'a Option<String>,
    name: &str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(value) = value else { return Ok(None) };
    match read(value) {
        Some(it) => Ok(Some(it)),
        None => Err(Fault::malformed(format!(
            "attribute `{name}` has the impossible value `{}`",
            text::excerpt(value)
        ))),
    }
}

fn require<'a, T>(
    value: &'a Option<String>,
    name: &str,
    read: impl FnOnce(&'a str) -> Option<T>,
) -> Result<T, Fault> {
    allow(value, name, read)?
        .ok_or_else(|| Fault::malformed(format!("attribute `{name}` is missing")))
}

/// Whether a content type is JSON, with or without parameters.
pub(crate) fn is_json(value: &str) -> bool {
    value == CONTENT_TYPE
        || value.split(';').next().is_some_and(|it| it.trim().eq_ignore_ascii_case(CONTENT_TYPE))
}

/// Whether a text can be an idempotency key.
pub(crate) fn is_command(value: &str) -> bool {
    (1..=COMMAND_BYTES_MAX).contains(&value.len()) && !value.chars().any(char::is_control)
}
