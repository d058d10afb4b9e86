//! `assay log export` and `assay log import`: the register as files, and back.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use server::register::{ExportError, Exported, Holder, PATIENCE, export, import};
use tokio::runtime::Builder;

use super::folder_error;
use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::progress::{Bar, Work};
use crate::render::{Answer, to_json};

/// Write the folder's register as files that anybody can audit (C2SP tlog-tiles), also while it is served
///
/// Any web server can serve the folder. It has the statements too, in `body`: serve it without that
/// folder where they are not for everybody. `log import` needs all of it.
#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// Where to: an empty folder, or one that is not there yet
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Make the folder's register anew from an export and the register's key
///
/// Every entry is held against the checkpoint, which has to be signed by the key, and so do times
/// and statements: one that is missing has to have its tombstone. There must be no register in the
/// folder yet.
#[derive(Args, Debug)]
pub(super) struct ImportArgs {
    /// The export
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// The register's key: `key.pem` of its folder
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

impl ExportArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Copied, Error> {
        let path = cx.home()?.register();
        let bar = Bar::of(Work::Copying, cx.printer);
        match export(&path, &self.folder, &bar) {
            Ok(made) => Ok(Copied::of("assay/exported/v1", "exported", &self.folder, &made)),
            Err(ExportError::Folder(source)) => Err(folder_error(&path, source)),
            Err(source) => Err(Error::Copy(Box::new(source))),
        }
    }
}

impl ImportArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Copied, Error> {
        let home = cx.home_or_new()?;
        let path = home.register();
        let bar = Bar::of(Work::Copying, cx.printer);
        let runtime = Builder::new_current_thread().build().map_err(Error::Runtime)?;
        let holder = Holder::command();
        let made = runtime.block_on(import(
            &self.folder,
            &self.key,
            &path,
            &holder,
            PATIENCE,
            cx.now,
            &bar,
        ));
        match made {
            Ok(made) => Ok(Copied::of("assay/imported/v1", "imported", &path, &made)),
            Err(source) => Err(Error::Copy(Box::new(source))),
        }
    }
}

/// A register that was copied, in whichever direction.
#[derive(Serialize)]
pub(super) struct Copied {
    version: &'static str,
    #[serde(skip)]
    done: &'static str,
    folder: PathBuf,
    origin: String,
    size: u64,
    root: ::attest::Sha256,
    bodies: u64,
    erased: u64,
}

impl Copied {
    fn of(
        version: &'static str,
        done: &'static str,
        folder: &std::path::Path,
        made: &Exported,
    ) -> Self {
        let Exported { checkpoint, bodies, erased } = made;
        Self {
            version,
            done,
            folder: folder.into(),
            origin: checkpoint.origin.clone(),
            size: checkpoint.size,
            root: checkpoint.root,
            bodies: *bodies,
            erased: *erased,
        }
    }
}

impl Answer for Copied {
    fn draw(&self, page: &mut Page) {
        let Self { done, origin, folder, size, root, bodies, erased, .. } = self;
        page.text(done).text(" ").put(Tone::Strong, origin).text(" to ").line(folder.display());
        page.line(format_args!("  {size} entries, {bodies} statements, {erased} erased"));
        page.put(Tone::Faint, "  root  ").line(root);
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
