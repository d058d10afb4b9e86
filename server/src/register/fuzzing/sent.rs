//! What submitters, askers and witnesses send.

use attest::envelope::Envelope;
use attest::{Algorithm, Leaf, Sha256, SigningKey, json};
use serde_json::{Value, json};

use super::log::{cosigned_notes, notes};
use super::{again, key};
use crate::register::Measured;
use crate::register::facts;
use crate::wire;
use crate::witness;

pub(super) fn submission(bytes: &[u8]) -> bool {
    let Ok(submission) = json::parse_as::<wire::Submission>(bytes) else { return false };
    let keys = submission.verifiers.iter().map(|text| wire::Submission::parse_verifier(text));
    let keys: Option<Vec<_>> = keys.collect();
    let envelope = Envelope::parse(submission.envelope.to_string().as_bytes());
    let (Some(keys), Ok(envelope)) = (keys, envelope) else { return false };
    let body = envelope.pae();
    for signature in &envelope.signatures {
        // Whatever the signature is worth, the leaf of it is read again as it was written.
        if let Some(key) = keys.first() {
            let made = Leaf::of(&body, &signature.sig, key);
            let _ = facts::terms(made.bytes(), Some(&body));
        }
    }
    true
}

/// A request of Sigstore's clients. What its signature is worth is checked, too.
pub(super) fn entry_request(bytes: &[u8]) -> bool {
    let Ok(request) = json::parse_as::<wire::rekor::CreateEntryRequest>(bytes) else {
        return false;
    };
    let Ok(proposal) = request.proposal() else { return false };
    let Ok(leaf) = proposal.check() else { return false };
    assert_eq!(Leaf::parse(leaf.bytes()).ok().as_ref(), Some(&leaf));
    let _ = facts::terms(leaf.bytes(), None);
    true
}

/// A search as it comes in a URL; the metrics in it are read as they are written.
pub(super) fn search(bytes: &[u8]) -> bool {
    let Ok(query) = std::str::from_utf8(bytes) else { return false };
    let _ = again::<Measured>(bytes);
    let Some(search) = crate::http::search_of(query) else { return false };
    for measured in &search.measured {
        assert_eq!(measured.to_string().parse(), Ok(measured.clone()));
    }
    true
}

/// What is read is written back as the same bytes.
pub(super) fn add_checkpoint(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let Ok(request) = text.parse::<witness::AddCheckpoint>() else { return false };
    assert_eq!(request.to_string(), text);
    true
}

/// Signature lines, and the size that was cosigned last.
pub(super) fn witness_answer(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    [(200, false), (409, true), (409, false)]
        .into_iter()
        .any(|(status, is_size)| witness::makes_sense(status, is_size, text))
}

pub(super) fn submissions() -> Vec<Vec<u8>> {
    let make = |payload_type: &str, payload: &[u8]| {
        let key = key()?;
        let envelope = Envelope::sign(payload_type, payload.to_vec(), &[&key]).ok()?;
        let envelope: Value = serde_json::from_slice(&envelope.to_json()).ok()?;
        let verifiers = [wire::Submission::verifier(key.public())];
        Some(json!({"envelope": envelope, "verifiers": verifiers}).to_string().into_bytes())
    };
    let statement = br#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"}}],"predicateType":"https://example.com/x/v1","predicate":{}}"#;
    [make("text/plain", b"text"), make(attest::envelope::IN_TOTO, statement)]
        .into_iter()
        .flatten()
        .collect()
}

pub(super) fn entry_requests() -> Vec<Vec<u8>> {
    let make = |algorithm| {
        let key = SigningKey::generate(algorithm).ok()?;
        let text = b"what was signed";
        let leaf = Leaf::of(text, &key.sign(text).ok()?, key.public());
        let leaf: Value = serde_json::from_slice(leaf.bytes()).ok()?;
        let spec = leaf.pointer("/spec/hashedRekordV002")?;
        let (digest, signature) = (spec.pointer("/data/digest")?, spec.get("signature")?);
        let record = json!({"digest": digest, "signature": signature});
        Some(json!({"hashedRekordRequestV002": record}).to_string().into_bytes())
    };
    // What Ed25519 signs is no digest, so that it needs the statement.
    let by_digest = |algorithm: &Algorithm| *algorithm != Algorithm::Ed25519;
    Algorithm::ALL.into_iter().filter(by_digest).filter_map(make).collect()
}

pub(super) fn searches() -> Vec<Vec<u8>> {
    [
        "step=train&kind=training&parameter=lr%3D0.1&parameter=epochs%3D3&limit=5&reverse=true",
        "words=one+model&metric=accuracy%5Bage%3Dyoung%5D%3E%3D0.95&proofs=true&start=7",
        "from=2027-01-01T00:00:00Z&until=2027-02-01T00:00:00Z&stage=production&result=FAILED",
    ]
    .map(|query| query.as_bytes().to_vec())
    .into()
}

pub(super) fn add_checkpoints() -> Vec<Vec<u8>> {
    let request = |note: Vec<u8>, old| {
        let proof = vec![Sha256::of(b"left"); usize::from(old > 0)];
        let note = String::from_utf8(note).unwrap_or_default();
        witness::AddCheckpoint { old, proof, note }.to_string().into_bytes()
    };
    notes().into_iter().zip(0..).map(|(note, old)| request(note, old)).collect()
}

pub(super) fn witness_answers() -> Vec<Vec<u8>> {
    let lines = |note: Vec<u8>| {
        let note: attest::Note = std::str::from_utf8(&note).ok()?.parse().ok()?;
        let lines = note.signatures.iter().map(|line| format!("{line}\n"));
        Some(lines.collect::<String>().into_bytes())
    };
    let mut answers: Vec<Vec<u8>> = cosigned_notes().into_iter().filter_map(lines).collect();
    answers.push(b"42\n".to_vec());
    answers
}
