//! Who an event is about, as 128 bits.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::{ShardId, StreamId};

/// Bits at the top of the low half that name the shard.
const SHARD_BITS: u32 = 16;

/// An entity's identity: xxh3-128 of its key, seeded with its stream's id. The
/// low 64 bits place it (shard and index); all 128 tell it from others. The
/// stream is compared beside it, so a crafted collision stays in its stream.
/// Keys like `[group] rest` of one group share a shard, so that what is usual
/// among them is known in one place (ADR 14): their top bits are the group's.
/// Golden files in `placement` guard the function: it must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityHash(u128);

impl EntityHash {
    /// Hashes the entity `key` of `stream`.
    pub fn of(stream: StreamId, key: &str) -> Self {
        let seed = u64::from(stream.get());
        let own = Self(xxh3_128_with_seed(key.as_bytes(), seed));
        let Some(group) = group_of(key) else { return own };
        let placed = Self(xxh3_128_with_seed(group.as_bytes(), seed));
        let rest = u64::MAX >> SHARD_BITS;
        Self::from_parts(placed.low() & !rest | own.low() & rest, own.high())
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

/// Returns the group of a key like `[group] rest`, brackets and all.
fn group_of(key: &str) -> Option<&str> {
    let end = if key.starts_with('[') { key.find("] ")? } else { return None };
    Some(&key[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_group_share_a_shard_and_nothing_else() {
        let of = |stream, key: &str| EntityHash::of(StreamId::new(stream), key);
        let keys: Vec<String> = (0..1000).map(|number| format!("[sshd] line {number}")).collect();
        let shard = of(1, &keys[0]).shard(1024);
        assert!(keys.iter().all(|key| of(1, key).shard(1024) == shard));
        let lows: std::collections::BTreeSet<u64> =
            keys.iter().map(|key| of(1, key).low()).collect();
        assert_eq!(lows.len(), keys.len());
        let shards: std::collections::BTreeSet<_> =
            (0..1000).map(|group| of(1, &format!("[{group}] line")).shard(1024)).collect();
        assert!(shards.len() > 500, "groups are spread: {}", shards.len());
        for plain in ["[sshd]", "[::1]:80", "a [b] c", "]", "[", ""] {
            let hash = EntityHash(xxh3_128_with_seed(plain.as_bytes(), 1));
            assert_eq!(of(1, plain), hash, "{plain:?} has no group");
        }
    }
}
