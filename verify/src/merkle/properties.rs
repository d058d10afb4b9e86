//! What is made is accepted, and the smallest change of it is not, for every size from 0 to 300.
//!
//! Inclusion is made at every position; consistency between every two sizes up to 80, and every
//! seventh beyond. Changes are tried at four positions a size and six earlier sizes: one bit of
//! each hash, which moves on from case to case, and every bit of the position or size.

use attest::Sha256;
use proptest::prelude::*;

use super::*;

const SIZES: u64 = 300;
/// One bit changed in a size of nine bits stays below this, or makes the path longer.
const LEAVES: u64 = 512;

fn leaves() -> Vec<Sha256> {
    (0..LEAVES).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

fn first(leaves: &[Sha256], size: u64) -> &[Sha256] {
    &leaves[..usize::try_from(size).unwrap()]
}

/// RFC 6962, section 2.1, word for word.
fn defined_root(leaves: &[Sha256]) -> Sha256 {
    match leaves {
        [] => Sha256::of(b""),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&defined_root(&leaves[..k]), &defined_root(&leaves[k..]))
        }
    }
}

fn flip(hash: &Sha256, bit: usize) -> Sha256 {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Sha256::from_bytes(bytes)
}

/// `proof` with one bit changed, in every hash of it (the bit moves on from hash to hash), and
/// with a hash dropped, doubled or added at either end.
fn changed(proof: &[Sha256], seed: usize) -> Vec<Vec<Sha256>> {
    let mut all = Vec::new();
    for place in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[place] = flip(&proof[place], (seed + place * 37) % 256);
        all.push(flipped);
        let mut dropped = proof.to_vec();
        dropped.remove(place);
        all.push(dropped);
        let mut doubled = proof.to_vec();
        doubled.insert(place, proof[place]);
        all.push(doubled);
    }
    for place in [0, proof.len()] {
        let mut longer = proof.to_vec();
        longer.insert(place, Sha256::of(b"more"));
        all.push(longer);
    }
    all
}

#[test]
fn roots_are_as_defined() {
    let leaves = leaves();
    let tree: Tree = leaves.iter().copied().collect();
    assert_eq!((tree.size(), tree.root()), (LEAVES, defined_root(&leaves)));
    let mut frontier = Frontier::new();
    for size in 0..=SIZES {
        let expected = defined_root(first(&leaves, size));
        assert_eq!(frontier.root(), expected, "{size}");
        assert_eq!(root(first(&leaves, size)), expected, "{size}");
        let again = Frontier::from_parts(frontier.size(), frontier.hashes().to_vec()).unwrap();
        assert_eq!(again, frontier);
        let mut short = frontier.hashes().to_vec();
        short.push(expected);
        assert!(Frontier::from_parts(size, short).is_err(), "{size}");
        if size < SIZES {
            let mut completed = Vec::new();
            frontier.append_with(leaves[usize::try_from(size).unwrap()], |node, hash| {
                completed.push((node, hash));
            });
            assert_eq!(completed.len(), 1 + usize::try_from(size.trailing_ones()).unwrap());
            for (node, hash) in completed {
                assert_eq!(tree.node(node), Ok(hash), "{node:?}");
                let width = 1 << node.level;
                let start = usize::try_from(node.index).unwrap() * width;
                assert_eq!(defined_root(&leaves[start..start + width]), hash, "{node:?}");
            }
        }
    }
}

#[test]
fn inclusion_for_every_size_and_position() {
    let leaves = leaves();
    let tree: Tree = leaves.iter().copied().collect();
    for size in 1..=SIZES {
        let root = root(first(&leaves, size));
        for index in 0..size {
            let leaf = &leaves[usize::try_from(index).unwrap()];
            let proof = inclusion_proof(&tree, index, size).unwrap();
            assert!(proof.len() <= MAX_PROOF);
            assert_eq!(
                verify_inclusion(index, size, leaf, &proof, &root),
                Ok(()),
                "{index}/{size}"
            );
        }
        assert!(inclusion_proof(&tree, size, size).is_err());
    }
    assert!(inclusion_proof(&tree, 0, 0).is_err());
    assert_eq!(
        verify_inclusion(0, 0, &leaves[0], &[], &empty_root()),
        Err(ProofError::Position { index: 0, size: 0 })
    );
}

#[test]
fn inclusion_with_one_change_for_every_size() {
    let leaves = leaves();
    let tree: Tree = leaves.iter().copied().collect();
    for size in 1..=SIZES {
        let root = root(first(&leaves, size));
        let last = size - 1;
        for index in [0, last / 3, last / 2, last] {
            let leaf = &leaves[usize::try_from(index).unwrap()];
            let proof = inclusion_proof(&tree, index, size).unwrap();
            let seed = usize::try_from(size * 7 + index).unwrap();
            let refused = |index, size, leaf: &Sha256, proof: &[Sha256], root: &Sha256| {
                verify_inclusion(index, size, leaf, proof, root).is_err()
            };
            for proof in changed(&proof, seed) {
                assert!(refused(index, size, leaf, &proof, &root), "proof {index}/{size}");
            }
            for bit in [seed % 256, (seed * 31 + 5) % 256] {
                assert!(
                    refused(index, size, &flip(leaf, bit), &proof, &root),
                    "leaf {index}/{size}"
                );
                assert!(
                    refused(index, size, leaf, &proof, &flip(&root, bit)),
                    "root {index}/{size}"
                );
            }
            for bit in 0..64 {
                let other = index ^ (1 << bit);
                assert!(refused(other, size, leaf, &proof, &root), "index {other}/{size}");
            }
        }
    }
}

/// A path alone does not bind the size: leaf 0 of 3 and leaf 0 of 4 hash up alike. The signed
/// checkpoint does, with the root. So the size is changed together with the root that belongs
/// to it, and alone wherever the length of the path changes.
#[test]
fn inclusion_under_another_size() {
    let leaves = leaves();
    let tree: Tree = leaves.iter().copied().collect();
    for size in 1..=SIZES {
        let index = (size - 1) / 2;
        let leaf = &leaves[usize::try_from(index).unwrap()];
        let proof = inclusion_proof(&tree, index, size).unwrap();
        let right = root(first(&leaves, size));
        for bit in 0..64 {
            let other = size ^ (1 << bit);
            if other <= index {
                assert!(verify_inclusion(index, other, leaf, &proof, &right).is_err());
            } else if other < LEAVES {
                let its = root(first(&leaves, other));
                assert!(
                    verify_inclusion(index, other, leaf, &proof, &its).is_err(),
                    "{size}→{other}"
                );
                let path = inclusion_proof(&tree, index, other).unwrap();
                if path.len() != proof.len() {
                    assert!(verify_inclusion(index, other, leaf, &proof, &right).is_err());
                }
            } else {
                // Any size beyond has a longer path.
                assert!(verify_inclusion(index, other, leaf, &proof, &right).is_err());
            }
        }
    }
}

#[test]
fn consistency_for_every_pair_of_sizes() {
    let leaves = leaves();
    let tree: Tree = leaves.iter().copied().collect();
    let roots: Vec<Sha256> = (0..=SIZES).map(|size| root(first(&leaves, size))).collect();
    let root_of = |size: u64| &roots[usize::try_from(size).unwrap()];
    for to in 1..=SIZES {
        // Every pair up to 80, a sample of the pairs beyond.
        let step = if to <= 80 { 1 } else { 7 };
        for from in (1..=to).step_by(step).chain([to]) {
            let proof = consistency_proof(&tree, from, to).unwrap();
            assert!(proof.len() <= MAX_PROOF);
            assert_eq!(
                verify_consistency(from, to, &proof, root_of(from), root_of(to)),
                Ok(()),
                "{from}→{to}"
            );
        }
    }
    assert_eq!(verify_consistency(0, 0, &[], &empty_root(), &empty_root()), Ok(()));
    assert_eq!(verify_consistency(0, 1, &[], &empty_root(), root_of(1)), Err(ProofError::Empty));
    assert!(consistency_proof(&tree, 0, 1).is_err());
    assert!(consistency_proof(&tree, 2, 1).is_err());
}

#[test]
fn consistency_with_one_change_for_every_size() {
    let leaves = leaves();
    let tree: Tree = leaves.iter().copied().collect();
    let roots: Vec<Sha256> = (0..=SIZES).map(|size| root(first(&leaves, size))).collect();
    for to in 1..=SIZES {
        for from in [1, to / 3, to / 2, to - to / 8, to - 1, to] {
            if from == 0 {
                continue;
            }
            let at = |size: u64| &roots[usize::try_from(size).unwrap()];
            let proof = consistency_proof(&tree, from, to).unwrap();
            let seed = usize::try_from(to * 11 + from).unwrap();
            let refused = |from: u64, to: u64, proof: &[Sha256], old: &Sha256, new: &Sha256| {
                verify_consistency(from, to, proof, old, new).is_err()
            };
            for proof in changed(&proof, seed) {
                assert!(refused(from, to, &proof, at(from), at(to)), "proof {from}→{to}");
            }
            let bit = seed % 256;
            assert!(refused(from, to, &proof, &flip(at(from), bit), at(to)), "old {from}→{to}");
            assert!(refused(from, to, &proof, at(from), &flip(at(to), bit)), "new {from}→{to}");
            for bit in 0..9 {
                let (less, more) = (from ^ (1 << bit), to ^ (1 << bit));
                if less <= SIZES {
                    assert!(refused(less, to, &proof, at(less), at(to)), "from {from}→{less}/{to}");
                }
                if more <= SIZES {
                    assert!(
                        refused(from, more, &proof, at(from), at(more)),
                        "to {from}/{to}→{more}"
                    );
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_input_panics(
        index in any::<u64>(),
        size in any::<u64>(),
        proof in proptest::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let proof: Vec<Sha256> = proof.into_iter().map(Sha256::from_bytes).collect();
        let hash = Sha256::of(b"x");
        prop_assert!(verify_inclusion(index, size, &hash, &proof, &hash).is_err() || size == 1);
        prop_assert!(verify_consistency(index, size, &proof, &hash, &hash).is_err() || index == size);
        let asked = std::cell::Cell::new(0);
        let _ = inclusion_proof(&Counted(&asked), index, size);
        let _ = consistency_proof(&Counted(&asked), index, size);
        // Two proofs of at most 65 ranges of at most 64 subtrees; in truth far fewer.
        prop_assert!(asked.get() <= 4 * 64);
    }
}

struct Counted<'a>(&'a std::cell::Cell<u32>);

impl Nodes for Counted<'_> {
    type Error = ();

    fn node(&self, node: Node) -> Result<Sha256, ()> {
        self.0.set(self.0.get() + 1);
        Ok(Sha256::of(&node.index.to_be_bytes()))
    }
}
