//! The journal: the root of everything that the register knows.
//!
//! Append-only: one record a commit, one `fdatasync` a record. When [`Journal::append`] returns,
//! the record lasts; when it fails in a way that leaves this unknown, the journal refuses
//! everything until it was opened anew, because a second `fdatasync` after a failed one can
//! report success without having written anything. Opening it is [`super::recovery`].

use std::io;
use std::sync::Arc;

use super::disk::Disk;
use super::published::{Position, Tip};
use super::record::{JournalId, Record, RecordError};
use super::segment::{Failure, HEADER_BYTES, Identity, Segments, path_of};

/// Length of a segment unless said otherwise, in bytes. A longer record gets a longer segment.
pub const SEGMENT_BYTES: u64 = 16 << 20;
/// How much memory is kept between two records, in bytes.
const MAX_BUFFER_BYTES: usize = 1 << 20;

/// Why the journal cannot be used, or not any longer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// There is no journal.
    #[error("no register here: create one first")]
    NotFound,
    /// There is a journal already.
    #[error("there is a register here already")]
    Exists,
    /// An origin must have 1 to 255 bytes.
    #[error("origin `{0}` must have 1 to 255 bytes")]
    Origin(String),
    /// The system refused an operation.
    #[error("cannot {action} `{path}` of the register")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Path in the register's folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// No room on disk.
    #[error("no room on disk for `{path}` of the register: free some space and try again")]
    Full {
        /// Path in the register's folder.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write or sync failed.
    #[error(
        "an earlier write to the register failed, and what it left is not known: start again to recover"
    )]
    Poisoned,
    /// A record cannot be written or read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A segment's header is damaged.
    #[error("header of `{path}` is damaged: restore the file from a backup; nothing was changed")]
    Header {
        /// Path in the register's folder.
        path: String,
    },
    /// A segment was written by a newer program.
    #[error("`{path}` has format version {version}: use a newer assay")]
    Version {
        /// Path in the register's folder.
        path: String,
        /// Version found.
        version: u16,
    },
    /// A segment belongs to another journal.
    #[error("`{path}` belongs to another register: put back this register's own file")]
    OtherSegment {
        /// Path in the register's folder.
        path: String,
    },
    /// The file `published` belongs to another journal.
    #[error("`published` belongs to another register: put back this register's own file")]
    OtherPublished,
    /// Neither slot of the file `published` is valid.
    #[error(
        "both slots of `published` are damaged: restore the file from a backup; nothing was changed"
    )]
    UnreadablePublished,
    /// The file `published` is not there, but the journal has entries.
    #[error(
        "`published` is missing, so that it cannot be told whether entries were lost: restore the file from a backup; nothing was changed"
    )]
    MissingPublished,
    /// The journal holds less than what was published.
    #[error(
        "register holds {recovered} entries, but {published} were published: entries are missing; restore the folder `journal` from a backup or a copy that is not older; nothing was changed"
    )]
    Behind {
        /// Size that was published.
        published: u64,
        /// Size that the journal leads to.
        recovered: u64,
    },
    /// The journal holds another tree than the published one.
    #[error(
        "register holds another tree of size {size} than was published (root {found}, published {published}): keep both as evidence and restore the folder `journal` from a backup; nothing was changed"
    )]
    Forked {
        /// Size of both trees.
        size: u64,
        /// Root that was published.
        published: attest::Sha256,
        /// Root that the journal leads to.
        found: attest::Sha256,
    },
    /// A record that a tip names is not there.
    #[error("record {sequence} of the journal is not where it should be ({})", at(.position))]
    Missing {
        /// The record's sequence.
        sequence: u64,
        /// Where it should be.
        position: Position,
    },
    /// A record in the middle is damaged: whole ones follow it.
    #[error("journal is damaged in the middle ({}): restore the folder `journal` from a backup; nothing was changed", at(.position))]
    Corrupt {
        /// Where the damage starts.
        position: Position,
    },
}

pub(super) fn at(position: &Position) -> String {
    format!("`{}`, offset {}", path_of(position.segment), position.offset)
}

impl JournalError {
    /// Makes an error of what the system said about `path`.
    pub(super) fn io(action: &'static str, path: &str) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::Full { path: path.clone(), source },
            _ => Self::Io { action, path: path.clone(), source },
        }
    }
}

/// The journal, open for appending.
pub(super) struct Journal {
    segments: Arc<Segments>,
    tip: Tip,
    /// Where the next record goes.
    end: Position,
    segment_bytes: u64,
    poisoned: bool,
    /// Room for a record.
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Journal").field("tip", &self.tip).finish_non_exhaustive()
    }
}

impl Journal {
    /// Makes an empty journal with its first segment.
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        origin: &str,
        id: JournalId,
        segment_bytes: u64,
    ) -> Result<Self, JournalError> {
        if Segments::open(Arc::clone(&disk))?.is_some() {
            return Err(JournalError::Exists);
        }
        let segments = Segments::new(disk, Identity { id, origin: origin.into() })?;
        let end = Position { segment: 1, offset: HEADER_BYTES };
        let mut journal = Self::at(Arc::new(segments), Tip::empty(), end, segment_bytes);
        journal.install(&[], segment_bytes)?;
        Ok(journal)
    }

    /// The journal as recovery found it.
    pub(super) const fn at(
        segments: Arc<Segments>,
        tip: Tip,
        end: Position,
        segment_bytes: u64,
    ) -> Self {
        Self { segments, tip, end, segment_bytes, poisoned: false, buffer: Vec::new() }
    }

    pub(super) const fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Whether nothing is accepted until the journal was opened anew.
    pub(super) const fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// The last record and the tree that it leads to.
    pub(super) const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Where the next record goes, unless a segment starts with it.
    #[cfg(test)]
    pub(super) const fn end(&self) -> Position {
        self.end
    }

    /// Appends a record that continues the tip, and its bodies; gives the new tip.
    ///
    /// # Errors
    /// [`JournalError::Record`] and [`JournalError::Full`] while making room leave the journal as
    /// it was. After any other error it is poisoned: the record may or may not last.
    pub(super) fn append(
        &mut self,
        record: &Record<'_>,
        bodies: &[&[u8]],
    ) -> Result<Tip, JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let continues = record.sequence == self.tip.sequence + 1
            && record.previous == self.tip.checksum
            && record.from == self.tip.tree
            && record.time >= self.tip.time;
        if !continues {
            return Err(RecordError::Field("place in the chain").into());
        }
        // What was written last is as good a place as any: fresh memory costs as much as filling it.
        let mut bytes = std::mem::take(&mut self.buffer);
        let written = self.append_with(record, bodies, &mut bytes);
        if bytes.capacity() <= MAX_BUFFER_BYTES {
            self.buffer = bytes;
        }
        written
    }

    fn append_with(
        &mut self,
        record: &Record<'_>,
        bodies: &[&[u8]],
        bytes: &mut Vec<u8>,
    ) -> Result<Tip, JournalError> {
        let checksum = record.encode_into(self.segments.identity().id, bodies, bytes)?;

        let file = self.segments.file(self.end.segment)?;
        let path = path_of(self.end.segment);
        let length = file.length().map_err(JournalError::io("read", &path))?;
        if self.end.offset + bytes.len() as u64 > length {
            let room = self.segment_bytes.max(HEADER_BYTES + bytes.len() as u64);
            self.install(&[], room)?;
        }
        let file = self.segments.file(self.end.segment)?;
        let path = path_of(self.end.segment);
        // From here on an error leaves bytes of which nobody knows whether they last.
        self.poisoned = true;
        file.write_at(bytes, self.end.offset).map_err(JournalError::io("write", &path))?;
        file.sync().map_err(JournalError::io("sync", &path))?;
        self.poisoned = false;

        self.tip = Tip {
            tree: record.to,
            time: record.time,
            sequence: record.sequence,
            checksum,
            position: self.end,
        };
        self.end.offset += bytes.len() as u64;
        Ok(self.tip)
    }

    /// Starts a segment after the tip that holds `records`, which continue it; their tip is then
    /// the caller's to set. Where there is no room for more than these it has none: the next
    /// record then gets a segment of its own.
    pub(super) fn start_segment(&mut self, records: &[Vec<u8>]) -> Result<(), JournalError> {
        let used: u64 = records.iter().map(|record| record.len() as u64).sum();
        let least = HEADER_BYTES + used;
        match self.install(records, self.segment_bytes.max(least)) {
            Err(JournalError::Full { .. }) if !self.poisoned => self.install(records, least)?,
            other => other?,
        }
        self.end.offset += used;
        Ok(())
    }

    fn install(&mut self, records: &[Vec<u8>], length: u64) -> Result<(), JournalError> {
        match self.segments.install(&self.tip, records, length) {
            Ok(()) => {
                self.end = Position { segment: self.tip.sequence + 1, offset: HEADER_BYTES };
                Ok(())
            }
            Err(Failure::Nothing(error)) => Err(error),
            Err(Failure::Unknown(error)) => {
                self.poisoned = true;
                Err(error)
            }
        }
    }
}
