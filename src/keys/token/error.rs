//! Why a token gave no key.

use std::io;
use std::path::PathBuf;

use attest::certificate::CertificateError;
use attest::{Algorithm, KeyError};
use cryptoki::error::Error as Pkcs11Error;

use crate::advice::list;

/// Why a token gave no key.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nobody says which module speaks to the token.
    #[error("no PKCS#11 module is named by an absolute path")]
    NoModule,
    /// The module cannot be loaded.
    #[error("cannot load PKCS#11 module `{}`", module.display())]
    Module {
        /// The shared library.
        module: PathBuf,
        /// Why.
        source: Box<Pkcs11Error>,
    },
    /// No token as the URI describes it.
    #[error("no token as the URI says")]
    NoToken {
        /// The labels of the tokens that there are.
        others: Vec<String>,
    },
    /// Several tokens as the URI describes them.
    #[error("{0} tokens are as the URI says")]
    SeveralTokens(usize),
    /// There is no PIN and nobody to ask for one.
    #[error("token `{0}` needs a PIN, and none was given")]
    NoPin(String),
    /// The PIN's file cannot be read.
    #[error("cannot read the PIN")]
    PinFile(#[source] Box<crate::error::Error>),
    /// The terminal gave none.
    #[error("cannot ask for the PIN")]
    Prompt(#[source] io::Error),
    /// The PIN is another.
    #[error("token `{token}` refuses the PIN; it locks after a few wrong ones{}", of_last(*last))]
    PinWrong {
        /// The token's label.
        token: String,
        /// Whether the next wrong one locks it.
        last: bool,
    },
    /// Too many wrong ones were tried.
    #[error("token `{0}` is locked: too many wrong PINs were tried")]
    PinLocked(String),
    /// No private key as the URI describes it.
    #[error("token `{token}` has no private key as the URI says")]
    NoKey {
        /// The token's label.
        token: String,
        /// The labels of the private keys that there are.
        others: Vec<String>,
    },
    /// Several private keys as the URI describes them.
    #[error("token `{token}` has {count} keys as the URI says")]
    SeveralKeys {
        /// The token's label.
        token: String,
        /// How many.
        count: usize,
    },
    /// Neither a public key nor a certificate with the private key's identifier.
    #[error("token `{0}` has neither a public key nor a certificate beside the private key")]
    NoPublic(String),
    /// A key that is neither ECDSA on a known curve nor Ed25519.
    #[error("the key in token `{0}` is not of a kind that Assay signs with")]
    Kind(String),
    /// The public key is not usable.
    #[error("the public key in the token is not usable")]
    Public(#[source] KeyError),
    /// The certificate is not usable.
    #[error("the certificate in the token is not usable")]
    Certificate(#[from] CertificateError),
    /// The token does not sign so.
    #[error("token `{token}` does not sign with {} keys", algorithm.as_str())]
    Mechanism {
        /// The token's label.
        token: String,
        /// The key's algorithm.
        algorithm: Algorithm,
    },
    /// Whatever else the module says.
    #[error("the PKCS#11 module failed")]
    Failed(#[from] Pkcs11Error),
}

impl TokenError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoModule => {
                "add `?module-path=/…/module.so` to the URI, or set `ASSAY_PKCS11_MODULE`".into()
            }
            Self::Module { .. } => {
                "see that the file is the token's PKCS#11 library for this machine".into()
            }
            Self::NoToken { others } if others.is_empty() => {
                "the module sees no token: plug it in, or see the module's own settings".into()
            }
            Self::NoToken { others } => format!("the tokens here are {}", list(others)),
            Self::SeveralTokens(_) => "add `serial` or `slot-id` to the URI".into(),
            Self::NoPin(_) => {
                "add `pin-source=/…/file` to the URI, set `ASSAY_PKCS11_PIN`, or run it on a \
                 terminal to be asked"
                    .into()
            }
            Self::PinFile(error) => return error.hint(),
            Self::Prompt(_) => "set `ASSAY_PKCS11_PIN`".into(),
            Self::PinWrong { .. } => {
                "make sure of the PIN before the next try; this run tried it once".into()
            }
            Self::PinLocked(_) => "its security officer can set a new PIN".into(),
            Self::NoKey { others, .. } if others.is_empty() => {
                "the token has no private key that this PIN opens".into()
            }
            Self::NoKey { others, .. } => format!("the keys in it are {}", list(others)),
            Self::SeveralKeys { .. } => {
                "add `id` (percent-encoded) to the URI: a label may stand on several keys".into()
            }
            Self::NoPublic(_) => {
                "put the public key or its certificate into the token, with the same identifier"
                    .into()
            }
            Self::Kind(_) | Self::Mechanism { .. } => {
                "use a key on P-256, P-384 or P-521, or Ed25519 where the token has it".into()
            }
            Self::Public(_) | Self::Certificate(_) => "see what lies beside the private key".into(),
            Self::Failed(_) => return None,
        })
    }
}

const fn of_last(last: bool) -> &'static str {
    if last { ", and the next locks it" } else { "" }
}
