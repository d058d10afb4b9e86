//! Belief as a type.
//!
//! A [`Verified`] value is authentic: at least one named identity of the trust file signed these
//! bytes. It is not yet authorised; that is judged against the scope of each signer, and then
//! by policy. Nothing outside this crate can make one: the fields are private, there is no
//! constructor, no `Default` and no `Deserialize` (`tests/unforgeable.rs` tries).

use attest::{KeyId, Sha256, Statement};

use crate::trust::Custody;

/// Content that a trusted key signed, with the evidence for that.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified<T> {
    content: T,
    body: Sha256,
    signers: Vec<Signer>,
    logged: Vec<Logged>,
    unlogged: Vec<Unlogged>,
}

/// What a bundle can hold.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// An in-toto statement.
    Statement(Statement),
}

/// A trusted key that signed.
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
        Self { content, body, signers, logged, unlogged }
    }

    /// What was signed.
    pub const fn content(&self) -> &T {
        &self.content
    }

    /// The trusted keys that signed it, each once, in the order of their identities.
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

    /// The name of the body: the SHA-256 digest of the envelope's pre-authentication encoding.
    pub const fn body(&self) -> Sha256 {
        self.body
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Verified<U> {
        Verified {
            content: change(self.content),
            body: self.body,
            signers: self.signers,
            logged: self.logged,
            unlogged: self.unlogged,
        }
    }

    /// Unites the evidence for one body: signatures attach to bodies, so that a threshold is
    /// met by whoever signed, in however many submissions.
    pub(crate) fn merge(&mut self, other: &Self) {
        unite(&mut self.signers, &other.signers);
        unite(&mut self.logged, &other.logged);
        unite(&mut self.unlogged, &other.unlogged);
    }
}

impl Verified<Content> {
    /// The statement, if that is what the bundle holds.
    pub fn into_statement(self) -> Option<Verified<Statement>> {
        let Content::Statement(statement) = self.content;
        Some(Verified {
            content: statement,
            body: self.body,
            signers: self.signers,
            logged: self.logged,
            unlogged: self.unlogged,
        })
    }
}

fn unite<T: Clone + Ord>(into: &mut Vec<T>, more: &[T]) {
    into.extend_from_slice(more);
    into.sort();
    into.dedup();
}
