//! The live feed: recorded changes of all shards, in each shard's order, from
//! any cursor on. What a slow reader misses in memory it reads from the store;
//! only what the store has already trimmed is a gap, and it is said (D-5). Each
//! item was committed before it is shown (D-4).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::broadcast;
use via_types::detection::Change;
use via_types::{ShardId, TenantId};

use crate::cursor::Position;
use crate::replica::Replica;
use crate::{Cursor, Error, Filter};

/// How many missed changes are read from the store at a time.
const CATCH_UP: usize = 256;

/// Where a subscription begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the next change.
    Now,
    /// Right after this position.
    After(Cursor),
}

/// What a subscriber receives.
#[derive(Clone, Debug)]
pub enum FeedItem {
    /// A detection opened or grew.
    Change {
        /// What changed.
        change: Arc<Change>,
        /// Resume here to see only what follows.
        cursor: Cursor,
    },
    /// Changes of this shard were trimmed before they could be read.
    Gap {
        /// Which shard.
        shard: ShardId,
        /// Resume here to see only what follows.
        cursor: Cursor,
    },
}

/// A change as published by its shard's leader.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) shard: ShardId,
    /// Log index of the entry that recorded it, and its place in that entry.
    pub(crate) at: (u64, u32),
    pub(crate) tenant: TenantId,
    pub(crate) change: Arc<Change>,
}

/// One subscription. Holds at most a few hundred changes besides the shared buffer.
#[derive(Debug)]
pub struct Feed {
    filter: Filter,
    replicas: Arc<[Arc<Replica>]>,
    live: broadcast::Receiver<Published>,
    seen: BTreeMap<ShardId, (u64, u32)>,
    backlog: VecDeque<FeedItem>,
    /// Shards whose stored changes are not yet known to be all read.
    behind: VecDeque<ShardId>,
}

impl Feed {
    pub(crate) fn new(
        replicas: Arc<[Arc<Replica>]>,
        live: broadcast::Receiver<Published>,
        start: Start,
        filter: Filter,
    ) -> Result<Self, Error> {
        let (seen, behind) = match start {
            Start::Now => {
                let last = |replica: &Arc<Replica>| Some((replica.shard, replica.feed_end()?));
                (replicas.iter().filter_map(last).collect(), VecDeque::new())
            }
            Start::After(Cursor(Position::Feed { seen })) => {
                (seen, replicas.iter().map(|replica| replica.shard).collect())
            }
            Start::After(Cursor(Position::Time { .. } | Position::Score { .. })) => {
                return Err(Error::BadCursor("it is a listing's, not the feed's"));
            }
        };
        Ok(Self { filter, replicas, live, seen, backlog: VecDeque::new(), behind })
    }

    /// Returns the position before the next item.
    pub fn cursor(&self) -> Cursor {
        Cursor(Position::Feed { seen: self.seen.clone() })
    }

    /// Returns the next item; none when the node shuts down.
    ///
    /// # Errors
    /// When stored changes cannot be read.
    pub async fn next(&mut self) -> Result<Option<FeedItem>, Error> {
        loop {
            if let Some(item) = self.backlog.pop_front() {
                return Ok(Some(item));
            }
            if let Some(shard) = self.behind.front().copied() {
                self.catch_up(shard)?;
                continue;
            }
            match self.live.recv().await {
                Ok(published) => {
                    if let Some(item) = self.accept(published) {
                        return Ok(Some(item));
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.behind = self.replicas.iter().map(|replica| replica.shard).collect();
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Reads the next piece of what `shard` has stored beyond what was seen.
    fn catch_up(&mut self, shard: ShardId) -> Result<(), Error> {
        let replica = Arc::clone(&self.replicas[usize::from(shard.get())]);
        let seen = self.seen.get(&shard).copied().unwrap_or_default();
        if let Some(trimmed) = replica.feed_trimmed().filter(|trimmed| *trimmed > seen) {
            self.seen.insert(shard, trimmed);
            self.backlog.push_back(FeedItem::Gap { shard, cursor: self.cursor() });
            return Ok(());
        }
        let stored = replica.archive.changes_after(shard, seen, CATCH_UP)?;
        if stored.len() < CATCH_UP {
            self.behind.pop_front();
        }
        for published in stored {
            let item = self.accept(published);
            self.backlog.extend(item);
        }
        Ok(())
    }

    /// Moves past `published`; returns it if it is new and passes the filter.
    fn accept(&mut self, published: Published) -> Option<FeedItem> {
        let Published { shard, at, tenant, change } = published;
        if self.seen.get(&shard).is_some_and(|seen| *seen >= at) {
            return None;
        }
        self.seen.insert(shard, at);
        self.filter
            .admits(tenant, change.detection())
            .then(|| FeedItem::Change { change, cursor: self.cursor() })
    }
}
