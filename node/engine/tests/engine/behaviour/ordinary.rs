//! Ordinary series, row by row of the table: how often they are told, which is
//! hardly ever, and that what is not ordinary in them is found.

use via_types::detection::{Change, State};
use via_types::{Detection, Severity};

use crate::feed::{Dice, Feed, MONDAY, event, nanos};

const HOUR: f64 = 3600.0;
const DAY: f64 = 86_400.0;
/// Seconds between the values of most series.
const MINUTE: f64 = 60.0;

/// What was told of a series.
struct Told {
    feed: Feed,
}

impl Told {
    /// Feeds a value each `step` seconds for `days` days; NaN is a missing one.
    fn of(days: f64, step: f64, mut value: impl FnMut(f64) -> f64) -> Self {
        let mut feed = Feed::default();
        let count = (days * DAY / step) as usize;
        let events: Vec<_> = (0..count)
            .map(|number| event(MONDAY + number as f64 * step, value(number as f64 * step)))
            .filter(|event| !event.value.is_nan())
            .collect();
        feed.feed(&events);
        Self { feed }
    }

    /// Returns what began from `from` until `until`, in days.
    fn between(&self, from: f64, until: f64) -> Vec<&Detection> {
        let range = nanos(MONDAY + from * DAY)..nanos(MONDAY + until * DAY);
        let opened = self.feed.opened().into_iter();
        opened.filter(|found| range.contains(&found.started.as_nanos())).collect()
    }

    /// Asserts that no more than `most` were told from `from` until `until`, days.
    fn at_most(&self, most: usize, (from, until): (f64, f64)) -> &Self {
        let told = self.between(from, until);
        let day = |found: &Detection| (found.started.as_nanos() as f64 * 1e-9 - MONDAY) / DAY;
        let reasons: Vec<_> =
            told.iter().map(|found| (day(found), found.score, &found.reason)).collect();
        assert!(told.len() <= most, "{} told, not {most}: {reasons:#?}", told.len());
        self
    }

    /// Asserts that something began from `from` until `until`, days.
    fn found(&self, (from, until): (f64, f64)) -> &Self {
        assert!(!self.between(from, until).is_empty(), "nothing from day {from} to day {until}");
        self
    }

    /// Asserts that nothing mattered more than `most`.
    fn no_worse(&self, most: Severity) -> &Self {
        for change in &self.feed.changes {
            let found = change.detection();
            assert!(found.severity <= most, "{}: {}", found.severity, found.reason);
        }
        self
    }
}

fn wave(at: f64) -> f64 {
    libm::sin(at / DAY * std::f64::consts::TAU)
}

/// What an office does: busy on weekdays from nine to five.
fn office(at: f64) -> f64 {
    let (day, hour) = ((at / DAY) as u64 % 7, at % DAY / HOUR);
    if day < 5 && (9.0..17.0).contains(&hour) { 60.0 } else { 10.0 }
}

const ALL: (f64, f64) = (0.0, 1e4);

#[test]
fn constant() {
    for level in [0.0, 7.0, -0.1] {
        Told::of(10.0, MINUTE, |_| level).at_most(0, ALL);
    }
}

#[test]
fn step_of_one() {
    let told = Told::of(4.0, MINUTE, |at| if at < 2.0 * DAY { 40.0 } else { 41.0 });
    told.at_most(1, ALL).no_worse(Severity::Medium);
}

#[test]
fn two_valued() {
    let mut dice = Dice::new(101);
    Told::of(7.0, MINUTE, |_| f64::from(u8::from(dice.uniform() < 0.5))).at_most(2, ALL);
    Told::of(7.0, MINUTE, |at| if (at / HOUR) as u64 % 5 < 2 { 1.0 } else { 0.0 }).at_most(5, ALL);
}

#[test]
fn heavy_tailed() {
    let mut dice = Dice::new(102);
    let told = Told::of(14.0, MINUTE, |at| {
        if at == 12.0 * DAY { 1e6 } else { libm::exp(dice.normal(2.0, 1.0)) }
    });
    told.at_most(14, (0.0, 12.0)).found((12.0, 12.01));
}

#[test]
fn integer_counts() {
    let mut dice = Dice::new(103);
    let told = Told::of(10.0, MINUTE, |at| {
        let spread = if at == 8.0 * DAY { 80.0 } else { 0.0 };
        libm::floor(dice.exponential(4.0)) + spread
    });
    told.at_most(8, (0.0, 8.0)).found((8.0, 8.01));
}

#[test]
fn mostly_zero() {
    let mut dice = Dice::new(104);
    let told = Told::of(10.0, MINUTE, |at| {
        if at == 8.0 * DAY { 500.0 } else { f64::from(u8::from(dice.uniform() < 0.005)) }
    });
    told.at_most(10, (0.0, 8.0)).found((8.0, 8.01));
}

#[test]
fn monotone_counter() {
    Told::of(10.0, MINUTE, |at| at * 0.1).at_most(1, ALL);
    let (mut dice, mut level) = (Dice::new(105), 0.0);
    let told = Told::of(10.0, MINUTE, |_| {
        level += dice.exponential(5.0);
        level
    });
    told.at_most(3, ALL);
}

#[test]
fn counter_reset() {
    let (mut dice, mut level) = (Dice::new(106), 0.0);
    let told = Told::of(10.0, MINUTE, |at| {
        level = if at == 7.0 * DAY { 0.0 } else { level + dice.exponential(5.0) };
        level
    });
    told.at_most(3, (0.0, 7.0)).found((7.0, 7.01)).at_most(3, (7.0, 10.0));
}

#[test]
fn daily_season() {
    for (seed, noise) in [(107, 0.0), (108, 0.5), (109, 3.0)] {
        for step in [MINUTE, 5.0 * MINUTE] {
            let mut dice = Dice::new(seed);
            let told = Told::of(14.0, step, |at| {
                let odd = if at == 12.0 * DAY + 5.0 * HOUR { 60.0 } else { 0.0 };
                100.0 + 50.0 * wave(at) + odd + dice.normal(0.0, noise)
            });
            told.at_most(3, (0.0, 12.1)).found((12.1, 12.3));
        }
    }
}

#[test]
fn daily_season_that_jumps() {
    for from in [8.0, 8.4] {
        let mut dice = Dice::new(110);
        let told = Told::of(14.0, MINUTE, |at| {
            let hour = at % DAY / HOUR;
            let level = if (from..from + 9.0).contains(&hour) { 100.0 } else { 0.0 };
            level + dice.normal(0.0, 1.0)
        });
        told.at_most(6, (0.0, 3.0)).at_most(4, (3.0, 14.0));
    }
}

#[test]
fn weekly_season() {
    let mut dice = Dice::new(111);
    let told = Told::of(42.0, 5.0 * MINUTE, |at| {
        let is_odd = (37.0 * DAY + 3.0 * HOUR..37.0 * DAY + 4.0 * HOUR).contains(&at);
        let level = if is_odd { 60.0 } else { office(at) };
        level + 5.0 * wave(at) + dice.normal(0.0, 2.0)
    });
    // Weekends are new at first; an office that is busy at night always is.
    told.at_most(10, (0.0, 21.0)).at_most(4, (21.0, 37.0)).found((37.1, 37.17));
}

#[test]
fn missing_hours() {
    let mut dice = Dice::new(112);
    let told = Told::of(14.0, MINUTE, |at| {
        let hour = at / HOUR;
        let is_missing = (100.0..106.0).contains(&hour) || (200.0..211.0).contains(&hour);
        let value = 100.0 + 50.0 * wave(at) + dice.normal(0.0, 3.0);
        if is_missing { f64::NAN } else { value }
    });
    // The gaps themselves may be told, once each.
    told.at_most(4, ALL);
}

#[test]
fn daylight_saving() {
    let mut dice = Dice::new(113);
    let told = Told::of(42.0, 5.0 * MINUTE, |at| {
        let local = if at < 21.0 * DAY { at } else { at + HOUR };
        let hour = local % DAY / HOUR;
        let level = if (9.0..17.0).contains(&hour) { 60.0 } else { 10.0 };
        level + 10.0 * wave(local) + dice.normal(0.0, 2.0)
    });
    told.at_most(2, (10.0, 21.0)).at_most(5, (21.0, 28.0)).at_most(2, (28.0, 42.0));
}

#[test]
fn slow_drift() {
    let mut dice = Dice::new(114);
    let told = Told::of(14.0, MINUTE, |at| 100.0 + at / DAY + dice.normal(0.0, 5.0));
    told.at_most(4, ALL);
}

#[test]
fn level_shift_then_stable() {
    let mut dice = Dice::new(115);
    let told = Told::of(10.0, MINUTE, |at| {
        (if at < 5.0 * DAY { 100.0 } else { 130.0 }) + dice.normal(0.0, 2.0)
    });
    told.at_most(3, (0.0, 5.0)).found((5.0, 5.05)).at_most(2, (5.0, 10.0));
    let first = told.between(5.0, 5.05)[0].id;
    let mut changes = told.feed.changes.iter().map(Change::detection);
    let ended = changes.find(|found| found.id == first && found.state == State::Closed);
    let ended = ended.expect("it ends").last.as_nanos();
    assert!(ended < nanos(MONDAY + 6.0 * DAY), "the new level is normal within a day");
}

#[test]
fn ramp() {
    for (seed, slope, noise) in [(116, 1.0, 1.0), (117, 0.1, 1.0), (118, 0.002, 0.0)] {
        let mut dice = Dice::new(seed);
        Told::of(10.0, MINUTE, |at| 40.0 + slope * at / MINUTE + dice.normal(0.0, noise))
            .at_most(3, ALL);
    }
}

#[test]
fn random_walk() {
    for seed in 119..123 {
        let (mut dice, mut level) = (Dice::new(seed), 0.0);
        let told = Told::of(10.0, MINUTE, |_| {
            level += dice.normal(0.0, 1.0);
            level
        });
        told.at_most(5, ALL);
    }
}

#[test]
fn nightly_job() {
    let mut dice = Dice::new(123);
    let told = Told::of(28.0, MINUTE, |at| {
        let is_odd = (25.5 * DAY..25.5 * DAY + 1800.0).contains(&at);
        let is_job = at % DAY < 1800.0 || is_odd;
        if is_job { 50.0 + libm::floor(50.0 * dice.uniform()) } else { 0.0 }
    });
    // The first nights are new; one that never ran at noon is told.
    told.at_most(8, (0.0, 7.0)).at_most(7, (7.0, 25.0)).found((25.5, 25.53));
}

#[test]
fn one_outlier_leaves_no_echo() {
    for odd in [1e4, 1e9, 1e18] {
        let mut dice = Dice::new(124);
        let told = Told::of(10.0, MINUTE, |at| {
            let value = dice.normal(100.0, 5.0);
            if at == 500.0 * MINUTE { odd } else { value }
        });
        told.found((0.34, 0.36)).at_most(3, (0.36, 10.0));
    }
}

#[test]
fn repeated_spikes_become_normal_and_records_are_told() {
    let mut dice = Dice::new(125);
    // Seven hours apart, never at the same hour two days running.
    let is_spike = |at: f64| at % (7.0 * HOUR) == 6.0 * HOUR;
    let equal = Told::of(12.0, MINUTE, |at| {
        dice.normal(100.0, 5.0) + if is_spike(at) { 50.0 } else { 0.0 }
    });
    // Ten deviations: the first few are told, one more of the same is no news.
    let told = equal.between(0.0, 12.0).len();
    assert!((2..=8).contains(&told), "{told} of about 41 equal spikes");
    let grow = Told::of(4.0, MINUTE, |at| {
        let growth = 50.0 * (1.0 + libm::floor(at / (7.0 * HOUR)));
        dice.normal(100.0, 5.0) + if is_spike(at) { growth } else { 0.0 }
    });
    let told = grow.between(0.0, 4.0).len();
    assert!(told >= 5, "{told} of 13 spikes, each beyond all before");
}

#[test]
fn an_end_is_told_of_those_that_lived_long() {
    let stopped = |lived: usize| {
        let (mut feed, mut dice) = (Feed::default(), Dice::new(126));
        let events: Vec<_> =
            (0..lived).map(|i| event(MONDAY + i as f64, dice.normal(100.0, 5.0))).collect();
        feed.feed(&events);
        let before = feed.opened().len();
        let silent = |second: &usize| {
            feed.tick(MONDAY + (lived + second) as f64);
            feed.opened().len() > before
        };
        (1..600).find(silent)
    };
    for young in [30, 100, 300] {
        assert_eq!(stopped(young), None, "{young} events");
    }
    let delay = stopped(7200).expect("two hours of an event a second");
    assert!(delay <= 120, "after {delay} s");
}
