//! The same question at ten horizons from seconds to weeks: is the level there
//! where it is a horizon further out? A spike answers at the short ones, a leak
//! at the long ones. Owns levels by event time; refuses to know what is measured.
//!
//! Source: exponentially weighted means of irregular series, Eckner, A Note on
//! Trend and Seasonality Estimation for Unevenly-Spaced Time Series, 2012, §2;
//! horizons in geometric steps as in Zhang, Shasha, KDD 2006 (bursts at all scales).

mod lanes;

pub use lanes::HorizonLanes;

use bytemuck::{Pod, Zeroable};

use crate::detector::Finding;
use crate::math::{larger, rough_exp2, single, smaller, student_evidence, within};

/// Horizons, and the ratio of neighbours.
const COUNT: usize = 10;
const STEP: f32 = 5.0;
/// The shortest, seconds; the longest is 45 days.
const SHORTEST: f32 = 2.0;
/// Horizons over which a deviation's usual size is averaged.
const MEMORY: f32 = 16.0;
/// Deviations teach no more than so many times their usual size.
const CLIP: f32 = 4.0;
/// Values whose mean is known well enough to be adopted.
const MANY: f32 = 32.0;
/// Values before any is judged.
const YOUNG: f32 = 8.0;
/// Horizons lived through before one is judged.
const LIVED: f32 = 2.0;
/// log10 [`COUNT`]: so many horizons are looked at.
const TRIED: f32 = 1.0;
/// The most evidence.
const MOST: f32 = 1e6;

/// The level at one horizon.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Level {
    /// Sum of the fading weights of all values.
    weight: f32,
    mean: f32,
    /// Mean square of the deviation from the next level.
    usual: f32,
    /// Sum of the fading weights of what that averages.
    usual_weight: f32,
}

/// The levels of one series.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Horizons {
    /// Values are kept relative to this, in these units.
    anchor: f64,
    unit: f64,
    /// Event times, nanoseconds.
    since: i64,
    last: i64,
    /// Mean squared deviation of values from the longest level.
    square: f32,
    count: f32,
    levels: [Level; COUNT],
}

/// What the levels say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scales {
    /// Evidence at the horizon that has most, less what looking at all of them
    /// costs; deviation and expectation are of the level there.
    pub finding: Finding,
    /// That horizon, seconds; 0 where none says anything.
    pub horizon_secs: f32,
    /// The deviation of each horizon's level from the next, standard deviations.
    pub z: [f32; COUNT - 1],
}

/// Returns the length of horizon `k`, seconds.
const fn length(k: usize) -> f32 {
    let (mut length, mut step) = (SHORTEST, 0);
    while step < k {
        length *= STEP;
        step += 1;
    }
    length
}

/// One over the length of each horizon, in halvings per second.
const PER_SECOND: [f32; COUNT] = {
    let mut rates = [0.0; COUNT];
    let mut k = 0;
    while k < COUNT {
        rates[k] = std::f32::consts::LOG2_E / length(k);
        k += 1;
    }
    rates
};

impl Default for Horizons {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Horizons {
    /// Judges `x` at event time `at`, nanoseconds.
    pub fn judge(&self, x: f64, at: i64) -> Scales {
        let mut told = Scales::default();
        if self.count < YOUNG || self.unit <= 0.0 {
            return told;
        }
        let mut next = *self;
        next.go_on(x, at);
        let lived = next.last.saturating_sub(next.since) as f32 * 1e-9;
        let mut best = 0.0;
        for k in 0..COUNT - 1 {
            let periods = lived / length(k);
            if periods < LIVED {
                break;
            }
            let moved = next.levels[k].mean - next.levels[k + 1].mean;
            let usual = larger(self.levels[k].usual, 1e-10 * self.square);
            let z = within(moved / larger(usual, f32::MIN_POSITIVE).sqrt(), -1e6, 1e6);
            told.z[k] = z;
            let values = smaller(self.levels[k].usual_weight, self.count);
            let freedom = larger(smaller(periods, values) - 1.0, 1.0);
            let nominal = student_evidence(z, smaller(freedom, MEMORY * 4.0)) - TRIED;
            if nominal > best {
                best = nominal;
                told.horizon_secs = length(k);
                told.finding = Finding {
                    nominal: smaller(nominal, MOST),
                    deviation: f64::from(moved) * self.unit,
                    expected: self.anchor + f64::from(next.levels[k + 1].mean) * self.unit,
                };
            }
        }
        told
    }

    /// Takes `x` in, seen at event time `at`.
    pub fn learn(&mut self, x: f64, at: i64) {
        if self.count == 0.0 {
            (self.anchor, self.since, self.last) = (x, at, at);
        }
        if self.unit <= 0.0 {
            // The first change of the value is the first unit.
            let change = single(smaller((x - self.anchor).abs(), 1e37));
            self.unit = if change > 1e-9 * self.anchor.abs() { change } else { 0.0 };
        }
        let faded = self.go_on(x, at);
        self.count = smaller(self.count + 1.0, 1e7);
        for k in 0..COUNT - 1 {
            let moved = self.levels[k].mean - self.levels[k + 1].mean;
            // The usual size is averaged over many horizons: the same fading
            // raised to one over as many.
            let faded = rough_exp2(faded[k] / MEMORY);
            let level = &mut self.levels[k];
            let is_young = level.usual_weight < YOUNG;
            let most = CLIP * CLIP * level.usual;
            let square = if is_young { moved * moved } else { smaller(moved * moved, most) };
            level.usual_weight = smaller(level.usual_weight * faded + 1.0, 1e7);
            level.usual += (square - level.usual) / level.usual_weight;
        }
        let off = self.in_units(x) - self.levels[COUNT - 1].mean;
        let most = if self.count < YOUNG { f32::MAX } else { CLIP * CLIP * self.square };
        self.square += (smaller(off * off, most) - self.square) / smaller(self.count, 1024.0);
        let size = self.square.sqrt();
        if self.count > YOUNG && size > 0.0 && !(1e-4..1e4).contains(&size) {
            self.scale(1.0 / size);
        }
    }

    /// Takes a change that has lasted for normal: the levels of all longer horizons
    /// become that of the shortest that holds many values.
    pub fn adopt(&mut self) {
        let many = self.levels.iter().position(|level| level.weight >= MANY);
        if let Some(first) = many {
            let mean = self.levels[first].mean;
            for level in &mut self.levels[first..] {
                level.mean = mean;
            }
        }
    }

    fn in_units(&self, x: f64) -> f32 {
        if self.unit > 0.0 { within((x - self.anchor) / self.unit, -1e9, 1e9) as f32 } else { 0.0 }
    }

    /// Brings all levels to `at` and takes `x` in there. A value that comes late
    /// counts as if it came with the last. Returns by how many halvings each faded.
    fn go_on(&mut self, x: f64, at: i64) -> [f32; COUNT] {
        let secs = larger(at.saturating_sub(self.last), 0) as f32 * 1e-9;
        self.last = larger(self.last, at);
        let z = self.in_units(x);
        let mut faded = [0.0; COUNT];
        for ((level, rate), faded) in self.levels.iter_mut().zip(PER_SECOND).zip(&mut faded) {
            *faded = -smaller(secs * rate, 100.0);
            level.weight = smaller(level.weight * rough_exp2(*faded) + 1.0, 1e7);
            level.mean += (z - level.mean) / level.weight;
        }
        faded
    }

    fn scale(&mut self, factor: f32) {
        self.unit = single(self.unit / f64::from(factor));
        self.square *= factor * factor;
        for level in &mut self.levels {
            level.mean *= factor;
            level.usual *= factor * factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::noise::normals;

    const SECOND: i64 = 1_000_000_000;

    proptest! {
        #[test]
        fn levels_are_the_weighted_means_of_all_values(
            rows in prop::collection::vec((-1e3f64..1e3, 0i64..3_000), 2..200),
        ) {
            let mut state = Horizons::default();
            let (mut seen, mut at) = (Vec::new(), 1_700_000_000 * SECOND);
            for (x, wait) in rows {
                at += wait * SECOND / 10;
                state.learn(x, at);
                seen.push((x, at));
            }
            prop_assume!(state.unit > 0.0);
            for k in 0..COUNT {
                let (mut sum, mut weights) = (0.0, 0.0);
                for (x, then) in &seen {
                    let age = (at - then) as f64 / 1e9;
                    let weight = libm::exp(-age / f64::from(length(k)));
                    sum += weight * x;
                    weights += weight;
                }
                let mean = state.anchor + f64::from(state.levels[k].mean) * state.unit;
                prop_assert!((mean - sum / weights).abs() < 2.0, "{k}: {mean} {}", sum / weights);
            }
        }

        #[test]
        fn nothing_said_is_beyond_measure(
            rows in prop::collection::vec((prop::num::f64::NORMAL, any::<i64>()), 1..100),
        ) {
            let mut state = Horizons::default();
            for (x, at) in rows {
                let x = x.clamp(-1e37, 1e37);
                let told = state.judge(x, at);
                prop_assert!(told.finding.nominal.is_finite());
                prop_assert!(told.finding.deviation.is_finite());
                prop_assert!(told.finding.expected.is_finite());
                state.learn(x, at);
            }
        }
    }

    /// One value a minute for `minutes`; returns the loudest from `from` on.
    fn loudest(minutes: i64, from: i64, value: impl Fn(i64, f64) -> f64) -> Scales {
        let (mut state, mut normal) = (Horizons::default(), normals(3));
        let mut most = Scales::default();
        for minute in 0..minutes {
            let x = value(minute, normal());
            let told = state.judge(x, minute * 60 * SECOND);
            if minute >= from && told.finding.nominal > most.finding.nominal {
                most = told;
            }
            state.learn(x, minute * 60 * SECOND);
        }
        most
    }

    #[test]
    fn a_spike_is_seen_at_a_short_horizon() {
        let spiked = |minute, noise| 100.0 + noise + if minute == 9_000 { 20.0 } else { 0.0 };
        let told = loudest(9_001, 8_990, spiked);
        assert!(told.finding.nominal > 6.0 && told.horizon_secs <= 250.0, "{told:?}");
    }

    #[test]
    fn a_slow_leak_is_seen_at_a_long_one() {
        // A tenth of a deviation in an hour is invisible from minute to minute.
        let leak =
            |minute: i64, noise| 100.0 + noise + (minute - 20_000).max(0) as f64 * (0.1 / 60.0);
        let told = loudest(24_000, 20_000, leak);
        assert!(told.finding.nominal > 5.0 && told.horizon_secs >= 1250.0, "{told:?}");
        assert!(told.finding.deviation > 0.0);
    }

    #[test]
    fn a_steady_series_is_quiet() {
        let told = loudest(30_000, 1_000, |_, noise| noise);
        assert!(told.finding.nominal < 5.5, "{told:?}");
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Horizons>() <= 256, "{}", size_of::<Horizons>());
    }
}
