//! Models signed by OpenSSF Model Signing: statements, signatures, certificates, digest caches.

use attest::envelope::Envelope;
use attest::hash::HashAlgorithm;
use attest::oms::{self, Manifest, Material, Model};
use attest::{Algorithm, SigningKey, Timestamp, certificate};
use serde_json::json;

/// The statement of a model: what is read has the root that it says, and is written the same.
pub(super) fn model(bytes: &[u8]) -> bool {
    let Ok(model) = Model::parse(bytes) else { return false };
    let _ = (model.manifest.files(), model.manifest.whole_files());
    if !model.is_legacy() {
        let written = serde_json::to_value(&model.manifest).unwrap_or_default();
        assert_eq!(serde_json::from_value(written).ok(), Some(model.manifest));
    }
    true
}

/// The file that a model's signature is in.
pub(super) fn signature(bytes: &[u8]) -> bool {
    let Ok(bundle) = oms::Bundle::parse(bytes) else { return false };
    let _ = Model::legacy_encoding(&bundle.envelope);
    // Older bundles have another hint, which nothing is made of.
    if bundle.material != (Material::Key { hint: None }) {
        assert_eq!(oms::Bundle::parse(&bundle.to_json()).ok(), Some(bundle.clone()));
    }
    if let Material::Chain(chain) = &bundle.material {
        let (roots, now) = (chain.clone(), Timestamp::UNIX_EPOCH);
        let authority = verify::Authority::Roots { roots: &roots, identity: None };
        assert!(verify::verify_model(&bundle, authority, now).is_err());
    }
    true
}

pub(super) fn certificates(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(found) = certificate::from_pem(&text) else { return false };
    for der in &found {
        let _ = (certificate::public_key(der), attest::ClaimedIdentity::of(der));
    }
    true
}

pub(super) fn digests(bytes: &[u8]) -> bool {
    let now = Timestamp::UNIX_EPOCH;
    let Ok(cache) = oms::Cache::parse(bytes, now) else { return false };
    let written = cache.to_bytes();
    let again = oms::Cache::parse(&written, now).map(|cache| cache.to_bytes());
    assert_eq!(again, Ok(written));
    true
}

/// A certificate of nobody, for a key that was thrown away.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBvTCCAWSgAwIBAgIUEw//ugN6FEUNtwaOez/fni4xy2wwCgYIKoZIzj0EAwIw\n\
ETEPMA0GA1UEAwwGc2lnbmVyMCAXDTI2MTEyNjE4MjYzNloYDzIxMjYxMTAyMTgy\n\
NjM2WjARMQ8wDQYDVQQDDAZzaWduZXIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
AAQvcr94qZYPnroHg8iraJ74M0Is/H0/5JA70Dh0lF+9WYjok8rps4Bpy0er+LRq\n\
6h/rw6lgp3Nia2+ubeUI6YbMo4GXMIGUMB0GA1UdDgQWBBT+4AJpfO0pBLq+tQXC\n\
E20q9gOW8jAfBgNVHSMEGDAWgBT+4AJpfO0pBLq+tQXCE20q9gOW8jAOBgNVHQ8B\n\
Af8EBAMCB4AwEwYDVR0lBAwwCgYIKwYBBQUHAwMwHwYDVR0RBBgwFoEUc2lnbmVy\n\
QGFzc2F5LmV4YW1wbGUwDAYDVR0TAQH/BAIwADAKBggqhkjOPQQDAgNHADBEAiBA\n\
RPeR2OfJO/Awv+9tb5wGnVm+teP7fS1bVMreRIoWWgIgMS9wkNZ2YcnvGG4qEAeC\n\
mq284l6Ay29kjh5baK+duSg=\n\
-----END CERTIFICATE-----\n";

pub(super) fn certificate_texts() -> Vec<Vec<u8>> {
    vec![CERTIFICATE.into(), format!("text\n{CERTIFICATE}{CERTIFICATE}").into()]
}

pub(super) fn digest_caches() -> Vec<Vec<u8>> {
    let of = |name: &str, length| {
        format!("assay digests 1\n{name} 1 2 3 4 -5 0 3 {}\n", "ab".repeat(length)).into_bytes()
    };
    HashAlgorithm::ALL.map(|hash| of(hash.as_str(), hash.length())).to_vec()
}

/// Statements of models: files, shards, and the deprecated kind.
pub(super) fn statements() -> Vec<Vec<u8>> {
    let shards = json!({
        "resources": [
            {"name": "a:0:10", "algorithm": "sha256-sharded-10", "digest": "00".repeat(32)},
            {"name": "a:10:12", "algorithm": "sha256", "digest": "11".repeat(32)},
        ],
        "serialization": {
            "method": "shards", "hash_type": "sha256", "shard_size": 10.0,
            "allow_symlinks": true, "ignore_paths": ["b", "c/d"],
        },
    });
    let files = json!({
        "resources": [{"name": "a/b", "algorithm": "blake2b", "digest": "22".repeat(64)}],
        "serialization": {"method": "files", "hash_type": "blake2b", "allow_symlinks": false},
    });
    let legacy = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": oms::LEGACY,
        "subject": [{"name": "a", "digest": {"sha256": "33".repeat(32)}}],
    });
    let manifests = [shards, files].map(|value| serde_json::from_value::<Manifest>(value).ok());
    let mut all: Vec<Vec<u8>> = manifests
        .iter()
        .flatten()
        .filter_map(|manifest| oms::payload("model", manifest).ok())
        .collect();
    all.push(legacy.to_string().into_bytes());
    all
}

pub(super) fn signatures() -> Vec<Vec<u8>> {
    let Ok(key) = SigningKey::generate(Algorithm::P256) else { return Vec::new() };
    let chain = certificate::from_pem(CERTIFICATE).unwrap_or_default();
    let materials = [Material::of_key(key.public()), Material::Chain(chain)];
    let payloads = statements();
    let made = materials.into_iter().zip(payloads).filter_map(|(material, payload)| {
        let envelope = Envelope::sign(attest::envelope::IN_TOTO, payload, &[&key]).ok()?;
        Some(oms::Bundle { envelope, material, timestamps: Vec::new() }.to_json())
    });
    made.collect()
}
