//! What a stream does not mind is not told: deviations of the other side, and those
//! too small for anybody.

use proptest::prelude::*;
use via_types::config::{MinDeviation, Side};
use via_types::detection::{Change, Direction};
use via_types::{Detection, StreamConfig};

use crate::feed::{Dice, Feed, MONDAY, event};

fn asking(direction: Side, absolute: f64, relative: f64) -> StreamConfig {
    let mut config = StreamConfig::default();
    config.threshold.direction = direction;
    config.threshold.min_deviation = MinDeviation { absolute, relative };
    config
}

/// A feed that has seen `count` values about 1000, give or take `scatter`, a
/// second apart.
fn warmed(config: &StreamConfig, seed: u64, count: usize, scatter: f64) -> Feed {
    let mut feed = Feed::new(config);
    let mut dice = Dice::new(seed);
    let events: Vec<_> =
        (0..count).map(|i| event(MONDAY + i as f64, dice.normal(1000.0, scatter))).collect();
    feed.feed(&events);
    feed
}

/// Returns the score of `value` and the detection that it opened.
fn next(feed: &mut Feed, count: usize, value: f64) -> (f64, Option<Detection>) {
    let known = feed.changes.len();
    let score = f64::from(feed.one(event(MONDAY + count as f64, value)));
    let opened = feed.changes.get(known).filter(|change| matches!(change, Change::Opened(_)));
    (score, opened.map(|change| change.detection().clone()))
}

#[test]
fn a_rare_but_tiny_change_is_ignored() {
    let tiny = 1000.5;
    for (config, is_told) in [
        (asking(Side::Any, 0.0, 0.0), true),
        (asking(Side::Any, 5.0, 0.0), false),
        (asking(Side::Any, 0.0, 0.01), false),
        (asking(Side::Any, 0.1, 0.0001), true),
        (asking(Side::Any, 0.1, 0.01), false),
    ] {
        let mut feed = warmed(&config, 3, 3000, 0.02);
        let (score, found) = next(&mut feed, 3000, tiny);
        assert_eq!(found.is_some(), is_told, "{:?}", config.threshold);
        assert_eq!(score >= 0.5, is_told, "{score}");
        let (score, found) = next(&mut feed.clone(), 3001, 1100.0);
        assert!(is_told || found.is_some() && score >= 0.5, "what is large is told: {score}");
    }
}

#[test]
fn only_the_side_that_is_minded_is_told() {
    for (side, above, below) in
        [(Side::Any, true, true), (Side::Above, true, false), (Side::Below, false, true)]
    {
        let feed = warmed(&asking(side, 0.0, 0.0), 4, 3000, 5.0);
        let (score, found) = next(&mut feed.clone(), 3000, 1200.0);
        assert_eq!((found.is_some(), score >= 0.5), (above, above), "{side:?}");
        assert!(found.is_none_or(|found| found.direction == Direction::Above));
        let (score, found) = next(&mut feed.clone(), 3000, 800.0);
        assert_eq!((found.is_some(), score >= 0.5), (below, below), "{side:?}");
        assert!(found.is_none_or(|found| found.direction == Direction::Below));
    }
}

#[test]
fn a_burst_is_told_although_the_value_goes_the_other_way() {
    let mut feed = warmed(&asking(Side::Above, 0.0, 0.0), 5, 3000, 5.0);
    let events: Vec<_> =
        (0..400).map(|i| event(MONDAY + 3000.0 + f64::from(i) * 0.02, 900.0)).collect();
    let known = feed.opened().len();
    feed.feed(&events);
    let found = feed.opened();
    assert_eq!(found.len(), known + 1);
    assert_eq!(found[known].direction, Direction::Above, "{}", found[known].reason);
}

#[test]
fn a_detector_s_own_threshold_minds_what_it_says() {
    let mut config = StreamConfig::default();
    let own = asking(Side::Above, 0.0, 0.0).threshold;
    config.detectors.distribution.threshold = Some(own);
    let mut feed = warmed(&config, 6, 3000, 5.0);
    assert!(next(&mut feed.clone(), 3000, 800.0).1.is_none());
    assert!(next(&mut feed, 3000, 1200.0).1.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counterfactuals_hold_whatever_is_minded(
        seed in any::<u64>(), count in 100usize..2000, off in 12f64..400.0,
        absolute in prop::sample::select(vec![0.0, 30.0, 200.0]),
        relative in prop::sample::select(vec![0.0, 0.05, 0.3]),
        side in prop::sample::select(vec![Side::Any, Side::Above, Side::Below]),
        below in any::<bool>(),
    ) {
        let config = asking(side, absolute, relative);
        let mut feed = warmed(&config, seed, count, 5.0);
        let odd = if below { 1000.0 - 5.0 * off } else { 1000.0 + 5.0 * off };
        let (_, found) = next(&mut feed.clone(), count, odd);
        if let Some(found) = found {
            prop_assert!((odd - 1000.0).abs() > absolute.max(1000.0 * relative) * 0.9);
            let Some(promise) = &found.counterfactual else {
                return Err(TestCaseError::fail("an odd value has a counterfactual"));
            };
            prop_assert!(promise.score < found.threshold);
            let (score, again) = next(&mut feed, count, promise.value);
            prop_assert!(again.is_none(), "invariant E-2");
            prop_assert!((score - promise.score).abs() < 0.01, "invariant E-2: {score} {promise:?}");
        }
    }
}
