//! `assay lineage`: what made an artifact, or what was made from it, as a tree.
//!
//! The service lays the tree out in the same way; here its rows are drawn. With a trust file the
//! statements are verified here, wherever they come from; without one, a service's own answer is
//! shown.

use std::collections::BTreeSet;

use ::attest::ArtifactId;
use ::verify::Direction;
use clap::Args;
use serde::Serialize;
use server::family::{Family, Item, Known, Relation, Row, Way};

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
/// How many artifacts that stand above are named in one line.
const MAX_ABOVE: usize = 6;

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
    let artifact = args.artifact.resolve(cx.printer, |candidates| source.known(candidates))?;
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
        let lines = lines(&self.family.rows);
        // Whether the line of each depth above goes on below the current one.
        let mut open: Vec<bool> = Vec::new();
        for (place, line) in lines.iter().enumerate() {
            open.truncate(line.depth);
            let after = lines.get(place + 1..).unwrap_or_default();
            let next = after.iter().find(|other| other.depth <= line.depth);
            let goes_on = next.is_some_and(|other| other.depth == line.depth);
            branch(page, &open, line.depth, goes_on);
            match &line.text {
                Text::Row(row) => self.item(page, row),
                Text::Above(names) => above(page, names),
            }
            open.push(goes_on);
        }
        if lines.len() == 1 && self.family.rejected.is_empty() {
            self.nothing(page);
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

/// A line of the drawing.
struct Line<'r> {
    depth: usize,
    text: Text<'r>,
}

enum Text<'r> {
    /// A row of its own.
    Row(&'r Row),
    /// Artifacts of one statement that stand elsewhere with all that is theirs.
    Above(Vec<&'r str>),
}

/// The rows as they are drawn: what a statement names twice is drawn once, and what stands
/// above already is said in one line. What is revoked always has a line of its own.
fn lines(rows: &[Row]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    // The artifact of each depth on the way to the current row, and, below a statement, the
    // artifacts that it has named so far with those to be said in one line.
    let mut way: Vec<Option<ArtifactId>> = Vec::new();
    let mut named: Vec<BTreeSet<ArtifactId>> = Vec::new();
    let mut stand_above: Vec<Vec<&str>> = Vec::new();
    for row in rows {
        close(&mut lines, &mut stand_above, row.depth + 1);
        way.truncate(row.depth);
        named.truncate(row.depth + 1);
        named.resize(row.depth + 1, BTreeSet::new());
        stand_above.resize(row.depth + 1, Vec::new());
        let Item::Artifact { artifact, name, revoked_by, repeated, .. } = &row.item else {
            way.push(None);
            lines.push(Line { depth: row.depth, text: Text::Row(row) });
            continue;
        };
        let parent = row.depth.checked_sub(2).and_then(|depth| way.get(depth).copied().flatten());
        way.push(Some(*artifact));
        let fresh = named.last_mut().is_none_or(|named| named.insert(*artifact));
        match stand_above.last_mut() {
            Some(_) if *repeated && (!fresh || parent == Some(*artifact)) => {}
            Some(names) if *repeated && revoked_by.is_none() => names.push(name),
            _ => lines.push(Line { depth: row.depth, text: Text::Row(row) }),
        }
    }
    close(&mut lines, &mut stand_above, 0);
    lines
}

/// Ends the lists of artifacts at `depth` and below.
fn close<'r>(lines: &mut Vec<Line<'r>>, stand_above: &mut Vec<Vec<&'r str>>, depth: usize) {
    while stand_above.len() > depth {
        let depth = stand_above.len() - 1;
        if let Some(names) = stand_above.pop().filter(|names| !names.is_empty()) {
            lines.push(Line { depth, text: Text::Above(names) });
        }
    }
}

/// Says what stands above.
fn above(page: &mut Page, names: &[&str]) {
    let (first, rest) = names.split_at(names.len().min(MAX_ABOVE));
    let unnamed = |name: &&str| if name.is_empty() { "unnamed".into() } else { (*name).to_owned() };
    page.put(Tone::Faint, first.iter().map(unnamed).collect::<Vec<String>>().join(", "));
    if !rest.is_empty() {
        page.put(Tone::Faint, format_args!(" and {} more", rest.len()));
    }
    page.put(Tone::Faint, "  (drawn above)").end();
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
    /// Of an artifact that stands alone: who would have to speak, and about what.
    fn nothing(&self, page: &mut Page) {
        match self.family.direction {
            Way::Up => {
                page.put(Tone::Warn, "nobody who is trusted says where it comes from");
                page.line(": wrap the step that makes it with `assay run --product`, or ask for another digest");
            }
            Way::Down => {
                page.put(Tone::Warn, "nobody who is trusted says that anything was made from it");
                page.line(": wrap the step that takes it with `assay run --material`, or ask for another digest");
            }
        }
    }

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
                let word = predicate_name::spoken(predicate_type);
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
