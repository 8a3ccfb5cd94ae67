//! One shard's state on this node, shared by the machine that applies its log,
//! the driver that proposes to it and the readers. One lock, held only for
//! bounded work and never across an await.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use via_consensus::{Group, Leadership, Position};
use via_engine::Engine;
use via_storage::Store;
use via_types::entry::{Pressed, StreamConfigured};
use via_types::{EntityHash, LogIndex, ShardId, StreamId, Term};

use crate::archive::Archive;
use crate::feed::Heard;
use crate::live::Live;
use crate::pressure::Pressure;
use crate::query::Stats;
use crate::{Error, Options};

/// Entries kept decoded at most: more than are ever in flight.
const EXPECTED: usize = 8;

/// What the driver must know of the state at every turn, without its lock:
/// that is held while events are executed.
#[derive(Debug, Default)]
struct Signals {
    /// The term of the last promotion; 0 before the first.
    term: AtomicU64,
    /// Detections wait to be recorded.
    pending: AtomicBool,
    /// A checkpoint of another leader was finished.
    checkpointed: AtomicBool,
}

/// One shard on this node.
pub(crate) struct Replica {
    pub(crate) shard: ShardId,
    pub(crate) options: Options,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) archive: Archive,
    pub(crate) feed: broadcast::Sender<Heard>,
    /// The memory for profiles of all shards of the node.
    pub(crate) pressure: Arc<Pressure>,
    /// Wakes the driver: detections wait, or the shard was promoted.
    pub(crate) wake: Notify,
    signals: Signals,
    /// What this node has proposed and not yet seen committed, decoded: the
    /// leader need not read its own writing.
    proposed: Mutex<VecDeque<(Bytes, Arc<Pressed>)>>,
    group: OnceLock<Group>,
    state: Mutex<State>,
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replica({})", self.shard)
    }
}

/// What the log has made of the shard so far.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Present while this node executes.
    pub(crate) live: Option<Live>,
    /// The last entry applied.
    pub(crate) applied: Option<Position>,
    /// The last finished checkpoint's boundary.
    pub(crate) boundary: Option<Position>,
    /// The last boundary known to be synced to disk.
    pub(crate) durable: Option<Position>,
    /// The entry that finished that checkpoint: profiles of entries up to here
    /// are stored.
    pub(crate) finished: LogIndex,
    /// Detections of entries up to here are recorded.
    pub(crate) covered: LogIndex,
    /// Each stream's newest configuration.
    pub(crate) streams: BTreeMap<StreamId, StreamConfigured>,
    /// Detections stored.
    pub(crate) detections: usize,
    /// The last change recorded.
    pub(crate) feed_end: Option<(u64, u32)>,
    /// Changes up to here are no longer stored.
    pub(crate) feed_trimmed: Option<(u64, u32)>,
}

impl Replica {
    pub(crate) fn new(
        shard: ShardId,
        options: Options,
        store: Arc<dyn Store>,
        feed: broadcast::Sender<Heard>,
        pressure: Arc<Pressure>,
        state: State,
    ) -> Self {
        Self {
            shard,
            options,
            archive: Archive::new(Arc::clone(&store)),
            store,
            feed,
            pressure,
            wake: Notify::new(),
            signals: Signals::default(),
            proposed: Mutex::default(),
            group: OnceLock::new(),
            state: Mutex::new(state),
        }
    }

    /// Runs `work` on the state; it must not block on anything but the store.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock())
    }

    /// Runs `work`, which is what the entry `at` does to the executing state, and
    /// notes the entry as applied before anybody else can look: a profile saved in
    /// between would contain the entry and not say so (invariant D-2).
    pub(crate) fn advance<T>(&self, at: Position, work: impl FnOnce(&mut State) -> T) -> T {
        self.with(|state| {
            let done = work(state);
            state.applied = Some(at);
            done
        })
    }

    /// Tells the driver what of `live` it must know, and wakes it if there is
    /// something to do.
    pub(crate) fn signal(&self, live: &Live) {
        let signals = &self.signals;
        live.count_memory();
        let is_new = signals.term.swap(live.term.get(), Ordering::AcqRel) != live.term.get();
        let has_pending = live.has_pending();
        if has_pending {
            signals.pending.store(true, Ordering::Release);
        }
        if is_new || has_pending {
            self.wake.notify_one();
        }
    }

    /// Returns the term of the last promotion.
    pub(crate) fn promoted(&self) -> Term {
        Term::new(self.signals.term.load(Ordering::Acquire))
    }

    /// Says whether detections came to wait since the last call.
    pub(crate) fn has_news(&self) -> bool {
        self.signals.pending.load(Ordering::Relaxed)
            && self.signals.pending.swap(false, Ordering::AcqRel)
    }

    /// Has the driver of a follower look whether a checkpoint is to be kept.
    pub(crate) fn note_checkpoint(&self) {
        self.signals.checkpointed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Says whether another leader finished a checkpoint since the last call.
    pub(crate) fn takes_checkpoint(&self) -> bool {
        self.signals.checkpointed.swap(false, Ordering::AcqRel)
    }

    /// Has the driver look for detections again.
    pub(crate) fn renew(&self) {
        self.signals.pending.store(true, Ordering::Release);
    }

    /// Keeps the events of an entry that is about to be submitted.
    pub(crate) fn expect(&self, entry: Bytes, events: Arc<Pressed>) {
        let mut proposed = self.proposed.lock();
        proposed.push_back((entry, events));
        if proposed.len() > EXPECTED {
            proposed.pop_front();
        }
    }

    /// Takes the events kept for an entry of exactly these bytes, and forgets
    /// those before it: entries are applied in the order of submission.
    pub(crate) fn expected(&self, entry: &Bytes) -> Option<Arc<Pressed>> {
        let mut proposed = self.proposed.lock();
        let place = proposed.iter().position(|(kept, _)| kept == entry)?;
        proposed.drain(..=place).next_back().map(|(_, events)| events)
    }

    /// Forgets all events kept: the term in which they were submitted is over.
    pub(crate) fn expect_nothing(&self) {
        self.proposed.lock().clear();
    }

    /// Makes the group known once it is open.
    pub(crate) fn attach(&self, group: Group) {
        let _already = self.group.set(group);
    }

    pub(crate) fn group(&self) -> Result<&Group, Error> {
        let starting = || Error::NotReady { shard: self.shard, what: "it is opening".to_owned() };
        self.group.get().ok_or_else(starting)
    }

    /// Returns who leads the shard, as far as this replica knows; none before its
    /// group is open.
    pub(crate) fn leadership(&self) -> Option<Leadership> {
        self.group.get().map(|group| *group.leadership().borrow())
    }

    /// Says whether this node was elected to lead the shard.
    pub(crate) fn is_led_here(&self) -> bool {
        self.leadership().is_some_and(|now| now.leader == Some(self.options.node))
    }

    /// Runs `read` on the engine with the entity's profile in memory if it
    /// exists anywhere.
    pub(crate) fn with_profile<T>(
        &self,
        stream: StreamId,
        entity: EntityHash,
        read: impl Fn(&Engine) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        self.with(|state| {
            let Some(live) = &mut state.live else {
                let what = "it is being rebuilt from its checkpoint and log".to_owned();
                return Err(Error::NotReady { shard: self.shard, what });
            };
            if let Some(found) = read(&live.engine) {
                return Ok(Some(found));
            }
            let found = live.fetch(stream, entity)?;
            Ok(found.then(|| read(&live.engine)).flatten())
        })
    }

    pub(crate) fn feed_end(&self) -> Option<(u64, u32)> {
        self.with(|state| state.feed_end)
    }

    pub(crate) fn feed_trimmed(&self) -> Option<(u64, u32)> {
        self.with(|state| state.feed_trimmed)
    }

    pub(crate) fn not_ready(&self) -> Option<String> {
        let Some(group) = self.group.get() else {
            return Some("its log is being opened".to_owned());
        };
        if group.is_stalled() {
            return Some("its log takes no more now: the disk is full or behind".to_owned());
        }
        let leadership = *group.leadership().borrow();
        match leadership.leader {
            None => Some("nobody leads it now".to_owned()),
            Some(leader) if leader != self.options.node => None,
            Some(_) => {
                let live = self.with(|state| state.live.is_some());
                (!live).then(|| "it is being rebuilt from its checkpoint and log".to_owned())
            }
        }
    }

    pub(crate) fn count_into(&self, stats: &mut Stats) {
        self.with(|state| {
            stats.shards += 1;
            stats.detections += state.detections as u64;
            if let Some(live) = &state.live {
                stats.shards_ready += 1;
                stats.events += live.ledger.counts.events;
                stats.repeated_batches += live.ledger.counts.repeated_batches;
                stats.duplicate_events += live.ledger.counts.duplicate_events;
                stats.late_events += live.ledger.counts.late_events;
                stats.profiles += live.engine.profiles() as u64;
                stats.profiles_dirty += live.engine.dirty().max(live.saving) as u64;
                stats.profile_bytes += live.engine.memory_bytes() as u64;
            }
        });
    }
}
