//! The papers of this node in use: its certificate and, on a node that votes,
//! the cluster's authority. What is changed here is on disk before it is used.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use via_transport::{Authority, Identity, NodeKey, QuicLinks, Safe, Validity};
use via_types::{NodeId, Timestamp};

use crate::Error;

/// A node's papers and the links that show them.
pub struct Papers {
    safe: Safe,
    links: Arc<QuicLinks>,
    identity: Mutex<Identity>,
    authority: Mutex<Option<Arc<Authority>>>,
}

impl std::fmt::Debug for Papers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Papers({:?})", self.identity.lock())
    }
}

impl Papers {
    /// Takes the papers of `safe`, which `links` show.
    ///
    /// # Errors
    /// [`Error::Peer`] when they cannot be read; [`Error::Alone`] when there are
    /// none.
    pub fn open(safe: Safe, links: Arc<QuicLinks>) -> Result<Self, Error> {
        let identity = safe.identity()?.ok_or(Error::Alone)?;
        let authority = safe.authority()?.map(Arc::new);
        let (identity, authority) = (Mutex::new(identity), Mutex::new(authority));
        Ok(Self { safe, links, identity, authority })
    }

    /// Returns who this node is, with a certificate that is good for some time:
    /// a node that can certify itself does so when its certificate is old.
    ///
    /// # Errors
    /// [`Error::Peer`] when the papers cannot be read or written.
    pub fn fresh(safe: &Safe, now: Timestamp, life: Duration) -> Result<Option<Identity>, Error> {
        let Some(identity) = safe.identity()? else { return Ok(None) };
        let Some(authority) = safe.authority()? else { return Ok(Some(identity)) };
        if !is_old(&identity, now, life) {
            return Ok(Some(identity));
        }
        let identity = authority.identify(identity.node, Validity::of(now, life))?;
        safe.put_identity(&identity)?;
        Ok(Some(identity))
    }

    /// Returns where papers are kept.
    pub(crate) fn safe(&self) -> &Safe {
        &self.safe
    }

    /// Returns the links that show the papers.
    pub(crate) fn links(&self) -> &Arc<QuicLinks> {
        &self.links
    }

    /// Returns where this node listens for peers.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.links.local_address().ok()
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    pub(crate) fn authority(&self) -> Option<Arc<Authority>> {
        self.authority.lock().clone()
    }

    /// Keeps the cluster's authority.
    pub(crate) fn entrust(&self, bytes: &[u8]) -> Result<(), Error> {
        let authority = Authority::import(bytes)?;
        if authority.digest()? != self.identity().authority_digest()? {
            return Err(Error::Unfit("that is another cluster's authority".to_owned()));
        }
        self.safe.put_authority(&authority)?;
        *self.authority.lock() = Some(Arc::new(authority));
        tracing::info!("this node keeps the cluster's authority from now on");
        Ok(())
    }

    /// Forgets the authority: this node does not vote any more.
    pub(crate) fn distrust(&self) -> Result<(), Error> {
        if self.authority.lock().take().is_some() {
            self.safe.forget_authority()?;
            tracing::info!("this node does not vote any more, and forgot the cluster's authority");
        }
        Ok(())
    }

    /// Certifies that whoever holds the key of `public` is `node`.
    pub(crate) fn certify(
        &self,
        node: NodeId,
        public: &[u8],
        validity: Validity,
    ) -> Result<String, Error> {
        Ok(self.authority().ok_or(Error::NotEntrusted)?.certify(node, public, validity)?)
    }

    /// Says whether it is time for a new certificate.
    pub(crate) fn are_old(&self, now: Timestamp, life: Duration) -> bool {
        is_old(&self.identity.lock(), now, life)
    }

    /// Shows this certificate for `key` from now on.
    pub(crate) fn renew(
        &self,
        key: &NodeKey,
        certificate: String,
        expires: Timestamp,
    ) -> Result<(), Error> {
        let identity = Identity { certificate, key: key.pem(), expires, ..self.identity() };
        self.safe.put_identity(&identity)?;
        self.links.renew(&identity)?;
        *self.identity.lock() = identity;
        tracing::info!("this node has a new certificate");
        Ok(())
    }
}

/// Says whether less than a third of its life is left.
fn is_old(identity: &Identity, now: Timestamp, life: Duration) -> bool {
    identity.expires <= now.saturating_add(life / 3)
}
