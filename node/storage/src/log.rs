//! The log: entries and hard state of every group of this node, made durable
//! by one sync for all that wait. Owns the contract; `MemoryLog` is its twin
//! in memory, and one conformance suite runs on all. Consensus calls it.

mod group;
mod keeper;
mod memory;
mod options;
#[cfg(test)]
mod proofs;
mod recent;
mod record;
mod recover;
mod segment;
mod segmented;
mod state;
mod writer;

use std::ops::Range;

use bytes::Bytes;
use via_types::GroupId;

pub use memory::MemoryLog;
pub use options::Options;
pub use segmented::{Hand, SegmentedLog, open};

use crate::Error;

/// Called once with the outcome, from the log's own thread or the caller's; it
/// must not block.
pub type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Small values a group keeps beside its entries. Numbers are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Slot {
    /// The vote; must be durable before it is answered.
    Vote = 1,
    /// The last position known committed.
    Committed = 2,
    /// The log id of the last purged entry.
    Purged = 3,
    /// The membership as of the last snapshot.
    Membership = 4,
    /// Anything else a group's owner must know before it may start.
    Identity = 5,
}

impl Slot {
    /// Every slot.
    pub const ALL: [Self; 5] =
        [Self::Vote, Self::Committed, Self::Purged, Self::Membership, Self::Identity];

    /// Returns the slot with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| *slot as u8 == number)
    }
}

/// The shared log of a node's groups.
///
/// Requests of one group take effect in the order of the calls, and what a
/// call changed is visible to later calls at once; `done` tells when it is
/// durable. When `done` brings an error the change did not happen, nor did any
/// change of that group asked for after it; only if the error's fate is
/// unknown may a restart find it, or the first part of it, on disk after all.
pub trait Log: Send + Sync + 'static {
    /// Returns the groups that have entries or slots, ascending.
    fn groups(&self) -> Vec<GroupId>;

    /// Returns the first and last live entry; none when there is none. After a
    /// crash the first may be lower than the last purge left it.
    fn bounds(&self, group: GroupId) -> Option<(u64, u64)>;

    /// Appends contiguous entries after the last one (anywhere above the purged
    /// ones when there is none); `done` follows the sync that made them durable.
    fn append(&self, group: GroupId, entries: Vec<(u64, Bytes)>, done: Done);

    /// Removes every entry after `last_kept`.
    fn truncate_after(&self, group: GroupId, last_kept: u64, done: Done);

    /// Removes every entry up to and including `upto`: at once to readers, on
    /// disk with a later sync. `upto` may lie beyond the last entry.
    fn purge(&self, group: GroupId, upto: u64);

    /// Returns the live entries of `range`, in order, until `max_bytes` is
    /// reached; at least one if the first of the range exists.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when what is on disk is not what was written.
    fn read(
        &self,
        group: GroupId,
        range: Range<u64>,
        max_bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, Error>;

    /// Sets a slot (at most [`SLOT_BYTES`]), durable when `done` fires and
    /// ordered with appends.
    fn put(&self, group: GroupId, slot: Slot, value: Bytes, done: Done);

    /// Returns a slot's value.
    fn get(&self, group: GroupId, slot: Slot) -> Option<Bytes>;
}

/// Most bytes in one slot: they are copied forward for ever.
pub const SLOT_BYTES: usize = 64 << 10;
/// Most bytes in one entry: an entry at its own limit, with room for envelopes.
pub const ENTRY_BYTES: usize = via_types::limit::ENTRY_BYTES + (2 << 20);

/// Refuses an append that does not continue the log or exceeds a bound.
/// `next` is the index that continues it; none when any above `floor` does.
fn check_append(
    group: GroupId,
    next: Option<u64>,
    floor: u64,
    entries: &[(u64, Bytes)],
) -> Result<(), Error> {
    let Some((first, _)) = entries.first() else { return Ok(()) };
    let start = next.unwrap_or_else(|| (*first).max(floor + 1));
    for ((index, bytes), expected) in entries.iter().zip(start..) {
        if *index != expected {
            return Err(Error::Gap { group, expected, given: *index });
        }
        if bytes.len() > ENTRY_BYTES {
            return Err(Error::TooLarge {
                what: "a log entry",
                bytes: bytes.len(),
                limit: ENTRY_BYTES,
            });
        }
    }
    Ok(())
}

fn check_slot(value: &Bytes) -> Result<(), Error> {
    if value.len() > SLOT_BYTES {
        return Err(Error::TooLarge { what: "a slot", bytes: value.len(), limit: SLOT_BYTES });
    }
    Ok(())
}
