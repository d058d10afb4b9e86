use std::collections::BTreeMap;

use attest::{Sha256, Timestamp};
use proptest::prelude::*;
use verify::merkle::{Frontier, Node};

use super::super::facts::Term;
use super::super::tree::Tree;
use super::block::put_number;
use super::fingerprint::Kind;
use super::*;

const JOURNAL: JournalId = JournalId([4; 16]);

fn open(folder: &Path) -> Index {
    Index::open(folder, 1 << 20, JOURNAL).unwrap()
}

/// The first entry with a term at `start` or after it.
fn next(index: &Index, term: &Term, start: u64) -> Result<Option<u64>, IndexError> {
    index.stretch(term, start).map(|stretch| stretch.next(start).flatten())
}

fn term(number: u64) -> Term {
    Term::Name(number.to_string())
}

/// A tip of `size` entries; nothing looks at where its record is.
fn tip(size: u64) -> Tip {
    let tree = Tree { size, root: Sha256::of(&size.to_be_bytes()) };
    let time = Timestamp::from_microsecond(size as i64 * 1000).unwrap();
    Tip { tree, time, sequence: size.max(1), ..Tip::empty() }
}

/// Entries that follow `frontier`, one for each list of terms.
fn addition(frontier: &mut Frontier, lists: &[Vec<u64>]) -> Addition {
    let before = frontier.size();
    let after = tip(before + lists.len() as u64);
    let mut addition = Addition::after(JOURNAL, tip(before));
    for (list, index) in lists.iter().zip(before..) {
        let leaf = Sha256::of(&index.to_be_bytes());
        frontier.append_with(leaf, |node, hash| addition.nodes.push((node, hash)));
        addition.post(Kind::Leaf, &leaf, index);
        for number in list {
            addition.post(Kind::Term, &term(*number).digest(), index);
        }
        let record = Position { segment: 1, offset: before * 512 };
        let body = BodyPlace::None;
        let leaf = (index - before) as u32 * 335 + 211;
        addition.places.push(Place { record, time: after.time, leaf, length: 300, body });
    }
    addition.tip = after;
    addition
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_was_added_is_found_and_nothing_else(
        // Sizes of additions, and a seed for what their entries can be found by.
        sizes in prop::collection::vec(prop_oneof![4 => 1..4usize, 1 => 100..900usize], 1..60),
        seed: u64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut index = open(folder.path());
        let mut frontier = Frontier::new();
        let mut lists: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut state = seed | 1;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for size in sizes {
            let entries: Vec<Vec<u64>> = (0..size)
                // One that all have, a few that many have, and many that few have.
                .map(|_| vec![0, 1 + random(4), 100 + random(5000)])
                .collect();
            for (list, at) in entries.iter().zip(frontier.size()..) {
                for number in list {
                    lists.entry(*number).or_default().push(at);
                }
            }
            index.apply(&addition(&mut frontier, &entries)).unwrap();
            match random(16) {
                0 | 1 => {
                    drop(index);
                    index = open(folder.path());
                }
                2..=7 => index.write().unwrap(),
                // As while they are written.
                8..=10 => drop(index.unwritten_mut().set_aside()),
                _ => {}
            }
            index.settle().unwrap();
        }
        let size = frontier.size();
        prop_assert_eq!(index.size(), size);
        for (at, leaf) in (0..size).map(|at| (at, Sha256::of(&at.to_be_bytes()))).step_by(50) {
            let hashes = index.hashes(0, at, 3).unwrap();
            prop_assert_eq!(hashes.len() as u64, 3.min(size - at));
            prop_assert_eq!(hashes[0], leaf);
            prop_assert_eq!(index.node(Node { level: 0, index: at }).unwrap(), Some(leaf));
        }
        index.write().unwrap();
        prop_assert_eq!(index.state().unwrap(), State::Complete(JOURNAL, tip(size)));
        for (number, list) in &lists {
            for start in [0, list[0], list[0] + 1, list[list.len() / 2], size] {
                let want = list.iter().find(|at| **at >= start).copied();
                prop_assert_eq!(next(&index, &term(*number), start).unwrap(), want);
                let want = list.iter().rfind(|at| **at <= start).copied();
                prop_assert_eq!(index.previous(&term(*number), start).unwrap(), want);
            }
        }
        for absent in 10_000..10_200 {
            prop_assert_eq!(next(&index, &term(absent), 0).unwrap(), None);
            prop_assert_eq!(index.previous(&term(absent), u64::MAX).unwrap(), None);
        }
        for at in (0..size).step_by(7) {
            prop_assert_eq!(index.index_of(&Sha256::of(&at.to_be_bytes())).unwrap(), Some(at));
            prop_assert!(index.place(at).unwrap().is_some());
        }
        prop_assert_eq!(index.index_of(&Sha256::of(b"absent")).unwrap(), None);
        prop_assert_eq!(index.place(size).unwrap(), None);
        prop_assert!(index.runs().len() <= 40, "{} runs", index.runs().len());
        for row in index.database.iter().values() {
            prop_assert!(row.unwrap().len() <= 4096);
        }
    }
}

#[test]
fn everything_is_found_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let index = &open(folder.path());
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let settling = scope.spawn(move || {
            while !done.load(Ordering::Acquire) {
                index.settle().unwrap();
                std::thread::yield_now();
            }
        });
        let reading = scope.spawn(move || {
            let mut looked = 0;
            while !done.load(Ordering::Acquire) {
                let size = index.size();
                for at in (0..size).rev().step_by(997) {
                    let found = index.index_of(&Sha256::of(&at.to_be_bytes())).unwrap();
                    assert_eq!(found, Some(at), "of {size}");
                    assert_eq!(next(index, &term(at), 0).unwrap(), Some(at), "of {size}");
                    assert_eq!(index.previous(&term(at), size).unwrap(), Some(at), "of {size}");
                    assert!(index.place(at).unwrap().is_some(), "{at} of {size}");
                    looked += 1;
                }
            }
            looked
        });
        let mut frontier = Frontier::new();
        for _ in 0..80 {
            let entries: Vec<Vec<u64>> = (frontier.size()..).take(501).map(|at| vec![at]).collect();
            index.apply(&addition(&mut frontier, &entries)).unwrap();
        }
        done.store(true, Ordering::Release);
        settling.join().unwrap();
        assert!(reading.join().unwrap() > 0);
    });
    index.write().unwrap();
    assert_eq!(index.state().unwrap(), State::Complete(JOURNAL, tip(80 * 501)));
    assert!(index.runs().len() > 1, "it was written more than once");
}

#[test]
fn what_cannot_be_written_is_an_error_and_is_still_found() {
    for lost in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (index, mut frontier) = (open(folder.path()), Frontier::new());
        index.apply(&addition(&mut frontier, &[vec![1]])).unwrap();
        index.write().unwrap();
        // What is written next continues this row.
        if lost {
            index.database.remove(places_key(0)).unwrap();
        }
        index.apply(&addition(&mut frontier, &vec![vec![2]; 8192])).unwrap();
        for _ in 0..2 {
            let settled = index.settle();
            assert_eq!(matches!(settled, Err(IndexError::Row('e'))), lost, "{settled:?}");
        }
        assert_eq!(next(&index, &term(2), 0).unwrap(), Some(1));
        let written = if lost { tip(1) } else { tip(8193) };
        assert_eq!(index.state().unwrap(), State::Complete(JOURNAL, written));
    }
}

#[test]
fn nobody_adds_for_ever_without_something_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let (index, mut frontier) = (open(folder.path()), Frontier::new());
    let unwritten = |index: &Index| index.size() - index.unwritten().first();
    for _ in 0..100 {
        index.apply(&addition(&mut frontier, &vec![vec![]; 1000])).unwrap();
        assert!(unwritten(&index) <= 34_000, "{}", unwritten(&index));
    }
    assert!(index.state().unwrap() != State::New);
    // Whoever settles leaves less.
    index.settle().unwrap();
    index.settle().unwrap();
    assert!(unwritten(&index) < 8192, "{}", unwritten(&index));
}

#[test]
fn the_first_entry_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (index, mut frontier) = (open(folder.path()), Frontier::new());
    let at = |micros: i64| Timestamp::from_microsecond(micros).unwrap();
    assert_eq!(index.first_at(at(0)).unwrap(), None);
    // Entries 0..3 at 3000, 3..103 at 103000, 103 at 104000.
    for size in [3, 100, 1] {
        index.apply(&addition(&mut frontier, &vec![vec![]; size])).unwrap();
        if size == 3 {
            index.write().unwrap();
        }
    }
    let cases = [
        (0, Some(0)),
        (3000, Some(0)),
        (3001, Some(3)),
        (103_000, Some(3)),
        (103_001, Some(103)),
        (104_000, Some(103)),
        (104_001, None),
    ];
    for _ in 0..2 {
        for (micros, want) in cases {
            assert_eq!(index.first_at(at(micros)).unwrap(), want, "{micros}");
        }
        index.write().unwrap();
    }
}

#[test]
fn rows_that_are_lost_are_an_error_and_never_an_empty_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (index, mut frontier) = (open(folder.path()), Frontier::new());
    let entries: Vec<Vec<u64>> = (0..2000).map(|number| vec![number]).collect();
    index.apply(&addition(&mut frontier, &entries)).unwrap();
    assert_eq!(next(&index, &term(1000), 0).unwrap(), Some(1000));
    for kind in *b"pqfhe" {
        drop(index.database.clear());
        let index = {
            let mut frontier = Frontier::new();
            index.start_after(0, Vec::new());
            *index.tail() = Tail::default();
            index.apply(&addition(&mut frontier, &entries)).unwrap();
            index.write().unwrap();
            for row in index.database.scan_prefix([kind]).keys() {
                index.database.remove(row.unwrap()).unwrap();
            }
            &index
        };
        let leaf = Sha256::of(&1000_u64.to_be_bytes());
        let answers = [
            next(index, &term(1000), 0).map(|found| found == Some(1000)),
            index.previous(&term(1000), u64::MAX).map(|found| found == Some(1000)),
            index.index_of(&leaf).map(|found| found == Some(1000)),
            index.first_at(Timestamp::UNIX_EPOCH).map(|found| found == Some(0)),
        ];
        let errors = answers.iter().filter(|answer| answer.is_err()).count();
        assert!(errors > 0, "{}", char::from(kind));
        assert!(answers.iter().flatten().all(|right| *right), "{}", char::from(kind));
    }
}

#[test]
fn rows_of_a_merge_that_was_cut_off_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (index, mut frontier) = (open(folder.path()), Frontier::new());
    index.apply(&addition(&mut frontier, &[vec![1], vec![2]])).unwrap();
    index.write().unwrap();
    for (kind, id) in [(b'p', 7), (b'f', 7), (b'q', u64::MAX)] {
        index.database.insert(run::row_key(kind, id, 3), b"stray").unwrap();
    }
    let rows = index.database.len();
    drop(index);
    let index = open(folder.path());
    assert_eq!(index.database.len(), rows - 3);
    assert_eq!(next(&index, &term(2), 0).unwrap(), Some(1));
}

#[test]
fn what_was_condemned_stays_so_whatever_is_added() {
    for condemned in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (index, mut frontier) = (open(folder.path()), Frontier::new());
        index.apply(&addition(&mut frontier, &[vec![1]])).unwrap();
        if condemned {
            index.condemn();
        }
        index.apply(&addition(&mut frontier, &[vec![2]])).unwrap();
        assert_eq!(next(&index, &term(2), 0).unwrap(), Some(1));
        drop(index);
        let want = if condemned { State::Unknown } else { State::Complete(JOURNAL, tip(2)) };
        assert_eq!(open(folder.path()).state().unwrap(), want);
    }
}

#[test]
fn what_is_condemned_while_rows_are_on_their_way_stays_so() {
    for condemned in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let (index, mut frontier) = (open(folder.path()), Frontier::new());
        index.apply(&addition(&mut frontier, &[vec![1]])).unwrap();
        index.write().unwrap();
        let mut rows = sled::Batch::default();
        index.list(&mut rows, &tip(1), 1, &index.runs());
        if condemned {
            index.condemn();
        }
        index.apply_listed(rows).unwrap();
        let want = if condemned { State::Unknown } else { State::Complete(JOURNAL, tip(1)) };
        assert_eq!(index.state().unwrap(), want);
    }
}

#[test]
fn a_folder_that_is_no_index_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index");
    std::fs::write(&file, b"not a folder").unwrap();
    assert!(Index::open(&file, 1 << 20, JOURNAL).is_err());
}

#[test]
fn an_index_without_its_state_row_is_unknown_unless_new() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path());
    assert_eq!(index.state().unwrap(), State::New);
    index.database.insert(b"x", b"y").unwrap();
    assert_eq!(index.state().unwrap(), State::Unknown);
    index.database.insert(b"m", b"\0\x02short").unwrap();
    assert_eq!(index.state().unwrap(), State::Unknown);
    index.condemn();
    assert_eq!(index.state().unwrap(), State::Unknown);
    index.database.insert(b"e\0\0\0\0\0\0\0\0", b"short").unwrap();
    assert!(matches!(index.place(0), Err(IndexError::Row('e'))));
    assert_eq!(index.place(64).unwrap(), None);
}

#[test]
fn a_run_that_claims_to_be_huge_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (index, mut frontier) = (open(folder.path()), Frontier::new());
    let run = |blocks: u32, postings: u64| {
        let mut bytes = Vec::new();
        for number in [0, 2000, blocks.into(), postings, postings] {
            put_number(&mut bytes, number);
        }
        Run::decode(&mut bytes.as_slice(), 0).unwrap()
    };
    let huge = run(u32::MAX, u64::MAX);
    for found in [
        huge.stretch(&index.database, 7, 0).map(|(found, _)| found.first().copied()),
        huge.previous(&index.database, 7, 9),
    ] {
        assert!(matches!(found, Err(IndexError::Row('f'))), "{found:?}");
    }
    // What is there is read.
    let entries: Vec<Vec<u64>> = (0..2000).map(|number| vec![number]).collect();
    index.apply(&addition(&mut frontier, &entries)).unwrap();
    index.write().unwrap();
    let wanted = Fingerprints::new(JOURNAL).of(Kind::Term, &term(1000).digest());
    let written = index.runs().first().map(Arc::clone).unwrap();
    let same = run(written.blocks, written.fingerprints);
    assert_eq!(same.stretch(&index.database, wanted, 0).unwrap(), (vec![1000], 2000));
}
