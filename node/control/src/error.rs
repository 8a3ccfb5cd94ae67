//! What can go wrong with a request to control, and what to believe then.

use std::time::Duration;

use via_catalog::{ClusterId, Refusal};
use via_types::{Fate, NodeId, Revision};

/// A request that control did not serve, or a start that it refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalog refused the change.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The tenant has no stream of that name.
    #[error("there is no stream named {name:?}")]
    NoStream {
        /// The name, as asked for.
        name: String,
    },
    /// The configuration has no exact JSON form.
    #[error("the configuration cannot be kept: {why}")]
    Config {
        /// What does not survive being written and read.
        why: String,
    },
    /// The meta group did not take the change, or did not say so.
    #[error("the meta group did not answer")]
    Group(#[from] via_consensus::Error),
    /// The meta group answered with something else than was asked for.
    #[error("the change was committed but its outcome is not known")]
    Outcome,
    /// The data directory belongs to another node.
    #[error(
        "this data directory belongs to node {found}, but the configuration says {asked}; correct the node id, or give {asked} a data directory of its own"
    )]
    OtherNode {
        /// Whose it is.
        found: NodeId,
        /// Who was started on it.
        asked: NodeId,
    },
    /// The data directory belongs to another cluster.
    #[error("this data directory belongs to cluster {found}, but the configuration says {asked}")]
    OtherCluster {
        /// Whose it is.
        found: ClusterId,
        /// What was asked for.
        asked: ClusterId,
    },
    /// The cluster has another number of shards, which never changes.
    #[error(
        "the cluster was formed with {found} shards, but the configuration says {asked}; set it to {found}: the number is fixed for the life of a cluster"
    )]
    OtherShards {
        /// How many it has.
        found: u16,
        /// How many were asked for.
        asked: u16,
    },
    /// The cluster did not get ready in time.
    #[error("the cluster is not there after {}s: {why}", waited.as_secs())]
    NotThere {
        /// How long was waited.
        waited: Duration,
        /// What was missing last.
        why: String,
    },
    /// Whoever leads the meta group could not be asked.
    #[error("nobody who leads the meta group can be reached")]
    NoLeader,
    /// The node that leads could not do it.
    #[error("{words}")]
    Elsewhere {
        /// What it said.
        words: String,
        /// What became of the request there.
        fate: Fate,
    },
    /// A peer could not be asked, or papers could not be read or written.
    #[error("a peer or this node's papers")]
    Peer(#[from] via_transport::Error),
    /// A peer says what this version cannot read.
    #[error("unreadable message of another node")]
    Garbled(#[source] via_codec::Error),
    /// The cluster is not in the state for it.
    #[error("{0}")]
    Unfit(String),
    /// No node is known by that name.
    #[error("there is no node {0:?}")]
    UnknownNode(String),
    /// This node is a cluster of its own.
    #[error("this node has no peers: make it the first of a cluster with `via-node cluster init`")]
    Alone,
    /// This node cannot certify others.
    #[error("this node does not have the cluster's authority")]
    NotEntrusted,
    /// The text given is not a join token.
    #[error("that is not a join token, or it was mistyped")]
    NoToken,
    /// This node was removed from its cluster.
    #[error("node {0} was removed from the cluster; a new node joins with an empty data directory")]
    Removed(NodeId),
    /// What is kept of the catalog could not be read or written.
    #[error("the kept catalog could not be read or written")]
    Kept(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The state store knows of a cluster, but nothing of its log is left: what was
/// acknowledged since the last commit point is gone.
#[derive(Debug, thiserror::Error)]
#[error(
    "this data directory belongs to node {node} of cluster {cluster}, but its log is gone: restore the whole data directory from a backup, or move it away to begin anew"
)]
pub(crate) struct LogGone {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterId,
}

impl From<LogGone> for Error {
    fn from(gone: LogGone) -> Self {
        Self::Group(via_consensus::Error::Unreadable { what: "log", source: gone.into() })
    }
}

impl Error {
    pub(crate) fn kept(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Kept(Box::new(cause))
    }

    /// Returns it and all its causes in one line.
    pub(crate) fn words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words.push_str(": ");
            words.push_str(&error.to_string());
            cause = error.source();
        }
        words
    }

    /// Says what became of the request (invariant D-5).
    pub fn fate(&self) -> Fate {
        match self {
            Self::Refused(_) | Self::NoStream { .. } | Self::Config { .. } => Fate::Rejected,
            Self::OtherNode { .. } | Self::OtherCluster { .. } | Self::OtherShards { .. } => {
                Fate::Rejected
            }
            Self::UnknownNode(_) | Self::Alone | Self::NoToken | Self::Removed(_) => Fate::Rejected,
            Self::Unfit(_) | Self::Garbled(_) => Fate::Rejected,
            Self::NoLeader | Self::NotEntrusted => Fate::Retry(Duration::from_millis(500)),
            Self::Elsewhere { fate, .. } => *fate,
            Self::Peer(error) => error.fate(),
            Self::Group(error) => error.fate(),
            Self::NotThere { .. } => Fate::Retry(Duration::from_secs(1)),
            Self::Outcome | Self::Kept(_) => Fate::Unknown,
        }
    }

    /// Returns the current revision when the change was refused as stale (C-1).
    pub fn current_revision(&self) -> Option<Revision> {
        if let Self::Refused(Refusal::Stale { current, .. }) = self { Some(*current) } else { None }
    }
}
