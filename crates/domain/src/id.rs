//! Names of things: short ASCII tokens in subjects, never display names (names change and have aliases).

use std::fmt;
use std::str::FromStr;

use smol_str::SmolStr;

use crate::code::Code;

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

fn is_token(text: &str, length_max: usize) -> bool {
    (1..=length_max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(SmolStr);

        impl $name {
            /// The id as it is spelled in subjects, files and rows.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    // Nearly all are short, and then neither this nor a clone takes memory.
                    Ok(Self(SmolStr::new(text)))
                } else {
                    Err(ParseIdError { text: text.to_owned(), expected: $expected })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

token!(
    /// A hall's code: its administrative division, six digits (GB/T 2260; `510000` = Sichuan). No division's code
    /// begins with 9, so those that do are of training halls (培训).
    HallCode,
    "a hall code, expected six digits such as 510000",
    |it| it.len() == 6 && it.bytes().all(|b| b.is_ascii_digit())
);
impl HallCode {
    /// Whether it is a training hall, in which nothing is real: by its code, so by every subject, source and hash in it.
    #[must_use]
    pub fn is_training(&self) -> bool {
        self.as_str().starts_with('9')
    }

    /// Why something of hall `other` has no place in this one: E.119 between training and real, else `code`.
    #[must_use]
    pub fn apart(&self, other: &Self, code: Code) -> Code {
        if self.is_training() == other.is_training() { code } else { Code::TrainingHall }
    }
}

token!(
    /// A device on a window; it owns one gapless sequence of events.
    TerminalId,
    "a terminal id, expected 1 to 32 ASCII letters, digits, `-` or `_`",
    |it| is_token(it, 32)
);
token!(
    /// A counter (窗口) of the hall.
    WindowId,
    "a window id, expected 1 to 32 ASCII letters, digits, `-` or `_`",
    |it| is_token(it, 32)
);
token!(
    /// A department (部门, 单位) that sends its matters to the hall.
    DepartmentId,
    "a department id, expected 1 to 32 ASCII letters, digits, `-` or `_`",
    |it| is_token(it, 32)
);
token!(
    /// A matter (事项) that people apply for.
    MatterId,
    "a matter id, expected 1 to 64 ASCII letters, digits, `-` or `_`",
    |it| is_token(it, 64)
);
token!(
    /// A person of the hall, by work number (工号); never a name (design §3.10).
    UserId,
    "a work number, expected 1 to 32 ASCII letters, digits, `-` or `_`",
    |it| is_token(it, 32)
);
token!(
    /// Any other thing with a subject of its own: an issue, a submission, an inspection, a template.
    ObjectId,
    "an id, expected 1 to 64 ASCII letters, digits, `-` or `_`",
    |it| is_token(it, 64)
);
token!(
    /// A case number (办件编号): opaque, 1 to 64 visible characters, never parsed (provinces differ).
    CaseId,
    "a case number, expected 1 to 64 visible characters without spaces",
    |it| (1..=64).contains(&it.chars().count())
        && it.len() <= 256
        && it.chars().all(|c| !c.is_whitespace() && !c.is_control() && !is_invisible(c))
);

/// Characters of no width that come along when a number is pasted from a spreadsheet or a page (byte order
/// mark, zero-width space, marks of direction, soft hyphen): with them one case would have two names that
/// look alike.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The kind of set-up entry, the token after `setup` in its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetupTopic {
    /// The hall itself: names printed in the masthead.
    Hall,
    /// A counter.
    Window,
    /// A device.
    Terminal,
    /// A department with its names.
    Department,
    /// A matter.
    Matter,
    /// An inspection checklist.
    Checklist,
    /// A template of an issue.
    Template,
    /// The working calendar of one year.
    Calendar,
    /// A person with rights.
    User,
    /// Definitions of the printed figures.
    Figures,
    /// Severities and limits of the counting rules.
    Rules,
    /// Public keys of a device; the id is the terminal's.
    Key,
}

/// The kind of desk entry, the token after `desk` in its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeskTopic {
    /// News filed by a department.
    Submission,
    /// A round over the checklist.
    Inspection,
    /// Figures imported from the provincial platform.
    Statistics,
}

macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// The ASCII word of this variant on the wire and in rows.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The variant of a word, if it is one.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use words;

words!(SetupTopic {
    Hall => "hall", Window => "window", Terminal => "terminal", Department => "department",
    Matter => "matter", Checklist => "checklist", Template => "template", Calendar => "calendar",
    User => "user", Figures => "figures", Rules => "rules", Key => "key",
});
words!(DeskTopic { Submission => "submission", Inspection => "inspection", Statistics => "statistics" });

/// One writer's or aggregate's line of events in the hall's journal (design §4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// `terminal.<terminal>`
    Terminal(TerminalId),
    /// `authorization.<department>`
    Authorization(DepartmentId),
    /// `desk.<topic>.<id>`
    Desk(DeskTopic, ObjectId),
    /// `issues`: all life cycles of a hall's issues, so that one append decides.
    Issues,
    /// `setup.<topic>.<id>`
    Setup(SetupTopic, ObjectId),
    /// `quarantine`: releases and rejections by a person.
    Quarantine,
    /// `audit`
    Audit,
}

/// The exact subject of a stream: `hall.<code>.<stream>`; it is also the `ce-source` of its events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The hall whose journal this is.
    pub hall: HallCode,
    /// The line of events within it.
    pub stream: Stream,
}

impl Subject {
    /// The subject of one stream of a hall.
    #[must_use]
    pub fn new(hall: HallCode, stream: Stream) -> Self {
        Self { hall, stream }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal(id) => write!(f, "terminal.{id}"),
            Self::Authorization(id) => write!(f, "authorization.{id}"),
            Self::Desk(topic, id) => write!(f, "desk.{}.{id}", topic.word()),
            Self::Issues => f.write_str("issues"),
            Self::Setup(topic, id) => write!(f, "setup.{}.{id}", topic.word()),
            Self::Quarantine => f.write_str("quarantine"),
            Self::Audit => f.write_str("audit"),
        }
    }
}

impl FromStr for Stream {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseIdError { text: text.to_owned(), expected: "a stream of a hall" };
        let mut tokens = text.split('.');
        let (first, second, third) = (tokens.next(), tokens.next(), tokens.next());
        if tokens.next().is_some() {
            return Err(wrong());
        }
        Ok(match (first, second, third) {
            (Some("terminal"), Some(id), None) => Self::Terminal(id.parse()?),
            (Some("authorization"), Some(id), None) => Self::Authorization(id.parse()?),
            (Some("desk"), Some(topic), Some(id)) => {
                Self::Desk(DeskTopic::from_word(topic).ok_or_else(wrong)?, id.parse()?)
            }
            (Some("setup"), Some(topic), Some(id)) => {
                Self::Setup(SetupTopic::from_word(topic).ok_or_else(wrong)?, id.parse()?)
            }
            (Some("issues"), None, None) => Self::Issues,
            (Some("quarantine"), None, None) => Self::Quarantine,
            (Some("audit"), None, None) => Self::Audit,
            _ => return Err(wrong()),
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hall.{}.{}", self.hall, self.stream)
    }
}

impl FromStr for Subject {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseIdError {
            text: text.to_owned(),
            expected: "a subject, expected the form hall.510000.terminal.w01",
        };
        let rest = text.strip_prefix("hall.").ok_or_else(wrong)?;
        let (hall, stream) = rest.split_once('.').ok_or_else(wrong)?;
        Ok(Self { hall: hall.parse()?, stream: stream.parse()? })
    }
}

/// The identity of an event: the stream and the number in it. There is no second id (design §3.3).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventRef {
    /// The writer's line.
    pub stream: Stream,
    /// 1, 2, 3, … without a gap.
    pub number: u64,
}

impl EventRef {
    /// Appends what [`fmt::Display`] shows, in a fraction of its time: a projector does this several times per event.
    pub fn write(&self, text: &mut String) {
        match &self.stream {
            Stream::Terminal(terminal) => {
                text.push_str("terminal.");
                text.push_str(terminal.as_str());
            }
            stream => text.push_str(&stream.to_string()),
        }
        text.push('#');
        text.push_str(itoa::Buffer::new().format(self.number));
    }
}

impl fmt::Display for EventRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.stream, self.number)
    }
}

impl FromStr for EventRef {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseIdError {
            text: text.to_owned(),
            expected: "an event, expected the form terminal.w01#17",
        };
        let (stream, number) = text.split_once('#').ok_or_else(wrong)?;
        // `u64::from_str` alone would also accept `+17` and `017`, second spellings of one identity.
        let plain = number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
        let number = plain.then(|| number.parse().ok()).flatten().ok_or_else(wrong)?;
        Ok(Self { stream: stream.parse()?, number })
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Bytes in lower-case hexadecimal.
fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? * 16 + digit(pair[1])?;
    }
    Some(bytes)
}

/// The public half of an Ed25519 key (RFC 8032), 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// An Ed25519 signature (RFC 8032), 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

macro_rules! hex_bytes {
    ($name:ident, $bytes:literal, $expected:literal) => {
        impl $name {
            /// The value with these bytes.
            #[must_use]
            pub const fn new(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let wrong = || ParseIdError { text: text.to_owned(), expected: $expected };
                Ok(Self(from_hex(text).ok_or_else(wrong)?))
            }
        }
    };
}

hex_bytes!(Digest, 32, "a SHA-256 digest, expected 64 lower-case hexadecimal digits");
hex_bytes!(PublicKey, 32, "a public key, expected 64 lower-case hexadecimal digits");
hex_bytes!(Signature, 64, "a signature, expected 128 lower-case hexadecimal digits");
