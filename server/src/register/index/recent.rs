//! The newest entries, which the database does not have yet.
//!
//! To write the index with each commit would make thousands of small runs, merged again and again,
//! and rows that are written anew for every few entries. So the newest entries are kept here, and
//! are written together as one run. What a crash takes is caught up from the journal.

use std::sync::{Mutex, PoisonError};

use attest::{Sha256, Timestamp};

use super::addition::Addition;
use super::block::Posting;
use super::fingerprint::Kind;
use super::found_by::FoundBy;
use super::hashes::TILE_HEIGHT;
use super::places::Place;
use super::sorted::Sorted;

/// How many entries are kept before they are written.
const MAX_ENTRIES: usize = 8192;
/// How many postings are kept before they are written; each takes 16 bytes, and about 50 more once
/// somebody has searched.
const MAX_POSTINGS: usize = 262_144;

/// The newest entries.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Position of the first of them.
    first: u64,
    places: Vec<Place>,
    /// For each level of tiles, the hashes of the subtrees that they made complete.
    levels: Vec<Vec<Sha256>>,
    /// By their leaves and bodies, which every commit looks for.
    named: FoundBy,
    names: Vec<Posting>,
    /// By what they say, as it came.
    terms: Vec<Posting>,
    /// The same, as far as somebody has searched: nobody who only adds pays for it.
    searched: Mutex<Searched>,
}

#[derive(Debug, Default)]
struct Searched {
    found_by: FoundBy,
    /// How many of the postings are in it.
    count: usize,
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
        self.places.len() >= MAX_ENTRIES || self.count() >= MAX_POSTINGS
    }

    /// Whether they should have been written long ago.
    pub(super) const fn is_overfull(&self) -> bool {
        self.places.len() >= 4 * MAX_ENTRIES || self.count() >= 4 * MAX_POSTINGS
    }

    const fn count(&self) -> usize {
        self.names.len() + self.terms.len()
    }

    /// Adds the entries that follow.
    pub(super) fn push(&mut self, addition: &Addition) {
        let Addition { places, names, terms, nodes, .. } = addition;
        self.places.extend_from_slice(places);
        self.named.add(names);
        self.names.extend_from_slice(names);
        self.terms.extend_from_slice(terms);
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

    /// The entries with `fingerprint` from `start` on; of `None`, whatever it is of.
    pub(super) fn all(&self, kind: Option<Kind>, fingerprint: u64, start: u64) -> Vec<u64> {
        let said = || self.search(|found_by| found_by.all(fingerprint, start));
        match kind {
            Some(Kind::Term) => said(),
            Some(Kind::Leaf | Kind::Body) => self.named.all(fingerprint, start),
            None => {
                let mut all = self.named.all(fingerprint, start);
                all.extend(said());
                all.sort_unstable();
                all.dedup();
                all
            }
        }
    }

    /// The last entry with the `fingerprint` of a term at `end` or before it.
    pub(super) fn previous(&self, fingerprint: u64, end: u64) -> Option<u64> {
        self.search(|found_by| found_by.previous(fingerprint, end))
    }

    /// Looks for something that entries say.
    fn search<T>(&self, look: impl FnOnce(&FoundBy) -> T) -> T {
        // Nothing panics while it is held.
        let mut searched = self.searched.lock().unwrap_or_else(PoisonError::into_inner);
        let Searched { found_by, count } = &mut *searched;
        found_by.add(self.terms.get(*count..).unwrap_or_default());
        *count = self.terms.len();
        look(found_by)
    }

    /// The first entry that was committed at `time` or after it.
    pub(super) fn first_at(&self, time: Timestamp) -> Option<u64> {
        let number = self.places.partition_point(|place| place.time < time);
        (number < self.places.len()).then(|| self.first.saturating_add(number as u64))
    }

    /// All postings.
    pub(super) fn sorted(&self) -> Sorted {
        Sorted::of(self.names.iter().chain(&self.terms).copied())
    }
}
