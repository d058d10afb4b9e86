//! A witness for other people's logs: decides, makes it last, cosigns.
//!
//! It keeps no entries and asks nobody. For each log it knows the largest tree that it cosigned,
//! and it cosigns nothing that is not shown to extend it. Requests about one log take turns.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use attest::{Checkpoint, Cosigner, Note, NoteError, Sha256, VerifierKey};

use super::request::{AddCheckpoint, RequestError};
use super::state::{Cosigned, Refusal};
use super::store::{Store, StoreError};

/// How many logs a witness can have.
pub const MAX_LOGS: usize = 10_000;
/// How many keys of one log.
const MAX_KEYS: usize = 8;

/// Cosigns the checkpoints of the logs that it was given.
#[derive(Debug)]
pub struct Witness {
    cosigner: Cosigner,
    store: Store,
    logs: BTreeMap<String, Log>,
}

#[derive(Debug)]
struct Log {
    /// The keys of the log, any of which may have signed: two while a log rotates its key.
    keys: Vec<VerifierKey>,
    /// What was cosigned last, and when; to be read from the store when it is not known.
    last: Mutex<Option<(Cosigned, u64)>>,
}

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The request cannot be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The checkpoint must not be cosigned.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The clock is before the newest cosignature.
    #[error("the clock is at {now} s, before the newest cosignature at {last} s: set the clock")]
    ClockBehind {
        /// The time, in seconds since 1970.
        now: u64,
        /// When the newest cosignature was made.
        last: u64,
    },
    /// The state cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Signing failed.
    #[error("cannot sign")]
    Sign(#[source] NoteError),
    /// The same key of a log twice, or too many logs or keys.
    #[error(
        "log `{0}` is given twice with one key or with more than {MAX_KEYS}, or there are more than {MAX_LOGS} logs"
    )]
    Logs(
        /// The log.
        String,
    ),
}

impl Witness {
    /// The witness that signs as `cosigner` and keeps its state in `folder`. Several keys of one
    /// name are those of one log. The state of every log is read, so that damage is noticed at the
    /// start.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn open(
        folder: &Path,
        cosigner: Cosigner,
        keys: Vec<VerifierKey>,
    ) -> Result<Self, WitnessError> {
        let store = Store::open(folder, cosigner.verifier())?;
        let mut logs: BTreeMap<String, Log> = BTreeMap::new();
        for key in keys {
            let name = key.name().to_owned();
            let full = logs.len() == MAX_LOGS;
            match logs.get_mut(&name) {
                Some(log) if log.keys.contains(&key) || log.keys.len() == MAX_KEYS => {
                    return Err(WitnessError::Logs(name));
                }
                Some(log) => log.keys.push(key),
                None if full => return Err(WitnessError::Logs(name)),
                None => {
                    let last = Mutex::new(Some(store.load(&name, cosigner.verifier())?));
                    logs.insert(name, Log { keys: vec![key], last });
                }
            }
        }
        Ok(Self { cosigner, store, logs })
    }

    /// Answers `add-checkpoint` at `now`, in seconds since 1970: the line with the cosignature.
    /// It blocks on the disk.
    ///
    /// # Errors
    /// [`WitnessError`]; nothing was cosigned then.
    pub fn add(&self, body: &str, now: u64) -> Result<String, WitnessError> {
        let request: AddCheckpoint = body.parse()?;
        let origin = Checkpoint::claimed_origin(&request.note).unwrap_or_default();
        let log = self.logs.get(origin).ok_or(Refusal::UnknownLog)?;
        // Whoever panicked meanwhile has not changed what is on disk.
        let mut last = log.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, time) = match *last {
            Some(known) => known,
            None => self.store.load(origin, self.cosigner.verifier())?,
        };
        let next = known.extend(&request, &log.keys).inspect_err(|refusal| {
            if refusal.is_evidence() {
                let kept = self.store.keep_evidence(origin, body);
                tracing::error!(origin, %refusal, ?kept, "a log signed what cannot be true");
            }
        })?;
        if now < time {
            return Err(WitnessError::ClockBehind { now, last: time });
        }
        let mut note: Note = request.note.parse().map_err(|_| Refusal::Malformed)?;
        let line = self.cosigner.cosign(&note.text, now).map_err(WitnessError::Sign)?;
        // What others signed is not ours to keep.
        note.signatures
            .retain(|one| one.name == origin && log.keys.iter().any(|key| one.hash == key.hash()));
        note.signatures.push(line.clone());
        // If this fails nobody knows what is on disk: the next request reads it.
        *last = None;
        self.store.save(origin, &known, &next, &note)?;
        *last = Some((next, now));
        drop(last);
        tracing::info!(origin, from = known.size, to = next.size, "cosigned");
        Ok(format!("{line}\n"))
    }

    /// The note that was cosigned last of the log whose origin has this SHA-256 in hex, with the
    /// signature of the log and that of the witness.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newest(&self, origin_hash: &str) -> Result<Option<String>, StoreError> {
        let of = |origin: &&String| Sha256::of(origin.as_bytes()).hex() == origin_hash;
        match self.logs.keys().find(of) {
            Some(origin) => self.store.note(origin),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use attest::{NoteSigner, SigningKey};
    use verify::merkle::{Tree, consistency_proof, leaf_hash};

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_ed25519_seed(&[seed; 32]).unwrap()
    }

    fn cosigner() -> Cosigner {
        Cosigner::new("witness", key(1)).unwrap()
    }

    fn log() -> NoteSigner {
        NoteSigner::new("log", key(9)).unwrap()
    }

    fn open(folder: &Path) -> Witness {
        Witness::open(folder, cosigner(), vec![log().verifier().clone()]).unwrap()
    }

    fn tree(size: u64) -> Tree {
        (0..size).map(|at| leaf_hash(&at.to_be_bytes())).collect()
    }

    fn request(old: u64, size: u64) -> String {
        let tree = tree(size);
        let checkpoint = Checkpoint { origin: "log".into(), size, root: tree.root() };
        let note = log().sign(&checkpoint.to_string()).unwrap().to_string();
        let proof =
            if old == 0 { Vec::new() } else { consistency_proof(&tree, old, size).unwrap() };
        AddCheckpoint { old, proof, note }.to_string()
    }

    #[test]
    fn a_cosignature_is_over_the_checkpoint_and_the_state_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let witness = open(folder.path());
        let line = witness.add(&request(0, 5), 100).unwrap();
        let asked: AddCheckpoint = request(0, 5).parse().unwrap();
        let note: Note = format!("{}{line}", asked.note).parse().unwrap();
        assert_eq!(cosigner().verifier().cosigned(&note), Ok(Some(100)));
        drop(witness);
        let witness = open(folder.path());
        let late = witness.add(&request(0, 5), 101).unwrap_err();
        assert!(matches!(late, WitnessError::Refused(Refusal::OtherSize(5))), "{late}");
        let behind = witness.add(&request(5, 7), 99).unwrap_err();
        assert!(matches!(behind, WitnessError::ClockBehind { now: 99, last: 100 }), "{behind}");
        assert!(witness.add(&request(5, 7), 100).is_ok());
        let newest = witness.newest(&Sha256::of(b"log").hex()).unwrap().unwrap();
        assert!(newest.starts_with("log\n7\n"), "{newest}");
        assert_eq!(witness.newest(&Sha256::of(b"fog").hex()).unwrap(), None);
    }

    #[test]
    fn requests_at_once_never_take_the_state_back() {
        let folder = tempfile::tempdir().unwrap();
        let witness = Arc::new(open(folder.path()));
        witness.add(&request(0, 5), 100).unwrap();
        let ask = |size| {
            let witness = Arc::clone(&witness);
            thread::spawn(move || witness.add(&request(5, size), 101).is_ok())
        };
        let asked: Vec<_> = (6..14).map(ask).collect();
        let cosigned = asked.into_iter().filter(|_| true).map(|one| one.join().unwrap());
        assert_eq!(cosigned.filter(|done| *done).count(), 1, "all were asked from 5");
    }

    #[test]
    fn a_log_may_have_two_keys_while_it_rotates_and_has_one_history() {
        let folder = tempfile::tempdir().unwrap();
        let signer = |seed| NoteSigner::new("log", key(seed)).unwrap();
        let known =
            |seeds: &[u8]| seeds.iter().map(|seed| signer(*seed).verifier().clone()).collect();
        let signed = |old, size, seeds: &[u8]| {
            let mut request: AddCheckpoint = request(old, size).parse().unwrap();
            let mut note: Note = request.note.parse().unwrap();
            let lines = seeds.iter().map(|seed| signer(*seed).sign(&note.text).unwrap());
            note.signatures = lines.flat_map(|signed| signed.signatures).collect();
            request.note = note.to_string();
            request.to_string()
        };
        let not_by_the_log = |refused: Result<String, WitnessError>| {
            matches!(refused, Err(WitnessError::Refused(Refusal::NotByTheLog)))
        };
        // One key is known, and both sign.
        let witness = Witness::open(folder.path(), cosigner(), known(&[9])).unwrap();
        assert!(witness.add(&signed(0, 3, &[9, 8]), 100).is_ok());
        assert!(not_by_the_log(witness.add(&signed(3, 4, &[8]), 100)));
        drop(witness);
        // Both are known, and either signs; what was cosigned counts on.
        let witness = Witness::open(folder.path(), cosigner(), known(&[9, 8])).unwrap();
        let stale = witness.add(&signed(0, 3, &[8]), 100).unwrap_err();
        assert!(matches!(stale, WitnessError::Refused(Refusal::OtherSize(3))), "{stale}");
        for (old, size, seeds) in [(3, 4, &[8][..]), (4, 5, &[9]), (5, 6, &[8, 9])] {
            assert!(witness.add(&signed(old, size, seeds), 100).is_ok(), "{seeds:?}");
        }
        assert!(not_by_the_log(witness.add(&signed(6, 7, &[7]), 100)), "a stranger");
        let shown = witness.newest(&Sha256::of(b"log").hex()).unwrap().unwrap();
        assert_eq!(shown.parse::<Note>().unwrap().signatures.len(), 3, "both, and the witness");
        drop(witness);
        // The old key is forgotten.
        let witness = Witness::open(folder.path(), cosigner(), known(&[8])).unwrap();
        assert!(not_by_the_log(witness.add(&signed(6, 7, &[9]), 100)));
        assert!(witness.add(&signed(6, 7, &[8]), 100).is_ok());
        drop(witness);
        for keys in [&[9, 9][..], &[1, 2, 3, 4, 5, 6, 7, 8, 9]] {
            let refused = Witness::open(folder.path(), cosigner(), known(keys));
            assert!(matches!(refused, Err(WitnessError::Logs(_))), "{keys:?}");
        }
    }

    #[test]
    fn a_fork_is_kept_and_not_cosigned() {
        let folder = tempfile::tempdir().unwrap();
        let witness = open(folder.path());
        witness.add(&request(0, 5), 100).unwrap();
        let other = Checkpoint { origin: "log".into(), size: 5, root: Sha256::of(b"other") };
        let note = log().sign(&other.to_string()).unwrap().to_string();
        let body = AddCheckpoint { old: 5, proof: Vec::new(), note }.to_string();
        let refused = witness.add(&body, 101).unwrap_err();
        assert!(matches!(refused, WitnessError::Refused(Refusal::Fork(5))), "{refused}");
        let kept = Sha256::of(b"log").hex() + ".evidence/" + &Sha256::of(body.as_bytes()).hex();
        assert_eq!(std::fs::read_to_string(folder.path().join(kept)).unwrap(), body);
        assert!(witness.add(&request(5, 6), 101).is_ok(), "the log's own history goes on");
    }
}
