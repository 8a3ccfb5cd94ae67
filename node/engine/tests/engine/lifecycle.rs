//! Rounds, eviction, limits: what the shard relies on.

use via_engine::{Answer, Engine, Leaving, Options, Outcome, Position};
use via_types::pressure::Order;
use via_types::{Batch, LogIndex, Revision, RowReason, ShardId, StreamConfig, Timestamp};

use crate::feed::{Feed, MONDAY, STREAM, batch, event, hash};

/// One event each of `count` entities.
fn crowd(count: usize, at: f64) -> Batch {
    let mut batch = Batch { stream: STREAM, ..Batch::default() };
    for number in 0..count {
        let key = batch.keys.push(&format!("entity-{number}"));
        batch.entity.push(key);
        batch.at.push((at * 1e9) as i64);
        batch.value.push(number as f64);
    }
    batch.seal().expect("columns fit");
    batch
}

fn execute(engine: &mut Engine, index: u64, batch: &Batch) -> Outcome {
    let at = Position { shard: ShardId::new(0), index: LogIndex::new(index), base: 0 };
    let mut out = Outcome::default();
    engine.execute(at, Timestamp::from_nanos(batch.at[0]), batch, Answer::Counts, &mut out);
    out
}

#[test]
fn an_empty_engine_is_small() {
    assert!(Engine::new(Options::default()).memory_bytes() < 20_000);
}

#[test]
fn a_round_exports_what_was_dirty_as_it_is_now() {
    let mut engine = Engine::new(Options::default());
    execute(&mut engine, 1, &crowd(100, MONDAY));
    assert_eq!((engine.profiles(), engine.dirty()), (100, 100));
    engine.begin_round();
    execute(&mut engine, 2, &crowd(120, MONDAY + 1.0));
    assert_eq!(engine.dirty(), 120);
    let mut exported = 0;
    assert_eq!(engine.export(30, &mut |_, _, _| exported += 1), 70);
    assert_eq!(engine.export(1000, &mut |_, _, _| exported += 1), 0);
    // The habits of the stream come with the last of the round.
    assert_eq!((exported, engine.dirty()), (101, 20));
    engine.begin_round();
    assert_eq!(engine.export(1000, &mut |_, _, _| exported += 1), 0);
    assert_eq!((exported, engine.dirty()), (122, 0));
}

#[test]
fn eviction_drops_only_clean_profiles_and_frees_memory() {
    let mut engine = Engine::new(Options::default());
    execute(&mut engine, 1, &crowd(1000, MONDAY));
    let full = engine.memory_bytes();
    let lru = Leaving::new(Order::Lru, Timestamp::MIN);
    assert_eq!(engine.evict(usize::MAX, lru, &mut |_, _| panic!("nothing is clean")), 0);
    engine.begin_round();
    let mut records = Vec::new();
    engine.export(usize::MAX, &mut |stream, entity, record| records.push((stream, entity, record)));
    let mut gone = Vec::new();
    let freed = engine.evict(full / 4, lru, &mut |_, entity| gone.push(entity));
    assert!(freed >= full / 4 && !gone.is_empty() && gone.len() < 900);
    assert_eq!(engine.profiles(), 1000 - gone.len());
    let mut missing = Vec::new();
    let batch = crowd(1000, MONDAY + 2.0);
    engine.missing(&batch, &mut missing);
    assert_eq!(missing.len(), gone.len());
    for (stream, entity, record) in records {
        assert!(engine.restore(stream, entity, LogIndex::new(1), record));
    }
    missing.clear();
    engine.missing(&batch, &mut missing);
    assert!(missing.is_empty());
    assert_eq!((engine.profiles(), engine.dirty()), (1000, 0));
    assert_eq!(execute(&mut engine, 2, &batch).accepted, 1000);
    assert_eq!(engine.profile(STREAM, batch.hashes[7]).unwrap().events, 2);
}

#[test]
fn what_was_found_missing_or_not_may_have_changed_since() {
    let mut engine = Engine::new(Options::default());
    execute(&mut engine, 1, &crowd(100, MONDAY));
    let (batch, other) = (crowd(100, MONDAY + 2.0), crowd(50, MONDAY + 1.0));
    let mut missing = Vec::new();
    engine.missing(&batch, &mut missing);
    assert!(missing.is_empty());
    // Places change hands: the last comes to be where the first was.
    assert!(engine.reset(STREAM, batch.hashes[0]) && engine.reset(STREAM, batch.hashes[99]));
    execute(&mut engine, 2, &other);
    engine.missing(&batch, &mut missing);
    assert_eq!(missing, [99]);
    assert!(engine.reset(STREAM, batch.hashes[7]));
    assert_eq!(execute(&mut engine, 3, &batch).accepted, 100);
    let events = |key: usize| engine.profile(STREAM, batch.hashes[key]).unwrap().events;
    assert_eq!([0, 7, 20, 80, 99].map(events), [2, 1, 3, 2, 1]);
    let mut whole = Vec::new();
    engine.missing(&batch, &mut whole);
    assert!(whole.is_empty());
    assert_eq!(execute(&mut engine, 4, &crowd(150, MONDAY + 3.0)).accepted, 150);
    assert_eq!(engine.profiles(), 150);
}

#[test]
fn new_entities_are_refused_at_the_memory_limit() {
    let options = Options { memory_bytes: 200_000, expected_profiles: 10, ..Options::default() };
    let mut engine = Engine::new(options);
    let out = execute(&mut engine, 1, &crowd(2000, MONDAY));
    assert!(out.accepted > 10 && !out.refused.is_empty(), "invariant D-6: a bound");
    assert_eq!(out.accepted as usize + out.refused.len(), 2000, "invariant D-5");
    assert!(out.refused.iter().all(|(_, reason)| *reason == RowReason::TableFull));
    assert!(engine.memory_bytes() < 220_000);
    let again = execute(&mut engine, 2, &crowd(out.accepted as usize, MONDAY + 1.0));
    assert!(again.refused.is_empty(), "known entities go on");
}

#[test]
fn reset_forgets_one_entity() {
    let mut feed = Feed::default();
    feed.feed(&[event(MONDAY, 1.0), event(MONDAY + 1.0, 2.0)]);
    feed.engine.begin_round();
    assert!(feed.engine.reset(STREAM, hash("e")));
    assert!(!feed.engine.reset(STREAM, hash("e")));
    assert_eq!((feed.engine.profiles(), feed.engine.dirty()), (0, 0));
    assert_eq!(
        feed.engine.export(10, &mut |_, entity, _| assert_ne!(entity, hash("e"), "it is gone")),
        0
    );
    feed.feed(&[event(MONDAY + 2.0, 2.0)]);
    assert_eq!(feed.engine.profile(STREAM, hash("e")).unwrap().events, 1);
}

#[test]
fn a_new_configuration_keeps_what_was_learned() {
    let mut feed = Feed::default();
    let events: Vec<_> = (0..500).map(|i| event(MONDAY + f64::from(i), f64::from(i % 9))).collect();
    feed.feed(&events);
    assert_eq!(feed.engine.revision(STREAM), Some(Revision::new(5)));
    let mut config = StreamConfig::default();
    config.detectors.volume.enabled = false;
    feed.engine.configure(STREAM, Revision::new(6), &config);
    assert_eq!(feed.engine.revision(STREAM), Some(Revision::new(6)));
    assert_eq!(feed.engine.profile(STREAM, hash("e")).unwrap().events, 500);
    assert!(feed.one(event(MONDAY + 500.0, 5000.0)) >= 0.5);
    let opened = feed.opened();
    assert_eq!(opened[0].revision, Revision::new(6), "invariant C-1");
    assert_eq!(feed.engine.revision(via_types::StreamId::new(99)), None);
}

#[test]
fn a_batch_of_an_unknown_stream_is_judged_by_defaults() {
    let mut engine = Engine::new(Options::default());
    let out = execute(&mut engine, 1, &batch(&[event(MONDAY, 1.0)]));
    assert_eq!(out.accepted, 1);
}
