//! Which categories an entity's events have: how often each of 32 hashed ones
//! came lately and in the long past. Owns the counts; refuses to know names, and
//! is of use only where few different ones come.
//!
//! Source: Lin, IEEE Trans. Inf. Theory 37, 1991 (Jensen-Shannon divergence),
//! judged against what it usually is.

use bytemuck::{Pod, Zeroable};

use crate::detector::Finding;
use crate::math::{larger, rough_log2, smaller, student_evidence};

/// Categories told apart.
const BINS: usize = 32;
/// Events that are recent, and events of the past.
const RECENT: f32 = 512.0;
const PAST: f32 = 16_384.0;
/// Events before the divergence is looked at.
const YOUNG: f32 = 2.0 * RECENT;
/// Looks before it is judged, those that its usual size averages, and those of
/// which one says what its neighbours do not.
const LOOKS: f32 = 64.0;
const MEMORY: f32 = 1024.0;
const ALIKE: f32 = 16.0;
/// The most evidence.
const MOST: f32 = 1e6;
/// A divergence teaches no more than so many standard deviations.
const CLIP: f32 = 4.0;
/// Least standard deviation of the divergence, bits.
const STEADIEST: f32 = 0.005;

/// The marks of one entity.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Marks {
    /// Shares; each sums to 1.
    recent: [f32; BINS],
    past: [f32; BINS],
    /// Fading mean and variance of the divergence.
    mean: f32,
    variance: f32,
    count: f32,
    looks: f32,
}

/// Returns a mark's bin (Knuth, The Art of Computer Programming 3, §6.4:
/// multiplicative hashing).
fn bin(mark: u64) -> usize {
    (mark.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BINS.ilog2())) as usize
}

/// Moves `shares` by `rate` towards `place` alone.
fn move_to(shares: &mut [f32; BINS], place: usize, rate: f32) {
    for share in shares.iter_mut() {
        *share -= rate * *share;
    }
    shares[place] += rate;
}

/// Returns the Jensen-Shannon divergence, bits.
fn divergence(a: &[f32; BINS], b: &[f32; BINS]) -> f32 {
    let part = |p: f32, half: f32| if p > 1e-9 { p * rough_log2(p / half) } else { 0.0 };
    let mut sum = 0.0;
    for (p, q) in a.iter().zip(b) {
        let half = 0.5 * (p + q);
        sum += 0.5 * (part(*p, half) + part(*q, half));
    }
    larger(sum, 0.0)
}

impl Default for Marks {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Marks {
    /// Takes `mark` in, any number that stands for a category, of an event that
    /// stands for `times` of its kind.
    pub fn take(&mut self, mark: u64, times: u16) {
        let times = f32::from(times);
        self.count = smaller(self.count + times, 1e7);
        let rate = |span: f32| times / larger(smaller(self.count, span), times);
        let (recent, past) = (rate(RECENT), rate(PAST));
        let place = bin(mark);
        move_to(&mut self.recent, place, recent);
        move_to(&mut self.past, place, past);
    }

    /// Looks at how marks are mixed lately and takes that in; returns evidence
    /// against their being distributed as those of the past, once that is known.
    /// Deviation and expectation are of the divergence, bits.
    pub fn look(&mut self) -> Option<Finding> {
        if self.count < YOUNG {
            return None;
        }
        let divergence = divergence(&self.recent, &self.past);
        let sd = larger(self.variance, STEADIEST * STEADIEST).sqrt();
        let off = divergence - self.mean;
        let is_ready = self.looks >= LOOKS;
        let found = is_ready.then(|| {
            let freedom = smaller(self.looks, MEMORY) / ALIKE;
            Finding {
                nominal: smaller(student_evidence(larger(off, 0.0) / sd, freedom), MOST),
                deviation: f64::from(off),
                expected: f64::from(self.mean),
            }
        });
        self.looks = smaller(self.looks + 1.0, 1e7);
        let rate = 1.0 / smaller(self.looks, MEMORY);
        let off = if is_ready { smaller(off, CLIP * sd) } else { off };
        self.variance += rate * (off * off * (1.0 - rate) - self.variance);
        self.mean += rate * off;
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_divergence_is_lins(counts in prop::collection::vec((0u8..20, 0u8..20), BINS)) {
            let sums = counts.iter().fold((0.0, 0.0), |s, (a, b)| {
                (s.0 + f32::from(*a), s.1 + f32::from(*b))
            });
            prop_assume!(sums.0 > 0.0 && sums.1 > 0.0);
            let a: [f32; BINS] = std::array::from_fn(|k| f32::from(counts[k].0) / sums.0);
            let b: [f32; BINS] = std::array::from_fn(|k| f32::from(counts[k].1) / sums.1);
            // Entropy of the mean less the mean of the entropies.
            let entropy = |p: f64| if p > 0.0 { -p * libm::log2(p) } else { 0.0 };
            let exact: f64 = (0..BINS)
                .map(|k| {
                    let (p, q) = (f64::from(a[k]), f64::from(b[k]));
                    entropy((p + q) / 2.0) - (entropy(p) + entropy(q)) / 2.0
                })
                .sum();
            prop_assert!((f64::from(divergence(&a, &b)) - exact).abs() < 1e-3);
        }

        #[test]
        fn shares_sum_to_one(marks in prop::collection::vec((any::<u64>(), 1u16..20), 1..500)) {
            let mut state = Marks::default();
            for (mark, times) in marks {
                state.take(mark, times);
                prop_assert!(state.look().is_none_or(|found| found.nominal.is_finite()));
                prop_assert!((state.recent.iter().sum::<f32>() - 1.0).abs() < 1e-4);
                prop_assert!((state.past.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn another_mix_of_the_same_marks_is_seen() {
        for times in [1u16, 9] {
            let mut state = Marks::default();
            let (mut quiet, mut last) = (0.0f32, Finding::default());
            for number in 0..80_600u64 {
                let draw = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % 100;
                // Of five marks the fifth is rare, until it is as common as all others.
                let mark = if number < 80_000 { draw % 33 / 8 } else { 4 * (draw % 2) };
                if number.is_multiple_of(u64::from(times)) {
                    state.take(mark, times);
                }
                if number % 60 == 59
                    && let Some(found) = state.look()
                {
                    last = found;
                    if (40_000..80_000).contains(&number) {
                        quiet = quiet.max(found.nominal);
                    }
                }
            }
            assert!(last.nominal > quiet + 2.0, "{times}: {last:?} after {quiet}");
            assert!(last.nominal > 5.0 && last.deviation > 0.1, "{times}: {last:?}");
        }
    }
}
