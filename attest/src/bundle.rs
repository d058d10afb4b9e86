//! Sigstore bundles of statements: an envelope with what is needed to check it. Versions 0.1 to 0.3
//! are read, version 0.3 is written.
//!
//! Source: Sigstore protobuf specification, `sigstore_bundle.proto`, in its JSON form. Fields
//! outside the inclusion proof (`logIndex`, `logId`) are not authenticated by anything: they
//! are written for other readers and decide nothing here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;
use crate::envelope::{Envelope, EnvelopeError, EnvelopeJson};
use crate::json::{self, JsonError};

/// The media type of what is written.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What is read: every version, and both spellings of the third.
const MEDIA_TYPES: [&str; 4] = [
    MEDIA_TYPE,
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];
/// How many log entries a bundle may carry.
pub const MAX_ENTRIES: usize = 16;
/// How many hashes an inclusion proof may have: one for each level of a tree of 2^63 entries.
pub const MAX_PROOF: usize = 63;

/// An envelope with its log entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bundle {
    /// The signed statement.
    pub envelope: Envelope,
    /// A hint at the key; it decides nothing.
    pub hint: Option<String>,
    /// Where it is logged.
    pub entries: Vec<LogEntry>,
    /// The bytes of the whole bundle as they were received, when a certificate in it says who
    /// signed. They are checked as they are, and passed on as they are.
    pub keyless: Option<Vec<u8>>,
}

/// An entry of a log, with the evidence that it is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogEntry {
    /// The position, as the bundle says; the proof has the one that counts.
    pub index: u64,
    /// The log, as the bundle says.
    pub log_id: Vec<u8>,
    /// The bytes of the leaf (`canonicalizedBody`).
    pub leaf: Vec<u8>,
    /// The proof, if the bundle has one.
    pub proof: Option<Inclusion>,
}

/// Evidence that a leaf is in a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inclusion {
    /// The position in the log.
    pub index: u64,
    /// The size of the tree that the proof is for.
    pub size: u64,
    /// The root, as the bundle says; the checkpoint has the one that counts.
    pub root: Sha256,
    /// The audit path (RFC 6962, section 2.1.1).
    pub hashes: Vec<Sha256>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// Why bytes are not a bundle that can be read here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Not JSON of this shape.
    #[error("not a Sigstore bundle: {0}")]
    Json(#[from] JsonError),
    /// A media type other than those of v0.1 to v0.3.
    #[error(
        "bundles of type `{0}` are not read; expected version 0.1 to 0.3, such as `{MEDIA_TYPE}`"
    )]
    MediaType(String),
    /// The bundle has no DSSE envelope.
    #[error("the bundle has no DSSE envelope (message signatures are not read)")]
    NoEnvelope,
    /// The envelope is not one.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// A field is not what the format says.
    #[error("field `{0}` of the bundle is malformed")]
    Field(&'static str),
    /// More than [`MAX_ENTRIES`] or [`MAX_PROOF`].
    #[error("too many `{0}` in the bundle")]
    TooMany(&'static str),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct BundleJson {
    media_type: String,
    verification_material: MaterialJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dsse_envelope: Option<EnvelopeJson>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct MaterialJson {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<HintJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tlog_entries: Vec<EntryJson>,
    // Whoever signed without a key that is known: one certificate (v0.3), or a chain of them.
    #[serde(default, skip_serializing)]
    certificate: Option<serde::de::IgnoredAny>,
    #[serde(default, skip_serializing)]
    x509_certificate_chain: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize, Serialize)]
struct HintJson {
    #[serde(default)]
    hint: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryJson {
    // 64-bit numbers are texts in the JSON form of protocol buffers.
    #[serde(default)]
    log_index: String,
    #[serde(default)]
    log_id: LogIdJson,
    kind_version: KindJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inclusion_proof: Option<ProofJson>,
    canonicalized_body: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogIdJson {
    #[serde(default)]
    key_id: String,
}

#[derive(Deserialize, Serialize)]
struct KindJson {
    kind: String,
    version: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProofJson {
    #[serde(default)]
    log_index: String,
    root_hash: String,
    tree_size: String,
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: CheckpointJson,
}

#[derive(Deserialize, Serialize)]
struct CheckpointJson {
    envelope: String,
}

impl Bundle {
    /// Parses a bundle.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let found: BundleJson = json::parse_as(bytes)?;
        if !MEDIA_TYPES.contains(&found.media_type.as_str()) {
            return Err(BundleError::MediaType(found.media_type.chars().take(200).collect()));
        }
        let material = found.verification_material;
        if material.tlog_entries.len() > MAX_ENTRIES {
            return Err(BundleError::TooMany("tlogEntries"));
        }
        let envelope = Envelope::from_json(found.dsse_envelope.ok_or(BundleError::NoEnvelope)?)?;
        let entries =
            material.tlog_entries.into_iter().map(parse_entry).collect::<Result<_, _>>()?;
        let hint = material.public_key.map(|key| key.hint).filter(|hint| !hint.is_empty());
        let is_keyless =
            material.certificate.is_some() || material.x509_certificate_chain.is_some();
        let keyless = is_keyless.then(|| bytes.to_vec());
        Ok(Self { envelope, hint, entries, keyless })
    }

    /// The certificate that says who signed, in DER: the first, where there is a chain. A claim of the
    /// bundle.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        let document = json::parse(self.keyless.as_deref()?).ok()?;
        let material = document.get("verificationMaterial")?;
        let chain = || material.get("x509CertificateChain")?.get("certificates")?.get(0);
        let found = material.get("certificate").or_else(chain)?;
        STANDARD.decode(found.get("rawBytes")?.as_str()?).ok()
    }

    /// The JSON form; of a keyless bundle the one that was received.
    pub fn to_json(&self) -> Vec<u8> {
        if let Some(received) = &self.keyless {
            return received.clone();
        }
        let written = BundleJson {
            media_type: MEDIA_TYPE.into(),
            verification_material: MaterialJson {
                public_key: Some(HintJson { hint: self.hint.clone().unwrap_or_default() }),
                tlog_entries: self.entries.iter().map(write_entry).collect(),
                ..MaterialJson::default()
            },
            dsse_envelope: Some(self.envelope.as_json()),
        };
        serde_json::to_vec(&written).unwrap_or_default()
    }
}

impl LogEntry {
    /// The entry alone: a `TransparencyLogEntry` in its JSON form, as Rekor v2 answers.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&write_entry(self)).unwrap_or_default()
    }

    /// Parses a `TransparencyLogEntry`.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        parse_entry(json::parse_as(bytes)?)
    }
}

fn parse_entry(entry: EntryJson) -> Result<LogEntry, BundleError> {
    Ok(LogEntry {
        index: number(&entry.log_index, "logIndex")?,
        log_id: STANDARD.decode(&entry.log_id.key_id).map_err(|_| BundleError::Field("logId"))?,
        leaf: STANDARD
            .decode(&entry.canonicalized_body)
            .map_err(|_| BundleError::Field("canonicalizedBody"))?,
        proof: entry.inclusion_proof.map(parse_proof).transpose()?,
    })
}

fn parse_proof(proof: ProofJson) -> Result<Inclusion, BundleError> {
    if proof.hashes.len() > MAX_PROOF {
        return Err(BundleError::TooMany("hashes"));
    }
    Ok(Inclusion {
        index: number(&proof.log_index, "logIndex")?,
        size: number(&proof.tree_size, "treeSize")?,
        root: hash(&proof.root_hash, "rootHash")?,
        hashes: proof.hashes.iter().map(|text| hash(text, "hashes")).collect::<Result<_, _>>()?,
        checkpoint: proof.checkpoint.envelope,
    })
}

fn number(text: &str, field: &'static str) -> Result<u64, BundleError> {
    // The JSON form of protocol buffers leaves zero out.
    if text.is_empty() {
        return Ok(0);
    }
    text.parse::<u64>()
        .ok()
        .filter(|number| i64::try_from(*number).is_ok() && number.to_string() == text)
        .ok_or(BundleError::Field(field))
}

fn hash(text: &str, field: &'static str) -> Result<Sha256, BundleError> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(Sha256::from_bytes).ok_or(BundleError::Field(field))
}

fn write_entry(entry: &LogEntry) -> EntryJson {
    EntryJson {
        log_index: entry.index.to_string(),
        log_id: LogIdJson { key_id: STANDARD.encode(&entry.log_id) },
        kind_version: KindJson { kind: "hashedrekord".into(), version: "0.0.2".into() },
        inclusion_proof: entry.proof.as_ref().map(|proof| ProofJson {
            log_index: proof.index.to_string(),
            root_hash: STANDARD.encode(proof.root.as_bytes()),
            tree_size: proof.size.to_string(),
            hashes: proof.hashes.iter().map(|hash| STANDARD.encode(hash.as_bytes())).collect(),
            checkpoint: CheckpointJson { envelope: proof.checkpoint.clone() },
        }),
        canonicalized_body: STANDARD.encode(&entry.leaf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::IN_TOTO;
    use crate::key::{Algorithm, SigningKey};

    fn bundle() -> Bundle {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        Bundle {
            envelope: Envelope::sign(IN_TOTO, b"{}".to_vec(), &[&key]).unwrap(),
            hint: Some("hint".into()),
            entries: vec![LogEntry {
                index: 7,
                log_id: vec![1, 2],
                leaf: b"leaf".to_vec(),
                proof: Some(Inclusion {
                    index: 7,
                    size: 9,
                    root: Sha256::of(b"root"),
                    hashes: vec![Sha256::of(b"a"), Sha256::of(b"b")],
                    checkpoint: "note".into(),
                }),
            }],
            keyless: None,
        }
    }

    #[test]
    fn bundles_read_back() {
        let bundle = bundle();
        assert_eq!(Bundle::parse(&bundle.to_json()).unwrap(), bundle);
        for entry in &bundle.entries {
            assert_eq!(&LogEntry::parse(&entry.to_json()).unwrap(), entry);
        }
        let unlogged = Bundle { entries: Vec::new(), hint: None, ..bundle };
        assert_eq!(Bundle::parse(&unlogged.to_json()).unwrap(), unlogged);
    }

    #[test]
    fn what_is_no_bundle() {
        let good = String::from_utf8(bundle().to_json()).unwrap();
        let cases = [
            ("as written", good.clone(), true),
            ("another version", good.replace("v0.3", "v0.9"), false),
            ("an older version", good.replace(".v0.3+json", "+json;version=0.2"), true),
            ("negative position", good.replace("\"7\"", "\"-7\""), false),
            ("position beyond 63 bits", good.replace("\"7\"", "\"9223372036854775808\""), false),
            (
                "short root",
                good.replace(&STANDARD.encode(Sha256::of(b"root").as_bytes()), "AAAA"),
                false,
            ),
            ("no envelope", good.replace("dsseEnvelope", "messageSignature"), false),
            ("cut short", good[..good.len() - 1].to_owned(), false),
        ];
        for (name, text, want) in cases {
            assert_eq!(Bundle::parse(text.as_bytes()).is_ok(), want, "{name}");
        }
    }
}
