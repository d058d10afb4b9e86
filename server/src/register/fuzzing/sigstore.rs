//! Sigstore bundles and trusted roots, as anybody may send them: read, and checked under a root
//! that knows the key of the log.

use attest::carried::{carried, carry, require_mark};
use attest::envelope::{Envelope, IN_TOTO};
use attest::{Algorithm, Sha256, SigningKey, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use verify::{Demands, SigstoreArtifact, SigstoreBundle, SigstoreRoot, Trust, verify_sigstore};

use super::certificate::certificate;
use super::{key, log};

/// Whatever is read is checked, and none of it is believed: nobody issued the certificate.
pub(super) fn bundle(bytes: &[u8]) -> bool {
    let Ok(bundle) = SigstoreBundle::parse(bytes) else { return false };
    let artifact = SigstoreArtifact::Digest(Sha256::of(b"model"));
    let mut trust = Trust::empty();
    for root in roots() {
        let root = String::from_utf8(root).ok().and_then(|text| SigstoreRoot::parse(&text).ok());
        let added = root.map(|root| trust.add_root("root", &root, Demands::default()));
        assert!(matches!(added, Some(Ok(()))));
    }
    let found = verify_sigstore(&bundle, artifact, &trust, Timestamp::UNIX_EPOCH);
    assert!(found.is_err());
    true
}

/// What is carried comes out as it went in.
pub(super) fn carried_bundle(bytes: &[u8]) -> bool {
    let Ok(envelope) = carry(bytes) else { return false };
    assert!(require_mark(&envelope).is_ok());
    let inside = carried(&envelope).ok().flatten();
    assert_eq!(inside.map(|bundle| bundle.to_json()), Some(bytes.to_vec()));
    true
}

pub(super) fn carried_bundles() -> Vec<Vec<u8>> {
    // The last has an envelope with the one signature of its certificate.
    bundles().pop().into_iter().collect()
}

/// What is read stands in a trust file as it is.
pub(super) fn root(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(root) = SigstoreRoot::parse(text) else { return false };
    let mut trust = Trust::empty();
    assert!(trust.add_root("root", &root, Demands::default()).is_ok());
    let read = Trust::parse(&trust.to_yaml());
    let digest = read.ok().and_then(|read| Some(read.root("root")?.root().digest()));
    assert_eq!(digest, Some(root.digest()));
    true
}

pub(super) fn roots() -> Vec<Vec<u8>> {
    let Some(key) = key() else { return Vec::new() };
    let spki = STANDARD.encode(key.public().der());
    let id = STANDARD.encode(key.public().id().digest().as_bytes());
    let valid = json!({"start": "1970-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"});
    let public_key = json!({"rawBytes": spki, "keyDetails": "PKIX_ED25519", "validFor": valid});
    let log = json!({
        "baseUrl": "https://log.example",
        "hashAlgorithm": "SHA2_256",
        "publicKey": public_key,
        "logId": {"keyId": id},
    });
    let root = json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [log],
        "certificateAuthorities": [],
        "timestampAuthorities": [],
    });
    vec![root.to_string().into_bytes()]
}

pub(super) fn bundles() -> Vec<Vec<u8>> {
    let Ok(key) = SigningKey::generate(Algorithm::P256) else { return Vec::new() };
    let certificate = certificate("dev@example.com", "https://issuer", key.public());
    let certificate = json!({"rawBytes": STANDARD.encode(certificate)});
    let notes = log::notes();
    let entry = |kind: &str, version: &str, leaf: &[u8], note: &[u8]| {
        json!({
            "logIndex": "1",
            "logId": {"keyId": STANDARD.encode([4; 32])},
            "kindVersion": {"kind": kind, "version": version},
            "integratedTime": "1700000000",
            "inclusionPromise": {"signedEntryTimestamp": STANDARD.encode([5; 70])},
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": STANDARD.encode(Sha256::of(b"root").as_bytes()),
                "treeSize": "7",
                "hashes": [STANDARD.encode([6; 32])],
                "checkpoint": {"envelope": String::from_utf8_lossy(note)},
            },
            "canonicalizedBody": STANDARD.encode(leaf),
        })
    };
    let signature = key.sign(b"model").unwrap_or_default();
    let digest = Sha256::of(b"model");
    let message = json!({
        "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(digest.as_bytes())},
        "signature": STANDARD.encode(signature),
    });
    let clocks =
        json!({"rfc3161Timestamps": [{"signedTimestamp": STANDARD.encode([0x30, 3, 2, 1, 0])}]});
    let (leaf, note) = (log::leaves().pop(), notes.last().cloned());
    let (Some(leaf), Some(note)) = (leaf, note) else { return Vec::new() };
    let first = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": [certificate]},
            "tlogEntries": [entry("hashedrekord", "0.0.1", b"{}", &note)],
        },
        "messageSignature": message,
    });
    let third = |content: (&str, serde_json::Value)| {
        let mut bundle = json!({
            "mediaType": attest::bundle::MEDIA_TYPE,
            "verificationMaterial": {
                "certificate": certificate,
                "tlogEntries": [entry("hashedrekord", "0.0.2", &leaf, &note)],
                "timestampVerificationData": clocks,
            },
        });
        if let Some(fields) = bundle.as_object_mut() {
            fields.insert(content.0.into(), content.1);
        }
        bundle
    };
    let statement = log::statements().into_iter().next().unwrap_or_default();
    let envelope = Envelope::sign(IN_TOTO, statement, &[&key]).ok();
    let envelope = envelope.and_then(|envelope| serde_json::from_slice(&envelope.to_json()).ok());
    let all = [
        Some(first),
        Some(third(("messageSignature", message.clone()))),
        envelope.map(|envelope| third(("dsseEnvelope", envelope))),
    ];
    all.into_iter().flatten().map(|bundle| bundle.to_string().into_bytes()).collect()
}
