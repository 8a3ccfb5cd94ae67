//! Which named values move together: for pairs of lanes their correlation of
//! late against their long one. Sees a tie that breaks though each value stays as
//! it was. Owns the pairs; refuses to know
//! single values. Serves the distribution detector of multivariate entities.
//!
//! Source: exponentially weighted covariance monitoring, Hawkins, Maboudou-
//! Tchao, Technometrics 50, 2008, §2; pairs beyond the first lanes are those of
//! a hypercube, so that their number grows with n log n.

use bytemuck::{Pod, Zeroable};

use crate::math::{larger, smaller, within};

/// Lanes of which every pair is watched, and pairs of each further one: with
/// those whose number differs in one bit.
const ALL: usize = 12;
const BITS: usize = 6;
/// Rows that count as lately.
const LATELY: f32 = 128.0;
/// Standard scores count for no more.
const CLIP: f32 = 3.0;
/// Rows before a pair is judged, and rows its past averages.
const YOUNG: f32 = 512.0;
const MEMORY: f32 = 8192.0;
/// Correlation from which on two lanes are tied: what is not comes together by
/// chance now and then, which says little; a tie that breaks says much.
const TIED: f32 = 0.5;
/// Variance of late, of the usual one, below which a lane is too calm to show a tie.
const CALM: f32 = 0.1;
/// What deviates teaches no more than so many times its usual square.
const MOST_TAUGHT: f32 = 9.0;
/// Deviations of a correlation that are nothing.
const STEADIEST: f32 = 0.1;

/// How one lane moved lately, in standard scores.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Move {
    mean: f32,
    square: f32,
}

/// How two lanes move together.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Pair {
    /// Mean product of their standard scores of late.
    product: f32,
    /// Usual correlation, and the usual square of what it is off lately.
    usual: f32,
    square: f32,
    rows: f32,
}

/// The pairs of an entity's lanes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Together {
    pub(crate) moves: Vec<Move>,
    pub(crate) pairs: Vec<Pair>,
}

/// Calls `with` for every pair of a lane with one of a lower number: the lower
/// lane and the place of the pair.
fn pairs_of(lane: usize, mut with: impl FnMut(usize, usize)) {
    if lane < ALL {
        let first = lane * lane.saturating_sub(1) / 2;
        for lower in 0..lane {
            with(lower, first + lower);
        }
    } else {
        let first = ALL * (ALL - 1) / 2 + (lane - ALL) * BITS;
        for bit in 0..BITS {
            if lane >> bit & 1 == 1 {
                with(lane & !(1 << bit), first + bit);
            }
        }
    }
}

impl Move {
    fn variance(self) -> f32 {
        larger(self.square - self.mean * self.mean, 0.0)
    }

    fn with(self, score: f32, rate: f32) -> Self {
        Self {
            mean: self.mean + (score - self.mean) * rate,
            square: self.square + (score * score - self.square) * rate,
        }
    }
}

impl Pair {
    /// Returns the correlation of late of two lanes; none where either is calm.
    fn correlation(product: f32, one: Move, other: Move) -> Option<f32> {
        let (a, b) = (one.variance(), other.variance());
        let covariance = product - one.mean * other.mean;
        (a > CALM && b > CALM).then(|| within(covariance / (a * b).sqrt(), -1.0, 1.0))
    }

    /// Returns how many standard deviations the tie is weaker than usual.
    fn heat(&self, (a, b): (f32, f32), one: Move, other: Move) -> f32 {
        if self.rows < YOUNG || self.usual.abs() < TIED {
            return 0.0;
        }
        let product = self.product + (a * b - self.product) / LATELY;
        let rate = 1.0 / LATELY;
        let lately = Self::correlation(product, one.with(a, rate), other.with(b, rate));
        let Some(lately) = lately else { return 0.0 };
        let off = if self.usual > 0.0 { self.usual - lately } else { lately - self.usual };
        larger(off, 0.0) / larger(self.square, STEADIEST * STEADIEST).sqrt()
    }

    fn learn(&mut self, (a, b): (f32, f32), one: Move, other: Move) {
        self.rows = smaller(self.rows + 1.0, MEMORY);
        let rate = 1.0 / self.rows;
        self.product += (a * b - self.product) * larger(1.0 / LATELY, rate);
        let Some(lately) = Self::correlation(self.product, one, other) else { return };
        let off = lately - self.usual;
        self.usual += rate * off;
        let known = larger(self.square, STEADIEST * STEADIEST);
        let most = if self.rows < YOUNG { f32::MAX } else { MOST_TAUGHT * known };
        self.square += rate * (smaller(off * off, most) - self.square);
    }
}

impl Together {
    /// Returns how many places the pairs of so many lanes take.
    pub(crate) fn places(lanes: usize) -> usize {
        let some = lanes.min(ALL);
        some * some.saturating_sub(1) / 2 + lanes.saturating_sub(ALL) * BITS
    }

    /// Returns the most heat of any pair, standard deviations, and its two lanes;
    /// `scores` are standard scores by lane, NaN for absent ones.
    pub(crate) fn assess(&self, scores: &[f32]) -> Option<(f32, [usize; 2])> {
        let mut hottest = None;
        let mut most = 0.0;
        for_pairs(scores, |lanes, place, pair| {
            let (Some(known), Some(one), Some(other)) =
                (self.pairs.get(place), self.moves.get(lanes[0]), self.moves.get(lanes[1]))
            else {
                return;
            };
            let heat = known.heat(pair, *one, *other);
            if heat > most {
                most = heat;
                hottest = Some((heat, lanes));
            }
        });
        hottest
    }

    /// Takes a row of standard scores in.
    pub(crate) fn learn(&mut self, scores: &[f32]) {
        let held = Self::places(scores.len());
        if self.moves.len() < scores.len() {
            self.pairs.resize(held, Pair::zeroed());
            self.moves.resize(scores.len(), Move::zeroed());
        }
        for (lately, score) in self.moves.iter_mut().zip(scores) {
            if !score.is_nan() {
                *lately = lately.with(within(*score, -CLIP, CLIP), 1.0 / LATELY);
            }
        }
        let Self { moves, pairs } = self;
        for_pairs(scores, |lanes, place, pair| {
            pairs[place].learn(pair, moves[lanes[0]], moves[lanes[1]]);
        });
    }

    /// Takes how lanes move together lately for normal.
    pub(crate) fn adopt(&mut self) {
        let Self { moves, pairs } = self;
        for lane in 0..moves.len() {
            pairs_of(lane, |lower, place| {
                let pair = &mut pairs[place];
                let lately = Pair::correlation(pair.product, moves[lower], moves[lane]);
                pair.usual = lately.unwrap_or(pair.usual);
            });
        }
    }
}

/// Calls `with` for the lanes, the place and the scores of every pair present.
fn for_pairs(scores: &[f32], mut with: impl FnMut([usize; 2], usize, (f32, f32))) {
    for (lane, score) in scores.iter().enumerate() {
        if score.is_nan() {
            continue;
        }
        let score = within(*score, -CLIP, CLIP);
        pairs_of(lane, |lower, place| {
            let other = scores[lower];
            if !other.is_nan() {
                with([lower, lane], place, (score, within(other, -CLIP, CLIP)));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::noise::normals;

    #[test]
    fn every_pair_has_a_place_of_its_own() {
        for lanes in [1, 2, 5, 12, 13, 20, 64] {
            let mut taken = BTreeSet::new();
            for lane in 0..lanes {
                pairs_of(lane, |lower, place| {
                    assert!(
                        lower < lane && place < Together::places(lanes),
                        "{lower} {lane} {place}"
                    );
                    assert!(taken.insert(place));
                });
            }
            let all = lanes * (lanes - 1) / 2;
            assert!(lanes > ALL || taken.len() == all, "{} of {all}", taken.len());
        }
    }

    #[test]
    fn a_correlation_that_turns_is_seen_and_its_lanes_named() {
        let mut normal = normals(5);
        let mut row = |turned: bool| {
            let common = normal();
            let sign = if turned { -1.0 } else { 1.0 };
            let mut row = [0.0f32; 16];
            for (lane, score) in row.iter_mut().enumerate() {
                let own = normal();
                *score = match lane {
                    2 => (0.9 * common + 0.44 * own) as f32,
                    7 => (0.9 * sign * common + 0.44 * own) as f32,
                    _ => own as f32,
                };
            }
            row
        };
        let mut together = Together::default();
        let mut quiet = 0.0f32;
        for number in 0..4000 {
            let row = row(false);
            if number > 1000 {
                quiet = quiet.max(together.assess(&row).map_or(0.0, |(heat, _)| heat));
            }
            together.learn(&row);
        }
        let mut loud = (0.0f32, [0; 2]);
        for _ in 0..300 {
            let row = row(true);
            let hottest = together.assess(&row).unwrap();
            if hottest.0 > loud.0 {
                loud = hottest;
            }
            together.learn(&row);
        }
        assert!(loud.0 > 1.5 * quiet && loud.1 == [2, 7], "{loud:?} after {quiet}");
    }

    #[test]
    fn absent_lanes_say_nothing() {
        let mut together = Together::default();
        for _ in 0..1000 {
            together.learn(&[1.0, f32::NAN, -1.0]);
        }
        assert_eq!(together.pairs[0].rows, 0.0);
        assert_eq!(together.pairs[1].rows, 1000.0);
        assert_eq!(together.assess(&[f32::NAN, 1.0, 1.0]), None);
    }
}
