//! The leaf of the register: a Rekor v2 `hashedrekord` 0.0.2 entry in canonical JSON.
//!
//! A leaf binds the digest of an envelope's pre-authentication encoding, one signature and the
//! key that checks it. It reveals nothing of the payload. The digest uses the hash that the
//! signing algorithm names: SHA-256 for P-256, SHA-384 for P-384, SHA-512 for Ed25519ph. Pure
//! Ed25519, which Rekor does not log, is Assay's extension and uses SHA-512, the hash inside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use sha2::Digest as _;

use crate::digest::Sha256;
use crate::json::{self, JsonError};
use crate::key::{Algorithm, KeyError, PublicKey};

/// The largest leaf, in bytes: what an entry of a C2SP entry bundle can hold.
pub const MAX_BYTES: usize = 65_535;

/// One entry of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaf {
    bytes: Vec<u8>,
    data: Vec<u8>,
    hash: DataHash,
    signature: Vec<u8>,
    verifier: Verifier,
}

/// What checks the signature of a leaf.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verifier {
    /// A plain key.
    Key(PublicKey),
    /// An X.509 certificate in DER, which other logs record for keyless signatures.
    Certificate(Vec<u8>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum DataHash {
    Sha256,
    Sha384,
    Sha512,
}

/// Why bytes are not a leaf.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// More than [`MAX_BYTES`].
    #[error("a leaf has at most {MAX_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// Not JSON of this shape.
    #[error("not a hashedrekord 0.0.2 entry: {0}")]
    Json(#[from] JsonError),
    /// A field is not what the format says.
    #[error("field `{0}` of the leaf is malformed")]
    Field(&'static str),
    /// The key cannot be used.
    #[error("the key in the leaf: {0}")]
    Key(#[from] KeyError),
    /// The bytes are not the canonical spelling of what they say.
    #[error("the leaf is not in canonical form")]
    NotCanonical,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EntryJson {
    api_version: String,
    kind: String,
    spec: SpecJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecJson {
    #[serde(rename = "hashedRekordV002")]
    record: RecordJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordJson {
    data: DataJson,
    signature: SignatureJson,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DataJson {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureJson {
    content: String,
    verifier: VerifierJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerifierJson {
    key_details: String,
    #[serde(default)]
    public_key: Option<RawJson>,
    #[serde(default)]
    x509_certificate: Option<RawJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawJson {
    raw_bytes: String,
}

impl DataHash {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::P256 => Self::Sha256,
            Algorithm::P384 => Self::Sha384,
            Algorithm::P521 | Algorithm::Ed25519 => Self::Sha512,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA2_256",
            Self::Sha384 => "SHA2_384",
            Self::Sha512 => "SHA2_512",
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }
}

/// `keyDetails` of a signature by Ed25519ph, which takes the digest where pure Ed25519 takes the
/// message.
pub(crate) const ED25519_PH: &str = "PKIX_ED25519_PH";

/// `keyDetails` of the Sigstore protobuf specification (`PublicKeyDetails`).
pub(crate) const fn key_details(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::P256 => "PKIX_ECDSA_P256_SHA_256",
        Algorithm::P384 => "PKIX_ECDSA_P384_SHA_384",
        Algorithm::P521 => "PKIX_ECDSA_P521_SHA_512",
        Algorithm::Ed25519 => "PKIX_ED25519",
    }
}

impl Leaf {
    /// The leaf for a signature by `key` over `pae`. The signature is not checked here.
    pub fn of(pae: &[u8], signature: &[u8], key: &PublicKey) -> Self {
        let data = DataHash::of(key.algorithm()).digest(pae);
        let details = key_details(key.algorithm());
        Self::of_digest(data, signature, key.algorithm(), details, Verifier::Key(key.clone()))
    }

    /// The leaf for a signature over what has the digest `data`, which has the length of the
    /// algorithm's hash. Nothing is checked here.
    pub(crate) fn of_digest(
        data: Vec<u8>,
        signature: &[u8],
        algorithm: Algorithm,
        key_details: &str,
        verifier: Verifier,
    ) -> Self {
        let hash = DataHash::of(algorithm);
        let bytes = encode(&data, hash, signature, key_details, &verifier);
        Self { bytes, data, hash, signature: signature.to_vec(), verifier }
    }

    /// The bytes of the digest that a leaf by this algorithm has.
    pub(crate) const fn data_length(algorithm: Algorithm) -> usize {
        DataHash::of(algorithm).length()
    }

    /// Parses a leaf. What does not write back to the same bytes is refused, so that a leaf has
    /// one meaning only.
    ///
    /// # Errors
    /// [`LeafError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > MAX_BYTES {
            return Err(LeafError::TooLarge(bytes.len()));
        }
        let entry: EntryJson = json::parse_as(bytes)?;
        if entry.api_version != "0.0.2" || entry.kind != "hashedrekord" {
            return Err(LeafError::Field("kind"));
        }
        let RecordJson { data, signature } = entry.spec.record;
        let hash = DataHash::ALL
            .into_iter()
            .find(|hash| hash.name() == data.algorithm)
            .ok_or(LeafError::Field("algorithm"))?;
        let digest = STANDARD.decode(&data.digest).map_err(|_| LeafError::Field("digest"))?;
        if digest.len() != hash.length() {
            return Err(LeafError::Field("digest"));
        }
        let content =
            STANDARD.decode(&signature.content).map_err(|_| LeafError::Field("content"))?;
        let raw = |raw: &RawJson| {
            STANDARD.decode(&raw.raw_bytes).map_err(|_| LeafError::Field("rawBytes"))
        };
        let verifier = match (&signature.verifier.public_key, &signature.verifier.x509_certificate)
        {
            (Some(key), None) => {
                let key = PublicKey::from_der(&raw(key)?)?;
                let details = signature.verifier.key_details.as_str();
                let prehashed = key.algorithm() == Algorithm::Ed25519 && details == ED25519_PH;
                if details != key_details(key.algorithm()) && !prehashed {
                    return Err(LeafError::Field("keyDetails"));
                }
                if hash != DataHash::of(key.algorithm()) {
                    return Err(LeafError::Field("algorithm"));
                }
                Verifier::Key(key)
            }
            (None, Some(certificate)) => Verifier::Certificate(raw(certificate)?),
            _ => return Err(LeafError::Field("verifier")),
        };
        if encode(&digest, hash, &content, &signature.verifier.key_details, &verifier) != bytes {
            return Err(LeafError::NotCanonical);
        }
        Ok(Self { bytes: bytes.to_vec(), data: digest, hash, signature: content, verifier })
    }

    /// The canonical bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The leaf hash (RFC 6962, section 2.1).
    pub fn hash(&self) -> Sha256 {
        Sha256::of_parts([&[0u8][..], &self.bytes])
    }

    /// The digest of the signed bytes, with the hash that the key's algorithm names.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// What checks the signature.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Whether this is an entry for the signed bytes `pae`.
    pub fn covers(&self, pae: &[u8]) -> bool {
        self.hash.digest(pae) == self.data
    }
}

/// The digests by which leaves can name the body with this pre-authentication encoding: names of
/// algorithms as in-toto has them, and hex.
pub fn body_digests(pae: &[u8]) -> [(&'static str, String); 3] {
    DataHash::ALL.map(|hash| {
        let name = match hash {
            DataHash::Sha256 => "sha256",
            DataHash::Sha384 => "sha384",
            DataHash::Sha512 => "sha512",
        };
        (name, crate::digest::to_hex(&hash.digest(pae)))
    })
}

/// The canonical bytes: keys in byte order, no white space. Written by hand, since each leaf is
/// written once when it is made and again whenever one is read.
fn encode(
    data: &[u8],
    hash: DataHash,
    signature: &[u8],
    key_details: &str,
    verifier: &Verifier,
) -> Vec<u8> {
    let (field, raw) = match verifier {
        Verifier::Key(key) => ("publicKey", key.der()),
        Verifier::Certificate(certificate) => ("x509Certificate", certificate.as_slice()),
    };
    let mut text = String::with_capacity(512 + raw.len() * 2);
    text.push_str(r#"{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"#);
    text.push_str(r#""data":{"algorithm":""#);
    text.push_str(hash.name());
    text.push_str(r#"","digest":""#);
    STANDARD.encode_string(data, &mut text);
    text.push_str(r#""},"signature":{"content":""#);
    STANDARD.encode_string(signature, &mut text);
    text.push_str(r#"","verifier":{"keyDetails":"#);
    push_quoted(&mut text, key_details);
    text.push_str(r#",""#);
    text.push_str(field);
    text.push_str(r#"":{"rawBytes":""#);
    STANDARD.encode_string(raw, &mut text);
    text.push_str(r#""}}}}}}"#);
    text.into_bytes()
}

/// Appends a JSON string: a name as it stands, and anything else that somebody wrote escaped.
fn push_quoted(text: &mut String, value: &str) {
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        text.push('"');
        text.push_str(value);
        text.push('"');
    } else {
        text.push_str(&Value::from(value).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    #[test]
    fn leaves_read_back_and_cover_their_bytes_alone() {
        for algorithm in Algorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let leaf = Leaf::of(b"pae", &key.sign(b"pae").unwrap(), key.public());
            let back = Leaf::parse(leaf.bytes()).unwrap();
            assert_eq!(back, leaf);
            assert!(back.covers(b"pae"));
            assert!(!back.covers(b"pea"));
            let value = json::parse(leaf.bytes()).unwrap();
            assert_eq!(json::canonical(&value), leaf.bytes(), "{algorithm:?}");
        }
    }

    #[test]
    fn what_another_log_calls_a_key_is_quoted_as_json_has_it() {
        for details in ["PKIX_RSA", "", "a-b", "a\"b", "a\\b", "a\nb", "é"] {
            let certificate = Verifier::Certificate(vec![1]);
            let leaf = Leaf::of_digest(vec![0; 32], b"sig", Algorithm::P256, details, certificate);
            assert_eq!(Leaf::parse(leaf.bytes()).unwrap(), leaf, "{details:?}");
            let value = json::parse(leaf.bytes()).unwrap();
            assert_eq!(json::canonical(&value), leaf.bytes(), "{details:?}");
        }
    }

    #[test]
    fn one_spelling_only() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let text =
            String::from_utf8(Leaf::of(b"x", b"sig", key.public()).bytes().to_vec()).unwrap();
        let cases = [
            ("as written", text.clone(), true),
            ("white space", text.replace(":{", ": {"), false),
            ("another version", text.replace("0.0.2", "0.0.1"), false),
            ("another kind", text.replace("hashedrekord", "dsse"), false),
            ("another hash", text.replace("SHA2_256", "SHA2_384"), false),
            ("another key type", text.replace("P256_SHA_256", "P384_SHA_384"), false),
            ("unknown field", text.replace("{\"apiVersion\"", "{\"a\":1,\"apiVersion\""), false),
        ];
        for (name, text, want) in cases {
            assert_eq!(Leaf::parse(text.as_bytes()).is_ok(), want, "{name}");
        }
        assert!(Leaf::parse(&vec![b' '; MAX_BYTES + 1]).is_err());
    }
}
