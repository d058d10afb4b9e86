//! The right edge of a growing tree: all that is needed to append to it and to know its root.

use attest::Sha256;

use super::{Node, empty_root, node_hash};

/// A tree reduced to the hashes of its largest complete subtrees, from left to right (a compact
/// range that starts at zero). It holds at most 64 hashes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Sha256>,
}

/// The hashes are not those of a frontier of this size.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the frontier of {size} entries has {} hashes, not {found}", size.count_ones())]
pub struct FrontierError {
    /// The size.
    pub size: u64,
    /// How many hashes there are.
    pub found: usize,
}

impl Frontier {
    /// The empty tree.
    pub const fn new() -> Self {
        Self { size: 0, hashes: Vec::new() }
    }

    /// The frontier that [`Frontier::size`] and [`Frontier::hashes`] were taken from. Whether
    /// the hashes are right shows in the root alone.
    ///
    /// # Errors
    /// [`FrontierError`] unless there is one hash for each bit that is set in `size`.
    pub fn from_parts(size: u64, hashes: Vec<Sha256>) -> Result<Self, FrontierError> {
        if usize::try_from(size.count_ones()) != Ok(hashes.len()) {
            return Err(FrontierError { size, found: hashes.len() });
        }
        Ok(Self { size, hashes })
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the complete subtrees, the largest first.
    pub fn hashes(&self) -> &[Sha256] {
        &self.hashes
    }

    /// Appends the leaf with this leaf hash.
    pub fn append(&mut self, leaf: Sha256) {
        self.append_with(leaf, |_, _| {});
    }

    /// Appends the leaf with this leaf hash and shows each subtree that it completes, the leaf
    /// itself first: what whoever stores the tree has to store.
    pub fn append_with(&mut self, leaf: Sha256, mut completed: impl FnMut(Node, Sha256)) {
        let mut hash = leaf;
        let mut node = Node { level: 0, index: self.size };
        completed(node, hash);
        // Each set bit at the low end of the size is a subtree that now gets its right half.
        while node.index & 1 == 1 {
            let Some(left) = self.hashes.pop() else { break };
            hash = node_hash(&left, &hash);
            node = Node { level: node.level + 1, index: node.index >> 1 };
            completed(node, hash);
        }
        self.hashes.push(hash);
        // A log would have to append 10^9 entries a second for 500 years.
        self.size = self.size.saturating_add(1);
    }

    /// The root (RFC 6962, section 2.1).
    pub fn root(&self) -> Sha256 {
        let folded =
            self.hashes.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        folded.unwrap_or_else(empty_root)
    }
}
