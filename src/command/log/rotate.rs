//! `assay log rotate-key`: gives the folder's register another key.

use std::path::PathBuf;

use ::attest::Sha256;
use clap::Args;
use serde::Serialize;
use server::register::{
    Finished, Holder, PATIENCE, RotateError, Rotated, finish_rotation, rotate_key,
};
use tokio::runtime::Builder;

use super::folder_error;
use crate::context::Context;
use crate::error::Error;
use crate::home::{self, Existing, Readers};
use crate::page::{Page, Tone};
use crate::render::{Answer, to_json};

/// Give the folder's register another key; its name stays
///
/// Makes the new key, or goes on with what was begun, and registers a statement of it by the old
/// one. From then on both keys sign, so that trust files can be changed one after the other. When
/// all have been, `--finish` ends it: the new key alone signs, and the old one is gone from the
/// folder. If the old key is in strange hands, finish at once, and have every trust file say with
/// `assay trust rotate` which tree was the last good one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay log rotate-key --output rotation.json
  assay trust rotate rotation.json            wherever the register is trusted
  assay log rotate-key --finish")]
pub(super) struct RotateArgs {
    /// Where to write the statement, for whoever keeps a trust file
    #[arg(long, short, value_name = "FILE", conflicts_with = "finish")]
    output: Option<PathBuf>,

    /// End it: the new key alone signs from now on
    #[arg(long)]
    finish: bool,
}

impl RotateArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
        let path = cx.home()?.register();
        let runtime = Builder::new_current_thread().build().map_err(Error::Runtime)?;
        let failed = |source| match source {
            RotateError::Folder(source) => folder_error(&path, source),
            source => Error::Rotate(Box::new(source)),
        };
        let holder = Holder::command();
        if self.finish {
            let finished = runtime.block_on(finish_rotation(&path, &holder, PATIENCE));
            let finished = Ended::of(finished.map_err(failed)?);
            // Opened once more, so that the checkpoint in the folder has the new signature alone.
            let opened = server::register::open(&path, &holder, PATIENCE);
            runtime.block_on(opened).map_err(|source| folder_error(&path, source))?;
            return Ok(Box::new(finished));
        }
        let begun = rotate_key(&path, &holder, PATIENCE, crate::clock::now());
        let begun = runtime.block_on(begun).map_err(failed)?;
        if let Some(path) = &self.output {
            home::write(path, &begun.bundle.to_json(), Readers::All, Existing::Replaced)?;
        }
        Ok(Box::new(Begun::of(&begun, self.output.clone())))
    }
}

/// Both keys sign.
#[derive(Serialize)]
struct Begun {
    version: &'static str,
    origin: String,
    from: String,
    to: String,
    /// Position of the statement.
    entry: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
}

impl Begun {
    fn of(begun: &Rotated, output: Option<PathBuf>) -> Self {
        let Rotated { from, to, index, .. } = begun;
        Self {
            version: "assay/key-rotation/v1",
            origin: from.name().into(),
            from: from.to_string(),
            to: to.to_string(),
            entry: *index,
            output,
        }
    }
}

impl Answer for Begun {
    fn draw(&self, page: &mut Page) {
        page.text("two keys sign ").put(Tone::Strong, &self.origin).end();
        page.put(Tone::Faint, "  old        ").line(&self.from);
        page.put(Tone::Faint, "  new        ").line(&self.to);
        page.put(Tone::Faint, "  statement  ").line(format_args!("entry {}", self.entry));
        let file = match &self.output {
            Some(path) => path.display().to_string(),
            None => {
                let file = "rotation.json";
                page.line(format_args!("write it with `assay log entry {} -o {file}`", self.entry));
                file.into()
            }
        };
        page.line(format_args!(
            "name the new key wherever it is trusted: `assay trust rotate {file}`"
        ));
        page.line("then end it: `assay log rotate-key --finish`");
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// The new key alone signs.
#[derive(Serialize)]
struct Ended {
    version: &'static str,
    origin: String,
    from: String,
    to: String,
    /// The last tree that the old key signed.
    last: Last,
}

#[derive(Serialize)]
struct Last {
    size: u64,
    root: Sha256,
}

impl Ended {
    fn of(finished: Finished) -> Self {
        let Finished { from, to, last } = finished;
        Self {
            version: "assay/key-rotated/v1",
            origin: last.origin,
            from: from.to_string(),
            to: to.to_string(),
            last: Last { size: last.size, root: last.root },
        }
    }
}

impl Answer for Ended {
    fn draw(&self, page: &mut Page) {
        page.text("the new key alone signs ").put(Tone::Strong, &self.origin).end();
        page.put(Tone::Faint, "  key   ").line(&self.to);
        page.put(Tone::Faint, "  last  ");
        page.line(format_args!(
            "{} entries by the old key, root {}",
            self.last.size, self.last.root
        ));
        page.line("say so wherever it is trusted:");
        page.line(format_args!(
            "  assay trust rotate --former {} --until {}",
            self.from, self.last.size
        ));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
