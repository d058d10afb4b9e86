//! `assay model digest`: the root of a model, as its signature would have it.

use std::path::PathBuf;

use ::attest::ArtifactId;
use ::attest::digest::to_hex;
use ::attest::oms::Manifest;
use clap::Args;
use serde::Serialize;

use super::shape::ShapeArgs;
use super::verify::CacheArgs;
use super::{SkippedView, counted, draw_skipped, signature_of, skipped};
use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Show the digest by which a model is known when it is signed
///
/// The digest is computed of the digests of its files and of no names: rely on it only together
/// with a signature of the model, or with the files that `--json` lists.
#[derive(Args, Debug)]
pub struct DigestArgs {
    /// The model: a folder, or a file
    #[arg(value_name = "PATH")]
    model: PathBuf,

    /// The signature, which is left out; otherwise beside the model, with `.sig` after its name
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,

    #[command(flatten)]
    cache: CacheArgs,

    #[command(flatten)]
    shape: ShapeArgs,
}

pub fn digest(args: &DigestArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let signature = signature_of(&args.model, args.signature.as_deref())?;
    let mut cache = args.cache.open(cx)?;
    let (scan, manifest) =
        args.shape.manifest(&args.model, Some(&signature), cache.as_mut(), cx)?;
    args.cache.keep(cache.as_ref())?;
    Ok(Box::new(Digested {
        version: "assay/model-digest/v1",
        artifact: manifest.artifact(),
        name: scan.name().into(),
        files: manifest.files().len(),
        manifest,
        not_signed: skipped(scan.skipped()),
    }))
}

/// What a model would be signed as.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Digested {
    version: &'static str,
    artifact: ArtifactId,
    name: String,
    files: usize,
    manifest: Manifest,
    not_signed: Vec<SkippedView>,
}

impl Answer for Digested {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Strong, &self.name).text("  ").line(self.artifact);
        page.put(Tone::Faint, format_args!("  of {}", counted(self.files, "file"))).end();
        for resource in self.manifest.resources().iter().take(super::MAX_DRAWN) {
            let digest = to_hex(&resource.digest);
            page.put(Tone::Faint, format_args!("  {digest}  {}", resource.name)).end();
        }
        let more = self.manifest.resources().len().saturating_sub(super::MAX_DRAWN);
        if more > 0 {
            page.put(Tone::Faint, format_args!("  and {more} more")).end();
        }
        draw_skipped(page, &self.not_signed);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
