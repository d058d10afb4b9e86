//! The index: what makes the journal quick to search. Nothing in it is worth a backup.
//!
//! One sled tree with prefixed keys, no value above 4 KiB, one sled batch for each step, and in
//! the same batch the record that the index is complete to: that is the use of sled 0.34 in which
//! a power cut loses the last batches whole or none of them. Nothing here waits for the disk.
//! Whether it fits the journal is checked when it is opened, and whatever is wrong with it, it is
//! made anew.
//!
//! Writing keys in random order is what costs with sled. So there are none: places and hashes go
//! by position, and what entries can be found by is kept in runs ([`run`]), sorted blocks for a
//! range of entries, which are merged as they grow in number ([`merge`]). Runs hold fingerprints,
//! 64 bits that the journal's secret id makes impossible to choose: whoever reads what they lead
//! to sees whether it is what was looked for, but for search terms, where one in 10^12 searches
//! of a million entries could show an entry too many. None is ever missing.
//!
//! | key | value |
//! | --- | --- |
//! | `m` | version (2 bytes), journal id (16), tip (104): the record that the index is complete to; then, as numbers of variable length, the next free run id and the runs |
//! | `e` number (8) | places of 64 entries ([`places`]) |
//! | `h` level (1) number (8) | 64 hashes of the tree ([`hashes`]) |
//! | `p` run (8) number (4) | a block of postings ([`block`]) |
//! | `q` run (8) number (4) | first postings of 128 blocks |
//! | `f` run (8) number (4) | a block of the run's filter ([`filter`]) |

mod block;
mod compare;
pub(in crate::register) mod database;
mod filter;
mod fingerprint;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod hashes;
mod merge;
mod places;
mod recent;
mod run;
mod sample;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use attest::{Sha256, Timestamp};
use verify::merkle::Node;

use self::block::{Posting, put_number, take_number};
pub(super) use self::compare::Difference;
use self::fingerprint::{Fingerprints, Kind};
use self::hashes::Hashes;
use self::merge::{Merge, Progress, due, work_for};
pub(super) use self::places::{BodyPlace, Place};
use self::recent::Recent;
use self::run::{ROW_KINDS, Run, Writer};
pub(super) use self::sample::Sample;
use super::batch::Batch;
use super::facts::Term;
use super::fields::{Fields, Short};
use super::published::{Position, Tip};
use super::record::{JournalId, Record};

/// Version of the rows; an index of another version is made anew. It changes with the rows and
/// with what [`super::facts`] finds in statements.
const VERSION: u16 = 5;
const STATE: &[u8] = b"m";
/// What stands there when something in the index is not as it was written.
const CONDEMNED: &[u8] = b"condemned";

/// Why the index does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The database failed.
    #[error(
        "the index of the register cannot be used: run `assay log rebuild-index`, or start again"
    )]
    Database(#[source] sled::Error),
    /// No room on disk.
    #[error("no room on disk for the index of the register: free some space and start again")]
    Full(#[source] sled::Error),
    /// The database gave up while it was opened.
    #[error(
        "the index of the register cannot be opened: run `assay log rebuild-index`, or start again"
    )]
    Panicked,
    /// Another process keeps the database open.
    #[error("the index of the register is still open elsewhere: try again")]
    Busy,
    /// A row is not what was written, or is missing.
    #[error(
        "the index of the register is damaged (row `{0}`): start again, then it is made anew from the journal"
    )]
    Row(char),
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        use std::io::ErrorKind;

        match &error {
            sled::Error::Io(source)
                if matches!(
                    source.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
                ) =>
            {
                Self::Full(error)
            }
            _ => Self::Database(error),
        }
    }
}

/// What an index says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// Nothing was ever written to it.
    New,
    /// Complete to this record of this journal.
    Complete(JournalId, Tip),
    /// Another version of the rows, or nothing that can be read.
    Unknown,
}

/// The index of one register.
pub(super) struct Index {
    database: sled::Db,
    journal: JournalId,
    fingerprints: Fingerprints,
    hashes: Hashes,
    /// In the order of their entries; together they hold all that the database has.
    runs: RwLock<Arc<Vec<Arc<Run>>>>,
    /// What the database does not have yet. Whoever holds it and reads the runs sees all entries.
    recent: RwLock<Recent>,
    size: AtomicU64,
    condemned: AtomicBool,
    tail: Mutex<Tail>,
}

/// Some of the entries that can be found by something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stretch {
    start: u64,
    /// In order.
    indices: Vec<u64>,
    end: u64,
}

impl Stretch {
    /// The first entry at `start` or after it: `None` when these here do not say which it is,
    /// `Some(None)` when there is none.
    pub(super) fn next(&self, start: u64) -> Option<Option<u64>> {
        if start < self.start {
            return None;
        }
        match self.indices.get(self.indices.partition_point(|index| *index < start)) {
            Some(index) => Some(Some(*index)),
            None => (self.end == u64::MAX).then_some(None),
        }
    }
}

/// What the next addition continues.
#[derive(Debug, Default)]
struct Tail {
    tip: Option<Tip>,
    /// What the rows are complete to.
    written: Option<Tip>,
    next_id: u64,
    /// The smallest last: it is worked on first.
    merges: Vec<Merge>,
    /// Runs that were merged into others; their rows go when nobody reads them any more.
    merged: Vec<Arc<Run>>,
}

/// Commits that are to be added to the index in one step.
pub(super) struct Addition {
    fingerprints: Fingerprints,
    first: u64,
    places: Vec<Place>,
    postings: Vec<Posting>,
    nodes: Vec<(Node, Sha256)>,
    tip: Tip,
}

impl Addition {
    /// Nothing yet, after `tip`.
    pub(super) fn after(journal: JournalId, tip: Tip) -> Self {
        Self {
            fingerprints: Fingerprints::new(journal),
            first: tip.tree.size,
            places: Vec::new(),
            postings: Vec::new(),
            nodes: Vec::new(),
            tip,
        }
    }

    /// How many entries.
    pub(super) const fn len(&self) -> usize {
        self.places.len()
    }

    /// Adds the next commit: what `batch` says of it, and where `record`, the one at `tip`, put it.
    pub(super) fn push(&mut self, batch: &Batch, record: &Record<'_>, tip: Tip) {
        let bodies: std::collections::HashMap<Sha256, (u64, u32)> = record
            .bodies
            .iter()
            .zip(record.body_offsets())
            .map(|(body, start)| (body.hash, (start, body.length)))
            .collect();
        // A record has at most 192 MiB.
        let narrow = |offset: u64| u32::try_from(offset).unwrap_or(u32::MAX);
        let leaves = batch.entries().iter().zip(record.leaf_offsets());
        for ((entry, leaf), index) in leaves.zip(batch.from().size..) {
            let hash = entry.body();
            let brought = hash.and_then(|hash| bodies.get(&hash).map(|place| (hash, place)));
            let body = match (hash, brought) {
                (None, _) => BodyPlace::None,
                (Some(_), None) => BodyPlace::Elsewhere,
                (Some(_), Some((hash, (start, length)))) => {
                    self.post(Kind::Body, &hash, index);
                    BodyPlace::Here { start: narrow(*start), length: *length }
                }
            };
            let length = u16::try_from(entry.leaf().len()).unwrap_or(u16::MAX);
            let (record, time) = (tip.position, record.time);
            self.places.push(Place { record, time, leaf: narrow(leaf), length, body });
            self.post(Kind::Leaf, &entry.leaf_hash(), index);
            for term in entry.terms() {
                self.post(Kind::Term, term, index);
            }
        }
        self.nodes.extend_from_slice(batch.nodes());
        self.tip = tip;
    }

    fn post(&mut self, kind: Kind, digest: &Sha256, index: u64) {
        let fingerprint = self.fingerprints.of(kind, digest);
        self.postings.push(Posting { fingerprint, index });
    }
}

impl Index {
    /// Opens the index of `journal` in `folder`, or makes an empty one there.
    pub(super) fn open(
        folder: &Path,
        cache_bytes: u64,
        journal: JournalId,
    ) -> Result<Self, IndexError> {
        let database = database::open(folder, cache_bytes)?;
        let index = Self {
            database,
            journal,
            fingerprints: Fingerprints::new(journal),
            hashes: Hashes::default(),
            runs: RwLock::default(),
            recent: RwLock::default(),
            size: AtomicU64::new(0),
            condemned: AtomicBool::new(false),
            tail: Mutex::default(),
        };
        if let Some(Listed { journal: owner, tip, next_id, runs }) = index.listed()?
            && owner == journal
        {
            index.remove_strays(&runs)?;
            index.size.store(tip.tree.size, Ordering::Release);
            index.start_after(tip.tree.size, runs);
            let mut tail = index.tail();
            (tail.tip, tail.written) = (Some(tip), Some(tip));
            tail.next_id = next_id;
        }
        Ok(index)
    }

    /// What the rows of the index are complete to.
    pub(super) fn state(&self) -> Result<State, IndexError> {
        Ok(match self.listed()? {
            Some(Listed { journal, tip, .. }) => State::Complete(journal, tip),
            None if self.database.is_empty() => State::New,
            None => State::Unknown,
        })
    }

    /// Makes the next start make the index anew: something in it is not as it was written.
    pub(super) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
        if let Err(error) = self.database.insert(STATE, CONDEMNED) {
            tracing::error!(%error, "cannot mark the index as damaged");
        }
    }

    /// Whether something in it turned out not to be as it was written.
    pub(super) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Acquire)
    }

    fn listed(&self) -> Result<Option<Listed>, IndexError> {
        let Some(row) = self.database.get(STATE)? else { return Ok(None) };
        Ok(Listed::decode(&row).ok())
    }

    fn runs(&self) -> Arc<Vec<Arc<Run>>> {
        Arc::clone(&self.runs.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_runs(&self, runs: Vec<Arc<Run>>) {
        *self.runs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(runs);
    }

    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        // Nothing panics while it is written.
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database has the first `size` entries, in these runs.
    fn start_after(&self, size: u64, runs: Vec<Arc<Run>>) {
        let mut recent = self.recent_mut();
        self.set_runs(runs);
        *recent = Recent::after(size);
    }

    fn tail(&self) -> std::sync::MutexGuard<'_, Tail> {
        // Whoever panicked half-way left rows that no list names.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds commits.
    pub(super) fn apply(&self, addition: Addition) -> Result<(), IndexError> {
        let Addition { places, postings, nodes, tip, .. } = addition;
        if places.is_empty() {
            return Ok(());
        }
        let mut tail = self.tail();
        let is_full = {
            let mut recent = self.recent_mut();
            recent.push(&places, &nodes, &postings);
            recent.is_full()
        };
        tail.tip = Some(tip);
        self.size.store(tip.tree.size, Ordering::Release);
        if is_full {
            self.write_recent(&mut tail)?;
        }
        self.merge(&mut tail, postings.len() as u64)
    }

    /// How many entries it is complete to.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    /// Writes what the database does not have yet.
    pub(super) fn write(&self) -> Result<(), IndexError> {
        let mut tail = self.tail();
        self.write_recent(&mut tail)
    }

    fn write_recent(&self, tail: &mut Tail) -> Result<(), IndexError> {
        let recent = self.recent();
        let Some(tip) = tail.tip.filter(|_| !recent.places().is_empty()) else { return Ok(()) };
        let mut rows = sled::Batch::default();
        for (level, start, hashes) in recent.levels() {
            hashes::add(&self.database, &mut rows, level, start, hashes)?;
        }
        self.add_places(&mut rows, recent.first(), recent.places())?;

        let count = recent.places().len() as u64;
        let mut writer = Writer::new(tail.next_id, recent.first(), count, recent.fingerprints());
        tail.next_id += 1;
        for posting in recent.postings() {
            writer.push(posting, &mut rows);
        }
        drop(recent);
        let mut runs = self.runs().as_ref().clone();
        runs.push(Arc::new(writer.finish(&mut rows)));
        self.list(&mut rows, &tip, tail.next_id, &runs);
        self.database.apply_batch(rows)?;
        tail.written = Some(tip);
        self.start_after(tip.tree.size, runs);
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
        self.database.apply_batch(rows)?;
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
    fn remove_strays(&self, runs: &[Arc<Run>]) -> Result<(), IndexError> {
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

    fn list(&self, rows: &mut sled::Batch, tip: &Tip, next_id: u64, runs: &[Arc<Run>]) {
        let state = list(self.journal, tip, next_id, runs);
        rows.insert(STATE, if self.is_condemned() { CONDEMNED.to_vec() } else { state });
    }

    /// Where an entry is; `None` beyond the end.
    pub(super) fn place(&self, index: u64) -> Result<Option<Place>, IndexError> {
        let size = self.size();
        if let Some(place) = self.recent().place(index) {
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
    pub(super) fn node(&self, node: Node) -> Result<Option<Sha256>, IndexError> {
        let size = self.size();
        let read = |level, start, count| self.hashes(level, start, count);
        let found = self.hashes.node(read, node)?;
        let is_complete = size.checked_shr(node.level.into()).is_some_and(|all| node.index < all);
        if found.is_none() && is_complete { Err(IndexError::Row('h')) } else { Ok(found) }
    }

    /// Hashes of complete subtrees of height `8 * level`, from `start` on, at most `count`.
    pub(super) fn hashes(
        &self,
        level: u8,
        start: u64,
        count: u64,
    ) -> Result<Vec<Sha256>, IndexError> {
        // Before the database is read: what is written meanwhile is there then.
        let recent = self.recent();
        let written = recent.start(level).saturating_sub(start).min(count);
        if written == count {
            drop(recent);
            return hashes::read(&self.database, level, start, count);
        }
        let newest = recent.hashes(level, start.saturating_add(written), count - written).to_vec();
        drop(recent);
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
    pub(super) fn index_of(&self, leaf_hash: &Sha256) -> Result<Option<u64>, IndexError> {
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
    pub(super) fn next_with_body(
        &self,
        hash: &Sha256,
        start: u64,
    ) -> Result<Option<u64>, IndexError> {
        self.next_of(Kind::Body, hash, start)
    }

    /// The entries with `term` from `start` on, as far as one look reaches.
    pub(super) fn stretch(&self, term: &Term, start: u64) -> Result<Stretch, IndexError> {
        self.stretch_with(self.fingerprints.of(Kind::Term, &term.digest()), start)
    }

    /// The last entry with `term` at `end` or before it.
    pub(super) fn previous(&self, term: &Term, end: u64) -> Result<Option<u64>, IndexError> {
        let fingerprint = self.fingerprints.of(Kind::Term, &term.digest());
        let (runs, newest) = {
            let recent = self.recent();
            (self.runs(), recent.previous(fingerprint, end))
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
        self.next_with(self.fingerprints.of(kind, digest), start)
    }

    fn next_with(&self, fingerprint: u64, start: u64) -> Result<Option<u64>, IndexError> {
        Ok(self.stretch_with(fingerprint, start)?.indices.first().copied())
    }

    fn stretch_with(&self, fingerprint: u64, start: u64) -> Result<Stretch, IndexError> {
        let (runs, newest) = {
            let recent = self.recent();
            (self.runs(), recent.all(fingerprint, start))
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
    pub(super) fn first_at(&self, time: Timestamp) -> Result<Option<u64>, IndexError> {
        let (size, newest) = {
            let recent = self.recent();
            (recent.first(), recent.first_at(time))
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

impl Drop for Index {
    fn drop(&mut self) {
        if let Err(error) = self.write() {
            tracing::warn!(%error, "the index is brought up to the journal at the next start");
        }
    }
}

/// The state row.
fn list(journal: JournalId, tip: &Tip, next_id: u64, runs: &[Arc<Run>]) -> Vec<u8> {
    let mut state = Vec::with_capacity(1024);
    state.extend_from_slice(&VERSION.to_be_bytes());
    state.extend_from_slice(&journal.0);
    tip.encode(&mut state);
    put_number(&mut state, next_id);
    for run in runs {
        run.encode(&mut state);
    }
    state
}

/// What the state row says.
struct Listed {
    journal: JournalId,
    tip: Tip,
    next_id: u64,
    runs: Vec<Arc<Run>>,
}

impl Listed {
    fn decode(row: &[u8]) -> Result<Self, Short> {
        let mut fields = Fields::new(row);
        if fields.u16()? != VERSION {
            return Err(Short);
        }
        let journal = JournalId(fields.array()?);
        let tip = Tip::decode(&mut fields)?;
        let mut rest = fields.rest();
        let next_id = take_number(&mut rest)?;
        let (mut runs, mut end) = (Vec::new(), 0);
        while !rest.is_empty() {
            let run = Run::decode(&mut rest, end)?;
            end = run.end();
            runs.push(Arc::new(run));
        }
        let fits = end == tip.tree.size && runs.iter().all(|run| run.id < next_id);
        if fits { Ok(Self { journal, tip, next_id, runs }) } else { Err(Short) }
    }
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn places_key(number: u64) -> Vec<u8> {
    key(b'e', &[&number.to_be_bytes()])
}

/// Where something in a record is.
pub(super) const fn within(record: Position, offset: u64) -> Position {
    Position { offset: record.offset.saturating_add(offset), ..record }
}

#[cfg(test)]
mod tests;
