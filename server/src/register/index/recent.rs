//! The newest entries, which the database does not have yet.
//!
//! To write the index with each commit would make thousands of small runs, merged again and again,
//! and rows that are written anew for every few entries. So the newest entries are kept here, and
//! are written together as one run. What a crash takes is caught up from the journal.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};

use attest::{Sha256, Timestamp};
use verify::merkle::Node;

use super::block::Posting;
use super::hashes::TILE_HEIGHT;
use super::places::Place;

/// How many entries are kept before they are written.
const MAX_ENTRIES: usize = 8192;
/// How many postings are kept before they are written; each takes about 50 bytes.
const MAX_POSTINGS: usize = 262_144;

/// The newest entries.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Position of the first of them.
    first: u64,
    places: Vec<Place>,
    /// For each level of tiles, the hashes of the subtrees that they made complete.
    levels: Vec<Vec<Sha256>>,
    found_by: HashMap<u64, Positions, BuildHasherDefault<AsIs>>,
    postings: usize,
}

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

impl Recent {
    /// None yet, after the first `first` entries.
    pub(super) fn after(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// Position of the first entry that is not in the database.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// Whether it is time to write them.
    pub(super) const fn is_full(&self) -> bool {
        self.places.len() >= MAX_ENTRIES || self.postings >= MAX_POSTINGS
    }

    /// Whether they should have been written long ago.
    pub(super) const fn is_overfull(&self) -> bool {
        self.places.len() >= 4 * MAX_ENTRIES || self.postings >= 4 * MAX_POSTINGS
    }

    /// Adds the entries that follow.
    pub(super) fn push(
        &mut self,
        places: &[Place],
        nodes: &[(Node, Sha256)],
        postings: &[Posting],
    ) {
        self.places.extend_from_slice(places);
        for (node, hash) in nodes.iter().filter(|(node, _)| node.level % TILE_HEIGHT == 0) {
            let level = usize::from(node.level / TILE_HEIGHT);
            if self.levels.len() <= level {
                self.levels.resize_with(level + 1, Vec::new);
            }
            // Those of one level come in order, without a gap.
            if let Some(hashes) = self.levels.get_mut(level) {
                hashes.push(*hash);
            }
        }
        for Posting { fingerprint, index } in postings {
            match self.found_by.entry(*fingerprint) {
                Entry::Vacant(vacant) => {
                    vacant.insert(Positions { first: *index, more: Vec::new() });
                }
                Entry::Occupied(mut known) if known.get().last() != *index => {
                    known.get_mut().more.push(*index);
                }
                // Two of the entry's terms have one fingerprint.
                Entry::Occupied(_) => continue,
            }
            self.postings += 1;
        }
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Where an entry is.
    pub(super) fn place(&self, index: u64) -> Option<Place> {
        let number = usize::try_from(index.checked_sub(self.first)?).ok()?;
        self.places.get(number).copied()
    }

    /// For each level of tiles, the index of the first subtree that is here, and their hashes.
    pub(super) fn levels(&self) -> impl Iterator<Item = (u8, u64, &[Sha256])> {
        self.levels
            .iter()
            .zip(0_u8..)
            .map(|(hashes, level)| (level, self.start(level), &hashes[..]))
    }

    /// The index of the first subtree of a level of tiles that is not in the database.
    pub(super) fn start(&self, level: u8) -> u64 {
        let height = u32::from(level) * u32::from(TILE_HEIGHT);
        self.first.checked_shr(height).unwrap_or(0)
    }

    /// Hashes of a level of tiles from the subtree `start` on, at most `count`.
    pub(super) fn hashes(&self, level: u8, start: u64, count: u64) -> &[Sha256] {
        let hashes = self.levels.get(usize::from(level)).map_or(&[][..], Vec::as_slice);
        let skipped = usize::try_from(start.saturating_sub(self.start(level)));
        let found = hashes.get(skipped.unwrap_or(usize::MAX)..).unwrap_or_default();
        let most = usize::try_from(count).unwrap_or(usize::MAX).min(found.len());
        found.get(..most).unwrap_or_default()
    }

    /// The entries with `fingerprint` from `start` on.
    pub(super) fn all(&self, fingerprint: u64, start: u64) -> Vec<u64> {
        let Some(Positions { first, more }) = self.found_by.get(&fingerprint) else {
            return Vec::new();
        };
        let later = more.get(more.partition_point(|index| *index < start)..).unwrap_or_default();
        std::iter::once(first).filter(|index| **index >= start).chain(later).copied().collect()
    }

    /// The last entry with `fingerprint` at `end` or before it.
    pub(super) fn previous(&self, fingerprint: u64, end: u64) -> Option<u64> {
        let Positions { first, more } = self.found_by.get(&fingerprint)?;
        let before = more.partition_point(|index| *index <= end);
        let last = before.checked_sub(1).and_then(|last| more.get(last)).unwrap_or(first);
        (*last <= end).then_some(*last)
    }

    /// The first entry that was committed at `time` or after it.
    pub(super) fn first_at(&self, time: Timestamp) -> Option<u64> {
        let number = self.places.partition_point(|place| place.time < time);
        (number < self.places.len()).then(|| self.first.saturating_add(number as u64))
    }

    /// How many fingerprints there are.
    pub(super) fn fingerprints(&self) -> u64 {
        self.found_by.len() as u64
    }

    /// All postings, sorted, each once.
    pub(super) fn postings(&self) -> Vec<Posting> {
        let mut postings = Vec::with_capacity(self.postings);
        for (fingerprint, Positions { first, more }) in &self.found_by {
            let indices = std::iter::once(first).chain(more);
            postings
                .extend(indices.map(|index| Posting { fingerprint: *fingerprint, index: *index }));
        }
        postings.sort_unstable();
        postings
    }
}

impl Positions {
    fn last(&self) -> u64 {
        self.more.last().copied().unwrap_or(self.first)
    }
}
