//! `assay sign`: a signature over a file's own bytes, or over a statement that is there already,
//! without a key, as Sigstore's clients make it.

use std::path::PathBuf;

use ::attest::Sha256;
use clap::{ArgGroup, Args};
use serde::Serialize;

use super::signed::SignerView;
use crate::context::Context;
use crate::error::Error;
use crate::home;
use crate::keyless::{KeylessArgs, Signable};
use crate::page::{Page, Tone};
use crate::publish;
use crate::render::{Answer, to_json};

/// Sign a file as it is, without a key
///
/// The signature is over the file's own bytes and says nothing about them; `assay attest` signs what
/// somebody says of it. `assay verify --bundle` checks it, and so does any client of Sigstore.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("with").required(true).args(["keyless"]))]
#[command(after_help = "\
Example:
  assay sign model.bin --keyless --identity-token token --signing-config signing_config.json \\
      --trusted-root trusted_root.json --output model.bin.sigstore.json")]
pub struct SignArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Write the bundle here
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// The file is an in-toto statement: sign it as one, byte for byte
    #[arg(long)]
    statement: bool,

    #[command(flatten)]
    keyless: KeylessArgs,
}

pub fn sign(args: &SignArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    publish::require_output(Some(&args.output))?;
    let Some(keyless) = args.keyless.open(cx)? else { return Err(Error::NothingToAttest) };
    let bytes = home::read(&args.file)?;
    let what = if args.statement { Signable::Statement(&bytes) } else { Signable::Message(&bytes) };
    let signed = keyless.sign(what, cx)?;
    signed.write(&args.output)?;
    Ok(Box::new(Signed {
        version: "assay/signed/v1",
        file: args.file.clone(),
        digest: Sha256::of(&bytes),
        bundle: args.output.clone(),
        name: signed.name(),
        signer: SignerView::of(&signed.signer),
    }))
}

/// A file that was signed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    version: &'static str,
    file: PathBuf,
    digest: Sha256,
    bundle: PathBuf,
    #[serde(skip)]
    name: String,
    signer: SignerView,
}

impl Answer for Signed {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Good, "signed").text(" ");
        page.put(Tone::Strong, self.file.display()).text("  ").put(Tone::Faint, self.digest).end();
        page.put(Tone::Faint, "  as           ").line(&self.name);
        page.put(Tone::Faint, "  bundle       ").line(self.bundle.display());
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
