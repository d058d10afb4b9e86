use std::path::Path;

use attest::hash::Silent;
use attest::leaf::body_digests;
use attest::predicate::{EVALUATION, REVOCATION, WAIVER};
use attest::statement::STATEMENT_V1;
use attest::{Algorithm, Checkpoint, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use verify::{FollowError, Trust};

use super::super::contract::wait;
use super::super::fsck::{Depth, fsck};
use super::super::lock::Holder;
use super::super::{EntryBody, PATIENCE, RegisterFollowError, create, open};
use super::super::{Found, Proofs, Search};
use super::*;

const REVIEW: &str = "https://example.com/review/v1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn statement(predicate_type: &str, predicate: Value, digests: Value) -> Vec<u8> {
    json!({
        "_type": STATEMENT_V1,
        "subject": [{"name": "it", "digest": digests}],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
    .to_string()
    .into_bytes()
}

fn about(predicate_type: &str, predicate: Value) -> Vec<u8> {
    statement(predicate_type, predicate, json!({"sha256": Sha256::of(b"model").hex()}))
}

fn signed(payload: Vec<u8>, key: &SigningKey) -> Envelope {
    Envelope::sign(IN_TOTO, payload, &[key]).unwrap()
}

fn tombstone(pae: &[u8], erased: &str, key: &SigningKey) -> Envelope {
    let digests: serde_json::Map<String, Value> =
        body_digests(pae).into_iter().map(|(name, hex)| (name.into(), hex.into())).collect();
    let predicate = json!({"predicateType": erased, "reason": "asked for"});
    signed(statement(TOMBSTONE, predicate, digests.into()), key)
}

fn submit(register: &Register<Embedded>, envelope: &Envelope, key: &SigningKey) -> u64 {
    let keys = [key.public().clone()];
    wait(register.submit(envelope, &keys, at(10))).unwrap()[0].index
}

fn reopened(folder: &Path) -> Register<Embedded> {
    wait(open(folder, &Holder::command(), PATIENCE)).unwrap()
}

/// Whether a text stands anywhere in the folder.
fn is_on_disk(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path, text);
        }
        let bytes = std::fs::read(&path).unwrap();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[test]
fn an_erased_statement_is_gone_and_everything_else_holds() {
    let folder = tempfile::tempdir().unwrap();
    let register = wait(create(folder.path(), &Holder::command(), PATIENCE)).unwrap();
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(algorithm).unwrap();
        let secret = format!("the-secret-of-{}", algorithm.as_str());
        let envelope = signed(about(REVIEW, json!({"said": secret})), &key);
        let index = submit(&register, &envelope, &key);
        let later = signed(about(REVIEW, json!({"later": secret.len()})), &key);
        submit(&register, &later, &key);
        let body = envelope.body();
        assert!(is_on_disk(folder.path(), &secret));
        let (before, proven) =
            (wait(register.signed()).unwrap(), wait(register.bundle(index)).unwrap());

        let stone = tombstone(&envelope.pae(), REVIEW, &key);
        let keys = [key.public().clone()];
        let erased = wait(register.erase(&body, &stone, &keys, at(20))).unwrap();
        assert_eq!(erased, Erased { body, tombstone: before.checkpoint.size });
        assert!(!is_on_disk(folder.path(), &secret), "{algorithm:?}");

        let entry = wait(register.entry(index)).unwrap();
        assert!(matches!(entry.body, EntryBody::Erased(hash) if hash == body));
        assert_eq!(entry.leaf.bytes(), proven.entries[0].leaf);
        assert!(matches!(wait(register.bundle(index)), Err(ReadError::NoBody(_))));
        assert_eq!(wait(register.root(before.checkpoint.size)).unwrap(), before.checkpoint.root);

        // It does not come back: neither the same signature nor another one.
        for again in [envelope.clone(), signed(envelope.payload.clone(), &key)] {
            let refused = wait(register.submit(&again, &keys, at(30)));
            assert!(matches!(refused, Err(SubmitError::Erased(hash)) if hash == body));
        }
        assert!(!is_on_disk(folder.path(), &secret));
        let again = wait(register.erase(&body, &stone, &keys, at(40)));
        assert!(matches!(again, Err(EraseError::Submit(SubmitError::Erased(_)))));
    }
    let size = wait(register.signed()).unwrap().checkpoint.size;
    drop(register);
    let checked =
        fsck(folder.path(), &Holder::command(), PATIENCE, |_| None, Depth::All, &Silent).unwrap();
    assert_eq!((checked.faults, checked.erased), (vec![], Algorithm::ALL.len() as u64));
    // A new index, made when the bodies are gone, refuses them as well.
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let register = reopened(folder.path());
    assert_eq!(wait(register.signed()).unwrap().checkpoint.size, size);
    assert!(register.has_tombstones.load(std::sync::atomic::Ordering::Acquire));
}

#[test]
fn what_may_speak_against_somebody_is_not_erased() {
    let folder = tempfile::tempdir().unwrap();
    let register = wait(create(folder.path(), &Holder::command(), PATIENCE)).unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let keys = [key.public().clone()];
    let review = signed(about(REVIEW, json!({})), &key);
    submit(&register, &review, &key);
    let kept = [
        (REVOCATION, json!({"kind": "artifact"})),
        (WAIVER, json!({"scope": {}, "reason": "x"})),
        ("https://assay.example/attestation/trust/v1", json!({})),
        ("https://assay.example/attestation/policy/v1", json!({})),
        ("https://assay.example/attestation/activation/v1", json!({})),
    ];
    for (predicate_type, predicate) in kept {
        let envelope = signed(about(predicate_type, predicate), &key);
        submit(&register, &envelope, &key);
        let stone = tombstone(&envelope.pae(), predicate_type, &key);
        let size = wait(register.signed()).unwrap().checkpoint.size;
        let refused = wait(register.erase(&envelope.body(), &stone, &keys, at(20)));
        assert!(matches!(refused, Err(EraseError::Kept { .. })), "{predicate_type}");
        assert_eq!(wait(register.signed()).unwrap().checkpoint.size, size, "nothing registered");
    }
    let unknown = Sha256::of(b"nobody's");
    let stone = tombstone(&review.pae(), REVIEW, &key);
    let refused = wait(register.erase(&unknown, &stone, &keys, at(20)));
    assert!(matches!(refused, Err(EraseError::NoBody(_))));
    // A tombstone of another statement, or that says something else of it.
    for stone in [tombstone(b"other", REVIEW, &key), tombstone(&review.pae(), EVALUATION, &key)] {
        let refused = wait(register.erase(&review.body(), &stone, &keys, at(20)));
        assert!(matches!(refused, Err(EraseError::Tombstone(_))));
    }
    wait(register.erase(&review.body(), &stone, &keys, at(20))).unwrap();
    // Nor a tombstone itself.
    let above = tombstone(&stone.pae(), TOMBSTONE, &key);
    let refused = wait(register.erase(&stone.body(), &above, &keys, at(20)));
    assert!(matches!(refused, Err(EraseError::Kept { .. })));
}

#[test]
fn a_crash_between_tombstone_and_erasing_is_finished_by_asking_again() {
    let folder = tempfile::tempdir().unwrap();
    let register = wait(create(folder.path(), &Holder::command(), PATIENCE)).unwrap();
    let (key, other) = (
        SigningKey::generate(Algorithm::P256).unwrap(),
        SigningKey::generate(Algorithm::P256).unwrap(),
    );
    let envelope = signed(about(REVIEW, json!({"said": "secret-of-review"})), &key);
    submit(&register, &envelope, &key);
    let body = envelope.body();
    assert_eq!(wait(register.finish_erasing(&body, key.public().id())).unwrap(), None);
    // What was done before the crash.
    let tombstone = submit(&register, &tombstone(&envelope.pae(), REVIEW, &key), &key);
    drop(register);
    let register = reopened(folder.path());
    assert!(is_on_disk(folder.path(), "secret-of-review"));
    assert_eq!(wait(register.finish_erasing(&body, other.public().id())).unwrap(), None);
    assert!(is_on_disk(folder.path(), "secret-of-review"), "by the key of the tombstone alone");
    for _ in 0..2 {
        let erased = wait(register.finish_erasing(&body, key.public().id())).unwrap();
        assert_eq!(erased, Some(Erased { body, tombstone }));
        assert!(!is_on_disk(folder.path(), "secret-of-review"));
    }
}

#[test]
fn an_erased_statement_is_found_by_its_leaf_and_not_by_what_it_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut register = wait(create(folder.path(), &Holder::command(), PATIENCE)).unwrap();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let (secret, other) = (
        signed(about(REVIEW, json!({"said": "secret"})), &key),
        signed(about(REVIEW, json!({"said": "nothing"})), &key),
    );
    for envelope in [&secret, &other] {
        submit(&register, envelope, &key);
    }
    let found = |register: &Register<Embedded>, terms: &[Term]| {
        let mut pages = Vec::new();
        for proofs in [Proofs::Without, Proofs::With] {
            let query = Query { terms: terms.to_vec(), limit: 9, ..Query::default() };
            let plain = wait(register.find(&query)).unwrap();
            let search = Search { query, proofs, ..Search::default() };
            let searched = wait(register.search(&search)).unwrap();
            let evidence = searched.proven.map(|proven| proven.evidence.len());
            assert!(evidence.is_none_or(|count| count == searched.found.entries.len()));
            pages.extend([plain, searched.found]);
        }
        let indices =
            |found: &Found| -> Vec<u64> { found.entries.iter().map(|entry| entry.index).collect() };
        let first = indices(&pages[0]);
        assert!(pages.iter().all(|page| indices(page) == first));
        first
    };
    let (review, signer) = (Term::Type(REVIEW.into()), Term::Signer(key.public().id()));
    let both = [review.clone(), signer.clone()];
    assert_eq!(found(&register, &both), [0, 1]);
    let stone = tombstone(&secret.pae(), REVIEW, &key);
    wait(register.erase(&secret.body(), &stone, &[key.public().clone()], at(20))).unwrap();
    for _ in 0..2 {
        assert_eq!(found(&register, std::slice::from_ref(&review)), [1]);
        assert_eq!(found(&register, &both), [1]);
        assert_eq!(found(&register, std::slice::from_ref(&signer)), [0, 1, 2]);
        assert_eq!(found(&register, &[]), [0, 1, 2]);
        // An index that was made anew says the same.
        drop(register);
        std::fs::remove_dir_all(folder.path().join("index")).unwrap();
        register = reopened(folder.path());
    }
}

/// The trust file of a register by which one key may say anything negative, and one may bury.
fn trust(register: &Register<Embedded>, says: &SigningKey, buries: &SigningKey) -> Trust {
    let key = |id: &str, key: &SigningKey, predicate: &str| {
        json!({
            "id": id, "spki": STANDARD.encode(key.public().der()), "owner": id,
            "may": {"steps": [], "predicates": [predicate], "artifacts": ["*"], "stages": []},
        })
    };
    let trust = json!({
        "apiVersion": "assay/v1",
        "kind": "Trust",
        "keys": [key("says", says, EVALUATION), key("buries", buries, TOMBSTONE)],
        "logs": [{"origin": register.origin(), "key": register.verifier().to_string()}],
        "verifiers": [],
    });
    Trust::parse(&trust.to_string()).unwrap()
}

#[test]
fn a_follower_goes_over_what_was_erased_and_says_so_of_what_is_missing() {
    for algorithm in Algorithm::ALL {
        let folder = tempfile::tempdir().unwrap();
        let register = wait(create(folder.path(), &Holder::command(), PATIENCE)).unwrap();
        let generate = || SigningKey::generate(algorithm).unwrap();
        let (says, buries, nobody) = (generate(), generate(), generate());
        let trust = trust(&register, &says, &buries);
        let envelope = signed(about(REVIEW, json!({})), &says);
        submit(&register, &envelope, &says);
        let body = envelope.body();
        assert!(wait(register.follow(&trust)).is_ok());

        // Erased under the tombstone of somebody whom the trust file does not name.
        let stone = tombstone(&envelope.pae(), REVIEW, &nobody);
        let keys = [nobody.public().clone()];
        wait(register.erase(&body, &stone, &keys, at(20))).unwrap();
        let stale = wait(register.follow(&trust));
        let stale_at = |found: &Result<_, RegisterFollowError>| match found {
            Err(RegisterFollowError::Follow(FollowError::Stale { count, first })) => {
                (*count, first.clone())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(stale_at(&stale), (1, vec![0]), "{algorithm:?}");
        // A tombstone that says it was something which is never erased accounts for nothing.
        submit(&register, &tombstone(&envelope.pae(), REVOCATION, &buries), &buries);
        assert_eq!(stale_at(&wait(register.follow(&trust))), (1, vec![0]));
        // The same by somebody who may say so.
        submit(&register, &tombstone(&envelope.pae(), REVIEW, &buries), &buries);
        let followed = wait(register.follow(&trust)).unwrap();
        let note = wait(register.checkpoint()).unwrap();
        let signed = Checkpoint::open(&note, register.verifier()).unwrap();
        assert_eq!((followed.size, followed.root), (signed.size, signed.root));
    }
}
