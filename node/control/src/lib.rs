//! Cluster and tenant policy on this node: runs the meta group, whose machine
//! is the catalog, and publishes [`View`]s of it. Refuses to know shards: they
//! converge on the view by themselves. Called by the gateway and the node.
//! Invariants: C-1 (stale changes are refused), D-5 (errors have a fate).

mod error;
mod handle;
mod machine;
pub mod metrics;
mod options;
mod rows;
mod service;
mod state;

pub use error::Error;
pub use handle::{Created, Handle};
pub use options::{DEFAULT_TENANT, Options};
pub use service::Service;
pub use via_catalog::{Cluster, ClusterId, Node, NodeState, Refusal, Stream, Tenant, View};
