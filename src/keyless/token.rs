//! Where identity tokens come from: a file, the environment, or GitHub, which gives them to jobs.
//!
//! Source: GitHub Actions, "OpenID Connect reference", the request of a token by a job; GitLab,
//! "ID token authentication". A token is asked for as late as it can be, because it lives for
//! minutes, and it is kept no longer than it takes to ask for a certificate.

use std::env;
use std::path::{Path, PathBuf};

use ::attest::keyless::{AUDIENCE, IdentityToken};
use ::attest::{Timestamp, json};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::error::KeylessError;
use crate::error::Error;
use crate::home;
use crate::http::{Outgoing, Service};
use crate::render::Printer;

/// Where GitLab and others put a token for Sigstore.
const SIGSTORE: &str = "SIGSTORE_ID_TOKEN";
/// Where a job of GitHub asks for a token, and what it shows for it.
const GITHUB_URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const GITHUB_SECRET: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
/// Set in every job of GitHub.
const GITHUB: &str = "GITHUB_ACTIONS";

/// Where a token comes from.
#[derive(Debug)]
pub(super) enum TokenSource {
    File(PathBuf),
    Variable(String),
    GitHub,
}

#[derive(Deserialize)]
struct GivenJson {
    value: String,
}

impl TokenSource {
    /// The source that is named, else the first that is there.
    pub(super) fn find(file: Option<&Path>, variable: Option<&str>) -> Result<Self, KeylessError> {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        match (file, variable) {
            (Some(path), _) => Ok(Self::File(path.into())),
            (None, Some(name)) if is_set(name) => Ok(Self::Variable(name.into())),
            (None, Some(name)) => Err(KeylessError::NotSet(name.into())),
            (None, None) if is_set(SIGSTORE) => Ok(Self::Variable(SIGSTORE.into())),
            (None, None) if is_set(GITHUB_URL) && is_set(GITHUB_SECRET) => Ok(Self::GitHub),
            (None, None) if is_set(GITHUB) => Err(KeylessError::NoPermission),
            (None, None) => Err(KeylessError::NoToken),
        }
    }

    /// Refuses, before a step runs, a token that is no good already.
    pub(super) fn require(&self, now: Timestamp) -> Result<(), Error> {
        match self {
            // A job gets a new one whenever it asks.
            Self::GitHub => Ok(()),
            Self::File(_) | Self::Variable(_) => self.read(now).map(drop),
        }
    }

    /// The token, good at `now`.
    pub(super) fn token(&self, now: Timestamp, printer: Printer) -> Result<IdentityToken, Error> {
        match self {
            Self::GitHub => {
                let text = ask_github(printer)?;
                self.parse(&text, now)
            }
            Self::File(_) | Self::Variable(_) => self.read(now),
        }
    }

    fn read(&self, now: Timestamp) -> Result<IdentityToken, Error> {
        let text = match self {
            Self::File(path) => Zeroizing::new(home::read_text(path)?),
            Self::Variable(name) => {
                let text = env::var(name).map_err(|_| KeylessError::NotSet(name.clone()))?;
                Zeroizing::new(text)
            }
            Self::GitHub => return Err(KeylessError::NoToken.into()),
        };
        self.parse(&text, now)
    }

    fn parse(&self, text: &str, now: Timestamp) -> Result<IdentityToken, Error> {
        let failed = |source| KeylessError::Token { from: self.to_string(), source };
        let token = IdentityToken::parse(text).map_err(failed)?;
        token.check(now).map_err(failed)?;
        Ok(token)
    }
}

impl std::fmt::Display for TokenSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "`{}`", path.display()),
            Self::Variable(name) => write!(formatter, "variable `{name}`"),
            Self::GitHub => formatter.write_str("GitHub"),
        }
    }
}

/// Asks for a token for Sigstore, as a job of GitHub.
fn ask_github(printer: Printer) -> Result<Zeroizing<String>, Error> {
    let variable = |name: &str| env::var(name).map_err(|_| KeylessError::NotSet(name.into()));
    let (url, secret) = (variable(GITHUB_URL)?, Zeroizing::new(variable(GITHUB_SECRET)?));
    let joint = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{joint}audience={AUDIENCE}");
    let failed = |source: Error| KeylessError::GitHub(Box::new(source));
    let service = Service::at(&url, printer).map_err(failed)?;
    let asked = Outgoing { bearer: Some(&secret), ..Outgoing::default() };
    let (status, body) = service.exchange("", &asked).map_err(failed)?;
    let body = Zeroizing::new(body);
    if status != 200 {
        return Err(KeylessError::NotGiven { status }.into());
    }
    let given: GivenJson = json::parse_as(&body).map_err(|_| KeylessError::NotGiven { status })?;
    Ok(Zeroizing::new(given.value))
}
