//! Three nodes: any accepts any request, a shard's leader executes, and what was
//! acknowledged outlives it.

use std::time::Duration;

use crate::cluster::{Cluster, node};
use crate::rig::{batch, origin};
use via_shard::Options;

fn options() -> Options {
    Options {
        shards: 4,
        // Rounds only when a test asks for them by events.
        checkpoint_interval: Duration::from_secs(3_600),
        ..Options::default()
    }
}

fn entities() -> impl Iterator<Item = String> {
    (0..12).map(|number| format!("e{number}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_any_node_is_acknowledged_and_counted_once() {
    let cluster = Cluster::start(options(), 3).await;
    for (place, entity) in entities().enumerate() {
        for number in 1..=3 {
            let mut events = batch(cluster.stream, &entity, 10, cluster.tick());
            events.origin = Some(origin(1, 1, place as u64 * 3 + number));
            let accepted = cluster.write(number, events).await.expect("acknowledged");
            assert_eq!(accepted, 10);
        }
    }
    for entity in entities() {
        for number in 1..=3 {
            assert_eq!(cluster.counted(number, &entity).await, 30, "{entity} on n{number}");
        }
    }
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_its_leader() {
    let mut cluster = Cluster::start(options(), 3).await;
    let mut sequence = 0;
    for round in 1..=3_u64 {
        for entity in entities() {
            for number in 1..=3 {
                sequence += 1;
                let mut events = batch(cluster.stream, &entity, 5, cluster.tick());
                events.origin = Some(origin(1, 1, sequence));
                assert_eq!(cluster.write(number, events).await.expect("acknowledged"), 5);
            }
        }
        let victim = cluster.leader(cluster.shard_of("e0")).expect("somebody leads");
        cluster.kill(victim).await;
        let other = victim % 3 + 1;
        for entity in entities() {
            assert_eq!(cluster.counted(other, &entity).await, round * 15, "{entity}, {round}");
        }
        cluster.run(victim).await;
    }
    cluster.until("all is as it was", Cluster::is_settled).await;
    let _ = node(1);
    cluster.end().await;
}
