//! What others find and say of an artifact: scans, words on vulnerabilities, bills of materials,
//! licences in them, and the first bytes of weights.
//!
//! What has been read is held against what must be true of it whatever the bytes were: one bad word
//! more never makes anything better.

use attest::predicate::bom::Bom;
use attest::predicate::vulnerabilities::{Scan, Severity, Status, statuses};
use attest::predicate::{CYCLONEDX, OPENVEX, VULNERABILITIES};
use attest::{Predicate, format, json};
use policy::Licences;
use serde_json::{Value, json};

/// The formats that are told apart, and what nobody recognises.
const FORMATS: [&str; 12] = [
    "safetensors",
    "gguf",
    "hdf5",
    "numpy",
    "tflite",
    "compressed",
    "zip",
    "pickle",
    "onnx",
    "json",
    "text",
    format::UNKNOWN,
];
const DIGEST: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

fn predicate(predicate_type: &str, bytes: &[u8]) -> Option<(Predicate, Value)> {
    let value = json::parse(bytes).ok()?;
    Some((Predicate::from_value(predicate_type, value.clone()).ok()?, value))
}

/// With one more item in the list at `pointer`.
fn and(predicate_type: &str, mut value: Value, pointer: &str, item: Value) -> Option<Predicate> {
    value.pointer_mut(pointer)?.as_array_mut()?.push(item);
    Predicate::from_value(predicate_type, value).ok()
}

/// A scan: a result that nobody scores makes its vulnerability worse than all that are scored.
pub(super) fn scan(bytes: &[u8]) -> bool {
    let Some((predicate, value)) = predicate(VULNERABILITIES, bytes) else { return false };
    let Some(Ok(scan)) = Scan::of(&predicate) else { return false };
    let id = scan.results.keys().next().copied().unwrap_or("CVE-1");
    let more = and(VULNERABILITIES, value, "/scanner/result", json!({"id": id}));
    let again = more.as_ref().and_then(Scan::of).and_then(Result::ok);
    if let Some(again) = again {
        assert_eq!(again.results.get(id), Some(&Severity::Unknown));
        assert_eq!(again.results.len(), scan.results.len().max(1));
    }
    true
}

/// Words on vulnerabilities: that one does harm cannot be hidden by saying otherwise as well.
pub(super) fn vex(bytes: &[u8]) -> bool {
    let Some((predicate, value)) = predicate(OPENVEX, bytes) else { return false };
    let Some(Ok(found)) = statuses(&predicate, Some(DIGEST)) else { return false };
    let id = found.keys().next().map_or("CVE-1", String::as_str);
    let affected = json!({"vulnerability": id, "status": "affected"});
    let more = and(OPENVEX, value, "/statements", affected);
    if let Some(Ok(again)) = more.and_then(|more| statuses(&more, Some(DIGEST))) {
        assert_eq!(again.get(id), Some(&Status::Affected));
        let same = found.iter().filter(|(other, _)| *other != id);
        assert!(same.clone().all(|(other, status)| again.get(other) == Some(status)));
    }
    true
}

/// A bill of materials: a component more is found, and hides none of the others.
pub(super) fn bill(bytes: &[u8]) -> bool {
    let Some((predicate, value)) = predicate(CYCLONEDX, bytes) else { return false };
    let _ = statuses(&predicate, Some(DIGEST));
    let Some(Ok(bom)) = Bom::of(&predicate) else { return false };
    let _ = (bom.subject().map(|one| one.licences().map(drop)), bom.analyses());
    let Ok(components) = bom.components() else { return false };
    for component in &components {
        let _ = (component.label(), component.licences());
    }
    let more = and(CYCLONEDX, value, "/components", json!({"name": "more"}));
    let again = more.as_ref().and_then(Bom::of).and_then(Result::ok);
    if let Some(Ok(again)) = again.map(|again| again.components()) {
        assert_eq!(again.len(), components.len() + 1);
    }
    true
}

/// An expression of licences: read or not whatever the list is, and never better for what is
/// denied.
pub(super) fn licence(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let nothing = Licences::Allow(Vec::new());
    let anything = Licences::Deny(Vec::new());
    let Some(suits) = nothing.suit(text) else {
        assert_eq!(anything.suit(text), None);
        return false;
    };
    assert_eq!((suits, anything.suit(text)), (false, Some(true)));
    let own = Licences::Allow(vec!["LicenseRef-own".into()]);
    // Beside it, or within it, unless that is longer or deeper than is read.
    let or = own.suit(&format!("{text} OR LicenseRef-own"));
    let and = own.suit(&format!("LicenseRef-own AND ({text})"));
    let within = anything.suit(&format!("({text})"));
    assert!(or.is_none_or(|or| or) && within.is_none_or(|within| within));
    assert!(and.is_none() || and == own.suit(text));
    true
}

/// The first bytes of a file: one of the formats that there are, and pickle whatever follows.
pub(super) fn first_bytes(bytes: &[u8]) -> bool {
    let head = bytes.get(..format::HEAD_BYTES).unwrap_or(bytes);
    let found = format::detect(head, bytes.len() as u64);
    assert!(FORMATS.contains(&found), "{found}");
    let is_pickle = matches!(head, [0x80, 2..=5, ..]) && found != "safetensors";
    assert!(!is_pickle || found == "pickle");
    // Of a file that is longer, only what its length says may be another format.
    let longer = format::detect(head, u64::MAX);
    assert!(longer == found || longer == "safetensors");
    found != format::UNKNOWN
}

pub(super) fn scans() -> Vec<Vec<u8>> {
    let results = json!([
        {"id": "CVE-1", "severity": [{"method": "nvd", "score": "5.0"}, {"method": "x", "score": 9}]},
        {"vulnerability": {"id": "CVE-2", "severity": {"method": "nvd", "score": "high"}}},
        {"id": "CVE-3"},
    ]);
    let scan = |results: Value| {
        json!({
            "scanner": {"uri": "pkg:x/y", "db": {"lastUpdate": "2026-11-20T00:00:00Z"}, "result": results},
            "metadata": {"scanFinishedOn": "2026-11-20T00:00:00Z"},
        })
    };
    [scan(results), scan(json!([]))].iter().map(|one| one.to_string().into_bytes()).collect()
}

pub(super) fn vexes() -> Vec<Vec<u8>> {
    let product = json!([{"@id": "pkg:x/y", "hashes": {"sha-256": DIGEST}}]);
    let statements = json!({"statements": [
        {"vulnerability": {"name": "CVE-1", "aliases": ["GHSA-1"]}, "status": "not_affected", "products": product},
        {"vulnerability": "CVE-2", "status": "affected"},
        {"vulnerability": {"@id": "CVE-1"}, "status": "fixed"},
    ]});
    vec![statements.to_string().into_bytes()]
}

pub(super) fn bills() -> Vec<Vec<u8>> {
    let bill = json!({
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"name": "model", "licenses": [{"license": {"id": "MIT"}}]}},
        "components": [{
            "name": "outer", "version": "1", "licenses": [{"expression": "MIT OR Apache-2.0"}],
            "components": [{"name": "inner", "licenses": [{"license": {"name": "Own"}}]}],
        }],
        "vulnerabilities": [{"id": "CVE-1", "analysis": {"state": "not_affected"}}, {"id": "CVE-2"}],
    });
    vec![bill.to_string().into_bytes()]
}

pub(super) fn licences() -> Vec<Vec<u8>> {
    let texts = [
        "MIT",
        "(MIT OR AGPL-3.0-only) AND BSD-3-Clause",
        "GPL-2.0-only WITH Classpath-exception-2.0 or LicenseRef-own",
        "((Apache-2.0) AND (MIT OR (GPL-2.0+)))",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub(super) fn heads() -> Vec<Vec<u8>> {
    let mut safetensors = 2_u64.to_le_bytes().to_vec();
    safetensors.extend(b"{}");
    let mut zip = b"PK\x03\x04".to_vec();
    zip.extend([0; 22]);
    zip.extend([16, 0, 0, 0]);
    zip.extend(b"archive/data.pkl");
    let others: [&[u8]; 7] = [
        b"GGUF\x03\0\0\0",
        b"\x80\x05\x95",
        b"cposix\nsystem\n(S'true'\ntR.",
        b"\x08\x08\x12\x07pytorch",
        b"\x1c\0\0\0TFL3",
        b" {\"a\": 1}",
        b"column,other\n1,2\n",
    ];
    [safetensors, zip].into_iter().chain(others.map(<[u8]>::to_vec)).collect()
}
