//! Looking things up: what the database has, and after it what it does not have yet.

use attest::{Sha256, Timestamp};
use verify::merkle::Node;

use super::super::facts::Term;
use super::super::fields::Short;
use super::fingerprint::Kind;
use super::places::{self, Place};
use super::{Index, IndexError, hashes, places_key};

/// Some of the entries that can be found by something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::register) struct Stretch {
    start: u64,
    /// In order.
    indices: Vec<u64>,
    end: u64,
}

impl Stretch {
    /// The first entry at `start` or after it: `None` when these here do not say which it is,
    /// `Some(None)` when there is none.
    pub(in crate::register) fn next(&self, start: u64) -> Option<Option<u64>> {
        if start < self.start {
            return None;
        }
        match self.indices.get(self.indices.partition_point(|index| *index < start)) {
            Some(index) => Some(Some(*index)),
            None => (self.end == u64::MAX).then_some(None),
        }
    }
}

impl Index {
    /// Where an entry is; `None` beyond the end.
    pub(in crate::register) fn place(&self, index: u64) -> Result<Option<Place>, IndexError> {
        let size = self.size();
        if let Some(place) = self.unwritten().place(index) {
            return Ok(Some(place));
        }
        let (number, within) = places::row_of(index);
        let found = match self.database.get(places_key(number))? {
            Some(row) => places::find(&row, within).map_err(|Short| IndexError::Row('e'))?,
            None => None,
        };
        // What was lost is not what never was.
        match found {
            None if index < size => Err(IndexError::Row('e')),
            found => Ok(found),
        }
    }

    /// The hash of a complete subtree; `None` when the tree is not that large.
    pub(in crate::register) fn node(&self, node: Node) -> Result<Option<Sha256>, IndexError> {
        let size = self.size();
        let read = |level, start, count| self.hashes(level, start, count);
        let found = self.hashes.node(read, node)?;
        let is_complete = size.checked_shr(node.level.into()).is_some_and(|all| node.index < all);
        if found.is_none() && is_complete { Err(IndexError::Row('h')) } else { Ok(found) }
    }

    /// Hashes of complete subtrees of height `8 * level`, from `start` on, at most `count`.
    pub(in crate::register) fn hashes(
        &self,
        level: u8,
        start: u64,
        count: u64,
    ) -> Result<Vec<Sha256>, IndexError> {
        // Before the database is read: what is written meanwhile is there then.
        let unwritten = self.unwritten();
        let written = unwritten.start(level).saturating_sub(start).min(count);
        if written == count {
            drop(unwritten);
            return hashes::read(&self.database, level, start, count);
        }
        let newest = unwritten.hashes(level, start.saturating_add(written), count - written);
        drop(unwritten);
        if written == 0 {
            return Ok(newest);
        }
        let mut hashes = hashes::read(&self.database, level, start, written)?;
        if hashes.len() as u64 == written {
            hashes.extend(newest);
        }
        Ok(hashes)
    }

    /// The entry with a leaf of this hash.
    pub(in crate::register) fn index_of(
        &self,
        leaf_hash: &Sha256,
    ) -> Result<Option<u64>, IndexError> {
        let mut start = 0;
        while let Some(index) = self.next_of(Kind::Leaf, leaf_hash, start)? {
            let found = self.hashes(0, index, 1)?;
            if found.first().ok_or(IndexError::Row('h'))? == leaf_hash {
                return Ok(Some(index));
            }
            start = index + 1;
        }
        Ok(None)
    }

    /// The first entry at `start` or after it whose record may have brought the body.
    pub(in crate::register) fn next_with_body(
        &self,
        hash: &Sha256,
        start: u64,
    ) -> Result<Option<u64>, IndexError> {
        self.next_of(Kind::Body, hash, start)
    }

    /// The entries with `term` from `start` on, as far as one look reaches.
    pub(in crate::register) fn stretch(
        &self,
        term: &Term,
        start: u64,
    ) -> Result<Stretch, IndexError> {
        self.stretch_of(Some(Kind::Term), self.fingerprints.of(Kind::Term, &term.digest()), start)
    }

    /// The last entry with `term` at `end` or before it.
    pub(in crate::register) fn previous(
        &self,
        term: &Term,
        end: u64,
    ) -> Result<Option<u64>, IndexError> {
        let fingerprint = self.fingerprints.of(Kind::Term, &term.digest());
        let (runs, newest) = {
            let unwritten = self.unwritten();
            (self.runs(), unwritten.previous(fingerprint, end))
        };
        if newest.is_some() {
            return Ok(newest);
        }
        let until = runs.partition_point(|run| run.first <= end);
        for run in runs.get(..until).unwrap_or_default().iter().rev() {
            if let Some(index) = run.previous(&self.database, fingerprint, end)? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    fn next_of(&self, kind: Kind, digest: &Sha256, start: u64) -> Result<Option<u64>, IndexError> {
        let stretch = self.stretch_of(Some(kind), self.fingerprints.of(kind, digest), start)?;
        Ok(stretch.indices.first().copied())
    }

    /// The first entry at `start` or after it with `fingerprint`, whatever that is of.
    pub(super) fn next_with(
        &self,
        fingerprint: u64,
        start: u64,
    ) -> Result<Option<u64>, IndexError> {
        Ok(self.stretch_of(None, fingerprint, start)?.indices.first().copied())
    }

    fn stretch_of(
        &self,
        kind: Option<Kind>,
        fingerprint: u64,
        start: u64,
    ) -> Result<Stretch, IndexError> {
        let (runs, newest) = {
            let unwritten = self.unwritten();
            (self.runs(), unwritten.all(kind, fingerprint, start))
        };
        let from = runs.partition_point(|run| run.end() <= start);
        for run in runs.get(from..).unwrap_or_default() {
            let (indices, end) = run.stretch(&self.database, fingerprint, start)?;
            if !indices.is_empty() {
                return Ok(Stretch { start, indices, end });
            }
        }
        Ok(Stretch { start, indices: newest, end: u64::MAX })
    }

    /// The first entry that was committed at `time` or after it. Times never go back.
    pub(in crate::register) fn first_at(&self, time: Timestamp) -> Result<Option<u64>, IndexError> {
        let (size, newest) = {
            let unwritten = self.unwritten();
            (unwritten.first(), unwritten.first_at(time))
        };
        let damaged = |Short| IndexError::Row('e');
        let row = |number| self.database.get(places_key(number))?.ok_or(IndexError::Row('e'));
        let (mut low, mut high) = (0, size.div_ceil(places::ENTRIES_A_ROW));
        while low < high {
            let middle = low + (high - low) / 2;
            if places::first_time(&row(middle)?).map_err(damaged)? < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if let Some(before) = low.checked_sub(1) {
            let row = row(before)?;
            for index in (before * places::ENTRIES_A_ROW..size).take(places::ENTRIES_A_ROW as usize)
            {
                let place = places::find(&row, places::row_of(index).1).map_err(damaged)?;
                if place.ok_or(IndexError::Row('e'))?.time >= time {
                    return Ok(Some(index));
                }
            }
        }
        let first = low * places::ENTRIES_A_ROW;
        Ok(if first < size { Some(first) } else { newest })
    }
}
