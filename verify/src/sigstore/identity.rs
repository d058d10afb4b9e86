//! Who signed without a key of their own: what a certificate of Fulcio says, once it is verified.
//!
//! Source: `oid-info.md` of sigstore/fulcio. The issuer vouched for the subject, and for the
//! claims about the job that asked for the certificate. The extensions that Fulcio has deprecated
//! (1.3.6.1.4.1.57264.1.2 to .6) are not read: what asks for a claim fails without its successor.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use attest::ClaimedIdentity;
use sigstore_verify::crypto::x509::{CertificateInfo, FulcioCiClaims};

use super::error::SigstoreError;

/// The longest value of a certificate that is believed, in bytes.
const MAX_VALUE_BYTES: usize = 2048;

/// A keyless signer, verified: identity is issuer and subject together, within one trusted root.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Keyless {
    /// The name in the trust file of the root under which the certificate was verified.
    pub root: String,
    /// The URL of the OpenID Connect issuer.
    pub issuer: String,
    /// The subject alternative name: an address, or the URI of a workflow.
    pub subject: String,
    /// What the issuer said of the job.
    pub claims: BTreeMap<Claim, String>,
}

/// Something that an issuer says of a job.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Claim {
    /// The repository that was built, a URL (.12).
    Repository,
    /// The identifier of the repository, which it keeps when it is renamed (.15).
    RepositoryId,
    /// Whoever owns the repository, a URL (.16).
    Owner,
    /// Whether the repository was public, private or internal (.22).
    Visibility,
    /// The workflow that ran: the URI of its file with its ref (.18).
    Workflow,
    /// The workflow that signed, which a called workflow differs in (.9).
    Signer,
    /// The ref that was built (.14).
    Ref,
    /// The commit that was built (.13).
    Commit,
    /// Whose machine ran it: `github-hosted` or `self-hosted` (.11).
    Runner,
    /// The event that started it (.20).
    Trigger,
    /// The environment that it deploys to (.23).
    Environment,
    /// The run, a URL (.21).
    Run,
}

/// A word that names no claim.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{found}` is no claim; there are {}", Claim::words())]
pub struct NoSuchClaim {
    /// The word.
    pub found: String,
}

impl Claim {
    /// Every claim.
    pub const ALL: [Self; 12] = [
        Self::Repository,
        Self::RepositoryId,
        Self::Owner,
        Self::Visibility,
        Self::Workflow,
        Self::Signer,
        Self::Ref,
        Self::Commit,
        Self::Runner,
        Self::Trigger,
        Self::Environment,
        Self::Run,
    ];

    /// The word in the trust file and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::RepositoryId => "repositoryId",
            Self::Owner => "owner",
            Self::Visibility => "visibility",
            Self::Workflow => "workflow",
            Self::Signer => "signer",
            Self::Ref => "ref",
            Self::Commit => "commit",
            Self::Runner => "runner",
            Self::Trigger => "trigger",
            Self::Environment => "environment",
            Self::Run => "run",
        }
    }

    fn words() -> String {
        let words: Vec<String> = Self::ALL.iter().map(|claim| format!("`{claim}`")).collect();
        words.join(", ")
    }

    fn of(self, claims: &FulcioCiClaims) -> Option<&String> {
        match self {
            Self::Repository => claims.source_repository_uri.as_ref(),
            Self::RepositoryId => claims.source_repository_identifier.as_ref(),
            Self::Owner => claims.source_repository_owner_uri.as_ref(),
            Self::Visibility => claims.source_repository_visibility_at_signing.as_ref(),
            Self::Workflow => claims.build_config_uri.as_ref(),
            Self::Signer => claims.build_signer_uri.as_ref(),
            Self::Ref => claims.source_repository_ref.as_ref(),
            Self::Commit => claims.source_repository_digest.as_ref(),
            Self::Runner => claims.runner_environment.as_ref(),
            Self::Trigger => claims.build_trigger.as_ref(),
            Self::Environment => claims.deployment_environment.as_ref(),
            Self::Run => claims.run_invocation_uri.as_ref(),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Claim {
    type Err = NoSuchClaim;

    fn from_str(text: &str) -> Result<Self, NoSuchClaim> {
        let found = Self::ALL.into_iter().find(|claim| claim.as_str() == text);
        found.ok_or_else(|| NoSuchClaim { found: text.chars().take(64).collect() })
    }
}

impl Keyless {
    /// What a certificate says that was verified under `root`.
    ///
    /// A certificate speaks for one subject: with several, each reader could take another one.
    pub(super) fn of(
        root: &str,
        certificate: &[u8],
        read: &CertificateInfo,
    ) -> Result<Self, SigstoreError> {
        let missing = |what| SigstoreError::Unnamed { what };
        let subject = read.identity.as_ref().ok_or_else(|| missing("subject"))?.as_str();
        let names = ClaimedIdentity::of(certificate).names;
        if names != [subject] {
            return Err(SigstoreError::SeveralSubjects { count: names.len() });
        }
        let issuer = read.issuer.as_deref().ok_or_else(|| missing("issuer"))?;
        let claims = Claim::ALL.into_iter().filter_map(|claim| {
            let value = claim.of(&read.ci_claims)?;
            plain(value).then(|| (claim, value.clone()))
        });
        for (what, value) in [("subject", subject), ("issuer", issuer)] {
            if !plain(value) {
                return Err(missing(what));
            }
        }
        Ok(Self {
            root: root.into(),
            issuer: issuer.into(),
            subject: subject.into(),
            claims: claims.collect(),
        })
    }
}

/// Whether a value can be compared and shown as it is.
fn plain(value: &str) -> bool {
    (1..=MAX_VALUE_BYTES).contains(&value.len()) && !value.chars().any(char::is_control)
}

impl fmt::Display for Keyless {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` of {}", self.subject, self.issuer)
    }
}
