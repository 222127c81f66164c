//! Texts of attributes and fields: one strict spelling each.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use zhoubao_domain::id::{Digest, EventRef, Stream};

/// What the CloudEvents bindings encode in a header: space, `"`, `%`, controls; non-ASCII always.
const HEADER: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Percent-encodes an attribute value for a header.
pub(crate) fn encode(value: &str) -> Cow<'_, str> {
    // Nearly every value is plain, and a byte scan is much faster than the encoder's pieces.
    if value.bytes().all(|it| matches!(it, b'!'..=b'~') && it != b'"' && it != b'%') {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(utf8_percent_encode(value, HEADER).to_string())
    }
}

/// A content type is not percent-encoded; only what could break a header out of its line is.
pub(crate) fn encode_content_type(value: &str) -> Cow<'_, str> {
    if is_plain(value) {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(utf8_percent_encode(value, CONTROLS).to_string())
    }
}

/// Printable ASCII.
pub(crate) fn is_plain(value: &str) -> bool {
    value.bytes().all(|it| matches!(it, b' '..=b'~'))
}

/// Decodes a header value, one round; none for a truncated or non-hexadecimal escape, for bytes that are not
/// UTF-8, and for control characters, which CloudEvents forbids.
pub(crate) fn decode(value: &str) -> Option<String> {
    // Nearly every value is plain.
    if value.bytes().all(|it| matches!(it, b' '..=b'~') && it != b'%') {
        return Some(value.to_owned());
    }
    if !value.contains('%') {
        return (!value.chars().any(char::is_control)).then(|| value.to_owned());
    }
    let bytes = value.as_bytes();
    let escapes_are_whole =
        bytes.iter().enumerate().filter(|(_, it)| **it == b'%').all(|(at, _)| {
            bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
        });
    if !escapes_are_whole {
        return None;
    }
    let decoded = percent_decode_str(value).decode_utf8().ok()?;
    (!decoded.chars().any(char::is_control)).then(|| decoded.into_owned())
}

/// Milliseconds in their one spelling: decimal, a minus sign where they are negative, no leading zero; at most a
/// century.
pub(crate) fn offset(text: &str) -> Option<SignedDuration> {
    const MAX_MS: u64 = 100 * 366 * 24 * 3_600 * 1_000;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let millis = match digits {
        "0" if sign == 1 => 0,
        _ => number(digits).filter(|it| *it <= MAX_MS)?,
    };
    Some(SignedDuration::from_millis(sign * i64::try_from(millis).ok()?))
}

/// A number in its one spelling: decimal, no sign, no leading zero, 1 or more.
pub(crate) fn number(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let plain = matches!(bytes.first(), Some(b'1'..=b'9')) && bytes.iter().all(u8::is_ascii_digit);
    plain.then(|| text.parse().ok()).flatten()
}

/// Values of lower-case hexadecimal digits, [`NO_DIGIT`] elsewhere. A table, because the digits of a digest are
/// random and a branch on them is guessed wrong half of the time.
const NIBBLES: [u8; 256] = {
    let mut nibbles = [NO_DIGIT; 256];
    let digits = b"0123456789abcdef";
    let mut value = 0;
    while value < digits.len() {
        nibbles[digits[value] as usize] = value as u8;
        value += 1;
    }
    nibbles
};
const NO_DIGIT: u8 = 0xff;

/// A digest, 64 lower-case hexadecimal digits. Two an event, so without the parser's error text.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 32];
    let mut bad = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        bad |= high | low;
        *byte = high << 4 | low & 0x0f;
    }
    (bad & 0xf0 == 0).then(|| Digest::new(bytes))
}

/// The name of an event, `terminal.w01#17`, in its one spelling.
pub(crate) fn event(text: &str) -> Option<EventRef> {
    let (stream, number) = text.split_once('#')?;
    Some(EventRef { stream: stream.parse::<Stream>().ok()?, number: self::number(number)? })
}

/// An instant, RFC 3339 with `Z` or a numeric offset. jiff alone would read far more forms of ISO 8601.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (head, rest) = bytes.split_at_checked(19)?;
    if !shaped(head, b"dddd-dd-ddTdd:dd:dd") {
        return None;
    }
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|it| it.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return None;
            }
            &fraction[digits..]
        }
        None => rest,
    };
    if rest != b"Z" && !shaped(rest, b"+dd:dd") && !shaped(rest, b"-dd:dd") {
        return None;
    }
    text.parse().ok()
}

/// A day, `2023-02-06`.
pub(crate) fn day(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if !shaped(bytes, b"dddd-dd-dd") {
        return None;
    }
    let digits = |range: std::ops::Range<usize>| {
        bytes[range].iter().fold(0_i16, |sum, it| sum * 10 + i16::from(it - b'0'))
    };
    let (month, day) = (i8::try_from(digits(5..7)).ok()?, i8::try_from(digits(8..10)).ok()?);
    Date::new(digits(0..4), month, day).ok()
}

fn shaped(text: &[u8], pattern: &[u8]) -> bool {
    text.len() == pattern.len()
        && text.iter().zip(pattern).all(|(byte, want)| match want {
            b'd' => byte.is_ascii_digit(),
            _ => byte == want,
        })
}

/// The beginning of a text, for a message about it.
pub(crate) fn excerpt(text: &str) -> &str {
    const LENGTH_MAX: usize = 80;
    match text.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
