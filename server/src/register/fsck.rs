//! Reading a whole register, and saying what is wrong with it.
//!
//! The journal is read record by record: checksums and the chain of them, every root computed
//! anew from the leaves, every body held against its hash and its leaf. What it leads to is held
//! against what was published, what was signed and what was seen, and then the index against it.
//! Nothing is repaired here, and the journal is not written to.

mod fault;
mod walker;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use attest::hash::Progress;
use attest::{Checkpoint, NoteSigner, Sha256};

pub use self::fault::Fault;
use self::walker::Walker;
use super::disk::{Disk, FolderDisk};
use super::embedded::{INDEX, Settings};
use super::erasing;
use super::folder::{CHECKPOINT, FolderError, read_key, take};
use super::index::{Index, IndexError, State};
use super::journal::JournalError;
use super::lock::Holder;
use super::published::Published;
use super::reader::Reader;
use super::segment::Segments;
use super::storage::StorageError;
use super::tree::Tree;

/// Most faults that are named; the others are counted.
pub const MAX_FAULTS: usize = 100;
/// Of how many entries one is searched for when not all are.
const SAMPLED: u64 = 64;
/// Of how many things that entries can be found by all entries are compared, when not all are
/// searched for.
const TERMS: usize = 256;
/// The same, when all are.
const MORE_TERMS: usize = 16_384;

/// How much of the index is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    /// The place and the hash of every entry, one entry in 64 by what it is found by, and of 256
    /// things to find entries by all the entries.
    Sample,
    /// Everything about every entry, and of 16,384 things to find entries by all the entries.
    All,
}

impl Depth {
    const fn searches(self, index: u64) -> bool {
        match self {
            Self::Sample => index.is_multiple_of(SAMPLED),
            Self::All => true,
        }
    }

    const fn terms(self) -> usize {
        match self {
            Self::Sample => TERMS,
            Self::All => MORE_TERMS,
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
    /// Things to find entries by of which all entries were compared: names, steps, signers and so
    /// on, and hashes of leaves and bodies.
    pub terms: u64,
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
        terms: 0,
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
    let erasing = erasing::pending(&segments)?;
    let mut walker = Walker::new(&segments, reader.as_ref(), published, marks, depth);
    walker.indexed_to = indexed_to;
    walker.erasing = erasing.map(|erasing| erasing.body);
    let walked = walker.walk(&mut checked, progress);
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
        State::New => Ok((Reader::new(Arc::clone(segments), index), 0)),
        State::Complete(owner, tip) if owner == id => {
            Ok((Reader::new(Arc::clone(segments), index), tip.sequence))
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

#[cfg(test)]
mod tests;
