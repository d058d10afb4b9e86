//! Proofs that an entry is in a log, and that a log has only grown.
//!
//! Hashing follows RFC 6962, section 2.1: leaves and nodes get different prefixes, so that
//! neither can pass for the other. Making a proof and checking one stand side by side, to be
//! read against the same section. Nothing here reads a clock, a file or a socket, and nothing
//! here believes a root: who signed it is for the caller to know.
//!
//! Sizes and positions are any `u64`; no loop runs more than 64 times for each of them.

mod consistency;
mod frontier;
mod inclusion;
#[cfg(test)]
mod properties;
mod tree;
#[cfg(test)]
mod vectors;

use attest::Sha256;

pub use consistency::{consistency_proof, verify_consistency};
pub use frontier::{Frontier, FrontierError};
pub use inclusion::{inclusion_proof, verify_inclusion};
pub use tree::{MakeError, MissingNode, Node, Nodes, Tree};

/// How many hashes a proof of either kind can have: one for each level of a tree of 2^64
/// leaves, and one more in consistency proofs.
pub const MAX_PROOF: usize = 65;

/// Why a proof proves nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The position is not in a tree of this size.
    #[error("position {index} is not in a tree of {size} entries")]
    Position {
        /// The position.
        index: u64,
        /// The size.
        size: u64,
    },
    /// The later tree is the smaller one.
    #[error("a tree of {from} entries cannot grow to one of {to}")]
    Shrunk {
        /// Size of the earlier tree.
        from: u64,
        /// Size of the later tree.
        to: u64,
    },
    /// Every tree extends the empty one, so that there is nothing to prove.
    #[error("nothing can be proven from the empty tree")]
    Empty,
    /// The proof has too many or too few hashes for these sizes.
    #[error("{found} hashes, which is not the length of a proof for these sizes")]
    Length {
        /// How many there are.
        found: usize,
    },
    /// The hashes do not lead to the root.
    #[error("the hashes lead to {computed}, not to the root {expected}")]
    Root {
        /// Where they lead.
        computed: Sha256,
        /// Where they should.
        expected: Sha256,
    },
}

/// The hash of a leaf: `SHA-256(0x00 || leaf)` (RFC 6962, section 2.1).
pub fn leaf_hash(leaf: &[u8]) -> Sha256 {
    Sha256::of_parts([&[0_u8][..], leaf])
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)` (RFC 6962, section 2.1).
pub fn node_hash(left: &Sha256, right: &Sha256) -> Sha256 {
    let mut bytes = [1_u8; 65];
    let (_, children) = bytes.split_at_mut(1);
    for (slot, byte) in children.iter_mut().zip(left.as_bytes().iter().chain(right.as_bytes())) {
        *slot = *byte;
    }
    Sha256::of(&bytes)
}

/// The root of the tree without leaves: `SHA-256()` (RFC 6962, section 2.1).
pub fn empty_root() -> Sha256 {
    Sha256::of(&[])
}

/// The root of the tree over `leaf_hashes` (RFC 6962, section 2.1).
pub fn root(leaf_hashes: &[Sha256]) -> Sha256 {
    let mut frontier = Frontier::new();
    for hash in leaf_hashes {
        frontier.append(*hash);
    }
    frontier.root()
}
