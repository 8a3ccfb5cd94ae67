//! A store in memory that can lose power, for simulation: what was written
//! since the last commit point survives in part, in order and by whole batches,
//! at the whim of a seed. A damaged one is gone, as the real one is set aside.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{MemoryStore, Order, Store, Write};
use crate::{Error, Space};

/// The store. Clones are the same store.
#[derive(Clone, Debug, Default)]
pub struct SimulatedStore(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    now: MemoryStore,
    durable: MemoryStore,
    unsynced: Vec<Vec<Write>>,
    commits: u64,
}

impl SimulatedStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many commit points there were.
    pub fn commits(&self) -> u64 {
        self.0.lock().commits
    }

    /// Returns how many batches are not durable yet.
    pub fn unsynced(&self) -> usize {
        self.0.lock().unsynced.len()
    }

    /// Returns the store as it is found after a power loss now: everything
    /// committed, and the first `kept` batches written since.
    ///
    /// # Errors
    /// None: memory holds what it took.
    pub fn after_power_loss(&self, kept: usize) -> Result<Self, Error> {
        let inner = self.0.lock();
        let (now, durable) = (MemoryStore::new(), MemoryStore::new());
        for copy in [&now, &durable] {
            for space in Space::ALL {
                let all = (Bound::Unbounded, Bound::Unbounded);
                let found = inner.durable.scan(space, all, Order::Ascending, usize::MAX)?;
                let put = |(key, value)| Write::Put { space, key, value };
                copy.write(found.into_iter().map(put).collect())?;
            }
            for batch in inner.unsynced.iter().take(kept) {
                copy.write(batch.clone())?;
            }
        }
        Ok(Self(Arc::new(Mutex::new(Inner { now, durable, ..Inner::default() }))))
    }
}

impl Store for SimulatedStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.0.lock().now.get(space, key)
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), Error> {
        let mut inner = self.0.lock();
        inner.now.write(batch.clone())?;
        inner.unsynced.push(batch);
        Ok(())
    }

    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.0.lock().now.scan(space, bounds, order, limit)
    }

    fn commit(&self) -> Result<(), Error> {
        let mut inner = self.0.lock();
        for batch in std::mem::take(&mut inner.unsynced) {
            inner.durable.write(batch)?;
        }
        inner.commits += 1;
        Ok(())
    }

    fn approximate_bytes(&self) -> u64 {
        self.0.lock().now.approximate_bytes()
    }
}
