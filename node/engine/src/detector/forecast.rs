//! What the next value should be: a level at several horizons, an
//! autoregressive short-term forecast and a scale for each. Owns the value's
//! level and scale; refuses to know time. Serves the distribution detector.
//!
//! Sources: exponentially weighted moments (West, CACM 22, 1979); AR(1)
//! one-step forecast; residuals clipped as by Huber (1964), so that outliers
//! do not teach.

use bytemuck::{Pod, Zeroable};

use crate::math::{rough_log2, student_evidence};

/// Values over which the two fast levels average.
const HORIZONS: [f64; 2] = [8.0, 64.0];
/// Values over which the momentary spread averages.
const SPREAD: f32 = 16.0;
/// Deviations beyond so many standard deviations teach no more than that.
const CLIP: f64 = 4.0;
/// Standard deviation of normal data per mean absolute deviation.
const MAD_TO_SD: f64 = 1.2533;
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
    /// Mean absolute deviation, unclipped: tells a scale that was never seen
    /// from one that is.
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
    spare: f32,
}

/// One test's outcome: nominal evidence, and the most that may be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Finding {
    pub(crate) nominal: f32,
    pub(crate) deviation: f64,
    pub(crate) expected: f64,
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
    /// The series never moved: evidence is bounded by how long it did not.
    pub(crate) flat: bool,
}

/// Evidence of a deviation of `z` standard deviations that were estimated from
/// `freedom` values.
fn evidence(z: f64, freedom: f64) -> f32 {
    student_evidence(z.clamp(-1e15, 1e15) as f32, freedom as f32).min(1e6)
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
        let phi =
            if self.variance > 0.0 { (self.lag / self.variance).clamp(0.0, 1.0) } else { 0.0 };
        self.mean + phi * (self.last - self.mean)
    }

    /// Judges `x` against the past.
    pub(crate) fn assess(&self, x: f64) -> Reading {
        let n = f64::from(self.count);
        let floor = self.floor();
        let forecast = self.forecast();
        let residual = x - forecast;
        let scale = self.residual.max(floor).sqrt();
        let z = residual / scale;
        let freedom = (n - 1.0).max(1.0);
        let step =
            Finding { nominal: evidence(z, freedom), deviation: residual, expected: forecast };
        let log_spread = self.next_spread(z);
        Reading {
            step,
            level: self.assess_level(x, n, floor),
            spread: self.assess_spread(log_spread, n),
            log_spread,
            scale,
            flat: self.is_flat(),
        }
    }

    fn assess_level(&self, x: f64, n: f64, floor: f64) -> Finding {
        let mut best = 0.0f64;
        let mut deviation = 0.0;
        for (horizon, (fast, drift)) in HORIZONS.iter().zip(self.fast.iter().zip(self.drift)) {
            let moved = fast + (x - fast) / horizon - self.mean;
            let trust = n / (n + 4.0 * horizon);
            let square = moved * moved / drift.max(floor / horizon) * trust * trust;
            if square > best {
                best = square;
                deviation = moved;
            }
        }
        let freedom = (n / 8.0 - 1.0).max(1.0);
        Finding { nominal: evidence(best.sqrt(), freedom), deviation, expected: self.mean }
    }

    fn assess_spread(&self, log_spread: f32, n: f64) -> Finding {
        if n < 32.0 {
            return Finding::default();
        }
        let moved = log_spread - self.spread_mean;
        let sd = self.spread_variance.max(1e-2).sqrt();
        let nominal = evidence(f64::from(moved / sd), n / 16.0);
        Finding { nominal, deviation: f64::from(moved), expected: 0.0 }
    }

    fn next_spread(&self, z: f64) -> f32 {
        let size = z.abs().min(2.0 * CLIP) as f32;
        let spread = self.spread + (size - self.spread) / SPREAD;
        rough_log2(spread.max(1e-3))
    }

    /// Takes `x` in, judged as `reading`; `memory` is how many values the long
    /// level averages.
    pub(crate) fn learn(&mut self, x: f64, reading: &Reading, memory: f32) {
        if self.count == 0.0 {
            self.last = x;
            self.mean = x;
            self.fast = [x; 2];
            self.count = 1.0;
            self.spread = 0.8;
            return;
        }
        self.count = (self.count + 1.0).min(1e7);
        let n = f64::from(self.count);
        let rate = f64::max(1.0 / n, 1.0 / f64::from(memory));
        let floor = self.floor();
        let change = (x - self.last).abs();
        self.moves = (self.moves + f32::from(u8::from(change * change > floor))).min(1e6);
        let (scale, residual) = if self.count <= 2.0 {
            (self.residual.max(floor).sqrt(), x - self.forecast())
        } else {
            (reading.scale, reading.step.deviation)
        };
        let is_young = self.count <= YOUNG;
        let clipped = |deviation: f64, scale: f64| {
            if is_young { deviation } else { deviation.clamp(-CLIP * scale, CLIP * scale) }
        };
        self.learn_spread(residual / scale, reading.log_spread, rate as f32);
        self.absolute += rate * ((x - self.mean).abs() - self.absolute);
        let sd = self.variance.max(floor).sqrt().max(scale).max(MAD_TO_SD * self.absolute);
        let off = clipped(x - self.mean, sd);
        let off_last = clipped(self.last - self.mean, sd);
        let taught = clipped(residual, scale.max(0.5 * self.absolute));
        self.residual += rate * (taught * taught - self.residual);
        self.lag += rate * (off * off_last - self.lag);
        self.variance += rate * (off * off * (1.0 - rate) - self.variance);
        self.mean += rate * off;
        for (i, horizon) in HORIZONS.iter().enumerate() {
            let quick = f64::max(1.0 / n, 1.0 / horizon);
            self.fast[i] += quick * (x - self.fast[i]);
            let usual = self.drift[i].max(self.variance / horizon).max(floor).sqrt();
            let moved = clipped(self.fast[i] - self.mean, usual);
            let prior = self.variance / horizon;
            let seen = self.drift[i] + rate * (moved * moved - self.drift[i]);
            self.drift[i] = if n < 2.0 * horizon { seen.max(prior) } else { seen };
        }
        self.last = x;
    }

    fn learn_spread(&mut self, z: f64, log: f32, rate: f32) {
        self.spread += (z.abs().min(2.0 * CLIP) as f32 - self.spread) / SPREAD;
        let off = log - self.spread_mean;
        self.spread_mean += rate * off;
        self.spread_variance += rate * (off * off - self.spread_variance);
    }

    /// Takes a lasting change for the new normal: the long level becomes the
    /// slower of the fast ones.
    pub(crate) fn adopt(&mut self) {
        self.mean = self.fast[1];
        self.spread_mean = rough_log2(self.spread.max(1e-3));
        self.lag = self.variance * 0.5;
    }
}
