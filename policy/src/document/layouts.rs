//! The section of in-toto layouts: each inline or in a file that comes with the document, under the
//! signatures of its owners, with the layouts that stand in the place of some of its links.

use std::collections::BTreeSet;

use attest::StepName;
use attest::Timestamp;
use attest::in_toto::{self, LayoutKey, Metadata};
use serde_saphyr::Spanned;
use verify::layout::{Evidence, SignedLayout, verify_layout};

use super::describe::{self, fields, some, words};
use super::field::{Compiled, defined, label, require, value, word, wrong};
use super::files::{MAX_FILE_BYTES, Shelf};
use super::sublayouts::{Sublayout, folder};
use super::{Document, Entries, Items, Problem, Text};
use crate::layout::{Inspected, Parameters, judge};
use crate::model::{LogRule, Model};
use crate::rules::LayoutMet;
use crate::whom::Whom;

/// The most layouts of one policy.
const MAX_LAYOUTS: usize = 16;
/// The most owners of one layout.
const MAX_OWNERS: usize = 32;

fields! {
    Layout {
        /// What the layout is called.
        id: Text = describe::label(),
        /// The layout, if it stands here: a metablock or a DSSE envelope, in JSON.
        text: Option<Text>,
        /// The file with the layout, below the folder of the policy.
        file: Option<Text>,
        /// The file's SHA-256 in hex digits.
        sha256: Option<Text> = describe::text("^(sha256:)?[0-9a-f]{64}$"),
        /// The public keys of its owners, in PEM; each must have signed it.
        owners: Spanned<Items<Text>> = some::<Text>(),
        /// Values for `{name}` in it, by name. Without any, braces stand for themselves.
        parameters: Option<Spanned<Entries<Text>>>,
        /// Layouts by which functionaries do steps of it; no statement of theirs counts for these.
        #[serde(default)]
        sublayouts: Items<Spanned<Sublayout>>,
        /// The step whose products the layout leads to; the artifact itself unless said.
        step: Option<Text> = describe::label(),
        /// Whether the statements must be in a trusted log; `required` unless said.
        log: Option<Text> = words(LogRule::ALL, LogRule::as_str),
    }
}

/// Makes a rule of each.
pub(super) fn layouts<'a, 'f: 'a>(
    document: &'a Document,
    model: &mut Model,
    names: &[&str],
    files: &mut Shelf<'f>,
) -> Compiled<()> {
    for (index, line) in document.layouts.0.iter().enumerate() {
        if index >= MAX_LAYOUTS {
            return Err(wrong(line, Problem::Value(format!("more than {MAX_LAYOUTS} layouts"))));
        }
        let id: StepName = label(&line.value.id)?;
        let place = format!("layouts.{id}");
        if model.rules.iter().any(|rule| rule.place() == place) {
            return Err(wrong(&line.value.id, Problem::RepeatedKey(id.as_str().into())));
        }
        let step = line.value.step.as_ref();
        let log = line.value.log.as_ref();
        let log = log.map(|text| word(text, "log rule", &LogRule::ALL, LogRule::as_str));
        let signed = signed(line, files)?;
        let rule = LayoutMet {
            place,
            id: id.as_str().to_owned(),
            parameters: parameters(line.value.parameters.as_ref(), &signed)?,
            signed,
            step: step.map(|name| defined("step", name, names)).transpose()?,
            log: log.transpose()?.unwrap_or(LogRule::Required),
            believed: Whom { any_of: None, narrowed: model.narrowed.clone() },
        };
        model.rules.push(std::sync::Arc::new(rule));
    }
    Ok(())
}

/// What stands for names in the layout, which must be all that it asks for.
fn parameters(
    given: Option<&Spanned<Entries<Text>>>,
    signed: &SignedLayout,
) -> Compiled<Option<Parameters>> {
    let Some(given) = given else { return Ok(None) };
    if given.value.0.is_empty() {
        return Err(wrong(given, Problem::Empty("parameters")));
    }
    let mut parameters = Parameters::default();
    for (name, text) in &given.value.0 {
        let added = parameters.add(&name.value, &text.value);
        added.map_err(|error| wrong(name, value(error)))?;
    }
    // Whatever it is judged by later, it is filled in alike.
    judge(signed, Some(&parameters), &Inspected::new(), Timestamp::UNIX_EPOCH)
        .map_err(|error| wrong(given, value(error)))?;
    Ok(Some(parameters))
}

/// The text of a layout that stands in the document or in a file beside it, with the place to which
/// its faults belong.
pub(super) fn text<'a, 'f: 'a, T>(
    line: &'a Spanned<T>,
    (text, file, sha256): (&'a Option<Text>, &'a Option<Text>, &'a Option<Text>),
    files: &mut Shelf<'f>,
) -> Compiled<(&'a str, &'a Text)> {
    match (text, file) {
        (Some(text), None) => {
            if let Some(digest) = sha256 {
                let problem = "`sha256` is that of a `file`; a layout in the document needs none";
                return Err(wrong(digest, Problem::Contradiction(problem)));
            }
            Ok((text.value.as_str(), text))
        }
        (None, Some(file)) => {
            let digest = require(line, sha256.as_ref(), "sha256")?;
            Ok((files.text(file, digest, MAX_FILE_BYTES)?, file))
        }
        (Some(_), Some(file)) => {
            let problem = "a layout has a `text` or a `file`, not both";
            Err(wrong(file, Problem::Contradiction(problem)))
        }
        (None, None) => Err(wrong(line, Problem::MissingKey("text".into()))),
    }
}

/// The layout under the signatures of all its owners. Whatever nothing could ever meet is refused.
fn signed<'a, 'f: 'a>(line: &'a Spanned<Layout>, files: &mut Shelf<'f>) -> Compiled<SignedLayout> {
    let fields = &line.value;
    let (text, at) = text(line, (&fields.text, &fields.file, &fields.sha256), files)?;
    let metadata = Metadata::parse(text.as_bytes()).map_err(|error| wrong(at, value(error)))?;
    let list = &fields.owners;
    if list.value.0.is_empty() {
        return Err(wrong(list, Problem::Empty("owners")));
    }
    if list.value.0.len() > MAX_OWNERS {
        return Err(wrong(list, Problem::Value(format!("more than {MAX_OWNERS} owners"))));
    }
    let owner =
        |text: &Text| LayoutKey::from_pem(&text.value).map_err(|error| wrong(text, value(error)));
    let owners: Vec<LayoutKey> = list.value.0.iter().map(owner).collect::<Compiled<_>>()?;
    let below = folder(&metadata, &fields.sublayouts.0, files)?;
    let signed =
        verify_layout(&metadata, &owners, &below).map_err(|error| wrong(at, value(error)))?;
    let mut open = vec![&signed];
    // As many as `folder` has let in.
    while let Some(layout) = open.pop() {
        can_be_met(layout.layout(), at)?;
        open.extend(layout.links().iter().filter_map(|link| match link.evidence() {
            Evidence::Layout(below) => Some(&**below),
            Evidence::Link(_) => None,
        }));
    }
    Ok(signed)
}

/// Refuses a layout that nothing could ever meet, or that asks for more than judging does.
fn can_be_met(layout: &in_toto::Layout, at: &Text) -> Compiled<()> {
    if layout.steps.is_empty() {
        return Err(wrong(at, Problem::Empty("steps")));
    }
    if !layout.inspections.is_empty() {
        let problem = "the layout has inspections, and judging runs nothing: leave them out, or check it with `assay layout verify`";
        return Err(wrong(at, Problem::Contradiction(problem)));
    }
    let usable = |step: &in_toto::Step| {
        let keys = step.pubkeys.iter().filter_map(|label| layout.keys.get(label)?.identity());
        keys.collect::<BTreeSet<_>>().len()
    };
    let never = |step: &&in_toto::Step| {
        usable(step) < usize::try_from(step.threshold).unwrap_or(usize::MAX)
    };
    if let Some(step) = layout.steps.iter().find(never) {
        let problem = format!(
            "the step `{}` of the layout needs {} functionaries and names {} that can be checked",
            step.name,
            step.threshold,
            usable(step)
        );
        return Err(wrong(at, Problem::Value(problem)));
    }
    Ok(())
}
