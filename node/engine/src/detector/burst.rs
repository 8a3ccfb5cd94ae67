//! Whether events come closer together or further apart than they did: a
//! two-sided cumulative sum of standardised inter-arrival times. Owns the gap's
//! level and scale; refuses to know values and buckets.
//!
//! Sources: Page, Biometrika 41, 1954 (CUSUM); Siegmund, Sequential Analysis,
//! 1985, §2 (the sum's stationary tail is exp(-2·slack·h)).

use bytemuck::{Pod, Zeroable};

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

impl Gaps {
    /// Judges a gap of `gap` seconds.
    #[inline]
    pub(crate) fn assess(&self, gap: f32, pace: Pace) -> Gapped {
        if self.count < YOUNG || self.mean <= 0.0 {
            return Gapped::default();
        }
        let sd = self.variance.max(STEADIEST * STEADIEST).sqrt();
        let z = ((gap / self.mean - 1.0) / sd).clamp(-CLIP, CLIP);
        let short = (self.short - z - pace.slack).clamp(0.0, CEILING);
        let long = (self.long + z - pace.slack).clamp(0.0, CEILING);
        let slack = pace.slack.max(0.1);
        let nominal = 2.0 * slack * short.max(long) * std::f32::consts::LOG10_E;
        Gapped { nominal, short, long }
    }

    /// Takes a gap in, judged as `gapped`.
    #[inline]
    pub(crate) fn learn(&mut self, gap: f32, gapped: Gapped, pace: Pace) {
        if self.count == 0.0 {
            self.quick = gap;
            self.mean = gap;
            self.variance = 1.0;
            self.count = 1.0;
            return;
        }
        self.count = (self.count + 1.0).min(1e6);
        self.short = gapped.short;
        self.long = gapped.long;
        let alpha = pace.alpha.max(1.0 / self.count);
        self.quick += alpha * (gap - self.quick);
        let slow = (pace.alpha * SLOWER).max(1.0 / self.count);
        if self.mean > 0.0 {
            let u = (gap / self.mean - 1.0).min(1e3);
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
