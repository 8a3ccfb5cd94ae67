//! The fixed input: entities with a level each, now and then far off it. Every
//! batch follows from the seed and its number; event times are its own. Pure.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// The stream it is sent to.
pub(super) const STREAM: &str = "detections";
/// Entities, all of which are in every batch.
const ENTITIES: u64 = 12;
/// Events of an entity in a batch.
const EVENTS: u64 = 2;
/// Event time between two events of an entity, milliseconds.
const STEP: u64 = 15_000;
/// When it begins: 2026-01-05, a Monday.
const BEGIN: u64 = 1_767_571_200_000;
/// Batches before anything is odd: an entity must be known first.
const CALM: u64 = 60;

/// The input.
#[derive(Clone, Debug)]
pub(super) struct Input {
    seed: u64,
    /// How many batches it has, numbered from 1.
    pub(super) batches: u64,
}

impl Input {
    /// Makes the input of a seed.
    pub(super) fn new(seed: u64, batches: u64) -> Self {
        Self { seed, batches }
    }

    /// Returns a batch.
    pub(super) fn lines(&self, sequence: u64) -> String {
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ sequence;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut lines = String::new();
        for event in 0..EVENTS {
            let at = BEGIN + ((sequence - 1) * EVENTS + event) * STEP;
            for entity in 0..ENTITIES {
                let level = 10.0 * (entity + 1) as f64;
                let is_odd = sequence > CALM && rng.random_bool(0.01);
                let factor: f64 = if is_odd { 9.0 } else { 1.0 };
                let value = level * factor * rng.random_range(0.95..1.05);
                lines.push_str(&format!(
                    "{{\"entity\":\"d{entity}\",\"timestamp\":{at},\"value\":{value:.4}}}\n"
                ));
            }
        }
        lines
    }
}

/// What the stream says itself: how warm an entity must be.
pub(super) fn config() -> Value {
    json!({})
}

/// Returns the path of the feed that resumes at `cursor`.
pub(super) fn feed(cursor: Option<&str>) -> String {
    let resume = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    format!("/api/v1/live?stream={STREAM}{resume}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_the_same_whenever_it_is_sent() {
        let input = Input::new(5, 10);
        assert_eq!(input.lines(7), Input::new(5, 99).lines(7));
        assert_ne!(input.lines(7), input.lines(8));
        assert_ne!(input.lines(7), Input::new(6, 10).lines(7));
        assert_eq!(input.lines(1).lines().count() as u64, ENTITIES * EVENTS);
    }

    #[test]
    fn something_is_odd() {
        let input = Input::new(1, 500);
        let is_odd = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap();
            let entity: f64 = event["entity"].as_str().unwrap()[1..].parse().unwrap();
            event["value"].as_f64().unwrap() > 30.0 * (entity + 1.0)
        };
        let odd: usize =
            (1..=500).map(|at| input.lines(at).lines().filter(|line| is_odd(line)).count()).sum();
        assert!((70..200).contains(&odd), "{odd}");
    }
}
