//! Why there is no key to sign or to check with, each with what to do about it.

use std::io;
use std::path::PathBuf;

use attest::KeyError;

use super::plugin::PluginError;
#[cfg(feature = "pkcs11")]
use super::token::TokenError;
use super::uri::UriError;
use crate::advice::{for_key, list};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A key file is not a key, or does not open.
    #[error("cannot use key `{}`", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// No key has this name.
    #[error("no key `{name}`")]
    NotFound {
        /// What was asked for.
        name: String,
        /// The keys that there are.
        known: Vec<String>,
    },
    /// Several keys, and none was named.
    #[error("there are several keys and none is called `local`")]
    Several {
        /// The keys that there are.
        known: Vec<String>,
    },
    /// A key would be overwritten.
    #[error("key `{}` exists already", .0.display())]
    Exists(PathBuf),
    /// A key that would lie where its public half goes.
    #[error("`{}` ends as a public half does", .0.display())]
    Ending(PathBuf),
    /// A name for a key that cannot be a file's.
    #[error("`{0}` cannot be the name of a key")]
    Name(String),
    /// The terminal gave no passphrase.
    #[error("cannot ask for the passphrase")]
    Prompt(#[source] io::Error),
    /// The passphrase was not typed the same way twice.
    #[error("the two passphrases differ")]
    PassphrasesDiffer,
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The URI of a key that is kept elsewhere is none.
    #[error("`{shown}` names no key")]
    Uri {
        /// The URI, up to its query.
        shown: String,
        /// Why.
        source: UriError,
    },
    /// A key that is kept elsewhere is to be trusted under no name.
    #[error("the URI of a key is no name for it")]
    Unnamed,
    /// The program that keeps a key gave none.
    #[error(transparent)]
    Plugin(Box<PluginError>),
    /// The token that keeps a key gave none.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Token(Box<TokenError>),
    /// A key in a token, and no means to speak to one.
    #[cfg(not(feature = "pkcs11"))]
    #[error("this `assay` was built without PKCS#11")]
    NoTokens,
    /// A signer that nobody here knows.
    #[error("no key `{0}`: neither in the trust file, nor in the folder, nor as a file")]
    NoSigner(String),
}

impl From<PluginError> for KeysError {
    fn from(error: PluginError) -> Self {
        Self::Plugin(Box::new(error))
    }
}

#[cfg(feature = "pkcs11")]
impl From<TokenError> for KeysError {
    fn from(error: TokenError) -> Self {
        Self::Token(Box::new(error))
    }
}

impl KeysError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unusable { source, .. } => return for_key(source),
            Self::NotFound { known, .. } if known.is_empty() => {
                "make one with `assay key generate`".into()
            }
            Self::NotFound { known, .. } => {
                format!("the keys here are {}; a file is named with its ending", list(known))
            }
            Self::Several { known } => {
                format!("name one with `--key` or `ASSAY_KEY`: {}", list(known))
            }
            Self::Exists(_) => "choose another name; a key is never overwritten".into(),
            Self::Ending(_) => {
                "give the key another ending, such as `.pem`; its public half goes beside it".into()
            }
            Self::Name(_) => {
                "use letters, digits, `-`, `_`, `.` and `@`, or `--output FILE`".into()
            }
            Self::Prompt(_) => "set `ASSAY_KEY_PASSPHRASE`".into(),
            Self::PassphrasesDiffer => "run the command again".into(),
            Self::EmptyPassphrase => "leave `--passphrase` out for a key without one".into(),
            Self::Uri { .. } => {
                "write `plugin:NAME?key=REFERENCE` or `pkcs11:token=…;object=…?module-path=/…`; \
                 `&` and `;` need quotes in a shell"
                    .into()
            }
            Self::Unnamed => "give it one with `--name NAME`".into(),
            Self::Plugin(error) => error.hint().into(),
            #[cfg(feature = "pkcs11")]
            Self::Token(error) => return error.hint(),
            #[cfg(not(feature = "pkcs11"))]
            Self::NoTokens => {
                "build it with the feature `pkcs11`, which is on unless refused".into()
            }
            Self::NoSigner(_) => "`assay trust list` shows the keys and their identities".into(),
        })
    }
}
