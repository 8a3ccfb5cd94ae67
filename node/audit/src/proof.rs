//! Proofs that a leaf is in a tree and that a tree continues another: how they
//! are made (RFC 6962, sections 2.1.1 and 2.1.2) and how they are checked (RFC
//! 9162, sections 2.1.3.2 and 2.1.4.2), which needs no tree.

use crate::frontier::Place;
use crate::hash::{Hash, node};

/// Where the final nodes of a tree are found.
pub trait Nodes {
    /// Why one could not be read.
    type Error: From<MissingNode>;

    /// Returns the hash of a node; none when it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    fn node(&self, place: Place) -> Result<Option<Hash>, Self::Error>;
}

/// A node that must be there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit tree lacks the node {} of level {}", .0.index, .0.level)]
pub struct MissingNode(pub Place);

/// Returns the proof that leaf `index` is in the tree of `size` leaves: none
/// when it is not. From the leaf up.
///
/// # Errors
/// When a node cannot be read.
pub fn inclusion<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if index >= size {
        return Ok(None);
    }
    let (mut from, mut to) = (0, size);
    let mut beside = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        let is_left = index < middle;
        beside.push(if is_left { (middle, to) } else { (from, middle) });
        (from, to) = if is_left { (from, middle) } else { (middle, to) };
    }
    let proof: Result<_, _> =
        beside.iter().rev().map(|(from, to)| span(nodes, *from, *to)).collect();
    proof.map(Some)
}

/// Returns the proof that the tree of `size` leaves continues the one of `old`
/// leaves; none when `old` is larger.
///
/// # Errors
/// When a node cannot be read.
pub fn consistency<N: Nodes>(
    nodes: &N,
    old: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if old > size {
        return Ok(None);
    }
    if old == 0 || old == size {
        return Ok(Some(Vec::new()));
    }
    let (mut from, mut to) = (0, size);
    let mut beside = Vec::new();
    while to != old {
        let middle = from + split(to - from);
        if old <= middle {
            beside.push((middle, to));
            to = middle;
        } else {
            beside.push((from, middle));
            from = middle;
        }
    }
    // The old tree whole is what the checker has.
    if from > 0 {
        beside.push((from, to));
    }
    let proof: Result<_, _> =
        beside.iter().rev().map(|(from, to)| span(nodes, *from, *to)).collect();
    proof.map(Some)
}

/// Returns the largest power of two below `length`, which is above 1.
fn split(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}

/// Returns the root over leaves `from` to `to`; recursion is as deep as the tree.
fn span<N: Nodes>(nodes: &N, from: u64, to: u64) -> Result<Hash, N::Error> {
    let length = to - from;
    if length.is_power_of_two() {
        let level = length.trailing_zeros() as u8;
        let place = Place { level, index: from >> level };
        return Ok(nodes.node(place)?.ok_or(MissingNode(place))?);
    }
    let middle = from + split(length);
    Ok(node(span(nodes, from, middle)?, span(nodes, middle, to)?))
}

/// Says whether `proof` shows that `leaf` is leaf `index` of the tree of `size`
/// leaves with this root.
pub fn is_included(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(*beside, hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(hash, *beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == root
}

/// Says whether `proof` shows that the tree `new` (its size and root) continues
/// the tree `old`.
pub fn is_consistent(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> bool {
    let ((first, first_root), (second, second_root)) = (old, new);
    if first == second {
        return proof.is_empty() && first_root == second_root;
    }
    if first == 0 {
        return proof.is_empty() && first_root == Hash::of(&[]);
    }
    let whole = first.is_power_of_two().then_some(first_root);
    let mut path = whole.into_iter().chain(proof.iter().copied());
    let Some(start) = path.next().filter(|_| first < second) else { return false };
    let (mut at, mut last) = (first - 1, second - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut older, mut newer) = (start, start);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (older, newer) = (node(beside, older), node(beside, newer));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            newer = node(newer, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && older == first_root && newer == second_root
}
