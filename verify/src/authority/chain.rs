//! Certificates between a signer and an authority that is believed.
//!
//! Building the path is `webpki`'s: signatures, validity, constraints and extended key usage of
//! every certificate on it (RFC 5280, section 6); it refuses critical extensions that it does not
//! know. What it leaves out is added here: that the signer's certificate is for signatures, that
//! the authority's own has not expired, that nothing in a name is malformed, and that no certificate
//! was taken back, by lists that somebody else got: nothing here has a network.
//!
//! A signer's certificate that may itself issue certificates (`CA:TRUE`) is valid by RFC 5280,
//! which asks that bit of issuers and forbids it to nobody. `webpki` refuses it as a signer's, for
//! good reason: whoever holds such a key can name himself anything. So it counts only where
//! nothing is left to be named: when it is, byte for byte, one of the authorities itself.

use std::time::Duration;

use attest::certificate::{CertificateError, CertifiedKey};
use attest::{KeyError, Sha256, Timestamp};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    Cert, EndEntityCert, KeyUsage as ExtendedUsage, VerifiedPath, anchor_from_trusted_cert,
};
use x509_cert::Certificate;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode as _};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::time::Validity;

use super::name::{AlternativeName, NameError, names};
use super::revocation::{Judged, RevocationError, RevocationList, standing};
use crate::trust::Window;

/// How many authorities are looked at.
pub const MAX_ROOTS: usize = 1_000;

/// `id-kp-codeSigning`, 1.3.6.1.5.5.7.3.3 (RFC 5280, section 4.2.1.12), in DER.
const CODE_SIGNING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x03";
/// `id-kp-clientAuth`, 1.3.6.1.5.5.7.3.2, in DER.
const CLIENT_AUTH: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x02";

/// The extensions that are read of a certificate which is an authority itself; any other that is
/// critical refuses it (RFC 5280, section 4.2): names, constraints, and usages.
const KNOWN: [&str; 4] = ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"];

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
    /// The names in the signer's certificate cannot all be read.
    #[error("the signer's certificate: {0}")]
    Names(#[from] NameError),
    /// There is no path to an authority that is believed.
    #[error("the signer's certificate leads to no authority that is believed: {0}")]
    NoPath(String),
    /// There is a path, and it does not hold.
    #[error("the signer's certificate leads to an authority by a path that does not hold: {0}")]
    Path(String),
    /// A certificate on the path had expired.
    #[error("the signer's certificate, or one above it, had expired at {time}")]
    Expired {
        /// The time at which it was judged.
        time: Timestamp,
    },
    /// A certificate on the path holds only later.
    #[error("the signer's certificate, or one above it, holds only from {from} on, not at {time}")]
    NotYet {
        /// The time at which it was judged.
        time: Timestamp,
        /// The first second in which it holds.
        from: Timestamp,
    },
    /// The signer's certificate may issue certificates, and is not an authority itself.
    #[error(
        "the signer's certificate may issue certificates itself (CA:TRUE): it counts only where it \
         is named as an authority"
    )]
    AuthorityAsSigner,
    /// The signer's certificate is for something else (RFC 5280, sections 4.2.1.3 and 4.2.1.12).
    #[error("the signer's certificate is not for signatures: {0}")]
    Usage(&'static str),
    /// The signer's key is of an algorithm that is not checked with here.
    #[error("the key in the signer's certificate: {0}")]
    Key(KeyError),
    /// It was taken back, or the authority has lists and none says that it was not.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
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

/// What the extended usage of a signer's certificate must name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Usage {
    /// The signing of code.
    #[default]
    CodeSigning,
    /// The signing of code, if it names any.
    CodeSigningIfAny,
    /// TLS clients, if it names any: what workload identities have (SPIFFE X509-SVID, section 4.4).
    ClientAuth,
}

impl Usage {
    const fn demand(self) -> ExtendedUsage {
        match self {
            // That the signer's own names it is looked at by itself: many issuers name no usage.
            Self::CodeSigning | Self::CodeSigningIfAny => {
                ExtendedUsage::required_if_present(CODE_SIGNING)
            }
            Self::ClientAuth => ExtendedUsage::required_if_present(CLIENT_AUTH),
        }
    }

    const fn id(self) -> &'static [u8] {
        match self {
            Self::CodeSigning | Self::CodeSigningIfAny => CODE_SIGNING,
            Self::ClientAuth => CLIENT_AUTH,
        }
    }
}

/// The signer's certificate, believed.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub(crate) key: CertifiedKey,
    /// Subject and issuer, as RFC 4514 writes them.
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// The alternative names.
    pub(crate) names: Vec<AlternativeName>,
    /// The SHA-256 digest of the key of the authority that the path ends at, its
    /// SubjectPublicKeyInfo in DER.
    pub(crate) anchor: Sha256,
    /// When the signer's certificate holds, and all above it; where the authority has revocation
    /// lists, up to where they say so.
    pub(crate) window: Window,
}

/// Checks that `chain`, the signer's certificate first, leads to one of `roots` at `time`, through
/// its own others and `intermediates`; where there are `lists`, that they have none of it. Who is
/// one of `roots` himself is on no list: whoever named him believes him.
///
/// # Errors
/// [`ChainError`]; that an authority's own certificate cannot be read, or has expired while there
/// is no other, among them.
pub(crate) fn check(
    chain: &[Vec<u8>],
    roots: &[Vec<u8>],
    intermediates: &[Vec<u8>],
    lists: &[RevocationList],
    usage: Usage,
    time: Timestamp,
) -> Result<Leaf, ChainError> {
    if roots.len() > MAX_ROOTS {
        return Err(ChainError::TooManyRoots(roots.len()));
    }
    let (first, others) = chain.split_first().ok_or(ChainError::NoPath("none is there".into()))?;
    // By an Ed25519 key of small order anybody signs anything, and `webpki` would take it.
    if others.iter().chain(intermediates).any(|der| weakness(der) == Some(KeyError::Weak)) {
        return Err(ChainError::Path(KeyError::Weak.to_string()));
    }
    let certificate = parsed(first)?;
    let is_authority = extension::<BasicConstraints>(&certificate)?.is_some_and(|found| found.ca);
    if is_authority {
        if !roots.contains(first) {
            return Err(ChainError::AuthorityAsSigner);
        }
        by_itself(&certificate, usage, time)?;
        let key = certificate.tbs_certificate().subject_public_key_info().to_der();
        return leaf(&certificate, usage, Sha256::of(&key.map_err(malformed)?));
    }
    let roots: Vec<CertificateDer<'_>> =
        roots.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let anchors = anchors(&roots, time)?;
    let others: Vec<CertificateDer<'_>> = others
        .iter()
        .chain(intermediates)
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let der = CertificateDer::from(first.as_slice());
    let entity =
        EndEntityCert::try_from(&der).map_err(|error| ChainError::Malformed(error.to_string()))?;
    let only: Vec<TrustAnchor<'_>> = anchors.iter().map(|one| one.anchor.clone()).collect();
    let seconds = u64::try_from(time.as_second()).unwrap_or(0);
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let path = entity
        .verify_for_usage(algorithms, &only, &others, moment, usage.demand(), None, None)
        .map_err(|error| no_path(&error, time))?;
    // Two anchors may have one key.
    let ends = path.anchor();
    let mut of = anchors.iter();
    let end = of.find(|one| {
        one.anchor.subject == ends.subject
            && one.anchor.subject_public_key_info == ends.subject_public_key_info
    });
    let end = end.ok_or(ChainError::NoPath("its end is not known".into()))?;
    let window = held(&path, end, lists, time)?;
    let leaf = leaf(&certificate, usage, end.key)?;
    Ok(Leaf { window: leaf.window.and(window), ..leaf })
}

/// When everything on a path holds, and was not taken back as far as the lists say.
fn held(
    path: &VerifiedPath<'_>,
    end: &Anchor<'_>,
    lists: &[RevocationList],
    time: Timestamp,
) -> Result<Window, ChainError> {
    let key = |certificate: &Cert<'_>| Sha256::of(&certificate.subject_public_key_info());
    let certificates = std::iter::once::<&Cert<'_>>(path.end_entity());
    let certificates = certificates.chain(path.intermediate_certificates());
    let above = path.intermediate_certificates().map(key).chain(std::iter::once(end.key));
    let mut all = end.window;
    for (certificate, issuer_key) in certificates.zip(above) {
        let read = parsed(&certificate.der())?;
        let body = read.tbs_certificate();
        let own = window(body.validity())
            .ok_or_else(|| ChainError::Malformed("its validity is no time".into()))?;
        all = all.and(own);
        if !lists.is_empty() {
            let (serial, issuer) = (certificate.serial(), &body.issuer().to_string());
            let last = own.until.unwrap_or(Timestamp::MAX);
            let judged = Judged { serial, issuer, issuer_key, last };
            let until = standing(&judged, lists, time)?;
            all = all.and(Window { from: None, until: Some(until) });
        }
    }
    Ok(all)
}

/// An authority whose own certificate holds.
struct Anchor<'a> {
    anchor: TrustAnchor<'a>,
    /// The SHA-256 digest of its SubjectPublicKeyInfo in DER.
    key: Sha256,
    window: Window,
}

/// Why `webpki` finds no path: whether it knows the issuer at all, and whether it is the time.
fn no_path(error: &webpki::Error, time: Timestamp) -> ChainError {
    use webpki::Error;
    match error {
        Error::UnknownIssuer => ChainError::NoPath(error.to_string()),
        Error::CertExpired { .. } => ChainError::Expired { time },
        Error::CertNotValidYet { not_before, .. } => {
            let from = i64::try_from(not_before.as_secs()).ok();
            let from = from.and_then(|seconds| Timestamp::from_second(seconds).ok());
            ChainError::NotYet { time, from: from.unwrap_or(Timestamp::MAX) }
        }
        Error::CaUsedAsEndEntity => ChainError::AuthorityAsSigner,
        Error::RequiredEkuNotFoundContext(_) => {
            ChainError::Usage("its extended key usage, or that of a certificate above it, says so")
        }
        _ => ChainError::Path(error.to_string()),
    }
}

/// The authorities whose own certificates hold at `time`.
fn anchors<'a>(
    roots: &'a [CertificateDer<'a>],
    time: Timestamp,
) -> Result<Vec<Anchor<'a>>, ChainError> {
    let mut found = Vec::new();
    let mut ended = None;
    for (place, der) in roots.iter().enumerate() {
        let failed = |why: String| ChainError::Root { place: place + 1, why };
        let malformed = |error: &dyn std::fmt::Display| failed(format!("is malformed: {error}"));
        let parsed = Certificate::from_der(der).map_err(|error| malformed(&error))?;
        if weakness(der) == Some(KeyError::Weak) {
            return Err(failed(format!("has a key that cannot be used: {}", KeyError::Weak)));
        }
        let body = parsed.tbs_certificate();
        let Some(window) = window(body.validity()).filter(|window| window.contains(time)) else {
            ended = ended.or_else(|| Some(failed("is not valid at this time".into())));
            continue;
        };
        let key = body.subject_public_key_info().to_der().map_err(|error| malformed(&error))?;
        let anchor = anchor_from_trusted_cert(der).map_err(|error| malformed(&error))?;
        found.push(Anchor { anchor, key: Sha256::of(&key), window });
    }
    match ended {
        Some(why) if found.is_empty() => Err(why),
        _ => Ok(found),
    }
}

/// A certificate that is an authority itself needs no path; what a path would have shown of it is
/// looked at here.
fn by_itself(certificate: &Certificate, usage: Usage, time: Timestamp) -> Result<(), ChainError> {
    let body = certificate.tbs_certificate();
    let validity = window(body.validity())
        .ok_or_else(|| ChainError::Malformed("its validity is no time".into()))?;
    match validity.from.filter(|from| time < *from) {
        Some(from) => return Err(ChainError::NotYet { time, from }),
        None if !validity.contains(time) => return Err(ChainError::Expired { time }),
        None => {}
    }
    let unknown = |id: &str| !KNOWN.contains(&id);
    let mut critical = body.extensions().into_iter().flatten().filter(|one| one.critical);
    if let Some(found) = critical.find(|one| unknown(&one.extn_id.to_string())) {
        let id = found.extn_id;
        return Err(ChainError::Malformed(format!("the critical extension {id} is not known")));
    }
    match extension::<ExtendedKeyUsage>(certificate)? {
        Some(ExtendedKeyUsage(ids)) => {
            let named = ids.iter().any(|id| id.as_bytes() == usage.id());
            if named { Ok(()) } else { Err(ChainError::Usage("its extended key usage says so")) }
        }
        None => Ok(()),
    }
}

fn leaf(certificate: &Certificate, usage: Usage, anchor: Sha256) -> Result<Leaf, ChainError> {
    let body = certificate.tbs_certificate();
    let signs = extension::<KeyUsage>(certificate)?.map(|usage| usage.digital_signature());
    let code = extension::<ExtendedKeyUsage>(certificate)?.is_some();
    if usage == Usage::CodeSigning && !code {
        return Err(ChainError::Usage("it does not name the signing of code"));
    }
    match (signs, code) {
        (Some(false), _) => return Err(ChainError::Usage("its key usage says so")),
        // An extended usage that is there was found to name what it must.
        (None, false) => return Err(ChainError::Usage("it does not say what it is for")),
        (Some(true), _) | (None, true) => {}
    }
    let key = body.subject_public_key_info().to_der().map_err(malformed)?;
    let key = CertifiedKey::from_der(&key).map_err(ChainError::Key)?;
    let window = window(body.validity())
        .ok_or_else(|| ChainError::Malformed("its validity is no time".into()))?;
    let (subject, issuer) = (body.subject().to_string(), body.issuer().to_string());
    Ok(Leaf { key, subject, issuer, names: names(certificate)?, anchor, window })
}

impl Leaf {
    /// Whether the certificate was issued to `wanted`, as a whole, among whatever else.
    ///
    /// # Errors
    /// [`ChainError::OtherIdentity`].
    pub(crate) fn is(&self, wanted: &str) -> Result<(), ChainError> {
        let names: Vec<String> = self.names.iter().map(|name| name.text.clone()).collect();
        if names.iter().any(|name| name == wanted) {
            return Ok(());
        }
        Err(ChainError::OtherIdentity { wanted: wanted.into(), names })
    }
}

/// What makes the key of a certificate one that is not signed with here; nothing when it is.
pub(crate) fn weakness(der: &[u8]) -> Option<KeyError> {
    match attest::certificate::public_key(der) {
        Err(CertificateError::Key(error)) => Some(error),
        _ => None,
    }
}

/// The first second in which a certificate holds, as it says.
pub(crate) fn begins(der: &[u8]) -> Option<Timestamp> {
    window(parsed(der).ok()?.tbs_certificate().validity())?.from
}

pub(super) fn parsed(der: &[u8]) -> Result<Certificate, ChainError> {
    Certificate::from_der(der).map_err(malformed)
}

fn malformed(error: x509_cert::der::Error) -> ChainError {
    ChainError::Malformed(error.to_string())
}

/// An extension of the certificate; one that cannot be read is not passed over.
fn extension<'a, T: Decode<'a> + AssociatedOid>(
    certificate: &'a Certificate,
) -> Result<Option<T>, ChainError>
where
    T::Error: std::fmt::Display,
{
    let mut all = certificate.tbs_certificate().extensions().into_iter().flatten();
    let found = all.find(|extension| extension.extn_id == T::OID);
    found
        .map(|found| T::from_der(found.extn_value.as_bytes()))
        .transpose()
        .map_err(|error| ChainError::Malformed(error.to_string()))
}

/// From the first second of a validity up to the one after its last.
fn window(validity: &Validity) -> Option<Window> {
    let moment = |seconds: u64| Timestamp::from_second(i64::try_from(seconds).ok()?).ok();
    let from = moment(validity.not_before.to_unix_duration().as_secs())?;
    let last = validity.not_after.to_unix_duration().as_secs();
    // The latest time that can be written has no second after it (RFC 5280, section 4.1.2.5).
    Some(Window { from: Some(from), until: moment(last.checked_add(1)?) })
}
