//! From a raw statistic to its rarity for this entity. Owns, per statistic, a
//! fading record of how often each level of nominal evidence was exceeded;
//! refuses to know what the statistic means. Called for every statistic.
//!
//! Where history is short the nominal (parametric) tail is the prior; beyond
//! what was seen, the tail goes on with the slope it had (as peaks over
//! threshold do: Siffer et al., KDD 2017, with an exponential tail).

use std::f32::consts::LOG10_2;

use bytemuck::{Pod, Zeroable};

use crate::math::{rough_exp2, rough_log2};

/// Levels of nominal evidence whose exceedances are counted.
const LEVELS: [f32; COUNT] =
    [0.05, 0.15, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 11.0, 16.0];
/// How many levels there are.
const COUNT: usize = 15;
/// Observations the nominal tail is worth.
const PRIOR: f32 = 24.0;
/// What of the prior lies at or above each level.
const PRIOR_ABOVE: [f32; COUNT] = {
    let mut above = [0.0; COUNT];
    let mut k = 0;
    while k < COUNT {
        above[k] = PRIOR * ten_to_minus(LEVELS[k]);
        k += 1;
    }
    above
};
/// [`LEVELS`] in whole vectors; nothing reaches the last.
const RUNGS: [f32; COUNT + 1] = {
    let mut rungs = [f32::INFINITY; COUNT + 1];
    let mut k = 0;
    while k < COUNT {
        rungs[k] = LEVELS[k];
        k += 1;
    }
    rungs
};
/// Which counts of a tail an observation adds to, by how many levels it reaches:
/// all ones or none; the total, which is last, always.
const COUNTING: [[u16; COUNT + 1]; COUNT + 1] = {
    let mut counting = [[0; COUNT + 1]; COUNT + 1];
    let mut reached = 0;
    while reached <= COUNT {
        let mut k = 0;
        while k < reached {
            counting[reached][k] = u16::MAX;
            k += 1;
        }
        counting[reached][COUNT] = u16::MAX;
        reached += 1;
    }
    counting
};
/// Levels below which values are read without logarithms.
const COMMON: usize = 6;
/// Counts are halved when so many observations are held: half-life of memory.
const FULL: u16 = 16_384;
/// Exceedances that make a level's rate believable.
const ENOUGH: u16 = 3;
/// Exceedances that make a level of a mixture believable.
const MANY: u16 = 32;
/// Statistics no rarer than one in so many are common.
pub(crate) const COMMON_ODDS: f32 = 200.0;
/// Halvings that find where it ends.
const BISECTIONS: usize = 12;
/// The most evidence of a mixture of common statistics: log10 of [`COMMON_ODDS`].
pub(crate) const COMMON_MOST: f32 = 2.302;
/// How much of the slope a tail had it keeps beyond what was seen: tails of real
/// data bend.
const CAUTION: f32 = 0.8;
/// The most evidence anything may have: rarities beyond are not told apart.
pub(crate) const MOST: f32 = 30.0;

/// Returns ten to the power of minus a multiple of 0.05.
const fn ten_to_minus(level: f32) -> f32 {
    let mut left = (level * 20.0 + 0.5) as u32;
    let mut power = 1.0f64;
    while left > 0 {
        // 10^-0.05
        power *= 0.891_250_938_133_745_5;
        left -= 1;
    }
    power as f32
}

/// How often each level of a statistic was exceeded, fading.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Tail {
    above: [u16; COUNT],
    total: u16,
}

impl Tail {
    /// Notes an observation of nominal evidence `nominal` that stands for
    /// `times` of its kind.
    #[inline(always)]
    pub(crate) fn note(&mut self, nominal: f32, times: u16) {
        let mut reached = 0;
        for rung in RUNGS {
            reached += u32::from(nominal >= rung);
        }
        let counts: &mut [u16; COUNT + 1] = bytemuck::cast_mut(self);
        for (count, counting) in counts.iter_mut().zip(&COUNTING[reached as usize % (COUNT + 1)]) {
            *count += counting & times;
        }
        if self.total >= FULL {
            for count in &mut self.above {
                *count /= 2;
            }
            self.total /= 2;
        }
    }

    /// Returns the weight of observations at or above level `k`, with the prior's.
    #[inline]
    fn weight(&self, k: usize) -> f32 {
        f32::from(self.above[k]) + PRIOR_ABOVE[k]
    }

    /// Returns the evidence at level `k`: how rare its exceedance is.
    #[inline]
    fn at(&self, k: usize) -> f32 {
        rough_log2((f32::from(self.total) + PRIOR) / self.weight(k)) * LOG10_2
    }

    /// Returns how rare nominal evidence `nominal` is, as one in so many: ten to
    /// the power of [`Self::read`], but quick where most events are.
    #[inline(always)]
    pub(crate) fn odds(&self, nominal: f32) -> f32 {
        if nominal >= LEVELS[COMMON] {
            return rough_exp2(self.read(nominal).min(MOST) / LOG10_2);
        }
        let mut k = 0;
        for level in &LEVELS[..COMMON] {
            k += usize::from(nominal >= *level);
        }
        let held = f32::from(self.total) + PRIOR;
        let (floor, low) = if k == 0 { (0.0, held) } else { (LEVELS[k - 1], self.weight(k - 1)) };
        let share = (nominal - floor) / (LEVELS[k] - floor);
        held / (low + (self.weight(k) - low) * share)
    }

    /// Returns the nominal evidence up to which observations are common: no rarer
    /// than one in [`COMMON_ODDS`], within 0.004.
    #[cold]
    pub(crate) fn common_up_to(&self) -> f32 {
        let (mut low, mut high) = (0.0, LEVELS[COUNT - 1]);
        for _ in 0..BISECTIONS {
            let middle = 0.5 * (low + high);
            if self.odds(middle) <= COMMON_ODDS { low = middle } else { high = middle }
        }
        low
    }

    /// Returns the calibrated evidence of nominal evidence `nominal`.
    #[inline]
    pub(crate) fn read(&self, nominal: f32) -> f32 {
        let mut k = 0;
        while k < COUNT && nominal >= LEVELS[k] {
            k += 1;
        }
        if k == 0 {
            return nominal * self.at(0) / LEVELS[0];
        }
        if k < COUNT && self.above[k] >= ENOUGH {
            let (low, high) = (self.at(k - 1), self.at(k));
            let share = (nominal - LEVELS[k - 1]) / (LEVELS[k] - LEVELS[k - 1]);
            return low + (high - low).max(0.0) * share;
        }
        self.beyond(nominal, k - 1)
    }

    /// Returns the evidence of a mixture of evidence that is calibrated already:
    /// corrected where many have been seen, and beyond that only shifted, since
    /// its parts know their own tails.
    #[inline]
    pub(crate) fn correct(&self, mixed: f32) -> f32 {
        let mut k = 0;
        while k < COUNT && mixed >= LEVELS[k] && self.above[k] >= MANY {
            k += 1;
        }
        if k == 0 {
            let is_known = self.above[0] >= MANY;
            return if is_known { mixed * self.at(0) / LEVELS[0] } else { mixed };
        }
        let low = self.at(k - 1);
        if k < COUNT && mixed < LEVELS[k] && self.above[k] >= MANY {
            let share = (mixed - LEVELS[k - 1]) / (LEVELS[k] - LEVELS[k - 1]);
            return low + (self.at(k) - low).max(0.0) * share;
        }
        (low + mixed - LEVELS[k - 1]).clamp(0.0, MOST)
    }

    /// Extends the tail from the last believable level at or below `k`.
    fn beyond(&self, nominal: f32, mut k: usize) -> f32 {
        while k > 0 && self.above[k] < ENOUGH {
            k -= 1;
        }
        let base = self.at(k);
        let before = k.saturating_sub(2);
        let slope = if k == before || self.above[k] < ENOUGH {
            1.0
        } else {
            CAUTION * (base - self.at(before)) / (LEVELS[k] - LEVELS[before])
        };
        (base + (nominal - LEVELS[k]) * slope.clamp(0.05, 1.0)).clamp(0.0, MOST)
    }
}

#[cfg(test)]
mod uniform;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::uniforms;

    #[test]
    fn a_right_nominal_tail_is_left_alone() {
        let mut tail = Tail::zeroed();
        for u in uniforms(20_000) {
            tail.note(-libm::log10f(u), 1);
        }
        for nominal in [0.1f32, 0.4, 1.0, 2.0, 3.0, 5.0, 8.0] {
            let read = tail.read(nominal);
            assert!((read - nominal).abs() < 0.15 * nominal + 0.05, "{nominal} became {read}");
        }
    }

    #[test]
    fn a_statistic_that_overstates_is_deflated() {
        let mut tail = Tail::zeroed();
        for u in uniforms(20_000) {
            tail.note(-3.0 * libm::log10f(u), 1);
        }
        for nominal in [3.0f32, 6.0, 9.0, 12.0, 15.0] {
            let read = tail.read(nominal);
            assert!((read - nominal / 3.0).abs() < 0.5, "{nominal} became {read}");
        }
    }

    #[test]
    fn more_is_never_less() {
        let mut tail = Tail::zeroed();
        for u in uniforms(5_000) {
            tail.note(-libm::log10f(u) * if u < 0.01 { 4.0 } else { 0.5 }, 1);
            let reads: Vec<f32> = (0..400).map(|step| tail.read(step as f32 * 0.1)).collect();
            assert!(reads.is_sorted_by(|a, b| *a <= *b + 0.02), "monotone up to rounding");
        }
    }

    #[test]
    fn without_history_the_nominal_tail_holds() {
        let tail = Tail::zeroed();
        for nominal in [0.2f32, 1.0, 4.0, 9.0] {
            assert!((tail.read(nominal) - nominal).abs() < 0.01 * nominal + 0.01);
        }
    }
}
