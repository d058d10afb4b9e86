//! What keyless signing reads: the file that says where an instance is, the token that says who
//! signs, and what the instance answers.

use attest::keyless::{
    IdentityToken, IssuedError, SigningConfig, TimestampAnswerError, TimestampQuery, issued,
};
use attest::{Algorithm, SigningKey, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::certificate::{certificate, tlv};

/// Whatever is read has services, or says why not.
pub(super) fn config(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(config) = SigningConfig::parse(text) else { return false };
    if let Ok(services) = config.services(Timestamp::UNIX_EPOCH) {
        assert!(!services.logs.is_empty() && !services.clocks.is_empty());
    }
    true
}

/// What is read goes into a header as it is.
pub(super) fn token(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(token) = IdentityToken::parse(text) else { return false };
    assert!(token.secret().bytes().all(|byte| byte.is_ascii_graphic()));
    let _ = token.check(Timestamp::UNIX_EPOCH);
    true
}

/// Nothing answers a question that was never asked before.
pub(super) fn timestamp(bytes: &[u8]) -> bool {
    let Ok(query) = TimestampQuery::new(b"signature") else { return false };
    let found = query.require_answer(bytes);
    assert!(found.is_err());
    matches!(found, Err(TimestampAnswerError::OtherDigest))
}

/// A certificate is never for a key that was made just now.
pub(super) fn answer(bytes: &[u8]) -> bool {
    let Ok(key) = SigningKey::generate(Algorithm::P256) else { return false };
    let found = issued(bytes, key.public());
    assert!(found.is_err());
    matches!(found, Err(IssuedError::OtherKey))
}

pub(super) fn configs() -> Vec<Vec<u8>> {
    let service = |version: u32| {
        let valid = json!({"start": "1970-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"});
        json!({
            "url": "https://service.example",
            "majorApiVersion": version,
            "validFor": valid,
            "operator": "operator.example",
        })
    };
    let config = json!({
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [service(1)],
        "oidcUrls": [service(1)],
        "rekorTlogUrls": [service(2), service(1)],
        "rekorTlogConfig": {"selector": "ANY"},
        "tsaUrls": [service(1)],
        "tsaConfig": {"selector": "EXACT", "count": 1},
    });
    vec![config.to_string().into_bytes()]
}

pub(super) fn tokens() -> Vec<Vec<u8>> {
    let claims = json!({"iss": "https://issuer", "sub": "x", "aud": ["sigstore"], "exp": 9});
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    vec![format!("e30.{claims}.AAAA\n").into_bytes()]
}

pub(super) fn timestamps() -> Vec<Vec<u8>> {
    let data: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    let kind: &[u8] = &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];
    let imprint = tlv(0x30, &[&tlv(0x30, &[kind]), &tlv(4, &[&[7; 32]])]);
    let (number, time) = (tlv(2, &[&[7]]), tlv(0x18, &[b"20260101000000Z"]));
    let told = tlv(0x30, &[&number, kind, &imprint, &number, &time, &number]);
    let told = tlv(0x30, &[kind, &tlv(0xa0, &[&tlv(4, &[&told])])]);
    let signed = tlv(0x30, &[&number, &tlv(0x31, &[]), &told, &tlv(0x31, &[])]);
    let token = tlv(0x30, &[data, &tlv(0xa0, &[&signed])]);
    vec![tlv(0x30, &[&tlv(0x30, &[&tlv(2, &[&[0]])]), &token])]
}

pub(super) fn answers() -> Vec<Vec<u8>> {
    let Ok(key) = SigningKey::generate(Algorithm::P256) else { return Vec::new() };
    let der = certificate("dev@example.com", "https://issuer", key.public());
    // RFC 7468, section 2: lines of 64 characters.
    let lines: Vec<String> = der.chunks(48).map(|line| STANDARD.encode(line)).collect();
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let pem = format!("{begin}\n{}\n{end}\n", lines.join("\n"));
    let answer = json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": [pem]}}});
    vec![answer.to_string().into_bytes()]
}
