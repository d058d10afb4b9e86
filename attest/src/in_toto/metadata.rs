//! Layouts and links as they lie in files: the document, its signatures, and what they are over.

use serde_json::{Value, json};

use super::canonical::{CanonicalError, canonical};
use super::key::{KeyLabel, LabelError, LayoutKey, LayoutKeyError};
use super::layout::{Layout, LayoutError};
use super::link::{Link, LinkError};
use crate::digest::{Sha256, from_hex, to_hex};
use crate::envelope::{Envelope, EnvelopeError, IN_TOTO, MAX_SIGNATURES, Signature, pae};
use crate::json::{self, JsonError};
use crate::key::{KeyError, SigningKey};

/// A layout or a link, as received. Nobody is believed for it yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metadata {
    form: Form,
    message: Vec<u8>,
    signatures: Vec<MetadataSignature>,
    content: Content,
}

/// What a document is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Content {
    /// What must hold; in the place of a link, a sublayout.
    Layout(Layout),
    /// Evidence that a step was done.
    Link(Link),
}

/// How a document carries its signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// `{"signed": …, "signatures": […]}`, over the canonical spelling of `signed`.
    Metablock,
    /// A DSSE envelope.
    Envelope,
}

/// One signature.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetadataSignature {
    /// Whose it claims to be; a DSSE envelope need not say.
    pub label: Option<KeyLabel>,
    /// The signature.
    pub bytes: Vec<u8>,
}

/// Why bytes are not a layout or link.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not JSON.
    #[error("not a layout or link: {0}")]
    Json(#[from] JsonError),
    /// Neither of the two forms, or both at once.
    #[error("neither a metablock (`signed`, `signatures`) nor a DSSE envelope")]
    Form,
    /// The envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// An envelope of something else.
    #[error("payload type `{0}`, expected `{IN_TOTO}`")]
    PayloadType(String),
    /// Neither a layout nor a link.
    #[error("`_type` is `{0}`, neither `layout` nor `link`")]
    Type(String),
    /// There is no one spelling that the signatures could be over.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// A signature of a metablock.
    #[error("a signature has no `{0}`, or not in hex digits")]
    Signature(&'static str),
    /// A key id of a signature.
    #[error("a signature: {0}")]
    Label(#[from] LabelError),
    /// Two signatures that claim to be by one key.
    #[error("two signatures claim to be by key `{0}`")]
    Twice(KeyLabel),
    /// More signatures than are looked at.
    #[error("{0} signatures, more than the limit of {MAX_SIGNATURES}")]
    TooManySignatures(usize),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl Metadata {
    /// Parses a file.
    ///
    /// # Errors
    /// [`MetadataError`]. A document without signatures is no error here: it is signed by nobody.
    pub fn parse(bytes: &[u8]) -> Result<Self, MetadataError> {
        let mut found = json::parse(bytes)?;
        let (form, message, signatures, document) =
            match (found.get_mut("signed").map(Value::take), found.get("payload")) {
                (Some(signed), None) => {
                    let signatures = metablock_signatures(&found)?;
                    (Form::Metablock, canonical(&signed)?, signatures, signed)
                }
                (None, Some(_)) => {
                    let envelope = Envelope::parse(bytes)?;
                    if envelope.payload_type != IN_TOTO {
                        let short = envelope.payload_type.chars().take(200).collect();
                        return Err(MetadataError::PayloadType(short));
                    }
                    let document = json::parse(&envelope.payload)?;
                    (Form::Envelope, envelope.pae(), envelope_signatures(envelope)?, document)
                }
                _ => return Err(MetadataError::Form),
            };
        for (place, signature) in signatures.iter().enumerate() {
            if let Some(label) = &signature.label
                && signatures.iter().take(place).any(|other| other.label.as_ref() == Some(label))
            {
                return Err(MetadataError::Twice(label.clone()));
            }
        }
        let content = match document.get("_type").and_then(Value::as_str) {
            Some("layout") => Content::Layout(Layout::from_value(document)?),
            Some("link") => Content::Link(Link::from_value(document)?),
            other => {
                return Err(MetadataError::Type(other.unwrap_or("").chars().take(200).collect()));
            }
        };
        Ok(Self { form, message, signatures, content })
    }

    /// How the document carries its signatures.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// What the signatures are over.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The name of the document: the SHA-256 digest of what the signatures are over.
    pub fn body(&self) -> Sha256 {
        Sha256::of(&self.message)
    }

    /// The signatures.
    pub fn signatures(&self) -> &[MetadataSignature] {
        &self.signatures
    }

    /// The document.
    pub const fn content(&self) -> &Content {
        &self.content
    }
}

fn metablock_signatures(found: &Value) -> Result<Vec<MetadataSignature>, MetadataError> {
    let signatures =
        found.get("signatures").and_then(Value::as_array).ok_or(MetadataError::Form)?;
    if signatures.len() > MAX_SIGNATURES {
        return Err(MetadataError::TooManySignatures(signatures.len()));
    }
    let text = |signature: &Value, field| {
        let text = signature.get(field).and_then(Value::as_str).map(str::to_owned);
        text.ok_or(MetadataError::Signature(field))
    };
    signatures
        .iter()
        // OpenPGP signatures, which are checked with no key here.
        .filter(|signature| signature.get("other_headers").is_none())
        .map(|signature| {
            let label = Some(text(signature, "keyid")?.parse()?);
            let hex = text(signature, "sig")?.to_ascii_lowercase();
            let bytes = from_hex(&hex).ok_or(MetadataError::Signature("sig"))?;
            Ok(MetadataSignature { label, bytes })
        })
        .collect()
}

fn envelope_signatures(envelope: Envelope) -> Result<Vec<MetadataSignature>, MetadataError> {
    envelope
        .signatures
        .into_iter()
        .map(|signature| {
            let label = signature.keyid.map(|label| label.parse()).transpose()?;
            Ok(MetadataSignature { label, bytes: signature.sig })
        })
        .collect()
}

/// Why a document cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key has no key id.
    #[error(transparent)]
    Label(#[from] LayoutKeyError),
    /// The document has no canonical spelling.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The document is no link that could be read again.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Signs a document with each of `keys`, under the key ids that securesystemslib gives them.
///
/// # Errors
/// [`SignError`].
pub fn sign(document: &Value, form: Form, keys: &[&SigningKey]) -> Result<Vec<u8>, SignError> {
    let label =
        |key: &SigningKey| LayoutKey::from_public(key.public()).map(|key| key.label().to_string());
    match form {
        Form::Metablock => {
            let message = canonical(document)?;
            let mut signatures = Vec::new();
            for key in keys {
                let sig = to_hex(&key.sign(&message)?);
                signatures.push(json!({"keyid": label(key)?, "sig": sig}));
            }
            Ok(json!({"signed": document, "signatures": signatures}).to_string().into_bytes())
        }
        Form::Envelope => {
            let payload = document.to_string().into_bytes();
            let message = pae(IN_TOTO, &payload);
            let mut signatures = Vec::new();
            for key in keys {
                signatures.push(Signature { keyid: Some(label(key)?), sig: key.sign(&message)? });
            }
            Ok(Envelope { payload_type: IN_TOTO.into(), payload, signatures }.to_json())
        }
    }
}

/// What the link of `step` by the key `label` is called (in-toto specification, section 4.4).
pub fn file_name(step: &str, label: &KeyLabel) -> String {
    format!("{step}.{}.link", label.prefix())
}

/// What the folder is called in which the links of a sublayout lie that stands in the place of the
/// link of `step` by the key `label`.
pub fn folder_name(step: &str, label: &KeyLabel) -> String {
    format!("{step}.{}", label.prefix())
}
