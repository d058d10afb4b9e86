//! What a witness cosigned, kept so that it can never be talked into another history.
//!
//! One file for each log, named by the SHA-256 of its origin, holds the note that was cosigned
//! last. It is on disk before the cosignature is handed out, and it never goes back: a witness
//! that forgets is worse than none. The folder has one user at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use attest::note::MAX_BYTES;
use attest::{Checkpoint, CosignerKey, Note, Sha256};

use super::durable;
use super::state::Cosigned;

/// Names the witness that a folder belongs to.
const WITNESS: &str = "witness.key";
/// How many pieces of evidence are kept of one log.
const MAX_EVIDENCE: usize = 100;
/// The longest name of the witness with its key, in bytes.
const MAX_KEY_BYTES: u64 = 4096;

/// The folder of a witness.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    _lock: File,
}

/// Why the state of a witness cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has the folder.
    #[error("another witness runs on `{0}`")]
    InUse(PathBuf),
    /// The folder belongs to another witness.
    #[error("`{folder}` belongs to the witness `{found}`; give each witness a folder of its own")]
    OtherWitness {
        /// The folder.
        folder: PathBuf,
        /// The witness that it belongs to.
        found: String,
    },
    /// A file does not hold what was written.
    #[error(
        "`{0}` does not hold what this witness cosigned: restore it from a newer backup, or end this witness and begin another under a new name and key"
    )]
    Damaged(PathBuf),
    /// The state would go back.
    #[error("refusing to go back from {from} to {to} entries of `{origin}`")]
    GoesBack {
        /// The log.
        origin: String,
        /// The size that was cosigned.
        from: u64,
        /// The smaller size.
        to: u64,
    },
    /// The system refused.
    #[error("cannot use `{path}`")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Store {
    /// Opens the folder of the witness with `key`, or makes it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path, key: &CosignerKey) -> Result<Self, StoreError> {
        let broken = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        fs::create_dir_all(folder).map_err(broken(folder))?;
        let lock = File::open(folder).map_err(broken(folder))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(folder.into())),
            Err(TryLockError::Error(source)) => return Err(broken(folder)(source)),
        }
        let path = folder.join(WITNESS);
        match durable::read(&path, MAX_KEY_BYTES).map_err(broken(&path))? {
            Some(found) if found.trim_end() == key.to_string() => {}
            Some(found) => {
                let (folder, found) = (folder.into(), found.trim_end().to_owned());
                return Err(StoreError::OtherWitness { folder, found });
            }
            None => {
                durable::replace(&path, format!("{key}\n").as_bytes()).map_err(broken(&path))?
            }
        }
        Ok(Self { folder: folder.into(), _lock: lock })
    }

    /// What `witness` cosigned last of the log `origin`, and when, in seconds since 1970.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the file is not a checkpoint of that log, cosigned by it.
    pub fn load(&self, origin: &str, witness: &CosignerKey) -> Result<(Cosigned, u64), StoreError> {
        let Some(note) = self.note(origin)? else { return Ok((Cosigned::nothing(), 0)) };
        let damaged = || StoreError::Damaged(self.path(origin, "note"));
        let note: Note = note.parse().map_err(|_| damaged())?;
        let time = witness.cosigned(&note).ok().flatten().ok_or_else(damaged)?;
        // The log may have got another key since: only what was cosigned counts.
        match note.text.parse::<Checkpoint>() {
            Ok(Checkpoint { origin: found, size, root }) if found == origin => {
                Ok((Cosigned { size, root }, time))
            }
            _ => Err(damaged()),
        }
    }

    /// The note that was cosigned last of the log `origin`, if one was.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn note(&self, origin: &str) -> Result<Option<String>, StoreError> {
        let path = self.path(origin, "note");
        durable::read(&path, MAX_BYTES as u64).map_err(|source| StoreError::Io { path, source })
    }

    /// Makes it last that `note` is cosigned, after `from`.
    ///
    /// # Errors
    /// [`StoreError::GoesBack`]; [`StoreError::Io`], after which nobody knows what is on disk: the
    /// state is to be loaded anew before it is used.
    pub fn save(
        &self,
        origin: &str,
        from: &Cosigned,
        to: &Cosigned,
        note: &Note,
    ) -> Result<(), StoreError> {
        if to.size < from.size || (to.size == from.size && to.root != from.root) {
            let (from, to) = (from.size, to.size);
            return Err(StoreError::GoesBack { origin: origin.into(), from, to });
        }
        let path = self.path(origin, "note");
        durable::replace(&path, note.to_string().as_bytes())
            .map_err(|source| StoreError::Io { path, source })
    }

    /// Keeps a request that a log should never have signed, and says where; `None` when there is
    /// enough evidence against it already, or it cannot be written.
    pub fn keep_evidence(&self, origin: &str, request: &str) -> Option<PathBuf> {
        let name = Sha256::of(request.as_bytes());
        let folder = self.path(origin, "evidence");
        fs::create_dir_all(&folder).ok()?;
        let path = folder.join(name.hex());
        if path.exists() {
            return Some(path);
        }
        if fs::read_dir(&folder).ok()?.take(MAX_EVIDENCE).count() == MAX_EVIDENCE {
            return None;
        }
        durable::replace(&path, request.as_bytes()).ok().map(|()| path)
    }

    fn path(&self, origin: &str, ending: &str) -> PathBuf {
        self.folder.join(Sha256::of(origin.as_bytes()).hex()).with_extension(ending)
    }
}

#[cfg(test)]
mod tests {
    use attest::{Cosigner, NoteSigner, SigningKey};

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
    }

    fn witness(seed: u8) -> CosignerKey {
        Cosigner::new("witness", key(seed)).unwrap().verifier().clone()
    }

    fn note(size: u64, root: &str) -> (Cosigned, Note) {
        let root = Sha256::of(root.as_bytes());
        let checkpoint = Checkpoint { origin: "log".into(), size, root };
        let log = NoteSigner::new("log", key(9)).unwrap();
        let mut note = log.sign(&checkpoint.to_string()).unwrap();
        let cosigner = Cosigner::new("witness", key(1)).unwrap();
        note.signatures.push(cosigner.cosign(&note.text, 100).unwrap());
        (Cosigned { size, root }, note)
    }

    #[test]
    fn what_was_cosigned_is_there_after_a_restart_and_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &witness(1)).unwrap();
        let load = |store: &Store| store.load("log", &witness(1)).unwrap();
        let (nothing, _) = load(&store);
        assert_eq!(nothing, Cosigned::nothing());
        let (five, first) = note(5, "five");
        store.save("log", &nothing, &five, &first).unwrap();
        assert!(matches!(Store::open(folder.path(), &witness(1)), Err(StoreError::InUse(_))));
        drop(store);
        let store = Store::open(folder.path(), &witness(1)).unwrap();
        assert_eq!(load(&store), (five, 100));
        for (size, root, fits) in [(4, "four", false), (5, "other", false), (5, "five", true)] {
            let (to, note) = note(size, root);
            assert_eq!(store.save("log", &five, &to, &note).is_ok(), fits, "{size} {root}");
        }
        assert_eq!(load(&store), (five, 100));
    }

    #[test]
    fn a_folder_has_one_witness_and_damage_is_not_a_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &witness(1)).unwrap();
        let (five, first) = note(5, "five");
        store.save("log", &Cosigned::nothing(), &five, &first).unwrap();
        let path = store.path("log", "note");
        for text in [String::new(), first.to_string().replacen("\n5\n", "\n4\n", 1)] {
            fs::write(&path, text).unwrap();
            let damaged = store.load("log", &witness(1));
            assert!(matches!(damaged, Err(StoreError::Damaged(_))));
        }
        drop(store);
        let other = Store::open(folder.path(), &witness(2));
        assert!(matches!(other, Err(StoreError::OtherWitness { .. })));
    }

    #[test]
    fn evidence_is_kept_once_and_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &witness(1)).unwrap();
        let path = store.keep_evidence("log", "request").unwrap();
        assert_eq!(store.keep_evidence("log", "request"), Some(path.clone()));
        assert_eq!(fs::read_to_string(path).unwrap(), "request");
        for number in 1..MAX_EVIDENCE {
            assert!(store.keep_evidence("log", &number.to_string()).is_some());
        }
        assert_eq!(store.keep_evidence("log", "one too many"), None);
    }
}
