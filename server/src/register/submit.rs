//! Taking attestations in.
//!
//! The order: check every signature, assign indices, hash, write, sync, publish the head (the last
//! four are the storage's one step), sign the checkpoint, acknowledge. One leaf for each signature;
//! a leaf that is there already is not added again; a body is kept once. Leaves without what they
//! cover come in beside (`propose`).

use std::collections::BTreeMap;
use std::sync::Arc;

use attest::envelope::IN_TOTO;
use attest::{
    Envelope, Leaf, ProposalError, PublicKey, Sha256, Statement, StatementError, Timestamp,
};

use super::batch::{Batch, BatchError, Body, Covered, NewEntry, whole_microseconds};
use super::entry::Receipt;
use super::facts::{MAX_TERMS, terms};
use super::log::{Edge, ReadError, Register};
use super::storage::{Blob, CommitError, Damaged, Head, Key, Storage, StorageError};

/// How far `now` may be before the last commit, in microseconds (five minutes): clocks of two
/// machines differ.
pub const CLOCK_TOLERANCE_MICROSECONDS: i64 = 5 * 60 * 1_000_000;
/// Most signatures of one envelope.
pub const MAX_SIGNATURES: usize = attest::envelope::MAX_SIGNATURES;
/// Most keys that a submitter offers to check them with.
pub const MAX_VERIFIERS: usize = 16;
/// How often a commit is tried again when another writer was first.
const MAX_ATTEMPTS: usize = 8;

/// An envelope, and the keys that its signatures are checked with.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The envelope.
    pub envelope: &'a Envelope,
    /// One key for each signature, in any order.
    pub verifiers: &'a [PublicKey],
}

/// Why a submission is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// Nothing was submitted.
    #[error("nothing to submit")]
    Nothing,
    /// The envelope has no signature.
    #[error("the envelope has no signature: sign it first")]
    Unsigned,
    /// Too many signatures.
    #[error("the envelope has {0} signatures, at most {MAX_SIGNATURES} are allowed")]
    TooManySignatures(usize),
    /// Too many keys.
    #[error("{0} keys to check signatures with, at most {MAX_VERIFIERS} are allowed")]
    TooManyVerifiers(usize),
    /// A signature is by none of the keys.
    #[error(
        "signature {position} of the envelope is by none of the given keys: give the key that made it"
    )]
    UnknownSignature {
        /// Position of the signature, from 0.
        position: usize,
    },
    /// What was proposed makes no leaf.
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    /// The signature is registered already, without its statement.
    #[error(
        "entry {index} has this signature already, without its statement, as Sigstore clients \
         register them: sign the statement again and submit that"
    )]
    WithoutBody {
        /// Position of the entry.
        index: u64,
    },
    /// The payload says that it is a statement, and is none.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The statement names too much.
    #[error(
        "the statement names {0} things to find it by, at most {MAX_TERMS} are allowed: put them into a manifest and refer to it by digest"
    )]
    TooManyTerms(usize),
    /// The clock went back.
    #[error(
        "clock is behind: it is {now}, but the register's last entry was made at {last}: set the clock"
    )]
    ClockBehind {
        /// The caller's time.
        now: Timestamp,
        /// Time of the last commit.
        last: Timestamp,
    },
    /// A limit is exceeded.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Other writers were always first.
    #[error("other writers were first {MAX_ATTEMPTS} times: try again")]
    Contended,
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The register does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<StorageError> for SubmitError {
    fn from(error: StorageError) -> Self {
        Self::Read(error.into())
    }
}

/// A signature that was checked.
struct Checked {
    leaf: Leaf,
    covered: Covered,
}

/// Where a leaf is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Position of the entry.
    pub index: u64,
    /// Whether the register had the entry already.
    pub duplicate: bool,
}

impl<S: Storage> Register<S> {
    /// Registers each signature of `envelope`; what is there already is not added again.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was added then, unless it says that a commit failed or that the
    /// register does not answer: submit again to know.
    pub async fn submit(
        &self,
        envelope: &Envelope,
        verifiers: &[PublicKey],
        now: Timestamp,
    ) -> Result<Vec<Receipt>, SubmitError> {
        let receipts = self.submit_all(&[Submission { envelope, verifiers }], now).await?;
        Ok(receipts.into_iter().flatten().collect())
    }

    /// Registers the signatures of several envelopes in one commit: all of them or none. Gives the
    /// receipts of each envelope, one for each signature, in their order.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing was added then, unless it says that a commit failed, that the
    /// register does not answer (submit again to know), or that one of the signatures is there
    /// without its statement.
    pub async fn submit_all(
        &self,
        submissions: &[Submission<'_>],
        now: Timestamp,
    ) -> Result<Vec<Vec<Receipt>>, SubmitError> {
        if submissions.is_empty() {
            return Err(SubmitError::Nothing);
        }
        let checked: Vec<Vec<Checked>> = submissions.iter().map(check).collect::<Result<_, _>>()?;
        let indices = self.place(&checked, now).await?;

        let signed = self.signed().await?;
        let mut receipts = Vec::with_capacity(checked.len());
        for group in &checked {
            let mut of_envelope = Vec::with_capacity(group.len());
            for Checked { leaf, .. } in group {
                let place = *indices
                    .get(&leaf.hash())
                    .ok_or(StorageError::Damaged(Damaged::Root(signed.checkpoint.size)))?;
                self.require_body(place).await?;
                let Place { index, duplicate } = place;
                let bundle = self.bundle_in(index, &signed).await?;
                of_envelope.push(Receipt { index, duplicate, bundle });
            }
            receipts.push(of_envelope);
        }
        Ok(receipts)
    }

    /// Registers entries whose signatures the caller has checked: nothing is checked here. They
    /// are committed together, and the answer has a place for each.
    ///
    /// # Errors
    /// As [`Register::submit`].
    pub async fn append(
        &self,
        entries: Vec<NewEntry>,
        now: Timestamp,
    ) -> Result<Vec<Place>, SubmitError> {
        let leaf = |leaf: &[u8]| Leaf::parse(leaf).map_err(|_| BatchError::Leaf(leaf.len()));
        let checked = entries
            .into_iter()
            .map(|NewEntry { leaf: bytes, covered }| Ok(Checked { leaf: leaf(&bytes)?, covered }))
            .collect::<Result<Vec<_>, BatchError>>()?;
        let checked = [checked];
        let places = self.place(&checked, now).await?;
        let [entries] = &checked;
        Ok(entries.iter().filter_map(|one| places.get(&one.leaf.hash()).copied()).collect())
    }

    /// Finds a place for every leaf: the one that it has, or a new one. All of them are in the
    /// register when this returns, or none is new.
    async fn place(
        &self,
        checked: &[Vec<Checked>],
        now: Timestamp,
    ) -> Result<BTreeMap<Sha256, Place>, SubmitError> {
        let mut edge = self.edge.lock().await;
        let mut indices = None;
        for _ in 0..MAX_ATTEMPTS {
            let current = match edge.take() {
                Some(current) => current,
                None => Edge::read(&self.storage).await?,
            };
            match self.commit(&current, checked, now).await {
                Ok((found, next)) => {
                    *edge = Some(next.unwrap_or(current));
                    indices = Some(found);
                    break;
                }
                // Read the head again: another writer moved it.
                Err(SubmitError::Commit(CommitError::Conflict { .. })) => {}
                Err(error @ SubmitError::Commit(_)) => return Err(error),
                Err(error) => {
                    *edge = Some(current);
                    return Err(error);
                }
            }
        }
        drop(edge);
        indices.ok_or(SubmitError::Contended)
    }

    /// Commits what is new and says where everything is; the edge after it, if anything was new.
    async fn commit(
        &self,
        edge: &Edge,
        checked: &[Vec<Checked>],
        now: Timestamp,
    ) -> Result<(BTreeMap<Sha256, Place>, Option<Edge>), SubmitError> {
        let now = whole_microseconds(now);
        let mut time = now;
        if let Some(Head { time: last, .. }) = edge.head {
            if last.as_microsecond() - now.as_microsecond() > CLOCK_TOLERANCE_MICROSECONDS {
                return Err(SubmitError::ClockBehind { now, last });
            }
            time = time.max(last);
        }
        let mut places = BTreeMap::new();
        let mut entries = Vec::new();
        for Checked { leaf, covered } in checked.iter().flatten() {
            let hash = leaf.hash();
            if places.contains_key(&hash) {
                continue;
            }
            let place = match self.index_of(&hash).await? {
                Some(index) => Place { index, duplicate: true },
                None => {
                    let index = edge.frontier.size() + entries.len() as u64;
                    entries
                        .push(NewEntry { leaf: leaf.bytes().to_vec(), covered: covered.clone() });
                    Place { index, duplicate: false }
                }
            };
            places.insert(hash, place);
        }
        if entries.is_empty() {
            return Ok((places, None));
        }
        let batch = Batch::new(&edge.frontier, time, entries)?;
        let next = Edge { head: Some(batch.head()), frontier: batch.frontier().clone() };
        self.storage.commit(edge.head.as_ref(), batch).await?;
        Ok((places, Some(next)))
    }

    async fn index_of(&self, leaf_hash: &Sha256) -> Result<Option<u64>, StorageError> {
        let Some(Blob::Bytes(bytes)) = self.storage.read(&Key::IndexOf(*leaf_hash)).await? else {
            return Ok(None);
        };
        Ok(bytes.as_slice().try_into().ok().map(u64::from_be_bytes))
    }
}

/// Checks every signature of an envelope and makes its leaf.
fn check(submission: &Submission<'_>) -> Result<Vec<Checked>, SubmitError> {
    let Submission { envelope, verifiers } = submission;
    match envelope.signatures.len() {
        0 => return Err(SubmitError::Unsigned),
        count if count > MAX_SIGNATURES => return Err(SubmitError::TooManySignatures(count)),
        _ => {}
    }
    if verifiers.len() > MAX_VERIFIERS {
        return Err(SubmitError::TooManyVerifiers(verifiers.len()));
    }
    // What two readers may read differently, or nobody, is not evidence of anything.
    if envelope.payload_type == IN_TOTO {
        Statement::parse(&envelope.payload)?;
    }
    let body = Arc::new(Body::new(envelope.pae()));
    let mut checked = Vec::with_capacity(envelope.signatures.len());
    for (position, signature) in envelope.signatures.iter().enumerate() {
        let verifier = verifiers
            .iter()
            .find(|key| key.verify(body.bytes(), &signature.sig).is_ok())
            .ok_or(SubmitError::UnknownSignature { position })?;
        let leaf = Leaf::of(body.bytes(), &signature.sig, verifier);
        checked.push(Checked { leaf, covered: Covered::Body(Arc::clone(&body)) });
    }
    if let Some(Checked { leaf, .. }) = checked.first() {
        let count = terms(leaf.bytes(), Some(body.bytes())).len();
        if count > MAX_TERMS {
            return Err(SubmitError::TooManyTerms(count));
        }
    }
    Ok(checked)
}
