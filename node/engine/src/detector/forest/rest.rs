//! A forest at rest: half as large as awake, and exact. Owns the layout; refuses
//! to know files and checksums, which are the codec's.

use serde::{Deserialize, Serialize};
use via_types::Column;

use super::sample::Sample;
use super::tree::{Dice, Resting, Tree};
use super::{Forest, LANES, Shape};
use crate::detector::usual::Usual;

/// The layout written below; another one is not opened.
const LAYOUT: u32 = 1;

/// A forest at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtRest {
    layout: u32,
    shape: [u32; 3],
    memory: f32,
    seed: u64,
    growth: f32,
    usual: [f32; 3],
    trees: Vec<Kept>,
}

/// One tree with its sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    tree: Resting,
    keys: Column<f32>,
    leaves: Column<u16>,
    dice: u64,
}

impl Kept {
    fn wake(&self, width: usize, most: usize) -> Option<(Tree, Sample, Dice)> {
        let tree = self.tree.wake(width)?;
        let is_sound = self.keys.len() == self.leaves.len()
            && self.keys.len() <= most
            && self.keys.iter().all(|key| key.is_finite())
            && Resting::counts(&tree, &self.leaves);
        let sample = Sample { keys: self.keys.to_vec(), leaves: self.leaves.to_vec() };
        is_sound.then_some((tree, sample, Dice(self.dice)))
    }
}

impl Forest {
    /// Returns the forest at rest.
    pub fn rest(&self) -> AtRest {
        let kept = |(tree, sample, dice): &(Tree, Sample, Dice)| Kept {
            tree: Resting::of(tree),
            keys: sample.keys.clone().into(),
            leaves: sample.leaves.clone().into(),
            dice: dice.0,
        };
        let Shape { dims, trees, leaves, memory, seed } = self.shape;
        AtRest {
            layout: LAYOUT,
            shape: [dims, trees, leaves].map(|count| count as u32),
            memory,
            seed,
            growth: self.growth,
            usual: [self.usual.mean, self.usual.variance, self.usual.count],
            trees: self.trees.iter().map(kept).collect(),
        }
    }
}

impl AtRest {
    /// Returns the forest as it was; none if the layout is another or this is
    /// no forest.
    pub fn wake(&self) -> Option<Forest> {
        let [dims, trees, leaves] = self.shape.map(|count| count as usize);
        let shape = Shape { dims, trees, leaves, memory: self.memory, seed: self.seed };
        let is_known = self.layout == LAYOUT
            && shape.bounded() == shape
            && self.trees.len() == trees
            && self.growth.is_finite()
            && self.usual.iter().all(|x| x.is_finite());
        if !is_known {
            return None;
        }
        let width = dims.next_multiple_of(LANES);
        let [mean, variance, count] = self.usual;
        Some(Forest {
            shape,
            trees: self
                .trees
                .iter()
                .map(|kept| kept.wake(width, leaves))
                .collect::<Option<Vec<_>>>()?,
            growth: self.growth,
            usual: Usual { mean, variance, count },
        })
    }
}
