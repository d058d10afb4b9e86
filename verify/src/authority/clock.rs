//! Who proves times: timestamp authorities (RFC 3161) that the trust file names.
//!
//! A token counts only when the one certificate made it that the clock is known by; what
//! certificates travel in the token is not looked at. The cryptography is that of `sigstore-tsa`,
//! which reads clocks with keys on P-256 and P-384.

use std::sync::Arc;

use attest::Timestamp;
use attest::certificate::{self, CertificateError};
use sigstore_tsa::{TsaAuthority, verify_timestamp_for_authority};
use sigstore_types::{DerCertificate, SignatureBytes, TimestampToken};

use super::chain::parsed;
use crate::trust::Window;

/// How many certificates a clock may be known by.
const MAX_CERTIFICATES: usize = 8;

/// A timestamp authority, by its certificates.
#[derive(Clone, Debug)]
pub struct TimestampAuthority {
    pem: String,
    own: Arc<TsaAuthority>,
}

/// Why a text names no timestamp authority.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// Certificates that cannot be read.
    #[error(transparent)]
    Certificates(#[from] CertificateError),
    /// Too few or too many.
    #[error(
        "a clock has 2 to {MAX_CERTIFICATES} certificates, its own first and its root last; this \
         one has {0}"
    )]
    Count(usize),
    /// A certificate that does not parse.
    #[error("certificate {place} is malformed")]
    Malformed {
        /// Which, counted from one.
        place: usize,
    },
}

impl TimestampAuthority {
    /// The authority with these certificates in PEM: its own first, its root last.
    ///
    /// # Errors
    /// [`ClockError`].
    pub fn from_pem(pem: &str) -> Result<Self, ClockError> {
        let found = certificate::from_pem(pem)?;
        if found.len() > MAX_CERTIFICATES {
            return Err(ClockError::Count(found.len()));
        }
        for (place, der) in found.iter().enumerate() {
            parsed(der).map_err(|_| ClockError::Malformed { place: place + 1 })?;
        }
        let [own, between @ .., root] = found.as_slice() else {
            return Err(ClockError::Count(found.len()));
        };
        let der = |der: &Vec<u8>| DerCertificate::new(der.clone());
        let own = TsaAuthority::new(der(own), between.iter().map(der).collect(), der(root), None);
        Ok(Self { pem: pem.into(), own: Arc::new(own) })
    }

    /// The text that was parsed, as it was.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificate that must have made the tokens, in DER.
    pub fn certificate(&self) -> &[u8] {
        self.own.leaf.as_bytes()
    }

    /// The time in `token`, a `TimeStampToken` or `TimeStampResp` in DER, if this authority made it
    /// for `signature` while it was to be believed.
    pub(crate) fn time(
        &self,
        token: &[u8],
        signature: &[u8],
        believed: Window,
    ) -> Option<Timestamp> {
        time(token, signature, &self.own).filter(|time| believed.contains(*time))
    }
}

/// The time in a token that `authority` made for `signature`.
pub(crate) fn time(token: &[u8], signature: &[u8], authority: &TsaAuthority) -> Option<Timestamp> {
    let token = TimestampToken::new(token.to_vec());
    let signature = SignatureBytes::new(signature.to_vec());
    verify_timestamp_for_authority(&token, &signature, authority).ok()
}
