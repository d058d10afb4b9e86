//! Whether the records that entries are read from are whole, looked at once for each record.
//!
//! A leaf is held by its hash and a body by its own, so that reading them says nothing of the rest
//! of their record: its place in the chain, its roots, its other leaves. Damage there is found
//! when the index is made anew, when it is too late to be restored from a backup that is younger.
//! So whoever reads an entry looks at the record's checked part: always where it is small, and
//! whatever its length where the record's first entry is read, as whoever follows the register
//! does. Then the longest record costs its reader less than a microsecond an entry.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::index::{Place, within};
use super::journal::JournalError;
use super::published::Position;
use super::record::{ALIGNMENT, LEAF_HEADER_BYTES, Lengths, PREFIX_BYTES, Record};
use super::segment::Segments;
use super::storage::{Damaged, StorageError};

/// Longest checked part that is looked at for the sake of any one entry, in bytes.
const SMALL_BYTES: usize = 16 << 10;
/// Of how many records it is remembered that they were looked at.
const MAX_REMEMBERED: usize = 65_536;

/// What is known of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Known {
    /// Its checked part is what its checksum says.
    Whole,
    /// It is long, and its first entry was not read yet.
    Long,
}

/// What is known of the records of a journal.
#[derive(Debug, Default)]
pub(super) struct Headers {
    known: Mutex<HashMap<Position, Known>>,
}

impl Headers {
    /// Makes sure that the record of an entry is whole, as far as it is looked at.
    ///
    /// # Errors
    /// [`Damaged::Record`] when it is not.
    pub(super) fn require(&self, segments: &Segments, place: &Place) -> Result<(), StorageError> {
        let at = place.record;
        let is_first = place.leaf as usize == PREFIX_BYTES + LEAF_HEADER_BYTES;
        match self.known().get(&at) {
            Some(Known::Whole) => return Ok(()),
            Some(Known::Long) if !is_first => return Ok(()),
            Some(Known::Long) | None => {}
        }
        let damaged = || StorageError::Damaged(Damaged::Record(at));
        // A record has at least that much.
        let mut bytes = segments.read(at, ALIGNMENT as usize)?;
        let length = Lengths::parse(&bytes).map_err(|_| damaged())?.checked;
        if length > SMALL_BYTES && !is_first {
            self.remember(at, Known::Long);
            return Ok(());
        }
        if let Some(missing) = length.checked_sub(bytes.len()) {
            // The limits of a record bound what is read; a damaged length may lead beyond the end.
            match segments.read(within(at, ALIGNMENT), missing) {
                Ok(rest) => bytes.extend_from_slice(&rest),
                Err(JournalError::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::UnexpectedEof =>
                {
                    return Err(damaged());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Record::parse(&bytes, segments.identity().id).map_err(|_| damaged())?;
        self.remember(at, Known::Whole);
        Ok(())
    }

    fn remember(&self, at: Position, known: Known) {
        let mut all = self.known();
        if all.len() >= MAX_REMEMBERED {
            all.clear();
        }
        all.insert(at, known);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Position, Known>> {
        // Nothing panics while it is held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use attest::Timestamp;
    use verify::merkle::Frontier;

    use super::super::batch::{Batch, Body, Covered, NewEntry};
    use super::super::contract::wait;
    use super::super::embedded::{Embedded, Settings};
    use super::super::record::JournalId;
    use super::super::segment::{HEADER_BYTES, path_of};
    use super::super::simulated::SimulatedDisk;
    use super::super::storage::{Key, Storage as _};
    use super::*;

    /// A register whose first record has `count` entries with leaves of `length` bytes, opened anew
    /// after a byte of that record was flipped.
    fn flipped(count: usize, length: usize, byte: Option<usize>) -> (Embedded, tempfile::TempDir) {
        let (disk, folder) = (SimulatedDisk::default(), tempfile::tempdir().unwrap());
        let index = folder.path().join("index");
        let settings = Settings { segment_bytes: 1 << 20, cache_bytes: 1 << 20 };
        let shared = Arc::new(disk.clone());
        let id = JournalId([5; 16]);
        let storage =
            Embedded::create_on(shared, &index, "assay.local/0", id, settings, None).unwrap();
        let (mut frontier, mut head) = (Frontier::new(), None);
        // A second commit: of the last one, opening looks at all.
        for (commit, count) in [count, 1].into_iter().enumerate() {
            let entries = (0..count).map(|number| {
                let body = Arc::new(Body::new(format!("body {commit} {number}").into_bytes()));
                let mut leaf = format!("leaf {commit} {number}").into_bytes();
                leaf.resize(length, b'.');
                Arc::new(NewEntry::new(leaf, Covered::Body(body)))
            });
            let batch = Batch::new(&frontier, Timestamp::UNIX_EPOCH, entries.collect()).unwrap();
            frontier = batch.frontier().clone();
            let after = batch.head();
            wait(storage.commit(head.as_ref(), batch)).unwrap();
            head = Some(after);
        }
        drop(storage);
        if let Some(byte) = byte {
            disk.tamper(&path_of(1), |bytes| bytes[HEADER_BYTES as usize + byte] ^= 4);
        }
        (Embedded::open_on(Arc::new(disk), &index, settings, None).unwrap(), folder)
    }

    fn reads(storage: &Embedded, index: u64) -> bool {
        match wait(storage.read(&Key::Entry(index))) {
            Ok(Some(_)) => true,
            Err(StorageError::Damaged(Damaged::Record(at))) => {
                assert_eq!(at, Position { segment: 1, offset: HEADER_BYTES });
                false
            }
            // Its own length is what was changed.
            Err(StorageError::Damaged(Damaged::Entry(_))) => false,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_changed_byte_of_a_small_record_is_noticed_by_whoever_reads_an_entry_of_it() {
        // Two leaves of 300 bytes: their headers, the list of bodies and the checksum.
        let end = PREFIX_BYTES + 2 * (LEAF_HEADER_BYTES + 300) + 2 * 36 + 32;
        let second = PREFIX_BYTES + LEAF_HEADER_BYTES + 300 + LEAF_HEADER_BYTES;
        for byte in (0..end).step_by(7).filter(|byte| !(second..second + 300).contains(byte)) {
            let (storage, _folder) = flipped(2, 300, Some(byte));
            assert!(!reads(&storage, 1), "byte {byte}");
            assert!(wait(storage.read(&Key::Entry(2))).is_ok(), "of another record");
            let body = Key::Body(attest::Sha256::of(b"body 0 1"));
            // Nor is a body given out, unless it is no longer known whose it is.
            let read = wait(storage.read(&body));
            let is_own = (second - LEAF_HEADER_BYTES..second).contains(&byte);
            assert!(read.is_err() || is_own && read.as_ref().unwrap().is_none(), "byte {byte}");
        }
        let (storage, _folder) = flipped(2, 300, None);
        assert!((0..3).all(|index| reads(&storage, index)));
    }

    #[test]
    fn a_long_record_is_looked_at_when_its_first_entry_is_read() {
        // The root before it: nothing that reading an entry needs.
        for (byte, want) in [(Some(100), false), (None, true)] {
            let (storage, _folder) = flipped(100, 300, byte);
            assert!(reads(&storage, 7), "{byte:?}");
            assert_eq!(reads(&storage, 0), want, "{byte:?}");
            // What was passed over stays so: nobody pays for it twice.
            assert!(reads(&storage, 8), "{byte:?}");
        }
    }
}
