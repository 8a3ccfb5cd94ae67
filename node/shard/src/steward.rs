//! Keeps the shards of this node as the catalog's view says: opens replicas,
//! moves those that it leads one step at a time, closes and deletes those that
//! have left. Level-triggered: looks at what is, so that a crash between any two
//! deeds only means that the next is decided anew (invariant P-1).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::Instant;
use via_consensus::{Group, Position, Tail};
use via_placement::{Replicas, next_step};
use via_types::{GroupId, NodeId, ShardId};

use crate::driver::{Driver, Outfit};
use crate::feed::Heard;
use crate::handle::{Handle, desired};
use crate::host::{DOOR, Ground};
use crate::machine::Shard;
use crate::replica::Replica;
use crate::saver::Saver;
use crate::seats::Seat;
use crate::steps::{self, Work};
use crate::wire::{Question, Told};
use crate::{Error, replay, snapshot};

/// How often it looks when nothing tells it to.
const LOOK: Duration = Duration::from_millis(250);
/// How long a shard is left alone after a step that was not taken.
const REST: Duration = Duration::from_secs(2);
/// Copies that this node makes at a time of the shards it leads.
const COPYING: usize = 1;
/// How long handing everything over may take when the node stops.
const HANDOVER: Duration = Duration::from_secs(5);
/// How long a driver may take to finish when its replica leaves.
const PARTING: Duration = Duration::from_secs(5);

/// A driver under way.
struct Running {
    stop: watch::Sender<bool>,
    driver: JoinHandle<()>,
    watcher: AbortHandle,
}

/// What a task of the steward came to.
enum Done {
    /// A step was taken, or not.
    Step(ShardId, bool),
    /// What the replica here took for the shard's members when it was asked
    /// whether they count on this node, and the answer; none when nobody could
    /// say.
    Asked(ShardId, Option<Position>, Option<bool>),
}

/// Keeps the shards of one node.
pub(crate) struct Steward {
    handle: Handle,
    ground: Ground,
    saver: Saver,
    /// Opened and not running yet.
    waiting: Mutex<Vec<Driver>>,
    running: BTreeMap<ShardId, Running>,
    failures: JoinSet<(ShardId, via_consensus::Error)>,
    tasks: JoinSet<Done>,
    /// A step is under way.
    is_stepping: bool,
    /// Shards of which it is being asked whether they may go.
    asking: BTreeSet<ShardId>,
    /// Shards that are left alone until then.
    resting: BTreeMap<ShardId, Instant>,
}

impl fmt::Debug for Steward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Steward({} running)", self.running.len())
    }
}

impl Steward {
    pub(crate) fn new(handle: Handle, ground: Ground, saver: Saver) -> Self {
        Self {
            handle,
            ground,
            saver,
            waiting: Mutex::default(),
            running: BTreeMap::new(),
            failures: JoinSet::new(),
            tasks: JoinSet::new(),
            is_stepping: false,
            asking: BTreeSet::new(),
            resting: BTreeMap::new(),
        }
    }

    fn me(&self) -> NodeId {
        self.handle.inner.options.node
    }

    /// Says whether shards that have never been anywhere begin on this node:
    /// that of the cluster's first node, or one that is alone.
    fn is_founder(&self) -> bool {
        let view = self.ground.view.borrow();
        self.handle.inner.links.is_none()
            || view.nodes().next().is_some_and(|first| first.id == self.me())
    }

    /// Opens every shard that is here, should be, or must begin here.
    ///
    /// # Errors
    /// A log or store that cannot be trusted (invariant D-7).
    pub(crate) async fn open_all(&mut self) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for shard in self.handle.inner.seats.shards() {
            if self.handle.inner.seats.get(shard).is_none() && self.is_wanted(shard)? {
                wanted.push(shard);
            }
        }
        let opened = try_join_all(wanted.into_iter().map(|shard| self.open(shard))).await?;
        for (seat, driver) in opened {
            let shard = driver.replica.shard;
            self.handle.inner.seats.put(Arc::new(seat));
            // Those who follow it elsewhere read it here now.
            let _listeners = self.handle.inner.feed.send(Heard::Jump(shard));
            self.waiting.get_mut().push(driver);
        }
        Ok(())
    }

    fn is_wanted(&self, shard: ShardId) -> Result<bool, Error> {
        let (group, consensus) = (GroupId::of_shard(shard), &self.ground.consensus);
        let broken = |source| Error::Consensus { shard, source: Arc::new(source) };
        Ok(consensus.has_replica(group).map_err(broken)?
            || desired(&self.handle.inner, shard).contains(&self.me())
            || self.is_founder() && !consensus.has_left(group).map_err(broken)?)
    }

    async fn open(&self, shard: ShardId) -> Result<(Seat, Driver), Error> {
        let (group, consensus) = (GroupId::of_shard(shard), &self.ground.consensus);
        let broken = |source| Error::Consensus { shard, source: Arc::new(source) };
        let has_left = consensus.has_left(group).map_err(broken)?;
        if has_left {
            // It left, and the node stopped before all of it was deleted.
            self.delete(shard).await?;
        }
        let has_replica = consensus.has_replica(group).map_err(broken)?;
        let begins = self.is_founder() && !has_left && !has_replica;
        let bootstrap = begins.then(|| BTreeSet::from([self.me()]));
        let state = replay::open(&self.ground.store, shard)?;
        let inner = &self.handle.inner;
        let (options, feed) = (inner.options.clone(), inner.feed.clone());
        let store = Arc::clone(&self.ground.store);
        let pressure = Arc::clone(&inner.pressure);
        let replica = Arc::new(Replica::new(shard, options, store, feed, pressure, state));
        let opened_at = consensus.last(group).map_err(broken)?;
        let (node, of_machine) = (self.me(), Arc::clone(&replica));
        let machine = move |tail: Arc<dyn Tail>| {
            let told = Mutex::default();
            Ok(Shard { replica: of_machine, tail, node, opened_at, told })
        };
        let opened = consensus.open(group, bootstrap, machine).await.map_err(broken)?;
        replica.attach(opened.clone());
        let (door, requests) = mpsc::channel(DOOR);
        let outfit = Outfit {
            view: self.ground.view.clone(),
            clock: Arc::clone(&self.ground.clock),
            saver: self.saver.clone(),
            courier: inner.couriers.get(usize::from(shard.get())).cloned(),
        };
        let driver = Driver::new(Arc::clone(&replica), opened, outfit, requests);
        Ok((Seat { replica, door }, driver))
    }

    /// Runs until `shutdown`, and hands leaderships over then.
    ///
    /// # Errors
    /// The shard that failed.
    pub(crate) async fn run(&mut self, mut shutdown: watch::Receiver<bool>) -> Result<(), Error> {
        let is_alone = self.handle.inner.links.is_none();
        let mut view = self.ground.view.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut has_view = true;
        loop {
            self.start_drivers();
            if !is_alone {
                self.open_all().await?;
                self.start_drivers();
                self.begin_steps();
                self.ask_to_leave();
            }
            tokio::select! {
                Some(Ok((shard, source))) = self.failures.join_next() => {
                    return Err(Error::Consensus { shard, source: Arc::new(source) });
                }
                () = stopped(&mut shutdown) => break,
                Some(Ok(done)) = self.tasks.join_next() => self.finish(done).await?,
                changed = view.changed(), if !is_alone && has_view => has_view = changed.is_ok(),
                _ = look.tick(), if !is_alone => {}
            }
        }
        self.tasks.abort_all();
        self.handle.inner.stopping.store(true, Ordering::Release);
        if !is_alone {
            self.hand_over().await;
        }
        Ok(())
    }

    fn start_drivers(&mut self) {
        for driver in std::mem::take(self.waiting.get_mut()) {
            let shard = driver.replica.shard;
            let group = driver.group.clone();
            let watcher = self.failures.spawn(async move { (shard, group.failed().await) });
            let (stop, stopped) = watch::channel(false);
            let driver = tokio::spawn(driver.run(stopped));
            self.running.insert(shard, Running { stop, driver, watcher });
        }
    }

    /// Decides and begins the next step of a shard that is led here.
    fn begin_steps(&mut self) {
        if self.is_stepping {
            return;
        }
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let mut current = Vec::new();
        for shard in self.handle.inner.seats.shards() {
            let is_resting = self.resting.contains_key(&shard);
            let group = self.led(shard).filter(|_| !is_resting);
            let Some(status) = group.map(|group| group.status()) else {
                current.push(Replicas::default());
                continue;
            };
            if status.voters.len() > 1 {
                let voters = status.voters.last().cloned().unwrap_or_default();
                return self.begin(Work::Settle(shard, voters));
            }
            current.push(steps::replicas(&self.handle, &status));
        }
        let placement = Arc::clone(self.ground.view.borrow().placement());
        let (me, presence) = (self.me(), &self.handle.inner.presence);
        let live = |node: NodeId| node == me || presence.is_live(node);
        if let Some(step) = next_step(&current, &placement, &live, COPYING) {
            self.begin(Work::Step(step));
        }
    }

    fn begin(&mut self, work: Work) {
        let shard = work.shard();
        if let Some(group) = self.led(shard) {
            self.is_stepping = true;
            let handle = self.handle.clone();
            let step = async move { Done::Step(shard, steps::take(handle, group, work).await) };
            self.tasks.spawn(step);
        }
    }

    /// Returns the group of a shard that this node leads.
    fn led(&self, shard: ShardId) -> Option<Group> {
        let seat = self.handle.inner.seats.get(shard)?;
        let leads = seat.replica.leadership().is_some_and(|now| now.is_me);
        if leads { seat.replica.group().ok().cloned() } else { None }
    }

    /// Asks, for each replica that should not be here, whether it may go.
    fn ask_to_leave(&mut self) {
        let me = self.me();
        let now = Instant::now();
        for shard in self.handle.inner.seats.shards() {
            let Some(seat) = self.handle.inner.seats.get(shard) else { continue };
            if self.asking.contains(&shard)
                || self.resting.get(&shard).is_some_and(|until| *until > now)
                || self.led(shard).is_some()
            {
                continue;
            }
            let wanted = desired(&self.handle.inner, shard);
            if wanted.is_empty() || wanted.contains(&me) {
                continue;
            }
            let Ok(group) = seat.replica.group().cloned() else { continue };
            self.asking.insert(shard);
            let handle = self.handle.clone();
            self.tasks.spawn(async move {
                let Ok(as_of) = group.members_at().await else {
                    return Done::Asked(shard, None, None);
                };
                let counts = match handle.ask(shard, Question::Members).await {
                    Ok(Told::Members(members)) => Some(members.contains(&me)),
                    Ok(_) | Err(_) => None,
                };
                Done::Asked(shard, as_of, counts)
            });
        }
    }

    async fn finish(&mut self, done: Done) -> Result<(), Error> {
        match done {
            Done::Step(shard, taken) => {
                self.is_stepping = false;
                if !taken {
                    self.resting.insert(shard, Instant::now() + REST);
                }
            }
            Done::Asked(shard, as_of, counts) => {
                self.asking.remove(&shard);
                if counts == Some(false) {
                    self.leave(shard, as_of).await?;
                } else {
                    self.resting.insert(shard, Instant::now() + LOOK);
                }
            }
        }
        Ok(())
    }

    /// Closes a replica that nobody counts on and deletes what is here of it. One
    /// that was let in again since `as_of` is opened again instead.
    async fn leave(&mut self, shard: ShardId, as_of: Option<Position>) -> Result<(), Error> {
        if desired(&self.handle.inner, shard).contains(&self.me()) {
            return Ok(());
        }
        drop(self.handle.inner.seats.take(shard));
        if let Some(mut running) = self.running.remove(&shard) {
            running.watcher.abort();
            running.stop.send_replace(true);
            // One that takes longer ends with what it runs in.
            let _ended = tokio::time::timeout(PARTING, &mut running.driver).await;
        }
        let group = GroupId::of_shard(shard);
        let left = self.ground.consensus.leave(group, as_of).await;
        if !left.map_err(|source| Error::Consensus { shard, source: Arc::new(source) })? {
            tracing::info!(%shard, "its replica stays: the members have changed meanwhile");
            self.resting.insert(shard, Instant::now() + LOOK);
            return Ok(());
        }
        self.delete(shard).await?;
        tracing::info!(%shard, "its replica has left this node");
        Ok(())
    }

    /// Deletes what is stored of a shard that has left, then its log.
    async fn delete(&self, shard: ShardId) -> Result<(), Error> {
        let store = Arc::clone(&self.ground.store);
        let cleared = via_consensus::aside(move || {
            snapshot::clear(&store, shard)?;
            store.commit().map_err(Error::from)
        });
        let stopped = |_| Error::NotReady { shard, what: "deleting was stopped".to_owned() };
        cleared.await.map_err(stopped)??;
        let discarded = self.ground.consensus.discard(GroupId::of_shard(shard));
        discarded.map_err(|source| Error::Consensus { shard, source: Arc::new(source) })
    }

    /// Hands every leadership to another replica, so that nobody waits for an
    /// election when this node is gone.
    async fn hand_over(&self) {
        let handing: FuturesUnordered<_> = (self.handle.inner.seats.shards())
            .filter_map(|shard| Some((shard, self.led(shard)?)))
            .map(|(shard, group)| async move {
                let heirs = desired(&self.handle.inner, shard);
                steps::hand_over(&self.handle, &group, &heirs).await;
            })
            .collect();
        if tokio::time::timeout(HANDOVER, handing.count()).await.is_err() {
            tracing::warn!("some shards were not handed over in time; they will elect a leader");
        }
    }

    /// Ends every driver after it has finished what it took.
    pub(crate) async fn stop(self) {
        for running in self.running.values() {
            running.stop.send_replace(true);
        }
        let until = Instant::now() + self.handle.inner.options.write_deadline;
        for mut running in self.running.into_values() {
            running.watcher.abort();
            // Without a majority nothing is ever committed, and nobody waits for it.
            match tokio::time::timeout_at(until, &mut running.driver).await {
                Ok(Err(error)) if error.is_panic() => {
                    std::panic::resume_unwind(error.into_panic());
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Resolves when the switch is thrown, or nobody holds it any more.
pub(crate) async fn stopped(switch: &mut watch::Receiver<bool>) {
    let _dropped = switch.wait_for(|stop| *stop).await;
}

impl Drop for Running {
    /// A node that ends at once takes its drivers along.
    fn drop(&mut self) {
        self.driver.abort();
    }
}
