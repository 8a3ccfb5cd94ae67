//! One node: what survives its end (disk, store, clock), and its life while it
//! runs: the real rooms, brought up in the order in which `via-node` does it. A
//! life that ends takes everything of it along but what was durable.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use via_catalog::ClusterId;
use via_storage::disk::simulated::{Fault, SimulatedDisk};
use via_storage::{Log, SimulatedStore, Store};
use via_transport::{Links, MemoryLinks, MemoryNetwork};
use via_types::{Clock, NodeId};

use crate::clock::WallClock;
use crate::dice::Dice;
use crate::disk::{DiskLog, Pace, Pump};
use crate::entropy;
use crate::plan::{Loss, Plan};
use crate::trace::Trace;

/// The cluster's first node, which forms it.
pub(crate) const FIRST: NodeId = NodeId::new(1);
/// Which cluster it is.
const CLUSTER: ClusterId = ClusterId::new(7);

/// What all nodes of a run share.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) plan: Arc<Plan>,
    pub(crate) network: MemoryNetwork,
    pub(crate) trace: Trace,
}

/// The rooms of a node that runs.
#[derive(Clone)]
pub(crate) struct Rooms {
    pub(crate) control: via_control::Handle,
    pub(crate) shard: via_shard::Handle,
    pub(crate) consensus: via_consensus::Host,
    /// Turns true when this life is over.
    pub(crate) over: watch::Receiver<bool>,
}

/// How a life ended by itself.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// It was stopped as it should be.
    Stopped,
    /// The cluster could not be found in time, or the disk failed: whoever
    /// supervises it starts it again.
    Failed(String),
    /// It refuses to serve on what it found on its disk (invariant D-7).
    Refused(String),
}

/// One life.
struct Life {
    links: Arc<MemoryLinks>,
    rooms: Arc<Mutex<Option<Rooms>>>,
    log: Option<Arc<DiskLog>>,
    end: Arc<Mutex<Option<End>>>,
    over: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    tasks: Vec<AbortHandle>,
}

/// A node and what survives its end.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    ground: Ground,
    pub(crate) disk: SimulatedDisk,
    pub(crate) store: SimulatedStore,
    pub(crate) clock: Arc<WallClock>,
    pub(crate) pace: Arc<Pace>,
    dice: Arc<Mutex<Dice>>,
    known: BTreeSet<NodeId>,
    /// How many lives it has had.
    lives: u64,
    /// How often its engine was upgraded.
    upgrades: u32,
    life: Option<Life>,
}

impl Node {
    /// Makes a node that has never run; it asks those that are `known` for the
    /// cluster, or forms it when there are none.
    pub(crate) fn new(id: NodeId, ground: Ground, known: BTreeSet<NodeId>, began: Instant) -> Self {
        let dice = Dice::new(ground.plan.seed).fork(1_000 + id.get());
        Self {
            id,
            ground,
            disk: SimulatedDisk::new(),
            store: SimulatedStore::new(),
            clock: Arc::new(WallClock::begin(began)),
            pace: Arc::default(),
            dice: Arc::new(Mutex::new(dice)),
            known,
            lives: 0,
            upgrades: 0,
            life: None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.life.is_some()
    }

    /// Returns the rooms, once they are open.
    pub(crate) fn rooms(&self) -> Option<Rooms> {
        self.life.as_ref()?.rooms.lock().clone()
    }

    /// Returns the log of the life that goes on.
    pub(crate) fn log(&self) -> Option<Arc<DiskLog>> {
        self.life.as_ref()?.log.clone()
    }

    /// Says how the life ended by itself, if it did.
    pub(crate) fn end(&self) -> Option<End> {
        self.life.as_ref()?.end.lock().clone()
    }

    /// Says whether its power went in the middle of a write.
    pub(crate) fn has_lost_power(&self) -> bool {
        self.life.is_some() && self.disk.is_off()
    }

    /// Begins a life.
    pub(crate) fn start(&mut self) {
        self.lives += 1;
        let trace = &self.ground.trace;
        trace.note(format_args!("{} starts (life {})", self.id, self.lives));
        let links = self.ground.network.links(self.id);
        let (over, is_over) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let mut life = Life {
            links: Arc::clone(&links),
            rooms: Arc::default(),
            log: None,
            end: Arc::default(),
            over,
            stop,
            tasks: Vec::new(),
        };
        match DiskLog::open(&self.disk, self.ground.plan.settings.segment_bytes) {
            Err(error) => *life.end.lock() = Some(refused(&error)),
            Ok((log, hand)) => {
                life.log = Some(Arc::clone(&log));
                let pump = Pump {
                    node: self.id,
                    log: Arc::clone(&log),
                    hand,
                    disk: self.disk.clone(),
                    pace: Arc::clone(&self.pace),
                    dice: Arc::clone(&self.dice),
                    trace: trace.clone(),
                };
                life.tasks.push(tokio::spawn(pump.run()).abort_handle());
                let start = Start {
                    id: self.id,
                    plan: Arc::clone(&self.ground.plan),
                    known: self.known.clone(),
                    upgrades: self.upgrades,
                    log: log as Arc<dyn Log>,
                    links: links as Arc<dyn Links>,
                    store: Arc::new(self.store.clone()),
                    clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
                    rooms: Arc::clone(&life.rooms),
                    over: is_over,
                    stopped,
                };
                let (end, id, trace) = (Arc::clone(&life.end), self.id, trace.clone());
                let run = async move {
                    let ended = start.run().await;
                    trace.note(format_args!("{id} ends: {ended:?}"));
                    *end.lock() = Some(ended);
                };
                life.tasks.push(tokio::spawn(run).abort_handle());
            }
        }
        self.life = Some(life);
    }

    /// Lets the disk lose power within so many steps.
    pub(crate) fn lose_power_within(&self, steps: u64) {
        self.disk.fail_at(self.disk.steps() + steps, Fault::PowerLoss);
    }

    /// Lets the next change or sync of the disk fail.
    pub(crate) fn fail_next_sync(&self) {
        self.disk.fail_at(self.disk.steps() + 1, Fault::Once(std::io::ErrorKind::Other));
    }

    /// Lets its next life have the next version of the engine.
    pub(crate) fn upgrade(&mut self) {
        self.upgrades += 1;
    }

    /// Lets the disk fail no more by plan.
    pub(crate) fn calm(&self) {
        if !self.disk.is_off() {
            self.disk.fail_at(u64::MAX, Fault::PowerLoss);
        }
    }

    /// Asks the node to stop as it should; [`Self::end`] tells when it has.
    pub(crate) fn stop(&self) {
        if let Some(life) = &self.life {
            life.stop.send_replace(true);
        }
    }

    /// Ends the life at once, and leaves on disk what `loss` leaves.
    pub(crate) fn crash(&mut self, loss: Loss) {
        let Some(life) = self.life.take() else { return };
        self.ground.trace.note(format_args!("{} crashes: {loss:?}", self.id));
        // Nothing in it waits.
        let _closed = life.links.close().now_or_never();
        life.over.send_replace(true);
        for task in &life.tasks {
            task.abort();
        }
        let (disk, store) = {
            let mut dice = self.dice.lock();
            let kept = dice.below(self.store.unsynced() as u64 + 1) as usize;
            let disk = match loss {
                Loss::Process if !self.disk.is_off() => self.disk.image(),
                Loss::Process | Loss::Power | Loss::PowerWithin(_) => {
                    self.disk.after_power_loss(dice.draw())
                }
            };
            (disk, self.store.after_power_loss(kept))
        };
        // What of this life still goes on writes nowhere.
        self.disk.fail_at(self.disk.steps(), Fault::PowerLoss);
        self.disk = disk;
        match store {
            Ok(store) => self.store = store,
            Err(error) => {
                self.ground.trace.violation(format_args!("the store in memory failed: {error}"));
            }
        }
        let rooms = life.rooms.lock().take();
        if let Some(rooms) = rooms {
            tokio::spawn(async move { rooms.consensus.shutdown().await });
        }
    }

    /// Flips a bit of the log's files.
    pub(crate) fn flip_a_bit(&self, dice: &mut Dice) {
        let names = via_storage::disk::Disk::list(&self.disk).unwrap_or_default();
        if names.is_empty() {
            return;
        }
        let name = dice.pick(&names);
        let bits = self.disk.bytes(name).len() as u64 * 8;
        if bits > 0 {
            let bit = dice.below(bits);
            self.disk.flip(name, bit);
            self.ground.trace.note(format_args!("{}: bit {bit} of {name} flips", self.id));
        }
    }

    /// Sets the state store aside: what is stored is damaged.
    pub(crate) fn set_store_aside(&mut self) {
        self.store = SimulatedStore::new();
    }
}

/// What a life begins with.
struct Start {
    id: NodeId,
    plan: Arc<Plan>,
    known: BTreeSet<NodeId>,
    upgrades: u32,
    log: Arc<dyn Log>,
    links: Arc<dyn Links>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    rooms: Arc<Mutex<Option<Rooms>>>,
    over: watch::Receiver<bool>,
    stopped: watch::Receiver<bool>,
}

impl Start {
    /// Brings the rooms up and runs them to their end.
    async fn run(self) -> End {
        let options = via_consensus::Options {
            keep_entries: self.plan.settings.keep_entries,
            ..via_consensus::Options::new(self.id)
        };
        let links = Some(Arc::clone(&self.links));
        let consensus = match via_consensus::Host::new(options, Arc::clone(&self.log), links) {
            Ok(consensus) => consensus,
            Err(error) => return End::Failed(words(&error)),
        };
        let ended = self.run_on(&consensus).await;
        consensus.shutdown().await;
        self.links.close().await;
        ended
    }

    async fn run_on(&self, consensus: &via_consensus::Host) -> End {
        let ground = via_control::Ground {
            host: consensus,
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            links: Some(Arc::clone(&self.links)),
            papers: None,
        };
        let opened = via_control::Service::open_among(self.control_options(), ground).await;
        let (catalog, control) = match opened {
            Ok(opened) => opened,
            Err(error @ (via_control::Error::NotThere { .. } | via_control::Error::NoLeader)) => {
                return End::Failed(words(&error));
            }
            Err(error) => return refused(&error),
        };
        let ground = via_shard::Ground {
            consensus: consensus.clone(),
            log: Arc::clone(&self.log),
            store: Arc::clone(&self.store),
            view: control.watch(),
            clock: Arc::clone(&self.clock),
        };
        let opened = via_shard::Host::open(self.shard_options(&control), ground).await;
        let (shards, shard) = match opened {
            Ok(opened) => opened,
            Err(error) => return refused(&error),
        };
        let (over, consensus) = (self.over.clone(), consensus.clone());
        *self.rooms.lock() = Some(Rooms { control, shard, consensus, over });
        self.serve(shards, catalog).await
    }

    async fn serve(&self, shards: via_shard::Host, catalog: via_control::Service) -> End {
        let mut stopped = self.stopped.clone();
        let (halt, halted) = watch::channel(false);
        let thrown = |mut switch: watch::Receiver<bool>| async move {
            let _dropped = switch.wait_for(|thrown| *thrown).await;
        };
        let mut shards = tokio::task::JoinSet::from_iter([shards.run(self.stopped.clone())]);
        let mut catalog = tokio::task::JoinSet::from_iter([catalog.run(thrown(halted))]);
        tokio::select! {
            biased;
            Some(ended) = shards.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return End::Failed(words(&error)),
                Err(error) => return End::Failed(error.to_string()),
            },
            Some(ended) = catalog.join_next() => return match ended {
                Ok(Ok(())) => End::Failed("the catalog ended by itself".to_owned()),
                Ok(Err(error)) => End::Failed(words(&error)),
                Err(error) => End::Failed(error.to_string()),
            },
        }
        if !*stopped.borrow_and_update() {
            return End::Failed("the shards ended by themselves".to_owned());
        }
        halt.send_replace(true);
        match catalog.join_next().await {
            Some(Ok(Ok(()))) | None => End::Stopped,
            Some(Ok(Err(error))) => End::Failed(words(&error)),
            Some(Err(error)) => End::Failed(error.to_string()),
        }
    }

    fn control_options(&self) -> via_control::Options {
        let settings = &self.plan.settings;
        let mut options = via_control::Options::new(self.id, format!("node-{}", self.id.get()));
        options.shards = self.plan.shards;
        options.random = entropy::fill;
        options.addresses = vec![format!("{}.sim:7400", self.id)];
        options.adopts_shards = true;
        options.cluster = Some(CLUSTER);
        options.known = self.known.clone();
        options.commit_entries = 16;
        options.keep_entries = settings.keep_entries;
        options.replace_after = settings.replace_after;
        if self.id != FIRST {
            options.voters.clear();
        }
        options
    }

    fn shard_options(&self, control: &via_control::Handle) -> via_shard::Options {
        let settings = &self.plan.settings;
        via_shard::Options {
            node: self.id,
            engine: via_shard::Options::default().engine + self.upgrades,
            shards: control.view().shards(),
            memory_bytes: 64 << 20,
            checkpoint_interval: settings.checkpoint_interval,
            checkpoint_events: settings.checkpoint_events,
            queue_bytes: 8 << 20,
            write_deadline: Duration::from_secs(5),
            keep_detections: settings.keep_detections,
            feed_buffer: 64,
            ..via_shard::Options::default()
        }
    }
}

fn refused(error: &(dyn std::error::Error + 'static)) -> End {
    End::Refused(words(error))
}

/// Returns an error's words with those of its causes.
pub(crate) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
