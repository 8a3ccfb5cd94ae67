//! While memory is short: who leaves first, who is judged by the quick tests
//! alone, and that both are functions of what the log says.

use std::collections::BTreeSet;

use via_engine::{Engine, Leaving, Options, Record};
use via_types::config::{EntityConfig, Priority};
use via_types::detection::Change;
use via_types::pressure::{Order, Regime};
use via_types::profile::ProfileView;
use via_types::{Batch, Detector, EntityHash, LogIndex, Revision, StreamConfig, Timestamp};

use crate::feed::{Dice, Fed, Feed, MONDAY, STREAM, event, hash, nanos};

/// What is said of tests that are set aside.
const SET_ASIDE: &str = "it is set aside";
const COURSE: [Detector; 5] = [
    Detector::Spectral,
    Detector::ChangePoint,
    Detector::MultiScale,
    Detector::Behavioural,
    Detector::Drift,
];

fn of_priority(priority: Priority) -> EntityConfig {
    EntityConfig { priority: Some(priority), ..EntityConfig::default() }
}

/// A stream with an entity of each priority beside the usual ones.
fn ranked() -> StreamConfig {
    let entities = [("low", Priority::Low), ("high", Priority::High)];
    let entities = entities.map(|(name, priority)| (name.to_owned(), of_priority(priority)));
    StreamConfig { entities: entities.into(), ..StreamConfig::default() }
}

/// Feeds `count` events a minute apart of an entity.
fn minutes(feed: &mut Feed, key: &'static str, from: usize, count: usize) {
    let mut dice = Dice::new(from as u64 + key.len() as u64);
    for number in from..from + count {
        let at = MONDAY + number as f64 * 60.0;
        feed.one(Fed { key, at, value: dice.normal(100.0, 5.0), mark: 0 });
    }
}

fn profile(feed: &Feed, key: &str) -> ProfileView {
    feed.engine.profile(STREAM, hash(key)).expect("it is known")
}

/// Says which detectors of an entity are set aside.
fn set_aside(feed: &Feed, key: &str) -> Vec<Detector> {
    let states = profile(feed, key).detectors;
    let aside = states.into_iter().filter(|state| state.warmup.reason.starts_with(SET_ASIDE));
    aside.map(|state| state.detector).collect()
}

fn forest_bytes(feed: &Feed, key: &str) -> f64 {
    let states = profile(feed, key).detectors;
    let forest = states.iter().find(|state| state.detector == Detector::Forest);
    forest.expect("every detector has a state").facts[0].value
}

fn course_points(feed: &Feed, key: &str) -> f64 {
    let states = profile(feed, key).detectors;
    let drift = states.iter().find(|state| state.detector == Detector::Drift);
    drift.expect("every detector has a state").facts[0].value
}

#[test]
fn costly_tests_of_those_that_matter_least_are_set_aside_and_begin_anew() {
    let mut feed = Feed::new(&ranked());
    for key in ["low", "e", "high"] {
        minutes(&mut feed, key, 0, 1_200);
        assert!(course_points(&feed, key) > 0.0 && forest_bytes(&feed, key) > 0.0, "{key}");
        assert_eq!(set_aside(&feed, key), []);
    }
    minutes(&mut feed, "young", 0, 400);
    let full = feed.engine.memory_bytes();
    feed.engine.set_regime(Regime::Frugal);
    for key in ["low", "e", "high", "young"] {
        minutes(&mut feed, key, 1_200, 40);
    }
    let all: Vec<Detector> = Detector::ALL
        .iter()
        .copied()
        .filter(|which| COURSE.contains(which) || *which == Detector::Forest)
        .collect();
    assert_eq!(set_aside(&feed, "low"), all);
    assert_eq!(set_aside(&feed, "young"), all, "seldom seen");
    assert_eq!(forest_bytes(&feed, "low"), 0.0);
    assert_eq!((set_aside(&feed, "e"), set_aside(&feed, "high")), (Vec::new(), Vec::new()));
    assert!(forest_bytes(&feed, "e") > 0.0, "who was seen often keeps its forest");
    assert!(feed.engine.memory_bytes() < full, "memory is given back");
    feed.engine.set_regime(Regime::Full);
    minutes(&mut feed, "low", 1_240, 200);
    assert_eq!(set_aside(&feed, "low"), []);
    assert!(course_points(&feed, "low") > 0.0, "its course begins anew");
}

#[test]
fn a_detection_says_that_costly_tests_were_not_made() {
    let mut feed = Feed::new(&ranked());
    minutes(&mut feed, "low", 0, 1_200);
    feed.engine.set_regime(Regime::Frugal);
    minutes(&mut feed, "low", 1_200, 60);
    feed.one(Fed { key: "low", ..event(MONDAY + 1_260.0 * 60.0, 1e6) });
    let opened = feed.changes.iter().rev().find_map(|change| match change {
        Change::Opened(one) if one.value == 1e6 => Some(one),
        Change::Opened(_) | Change::Grown(_) | Change::Labelled(..) => None,
    });
    let context = &opened.expect("it is found all the same").context;
    assert!(context.iter().any(|one| one.text.contains("without its costly tests")), "{context:?}");
}

#[test]
fn no_forest_is_planted_while_memory_is_tight() {
    let mut feed = Feed::default();
    feed.engine.set_regime(Regime::Tight);
    minutes(&mut feed, "e", 0, 1_100);
    assert_eq!(forest_bytes(&feed, "e"), 0.0);
    assert_eq!(set_aside(&feed, "e"), [], "nothing else changes");
    feed.engine.set_regime(Regime::Full);
    minutes(&mut feed, "e", 1_100, 1_100);
    assert!(forest_bytes(&feed, "e") > 0.0, "it asks again");
}

#[test]
fn what_is_set_aside_is_the_same_after_rest_and_when_time_passes() {
    let mut stayed = Feed::new(&ranked());
    minutes(&mut stayed, "low", 0, 600);
    stayed.engine.set_regime(Regime::Frugal);
    minutes(&mut stayed, "low", 600, 60);
    let mut back = Feed::new(&ranked());
    let mut records: Vec<(EntityHash, Record)> = Vec::new();
    stayed.engine.begin_round();
    stayed.engine.export(usize::MAX, &mut |_, entity, record| records.push((entity, record)));
    for (entity, record) in records {
        assert!(back.engine.restore(STREAM, entity, LogIndex::new(stayed.index), record));
    }
    back.index = stayed.index;
    assert_eq!(profile(&stayed, "low"), profile(&back, "low"));
    let silent = MONDAY + 900.0 * 60.0;
    assert_eq!(stayed.tick(silent), back.tick(silent), "a tick asks the profile, not the regime");
    assert_eq!(profile(&stayed, "low"), profile(&back, "low"));
    assert!(!set_aside(&back, "low").is_empty());
}

/// Makes a profile of each of these entities, saved, its event at that second.
fn saved(entities: &[(String, f64)]) -> Engine {
    let mut engine = Engine::new(Options::default());
    engine.configure(STREAM, Revision::new(1), &ranked());
    let mut batch = Batch { stream: STREAM, ..Batch::default() };
    for (name, at) in entities {
        let key = batch.keys.push(name);
        batch.entity.push(key);
        batch.at.push(nanos(MONDAY + at));
        batch.value.push(1.0);
    }
    batch.seal().expect("columns fit");
    let at = via_engine::Position {
        shard: via_types::ShardId::new(0),
        index: LogIndex::new(1),
        base: 0,
    };
    let mut out = via_engine::Outcome::default();
    let stamp = Timestamp::from_nanos(nanos(MONDAY));
    engine.execute(at, stamp, &batch, via_engine::Answer::Counts, &mut out);
    engine.begin_round();
    engine.export(usize::MAX, &mut |_, _, _| {});
    engine
}

/// Lets about so many profiles leave; returns how many did, and whether `who` did.
fn gone(engine: &mut Engine, leaving: Leaving, profiles: usize) -> BTreeSet<EntityHash> {
    let mut gone = BTreeSet::new();
    engine.evict(profiles * 960, leaving, &mut |_, entity| {
        gone.insert(entity);
    });
    gone
}

#[test]
fn who_leaves_first_is_as_the_order_says() {
    let mut entities: Vec<(String, f64)> =
        (0..200).map(|number| (format!("entity-{number}"), f64::from(number))).collect();
    entities.push(("high".to_owned(), 0.0));
    entities.push(("low".to_owned(), 500.0));
    let before = Timestamp::from_nanos(nanos(MONDAY + 50.0));
    let stale: BTreeSet<EntityHash> =
        entities.iter().filter(|(_, at)| *at < 50.0).map(|(name, _)| hash(name)).collect();

    let mut engine = saved(&entities);
    let left = gone(&mut engine, Leaving::new(Order::Ttl, before), 1_000);
    assert_eq!(left, stale, "those without an event for so long, and no others");
    assert_eq!(engine.clean(), entities.len() - stale.len());

    let mut engine = saved(&entities);
    let left = gone(&mut engine, Leaving::new(Order::Hybrid, before), 60);
    assert!(left.is_superset(&stale) && left.len() > stale.len(), "then others");

    let mut engine = saved(&entities);
    let order = Leaving::new(Order::Priority, before);
    assert_eq!(gone(&mut engine, order, 1), BTreeSet::from([hash("low")]));
    let left = gone(&mut engine, order, 1_000);
    assert_eq!(left.len(), entities.len() - 1);
    let mut engine = saved(&entities);
    let left = gone(&mut engine, order, 190);
    assert!(!left.contains(&hash("high")), "who matters most leaves last");

    let mut engine = saved(&entities);
    let left = gone(&mut engine, Leaving::new(Order::Lru, before), 1_000);
    assert_eq!(left.len(), entities.len());
    assert_eq!((engine.profiles(), engine.clean()), (0, 0));
}

#[test]
fn the_oldest_change_is_saved_first_when_asked_for() {
    let entities: Vec<(String, f64)> =
        (0..50).map(|number| (format!("entity-{number}"), f64::from(number))).collect();
    let mut engine = Engine::new(Options::default());
    let mut feed = |number: usize| {
        let (name, at) = &entities[number];
        let mut batch = Batch { stream: STREAM, ..Batch::default() };
        batch.keys.push(name);
        batch.entity.push(0);
        batch.at.push(nanos(MONDAY + at));
        batch.value.push(1.0);
        batch.seal().expect("columns fit");
        let index = LogIndex::new(number as u64 + 1);
        let shard = via_types::ShardId::new(0);
        let at = via_engine::Position { shard, index, base: 0 };
        let stamp = Timestamp::from_nanos(nanos(MONDAY));
        let mut out = via_engine::Outcome::default();
        engine.execute(at, stamp, &batch, via_engine::Answer::Counts, &mut out);
    };
    (0..entities.len()).for_each(&mut feed);
    engine.begin_round();
    engine.oldest_first();
    let mut first = Vec::new();
    engine.export(3, &mut |_, entity, _| first.push(entity));
    assert_eq!(first, [0, 1, 2].map(|number| hash(&entities[number].0)));
}

#[test]
fn giving_memory_back_loses_nothing() {
    let entities: Vec<(String, f64)> =
        (0..500).map(|number| (format!("entity-{number}"), f64::from(number))).collect();
    let mut engine = saved(&entities);
    let before = Timestamp::from_nanos(nanos(MONDAY + 400.0));
    engine.trim();
    assert_eq!(engine.profiles(), 500);
    // The newest keep the last places, so none is given back; then all are.
    gone(&mut engine, Leaving::new(Order::Ttl, before), 1_000);
    engine.trim();
    assert_eq!(engine.profiles(), 100);
    assert!(entities[400..].iter().all(|(name, _)| engine.profile(STREAM, hash(name)).is_some()));
    gone(&mut engine, Leaving::new(Order::Lru, before), 1_000);
    engine.trim();
    assert_eq!((engine.profiles(), engine.dirty()), (0, 0));
    engine.begin_round();
    assert_eq!(engine.export(10, &mut |_, _, _| {}), 0);
}
