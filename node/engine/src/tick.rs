//! Passing time. Owns the judgement of silent entities; called by the shard
//! when a `Tick` command is applied. Invariant E-1: the time is the entry's.

use via_types::Timestamp;

use crate::engine::Engine;
use crate::{Outcome, Position};

impl Engine {
    /// Lets time pass: closes the buckets of silent entities and appends the
    /// detections of silence to `out`.
    pub fn tick(&mut self, at: Position, stamp: Timestamp, out: &mut Outcome) {
        let _ = (at, stamp, out);
    }
}
