//! `assay trust add`: a key, a log, a verifier, or whoever signs without a key of their own.

use std::path::{Path, PathBuf};

use ::attest::{CosignerKey, PublicKey, Timestamp, VerifierKey};
use ::verify::{Custody, May, TrustError, Window};
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::file::TrustFile;
use super::list::verifier_in_words;
use super::{certified, keyless};
use crate::context::Context;
use crate::error::Error;
use crate::keys::{self, KeyFile, KeysError};
use crate::moment::Moment;
use crate::page::{Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, to_json};

/// Trust a key, a log, or a key's verdicts
///
/// What a key may sign is said list by list; a list left out allows nothing, and `*` anything.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay trust add data.pub --name data --owner data-team \\
      --step prepare --predicate https://slsa.dev/provenance/v1 --artifact 'data/*'
  assay trust add gate.pub --name gate --owner release \\
      --predicate https://slsa.dev/verification_summary/v1 --artifact '*' --stage '*'
  assay trust add --verifier https://assay.example/gate --key gate
  assay trust add --log assay.local/4be1…+5d2e…+AT…
  assay trust add --sigstore trusted_root.json --name public
  assay trust add --signer release --instance public --owner release-team \\
      --issuer https://token.actions.githubusercontent.com \\
      --subject 'glob:https://github.com/acme/app/.github/workflows/release.yml@refs/tags/*' \\
      --claim runner=github-hosted --predicate https://slsa.dev/provenance/v1 --artifact 'app/*'
  assay trust add --timestamp-authority tsa.pem --name clock
  assay trust add --authority ca.pem --name corporate --clock clock
  assay trust add --signer builder --certified-by corporate --owner ci-team \\
      --san-uri under:spiffe://corp.example/ci --predicate https://slsa.dev/provenance/v1 \\
      --artifact 'app/*'")]
#[command(group = ArgGroup::new("who").args(["public", "signer"]).multiple(true))]
#[command(group = ArgGroup::new("voucher").args(["instance", "certified_by"]))]
#[command(group = ArgGroup::new("timed").args(["public", "signer", "timestamp_authority"]).multiple(true))]
#[command(group = ArgGroup::new("named").args(["public", "sigstore", "authority", "timestamp_authority"]).multiple(true))]
pub(super) struct AddArgs {
    /// The key: its public half in PEM, the name of a key in the `.assay` folder, or its URI
    #[arg(value_name = "KEY", required_unless_present_any = [
        "log", "verifier", "sigstore", "signer", "authority", "timestamp_authority",
    ])]
    public: Option<String>,

    /// What to call the key, or the instance, in policies and reports
    #[arg(long, requires = "named")]
    name: Option<String>,

    /// Who answers for it; "two persons" counts owners
    #[arg(long, requires = "who")]
    owner: Option<String>,

    /// A step whose statements it may sign
    #[arg(long = "step", value_name = "STEP", requires = "who")]
    steps: Vec<String>,

    /// A type of statement that it may sign: a URI, or `evaluation/v0.1` for one of Assay's own
    #[arg(long = "predicate", value_name = "URI", requires = "who")]
    predicates: Vec<String>,

    /// A pattern for the names of artifacts that it may speak of
    #[arg(long = "artifact", value_name = "GLOB", requires = "who")]
    artifacts: Vec<String>,

    /// A stage that it may promote to
    #[arg(long = "stage", value_name = "STAGE", requires = "who")]
    stages: Vec<String>,

    /// From when on it is trusted
    #[arg(long, value_name = "TIME", requires = "timed")]
    from: Option<Moment>,

    /// Until when it is trusted: `2027-03-01` or `365d`
    #[arg(long, value_name = "TIME", requires = "timed")]
    until: Option<Moment>,

    /// Whether the steps it signs for can read the key
    #[arg(long, value_parser = ["shared", "separate"], default_value = "shared")]
    custody: String,

    /// Trust a log, by its verifier key (`assay log head` shows it)
    #[arg(long, value_name = "VKEY", conflicts_with_all = ["public", "verifier"])]
    log: Option<VerifierKey>,

    /// A witness of the log that must have cosigned, by its verifier key
    #[arg(long = "witness", value_name = "VKEY", requires = "log")]
    witnesses: Vec<CosignerKey>,

    /// How many of its witnesses must have cosigned; otherwise all
    #[arg(long, value_name = "N", requires = "witnesses")]
    quorum: Option<usize>,

    /// Accept verdicts under this id when `--key` signed them
    #[arg(long, value_name = "URI", requires = "key", conflicts_with = "public")]
    verifier: Option<String>,

    /// The name of the key, or of the signer without one, that signs a verifier's verdicts
    #[arg(long, value_name = "NAME", requires = "verifier")]
    key: Option<String>,

    #[command(flatten)]
    keyless: keyless::KeylessArgs,

    #[command(flatten)]
    certified: certified::CertifiedArgs,
}

impl AddArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Added, Error> {
        let mut file = TrustFile::open_or_new(named, cx)?;
        let added = match (&self.log, &self.verifier, &self.key, &self.public) {
            (Some(log), ..) => {
                let quorum = self.quorum.unwrap_or(self.witnesses.len());
                file.change(|trust| trust.add_witnessed_log(log, &self.witnesses, quorum))?;
                format!("log {}", log.name())
            }
            (_, Some(id), Some(key), _) => {
                file.change(|trust| trust.add_verifier(id, key))?;
                let added = file.trust.verifiers().last().map(verifier_in_words);
                format!("verifier {}", added.unwrap_or_default())
            }
            (.., Some(public)) => {
                let key = self.public_key(public, cx)?;
                let name = match &self.name {
                    Some(name) => name.clone(),
                    None if KeyFile::elsewhere(public)?.is_some() => {
                        return Err(Error::Keys(KeysError::Unnamed));
                    }
                    None => stem(public),
                };
                let owner = self.owner.clone().unwrap_or_else(|| name.clone());
                let (window, custody) = (self.window(cx)?, self.custody());
                file.change(|trust| {
                    trust.add_key(&name, &key, &owner, &self.may()?, window, custody)
                })?;
                format!("key {name}")
            }
            _ => {
                let window = self.window(cx)?;
                match self.certified.add(self.name.as_deref(), window, &mut file.trust)? {
                    Some(added) => file.change(|_| added)?,
                    None if self.keyless.is_some() => self.add_keyless(&mut file, cx)?,
                    None => return Err(Error::NothingToTrust),
                }
            }
        };
        file.write(cx)?;
        let TrustFile { path, trust } = file;
        let digest = trust.digest().to_string();
        Ok(Added { version: "assay/trust-added/v1", added, path, digest })
    }

    fn add_keyless(&self, file: &mut TrustFile, cx: &Context<'_>) -> Result<String, Error> {
        if let Some((root, demands)) = self.keyless.root()? {
            let name = self.name.as_deref().unwrap_or("sigstore");
            file.change(|trust| trust.add_root(name, &root, demands))?;
            return Ok(format!("sigstore instance {name}, trusted root {}", root.digest()));
        }
        if let (Some(name), Some((authority, rule))) =
            (self.keyless.name(), self.certified.signer()?)
        {
            let owner = self.owner.as_deref().unwrap_or(name);
            let (window, custody) = (self.window(cx)?, self.custody());
            file.change(|trust| {
                let may = self.may()?;
                trust.add_certified_signer(name, authority, &rule, owner, &may, window, custody)
            })?;
            return Ok(format!("signer {name}"));
        }
        let Some((name, instance, whom)) = self.keyless.signer()? else {
            return Err(Error::NothingToTrust);
        };
        let owner = self.owner.as_deref().unwrap_or(name);
        let (window, custody) = (self.window(cx)?, self.custody());
        file.change(|trust| {
            trust.add_signer(name, instance, &whom, owner, &self.may()?, window, custody)
        })?;
        Ok(format!("signer {name}"))
    }

    fn window(&self, cx: &Context<'_>) -> Result<Window, Error> {
        Ok(Window {
            from: self.from.and_then(|moment| moment.after(cx.now)),
            until: self.until.map(|until| self.end(until, cx)).transpose()?,
        })
    }

    fn custody(&self) -> Custody {
        match self.custody.as_str() {
            "separate" => Custody::Separate,
            _ => Custody::Shared,
        }
    }

    fn end(&self, until: Moment, cx: &Context<'_>) -> Result<Timestamp, Error> {
        until.after(cx.now).filter(|end| *end > cx.now).ok_or(Error::PastUntil)
    }

    fn may(&self) -> Result<May, TrustError> {
        let predicates: Vec<String> =
            self.predicates.iter().map(|name| predicate_name::full(name)).collect();
        May::of(
            &texts(&self.steps),
            &texts(&predicates),
            &texts(&self.artifacts),
            &texts(&self.stages),
        )
    }

    fn public_key(&self, public: &str, cx: &Context<'_>) -> Result<PublicKey, Error> {
        if let Some(kept) = KeyFile::elsewhere(public)? {
            return kept.public(cx.printer);
        }
        if keys::is_name(public)
            && !PathBuf::from(public).exists()
            && let Some(home) = cx.found_home()?
            && let Some(file) = KeyFile::find(&home, Some(public))?
        {
            return file.public(cx.printer);
        }
        keys::read_public(public.as_ref())
    }
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn stem(public: &str) -> String {
    let stem = PathBuf::from(public);
    stem.file_stem().map_or_else(|| public.to_owned(), |stem| stem.to_string_lossy().into_owned())
}

#[derive(Serialize)]
pub(super) struct Added {
    version: &'static str,
    added: String,
    path: PathBuf,
    digest: String,
}

impl Answer for Added {
    fn draw(&self, page: &mut Page) {
        page.text("trusting ").put(Tone::Strong, &self.added).end();
        page.line(format_args!("written to {}", self.path.display()));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
