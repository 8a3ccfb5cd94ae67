//! One node is slow: its disk hangs, or the way to it is long. Its shards wait;
//! the others go on, also while somebody floods those that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use via_shard::{Answer, Error, Options};
use via_transport::Fault;
use via_types::{Batch, Fate, ShardId};

use crate::cluster::{Cluster, node};
use crate::rig::{batch, origin};
use crate::three_nodes::options;

/// The longest that a write to a shard that is well may take, far below the ten
/// seconds after which one to a shard that hangs is given up.
const BOUND: Duration = Duration::from_secs(5);
/// Who floods each shard that waits, and with how many batches.
const WRITERS: usize = 4;
const BATCHES: usize = 3;
/// The node that is slow.
const SLOW: u64 = 3;

fn eight() -> Options {
    Options { shards: 8, queue_bytes: 16 << 20, ..options() }
}

/// Returns an entity of each shard that node 3 does not lead, and of each that it
/// does.
fn divided(cluster: &Cluster) -> (Vec<String>, Vec<String>) {
    let of = |shard: ShardId| {
        let mut names = (0..).map(|number| format!("e{number}"));
        names.find(|name| cluster.shard_of(name) == shard).expect("some name is of it")
    };
    let (slow, well): (Vec<_>, Vec<_>) =
        cluster.shards().partition(|shard| cluster.leader(*shard) == Some(SLOW));
    (well.into_iter().map(of).collect(), slow.into_iter().map(of).collect())
}

/// Events that are few and large: they fill queues and cost little where they are
/// executed after all.
fn bulky(cluster: &Cluster, entity: &str, count: usize) -> Batch {
    let mut events = batch(cluster.stream, entity, count, cluster.tick());
    for _ in 0..count {
        events.attributes.push(&format!("{{\"text\":\"{}\"}}", "x".repeat(4_000)));
    }
    events
}

/// Some writers for every shard that hangs, each of a few batches.
struct Flood {
    sent: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    writers: Vec<JoinHandle<()>>,
}

impl Flood {
    /// Begins with batches of so many events on a node.
    fn begin(cluster: &Cluster, number: u64, entities: &[String], count: usize) -> Self {
        let [sent, refused] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let mut writers = Vec::new();
        for entity in entities {
            for _ in 0..WRITERS {
                let handle = cluster.handle(number).clone();
                let shard = cluster.shard_of(entity);
                let events = bulky(cluster, entity, count);
                let (sent, refused) = (Arc::clone(&sent), Arc::clone(&refused));
                writers.push(tokio::spawn(async move {
                    for _ in 0..BATCHES {
                        sent.fetch_add(1, Ordering::Relaxed);
                        let write = handle.write(shard, events.clone(), Answer::Counts);
                        if let Err(Error::Overloaded { .. }) = write.await {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }));
            }
        }
        Self { sent, refused, writers }
    }

    async fn end(self) {
        for writer in self.writers {
            writer.abort();
            let _ended = writer.await;
        }
    }
}

/// Writes a few times to each of these entities by every node that is well; returns
/// the longest that one took.
async fn longest(cluster: &Cluster, entities: &[String], sequence: &mut u64) -> Duration {
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        for entity in entities {
            for number in [1, 2] {
                *sequence += 1;
                let mut events = batch(cluster.stream, entity, 10, cluster.tick());
                events.origin = Some(origin(1, 1, *sequence));
                let begun = Instant::now();
                assert_eq!(cluster.write(number, events).await.expect("acknowledged"), 10);
                let took = begun.elapsed();
                longest = longest.max(took);
            }
        }
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_slows_only_the_shards_that_its_node_leads() {
    let cluster = Cluster::start(eight(), 3).await;
    let (well, slow) = divided(&cluster);
    assert!(well.len() >= 4 && !slow.is_empty(), "{well:?} and {slow:?}");
    let mut sequence = 0;
    longest(&cluster, &well, &mut sequence).await;
    let disk = cluster.disk(SLOW);
    disk.hang();
    let flood = Flood::begin(&cluster, 1, &slow, 100);
    cluster.until("the flood is under way", |_| flood.sent.load(Ordering::Relaxed) >= 4).await;
    let took = longest(&cluster, &well, &mut sequence).await;
    assert!(took < BOUND, "{took:?} while the disk of n{SLOW} hangs");
    flood.end().await;
    disk.go_on();
    for entity in &well {
        assert_eq!(
            cluster.counted(1, entity).await,
            200,
            "{entity}: 2 nodes, 10 rounds, 10 events"
        );
    }
    longest(&cluster, &slow, &mut sequence).await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_that_takes_long_slows_only_the_shards_behind_it() {
    let cluster = Cluster::start(eight(), 3).await;
    let (well, slow) = divided(&cluster);
    let mut sequence = 0;
    longest(&cluster, &well, &mut sequence).await;
    // Nothing sent from or to the node arrives before the test says so.
    for other in [1, 2] {
        cluster.network.set_fault(node(SLOW), node(other), Fault::Delay(u64::MAX / 2));
        cluster.network.set_fault(node(other), node(SLOW), Fault::Delay(u64::MAX / 2));
    }
    let flood = Flood::begin(&cluster, 1, &slow, 100);
    cluster.until("the flood is under way", |_| flood.sent.load(Ordering::Relaxed) >= 4).await;
    let took = longest(&cluster, &well, &mut sequence).await;
    assert!(took < BOUND, "{took:?} while n{SLOW} is far");
    flood.end().await;
    cluster.network.heal();
    cluster.until("all is as it was", Cluster::is_settled).await;
    for entity in &well {
        assert_eq!(cluster.counted(2, entity).await, 200, "{entity}");
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_without_a_leader_fills_its_share_of_the_queue_and_no_more() {
    let cluster = Cluster::start(eight(), 3).await;
    let hung = cluster.shards().next().expect("there are eight");
    let name = |shard| {
        let mut names = (0..).map(|number| format!("e{number}"));
        names.find(|name| cluster.shard_of(name) == shard).expect("some name is of it")
    };
    let (leader, entity) = (cluster.leader(hung).expect("somebody leads"), name(hung));
    let me = leader % 3 + 1;
    // Whatever leads the shard is not heard of here.
    for other in (1..=3).filter(|other| *other != me) {
        cluster.network.set_fault(node(me), node(other), Fault::Drop);
        cluster.network.set_fault(node(other), node(me), Fault::Drop);
    }
    let flood = Flood::begin(&cluster, me, &[entity], 500);
    let refused = || flood.refused.load(Ordering::Relaxed) > 0;
    cluster.until("its share is full, and that is said", |_| refused()).await;
    let shard = cluster.shards().nth(1).expect("there are eight");
    let small = batch(cluster.stream, &name(shard), 1, cluster.tick());
    let handle = cluster.handle(me).clone();
    let other = tokio::time::timeout(BOUND, async move {
        let mut writes = handle.writes();
        writes.send(shard, small, Answer::Counts, None).await
    });
    assert!(matches!(other.await, Ok(Ok(()))), "another shard still has room here");
    flood.end().await;
    cluster.network.heal();
    cluster.until("all is as it was", Cluster::is_settled).await;
    let last = batch(cluster.stream, &name(hung), 1, cluster.tick());
    let error = cluster.handle(me).write(hung, last, Answer::Counts).await.err();
    assert!(error.is_none_or(|error| error.fate() != Fate::Rejected));
    cluster.end().await;
}
