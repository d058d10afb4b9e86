//! Authorities, clocks and the signers that authorities certify, as the trust file spells them.

use attest::{KeyError, certificate};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use webpki::anchor_from_trusted_cert;

use super::{
    MAX_ENTRIES, MAX_ROOTS, PatternEntry, SignerEntry, TrustError, WrittenSigner, custody_entry,
    given, may_entry, parse_custody, parse_grant, parse_pattern, pattern_entry, place, room, text,
    unplaced, written_may,
};
use crate::authority::{
    MAX_REVOCATION_LISTS, NameKind, NameRule, RevocationList, TimestampAuthority, Usage, weakness,
};
use crate::trust::authority::NOW;
use crate::trust::{CertifiedSigner, Custody, May, Trust, TrustedAuthority, TrustedClock, Window};

/// How many certificates an authority may have of either kind.
const MAX_CERTIFICATES: usize = 64;
/// How many clocks an authority may be given.
const MAX_CLOCKS: usize = 16;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AuthorityEntry {
    id: Spanned<String>,
    /// Certificates in PEM.
    roots: Spanned<String>,
    #[serde(default, deserialize_with = "given")]
    intermediates: Option<Spanned<String>>,
    /// Revocation lists in PEM.
    #[serde(default, deserialize_with = "given")]
    revocation_lists: Option<Spanned<String>>,
    #[serde(default)]
    usage: UsageEntry,
    #[serde(default)]
    clocks: Vec<Spanned<String>>,
}

#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
enum UsageEntry {
    #[default]
    CodeSigning,
    ClientAuth,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClockEntry {
    id: Spanned<String>,
    /// Certificates in PEM, its own first.
    certificates: Spanned<String>,
    #[serde(default, deserialize_with = "given")]
    valid_from: Option<attest::Timestamp>,
    #[serde(default, deserialize_with = "given")]
    valid_until: Option<attest::Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenAuthority<'a> {
    id: &'a str,
    roots: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    intermediates: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_lists: Option<&'a str>,
    usage: UsageEntry,
    clocks: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenClock<'a> {
    id: &'a str,
    certificates: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<attest::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<attest::Timestamp>,
}

impl Trust {
    /// Adds an authority of certificates under `name`: certificates in PEM, which its signers'
    /// lead to, others between them that need not come with a signature, and the names of what may
    /// prove when something was signed. The digest becomes that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    pub fn add_authority(
        &mut self,
        name: &str,
        roots: &str,
        intermediates: Option<&str>,
        usage: Usage,
        clocks: &[&str],
    ) -> Result<(), TrustError> {
        self.enter_authority(AuthorityEntry {
            id: unplaced(name),
            roots: unplaced(roots),
            intermediates: intermediates.map(unplaced),
            revocation_lists: None,
            usage: usage_entry(usage),
            clocks: clocks.iter().map(|clock| unplaced(clock)).collect(),
        })?;
        self.seal();
        Ok(())
    }

    /// Gives the authority called `name` these revocation lists, in PEM, instead of any that it has.
    /// From then on every certificate under it must be spoken of by a list. The digest becomes that
    /// of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// [`TrustError::RevocationLists`], [`TrustError::UnknownAuthority`], and
    /// [`TrustError::TooMany`] above [`MAX_REVOCATION_LISTS`].
    pub fn set_revocation_lists(&mut self, name: &str, pem: &str) -> Result<(), TrustError> {
        let mut all = self.authorities.iter_mut();
        let authority = all.find(|authority| authority.name == name);
        let authority =
            authority.ok_or_else(|| TrustError::UnknownAuthority { name: name.into() })?;
        let issuers = [&authority.roots[..], &authority.intermediates[..]].concat();
        authority.lists = lists(&unplaced(pem), name, &issuers)?;
        authority.lists_pem = Some(pem.into());
        self.seal();
        Ok(())
    }

    /// Adds a clock under `name`, which is believed in what it tells of the times in `window`. The
    /// digest becomes that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    pub fn add_clock(
        &mut self,
        name: &str,
        certificates: &str,
        window: Window,
    ) -> Result<(), TrustError> {
        self.enter_clock(&ClockEntry {
            id: unplaced(name),
            certificates: unplaced(certificates),
            valid_from: window.from,
            valid_until: window.until,
        })?;
        self.seal();
        Ok(())
    }

    /// Adds a signer under `name` whom `authority` certifies under a name that `rule` matches. The
    /// digest becomes that of [`Trust::to_yaml`].
    ///
    /// # Errors
    /// As [`Trust::parse`] for such an entry.
    #[allow(clippy::too_many_arguments, reason = "an entry of the trust file has as many fields")]
    pub fn add_certified_signer(
        &mut self,
        name: &str,
        authority: &str,
        rule: &NameRule,
        owner: &str,
        may: &May,
        window: Window,
        custody: Custody,
    ) -> Result<(), TrustError> {
        let pattern = || Some(pattern_entry(&rule.pattern));
        let only = |kind| if rule.kind == kind { pattern() } else { None };
        self.enter_certified(SignerEntry {
            id: unplaced(name),
            sigstore: None,
            issuer: None,
            subject: None,
            claims: std::collections::BTreeMap::new(),
            authority: Some(unplaced(authority)),
            uri: only(NameKind::Uri),
            dns: only(NameKind::Dns),
            email: only(NameKind::Email),
            owner: unplaced(owner),
            may: may_entry(may),
            valid_from: window.from,
            valid_until: window.until,
            still_counts: None,
            custody: custody_entry(custody),
        })?;
        self.seal();
        Ok(())
    }

    pub(super) fn enter_authority(&mut self, entry: AuthorityEntry) -> Result<(), TrustError> {
        let place = place(&entry.id);
        let name = text(&entry.id, "id")?.to_owned();
        if self.authority(&name).is_some() {
            return Err(TrustError::Duplicate { place, what: "authority", name });
        }
        room(self.authorities.len(), "authorities", MAX_ROOTS)?;
        let roots = certificates(&entry.roots, &name)?;
        for der in &roots {
            let der = rustls_pki_types::CertificateDer::from(der.as_slice());
            let failed = |message: String| TrustError::Certificates {
                place: super::place(&entry.roots),
                name: name.clone(),
                message,
            };
            anchor_from_trusted_cert(&der).map_err(|error| failed(error.to_string()))?;
            if let Some(error @ KeyError::Weak) = weakness(&der) {
                return Err(failed(error.to_string()));
            }
        }
        let between = entry.intermediates.as_ref();
        let intermediates = between.map(|pem| certificates(pem, &name)).transpose()?;
        let issuers = [&roots[..], intermediates.as_deref().unwrap_or_default()].concat();
        let revoked = entry.revocation_lists.as_ref();
        let revoked = revoked.map(|pem| lists(pem, &name, &issuers)).transpose()?;
        room(entry.clocks.len().saturating_sub(1), "clocks of an authority", MAX_CLOCKS)?;
        if entry.clocks.is_empty() {
            return Err(TrustError::NoClock { place, name });
        }
        let mut clocks = Vec::new();
        for clock in &entry.clocks {
            let word = text(clock, "clocks")?;
            if (word == NOW) == self.clock(word).is_some() {
                let (place, clock) = (super::place(clock), word.into());
                return Err(TrustError::NoSuchClock { place, name, clock });
            }
            clocks.push(word.to_owned());
        }
        self.authorities.push(TrustedAuthority {
            name,
            roots_pem: entry.roots.value,
            roots,
            intermediates_pem: entry.intermediates.map(|pem| pem.value),
            intermediates: intermediates.unwrap_or_default(),
            lists_pem: entry.revocation_lists.map(|pem| pem.value),
            lists: revoked.unwrap_or_default(),
            usage: match entry.usage {
                UsageEntry::CodeSigning => Usage::CodeSigning,
                UsageEntry::ClientAuth => Usage::ClientAuth,
            },
            clocks,
        });
        Ok(())
    }

    pub(super) fn enter_clock(&mut self, entry: &ClockEntry) -> Result<(), TrustError> {
        let place = place(&entry.id);
        let name = text(&entry.id, "id")?.to_owned();
        if name == NOW || self.clocks.iter().any(|clock| clock.name == name) {
            return Err(TrustError::Duplicate { place, what: "clock", name });
        }
        room(self.clocks.len(), "clocks", MAX_ROOTS)?;
        let authority = TimestampAuthority::from_pem(&entry.certificates.value);
        let authority = authority.map_err(|error| TrustError::Certificates {
            place: super::place(&entry.certificates),
            name: name.clone(),
            message: error.to_string(),
        })?;
        let window = Window { from: entry.valid_from, until: entry.valid_until };
        if window.from.zip(window.until).is_some_and(|(from, until)| from >= until) {
            return Err(TrustError::NeverValid { place, name });
        }
        self.clocks.push(TrustedClock { name, authority, window });
        Ok(())
    }

    pub(super) fn enter_certified(&mut self, entry: SignerEntry) -> Result<(), TrustError> {
        let place = place(&entry.id);
        let name = text(&entry.id, "id")?.to_owned();
        let owner = text(&entry.owner, "owner")?.to_owned();
        self.unused(&name, place)?;
        room(self.certified.len(), "certified signers", MAX_ENTRIES)?;
        let two_kinds = || TrustError::SignerKind { place, name: name.clone() };
        let strange = entry.sigstore.is_some() || entry.issuer.is_some() || entry.subject.is_some();
        let authority = entry.authority.as_ref().filter(|_| !strange && entry.claims.is_empty());
        let authority = text(authority.ok_or_else(two_kinds)?, "authority")?.to_owned();
        if self.authority(&authority).is_none() {
            return Err(TrustError::NoSuchAuthority { place, name, authority });
        }
        let rules = [
            (NameKind::Uri, &entry.uri),
            (NameKind::Dns, &entry.dns),
            (NameKind::Email, &entry.email),
        ];
        let mut rules = rules.into_iter().filter_map(|(kind, rule)| Some((kind, rule.as_ref()?)));
        let (Some((kind, rule)), None) = (rules.next(), rules.next()) else {
            return Err(TrustError::OneName { place, name });
        };
        let rule = parse_rule(kind, rule).map_err(|source| {
            let (name, field) = (name.clone(), kind.as_str());
            TrustError::Whom { place, name, field, source }
        })?;
        let custody = parse_custody(entry.custody);
        let mut grant = parse_grant(name, entry.may, entry.valid_from, entry.valid_until, place)?;
        super::needs_no_key(&grant, place)?;
        grant.still_counts = self.still_counts(entry.still_counts.as_ref(), &grant)?;
        self.certified.push(CertifiedSigner { authority, rule, owner, custody, grant });
        Ok(())
    }
}

fn parse_rule(
    kind: NameKind,
    entry: &PatternEntry,
) -> Result<NameRule, crate::sigstore::PatternError> {
    NameRule::new(kind, parse_pattern(entry)?)
}

fn certificates(pem: &Spanned<String>, name: &str) -> Result<Vec<Vec<u8>>, TrustError> {
    let failed = |message: String| TrustError::Certificates {
        place: place(pem),
        name: name.into(),
        message,
    };
    let found = certificate::from_pem(&pem.value).map_err(|error| failed(error.to_string()))?;
    room(found.len().saturating_sub(1), "certificates of an authority", MAX_CERTIFICATES)?;
    Ok(found)
}

/// Revocation lists, each signed by one of these certificates.
fn lists(
    pem: &Spanned<String>,
    name: &str,
    issuers: &[Vec<u8>],
) -> Result<Vec<RevocationList>, TrustError> {
    let found =
        certificate::lists_from_pem(&pem.value).map_err(|error| TrustError::Certificates {
            place: place(pem),
            name: name.into(),
            message: error.to_string(),
        })?;
    let what = "revocation lists of an authority";
    room(found.len().saturating_sub(1), what, MAX_REVOCATION_LISTS)?;
    let read = |(at, der): (usize, &Vec<u8>)| {
        RevocationList::of(der, at + 1, issuers).map_err(|source| TrustError::RevocationLists {
            place: place(pem),
            name: name.into(),
            source,
        })
    };
    found.iter().enumerate().map(read).collect()
}

const fn usage_entry(usage: Usage) -> UsageEntry {
    match usage {
        Usage::CodeSigning | Usage::CodeSigningIfAny => UsageEntry::CodeSigning,
        Usage::ClientAuth => UsageEntry::ClientAuth,
    }
}

pub(super) fn written_authority(authority: &TrustedAuthority) -> WrittenAuthority<'_> {
    WrittenAuthority {
        id: &authority.name,
        roots: &authority.roots_pem,
        intermediates: authority.intermediates_pem.as_deref(),
        revocation_lists: authority.lists_pem.as_deref(),
        usage: usage_entry(authority.usage),
        clocks: &authority.clocks,
    }
}

pub(super) fn written_clock(clock: &TrustedClock) -> WrittenClock<'_> {
    WrittenClock {
        id: &clock.name,
        certificates: clock.authority.pem(),
        valid_from: clock.window.from,
        valid_until: clock.window.until,
    }
}

pub(super) fn written_certified(signer: &CertifiedSigner) -> WrittenSigner<'_> {
    let CertifiedSigner { authority, rule, owner, custody, grant } = signer;
    let only = |kind| (rule.kind == kind).then(|| pattern_entry(&rule.pattern));
    WrittenSigner {
        id: &grant.name,
        sigstore: None,
        issuer: None,
        subject: None,
        claims: std::collections::BTreeMap::new(),
        authority: Some(authority),
        uri: only(NameKind::Uri),
        dns: only(NameKind::Dns),
        email: only(NameKind::Email),
        owner,
        may: written_may(&grant.may),
        valid_from: grant.valid_from,
        valid_until: grant.valid_until,
        still_counts: super::written_still(grant),
        custody: custody.as_str(),
    }
}
