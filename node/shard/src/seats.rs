//! The replicas of this node, by shard: they come and go as the placement says.
//! Held by the handle, the steward and every feed; the lock is held for a look
//! only.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{mpsc, watch};
use via_types::ShardId;

use crate::replica::Replica;
use crate::request::Request;

/// A replica and the way to its driver.
pub(crate) struct Seat {
    pub(crate) replica: Arc<Replica>,
    pub(crate) door: mpsc::Sender<Request>,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seat({})", self.replica.shard)
    }
}

/// Every shard's seat on this node, where it has one.
#[derive(Debug)]
pub(crate) struct Seats {
    by_shard: RwLock<Vec<Option<Arc<Seat>>>>,
    /// Counts what came and went.
    changes: watch::Sender<u64>,
}

impl Seats {
    pub(crate) fn new(shards: u16) -> Self {
        let by_shard = RwLock::new(vec![None; usize::from(shards)]);
        Self { by_shard, changes: watch::Sender::new(0) }
    }

    /// Returns how many shards there are, wherever.
    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.by_shard.read().len() as u16).map(ShardId::new)
    }

    pub(crate) fn get(&self, shard: ShardId) -> Option<Arc<Seat>> {
        self.by_shard.read().get(usize::from(shard.get())).cloned().flatten()
    }

    /// Returns the replicas that are here now, in the order of their shards.
    pub(crate) fn replicas(&self) -> Vec<Arc<Replica>> {
        self.by_shard.read().iter().flatten().map(|seat| Arc::clone(&seat.replica)).collect()
    }

    pub(crate) fn put(&self, seat: Arc<Seat>) {
        let place = usize::from(seat.replica.shard.get());
        self.by_shard.write()[place] = Some(seat);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn take(&self, shard: ShardId) -> Option<Arc<Seat>> {
        let taken = self.by_shard.write().get_mut(usize::from(shard.get()))?.take();
        self.changes.send_modify(|changes| *changes += 1);
        taken
    }

    /// Watches what comes and goes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
