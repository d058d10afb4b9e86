//! The key that a certificate is for, which may be of more kinds than keys elsewhere.

use super::rsa::RsaKey;
use crate::digest::Sha256;
use crate::key::{Algorithm, KeyError, KeyId, PublicKey, SignatureError};

/// A key in a certificate, with which the signatures of whoever it names are checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertifiedKey {
    /// Of a kind that is also known without a certificate.
    Plain(PublicKey),
    /// RSA, which counts in certificates alone.
    Rsa(RsaKey),
}

impl CertifiedKey {
    /// Parses a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`KeyError`] for keys of other kinds, weak ones and other encodings.
    pub fn from_der(spki: &[u8]) -> Result<Self, KeyError> {
        match PublicKey::from_der(spki) {
            Ok(key) => Ok(Self::Plain(key)),
            Err(error @ KeyError::Algorithm(_)) => {
                RsaKey::from_der(spki)?.map(Self::Rsa).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The identity.
    pub fn id(&self) -> KeyId {
        match self {
            Self::Plain(key) => key.id(),
            Self::Rsa(key) => KeyId::of_spki(key.der()),
        }
    }

    /// The key, if it is of a kind that is also known without a certificate.
    pub const fn plain(&self) -> Option<&PublicKey> {
        match self {
            Self::Plain(key) => Some(key),
            Self::Rsa(_) => None,
        }
    }

    /// Of which algorithm it is, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::Plain(key) => key.algorithm().as_str().into(),
            Self::Rsa(key) => format!("rsa of {} bits", key.bits()),
        }
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// [`SignatureError`] when the signature is not by this key over this message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        match self {
            Self::Plain(key) => key.verify(message, signature),
            Self::Rsa(key) => key.verify(message, signature),
        }
    }

    /// Whether `signature` is over the message with this digest; `None` when only the message can
    /// tell.
    pub fn signed_digest(&self, digest: &Sha256, signature: &[u8]) -> Option<bool> {
        match self {
            Self::Plain(key) => (key.algorithm() == Algorithm::P256)
                .then(|| key.verify_digest(digest.as_bytes(), signature).is_ok()),
            // With another hash it could be good all the same.
            Self::Rsa(key) => key.verify_sha256(digest, signature).is_ok().then_some(true),
        }
    }
}

impl From<PublicKey> for CertifiedKey {
    fn from(key: PublicKey) -> Self {
        Self::Plain(key)
    }
}
