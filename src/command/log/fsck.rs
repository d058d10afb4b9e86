//! `assay log fsck`: reads the folder's register whole and says what is wrong with it.

use clap::Args;
use serde::Serialize;
use server::register::{Checked, Depth, Holder, PATIENCE, Tree, fsck};
use server::seen::Seen;

use super::folder_error;
use crate::context::Context;
use crate::error::Error;
use crate::exit::Exit;
use crate::page::{Page, Tone};
use crate::progress::{Bar, Work};
use crate::render::{Answer, to_json};

/// Read the folder's register whole and say what is wrong with it; nothing is changed
///
/// Ends with 0 when the register is sound, with 1 when it is not, with 2 when it could not be
/// looked at.
#[derive(Args, Debug)]
pub(super) struct FsckArgs {
    /// Search for every entry by all that it is found by; otherwise for one in 64, and compare
    /// all entries of 256 names, steps, signers and so on
    #[arg(long)]
    all: bool,
}

impl FsckArgs {
    pub(super) fn run(&self, cx: &Context<'_>) -> Result<Fsck, Error> {
        let home = cx.home()?;
        let path = home.seen();
        let seen = Seen::load(&path);
        let seen = seen.map_err(|source| Error::Seen { path, source: Box::new(source) })?;
        let mark =
            |origin: &str| seen.mark(origin).map(|mark| Tree { size: mark.size, root: mark.root });
        let path = home.register();
        let depth = if self.all { Depth::All } else { Depth::Sample };
        let bar = Bar::of(Work::Checking, cx.printer);
        let checked = fsck(&path, &Holder::command(), PATIENCE, mark, depth, &bar)
            .map_err(|source| folder_error(&path, source))?;
        Ok(Fsck::of(&checked))
    }
}

/// What was read, and what is wrong.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fsck {
    version: &'static str,
    sound: bool,
    origin: String,
    size: u64,
    root: ::attest::Sha256,
    segments: u64,
    commits: u64,
    bytes: u64,
    bodies: u64,
    erased: u64,
    /// Commits that the next start publishes.
    unpublished: u64,
    /// Whether the journal ends in a write that was never finished.
    unfinished: bool,
    /// What the tree was held against.
    compared: Vec<&'static str>,
    /// Entries that the index was held against.
    indexed: u64,
    /// Entries that were searched for.
    searched: u64,
    /// Names, steps, signers and so on of which all entries were compared.
    terms: u64,
    faults: Vec<Named>,
    /// How many faults are not named.
    more: u64,
}

/// A fault in words.
#[derive(Serialize)]
struct Named {
    what: String,
    advice: &'static str,
}

impl Fsck {
    fn of(checked: &Checked) -> Self {
        let faults = checked
            .faults
            .iter()
            .map(|fault| Named { what: fault.to_string(), advice: fault.advice() });
        Self {
            version: "assay/fsck/v1",
            sound: checked.is_sound(),
            origin: checked.origin.clone(),
            size: checked.tree.size,
            root: checked.tree.root,
            segments: checked.segments,
            commits: checked.commits,
            bytes: checked.bytes,
            bodies: checked.bodies,
            erased: checked.erased,
            unpublished: checked.unpublished,
            unfinished: checked.is_unfinished,
            compared: checked.compared.clone(),
            indexed: checked.indexed,
            searched: checked.searched,
            terms: checked.terms,
            faults: faults.collect(),
            more: checked.more,
        }
    }
}

impl Answer for Fsck {
    fn exit(&self) -> Exit {
        if self.sound { Exit::Success } else { Exit::Denied }
    }

    fn draw(&self, page: &mut Page) {
        if self.sound {
            page.put(Tone::Good, "sound").text("  ").line(&self.origin);
        } else {
            page.put(Tone::Bad, "unsound").text("  ").line(&self.origin);
        }
        let field = |page: &mut Page, name: &str, value: String| {
            page.put(Tone::Faint, format_args!("  {name:<9}")).line(value);
        };
        let Self { size, commits, segments, bytes, bodies, erased, .. } = self;
        let files = if *segments == 1 { "file" } else { "files" };
        field(
            page,
            "read",
            format!("{size} entries, {commits} commits, {bytes} bytes in {segments} {files}"),
        );
        field(page, "root", self.root.to_string());
        field(page, "bodies", format!("{bodies}, {erased} of them erased"));
        field(page, "as in", self.compared.join(", "));
        field(
            page,
            "index",
            format!(
                "{} entries compared, {} of them searched for, {} search terms read whole",
                self.indexed, self.searched, self.terms
            ),
        );
        if self.indexed < *size {
            field(page, "", "it is missing or behind: the next command brings it up".into());
        }
        if self.unpublished > 0 {
            let commits = self.unpublished;
            field(
                page,
                "end",
                format!("{commits} commits are not published yet: the next command does it"),
            );
        }
        if self.unfinished {
            field(page, "end", "a write was never finished: the next command puts it aside".into());
        }
        for fault in &self.faults {
            page.put(Tone::Bad, "wrong:").text(" ").line(&fault.what);
            page.put(Tone::Strong, "  hint:").text(" ").line(fault.advice);
        }
        if self.more > 0 {
            page.line(format_args!("and {} faults more", self.more));
        }
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}
