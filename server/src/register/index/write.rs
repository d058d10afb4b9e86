//! Writing: what is new becomes rows, and runs are merged.

use std::sync::atomic::Ordering;
use std::sync::{Arc, TryLockError};

use super::super::published::Tip;
use super::listed::list;
use super::merge::{Merge, Progress, due, work_for};
use super::places::{self, Place};
use super::run::{self, ROW_KINDS, Run, Writer};
use super::sorted::Sorted;
use super::unwritten::Aside;
use super::{CONDEMNED, Index, IndexError, STATE, hashes, key, places_key};

/// What the next rows continue.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// What the rows are complete to.
    pub(super) written: Option<Tip>,
    pub(super) next_id: u64,
    /// The smallest last: it is worked on first.
    merges: Vec<Merge>,
    /// Runs that were merged into others; their rows go when nobody reads them any more.
    merged: Vec<Arc<Run>>,
}

impl Index {
    /// Does what additions left for later: writes what is new once that is much, and merges runs,
    /// as far as the additions since the last time pay for it. Whoever comes while somebody else is
    /// at it has nothing to do.
    pub(in crate::register) fn settle(&self) -> Result<(), IndexError> {
        let mut tail = match self.tail.try_lock() {
            Ok(tail) => tail,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        if self.unwritten().is_due() {
            self.write_next(&mut tail)?;
        }
        match self.owed.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            owed => self.merge(&mut tail, owed),
        }
    }

    /// Writes what the database does not have yet.
    pub(in crate::register) fn write(&self) -> Result<(), IndexError> {
        let mut tail = self.tail();
        // What is being written, and what came since.
        for _ in 0..2 {
            self.write_next(&mut tail)?;
        }
        Ok(())
    }

    /// Writes what was set aside, or else sets the newest entries aside and writes these.
    pub(super) fn write_next(&self, tail: &mut Tail) -> Result<(), IndexError> {
        let Some(Aside { entries, tip }) = self.unwritten_mut().set_aside() else { return Ok(()) };
        let mut rows = sled::Batch::default();
        for (level, start, hashes) in entries.levels() {
            hashes::add(&self.database, &mut rows, level, start, hashes)?;
        }
        self.add_places(&mut rows, entries.first(), entries.places())?;

        let count = entries.places().len() as u64;
        let Sorted { postings, fingerprints } = entries.sorted();
        let mut writer = Writer::new(tail.next_id, entries.first(), count, fingerprints);
        tail.next_id += 1;
        for posting in postings {
            writer.push(posting, &mut rows);
        }
        let mut runs = self.runs().as_ref().clone();
        runs.push(Arc::new(writer.finish(&mut rows)));
        self.list(&mut rows, &tip, tail.next_id, &runs);
        self.apply_listed(rows)?;
        tail.written = Some(tip);
        let mut unwritten = self.unwritten_mut();
        self.set_runs(runs);
        unwritten.written();
        Ok(())
    }

    fn add_places(
        &self,
        rows: &mut sled::Batch,
        first: u64,
        places: &[Place],
    ) -> Result<(), IndexError> {
        let numbered: Vec<(u64, Place)> = (first..).zip(places.iter().copied()).collect();
        let row_of = |index: u64| places::row_of(index).0;
        for group in numbered.chunk_by(|(one, _), (next, _)| row_of(*one) == row_of(*next)) {
            let Some((index, _)) = group.first() else { continue };
            let key = places_key(row_of(*index));
            let mut row = Vec::new();
            if places::row_of(*index).1 > 0 {
                let before = self.database.get(&key)?.ok_or(IndexError::Row('e'))?;
                row.extend_from_slice(&before);
            }
            for extent in group.chunk_by(|(_, one), (_, next)| one.record == next.record) {
                let places: Vec<Place> = extent.iter().map(|(_, place)| *place).collect();
                places::append(&mut row, &places);
            }
            rows.insert(key, row);
        }
        Ok(())
    }

    /// Merges runs, as far as an addition of `added` postings pays for it.
    fn merge(&self, tail: &mut Tail, added: u64) -> Result<(), IndexError> {
        let mut budget = work_for(added);
        loop {
            let runs = self.runs();
            let busy = runs.iter().rposition(|run| tail.merges.iter().any(|merge| merge.has(run)));
            let free = runs.get(busy.map_or(0, |last| last + 1)..).unwrap_or_default();
            if let Some((count, overdue)) = due(free) {
                let inputs = free.get(free.len().saturating_sub(count)..).unwrap_or_default();
                tail.merges.push(Merge::new(inputs, tail.next_id));
                tail.next_id += 1;
                if overdue {
                    budget = u64::MAX;
                }
            }
            drop(runs);
            if budget == 0 {
                break;
            }
            let Some(merge) = tail.merges.pop() else { break };
            match merge.work(&self.database, &mut budget)? {
                Progress::Unfinished(merge) => {
                    tail.merges.push(merge);
                    break;
                }
                Progress::Finished(run, inputs) => self.replace(tail, run, inputs)?,
            }
        }
        self.remove_merged(tail)
    }

    /// Puts a run in the place of those that it was merged from.
    fn replace(&self, tail: &mut Tail, run: Run, inputs: Vec<Arc<Run>>) -> Result<(), IndexError> {
        let tip = tail.written.ok_or(IndexError::Row('m'))?;
        let is_input = |run: &Arc<Run>| inputs.iter().any(|input| input.id == run.id);
        let mut runs = self.runs().as_ref().clone();
        let at = runs.iter().position(is_input).ok_or(IndexError::Row('m'))?;
        runs.retain(|run| !is_input(run));
        runs.insert(at, Arc::new(run));
        let mut rows = sled::Batch::default();
        self.list(&mut rows, &tip, tail.next_id, &runs);
        self.apply_listed(rows)?;
        self.set_runs(runs);
        tail.merged.extend(inputs);
        Ok(())
    }

    /// Removes the rows of runs that were merged and that nobody reads any more.
    fn remove_merged(&self, tail: &mut Tail) -> Result<(), IndexError> {
        let (unread, read) = std::mem::take(&mut tail.merged)
            .into_iter()
            .partition(|run| Arc::strong_count(run) == 1);
        tail.merged = read;
        let unread: Vec<Arc<Run>> = unread;
        for run in unread {
            let mut rows = sled::Batch::default();
            run.remove(&mut rows);
            self.database.apply_batch(rows)?;
        }
        Ok(())
    }

    /// Removes the rows of runs that are not listed: a merge that did not come to its end, or that
    /// did and left its inputs.
    pub(super) fn remove_strays(&self, runs: &[Arc<Run>]) -> Result<(), IndexError> {
        for kind in ROW_KINDS {
            let mut next = 0_u64;
            // Each round passes a run.
            while let Some(found) = self
                .database
                .range(run::row_key(kind, next, 0)..=run::row_key(kind, u64::MAX, u32::MAX))
                .keys()
                .next()
            {
                let found = found?;
                let id = found.get(1..9).and_then(|bytes| bytes.try_into().ok());
                let id = u64::from_be_bytes(id.ok_or(IndexError::Row(char::from(kind)))?);
                if !runs.iter().any(|run| run.id == id) {
                    let mut rows = sled::Batch::default();
                    for row in self.database.scan_prefix(key(kind, &[&id.to_be_bytes()])).keys() {
                        rows.remove(row?);
                    }
                    self.database.apply_batch(rows)?;
                }
                match id.checked_add(1) {
                    Some(after) => next = after,
                    None => break,
                }
            }
        }
        Ok(())
    }

    pub(super) fn list(&self, rows: &mut sled::Batch, tip: &Tip, next_id: u64, runs: &[Arc<Run>]) {
        rows.insert(STATE, list(self.journal, tip, next_id, runs));
    }

    /// Writes rows with the state among them. Whoever condemns the index at the same time marks it
    /// before the state is written or after; what is written over is marked again.
    pub(super) fn apply_listed(&self, rows: sled::Batch) -> Result<(), IndexError> {
        self.database.apply_batch(rows)?;
        if self.is_condemned() {
            self.database.insert(STATE, CONDEMNED)?;
        }
        Ok(())
    }
}
