//! Between the client's messages and the contract's.

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use zhoubao_application::journal::AppendError;
use zhoubao_contract::{Attributes, Message, Stored};

use crate::fault::Fault;

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
    Ok(headers)
}

/// The event of a message as the client read it.
pub(crate) fn from_client(
    position: u64,
    recorded_at: Timestamp,
    subject: String,
    message: &async_nats::Message,
) -> Stored {
    let mut attributes = Attributes::default();
    if let Some(headers) = &message.headers {
        // The contract passes over the broker's own headers, as over all that are no attributes.
        attributes = Attributes::read_headers(headers.iter().flat_map(|(name, values)| {
            values.iter().map(move |value| (AsRef::<str>::as_ref(name), value.as_str()))
        }));
        // The client keeps headers in a hash map: without this, two readings of one message would differ.
        attributes.extra.sort_unstable();
        attributes.unreadable.sort_unstable();
    }
    let message = Message { subject, attributes, body: message.payload.to_vec() };
    Stored { position, recorded_at, message }
}

/// The answer to a direct get: the event, or nothing.
pub(crate) fn from_direct_get(message: &async_nats::Message) -> Result<Option<Stored>, Fault> {
    const NOT_FOUND: u16 = 404;
    if let Some(status) = message.status {
        let description = message.description.clone().unwrap_or_default();
        return match status.as_u16() {
            NOT_FOUND => Ok(None),
            code => Err(Fault::Refused { code: code.into(), description }),
        };
    }
    let broker_header = |name: &str| {
        let value = message.headers.as_ref().and_then(|it| it.get_last(name));
        value
            .map(HeaderValue::as_str)
            .ok_or_else(|| Fault::Unexpected(format!("a message without the header {name}")))
    };
    let wrong = |name: &str| Fault::Unexpected(format!("a message with a wrong {name}"));
    // The last value of each is the server's: a writer may have put one of its own before.
    let position = broker_header("Nats-Sequence")?;
    let position = position.parse().map_err(|_| wrong("Nats-Sequence"))?;
    let recorded_at = broker_header("Nats-Time-Stamp")?;
    let recorded_at = recorded_at.parse().map_err(|_| wrong("Nats-Time-Stamp"))?;
    let subject = broker_header("Nats-Subject")?.to_owned();
    Ok(Some(from_client(position, recorded_at, subject, message)))
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
    fn another_reply_subject_is_no_delivery() {
        check("_INBOX.a.1", None);
        check("$JS.ACK.HALL_510000.c.1.x.7.1790000000123456789.9", None);
        check("$JS.ACK.HALL_510000.c.1.42", None);
    }
}
