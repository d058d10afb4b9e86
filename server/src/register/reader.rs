//! Reading a journal through its index, and keeping the index fit to read through.
//!
//! Whatever is read from the journal is checked against its hash, so that an index that points
//! elsewhere gives an error and never a wrong answer.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use attest::hash::{Progress, Silent};
use attest::{ArtifactId, Sha256};
use verify::merkle::Frontier;

use super::batch::{Batch, Body, Covered, NewEntry};
use super::buried::{Zeroed, buries};
use super::erase::tombstones;
use super::facts::Term;
use super::fields::Fields;
use super::headers::Headers;
use super::index::{Addition, BodyPlace, Index, IndexError, Place, State, within};
use super::journal::JournalError;
use super::published::{Position, Tip};
use super::record::{LEAF_HEADER_BYTES, MAX_BODY_BYTES, Record};
use super::segment::Segments;
use super::select::select;
use super::storage::{Blob, Damaged, Key, MAX_PAGE, Query, StorageError, Stored};
use super::tree::edge;
use super::walk::{Step, Walk};

const INDEX_ASIDE: &str = "index-aside";
/// Where an index stands before it is whole.
const INDEX_NEW: &str = "index-new";
/// How many entries are added to the index in one step while it is brought up.
const ENTRIES_A_STEP: usize = 4096;
/// After how many bytes of bodies a step ends at the latest.
const BODIES_A_STEP: usize = 32 << 20;

/// A journal and its index.
pub(super) struct Reader {
    pub(super) segments: Arc<Segments>,
    pub(super) index: Index,
    headers: Headers,
}

/// Bodies of records that are not in the index yet.
#[derive(Default)]
struct Bodies {
    covered: BTreeMap<Sha256, Covered>,
    bytes: usize,
}

/// The body's hash and the leaf, of a leaf with its header as a record has it.
fn parse_leaf(bytes: &[u8]) -> Option<(Option<Sha256>, &[u8])> {
    let mut fields = Fields::new(bytes);
    let length = fields.u16().ok()?;
    let has_body = fields.u8().ok()?;
    let hash = fields.digest().ok()?;
    let leaf = fields.rest();
    (leaf.len() == usize::from(length)).then_some(((has_body == 1).then_some(hash), leaf))
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
    /// Reads `segments` through `index`.
    pub(super) fn new(segments: Arc<Segments>, index: Index) -> Self {
        Self { segments, index, headers: Headers::default() }
    }

    /// Reads one thing. When the index turns out to be damaged, it is made anew at the next start.
    pub(super) fn read(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        self.held(self.look(key))
    }

    /// Makes sure that an index which turned out to be damaged is not used again.
    pub(super) fn held<T>(&self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(StorageError::Index(IndexError::Row(_))) = result {
            self.index.condemn();
        }
        result
    }

    pub(super) fn look(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        Ok(match key {
            Key::Entry(index) => self.entry(*index)?.map(|stored| Blob::Bytes(stored.encode())),
            Key::Body(hash) => self.here_or_erased(hash, self.body(hash)?)?,
            Key::BodyOf { entry, hash } => {
                self.here_or_erased(hash, self.body_of(*entry, hash)?)?
            }
            Key::Node(node) => {
                self.index.node(*node)?.map(|hash| Blob::Bytes(hash.as_bytes().to_vec()))
            }
            Key::Hashes { level, start, count } => {
                let hashes = self.index.hashes(*level, *start, u64::from(*count))?;
                let bytes = || hashes.iter().flat_map(|hash| hash.as_bytes()).copied().collect();
                (hashes.len() == usize::from(*count)).then(|| Blob::Bytes(bytes()))
            }
            Key::IndexOf(leaf_hash) => self
                .index
                .index_of(leaf_hash)?
                .map(|index| Blob::Bytes(index.to_be_bytes().to_vec())),
        })
    }

    fn entry(&self, index: u64) -> Result<Option<Stored>, StorageError> {
        let Some(place) = self.index.place(index)? else { return Ok(None) };
        // Not as a node: that would hash the whole tile around it.
        let leaf_hash = self.index.hashes(0, index, 1)?.pop().ok_or(IndexError::Row('h'))?;
        let damaged = || StorageError::Damaged(Damaged::Entry(index));
        let header = LEAF_HEADER_BYTES + usize::from(place.length);
        let start = u64::from(place.leaf).saturating_sub(LEAF_HEADER_BYTES as u64);
        let bytes = self.segments.read(within(place.record, start), header)?;
        let (body, leaf) = parse_leaf(&bytes).ok_or_else(damaged)?;
        if verify::merkle::leaf_hash(leaf) != leaf_hash {
            return Err(damaged());
        }
        self.headers.require(&self.segments, &place)?;
        Ok(Some(Stored { time: place.time, body, leaf: leaf.to_vec() }))
    }

    /// Where a body is: the record, and place and length in it.
    pub(super) fn body_place(
        &self,
        hash: &Sha256,
    ) -> Result<Option<(Place, u32, u32)>, StorageError> {
        let mut start = 0;
        while let Some(index) = self.index.next_with_body(hash, start)? {
            let place = self.index.place(index)?.ok_or(IndexError::Row('e'))?;
            let header = u64::from(place.leaf).saturating_sub(LEAF_HEADER_BYTES as u64);
            let header = self.segments.read(within(place.record, header), LEAF_HEADER_BYTES)?;
            if header.get(3..) == Some(hash.as_bytes().as_slice())
                && let BodyPlace::Here { start, length } = place.body
            {
                return Ok(Some((place, start, length)));
            }
            start = index + 1;
        }
        Ok(None)
    }

    /// Whether a body was ever stored; it may have been erased since.
    pub(super) fn has_body(&self, hash: &Sha256) -> Result<bool, StorageError> {
        Ok(self.body_place(hash)?.is_some())
    }

    /// What was read of a body, if that is to be believed: zeros are those of a body that was
    /// erased only when a tombstone of it is registered. Of any other body nothing more is read.
    fn here_or_erased(
        &self,
        hash: &Sha256,
        found: Option<Blob>,
    ) -> Result<Option<Blob>, StorageError> {
        match found {
            Some(Blob::Tombstone) if !self.is_buried(hash)? => {
                Err(StorageError::Damaged(Damaged::Body(*hash)))
            }
            found => Ok(found),
        }
    }

    /// Whether an entry is a tombstone of the body.
    fn is_buried(&self, body: &Sha256) -> Result<bool, StorageError> {
        let terms = vec![Term::Subject(ArtifactId::file(*body)), tombstones()];
        let mut query = Query { terms, limit: MAX_PAGE, ..Query::default() };
        // Every page starts after the one before it.
        loop {
            let (indices, next) = select(&query, 0, self.index.size(), |term, from| {
                Ok(self.index.stretch(term, from)?.next(from).flatten())
            })?;
            for index in indices {
                if self.is_tombstone_of(index, body)? {
                    return Ok(true);
                }
            }
            match next {
                Some(next) => query.start = Some(next),
                None => return Ok(false),
            }
        }
    }

    fn is_tombstone_of(&self, index: u64, body: &Sha256) -> Result<bool, StorageError> {
        let Some(Stored { body: Some(hash), .. }) = self.entry(index)? else { return Ok(false) };
        match self.body_of(index, &hash) {
            Ok(Some(Blob::Bytes(bytes))) => Ok(buries(&bytes, body)),
            // A tombstone that was lost itself says nothing any more.
            Ok(_) | Err(StorageError::Damaged(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A body as it is: nobody has asked yet whether zeros are those of one that was erased.
    fn body(&self, hash: &Sha256) -> Result<Option<Blob>, StorageError> {
        match self.body_place(hash)? {
            Some((place, start, length)) => self.body_in(&place, start, length, hash),
            None => Ok(None),
        }
    }

    /// The body of an entry: beside its leaf, or wherever it is.
    fn body_of(&self, entry: u64, hash: &Sha256) -> Result<Option<Blob>, StorageError> {
        if let Some(place) = self.index.place(entry)?
            && let BodyPlace::Here { start, length } = place.body
            && let Ok(found) = self.body_in(&place, start, length, hash)
        {
            return Ok(found);
        }
        self.body(hash)
    }

    fn body_in(
        &self,
        place: &Place,
        start: u32,
        length: u32,
        hash: &Sha256,
    ) -> Result<Option<Blob>, StorageError> {
        // What a row says is how much memory reading the body takes.
        let length = length as usize;
        if length > MAX_BODY_BYTES {
            return Err(IndexError::Row('e').into());
        }
        let bytes = self.segments.read(within(place.record, u64::from(start)), length)?;
        self.headers.require(&self.segments, place)?;
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

    /// Adds the commits that the journal has after `from` up to `to` to the index. The progress
    /// counts entries.
    fn catch_up(&self, from: &Tip, to: &Tip, progress: &dyn Progress) -> Result<u64, StorageError> {
        let mut zeroed = Zeroed::default();
        let added = self.add_commits(from, to, &mut zeroed, progress);
        if added.is_err() && zeroed.lost().next().is_some() {
            // What is in the index by now must not make the next start pass over these.
            self.index.condemn();
        }
        added
    }

    fn add_commits(
        &self,
        from: &Tip,
        to: &Tip,
        zeroed: &mut Zeroed,
        progress: &dyn Progress,
    ) -> Result<u64, StorageError> {
        let damaged = |size| StorageError::Damaged(Damaged::Root(size));
        let frontier = self.frontier(from.tree.size)?.ok_or(damaged(from.tree.size))?;
        if frontier.root() != from.tree.root {
            return Err(damaged(from.tree.size));
        }
        let id = self.segments.identity().id;
        let mut frontier = frontier;
        let mut walk = Walk::after(&self.segments, from)?;
        let mut commits = 0;
        let mut addition = Addition::after(id, *from);
        let mut bodies = Bodies::default();
        while walk.tip().sequence < to.sequence {
            let Step::Record(bytes, tip) = walk.step()? else {
                return Err(JournalError::Corrupt { position: walk.next() }.into());
            };
            let (record, _) = Record::parse(&bytes, id).map_err(JournalError::from)?;
            let entries = self.entries_of(&record, &bytes, tip.position, &mut bodies, zeroed)?;
            // A journal only has records within the limits.
            let batch =
                Batch::new(&frontier, record.time, entries).map_err(|_| damaged(record.to.size))?;
            if batch.head().tree() != record.to {
                return Err(damaged(record.to.size));
            }
            addition.push(&batch, &record, tip);
            if addition.len() >= ENTRIES_A_STEP || bodies.bytes >= BODIES_A_STEP {
                self.index.apply(&std::mem::replace(&mut addition, Addition::after(id, tip)))?;
                self.index.settle()?;
                bodies = Bodies::default();
            }
            frontier = batch.frontier().clone();
            commits += 1;
            progress.advance(batch.entries().len() as u64);
        }
        for (lost, _) in zeroed.lost() {
            // A tombstone may also stand before the statement that it is of.
            if !self.is_buried(&lost)? {
                return Err(StorageError::Damaged(Damaged::Body(lost)));
            }
        }
        self.index.apply(&addition)?;
        self.index.settle()?;
        Ok(commits)
    }

    /// The entries of a record that was read from the journal, with their bodies. `bodies` are
    /// those of the records before it that are not in the index yet. What is all zeros, and every
    /// tombstone, is noted in `zeroed`.
    fn entries_of(
        &self,
        record: &Record<'_>,
        bytes: &[u8],
        position: Position,
        bodies: &mut Bodies,
        zeroed: &mut Zeroed,
    ) -> Result<Vec<Arc<NewEntry>>, StorageError> {
        for (body, offset) in record.bodies.iter().zip(record.body_offsets()) {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let found = bytes.get(start..start.saturating_add(body.length as usize));
            let found = found.ok_or(StorageError::Damaged(Damaged::Body(body.hash)))?;
            bodies.bytes += found.len();
            let covered = self.covered(body.hash, Some(found.to_vec()))?;
            if matches!(covered, Covered::Erased(_)) {
                zeroed.body(body.hash, position);
            }
            bodies.covered.insert(body.hash, covered);
        }
        record
            .leaves
            .iter()
            .map(|leaf| {
                let covered = match leaf.body {
                    None => Covered::Unknown,
                    Some(hash) => match bodies.covered.get(&hash) {
                        Some(covered) => covered.clone(),
                        // An earlier record brought it, and is indexed by now.
                        None => match self.body(&hash)? {
                            Some(Blob::Bytes(bytes)) => self.covered(hash, Some(bytes))?,
                            Some(Blob::Tombstone) => {
                                // It may have been lost since it was indexed.
                                zeroed.body(hash, position);
                                self.covered(hash, None)?
                            }
                            None => return Err(StorageError::Damaged(Damaged::Body(hash))),
                        },
                    },
                };
                let entry = NewEntry::new(leaf.bytes.to_vec(), covered);
                zeroed.entry(&entry);
                Ok(Arc::new(entry))
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
    let why = match Index::open(folder, cache_bytes, segments.identity().id) {
        // One that is made anew takes more room, not less.
        Err(error @ IndexError::Full(_)) => return Err(error.into()),
        Err(_) => "it could not be opened",
        Ok(index) => {
            let reader = Reader::new(Arc::clone(&segments), index);
            match usable(&reader, tip) {
                Ok(from) => match reader.catch_up(&from, tip, &Silent) {
                    Ok(commits) => return Ok((reader, Rebuilt { why: None, commits })),
                    Err(error) if error.is_full() => return Err(error),
                    // Damage of the journal stays damage with a new index.
                    Err(_) if from.sequence > 0 => "it could not be brought up to the journal",
                    Err(error) => return Err(error),
                },
                Err(why) => why,
            }
        }
    };
    make_index(segments, tip, folder, cache_bytes, why, &Silent)
}

/// Makes the index anew, beside the one that is there; that is kept aside once the new one is
/// whole, and stays when there is none. The progress counts entries.
pub(super) fn make_index(
    segments: Arc<Segments>,
    tip: &Tip,
    folder: &Path,
    cache_bytes: u64,
    why: &'static str,
    progress: &dyn Progress,
) -> Result<(Reader, Rebuilt), StorageError> {
    let beside = folder.with_file_name(INDEX_NEW);
    let failed = JournalError::io("move", INDEX_NEW);
    // What a start left that was cut off.
    remove(&beside).map_err(&failed)?;
    let made = make_beside(&segments, tip, &beside, cache_bytes, progress);
    if made.is_err() {
        // It is of no use to anybody; that it cannot be removed is no worse.
        let _ = remove(&beside);
    }
    let commits = made?;
    move_aside(folder)?;
    fs::rename(&beside, folder).map_err(&failed)?;
    let index = Index::open(folder, cache_bytes, segments.identity().id)?;
    let reader = Reader::new(segments, index);
    // As much as was written when it was closed: mostly all of it.
    let from = usable(&reader, tip).map_err(|_| IndexError::Row('m'))?;
    reader.catch_up(&from, tip, &Silent)?;
    Ok((reader, Rebuilt { why: Some(why), commits }))
}

/// Makes an index in a folder, and closes it.
fn make_beside(
    segments: &Arc<Segments>,
    tip: &Tip,
    folder: &Path,
    cache_bytes: u64,
    progress: &dyn Progress,
) -> Result<u64, StorageError> {
    let id = segments.identity().id;
    let reader = Reader::new(Arc::clone(segments), Index::open(folder, cache_bytes, id)?);
    progress.start(tip.tree.size);
    let commits = reader.catch_up(&Tip::empty(), tip, progress);
    progress.finish();
    drop(reader);
    if commits.is_ok() {
        // Nobody may still be closing it when it gets its name.
        drop(Index::open(folder, cache_bytes, id)?);
    }
    commits
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

/// Keeps an index that another one follows for inspection, in place of the one that was kept
/// before.
fn move_aside(folder: &Path) -> Result<(), StorageError> {
    let aside = folder.with_file_name(INDEX_ASIDE);
    let moved = remove(&aside).and_then(|()| match fs::rename(folder, &aside) {
        // There was none.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    });
    moved.map_err(JournalError::io("move aside", "index")).map_err(StorageError::from)
}

/// Removes whatever is there, and no more than a link where that is one.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
