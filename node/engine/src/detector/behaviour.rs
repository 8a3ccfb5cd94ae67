//! What an entity is like: mean, spread, skewness and peakedness of its recent
//! values against its long past, its categorical marks likewise (`marks`), and how
//! far it went from there beside its peers (`peers`). Owns fading moments; refuses to know
//! single values, which others judge.
//!
//! Source: one-pass updates of central moments as in Pébay, SAND2008-6212,
//! §2.1, for a mixture of the past and one value whose weights sum to 1.

mod marks;
mod peers;

pub use marks::Marks;
pub use peers::{Beside, Moved, Peers};

use bytemuck::{Pod, Zeroable};

use crate::detector::Finding;
use crate::math::{larger, rough_log2, single, smaller, student_evidence, within};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trait {
    /// Where the values are.
    Mean,
    /// How far they scatter.
    Spread,
    /// To which side they stray.
    Skewness,
    /// How much of the scatter is from few values.
    Peakedness,
}

/// All of them, in the order of numbers about them.
pub const TRAITS: [Trait; 4] = [Trait::Mean, Trait::Spread, Trait::Skewness, Trait::Peakedness];

/// Values before any is judged, in recent spans.
const YOUNG: f32 = 3.0;
/// Values count for no further out than so many standard deviations.
const CLIP: f32 = 8.0;
/// A deviation teaches no more than so many times its usual size.
const MOST_TAUGHT: f32 = 4.0;
/// Least usual deviation of a trait.
const STEADIEST: f32 = 0.02;
/// log10 4: so many traits are looked at.
const TRIED: f32 = 0.602;
/// The most evidence.
const MOST: f32 = 1e6;

/// How many values are recent, and how many the past averages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spans {
    /// Recent values.
    pub recent: f32,
    /// Values of the past.
    pub past: f32,
}

impl Default for Spans {
    fn default() -> Self {
        Self { recent: 64.0, past: 2048.0 }
    }
}

/// Fading central moments.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Moments {
    mean: f32,
    second: f32,
    third: f32,
    fourth: f32,
}

impl Moments {
    /// Takes `x` in with weight `rate`, the past keeping the rest.
    fn learn(&mut self, x: f32, rate: f32) {
        let off = x - self.mean;
        let step = rate * off;
        let keep = 1.0 - rate;
        let (far, square) = (keep * off, step * step);
        let past = self.fourth - 4.0 * step * self.third + 6.0 * square * self.second;
        self.fourth = keep * (past + square * square) + rate * far * far * far * far;
        let past = self.third - 3.0 * step * self.second - square * step;
        self.third = keep * past + rate * far * far * far;
        self.second = keep * (self.second + step * off);
        self.mean += step;
    }

    fn deviation(&self) -> f32 {
        larger(self.second, 1e-12).sqrt()
    }

    /// Returns the traits: mean, binary logarithm of the standard deviation,
    /// skewness, binary logarithm of the kurtosis.
    fn traits(&self) -> [f32; 4] {
        let sd = self.deviation();
        let skewness = self.third / (sd * sd * sd);
        let kurtosis = self.fourth / (sd * sd * sd * sd);
        [
            self.mean,
            rough_log2(sd),
            within(skewness, -64.0, 64.0),
            rough_log2(within(kurtosis, 1.0, 4096.0)),
        ]
    }

    fn scale(&mut self, factor: f32) {
        let square = factor * factor;
        self.mean *= factor;
        self.second *= square;
        self.third *= square * factor;
        self.fourth *= square * square;
    }
}

/// What one entity is like.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Fingerprint {
    /// Values are kept relative to this, in these units.
    anchor: f64,
    unit: f64,
    recent: Moments,
    past: Moments,
    /// Mean square of each trait's deviation.
    usual: [f32; 4],
    count: f32,
    pad: u32,
}

/// What the recent values say of the entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// Evidence of the trait that deviates most, less what looking at all of
    /// them costs. Deviation and expectation are of the mean in its own unit, of
    /// spread and peakedness in doublings, of skewness as it is.
    pub finding: Finding,
    /// That trait.
    pub about: Trait,
    /// How far each trait deviates, standard deviations.
    pub z: [f32; 4],
}

impl Default for Likeness {
    fn default() -> Self {
        Self { finding: Finding::default(), about: Trait::Mean, z: [0.0; 4] }
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Fingerprint {
    /// Says whether it is judged yet.
    pub fn is_ready(&self, spans: Spans) -> bool {
        self.count >= YOUNG * spans.recent && self.unit > 0.0
    }

    /// Returns how far each trait of the recent values is from the past's.
    fn moved(&self) -> [f32; 4] {
        let (recent, past) = (self.recent.traits(), self.past.traits());
        let mut moved = [0.0; 4];
        for ((moved, recent), past) in moved.iter_mut().zip(recent).zip(past) {
            *moved = recent - past;
        }
        moved[0] /= self.past.deviation();
        moved
    }

    /// Judges what the entity would be like with `x`.
    pub fn judge(&self, x: f64, spans: Spans) -> Likeness {
        let mut told = Likeness::default();
        if !self.is_ready(spans) {
            return told;
        }
        let mut next = *self;
        next.take(x, spans);
        let freedom = larger(smaller(self.count, spans.past) / spans.recent - 1.0, 1.0);
        let mut best = 0.0;
        for (k, moved) in next.moved().into_iter().enumerate() {
            told.z[k] = within(moved / self.usually(k), -1e6, 1e6);
            let nominal = student_evidence(told.z[k], freedom) - TRIED;
            if nominal > best {
                best = nominal;
                told.about = TRAITS[k];
                told.finding = self.found(smaller(nominal, MOST), k, (moved, 0.0));
            }
        }
        told
    }

    /// Returns how far a trait usually is from the past's.
    fn usually(&self, k: usize) -> f32 {
        larger(self.usual[k], STEADIEST * STEADIEST).sqrt()
    }

    /// Returns what is found of a trait that moved, where `common` was expected of
    /// it.
    fn found(&self, nominal: f32, k: usize, (moved, common): (f32, f32)) -> Finding {
        let past = self.past.traits()[k];
        if k == 0 {
            let unit = self.unit * f64::from(self.past.deviation());
            let expected = self.anchor + f64::from(past) * self.unit + f64::from(common) * unit;
            return Finding { nominal, deviation: f64::from(moved - common) * unit, expected };
        }
        let (deviation, expected) = (f64::from(moved - common), f64::from(past + common));
        Finding { nominal, deviation, expected }
    }

    /// Returns what it means for the entity, `told` of itself, that it looks like
    /// that beside its peers.
    pub fn compared(&self, told: &Likeness, beside: &Beside) -> Finding {
        let usual = self.usually(beside.about);
        let moved = within(told.z[beside.about], -1e3, 1e3);
        self.found(beside.finding.nominal, beside.about, (moved * usual, beside.common * usual))
    }

    /// Takes `x` in.
    pub fn learn(&mut self, x: f64, spans: Spans) {
        if self.count == 0.0 {
            self.anchor = x;
        }
        if self.unit <= 0.0 {
            // The first change of the value is the first unit.
            let change = single(smaller((x - self.anchor).abs(), 1e37));
            self.unit = if change > 1e-9 * self.anchor.abs() { change } else { 0.0 };
        }
        self.take(x, spans);
        if self.is_ready(spans) {
            let rate = 1.0 / smaller(self.count, spans.past);
            let is_young = self.count < 2.0 * YOUNG * spans.recent;
            let moved = self.moved();
            for (usual, moved) in self.usual.iter_mut().zip(moved) {
                let known = larger(*usual, STEADIEST * STEADIEST);
                let most = if is_young { 1e6 } else { MOST_TAUGHT * MOST_TAUGHT * known };
                *usual += rate * (smaller(moved * moved, most) - *usual);
            }
        } else {
            // A guess until it is seen: the recent mean of equal values strays so.
            self.usual = [1.0 / spans.recent, 1.0 / spans.recent, 0.1, 0.1];
        }
        let size = self.past.deviation();
        if self.unit > 0.0 && self.count > 16.0 && !(1e-3..1e3).contains(&size) && size > 1e-6 {
            self.scale(1.0 / size);
        }
    }

    /// Takes what the entity is like lately for normal.
    pub fn adopt(&mut self) {
        self.past = self.recent;
    }

    fn take(&mut self, x: f64, spans: Spans) {
        self.count = smaller(self.count + 1.0, 1e7);
        if self.unit <= 0.0 {
            return;
        }
        let z = within((x - self.anchor) / self.unit, -1e6, 1e6) as f32;
        let reach = CLIP * self.past.deviation();
        let is_young = self.count < 32.0;
        let z =
            if is_young { z } else { within(z, self.past.mean - reach, self.past.mean + reach) };
        self.recent.learn(z, 1.0 / smaller(self.count, larger(spans.recent, 2.0)));
        self.past.learn(z, 1.0 / smaller(self.count, larger(spans.past, 2.0)));
    }

    fn scale(&mut self, factor: f32) {
        self.unit = single(self.unit / f64::from(factor));
        self.recent.scale(factor);
        self.past.scale(factor);
    }
}

#[cfg(test)]
mod tests;
