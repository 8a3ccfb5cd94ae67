//! Single entities that are judged differently: from the entry that says so on,
//! they alone, and also after they left memory.

use via_engine::Leaving;
use via_types::config::{EntityConfig, EntityDetector, EntityThreshold, Explain, Method, Priority};
use via_types::pressure::Order;
use via_types::{Detector, LogIndex, Revision, Severity, StreamConfig, Timestamp};

use crate::feed::{Dice, Fed, Feed, STREAM, hash};

/// Steady values of three entities.
fn steady(dice: &mut Dice, from: usize, count: usize) -> Vec<Fed> {
    let mut events = Vec::with_capacity(count);
    for number in from..from + count {
        let key = ["e", "odd", "new"][number % 3];
        let value = dice.normal(100.0, 1.0);
        events.push(Fed { key, at: number as f64, value, mark: 0 });
    }
    events
}

fn with(key: &str, own: EntityConfig) -> StreamConfig {
    let mut config = StreamConfig::default();
    config.entities.insert(key.to_owned(), own);
    config
}

fn strict() -> EntityConfig {
    let threshold =
        EntityThreshold { method: Some(Method::Ensemble(0.999)), ..EntityThreshold::default() };
    EntityConfig { threshold, ..EntityConfig::default() }
}

fn told(feed: &mut Feed, key: &'static str, at: f64) -> bool {
    let known = feed.changes.len();
    feed.one(Fed { key, at, value: 108.0, mark: 0 });
    feed.changes.len() > known
}

#[test]
fn an_entity_with_a_threshold_of_its_own_is_judged_by_it_and_no_other_is() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(31);
    feed.feed(&steady(&mut dice, 0, 6_000));
    let (mut plain, mut own) = (feed.clone(), feed.clone());
    own.engine.configure(STREAM, Revision::new(6), &with("odd", strict()));
    assert!(told(&mut plain, "odd", 6_000.5) && told(&mut plain, "e", 6_000.6));
    assert!(!told(&mut own, "odd", 6_000.5) && told(&mut own, "e", 6_000.6));
    assert_eq!(own.changes.last().map(|change| change.detection().revision.get()), Some(6));
    let more = steady(&mut dice, 6_001, 3_000);
    own.feed(&more);
    own.engine.configure(STREAM, Revision::new(7), &StreamConfig::default());
    assert!(told(&mut own, "odd", 9_001.5), "like all others again, and nothing was forgotten");
}

#[test]
fn others_are_scored_as_if_nobody_had_anything_different() {
    let mut dice = Dice::new(32);
    let events = steady(&mut dice, 0, 9_000);
    let run = |config: &StreamConfig| {
        let mut feed = Feed::new(config);
        feed.feed(&events);
        let own = feed.scores.iter().zip(&events).filter(|(_, event)| event.key != "odd");
        own.map(|(score, _)| score.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(run(&StreamConfig::default()), run(&with("odd", strict())));
}

#[test]
fn a_plan_that_says_nothing_different_gives_the_same_scores() {
    let mut dice = Dice::new(33);
    let events = steady(&mut dice, 0, 9_000);
    let run = |config: &StreamConfig| {
        let mut feed = Feed::new(config);
        feed.feed(&events);
        feed.scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(run(&StreamConfig::default()), run(&with("odd", EntityConfig::default())));
}

#[test]
fn a_detector_switched_off_for_one_entity_says_nothing_of_it() {
    let off = EntityDetector { enabled: Some(false), ..EntityDetector::default() };
    let own = EntityConfig {
        detectors: [(Detector::Distribution, off)].into(),
        ..EntityConfig::default()
    };
    let mut feed = Feed::new(&with("odd", own));
    feed.feed(&steady(&mut Dice::new(34), 0, 6_000));
    let view = |feed: &Feed, key| feed.engine.profile(STREAM, hash(key)).expect("known");
    let is_on = |feed: &Feed, key| {
        let states = view(feed, key).detectors;
        let mut own = states.iter().filter(|state| state.detector == Detector::Distribution);
        own.next().expect("all").enabled
    };
    assert!(!is_on(&feed, "odd") && is_on(&feed, "e"));
    assert!(!told(&mut feed, "odd", 6_000.5) && told(&mut feed, "e", 6_000.6));
}

#[test]
fn priority_and_explanation_are_the_entity_s_own() {
    let severity = |priority| {
        let explain = Some(Explain::None);
        let own = EntityConfig { priority: Some(priority), explain, ..EntityConfig::default() };
        let mut feed = Feed::new(&with("odd", own));
        feed.feed(&steady(&mut Dice::new(35), 0, 6_000));
        assert!(told(&mut feed, "odd", 6_000.5));
        let detection = feed.changes.last().expect("told").detection();
        assert!(detection.contributions.is_empty());
        detection.severity
    };
    let [low, normal, high] = [Priority::Low, Priority::Normal, Priority::High].map(severity);
    assert!(low <= normal && normal < high, "{low} {normal} {high}");
    assert!(low < high && high > Severity::Low);
}

#[test]
fn what_is_different_outlives_the_stay_in_memory() {
    let mut feed = Feed::new(&with("odd", strict()));
    feed.feed(&steady(&mut Dice::new(36), 0, 6_000));
    feed.engine.begin_round();
    let mut records = Vec::new();
    while feed.engine.export(64, &mut |stream, entity, record| {
        records.push((stream, entity, record));
    }) > 0
    {}
    let leaving = Leaving::new(Order::Lru, Timestamp::MIN);
    feed.engine.evict(usize::MAX, leaving, &mut |_, _| {});
    assert!(feed.engine.profile(STREAM, hash("odd")).is_none(), "it left");
    for (stream, entity, record) in records {
        assert!(feed.engine.restore(stream, entity, LogIndex::new(feed.index), record));
    }
    assert!(!told(&mut feed, "odd", 6_000.5) && told(&mut feed, "e", 6_000.6));
}
