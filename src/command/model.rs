//! `assay model`: signs the files of a model, and says whether they are as somebody signed them
//! (OpenSSF Model Signing v1.0).

mod digest;
mod shape;
mod sign;
pub mod trouble;
mod verify;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ::attest::oms::{Skipped, WhySkipped};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::render::Answer;

/// How many names of one kind are drawn; `--json` has all.
const MAX_DRAWN: usize = 20;

/// Sign the files of a model, or check a signature of them (OpenSSF Model Signing)
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct ModelArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    Sign(Box<sign::SignArgs>),
    Verify(Box<verify::VerifyArgs>),
    Digest(Box<digest::DigestArgs>),
}

pub fn model(args: &ModelArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    match &args.command {
        ModelCommand::Sign(args) => sign::sign(args, cx),
        ModelCommand::Verify(args) => verify::verify(args, cx),
        ModelCommand::Digest(args) => digest::digest(args, cx),
    }
}

/// Where the signature of a model is, unless it is said: beside it, with `.sig` after its name.
fn signature_of(model: &Path, named: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    // `.` and `..` have a name only once they are resolved.
    let whole = match model.file_name() {
        Some(_) => model.to_owned(),
        None => model
            .canonicalize()
            .map_err(|error| Error::io(crate::error::Action::Read, model, error))?,
    };
    let mut name = OsString::from(whole.file_name().unwrap_or_default());
    name.push(".sig");
    Ok(whole.with_file_name(name))
}

/// Something that is there and not signed.
#[derive(Serialize)]
struct SkippedView {
    path: String,
    why: &'static str,
}

impl From<&Skipped> for SkippedView {
    fn from(skipped: &Skipped) -> Self {
        Self { path: skipped.name.clone(), why: skipped.why.as_str() }
    }
}

/// What is not signed and may be anything; the signature itself goes without saying.
fn skipped(all: &[Skipped]) -> Vec<SkippedView> {
    all.iter().filter(|one| one.why != WhySkipped::Signature).map(SkippedView::from).collect()
}

/// Draws one line for each of the first names, with `word` before them.
fn draw_names(page: &mut Page, tone: Tone, word: &str, names: &[String]) {
    for name in names.iter().take(MAX_DRAWN) {
        page.put(tone, format_args!("  {word:<10}  ")).line(name);
    }
    if let Some(more) = names.len().checked_sub(MAX_DRAWN).filter(|more| *more > 0) {
        page.put(tone, format_args!("  {word:<10}  ")).line(format_args!("and {more} more"));
    }
}

fn draw_skipped(page: &mut Page, skipped: &[SkippedView]) {
    let names: Vec<String> =
        skipped.iter().map(|one| format!("{} ({})", one.path, one.why)).collect();
    draw_names(page, Tone::Warn, "not signed", &names);
}

/// A number of things, in words.
fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
