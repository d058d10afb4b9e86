//! A register gets another key (THREATS 31), as those meet it who believe it: by the command, by
//! proofs and bundles in files, and by a service. And whoever has the old key afterwards.
#![cfg(feature = "server")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod reviewed;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use attest::{Checkpoint, LogProof, NoteSigner, Sha256, SigningKey, VerifierKey};
use fixtures::signing_key;
use reviewed::{POLICY, REVIEW, assay, folder};
use serde_json::Value;
use verify::{Reach, Trust};

fn json(folder: &Path, words: &str) -> Value {
    serde_json::from_str(&assay(folder, &format!("{words} --json"), 0, "")).unwrap()
}

fn trust(folder: &Path, file: &str) -> Trust {
    Trust::parse(&fs::read_to_string(folder.join(file)).unwrap()).unwrap()
}

#[test]
fn trust_files_are_changed_one_after_the_other_while_both_keys_sign() {
    let folder = folder();
    let at = folder.path();
    let prove = |name: &str| {
        assay(at, &format!("log prove 0 --output {name}.tlog-proof"), 0, "proven");
        assay(at, &format!("log entry 0 --output {name}.json --leaf leaf"), 0, "entry 0");
    };
    let verify = |name: &str, trust: &str, status| {
        let words = format!("verify leaf --proof {name}.tlog-proof --trust {trust}");
        assay(at, &words, status, "");
        let words = format!("verify model.bin --bundle {name}.json --trust {trust}");
        assay(at, &words, status, "");
    };
    fs::copy(at.join(".assay/trust.yaml"), at.join("old.yaml")).unwrap();
    prove("before");
    assay(at, "log rotate-key --output rotation.json", 0, "two keys sign");
    prove("during");
    fs::copy(at.join("old.yaml"), at.join("both.yaml")).unwrap();
    assay(at, "trust rotate rotation.json --trust both.yaml", 0, "still counts");
    for name in ["before", "during"] {
        verify(name, "old.yaml", 0);
        verify(name, "both.yaml", 0);
    }
    for file in ["old.yaml", "both.yaml"] {
        assay(at, &format!("verify model.bin --trust {file}"), 0, "read all 2 entries");
    }

    let finished = json(at, "log rotate-key --finish");
    prove("after");
    let former = finished["from"].as_str().unwrap();
    fs::copy(at.join("both.yaml"), at.join("ended.yaml")).unwrap();
    let words = format!("trust rotate --former {former} --until 2 --trust ended.yaml");
    assay(at, &words, 0, "counts up to 2 entries");
    for name in ["before", "during", "after"] {
        verify(name, "both.yaml", 0);
        verify(name, "ended.yaml", 0);
    }
    // A proof by the new key alone shows whoever knows the old one nothing.
    assay(at, "verify leaf --proof after.tlog-proof --trust old.yaml", 1, "no signature");
    let hint = "`assay find --type key-rotation`";
    assay(at, "verify model.bin --trust old.yaml", 2, hint);
    // The statement still leads from the old key to the new one.
    assay(at, "log entry 1 --output late.json", 0, "key-rotation");
    assay(at, "trust rotate late.json --trust old.yaml", 0, "still counts");
    verify("after", "old.yaml", 0);
    assert_eq!(finished["last"]["size"], 2);
}

#[test]
fn whoever_has_the_old_key_afterwards_is_not_believed() {
    let folder = folder();
    let at = folder.path();
    fs::copy(at.join(".assay/trust.yaml"), at.join("old.yaml")).unwrap();
    let stolen = fs::read_to_string(at.join(".assay/register/key.pem")).unwrap();
    assay(at, "log entry 0 --leaf leaf", 0, "entry 0");
    assay(at, "log rotate-key", 0, "two keys sign");
    let last = &json(at, "log rotate-key --finish")["last"];
    let key = json(at, "log head")["key"].as_str().unwrap().to_owned();
    // The trust file knows only the old key: the head is by the new one, and not trusted.
    assay(at, "log head", 0, "no: `assay trust rotate`");

    let origin = trust(at, "old.yaml").logs()[0].origin().to_owned();
    let thief = NoteSigner::new(&origin, SigningKey::from_pem(&stolen, None).unwrap()).unwrap();
    // A tree of one entry, its own, at every size: the proofs are whole.
    let forge = |name: &str, entry: &[u8], others: u64| {
        let mut hashes = Vec::new();
        let mut root = verify::merkle::leaf_hash(entry);
        for number in 0..others {
            let other = Sha256::of(&number.to_be_bytes());
            root = Sha256::of_parts([&[1][..], root.as_bytes(), other.as_bytes()]);
            hashes.push(other);
        }
        // Entry 0 of a tree of 2^others: its path has that many hashes.
        let checkpoint = Checkpoint { origin: origin.clone(), size: 1 << others, root };
        let checkpoint = thief.sign(&checkpoint.to_string()).unwrap().to_string();
        let proof = LogProof { extra: None, index: 0, hashes, checkpoint };
        fs::write(at.join(name), proof.to_string()).unwrap();
    };
    fs::write(at.join("forged"), "an entry that was never there").unwrap();
    let entry = fs::read(at.join("forged")).unwrap();
    for (name, others) in [("below", 0), ("at", 1), ("above", 2)] {
        forge(name, &entry, others);
        let words = format!("verify forged --proof {name} --trust old.yaml");
        assay(at, &words, 0, "");
    }
    fs::copy(at.join("old.yaml"), at.join("lost.yaml")).unwrap();
    let (size, root) = (last["size"].as_u64().unwrap(), last["root"].as_str().unwrap());
    assert_eq!(size, 2);
    let words = format!("trust rotate --key {key} --last-good {size} {root} --trust lost.yaml");
    assay(at, &words, 0, "was lost");
    for (name, why) in [
        ("below", "only the tree of 2 entries counts"),
        ("at", "but the last good tree has"),
        ("above", "counts only up to 2"),
    ] {
        assay(at, &format!("verify forged --proof {name} --trust lost.yaml"), 1, why);
    }
    assay(at, "verify model.bin --trust lost.yaml", 0, "read all 2 entries");

    assay(at, &format!("trust add --log {key} --trust lost.yaml"), 2, "`assay trust rotate`");
    let stranger = VerifierKey::new(&origin, signing_key("stranger").unwrap().public().clone());
    let words = format!("trust rotate --former {} --until 1", stranger.unwrap());
    assay(at, &format!("{words} --trust lost.yaml"), 2, "names no log");

    // One entry more, by the register itself: its own key, and the same past.
    assay(at, REVIEW, 0, "entry 2");
    assay(at, "verify model.bin --trust lost.yaml", 0, "read all 3 entries");
    let mut other = trust(at, "lost.yaml");
    let old = other.logs()[0].former()[0].key().clone();
    let root = Sha256::of(b"another past");
    other.end_log_key(&old, Reach::LastGood(verify::LastGood { size, root })).unwrap();
    fs::write(at.join("other.yaml"), other.to_yaml()).unwrap();
    assay(at, "verify model.bin --trust other.yaml", 2, "another history than the trust file");
}

#[test]
fn a_rotation_by_anybody_else_puts_no_key_into_a_trust_file() {
    let (ours, theirs) = (folder(), folder());
    let (ours, theirs) = (ours.path(), theirs.path());
    assay(ours, "log rotate-key --output rotation.json", 0, "two keys sign");
    assay(theirs, "log rotate-key --output rotation.json", 0, "two keys sign");
    let before = fs::read(ours.join(".assay/trust.yaml")).unwrap();
    fs::copy(theirs.join("rotation.json"), ours.join("theirs.json")).unwrap();
    assay(ours, "trust rotate theirs.json", 2, "does not name the log");
    // The same statement, registered here, signed by the key that may say anything but this.
    let bundle: Value =
        serde_json::from_slice(&fs::read(ours.join("rotation.json")).unwrap()).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let payload = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, payload);
    let statement: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    fs::write(ours.join("said.json"), statement["predicate"].to_string()).unwrap();
    let subject = statement["subject"][0]["digest"]["sha256"].as_str().unwrap();
    let words = format!(
        "attest --type {} --predicate said.json --subject sha256:{subject} --output local.json",
        attest::predicate::KEY_ROTATION
    );
    assay(ours, &words, 0, "entry 2");
    assay(ours, "trust rotate local.json", 2, "is not signed by the key of log");
    assert_eq!(fs::read(ours.join(".assay/trust.yaml")).unwrap(), before);
    assay(ours, "trust rotate rotation.json", 0, "still counts");
}

/// THREATS 32: a guess at what was signed cannot be confirmed from the digest in a tile.
#[test]
fn every_statement_that_is_signed_has_random_bits_of_its_own() {
    let folder = folder();
    let at = folder.path();
    assay(at, "run --kind build --product out.txt -- cp model.bin out.txt", 0, "entry 1");
    fs::write(at.join(".assay/policy.yaml"), POLICY).unwrap();
    assay(at, "promote model.bin --stage staging", 0, "entry 2");
    assay(at, "attest revocation --subject model.bin --reason slip --descendants", 0, "entry 3");
    assay(at, REVIEW, 0, "entry 4");
    let body = json(at, "log entry 4")["entry"]["body"].as_str().unwrap().to_owned();
    assay(at, &format!("log erase {body} --reason slip"), 0, "entry 5");
    assay(at, "log rotate-key", 0, "entry 6");
    let mut seen = BTreeSet::new();
    for index in [0, 1, 2, 3, 5, 6] {
        let payload = json(at, &format!("log entry {index}"));
        let payload = payload["bundle"]["dsseEnvelope"]["payload"].as_str().unwrap().to_owned();
        let payload = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, payload);
        let statement: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
        let nonce = statement["subject"][0]["annotations"]["nonce"].as_str().unwrap();
        assert!(nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()), "{index}");
        assert!(seen.insert(nonce.to_owned()), "{index}");
    }
}
