//! A TCP proxy before the broker that cuts, delays and holds what passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// What happens to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Open,
    /// Connections are closed.
    Cut,
    /// Each piece comes so much later.
    Delay(Duration),
    /// Connections stay open and everything on them is lost; they are closed when this is over.
    HalfOpen,
}

/// A proxy, which ends with its value.
#[derive(Debug)]
pub(super) struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    open: Arc<AtomicUsize>,
}

impl Proxy {
    /// A proxy of the server on this port of the machine.
    pub(super) async fn of(server: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (mode, heard) = watch::channel(Mode::Open);
        let open = Arc::new(AtomicUsize::new(0));
        let counted = open.clone();
        tokio::spawn(async move {
            let mut ended = heard.clone();
            loop {
                let client = tokio::select! {
                    accepted = listener.accept() => accepted,
                    // The sender is gone with the proxy.
                    _ = ended.wait_for(|_| false) => return,
                };
                let Ok((client, _)) = client else { return };
                tokio::spawn(connection(client, server, heard.clone(), counted.clone()));
            }
        });
        Ok(Self { port, mode, open })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// From now on; answers with how many connections it strikes.
    pub(super) fn set(&self, mode: Mode) -> usize {
        self.mode.send_replace(mode);
        self.open.load(Ordering::Relaxed)
    }
}

async fn connection(
    client: TcpStream,
    server: u16,
    mode: watch::Receiver<Mode>,
    open: Arc<AtomicUsize>,
) {
    // Without a server the client finds its connection closed, as it would without the proxy.
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    open.fetch_add(1, Ordering::Relaxed);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, mode.clone()) => {}
        () = pump(from_server, to_client, mode) => {}
    }
    open.fetch_sub(1, Ordering::Relaxed);
}

/// Passes on what comes in one direction, until either side or the mode ends it.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let now = *mode.borrow_and_update();
        if now == Mode::Cut {
            return;
        }
        if now == Mode::HalfOpen {
            // Bytes were lost: a connection cannot go on behind them.
            let _ = mode.changed().await;
            return;
        }
        tokio::select! {
            changed = mode.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            read = from.read(&mut piece) => {
                let Ok(count @ 1..) = read else { return };
                if let Mode::Delay(late) = now {
                    sleep(late).await;
                }
                if to.write_all(&piece[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
