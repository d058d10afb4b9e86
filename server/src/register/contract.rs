//! The suite that every storage passes: the five promises of [`super::storage`], and that answers
//! are complete.

use std::sync::Arc;

use attest::{Algorithm, Leaf, Sha256, SigningKey, Timestamp};
use verify::merkle::{self, Frontier, Node};

use super::batch::{Batch, Body, Covered, NewEntry};
use super::embedded::{Embedded, Settings};
use super::facts::Term;
use super::memory::Memory;
use super::record::JournalId;
use super::simulated::{Loss, SimulatedDisk};
use super::storage::*;

pub(super) fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A kind of storage, as the suite needs it.
trait Subject {
    type Storage: Storage;
    fn storage(&self) -> &Self::Storage;
    /// Closes and opens again whatever lasts.
    fn reopen(&mut self);
    /// Cuts the power, and opens again whatever lasts.
    fn cut_power(&mut self);
}

struct InMemory(Memory);

impl Subject for InMemory {
    type Storage = Memory;

    fn storage(&self) -> &Memory {
        &self.0
    }

    fn reopen(&mut self) {}

    fn cut_power(&mut self) {}
}

struct InFolder {
    disk: SimulatedDisk,
    folder: tempfile::TempDir,
    storage: Option<Embedded>,
}

impl InFolder {
    const SETTINGS: Settings = Settings { segment_bytes: 8192, cache_bytes: 1 << 20 };

    fn new() -> Self {
        let disk = SimulatedDisk::default();
        let folder = tempfile::tempdir().unwrap();
        let (index, id) = (folder.path().join("index"), JournalId([5; 16]));
        let shared = Arc::new(disk.clone());
        let storage =
            Embedded::create_on(shared, &index, "assay.local/0", id, Self::SETTINGS, None).unwrap();
        Self { disk, folder, storage: Some(storage) }
    }
}

impl Subject for InFolder {
    type Storage = Embedded;

    fn storage(&self) -> &Embedded {
        self.storage.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.storage = None;
        let index = self.folder.path().join("index");
        let disk = Arc::new(self.disk.clone());
        self.storage = Some(Embedded::open_on(disk, &index, Self::SETTINGS, None).unwrap());
    }

    fn cut_power(&mut self) {
        self.storage = None;
        self.disk = self.disk.power_cut(Loss::All);
        self.reopen();
    }
}

/// A writer over a storage, with all that it should hold.
struct Writer<'s, S: Subject> {
    subject: &'s mut S,
    head: Option<Head>,
    frontier: Frontier,
    entries: Vec<(Arc<NewEntry>, Timestamp)>,
}

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn entry(key: &SigningKey, payload_type: &str, text: &str) -> Arc<NewEntry> {
    let pae = attest::envelope::pae(payload_type, text.as_bytes());
    let leaf = Leaf::of(&pae, &key.sign(&pae).unwrap(), key.public());
    Arc::new(NewEntry::new(leaf.bytes().to_vec(), Covered::Body(Arc::new(Body::new(pae)))))
}

impl<S: Subject> Writer<'_, S> {
    fn commit(&mut self, second: i64, entries: Vec<Arc<NewEntry>>) -> Result<(), CommitError> {
        let batch = Batch::new(&self.frontier, time(second), entries.clone()).unwrap();
        let (head, frontier) = (batch.head(), batch.frontier().clone());
        wait(self.subject.storage().commit(self.head.as_ref(), batch))?;
        (self.head, self.frontier) = (Some(head), frontier);
        self.entries.extend(entries.into_iter().map(|entry| (entry, time(second))));
        Ok(())
    }

    /// Everything that was committed is there, as it was, and nothing else is.
    fn check(&self) {
        let storage = self.subject.storage();
        let read = |key| wait(storage.read(&key)).unwrap();
        assert_eq!(wait(storage.head()).unwrap(), self.head);
        let mut hashes = Vec::new();
        for (index, (entry, time)) in self.entries.iter().enumerate() {
            let leaf_hash = merkle::leaf_hash(entry.leaf());
            hashes.push(leaf_hash);
            let body = match entry.covered() {
                Covered::Body(body) => {
                    let blob = Blob::Bytes(body.bytes().to_vec());
                    let of_entry = Key::BodyOf { entry: index as u64, hash: body.hash() };
                    assert_eq!(read(of_entry), Some(blob.clone()));
                    assert_eq!(read(Key::Body(body.hash())), Some(blob));
                    Some(body.hash())
                }
                Covered::Erased(hash) => Some(*hash),
                Covered::Unknown => None,
            };
            let stored = Stored { time: *time, body, leaf: entry.leaf().to_vec() };
            assert_eq!(read(Key::Entry(index as u64)), Some(Blob::Bytes(stored.encode())));
            let first = self.entries.iter().position(|(other, _)| other.leaf() == entry.leaf());
            let place = read(Key::IndexOf(leaf_hash)).unwrap();
            if first == Some(index)
                && !self.entries[index + 1..].iter().any(|(other, _)| other.leaf() == entry.leaf())
            {
                assert_eq!(place, Blob::Bytes((index as u64).to_be_bytes().to_vec()));
            }
        }
        let size = hashes.len() as u64;
        assert_eq!(
            self.head.map_or_else(merkle::empty_root, |head| head.root),
            merkle::root(&hashes)
        );
        for level in 0..10 {
            for (index, leaves) in hashes.chunks(1 << level).enumerate() {
                let node = Key::Node(Node { level, index: index as u64 });
                let whole = leaves.len() == 1 << level;
                let want = whole.then(|| Blob::Bytes(merkle::root(leaves).as_bytes().to_vec()));
                assert_eq!(read(node), want, "{node:?}");
            }
        }
        if let Some(last) = size.checked_sub(1) {
            for (start, count) in [(0, size), (last, 1), (size / 2, size - size / 2)] {
                let count = u16::try_from(count).unwrap();
                let range = start as usize..start as usize + usize::from(count);
                let want = hashes[range].iter().flat_map(|hash| *hash.as_bytes()).collect();
                assert_eq!(
                    read(Key::Hashes { level: 0, start, count }),
                    Some(Blob::Bytes(want)),
                    "{start} {count}"
                );
            }
        }
        for key in [
            Key::Entry(size),
            Key::Entry(u64::MAX),
            Key::Body(Sha256::of(b"never")),
            Key::IndexOf(Sha256::of(b"never")),
            Key::Node(Node { level: 63, index: u64::MAX }),
            Key::Hashes { level: 0, start: 0, count: u16::try_from(size + 1).unwrap() },
            Key::Hashes { level: 9, start: u64::MAX, count: 1 },
        ] {
            assert_eq!(read(key), None, "{key:?}");
        }
    }
}

/// Runs `test` over a fresh storage of each kind.
macro_rules! each_storage {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&mut super::InMemory(super::Memory::new())); })*
        }
        mod embedded {
            $(#[test] fn $name() { super::$name(&mut super::InFolder::new()); })*
        }
    };
}

each_storage!(
    what_was_committed_lasts_and_can_be_read,
    the_head_moves_only_from_the_head_that_was_seen,
    time_does_not_go_back,
    the_same_body_again_is_fine,
    entries_without_a_body_are_kept,
    answers_are_complete_and_ordered,
    times_bound_answers,
);

fn writer<S: Subject>(subject: &mut S) -> Writer<'_, S> {
    Writer { subject, head: None, frontier: Frontier::new(), entries: Vec::new() }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

fn what_was_committed_lasts_and_can_be_read<S: Subject>(subject: &mut S) {
    let (key, mut writer) = (key(), writer(subject));
    writer.check();
    for (round, count) in [1, 1, 5, 2, 13].into_iter().enumerate() {
        let text = |number| format!("{round} {number} {}", "x".repeat(round * 700));
        let entries = (0..count).map(|number| entry(&key, "text/plain", &text(number)));
        writer.commit(round as i64, entries.collect()).unwrap();
        writer.check();
        if round % 2 == 0 {
            writer.subject.cut_power();
        } else {
            writer.subject.reopen();
        }
        writer.check();
    }
}

fn the_head_moves_only_from_the_head_that_was_seen<S: Subject>(subject: &mut S) {
    let (key, mut writer) = (key(), writer(subject));
    writer.commit(1, vec![entry(&key, "text/plain", "first")]).unwrap();
    let first = (writer.head, writer.frontier.clone());
    writer.commit(2, vec![entry(&key, "text/plain", "second")]).unwrap();
    let second = writer.head;

    let other = |frontier: &Frontier| {
        Batch::new(frontier, time(3), vec![entry(&key, "text/plain", "other")]).unwrap()
    };
    let wrong_root = Head { root: Sha256::of(b"x"), ..second.unwrap() };
    let cases = [
        ("no head", None, other(&Frontier::new())),
        ("an old head", first.0, other(&first.1)),
        ("another root", Some(wrong_root), other(&writer.frontier)),
        ("this head, an old tree", second, other(&first.1)),
    ];
    for (name, from, batch) in cases {
        let error = wait(writer.subject.storage().commit(from.as_ref(), batch)).unwrap_err();
        assert!(matches!(error, CommitError::Conflict { found, .. } if found == second), "{name}");
        writer.check();
    }
    writer.commit(3, vec![entry(&key, "text/plain", "third")]).unwrap();
    writer.check();
}

fn time_does_not_go_back<S: Subject>(subject: &mut S) {
    let (key, mut writer) = (key(), writer(subject));
    writer.commit(10, vec![entry(&key, "text/plain", "a")]).unwrap();
    let error = writer.commit(9, vec![entry(&key, "text/plain", "b")]).unwrap_err();
    assert!(matches!(error, CommitError::Earlier { .. }));
    writer.check();
    writer.commit(10, vec![entry(&key, "text/plain", "b")]).unwrap();
    writer.check();
}

fn the_same_body_again_is_fine<S: Subject>(subject: &mut S) {
    let (first, second, mut writer) = (key(), key(), writer(subject));
    let both = [entry(&first, "text/plain", "same"), entry(&second, "text/plain", "same")];
    writer.commit(1, both.to_vec()).unwrap();
    writer.commit(2, vec![entry(&key(), "text/plain", "same")]).unwrap();
    writer.check();
    writer.subject.reopen();
    writer.check();
}

fn entries_without_a_body_are_kept<S: Subject>(subject: &mut S) {
    let (key, mut writer) = (key(), writer(subject));
    let without = |text, covered| {
        Arc::new(NewEntry::new(entry(&key, "text/plain", text).leaf().to_vec(), covered))
    };
    let bare = without("a", Covered::Unknown);
    let erased = without("b", Covered::Erased(Sha256::of(b"gone")));
    writer.commit(1, vec![bare, entry(&key, "text/plain", "c"), erased]).unwrap();
    writer.check();
    writer.subject.reopen();
    writer.check();
}

/// Every page of a query, joined.
fn all<S: Storage>(storage: &S, mut query: Query) -> Vec<u64> {
    let mut found = Vec::new();
    for _ in 0..1000 {
        let page = wait(storage.find(&query)).unwrap();
        assert!(page.indices.len() <= query.limit.max(1));
        assert_eq!(Some(page.complete_to), wait(storage.head()).unwrap().map(|head| head.tree()));
        found.extend(page.indices);
        match page.next {
            Some(next) => query.start = Some(next),
            None => return found,
        }
    }
    panic!("pages without end");
}

fn answers_are_complete_and_ordered<S: Subject>(subject: &mut S) {
    let keys = [key(), key()];
    let mut writer = writer(subject);
    let mut facts: Vec<Arc<NewEntry>> = Vec::new();
    for round in 0..12_usize {
        let entries: Vec<Arc<NewEntry>> = (0..round % 4 + 1)
            .map(|number| {
                let payload_type = ["text/a", "text/b", "text/c"][(round + number) % 3];
                entry(&keys[number % 2], payload_type, &format!("{round} {number}"))
            })
            .collect();
        let batch = Batch::new(&writer.frontier, time(round as i64), entries.clone()).unwrap();
        facts.extend(batch.entries().iter().map(Arc::clone));
        writer.commit(round as i64, entries).unwrap();
        if round == 7 {
            writer.subject.reopen();
        }
    }
    let kinds: Vec<Term> =
        ["text/a", "text/b", "text/none"].map(|name| Term::Type(name.into())).into();
    let signers: Vec<Term> = keys.iter().map(|key| Term::Signer(key.public().id())).collect();
    let mut queries: Vec<Vec<Term>> = vec![Vec::new()];
    queries.extend(kinds.iter().chain(&signers).map(|term| vec![term.clone()]));
    queries.extend(
        kinds
            .iter()
            .flat_map(|kind| signers.iter().map(|signer| vec![kind.clone(), signer.clone()])),
    );
    queries.push(kinds.clone());
    for terms in queries {
        let want: Vec<u64> = (0..facts.len() as u64)
            .filter(|index| terms.iter().all(|term| facts[*index as usize].has(term)))
            .collect();
        for limit in [0, 1, 3, 1000, usize::MAX] {
            let mut query = Query { terms: terms.clone(), limit, ..Query::default() };
            assert_eq!(all(writer.subject.storage(), query.clone()), want, "{terms:?}");
            query.order = Order::NewestFirst;
            let newest_first: Vec<u64> = want.iter().rev().copied().collect();
            assert_eq!(all(writer.subject.storage(), query), newest_first, "{terms:?}");
        }
        let mut from_the_middle =
            Query { terms: terms.clone(), start: Some(9), limit: 2, ..Query::default() };
        let rest: Vec<u64> = want.iter().copied().filter(|index| *index >= 9).collect();
        assert_eq!(all(writer.subject.storage(), from_the_middle.clone()), rest, "{terms:?}");
        from_the_middle.order = Order::NewestFirst;
        let rest: Vec<u64> = want.iter().rev().copied().filter(|index| *index <= 9).collect();
        assert_eq!(all(writer.subject.storage(), from_the_middle), rest, "{terms:?}");
    }
    let many = Query { terms: vec![kinds[0].clone(); MAX_QUERY_TERMS + 1], ..Query::default() };
    let error = wait(writer.subject.storage().find(&many)).unwrap_err();
    assert!(matches!(error, StorageError::TooManyTerms(_)));
}

fn times_bound_answers<S: Subject>(subject: &mut S) {
    let (key, mut writer) = (key(), writer(subject));
    let empty =
        wait(writer.subject.storage().find(&Query { from: Some(time(0)), ..Query::default() }));
    assert_eq!(empty.unwrap().indices, Vec::<u64>::new());
    // Entries 0 1 | 2 | 3 4 at these times.
    for (second, count) in [(-10, 2), (20, 1), (20, 2)] {
        let text = |number| format!("{second} {number} {}", writer.entries.len());
        let entries = (0..count).map(|number| entry(&key, "text/plain", &text(number))).collect();
        writer.commit(second, entries).unwrap();
    }
    let cases: [(Option<i64>, Option<i64>, &[u64]); 8] = [
        (None, None, &[0, 1, 2, 3, 4]),
        (Some(-10), None, &[0, 1, 2, 3, 4]),
        (Some(-9), None, &[2, 3, 4]),
        (Some(20), None, &[2, 3, 4]),
        (Some(21), None, &[]),
        (None, Some(-10), &[]),
        (None, Some(20), &[0, 1]),
        (Some(-10), Some(21), &[0, 1, 2, 3, 4]),
    ];
    for (from, until, want) in cases {
        let query =
            Query { from: from.map(time), until: until.map(time), limit: 2, ..Query::default() };
        assert_eq!(all(writer.subject.storage(), query.clone()), want, "{from:?} {until:?}");
        let newest_first: Vec<u64> = want.iter().rev().copied().collect();
        let query = Query { order: Order::NewestFirst, ..query };
        assert_eq!(all(writer.subject.storage(), query), newest_first, "{from:?} {until:?}");
    }
}

/// Promise 5, for what lasts: a failure or a power cut at any operation leaves the old head or
/// the new one, and what was acknowledged.
#[test]
fn a_crash_leaves_the_old_head_or_the_new_one() {
    let key = key();
    for operation in 1.. {
        let mut subject = InFolder::new();
        let mut writer = writer(&mut subject);
        for round in 0..3 {
            let text = format!("{round} {}", "x".repeat(2500));
            writer.commit(round, vec![entry(&key, "text/plain", &text)]).unwrap();
        }
        let old = writer.head;
        let text = "y".repeat(2500);
        let last = entry(&key, "text/plain", &text);
        let new = Batch::new(&writer.frontier, time(9), vec![last.clone()]).unwrap();
        writer.subject.disk.fail(operation, operation % 2 == 0);
        let acknowledged = writer.commit(9, vec![last.clone()]).is_ok();
        if acknowledged {
            assert!(operation > 4);
            break;
        }
        assert_eq!(wait(writer.subject.storage().head()).unwrap(), old);
        for loss in [Loss::All, Loss::None, Loss::Torn(0), Loss::Torn(1)] {
            let disk = Arc::new(writer.subject.disk.power_cut(loss));
            let folder = tempfile::tempdir().unwrap();
            let storage =
                Embedded::open_on(disk, &folder.path().join("index"), InFolder::SETTINGS, None)
                    .unwrap();
            let head = wait(storage.head()).unwrap();
            assert!(head == old || head == Some(new.head()), "{operation} {loss:?}");
            let again = Batch::new(
                if head == old { &writer.frontier } else { new.frontier() },
                time(10),
                vec![entry(&key, "text/plain", "after")],
            );
            wait(storage.commit(head.as_ref(), again.unwrap())).unwrap();
        }
        drop(writer);
        // The same storage goes on after it was opened anew, with its own index.
        subject.reopen();
        let head = wait(subject.storage().head()).unwrap();
        assert!(head == old || head == Some(new.head()), "{operation}");
    }
}
