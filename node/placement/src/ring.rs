//! The consistent-hash ring: members at many points each, walked clockwise
//! from a shard's own point. Owns what bytes are hashed; a golden file guards
//! them, since every node must see the same ring for ever.

use std::hash::{BuildHasher, Hash, Hasher};

use hashring::HashRing;
use via_types::{NodeId, ShardId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::share::WEIGHT;

/// Points of a member of ordinary weight.
const POINTS: u32 = 256;

/// Hashes exactly the bytes it is given, whatever the standard library's way
/// of hashing becomes.
#[derive(Clone, Copy, Default)]
struct Exact(u64);

impl Hasher for Exact {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }
}

#[derive(Clone, Copy)]
struct Build;

impl BuildHasher for Build {
    type Hasher = Exact;

    fn build_hasher(&self) -> Exact {
        Exact::default()
    }
}

/// One point of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    node: NodeId,
    number: u32,
    /// Where it is among all points, clockwise.
    order: usize,
}

impl Hash for Point {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut bytes = [b'n'; 13];
        bytes[1..9].copy_from_slice(&self.node.get().to_le_bytes());
        bytes[9..].copy_from_slice(&self.number.to_le_bytes());
        state.write(&bytes);
    }
}

struct Start(ShardId);

impl Hash for Start {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low, high] = self.0.get().to_le_bytes();
        state.write(&[b's', low, high]);
    }
}

/// A ring of nodes. The package underneath returns neighbouring points, which
/// often belong to one node; [`Ring::walk`] goes on to distinct ones.
pub struct Ring {
    ring: HashRing<Point, Build>,
    /// Positions in `nodes`.
    clockwise: Vec<usize>,
    nodes: Vec<NodeId>,
}

impl Ring {
    /// Makes the ring of `members`: nodes, each once, with their weights.
    pub fn new(members: impl IntoIterator<Item = (NodeId, u16)>) -> Self {
        let mut members: Vec<_> = members.into_iter().filter(|(_, weight)| *weight > 0).collect();
        members.sort_unstable();
        let point = |node, number| Point { node, number, order: 0 };
        let points = members.iter().flat_map(|(node, weight)| {
            let points = (POINTS * u32::from(*weight)).div_ceil(u32::from(WEIGHT));
            (0..points).map(move |number| point(*node, number))
        });
        let mut unordered: HashRing<Point, Build> = HashRing::with_hasher(Build);
        unordered.batch_add(points.collect());
        // One turn around the ring tells its order; each point then carries its
        // place, so that a walk can start wherever `get` lands.
        let turn = unordered.get_with_replicas(&Start(ShardId::new(0)), unordered.len());
        let mut points = turn.unwrap_or_default();
        points.truncate(unordered.len());
        points.iter_mut().enumerate().for_each(|(order, point)| point.order = order);
        let nodes: Vec<NodeId> = members.iter().map(|(node, _)| *node).collect();
        let number = |point: &Point| {
            nodes.binary_search(&point.node).expect("points were made of these nodes")
        };
        let clockwise = points.iter().map(number).collect();
        let mut ring = HashRing::with_hasher(Build);
        ring.batch_add(points);
        Self { ring, clockwise, nodes }
    }

    /// Returns every node once, in the order in which a walk from `shard`
    /// meets them.
    pub fn walk(&self, shard: ShardId) -> Vec<NodeId> {
        let start = self.ring.get(&Start(shard)).map_or(0, |point| point.order);
        let mut met = Vec::with_capacity(self.nodes.len());
        let mut seen = vec![false; self.nodes.len()];
        for node in self.clockwise[start..].iter().chain(&self.clockwise[..start]) {
            if !std::mem::replace(&mut seen[*node], true) {
                met.push(self.nodes[*node]);
                if met.len() == self.nodes.len() {
                    break;
                }
            }
        }
        met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(nodes: &[u64]) -> Ring {
        Ring::new(nodes.iter().map(|node| (NodeId::new(*node), WEIGHT)))
    }

    #[test]
    fn a_walk_meets_every_node_once() {
        let ring = ring(&[1, 2, 3, 4, 5]);
        for shard in 0..64 {
            let mut met = ring.walk(ShardId::new(shard));
            met.sort();
            assert_eq!(met, [1, 2, 3, 4, 5].map(NodeId::new), "invariant P-1");
        }
    }

    #[test]
    fn the_order_in_which_members_are_named_does_not_matter() {
        let (one, other) = (ring(&[3, 1, 2]), ring(&[1, 2, 3]));
        for shard in (0..256).map(ShardId::new) {
            assert_eq!(one.walk(shard), other.walk(shard));
        }
    }

    #[test]
    fn a_member_that_leaves_is_only_left_out() {
        let (with, without) = (ring(&[1, 2, 3, 4]), ring(&[1, 2, 4]));
        for shard in (0..256).map(ShardId::new) {
            let mut walk = with.walk(shard);
            walk.retain(|node| node.get() != 3);
            assert_eq!(walk, without.walk(shard), "invariant P-1");
        }
    }

    #[test]
    fn an_empty_ring_and_a_weightless_member_meet_nobody() {
        assert!(ring(&[]).walk(ShardId::new(0)).is_empty());
        assert!(Ring::new([(NodeId::new(1), 0)]).walk(ShardId::new(0)).is_empty());
    }
}
