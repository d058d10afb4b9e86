//! `assay trust propose`, `sign` and `activate`: how a trust document gets its next version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ::attest::{KeyId, Predicate, Sha256, Timestamp};
use ::verify::{Duty, Governance, Governing, Role, Trust, read_version};
use clap::Args;
use serde::Serialize;

use super::difference::difference;
use super::init::{later, open_key, statement};
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::governed::{self, Agreement, Draft};
use crate::home::{self, Existing};
use crate::keys;
use crate::moment::Moment;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};
use crate::source::Source;

/// Write the next version of the trust document, for its owners to sign
///
/// Takes a file with what the next version is to say; `assay trust show --document` prints what
/// the one in force says. Its number, its end and the digest of the one before it are filled in.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay trust show --document > next.yaml
  assay trust add dee.pub --name dee --owner dee --trust next.yaml
  assay trust propose next.yaml --output version-2.json
  assay trust sign version-2.json --key ana
  assay trust activate version-2.json")]
pub(super) struct ProposeArgs {
    /// What the next version is to say
    file: PathBuf,

    /// Where to write the draft
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// How long the version is believed
    #[arg(long, value_name = "TIME", default_value = "365d")]
    expires: Moment,
}

impl ProposeArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Proposed, Error> {
        let (_, governing) = begun(named, cx)?;
        let now = governing.trust();
        let current = require_governed(now, named, cx)?;
        let text = home::read_text(&self.file)?;
        let broken = |source| Error::Trust { path: self.file.clone(), source };
        let mut next = Trust::parse(&text).map_err(broken)?;
        let roles = next.governance().map_or_else(|| current.roles(), Governance::roles).to_vec();
        let number = current.version().saturating_add(1);
        let previous = Some(now.digest());
        let expires = later(self.expires, cx)?;
        let governance = Governance::new(number, expires, previous, roles, &next);
        next.govern(governance.map_err(Error::Governance)?).map_err(Error::Governance)?;
        let draft = Draft::new(statement(&next, cx.now))?;
        let read = read_version(draft.statement(), governing.origin());
        read.map_err(|source| Error::Version(Box::new(source)))?;
        draft.write(&self.output, Existing::Kept)?;
        Ok(Proposed {
            version: "assay/trust-proposed/v1",
            number,
            digest: next.digest(),
            expires,
            changes: difference(now, &next),
            path: self.output.clone(),
        })
    }
}

/// Sign a draft of the trust document's next version
///
/// Says first what it changes. The signature is added to the file; several people can sign copies.
#[derive(Args, Debug)]
pub(super) struct SignArgs {
    /// The draft
    draft: PathBuf,

    /// Name or file of the owner's key; otherwise the only one, or `local`
    #[arg(long, value_name = "NAME|FILE", env = keys::KEY, hide_env = true)]
    key: Option<String>,
}

impl SignArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Standing, Error> {
        let mut draft = Draft::read(&self.draft)?;
        let (_, governing) = begun(named, cx)?;
        let next = proposed(&draft, &governing)?;
        let key = open_key(self.key.as_deref(), cx)?;
        let id = key.public().id();
        let owns = |trust: &Trust| {
            trust.governance().is_some_and(|one| one.duty(Duty::Trust).any(|role| role.has(&id)))
        };
        if !owns(governing.trust()) && !owns(&next) {
            return Err(Error::NoOwner(self.key.clone().unwrap_or_else(|| keys::LOCAL.into())));
        }
        draft.sign(&key)?;
        draft.write(&self.draft, Existing::Replaced)?;
        Ok(Standing::of(&draft, &next, &governing))
    }
}

/// Register a draft that enough owners have signed: it is in force from then on
///
/// Ends with 1 when too few have, and says who has not. Copies that several people have signed are
/// given together.
#[derive(Args, Debug)]
pub(super) struct ActivateArgs {
    /// The draft, or signed copies of it
    #[arg(required = true, value_name = "DRAFT")]
    drafts: Vec<PathBuf>,
}

impl ActivateArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Standing, Error> {
        let draft = Draft::read_all(&self.drafts)?;
        let (source, governing) = begun(named, cx)?;
        let next = proposed(&draft, &governing)?;
        let standing = Standing::of(&draft, &next, &governing);
        if !standing.met {
            return Ok(standing);
        }
        let now = governing.trust();
        // Whoever reads the leaves heeds new owners once an owner of today has spoken.
        let is_owner = |id: &KeyId| {
            now.governance().is_some_and(|one| one.duty(Duty::Trust).any(|role| role.has(id)))
        };
        let signed = draft.signed_by(&[now, &next], is_owner);
        let entry = draft.register(signed, &source, cx)?;
        let after = governed::in_force(&source, governing.begun(), cx)?;
        match after.versions().last() {
            Some(newest) if newest.body == draft.body() => {
                Ok(Standing { entry: Some(newest.index), ..standing })
            }
            _ => Err(Error::NotInForce(entry)),
        }
    }
}

/// The register that the options name, and what is in force there, from the folder's file on.
pub fn begun(named: Option<&Path>, cx: &Context<'_>) -> Result<(Source, Governing), Error> {
    let trust = cx.trust(named)?;
    require_governed(&trust, named, cx)?;
    let source = Source::open(cx)?;
    let governing = governed::in_force(&source, &trust, cx)?;
    Ok((source, governing))
}

fn require_governed<'t>(
    trust: &'t Trust,
    named: Option<&Path>,
    cx: &Context<'_>,
) -> Result<&'t Governance, Error> {
    match trust.governance() {
        Some(governance) => Ok(governance),
        None => Err(Error::Ungoverned(match named {
            Some(path) => path.to_owned(),
            None => cx.home()?.trust(),
        })),
    }
}

/// The version that a draft proposes, which must be the next one.
fn proposed(draft: &Draft, governing: &Governing) -> Result<Trust, Error> {
    if !matches!(draft.statement().predicate, Predicate::TrustVersion(_)) {
        return Err(Error::OtherDraft("a version of a trust document"));
    }
    let next = read_version(draft.statement(), governing.origin())
        .map_err(|source| Error::Version(Box::new(source)))?;
    let follows = next
        .governance()
        .is_some_and(|governance| governance.previous() == Some(governing.trust().digest()));
    // What is in force already was activated by somebody else meanwhile.
    if follows { Ok(next) } else { Err(Error::NotNext(next.digest())) }
}

/// A version that waits for signatures.
#[derive(Serialize)]
pub(super) struct Proposed {
    version: &'static str,
    number: u64,
    digest: Sha256,
    expires: Timestamp,
    changes: Vec<String>,
    path: PathBuf,
}

impl Answer for Proposed {
    fn draw(&self, page: &mut Page) {
        page.text("draft of ").put(Tone::Strong, format_args!("version {}", self.number));
        page.text(", until ").line(self.expires);
        page.put(Tone::Faint, "  digest  ").line(self.digest);
        changes(&self.changes, page);
        let path = self.path.display();
        page.line(format_args!("its owners sign it: `assay trust sign {path} --key NAME`"));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

fn changes(changes: &[String], page: &mut Page) {
    if changes.is_empty() {
        page.line("  says what the one before it says");
    }
    for change in changes {
        page.text("  ").line(change);
    }
}

/// How far a draft has come.
#[derive(Serialize)]
pub(super) struct Standing {
    version: &'static str,
    number: u64,
    digest: Sha256,
    changes: Vec<String>,
    agreements: Vec<Agreement>,
    /// Whether that is enough.
    met: bool,
    /// Where it is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u64>,
}

impl Standing {
    fn of(draft: &Draft, next: &Trust, governing: &Governing) -> Self {
        let now = governing.trust();
        let signed = draft.signed_by(&[now, next], |_| true);
        let signed: BTreeSet<KeyId> = signed.iter().map(|(key, _)| key.id()).collect();
        let trust = |role: &Role| role.duty() == Duty::Trust;
        let mut agreements = Vec::new();
        let mut met = true;
        for document in [&**now, next] {
            let Some(governance) = document.governance() else { continue };
            let of = format!("version {}", governance.version());
            agreements.extend(Agreement::of(governance, &of, &signed, document, trust));
            met &= governance.is_trust_quorum(&signed);
        }
        Self {
            version: "assay/trust-draft/v1",
            number: next.governance().map_or(0, Governance::version),
            digest: next.digest(),
            changes: difference(now, next),
            agreements,
            met,
            entry: None,
        }
    }
}

/// What was asked for: a signature, or that it be in force.
pub(super) struct Signed(pub(super) Standing);

impl Answer for Signed {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Good, "signed").text(" the draft of ");
        page.put(Tone::Strong, format_args!("version {}", self.0.number)).end();
        changes(&self.0.changes, page);
        self.0.agreements.iter().for_each(|one| one.draw(page));
        if self.0.met {
            page.line("that is enough: `assay trust activate` registers it");
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(&self.0)
    }
}

impl Answer for Standing {
    fn exit(&self) -> Exit {
        if self.entry.is_some() { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        match self.entry {
            Some(entry) => {
                page.put(Tone::Good, "in force").text(": ");
                page.put(Tone::Strong, format_args!("version {}", self.number));
                page.line(format_args!(" of the trust document, by entry {entry}"));
            }
            None => {
                page.put(Tone::Bad, "not in force").text(": ");
                page.line("too few owners have signed it");
            }
        }
        page.put(Tone::Faint, "  digest  ").line(self.digest);
        self.agreements.iter().for_each(|one| one.draw(page));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
