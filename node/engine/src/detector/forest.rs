//! How much a point stands apart from a sample of the past, in all its values
//! together: a robust random cut forest. Owns trees, their samples and what
//! scores are usual; refuses to know what the values mean.
//!
//! Source: Guha, Mishra, Roy, Schrijvers, ICML 2016 (trees, §2; insertion and
//! deletion, §3); scored by the depth at which the point would be parted.

mod rest;
mod sample;
mod shingle;
mod tree;

pub use rest::AtRest;
pub use shingle::Shingle;

use self::sample::{Choice, Sample};
use self::tree::{Dice, Place, Tree};
use bytemuck::Zeroable;

use crate::detector::Finding;
use crate::detector::usual::Usual;
use crate::math::{larger, smaller, within};

/// The most values of a point.
pub const MOST_DIMS: usize = 512;
/// The most trees.
pub const MOST_TREES: usize = 1024;
/// Values handled at once.
const LANES: usize = 8;
/// Trees that descend in turns.
const TURNS: usize = 8;
/// Points kept before any is judged.
const YOUNG: usize = 32;
/// Weights are counted anew when they have grown by this factor.
const REBASE: f32 = 1e6;
/// The least standard deviation of a score's logarithm: scores that differ by a
/// tenth are alike.
const STEADIEST: f32 = 0.1;

/// The shape of a forest, and how it forgets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Values of a point, 1 to [`MOST_DIMS`].
    pub dims: usize,
    /// Trees, 1 to [`MOST_TREES`].
    pub trees: usize,
    /// Points each tree keeps, 2 to 32,766.
    pub leaves: usize,
    /// Points after which a kept one is e times as likely to leave as a new
    /// one; infinite: all are kept alike.
    pub memory: f32,
    /// Where its random numbers begin.
    pub seed: u64,
}

impl Shape {
    /// Returns the usual shape for points of `dims` values: 30 trees of 256
    /// points that fade over forty times as many.
    pub const fn of(dims: usize, seed: u64) -> Self {
        Self { dims, trees: 30, leaves: 256, memory: 10_240.0, seed }
    }

    fn bounded(self) -> Self {
        Self {
            dims: self.dims.clamp(1, MOST_DIMS),
            trees: self.trees.clamp(1, MOST_TREES),
            leaves: self.leaves.clamp(2, tree::MOST_LEAVES),
            memory: larger(self.memory, 1.0),
            ..self
        }
    }
}

/// A point, on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    values: [f32; MOST_DIMS],
    dims: usize,
}

impl Point {
    /// Makes a point of `dims` zeros.
    fn new(dims: usize) -> Self {
        Self { values: [0.0; MOST_DIMS], dims: dims.min(MOST_DIMS) }
    }

    /// Makes a point of `values`; what is not a number becomes 0, what is huge
    /// is bounded.
    pub fn of(values: &[f32]) -> Self {
        let mut point = Self::new(values.len());
        for (to, from) in point.values.iter_mut().zip(values) {
            // Adding 0 leaves one kind of zero.
            *to = if from.is_nan() { 0.0 } else { within(*from, -1e30, 1e30) + 0.0 };
        }
        point
    }

    /// Returns its values.
    pub fn values(&self) -> &[f32] {
        &self.values[..self.dims]
    }

    fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.dims]
    }

    /// Returns its values and zeros up to whole vectors.
    #[inline(always)]
    fn padded(&self) -> &[f32] {
        &self.values[..self.dims.next_multiple_of(LANES)]
    }
}

/// What a point says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Apart {
    /// Evidence against what scores are usual; deviation and expectation are
    /// of the score.
    pub finding: Finding,
    /// The score: about 1 for a point like others, more the sooner it would be
    /// parted from them.
    pub score: f32,
}

/// A forest.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    shape: Shape,
    trees: Vec<(Tree, Sample, Dice)>,
    /// By how much the weight of a new point exceeds that of one at the base.
    growth: f32,
    usual: Usual,
}

impl Forest {
    /// Makes an empty forest; out-of-range shapes are bounded.
    pub fn new(shape: Shape) -> Self {
        let shape = shape.bounded();
        let mut seeds = Dice(shape.seed);
        let trees = (0..shape.trees)
            .map(|_| (Tree::new(), Sample::default(), Dice(seeds.next())))
            .collect();
        let usual = Usual::zeroed();
        Self { shape, trees, growth: 1.0, usual }
    }

    /// Returns its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Returns the memory it takes, bytes.
    pub fn bytes(&self) -> usize {
        let of = |(tree, sample, _): &(Tree, Sample, Dice)| tree.bytes() + sample.bytes();
        size_of::<Self>()
            + self.trees.capacity() * size_of::<(Tree, Sample, Dice)>()
            + self.trees.iter().map(of).sum::<usize>()
    }

    /// Says whether points are judged yet.
    pub fn is_ready(&self) -> bool {
        self.trees.first().is_some_and(|(_, sample, _)| {
            sample.len() >= YOUNG.min(self.shape.leaves) && self.usual.count >= YOUNG as f32 / 2.0
        })
    }

    /// Returns the mean over trees of the score `point` would have as one of
    /// their points; 0 while they are empty, and for points of another shape.
    pub fn score(&self, point: &Point) -> f32 {
        let Some(point) = self.fitting(point) else {
            return 0.0;
        };
        let mut sum = 0.0;
        for trees in self.trees.chunks(TURNS) {
            let mut places: [Place; TURNS] =
                std::array::from_fn(|turn| trees[turn.min(trees.len() - 1)].0.top());
            loop {
                let mut is_open = false;
                for ((tree, ..), place) in trees.iter().zip(&mut places) {
                    is_open |= tree.descend(place, point);
                }
                if !is_open {
                    break;
                }
            }
            for ((tree, ..), place) in trees.iter().zip(places) {
                sum += tree.score(place, point);
            }
        }
        sum / self.trees.len() as f32
    }

    /// Returns the values of `point` where it has as many as the forest's.
    fn fitting<'a>(&self, point: &'a Point) -> Option<&'a [f32]> {
        (point.dims == self.shape.dims).then(|| point.padded())
    }

    /// Judges `point`.
    pub fn judge(&self, point: &Point) -> Apart {
        let score = self.score(point);
        let mut apart = Apart { score, ..Apart::default() };
        if self.is_ready() && score > 0.0 {
            apart.finding = self.usual.judge(score, STEADIEST);
        }
        apart
    }

    /// Takes `point` in, judged as `apart`; of weight below 1 where it should
    /// teach less, as part of an anomaly.
    pub fn learn(&mut self, point: &Point, apart: &Apart, weight: f32) {
        let Some(width) = self.fitting(point).map(<[f32]>::len) else {
            return;
        };
        let memory = self.shape.memory;
        self.growth *= 1.0 + 1.0 / memory;
        if self.growth > REBASE {
            for (_, sample, _) in &mut self.trees {
                sample.rebase(self.growth);
            }
            self.growth = 1.0;
        }
        let weight = within(weight, 1e-6, 1e6) * self.growth;
        for (tree, sample, dice) in &mut self.trees {
            match sample.offer(dice.roll(), weight, self.shape.leaves) {
                Choice::Refused => {}
                Choice::Room(key) => sample.add(key, tree.insert(point, dice)),
                Choice::Instead(key, leaf) => {
                    tree.remove(leaf, width);
                    sample.replace(key, tree.insert(point, dice));
                }
            }
        }
        self.usual.learn(apart.score, STEADIEST, smaller(weight / self.growth, 1.0));
    }

    /// Writes each value's share of the score of `point` to `shares`, which
    /// sum to the score returned.
    pub fn attribute(&self, point: &Point, shares: &mut [f32]) -> f32 {
        let dims = shares.len().min(point.dims);
        shares.fill(0.0);
        if self.fitting(point).is_none() {
            return 0.0;
        }
        let shares = &mut shares[..dims];
        let mut sum = 0.0;
        for (tree, ..) in &self.trees {
            sum += tree.attribute(point, shares);
        }
        let per_tree = 1.0 / self.trees.len() as f32;
        shares.iter_mut().for_each(|share| *share *= per_tree);
        sum * per_tree
    }
}

#[cfg(test)]
mod tests;
