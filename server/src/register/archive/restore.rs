//! Making a register of an archive, and finding what an archive has.
//!
//! Nothing of an archive is believed: the checkpoint has to be signed by the register's key, the
//! list and the segments are what their digests say, and what comes out is read as
//! [`super::super::fsck`] reads a register, up to the signed root, before it counts as one.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use attest::digest::Hasher;
use attest::hash::Progress;
use attest::{Checkpoint, NoteSigner, Sha256, SigningKey, VerifierKey};

use super::super::disk::{Disk, FolderDisk};
use super::super::folder::{CHECKPOINT, FolderError, KEY, keep_key, make_folder};
use super::super::fsck::{Checked, Depth, check};
use super::super::journal::JournalError;
use super::super::lock::{Holder, Lock};
use super::super::published::{Published, Tip};
use super::super::segment::{FOLDER, Segments, path_of};
use super::super::tree::Tree;
use super::super::walk::{Step, Walk};
use super::list::{self, MAX_LIST_BYTES, MAX_SEGMENT_BYTES, Part};
use super::{Archive, ArchiveError};

/// Longest checkpoint that is read, in bytes.
const MAX_NOTE_BYTES: u64 = 1 << 16;
/// Most checkpoints of an archive.
const MAX_CHECKPOINTS: u64 = 1 << 32;

/// A register that was made of an archive.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The archive's checkpoint: size and root of the register.
    pub checkpoint: Checkpoint,
    /// How many segments were read.
    pub segments: u64,
    /// What was found when the register was read.
    pub checked: Checked,
}

/// The name of the checkpoint with this number.
pub(super) fn at(number: u64) -> String {
    format!("checkpoints/{number:010}")
}

/// The number of the newest checkpoint; 0 when there is none. They have no gap, so that a few
/// questions find it.
pub(super) async fn newest(archive: &Archive) -> Result<u64, ArchiveError> {
    let (mut low, mut high) = (0, 1);
    while high < MAX_CHECKPOINTS && archive.length(&at(high)).await?.is_some() {
        (low, high) = (high, high * 2);
    }
    // There is one at `low`, if it is not 0, and none at `high`.
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match archive.length(&at(middle)).await? {
            Some(_) => low = middle,
            None => high = middle,
        }
    }
    Ok(low)
}

/// The checkpoint with a number, and the segments that it vouches for.
pub(super) async fn read_list(
    archive: &Archive,
    number: u64,
    verifier: &VerifierKey,
) -> Result<(Checkpoint, Vec<Part>), ArchiveError> {
    let note = read_note(archive, number).await?;
    let found = Checkpoint::claimed_origin(&note).unwrap_or_default();
    if found != verifier.name() {
        let (found, origin) = (found.to_owned(), verifier.name().to_owned());
        return Err(ArchiveError::Other { found, origin });
    }
    let (checkpoint, digest) = list::open(&note, verifier)
        .map_err(|source| ArchiveError::Checkpoint { name: at(number), source })?;
    let name = list::name_of(&digest);
    let bytes = archive.read_whole(&name, MAX_LIST_BYTES).await?;
    let bytes = bytes.ok_or_else(|| ArchiveError::Missing(name.clone()))?;
    let changed = || ArchiveError::Changed(name.clone());
    if Sha256::of(&bytes) != digest {
        return Err(changed());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| changed())?;
    let parts = list::parse(text, &checkpoint).ok_or_else(changed)?;
    Ok((checkpoint, parts))
}

async fn read_note(archive: &Archive, number: u64) -> Result<String, ArchiveError> {
    let bytes = archive.read_whole(&at(number), MAX_NOTE_BYTES).await?;
    let bytes = bytes.ok_or_else(|| ArchiveError::Missing(at(number)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Makes the register of `archive` anew in the folder `to`, which is empty or not there, with the
/// register's key from the file `key`. The progress counts bytes of segments that were read.
///
/// # Errors
/// [`ArchiveError`]; there is no register in `to` then.
pub async fn restore(
    archive: &Archive,
    key: &Path,
    to: &Path,
    holder: &Holder,
    patience: Duration,
    progress: &dyn Progress,
) -> Result<Restored, ArchiveError> {
    let pem = fs::read_to_string(key).map_err(FolderError::io(key))?;
    let key = || {
        let broken = |source| FolderError::Key { path: key.into(), source };
        SigningKey::from_pem(&pem, None).map_err(broken)
    };
    let number = newest(archive).await?;
    if number == 0 {
        return Err(ArchiveError::NotFound);
    }
    let note = read_note(archive, number).await?;
    let origin = Checkpoint::claimed_origin(&note).unwrap_or_default();
    let signer = NoteSigner::new(origin, key()?).map_err(FolderError::from)?;
    let (checkpoint, parts) = read_list(archive, number, signer.verifier()).await?;

    make_folder(to)?;
    if fs::read_dir(to).map_err(FolderError::io(to))?.next().is_some() {
        return Err(ArchiveError::Occupied(to.into()));
    }
    // Made beside: there is no register in `to` before it is whole and proven.
    let beside = to.join("restoring");
    make_folder(&beside)?;
    let made = async {
        let _lock = Lock::acquire(&beside, holder, patience).map_err(FolderError::from)?;
        progress.start(parts.iter().map(|part| part.bytes).sum());
        let read = fetch(archive, &parts, &beside, progress).await;
        progress.finish();
        read?;
        prove(&beside, &checkpoint)
    };
    let checked = match made.await {
        Ok(checked) => checked,
        Err(error) => {
            // It is of no use to anybody; that it cannot be removed is no worse.
            let _ = fs::remove_dir_all(&beside);
            return Err(error);
        }
    };
    keep_key(&beside, &key()?)?;
    let note = signer.sign(&checkpoint.to_string()).map_err(FolderError::from)?.to_string();
    write_new(&beside.join(CHECKPOINT), note.as_bytes())?;
    // The journal last: a folder without one is no register.
    for name in ["lock", "published", CHECKPOINT, KEY, FOLDER] {
        let old = beside.join(name);
        fs::rename(&old, to.join(name)).map_err(FolderError::io(&old))?;
    }
    fs::remove_dir(&beside).map_err(FolderError::io(&beside))?;
    File::open(to).and_then(|folder| folder.sync_all()).map_err(FolderError::io(to))?;
    Ok(Restored { checkpoint, segments: parts.len() as u64, checked })
}

/// Reads the segments into the journal's folder in `to`, each as its digest says.
async fn fetch(
    archive: &Archive,
    parts: &[Part],
    to: &Path,
    progress: &dyn Progress,
) -> Result<(), ArchiveError> {
    make_folder(&to.join(FOLDER))?;
    for part in parts {
        let path = to.join(path_of(part.first));
        let failed = FolderError::io(&path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&path).map_err(&failed)?;
        let mut hasher = Hasher::default();
        let name = part.name();
        let length = archive.read(&name, MAX_SEGMENT_BYTES, |bytes| {
            hasher.update(bytes);
            progress.advance(bytes.len() as u64);
            Ok(file.write_all(bytes).map_err(&failed)?)
        });
        let length = length.await?.ok_or_else(|| ArchiveError::Missing(name.clone()))?;
        if length != part.bytes || hasher.finish() != part.digest {
            return Err(ArchiveError::Changed(name));
        }
        file.sync_all().map_err(&failed)?;
    }
    let folder = to.join(FOLDER);
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(FolderError::io(&folder))?;
    Ok(())
}

/// Publishes what the segments lead to, and reads all of it.
fn prove(folder: &Path, checkpoint: &Checkpoint) -> Result<Checked, ArchiveError> {
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(folder));
    let segments = Segments::open(Arc::clone(&disk))?.ok_or(JournalError::NotFound)?;
    let last = segments.last().ok_or(JournalError::NotFound)?;
    let tree = Tree { size: checkpoint.size, root: checkpoint.root };
    let mut walk = Walk::from(&segments, last)?;
    // Each round passes a record.
    let tip: Tip = loop {
        match walk.step()? {
            Step::Record(..) => {}
            Step::End => break *walk.tip(),
            Step::Damaged => return Err(JournalError::Corrupt { position: walk.next() }.into()),
        }
    };
    if tip.tree != tree || segments.identity().origin != checkpoint.origin {
        return Err(ArchiveError::Root { size: checkpoint.size });
    }
    Published::create(disk.as_ref(), segments.identity().id, tip)?;
    let marks = [("the archive's checkpoint", tree)];
    let checked = check(disk, segments, None, &marks, Depth::All, &attest::hash::Silent)?;
    match checked.faults.first() {
        Some(fault) => Err(ArchiveError::Unsound(fault.clone())),
        None if checked.is_unfinished => Err(ArchiveError::Root { size: checkpoint.size }),
        None => Ok(checked),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    File::create(path)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .map_err(FolderError::io(path))
}
