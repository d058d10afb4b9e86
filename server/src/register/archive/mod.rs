//! Copies of closed segments elsewhere, from which a register can be made again.
//!
//! A segment is closed when another one follows it: nothing is added to it any more, and only an
//! erased body still changes it. An archive has what counts of each closed segment, and a
//! checkpoint of the tree that they lead to, signed by the register's key. The segments stay where
//! they are: the register is read from them. What the open segment has is not in the archive; a
//! backup has it. But where a body was erased from a closed segment and its tombstone stands in
//! the open one, that is archived as far as the tombstone, and whole once it is closed.
//!
//! # What stands in an archive, version 1
//!
//! | object | what it is |
//! | --- | --- |
//! | `segments/` first sequence (20 digits) `-` SHA-256 (hex) | header and records of a segment, without the room behind them |
//! | `lists/` SHA-256 (hex) | the segments, a line each ([`list`]) |
//! | `checkpoints/` number (10 digits, from 1 without a gap) | a signed checkpoint with one extension line: `assay-archive/v1` and the list's SHA-256 |
//!
//! The checkpoint with the highest number counts; it comes last. Objects are only ever added,
//! each under a name that had none, and read back; one that holds a body which was erased
//! since is removed once a newer checkpoint does without it. Like a backup, an archive has
//! everything but the key: whoever can read it reads every statement.

mod connector;
mod list;
mod restore;
mod send;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use attest::CheckpointError;

pub use self::restore::{Restored, restore};
pub use self::send::{Archived, archive};
pub use self::store::{Archive, Bucket, PlainHttp};
use super::folder::FolderError;
use super::fsck::Fault;
use super::journal::JournalError;
use super::storage::StorageError;

/// Why there is no archive, or no register of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The register or a folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A folder that has to be empty is not.
    #[error("`{0}` is not empty: name a folder that is, or that is not there yet")]
    Occupied(PathBuf),
    /// The folder is a register's.
    #[error("`{0}` is a register, not an archive: name another folder")]
    Register(PathBuf),
    /// The place cannot be reached, or refuses.
    #[error("the archive does not let `{name}` be {action}")]
    Store {
        /// What was tried.
        action: &'static str,
        /// The object.
        name: String,
        /// What it said.
        source: object_store::Error,
    },
    /// The place cannot be an archive.
    #[error("this cannot be an archive")]
    Destination(#[source] object_store::Error),
    /// Another object stands under a name.
    #[error(
        "the archive has another object under the name `{0}`: keep it as evidence and name another archive; nothing was written over"
    )]
    Different(String),
    /// What was sent is not what is read.
    #[error("what was sent as `{0}` is not what the archive gives back: do not rely on this store")]
    NotAsSent(String),
    /// The archive is of another register.
    #[error("the archive is of `{found}`, not of `{origin}`: name another archive")]
    Other {
        /// The register in it.
        found: String,
        /// The register to archive.
        origin: String,
    },
    /// The archive has more than the register.
    #[error(
        "the archive has {archived} entries, the closed segments of the register {size}: entries are missing from the register; nothing was written"
    )]
    Ahead {
        /// Size of the archive.
        archived: u64,
        /// Size of what would be archived.
        size: u64,
    },
    /// The archive has another history.
    #[error(
        "the archive has another history of the register, or another journal of it, from record {sequence} on: keep it as evidence and name another archive; nothing was written"
    )]
    Fork {
        /// First record of the segment that is different.
        sequence: u64,
    },
    /// Somebody else archives at the same time.
    #[error("somebody else wrote to the archive at the same time: try again")]
    Busy,
    /// The register has more segments than an archive can list.
    #[error(
        "the register has more segments than an archive can list ({} at most)",
        list::MAX_SEGMENTS
    )]
    TooMany,
    /// A body is being overwritten.
    #[error("a statement is being erased from the register: try again")]
    Erasing,
    /// An object with an erased body cannot be removed.
    #[error("`{name}` of the archive still has a body that was erased: remove it by hand")]
    NotErased {
        /// The object.
        name: String,
        /// What the archive said.
        source: object_store::Error,
    },
    /// There is no archive.
    #[error("there is no archive here: nothing was restored")]
    NotFound,
    /// The checkpoint is not signed by the register's key.
    #[error("checkpoint `{name}` of the archive is not signed by the register's key")]
    Checkpoint {
        /// The object.
        name: String,
        /// What is wrong.
        source: CheckpointError,
    },
    /// An object is gone.
    #[error("`{0}` is missing from the archive: nothing was restored")]
    Missing(String),
    /// An object is not as it was archived.
    #[error("`{0}` of the archive is not as it was archived: nothing was restored")]
    Changed(String),
    /// The segments do not lead to the root that was signed.
    #[error(
        "the archive does not lead to the root of {size} entries that was signed: nothing was restored"
    )]
    Root {
        /// How many entries.
        size: u64,
    },
    /// What was restored, or would be archived, is not sound.
    #[error("the register is not sound: {0}")]
    Unsound(Fault),
}

/// Whether a text is a list of segments; for fuzzers.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) fn is_list(text: &str) -> bool {
    list::parse_any(text).is_some_and(|parts| list::write(&parts) == text)
}

impl From<JournalError> for ArchiveError {
    fn from(error: JournalError) -> Self {
        Self::Folder(StorageError::from(error).into())
    }
}

impl From<StorageError> for ArchiveError {
    fn from(error: StorageError) -> Self {
        Self::Folder(error.into())
    }
}
