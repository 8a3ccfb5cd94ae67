//! What the entities of a stream are like together, and how far one is from
//! them. Owns the mean and the covariance of their traits; refuses to know which
//! entity it is told of.
//!
//! Source: Mahalanobis, Proc. Nat. Inst. Sci. India 2, 1936; robust in that a
//! distant one is drawn in before it teaches (Campbell, Appl. Stat. 29, 1980).

use bytemuck::{Pod, Zeroable};

use super::TRAITS;
use crate::detector::Finding;
use crate::math::{larger, ln, smaller};

const DIMS: usize = TRAITS.len();
/// Fingerprints that the mean averages.
const MEMORY: f64 = 4096.0;
/// Fingerprints before any is judged.
const YOUNG: f64 = 16.0;
/// Squared distance from which on one teaches no more.
const FAR: f64 = 25.0;
/// Variance that each trait has at least.
const STEADIEST: f64 = 0.01;
/// The most evidence.
const MOST: f64 = 1e6;

/// The peers of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Peers {
    mean: [f64; DIMS],
    covariance: [[f64; DIMS]; DIMS],
    count: f64,
}

impl Default for Peers {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl Peers {
    /// Judges an entity by its traits: evidence of its distance; deviation is
    /// the distance, expected one of 2.
    pub fn judge(&self, traits: &[f64; DIMS]) -> Finding {
        if self.count < YOUNG {
            return Finding::default();
        }
        let square = self.square(traits);
        // The tail of chi-square with 4 degrees of freedom, drawn in for a
        // covariance that is known from few.
        let known = smaller(self.count, MEMORY);
        let half = 0.5 * known * ln(1.0 + square / known);
        let nominal = (half - ln(1.0 + half)) * std::f64::consts::LOG10_E;
        let expected = 2.0;
        Finding {
            nominal: smaller(larger(nominal, 0.0), MOST) as f32,
            deviation: square.sqrt() - expected,
            expected,
        }
    }

    /// Takes an entity's traits in. Whoever calls it often counts for more: once
    /// for each bucket or day is fair.
    pub fn learn(&mut self, traits: &[f64; DIMS]) {
        self.count = smaller(self.count + 1.0, 1e9);
        let rate = 1.0 / smaller(self.count, MEMORY);
        let square = if self.count > YOUNG { self.square(traits) } else { 0.0 };
        let drawn = if square > FAR { (FAR / square).sqrt() } else { 1.0 };
        let mut off = [0.0; DIMS];
        for ((off, mean), x) in off.iter_mut().zip(&mut self.mean).zip(traits) {
            *off = drawn * (x - *mean);
            *mean += rate * *off;
        }
        for (row, a) in self.covariance.iter_mut().zip(off) {
            for (value, b) in row.iter_mut().zip(off) {
                *value += rate * (a * b * (1.0 - rate) - *value);
            }
        }
    }

    /// Returns the squared distance of `traits` from the mean, by forward
    /// substitution in the covariance's Cholesky factor.
    fn square(&self, traits: &[f64; DIMS]) -> f64 {
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
            solved[row] = (traits[row] - self.mean[row] - known) / lower[row][row];
            sum += solved[row] * solved[row];
        }
        smaller(sum, 1e12)
    }
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
            seen in prop::collection::vec(prop::array::uniform4(-5f64..5.0), 20..100),
            asked in prop::array::uniform4(-9f64..9.0),
        ) {
            let mut peers = Peers::default();
            seen.iter().for_each(|traits| peers.learn(traits));
            let mut covariance = peers.covariance;
            (0..DIMS).for_each(|k| covariance[k][k] += STEADIEST);
            let off: [f64; DIMS] = std::array::from_fn(|k| asked[k] - peers.mean[k]);
            let solved = solve(covariance, off);
            let exact: f64 = off.iter().zip(solved).map(|(a, b)| a * b).sum();
            prop_assert!((peers.square(&asked) - exact).abs() < 1e-6 * exact.max(1.0));
        }
    }

    #[test]
    fn one_that_is_like_none_stands_out_where_its_traits_are_usual_each() {
        let mut peers = Peers::default();
        for number in 0..500u32 {
            // Mean and spread go together.
            let size = f64::from(number.wrapping_mul(2_654_435_761) >> 20) / 1024.0 - 2.0;
            let other = f64::from(number.wrapping_mul(40_503) >> 4 & 1023) / 1024.0 - 0.5;
            peers.learn(&[size, size + 0.2 * other, other, 0.3 * other]);
        }
        assert!(peers.judge(&[1.5, 1.5, 0.0, 0.0]).nominal < 1.5);
        let odd = peers.judge(&[1.5, -1.5, 0.0, 0.0]);
        assert!(odd.nominal > 10.0 && odd.deviation > 5.0, "{odd:?}");
    }
}
