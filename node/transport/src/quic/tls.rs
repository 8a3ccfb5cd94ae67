//! TLS 1.3 on both sides, AES-128-GCM first (a third faster than ChaCha on
//! machines that have AES), trust in the cluster's authority alone. Sessions are
//! never resumed: each handshake looks at the certificates anew.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::{Error, Identity, secret};

/// What peers speak.
const PEERS: &[u8] = b"via-peer/1";
/// What is spoken with who has no certificate yet.
pub(super) const NEWCOMERS: &[u8] = b"via-join/1";
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

/// Returns the answering side. A certificate that is not of the cluster's
/// authority, or not good now, does not get through the handshake; who has none
/// does, and is let no further than the door for newcomers.
pub(super) fn server(node: &Identity, idle: Duration) -> Result<ServerConfig, Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(node)?.into(), provider())
        .allow_unauthenticated()
        .build()
        .map_err(identity)?;
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(identity)?
        .with_client_cert_verifier(verifier)
        // With the authority: a newcomer knows it by its digest only.
        .with_single_cert(vec![node.certificate_der()?, node.authority_der()?], node.key_der()?)
        .map_err(identity)?;
    tls.alpn_protocols = vec![PEERS.to_vec(), NEWCOMERS.to_vec()];
    tls.send_tls13_tickets = 0;
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
    tls.alpn_protocols = vec![PEERS.to_vec()];
    tls.resumption = Resumption::disabled();
    let crypto = QuicClientConfig::try_from(tls).map_err(identity)?;
    let mut client = ClientConfig::new(Arc::new(crypto));
    client.transport_config(transport(idle)?);
    Ok(client)
}

/// Returns the side of who has no certificate yet: the answerer must be of the
/// cluster whose authority has this digest.
pub(super) fn newcomer(authority: [u8; 32], idle: Duration) -> Result<ClientConfig, Error> {
    let pinned = Arc::new(Pinned { authority, provider: provider() });
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(identity)?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_no_client_auth();
    tls.alpn_protocols = vec![NEWCOMERS.to_vec()];
    tls.resumption = Resumption::disabled();
    let crypto = QuicClientConfig::try_from(tls).map_err(identity)?;
    let mut client = ClientConfig::new(Arc::new(crypto));
    client.transport_config(transport(idle)?);
    Ok(client)
}

/// Trusts one authority, known by its digest, and every node that it certified.
#[derive(Debug)]
struct Pinned {
    authority: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let other = || rustls::Error::General("it is of another cluster than the token".to_owned());
        let pinned = chain.iter().find(|link| secret::digest(link) == self.authority);
        let mut roots = RootCertStore::empty();
        roots.add(pinned.ok_or_else(other)?.clone().into_owned())?;
        let parsed = ParsedCertificate::try_from(certificate)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &parsed, &roots, chain, now, algorithms,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
