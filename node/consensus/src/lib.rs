//! Runs any state machine as a replicated group, many groups on one node.
//! Owns the mapping to openraft, which nobody else names; refuses to know what
//! machines do. Called by `shard` and `control`. Invariants: D-1 (answers come
//! after commit), D-3 (positions say who executes), D-5 (errors have a fate),
//! D-7 (a group that cannot read its log must not vote).

mod aside;
mod entry;
mod error;
mod group;
mod host;
mod lives;
mod log;
mod machine;
mod membership;
pub mod metrics;
mod network;
mod options;
mod raft;
mod replica;
mod server;
mod spool;
mod ways;
mod wire;

pub use aside::aside;
pub use error::{Cause, Error};
pub use group::{Committed, Group, Leadership, Pending, Status};
pub use host::Host;
pub use machine::{Applied, CHUNK_BYTES, Chunks, Machine, Outcome, Position, Tail, Visit};
pub use options::Options;
