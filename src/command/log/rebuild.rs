//! `assay log rebuild-index`: makes the index of the folder's register anew from its journal.

use clap::Args;
use serde::Serialize;
use server::register::{Holder, PATIENCE, rebuild_index};

use super::folder_error;
use crate::context::Context;
use crate::error::Error;
use crate::page::{Page, Tone};
use crate::progress::{Bar, Work};
use crate::render::{Answer, to_json};

/// Make the index of the folder's register anew from its journal
///
/// The old one is kept as `index-aside` in the register's folder.
#[derive(Args, Debug)]
pub(super) struct RebuildArgs {}

impl RebuildArgs {
    #[expect(clippy::unused_self, reason = "as the other commands have it")]
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Rebuilt, Error> {
        let path = cx.home()?.register();
        let bar = Bar::of(Work::Indexing, cx.printer);
        let storage = rebuild_index(&path, &Holder::command(), PATIENCE, &bar)
            .map_err(|source| folder_error(&path, source))?;
        Ok(Rebuilt {
            version: "assay/index-rebuilt/v1",
            origin: storage.origin().into(),
            commits: storage.rebuilt().commits,
        })
    }
}

/// An index that was made anew.
#[derive(Serialize)]
pub(super) struct Rebuilt {
    version: &'static str,
    origin: String,
    commits: u64,
}

impl Answer for Rebuilt {
    fn draw(&self, page: &mut Page) {
        page.text("made the index of ").put(Tone::Strong, &self.origin);
        page.line(format_args!(" anew from {} commits", self.commits));
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
