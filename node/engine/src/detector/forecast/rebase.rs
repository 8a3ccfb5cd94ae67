//! The level measured anew when a season comes into use or leaves it: what the
//! season explains goes over from one to the other. Owns the moments at which it
//! is looked up; refuses to know seasons. Called by `close`.

use super::{HORIZONS, Level};
use crate::math::{larger, ln, smaller};

/// Moments at which a season is looked up to measure what it explains.
const REBASED: usize = 32;
/// Values that what is measured anew counts for.
const RENEWED: f32 = 64.0;

impl Level {
    /// Measures everything anew from what is left without a season, which says
    /// this of the value so many values ago, before and from now on; `values` are
    /// as many as the long level averages.
    pub(crate) fn rebase(&mut self, values: f32, season: impl Fn(f64) -> (f64, f64)) {
        let more = |values: f64| {
            let (old, new) = season(values);
            new - old
        };
        let count = f64::from(self.count);
        let ages = if self.count < values { even(count) } else { fading(f64::from(values)) };
        let (mut old, mut new) = (Vary::default(), Vary::default());
        for (before, after) in ages.map(&season) {
            old.add(before);
            new.add(after);
        }
        let before = larger(self.variance, self.floor());
        self.mean -= new.mean() - old.mean();
        self.last -= more(1.0);
        for (fast, horizon) in self.fast.iter_mut().zip(HORIZONS) {
            *fast -= fading(horizon).map(more).iter().sum::<f64>() / REBASED as f64;
        }
        // Of what neighbours differ by the season explains next to nothing.
        let explained = new.variance() - old.variance();
        let left = larger(before - explained, self.residual);
        self.lag = f64::from(self.phi) * left;
        self.variance = left;
        self.absolute *= (left / before).sqrt();
        for (drift, horizon) in self.drift.iter_mut().zip(HORIZONS) {
            *drift = larger(*drift * left / before, left / horizon);
        }
        self.count = smaller(self.count, RENEWED);
        self.refresh();
    }
}

/// Returns ages of values that a mean of the last `count` is made of.
fn even(count: f64) -> [f64; REBASED] {
    std::array::from_fn(|moment| (moment as f64 + 0.5) / REBASED as f64 * count)
}

/// Returns ages of values that a mean fading over `horizon` is made of.
fn fading(horizon: f64) -> [f64; REBASED] {
    std::array::from_fn(|moment| -ln(1.0 - (moment as f64 + 0.5) / REBASED as f64) * horizon)
}

/// Mean and variance of the moments at which a season is looked up.
#[derive(Default)]
struct Vary {
    sum: f64,
    squares: f64,
}

impl Vary {
    fn add(&mut self, x: f64) {
        self.sum += x;
        self.squares += x * x;
    }

    fn mean(&self) -> f64 {
        self.sum / REBASED as f64
    }

    fn variance(&self) -> f64 {
        self.squares / REBASED as f64 - self.mean() * self.mean()
    }
}
