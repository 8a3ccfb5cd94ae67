//! Cluster and tenant policy on this node: runs the meta group, whose machine
//! is the catalog, and publishes [`View`]s of it; lets nodes join, watches them,
//! and sees to it who votes. Refuses to know shards: they
//! converge on the view by themselves. Called by the gateway and the node.
//! Invariants: C-1 (stale changes are refused), D-5 (errors have a fate).

mod admission;
mod archive;
mod cluster;
mod error;
mod handle;
mod invitation;
mod liveness;
mod machine;
pub mod metrics;
mod office;
mod options;
mod papers;
mod report;
mod room;
mod rows;
mod service;
mod shelf;
mod state;
mod steward;
mod upkeep;
mod vault;
mod visit;
mod voters;
mod wire;

pub use admission::Joining;
pub use archive::Proof;
pub use error::Error;
pub use handle::{Created, Handle};
pub use invitation::Invitation;
pub use options::{DEFAULT_TENANT, Options};
pub use papers::Papers;
pub use report::{Moved, Moves, ShardState};
pub use rows::owner;
pub use service::{Ground, Service};
pub use via_catalog::{
    Author, Cluster, ClusterId, Deed, Node, NodeState, Personal, Refusal, Stream, Tenant, TrailId,
    View,
};
pub use visit::issue_token;
pub use wire::{Overview, Report, ShardReport, Sighting};
