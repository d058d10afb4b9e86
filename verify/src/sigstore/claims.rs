//! What a Sigstore bundle or a trusted root says, for a person to read. Nobody is believed for any of it.

use attest::{Envelope, Sha256, Signature, Timestamp};
use sigstore_types::bundle::{TransparencyLogEntry, VerificationMaterialContent};
use sigstore_types::{SignatureContent, TimeRange};

use super::bundle::SigstoreBundle;
use super::root::SigstoreRoot;

/// What a bundle says, every part of it a claim.
#[derive(Clone, Debug)]
pub struct BundleClaims {
    /// The media type: which version of bundles it is.
    pub media_type: &'static str,
    /// The certificates in DER, the signer's first; none when a key signed.
    pub certificates: Vec<Vec<u8>>,
    /// The hint at the key, when a key signed.
    pub hint: Option<String>,
    /// The signed statement, if it holds one.
    pub envelope: Option<Envelope>,
    /// The digest of the message, with the name of its hash, if it is a signature over one.
    pub message: Option<(&'static str, Vec<u8>)>,
    /// Where it says that it is logged.
    pub entries: Vec<EntryClaims>,
    /// The timestamps, in DER (RFC 3161).
    pub timestamps: Vec<Vec<u8>>,
    /// The signature, which the timestamps should be about.
    pub signature: Vec<u8>,
}

/// What a bundle says of one entry in a log.
#[derive(Clone, Debug)]
pub struct EntryClaims {
    /// The position.
    pub index: u64,
    /// The log.
    pub log_id: Vec<u8>,
    /// What kind of entry, with its version.
    pub kind: String,
    /// When the log says that it took the entry; newer logs do not say.
    pub integrated: Option<Timestamp>,
    /// Whether a promise of the log to take it stands in the bundle.
    pub promised: bool,
    /// The bytes of the entry.
    pub body: Vec<u8>,
    /// The size of the tree that the proof is for, with the root and the signed checkpoint, which
    /// may be empty.
    pub proof: Option<(u64, Sha256, String)>,
}

impl SigstoreBundle {
    /// What it says.
    pub fn claims(&self) -> BundleClaims {
        let bundle = self.read();
        let material = &bundle.verification_material;
        let (certificates, hint) = match &material.content {
            VerificationMaterialContent::Certificate(one) => {
                (vec![one.raw_bytes.as_bytes().to_vec()], None)
            }
            VerificationMaterialContent::X509CertificateChain { certificates } => {
                let all = certificates.iter();
                (all.map(|one| one.raw_bytes.as_bytes().to_vec()).collect(), None)
            }
            VerificationMaterialContent::PublicKey(key) => (Vec::new(), Some(key.hint.clone())),
            _ => (Vec::new(), None),
        };
        let (envelope, message) = match &bundle.content {
            SignatureContent::DsseEnvelope(held) => {
                let keyid = held.signature.keyid.as_str();
                let keyid = (!keyid.is_empty()).then(|| keyid.to_owned());
                let sig = held.signature.sig.as_bytes().to_vec();
                let envelope = Envelope {
                    payload_type: held.payload_type.clone(),
                    payload: held.payload.as_bytes().to_vec(),
                    signatures: vec![Signature { keyid, sig }],
                };
                (Some(envelope), None)
            }
            SignatureContent::MessageSignature(signature) => {
                let digest = signature.message_digest.as_ref();
                let named = digest.map(|digest| {
                    (digest.algorithm.as_rekor_str(), digest.digest.as_bytes().to_vec())
                });
                (None, named)
            }
            _ => (None, None),
        };
        BundleClaims {
            media_type: bundle.media_type.as_str(),
            certificates,
            hint,
            envelope,
            message,
            entries: material.tlog_entries.iter().map(EntryClaims::of).collect(),
            timestamps: self.timestamps(),
            signature: self.signature().to_vec(),
        }
    }
}

impl EntryClaims {
    fn of(entry: &TransparencyLogEntry) -> Self {
        let kind = entry.kind_version;
        Self {
            index: entry.log_index.get(),
            log_id: entry.log_id.key_id.as_bytes().to_vec(),
            kind: format!("{} {}", kind.kind(), kind.version()),
            integrated: entry.integrated_time,
            promised: entry.inclusion_promise.is_some(),
            body: entry.canonicalized_body.as_bytes().to_vec(),
            proof: entry.inclusion_proof.as_ref().map(|proof| {
                let root = Sha256::from_bytes(*proof.root_hash.as_bytes());
                (proof.tree_size, root, proof.checkpoint.envelope().to_owned())
            }),
        }
    }
}

/// What a trusted root says of one log or authority.
#[derive(Clone, Debug)]
pub struct AuthorityClaims {
    /// What it is: `log of signatures`, `log of certificates`, `certificate authority` or
    /// `timestamp authority`.
    pub kind: &'static str,
    /// Where it is served; may be empty.
    pub uri: String,
    /// From when on it is to be believed, if the root says.
    pub from: Option<Timestamp>,
    /// Until when it is to be believed, if the root says.
    pub until: Option<Timestamp>,
    /// The key of a log, a SubjectPublicKeyInfo in DER.
    pub key: Option<Vec<u8>>,
    /// The certificates of an authority in DER, its own first.
    pub certificates: Vec<Vec<u8>>,
}

impl SigstoreRoot {
    /// What it says of each log and authority, in its order.
    pub fn claims(&self) -> Vec<AuthorityClaims> {
        let root = self.read();
        let logs = root.tlogs.iter().map(|log| {
            let key = log.public_key.raw_bytes.as_bytes();
            AuthorityClaims {
                key: Some(key.to_vec()),
                ..AuthorityClaims::new("log of signatures", &log.base_url, log.public_key.valid_for)
            }
        });
        let stamping = root.ctlogs.iter().map(|log| {
            let key = log.public_key.raw_bytes.as_bytes();
            let valid = log.public_key.valid_for;
            AuthorityClaims {
                key: Some(key.to_vec()),
                ..AuthorityClaims::new("log of certificates", &log.base_url, valid)
            }
        });
        let authorities = root.certificate_authorities.iter().map(|one| {
            let chain = one.cert_chain.certificates.iter();
            AuthorityClaims {
                certificates: chain.map(|one| one.raw_bytes.as_bytes().to_vec()).collect(),
                ..AuthorityClaims::new("certificate authority", &one.uri, one.valid_for)
            }
        });
        let clocks = root.timestamp_authorities.iter().map(|one| {
            let chain = one.cert_chain.certificates.iter();
            let uri = one.uri.as_deref().unwrap_or_default();
            AuthorityClaims {
                certificates: chain.map(|one| one.raw_bytes.as_bytes().to_vec()).collect(),
                ..AuthorityClaims::new("timestamp authority", uri, one.valid_for)
            }
        });
        logs.chain(authorities).chain(stamping).chain(clocks).collect()
    }
}

impl AuthorityClaims {
    fn new(kind: &'static str, uri: &str, valid: Option<TimeRange>) -> Self {
        Self {
            kind,
            uri: uri.to_owned(),
            from: valid.map(|range| range.start),
            until: valid.and_then(|range| range.end),
            key: None,
            certificates: Vec::new(),
        }
    }
}
