//! The cluster that a node belongs to, as the program uses it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::raw::ClusterSection;

/// The cluster that the node belongs to, if any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Where peers reach it; port 0 lets the system choose.
    pub peer_address: SocketAddr,
    /// What peers are told to reach it by, `host:port`.
    pub advertise: Option<String>,
    /// Members to join through, `host:port` each.
    pub join: Vec<String>,
    /// Its name; none keeps the one that it has.
    pub name: Option<String>,
    /// Its failure domain; none keeps the one that it has.
    pub zone: Option<String>,
    /// How long a node may be gone before it is given up.
    pub replace_after: Duration,
    /// How long certificates are good.
    pub certificate_lifetime: Duration,
}

impl Cluster {
    /// Converts what was written; `peer_address` is `raw.peer_address`, read.
    pub(crate) fn of(raw: &ClusterSection, peer_address: SocketAddr) -> Self {
        Self {
            peer_address,
            advertise: raw.advertise.clone(),
            join: raw.join.clone(),
            name: raw.name.clone(),
            zone: raw.zone.clone(),
            replace_after: raw.replace_after.duration(),
            certificate_lifetime: raw.certificate_lifetime.duration(),
        }
    }
}
