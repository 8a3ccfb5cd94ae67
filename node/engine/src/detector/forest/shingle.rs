//! Rows as a forest wants them: each lane in units of its own fading scale, and
//! the last few rows together as one point. Owns scales and the last rows;
//! refuses to know cuts.
//!
//! Sources: shingling as in Guha et al., ICML 2016, §5; standardised on entry,
//! since cuts are drawn in proportion to a lane's extent.

use serde::{Deserialize, Serialize};

use super::{MOST_DIMS, Point};
use crate::math::{larger, smaller, within};

/// A standardised value is no further out than this: one absurd value would
/// otherwise take nearly all cuts for as long as it is remembered.
const FAR: f64 = 16.0;
/// Deviations beyond so many standard deviations teach the scale no more.
const CLIP: f64 = 8.0;
/// Values before clipping begins.
const YOUNG: f32 = 16.0;
/// Relative change of a value that is none.
const SAME: f64 = 1e-9;

/// One lane's fading mean and variance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Scale {
    mean: f64,
    variance: f64,
    count: f32,
}

impl Scale {
    fn deviation(&self) -> f64 {
        let least = self.mean.abs() * SAME + 1e-36;
        larger(self.variance, least * least).sqrt()
    }

    /// Returns `x` in its own units; a lane that is young is less trusted.
    fn standardise(&self, x: f64) -> f32 {
        if self.count < 1.0 {
            return 0.0;
        }
        let z = (x - self.mean) / self.deviation();
        let trust = f64::from(self.count / (self.count + 2.0));
        within(z * trust, -FAR, FAR) as f32
    }

    fn learn(&mut self, x: f64, memory: f32) {
        if self.count < 1.0 {
            *self = Self { mean: x, variance: 0.0, count: 1.0 };
            return;
        }
        self.count = smaller(self.count + 1.0, 1e7);
        let rate = 1.0 / f64::from(smaller(self.count, memory));
        let far = CLIP * self.deviation();
        let off = x - self.mean;
        let off =
            if self.count < YOUNG || self.variance <= 0.0 { off } else { within(off, -far, far) };
        self.variance += rate * (off * off * (1.0 - rate) - self.variance);
        self.mean += rate * off;
    }
}

/// The last rows of one entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shingle {
    scales: Vec<Scale>,
    /// The last rows but one, oldest first, and the newest.
    rows: Vec<f32>,
    /// Rows over which scales average.
    memory: f32,
    seen: u32,
}

impl Shingle {
    /// Makes an empty one of `length` rows of `lanes` values each, at most
    /// [`MOST_DIMS`] in all; scales average over `memory` rows.
    pub fn new(lanes: usize, length: usize, memory: f32) -> Self {
        let lanes = lanes.clamp(1, MOST_DIMS);
        let length = length.clamp(1, MOST_DIMS / lanes);
        Self {
            scales: vec![Scale { mean: 0.0, variance: 0.0, count: 0.0 }; lanes],
            rows: vec![0.0; lanes * length],
            memory: larger(memory, 2.0),
            seen: 0,
        }
    }

    /// Says whether it can be what was put to rest: ask before using one that
    /// was read.
    pub fn is_sound(&self) -> bool {
        let (lanes, dims) = (self.scales.len(), self.rows.len());
        lanes > 0 && dims >= lanes && dims <= MOST_DIMS && dims.is_multiple_of(lanes)
    }

    /// Returns how many values a point has.
    pub fn dims(&self) -> usize {
        self.rows.len()
    }

    /// Says whether as many rows came as a point has.
    pub fn is_full(&self) -> bool {
        self.seen as usize * self.scales.len() >= self.rows.len()
    }

    /// Returns the point that `row` would make; absent values (NaN) count as
    /// usual ones. The lane of a point's value `n` is `n % lanes`, the newest
    /// row comes last.
    pub fn with(&self, row: &[f64]) -> Point {
        let lanes = self.scales.len();
        let mut point = Point::new(self.rows.len());
        let values = point.values_mut();
        let kept = values.len() - lanes;
        values[..kept].copy_from_slice(&self.rows[lanes..]);
        for ((z, scale), x) in values[kept..].iter_mut().zip(&self.scales).zip(row) {
            *z = if x.is_nan() { 0.0 } else { scale.standardise(*x) };
        }
        point
    }

    /// Takes `row` in, which [`Self::with`] made `point` of.
    pub fn learn(&mut self, row: &[f64], point: &Point) {
        for (kept, z) in self.rows.iter_mut().zip(point.values()) {
            *kept = *z;
        }
        for (scale, x) in self.scales.iter_mut().zip(row) {
            if !x.is_nan() {
                scale.learn(within(*x, -1e37, 1e37), self.memory);
            }
        }
        self.seen = self.seen.saturating_add(1);
    }

    /// Returns `z` standard deviations of lane `lane` in its own unit.
    pub fn in_unit(&self, lane: usize, z: f32) -> f64 {
        self.scales.get(lane).map_or(0.0, |scale| scale.mean + f64::from(z) * scale.deviation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_row_comes_last_in_its_own_units() {
        let mut shingle = Shingle::new(2, 3, 1000.0);
        for number in 0..500 {
            let swing = if number % 2 == 0 { 1.0 } else { -1.0 };
            let row = [100.0 + swing, 1e6 + 1e3 * swing];
            let point = shingle.with(&row);
            shingle.learn(&row, &point);
        }
        let point = shingle.with(&[103.0, 1e6]);
        let [a, b, c, d, e, f] = *point.values() else { panic!("six values") };
        assert!((a - 1.0).abs() < 0.02 && (b - 1.0).abs() < 0.02);
        assert!((c + 1.0).abs() < 0.02 && (d + 1.0).abs() < 0.02);
        assert!((e - 3.0).abs() < 0.05 && f.abs() < 0.05);
        assert!((shingle.in_unit(0, 3.0) - 103.0).abs() < 0.1);
    }

    #[test]
    fn absent_and_absurd_values_are_harmless() {
        let mut shingle = Shingle::new(2, 2, 100.0);
        for number in 0..50 {
            let row = [if number == 20 { f64::MAX } else { 5.0 }, f64::NAN];
            let point = shingle.with(&row);
            assert!(point.values().iter().all(|z| f64::from(z.abs()) <= FAR));
            shingle.learn(&row, &point);
        }
        assert_eq!(shingle.with(&[5.0, f64::NAN]).values()[1], 0.0);
    }
}
