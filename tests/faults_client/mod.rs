//! A client of the service that keeps its receipts where no fault of the service reaches them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use attest::{Algorithm, Checkpoint, Envelope, Leaf, Sha256, SigningKey, VerifierKey};
use serde::de::DeserializeOwned;
use server::wire::{Consistency, Inclusion, Receipts, Submission};
use verify::{Trust, merkle};

pub(crate) mod service;

const PATIENCE: Duration = Duration::from_secs(30);

/// A submitter who believes nothing that does not fit what was said before. Several threads may
/// submit at once.
pub(crate) struct Client {
    key: SigningKey,
    log: VerifierKey,
    agent: ureq::Agent,
    next: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// What was acknowledged: the leaf's hash at each index.
    receipts: BTreeMap<u64, Sha256>,
    /// Acknowledged since the last check.
    fresh: Vec<u64>,
    /// The largest tree that was seen.
    newest: Option<Checkpoint>,
}

impl Client {
    /// A client of the register in `folder`, whose key it takes from the trust file.
    pub(crate) fn new(folder: &Path) -> Self {
        let trust = fs::read_to_string(folder.join(".assay/trust.yaml")).unwrap();
        let trust = Trust::parse(&trust).unwrap();
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        Self {
            key: SigningKey::generate(Algorithm::P256).unwrap(),
            log: trust.logs()[0].key().clone(),
            agent: config.into(),
            next: AtomicU64::new(0),
            kept: Mutex::default(),
        }
    }

    /// How many entries were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.kept.lock().unwrap().receipts.len()
    }

    /// Submits one new envelope with `padding` bytes on top, and keeps the receipt; otherwise what
    /// the service said, or that it did not.
    pub(crate) fn submit(&self, url: &str, padding: usize) -> Result<u64, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let text = format!("{number} {}", "x".repeat(padding));
        let envelope = Envelope::sign("text/plain", text.into_bytes(), &[&self.key]).unwrap();
        let submission = Submission {
            envelope: serde_json::from_slice(&envelope.to_json()).unwrap(),
            verifiers: vec![Submission::verifier(self.key.public())],
        };
        let mut answer = self
            .agent
            .post(format!("{url}/v1/entries"))
            .send_json(&submission)
            .map_err(|error| error.to_string())?;
        let body = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
        if answer.status() != 200 {
            return Err(format!("{}: {body}", answer.status()));
        }
        let receipts: Receipts = serde_json::from_str(&body).map_err(|error| error.to_string())?;
        let [receipt] = receipts.entries.as_slice() else { panic!("one receipt: {body}") };
        let [entry] = receipt.bundle.0.entries.as_slice() else { panic!("one entry: {body}") };
        assert!(!receipt.duplicate, "{body}");
        let leaf = Leaf::parse(&entry.leaf).unwrap();
        assert!(leaf.covers(&envelope.pae()), "{body}");
        let proof = entry.proof.as_ref().unwrap();
        let checkpoint = Checkpoint::open(&proof.checkpoint, &self.log).unwrap();
        let Checkpoint { size, root, .. } = &checkpoint;
        merkle::verify_inclusion(receipt.index, *size, &leaf.hash(), &proof.hashes, root).unwrap();

        let mut kept = self.kept.lock().unwrap();
        let other = kept.receipts.insert(receipt.index, leaf.hash());
        assert_eq!(other, None, "two receipts for entry {}", receipt.index);
        kept.fresh.push(receipt.index);
        if kept.newest.as_ref().is_none_or(|newest| newest.size < *size) {
            kept.newest = Some(checkpoint);
        }
        Ok(receipt.index)
    }

    /// The newest checkpoint extends what was seen before, and holds what was acknowledged since
    /// the last check, and everything else on every `whole`.
    pub(crate) fn check(&self, url: &str, whole: bool) {
        let note = self.agent.get(format!("{url}/checkpoint")).call().unwrap();
        let note = note.into_body().read_to_string().unwrap();
        let newest = Checkpoint::open(&note, &self.log).unwrap();
        let mut kept = self.kept.lock().unwrap();
        if let Some(seen) = kept.newest.as_ref().filter(|seen| seen.size > 0) {
            assert!(newest.size >= seen.size, "{} entries after {}", newest.size, seen.size);
            let query = format!("from={}&to={}", seen.size, newest.size);
            let proof: Consistency = self.get(url, "consistency", &query);
            let (from, to) = (seen.size, newest.size);
            merkle::verify_consistency(from, to, &proof.hashes, &seen.root, &newest.root).unwrap();
        }
        let fresh = std::mem::take(&mut kept.fresh);
        let indices = if whole { kept.receipts.keys().copied().collect() } else { fresh };
        for index in indices {
            let query = format!("index={index}&size={}", newest.size);
            let proof: Inclusion = self.get(url, "inclusion", &query);
            let hash = &kept.receipts[&index];
            assert_eq!(proof.leaf_hash, *hash, "entry {index}");
            merkle::verify_inclusion(index, newest.size, hash, &proof.hashes, &newest.root)
                .unwrap();
        }
        kept.newest = Some(newest);
    }

    /// Asks for a page that needs no proof; its status and text.
    pub(crate) fn ask(&self, url: &str, path: &str) -> (u16, String) {
        let answer = self.agent.get(format!("{url}{path}")).call().unwrap();
        (answer.status().as_u16(), answer.into_body().read_to_string().unwrap())
    }

    fn get<T: DeserializeOwned>(&self, url: &str, proof: &str, query: &str) -> T {
        let answer = self.agent.get(format!("{url}/v1/proofs/{proof}?{query}")).call().unwrap();
        let status = answer.status();
        let body = answer.into_body().read_to_string().unwrap();
        assert_eq!(status, 200, "{proof} {query}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}
