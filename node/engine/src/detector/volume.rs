//! How many events a bucket of time should hold: Holt-Winters level, trend and
//! season on variance-stabilised counts. Owns the forecast of a count; refuses
//! to know what is counted (events here, distinct marks in `cardinality`).
//!
//! Sources: Winters, Management Science 6, 1960 (additive form); Anscombe,
//! Biometrika 35, 1948: 2·√(count + 3/8) has unit variance for Poisson counts.

use bytemuck::{Pod, Zeroable};

use crate::math::{log10, student_evidence};

/// Least variance of a stabilised count: even a metronome misses a bucket's edge.
const STEADIEST: f32 = 0.05;
/// Residuals teach no more than so many standard deviations.
const CLIP: f32 = 3.0;
/// Buckets of silence whose evidence adds up.
const LONGEST_RUN: u32 = 8;
/// Decades of evidence of silence per decade of buckets lived.
const RELIANCE: f32 = 3.0;
/// Buckets before a count is judged.
const YOUNG: f32 = 3.0;

/// The state of one count.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Counts {
    level: f32,
    trend: f32,
    /// Variance of the residual.
    dispersion: f32,
    /// Buckets learned.
    pub(crate) buckets: f32,
}

/// Smoothing per bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Smoothing {
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
}

/// What a bucket's count says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counted {
    pub(crate) nominal: f32,
    /// The count expected.
    pub(crate) expected: f64,
    /// Standard deviations from it, signed.
    pub(crate) z: f64,
}

/// Returns the variance-stabilised count.
pub(crate) fn stabilise(count: f64) -> f32 {
    (2.0 * (count + 0.375).sqrt()) as f32
}

/// Returns the count whose stabilised form is `y`.
pub(crate) fn restore(y: f32) -> f64 {
    let half = f64::from(y.max(0.0)) * 0.5;
    (half * half - 0.375).max(0.0)
}

/// Returns the most evidence that silence may have after `filled` buckets that
/// were not silent, while no event follows. What lived for so long ends next
/// with odds of one in so many (rule of succession: Laplace): the rate of young
/// ones says little of how long they will be.
pub(crate) fn endurance(filled: u32) -> f32 {
    RELIANCE * log10(1.0 + f64::from(filled)) as f32
}

impl Counts {
    /// Says whether counts are judged yet.
    pub(crate) fn is_ready(&self) -> bool {
        self.buckets >= YOUNG
    }

    fn forecast(&self, season: f32) -> f32 {
        // The least a stabilised count can be is that of none.
        (self.level + self.trend + season).max(1.2247)
    }

    fn deviation(&self) -> f32 {
        self.dispersion.max(STEADIEST).sqrt()
    }

    /// Judges a bucket that held `count`.
    pub(crate) fn assess(&self, count: f64, season: f32) -> Counted {
        let forecast = self.forecast(season);
        let expected = restore(forecast);
        if !self.is_ready() {
            return Counted { nominal: 0.0, expected, z: 0.0 };
        }
        let z = (stabilise(count) - forecast) / self.deviation();
        let nominal = student_evidence(z, self.buckets - 1.0).min(1e6);
        Counted { nominal, expected, z: f64::from(z) }
    }

    /// Judges a run of `run` empty buckets.
    pub(crate) fn assess_silence(&self, run: u32, season: f32) -> Counted {
        let one = self.assess(0.0, season);
        let nominal = one.nominal * run.min(LONGEST_RUN) as f32;
        Counted { nominal, ..one }
    }

    /// Returns the range of counts within `z` standard deviations.
    pub(crate) fn range(&self, z: f32, season: f32) -> (f64, f64) {
        let (middle, reach) = (self.forecast(season), z * self.deviation());
        (restore(middle - reach), restore(middle + reach))
    }

    /// Takes a bucket's count in; `pace` below 1 learns more slowly.
    pub(crate) fn learn(&mut self, count: f64, season: f32, smoothing: Smoothing, pace: f32) {
        let y = stabilise(count);
        if self.buckets == 0.0 {
            self.level = y - season;
            self.dispersion = 1.0;
            self.buckets = 1.0;
            return;
        }
        self.buckets = (self.buckets + 1.0).min(1e6);
        let residual = y - self.level - self.trend - season;
        let reach = CLIP * self.deviation();
        let taught = if self.buckets <= YOUNG { residual } else { residual.clamp(-reach, reach) };
        let alpha = pace * smoothing.alpha.max(1.0 / self.buckets);
        let beta = smoothing.beta * alpha;
        self.level += self.trend + alpha * taught;
        self.trend = (self.trend + beta * taught) * (1.0 - beta);
        let rate = pace * f32::max(0.05, 1.0 / (self.buckets + 2.0));
        self.dispersion += rate * (taught * taught - self.dispersion);
    }

    /// Measures the level anew from what is left without a season that says
    /// `more` of the newest bucket than before.
    pub(crate) fn rebase(&mut self, more: f32) {
        self.level -= more;
    }

    /// Follows a change of the bucket's width: `doubled` or halved.
    pub(crate) fn rescale(&mut self, direction: Width) {
        let factor = match direction {
            Width::Doubled => 2.0,
            Width::Halved => 0.5,
        };
        self.level = stabilise(restore(self.level) * factor);
        self.trend *= (factor * (2.0 * factor).sqrt() * std::f64::consts::FRAC_1_SQRT_2) as f32;
    }
}

/// How a bucket's width changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// Twice as long.
    Doubled,
    /// Half as long.
    Halved,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMOOTHING: Smoothing = Smoothing { alpha: 0.1, beta: 0.01 };

    /// Holt's two equations as written in textbooks, in double precision,
    /// without clipping.
    fn textbook(counts: &[u32]) -> f64 {
        let stabilised = |count: u32| 2.0 * (f64::from(count) + 0.375).sqrt();
        let (mut level, mut trend) = (stabilised(counts[0]), 0.0);
        for (number, count) in counts.iter().enumerate().skip(1) {
            let alpha = f64::max(0.1, 1.0 / (number as f64 + 1.0));
            let beta = 0.01 * alpha;
            let before = level;
            level = alpha * stabilised(*count) + (1.0 - alpha) * (level + trend);
            let residual = stabilised(*count) - before - trend;
            trend = (trend + beta * residual) * (1.0 - beta);
        }
        level + trend
    }

    proptest! {
        #[test]
        fn follows_the_textbook_while_nothing_is_clipped(counts in prop::collection::vec(90u32..110, 2..300)) {
            let mut model: Counts = bytemuck::Zeroable::zeroed();
            for count in &counts {
                model.learn(f64::from(*count), 0.0, SMOOTHING, 1.0);
            }
            prop_assert!((f64::from(model.forecast(0.0)) - textbook(&counts)).abs() < 0.02);
        }

        #[test]
        fn further_from_expected_is_never_less_evidence(counts in prop::collection::vec(0u32..300, 4..60)) {
            let mut model: Counts = bytemuck::Zeroable::zeroed();
            for count in &counts {
                model.learn(f64::from(*count), 0.0, SMOOTHING, 1.0);
            }
            let expected = model.assess(0.0, 0.0).expected as u32;
            let up: Vec<f32> =
                (expected + 1..expected + 2000).map(|c| model.assess(f64::from(c), 0.0).nominal).collect();
            prop_assert!(up.is_sorted_by(|a, b| *a <= *b + 1e-3));
            let down: Vec<f32> =
                (0..expected).rev().map(|c| model.assess(f64::from(c), 0.0).nominal).collect();
            prop_assert!(down.is_sorted_by(|a, b| *a <= *b + 1e-3));
        }
    }

    #[test]
    fn silence_adds_up_and_widths_change_without_a_jump() {
        let mut model: Counts = bytemuck::Zeroable::zeroed();
        for bucket in 0..100u32 {
            model.learn(f64::from(20 + bucket % 3), 0.0, SMOOTHING, 1.0);
        }
        let (one, three) =
            (model.assess_silence(1, 0.0).nominal, model.assess_silence(3, 0.0).nominal);
        assert!(one > 4.0 && (three - 3.0 * one).abs() < 1e-3);
        assert!(endurance(20) < 4.0 && endurance(60) > 5.0, "young ones may end");
        let before = model.assess(0.0, 0.0).expected;
        model.rescale(Width::Doubled);
        assert!((model.assess(0.0, 0.0).expected / before - 2.0).abs() < 0.01);
        model.rescale(Width::Halved);
        assert!((model.assess(0.0, 0.0).expected / before - 1.0).abs() < 0.01);
    }
}
