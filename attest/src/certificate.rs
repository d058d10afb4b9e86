//! What an X.509 certificate says of whoever it was issued to, read without judging it.
//!
//! Keyless signatures come with a short-lived certificate instead of a key: it names who signed
//! (subject alternative names, RFC 5280, section 4.2.1.6) and who vouched for that (the OpenID
//! Connect issuer, in extensions of Fulcio, `oid-info.md` of sigstore/fulcio). Nothing is
//! verified here: anybody can write any certificate, so that what is read is a claim to search by.

use pkcs8::der::Document;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::key::{KeyError, PublicKey};
use crate::proposal::MAX_CERTIFICATE_BYTES;

mod claims;
mod key;
mod list;
mod rsa;

pub use claims::{CertificateClaims, ClaimedName, FulcioClaim};
pub use key::CertifiedKey;
pub use list::{MAX_LISTS, lists_from_pem, lists_to_pem};
pub use rsa::{MIN_EXPONENT, RsaKey};

/// The issuer as a UTF8String.
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
/// The issuer as it was written before, as bare text.
const OLD_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");

/// How many certificates one file may hold.
pub const MAX_CERTIFICATES: usize = 1_000;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Why a text holds no certificates, or bytes are none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// No certificate in it.
    #[error("it holds no `{BEGIN}`")]
    None,
    /// More than are read or written.
    #[error("it holds too many certificates")]
    TooMany,
    /// A certificate that is not one.
    #[error("certificate {0} is malformed")]
    Malformed(
        /// Which, counted from one.
        usize,
    ),
    /// No revocation list in it.
    #[error("it holds no revocation list (`BEGIN X509 CRL`, or one in DER)")]
    NoList,
    /// A revocation list that is not one.
    #[error("revocation list {0} is malformed")]
    List(
        /// Which, counted from one.
        usize,
    ),
    /// A key of an algorithm that is not signed with here.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The certificates in a PEM text (RFC 7468, section 5), in DER and in their order. Text between
/// them is passed over; what they say is not judged.
///
/// # Errors
/// [`CertificateError`] when there is none, or one is malformed.
pub fn from_pem(pem: &str) -> Result<Vec<Vec<u8>>, CertificateError> {
    let found = blocks(pem, [BEGIN, END], MAX_CERTIFICATES, |number, der| {
        let is_one = der.is_some_and(|der| {
            der.len() <= MAX_CERTIFICATE_BYTES && Certificate::from_der(der).is_ok()
        });
        if is_one { Ok(()) } else { Err(CertificateError::Malformed(number)) }
    })?;
    if found.is_empty() { Err(CertificateError::None) } else { Ok(found) }
}

/// The documents in a PEM text between two such lines, in DER and in their order; text between them
/// is passed over. `check` is given the number of each, counted from one, and what it is, unless it is
/// no PEM or has no end.
fn blocks(
    pem: &str,
    [begin, end]: [&str; 2],
    most: usize,
    check: impl Fn(usize, Option<&[u8]>) -> Result<(), CertificateError>,
) -> Result<Vec<Vec<u8>>, CertificateError> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut rest = pem;
    while let Some(start) = rest.find(begin) {
        if found.len() >= most {
            return Err(CertificateError::TooMany);
        }
        let block = rest.get(start..).unwrap_or_default();
        let end = block.find(end).map(|place| place + end.len());
        let (block, after) = block.split_at(end.unwrap_or(block.len()));
        let document = Document::from_pem(block).ok().map(|(_, document)| document);
        check(found.len() + 1, document.as_ref().map(Document::as_bytes))?;
        found.extend(document.map(|document| document.as_bytes().to_vec()));
        rest = after;
    }
    Ok(found)
}

/// The key that a certificate is for, of a kind that is also known without one.
///
/// # Errors
/// [`CertificateError`].
pub fn public_key(der: &[u8]) -> Result<PublicKey, CertificateError> {
    Ok(PublicKey::from_der(&spki(der)?)?)
}

/// The key that a certificate is for, of whatever kind.
///
/// # Errors
/// [`CertificateError`].
pub fn certified_key(der: &[u8]) -> Result<CertifiedKey, CertificateError> {
    Ok(CertifiedKey::from_der(&spki(der)?)?)
}

fn spki(der: &[u8]) -> Result<Vec<u8>, CertificateError> {
    let malformed = |_| CertificateError::Malformed(1);
    let certificate = Certificate::from_der(der).map_err(malformed)?;
    certificate.tbs_certificate().subject_public_key_info().to_der().map_err(malformed)
}

/// Whom a certificate names. Claims, until somebody judges the certificate.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClaimedIdentity {
    /// The subject alternative names that are texts (addresses, URIs, host names, and other names
    /// that are UTF-8), in their order.
    pub names: Vec<String>,
    /// The URL of the OpenID Connect issuer.
    pub issuer: Option<String>,
}

impl ClaimedIdentity {
    /// What the certificate with these bytes of DER says; nothing for what cannot be read, or has
    /// more than [`MAX_CERTIFICATE_BYTES`].
    pub fn of(der: &[u8]) -> Self {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Self::default();
        }
        let Ok(certificate) = Certificate::from_der(der) else { return Self::default() };
        let body = certificate.tbs_certificate();
        let names = match body.get_extension::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names.iter().filter_map(text).collect(),
            Ok(None) | Err(_) => Vec::new(),
        };
        let value = |id| {
            let found = body.extensions()?.iter().find(|extension| extension.extn_id == id)?;
            Some(found.extn_value.as_bytes())
        };
        let issuer = value(ISSUER)
            .and_then(|bytes| Utf8StringRef::from_der(bytes).ok().map(|text| text.as_str().into()))
            .or_else(|| value(OLD_ISSUER).and_then(|bytes| String::from_utf8(bytes.into()).ok()));
        Self { names, issuer }
    }
}

fn text(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Rfc822Name(text)
        | GeneralName::DnsName(text)
        | GeneralName::UniformResourceIdentifier(text) => Some(text.as_str().to_owned()),
        GeneralName::OtherName(other) => {
            other.value.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str().to_owned())
        }
        GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::IpAddress(_)
        | GeneralName::RegisteredId(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, SigningKey};
    use crate::proposal::tests::{certificate_with, tlv};

    /// An extension: its id in DER, and its value.
    fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
        tlv(0x30, &[&tlv(6, &[id]), &tlv(4, &[value])])
    }

    const SUBJECT_ALTERNATIVE: [u8; 3] = [0x55, 0x1d, 0x11];
    /// 1.3.6.1.4.1.57264.1, without the last number.
    const FULCIO: [u8; 9] = [0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1];

    fn read(extensions: &[Vec<u8>]) -> ClaimedIdentity {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        ClaimedIdentity::of(&certificate_with(key.public(), extensions))
    }

    #[test]
    fn names_and_issuers_are_read() {
        let fulcio = |last: u8, value: &[u8]| extension(&[&FULCIO[..], &[last]].concat(), value);
        let names = |names: &[Vec<u8>]| {
            let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            extension(&SUBJECT_ALTERNATIVE, &tlv(0x30, &names))
        };
        let mail = tlv(0x81, &[b"dev@example.com"]);
        let uri = tlv(0x86, &[b"https://ci.example/job/7"]);
        let host = tlv(0x82, &[b"ci.example"]);
        let address = tlv(0x87, &[&[127, 0, 0, 1]]);
        let other_id = tlv(6, &[&[&FULCIO[..], &[7]].concat()]);
        let other = tlv(0xa0, &[&other_id, &tlv(0xa0, &[&tlv(0x0c, &["rené".as_bytes()])])]);
        let new = fulcio(8, &tlv(0x0c, &[b"https://login.example"]));
        let old = fulcio(1, b"https://old.example");
        type Case<'a> = (&'a str, Vec<Vec<u8>>, &'a [&'a str], Option<&'a str>);
        let cases: [Case<'_>; 8] = [
            ("nothing", vec![], &[], None),
            ("an address", vec![names(std::slice::from_ref(&mail))], &["dev@example.com"], None),
            (
                "all texts, and what is none",
                vec![names(&[uri.clone(), address, host, other])],
                &["https://ci.example/job/7", "ci.example", "rené"],
                None,
            ),
            (
                "a name and its issuer",
                vec![names(std::slice::from_ref(&mail)), new.clone()],
                &["dev@example.com"],
                Some("https://login.example"),
            ),
            ("the old issuer", vec![old.clone()], &[], Some("https://old.example")),
            ("both", vec![old, new], &[], Some("https://login.example")),
            ("an issuer of another kind", vec![fulcio(8, &tlv(4, &[b"x"]))], &[], None),
            (
                "names that are none",
                vec![extension(&SUBJECT_ALTERNATIVE, b"dev@example.com")],
                &[],
                None,
            ),
        ];
        for (name, extensions, names, issuer) in cases {
            let found = read(&extensions);
            assert_eq!(found.names, names, "{name}");
            assert_eq!(found.issuer.as_deref(), issuer, "{name}");
        }
    }

    #[test]
    fn what_is_no_certificate_claims_nothing() {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        let mail = tlv(0x30, &[&tlv(0x81, &[b"dev@example.com"])]);
        let good = certificate_with(key.public(), &[extension(&SUBJECT_ALTERNATIVE, &mail)]);
        assert_eq!(ClaimedIdentity::of(&good).names, ["dev@example.com"]);
        let cases = [&good[1..], &good[..good.len() - 1], b"", &[0x30; MAX_CERTIFICATE_BYTES + 1]];
        for bytes in cases {
            assert_eq!(ClaimedIdentity::of(bytes), ClaimedIdentity::default());
        }
    }
}
