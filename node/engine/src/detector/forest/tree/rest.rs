//! A tree at rest: its structure and its points, from which the boxes are made
//! again. Refuses what is not a tree, since rest comes from a disk.

use serde::{Deserialize, Serialize};
use via_types::Column;

use super::{LEAF, Leaf, MOST_LEAVES, NONE, Node, Tree};

/// A tree at rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Resting {
    root: u16,
    free_node: u16,
    free_leaf: u16,
    nodes: Column<u8>,
    leaves: Column<u8>,
    points: Column<f32>,
}

impl Resting {
    pub(in super::super) fn of(tree: &Tree) -> Self {
        Self {
            root: tree.root,
            free_node: tree.free_node,
            free_leaf: tree.free_leaf,
            nodes: bytemuck::cast_slice(&tree.nodes).to_vec().into(),
            leaves: bytemuck::cast_slice(&tree.leaves).to_vec().into(),
            points: tree.points.clone().into(),
        }
    }

    /// Returns the tree, of points that are `width` values wide with their
    /// padding; none if this is no tree.
    pub(in super::super) fn wake(&self, width: usize) -> Option<Tree> {
        let nodes: Vec<Node> = bytemuck::pod_collect_to_vec(&self.nodes[..]);
        let leaves: Vec<Leaf> = bytemuck::pod_collect_to_vec(&self.leaves[..]);
        let mut tree = Tree {
            root: self.root,
            free_node: self.free_node,
            free_leaf: self.free_leaf,
            boxes: vec![0.0; nodes.len() * 2 * width],
            nodes,
            leaves,
            points: self.points.to_vec(),
        };
        let is_sized = tree.leaves.len() <= MOST_LEAVES
            && tree.nodes.len() < tree.leaves.len().max(1)
            && tree.points.len() == tree.leaves.len() * width
            && tree.points.iter().all(|x| x.is_finite());
        let order = if is_sized { tree.order(width)? } else { return None };
        for node in order.into_iter().rev() {
            tree.unite(node, width);
        }
        Some(tree)
    }

    /// Says whether `held` are the leaves of the tree, each as often as it counts.
    pub(in super::super) fn counts(tree: &Tree, held: &[u16]) -> bool {
        let mut left: Vec<u16> = vec![0; tree.leaves.len()];
        for leaf in held {
            match left.get_mut(usize::from(*leaf)) {
                Some(count) => *count += 1,
                None => return false,
            }
        }
        let counted = |(leaf, count): (&Leaf, &u16)| *count == 0 || *count == leaf.mass;
        held.len() == usize::from(tree.mass()) && tree.leaves.iter().zip(&left).all(counted)
    }
}

impl Tree {
    /// Returns all nodes, parents before children, if links, masses and free
    /// places are those of one tree.
    fn order(&self, width: usize) -> Option<Vec<u16>> {
        let (mut nodes, mut leaves) = (Vec::new(), 0usize);
        let mut open = if self.root == NONE { Vec::new() } else { vec![(self.root, NONE)] };
        while let Some((at, above)) = open.pop() {
            // A loop would go on for ever.
            if nodes.len() + leaves >= self.nodes.len() + self.leaves.len() {
                return None;
            }
            if at & LEAF != 0 {
                let leaf = self.leaves.get(usize::from(at & !LEAF))?;
                (leaf.parent == above && leaf.mass > 0).then_some(())?;
                leaves += 1;
                continue;
            }
            let node = self.nodes.get(usize::from(at))?;
            (node.parent == above && usize::from(node.dim) < width).then_some(())?;
            let [left, right] = node.children;
            (left != right).then_some(())?;
            let mass = u32::from(self.known_mass(left)?) + u32::from(self.known_mass(right)?);
            (mass == u32::from(node.mass)).then_some(())?;
            nodes.push(at);
            open.extend([(left, at), (right, at)]);
        }
        let next_node = |at: u16| self.nodes.get(usize::from(at)).map(|node| node.parent);
        let next_leaf = |at: u16| self.leaves.get(usize::from(at)).map(|leaf| leaf.parent);
        let free_nodes = chain(self.free_node, self.nodes.len(), next_node)?;
        let free_leaves = chain(self.free_leaf, self.leaves.len(), next_leaf)?;
        let is_whole = nodes.len() + free_nodes == self.nodes.len()
            && leaves + free_leaves == self.leaves.len();
        is_whole.then_some(nodes)
    }

    fn known_mass(&self, at: u16) -> Option<u16> {
        if at & LEAF != 0 {
            self.leaves.get(usize::from(at & !LEAF)).map(|leaf| leaf.mass)
        } else {
            self.nodes.get(usize::from(at)).map(|node| node.mass)
        }
    }
}

/// Returns the length of a chain of free places; none if it leads astray.
fn chain(first: u16, most: usize, next: impl Fn(u16) -> Option<u16>) -> Option<usize> {
    let (mut at, mut length) = (first, 0);
    while at != NONE {
        length += 1;
        if length > most {
            return None;
        }
        at = next(at)?;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::super::super::{LANES, Point};
    use super::super::Dice;
    use super::*;

    #[test]
    fn what_is_no_tree_is_not_woken_and_what_is_woken_works() {
        let (mut tree, mut dice) = (Tree::new(), Dice(3));
        let mut held: Vec<u16> = (0..40u8)
            .map(|x| tree.insert(&Point::of(&[f32::from(x % 9), f32::from(x / 7)]), &mut dice))
            .collect();
        for leaf in held.drain(..5) {
            tree.remove(leaf, LANES);
        }
        let rest = Resting::of(&tree);
        assert!(rest.wake(LANES).is_some_and(|tree| Resting::counts(&tree, &held)));
        assert!(rest.wake(2 * LANES).is_none());
        let mut refused = 0;
        let bytes = rest.nodes.len() + rest.leaves.len();
        for place in 0..bytes {
            let mut broken = rest.clone();
            match place.checked_sub(rest.nodes.len()) {
                None => broken.nodes[place] ^= 0x81,
                Some(place) => broken.leaves[place] ^= 0x81,
            }
            match broken.wake(LANES) {
                Some(mut tree) if Resting::counts(&tree, &held) => {
                    tree.insert(&Point::of(&[0.5, 0.5]), &mut dice);
                    held.iter().for_each(|leaf| tree.remove(*leaf, LANES));
                    assert_eq!(tree.mass(), 1);
                }
                Some(_) | None => refused += 1,
            }
        }
        // Cuts and padding may be anything.
        assert!(refused > bytes / 3, "{refused} of {bytes}");
    }
}
