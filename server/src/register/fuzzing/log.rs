//! What a log shows, and what others hold it by: leaves, notes and checkpoints, paths of tiles,
//! proofs in files, keys, cosignatures, bundles, and what statements in them say.

use std::sync::LazyLock;

use attest::envelope::{Envelope, IN_TOTO, pae};
use attest::predicate::{DEPLOYMENT, EVALUATION, PROVENANCE, TOMBSTONE};
use attest::{
    Algorithm, Bundle, Checkpoint, ClaimedIdentity, Cosigner, CosignerKey, Inclusion, Leaf,
    LogEntry, LogProof, Note, NoteSigner, Sha256, SigningKey, Statement, TilePath, VerifierKey,
};

use super::certificate::certificate;
use super::{again, key};
use crate::register::facts;

pub(super) fn leaf(bytes: &[u8]) -> bool {
    let Ok(leaf) = Leaf::parse(bytes) else { return false };
    assert_eq!(leaf.bytes(), bytes);
    let _ = facts::terms(bytes, Some(bytes));
    true
}

pub(super) fn note(bytes: &[u8]) -> bool {
    again::<Note>(bytes)
}

pub(super) fn checkpoint(bytes: &[u8]) -> bool {
    again::<Checkpoint>(bytes)
}

/// What is claimed of a certificate comes from bytes that anybody chose.
pub(super) fn certificate_claims(bytes: &[u8]) -> bool {
    ClaimedIdentity::of(bytes) != ClaimedIdentity::default()
}

/// One tile has one path: what is read is written the same.
pub(super) fn tile_path(bytes: &[u8]) -> bool {
    let Some(path) = text::<TilePath>(bytes) else { return false };
    assert_eq!(path.to_string().as_bytes(), bytes);
    let again = TilePath::new(path.held(), path.start() >> 8, path.width());
    assert_eq!(again, Ok(path));
    true
}

pub(super) fn proof(bytes: &[u8]) -> bool {
    again::<LogProof>(bytes)
}

pub(super) fn verifier_key(bytes: &[u8]) -> bool {
    again::<VerifierKey>(bytes)
}

pub(super) fn cosigner_key(bytes: &[u8]) -> bool {
    again::<CosignerKey>(bytes)
}

/// Whether a witness cosigned a note, and the log signed it.
pub(super) fn cosigned(bytes: &[u8]) -> bool {
    let (Some(note), Some(witness), Some(log)) = (text::<Note>(bytes), witness(), signer()) else {
        return false;
    };
    let signed = note.open(log.verifier());
    let time = witness.verifier().cosigned(&note);
    signed.is_ok() && time.is_ok_and(|time| time.is_some())
}

pub(super) fn bundle(bytes: &[u8]) -> bool {
    let Ok(bundle) = Bundle::parse(bytes) else { return false };
    let again = Bundle::parse(&bundle.to_json());
    assert_eq!(again.ok().as_ref(), Some(&bundle));
    true
}

/// A statement, and what its entry can be found by.
pub(super) fn statement(bytes: &[u8]) -> bool {
    static LEAF: LazyLock<Vec<u8>> = LazyLock::new(|| leaves().pop().unwrap_or_default());
    let _ = facts::terms(&LEAF, Some(&pae(IN_TOTO, bytes)));
    Statement::parse(bytes).is_ok()
}

fn text<T: std::str::FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn signer() -> Option<NoteSigner> {
    NoteSigner::new("assay.local/0", key()?).ok()
}

fn witness() -> Option<Cosigner> {
    Cosigner::new("witness.example", SigningKey::from_ed25519_seed(&[8; 32]).ok()?).ok()
}

pub(super) fn leaves() -> Vec<Vec<u8>> {
    let body = pae("text/plain", b"payload");
    let keys = Algorithm::ALL.into_iter().filter_map(|one| SigningKey::generate(one).ok());
    keys.filter_map(|key| {
        let signature = key.sign(&body).ok()?;
        Some(Leaf::of(&body, &signature, key.public()).bytes().to_vec())
    })
    .collect()
}

pub(super) fn checkpoints() -> Vec<Vec<u8>> {
    let checkpoint =
        |size| Checkpoint { origin: "assay.local/0".into(), size, root: Sha256::of(b"root") };
    [0, 7, u64::MAX].map(|size| checkpoint(size).to_string().into_bytes()).into()
}

pub(super) fn notes() -> Vec<Vec<u8>> {
    let signer = signer();
    let sign = |text: &Vec<u8>| {
        let note = signer.as_ref()?.sign(std::str::from_utf8(text).ok()?).ok()?;
        Some(note.to_string().into_bytes())
    };
    checkpoints().iter().filter_map(sign).collect()
}

pub(super) fn certificates() -> Vec<Vec<u8>> {
    let key = SigningKey::generate(Algorithm::P256).ok();
    let make = |key: SigningKey| certificate("dev@example.com", "https://issuer", key.public());
    key.map(make).into_iter().collect()
}

pub(super) fn tile_paths() -> Vec<Vec<u8>> {
    ["tile/0/000", "tile/63/x001/x234/067", "tile/entries/x001/000.p/7", "tile/3/255.p/255"]
        .map(|path| path.as_bytes().to_vec())
        .into()
}

pub(super) fn proofs() -> Vec<Vec<u8>> {
    let make = |note: Vec<u8>, extra: Option<Vec<u8>>| {
        let hashes = vec![Sha256::of(b"left"), Sha256::of(b"right")];
        let checkpoint = String::from_utf8(note).unwrap_or_default();
        LogProof { extra, index: 3, hashes, checkpoint }.to_string().into_bytes()
    };
    notes().into_iter().zip([None, Some(vec![7]), Some(vec![])]).map(|(a, b)| make(a, b)).collect()
}

pub(super) fn verifier_keys() -> Vec<Vec<u8>> {
    signer().map(|signer| signer.verifier().to_string().into_bytes()).into_iter().collect()
}

pub(super) fn cosigner_keys() -> Vec<Vec<u8>> {
    witness().map(|witness| witness.verifier().to_string().into_bytes()).into_iter().collect()
}

pub(super) fn cosigned_notes() -> Vec<Vec<u8>> {
    let cosign = |note: Vec<u8>| {
        let mut note = text::<Note>(&note)?;
        note.signatures.push(witness()?.cosign(&note.text, 1_700_000_000).ok()?);
        Some(note.to_string().into_bytes())
    };
    notes().into_iter().filter_map(cosign).collect()
}

pub(super) fn bundles() -> Vec<Vec<u8>> {
    let make = |payload: Vec<u8>| {
        let envelope = Envelope::sign(IN_TOTO, payload, &[&key()?]).ok()?;
        let leaf = leaves().pop()?;
        let checkpoint = String::from_utf8(notes().pop()?).ok()?;
        let (root, hashes) = (Sha256::of(b"root"), vec![Sha256::of(b"left")]);
        let proof = Some(Inclusion { index: 1, size: 2, root, hashes, checkpoint });
        let entries = vec![LogEntry { index: 1, log_id: vec![4; 32], leaf, proof }];
        Some(Bundle { envelope, hint: Some("key".into()), entries, keyless: None }.to_json())
    };
    statements().into_iter().filter_map(make).collect()
}

pub(super) fn statements() -> Vec<Vec<u8>> {
    let hex = Sha256::of(b"model").hex();
    let data = format!(r#"{{"name":"data.csv","digest":{{"sha256":"{hex}"}}}}"#);
    let cases = [
        (
            PROVENANCE,
            format!(
                r#"{{"buildDefinition":{{"buildType":"https://assay.example/build-type/training/v1","externalParameters":{{"step":"train","parameters":{{"lr":"0.1"}}}},"resolvedDependencies":[{data}]}},"runDetails":{{"builder":{{"id":"x"}}}}}}"#
            ),
        ),
        (
            EVALUATION,
            format!(
                r#"{{"evaluator":{{"id":"x"}},"dataset":{data},"measurements":[{{"metric":"accuracy","value":"0.9","slice":{{"feature":"age","value":"old"}}}}]}}"#
            ),
        ),
        (DEPLOYMENT, r#"{"event":"rollout","environment":"production"}"#.into()),
        (
            TOMBSTONE,
            format!(
                r#"{{"predicateType":"{DEPLOYMENT}","reason":"private","erasedOn":"2027-01-01T00:00:00Z"}}"#
            ),
        ),
    ];
    let make = |(predicate_type, predicate): (&str, String)| {
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"model.bin","digest":{{"sha256":"{hex}"}}}}],"predicateType":"{predicate_type}","predicate":{predicate}}}"#
        )
        .into_bytes()
    };
    cases.map(make).into()
}
