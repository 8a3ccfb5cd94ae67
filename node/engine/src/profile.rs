//! One entity's profile: a hot part of plain numbers that every event touches
//! and a cold part that is allocated as it is earned. Owns the layout; knows
//! no rule. Called by the engine, which keeps both parts in slabs.

use bytemuck::{Pod, Zeroable};
use via_types::EntityHash;

/// The profile changed since it was last exported.
pub(crate) const DIRTY: u32 = 1;
/// The running checkpoint round still has to export it.
pub(crate) const ROUND: u32 = 2;
/// Touched since the eviction hand last passed.
pub(crate) const USED: u32 = 4;
/// The place holds a profile.
pub(crate) const LIVE: u32 = 8;
/// Its events come at about the time they happen, so silence means something.
pub(crate) const CURRENT: u32 = 16;
/// Flags that are the engine's affair and not part of a record.
pub(crate) const TRANSIENT: u32 = DIRTY | ROUND | USED | LIVE;

/// What every event of the entity touches.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Hot {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) stream: u32,
    pub(crate) flags: u32,
    /// Replay skips entries up to this log index.
    pub(crate) skip: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) events: u64,
    pub(crate) late: u32,
    pub(crate) score: f32,
}

impl Hot {
    /// Returns the identity of the entity.
    pub(crate) fn hash(&self) -> EntityHash {
        EntityHash::from_parts(self.low, self.high)
    }

    /// Says whether a flag is set.
    pub(crate) fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

/// What is touched only when buckets close, detections are made, or asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cold {
    pub(crate) key: Box<str>,
}

impl Cold {
    /// Returns what it holds outside of itself, bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.key.len()
    }
}
