//! The documents that the service sends and reads, and that `--json` prints: one set of types for
//! whoever answers and whoever asks.
//!
//! What an entry's statement says is shown as it says it; nothing here is verified. Bundles carry
//! their own proof.

pub mod rekor;

use std::collections::BTreeMap;

use attest::carried::{carried, is_mark, opened};
use attest::envelope::IN_TOTO;
use attest::{
    ArtifactId, Bundle, BundleError, Checkpoint, ClaimedIdentity, KeyId, PublicKey, Sha256,
    StageName, Statement, StepName, Timestamp, Verifier,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy::Report;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::judge::SummaryFormat;
use crate::register::{self, ConsistencyProof, Entry, EntryBody, InclusionProof, Receipt};

/// How many subjects of a statement are shown with its entry.
pub const MAX_SHOWN_SUBJECTS: usize = 256;

/// A bundle inside a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BundleDocument(pub Bundle);

impl Serialize for BundleDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value: Value =
            serde_json::from_slice(&self.0.to_json()).map_err(serde::ser::Error::custom)?;
        value.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BundleDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let bytes = serde_json::to_vec(&value).map_err(D::Error::custom)?;
        Bundle::parse(&bytes).map(Self).map_err(|error: BundleError| D::Error::custom(error))
    }
}

/// The size and root that an answer is complete to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Complete {
    /// The register.
    pub origin: String,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Sha256,
}

impl From<Checkpoint> for Complete {
    fn from(Checkpoint { origin, size, root }: Checkpoint) -> Self {
        Self { origin, size, root }
    }
}

impl From<Complete> for Checkpoint {
    fn from(Complete { origin, size, root }: Complete) -> Self {
        Self { origin, size, root }
    }
}

/// What is submitted.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The DSSE envelope.
    pub envelope: Value,
    /// The keys of its signatures, in any order: SubjectPublicKeyInfo in base64. Without them, the
    /// keys of the service's trust file are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verifiers: Vec<String>,
}

impl Submission {
    /// How a key is written in [`Submission::verifiers`].
    pub fn verifier(key: &PublicKey) -> String {
        STANDARD.encode(key.der())
    }

    /// Reads a key of [`Submission::verifiers`].
    pub fn parse_verifier(text: &str) -> Option<PublicKey> {
        PublicKey::from_der(&STANDARD.decode(text).ok()?).ok()
    }
}

/// One entry for each signature that was submitted.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Receipts {
    /// In the order of the envelope's signatures.
    pub entries: Vec<ReceiptDocument>,
}

/// Where a signature was registered.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReceiptDocument {
    /// Position of the entry.
    pub index: u64,
    /// Whether the register had it already.
    pub duplicate: bool,
    /// The attestation with its proof.
    pub bundle: BundleDocument,
}

impl From<Receipt> for ReceiptDocument {
    fn from(Receipt { index, duplicate, bundle }: Receipt) -> Self {
        Self { index, duplicate, bundle: BundleDocument(bundle) }
    }
}

impl From<ReceiptDocument> for Receipt {
    fn from(ReceiptDocument { index, duplicate, bundle }: ReceiptDocument) -> Self {
        Self { index, duplicate, bundle: bundle.0 }
    }
}

/// What is known about the body of an entry.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyState {
    /// The register has it.
    Here,
    /// It was erased.
    Erased,
    /// The register was never given it.
    Unknown,
}

/// An entry, with what its statement says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EntryView {
    /// Its position.
    pub index: u64,
    /// When it was committed.
    pub time: Timestamp,
    /// What is known about its body.
    pub state: BodyState,
    /// The hash of its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Sha256>,
    /// The key that signed, if it was a plain key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<KeyId>,
    /// What the certificate says, if one was given for the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateView>,
    /// The type of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_type: Option<String>,
    /// The predicate type, for a statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// The step that it says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// The stage that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageName>,
    /// What it is about, the first [`MAX_SHOWN_SUBJECTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<SubjectView>,
}

/// Whom a certificate names: its claims, which nobody here has judged.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CertificateView {
    /// Its subject alternative names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Who vouched for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}

/// An artifact under the name that a statement gives it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SubjectView {
    /// The artifact.
    pub artifact: ArtifactId,
    /// Its name; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl EntryView {
    /// What there is to say about an entry.
    pub fn of(entry: &Entry) -> Self {
        let (signer, certificate) = match entry.leaf.verifier() {
            // Everybody can sign with that key; who signed stands in what it marks.
            Verifier::Key(key) if is_mark(&key.id()) => (None, carried_certificate(entry)),
            Verifier::Key(key) => (Some(key.id()), None),
            Verifier::Certificate(der) => (None, Some(CertificateView::of(der))),
        };
        let bare = Self {
            index: entry.index,
            time: entry.time,
            state: BodyState::Unknown,
            body: entry.body_hash(),
            signer,
            certificate,
            payload_type: None,
            predicate_type: None,
            step: None,
            stage: None,
            subjects: Vec::new(),
        };
        let envelope = match &entry.body {
            EntryBody::Here { envelope, .. } => envelope,
            EntryBody::Erased(_) => return Self { state: BodyState::Erased, ..bare },
            EntryBody::Unknown => return bare,
        };
        let payload_type = Some(opened(envelope).payload_type.clone());
        let bare = Self { state: BodyState::Here, payload_type, ..bare };
        let Some(statement) = statement_of(entry) else { return bare };
        let subjects = statement.subjects().unwrap_or_default().into_iter();
        let subjects =
            subjects.map(|(artifact, name)| SubjectView { artifact, name: name.to_owned() });
        Self {
            predicate_type: Some(statement.predicate_type().to_owned()),
            step: statement.step(),
            stage: statement.stage(),
            subjects: subjects.take(MAX_SHOWN_SUBJECTS).collect(),
            ..bare
        }
    }
}

/// The statement of an entry, if it has one that can be read. Says nothing about whether it is
/// true.
pub(crate) fn statement_of(entry: &Entry) -> Option<Statement> {
    match &entry.body {
        EntryBody::Here { envelope, .. } => {
            let envelope = opened(envelope);
            let is_one = envelope.payload_type == IN_TOTO;
            is_one.then(|| Statement::read(&envelope.payload).ok()).flatten()
        }
        _ => None,
    }
}

/// Whom the certificate of a carried bundle names.
fn carried_certificate(entry: &Entry) -> Option<CertificateView> {
    let EntryBody::Here { envelope, .. } = &entry.body else { return None };
    let bundle = carried(envelope).ok()??;
    Some(CertificateView::of(&bundle.certificate()?))
}

impl CertificateView {
    fn of(der: &[u8]) -> Self {
        let ClaimedIdentity { names, issuer } = ClaimedIdentity::of(der);
        Self { names, issuer }
    }
}

/// One entry with its evidence.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct EntryDocument {
    /// What it is.
    pub entry: EntryView,
    /// The bytes of its leaf, in base64.
    pub leaf: String,
    /// The attestation with its proof, if its body is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleDocument>,
}

/// The attestations of an artifact.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactBundles {
    /// In the order of their positions.
    pub bundles: Vec<BundleDocument>,
    /// Where to go on, if there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// No attestation up to here is missing, but for what is still to come from `next` on.
    pub complete_to: Complete,
}

impl From<register::Bundles> for ArtifactBundles {
    fn from(found: register::Bundles) -> Self {
        let register::Bundles { bundles, next, complete_to } = found;
        let bundles = bundles.into_iter().map(BundleDocument).collect();
        Self { bundles, next, complete_to: complete_to.into() }
    }
}

/// A page of entries that match.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// In the order of their positions, or the newest first.
    pub entries: Vec<EntryView>,
    /// Where the next page starts, if there may be more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// No entry of this tree that matches is missing between where the page began and where the
    /// next one does; with the newest first, all pages are complete to the tree of the first.
    pub complete_to: Complete,
    /// How many entries were looked into, if numbers were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
    /// The signed checkpoint that all evidence of the page is under, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// The evidence, if it was asked for: one for each entry, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// How many entries of a page had their numbers compared.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Compared {
    /// Entries that measured what was asked for.
    pub entries: u64,
    /// Those among them that are not shown because their statement, and with it the number, was
    /// erased.
    pub erased: u64,
}

impl Compared {
    /// Both together.
    #[must_use]
    pub fn with(self, other: Option<Self>) -> Self {
        let Self { entries, erased } = other.unwrap_or(Self { entries: 0, erased: 0 });
        Self {
            entries: self.entries.saturating_add(entries),
            erased: self.erased.saturating_add(erased),
        }
    }
}

/// Evidence for an entry, which can be checked without the register.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Evidence {
    /// The attestation with its proof.
    Bundle {
        /// The bundle.
        bundle: BundleDocument,
    },
    /// For a statement that was erased or never given.
    Leaf {
        /// The bytes of its leaf, in base64.
        leaf: String,
        /// That the leaf is there (C2SP tlog-proof).
        proof: String,
    },
}

impl From<register::Evidence> for Evidence {
    fn from(evidence: register::Evidence) -> Self {
        match evidence {
            register::Evidence::Bundle(bundle) => Self::Bundle { bundle: BundleDocument(bundle) },
            register::Evidence::Leaf { leaf, proof } => {
                Self::Leaf { leaf: STANDARD.encode(leaf.bytes()), proof: proof.to_string() }
            }
        }
    }
}

impl From<register::Found> for Found {
    fn from(found: register::Found) -> Self {
        register::Searched { found, compared: None, proven: None }.into()
    }
}

impl From<register::Searched> for Found {
    fn from(register::Searched { found, compared, proven }: register::Searched) -> Self {
        let register::Found { entries, next, complete_to } = found;
        let entries = entries.iter().map(EntryView::of).collect();
        let compared =
            compared.map(|register::Compared { entries, erased }| Compared { entries, erased });
        let (checkpoint, evidence) = match proven {
            Some(register::Proven { signed, evidence }) => {
                let evidence = evidence.into_iter().map(Evidence::from).collect();
                (Some(signed.note.clone()), evidence)
            }
            None => (None, Vec::new()),
        };
        let complete_to = complete_to.into();
        Self { entries, next, complete_to, compared, checkpoint, evidence }
    }
}

/// Evidence that an entry is in the tree of a size.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inclusion {
    /// Position of the entry.
    pub index: u64,
    /// Size of the tree.
    pub size: u64,
    /// Hash of the entry's leaf.
    pub leaf_hash: Sha256,
    /// Root of the tree.
    pub root: Sha256,
    /// The audit path (RFC 6962, section 2.1.1).
    pub hashes: Vec<Sha256>,
    /// The newest signed checkpoint, which may be of a larger tree.
    pub checkpoint: String,
}

impl Inclusion {
    /// A proof, and the newest checkpoint.
    pub fn new(proof: InclusionProof, checkpoint: String) -> Self {
        let InclusionProof { index, size, leaf_hash, root, hashes } = proof;
        Self { index, size, leaf_hash, root, hashes, checkpoint }
    }
}

/// Evidence that a tree has only grown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Consistency {
    /// Size of the earlier tree.
    pub from: u64,
    /// Size of the later tree.
    pub to: u64,
    /// Root of the earlier tree.
    pub from_root: Sha256,
    /// Root of the later tree.
    pub to_root: Sha256,
    /// The proof (RFC 6962, section 2.1.2).
    pub hashes: Vec<Sha256>,
    /// The newest signed checkpoint, which may be of a larger tree.
    pub checkpoint: String,
}

impl Consistency {
    /// A proof, and the newest checkpoint.
    pub fn new(proof: ConsistencyProof, checkpoint: String) -> Self {
        let ConsistencyProof { from, to, from_root, to_root, hashes } = proof;
        Self { from, to, from_root, to_root, hashes, checkpoint }
    }
}

/// May an artifact be used in a stage?
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What would run.
    pub artifact: ArtifactId,
    /// Where.
    pub stage: StageName,
    /// The text of a policy to judge by instead of the service's own: an opinion, marked
    /// `advisory` in the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The texts of the files that this policy names, by the names that it gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// Promote an artifact to a stage.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PromotionRequest {
    /// What would run.
    pub artifact: ArtifactId,
    /// Where.
    pub stage: StageName,
    /// How it is written down.
    #[serde(default, skip_serializing_if = "SummaryFormat::is_default")]
    pub format: SummaryFormat,
}

/// What came of a promotion.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Promoted {
    /// The report.
    pub report: Report,
    /// Where the summary stands; absent when the promotion was refused and nothing was signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<ReceiptDocument>,
    /// Where the simple verification result stands, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simple: Option<ReceiptDocument>,
}

#[cfg(test)]
mod tests {
    use attest::{Algorithm, Envelope, SigningKey};

    use super::*;

    #[test]
    fn keys_and_bundles_come_back_as_they_were_sent() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let text = Submission::verifier(key.public());
        assert_eq!(Submission::parse_verifier(&text).unwrap().id(), key.public().id());
        assert!(Submission::parse_verifier(&text[4..]).is_none());

        let envelope = Envelope::sign(IN_TOTO, b"{}".to_vec(), &[&key]).unwrap();
        let bundle =
            BundleDocument(Bundle { envelope, hint: None, entries: Vec::new(), keyless: None });
        let text = serde_json::to_vec(&bundle).unwrap();
        assert_eq!(serde_json::from_slice::<BundleDocument>(&text).unwrap(), bundle);
        assert!(serde_json::from_slice::<BundleDocument>(b"{}").is_err());
    }
}
