//! The last published head, kept outside the journal.
//!
//! It is written and synced before anybody is told of a head, so that a journal that comes back
//! shorter or different is noticed at the next start. It is also the last record that is known to
//! be synced: what the journal holds after it is looked at with distrust.
//!
//! # Format, version 1 (final)
//!
//! A file of two slots, at 0 and at 4096, so that one torn write never touches both. Slots are
//! overwritten in turn; the valid one with the higher generation counts. Integers are big-endian.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | `ASSAYPUB` |
//! | 8 | 2 | version, 1 |
//! | 10 | 6 | zero |
//! | 16 | 16 | journal id |
//! | 32 | 8 | generation, from 1 |
//! | 40 | 8 + 32 | size and root of the tree |
//! | 80 | 8 | time of the commit, signed microseconds since 1970 |
//! | 88 | 8 | sequence of the record that led to it; 0 for the empty tree |
//! | 96 | 32 | checksum of that record; zeros for the empty tree |
//! | 128 | 8 + 8 | the record's segment (its first sequence) and offset there |
//! | 144 | 32 | SHA-256 of the bytes 0 to 144 |

use attest::{Sha256, Timestamp};

use super::disk::{Disk, DiskFile};
use super::fields::{Fields, Short};
use super::journal::JournalError;
use super::record::JournalId;
use super::tree::Tree;

const MAGIC: &[u8; 8] = b"ASSAYPUB";
const VERSION: u16 = 1;
const PATH: &str = "published";
const NEW_PATH: &str = "published.new";
pub(super) const SLOT_BYTES: usize = 176;
pub(super) const CHECKED_BYTES: usize = 144;
const SLOT_SPACING: u64 = 4096;

/// Where a record starts in the journal.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Position {
    /// Sequence of the first record of the segment.
    pub segment: u64,
    /// Bytes from the start of the segment's file.
    pub offset: u64,
}

/// The end of a chain of records: the last record and the tree that it leads to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tip {
    /// The tree after the record.
    pub tree: Tree,
    /// When the record was committed; the beginning of time before the first record.
    pub time: Timestamp,
    /// The record's sequence; 0 before the first record.
    pub sequence: u64,
    /// The record's checksum; zeros before the first record.
    pub checksum: Sha256,
    /// Where the record starts; of no meaning before the first record.
    pub position: Position,
}

impl Tip {
    /// The tip of a journal without records.
    pub(super) fn empty() -> Self {
        Self {
            tree: Tree::empty(),
            time: Timestamp::MIN,
            sequence: 0,
            checksum: Sha256::from_bytes([0; 32]),
            position: Position { segment: 0, offset: 0 },
        }
    }

    /// Appends the tip's 104 bytes, as the slots of this file and the index hold them.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.tree.size.to_be_bytes());
        bytes.extend_from_slice(self.tree.root.as_bytes());
        bytes.extend_from_slice(&self.time.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(self.checksum.as_bytes());
        bytes.extend_from_slice(&self.position.segment.to_be_bytes());
        bytes.extend_from_slice(&self.position.offset.to_be_bytes());
    }

    /// Takes what [`Tip::encode`] appended.
    pub(super) fn decode(fields: &mut Fields<'_>) -> Result<Self, Short> {
        Ok(Self {
            tree: Tree { size: fields.u64()?, root: fields.digest()? },
            time: Timestamp::from_microsecond(fields.i64()?).map_err(|_| Short)?,
            sequence: fields.u64()?,
            checksum: fields.digest()?,
            position: Position { segment: fields.u64()?, offset: fields.u64()? },
        })
    }
}

/// The file with the last published head.
pub(super) struct Published {
    file: Box<dyn DiskFile>,
    journal: JournalId,
    generation: u64,
    tip: Tip,
}

impl Published {
    /// Makes the file, for a journal that has published nothing but `tip`.
    pub(super) fn create(
        disk: &dyn Disk,
        journal: JournalId,
        tip: Tip,
    ) -> Result<Self, JournalError> {
        let broken = JournalError::io("make", PATH);
        let file = disk.create(NEW_PATH).map_err(&broken)?;
        file.allocate(2 * SLOT_SPACING).map_err(&broken)?;
        let mut published = Self { file, journal, generation: 0, tip };
        published.write(tip)?;
        // Under its name only when whole: whoever finds the file finds a valid slot.
        disk.rename(NEW_PATH, PATH).map_err(&broken)?;
        disk.sync_folder("").map_err(&broken)?;
        Ok(published)
    }

    /// Opens the file and reads the newer valid slot; `None` when there is no file. Without
    /// `journal`, a file of any journal will do.
    pub(super) fn open(
        disk: &dyn Disk,
        journal: Option<JournalId>,
    ) -> Result<Option<Self>, JournalError> {
        let file = match disk.open(PATH) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(JournalError::io("open", PATH)(error)),
        };
        let mut newest: Option<(JournalId, u64, Tip)> = None;
        for slot in 0..2 {
            let mut bytes = [0; SLOT_BYTES];
            match file.read_at(&mut bytes, slot * SLOT_SPACING) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => continue,
                Err(error) => return Err(JournalError::io("read", PATH)(error)),
            }
            let Some((owner, generation, tip)) = parse(&bytes) else { continue };
            if journal.is_some_and(|journal| journal != owner) {
                return Err(JournalError::OtherPublished);
            }
            if newest.is_none_or(|(_, newest, _)| newest < generation) {
                newest = Some((owner, generation, tip));
            }
        }
        let (journal, generation, tip) = newest.ok_or(JournalError::UnreadablePublished)?;
        Ok(Some(Self { file, journal, generation, tip }))
    }

    /// The last published tip.
    pub(super) const fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Writes `tip` over the older slot and syncs it. After an error the file is not to be used
    /// again before it was opened anew.
    pub(super) fn write(&mut self, tip: Tip) -> Result<(), JournalError> {
        let generation = self.generation + 1;
        let mut bytes = Vec::with_capacity(SLOT_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&self.journal.0);
        bytes.extend_from_slice(&generation.to_be_bytes());
        tip.encode(&mut bytes);
        let checksum = Sha256::of(&bytes);
        bytes.extend_from_slice(checksum.as_bytes());

        let broken = JournalError::io("write", PATH);
        self.file.write_at(&bytes, generation % 2 * SLOT_SPACING).map_err(&broken)?;
        self.file.sync().map_err(&broken)?;
        self.generation = generation;
        self.tip = tip;
        Ok(())
    }
}

pub(super) fn parse(bytes: &[u8; SLOT_BYTES]) -> Option<(JournalId, u64, Tip)> {
    let (checked, checksum) = bytes.split_at_checked(CHECKED_BYTES)?;
    if Sha256::of(checked).as_bytes().as_slice() != checksum {
        return None;
    }
    let mut fields = Fields::new(checked);
    let known = fields.array().ok()? == *MAGIC
        && fields.u16().ok()? == VERSION
        && fields.array::<6>().ok()? == [0; 6];
    let journal = JournalId(fields.array().ok()?);
    let generation = fields.u64().ok()?;
    let tip = Tip::decode(&mut fields).ok()?;
    (known && fields.rest().is_empty()).then_some((journal, generation, tip))
}

#[cfg(test)]
mod tests {
    use super::super::simulated::{Loss, SimulatedDisk};
    use super::*;

    const JOURNAL: JournalId = JournalId([1; 16]);

    fn tip(size: u64) -> Tip {
        Tip {
            tree: Tree { size, root: Sha256::of(&size.to_be_bytes()) },
            time: Timestamp::from_microsecond(size as i64 * 1000).unwrap(),
            sequence: size,
            checksum: Sha256::of(b"record"),
            position: Position { segment: 1, offset: 512 * size },
        }
    }

    fn filled(count: u64) -> SimulatedDisk {
        let disk = SimulatedDisk::default();
        let mut published = Published::create(&disk, JOURNAL, tip(0)).unwrap();
        for size in 1..=count {
            published.write(tip(size)).unwrap();
        }
        disk
    }

    fn open(disk: &SimulatedDisk) -> Result<Option<Tip>, JournalError> {
        Ok(Published::open(disk, Some(JOURNAL))?.map(|published| *published.tip()))
    }

    #[test]
    fn the_newest_valid_slot_counts() {
        assert!(open(&SimulatedDisk::default()).unwrap().is_none());
        for count in 0..5 {
            assert_eq!(open(&filled(count)).unwrap(), Some(tip(count)));
        }
        // Any bit of the newest slot: the one before it counts. Of both: none does.
        for bit in 0..SLOT_BYTES * 8 {
            let disk = filled(4);
            let slot = 4096; // generation 5, odd
            disk.tamper(PATH, |bytes| bytes[slot + bit / 8] ^= 1 << (bit % 8));
            assert_eq!(open(&disk).unwrap(), Some(tip(3)), "bit {bit}");
            disk.tamper(PATH, |bytes| bytes[7] ^= 1);
            assert!(matches!(open(&disk), Err(JournalError::UnreadablePublished)));
        }
    }

    #[test]
    fn a_slot_of_another_journal_is_refused() {
        let disk = filled(1);
        let other = Published::open(&disk, Some(JournalId([2; 16])));
        assert!(matches!(other, Err(JournalError::OtherPublished)));
    }

    #[test]
    fn a_power_cut_leaves_the_old_head_or_the_new_one() {
        for loss in [Loss::All, Loss::None, Loss::Torn(0), Loss::Torn(1)] {
            for operation in 1..=3 {
                let disk = filled(3);
                let mut published = Published::open(&disk, Some(JOURNAL)).unwrap().unwrap();
                disk.fail(operation, true);
                let acknowledged = published.write(tip(4)).is_ok();
                let found = open(&disk.power_cut(loss)).unwrap().unwrap();
                assert!(
                    found == tip(4) || !acknowledged && found == tip(3),
                    "{loss:?} {operation}"
                );
            }
        }
    }
}
