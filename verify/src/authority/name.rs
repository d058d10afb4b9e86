//! Whom a certificate names: its subject alternative names, read all or not at all.
//!
//! Source: RFC 5280, section 4.2.1.6; for workload identities the SPIFFE ID, section 2, and the
//! X509-SVID, section 2, both of the SPIFFE project. A certificate in which any name cannot be read
//! names nobody: two readers would find two signers in it.

use std::fmt;

use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::AssociatedOid as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::sigstore::{Pattern, PatternError, PatternKind};

/// How many names a certificate may have.
const MAX_NAMES: usize = 64;
/// The longest name that counts, in bytes: that of a SPIFFE ID.
const MAX_NAME_BYTES: usize = 2048;
/// How long the trust domain of a SPIFFE ID may be, in bytes.
const MAX_DOMAIN_BYTES: usize = 255;

/// What kind of name a rule asks for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum NameKind {
    /// A URI, of SPIFFE among others.
    Uri,
    /// A host.
    Dns,
    /// A mail address.
    Email,
}

/// One name in a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AlternativeName {
    /// The kind; `None` for other names that are texts, which no rule asks for.
    pub(crate) kind: Option<NameKind>,
    pub(crate) text: String,
}

/// Why the names of a certificate are not read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The extension, or a name in it, is not what RFC 5280 says.
    #[error("its alternative names are malformed: {0}")]
    Malformed(String),
    /// More than are looked at.
    #[error("it has {0} alternative names, more than the limit of {MAX_NAMES}")]
    TooMany(usize),
    /// A name that is empty, over-long or holds what cannot be shown.
    #[error("an alternative name of it cannot be shown as it is")]
    Text,
    /// It begins as an identity of SPIFFE and is none, or not the only URI.
    #[error("the name `{0}` is no identity of SPIFFE, or not the only URI (X509-SVID, section 2)")]
    Spiffe(String),
}

/// A name that a certificate must have, and how it is matched: one kind, one pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameRule {
    /// The kind.
    pub kind: NameKind,
    /// What the name must be, as a whole.
    pub pattern: Pattern,
}

impl NameKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Uri, Self::Dns, Self::Email];

    /// The word in the trust file and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uri => "uri",
            Self::Dns => "dns",
            Self::Email => "email",
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl NameRule {
    /// A rule that names of certificates can meet.
    ///
    /// # Errors
    /// [`PatternError::Syntax`] for a host that is not in lower case, and a URI of SPIFFE that no
    /// workload can have.
    pub fn new(kind: NameKind, pattern: Pattern) -> Result<Self, PatternError> {
        let text = pattern.text();
        if kind == NameKind::Dns && text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(PatternError::Syntax("hosts are written in lower case".into()));
        }
        let exact = pattern.kind() == PatternKind::Exact;
        if kind == NameKind::Uri && exact && begins_as_spiffe(text) && !is_spiffe(text) {
            let why = "an identity of SPIFFE is `spiffe://trust-domain/path`, plainly written";
            return Err(PatternError::Syntax(why.into()));
        }
        Ok(Self { kind, pattern })
    }

    /// Whether a name of the rule's kind is meant.
    ///
    /// Hosts are compared without case, as RFC 5280, section 7.2 has it; the rest byte by byte. A
    /// host that stands for many (`*.example`) is nobody, and a URI with `.`, `..`, empty or escaped
    /// parts matches nothing but itself, so that no pattern for a folder reaches out of it.
    pub fn matches(&self, name: &str) -> bool {
        match self.kind {
            NameKind::Uri if self.pattern.kind() != PatternKind::Exact => {
                is_plain_uri(name) && self.pattern.matches(name)
            }
            NameKind::Uri | NameKind::Email => self.pattern.matches(name),
            NameKind::Dns => {
                !name.contains('*') && self.pattern.matches(&name.to_ascii_lowercase())
            }
        }
    }
}

/// The names of a certificate, in its order.
pub(super) fn names(certificate: &Certificate) -> Result<Vec<AlternativeName>, NameError> {
    let mut all = certificate.tbs_certificate().extensions().into_iter().flatten();
    let mut own = all.by_ref().filter(|extension| extension.extn_id == SubjectAltName::OID);
    let Some(extension) = own.next() else { return Ok(Vec::new()) };
    if own.next().is_some() {
        return Err(NameError::Malformed("the extension is there twice".into()));
    }
    let SubjectAltName(found) = SubjectAltName::from_der(extension.extn_value.as_bytes())
        .map_err(|error| NameError::Malformed(error.to_string()))?;
    if found.len() > MAX_NAMES {
        return Err(NameError::TooMany(found.len()));
    }
    let mut names = Vec::new();
    for name in &found {
        names.extend(read(name)?);
    }
    let uris = || names.iter().filter(|name| name.kind == Some(NameKind::Uri));
    let mut workloads = uris().filter(|name| begins_as_spiffe(&name.text));
    if let Some(name) = workloads.next()
        && (!is_spiffe(&name.text) || uris().count() != 1)
    {
        return Err(NameError::Spiffe(name.text.clone()));
    }
    Ok(names)
}

fn read(name: &GeneralName) -> Result<Option<AlternativeName>, NameError> {
    let (kind, text) = match name {
        GeneralName::UniformResourceIdentifier(text) => (Some(NameKind::Uri), text.as_str()),
        GeneralName::DnsName(text) => (Some(NameKind::Dns), text.as_str()),
        GeneralName::Rfc822Name(text) => (Some(NameKind::Email), text.as_str()),
        GeneralName::OtherName(other) => {
            use x509_cert::der::asn1::Utf8StringRef;
            // What another name means depends on its type, of which none is known here.
            let text = other.value.decode_as::<Utf8StringRef<'_>>().ok();
            let text = text.map(|text| text.as_str().to_owned()).filter(|text| is_plain(text));
            return Ok(text.map(|text| AlternativeName { kind: None, text }));
        }
        GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::IpAddress(_)
        | GeneralName::RegisteredId(_) => return Ok(None),
    };
    if !is_plain(text) {
        return Err(NameError::Text);
    }
    Ok(Some(AlternativeName { kind, text: text.into() }))
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// Whether the parts of a URI's path stand for themselves.
fn is_plain_uri(uri: &str) -> bool {
    let Some((_, rest)) = uri.split_once("://") else { return false };
    let parts = rest.split('/');
    !rest.contains(['%', '\\', '?', '#'])
        && parts.into_iter().all(|part| !part.is_empty() && part != "." && part != "..")
}

fn begins_as_spiffe(uri: &str) -> bool {
    uri.split(':').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe"))
}

/// SPIFFE ID, sections 2.1 to 2.3: a trust domain in lower case, and a path of plain segments. A
/// workload has a path; the domain alone is the authority.
fn is_spiffe(uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix("spiffe://") else { return false };
    let Some((domain, path)) = rest.split_once('/') else { return false };
    let dashes = |byte: u8| matches!(byte, b'.' | b'-' | b'_');
    let in_domain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || dashes(byte);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || dashes(byte);
    let segment =
        |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(in_path);
    (1..=MAX_DOMAIN_BYTES).contains(&domain.len())
        && domain.bytes().all(in_domain)
        && path.split('/').all(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_of_workloads() {
        let cases = [
            ("one", "spiffe://corp.example/ci/builder", true),
            ("no path", "spiffe://corp.example", false),
            ("an empty path", "spiffe://corp.example/", false),
            ("an empty part", "spiffe://corp.example/ci//builder", false),
            ("a part above", "spiffe://corp.example/ci/../admin", false),
            ("an escape", "spiffe://corp.example/ci%2fbuilder", false),
            ("a domain in capitals", "spiffe://Corp.example/ci", false),
            ("a path in capitals", "spiffe://corp.example/CI", true),
            ("a port", "spiffe://corp.example:8443/ci", false),
            ("a user", "spiffe://me@corp.example/ci", false),
            ("a query", "spiffe://corp.example/ci?x", false),
            ("a fragment", "spiffe://corp.example/ci#x", false),
            ("another scheme", "https://corp.example/ci", false),
        ];
        for (name, uri, want) in cases {
            assert_eq!(is_spiffe(uri), want, "{name}");
        }
        assert!(begins_as_spiffe("SPIFFE://corp.example/ci"));
        assert!(!begins_as_spiffe("spiffes://corp.example/ci"));
    }

    #[test]
    fn what_a_rule_matches_and_what_it_just_does_not() {
        type Make = fn(&str) -> Result<Pattern, crate::PatternError>;
        let (exact, glob, under): (Make, Make, Make) =
            (Pattern::exact, Pattern::glob, Pattern::under);
        let (uri, dns, email) = (NameKind::Uri, NameKind::Dns, NameKind::Email);
        let ci = "spiffe://corp.example/ci";
        let cases = [
            (uri, exact, ci, "spiffe://corp.example/ci", true),
            (uri, exact, ci, "spiffe://corp.example/CI", false),
            (uri, exact, ci, "spiffe://corp.example/ci/builder", false),
            (uri, under, ci, "spiffe://corp.example/ci/builder", true),
            (uri, under, ci, "spiffe://corp.example/ci/builder/linux", true),
            (uri, under, ci, "spiffe://corp.example/ci", false),
            (uri, under, ci, "spiffe://corp.example/cicada", false),
            (uri, under, ci, "spiffe://corp.example/ci/", false),
            (uri, under, ci, "spiffe://corp.example/ci/../admin", false),
            (uri, under, ci, "spiffe://corp.example.evil/ci/builder", false),
            (uri, under, "https://corp.example/ci", "https://corp.example/ci/%2e%2e/x", false),
            (uri, glob, "spiffe://corp.example/ci/*", "spiffe://corp.example/ci/b", true),
            (uri, glob, "spiffe://corp.example/ci/*", "spiffe://corp.example/ci/b/c", false),
            (uri, glob, "spiffe://corp.example/ci/**", "spiffe://corp.example/ci/../b", false),
            (dns, exact, "build.corp.example", "build.corp.example", true),
            (dns, exact, "build.corp.example", "Build.Corp.example", true),
            (dns, exact, "build.corp.example", "build.corp.example.evil", false),
            (dns, glob, "*.corp.example", "build.corp.example", true),
            (dns, glob, "*.corp.example", "*.corp.example", false),
            (email, exact, "dev@corp.example", "dev@corp.example", true),
            (email, exact, "dev@corp.example", "Dev@corp.example", false),
            (email, glob, "*@corp.example", "dev@corp.example.evil", false),
        ];
        for (kind, make, text, name, want) in cases {
            let rule = NameRule { kind, pattern: make(text).unwrap() };
            assert_eq!(rule.matches(name), want, "{kind} {text}: {name}");
        }
    }
}
