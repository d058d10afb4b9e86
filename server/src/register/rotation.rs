//! Another key for a register, which keeps its name (THREATS 31).
//!
//! First the new key is kept beside the old one, in `key.next.pem`: from then on both sign every
//! checkpoint. Then the old key says so in a statement, which is registered. Whoever knows the old
//! key goes on believing the register, and has time to name the new one in the trust file. The
//! rotation is finished by giving the new key's file the name of the old one's, in one step: the
//! old key is gone then, and only the new one signs. A crash between any two of these leaves a
//! register that opens with a key that is known, and asking again goes on from there.
//!
//! A statement and a checkpoint by one key cannot be taken for each other: the first line of a
//! checkpoint is a name without white space, and what is signed of a statement begins with
//! `DSSEv1 `.

use std::path::Path;
use std::time::Duration;

use attest::envelope::IN_TOTO;
use attest::predicate::{KEY_ROTATION, KeyRotation};
use attest::{
    Algorithm, ArtifactId, Bundle, Checkpoint, Envelope, KeyError, NoteSigner, Predicate,
    ResourceDescriptor, SigningKey, Statement, StatementError, Timestamp, VerifierKey,
};

use super::disk::{Disk, FolderDisk};
use super::embedded::Embedded;
use super::facts::Term;
use super::folder::{CHECKPOINT, FolderError, KEY, open, read_key};
use super::journal::JournalError;
use super::lock::Holder;
use super::log::{ReadError, Register};
use super::storage::{Storage, StorageError};
use super::submit::SubmitError;

/// The key that a register gets, while it is being rotated.
pub(super) const NEXT_KEY: &str = "key.next.pem";
const NEW_KEY: &str = "key.next.new";

/// Why a register's key is not rotated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// The register in the folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is nothing to finish.
    #[error("the key of `{0}` is not being rotated: begin with `assay log rotate-key`")]
    NotBegun(
        /// The register.
        String,
    ),
    /// The old key has not said yet that it is replaced.
    #[error(
        "the statement that `{0}` gets another key is not registered yet: run `assay log rotate-key` again"
    )]
    NotSaid(
        /// The register.
        String,
    ),
    /// There is no new key.
    #[error("the new key cannot be made or used")]
    Key(#[from] KeyError),
    /// The statement cannot be made.
    #[error("the statement of the rotation cannot be made")]
    Statement(#[from] StatementError),
    /// The statement was not registered; both keys sign already.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The register does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<JournalError> for RotateError {
    fn from(error: JournalError) -> Self {
        Self::Folder(StorageError::from(error).into())
    }
}

/// A rotation that has begun: both keys sign.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The key that the register has.
    pub from: VerifierKey,
    /// The key that it gets.
    pub to: VerifierKey,
    /// Position of the statement.
    pub index: u64,
    /// The statement with its place, for whoever keeps a trust file.
    pub bundle: Bundle,
}

/// A rotation that is finished: the new key alone signs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finished {
    /// The key that the register had, which is gone from its folder.
    pub from: VerifierKey,
    /// The key that it has.
    pub to: VerifierKey,
    /// The last checkpoint that the old key signed.
    pub last: Checkpoint,
}

/// Begins to rotate the key of the register in `folder`, or goes on with what was begun: makes the
/// new key, and registers the statement of the old one.
///
/// # Errors
/// [`RotateError`].
pub async fn rotate_key(
    folder: &Path,
    holder: &Holder,
    patience: Duration,
    now: Timestamp,
) -> Result<Rotated, RotateError> {
    let register = open(folder, holder, patience).await?;
    begin(register, &FolderDisk::new(folder), &read_key(folder)?, now).await
}

/// Finishes the rotation of the key of the register in `folder`: the old key is gone from it then.
///
/// # Errors
/// [`RotateError`]; after one about the folder, ask again.
pub async fn finish_rotation(
    folder: &Path,
    holder: &Holder,
    patience: Duration,
) -> Result<Finished, RotateError> {
    let register = open(folder, holder, patience).await?;
    finish(&register, &FolderDisk::new(folder)).await
}

async fn begin(
    register: Register<Embedded>,
    disk: &dyn Disk,
    old: &SigningKey,
    now: Timestamp,
) -> Result<Rotated, RotateError> {
    // The key before the statement: a statement about a key that nobody has could not be taken
    // back, and a key that nobody was told of signs what everybody ignores.
    let register = match register.next_verifier() {
        Some(_) => register,
        None => {
            let key = SigningKey::generate(Algorithm::Ed25519)?;
            keep_next(disk, &key)?;
            let next = NoteSigner::new(register.origin(), key).map_err(ReadError::Sign)?;
            register.with_next_key(next)?
        }
    };
    let from = register.verifier().clone();
    let not_begun = || RotateError::NotBegun(register.origin().into());
    let to = register.next_verifier().cloned().ok_or_else(not_begun)?;
    let index = match said(&register, &from, &to).await? {
        Some(index) => index,
        None => say(&register, old, &from, &to, now).await?,
    };
    let bundle = register.bundle(index).await?;
    Ok(Rotated { from, to, index, bundle })
}

async fn finish<S: Storage>(
    register: &Register<S>,
    disk: &dyn Disk,
) -> Result<Finished, RotateError> {
    let origin = || register.origin().to_owned();
    let from = register.verifier().clone();
    let to = register.next_verifier().cloned();
    let to = to.ok_or_else(|| RotateError::NotBegun(origin()))?;
    said(register, &from, &to).await?.ok_or_else(|| RotateError::NotSaid(origin()))?;
    let last = register.signed().await?.checkpoint.clone();
    take_next(disk)?;
    Ok(Finished { from, to, last })
}

/// Where the key `from` says that it is replaced by `to`, if it does.
async fn said<S: Storage>(
    register: &Register<S>,
    from: &VerifierKey,
    to: &VerifierKey,
) -> Result<Option<u64>, ReadError> {
    let terms = vec![
        Term::Subject(ArtifactId::file(to.key().id().digest())),
        Term::Type(KEY_ROTATION.into()),
        Term::Signer(from.key().id()),
    ];
    register.first(terms).await
}

/// Registers the statement that `to` replaces `from`, signed by `old`, which is `from`.
async fn say<S: Storage>(
    register: &Register<S>,
    old: &SigningKey,
    from: &VerifierKey,
    to: &VerifierKey,
    now: Timestamp,
) -> Result<u64, RotateError> {
    let Checkpoint { origin, size, root } = register.signed().await?.checkpoint.clone();
    let subject = ArtifactId::file(to.key().id().digest());
    let statement = Statement {
        subject: vec![ResourceDescriptor::of(&origin, &subject)],
        predicate: Predicate::KeyRotation(KeyRotation {
            origin,
            from: from.to_string(),
            to: to.to_string(),
            size,
            root,
            rotated_on: Some(now),
        }),
    };
    let envelope = Envelope::sign(IN_TOTO, statement.with_nonce()?.to_json()?, &[old])?;
    let receipts = register.submit(&envelope, &[old.public().clone()], now).await?;
    let receipt = receipts.first().ok_or(SubmitError::Nothing)?;
    Ok(receipt.index)
}

/// Keeps the next key beside the one that the register has, whole or not at all.
fn keep_next(disk: &dyn Disk, key: &SigningKey) -> Result<(), RotateError> {
    let pem = key.to_pem(None)?;
    let broken = JournalError::io("write", NEXT_KEY);
    let file = disk.create(NEW_KEY).map_err(&broken)?;
    file.write_at(pem.as_bytes(), 0).map_err(&broken)?;
    file.sync().map_err(&broken)?;
    disk.rename(NEW_KEY, NEXT_KEY).map_err(&broken)?;
    disk.sync_folder("").map_err(&broken)?;
    Ok(())
}

/// Puts the next key into the place of the one that the register has.
fn take_next(disk: &dyn Disk) -> Result<(), JournalError> {
    // Both signatures are under the checkpoint in the folder: either key opens it. It has to last
    // before the key does, as it is not signed anew before the register is opened again.
    match disk.open(CHECKPOINT) {
        Ok(file) => file.sync().map_err(JournalError::io("sync", CHECKPOINT))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(JournalError::io("open", CHECKPOINT)(error)),
    }
    disk.sync_folder("").map_err(JournalError::io("sync", CHECKPOINT))?;
    let broken = JournalError::io("rename", NEXT_KEY);
    disk.rename(NEXT_KEY, KEY).map_err(&broken)?;
    disk.sync_folder("").map_err(&broken)
}

#[cfg(test)]
mod tests;
