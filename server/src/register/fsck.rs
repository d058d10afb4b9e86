//! Reading a whole register, and saying what is wrong with it.
//!
//! The journal is read record by record: checksums and the chain of them, every root computed
//! anew from the leaves, every body held against its hash and its leaf. What it leads to is held
//! against what was published, what was signed and what was seen, and then the index against it.
//! Nothing is repaired here, and the journal is not written to.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use attest::hash::Progress;
use attest::{Checkpoint, Leaf, NoteSigner, Sha256};
use verify::merkle::Frontier;

use super::batch::{Batch, Body, Covered, NewEntry};
use super::disk::{Disk, FolderDisk};
use super::embedded::{INDEX, Settings};
use super::folder::{CHECKPOINT, FolderError, read_key, take};
use super::index::{Addition, Difference, Index, IndexError, State};
use super::journal::{JournalError, at};
use super::lock::Holder;
use super::published::{Position, Published, Tip};
use super::reader::Reader;
use super::record::Record;
use super::recovery::{bodies_are_whole, refuse_if_followed};
use super::segment::Segments;
use super::storage::{Blob, Key, StorageError};
use super::tree::Tree;
use super::walk::{Step, Walk};

/// Most faults that are named; the others are counted.
pub const MAX_FAULTS: usize = 100;
/// Of how many entries one is searched for when not all are.
const SAMPLED: u64 = 64;

/// How much of the index is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    /// The place and the hash of every entry, and one entry in 64 by what it is found by.
    Sample,
    /// Everything about every entry.
    All,
}

impl Depth {
    const fn searches(self, index: u64) -> bool {
        match self {
            Self::Sample => index.is_multiple_of(SAMPLED),
            Self::All => true,
        }
    }
}

/// Something that is wrong with a register.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A record is damaged or does not continue the one before it. What follows was not read.
    #[error("the journal is damaged at {}, after {entries} entries", at(.position))]
    Record {
        /// Where.
        position: Position,
        /// How many entries stand before it.
        entries: u64,
    },
    /// A segment cannot be used. What follows was not read.
    #[error("the journal cannot be read beyond {entries} entries: {why}")]
    Segment {
        /// How many entries stand before it.
        entries: u64,
        /// Why.
        why: String,
    },
    /// The leaves do not lead to the root that a record says. What follows was not read.
    #[error("the first {size} leaves do not lead to the root that their record says ({})", at(.position))]
    Root {
        /// How many leaves.
        size: u64,
        /// Where the record is.
        position: Position,
    },
    /// A body was changed.
    #[error("body {body} is damaged ({})", at(.position))]
    Body {
        /// Its hash.
        body: Sha256,
        /// Where the record is that brings it.
        position: Position,
    },
    /// An entry names a body that no record brings.
    #[error("entry {index} names body {body}, which is not in the journal")]
    NoBody {
        /// Position of the entry.
        index: u64,
        /// The hash of the body.
        body: Sha256,
    },
    /// The leaf of an entry is of another body than the one it stands with.
    #[error("the leaf of entry {index} does not cover its body")]
    Leaf {
        /// Position of the entry.
        index: u64,
    },
    /// The file `published` or `checkpoint`, or the key, cannot be used.
    #[error("{what} cannot be used: {why}")]
    Unusable {
        /// What it is.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The journal holds less than it held before.
    #[error("the journal has {found} entries, but {what} says {size}: entries are missing")]
    Short {
        /// Who says so.
        what: &'static str,
        /// How many there were.
        size: u64,
        /// How many there are.
        found: u64,
    },
    /// The journal holds something else than it held before.
    #[error("the first {size} entries have the root {found}, but {what} says {root}")]
    Fork {
        /// Who says so.
        what: &'static str,
        /// How many entries.
        size: u64,
        /// The root that they had.
        root: Sha256,
        /// The root that they have.
        found: Sha256,
    },
    /// The index cannot be used.
    #[error("the index cannot be used: {0}")]
    Index(String),
    /// The index says something else than the journal.
    #[error("the index is wrong about entry {index}: {what}")]
    Row {
        /// Position of the entry.
        index: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl Fault {
    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Record { .. }
            | Self::Segment { .. }
            | Self::Root { .. }
            | Self::Body { .. }
            | Self::NoBody { .. }
            | Self::Leaf { .. }
            | Self::Short { .. } => "restore the register from a backup that is not older",
            Self::Unusable { .. } => "restore the file from a backup",
            Self::Fork { .. } => {
                "keep both as evidence, sign nothing more, and find out which is the right one"
            }
            Self::Index(_) | Self::Row { .. } => "run `assay log rebuild-index`",
        }
    }
}

/// What was read of a register, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The register's name.
    pub origin: String,
    /// Number of the journal's files.
    pub segments: u64,
    /// Commits that were read.
    pub commits: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// The tree that they lead to.
    pub tree: Tree,
    /// Bodies that were read, the erased ones included.
    pub bodies: u64,
    /// Bodies that were erased.
    pub erased: u64,
    /// Commits after the last published one: the next start publishes them.
    pub unpublished: u64,
    /// Whether the journal ends in a write that was never finished: the next start puts it aside.
    pub is_unfinished: bool,
    /// What the tree was held against.
    pub compared: Vec<&'static str>,
    /// Entries that the index was held against; fewer than there are when it is missing or
    /// behind, which the next start mends.
    pub indexed: u64,
    /// Entries that were searched for by all that they are found by.
    pub searched: u64,
    /// What is wrong, at most [`MAX_FAULTS`].
    pub faults: Vec<Fault>,
    /// How many faults are not named.
    pub more: u64,
}

impl Checked {
    /// Whether nothing is wrong.
    pub const fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        } else {
            self.more += 1;
        }
    }
}

/// A tree that the journal must have: who says so, and the tree.
pub(super) type Mark = (&'static str, Tree);

/// Checks the register in `folder`. `seen` gives the largest tree that was seen of the register
/// with a name. The progress counts bytes of the journal.
///
/// # Errors
/// When the register cannot be looked at: it is in use, or not there, or the system refuses. What
/// is wrong with the register is no error but a [`Fault`].
pub fn fsck(
    folder: &Path,
    holder: &Holder,
    patience: Duration,
    seen: impl Fn(&str) -> Option<Tree>,
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Checked, FolderError> {
    let _lock = take(folder, holder, patience)?;
    let disk = Arc::new(FolderDisk::new(folder));
    let Some(segments) = Segments::open(disk.clone()).map_err(StorageError::from)? else {
        return Err(StorageError::from(JournalError::NotFound).into());
    };
    let origin = segments.identity().origin.clone();
    let mut faults = Vec::new();
    let mut marks = Vec::new();
    match signed(folder, &origin) {
        Ok(tree) => marks.extend(tree.map(|tree| ("the checkpoint", tree))),
        Err(fault) => faults.push(fault),
    }
    marks.extend(seen(&origin).map(|tree| ("what was seen before", tree)));
    let index = folder.join(INDEX);
    let index = index.is_dir().then_some(index.as_path());
    let mut checked = check(disk, segments, index, &marks, depth, progress)?;
    faults.into_iter().for_each(|fault| checked.fault(fault));
    Ok(checked)
}

/// The tree of the checkpoint in the folder, signed by the register's key.
fn signed(folder: &Path, origin: &str) -> Result<Option<Tree>, Fault> {
    let unusable = |what, why: String| Fault::Unusable { what, why };
    let key = read_key(folder).map_err(|error| unusable("the key", error.to_string()))?;
    let signer =
        NoteSigner::new(origin, key).map_err(|error| unusable("the key", error.to_string()))?;
    let note = match fs::read_to_string(folder.join(CHECKPOINT)) {
        Ok(note) => note,
        // It can be signed again at any time.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable("the checkpoint", error.to_string())),
    };
    let Checkpoint { size, root, .. } = Checkpoint::open(&note, signer.verifier())
        .map_err(|error| unusable("the checkpoint", error.to_string()))?;
    Ok(Some(Tree { size, root }))
}

/// Checks the journal on `disk`, and the index in a folder, if there is one.
pub(super) fn check(
    disk: Arc<dyn Disk>,
    segments: Segments,
    index: Option<&Path>,
    marks: &[Mark],
    depth: Depth,
    progress: &dyn Progress,
) -> Result<Checked, StorageError> {
    let segments = Arc::new(segments);
    let mut checked = Checked {
        origin: segments.identity().origin.clone(),
        segments: segments.firsts().len() as u64,
        commits: 0,
        bytes: 0,
        tree: Tree::empty(),
        bodies: 0,
        erased: 0,
        unpublished: 0,
        is_unfinished: false,
        compared: Vec::new(),
        indexed: 0,
        searched: 0,
        faults: Vec::new(),
        more: 0,
    };
    let id = segments.identity().id;
    let published = match Published::open(disk.as_ref(), Some(id)) {
        Ok(Some(published)) => Some(*published.tip()),
        Ok(None) => {
            let why = "it is missing".into();
            checked.fault(Fault::Unusable { what: "`published`", why });
            None
        }
        Err(error @ (JournalError::Io { .. } | JournalError::Full { .. })) => {
            return Err(error.into());
        }
        Err(error) => {
            checked.fault(Fault::Unusable { what: "`published`", why: error.to_string() });
            None
        }
    };
    let (reader, indexed_to) = match index.map(|index| open_index(index, &segments)) {
        None => (None, 0),
        Some(Ok((reader, sequence))) => (Some(reader), sequence),
        Some(Err(fault)) => {
            checked.fault(fault);
            (None, 0)
        }
    };
    progress.start(segments.length()?);
    let walked = Walker {
        segments: &segments,
        reader: reader.as_ref(),
        indexed_to,
        marks,
        published,
        depth,
        brought: HashSet::new(),
        frontier: Frontier::new(),
    }
    .walk(&mut checked, progress);
    progress.finish();
    walked?;
    if let Some(published) = published {
        hold(&mut checked, ("`published`", published.tree), None);
    }
    for mark in marks {
        hold(&mut checked, *mark, None);
    }
    Ok(checked)
}

/// The index and the sequence of the record that it is complete to.
fn open_index(folder: &Path, segments: &Arc<Segments>) -> Result<(Reader, u64), Fault> {
    let unusable = |error: IndexError| Fault::Index(error.to_string());
    let id = segments.identity().id;
    let index = Index::open(folder, Settings::default().cache_bytes, id).map_err(unusable)?;
    match index.state().map_err(unusable)? {
        State::New => Ok((Reader { segments: Arc::clone(segments), index }, 0)),
        State::Complete(owner, tip) if owner == id => {
            Ok((Reader { segments: Arc::clone(segments), index }, tip.sequence))
        }
        State::Complete(..) => Err(Fault::Index("it belongs to another register".into())),
        State::Unknown => Err(Fault::Index("it is of another version or damaged".into())),
    }
}

/// Holds what was read against a tree that must be in it. `root` is that of the tree's size, once
/// that many entries are read; without it, it is only asked whether there are that many.
fn hold(checked: &mut Checked, (what, tree): Mark, root: Option<Sha256>) {
    match root {
        Some(found) if found != tree.root => {
            let Tree { size, root } = tree;
            checked.fault(Fault::Fork { what, size, root, found });
        }
        Some(_) => checked.compared.push(what),
        None if tree.size > checked.tree.size => {
            let (size, found) = (tree.size, checked.tree.size);
            checked.fault(Fault::Short { what, size, found });
        }
        None if tree.size == 0 => checked.compared.push(what),
        None => {}
    }
}

/// What goes through the journal.
struct Walker<'c> {
    segments: &'c Segments,
    reader: Option<&'c Reader>,
    /// Sequence of the record that the index is complete to.
    indexed_to: u64,
    marks: &'c [Mark],
    published: Option<Tip>,
    depth: Depth,
    /// Hashes of the bodies that were brought so far.
    brought: HashSet<Sha256>,
    frontier: Frontier,
}

impl Walker<'_> {
    fn walk(&mut self, checked: &mut Checked, progress: &dyn Progress) -> Result<(), StorageError> {
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
                    return Ok(());
                }
                Err(error) => {
                    checked.fault(Fault::Segment { entries, why: error.to_string() });
                    return Ok(());
                }
            };
            match step {
                Step::Record(bytes, tip) => {
                    let is_tail = tip.sequence > published && tip.position.segment == last;
                    if is_tail && !bodies_are_whole(&bytes, self.segments)? {
                        self.end(tip.position, last, entries, checked)?;
                        return Ok(());
                    }
                    if !self.record(&bytes, &before, tip, checked)? {
                        return Ok(());
                    }
                    progress.advance(bytes.len() as u64);
                }
                Step::Damaged if before.sequence >= published => {
                    self.end(walk.next(), last, entries, checked)?;
                    return Ok(());
                }
                Step::Damaged => {
                    checked.fault(Fault::Record { position: walk.next(), entries });
                    return Ok(());
                }
                Step::End if walk.next().segment != last => {
                    checked.fault(Fault::Record { position: place, entries });
                    return Ok(());
                }
                Step::End => return Ok(()),
            }
        }
    }

    /// What is not whole at the end was never finished; before the end it is damage.
    fn end(
        &self,
        position: Position,
        last: u64,
        entries: u64,
        checked: &mut Checked,
    ) -> Result<(), StorageError> {
        match refuse_if_followed(self.segments, position, last) {
            Ok(()) => checked.is_unfinished = true,
            Err(JournalError::Corrupt { .. }) => checked.fault(Fault::Record { position, entries }),
            Err(error) => return Err(error.into()),
        }
        Ok(())
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
            entries.push(Arc::new(NewEntry::new(leaf.bytes.to_vec(), covered)));
        }
        let batch = Batch::new(&self.frontier, record.time, entries);
        let Some(batch) = batch.ok().filter(|batch| batch.head().tree() == record.to) else {
            checked.fault(Fault::Root { size: record.to.size, position });
            return Ok(false);
        };
        self.hold_marks(&batch, &tip, checked);
        self.compare(&batch, &record, before, tip, checked)?;
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
    ) -> std::collections::BTreeMap<Sha256, Arc<Body>> {
        let mut own = std::collections::BTreeMap::new();
        for (body, offset) in record.bodies.iter().zip(record.body_offsets()) {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let found = bytes.get(start..start.saturating_add(body.length as usize));
            let found = found.unwrap_or_default();
            checked.bodies += 1;
            self.brought.insert(body.hash);
            if Sha256::of(found) == body.hash {
                own.insert(body.hash, Arc::new(Body::new(found.to_vec())));
            } else if found.iter().all(|byte| *byte == 0) {
                checked.erased += 1;
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
        &self,
        batch: &Batch,
        record: &Record<'_>,
        before: &Tip,
        tip: Tip,
        checked: &mut Checked,
    ) -> Result<(), StorageError> {
        let Some(reader) = self.reader.filter(|_| tip.sequence <= self.indexed_to) else {
            return Ok(());
        };
        let mut addition = Addition::after(self.segments.identity().id, *before);
        addition.push(batch, record, tip);
        match reader.index.compare(&addition, |index| self.depth.searches(index)) {
            Ok(differences) => {
                for Difference { index, what } in differences {
                    checked.fault(Fault::Row { index, what });
                }
            }
            Err(IndexError::Row(_)) => {
                let index = batch.from().size;
                checked.fault(Fault::Row { index, what: "a row is damaged or missing" });
            }
            Err(error) => return Err(error.into()),
        }
        let indices = batch.from().size..batch.head().size;
        checked.indexed += batch.entries().len() as u64;
        checked.searched += indices.filter(|index| self.depth.searches(*index)).count() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
