//! `assay trust retire`: ends a key or another signer, and says what it signed before that counts.
//!
//! After the end nothing new counts, whatever time it claims: whoever has the key can claim any. What
//! a log held before stands by its place, so that a key is replaced without signing its past anew.

use std::path::{Path, PathBuf};

use ::attest::Timestamp;
use ::verify::{StillCounts, Trust};
use clap::Args;
use serde::Serialize;

use super::file::TrustFile;
use crate::context::Context;
use crate::error::Error;
use crate::moment::Moment;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// End a key or a signer
///
/// Add the new key first (`assay trust add`): for as long as you like both count. Then retire the old
/// one; what the log held up to now (`assay log head` says how many entries) can go on to count. A
/// key that is in strange hands is revoked instead (`assay attest revoke`).
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay trust retire data --before 120      its entries below 120 still count
  assay trust retire data --at 2027-03-01   from then on nothing of it counts")]
pub(super) struct RetireArgs {
    /// The name of the key or the signer in the trust file
    name: String,

    /// When it ends; otherwise now
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,

    /// What it signed still counts where the log holds it before this entry
    #[arg(long, value_name = "ENTRY")]
    before: Option<u64>,

    /// The log, by its origin; otherwise the only one of the trust file
    #[arg(long, value_name = "ORIGIN", requires = "before")]
    log: Option<String>,
}

impl RetireArgs {
    pub(super) fn run(&self, named: Option<&Path>, cx: &Context<'_>) -> Result<Retired, Error> {
        let mut file = TrustFile::open(named, cx)?;
        let until = self.at.and_then(|at| at.after(cx.now)).unwrap_or(cx.now);
        let still = self.still(&file.trust);
        file.change(|trust| trust.retire(&self.name, until, still.clone()))?;
        file.write(cx)?;
        let TrustFile { path, trust } = file;
        Ok(Retired {
            version: "assay/trust-retired/v1",
            name: self.name.clone(),
            until,
            log: still.as_ref().map(|still| still.log.clone()),
            before: still.map(|still| still.before),
            path,
            digest: trust.digest().to_string(),
        })
    }

    fn still(&self, trust: &Trust) -> Option<StillCounts> {
        let before = self.before?;
        let only = match trust.logs() {
            [log] => log.origin().to_owned(),
            _ => String::new(),
        };
        Some(StillCounts { log: self.log.clone().unwrap_or(only), before })
    }
}

/// What the trust file says of somebody now.
#[derive(Serialize)]
pub(super) struct Retired {
    version: &'static str,
    name: String,
    until: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    path: PathBuf,
    digest: String,
}

impl Answer for Retired {
    fn draw(&self, page: &mut Page) {
        page.text("trusting ").put(Tone::Strong, &self.name);
        page.line(format_args!(" until {} and no longer", self.until));
        if let (Some(log), Some(before)) = (&self.log, self.before) {
            page.line(format_args!("what {log} holds of it before entry {before} still counts"));
        }
        page.line(format_args!("written to {}", self.path.display()));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
