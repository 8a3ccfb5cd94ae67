//! What the next value should be: a level at several horizons, an
//! autoregressive short-term forecast and a scale for each. Owns the value's
//! level and scale; refuses to know time. Serves the distribution detector.
//!
//! Sources: exponentially weighted moments (West, CACM 22, 1979); AR(1)
//! one-step forecast; residuals clipped as by Huber (1964), so that outliers
//! do not teach.

mod bound;
mod rebase;

use bytemuck::{Pod, Zeroable};

use super::finding::Finding;
use super::memory::Memory;
use crate::math::{larger, rough_log2, smaller, student_evidence, within};

/// Values over which the two fast levels average.
const HORIZONS: [f64; 2] = [8.0, 64.0];
/// Values over which the momentary spread averages.
const SPREAD: f32 = 16.0;
/// Deviations beyond so many standard deviations teach no more than that.
const CLIP: f64 = 4.0;
/// Deviations beyond which one value is not believed to show the scale.
const WILD: f64 = 512.0;
/// Standard deviation of normal data per mean absolute deviation.
const MAD_TO_SD: f64 = 1.2533;
/// Standard deviations below which slow statistics say nothing.
const CALM: f64 = 1.6;
/// Standard deviations below which they are common, at a glance.
const COMMON: f64 = 2.6;
/// Changes of the value before its scale is known.
const MOVES: f32 = 8.0;
/// Values before clipping begins: the scale is not known earlier.
const YOUNG: f32 = 16.0;

/// The state of one series.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Level {
    last: f64,
    pub(crate) mean: f64,
    variance: f64,
    /// Mean absolute deviation, clipped only at [`WILD`]: tells a scale that was
    /// never seen from one that is.
    absolute: f64,
    /// Running product of neighbouring deviations.
    lag: f64,
    residual: f64,
    fast: [f64; 2],
    drift: [f64; 2],
    pub(crate) count: f32,
    spread: f32,
    spread_mean: f32,
    spread_variance: f32,
    /// How often the value changed at all.
    moves: f32,
    /// How much of the last deviation is expected of the next, one over the
    /// scale of the residual, and the deviates that are common: as they were
    /// when last looked at.
    phi: f32,
    per_scale: f32,
    common: f32,
}

/// What a value that is like most others says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brief {
    residual: f64,
    z: f32,
    log_spread: f32,
}

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Everything.
    Full,
    /// Slow statistics only when they stir.
    Brief,
}

/// What a value says of the series.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// The value against its short-term forecast.
    pub(crate) step: Finding,
    /// The recent levels against the long one; the stronger horizon.
    pub(crate) level: Finding,
    /// The momentary scatter against its past.
    pub(crate) spread: Finding,
    /// Standard deviation of the forecast's residual.
    pub(crate) scale: f64,
    /// Logarithm of the momentary spread with the value.
    log_spread: f32,
    /// Standard deviation of the recent level around the long one, of the
    /// stronger horizon.
    pub(crate) level_scale: f64,
    /// The level does not stir.
    pub(crate) is_level_calm: bool,
    /// Nor does the spread.
    pub(crate) is_spread_calm: bool,
    /// The value against its forecast, standard deviations.
    z: f32,
    /// The series never moved: evidence is bounded by how long it did not.
    pub(crate) flat: bool,
}

/// Evidence of a deviation of `z` standard deviations that were estimated from
/// `freedom` values.
#[inline]
fn evidence(z: f32, freedom: f32) -> f32 {
    smaller(student_evidence(within(z, -1e15, 1e15), freedom), 1e6)
}

impl Level {
    /// Returns the smallest variance that numbers of this size can show.
    fn floor(&self) -> f64 {
        let size = (self.mean.abs() + self.last.abs()) * 1e-9;
        size * size + 1e-72
    }

    /// Returns the standard deviation of the values.
    pub(crate) fn deviation(&self) -> f64 {
        self.variance.max(self.floor()).sqrt()
    }

    /// Says whether the value has hardly ever changed: its scale is unknown.
    pub(crate) fn is_flat(&self) -> bool {
        self.moves < MOVES
    }

    /// Returns how far the recent level is from the long one, in deviations.
    pub(crate) fn trend(&self) -> f64 {
        ((self.fast[1] - self.mean) / self.deviation()).clamp(-1e6, 1e6)
    }

    fn forecast(&self) -> f64 {
        self.mean + f64::from(self.phi) * (self.last - self.mean)
    }

    /// Judges `x` against the past. In brief, the slow statistics are left
    /// out while they are calm: nothing is said of them then.
    #[cfg(test)]
    pub(crate) fn assess(&self, x: f64, care: Care) -> Reading {
        self.measure(x, self.glance(x).0, care)
    }

    /// Measures `x` and says whether it is remarkable in no respect.
    #[inline(always)]
    pub(crate) fn glance(&self, x: f64) -> (Brief, bool) {
        let residual = x - self.forecast();
        let z = within(residual * f64::from(self.per_scale), -1e15, 1e15) as f32;
        let log_spread = self.next_spread(z);
        let off = log_spread - self.spread_mean;
        let square = (COMMON * COMMON) as f32 * larger(self.spread_variance, 1e-2);
        let mut is_calm = (z.abs() < self.common) & (off * off < square);
        for (horizon, (fast, drift)) in HORIZONS.iter().zip(self.fast.iter().zip(self.drift)) {
            let moved = fast + (x - fast) * (1.0 / horizon) - self.mean;
            is_calm &= moved * moved < COMMON * COMMON * drift;
        }
        (Brief { residual, z, log_spread }, is_calm)
    }

    /// Takes in `x`, of which [`Self::glance`] said that it is like most others;
    /// `values` are as many as the long level averages.
    #[inline(always)]
    pub(crate) fn follow(&mut self, x: f64, brief: Brief, values: f32) {
        self.count = smaller(self.count + 1.0, 1e7);
        let n = f64::from(self.count);
        let rate = larger(1.0 / n, 1.0 / f64::from(values));
        self.learn_spread(brief.z, brief.log_spread, rate as f32);
        let off = x - self.mean;
        let off_last = self.last - self.mean;
        self.absolute += rate * (off.abs() - self.absolute);
        let usual = MAD_TO_SD * self.absolute;
        let square = CLIP * CLIP * larger(larger(self.variance, self.residual), usual * usual);
        let (off, off_last) = if larger(off * off, off_last * off_last) > square {
            let reach = square.sqrt();
            (within(off, -reach, reach), within(off_last, -reach, reach))
        } else {
            (off, off_last)
        };
        self.residual += rate * (brief.residual * brief.residual - self.residual);
        self.lag += rate * (off * off_last - self.lag);
        self.variance += rate * (off * off * (1.0 - rate) - self.variance);
        self.mean += rate * off;
        for (i, horizon) in HORIZONS.iter().enumerate() {
            self.fast[i] += larger(1.0 / n, 1.0 / horizon) * (x - self.fast[i]);
            let moved = self.fast[i] - self.mean;
            let seen = self.drift[i] + rate * (moved * moved - self.drift[i]);
            let prior = if n < 2.0 * horizon { self.variance * (1.0 / horizon) } else { 0.0 };
            self.drift[i] = larger(seen, prior);
        }
        self.last = x;
    }

    /// Brings the forecast and its scale up to date.
    #[inline(always)]
    pub(crate) fn refresh(&mut self) {
        let lag = self.lag / larger(self.variance, 1e-72);
        self.phi = within(lag, 0.0, 1.0) as f32;
        self.per_scale = (1.0 / larger(self.residual, self.floor()).sqrt()) as f32;
    }

    /// Judges `x`, of which a glance has taken the measure.
    #[inline(always)]
    pub(crate) fn measure(&self, x: f64, brief: Brief, care: Care) -> Reading {
        let Brief { residual, z, log_spread } = brief;
        let n = f64::from(self.count);
        let floor = self.floor();
        let nominal = evidence(z, larger(self.count - 1.0, 1.0));
        // Not what is left of `x` without the residual: beside a huge one
        // nothing would be.
        let step = Finding { nominal, deviation: residual, expected: self.forecast() };
        let is_level_calm = self.is_level_calm(x, floor);
        let is_spread_calm = self.is_spread_calm(log_spread, n);
        let is_brief = care == Care::Brief;
        let (level, level_scale) = if is_brief && is_level_calm {
            (Finding { expected: self.mean, ..Finding::default() }, 0.0)
        } else {
            self.assess_level(x, n, floor)
        };
        Reading {
            step,
            level,
            level_scale,
            spread: if is_brief && is_spread_calm {
                Finding::default()
            } else {
                self.assess_spread(log_spread, n)
            },
            is_level_calm,
            is_spread_calm,
            log_spread,
            z,
            scale: 1.0 / f64::from(self.per_scale),
            flat: self.is_flat(),
        }
    }

    #[inline(always)]
    fn is_level_calm(&self, x: f64, floor: f64) -> bool {
        let mut is_calm = true;
        for (horizon, (fast, drift)) in HORIZONS.iter().zip(self.fast.iter().zip(self.drift)) {
            let moved = fast + (x - fast) * (1.0 / horizon) - self.mean;
            let usual = larger(drift, floor * (1.0 / horizon));
            is_calm &= moved * moved < CALM * CALM * usual;
        }
        is_calm
    }

    #[inline(always)]
    fn assess_level(&self, x: f64, n: f64, floor: f64) -> (Finding, f64) {
        let mut best = 0.0f64;
        let mut deviation = 0.0;
        let mut variance = 0.0;
        for (horizon, (fast, drift)) in HORIZONS.iter().zip(self.fast.iter().zip(self.drift)) {
            let moved = fast + (x - fast) * (1.0 / horizon) - self.mean;
            let trust = n / (n + 4.0 * horizon);
            let usual = larger(drift, floor * (1.0 / horizon));
            let square = moved * moved / usual * trust * trust;
            if square > best {
                best = square;
                deviation = moved;
                variance = usual / (trust * trust);
            }
        }
        let freedom = larger(n / 8.0 - 1.0, 1.0);
        let nominal = evidence(best.sqrt() as f32, freedom as f32);
        (Finding { nominal, deviation, expected: self.mean }, variance.sqrt())
    }

    #[inline(always)]
    fn is_spread_calm(&self, log_spread: f32, n: f64) -> bool {
        let moved = log_spread - self.spread_mean;
        let variance = larger(self.spread_variance, 1e-2);
        n < 32.0 || moved * moved < (CALM * CALM) as f32 * variance
    }

    #[inline(always)]
    fn assess_spread(&self, log_spread: f32, n: f64) -> Finding {
        if n < 32.0 {
            return Finding::default();
        }
        let moved = log_spread - self.spread_mean;
        let variance = larger(self.spread_variance, 1e-2);
        let nominal = evidence(moved / variance.sqrt(), n as f32 / 16.0);
        Finding { nominal, deviation: f64::from(moved), expected: 0.0 }
    }

    #[inline(always)]
    fn next_spread(&self, z: f32) -> f32 {
        let size = smaller(z.abs(), 2.0 * CLIP as f32);
        let spread = self.spread + (size - self.spread) * (1.0 / SPREAD);
        rough_log2(larger(spread, 1e-3))
    }

    /// Takes `x` in, judged as `reading`; `memory` says how fast the long
    /// level follows.
    #[inline(always)]
    pub(crate) fn learn(&mut self, x: f64, reading: &Reading, memory: Memory) {
        if self.count == 0.0 {
            self.last = x;
            self.mean = x;
            self.fast = [x; 2];
            self.count = 1.0;
            self.spread = 0.8;
            self.refresh();
            return;
        }
        self.count = smaller(self.count + 1.0, 1e7);
        let n = f64::from(self.count);
        let rate_of_one = 1.0 / n;
        let rate = memory.rate(n);
        let floor = self.floor();
        let change = (x - self.last).abs();
        self.moves = smaller(self.moves + f32::from(u8::from(change * change > floor)), 1e6);
        let (scale, residual) = if self.count <= 2.0 {
            (larger(self.residual, floor).sqrt(), x - self.forecast())
        } else {
            (reading.scale, reading.step.deviation)
        };
        let is_young = self.count <= YOUNG;
        // Squared scales: a root is drawn only where something is clipped.
        let clipped = |deviation: f64, square: f64| {
            if is_young || deviation * deviation <= CLIP * CLIP * square {
                deviation
            } else {
                (CLIP * square.sqrt()).copysign(deviation)
            }
        };
        let z = if self.count <= 2.0 { (residual / scale) as f32 } else { reading.z };
        self.learn_spread(z, reading.log_spread, rate as f32);
        // One wild value, such as a marker for a missing one, must pass neither
        // for the scale nor for the level; those that go on raise both.
        let reach = WILD * larger(self.deviation(), larger(scale, self.absolute));
        let tamed = if is_young || self.is_flat() {
            x
        } else {
            within(x, self.mean - reach, self.mean + reach)
        };
        self.absolute += rate * ((tamed - self.mean).abs() - self.absolute);
        let usual = larger(scale, MAD_TO_SD * self.absolute);
        let square = larger(larger(self.variance, floor), usual * usual);
        let off = clipped(x - self.mean, square);
        let off_last = clipped(self.last - self.mean, square);
        let usual = larger(scale, 0.5 * self.absolute);
        let taught = clipped(residual, usual * usual);
        self.residual += rate * (taught * taught - self.residual);
        self.lag += rate * (off * off_last - self.lag);
        self.variance += rate * (off * off * (1.0 - rate) - self.variance);
        self.mean += rate * off;
        for (i, horizon) in HORIZONS.iter().enumerate() {
            let quick = larger(rate_of_one, 1.0 / horizon);
            self.fast[i] += quick * (tamed - self.fast[i]);
            let prior = self.variance * (1.0 / horizon);
            let most = CLIP * CLIP * larger(larger(self.drift[i], prior), floor);
            let moved = self.fast[i] - self.mean;
            let square = if is_young { moved * moved } else { smaller(moved * moved, most) };
            let seen = self.drift[i] + rate * (square - self.drift[i]);
            self.drift[i] = if n < 2.0 * horizon { larger(seen, prior) } else { seen };
        }
        self.last = tamed;
        self.refresh();
    }

    #[inline(always)]
    fn learn_spread(&mut self, z: f32, log: f32, rate: f32) {
        let size = smaller(z.abs(), 2.0 * CLIP as f32);
        self.spread += (size - self.spread) * (1.0 / SPREAD);
        let off = log - self.spread_mean;
        self.spread_mean += rate * off;
        self.spread_variance += rate * (off * off - self.spread_variance);
    }

    /// Takes a lasting change for the new normal: the long level becomes the
    /// slower of the fast ones.
    pub(crate) fn adopt(&mut self) {
        self.mean = self.fast[1];
        self.spread_mean = rough_log2(larger(self.spread, 1e-3));
        self.lag = self.variance * 0.5;
        self.refresh();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taught(values: &[f64]) -> Level {
        let mut level = Level::zeroed();
        for value in values {
            let reading = level.assess(*value, Care::Full);
            level.learn(*value, &reading, Memory { values: 1024.0, pace: 1.0 });
        }
        level
    }

    proptest! {
        #[test]
        fn moments_are_those_of_all_values_while_few(
            values in prop::collection::vec(-1.0f64..1.0, 16..1000), offset in -1e9f64..1e9,
        ) {
            let values: Vec<f64> = values.into_iter().map(|value| value + offset).collect();
            let level = taught(&values);
            let size = values.len() as f64;
            let mean = values.iter().sum::<f64>() / size;
            let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / size;
            prop_assert!((level.mean - mean).abs() < 0.01, "{} for {mean}", level.mean);
            prop_assert!((level.variance - variance).abs() < 0.1 * variance.max(0.05));
        }

        #[test]
        fn nothing_becomes_infinite(values in prop::collection::vec(-1e37f64..1e37, 1..200)) {
            let level = taught(&values);
            let reading = level.assess(values[0], Care::Full);
            for finding in [reading.step, reading.level, reading.spread] {
                prop_assert!(finding.nominal.is_finite() && finding.deviation.is_finite());
            }
            prop_assert!(level.deviation().is_finite());
        }
    }

    #[test]
    fn one_wild_value_does_not_pass_for_the_scale() {
        let noise =
            |i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / (1 << 22) as f64;
        let values = |wild: f64| -> Vec<f64> {
            (0..700).map(|i| if i == 300 { wild } else { 50.0 + noise(i) }).collect()
        };
        let deviation = taught(&values(52.0)).deviation();
        for wild in [1e6, 1e9, 1e18, -1e30] {
            let level = taught(&values(wild));
            let wide = level.deviation();
            assert!(wide < 10.0 * deviation, "{wide} where {deviation} is usual, after {wild}");
            let reading = level.assess(52.0, Care::Full);
            assert!((reading.step.expected - 52.0).abs() < 4.0, "{:?}", reading.step);
        }
    }

    #[test]
    fn an_autoregressive_series_is_forecast_from_its_last_value() {
        let (mut x, mut state) = (0.0, 1u64);
        let mut values = Vec::new();
        for _ in 0..5000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            x = 0.9 * x + ((state >> 11) as f64 / (1u64 << 53) as f64 - 0.5);
            values.push(x);
        }
        let mut level = taught(&values);
        level.last = 3.0;
        assert!((level.forecast() - 2.7).abs() < 0.25, "{}", level.forecast());
    }

    #[test]
    fn a_step_of_the_level_is_seen_by_the_level_and_soon_not_by_the_step() {
        let mut level = taught(&(0..2000).map(|i| f64::from(i % 10)).collect::<Vec<_>>());
        let mut readings = Vec::new();
        for i in 0..40 {
            let x = 30.0 + f64::from(i % 10);
            let reading = level.assess(x, Care::Full);
            readings.push(reading);
            level.learn(x, &reading, Memory { values: 1024.0, pace: 1.0 });
        }
        assert!(readings[0].step.nominal > 6.0);
        let mut found = readings.iter().filter(|reading| reading.level.nominal > 6.0).peekable();
        assert!(found.peek().is_some());
        assert!(found.all(|reading| reading.level.deviation > 3.0 * reading.level_scale));
    }
}
