//! Who a node is to its peers: certificates of one cluster's own authority.
//! The name in a certificate carries node and cluster, so that a node of
//! another cluster, or another node of this one, is refused. The authority
//! decides all that a certificate says but for the key.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use via_types::{NodeId, Timestamp};

use crate::{Error, secret};

/// Longest cluster id: it is one label of a DNS name.
const CLUSTER_BYTES: usize = 63;
/// A public key: a point of P-256, uncompressed.
const KEY_BYTES: usize = 65;
/// How far clocks of two nodes may differ.
const CLOCK_SKEW: Duration = Duration::from_secs(3_600);

fn identity(error: impl std::fmt::Display) -> Error {
    Error::Identity(error.to_string())
}

/// Returns the name that `node`'s certificate carries. A name must not end in a
/// label of digits only, which a cluster's id may be.
pub(crate) fn node_name(node: NodeId, cluster: &str) -> String {
    format!("{node}.{cluster}.via")
}

/// While a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when on.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

impl Validity {
    /// As long as certificates can be.
    pub const ALWAYS: Self =
        Self { from: Timestamp::from_nanos(0), until: Timestamp::from_nanos(i64::MAX) };

    /// Returns `span` from now on, and a little before: clocks differ.
    pub fn of(now: Timestamp, span: Duration) -> Self {
        Self { from: now.saturating_sub(CLOCK_SKEW), until: now.saturating_add(span) }
    }

    fn set(self, params: &mut CertificateParams) {
        let date = |at: Timestamp| {
            let nanos = u64::try_from(at.as_nanos()).unwrap_or(0);
            // Whole seconds: a certificate has no finer ones.
            date_time_ymd(1970, 1, 1) + Duration::from_secs(nanos / 1_000_000_000)
        };
        params.not_before = date(self.from);
        params.not_after = date(self.until);
    }
}

/// A node's own key, with or without a certificate.
pub struct NodeKey(KeyPair);

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeKey")
    }
}

impl NodeKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn generate() -> Result<Self, Error> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self).map_err(identity)
    }

    /// Reads a key back from its PEM text.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        KeyPair::from_pem(text).map(Self).map_err(identity)
    }

    /// Returns the key itself, PEM: a secret.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// Returns what an authority certifies.
    pub fn public(&self) -> Vec<u8> {
        self.0.der_bytes().to_vec()
    }
}

/// A key that somebody else has.
struct Stranger<'a>(&'a [u8]);

impl PublicKeyData for Stranger<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A cluster's own certificate authority.
pub struct Authority {
    cluster: String,
    key: KeyPair,
    certificate: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.cluster)
    }
}

/// An authority as it rests and travels: a secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct AuthorityAtRest {
    cluster: String,
    certificate: String,
    key: String,
}

impl From<&Authority> for AuthorityAtRest {
    fn from(authority: &Authority) -> Self {
        let (cluster, certificate) = (authority.cluster.clone(), authority.certificate.clone());
        Self { cluster, certificate, key: authority.key_pem() }
    }
}

impl TryFrom<AuthorityAtRest> for Authority {
    type Error = Error;

    fn try_from(rest: AuthorityAtRest) -> Result<Self, Error> {
        Self::from_pem(&rest.cluster, &rest.certificate, &rest.key)
    }
}

/// What a node needs to prove who it is; PEM texts.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Which node.
    pub node: NodeId,
    /// Of which cluster.
    pub cluster: String,
    /// The authority's certificate.
    pub authority: String,
    /// The node's certificate.
    pub certificate: String,
    /// The node's private key.
    pub key: String,
    /// Until when the certificate is good.
    pub expires: Timestamp,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Identity({} of {})", self.node, self.cluster)
    }
}

fn authority_params(cluster: &str) -> Result<CertificateParams, Error> {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let fits = !cluster.is_empty() && cluster.len() <= CLUSTER_BYTES && cluster.chars().all(label);
    if !fits || cluster.starts_with('-') || cluster.ends_with('-') {
        return Err(identity(format!(
            "{cluster:?} is not a cluster id: lower-case letters, digits and inner hyphens, at most {CLUSTER_BYTES}"
        )));
    }
    let mut params = CertificateParams::new(Vec::new()).map_err(identity)?;
    params.distinguished_name.push(DnType::CommonName, format!("VIA cluster {cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

impl Authority {
    /// Makes a new authority for `cluster`, with a new key.
    ///
    /// # Errors
    /// [`Error::Identity`] when `cluster` does not fit a certificate.
    pub fn generate(cluster: &str) -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(identity)?;
        let certificate = authority_params(cluster)?.self_signed(&key).map_err(identity)?.pem();
        Ok(Self { cluster: cluster.to_owned(), key, certificate })
    }

    /// Reads an authority back from its PEM texts.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn from_pem(cluster: &str, certificate: &str, key: &str) -> Result<Self, Error> {
        authority_params(cluster)?;
        CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(identity)?;
        let key = KeyPair::from_pem(key).map_err(identity)?;
        Ok(Self { cluster: cluster.to_owned(), key, certificate: certificate.to_owned() })
    }

    /// Returns whose authority it is.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Returns its certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// Returns its private key, PEM: whoever has it can be any node.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Returns all of it in one piece, a secret, for another node that signs.
    pub fn export(&self) -> Vec<u8> {
        serde_json::to_vec(&AuthorityAtRest::from(self)).expect("texts are JSON")
    }

    /// Reads what another node exported.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn import(bytes: &[u8]) -> Result<Self, Error> {
        let rest: AuthorityAtRest = serde_json::from_slice(bytes).map_err(identity)?;
        rest.try_into()
    }

    /// Certifies that whoever holds the key of `public` is `node`.
    ///
    /// # Errors
    /// [`Error::Identity`] when `public` is no key of [`NodeKey::public`].
    pub fn certify(
        &self,
        node: NodeId,
        public: &[u8],
        validity: Validity,
    ) -> Result<String, Error> {
        if public.len() != KEY_BYTES || public[0] != 4 {
            return Err(identity(format!("{} bytes are no point of P-256", public.len())));
        }
        let issuer = Issuer::new(authority_params(&self.cluster)?, &self.key);
        let name = node_name(node, &self.cluster);
        let mut params = CertificateParams::new(vec![name.clone()]).map_err(identity)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        validity.set(&mut params);
        Ok(params.signed_by(&Stranger(public), &issuer).map_err(identity)?.pem())
    }

    /// Makes a key and certifies that whoever holds it is `node`.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn identify(&self, node: NodeId, validity: Validity) -> Result<Identity, Error> {
        let key = NodeKey::generate()?;
        let certificate = self.certify(node, &key.public(), validity)?;
        Ok(Identity {
            node,
            cluster: self.cluster.clone(),
            authority: self.certificate.clone(),
            certificate,
            key: key.pem(),
            expires: validity.until,
        })
    }

    /// Makes an identity that never expires.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn issue(&self, node: NodeId) -> Result<Identity, Error> {
        self.identify(node, Validity::ALWAYS)
    }

    /// Returns what its certificate hashes to: by that a newcomer knows the
    /// cluster it was invited to.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn digest(&self) -> Result<[u8; 32], Error> {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        Ok(secret::digest(&der.map_err(identity)?))
    }
}

impl Identity {
    /// Returns what the authority's certificate hashes to.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn authority_digest(&self) -> Result<[u8; 32], Error> {
        Ok(secret::digest(&self.authority_der()?))
    }

    pub(crate) fn authority_der(&self) -> Result<CertificateDer<'static>, Error> {
        CertificateDer::from_pem_slice(self.authority.as_bytes()).map_err(identity)
    }

    pub(crate) fn certificate_der(&self) -> Result<CertificateDer<'static>, Error> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).map_err(identity)
    }

    pub(crate) fn key_der(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(identity)
    }
}
