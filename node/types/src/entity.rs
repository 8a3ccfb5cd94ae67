//! Who an event is about, as 128 bits.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::{ShardId, StreamId};

/// An entity's identity: xxh3-128 of its key, seeded with its stream's id. The
/// low 64 bits place it (shard and index); all 128 tell it from others. The
/// stream is compared beside it, so a crafted collision stays in its stream.
/// A golden file in `placement` guards the function: it must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityHash(u128);

impl EntityHash {
    /// Hashes the entity `key` of `stream`.
    pub fn of(stream: StreamId, key: &str) -> Self {
        Self(xxh3_128_with_seed(key.as_bytes(), u64::from(stream.get())))
    }

    /// Restores a hash from its parts.
    pub const fn from_parts(low: u64, high: u64) -> Self {
        Self((high as u128) << 64 | low as u128)
    }

    /// Returns the 64 bits that place the entity.
    pub const fn low(self) -> u64 {
        self.0 as u64
    }

    /// Returns the 64 bits that only tell it from others.
    pub const fn high(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// Returns the shard of `shards` (a power of two, 1 to 65,536 exclusive)
    /// that owns the entity: the top bits of the low half, so that tables
    /// indexed by its bottom bits stay even within a shard.
    pub const fn shard(self, shards: u16) -> ShardId {
        let bits = shards.trailing_zeros();
        if bits == 0 { ShardId::new(0) } else { ShardId::new((self.low() >> (64 - bits)) as u16) }
    }
}
