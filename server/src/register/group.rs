//! What submissions that were committed together have in common: the checkpoint that shows them,
//! and the part of the tree that they made.
//!
//! The proof that a new entry is under that checkpoint needs the subtrees that its commit made
//! complete and the right edge of the tree before it, and nothing else. So whoever committed keeps
//! these for those who wait, and none of them asks the storage.

use std::sync::Arc;

use attest::Sha256;
use verify::merkle::{Frontier, MakeError, Node, Nodes, ProofError, inclusion_proof};

use super::batch::Batch;
use super::entry::Signed;
use super::tree::edge;

/// What a commit made known to all who took part in it.
#[derive(Debug)]
pub(super) struct Group {
    /// The checkpoint that was signed after the commit.
    pub(super) signed: Arc<Signed>,
    /// The new part of its tree; `None` when nothing was new.
    pub(super) grown: Option<Grown>,
}

impl Group {
    /// Proves that the entry at `index` is under the checkpoint; `None` when what is kept here does
    /// not reach that far back.
    ///
    /// # Errors
    /// [`ProofError`] when the tree has no such entry.
    pub(super) fn inclusion(&self, index: u64) -> Result<Option<Vec<Sha256>>, ProofError> {
        let size = self.signed.checkpoint.size;
        let Some(grown) = self.grown.as_ref().filter(|grown| grown.covers(index, size)) else {
            return Ok(None);
        };
        match inclusion_proof(grown, index, size) {
            Ok(hashes) => Ok(Some(hashes)),
            Err(MakeError::Proof(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }
}

/// The subtrees that a commit made complete, and the right edge of the tree that it found.
#[derive(Debug)]
pub(super) struct Grown {
    from: u64,
    size: u64,
    edge: Vec<(Node, Sha256)>,
    /// By height: the position of the first that is new, and the hashes from there on.
    levels: Vec<(u64, Vec<Sha256>)>,
}

/// The subtree is neither new nor at the edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere;

impl Grown {
    /// What `batch` adds to the tree of `before`.
    pub(super) fn of(before: &Frontier, batch: &Batch) -> Self {
        let mut levels: Vec<(u64, Vec<Sha256>)> = Vec::new();
        for (node, hash) in batch.nodes() {
            let level = usize::from(node.level);
            if levels.len() <= level {
                levels.resize(level + 1, (0, Vec::new()));
            }
            // Those of one height come from left to right, without a gap.
            if let Some((first, hashes)) = levels.get_mut(level) {
                if hashes.is_empty() {
                    *first = node.index;
                }
                hashes.push(*hash);
            }
        }
        let edge = edge(before.size()).zip(before.hashes().iter().copied()).collect();
        Self { from: before.size(), size: batch.head().size, edge, levels }
    }

    const fn covers(&self, index: u64, size: u64) -> bool {
        self.size == size && self.from <= index
    }

    fn new_node(&self, node: Node) -> Option<Sha256> {
        let (first, hashes) = self.levels.get(usize::from(node.level))?;
        hashes.get(usize::try_from(node.index.checked_sub(*first)?).ok()?).copied()
    }
}

impl Nodes for Grown {
    type Error = Elsewhere;

    fn node(&self, node: Node) -> Result<Sha256, Elsewhere> {
        let at_edge = || self.edge.iter().find(|(known, _)| *known == node).map(|(_, hash)| *hash);
        self.new_node(node).or_else(at_edge).ok_or(Elsewhere)
    }
}

#[cfg(test)]
mod tests {
    use attest::{Checkpoint, Timestamp};
    use verify::merkle::verify_inclusion;

    use super::super::batch::{Covered, NewEntry};
    use super::*;

    #[test]
    fn every_new_entry_is_proven_from_what_its_commit_made() {
        let mut frontier = Frontier::new();
        let mut number = 0_u64;
        for count in [1_u64, 1, 1, 5, 8, 16, 3, 1, 64, 100, 255, 2, 513] {
            let from = frontier.size();
            let entries: Vec<Arc<NewEntry>> = (0..count)
                .map(|_| {
                    number += 1;
                    Arc::new(NewEntry::new(number.to_be_bytes().to_vec(), Covered::Unknown))
                })
                .collect();
            let batch = Batch::new(&frontier, Timestamp::UNIX_EPOCH, entries).unwrap();
            let grown = Some(Grown::of(&frontier, &batch));
            let (size, root) = (batch.head().size, batch.head().root);
            let checkpoint = Checkpoint { origin: "o".into(), size, root };
            let signed = Arc::new(Signed { checkpoint, note: String::new() });
            let group = Group { signed, grown };
            for (index, entry) in (from..).zip(batch.entries()) {
                let proof = group.inclusion(index).unwrap().unwrap();
                verify_inclusion(index, size, &entry.leaf_hash(), &proof, &root).unwrap();
            }
            // What was there before is proven from the storage, what is not there by nobody.
            if let Some(before) = from.checked_sub(1) {
                assert_eq!(group.inclusion(before), Ok(None));
            }
            assert!(group.inclusion(size).is_err());
            frontier = batch.frontier().clone();
        }
    }

    #[test]
    fn a_checkpoint_of_another_size_is_proven_from_the_storage() {
        let entries = vec![Arc::new(NewEntry::new(vec![1], Covered::Unknown))];
        let batch = Batch::new(&Frontier::new(), Timestamp::UNIX_EPOCH, entries).unwrap();
        for (size, want) in [(1, Some(Vec::new())), (2, None)] {
            let checkpoint = Checkpoint { origin: "o".into(), size, root: batch.head().root };
            let signed = Arc::new(Signed { checkpoint, note: String::new() });
            let grown = Some(Grown::of(&Frontier::new(), &batch));
            assert_eq!(Group { signed, grown }.inclusion(0), Ok(want));
        }
    }
}
