//! `assay revoke`: what would fall with a revocation, and the revocation.
//!
//! What falls is listed before anybody is asked to confirm it: a revocation stands for ever.

mod radius;
mod signer;
mod unjudged;

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;

use self::radius::Radius;
use super::attest::{decisions::RevocationArgs, payload};
use crate::context::Context;
use crate::error::{Action, Error};
use crate::page::{Glyphs, Page};
use crate::publish;
use crate::render::Answer;

/// How long an answer may be, in bytes.
const MAX_ANSWER: u64 = 64;

/// Revoke an artifact, a key, a builder or an attestation, once what falls with it was shown
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay revoke --subject data.csv --reason POISONED --descendants --dry-run
  assay revoke --revoked-key trainer --from-entry 120 --reason STOLEN --yes
  assay revoke --builder https://ci.example/runner@v3 --reason COMPROMISED --descendants")]
pub struct RevokeArgs {
    #[command(flatten)]
    what: RevocationArgs,

    /// Judge what was promoted by this policy; otherwise by that of the register
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Only list what would fall
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Register it also where nobody would believe it
    #[arg(long, conflicts_with = "dry_run")]
    force: bool,
}

pub fn revoke(args: &RevokeArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let statement = args.what.statement(cx)?;
    let signer = args.signer(cx)?;
    let radius = Radius::of(&statement, args, signer.as_ref(), cx)?;
    if args.dry_run {
        return Ok(Box::new(radius));
    }
    if let Some(why) = radius.unheard().filter(|_| !args.force) {
        return Err(Error::NobodyBelieves(why.clone()));
    }
    if args.yes {
        for doubt in radius.doubts() {
            cx.printer.warn(&doubt);
        }
    } else {
        let mut page = Page::new(Glyphs::Ascii);
        radius.draw(&mut page);
        confirm(&page.into_text(), cx)?;
    }
    publish::attest(payload(statement)?, &args.what.sign, cx)
}

/// Asks whoever sits at the terminal.
fn confirm(listed: &str, cx: &Context<'_>) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::Unconfirmed);
    }
    for line in listed.lines() {
        cx.printer.warn(line);
    }
    cx.printer.warn("a revocation stands for ever; revoke it? (yes or no)");
    let mut answer = String::new();
    let read = io::Read::take(io::stdin().lock(), MAX_ANSWER).read_line(&mut answer);
    read.map_err(|error| Error::io(Action::Read, Path::new("standard input"), error))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Error::Unconfirmed) }
}
