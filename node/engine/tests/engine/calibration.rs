//! Scores mean rarity: on normal data p-values are uniform and false alarms as
//! rare as promised.

use crate::feed::{Dice, Fed, Feed, MONDAY};

/// Returns the p-value that a score stands for.
fn p_value(score: f32) -> f64 {
    libm::exp10(4.2 * libm::log2(1.0 - f64::from(score)))
}

/// Scores of normal data: Poisson arrivals, values of the given shape.
fn scores(seed: u64, count: usize, mut value: impl FnMut(&mut Dice) -> f64) -> (Vec<f32>, usize) {
    let mut feed = Feed::default();
    let mut dice = Dice::new(seed);
    let mut at = MONDAY;
    let events: Vec<Fed> = (0..count)
        .map(|_| {
            at += dice.exponential(1.0);
            Fed { key: "e", at, value: value(&mut dice), mark: dice.bits() % 50 + 1 }
        })
        .collect();
    feed.feed(&events);
    let opened = feed.opened().len();
    (feed.scores, opened)
}

#[test]
fn p_values_of_normal_data_are_near_uniform() {
    type Shape = fn(&mut Dice) -> f64;
    let shapes: [(&str, Shape); 3] = [
        ("normal", |dice| dice.normal(50.0, 4.0)),
        ("log-normal", |dice| libm::exp(dice.normal(2.0, 0.7))),
        ("uniform", |dice| dice.uniform() * 10.0),
    ];
    for (name, shape) in shapes {
        let (scores, _) = scores(31, 30_000, shape);
        let mut p: Vec<f64> = scores[10_000..].iter().map(|score| p_value(*score)).collect();
        p.sort_by(f64::total_cmp);
        let size = p.len() as f64;
        let distance = p
            .iter()
            .enumerate()
            .map(|(rank, p)| (p - (rank as f64 + 0.5) / size).abs())
            .fold(0.0, f64::max);
        println!("{name}: Kolmogorov-Smirnov distance {distance:.4}");
        assert!(distance < 0.05, "{name}: Kolmogorov-Smirnov distance {distance}");
    }
}

#[test]
fn false_alarms_are_as_rare_as_promised() {
    let mut opened = 0;
    for seed in 0..10 {
        opened += scores(seed, 20_000, |dice| libm::exp(dice.normal(2.0, 0.7))).1;
    }
    println!("{opened} false alarms in 200,000 events");
    assert!(opened <= 30, "{opened} false alarms in 200,000 events");
}
