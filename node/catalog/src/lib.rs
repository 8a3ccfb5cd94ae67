//! What the cluster and its tenants should be: the state machine of the meta
//! group. Owns names, ids and their rules; refuses to know how commands come
//! to be committed, what time it is or where rows are kept. `control` applies
//! commands and publishes [`View`]s; everybody else reads those.
//! Invariants: C-1 (configuration is versioned), D-6 (every table is bounded).

mod catalog;
pub mod command;
pub mod name;
pub mod object;
mod overlay;
mod refusal;
mod view;

pub use catalog::{Applied, Catalog, Damage};
pub use command::{Command, Outcome};
pub use object::{
    Cluster, ClusterId, Counters, Defaults, Digest, Key, Node, NodeState, Object, Producer, Stream,
    Tenant, Token,
};
pub use refusal::{Refusal, Thing};
pub use view::View;
