//! Sigstore instances and the signers for whom they vouch: adding them to the trust file, and
//! showing them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ::attest::{Sha256, Timestamp};
use ::verify::{Claim, Demand, Demands, Pattern, SigstoreRoot, TrustedRoot, TrustedSigner, Whom};
use clap::Args;
use serde::Serialize;

use super::granted::Granted;
use crate::command::signed;
use crate::error::Error;
use crate::page::{Page, Tone};

/// An instance, or a signer for whom one vouches.
///
/// A pattern is `glob:…`, where `*` stops at `/` and `**` does not, or `regex:…`, which must match
/// the whole value; anything else, and `exact:…`, is the value itself.
#[derive(Args, Debug)]
#[command(next_help_heading = "Signatures without a key (Sigstore)")]
pub struct KeylessArgs {
    /// Trust a Sigstore instance: its `trusted_root.json`, which is kept in the trust file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["public", "log", "verifier", "signer"])]
    sigstore: Option<PathBuf>,

    /// Accept signatures without this evidence: `log` for an instance that logs no signatures,
    /// `certificate-log` for one that logs no certificates, `inclusion-proof` for bundles of version
    /// 0.1 that have the log's signed promise alone
    #[arg(
        long,
        value_name = "EVIDENCE",
        requires = "sigstore",
        value_parser = ["log", "certificate-log", "inclusion-proof"]
    )]
    without: Vec<String>,

    /// Trust whoever an instance vouches for, under this name
    #[arg(
        long,
        value_name = "NAME",
        requires = "voucher",
        conflicts_with_all = ["public", "log", "verifier"]
    )]
    signer: Option<String>,

    /// The instance, by its name in the trust file
    #[arg(long, value_name = "NAME", requires_all = ["signer", "issuer", "subject"])]
    instance: Option<String>,

    /// Who must vouch: the issuer in the certificate, a value, `glob:…` or `regex:…`
    #[arg(long, value_name = "PATTERN", requires = "instance")]
    issuer: Option<String>,

    /// Whom for: the subject of the certificate, a value, `glob:…` or `regex:…`
    #[arg(long, value_name = "PATTERN", requires = "instance")]
    subject: Option<String>,

    /// What the certificate must also say, such as `runner=github-hosted`; may be given several
    /// times
    #[arg(long = "claim", value_name = "NAME=PATTERN", requires = "instance")]
    claims: Vec<String>,
}

impl KeylessArgs {
    /// Whether any of it is there.
    pub const fn is_some(&self) -> bool {
        self.sigstore.is_some() || self.signer.is_some()
    }

    /// The instance to add, if there is one.
    pub fn root(&self) -> Result<Option<(SigstoreRoot, Demands)>, Error> {
        let Some(path) = &self.sigstore else { return Ok(None) };
        let demand = |word: &str| {
            let waived = self.without.iter().any(|without| without == word);
            if waived { Demand::Waived } else { Demand::Required }
        };
        let demands = Demands {
            log: demand("log"),
            certificate_log: demand("certificate-log"),
            inclusion_proof: demand("inclusion-proof"),
        };
        Ok(Some((signed::read_root(path)?, demands)))
    }

    /// The name of the signer to add, whoever vouches for it.
    pub fn name(&self) -> Option<&str> {
        self.signer.as_deref()
    }

    /// The signer to add, if there is one: its name, its instance and who it is.
    pub fn signer(&self) -> Result<Option<(&str, &str, Whom)>, Error> {
        let (Some(name), Some(instance), Some(issuer), Some(subject)) =
            (&self.signer, &self.instance, &self.issuer, &self.subject)
        else {
            return Ok(None);
        };
        let mut claims = BTreeMap::new();
        for claim in &self.claims {
            let (word, text) = claim.split_once('=').unwrap_or((claim, ""));
            let word: Claim = word.parse().map_err(Error::Claim)?;
            claims.insert(word, pattern(text)?);
        }
        let whom = Whom { issuer: pattern(issuer)?, subject: pattern(subject)?, claims };
        Ok(Some((name, instance, whom)))
    }
}

pub(super) fn pattern(text: &str) -> Result<Pattern, Error> {
    let parsed = match text.split_once(':') {
        Some(("glob", glob)) => Pattern::glob(glob),
        Some(("regex", regex)) => Pattern::regex(regex),
        Some(("under", place)) => Pattern::under(place),
        Some(("exact", value)) => Pattern::exact(value),
        _ => Pattern::exact(text),
    };
    parsed.map_err(Error::Pattern)
}

/// A pattern as it is typed.
pub(super) fn written(pattern: &Pattern) -> String {
    format!("{}:{}", pattern.kind().as_str(), pattern.text())
}

/// An instance, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RootRow {
    name: String,
    digest: Sha256,
    logs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    without: Vec<&'static str>,
}

/// A keyless signer, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerRow {
    name: String,
    owner: String,
    sigstore: String,
    issuer: String,
    subject: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    claims: BTreeMap<&'static str, String>,
    #[serde(flatten)]
    granted: Granted,
}

impl RootRow {
    pub fn of(root: &TrustedRoot) -> Self {
        let demands = root.demands();
        let all = [
            (demands.log, "log"),
            (demands.certificate_log, "certificateLog"),
            (demands.inclusion_proof, "inclusionProof"),
        ];
        let waived = all.into_iter().filter(|(demand, _)| *demand == Demand::Waived);
        Self {
            name: root.name().into(),
            digest: root.root().digest(),
            logs: root.root().logs().map(str::to_owned).collect(),
            without: waived.map(|(_, word)| word).collect(),
        }
    }

    pub fn draw(&self, page: &mut Page) {
        page.put(Tone::Faint, "sigstore  ").text(&self.name).text("  ");
        page.put(Tone::Faint, self.digest).end();
        for without in &self.without {
            page.line(format_args!("          accepted without {without}"));
        }
    }
}

impl SignerRow {
    pub fn of(signer: &TrustedSigner, now: Timestamp) -> Self {
        let (whom, grant) = (signer.whom(), signer.grant());
        let claims = whom.claims.iter();
        Self {
            name: grant.name().into(),
            owner: signer.owner().into(),
            sigstore: signer.root().into(),
            issuer: written(&whom.issuer),
            subject: written(&whom.subject),
            claims: claims.map(|(claim, one)| (claim.as_str(), written(one))).collect(),
            granted: Granted::of(grant, signer.custody(), now),
        }
    }

    pub fn draw(&self, page: &mut Page) {
        let whose = format!("{}, by {}", self.owner, self.sigstore);
        self.granted.draw_name(&self.name, &whose, page);
        page.put(Tone::Faint, "          issuer ").line(&self.issuer);
        page.put(Tone::Faint, "          subject ").line(&self.subject);
        for (claim, pattern) in &self.claims {
            page.put(Tone::Faint, format_args!("          {claim} ")).line(pattern);
        }
        self.granted.draw_scope(page);
    }
}
