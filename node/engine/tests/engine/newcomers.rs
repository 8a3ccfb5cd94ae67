//! Entities never seen before: told where they are rare, and only there.

use via_types::config::Method;
use via_types::detection::State;
use via_types::{Detection, Detector, StreamConfig};

use crate::feed::{Dice, Fed, Feed, MONDAY};

/// Keys as the gateway makes them of log lines.
fn template(number: usize) -> &'static str {
    Box::leak(format!("[shop] info: did thing {number} to <*>").into_boxed_str())
}

fn lines() -> StreamConfig {
    let mut config = StreamConfig::default();
    config.mapping.line_from = Some("body".to_owned());
    config
}

/// A stream of log lines and how it goes on.
struct Lines {
    feed: Feed,
    dice: Dice,
    now: f64,
    known: Vec<&'static str>,
}

impl Lines {
    fn new(config: &StreamConfig, templates: usize) -> Self {
        let known = (0..templates).map(template).collect();
        Self { feed: Feed::new(config), dice: Dice::new(11), now: MONDAY, known }
    }

    /// Feeds so many lines of known templates; one in `births` of a new one.
    fn go_on(&mut self, lines: usize, births: f64) {
        let mut events = Vec::with_capacity(lines);
        for _ in 0..lines {
            self.now += self.dice.exponential(0.1);
            if self.dice.uniform() < births {
                self.known.push(template(self.known.len()));
            }
            // Some are much commoner than others.
            let share = self.dice.uniform();
            let key = self.known[(share * share * self.known.len() as f64) as usize];
            events.push(Fed { key, at: self.now, value: 1.0, mark: 0 });
        }
        self.feed.feed(&events);
    }

    /// Feeds one line of a new template.
    fn one_new(&mut self) -> &'static str {
        let key = template(self.known.len());
        self.known.push(key);
        self.now += 0.1;
        self.feed.one(Fed { key, at: self.now, value: 1.0, mark: 0 });
        key
    }

    fn told(&self) -> Vec<&Detection> {
        let is_new = |one: &&Detection| one.contributions[0].feature == "new entity";
        self.feed.opened().into_iter().filter(is_new).collect()
    }
}

#[test]
fn a_template_never_seen_is_told_by_name_and_is_over_at_once() {
    let mut lines = Lines::new(&lines(), 40);
    lines.go_on(60_000, 0.0);
    assert_eq!(lines.told().len(), 0, "templates of its youth are no news");
    let key = lines.one_new();
    let told = lines.told();
    let [told] = told[..] else { panic!("it is told once: {told:?}") };
    assert_eq!((told.entity.as_str(), told.state), (key, State::Closed));
    assert_eq!(told.detector, Detector::Cardinality);
    assert!(told.score >= told.threshold && told.contributions.len() == 1);
    assert!(told.reason.starts_with("never seen before; one event in "), "{}", told.reason);
    lines.go_on(2_000, 0.0);
    lines.feed.one(Fed { key, at: lines.now, value: 1.0, mark: 0 });
    assert_eq!(lines.told().len(), 1, "seen again it is known");
}

#[test]
fn a_crowd_of_new_ones_is_told_early_and_a_few_times() {
    let mut lines = Lines::new(&lines(), 20);
    lines.go_on(3_000, 0.0);
    for _ in 0..6 {
        lines.one_new();
    }
    assert!((1..=3).contains(&lines.told().len()), "{:?}", lines.told());
    assert!(lines.told()[0].reason.contains("others just before"), "{}", lines.told()[0].reason);
    for _ in 0..40 {
        lines.one_new();
    }
    assert!(lines.told().len() <= 8, "{}", lines.told().len());
}

#[test]
fn where_there_always_are_new_ones_nothing_is_told() {
    for births in [0.2, 0.02, 0.002] {
        let mut lines = Lines::new(&lines(), 20);
        lines.go_on(30_000, births);
        let (born, told) = (lines.known.len(), lines.told().len());
        assert!(told <= 3, "{told} of {born} at one in {}", 1.0 / births);
    }
}

#[test]
fn only_streams_that_ask_are_told_of_new_entities() {
    let mut config = StreamConfig::default();
    for (asks, count) in [(None, 0), (Some(true), 1), (Some(false), 0)] {
        config.detectors.cardinality.new_entities = asks;
        let mut lines = Lines::new(&config, 40);
        lines.go_on(60_000, 0.0);
        lines.one_new();
        assert_eq!(lines.told().len(), count, "{asks:?}");
    }
}

#[test]
fn budgets_and_rules_that_follow_hold_new_entities_back() {
    let mut config = lines();
    for method in [Method::Budget(10.0), Method::StreamBudget(10.0), Method::Mad(6.0)] {
        config.threshold.method = method;
        let mut lines = Lines::new(&config, 40);
        lines.go_on(60_000, 0.0);
        for _ in 0..30 {
            lines.one_new();
            lines.go_on(100, 0.0);
        }
        assert!((1..=12).contains(&lines.told().len()), "{method:?}: {}", lines.told().len());
    }
}

#[test]
fn what_is_told_does_not_depend_on_how_batches_are_cut() {
    let told = |chunk: usize| {
        let mut lines = Lines::new(&lines(), 20);
        for _ in 0..4_000 / chunk {
            lines.go_on(chunk, 0.0);
        }
        for _ in 0..10 {
            lines.one_new();
        }
        lines.told().iter().map(|one| (one.entity.clone(), one.evidence)).collect::<Vec<_>>()
    };
    assert_eq!(told(1), told(50));
    assert!(!told(50).is_empty());
}

#[test]
fn a_template_that_stops_is_told_like_any_entity() {
    let mut lines = Lines::new(&lines(), 10);
    for _ in 0..2_000 {
        lines.go_on(10, 0.0);
        lines.now += 0.5;
        lines.feed.one(Fed { key: "[shop] info: alive", at: lines.now, value: 1.0, mark: 0 });
    }
    for minute in 1..=10 {
        lines.feed.tick(lines.now + 60.0 * f64::from(minute));
    }
    let opened = lines.feed.opened();
    let stopped = opened.iter().find(|one| one.entity == "[shop] info: alive");
    assert_eq!(stopped.map(|one| one.detector), Some(Detector::Volume), "{opened:?}");
}
