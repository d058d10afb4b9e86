//! Reading a journal through its index, and keeping the index fit to read through.
//!
//! Whatever is read from the journal is checked against its hash, so that an index that points
//! elsewhere gives an error and never a wrong answer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use attest::Sha256;
use verify::merkle::Frontier;

use super::batch::{Batch, Body, Covered, NewEntry};
use super::index::{Index, State};
use super::journal::JournalError;
use super::published::Tip;
use super::record::Record;
use super::segment::Segments;
use super::storage::{Blob, Damaged, Key, StorageError, Stored};
use super::tree::edge;
use super::walk::{Step, Walk};

const INDEX_ASIDE: &str = "index-aside";

/// A journal and its index.
pub(super) struct Reader {
    pub(super) segments: Arc<Segments>,
    pub(super) index: Index,
}

/// What opening had to do to the index.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rebuilt {
    /// Why the index was made anew, if it was.
    pub why: Option<&'static str>,
    /// Commits that were added to it from the journal.
    pub commits: u64,
}

impl Reader {
    /// Reads one thing.
    pub(super) fn read(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        Ok(match key {
            Key::Entry(index) => self.entry(*index)?.map(|stored| Blob::Bytes(stored.encode())),
            Key::Body(hash) => self.body(hash)?,
            Key::Node(node) => {
                self.index.node(*node)?.map(|hash| Blob::Bytes(hash.as_bytes().to_vec()))
            }
            Key::IndexOf(leaf_hash) => self
                .index
                .index_of(leaf_hash)?
                .map(|index| Blob::Bytes(index.to_be_bytes().to_vec())),
        })
    }

    fn entry(&self, index: u64) -> Result<Option<Stored>, StorageError> {
        let Some(row) = self.index.entry(index)? else { return Ok(None) };
        let leaf = self.segments.read(row.at, usize::from(row.length))?;
        if verify::merkle::leaf_hash(&leaf) != row.leaf_hash {
            return Err(StorageError::Damaged(Damaged::Entry(index)));
        }
        Ok(Some(Stored { time: row.time, body: row.body, leaf }))
    }

    fn body(&self, hash: &Sha256) -> Result<Option<Blob>, StorageError> {
        let Some(row) = self.index.body(hash)? else { return Ok(None) };
        let bytes = self.segments.read(row.at, row.length as usize)?;
        if Sha256::of(&bytes) == *hash {
            Ok(Some(Blob::Bytes(bytes)))
        } else if bytes.iter().all(|byte| *byte == 0) {
            Ok(Some(Blob::Tombstone))
        } else {
            Err(StorageError::Damaged(Damaged::Body(*hash)))
        }
    }

    /// The right edge of the tree of `size` entries, if the index has all of it.
    fn frontier(&self, size: u64) -> Result<Option<Frontier>, StorageError> {
        let mut hashes = Vec::new();
        for node in edge(size) {
            let Some(hash) = self.index.node(node)? else { return Ok(None) };
            hashes.push(hash);
        }
        Ok(Frontier::from_parts(size, hashes).ok())
    }

    /// Adds the commits that the journal has after `from` up to `to` to the index.
    fn catch_up(&self, from: &Tip, to: &Tip) -> Result<u64, StorageError> {
        let damaged = |size| StorageError::Damaged(Damaged::Root(size));
        let frontier = self.frontier(from.tree.size)?.ok_or(damaged(from.tree.size))?;
        if frontier.root() != from.tree.root {
            return Err(damaged(from.tree.size));
        }
        let id = self.segments.identity().id;
        let mut frontier = frontier;
        let mut walk = Walk::after(&self.segments, from)?;
        let mut commits = 0;
        while walk.tip().sequence < to.sequence {
            let Step::Record(bytes, tip) = walk.step()? else {
                return Err(JournalError::Corrupt { position: walk.next() }.into());
            };
            let (record, _) = Record::parse(&bytes, id).map_err(JournalError::from)?;
            let entries = self.entries_of(&record, &bytes)?;
            // A journal only has records within the limits.
            let batch =
                Batch::new(&frontier, record.time, entries).map_err(|_| damaged(record.to.size))?;
            if batch.head().tree() != record.to {
                return Err(damaged(record.to.size));
            }
            self.index.apply(&batch, &record, id, &tip)?;
            frontier = batch.frontier().clone();
            commits += 1;
        }
        Ok(commits)
    }

    /// The entries of a record that was read from the journal, with their bodies.
    fn entries_of(&self, record: &Record<'_>, bytes: &[u8]) -> Result<Vec<NewEntry>, StorageError> {
        let mut brought = BTreeMap::new();
        for (body, offset) in record.bodies.iter().zip(record.body_offsets()) {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let found = bytes.get(start..start.saturating_add(body.length as usize));
            let found = found.ok_or(StorageError::Damaged(Damaged::Body(body.hash)))?;
            brought.insert(body.hash, self.covered(body.hash, Some(found.to_vec()))?);
        }
        record
            .leaves
            .iter()
            .map(|leaf| {
                let covered = match leaf.body {
                    None => Covered::Unknown,
                    Some(hash) => match brought.get(&hash) {
                        Some(covered) => covered.clone(),
                        // An earlier record brought it, and is indexed by now.
                        None => match self.body(&hash)? {
                            Some(Blob::Bytes(bytes)) => self.covered(hash, Some(bytes))?,
                            Some(Blob::Tombstone) | None => self.covered(hash, None)?,
                        },
                    },
                };
                Ok(NewEntry { leaf: leaf.bytes.to_vec(), covered })
            })
            .collect()
    }

    fn covered(&self, hash: Sha256, bytes: Option<Vec<u8>>) -> Result<Covered, StorageError> {
        let Some(bytes) = bytes else { return Ok(Covered::Erased(hash)) };
        let body = Body::new(bytes);
        if body.hash() == hash {
            Ok(Covered::Body(Arc::new(body)))
        } else if body.bytes().iter().all(|byte| *byte == 0) {
            Ok(Covered::Erased(hash))
        } else {
            Err(StorageError::Damaged(Damaged::Body(hash)))
        }
    }
}

/// Opens the index and brings it up to `tip`; makes it anew when it is of no use.
pub(super) fn open_index(
    segments: Arc<Segments>,
    tip: &Tip,
    folder: &Path,
    cache_bytes: u64,
) -> Result<(Reader, Rebuilt), StorageError> {
    let why = match Index::open(folder, cache_bytes) {
        Err(_) => "it could not be opened",
        Ok(index) => {
            let reader = Reader { segments: Arc::clone(&segments), index };
            match usable(&reader, tip) {
                Ok(from) => match reader.catch_up(&from, tip) {
                    Ok(commits) => return Ok((reader, Rebuilt { why: None, commits })),
                    // Damage of the journal stays damage with a new index.
                    Err(_) if from.sequence > 0 => "it could not be brought up to the journal",
                    Err(error) => return Err(error),
                },
                Err(why) => why,
            }
        }
    };
    move_aside(folder)?;
    let reader = Reader { segments, index: Index::open(folder, cache_bytes)? };
    let commits = reader.catch_up(&Tip::empty(), tip)?;
    Ok((reader, Rebuilt { why: Some(why), commits }))
}

/// The tip that the index is complete to, if it belongs to the journal.
fn usable(reader: &Reader, tip: &Tip) -> Result<Tip, &'static str> {
    match reader.index.state() {
        Err(_) => Err("it could not be read"),
        Ok(State::Unknown) => Err("it is of another version or damaged"),
        Ok(State::New) => Ok(Tip::empty()),
        Ok(State::Complete(id, _)) if id != reader.segments.identity().id => {
            Err("it belongs to another register")
        }
        Ok(State::Complete(_, found)) if found.sequence > tip.sequence => {
            Err("it is ahead of the journal")
        }
        Ok(State::Complete(_, found)) => Ok(found),
    }
}

/// Keeps an index that is of no use for inspection, in place of the one that was kept before.
fn move_aside(folder: &Path) -> Result<(), StorageError> {
    let aside = folder.with_file_name(INDEX_ASIDE);
    let move_it = || -> std::io::Result<()> {
        if aside.is_dir() {
            fs::remove_dir_all(&aside)?;
        } else if aside.exists() {
            fs::remove_file(&aside)?;
        }
        fs::rename(folder, &aside)
    };
    move_it().map_err(JournalError::io("move aside", "index")).map_err(StorageError::from)
}
