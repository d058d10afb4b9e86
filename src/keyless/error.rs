//! Why nothing was signed without a key, each with what to do about it.

use std::path::PathBuf;

use ::attest::KeyError;
use ::attest::keyless::{ServiceKind, SigningConfigError, TokenError};

use crate::error::Error;

/// Why nothing was signed without a key.
#[derive(Debug, thiserror::Error)]
pub enum KeylessError {
    /// The signing configuration cannot be used.
    #[error("cannot use signing configuration `{}`", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<SigningConfigError>,
    },
    /// No token anywhere.
    #[error("there is no identity token")]
    NoToken,
    /// A job of GitHub that may not have one.
    #[error("this job of GitHub may not have an identity token")]
    NoPermission,
    /// A variable that was named is not there, or empty.
    #[error("variable `{0}` is not set")]
    NotSet(String),
    /// A token that would be refused.
    #[error("cannot use the identity token of {from}")]
    Token {
        /// Where it is from.
        from: String,
        /// Why.
        source: TokenError,
    },
    /// GitHub cannot be asked.
    #[error("cannot ask GitHub for an identity token")]
    GitHub(#[source] Box<Error>),
    /// GitHub gave none.
    #[error("GitHub gives this job no identity token (status {status})")]
    NotGiven {
        /// The HTTP status.
        status: u16,
    },
    /// The fresh key does not sign.
    #[error("cannot sign with a fresh key")]
    Key(#[source] KeyError),
    /// A statement about nothing that has a SHA-256 digest.
    #[error(
        "the statement is about nothing with a SHA-256 digest, and keyless signatures are verified by one"
    )]
    NoDigest,
    /// A service of the instance cannot be asked.
    #[error("cannot ask the {kind}")]
    Unreachable {
        /// What it is for.
        kind: ServiceKind,
        /// Why.
        source: Box<Error>,
    },
    /// A service of the instance refuses.
    #[error("the {kind} at `{url}` refuses ({status}): {reason}")]
    Refused {
        /// What it is for.
        kind: ServiceKind,
        /// The service.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        reason: String,
    },
    /// A service of the instance answers something else than was asked.
    #[error("cannot use the answer of the {kind} at `{url}`: {why}")]
    Unreadable {
        /// What it is for.
        kind: ServiceKind,
        /// The service.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificate is for somebody whom the token's issuer did not vouch for.
    #[error("the certificate names the issuer `{found}`, and the token is of `{expected}`")]
    OtherIssuer {
        /// Of whom the token is.
        expected: String,
        /// Whom the certificate names.
        found: String,
    },
    /// What was signed is not good under the trusted root.
    #[error("what was signed is not good under `{}`", root.display())]
    NotVerified {
        /// The file with the trusted root.
        root: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl KeylessError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Config { .. } => {
                "give the `signing_config.v0.2.json` of the instance, such as `assay trust export \
                 --sigstore` writes"
            }
            Self::NoToken => {
                "name one with `--identity-token FILE`, or set `SIGSTORE_ID_TOKEN`; a token comes from \
                 your provider of OpenID Connect, for the audience `sigstore`"
            }
            Self::NoPermission | Self::NotGiven { .. } => {
                "give the job `permissions: id-token: write` in its workflow; workflows of forks never \
                 have it"
            }
            Self::NotSet(_) => {
                "on GitLab, declare it under `id_tokens:` of the job with `aud: sigstore`"
            }
            Self::Token { source: TokenError::Audience { .. }, .. } => {
                "ask the provider for a token with the audience `sigstore`"
            }
            Self::Token { source: TokenError::Expired { .. }, .. } => {
                "get a new one: tokens are good for minutes"
            }
            Self::Token { .. } => {
                "give the token itself, as the provider of OpenID Connect gives it"
            }
            Self::GitHub(source) => return source.hint(),
            Self::Key(_) => "check that the system has random numbers, and try again",
            Self::NoDigest => "sign it with a key",
            Self::Unreachable { source, .. } => return source.hint(),
            Self::Refused { kind: ServiceKind::Authority, .. } => {
                "check that the instance takes tokens of this issuer, and that the token is fresh"
            }
            Self::Refused { .. } | Self::Unreadable { .. } => {
                "check the URLs in the signing configuration; no bundle was written"
            }
            Self::OtherIssuer { .. } => {
                "ask whoever runs the certificate authority why; no bundle was written"
            }
            Self::NotVerified { .. } => {
                "check that the trusted root and the signing configuration are of one instance; \
                 no bundle was written"
            }
        };
        Some(text.into())
    }
}
