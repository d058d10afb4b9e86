//! `assay log backup`: copies the folder's register while it may be in use.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use server::register::{BackedUp, BackupError, Holder, PATIENCE, WithKey, backup};

use super::folder_error;
use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::progress::{Bar, Work};
use crate::render::{Answer, to_json};

/// Copy the folder's register, also while it is served, and read the copy
///
/// A folder with an earlier backup is brought up to date: what it has is not copied again. The
/// copy is a register's folder without its index, which the first use makes. Keep the key apart
/// from it: without the key nobody can go on with the register.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  assay log backup /mnt/backup/register
  cp -a /mnt/backup/register .assay/register          puts it back, with `key.pem` in it")]
pub(super) struct BackupArgs {
    /// Where to: an empty folder, or one with an earlier backup
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// Also copy the register's key: whoever has it can sign as the register
    #[arg(long)]
    with_key: bool,
}

impl BackupArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Backup, Error> {
        let path = cx.home()?.register();
        let key = if self.with_key { WithKey::Yes } else { WithKey::No };
        let bar = Bar::of(Work::Checking, cx.printer);
        let made = backup(&path, &self.folder, key, &Holder::command(), PATIENCE, &bar);
        match made {
            Ok(made) => Ok(Backup::of(self, &made)),
            Err(BackupError::Folder(source)) => Err(folder_error(&path, source)),
            Err(source) => Err(Error::Backup(Box::new(source))),
        }
    }
}

/// A backup that was made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Backup {
    version: &'static str,
    folder: PathBuf,
    origin: String,
    size: u64,
    root: ::attest::Sha256,
    erased: u64,
    copied: u64,
    kept: u64,
    with_key: bool,
}

impl Backup {
    fn of(args: &BackupArgs, made: &BackedUp) -> Self {
        let BackedUp { checked, copied, kept } = made;
        Self {
            version: "assay/backup/v1",
            folder: args.folder.clone(),
            origin: checked.origin.clone(),
            size: checked.tree.size,
            root: checked.tree.root,
            erased: checked.erased,
            copied: *copied,
            kept: *kept,
            with_key: args.with_key,
        }
    }
}

impl Answer for Backup {
    fn draw(&self, page: &mut Page) {
        let Self { folder, origin, size, root, copied, kept, with_key, .. } = self;
        page.text("backed up ").put(Tone::Strong, origin).text(" to ").line(folder.display());
        page.line(format_args!("  {size} entries, read again from the copy; {copied} files copied, {kept} there already"));
        page.put(Tone::Faint, "  root  ").line(root);
        if !with_key {
            page.line("  without the register's key: keep that apart");
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
