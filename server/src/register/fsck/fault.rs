//! What can be wrong with a register, and what to do about it.

use attest::Sha256;

use super::super::journal::at;
use super::super::published::Position;

/// Something that is wrong with a register.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A record is damaged or does not continue the one before it. What follows was not read.
    #[error("the journal is damaged at {}, after {entries} entries", at(.position))]
    Record {
        /// Where.
        position: Position,
        /// How many entries stand before it.
        entries: u64,
    },
    /// A segment cannot be used. What follows was not read.
    #[error("the journal cannot be read beyond {entries} entries: {why}")]
    Segment {
        /// How many entries stand before it.
        entries: u64,
        /// Why.
        why: String,
    },
    /// The leaves do not lead to the root that a record says. What follows was not read.
    #[error("the first {size} leaves do not lead to the root that their record says ({})", at(.position))]
    Root {
        /// How many leaves.
        size: u64,
        /// Where the record is.
        position: Position,
    },
    /// A body was changed.
    #[error("body {body} is damaged ({})", at(.position))]
    Body {
        /// Its hash.
        body: Sha256,
        /// Where the record is that brings it.
        position: Position,
    },
    /// An entry names a body that no record brings.
    #[error("entry {index} names body {body}, which is not in the journal")]
    NoBody {
        /// Position of the entry.
        index: u64,
        /// The hash of the body.
        body: Sha256,
    },
    /// The leaf of an entry is of another body than the one it stands with.
    #[error("the leaf of entry {index} does not cover its body")]
    Leaf {
        /// Position of the entry.
        index: u64,
    },
    /// The file `published` or `checkpoint`, or the key, cannot be used.
    #[error("{what} cannot be used: {why}")]
    Unusable {
        /// What it is.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The journal holds less than it held before.
    #[error("the journal has {found} entries, but {what} says {size}: entries are missing")]
    Short {
        /// Who says so.
        what: &'static str,
        /// How many there were.
        size: u64,
        /// How many there are.
        found: u64,
    },
    /// The journal holds something else than it held before.
    #[error("the first {size} entries have the root {found}, but {what} says {root}")]
    Fork {
        /// Who says so.
        what: &'static str,
        /// How many entries.
        size: u64,
        /// The root that they had.
        root: Sha256,
        /// The root that they have.
        found: Sha256,
    },
    /// The index cannot be used.
    #[error("the index cannot be used: {0}")]
    Index(String),
    /// The index says something else than the journal.
    #[error("the index is wrong about entry {index}: {what}")]
    Row {
        /// Position of the entry.
        index: u64,
        /// What is wrong.
        what: &'static str,
    },
}

impl Fault {
    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Record { .. }
            | Self::Segment { .. }
            | Self::Root { .. }
            | Self::Body { .. }
            | Self::NoBody { .. }
            | Self::Leaf { .. }
            | Self::Short { .. } => "restore the register from a backup that is not older",
            Self::Unusable { .. } => "restore the file from a backup",
            Self::Fork { .. } => {
                "keep both as evidence, sign nothing more, and find out which is the right one"
            }
            Self::Index(_) | Self::Row { .. } => "run `assay log rebuild-index`",
        }
    }
}
