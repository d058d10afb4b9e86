//! Hashing files as they stand, by streaming, with a progress that somebody can watch.
//!
//! A file is opened without following links (see [`crate::root`]), hashed through that one
//! descriptor, and its identity is compared before and after: bytes that change while they are
//! read have no digest. No digest is ever taken from a cache.

use std::fs::File;
use std::io::Read as _;
use std::num::NonZero;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sha2::Digest as _;

use crate::digest::Sha256;
use crate::root::{Identity, OpenError, Opened, Root, identity_of, split};

/// How much is read at a time, in bytes.
const BUFFER_BYTES: usize = 1 << 20;
/// How many threads hash at most. Beyond this, disks and not processors are the limit.
const MAX_THREADS: usize = 4;
/// Below this many bytes, one thread is faster than several.
const SEVERAL_THREADS_FROM: u64 = 8 << 20;
/// Below this many files, one thread is faster than several.
const SEVERAL_THREADS_FROM_FILES: usize = 256;

/// Somebody who watches how far hashing is. Called from several threads.
pub trait Progress: Sync {
    /// Reading starts: `bytes` are to be read.
    fn start(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Another `bytes` were read.
    fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Reading has ended, well or not; what was drawn should go away.
    fn finish(&self) {}
}

/// A progress that nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Why something has no digest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It changed while it was read.
    #[error("`{path}` changed while it was read; stop what writes it, then try again")]
    Changed {
        /// The path below the root.
        path: String,
    },
}

/// A file to hash: its name below the root, and the identity that it must have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// The name below the root.
    pub name: String,
    /// The identity when it was listed.
    pub identity: Identity,
}

/// Hashes files, in the order given. Many or large files are read by several threads.
///
/// # Errors
/// [`HashError`] for a file that cannot be opened, or that is not in the state in which it was
/// listed.
pub fn hash_files(
    root: &Root,
    files: &[&Listed],
    progress: &dyn Progress,
) -> Result<Vec<Sha256>, HashError> {
    let bytes: u64 = files.iter().map(|file| file.identity.size()).sum();
    let several = bytes >= SEVERAL_THREADS_FROM || files.len() >= SEVERAL_THREADS_FROM_FILES;
    let threads = match thread::available_parallelism() {
        Ok(count) if several => {
            count.min(NonZero::new(MAX_THREADS).unwrap_or(NonZero::<usize>::MIN)).get()
        }
        _ => 1,
    }
    .min(files.len());

    let queue = Queue { next: AtomicUsize::new(0), stopped: AtomicBool::new(false), files };
    if threads <= 1 {
        return Ok(queue.work(root, progress)?.into_iter().map(|(_, digest)| digest).collect());
    }
    let parts = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| queue.work(root, progress))).collect();
        workers.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
    });
    let mut found = Vec::with_capacity(files.len());
    for part in parts {
        match part {
            Ok(part) => found.extend(part?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    found.sort_unstable_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, digest)| digest).collect())
}

/// Files that several threads take from, one at a time.
struct Queue<'a> {
    next: AtomicUsize,
    stopped: AtomicBool,
    files: &'a [&'a Listed],
}

impl Queue<'_> {
    /// Hashes until nothing is left or somebody failed; digests with the places of their files.
    fn work(
        &self,
        root: &Root,
        progress: &dyn Progress,
    ) -> Result<Vec<(usize, Sha256)>, HashError> {
        let mut found = Vec::new();
        let mut reader = Reader { root, progress, buffer: Vec::new(), folder: None };
        while !self.stopped.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(file) = self.files.get(index) else { break };
            match reader.hash(file) {
                Ok(digest) => found.push((index, digest)),
                Err(error) => {
                    self.stopped.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(found)
    }
}

/// What one thread keeps from file to file.
struct Reader<'a> {
    root: &'a Root,
    progress: &'a dyn Progress,
    buffer: Vec<u8>,
    /// The directory of the last file, which is most often that of the next.
    folder: Option<(String, Option<OwnedFd>)>,
}

impl Reader<'_> {
    fn hash(&mut self, listed: &Listed) -> Result<Sha256, HashError> {
        let mut file = self.open(listed)?;
        let changed = || HashError::Changed { path: listed.name.clone() };
        let failed = |source| OpenError::io(&listed.name, source);

        let wanted = usize::try_from(listed.identity.size()).unwrap_or(BUFFER_BYTES);
        let length = wanted.saturating_add(1).clamp(4096, BUFFER_BYTES);
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        if wanted >= BUFFER_BYTES {
            // Advice only: a file system that does not take it still reads right.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        }
        let mut hasher = sha2::Sha256::new();
        let mut left = listed.identity.size();
        loop {
            let count = match file.read(&mut self.buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error).into()),
            };
            if count == 0 {
                break;
            }
            // A file that grows as fast as it is read would otherwise never end.
            left = left.checked_sub(count as u64).ok_or_else(changed)?;
            hasher.update(self.buffer.get(..count).unwrap_or_default());
            self.progress.advance(count as u64);
        }
        if left != 0 || identity_of(file.as_fd(), &listed.name)? != listed.identity {
            return Err(changed());
        }
        Ok(Sha256::from_bytes(hasher.finalize().into()))
    }

    /// Opens the file, which must be in the state in which it was listed.
    fn open(&mut self, listed: &Listed) -> Result<File, HashError> {
        let (folder, last) = split(&listed.name).unwrap_or_default();
        if self.folder.as_ref().is_none_or(|(known, _)| known != folder) {
            self.folder = Some((folder.to_owned(), self.root.pass(folder)?));
        }
        let opened = match &self.folder {
            Some((_, Some(directory))) => {
                self.root.open_in(directory.as_fd(), last, &listed.name)?
            }
            _ => self.root.open_name(&listed.name)?,
        };
        match opened {
            Opened::File(file, identity) if identity == listed.identity => Ok(file),
            _ => Err(HashError::Changed { path: listed.name.clone() }),
        }
    }
}

/// Reads one whole listed file of at most `limit` bytes.
///
/// # Errors
/// [`HashError`] when it cannot be read, is larger, or is not in the state in which it was
/// listed.
pub fn read_file(root: &Root, listed: &Listed, limit: usize) -> Result<Vec<u8>, HashError> {
    let progress = &Silent;
    let mut reader = Reader { root, progress, buffer: Vec::new(), folder: None };
    let mut file = reader.open(listed)?;
    let failed = |source| OpenError::io(&listed.name, source);
    if listed.identity.size() > limit as u64 {
        let why = format!("it has {} bytes, more than {limit}", listed.identity.size());
        return Err(failed(std::io::Error::other(why)).into());
    }
    let mut bytes = Vec::new();
    (&mut file).take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 != listed.identity.size()
        || identity_of(file.as_fd(), &listed.name)? != listed.identity
    {
        return Err(HashError::Changed { path: listed.name.clone() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn list(root: &Root, name: &str) -> Listed {
        match root.open_name(name).unwrap() {
            Opened::File(_, identity) => Listed { name: name.into(), identity },
            other => panic!("{other:?}"),
        }
    }

    #[derive(Default)]
    struct Counted(AtomicU64);

    impl Progress for Counted {
        fn advance(&self, bytes: u64) {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    #[test]
    fn every_size_hashes_as_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let sizes = [0, 1, 4095, 4096, 4097, BUFFER_BYTES - 1, BUFFER_BYTES, 9 << 20];
        let mut want = Vec::new();
        for (place, size) in sizes.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 31 + place) as u8).collect();
            fs::write(folder.path().join(format!("f{place}")), &bytes).unwrap();
            want.push(Sha256::of(&bytes));
        }
        let root = Root::open(folder.path()).unwrap();
        let files: Vec<_> =
            (0..sizes.len()).map(|place| list(&root, &format!("f{place}"))).collect();
        let all: Vec<_> = files.iter().collect();
        let progress = Counted::default();
        assert_eq!(hash_files(&root, &all, &progress).unwrap(), want, "several threads");
        assert_eq!(progress.0.into_inner(), sizes.iter().map(|size| *size as u64).sum::<u64>());
        assert_eq!(hash_files(&root, &all[..3], &Silent).unwrap(), want[..3], "one thread");
        assert!(hash_files(&root, &[], &Silent).unwrap().is_empty());
    }

    #[test]
    fn a_file_in_another_state_than_listed_has_no_digest() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let changes: [(&str, &dyn Fn()); 4] = [
            ("longer", &|| fs::write(at("f"), "changed!").unwrap()),
            ("same length", &|| fs::write(at("f"), "other").unwrap()),
            ("replaced", &|| {
                fs::write(at("new"), "bytes").unwrap();
                fs::rename(at("new"), at("f")).unwrap();
            }),
            ("a directory", &|| {
                fs::remove_file(at("f")).unwrap();
                fs::create_dir(at("f")).unwrap();
            }),
        ];
        for (name, change) in changes {
            fs::write(at("f"), "bytes").unwrap();
            let root = Root::open(folder.path()).unwrap();
            let listed = list(&root, "f");
            assert!(hash_files(&root, &[&listed], &Silent).is_ok(), "{name}");
            std::thread::sleep(std::time::Duration::from_millis(10));
            change();
            let found = hash_files(&root, &[&listed], &Silent);
            assert!(matches!(found, Err(HashError::Changed { .. })), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_bounded_read_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "12345").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let listed = list(&root, "f");
        assert_eq!(read_file(&root, &listed, 5).unwrap(), b"12345");
        assert!(read_file(&root, &listed, 4).is_err());
    }
}
