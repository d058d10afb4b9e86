//! Documents that decide whom and what is believed, said and registered by their owners: a version
//! of the trust document, a policy, that a policy is active for stages from now on.
//!
//! A document stands whole in its statement, as text, under the digest of its bytes: a reader
//! needs nothing else, and nothing is written anew before it is checked. Whether whoever signed
//! may say so, the version of the trust document decides that is in force where the entry stands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// The longest document that a statement carries, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// The most files that come with a policy.
pub const MAX_POLICY_FILES: usize = 128;
/// The most stages that one activation names.
pub const MAX_STAGES: usize = 64;

/// A document in a statement.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The SHA-256 digest of the text.
    digest: Sha256,
    /// The text, in UTF-8.
    text: String,
}

impl Document {
    /// The document with this text.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { digest: Sha256::of(text.as_bytes()), text }
    }

    /// The digest that the statement gives it, whether or not its text has it.
    pub const fn claimed(&self) -> Sha256 {
        self.digest
    }

    /// The text, if it has the digest and at most [`MAX_DOCUMENT_BYTES`].
    pub fn text(&self) -> Option<&str> {
        let fits = self.text.len() <= MAX_DOCUMENT_BYTES;
        (fits && Sha256::of(self.text.as_bytes()) == self.digest).then_some(&*self.text)
    }
}

/// A version of the trust document. The subject is the document, as a file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustVersion {
    /// Which version it is, as the document itself says.
    pub version: u64,
    /// When it ceases to be believed, as the document itself says.
    pub expires_on: Timestamp,
    /// The digest of the version before it; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Sha256>,
    /// The document.
    pub document: Document,
    /// When it was proposed. A claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_on: Option<Timestamp>,
}

/// A policy. The subject is its document, as a file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersion {
    /// Its name, as the document itself says.
    pub name: String,
    /// Its version, as the document itself says.
    pub version: u64,
    /// The document.
    pub document: Document,
    /// The files that the document names by digest, each once, at most [`MAX_POLICY_FILES`]. Under
    /// which names, the document says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Document>,
    /// When it was proposed. A claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_on: Option<Timestamp>,
}

/// A policy judges for these stages from the entry on in which enough policy owners have signed
/// this. The subject is the policy's document, as a file. Going back to an earlier policy is an
/// activation like any other.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyActivation {
    /// The digest of the policy.
    pub policy: Sha256,
    /// For which stages.
    pub stages: Vec<String>,
    /// Higher than that of every activation before it for any of the stages.
    pub sequence: u64,
    /// How many of the activations before it still count where a stage must have been passed:
    /// verdicts by their policies, registered while they were active.
    #[serde(default)]
    pub accept_previous: u64,
    /// When. A claim: it counts from its position in the register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_on: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_its_text_under_its_digest() {
        let document = Document::new("apiVersion: assay/v1\n");
        assert_eq!(document.text(), Some("apiVersion: assay/v1\n"));
        let json = serde_json::to_string(&document).unwrap();
        let read = |json: &str| serde_json::from_str::<Document>(json).unwrap();
        assert_eq!(read(&json), document);
        // The smallest change: one byte of the text.
        assert_eq!(read(&json.replace("assay/v1", "assay/v2")).text(), None);
        assert!(Document::new("x".repeat(MAX_DOCUMENT_BYTES)).text().is_some());
        assert_eq!(Document::new("x".repeat(MAX_DOCUMENT_BYTES + 1)).text(), None);
    }
}
