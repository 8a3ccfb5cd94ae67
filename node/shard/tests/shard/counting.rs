//! The data plane over in-memory twins of log and store: what was acknowledged
//! is counted once, through restarts and crashes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::rig::{Rig, batch, origin};
use proptest::prelude::*;
use via_shard::{Answer, Error, Options};
use via_types::{EntityHash, Fate, RowReason, ShardId};

const SHARDS: u16 = 4;

fn options() -> Options {
    Options {
        shards: SHARDS,
        // Rounds only when a test asks for them by events.
        checkpoint_interval: Duration::from_secs(3_600),
        ..Options::default()
    }
}

fn shard_of(rig: &Rig, entity: &str) -> ShardId {
    EntityHash::of(rig.stream, entity).shard(SHARDS)
}

/// Sends `count` events of `entity` and returns how many were accepted.
async fn send(rig: &Rig, entity: &str, count: usize, sequence: Option<u64>) -> u32 {
    let mut batch = batch(rig.stream, entity, count, rig.tick());
    batch.origin = sequence.map(|sequence| origin(1, 2, sequence));
    let shard = shard_of(rig, entity);
    rig.handle().write(shard, batch, Answer::Counts).await.expect("acknowledged").accepted
}

async fn counted(rig: &Rig, entity: &str) -> u64 {
    let profile = rig.handle().profile(rig.stream, entity).await.expect("readable");
    profile.map_or(0, |profile| profile.events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_counted_before_and_after_a_restart() {
    let mut rig = Rig::start(options()).await;
    assert_eq!(send(&rig, "a", 10, None).await, 10);
    assert_eq!(send(&rig, "b", 5, None).await, 5);
    assert_eq!(counted(&rig, "a").await, 10);
    rig.crash(0).await;
    assert_eq!(counted(&rig, "a").await, 10);
    assert_eq!(counted(&rig, "b").await, 5);
    assert_eq!(counted(&rig, "nobody").await, 0);
    assert_eq!(rig.handle().stats().events, 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_sent_again_is_counted_once_also_after_a_restart() {
    let mut rig = Rig::start(options()).await;
    assert_eq!(send(&rig, "a", 10, Some(1)).await, 10);
    assert_eq!(send(&rig, "a", 10, Some(1)).await, 10);
    assert_eq!(counted(&rig, "a").await, 10);
    rig.crash(0).await;
    assert_eq!(send(&rig, "a", 10, Some(1)).await, 10);
    assert_eq!(send(&rig, "a", 7, Some(2)).await, 7);
    assert_eq!(counted(&rig, "a").await, 17);
    assert_eq!(rig.handle().stats().repeated_batches, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_epoch_is_fenced_off_before_the_newer_has_written() {
    let rig = Rig::start(options()).await;
    let shard = shard_of(&rig, "a");
    let mut older = batch(rig.stream, "a", 1, rig.tick());
    older.origin = Some(origin(1, 1, 2));
    let error = rig.handle().write(shard, older, Answer::Counts).await.expect_err("fenced");
    assert!(matches!(error, Error::Fenced { .. }), "{error}");
    assert_eq!(error.fate(), Fate::Rejected);
    assert_eq!(send(&rig, "a", 1, Some(1)).await, 1);
    assert_eq!(counted(&rig, "a").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_told_what_was_refused_the_first_time() {
    let rig = Rig::start(options()).await;
    let shard = shard_of(&rig, "a");
    let mut batch = batch(rig.stream, "a", 3, rig.tick());
    batch.unique = vec![5, 5, 6].into();
    batch.origin = Some(origin(1, 2, 1));
    let write = |batch| rig.handle().write(shard, batch, Answer::Counts);
    let first = write(batch.clone()).await.expect("acknowledged");
    assert_eq!((first.accepted, first.repeated), (2, false));
    assert_eq!(first.refused, [(1, RowReason::Duplicate)]);
    let again = write(batch.clone()).await.expect("acknowledged");
    assert_eq!((again.accepted, again.repeated), (2, true));
    assert_eq!(again.refused, first.refused);
}

/// Invariants D-2 and D-5: what a number names is not silently swapped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_events_under_a_used_sequence_are_refused_and_told_what_was_counted() {
    let mut rig = Rig::start(options()).await;
    let shard = shard_of(&rig, "a");
    let mut batch = batch(rig.stream, "a", 3, rig.tick());
    batch.unique = vec![5, 5, 6].into();
    batch.origin = Some(origin(1, 2, 1));
    rig.handle().write(shard, batch.clone(), Answer::Counts).await.expect("acknowledged");
    let mut other_values = batch.clone();
    other_values.value[2] += 1.0;
    for other in [batch.select(&[0]), other_values] {
        for _ in 0..2 {
            let write = rig.handle().write(shard, other.clone(), Answer::Counts);
            let error = write.await.expect_err("other events");
            let told = matches!(error, Error::SequenceReused { accepted: 2, refused: 1, .. });
            assert!(told && error.fate() == Fate::Rejected, "{error}");
            rig.crash(0).await;
        }
    }
    let mut later = batch.clone();
    later.at.iter_mut().for_each(|at| *at += 1);
    let again = rig.handle().write(shard, later, Answer::Counts).await.expect("acknowledged");
    assert!(again.repeated, "when its events came does not make it another batch");
    assert_eq!(counted(&rig, "a").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_or_a_producer_that_was_never_opened_is_refused() {
    let rig = Rig::start(options()).await;
    let shard = shard_of(&rig, "a");
    for stranger in [origin(1, 3, 1), origin(1, 0, 1), origin(9, 1, 1)] {
        let mut batch = batch(rig.stream, "a", 1, rig.tick());
        batch.origin = Some(stranger);
        let error = rig.handle().write(shard, batch, Answer::Counts).await.expect_err("stranger");
        assert!(matches!(error, Error::NeverOpened { .. }), "{error}");
        assert_eq!(error.fate(), Fate::Rejected);
    }
    assert_eq!(send(&rig, "a", 4, Some(1)).await, 4);
    assert_eq!(counted(&rig, "a").await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_with_a_known_unique_id_is_refused_as_duplicate() {
    let rig = Rig::start(options()).await;
    let shard = shard_of(&rig, "a");
    let mut first = batch(rig.stream, "a", 3, rig.tick());
    first.unique = vec![7, 0, 8].into();
    let mut second = batch(rig.stream, "a", 3, rig.tick());
    second.unique = vec![9, 7, 0].into();
    rig.handle().write(shard, first, Answer::Counts).await.expect("acknowledged");
    let receipt = rig.handle().write(shard, second, Answer::Counts).await.expect("acknowledged");
    assert_eq!(receipt.refused, [(1, RowReason::Duplicate)]);
    assert_eq!(receipt.accepted, 2);
    assert_eq!(counted(&rig, "a").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_checkpoint_the_log_is_purged_and_nothing_is_lost() {
    let mut rig = Rig::start(Options { checkpoint_events: 1_024, ..options() }).await;
    for round in 0..8 {
        send(&rig, "a", 500, Some(round)).await;
    }
    let shard = shard_of(&rig, "a");
    rig.until("the log is purged", |rig| rig.first_index(shard) > 1).await;
    send(&rig, "a", 3, Some(8)).await;
    rig.crash(0).await;
    assert_eq!(counted(&rig, "a").await, 4_003);
    assert_eq!(send(&rig, "a", 500, Some(3)).await, 500);
    assert_eq!(counted(&rig, "a").await, 4_003);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_events_are_to_be_retried_and_go_through_when_there_is_room() {
    let rig = Rig::start(options()).await;
    let shard = shard_of(&rig, "a");
    assert_eq!(send(&rig, "a", 3, None).await, 3);
    rig.set_full(true);
    let refused = batch(rig.stream, "a", 1, rig.tick());
    let error = rig.handle().write(shard, refused, Answer::Counts).await.expect_err("full");
    assert!(matches!(error.fate(), Fate::Retry(_)), "{error}");
    assert_eq!(counted(&rig, "a").await, 3, "reads go on");
    rig.set_full(false);
    assert_eq!(send(&rig, "a", 2, None).await, 2);
    assert_eq!(counted(&rig, "a").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forgets_an_entity_on_request() {
    let mut rig = Rig::start(options()).await;
    send(&rig, "a", 10, None).await;
    assert!(rig.handle().reset(rig.stream, "a").await.expect("committed"));
    assert!(!rig.handle().reset(rig.stream, "a").await.expect("committed"));
    assert_eq!(counted(&rig, "a").await, 0);
    send(&rig, "a", 2, None).await;
    rig.crash(0).await;
    assert_eq!(counted(&rig, "a").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refuses_a_stream_that_the_catalog_does_not_know() {
    let rig = Rig::start(options()).await;
    let stray = batch(via_types::StreamId::new(99), "a", 1, rig.tick());
    let shard = EntityHash::of(stray.stream, "a").shard(SHARDS);
    let error = rig.handle().write(shard, stray, Answer::Counts).await.expect_err("unknown");
    assert!(matches!(error, Error::UnknownStream(_)), "{error}");
}

/// What a random history does next.
#[derive(Clone, Debug)]
enum Deed {
    Send {
        entity: usize,
        count: usize,
        sequence: u64,
    },
    /// A crash that keeps this share of what was written since the last commit.
    Crash {
        kept: usize,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => (0usize..6, 1usize..400, 0u64..24)
            .prop_map(|(entity, count, sequence)| Deed::Send { entity, count, sequence }),
        1 => (0usize..2_000).prop_map(|kept| Deed::Crash { kept }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariants D-1 and D-2: against a naive count, whatever is repeated and
    /// whenever the node crashes, whatever part of unsynced state survives.
    #[test]
    fn counts_each_acknowledged_event_once(deeds in prop::collection::vec(deed(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut rig = Rig::start(Options { checkpoint_events: 1_024, ..options() }).await;
            let mut model: BTreeMap<(usize, u64), usize> = BTreeMap::new();
            for deed in deeds {
                match deed {
                    Deed::Send { entity, count, sequence } => {
                        // The same sequence always carries the same batch.
                        let count = *model.entry((entity, sequence)).or_insert(count);
                        let accepted =
                            send(&rig, &format!("e{entity}"), count, Some(sequence * 6 + entity as u64)).await;
                        assert_eq!(accepted as usize, count);
                    }
                    Deed::Crash { kept } => rig.crash(kept).await,
                }
            }
            rig.crash(usize::MAX).await;
            for entity in 0..6 {
                let sent = model.iter().filter(|((e, _), _)| *e == entity).map(|(_, n)| *n as u64);
                assert_eq!(counted(&rig, &format!("e{entity}")).await, sent.sum::<u64>());
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_whose_memory_was_full_takes_new_entities_when_cold_ones_have_left() {
    const ENTITIES: u32 = 1_500;
    let rig = Rig::start(Options { shards: 1, memory_bytes: 1 << 20, ..options() }).await;
    let mut crowd = batch(rig.stream, "entity-0", ENTITIES as usize, rig.tick());
    for number in 1..ENTITIES {
        crowd.entity[number as usize] = crowd.keys.push(&format!("entity-{number}"));
    }
    crowd.hashes.clear();
    let receipt = rig.handle().write(ShardId::new(0), crowd, Answer::Counts).await;
    let receipt = receipt.expect("acknowledged");
    assert!((500..1_000).contains(&receipt.accepted), "{} fit at once", receipt.accepted);
    assert_eq!(receipt.accepted as usize + receipt.refused.len(), ENTITIES as usize);
    let begun = std::time::Instant::now();
    loop {
        let late = batch(rig.stream, "late", 1, rig.tick());
        match rig.handle().write(ShardId::new(0), late, Answer::Counts).await {
            Ok(receipt) => break assert_eq!(receipt.accepted, 1),
            Err(error) => assert!(matches!(error, Error::Overloaded { .. }), "{error}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(8), "room is made within seconds");
        tokio::task::yield_now().await;
    }
    assert_eq!(counted(&rig, "entity-7").await, 1, "who left comes back when asked for");
}
