//! Configuration that changes while events come: what was learned stays, and a
//! change of one part's shape touches that part alone.

use via_types::config::{Method, Threshold};
use via_types::profile::ProfileView;
use via_types::{Detector, Revision, StreamConfig};

use crate::feed::{Dice, Fed, Feed, MONDAY, STREAM, event, hash};

const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

fn switch(feed: &mut Feed, change: impl FnOnce(&mut StreamConfig)) {
    let mut config = StreamConfig::default();
    change(&mut config);
    feed.engine.configure(STREAM, Revision::new(6), &config);
}

fn known(feed: &Feed) -> ProfileView {
    feed.engine.profile(STREAM, hash("e")).expect("known")
}

fn fact(view: &ProfileView, name: &str) -> f64 {
    let own = view.detectors.iter().flat_map(|state| &state.facts);
    let mut facts = view.normal.iter().chain(own);
    facts.find(|fact| fact.name == name).unwrap_or_else(|| panic!("no {name}: {view:?}")).value
}

fn has_fact(view: &ProfileView, name: &str) -> bool {
    view.normal.iter().any(|fact| fact.name == name)
}

/// A value every minute that follows the hour of the day.
fn daily(dice: &mut Dice, from: f64, days: f64) -> Vec<Fed> {
    let count = (days * DAY / 60.0) as usize;
    let at = |number: usize| from + number as f64 * 60.0;
    let wave = |at: f64| libm::sin(std::f64::consts::TAU * at / DAY);
    (0..count)
        .map(|number| event(at(number), 100.0 + 20.0 * wave(at(number)) + dice.normal(0.0, 1.0)))
        .collect()
}

#[test]
fn thresholds_and_weights_change_from_one_event_to_the_next_and_nothing_is_forgotten() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(21));
    let steady = |dice: &mut Dice, from: f64| {
        (0..3_000).map(|n| event(from + f64::from(n), dice.normal(50.0, 1.0))).collect::<Vec<_>>()
    };
    feed.feed(&steady(&mut dice, MONDAY));
    let before = known(&feed);
    let strict = Threshold { method: Method::Ensemble(0.99), ..Threshold::default() };
    switch(&mut feed, |config| config.threshold = strict);
    let told = feed.changes.len();
    feed.one(event(MONDAY + 3_000.0, 57.0));
    assert_eq!(feed.changes.len(), told, "not rare enough for the new threshold");
    switch(&mut feed, |config| config.detectors.distribution.enabled = false);
    feed.feed(&steady(&mut dice, MONDAY + 3_600.0));
    let told = feed.changes.len();
    feed.one(event(MONDAY + 6_600.0, 70.0));
    assert_eq!(feed.changes.len(), told, "nobody looks at values");
    switch(&mut feed, |_| {});
    let after = known(&feed);
    assert!((fact(&before, "mean") - fact(&after, "mean")).abs() < 0.5);
    assert!((fact(&before, "median") - fact(&after, "median")).abs() < 0.5);
    assert_eq!(after.events, before.events + 3_002);
    assert!(after.warmup.ready && after.detectors.iter().all(|state| state.enabled));
    feed.one(event(MONDAY + 6_601.0, 70.0));
    assert!(feed.changes.len() > told, "known at once what is normal");
}

#[test]
fn another_precision_counts_from_the_next_window_and_changes_nothing_else() {
    let marks = |from: f64, count: u32, salt: u64| {
        let fed = move |number: u32| Fed {
            key: "e",
            at: from + f64::from(number) * 0.5,
            value: 1.0,
            mark: 1
                + (salt + u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000_007,
        };
        (0..count).map(fed).collect::<Vec<_>>()
    };
    let (mut feed, mut twin) = (Feed::default(), Feed::default());
    for one in [&mut feed, &mut twin] {
        one.feed(&marks(MONDAY, 8_000, 0));
    }
    switch(&mut feed, |config| config.detectors.cardinality.precision = 18);
    for one in [&mut feed, &mut twin] {
        one.feed(&marks(MONDAY + 4_000.0, 8_000, 8_000));
    }
    let (new, old) = (known(&feed), known(&twin));
    for name in ["expected new", "distinct now"] {
        let (new, old) = (fact(&new, name), fact(&old, name));
        assert!((new - old).abs() <= 0.15 * old + 2.0, "{name}: {new} and {old}");
    }
    for name in ["mean", "rate", "gap", "median"] {
        assert_eq!(fact(&new, name).to_bits(), fact(&old, name).to_bits(), "{name}");
    }
    let state = |view: &ProfileView| {
        let mut all = view.detectors.iter();
        all.find(|state| state.detector == Detector::Cardinality).expect("all").warmup.clone()
    };
    assert_eq!(state(&new), state(&old), "it goes on");
}

#[test]
fn another_season_is_learned_anew_and_the_rest_stays() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(22));
    feed.feed(&daily(&mut dice, MONDAY, 6.0));
    assert_eq!(fact(&known(&feed), "season period"), DAY);
    let before = known(&feed);
    switch(&mut feed, |config| config.detectors.volume.season_secs = Some(4.0 * HOUR));
    let now = known(&feed);
    assert!(!has_fact(&now, "season period"), "nothing is known of the new one");
    assert_eq!(fact(&now, "median").to_bits(), fact(&before, "median").to_bits());
    // From now on it repeats every four hours.
    let start = MONDAY + 6.0 * DAY;
    let wave = |at: f64| libm::sin(std::f64::consts::TAU * at / (4.0 * HOUR));
    let brisk = |number: usize| {
        let at = start + number as f64 * 60.0;
        event(at, 100.0 + 20.0 * wave(at) + dice.normal(0.0, 1.0))
    };
    let events: Vec<Fed> = (0..2_880).map(brisk).collect();
    feed.feed(&events);
    let after = known(&feed);
    assert_eq!(fact(&after, "season period"), 4.0 * HOUR);
    assert!(fact(&after, "season strength") > 0.5, "{after:?}");
    assert!((fact(&after, "mean") - 100.0).abs() < 25.0);
}

#[test]
fn the_week_is_kept_when_the_shorter_season_changes() {
    let (mut feed, mut dice) = (Feed::default(), Dice::new(23));
    let weekly = |from: f64, days: f64, dice: &mut Dice| {
        let count = (days * DAY / 600.0) as usize;
        let value = |at: f64| {
            let day = (at / DAY).floor().rem_euclid(7.0);
            // Fridays and Saturdays, counted from a Thursday.
            if day == 1.0 || day == 2.0 { 40.0 } else { 100.0 }
        };
        let at = |number: usize| from + number as f64 * 600.0;
        (0..count).map(|n| event(at(n), value(at(n)) + dice.normal(0.0, 1.0))).collect::<Vec<_>>()
    };
    feed.feed(&weekly(MONDAY, 28.0, &mut dice));
    assert_eq!(fact(&known(&feed), "season period"), 7.0 * DAY);
    switch(&mut feed, |config| config.detectors.volume.season_secs = Some(6.0 * HOUR));
    assert_eq!(fact(&known(&feed), "season period"), 7.0 * DAY, "still known");
    feed.feed(&weekly(MONDAY + 28.0 * DAY, 7.0, &mut dice));
    assert!(has_fact(&known(&feed), "season strength"));
}

#[test]
fn another_half_life_forgets_at_its_own_pace_from_then_on() {
    let steady = |from: f64, count: u32, level: f64, dice: &mut Dice| {
        let fed = |n: u32| event(from + f64::from(n), dice.normal(level, 1.0));
        (0..count).map(fed).collect::<Vec<_>>()
    };
    let median = |half_life: Option<f64>| {
        let (mut feed, mut dice) = (Feed::default(), Dice::new(24));
        feed.feed(&steady(MONDAY, 6_000, 50.0, &mut dice));
        let before = fact(&known(&feed), "median");
        if let Some(events) = half_life {
            switch(&mut feed, |config| config.detectors.distribution.half_life_events = events);
        }
        assert_eq!(fact(&known(&feed), "median").to_bits(), before.to_bits());
        feed.feed(&steady(MONDAY + 6_000.0, 600, 60.0, &mut dice));
        fact(&known(&feed), "median")
    };
    assert!((median(None) - 50.0).abs() < 1.0, "{}", median(None));
    assert!((median(Some(64.0)) - 60.0).abs() < 2.0, "{}", median(Some(64.0)));
    assert!((median(Some(1e6)) - 50.0).abs() < 1.0, "{}", median(Some(1e6)));
}

#[test]
fn other_hints_lay_the_bins_out_again_with_what_was_known() {
    let steady = |from: f64, count: u32, dice: &mut Dice| {
        let fed = |n: u32| event(from + f64::from(n), dice.normal(50.0, 4.0));
        (0..count).map(fed).collect::<Vec<_>>()
    };
    let (mut feed, mut dice) = (Feed::default(), Dice::new(25));
    feed.feed(&steady(MONDAY, 3_000, &mut dice));
    let before = known(&feed);
    let hint = |config: &mut StreamConfig| {
        config.detectors.distribution.min = Some(0.0);
        config.detectors.distribution.max = Some(320.0);
    };
    switch(&mut feed, hint);
    feed.feed(&steady(MONDAY + 3_000.0, 256, &mut dice));
    let after = known(&feed);
    // Bins of ten units now tell less apart, but know the same.
    assert!((fact(&after, "median") - fact(&before, "median")).abs() < 6.0, "{after:?}");
    assert_ne!(fact(&after, "p99").to_bits(), fact(&before, "p99").to_bits());
    assert_eq!(after.events, before.events + 256);
    // Laid out once: from then on the bins follow the data as they always do.
    let mut settled = feed.clone();
    switch(&mut settled, hint);
    let more = steady(MONDAY + 3_256.0, 512, &mut dice);
    settled.feed(&more);
    feed.feed(&more);
    assert_eq!(settled.scores, feed.scores, "the same hints again are no change");
}
