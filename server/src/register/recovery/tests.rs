//! Everything that can happen to a journal, and what opening it then does.

use attest::{Sha256, Timestamp};

use super::*;
use crate::register::record::{JournalId, RecordBody, RecordLeaf};
use crate::register::simulated::{Loss, SimulatedDisk};
use crate::register::tree::Tree;

const SMALL: u64 = 4096;
/// Where the body of the record in [`with_tail`] ends, and where the record does.
const BODY_END: usize = 176 + 35 + 6 + 36 + 32 + 700;
const RECORD_END: usize = 1024;

/// A journal with its published head, as a register drives them.
struct Rig {
    journal: Journal,
    published: Published,
    recovery: Recovery,
}

impl Rig {
    fn create(disk: &SimulatedDisk) -> Result<Self, JournalError> {
        let id = JournalId([9; 16]);
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let journal = Journal::create(Arc::clone(&disk), "assay.local/00", id, SMALL)?;
        let published = Published::create(disk.as_ref(), id, Tip::empty())?;
        Ok(Self { journal, published, recovery: Recovery::default() })
    }

    fn open(disk: &SimulatedDisk) -> Result<Self, JournalError> {
        let (journal, published, recovery) = open(Arc::new(disk.clone()), SMALL)?;
        Ok(Self { journal, published, recovery })
    }

    /// Appends a record with one leaf and a body of `length` bytes; publishes it or not.
    fn append(&mut self, length: usize, publish: bool) -> Result<Tip, JournalError> {
        let tip = *self.journal.tip();
        let leaf = format!("leaf {}", tip.tree.size);
        let body = vec![b'b'; length];
        let record = Record {
            sequence: tip.sequence + 1,
            time: Timestamp::from_second(tip.tree.size as i64).unwrap(),
            previous: tip.checksum,
            from: tip.tree,
            to: Tree {
                size: tip.tree.size + 1,
                root: Sha256::of_parts([tip.tree.root.as_bytes().as_slice(), leaf.as_bytes()]),
            },
            leaves: vec![RecordLeaf { bytes: leaf.as_bytes(), body: Some(Sha256::of(&body)) }],
            bodies: vec![RecordBody { hash: Sha256::of(&body), length: length as u32 }],
        };
        let tip = self.journal.append(&record, &[&body])?;
        if publish {
            self.published.write(tip)?;
        }
        Ok(tip)
    }

    fn size(&self) -> u64 {
        self.journal.tip().tree.size
    }
}

/// A disk with `count` published records and one that is not, and the last one's tip.
fn with_tail(count: u64) -> (SimulatedDisk, Tip, u64) {
    let disk = SimulatedDisk::default();
    let mut rig = Rig::create(&disk).unwrap();
    for _ in 0..count {
        rig.append(100, true).unwrap();
    }
    let tip = rig.append(700, false).unwrap();
    let end = rig.journal.end().offset;
    (disk, tip, end)
}

/// Opens the disk, finds `size` entries, and goes on as if nothing had happened.
fn goes_on(disk: &SimulatedDisk, size: u64) -> Recovery {
    let mut rig = Rig::open(disk).unwrap();
    assert_eq!(rig.size(), size);
    assert_eq!(rig.published.tip(), rig.journal.tip());
    rig.append(50, true).unwrap();
    rig.append(50, true).unwrap();
    let again = Rig::open(disk).unwrap();
    assert_eq!(again.size(), size + 2);
    assert_eq!(again.recovery, Recovery::default());
    rig.recovery
}

#[test]
fn a_whole_record_that_was_not_published_is_kept_and_written_anew() {
    let (disk, tip, _) = with_tail(2);
    let copy = disk.power_cut(Loss::None);
    let rig = Rig::open(&copy).unwrap();
    assert_eq!((rig.journal.tip().tree, rig.journal.tip().checksum), (tip.tree, tip.checksum));
    assert_eq!(rig.journal.tip().position, Position { segment: 3, offset: HEADER_BYTES });
    assert_eq!(goes_on(&disk, 3), Recovery { commits: 1, aside: None });
}

#[test]
fn a_tail_cut_at_any_byte_is_put_aside() {
    for at_byte in 0..RECORD_END {
        let (disk, tip, end) = with_tail(2);
        let start = tip.position.offset as usize;
        let path = path_of(tip.position.segment);
        assert_eq!(end as usize - start, RECORD_END);
        disk.tamper(&path, |bytes| bytes[start + at_byte..].fill(0));
        let recovery = goes_on(&disk, if at_byte < BODY_END { 2 } else { 3 });
        assert_eq!(recovery.aside.is_some(), at_byte > 0 && at_byte < BODY_END, "{at_byte}");
        if let Some(aside) = recovery.aside {
            disk.tamper(&aside, |bytes| assert!(bytes.len() <= at_byte && bytes[0] == b'A'));
        }
        // The same cut after the head was published: entries are missing, nothing is changed.
        let (disk, tip, _) = with_tail(2);
        let mut published = Published::open(&disk, None).unwrap().unwrap();
        published.write(tip).unwrap();
        disk.tamper(&path, |bytes| bytes.truncate(start + at_byte));
        let before = disk.operations();
        match Rig::open(&disk) {
            Err(JournalError::Behind { published: 3, recovered: 2 }) => {}
            other => panic!("{at_byte}: {:?}", other.map(|rig| rig.size())),
        }
        assert_eq!(disk.operations(), before);
    }
}

#[test]
fn a_flipped_bit_in_the_tail_is_noticed() {
    for bit in (0..RECORD_END * 8).step_by(3) {
        let (disk, tip, _) = with_tail(1);
        let at = tip.position.offset as usize + bit / 8;
        disk.tamper(&path_of(1), |bytes| bytes[at] ^= 1 << (bit % 8));
        let is_padding = bit / 8 >= BODY_END;
        let recovery = goes_on(&disk, if is_padding { 2 } else { 1 });
        assert_eq!(recovery.aside.is_some(), !is_padding, "bit {bit}");
    }
}

#[test]
fn damage_in_the_middle_is_refused_and_never_skipped() {
    // Records 1 to 3 are published, 4 and 5 follow: 4 is damaged and 5 is whole.
    let disk = SimulatedDisk::default();
    let mut rig = Rig::create(&disk).unwrap();
    for _ in 0..3 {
        rig.append(1, true).unwrap();
    }
    let fourth = rig.append(1, false).unwrap();
    rig.append(1, false).unwrap();
    assert_eq!(Rig::open(&disk.power_cut(Loss::None)).unwrap().size(), 5);
    disk.tamper(&path_of(1), |bytes| bytes[fourth.position.offset as usize + 40] ^= 1);
    let before = disk.operations();
    let error = Rig::open(&disk).map(|rig| rig.size()).unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { position } if position == fourth.position));
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_body_cannot_pass_for_a_record_that_follows() {
    // A submitter who knows the format but not the journal's id.
    let record = Record {
        sequence: 3,
        time: Timestamp::UNIX_EPOCH,
        previous: Sha256::of(b""),
        from: Tree::empty(),
        to: Tree { size: 1, ..Tree::empty() },
        leaves: vec![RecordLeaf { bytes: b"leaf", body: None }],
        bodies: Vec::new(),
    };
    let (forged, _) = record.encode(JournalId([8; 16]), &[]).unwrap();
    let (known, _) = record.encode(JournalId([9; 16]), &[]).unwrap();
    for (inside, is_record) in [(forged, false), (known, true)] {
        let (disk, tip, _) = with_tail(1);
        let start = tip.position.offset as usize;
        disk.tamper(&path_of(1), |bytes| {
            bytes[start + 512..start + 512 + inside.len()].copy_from_slice(&inside);
        });
        if is_record {
            assert!(matches!(Rig::open(&disk).map(|_| ()), Err(JournalError::Corrupt { .. })));
        } else {
            assert!(goes_on(&disk, 1).aside.is_some());
        }
    }
}

#[test]
fn an_older_journal_or_another_one_is_refused() {
    let disk = SimulatedDisk::default();
    let mut rig = Rig::create(&disk).unwrap();
    rig.append(1, true).unwrap();
    let yesterday = disk.power_cut(Loss::None);
    let (fork, mut ours) = (disk.power_cut(Loss::None), Rig::open(&disk).unwrap());
    ours.append(1, true).unwrap();
    let read = |disk: &SimulatedDisk, path: &str| {
        let mut found = Vec::new();
        disk.tamper(path, |bytes| found = bytes.clone());
        found
    };
    let published = read(&disk, "published");

    yesterday.tamper("published", |bytes| bytes.clone_from(&published));
    let error = Rig::open(&yesterday).map(|_| ()).unwrap_err();
    assert!(matches!(error, JournalError::Behind { published: 2, recovered: 1 }), "{error}");

    let mut theirs = Rig::open(&fork).unwrap();
    let tip = *theirs.journal.tip();
    let record = Record {
        sequence: 2,
        time: Timestamp::from_second(9).unwrap(),
        previous: tip.checksum,
        from: tip.tree,
        to: Tree { size: 2, root: Sha256::of(b"other") },
        leaves: vec![RecordLeaf { bytes: b"other", body: None }],
        bodies: Vec::new(),
    };
    theirs.journal.append(&record, &[]).unwrap();
    fork.tamper("published", |bytes| bytes.clone_from(&published));
    let error = Rig::open(&fork).map(|_| ()).unwrap_err();
    assert!(matches!(error, JournalError::Forked { size: 2, .. }), "{error}");

    // Without any segment, without the file `published`, and with one of another register.
    let gone = disk.power_cut(Loss::None);
    gone.remove(&path_of(1));
    let error = Rig::open(&gone).map(|_| ()).unwrap_err();
    assert!(matches!(error, JournalError::Behind { published: 2, recovered: 0 }), "{error}");
    let gone = disk.power_cut(Loss::None);
    gone.remove("published");
    let error = Rig::open(&gone).map(|_| ()).unwrap_err();
    assert!(matches!(error, JournalError::MissingPublished), "{error}");
    assert!(matches!(
        Rig::open(&SimulatedDisk::default()).map(|_| ()),
        Err(JournalError::NotFound)
    ));
}

#[test]
fn a_segment_that_is_missing_or_swapped_is_noticed() {
    let disk = SimulatedDisk::default();
    let mut rig = Rig::create(&disk).unwrap();
    for _ in 0..20 {
        rig.append(900, true).unwrap();
    }
    let firsts: Vec<u64> =
        std::iter::successors(Some(1), |first| rig.journal.segments().after(*first)).collect();
    assert!(firsts.len() > 4, "{firsts:?}");
    assert_eq!(goes_on(&disk.power_cut(Loss::All), 20), Recovery::default());

    let last = *firsts.last().unwrap();
    let gone = disk.power_cut(Loss::None);
    gone.remove(&path_of(last));
    assert!(matches!(
        Rig::open(&gone).map(|_| ()),
        Err(JournalError::Behind { published: 20, .. })
    ));
}

#[test]
fn a_record_longer_than_a_segment_gets_its_own() {
    let disk = SimulatedDisk::default();
    let mut rig = Rig::create(&disk).unwrap();
    for length in [10_000, 1, 20_000, 3000] {
        rig.append(length, true).unwrap();
    }
    assert_eq!(goes_on(&disk, 4), Recovery::default());
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_until_opened_anew() {
    let (disk, _, _) = with_tail(2);
    let mut rig = Rig::open(&disk).unwrap();
    disk.fail(2, false); // write, then sync
    assert!(matches!(rig.append(1, true), Err(JournalError::Io { action: "sync", .. })));
    assert!(matches!(rig.append(1, true), Err(JournalError::Poisoned)));
    // The record reached the page cache: whole when read, but not known to last.
    let recovered = Rig::open(&disk).unwrap();
    assert_eq!((recovered.size(), recovered.recovery.commits), (4, 1));
    assert_eq!(Rig::open(&disk.power_cut(Loss::All)).unwrap().size(), 4);
}

#[test]
fn no_room_for_a_segment_leaves_the_journal_usable() {
    let disk = SimulatedDisk::default();
    let mut rig = Rig::create(&disk).unwrap();
    rig.append(1, true).unwrap();
    for operation in 1..=3 {
        disk.fail(operation, false); // create, allocate, write the header
        assert!(matches!(rig.append(9000, true), Err(JournalError::Io { action: "make", .. })));
    }
    rig.append(9000, true).unwrap();
    assert_eq!(goes_on(&disk, 2), Recovery::default());
}

/// Bytes of all files together.
fn used(disk: &SimulatedDisk) -> usize {
    disk.contents().values().map(Vec::len).sum()
}

#[test]
fn power_cuts_take_no_more_room_than_what_was_written() {
    let mut disk = SimulatedDisk::default();
    let mut rig = Rig::create(&disk).unwrap();
    rig.append(600, true).unwrap();
    for cut in 0..40_usize {
        // Published, then not published, whole or torn.
        rig.append(600, true).unwrap();
        let Position { segment, offset } = rig.append(600, false).unwrap().position;
        disk = disk.power_cut(Loss::None);
        if cut % 2 == 1 {
            disk.tamper(&path_of(segment), |bytes| bytes[offset as usize + 300] ^= 1);
        }
        rig = Rig::open(&disk).unwrap();
        let aside = rig.recovery.aside.iter().map(|path| disk.contents()[path].len());
        let asides: usize = aside.sum();
        assert!(asides <= 1024);
        // A header and at most two records of 1024 bytes a cut; eight that were put aside.
        let written = 2 * (cut + 2) * 1024 + (cut + 2) * 512 + 8 * 1024;
        assert!(used(&disk) <= written + SMALL as usize + 2 * 4096, "{cut}: {}", used(&disk));
    }
    let asides = |bytes: fn(usize) -> bool| {
        let contents = disk.contents();
        contents.iter().filter(|(name, held)| name.contains("aside") && bytes(held.len())).count()
    };
    assert_eq!((asides(|bytes| bytes > 0), asides(|bytes| bytes == 0)), (8, 12));
    // Where a segment fills up without a cut, its end stays as it is: nothing is in doubt there.
    assert!(rig.size() >= 60);
}

#[test]
fn what_a_recovery_left_behind_is_cut_off_and_nothing_that_counts() {
    for (torn, size) in [(false, 3), (true, 2)] {
        let (disk, tip, _) = with_tail(2);
        if torn {
            disk.tamper(&path_of(1), |bytes| bytes[tip.position.offset as usize + 300] ^= 1);
        }
        Rig::open(&disk).unwrap();
        let contents = disk.contents();
        assert_eq!(contents[&path_of(1)].len() as u64, tip.position.offset, "{torn}");
        assert_eq!(contents[&path_of(3)].len() as u64, SMALL, "{torn}");
        assert_eq!(goes_on(&disk, size), Recovery::default());
    }
    // A tail that a segment starts with: that segment is replaced, and the one before it is full.
    let disk = SimulatedDisk::default();
    let mut rig = Rig::create(&disk).unwrap();
    for _ in 0..3 {
        rig.append(600, true).unwrap();
    }
    assert_eq!(rig.journal.end().offset, HEADER_BYTES + 3 * 1024);
    rig.append(600, false).unwrap();
    assert_eq!(goes_on(&disk, 4), Recovery { commits: 1, aside: None });
}

#[test]
fn a_full_disk_has_room_for_a_recovery_or_says_that_it_has_none() {
    let (disk, ..) = with_tail(2);
    // Not even for the record once more.
    disk.leave_room(1000);
    let error = Rig::open(&disk).map(|rig| rig.size()).unwrap_err();
    assert!(matches!(error, JournalError::Full { .. }), "{error}");
    // For the record, and not for a segment.
    disk.leave_room(2000);
    let mut rig = Rig::open(&disk).unwrap();
    assert_eq!((rig.size(), rig.recovery.commits), (3, 1));
    // What was cut off makes room again, but not enough.
    disk.leave_room(0);
    assert!(matches!(rig.append(50, true), Err(JournalError::Full { .. })));
    disk.repair();
    rig.append(50, true).unwrap();
    drop(rig);
    assert_eq!(goes_on(&disk, 4), Recovery::default());
}

#[test]
fn no_acknowledged_record_is_lost_wherever_power_fails() {
    let fixed = [Loss::All, Loss::None, Loss::Torn(0), Loss::Torn(1)];
    let mut cuts = 0;
    for first in 1.. {
        let disk = SimulatedDisk::default();
        disk.fail(first, first % 2 == 0);
        let (acknowledged, attempted) = drive(&disk);
        if attempted == 12 && acknowledged == 12 {
            assert!(first > 30);
            break;
        }
        let random = (0..4).map(|seed| Loss::Random(first * 100 + seed));
        let outcomes = fixed.into_iter().chain(random).map(Some).chain([None]);
        for loss in outcomes {
            // Power fails, or the process is killed and the machine runs on.
            let cut = loss.map_or_else(|| disk.restart(), |loss| disk.power_cut(loss));
            cuts += 1;
            match Rig::open(&cut.restart()) {
                Ok(rig) => {
                    let size = rig.size();
                    assert!((acknowledged..=attempted).contains(&size), "{first} {loss:?}");
                    drop(rig);
                    recovers_through_power_cuts(&cut, size);
                }
                Err(JournalError::NotFound) => assert_eq!(acknowledged, 0),
                Err(error) => panic!("{first} {loss:?}: {error}"),
            }
        }
    }
    assert!(cuts > 400);
}

/// Creates a journal and appends until an operation fails; how many were acknowledged, and
/// how many were tried.
fn drive(disk: &SimulatedDisk) -> (u64, u64) {
    let Ok(mut rig) = Rig::create(disk) else { return (0, 0) };
    for done in 0..12 {
        if rig.append(if done % 5 == 4 { 3000 } else { 600 }, true).is_err() {
            return (done, done + 1);
        }
    }
    (12, 12)
}

/// Power fails again at each operation of the recovery itself and of what follows.
fn recovers_through_power_cuts(disk: &SimulatedDisk, size: u64) {
    for operation in 1..14 {
        let disk = disk.restart();
        disk.fail(operation, false);
        let opened = Rig::open(&disk).and_then(|mut rig| rig.append(10, true));
        for loss in [Loss::All, Loss::Torn(1), Loss::Random(size * 10 + operation)] {
            let rig = Rig::open(&disk.power_cut(loss)).unwrap();
            let acknowledged = size + u64::from(opened.is_ok());
            assert!((acknowledged..=size + 1).contains(&rig.size()), "{operation} {loss:?}");
        }
    }
}
