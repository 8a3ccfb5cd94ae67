//! Control on one node, on the twins in memory: what it starts with, what it
//! answers, and what is there after a restart at any moment.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};
use std::ops::Bound;
use tokio::sync::oneshot;
use via_consensus::Host;
use via_control::{ClusterId, DEFAULT_TENANT, Error, Handle, Options, Refusal, Service};
use via_storage::{Log, MemoryLog, MemoryStore, Order, Space, Store, Write};
use via_types::clock::ManualClock;
use via_types::config::Explain;
use via_types::{Fate, GroupId, NodeId, TenantId, Timestamp, limit};

const NODE: NodeId = NodeId::new(1);

/// A data directory in memory, which survives the nodes that run on it.
#[derive(Clone)]
struct Disk {
    log: MemoryLog,
    store: Arc<FailingStore>,
}

impl Disk {
    fn new() -> Self {
        Self { log: MemoryLog::new(), store: Arc::default() }
    }

    /// The entries of the meta group that the log still has.
    fn logged(&self) -> (u64, u64) {
        self.log.bounds(GroupId::META).expect("the meta group has a log")
    }
}

/// A store that can be told to fail.
#[derive(Default)]
struct FailingStore {
    inner: MemoryStore,
    fails: AtomicBool,
}

impl Store for FailingStore {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, via_storage::Error> {
        self.inner.get(space, key)
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), via_storage::Error> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(via_storage::Error::Store { doing: "write", what: "no space".to_owned() });
        }
        self.inner.write(batch)
    }

    fn scan(
        &self,
        space: Space,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        order: Order,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, via_storage::Error> {
        self.inner.scan(space, bounds, order, limit)
    }

    fn commit(&self) -> Result<(), via_storage::Error> {
        self.inner.commit()
    }

    fn approximate_bytes(&self) -> u64 {
        self.inner.approximate_bytes()
    }
}

/// A running node.
struct Node {
    handle: Handle,
    tenant: TenantId,
    host: Host,
    stop: oneshot::Sender<()>,
    service: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Node {
    async fn start(disk: &Disk, options: Options) -> Result<Self, Error> {
        let log = Arc::new(disk.log.clone());
        let host = Host::new(via_consensus::Options::new(options.node), log, None).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_nanos(1_000)));
        let store: Arc<dyn Store> = Arc::clone(&disk.store) as _;
        let opened = Service::open(options, &host, store, clock).await;
        let (service, handle) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                host.shutdown().await;
                return Err(error);
            }
        };
        let (stop, stopped) = oneshot::channel();
        let service = tokio::spawn(service.run(async { drop(stopped.await) }));
        let tenant = handle.view().tenant_named(DEFAULT_TENANT).expect("every cluster has it").id;
        Ok(Self { handle, tenant, host, stop, service })
    }

    /// Stops in order: what is applied becomes durable and its log is purged.
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.service.await.unwrap().unwrap();
        self.host.shutdown().await;
    }

    /// Stops at once: only the log has what happened since the last commit point.
    async fn kill(self) {
        self.service.abort();
        assert!(self.service.await.unwrap_err().is_cancelled());
        self.host.shutdown().await;
    }

    async fn create(&self, name: &str) -> via_control::Created {
        self.handle.create_stream(self.tenant, name, &json!({})).await.unwrap()
    }
}

fn options() -> Options {
    Options::new(NODE, "first")
}

fn quiet() -> Value {
    json!({"explain": "none"})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_forms_the_cluster() {
    let node = Node::start(&Disk::new(), options()).await.unwrap();
    let view = node.handle.view();
    assert_eq!(view.shards(), limit::SHARDS);
    assert_eq!(view.node(NODE).unwrap().name, "first");
    assert_eq!(view.placement().leader(via_types::ShardId::new(limit::SHARDS - 1)), Some(NODE));
    assert_eq!(view.tenant(node.tenant).unwrap().name, DEFAULT_TENANT);
    assert_eq!(node.handle.not_ready(), None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_answered_shows_in_the_view() {
    let node = Node::start(&Disk::new(), options()).await.unwrap();
    let mut watch = node.handle.watch();
    watch.mark_unchanged();
    let created = node.create("logins").await;
    assert!(!created.existed);
    assert!(watch.has_changed().unwrap());
    assert_eq!(node.handle.view().stream(node.tenant, "logins"), Some(&created.stream));
    let again = node.handle.create_stream(node.tenant, "logins", &quiet()).await.unwrap();
    assert!(again.existed);
    assert_eq!(again.stream, created.stream, "it keeps the configuration it had");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_change_is_refused_with_what_is_current() {
    let node = Node::start(&Disk::new(), options()).await.unwrap();
    let first = node.create("logins").await.stream.revision;
    let own = quiet();
    let put = |based_on| node.handle.put_stream_config(node.tenant, "logins", based_on, &own);
    let second = put(first).await.unwrap().revision;
    assert!(second > first);
    let stale = put(first).await.unwrap_err();
    assert_eq!(stale.current_revision(), Some(second), "invariant C-1: {stale}");
    assert_eq!(stale.fate(), Fate::Rejected);
    assert_eq!(put(second).await.unwrap().revision, second, "the same again is no change");
    let missing = node.handle.put_stream_config(node.tenant, "x", first, &own).await;
    assert!(matches!(missing, Err(Error::NoStream { .. })));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_costs_no_entry() {
    let disk = Disk::new();
    let node = Node::start(&disk, options()).await.unwrap();
    let before = disk.logged();
    let bad = node.handle.create_stream(node.tenant, "a/b", &json!({})).await;
    assert!(matches!(bad, Err(Error::Refused(Refusal::Name { .. }))), "{bad:?}");
    for odd in [json!([]), json!({"explian": "full"}), json!({"timing": {"warmup_events": "x"}})] {
        let lost = node.handle.create_stream(node.tenant, "a", &odd).await;
        assert!(matches!(lost, Err(Error::Refused(Refusal::Unreadable { .. }))), "{lost:?}");
    }
    let unnamed = node.handle.open_producer(node.tenant, "").await;
    assert!(matches!(unnamed, Err(Error::Refused(Refusal::Name { .. }))), "{unnamed:?}");
    assert_eq!(disk.logged(), before);
    let nobody = node.handle.open_producer(TenantId::new(9), "p").await;
    assert!(matches!(nobody, Err(Error::Refused(Refusal::NoTenant(_)))), "{nobody:?}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_the_node_is_set_to_are_refused_and_cost_no_entry() {
    let disk = Disk::new();
    let node = Node::start(&disk, Options { streams: 2, ..options() }).await.unwrap();
    node.create("a").await;
    node.create("b").await;
    let before = disk.logged();
    let refused = node.handle.create_stream(node.tenant, "c", &quiet()).await;
    let Err(Error::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal, Refusal::full("streams", 2), "D-6");
    assert!(node.create("a").await.existed, "what is there is found");
    assert_eq!(disk.logged(), before);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_writers_of_one_name_get_one_stream() {
    let node = Node::start(&Disk::new(), options()).await.unwrap();
    let tasks = (0..100).map(|_| {
        let (handle, tenant) = (node.handle.clone(), node.tenant);
        tokio::spawn(async move { handle.create_stream(tenant, "same", &quiet()).await.unwrap() })
    });
    let mut created = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        created.push(task.await.unwrap());
    }
    let ids: BTreeSet<_> = created.iter().map(|created| created.stream.id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(created.iter().filter(|created| !created.existed).count(), 1);
    assert_eq!(node.handle.view().streams().count(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_openings_of_one_producer_are_a_hundred_epochs() {
    let node = Node::start(&Disk::new(), options()).await.unwrap();
    let tasks = (0..100).map(|_| {
        let (handle, tenant) = (node.handle.clone(), node.tenant);
        tokio::spawn(async move { handle.open_producer(tenant, "p").await.unwrap() })
    });
    let mut opened = BTreeSet::new();
    for task in tasks.collect::<Vec<_>>() {
        opened.insert(task.await.unwrap());
    }
    assert_eq!(opened.len(), 100, "invariant D-2: no epoch is given twice");
    let producers: BTreeSet<_> = opened.iter().map(|(id, _)| *id).collect();
    assert_eq!(producers.len(), 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_at_any_moment_finds_everything() {
    let disk = Disk::new();
    let frequent = Options { commit_entries: 7, ..options() };
    let mut cluster = None;
    for round in 0_u32..12 {
        let node = Node::start(&disk, frequent.clone()).await.unwrap();
        let view = node.handle.view();
        assert_eq!(view.streams().count() as u32, 5 * round);
        let id = view.cluster().unwrap().id;
        assert_eq!(*cluster.get_or_insert(id), id, "a cluster is formed once");
        for number in 0..5 {
            let created = node.create(&format!("s{round}-{number}")).await;
            assert_eq!(created.stream.id.get(), 5 * round + number + 1, "ids are not reused");
        }
        let revision = node.handle.view().stream(node.tenant, "s0-0").unwrap().revision;
        let own = json!({"timing": {"warmup_events": 10 + round}});
        let put = node.handle.put_stream_config(node.tenant, "s0-0", revision, &own);
        assert_eq!(put.await.unwrap().config.timing.warmup_events, 10 + round);
        let (_, epoch) = node.handle.open_producer(node.tenant, "p").await.unwrap();
        assert_eq!(epoch.get(), round + 1, "invariant D-2");
        if round % 3 == 2 { node.stop().await } else { node.kill().await }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_follow_defaults_that_change_between_starts_in_what_they_do_not_say() {
    let disk = Disk::new();
    let node = Node::start(&disk, options()).await.unwrap();
    let mute = node.create("mute").await.stream;
    let own = quiet();
    node.handle.create_stream(node.tenant, "quiet", &own).await.unwrap();
    node.stop().await;
    let mut changed = options();
    changed.stream_defaults.timing.warmup_events = 50;
    changed.stream_defaults.explain = Explain::Basic;
    for _ in 0..2 {
        let node = Node::start(&disk, changed.clone()).await.unwrap();
        let view = node.handle.view();
        let stream = |name| view.stream(node.tenant, name).unwrap();
        assert_eq!(stream("mute").config, changed.stream_defaults);
        assert!(stream("mute").revision > mute.revision, "invariant C-1");
        assert_eq!(stream("quiet").config.explain, Explain::None, "it says so");
        assert_eq!(stream("quiet").config.timing.warmup_events, 50);
        assert_eq!(stream("quiet").own, own.to_string());
        let revision = view.defaults().unwrap().revision;
        assert_eq!(stream("mute").revision, revision, "the second start changes nothing");
        node.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_durable_leaves_a_long_log() {
    let disk = Disk::new();
    let brief = Options { keep_entries: 20, ..options() };
    let node = Node::start(&disk, brief).await.unwrap();
    for number in 0..50 {
        node.create(&format!("s{number}")).await;
    }
    let (first, last) = disk.logged();
    assert!(first <= 1 && last >= 50);
    node.stop().await;
    let gone = disk.log.bounds(GroupId::META).is_none_or(|(first, _)| first > 50);
    assert!(gone, "{:?}", disk.log.bounds(GroupId::META));
    let node = Node::start(&disk, options()).await.unwrap();
    assert_eq!(node.handle.view().streams().count(), 50);
    assert_eq!(node.create("one-more").await.stream.id.get(), 51);
    node.kill().await;
    let node = Node::start(&disk, options()).await.unwrap();
    assert_eq!(node.handle.view().streams().count(), 51);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_keeps_the_log() {
    let disk = Disk::new();
    let node = Node::start(&disk, Options { commit_entries: 2, ..options() }).await.unwrap();
    disk.store.fails.store(true, Ordering::SeqCst);
    for number in 0..20 {
        node.create(&format!("s{number}")).await;
    }
    let unhurt = disk.logged();
    node.stop().await;
    assert!(disk.logged().1 >= unhurt.1, "invariant D-7: nothing is purged that is not durable");
    disk.store.fails.store(false, Ordering::SeqCst);
    let node = Node::start(&disk, options()).await.unwrap();
    assert_eq!(node.handle.view().streams().count(), 20);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_lost_is_rebuilt_while_the_log_has_it_all() {
    let mut disk = Disk::new();
    let brief = Options { keep_entries: 10, ..options() };
    let node = Node::start(&disk, brief.clone()).await.unwrap();
    node.create("kept").await;
    let id = node.handle.view().cluster().unwrap().id;
    node.kill().await;
    for round in 0..2 {
        disk.store = Arc::default();
        let node = Node::start(&disk, brief.clone()).await.unwrap();
        assert_eq!(node.handle.view().cluster().unwrap().id, id, "round {round}");
        assert!(node.handle.view().stream(node.tenant, "kept").is_some());
        // The catalog is durable now, and still the log has it all.
        node.stop().await;
    }
    let node = Node::start(&disk, brief).await.unwrap();
    for number in 0..10 {
        node.create(&format!("s{number}")).await;
    }
    node.stop().await;
    disk.store = Arc::default();
    let refused = Node::start(&disk, options()).await.err().expect("the log was purged");
    assert!(matches!(refused, Error::Group(via_consensus::Error::LogAhead { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_gone_is_not_begun_anew() {
    let mut disk = Disk::new();
    let node = Node::start(&disk, options()).await.unwrap();
    node.create("lost").await;
    node.kill().await;
    disk.log = MemoryLog::new();
    let refused = Node::start(&disk, options()).await.err().expect("its log is gone");
    let Error::Group(via_consensus::Error::Unreadable { what: "log", source }) = refused else {
        panic!("invariant D-7: {refused:?}");
    };
    assert!(source.to_string().contains("restore the whole data directory"), "{source}");
    assert!(disk.log.groups().is_empty(), "nothing was begun");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_rows_are_never_trusted() {
    let disk = Disk::new();
    let brief = Options { commit_entries: 4, keep_entries: 0, ..options() };
    let node = Node::start(&disk, brief).await.unwrap();
    for number in 0..9 {
        node.create(&format!("s{number}")).await;
    }
    node.stop().await;
    let all = (Bound::Unbounded, Bound::Unbounded);
    let rows = disk.store.scan(Space::Catalog, all, Order::Ascending, 100).unwrap();
    let (key, value) = rows.last().unwrap().clone();
    let mut flipped = value.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let space = Space::Catalog;
    disk.store.write(vec![Write::Put { space, key, value: flipped.into() }]).unwrap();
    let refused = Node::start(&disk, options()).await.err().expect("the log was purged");
    assert!(matches!(refused, Error::Group(via_consensus::Error::LogAhead { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_to_start_as_somebody_else() {
    let disk = Disk::new();
    let node = Node::start(&disk, options()).await.unwrap();
    let id = node.handle.view().cluster().unwrap().id;
    node.kill().await;
    let other = Options::new(NodeId::new(2), "second");
    let refused = Node::start(&disk, other).await.err().unwrap();
    assert!(matches!(refused, Error::OtherNode { found: NODE, .. }), "{refused}");
    assert!(refused.to_string().contains("n1"), "{refused}");
    let refused = Node::start(&disk, Options { shards: 8, ..options() }).await.err().unwrap();
    assert!(matches!(refused, Error::OtherShards { found: limit::SHARDS, asked: 8 }), "{refused}");
    let stranger = Some(ClusterId::new(5));
    let refused = Node::start(&disk, Options { cluster: stranger, ..options() }).await.err();
    assert!(matches!(refused, Some(Error::OtherCluster { .. })), "{refused:?}");
    let same = Options { cluster: Some(id), ..options() };
    Node::start(&disk, same).await.unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_change_its_name_and_a_cluster_may_be_given_its_id() {
    let disk = Disk::new();
    let id = ClusterId::new(0xbeef);
    let node = Node::start(&disk, Options { cluster: Some(id), ..options() }).await.unwrap();
    assert_eq!(node.handle.view().cluster().unwrap().id, id);
    node.kill().await;
    let node = Node::start(&disk, Options::new(NODE, "renamed")).await.unwrap();
    assert_eq!(node.handle.view().node(NODE).unwrap().name, "renamed");
    node.stop().await;
}
