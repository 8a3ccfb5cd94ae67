//! Whom the client trusts over TLS: the authority it was told of, and nobody else.

use std::net::TcpListener;
use std::time::Duration;

use axum::{Router, routing::get};
use tokio::runtime::Runtime;
use tonic::service::Routes;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use via_client::Settings;
use via_client::blocking::Client;

/// Serves one route over TLS; returns its address and its certificate.
fn serve(runtime: &Runtime) -> anyhow::Result<(String, String)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let identity = Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem());
    let stats = Router::new().route("/api/v1/stats", get(|| async { r#"{"events":7}"# }));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    listener.set_nonblocking(true)?;
    let tls = ServerTlsConfig::new().identity(identity);
    let server = Server::builder().tls_config(tls)?;
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let sockets = tonic::transport::server::TcpIncoming::from(listener);
        let mut server = server.accept_http1(true);
        server.add_routes(Routes::from(stats)).serve_with_incoming(sockets).await?;
        anyhow::Ok(())
    });
    Ok((format!("https://localhost:{port}"), made.cert.pem()))
}

#[test]
fn a_node_is_believed_only_by_the_authority_that_was_named() {
    let runtime = Runtime::new().unwrap();
    let (url, pem) = serve(&runtime).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let settings =
        Settings { producer: None, timeout: Duration::from_secs(5), ..Settings::for_node(&url) };
    let trusting = Settings { ca_file: Some(ca_file), ..settings.clone() };
    assert_eq!(Client::with(trusting).unwrap().stats().unwrap()["events"], 7);
    let suspicious = Settings { timeout: Duration::from_millis(300), ..settings };
    let error = Client::with(suspicious).unwrap().stats().unwrap_err();
    // Whether the time ends before or after the handshake is the machine's affair.
    assert_eq!(error.code(), "no_answer");
}
