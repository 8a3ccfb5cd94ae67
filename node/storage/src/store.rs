//! The state store: ordered keys and small values, durable at commit points.
//! Owns the contract; `MemoryStore` is its twin in memory. Whatever is in it
//! can be rebuilt from the log or a peer. Shard and control call it.

mod cells;
mod memory;
mod simulated;
mod sled;

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

pub use self::sled::{Opened, Options, SledStore, free_bytes, open};
pub use memory::MemoryStore;
pub use simulated::SimulatedStore;

use crate::{Error, Space};

/// One change of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a value.
    Put {
        /// In which space.
        space: Space,
        /// At most [`KEY_BYTES`].
        key: Bytes,
        /// At most [`VALUE_BYTES`].
        value: Bytes,
    },
    /// Removes a value, if there is one.
    Delete {
        /// In which space.
        space: Space,
        /// At most [`KEY_BYTES`].
        key: Bytes,
    },
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the smallest key up.
    Ascending,
    /// From the largest key down.
    Descending,
}

/// Ordered, checked, rebuildable state. Calls may block on a disk.
pub trait Store: Send + Sync + 'static {
    /// Returns a value.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it fails its checksum; [`Error::Store`].
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Applies a batch: all of it or, after a crash, none of it. Readers see
    /// it at once; it is durable after the next [`Self::commit`].
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Full`], [`Error::Store`].
    fn write(&self, batch: Vec<Write>) -> Result<(), Error>;

    /// Returns up to `limit` keys and values between the bounds.
    ///
    /// # Errors
    /// As [`Self::get`].
    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error>;

    /// Makes everything written so far survive power loss. Only below such a
    /// point may the log be purged.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Store`]: nothing since the last commit point
    /// is known to be durable.
    fn commit(&self) -> Result<(), Error>;

    /// Returns about how many bytes it occupies.
    fn approximate_bytes(&self) -> u64;

    /// Says whether the disk has more than [`via_types::limit::DISK_RESERVE`] left. Without,
    /// nothing new should be written: a write that meets a full disk halfway is
    /// only mended by opening the store again.
    fn has_room(&self) -> bool {
        true
    }
}

impl dyn Store {
    /// Refuses when there is no room.
    ///
    /// # Errors
    /// [`Error::Full`].
    pub fn ensure_room(&self) -> Result<(), Error> {
        if self.has_room() {
            return Ok(());
        }
        let source = Arc::new(io::ErrorKind::StorageFull.into());
        Err(Error::Full { doing: "write into the reserve", source })
    }
}

/// Longest key, bytes: the longest built in [`crate::keys`] is an entity's.
pub const KEY_BYTES: usize = 512;
/// Largest value, bytes: a profile with every lane and a dense sketch.
pub const VALUE_BYTES: usize = 256 << 10;

/// Says whether bounds hold nothing; ranges of maps panic on such.
fn is_empty(bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match bounds {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from), Bound::Excluded(to))
        | (Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}

fn check(batch: &[Write]) -> Result<(), Error> {
    for write in batch {
        let (key, value) = match write {
            Write::Put { key, value, .. } => (key, value.len()),
            Write::Delete { key, .. } => (key, 0),
        };
        if key.len() > KEY_BYTES {
            return Err(Error::TooLarge { what: "a key", bytes: key.len(), limit: KEY_BYTES });
        }
        if value > VALUE_BYTES {
            return Err(Error::TooLarge { what: "a value", bytes: value, limit: VALUE_BYTES });
        }
    }
    Ok(())
}
