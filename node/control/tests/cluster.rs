//! Control on three nodes over links in memory: one of them leads, all of them
//! see the same, and whoever comes late or loses the leader catches up.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use via_consensus::Host;
use via_control::{DEFAULT_TENANT, Error, Handle, Options, Service, View};
use via_storage::{MemoryLog, MemoryStore};
use via_transport::MemoryNetwork;
use via_types::clock::ManualClock;
use via_types::{Fate, NodeId, TenantId, Timestamp};

struct Node {
    handle: Handle,
    host: Host,
    stop: oneshot::Sender<()>,
    service: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Node {
    async fn start(network: &MemoryNetwork, node: u64) -> Self {
        let id = NodeId::new(node);
        let options = Options {
            voters: BTreeSet::from([1, 2, 3].map(NodeId::new)),
            commit_entries: 5,
            keep_entries: 0,
            ..Options::new(id, format!("node-{node}"))
        };
        let settings = via_consensus::Options::new(id);
        let log = Arc::new(MemoryLog::new());
        let host = Host::new(settings, log, Some(network.links(id))).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_nanos(1_000)));
        let store = Arc::new(MemoryStore::new());
        let (service, handle) = Service::open(options, &host, store, clock).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let service = tokio::spawn(service.run(async { drop(stopped.await) }));
        Self { handle, host, stop, service }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.service.await.unwrap().unwrap();
        self.host.shutdown().await;
    }

    fn tenant(&self) -> TenantId {
        self.handle.view().tenant_named(DEFAULT_TENANT).expect("every cluster has it").id
    }

    async fn sees(&self, what: impl Fn(&View) -> bool) {
        let mut watch = self.handle.watch();
        let seen = watch.wait_for(|view| what(view));
        let seen = tokio::time::timeout(Duration::from_secs(20), seen).await;
        drop(seen.expect("the view follows").unwrap());
    }
}

/// Creates a stream through whichever node leads; anybody else says who does.
async fn create(nodes: &[&Node], name: &str) {
    let deadline = Duration::from_secs(20);
    let anyone = async {
        loop {
            for node in nodes {
                let created =
                    node.handle.create_stream(node.tenant(), name, &serde_json::json!({})).await;
                match created {
                    Ok(_) => return,
                    Err(error) => assert_ne!(error.fate(), Fate::Rejected, "{error}"),
                }
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(deadline, anyone).await.expect("somebody leads");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_see_the_same_and_a_late_one_catches_up() {
    let network = MemoryNetwork::new();
    let (one, two) = tokio::join!(Node::start(&network, 1), Node::start(&network, 2));
    for number in 0..40 {
        create(&[&one, &two], &format!("s{number}")).await;
    }
    // By now the others have purged what the third would need from the start.
    let three = Node::start(&network, 3).await;
    for node in [&one, &two, &three] {
        node.sees(|view| view.streams().count() == 40).await;
    }
    let (first, third) = (one.handle.view(), three.handle.view());
    assert_eq!(first.cluster(), third.cluster());
    assert!(first.streams().eq(third.streams()));
    // With one of them gone, the other two go on.
    one.stop().await;
    create(&[&two, &three], "after").await;
    two.sees(|view| view.streams().count() == 41).await;
    three.sees(|view| view.streams().count() == 41).await;
    two.stop().await;
    three.stop().await;
}
