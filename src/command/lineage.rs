//! `assay lineage`: what made an artifact, or what was made from it, as a tree.
//!
//! The service lays the tree out in the same way; here its rows are drawn. With a trust file the
//! statements are verified here, wherever they come from; without one, a service's own answer is
//! shown.

use ::attest::ArtifactId;
use ::verify::Direction;
use clap::Args;
use serde::Serialize;
use server::family::{Family, Item, Known, Relation, Row};

use super::log::known_trust;
use crate::context::Context;
use crate::error::Error;
use crate::gather;
use crate::page::{Glyphs, Page, Tone};
use crate::predicate_name;
use crate::render::{Answer, to_json};
use crate::source::Source;
use crate::target::Target;

/// Hex digits of a digest that are shown in a tree; `--json` has all.
const SHORT: usize = 12;

/// Show what an artifact was made from, or what was made from it
#[derive(Args, Debug)]
pub struct LineageArgs {
    /// The artifact: a file, a folder, an OCI image layout or a digest
    #[arg(value_name = "PATH|DIGEST")]
    artifact: Target,

    /// What it was made from (unless `--down` is given)
    #[arg(long)]
    up: bool,

    /// What was made from it
    #[arg(long, conflicts_with = "up")]
    down: bool,
}

pub fn lineage(args: &LineageArgs, cx: &Context<'_>) -> Result<Box<dyn Answer>, Error> {
    let source = Source::open(cx)?;
    let artifact = args.artifact.resolve(|candidates| source.known(candidates))?;
    let direction = if args.down { Direction::Down } else { Direction::Up };
    let family = match (known_trust(cx)?, &source) {
        (Some(trust), _) => {
            Family::of(&gather::from_source(artifact, direction, &source, &trust, cx)?)
        }
        (None, Source::Service(service)) => {
            let word = if args.down { "down" } else { "up" };
            let query = [("direction", word.to_owned())];
            service.get(&format!("/v1/lineage/{artifact}"), &query)?
        }
        (None, Source::Folder(_)) => return Err(Error::NoTrust(cx.home()?.trust())),
    };
    Ok(Box::new(Tree { family, name: args.artifact.name() }))
}

#[derive(Serialize)]
struct Tree {
    #[serde(flatten)]
    family: Family,
    #[serde(skip)]
    name: Option<String>,
}

impl Answer for Tree {
    fn draw(&self, page: &mut Page) {
        let rows = &self.family.rows;
        // Whether the line of each depth above goes on below the current row.
        let mut open: Vec<bool> = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            open.truncate(row.depth);
            let after = rows.get(place + 1..).unwrap_or_default();
            let next = after.iter().find(|other| other.depth <= row.depth);
            let goes_on = next.is_some_and(|other| other.depth == row.depth);
            branch(page, &open, row.depth, goes_on);
            self.item(page, row);
            open.push(goes_on);
        }
        if self.family.cut {
            page.put(Tone::Warn, "there is more than is drawn").end();
        }
        for rejected in &self.family.rejected {
            let place =
                rejected.index.map_or("a statement".into(), |index| format!("entry {index}"));
            page.put(Tone::Warn, "not believed: ").text(place);
            page.text(" about ").text(short(&rejected.artifact)).text(": ").line(&rejected.why);
        }
        for unexplored in &self.family.unexplored {
            page.put(Tone::Warn, "not looked at: ").text(short(&unexplored.artifact));
            page.text(": ").line(&unexplored.why);
        }
        page.put(Tone::Faint, known(&self.family.completeness)).end();
    }

    fn json(&self) -> serde_json::Result<String> {
        to_json(self)
    }
}

/// Draws what leads to a row: one column for each depth above it but the first.
fn branch(page: &mut Page, open: &[bool], depth: usize, goes_on: bool) {
    if depth == 0 {
        return;
    }
    let (pass, none, tee, corner) = match page.glyphs() {
        Glyphs::Unicode => ("│  ", "   ", "├─ ", "└─ "),
        Glyphs::Ascii => ("|  ", "   ", "|- ", "`- "),
    };
    let above: String =
        open.iter().skip(1).map(|goes_on| if *goes_on { pass } else { none }).collect();
    page.put(Tone::Faint, above).put(Tone::Faint, if goes_on { tee } else { corner });
}

impl Tree {
    fn item(&self, page: &mut Page, row: &Row) {
        match &row.item {
            Item::Artifact { artifact, name, relation, role, revoked_by, repeated } => {
                let own = self.name.as_deref().filter(|_| *relation == Relation::Root);
                let name = own.unwrap_or(name);
                let name = if name.is_empty() { "unnamed" } else { name };
                page.put(Tone::Strong, name).text("  ");
                match relation {
                    Relation::Root => page.put(Tone::Faint, artifact),
                    _ => page.put(Tone::Faint, short(artifact)),
                };
                if let Some(role) = role {
                    page.text("  ").text(role);
                }
                match relation {
                    Relation::Part => page.text("  inside"),
                    Relation::Whole => page.text("  holds it"),
                    Relation::Root | Relation::Material | Relation::Subject => page,
                };
                if let Some(index) = revoked_by {
                    page.text("  ").put(Tone::Bad, format_args!("revoked by entry {index}"));
                }
                if *repeated {
                    page.put(Tone::Faint, "  (drawn above)");
                }
            }
            Item::Statement { index, step, predicate_type, signers, .. } => {
                let word = predicate_name::short(predicate_type);
                match step {
                    Some(step) => page.text(step).text("  ").put(Tone::Faint, word),
                    None => page.text(word),
                };
                let place = index.map_or("not logged".into(), |index| format!("entry {index}"));
                page.put(Tone::Faint, format_args!("  {place}, signed by "));
                page.text(signers.join(", "));
            }
        }
        page.end();
    }
}

/// An artifact with the start of its digest.
fn short(artifact: &ArtifactId) -> String {
    let text = artifact.to_string();
    match text.rsplit_once(':') {
        Some((kind, hex)) => format!("{kind}:{}", hex.get(..SHORT).unwrap_or(hex)),
        None => text,
    }
}

fn known(completeness: &Known) -> String {
    match completeness {
        Known::Followed { origin, size, .. } => format!("read all {size} entries of {origin}"),
        Known::Claimed { origin, size } => {
            format!("complete to {size} entries, as {origin} claims")
        }
        Known::None => "nothing says that this is all".into(),
    }
}
