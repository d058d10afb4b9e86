//! The register as its callers meet it, over both kinds of storage.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use attest::envelope::IN_TOTO;
use attest::{
    Algorithm, ArtifactId, Bundle, Checkpoint, Envelope, Leaf, NoteSigner, PublicKey, SigningKey,
    Timestamp,
};
use verify::merkle;

use super::contract::wait;
use super::*;

mod answering;
mod damage;
mod processes;
mod reopening;
mod submitting;

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

/// The same of a register with a key of its own.
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

/// A register with three entries in a folder, closed, and what it answers.
fn closed(folder: &Path) -> Vec<String> {
    let register = open_folder(folder);
    let key = key();
    for name in ["a", "b", "c"] {
        wait(register.submit(&envelope(name, &[&key]), &public(&[&key]), at(1))).unwrap();
    }
    answers(&register)
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

/// A package that npm knows by its SHA-512 alone.
#[test]
fn what_only_others_identify_is_kept_and_found_by_name_and_is_of_no_artifact() {
    let key = SigningKey::from_ed25519_seed(&[1; 32]).unwrap();
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/others");
    let text = std::fs::read_to_string(samples.join("npm-provenance.json")).unwrap();
    let register = in_memory();
    let submit = |text: &str| {
        let envelope = Envelope::sign(IN_TOTO, text.into(), &[&key]).unwrap();
        wait(register.submit(&envelope, &public(&[&key]), at(1)))
    };
    submit(&text).unwrap();
    let ours = text.replace(
        "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
        "https://assay.example/build-type/build/v1",
    );
    assert!(submit(&ours).is_err(), "a build of our own says what it made");
    let count = |term: Term| {
        let query = Query { terms: vec![term], limit: 3, ..Query::default() };
        wait(register.find(&query)).unwrap().entries.len()
    };
    let commit = format!("git:{}", "c".repeat(40)).parse().unwrap();
    assert_eq!(count(Term::Name("pkg:npm/%40team/classifier@3.0.0".into())), 1);
    assert_eq!(count(Term::Type("https://slsa.dev/provenance/v1".into())), 1);
    assert_eq!(count(Term::Material(commit)), 1);
    let bundle = wait(register.bundle(0)).unwrap();
    let body = bundle.envelope.body();
    assert!(wait(register.erasable(&body)).unwrap().is_some(), "and can be erased");
    let believable = attest::Statement::parse(&bundle.envelope.payload);
    assert!(believable.is_err(), "and verification has nothing to believe of it");
}
