//! The behaviour table of docs/DETECTORS.md, row by row: edge cases here, whole
//! series in `ordinary`.

mod ordinary;

use via_types::{RowReason, Severity};

use crate::feed::{Dice, Feed, MONDAY, STREAM, batch, event, hash};

/// Feeds `count` values a second apart, beginning at second `from`.
fn run(feed: &mut Feed, from: usize, count: usize, mut value: impl FnMut(usize) -> f64) {
    let events: Vec<_> = (from..from + count).map(|i| event(MONDAY + i as f64, value(i))).collect();
    feed.feed(&events);
}

#[test]
fn a_constant_series_is_never_remarkable() {
    for constant in [0.0, 1.0, -3.5e9, 1e300, 5e-324, 0.1] {
        let mut feed = Feed::default();
        run(&mut feed, 0, 3000, |_| constant);
        assert!(feed.changes.is_empty(), "constant {constant}");
    }
}

#[test]
fn a_tiny_step_of_a_flat_line_is_not_critical() {
    for (flat, step) in [(100.0, 101.0), (0.0, 1.0), (1e6, 1e6 + 1.0), (5.0, 4.0)] {
        let mut feed = Feed::default();
        run(&mut feed, 0, 2000, |_| flat);
        run(&mut feed, 2000, 300, |_| step);
        for change in &feed.changes {
            let severity = change.detection().severity;
            assert!(severity <= Severity::Medium, "{flat} to {step} was {severity}");
        }
    }
}

#[test]
fn a_huge_step_of_a_flat_line_is_found() {
    let mut feed = Feed::default();
    run(&mut feed, 0, 1000, |_| 100.0);
    assert!(feed.one(event(MONDAY + 1000.0, 5000.0)) >= 0.5);
}

#[test]
fn first_events_warm_up_with_a_reason() {
    let mut feed = Feed::default();
    for number in 0..10 {
        let score =
            feed.one(event(MONDAY + f64::from(number), if number == 5 { 1e9 } else { 1.0 }));
        assert_eq!(score, 0.0, "event {number} is not judged");
        let view = feed.engine.profile(STREAM, hash("e")).unwrap();
        assert_eq!(view.warmup.ready, number == 9);
        assert_eq!(view.warmup.reason.is_empty(), number == 9, "{:?}", view.warmup.reason);
    }
    assert!(feed.changes.is_empty());
}

#[test]
fn an_entity_with_one_event_a_day_becomes_ready() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(1);
    for day in 0..11 {
        feed.one(event(MONDAY + f64::from(day) * 86_400.0, dice.normal(50.0, 2.0)));
    }
    assert!(feed.engine.profile(STREAM, hash("e")).unwrap().warmup.ready);
    assert!(feed.one(event(MONDAY + 11.0 * 86_400.0, 5000.0)) >= 0.5, "and useful");
}

#[test]
fn a_new_entity_is_useful_after_ten_events() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(2);
    run(&mut feed, 0, 12, |_| dice.normal(100.0, 3.0));
    assert!(feed.changes.is_empty());
    assert!(feed.one(event(MONDAY + 12.0, 100_000.0)) >= 0.5);
}

#[test]
fn a_long_gap_is_told_once_and_costs_nothing() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(3);
    run(&mut feed, 0, 3000, |_| dice.normal(10.0, 1.0));
    let known = feed.opened().len();
    assert!(known <= 1, "{known} false alarms in 3,000 points");
    // A year of silence is a million buckets of a width of 16 seconds or more.
    feed.one(event(MONDAY + 365.0 * 86_400.0, 10.0));
    let opened = feed.opened();
    assert_eq!(opened.len(), known + 1);
    assert!(opened[known].reason.contains("no events"), "{}", opened[known].reason);
}

#[test]
fn duplicates_and_equal_times_are_counted() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(4);
    let events: Vec<_> =
        (0..2000).map(|i| event(MONDAY + f64::from(i / 10), dice.normal(10.0, 1.0))).collect();
    assert_eq!(feed.feed(&events), 2000);
    assert_eq!(feed.engine.profile(STREAM, hash("e")).unwrap().events, 2000);
    assert!(feed.opened().is_empty(), "{:?}", feed.opened()[0].reason);
}

#[test]
fn out_of_order_within_the_bound_is_applied_and_older_is_late() {
    let mut feed = Feed::default();
    run(&mut feed, 0, 1000, |i| (i % 7) as f64);
    let out = feed.batch(&batch(&[
        event(MONDAY + 990.0, 3.0),
        event(MONDAY + 999.0 - 601.0, 3.0),
        event(MONDAY + 1000.0, 3.0),
    ]));
    assert_eq!(out.accepted, 2);
    assert_eq!(out.refused, vec![(1, RowReason::Late)]);
    assert!(out.scores[1].is_nan());
    let view = feed.engine.profile(STREAM, hash("e")).unwrap();
    assert_eq!((view.events, view.late), (1002, 1));
}

#[test]
fn a_clock_that_jumps_forward_and_back_does_no_harm() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(5);
    run(&mut feed, 0, 1000, |_| dice.normal(10.0, 1.0));
    feed.one(event(MONDAY + 1300.0, 10.0));
    run(&mut feed, 1001, 299, |_| dice.normal(10.0, 1.0));
    run(&mut feed, 1301, 1000, |_| dice.normal(10.0, 1.0));
    let view = feed.engine.profile(STREAM, hash("e")).unwrap();
    assert_eq!((view.events, view.late), (2300, 0));
    assert!(feed.opened().len() <= 2, "{}", feed.opened().len());
}

#[test]
fn huge_and_denormal_values_are_judged_and_finite() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(6);
    run(&mut feed, 0, 500, |_| dice.normal(0.0, 1.0));
    assert!(feed.one(event(MONDAY + 500.0, 1e300)) >= 0.5);
    let next = feed.one(event(MONDAY + 501.0, -f64::MAX));
    assert!((0.49..0.5).contains(&next), "as remarkable, and told already: {next}");
    run(&mut feed, 502, 2000, |i| if i % 2 == 0 { 5e-324 } else { 0.5 });
    run(&mut feed, 2502, 500, |i| 1e290 * (i % 5) as f64);
    let view = feed.engine.profile(STREAM, hash("e")).unwrap();
    assert!(view.normal.iter().all(|fact| fact.value.is_finite()));
    let series = feed.engine.series(STREAM, hash("e"), 50).unwrap();
    assert!(!series.is_empty() && series.len() <= 50);
    for point in series {
        assert!(point.mean.is_finite() && point.low.is_finite() && point.high.is_finite());
    }
}

#[test]
fn a_lasting_shift_is_told_and_then_is_normal() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(7);
    run(&mut feed, 0, 3000, |_| dice.normal(100.0, 2.0));
    let before = feed.opened().len();
    assert!(before <= 2, "{before} false alarms in 3,000 points");
    run(&mut feed, 3000, 1000, |_| dice.normal(140.0, 2.0));
    let after_shift = feed.opened().len();
    assert!((1..=3).contains(&(after_shift - before)), "{after_shift} detections of one shift");
    run(&mut feed, 4000, 3000, |_| dice.normal(140.0, 2.0));
    assert!(feed.opened().len() <= after_shift + 1, "the new level is normal");
    let mean = feed.engine.profile(STREAM, hash("e")).unwrap().normal[0].value;
    assert!((mean - 140.0).abs() < 5.0, "the baseline followed: {mean}");
}

#[test]
fn one_anomaly_is_one_detection_that_grows() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(8);
    run(&mut feed, 0, 2000, |_| dice.normal(100.0, 2.0));
    let known = feed.opened().len();
    let told = feed.changes.len();
    assert!(known <= 1, "{known} false alarms in 2,000 points");
    run(&mut feed, 2000, 40, |i| 130.0 + (i - 2000) as f64 * 5.0);
    run(&mut feed, 2040, 400, |_| dice.normal(100.0, 2.0));
    let opened = feed.opened().split_off(known);
    assert_eq!(opened.len(), 1, "{opened:#?}");
    let last = feed.changes.last().unwrap().detection();
    assert_eq!(last.state, via_types::detection::State::Closed);
    assert_eq!(last.id, opened[0].id);
    assert!(last.events >= 2 && last.score >= opened[0].score);
    let told = feed.changes.len() - told;
    assert!(told <= 8, "told {told} times");
}

#[test]
fn seldom_ones_among_zeros_do_not_cry_wolf() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(9);
    run(&mut feed, 0, 20_000, |_| f64::from(u8::from(dice.uniform() < 0.005)));
    let reasons: Vec<_> =
        feed.opened().iter().map(|d| (d.started, d.evidence, d.reason.clone())).collect();
    assert!(reasons.len() <= 6, "{} of about 100 ones: {reasons:#?}", reasons.len());
}

#[test]
fn heavy_tails_counts_and_counters_stay_quiet() {
    let mut dice = Dice::new(10);
    let mut level = 0.0;
    type Series<'a> = Box<dyn FnMut(usize) -> f64 + 'a>;
    let mut other = dice.clone();
    let mut third = Dice::new(12);
    let series: [(&str, Series<'_>); 4] = [
        ("log-normal", Box::new(|_| libm::exp(dice.normal(3.0, 1.0)))),
        ("counts", Box::new(|_| libm::floor(other.exponential(4.0)))),
        ("two-valued", Box::new(|i| if i / 3 % 2 == 0 { 10.0 } else { 20.0 })),
        (
            "counter",
            Box::new(|_| {
                level += third.exponential(5.0);
                level
            }),
        ),
    ];
    for (name, mut value) in series {
        let mut feed = Feed::default();
        run(&mut feed, 0, 20_000, &mut value);
        let reasons: Vec<_> = feed.opened().iter().map(|found| found.reason.clone()).collect();
        assert!(reasons.len() <= 10, "{name}: {reasons:#?}");
    }
}

#[test]
fn a_daily_season_is_learned_and_its_absence_is_seen() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(11);
    let wave = |i: usize| libm::sin(i as f64 / 288.0 * std::f64::consts::TAU);
    let events: Vec<_> = (0..288 * 14)
        .map(|i| event(MONDAY + i as f64 * 300.0, 100.0 + 40.0 * wave(i) + dice.normal(0.0, 2.0)))
        .collect();
    feed.feed(&events);
    let view = feed.engine.profile(STREAM, hash("e")).unwrap();
    let period = view.normal.iter().find(|fact| fact.name == "season period");
    assert_eq!(period.map(|fact| fact.value), Some(86_400.0));
    assert!(feed.opened().len() <= 2);
}

#[test]
fn missing_named_values_are_absent_not_zero() {
    let mut feed = Feed::default();
    let mut dice = Dice::new(13);
    for start in (0..2048).step_by(64) {
        let events: Vec<_> =
            (start..start + 64).map(|i| event(MONDAY + f64::from(i), 1.0)).collect();
        let mut batch = batch(&events);
        for (name, mean) in [("cpu", 50.0), ("mem", 70.0)] {
            let values = (0..64)
                .map(|i| if (start + i) % 5 == 0 { f64::NAN } else { dice.normal(mean, 3.0) });
            batch.lanes.push(via_types::Lane { name: name.to_owned(), values: values.collect() });
        }
        feed.batch(&batch);
    }
    assert!(
        feed.opened().len() <= 1,
        "{:?}",
        feed.opened().iter().map(|d| &d.reason).collect::<Vec<_>>()
    );
    let mut odd = batch(&[event(MONDAY + 2048.0, 1.0)]);
    odd.lanes.push(via_types::Lane { name: "mem".to_owned(), values: vec![400.0].into() });
    odd.lanes.push(via_types::Lane { name: "cpu".to_owned(), values: vec![50.0].into() });
    let out = feed.batch(&odd);
    assert!(out.scores[0] >= 0.5, "{}", out.scores[0]);
    let named = &out.changes[0].detection().contributions;
    assert_eq!(named[0].feature, "mem", "{named:?}");
    assert!(out.changes[0].detection().reason.contains("mem 400"));
}
