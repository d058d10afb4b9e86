//! Runs: the postings of a range of entries, sorted, never changed once written.
//!
//! A run is made whole before the row that lists the runs names it, and a row of a run that is
//! listed is never written again. So a reader needs no lock, and a crash leaves either the old
//! list or the new one. A row that should be there and is not is an error, never "nothing found".

use std::sync::OnceLock;

use super::super::fields::{Fields, Short};
use super::block::{Builder, Posting, Postings, put_number, take_number};
use super::filter::{FILTER_BYTES, block_of, blocks_for, mark, may_have};
use super::{IndexError, key};

/// How many fences one row holds.
const FENCES_A_ROW: usize = 128;

/// A run. Its rows are in the database; what has been read of its fences and filter is kept.
#[derive(Debug)]
pub(super) struct Run {
    /// What its rows are named by; never given to another run.
    pub(super) id: u64,
    /// Position of its first entry.
    pub(super) first: u64,
    /// How many entries.
    pub(super) count: u64,
    /// How many blocks of postings.
    pub(super) blocks: u32,
    /// How many postings.
    pub(super) postings: u64,
    /// How many fingerprints, at most: what its filter was made for.
    pub(super) fingerprints: u64,
    fences: OnceLock<Vec<Posting>>,
    filter_blocks: u32,
    filter: OnceLock<Vec<OnceLock<sled::IVec>>>,
}

impl Run {
    fn new(id: u64, first: u64, count: u64, blocks: u32, postings: u64, fingerprints: u64) -> Self {
        // A run of one block is looked into, which costs as much as asking its filter.
        let filter_blocks = if blocks > 1 { blocks_for(fingerprints) } else { 0 };
        let (fences, filter) = (OnceLock::new(), OnceLock::new());
        Self { id, first, count, blocks, postings, fingerprints, fences, filter_blocks, filter }
    }

    /// Position after its last entry.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Appends what the list of runs says of it; where it starts follows from the runs before.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        for number in
            [self.id, self.count, u64::from(self.blocks), self.postings, self.fingerprints]
        {
            put_number(bytes, number);
        }
    }

    /// Takes what [`Run::encode`] appended, for a run that starts at `first`.
    pub(super) fn decode(bytes: &mut &[u8], first: u64) -> Result<Self, Short> {
        let mut numbers = [0; 5];
        for number in &mut numbers {
            *number = take_number(bytes)?;
        }
        let [id, count, blocks, postings, fingerprints] = numbers;
        let blocks = u32::try_from(blocks).map_err(|_| Short)?;
        let fits = count > 0
            && first.checked_add(count).is_some()
            && fingerprints <= postings
            && u64::from(blocks) <= postings;
        if fits {
            Ok(Self::new(id, first, count, blocks, postings, fingerprints))
        } else {
            Err(Short)
        }
    }

    /// The entries with `fingerprint` from `start` on that one block has, and up to where, without,
    /// there are no others.
    pub(super) fn stretch(
        &self,
        database: &sled::Db,
        fingerprint: u64,
        start: u64,
    ) -> Result<(Vec<u64>, u64), IndexError> {
        let mut indices = Vec::new();
        if start >= self.end() || self.blocks == 0 || !self.may_have(database, fingerprint)? {
            return Ok((indices, self.end()));
        }
        let from = Posting { fingerprint, index: start };
        let first = if self.blocks == 1 {
            0
        } else {
            let fences = self.fences(database)?;
            fences.partition_point(|fence| *fence <= from).saturating_sub(1)
        };
        // What is looked for is in this block, or it is the first of the next one.
        for number in first..first.saturating_add(2).min(self.blocks as usize) {
            let row = self.block(database, u32::try_from(number).unwrap_or(u32::MAX))?;
            for posting in Postings::new(&row, self.first) {
                let posting = posting.map_err(|Short| IndexError::Row('p'))?;
                if posting.fingerprint > fingerprint {
                    return Ok((indices, self.end()));
                }
                if posting >= from {
                    indices.push(posting.index);
                }
            }
            // The next block may go on with it.
            if let Some(last) = indices.last() {
                let end = last.saturating_add(1);
                return Ok((indices, end));
            }
        }
        Ok((indices, self.end()))
    }

    /// The last entry with `fingerprint` at `end` or before it. Reads one block, as blocks are only
    /// read from their start.
    pub(super) fn previous(
        &self,
        database: &sled::Db,
        fingerprint: u64,
        end: u64,
    ) -> Result<Option<u64>, IndexError> {
        if end < self.first || self.blocks == 0 || !self.may_have(database, fingerprint)? {
            return Ok(None);
        }
        let to = Posting { fingerprint, index: end };
        // What is looked for is in the last block that starts at it or before it.
        let before = match self.blocks {
            1 => 1,
            _ => self.fences(database)?.partition_point(|fence| *fence <= to),
        };
        let Some(number) = before.checked_sub(1) else { return Ok(None) };
        let row = self.block(database, u32::try_from(number).unwrap_or(u32::MAX))?;
        let mut last = None;
        for posting in Postings::new(&row, self.first) {
            let posting = posting.map_err(|Short| IndexError::Row('p'))?;
            if posting > to {
                break;
            }
            if posting.fingerprint == fingerprint {
                last = Some(posting.index);
            }
        }
        Ok(last)
    }

    fn may_have(&self, database: &sled::Db, fingerprint: u64) -> Result<bool, IndexError> {
        let number = block_of(fingerprint, self.filter_blocks);
        let Some(kept) = self.filter(database)?.get(number as usize) else { return Ok(true) };
        if let Some(block) = kept.get() {
            return Ok(may_have(block, fingerprint));
        }
        let row = database.get(self.key(b'f', number))?;
        let row = row.filter(|row| row.len() == FILTER_BYTES).ok_or(IndexError::Row('f'))?;
        Ok(may_have(kept.get_or_init(|| row), fingerprint))
    }

    /// What has been read of the filter. How long it is says the list of runs: nothing is kept free
    /// for it before its last row is there.
    fn filter(&self, database: &sled::Db) -> Result<&[OnceLock<sled::IVec>], IndexError> {
        if let Some(filter) = self.filter.get() {
            return Ok(filter);
        }
        if let Some(last) = self.filter_blocks.checked_sub(1)
            && !database.contains_key(self.key(b'f', last))?
        {
            return Err(IndexError::Row('f'));
        }
        Ok(self.filter.get_or_init(|| {
            let mut filter = Vec::new();
            filter.resize_with(self.filter_blocks as usize, OnceLock::new);
            filter
        }))
    }

    /// The first posting of each block.
    fn fences(&self, database: &sled::Db) -> Result<&[Posting], IndexError> {
        if let Some(fences) = self.fences.get() {
            return Ok(fences);
        }
        let mut fences = Vec::new();
        for number in 0..fence_rows(self.blocks) {
            let row = database.get(self.key(b'q', number))?.ok_or(IndexError::Row('q'))?;
            fences.extend(fences_of(&row).map_err(|Short| IndexError::Row('q'))?);
        }
        if fences.len() != self.blocks as usize || !fences.is_sorted() {
            return Err(IndexError::Row('q'));
        }
        Ok(self.fences.get_or_init(|| fences))
    }

    /// One block of postings.
    fn block(&self, database: &sled::Db, number: u32) -> Result<sled::IVec, IndexError> {
        database.get(self.key(b'p', number))?.ok_or(IndexError::Row('p'))
    }

    fn key(&self, kind: u8, number: u32) -> Vec<u8> {
        row_key(kind, self.id, number)
    }

    /// Takes its rows out of the database: nobody reads them any more.
    pub(super) fn remove(&self, rows: &mut sled::Batch) {
        let kinds = [
            (b'p', self.blocks),
            (b'q', if self.blocks > 1 { fence_rows(self.blocks) } else { 0 }),
            (b'f', self.filter_blocks),
        ];
        for (kind, count) in kinds {
            for number in 0..count {
                rows.remove(self.key(kind, number));
            }
        }
    }
}

/// The kinds of rows that runs consist of.
pub(super) const ROW_KINDS: [u8; 3] = *b"fpq";

/// The name of a row of a run.
pub(super) fn row_key(kind: u8, run: u64, number: u32) -> Vec<u8> {
    key(kind, &[&run.to_be_bytes(), &number.to_be_bytes()])
}

/// The fences of one row.
pub(super) fn fences_of(row: &[u8]) -> Result<Vec<Posting>, Short> {
    let (mut fields, mut fences) = (Fields::new(row), Vec::new());
    while !fields.rest().is_empty() {
        fences.push(Posting { fingerprint: fields.u64()?, index: fields.u64()? });
    }
    Ok(fences)
}

fn fence_rows(blocks: u32) -> u32 {
    blocks.div_ceil(u32::try_from(FENCES_A_ROW).unwrap_or(1))
}

/// Writes the rows of a new run; postings come in order.
#[derive(Debug)]
pub(super) struct Writer {
    id: u64,
    first: u64,
    count: u64,
    most: u64,
    block: Builder,
    blocks: u32,
    fences: Vec<Posting>,
    filter: Box<[u8; FILTER_BYTES]>,
    filter_number: u32,
    postings: u64,
    last: Option<u64>,
}

impl Writer {
    /// A run for `count` entries from `first` on, with at most `most` fingerprints.
    pub(super) fn new(id: u64, first: u64, count: u64, most: u64) -> Self {
        Self {
            id,
            first,
            count,
            most,
            block: Builder::new(first),
            blocks: 0,
            fences: Vec::new(),
            filter: Box::new([0; FILTER_BYTES]),
            filter_number: 0,
            postings: 0,
            last: None,
        }
    }

    /// Adds the next posting; full blocks go to `rows`.
    pub(super) fn push(&mut self, posting: Posting, rows: &mut sled::Batch) {
        if self.block.is_full() {
            self.end_block(rows);
        }
        if self.last != Some(posting.fingerprint) {
            let number = block_of(posting.fingerprint, blocks_for(self.most));
            if number != self.filter_number {
                self.end_filters(number, rows);
            }
            mark(&mut self.filter, posting.fingerprint);
            self.last = Some(posting.fingerprint);
        }
        self.block.push(posting);
        self.postings += 1;
    }

    /// Ends the run; its last rows go to `rows`.
    pub(super) fn finish(mut self, rows: &mut sled::Batch) -> Run {
        self.end_block(rows);
        if self.blocks > 1 {
            self.end_filters(blocks_for(self.most), rows);
            for (fences, number) in self.fences.chunks(FENCES_A_ROW).zip(0_u32..) {
                let mut row = Vec::with_capacity(fences.len() * 16);
                for fence in fences {
                    row.extend_from_slice(&fence.fingerprint.to_be_bytes());
                    row.extend_from_slice(&fence.index.to_be_bytes());
                }
                rows.insert(row_key(b'q', self.id, number), row);
            }
        }
        let Self { id, first, count, blocks, postings, most, .. } = self;
        Run::new(id, first, count, blocks, postings, most)
    }

    fn end_block(&mut self, rows: &mut sled::Batch) {
        if let Some((first, bytes)) = self.block.take() {
            rows.insert(row_key(b'p', self.id, self.blocks), bytes);
            self.blocks += 1;
            self.fences.push(first);
        }
    }

    /// Writes the filter's blocks before `next`, of which the first is at hand and the others,
    /// between two fingerprints, are empty.
    fn end_filters(&mut self, next: u32, rows: &mut sled::Batch) {
        for number in self.filter_number..next {
            rows.insert(row_key(b'f', self.id, number), self.filter.as_slice());
            self.filter.fill(0);
        }
        self.filter_number = next;
    }
}

/// Reads all postings of a run in order.
#[derive(Debug)]
pub(super) struct Cursor {
    block: Vec<Posting>,
    at: usize,
    next_block: u32,
}

impl Cursor {
    /// A cursor at the first posting.
    pub(super) const fn new() -> Self {
        Self { block: Vec::new(), at: 0, next_block: 0 }
    }

    /// The posting that it stands at; `None` at the end.
    pub(super) fn get(
        &mut self,
        run: &Run,
        database: &sled::Db,
    ) -> Result<Option<Posting>, IndexError> {
        while self.at >= self.block.len() {
            if self.next_block >= run.blocks {
                return Ok(None);
            }
            let row = run.block(database, self.next_block)?;
            let block: Result<_, Short> = Postings::new(&row, run.first).collect();
            self.block = block.map_err(|Short| IndexError::Row('p'))?;
            self.at = 0;
            self.next_block += 1;
        }
        Ok(self.block.get(self.at).copied())
    }

    /// Goes one posting further.
    pub(super) const fn advance(&mut self) {
        self.at += 1;
    }
}
