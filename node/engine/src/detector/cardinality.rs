//! How many distinct marks come, and how fast: a sketch over a window of
//! buckets, exact while few, HyperLogLog when many, and the number of marks new
//! to the window that each bucket usually adds at its place in the window.
//! Owns both; refuses to know what a mark is.
//!
//! Sources: Flajolet et al., AofA 2007 (HyperLogLog); Ting, KDD 2014 (the
//! martingale, or HIP, estimate, kept up to date in constant time).

use bytemuck::{Pod, Zeroable};

use crate::detector::volume::{Counted, Smoothing, Width, restore, stabilise};
use crate::math::student_evidence;
use crate::prefetch::prefetch;

/// Buckets in a window.
const PHASES: usize = 8;
/// Least variance of a stabilised number of new marks.
const STEADIEST: f32 = 0.25;
/// Residuals teach no more than so many standard deviations.
const CLIP: f32 = 3.0;
/// Windows before new marks are judged.
const YOUNG: f32 = 1.0;
/// Marks kept exactly before the sketch becomes dense.
pub(crate) const EXACT: usize = 192;
/// Places in the exact set when it is first needed.
const SMALLEST: usize = 16;

/// How many new marks each bucket of a window usually adds.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Velocity {
    /// Usual stabilised number of new marks, by place in the window.
    phases: [f32; PHASES],
    /// Variance of the residual.
    dispersion: f32,
    /// Whole windows seen.
    pub(crate) windows: f32,
    /// Place of the current bucket in the window.
    phase: u32,
    /// Distinct marks of the window before the current bucket.
    before: f32,
}

impl Velocity {
    /// Says whether new marks are judged yet.
    pub(crate) fn is_ready(&self) -> bool {
        self.windows >= YOUNG
    }

    /// Says whether the current bucket is the last of its window.
    pub(crate) fn ends_window(&self) -> bool {
        self.phase as usize + 1 >= PHASES
    }

    /// Returns the distinct marks in the window once the current bucket has
    /// added `fresh`.
    pub(crate) fn with(&self, fresh: f64) -> f32 {
        self.before + fresh as f32
    }

    /// Returns how many marks the current bucket added.
    pub(crate) fn fresh(&self, sketch: &Sketch) -> f64 {
        (sketch.estimate() - f64::from(self.before)).max(0.0)
    }

    fn usual(&self) -> f32 {
        self.phases[self.phase as usize % PHASES].max(1.2247)
    }

    fn deviation(&self) -> f32 {
        self.dispersion.max(STEADIEST).sqrt()
    }

    /// Judges a bucket that added `fresh` marks; only more than usual speaks:
    /// fewer marks follow from fewer events.
    pub(crate) fn assess(&self, fresh: f64) -> Counted {
        let expected = restore(self.usual());
        let z = (stabilise(fresh) - self.usual()) / self.deviation();
        if !self.is_ready() || z <= 0.0 {
            return Counted { nominal: 0.0, expected, z: f64::from(z) };
        }
        let freedom = self.windows * PHASES as f32 - 1.0;
        Counted { nominal: student_evidence(z, freedom).min(1e6), expected, z: f64::from(z) }
    }

    /// Returns how many new marks are within `z` standard deviations.
    pub(crate) fn range(&self, z: f32) -> (f64, f64) {
        let reach = z * self.deviation();
        (restore(self.usual() - reach), restore(self.usual() + reach))
    }

    /// Takes a bucket in and moves on; clears the sketch when its window ends.
    pub(crate) fn learn(&mut self, sketch: &mut Sketch, smoothing: Smoothing) {
        let y = stabilise(self.fresh(sketch));
        let deviation = self.deviation();
        let place = &mut self.phases[self.phase as usize % PHASES];
        if self.windows < YOUNG {
            *place = y;
            self.dispersion = 1.0;
        } else {
            let residual = (y - *place).clamp(-CLIP * deviation, CLIP * deviation);
            *place += smoothing.alpha.max(1.0 / (self.windows + 1.0)) * residual;
            self.dispersion += 0.05 * (residual * residual - self.dispersion);
        }
        self.before = sketch.estimate() as f32;
        self.phase += 1;
        if self.phase as usize >= PHASES {
            self.windows = (self.windows + 1.0).min(1e6);
            self.restart(sketch);
        }
    }

    fn restart(&mut self, sketch: &mut Sketch) {
        self.phase = 0;
        self.before = 0.0;
        sketch.clear();
    }

    /// Follows a change of the buckets' width and begins a new window.
    pub(crate) fn rescale(&mut self, sketch: &mut Sketch, direction: Width) {
        let old = self.phases;
        for (place, usual) in self.phases.iter_mut().enumerate() {
            let sum = |at: usize| restore(old[at.min(PHASES - 1)]);
            *usual = stabilise(match direction {
                Width::Doubled => sum(2 * place) + sum(2 * place + 1),
                Width::Halved => sum(place / 2) * 0.5,
            });
        }
        self.restart(sketch);
    }
}

/// The distinct marks of the current window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sketch {
    /// Open-addressed set of 32-bit marks, 0 empty; unused when dense.
    exact: Box<[u32]>,
    /// Registers: greatest rank per bucket of marks; empty when exact.
    registers: Box<[u8]>,
    estimate: f64,
    /// Chance that a new mark changes a register.
    change: f64,
}

impl Sketch {
    /// Returns the number of distinct marks, estimated when dense.
    pub(crate) fn estimate(&self) -> f64 {
        self.estimate
    }

    /// Says whether nothing was counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.estimate == 0.0
    }

    /// Returns the memory it holds, bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.exact.len() * 4 + self.registers.len()
    }

    /// Asks for the line that `mark` will touch.
    #[inline(always)]
    pub(crate) fn prefetch(&self, mark: u64) {
        if let Some(mask) = self.exact.len().checked_sub(1) {
            prefetch(&self.exact[fold(mark) as usize & mask]);
        } else if !self.registers.is_empty() {
            prefetch(&self.registers[self.register(spread(fold(mark)))]);
        }
    }

    /// Counts `mark` (not 0); `precision` is log2 of the registers when dense.
    pub(crate) fn insert(&mut self, mark: u64, precision: u8) {
        if self.registers.is_empty() {
            if self.insert_exact(fold(mark)) {
                self.estimate += 1.0;
                if self.estimate as usize > EXACT {
                    self.densify(precision);
                } else if self.estimate as usize * 4 > self.exact.len() * 3 {
                    self.widen();
                }
            }
        } else {
            self.insert_dense(spread(fold(mark)));
        }
    }

    fn insert_exact(&mut self, mark: u32) -> bool {
        if self.exact.is_empty() {
            self.exact = vec![0; SMALLEST].into();
        }
        let mask = self.exact.len() - 1;
        let mut at = mark as usize & mask;
        while self.exact[at] != 0 {
            if self.exact[at] == mark {
                return false;
            }
            at = (at + 1) & mask;
        }
        self.exact[at] = mark;
        true
    }

    fn widen(&mut self) {
        let wider = vec![0; self.exact.len() * 2].into();
        for mark in std::mem::replace(&mut self.exact, wider) {
            if mark != 0 {
                self.insert_exact(mark);
            }
        }
    }

    fn densify(&mut self, precision: u8) {
        let marks = std::mem::take(&mut self.exact);
        self.registers = vec![0; 1 << precision.clamp(10, 18)].into();
        self.change = 1.0;
        self.estimate = 0.0;
        let known = marks.iter().filter(|mark| **mark != 0).count();
        for mark in marks.into_iter().filter(|mark| *mark != 0) {
            self.insert_dense(spread(mark));
        }
        self.estimate = known as f64;
    }

    /// Returns the register of a dense sketch that `hash` belongs to.
    #[inline(always)]
    fn register(&self, hash: u64) -> usize {
        (hash >> (64 - self.registers.len().trailing_zeros())) as usize
    }

    fn insert_dense(&mut self, hash: u64) {
        let precision = self.registers.len().trailing_zeros();
        let register = self.register(hash);
        let rank = ((hash << precision).leading_zeros() + 1).min(64 - precision + 1) as u8;
        let old = self.registers[register];
        if rank > old {
            self.estimate += 1.0 / self.change;
            let size = self.registers.len() as f64;
            self.change += (half_to(rank) - half_to(old)) / size;
            self.registers[register] = rank;
        }
    }

    /// Begins a new window; small sets keep their memory.
    pub(crate) fn clear(&mut self) {
        self.exact.fill(0);
        self.registers = Box::default();
        self.estimate = 0.0;
        self.change = 0.0;
    }

    /// Returns the parts that rest in a record: marks, registers, estimate, change.
    pub(crate) fn parts(&self) -> (Vec<u32>, &[u8], f64, f64) {
        let marks = self.exact.iter().copied().filter(|mark| *mark != 0).collect();
        (marks, &self.registers, self.estimate, self.change)
    }

    /// Rebuilds the sketch from its parts; none when they do not fit together.
    pub(crate) fn from_parts(
        marks: &[u32],
        registers: Vec<u8>,
        estimate: f64,
        change: f64,
    ) -> Option<Self> {
        let fits = registers.is_empty() || (10..=18).any(|p| registers.len() == 1 << p);
        if !fits || marks.len() > EXACT || !estimate.is_finite() || !change.is_finite() {
            return None;
        }
        let mut sketch = Self::default();
        for mark in marks {
            if sketch.insert_exact(*mark) {
                sketch.estimate += 1.0;
                if sketch.estimate as usize * 4 > sketch.exact.len() * 3 {
                    sketch.widen();
                }
            }
        }
        Some(Self { registers: registers.into(), estimate, change, ..sketch })
    }
}

/// Returns the 32 bits of a mark that are kept; never 0.
fn fold(mark: u64) -> u32 {
    ((mark ^ (mark >> 32)) as u32).max(1)
}

/// Returns 64 well-mixed bits of a kept mark (the finaliser of splitmix64:
/// Steele et al., OOPSLA 2014).
fn spread(mark: u32) -> u64 {
    let mut z = u64::from(mark).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns 2^-rank.
fn half_to(rank: u8) -> f64 {
    f64::from_bits((1023 - u64::from(rank)) << 52)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn few_marks_are_counted_exactly(marks in prop::collection::vec(1u64..150, 0..500)) {
            let mut sketch = Sketch::default();
            let mut model = BTreeSet::new();
            for mark in marks {
                sketch.insert(mark, 12);
                model.insert(mark);
            }
            prop_assert_eq!(sketch.estimate(), model.len() as f64);
        }
    }

    #[test]
    fn many_marks_are_estimated_within_five_percent() {
        for precision in [12, 14] {
            let mut sketch = Sketch::default();
            for mark in 1..=100_000u64 {
                for _ in 0..1 + mark % 3 {
                    sketch.insert(mark.wrapping_mul(0x9e37_79b9_7f4a_7c15), precision);
                }
                if [1_000, 10_000, 100_000].contains(&mark) {
                    let off = sketch.estimate() / mark as f64 - 1.0;
                    assert!(off.abs() < 0.05, "{mark} estimated {off} off");
                }
            }
        }
    }

    #[test]
    fn a_sketch_survives_its_parts() {
        for count in [0u64, 3, 100, 192, 5_000] {
            let mut sketch = Sketch::default();
            for mark in 1..=count {
                sketch.insert(mark << 7, 10);
            }
            let (marks, registers, estimate, change) = sketch.parts();
            let mut back =
                Sketch::from_parts(&marks, registers.to_vec(), estimate, change).unwrap();
            assert_eq!(back.estimate(), sketch.estimate());
            for mark in count / 2..count + 300 {
                sketch.insert(mark << 7, 10);
                back.insert(mark << 7, 10);
                assert_eq!(back.estimate(), sketch.estimate());
            }
        }
        assert!(Sketch::from_parts(&[], vec![0; 1000], 1.0, 1.0).is_none());
    }
}
