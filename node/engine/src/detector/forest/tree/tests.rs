use proptest::prelude::*;

use super::*;

impl Tree {
    /// Writes what is below `at`, the same for the same structure whatever the
    /// numbers of nodes, and checks it on the way.
    fn write(&self, at: u16, above: u16, width: usize, out: &mut Vec<u32>) {
        if at & LEAF != 0 {
            let leaf = self.leaves[usize::from(at & !LEAF)];
            assert!(leaf.parent == above && leaf.mass > 0);
            out.push(u32::from(leaf.mass));
            out.extend(self.bounds(at, width).0.iter().map(|x| x.to_bits()));
            return;
        }
        let node = self.nodes[usize::from(at)];
        let [left, right] = node.children;
        assert_eq!(node.parent, above);
        assert_eq!(node.mass, self.mass_of(left) + self.mass_of(right));
        let dim = usize::from(node.dim);
        assert!(self.bounds(left, width).1[dim] <= node.cut, "left of its cut");
        assert!(self.bounds(right, width).0[dim] > node.cut, "right of its cut");
        for dim in 0..width {
            let (a, b) = (self.bounds(left, width), self.bounds(right, width));
            let (low, high) = self.bounds(at, width);
            assert_eq!(low[dim], a.0[dim].min(b.0[dim]), "the box is tight");
            assert_eq!(high[dim], a.1[dim].max(b.1[dim]), "the box is tight");
        }
        out.extend([u32::from(node.dim), node.cut.to_bits(), u32::MAX]);
        self.write(left, at, width, out);
        self.write(right, at, width, out);
    }

    fn written(&self, width: usize) -> Vec<u32> {
        let mut out = Vec::new();
        if self.root != NONE {
            self.write(self.root, NONE, width, &mut out);
        }
        out
    }

    /// The score straight from its definition: at each box from the top, parted
    /// with the probability of a cut outside of it.
    fn naive(&self, at: u16, depth: u16, point: &[f32]) -> f64 {
        let (low, high) = self.bounds(at, point.len());
        let (mut outside, mut extent) = (0.0, 0.0);
        for (dim, x) in point.iter().enumerate() {
            let (low, high, x) = (f64::from(low[dim]), f64::from(high[dim]), f64::from(*x));
            outside += (low - x).max(0.0) + (x - high).max(0.0);
            extent += high.max(x) - low.min(x);
        }
        let parted = if outside > 0.0 { outside / extent } else { 0.0 };
        let within = if at & LEAF != 0 {
            let mass = f64::from(self.mass_of(at));
            (1.0 - 0.5 * mass / f64::from(self.mass()))
                / (f64::from(depth) + libm::log2(1.0 + mass))
        } else {
            let node = self.nodes[usize::from(at)];
            let side = usize::from(point[usize::from(node.dim)] > node.cut);
            self.naive(node.children[side], depth + 1, point)
        };
        parted / (f64::from(depth) + 1.0) + (1.0 - parted) * within
    }
}

fn descended(tree: &Tree, point: &[f32]) -> Place {
    let mut place = tree.top();
    while place.at != NONE && tree.descend(&mut place, point) {}
    place
}

proptest! {
    #[test]
    fn insertions_and_removals_keep_the_tree_sound(
        seed: u64,
        steps in prop::collection::vec((prop::array::uniform3(-4i8..5), any::<bool>(), any::<u16>()), 1..300),
    ) {
        let (mut tree, mut dice) = (Tree::new(), Dice(seed));
        let mut held: Vec<u16> = Vec::new();
        for (values, is_removal, which) in steps {
            if is_removal && !held.is_empty() {
                let leaf = held.swap_remove(usize::from(which) % held.len());
                tree.remove(leaf, LANES);
            } else {
                held.push(tree.insert(&Point::of(&values.map(f32::from)), &mut dice));
            }
            prop_assert_eq!(usize::from(tree.mass()), held.len());
            tree.written(LANES);
        }
        // As many nodes and leaves as were ever needed at once, no more.
        prop_assert!(tree.leaves.len() <= 300 && tree.nodes.len() < tree.leaves.len().max(1));
    }

    #[test]
    fn to_remove_what_was_inserted_leaves_no_trace(
        seed: u64,
        known in prop::collection::vec(prop::array::uniform2(-1e3f32..1e3), 0..100),
        new in prop::array::uniform2(-2e3f32..2e3),
    ) {
        let (mut tree, mut dice) = (Tree::new(), Dice(seed));
        for values in known {
            tree.insert(&Point::of(&values), &mut dice);
        }
        let before = tree.written(LANES);
        let leaf = tree.insert(&Point::of(&new), &mut dice);
        tree.remove(leaf, LANES);
        prop_assert_eq!(tree.written(LANES), before);
    }

    #[test]
    fn the_score_is_what_it_is_defined_as(
        seed: u64,
        known in prop::collection::vec(prop::array::uniform3(-4i8..5), 1..150),
        asked in prop::array::uniform3(-6i8..7),
    ) {
        let (mut tree, mut dice) = (Tree::new(), Dice(seed));
        for values in known {
            tree.insert(&Point::of(&values.map(f32::from)), &mut dice);
        }
        let point = Point::of(&asked.map(f32::from));
        let point = point.padded();
        let score = f64::from(tree.score(descended(&tree, point), point));
        let naive = tree.naive(tree.root, 0, point) * libm::log2(f64::from(tree.mass()) + 1.0);
        prop_assert!((score - naive).abs() < 1e-3 * naive, "{} {}", score, naive);
    }
}

/// Theorem 3 of Guha et al.: inserting gives the distribution of a tree that was
/// cut from all points at once, so the order of points does not matter.
#[test]
fn the_order_of_insertion_does_not_matter() {
    let points = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [5.0, 0.5], [0.2, 4.0]];
    let (mut first, mut last, mut parted) = (0.0, 0.0, 0.0);
    let rounds = 20_000;
    for seed in 0..rounds {
        let mut dice = Dice(seed);
        let mut one = Tree::new();
        let mut two = Tree::new();
        for values in points {
            one.insert(&Point::of(&values), &mut dice);
        }
        for values in points.iter().rev() {
            two.insert(&Point::of(values), &mut dice);
        }
        let far = Point::of(&points[3]);
        first += f64::from(descended(&one, far.padded()).depth);
        last += f64::from(descended(&two, far.padded()).depth);
        parted += f64::from(u8::from(descended(&one, far.padded()).depth == 1));
    }
    let rounds = rounds as f64;
    assert!((first - last).abs() / rounds < 0.03, "{first} {last}");
    // The first cut alone parts [5, 0.5] where it falls on the 4 of the first
    // value's 5 that lie between 1 and 5, of 9 in all; depth 1 has no other cause.
    assert!((parted / rounds - 4.0 / 9.0).abs() < 0.015, "{}", parted / rounds);
}

/// Example 1 of the paper's kind: on a line, the chance that a point outside is
/// parted by the first cut is the share of the gap.
#[test]
fn the_score_far_away_is_that_of_the_root() {
    let (mut tree, mut dice) = (Tree::new(), Dice(1));
    for x in 0..15u8 {
        tree.insert(&Point::of(&[f32::from(x)]), &mut dice);
    }
    let far = Point::of(&[1e9]);
    let score = tree.score(descended(&tree, far.padded()), far.padded());
    assert!((score - 4.0).abs() < 1e-3, "log2(16) / 1 is {score}");
}
