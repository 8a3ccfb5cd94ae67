//! Invariant E-2 for every feature: terms add up, and what is promised holds when
//! it is fed.

use std::collections::BTreeMap;

use proptest::prelude::*;
use via_types::config::Method;
use via_types::detection::Change;
use via_types::{Detection, Lane, StreamConfig};

use crate::feed::{Dice, Fed, Feed, MONDAY, batch, event};

/// Ways in which an entity may become odd.
const WAYS: u64 = 10;

/// Feeds normal events, then odd ones of one way or another.
fn odd_feed(way: u64, seed: u64, known: usize) -> Feed {
    let mut dice = Dice::new(seed);
    let mut feed = Feed::default();
    let mut at = MONDAY;
    let pace = if way == 8 { 0.01 } else { 1.0 };
    for number in 0..known + 300 {
        let is_odd = number >= known;
        let gap = match way {
            3 if is_odd => 0.03,
            4 if is_odd => 12.0,
            _ => dice.exponential(pace),
        };
        at += gap;
        let noise = dice.normal(0.0, 1.0);
        let value = match way {
            0 if is_odd => 100.0 + noise * 60.0,
            1 if is_odd => 100.0 + noise + (number - known) as f64 * 0.1,
            2 if is_odd => 100.0,
            6 => 50.0 + 20.0 * libm::sin(number as f64 * 0.26) + noise,
            8 if is_odd => 108.0 + noise,
            _ => 100.0 + noise,
        };
        let value = if way == 6 && is_odd { 70.0 + noise } else { value };
        let pool = if way == 5 && is_odd { 1 << 40 } else { 12 };
        let mark = if way == 5 { dice.bits() % pool + 1 } else { 0 };
        let mut batch = batch(&[Fed { key: "e", at, value, mark }]);
        if way == 7 || way == 9 {
            let off = if is_odd { 6.0 } else { 0.0 };
            let width = if way == 7 { 3 } else { 20 };
            for lane in 0..width {
                let shift = if lane % 3 == 0 { off } else { 0.0 };
                let values = vec![dice.normal(10.0, 1.0) + shift].into();
                batch.lanes.push(Lane { name: format!("lane-{lane}"), values });
            }
        }
        feed.batch(&batch);
    }
    feed.tick(at + 600.0);
    feed
}

fn all_told(feed: &Feed) -> impl Iterator<Item = &Detection> {
    feed.changes.iter().map(Change::detection)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn terms_add_up_whatever_is_odd(way in 0..WAYS, seed in any::<u64>(), known in 40usize..900) {
        for found in all_told(&odd_feed(way, seed, known)) {
            let sum: f64 = found.contributions.iter().map(|term| term.evidence).sum();
            prop_assert!((sum - found.evidence).abs() < 1e-9);
            prop_assert!(found.contributions.iter().all(|term| term.evidence >= 0.0));
            for one in &found.context {
                prop_assert!((0.0..=1.0).contains(&one.relevance));
            }
            prop_assert!(found.context.is_sorted_by(|a, b| a.relevance >= b.relevance));
        }
    }
}

#[test]
fn every_feature_comes_to_speak() {
    let mut spoken = BTreeMap::new();
    for way in 0..WAYS {
        for seed in 0..4 {
            let feed = odd_feed(way, seed, 800);
            let terms = all_told(&feed).flat_map(|found| found.contributions.iter());
            terms.for_each(|term| *spoken.entry(term.feature.clone()).or_insert(0) += 1);
        }
    }
    for feature in
        ["value", "change", "level", "spread", "gap", "rate", "distinct", "pattern", "lane-0"]
    {
        assert!(spoken.contains_key(feature), "{feature} is not in {spoken:?}");
    }
    // A column that is not off is named only when chance has moved it too.
    let of = |name: &str| spoken.get(name).copied().unwrap_or(0);
    assert!(of("lane-1") + of("lane-2") < of("lane-0") / 10, "innocents: {spoken:?}");
}

/// Feeds events one by one; returns the engine as it was before the first that
/// opened a detection led by `feature`, which event that was, and the detection.
fn opening(
    config: &StreamConfig,
    events: &[Fed],
    feature: &str,
) -> Option<(Feed, usize, Detection)> {
    let mut feed = Feed::new(config);
    for (number, fed) in events.iter().enumerate() {
        let before = (number > 300).then(|| feed.clone());
        let known = feed.changes.len();
        feed.one(fed.clone());
        let opened = feed.changes[known..].iter().find_map(|change| match change {
            Change::Opened(found) if found.contributions[0].feature == feature => Some(found),
            Change::Opened(_) | Change::Grown(_) | Change::Labelled(..) => None,
        });
        if let (Some(before), Some(found)) = (before, opened) {
            return Some((before, number, (**found).clone()));
        }
    }
    None
}

/// Feeds all and returns the score of the last.
fn last_score(config: &StreamConfig, events: &[Fed]) -> (f32, Feed) {
    let mut feed = Feed::new(config);
    let mut score = 0.0;
    for fed in events {
        score = feed.one(fed.clone());
    }
    (score, feed)
}

/// Checks a promise; says whether there was one.
fn holds(found: &Detection, score: f32) {
    let promise = found.counterfactual.as_ref().expect("a promise");
    let off = (f64::from(score) - promise.score).abs();
    assert!(off < 0.01, "{score} for {promise:?} in {}", found.reason);
    assert!(promise.score < found.threshold);
}

fn normal_then(seed: u64, known: usize, odd: impl Fn(&mut Dice) -> (f64, u64)) -> Vec<Fed> {
    let mut dice = Dice::new(seed);
    let mut at = MONDAY;
    (0..known + 200)
        .map(|number| {
            let usual = (0.5 + dice.uniform(), dice.bits() % 20 + 1);
            let (gap, mark) = if number < known { usual } else { odd(&mut dice) };
            at += gap;
            Fed { key: "e", at, value: dice.normal(100.0, 5.0), mark }
        })
        .collect()
}

#[test]
fn a_promised_gap_holds() {
    let mut promises = 0;
    for seed in 0..12 {
        let pace = if seed % 2 == 0 { 0.4 } else { 1.8 };
        let events =
            normal_then(seed, 700, |dice| (pace * (0.5 + dice.uniform()), dice.bits() % 20 + 1));
        let mut config = StreamConfig::default();
        config.detectors.volume.enabled = false;
        config.threshold.method = Method::Ensemble(0.3);
        let Some((mut before, number, found)) = opening(&config, &events, "gap") else { continue };
        let Some(promise) = &found.counterfactual else { continue };
        assert_eq!(promise.feature, "gap");
        let at = events[number - 1].at + promise.value;
        let score = before.one(Fed { at, ..events[number].clone() });
        holds(&found, score);
        promises += 1;
    }

    assert!(promises >= 6, "{promises}");
}

#[test]
fn a_promised_number_of_distinct_marks_holds() {
    let mut promises = 0;
    for seed in 0..12 {
        let config = StreamConfig::default();
        let events =
            normal_then(seed, 900, |dice| (dice.exponential(1.0), dice.bits() % (1 << 40) + 1));
        let Some((_, number, found)) = opening(&config, &events, "distinct") else { continue };
        let Some(promise) = &found.counterfactual else { continue };
        let less = (found.contributions[0].observed - promise.value + 0.5) as usize;
        let mut fewer = events[..=number].to_vec();
        let again = fewer[number - less - 1].mark;
        for fed in &mut fewer[number - less..number] {
            fed.mark = again;
        }
        holds(&found, last_score(&config, &fewer).0);
        promises += 1;
    }
    assert!(promises >= 4, "{promises}");
}

#[test]
fn a_promised_value_of_one_column_holds() {
    let mut promises = 0;
    for seed in 0..6 {
        let mut feed = Feed::default();
        let mut dice = Dice::new(seed);
        let row = |feed: &mut Feed, number: usize, first: f64, dice: &mut Dice| {
            let mut one = batch(&[event(MONDAY + number as f64, 1.0)]);
            for (name, shift) in [("a", first), ("b", 0.0), ("c", 0.0)] {
                let values = vec![dice.normal(10.0, 1.0) + shift].into();
                one.lanes.push(Lane { name: name.to_owned(), values });
            }
            (feed.batch(&one), one)
        };
        for number in 0..600 {
            row(&mut feed, number, 0.0, &mut dice);
        }
        let mut before = feed.clone();
        let (out, mut fed) = row(&mut feed, 600, 30.0, &mut dice);
        let Some(Change::Opened(found)) = out.changes.first() else { continue };
        let promise = found.counterfactual.as_ref().unwrap();
        assert_eq!(promise.feature, "a");
        assert!(!found.reason.contains("together"), "{}", found.reason);
        let range = found.expected.unwrap();
        assert!(range.low > 5.0 && range.high < 15.0, "the column's, not 1: {range:?}");
        fed.lanes[0].values = vec![promise.value].into();
        holds(found, before.batch(&fed).scores[0]);
        promises += 1;
    }
    assert!(promises >= 4, "{promises}");
}
