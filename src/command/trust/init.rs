//! `assay trust init`: makes version 1 of a trust document of the trust file, and registers it.
//!
//! The first version is believed because its digest is: nobody was there to sign for it. So the
//! line that it prints carries the digest, and other machines take the document by that line alone.

use std::path::{Path, PathBuf};

use ::attest::predicate::{Document, TrustVersion};
use ::attest::{ArtifactId, Predicate, ResourceDescriptor, Sha256, Statement, Timestamp};
use ::verify::{Duty, Governance, Role, Trust};
use clap::Args;
use serde::Serialize;

use super::join::JoinLine;
use crate::context::Context;
use crate::error::Error;
use crate::governed::{self, Draft};
use crate::home::{self, Existing, Readers};
use crate::keys::{self, KeyFile, KeysError};
use crate::moment::Moment;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::source::Source;

/// Make the trust file the first version of a registered document that has owners
///
/// From then on a new version counts when as many of its owners as it says have signed it, and
/// those of the new one too. A file that a first use made stays marked `local` unless other owners
/// than the key `local` are named; it satisfies no stage that enforces where others are answered.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay trust init --owner ana --owner ben --owner cem --threshold 2 --policy-owner pia
  assay trust init                                the key `local` alone, for one person")]
pub(super) struct InitArgs {
    /// A key of the trust file that owns the document; otherwise `local`
    #[arg(long = "owner", value_name = "NAME")]
    owners: Vec<String>,

    /// How many owners must sign a new version
    #[arg(long, value_name = "N", default_value_t = 1)]
    threshold: usize,

    /// A key that owns the policies; otherwise the owners of the document
    #[arg(long = "policy-owner", value_name = "NAME")]
    policy_owners: Vec<String>,

    /// How many owners must sign that a policy is active
    #[arg(long, value_name = "N", default_value_t = 1)]
    policy_threshold: usize,

    /// How long the version is believed
    #[arg(long, value_name = "TIME", default_value = "365d")]
    expires: Moment,

    /// Name or file of the owner's key that registers it; otherwise the first owner's
    #[arg(long, value_name = "NAME|FILE", env = keys::KEY, hide_env = true)]
    key: Option<String>,
}

impl InitArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Begun, Error> {
        let home = cx.home()?;
        let path = named.map_or_else(|| home.trust(), Path::to_owned);
        let source = Source::open_or_create(&home, cx)?;
        let mut trust = cx.trust(named)?;
        if trust.governance().is_some() {
            return Err(Error::Governed(path));
        }
        let owners = match self.owners.as_slice() {
            [] => vec![keys::LOCAL],
            named => named.iter().map(String::as_str).collect(),
        };
        let expires = later(self.expires, cx)?;
        let policy_owners = match self.policy_owners.as_slice() {
            [] => owners.clone(),
            named => named.iter().map(String::as_str).collect(),
        };
        if owners != [keys::LOCAL] {
            trust.set_local(false);
        }
        let role = |duty, names: &[&str], threshold, any: &[&str]| {
            Role::new(duty, names, threshold, any, any, &trust)
        };
        let made = role(Duty::Trust, &owners, self.threshold, &[]).and_then(|first| {
            let second = role(Duty::Policy, &policy_owners, self.policy_threshold, &["*"])?;
            Governance::new(1, expires, None, vec![first, second], &trust)
        });
        let governance = made.map_err(Error::Governance)?;
        trust.govern(governance).map_err(Error::Governance)?;

        let origin = governed::origin(&source)?;
        if trust.log(&origin).is_none() {
            return Err(Error::UnnamedRegister(origin));
        }
        let mut draft = Draft::new(statement(&trust, cx.now))?;
        let owner = self.key.as_deref().or(owners.first().copied());
        draft.sign(&open_key(owner, cx)?)?;
        let signed = draft.signed_by(&[&trust], |_| true);
        if signed.is_empty() {
            return Err(Error::NoOwner(owner.unwrap_or_default().into()));
        }
        // Registered first: a file that says version 1 has it in the register.
        let entry = draft.register(signed, &source, cx)?;
        home::write(&path, trust.to_yaml().as_bytes(), Readers::All, Existing::Replaced)?;
        super::file::say_who_has_read_it(&path, cx)?;
        governed::remember(&origin, &trust, cx)?;
        let join = JoinLine::new(&origin, source.url(), trust.digest());
        Ok(Begun {
            version: "assay/trust-begun/v1",
            digest: trust.digest(),
            expires,
            local: trust.is_local(),
            entry,
            path,
            join: join.to_string(),
        })
    }
}

/// The statement of a version.
pub(super) fn statement(trust: &Trust, now: Timestamp) -> Statement {
    let governance = trust.governance();
    let said = TrustVersion {
        version: governance.map_or(0, Governance::version),
        expires_on: governance.map_or(now, Governance::expires),
        previous: governance.and_then(Governance::previous),
        document: Document::new(trust.to_yaml()),
        proposed_on: Some(now),
    };
    let subject = ResourceDescriptor::of("trust.yaml", &ArtifactId::file(trust.digest()));
    Statement { subject: vec![subject], predicate: Predicate::TrustVersion(Box::new(said)) }
}

/// A time that is still to come.
pub(super) fn later(until: Moment, cx: &Context<'_>) -> Result<Timestamp, Error> {
    // Whole seconds: people read it.
    let until = until.after(cx.now).map(|end| end.as_second());
    let until = until.and_then(|end| Timestamp::from_second(end).ok());
    until.filter(|end| *end > cx.now).ok_or(Error::PastUntil)
}

/// The key of an owner.
pub fn open_key(name: Option<&str>, cx: &Context<'_>) -> Result<::attest::SigningKey, Error> {
    let home = cx.home()?;
    let file = KeyFile::find(&home, name)?.ok_or_else(|| {
        let name = name.unwrap_or(keys::LOCAL).into();
        Error::Keys(KeysError::NotFound { name, known: keys::names(&home) })
    })?;
    file.open(cx.printer)
}

/// The first version, and how others come to believe it.
#[derive(Serialize)]
pub(super) struct Begun {
    version: &'static str,
    digest: Sha256,
    expires: Timestamp,
    local: bool,
    /// Where it is registered.
    entry: u64,
    path: PathBuf,
    join: String,
}

impl Answer for Begun {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, "version 1")
            .text(" of the trust document, until ")
            .line(self.expires);
        page.put(Tone::Faint, "  digest  ").line(self.digest);
        page.put(Tone::Faint, "  entry   ").line(self.entry);
        page.put(Tone::Faint, "  file    ").line(self.path.display());
        if self.local {
            page.put(Tone::Warn, "  local").line(
                ": it satisfies no stage that enforces where others are answered; name owners with `--owner`",
            );
        }
        page.line(
            "others believe it with this line, wherever they get it from somebody they know:",
        );
        page.text("  assay trust join ").line(&self.join);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
