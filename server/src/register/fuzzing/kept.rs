//! What is kept beside a register, and copies of one: exports, the list of witnesses, what was seen,
//! trust files.

use attest::predicate::{Document, TrustVersion};
use attest::{ArtifactId, Predicate, ResourceDescriptor, Sha256, Statement, Timestamp, json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use verify::{Trust, read_version};

use super::key;
use super::log::{cosigner_keys, leaves, verifier_keys};
use crate::register::{export, import};
use crate::seen::Seen;
use crate::witness::WitnessList;

pub(super) fn line(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let Some((time, body)) = import::parse(text) else { return false };
    let written = export::line(time, body);
    assert_eq!(written.strip_suffix('\n').and_then(import::parse), Some((time, body)));
    true
}

pub(super) fn entries(bytes: &[u8]) -> bool {
    let Some(leaves) = import::split(bytes) else { return false };
    assert_eq!(joined(&leaves), bytes);
    true
}

/// The list of an archive.
pub(super) fn archive(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(crate::register::archive::is_list)
}

pub(super) fn archives() -> Vec<Vec<u8>> {
    let hash = |number: u8| Sha256::of(&[number]).hex();
    let one = format!("1 3 16777216 {} 7 {}\n", hash(1), hash(2));
    let two = format!("{one}4 4 900 {} 8 {}\n", hash(3), hash(4));
    vec![one.into_bytes(), two.into_bytes()]
}

pub(super) fn witnesses(bytes: &[u8]) -> bool {
    let Ok(list) = WitnessList::parse("list".as_ref(), bytes) else { return false };
    let again = WitnessList::parse("list".as_ref(), &list.to_json());
    assert_eq!(again.ok(), Some(list));
    true
}

pub(super) fn seen(bytes: &[u8]) -> bool {
    let Ok(seen) = json::parse_as::<Seen>(bytes) else { return false };
    let written = serde_json::to_vec(&seen).unwrap_or_default();
    assert_eq!(json::parse_as::<Seen>(&written).ok(), Some(seen));
    true
}

/// A trust file; what it says is written so that it says the same.
pub(super) fn trust(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let Ok(trust) = Trust::parse(text) else { return false };
    let written = trust.to_yaml();
    assert_eq!(Trust::parse(&written).ok().map(|again| again.to_yaml()), Some(written));
    true
}

/// A statement of a version of a trust document. What is read of it says what its document does.
pub(super) fn trust_version(bytes: &[u8]) -> bool {
    let Ok(statement) = Statement::parse(bytes) else { return false };
    let Ok(trust) = read_version(&statement, "assay.local/0") else { return false };
    assert!(trust.governance().is_some());
    assert_eq!(statement.subjects().ok().map(|subjects| subjects.len()), Some(1));
    true
}

pub(super) fn trust_versions() -> Vec<Vec<u8>> {
    let make = || {
        let text = String::from_utf8(trust_files().pop()?).ok()?;
        let trust = Trust::parse(&text).ok()?;
        let governance = trust.governance()?;
        let said = TrustVersion {
            version: governance.version(),
            expires_on: governance.expires(),
            previous: governance.previous(),
            document: Document::new(text),
            proposed_on: None,
        };
        let subject = vec![ResourceDescriptor::of("trust.yaml", &ArtifactId::file(trust.digest()))];
        let predicate = Predicate::TrustVersion(Box::new(said));
        Statement { subject, predicate }.to_json().ok()
    };
    make().into_iter().collect()
}

fn joined(leaves: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        bytes.extend_from_slice(&u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    bytes
}

pub(super) fn lines() -> Vec<Vec<u8>> {
    [None, Some(Sha256::of(b"body"))]
        .map(|body| export::line(Timestamp::UNIX_EPOCH, body).trim_end().as_bytes().to_vec())
        .into()
}

pub(super) fn entry_bundles() -> Vec<Vec<u8>> {
    vec![joined(&leaves())]
}

pub(super) fn witness_lists() -> Vec<Vec<u8>> {
    let keys = cosigner_keys().into_iter().filter_map(|key| String::from_utf8(key).ok());
    keys.map(|key| {
        format!(
            r#"{{"version":"assay/witnesses/v1","quorum":1,"witnesses":[{{"url":"https://witness.example","key":"{key}"}}]}}"#
        )
        .into_bytes()
    })
    .collect()
}

pub(super) fn trust_files() -> Vec<Vec<u8>> {
    let text = |mut texts: Vec<Vec<u8>>| String::from_utf8(texts.pop()?).ok();
    let governance = "local: true\ngovernance:\n  version: 2\n  expires: 2027-01-01T00:00:00Z\n  previous: sha256:0000000000000000000000000000000000000000000000000000000000000000\n  roles:\n    - {role: trust, keys: [ci], threshold: 1}\n    - {role: policy, keys: [ci], threshold: 1, stages: ['*'], policies: ['m*']}\n    - {role: gate, keys: [ci], threshold: 1, stages: [production]}\n";
    let make = |governance: &str| {
        let (log, witness) = (text(verifier_keys())?, text(cosigner_keys())?);
        let spki = STANDARD.encode(key()?.public().der());
        Some(format!(
            "apiVersion: assay/v1\nkind: Trust\n{governance}keys:\n  - id: ci\n    spki: {spki}\n    owner: team\n    validFrom: 2026-01-01T00:00:00Z\n    custody: separate\n    may:\n      steps: [train]\n      predicates: [provenance]\n      artifacts: ['model/*']\n      stages: [production]\nlogs:\n  - origin: assay.local/0\n    key: {log}\n    quorum: 1\n    witnesses:\n      - key: {witness}\n        owner: somebody\nverifiers:\n  - id: https://gate.example\n    key: ci\n"
        ))
    };
    let files = ["", governance].into_iter().filter_map(make);
    files.map(String::into_bytes).collect()
}

pub(super) fn seen_files() -> Vec<Vec<u8>> {
    let root = Sha256::of(b"root");
    let file = format!(
        r#"{{"accepted":"2027-01-01T00:00:00Z","logs":{{"assay.local/0":{{"size":7,"root":"{root}"}}}}}}"#
    );
    let trust =
        format!(r#"{{"logs":{{}},"trust":{{"assay.local/0":{{"version":2,"digest":"{root}"}}}}}}"#);
    vec![file.into_bytes(), trust.into_bytes()]
}
