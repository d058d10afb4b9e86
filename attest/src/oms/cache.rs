//! Digests of files that did not change since they were read, for whoever asks for that.
//!
//! A file is taken for unchanged when its device, inode, size, time of last write and time of
//! last change are what they were. No program can set the last of these through the file, so
//! that editing, replacing or touching a file shows. It does not show when the bytes change
//! without the file system knowing: by writing to the disk beneath it, by setting the clock back
//! and writing at the same nanosecond, or on a network file system that does not keep these
//! times. Whoever can write the cache can say anything. It is therefore never used by signing,
//! by recording a step or by a gate (THREATS, rule 16).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;

use crate::digest::{from_hex, to_hex};
use crate::hash::{HashAlgorithm, Piece};

/// The first line of a cache.
const HEADING: &str = "assay digests 1";
/// The largest cache that is read, in bytes.
const MAX_BYTES: usize = 256 << 20;
/// How many digests are kept.
const MAX_ENTRIES: usize = 1_000_000;
/// A file that changed so shortly before is not remembered: it could change again within what the
/// file system takes for the same moment, in nanoseconds.
const SETTLED: i128 = 2_000_000_000;

/// A file in one state, and a stretch of it.
type Key = (HashAlgorithm, [i128; 5], u64, u64);

/// Digests by the state of the files that they were computed of.
#[derive(Clone, Debug)]
pub struct Cache {
    now: i128,
    known: BTreeMap<Key, Vec<u8>>,
    changed: bool,
    /// What was asked for or added.
    used: std::cell::RefCell<BTreeSet<Key>>,
}

/// Why bytes are no cache.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Another first line.
    #[error("it does not begin with `{HEADING}`")]
    Heading,
    /// More than 256 MiB.
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// A line that is no entry.
    #[error("line {0} is no digest of a file")]
    Line(
        /// The line, counted from one.
        usize,
    ),
}

impl Cache {
    /// A cache that knows nothing; files that changed shortly before `now` are not remembered.
    pub fn new(now: Timestamp) -> Self {
        let used = std::cell::RefCell::default();
        Self { now: now.as_nanosecond(), known: BTreeMap::new(), changed: false, used }
    }

    /// Reads a cache.
    ///
    /// # Errors
    /// [`CacheError`] when it is not one, whole.
    pub fn parse(bytes: &[u8], now: Timestamp) -> Result<Self, CacheError> {
        if bytes.len() > MAX_BYTES {
            return Err(CacheError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| CacheError::Heading)?;
        let body = text.strip_prefix(HEADING).and_then(|rest| rest.strip_prefix('\n'));
        let mut cache = Self::new(now);
        for (index, line) in body.ok_or(CacheError::Heading)?.lines().enumerate() {
            let (key, digest) = parse_line(line).ok_or(CacheError::Line(index + 2))?;
            cache.known.insert(key, digest);
        }
        Ok(cache)
    }

    /// Whether it knows anything that it did not when it was read.
    pub const fn is_changed(&self) -> bool {
        self.changed
    }

    /// The bytes of the cache. When it knows more than it keeps, what was not asked for goes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let used = self.used.borrow();
        let all = self.known.len() <= MAX_ENTRIES;
        let mut text = format!("{HEADING}\n");
        let kept = self.known.iter().filter(|(key, _)| all || used.contains(*key));
        for ((algorithm, state, start, end), digest) in kept.take(MAX_ENTRIES) {
            let [device, inode, size, modified, changed] = state;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{} {device} {inode} {size} {modified} {changed} {start} {end} {}",
                algorithm.as_str(),
                to_hex(digest)
            );
        }
        text.into_bytes()
    }

    pub(super) fn get(&self, algorithm: HashAlgorithm, piece: &Piece<'_>) -> Option<Vec<u8>> {
        let key = key(algorithm, piece);
        let found = self.known.get(&key).cloned();
        if found.is_some() {
            self.used.borrow_mut().insert(key);
        }
        found
    }

    pub(super) fn put(&mut self, algorithm: HashAlgorithm, piece: &Piece<'_>, digest: &[u8]) {
        if piece.file.identity.changed() > self.now - SETTLED {
            return;
        }
        let key = key(algorithm, piece);
        self.known.insert(key, digest.to_vec());
        self.changed = true;
        self.used.borrow_mut().insert(key);
    }
}

const fn key(algorithm: HashAlgorithm, piece: &Piece<'_>) -> Key {
    (algorithm, piece.file.identity.state(), piece.start, piece.end)
}

fn parse_line(line: &str) -> Option<(Key, Vec<u8>)> {
    let mut words = line.split(' ');
    let algorithm: HashAlgorithm = words.next()?.parse().ok()?;
    let mut state = [0; 5];
    for slot in &mut state {
        *slot = words.next()?.parse().ok()?;
    }
    let (start, end) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let digest = from_hex(words.next()?).filter(|digest| digest.len() == algorithm.length())?;
    words.next().is_none().then_some(((algorithm, state, start, end), digest))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::hash::Silent;
    use crate::oms::{Method, Scan, Serialization};

    const LATER: i64 = 4_102_444_800;

    fn digests(folder: &std::path::Path, cache: &mut Cache) -> Vec<Vec<u8>> {
        let serialization = Serialization::new(Method::Files, HashAlgorithm::Blake2b);
        let scan = Scan::of(folder, &serialization, None, &|_| false).unwrap();
        let found = scan.hash(&serialization, &|_| true, Some(cache), &Silent).unwrap();
        found.into_iter().flat_map(|file| file.stretches).map(|found| found.digest).collect()
    }

    #[test]
    fn what_did_not_change_is_not_read_again_and_what_changed_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "bytes").unwrap();
        let later = Timestamp::from_second(LATER).unwrap();
        let mut cache = Cache::new(later);
        let want = digests(folder.path(), &mut cache);
        // A wrong digest shows that the cache is what answers.
        let text = String::from_utf8(cache.to_bytes()).unwrap();
        let lie = "00".repeat(64);
        let lying = text.replace(&to_hex(&want[0]), &lie);
        let mut lying = Cache::parse(lying.as_bytes(), later).unwrap();
        assert_eq!(digests(folder.path(), &mut lying), [vec![0; 64]]);
        std::thread::sleep(std::time::Duration::from_millis(10));
        fs::write(&path, "bytes").unwrap();
        assert_eq!(digests(folder.path(), &mut lying), want, "written anew");
    }

    #[test]
    fn what_has_just_changed_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("f"), "bytes").unwrap();
        let mut cache = Cache::new(Timestamp::UNIX_EPOCH);
        digests(folder.path(), &mut cache);
        assert_eq!(cache.to_bytes(), format!("{HEADING}\n").as_bytes());
    }

    #[test]
    fn what_is_no_cache() {
        let line = format!("sha256 1 2 3 4 5 0 3 {}", "ab".repeat(32));
        let parse = |text: String| Cache::parse(text.as_bytes(), Timestamp::UNIX_EPOCH);
        let cases = [
            ("one entry", format!("{HEADING}\n{line}\n"), Ok(1)),
            ("nothing", format!("{HEADING}\n"), Ok(0)),
            ("another heading", format!("x\n{line}\n"), Err(CacheError::Heading)),
            ("empty", String::new(), Err(CacheError::Heading)),
            ("a word less", format!("{HEADING}\n{}\n", &line[7..]), Err(CacheError::Line(2))),
            ("a word more", format!("{HEADING}\n{line} x\n"), Err(CacheError::Line(2))),
            (
                "a short digest",
                format!("{HEADING}\n{}\n", &line[..line.len() - 2]),
                Err(CacheError::Line(2)),
            ),
        ];
        for (name, text, want) in cases {
            assert_eq!(parse(text).map(|cache| cache.known.len()), want, "{name}");
        }
    }
}
