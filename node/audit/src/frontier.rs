//! A Merkle tree that only grows, without its past: one hash per perfect
//! subtree, at most 64. What is needed to append and to know the root; proofs
//! need the nodes that [`Frontier::append`] names as they become final.

use serde::{Deserialize, Serialize};

use crate::hash::{Hash, node};

/// Names a node of the tree that never changes again: the root of the perfect
/// subtree over leaves `index << level` to `(index + 1) << level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// 0 for leaves.
    pub level: u8,
    /// Its number among the nodes of its level.
    pub index: u64,
}

/// The hashes of the perfect subtrees, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AtRest", into = "AtRest")]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

#[derive(Serialize, Deserialize)]
struct AtRest {
    size: u64,
    peaks: Vec<Hash>,
}

/// The number of hashes is not that of the tree's perfect subtrees.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tree of {size} leaves does not have {peaks} perfect subtrees")]
pub struct BadFrontier {
    size: u64,
    peaks: usize,
}

impl TryFrom<AtRest> for Frontier {
    type Error = BadFrontier;

    fn try_from(AtRest { size, peaks }: AtRest) -> Result<Self, BadFrontier> {
        Self::new(size, peaks)
    }
}

impl From<Frontier> for AtRest {
    fn from(Frontier { size, peaks }: Frontier) -> Self {
        Self { size, peaks }
    }
}

impl Frontier {
    /// Makes the frontier of a tree of `size` leaves.
    ///
    /// # Errors
    /// [`BadFrontier`].
    pub fn new(size: u64, peaks: Vec<Hash>) -> Result<Self, BadFrontier> {
        if peaks.len() == size.count_ones() as usize {
            return Ok(Self { size, peaks });
        }
        Err(BadFrontier { size, peaks: peaks.len() })
    }

    /// Returns how many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the hashes, the largest subtree first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Returns which nodes the hashes are those of, for a tree of `size` leaves.
    pub fn places(size: u64) -> impl Iterator<Item = Place> {
        let levels = (0..64_u8).rev().filter(move |level| size >> level & 1 == 1);
        levels.map(move |level| Place { level, index: (size >> level) - 1 })
    }

    /// Appends a leaf, and tells of every node that became final: the leaf, and
    /// the root of each perfect subtree that it completes.
    pub fn append(&mut self, leaf: Hash, mut made: impl FnMut(Place, Hash)) {
        let (mut hash, mut place) = (leaf, Place { level: 0, index: self.size });
        made(place, hash);
        while place.index & 1 == 1 {
            let left = self.peaks.pop().expect("a frontier has a hash for every bit of its size");
            hash = node(left, hash);
            place = Place { level: place.level + 1, index: place.index >> 1 };
            made(place, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Returns the root of the tree; of an empty one, the hash of nothing.
    pub fn root(&self) -> Hash {
        let folded = self.peaks.iter().rev().copied().reduce(|right, left| node(left, right));
        folded.unwrap_or_else(|| Hash::of(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf;

    /// The leaves that implementations of certificate transparency share.
    pub(crate) const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];

    #[test]
    fn roots_are_those_that_others_compute() {
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Frontier::default();
        for (size, root) in roots.iter().enumerate() {
            assert_eq!(format!("{:?}", tree.root()), *root, "{size} leaves");
            if let Some(bytes) = LEAVES.get(size) {
                tree.append(leaf(bytes), |_, _| {});
            }
        }
    }

    #[test]
    fn its_hashes_are_those_of_the_places_it_names() {
        let (mut tree, mut nodes) = (Frontier::default(), std::collections::BTreeMap::new());
        for number in 0..100_u8 {
            tree.append(leaf(&[number]), |place, hash| {
                assert_eq!(nodes.insert(place, hash), None, "a node is final once");
            });
            let named: Vec<_> = Frontier::places(tree.size()).map(|place| nodes[&place]).collect();
            assert_eq!(tree.peaks(), named);
        }
    }

    #[test]
    fn refuses_hashes_that_do_not_fit_the_size() {
        let hash = leaf(b"");
        assert!(Frontier::new(3, vec![hash; 2]).is_ok());
        assert!(Frontier::new(3, vec![hash]).is_err());
        assert!(Frontier::new(0, vec![hash]).is_err());
    }
}
