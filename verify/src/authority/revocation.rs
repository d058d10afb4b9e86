//! Revocation lists of authorities (RFC 5280, section 5): which certificates were taken back.
//!
//! Nothing here fetches a list. Whoever keeps the trust file puts it there, and it is checked when
//! the file is read: that a certificate of the authority signed it, and may. Once an authority has a
//! list, every certificate between a signer and the authority must be spoken of by one, at the time
//! at which it is judged: without an answer nobody is believed.
//!
//! A list that was made later than that time is as good as one of its day, and better: it has
//! everything that was found out since, with the date from which on it counts. A key that was
//! compromised counts for nothing, whatever the date: nobody knows since when.

use std::collections::BTreeMap;

use attest::{Sha256, Timestamp};
use rustls_pki_types::CertificateDer;
use webpki::{BorrowedCertRevocationList, BorrowedRevokedCert, EndEntityCert, RevocationReason};
use x509_cert::Certificate;
use x509_cert::crl::CertificateList;
use x509_cert::der::asn1::{BitStringRef, GeneralizedTime, ObjectIdentifier};
use x509_cert::der::{self, Decode as _, Encode as _, Reader as _, SliceReader};
use x509_cert::ext::pkix::KeyUsage;
use x509_cert::time::Time;

/// How many revocation lists an authority may have.
pub const MAX_REVOCATION_LISTS: usize = 16;

/// `id-ce-issuingDistributionPoint` (RFC 5280, section 5.2.5).
const PART: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
/// `id-ce-expiredCertsOnCRL` (X.509, section 9.5.2.8).
const KEPT_FROM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.60");

/// Why a revocation list cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationListError {
    /// Not a list in the profile of RFC 5280, or one that only says what changed.
    #[error("revocation list {place} cannot be read: {why}")]
    Malformed {
        /// Which, counted from one.
        place: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A list for some certificates of its issuer alone.
    #[error(
        "revocation list {place} is for some certificates of its issuer alone (RFC 5280, section \
         5.2.5): give one that is for all of them"
    )]
    Partial {
        /// Which, counted from one.
        place: usize,
    },
    /// Nobody in the entry signed it.
    #[error(
        "revocation list {place}, by `{issuer}`, is not signed by a certificate of the authority: \
         name the one that issued it among its certificates"
    )]
    Stranger {
        /// Which, counted from one.
        place: usize,
        /// Who is said to have issued it.
        issuer: String,
    },
    /// Whoever signed it may not sign lists (RFC 5280, section 4.2.1.3).
    #[error("revocation list {place} is signed by `{issuer}`, whose certificate is not for that")]
    Usage {
        /// Which, counted from one.
        place: usize,
        /// Who issued it.
        issuer: String,
    },
}

/// Why a certificate is not believed to stand.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// It was taken back.
    #[error("certificate {serial} by `{issuer}` was revoked at {from}")]
    Revoked {
        /// Its serial number in lowercase hex.
        serial: String,
        /// Who had issued it.
        issuer: String,
        /// From when on it counts for nothing.
        from: Timestamp,
    },
    /// It was taken back because somebody else has the key.
    #[error("certificate {serial} by `{issuer}` was revoked: its key is in strange hands")]
    Compromised {
        /// Its serial number in lowercase hex.
        serial: String,
        /// Who had issued it.
        issuer: String,
    },
    /// No list says anything about it.
    #[error(
        "no revocation list of the authority speaks for `{issuer}`, so that nobody knows whether \
         certificate {serial} was revoked"
    )]
    Unknown {
        /// Its serial number in lowercase hex.
        serial: String,
        /// Who had issued it.
        issuer: String,
    },
    /// The lists that say something say nothing of that time.
    #[error(
        "the newest revocation list by `{issuer}` that could have certificate {serial} speaks \
         until {until}, not at {time}"
    )]
    Outdated {
        /// Its serial number in lowercase hex.
        serial: String,
        /// Who had issued it.
        issuer: String,
        /// When a newer one was to come.
        until: Timestamp,
        /// The time at which the certificate was judged.
        time: Timestamp,
    },
    /// The lists were made when the certificate may have been taken off them (RFC 5280, section 3.3).
    #[error(
        "every revocation list by `{issuer}` is from after certificate {serial} had expired, when \
         it need no longer be on one: keep an older list beside it"
    )]
    Expired {
        /// Its serial number in lowercase hex.
        serial: String,
        /// Who had issued it.
        issuer: String,
    },
}

/// Which certificates of one issuer were taken back, by a list that the issuer signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevocationList {
    digest: Sha256,
    issuer: String,
    /// The SHA-256 digest of the issuer's SubjectPublicKeyInfo in DER.
    key: Sha256,
    from: Timestamp,
    until: Timestamp,
    /// Certificates that expired from then on are still on it.
    kept_from: Option<Timestamp>,
    entries: BTreeMap<Vec<u8>, Since>,
}

/// From when on a certificate counts for nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Since {
    Always,
    Moment(Timestamp),
}

/// A certificate on the way from a signer to an authority.
pub(super) struct Judged<'a> {
    /// As `webpki` has it.
    pub(super) serial: &'a [u8],
    pub(super) issuer: &'a str,
    /// The SHA-256 digest of the issuer's SubjectPublicKeyInfo in DER.
    pub(super) issuer_key: Sha256,
    /// Up to when it holds.
    pub(super) last: Timestamp,
}

impl RevocationList {
    /// Reads a list in DER, the one at this place, which one of these certificates must have signed.
    ///
    /// # Errors
    /// [`RevocationListError`].
    pub fn of(
        bytes: &[u8],
        place: usize,
        issuers: &[Vec<u8>],
    ) -> Result<Self, RevocationListError> {
        let malformed = |why: &dyn std::fmt::Display| RevocationListError::Malformed {
            place,
            why: why.to_string(),
        };
        let list =
            CertificateList::from_der(bytes).map_err(|error: der::Error| malformed(&error))?;
        let body = &list.tbs_cert_list;
        let issuer = body.issuer.to_string();
        let extension = |id| {
            let mut all = body.crl_extensions.iter().flatten();
            all.find(|extension| extension.extn_id == id)
        };
        if extension(PART).is_some() {
            return Err(RevocationListError::Partial { place });
        }
        let read =
            BorrowedCertRevocationList::from_der(bytes).map_err(|error| malformed(&error))?;
        let kept_from = extension(KEPT_FROM)
            .map(|found| GeneralizedTime::from_der(found.extn_value.as_bytes()))
            .transpose()
            .map_err(|error| malformed(&error))?;
        let no_time = || malformed(&"it has a time that is none");
        let until = body.next_update.and_then(moment).ok_or_else(no_time)?;
        let from = moment(body.this_update).ok_or_else(no_time)?;
        let mut entries = BTreeMap::new();
        for entry in &read {
            let entry = entry.map_err(|error| malformed(&error))?;
            let since = Since::of(&entry).ok_or_else(no_time)?;
            let known = entries.entry(entry.serial_number.to_vec()).or_insert(since);
            *known = known.earlier(since);
        }
        let key = signer(bytes, &list, issuers, place)?;
        Ok(Self {
            digest: Sha256::of(bytes),
            issuer,
            key,
            from,
            until,
            kept_from: kept_from.and_then(|time| moment(Time::GeneralTime(time))),
            entries,
        })
    }

    /// The SHA-256 digest of the list in DER.
    pub const fn digest(&self) -> Sha256 {
        self.digest
    }

    /// Who issued it, as RFC 4514 writes names.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// When it was made.
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// When a newer one was to come: it speaks of no later time.
    pub const fn until(&self) -> Timestamp {
        self.until
    }

    /// How many certificates are on it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no certificate is on it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a certificate that holds up to `last` would be on it.
    fn could_have(&self, last: Timestamp) -> bool {
        self.from <= last || self.kept_from.is_some_and(|from| from <= last)
    }
}

impl Since {
    fn of(entry: &BorrowedRevokedCert<'_>) -> Option<Self> {
        use RevocationReason::{AaCompromise, CaCompromise, KeyCompromise};
        if let Some(KeyCompromise | CaCompromise | AaCompromise) = entry.reason_code {
            return Some(Self::Always);
        }
        let moment = |time: rustls_pki_types::UnixTime| {
            Timestamp::from_second(i64::try_from(time.as_secs()).ok()?).ok()
        };
        let revoked = moment(entry.revocation_date)?;
        let invalid = match entry.invalidity_date {
            Some(time) => moment(time)?,
            None => revoked,
        };
        Some(Self::Moment(revoked.min(invalid)))
    }

    fn earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::Moment(one), Self::Moment(two)) => Self::Moment(one.min(two)),
            _ => Self::Always,
        }
    }
}

/// Up to when it is known that a certificate, which is judged at `time`, was not taken back.
///
/// # Errors
/// [`RevocationError`].
pub(super) fn standing(
    judged: &Judged<'_>,
    lists: &[RevocationList],
    time: Timestamp,
) -> Result<Timestamp, RevocationError> {
    let serial = || judged.serial.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let issuer = || judged.issuer.to_owned();
    // Two authorities may have one key: the list of the one says nothing of the other's (RFC 5280,
    // 6.3.3, b).
    let is_by_issuer =
        |list: &&RevocationList| list.key == judged.issuer_key && list.issuer == judged.issuer;
    let by_issuer = || lists.iter().filter(is_by_issuer);
    let mut until = Timestamp::MAX;
    for since in by_issuer().filter_map(|list| list.entries.get(judged.serial)) {
        match since {
            Since::Always => {
                return Err(RevocationError::Compromised { serial: serial(), issuer: issuer() });
            }
            Since::Moment(from) if *from <= time => {
                let (serial, issuer) = (serial(), issuer());
                return Err(RevocationError::Revoked { serial, issuer, from: *from });
            }
            Since::Moment(from) => until = until.min(*from),
        }
    }
    let mut speaking =
        by_issuer().filter(|list| list.could_have(judged.last)).map(|list| list.until);
    match speaking.by_ref().max() {
        Some(end) if time < end => Ok(until.min(end)),
        Some(end) => {
            let (serial, issuer) = (serial(), issuer());
            Err(RevocationError::Outdated { serial, issuer, until: end, time })
        }
        None if by_issuer().next().is_some() => {
            Err(RevocationError::Expired { serial: serial(), issuer: issuer() })
        }
        None => Err(RevocationError::Unknown { serial: serial(), issuer: issuer() }),
    }
}

/// The SHA-256 digest of the key of whoever signed the list, among these certificates.
fn signer(
    bytes: &[u8],
    list: &CertificateList,
    issuers: &[Vec<u8>],
    place: usize,
) -> Result<Sha256, RevocationListError> {
    let issuer = list.tbs_cert_list.issuer.to_string();
    let malformed =
        |error: der::Error| RevocationListError::Malformed { place, why: error.to_string() };
    let [signed, algorithm, signature] = parts(bytes).map_err(malformed)?;
    let mut usage = None;
    for certificate in issuers {
        let parsed = Certificate::from_der(certificate).map_err(malformed)?;
        let body = parsed.tbs_certificate();
        if *body.subject() != list.tbs_cert_list.issuer {
            continue;
        }
        let der = CertificateDer::from(certificate.as_slice());
        let Ok(entity) = EndEntityCert::try_from(&der) else { continue };
        let by = webpki::ALL_VERIFICATION_ALGS.iter().any(|one| {
            one.signature_alg_id().as_ref() == algorithm
                && entity.verify_signature(*one, signed, signature).is_ok()
        });
        if !by {
            continue;
        }
        let may = body
            .get_extension::<KeyUsage>()
            .map_err(|_| RevocationListError::Usage { place, issuer: issuer.clone() })?;
        if may.is_some_and(|(_, usage)| !usage.crl_sign()) {
            usage = Some(RevocationListError::Usage { place, issuer: issuer.clone() });
            continue;
        }
        let key = body.subject_public_key_info().to_der().map_err(malformed)?;
        return Ok(Sha256::of(&key));
    }
    Err(usage.unwrap_or(RevocationListError::Stranger { place, issuer }))
}

/// What of a list is signed, by which algorithm (without its tag and length), and the signature: the
/// bytes as they were received.
fn parts(bytes: &[u8]) -> Result<[&[u8]; 3], der::Error> {
    let mut reader = SliceReader::new(bytes)?;
    reader.sequence(|inside| {
        let signed = inside.tlv_bytes()?;
        let algorithm = inside.tlv_bytes()?;
        let mut within = SliceReader::new(algorithm)?;
        let header = der::Header::decode(&mut within)?;
        let algorithm = within.read_slice(header.length())?;
        let signature = BitStringRef::decode(inside)?;
        let whole = signature.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?;
        Ok([signed, algorithm, whole])
    })
}

fn moment(time: Time) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}
