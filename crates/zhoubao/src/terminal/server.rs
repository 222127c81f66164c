//! The local port of a device: from whom requests are taken.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use zhoubao_domain::code::Code;
use zhoubao_gateway::server::from_here;

use super::http::Refused;
use crate::failure::Failure;

/// Connections at a time: a browser opens six, and a few programs of the device may want some, too.
pub const CONNECTIONS_MAX: usize = 64;

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

/// Lets only those requests in that come from this device's own pages and programs.
pub(super) async fn guard(State(port): State<u16>, request: Request, next: Next) -> Response {
    let mut response = match from_here(request.headers(), port, &[]) {
        Ok(()) => next.run(request).await,
        Err((what, value)) => {
            let message = format!("拒绝 `{value}` refused: the {what} is not this device's port");
            Refused::from(Failure::coded(Code::ForeignPage, message)).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
