//! Making a register of an export again.
//!
//! Nothing in an export is believed: its leaves have to lead to the root that the register
//! signed, and its bodies to fit their names and their leaves. A body that is missing has to have
//! its tombstone among the entries. Times, and which entry has which body, the register's key has to
//! have signed too; times do not go back, nor beyond what the clock says. Only with the register's
//! key does an import become a register: nobody else can go on under its name.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use attest::digest::Hasher;
use attest::hash::Progress;
use attest::tile::{FULL_WIDTH, Held};
use attest::{Checkpoint, Leaf, NoteSigner, Sha256, SigningKey, TilePath, Timestamp};
use verify::merkle::Frontier;

use super::batch::{Batch, Body, Covered, NewEntry};
use super::buried::Zeroed;
use super::embedded::{Embedded, INDEX, Settings};
use super::export::{
    ENTRIES, EXTENSION, ExportError, Exported, MAX_NOTE, NOTE, body_path, io, make_empty,
    read_bounded, read_checkpoint, write_whole,
};
use super::folder::{CHECKPOINT, FolderError, KEY, keep_key, make_folder};
use super::lock::{Holder, Lock};
use super::published::Position;
use super::record::{MAX_BODY_BYTES, MAX_LEAF_BYTES};
use super::segment::FOLDER;
use super::storage::Storage as _;
use super::submit::CLOCK_TOLERANCE_MICROSECONDS;
use super::vouched;

/// Longest line of `entries` that is read, in bytes.
const MAX_LINE: u64 = 128;
/// Most entries and bytes that become one commit.
const ENTRIES_A_COMMIT: usize = 4096;
const BYTES_A_COMMIT: usize = 32 << 20;

/// Makes the register of the export in `from` anew in the folder `to`, which is empty or not
/// there, with the register's key from the file `key`; `now` is the time. The progress counts
/// entries.
///
/// # Errors
/// [`ExportError`]; there is no register in `to` then.
pub async fn import(
    from: &Path,
    key: &Path,
    to: &Path,
    holder: &Holder,
    patience: Duration,
    now: Timestamp,
    progress: &dyn Progress,
) -> Result<Exported, ExportError> {
    let pem = fs::read_to_string(key).map_err(io(key))?;
    let key = || {
        let broken = |source| FolderError::Key { path: key.into(), source };
        SigningKey::from_pem(&pem, None).map_err(broken)
    };
    let note = read_bounded(&from.join(CHECKPOINT), MAX_NOTE)?;
    let note = String::from_utf8_lossy(&note);
    let origin = Checkpoint::claimed_origin(&note).unwrap_or_default();
    let (note, checkpoint) = read_checkpoint(&from.join(CHECKPOINT), origin, key()?)?;
    let digest = read_note(&from.join(NOTE), &checkpoint, key()?)?;
    make_empty(to)?;

    // Made beside: there is no register in `to` before it is whole and proven.
    let beside = to.join("importing");
    make_folder(&beside)?;
    let made = async {
        let lock = Lock::acquire(&beside, holder, patience).map_err(FolderError::from)?;
        let storage = Embedded::create(lock, &checkpoint.origin, Settings::default())?;
        progress.start(checkpoint.size);
        let reading = Reading::start(from, checkpoint, digest, now)?;
        let filled = fill(&storage, reading, progress).await;
        progress.finish();
        filled
    };
    let imported = match made.await {
        Ok(imported) => imported,
        Err(error) => {
            // It is of no use to anybody; that it cannot be removed is no worse.
            let _ = fs::remove_dir_all(&beside);
            return Err(error);
        }
    };
    keep_key(&beside, &key()?)?;
    write_whole(&beside.join(CHECKPOINT), note.as_bytes())?;
    // The journal last: a folder without one is no register.
    for name in ["lock", "published", CHECKPOINT, KEY, INDEX, FOLDER] {
        let old = beside.join(name);
        fs::rename(&old, to.join(name)).map_err(io(&old))?;
    }
    fs::remove_dir(&beside).map_err(io(&beside))?;
    File::open(to).and_then(|folder| folder.sync_all()).map_err(io(to))?;
    Ok(imported)
}

/// The digest of `entries` that a note vouches for, under the same checkpoint.
fn read_note(path: &Path, checkpoint: &Checkpoint, key: SigningKey) -> Result<Sha256, ExportError> {
    if !path.exists() {
        return Err(ExportError::Unvouched(path.into()));
    }
    let note = read_bounded(path, MAX_NOTE)?;
    let note = String::from_utf8_lossy(&note);
    let signer = NoteSigner::new(&checkpoint.origin, key).map_err(FolderError::from)?;
    let (vouched, digest) = vouched::open(&note, EXTENSION, signer.verifier())
        .map_err(|source| ExportError::Checkpoint { path: path.into(), source })?;
    if vouched != *checkpoint {
        let why = "it is of another checkpoint";
        return Err(ExportError::Changed { path: path.into(), why });
    }
    Ok(digest)
}

/// Commits the entries of an export as they were committed when they came: those of one time
/// together. The last commit is made only when all of them lead to the signed root.
async fn fill(
    storage: &Embedded,
    mut reading: Reading,
    progress: &dyn Progress,
) -> Result<Exported, ExportError> {
    let checkpoint = reading.checkpoint.clone();
    let root = || ExportError::Root { size: checkpoint.size };
    let (mut frontier, mut head) = (Frontier::new(), None);
    let mut next = reading.next()?;
    // Each round takes an entry at least.
    while let Some((time, entry)) = next.take() {
        let mut bytes = entry.length();
        let mut entries = vec![Arc::new(entry)];
        next = reading.next()?;
        while entries.len() < ENTRIES_A_COMMIT
            && bytes < BYTES_A_COMMIT
            && let Some((_, entry)) = next.take_if(|(at, _)| *at == time)
        {
            bytes += entry.length();
            entries.push(Arc::new(entry));
            next = reading.next()?;
        }
        let count = entries.len() as u64;
        let batch = Batch::new(&frontier, time, entries).map_err(|_| root())?;
        if next.is_none() {
            if batch.head().root != checkpoint.root {
                return Err(root());
            }
            reading.finish()?;
        }
        frontier = batch.frontier().clone();
        let after = batch.head();
        storage.commit(head.as_ref(), batch).await?;
        head = Some(after);
        progress.advance(count);
    }
    if (frontier.size(), frontier.root()) != (checkpoint.size, checkpoint.root) {
        return Err(root());
    }
    reading.finish()?;
    let Reading { bodies, erased, .. } = reading;
    Ok(Exported { checkpoint, bodies: bodies.len() as u64, erased: erased.len() as u64 })
}

/// An export that is being read.
struct Reading {
    folder: PathBuf,
    checkpoint: Checkpoint,
    now: Timestamp,
    lines: BufReader<File>,
    /// Over the lines that were read, and what it has to give.
    hasher: Hasher,
    digest: Sha256,
    /// Position of the next entry.
    index: u64,
    last: Timestamp,
    /// Entries of the current tile that are not taken yet, the next one last.
    leaves: Vec<Vec<u8>>,
    bodies: HashSet<Sha256>,
    erased: HashSet<Sha256>,
    /// Bodies that are missing, and tombstones.
    zeroed: Zeroed,
}

impl Reading {
    fn start(
        folder: &Path,
        checkpoint: Checkpoint,
        digest: Sha256,
        now: Timestamp,
    ) -> Result<Self, ExportError> {
        let path = folder.join(ENTRIES);
        let lines = BufReader::new(File::open(&path).map_err(io(&path))?);
        Ok(Self {
            folder: folder.into(),
            checkpoint,
            now,
            lines,
            hasher: Hasher::default(),
            digest,
            index: 0,
            last: Timestamp::MIN,
            leaves: Vec::new(),
            bodies: HashSet::new(),
            erased: HashSet::new(),
            zeroed: Zeroed::default(),
        })
    }

    /// The next entry and its time; `None` at the end.
    fn next(&mut self) -> Result<Option<(Timestamp, NewEntry)>, ExportError> {
        if self.index == self.checkpoint.size {
            return Ok(None);
        }
        let path = self.folder.join(ENTRIES);
        let changed = |path: &Path, why| ExportError::Changed { path: path.into(), why };
        let mut line = String::new();
        (&mut self.lines).take(MAX_LINE).read_line(&mut line).map_err(io(&path))?;
        self.hasher.update(line.as_bytes());
        let parsed = line.strip_suffix('\n').and_then(parse);
        let (time, body) = parsed.ok_or_else(|| changed(&path, "a line is not one of an entry"))?;
        if time < self.last {
            return Err(changed(&path, "times go back"));
        }
        let ahead = time.as_microsecond().saturating_sub(self.now.as_microsecond());
        if ahead > CLOCK_TOLERANCE_MICROSECONDS {
            return Err(ExportError::Future { index: self.index, time, now: self.now });
        }
        self.last = time;
        if self.leaves.is_empty() {
            self.leaves = self.bundle()?;
        }
        let leaf = self.leaves.pop().unwrap_or_default();
        self.index += 1;
        let covered = match body {
            None => Covered::Unknown,
            Some(hash) => self.body(hash, &leaf)?,
        };
        let entry = NewEntry::new(leaf, covered);
        self.zeroed.entry(&entry);
        Ok(Some((time, entry)))
    }

    /// Makes sure, after the last entry, that `entries` is what was vouched for, and that every
    /// body which is missing was erased.
    fn finish(&mut self) -> Result<(), ExportError> {
        let path = self.folder.join(ENTRIES);
        let has_more = !self.lines.fill_buf().map_err(io(&path))?.is_empty();
        if has_more || self.hasher.clone().finish() != self.digest {
            let why = "it is not what the register's key vouches for";
            return Err(ExportError::Changed { path, why });
        }
        match self.zeroed.lost().next() {
            Some((lost, _)) => Err(ExportError::NoBody(body_path(&self.folder, &lost))),
            None => Ok(()),
        }
    }

    /// The entries of the tile that starts with the next one, the last one first.
    fn bundle(&self) -> Result<Vec<Vec<u8>>, ExportError> {
        let width = (self.checkpoint.size - self.index).min(FULL_WIDTH.into());
        let width = u16::try_from(width).unwrap_or(FULL_WIDTH);
        let path = TilePath::new(Held::Entries, self.index / u64::from(FULL_WIDTH), width);
        let path = path.map_err(|_| ExportError::Root { size: self.checkpoint.size })?;
        let path = self.folder.join(path.to_string());
        let limit = u64::from(width) * (MAX_LEAF_BYTES as u64 + 2);
        let bytes = read_bounded(&path, limit)?;
        match split(&bytes).filter(|leaves| leaves.len() == usize::from(width)) {
            Some(mut leaves) => {
                leaves.reverse();
                Ok(leaves)
            }
            None => {
                let why = "it has not the entries that it should";
                Err(ExportError::Changed { path, why })
            }
        }
    }

    /// What a leaf covers: the body, or that it was erased.
    fn body(&mut self, hash: Sha256, leaf: &[u8]) -> Result<Covered, ExportError> {
        let path = body_path(&self.folder, &hash);
        let bytes = match fs::metadata(&path) {
            Ok(_) => read_bounded(&path, MAX_BODY_BYTES as u64)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.erased.insert(hash);
                // Where its record will stand nobody asks.
                self.zeroed.body(hash, Position { segment: 0, offset: 0 });
                return Ok(Covered::Erased(hash));
            }
            Err(error) => return Err(io(&path)(error)),
        };
        let body = Body::new(bytes);
        let fits = Leaf::parse(leaf).is_ok_and(|leaf| leaf.covers(body.bytes()));
        if body.hash() != hash || !fits {
            return Err(ExportError::Changed { path, why: "it is another body" });
        }
        self.bodies.insert(hash);
        Ok(Covered::Body(Arc::new(body)))
    }
}

/// The entries of a tile (C2SP tlog-tiles, "Log Entries").
pub(super) fn split(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut leaves, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk()?;
        let (leaf, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        leaves.push(leaf.to_vec());
        rest = after;
    }
    Some(leaves)
}

/// Reads a line of `entries`.
pub(super) fn parse(line: &str) -> Option<(Timestamp, Option<Sha256>)> {
    let (time, body) = line.split_once(' ')?;
    let time = Timestamp::from_microsecond(time.parse().ok()?).ok()?;
    match body {
        "-" => Some((time, None)),
        hex => Some((time, Some(Sha256::from_hex(hex).ok()?))),
    }
}

#[cfg(test)]
mod tests;
