use proptest::prelude::*;

use super::*;
use crate::noise::normals;

proptest! {
    #[test]
    fn moments_are_those_of_the_weighted_values(
        values in prop::collection::vec(-10f32..10.0, 1..200),
        memory in 2f32..100.0,
    ) {
        let mut moments = Moments::zeroed();
        let mut weights: Vec<f64> = Vec::new();
        for (number, x) in values.iter().enumerate() {
            let rate = 1.0 / (number as f32 + 1.0).min(memory);
            moments.learn(*x, rate);
            weights.iter_mut().for_each(|weight| *weight *= 1.0 - f64::from(rate));
            weights.push(f64::from(rate));
        }
        let all = || weights.iter().zip(&values).map(|(weight, x)| (weight, f64::from(*x)));
        let mean: f64 = all().map(|(weight, x)| weight * x).sum();
        let central = |power: i32| {
            all().map(|(weight, x)| weight * libm::pow(x - mean, f64::from(power))).sum::<f64>()
        };
        prop_assert!((f64::from(moments.mean) - mean).abs() < 1e-3);
        prop_assert!((f64::from(moments.second) - central(2)).abs() < 1e-2);
        prop_assert!((f64::from(moments.third) - central(3)).abs() < 0.1);
        prop_assert!((f64::from(moments.fourth) - central(4)).abs() < 1.0);
    }

    #[test]
    fn nothing_said_is_beyond_measure(values in prop::collection::vec(prop::num::f64::NORMAL, 1..400)) {
        let (mut state, spans) = (Fingerprint::default(), Spans { recent: 8.0, past: 100.0 });
        let mut peers = Peers::default();
        for x in values {
            let x = x.clamp(-1e37, 1e37);
            let told = state.judge(x, spans);
            prop_assert!(told.finding.nominal.is_finite() && told.z.iter().all(|z| z.is_finite()));
            prop_assert!(told.finding.deviation.is_finite() && told.finding.expected.is_finite());
            state.learn(x, spans);
            peers.welcome();
            peers.learn(&told.z);
            if let Some(beside) = peers.judge(&told.z) {
                let found = state.compared(&told, &beside);
                prop_assert!(found.nominal.is_finite() && found.deviation.is_finite());
                prop_assert!(found.expected.is_finite());
            }
        }
    }
}

#[test]
fn known_distributions_have_their_traits() {
    let (mut state, spans) = (Fingerprint::default(), Spans { recent: 4000.0, past: 8000.0 });
    let mut normal = normals(1);
    for _ in 0..20_000 {
        // The square of a normal number: skewness √8, kurtosis 15.
        let z = normal();
        state.learn(z * z, spans);
    }
    let [mean, sd, skewness, kurtosis] = state.recent.traits().map(f64::from);
    let (mean, sd) = (state.anchor + mean * state.unit, sd + libm::log2(state.unit));
    assert!((mean - 1.0).abs() < 0.1 && (sd - 0.5).abs() < 0.15, "{mean} {sd}");
    assert!((skewness - 2.83).abs() < 0.7, "{skewness}");
    assert!((kurtosis - libm::log2(15.0)).abs() < 0.7, "{kurtosis}");
}

/// Judges 96 values drawn by `after`, when 6,000 were normal about 50.
fn told(after: impl Fn(u32, f64) -> f64) -> (Likeness, f32) {
    let (mut state, spans, mut normal) = (Fingerprint::default(), Spans::default(), normals(5));
    let (mut most, mut quiet) = (Likeness::default(), 0.0f32);
    for number in 0..6096u32 {
        let z = normal();
        let x = 50.0 + if number < 6000 { z } else { after(number, z) };
        let judged = state.judge(x, spans);
        if (2000..6000).contains(&number) {
            quiet = quiet.max(judged.finding.nominal);
        } else if number >= 6000 && judged.finding.nominal > most.finding.nominal {
            most = judged;
        }
        state.learn(x, spans);
    }
    (most, quiet)
}

#[test]
fn each_trait_is_named_when_it_is_the_one_that_changes() {
    type Draw = fn(u32, f64) -> f64;
    let changes: [(Trait, Draw); 4] = [
        (Trait::Mean, |_, z| z + 1.5),
        (Trait::Spread, |_, z| 0.2 * z),
        // One-sided, of the same mean and spread.
        (Trait::Skewness, |_, z| (z * z - 1.0) / 1.41),
        // Two values only, of the same mean and spread.
        (Trait::Peakedness, |_, z| if z > 0.0 { 1.0 } else { -1.0 }),
    ];
    for (about, change) in changes {
        let (most, quiet) = told(change);
        assert!(most.finding.nominal > quiet, "{about:?}: {most:?} after {quiet}");
        assert!(most.finding.nominal > 3.0, "{about:?}: {most:?} after {quiet}");
        if about != Trait::Skewness {
            assert_eq!(most.about, about, "{most:?}");
        }
    }
    let (most, quiet) = told(|_, z| z);
    assert!(most.finding.nominal < 3.5 && quiet < 5.5, "{most:?} {quiet}");
}

#[test]
fn they_are_small() {
    assert!(size_of::<Fingerprint>() <= 80, "{}", size_of::<Fingerprint>());
    assert!(size_of::<Marks>() <= 272 && size_of::<Peers>() <= 176);
}
