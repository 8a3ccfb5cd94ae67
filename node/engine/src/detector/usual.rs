//! What sizes of a positive statistic are usual: fading moments of its
//! logarithm. Owns them; refuses to know what is measured. Serves detectors
//! whose statistic has no distribution of its own.

use bytemuck::{Pod, Zeroable};

use crate::detector::Finding;
use crate::math::{larger, ln, rough_exp2, rough_log2, smaller, student_evidence, within};

/// Values the moments average.
const MEMORY: f32 = 16_384.0;
/// Values before outliers are drawn in.
const YOUNG: f32 = 32.0;
/// A value teaches no more than so many standard deviations.
const CLIP: f32 = 4.0;

/// Fading moments of the natural logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Usual {
    pub(crate) mean: f32,
    pub(crate) variance: f32,
    pub(crate) count: f32,
}

/// Returns the evidence of a deviate at least `z` above, not below, its mean.
fn above(z: f32, freedom: f32) -> f32 {
    let both = smaller(student_evidence(z, freedom), 1e6);
    if z >= 0.0 {
        return both + std::f32::consts::LOG10_2;
    }
    let half = 0.5 * rough_exp2(-both * std::f32::consts::LOG2_10);
    -rough_log2(1.0 - half) * std::f32::consts::LOG10_2
}

impl Usual {
    /// Judges a positive `size`: deviation and expectation are of the size;
    /// logarithms stray by at least `steadiest`.
    pub(crate) fn judge(&self, size: f32, steadiest: f32) -> Finding {
        let usual = rough_exp2(self.mean * std::f32::consts::LOG2_E);
        let off = ln(f64::from(size)) as f32 - self.mean;
        let z = off / larger(self.variance, steadiest * steadiest).sqrt();
        Finding {
            nominal: above(z, larger(self.count - 1.0, 1.0)),
            deviation: f64::from(size - usual),
            expected: f64::from(usual),
        }
    }

    /// Takes `size` in; at a pace below 1 it teaches less.
    pub(crate) fn learn(&mut self, size: f32, steadiest: f32, pace: f32) {
        if size <= 0.0 {
            return;
        }
        self.count = smaller(self.count + 1.0, 1e7);
        let rate = pace / smaller(self.count, MEMORY);
        let reach = CLIP * larger(self.variance, steadiest * steadiest).sqrt();
        let off = ln(f64::from(size)) as f32 - self.mean;
        let off = if self.count < YOUNG { off } else { within(off, -reach, reach) };
        self.variance += rate * (off * off * (1.0 - rate) - self.variance);
        self.mean += rate * off;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_half_alone_is_evidence() {
        // One-sided: 2.326 deviations are the 1 % point, below the mean is nothing.
        assert!((above(2.326, 1e6) - 2.0).abs() < 0.01);
        assert!((above(0.0, 1e6) - 0.301).abs() < 0.01);
        assert!((above(-1.0, 1e6) - 0.075).abs() < 0.01);
        assert!(above(-50.0, 1e6).abs() < 1e-6 && above(1e30, 5.0).is_finite());
    }

    #[test]
    fn moments_of_the_logarithm_are_learned() {
        let mut usual = Usual::zeroed();
        for number in 0..4000u32 {
            usual.learn(if number % 2 == 0 { 2.0 } else { 8.0 }, 0.1, 1.0);
        }
        assert!((usual.judge(4.0, 0.1).expected - 4.0).abs() < 0.01);
        assert!((usual.variance.sqrt() - 0.693).abs() < 0.01);
    }
}
