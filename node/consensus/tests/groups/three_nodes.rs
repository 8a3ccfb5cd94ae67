//! Three nodes: replication, failover, partitions, snapshots, transfer; the
//! last ones over QUIC.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::{join_all, select_all};
use tokio::time::{Duration, timeout};
use via_consensus::{Error, Group, Host, Options};
use via_storage::{Log, MemoryLog};
use via_transport::{
    Authority, Leg, Links, MemoryNetwork, Message, Passage, QuicLinks, QuicOptions, Service,
    Weather,
};
use via_types::{Fate, GroupId, NodeId};

use crate::journal::{CHECKPOINT, Disk};

const GROUP: GroupId = GroupId::new(1);
const LONG: Duration = Duration::from_secs(20);

fn node(number: u64) -> NodeId {
    NodeId::new(number)
}

fn nodes(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<NodeId> {
    numbers.into_iter().map(node).collect()
}

fn word(number: usize) -> Bytes {
    format!("entry {number}").into()
}

fn words(numbers: std::ops::Range<usize>) -> Vec<Bytes> {
    numbers.map(word).collect()
}

/// A node and what survives its restarts.
struct Node {
    id: NodeId,
    log: MemoryLog,
    disk: Disk,
    running: Option<(Host, Group)>,
}

impl Node {
    fn new(number: u64) -> Self {
        Self { id: node(number), log: MemoryLog::new(), disk: Disk::default(), running: None }
    }

    async fn start(&mut self, links: Arc<dyn Links>, bootstrap: Option<BTreeSet<NodeId>>) {
        let mut options = Options::new(self.id);
        options.keep_entries = 10;
        let host = Host::new(options, Arc::new(self.log.clone()), Some(links)).unwrap();
        let disk = self.disk.clone();
        let group = host.open(GROUP, bootstrap, |tail| Ok(disk.journal(tail))).await.unwrap();
        self.running = Some((host, group));
    }

    fn group(&self) -> &Group {
        &self.running.as_ref().expect("the node runs").1
    }

    async fn kill(&mut self, links: &dyn Links) {
        let (host, _) = self.running.take().expect("the node runs");
        links.close().await;
        host.shutdown().await;
    }
}

struct Cluster {
    network: MemoryNetwork,
    links: Vec<Arc<dyn Links>>,
    nodes: Vec<Node>,
}

impl Cluster {
    /// Starts nodes 1 to 3 as voters.
    async fn start() -> Self {
        let network = MemoryNetwork::new();
        let links = (1..=3).map(|n| network.links(node(n)) as Arc<dyn Links>).collect();
        let nodes = (1..=3).map(Node::new).collect();
        let mut this = Self { network, links, nodes };
        for (member, links) in this.nodes.iter_mut().zip(&this.links) {
            member.start(Arc::clone(links), Some(nodes_of_three())).await;
        }
        this
    }

    /// Waits until a running node leads, and returns its place.
    async fn leader(&self) -> usize {
        let waiting = self.nodes.iter().enumerate().filter(|(_, node)| node.running.is_some()).map(
            |(place, node)| {
                let mut leadership = node.group().leadership();
                Box::pin(async move {
                    leadership.wait_for(|leadership| leadership.is_me).await.unwrap();
                    place
                })
            },
        );
        timeout(LONG, select_all(waiting)).await.expect("somebody leads").0
    }

    async fn restart(&mut self, place: usize) {
        let id = self.nodes[place].id;
        self.links[place] = self.network.links(id);
        let links = Arc::clone(&self.links[place]);
        self.nodes[place].start(links, None).await;
    }

    async fn kill(&mut self, place: usize) {
        let links = Arc::clone(&self.links[place]);
        self.nodes[place].kill(&*links).await;
    }

    async fn stop(&mut self) {
        for place in 0..self.nodes.len() {
            if self.nodes[place].running.is_some() {
                self.kill(place).await;
            }
        }
    }
}

fn nodes_of_three() -> BTreeSet<NodeId> {
    nodes(1..=3)
}

/// Proposes until it is accepted: a new leader first makes sure that it leads.
async fn propose_on(group: &Group, payload: Bytes) -> Result<(), Error> {
    let proposing = async {
        loop {
            match group.propose(payload.clone()).await {
                Err(error) if matches!(error.fate(), Fate::Retry(_)) => {
                    tokio::task::yield_now().await;
                }
                proposed => return proposed.map(drop),
            }
        }
    };
    timeout(LONG, proposing).await.expect("it leads")
}

/// Proposes until it is accepted; what may have been applied is not repeated.
async fn propose(cluster: &Cluster, payload: Bytes) -> usize {
    let proposing = async {
        loop {
            let leader = cluster.leader().await;
            match cluster.nodes[leader].group().propose(payload.clone()).await {
                Ok(_) => return leader,
                Err(error) => {
                    assert!(matches!(error.fate(), Fate::Retry(_)), "{error}");
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    timeout(LONG, proposing).await.expect("a majority is alive")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_replica_applies_the_same_in_the_same_order() {
    let mut cluster = Cluster::start().await;
    let leader = propose(&cluster, word(0)).await;
    let group = cluster.nodes[leader].group();
    let mut pending = Vec::new();
    for number in 1..300 {
        pending.push(group.submit(word(number)).await.unwrap());
    }
    for committed in join_all(pending).await {
        assert_eq!(committed.unwrap().at.leader, cluster.nodes[leader].id, "invariant D-3");
    }
    let on_leader = cluster.nodes[leader].disk.live.lock().clone();
    for node in &cluster.nodes {
        node.disk.until(|payloads| payloads.len() == 300).await;
        assert_eq!(node.disk.payloads(), words(0..300));
        assert_eq!(*node.disk.live.lock(), on_leader, "also at the same positions");
    }
    let follower = cluster.nodes[(leader + 1) % 3].group();
    let error = follower.propose(word(0)).await.unwrap_err();
    assert_eq!(error.leader(), Some(cluster.nodes[leader].id));
    assert!(matches!(error.fate(), Fate::Retry(_)), "{error}");
    assert!(follower.read_barrier().await.is_err(), "a follower does not answer for the group");
    let barrier = cluster.nodes[leader].group().read_barrier().await.unwrap();
    assert_eq!(Some(barrier), cluster.nodes[leader].group().status().last);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_leaders_die() {
    let mut cluster = Cluster::start().await;
    let mut acknowledged = 0;
    for _round in 0..3 {
        for _ in 0..20 {
            propose(&cluster, word(acknowledged)).await;
            acknowledged += 1;
        }
        let leader = cluster.leader().await;
        cluster.kill(leader).await;
        propose(&cluster, word(acknowledged)).await;
        acknowledged += 1;
        cluster.restart(leader).await;
    }
    for node in &cluster.nodes {
        node.disk.until(|payloads| payloads.len() == acknowledged).await;
        assert_eq!(node.disk.payloads(), words(0..acknowledged), "invariant D-1: on {}", node.id);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposed_leader_does_not_acknowledge_or_answer() {
    let mut cluster = Cluster::start().await;
    propose(&cluster, word(0)).await;
    let old = cluster.leader().await;
    cluster.network.isolate(cluster.nodes[old].id);
    let pending = cluster.nodes[old].group().submit(Bytes::from_static(b"lost")).await.unwrap();
    let mut others: Vec<_> = (0..3).filter(|place| *place != old).collect();
    let waiting = others.iter().map(|place| {
        let mut leadership = cluster.nodes[*place].group().leadership();
        Box::pin(async move { leadership.wait_for(|l| l.is_me).await.map(drop) })
    });
    let (led, place, _) = timeout(LONG, select_all(waiting)).await.expect("the majority leads");
    led.unwrap();
    let new = others.swap_remove(place);
    propose_on(cluster.nodes[new].group(), word(1)).await.unwrap();
    let read = cluster.nodes[old].group().read_barrier().await;
    assert!(read.is_err(), "a deposed leader does not answer reads");
    cluster.network.heal();
    let error = timeout(LONG, pending).await.expect("it is told").unwrap_err();
    assert_eq!(error.fate(), Fate::Unknown, "invariant D-5: {error}");
    for node in &cluster.nodes {
        node.disk.until(|payloads| payloads.len() == 2).await;
        assert_eq!(node.disk.payloads(), words(0..2));
    }
    cluster.stop().await;
}

/// Counts the streams of entries that are opened to a node that is down.
struct Openings(NodeId, AtomicUsize);

impl Weather for Openings {
    fn passage(&self, message: &Message<'_>) -> Passage {
        let is_entries = message.leg == Leg::Opening && message.service == Service::Append;
        if is_entries && message.to == self.0 {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
        Passage::AT_ONCE
    }
}

#[tokio::test(start_paused = true)]
async fn a_voter_that_is_down_is_not_tried_without_pause() {
    let mut cluster = Cluster::start().await;
    let leader = propose(&cluster, word(0)).await;
    let down = (leader + 1) % 3;
    cluster.kill(down).await;
    let openings = Arc::new(Openings(cluster.nodes[down].id, AtomicUsize::new(0)));
    cluster.network.set_weather(Arc::clone(&openings) as Arc<dyn Weather>);
    // Virtual time: as long as it takes for pauses to have grown.
    for number in 1..=100 {
        propose(&cluster, word(number)).await;
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let tried = openings.1.load(Ordering::Relaxed);
    assert!((5..=30).contains(&tried), "opened {tried} times in ten seconds");
    cluster.restart(down).await;
    cluster.nodes[down].disk.until(|payloads| payloads.len() == 101).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over() {
    let mut cluster = Cluster::start().await;
    let leader = propose(&cluster, word(0)).await;
    let next = (leader + 1) % 3;
    cluster.nodes[leader].group().transfer(cluster.nodes[next].id).await.unwrap();
    let mut leadership = cluster.nodes[next].group().leadership();
    timeout(LONG, leadership.wait_for(|leadership| leadership.is_me)).await.unwrap().unwrap();
    propose_on(cluster.nodes[next].group(), word(1)).await.unwrap();
    cluster.nodes[leader].group().transfer(cluster.nodes[next].id).await.unwrap();
    let third = cluster.nodes[(leader + 2) % 3].id;
    let error = cluster.nodes[leader].group().transfer(third).await.unwrap_err();
    assert!(matches!(error, Error::NotLeader { .. }), "{error}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_catches_up_by_snapshot_and_becomes_a_voter() {
    let mut cluster = Cluster::start().await;
    let leader = propose(&cluster, word(0)).await;
    for number in 1..60 {
        propose(&cluster, word(number)).await;
    }
    propose(&cluster, CHECKPOINT.into()).await;
    for number in 60..80 {
        propose(&cluster, word(number)).await;
    }
    let group = cluster.nodes[leader].group().clone();
    group.purge().await.unwrap();
    let purged = group.status().purged.expect("the checkpoint allows it");
    assert!(cluster.nodes[leader].log.bounds(GROUP).unwrap().0 > purged.index.get());

    cluster.links.push(cluster.network.links(node(4)));
    cluster.nodes.push(Node::new(4));
    let links = Arc::clone(&cluster.links[3]);
    cluster.nodes[3].start(links, None).await;
    timeout(LONG, group.add_learner(node(4))).await.expect("it catches up").unwrap();
    cluster.nodes[3].disk.until(|payloads| payloads.len() == 80).await;
    assert_eq!(cluster.nodes[3].disk.payloads(), words(0..80));
    assert!(cluster.nodes[3].disk.durable.lock().is_some(), "it got a snapshot");
    assert_eq!(group.status().learners, nodes([4]));

    let leader_id = cluster.nodes[leader].id.get();
    let voters = nodes([leader_id, leader_id % 3 + 1, 4]);
    timeout(LONG, group.change_voters(&voters)).await.expect("it changes").unwrap();
    assert_eq!(group.status().voters, [voters]);
    // The newcomer's vote and log count, also after its restart.
    cluster.kill(3).await;
    cluster.restart(3).await;
    cluster.nodes[3].disk.until(|payloads| payloads.len() == 80).await;
    timeout(LONG, group.transfer(node(4))).await.expect("it leads").unwrap();
    propose_on(cluster.nodes[3].group(), word(80)).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_let_in_again_does_not_leave_for_an_older_answer() {
    let mut cluster = Cluster::start().await;
    let leader = propose(&cluster, word(0)).await;
    let place = (leader + 1) % 3;
    let removed = cluster.nodes[place].id;
    cluster.nodes[place].disk.until(|payloads| payloads.len() == 1).await;
    let group = cluster.nodes[leader].group().clone();
    let as_of = cluster.nodes[place].group().members_at().await.unwrap();
    assert!(as_of.is_some());
    let others = nodes_of_three().into_iter().filter(|node| *node != removed).collect();
    timeout(LONG, group.change_voters(&others)).await.expect("it changes").unwrap();

    // It asks, is told that it is no member, and is let in again before it hears.
    group.admit(removed).await.unwrap();
    propose_on(&group, word(1)).await.unwrap();
    cluster.nodes[place].disk.until(|payloads| payloads.len() == 2).await;
    let host = cluster.nodes[place].running.as_ref().unwrap().0.clone();
    assert!(!host.leave(GROUP, as_of).await.unwrap());
    assert!(host.has_replica(GROUP).unwrap() && !host.has_left(GROUP).unwrap());
    cluster.kill(place).await;
    cluster.restart(place).await;
    timeout(LONG, group.change_voters(&nodes_of_three())).await.expect("it changes").unwrap();

    // With an answer about what it knows it leaves, with all that it had; and
    // whoever lets it in again before it has gone gets it back from the beginning.
    timeout(LONG, group.change_voters(&others)).await.expect("it changes").unwrap();
    let as_of = cluster.nodes[place].group().members_at().await.unwrap();
    let host = cluster.nodes[place].running.as_ref().unwrap().0.clone();
    assert!(host.leave(GROUP, as_of).await.unwrap());
    host.discard(GROUP).unwrap();
    cluster.kill(place).await;
    cluster.nodes[place].disk = Disk::default();
    group.admit(removed).await.unwrap();
    cluster.restart(place).await;
    cluster.nodes[place].disk.until(|payloads| payloads.len() == 2).await;
    timeout(LONG, group.change_voters(&nodes_of_three())).await.expect("it changes").unwrap();
    propose_on(&group, word(2)).await.unwrap();
    cluster.nodes[place].disk.until(|payloads| payloads.len() == 3).await;
    assert_eq!(cluster.nodes[place].disk.payloads(), words(0..3));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_over_quic_replicate_and_fail_over() {
    let authority = Authority::generate("test").unwrap();
    let loopback = ([127, 0, 0, 1], 0).into();
    let quic: Vec<_> = (1..=3)
        .map(|n| {
            let identity = authority.issue(node(n)).unwrap();
            let options = QuicOptions::new(loopback, identity, BTreeMap::new());
            Arc::new(QuicLinks::open(options).unwrap())
        })
        .collect();
    let addresses: BTreeMap<_, _> =
        quic.iter().map(|links| (links.node(), links.local_address().unwrap())).collect();
    let links: Vec<_> = quic.iter().map(|links| Arc::clone(links) as Arc<dyn Links>).collect();
    for links in &quic {
        links.set_peers(addresses.clone());
    }
    let network = MemoryNetwork::new();
    let mut cluster = Cluster { network, links, nodes: (1..=3).map(Node::new).collect() };
    for (member, links) in cluster.nodes.iter_mut().zip(&cluster.links) {
        member.start(Arc::clone(links), Some(nodes_of_three())).await;
    }
    for number in 0..50 {
        propose(&cluster, word(number)).await;
    }
    let large = Bytes::from(vec![9; 3 << 20]);
    let leader = propose(&cluster, large.clone()).await;
    cluster.kill(leader).await;
    propose(&cluster, word(51)).await;
    for node in cluster.nodes.iter().filter(|node| node.running.is_some()) {
        node.disk.until(|payloads| payloads.len() == 52).await;
        assert!(node.disk.payloads()[50] == large);
    }
    cluster.stop().await;
}
