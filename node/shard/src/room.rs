//! How many bytes may wait for commit: of all shards together, and of each. One
//! shard that hangs, as when the disk of the node that leads it does, or the way
//! there, fills its own share and leaves the others theirs (invariant D-6).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use via_types::{ShardId, limit};

use crate::Error;

/// Bytes per permit: semaphores count in u32.
const PERMIT_BYTES: usize = 1_024;
/// A shard's share, in equal parts of the whole: as long as less than half of the
/// shards hang, the others find room.
const PARTS: usize = 2;
/// How long one who writes to a shard waits for room in its share. It holds what
/// it has read meanwhile, which others need.
const PATIENCE: Duration = Duration::from_secs(1);

/// The room of one node.
#[derive(Debug)]
pub(crate) struct Room {
    whole: Arc<Semaphore>,
    shares: Vec<Arc<Semaphore>>,
}

/// Room taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Space {
    _share: OwnedSemaphorePermit,
    _whole: OwnedSemaphorePermit,
}

impl Room {
    /// Makes room for `bytes`, of `shards` shards.
    pub(crate) fn new(bytes: usize, shards: u16) -> Self {
        // The largest batch must fit.
        let least = limit::ENTRY_BYTES / 2 / PERMIT_BYTES + 1;
        let whole = (bytes / PERMIT_BYTES).clamp(least, Semaphore::MAX_PERMITS);
        let share = (whole * PARTS / usize::from(shards.max(1))).clamp(least, whole);
        let shares = (0..shards).map(|_| Arc::new(Semaphore::new(share))).collect();
        Self { whole: Arc::new(Semaphore::new(whole)), shares }
    }

    /// Takes room for a batch of a shard, waiting for it: the caller's
    /// back-pressure.
    ///
    /// # Errors
    /// The shard's share is used up and stays so, or the node stops.
    pub(crate) async fn take(&self, shard: ShardId, bytes: usize) -> Result<Space, Error> {
        let permits = (bytes / PERMIT_BYTES + 1) as u32;
        let closed = || Error::NotReady { shard, what: "the node is shutting down".to_owned() };
        let elsewhere = || Error::NotReady { shard, what: "it is not served here".to_owned() };
        let share = self.shares.get(usize::from(shard.get())).ok_or_else(elsewhere)?;
        let share = Arc::clone(share).acquire_many_owned(permits);
        let full = |_elapsed| Error::Overloaded { shard, what: "its queue is full".into() };
        let share = tokio::time::timeout(PATIENCE, share).await.map_err(full)?;
        let whole = Arc::clone(&self.whole).acquire_many_owned(permits).await;
        Ok(Space { _share: share.map_err(|_| closed())?, _whole: whole.map_err(|_| closed())? })
    }

    /// Wakes everybody who waits, for nothing more is taken.
    pub(crate) fn close(&self) {
        self.whole.close();
        for share in &self.shares {
            share.close();
        }
    }

    #[cfg(test)]
    pub(crate) fn left(&self, shard: ShardId) -> usize {
        self.shares[usize::from(shard.get())].available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: usize = limit::ENTRY_BYTES / 2;

    /// Takes what is left of a shard's share.
    async fn take_all(room: &Room, shard: ShardId) -> Vec<Space> {
        let mut taken = Vec::new();
        loop {
            match room.take(shard, BATCH).await {
                Ok(space) => taken.push(space),
                Err(error) => {
                    assert!(matches!(error, Error::Overloaded { .. }), "{error}");
                    assert!(matches!(error.fate(), via_types::Fate::Retry(_)));
                    return taken;
                }
            }
        }
    }

    #[tokio::test]
    async fn a_shard_that_hangs_leaves_the_others_their_room() {
        let room = Room::new(128 << 20, 32);
        // Ten of 32 shards are led by a node whose disk hangs.
        let hung = (0..10).map(|shard| take_all(&room, ShardId::new(shard)));
        let hung = futures_util::future::join_all(hung).await;
        assert!(hung.iter().all(|taken| !taken.is_empty()));
        for shard in (10..32).map(ShardId::new) {
            let taken = room.take(shard, BATCH).await;
            assert!(taken.is_ok(), "{shard}: {taken:?}");
        }
        drop(hung);
        assert!(room.take(ShardId::new(0), BATCH).await.is_ok(), "it is given back");
    }

    #[tokio::test]
    async fn the_largest_batch_fits_however_little_room_there_is() {
        let room = Room::new(1, 1_024);
        drop(room.take(ShardId::new(7), BATCH).await.expect("it fits"));
        room.close();
        assert!(matches!(room.take(ShardId::new(7), 1).await, Err(Error::NotReady { .. })));
    }
}
