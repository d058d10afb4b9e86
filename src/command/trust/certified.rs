//! Authorities of certificates, the clocks by which they are judged and the signers whom they
//! certify: adding them to the trust file, and showing them.

use std::path::PathBuf;

use ::attest::{Sha256, Timestamp, certificate};
use ::verify::{
    CertifiedSigner, NameKind, NameRule, RevocationList, Trust, TrustError, TrustedAuthority,
    TrustedClock, Usage, Window,
};
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::granted::Granted;
use super::keyless::{pattern, written};
use crate::error::Error;
use crate::home;
use crate::page::{Page, Tone};

/// An authority, a clock, or a signer whom an authority certifies.
#[derive(Args, Debug)]
#[command(next_help_heading = "Signatures with a certificate (X.509)")]
#[command(group = ArgGroup::new("san").args(["san_uri", "san_dns", "san_email"]))]
pub struct CertifiedArgs {
    /// Trust an authority of certificates: its root certificates in PEM, which are kept in the
    /// trust file
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["name", "clocks"],
        conflicts_with_all = ["public", "log", "verifier", "sigstore", "signer"]
    )]
    authority: Option<PathBuf>,

    /// Certificates between the authority and its signers that need not come with a signature
    #[arg(long, value_name = "FILE", requires = "authority")]
    intermediates: Option<PathBuf>,

    /// A revocation list of the authority, or of one between, in PEM or DER; may be given several
    /// times. From then on every certificate must be spoken of by one
    #[arg(long = "crl", value_name = "FILE", requires = "authority")]
    lists: Vec<PathBuf>,

    /// What may prove when its signers signed: a clock, a Sigstore instance or a witnessed log of
    /// the trust file, or `now`, the time of judging; may be given several times
    #[arg(long = "clock", value_name = "NAME", requires = "authority")]
    clocks: Vec<String>,

    /// What its certificates must be for; `client-auth` is what workload identities have
    #[arg(
        long,
        value_name = "USAGE",
        requires = "authority",
        value_parser = ["code-signing", "client-auth"]
    )]
    usage: Option<String>,

    /// Trust a timestamp authority (RFC 3161): its certificates in PEM, its own first, its root
    /// last; an authority that is to be judged by it names it with `--clock`
    #[arg(
        long,
        value_name = "FILE",
        requires = "name",
        conflicts_with_all = ["public", "log", "verifier", "sigstore", "signer", "authority"]
    )]
    timestamp_authority: Option<PathBuf>,

    /// The authority that must have certified the signer, by its name in the trust file
    #[arg(long, value_name = "NAME", requires_all = ["signer", "san"], conflicts_with = "instance")]
    certified_by: Option<String>,

    /// The signer's URI, such as `spiffe://corp.example/ci/builder`: a value, `under:…`, `glob:…`
    /// or `regex:…`
    #[arg(long, value_name = "PATTERN", requires = "certified_by")]
    san_uri: Option<String>,

    /// The signer's host, in lower case
    #[arg(long, value_name = "PATTERN", requires = "certified_by")]
    san_dns: Option<String>,

    /// The signer's mail address
    #[arg(long, value_name = "PATTERN", requires = "certified_by")]
    san_email: Option<String>,
}

impl CertifiedArgs {
    /// Adds the authority or the clock, if there is one; what was added, in words.
    pub fn add(
        &self,
        name: Option<&str>,
        window: Window,
        trust: &mut Trust,
    ) -> Result<Option<Result<String, TrustError>>, Error> {
        let name = name.unwrap_or_default();
        if let Some(path) = &self.timestamp_authority {
            let pem = home::read_text(path)?;
            let added = trust.add_clock(name, &pem, window);
            return Ok(Some(added.map(|()| format!("clock {name}"))));
        }
        let Some(path) = &self.authority else { return Ok(None) };
        let roots = home::read_text(path)?;
        let between = self.intermediates.as_ref().map(|path| home::read_text(path)).transpose()?;
        let usage = match self.usage.as_deref() {
            Some("client-auth") => Usage::ClientAuth,
            _ => Usage::CodeSigning,
        };
        let clocks: Vec<&str> = self.clocks.iter().map(String::as_str).collect();
        let lists = revocation_lists(&self.lists)?;
        let added = trust.add_authority(name, &roots, between.as_deref(), usage, &clocks);
        let added = added.and_then(|()| match lists.as_str() {
            "" => Ok(()),
            pem => trust.set_revocation_lists(name, pem),
        });
        Ok(Some(added.map(|()| format!("authority {name}, judged by {}", clocks.join(", ")))))
    }

    /// The authority of the signer to add and the rule for its name, if it is a certified one.
    pub fn signer(&self) -> Result<Option<(&str, NameRule)>, Error> {
        let Some(authority) = &self.certified_by else { return Ok(None) };
        let rules = [
            (NameKind::Uri, &self.san_uri),
            (NameKind::Dns, &self.san_dns),
            (NameKind::Email, &self.san_email),
        ];
        let rule = rules.into_iter().find_map(|(kind, text)| Some((kind, text.as_ref()?)));
        let Some((kind, text)) = rule else { return Err(Error::NothingToTrust) };
        let rule = NameRule::new(kind, pattern(text)?).map_err(Error::Pattern)?;
        Ok(Some((authority, rule)))
    }
}

/// The revocation lists in these files, in PEM, one after the other.
pub fn revocation_lists(paths: &[PathBuf]) -> Result<String, Error> {
    let mut all = String::new();
    for path in paths {
        let pem = certificate::lists_to_pem(&home::read(path)?)
            .map_err(|source| Error::RevocationList { path: path.clone(), source })?;
        all.push_str(pem.trim_end());
        all.push('\n');
    }
    Ok(all)
}

/// An authority, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorityRow {
    name: String,
    /// The digests of its certificates.
    certificates: Vec<Sha256>,
    usage: &'static str,
    clocks: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    revocation_lists: Vec<ListRow>,
}

/// A revocation list, as it is shown.
#[derive(Serialize)]
pub struct ListRow {
    digest: Sha256,
    issuer: String,
    from: Timestamp,
    until: Timestamp,
    /// How many certificates are on it.
    revoked: usize,
}

/// A clock, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockRow {
    name: String,
    certificate: Sha256,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Timestamp>,
}

/// A certified signer, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertifiedRow {
    name: String,
    owner: String,
    authority: String,
    kind: &'static str,
    pattern: String,
    #[serde(flatten)]
    granted: Granted,
}

impl AuthorityRow {
    pub fn of(authority: &TrustedAuthority) -> Self {
        Self {
            name: authority.name().into(),
            certificates: authority.roots().iter().map(|der| Sha256::of(der)).collect(),
            usage: match authority.usage() {
                Usage::ClientAuth => "clientAuth",
                _ => "codeSigning",
            },
            clocks: authority.clocks().to_vec(),
            revocation_lists: authority.revocation_lists().iter().map(ListRow::of).collect(),
        }
    }

    pub fn draw(&self, page: &mut Page) {
        page.put(Tone::Faint, "authority ").text(&self.name);
        page.line(format_args!(" for {}, judged by {}", self.usage, self.clocks.join(", ")));
        for certificate in &self.certificates {
            page.put(Tone::Faint, "          ").put(Tone::Faint, certificate).end();
        }
        for list in &self.revocation_lists {
            page.line(format_args!("          {}", list.in_words()));
        }
    }
}

impl ListRow {
    pub fn of(list: &RevocationList) -> Self {
        Self {
            digest: list.digest(),
            issuer: list.issuer().into(),
            from: list.from(),
            until: list.until(),
            revoked: list.len(),
        }
    }

    pub fn in_words(&self) -> String {
        let Self { issuer, from, until, revoked, .. } = self;
        format!("revocation list of {issuer}, {revoked} on it, from {from} until {until}")
    }
}

impl ClockRow {
    pub fn of(clock: &TrustedClock) -> Self {
        Self {
            name: clock.name().into(),
            certificate: clock.certificate(),
            valid_from: clock.window().from,
            valid_until: clock.window().until,
        }
    }

    pub fn draw(&self, page: &mut Page) {
        page.put(Tone::Faint, "clock     ").text(&self.name).text("  ");
        page.put(Tone::Faint, self.certificate).end();
        for (word, time) in [("from", self.valid_from), ("until", self.valid_until)] {
            if let Some(time) = time {
                page.line(format_args!("          {word} {time}"));
            }
        }
    }
}

impl CertifiedRow {
    pub fn of(signer: &CertifiedSigner, now: Timestamp) -> Self {
        let (rule, grant) = (signer.rule(), signer.grant());
        Self {
            name: grant.name().into(),
            owner: signer.owner().into(),
            authority: signer.authority().into(),
            kind: rule.kind.as_str(),
            pattern: written(&rule.pattern),
            granted: Granted::of(grant, signer.custody(), now),
        }
    }

    pub fn draw(&self, page: &mut Page) {
        let whose = format!("{}, certified by {}", self.owner, self.authority);
        self.granted.draw_name(&self.name, &whose, page);
        page.put(Tone::Faint, format_args!("          {} ", self.kind)).line(&self.pattern);
        self.granted.draw_scope(page);
    }
}
