//! Envelopes, what holds other artifacts, what a step writes beside its products, and policies.

use attest::envelope::{Envelope, IN_TOTO};
use attest::record::{metrics as numbers, parameters as settings};
use attest::{Sha256, oci, tree as trees_of};
use policy::{Case, Policy};
use serde_json::json;

use super::{key, log};

/// An envelope, or what its signatures are over: either is written as it was read.
pub(super) fn envelope(bytes: &[u8]) -> bool {
    let whole = Envelope::parse(bytes).ok();
    if let Some(envelope) = &whole {
        assert_eq!(Envelope::parse(&envelope.to_json()).as_ref().ok(), Some(envelope));
    }
    let signed = Envelope::from_pae(bytes).ok();
    if let Some(envelope) = &signed {
        assert_eq!(envelope.pae(), bytes);
    }
    whole.is_some() || signed.is_some()
}

pub(super) fn envelopes() -> Vec<Vec<u8>> {
    let statement = log::statements().into_iter().next().unwrap_or_default();
    let (Some(key), Some(other)) = (key(), super::keys::generated()) else { return Vec::new() };
    let Ok(envelope) = Envelope::sign(IN_TOTO, statement, &[&key, &other]) else {
        return Vec::new();
    };
    vec![envelope.to_json(), envelope.pae()]
}

/// The manifest of a folder has one spelling.
pub(super) fn tree(bytes: &[u8]) -> bool {
    let Ok(manifest) = trees_of::Manifest::parse(bytes) else { return false };
    assert_eq!(manifest.to_bytes(), bytes);
    true
}

pub(super) fn trees() -> Vec<Vec<u8>> {
    let entry = |path: &str, executable, size| trees_of::Entry {
        path: path.into(),
        size,
        executable,
        digest: Sha256::of(path.as_bytes()),
    };
    let entries = vec![entry("a/b", true, 7), entry("a/c d", false, 0), entry("e", false, 1 << 40)];
    let manifest = trees_of::Manifest::new(entries).map(|manifest| manifest.to_bytes());
    manifest.into_iter().collect()
}

/// A document of an image, under either kind of media type. Its digest is that of its bytes.
pub(super) fn image(bytes: &[u8]) -> bool {
    let read = [oci::INDEX, oci::MANIFEST].map(|media_type| {
        let Ok(document) = oci::Document::parse(media_type, bytes) else { return false };
        assert_eq!(document.artifact().digest(), Some(Sha256::of(bytes)));
        for child in document.children() {
            let _ = (child.artifact(), child.blob());
        }
        true
    });
    read.contains(&true)
}

pub(super) fn images() -> Vec<Vec<u8>> {
    let part = |media_type: &str| {
        let digest = Sha256::of(media_type.as_bytes()).to_string();
        json!({"mediaType": media_type, "digest": digest, "size": 8})
    };
    let index = json!({"schemaVersion": 2, "manifests": [part(oci::MANIFEST)]});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": oci::MANIFEST,
        "config": part("application/vnd.oci.image.config.v1+json"),
        "layers": [part("application/vnd.oci.image.layer.v1.tar+gzip")],
    });
    [index, manifest].map(|document| document.to_string().into_bytes()).to_vec()
}

pub(super) fn metrics(bytes: &[u8]) -> bool {
    numbers::parse(bytes).is_ok_and(|found| {
        assert!(!found.is_empty());
        true
    })
}

pub(super) fn metrics_files() -> Vec<Vec<u8>> {
    let slice = json!({
        "feature": "age", "value": "old", "sampleSize": 20, "metrics": {"accuracy": 0.91},
    });
    let all = json!({"sampleSize": 50, "metrics": {"accuracy": 0.97, "loss": -1e-3}});
    let mut sliced = all.clone();
    if let Some(fields) = sliced.as_object_mut() {
        fields.insert("slices".into(), json!([slice]));
    }
    [all, sliced].map(|file| file.to_string().into_bytes()).to_vec()
}

pub(super) fn parameters(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let _ = settings::parse_one(text);
    settings::parse(text).is_ok()
}

pub(super) fn parameter_files() -> Vec<Vec<u8>> {
    vec![
        b"learning-rate: 0.1\nlayers: [1, 2]\nmodel: {name: \"x\", deep: true}\n".to_vec(),
        br#"{"learning-rate": 0.1, "model": {"name": "x"}}"#.to_vec(),
    ]
}

/// A policy is known by the digest of its text.
pub(super) fn policy(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(policy) = Policy::parse(text) else { return false };
    assert_eq!(policy.digest(), Sha256::of(bytes));
    true
}

pub(super) fn policies() -> Vec<Vec<u8>> {
    vec![
        br#"apiVersion: assay/v1
kind: PromotionPolicy
metadata: {name: fuzz, version: 1}
stages: {staging: {mode: warn}, production: {mode: enforce, after: [staging]}}
steps:
  train: {predicates: ["https://slsa.dev/provenance/v1"], kind: training, signers: {anyOf: [a]}}
  evaluate:
    predicates: [evaluation/v0.1]
    signers: {anyOf: [b], notSameAs: train}
flow:
  - {from: train.products, to: evaluate.subject, coverage: all}
ml:
  metrics:
    - {step: evaluate, name: accuracy, dataset: {name: test, digest: "sha256:DIGEST"}, atLeast: "0.9", minSamples: 10}
  holdout:
    - {name: test, digest: "sha256:DIGEST", notIn: train.materials}
"#
        .to_vec(),
    ]
    .into_iter()
    .map(|text| String::from_utf8_lossy(&text).replace("DIGEST", &"0a".repeat(32)).into_bytes())
    .collect()
}

pub(super) fn case(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    Case::parse("case", text).is_ok()
}

pub(super) fn cases() -> Vec<Vec<u8>> {
    let artifact = format!("file:{}", Sha256::of(b"model"));
    vec![
        format!(
            "at: 2026-11-20T12:00:00Z\nstage: production\nartifact: {artifact}\n\
             bundles: [a.json]\nexpect: {{verdict: denied, codes: [step.missing]}}\n"
        )
        .into_bytes(),
    ]
}
