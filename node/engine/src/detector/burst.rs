//! Whether events come closer together or further apart than they did: a
//! two-sided cumulative sum of standardised inter-arrival times. Owns the gap's
//! level and scale; refuses to know values and buckets.
//!
//! Sources: Page, Biometrika 41, 1954 (CUSUM); Siegmund, Sequential Analysis,
//! 1985, §2 (the sum's stationary tail is exp(-2·slack·h)).

use bytemuck::{Pod, Zeroable};

use crate::math::{larger, smaller, within};

/// One gap moves the sum by no more than so many standard deviations.
const CLIP: f32 = 3.0;
/// The sum's ceiling: it must be able to come back.
const CEILING: f32 = 60.0;
/// How much slower the long level follows than the momentary one.
const SLOWER: f32 = 1.0 / 8.0;
/// Gaps before they are judged.
const YOUNG: f32 = 8.0;
/// Least relative deviation of gaps.
const STEADIEST: f32 = 0.25;

/// The state of one entity's gaps.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Gaps {
    /// Momentary mean gap, seconds.
    pub(crate) quick: f32,
    /// Long mean gap, seconds.
    pub(crate) mean: f32,
    /// Variance of gap / mean.
    variance: f32,
    /// Sum for gaps that are too short.
    short: f32,
    /// Sum for gaps that are too long.
    long: f32,
    pub(crate) count: f32,
    /// One over the standard deviation of gap / mean, when it was last looked at.
    per_sd: f32,
    /// Sums below this are common.
    common: f32,
}

/// Parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Smoothing of the momentary mean, per event.
    pub(crate) alpha: f32,
    /// Slack, standard deviations.
    pub(crate) slack: f32,
}

/// What a gap says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Gapped {
    pub(crate) nominal: f32,
    /// The sums it leads to.
    short: f32,
    long: f32,
}

impl Gapped {
    /// Says whether events come faster rather than slower.
    pub(crate) fn is_faster(&self) -> bool {
        self.short >= self.long
    }
}

/// Returns the nominal evidence of a sum.
#[inline(always)]
fn nominal(sum: f32, pace: Pace) -> f32 {
    2.0 * larger(pace.slack, 0.1) * sum * std::f32::consts::LOG10_E
}

impl Gaps {
    /// Measures a gap of `gap` seconds, and says whether what it leads to is common.
    #[inline(always)]
    pub(crate) fn glance(&self, gap: f32, pace: Pace) -> (Gapped, bool) {
        let z = within((gap / self.mean - 1.0) * self.per_sd, -CLIP, CLIP);
        let short = within(self.short - z - pace.slack, 0.0, CEILING);
        let long = within(self.long + z - pace.slack, 0.0, CEILING);
        (Gapped { nominal: 0.0, short, long }, larger(short, long) < self.common)
    }

    /// Says whether gaps are judged yet.
    pub(crate) fn is_ready(&self) -> bool {
        self.count >= YOUNG && self.mean > 0.0
    }

    /// Judges a gap that was measured as `gapped`.
    #[inline]
    pub(crate) fn judge(&self, gapped: Gapped, pace: Pace) -> Gapped {
        if !self.is_ready() {
            return Gapped::default();
        }
        Gapped { nominal: nominal(larger(gapped.short, gapped.long), pace), ..gapped }
    }

    /// Learns which sums are common from one that is or is not; where it was taken
    /// for the other, anew: all whose nominal evidence is below `bound`.
    #[inline]
    pub(crate) fn compare(
        &mut self,
        gapped: Gapped,
        is_common: bool,
        pace: Pace,
        bound: impl FnOnce() -> f32,
    ) {
        let sum = larger(gapped.short, gapped.long);
        if is_common != (sum < self.common) {
            let most = bound() / nominal(1.0, pace);
            self.common = if is_common { larger(most, sum) } else { smaller(most, sum) };
        }
    }

    /// Takes a gap in that was judged.
    #[inline]
    pub(crate) fn learn(&mut self, gap: f32, gapped: Gapped, pace: Pace) {
        self.follow(gap, gapped, pace);
        self.refresh();
    }

    /// Brings the scale up to date.
    #[inline(always)]
    pub(crate) fn refresh(&mut self) {
        self.per_sd = 1.0 / larger(self.variance, STEADIEST * STEADIEST).sqrt();
    }

    /// Takes a gap in, measured as `gapped`.
    #[inline(always)]
    pub(crate) fn follow(&mut self, gap: f32, gapped: Gapped, pace: Pace) {
        if self.count == 0.0 {
            self.quick = gap;
            self.mean = gap;
            self.variance = 1.0;
            self.count = 1.0;
            return;
        }
        self.count = smaller(self.count + 1.0, 1e6);
        self.short = gapped.short;
        self.long = gapped.long;
        let alpha = larger(pace.alpha, 1.0 / self.count);
        self.quick += alpha * (gap - self.quick);
        let slow = larger(pace.alpha * SLOWER, 1.0 / self.count);
        if self.mean > 0.0 {
            let u = smaller(gap / self.mean - 1.0, 1e3);
            self.variance += slow * (u * u - self.variance);
            // One very long gap is a pause, not a new pace.
            let taught = if self.count <= YOUNG { gap } else { gap.min(10.0 * self.mean) };
            self.mean += slow * (taught - self.mean);
        } else {
            self.mean = slow * gap;
        }
    }

    /// Takes a lasting change for the new normal.
    pub(crate) fn adopt(&mut self) {
        self.mean = self.quick;
        self.short = 0.0;
        self.long = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACE: Pace = Pace { alpha: 0.05, slack: 0.5 };

    /// Page's recursion on the standardised gaps, kept apart from the state.
    #[derive(Default)]
    struct Naive {
        mean: f64,
        variance: f64,
        count: f64,
        short: f64,
        long: f64,
    }

    impl Naive {
        fn push(&mut self, gap: f64) {
            if self.count == 0.0 {
                *self = Self { mean: gap, variance: 1.0, count: 1.0, ..Self::default() };
                return;
            }
            if self.count >= 8.0 {
                let z =
                    ((gap / self.mean - 1.0) / self.variance.max(0.0625).sqrt()).clamp(-3.0, 3.0);
                self.short = (self.short - z - 0.5).clamp(0.0, 60.0);
                self.long = (self.long + z - 0.5).clamp(0.0, 60.0);
            }
            self.count += 1.0;
            let rate = f64::max(0.05 / 8.0, 1.0 / self.count);
            let u = (gap / self.mean - 1.0).min(1e3);
            self.variance += rate * (u * u - self.variance);
            let taught = if self.count <= 8.0 { gap } else { gap.min(10.0 * self.mean) };
            self.mean += rate * (taught - self.mean);
        }
    }

    proptest! {
        #[test]
        fn the_sums_are_pages(gaps in prop::collection::vec(0.01f32..100.0, 1..400)) {
            let mut state: Gaps = bytemuck::Zeroable::zeroed();
            let mut naive = Naive::default();
            for gap in gaps {
                let judged = state.judge(state.glance(gap, PACE).0, PACE);
                state.learn(gap, judged, PACE);
                naive.push(f64::from(gap));
                prop_assert!((f64::from(state.mean) - naive.mean).abs() < 1e-3 * naive.mean);
                prop_assert!((f64::from(state.short) - naive.short).abs() < 0.05);
                prop_assert!((f64::from(state.long) - naive.long).abs() < 0.05);
            }
        }
    }

    #[test]
    fn a_burst_and_a_lull_are_told_apart() {
        for (factor, faster) in [(0.1, true), (8.0, false)] {
            let mut state: Gaps = bytemuck::Zeroable::zeroed();
            let mut last = Gapped::default();
            for number in 0..400u32 {
                let steady = 0.5 + (number % 7) as f32 * 0.15;
                let gap = if number < 360 { steady } else { steady * factor };
                last = state.judge(state.glance(gap, PACE).0, PACE);
                state.learn(gap, last, PACE);
                if number == 359 {
                    assert!(last.nominal < 2.0);
                }
            }
            assert!(last.nominal > 5.0 && last.is_faster() == faster);
        }
    }
}
