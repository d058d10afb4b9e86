//! Registering as Rekor v2 has it: what is taken, what is not, and that it decides nothing.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends when something is not as it should be"
)]

mod common;

use attest::{Algorithm, Leaf, LogEntry, SigningKey};
use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use verify::merkle::{leaf_hash, verify_inclusion};

use common::{Reply, Service, Setup, TOKEN, revoked, staged};

const PATH: &str = "/api/v2/log/entries";

/// What a Sigstore client sends for a signature by `key` over `message`.
fn request(message: &[u8], key: &SigningKey) -> Value {
    let signature = key.sign(message).unwrap();
    let leaf = Leaf::of(message, &signature, key.public());
    let details = match key.public().algorithm() {
        Algorithm::P256 => "PKIX_ECDSA_P256_SHA_256",
        Algorithm::P384 => "PKIX_ECDSA_P384_SHA_384",
        Algorithm::P521 => "PKIX_ECDSA_P521_SHA_512",
        Algorithm::Ed25519 => "PKIX_ED25519",
    };
    json!({"hashedRekordRequestV002": {
        "digest": STANDARD.encode(leaf.data()),
        "signature": {
            "content": STANDARD.encode(&signature),
            "verifier": {
                "keyDetails": details,
                "publicKey": {"rawBytes": STANDARD.encode(key.public().der())},
            },
        },
    }})
}

async fn post(service: &Service, body: &str, token: Option<&str>) -> Reply {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    service.send(Method::POST, PATH, &headers, body.as_bytes().to_vec()).await
}

#[tokio::test]
async fn an_entry_comes_back_proven_and_a_duplicate_with_its_first_place() {
    let scene = revoked();
    let service = Service::of(&scene).await;
    let size = service.size().await;
    let algorithms = [Algorithm::P256, Algorithm::P384, Algorithm::P521];
    for (place, algorithm) in algorithms.into_iter().enumerate() {
        let body = request(b"message", &SigningKey::generate(algorithm).unwrap()).to_string();
        let index = size + place as u64;
        for status in [StatusCode::CREATED, StatusCode::OK] {
            let reply = post(&service, &body, None).await;
            assert_eq!(reply.status, status, "{}", String::from_utf8_lossy(&reply.body));
            assert_eq!(reply.media_type, "application/json");
            let answer = reply.json();
            assert_eq!(answer["logIndex"], index.to_string());
            assert_eq!(answer["kindVersion"], json!({"kind": "hashedrekord", "version": "0.0.2"}));
            let entry = LogEntry::parse(&reply.body).unwrap();
            let log_id = service.app.register().verifier().id();
            assert_eq!(entry.log_id, log_id.as_bytes());
            let proof = entry.proof.unwrap();
            let hash = leaf_hash(&entry.leaf);
            verify_inclusion(index, proof.size, &hash, &proof.hashes, &proof.root).unwrap();
            assert_eq!(proof.checkpoint, service.app.register().checkpoint().await.unwrap());
        }
        assert_eq!(service.size().await, index + 1);
        let shown = service.get(&format!("/v1/entries/{index}")).await.good();
        assert_eq!(shown["entry"]["state"], "unknown");
        assert!(shown.get("bundle").is_none());
    }
    let found = service.get("/v1/find").await.good();
    assert_eq!(found["entries"].as_array().unwrap().len() as u64, size + 3);
}

#[tokio::test]
async fn what_makes_no_entry_changes_nothing() {
    let scene = revoked();
    let service = Service::new(&scene, Setup::default()).await;
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let pure = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let good = request(b"message", &key);
    let changed = |at: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(&format!("/hashedRekordRequestV002{at}")).unwrap() = value;
        body.to_string()
    };
    let details = "/signature/verifier/keyDetails";
    let text = good.to_string();
    let bad = StatusCode::BAD_REQUEST;
    let cases = [
        ("as it should be, the control", text.clone(), StatusCode::CREATED, ""),
        ("another digest", changed("/digest", STANDARD.encode([7; 32]).into()), bad, "entry"),
        (
            "a digest of another hash",
            changed("/digest", STANDARD.encode([7; 48]).into()),
            bad,
            "entry",
        ),
        ("another signature", changed("/signature/content", "c2ln".into()), bad, "entry"),
        ("an unknown algorithm", changed(details, "PKIX_MD5".into()), bad, "entry"),
        ("another curve", changed(details, "PKIX_ECDSA_P384_SHA_384".into()), bad, "entry"),
        ("pure Ed25519", request(b"message", &pure).to_string(), bad, "entry"),
        ("no signature", changed("/signature", Value::Null), bad, "entry"),
        ("not base64", changed("/digest", "*".into()), bad, "entry"),
        (
            "a key that is none",
            changed("/signature/verifier/publicKey/rawBytes", "AAAA".into()),
            bad,
            "entry",
        ),
        ("a DSSE envelope", json!({"dsseRequestV002": {}}).to_string(), bad, "entry"),
        ("nothing", "{}".into(), bad, "entry"),
        ("cut short", text[..text.len() - 1].to_owned(), bad, "body"),
        ("a field that nothing reads", text.replacen('{', "{\"x\":1,", 1), bad, "body"),
        (
            "too large",
            changed("/digest", "A".repeat(100 << 10).into()),
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
        ),
    ];
    for (name, body, status, problem) in cases {
        let reply = post(&service, &body, None).await;
        assert_eq!(reply.status, status, "{name}: {}", String::from_utf8_lossy(&reply.body));
        if !problem.is_empty() {
            assert_eq!(reply.problem(), problem, "{name}");
        }
        assert_eq!(service.size().await, 1, "{name}");
    }
}

#[tokio::test]
async fn only_who_may_write_registers() {
    let scene = revoked();
    let service = Service::new(&scene, Setup { token: true, ..Setup::default() }).await;
    let body = request(b"message", &SigningKey::generate(Algorithm::P256).unwrap()).to_string();
    let without = post(&service, &body, None).await;
    assert_eq!(without.problem(), "unauthorised");
    let with = post(&service, &body, Some(TOKEN)).await;
    assert_eq!(with.status, StatusCode::CREATED);
}

/// Threat 29: such an entry is counted and shown, and is never evidence, neither for nor against.
#[tokio::test]
async fn a_leaf_without_its_statement_changes_no_decision() {
    for (scene, passed) in [(revoked(), false), (staged(), true)] {
        let service = Service::of(&scene).await;
        let ask = async || {
            let mut report = service.check(&scene).await;
            // The register has grown, which the report says.
            report["completeness"] = Value::Null;
            report
        };
        let before = ask().await;
        assert_eq!(before["passed"], passed);
        let size = service.size().await;
        // A stranger signs everything that the line consists of.
        let stranger = SigningKey::generate(Algorithm::P256).unwrap();
        for sent in &scene.submissions {
            let body = request(&sent.envelope.pae(), &stranger).to_string();
            let reply = post(&service, &body, None).await;
            assert_eq!(reply.status, StatusCode::CREATED);
        }
        assert_eq!(service.size().await, size + scene.submissions.len() as u64);
        assert_eq!(ask().await, before);
    }
}

/// An entry without its statement by somebody who may revoke would leave everybody waiting for
/// the statement: it is not taken, and the next judgement is as the last.
#[tokio::test]
async fn keys_that_are_trusted_bring_their_statement() {
    let mut scene = revoked();
    let key = SigningKey::generate(Algorithm::P256).unwrap();
    let body = request(b"message", &key).to_string();
    let stranger = Service::of(&scene).await;
    let taken = post(&stranger, &body, None).await;
    assert_eq!(taken.status, StatusCode::CREATED);

    let mut trust = verify::Trust::parse(&scene.trust).unwrap();
    let may = verify::May::of(&[], &[attest::predicate::REVOCATION], &["*"], &[]).unwrap();
    let window = verify::Window { from: None, until: None };
    trust
        .add_key("second", key.public(), "security", &may, window, verify::Custody::Shared)
        .unwrap();
    scene.trust = trust.to_yaml();
    let service = Service::of(&scene).await;
    let size = service.size().await;
    let refused = post(&service, &body, None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.problem(), "statement-needed");
    assert_eq!(service.size().await, size);
    service.app.catch_up(scene.now).await.unwrap();
}
