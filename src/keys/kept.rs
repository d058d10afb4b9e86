//! Keys that are kept elsewhere, by the scheme of their URI.

use attest::{PublicKey, SigningKey};

use super::KeysError;
use super::plugin::{self, PluginKey};
#[cfg(feature = "pkcs11")]
use super::token::{self, TokenKey};
use super::uri::UriError;
use crate::render::Printer;

/// A key that is kept elsewhere.
#[derive(Clone, Debug)]
pub enum Kept {
    /// With a program of its own.
    Plugin(PluginKey),
    /// In a token that speaks PKCS#11.
    #[cfg(feature = "pkcs11")]
    Token(TokenKey),
}

impl Kept {
    /// Reads a URI; `None` for what is none of ours.
    pub fn parse(text: &str) -> Result<Option<Self>, KeysError> {
        // What follows may hold what nobody should see twice.
        let failed = |source: UriError| {
            let shown = text.split('?').next().unwrap_or_default();
            KeysError::Uri { shown: shown.into(), source }
        };
        if let Some(rest) = text.strip_prefix(plugin::SCHEME) {
            return PluginKey::parse(rest).map(Self::Plugin).map(Some).map_err(failed);
        }
        #[cfg(feature = "pkcs11")]
        if let Some(rest) = text.strip_prefix(token::SCHEME) {
            return TokenKey::parse(rest).map(Self::Token).map(Some).map_err(failed);
        }
        #[cfg(not(feature = "pkcs11"))]
        if text.starts_with("pkcs11:") {
            return Err(KeysError::NoTokens);
        }
        Ok(None)
    }

    /// The name by which to speak of it. Of a token's, not where its module and PIN are.
    pub fn name(&self, uri: &str) -> String {
        match self {
            Self::Plugin(_) => uri.into(),
            #[cfg(feature = "pkcs11")]
            Self::Token(_) => uri.split('?').next().unwrap_or_default().into(),
        }
    }

    /// Opens it to sign with.
    pub fn open(&self, printer: Printer) -> Result<SigningKey, KeysError> {
        match self {
            Self::Plugin(key) => {
                let _ = printer;
                Ok(key.open()?)
            }
            #[cfg(feature = "pkcs11")]
            Self::Token(key) => Ok(key.open(printer)?),
        }
    }

    /// Its public half.
    pub fn public(&self, printer: Printer) -> Result<PublicKey, KeysError> {
        match self {
            Self::Plugin(key) => {
                let _ = printer;
                Ok(key.describe()?)
            }
            #[cfg(feature = "pkcs11")]
            Self::Token(key) => Ok(key.public(printer)?),
        }
    }

    /// Refuses one that nobody could open later. Nothing is opened or started.
    #[cfg(feature = "server")]
    pub fn require(&self) -> Result<(), KeysError> {
        match self {
            Self::Plugin(key) => {
                key.program()?;
                Ok(())
            }
            #[cfg(feature = "pkcs11")]
            Self::Token(key) => Ok(key.require()?),
        }
    }
}
