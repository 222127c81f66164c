//! Asks a server of others over HTTP: the hall's identity provider.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::timeout;
use zhoubao_gateway::provider::Ask;

use crate::failure::{Failure, chain};

/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Most bytes of an answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Asks over TLS, trusting the certificates of a file or else those of the system; redirects are not followed.
///
/// # Errors
///
/// E.780 when there is no certificate to trust.
pub fn asker(authority: Option<&Path>) -> Result<Ask, Failure> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(path) => {
            let wrong = |it: &dyn std::fmt::Display| {
                Failure::configuration(format!("`oidc_ca`: `{}`: {it}", path.display()))
            };
            for it in CertificateDer::pem_file_iter(path).map_err(|it| wrong(&it))? {
                roots.add(it.map_err(|it| wrong(&it))?).map_err(|it| wrong(&it))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        let message = "没有可信的证书 no certificate to trust an identity provider by";
        return Err(Failure::configuration(message)
            .with_next("install the package `ca-certificates`, or name a file with `oidc_ca`"));
    }
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::configuration(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    Ok(Box::new(move |request: Request<String>| {
        let asked = client.request(request.map(|it| Full::from(Bytes::from(it))));
        Box::pin(async move {
            let answer = async {
                let answer = asked.await.map_err(|it| chain(&it))?;
                let (head, body) = answer.into_parts();
                let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
                let body = body.map_err(|it| it.to_string())?;
                Ok(Response::from_parts(head, body.to_bytes()))
            };
            let late = |_| Err(format!("no answer within {} s", ANSWER_MAX.as_secs()));
            timeout(ANSWER_MAX, answer).await.unwrap_or_else(late)
        })
    }))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A server that gives every request this answer, and its certificate as a file has it.
    async fn server(answer: String) -> (SocketAddr, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever does not trust it goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _read = stream.read(&mut [0; 4096]).await;
                let _written = stream.write_all(answer.as_bytes()).await;
                let _closed = stream.shutdown().await;
            }
        });
        (address, cert.pem())
    }

    async fn asked(answer: &str, own: bool) -> Result<Response<Bytes>, String> {
        let (address, certificate) = server(answer.to_owned()).await;
        let (_, other) = server(String::new()).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, if own { certificate } else { other }).unwrap();
        let ask = asker(Some(&file)).unwrap();
        let request = Request::get(format!("https://localhost:{}/", address.port()));
        ask(request.body(String::new()).unwrap()).await
    }

    #[tokio::test]
    async fn only_a_server_whose_certificate_is_trusted_is_heard() {
        let fine = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(asked(fine, true).await.unwrap().into_body(), "{}");
        let refused = asked(fine, false).await.unwrap_err();
        assert!(refused.contains("certificate"), "{refused}");
    }

    #[tokio::test]
    async fn an_answer_is_of_a_usual_size_and_of_this_server() {
        let length = ANSWER_BYTES_MAX + 1;
        let long =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "x".repeat(length));
        assert!(asked(&long, true).await.is_err());
        let elsewhere =
            "HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(asked(elsewhere, true).await.unwrap().status(), 302);
    }

    #[test]
    fn a_file_without_certificates_is_no_reason_to_trust_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        for content in
            ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
        {
            std::fs::write(&file, content).unwrap();
            let Err(failure) = asker(Some(&file)) else { panic!("{content}") };
            assert_eq!(failure.exit.number(), 78, "{failure}");
        }
        assert!(asker(Some(&folder.path().join("none.pem"))).is_err());
    }
}
