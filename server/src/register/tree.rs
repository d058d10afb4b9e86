//! The size and root of the register's tree at one moment.

use attest::Sha256;
use verify::merkle::Node;

/// A tree of the register: how many leaves, and the hash over them (RFC 6962, section 2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tree {
    /// Number of leaves.
    pub size: u64,
    /// Root hash over the leaves.
    pub root: Sha256,
}

impl Tree {
    /// The tree without leaves; its root is the hash of nothing.
    pub fn empty() -> Self {
        Self { size: 0, root: Sha256::of(b"") }
    }
}

/// The complete subtrees that make up the tree of `size` leaves, the largest first.
pub(super) fn edge(size: u64) -> impl Iterator<Item = Node> {
    (0..64_u8)
        .rev()
        .filter(move |level| size >> level & 1 == 1)
        .map(move |level| Node { level, index: (size >> level) - 1 })
}
