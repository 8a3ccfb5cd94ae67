//! What no single event shows: slow leaks, lasting small shifts, values that stand
//! together as never before; and that forests stay within their memory.

use via_engine::Options;
use via_types::detection::Contribution;
use via_types::{Detector, StreamConfig};

use crate::feed::{Dice, Fed, Feed, MONDAY, STREAM, batch, event, hash};

/// The detectors that look at the course of buckets.
const OF_COURSES: [Detector; 5] = [
    Detector::Spectral,
    Detector::ChangePoint,
    Detector::MultiScale,
    Detector::Behavioural,
    Detector::Drift,
];

/// Feeds `count` values, one every ten seconds from minute zero on.
fn run(feed: &mut Feed, from: usize, count: usize, mut value: impl FnMut(usize) -> f64) {
    let events: Vec<_> =
        (from..from + count).map(|i| event(MONDAY + i as f64 * 10.0, value(i))).collect();
    feed.feed(&events);
}

/// Detections to which a detector of courses contributes.
fn of_courses(feed: &Feed, since: usize) -> usize {
    let is_one = |detector| OF_COURSES.contains(&detector);
    let opened = feed.opened();
    let found = opened[since..].iter().filter(|found| {
        found.contributions.iter().any(|term| is_one(term.detector) && term.evidence > 0.5)
    });
    found.count()
}

#[test]
fn a_slow_leak_is_found_by_those_who_look_from_further_away() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(31);
    run(&mut feed, 0, 60_000, |_| dice.normal(100.0, 5.0));
    let before = feed.opened().len();
    assert!(before <= 24, "{before} false alarms in 60,000 values");
    // A standard deviation in half a day.
    let mut dice = Dice::new(32);
    run(&mut feed, 60_000, 20_000, |i| dice.normal(100.0, 5.0) + (i - 60_000) as f64 * 1.2e-3);
    assert!(of_courses(&feed, before) >= 1, "{:#?}", feed.opened()[before..].first());
}

#[test]
fn each_detector_of_courses_may_be_left_out() {
    let mut config = StreamConfig::default();
    config.detectors.spectral.enabled = false;
    config.detectors.change_point.enabled = false;
    config.detectors.multi_scale.enabled = false;
    config.detectors.behavioural.enabled = false;
    config.detectors.drift.enabled = false;
    config.detectors.forest.enabled = false;
    let mut feed = Feed::new(&config);
    let mut dice = Dice::new(33);
    run(&mut feed, 0, 8000, |i| dice.normal(if i < 6000 { 100.0 } else { 110.0 }, 5.0));
    assert_eq!(of_courses(&feed, 0), 0);
    let view = feed.engine.profile(STREAM, hash("e")).unwrap();
    for state in view.detectors {
        let is_on = state.enabled;
        let is_quick = (state.detector as usize) < Detector::Spectral as usize;
        assert_eq!(is_on, is_quick, "{}", state.detector);
    }
}

/// The entities of a fleet.
const FLEET: [&str; 10] = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9"];

#[test]
fn who_leaves_its_peers_is_told_by_the_trait_that_left() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(35);
    let mut told = Vec::new();
    let (rounds, moved) = (6400usize, 5500);
    for round in 0..rounds {
        // Each has a level of its own; at last one moves.
        let events: Vec<_> = FLEET
            .iter()
            .enumerate()
            .map(|(number, key)| {
                let is_moved = number == 4 && round >= moved;
                let level = (number + 1) as f64 * 100.0;
                let value = level * (1.0 + if is_moved { 0.012 } else { 0.0 });
                let at = MONDAY + round as f64 * 5.0 + number as f64 * 0.4;
                Fed { key, at, value: dice.normal(value, level * 0.02), mark: 0 }
            })
            .collect();
        let out = feed.batch(&batch(&events));
        for (scored, fed) in out.scored.iter().zip(&events) {
            let mut terms = scored.contributions.iter();
            let beside = terms.find(|term| term.feature.ends_with("beside peers"));
            if let Some(term) = beside.filter(|term| term.evidence > 0.1) {
                told.push((fed.key, round, term.clone()));
            }
        }
    }
    let mean = told.iter().find(|(key, round, term)| {
        *key == "f4" && *round >= moved && term.feature == "mean beside peers"
    });
    let (_, _, term) = mean.expect("the one that moved is told");
    assert_eq!(term.detector, Detector::Behavioural);
    assert!(
        (term.expected - 500.0).abs() < 10.0 && term.observed > term.expected + 0.5,
        "{term:?}"
    );
}

/// What is said of the mix of marks.
#[derive(Debug, Default, PartialEq)]
struct Mixed {
    /// The most evidence of its own before and after it changed.
    most: [f64; 2],
    /// What it adds to scores after that.
    terms: Vec<Contribution>,
}

/// Feeds events of five kinds, with `each` marks each, that at last come in other
/// shares than they did.
fn mixed(each: u64) -> Mixed {
    let mut feed = Feed::default();
    let mut dice = Dice::new(36);
    let mut mixed = Mixed::default();
    let (rounds, changed) = (40_000usize, 36_000);
    for from in (0..rounds).step_by(64) {
        let events: Vec<_> = (from..from + 64)
            .map(|i| {
                let share = dice.uniform();
                let share = if i < changed { share * share } else { share.sqrt() };
                let at = MONDAY + i as f64 * 10.0 + dice.uniform();
                let mark = (share * 5.0) as u64 * each + dice.bits() % each + 1;
                Fed { mark, ..event(at, dice.normal(100.0, 5.0)) }
            })
            .collect();
        let out = feed.batch(&batch(&events));
        let view = feed.engine.profile(STREAM, hash("e")).expect("it is known");
        let facts = view.detectors.iter().flat_map(|state| &state.facts);
        let own = facts.filter(|fact| fact.name == MIX).map(|fact| fact.value);
        let most = &mut mixed.most[usize::from(from >= changed)];
        *most = own.fold(*most, f64::max);
        if from >= changed {
            let terms = out.scored.into_iter().flat_map(|scored| scored.contributions);
            mixed.terms.extend(terms.filter(|term| term.feature == MIX && term.evidence > 0.3));
        }
    }
    mixed
}

/// How the mix of marks is named.
const MIX: &str = "mix of distinct values";

#[test]
fn another_mix_of_few_marks_is_told_where_no_value_is_odd() {
    let few = mixed(1);
    assert!(few.most[1] > few.most[0] + 1.5 && few.most[1] > 4.0, "{few:?}");
    let said = few.terms.first().expect("it is told");
    assert_eq!(said.detector, Detector::Behavioural);
    assert!(said.observed > 2.0 * said.expected && said.observed <= 1.0, "{said:?}");
    assert_eq!(mixed(8), Mixed::default(), "too many to be categories");
}

#[test]
fn forests_are_earned_and_stay_within_their_memory() {
    let held = |memory_bytes: usize, events: usize| {
        let options = Options { memory_bytes, ..Options::default() };
        let mut feed = Feed::with(options, &StreamConfig::default());
        let mut dice = Dice::new(34);
        run(&mut feed, 0, events, |_| dice.normal(100.0, 5.0));
        let view = feed.engine.profile(STREAM, hash("e")).unwrap();
        let forest = view.detectors.iter().find(|state| state.detector == Detector::Forest);
        forest.unwrap().facts[0].value
    };
    assert_eq!(held(1 << 26, 1000), 0.0, "not earned yet");
    assert!(held(1 << 26, 1100) > 1e4);
    assert_eq!(held(1 << 22, 3000), 0.0, "no room for one");
}
