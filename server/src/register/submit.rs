//! Taking attestations in.
//!
//! The order: check every signature, wait for one's turn, assign indices, hash, write, sync,
//! publish the head (the last four are the storage's one step), sign the checkpoint, acknowledge.
//! Those who submit at the same time check on their own and are committed together ([`Queue`]).
//! One leaf for each signature; a leaf that is there already is not added again; a body is kept
//! once. Leaves without what they cover come in beside (`propose`).
//!
//! [`Queue`]: super::queue::Queue

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use attest::carried::{CARRIED, CarriedError, carried, is_mark, require_mark};
use attest::envelope::IN_TOTO;
use attest::{
    Envelope, Leaf, ProposalError, PublicKey, Sha256, Statement, StatementError, Timestamp,
};
use verify::merkle::inclusion_proof;

use super::batch::{Batch, BatchError, Body, Covered, NewEntry, whole_microseconds};
use super::entry::{Receipt, bundle};
use super::erase::tombstones;
use super::facts::MAX_TERMS;
use super::group::{Group, Grown};
use super::log::{Edge, ReadError, Register};
use super::queue::{Baton, Done, MAX_WAITING_ENTRIES, Stand, Ticket, Told, Waiting};
use super::record::{MAX_BODIES_BYTES, MAX_BODY_BYTES, MAX_LEAF_BYTES, MAX_LEAVES};
use super::storage::{Blob, CommitError, Damaged, Head, Key, Storage, StorageError};

/// How far `now` may be before the last commit, in microseconds (five minutes): clocks of two
/// machines differ.
pub const CLOCK_TOLERANCE_MICROSECONDS: i64 = 5 * 60 * 1_000_000;
/// Most signatures of one envelope.
pub const MAX_SIGNATURES: usize = attest::envelope::MAX_SIGNATURES;
/// Most keys that a submitter offers to check them with.
pub const MAX_VERIFIERS: usize = 16;
/// How often a commit is tried again when another writer was first, and how often a submission
/// waits again when whoever committed it went away.
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
    /// The statement was erased.
    #[error(
        "the statement with the body {0} was erased from this register and is not taken again: its tombstone says why"
    )]
    Erased(Sha256),
    /// The bundle of a signer without a key is not one that can be carried.
    #[error(transparent)]
    Carried(#[from] CarriedError),
    /// The key that everybody has marks bundles, and there is none.
    #[error(
        "the key that marks the bundles of signers without a key signs nothing else: submit the bundle"
    )]
    Mark,
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
    /// Too many submissions wait already.
    #[error(
        "{waiting} entries wait to be committed, more than {MAX_WAITING_ENTRIES} are too many: try again in a moment"
    )]
    Busy {
        /// How many entries wait.
        waiting: usize,
    },
    /// Other writers were always first.
    #[error("other writers were first {MAX_ATTEMPTS} times: try again")]
    Contended,
    /// The commit failed; it may have been of several submissions.
    #[error(transparent)]
    Commit(Arc<CommitError>),
    /// The register does not answer.
    #[error(transparent)]
    Read(Arc<ReadError>),
}

impl From<ReadError> for SubmitError {
    fn from(error: ReadError) -> Self {
        Self::Read(Arc::new(error))
    }
}

/// What keeps a whole group from being committed.
#[derive(Clone)]
enum GroupError {
    Batch(BatchError),
    Contended,
    Commit(Arc<CommitError>),
    Read(Arc<ReadError>),
}

impl From<StorageError> for GroupError {
    fn from(error: StorageError) -> Self {
        Self::Read(Arc::new(error.into()))
    }
}

impl From<GroupError> for SubmitError {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::Batch(error) => error.into(),
            GroupError::Contended => Self::Contended,
            GroupError::Commit(error) => Self::Commit(error),
            GroupError::Read(error) => Self::Read(error),
        }
    }
}

impl From<StorageError> for SubmitError {
    fn from(error: StorageError) -> Self {
        ReadError::from(error).into()
    }
}

/// A signature that was checked.
struct Checked {
    leaf: Leaf,
    entry: Arc<NewEntry>,
}

/// Where each entry of one submission stands.
type Places = Result<Vec<Place>, SubmitError>;

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

        let entries = checked.iter().flatten().map(|checked| Arc::clone(&checked.entry));
        let entries: Vec<Arc<NewEntry>> = entries.collect();
        limit(&entries)?;
        let Stand { places, group: committed } = self.sequence(entries.into(), now).await?;
        let mut places = places.into_iter();

        let mut receipts = Vec::with_capacity(checked.len());
        for (Submission { envelope, .. }, group) in submissions.iter().zip(&checked) {
            let mut of_envelope = Vec::with_capacity(group.len());
            for Checked { leaf, .. } in group {
                // There is a place for each entry.
                let Some(place) = places.next() else { break };
                of_envelope.push(self.receipt(envelope, leaf, place, &committed).await?);
            }
            receipts.push(of_envelope);
        }
        Ok(receipts)
    }

    /// Registers entries whose signatures the caller has checked: nothing is checked here. They
    /// are committed together, with those of whoever else submits at the time.
    ///
    /// # Errors
    /// As [`Register::submit`]; [`BatchError`] when the entries are more than one commit can have.
    pub async fn append(
        &self,
        entries: Vec<NewEntry>,
        now: Timestamp,
    ) -> Result<Vec<Place>, SubmitError> {
        let entries: Vec<Arc<NewEntry>> = entries.into_iter().map(Arc::new).collect();
        limit(&entries)?;
        Ok(self.sequence(entries.into(), now).await?.places)
    }

    async fn receipt(
        &self,
        envelope: &Envelope,
        leaf: &Leaf,
        place: Place,
        group: &Group,
    ) -> Result<Receipt, SubmitError> {
        self.require_body(place).await?;
        let Place { index, duplicate } = place;
        let size = group.signed.checkpoint.size;
        let hashes = match group.inclusion(index).map_err(ReadError::from)? {
            Some(hashes) => hashes,
            None => self.proof(|nodes| inclusion_proof(nodes, index, size)).await?,
        };
        let bundle = bundle(leaf, envelope, index, self.verifier(), &group.signed, hashes);
        Ok(Receipt { index, duplicate, bundle })
    }

    /// Commits entries, together with those of whoever else waits, and says where each stands.
    pub(super) async fn sequence(&self, entries: Arc<[Arc<NewEntry>]>, now: Timestamp) -> Done {
        for _ in 0..MAX_ATTEMPTS {
            let Ticket { mut answer, mut baton } = self.queue.join(Arc::clone(&entries), now)?;
            // Ends: each round ends with the answer, or with the baton, which comes once.
            loop {
                if let Some(held) = baton.take() {
                    self.commit_waiting(held).await;
                    // Whoever has the baton is the first who waits, so that it has its answer now.
                    match answer.try_recv() {
                        Ok(Told::Done(done)) => return done,
                        Ok(Told::Turn(..)) | Err(_) => break,
                    }
                }
                match (&mut answer).await {
                    Ok(Told::Done(done)) => return done,
                    Ok(Told::Turn(next, given)) => (answer, baton) = (next, Some(given)),
                    // Whoever committed it went away: nobody knows. An equal leaf is not added
                    // twice, so that asking again is how to know.
                    Err(_) => break,
                }
            }
        }
        Err(SubmitError::Contended)
    }

    /// Commits those who are next in one step, hands the baton on, and tells each what became of
    /// it.
    async fn commit_waiting(&self, baton: Baton) {
        let group = baton.take();
        let mut edge = self.edge.lock().await;
        let mut outcome = Err(GroupError::Contended);
        for _ in 0..MAX_ATTEMPTS {
            let current = match edge.take() {
                Some(current) => current,
                None => match Edge::read(&self.storage).await {
                    Ok(current) => current,
                    Err(error) => {
                        outcome = Err(error.into());
                        break;
                    }
                },
            };
            match self.commit(&current, &group).await {
                Ok((answers, next)) => {
                    let (next, grown) =
                        next.map_or((current, None), |(next, grown)| (next, Some(grown)));
                    *edge = Some(next);
                    outcome = Ok((answers, grown));
                    break;
                }
                // Read the head again: another writer moved it.
                Err(GroupError::Commit(error)) => {
                    if !matches!(*error, CommitError::Conflict { .. }) {
                        outcome = Err(GroupError::Commit(error));
                        break;
                    }
                }
                Err(error) => {
                    *edge = Some(current);
                    outcome = Err(error);
                    break;
                }
            }
        }
        drop(edge);
        // Signed once, for all of them.
        let shared = match outcome {
            Ok((answers, grown)) => match self.signed().await {
                Ok(signed) => Ok((answers, Arc::new(Group { signed, grown }))),
                Err(error) => Err(GroupError::Read(Arc::new(error))),
            },
            Err(error) => Err(error),
        };
        // The next ones are committed while these are told.
        drop(baton);
        match shared {
            Ok((answers, shared)) => {
                for (waiting, places) in group.into_iter().zip(answers) {
                    let group = Arc::clone(&shared);
                    waiting.tell(places.map(|places| Stand { places, group }));
                }
            }
            Err(error) => {
                for waiting in group {
                    waiting.tell(Err(error.clone().into()));
                }
            }
        }
        self.committed();
    }

    /// Commits what is new of a group and says where everything is; the edge after it and what is
    /// new of the tree, if anything is.
    async fn commit(
        &self,
        edge: &Edge,
        group: &[Waiting],
    ) -> Result<(Vec<Places>, Option<(Edge, Grown)>), GroupError> {
        let last = edge.head.map(|Head { time, .. }| time);
        let mut time = last;
        let mut places: BTreeMap<Sha256, Place> = BTreeMap::new();
        let mut entries = Vec::new();
        let mut answers = Vec::with_capacity(group.len());
        for waiting in group {
            let now = whole_microseconds(waiting.now);
            if let Some(last) = last
                && last.as_microsecond() - now.as_microsecond() > CLOCK_TOLERANCE_MICROSECONDS
            {
                answers.push(Err(SubmitError::ClockBehind { now, last }));
                continue;
            }
            match self.erased_of(&waiting.entries).await {
                Ok(None) => {}
                Ok(Some(erased)) => {
                    answers.push(Err(SubmitError::Erased(erased)));
                    continue;
                }
                // Those who submit something else at the same time do not fail for it.
                Err(error @ StorageError::Damaged(Damaged::Body(_))) => {
                    answers.push(Err(error.into()));
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            time = time.max(Some(now));
            let mut stand = Vec::with_capacity(waiting.entries.len());
            for entry in waiting.entries.iter() {
                let hash = entry.leaf_hash();
                let place = match places.get(&hash) {
                    // The same leaf again, in this very commit.
                    Some(place) => Place { duplicate: true, ..*place },
                    None => match self.index_of(&hash).await? {
                        Some(index) => Place { index, duplicate: true },
                        None => {
                            let index = edge.frontier.size() + entries.len() as u64;
                            entries.push(Arc::clone(entry));
                            Place { index, duplicate: false }
                        }
                    },
                };
                places.entry(hash).or_insert(place);
                stand.push(place);
            }
            answers.push(Ok(stand));
        }
        let Some(time) = time.filter(|_| !entries.is_empty()) else { return Ok((answers, None)) };
        let batch = Batch::new(&edge.frontier, time, entries).map_err(GroupError::Batch)?;
        let next = Edge { head: Some(batch.head()), frontier: batch.frontier().clone() };
        let grown = Grown::of(&edge.frontier, &batch);
        let tombstone = tombstones().digest();
        if batch.entries().iter().any(|entry| entry.terms().binary_search(&tombstone).is_ok()) {
            self.has_tombstones.store(true, Ordering::Release);
        }
        let committed = self.storage.commit(edge.head.as_ref(), batch).await;
        committed.map_err(|error| GroupError::Commit(Arc::new(error)))?;
        Ok((answers, Some((next, grown))))
    }

    /// The first of the entries' bodies that was erased.
    async fn erased_of(&self, entries: &[Arc<NewEntry>]) -> Result<Option<Sha256>, StorageError> {
        if !self.has_tombstones.load(Ordering::Acquire) {
            return Ok(None);
        }
        for entry in entries {
            if let Covered::Body(body) = entry.covered()
                && let Some(Blob::Tombstone) = self.storage.read(&Key::Body(body.hash())).await?
            {
                return Ok(Some(body.hash()));
            }
        }
        Ok(None)
    }

    async fn index_of(&self, leaf_hash: &Sha256) -> Result<Option<u64>, StorageError> {
        let Some(Blob::Bytes(bytes)) = self.storage.read(&Key::IndexOf(*leaf_hash)).await? else {
            return Ok(None);
        };
        Ok(bytes.as_slice().try_into().ok().map(u64::from_be_bytes))
    }
}

/// No group must fail for a submission that is too large for any.
fn limit(entries: &[Arc<NewEntry>]) -> Result<(), BatchError> {
    let mut total = 0_u64;
    for entry in entries {
        if entry.leaf().len() > MAX_LEAF_BYTES {
            return Err(BatchError::Leaf(entry.leaf().len()));
        }
        if let Covered::Body(body) = entry.covered() {
            if body.bytes().len() > MAX_BODY_BYTES {
                return Err(BatchError::Body(body.bytes().len()));
            }
            total = total.saturating_add(body.bytes().len() as u64);
        }
    }
    match entries.len() {
        0 => Err(BatchError::Empty),
        count if count > MAX_LEAVES => Err(BatchError::TooMany(count)),
        _ if total > MAX_BODIES_BYTES => Err(BatchError::Bodies(total)),
        _ => Ok(()),
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
    let is_statement = envelope.payload_type == IN_TOTO;
    let statement = is_statement.then(|| Statement::read(&envelope.payload)).transpose()?;
    if let Some(bundle) = carried(envelope)? {
        require_mark(envelope)?;
        if bundle.envelope.payload_type == IN_TOTO {
            Statement::read(&bundle.envelope.payload)?;
        }
    }
    let body = Arc::new(Body::new(envelope.pae()));
    let mut checked = Vec::with_capacity(envelope.signatures.len());
    for (position, signature) in envelope.signatures.iter().enumerate() {
        let verifier = verifiers
            .iter()
            .find(|key| key.verify(body.bytes(), &signature.sig).is_ok())
            .ok_or(SubmitError::UnknownSignature { position })?;
        if is_mark(&verifier.id()) && envelope.payload_type != CARRIED {
            return Err(SubmitError::Mark);
        }
        let leaf = Leaf::of(body.bytes(), &signature.sig, verifier);
        let entry = Arc::new(NewEntry::of(&leaf, &body, envelope, statement.as_ref()));
        if entry.terms().len() > MAX_TERMS {
            return Err(SubmitError::TooManyTerms(entry.terms().len()));
        }
        checked.push(Checked { leaf, entry });
    }
    Ok(checked)
}

#[cfg(test)]
mod tests;
