//! Postings put in order.

use super::block::Posting;

/// Postings are dealt by so many of the first bits of their fingerprints.
const BITS: u32 = 12;

/// Postings in order, each once.
#[derive(Debug)]
pub(super) struct Sorted {
    /// The postings.
    pub(super) postings: Vec<Posting>,
    /// How many fingerprints they have.
    pub(super) fingerprints: u64,
}

impl Sorted {
    /// Of postings in any order. What is in order already takes the least time.
    ///
    /// Fingerprints are spread evenly: dealt by their first bits, each part is so small that it is
    /// sorted where the processor has it at hand.
    pub(super) fn of(unsorted: impl Iterator<Item = Posting> + Clone) -> Self {
        let mut ends = vec![0_usize; 1 << BITS];
        for posting in unsorted.clone() {
            if let Some(end) = ends.get_mut(part_of(posting)) {
                *end += 1;
            }
        }
        let mut before = 0;
        for end in &mut ends {
            // Where the part starts, for now: whoever is dealt moves it on.
            (*end, before) = (before, before + *end);
        }
        let mut postings = vec![Posting { fingerprint: 0, index: 0 }; before];
        for posting in unsorted {
            if let Some(end) = ends.get_mut(part_of(posting))
                && let Some(place) = postings.get_mut(*end)
            {
                *place = posting;
                *end += 1;
            }
        }
        let mut start = 0;
        for end in ends {
            if let Some(part) = postings.get_mut(start..end) {
                // Stable, because that sees what is in order: most are of the few fingerprints that
                // all entries have, and come by entry.
                part.sort();
            }
            start = end;
        }
        postings.dedup();
        let others = postings.windows(2).filter(|pair| match pair {
            [one, next] => one.fingerprint != next.fingerprint,
            _ => false,
        });
        let fingerprints = others.count() as u64 + u64::from(!postings.is_empty());
        Self { postings, fingerprints }
    }
}

fn part_of(posting: Posting) -> usize {
    usize::try_from(posting.fingerprint >> (u64::BITS - BITS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_are_there_once_and_in_order(
            // Leaves and then terms; few fingerprints for many entries, and many that are close.
            lists in prop::collection::vec(
                prop::collection::vec(
                    prop::collection::vec(prop_oneof![0..4_u64, any::<u64>(), 0..1_u64 << 56], 0..6),
                    0..60,
                ),
                0..3,
            ),
        ) {
            let of_list = |entries: &Vec<Vec<u64>>| -> Vec<Posting> {
                let of_entry = |(index, all): (u64, &Vec<u64>)| -> Vec<Posting> {
                    all.iter().map(|one| Posting { fingerprint: *one, index }).collect()
                };
                (7..).zip(entries).flat_map(of_entry).collect()
            };
            let postings: Vec<Posting> = lists.iter().flat_map(of_list).collect();
            let sorted = Sorted::of(postings.iter().copied());
            let want: BTreeSet<Posting> = postings.into_iter().collect();
            let fingerprints: BTreeSet<u64> = want.iter().map(|one| one.fingerprint).collect();
            prop_assert_eq!(sorted.postings, want.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(sorted.fingerprints, fingerprints.len() as u64);
        }
    }
}
