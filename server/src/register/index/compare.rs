//! Holding the index against what the journal says.

use super::{Addition, Index, IndexError};

/// Something that the index does not say as the journal does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) struct Difference {
    /// Position of the entry that it is about.
    pub(in super::super) index: u64,
    /// What is different.
    pub(in super::super) what: &'static str,
}

impl Index {
    /// What the index does not say as `addition` does, the first of each kind; searched for are
    /// the entries that are `searched`.
    pub(in super::super) fn compare(
        &self,
        addition: &Addition,
        searched: impl Fn(u64) -> bool,
    ) -> Result<Vec<Difference>, IndexError> {
        let mut found = Vec::new();
        let mut differs = |index, what| found.push(Difference { index, what });
        for (index, place) in (addition.first..).zip(&addition.places) {
            if self.place(index)? != Some(*place) {
                differs(index, "where it stands in the journal");
                break;
            }
        }
        for (node, hash) in &addition.nodes {
            // Only the levels that tiles have are stored.
            if node.level % 8 != 0 {
                continue;
            }
            let stored = self.hashes(node.level / 8, node.index, 1)?;
            if stored.first() != Some(hash) {
                let last = (node.index << node.level) + (1 << node.level) - 1;
                differs(last, "a hash of the tree");
                break;
            }
        }
        for posting in addition.postings().filter(|posting| searched(posting.index)) {
            if self.next_with(posting.fingerprint, posting.index)? != Some(posting.index) {
                differs(posting.index, "what it is found by");
                break;
            }
        }
        Ok(found)
    }
}
