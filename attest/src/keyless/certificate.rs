//! Asking for a certificate, and reading what comes back.
//!
//! Source: `CreateSigningCertificateRequest` and `SigningCertificate` in `fulcio.proto` (v2) of
//! sigstore/fulcio, in their JSON form; RFC 2986. The request is signed by the key that it is for,
//! which proves to have it; whom the certificate is to name, the identity token says alone.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::pem::{LineEnding, encode_string};
use serde::Deserialize;
use serde_json::json;
use x509_cert::attr::Attributes;
use x509_cert::der::asn1::{BitString, ObjectIdentifier};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::name::Name;
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::certificate::{self, CertificateError};
use crate::json::{self as strict, JsonError};
use crate::key::{KeyError, PublicKey, SigningKey};

/// RFC 5758, section 3.2.
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const LABEL: &str = "CERTIFICATE REQUEST";

/// Why an answer is no certificate for the key that asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuedError {
    /// Not JSON of this shape.
    #[error("it is not what Fulcio answers: {0}")]
    Json(#[from] JsonError),
    /// The certificate's stamp is not in the certificate.
    #[error(
        "it holds no certificate with the stamp of a log in it (`signedCertificateEmbeddedSct`)"
    )]
    NoStamp,
    /// A certificate is none.
    #[error("its certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// For another key.
    #[error("its certificate is for another key than the one that asked")]
    OtherKey,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerJson {
    #[serde(default)]
    signed_certificate_embedded_sct: Option<SignedJson>,
}

#[derive(Deserialize)]
struct SignedJson {
    chain: ChainJson,
}

#[derive(Deserialize)]
struct ChainJson {
    certificates: Vec<String>,
}

/// The body of a request for a certificate of `key`, which must be P-256.
///
/// # Errors
/// [`KeyError`] when the key cannot sign.
pub fn signing_request(key: &SigningKey) -> Result<Vec<u8>, KeyError> {
    let failed = |_| KeyError::Library;
    let info = CertReqInfo {
        version: Version::V1,
        // Nobody reads it: the token says who it is.
        subject: Name::default(),
        public_key: SubjectPublicKeyInfo::from_der(key.public().der()).map_err(failed)?,
        attributes: Attributes::default(),
    };
    let signature = key.sign(&info.to_der().map_err(failed)?)?;
    let request = CertReq {
        info,
        algorithm: AlgorithmIdentifier { oid: ECDSA_SHA256, parameters: None },
        signature: BitString::from_bytes(&signature).map_err(failed)?,
    };
    let der = request.to_der().map_err(failed)?;
    let pem = encode_string(LABEL, LineEnding::LF, &der).map_err(|_| KeyError::Library)?;
    Ok(json!({"certificateSigningRequest": STANDARD.encode(pem)}).to_string().into_bytes())
}

/// The certificate in an answer, in DER, if it is for `key`.
///
/// # Errors
/// [`IssuedError`].
pub fn issued(answer: &[u8], key: &PublicKey) -> Result<Vec<u8>, IssuedError> {
    let found: AnswerJson = strict::parse_as(answer)?;
    let signed = found.signed_certificate_embedded_sct.ok_or(IssuedError::NoStamp)?;
    let leaf = signed.chain.certificates.into_iter().next().ok_or(IssuedError::NoStamp)?;
    let leaf = certificate::from_pem(&leaf)?;
    let leaf = leaf.into_iter().next().ok_or(IssuedError::NoStamp)?;
    if certificate::public_key(&leaf)? != *key {
        return Err(IssuedError::OtherKey);
    }
    Ok(leaf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Algorithm;

    #[test]
    fn a_request_is_signed_by_its_own_key() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let request: serde_json::Value =
            serde_json::from_slice(&signing_request(&key).unwrap()).unwrap();
        let pem = STANDARD.decode(request["certificateSigningRequest"].as_str().unwrap()).unwrap();
        let (label, der) =
            pkcs8::der::Document::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap();
        assert_eq!(label, LABEL);
        let request = CertReq::from_der(der.as_bytes()).unwrap();
        let signed = request.info.to_der().unwrap();
        let signature = request.signature.as_bytes().unwrap();
        assert_eq!(key.public().verify(&signed, signature), Ok(()));
        let other = SigningKey::generate(Algorithm::P256).unwrap();
        assert!(other.public().verify(&signed, signature).is_err());
    }

    #[test]
    fn what_is_no_certificate() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let cases = [
            ("nothing", "", "it is not what"),
            ("another answer", "{}", "it holds no certificate"),
            (
                "a stamp beside it",
                r#"{"signedCertificateDetachedSct":{"chain":{"certificates":[]}}}"#,
                "it holds no certificate",
            ),
            (
                "no certificate",
                r#"{"signedCertificateEmbeddedSct":{"chain":{"certificates":[]}}}"#,
                "it holds no certificate",
            ),
            (
                "not PEM",
                r#"{"signedCertificateEmbeddedSct":{"chain":{"certificates":["x"]}}}"#,
                "its certificate: it holds no",
            ),
        ];
        for (name, text, want) in cases {
            let error = issued(text.as_bytes(), key.public()).unwrap_err().to_string();
            assert!(error.starts_with(want), "{name}: {error}");
        }
    }
}
