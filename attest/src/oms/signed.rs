//! The statement that is signed for a model, read and written (sections 5, 6.6 and 11).

use serde::Deserialize;

use super::manifest::{Manifest, ManifestError, Resource};
use super::serialization::Serialization;
use crate::artifact::ArtifactId;
use crate::digest::{Sha256, to_hex};
use crate::envelope::{Envelope, IN_TOTO};
use crate::json::{self, JsonError};
use crate::predicate::{MODEL_SIGNATURE, Predicate};
use crate::resource::ResourceDescriptor;
use crate::statement::{STATEMENT_V1, Statement, StatementError};

/// The predicate type of version 0.2.0 of the reference implementation, which is read and never
/// written (section 11).
pub const LEGACY: &str = "https://model_signing/Digests/v0.1";

/// What a signed statement says of a model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Model {
    /// What the signer called it; informational.
    pub name: String,
    /// Its files.
    pub manifest: Manifest,
    /// The type of the statement's predicate.
    pub predicate_type: String,
}

/// Why a payload says nothing of a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Not JSON of this shape.
    #[error("not the statement of a model: {0}")]
    Json(#[from] JsonError),
    /// Not a statement, or its subject is not the root of its manifest.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A statement about something else.
    #[error("a statement of type `{0}` signs no model")]
    Predicate(String),
    /// The list of files is not one.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "_type")]
    statement_type: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

#[derive(Deserialize)]
struct LegacyJson {
    subject: Vec<ResourceDescriptor>,
}

impl Model {
    /// Reads the payload of an envelope whose signature was checked.
    ///
    /// # Errors
    /// [`ModelError`]; also when the signed root is not that of the signed manifest.
    pub fn parse(payload: &[u8]) -> Result<Self, ModelError> {
        if mentions_legacy(payload) {
            let value = json::parse(payload)?;
            let head = Head::deserialize(&value).map_err(JsonError::from)?;
            if head.predicate_type != LEGACY {
                return Self::current(payload);
            }
            if head.statement_type != STATEMENT_V1 {
                let found = head.statement_type.chars().take(200).collect();
                return Err(StatementError::Type(found).into());
            }
            return Self::legacy(serde_json::from_value(value).map_err(JsonError::from)?);
        }
        Self::current(payload)
    }

    fn current(payload: &[u8]) -> Result<Self, ModelError> {
        let statement = Statement::parse(payload)?;
        let name = statement.subject.first().and_then(|subject| subject.name.clone());
        match statement.predicate {
            Predicate::ModelSignature(manifest) => Ok(Self {
                name: name.unwrap_or_default(),
                manifest: *manifest,
                predicate_type: MODEL_SIGNATURE.into(),
            }),
            other => {
                let found = other.predicate_type().chars().take(200).collect();
                Err(ModelError::Predicate(found))
            }
        }
    }

    /// The files of a legacy statement are its subjects, by SHA-256.
    fn legacy(found: LegacyJson) -> Result<Self, ModelError> {
        let resource = |subject: ResourceDescriptor| {
            let name = subject.name.unwrap_or_default();
            let digest = subject.digest.get("sha256").and_then(|hex| Sha256::from_hex(hex).ok());
            let digest = digest.ok_or_else(|| ManifestError::Digest(super::names::shown(&name)))?;
            Ok(Resource { name, digest: digest.as_bytes().to_vec() })
        };
        let resources = found.subject.into_iter().map(resource);
        let resources = resources.collect::<Result<Vec<_>, ManifestError>>()?;
        let manifest = Manifest::checked(resources, Serialization::default())?;
        Ok(Self { name: String::new(), manifest, predicate_type: LEGACY.into() })
    }

    /// Whether the statement is of the deprecated kind.
    pub fn is_legacy(&self) -> bool {
        self.predicate_type == LEGACY
    }

    /// The artifact that the model is.
    pub fn artifact(&self) -> ArtifactId {
        self.manifest.artifact()
    }

    /// What version 0.2.0 signed instead of the pre-authentication encoding, by mistake: the
    /// encoding in other words, with the payload as Python shows bytes.
    ///
    /// `None` when the payload does not even hold the type of that time.
    pub fn legacy_encoding(envelope: &Envelope) -> Option<Vec<u8>> {
        let payload = &envelope.payload;
        if !mentions_legacy(payload) {
            return None;
        }
        let (kind, length) = (IN_TOTO, payload.len());
        let text = format!("DSSEV1 {} {kind} {length} {}", kind.len(), shown_by_python(payload));
        Some(text.into_bytes())
    }
}

/// The payload to sign for a model called `name`.
///
/// The statement carries 128 random bits and says what kind its subject is, as every statement of
/// Assay's does; other readers pass over both.
///
/// # Errors
/// [`StatementError`] when the name is none for a statement, or the statement would be too large
/// to be read.
pub fn payload(name: &str, manifest: &Manifest) -> Result<Vec<u8>, StatementError> {
    let subject = vec![ResourceDescriptor::of(name, &manifest.artifact())];
    let predicate = Predicate::ModelSignature(Box::new(manifest.clone()));
    Statement { subject, predicate }.with_nonce()?.to_json()
}

/// A cheap look: whatever is read by the old rules has the old type in it, and is JSON, which is text.
fn mentions_legacy(payload: &[u8]) -> bool {
    std::str::from_utf8(payload).is_ok_and(|text| text.contains(LEGACY))
}

/// `repr` of bytes in Python.
fn shown_by_python(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for byte in bytes {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            byte if char::from(*byte) == quote => {
                text.push('\\');
                text.push(quote);
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            byte => {
                text.push_str("\\x");
                text.push_str(&to_hex(&[*byte]));
            }
        }
    }
    text.push(quote);
    text
}
