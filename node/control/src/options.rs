//! How control runs on a node.

use std::collections::BTreeSet;
use std::time::Duration;

use via_catalog::ClusterId;
use via_types::{NodeId, StreamConfig, limit};

/// The name of the tenant that every cluster has.
pub const DEFAULT_TENANT: &str = "default";

/// Settings of control on one node.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who this node is.
    pub node: NodeId,
    /// Fills bytes so that nobody can guess them, and says whether it could: the
    /// machine's own generator, but in a simulation.
    pub random: fn(&mut [u8]) -> bool,
    /// Its name, unique in the cluster; none keeps the one that it has.
    pub name: Option<String>,
    /// Where peers reach it; empty when it has no peers.
    pub addresses: Vec<String>,
    /// Its failure domain; none keeps the one that it has.
    pub zone: Option<String>,
    /// Shards of the default pool: a power of two. A cluster that exists with
    /// another number is refused.
    pub shards: u16,
    /// Takes a cluster that exists with whatever number of shards it has.
    pub adopts_shards: bool,
    /// How streams are judged in what they do not say themselves. The node that
    /// leads the meta group sets it when it starts.
    pub stream_defaults: StreamConfig,
    /// Streams beyond which this node asks for no more; the catalog itself
    /// takes [`limit::STREAMS`].
    pub streams: usize,
    /// Which cluster this must be. None takes the one that is there, or forms
    /// one with a new identity.
    pub cluster: Option<ClusterId>,
    /// Who votes in a meta group that does not exist yet; empty waits to be
    /// added to one that does.
    pub voters: BTreeSet<NodeId>,
    /// Who is asked while this node knows no catalog yet, besides those that its
    /// papers name.
    pub known: BTreeSet<NodeId>,
    /// Entries after which the catalog is made durable.
    pub commit_entries: u64,
    /// Entries kept in the log though they are durable, so that a damaged store
    /// is rebuilt from it; when there are more, all that are durable are purged.
    pub keep_entries: u64,
    /// How long opening waits for the cluster to be there.
    pub patience: Duration,
    /// How long a node may be gone before others take what it holds.
    pub replace_after: Duration,
    /// How long a node's certificate is good; it gets a new one when two thirds
    /// of that are over.
    pub certificate_lifetime: Duration,
}

impl Options {
    /// Returns the settings of a node that forms a cluster of its own.
    pub fn new(node: NodeId, name: impl Into<String>) -> Self {
        Self {
            node,
            random: crate::vault::system_random,
            name: Some(name.into()),
            addresses: Vec::new(),
            zone: None,
            shards: limit::SHARDS,
            adopts_shards: false,
            stream_defaults: StreamConfig::default(),
            streams: limit::STREAMS,
            cluster: None,
            voters: BTreeSet::from([node]),
            known: BTreeSet::new(),
            commit_entries: 1_024,
            keep_entries: 10_000,
            patience: Duration::from_secs(30),
            replace_after: Duration::from_secs(300),
            certificate_lifetime: Duration::from_secs(30 * 86_400),
        }
    }
}
