//! `assay trust show` and `assay trust history`: the document that is in force, and those before.

use std::path::Path;

use ::attest::{Sha256, Timestamp};
use ::verify::{Governance, Trust, Version};
use clap::Args;
use serde::Serialize;

use super::difference::{difference, role};
use super::join::JoinLine;
use super::propose::begun;
use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Show the trust document in force, and the line by which others believe it
#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    /// Print the document itself, to be changed and proposed
    #[arg(long)]
    document: bool,
}

impl ShowArgs {
    pub(super) fn run(
        &self,
        named: Option<&Path>,
        cx: &Context<'_>,
    ) -> Result<Box<dyn Answer>, Error> {
        let (source, governing) = begun(named, cx)?;
        let trust = governing.trust();
        if self.document {
            return Ok(Box::new(Text(trust.to_yaml())));
        }
        let governance = trust.governance();
        let expires = governance.map_or(cx.now, Governance::expires);
        let roles = governance.map(Governance::roles).unwrap_or_default();
        Ok(Box::new(Shown {
            version: "assay/trust-document/v1",
            origin: governing.origin().into(),
            number: governance.map_or(0, Governance::version),
            digest: trust.digest(),
            begun: governing.begun().digest(),
            expires,
            expired: expires <= cx.now,
            local: trust.is_local(),
            roles: roles.iter().map(role).collect(),
            join: JoinLine::new(governing.origin(), source.url(), trust.digest()).to_string(),
        }))
    }
}

/// A document as it is.
struct Text(String);

impl Answer for Text {
    fn draw(&self, page: &mut Page) {
        page.verbatim(&self.0);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(&serde_json::json!({"version": "assay/trust-text/v1", "text": self.0}))
    }
}

/// What is in force.
#[derive(Serialize)]
struct Shown {
    version: &'static str,
    origin: String,
    number: u64,
    digest: Sha256,
    /// The digest of the document in the folder's file.
    begun: Sha256,
    expires: Timestamp,
    expired: bool,
    local: bool,
    roles: Vec<String>,
    join: String,
}

impl Answer for Shown {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, format_args!("version {}", self.number));
        page.text(" of the trust document of ").text(&self.origin).end();
        page.put(Tone::Faint, "  digest   ").line(self.digest);
        page.put(Tone::Faint, "  begun    ").line(self.begun);
        let tone = if self.expired { Tone::Bad } else { Tone::Plain };
        page.put(Tone::Faint, "  expires  ").put(tone, self.expires).end();
        if self.local {
            page.put(Tone::Warn, "  local    ");
            page.line("satisfies no stage that enforces where others are answered");
        }
        for role in &self.roles {
            page.put(Tone::Faint, "  role     ").line(role);
        }
        page.put(Tone::Faint, "  join     ").line(&self.join);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// List the versions of the trust document, and what each changed
#[derive(Args, Debug)]
pub(super) struct HistoryArgs {}

impl HistoryArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<History, Error> {
        let Self {} = self;
        let (_, governing) = begun(named, cx)?;
        let begun = governing.begun();
        let first = begun.governance().map_or(0, Governance::version);
        let mut versions = vec![Row {
            number: first,
            digest: begun.digest(),
            entry: None,
            signed: Vec::new(),
            changes: Vec::new(),
        }];
        let mut before = begun;
        for version in governing.versions() {
            versions.push(Row::of(version, before));
            before = &version.trust;
        }
        Ok(History { version: "assay/trust-history/v1", versions })
    }
}

/// Every version, from the one that this folder began with on.
#[derive(Serialize)]
pub(super) struct History {
    version: &'static str,
    versions: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    number: u64,
    digest: Sha256,
    /// The entry with which it had enough signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u64>,
    /// The owners who had signed by then.
    signed: Vec<String>,
    changes: Vec<String>,
}

impl Row {
    fn of(version: &Version, before: &Trust) -> Self {
        let owner = |id: &::attest::KeyId| {
            let key = before.key(id).or_else(|| version.trust.key(id));
            key.map_or_else(|| id.to_string(), |key| key.owner().to_owned())
        };
        Self {
            number: version.version,
            digest: version.trust.digest(),
            entry: Some(version.index),
            signed: version.signed.iter().map(owner).collect(),
            changes: difference(before, &version.trust),
        }
    }
}

impl Answer for History {
    fn draw(&self, page: &mut Page) {
        for row in &self.versions {
            page.put(Tone::Strong, format_args!("version {}", row.number));
            match row.entry {
                Some(entry) => {
                    page.line(format_args!(", entry {entry}, signed by {}", row.signed.join(", ")));
                }
                None => {
                    page.line(", which this folder began with");
                }
            }
            page.put(Tone::Faint, "  digest  ").line(row.digest);
            for change in &row.changes {
                page.text("  ").line(change);
            }
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
