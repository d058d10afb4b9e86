//! What Sigstore clients send to have a signature registered: `CreateEntryRequest` of Rekor v2.
//!
//! Source: `api/proto/rekor/v2` of sigstore/rekor-tiles, in the JSON form of protocol buffers: a
//! field may be called by its name of either form, bytes are in base64 of either alphabet, and a
//! field that nothing reads is an error. Rekor v2 registers `hashedrekord` alone: the message has
//! a place for DSSE envelopes still, and nobody takes them.

use attest::{Proposal, Proposed};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The most bytes of a request. An entry has at most 65,535 bytes and repeats what the request
/// says.
pub const MAX_REQUEST_BYTES: usize = 96 << 10;

/// A request, read and not understood yet.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateEntryRequest {
    #[serde(default, alias = "hashed_rekord_request_v002")]
    hashed_rekord_request_v002: Option<RecordJson>,
    #[serde(default, alias = "dsse_request_v002")]
    dsse_request_v002: Option<IgnoredAny>,
}

/// Why a request proposes nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A DSSE envelope instead of a digest.
    #[error(
        "`dsseRequestV002` is not taken, as Rekor v2 does not: send `hashedRekordRequestV002` with \
         the digest of the envelope's pre-authentication encoding and its signature, or the \
         envelope to /v1/entries"
    )]
    Dsse,
    /// A field is missing, or empty.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is not base64.
    #[error("`{0}` is not base64")]
    Base64(&'static str),
    /// A key and a certificate.
    #[error("`verifier` has a key and a certificate: send the one that checks the signature")]
    TwoVerifiers,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordJson {
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    signature: Option<SignatureJson>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureJson {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    verifier: Option<VerifierJson>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerifierJson {
    #[serde(default, alias = "public_key")]
    public_key: Option<RawJson>,
    #[serde(default, alias = "x509_certificate")]
    x509_certificate: Option<RawJson>,
    #[serde(default, alias = "key_details")]
    key_details: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawJson {
    #[serde(default, alias = "raw_bytes")]
    raw_bytes: Option<String>,
}

impl CreateEntryRequest {
    /// What is to be registered. Nothing of it is checked.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn proposal(self) -> Result<Proposal, RequestError> {
        if self.dsse_request_v002.is_some() {
            return Err(RequestError::Dsse);
        }
        let record = given(self.hashed_rekord_request_v002, "hashedRekordRequestV002")?;
        let signature = given(record.signature, "signature")?;
        let verifier = given(signature.verifier, "verifier")?;
        let checked_by = match (verifier.public_key, verifier.x509_certificate) {
            (Some(key), None) => Proposed::Key(bytes(key.raw_bytes, "rawBytes")?),
            (None, Some(found)) => Proposed::Certificate(bytes(found.raw_bytes, "rawBytes")?),
            (None, None) => return Err(RequestError::Missing("publicKey` or `x509Certificate")),
            (Some(_), Some(_)) => return Err(RequestError::TwoVerifiers),
        };
        Ok(Proposal {
            digest: bytes(record.digest, "digest")?,
            signature: bytes(signature.content, "content")?,
            key_details: given(verifier.key_details, "keyDetails")?,
            verifier: checked_by,
        })
    }
}

fn given<T>(value: Option<T>, name: &'static str) -> Result<T, RequestError> {
    value.ok_or(RequestError::Missing(name))
}

fn bytes(text: Option<String>, name: &'static str) -> Result<Vec<u8>, RequestError> {
    let text = given(text, name)?;
    // The other alphabet, and no padding, are as good in the JSON form of protocol buffers.
    let text = text.trim_end_matches('=');
    let engine = if text.contains(['-', '_']) { URL_SAFE_NO_PAD } else { STANDARD_NO_PAD };
    let bytes = engine.decode(text).map_err(|_| RequestError::Base64(name))?;
    if bytes.is_empty() { Err(RequestError::Missing(name)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use attest::json;
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"{"hashedRekordRequestV002":{"digest":"ZGlnZXN0/+8=","signature":{"content":"c2ln","verifier":{"publicKey":{"rawBytes":"a2V5"},"keyDetails":"PKIX_ECDSA_P256_SHA_256"}}}}"#;

    fn read(text: &str) -> Result<Proposal, String> {
        let request: CreateEntryRequest =
            json::parse_as(text.as_bytes()).map_err(|error| error.to_string())?;
        request.proposal().map_err(|error| error.to_string())
    }

    #[test]
    fn every_spelling_of_protocol_buffers_is_read_alike() {
        let good = read(GOOD).unwrap();
        assert_eq!(good.signature, b"sig");
        assert_eq!(good.verifier, Proposed::Key(b"key".to_vec()));
        let same = [
            GOOD.replace("hashedRekordRequestV002", "hashed_rekord_request_v002"),
            GOOD.replace("publicKey", "public_key").replace("rawBytes", "raw_bytes"),
            GOOD.replace("keyDetails", "key_details"),
            GOOD.replace("/+8=", "_-8="),
            GOOD.replace("/+8=", "/+8"),
            GOOD.replace("{\"hashed", "{\"dsseRequestV002\":null,\"hashed"),
            GOOD.replace(":{", " : {\n"),
        ];
        for text in same {
            assert_eq!(read(&text).unwrap(), good, "{text}");
        }
        let certificate = read(&GOOD.replace("publicKey", "x509Certificate")).unwrap();
        assert_eq!(certificate.verifier, Proposed::Certificate(b"key".to_vec()));
    }

    #[test]
    fn what_is_no_request() {
        let key = r#""publicKey":{"rawBytes":"a2V5"}"#;
        let cases = [
            ("nothing", "{}".into(), "`hashedRekordRequestV002` is missing"),
            ("a list", "[]".into(), ""),
            ("null", GOOD.replace(r#""ZGlnZXN0/+8=""#, "null"), "`digest` is missing"),
            ("an empty digest", GOOD.replace("ZGlnZXN0/+8=", ""), "`digest` is missing"),
            ("not base64", GOOD.replace("ZGlnZXN0/+8=", "ZGln*"), "`digest` is not base64"),
            ("two alphabets", GOOD.replace("/+8=", "/-8="), "`digest` is not base64"),
            ("a number", GOOD.replace(r#""c2ln""#, "5"), ""),
            ("no key", GOOD.replace(key, r#""publicKey":{}"#), "`rawBytes` is missing"),
            (
                "no verifier",
                GOOD.replace(&format!("{key},"), ""),
                "`publicKey` or `x509Certificate` is missing",
            ),
            (
                "two verifiers",
                GOOD.replace(
                    key,
                    &format!("{key},{}", key.replace("publicKey", "x509Certificate")),
                ),
                "`verifier` has a key and a certificate",
            ),
            ("a field twice", GOOD.replace(key, &format!("{key},{key}")), ""),
            (
                "two spellings",
                GOOD.replace(key, &format!("{key},{}", key.replace("cK", "c_k"))),
                "",
            ),
            ("a field that nothing reads", GOOD.replace(key, &format!("{key},\"x\":1")), ""),
            (
                "a DSSE envelope",
                r#"{"dsseRequestV002":{"envelope":{},"verifiers":[]}}"#.into(),
                "`dsseRequestV002` is not taken",
            ),
        ];
        for (name, text, want) in cases {
            let error = read(&text).unwrap_err();
            assert!(error.starts_with(want), "{name}: {error}");
        }
    }

    #[test]
    fn whatever_is_cut_short_is_no_request() {
        for end in 0..GOOD.len() {
            assert!(read(&GOOD[..end]).is_err(), "{end}");
        }
        let deep = "[".repeat(10_000);
        assert!(read(&GOOD.replace("{\"digest\"", &deep)).is_err());
        assert!(read(&format!(r#"{{"dsseRequestV002":{deep}"#)).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn no_change_is_too_strange(at in 0..GOOD.len(), byte in any::<u8>(), checked in any::<bool>()) {
            let mut text = GOOD.as_bytes().to_vec();
            text[at] = byte;
            if let Ok(proposal) = read(&String::from_utf8_lossy(&text))
                && checked
            {
                // No such key: nothing of this is ever a leaf.
                prop_assert!(proposal.check().is_err());
            }
        }
    }
}
