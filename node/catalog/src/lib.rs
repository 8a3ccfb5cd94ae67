//! What the cluster and its tenants should be: the state machine of the meta
//! group. Owns names, ids and their rules; refuses to know how commands come
//! to be committed, what time it is or where rows are kept. `control` applies
//! commands and publishes [`View`]s; everybody else reads those.
//! Invariants: A-1 (no deed without a record), C-1, D-6 (tables are bounded).

mod access;
mod answers;
mod catalog;
pub mod command;
mod entry;
pub mod name;
pub mod object;
mod overlay;
mod portrait;
mod recording;
mod refusal;
mod rules;
mod table;
mod tables;
mod view;

pub use access::{Access, Holder};
pub use catalog::{Applied, Catalog, Damage};
pub use command::{Command, Outcome};
pub use entry::{Author, Deed, Entry, Idempotency, Personal};
pub use object::{
    Account, Answer, ApiKey, Attempts, Cluster, ClusterId, Counters, Credentials, CustomRole,
    Defaults, Digest, Edition, Grant, Hushed, Identity, Key, Network, Node, NodeState, Object,
    Plan, PlanId, Producer, Quotas, Recorded, SecondFactor, Session, Standing, Stream, Subject,
    Suppression, Tenant, Token, Trail, TrailId, Usage, User, Verdict,
};
pub use refusal::{Refusal, Thing};
pub use view::View;
