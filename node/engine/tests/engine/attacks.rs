//! The shapes of attacks and failures that VIA is asked to find.

use via_types::Detector;
use via_types::detection::{Change, State};

use crate::feed::{self, Dice, Fed, Feed, MONDAY};

/// Poisson traffic of one entity: `pace` seconds between events.
fn traffic(
    dice: &mut Dice,
    from: f64,
    secs: f64,
    pace: f64,
    mut shape: impl FnMut(&mut Dice, f64) -> (f64, u64),
) -> Vec<Fed> {
    let mut at = from;
    let mut events = Vec::new();
    loop {
        at += dice.exponential(pace);
        if at >= from + secs {
            return events;
        }
        let (value, mark) = shape(dice, at);
        events.push(Fed { key: "e", at, value, mark });
    }
}

fn latency(dice: &mut Dice) -> f64 {
    libm::exp(dice.normal(4.0, 0.3))
}

/// Feeds an hour of normal traffic at ten events a second; returns when it ends.
fn an_hour(feed: &mut Feed, dice: &mut Dice) -> f64 {
    let hour = traffic(dice, MONDAY, 3600.0, 0.1, |dice, _| (latency(dice), dice.bits() % 30 + 1));
    feed.feed(&hour);
    assert!(feed.opened().len() <= 8, "{} false alarms in 36,000 events", feed.opened().len());
    MONDAY + 3600.0
}

/// Returns the first that is told of a detector after `from`, opened or grown,
/// and its delay.
fn found(feed: &Feed, from: f64, by: Detector) -> Option<(&via_types::Detection, f64)> {
    let mut opened = feed.opened().into_iter();
    let found = opened.find(|found| found.detector == by && found.started.as_secs_f64() >= from)?;
    Some((found, found.started.as_secs_f64() - from))
}

#[test]
fn credential_stuffing_from_many_addresses() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(41));
    let from = an_hour(&mut feed, &mut dice);
    // The pace hardly changes, the addresses do.
    let attack = traffic(&mut dice, from, 120.0, 0.08, |dice, _| (latency(dice), dice.bits() | 1));
    feed.feed(&attack);
    let (detection, delay) = found(&feed, from, Detector::Cardinality).expect("found");
    assert!(delay < 30.0, "after {delay} s");
    assert!(detection.reason.contains("distinct"), "{}", detection.reason);
}

#[test]
fn a_scan_of_ports_is_found_each_time() {
    for seed in 0..8 {
        let (mut feed, mut dice) = (Feed::default(), Dice::new(410 + seed));
        // Connections to few ports, then hundreds of ports, one or two each.
        let calm = traffic(&mut dice, MONDAY, 1800.0, 0.2, |dice, _| (1.0, dice.bits() % 6 + 1));
        feed.feed(&calm);
        let from = MONDAY + 1800.0;
        let mut port = 0;
        let scan = traffic(&mut dice, from, 60.0, 0.1, |_, _| {
            port += 1;
            (1.0, 1000 + port)
        });
        feed.feed(&scan);
        let (detection, delay) = found(&feed, from, Detector::Cardinality)
            .or_else(|| found(&feed, from, Detector::Volume))
            .expect("found");
        assert!(delay < 30.0, "after {delay} s");
        assert!(detection.score >= 0.5);
        let view = feed.engine.profile(feed::STREAM, feed::hash("e")).unwrap();
        let distinct = view.detectors.iter().find(|state| state.detector == Detector::Cardinality);
        let weight = distinct.map_or(0.0, |state| state.weight);
        assert!(weight > 0.9, "a found scan is no false alarm: weight {weight}");
    }
}

#[test]
fn injected_statements_of_a_database() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(46));
    let from = an_hour(&mut feed, &mut dice);
    // Statements never seen before that take long, among the usual ones.
    let attack = traffic(&mut dice, from, 60.0, 0.1, |dice, _| match dice.bits() % 3 {
        0 => (6.0 * latency(dice), dice.bits() | 1),
        _ => (latency(dice), 1 + dice.bits() % 30),
    });
    feed.feed(&attack);
    let (first, delay) = found(&feed, from, Detector::Cardinality)
        .or_else(|| found(&feed, from, Detector::Distribution))
        .expect("found");
    assert!(delay < 20.0 && first.score >= 0.5, "after {delay} s");
}

#[test]
fn a_surge_of_requests() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(42));
    let from = an_hour(&mut feed, &mut dice);
    let attack = traffic(&mut dice, from, 60.0, 0.01, |dice, _| (latency(dice), 1));
    feed.feed(&attack);
    let (_, delay) = found(&feed, from, Detector::Volume).expect("found");
    assert!(delay < 10.0, "after {delay} s");
}

#[test]
fn a_regression_of_latency() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(43));
    let from = an_hour(&mut feed, &mut dice);
    let slow =
        traffic(&mut dice, from, 120.0, 0.1, |dice, _| (2.0 * latency(dice), 1 + dice.bits() % 30));
    feed.feed(&slow);
    let (_, delay) = found(&feed, from, Detector::Distribution).expect("found");
    assert!(delay < 15.0, "after {delay} s");
}

#[test]
fn a_memory_leak() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(44));
    let calm = traffic(&mut dice, MONDAY, 14_400.0, 5.0, |dice, _| (dice.normal(512.0, 6.0), 0));
    feed.feed(&calm);
    let from = MONDAY + 14_400.0;
    assert!(feed.opened().len() <= 2);
    // One deviation more every two minutes.
    let leak = traffic(&mut dice, from, 3600.0, 5.0, |dice, at| {
        (dice.normal(512.0, 6.0) + (at - from) * 0.05, 0)
    });
    feed.feed(&leak);
    let (_, delay) = found(&feed, from, Detector::Distribution).expect("found");
    assert!(delay < 1500.0, "after {delay} s");
}

#[test]
fn a_spike_of_load() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(45));
    let calm = traffic(&mut dice, MONDAY, 7200.0, 1.0, |dice, _| (dice.normal(30.0, 4.0), 0));
    feed.feed(&calm);
    let from = MONDAY + 7200.0;
    let spike = traffic(&mut dice, from, 30.0, 1.0, |dice, _| (dice.normal(96.0, 2.0), 0));
    feed.feed(&spike);
    let (detection, delay) = found(&feed, from, Detector::Distribution).expect("found");
    assert!(delay < 3.0, "after {delay} s: {}", detection.reason);
}

#[test]
fn silence_is_told_while_it_lasts_and_ends() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(46));
    let from = an_hour(&mut feed, &mut dice);
    let mut told = None;
    for second in 1..120 {
        let changes = feed.tick(from + f64::from(second));
        if told.is_none() && !changes.is_empty() {
            told = Some(second);
        }
    }
    let told = told.expect("silence is told");
    assert!(told <= 12, "after {told} s");
    let opened: Vec<_> = feed.opened().into_iter().cloned().collect();
    let last = opened.last().unwrap();
    assert_eq!(last.detector, Detector::Volume);
    assert!(last.reason.contains("no events"), "{}", last.reason);
    let count = opened.len();
    let back = traffic(&mut dice, from + 120.0, 120.0, 0.1, |dice, _| {
        (latency(dice), dice.bits() % 30 + 1)
    });
    feed.feed(&back);
    let closed = feed.changes.iter().any(|change| {
        matches!(change, Change::Grown(found) if found.id == last.id && found.state == State::Closed)
    });
    assert!(closed, "it ends when events are back");
    assert!(feed.opened().len() <= count + 1);
}

/// The length in a sentence like "no events for 12.03 min where …", seconds.
fn told_silence(reason: &str) -> Option<f64> {
    let mut words = reason.strip_prefix("no events for ")?.split(' ');
    let number: f64 = words.next()?.replace(',', "").parse().ok()?;
    let unit = match words.next()? {
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    Some(number * unit)
}

#[test]
fn silence_is_told_in_its_true_length_although_buckets_grow_meanwhile() {
    let mut told = 0;
    for (seed, pace) in [(48, 2.0), (49, 5.0), (50, 13.0), (51, 31.0), (52, 60.0)] {
        let (mut feed, mut dice) = (Feed::default(), Dice::new(seed));
        let spent = 2400.0 * pace;
        let calm = traffic(&mut dice, MONDAY, spent, pace, |dice, _| (latency(dice), 0));
        feed.feed(&calm);
        let last = MONDAY + spent;
        for step in 1..400 {
            let silent = f64::from(step) * pace / 2.0;
            for change in feed.tick(last + silent) {
                let Some(said) = told_silence(&change.detection().reason) else { continue };
                told += 1;
                // Whole buckets are counted, and the last event came a little before.
                assert!(said <= silent + 10.0 * pace, "{said} s of {silent} s at {pace} s");
                assert!(said >= silent * 0.4 - 2.0 * pace, "{said} s of {silent} s at {pace} s");
            }
        }
    }
    assert!(told >= 3, "{told}");
}

#[test]
fn old_data_replayed_is_not_silence() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(47));
    let hour = traffic(&mut dice, MONDAY, 3600.0, 0.5, |dice, _| (latency(dice), 0));
    for chunk in hour.chunks(64) {
        // Stamped a year after it happened.
        let batch = crate::feed::batch(chunk);
        let at = via_engine::Position {
            shard: via_types::ShardId::new(0),
            index: via_types::LogIndex::new(1),
            base: 0,
        };
        let stamp = via_types::Timestamp::from_nanos(((MONDAY + 3.2e7) * 1e9) as i64);
        let mut out = via_engine::Outcome::default();
        feed.engine.execute(at, stamp, &batch, via_engine::Answer::Counts, &mut out);
    }
    assert!(feed.tick(MONDAY + 3.2e7 + 100.0).is_empty());
}
