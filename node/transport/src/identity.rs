//! Who a node is to its peers: certificates of one cluster's own authority.
//! The name in a certificate carries node and cluster, so that a node of
//! another cluster, or another node of this one, is refused.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use via_types::NodeId;

use crate::Error;

/// Longest cluster id: it is one label of a DNS name.
const CLUSTER_BYTES: usize = 63;

fn identity(error: impl std::fmt::Display) -> Error {
    Error::Identity(error.to_string())
}

/// Returns the name that `node`'s certificate carries.
pub(crate) fn node_name(node: NodeId, cluster: &str) -> String {
    format!("{node}.{cluster}")
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

/// What a node needs to prove who it is; PEM texts.
#[derive(Clone)]
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

    /// Returns its certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// Returns its private key, PEM: whoever has it can be any node.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Certifies that whoever holds the new key is `node`.
    ///
    /// # Errors
    /// [`Error::Identity`].
    pub fn issue(&self, node: NodeId) -> Result<Identity, Error> {
        let issuer = Issuer::new(authority_params(&self.cluster)?, &self.key);
        let name = node_name(node, &self.cluster);
        let mut params = CertificateParams::new(vec![name.clone()]).map_err(identity)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(identity)?;
        let certificate = params.signed_by(&key, &issuer).map_err(identity)?.pem();
        Ok(Identity {
            node,
            cluster: self.cluster.clone(),
            authority: self.certificate.clone(),
            certificate,
            key: key.serialize_pem(),
        })
    }
}

impl Identity {
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
