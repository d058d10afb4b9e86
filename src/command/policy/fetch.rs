//! `assay policy fetch`: writes a registered policy into a folder, with the files that were registered
//! with it, as its owners had them.

use std::fs;
use std::path::PathBuf;

use ::attest::{Sha256, StageName};
use clap::Args;
use serde::Serialize;
use server::force::RulesError;

use crate::command::trust::begun;
use crate::context::Context;
use crate::error::{Action, Error};
use crate::home::{self, Existing, Readers};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// What the document is called in the folder.
const DOCUMENT: &str = "policy.yaml";

/// Write a registered policy into a folder, with its files
///
/// The files of the folder are then what `assay policy lint`, `test`, `diff` and `simulate` take.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay policy fetch --stage production --output active
  assay policy diff active/policy.yaml next/policy.yaml")]
pub(super) struct FetchArgs {
    /// The policy that judges for this stage
    #[arg(long, value_name = "STAGE", required_unless_present = "digest")]
    stage: Option<StageName>,

    /// The policy with this digest, whether or not it judges
    #[arg(long, value_name = "DIGEST", conflicts_with = "stage")]
    digest: Option<Sha256>,

    /// The folder, which is made
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
}

impl FetchArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Fetched, Error> {
        let (_, governing) = begun(None, cx)?;
        let activations = governing.activations();
        let active = |stage: &StageName| activations.active(stage).map(|(active, _)| active.policy);
        let digest = match (&self.digest, &self.stage) {
            (Some(digest), _) => *digest,
            (None, Some(stage)) => {
                active(stage).ok_or_else(|| Error::NothingActive(stage.clone()))?
            }
            (None, None) => return Err(Error::Rules(RulesError::None)),
        };
        let text = activations.policy(&digest).ok_or(Error::NotPublished(digest))?;
        let policy = server::force::read(text)
            .map_err(|why| Error::Rules(RulesError::Unreadable { digest, why }))?;
        // Into a folder of its own, so that no link leads anywhere else.
        let failed = |source| Error::io(Action::Write, &self.output, source);
        fs::create_dir(&self.output).map_err(failed)?;
        let write = |name: &str, bytes: &[u8]| {
            let path = self.output.join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(failed)?;
            }
            home::write(&path, bytes, Readers::All, Existing::Kept)
        };
        write(DOCUMENT, text.text.as_bytes())?;
        for (name, bytes) in policy.files() {
            write(name, bytes)?;
        }
        Ok(Fetched {
            version: "assay/policy-fetched/v1",
            name: policy.name().into(),
            digest,
            document: self.output.join(DOCUMENT),
            files: policy.files().keys().map(|name| self.output.join(name)).collect(),
        })
    }
}

/// What was written.
#[derive(Serialize)]
pub(super) struct Fetched {
    version: &'static str,
    name: String,
    digest: Sha256,
    document: PathBuf,
    files: Vec<PathBuf>,
}

impl Answer for Fetched {
    fn draw(&self, page: &mut Page) {
        page.put(Tone::Good, "written").text(" policy ").put(Tone::Strong, &self.name).end();
        page.put(Tone::Faint, "  digest  ").line(self.digest);
        for path in std::iter::once(&self.document).chain(&self.files) {
            page.put(Tone::Faint, "  file    ").line(path.display());
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
