//! Three nodes: any accepts any request, a shard's leader executes, and what was
//! acknowledged outlives it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cluster::{Cluster, Writing, listed, node};
use crate::rig::{batch, origin};
use via_shard::{Answer, Error, Options, Sort};
use via_types::{Fate, Receipt};

pub(crate) fn options() -> Options {
    Options {
        shards: 4,
        // Rounds only when a test asks for them by events.
        checkpoint_interval: Duration::from_secs(3_600),
        ..Options::default()
    }
}

pub(crate) fn entities() -> impl Iterator<Item = String> {
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
async fn a_leader_that_has_not_heard_of_a_producer_yet_is_waited_for() {
    let mut cluster = Cluster::start(options(), 3).await;
    let leader = cluster.leader(cluster.shard_of("e0")).expect("somebody leads");
    let other = (1..=3).find(|number| *number != leader).expect("one of three");
    let producer = cluster.open_unheard("newcomer", &[leader]);
    let mut events = batch(cluster.stream, "e0", 10, cluster.tick());
    events.origin = Some(origin(producer, 1, 1));
    let mut written = Box::pin(cluster.write(other, events));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut written).await;
    assert!(early.is_err(), "neither refused nor written: {early:?}");
    cluster.tell_all();
    assert_eq!(written.await.expect("acknowledged"), 10);
    assert_eq!(cluster.counted(leader, "e0").await, 10);
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
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_event_acknowledged_is_counted_once_whatever_leads() {
    let options = Options { checkpoint_events: 4_096, ..options() };
    let mut cluster = Cluster::start(options, 3).await;
    let writing = Writing::begin(&cluster, 1, &[1, 2, 3]);
    for round in 0..2 {
        writing.until_more(200).await;
        let victim = cluster.leader(cluster.shard_of("e0")).expect("somebody leads");
        if round == 0 {
            cluster.network.isolate(node(victim));
            writing.until_more(100).await;
            cluster.network.heal();
        } else {
            cluster.kill(victim).await;
            writing.until_more(100).await;
            cluster.run(victim).await;
        }
    }
    let told = writing.end().await;
    cluster.until("all is as it was", Cluster::is_settled).await;
    for (entity, count) in &told {
        for number in 1..=3 {
            let counted = cluster.counted(number, entity).await;
            assert_eq!(counted, *count, "invariant D-2: {entity} on n{number}");
        }
    }
    assert!(told.values().sum::<u64>() >= 400, "{told:?}");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_is_unknown_without_a_sequence_and_repeated_with_one() {
    let cluster = Cluster::start(options(), 3).await;
    let shard = cluster.shard_of("a");
    let leader = cluster.leader(shard).expect("somebody leads");
    let client = leader % 3 + 1;
    // The request arrives, its answer does not.
    let lose = || {
        cluster.network.set_fault(node(leader), node(client), via_transport::Fault::Drop);
    };
    let plain = || batch(cluster.stream, "a", 3, cluster.tick());
    // A machine that stands still for a moment may elect another leader, whose
    // answer is heard.
    let error = loop {
        lose();
        let written = cluster.handle(client).write(shard, plain(), Answer::Counts).await;
        if cluster.leader(shard) == Some(leader) {
            break written.expect_err("nobody knows");
        }
        cluster.network.heal();
        cluster.until("its leader leads again", Cluster::is_settled).await;
    };
    assert_eq!(error.fate(), Fate::Unknown, "invariant D-5: {error}");
    let before = cluster.counted(leader, "a").await;
    let mut named = batch(cluster.stream, "a", 4, cluster.tick());
    named.origin = Some(origin(1, 1, 1));
    let handle = cluster.handle(client).clone();
    let write = tokio::spawn(async move { handle.write(shard, named, Answer::Counts).await });
    cluster.until_counted(leader, "a", before + 4).await;
    cluster.network.heal();
    let receipt: Result<Receipt, Error> = write.await.expect("no panic");
    let receipt = receipt.expect("the second answer comes through");
    assert_eq!(receipt.accepted, 4);
    assert_eq!(cluster.counted(client, "a").await, before + 4, "invariant D-2");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_the_next_leader_takes_no_doubt_away() {
    let mut cluster = Cluster::start(options(), 3).await;
    let shard = cluster.shard_of("a");
    let leader = cluster.leader(shard).expect("somebody leads");
    let (client, other) = (leader % 3 + 1, (leader + 1) % 3 + 1);
    let producer = cluster.open_unheard("newcomer", &[client, other]);
    let mut events = batch(cluster.stream, "a", 4, cluster.tick());
    events.origin = Some(origin(producer, 1, 1));
    // It is executed, its answer is lost with its leader, and who leads next has
    // not heard of the producer.
    cluster.network.set_fault(node(leader), node(client), via_transport::Fault::Drop);
    let (handle, again) = (cluster.handle(client).clone(), events.clone());
    let write = tokio::spawn(async move { handle.write(shard, again, Answer::Counts).await });
    cluster.until_counted(leader, "a", 4).await;
    cluster.network.isolate(node(leader));
    let error = write.await.expect("no panic").expect_err("it was refused");
    assert_eq!(error.fate(), Fate::Unknown, "invariant D-5: {error}");
    cluster.network.heal();
    cluster.tell_all();
    assert_eq!(cluster.write(client, events).await.expect("acknowledged"), 4);
    assert_eq!(cluster.counted(client, "a").await, 4, "invariant D-2");
    cluster.end().await;
}

/// Writes what makes detections, the same in every cluster, one batch at a time;
/// `between` comes before each.
async fn tell_a_story(cluster: &mut Cluster, disturb: bool) -> Vec<(String, i64, u64)> {
    let begin = cluster.tick().as_nanos();
    let mut sequence = 0;
    for step in 0..12_i64 {
        if disturb && step % 4 == 2 {
            let victim = cluster.leader(cluster.shard_of("e0")).expect("somebody leads");
            cluster.kill(victim).await;
            cluster.run(victim).await;
        }
        for entity in entities() {
            sequence += 1;
            let at = via_types::Timestamp::from_nanos(begin + step * 1_000_000_000);
            let mut events = batch(cluster.stream, &entity, 60, at);
            for (row, value) in events.value.iter_mut().enumerate() {
                *value = 100.0 + ((row * 7919) % 13) as f64;
            }
            if step > 7 && step % 2 == 0 {
                events.value[30] = 1e6;
            }
            events.origin = Some(origin(1, 1, sequence));
            let number = sequence % 3 + 1;
            assert_eq!(cluster.write(number, events).await.expect("acknowledged"), 60);
        }
    }
    let mut found = Vec::new();
    cluster
        .until_async("the wild values are recorded", async |cluster| {
            let listed = listed(cluster, 1, Sort::Oldest, 100).await;
            let wild = listed.iter().filter(|detection| detection.value == 1e6).count();
            (wild >= 12).then_some(listed)
        })
        .await
        .into_iter()
        .for_each(|one| {
            found.push((one.entity, one.started.as_nanos() - begin, one.score.to_bits()));
        });
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detections_are_those_of_an_undisturbed_run_whatever_leads() {
    let mut calm = Cluster::start(options(), 3).await;
    let expected = tell_a_story(&mut calm, false).await;
    calm.end().await;
    let mut disturbed = Cluster::start(options(), 3).await;
    let found = tell_a_story(&mut disturbed, true).await;
    assert_eq!(found, expected, "invariant E-1");
    let by_node: Vec<_> = [
        listed(&disturbed, 1, Sort::Newest, 3).await,
        listed(&disturbed, 2, Sort::Newest, 5).await,
        listed(&disturbed, 3, Sort::Newest, 100).await,
    ]
    .into();
    assert!(by_node[0] == by_node[1] && by_node[1] == by_node[2], "whatever node is asked");
    disturbed.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_hands_its_shards_over_and_no_write_fails() {
    let mut cluster = Cluster::start(options(), 3).await;
    let failed = Arc::new(AtomicBool::new(false));
    let writing = Writing::begin(&cluster, 1, &[2, 3]);
    writing.until_more(100).await;
    writing.watch(&failed);
    let kept = cluster.stop(1).await;
    assert!(kept.is_empty(), "it leads nothing when it ends: {kept:?}");
    writing.until_more(100).await;
    let told: BTreeMap<String, u64> = writing.end().await;
    assert!(!failed.load(Ordering::Relaxed), "no write failed");
    for (entity, count) in told {
        assert_eq!(cluster.counted(2, &entity).await, count);
    }
    cluster.end().await;
}
