//! How unusual a value is among the entity's past values: a histogram whose
//! old counts fade and whose bins follow the data. Owns the histogram; refuses
//! to know order in time, which is `forecast`'s.
//!
//! Fading is lazy: instead of shrinking every bin, each new count weighs more
//! (forward decay: Cormode et al., ICDE 2009). The statistic is the mass of
//! all bins that are no fuller than the value's: the p-value of a density
//! level set (Hyndman, Am. Stat. 50, 1996), so gaps between modes are rare too.

use bytemuck::{Pod, Zeroable};

use crate::math::{exp2, larger, rough_log2, smaller, within};

/// Bins.
const BINS: usize = 32;
/// When a new count weighs so much, all are scaled back.
const HEAVY: f32 = 1_048_576.0;
/// Masses that differ by less are as good as equal.
const TIE: f32 = 0.95;
/// Share of the mass that may lie outside before the bins are widened.
const OUTSIDE: f32 = 0.01;

/// The state of one histogram.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Histogram {
    /// Lower edge of the first bin.
    low: f64,
    /// Bins per unit; 0 before the bins are laid out.
    per: f64,
    /// Weight of the next count.
    step: f32,
    /// A bin that holds so much is common.
    common: f32,
    bins: [f32; BINS],
    below: f32,
    above: f32,
}

impl Histogram {
    /// Says whether the bins are laid out.
    pub(crate) fn is_ready(&self) -> bool {
        self.per > 0.0
    }

    fn width(&self) -> f64 {
        1.0 / self.per
    }

    /// Returns the mass of all bins and of what lies outside.
    fn total(&self) -> f32 {
        self.rare_mass(0.0).1
    }

    /// Lays the bins out over `low..high`, forgetting nothing that was there.
    pub(crate) fn lay_out(&mut self, low: f64, high: f64) {
        let old = *self;
        let per = 1.0 / ((high - low) / BINS as f64).max(f64::MIN_POSITIVE);
        let step = old.step.max(1.0);
        *self = Self { low, per, step, common: f32::INFINITY, ..Self::zeroed() };
        if !old.is_ready() {
            return;
        }
        self.below = old.below;
        self.above = old.above;
        for (bin, mass) in old.bins.into_iter().enumerate() {
            // Four points per old bin keep its shape across new edges.
            for quarter in 0..4 {
                let x = old.low + (bin as f64 + 0.125 + 0.25 * f64::from(quarter)) * old.width();
                self.add(x, mass * 0.25);
            }
        }
    }

    #[inline(always)]
    fn place(&self, x: f64) -> f64 {
        within((x - self.low) * self.per, -1e9, 1e9)
    }

    /// Returns a bin, and whether it is that of `x` and a common one:
    /// [`Self::attune`] said which are.
    #[inline(always)]
    pub(crate) fn glance(&self, x: f64) -> (u32, bool) {
        let place = (x - self.low) * self.per;
        let is_inside = (place >= 0.0) & (place < BINS as f64);
        let bin = place as i32 as usize % BINS;
        (bin as u32, is_inside & (self.bins[bin] >= self.common))
    }

    /// Learns from which mass on bins are common, from that of a value that is or
    /// is not.
    #[inline(always)]
    pub(crate) fn compare(&mut self, x: f64, is_common: bool) {
        let place = self.place(x);
        if place >= 0.0 && place < BINS as f64 {
            let mass = self.bins[place as usize];
            self.common = if is_common {
                smaller(self.common, mass * TIE)
            } else {
                larger(self.common, mass * (1.0 + f32::EPSILON))
            };
        }
    }

    #[inline(always)]
    fn add(&mut self, x: f64, mass: f32) {
        let place = self.place(x);
        if place < 0.0 {
            self.below += mass;
        } else if place >= BINS as f64 {
            self.above += mass;
        } else {
            self.bins[place as usize] += mass;
        }
    }

    /// Returns the nominal evidence of `x`: its rare mass, and beyond the bins
    /// more with distance, so that tails stay ordered.
    #[inline(always)]
    pub(crate) fn assess(&self, x: f64) -> f32 {
        let place = self.place(x);
        let inside = place >= 0.0 && place < BINS as f64;
        let mass = if inside { self.bins[place as usize] } else { 0.0 };
        let (rare, total) = self.rare_mass(mass);
        if total <= 0.0 {
            return 0.0;
        }
        let odds = (total + self.step) / (rare + self.step);
        let nominal = larger(rough_log2(odds) * std::f32::consts::LOG10_2, 0.0);
        if inside {
            return nominal;
        }
        let beyond = if place < 0.0 { -place } else { place - BINS as f64 } / BINS as f64;
        nominal + rough_log2(1.0 + 8.0 * beyond.min(1e9) as f32)
    }

    /// Returns the share of past values below `x`, 0..1.
    pub(crate) fn percentile(&self, x: f64) -> f64 {
        let total = self.total();
        if total <= 0.0 {
            return 0.5;
        }
        f64::from((self.mass_below(self.place(x)) / total).clamp(0.0, 1.0))
    }

    /// Returns the mass of bins no fuller than `mass` and of what lies outside,
    /// and the mass of all.
    #[inline(always)]
    fn rare_mass(&self, mass: f32) -> (f32, f32) {
        let limit = mass * 1.0001;
        let (mut rare, mut whole) = ([0.0f32; 4], [0.0f32; 4]);
        for chunk in self.bins.chunks_exact(4) {
            for lane in 0..4 {
                let bin = chunk[lane];
                rare[lane] += if bin <= limit { bin } else { 0.0 };
                whole[lane] += bin;
            }
        }
        let sum = |lanes: [f32; 4]| (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
        let outside = self.below + self.above;
        (sum(rare) + if mass > 0.0 { outside } else { 0.0 }, sum(whole) + outside)
    }

    /// Returns the mass below a place; half of its own bin's counts.
    fn mass_below(&self, place: f64) -> f32 {
        if place < 0.0 {
            return 0.0;
        }
        let bin = (place as usize).min(BINS);
        let own = if bin < BINS { 0.5 * self.bins[bin] } else { 0.0 };
        self.bins[..bin].iter().fold(self.below, |below, mass| below + mass) + own
    }

    /// Takes `x` in; `growth` is 2^(1/half-life).
    #[inline(always)]
    pub(crate) fn learn(&mut self, x: f64, growth: f32) {
        self.add(x, self.step);
        self.grow(growth);
    }

    /// Takes a value of `bin` in.
    #[inline(always)]
    pub(crate) fn learn_bin(&mut self, bin: u32, growth: f32) {
        self.bins[bin as usize % BINS] += self.step;
        self.grow(growth);
    }

    #[inline(always)]
    fn grow(&mut self, growth: f32) {
        self.step *= growth;
        if self.step > HEAVY {
            self.scale_back();
        }
    }

    #[cold]
    fn scale_back(&mut self) {
        let shrink = 1.0 / HEAVY;
        for bin in &mut self.bins {
            *bin *= shrink;
        }
        self.below *= shrink;
        self.above *= shrink;
        self.common *= shrink;
        self.step *= shrink;
    }

    /// Widens bins that miss too much and narrows bins that resolve too little,
    /// around a level `mean` with standard deviation `sd`.
    pub(crate) fn tend(&mut self, mean: f64, sd: f64) {
        let total = self.total();
        let outside = OUTSIDE * total;
        let span = self.width() * BINS as f64;
        if self.below > outside || self.above > outside {
            let (below, above) = (self.below, self.above);
            let low = if below > outside { self.low - span } else { self.low };
            let high = self.low + if above > outside { 2.0 * span } else { span };
            self.lay_out(low, high);
            self.settle(below, above, outside);
            return;
        }
        let fullest = self.bins.iter().fold(0.0f32, |most, mass| most.max(*mass));
        if fullest > 0.8 * total && sd > 0.0 && sd * 8.0 < span / 4.0 {
            self.lay_out(mean - 4.0 * sd, mean + 4.0 * sd);
        }
    }

    /// Moves what lay outside into the new outer bins: half of it is nearer.
    fn settle(&mut self, below: f32, above: f32, outside: f32) {
        let outer = BINS / 4;
        if below > outside {
            self.below -= below * 0.5;
            self.bins[outer] += below * 0.5;
        }
        if above > outside {
            self.above -= above * 0.5;
            self.bins[BINS - 1 - outer] += above * 0.5;
        }
    }

    /// Returns the value below which a share `q` of the mass lies.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.total();
        if total <= 0.0 {
            return None;
        }
        let wanted = q.clamp(0.0, 1.0) as f32 * total;
        let mut below = self.below;
        for (bin, mass) in self.bins.iter().enumerate() {
            if *mass > 0.0 && below + mass >= wanted {
                let share = f64::from(((wanted - below) / mass).clamp(0.0, 1.0));
                return Some(self.low + (bin as f64 + share) * self.width());
            }
            below += mass;
        }
        Some(self.low + self.width() * BINS as f64)
    }
}

/// Returns 2^(1/half-life) for [`Histogram::learn`].
pub(crate) fn growth(half_life: f64) -> f32 {
    exp2(1.0 / half_life.max(1.0)) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn mass_fades_as_if_every_bin_were_shrunk(
            values in prop::collection::vec(0.0f64..32.0, 1..3000), half_life in 20.0f64..4000.0,
        ) {
            let mut lazy = Histogram::zeroed();
            lazy.lay_out(0.0, 32.0);
            let mut eager = [0.0f64; BINS];
            let keep = libm::exp2(-1.0 / half_life);
            for value in &values {
                lazy.learn(*value, growth(half_life));
                for bin in &mut eager {
                    *bin *= keep;
                }
                eager[*value as usize] += 1.0;
            }
            let whole: f64 = eager.iter().sum();
            for (bin, mass) in eager.iter().enumerate() {
                let share = f64::from(lazy.bins[bin] / lazy.total());
                prop_assert!((share - mass / whole).abs() < 1e-3, "{share} for {}", mass / whole);
            }
        }

        #[test]
        fn rare_mass_is_the_mass_of_emptier_bins(values in prop::collection::vec(0.0f64..32.0, 50..500), x in 0.0f64..32.0) {
            let mut histogram = Histogram::zeroed();
            histogram.lay_out(0.0, 32.0);
            let mut counts = [0u32; BINS];
            for value in &values {
                histogram.learn(*value, 1.0);
                counts[*value as usize] += 1;
            }
            let own = counts[x as usize];
            let rare: u32 = counts.iter().filter(|count| **count <= own).sum();
            let p = (f64::from(rare) + 1.0) / (values.len() as f64 + 1.0);
            prop_assert!((f64::from(histogram.assess(x)) + libm::log10(p)).abs() < 0.01);
        }

        #[test]
        fn nothing_is_lost_when_bins_move(values in prop::collection::vec(-1e4f64..1e4, 10..800)) {
            let mut histogram = Histogram::zeroed();
            histogram.lay_out(-1.0, 1.0);
            for value in &values {
                histogram.learn(*value, 1.0);
                histogram.tend(0.0, 100.0);
            }
            let held: f32 = histogram.bins.iter().sum::<f32>() + histogram.below + histogram.above;
            prop_assert!((held - values.len() as f32).abs() < 0.01 * values.len() as f32);
            prop_assert!((histogram.total() - held).abs() < 0.01 * held);
        }
    }

    #[test]
    fn tails_beyond_the_range_are_ordered() {
        let mut histogram = Histogram::zeroed();
        histogram.lay_out(0.0, 10.0);
        for number in 0..1000u32 {
            histogram.learn(f64::from(number % 10) + 0.5, 1.0);
        }
        let judged: Vec<f32> = [11.0, 20.0, 100.0, 1e6, 1e30].map(|x| histogram.assess(x)).into();
        assert!(judged.is_sorted_by(|a, b| a < b), "{judged:?}");
        assert!(histogram.percentile(5.0) > 0.4 && histogram.percentile(5.0) < 0.6);
        let median = histogram.quantile(0.5).unwrap();
        assert!((4.0..6.0).contains(&median));
    }
}
