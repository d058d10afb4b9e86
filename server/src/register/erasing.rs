//! What is being erased, kept outside the journal, so that it is erased whole or not at all.
//!
//! Overwriting a body takes several sectors: cut off in the middle, what is left is neither the
//! body nor nothing. So it is written down before, and whoever opens the journal next finishes it.
//!
//! # Format, version 1
//!
//! The file `erasing`; empty or not there when nothing is being erased. Integers are big-endian.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | `ASSAYERA` |
//! | 8 | 2 | version, 1 |
//! | 10 | 6 | zero |
//! | 16 | 16 | journal id |
//! | 32 | 32 | hash of the body |
//! | 64 | 8 + 8 | the body's segment (its first sequence) and offset there |
//! | 80 | 8 | its length |
//! | 88 | 32 | SHA-256 of the bytes 0 to 88 |

use attest::Sha256;

use super::fields::{Fields, Short};
use super::journal::JournalError;
use super::published::Position;
use super::record::{JournalId, MAX_BODY_BYTES};
use super::segment::Segments;

const PATH: &str = "erasing";
const NEW_PATH: &str = "erasing.new";
const MAGIC: &[u8; 8] = b"ASSAYERA";
const VERSION: u16 = 1;
pub(super) const CHECKED_BYTES: usize = 88;
pub(super) const BYTES: usize = CHECKED_BYTES + 32;

/// A body that is to be overwritten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Erasing {
    /// Its hash.
    pub(super) body: Sha256,
    /// Where it starts.
    pub(super) at: Position,
    /// Its length, in bytes.
    pub(super) length: usize,
}

impl Erasing {
    /// Overwrites the body, whatever happens meanwhile.
    pub(super) fn run(&self, segments: &Segments) -> Result<(), JournalError> {
        self.write_down(segments)?;
        self.finish(segments)
    }

    fn write_down(&self, segments: &Segments) -> Result<(), JournalError> {
        put(segments, &self.encode(segments.identity().id))
    }

    /// The file, in the folder of the journal `id`.
    pub(super) fn encode(&self, id: JournalId) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&id.0);
        bytes.extend_from_slice(self.body.as_bytes());
        bytes.extend_from_slice(&self.at.segment.to_be_bytes());
        bytes.extend_from_slice(&self.at.offset.to_be_bytes());
        bytes.extend_from_slice(&(self.length as u64).to_be_bytes());
        let checksum = Sha256::of(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());
        bytes
    }

    fn finish(&self, segments: &Segments) -> Result<(), JournalError> {
        let found = segments.read(self.at, self.length)?;
        if Sha256::of(&found) == self.body {
            segments.wipe_copies(&found, self.at.segment)?;
        }
        segments.wipe(self.at, self.length)?;
        put(segments, &[])
    }
}

/// What was being erased when the last writer ended.
pub(super) fn pending(segments: &Segments) -> Result<Option<Erasing>, JournalError> {
    let file = match segments.disk().open(PATH) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io("open", PATH)(error)),
    };
    let mut bytes = [0; BYTES];
    match file.read_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(JournalError::io("read", PATH)(error)),
    }
    Ok(parse(&bytes, segments.identity().id).ok().flatten())
}

/// Finishes what was being erased when the last writer ended.
pub(super) fn finish(segments: &Segments) -> Result<(), JournalError> {
    match pending(segments)? {
        Some(erasing) => erasing.finish(segments),
        None => Ok(()),
    }
}

/// Reads the file; `None` for what was not written whole, or for another journal.
pub(super) fn parse(bytes: &[u8], id: JournalId) -> Result<Option<Erasing>, Short> {
    let (checked, checksum) = bytes.split_at_checked(CHECKED_BYTES).ok_or(Short)?;
    if Sha256::of(checked).as_bytes().as_slice() != checksum {
        return Ok(None);
    }
    let mut fields = Fields::new(checked);
    let known = fields.array()? == *MAGIC && fields.u16()? == VERSION;
    fields.take(6)?;
    let is_own = fields.array()? == id.0;
    let body = fields.digest()?;
    let at = Position { segment: fields.u64()?, offset: fields.u64()? };
    let length = usize::try_from(fields.u64()?).unwrap_or(usize::MAX);
    let fits = known && is_own && length <= MAX_BODY_BYTES;
    Ok(fits.then_some(Erasing { body, at, length }))
}

/// Replaces the file as a whole.
fn put(segments: &Segments, bytes: &[u8]) -> Result<(), JournalError> {
    let broken = JournalError::io("write", PATH);
    let file = segments.disk().create(NEW_PATH).map_err(&broken)?;
    file.write_at(bytes, 0).map_err(&broken)?;
    file.sync().map_err(&broken)?;
    segments.disk().rename(NEW_PATH, PATH).map_err(&broken)?;
    segments.disk().sync_folder("").map_err(&broken)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use attest::Timestamp;
    use verify::merkle::Frontier;

    use super::super::batch::{Batch, Body, Covered, NewEntry};
    use super::super::buried::tests::tombstone_of;
    use super::super::contract::wait;
    use super::super::disk::Disk as _;
    use super::super::embedded::{Embedded, Settings};
    use super::super::record::JournalId;
    use super::super::simulated::{Loss, SimulatedDisk};
    use super::super::storage::{Blob, Key, Storage as _};
    use super::*;

    const SETTINGS: Settings = Settings { segment_bytes: 8192, cache_bytes: 1 << 20 };

    fn batch(frontier: &Frontier, text: &str) -> (Batch, Sha256) {
        let body = Arc::new(Body::new(text.repeat(300).into_bytes()));
        let hash = body.hash();
        let entry = NewEntry::new(text.as_bytes().to_vec(), Covered::Body(body));
        (Batch::new(frontier, Timestamp::UNIX_EPOCH, vec![Arc::new(entry)]).unwrap(), hash)
    }

    /// The commit of a tombstone of the body with this text.
    fn burying(frontier: &Frontier, text: &str) -> Batch {
        let body = Arc::new(Body::new(tombstone_of(text.repeat(300).as_bytes(), "text/plain")));
        let entry = NewEntry::new(b"tombstone".to_vec(), Covered::Body(body));
        Batch::new(frontier, Timestamp::UNIX_EPOCH, vec![Arc::new(entry)]).unwrap()
    }

    #[test]
    fn a_power_cut_leaves_a_body_or_none_and_never_a_part() {
        for operation in 1..=16 {
            for loss in [Loss::All, Loss::None, Loss::Torn(0), Loss::Torn(1)] {
                let disk = SimulatedDisk::default();
                let folder = tempfile::tempdir().unwrap();
                let index = folder.path().join("index");
                let id = JournalId([5; 16]);
                let shared = Arc::new(disk.clone());
                let storage =
                    Embedded::create_on(shared, &index, "assay.local/0", id, SETTINGS, None)
                        .unwrap();
                let (one, hash) = batch(&Frontier::new(), "secret");
                let (two, other) = batch(one.frontier(), "another");
                let three = burying(two.frontier(), "secret");
                let mut head = None;
                for batch in [one, two, three] {
                    let next = batch.head();
                    wait(storage.commit(head.as_ref(), batch)).unwrap();
                    head = Some(next);
                }
                let before = disk.operations();
                disk.fail(operation, true);
                let erased = storage.erase_body(&hash).is_ok();
                let all = disk.operations() < before + operation;
                assert!(!all || operation > 10, "it takes more operations than that");
                drop(storage);
                let after = Arc::new(disk.power_cut(loss));
                // With an index made from nothing: every body is read.
                let index = folder.path().join("other");
                let storage = Embedded::open_on(after, &index, SETTINGS, None).unwrap();
                let found = wait(storage.read(&Key::Body(hash))).unwrap().unwrap();
                assert!(!erased || found == Blob::Tombstone, "{operation} {loss:?}");
                storage.erase_body(&hash).unwrap();
                let found = wait(storage.read(&Key::Body(hash))).unwrap().unwrap();
                assert_eq!(found, Blob::Tombstone);
                let found = wait(storage.read(&Key::Body(other))).unwrap().unwrap();
                assert!(matches!(found, Blob::Bytes(_)));
            }
        }
    }

    #[test]
    fn copies_that_recovery_left_go_too() {
        let disk = SimulatedDisk::default();
        let folder = tempfile::tempdir().unwrap();
        let open = |disk: &SimulatedDisk| {
            let index = folder.path().join("index");
            Embedded::open_on(Arc::new(disk.clone()), &index, SETTINGS, None).unwrap()
        };
        let index = folder.path().join("index");
        let id = JournalId([5; 16]);
        let shared = Arc::new(disk.clone());
        let storage =
            Embedded::create_on(shared, &index, "assay.local/0", id, SETTINGS, None).unwrap();
        let (one, _) = batch(&Frontier::new(), "another");
        let (two, hash) = batch(one.frontier(), "secret");
        let head = one.head();
        wait(storage.commit(None, one)).unwrap();
        // The record is written and not published: it is written anew to a segment of its own.
        disk.fail(3, false);
        assert!(wait(storage.commit(Some(&head), two)).is_err());
        drop(storage);
        let storage = open(&disk);
        let paths = [
            "journal/00000000000000000001.seg",
            "journal/00000000000000000002.seg",
            "journal/aside-0-1-512.bin",
        ];
        let count = |disk: &SimulatedDisk| {
            let contents = disk.contents();
            let holds = |path: &&&str| {
                contents
                    .get(**path)
                    .is_some_and(|bytes| bytes.windows(12).any(|part| part == b"secretsecret"))
            };
            paths.iter().filter(holds).count()
        };
        assert_eq!((storage.recovery().commits, count(&disk)), (1, 1));
        // What it was written anew from is gone at once, unless a version that did not cut it off
        // left it there. What was put aside stays.
        let copy = disk.contents()[paths[1]][512..].to_vec();
        disk.tamper(paths[0], |bytes| bytes.extend_from_slice(&copy));
        disk.create(paths[2]).unwrap();
        disk.tamper(paths[2], |bytes| bytes.extend_from_slice(&copy));
        assert_eq!(count(&disk), 3);
        storage.erase_body(&hash).unwrap();
        assert_eq!(count(&disk), 0);
    }
}
