//! Hashing files as they stand, by streaming, with a progress that somebody can watch.
//!
//! A file is opened without following links (see [`crate::root`]), hashed through that one
//! descriptor, and its identity is compared before and after: bytes that change while they are
//! read have no digest. No digest is ever taken from a cache.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sha2::Digest as _;

use crate::digest::Sha256;
use crate::root::{Identity, OpenError, Root, identity_of, split};

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

/// A hash by which the bytes of a file can be known. An artifact is known by SHA-256 alone; the
/// others are those of OpenSSF Model Signing (its algorithm registry).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum HashAlgorithm {
    /// SHA-256 (FIPS 180-4).
    #[default]
    Sha256,
    /// BLAKE2b with 512 bits (RFC 7693).
    Blake2b,
    /// BLAKE3 with 256 bits.
    Blake3,
}

/// No hash has this name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown hash `{0}`; known are sha256, blake2b, blake3")]
pub struct UnknownHash(pub String);

impl HashAlgorithm {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Blake2b, Self::Blake3];

    /// The name in manifests and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
        }
    }

    /// How many bytes a digest has.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Blake2b => 64,
        }
    }
}

impl FromStr for HashAlgorithm {
    type Err = UnknownHash;

    fn from_str(text: &str) -> Result<Self, UnknownHash> {
        let known = Self::ALL.into_iter().find(|hash| hash.as_str() == text);
        known.ok_or_else(|| UnknownHash(text.chars().take(100).collect()))
    }
}

/// A hash that is being computed.
enum Hasher {
    Sha256(sha2::Sha256),
    Blake2b(Box<blake2::Blake2b512>),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    fn new(algorithm: HashAlgorithm) -> Self {
        match algorithm {
            HashAlgorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            HashAlgorithm::Blake2b => Self::Blake2b(Box::default()),
            HashAlgorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Blake2b(hasher) => hasher.update(bytes),
            Self::Blake3(hasher) => drop(hasher.update(bytes)),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Blake2b(hasher) => hasher.finalize().to_vec(),
            Self::Blake3(hasher) => hasher.finalize().as_bytes().to_vec(),
        }
    }
}

/// A stretch of a listed file, from `start` up to but without `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    /// What the file's name is below.
    pub(crate) root: &'a Root,
    /// The file, which must be in the state in which it was listed.
    pub(crate) file: &'a Listed,
    /// Where it begins.
    pub(crate) start: u64,
    /// Where it ends.
    pub(crate) end: u64,
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
    let whole = |file: &&'_ Listed| file.identity.size();
    let pieces: Vec<Piece<'_>> =
        files.iter().map(|file| Piece { root, file, start: 0, end: whole(file) }).collect();
    let digests = hash_pieces(HashAlgorithm::Sha256, &pieces, progress)?;
    // A digest of SHA-256 has 32 bytes.
    let digests = digests.into_iter().map(|digest| digest.try_into().unwrap_or_default());
    Ok(digests.map(Sha256::from_bytes).collect())
}

/// Hashes stretches of files, in the order given, as [`hash_files`] does whole ones. Each thread
/// has one buffer of [`BUFFER_BYTES`] at most, however large the files are.
///
/// # Errors
/// As [`hash_files`].
pub(crate) fn hash_pieces(
    algorithm: HashAlgorithm,
    pieces: &[Piece<'_>],
    progress: &dyn Progress,
) -> Result<Vec<Vec<u8>>, HashError> {
    let bytes: u64 = pieces.iter().map(|piece| piece.end.saturating_sub(piece.start)).sum();
    let several = bytes >= SEVERAL_THREADS_FROM || pieces.len() >= SEVERAL_THREADS_FROM_FILES;
    let threads = match thread::available_parallelism() {
        Ok(count) if several => {
            count.min(NonZero::new(MAX_THREADS).unwrap_or(NonZero::<usize>::MIN)).get()
        }
        _ => 1,
    }
    .min(pieces.len());

    let stopped = AtomicBool::new(false);
    let queue = Queue { next: AtomicUsize::new(0), stopped, algorithm, pieces };
    if threads <= 1 {
        return Ok(queue.work(progress)?.into_iter().map(|(_, digest)| digest).collect());
    }
    let parts = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| queue.work(progress))).collect();
        workers.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
    });
    let mut found = Vec::with_capacity(pieces.len());
    for part in parts {
        match part {
            Ok(part) => found.extend(part?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    found.sort_unstable_by_key(|(index, _)| *index);
    Ok(found.into_iter().map(|(_, digest)| digest).collect())
}

/// Pieces that several threads take from, one at a time.
struct Queue<'a> {
    next: AtomicUsize,
    stopped: AtomicBool,
    algorithm: HashAlgorithm,
    pieces: &'a [Piece<'a>],
}

impl Queue<'_> {
    /// Hashes until nothing is left or somebody failed; digests with the places of their pieces.
    fn work(&self, progress: &dyn Progress) -> Result<Vec<(usize, Vec<u8>)>, HashError> {
        let mut found = Vec::new();
        let mut reader = Reader::new(progress);
        while !self.stopped.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(index) else { break };
            match reader.hash(self.algorithm, piece) {
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
    progress: &'a dyn Progress,
    buffer: Vec<u8>,
    /// The directory of the last file, which is most often that of the next.
    folder: Option<Folder<'a>>,
}

/// An open directory, with the root that its name is below; `None` is the root itself.
struct Folder<'a> {
    root: &'a Root,
    name: String,
    directory: Option<OwnedFd>,
}

impl<'a> Reader<'a> {
    const fn new(progress: &'a dyn Progress) -> Self {
        Self { progress, buffer: Vec::new(), folder: None }
    }

    fn hash(&mut self, algorithm: HashAlgorithm, piece: &Piece<'a>) -> Result<Vec<u8>, HashError> {
        let listed = piece.file;
        let mut file = self.open(piece.root, listed)?;
        let changed = || HashError::Changed { path: listed.name.clone() };
        let failed = |source| OpenError::io(&listed.name, source);

        let mut left = piece.end.saturating_sub(piece.start);
        let wanted = usize::try_from(left).unwrap_or(BUFFER_BYTES);
        let length = wanted.clamp(4096, BUFFER_BYTES);
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        if wanted >= BUFFER_BYTES {
            // It is looked at when it has been read, all the same; here that would be late.
            if identity_of(file.as_fd(), &listed.name)? != listed.identity {
                return Err(changed());
            }
            // Advice only: a file system that does not take it still reads right.
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        }
        if piece.start > 0 {
            file.seek(SeekFrom::Start(piece.start)).map_err(failed)?;
        }
        let mut hasher = Hasher::new(algorithm);
        while left > 0 {
            let most =
                usize::try_from(left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
            let buffer = self.buffer.get_mut(..most).unwrap_or_default();
            let count = match file.read(buffer) {
                // It was longer when it was listed.
                Ok(0) => return Err(changed()),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) if identity_of(file.as_fd(), &listed.name)? != listed.identity => {
                    return Err(changed());
                }
                Err(error) => return Err(failed(error).into()),
            };
            left = left.saturating_sub(count as u64);
            hasher.update(buffer.get(..count).unwrap_or_default());
            self.progress.advance(count as u64);
        }
        // A file that has grown, or was written to in any way, has another identity. This is what
        // was opened, too: nothing that was put in the place of the file has its identity.
        if identity_of(file.as_fd(), &listed.name)? != listed.identity {
            return Err(changed());
        }
        Ok(hasher.finish())
    }

    /// Opens what is in the place of the file, for a caller who looks at its identity.
    fn open(&mut self, root: &'a Root, listed: &Listed) -> Result<File, HashError> {
        let (folder, last) = split(&listed.name).unwrap_or_default();
        let is_known = |known: &Folder<'_>| known.name == folder && std::ptr::eq(known.root, root);
        if !self.folder.as_ref().is_some_and(is_known) {
            let directory = root.pass(folder)?;
            self.folder = Some(Folder { root, name: folder.to_owned(), directory });
        }
        let folder = self.folder.as_ref().and_then(|folder| folder.directory.as_ref());
        Ok(root.open_seen(folder.map(AsFd::as_fd), last, &listed.name)?)
    }
}

/// Reads one whole listed file of at most `limit` bytes.
///
/// # Errors
/// [`HashError`] when it cannot be read, is larger, or is not in the state in which it was
/// listed.
pub fn read_file(root: &Root, listed: &Listed, limit: usize) -> Result<Vec<u8>, HashError> {
    let mut file = Reader::new(&Silent).open(root, listed)?;
    let failed = |source| OpenError::io(&listed.name, source);
    if listed.identity.size() > limit as u64 {
        let why = format!("it has {} bytes, more than {limit}", listed.identity.size());
        return Err(failed(std::io::Error::other(why)).into());
    }
    let mut bytes = Vec::new();
    let read = (&mut file).take(limit as u64 + 1).read_to_end(&mut bytes);
    if bytes.len() as u64 != listed.identity.size()
        || identity_of(file.as_fd(), &listed.name)? != listed.identity
    {
        return Err(HashError::Changed { path: listed.name.clone() });
    }
    read.map_err(failed)?;
    Ok(bytes)
}

/// Reads the first bytes of a listed file, at most `limit`.
///
/// # Errors
/// [`HashError`] when it cannot be read, or is not in the state in which it was listed.
pub fn read_head(root: &Root, listed: &Listed, limit: usize) -> Result<Vec<u8>, HashError> {
    let mut file = Reader::new(&Silent).open(root, listed)?;
    let mut bytes = Vec::new();
    let failed = |source| OpenError::io(&listed.name, source);
    (&mut file).take(limit as u64).read_to_end(&mut bytes).map_err(failed)?;
    if identity_of(file.as_fd(), &listed.name)? != listed.identity {
        return Err(HashError::Changed { path: listed.name.clone() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::AtomicU64;

    use rustix::fs::FileType;

    use super::*;
    use crate::root::Opened;

    fn list(root: &Root, name: &str) -> Listed {
        match root.open_name(name).unwrap() {
            Opened::File(identity) => Listed { name: name.into(), identity },
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
    fn stretches_hash_as_their_bytes_by_every_algorithm() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..(9 << 20) + 7).map(|at: u32| (at * 31) as u8).collect();
        fs::write(folder.path().join("f"), &bytes).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let listed = list(&root, "f");
        let end = bytes.len();
        let stretches = [(0, end), (0, 0), (0, 1), (1, 5 << 20), (5 << 20, end), (end - 1, end)];
        let pieces: Vec<Piece<'_>> = stretches
            .iter()
            .map(|(start, end)| Piece {
                root: &root,
                file: &listed,
                start: *start as u64,
                end: *end as u64,
            })
            .collect();
        for algorithm in HashAlgorithm::ALL {
            let want = |(start, end): &(usize, usize)| {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&bytes[*start..*end]);
                hasher.finish()
            };
            let found = hash_pieces(algorithm, &pieces, &Silent).unwrap();
            assert_eq!(found, stretches.iter().map(want).collect::<Vec<_>>(), "{algorithm:?}");
            assert!(found.iter().all(|digest| digest.len() == algorithm.length()));
            assert_eq!(algorithm.as_str().parse(), Ok(algorithm));
        }
        let beyond = Piece { root: &root, file: &listed, start: 0, end: end as u64 + 1 };
        let found = hash_pieces(HashAlgorithm::Sha256, &[beyond], &Silent);
        assert!(matches!(found, Err(HashError::Changed { .. })), "{found:?}");
    }

    /// RFC 7693, appendix A, and the test vectors of BLAKE3: `abc`, and nothing at all.
    #[test]
    fn digests_of_the_standards() {
        let cases = [
            (
                HashAlgorithm::Blake2b,
                "abc",
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                 7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            ),
            (
                HashAlgorithm::Blake3,
                "",
                "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            ),
            (
                HashAlgorithm::Sha256,
                "abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ];
        for (algorithm, text, want) in cases {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(text.as_bytes());
            assert_eq!(crate::digest::to_hex(&hasher.finish()), want, "{algorithm:?}");
        }
    }

    #[test]
    fn a_file_in_another_state_than_listed_has_no_digest() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let changes: [(&str, &dyn Fn()); 6] = [
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
            ("a FIFO that nobody writes to", &|| {
                fs::remove_dir(at("f")).or_else(|_| fs::remove_file(at("f"))).unwrap();
                let mode = rustix::fs::Mode::RUSR;
                rustix::fs::mknodat(rustix::fs::CWD, at("f"), FileType::Fifo, mode, 0).unwrap();
            }),
            ("the same bytes, written again", &|| fs::write(at("f"), "bytes").unwrap()),
        ];
        for (name, change) in changes {
            let _ = fs::remove_dir(at("f")).or_else(|_| fs::remove_file(at("f")));
            fs::write(at("f"), "bytes").unwrap();
            let root = Root::open(folder.path()).unwrap();
            let listed = list(&root, "f");
            assert!(hash_files(&root, &[&listed], &Silent).is_ok(), "{name}");
            std::thread::sleep(std::time::Duration::from_millis(10));
            change();
            let found = hash_files(&root, &[&listed], &Silent);
            assert!(matches!(found, Err(HashError::Changed { .. })), "{name}: {found:?}");
            let found = read_file(&root, &listed, 100);
            assert!(matches!(found, Err(HashError::Changed { .. })), "{name}: {found:?}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_file_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("f"), "bytes").unwrap();
        let root = Root::open(folder.path()).unwrap();
        let listed = list(&root, "f");
        // The very same file, by another name.
        fs::rename(at("f"), at("g")).unwrap();
        std::os::unix::fs::symlink("g", at("f")).unwrap();
        let found = hash_files(&root, &[&listed], &Silent);
        assert!(matches!(found, Err(HashError::Open(OpenError::Link { .. }))), "{found:?}");
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
