//! The forest of an entity that has earned one: its last values together against
//! a sample of its past. Owns who earns one and what it costs; refuses to know
//! trees. Called by `judge` for points and rows, and by `event`, which plants.

use std::f32::consts::LOG10_2;

use bytemuck::Zeroable;
use serde::{Deserialize, Serialize};
use via_types::EntityHash;

use crate::calibration::Tail;
use crate::detector::forest::{Apart, AtRest, Forest, Shape, Shingle};
use crate::judge::compressed;
use crate::math::{larger, rough_log2, smaller};

/// Events after which an entity has earned a forest, and after so many more of
/// which one that found no room asks again.
pub(crate) const EARNED: u64 = 1024;
/// Points of a series that are seen together.
const TOGETHER: usize = 8;
const TREES: usize = 12;
/// Points that each tree keeps, and of points with many values.
const LEAVES: usize = 128;
const FEW_LEAVES: usize = 48;
/// Values of a point from which on it has many.
const MANY: usize = 16;
/// Points over which a sample fades, and those over which scales average.
const MEMORY: f32 = 8192.0;
/// Points before it is heard.
const YOUNG: u32 = 256;
/// Memory of one place among those that are handed out, bytes: 2^18.
const PLACE: u32 = 18;
/// Of an engine's memory forests may have one part in 2^5.
const SHARE: u32 = 5;
/// So many times rarer than one in all points seen a point may be at most.
const BELIEVED: f32 = 8.0;
/// How often it may speak up before it is doubted, over so many points.
const OFTEN: f32 = 0.01;
const WOLF: f32 = 1.0 / 256.0;
const SPOKEN: f32 = 3.0;

/// A forest with what its points are measured by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grove {
    shingle: Shingle,
    forest: Forest,
    tail: Tail,
    points: u32,
    wolf: f32,
    odds: f32,
}

/// A grove at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resting {
    shingle: Shingle,
    forest: AtRest,
    tail: Vec<u8>,
    points: u32,
    wolf: f32,
    odds: f32,
}

/// Returns how many places for forests so much memory has.
pub(crate) fn places_in(memory_bytes: usize) -> usize {
    memory_bytes >> (SHARE + PLACE)
}

impl Grove {
    /// Plants a forest for rows of `lanes` values of one entity.
    pub(crate) fn new(lanes: usize, entity: EntityHash) -> Self {
        let lanes = lanes.max(1);
        let shingle = Shingle::new(lanes, (TOGETHER / lanes).max(1), MEMORY);
        let dims = shingle.dims();
        let leaves = if dims > MANY { FEW_LEAVES } else { LEAVES };
        let shape = Shape { dims, trees: TREES, leaves, memory: MEMORY, seed: entity.low() };
        let forest = Forest::new(shape);
        Self { shingle, forest, tail: Tail::zeroed(), points: 0, wolf: 0.0, odds: 1.0 }
    }

    /// Returns how many places it takes.
    pub(crate) fn places(&self) -> usize {
        self.bytes().div_ceil(1 << PLACE)
    }

    /// Returns the memory it holds, bytes.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.forest.bytes() + self.shingle.dims() * size_of::<f32>() * 2
    }

    /// Returns how far `row` is from what is known; none while that is little.
    pub(crate) fn judge(&self, row: &[f64]) -> Option<Apart> {
        (self.points > YOUNG).then(|| self.forest.judge(&self.shingle.with(row)))
    }

    /// Returns how rare the evidence of `apart` is: one in so many.
    pub(crate) fn odds(&self, apart: &Apart) -> f32 {
        smaller(self.tail.odds(compressed(apart.finding.nominal)), BELIEVED * self.points as f32)
    }

    /// Returns how much it is trusted, of 1.
    pub(crate) fn trust(&self) -> f32 {
        if self.wolf <= OFTEN { 1.0 } else { larger(OFTEN / self.wolf, 0.2) }
    }

    /// Takes `row` in, judged as `apart`.
    pub(crate) fn learn(&mut self, row: &[f64], apart: Option<&Apart>) {
        self.points = self.points.saturating_add(1);
        if let Some(apart) = apart {
            self.odds = self.odds(apart);
            let has_spoken = rough_log2(self.odds) * LOG10_2 >= SPOKEN;
            self.wolf += WOLF * (f32::from(u8::from(has_spoken)) - self.wolf);
            self.tail.note(compressed(apart.finding.nominal), 1);
        }
        let point = self.shingle.with(row);
        if self.shingle.is_full() {
            self.forest.learn(&point, &apart.copied().unwrap_or_default(), 1.0);
        }
        self.shingle.learn(row, &point);
    }

    /// Returns the share that each lane of `row` has in its being apart; they sum
    /// to 1 where it is apart at all.
    pub(crate) fn shares(&self, row: &[f64]) -> Vec<f64> {
        let mut each = vec![0.0f32; self.shingle.dims()];
        let whole = f64::from(self.forest.attribute(&self.shingle.with(row), &mut each));
        let mut shares = vec![0.0; row.len()];
        for (number, share) in each.into_iter().enumerate() {
            if let Some(lane) = shares.get_mut(number % row.len().max(1))
                && whole > 0.0
            {
                *lane += f64::from(share) / whole;
            }
        }
        shares
    }

    /// Returns how many points it knows, how many it needs, and how rare the newest
    /// was: one in so many.
    pub(crate) fn state(&self) -> (u32, u32, f32) {
        (self.points, YOUNG, self.odds)
    }

    /// Returns it at rest.
    pub(crate) fn rest(&self) -> Resting {
        Resting {
            shingle: self.shingle.clone(),
            forest: self.forest.rest(),
            tail: bytemuck::bytes_of(&self.tail).to_vec(),
            points: self.points,
            wolf: self.wolf,
            odds: self.odds,
        }
    }
}

impl Resting {
    /// Returns the grove as it was; none if it does not fit together.
    pub(crate) fn wake(self) -> Option<Grove> {
        let forest = self.forest.wake()?;
        let fits = self.shingle.is_sound() && self.shingle.dims() == forest.shape().dims;
        let tail = bytemuck::try_pod_read_unaligned(&self.tail).ok()?;
        let Self { shingle, points, wolf, odds, .. } = self;
        fits.then_some(Grove { shingle, forest, tail, points, wolf, odds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::normals;

    #[test]
    fn it_rests_exactly_and_takes_the_places_it_says() {
        let mut normal = normals(3);
        for lanes in [1, 3, 38, 64] {
            let mut grove = Grove::new(lanes, EntityHash::from_parts(7, 9));
            for _ in 0..700 {
                let row: Vec<f64> = (0..lanes).map(|_| normal()).collect();
                let apart = grove.judge(&row);
                grove.learn(&row, apart.as_ref());
            }
            assert_eq!(grove.rest().wake().as_ref(), Some(&grove));
            let megabyte = 1 << 20;
            assert!(grove.bytes() <= megabyte, "{lanes} lanes: {} bytes", grove.bytes());
            let row = vec![9.0; lanes];
            let odds = grove.odds(&grove.judge(&row).unwrap());
            assert!(odds > 50.0, "{lanes} lanes: one in {odds}");
            let sum: f64 = grove.shares(&row).iter().sum();
            assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        }
    }
}
