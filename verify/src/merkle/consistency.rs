//! That a tree has only grown (RFC 6962, section 2.1.2; checking as RFC 9162, section 2.1.4.2).

use attest::Sha256;

use super::tree::{MakeError, Nodes, range, split};
use super::{ProofError, node_hash};

/// Proves that the tree of the first `to` leaves extends the tree of the first `from` leaves
/// (RFC 6962, section 2.1.2: `PROOF(from, D[to])`). Between equal trees the proof is empty.
///
/// # Errors
/// [`ProofError::Empty`] from the empty tree to another, [`ProofError::Shrunk`] when `to` is less than
/// `from`; whatever reading the tree fails with.
pub fn consistency_proof<N: Nodes>(
    nodes: &N,
    from: u64,
    to: u64,
) -> Result<Vec<Sha256>, MakeError<N::Error>> {
    check_sizes(from, to)?;
    if from == to {
        return Ok(Vec::new());
    }
    let (mut start, mut end) = (0, to);
    let mut path = Vec::new();
    // `SUBPROOF(from, D[start:end], start == 0)`, one level down each round: at most 64.
    while from != end {
        let middle = start + split(end - start);
        let sibling = if from <= middle {
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
    // When `start` is zero this subtree is the old tree, whose root the checker has.
    if start != 0 {
        path.push(range(nodes, start, end).map_err(MakeError::Nodes)?);
    }
    path.reverse();
    Ok(path)
}

/// Checks that the tree of `to` leaves with `to_root` extends the tree of `from` leaves with
/// `from_root`.
///
/// # Errors
/// [`ProofError`] saying what does not fit.
pub fn verify_consistency(
    from: u64,
    to: u64,
    proof: &[Sha256],
    from_root: &Sha256,
    to_root: &Sha256,
) -> Result<(), ProofError> {
    check_sizes(from, to)?;
    let length = ProofError::Length { found: proof.len() };
    if from == to {
        if !proof.is_empty() {
            return Err(length);
        }
        return same(from_root, to_root);
    }
    // The path starts at the last complete subtree of the old tree. When that is the whole old
    // tree, its hash is the old root and is not repeated in the proof.
    let (first, rest) = if from.is_power_of_two() {
        (from_root, proof)
    } else {
        proof.split_first().ok_or_else(|| length.clone())?
    };
    let skipped = (from - 1).trailing_ones();
    let (mut node, mut last) = ((from - 1) >> skipped, (to - 1) >> skipped);
    let (mut old, mut new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return Err(length);
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(length);
    }
    same(&old, from_root)?;
    same(&new, to_root)
}

const fn check_sizes(from: u64, to: u64) -> Result<(), ProofError> {
    if from > to {
        return Err(ProofError::Shrunk { from, to });
    }
    if from == 0 && to > 0 {
        return Err(ProofError::Empty);
    }
    Ok(())
}

fn same(computed: &Sha256, expected: &Sha256) -> Result<(), ProofError> {
    if computed == expected {
        Ok(())
    } else {
        Err(ProofError::Root { computed: *computed, expected: *expected })
    }
}
