//! Does a log say, by the key that it has, that it gets another one?
//!
//! Checked when whoever keeps a trust file is about to name the new key there, from the bundle of
//! the statement alone. The statement by itself makes nobody believe the new key.

use attest::bundle::MAX_ENTRIES;
use attest::envelope::{IN_TOTO, MAX_SIGNATURES};
use attest::{ArtifactId, Bundle, Leaf, Predicate, Sha256, Statement, Verifier, VerifierKey};

use crate::bundle::included;
use crate::error::VerifyError;
use crate::trust::{OpenError, TrustedLog};

/// A rotation that the log's own key signed, and that stands in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// The key that the log gets.
    pub to: VerifierKey,
    /// Position of the statement.
    pub index: u64,
    /// How many entries the log had when it was made.
    pub size: u64,
    /// The root of that tree.
    pub root: Sha256,
}

/// Why a bundle is no rotation of a log's key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// More signatures or entries than are looked at.
    #[error("the bundle has more than {MAX_SIGNATURES} signatures or {MAX_ENTRIES} log entries")]
    TooMany,
    /// The key of the log did not sign it.
    #[error("it is not signed by the key of log `{0}` that the trust file names")]
    OtherKey(
        /// The log.
        String,
    ),
    /// It is no statement of a rotation, or one of another log or of other keys.
    #[error("it does not say that log `{origin}` gets another key: {why}")]
    OtherStatement {
        /// The log.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// It stands in no tree of the log.
    #[error("nothing shows that it stands in log `{0}`")]
    NotLogged(
        /// The log.
        String,
    ),
    /// The checkpoint that came with it does not count.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is not where it is said to be.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Checks that `bundle` holds a statement by the key that `log` has, which gives it another one,
/// and that the log holds the statement, as either of the two keys signed.
///
/// # Errors
/// [`RotationError`] for the first check that fails.
pub fn verify_rotation(bundle: &Bundle, log: &TrustedLog) -> Result<Rotation, RotationError> {
    let Bundle { envelope, entries, .. } = bundle;
    let origin = || log.origin().to_owned();
    if envelope.signatures.len() > MAX_SIGNATURES || entries.len() > MAX_ENTRIES {
        return Err(RotationError::TooMany);
    }
    let (pae, key) = (envelope.pae(), log.key().key());
    let mut signatures = envelope.signatures.iter().map(|signature| &signature.sig);
    let signature = signatures.find(|signature| key.verify(&pae, signature).is_ok());
    let signature = signature.ok_or_else(|| RotationError::OtherKey(origin()))?;
    let other = |why: String| RotationError::OtherStatement { origin: origin(), why };
    if envelope.payload_type != IN_TOTO {
        return Err(other("it is no statement".into()));
    }
    let statement =
        Statement::parse(&envelope.payload).map_err(|error| other(error.to_string()))?;
    let Predicate::KeyRotation(said) = &statement.predicate else {
        return Err(other(format!("it is a `{}`", statement.predicate_type())));
    };
    if said.origin != log.origin() {
        return Err(other(format!("it is about `{}`", said.origin)));
    }
    if said.from != log.key().to_string() {
        return Err(other(format!("the key that it replaces is {}", said.from)));
    }
    let to: VerifierKey = said.to.parse().map_err(|error| other(format!("{error}")))?;
    if to.name() != log.origin() || to == *log.key() {
        return Err(other(format!("the key that it gives is {to}")));
    }
    let subjects = statement.subjects().map_err(|error| other(error.to_string()))?;
    if !matches!(subjects.as_slice(), [(subject, _)]
        if *subject == ArtifactId::file(to.key().id().digest()))
    {
        return Err(other("its subject is not the key that it gives".into()));
    }
    for entry in entries {
        let Some(proof) = &entry.proof else { continue };
        let is_it = Leaf::parse(&entry.leaf).is_ok_and(|leaf| {
            leaf.covers(&pae)
                && leaf.signature() == signature.as_slice()
                && *leaf.verifier() == Verifier::Key(key.clone())
        });
        if !is_it {
            continue;
        }
        // Once the rotation is finished the new key alone signs, and the old one has named it.
        let (checkpoint, _) = log.with_key(to.clone()).open(&proof.checkpoint)?;
        included(&checkpoint, proof, &entry.leaf)?;
        let (index, size, root) = (proof.index, said.size, said.root);
        return Ok(Rotation { to, index, size, root });
    }
    Err(RotationError::NotLogged(origin()))
}
