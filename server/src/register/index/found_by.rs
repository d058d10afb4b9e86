//! Which entries have a fingerprint, in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use super::block::Posting;

/// The entries of each fingerprint, in order.
#[derive(Debug, Default)]
pub(super) struct FoundBy(HashMap<u64, Positions, BuildHasherDefault<AsIs>>);

/// Positions of entries, in order; most fingerprints have one.
#[derive(Debug)]
struct Positions {
    first: u64,
    more: Vec<u64>,
}

/// Fingerprints are spread evenly already.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

impl FoundBy {
    /// Adds postings of entries that follow.
    pub(super) fn add(&mut self, postings: &[Posting]) {
        for Posting { fingerprint, index } in postings {
            match self.0.entry(*fingerprint) {
                Entry::Vacant(vacant) => {
                    vacant.insert(Positions { first: *index, more: Vec::new() });
                }
                Entry::Occupied(mut known) if known.get().last() != *index => {
                    known.get_mut().more.push(*index);
                }
                // Two of what the entry is found by have one fingerprint.
                Entry::Occupied(_) => {}
            }
        }
    }

    /// The entries with `fingerprint` from `start` on.
    pub(super) fn all(&self, fingerprint: u64, start: u64) -> Vec<u64> {
        let Some(Positions { first, more }) = self.0.get(&fingerprint) else {
            return Vec::new();
        };
        let later = more.get(more.partition_point(|index| *index < start)..).unwrap_or_default();
        std::iter::once(first).filter(|index| **index >= start).chain(later).copied().collect()
    }

    /// The last entry with `fingerprint` at `end` or before it.
    pub(super) fn previous(&self, fingerprint: u64, end: u64) -> Option<u64> {
        let Positions { first, more } = self.0.get(&fingerprint)?;
        let before = more.partition_point(|index| *index <= end);
        let last = before.checked_sub(1).and_then(|last| more.get(last)).unwrap_or(first);
        (*last <= end).then_some(*last)
    }
}

impl Positions {
    fn last(&self) -> u64 {
        self.more.last().copied().unwrap_or(self.first)
    }
}
