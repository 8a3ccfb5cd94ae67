//! Frontier and proofs against the definition: a tree that is hashed anew, leaf
//! by leaf, every time (RFC 6962, section 2.1).

use std::collections::BTreeMap;

use proptest::prelude::*;
use via_audit::{
    Frontier, Hash, MissingNode, Nodes, Place, consistency, inclusion, is_consistent, is_included,
    leaf, node,
};

/// The root of these leaves, by the definition.
fn naive(leaves: &[Vec<u8>]) -> Hash {
    match leaves {
        [] => Hash::of(&[]),
        [only] => leaf(only),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node(naive(left), naive(right))
        }
    }
}

#[derive(Default)]
struct Kept(BTreeMap<Place, Hash>);

impl Nodes for Kept {
    type Error = MissingNode;

    fn node(&self, place: Place) -> Result<Option<Hash>, MissingNode> {
        Ok(self.0.get(&place).copied())
    }
}

fn grown(leaves: &[Vec<u8>]) -> (Frontier, Kept) {
    let (mut tree, mut kept) = (Frontier::default(), Kept::default());
    for bytes in leaves {
        tree.append(leaf(bytes), |place, hash| {
            kept.0.insert(place, hash);
        });
    }
    (tree, kept)
}

fn leaves() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 1..80)
}

proptest! {
    #[test]
    fn a_tree_that_grows_has_the_root_of_the_tree_hashed_anew(leaves in leaves()) {
        let mut tree = Frontier::default();
        for (size, bytes) in leaves.iter().enumerate() {
            prop_assert_eq!(tree.root(), naive(&leaves[..size]));
            tree.append(leaf(bytes), |_, _| {});
        }
        prop_assert_eq!((tree.root(), tree.size()), (naive(&leaves), leaves.len() as u64));
    }

    #[test]
    fn each_leaf_is_proven_in_its_place_and_in_no_other(leaves in leaves(), other in 0_u64..80) {
        let (tree, kept) = grown(&leaves);
        let (size, root) = (tree.size(), tree.root());
        for (index, bytes) in (0..).zip(&leaves) {
            let proof = inclusion(&kept, index, size).unwrap().unwrap();
            prop_assert!(is_included(leaf(bytes), index, size, &proof, root));
            let elsewhere = other % size;
            if leaves[elsewhere as usize] != *bytes {
                prop_assert!(!is_included(leaf(bytes), elsewhere, size, &proof, root));
            }
            let mut flipped = bytes.clone();
            flipped.push(1);
            prop_assert!(!is_included(leaf(&flipped), index, size, &proof, root));
            if let Some(short) = proof.len().checked_sub(1) {
                prop_assert!(!is_included(leaf(bytes), index, size, &proof[..short], root));
            }
            let long: Vec<Hash> = proof.iter().copied().chain([root]).collect();
            prop_assert!(!is_included(leaf(bytes), index, size, &long, root));
        }
        prop_assert_eq!(inclusion(&kept, size, size).unwrap(), None);
    }

    #[test]
    fn each_tree_is_proven_to_continue_every_earlier_one(leaves in leaves()) {
        let (tree, kept) = grown(&leaves);
        let (size, root) = (tree.size(), tree.root());
        for old in 0..=size {
            let before = naive(&leaves[..old as usize]);
            let proof = consistency(&kept, old, size).unwrap().unwrap();
            prop_assert!(is_consistent((old, before), (size, root), &proof), "from {}", old);
            let forked = leaf(b"another past");
            prop_assert!(!is_consistent((old, forked), (size, root), &proof));
            prop_assert!(!is_consistent((old, before), (size, forked), &proof) || old == 0);
            if let Some(short) = proof.len().checked_sub(1) {
                prop_assert!(!is_consistent((old, before), (size, root), &proof[..short]));
            }
        }
        prop_assert_eq!(consistency(&kept, size + 1, size).unwrap(), None);
    }
}

#[test]
fn a_node_that_is_missing_is_said_and_not_guessed() {
    let leaves: Vec<Vec<u8>> = (0..7).map(|number| vec![number]).collect();
    let (_, mut kept) = grown(&leaves);
    let gone = Place { level: 1, index: 0 };
    kept.0.remove(&gone);
    assert_eq!(inclusion(&kept, 2, 7), Err(MissingNode(gone)));
    assert!(inclusion(&kept, 0, 7).is_ok(), "which does not need it");
}
