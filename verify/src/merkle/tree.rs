//! Where proof makers read the tree: complete subtrees, by level and position.

use attest::Sha256;

use super::{Frontier, ProofError, node_hash};

/// A complete subtree: the leaves `index << level` up to, without, `(index + 1) << level`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Node {
    /// Its height: 0 for a leaf.
    pub level: u8,
    /// Its position among the subtrees of this height.
    pub index: u64,
}

/// The hashes of complete subtrees of one tree: from tiles, from memory, from a journal.
pub trait Nodes {
    /// Why a node cannot be read.
    type Error;

    /// The hash of `node`.
    ///
    /// # Errors
    /// When the hash cannot be had. Proof makers ask only for subtrees that are complete in the
    /// tree whose size they were given.
    fn node(&self, node: Node) -> Result<Sha256, Self::Error>;
}

/// A growing tree with all its complete subtrees in memory: 64 bytes for each leaf.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    frontier: Frontier,
    levels: Vec<Vec<Sha256>>,
}

/// The tree does not have this complete subtree.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the tree has no complete subtree {} of height {}", .0.index, .0.level)]
pub struct MissingNode(
    /// What was asked for.
    pub Node,
);

/// Why a proof cannot be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError<E> {
    /// There is no such proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A node cannot be read.
    #[error("cannot read the tree")]
    Nodes(#[source] E),
}

impl Tree {
    /// Appends the leaf with this leaf hash.
    pub fn append(&mut self, leaf: Sha256) {
        let levels = &mut self.levels;
        self.frontier.append_with(leaf, |node, hash| {
            let level = usize::from(node.level);
            if levels.len() <= level {
                levels.resize(level + 1, Vec::new());
            }
            // Subtrees of one height are completed from left to right.
            if let Some(row) = levels.get_mut(level) {
                row.push(hash);
            }
        });
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root (RFC 6962, section 2.1).
    pub fn root(&self) -> Sha256 {
        self.frontier.root()
    }
}

impl FromIterator<Sha256> for Tree {
    fn from_iter<I: IntoIterator<Item = Sha256>>(leaf_hashes: I) -> Self {
        let mut tree = Self::default();
        for hash in leaf_hashes {
            tree.append(hash);
        }
        tree
    }
}

impl Nodes for Tree {
    type Error = MissingNode;

    fn node(&self, node: Node) -> Result<Sha256, MissingNode> {
        let row = self.levels.get(usize::from(node.level));
        let place = usize::try_from(node.index).ok();
        row.zip(place).and_then(|(row, place)| row.get(place)).copied().ok_or(MissingNode(node))
    }
}

/// The hash of the subtree over the leaves `start..end` (RFC 6962, section 2.1: `MTH(D[start:end])`).
///
/// `start` is a multiple of a power of two that is at least `end - start`, as it is for every
/// subtree of an RFC 6962 tree; then the range is a row of complete subtrees, from high to low.
pub(super) fn range<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Sha256, N::Error> {
    let (mut rest, mut to) = (end.saturating_sub(start), end);
    let mut folded = None;
    // From the right; one round for each bit of the length: at most 64.
    while rest > 0 {
        let level = rest.trailing_zeros();
        to -= 1_u64 << level;
        rest &= rest - 1;
        let node = Node { level: u8::try_from(level).unwrap_or(u8::MAX), index: to >> level };
        let hash = nodes.node(node)?;
        folded = Some(folded.map_or(hash, |right| node_hash(&hash, &right)));
    }
    Ok(folded.unwrap_or_else(super::empty_root))
}

/// The largest power of two smaller than `size` (RFC 6962, section 2.1: `k`); `size` is 2 or more.
pub(super) const fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}
