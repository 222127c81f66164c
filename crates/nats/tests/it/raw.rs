//! A client that sends what no library would, and hears every word of the server.
//!
//! The server takes what comes on one connection in order and answers on it in order: when it has answered a PING, it
//! has said of everything before whether it was permitted. So no test waits for silence.

use std::collections::VecDeque;

use anyhow::{Context as _, bail};
use nkeys::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for a word of the server, which is busy with others' appends.
const WORD_MAX: std::time::Duration = std::time::Duration::from_secs(20);

/// A message that was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) subject: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

enum Word {
    Pong,
    Refused(String),
    Message(Delivered),
}

/// One connection.
pub(crate) struct Raw {
    stream: BufReader<TcpStream>,
    delivered: VecDeque<Delivered>,
}

impl Raw {
    /// Connects with the seed of an nkey, or without any name; an error holds the server's words.
    pub(crate) async fn connect(port: u16, seed: Option<&str>) -> anyhow::Result<Self> {
        let stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        let mut raw = Self { stream, delivered: VecDeque::new() };
        let info = raw.line().await?;
        let info: Value = serde_json::from_str(info.strip_prefix("INFO ").context(info.clone())?)?;
        let mut connect = json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "protocol": 1, "lang": "raw", "version": "1", "name": "raw",
        });
        if let Some(seed) = seed {
            let key = KeyPair::from_seed(seed)?;
            let nonce = info["nonce"].as_str().context("no nonce")?;
            connect["nkey"] = json!(key.public_key());
            connect["sig"] = json!(base64url(&key.sign(nonce.as_bytes())?));
        }
        let refused = raw.say(format!("CONNECT {connect}\r\n").as_bytes()).await?;
        anyhow::ensure!(refused.is_empty(), "{refused:?}");
        Ok(raw)
    }

    /// Sends these bytes, and answers with what the server refused of them.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> anyhow::Result<Vec<String>> {
        // In one piece: no second one waits until the server has acknowledged the first.
        self.stream.write_all(&[bytes, b"PING\r\n"].concat()).await?;
        let mut refused = Vec::new();
        loop {
            // A server that closes the connection says why just before.
            match self.word().await.with_context(|| format!("{refused:?}"))? {
                Word::Pong => return Ok(refused),
                Word::Refused(text) => refused.push(text),
                Word::Message(message) => self.delivered.push_back(message),
            }
        }
    }

    /// Waits for the next message whose subject begins so.
    pub(crate) async fn delivered(&mut self, subject: &str) -> anyhow::Result<Delivered> {
        loop {
            if let Some(at) = self.delivered.iter().position(|it| it.subject.starts_with(subject)) {
                return self.delivered.remove(at).context("it was there");
            }
            match self.word().await? {
                Word::Pong => {}
                Word::Refused(text) => bail!("{text}"),
                Word::Message(message) => self.delivered.push_back(message),
            }
        }
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = timeout(WORD_MAX, self.stream.read_line(&mut line)).await??;
        anyhow::ensure!(read > 0, "the server has closed the connection");
        Ok(line.trim_end().to_owned())
    }

    async fn word(&mut self) -> anyhow::Result<Word> {
        loop {
            let line = self.line().await?;
            if line == "PING" {
                self.stream.write_all(b"PONG\r\n").await?;
            } else if line == "PONG" {
                return Ok(Word::Pong);
            } else if let Some(text) = line.strip_prefix("-ERR ") {
                return Ok(Word::Refused(text.trim_matches('\'').to_owned()));
            } else if let Some((kind, rest)) = line.split_once(' ')
                && matches!(kind, "MSG" | "HMSG")
            {
                let tokens: Vec<_> = rest.split(' ').collect();
                let size = |back: usize| -> anyhow::Result<usize> {
                    Ok(tokens[tokens.len().checked_sub(back).context("too short")?].parse()?)
                };
                let (total, head) = (size(1)?, if kind == "HMSG" { size(2)? } else { 0 });
                let mut bytes = vec![0; total + 2];
                timeout(WORD_MAX, self.stream.read_exact(&mut bytes)).await??;
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                return Ok(Word::Message(Delivered {
                    subject: tokens[0].to_owned(),
                    headers: text(&bytes[..head]),
                    body: text(&bytes[head..total]),
                }));
            }
        }
    }
}

/// The bytes that publish a message.
pub(crate) fn publish(subject: &str, reply: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut block = "NATS/1.0\r\n".to_owned();
    for (name, value) in headers {
        block.push_str(&format!("{name}: {value}\r\n"));
    }
    block.push_str("\r\n");
    let total = block.len() + body.len();
    format!("HPUB {subject} {reply} {} {total}\r\n{block}{body}\r\n", block.len()).into_bytes()
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, it| bits << 8 | u32::from(*it));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}
