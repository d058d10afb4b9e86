//! The bundle that comes out: a signature with the certificate, the log entries and the timestamps.
//!
//! Source: Sigstore protobuf specification, `sigstore_bundle.proto` (v0.3), in its JSON form; what
//! a log is asked is `CreateEntryRequest` of Rekor v2 (`api/proto/rekor/v2` of
//! sigstore/rekor-tiles): of an envelope the digest of its pre-authentication encoding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bundle::MEDIA_TYPE;
use crate::digest::Sha256;
use crate::envelope::{Envelope, pae};
use crate::json::{self, JsonError};
use crate::key::{Algorithm, KeyError, SigningKey};
use crate::leaf::key_details;

/// What was signed, with its one signature.
#[derive(Clone, Debug)]
pub enum KeylessContent {
    /// A statement.
    Statement(Envelope),
    /// Something's own bytes.
    Message {
        /// Their digest.
        digest: Sha256,
        /// The signature over them.
        signature: Vec<u8>,
    },
}

/// An entry, as a log answered it (`TransparencyLogEntry`).
#[derive(Clone, Debug)]
pub struct LoggedEntry(Value);

/// Why bytes are not an entry.
#[derive(Debug, thiserror::Error)]
#[error("it is not an entry of a log (`TransparencyLogEntry`): {0}")]
pub struct LoggedEntryError(#[from] JsonError);

/// A signature with all that is needed to check it.
#[derive(Clone, Debug)]
pub struct KeylessBundle {
    /// What was signed.
    pub content: KeylessContent,
    /// The certificate in DER.
    pub certificate: Vec<u8>,
    /// Where it is logged.
    pub entries: Vec<LoggedEntry>,
    /// `TimeStampResp` of RFC 3161, in DER.
    pub timestamps: Vec<Vec<u8>>,
}

impl KeylessContent {
    /// Signs a payload of this type. The envelope names no key, for it is known to nobody.
    ///
    /// # Errors
    /// [`KeyError`] when the key cannot sign.
    pub fn sign_statement(
        payload_type: &str,
        payload: Vec<u8>,
        key: &SigningKey,
    ) -> Result<Self, KeyError> {
        let mut envelope = Envelope::sign(payload_type, payload, &[key])?;
        for signature in &mut envelope.signatures {
            signature.keyid = None;
        }
        Ok(Self::Statement(envelope))
    }

    /// Signs something's own bytes.
    ///
    /// # Errors
    /// [`KeyError`] when the key cannot sign.
    pub fn sign_message(bytes: &[u8], key: &SigningKey) -> Result<Self, KeyError> {
        Ok(Self::Message { digest: Sha256::of(bytes), signature: key.sign(bytes)? })
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        match self {
            Self::Statement(envelope) => {
                envelope.signatures.first().map_or(&[], |signature| &signature.sig)
            }
            Self::Message { signature, .. } => signature,
        }
    }

    /// What a log of signatures is asked to take in: the digest, the signature by a P-256 key, and
    /// the certificate of it.
    pub fn entry_request(&self, certificate: &[u8]) -> Vec<u8> {
        let digest = match self {
            Self::Statement(envelope) => {
                Sha256::of(&pae(&envelope.payload_type, &envelope.payload))
            }
            Self::Message { digest, .. } => *digest,
        };
        json!({"hashedRekordRequestV002": {
            "digest": STANDARD.encode(digest.as_bytes()),
            "signature": {
                "content": STANDARD.encode(self.signature()),
                "verifier": {
                    "x509Certificate": {"rawBytes": STANDARD.encode(certificate)},
                    "keyDetails": key_details(Algorithm::P256),
                },
            },
        }})
        .to_string()
        .into_bytes()
    }
}

impl LoggedEntry {
    /// Reads an answer. Nothing of it is checked: it goes into the bundle as it is.
    ///
    /// # Errors
    /// [`LoggedEntryError`] when it is not a JSON document.
    pub fn parse(bytes: &[u8]) -> Result<Self, LoggedEntryError> {
        Ok(Self(json::parse(bytes)?))
    }
}

impl KeylessBundle {
    /// The JSON form.
    pub fn to_json(&self) -> Vec<u8> {
        let entries: Vec<&Value> = self.entries.iter().map(|LoggedEntry(entry)| entry).collect();
        let timestamps: Vec<Value> = self
            .timestamps
            .iter()
            .map(|told| json!({"signedTimestamp": STANDARD.encode(told)}))
            .collect();
        let mut bundle = json!({
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {
                "certificate": {"rawBytes": STANDARD.encode(&self.certificate)},
                "tlogEntries": entries,
                "timestampVerificationData": {"rfc3161Timestamps": timestamps},
            },
        });
        let (name, content) = match &self.content {
            KeylessContent::Statement(envelope) => ("dsseEnvelope", json!(envelope.as_json())),
            KeylessContent::Message { digest, signature } => {
                let digest = STANDARD.encode(digest.as_bytes());
                let message = json!({
                    "messageDigest": {"algorithm": "SHA2_256", "digest": digest},
                    "signature": STANDARD.encode(signature),
                });
                ("messageSignature", message)
            }
        };
        if let Value::Object(fields) = &mut bundle {
            fields.insert(name.into(), content);
        }
        bundle.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::Bundle;
    use crate::envelope::IN_TOTO;

    #[test]
    fn a_bundle_reads_back_as_it_was_signed() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let content = KeylessContent::sign_statement(IN_TOTO, b"{}".to_vec(), &key).unwrap();
        let KeylessContent::Statement(envelope) = content.clone() else { unreachable!() };
        assert_eq!(key.public().verify(&envelope.pae(), content.signature()), Ok(()));
        let certificate = vec![1, 2, 3];
        let bundle =
            KeylessBundle { content, certificate, entries: Vec::new(), timestamps: vec![vec![4]] };
        let read = Bundle::parse(&bundle.to_json()).unwrap();
        assert_eq!((&read.envelope, read.keyless), (&envelope, Some(bundle.to_json())));
        assert_eq!(read.envelope.signatures[0].keyid, None);
    }
}
