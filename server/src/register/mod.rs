//! The register: the append-only log of every attestation, and the index that answers for it.
//!
//! From the disk up: `record` and `segment` are the bytes of the journal, `journal` appends to it,
//! `recovery` opens it after whatever happened, `published` remembers outside of it how far it
//! got, `lock` lets one writer in at a time, `index` makes it searchable. Together they are
//! [`Embedded`], one [`Storage`]; [`Memory`] is another. Above them [`Register`] takes attestations
//! in and gives entries, proofs and answers out; [`open_or_create`] has the one in a folder.

mod answer;
mod archive;
mod backup;
mod batch;
mod buried;
#[cfg(test)]
mod contract;
mod disk;
mod embedded;
mod entry;
mod erase;
mod erasing;
mod export;
mod facts;
#[cfg(test)]
mod faults;
mod fields;
mod folder;
mod follow;
mod fsck;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod group;
mod headers;
mod import;
mod index;
mod journal;
mod lock;
mod log;
mod measured;
mod memory;
mod propose;
mod prove;
mod published;
mod queue;
mod reader;
mod record;
mod recovery;
mod rotation;
mod search;
mod segment;
mod select;
mod signers;
#[cfg(test)]
mod simulated;
mod storage;
mod submit;
#[cfg(test)]
mod tests;
mod tile;
mod tree;
mod vouched;
mod walk;
mod words;

pub use answer::{Leaves, MAX_BUNDLES};
pub use archive::{Archive, ArchiveError, Archived, Bucket, PlainHttp, Restored, archive, restore};
pub use backup::{BackedUp, BackupError, WithKey, backup};
pub use batch::{Batch, BatchError, Body, Covered, NewEntry};
pub use embedded::{Embedded, Settings};
pub use entry::{
    Bundles, ConsistencyProof, Entry, EntryBody, Found, InclusionProof, Receipt, Signed,
};
pub use erase::{EraseError, Erased};
pub use export::{ExportError, Exported, export};
pub use facts::{MAX_TERMS, Term, kind_of};
pub use folder::{FolderError, PATIENCE, create, open, open_or_create, rebuild_index};
pub use follow::RegisterFollowError;
pub use fsck::{Checked, Depth, Fault, MAX_FAULTS, fsck};
pub use import::import;
pub use index::IndexError;
pub use journal::{JournalError, SEGMENT_BYTES};
pub use lock::{Holder, Lock, LockError, Role, served_by};
pub use log::{ReadError, Register};
pub use measured::{Comparator, Measured, MeasuredError};
pub use memory::Memory;
pub use propose::Recorded;
pub use published::Position;
pub use queue::{MAX_WAITING_BYTES, MAX_WAITING_ENTRIES};
pub use reader::Rebuilt;
pub use record::{MAX_BODIES_BYTES, MAX_BODY_BYTES, MAX_LEAF_BYTES, MAX_LEAVES, RecordError};
pub use recovery::Recovery;
pub use rotation::{Finished, RotateError, Rotated, finish_rotation, rotate_key};
pub use search::{Compared, Evidence, MAX_EVIDENCE_BYTES, Proofs, Proven, Search, Searched};
pub use storage::{
    Blob, Breakdown, CommitError, Damaged, Head, Key, MAX_PAGE, MAX_QUERY_TERMS, Measures, Order,
    Page, Query, Storage, StorageError, Stored,
};
pub use submit::{
    CLOCK_TOLERANCE_MICROSECONDS, MAX_SIGNATURES, MAX_VERIFIERS, Place, Submission, SubmitError,
};
pub use tree::Tree;
pub use words::{MAX_WORD, words};
