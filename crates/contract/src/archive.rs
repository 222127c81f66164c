//! A copy of a journal in files: lines of JSON, each chained to the line before it.
//!
//! ```text
//!  {"format":"zhoubao.archive.v1","hall":"510000","incarnation":"1f…","first":1,"previous":"000…","chain":"a1…"}
//!  {"position":1,"recorded_at":"2023-02-06T01:10:00.25Z","subject":"hall.510000.terminal.w01",
//!   "headers":"ce-specversion:1.0\nce-id:1\n…","body":"{\"people\":1}","chain":"b2…"}       (one line)
//! ```
//!
//! For a program in any language: `chain` is the last member of every line, and its value is
//!
//! ```text
//! SHA-256( chain of the line before, 64 hexadecimal digits   zeros before the first line of all
//!        ‖ the bytes of the line before `,"chain":"` )
//! ```
//!
//! A file begins with a line that says whose journal it is and which message follows; the chain goes on from file to
//! file. `body` holds the bytes of the body as text; where they are no UTF-8, `body_base64` stands in its place. A
//! [`Manifest`] beside the files, or as the first line of a file that is carried away, says how far they must go.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zhoubao_domain::id::{Digest, HallCode};

use crate::message::{Attributes, Message, Stored};

/// The form of these lines; another form gets another name.
const FORMAT: &str = "zhoubao.archive.v1";

/// Longest line, in bytes: a body of control characters alone takes six times its size.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of `,"chain":"…"}`.
const END_BYTES: usize = 76;

/// What the first line's chain begins with.
const NOTHING: Digest = Digest::new([0; 32]);

/// Why an archive is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("after message {after}: {detail}")]
pub struct Damage {
    /// The last message that is good, 0 for none.
    pub after: u64,
    /// What is wrong.
    pub detail: String,
}

/// Whose journal it is, how far its copy goes, and what the chain is there. Writes lines and checks them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The hall.
    pub hall: HallCode,
    /// The journal's incarnation.
    pub incarnation: String,
    /// Sequence of the last message, 0 before the first.
    pub position: u64,
    /// Chain of the last line.
    pub digest: Digest,
}

/// How far a copy must go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The chain after the last message.
    pub end: Chain,
    /// Bytes and SHA-256 of everything behind the manifest, where it stands in the same file.
    pub content: Option<(u64, Digest)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    format: String,
    hall: String,
    incarnation: String,
    first: u64,
    previous: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageLine {
    position: u64,
    recorded_at: String,
    subject: String,
    headers: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestLine {
    manifest: String,
    hall: String,
    incarnation: String,
    first: u64,
    last: u64,
    chain: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// The JSON of a line. Texts and numbers always have one.
fn json(line: &impl Serialize) -> String {
    serde_json::to_string(line).unwrap_or_default()
}

/// A message as one line of JSON, without chain and line end: what a leaf of the tree hashes ([`crate::merkle`]) and,
/// but for its last brace, what an archive chains.
#[must_use]
pub fn leaf_line(stored: &Stored) -> String {
    let Message { subject, attributes, body } = &stored.message;
    let text = std::str::from_utf8(body).ok();
    json(&MessageLine {
        position: stored.position,
        recorded_at: stored.recorded_at.to_string(),
        subject: subject.clone(),
        headers: attributes.to_block(),
        body: text.map(ToOwned::to_owned),
        body_base64: text.is_none().then(|| BASE64.encode(body)),
    })
}

/// Reads [`leaf_line`] back; one spelling only.
#[must_use]
pub fn read_leaf_line(line: &[u8]) -> Option<Stored> {
    let stored = serde_json::from_slice::<MessageLine>(line).ok()?.stored()?;
    (leaf_line(&stored).as_bytes() == line).then_some(stored)
}

impl Chain {
    /// Before the first line of a journal's copy.
    #[must_use]
    pub fn start(hall: HallCode, incarnation: String) -> Self {
        Self { hall, incarnation, position: 0, digest: NOTHING }
    }

    /// The first line of a file, with its line end.
    #[must_use]
    pub fn head_line(&mut self) -> String {
        let head = HeadLine {
            format: FORMAT.to_owned(),
            hall: self.hall.to_string(),
            incarnation: self.incarnation.clone(),
            first: self.position + 1,
            previous: self.digest.to_string(),
        };
        self.seal(json(&head))
    }

    /// The line of the next message, with its line end.
    #[must_use]
    pub fn message_line(&mut self, stored: &Stored) -> String {
        self.position = stored.position;
        self.seal(leaf_line(stored))
    }

    fn seal(&mut self, mut line: String) -> String {
        line.pop();
        self.digest = next(&self.digest, line.as_bytes());
        line.push_str(&end(&self.digest));
        line.push('\n');
        line
    }

    /// Checks the next line, without its line end; the first line of a file holds no message.
    ///
    /// # Errors
    ///
    /// [`Damage`] for whatever is not exactly the line that comes here. The chain then stays where it was.
    pub fn read(&mut self, line: &[u8]) -> Result<Option<Stored>, Damage> {
        let damage = |detail: &str| Damage { after: self.position, detail: detail.to_owned() };
        let (text, tail) = line
            .len()
            .checked_sub(END_BYTES)
            .and_then(|it| line.split_at_checked(it))
            .ok_or_else(|| damage("a line is cut short"))?;
        let digest = next(&self.digest, text);
        if tail != end(&digest).as_bytes() {
            return Err(damage("a line was altered, or does not follow the line before it"));
        }
        let mut whole = text.to_owned();
        whole.push(b'}');
        let position = self.position + 1;
        let stored = if text.starts_with(b"{\"format\":") {
            let head: HeadLine = serde_json::from_slice(&whole)
                .map_err(|error| damage(&format!("the first line of a file: {error}")))?;
            if head.format != FORMAT {
                return Err(damage(&format!("the form `{}` is not known", head.format)));
            }
            let is_next = head.hall == self.hall.as_str()
                && head.incarnation == self.incarnation
                && head.first == position
                && head.previous == self.digest.to_string();
            if !is_next {
                return Err(damage("a file of another archive, or another place of this one"));
            }
            None
        } else {
            if self.digest == NOTHING {
                return Err(damage("the file does not say whose it is"));
            }
            let line: MessageLine = serde_json::from_slice(&whole)
                .map_err(|error| damage(&format!("the line of a message: {error}")))?;
            if line.position != position {
                return Err(damage(&format!("message {} comes next", line.position)));
            }
            Some(line.stored().ok_or_else(|| damage("a message that cannot be read"))?)
        };
        if stored.is_some() {
            self.position = position;
        }
        self.digest = digest;
        Ok(stored)
    }
}

impl MessageLine {
    fn stored(self) -> Option<Stored> {
        let body = match (self.body, self.body_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => BASE64.decode(text).ok()?,
            _ => return None,
        };
        Some(Stored {
            position: self.position,
            recorded_at: self.recorded_at.parse::<Timestamp>().ok()?,
            message: Message {
                subject: self.subject,
                attributes: Attributes::read_block(&self.headers),
                body,
            },
        })
    }
}

impl Manifest {
    /// The manifest as a line, with its line end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let Chain { hall, incarnation, position, digest } = &self.end;
        let mut line = json(&ManifestLine {
            manifest: FORMAT.to_owned(),
            hall: hall.to_string(),
            incarnation: incarnation.clone(),
            first: 1,
            last: *position,
            chain: digest.to_string(),
            bytes: self.content.map(|(bytes, _)| bytes),
            sha256: self.content.map(|(_, digest)| digest.to_string()),
        });
        line.push('\n');
        line
    }

    /// Reads [`Manifest::to_line`] back; one spelling only.
    ///
    /// # Errors
    ///
    /// [`Damage`] for any other text.
    pub fn parse(line: &[u8]) -> Result<Self, Damage> {
        let damage = |detail: String| Damage { after: 0, detail };
        let it: ManifestLine = serde_json::from_slice(line)
            .map_err(|error| damage(format!("the manifest cannot be read: {error}")))?;
        let altered = || damage("the manifest was altered, or is of another version".to_owned());
        let digest = |text: &str| text.parse::<Digest>().map_err(|_| altered());
        let content = match (it.bytes, it.sha256) {
            (Some(bytes), Some(sha256)) => Some((bytes, digest(&sha256)?)),
            (None, None) => None,
            _ => return Err(altered()),
        };
        let end = Chain {
            hall: it.hall.parse().map_err(|_| altered())?,
            incarnation: it.incarnation,
            position: it.last,
            digest: digest(&it.chain)?,
        };
        let manifest = Self { end, content };
        if manifest.to_line().as_bytes() == line { Ok(manifest) } else { Err(altered()) }
    }
}

fn next(previous: &Digest, text: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(previous.to_string());
    hasher.update(text);
    Digest::new(hasher.finalize().into())
}

fn end(digest: &Digest) -> String {
    format!(",\"chain\":\"{digest}\"}}")
}
