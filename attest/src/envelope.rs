//! DSSE envelopes: signatures over a payload and its type.
//!
//! Source: DSSE protocol and envelope v1.0.2. What is signed is the pre-authentication encoding
//! (PAE), never the JSON; the payload is kept as received and never written anew.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::json::{self, JsonError};
use crate::key::{KeyError, SigningKey};

/// The payload type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// How many signatures an envelope may carry.
pub const MAX_SIGNATURES: usize = 16;

/// A payload with its type and the signatures over both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// Media type of the payload.
    pub payload_type: String,
    /// The payload, as it was signed.
    pub payload: Vec<u8>,
    /// The signatures, at least one when parsed.
    pub signatures: Vec<Signature>,
}

/// One signature over an envelope's pre-authentication encoding.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    /// An unauthenticated hint; it decides nothing.
    pub keyid: Option<String>,
    /// The signature.
    pub sig: Vec<u8>,
}

/// Why bytes are not an envelope.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not JSON of this shape.
    #[error("not a DSSE envelope: {0}")]
    Json(#[from] JsonError),
    /// A field is not base64.
    #[error("field `{0}` of the envelope is not base64")]
    Base64(&'static str),
    /// No signature at all.
    #[error("the envelope has no signature")]
    Unsigned,
    /// More than [`MAX_SIGNATURES`].
    #[error("the envelope has {0} signatures, more than the limit of {MAX_SIGNATURES}")]
    TooManySignatures(usize),
    /// The bytes are not a pre-authentication encoding.
    #[error("not a DSSE pre-authentication encoding")]
    Encoding,
}

/// The JSON form of an [`Envelope`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvelopeJson {
    payload: String,
    payload_type: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct SignatureJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keyid: Option<String>,
    sig: String,
}

/// The pre-authentication encoding (DSSE protocol v1, "Signature Definition").
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let [type_length, length] =
        [payload_type.len(), payload.len()].map(|length| length.to_string());
    let parts = ["DSSEv1 ", &type_length, " ", payload_type, " ", &length, " "].map(str::as_bytes);
    let length = parts.iter().map(|part| part.len()).sum::<usize>() + payload.len();
    let mut bytes = Vec::with_capacity(length);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(payload);
    bytes
}

impl Envelope {
    /// Signs `payload` with each of `keys`.
    ///
    /// # Errors
    /// [`KeyError`] when a key cannot sign.
    pub fn sign(
        payload_type: &str,
        payload: Vec<u8>,
        keys: &[&SigningKey],
    ) -> Result<Self, KeyError> {
        let message = pae(payload_type, &payload);
        let signatures = keys
            .iter()
            .map(|key| {
                let keyid = Some(key.public().id().to_string());
                Ok(Signature { keyid, sig: key.sign(&message)? })
            })
            .collect::<Result<_, KeyError>>()?;
        Ok(Self { payload_type: payload_type.into(), payload, signatures })
    }

    /// Parses the JSON form. Base64 may be of the standard or the URL-safe alphabet, as DSSE
    /// asks of readers.
    ///
    /// # Errors
    /// [`EnvelopeError`]; an envelope without a signature is one.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Self::from_json(json::parse_as(bytes)?)
    }

    pub(crate) fn from_json(found: EnvelopeJson) -> Result<Self, EnvelopeError> {
        if found.signatures.is_empty() {
            return Err(EnvelopeError::Unsigned);
        }
        if found.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::TooManySignatures(found.signatures.len()));
        }
        let payload = decode(&found.payload).ok_or(EnvelopeError::Base64("payload"))?;
        let signatures = found
            .signatures
            .into_iter()
            .map(|signature| {
                let sig = decode(&signature.sig).ok_or(EnvelopeError::Base64("sig"))?;
                // Absent, null and empty all mean that there is no hint.
                let keyid = signature.keyid.filter(|hint| !hint.is_empty());
                Ok(Signature { keyid, sig })
            })
            .collect::<Result<_, EnvelopeError>>()?;
        Ok(Self { payload_type: found.payload_type, payload, signatures })
    }

    /// The JSON form.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.as_json()).unwrap_or_default()
    }

    pub(crate) fn as_json(&self) -> EnvelopeJson {
        EnvelopeJson {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|signature| SignatureJson {
                    keyid: signature.keyid.clone(),
                    sig: STANDARD.encode(&signature.sig),
                })
                .collect(),
        }
    }

    /// What the signatures are over.
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    /// The name of the body: the SHA-256 digest of its pre-authentication encoding.
    pub fn body(&self) -> Sha256 {
        Sha256::of(&self.pae())
    }

    /// The envelope without signatures whose pre-authentication encoding is `bytes`: how a
    /// register that keeps encodings gets payload and type back.
    ///
    /// # Errors
    /// [`EnvelopeError::Encoding`] unless the bytes are exactly one encoding.
    pub fn from_pae(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Self::split_pae(bytes).ok_or(EnvelopeError::Encoding)
    }

    fn split_pae(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"DSSEv1 ")?;
        let (payload_type, rest) = split_field(rest)?;
        let payload_type = std::str::from_utf8(payload_type).ok()?.to_owned();
        let (payload, rest) = split_field(rest.strip_prefix(b" ")?)?;
        let envelope = Self { payload_type, payload: payload.to_vec(), signatures: Vec::new() };
        // `007` is a length as well, but not one that an encoder writes.
        (rest.is_empty() && envelope.pae() == bytes).then_some(envelope)
    }
}

/// Splits `<length> <that many bytes>` from the front.
fn split_field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(bytes.get(..space)?).ok()?.parse().ok()?;
    bytes.get(space + 1..)?.split_at_checked(length)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Algorithm;

    #[test]
    fn pae_of_the_specification() {
        // DSSE protocol v1.0.2, "Test Vectors"
        let bytes = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(bytes, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        let back = Envelope::from_pae(&bytes).unwrap();
        assert_eq!(
            (back.payload_type.as_str(), &back.payload[..]),
            ("http://example.com/HelloWorld", &b"hello world"[..])
        );
    }

    #[test]
    fn what_is_no_encoding() {
        let cases: [&[u8]; 7] = [
            b"",
            b"DSSEv1 1 a 1 bc",
            b"DSSEv1 1 a 3 bc",
            b"DSSEv1 01 a 1 b",
            b"DSSEv1 99999999999999999999 a 1 b",
            b"DSSEv2 1 a 1 b",
            b"DSSEv1 1 a1 b",
        ];
        for bytes in cases {
            assert!(Envelope::from_pae(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(Envelope::from_pae(b"DSSEv1 1 a 1 b").is_ok());
    }

    #[test]
    fn json_round_trip_and_refusals() {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        let envelope = Envelope::sign(IN_TOTO, b"{}".to_vec(), &[&key]).unwrap();
        assert_eq!(Envelope::parse(&envelope.to_json()).unwrap(), envelope);

        let cases = [
            (r#"{"payload":"e30=","payloadType":"t","signatures":[{"sig":"AA=="}]}"#, true),
            (
                r#"{"payload":"e30=","payloadType":"t","signatures":[{"keyid":null,"sig":"AA=="}]}"#,
                true,
            ),
            (r#"{"payload":"e30=","payloadType":"t","signatures":[]}"#, false),
            (r#"{"payload":"!","payloadType":"t","signatures":[{"sig":"AA=="}]}"#, false),
            (r#"{"payload":"e30=","payloadType":"t","signatures":[{"sig":"?"}]}"#, false),
            (
                r#"{"payload":"e30=","payload":"e30=","payloadType":"t","signatures":[{"sig":"AA=="}]}"#,
                false,
            ),
            (r#"{"payload":"e30=","signatures":[{"sig":"AA=="}]}"#, false),
        ];
        for (json, good) in cases {
            assert_eq!(Envelope::parse(json.as_bytes()).is_ok(), good, "{json}");
        }
    }
}
