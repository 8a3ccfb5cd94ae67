//! From the evidence of many statistics to one score. Owns the mixture, its
//! shares and the scale of scores; refuses to know where evidence came from.
//! Invariant E-2: shares add up to the whole.
//!
//! Source: the weighted harmonic mean p-value (Wilson, PNAS 116, 2019): valid
//! whatever the dependence, so statistics that see the same thing are not
//! counted twice.

use std::f32::consts::LOG10_2;

use crate::math::{exp2, larger, log2, rough_exp2, rough_log2};

/// Evidence at which the score is one half: about one false alarm in 5,000 to 15,000 events.
pub(crate) const HALF: f64 = 4.2;
/// From this share of the threshold on, scores of what is not told are squeezed.
const NEAR: f32 = 0.98;

/// Returns the score of evidence `evidence`: every [`HALF`] decades of rarity
/// halve what is missing to 1.
pub(crate) fn score(evidence: f64) -> f64 {
    1.0 - exp2(-evidence.max(0.0) / HALF)
}

/// Returns the score of an event: exact where it may matter, quick elsewhere.
#[inline]
pub(crate) fn quick_score(evidence: f32) -> f32 {
    if evidence < 2.0 {
        1.0 - rough_exp2(-evidence / HALF as f32)
    } else {
        score(f64::from(evidence)) as f32
    }
}

/// Returns the score of an event about which nothing is told, below that of
/// `limit`, yet in the order of evidence.
pub(crate) fn quiet_score(evidence: f32, limit: f32) -> f32 {
    let most = quick_score(limit);
    let near = NEAR * most;
    let score = quick_score(evidence);
    if score < near { score } else { near + (most - near) * NEAR * (score - near) / (1.0 - near) }
}

/// Returns the evidence whose score is `score`.
pub(crate) fn evidence_of(score: f64) -> f64 {
    let missing = (1.0 - score).clamp(1e-9, 1.0);
    -HALF * log2(missing)
}

/// Returns the evidence of all statistics together: minus the logarithm of the
/// weighted harmonic mean of their p-values, which are given as odds, one in so
/// many. Weight 0 leaves one out.
#[inline]
pub(crate) fn mix<const N: usize>(odds: &[f32; N], weights: &[f32; N]) -> f32 {
    let mut sum = 0.0f32;
    let mut whole = 0.0f32;
    for (odds, weight) in odds.iter().zip(weights) {
        sum += weight * odds;
        whole += weight;
    }
    if whole <= 0.0 { 0.0 } else { larger(rough_log2(sum / whole) * LOG10_2, 0.0) }
}

/// Returns each statistic's share of the mixture; they sum to 1. What is mixed is
/// a sum, weighted odds, so that its Shapley values are its terms, exactly
/// (Shapley, Contributions to the Theory of Games II, 1953); these are they, as
/// parts of the whole.
pub(crate) fn shares<const N: usize>(odds: &[f32; N], weights: &[f32; N]) -> [f64; N] {
    let mut shares = [0.0; N];
    let mut whole = 0.0;
    for (share, (odds, weight)) in shares.iter_mut().zip(odds.iter().zip(weights)) {
        *share = f64::from(*weight) * f64::from(*odds);
        whole += *share;
    }
    if whole > 0.0 {
        for share in &mut shares {
            *share /= whole;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_add_up(evidence in prop::array::uniform8(0f32..30.0),
                         weights in prop::array::uniform8(0.1f32..10.0)) {
            let odds = evidence.map(libm::exp10f);
            let sum: f64 = shares(&odds, &weights).iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }

        #[test]
        fn the_mixture_lies_between_its_parts(evidence in prop::array::uniform4(0f32..30.0)) {
            let mixed = mix(&evidence.map(libm::exp10f), &[1.0; 4]);
            let most = evidence.iter().fold(0.0f32, |a, b| a.max(*b));
            let least = evidence.iter().fold(30.0f32, |a, b| a.min(*b));
            prop_assert!(mixed <= most + 0.01 && mixed >= least - 0.01);
            prop_assert!(mixed >= most - 0.61, "at most the log of their number is lost");
        }

        #[test]
        fn score_and_evidence_are_inverse(value in 0f64..30.0) {
            prop_assert!((evidence_of(score(value)) - value).abs() < 1e-5);
        }
    }

    /// Shapley values by their definition: what each adds to those before it, on
    /// average over all orders.
    fn by_definition(worth: impl Fn(usize) -> f64) -> [f64; 5] {
        const FACTORIAL: [f64; 6] = [1.0, 1.0, 2.0, 6.0, 24.0, 120.0];
        let mut values = [0.0; 5];
        for (player, value) in values.iter_mut().enumerate() {
            for others in (0..32usize).filter(|others| others >> player & 1 == 0) {
                let size = others.count_ones() as usize;
                let orders = FACTORIAL[size] * FACTORIAL[4 - size] / FACTORIAL[5];
                *value += orders * (worth(others | 1 << player) - worth(others));
            }
        }
        values
    }

    proptest! {
        #[test]
        fn shares_are_the_shapley_values_of_what_is_mixed(
            evidence in prop::array::uniform5(0f32..12.0),
            weights in prop::array::uniform5(0.1f32..10.0),
        ) {
            let odds = evidence.map(libm::exp10f);
            let worth = |who: usize| -> f64 {
                let present = (0..5).filter(|player| who >> player & 1 == 1);
                present.map(|player| f64::from(weights[player]) * f64::from(odds[player])).sum()
            };
            let all = worth(31);
            for (share, value) in shares(&odds, &weights).iter().zip(by_definition(worth)) {
                prop_assert!((share - value / all).abs() < 1e-9, "{share} for {}", value / all);
            }
        }
    }

    #[test]
    fn what_sees_the_same_counts_once() {
        let alone = mix(&[1e5, 1.0], &[1.0, 1.0]);
        let twice = mix(&[1e5, 1e5], &[1.0, 1.0]);
        assert!(twice <= 5.0 + 1e-3, "no more than each says: {twice}");
        assert!(alone >= 5.0 - 0.31, "at most the logarithm of their number less: {alone}");
        let doubted = mix(&[1e5, 1.0], &[0.2, 1.0]);
        assert!(doubted < alone - 0.3, "what is doubted counts less: {doubted}");
    }

    #[test]
    fn half_is_half() {
        assert!((score(HALF) - 0.5).abs() < 1e-9);
        assert_eq!(score(0.0), 0.0);
    }
}
