//! A port: how many connections, how long they may rest, and from whose pages requests are taken.
//!
//! A browser may have any page open. Such a page cannot read an answer without our leave, which nobody gets (no CORS),
//! but it can send, and by a name that it lets point at this machine (DNS rebinding) it can read, too. So every request
//! must name this machine by address or by a name that was set, and if a browser says where it comes from, that must be
//! here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Longest wait for the head of a request, and longest rest of a connection between two.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// Pause after a connection could not be taken: there are too many open files, and it would go on at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Longest time that what was written waits for the reader.
const STALL_MAX: Duration = Duration::from_secs(15);

/// What a connection keeps of an answer that its reader does not take, in bytes.
const BUFFER_BYTES: usize = 16 * 1024;

/// How long an answer that lasts may go on after the end.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

/// The address at the other end of the connection on which a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Whose request it is: behind a proxy, which is there where names are set, what that says of it. The proxy writes
    /// the address that it saw behind all that the request claimed.
    #[must_use]
    pub fn address(self, headers: &HeaderMap, names: &[String]) -> IpAddr {
        let told = || {
            let line = headers.get_all("x-forwarded-for").iter().next_back()?;
            let last = line.to_str().ok()?.rsplit(',').next()?;
            last.trim().parse::<IpAddr>().ok()
        };
        let behind = if names.is_empty() { None } else { told() };
        behind.unwrap_or(self.0).to_canonical()
    }
}

/// Answers until `stop` says true, then finishes what has begun; at most `connections_max` at a time.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    connections_max: usize,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            // Nobody who could say so is left: that is the end, too.
            _ = stop.wait_for(|it| *it) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "a connection was not taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A reader that takes nothing is dropped by the system; nothing is kept for it without bound.
        let socket = SockRef::from(&stream);
        let prepared = socket
            .set_tcp_user_timeout(Some(STALL_MAX))
            .and_then(|()| socket.set_tcp_nodelay(true))
            .and_then(|()| socket.set_send_buffer_size(BUFFER_BYTES));
        if let Err(error) = prepared {
            tracing::debug!(error = %error, "a connection could not be prepared");
        }
        let (peer, app) = (Peer(peer.ip()), TowerToHyperService::new(app.clone()));
        let app = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            app.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), app);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection broke");
            }
            drop(place);
        });
    }
    drop(listener);
    let _late = tokio::time::timeout(GOODBYE_MAX, graceful.shutdown()).await;
}

/// Whether a request is for this machine, and comes from one of its own pages or from none.
///
/// `names` are those by which it is called beside its addresses; `ports` those in the address that people type.
///
/// # Errors
///
/// What is foreign about it.
pub fn from_here(
    headers: &HeaderMap,
    port: u16,
    names: &[String],
) -> Result<(), (&'static str, String)> {
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter().map(|it| it.to_str().unwrap_or_default());
        (values.next(), values.next())
    };
    let host = match one(HOST) {
        (Some(host), None) if is_here(host, port, names) => host,
        (host, _) => return Err(("host", host.unwrap_or_default().to_owned())),
    };
    match one(ORIGIN) {
        (None, _) => Ok(()),
        (Some(origin), None) if is_origin(origin, host, names) => Ok(()),
        (Some(origin), _) => Err(("origin", origin.to_owned())),
    }
}

fn is_origin(origin: &str, host: &str, names: &[String]) -> bool {
    // Behind a proxy that encrypts, the page's address is the one of the proxy.
    origin.strip_prefix("http://") == Some(host)
        || origin
            .strip_prefix("https://")
            .is_some_and(|it| it == host && names.iter().any(|name| name == it))
}

/// Whether a host is an address, which nobody can let point elsewhere, or a name of this machine.
fn is_here(host: &str, port: u16, names: &[String]) -> bool {
    if names.iter().any(|it| it.eq_ignore_ascii_case(host)) {
        return true;
    }
    let (name, given) = match host.rsplit_once(':') {
        // A colon of an address without a port.
        Some((_, rest)) if rest.ends_with(']') => (host, "80"),
        Some(parts) => parts,
        None => (host, "80"),
    };
    let name = name.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(name);
    given == port.to_string()
        && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lets_in(lines: &[(&'static str, &str)], names: &[String]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        from_here(&headers, 7800, names).is_ok()
    }

    #[test]
    fn only_this_machine_by_its_address_and_only_its_own_pages_are_let_in() {
        for host in ["127.0.0.1:7800", "localhost:7800", "[::1]:7800", "10.1.2.3:7800"] {
            assert!(lets_in(&[("host", host)], &[]), "{host}");
            let own = format!("http://{host}");
            assert!(lets_in(&[("host", host), ("origin", &own)], &[]), "{own}");
        }
        let names =
            ["evil.example:7800", "127.0.0.1.evil.example:7800", "127.0.0.1:80", "localhost"];
        for host in names.into_iter().chain(["", "[::1]", "127.0.0.1:+7800", ":7800"]) {
            assert!(!lets_in(&[("host", host)], &[]), "{host}");
        }
        assert!(!lets_in(&[], &[]));
        assert!(!lets_in(&[("host", "127.0.0.1:7800"), ("host", "127.0.0.1:7800")], &[]));
        let origins =
            ["http://evil.example", "null", "https://127.0.0.1:7800", "", "http://localhost:7800"];
        for origin in origins {
            assert!(!lets_in(&[("host", "127.0.0.1:7800"), ("origin", origin)], &[]), "{origin}");
        }
    }

    #[test]
    fn a_request_is_of_its_connection_or_of_whom_the_proxy_names() {
        let (proxy, person) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 7]));
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "10.9.9.9".parse().unwrap());
        headers.append("x-forwarded-for", "10.8.8.8, 10.0.0.7".parse().unwrap());
        let names = ["zhoubao.hall.example".to_owned()];
        assert_eq!(Peer(proxy).address(&headers, &[]), proxy, "anybody can write such a line");
        assert_eq!(Peer(proxy).address(&headers, &names), person);
        assert_eq!(Peer(proxy).address(&HeaderMap::new(), &names), proxy);
        let mapped = "::ffff:10.0.0.7".parse().unwrap();
        assert_eq!(Peer(mapped).address(&HeaderMap::new(), &[]), person);
    }

    #[test]
    fn a_name_that_was_set_is_this_machine_too() {
        let names = ["zhoubao.hall.example".to_owned()];
        let host = ("host", "zhoubao.hall.example");
        assert!(lets_in(&[host], &names));
        assert!(lets_in(&[host, ("origin", "https://zhoubao.hall.example")], &names));
        assert!(!lets_in(&[host, ("origin", "https://other.example")], &names));
        assert!(!lets_in(&[("host", "other.example")], &names));
    }
}
