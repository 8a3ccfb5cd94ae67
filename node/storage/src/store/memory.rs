//! The store's twin in memory, for tests and simulation: every write is a
//! commit point, and it lives as long as the last clone.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::{Order, Store, Write, check, is_empty};
use crate::{Error, Space};

/// A store in memory. Clones share it, so a test can "restart" on it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    spaces: Arc<RwLock<BTreeMap<Space, BTreeMap<Bytes, Bytes>>>>,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.spaces.read().get(&space).and_then(|keys| keys.get(key).cloned()))
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), Error> {
        check(&batch)?;
        let mut spaces = self.spaces.write();
        for write in batch {
            match write {
                Write::Put { space, key, value } => {
                    spaces.entry(space).or_default().insert(key, value);
                }
                Write::Delete { space, key } => {
                    spaces.entry(space).or_default().remove(&key);
                }
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        if is_empty(bounds) {
            return Ok(Vec::new());
        }
        let spaces = self.spaces.read();
        let Some(keys) = spaces.get(&space) else { return Ok(Vec::new()) };
        let range = keys.range::<[u8], _>(bounds).map(|(key, value)| (key.clone(), value.clone()));
        Ok(match order {
            Order::Ascending => range.take(limit).collect(),
            Order::Descending => range.rev().take(limit).collect(),
        })
    }

    fn commit(&self) -> Result<(), Error> {
        Ok(())
    }

    fn approximate_bytes(&self) -> u64 {
        let spaces = self.spaces.read();
        let bytes = |keys: &BTreeMap<Bytes, Bytes>| {
            keys.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>()
        };
        spaces.values().map(bytes).sum()
    }
}
