//! Bytes that others published, read by our readers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;

use attest::envelope::Envelope;
use attest::{Leaf, Statement, Verifier, json};
use serde_json::Value;

/// The folder of published test data: `ASSAY_VECTORS`, or `../shared/vectors` beside the
/// checkout. Says so loudly when it is absent.
fn vectors() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let folder = PathBuf::from(std::env::var("ASSAY_VECTORS").unwrap_or_else(|_| beside.into()));
    if folder.is_dir() {
        return Some(folder);
    }
    #[allow(clippy::print_stdout, reason = "nobody must take an absent folder for a passed test")]
    {
        println!(
            "WARNING: no test vectors at `{}`: set ASSAY_VECTORS; nothing was tested",
            folder.display()
        );
    }
    None
}

#[test]
fn leaves_of_a_rekor_v2_log() {
    let Some(vectors) = vectors() else { return };
    let mut seen = 0;
    for case in ["rekor2-dsse-happy-path", "rekor2-dsse-mismatch-envelope_fail"] {
        let path = vectors.join("sigstore/bundle-verify").join(case).join("bundle.sigstore.json");
        let bundle = json::parse(&std::fs::read(path).unwrap()).unwrap();
        let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
        let leaf = Leaf::parse(&decode(&entry["canonicalizedBody"])).unwrap();
        assert!(matches!(leaf.verifier(), Verifier::Certificate(_)));
        let envelope = Envelope::parse(bundle["dsseEnvelope"].to_string().as_bytes()).unwrap();
        let signed = envelope.signatures.iter().any(|one| one.sig == leaf.signature());
        assert_eq!(leaf.covers(&envelope.pae()) && signed, !case.ends_with("_fail"), "{case}");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[test]
fn worked_statements() {
    let Some(vectors) = vectors() else { return };
    let mut seen = 0;
    for file in std::fs::read_dir(vectors.join("../statements")).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let statement = Statement::parse(&bytes);
        let statement = statement.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Typed reading and writing loses nothing that the sample says.
        let before = json::parse(&bytes).unwrap();
        let after = statement.predicate.to_value().unwrap();
        contains(&after, &before["predicate"], &path.display().to_string());
        seen += 1;
    }
    assert_eq!(seen, 14);
}

/// Whether `whole` says all that `part` says.
fn contains(whole: &Value, part: &Value, place: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (key, value) in part {
                contains(whole.get(key).unwrap_or(&Value::Null), value, &format!("{place}/{key}"));
            }
        }
        (Value::Array(whole), Value::Array(part)) => {
            assert_eq!(whole.len(), part.len(), "{place}");
            for (at, (whole, part)) in whole.iter().zip(part).enumerate() {
                contains(whole, part, &format!("{place}/{at}"));
            }
        }
        _ => assert_eq!(whole, part, "{place}"),
    }
}

fn decode(text: &Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
}
