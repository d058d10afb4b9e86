//! Everything that a certificate says, for a person to read. Nobody is believed for any of it.
//!
//! Source: RFC 5280, sections 4.1 and 4.2; `oid-info.md` of sigstore/fulcio for its extensions.
//! What cannot be read is said to be unreadable, never left out: whoever reads the list would take
//! what is missing for what is not there.

use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::time::Time;

use super::{CertificateError, CertifiedKey, MAX_CERTIFICATE_BYTES};
use crate::digest::{Sha256, to_hex};
use crate::key::KeyError;

/// The extensions of Fulcio, without their last number.
const FULCIO: &str = "1.3.6.1.4.1.57264.1.";

/// What a certificate says, every part of it a claim.
#[derive(Clone, Debug)]
pub struct CertificateClaims {
    /// The number that the issuer gave it, in lowercase hex.
    pub serial: String,
    /// Who is said to have issued it, as RFC 4514 writes names; may be empty.
    pub issuer: String,
    /// Whom it is for, as RFC 4514 writes names; may be empty.
    pub subject: String,
    /// The first second in which it holds.
    pub not_before: Timestamp,
    /// The last second in which it holds.
    pub not_after: Timestamp,
    /// How it is signed: a word, or an object identifier in dots.
    pub signed_with: String,
    /// Of which algorithm its key is: a word, or an object identifier in dots.
    pub key_algorithm: String,
    /// The SHA-256 digest of its SubjectPublicKeyInfo in DER.
    pub identity: Sha256,
    /// Its key, if signatures can be checked with it here.
    pub key: Result<CertifiedKey, KeyError>,
    /// Whom it names, in its order (RFC 5280, section 4.2.1.6).
    pub names: Vec<ClaimedName>,
    /// Whether it may issue certificates; `None` when that cannot be read.
    pub is_authority: Option<bool>,
    /// What its key may be used for: words, or object identifiers in dots.
    pub usages: Vec<String>,
    /// The claims of Fulcio, in the order of their extensions.
    pub fulcio: Vec<FulcioClaim>,
    /// The object identifiers of all other extensions, each with whether it is critical.
    pub others: Vec<(String, bool)>,
}

/// One of the names for which a certificate was issued.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimedName {
    /// What kind of name.
    pub kind: &'static str,
    /// The name; `None` when it cannot be read as a text.
    pub value: Option<String>,
}

/// What an extension of Fulcio says of the login or the job that asked for the certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FulcioClaim {
    /// The last number of the extension's identifier, 1.3.6.1.4.1.57264.1.`number`.
    pub number: u32,
    /// What the number stands for.
    pub name: &'static str,
    /// The value; `None` when it cannot be read as a text.
    pub value: Option<String>,
}

impl CertificateClaims {
    /// What the certificate with these bytes of DER says.
    ///
    /// # Errors
    /// [`CertificateError::Malformed`] when it is none, or has more than 16 KiB.
    pub fn of(der: &[u8]) -> Result<Self, CertificateError> {
        let malformed = || CertificateError::Malformed(1);
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(malformed());
        }
        let certificate = Certificate::from_der(der).map_err(|_| malformed())?;
        let body = certificate.tbs_certificate();
        let moment = |time: Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
            Timestamp::from_second(seconds).ok()
        };
        let key = body.subject_public_key_info();
        let spki = key.to_der().map_err(|_| malformed())?;
        let is_authority = match body.get_extension::<BasicConstraints>() {
            Ok(Some((_, constraints))) => Some(constraints.ca),
            Ok(None) => Some(false),
            Err(_) => None,
        };
        let mut claims = Self {
            serial: to_hex(body.serial_number().as_bytes()),
            issuer: body.issuer().to_string(),
            subject: body.subject().to_string(),
            not_before: moment(body.validity().not_before).ok_or_else(malformed)?,
            not_after: moment(body.validity().not_after).ok_or_else(malformed)?,
            signed_with: word(certificate.signature_algorithm().oid),
            key_algorithm: word(key.algorithm.oid),
            identity: Sha256::of(&spki),
            key: CertifiedKey::from_der(&spki),
            names: names(&certificate),
            is_authority,
            usages: usages(&certificate),
            fulcio: Vec::new(),
            others: Vec::new(),
        };
        for extension in body.extensions().into_iter().flatten() {
            let id = extension.extn_id.to_string();
            let number = id.strip_prefix(FULCIO).and_then(|rest| rest.parse().ok());
            if let Some(number) = number {
                let value = fulcio_value(number, extension.extn_value.as_bytes());
                claims.fulcio.push(FulcioClaim { number, name: fulcio_name(number), value });
            } else if !SHOWN.contains(&id.as_str()) {
                claims.others.push((id, extension.critical));
            }
        }
        Ok(claims)
    }
}

/// The extensions that are read: names, constraints, and usages.
const SHOWN: [&str; 4] = ["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37"];

fn names(certificate: &Certificate) -> Vec<ClaimedName> {
    match certificate.tbs_certificate().get_extension::<SubjectAltName>() {
        Ok(Some((_, SubjectAltName(names)))) => names.iter().map(ClaimedName::of).collect(),
        Ok(None) => Vec::new(),
        Err(_) => vec![ClaimedName { kind: "names", value: None }],
    }
}

impl ClaimedName {
    fn of(name: &GeneralName) -> Self {
        let (kind, value) = match name {
            GeneralName::Rfc822Name(text) => ("email", Some(text.as_str().to_owned())),
            GeneralName::DnsName(text) => ("host", Some(text.as_str().to_owned())),
            GeneralName::UniformResourceIdentifier(text) => {
                let text = text.as_str();
                // A workload's identity (SPIFFE ID, section 2); whether it is a good one, `verify` says.
                let kind = if text.starts_with("spiffe://") { "SPIFFE" } else { "URI" };
                (kind, Some(text.to_owned()))
            }
            GeneralName::OtherName(other) => {
                let text = other.value.decode_as::<Utf8StringRef<'_>>().ok();
                ("other", text.map(|text| text.as_str().to_owned()))
            }
            GeneralName::DirectoryName(name) => ("directory", Some(name.to_string())),
            GeneralName::IpAddress(bytes) => ("address", address(bytes.as_bytes())),
            GeneralName::RegisteredId(id) => ("registered", Some(id.to_string())),
            GeneralName::EdiPartyName(_) => ("EDI party", None),
        };
        Self { kind, value }
    }
}

/// RFC 5280, section 4.2.1.6: four bytes or sixteen.
fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string());
    let sixteen = || {
        <[u8; 16]>::try_from(bytes).map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()).ok()
    };
    four.ok().or_else(sixteen)
}

fn usages(certificate: &Certificate) -> Vec<String> {
    let body = certificate.tbs_certificate();
    let mut found = Vec::new();
    match body.get_extension::<KeyUsage>() {
        Ok(Some((_, usage))) => {
            let bits = [
                ("digital signature", usage.digital_signature()),
                ("content commitment", usage.non_repudiation()),
                ("key encipherment", usage.key_encipherment()),
                ("data encipherment", usage.data_encipherment()),
                ("key agreement", usage.key_agreement()),
                ("issuing certificates", usage.key_cert_sign()),
                ("signing revocation lists", usage.crl_sign()),
            ];
            found.extend(bits.iter().filter(|(_, set)| *set).map(|(name, _)| (*name).to_owned()));
        }
        Ok(None) => {}
        Err(_) => found.push("key usage that is unreadable".into()),
    }
    match body.get_extension::<ExtendedKeyUsage>() {
        Ok(Some((_, ExtendedKeyUsage(usages)))) => found.extend(usages.into_iter().map(word)),
        Ok(None) => {}
        Err(_) => found.push("extended key usage that is unreadable".into()),
    }
    found
}

/// RFC 5280, 5480, 8017, 8410: what is met most, in words; anything else in dots.
fn word(id: ObjectIdentifier) -> String {
    let dots = id.to_string();
    let known = match dots.as_str() {
        "1.2.840.10045.2.1" => "elliptic curve",
        "1.2.840.10045.4.3.2" => "ECDSA with SHA-256",
        "1.2.840.10045.4.3.3" => "ECDSA with SHA-384",
        "1.2.840.10045.4.3.4" => "ECDSA with SHA-512",
        "1.2.840.113549.1.1.1" => "RSA",
        "1.2.840.113549.1.1.10" => "RSASSA-PSS",
        "1.2.840.113549.1.1.11" => "RSA with SHA-256",
        "1.2.840.113549.1.1.12" => "RSA with SHA-384",
        "1.2.840.113549.1.1.13" => "RSA with SHA-512",
        "1.3.101.112" => "Ed25519",
        "1.3.6.1.5.5.7.3.1" => "TLS servers",
        "1.3.6.1.5.5.7.3.2" => "TLS clients",
        "1.3.6.1.5.5.7.3.3" => "code signing",
        "1.3.6.1.5.5.7.3.4" => "email protection",
        "1.3.6.1.5.5.7.3.8" => "timestamping",
        _ => return dots,
    };
    known.to_owned()
}

/// The first six are bare text, the others a UTF8String in DER.
fn fulcio_value(number: u32, bytes: &[u8]) -> Option<String> {
    match number {
        1..=6 => String::from_utf8(bytes.to_vec()).ok(),
        _ => Utf8StringRef::from_der(bytes).ok().map(|text| text.as_str().to_owned()),
    }
}

const fn fulcio_name(number: u32) -> &'static str {
    match number {
        1 | 8 => "issuer of the login",
        2 => "trigger (deprecated)",
        3 => "commit (deprecated)",
        4 => "workflow name (deprecated)",
        5 => "repository name (deprecated)",
        6 => "ref (deprecated)",
        7 => "user name",
        9 => "build signer",
        10 => "build signer digest",
        11 => "runner",
        12 => "repository",
        13 => "commit",
        14 => "ref",
        15 => "repository id",
        16 => "repository owner",
        17 => "repository owner id",
        18 => "build configuration",
        19 => "build configuration digest",
        20 => "trigger",
        21 => "run",
        22 => "visibility",
        23 => "environment",
        _ => "claim of Fulcio",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, SigningKey};
    use crate::proposal::tests::{certificate_with, tlv};

    fn extension(id: &[u8], value: &[u8]) -> Vec<u8> {
        tlv(0x30, &[&tlv(6, &[id]), &tlv(4, &[value])])
    }

    fn read(extensions: &[Vec<u8>]) -> CertificateClaims {
        let key = SigningKey::generate(Algorithm::P256).unwrap();
        CertificateClaims::of(&certificate_with(key.public(), extensions)).unwrap()
    }

    #[test]
    fn every_name_is_said_and_none_left_out() {
        let host = tlv(0x82, &[b"ci.example"]);
        type Case<'a> = (&'a str, Vec<u8>, &'a str, Option<&'a str>);
        let cases: [Case<'_>; 9] = [
            ("an address", tlv(0x87, &[&[127, 0, 0, 1]]), "address", Some("127.0.0.1")),
            ("an address of five bytes", tlv(0x87, &[&[127, 0, 0, 1, 1]]), "address", None),
            ("a mail address", tlv(0x81, &[b"dev@example.com"]), "email", Some("dev@example.com")),
            ("a URI", tlv(0x86, &[b"https://ci.example"]), "URI", Some("https://ci.example")),
            (
                "a workload",
                tlv(0x86, &[b"spiffe://a.example/b"]),
                "SPIFFE",
                Some("spiffe://a.example/b"),
            ),
            (
                "another name",
                tlv(0xa0, &[&tlv(6, &[&[0x2a]]), &tlv(0xa0, &[&tlv(0x0c, &["rené".as_bytes()])])]),
                "other",
                Some("rené"),
            ),
            (
                "another name that is no text",
                tlv(0xa0, &[&tlv(6, &[&[0x2a]]), &tlv(0xa0, &[&tlv(4, &["rené".as_bytes()])])]),
                "other",
                None,
            ),
            ("an identifier", tlv(0x88, &[&[0x2a, 3]]), "registered", Some("1.2.3")),
            ("a directory name", tlv(0xa4, &[&tlv(0x30, &[])]), "directory", Some("")),
        ];
        for (case, name, kind, value) in cases {
            let names = read(&[extension(&[0x55, 0x1d, 0x11], &tlv(0x30, &[&host, &name]))]).names;
            let want = ClaimedName { kind, value: value.map(str::to_owned) };
            assert_eq!(names.len(), 2, "{case}");
            assert_eq!(names.get(1), Some(&want), "{case}");
        }
        let broken = read(&[extension(&[0x55, 0x1d, 0x11], b"ci.example")]).names;
        assert_eq!(broken, [ClaimedName { kind: "names", value: None }]);
        assert!(read(&[]).names.is_empty());
    }

    #[test]
    fn claims_of_fulcio_are_named() {
        let fulcio = |last: u8, value: &[u8]| {
            extension(&[0x2b, 6, 1, 4, 1, 0x83, 0xbf, 0x30, 1, last], value)
        };
        let found = read(&[
            fulcio(1, b"https://login.example"),
            fulcio(11, &tlv(0x0c, &[b"self-hosted"])),
            fulcio(12, b"bare text"),
            extension(&[0x55, 0x1d, 0x0e], b"key"),
        ]);
        let values: Vec<_> = found
            .fulcio
            .iter()
            .map(|claim| (claim.number, claim.name, claim.value.as_deref()))
            .collect();
        assert_eq!(
            values,
            [
                (1, "issuer of the login", Some("https://login.example")),
                (11, "runner", Some("self-hosted")),
                (12, "repository", None),
            ]
        );
        assert_eq!(found.others, [("2.5.29.14".to_owned(), false)]);
        assert_eq!(found.is_authority, Some(false));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let key = SigningKey::generate(Algorithm::P384).unwrap();
        let good = certificate_with(key.public(), &[]);
        let claims = CertificateClaims::of(&good).unwrap();
        assert_eq!(claims.identity, key.public().id().digest());
        assert_eq!(claims.not_before.to_string(), "2026-01-01T00:00:00Z");
        let longer = [&good[..], b"x"].concat();
        let large = vec![0x30; MAX_CERTIFICATE_BYTES + 1];
        for bytes in [&good[1..], &good[..good.len() - 1], &longer, b"", &large] {
            assert!(CertificateClaims::of(bytes).is_err());
        }
    }
}
