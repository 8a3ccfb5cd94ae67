//! An ordered map that views share: cut into chunks, so that a change while
//! somebody reads copies one chunk and not the whole. Owns the cutting; knows
//! nothing of what is in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use via_types::{
    ApiKeyId, GrantId, Revision, RoleId, SessionId, StreamId, SuppressionId, TenantId, UserId,
};

use crate::object::{Digest, PlanId, TrailId};

/// Says in which chunk a key is; never falls as keys rise.
pub(crate) trait Slot: Ord + Clone {
    fn slot(&self) -> u64;
}

/// An ordered map in chunks.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    chunks: Arc<Chunks<K, V>>,
    len: usize,
}

type Chunks<K, V> = BTreeMap<u64, Arc<BTreeMap<K, V>>>;

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Table<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.chunks == other.chunks
    }
}

impl<K: Slot, V: Clone> Table<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.chunks.get(&key.slot())?.get(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let chunks = Arc::make_mut(&mut self.chunks);
        let old = Arc::make_mut(chunks.entry(key.slot()).or_default()).insert(key, value);
        self.len += usize::from(old.is_none());
        old
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.get(key)?;
        let chunks = Arc::make_mut(&mut self.chunks);
        let slot = key.slot();
        let chunk = Arc::make_mut(chunks.get_mut(&slot)?);
        let old = chunk.remove(key);
        if chunk.is_empty() {
            chunks.remove(&slot);
        }
        self.len -= usize::from(old.is_some());
        old
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.values().flat_map(|chunk| chunk.iter())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Everything in the chunk of `slot`.
    pub(crate) fn chunk(&self, slot: u64) -> impl Iterator<Item = (&K, &V)> {
        self.chunks.get(&slot).into_iter().flat_map(|chunk| chunk.iter())
    }
}

/// Keys of a chunk that are given one after the other.
const NEIGHBOURS: u64 = 256;

macro_rules! slots {
    ($($id:ty),*) => {
        $(impl Slot for $id {
            fn slot(&self) -> u64 {
                u64::from(self.get()) / NEIGHBOURS
            }
        })*
    };
}

slots!(TenantId, UserId, RoleId, ApiKeyId, SessionId, GrantId, SuppressionId, PlanId, TrailId);

impl Slot for Digest {
    fn slot(&self) -> u64 {
        u64::from(self.bytes()[0])
    }
}

/// What belongs to one tenant (0: the platform) is one chunk.
impl<T: Ord + Clone> Slot for (TrailId, T) {
    fn slot(&self) -> u64 {
        u64::from(self.0.get())
    }
}

impl Slot for (UserId, SessionId) {
    fn slot(&self) -> u64 {
        self.0.slot()
    }
}

impl Slot for (StreamId, Revision) {
    fn slot(&self) -> u64 {
        u64::from(self.0.get())
    }
}

impl Slot for (StreamId, u32) {
    fn slot(&self) -> u64 {
        u64::from(self.0.get())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_map_that_it_says_it_is(
            deeds in prop::collection::vec((0_u64..2_000, any::<bool>(), any::<u8>()), 0..200),
        ) {
            let (mut table, mut model) = (Table::default(), BTreeMap::new());
            for (key, is_there, value) in deeds {
                let key = UserId::new(key);
                let seen = table.clone();
                let before = model.clone();
                if is_there {
                    prop_assert_eq!(table.insert(key, value), model.insert(key, value));
                } else {
                    prop_assert_eq!(table.remove(&key), model.remove(&key));
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert!(table.iter().eq(model.iter()), "in order");
                prop_assert!(seen.iter().eq(before.iter()), "who reads sees no change");
                prop_assert_eq!(table.get(&key), model.get(&key));
            }
        }
    }
}
