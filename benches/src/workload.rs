//! Made-up events: who they are about and what was observed. Owns keys, skew
//! and values, all from a seed; knows no protocol. Used by the load generator
//! and the micro-benches.

use std::collections::HashMap;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Normal, Uniform, Zipf};
use via_types::{Batch, StreamId};

/// How unequal entities are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Skew {
    /// All alike.
    Uniform,
    /// The k-th most frequent has k^-s of the first one's events.
    Zipf(f64),
}

impl FromStr for Skew {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "uniform" {
            return Ok(Self::Uniform);
        }
        let exponent: f64 = text.parse().context("an exponent like 1.1, or `uniform`")?;
        ensure!(exponent.is_finite() && exponent >= 0.0, "the exponent must be 0 or more");
        Ok(Self::Zipf(exponent))
    }
}

impl std::fmt::Display for Skew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::Zipf(exponent) => write!(f, "Zipf {exponent}"),
        }
    }
}

enum Pick {
    Uniform(Uniform<u32>),
    Zipf(Zipf<f64>),
    /// The next entity each time, round and round.
    Turns {
        next: u32,
        entities: u32,
    },
}

/// A source of events.
pub struct Workload {
    pick: Pick,
    value: Normal<f64>,
    random: ChaCha8Rng,
}

/// Some events in columns, without their times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draw {
    /// Distinct entities, by number.
    pub keys: Vec<u32>,
    /// Per event: position of its entity in `keys`.
    pub entity: Vec<u32>,
    /// Per event: what was observed.
    pub value: Vec<f64>,
}

/// Returns the key of an entity.
pub fn key(entity: u32) -> String {
    format!("user-{entity:08}")
}

impl Workload {
    /// Makes a source of events of `entities` entities; the same arguments give
    /// the same events.
    ///
    /// # Errors
    /// No entities.
    pub fn new(entities: u32, skew: Skew, seed: u64) -> Result<Self> {
        ensure!(entities > 0, "at least one entity is needed");
        let pick = match skew {
            Skew::Uniform => Pick::Uniform(Uniform::new(0, entities)?),
            Skew::Zipf(exponent) => Pick::Zipf(Zipf::new(f64::from(entities), exponent)?),
        };
        Self::of(pick, seed)
    }

    /// Makes a source that goes round all entities in turn.
    ///
    /// # Errors
    /// No entities.
    pub fn in_turn(entities: u32, seed: u64) -> Result<Self> {
        ensure!(entities > 0, "at least one entity is needed");
        Self::of(Pick::Turns { next: 0, entities }, seed)
    }

    fn of(pick: Pick, seed: u64) -> Result<Self> {
        let value = Normal::new(100.0, 15.0)?;
        Ok(Self { pick, value, random: ChaCha8Rng::seed_from_u64(seed) })
    }

    fn entity(&mut self) -> u32 {
        match &mut self.pick {
            Pick::Uniform(range) => range.sample(&mut self.random),
            Pick::Zipf(zipf) => zipf.sample(&mut self.random) as u32 - 1,
            Pick::Turns { next, entities } => {
                let entity = *next;
                *next = (entity + 1) % *entities;
                entity
            }
        }
    }

    /// Draws the next events.
    pub fn draw(&mut self, events: usize) -> Draw {
        let mut draw = Draw::default();
        let mut positions = HashMap::new();
        for _ in 0..events {
            let entity = self.entity();
            let position = *positions.entry(entity).or_insert_with(|| {
                draw.keys.push(entity);
                draw.keys.len() as u32 - 1
            });
            draw.entity.push(position);
            // Three decimals, as text has them: both protocols carry the same numbers.
            draw.value.push((self.value.sample(&mut self.random) * 1e3).round() / 1e3);
        }
        draw
    }
}

impl Draw {
    /// Returns the events as a sealed batch of `stream`, `spacing` nanoseconds
    /// apart from `at` on.
    pub fn batch(&self, stream: StreamId, at: i64, spacing: i64) -> Batch {
        let mut batch = Batch { stream, ..Batch::default() };
        for entity in &self.keys {
            batch.keys.push(&key(*entity));
        }
        batch.entity = self.entity.clone().into();
        batch.value = self.value.clone().into();
        batch.at = (0..self.value.len() as i64).map(|row| at + row * spacing).collect();
        batch.seal().expect("a draw's columns are equally long and its positions are in keys");
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_events() {
        let draw = || Workload::new(1_000, Skew::Zipf(1.1), 7).unwrap().draw(500);
        assert_eq!(draw(), draw());
        let other = Workload::new(1_000, Skew::Zipf(1.1), 8).unwrap().draw(500);
        assert_ne!(draw(), other);
    }

    #[test]
    fn zipf_prefers_the_first_and_uniform_none() {
        let share = |skew: Skew| {
            let draw = Workload::new(1_000, skew, 7).unwrap().draw(20_000);
            let first = |position: &&u32| draw.keys[**position as usize] == 0;
            draw.entity.iter().filter(first).count()
        };
        assert!((2_500..4_500).contains(&share(Skew::Zipf(1.1))), "{}", share(Skew::Zipf(1.1)));
        assert!(share(Skew::Uniform) < 60);
    }

    #[test]
    fn in_turn_meets_every_entity_once() {
        let draw = Workload::in_turn(300, 1).unwrap().draw(300);
        assert_eq!(draw.keys, (0..300).collect::<Vec<_>>());
        assert_eq!(draw.entity, (0..300).collect::<Vec<_>>());
    }

    #[test]
    fn reads_a_skew() {
        assert_eq!("uniform".parse::<Skew>().unwrap(), Skew::Uniform);
        assert_eq!("1.1".parse::<Skew>().unwrap(), Skew::Zipf(1.1));
        assert!("-1".parse::<Skew>().is_err() && "steep".parse::<Skew>().is_err());
    }
}
