//! Logs and bundles that others made, when they are at hand: Tessera's test log, and what Sigstore
//! expects of whoever reads Rekor v2.

#![expect(clippy::disallowed_methods, reason = "tests read vectors from disk")]

use std::path::{Path, PathBuf};

use attest::{Bundle, Checkpoint, PublicKey, Sha256, VerifierKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use verify::merkle::{
    Frontier, Tree, consistency_proof, leaf_hash, verify_consistency, verify_inclusion,
};
use verify::{Custody, May, Trust, VerifyError, Window, verify};

use crate::support::now;

const TESSERA: &str =
    "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx";

fn folder(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    let folder = std::env::var("ASSAY_VECTORS").map_or_else(|_| beside(), PathBuf::from).join(name);
    if !folder.is_dir() {
        eprintln!(
            "\n!!! VECTORS NOT RUN: no folder `{name}` in ASSAY_VECTORS or ../shared/vectors !!!\n"
        );
        return None;
    }
    Some(folder)
}

/// The entries of an entry bundle (C2SP tlog-tiles): each after its length in two bytes.
fn entries(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let (entry, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        all.push(entry.to_vec());
        bytes = rest;
    }
    all
}

#[test]
fn a_log_by_tessera() {
    let Some(folder) = folder("tlog/tessera/log") else { return };
    let key: VerifierKey = TESSERA.parse().unwrap();
    let head = |size: usize| {
        let note = std::fs::read_to_string(folder.join(format!("checkpoint.{size}"))).unwrap();
        let changed = note.replacen(&format!("\n{size}\n"), &format!("\n{}\n", size + 1), 1);
        assert!(Checkpoint::open(&changed, &key).is_err(), "{size}: another size");
        Checkpoint::open(&note, &key).unwrap()
    };
    let hashes: Vec<Sha256> = {
        let tile = std::fs::read(folder.join("tile/entries/000.p/15")).unwrap();
        entries(&tile).iter().map(|entry| leaf_hash(entry)).collect()
    };
    assert_eq!(hashes.len(), 15);
    let mut tree = Tree::default();
    let mut frontier = Frontier::new();
    let mut heads = vec![head(0)];
    for (place, hash) in hashes.iter().enumerate() {
        tree.append(*hash);
        frontier.append(*hash);
        let head = head(place + 1);
        assert_eq!((head.size, head.root), (place as u64 + 1, frontier.root()));
        heads.push(head);
    }
    let last = heads.last().unwrap();
    for head in &heads[1..] {
        let proof = consistency_proof(&tree, head.size, last.size).unwrap();
        verify_consistency(head.size, last.size, &proof, &head.root, &last.root).unwrap();
    }
}

/// The log of the trusted root whose hash the bundle names, under its host's name.
fn log(root: &Value, entry: &Value) -> VerifierKey {
    let tlogs = root["tlogs"].as_array().unwrap();
    let tlog = tlogs.iter().find(|one| one["logId"] == entry["logId"]).unwrap();
    let host = tlog["baseUrl"].as_str().unwrap().trim_start_matches("https://");
    let der = STANDARD.decode(tlog["publicKey"]["rawBytes"].as_str().unwrap()).unwrap();
    VerifierKey::new(host, PublicKey::from_der(&der).unwrap()).unwrap()
}

/// Whether the entry is under a checkpoint that the log signed.
fn is_logged(entry: &Value, key: &VerifierKey) -> bool {
    let proof = &entry["inclusionProof"];
    let number = |name: &str| proof[name].as_str().and_then(|text| text.parse::<u64>().ok());
    let hash = |value: &Value| {
        let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
        Sha256::from_bytes(bytes.try_into().unwrap())
    };
    let note = proof["checkpoint"]["envelope"].as_str().unwrap_or_default();
    let Ok(head) = Checkpoint::open(note, key) else { return false };
    let hashes: Vec<Sha256> = proof["hashes"].as_array().unwrap().iter().map(hash).collect();
    let leaf = STANDARD.decode(entry["canonicalizedBody"].as_str().unwrap()).unwrap();
    let index = number("logIndex").unwrap();
    verify_inclusion(index, head.size, &leaf_hash(&leaf), &hashes, &head.root).is_ok()
}

#[test]
fn checkpoints_and_proofs_of_rekor() {
    let Some(folder) = folder("sigstore/bundle-verify") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for case in std::fs::read_dir(folder).unwrap() {
        let path = case.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("rekor2-") {
            continue;
        }
        let read = |file: &str| -> Value {
            serde_json::from_slice(&std::fs::read(path.join(file)).unwrap()).unwrap()
        };
        let bundle = read("bundle.sigstore.json");
        let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
        let found = is_logged(entry, &log(&read("trusted_root.json"), entry));
        // The other cases that must fail do so for their timestamps or signatures.
        let about_the_log = name.contains("checkpoint") || name.contains("no-inclusion");
        let want = !(about_the_log && name.ends_with("_fail"));
        assert_eq!(found, want, "{name}");
        if found { accepted += 1 } else { refused += 1 }
    }
    assert_eq!((accepted, refused), (13, 4));
}

#[test]
fn envelopes_logged_by_rekor() {
    let Some(folder) = folder("sigstore/bundle-verify") else { return };
    let file = |case: &str, name: &str| std::fs::read(folder.join(case).join(name)).unwrap();
    let happy = "rekor2-dsse-happy-path";
    let json: Value = serde_json::from_slice(&file(happy, "bundle.sigstore.json")).unwrap();
    let root: Value = serde_json::from_slice(&file(happy, "trusted_root.json")).unwrap();
    let material = &json["verificationMaterial"];
    // We have no certificates yet: the key in it is trusted by itself.
    let certificate =
        STANDARD.decode(material["certificate"]["rawBytes"].as_str().unwrap()).unwrap();
    let key = certificate.windows(91).find_map(|part| PublicKey::from_der(part).ok()).unwrap();
    let mut trust = Trust::empty();
    let may = May::of(&["*"], &["*"], &["*"], &["*"]).unwrap();
    trust.add_key("key", &key, "key", &may, Window::default(), Custody::Shared).unwrap();
    trust.add_log(&log(&root, &material["tlogEntries"][0])).unwrap();
    let refusal = |case: &str| {
        let bundle = Bundle::parse(&file(case, "bundle.sigstore.json")).unwrap();
        verify(&bundle, &trust, now()).unwrap_err()
    };
    // All is right but that the entry names the certificate and not the key alone.
    let error = refusal(happy);
    assert!(matches!(error, VerifyError::OtherVerifier { .. }), "{error}");
    let error = refusal("rekor2-dsse-mismatch-sig_fail");
    let wrong =
        matches!(error, VerifyError::OtherSignature { .. } | VerifyError::NoTrustedSignature);
    assert!(wrong, "{error}");
    let error = refusal("rekor2-dsse-mismatch-envelope_fail");
    let wrong = matches!(error, VerifyError::OtherBody { .. } | VerifyError::NoTrustedSignature);
    assert!(wrong, "{error}");
}
