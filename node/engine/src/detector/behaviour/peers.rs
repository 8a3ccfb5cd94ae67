//! What the entities of a stream do at the same time, and how far one goes its
//! own way. Owns the mean and the covariance of how far each is from its own past;
//! refuses to know which entity it is told of. An entity that always was apart is
//! as still as any other; a move that all make is nobody's own.
//!
//! Source: Mahalanobis, Proc. Nat. Inst. Sci. India 2, 1936; robust in that a
//! distant one is drawn in before it teaches (Campbell, Appl. Stat. 29, 1980).

use bytemuck::{Pod, Zeroable};

use super::TRAITS;
use crate::detector::Finding;
use crate::math::{larger, ln, smaller, within};

const DIMS: usize = TRAITS.len();
/// Moves that the covariance averages, and the mean: all may begin to move soon.
const MEMORY: f64 = 4096.0;
const LATELY: f64 = 128.0;
/// Moves and entities before any is judged.
const YOUNG: f64 = 64.0;
const ENTITIES: u32 = 8;
/// Moves go no further than so many usual deviations.
const FARTHEST: f64 = 64.0;
/// Squared distances from which on one teaches no more: the mean, and the
/// covariance, which must not widen much while the mean follows all of them.
const FAR: f64 = 25.0;
const WIDE: f64 = 12.0;
/// Variance that each trait's deviation has at least.
const STEADIEST: f64 = 0.01;
/// The most evidence.
const MOST: f64 = 1e6;

/// How far each trait of an entity is from its own past, in usual deviations.
pub type Moved = [f32; DIMS];

/// The peers of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Peers {
    mean: [f64; DIMS],
    covariance: [[f64; DIMS]; DIMS],
    count: f64,
    entities: u32,
    pad: u32,
}

/// How one looks beside its peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beside {
    /// Evidence of the distance; deviation is the distance, expected one of 2.
    pub finding: Finding,
    /// The trait, by number, in which it is furthest from them.
    pub about: usize,
    /// How far that trait of its peers is from their own pasts.
    pub common: f32,
}

impl Default for Peers {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Peers {
    /// Judges how an entity moved; none while the peers are too few.
    pub fn judge(&self, moved: &Moved) -> Option<Beside> {
        if self.count < YOUNG || self.entities < ENTITIES {
            return None;
        }
        let moved = bounded(moved);
        let square = self.square(&moved);
        // The tail of chi-square with 4 degrees of freedom, drawn in for a
        // covariance that is known from few.
        let known = smaller(self.count, MEMORY);
        let half = 0.5 * known * ln(1.0 + square / known);
        let nominal = (half - ln(1.0 + half)) * std::f64::consts::LOG10_E;
        let expected = 2.0;
        let finding = Finding {
            nominal: smaller(larger(nominal, 0.0), MOST) as f32,
            deviation: square.sqrt() - expected,
            expected,
        };
        let off = |k: usize| {
            let off = moved[k] - self.mean[k];
            off * off / (self.covariance[k][k] + STEADIEST)
        };
        let about = (1..DIMS).fold(0, |most, k| if off(k) > off(most) { k } else { most });
        Some(Beside { finding, about, common: self.mean[about] as f32 })
    }

    /// Takes in how an entity moved. Whoever calls it often counts for more: once
    /// for each bucket or day is fair.
    pub fn learn(&mut self, moved: &Moved) {
        let moved = bounded(moved);
        self.count = smaller(self.count + 1.0, 1e9);
        let rate = 1.0 / smaller(self.count, MEMORY);
        let pace = 1.0 / smaller(self.count, LATELY);
        let square = if self.count > YOUNG { self.square(&moved) } else { 0.0 };
        let drawn = |far: f64| if square > far { (far / square).sqrt() } else { 1.0 };
        let mut off = [0.0; DIMS];
        for ((off, mean), x) in off.iter_mut().zip(&mut self.mean).zip(moved) {
            *off = drawn(WIDE) * (x - *mean);
            *mean += pace * drawn(FAR) * (x - *mean);
        }
        for (row, a) in self.covariance.iter_mut().zip(off) {
            for (value, b) in row.iter_mut().zip(off) {
                *value += rate * (a * b * (1.0 - pace) - *value);
            }
        }
    }

    /// Counts an entity that is to be told of for the first time.
    pub fn welcome(&mut self) {
        self.entities = self.entities.saturating_add(1);
    }

    /// Returns the squared distance of `moved` from the mean, by forward
    /// substitution in the covariance's Cholesky factor.
    fn square(&self, moved: &[f64; DIMS]) -> f64 {
        let mut lower = [[0.0; DIMS]; DIMS];
        let mut solved = [0.0; DIMS];
        let mut sum = 0.0;
        for row in 0..DIMS {
            for column in 0..=row {
                let mut left = self.covariance[row][column];
                if row == column {
                    left += STEADIEST;
                }
                for (a, b) in lower[row].iter().zip(&lower[column]).take(column) {
                    left -= a * b;
                }
                lower[row][column] = if row == column {
                    larger(left, 0.5 * STEADIEST).sqrt()
                } else {
                    left / lower[column][column]
                };
            }
            let known: f64 = lower[row].iter().zip(&solved).take(row).map(|(a, b)| a * b).sum();
            solved[row] = (moved[row] - self.mean[row] - known) / lower[row][row];
            sum += solved[row] * solved[row];
        }
        sum
    }
}

fn bounded(moved: &Moved) -> [f64; DIMS] {
    moved.map(|x| within(f64::from(x), -FARTHEST, FARTHEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Solves by elimination with pivots.
    fn solve(mut a: [[f64; DIMS]; DIMS], mut b: [f64; DIMS]) -> [f64; DIMS] {
        for k in 0..DIMS {
            let size = |row: &usize| a[*row][k].abs();
            let pivot = (k..DIMS).max_by(|i, j| size(i).total_cmp(&size(j))).unwrap();
            a.swap(k, pivot);
            b.swap(k, pivot);
            for row in k + 1..DIMS {
                let factor = a[row][k] / a[k][k];
                let (upper, lower) = a.split_at_mut(row);
                for (x, y) in lower[0].iter_mut().zip(upper[k]) {
                    *x -= factor * y;
                }
                b[row] -= factor * b[k];
            }
        }
        for k in (0..DIMS).rev() {
            let known: f64 = (k + 1..DIMS).map(|j| a[k][j] * b[j]).sum();
            b[k] = (b[k] - known) / a[k][k];
        }
        b
    }

    proptest! {
        #[test]
        fn the_distance_is_mahalanobis(
            seen in prop::collection::vec(prop::array::uniform4(-5f32..5.0), 20..100),
            asked in prop::array::uniform4(-9f64..9.0),
        ) {
            let mut peers = Peers::default();
            seen.iter().for_each(|moved| peers.learn(moved));
            let mut covariance = peers.covariance;
            (0..DIMS).for_each(|k| covariance[k][k] += STEADIEST);
            let off: [f64; DIMS] = std::array::from_fn(|k| asked[k] - peers.mean[k]);
            let solved = solve(covariance, off);
            let exact: f64 = off.iter().zip(solved).map(|(a, b)| a * b).sum();
            prop_assert!((peers.square(&asked) - exact).abs() < 1e-6 * exact.max(1.0));
        }
    }

    /// Peers whose mean and spread go together, `common` further than usual lately.
    fn peers(common: f32) -> Peers {
        let mut peers = Peers::default();
        for number in 0..1000u32 {
            let size = (number.wrapping_mul(2_654_435_761) >> 20) as f32 / 1024.0 - 2.0;
            let other = (number.wrapping_mul(40_503) >> 4 & 1023) as f32 / 1024.0 - 0.5;
            let common = if number < 500 { 0.0 } else { common };
            if number < ENTITIES {
                peers.welcome();
            }
            peers.learn(&[common + size, size + 0.2 * other, other, 0.3 * other]);
        }
        peers
    }

    fn told(peers: &Peers, moved: Moved) -> Beside {
        peers.judge(&moved).unwrap()
    }

    #[test]
    fn one_that_is_like_none_stands_out_where_each_of_its_moves_is_usual() {
        let peers = peers(0.0);
        assert!(told(&peers, [1.5, 1.5, 0.0, 0.0]).finding.nominal < 1.5);
        let odd = told(&peers, [1.5, -1.5, 0.0, 0.0]);
        assert!(odd.finding.nominal > 10.0 && odd.finding.deviation > 5.0, "{odd:?}");
    }

    #[test]
    fn who_moves_with_all_is_not_odd_and_who_stays_behind_is() {
        let (still, moving) = (peers(0.0), peers(9.0));
        let alone = told(&still, [9.0, 0.0, 0.0, 0.0]);
        assert!(alone.finding.nominal > 20.0 && alone.about == 0, "{alone:?}");
        let with_all = told(&moving, [9.0, 0.0, 0.0, 0.0]);
        assert!(with_all.finding.nominal < 1.0, "{with_all:?}");
        let behind = told(&moving, [0.0; 4]);
        assert!(behind.finding.nominal > 2.0 && behind.about == 0, "{behind:?}");
        assert!((behind.common - 9.0).abs() < 1.5, "{behind:?}");
    }

    #[test]
    fn few_entities_are_nobodys_peers() {
        let mut peers = peers(0.0);
        peers.entities = ENTITIES - 1;
        assert_eq!(peers.judge(&[9.0; 4]), None);
    }
}
