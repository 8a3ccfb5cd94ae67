//! One node's data plane on in-memory twins, with crashes.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use via_catalog::command::{CreateStream, CreateTenant, FormCluster, OpenProducer};
use via_catalog::{Catalog, ClusterId, Command, Outcome, View};
use via_shard::{Feed, Filter, Ground, Handle, Host, Options, Page, Query, Recorded, Start};
use via_storage::{Error, Log, MemoryLog, MemoryStore, Order, Space, Store, Write};
use via_types::batch::Origin;
use via_types::clock::ManualClock;
use via_types::{
    Batch, Clock, DetectionId, Epoch, GroupId, NodeId, ProducerId, Revision, Sequence, ShardId,
    StreamConfig, StreamId, TenantId, Timestamp,
};

/// Longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store that loses what was not committed, from a point on.
pub(crate) struct Fragile {
    live: Mutex<MemoryStore>,
    durable: Mutex<MemoryStore>,
    pending: Mutex<Vec<Vec<Write>>>,
    is_full: AtomicBool,
}

impl Fragile {
    fn new() -> Self {
        Self {
            live: Mutex::new(MemoryStore::new()),
            durable: Mutex::new(MemoryStore::new()),
            pending: Mutex::default(),
            is_full: AtomicBool::new(false),
        }
    }

    /// Keeps the first `kept` uncommitted writes and loses the rest.
    fn crash(&self, kept: usize) {
        let pending = std::mem::take(&mut *self.pending.lock());
        let durable = self.durable.lock();
        for batch in pending.into_iter().take(kept) {
            durable.write(batch).expect("memory");
        }
        let fresh = MemoryStore::new();
        for space in Space::ALL {
            let all = (Bound::Unbounded, Bound::Unbounded);
            let records = durable.scan(space, all, Order::Ascending, usize::MAX).expect("memory");
            let puts = records.into_iter().map(|(key, value)| Write::Put { space, key, value });
            fresh.write(puts.collect()).expect("memory");
        }
        *self.live.lock() = fresh;
    }
}

impl Store for Fragile {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.live.lock().get(space, key)
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), Error> {
        self.pending.lock().push(batch.clone());
        self.live.lock().write(batch)
    }

    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, Error> {
        self.live.lock().scan(space, bounds, order, limit)
    }

    fn commit(&self) -> Result<(), Error> {
        let mut pending = self.pending.lock();
        let durable = self.durable.lock();
        for batch in pending.drain(..) {
            durable.write(batch)?;
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::Relaxed)
    }

    fn approximate_bytes(&self) -> u64 {
        self.live.lock().approximate_bytes()
    }
}

/// A node's data plane that can crash and start again.
pub(crate) struct Rig {
    pub(crate) stream: StreamId,
    log: Arc<MemoryLog>,
    store: Arc<Fragile>,
    clock: Arc<ManualClock>,
    view: watch::Receiver<Arc<View>>,
    options: Options,
    running: Option<Running>,
}

struct Running {
    handle: Handle,
    consensus: via_consensus::Host,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), via_shard::Error>>,
}

fn view(shards: u16, config: &StreamConfig) -> (Arc<View>, StreamId) {
    let at = Timestamp::from_nanos(1);
    let mut catalog = Catalog::default();
    let form = FormCluster { id: ClusterId::new(7), shards, at };
    let tenant = CreateTenant { name: "default".to_owned(), at };
    let create = CreateStream {
        tenant: TenantId::new(1),
        name: "s".to_owned(),
        config: serde_json::to_string(config).expect("plain data"),
        at,
    };
    let mut apply = |revision, command: Command| {
        catalog.apply(Revision::new(revision), command).outcome.expect("accepted")
    };
    apply(1, Command::FormCluster(form));
    apply(2, Command::CreateTenant(tenant));
    let Outcome::Stream { stream, .. } = apply(3, Command::CreateStream(create)) else {
        panic!("a stream was asked for");
    };
    for (revision, name) in [(4, "p"), (5, "p")] {
        let open = OpenProducer { tenant: TenantId::new(1), name: name.to_owned() };
        apply(revision, Command::OpenProducer(open));
    }
    (Arc::new(catalog.view()), stream.id)
}

impl Rig {
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_with(options, &StreamConfig::default()).await
    }

    /// Starts one whose stream is judged by `config`.
    pub(crate) async fn start_with(options: Options, config: &StreamConfig) -> Self {
        let (view, stream) = view(options.shards, config);
        let (_keep, view) = watch::channel(view);
        let mut rig = Self {
            stream,
            log: Arc::new(MemoryLog::new()),
            store: Arc::new(Fragile::new()),
            clock: Arc::new(ManualClock::new(Timestamp::from_nanos(1_700_000_000_000_000_000))),
            view,
            options,
            running: None,
        };
        rig.open().await;
        rig
    }

    async fn open(&mut self) {
        let node = NodeId::new(1);
        let log: Arc<dyn Log> = Arc::clone(&self.log) as Arc<dyn Log>;
        let options = via_consensus::Options::new(node);
        let consensus = via_consensus::Host::new(options, Arc::clone(&log), None).expect("options");
        let ground = Ground {
            consensus: consensus.clone(),
            log,
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            view: self.view.clone(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
        };
        let (host, handle) = Host::open(self.options.clone(), ground).await.expect("opens");
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(host.run(stopped));
        self.running = Some(Running { handle, consensus, stop, task });
        self.until("every shard is ready", |rig| rig.handle().not_ready().is_empty()).await;
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.running.as_ref().expect("running").handle
    }

    /// Lists detections.
    pub(crate) fn detections(&self, query: &Query) -> Result<Page, via_shard::Error> {
        wait(self.handle().detections(query))
    }

    /// Returns one detection.
    pub(crate) fn detection(
        &self,
        tenant: TenantId,
        id: DetectionId,
    ) -> Result<Option<Recorded>, via_shard::Error> {
        wait(self.handle().detection(tenant, id))
    }

    /// Follows detections.
    pub(crate) fn subscribe(&self, start: Start, filter: Filter) -> Result<Feed, via_shard::Error> {
        wait(self.handle().subscribe(start, filter))
    }

    /// Ends the node at once, loses unsynced state but for its first `kept`
    /// writes, and starts again.
    pub(crate) async fn crash(&mut self, kept: usize) {
        let running = self.running.take().expect("running");
        running.task.abort();
        running.consensus.shutdown().await;
        drop(running.stop);
        self.store.crash(kept);
        self.open().await;
    }

    /// Fills the disk, or makes room.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.store.is_full.store(is_full, Ordering::Relaxed);
    }

    /// Moves the clock a second and returns the time.
    pub(crate) fn tick(&self) -> Timestamp {
        self.clock.advance(Duration::from_secs(1));
        self.clock.now()
    }

    /// Moves the clock.
    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// Returns the first index in the shard's log.
    pub(crate) fn first_index(&self, shard: ShardId) -> u64 {
        self.log.bounds(GroupId::of_shard(shard)).map_or(0, |(first, _)| first)
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !condition(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
    }
}

/// Waits where conditions cannot.
fn wait<T>(asked: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asked))
}

/// Makes `count` events of one entity, a millisecond apart, beginning at `at`.
pub(crate) fn batch(stream: StreamId, entity: &str, count: usize, at: Timestamp) -> Batch {
    let mut batch = Batch { stream, ..Batch::default() };
    batch.keys.push(entity);
    batch.entity = vec![0; count].into();
    batch.at = (0..count as i64).map(|event| at.as_nanos() + event * 1_000_000).collect();
    batch.value = (0..count).map(|event| (event % 7) as f64).collect();
    batch
}

pub(crate) fn origin(producer: u64, epoch: u32, sequence: u64) -> Origin {
    Origin {
        producer: ProducerId::new(producer),
        epoch: Epoch::new(epoch),
        sequence: Sequence::new(sequence),
        part: 0,
    }
}
