//! What can go wrong between two nodes.

use via_types::{Fate, NodeId};

use crate::Service;

/// A call or a stream that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No address is known for the peer.
    #[error("no address is known for {0}")]
    UnknownPeer(NodeId),
    /// The peer cannot be reached now; nothing was sent.
    #[error("{peer} cannot be reached: {reason}")]
    Unreachable {
        /// Which peer.
        peer: NodeId,
        /// What the network said.
        reason: String,
    },
    /// The link broke after something may have been sent.
    #[error("the link to {peer} broke: {reason}")]
    Broken {
        /// Which peer.
        peer: NodeId,
        /// What the network said.
        reason: String,
    },
    /// No answer came in time; the request may have been handled.
    #[error("{0} did not answer in time")]
    Deadline(NodeId),
    /// A frame is longer than the limit; it was not sent, or its stream was closed.
    #[error("a frame of {bytes} bytes is over the limit of {limit}")]
    TooLong {
        /// Its length.
        bytes: u64,
        /// The most there may be.
        limit: u64,
    },
    /// The peer serves nothing under this service.
    #[error("{peer} does not serve {service:?}")]
    NotServed {
        /// Which peer.
        peer: NodeId,
        /// What was asked for.
        service: Service,
    },
    /// The peer's handler refused or failed.
    #[error("{peer} failed: {reason}")]
    Remote {
        /// Which peer.
        peer: NodeId,
        /// Its words.
        reason: String,
    },
    /// The peer is not who it should be, or does not speak this protocol.
    #[error("peer refused: {0}")]
    Refused(String),
    /// A cluster's door could not be reached, or did not open.
    #[error("{address} lets nobody in: {reason}")]
    NoEntry {
        /// Where it was asked.
        address: String,
        /// What was said.
        reason: String,
    },
    /// Certificates or keys could not be made or read.
    #[error("identity: {0}")]
    Identity(String),
    /// The local endpoint could not be opened.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// These links are closed.
    #[error("the links are closed")]
    Closed,
}

impl Error {
    /// Says what became of the request (invariant D-5).
    pub fn fate(&self) -> Fate {
        const SOON: Fate = Fate::Retry(std::time::Duration::from_millis(100));
        match self {
            Self::UnknownPeer(_) | Self::Unreachable { .. } | Self::NotServed { .. } => SOON,
            Self::Closed | Self::Listen { .. } => SOON,
            Self::TooLong { .. } | Self::Refused(_) | Self::Identity(_) => Fate::Rejected,
            Self::Broken { .. } | Self::Deadline(_) | Self::Remote { .. } => Fate::Unknown,
            Self::NoEntry { .. } => Fate::Unknown,
        }
    }
}
