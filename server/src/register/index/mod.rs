//! The index: what makes the journal quick to search. Nothing in it is worth a backup.
//!
//! One sled tree with prefixed keys, no value above 4 KiB, one sled batch for each step, and in
//! the same batch the record that the index is complete to: that is the use of sled 0.34 in which
//! a power cut loses the last batches whole or none of them. Nothing here waits for the disk.
//! Whether it fits the journal is checked when it is opened, and whatever is wrong with it, it is
//! made anew.
//!
//! Writing keys in random order is what costs with sled. So there are none: places and hashes go
//! by position, and what entries can be found by is kept in runs ([`run`]), sorted blocks for a
//! range of entries, which are merged as they grow in number ([`merge`]). Runs hold fingerprints,
//! 64 bits that the journal's secret id makes impossible to choose: whoever reads what they lead
//! to sees whether it is what was looked for, but for search terms, where one in 10^12 searches
//! of a million entries could show an entry too many. None is ever missing.
//!
//! | key | value |
//! | --- | --- |
//! | `m` | version (2 bytes), journal id (16), tip (104): the record that the index is complete to; then, as numbers of variable length, the next free run id and the runs |
//! | `e` number (8) | places of 64 entries ([`places`]) |
//! | `h` level (1) number (8) | 64 hashes of the tree ([`hashes`]) |
//! | `p` run (8) number (4) | a block of postings ([`block`]) |
//! | `q` run (8) number (4) | first postings of 128 blocks |
//! | `f` run (8) number (4) | a block of the run's filter ([`filter`]) |

mod addition;
mod block;
mod compare;
pub(in crate::register) mod database;
mod filter;
mod fingerprint;
mod found_by;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod hashes;
mod listed;
mod look;
mod merge;
mod places;
mod recent;
mod run;
mod sample;
mod sorted;
mod unwritten;
mod write;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(super) use self::addition::Addition;
pub(super) use self::compare::Difference;
use self::fingerprint::Fingerprints;
use self::hashes::Hashes;
use self::listed::Listed;
pub(super) use self::look::Stretch;
pub(super) use self::places::{BodyPlace, Place};
use self::run::Run;
pub(super) use self::sample::Sample;
use self::unwritten::Unwritten;
use self::write::Tail;
use super::published::{Position, Tip};
use super::record::JournalId;

/// Version of the rows; an index of another version is made anew. It changes with the rows and
/// with what [`super::facts`] finds in statements.
const VERSION: u16 = 7;
const STATE: &[u8] = b"m";
/// What stands there when something in the index is not as it was written.
const CONDEMNED: &[u8] = b"condemned";

/// Why the index does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The database failed.
    #[error(
        "the index of the register cannot be used: run `assay log rebuild-index`, or start again"
    )]
    Database(#[source] sled::Error),
    /// No room on disk.
    #[error("no room on disk for the index of the register: free some space and start again")]
    Full(#[source] sled::Error),
    /// The database gave up while it was opened.
    #[error(
        "the index of the register cannot be opened: run `assay log rebuild-index`, or start again"
    )]
    Panicked,
    /// Another process keeps the database open.
    #[error("the index of the register is still open elsewhere: try again")]
    Busy,
    /// A row is not what was written, or is missing.
    #[error(
        "the index of the register is damaged (row `{0}`): start again, then it is made anew from the journal"
    )]
    Row(char),
}

impl From<sled::Error> for IndexError {
    fn from(error: sled::Error) -> Self {
        use std::io::ErrorKind;

        match &error {
            sled::Error::Io(source)
                if matches!(
                    source.kind(),
                    ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
                ) =>
            {
                Self::Full(error)
            }
            _ => Self::Database(error),
        }
    }
}

/// What an index says of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// Nothing was ever written to it.
    New,
    /// Complete to this record of this journal.
    Complete(JournalId, Tip),
    /// Another version of the rows, or nothing that can be read.
    Unknown,
}

/// The index of one register.
pub(super) struct Index {
    database: sled::Db,
    journal: JournalId,
    fingerprints: Fingerprints,
    hashes: Hashes,
    /// In the order of their entries; together they hold all that the database has.
    runs: RwLock<Arc<Vec<Arc<Run>>>>,
    /// What the database does not have yet. Whoever holds it and reads the runs sees all entries.
    unwritten: RwLock<Unwritten>,
    size: AtomicU64,
    condemned: AtomicBool,
    /// Postings that were added and that no merge was worked on for yet.
    owed: AtomicU64,
    /// Who holds it writes to the database.
    tail: Mutex<Tail>,
}

impl Index {
    /// Opens the index of `journal` in `folder`, or makes an empty one there.
    pub(super) fn open(
        folder: &Path,
        cache_bytes: u64,
        journal: JournalId,
    ) -> Result<Self, IndexError> {
        let database = database::open(folder, cache_bytes)?;
        let index = Self {
            database,
            journal,
            fingerprints: Fingerprints::new(journal),
            hashes: Hashes::default(),
            runs: RwLock::default(),
            unwritten: RwLock::default(),
            size: AtomicU64::new(0),
            condemned: AtomicBool::new(false),
            owed: AtomicU64::new(0),
            tail: Mutex::default(),
        };
        if let Some(Listed { journal: owner, tip, next_id, runs }) = index.listed()?
            && owner == journal
        {
            index.remove_strays(&runs)?;
            index.size.store(tip.tree.size, Ordering::Release);
            index.start_after(tip.tree.size, runs);
            let mut tail = index.tail();
            (tail.written, tail.next_id) = (Some(tip), next_id);
        }
        Ok(index)
    }

    /// What the rows of the index are complete to.
    pub(super) fn state(&self) -> Result<State, IndexError> {
        Ok(match self.listed()? {
            Some(Listed { journal, tip, .. }) => State::Complete(journal, tip),
            None if self.database.is_empty() => State::New,
            None => State::Unknown,
        })
    }

    /// Makes the next start make the index anew: something in it is not as it was written.
    pub(super) fn condemn(&self) {
        self.condemned.store(true, Ordering::Release);
        if let Err(error) = self.database.insert(STATE, CONDEMNED) {
            tracing::error!(%error, "cannot mark the index as damaged");
        }
    }

    /// Whether something in it turned out not to be as it was written.
    pub(super) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Acquire)
    }

    fn listed(&self) -> Result<Option<Listed>, IndexError> {
        let Some(row) = self.database.get(STATE)? else { return Ok(None) };
        Ok(Listed::decode(&row).ok())
    }

    fn runs(&self) -> Arc<Vec<Arc<Run>>> {
        Arc::clone(&self.runs.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_runs(&self, runs: Vec<Arc<Run>>) {
        *self.runs.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(runs);
    }

    fn unwritten(&self) -> RwLockReadGuard<'_, Unwritten> {
        // Nothing panics while it is written.
        self.unwritten.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritten_mut(&self) -> RwLockWriteGuard<'_, Unwritten> {
        self.unwritten.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database has the first `size` entries, in these runs.
    fn start_after(&self, size: u64, runs: Vec<Arc<Run>>) {
        let mut unwritten = self.unwritten_mut();
        self.set_runs(runs);
        *unwritten = Unwritten::after(size);
    }

    fn tail(&self) -> std::sync::MutexGuard<'_, Tail> {
        // Whoever panicked half-way left rows that no list names.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds commits. They are found from here on; what that leaves to be done is for
    /// [`Index::settle`].
    pub(super) fn apply(&self, addition: &Addition) -> Result<(), IndexError> {
        if addition.places.is_empty() {
            return Ok(());
        }
        let is_overfull = {
            let mut unwritten = self.unwritten_mut();
            unwritten.push(addition);
            unwritten.is_overfull()
        };
        self.size.store(addition.tip.tree.size, Ordering::Release);
        self.owed.fetch_add(addition.postings().count() as u64, Ordering::Relaxed);
        if is_overfull {
            // Whoever settles does not keep up: memory is bounded all the same.
            let mut tail = self.tail();
            self.write_next(&mut tail)?;
        }
        Ok(())
    }

    /// How many entries it is complete to.
    pub(super) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if let Err(error) = self.write() {
            tracing::warn!(%error, "the index is brought up to the journal at the next start");
        }
    }
}

fn key(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

fn places_key(number: u64) -> Vec<u8> {
    key(b'e', &[&number.to_be_bytes()])
}

/// Where something in a record is.
pub(super) const fn within(record: Position, offset: u64) -> Position {
    Position { offset: record.offset.saturating_add(offset), ..record }
}

#[cfg(test)]
mod tests;
