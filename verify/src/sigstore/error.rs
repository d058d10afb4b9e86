//! Why a Sigstore bundle is not believed.

use attest::Timestamp;
use sigstore_verify::Error;
use sigstore_verify::error::{CertificateError, TimestampError, TransparencyLogError};

use super::root::SigstoreRootError;

/// Why bytes are not a Sigstore bundle that can be checked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SigstoreBundleError {
    /// Not JSON of this shape.
    #[error("not a Sigstore bundle: {0}")]
    Json(
        /// What is wrong.
        String,
    ),
    /// The bundle does not say of which version it is.
    #[error("not a Sigstore bundle: no `mediaType`")]
    NoMediaType,
    /// The same thing twice.
    #[error("the bundle has the same {what} twice")]
    Repeated {
        /// What stands there twice.
        what: &'static str,
    },
    /// More of something than is looked at.
    #[error("the bundle has {found} {what}, more than the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// Why a Sigstore bundle is not believed under a trusted root.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SigstoreError {
    /// The bundle lacks what its version demands, or holds what cannot be checked.
    #[error("the bundle cannot be checked: {0}")]
    Bundle(
        /// What is wrong with it.
        String,
    ),
    /// The signature is not over what it should be over, or not by the key that it should be by.
    #[error("{0}")]
    Signature(
        /// What is wrong with it.
        String,
    ),
    /// The bundle speaks of something else.
    #[error("the bundle does not speak of the artifact")]
    OtherArtifact,
    /// The signature can only be checked over the bytes, and there is a digest.
    #[error("this signature can only be checked with the artifact's bytes, not with its digest")]
    NeedsBytes,
    /// The certificate was not issued under the root, not for signing, or not at the proven time.
    #[error("certificate: {0}")]
    Certificate(
        /// What is wrong with it.
        String,
    ),
    /// The certificate names nobody.
    #[error("the certificate has no {what} that can be read")]
    Unnamed {
        /// What is missing.
        what: &'static str,
    },
    /// The certificate names more than one subject, or one of another kind.
    #[error("the certificate has {count} subject names, and exactly one address or URI counts")]
    SeveralSubjects {
        /// How many names could be read.
        count: usize,
    },
    /// Evidence of the log is missing or wrong.
    #[error("log entry: {0}")]
    Log(
        /// What is wrong with it.
        String,
    ),
    /// A log promised to take the entry, and nothing shows that it did.
    #[error(
        "log entry: a promise without an inclusion proof; where a log's word is enough, as for bundles from before July 2023, waive the proof in the trust file (`assay trust add --sigstore … --without inclusion-proof`)"
    )]
    OnlyPromised,
    /// The time of signing is not proven, or wrongly.
    #[error("time of signing: {0}")]
    Time(
        /// What is wrong with it.
        String,
    ),
    /// The proven time of signing is later than now.
    #[error("signed at {time}, which is later than now by more than five minutes")]
    Future {
        /// The proven time.
        time: Timestamp,
    },
    /// The root does not make a verifier at this time.
    #[error(transparent)]
    Root(#[from] SigstoreRootError),
}

impl From<Error> for SigstoreError {
    fn from(error: Error) -> Self {
        let said = error.to_string();
        match error {
            Error::SignatureInvalid(_)
            | Error::IdentityMismatch { .. }
            | Error::IssuerMismatch { .. } => Self::Signature(said),
            Error::ArtifactMismatch(_) => Self::OtherArtifact,
            Error::UnsupportedArtifact(_) => Self::NeedsBytes,
            Error::Certificate(
                CertificateError::Malformed(_)
                | CertificateError::ChainInvalid(_)
                | CertificateError::NoValidAuthority { .. }
                | CertificateError::NotYetValid { .. }
                | CertificateError::Expired { .. }
                | CertificateError::Sct(_),
            ) => Self::Certificate(said),
            Error::TransparencyLog(TransparencyLogError::IntegratedTime(_)) => Self::Time(said),
            Error::TransparencyLog(_) => Self::Log(said),
            Error::Timestamp(
                TimestampError::Invalid(_)
                | TimestampError::OutsideAuthorityValidity { .. }
                | TimestampError::NoVerifiedTimestamp(_),
            ) => Self::Time(said),
            Error::InvalidTrustRoot(_) | Error::TrustRoot(_) | Error::TrustedCertificate(_) => {
                Self::Root(SigstoreRootError::Material(said))
            }
            _ => Self::Bundle(said),
        }
    }
}
