//! As much of the NATS protocol as these tests speak.

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::LIMIT;

/// Inbox of every request.
const INBOX: &str = "_INBOX.test.1";

/// A connection with one subscription, to its inbox.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects with the name and password in `url`.
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("nats://").context("no NATS address")?;
        let (user, address) = rest.split_once('@').context("no user")?;
        let (user, password) = user.split_once(':').context("no password")?;
        let mut client = Self { stream: BufReader::new(TcpStream::connect(address).await?) };
        let greeting = client.line().await?;
        assert!(greeting.starts_with("INFO "), "{greeting}");
        let connect = format!(
            r#"CONNECT {{"verbose":false,"pedantic":false,"user":"{user}","pass":"{password}"}}"#
        );
        client.send(&format!("{connect}\r\nSUB {INBOX} 1\r\nPING\r\n")).await?;
        match client.line().await?.as_str() {
            "PONG" => Ok(client),
            refused => bail!("{refused}"),
        }
    }

    /// Publishes and gives the body of the first answer.
    pub(crate) async fn request(&mut self, subject: &str, body: &str) -> anyhow::Result<String> {
        self.send(&format!("PUB {subject} {INBOX} {}\r\n{body}\r\n", body.len())).await?;
        loop {
            let line = self.line().await?;
            if line == "PING" {
                self.send("PONG\r\n").await?;
            } else if let Some(message) = line.strip_prefix("MSG ") {
                let len = message.rsplit(' ').next().context("no length")?.parse()?;
                let mut body = vec![0; len];
                timeout(LIMIT, self.stream.read_exact(&mut body)).await??;
                self.line().await?;
                return Ok(String::from_utf8(body)?);
            } else {
                bail!("{line}");
            }
        }
    }

    async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.stream.get_mut().write_all(text.as_bytes()).await?)
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        timeout(LIMIT, self.stream.read_line(&mut line)).await?.map(drop)?;
        Ok(line.trim_end().to_owned())
    }
}
