//! TLS 1.3 on both sides, AES-128-GCM first (a third faster than ChaCha on
//! machines that have AES), trust in the cluster's authority alone.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;

use crate::{Error, Identity};

/// What both sides must speak.
const PROTOCOL: &[u8] = b"via-peer/1";
/// Bytes in flight on one stream: a round trip of a millisecond at full speed.
const STREAM_WINDOW: u32 = 8 << 20;
/// Bytes in flight on one connection.
const WINDOW: u32 = 32 << 20;
/// Streams a peer may have open at a time: a call is one for its duration.
const STREAMS: u32 = 4096;

fn identity(error: impl std::fmt::Display) -> Error {
    Error::Identity(error.to_string())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..default_provider()
    })
}

fn roots(identity_of: &Identity) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(identity_of.authority_der()?).map_err(identity)?;
    Ok(roots)
}

fn transport(idle: Duration) -> Result<Arc<TransportConfig>, Error> {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::try_from(idle).map_err(identity)?))
        .keep_alive_interval(Some(idle / 3))
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW))
        .datagram_receive_buffer_size(None)
        .enable_segmentation_offload(true);
    Ok(Arc::new(transport))
}

/// Returns the answering side: only who has a certificate of the cluster's
/// authority gets through the handshake.
pub(super) fn server(node: &Identity, idle: Duration) -> Result<ServerConfig, Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(node)?.into(), provider())
        .build()
        .map_err(identity)?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(identity)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![node.certificate_der()?], node.key_der()?)
        .map_err(identity)?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    let crypto = QuicServerConfig::try_from(tls).map_err(identity)?;
    let mut server = ServerConfig::with_crypto(Arc::new(crypto));
    server.transport_config(transport(idle)?);
    Ok(server)
}

/// Returns the asking side: the peer must have the name that was dialled.
pub(super) fn client(node: &Identity, idle: Duration) -> Result<ClientConfig, Error> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(identity)?
        .with_root_certificates(roots(node)?)
        .with_client_auth_cert(vec![node.certificate_der()?], node.key_der()?)
        .map_err(identity)?;
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    let crypto = QuicClientConfig::try_from(tls).map_err(identity)?;
    let mut client = ClientConfig::new(Arc::new(crypto));
    client.transport_config(transport(idle)?);
    Ok(client)
}
