//! What the register does when what it stands on fails, judged by a client that keeps its receipts
//! elsewhere: what was acknowledged is there, what was shown was only added to, and the register
//! takes new entries without repair by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use attest::envelope::IN_TOTO;
use attest::leaf::body_digests;
use attest::predicate::TOMBSTONE;
use attest::statement::STATEMENT_V1;
use attest::{
    Algorithm, Checkpoint, Envelope, Leaf, NoteSigner, PublicKey, Sha256, SigningKey, Statement,
    Timestamp,
};
use verify::merkle;

use super::contract::wait;
use super::facts::terms;
use super::record::JournalId;
use super::simulated::{Dice, Loss, SimulatedDisk};
use super::*;

mod damage;
mod failing;
mod index;
mod power;

/// Small segments, so that a few commits fill one.
const SETTINGS: Settings = Settings { segment_bytes: 8192, cache_bytes: 1 << 20 };

/// Envelopes to submit: most small, every fourth with a body of several sectors.
static ENVELOPES: LazyLock<Vec<Envelope>> = LazyLock::new(|| {
    let make = |number: usize| {
        if number % 4 == 3 {
            let text = format!("{number} {}", "x".repeat(2600));
            return Envelope::sign("text/plain", text.into_bytes(), &[&*KEY]).unwrap();
        }
        let hex = Sha256::of(&[number as u8 % 5]).hex();
        let statement = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"model-{}","digest":{{"sha256":"{hex}"}}}}],"predicateType":"https://example.com/review/v{}","predicate":{{"number":{number}}}}}"#,
            number % 7,
            number % 3
        );
        Envelope::sign(IN_TOTO, statement.into_bytes(), &[&*KEY]).unwrap()
    };
    (0..64).map(make).collect()
});
/// The tombstones of the envelopes that are erased.
static TOMBSTONES: LazyLock<BTreeMap<usize, Envelope>> = LazyLock::new(|| {
    let make = |number: usize| {
        let envelope = &ENVELOPES[number];
        let digests = body_digests(&envelope.pae());
        let digests: BTreeMap<&str, &str> =
            digests.iter().map(|(name, hex)| (*name, hex.as_str())).collect();
        let erased = match envelope.payload_type.as_str() {
            IN_TOTO => Statement::parse(&envelope.payload).unwrap().predicate_type().to_owned(),
            other => other.to_owned(),
        };
        let tombstone = serde_json::json!({
            "_type": STATEMENT_V1,
            "subject": [{"name": "it", "digest": digests}],
            "predicateType": TOMBSTONE,
            "predicate": {"predicateType": erased, "reason": "asked for"},
        });
        let payload = tombstone.to_string().into_bytes();
        (number, Envelope::sign(IN_TOTO, payload, &[&*KEY]).unwrap())
    };
    WORK.into_iter().filter_map(Step::erased).map(make).collect()
});
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::P256).unwrap());
static VERIFIERS: LazyLock<[PublicKey; 1]> = LazyLock::new(|| [KEY.public().clone()]);

fn signer() -> NoteSigner {
    NoteSigner::new("assay.local/0", SigningKey::from_ed25519_seed(&[7; 32]).unwrap()).unwrap()
}

/// A machine with a register: a disk that can fail, and a folder for the index.
struct Machine {
    disk: SimulatedDisk,
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self::with(SimulatedDisk::default())
    }

    /// A machine that has this disk and has lost its index.
    fn with(disk: SimulatedDisk) -> Self {
        // Nothing here asks what the index's own files survive: in memory they are quickest.
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { disk, folder: folder.unwrap() }
    }

    /// The same machine once more, with a copy of its index.
    fn again(&self) -> Self {
        let copied = Self::with(self.disk.restart());
        copy(&self.index(), &copied.index());
        copied
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    /// Opens the register, or makes it when there is none.
    fn open(&self) -> Result<Register<Embedded>, ReadError> {
        let disk = || Arc::new(self.disk.clone());
        let storage = match Embedded::open_on(disk(), &self.index(), SETTINGS, None) {
            Err(StorageError::Journal(JournalError::NotFound)) => {
                let id = JournalId([5; 16]);
                Embedded::create_on(disk(), &self.index(), "assay.local/0", id, SETTINGS, None)
            }
            other => other,
        };
        wait(Register::open(storage?, signer()))
    }
}

/// A submitter who believes nothing that does not fit what was said before.
#[derive(Clone, Default)]
struct Client {
    /// Which envelope comes next.
    next: usize,
    /// What was acknowledged: the leaf's hash at each index.
    receipts: BTreeMap<u64, Sha256>,
    /// Envelopes that were submitted and neither acknowledged nor refused.
    unknown: Vec<usize>,
    /// Envelopes that were acknowledged.
    known: BTreeSet<usize>,
    /// Those of them that were to be erased, which was not answered.
    going: BTreeSet<usize>,
    /// Those of them that are erased.
    gone: BTreeSet<usize>,
    /// Every checkpoint that was seen, once.
    shown: Vec<Checkpoint>,
}

impl Client {
    /// Submits the next `count` envelopes in one commit, and keeps the receipts.
    fn submit<S: Storage>(
        &mut self,
        register: &Register<S>,
        count: usize,
    ) -> Result<(), SubmitError> {
        let numbers: Vec<usize> = (self.next..self.next + count).collect();
        self.next += count;
        self.unknown.extend(&numbers);
        self.hand_in(register, &numbers)?;
        self.unknown.retain(|number| !numbers.contains(number));
        Ok(())
    }

    /// Has an envelope erased that was acknowledged, as the command does it: what was begun before
    /// is brought to its end.
    fn erase(&mut self, register: &Register<Embedded>, number: usize) -> Result<(), EraseError> {
        if !self.known.contains(&number) {
            return Ok(());
        }
        self.going.insert(number);
        let (body, stone) = (ENVELOPES[number].body(), &TOMBSTONES[&number]);
        let now = Timestamp::from_second(self.next as i64).unwrap();
        let begun = wait(register.finish_erasing(&body, KEY.public().id()))?;
        let erased = match begun {
            Some(erased) => erased,
            None => wait(register.erase(&body, stone, &*VERIFIERS, now))?,
        };
        self.going.remove(&number);
        self.gone.insert(number);
        // The tombstone is a receipt like any other.
        let entry = wait(register.entry(erased.tombstone))?;
        assert!(entry.leaf.covers(&stone.pae()));
        let before = self.receipts.insert(erased.tombstone, entry.leaf.hash());
        assert!(before.is_none_or(|before| before == entry.leaf.hash()));
        Ok(())
    }

    /// Takes one step of the work; whether nothing failed.
    fn does(&mut self, register: &Register<Embedded>, step: Step) -> bool {
        match step {
            Step::Commit(count) => self.submit(register, count).is_ok(),
            Step::Erase(number) => self.erase(register, number).is_ok(),
        }
    }

    /// Submits again what was never answered, has erased what should be, and submits one envelope
    /// more.
    fn go_on(&mut self, register: &Register<Embedded>) {
        for number in std::mem::take(&mut self.unknown) {
            self.hand_in(register, &[number]).unwrap();
        }
        for number in self.going.clone() {
            self.erase(register, number).unwrap();
        }
        self.submit(register, 1).unwrap();
    }

    fn hand_in<S: Storage>(
        &mut self,
        register: &Register<S>,
        numbers: &[usize],
    ) -> Result<(), SubmitError> {
        let submissions: Vec<Submission<'_>> = numbers
            .iter()
            .map(|number| Submission { envelope: &ENVELOPES[*number], verifiers: &*VERIFIERS })
            .collect();
        let now = Timestamp::from_second(self.next as i64).unwrap();
        for receipt in wait(register.submit_all(&submissions, now))?.iter().flatten() {
            let [entry] = receipt.bundle.entries.as_slice() else { panic!("one entry") };
            let proof = entry.proof.as_ref().unwrap();
            let checkpoint = Checkpoint::open(&proof.checkpoint, signer().verifier()).unwrap();
            let hash = Leaf::parse(&entry.leaf).unwrap().hash();
            let Checkpoint { size, root, .. } = &checkpoint;
            merkle::verify_inclusion(receipt.index, *size, &hash, &proof.hashes, root).unwrap();
            let before = self.receipts.insert(receipt.index, hash);
            assert!(before.is_none_or(|before| before == hash), "index {}", receipt.index);
            self.see(checkpoint);
        }
        self.known.extend(numbers);
        Ok(())
    }

    /// Sees where the register stands after a fault, lets it take new entries, and checks all.
    fn comes_back(&mut self, register: &Register<Embedded>) {
        self.see(wait(register.signed()).unwrap().checkpoint.clone());
        self.go_on(register);
        self.check(register);
    }

    fn see(&mut self, checkpoint: Checkpoint) {
        if !self.shown.contains(&checkpoint) {
            self.shown.push(checkpoint);
        }
    }

    /// Everything that was acknowledged is there and provable, and every checkpoint that was shown
    /// leads to the newest one.
    fn check<S: Storage>(&mut self, register: &Register<S>) {
        let note = wait(register.checkpoint()).unwrap();
        let newest = Checkpoint::open(&note, signer().verifier()).unwrap();
        for shown in self.shown.iter().filter(|shown| shown.size > 0) {
            assert!(shown.size <= newest.size, "{} after {}", newest.size, shown.size);
            let proof = wait(register.consistency(shown.size, newest.size)).unwrap();
            merkle::verify_consistency(
                shown.size,
                newest.size,
                &proof.hashes,
                &shown.root,
                &newest.root,
            )
            .unwrap();
        }
        for (index, hash) in &self.receipts {
            let entry = wait(register.entry(*index)).unwrap();
            assert_eq!(entry.leaf.hash(), *hash, "entry {index}");
            assert!(self.expects(&entry), "entry {index}: {:?}", entry.body);
            let proof = wait(register.inclusion(*index, newest.size)).unwrap();
            merkle::verify_inclusion(*index, newest.size, hash, &proof.hashes, &newest.root)
                .unwrap();
        }
        self.see(newest);
    }

    /// Whether an entry has its statement, whole: or has not, because that was erased.
    fn expects(&self, entry: &Entry) -> bool {
        let is_among = |numbers: &BTreeSet<usize>, body: &Sha256| {
            numbers.iter().any(|number| ENVELOPES[*number].body() == *body)
        };
        match &entry.body {
            EntryBody::Here { hash, envelope } => {
                entry.leaf.covers(&envelope.pae()) && !is_among(&self.gone, hash)
            }
            EntryBody::Erased(hash) => is_among(&self.gone, hash) || is_among(&self.going, hash),
            EntryBody::Unknown => false,
        }
    }

    /// Whether no file has anything left of what was erased.
    fn finds_nothing_erased(&self, disk: &SimulatedDisk) -> bool {
        let start = |number: &usize| {
            let mut pae = ENVELOPES[*number].pae();
            pae.truncate(400);
            pae
        };
        let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|found| found == part);
        let gone: Vec<Vec<u8>> = self.gone.iter().map(start).collect();
        disk.contents().values().all(|bytes| gone.iter().all(|part| !has(bytes, part)))
    }
}

/// Every answer to a question of one term is what going through all entries gives: nothing is found
/// by what an erased statement said, whatever the index may know still.
fn answers_like_a_scan<S: Storage>(register: &Register<S>) {
    let size = wait(register.signed()).unwrap().checkpoint.size;
    let mut want: BTreeMap<Term, Vec<u64>> = BTreeMap::new();
    let mut hashes = Vec::new();
    for index in 0..size {
        let entry = wait(register.entry(index)).unwrap();
        hashes.push(entry.leaf.hash());
        for term in terms(entry.leaf.bytes(), entry.pae().as_deref()) {
            want.entry(term).or_default().push(index);
        }
    }
    assert_eq!(wait(register.root(size)).unwrap(), merkle::root(&hashes));
    want.insert(Term::Name("nowhere".into()), Vec::new());
    for (term, want) in want {
        let mut query = Query { terms: vec![term.clone()], limit: 4, ..Query::default() };
        let mut found = Vec::new();
        for _ in 0..=size {
            let page = wait(register.find(&query)).unwrap();
            assert_eq!(page.complete_to.size, size);
            found.extend(page.entries.iter().map(|entry| entry.index));
            match page.next {
                Some(next) => query.start = Some(next),
                None => break,
            }
        }
        assert_eq!(found, want, "{term:?}");
    }
}

/// Something that a register is asked to do.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// To commit so many envelopes at once.
    Commit(usize),
    /// To erase the statement of this envelope.
    Erase(usize),
}

impl Step {
    const fn erased(self) -> Option<usize> {
        match self {
            Self::Commit(_) => None,
            Self::Erase(number) => Some(number),
        }
    }
}

/// What a register goes through before and after a fault: commits of one entry and of several,
/// small and large, over more than one segment; a body of several sectors is erased, and a small
/// one.
const WORK: [Step; 9] = [
    Step::Commit(1),
    Step::Commit(3),
    Step::Commit(1),
    Step::Erase(3),
    Step::Commit(1),
    Step::Commit(4),
    Step::Erase(2),
    Step::Commit(1),
    Step::Commit(2),
];

/// Opens the register and works until something fails; whether nothing did.
fn work(machine: &Machine, client: &mut Client) -> bool {
    let Ok(register) = machine.open() else { return false };
    client.see(wait(register.signed()).unwrap().checkpoint.clone());
    WORK.into_iter().all(|step| client.does(&register, step))
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        if file.path().is_dir() {
            copy(&file.path(), &to);
        } else {
            std::fs::copy(file.path(), to).unwrap();
        }
    }
}
