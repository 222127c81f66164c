//! Between the client's messages and the contract's.

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use zhoubao_application::journal::AppendError;
use zhoubao_contract::{Attributes, Message, Stored};

use crate::fault::Fault;
use crate::restore::{RECORDED_AT_NAME, recorded_at};

/// Carries the order of the attributes that the contract does not know, where it is not alphabetical: the client keeps
/// headers in a hash map, and a copy of the journal must read the same as the journal.
const ORDER_NAME: &str = "Attribute-Order";
const ORDER: HeaderName = HeaderName::from_static(ORDER_NAME);

/// Header of a direct get with the message's sequence.
const SEQUENCE: &str = "Nats-Sequence";

/// Longest value of [`ORDER`]; beyond it the order is given up rather than the event.
const ORDER_BYTES_MAX: usize = 256;

/// The headers of an event.
pub(crate) fn to_headers(message: &Message) -> Result<HeaderMap, AppendError> {
    let mut headers = HeaderMap::new();
    for (name, value) in message.attributes.headers() {
        let header = name.parse::<HeaderName>().ok().zip(value.parse::<HeaderValue>().ok());
        let Some((name, value)) = header else {
            let detail = format!("attribute `{name}` cannot be sent as a header");
            return Err(AppendError::Invalid { detail });
        };
        headers.append(name, value);
    }
    if !message.attributes.extra.is_sorted() {
        let names: Vec<_> =
            message.attributes.extra.iter().map(|(name, _)| name.as_str()).collect();
        let order = names.join(" ");
        if order.len() <= ORDER_BYTES_MAX
            && let Ok(order) = order.parse::<HeaderValue>()
        {
            headers.insert(ORDER, order);
        }
    }
    Ok(headers)
}

/// The event of a message as the client read it; the server took it at `taken_at`, and the stream was restored
/// `through` a sequence.
pub(crate) fn from_client(
    position: u64,
    taken_at: Timestamp,
    subject: String,
    message: &async_nats::Message,
    through: u64,
) -> Stored {
    let mut attributes = Attributes::default();
    let mut restored = None;
    if let Some(headers) = &message.headers {
        restored = headers.get(RECORDED_AT_NAME).map(HeaderValue::as_str);
        // The contract passes over the broker's own headers, as over all that are no attributes.
        attributes = Attributes::read_headers(headers.iter().flat_map(|(name, values)| {
            values.iter().map(move |value| (AsRef::<str>::as_ref(name), value.as_str()))
        }));
        sort(&mut attributes, headers.get(ORDER).map(HeaderValue::as_str));
    }
    let message = Message { subject, attributes, body: message.payload.to_vec() };
    let recorded_at = recorded_at(taken_at, restored, position, through);
    Stored { position, recorded_at, message }
}

/// Gives the attributes of a hash map an order: without it, two readings of one message would differ.
fn sort(attributes: &mut Attributes, order: Option<&str>) {
    attributes.extra.sort_unstable();
    attributes.unreadable.sort_unstable();
    if let Some(order) = order {
        let place = |name: &str| order.split(' ').position(|it| it == name).unwrap_or(usize::MAX);
        attributes.extra.sort_by_key(|(name, _)| place(name));
    }
}

/// Whether a message says when it was first recorded, which is true only where the stream was restored.
pub(crate) fn says_when(message: &async_nats::Message) -> bool {
    message.headers.as_ref().is_some_and(|it| it.get(RECORDED_AT_NAME).is_some())
}

/// Whether a direct get has found a message.
fn is_found(message: &async_nats::Message) -> Result<bool, Fault> {
    const NOT_FOUND: u16 = 404;
    let named = message.headers.as_ref().is_some_and(|it| it.get(SEQUENCE).is_some());
    // A stored message may have a status of its own.
    let Some(status) = message.status.filter(|_| !named) else { return Ok(true) };
    let description = message.description.clone().unwrap_or_default();
    match status.as_u16() {
        NOT_FOUND => Ok(false),
        code => Err(Fault::Refused { code: code.into(), description }),
    }
}

/// The answer to a direct get of a text: the text, or nothing.
pub(crate) fn text_of_direct_get(message: &async_nats::Message) -> Result<Option<String>, Fault> {
    let text = || String::from_utf8_lossy(&message.payload).into_owned();
    Ok(is_found(message)?.then(text))
}

/// The answer to a direct get: the event, or nothing.
pub(crate) fn from_direct_get(
    message: &async_nats::Message,
    through: u64,
) -> Result<Option<Stored>, Fault> {
    if !is_found(message)? {
        return Ok(None);
    }
    let broker_header = |name: &str| {
        let value = message.headers.as_ref().and_then(|it| it.get_last(name));
        value
            .map(HeaderValue::as_str)
            .ok_or_else(|| Fault::Unexpected(format!("a message without the header {name}")))
    };
    let wrong = |name: &str| Fault::Unexpected(format!("a message with a wrong {name}"));
    // The last value of each is the server's: a writer may have put one of its own before.
    let position = broker_header(SEQUENCE)?.parse().map_err(|_| wrong(SEQUENCE))?;
    let recorded_at = broker_header("Nats-Time-Stamp")?;
    let recorded_at = recorded_at.parse().map_err(|_| wrong("Nats-Time-Stamp"))?;
    let subject = broker_header("Nats-Subject")?.to_owned();
    Ok(Some(from_client(position, recorded_at, subject, message, through)))
}

/// A message as `STREAM.MSG.GET` answers it: headers and body in base64.
///
/// The client cuts the connection when it meets headers that are not well formed, and a server takes any bytes as
/// headers from whoever may write. So one message could stop every reader, if there were not this way to read it.
#[derive(Debug, Deserialize)]
pub(crate) struct RawMessage {
    subject: String,
    seq: u64,
    time: String,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
}

impl RawMessage {
    /// The event, with those of its headers that can be read.
    pub(crate) fn into_stored(self, through: u64) -> Result<Stored, Fault> {
        let wrong = || Fault::Unexpected("a message that is not in base64".to_owned());
        let headers = base64(&self.hdrs).ok_or_else(wrong)?;
        let headers = String::from_utf8_lossy(&headers);
        let lines: Vec<_> = headers
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        let mut attributes = Attributes::read_headers(lines.iter().copied());
        let order = lines.iter().find(|(name, _)| *name == ORDER_NAME).map(|(_, order)| *order);
        sort(&mut attributes, order);
        let body = base64(&self.data).ok_or_else(wrong)?;
        let message = Message { subject: self.subject, attributes, body };
        let taken_at = self.time.parse();
        let taken_at = taken_at.map_err(|_| Fault::Unexpected("a wrong time".to_owned()))?;
        let restored = lines.iter().find(|(name, _)| *name == RECORDED_AT_NAME);
        let restored = restored.map(|(_, time)| *time);
        let recorded_at = recorded_at(taken_at, restored, self.seq, through);
        Ok(Stored { position: self.seq, recorded_at, message })
    }
}

/// Decodes base64 with padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let bits =
            four.iter().try_fold(0_u32, |bits, it| Some(bits << 6 | u32::from(digit(*it)?)))?;
        let missing = 4 - four.len();
        let three = (bits << (6 * missing)).to_be_bytes();
        // One digit alone holds no whole byte.
        bytes.extend_from_slice(three.get(1..4_usize.checked_sub(missing)?.max(1))?);
    }
    Some(bytes)
}

/// What JetStream says of a message in its reply subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Sequence in the stream.
    pub(crate) position: u64,
    /// When the stream took it.
    pub(crate) recorded_at: Timestamp,
    /// Number of this delivery, 1, 2, 3, …: a jump means that a message was lost on its way.
    pub(crate) number: u64,
    /// Messages of the stream behind it.
    pub(crate) pending: u64,
}

/// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<nanoseconds>.<pending>`, or the
/// longer form with domain and account before the stream and a token at the end.
pub(crate) fn parse_delivery(reply: &str) -> Option<Delivery> {
    let rest = reply.strip_prefix("$JS.ACK.")?;
    let long = rest.bytes().filter(|it| *it == b'.').count() > 6;
    let mut tokens = rest.split('.').skip(if long { 5 } else { 3 });
    let position = tokens.next()?.parse().ok()?;
    let number = tokens.next()?.parse().ok()?;
    let nanosecond = tokens.next()?.parse::<i64>().ok()?;
    let recorded_at = Timestamp::from_nanosecond(nanosecond.into()).ok()?;
    let pending = tokens.next()?.parse().ok()?;
    Some(Delivery { position, recorded_at, number, pending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reply: &str, expected: Option<(u64, u64, u64)>) {
        let found = parse_delivery(reply);
        assert_eq!(found.map(|it| (it.position, it.number, it.pending)), expected);
        assert!(found.is_none_or(|it| it.recorded_at.as_nanosecond() == 1_790_000_000_123_456_789));
    }

    #[test]
    fn both_forms_of_the_reply_subject_are_read() {
        check("$JS.ACK.HALL_510000.c.1.42.7.1790000000123456789.9", Some((42, 7, 9)));
        check("$JS.ACK._.hash.HALL_510000.c.1.42.7.1790000000123456789.9.token", Some((42, 7, 9)));
        check("$JS.ACK.hub.hash.HALL_510000.c.1.42.7.1790000000123456789.9", Some((42, 7, 9)));
    }

    #[test]
    fn base64_is_read() {
        let check = |text: &str, bytes: Option<&[u8]>| {
            assert_eq!(base64(text).as_deref(), bytes, "{text}");
        };
        check("", Some(b""));
        check("Zg==", Some(b"f"));
        check("Zm8=", Some(b"fo"));
        check("Zm9v", Some(b"foo"));
        check("Zm9vYmE=", Some(b"fooba"));
        check("/+8=", Some(b"\xff\xef"));
        check("Zm9*", None);
    }

    #[test]
    fn another_reply_subject_is_no_delivery() {
        check("_INBOX.a.1", None);
        check("$JS.ACK.HALL_510000.c.1.x.7.1790000000123456789.9", None);
        check("$JS.ACK.HALL_510000.c.1.42", None);
    }
}
