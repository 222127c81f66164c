//! A connection that breaks at the worst moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A proxy in front of a server.
pub(crate) struct Proxy {
    port: u16,
    armed: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let armed = Arc::new(AtomicBool::new(false));
        let arm = Arc::clone(&armed);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(forward(from_client, to_server, None));
                tokio::spawn(forward(from_server, to_client, Some(Arc::clone(&arm))));
            }
        });
        Ok(Self { port, armed })
    }

    /// Swallows the next acknowledgement and cuts the connection.
    pub(crate) fn swallow_acknowledgement(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Whether an acknowledgement was swallowed since.
    pub(crate) fn has_swallowed(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }

    /// The address `url` as seen through the proxy.
    pub(crate) fn url(&self, url: &str) -> String {
        let host = url.rsplit_once(':').map_or(url, |(host, _)| host);
        format!("{host}:{}", self.port)
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    armed: Option<Arc<AtomicBool>>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        let piece = &buffer[..count];
        let is_acknowledgement = piece.windows(12).any(|it| it == br#"{"stream":"H"#);
        let swallow = armed.as_ref().filter(|_| is_acknowledgement);
        if count == 0 || swallow.is_some_and(|it| it.swap(false, Ordering::SeqCst)) {
            return to.shutdown().await;
        }
        to.write_all(piece).await?;
    }
}
