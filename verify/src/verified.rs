//! Belief as a type.
//!
//! A [`Verified`] value is authentic: at least one named identity of the trust file signed these
//! bytes. It is not yet authorised; that is judged against the scope of each signer, and then
//! by policy. Nothing outside this crate can make one: the fields are private, there is no
//! constructor, no `Default` and no `Deserialize` (`tests/unforgeable.rs` tries). What is believed
//! reaches policy in a [`crate::Lineage`]; a [`crate::Supposed`] holds values that a tool has
//! changed since, and is accepted by nothing that decides.

use attest::{KeyId, Sha256, Statement};

use crate::authority::Certified;
use crate::sigstore::{Keyless, ProvenTime, RekorEntry};
use crate::trust::Custody;

/// Content that a trusted key signed, with the evidence for that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified<T> {
    content: T,
    body: Sha256,
    signers: Vec<Signer>,
    logged: Vec<Logged>,
    unlogged: Vec<Unlogged>,
    rekor: Vec<RekorEntry>,
    times: Vec<ProvenTime>,
}

/// What a bundle can hold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "nearly everything that is verified is a statement")]
pub enum Content {
    /// An in-toto statement.
    Statement(Statement),
    /// The bytes of an artifact themselves, by their SHA-256 digest.
    Message(Sha256),
}

/// A trusted key, or a keyless signer, that signed.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Signer {
    /// The identity.
    pub key: KeyId,
    /// Its name in the trust file.
    pub name: String,
    /// Whoever answers for it.
    pub owner: String,
    /// Where the key is kept.
    pub custody: Custody,
    /// What a trusted Sigstore instance vouches for, when the key was made for one signature.
    pub keyless: Option<Keyless>,
    /// What a trusted authority certified, when the signature came with a certificate of it.
    pub certified: Option<Certified>,
}

/// A place in a trusted log, proven: the signature by `key` over this body is the entry
/// `index`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Logged {
    /// The log.
    pub origin: String,
    /// The position, counted from zero.
    pub index: u64,
    /// The trusted key whose signature the entry holds.
    pub key: KeyId,
    /// The size of the tree under whose signed root the entry was proven.
    pub size: u64,
    /// That root.
    pub root: Sha256,
}

/// A log entry that came with a bundle and is no evidence.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Unlogged {
    /// The trust file does not name the log.
    UnknownLog {
        /// What the checkpoint calls itself; nobody whom we trust signed this.
        origin: String,
    },
    /// The entry has no inclusion proof. A promise to include is not evidence.
    NoProof,
    /// The entry holds a signature by a key that is not trusted.
    OtherSigner,
}

impl<T> Verified<T> {
    pub(crate) const fn new(
        content: T,
        body: Sha256,
        signers: Vec<Signer>,
        logged: Vec<Logged>,
        unlogged: Vec<Unlogged>,
    ) -> Self {
        Self { content, body, signers, logged, unlogged, rekor: Vec::new(), times: Vec::new() }
    }

    /// Leaves out signers that do not count.
    pub(crate) fn retain_signers(&mut self, counts: impl FnMut(&Signer) -> bool) {
        self.signers.retain(counts);
    }

    /// The same with what Sigstore's logs and clocks prove.
    pub(crate) fn with_evidence(self, rekor: Vec<RekorEntry>, times: Vec<ProvenTime>) -> Self {
        Self { rekor, times, ..self }
    }

    /// The same as if it said something else, for a history that is only supposed.
    pub(crate) fn suppose(&mut self, content: T) {
        self.content = content;
    }

    /// The same as if others had signed, wherever it is logged.
    pub(crate) fn suppose_signers(&mut self, signers: &[Signer]) {
        let places = std::mem::take(&mut self.logged);
        let by = |place: Logged| {
            let each = signers.iter().map(|signer| signer.key);
            each.map(|key| Logged { key, ..place.clone() }).collect::<Vec<_>>()
        };
        unite(&mut self.logged, &places.into_iter().flat_map(by).collect::<Vec<_>>());
        self.signers = signers.to_vec();
    }

    /// What was signed.
    pub const fn content(&self) -> &T {
        &self.content
    }

    /// The trusted keys and keyless signers that signed it, each once, in the order of their identities.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Its proven places in trusted logs.
    pub fn logged(&self) -> &[Logged] {
        &self.logged
    }

    /// The log entries that came with it and are no evidence.
    pub fn unlogged(&self) -> &[Unlogged] {
        &self.unlogged
    }

    /// Its proven places in logs that trusted Sigstore instances name. They order nothing.
    pub fn rekor(&self) -> &[RekorEntry] {
        &self.rekor
    }

    /// The times by which it was signed, as trusted clocks prove.
    pub fn times(&self) -> &[ProvenTime] {
        &self.times
    }

    /// The name of the body: the SHA-256 digest of the envelope's pre-authentication encoding, or
    /// of the message itself.
    pub const fn body(&self) -> Sha256 {
        self.body
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Verified<U> {
        let Self { content, body, signers, logged, unlogged, rekor, times } = self;
        let content = change(content);
        Verified { content, body, signers, logged, unlogged, rekor, times }
    }

    /// Unites the evidence for one body: signatures attach to bodies, so that a threshold is
    /// met by whoever signed, in however many submissions.
    pub(crate) fn merge(&mut self, other: &Self) {
        unite(&mut self.signers, &other.signers);
        unite(&mut self.logged, &other.logged);
        unite(&mut self.unlogged, &other.unlogged);
        unite(&mut self.rekor, &other.rekor);
        unite(&mut self.times, &other.times);
    }
}

impl Verified<Content> {
    /// The statement, if that is what the bundle holds.
    pub fn into_statement(self) -> Option<Verified<Statement>> {
        let Self { content, body, signers, logged, unlogged, rekor, times } = self;
        let Content::Statement(content) = content else { return None };
        Some(Verified { content, body, signers, logged, unlogged, rekor, times })
    }
}

fn unite<T: Clone + Ord>(into: &mut Vec<T>, more: &[T]) {
    into.extend_from_slice(more);
    into.sort();
    into.dedup();
}
