//! The file that a signature of a model is kept in: a Sigstore bundle (section 4).
//!
//! Read as strictly as the schema where it matters, and as loosely as it asks elsewhere. What
//! says which key to try (`hint`, `rawBytes`, `keyid`) is signed by nobody and decides nothing;
//! neither do log entries and timestamps beside a key or a certificate chain (section 4.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bundle::{MAX_ENTRIES, MEDIA_TYPE};
use crate::digest::Sha256;
use crate::envelope::{Envelope, EnvelopeError, EnvelopeJson, IN_TOTO};
use crate::json::{self, JsonError};
use crate::key::PublicKey;
use crate::proposal::MAX_CERTIFICATE_BYTES;

/// How many certificates a chain may have.
pub const MAX_CERTIFICATES: usize = 16;
/// How many timestamps a bundle may carry.
pub const MAX_TIMESTAMPS: usize = 16;
/// The largest timestamp that is read, in bytes: it may hold certificates.
const MAX_TIMESTAMP_BYTES: usize = 64 << 10;

/// A signed model, as it is kept in a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundle {
    /// The signed statement, with exactly one signature.
    pub envelope: Envelope,
    /// What is said of the signer; nothing of it is checked.
    pub material: Material,
    /// Timestamps of the signature (RFC 3161), each in DER.
    pub timestamps: Vec<Vec<u8>>,
}

/// What a bundle says of the signer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Material {
    /// A key, with a hint at which.
    Key {
        /// Lowercase hex of the SHA-256 of the key's PEM; older bundles have none.
        hint: Option<String>,
    },
    /// A certificate and those between it and a root, each in DER, the signer's first.
    Chain(Vec<Vec<u8>>),
}

/// Why bytes are no signature of a model that can be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not JSON of this shape.
    #[error("not a bundle of OpenSSF Model Signing: {0}")]
    Json(#[from] JsonError),
    /// Another media type.
    #[error("bundles of type `{0}` are not read; expected `{MEDIA_TYPE}`")]
    MediaType(String),
    /// The envelope is not one.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Another payload type.
    #[error("payload type `{0}`, expected `{IN_TOTO}`")]
    PayloadType(String),
    /// A bundle has exactly one signature (`sigstore_bundle.proto`).
    #[error("a bundle has exactly one signature, this one has {0}")]
    Signatures(usize),
    /// None or several of the kinds of material.
    #[error("the bundle does not say by one of `publicKey` and `x509CertificateChain` who signed")]
    Material,
    /// Signed with a short-lived certificate of Sigstore.
    #[error(
        "the model is signed without a key of the signer's own (method `sigstore`): it is read as a \
         bundle of Sigstore"
    )]
    Sigstore,
    /// A field is not what the format says.
    #[error("field `{0}` of the bundle is malformed")]
    Field(&'static str),
    /// More than [`MAX_CERTIFICATES`], or more log entries than a bundle may have.
    #[error("too many `{0}` in the bundle")]
    TooMany(&'static str),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BundleJson {
    media_type: String,
    verification_material: MaterialJson,
    dsse_envelope: EnvelopeJson,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct MaterialJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<KeyJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x509_certificate_chain: Option<ChainJson>,
    #[serde(default, skip_serializing)]
    certificate: Option<Value>,
    // The reference implementation of today reads no bundle without it.
    #[serde(default)]
    tlog_entries: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<TimestampsJson>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct TimestampsJson {
    #[serde(default)]
    rfc3161_timestamps: Vec<TimestampJson>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct TimestampJson {
    signed_timestamp: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default, skip_serializing)]
    raw_bytes: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct ChainJson {
    certificates: Vec<CertificateJson>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateJson {
    raw_bytes: String,
}

impl Bundle {
    /// Parses a bundle.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let found: BundleJson = json::parse_as(bytes)?;
        if found.media_type != MEDIA_TYPE {
            return Err(BundleError::MediaType(found.media_type.chars().take(200).collect()));
        }
        let entries = found.verification_material.tlog_entries.as_ref();
        if entries.is_some_and(|entries| entries.len() > MAX_ENTRIES) {
            return Err(BundleError::TooMany("tlogEntries"));
        }
        let envelope = Envelope::from_json(found.dsse_envelope)?;
        if envelope.payload_type != IN_TOTO {
            let found = envelope.payload_type.chars().take(200).collect();
            return Err(BundleError::PayloadType(found));
        }
        if envelope.signatures.len() != 1 {
            return Err(BundleError::Signatures(envelope.signatures.len()));
        }
        let timestamps =
            timestamps(found.verification_material.timestamp_verification_data.as_ref())?;
        Ok(Self { envelope, material: material(found.verification_material)?, timestamps })
    }

    /// The JSON form.
    pub fn to_json(&self) -> Vec<u8> {
        let mut material = MaterialJson { tlog_entries: Some(Vec::new()), ..Default::default() };
        match &self.material {
            Material::Key { hint } => {
                material.public_key = Some(KeyJson { hint: hint.clone(), raw_bytes: None });
            }
            Material::Chain(chain) => {
                let certificate = |der| CertificateJson { raw_bytes: STANDARD.encode(der) };
                let certificates = chain.iter().map(certificate).collect();
                material.x509_certificate_chain = Some(ChainJson { certificates });
            }
        }
        if !self.timestamps.is_empty() {
            let stamp = |der| TimestampJson { signed_timestamp: STANDARD.encode(der) };
            let rfc3161_timestamps = self.timestamps.iter().map(stamp).collect();
            material.timestamp_verification_data = Some(TimestampsJson { rfc3161_timestamps });
        }
        let written = BundleJson {
            media_type: MEDIA_TYPE.into(),
            verification_material: material,
            dsse_envelope: self.envelope.as_json(),
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }
}

impl Material {
    /// What is written for a model that `key` signed.
    pub fn of_key(key: &PublicKey) -> Self {
        Self::Key { hint: Some(Sha256::of(key.to_pem().as_bytes()).hex()) }
    }
}

fn material(found: MaterialJson) -> Result<Material, BundleError> {
    match (found.public_key, found.x509_certificate_chain, found.certificate) {
        (Some(key), None, None) => {
            let hint = key.hint.filter(|hint| !hint.is_empty());
            if hint.is_none() && key.raw_bytes.is_none() {
                return Err(BundleError::Field("publicKey"));
            }
            Ok(Material::Key { hint })
        }
        (None, Some(chain), None) => match chain.certificates.len() {
            0 => Err(BundleError::Field("certificates")),
            1..=MAX_CERTIFICATES => {
                let certificates = chain.certificates.iter().map(certificate);
                Ok(Material::Chain(certificates.collect::<Result<_, _>>()?))
            }
            _ => Err(BundleError::TooMany("certificates")),
        },
        (None, None, Some(_)) => Err(BundleError::Sigstore),
        _ => Err(BundleError::Material),
    }
}

fn timestamps(found: Option<&TimestampsJson>) -> Result<Vec<Vec<u8>>, BundleError> {
    let found = found.map_or(&[][..], |found| &found.rfc3161_timestamps);
    if found.len() > MAX_TIMESTAMPS {
        return Err(BundleError::TooMany("rfc3161Timestamps"));
    }
    let der = |one: &TimestampJson| {
        let der = STANDARD.decode(&one.signed_timestamp).ok();
        der.filter(|der| !der.is_empty() && der.len() <= MAX_TIMESTAMP_BYTES)
            .ok_or(BundleError::Field("signedTimestamp"))
    };
    found.iter().map(der).collect()
}

fn certificate(found: &CertificateJson) -> Result<Vec<u8>, BundleError> {
    let der = STANDARD.decode(&found.raw_bytes).ok();
    der.filter(|der| !der.is_empty() && der.len() <= MAX_CERTIFICATE_BYTES)
        .ok_or(BundleError::Field("rawBytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, SigningKey};

    fn bundle() -> Bundle {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let envelope = Envelope::sign(IN_TOTO, b"{}".to_vec(), &[&key]).unwrap();
        Bundle { envelope, material: Material::of_key(key.public()), timestamps: Vec::new() }
    }

    #[test]
    fn bundles_read_back() {
        let key = bundle();
        let material = Material::Chain(vec![vec![1], vec![2]]);
        let chain = Bundle { material, timestamps: vec![vec![3]], ..key.clone() };
        for bundle in [key, chain] {
            assert_eq!(Bundle::parse(&bundle.to_json()).unwrap(), bundle);
        }
    }

    #[test]
    fn what_older_and_other_programs_write() {
        let good = String::from_utf8(bundle().to_json()).unwrap();
        let value: Value = serde_json::from_str(&good).unwrap();
        let hint = value["verificationMaterial"]["publicKey"]["hint"].to_string();
        let keyid = value["dsseEnvelope"]["signatures"][0]["keyid"].to_string();
        let signature = value["dsseEnvelope"]["signatures"][0].to_string();
        let cases = [
            ("as written", good.clone(), true),
            ("keyid empty", good.replace(&keyid, "\"\""), true),
            ("keyid null", good.replace(&keyid, "null"), true),
            ("keyid absent", good.replace(&format!("\"keyid\":{keyid},"), ""), true),
            ("no log entries", good.replace(",\"tlogEntries\":[]", ""), true),
            ("log entries null", good.replace("\"tlogEntries\":[]", "\"tlogEntries\":null"), true),
            ("log entries of others", good.replace("[]", "[{\"logIndex\":\"1\"}]"), true),
            ("rawBytes", good.replace("\"hint\"", "\"keyDetails\":\"x\",\"rawBytes\""), true),
            ("neither hint nor rawBytes", good.replace(&format!("\"hint\":{hint}"), ""), false),
            ("hint null", good.replace(&hint, "null"), false),
            ("another version", good.replace("v0.3", "v0.2"), false),
            ("no material", good.replace("publicKey", "publicKeys"), false),
            (
                "a certificate too",
                good.replace("\"publicKey\"", "\"certificate\":{},\"publicKey\""),
                false,
            ),
            ("keyless", good.replace("publicKey", "certificate"), false),
            ("another payload type", good.replace("in-toto", "in-tot"), false),
            (
                "a second signature",
                good.replace(&signature, &format!("{signature},{signature}")),
                false,
            ),
            ("no signature", good.replace(&signature, ""), false),
            ("another field", good.replace("\"mediaType\"", "\"more\":1,\"mediaType\""), false),
        ];
        for (name, text, want) in cases {
            let found = Bundle::parse(text.as_bytes());
            assert_eq!(found.is_ok(), want, "{name}: {found:?}");
        }
    }
}
