//! Many who submit at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use attest::{Checkpoint, NoteSigner, SigningKey};
use verify::merkle::verify_inclusion;

use super::super::memory::Memory;
use super::super::storage::{Page, Query};
use super::*;

/// A storage that takes a while for each commit, counts them, and fails one if told to.
#[derive(Default)]
struct Slow {
    memory: Memory,
    commits: AtomicU64,
    fails_at: AtomicU64,
}

impl Storage for Slow {
    async fn head(&self) -> Result<Option<Head>, StorageError> {
        self.memory.head().await
    }

    async fn read(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        self.memory.read(key).await
    }

    async fn find(&self, query: &Query) -> Result<Page, StorageError> {
        self.memory.find(query).await
    }

    async fn commit(&self, from: Option<&Head>, batch: Batch) -> Result<(), CommitError> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if number == self.fails_at.load(Ordering::SeqCst) {
            return Err(CommitError::Storage(StorageError::Poisoned));
        }
        self.memory.commit(from, batch).await
    }
}

async fn register() -> Arc<Register<Slow>> {
    let signer = NoteSigner::new("assay.local/0", key(7)).unwrap();
    Arc::new(Register::open(Slow::default(), signer).await.unwrap())
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
}

async fn submit(register: &Register<Slow>, number: u64) -> Result<Vec<Receipt>, SubmitError> {
    let payload = number.to_string().into_bytes();
    let envelope = Envelope::sign("text/plain", payload, &[&key(1)]).unwrap();
    register.submit(&envelope, &[key(1).public().clone()], Timestamp::UNIX_EPOCH).await
}

#[tokio::test]
async fn many_are_committed_together_and_each_gets_its_own_receipt() {
    let register = register().await;
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let register = Arc::clone(&register);
            // Every fourth is submitted twice.
            tokio::spawn(async move { (number, submit(&register, number - number % 4 / 3).await) })
        })
        .collect();
    let mut indices = BTreeSet::new();
    let mut duplicates = 0;
    for task in tasks {
        let (number, receipts) = task.await.unwrap();
        let receipts = receipts.unwrap();
        let [Receipt { index, duplicate, bundle }] = receipts.as_slice() else { panic!() };
        let payload = (number - number % 4 / 3).to_string().into_bytes();
        assert_eq!(bundle.envelope.payload, payload);
        let entry = &bundle.entries[0];
        let proof = entry.proof.as_ref().unwrap();
        let checkpoint = Checkpoint::open(&proof.checkpoint, register.verifier()).unwrap();
        let leaf = verify::merkle::leaf_hash(&entry.leaf);
        verify_inclusion(*index, checkpoint.size, &leaf, &proof.hashes, &checkpoint.root).unwrap();
        duplicates += usize::from(*duplicate);
        indices.insert(*index);
    }
    assert_eq!(indices, (0..48).collect());
    assert_eq!(duplicates, 16);
    let commits = register.storage().commits.load(Ordering::SeqCst);
    assert!((1..=4).contains(&commits), "{commits}");
}

#[tokio::test]
async fn a_commit_that_fails_fails_all_that_it_was_for_and_no_other() {
    let register = register().await;
    register.storage().fails_at.store(2, Ordering::SeqCst);
    let first = tokio::spawn({
        let register = Arc::clone(&register);
        async move { submit(&register, 0).await }
    });
    // They come while the first is committed, and are committed together.
    while register.storage().commits.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let group: Vec<_> = (1..9)
        .map(|number| {
            let register = Arc::clone(&register);
            tokio::spawn(async move { submit(&register, number).await })
        })
        .collect();
    assert!(first.await.unwrap().is_ok());
    for task in group {
        assert!(matches!(task.await.unwrap(), Err(SubmitError::Commit(_))));
    }
    assert_eq!(submit(&register, 1).await.unwrap()[0].index, 1);
}

#[tokio::test]
async fn whoever_leads_and_goes_away_leaves_nobody_waiting() {
    let register = register().await;
    let leader = tokio::spawn({
        let register = Arc::clone(&register);
        async move { submit(&register, 0).await }
    });
    while register.storage().commits.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let group: Vec<_> = (0..8)
        .map(|number| {
            let register = Arc::clone(&register);
            tokio::spawn(async move { submit(&register, number).await })
        })
        .collect();
    tokio::task::yield_now().await;
    leader.abort();
    for task in group {
        assert!(task.await.unwrap().is_ok());
    }
    assert_eq!(register.storage().head().await.unwrap().unwrap().size, 8);
    assert_eq!(register.waiting(), 0);
}

#[tokio::test]
async fn whose_clock_is_behind_is_refused_alone() {
    let register = register().await;
    let payload = |text: &str| Envelope::sign("text/plain", text.into(), &[&key(1)]).unwrap();
    let at = |seconds| Timestamp::from_second(seconds).unwrap();
    let keys = [key(1).public().clone()];
    register.submit(&payload("first"), &keys, at(10_000)).await.unwrap();
    let (behind, right) = (payload("behind"), payload("right"));
    let (behind, right) = tokio::join!(
        register.submit(&behind, &keys, at(9_000)),
        register.submit(&right, &keys, at(9_990))
    );
    assert!(matches!(behind, Err(SubmitError::ClockBehind { .. })));
    assert_eq!(right.unwrap()[0].index, 1);
}
