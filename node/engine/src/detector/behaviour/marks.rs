//! Which categories an entity's events have: how often each of 32 hashed ones
//! came lately and in the long past. Owns the counts; refuses to know names.
//!
//! Source: Lin, IEEE Trans. Inf. Theory 37, 1991 (Jensen-Shannon divergence),
//! judged against what it usually is.

use bytemuck::{Pod, Zeroable};

use super::Spans;
use crate::detector::Finding;
use crate::math::{larger, rough_log2, smaller, student_evidence};

/// Categories told apart.
const BINS: usize = 32;
/// Marks before any is judged, in recent spans.
const YOUNG: f32 = 2.0;
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
    judged: f32,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Marked {
    /// Evidence against recent marks being distributed as those of the past;
    /// deviation and expectation are of their divergence, bits.
    pub finding: Finding,
    /// Evidence against this one mark: how rare marks no commoner are.
    pub rarity: f32,
    /// The divergence, 0..1 bits.
    pub divergence: f32,
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
    fn is_ready(&self, spans: Spans) -> bool {
        self.count >= YOUNG * spans.recent
    }

    fn next(&self, mark: u64, spans: Spans) -> Self {
        let mut next = *self;
        next.count = smaller(self.count + 1.0, 1e7);
        let place = bin(mark);
        move_to(&mut next.recent, place, 1.0 / smaller(next.count, larger(spans.recent, 2.0)));
        move_to(&mut next.past, place, 1.0 / smaller(next.count, larger(spans.past, 2.0)));
        next
    }

    /// Judges `mark`, any number that stands for a category.
    pub fn judge(&self, mark: u64, spans: Spans) -> Marked {
        if self.count < 1.0 {
            return Marked::default();
        }
        let next = self.next(mark, spans);
        let divergence = divergence(&next.recent, &next.past);
        let mut finding = Finding::default();
        if self.judged >= spans.recent {
            let sd = larger(self.variance, STEADIEST * STEADIEST).sqrt();
            let off = divergence - self.mean;
            let freedom = larger(smaller(self.judged, spans.past) / spans.recent, 1.0);
            finding = Finding {
                nominal: smaller(student_evidence(larger(off, 0.0) / sd, freedom), MOST),
                deviation: f64::from(off),
                expected: f64::from(self.mean),
            };
        }
        Marked { finding, rarity: self.rarity(bin(mark), spans), divergence }
    }

    /// Returns how rare marks are that are no commoner than those of `place`; a
    /// mark never seen is as rare as the length of the past says.
    fn rarity(&self, place: usize, spans: Spans) -> f32 {
        let own = self.past[place];
        let mass: f32 = self.past.iter().filter(|share| **share <= own).sum();
        let seen = smaller(self.count, spans.past);
        let share = (mass * seen + 1.0) / (seen + 1.0);
        larger(-rough_log2(smaller(share, 1.0)) * std::f32::consts::LOG10_2, 0.0)
    }

    /// Takes `mark` in, judged as `marked`.
    pub fn learn(&mut self, mark: u64, marked: &Marked, spans: Spans) {
        *self = self.next(mark, spans);
        if self.is_ready(spans) {
            self.judged = smaller(self.judged + 1.0, 1e7);
            let rate = 1.0 / smaller(self.judged, spans.past);
            let reach = CLIP * larger(self.variance, STEADIEST * STEADIEST).sqrt();
            let off = marked.divergence - self.mean;
            let off = if self.judged < spans.recent { off } else { smaller(off, reach) };
            self.variance += rate * (off * off * (1.0 - rate) - self.variance);
            self.mean += rate * off;
        }
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
        fn shares_sum_to_one(marks in prop::collection::vec(any::<u64>(), 1..500)) {
            let (mut state, spans) = (Marks::default(), Spans::default());
            for mark in marks {
                let marked = state.judge(mark, spans);
                prop_assert!(marked.rarity.is_finite() && marked.finding.nominal.is_finite());
                state.learn(mark, &marked, spans);
                prop_assert!((state.recent.iter().sum::<f32>() - 1.0).abs() < 1e-4);
                prop_assert!((state.past.iter().sum::<f32>() - 1.0).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn another_mix_of_the_same_marks_is_seen() {
        let (mut state, spans) = (Marks::default(), Spans::default());
        let (mut quiet, mut last) = (0.0f32, Marked::default());
        for number in 0..5100u64 {
            let draw = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % 100;
            // Of five marks the fifth is rare, until it is the commonest.
            let mark = if number < 5000 { draw % 33 / 8 } else { 4 - draw % 5 / 4 };
            last = state.judge(mark, spans);
            if (3000..5000).contains(&number) {
                quiet = quiet.max(last.finding.nominal);
            }
            state.learn(mark, &last, spans);
        }
        assert!(last.finding.nominal > quiet + 2.0, "{last:?} after {quiet}");
        assert!(last.finding.nominal > 5.0, "{last:?} after {quiet}");
    }

    #[test]
    fn a_mark_never_seen_is_as_rare_as_the_past_is_long() {
        let (mut state, spans) = (Marks::default(), Spans::default());
        for _ in 0..999 {
            let marked = state.judge(7, spans);
            state.learn(7, &marked, spans);
        }
        assert!((state.judge(1, spans).rarity - 3.0).abs() < 0.01);
        assert_eq!(state.judge(7, spans).rarity, 0.0);
    }
}
