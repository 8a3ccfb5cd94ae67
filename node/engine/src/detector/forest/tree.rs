//! One random cut tree over the points of one sample: insertion, deletion and
//! the score of a point as if it were inserted. Owns cuts, bounding boxes and
//! masses; refuses to know which points are kept, which `sample` decides.
//! Children are numbered; leaves have the highest bit set.

mod rest;

pub(super) use rest::Resting;

use bytemuck::{Pod, Zeroable};

use super::{LANES, Point};
use crate::math::{larger, rough_log2, smaller};

/// Marks the number of a leaf.
const LEAF: u16 = 0x8000;
/// No node.
const NONE: u16 = 0xffff;
/// The most leaves a tree can number.
pub(super) const MOST_LEAVES: usize = 0x7ffe;

/// An inner node: points whose value `dim` is at most `cut` are on its left.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Node {
    cut: f32,
    children: [u16; 2],
    /// The next free node, where this one is free.
    parent: u16,
    mass: u16,
    dim: u16,
    pad: u16,
}

/// A leaf: one point, and how often it is in the sample.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Leaf {
    /// The next free leaf, where this one is free.
    parent: u16,
    mass: u16,
}

/// Where a point would come to lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    at: u16,
    depth: u16,
}

/// A sequence of pseudo-random numbers (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// Returns the next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number above 0 and below 1.
    pub(super) fn roll(&mut self) -> f32 {
        ((self.next() >> 41) as f32 + 0.5) / (1u32 << 23) as f32
    }
}

/// A tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tree {
    root: u16,
    free_node: u16,
    free_leaf: u16,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    /// Per node, the least of each value and then the most.
    boxes: Vec<f32>,
    /// Per leaf, its point.
    points: Vec<f32>,
}

/// Adds up eight lanes in a fixed order.
#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Returns how far `point` is outside of a box, and the extent of the box with
/// it, summed over values.
#[inline(always)]
fn reach((low, high): (&[f32], &[f32]), point: &[f32]) -> (f32, f32) {
    let mut outside = [0.0; LANES];
    let mut extent = [0.0; LANES];
    let sides = low.as_chunks::<LANES>().0.iter().zip(high.as_chunks::<LANES>().0);
    for ((low, high), x) in sides.zip(point.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let off = larger(low[lane] - x[lane], 0.0) + larger(x[lane] - high[lane], 0.0);
            outside[lane] += off;
            extent[lane] += (high[lane] - low[lane]) + off;
        }
    }
    (total(outside), total(extent))
}

/// The score of a point that becomes a leaf of its own at `depth`.
#[inline(always)]
fn alone(depth: u16) -> f32 {
    1.0 / (f32::from(depth) + 1.0)
}

impl Tree {
    pub(super) const fn new() -> Self {
        Self {
            root: NONE,
            free_node: NONE,
            free_leaf: NONE,
            nodes: Vec::new(),
            leaves: Vec::new(),
            boxes: Vec::new(),
            points: Vec::new(),
        }
    }

    /// Returns how many points it holds, equal ones counted apart.
    pub(super) fn mass(&self) -> u16 {
        if self.root == NONE { 0 } else { self.mass_of(self.root) }
    }

    /// Returns the bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.leaves.capacity() * size_of::<Leaf>()
            + (self.boxes.capacity() + self.points.capacity()) * size_of::<f32>()
    }

    fn mass_of(&self, at: u16) -> u16 {
        if at & LEAF != 0 {
            self.leaves[usize::from(at & !LEAF)].mass
        } else {
            self.nodes[usize::from(at)].mass
        }
    }

    fn parent_of(&mut self, at: u16) -> &mut u16 {
        if at & LEAF != 0 {
            &mut self.leaves[usize::from(at & !LEAF)].parent
        } else {
            &mut self.nodes[usize::from(at)].parent
        }
    }

    /// Returns the least and the most of each value below `at`.
    #[inline(always)]
    fn bounds(&self, at: u16, width: usize) -> (&[f32], &[f32]) {
        if at & LEAF != 0 {
            let start = usize::from(at & !LEAF) * width;
            let point = &self.points[start..start + width];
            (point, point)
        } else {
            let start = usize::from(at) * 2 * width;
            self.boxes[start..start + 2 * width].split_at(width)
        }
    }

    /// Takes a point in and returns the number of its leaf (Guha et al., 2016,
    /// algorithm 2): from the root down, a cut of the box with the point is
    /// drawn; one that parts the point from all others makes a leaf there.
    pub(super) fn insert(&mut self, point: &Point, dice: &mut Dice) -> u16 {
        let point = point.padded();
        let width = point.len();
        if self.root == NONE {
            self.root = self.new_leaf(point, NONE);
            return self.root & !LEAF;
        }
        let mut at = self.root;
        loop {
            let (outside, extent) = reach(self.bounds(at, width), point);
            let is_leaf = at & LEAF != 0;
            if outside > 0.0 {
                let drawn = dice.roll() * extent;
                if is_leaf || drawn < outside {
                    return self.split(at, point, drawn) & !LEAF;
                }
            } else if is_leaf {
                let leaf = at & !LEAF;
                self.leaves[usize::from(leaf)].mass += 1;
                return leaf;
            }
            self.extend(at, point);
            let node = &mut self.nodes[usize::from(at)];
            node.mass += 1;
            at = node.children[usize::from(point[usize::from(node.dim)] > node.cut)];
        }
    }

    /// Widens the box of node `at` to hold `point`.
    fn extend(&mut self, at: u16, point: &[f32]) {
        let width = point.len();
        let start = usize::from(at) * 2 * width;
        let (low, high) = self.boxes[start..start + 2 * width].split_at_mut(width);
        for ((low, high), x) in low.iter_mut().zip(high).zip(point) {
            *low = smaller(*low, *x);
            *high = larger(*high, *x);
        }
    }

    /// Puts a node above `at` that parts `point` from all below, by the cut
    /// `drawn` along the gaps between them. Returns the point's leaf.
    fn split(&mut self, at: u16, point: &[f32], drawn: f32) -> u16 {
        let width = point.len();
        let (low, high) = self.bounds(at, width);
        let (dim, cut, is_above) = choose((low, high), point, drawn);
        let above = *self.parent_of(at);
        let node = self.new_node(width);
        let leaf = self.new_leaf(point, node);
        self.nodes[usize::from(node)] = Node {
            cut,
            children: if is_above { [at, leaf] } else { [leaf, at] },
            parent: above,
            mass: self.mass_of(at) + 1,
            dim: dim as u16,
            pad: 0,
        };
        *self.parent_of(at) = node;
        self.relink(above, at, node);
        self.unite(node, width);
        leaf
    }

    /// Makes `new` the child of `above` where `old` was.
    fn relink(&mut self, above: u16, old: u16, new: u16) {
        if above == NONE {
            self.root = new;
        } else {
            for child in &mut self.nodes[usize::from(above)].children {
                if *child == old {
                    *child = new;
                }
            }
        }
    }

    /// Makes the box of `node` the union of its children's; says whether it changed.
    fn unite(&mut self, node: u16, width: usize) -> bool {
        let start = usize::from(node) * 2 * width;
        let [left, right] = self.nodes[usize::from(node)].children;
        let mut is_new = false;
        for block in (0..width).step_by(LANES) {
            let ((low, high), (other_low, other_high)) =
                (self.bounds(left, width), self.bounds(right, width));
            let (mut least, mut most) = ([0.0; LANES], [0.0; LANES]);
            for lane in 0..LANES {
                least[lane] = smaller(low[block + lane], other_low[block + lane]);
                most[lane] = larger(high[block + lane], other_high[block + lane]);
            }
            for (from, new) in [(start + block, least), (start + width + block, most)] {
                let old = &mut self.boxes[from..from + LANES];
                is_new |= *old != new;
                old.copy_from_slice(&new);
            }
        }
        is_new
    }

    /// Takes one occurrence of `leaf`'s point out (Guha et al., 2016, algorithm 1):
    /// the sibling of the last one takes the place of their parent.
    pub(super) fn remove(&mut self, leaf: u16, width: usize) {
        let number = usize::from(leaf);
        let mut above = self.leaves[number].parent;
        let mut node = above;
        while node != NONE {
            self.nodes[usize::from(node)].mass -= 1;
            node = self.nodes[usize::from(node)].parent;
        }
        self.leaves[number].mass -= 1;
        if self.leaves[number].mass > 0 {
            return;
        }
        self.leaves[number].parent = self.free_leaf;
        self.free_leaf = leaf;
        if above == NONE {
            self.root = NONE;
            return;
        }
        let Node { children: [left, right], parent, .. } = self.nodes[usize::from(above)];
        let sibling = if left == leaf | LEAF { right } else { left };
        self.relink(parent, above, sibling);
        *self.parent_of(sibling) = parent;
        self.nodes[usize::from(above)].parent = self.free_node;
        self.free_node = above;
        above = parent;
        while above != NONE && self.unite(above, width) {
            above = self.nodes[usize::from(above)].parent;
        }
    }

    fn new_node(&mut self, width: usize) -> u16 {
        let node = self.free_node;
        if node != NONE {
            self.free_node = self.nodes[usize::from(node)].parent;
            return node;
        }
        self.nodes.push(Node::zeroed());
        self.boxes.resize(self.boxes.len() + 2 * width, 0.0);
        (self.nodes.len() - 1) as u16
    }

    fn new_leaf(&mut self, point: &[f32], parent: u16) -> u16 {
        let leaf = self.free_leaf;
        if leaf != NONE {
            self.free_leaf = self.leaves[usize::from(leaf)].parent;
            self.leaves[usize::from(leaf)] = Leaf { parent, mass: 1 };
            let start = usize::from(leaf) * point.len();
            self.points[start..start + point.len()].copy_from_slice(point);
            return leaf | LEAF;
        }
        self.leaves.push(Leaf { parent, mass: 1 });
        self.points.extend_from_slice(point);
        (self.leaves.len() - 1) as u16 | LEAF
    }

    /// Begins a descent.
    #[inline(always)]
    pub(super) fn top(&self) -> Place {
        Place { at: self.root, depth: 0 }
    }

    /// Goes one node down, where `place` is not a leaf yet; says whether it did.
    /// Several trees descend in turns, so that each waits for its memory while
    /// the others do.
    #[inline(always)]
    pub(super) fn descend(&self, place: &mut Place, point: &[f32]) -> bool {
        if place.at & LEAF != 0 {
            return false;
        }
        let node = &self.nodes[usize::from(place.at)];
        place.at = node.children[usize::from(point[usize::from(node.dim)] > node.cut)];
        place.depth += 1;
        true
    }

    /// Returns the score of `point`, which comes to the leaf `place`, up from
    /// there: what is inside of a box is inside of all above it.
    #[inline(always)]
    pub(super) fn score(&self, place: Place, point: &[f32]) -> f32 {
        if place.at == NONE {
            return 0.0;
        }
        let (mut score, _) = self.at_leaf(place, point);
        let mut depth = place.depth;
        let mut at = self.leaves[usize::from(place.at & !LEAF)].parent;
        while at != NONE {
            depth -= 1;
            let (outside, extent) = reach(self.bounds(at, point.len()), point);
            if outside <= 0.0 {
                break;
            }
            score += outside / extent * (alone(depth) - score);
            at = self.nodes[usize::from(at)].parent;
        }
        score * rough_log2(f32::from(self.mass()) + 1.0)
    }

    /// Returns the score of `point` at its leaf, and whether it is the leaf's.
    #[inline(always)]
    fn at_leaf(&self, place: Place, point: &[f32]) -> (f32, bool) {
        let (outside, _) = reach(self.bounds(place.at, point.len()), point);
        if outside > 0.0 {
            return (alone(place.depth), false);
        }
        let mass = f32::from(self.mass_of(place.at));
        let damp = 1.0 - 0.5 * mass / f32::from(self.mass());
        (damp / (f32::from(place.depth) + rough_log2(1.0 + mass)), true)
    }

    /// Adds each value's share of the score of `point` to `shares`: a cut that
    /// would part it counts for the value it cuts, a score as one of the known
    /// points for all alike. Returns the score.
    pub(super) fn attribute(&self, point: &Point, shares: &mut [f32]) -> f32 {
        let dims = shares.len();
        let point = point.padded();
        let mut place = self.top();
        if place.at == NONE {
            return 0.0;
        }
        while self.descend(&mut place, point) {}
        let unit = rough_log2(f32::from(self.mass()) + 1.0);
        let (score, is_known) = self.at_leaf(place, point);
        if is_known {
            let share = score * unit / dims as f32;
            shares.iter_mut().for_each(|sum| *sum += share);
            return score * unit;
        }
        // From the top: `left` is the probability of no cut so far.
        let (mut at, mut depth, mut left, mut sum) = (self.root, 0, 1.0, 0.0);
        loop {
            let (low, high) = self.bounds(at, point.len());
            let (outside, extent) = reach((low, high), point);
            if outside > 0.0 {
                let each = left * alone(depth) * unit / extent;
                for (dim, share) in shares.iter_mut().enumerate() {
                    *share += each * gap(low[dim], high[dim], point[dim]);
                }
                sum += each * outside;
                left *= 1.0 - outside / extent;
            }
            if at & LEAF != 0 {
                return sum;
            }
            let node = &self.nodes[usize::from(at)];
            at = node.children[usize::from(point[usize::from(node.dim)] > node.cut)];
            depth += 1;
        }
    }
}

/// Returns how far `x` is from `low..=high`.
#[inline(always)]
fn gap(low: f32, high: f32, x: f32) -> f32 {
    larger(low - x, 0.0) + larger(x - high, 0.0)
}

/// Returns the value, the cut and whether `point` is above it, for the cut
/// `drawn` along the gaps between a box and a point outside of it.
fn choose((low, high): (&[f32], &[f32]), point: &[f32], drawn: f32) -> (usize, f32, bool) {
    let mut left = drawn;
    let mut chosen = (0, low[0], false);
    for (dim, x) in point.iter().enumerate() {
        let off = gap(low[dim], high[dim], *x);
        if off > 0.0 {
            let is_above = *x > high[dim];
            let (least, most) = if is_above { (high[dim], *x) } else { (*x, low[dim]) };
            // Rounding must not put the cut at the upper side of the gap.
            let cut = least + left;
            chosen = (dim, if cut < most { cut } else { least }, is_above);
            if left < off {
                break;
            }
            left -= off;
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
