//! A register in a folder: the journal is the root, the index answers.
//!
//! A commit is one record, synced; then the head is published, synced; then the index is brought
//! up. The index may fall behind, get lost or break: opening brings it up from the journal, or
//! makes it anew and moves it aside. Whatever is read from the journal is checked against its
//! hash, so that an index that points elsewhere gives an error and never a wrong answer.
//!
//! Nothing here waits for anything but the disk: the futures are ready when they are made.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use attest::Sha256;
use attest::hash::Progress;

use super::batch::Batch;
use super::disk::{Disk, FolderDisk};
use super::erasing::Erasing;
use super::facts::Term;
use super::index::{Addition, Stretch, within};
use super::journal::{Journal, JournalError, SEGMENT_BYTES};
use super::lock::{Holder, Lock, LockError};
use super::published::{Published, Tip};
use super::reader::{Reader, Rebuilt, make_index, open_index};
use super::record::{JournalId, Record, RecordBody, RecordLeaf};
use super::recovery::{self, Recovery};
use super::select::select;
use super::storage::{
    Blob, Breakdown, CommitError, Head, Key, Measures, Order, Page, Query, Storage, StorageError,
};
use super::tree::Tree;

pub(super) const INDEX: &str = "index";
/// What a record has of a body that was erased before the register got it.
const ERASED: &[u8] = &[0];

/// How a register's folder is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Length of a new segment of the journal, in bytes.
    pub segment_bytes: u64,
    /// Memory for the index's cache, in bytes.
    pub cache_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, cache_bytes: 32 << 20 }
    }
}

/// A register in a folder.
pub struct Embedded {
    writer: Mutex<Writer>,
    reader: Reader,
    head: RwLock<Option<Head>>,
    recovery: Recovery,
    rebuilt: Rebuilt,
    /// Why nothing more is committed.
    breakdown: OnceLock<Breakdown>,
    // Given back last, when the index is closed.
    lock: Option<Lock>,
}

struct Writer {
    journal: Journal,
    published: Published,
    /// Whether a commit failed after it was in the journal.
    poisoned: bool,
}

impl Embedded {
    /// Makes an empty register in the folder that `lock` holds. `origin` names it for ever.
    ///
    /// # Errors
    /// [`JournalError::Exists`] when there is one already; otherwise when the folder cannot be
    /// used.
    pub fn create(lock: Lock, origin: &str, settings: Settings) -> Result<Self, StorageError> {
        let folder = lock.folder().to_owned();
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| {
            JournalError::io("make", "journal")(std::io::Error::other(error.to_string()))
        })?;
        let disk = Arc::new(FolderDisk::new(&folder));
        Self::create_on(disk, &folder.join(INDEX), origin, JournalId(id), settings, Some(lock))
    }

    /// Opens the register in the folder that `lock` holds, and recovers it from whatever happened
    /// to it.
    ///
    /// # Errors
    /// [`JournalError::NotFound`] when there is none. When it is behind what was published, or
    /// damaged: nothing was changed then.
    pub fn open(lock: Lock, settings: Settings) -> Result<Self, StorageError> {
        let folder = lock.folder().to_owned();
        let disk = Arc::new(FolderDisk::new(&folder));
        Self::open_on(disk, &folder.join(INDEX), settings, Some(lock))
    }

    /// Opens the register in the folder that `lock` holds, and makes its index anew from the
    /// journal; the index that was there is kept aside. The progress counts entries.
    ///
    /// # Errors
    /// As [`Embedded::open`]; the index that was there stays then.
    pub fn open_with_new_index(
        lock: Lock,
        settings: Settings,
        progress: &dyn Progress,
    ) -> Result<Self, StorageError> {
        let folder = lock.folder().to_owned();
        let disk = Arc::new(FolderDisk::new(&folder));
        let (journal, published, recovery) = recovery::open(disk, settings.segment_bytes)?;
        let indexed = make_index(
            Arc::clone(journal.segments()),
            journal.tip(),
            &folder.join(INDEX),
            settings.cache_bytes,
            "it was asked for",
            progress,
        )?;
        Ok(Self::with_index(journal, published, recovery, indexed, Some(lock)))
    }

    pub(super) fn create_on(
        disk: Arc<dyn Disk>,
        index: &Path,
        origin: &str,
        id: JournalId,
        settings: Settings,
        lock: Option<Lock>,
    ) -> Result<Self, StorageError> {
        if let Some(published) = Published::open(disk.as_ref(), None)?
            && published.tip().sequence > 0
        {
            let published = published.tip().tree.size;
            return Err(JournalError::Behind { published, recovered: 0 }.into());
        }
        let journal = Journal::create(Arc::clone(&disk), origin, id, settings.segment_bytes)?;
        let published = Published::create(disk.as_ref(), id, Tip::empty())?;
        Self::start(journal, published, Recovery::default(), index, settings, lock)
    }

    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        index: &Path,
        settings: Settings,
        lock: Option<Lock>,
    ) -> Result<Self, StorageError> {
        let (journal, published, recovery) = recovery::open(disk, settings.segment_bytes)?;
        Self::start(journal, published, recovery, index, settings, lock)
    }

    fn start(
        journal: Journal,
        published: Published,
        recovery: Recovery,
        index: &Path,
        settings: Settings,
        lock: Option<Lock>,
    ) -> Result<Self, StorageError> {
        let tip = *journal.tip();
        let segments = Arc::clone(journal.segments());
        let indexed = open_index(segments, &tip, index, settings.cache_bytes)?;
        Ok(Self::with_index(journal, published, recovery, indexed, lock))
    }

    fn with_index(
        journal: Journal,
        published: Published,
        recovery: Recovery,
        (reader, rebuilt): (Reader, Rebuilt),
        lock: Option<Lock>,
    ) -> Self {
        if recovery != Recovery::default() {
            tracing::warn!(commits = recovery.commits, aside = ?recovery.aside, "recovered the register");
        }
        if let Some(why) = rebuilt.why {
            tracing::warn!(why, commits = rebuilt.commits, "made the index anew");
        }
        let writer = Writer { journal, published, poisoned: false };
        let head = RwLock::new(head_of(writer.journal.tip()));
        let (writer, breakdown) = (Mutex::new(writer), OnceLock::new());
        Self { writer, reader, head, recovery, rebuilt, breakdown, lock }
    }

    /// The register's name: unique, and the same for ever.
    pub fn origin(&self) -> &str {
        &self.reader.segments.identity().origin
    }

    /// What opening had to do to the journal.
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// What opening had to do to the index.
    pub const fn rebuilt(&self) -> &Rebuilt {
        &self.rebuilt
    }

    /// Writes into the lock who holds the folder: a server does so once it knows its address.
    ///
    /// # Errors
    /// When the lock file cannot be written.
    pub fn announce(&self, holder: &Holder) -> Result<(), LockError> {
        self.lock.as_ref().map_or(Ok(()), |lock| lock.announce(holder))
    }

    /// How many commits the journal has.
    pub fn commits(&self) -> u64 {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).journal.tip().sequence
    }

    /// Overwrites a body with zeros, for good, wherever the journal's folder has it; whether it was
    /// ever here. That it was is not forgotten.
    pub(super) fn erase_body(&self, hash: &Sha256) -> Result<bool, StorageError> {
        self.erase(hash).inspect_err(|error| self.look_for_breakdown(error))
    }

    fn erase(&self, hash: &Sha256) -> Result<bool, StorageError> {
        let mut writer = self.writer.lock().map_err(|_| StorageError::Poisoned)?;
        if writer.poisoned {
            return Err(StorageError::Poisoned);
        }
        let Some((place, start, length)) = self.reader.held(self.reader.body_place(hash))? else {
            return Ok(false);
        };
        let at = within(place.record, u64::from(start));
        let erasing = Erasing { body: *hash, at, length: length as usize };
        writer.poisoned = true;
        // Recovery takes a body that is not whole, after the published record, for a torn write:
        // so both slots have to be past it. One of them is, and this is the other.
        let tip = *writer.journal.tip();
        writer.published.write(tip)?;
        erasing.run(&self.reader.segments)?;
        writer.poisoned = false;
        Ok(true)
    }

    /// After `error` it may not be known what the disk has.
    fn look_for_breakdown(&self, error: &StorageError) {
        let is_broken = self
            .writer
            .lock()
            .map_or(true, |writer| writer.poisoned || writer.journal.is_poisoned());
        if is_broken {
            self.breakdown.get_or_init(|| Breakdown::of(error));
        }
    }

    fn current(&self) -> Option<Head> {
        *self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, from: Option<&Head>, batch: &Batch) -> Result<(), CommitError> {
        // A writer that panicked left the journal in a state that nobody knows.
        let mut writer = self.writer.lock().map_err(|_| StorageError::Poisoned)?;
        if writer.poisoned {
            return Err(StorageError::Poisoned.into());
        }
        let found = self.current();
        let tip = *writer.journal.tip();
        if from != found.as_ref() || batch.from() != tip.tree {
            return Err(CommitError::Conflict {
                expected: from.map_or(0, |head| head.size),
                found,
            });
        }
        let time = batch.head().time;
        if let Some(Head { time: last, .. }) = found.filter(|head| head.time > time) {
            return Err(CommitError::Earlier { time, last });
        }
        let mut bodies: Vec<(Sha256, &[u8])> = Vec::new();
        for body in batch.bodies().values() {
            if !self.reader.held(self.reader.has_body(&body.hash()))? {
                bodies.push((body.hash(), body.bytes()));
            }
        }
        for hash in batch.erased() {
            if !self.reader.held(self.reader.has_body(&hash))? {
                bodies.push((hash, ERASED));
            }
        }
        let record = Record {
            sequence: tip.sequence + 1,
            time,
            previous: tip.checksum,
            from: batch.from(),
            to: batch.head().tree(),
            leaves: batch
                .entries()
                .iter()
                .map(|entry| RecordLeaf { bytes: entry.leaf(), body: entry.body() })
                .collect(),
            bodies: bodies
                .iter()
                .map(|(hash, bytes)| RecordBody { hash: *hash, length: length(bytes) })
                .collect(),
        };
        let bytes: Vec<&[u8]> = bodies.iter().map(|(_, bytes)| *bytes).collect();
        let before = tip;
        let tip = writer.journal.append(&record, &bytes)?;
        // The record is the commit. What fails from here on is caught up when it is opened anew.
        writer.poisoned = true;
        writer.published.write(tip)?;
        let mut addition = Addition::after(self.reader.segments.identity().id, before);
        addition.push(batch, &record, tip);
        self.reader.held(self.reader.index.apply(&addition).map_err(StorageError::from))?;
        writer.poisoned = false;
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = head_of(&tip);
        Ok(())
    }

    fn look_up(&self, query: &Query) -> Result<Page, StorageError> {
        let complete_to = self.current().map_or_else(Tree::empty, |head| head.tree());
        let bound = |time| -> Result<u64, StorageError> {
            Ok(self.reader.index.first_at(time)?.unwrap_or(complete_to.size))
        };
        let low = query.from.map_or(Ok(0), bound)?;
        let high = query.until.map_or(Ok(complete_to.size), bound)?.min(complete_to.size);
        let index = &self.reader.index;
        // For each term what the last look gave: most often the next question is answered by it.
        let mut looked: Vec<(&Term, Stretch)> = Vec::new();
        let (indices, next) = select(query, low, high, |term, from| {
            if query.order == Order::NewestFirst {
                return Ok(index.previous(term, from)?);
            }
            let kept = looked.iter().position(|(known, _)| *known == term);
            if let Some((_, stretch)) = kept.and_then(|kept| looked.get(kept))
                && let Some(found) = stretch.next(from)
            {
                return Ok(found);
            }
            let stretch = index.stretch(term, from)?;
            let found = stretch.next(from).flatten();
            match kept.and_then(|kept| looked.get_mut(kept)) {
                Some((_, known)) => *known = stretch,
                None => looked.push((term, stretch)),
            }
            Ok(found)
        })?;
        Ok(Page { indices, next, complete_to })
    }
}

impl Storage for Embedded {
    async fn head(&self) -> Result<Option<Head>, StorageError> {
        Ok(self.current())
    }

    async fn read(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        self.reader.read(key)
    }

    async fn find(&self, query: &Query) -> Result<Page, StorageError> {
        self.reader.held(self.look_up(query))
    }

    async fn commit(&self, from: Option<&Head>, batch: Batch) -> Result<(), CommitError> {
        self.append(from, &batch).inspect_err(|error| {
            if let CommitError::Storage(error) = error {
                self.look_for_breakdown(error);
            }
        })
    }

    fn settle(&self) {
        if let Err(error) = self.reader.held(self.reader.index.settle().map_err(Into::into)) {
            // Entries can still be read; more of them would only grow what cannot be written.
            if let Ok(mut writer) = self.writer.lock() {
                writer.poisoned = true;
            }
            self.look_for_breakdown(&error);
        }
    }

    fn breakdown(&self) -> Option<Breakdown> {
        let because = |why: &str| Some(Breakdown { why: why.into(), is_full: false });
        match self.breakdown.get() {
            Some(breakdown) => Some(breakdown.clone()),
            None if self.writer.is_poisoned() => because("a commit ended in a panic"),
            None if self.reader.index.is_condemned() => {
                because("the index turned out to be damaged")
            }
            None => None,
        }
    }

    fn measures(&self) -> Result<Option<Measures>, StorageError> {
        let segments = &self.reader.segments;
        Ok(Some(Measures {
            commits: self.commits(),
            segments: segments.firsts().len() as u64,
            bytes: segments.length()?,
            indexed: self.reader.index.size(),
        }))
    }
}

fn head_of(tip: &Tip) -> Option<Head> {
    let Tree { size, root } = tip.tree;
    (tip.sequence > 0).then_some(Head { size, root, time: tip.time })
}

fn length(body: &[u8]) -> u32 {
    // A batch has no body above its limit, which is far below.
    u32::try_from(body.len()).unwrap_or(u32::MAX)
}
