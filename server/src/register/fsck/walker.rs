//! Going through the journal, and holding everything that depends on it against it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use attest::hash::Progress;
use attest::{Leaf, Sha256};
use verify::merkle::Frontier;

use super::super::batch::{Batch, Body, Covered, NewEntry};
use super::super::buried::Zeroed;
use super::super::index::{Addition, Difference, IndexError, Sample};
use super::super::journal::JournalError;
use super::super::published::{Position, Tip};
use super::super::reader::Reader;
use super::super::record::Record;
use super::super::recovery::{bodies_are_whole, refuse_if_followed};
use super::super::segment::Segments;
use super::super::storage::{Blob, Key, StorageError};
use super::super::tree::Tree;
use super::super::walk::{Step, Walk};
use super::{Checked, Depth, Fault, Mark, hold};

/// What goes through the journal.
pub(super) struct Walker<'c> {
    segments: &'c Segments,
    reader: Option<&'c Reader>,
    /// Sequence of the record that the index is complete to.
    pub(super) indexed_to: u64,
    /// The body that was being erased when the last writer ended; the next start goes on.
    pub(super) erasing: Option<Sha256>,
    marks: &'c [Mark],
    published: Option<Tip>,
    depth: Depth,
    /// Hashes of the bodies that were brought so far.
    brought: HashSet<Sha256>,
    zeroed: Zeroed,
    sample: Sample,
    /// Sequence of the last record that is in the sample.
    sampled_to: u64,
    frontier: Frontier,
}

impl<'c> Walker<'c> {
    /// At the start of a journal.
    pub(super) fn new(
        segments: &'c Segments,
        reader: Option<&'c Reader>,
        published: Option<Tip>,
        marks: &'c [Mark],
        depth: Depth,
    ) -> Self {
        let (brought, frontier) = (HashSet::new(), Frontier::new());
        let (indexed_to, erasing, sample) = (0, None, Sample::of(depth.terms()));
        Self {
            segments,
            reader,
            indexed_to,
            erasing,
            marks,
            published,
            depth,
            brought,
            zeroed: Zeroed::default(),
            sample,
            sampled_to: 0,
            frontier,
        }
    }

    /// Goes to the end of the journal, or as far as it can be read, and holds the sample of what
    /// entries are found by against the index.
    pub(super) fn walk(
        &mut self,
        checked: &mut Checked,
        progress: &dyn Progress,
    ) -> Result<(), StorageError> {
        if self.walk_journal(checked, progress)? {
            for (body, position) in self.zeroed.lost() {
                checked.erased = checked.erased.saturating_sub(1);
                checked.fault(Fault::Body { body, position });
            }
        }
        let Some(reader) = self.reader else { return Ok(()) };
        // Of a journal that was not read to its end, it is not known what the rest says.
        if self.sampled_to != self.indexed_to {
            return Ok(());
        }
        Self::differences(self.sample.compare(&reader.index), 0, checked)?;
        checked.terms = self.sample.len() as u64;
        Ok(())
    }

    /// Whether the end was reached; of a journal that was not read to its end, it is not known
    /// which tombstones the rest has.
    fn walk_journal(
        &mut self,
        checked: &mut Checked,
        progress: &dyn Progress,
    ) -> Result<bool, StorageError> {
        let last = self.segments.last().ok_or(JournalError::NotFound)?;
        let mut walk = Walk::after(self.segments, &Tip::empty())?;
        let published = self.published.map_or(0, |tip| tip.sequence);
        loop {
            let before = *walk.tip();
            let place = walk.next();
            let entries = before.tree.size;
            let step = match walk.step() {
                Ok(step) => step,
                Err(error @ (JournalError::Io { .. } | JournalError::Full { .. })) => {
                    return Err(error.into());
                }
                Err(JournalError::Corrupt { position }) => {
                    checked.fault(Fault::Record { position, entries });
                    return Ok(false);
                }
                Err(error) => {
                    checked.fault(Fault::Segment { entries, why: error.to_string() });
                    return Ok(false);
                }
            };
            match step {
                Step::Record(bytes, tip) => {
                    let is_tail = tip.sequence > published && tip.position.segment == last;
                    if is_tail && !bodies_are_whole(&bytes, self.segments)? {
                        return self.end(tip.position, last, entries, checked);
                    }
                    if !self.record(&bytes, &before, tip, checked)? {
                        return Ok(false);
                    }
                    progress.advance(bytes.len() as u64);
                }
                Step::Damaged if before.sequence >= published => {
                    return self.end(walk.next(), last, entries, checked);
                }
                Step::Damaged => {
                    checked.fault(Fault::Record { position: walk.next(), entries });
                    return Ok(false);
                }
                Step::End if walk.next().segment != last => {
                    checked.fault(Fault::Record { position: place, entries });
                    return Ok(false);
                }
                Step::End => return Ok(true),
            }
        }
    }

    /// What is not whole at the end was never finished; before the end it is damage. Whether it is
    /// the end.
    fn end(
        &self,
        position: Position,
        last: u64,
        entries: u64,
        checked: &mut Checked,
    ) -> Result<bool, StorageError> {
        match refuse_if_followed(self.segments, position, last) {
            Ok(()) => checked.is_unfinished = true,
            Err(JournalError::Corrupt { .. }) => checked.fault(Fault::Record { position, entries }),
            Err(error) => return Err(error.into()),
        }
        Ok(checked.is_unfinished)
    }

    /// Checks a record that continues the one before it; whether to go on.
    fn record(
        &mut self,
        bytes: &[u8],
        before: &Tip,
        tip: Tip,
        checked: &mut Checked,
    ) -> Result<bool, StorageError> {
        let id = self.segments.identity().id;
        let (record, _) = Record::parse(bytes, id).map_err(JournalError::from)?;
        let position = tip.position;
        let own = self.bodies(&record, bytes, position, checked);
        let mut entries = Vec::with_capacity(record.leaves.len());
        let mut unclear = Vec::new();
        for (leaf, index) in record.leaves.iter().zip(record.from.size..) {
            let covered = match leaf.body {
                None => Covered::Unknown,
                Some(body) => match own.get(&body) {
                    Some(found) => {
                        let parsed = Leaf::parse(leaf.bytes);
                        if parsed.is_ok_and(|leaf| !leaf.covers(found.bytes())) {
                            checked.fault(Fault::Leaf { index });
                        }
                        Covered::Body(Arc::clone(found))
                    }
                    None if !self.brought.contains(&body) => {
                        checked.fault(Fault::NoBody { index, body });
                        Covered::Erased(body)
                    }
                    None => self.earlier(body, index),
                },
            };
            if matches!(covered, Covered::Erased(_)) {
                unclear.push(index);
            }
            let entry = NewEntry::new(leaf.bytes.to_vec(), covered);
            self.zeroed.entry(&entry);
            entries.push(Arc::new(entry));
        }
        let batch = Batch::new(&self.frontier, record.time, entries);
        let Some(batch) = batch.ok().filter(|batch| batch.head().tree() == record.to) else {
            checked.fault(Fault::Root { size: record.to.size, position });
            return Ok(false);
        };
        self.hold_marks(&batch, &tip, checked);
        self.compare(&batch, &record, before, tip, &unclear, checked)?;
        self.frontier = batch.frontier().clone();
        checked.tree = record.to;
        checked.commits += 1;
        checked.bytes += bytes.len() as u64;
        checked.unpublished +=
            u64::from(self.published.is_some_and(|at| at.sequence < tip.sequence));
        Ok(true)
    }

    /// The bodies that a record brings and that are whole.
    fn bodies(
        &mut self,
        record: &Record<'_>,
        bytes: &[u8],
        position: Position,
        checked: &mut Checked,
    ) -> BTreeMap<Sha256, Arc<Body>> {
        let mut own = BTreeMap::new();
        for (body, offset) in record.bodies.iter().zip(record.body_offsets()) {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let found = bytes.get(start..start.saturating_add(body.length as usize));
            let found = found.unwrap_or_default();
            checked.bodies += 1;
            self.brought.insert(body.hash);
            if Sha256::of(found) == body.hash {
                own.insert(body.hash, Arc::new(Body::new(found.to_vec())));
            } else if self.erasing == Some(body.hash) {
                checked.erased += 1;
            } else if found.iter().all(|byte| *byte == 0) {
                checked.erased += 1;
                self.zeroed.body(body.hash, position);
            } else {
                checked.fault(Fault::Body { body: body.hash, position });
            }
        }
        own
    }

    /// A body that this record or an earlier one brought, as far as it is needed.
    fn earlier(&self, body: Sha256, index: u64) -> Covered {
        let Some(reader) = self.reader.filter(|_| self.depth.searches(index)) else {
            return Covered::Erased(body);
        };
        match reader.look(&Key::Body(body)) {
            Ok(Some(Blob::Bytes(bytes))) => Covered::Body(Arc::new(Body::new(bytes))),
            // What is wrong with it was said where it was brought.
            _ => Covered::Erased(body),
        }
    }

    /// Holds the trees that this commit goes over against those that were seen.
    fn hold_marks(&self, batch: &Batch, tip: &Tip, checked: &mut Checked) {
        let (from, to) = (batch.from().size, batch.head().size);
        let published = self.published.map(|tip| ("`published`", tip.tree));
        for mark in self.marks.iter().copied().chain(published) {
            let (_, Tree { size, .. }) = mark;
            if size <= from || size > to {
                continue;
            }
            let mut frontier = self.frontier.clone();
            for (entry, _) in batch.entries().iter().zip(from..size) {
                frontier.append(entry.leaf_hash());
            }
            hold(checked, mark, Some(frontier.root()));
        }
        if let Some(published) = self.published.filter(|at| at.sequence == tip.sequence)
            && published != *tip
        {
            let why = "the record that it names is another one".into();
            checked.fault(Fault::Unusable { what: "`published`", why });
        }
    }

    /// Holds the index against a commit.
    fn compare(
        &mut self,
        batch: &Batch,
        record: &Record<'_>,
        before: &Tip,
        tip: Tip,
        unclear: &[u64],
        checked: &mut Checked,
    ) -> Result<(), StorageError> {
        let Some(reader) = self.reader.filter(|_| tip.sequence <= self.indexed_to) else {
            return Ok(());
        };
        let mut addition = Addition::after(self.segments.identity().id, *before);
        addition.push(batch, record, tip);
        let compared = reader.index.compare(&addition, |index| self.depth.searches(index));
        Self::differences(compared, batch.from().size, checked)?;
        self.sample.take(&addition, unclear);
        self.sampled_to = tip.sequence;
        let indices = batch.from().size..batch.head().size;
        checked.indexed += batch.entries().len() as u64;
        checked.searched += indices.filter(|index| self.depth.searches(*index)).count() as u64;
        Ok(())
    }

    /// Notes what the index says otherwise; of a row that cannot be read it is only known that it
    /// is about entries from `first` on.
    fn differences(
        compared: Result<Vec<Difference>, IndexError>,
        first: u64,
        checked: &mut Checked,
    ) -> Result<(), StorageError> {
        match compared {
            Ok(differences) => {
                for Difference { index, what } in differences {
                    checked.fault(Fault::Row { index, what });
                }
            }
            Err(IndexError::Row(_)) => {
                checked.fault(Fault::Row { index: first, what: "a row is damaged or missing" });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
