//! What can be asked of the catalog: one file per command, each with its rule
//! and its tests. A command carries everything it needs, time included.
//! Variants are appended, never reordered: they rest in the meta log.

mod admit_node;
mod create_stream;
mod create_tenant;
mod form_cluster;
mod issue_token;
mod observe_node;
mod open_producer;
mod put_defaults;
mod put_stream_config;
mod register_node;
mod set_node_state;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use via_types::{Epoch, ProducerId, Revision};

pub use admit_node::AdmitNode;
pub use create_stream::CreateStream;
pub use create_tenant::CreateTenant;
pub use form_cluster::FormCluster;
pub use issue_token::IssueToken;
pub use observe_node::ObserveNode;
pub use open_producer::OpenProducer;
pub use put_defaults::PutDefaults;
pub use put_stream_config::PutStreamConfig;
pub use register_node::RegisterNode;
pub use set_node_state::SetNodeState;

use crate::catalog::Catalog;
use crate::object::{Cluster, Defaults, Node, Stream, Tenant};
use crate::refusal::Refusal;

/// One change asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Forms the cluster; the first command of all.
    FormCluster(FormCluster),
    /// Makes a node known, or updates what is known of it.
    RegisterNode(RegisterNode),
    /// Creates a tenant.
    CreateTenant(CreateTenant),
    /// Creates a stream.
    CreateStream(CreateStream),
    /// Replaces a stream's configuration.
    PutStreamConfig(PutStreamConfig),
    /// Starts a new incarnation of a producer.
    OpenProducer(OpenProducer),
    /// Says whether a node takes part.
    SetNodeState(SetNodeState),
    /// Sets how streams are judged that say nothing else.
    PutDefaults(PutDefaults),
    /// Makes a join token known.
    IssueToken(IssueToken),
    /// Lets a node in that has a join token.
    AdmitNode(AdmitNode),
    /// Says whether a node is there.
    ObserveNode(ObserveNode),
}

impl Command {
    pub(crate) fn apply(self, catalog: &mut Catalog, at: Revision) -> Result<Outcome, Refusal> {
        match self {
            Self::FormCluster(command) => command.apply(catalog),
            Self::RegisterNode(command) => command.apply(catalog),
            Self::CreateTenant(command) => command.apply(catalog),
            Self::CreateStream(command) => command.apply(catalog, at),
            Self::PutStreamConfig(command) => command.apply(catalog, at),
            Self::OpenProducer(command) => command.apply(catalog),
            Self::SetNodeState(command) => command.apply(catalog),
            Self::PutDefaults(command) => command.apply(catalog, at),
            Self::IssueToken(command) => command.apply(catalog),
            Self::AdmitNode(command) => command.apply(catalog),
            Self::ObserveNode(command) => command.apply(catalog),
        }
    }
}

macro_rules! wrapped {
    ($($name:ident),*) => {
        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*
    };
}

wrapped!(
    FormCluster,
    RegisterNode,
    CreateTenant,
    CreateStream,
    PutStreamConfig,
    OpenProducer,
    SetNodeState,
    PutDefaults,
    IssueToken,
    AdmitNode,
    ObserveNode
);

/// What an accepted command resulted in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// The cluster is formed, now or before.
    Formed(Cluster),
    /// The node as it is now.
    Registered(Arc<Node>),
    /// The tenant, new or already there.
    Tenant {
        /// The tenant.
        tenant: Arc<Tenant>,
        /// It was there before; nothing changed.
        existed: bool,
    },
    /// The stream, new or already there. One that was there keeps its own
    /// configuration.
    Stream {
        /// The stream.
        stream: Arc<Stream>,
        /// It was there before; nothing changed.
        existed: bool,
    },
    /// The stream as it is configured now.
    Configured(Arc<Stream>),
    /// The defaults as they are now.
    Defaults(Arc<Defaults>),
    /// A producer's new incarnation; every earlier one is fenced off (D-2).
    Opened {
        /// The producer.
        id: ProducerId,
        /// Its new epoch.
        epoch: Epoch,
    },
    /// The join token is known.
    Issued,
}

#[cfg(test)]
mod fixture {
    use super::*;
    use crate::object::ClusterId;
    use via_types::{TenantId, Timestamp};

    /// The tenant of [`catalog`].
    pub(crate) const TENANT: TenantId = TenantId::new(1);

    /// A formed cluster with one tenant, at revision 2.
    pub(crate) fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let formed = Timestamp::from_nanos(1);
        let form = FormCluster { id: ClusterId::new(7), shards: 64, at: formed };
        apply(&mut catalog, 1, Command::FormCluster(form)).unwrap();
        let tenant = CreateTenant { name: "default".to_owned(), at: formed };
        apply(&mut catalog, 2, Command::CreateTenant(tenant)).unwrap();
        catalog
    }

    /// Applies and forgets which objects changed.
    pub(crate) fn apply(
        catalog: &mut Catalog,
        at: u64,
        command: Command,
    ) -> Result<Outcome, Refusal> {
        catalog.apply(Revision::new(at), command).outcome
    }
}
