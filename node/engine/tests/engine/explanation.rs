//! Invariant E-2: explanations add up and counterfactuals keep their promise.

use proptest::prelude::*;
use via_types::config::{Explain, Method};
use via_types::detection::Change;
use via_types::{Detector, StreamConfig};

use crate::feed::{Dice, Feed, MONDAY, STREAM, batch, event, hash};

/// A feed that has seen `count` normal values a second apart.
fn warmed(config: &StreamConfig, seed: u64, count: usize) -> Feed {
    let mut feed = Feed::new(config);
    let mut dice = Dice::new(seed);
    let events: Vec<_> =
        (0..count).map(|i| event(MONDAY + i as f64, dice.normal(100.0, 5.0))).collect();
    feed.feed(&events);
    feed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn terms_add_up_and_counterfactuals_hold(
        seed in any::<u64>(), count in 20usize..3000, off in 12f64..4000.0, below in any::<bool>(),
    ) {
        let mut feed = warmed(&StreamConfig::default(), seed, count);
        let known = feed.changes.len();
        let clone = feed.clone();
        let odd = 100.0 + if below { -5.0 * off } else { 5.0 * off };
        feed.one(event(MONDAY + count as f64, odd));
        // `Feed` checks that terms add up, for every detection.
        if let Some(Change::Opened(detection)) = feed.changes.get(known) {
            let Some(promise) = &detection.counterfactual else {
                return Err(TestCaseError::fail("an odd value has a counterfactual"));
            };
            prop_assert_eq!(&promise.feature, "value");
            prop_assert!(promise.score < detection.threshold);
            let mut again = clone;
            let score = again.one(event(MONDAY + count as f64, promise.value));
            prop_assert!((f64::from(score) - promise.score).abs() < 0.01, "invariant E-2: {score} where {promise:?}");
            prop_assert_eq!(again.changes.len(), known);
        }
    }
}

#[test]
fn a_detection_says_what_was_expected_and_why() {
    let mut feed = warmed(&StreamConfig::default(), 3, 5000);
    feed.one(event(MONDAY + 5000.0, 812.0));
    let found = *feed.opened().last().unwrap();
    assert!(found.reason.contains("812"), "{}", found.reason);
    let range = found.expected.unwrap();
    assert!((80.0..95.0).contains(&range.low) && (105.0..120.0).contains(&range.high), "{range:?}");
    assert_eq!(found.direction, via_types::Direction::Above);
    assert!(found.percentile.unwrap() > 0.999);
    assert!(!found.actions.is_empty());
    assert!(found.context.iter().any(|one| one.text.contains("Monday")), "{:?}", found.context);
    assert!(found.contributions.is_sorted_by(|a, b| a.evidence >= b.evidence));
    assert_eq!(found.engine, via_engine::VERSION);
}

#[test]
fn what_is_expected_is_the_values_whatever_deviates() {
    let mut feed = warmed(&StreamConfig::default(), 8, 3000);
    let mut dice = Dice::new(80);
    let burst: Vec<_> = (0..300)
        .map(|i| event(MONDAY + 3000.0 + f64::from(i) * 0.05, dice.normal(100.0, 5.0)))
        .collect();
    feed.feed(&burst);
    let found = *feed.opened().last().unwrap();
    assert!(matches!(found.detector, Detector::Burst | Detector::Volume), "{found:?}");
    let range = found.expected.unwrap();
    assert!((range.low..range.high).contains(&100.0) && range.low > 70.0, "{range:?}");
    assert!(found.contributions[0].observed != found.value, "the leading test has its own figures");
}

#[test]
fn nothing_is_expected_before_two_values() {
    let mut feed = Feed::new(&StreamConfig::default());
    let zeros: Vec<_> = (0..12).map(|i| event(MONDAY + f64::from(i), 0.0)).collect();
    let scored = feed.batch(&batch(&zeros)).scored;
    for one in &scored {
        let range = one.expected.map(|range| [range.value, range.low, range.high]);
        assert_eq!(range, (one.row >= 2).then_some([0.0; 3]), "row {}", one.row);
    }
}

#[test]
fn a_sentence_has_one_where_and_figures_as_long_as_they_say() {
    let mut feed = warmed(&StreamConfig::default(), 9, 500);
    feed.one(event(MONDAY + 500.0, 0.084_039_21));
    for found in feed.opened() {
        assert!(found.reason.matches("where").count() <= 1, "{}", found.reason);
        assert!(!found.reason.contains("0.084039"), "{}", found.reason);
    }
    assert!(!feed.opened().is_empty());
}

#[test]
fn explanations_are_as_long_as_asked() {
    for level in [Explain::None, Explain::Basic, Explain::Full] {
        let config = StreamConfig { explain: level, ..StreamConfig::default() };
        let mut feed = warmed(&config, 4, 1000);
        feed.one(event(MONDAY + 1000.0, 9000.0));
        let found = feed.opened()[0];
        assert!(!found.reason.is_empty() && found.evidence > 0.0);
        assert_eq!(found.contributions.is_empty(), level == Explain::None);
        assert_eq!(found.expected.is_none(), level == Explain::None);
        assert_eq!(found.counterfactual.is_some(), level == Explain::Full);
        assert_eq!(found.actions.is_empty(), level != Explain::Full);
    }
}

#[test]
fn every_threshold_method_finds_an_outlier_and_no_more() {
    for method in [
        Method::EwmaSigma(8.0),
        Method::Percentile(0.9999),
        Method::Mad(15.0),
        Method::Ensemble(0.5),
        Method::Budget(1.0),
    ] {
        let mut config = StreamConfig::default();
        config.threshold.method = method;
        let mut feed = warmed(&config, 5, 4000);
        assert!(feed.opened().len() <= 4, "{method:?}: {}", feed.opened().len());
        let before = feed.opened().len();
        let mut dice = Dice::new(50);
        for quiet in 0..40 {
            feed.one(event(MONDAY + 4000.0 + f64::from(quiet), dice.normal(100.0, 4.0)));
        }
        feed.one(event(MONDAY + 4041.0, 5000.0));
        assert_eq!(feed.opened().len(), before + 1, "{method:?}");
    }
}

#[test]
fn sensitivity_multiplies_evidence() {
    let scores: Vec<f32> = [0.5, 1.0, 2.0]
        .into_iter()
        .map(|sensitivity| {
            let mut config = StreamConfig::default();
            config.threshold.sensitivity = sensitivity;
            warmed(&config, 6, 1000).one(event(MONDAY + 1000.0, 125.0))
        })
        .collect();
    assert!(scores[0] < scores[1] && scores[1] < scores[2], "{scores:?}");
}

#[test]
fn a_detector_may_have_a_threshold_of_its_own() {
    let mut config = StreamConfig::default();
    config.threshold.method = Method::Ensemble(0.999);
    let own = via_types::config::Threshold { method: Method::Ensemble(0.4), ..Default::default() };
    config.detectors.distribution.threshold = Some(own);
    let mut feed = warmed(&config, 7, 1000);
    let before = feed.opened().len();
    feed.one(event(MONDAY + 1000.0, 5000.0));
    assert_eq!(feed.opened().len(), before + 1);
}

#[test]
fn what_never_was_negative_is_not_expected_to_be() {
    for (sign, is_clipped) in [(1.0, true), (-1.0, false)] {
        let (mut feed, mut dice) = (Feed::default(), Dice::new(77));
        let events: Vec<_> = (0..3000)
            .map(|i| event(MONDAY + f64::from(i) * 60.0, sign * dice.exponential(2.0)))
            .collect();
        feed.feed(&events);
        feed.one(event(MONDAY + 3000.0 * 60.0, sign * 500.0));
        let told = feed.changes.last().unwrap().detection().clone();
        let expected = told.expected.expect("a range");
        assert!(expected.low <= expected.value && expected.value <= expected.high, "{told:?}");
        assert_eq!(expected.low >= 0.0, is_clipped, "{expected:?}");
        assert!(!told.reason.contains(" -") || !is_clipped, "{}", told.reason);
        let series = feed.engine.series(STREAM, hash("e"), 1000).unwrap();
        assert_eq!(series.iter().all(|point| point.low >= 0.0), is_clipped);
        assert!(series.iter().all(|point| point.low <= point.high && point.low.is_finite()));
    }
}
