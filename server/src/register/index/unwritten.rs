//! What the database does not have yet: the newest entries, and before them those that are being
//! written.
//!
//! Writing takes long enough for many commits. So what is written is set aside first: it is found
//! there until the database has it, and nobody who adds entries waits.

use std::sync::Arc;

use attest::{Sha256, Timestamp};

use super::super::published::Tip;
use super::addition::Addition;
use super::fingerprint::Kind;
use super::places::Place;
use super::recent::Recent;

/// All entries after those that the database has.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    writing: Option<Aside>,
    newest: Recent,
    /// What the newest are complete to; `None` before the first.
    tip: Option<Tip>,
}

/// Entries that are being written.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    /// The entries.
    pub(super) entries: Arc<Recent>,
    /// What they are complete to.
    pub(super) tip: Tip,
}

impl Unwritten {
    /// None yet, after the first `first` entries.
    pub(super) fn after(first: u64) -> Self {
        Self { newest: Recent::after(first), ..Self::default() }
    }

    /// Adds the entries that follow.
    pub(super) fn push(&mut self, addition: &Addition) {
        self.newest.push(addition);
        self.tip = Some(addition.tip);
    }

    /// Whether it is time to write: the newest are many, or what was set aside could not be written.
    pub(super) const fn is_due(&self) -> bool {
        self.writing.is_some() || self.newest.is_full()
    }

    /// Whether nothing more is to be added before something was written.
    pub(super) const fn is_overfull(&self) -> bool {
        self.newest.is_overfull()
    }

    /// What is to be written next, set aside; `None` when the database has everything.
    pub(super) fn set_aside(&mut self) -> Option<Aside> {
        // One whose writing failed comes again.
        if self.writing.is_none() && !self.newest.places().is_empty() {
            let next = self.newest.first().saturating_add(self.newest.places().len() as u64);
            let entries = std::mem::replace(&mut self.newest, Recent::after(next));
            self.writing = self.tip.map(|tip| Aside { entries: Arc::new(entries), tip });
        }
        self.writing.clone()
    }

    /// The database has what was set aside.
    pub(super) fn written(&mut self) {
        self.writing = None;
    }

    /// From the oldest on.
    fn parts(&self) -> impl DoubleEndedIterator<Item = &Recent> {
        self.writing.iter().map(|aside| aside.entries.as_ref()).chain([&self.newest])
    }

    fn oldest(&self) -> &Recent {
        self.writing.as_ref().map_or(&self.newest, |aside| &aside.entries)
    }

    /// Position of the first entry that is not in the database.
    pub(super) fn first(&self) -> u64 {
        self.oldest().first()
    }

    /// The index of the first subtree of a level of tiles that is not in the database.
    pub(super) fn start(&self, level: u8) -> u64 {
        self.oldest().start(level)
    }

    /// Where an entry is.
    pub(super) fn place(&self, index: u64) -> Option<Place> {
        self.parts().find_map(|part| part.place(index))
    }

    /// Hashes of a level of tiles from the subtree `start` on, at most `count`.
    pub(super) fn hashes(&self, level: u8, start: u64, count: u64) -> Vec<Sha256> {
        let mut hashes = Vec::new();
        for part in self.parts() {
            let have = hashes.len() as u64;
            let from = start.saturating_add(have);
            hashes.extend_from_slice(part.hashes(level, from, count.saturating_sub(have)));
        }
        hashes
    }

    /// The entries with `fingerprint` from `start` on; of `None`, whatever it is of.
    pub(super) fn all(&self, kind: Option<Kind>, fingerprint: u64, start: u64) -> Vec<u64> {
        self.parts().flat_map(|part| part.all(kind, fingerprint, start)).collect()
    }

    /// The last entry with the `fingerprint` of a term at `end` or before it.
    pub(super) fn previous(&self, fingerprint: u64, end: u64) -> Option<u64> {
        self.parts().rev().find_map(|part| part.previous(fingerprint, end))
    }

    /// The first entry that was committed at `time` or after it.
    pub(super) fn first_at(&self, time: Timestamp) -> Option<u64> {
        self.parts().find_map(|part| part.first_at(time))
    }
}
