//! Copying a register's folder while somebody may be writing to it.
//!
//! A journal only grows: up to a published head its files do not change, but for bodies that are
//! erased. So the head is read first, then everything up to it is copied, beside what an earlier
//! backup has, and the copy is read as [`super::fsck`] reads a register before any of it takes the
//! place of that: what the register lost is not lost from its backup. Files of the journal that a
//! copy has already, unchanged, are not copied again. What comes out is a register's folder without
//! its index, which the first start makes, and without the key, unless it is asked for.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use attest::hash::Progress;

use super::disk::{Disk, DiskFile, FolderDisk};
use super::folder::{CHECKPOINT, FolderError, KEY, make_folder};
use super::fsck::{Checked, Depth, Fault, check};
use super::journal::JournalError;
use super::lock::{Holder, Lock};
use super::published::{Published, Tip};
use super::rotation::NEXT_KEY;
use super::segment::{FOLDER, HEADER_BYTES, Segments, path_of};
use super::storage::StorageError;
use super::walk::Walk;

/// Where a copy stands before it was read.
const NEW: &str = "backup.new";
/// How much is copied at once, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The register or the folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The folder has something else in it.
    #[error(
        "`{0}` has something else in it: name an empty folder, or one with an earlier backup of this register"
    )]
    Occupied(PathBuf),
    /// The folder has a register that somebody uses, or this very one.
    #[error("`{0}` is a register in use, not a backup: name another folder")]
    Register(PathBuf),
    /// The folder has a backup of another register.
    #[error("`{folder}` has a backup of `{found}`, not of `{origin}`: name another folder")]
    Other {
        /// The folder.
        folder: PathBuf,
        /// The register in it.
        found: String,
        /// The register to copy.
        origin: String,
    },
    /// The folder has a backup that is ahead of the register.
    #[error(
        "the backup in `{folder}` has {backup} entries, the register {size}: entries are missing from the register; nothing was copied"
    )]
    Ahead {
        /// The folder.
        folder: PathBuf,
        /// Size of the backup.
        backup: u64,
        /// Size of the register.
        size: u64,
    },
    /// The folder has a backup with another history.
    #[error(
        "the backup in `{folder}` has {backup} entries and ends in record {sequence}, which the register does not have: it went another way, or lost that record; keep both as evidence and name another folder; nothing was copied"
    )]
    Fork {
        /// The folder.
        folder: PathBuf,
        /// Size of the backup.
        backup: u64,
        /// Its last record.
        sequence: u64,
    },
    /// What was copied is not a sound register.
    #[error(
        "the copy is not sound, so that it is no backup: {0}; run `assay log fsck` on the register; what was backed up before is unchanged"
    )]
    Unsound(Fault),
}

impl From<JournalError> for BackupError {
    fn from(error: JournalError) -> Self {
        Self::Folder(StorageError::from(error).into())
    }
}

/// Whether the register's key is copied as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WithKey {
    /// Whoever has the copy can go on with the register, and sign as it.
    Yes,
    /// Whoever has the copy can read it.
    No,
}

/// A copy that was made and read.
#[derive(Clone, Debug)]
pub struct BackedUp {
    /// What was found when the copy was read.
    pub checked: Checked,
    /// Files of the journal that were copied.
    pub copied: u64,
    /// Files of the journal that an earlier backup had.
    pub kept: u64,
}

/// Copies the register in `from`, which may be in use, to the folder `to`. The progress counts
/// bytes of the copy that were read again.
///
/// # Errors
/// [`BackupError`]; what was backed up before is unchanged then, unless it cannot be written over.
pub fn backup(
    from: &Path,
    to: &Path,
    key: WithKey,
    holder: &Holder,
    patience: Duration,
    progress: &dyn Progress,
) -> Result<BackedUp, BackupError> {
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(from));
    let segments = Segments::open(Arc::clone(&disk))?.ok_or(JournalError::NotFound)?;
    let id = segments.identity().id;
    let published =
        Published::open(disk.as_ref(), Some(id))?.ok_or(JournalError::MissingPublished)?;
    let tip = *published.tip();

    make_folder(to)?;
    let target: Arc<dyn Disk> = Arc::new(FolderDisk::new(to));
    let same = fs::canonicalize(from).ok() == fs::canonicalize(to).ok();
    if same || to.join(super::embedded::INDEX).exists() {
        return Err(BackupError::Register(to.into()));
    }
    let is_backup = to.join("published").exists() || to.join(FOLDER).exists();
    if !is_backup
        && target
            .names("")
            .map_err(FolderError::io(to))?
            .iter()
            .any(|name| name != "lock" && name != NEW)
    {
        return Err(BackupError::Occupied(to.into()));
    }
    let _lock = Lock::acquire(to, holder, patience).map_err(FolderError::from)?;
    if let Some(earlier) = Segments::open(Arc::clone(&target))? {
        if *earlier.identity() != *segments.identity() {
            let (found, origin) = (&earlier.identity().origin, &segments.identity().origin);
            let (found, origin) = (found.clone(), origin.clone());
            return Err(BackupError::Other { folder: to.into(), found, origin });
        }
        if let Some(earlier) = Published::open(target.as_ref(), Some(id))? {
            require_same(&segments, &tip, earlier.tip(), to)?;
        }
    }
    let beside = to.join(NEW);
    // What a run left that was cut off.
    remove_folder(&beside)?;
    make_folder(&beside)?;
    let made = make(&segments, &tip, from, to, &beside, progress);
    let made = made.and_then(|made| install(&beside, to).map(|()| made));
    if made.is_err() {
        // It is of no use to anybody; that it cannot be removed is no worse.
        let _ = fs::remove_dir_all(&beside);
    }
    let made = made?;
    let mut files = vec![(CHECKPOINT, 0o644)];
    if key == WithKey::Yes {
        // The next one first: finished meanwhile, the rotation has put it into the place of the other.
        files.extend([(NEXT_KEY, 0o600), (KEY, 0o600)]);
    }
    for (name, mode) in files {
        copy_small(&from.join(name), &to.join(name), mode)
            .map_err(FolderError::io(&to.join(name)))?;
    }
    // A rotation that was finished since the last backup has left one key.
    let next = to.join(NEXT_KEY);
    if !from.join(NEXT_KEY).exists() {
        remove(&next).map_err(FolderError::io(&next))?;
    }
    target.sync_folder("").map_err(JournalError::io("sync", ""))?;
    Ok(made)
}

/// Makes sure that the register has all that the backup in `to` has, which ends in `earlier`: its
/// checksum is over every record before it.
fn require_same(
    segments: &Segments,
    tip: &Tip,
    earlier: &Tip,
    to: &Path,
) -> Result<(), BackupError> {
    let (backup, size) = (earlier.tree.size, tip.tree.size);
    if backup > size {
        return Err(BackupError::Ahead { folder: to.into(), backup, size });
    }
    match Walk::after(segments, earlier) {
        Ok(_) => Ok(()),
        Err(JournalError::Missing { sequence, .. }) => {
            Err(BackupError::Fork { folder: to.into(), backup, sequence })
        }
        Err(error) => Err(error.into()),
    }
}

/// Copies the journal up to `tip` to the folder `beside`, but for what `to` has of it, and reads
/// both together.
fn make(
    segments: &Segments,
    tip: &Tip,
    from: &Path,
    to: &Path,
    beside: &Path,
    progress: &dyn Progress,
) -> Result<BackedUp, BackupError> {
    let both = Both { new: FolderDisk::new(beside), old: FolderDisk::new(to) };
    let (copied, kept) = copy_journal(segments, tip, from, to, beside, &both)?;
    Published::create(&both, segments.identity().id, *tip)?;
    let both: Arc<dyn Disk> = Arc::new(both);
    let copy = Segments::open(Arc::clone(&both))?.ok_or(JournalError::NotFound)?;
    let checked =
        check(both, copy, None, &[], Depth::Sample, progress).map_err(FolderError::from)?;
    match checked.faults.first() {
        Some(fault) => Err(BackupError::Unsound(fault.clone())),
        None => Ok(BackedUp { checked, copied, kept }),
    }
}

/// Puts what was copied to the folder `beside` into its place in `to`. Cut off in the middle, the
/// files are those of two backups, and the next run goes on.
fn install(beside: &Path, to: &Path) -> Result<(), BackupError> {
    let (new, target) = (FolderDisk::new(beside), FolderDisk::new(to));
    target.make_folder(FOLDER).map_err(JournalError::io("make", FOLDER))?;
    let mut names = new.names(FOLDER).map_err(JournalError::io("list", FOLDER))?;
    // As the journal grew.
    names.sort();
    let put = |path: &str| {
        let old = beside.join(path);
        fs::rename(&old, to.join(path)).map_err(FolderError::io(&old))
    };
    for name in names {
        put(&format!("{FOLDER}/{name}"))?;
    }
    target.sync_folder(FOLDER).map_err(JournalError::io("sync", FOLDER))?;
    // The head last: what it names is there then.
    put("published")?;
    remove_folder(beside)
}

/// Removes a folder, if it is there.
fn remove_folder(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FolderError::io(folder)(error).into())
        }
        _ => Ok(()),
    }
}

/// The files of a backup, and in their place those that are to follow them.
struct Both {
    new: FolderDisk,
    old: FolderDisk,
}

impl Disk for Both {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = self.new.names(folder)?;
        names.extend(self.old.names(folder)?);
        Ok(names)
    }

    fn make_folder(&self, folder: &str) -> io::Result<()> {
        self.new.make_folder(folder)
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.new.create(path)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        match self.new.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.old.open(path),
            found => found,
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.new.rename(from, to)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.new.sync_folder(folder)
    }
}

/// Copies the segments up to `tip` to the folder `beside`: those that are followed by another one
/// whole, if they are not in `to` unchanged, and of the last one what `tip` has of it.
fn copy_journal(
    segments: &Segments,
    tip: &Tip,
    from: &Path,
    to: &Path,
    beside: &Path,
    target: &Both,
) -> Result<(u64, u64), BackupError> {
    target.make_folder(FOLDER).map_err(JournalError::io("make", FOLDER))?;
    let (mut copied, mut kept) = (0, 0);
    let last = if tip.sequence == 0 { segments.first() } else { Some(tip.position.segment) };
    for first in segments.firsts().into_iter().take_while(|first| Some(*first) <= last) {
        let path = path_of(first);
        let failed = |error| FolderError::io(&from.join(&path))(error);
        let changed = modified(&from.join(&path)).map_err(failed)?;
        let is_sealed = segments.after(first).is_some_and(|after| after <= tip.sequence);
        if is_sealed && is_copy(&to.join(&path), &from.join(&path), changed) {
            kept += 1;
            continue;
        }
        let source = segments.file(first)?;
        let length = source.length().map_err(JournalError::io("read", &path))?;
        let end = if is_sealed { length } else { end_of(segments, first, tip)? };
        let new = format!("{path}.new");
        let file = target.create(&new).map_err(JournalError::io("make", &new))?;
        file.allocate(length).map_err(JournalError::io("make", &new))?;
        let mut offset = 0;
        while offset < end {
            let count = usize::try_from(end - offset).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let mut bytes = vec![0; count];
            source.read_at(&mut bytes, offset).map_err(JournalError::io("read", &path))?;
            file.write_at(&bytes, offset).map_err(JournalError::io("write", &new))?;
            offset += count as u64;
        }
        file.sync().map_err(JournalError::io("sync", &new))?;
        target.rename(&new, &path).map_err(JournalError::io("make", &path))?;
        // An erased body changes a segment, and with it its time: it is copied again then.
        File::options()
            .write(true)
            .open(beside.join(&path))
            .and_then(|file| file.set_modified(changed))
            .map_err(failed)?;
        copied += 1;
    }
    target.sync_folder(FOLDER).map_err(JournalError::io("sync", FOLDER))?;
    Ok((copied, kept))
}

/// Where in a segment the record of `tip` ends.
fn end_of(segments: &Segments, first: u64, tip: &Tip) -> Result<u64, JournalError> {
    if tip.sequence == 0 || tip.position.segment != first {
        return Ok(HEADER_BYTES);
    }
    let walk = Walk::after(segments, tip)?;
    Ok(walk.next().offset)
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// Whether a segment is there as it was copied.
fn is_copy(copy: &Path, source: &Path, changed: SystemTime) -> bool {
    let length = |path: &Path| fs::metadata(path).map(|found| found.len()).ok();
    length(copy).is_some()
        && length(copy) == length(source)
        && modified(copy).is_ok_and(|at| at == changed)
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies a small file whole or not at all; one that is not there is left out.
fn copy_small(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    let bytes = match fs::read(from) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let new = to.with_extension("new");
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&new, to)
}

#[cfg(test)]
mod tests {
    use attest::envelope::IN_TOTO;
    use attest::hash::Silent;
    use attest::{Algorithm, Envelope, SigningKey, Timestamp};

    use super::super::buried::tests::tombstone;
    use super::super::contract::wait;
    use super::super::embedded::Embedded;
    use super::super::{PATIENCE, Register, create, fsck, open};
    use super::*;

    fn submit(register: &Register<Embedded>, key: &SigningKey, text: &str) -> Envelope {
        let envelope = Envelope::sign("text/plain", text.as_bytes().to_vec(), &[key]).unwrap();
        let keys = [key.public().clone()];
        wait(register.submit(&envelope, &keys, Timestamp::UNIX_EPOCH)).unwrap();
        envelope
    }

    fn back_up(from: &Path, to: &Path, key: WithKey) -> Result<BackedUp, BackupError> {
        backup(from, to, key, &Holder::command(), Duration::ZERO, &Silent)
    }

    fn size(folder: &Path) -> u64 {
        let register = wait(open(folder, &Holder::command(), PATIENCE)).unwrap();
        wait(register.signed()).unwrap().checkpoint.size
    }

    #[test]
    fn a_copy_of_a_register_in_use_is_a_register() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("register"), folder.path().join("backup"));
        // Held all the time, as a service holds it.
        let register = wait(create(&from, &Holder::server("http://here"), PATIENCE)).unwrap();
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        for count in 0..3_u64 {
            let made = back_up(&from, &to, WithKey::No).unwrap();
            assert_eq!((made.checked.tree.size, made.copied, made.kept), (count, 1, 0));
            submit(&register, &key, &count.to_string());
        }
        // More than a segment holds: what is sealed is copied once.
        let large = "x".repeat(9 << 20);
        submit(&register, &key, &large);
        let secret = submit(&register, &key, &format!("secret {large}"));
        let made = back_up(&from, &to, WithKey::No).unwrap();
        assert_eq!((made.checked.tree.size, made.copied, made.kept), (5, 2, 0));
        let stone = tombstone(&secret.pae(), "text/plain");
        let stone = Envelope::sign(IN_TOTO, stone, &[&key]).unwrap();
        wait(register.submit(&stone, &[key.public().clone()], Timestamp::UNIX_EPOCH)).unwrap();
        let made = back_up(&from, &to, WithKey::No).unwrap();
        assert_eq!((made.checked.tree.size, made.copied, made.kept), (6, 1, 1));
        assert!(!to.join("key.pem").exists());

        // What is erased is erased from the next backup.
        register.storage().erase_body(&secret.body()).unwrap();
        let made = back_up(&from, &to, WithKey::Yes).unwrap();
        assert_eq!(made.checked.erased, 1);
        drop(register);
        let checked =
            fsck(&to, &Holder::command(), PATIENCE, |_| None, Depth::All, &Silent).unwrap();
        assert_eq!((checked.faults, checked.erased), (vec![], 1));
        assert_eq!((size(&to), size(&from)), (6, 6));
    }

    #[test]
    fn what_is_no_backup_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        for name in ["one", "two"] {
            let register = wait(create(&at(name), &Holder::command(), PATIENCE)).unwrap();
            submit(&register, &key, name);
        }
        back_up(&at("one"), &at("backup"), WithKey::No).unwrap();
        let refused = |from: &str, to: &str| back_up(&at(from), &at(to), WithKey::No).unwrap_err();
        assert!(matches!(refused("two", "backup"), BackupError::Other { .. }));
        assert!(matches!(refused("one", "one"), BackupError::Register(_)));
        assert!(matches!(refused("one", "two"), BackupError::Register(_)));
        fs::create_dir(at("pictures")).unwrap();
        fs::write(at("pictures").join("cat.png"), "cat").unwrap();
        assert!(matches!(refused("one", "pictures"), BackupError::Occupied(_)));

        // A register that lost entries does not take its backup with it.
        fs::rename(at("backup"), at("older")).unwrap();
        let register = wait(open(&at("one"), &Holder::command(), PATIENCE)).unwrap();
        submit(&register, &key, "more");
        drop(register);
        back_up(&at("one"), &at("backup"), WithKey::Yes).unwrap();
        assert!(matches!(
            refused("older", "backup"),
            BackupError::Ahead { backup: 2, size: 1, .. }
        ));
        assert_eq!(size(&at("backup")), 2);
    }

    #[test]
    fn a_register_that_went_another_way_does_not_take_its_backup_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let go_on = |name: &str, texts: &[&str]| {
            let register = wait(open(&at(name), &Holder::command(), PATIENCE)).unwrap();
            for text in texts {
                submit(&register, &key, text);
            }
        };
        drop(wait(create(&at("register"), &Holder::command(), PATIENCE)).unwrap());
        go_on("register", &["one"]);
        for fork in ["same size", "longer"] {
            back_up(&at("register"), &at(fork), WithKey::Yes).unwrap();
        }
        go_on("register", &["two", "three"]);
        go_on("same size", &["two", "other"]);
        go_on("longer", &["other", "two", "three"]);
        back_up(&at("register"), &at("backup"), WithKey::No).unwrap();
        let bytes = || {
            [path_of(1), "published".into()].map(|path| fs::read(at("backup").join(path)).unwrap())
        };
        let before = bytes();
        for fork in ["same size", "longer"] {
            let refused = back_up(&at(fork), &at("backup"), WithKey::No);
            let is_fork = matches!(refused, Err(BackupError::Fork { backup: 3, sequence: 3, .. }));
            assert!(is_fork, "{fork}: {refused:?}");
            assert!(bytes() == before, "{fork}");
        }
        // The smallest change that passes: the register itself, with more.
        go_on("register", &["four"]);
        let made = back_up(&at("register"), &at("backup"), WithKey::No).unwrap();
        assert_eq!(made.checked.tree.size, 4);
    }

    #[test]
    fn a_damaged_register_makes_no_backup() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("register"), folder.path().join("backup"));
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let register = wait(create(&from, &Holder::command(), PATIENCE)).unwrap();
        submit(&register, &key, "one");
        submit(&register, &key, "two");
        drop(register);
        let path = from.join(path_of(1));
        let mut bytes = fs::read(&path).unwrap();
        bytes[512 + 180] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(back_up(&from, &to, WithKey::No), Err(BackupError::Unsound(_))));
    }

    #[test]
    fn what_a_register_lost_is_not_lost_from_its_backup() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("register"), folder.path().join("backup"));
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let register = wait(create(&from, &Holder::command(), PATIENCE)).unwrap();
        let lost = submit(&register, &key, "one").pae();
        submit(&register, &key, "two");
        drop(register);
        back_up(&from, &to, WithKey::No).unwrap();
        let path = from.join(path_of(1));
        let whole = fs::read(&path).unwrap();
        let mut zeroed = whole.clone();
        let start = whole.windows(lost.len()).position(|part| part == lost).unwrap();
        zeroed[start..start + lost.len()].fill(0);
        fs::write(&path, &zeroed).unwrap();
        let refused = back_up(&from, &to, WithKey::No);
        let is_body = |fault: &Fault| matches!(fault, Fault::Body { .. });
        assert!(matches!(refused, Err(BackupError::Unsound(fault)) if is_body(&fault)));
        assert!(!to.join(NEW).exists());
        let kept = fs::read(to.join(path_of(1))).unwrap();
        assert!(kept.windows(lost.len()).any(|part| part == lost));
        // The smallest change that passes: the body itself, after a run that was cut off.
        fs::write(&path, &whole).unwrap();
        fs::create_dir_all(to.join(NEW).join(FOLDER)).unwrap();
        fs::write(to.join(NEW).join(path_of(1)), "half").unwrap();
        assert!(back_up(&from, &to, WithKey::No).unwrap().checked.is_sound());
    }
}
