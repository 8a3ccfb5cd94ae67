//! The section about the cluster that a node belongs to: `[cluster]`. A node
//! that belongs to none opens no port for peers, whatever is written here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Span;

/// The cluster that a node belongs to; nothing of it matters to a node alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClusterSection {
    /// IP address and UDP port where other nodes of the cluster reach it (QUIC
    /// with certificates on both sides). Port 0 lets the system choose. Only a
    /// node that belongs to a cluster listens.
    #[schemars(extend("format" = "via-address"))]
    pub(crate) peer_address: String,
    /// What other nodes are told to reach it by, `host:port`. When unset,
    /// `peer_address` as it was bound, which must then not be `0.0.0.0`.
    #[schemars(length(min = 3, max = 260))]
    pub(crate) advertise: Option<String>,
    /// Where members of the cluster to join are reached, `host:port`; each is
    /// asked in turn. Read only by a node that belongs to no cluster yet, which
    /// also needs a join token (`--token` or `--token-file`).
    #[schemars(length(max = 16))]
    pub(crate) join: Vec<String>,
    /// Name of the node, unique in the cluster. When unset it keeps the one that
    /// it has; a new one is `node-` and its number.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: Option<String>,
    /// What fails together with the node: a rack, a data centre. Replicas of a
    /// shard, and voters of the meta group, are put into different zones. When
    /// unset it keeps the one that it has.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) zone: Option<String>,
    /// How long a node may be gone before others take what it holds. The node
    /// that leads the meta group decides by its own setting.
    #[schemars(extend("x-minimum" = "2s", "x-maximum" = "30d"))]
    pub(crate) replace_after: Span,
    /// How long a node's certificate is good; it gets a new one when a third of
    /// that is left. The node that certifies decides by its own setting.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "3650d"))]
    pub(crate) certificate_lifetime: Span,
}

impl Default for ClusterSection {
    fn default() -> Self {
        Self {
            peer_address: "127.0.0.1:7400".to_owned(),
            advertise: None,
            join: Vec::new(),
            name: None,
            zone: None,
            replace_after: Span::from_secs(300),
            certificate_lifetime: Span::from_secs(30 * 86_400),
        }
    }
}
