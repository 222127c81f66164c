//! The local port: how many connections, how long, and from whom.
//!
//! A browser on the device may have any page open. Such a page cannot read an answer without our leave, which nobody
//! gets (no CORS), but it can send, and by a name that it lets point at this device (DNS rebinding) it can read, too.
//! So every request must name this device by address, and if a browser says where it comes from, that must be here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, HOST, HeaderMap, HeaderValue, ORIGIN, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use zhoubao_domain::code::Code;

use super::http::Refused;
use crate::failure::Failure;

/// Connections at a time: a browser opens six, and a few programs of the device may want some, too.
const CONNECTIONS_MAX: usize = 64;

/// Longest wait for the head of a request, and longest rest of a connection between two.
const HEAD_MAX: Duration = Duration::from_secs(30);

/// Pause after a connection could not be taken: there are too many open files, and it would go on at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Opens the port.
///
/// # Errors
///
/// E.780 for an address that other machines reach, unless `anywhere`; E.705 when the port is taken.
pub async fn listen(address: SocketAddr, anywhere: bool) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() && !anywhere {
        let message = format!("他机可访问该地址 other machines reach `{address}`");
        return Err(Failure::configuration(message).with_next(
            "listen on 127.0.0.1 or [::1]; or say --listen-anywhere, and protect the network yourself: nothing on the \
             port is encrypted",
        ));
    }
    TcpListener::bind(address).await.map_err(|error| {
        Failure::unavailable(format!("无法监听 cannot listen on {address}: {error}"))
            .with_next("is another agent running on this device? Name another port")
    })
}

/// Answers until `stop` says true, then finishes what has begun.
pub async fn serve(listener: TcpListener, app: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(error = %error, "a connection was not taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection broke");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Lets only those requests in that come from this device's own pages and programs.
pub(super) async fn guard(State(port): State<u16>, request: Request, next: Next) -> Response {
    let mut response = match from_here(request.headers(), port) {
        Ok(()) => next.run(request).await,
        Err(failure) => Refused::from(failure).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn from_here(headers: &HeaderMap, port: u16) -> Result<(), Failure> {
    let one = |name| {
        let mut values = headers.get_all(name).iter().map(|it| it.to_str().unwrap_or_default());
        (values.next(), values.next())
    };
    let foreign = |what: &str, value: &str| {
        let message = format!("拒绝 `{value}` refused: the {what} is not this device's port");
        Err(Failure::coded(Code::ForeignPage, message))
    };
    let host = match one(HOST) {
        (Some(host), None) if is_here(host, port) => host,
        (host, _) => return foreign("host", host.unwrap_or_default()),
    };
    match one(ORIGIN) {
        (None, _) => Ok(()),
        (Some(origin), None) if origin.strip_prefix("http://") == Some(host) => Ok(()),
        (Some(origin), _) => foreign("origin", origin),
    }
}

/// Whether a host is an address, which nobody can let point elsewhere, or this device's own name for itself.
fn is_here(host: &str, port: u16) -> bool {
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

    fn lets_in(lines: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        from_here(&headers, 7800).is_ok()
    }

    #[test]
    fn only_this_device_by_its_address_and_only_its_own_pages_are_let_in() {
        for host in ["127.0.0.1:7800", "localhost:7800", "[::1]:7800", "10.1.2.3:7800"] {
            assert!(lets_in(&[("host", host)]), "{host}");
            let own = format!("http://{host}");
            assert!(lets_in(&[("host", host), ("origin", &own)]), "{own}");
        }
        let names =
            ["evil.example:7800", "127.0.0.1.evil.example:7800", "127.0.0.1:80", "localhost"];
        for host in names.into_iter().chain(["", "[::1]", "127.0.0.1:+7800", ":7800"]) {
            assert!(!lets_in(&[("host", host)]), "{host}");
        }
        assert!(!lets_in(&[]));
        assert!(!lets_in(&[("host", "127.0.0.1:7800"), ("host", "127.0.0.1:7800")]));
        let origins =
            ["http://evil.example", "null", "https://127.0.0.1:7800", "", "http://localhost:7800"];
        for origin in origins {
            assert!(!lets_in(&[("host", "127.0.0.1:7800"), ("origin", origin)]), "{origin}");
        }
    }
}
