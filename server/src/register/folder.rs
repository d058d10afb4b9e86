//! The register that a person or a service has in a folder: its lock, its key and its journal.
//!
//! `lock`, `published`, `checkpoint`, `key.pem`, `journal/` and `index/` stand side by side. The
//! origin is made with the register and stays; the key stays until it is rotated, and meanwhile
//! `key.next.pem` stands beside it (`rotation`).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use attest::hash::Progress;
use attest::{Algorithm, KeyError, NoteError, NoteSigner, SigningKey};

use super::embedded::{Embedded, Settings};
use super::journal::JournalError;
use super::lock::{Holder, Lock, LockError};
use super::log::{ReadError, Register};
use super::rotation::NEXT_KEY;
use super::storage::StorageError;

pub(super) const KEY: &str = "key.pem";
pub(super) const CHECKPOINT: &str = "checkpoint";

/// How long a command waits for another one to be done with the folder.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Why the register in a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Somebody else has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The journal or the index.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The register does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The register's key is gone.
    #[error(
        "the register's key `{0}` is missing: restore it from a backup; a new key would be another register's"
    )]
    NoKey(PathBuf),
    /// The register's key cannot be used.
    #[error("cannot use the register's key `{path}`")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The key and the origin do not fit.
    #[error("the register cannot sign checkpoints")]
    Sign(#[from] NoteError),
    /// The system refused.
    #[error("cannot use `{path}`")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FolderError {
    /// Whether the folder simply has no register yet.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Storage(StorageError::Journal(JournalError::NotFound)))
    }

    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path: path.clone(), source }
    }
}

/// Opens the register in `folder`.
///
/// # Errors
/// [`FolderError`]; see [`FolderError::is_not_found`].
pub async fn open(
    folder: &Path,
    holder: &Holder,
    patience: Duration,
) -> Result<Register<Embedded>, FolderError> {
    if !folder.is_dir() {
        return Err(StorageError::from(JournalError::NotFound).into());
    }
    let lock = Lock::acquire(folder, holder, patience)?;
    let storage = Embedded::open(lock, Settings::default())?;
    start(folder, storage, read_key(folder)?).await
}

/// The key of the register in `folder`.
pub(super) fn read_key(folder: &Path) -> Result<SigningKey, FolderError> {
    let path = folder.join(KEY);
    read_pem(&path)?.ok_or(FolderError::NoKey(path))
}

/// The key in a file; `None` when there is no file.
fn read_pem(path: &Path) -> Result<Option<SigningKey>, FolderError> {
    let broken = |source| FolderError::Key { path: path.into(), source };
    match fs::read_to_string(path) {
        Ok(pem) => SigningKey::from_pem(&pem, None).map(Some).map_err(broken),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::io(path)(error)),
    }
}

/// Makes the index of the register in `folder` anew from its journal; the one that was there is
/// kept aside. The progress counts entries.
///
/// # Errors
/// [`FolderError`].
pub fn rebuild_index(
    folder: &Path,
    holder: &Holder,
    patience: Duration,
    progress: &dyn Progress,
) -> Result<Embedded, FolderError> {
    let lock = take(folder, holder, patience)?;
    Ok(Embedded::open_with_new_index(lock, Settings::default(), progress)?)
}

/// Takes the lock of a folder that has a register.
pub(super) fn take(
    folder: &Path,
    holder: &Holder,
    patience: Duration,
) -> Result<Lock, FolderError> {
    if !super::segment::exists(folder) {
        return Err(StorageError::from(JournalError::NotFound).into());
    }
    Ok(Lock::acquire(folder, holder, patience)?)
}

/// Makes a register in `folder`, with an origin and a key of its own.
///
/// # Errors
/// [`FolderError`]; [`JournalError::Exists`] when there is one.
pub async fn create(
    folder: &Path,
    holder: &Holder,
    patience: Duration,
) -> Result<Register<Embedded>, FolderError> {
    make_folder(folder)?;
    let lock = Lock::acquire(folder, holder, patience)?;
    make(folder, lock).await
}

/// Opens the register in `folder`, or makes it when there is none.
///
/// # Errors
/// [`FolderError`].
pub async fn open_or_create(
    folder: &Path,
    holder: &Holder,
    patience: Duration,
) -> Result<Register<Embedded>, FolderError> {
    match open(folder, holder, patience).await {
        Err(error) if error.is_not_found() => {}
        other => return other,
    }
    match create(folder, holder, patience).await {
        // Another process was first.
        Err(FolderError::Storage(StorageError::Journal(JournalError::Exists))) => {
            open(folder, holder, patience).await
        }
        other => other,
    }
}

async fn make(folder: &Path, lock: Lock) -> Result<Register<Embedded>, FolderError> {
    if !super::segment::exists(folder) {
        // The key first: a journal without its key could never be continued.
        let key = make_key(folder)?;
        let origin = random_origin().map_err(FolderError::io(folder))?;
        let storage = Embedded::create(lock, &origin, Settings::default())?;
        return start(folder, storage, key).await;
    }
    Err(StorageError::from(JournalError::Exists).into())
}

async fn start(
    folder: &Path,
    storage: Embedded,
    key: SigningKey,
) -> Result<Register<Embedded>, FolderError> {
    let signer = NoteSigner::new(storage.origin(), key)?;
    let mut register = Register::open(storage, signer).await?;
    if let Some(next) = read_pem(&folder.join(NEXT_KEY))? {
        let next = NoteSigner::new(register.origin(), next)?;
        // A rename that was cut off can leave the new key under both names: it is the key then.
        if next.verifier() != register.verifier() {
            register = register.with_next_key(next)?;
        }
    }
    // What witnesses cosigned before still holds.
    let _ = crate::witness::restore(folder, &register).await;
    Ok(register.with_checkpoint_file(folder.join(CHECKPOINT)))
}

/// Makes the folder and what it is in, and makes each of them last.
pub(super) fn make_folder(folder: &Path) -> Result<(), FolderError> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|path| !is_there(path)).collect();
    let make = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        for path in &missing {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    };
    make().map_err(FolderError::io(folder))
}

/// Whether a folder is there; the empty path is the working directory.
fn is_there(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.is_dir()
}

/// The register's key: the one that an interrupted creation left, or a new one.
fn make_key(folder: &Path) -> Result<SigningKey, FolderError> {
    let path = folder.join(KEY);
    let broken = |source| FolderError::Key { path: path.clone(), source };
    if let Some(key) = read_pem(&path)? {
        return Ok(key);
    }
    let key = SigningKey::generate(Algorithm::Ed25519).map_err(broken)?;
    keep_key(folder, &key)?;
    Ok(key)
}

/// Keeps the register's key in its folder.
pub(super) fn keep_key(folder: &Path, key: &SigningKey) -> Result<(), FolderError> {
    let path = folder.join(KEY);
    let pem = key.to_pem(None).map_err(|source| FolderError::Key { path: path.clone(), source })?;
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&new)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(FolderError::io(&path))
}

/// `assay.local/` and 16 random hex digits.
fn random_origin() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("assay.local/{}", attest::digest::to_hex(&random)))
}
