//! Whether entries are found by what they say, and by nothing else, for a sample of what that is.
//!
//! Looking each entry up by all that it says shows that nothing is missing. That nothing is found
//! too much takes whole lists: those with the least fingerprints are kept while the journal is
//! read, and held against the index at its end. Fingerprints are as good as random, so that it is
//! a fair sample.

use std::collections::{BTreeMap, HashSet};

use super::{Addition, Difference, Index, IndexError};

/// Most entries of a list that are kept; what comes after them is not looked at.
const MAX_LISTED: usize = 1 << 16;

/// Lists of the journal that the index is to have as well.
#[derive(Debug, Default)]
pub(in super::super) struct Sample {
    most: usize,
    lists: BTreeMap<u64, Vec<u64>>,
    /// Entries of which nobody knows all that they said.
    unclear: HashSet<u64>,
}

impl Sample {
    /// A sample of at most so many lists.
    pub(in super::super) fn of(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// How many lists it has.
    pub(in super::super) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Takes what a commit says. Entries that are `unclear` may be found by more than that.
    pub(in super::super) fn take(&mut self, addition: &Addition, unclear: &[u64]) {
        self.unclear.extend(unclear);
        for posting in addition.postings() {
            let list = self.lists.entry(posting.fingerprint).or_default();
            if list.len() < MAX_LISTED && list.last() != Some(&posting.index) {
                list.push(posting.index);
            }
            // A list that stays was never dropped: it is always among those with the least.
            if self.lists.len() > self.most {
                self.lists.pop_last();
            }
        }
    }

    /// What the index finds otherwise, the first of each list.
    pub(in super::super) fn compare(&self, index: &Index) -> Result<Vec<Difference>, IndexError> {
        let mut differences = Vec::new();
        for (fingerprint, list) in &self.lists {
            differences.extend(self.compare_one(index, *fingerprint, list)?);
        }
        Ok(differences)
    }

    fn compare_one(
        &self,
        index: &Index,
        fingerprint: u64,
        list: &[u64],
    ) -> Result<Option<Difference>, IndexError> {
        let (mut wanted, mut start) = (list.iter().copied().peekable(), 0);
        // Each round passes an entry.
        while let Some(found) = index.next_with(fingerprint, start)? {
            match wanted.peek() {
                Some(want) if *want < found => break,
                Some(want) if *want == found => drop(wanted.next()),
                None if list.len() >= MAX_LISTED => return Ok(None),
                _ if self.unclear.contains(&found) => {}
                _ => {
                    let what = "it is found by what it does not say";
                    return Ok(Some(Difference { index: found, what }));
                }
            }
            start = found.saturating_add(1);
        }
        let missing = |index| Difference { index, what: "what it is found by" };
        Ok(wanted.next().map(missing))
    }
}
