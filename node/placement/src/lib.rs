//! Where an entity lives: which nodes hold a shard, which of them should lead
//! it, and the next step from what is to what should be. Pure; refuses to know
//! how nodes are found or replicas moved. Called by catalog, shard and control.
//! Invariant: P-1.

mod lead;
mod place;
mod ring;
mod share;
mod step;

pub use place::{Member, Placement, REPLICAS, place};
pub use ring::Ring;
pub use share::WEIGHT;
pub use step::{Replica, Replicas, Role, Step, next_step};
