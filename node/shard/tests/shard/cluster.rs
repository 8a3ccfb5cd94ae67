//! Several nodes in one process, on a network in memory: fixed or changing
//! placement, faults between nodes, nodes that end at once and start again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use via_catalog::command::{
    CreateStream, CreateTenant, FormCluster, OpenProducer, RegisterNode, SetNodeState,
};
use via_catalog::object::NodeState;
use via_catalog::{Catalog, ClusterId, Command, Outcome, View};
use via_shard::{Answer, Error, Filter, Ground, Handle, Host, Options, Query, Sort};
use via_storage::{Log, MemoryStore, Store};
use via_transport::{Links, MemoryNetwork};
use via_types::clock::ManualClock;
use via_types::{
    Batch, Clock, Detection, EntityHash, Fate, NodeId, Revision, ShardId, StreamConfig, StreamId,
    TenantId, Timestamp,
};

use crate::disk::Disk;

/// Longest wait for a condition.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A node and what survives its end.
struct Node {
    log: Arc<Disk>,
    store: Arc<MemoryStore>,
    running: Option<Running>,
}

struct Running {
    links: Arc<dyn Links>,
    handle: Handle,
    consensus: via_consensus::Host,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), Error>>,
}

/// Several nodes.
pub(crate) struct Cluster {
    pub(crate) stream: StreamId,
    pub(crate) network: MemoryNetwork,
    options: Options,
    catalog: Catalog,
    revision: u64,
    views: BTreeMap<NodeId, watch::Sender<Arc<View>>>,
    /// Hear of no change.
    deaf: Vec<NodeId>,
    clock: Arc<ManualClock>,
    nodes: BTreeMap<NodeId, Node>,
    /// Of the nodes that run, for writers at work meanwhile.
    handles: Handles,
}

/// The handles of the nodes that run.
type Handles = Arc<Mutex<BTreeMap<NodeId, Handle>>>;

pub(crate) fn node(number: u64) -> NodeId {
    NodeId::new(number)
}

impl Cluster {
    /// Forms a cluster of so many nodes and waits until every shard is where it
    /// should be.
    pub(crate) async fn start(options: Options, count: u64) -> Self {
        let mut cluster = Self::form(options);
        for number in 1..=count {
            cluster.join(number).await;
        }
        cluster.until("every shard is in its place", Self::is_settled).await;
        cluster
    }

    fn form(options: Options) -> Self {
        let at = Timestamp::from_nanos(1);
        let mut cluster = Self {
            stream: StreamId::default(),
            network: MemoryNetwork::new(),
            catalog: Catalog::default(),
            revision: 0,
            views: BTreeMap::new(),
            deaf: Vec::new(),
            clock: Arc::new(ManualClock::new(Timestamp::from_nanos(1_700_000_000_000_000_000))),
            nodes: BTreeMap::new(),
            handles: Handles::default(),
            options,
        };
        let shards = cluster.options.shards;
        cluster.apply(FormCluster { id: ClusterId::new(7), shards, at });
        cluster.apply(CreateTenant { name: "default".to_owned(), at });
        let tenant = TenantId::new(1);
        let config = serde_json::to_string(&StreamConfig::default()).expect("plain data");
        let created = cluster.apply(CreateStream { tenant, name: "s".to_owned(), config, at });
        let Outcome::Stream { stream, .. } = created else { panic!("a stream was asked for") };
        cluster.stream = stream.id;
        for name in ["p", "q", "r"] {
            cluster.apply(OpenProducer { tenant, name: name.to_owned() });
        }
        cluster
    }

    /// Opens a producer of which some nodes do not hear; returns its id.
    pub(crate) fn open_unheard(&mut self, name: &str, deaf: &[u64]) -> u64 {
        self.deaf = deaf.iter().copied().map(node).collect();
        let opened = self.apply(OpenProducer { tenant: TenantId::new(1), name: name.to_owned() });
        let Outcome::Opened { id, .. } = opened else { panic!("a producer was asked for") };
        self.deaf.clear();
        id.get()
    }

    /// Lets every node hear of every change.
    pub(crate) fn tell_all(&self) {
        for view in self.views.values() {
            view.send_replace(Arc::new(self.catalog.view()));
        }
    }

    /// Changes the catalog; every node sees it at once.
    fn apply(&mut self, command: impl Into<Command>) -> Outcome {
        self.revision += 1;
        let applied = self.catalog.apply(Revision::new(self.revision), command);
        for (id, view) in &self.views {
            if !self.deaf.contains(id) {
                view.send_replace(Arc::new(self.catalog.view()));
            }
        }
        applied.outcome.expect("accepted")
    }

    /// Registers a node and starts it.
    pub(crate) async fn join(&mut self, number: u64) {
        let (id, name) = (node(number), format!("n{number}"));
        let addresses = vec![format!("{name}:7400")];
        self.apply(RegisterNode { id, name, addresses, zone: None });
        let (log, store) = (Arc::new(Disk::default()), Arc::new(MemoryStore::new()));
        self.nodes.insert(id, Node { log, store, running: None });
        self.run(number).await;
    }

    /// Says whether a node takes part.
    pub(crate) fn set_state(&mut self, number: u64, state: NodeState) {
        self.apply(SetNodeState { id: node(number), state });
    }

    /// Returns the disk under a node's log.
    pub(crate) fn disk(&self, number: u64) -> Arc<Disk> {
        Arc::clone(&self.nodes[&node(number)].log)
    }

    /// Starts a node that was ended.
    pub(crate) async fn run(&mut self, number: u64) {
        let id = node(number);
        let links = self.network.links(id) as Arc<dyn Links>;
        let member = self.nodes.get_mut(&id).expect("it joined");
        let log = Arc::clone(&member.log) as Arc<dyn Log>;
        let options = via_consensus::Options::new(id);
        let consensus =
            via_consensus::Host::new(options, Arc::clone(&log), Some(Arc::clone(&links)))
                .expect("options");
        self.views.entry(id).or_default().send_replace(Arc::new(self.catalog.view()));
        let ground = Ground {
            consensus: consensus.clone(),
            log,
            store: Arc::clone(&member.store) as Arc<dyn Store>,
            view: self.views.entry(id).or_default().subscribe(),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
        };
        let options = Options { node: id, ..self.options.clone() };
        let (host, handle) = Host::open(options, ground).await.expect("opens");
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(host.run(stopped));
        self.handles.lock().insert(id, handle.clone());
        member.running = Some(Running { links, handle, consensus, stop, task });
    }

    /// Ends a node at once.
    pub(crate) async fn kill(&mut self, number: u64) {
        let running = self.nodes.get_mut(&node(number)).and_then(|node| node.running.take());
        let running = running.expect("it runs");
        self.handles.lock().remove(&node(number));
        running.links.close().await;
        running.task.abort();
        running.consensus.shutdown().await;
        drop(running.stop);
    }

    /// Stops a node as it should be stopped; returns what it still leads then.
    pub(crate) async fn stop(&mut self, number: u64) -> Vec<ShardId> {
        let running = self.nodes.get_mut(&node(number)).and_then(|node| node.running.take());
        let running = running.expect("it runs");
        running.stop.send_replace(true);
        running.task.await.expect("no panic").expect("ends well");
        let leads = |shard: &ShardId| {
            let group = running.consensus.group(via_types::GroupId::of_shard(*shard));
            group.is_some_and(|group| group.leadership().borrow().is_me)
        };
        let kept = self.shards().filter(leads).collect();
        running.consensus.shutdown().await;
        running.links.close().await;
        self.handles.lock().remove(&node(number));
        kept
    }

    pub(crate) fn handle(&self, number: u64) -> &Handle {
        let running = self.nodes[&node(number)].running.as_ref();
        &running.expect("it runs").handle
    }

    fn running(&self) -> impl Iterator<Item = (NodeId, &Running)> {
        self.nodes.iter().filter_map(|(id, node)| Some((*id, node.running.as_ref()?)))
    }

    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.options.shards).map(ShardId::new)
    }

    pub(crate) fn shard_of(&self, entity: &str) -> ShardId {
        EntityHash::of(self.stream, entity).shard(self.options.shards)
    }

    /// Returns the group of a shard on a node, if it is open there.
    fn group(&self, id: NodeId, shard: ShardId) -> Option<via_consensus::Group> {
        let running = self.nodes[&id].running.as_ref()?;
        running.consensus.group(via_types::GroupId::of_shard(shard))
    }

    /// Returns the node that leads a shard, if one that runs says so.
    pub(crate) fn leader(&self, shard: ShardId) -> Option<u64> {
        let leads = |id: &NodeId| {
            let group = self.group(*id, shard)?;
            let now = *group.leadership().borrow();
            now.is_me.then_some((now.term, id.get()))
        };
        self.running().filter_map(|(id, _)| leads(&id)).max().map(|(_, id)| id)
    }

    /// Says whether every shard has exactly the replicas that it should have and
    /// is led by the first of them, and no node holds another.
    pub(crate) fn is_settled(&self) -> bool {
        let placement = self.catalog.view();
        let placement = placement.placement();
        self.shards().all(|shard| {
            let wanted = placement.replicas(shard);
            let Some(leader) = self.leader(shard) else { return false };
            let Some(group) = self.group(node(leader), shard) else { return false };
            let status = group.status();
            let voters: Vec<NodeId> = status.voters.iter().flatten().copied().collect();
            let mut sorted = wanted.to_vec();
            sorted.sort_unstable();
            let elsewhere = self
                .running()
                .any(|(id, _)| !wanted.contains(&id) && self.group(id, shard).is_some());
            status.settled
                && voters == sorted
                && status.learners.is_empty()
                && wanted.first() == Some(&node(leader))
                && !elsewhere
        })
    }

    /// Says whether some leader's log begins after its first entry.
    pub(crate) fn is_purged(&self) -> bool {
        self.shards().any(|shard| {
            let leader = self.leader(shard).and_then(|leader| self.group(node(leader), shard));
            leader.is_some_and(|group| group.status().purged.is_some())
        })
    }

    /// Returns how many of its keys a node's store holds of a shard.
    pub(crate) fn stored(&self, number: u64, shard: ShardId) -> usize {
        use std::ops::Bound;
        let prefix = shard.get().to_be_bytes();
        let spaces = [via_storage::Space::Shards, via_storage::Space::Profiles];
        let all = (Bound::Unbounded, Bound::Unbounded);
        let store = &self.nodes[&node(number)].store;
        let scan = |space| {
            store.scan(space, all, via_storage::Order::Ascending, usize::MAX).expect("memory")
        };
        let found = spaces.into_iter().flat_map(scan);
        found.filter(|(key, _)| key.starts_with(&prefix)).count()
    }

    /// Moves the clock a second and returns the time.
    pub(crate) fn tick(&self) -> Timestamp {
        self.clock.advance(Duration::from_secs(1));
        self.clock.now()
    }

    /// Waits until `condition` holds.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !condition(self) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.unwrap_or_else(|_| panic!("never: {what}; {}", self.describe()));
    }

    fn describe(&self) -> String {
        let mut words = String::new();
        for shard in self.shards() {
            words +=
                &format!("\n{shard} wants {:?}:", self.catalog.view().placement().replicas(shard));
            for (id, _) in self.running() {
                if let Some(group) = self.group(id, shard) {
                    words += &format!("\n  {id}: {:?}", group.status());
                }
            }
        }
        words
    }

    /// Writes on a node until it is accepted or refused for good; says how many
    /// events were accepted.
    pub(crate) async fn write(&self, number: u64, batch: Batch) -> Result<u32, Error> {
        let shard = batch.keys.iter().next().map(|key| self.shard_of(key)).expect("it has a key");
        let begun = std::time::Instant::now();
        loop {
            match self.handle(number).write(shard, batch.clone(), Answer::Counts).await {
                Ok(receipt) => return Ok(receipt.accepted),
                Err(error) => {
                    let again = match error.fate() {
                        Fate::Retry(_) => true,
                        Fate::Unknown => batch.origin.is_some(),
                        Fate::Rejected => false,
                    };
                    if !again || begun.elapsed() > PATIENCE {
                        return Err(error);
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Returns how many events of an entity were counted, as a node says.
    pub(crate) async fn counted(&self, number: u64, entity: &str) -> u64 {
        let profile = self.handle(number).profile(self.stream, entity).await.expect("readable");
        profile.map_or(0, |profile| profile.events)
    }

    /// Waits until a node says that so many events of an entity were counted.
    pub(crate) async fn until_counted(&self, number: u64, entity: &str, count: u64) {
        let counted =
            async |cluster: &Self| (cluster.counted(number, entity).await == count).then_some(());
        self.until_async("they are counted", counted).await;
    }

    /// Waits until `look` finds something, and returns it.
    pub(crate) async fn until_async<T>(
        &self,
        what: &str,
        look: impl AsyncFn(&Self) -> Option<T>,
    ) -> T {
        let looking = async {
            loop {
                if let Some(found) = look(self).await {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        let looked = tokio::time::timeout(PATIENCE, looking).await;
        looked.unwrap_or_else(|_| panic!("never: {what}"))
    }

    pub(crate) async fn end(mut self) {
        let running: Vec<u64> = self.running().map(|(id, _)| id.get()).collect();
        for number in running {
            self.kill(number).await;
        }
    }
}

/// What writers share.
#[derive(Default)]
struct Ledger {
    /// Events acknowledged, by entity.
    told: Mutex<BTreeMap<String, u64>>,
    batches: AtomicU64,
    /// Set when a write is refused, once somebody watches.
    watched: Mutex<Option<Arc<AtomicBool>>>,
}

/// Writers at work, each with its own producer's sequences, on several nodes;
/// each repeats a batch until it is acknowledged.
pub(crate) struct Writing {
    ledger: Arc<Ledger>,
    stop: watch::Sender<bool>,
    writers: Vec<JoinHandle<()>>,
}

impl Writing {
    /// Begins with a writer on each of these nodes; those that end must come
    /// back, or be none of `numbers`.
    pub(crate) fn begin(cluster: &Cluster, epoch: u32, numbers: &[u64]) -> Self {
        let ledger = Arc::new(Ledger::default());
        let (stop, stopped) = watch::channel(false);
        let writers = numbers.iter().map(|number| {
            let (ledger, stopped) = (Arc::clone(&ledger), stopped.clone());
            let (handles, stream) = (cluster.handles.clone(), cluster.stream);
            let (number, shards) = (*number, cluster.options.shards);
            let clock = Arc::clone(&cluster.clock);
            tokio::spawn(async move {
                let mut count = 0;
                while !*stopped.borrow() {
                    count += 1;
                    let entity = format!("e{}", count % 12);
                    clock.advance(Duration::from_millis(100));
                    let mut events = crate::rig::batch(stream, &entity, 7, clock.now());
                    let sequence = number * 1_000_000 + count;
                    events.origin = Some(crate::rig::origin(number, epoch, sequence));
                    let shard = EntityHash::of(stream, &entity).shard(shards);
                    let accepted = write_through(&handles, number, shard, &events, &ledger).await;
                    *ledger.told.lock().entry(entity).or_default() += u64::from(accepted);
                    ledger.batches.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let writers = writers.collect();
        Self { ledger, stop, writers }
    }

    /// Watches whether any write is refused from now on.
    pub(crate) fn watch(&self, failed: &Arc<AtomicBool>) {
        *self.ledger.watched.lock() = Some(Arc::clone(failed));
    }

    /// Waits until so many more batches were acknowledged.
    pub(crate) async fn until_more(&self, batches: u64) {
        let goal = self.ledger.batches.load(Ordering::Relaxed) + batches;
        let waiting = async {
            while self.ledger.batches.load(Ordering::Relaxed) < goal {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("writes go on");
    }

    /// Ends and returns how many events of each entity were acknowledged.
    pub(crate) async fn end(self) -> BTreeMap<String, u64> {
        self.stop.send_replace(true);
        for writer in self.writers {
            writer.await.expect("no panic");
        }
        let told = self.ledger.told.lock();
        told.clone()
    }
}

async fn write_through(
    handles: &Handles,
    number: u64,
    shard: ShardId,
    events: &Batch,
    ledger: &Ledger,
) -> u32 {
    let begun = std::time::Instant::now();
    loop {
        let handle = handles.lock().get(&node(number)).cloned();
        let Some(handle) = handle else {
            tokio::task::yield_now().await;
            continue;
        };
        match handle.write(shard, events.clone(), Answer::Counts).await {
            Ok(receipt) => return receipt.accepted,
            Err(error) => {
                assert_ne!(error.fate(), Fate::Rejected, "{error}");
                assert!(begun.elapsed() < PATIENCE, "{error}");
                if let Some(failed) = &*ledger.watched.lock() {
                    failed.store(true, Ordering::Relaxed);
                }
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Everything that is the tenant's.
pub(crate) fn mine() -> Filter {
    Filter { tenant: TenantId::new(1), ..Filter::default() }
}

/// Lists all detections, so many to a page, as a node says.
pub(crate) async fn listed(
    cluster: &Cluster,
    number: u64,
    sort: Sort,
    limit: usize,
) -> Vec<Detection> {
    let mut query = Query { filter: mine(), sort, limit, ..Query::default() };
    let mut all = Vec::new();
    loop {
        let page = cluster.handle(number).detections(&query).await.expect("readable");
        assert!(page.items.len() <= limit);
        all.extend(page.items.into_iter().map(|found| found.detection));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return all,
        }
    }
}
