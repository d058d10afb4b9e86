//! Why a bundle is not believed: values that a caller can match and a report can show.

use attest::{Sha256, Timestamp};

use crate::authority::{AuthorityError, ChainError};
use crate::merkle::ProofError;
use crate::sigstore::{SigstoreBundleError, SigstoreError};

/// Why a bundle is not believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// More signatures than are looked at.
    #[error("{count} signatures, more than the limit of {limit}")]
    TooManySignatures {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// More log entries than are looked at.
    #[error("{count} log entries, more than the limit of {limit}")]
    TooManyEntries {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The payload is not an in-toto statement.
    #[error("payload type `{found}`, expected `application/vnd.in-toto+json`")]
    PayloadType {
        /// What the envelope says.
        found: String,
    },
    /// No signature comes from a trusted key.
    #[error("no signature by a trusted key")]
    NoTrustedSignature,
    /// A certificate is right, and the trust file names nobody like it.
    #[error("signed by `{subject}` of {issuer}, and the trust file names nobody like that")]
    NoTrustedSigner {
        /// The subject of the certificate, verified.
        subject: String,
        /// The issuer that vouched for it.
        issuer: String,
    },
    /// A certificate holds under an authority, and the trust file names nobody like it.
    #[error(
        "certified by {authority} as {}, and the trust file names nobody like that",
        listed(names)
    )]
    NoTrustedCertificate {
        /// The names in the certificate.
        names: Vec<String>,
        /// The authority, by its name in the trust file.
        authority: String,
    },
    /// An authority of the trust file knows who issued the certificate, and does not vouch for it.
    #[error("{source} (under the authority `{name}`)")]
    Authority {
        /// The authority, by its name in the trust file.
        name: String,
        /// What is wrong under it.
        source: AuthorityError,
    },
    /// The bundle has a certificate, and the trust file names neither an instance nor an authority
    /// that knows who issued it.
    #[error("no authority of the trust file knows who issued the certificate")]
    UnknownIssuer,
    /// Signers of the trust file with different owners match one certificate.
    #[error(
        "`{one}` and `{other}` of the trust file both match the signer, and have different owners"
    )]
    SeveralOwners {
        /// One of the signers.
        one: String,
        /// Another.
        other: String,
    },
    /// A bundle with a certificate is not one that can be checked.
    #[error(transparent)]
    SigstoreBundle(
        /// What is wrong with it.
        SigstoreBundleError,
    ),
    /// The bytes of a keyless bundle hold another envelope than the one that was read from them.
    #[error("the certificate is for another envelope than the bundle's")]
    OtherEnvelope,
    /// The statement of a keyless bundle has no subject by which it can be checked.
    #[error("the statement has no subject with a `sha256` digest")]
    NoSubject,
    /// The statement has the artifact under none of its subjects.
    #[error("the bundle does not speak of the artifact")]
    OtherArtifact,
    /// The signature can only be checked over the artifact's bytes.
    #[error("this signature can only be checked with the artifact's bytes, not with its digest")]
    NeedsBytes,
    /// A keyless bundle, or one with evidence of a Sigstore log, and the trust file names no
    /// instance.
    #[error("the bundle needs a trusted root of Sigstore, and the trust file names none")]
    NoRoot,
    /// No trusted root makes the bundle good.
    #[error("{source} (under the trusted root of `{root}`)")]
    Sigstore {
        /// The root that got furthest, by its name in the trust file.
        root: String,
        /// What is wrong under it.
        source: SigstoreError,
    },
    /// The only trusted keys that signed are outside the time for which they are trusted.
    #[error("signed by `{name}`, whose key is trusted only {}", window(*from, *until))]
    OutsideValidity {
        /// The key's name in the trust file.
        name: String,
        /// From when on it is trusted.
        from: Option<Timestamp>,
        /// Until when it is trusted.
        until: Option<Timestamp>,
    },
    /// The payload is signed by a trusted key and is not a statement.
    #[error("not a statement: {reason}")]
    Statement {
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint of a trusted log does not open with that log's key.
    #[error("checkpoint of `{origin}`: {reason}")]
    Checkpoint {
        /// The log.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The proof is for a tree of another size or root than the signed one.
    #[error(
        "proof for a tree of {claimed} entries, but `{origin}` signed one of {signed}, or another root"
    )]
    OtherTree {
        /// The log.
        origin: String,
        /// The size that the proof is for.
        claimed: u64,
        /// The size in the signed checkpoint.
        signed: u64,
    },
    /// The audit path does not lead to the signed root.
    #[error("entry {index} is not under the signed root of `{origin}`: {source}")]
    NotIncluded {
        /// The log.
        origin: String,
        /// Position that the proof claims.
        index: u64,
        /// What is wrong with the proof.
        source: ProofError,
    },
    /// The entry is not a leaf of the kind that we know.
    #[error("entry {index} of `{origin}` is not a leaf that we can read: {reason}")]
    Leaf {
        /// The log.
        origin: String,
        /// Its position.
        index: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The entry is about other bytes.
    #[error("entry {index} of `{origin}` is not about body {body}")]
    OtherBody {
        /// The log.
        origin: String,
        /// Its position.
        index: u64,
        /// The body of this bundle.
        body: Sha256,
    },
    /// The entry holds a signature that this envelope does not carry.
    #[error("entry {index} of `{origin}` holds a signature that is not in the envelope")]
    OtherSignature {
        /// The log.
        origin: String,
        /// Its position.
        index: u64,
    },
    /// The entry names another key than the one that made its signature.
    #[error("entry {index} of `{origin}` names another key than the one that signed")]
    OtherVerifier {
        /// The log.
        origin: String,
        /// Its position.
        index: u64,
    },
}

/// How far a proven time may be ahead of the time of the question, in seconds: clocks differ
/// (THREATS, rule 8).
const MAX_AHEAD: i64 = 300;

/// Whether a proven time is too far ahead of `now` to be believed yet.
pub(crate) fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    time.as_second().saturating_sub(now.as_second()) > MAX_AHEAD
}

/// The first moment at which a proven time is no longer too far ahead.
fn counts_from(time: Timestamp) -> Timestamp {
    let second = time.as_second().saturating_sub(MAX_AHEAD);
    Timestamp::from_second(second).unwrap_or(Timestamp::MIN)
}

impl VerifyError {
    /// The first moment at which time alone takes this reason away, if it does.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Authority { source: AuthorityError::Future { time }, .. }
            | Self::Sigstore { source: SigstoreError::Future { time }, .. } => {
                Some(counts_from(*time))
            }
            Self::Authority {
                source: AuthorityError::Chain(ChainError::NotYet { from, .. }),
                ..
            } => Some(*from),
            _ => None,
        }
    }

    /// Of two reasons the one that time takes away, so that nobody relies on it for longer; else
    /// this one.
    pub(crate) fn or_passing(self, other: Self) -> Self {
        if self.until().is_none() && other.until().is_some() { other } else { self }
    }
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "nobody by name".into() } else { names.join(", ") }
}

fn window(from: Option<Timestamp>, until: Option<Timestamp>) -> String {
    match (from, until) {
        (Some(from), Some(until)) => format!("from {from} until {until}"),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(until)) => format!("until {until}"),
        (None, None) => "never".into(),
    }
}
