//! The register as files: a log that anybody can audit.
//!
//! An export is a static log as C2SP tlog-tiles has it (`checkpoint`, `tile/…`, `tile/entries/…`),
//! so that every client of such logs can read it from any web server. Beside it stand the bodies,
//! `body/` and the hash, and `entries`: for each entry a line with its time (microseconds since
//! 1970), a space, and the hash of its body or `-`. The tree does not have these, so that
//! `entries.note` vouches for them: the checkpoint once more, with the line
//! `assay-export/v1 ` and the SHA-256 of `entries`, signed by the register's key. The checkpoint is
//! written last: without it there is no log. [`super::import`] makes a register of it again.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attest::digest::Hasher;
use attest::hash::Progress;
use attest::tile::{FULL_WIDTH, Held, MAX_LEVEL};
use attest::{
    ArtifactId, Checkpoint, CheckpointError, NoteSigner, Sha256, SigningKey, TilePath, Timestamp,
};
use verify::merkle::{Frontier, leaf_hash};

use super::buried::{self, Zeroed};
use super::disk::{Disk, FolderDisk};
use super::folder::{CHECKPOINT, FolderError, make_folder, read_key};
use super::journal::JournalError;
use super::published::{Position, Tip};
use super::record::Record;
use super::segment::Segments;
use super::storage::{CommitError, Damaged, StorageError};
use super::tree::Tree;
use super::vouched;
use super::walk::{Step, Walk};

pub(super) const ENTRIES: &str = "entries";
pub(super) const NOTE: &str = "entries.note";
pub(super) const EXTENSION: &str = "assay-export/v1 ";
const BODIES: &str = "body";
/// Longest checkpoint that is read, in bytes.
pub(super) const MAX_NOTE: u64 = 1 << 16;

/// Why there is no export, or no import.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The register or the folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A folder that has to be empty is not.
    #[error("`{0}` is not empty: name a folder that is, or that is not there yet")]
    Occupied(PathBuf),
    /// The checkpoint is missing, or not signed by the register.
    #[error("checkpoint `{path}` is not signed by the register's key")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: CheckpointError,
    },
    /// A file of an export is not as it was exported.
    #[error("`{path}` is not as it was exported ({why}): export the register again")]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nothing vouches for what the tree does not have.
    #[error(
        "`{0}` is missing, so that nobody vouches for times and bodies: it was lost, or an older assay made the export; export the register again"
    )]
    Unvouched(PathBuf),
    /// A body is missing that was not erased.
    #[error(
        "`{0}` is missing, and no tombstone says that it was erased: put it back, or export the register again"
    )]
    NoBody(PathBuf),
    /// An entry is of a time that has not come.
    #[error("entry {index} was committed at {time}, but it is {now}: set the clock")]
    Future {
        /// Position of the entry.
        index: u64,
        /// When it was committed.
        time: Timestamp,
        /// The caller's time.
        now: Timestamp,
    },
    /// The entries do not lead to the root that was signed.
    #[error("the {size} entries do not lead to the root that was signed: nothing was made of them")]
    Root {
        /// How many.
        size: u64,
    },
    /// The tombstone of a body that is gone comes after the checkpoint.
    #[error("a statement was erased from the register after its checkpoint was kept: try again")]
    Erasing,
    /// A commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<JournalError> for ExportError {
    fn from(error: JournalError) -> Self {
        Self::Folder(StorageError::from(error).into())
    }
}

impl From<StorageError> for ExportError {
    fn from(error: StorageError) -> Self {
        Self::Folder(error.into())
    }
}

/// What was written or read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exported {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Bodies, each once.
    pub bodies: u64,
    /// Bodies that were erased.
    pub erased: u64,
}

/// Writes the register in `from`, which may be in use, as files into the empty folder `to`, up to
/// its newest checkpoint. The progress counts entries.
///
/// # Errors
/// [`ExportError`]; what stands in `to` is no log then.
pub fn export(from: &Path, to: &Path, progress: &dyn Progress) -> Result<Exported, ExportError> {
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(from));
    let segments = Segments::open(Arc::clone(&disk))?.ok_or(JournalError::NotFound)?;
    let key = read_key(from)?;
    let (note, checkpoint) =
        read_checkpoint(&from.join(CHECKPOINT), &segments.identity().origin, key)?;
    make_empty(to)?;
    progress.start(checkpoint.size);
    let written =
        Export::start(to, checkpoint).and_then(|export| export.write(&disk, &segments, progress));
    progress.finish();
    let (exported, digest) = written?;
    let Checkpoint { size, root, .. } = exported.checkpoint;
    let signer = NoteSigner::new(&segments.identity().origin, read_key(from)?);
    let signer = signer.map_err(FolderError::from)?;
    let vouching = vouched::sign(&signer, Tree { size, root }, EXTENSION, &digest);
    write_whole(&to.join(NOTE), vouching.map_err(FolderError::from)?.as_bytes())?;
    write_whole(&to.join(CHECKPOINT), note.as_bytes())?;
    Ok(exported)
}

pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> ExportError + use<> {
    let failed = FolderError::io(path);
    move |error| failed(error).into()
}

/// The note in a file, and what it says, signed by the register `origin` with `key`.
pub(super) fn read_checkpoint(
    path: &Path,
    origin: &str,
    key: SigningKey,
) -> Result<(String, Checkpoint), ExportError> {
    let bytes = read_bounded(path, MAX_NOTE)?;
    let note = String::from_utf8_lossy(&bytes).into_owned();
    let signer = NoteSigner::new(origin, key).map_err(FolderError::from)?;
    let checkpoint = Checkpoint::open(&note, signer.verifier())
        .map_err(|source| ExportError::Checkpoint { path: path.into(), source })?;
    Ok((note, checkpoint))
}

/// Makes a folder, or finds it empty.
pub(super) fn make_empty(folder: &Path) -> Result<(), ExportError> {
    make_folder(folder)?;
    if fs::read_dir(folder).map_err(io(folder))?.next().is_some() {
        return Err(ExportError::Occupied(folder.into()));
    }
    Ok(())
}

/// Reads a file of at most `limit` bytes.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ExportError> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(io(path))?;
    if bytes.len() as u64 > limit {
        return Err(ExportError::Changed { path: path.into(), why: "it is too long" });
    }
    Ok(bytes)
}

/// Writes a file, with the folders that it is in.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ExportError> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(io(path))
}

/// Where a body stands in an export.
pub(super) fn body_path(folder: &Path, hash: &Sha256) -> PathBuf {
    folder.join(BODIES).join(hash.hex())
}

/// An export that is being written.
struct Export {
    folder: PathBuf,
    checkpoint: Checkpoint,
    entries: BufWriter<File>,
    /// Over what was written to that.
    hasher: Hasher,
    frontier: Frontier,
    /// Entries of the tile that is not full yet.
    bundle: Vec<u8>,
    /// For each level the position of the tile that is not full yet, and its hashes.
    tiles: Vec<(u64, Vec<u8>)>,
    bodies: u64,
    erased: u64,
    zeroed: Zeroed,
}

impl Export {
    fn start(folder: &Path, checkpoint: Checkpoint) -> Result<Self, ExportError> {
        let path = folder.join(ENTRIES);
        let entries = BufWriter::new(File::create(&path).map_err(io(&path))?);
        Ok(Self {
            folder: folder.into(),
            checkpoint,
            entries,
            hasher: Hasher::default(),
            frontier: Frontier::new(),
            bundle: Vec::new(),
            tiles: vec![(0, Vec::new()); usize::from(MAX_LEVEL) / 8 + 1],
            bodies: 0,
            erased: 0,
            zeroed: Zeroed::default(),
        })
    }

    fn write(
        mut self,
        disk: &Arc<dyn Disk>,
        segments: &Segments,
        progress: &dyn Progress,
    ) -> Result<(Exported, Sha256), ExportError> {
        let size = self.checkpoint.size;
        let mut walk = Walk::after(segments, &Tip::empty())?;
        while self.frontier.size() < size {
            let Step::Record(bytes, tip) = walk.step()? else {
                return Err(JournalError::Corrupt { position: walk.next() }.into());
            };
            let (record, _) =
                Record::parse(&bytes, segments.identity().id).map_err(JournalError::from)?;
            self.record(&record, &bytes, tip.position)?;
            progress.advance(record.leaves.len() as u64);
        }
        if (self.frontier.size(), self.frontier.root()) != (size, self.checkpoint.root) {
            return Err(ExportError::Root { size });
        }
        if let Some((lost, _)) = self.zeroed.lost().next() {
            let buried = buried::all(disk)?;
            return Err(if buried.contains_key(&ArtifactId::file(lost)) {
                ExportError::Erasing
            } else {
                StorageError::Damaged(Damaged::Body(lost)).into()
            });
        }
        self.finish()
    }

    fn record(
        &mut self,
        record: &Record<'_>,
        bytes: &[u8],
        position: Position,
    ) -> Result<(), ExportError> {
        for (body, found) in record.bodies_in(bytes) {
            if Sha256::of(found) == body.hash {
                write_whole(&body_path(&self.folder, &body.hash), found)?;
                self.zeroed.statement(found);
                self.bodies += 1;
            } else if found.iter().all(|byte| *byte == 0) {
                self.erased += 1;
                self.zeroed.body(body.hash, position);
            } else {
                return Err(StorageError::Damaged(Damaged::Body(body.hash)).into());
            }
        }
        for leaf in &record.leaves {
            let line = line(record.time, leaf.body);
            self.hasher.update(line.as_bytes());
            let written = self.entries.write_all(line.as_bytes());
            written.map_err(io(&self.folder.join(ENTRIES)))?;
            self.leaf(leaf.bytes)?;
        }
        Ok(())
    }

    fn leaf(&mut self, leaf: &[u8]) -> Result<(), ExportError> {
        // The journal's format has no longer ones.
        let length = u16::try_from(leaf.len()).unwrap_or(u16::MAX);
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(leaf);
        let (mut full, tiles) = (Vec::new(), &mut self.tiles);
        self.frontier.append_with(leaf_hash(leaf), |node, hash| {
            let is_in_tiles = node.level % 8 == 0;
            let tile = tiles.get_mut(usize::from(node.level / 8)).filter(|_| is_in_tiles);
            let Some((_, hashes)) = tile else { return };
            hashes.extend_from_slice(hash.as_bytes());
            if hashes.len() == usize::from(FULL_WIDTH) * 32 {
                full.push(node.level / 8);
            }
        });
        for level in full {
            self.tile(level, FULL_WIDTH)?;
        }
        Ok(())
    }

    /// Writes the tile of a level, and that of the entries with level 0, and goes on to the next.
    fn tile(&mut self, level: u8, width: u16) -> Result<(), ExportError> {
        let Some((index, hashes)) = self.tiles.get_mut(usize::from(level)) else { return Ok(()) };
        let mut parts = vec![(Held::Hashes { level }, std::mem::take(hashes))];
        if level == 0 {
            parts.push((Held::Entries, std::mem::take(&mut self.bundle)));
        }
        for (held, bytes) in parts {
            // Levels, positions and widths of a tree that is there are within the limits.
            let Ok(path) = TilePath::new(held, *index, width) else { continue };
            write_whole(&self.folder.join(path.to_string()), &bytes)?;
        }
        *index += 1;
        Ok(())
    }

    /// What was written, and the digest of `entries`.
    fn finish(mut self) -> Result<(Exported, Sha256), ExportError> {
        let width = |hashes: &[u8]| u16::try_from(hashes.len() / 32).unwrap_or(FULL_WIDTH);
        let widths: Vec<u16> = self.tiles.iter().map(|(_, hashes)| width(hashes)).collect();
        for (level, width) in (0..).zip(widths).filter(|(_, width)| *width > 0) {
            self.tile(level, width)?;
        }
        let path = self.folder.join(ENTRIES);
        let synced = self.entries.flush().and_then(|()| self.entries.get_ref().sync_all());
        synced.map_err(io(&path))?;
        let Self { checkpoint, hasher, bodies, erased, .. } = self;
        Ok((Exported { checkpoint, bodies, erased }, hasher.finish()))
    }
}

/// A line of `entries`: when an entry was committed, and the hash of its body.
pub(super) fn line(time: Timestamp, body: Option<Sha256>) -> String {
    let time = time.as_microsecond();
    match body {
        Some(hash) => format!("{time} {}\n", hash.hex()),
        None => format!("{time} -\n"),
    }
}
