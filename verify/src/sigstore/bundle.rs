//! Reading Sigstore bundles v0.1, v0.2 and v0.3, of statements and of messages.
//!
//! Source: Sigstore protobuf specification, `sigstore_bundle.proto`, in its JSON form. Reading
//! believes nothing. What is read here is bounded and has no key twice, so that no two readers
//! see two bundles in the same bytes.

use attest::bundle::{MAX_ENTRIES, MAX_PROOF};
use attest::json;
use attest::{Envelope, Sha256, Statement};
use sigstore_types::bundle::{VerificationMaterialContent, X509Certificate};
use sigstore_types::{Bundle, HashAlgorithm, SignatureContent};

use super::error::SigstoreBundleError;

/// How many timestamps a bundle may carry.
const MAX_TIMESTAMPS: usize = 16;
/// How many certificates a bundle may carry.
const MAX_CERTIFICATES: usize = 8;
/// How large a checkpoint with all its signature lines may be, in bytes.
const MAX_CHECKPOINT_BYTES: usize = 64 << 10;

/// A Sigstore bundle that was read, and is not believed.
#[derive(Clone, Debug)]
pub struct SigstoreBundle(Bundle);

impl SigstoreBundle {
    /// Parses the JSON form.
    ///
    /// # Errors
    /// [`SigstoreBundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SigstoreBundleError> {
        let said = |error: &dyn std::error::Error| SigstoreBundleError::Json(error.to_string());
        let document = json::parse(bytes).map_err(|error| said(&error))?;
        let text = std::str::from_utf8(bytes).map_err(|error| said(&error))?;
        // The library takes a bundle without a type for one of the first version.
        if document.get("mediaType").is_none() {
            return Err(SigstoreBundleError::NoMediaType);
        }
        let bundle = Bundle::from_json(text).map_err(|error| said(&error))?;
        bounded(&bundle)?;
        unrepeated(&bundle)?;
        Ok(Self(bundle))
    }

    /// Whether a certificate says who signed, and not a key that is known already.
    pub fn is_keyless(&self) -> bool {
        !matches!(self.0.verification_material.content, VerificationMaterialContent::PublicKey(_))
    }

    /// Whether it holds a statement, and not a signature over an artifact's own bytes.
    pub fn is_statement(&self) -> bool {
        matches!(self.0.content, SignatureContent::DsseEnvelope(_))
    }

    /// The SHA-256 digest of the message that a message signature says it is over: a claim, which
    /// says where to look and nothing else.
    pub fn claimed_message(&self) -> Option<Sha256> {
        let SignatureContent::MessageSignature(signature) = &self.0.content else { return None };
        let digest = signature.message_digest.as_ref()?;
        let is_sha256 = digest.algorithm == HashAlgorithm::Sha2256;
        let bytes = is_sha256.then(|| digest.digest.as_bytes().try_into().ok()).flatten()?;
        Some(Sha256::from_bytes(bytes))
    }

    /// Whether this is the envelope that the bundle holds, with its one signature.
    pub(crate) fn holds(&self, envelope: &Envelope) -> bool {
        let SignatureContent::DsseEnvelope(held) = &self.0.content else { return false };
        let [signature] = envelope.signatures.as_slice() else { return false };
        held.payload_type == envelope.payload_type
            && held.payload.as_bytes() == envelope.payload
            && held.signature.sig.as_bytes() == signature.sig
    }

    /// The payload that was signed with its type, if it is an envelope. Nobody has checked it.
    pub(crate) fn statement(&self) -> Option<(&str, &[u8])> {
        match &self.0.content {
            SignatureContent::DsseEnvelope(held) => {
                Some((&held.payload_type, held.payload.as_bytes()))
            }
            _ => None,
        }
    }

    /// The certificate that says who signed, in DER, if that is what the bundle has.
    pub(crate) fn certificate(&self) -> Option<&[u8]> {
        self.0.signing_certificate().map(|certificate| certificate.as_bytes())
    }

    /// The certificates in DER, the signer's first; none when a key signed.
    pub(crate) fn chain(&self) -> Vec<Vec<u8>> {
        let der = |one: &X509Certificate| one.raw_bytes.as_bytes().to_vec();
        match &self.0.verification_material.content {
            VerificationMaterialContent::Certificate(one) => {
                vec![one.raw_bytes.as_bytes().to_vec()]
            }
            VerificationMaterialContent::X509CertificateChain { certificates } => {
                certificates.iter().map(der).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The one signature.
    pub(crate) fn signature(&self) -> &[u8] {
        match &self.0.content {
            SignatureContent::DsseEnvelope(envelope) => envelope.signature.sig.as_bytes(),
            SignatureContent::MessageSignature(message) => message.signature.as_bytes(),
            _ => &[],
        }
    }

    /// The timestamps of the signature (RFC 3161), in DER.
    pub(crate) fn timestamps(&self) -> Vec<Vec<u8>> {
        let data = &self.0.verification_material.timestamp_verification_data;
        let all = data.rfc3161_timestamps.iter();
        all.map(|stamp| stamp.signed_timestamp.as_bytes().to_vec()).collect()
    }

    /// The first SHA-256 digest among the subjects of the statement, as it claims: for whoever
    /// asks who signed, and looks at all the subjects afterwards.
    pub(crate) fn first_subject(&self) -> Option<Sha256> {
        let SignatureContent::DsseEnvelope(envelope) = &self.0.content else { return None };
        let statement = Statement::parse(envelope.payload.as_bytes()).ok()?;
        let digests = statement.subject.iter().filter_map(|subject| subject.digest.get("sha256"));
        let mut known = digests.filter_map(|hex| attest::digest::from_hex(hex)?.try_into().ok());
        known.next().map(Sha256::from_bytes)
    }

    pub(super) const fn read(&self) -> &Bundle {
        &self.0
    }
}

fn bounded(bundle: &Bundle) -> Result<(), SigstoreBundleError> {
    let material = &bundle.verification_material;
    let certificates = match &material.content {
        VerificationMaterialContent::X509CertificateChain { certificates } => certificates.len(),
        _ => 1,
    };
    let proofs = material.tlog_entries.iter().filter_map(|entry| entry.inclusion_proof.as_ref());
    let hashes = proofs.clone().map(|proof| proof.hashes.len()).max().unwrap_or(0);
    let checkpoint = proofs.map(|proof| proof.checkpoint.envelope().len()).max().unwrap_or(0);
    let timestamps = material.timestamp_verification_data.rfc3161_timestamps.len();
    let counts = [
        ("certificates", certificates, MAX_CERTIFICATES),
        ("log entries", material.tlog_entries.len(), MAX_ENTRIES),
        ("timestamps", timestamps, MAX_TIMESTAMPS),
        ("hashes in a proof", hashes, MAX_PROOF),
        ("bytes in a checkpoint", checkpoint, MAX_CHECKPOINT_BYTES),
    ];
    let over = counts.into_iter().find(|(_, found, limit)| found > limit);
    over.map_or(Ok(()), |(what, found, limit)| {
        Err(SigstoreBundleError::TooMany { what, found, limit })
    })
}

/// What stands twice proves nothing twice, and is not written by any signer.
fn unrepeated(bundle: &Bundle) -> Result<(), SigstoreBundleError> {
    let material = &bundle.verification_material;
    let clocks = &material.timestamp_verification_data.rfc3161_timestamps;
    let certificates = match &material.content {
        VerificationMaterialContent::X509CertificateChain { certificates } => {
            certificates.as_slice()
        }
        _ => &[],
    };
    let twice = [
        ("certificate", repeats(certificates)),
        ("log entry", repeats(&material.tlog_entries)),
        ("timestamp", repeats(clocks)),
    ];
    let found = twice.into_iter().find(|(_, repeats)| *repeats);
    found.map_or(Ok(()), |(what, _)| Err(SigstoreBundleError::Repeated { what }))
}

/// Whether an item stands more than once in a list, which is a short one ([`bounded`]).
fn repeats<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(place, item)| list.iter().take(place).any(|other| other == item))
}
