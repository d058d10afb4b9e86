//! The register as its callers meet it, over both kinds of storage.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use attest::envelope::IN_TOTO;
use attest::{
    Algorithm, ArtifactId, Bundle, Checkpoint, Envelope, Leaf, NoteSigner, PublicKey, SigningKey,
    Timestamp,
};
use proptest::prelude::*;
use verify::merkle;

use super::contract::wait;
use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::P256).unwrap()
}

fn signer() -> NoteSigner {
    NoteSigner::new("assay.local/0", SigningKey::from_ed25519_seed(&[7; 32]).unwrap()).unwrap()
}

fn in_memory() -> Register<Memory> {
    wait(Register::open(Memory::new(), signer())).unwrap()
}

fn file(text: &str) -> ArtifactId {
    ArtifactId::file(attest::Sha256::of(text.as_bytes()))
}

/// A statement that `subject` was made from `material`.
fn payload(subject: &str, material: &str) -> Vec<u8> {
    let descriptor = |name: &str| {
        let hex = attest::Sha256::of(name.as_bytes()).hex();
        format!(r#"{{"name":"{name}","digest":{{"sha256":"{hex}"}}}}"#)
    };
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{{"buildDefinition":{{"buildType":"https://assay.example/build-type/training/v1","externalParameters":{{"step":"train","parameters":{{"lr":"0.1"}}}},"resolvedDependencies":[{}]}},"runDetails":{{"builder":{{"id":"x"}}}}}}}}"#,
        descriptor(subject),
        descriptor(material)
    )
    .into_bytes()
}

fn envelope(subject: &str, keys: &[&SigningKey]) -> Envelope {
    Envelope::sign(IN_TOTO, payload(subject, "data"), keys).unwrap()
}

fn public(keys: &[&SigningKey]) -> Vec<PublicKey> {
    keys.iter().map(|key| key.public().clone()).collect()
}

/// The bundle stands on its own: signature, leaf, proof and checkpoint hold.
fn holds(bundle: &Bundle) -> Checkpoint {
    let [entry] = bundle.entries.as_slice() else { panic!("one entry") };
    let proof = entry.proof.as_ref().unwrap();
    let checkpoint = Checkpoint::open(&proof.checkpoint, signer().verifier()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (proof.size, proof.root));
    assert_eq!(entry.index, proof.index);
    let leaf = Leaf::parse(&entry.leaf).unwrap();
    merkle::verify_inclusion(
        proof.index,
        checkpoint.size,
        &leaf.hash(),
        &proof.hashes,
        &checkpoint.root,
    )
    .unwrap();
    let pae = bundle.envelope.pae();
    assert!(leaf.covers(&pae));
    let attest::Verifier::Key(key) = leaf.verifier() else { panic!("a key") };
    let [signature] = bundle.envelope.signatures.as_slice() else { panic!("one signature") };
    assert_eq!(signature.sig, leaf.signature());
    key.verify(&pae, &signature.sig).unwrap();
    assert_eq!(bundle.hint, Some(key.id().to_string()));
    assert_eq!(Bundle::parse(&bundle.to_json()).unwrap(), *bundle);
    checkpoint
}

#[test]
fn a_submission_comes_back_as_a_bundle_that_stands_on_its_own() {
    for algorithm in Algorithm::ALL {
        let (register, key) = (in_memory(), SigningKey::generate(algorithm).unwrap());
        let envelope = envelope("model", &[&key]);
        let receipts = wait(register.submit(&envelope, &public(&[&key]), at(1))).unwrap();
        let [receipt] = receipts.as_slice() else { panic!("one receipt") };
        assert_eq!((receipt.index, receipt.duplicate), (0, false));
        assert_eq!(holds(&receipt.bundle).size, 1);
        assert_eq!(receipt.bundle.envelope, envelope);
        assert_eq!(wait(register.bundle(0)).unwrap(), receipt.bundle);
    }
}

#[test]
fn one_leaf_a_signature_and_the_body_once() {
    let (register, a, b) = (in_memory(), key(), key());
    let keys = public(&[&b, &a]);
    let one = envelope("model", &[&a]);
    let two = Envelope {
        signatures: [one.signatures.clone(), envelope("model", &[&b]).signatures].concat(),
        ..one.clone()
    };
    // 1 of 2 first, then 2 of 2: the first signature is found again, the second is added.
    let first = wait(register.submit(&one, &keys, at(1))).unwrap();
    let both = wait(register.submit(&two, &keys, at(2))).unwrap();
    assert_eq!(first[0].index, 0);
    let places: Vec<_> = both.iter().map(|receipt| (receipt.index, receipt.duplicate)).collect();
    assert_eq!(places, [(0, true), (1, false)]);
    let again = wait(register.submit(&two, &keys, at(3))).unwrap();
    assert!(again.iter().all(|receipt| receipt.duplicate && holds(&receipt.bundle).size == 2));
    let bodies: BTreeSet<_> =
        (0..2).map(|index| wait(register.entry(index)).unwrap().body_hash()).collect();
    assert_eq!(bodies, BTreeSet::from([Some(one.body())]));
    assert_eq!(wait(register.bundles_of(&file("model"))).unwrap().bundles.len(), 2);
}

#[test]
fn a_batch_is_one_commit_and_duplicates_within_it_are_one_entry() {
    let (register, key) = (in_memory(), key());
    let keys = public(&[&key]);
    let envelopes: Vec<Envelope> =
        ["a", "b", "c"].iter().map(|name| envelope(name, &[&key])).collect();
    let submissions: Vec<Submission<'_>> = [0, 1, 0, 2]
        .iter()
        .map(|number| Submission { envelope: &envelopes[*number], verifiers: &keys })
        .collect();
    let receipts = wait(register.submit_all(&submissions, at(1))).unwrap();
    let indices: Vec<u64> = receipts.iter().map(|receipts| receipts[0].index).collect();
    assert_eq!(indices, [0, 1, 0, 2]);
    let times: BTreeSet<_> =
        (0..3).map(|index| wait(register.entry(index)).unwrap().time).collect();
    assert_eq!(times, BTreeSet::from([at(1)]));
}

#[test]
fn what_is_refused_changes_nothing() {
    let (register, key, other) = (in_memory(), key(), key());
    wait(register.submit(&envelope("first", &[&key]), &public(&[&key]), at(1000))).unwrap();
    let good = envelope("model", &[&key]);
    let unsigned = Envelope { signatures: Vec::new(), ..good.clone() };
    let mut forged = good.clone();
    forged.payload.push(b' ');
    let many = Envelope {
        signatures: vec![good.signatures[0].clone(); MAX_SIGNATURES + 1],
        ..good.clone()
    };
    let large = Envelope::sign("text/plain", vec![b'x'; MAX_BODY_BYTES], &[&key]).unwrap();
    type Check = fn(&SubmitError) -> bool;
    let keys = public(&[&key]);
    let cases: [(&str, &Envelope, Vec<PublicKey>, i64, Check); 8] = [
        ("no signature", &unsigned, keys.clone(), 1000, |error| {
            matches!(error, SubmitError::Unsigned)
        }),
        ("another payload", &forged, keys.clone(), 1000, |error| {
            matches!(error, SubmitError::UnknownSignature { position: 0 })
        }),
        ("another key", &good, public(&[&other]), 1000, |error| {
            matches!(error, SubmitError::UnknownSignature { position: 0 })
        }),
        ("no key", &good, Vec::new(), 1000, |error| {
            matches!(error, SubmitError::UnknownSignature { position: 0 })
        }),
        ("too many signatures", &many, keys.clone(), 1000, |error| {
            matches!(error, SubmitError::TooManySignatures(17))
        }),
        ("too many keys", &good, vec![keys[0].clone(); MAX_VERIFIERS + 1], 1000, |error| {
            matches!(error, SubmitError::TooManyVerifiers(17))
        }),
        ("too large", &large, keys.clone(), 1000, |error| {
            matches!(error, SubmitError::Batch(BatchError::Body(_)))
        }),
        ("clock", &good, keys.clone(), 699, |error| {
            matches!(error, SubmitError::ClockBehind { .. })
        }),
    ];
    for (name, envelope, keys, second, is_expected) in cases {
        let error = wait(register.submit(envelope, &keys, at(second))).unwrap_err();
        assert!(is_expected(&error), "{name}: {error}");
        assert_eq!(wait(register.signed()).unwrap().checkpoint.size, 1, "{name}");
    }
    assert!(matches!(wait(register.submit_all(&[], at(1000))), Err(SubmitError::Nothing)));
    // One bad envelope refuses the whole batch.
    let submissions = [
        Submission { envelope: &good, verifiers: &keys },
        Submission { envelope: &forged, verifiers: &keys },
    ];
    assert!(wait(register.submit_all(&submissions, at(1000))).is_err());
    assert_eq!(wait(register.signed()).unwrap().checkpoint.size, 1);
    // The smallest change that makes it good: a key, a second.
    wait(register.submit(&good, &keys, at(700))).unwrap();
    let entry = wait(register.entry(1)).unwrap();
    assert_eq!(entry.time, at(1000), "commit times do not go back");
}

#[test]
fn a_statement_that_names_too_much_is_refused() {
    let (register, key) = (in_memory(), key());
    let payload = |count: usize| {
        let parameters: Vec<String> =
            (0..count).map(|number| format!(r#""p{number}":"1""#)).collect();
        let text = String::from_utf8(payload("model", "data")).unwrap();
        text.replace(r#""lr":"0.1""#, &parameters.join(",")).into_bytes()
    };
    // Subject, name, material, two words, type, step, kind and signer come on top.
    for (count, fits) in [(MAX_TERMS - 9, true), (MAX_TERMS - 8, false)] {
        let envelope = Envelope::sign(IN_TOTO, payload(count), &[&key]).unwrap();
        let result = wait(register.submit(&envelope, &public(&[&key]), at(1)));
        assert_eq!(result.is_ok(), fits, "{count}");
        assert!(fits || matches!(result, Err(SubmitError::TooManyTerms(_))));
    }
}

#[test]
fn foreign_payloads_are_kept_and_found_by_their_type() {
    let (register, key) = (in_memory(), key());
    let types = ["text/plain", "application/octet-stream", "text/plain"];
    for (number, payload_type) in types.into_iter().enumerate() {
        let envelope = Envelope::sign(payload_type, vec![number as u8, 0xff], &[&key]).unwrap();
        wait(register.submit(&envelope, &public(&[&key]), at(1))).unwrap();
    }
    let query =
        |name: &str| Query { terms: vec![Term::Type(name.into())], limit: 10, ..Query::default() };
    for (name, want) in
        [("text/plain", &[0, 2][..]), ("application/octet-stream", &[1]), ("x", &[])]
    {
        let found = wait(register.find(&query(name))).unwrap();
        let indices: Vec<u64> = found.entries.iter().map(|entry| entry.index).collect();
        assert_eq!(indices, want, "{name}");
        assert_eq!(found.complete_to.size, 3);
        assert_eq!(found.complete_to.origin, register.origin());
    }
}

#[test]
fn artifacts_are_found_as_subjects_and_as_materials() {
    let (register, key) = (in_memory(), key());
    let keys = public(&[&key]);
    for (subject, material) in [("data", "raw"), ("model", "data"), ("other", "data")] {
        let envelope = Envelope::sign(IN_TOTO, payload(subject, material), &[&key]).unwrap();
        wait(register.submit(&envelope, &keys, at(1))).unwrap();
    }
    let indices = |bundles: Bundles| -> Vec<u64> {
        assert_eq!((bundles.next, bundles.complete_to.size), (None, 3));
        bundles
            .bundles
            .iter()
            .map(|bundle| holds(bundle).size - 3 + bundle.entries[0].index)
            .collect()
    };
    for (name, subjects, materials) in [
        ("data", &[0][..], &[1, 2][..]),
        ("model", &[1], &[]),
        ("raw", &[], &[0]),
        ("none", &[], &[]),
    ] {
        assert_eq!(indices(wait(register.bundles_of(&file(name))).unwrap()), subjects, "{name}");
        assert_eq!(
            indices(wait(register.bundles_using(&file(name))).unwrap()),
            materials,
            "{name}"
        );
    }
    // The same digest of another kind is another artifact.
    let tree = ArtifactId::new(attest::Kind::Tree, attest::Sha256::of(b"model"));
    assert!(wait(register.bundles_of(&tree)).unwrap().bundles.is_empty());
}

#[test]
fn what_is_not_there_is_an_error_that_says_what_is() {
    let (register, key) = (in_memory(), key());
    assert!(matches!(wait(register.entry(0)), Err(ReadError::NoEntry { index: 0, size: 0 })));
    wait(register.submit(&envelope("a", &[&key]), &public(&[&key]), at(1))).unwrap();
    assert!(matches!(wait(register.entry(1)), Err(ReadError::NoEntry { index: 1, size: 1 })));
    assert!(matches!(wait(register.bundle(u64::MAX)), Err(ReadError::NoEntry { .. })));
    assert!(matches!(wait(register.inclusion(0, 2)), Err(ReadError::NoTree { asked: 2, size: 1 })));
    assert!(matches!(wait(register.inclusion(1, 1)), Err(ReadError::Proof(_))));
    assert!(matches!(wait(register.consistency(0, 1)), Err(ReadError::Proof(_))));
    assert!(matches!(wait(register.consistency(1, 2)), Err(ReadError::NoTree { .. })));
    assert!(wait(register.inclusion(0, 1)).is_ok());
    assert!(wait(register.consistency(1, 1)).is_ok());
}

#[test]
fn an_empty_register_has_a_checkpoint() {
    let register = in_memory();
    let note = wait(register.checkpoint()).unwrap();
    let checkpoint = Checkpoint::open(&note, register.verifier()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (0, merkle::empty_root()));
}

#[test]
fn submitters_at_once_all_get_their_place() {
    let key = key();
    let keys = public(&[&key]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let register = std::sync::Arc::new(in_memory());
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let (register, keys) = (register.clone(), keys.clone());
            let envelope = envelope(&number.to_string(), &[&key]);
            runtime.spawn(async move { register.submit(&envelope, &keys, at(1)).await.unwrap() })
        })
        .collect();
    let indices: BTreeSet<u64> = tasks
        .into_iter()
        .map(|task| {
            let receipts = runtime.block_on(task).unwrap();
            holds(&receipts[0].bundle);
            receipts[0].index
        })
        .collect();
    assert_eq!(indices, (0..20).collect());
}

/// A second register over the same storage: as another replica would be.
struct Shared(std::sync::Arc<Memory>);

impl Storage for Shared {
    async fn head(&self) -> Result<Option<Head>, StorageError> {
        self.0.head().await
    }

    async fn read(&self, key: &Key) -> Result<Option<Blob>, StorageError> {
        self.0.read(key).await
    }

    async fn find(&self, query: &Query) -> Result<Page, StorageError> {
        self.0.find(query).await
    }

    async fn commit(&self, from: Option<&Head>, batch: Batch) -> Result<(), CommitError> {
        self.0.commit(from, batch).await
    }
}

#[test]
fn two_registers_over_one_storage_take_turns() {
    let storage = std::sync::Arc::new(Memory::new());
    let open = || wait(Register::open(Shared(storage.clone()), signer())).unwrap();
    let (one, two, key) = (open(), open(), key());
    for number in 0..6_u64 {
        let register = if number % 2 == 0 { &one } else { &two };
        let envelope = envelope(&number.to_string(), &[&key]);
        let receipts = wait(register.submit(&envelope, &public(&[&key]), at(1))).unwrap();
        assert_eq!(receipts[0].index, number);
        assert_eq!(holds(&receipts[0].bundle).size, number + 1);
    }
    assert_eq!(wait(one.checkpoint()).unwrap(), wait(two.checkpoint()).unwrap());
}

/// Everything that a register answers, in a form to compare.
fn answers<S: Storage>(register: &Register<S>) -> Vec<String> {
    let size = wait(register.signed()).unwrap().checkpoint.size;
    let mut answers = vec![wait(register.checkpoint()).unwrap()];
    for index in 0..size {
        let entry = wait(register.entry(index)).unwrap();
        answers.push(format!("{index} {} {:?}", entry.time, entry.body_hash()));
        answers.push(String::from_utf8(wait(register.bundle(index)).unwrap().to_json()).unwrap());
    }
    for name in ["a", "b", "c", "data"] {
        for term in [Term::Subject(file(name)), Term::Material(file(name)), Term::Name(name.into())]
        {
            let query = Query { terms: vec![term.clone()], limit: 3, ..Query::default() };
            let found = wait(register.find(&query)).unwrap();
            let indices: Vec<u64> = found.entries.iter().map(|entry| entry.index).collect();
            answers
                .push(format!("{term:?} {indices:?} {:?} {}", found.next, found.complete_to.size));
        }
    }
    answers
}

/// All proofs between the trees that the register went through.
fn proofs_hold<S: Storage>(register: &Register<S>, sizes: &BTreeSet<u64>) {
    for size in sizes {
        let root = wait(register.root(*size)).unwrap();
        for index in 0..*size {
            let proof = wait(register.inclusion(index, *size)).unwrap();
            assert_eq!(proof.root, root);
            merkle::verify_inclusion(index, *size, &proof.leaf_hash, &proof.hashes, &root).unwrap();
        }
        for from in sizes.iter().filter(|from| **from > 0 && *from <= size) {
            let proof = wait(register.consistency(*from, *size)).unwrap();
            assert_eq!(proof.to_root, root);
            merkle::verify_consistency(*from, *size, &proof.hashes, &proof.from_root, &root)
                .unwrap();
        }
    }
}

fn open_folder(folder: &Path) -> Register<Embedded> {
    wait(open_or_create(folder, &Holder::command(), Duration::from_secs(20))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn proofs_and_answers_hold_through_batches_and_reopening(
        batches in prop::collection::vec(prop::collection::vec((0usize..3, 0usize..4), 1..7), 1..7),
        lose_index_at in 0usize..7,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let register_folder = folder.path().join("register");
        let keys = [key(), key(), key()];
        let mut sizes = BTreeSet::from([0]);
        let mut origin = None;
        for (round, batch) in batches.iter().enumerate() {
            let register = open_folder(&register_folder);
            let known = origin.get_or_insert_with(|| register.verifier().to_string()).clone();
            prop_assert_eq!(&register.verifier().to_string(), &known);
            let envelopes: Vec<Envelope> =
                batch.iter().map(|(key, name)| envelope(["a", "b", "c", "d"][*name], &[&keys[*key]])).collect();
            let public = public(&[&keys[0], &keys[1], &keys[2]]);
            let submissions: Vec<Submission<'_>> = envelopes
                .iter()
                .map(|envelope| Submission { envelope, verifiers: &public })
                .collect();
            let before = wait(register.signed()).unwrap().checkpoint.clone();
            let receipts = wait(register.submit_all(&submissions, at(round as i64))).unwrap();
            prop_assert_eq!(receipts.len(), batch.len());
            let after = wait(register.signed()).unwrap().checkpoint.clone();
            prop_assert_eq!(wait(register.root(before.size)).unwrap(), before.root);
            sizes.insert(after.size);
            proofs_hold(&register, &sizes);

            let want = answers(&register);
            drop(register);
            let again = open_folder(&register_folder);
            prop_assert_eq!(&answers(&again), &want);
            prop_assert_eq!(again.storage().rebuilt(), &Rebuilt::default());
            drop(again);
            if round == lose_index_at {
                std::fs::remove_dir_all(register_folder.join("index")).unwrap();
                let rebuilt = open_folder(&register_folder);
                prop_assert_eq!(rebuilt.storage().rebuilt().commits > 0, after.size > 0);
                prop_assert_eq!(&answers(&rebuilt), &want);
            }
        }
    }
}

/// A register with three entries in a folder, closed, and what it answers.
fn closed(folder: &Path) -> Vec<String> {
    let register = open_folder(folder);
    let key = key();
    for name in ["a", "b", "c"] {
        wait(register.submit(&envelope(name, &[&key]), &public(&[&key]), at(1))).unwrap();
    }
    answers(&register)
}

#[test]
fn an_index_of_no_use_is_made_anew() {
    type Change = fn(&Path);
    let cases: [(&str, Change, bool); 6] = [
        ("untouched", |_| (), false),
        ("missing", |index| std::fs::remove_dir_all(index).unwrap(), true),
        (
            "a file in its place",
            |index| {
                std::fs::remove_dir_all(index).unwrap();
                std::fs::write(index, b"not a folder").unwrap();
            },
            true,
        ),
        (
            "cut short",
            |index| {
                let file = std::fs::OpenOptions::new().write(true).open(index.join("db")).unwrap();
                file.set_len(100).unwrap();
            },
            true,
        ),
        (
            "overwritten",
            |index| {
                let length = std::fs::metadata(index.join("db")).unwrap().len();
                std::fs::write(index.join("db"), vec![0x5a; length as usize]).unwrap();
            },
            true,
        ),
        (
            "of another register",
            |index| {
                let other = tempfile::tempdir().unwrap();
                closed(&other.path().join("register"));
                std::fs::remove_dir_all(index).unwrap();
                std::fs::rename(other.path().join("register/index"), index).unwrap();
            },
            true,
        ),
    ];
    for (name, change, is_mended) in cases {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("register");
        let want = closed(&folder);
        change(&folder.join("index"));
        let register = open_folder(&folder);
        let rebuilt = register.storage().rebuilt().clone();
        assert_eq!(answers(&register), want, "{name}");
        // A database that was cut short may come back as it was a while ago.
        let mended = rebuilt.why.is_some() || rebuilt.commits > 0;
        assert_eq!(mended, is_mended, "{name}: {rebuilt:?}");
        assert_eq!(folder.join("index-aside").exists(), rebuilt.why.is_some(), "{name}");
        // And it takes new entries, and is kept.
        let key = key();
        wait(register.submit(&envelope("d", &[&key]), &public(&[&key]), at(1))).unwrap();
        drop(register);
        assert_eq!(open_folder(&folder).storage().rebuilt(), &Rebuilt::default(), "{name}");
    }
}

#[test]
fn rows_of_the_index_that_were_lost_are_made_anew_at_the_next_start() {
    for kind in *b"eh" {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("register");
        let want = closed(&folder);
        let index = sled::open(folder.join("index")).unwrap();
        for row in index.scan_prefix([kind]).keys() {
            index.remove(row.unwrap()).unwrap();
        }
        drop(index);
        // Noticed when it is opened, or when an entry is asked for: never an answer without it.
        if let Ok(register) = wait(open(&folder, &Holder::command(), PATIENCE)) {
            let made = register.storage().rebuilt().why.is_some();
            assert_eq!(wait(register.entry(1)).is_ok(), made, "{}", char::from(kind));
            // Whoever serves it is told to start again, and only then.
            assert_eq!(register.storage().breakdown().is_none(), made, "{}", char::from(kind));
        }
        assert_eq!(answers(&open_folder(&folder)), want, "{}", char::from(kind));
    }
}

#[test]
fn an_index_that_is_behind_or_ahead_is_brought_to_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let (index, older) = (folder.join("index"), folder.join("older"));
    closed(&folder);
    copy(&index, &older);
    let register = open_folder(&folder);
    let key = key();
    wait(register.submit(&envelope("d", &[&key]), &public(&[&key]), at(1))).unwrap();
    let want = answers(&register);
    drop(register);

    let newer = folder.join("newer");
    std::fs::rename(&index, &newer).unwrap();
    std::fs::rename(&older, &index).unwrap();
    let register = open_folder(&folder);
    assert_eq!(register.storage().rebuilt(), &Rebuilt { why: None, commits: 1 });
    assert_eq!(answers(&register), want);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.path().is_dir() {
            copy(&file.path(), &to.join(file.file_name()));
        } else {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

#[test]
fn damage_of_what_was_published_is_an_error_and_never_a_wrong_answer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    closed(&folder);
    let segment = folder.join("journal/00000000000000000001.seg");
    let bytes = std::fs::read(&segment).unwrap();
    // Every 41st byte of the three records, with a bit flipped.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    for place in (512..end).step_by(41) {
        let mut changed = bytes.clone();
        changed[place] ^= 4;
        std::fs::write(&segment, &changed).unwrap();
        let register = match wait(open(&folder, &Holder::command(), Duration::ZERO)) {
            Ok(register) => register,
            Err(error) => {
                assert!(matches!(error, FolderError::Storage(_)), "{place}: {error}");
                continue;
            }
        };
        for index in 0..3 {
            match wait(register.bundle(index)) {
                Ok(bundle) => assert_eq!(holds_of(&bundle, register.verifier()).size, 3),
                Err(error) => assert!(
                    matches!(error, ReadError::Storage(StorageError::Damaged(_))),
                    "{place}: {error}"
                ),
            }
        }
    }
    std::fs::write(&segment, &bytes).unwrap();
    let register = open_folder(&folder);
    for index in 0..3 {
        wait(register.bundle(index)).unwrap();
    }
}

fn holds_of(bundle: &Bundle, log: &attest::VerifierKey) -> Checkpoint {
    let proof = bundle.entries[0].proof.as_ref().unwrap();
    let checkpoint = Checkpoint::open(&proof.checkpoint, log).unwrap();
    let leaf = Leaf::parse(&bundle.entries[0].leaf).unwrap();
    merkle::verify_inclusion(
        proof.index,
        checkpoint.size,
        &leaf.hash(),
        &proof.hashes,
        &checkpoint.root,
    )
    .unwrap();
    assert!(leaf.covers(&bundle.envelope.pae()));
    checkpoint
}

#[test]
fn yesterday_s_journal_under_today_s_published_head_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    closed(&folder);
    let yesterday = folder.join("yesterday");
    copy(&folder.join("journal"), &yesterday);
    let register = open_folder(&folder);
    let key = key();
    wait(register.submit(&envelope("d", &[&key]), &public(&[&key]), at(1))).unwrap();
    drop(register);
    std::fs::remove_dir_all(folder.join("journal")).unwrap();
    std::fs::rename(&yesterday, folder.join("journal")).unwrap();
    let error = wait(open(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error,
            FolderError::Storage(StorageError::Journal(JournalError::Behind {
                published: 4,
                recovered: 3
            }))
        ),
        "{error}"
    );
    // Nor is a new one made in its place.
    std::fs::remove_dir_all(folder.join("journal")).unwrap();
    let error =
        wait(open_or_create(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(!error.is_not_found(), "{error}");
}

#[test]
fn a_register_keeps_its_key_and_is_not_continued_without_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("deep/register");
    let error = wait(open(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let want = closed(&folder);
    let key = folder.join("key.pem");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let note = std::fs::read_to_string(folder.join("checkpoint")).unwrap();
    assert_eq!(note, want[0]);
    let again = wait(create(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(
        matches!(again, FolderError::Storage(StorageError::Journal(JournalError::Exists))),
        "{again}"
    );

    let pem = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let error = wait(open(&folder, &Holder::command(), Duration::ZERO)).map(|_| ()).unwrap_err();
    assert!(matches!(error, FolderError::NoKey(_)), "{error}");
    assert!(!error.is_not_found());
    std::fs::write(&key, pem).unwrap();
    assert_eq!(answers(&open_folder(&folder)), want);
}

#[test]
fn writers_on_one_folder_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let keys: Vec<SigningKey> = (0..3).map(|_| key()).collect();
    std::thread::scope(|scope| {
        for key in &keys {
            let folder = &folder;
            scope.spawn(move || {
                for round in 0..4 {
                    let register = open_folder(folder);
                    let envelope = envelope(&format!("{round}"), &[key]);
                    let receipts =
                        wait(register.submit(&envelope, &public(&[key]), at(1))).unwrap();
                    assert!(!receipts[0].duplicate);
                    holds_of(&receipts[0].bundle, register.verifier());
                }
            });
        }
    });
    let register = open_folder(&folder);
    assert_eq!(wait(register.signed()).unwrap().checkpoint.size, 12);
    assert_eq!(register.storage().recovery(), &Recovery::default());
    proofs_hold(&register, &(0..=12).collect());
}

#[test]
fn while_a_server_holds_the_folder_a_command_is_told_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let served =
        wait(open_or_create(&folder, &Holder::server("http://127.0.0.1:0"), Duration::ZERO))
            .unwrap();
    served.storage().announce(&Holder::server("http://127.0.0.1:4000")).unwrap();
    let found = served_by(&folder).unwrap().unwrap();
    assert_eq!(found.url.as_deref(), Some("http://127.0.0.1:4000"));
    for holder in [Holder::command(), Holder::server("http://127.0.0.1:5000")] {
        let error = wait(open(&folder, &holder, PATIENCE)).map(|_| ()).unwrap_err();
        assert!(matches!(error, FolderError::Lock(LockError::Served { .. })), "{error}");
    }
    drop(served);
    assert_eq!(served_by(&folder).unwrap(), None);
    open_folder(&folder);
}

#[test]
fn following_gives_every_entry_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    closed(&folder);
    let register = open_folder(&folder);
    for start in 0..5_u64 {
        let mut leaves = wait(register.leaves(start)).unwrap();
        let mut found = Vec::new();
        while let Some(entry) = wait(leaves.next()).unwrap() {
            assert!(entry.pae().is_some());
            found.push(entry.index);
        }
        assert_eq!(found, (start..3).collect::<Vec<u64>>());
        assert_eq!(leaves.signed().checkpoint.size, 3);
        let entries = wait(register.entries(start)).unwrap();
        assert_eq!(entries.len() as u64, 3_u64.saturating_sub(start));
    }
}

/// Not a test of its own: the writer that the two tests below start as another process. It adds
/// entries to the folder in `ASSAY_TEST_FOLDER` and says each index once it is acknowledged.
#[test]
#[ignore = "started by other tests"]
fn child_writer() {
    use std::io::Write as _;

    let folder = std::env::var("ASSAY_TEST_FOLDER").unwrap();
    let count: u32 = std::env::var("ASSAY_TEST_COUNT").unwrap().parse().unwrap();
    let key = key();
    for number in 0..count {
        let register = open_folder(Path::new(&folder));
        let envelope = envelope(&format!("{}", number % 5), &[&key]);
        let receipts = wait(register.submit(&envelope, &public(&[&key]), at(1))).unwrap();
        let [receipt] = receipts.as_slice() else { panic!("one receipt") };
        let leaf = Leaf::parse(&receipt.bundle.entries[0].leaf).unwrap();
        let mut out = std::io::stderr().lock();
        writeln!(out, "added {} {}", receipt.index, leaf.hash()).unwrap();
        out.flush().unwrap();
    }
}

fn start_child(folder: &Path, count: u32) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "register::tests::child_writer"])
        .env("ASSAY_TEST_FOLDER", folder)
        .env("ASSAY_TEST_COUNT", count.to_string())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}

/// The index and the leaf hash of an acknowledgement.
fn added(line: &str) -> Option<(u64, attest::Sha256)> {
    let (index, hash) = line.split_once("added ")?.1.split_once(' ')?;
    Some((index.parse().ok()?, hash.trim().parse().ok()?))
}

/// What was acknowledged is there; gives the size.
fn has(register: &Register<Embedded>, acknowledged: &[(u64, attest::Sha256)]) -> u64 {
    for (index, hash) in acknowledged {
        assert_eq!(wait(register.entry(*index)).unwrap().leaf.hash(), *hash, "{index}");
    }
    let indices: BTreeSet<u64> = acknowledged.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices.len(), acknowledged.len());
    wait(register.signed()).unwrap().checkpoint.size
}

#[test]
fn processes_take_turns() {
    use std::io::Read as _;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let mut children: Vec<_> = (0..3).map(|_| start_child(&folder, 4)).collect();
    let mut acknowledged = Vec::new();
    for child in &mut children {
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
        acknowledged.extend(text.lines().filter_map(added));
    }
    assert_eq!(has(&open_folder(&folder), &acknowledged), 12);
}

#[test]
fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    use std::io::{BufRead as _, BufReader};

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("register");
    let mut acknowledged = Vec::new();
    for round in 0..6_u64 {
        let mut child = start_child(&folder, 1000);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for line in lines.by_ref().map_while(Result::ok).take(3) {
            acknowledged.extend(added(&line));
        }
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it was killed.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| added(&line)));
        let register = open_folder(&folder);
        let size = has(&register, &acknowledged);
        assert!(size >= acknowledged.len() as u64);
        proofs_hold(&register, &BTreeSet::from([size]));
    }
    assert!(acknowledged.len() >= 12);
}
