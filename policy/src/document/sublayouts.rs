//! Layouts in the place of links: a functionary does a step by a layout of their own.
//!
//! Each names the step, and counts for whoever of those who may do the step has signed it. Links are
//! believed statements, and a statement says which step it is of and not of which layout: so no step
//! of a layout has the name of a step of another that stands with it. in-toto specification v1.0,
//! section 4.3.2 ("sublayouts").

use std::collections::BTreeSet;

use attest::in_toto::{Content, Layout, Metadata, file_name, folder_name};
use serde_saphyr::Spanned;
use verify::layout::{LinkFolder, verify_layout};

use super::Problem;
use super::Text;
use super::describe::{self, fields};
use super::field::{Compiled, value, wrong};
use super::files::Shelf;
use super::layouts::text;

/// The most sublayouts of one layout, those of sublayouts included.
const MAX_SUBLAYOUTS: usize = 32;
/// The most places that they take: one for each functionary who signed, in each layout above.
const MAX_PLACES: usize = 256;

fields! {
    Sublayout {
        /// The step that is done by it: of the layout, or of another sublayout.
        step: Text,
        /// The layout, if it stands here: a metablock or a DSSE envelope, in JSON.
        text: Option<Text>,
        /// The file with the layout, below the folder of the policy.
        file: Option<Text>,
        /// The file's SHA-256 in hex digits.
        sha256: Option<Text> = describe::text("^(sha256:)?[0-9a-f]{64}$"),
    }
}

/// A sublayout, and whether some step is done by it.
struct Below<'a> {
    line: &'a Spanned<Sublayout>,
    text: &'a str,
    metadata: Metadata,
    used: bool,
}

/// The sublayouts as files in the places of links, each under the names of the functionaries who
/// signed it and may do its step.
pub(super) fn folder<'a, 'f: 'a>(
    outer: &Metadata,
    lines: &'a [Spanned<Sublayout>],
    files: &mut Shelf<'f>,
) -> Compiled<LinkFolder> {
    let mut folder = LinkFolder::default();
    let Content::Layout(layout) = outer.content() else { return Ok(folder) };
    let mut names: BTreeSet<String> = layout.steps.iter().map(|step| step.name.clone()).collect();
    let mut all: Vec<Below<'a>> = Vec::new();
    for line in lines {
        if all.len() >= MAX_SUBLAYOUTS {
            let problem = format!("more than {MAX_SUBLAYOUTS} sublayouts");
            return Err(wrong(line, Problem::Value(problem)));
        }
        let fields = &line.value;
        let (text, at) = text(line, (&fields.text, &fields.file, &fields.sha256), files)?;
        let metadata = Metadata::parse(text.as_bytes()).map_err(|error| wrong(at, value(error)))?;
        let Content::Layout(layout) = metadata.content() else {
            return Err(wrong(at, Problem::Value("this is a link, not a layout".into())));
        };
        for step in &layout.steps {
            if !names.insert(step.name.clone()) {
                let problem =
                    format!("the step `{}` stands in another layout of these too", step.name);
                return Err(wrong(at, Problem::Value(problem)));
            }
        }
        all.push(Below { line, text, metadata, used: false });
    }
    place(layout, &mut Vec::new(), &mut all, &mut folder)?;
    if let Some(unused) = all.iter().find(|one| !one.used) {
        let step = &unused.line.value.step;
        let problem = match names.contains(&step.value) {
            true => format!("nobody has signed it who may do the step `{}`", step.value),
            false => format!("there is no step `{}` in the layout", step.value),
        };
        return Err(wrong(step, Problem::Value(problem)));
    }
    Ok(folder)
}

/// Puts the sublayouts of a layout in their places, and those below them. Names are found once, so
/// that this ends; how deep it goes is bounded by the folder.
fn place(
    layout: &Layout,
    above: &mut Vec<String>,
    all: &mut [Below<'_>],
    folder: &mut LinkFolder,
) -> Compiled<()> {
    for step in &layout.steps {
        for label in &step.pubkeys {
            let Some(key) = layout.keys.get(label) else { continue };
            let signed = |one: &Below<'_>| {
                let owner = std::slice::from_ref(key);
                one.line.value.step.value == step.name
                    && verify_layout(&one.metadata, owner, &LinkFolder::default()).is_ok()
            };
            let mut of_key = (0..all.len()).filter(|at| all.get(*at).is_some_and(signed));
            let Some(at) = of_key.next() else { continue };
            if let Some(other) = of_key.next().and_then(|at| all.get(at)) {
                let problem = format!("key `{label}` has signed two for the step `{}`", step.name);
                return Err(wrong(&other.line.value.step, Problem::Value(problem)));
            }
            let Some(one) = all.get_mut(at) else { continue };
            one.used = true;
            if folder.count() >= MAX_PLACES {
                let problem = format!("the sublayouts take more than {MAX_PLACES} places");
                return Err(wrong(one.line, Problem::Value(problem)));
            }
            let path: Vec<&str> = above.iter().map(String::as_str).collect();
            let bytes = one.text.as_bytes().to_vec();
            folder
                .insert(&path, &file_name(&step.name, label), bytes)
                .map_err(|error| wrong(one.line, value(error)))?;
            let Content::Layout(below) = one.metadata.content() else { continue };
            let below = below.clone();
            above.push(folder_name(&step.name, label));
            place(&below, above, all, folder)?;
            above.pop();
        }
    }
    Ok(())
}
