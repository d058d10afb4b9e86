//! That an entry is in a tree (RFC 6962, section 2.1.1; checking as RFC 9162, section 2.1.3.2).

use attest::Sha256;

use super::tree::{MakeError, Nodes, range, split};
use super::{ProofError, node_hash};

/// Proves that the leaf at `index` is in the tree of the first `size` leaves: the audit path,
/// from the leaf up (RFC 6962, section 2.1.1: `PATH(index, D[size])`).
///
/// # Errors
/// [`ProofError::Position`] unless `index < size`; whatever reading the tree fails with.
pub fn inclusion_proof<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Vec<Sha256>, MakeError<N::Error>> {
    if index >= size {
        return Err(ProofError::Position { index, size }.into());
    }
    let (mut start, mut end) = (0, size);
    let mut path =
        Vec::with_capacity(usize::try_from(u64::BITS - size.leading_zeros()).unwrap_or(0));
    // Each round goes one level down: at most 64.
    while end - start > 1 {
        let middle = start + split(end - start);
        let sibling = if index < middle {
            let sibling = (middle, end);
            end = middle;
            sibling
        } else {
            let sibling = (start, middle);
            start = middle;
            sibling
        };
        path.push(range(nodes, sibling.0, sibling.1).map_err(MakeError::Nodes)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that the leaf with hash `leaf` is at `index` in the tree of `size` leaves with `root`.
///
/// # Errors
/// [`ProofError`] saying what does not fit.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Sha256,
    proof: &[Sha256],
    root: &Sha256,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Position { index, size });
    }
    let length = ProofError::Length { found: proof.len() };
    let (mut node, mut last) = (index, size - 1);
    let mut computed = *leaf;
    for sibling in proof {
        // `last` is zero at the root: a proof that goes on is too long.
        if last == 0 {
            return Err(length);
        }
        if node & 1 == 1 || node == last {
            computed = node_hash(sibling, &computed);
            // A node at the right edge without a right sibling stands for its parent.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            computed = node_hash(&computed, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    if computed != *root {
        return Err(ProofError::Root { computed, expected: *root });
    }
    Ok(())
}
