//! Certificates between a signer and an authority that is believed.
//!
//! Building the path is `webpki`'s: signatures, validity, constraints and extended key usage of
//! every certificate on it (RFC 5280, section 6). What it leaves out is added here: that the
//! signer's certificate is for signatures, that the authority's own has not expired, and that
//! nothing in a name is malformed. Revocation lists are not asked for: nothing here has a network.

use std::time::Duration;

use attest::certificate::ClaimedIdentity;
use attest::{PublicKey, Timestamp};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage as ExtendedUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode as _};
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage};
use x509_cert::time::Validity;

/// How many authorities are looked at.
pub const MAX_ROOTS: usize = 1_000;

/// `id-kp-codeSigning`, 1.3.6.1.5.5.7.3.3 (RFC 5280, section 4.2.1.12), in DER.
const CODE_SIGNING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x03";

/// Why certificates prove nothing about a signer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// More than [`MAX_ROOTS`].
    #[error("{0} authorities, more than the limit of {MAX_ROOTS}")]
    TooManyRoots(usize),
    /// A certificate of an authority that cannot be used.
    #[error("the certificate of authority {place} {why}")]
    Root {
        /// Which, counted from one.
        place: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The signer's certificate cannot be read.
    #[error("the signer's certificate is malformed: {0}")]
    Malformed(String),
    /// There is no path that holds now.
    #[error("the signer's certificate leads to no authority that is believed: {0}")]
    NoPath(String),
    /// The signer's certificate is for something else (RFC 5280, sections 4.2.1.3 and 4.2.1.12).
    #[error("the signer's certificate is not for signatures: {0}")]
    Usage(&'static str),
    /// The signer's key is of an algorithm that signs no models.
    #[error("the key in the signer's certificate: {0}")]
    Key(attest::KeyError),
    /// The certificate was issued to somebody else.
    #[error("the certificate was issued to {}, not to `{wanted}`", listed(names))]
    OtherIdentity {
        /// Who was expected.
        wanted: String,
        /// The names in the certificate.
        names: Vec<String>,
    },
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "nobody by name".into() } else { names.join(", ") }
}

/// The signer's certificate, believed.
pub(super) struct Leaf {
    pub(super) key: PublicKey,
    /// Subject and issuer, as RFC 4514 writes them.
    pub(super) subject: String,
    pub(super) issuer: String,
    /// The alternative names that are texts.
    pub(super) names: Vec<String>,
}

/// Checks that `chain`, the signer's certificate first, leads to one of `roots` at `now`.
///
/// # Errors
/// [`ChainError`].
pub(super) fn check(
    chain: &[Vec<u8>],
    roots: &[Vec<u8>],
    identity: Option<&str>,
    now: Timestamp,
) -> Result<Leaf, ChainError> {
    if roots.len() > MAX_ROOTS {
        return Err(ChainError::TooManyRoots(roots.len()));
    }
    let (first, others) = chain.split_first().ok_or(ChainError::NoPath("none is there".into()))?;
    let roots: Vec<CertificateDer<'_>> =
        roots.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let anchors = anchors(&roots, now)?;
    let others: Vec<CertificateDer<'_>> =
        others.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let der = CertificateDer::from(first.as_slice());
    let entity =
        EndEntityCert::try_from(&der).map_err(|error| ChainError::Malformed(error.to_string()))?;
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    entity
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &others,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            ExtendedUsage::required_if_present(CODE_SIGNING),
            None,
            None,
        )
        .map_err(|error| ChainError::NoPath(error.to_string()))?;
    leaf(first, identity)
}

fn anchors<'a>(
    roots: &'a [CertificateDer<'a>],
    now: Timestamp,
) -> Result<Vec<TrustAnchor<'a>>, ChainError> {
    let anchor = |(place, der): (usize, &'a CertificateDer<'a>)| {
        let failed = |why: String| ChainError::Root { place: place + 1, why };
        let malformed = |error: &dyn std::fmt::Display| failed(format!("is malformed: {error}"));
        let parsed = Certificate::from_der(der).map_err(|error| malformed(&error))?;
        if !holds(parsed.tbs_certificate().validity(), now) {
            return Err(failed("is not valid at this time".into()));
        }
        anchor_from_trusted_cert(der).map_err(|error| malformed(&error))
    };
    roots.iter().enumerate().map(anchor).collect()
}

fn leaf(der: &[u8], identity: Option<&str>) -> Result<Leaf, ChainError> {
    let malformed = |error: x509_cert::der::Error| ChainError::Malformed(error.to_string());
    let certificate = Certificate::from_der(der).map_err(malformed)?;
    let body = certificate.tbs_certificate();
    let signs = extension::<KeyUsage>(body)?.map(|usage| usage.digital_signature());
    let code = extension::<ExtendedKeyUsage>(body)?.is_some();
    match (signs, code) {
        (Some(false), _) => return Err(ChainError::Usage("its key usage says so")),
        // An extended usage that is there was found to name the signing of code.
        (None, false) => return Err(ChainError::Usage("it does not say what it is for")),
        (Some(true), _) | (None, true) => {}
    }
    let key = body.subject_public_key_info().to_der().map_err(malformed)?;
    let key = PublicKey::from_der(&key).map_err(ChainError::Key)?;
    let names = ClaimedIdentity::of(der).names;
    if let Some(wanted) = identity
        && !names.iter().any(|name| name == wanted)
    {
        return Err(ChainError::OtherIdentity { wanted: wanted.into(), names });
    }
    let (subject, issuer) = (body.subject().to_string(), body.issuer().to_string());
    Ok(Leaf { key, subject, issuer, names })
}

/// An extension of the certificate; one that cannot be read is not passed over.
fn extension<'a, T: Decode<'a> + AssociatedOid>(
    body: &'a x509_cert::TbsCertificate,
) -> Result<Option<T>, ChainError>
where
    T::Error: std::fmt::Display,
{
    let mut all = body.extensions().into_iter().flatten();
    let found = all.find(|extension| extension.extn_id == T::OID);
    found
        .map(|found| T::from_der(found.extn_value.as_bytes()))
        .transpose()
        .map_err(|error| ChainError::Malformed(error.to_string()))
}

fn holds(validity: &Validity, now: Timestamp) -> bool {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let from = validity.not_before.to_unix_duration().as_secs();
    let until = validity.not_after.to_unix_duration().as_secs();
    (from..=until).contains(&seconds)
}
