//! What time of day and week does to a quantity: mean deviation per slot of a
//! period, switched on only while it predicts better than doing without.
//! Owns periods and slots (UTC); refuses to know what the quantity is.
//!
//! Source: additive seasonal terms as in Winters, Management Science 6, 1960;
//! season strength as in Wang, Smith, Hyndman, DMKD 13, 2006 (1 − residual
//! variance with the season / without it), measured out of sample.

use bytemuck::{Pod, Zeroable};

/// Slots of the short period: hours, for a day.
const SHORT_SLOTS: usize = 24;
/// Slots of the week: six hours each.
const WEEK_SLOTS: usize = 28;
/// A day, nanoseconds.
const DAY: i64 = 86_400_000_000_000;
/// Residual variance, relative, below which a season is used, and above which
/// it is dropped again.
const USE_BELOW: f32 = 0.7;
const DROP_ABOVE: f32 = 0.9;

/// One period's learned slots.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Cycle {
    /// Its length, nanoseconds; 0 before the first fold.
    length: i64,
    since: i64,
    /// Mean square of the deviation left when the slot is taken away.
    left: f32,
    /// 1 while it predicts better than doing without.
    used: u32,
}

/// Seasons of one quantity: a day (or the configured period), and a week.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Season {
    /// Mean square of the deviation as it comes.
    plain: f32,
    folds: u32,
    cycles: [Cycle; 2],
    slots: [f32; SHORT_SLOTS + WEEK_SLOTS],
}

/// The length of a season's short period; the other is a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) nanos: i64,
    /// Set by configuration: used as soon as it was seen once.
    pub(crate) is_given: bool,
}

impl Period {
    /// Returns the period to use for a configured season length.
    pub(crate) fn of(season_secs: Option<f64>) -> Self {
        match season_secs {
            Some(secs) if secs >= 1.0 => {
                Self { nanos: (secs.min(3.2e8) * 1e9) as i64, is_given: true }
            }
            Some(_) | None => Self { nanos: DAY, is_given: false },
        }
    }

    /// Returns the length of the shortest slot, nanoseconds.
    pub(crate) fn slot_nanos(self) -> i64 {
        (self.nanos / SHORT_SLOTS as i64).max(1)
    }

    fn lengths(self) -> [i64; 2] {
        [self.nanos, 7 * DAY]
    }
}

impl Season {
    /// Begins to learn at `at`.
    pub(crate) fn new(at: i64) -> Self {
        let mut season = Self::zeroed();
        for cycle in &mut season.cycles {
            cycle.since = at;
        }
        season
    }

    /// Begins a cycle again whose configured length has changed; the other one
    /// keeps what it knows.
    fn follow(&mut self, at: i64, period: Period) {
        for (number, length) in period.lengths().into_iter().enumerate() {
            let cycle = &mut self.cycles[number];
            if cycle.length == length {
                continue;
            }
            if cycle.length > 0 {
                *cycle = Cycle { since: at, ..Cycle::zeroed() };
                let first = number * SHORT_SLOTS;
                let count = if number == 0 { SHORT_SLOTS } else { WEEK_SLOTS };
                self.slots[first..first + count].fill(0.0);
            }
            cycle.length = length;
        }
    }

    /// Returns the deviation expected at `at`.
    pub(crate) fn offset(&self, at: i64, period: Period) -> f32 {
        let mut offset = 0.0;
        let places = slots_of(at, period).into_iter().zip(period.lengths());
        for (cycle, (slot, length)) in self.cycles.iter().zip(places) {
            if cycle.used == 1 && cycle.length == length {
                offset += self.slots[slot];
            }
        }
        offset
    }

    /// Takes in the deviation from the level seen around `at`.
    pub(crate) fn fold(&mut self, at: i64, deviation: f32, gamma: f32, period: Period) {
        self.follow(at, period);
        self.folds = self.folds.saturating_add(1);
        let rate = f32::max(0.01, 1.0 / (self.folds as f32 + 1.0));
        self.plain += rate * (deviation * deviation - self.plain);
        let mut rest = deviation;
        let places = slots_of(at, period).into_iter().zip(period.lengths());
        for (cycle, (slot, length)) in self.cycles.iter_mut().zip(places) {
            let seen = at.saturating_sub(cycle.since) / length;
            let place = &mut self.slots[slot];
            let left = rest - *place;
            let quick = gamma.max(1.0 / (seen.clamp(0, 1000) as f32 + 1.0));
            *place += quick * left;
            if seen >= 1 {
                cycle.left += rate.max(0.02) * (left * left - cycle.left);
            } else {
                cycle.left = self.plain;
            }
            let limit = if cycle.used == 1 { DROP_ABOVE } else { USE_BELOW };
            let earned = seen >= 2 && cycle.left < limit * self.plain;
            let is_given = period.is_given && length == period.nanos && seen >= 1;
            cycle.used = u32::from(earned || is_given);
            if cycle.used == 1 {
                rest = left;
            }
        }
    }

    /// Scales what was learned, when the quantity's unit changes.
    pub(crate) fn scale(&mut self, factor: f32) {
        self.plain *= factor * factor;
        for cycle in &mut self.cycles {
            cycle.left *= factor * factor;
        }
        for place in &mut self.slots {
            *place *= factor;
        }
    }

    /// Returns the period in use, seconds, and its strength 0..1.
    pub(crate) fn strength(&self, period: Period) -> Option<(f64, f64)> {
        let is_used = |(cycle, length): &(&Cycle, i64)| cycle.used == 1 && cycle.length == *length;
        let used = self.cycles.iter().zip(period.lengths()).find(is_used)?;
        let strength = 1.0 - f64::from(used.0.left / self.plain.max(f32::MIN_POSITIVE));
        Some((used.1 as f64 / 1e9, strength.clamp(0.0, 1.0)))
    }
}

/// Returns the slots that `at` falls into, one of each cycle.
fn slots_of(at: i64, period: Period) -> [usize; 2] {
    let of = |length: i64, count: usize| {
        let width = (length / count as i64).max(1);
        ((at.rem_euclid(length) / width) as usize).min(count - 1)
    };
    let [short, week] = period.lengths();
    [of(short, SHORT_SLOTS), SHORT_SLOTS + of(week, WEEK_SLOTS)]
}
