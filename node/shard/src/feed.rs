//! The live feed: recorded changes of all shards, in each shard's order, from
//! any cursor on, on any node. Shards with a replica here are read here, the
//! others from a node that has one. What a slow reader misses in memory it reads
//! from the store; only what was already trimmed is a gap, and it is said (D-5).
//! Each item was committed before it is shown (D-4).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};
use tokio::task::AbortHandle;
use via_types::detection::Change;
use via_types::{ShardId, TenantId};

use crate::cursor::Position;
use crate::handle::Handle;
use crate::relay::{self, Places};
use crate::seats::Seats;
use crate::{Cursor, Error, Filter};

/// How many missed changes are read from the store at a time.
const CATCH_UP: usize = 256;
/// Changes of other nodes that wait for the subscriber; then those nodes wait.
const AHEAD: usize = 256;

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

/// A change as a replica of its shard tells it.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) shard: ShardId,
    /// Log index of the entry that recorded it, and its place in that entry.
    pub(crate) at: (u64, u32),
    pub(crate) tenant: TenantId,
    pub(crate) change: Arc<Change>,
}

/// What is heard of the shards of this node.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    /// A change.
    Change(Published),
    /// The shard has changes that were told to nobody here.
    Jump(ShardId),
}

/// What comes from another node.
#[derive(Debug)]
pub(crate) enum Remote {
    Change(Published),
    /// Changes up to here are no longer stored.
    Gap(ShardId, (u64, u32)),
}

/// One step of a subscription, before cursors are made of it.
#[derive(Debug)]
pub(crate) enum Step {
    Change(Published),
    Gap(ShardId, (u64, u32)),
}

/// One subscription. Holds at most a few hundred changes besides the shared buffer.
pub struct Feed {
    filter: Filter,
    seats: Arc<Seats>,
    heard: broadcast::Receiver<Heard>,
    /// What was seen of each shard; shared with whoever asks other nodes.
    seen: Places,
    backlog: VecDeque<Step>,
    /// Shards whose stored changes are not yet known to be all read.
    behind: VecDeque<ShardId>,
    /// Shards whose stored changes were read here, so that what is heard of them
    /// next is what comes next. A replica tells of what it applies before it can
    /// be read, and may have begun with changes that it tells nobody.
    level: BTreeSet<ShardId>,
    remote: mpsc::Receiver<Remote>,
    relay: Option<AbortHandle>,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Feed({:?})", self.filter)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Some(relay) = &self.relay {
            relay.abort();
        }
    }
}

impl Feed {
    /// Opens a subscription to every shard, wherever it is.
    pub(crate) async fn open(handle: &Handle, start: Start, filter: Filter) -> Result<Self, Error> {
        // Before anybody looks where the feeds end: nothing may come in between.
        let heard = handle.inner.feed.subscribe();
        let (seen, behind) = match start {
            Start::Now => (handle.ends().await?, VecDeque::new()),
            Start::After(Cursor(Position::Feed { seen })) => {
                (seen, handle.inner.seats.shards().collect())
            }
            Start::After(Cursor(Position::Time { .. } | Position::Score { .. })) => {
                return Err(Error::BadCursor("it is a listing's, not the feed's".into()));
            }
        };
        let (sender, remote) = mpsc::channel(AHEAD);
        let mut feed = Self::new(handle, heard, seen, filter);
        feed.behind = behind;
        feed.remote = remote;
        if handle.inner.links.is_some() {
            let relay =
                relay::run(handle.clone(), feed.filter.clone(), Arc::clone(&feed.seen), sender);
            feed.relay = Some(tokio::spawn(relay).abort_handle());
        }
        Ok(feed)
    }

    /// Opens a subscription for another node, to shards that are here.
    pub(crate) fn local(
        handle: &Handle,
        seen: BTreeMap<ShardId, (u64, u32)>,
        filter: Filter,
    ) -> Self {
        let heard = handle.inner.feed.subscribe();
        let behind = seen.keys().copied().collect();
        let mut feed = Self::new(handle, heard, seen, filter);
        feed.behind = behind;
        feed
    }

    fn new(
        handle: &Handle,
        heard: broadcast::Receiver<Heard>,
        seen: BTreeMap<ShardId, (u64, u32)>,
        filter: Filter,
    ) -> Self {
        let seats = Arc::clone(&handle.inner.seats);
        let seen = Places::new(seen.into());
        let (_, remote) = mpsc::channel(1);
        let (backlog, behind, level) = (VecDeque::new(), VecDeque::new(), BTreeSet::new());
        Self { filter, seats, heard, seen, backlog, behind, level, remote, relay: None }
    }

    /// Returns the position before the next item.
    pub fn cursor(&self) -> Cursor {
        Cursor(Position::Feed { seen: self.seen.lock().clone() })
    }

    /// Returns the next item; none when the node shuts down.
    ///
    /// # Errors
    /// When stored changes cannot be read.
    pub async fn next(&mut self) -> Result<Option<FeedItem>, Error> {
        let item = match self.step().await? {
            None => return Ok(None),
            Some(Step::Gap(shard, _)) => FeedItem::Gap { shard, cursor: self.cursor() },
            Some(Step::Change(Published { change, .. })) => {
                FeedItem::Change { change, cursor: self.cursor() }
            }
        };
        Ok(Some(item))
    }

    /// Returns the next step and moves past it; none when the node shuts down.
    pub(crate) async fn step(&mut self) -> Result<Option<Step>, Error> {
        loop {
            while let Some(step) = self.backlog.pop_front() {
                if let Some(step) = self.accept(step) {
                    return Ok(Some(step));
                }
            }
            if let Some(shard) = self.behind.front().copied() {
                self.catch_up(shard)?;
                continue;
            }
            let has_relay = self.relay.is_some();
            tokio::select! {
                heard = self.heard.recv() => match heard {
                    Ok(Heard::Change(published)) if self.level.contains(&published.shard) => {
                        self.backlog.push_back(Step::Change(published));
                    }
                    Ok(Heard::Change(Published { shard, .. })) => self.behind.push_back(shard),
                    Ok(Heard::Jump(shard)) => self.behind.push_back(shard),
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.behind = self.seats.shards().collect();
                    }
                    Err(broadcast::error::RecvError::Closed) => return Ok(None),
                },
                remote = self.remote.recv(), if has_relay => match remote {
                    Some(Remote::Change(published)) => {
                        self.backlog.push_back(Step::Change(published));
                    }
                    Some(Remote::Gap(shard, upto)) => self.backlog.push_back(Step::Gap(shard, upto)),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Reads the next piece of what `shard` has stored here beyond what was seen.
    fn catch_up(&mut self, shard: ShardId) -> Result<(), Error> {
        let Some(seat) = self.seats.get(shard) else {
            // Whoever follows it elsewhere begins at what was seen.
            self.behind.pop_front();
            self.level.remove(&shard);
            return Ok(());
        };
        let replica = &seat.replica;
        let seen = self.seen.lock().get(&shard).copied().unwrap_or_default();
        if let Some(trimmed) = replica.feed_trimmed().filter(|trimmed| *trimmed > seen) {
            self.backlog.push_back(Step::Gap(shard, trimmed));
            return Ok(());
        }
        let stored = replica.archive.changes_after(shard, seen, CATCH_UP)?;
        if stored.len() < CATCH_UP {
            self.behind.pop_front();
            self.level.insert(shard);
        }
        self.backlog.extend(stored.into_iter().map(Step::Change));
        Ok(())
    }

    /// Moves past `step`; returns it if it is new and passes the filter.
    fn accept(&mut self, step: Step) -> Option<Step> {
        let (shard, at) = match &step {
            Step::Gap(shard, upto) => (*shard, *upto),
            Step::Change(published) => (published.shard, published.at),
        };
        {
            let mut seen = self.seen.lock();
            if seen.get(&shard).is_some_and(|seen| *seen >= at) {
                return None;
            }
            seen.insert(shard, at);
        }
        match &step {
            Step::Gap(..) => Some(step),
            Step::Change(Published { tenant, change, .. }) => {
                self.filter.admits(*tenant, change.detection()).then_some(step)
            }
        }
    }
}
