use attest::Timestamp;
use attest::hash::Silent;

use verify::merkle::Frontier;

use super::super::batch::{Batch, Body, Covered, NewEntry};
use super::super::buried::tests::tombstone_of;
use super::super::contract::wait;
use super::super::embedded::Embedded;
use super::super::facts::Term;
use super::super::index::{Addition, database};
use super::super::published::Tip;
use super::super::record::JournalId;
use super::super::record::Record;
use super::super::segment::path_of;
use super::super::simulated::SimulatedDisk;
use super::super::storage::Storage as _;
use super::super::walk::{Step, Walk};
use super::*;

const ID: JournalId = JournalId([6; 16]);
const SMALL: Settings = Settings { segment_bytes: 4096, cache_bytes: 1 << 20 };

/// A register on a disk in memory, with its index in a folder.
struct Rig {
    disk: SimulatedDisk,
    folder: tempfile::TempDir,
    trees: Vec<Tree>,
}

impl Rig {
    /// So many commits of two entries that have one body.
    fn of(commits: u64) -> Self {
        Self::made(&(0..commits).map(Self::body).collect::<Vec<_>>())
    }

    /// The same, and after them a tombstone of one of the bodies.
    fn with_tombstone(commits: u64, of: u64) -> Self {
        let stone = tombstone_of(&Self::body(of), "text/plain");
        Self::made(&(0..commits).map(Self::body).chain([stone]).collect::<Vec<_>>())
    }

    fn body(number: u64) -> Vec<u8> {
        let payload_type = ["text/plain", "text/html"][number as usize / 2 % 2];
        attest::envelope::pae(payload_type, format!("payload {number}").as_bytes())
    }

    /// Overwrites a body.
    fn zero(&self, number: u64) {
        let body = Self::body(number);
        self.disk.tamper(&path_of(1), |bytes| {
            let at = bytes.windows(body.len()).position(|part| part == body).unwrap();
            bytes[at..at + body.len()].fill(0);
        });
    }

    fn made(bodies: &[Vec<u8>]) -> Self {
        let disk = SimulatedDisk::default();
        let folder = tempfile::tempdir().unwrap();
        let shared = Arc::new(disk.clone());
        let storage = Embedded::create_on(
            shared,
            &folder.path().join(INDEX),
            "assay.local/0",
            ID,
            SMALL,
            None,
        );
        let storage = storage.unwrap();
        let (mut frontier, mut head, mut trees) = (Frontier::new(), None, vec![Tree::empty()]);
        for (number, body) in bodies.iter().enumerate() {
            let body = Arc::new(Body::new(body.clone()));
            let entries = (0..2).map(|side| {
                let leaf = format!("leaf {number} {side}").into_bytes();
                Arc::new(NewEntry::new(leaf, Covered::Body(Arc::clone(&body))))
            });
            let time = Timestamp::from_second(number as i64).unwrap();
            let batch = Batch::new(&frontier, time, entries.collect()).unwrap();
            frontier = batch.frontier().clone();
            let after = batch.head();
            wait(storage.commit(head.as_ref(), batch)).unwrap();
            trees.push(after.tree());
            head = Some(after);
        }
        drop(storage);
        Self { disk, folder, trees }
    }

    fn check(&self, marks: &[Mark]) -> Checked {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let segments = Segments::open(Arc::clone(&disk)).unwrap().unwrap();
        let index = self.folder.path().join(INDEX);
        let index = index.is_dir().then_some(index.as_path());
        check(disk, segments, index, marks, Depth::All, &Silent).unwrap()
    }

    /// Makes the index anew, with other terms than the journal's for some entries.
    fn index_with(&self, terms: impl Fn(u64, Vec<Sha256>) -> Vec<Sha256>) {
        let folder = self.folder.path().join(INDEX);
        std::fs::remove_dir_all(&folder).unwrap();
        let index = Index::open(&folder, SMALL.cache_bytes, ID).unwrap();
        let segments = Segments::open(Arc::new(self.disk.clone())).unwrap().unwrap();
        let mut walk = Walk::after(&segments, &Tip::empty()).unwrap();
        let mut frontier = Frontier::new();
        loop {
            let before = *walk.tip();
            let Step::Record(bytes, tip) = walk.step().unwrap() else { return };
            let (record, _) = Record::parse(&bytes, ID).unwrap();
            let [body] = record.bodies.as_slice() else { panic!("one body") };
            let start = record.body_offsets().next().unwrap() as usize;
            let found = Body::new(bytes[start..start + body.length as usize].to_vec());
            let covered = match found.hash() == body.hash {
                true => Covered::Body(Arc::new(found)),
                false => Covered::Erased(body.hash),
            };
            let entries = record.leaves.iter().zip(before.tree.size..).map(|(leaf, index)| {
                let entry = NewEntry::new(leaf.bytes.to_vec(), covered.clone());
                let terms = terms(index, entry.terms().to_vec());
                Arc::new(entry.with_terms(terms))
            });
            let batch = Batch::new(&frontier, record.time, entries.collect()).unwrap();
            frontier = batch.frontier().clone();
            let mut addition = Addition::after(ID, before);
            addition.push(&batch, &record, tip);
            index.apply(&addition).unwrap();
        }
    }
}

/// Where the last byte stands that is not zero.
fn last_byte(disk: &SimulatedDisk, path: &str) -> usize {
    let mut last = 0;
    disk.tamper(path, |bytes| last = bytes.iter().rposition(|byte| *byte != 0).unwrap());
    last
}

#[test]
fn a_sound_register_is_read_whole() {
    let rig = Rig::of(20);
    let seen = rig.trees[7];
    let checked = rig.check(&[("what was seen before", seen)]);
    assert_eq!(checked.faults, []);
    assert!(checked.is_sound() && checked.segments > 1);
    assert_eq!((checked.commits, checked.tree), (20, rig.trees[20]));
    assert_eq!((checked.bodies, checked.erased), (20, 0));
    assert_eq!((checked.indexed, checked.searched), (40, 40));
    // 40 leaves, 20 bodies, and two types.
    assert_eq!(checked.terms, 62);
    assert_eq!(checked.compared, ["what was seen before", "`published`"]);
    assert!(Rig::of(0).check(&[]).is_sound());
}

#[test]
fn any_flipped_bit_of_a_record_is_named() {
    let rig = Rig::of(3);
    let path = path_of(1);
    let end = last_byte(&rig.disk, &path);
    let start = 512;
    for byte in (start..=end).step_by(3) {
        let mut was = 0;
        rig.disk.tamper(&path, |bytes| {
            was = bytes[byte];
            bytes[byte] ^= 1;
        });
        let checked = rig.check(&[]);
        let is_padding = was == 0 && checked.is_sound();
        if !is_padding {
            let named = checked.faults.iter().any(|fault| {
                matches!(fault, Fault::Record { position, .. } | Fault::Body { position, .. }
                    if position.segment == 1 && (position.offset as usize) <= byte)
            });
            assert!(named, "{byte}: {:?}", checked.faults);
        }
        rig.disk.tamper(&path, |bytes| bytes[byte] = was);
    }
    assert!(rig.check(&[]).is_sound());
}

#[test]
fn an_erased_body_is_counted_and_a_lost_or_changed_one_is_a_fault() {
    let rig = Rig::with_tombstone(2, 1);
    rig.zero(1);
    let checked = rig.check(&[]);
    assert_eq!((checked.faults, checked.erased), (vec![], 1));

    // The same zeros without a tombstone, and under one of another body.
    for rig in [Rig::of(2), Rig::with_tombstone(2, 0)] {
        rig.zero(1);
        let checked = rig.check(&[]);
        let want = Sha256::of(&Rig::body(1));
        assert!(matches!(&checked.faults[..], [Fault::Body { body, .. }] if *body == want));
        assert_eq!(checked.erased, 0);
    }

    let rig = Rig::of(2);
    let body = Rig::body(1);
    rig.disk.tamper(&path_of(1), |bytes| {
        let at = bytes.windows(body.len()).position(|part| part == body).unwrap();
        bytes[at] ^= 1;
    });
    let checked = rig.check(&[]);
    let want = Sha256::of(&body);
    assert!(matches!(&checked.faults[..], [Fault::Body { body, .. }] if *body == want));
}

#[test]
fn less_or_something_else_than_before_is_a_fault() {
    let rig = Rig::of(3);
    let more = Tree { size: 7, root: rig.trees[3].root };
    let other = Tree { size: 4, root: rig.trees[3].root };
    let inside = Tree { size: 3, root: rig.trees[3].root };
    let cases = [
        (rig.trees[2], None),
        (more, Some(Fault::Short { what: "seen", size: 7, found: 6 })),
        (
            other,
            Some(Fault::Fork { what: "seen", size: 4, root: other.root, found: rig.trees[2].root }),
        ),
    ];
    for (tree, want) in cases {
        assert_eq!(rig.check(&[("seen", tree)]).faults.into_iter().next(), want);
    }
    let found = rig.check(&[("seen", inside)]).faults;
    assert!(matches!(found[..], [Fault::Fork { size: 3, .. }]), "between two commits: {found:?}");
}

#[test]
fn a_tail_that_was_never_finished_is_no_fault_and_a_lost_end_is() {
    let rig = Rig::of(3);
    let path = path_of(1);
    let end = last_byte(&rig.disk, &path);
    rig.disk
        .tamper(&path, |bytes| bytes[end / 512 * 512 + 512..][..8].copy_from_slice(b"ASSAYREC"));
    let checked = rig.check(&[]);
    assert!(checked.is_sound() && checked.is_unfinished);
    rig.disk.tamper(&path, |bytes| bytes[512 + 600..].fill(0));
    let checked = rig.check(&[]);
    assert!(!checked.is_sound());
    assert!(checked.faults.iter().any(|fault| matches!(fault, Fault::Short { .. })));

    let rig = Rig::of(1);
    rig.disk.remove("published");
    assert!(matches!(rig.check(&[]).faults[..], [Fault::Unusable { what: "`published`", .. }]));
}

#[test]
fn entries_are_found_by_what_they_say_and_by_nothing_else() {
    let rig = Rig::of(40);
    let html = || Term::Type("text/html").digest();
    rig.index_with(|_, terms| terms);
    assert_eq!(rig.check(&[]).faults, []);
    // Entry 9 says that it is plain, and so does entry 16.
    rig.index_with(|index, mut terms| {
        terms.extend((index == 9).then(html));
        terms
    });
    let what = "it is found by what it does not say";
    assert_eq!(rig.check(&[]).faults, [Fault::Row { index: 9, what }]);
    rig.index_with(|index, terms| if index == 16 { vec![html()] } else { terms });
    let faults = rig.check(&[]).faults;
    let missing = "what it is found by";
    assert_eq!(faults[0], Fault::Row { index: 16, what: missing });
    assert!(faults.contains(&Fault::Row { index: 16, what }), "{faults:?}");
    // An erased statement may have said so.
    let rig = Rig::with_tombstone(40, 4);
    let first = rig.trees[5];
    rig.zero(4);
    rig.index_with(|index, mut terms| {
        terms.extend((index == first.size - 1).then(html));
        terms
    });
    assert_eq!(rig.check(&[]).faults, []);
}

#[test]
fn an_index_that_is_wrong_is_a_fault_and_one_that_is_missing_is_not() {
    let rig = Rig::of(40);
    let open = || database::open(&rig.folder.path().join(INDEX), 1 << 20).unwrap();
    let change_index = |change: &dyn Fn(&sled::Db)| {
        let database = open();
        change(&database);
        database.flush().unwrap();
    };
    for kind in *b"eh" {
        let mut key = Vec::new();
        let mut value = Vec::new();
        let opened = open();
        if let Some(Ok((found, row))) = opened.scan_prefix([kind]).next() {
            (key, value) = (found.to_vec(), row.to_vec());
        }
        drop(opened);
        let mut changed = value.clone();
        changed[20] ^= 1;
        change_index(&|database| drop(database.insert(&key, changed.as_slice()).unwrap()));
        let faults = rig.check(&[]).faults;
        assert!(matches!(faults[..], [Fault::Row { .. }, ..]), "{kind}: {faults:?}");
        change_index(&|database| drop(database.insert(&key, value.as_slice()).unwrap()));
        assert!(rig.check(&[]).is_sound());
    }
    change_index(&|database| drop(database.insert(b"m", b"condemned").unwrap()));
    assert!(matches!(rig.check(&[]).faults[..], [Fault::Index(_)]));
    std::fs::remove_dir_all(rig.folder.path().join(INDEX)).unwrap();
    let checked = rig.check(&[]);
    assert!(checked.is_sound() && checked.indexed == 0);
}
