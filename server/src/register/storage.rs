//! What stands between the register and where it is kept: four verbs.
//!
//! Everything else about a log is arithmetic above them. Every implementation keeps five
//! promises, and one contract suite holds each implementation to them:
//!
//! 1. what a commit stored is durable when it returns;
//! 2. the head moves only from the head that the writer saw; a second writer gets a conflict and
//!    changes nothing;
//! 3. a stored blob never changes: the same bytes again are fine, different bytes are an error;
//! 4. whoever has seen a head can read every blob below it, or its tombstone;
//! 5. a crash at any point leaves the old head or the new one, both whole.

use std::future::Future;

use attest::{Sha256, Timestamp};
use verify::merkle::Node;

use super::batch::Batch;
use super::facts::Term;
use super::fields::{Fields, Short};
use super::index::IndexError;
use super::journal::{JournalError, at};
use super::published::Position;
use super::tree::Tree;

/// Most entries of one page of an answer.
pub const MAX_PAGE: usize = 1000;
/// Most terms of one query.
pub const MAX_QUERY_TERMS: usize = 16;

/// Where a register stands after a commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Number of entries.
    pub size: u64,
    /// Root hash over the entries' leaves.
    pub root: Sha256,
    /// When the last commit was made, in whole microseconds; never before the one before it.
    pub time: Timestamp,
}

impl Head {
    /// Size and root alone.
    pub const fn tree(&self) -> Tree {
        Tree { size: self.size, root: self.root }
    }
}

/// What can be read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Key {
    /// The entry at an index: [`Stored`] bytes.
    Entry(u64),
    /// A body, by the SHA-256 of its bytes.
    Body(Sha256),
    /// The same, for whoever knows an entry whose leaf names the body: most often it stands beside
    /// that leaf, where it is found sooner.
    BodyOf {
        /// Index of the entry.
        entry: u64,
        /// Hash of the body.
        hash: Sha256,
    },
    /// The hash of a complete subtree: 32 bytes.
    Node(Node),
    /// Hashes of complete subtrees of one height, a multiple of eight, that follow each other: 32
    /// bytes each, all of them or none. What tiles consist of.
    Hashes {
        /// Height of the subtrees, divided by eight.
        level: u8,
        /// Position of the first among the subtrees of this height.
        start: u64,
        /// How many.
        count: u16,
    },
    /// The index of the entry with this leaf hash: 8 bytes, big-endian.
    IndexOf(Sha256),
}

/// What reading gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Blob {
    /// The bytes.
    Bytes(Vec<u8>),
    /// The bytes were erased; that they were there stays known.
    Tombstone,
}

/// An entry as [`Key::Entry`] gives it.
///
/// Bytes: commit time (8, signed microseconds since 1970, big-endian), whether there is a body
/// (1: 0 or 1), its hash (32, zeros without), the leaf.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// When the entry was committed.
    pub time: Timestamp,
    /// The hash of the body that the leaf's signature covers, if the register was given it.
    pub body: Option<Sha256>,
    /// The leaf.
    pub leaf: Vec<u8>,
}

impl Stored {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(41 + self.leaf.len());
        bytes.extend_from_slice(&self.time.as_microsecond().to_be_bytes());
        bytes.push(u8::from(self.body.is_some()));
        bytes.extend_from_slice(self.body.map_or([0; 32], |hash| *hash.as_bytes()).as_slice());
        bytes.extend_from_slice(&self.leaf);
        bytes
    }

    /// Reads the bytes; `None` for any others.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let parse = || -> Result<Self, Short> {
            let mut fields = Fields::new(bytes);
            let time = Timestamp::from_microsecond(fields.i64()?).map_err(|_| Short)?;
            let has_body = fields.u8()?;
            let hash = fields.digest()?;
            let body = (has_body == 1).then_some(hash);
            Ok(Self { time, body, leaf: fields.rest().to_vec() })
        };
        parse().ok().filter(|stored| stored.encode() == bytes)
    }
}

/// What to search for: entries that match every term, in a range of commit times.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query {
    /// The terms; none match every entry. At most [`MAX_QUERY_TERMS`].
    pub terms: Vec<Term>,
    /// Committed at this time or later.
    pub from: Option<Timestamp>,
    /// Committed before this time.
    pub until: Option<Timestamp>,
    /// In which order.
    pub order: Order,
    /// Where the page begins: at this index or after it, or, with the newest first, before it. The
    /// cursor that the page before gave; `None` for the first page.
    pub start: Option<u64>,
    /// Most entries of the page; at least 1 and at most [`MAX_PAGE`] are given.
    pub limit: usize,
}

/// In which order entries are found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Order {
    /// As they were committed.
    #[default]
    OldestFirst,
    /// The other way round.
    NewestFirst,
}

/// A page of an answer, in the order that was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// Indices of the entries that match.
    pub indices: Vec<u64>,
    /// Where the next page starts, if there may be more. A page can be short, or empty, and still
    /// have a next one.
    pub next: Option<u64>,
    /// No entry of this tree that matches is missing between where this page began and where the
    /// next one does. With the newest first, what was committed after the first page was given is
    /// in none of the later ones: all of them together are complete to the tree of the first.
    pub complete_to: Tree,
}

/// Where the entries of a register are kept.
pub trait Storage: Send + Sync {
    /// The head; `None` when nothing was ever committed.
    ///
    /// # Errors
    /// When it cannot be read.
    fn head(&self) -> impl Future<Output = Result<Option<Head>, StorageError>> + Send;

    /// Reads one thing; `None` when it is not there.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was stored.
    fn read(&self, key: &Key) -> impl Future<Output = Result<Option<Blob>, StorageError>> + Send;

    /// Searches. Ordered by index, in the direction that was asked for.
    ///
    /// # Errors
    /// When the index cannot be read, or the query has too many terms.
    fn find(&self, query: &Query) -> impl Future<Output = Result<Page, StorageError>> + Send;

    /// Adds a batch after the head `from`, all of it or nothing.
    ///
    /// # Errors
    /// [`CommitError::Conflict`] when the head is another one, [`CommitError::Earlier`] when the
    /// time goes back; nothing was changed then. After
    /// [`CommitError::Storage`] the batch may have been committed or not: read the head.
    fn commit(
        &self,
        from: Option<&Head>,
        batch: Batch,
    ) -> impl Future<Output = Result<(), CommitError>> + Send;

    /// Does what commits left for later. Nobody waits for it but who calls it; nothing that was
    /// committed depends on it, and what fails shows as a [`Storage::breakdown`].
    fn settle(&self) {}

    /// How much is kept and how, for whoever watches over it; `None` of a storage that has no
    /// journal.
    ///
    /// # Errors
    /// When it cannot be read.
    fn measures(&self) -> Result<Option<Measures>, StorageError> {
        Ok(None)
    }

    /// Why nothing more is committed until the storage is opened anew, if that is so. Whoever
    /// serves the register ends then: the next start recovers by itself.
    fn breakdown(&self) -> Option<Breakdown> {
        None
    }
}

/// Why a storage has to be opened anew.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Breakdown {
    /// What failed, and what caused it, in words.
    pub why: String,
    /// Whether there was no room on disk.
    pub is_full: bool,
}

impl Breakdown {
    /// What became of a storage that failed like this.
    pub(super) fn of(error: &StorageError) -> Self {
        let causes =
            std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        let why = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
        Self { why: why.collect::<Vec<_>>().join(": "), is_full: error.is_full() }
    }
}

/// How much a storage with a journal keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Measures {
    /// Commits of the journal.
    pub commits: u64,
    /// Files of the journal.
    pub segments: u64,
    /// Bytes of these files: room that is kept for later commits included.
    pub bytes: u64,
    /// Entries that the index has.
    pub indexed: u64,
}

/// Why storage does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// What was stored is not what is read.
    #[error("{0} of the register is damaged: restore the folder `journal` from a backup")]
    Damaged(Damaged),
    /// A query with too many terms.
    #[error("a query has {0} terms, at most {MAX_QUERY_TERMS} are allowed: ask for fewer")]
    TooManyTerms(usize),
    /// An earlier commit failed half-way.
    #[error("an earlier commit failed half-way: start again to recover")]
    Poisoned,
}

impl StorageError {
    /// Whether there was no room on disk: for the disk as a whole, for its user or for the file.
    pub(super) const fn is_full(&self) -> bool {
        matches!(self, Self::Journal(JournalError::Full { .. }) | Self::Index(IndexError::Full(_)))
    }
}

/// What is damaged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Damaged {
    /// The leaf of an entry.
    Entry(u64),
    /// A body.
    Body(Sha256),
    /// The record of an entry that was read.
    Record(Position),
    /// The tree: its leaves do not lead to the root at this size.
    Root(u64),
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Entry(index) => write!(formatter, "entry {index}"),
            Self::Body(hash) => write!(formatter, "body {hash}"),
            Self::Record(position) => write!(formatter, "the record at {}", at(position)),
            Self::Root(size) => write!(formatter, "tree of size {size}"),
        }
    }
}

/// Why a commit was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Another writer moved the head.
    #[error("another writer was first: the register has {} entries, not {}", size(.found.as_ref()), .expected)]
    Conflict {
        /// Size of the head that the writer saw.
        expected: u64,
        /// The head that is there.
        found: Option<Head>,
    },
    /// The batch is of an earlier time than the last commit.
    #[error("a commit at {time} cannot follow one at {last}")]
    Earlier {
        /// Time of the batch.
        time: Timestamp,
        /// Time of the last commit.
        last: Timestamp,
    },
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<JournalError> for CommitError {
    fn from(error: JournalError) -> Self {
        Self::Storage(error.into())
    }
}

impl From<IndexError> for CommitError {
    fn from(error: IndexError) -> Self {
        Self::Storage(error.into())
    }
}

fn size(head: Option<&Head>) -> u64 {
    head.map_or(0, |head| head.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_entries_come_back_and_nothing_else_does() {
        for body in [None, Some(Sha256::of(b"body"))] {
            let time = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
            let stored = Stored { time, body, leaf: b"leaf".to_vec() };
            let bytes = stored.encode();
            assert_eq!(Stored::parse(&bytes), Some(stored));
            let mut marked = bytes.clone();
            marked[8] = 2;
            assert_eq!(Stored::parse(&marked), None);
            assert_eq!(Stored::parse(&bytes[..40]), None);
        }
    }
}
